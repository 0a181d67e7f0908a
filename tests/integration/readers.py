"""The server whose IMAP and POP3 a test reads: Yizhan, or Dovecot as a proof that the test itself is right.

    with open_reader() as server:          # $YIZHAN_READER: "yizhan" (default) or "dovecot", "dovecot-sdbox"
        t = server.talk("alice")           # a Talk that is logged in
        server.deliver("alice", octets)    # as another server would: SMTP or LMTP

Both know alice, bob, carol and dave at yizhan.test.
"""

import os
import smtplib
import sys
import tempfile

from imap_talk import Talk
from station import TOP, Yizhan

sys.path.insert(0, os.path.join(TOP, "tests", "peers"))

DOMAIN = "yizhan.test"
NAMES = ("alice", "bob", "carol", "dave")
SENDER = "sender@example.org"


def kind_of():
    return os.environ.get("YIZHAN_READER", "yizhan")


class Reader:
    """What both have. `is_yizhan` is for what a standard leaves open, or Dovecot is known not to do."""

    is_yizhan = False

    def address(self, name):
        return "%s@%s" % (name, DOMAIN)

    def talk(self, name=None, tls=None, **more):
        t = Talk(self.imaps if tls else self.imap, tls=tls, **more)
        if name:
            t.login(self.address(name), self.passwords[name])
        return t

    def other(self, owner, folder):
        """How another account names this mailbox of owner's."""
        return "Other Users/%s/%s" % (self.address(owner), folder)


class YizhanReader(Reader):
    is_yizhan = True

    def __init__(self, **settings):
        self.settings = settings

    def __enter__(self):
        self.station = Yizhan(**self.settings)
        self.station.__enter__()
        self.passwords = {a.address.split("@")[0]: a.password for a in self.station.accounts}
        for name in NAMES:
            if name not in self.passwords:
                self.add(name)
        return self

    def add(self, name, password="a-pass-word-of-test"):
        self.passwords[name] = password
        with tempfile.NamedTemporaryFile("w", suffix=".password") as f:
            f.write(password + "\n")
            f.flush()
            self.station.cli("account", "add", self.address(name), "--password-file", f.name)

    def __exit__(self, *exc):
        self.station.__exit__(*exc)

    def port(self, name):
        return ("127.0.0.1", self.station.ports[name])

    imap = property(lambda self: self.port("imap"))
    imaps = property(lambda self: self.port("imaps"))
    pop3 = property(lambda self: self.port("pop3"))
    pop3s = property(lambda self: self.port("pop3s"))

    @property
    def certificate(self):
        return os.path.join(self.station.data, "certificate.pem")

    def deliver(self, name, octets, sender=SENDER):
        with smtplib.SMTP(*self.station.smtp, timeout=30) as client:
            client.sendmail(sender, [self.address(name)], octets)

    def prefix_length(self, octets_in_mailbox, octets_sent):
        return len(octets_in_mailbox) - len(octets_sent)

    def log(self):
        return self.station.log()


class DovecotReader(Reader):
    def __init__(self, store="maildir", **settings):
        from dovecot import DovecotReader as Peer
        self.passwords = {name: "a-pass-word-of-test" for name in NAMES}
        self.peer = Peer({self.address(name): word for name, word in self.passwords.items()}, store=store, **settings)

    def __enter__(self):
        self.peer.__enter__()
        return self

    def __exit__(self, *exc):
        self.peer.__exit__(*exc)

    imap = property(lambda self: self.peer.imap)
    imaps = property(lambda self: self.peer.imaps)
    pop3 = property(lambda self: self.peer.pop3)
    pop3s = property(lambda self: self.peer.pop3s)

    def other(self, owner, folder):
        return "Other Users/%s%s" % (self.address(owner), "" if folder == "INBOX" else "/" + folder)

    @property
    def certificate(self):
        return self.peer.path("cert.pem")

    def deliver(self, name, octets, sender=SENDER):
        with smtplib.LMTP(*self.peer.address, timeout=30) as client:
            client.sendmail(sender, [self.address(name)], octets)

    def log(self):
        return self.peer.log()


def open_reader(kind=None, **settings):
    kind = kind or kind_of()
    if kind == "yizhan":
        return YizhanReader(**settings)
    return DovecotReader(store="sdbox" if kind.endswith("sdbox") else "maildir", **settings)
