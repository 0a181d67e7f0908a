"""Moving in from Dovecot: over IMAP, with a connection that breaks, and from the files that it keeps."""

import imaplib
import json
import os
import random
import socket
import threading
import time

import pytest

from peers import user_named

USER, PASSWORD = "alice@old.test", "old secret"
ALICE = "alice@yizhan.test"
BASE = 1700000000
EX_NOPERM, EX_UNAVAILABLE = 77, 69
INFO = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}


def letter(n, size=400):
    return (b"From: a@example.org\r\nTo: %s\r\nSubject: letter %d\r\nMessage-ID: <%d@old.test>\r\n\r\n" %
            (USER.encode(), n, n)) + b"From line\r\n" + bytes([97 + n % 26]) * size + b"\r\n"


def fill(dovecot, folder, numbers, flags=lambda n: ["", "S", "FS", "RS"][n % 4]):
    """Files below Dovecot's Maildir: quicker than any protocol."""
    owner = user_named("nobody")
    top = dovecot.path("mail", USER, "Maildir", *([folder] if folder else []))
    for sub in ("", "cur", "new", "tmp"):
        os.makedirs(os.path.join(top, sub), exist_ok=True)
    for n in numbers:
        name = os.path.join(top, "cur", "%d.N%d.old:2,%s" % (BASE + n, n, flags(n)))
        with open(name, "wb") as f:
            f.write(letter(n))
        os.utime(name, (BASE + n, BASE + n))
    for directory, subs, files in os.walk(dovecot.path("mail", USER)):
        for entry in [directory] + [os.path.join(directory, x) for x in files]:
            os.chown(entry, owner.pw_uid, owner.pw_gid)


def wanted(folder, numbers, flags=lambda n: ["", "S", "FS", "RS"][n % 4]):
    return [(folder, letter(n), tuple(sorted(INFO[c] for c in flags(n))), BASE + n) for n in numbers]


@pytest.fixture
def old(peers):
    from dovecot import DovecotReader
    with DovecotReader(users={USER: PASSWORD}, acl=False) as dovecot:
        yield dovecot


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_text(PASSWORD + "\n")
    return str(path)


class Cutter:
    """A road that breaks: each connection ends behind so many octets from the server."""

    def __init__(self, to, limits):
        self.to, self.limits, self.connections = to, list(limits), 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            limit = self.limits.pop(0) if self.limits else None
            server = socket.create_connection(self.to)
            threading.Thread(target=self.pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, limit), daemon=True).start()

    def pump(self, source, to, limit):
        sent = 0
        try:
            while limit is None or sent < limit:
                octets = source.recv(65536)
                if not octets:
                    break
                if limit is not None:
                    octets = octets[:limit - sent]
                to.sendall(octets)
                sent += len(octets)
        except OSError:
            pass
        for s in (source, to):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


def url(port, scheme="imaps", user=USER):
    return "%s://%s@127.0.0.1:%d/" % (scheme, user, port)


def pull(station, old, secret, where, *words, code=0):
    done = station.cli("mailbox", "pull", ALICE, where, "--password-file", secret,
                       "--ca-file", old.path("cert.pem"), *words, "--json", check=False, seconds=120)
    assert done.returncode == code, done.stderr.decode()
    return json.loads(done.stdout) if code == 0 else done.stderr.decode()


def rows(station, *words):
    return json.loads(station.cli(*words, "--json").stdout.decode() or "[]")


def seconds(text):
    return int(time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))) - time.timezone


def state(station, tmp_path):
    top = str(tmp_path / ("state%d" % random.randrange(1 << 30)))
    station.cli("mailbox", "export", ALICE, top, "--format", "eml", seconds=120)
    found = []
    for folder in rows(station, "mailbox", "folders", ALICE):
        for row in rows(station, "mailbox", "list", ALICE, "--folder", folder["name"]) if folder["messages"] else []:
            with open(os.path.join(top, *folder["name"].split("/"), "%d.eml" % row["uid"]), "rb") as f:
                found.append((folder["name"], f.read(), tuple(sorted(row["flags"])), seconds(row["received_at"])))
    return sorted(found)


def test_everything_comes_over_and_only_once(station, old, secret, tmp_path):
    fill(old, "", range(2000))
    fill(old, ".Entw&APw-rfe.2024", range(2000, 2010))
    fill(old, ".Sent", range(2010, 2020), lambda n: "S")
    fill(old, ".&mn962Q-", range(2020, 2023))
    with imaplib.IMAP4(*old.imap) as client:
        client.login(USER, PASSWORD)
        client.select("INBOX")
        client.store("1:3", "+FLAGS", "(work $Forwarded)")
    want = sorted(wanted("INBOX", range(2000)) + wanted("Entwürfe/2024", range(2000, 2010)) +
                  wanted("Sent", range(2010, 2020), lambda n: "S") + wanted("驿站", range(2020, 2023)))
    for i, (folder, octets, flags, date) in enumerate(want):
        if date - BASE < 3:
            want[i] = (folder, octets, tuple(sorted(flags + ("work", "$Forwarded"))), date)
    road = Cutter(old.imaps, [30000, 200000, 90000, 400000])
    try:
        dry = pull(station, old, secret, url(old.imaps[1]), "--dry-run")
        assert dry["imported"] == 2023 and state(station, tmp_path) == []
        # the connection breaks four times on the way
        done = pull(station, old, secret, url(road.port))
        assert road.connections >= 5
        assert done["bad"] == 0
        found = state(station, tmp_path)
        assert [(f[0], f[1][:100], f[2], f[3]) for f in found] == [(w[0], w[1][:100], w[2], w[3]) for w in want]
        assert found == want
        # nothing is new; what is asked by another port is another server, so the same road again
        done = pull(station, old, secret, url(road.port))
        assert (done["imported"], done["changed"], done["present"]) == (0, 0, 2023)
        # three more, and two that changed there; one was read here meanwhile: it stays as it is here
        fill(old, "", range(3000, 3003))
        with imaplib.IMAP4(*old.imap) as client:
            client.login(USER, PASSWORD)
            client.select("INBOX")
            client.uid("STORE", "9,13", "+FLAGS", "(\\Flagged todo)")
        done = pull(station, old, secret, url(road.port))
        assert (done["imported"], done["changed"]) == (3, 2)
        flagged = [f for f in state(station, tmp_path) if f[1] in (letter(8), letter(12))]
        assert [f[2] for f in flagged] == [("\\Flagged", "todo")] * 2
    finally:
        road.close()


