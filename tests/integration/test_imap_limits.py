"""What one connection may cost before and after login: 10^6 parentheses, a thousand literals, lines without an end,
literals that are announced and never come. The answer is BAD or BYE, the memory stays, and others do not notice."""

import os
import re
import socket
import time

import pytest

from imap_box import strict
from imap_talk import Bye, Talk, Wrong, quote
from readers import open_reader

KIB_MAX = 4096  # what one such connection may add while it is open; the sanitizers' shadow is not counted against it


@pytest.fixture(scope="module")
def server():
    """What is freed goes back at once, so that resident memory says what is held also under the sanitizers."""
    before = os.environ.get("ASAN_OPTIONS")
    os.environ["ASAN_OPTIONS"] = ":".join(filter(None, [before, "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"]))
    try:
        with open_reader() as reader:
            yield reader
    finally:
        os.environ.pop("ASAN_OPTIONS")
        if before is not None:
            os.environ["ASAN_OPTIONS"] = before


def resident_kib(server):
    with open("/proc/%d/statm" % server.station.pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def pour(t, pieces, seconds=20):
    """Send until the server has had enough; what it said."""
    said = b""
    t.socket.settimeout(seconds)
    try:
        for piece in pieces:
            t.socket.sendall(piece)
            t.socket.setblocking(False)
            try:
                said += t.socket.recv(65536)
            except BlockingIOError:
                pass
            finally:
                t.socket.settimeout(seconds)
            if re.search(rb"^\* BYE", said, re.M):
                break
        t.socket.settimeout(3)
        while True:
            more = t.socket.recv(65536)
            if not more:
                break
            said += more
    except OSError:
        pass
    return said


ATTACKS = {
    "a million parentheses": lambda: [b"a SEARCH "] + [b"(" * 10000] * 100 + [b"\r\n"],
    "a million parentheses in FETCH": lambda: [b"a FETCH 1 "] + [b"(" * 10000] * 100 + [b"\r\n"],
    "a line without an end": lambda: [b"a NOOP "] + [b"x" * 65536] * 64,
    "a tag without an end": lambda: [b"x" * 65536] * 64,
    "a thousand literals": lambda: [b"a LOGIN "] + [b"{1000+}\r\n" + b"y" * 1000 + b" "] * 1000 + [b"\r\n"],
    "one large literal": lambda: [b"a LOGIN {999999999+}\r\n"] + [b"z" * 65536] * 64,
    "literals that are announced": lambda: [b"a LOGIN {99999999999999999999}\r\n"],
    "a quoted string without an end": lambda: [b'a LOGIN "'] + [b"q" * 65536] * 64,
    "NOT a hundred thousand times": lambda: [b"a SEARCH "] + [b"NOT " * 1000] * 100 + [b"ALL\r\n"],
    "a sequence set without an end": lambda: [b"a FETCH "] + [b"1,3:5," * 5000] * 40 + [b"9 FLAGS\r\n"],
}


@pytest.mark.parametrize("is_in", [False, True], ids=["before login", "after login"])
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_one_connection_has_a_budget(server, attack, is_in):
    strict(server, "has limits of its own")
    with server.talk("alice" if is_in else None) as t:
        if is_in:
            t.ok("SELECT INBOX")
        before = resident_kib(server)
        begin = time.monotonic()
        said = pour(t, ATTACKS[attack]())
        assert re.search(rb"^(\* BYE|\* BAD|a BAD|a NO|\+ )", said, re.M), said[-200:]
        if not is_in:
            assert b"* BYE" in said or re.search(rb"^a (BAD|NO)", said, re.M), said[-200:]
        assert time.monotonic() - begin < 15
        assert resident_kib(server) - before < KIB_MAX * (1 if not is_in else 4)
    with server.talk("bob") as t:
        t.ok("NOOP")


def test_a_thousand_connections_may_announce_literals(server):
    """No memory is taken for what is only announced."""
    strict(server, "has limits of its own")
    before = resident_kib(server)
    talks = []
    for _ in range(100):
        t = Talk(server.imap)
        t.send(b"a LOGIN {8000}\r\n")
        talks.append(t)
    for t in talks:
        t.response()
    assert resident_kib(server) - before < 100 * 128
    for t in talks:
        t.close()


def test_wrong_logins_end_the_connection(server):
    strict(server, "slows down instead")
    with server.talk() as t:
        with pytest.raises((Bye, OSError, Wrong)):
            for _ in range(40):
                t.no("LOGIN %s wrong" % quote(server.address("carol")))
    with server.talk("alice") as t:
        t.ok("NOOP")


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"EHLO x\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 100 + b"\r\n",
                                    b"a\x00b NOOP\r\n", b"a LOGIN a\rb c\r\n", b"\r\n" * 500])
def test_other_protocols_and_odd_octets_do_no_harm(server, octets):
    with server.talk() as t:
        try:
            t.socket.sendall(octets)
            t.socket.settimeout(0.3)
            t.socket.recv(65536)
        except OSError:
            pass
    with server.talk("alice") as t:
        t.ok("NOOP")


def test_a_slow_reader_does_not_fill_memory(server):
    """Who asks for much and reads nothing holds a fixed amount; who is beside him is served."""
    strict(server, "has a process for each")
    letter = b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 14000
    with server.talk("dave") as t:
        for _ in range(10):
            t.append("INBOX", letter)
        t.ok("SELECT INBOX")
        before = resident_kib(server)
        t.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        t.send(b"".join(b"x%d FETCH 1:* BODY.PEEK[]\r\n" % n for n in range(20)))
        time.sleep(1)
        # 200 MB are asked for; a page of bodies, the pages of the store and what the sanitizer adds are there
        assert resident_kib(server) - before < 24 * 1024
        with server.talk("bob") as other:
            begin = time.monotonic()
            other.ok("SELECT INBOX")
            assert time.monotonic() - begin < 10
