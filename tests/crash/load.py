"""Load for crash tests: clients that remember exactly which messages were answered with 250, and the inventory
that is taken afterwards. Standard library only."""

import re
import smtplib
import threading
import time

LOCAL = "alice@yizhan.test"
OTHER = "bob@yizhan.test"
REMOTE = "someone@sink.test"
REFUSED = "refused@sink.test"
LARGE_OCTETS = 700 * 1024

TOKEN = re.compile(rb"^X-Token: (\S+)\r?$", re.M)
BOUNCE_TOKEN = re.compile(rb"^X-Token: (\S+)\r?$", re.M)


class Sent:
    """What became of each message: token -> recipients answered 250; and all tokens ever tried."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}
        self.tried = {}

    def trying(self, token, rcpts):
        with self.lock:
            self.tried[token] = rcpts

    def ok(self, token, rcpts):
        with self.lock:
            self.accepted[token] = rcpts

    def count(self):
        with self.lock:
            return len(self.accepted)


def letter(token, size=2000):
    line = ("%s " % token * 60)[:70] + "\r\n"
    body = line * max(1, size // len(line))
    return ("From: bob@yizhan.test\r\nTo: undisclosed:;\r\nSubject: %s\r\nX-Token: %s\r\n\r\n%s" %
            (token, token, body)).encode()


class Clients:
    """`threads` clients that send until stop() or `messages` each; a lost connection ends a client's session, and it
    connects again while `is_stubborn`."""

    def __init__(self, address, sent, name, threads=4, messages=25, rcpt_sets=None, size=2000, is_stubborn=False):
        self.address, self.sent, self.name = address, sent, name
        self.messages, self.size, self.is_stubborn = messages, size, is_stubborn
        self.rcpt_sets = rcpt_sets or [[LOCAL], [REMOTE], [LOCAL, OTHER, REMOTE], [OTHER]]
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(n,), daemon=True) for n in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        i = 0
        while not self.stopping.is_set() and i < self.messages:
            try:
                i = self.session(number, i)
            except (OSError, smtplib.SMTPException):
                if not self.is_stubborn:
                    return
                time.sleep(0.02)
                i += 1

    def session(self, number, i):
        with smtplib.SMTP(*self.address, timeout=20) as smtp:
            while not self.stopping.is_set() and i < self.messages:
                token = "%s-%d-%d" % (self.name, number, i)
                rcpts = self.rcpt_sets[i % len(self.rcpt_sets)]
                self.sent.trying(token, rcpts)
                refused = smtp.sendmail("bob@yizhan.test", rcpts, letter(token, self.size))
                self.sent.ok(token, [r for r in rcpts if r not in refused])
                i += 1
        return i

    def join(self, seconds=60):
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.1, end - time.monotonic()))
            assert not thread.is_alive(), "a client hangs"

    def stop(self):
        self.stopping.set()
        self.join()


def tokens_in(station, address):
    """How often each token is in the mailbox, from the exact octets of each message. Bounces count apart."""
    plain, bounced = {}, {}
    for message in station.mailbox(address):
        subject = message["subject"]
        if re.fullmatch(r"\S+-\d+-\d+", subject):
            plain[subject] = plain.get(subject, 0) + 1
        else:
            raw = station.export(address, message["uid"])
            for token in BOUNCE_TOKEN.findall(raw):
                bounced[token.decode()] = bounced.get(token.decode(), 0) + 1
    return plain, bounced


def wait_queue_empty(station, seconds=30):
    end = time.monotonic() + seconds
    while True:
        queue = station.cli_json("queue", "list", "--json")
        if not queue:
            return
        assert time.monotonic() < end, "the queue does not empty: %r\n%s" % (queue[:3], station.log())
        station.cli("queue", "retry", "--all")
        time.sleep(0.1)


def check_inventory(station, sent, sink):
    """Every message answered with 250 is exactly once in its local mailbox and at least once at the next hop; what was
    not answered is nowhere twice; a refused recipient's sender has exactly one report for each accepted message."""
    mailboxes = {a: tokens_in(station, a) for a in (LOCAL, OTHER)}
    taken = {}
    for got in sink.messages:
        token = TOKEN.search(got.data)
        if token:
            taken[token.group(1).decode()] = taken.get(token.group(1).decode(), 0) + 1
    for token, rcpts in sent.accepted.items():
        for rcpt in rcpts:
            if rcpt in mailboxes:
                count = mailboxes[rcpt][0].get(token, 0)
                assert count == 1, "%s answered 250 is %d times in the mailbox of %s" % (token, count, rcpt)
            elif rcpt == REMOTE:
                assert taken.get(token, 0) >= 1, "%s answered 250 never reached the next hop" % token
            elif rcpt == REFUSED:
                count = mailboxes[OTHER][1].get(token, 0)
                assert count == 1, "%d reports for the refused recipient of %s" % (count, token)
    for token, rcpts in sent.tried.items():
        for address, (plain, bounced) in mailboxes.items():
            most = 1 if address in rcpts else 0
            assert plain.get(token, 0) <= most, "%s is %d times in %s" % (token, plain.get(token, 0), address)
            assert bounced.get(token, 0) <= 1, "%s is reported %d times" % (token, bounced[token])
    return {token: n for token, n in taken.items() if n > 1}
