"""A queue as a station finds it after a long outage: recipients by the hundred thousand, written straight into the
store of a server that does not run."""

import os
import sqlite3
import time

TEXT = b"From: <alice@yizhan.test>\r\nSubject: one of many\r\n\r\nHello.\r\n"
A_LETTER = 100  # recipients


def fill(data, recipients, destinations, destination_of, due_of=lambda i, now: now, active=0, base=1 << 50):
    """Letters of A_LETTER recipients each; recipient i goes to destination_of(i % destinations), due at due_of(i, now)
    (ns). The first `active` rows are held by a process that died."""
    db = sqlite3.connect(os.path.join(data, "yizhan.db"))
    now = time.time_ns()
    letters = recipients // A_LETTER
    body = base  # ids lie below those that a server makes now

    def rcpts():
        for i in range(letters * A_LETTER):
            is_active = i < active
            yield (base + i, base + i // A_LETTER, 1 if is_active else 0, due_of(i, now), (1 << 63) - 1 if is_active else 0,
                   "r%d@there.test" % i, destination_of(i % destinations))

    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    db.execute("INSERT INTO blob (id, refs, octets) VALUES (?, ?, ?)", (body, letters, len(TEXT)))
    db.execute("INSERT INTO blob_chunk (id, data) VALUES (?, ?)", (body, TEXT))
    db.executemany(
        "INSERT INTO queue_msg (id, blob_id, blob_octets, rcpt_first, rcpt_count, rcpt_left, arrived_ns, expires_ns, flags,"
        " reverse_path, envid, origin, peer, prefix) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 'alice@yizhan.test', '', 'smtp', '', '')",
        ((base + n, body, len(TEXT), base + n * A_LETTER, A_LETTER, A_LETTER, now, now + 5 * 86400 * 10**9)
         for n in range(letters)))
    db.executemany(
        "INSERT INTO queue_rcpt (id, msg_id, state, next_ns, lease_ns, attempts, flags, wish, account_id, address, orcpt,"
        " destination, last_ns, last_code, last_enhanced, last_text, last_host, prefix)"
        " VALUES (?, ?, ?, ?, ?, 0, 0, 0, 0, ?, '', ?, 0, 0, '', '', '', '')", rcpts())
    for counter, more in ((2, letters), (3, letters * A_LETTER)):  # STORE_COUNT_QUEUE_MESSAGES, _RCPTS
        db.execute("INSERT INTO counter (id, value) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET value = value + ?",
                   (counter, more, more))
    db.commit()
    db.close()
    return letters * A_LETTER
