"""What the conformance tests of IMAP share: a server for a file of tests, a fresh mailbox for each.

    from imap_box import box, server         # fixtures

    def test_x(box):
        box.add(LETTER, "\\\\Seen")           # UID
        box.t.ok("FETCH 1 FLAGS")

`need()` demands a capability of Yizhan; on Dovecot, which the tests are proven with, a missing one skips.
"""

import itertools

import pytest

from imap_talk import Lit, quote
from readers import open_reader

NUMBERS = itertools.count(1)

LETTER = (b"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Fred Foobar <foobar@Blurdybloop.example>\r\n"
          b"Subject: afternoon meeting\r\nTo: mooch@owatagu.siam.edu.example\r\nMessage-Id: <B27397-0100000@Blurdybloop.example>\r\n"
          b"MIME-Version: 1.0\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\nHello Joe, do you think we can meet at 3:30 tomorrow?\r\n")


def letter(subject="a subject", text="some text\r\n", sender="a@example.org", to="b@example.org", date=None, more=""):
    return ("From: %s\r\nTo: %s\r\nSubject: %s\r\n%s%s\r\n%s" % (
        sender, to, subject, "Date: %s\r\n" % date if date else "", more, text)).encode()


@pytest.fixture(scope="module")
def server():
    with open_reader() as reader:
        yield reader


class Box:
    """A mailbox of alice's that is empty and selected; `t` the session."""

    def __init__(self, server, name=None):
        self.server = server
        self.t = server.talk("alice")
        self.name = name or "T%d" % next(NUMBERS)
        self.t.ok("CREATE " + quote(self.name))
        self.selected = self.t.ok("SELECT " + quote(self.name))
        self.talks = [self.t]

    def add(self, octets=LETTER, flags="", date=None, name=None):
        return self.t.append(name or self.name, octets, flags, date)

    def select(self, verb="SELECT", more=""):
        return self.t.ok("%s %s%s" % (verb, quote(self.name), more))

    def again(self, enable="", user="alice", is_selecting=True):
        """Another session of the same account, which looks at the same mailbox."""
        t = self.server.talk(user)
        self.talks.append(t)
        if enable:
            t.ok("ENABLE " + enable)
        if is_selecting:
            t.ok("SELECT " + quote(self.name))
        return t

    def close(self):
        for t in self.talks:
            t.close()

    def fetch(self, what, which="1"):
        """Items of one message."""
        return self.t.ok("FETCH %s %s" % (which, what)).fetches()[int(which)]

    def uids(self, key):
        """UID SEARCH as a sorted list."""
        r = self.t.ok("UID SEARCH " + key)
        assert not r.all("ESEARCH")
        found = r.last("SEARCH")
        return sorted(found[0]) if found else []


@pytest.fixture
def box(server):
    made = Box(server)
    yield made
    made.close()


def need(box_or_talk, *names):
    t = getattr(box_or_talk, "t", box_or_talk)
    missing = [n for n in names if n.upper() not in t.capability()]
    if missing:
        server = getattr(box_or_talk, "server", None)
        assert server is not None and not server.is_yizhan, "not offered: " + " ".join(missing)
        pytest.skip("Dovecot has no " + " ".join(missing))


def strict(server, why):
    """What follows holds for Yizhan; Dovecot is known to do otherwise."""
    if not server.is_yizhan:
        pytest.skip("Dovecot: " + why)


__all__ = ["Box", "LETTER", "Lit", "box", "letter", "need", "quote", "server", "strict"]