@pytest.mark.smoke
def test_folders_are_mapped_left_out_and_pulled_by_import(station, old, secret, tmp_path):
    fill(old, "", range(3))
    fill(old, ".Work", range(3, 5))
    fill(old, ".Work.2024", range(5, 7))
    fill(old, ".Noise", range(7, 9))
    done = station.cli("mailbox", "import", ALICE, url(old.imap[1], "imap"), "--password-file", secret,
                       "--ca-file", old.path("cert.pem"), "--folder", "Work=Old/Job", "--folder", "INBOX=Old/In",
                       "--exclude", "Noise", "--json")
    assert json.loads(done.stdout)["imported"] == 7
    assert state(station, tmp_path) == sorted(wanted("Old/In", range(3)) + wanted("Old/Job", range(3, 5)) +
                                              wanted("Old/Job/2024", range(5, 7)))


def test_who_it_is_and_who_may_is_checked(station, old, secret, tmp_path):
    fill(old, "", range(2))
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    said = pull(station, old, str(wrong), url(old.imaps[1]), code=EX_NOPERM)
    assert "not it" not in said
    # an authority that did not sign it
    done = station.cli("mailbox", "pull", ALICE, url(old.imaps[1]), "--password-file", secret, check=False)
    assert done.returncode == EX_UNAVAILABLE and b"--ca-file" in done.stderr
    # another name than the certificate's
    done = station.cli("mailbox", "pull", ALICE, "imaps://%s@127.1:%d/" % (USER, old.imaps[1]),
                       "--password-file", secret, "--ca-file", old.path("cert.pem"), check=False)
    assert done.returncode == EX_UNAVAILABLE
    assert sum(row["messages"] for row in rows(station, "mailbox", "folders", ALICE)) == 0
    assert pull(station, old, secret, url(old.imap[1], "imap"), "--plaintext")["imported"] == 2


def test_files_that_dovecot_keeps(station, old, tmp_path):
    """Its Maildir, with what it writes beside; and its mbox."""
    fill(old, "", range(5))
    fill(old, ".Entw&APw-rfe", range(5, 8))
    with imaplib.IMAP4(*old.imap) as client:
        client.login(USER, PASSWORD)
        client.select("INBOX")
        client.store("2", "+FLAGS", "(work \\Deleted)")
        client.append("INBOX", "(\\Flagged again)", imaplib.Time2Internaldate(BASE + 99), letter(99))
    done = station.cli_json("mailbox", "import", ALICE, old.path("mail", USER, "Maildir"), "--json")
    assert done["imported"] == 9
    want = wanted("INBOX", range(5)) + wanted("Entwürfe", range(5, 8))
    want[1] = ("INBOX", letter(1), ("\\Deleted", "\\Seen", "work"), BASE + 1)
    want.append(("INBOX", letter(99), ("\\Flagged", "again"), BASE + 99))
    assert state(station, tmp_path) == sorted(want)


def test_the_mbox_that_dovecot_writes(station, peers, tmp_path):
    from dovecot import DovecotReader
    with DovecotReader(users={USER: PASSWORD}, acl=False,
                       more="mail_location = mbox:~/mboxes:INBOX=~/mboxes/inbox\nmbox_write_locks = fcntl\n") as old:
        owner = user_named("nobody")
        os.makedirs(old.path("mail", USER, "mboxes"))
        for path in (old.path("mail", USER), old.path("mail", USER, "mboxes")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        with imaplib.IMAP4(*old.imap) as client:
            client.login(USER, PASSWORD)
            for n in range(4):
                assert client.append("INBOX", "(\\Seen work)" if n % 2 else None,
                                     imaplib.Time2Internaldate(BASE + n), letter(n))[0] == "OK"
            client.select("INBOX")
            client.store("1", "+FLAGS", "(\\Answered)")
            client.select("Drafts")
        done = station.cli_json("mailbox", "import", ALICE, old.path("mail", USER, "mboxes", "inbox"), "--json")
        assert done["imported"] == 4
        found = [(f[0], f[1], f[2]) for f in state(station, tmp_path)]
        assert found == sorted(("INBOX", letter(n), ("\\Answered",) if n == 0 else ("\\Seen", "work") if n % 2 else ())
                               for n in range(4))
