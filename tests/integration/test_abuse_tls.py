"""Where clear text and TLS meet: what was said before, behind and beside the protection counts for nothing."""

import concurrent.futures
import re
import socket
import ssl

import pytest

from talk import Control, Gone, Talk, client_context, parse_replies, seeded, wait_idle

ATTACK = (b"EHLO evil\r\nMAIL FROM:<evil@peer.example>\r\nRCPT TO:<bob@yizhan.test>\r\nDATA\r\n"
          b"Subject: injected\r\n\r\nx\r\n.\r\n")
BOTH = ('demo = yes\nlistener smtp { address = { "127.0.0.1:2525" } }\n'
        'listener smtps { tls = implicit address = { "127.0.0.1:4650" } }\n'
        'limits { errors_soft = 1000000 errors_hard = 1000000 errors_delay = 0 junk_commands = 1000000 }\n')


@pytest.fixture(scope="module")
def stations():
    """One server with a port for STARTTLS and one for TLS at once; at its end nobody got what nobody may get."""
    from station import Yizhan
    with Yizhan(conf=BOTH) as station:
        yield station
        with Control(station) as control:
            assert control.letters("bob@yizhan.test") == {}


@pytest.mark.parametrize("injected", [
    b"NOOP\r\n", b"RSET\r\n", b"QUIT\r\n", b"EHLO evil\r\n", b"MAIL FROM:<evil@peer.example>\r\n", b"MAIL FROM:<ev",
    b"STARTTLS\r\n", ATTACK, b"\0" * 200, b"x" * 40000 + b"\r\n",
], ids=["noop", "rset", "quit", "ehlo", "mail", "half", "starttls", "letter", "nul", "much"])
def test_plaintext_behind_starttls_is_dropped(stations, injected):
    """CVE-2011-0411: no command from the clear side is obeyed as if TLS had protected it."""
    with Talk(stations.smtp) as t:
        assert t.ask(b"EHLO clear").code == 250
        t.send(b"STARTTLS\r\n" + injected)
        assert t.reply().both == "220 2.0.0"
        try:
            assert t.handshake() == b""
        except (ssl.SSLError, ConnectionError):
            # what did not fit into the server's first read met the handshake: the end, with nothing obeyed
            assert len(injected) > 16000
            return
        assert t.is_silent(), t.got
        assert t.ask(b"MAIL FROM:<a@peer.example>").both == "503 5.5.1"
        told = t.ask(b"EHLO safe")
        assert told.code == 250 and "STARTTLS" not in told.lines
        assert t.ask(b"STARTTLS").both == "503 5.5.1"
        assert t.deliver(b"Subject: honest\r\n\r\nx\r\n", hello=None).both == "250 2.0.0"
        assert t.ask(b"QUIT").code == 221
    with Control(stations) as control:
        rows = control.ask("mailbox.list", address="alice@yizhan.test")
        letter = control.ask("mailbox.export", address="alice@yizhan.test", uid=rows[-1]["uid"])
    assert rows[-1]["subject"] == "honest" and letter


def test_plaintext_between_220_and_handshake_ends_it(stations):
    with Talk(stations.smtp) as t:
        t.ask(b"EHLO clear")
        assert t.ask(b"STARTTLS").code == 220
        t.send(b"NOOP\r\n")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            t.handshake()
        # an alert may come, an SMTP reply may not
        assert not re.search(rb"\d\d\d ", t.rest_octets() if t.sock.fileno() >= 0 else b"")


def test_starttls_is_refused_where_it_may_not_stand(stations):
    with Talk(stations.smtp) as t:
        assert t.ask(b"STARTTLS").both == "503 5.5.1"  # before EHLO
        t.ask(b"EHLO clear")
        assert t.ask(b"STARTTLS now").both == "501 5.5.4"
        t.begin(hello=None)
        assert t.ask(b"STARTTLS").both == "503 5.5.1"  # within a transaction
        assert t.ask(b"RSET").code == 250
        assert t.ask(b"STARTTLS").code == 220
        t.handshake()
        assert t.ask(b"DATA").both == "503 5.5.1"


# ---- ALPACA: somebody makes a browser talk to us, or us to a browser ----


HTTP = (b"%s /x HTTP/1.1\r\nHost: mx.yizhan.test:2525\r\nContent-Type: text/plain\r\nContent-Length: 400\r\n\r\n" + ATTACK)
VERBS = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"CONNECT", b"PATCH", b"TRACE", b"get", b"PRI"]


@pytest.mark.parametrize("verb", VERBS, ids=lambda v: v.decode())
@pytest.mark.parametrize("how", ["clear", "starttls", "implicit"])
def test_http_gets_no_second_line(stations, verb, how):
    address = stations.smtp if how != "implicit" else ("127.0.0.1", stations.ports["smtps"])
    with Talk(address, greet=False) as t:
        if how == "starttls":
            t.reply(), t.ask(b"EHLO x"), t.ask(b"STARTTLS")
        if how != "clear":
            t.handshake()
        t.send(HTTP % verb)
        codes = [r.code for r in t.rest()]
    assert codes == ([421] if how == "starttls" else [220, 421])


@pytest.mark.parametrize("alpn, is_served", [
    (None, True), (["smtp"], True), (["h2", "smtp"], True), (["http/1.1"], False), (["h2", "http/1.1"], False),
    (["ftp"], False), (["imap"], False),
], ids=str)
def test_alpn_of_other_protocols_is_refused(stations, alpn, is_served):
    with Talk(("127.0.0.1", stations.ports["smtps"]), greet=False) as t:
        if is_served:
            t.handshake(alpn)
            assert t.reply().code == 220
            assert t.sock.selected_alpn_protocol() == ("smtp" if alpn else None)
        else:
            with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
                t.handshake(alpn)


# ---- the end of TLS, and what follows it ----


class Tls:
    """TLS whose records are ours to cut, hold back, spoil and follow up with anything."""

    def __init__(self, sock):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = client_context().wrap_bio(self.incoming, self.outgoing)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                got = self.sock.recv(65536)
                if not got:
                    raise Gone("in the handshake")
                self.incoming.write(got)
        self.sock.sendall(self.outgoing.read())

    def seal(self, octets, rng=None):
        """Ciphertext, in records of any size."""
        while octets:
            n = rng.choice([1, 2, 5, 20, 100, 16384]) if rng else 16384
            self.tls.write(octets[:n])
            octets = octets[n:]
        return self.outgoing.read()

    def goodbye(self):
        """close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def open(self, wire):
        """What the server said under TLS; all of it must be TLS records."""
        self.incoming.write(wire)
        self.incoming.write_eof()
        plain = b""
        while True:
            try:
                got = self.tls.read(65536)
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLWantReadError):
                return plain
            except ssl.SSLError as e:
                # the server's alert: it said why it ends
                assert "alert" in str(e).lower(), e
                return plain
            if not got:
                return plain
            plain += got


def records_only(wire):
    """Is this a sequence of TLS records (the last one may be cut off by a RST)?"""
    at = 0
    while at + 5 <= len(wire):
        if wire[at] not in (20, 21, 22, 23) or wire[at + 1] != 3:
            return False
        at += 5 + int.from_bytes(wire[at + 3:at + 5], "big")
    return True


def tls_session(station, port="smtps"):
    """(Talk whose socket is in clear beneath, Tls)."""
    t = Talk(("127.0.0.1", station.ports[port]), greet=False)
    if port == "smtp":
        t.reply(), t.ask(b"EHLO clear"), t.ask(b"STARTTLS")
    return t, Tls(t.sock)


BEFORE_THE_END = {
    "commands": b"EHLO x\r\n",
    "mail": b"EHLO x\r\nMAIL FROM:<a@peer.example>\r\n",
    "rcpt": b"EHLO x\r\nMAIL FROM:<a@peer.example>\r\nRCPT TO:<bob@yizhan.test>\r\n",
    "data": b"EHLO x\r\nMAIL FROM:<a@peer.example>\r\nRCPT TO:<bob@yizhan.test>\r\nDATA\r\nSubject: half\r\n\r\nx",
    "almost": b"EHLO x\r\nMAIL FROM:<a@peer.example>\r\nRCPT TO:<bob@yizhan.test>\r\nDATA\r\nSubject: half\r\n\r\n.\r",
    "chunk": b"EHLO x\r\nMAIL FROM:<a@peer.example>\r\nRCPT TO:<bob@yizhan.test>\r\nBDAT 400\r\nSubject: half\r\n",
    "chunks": b"EHLO x\r\nMAIL FROM:<a@peer.example>\r\nRCPT TO:<bob@yizhan.test>\r\nBDAT 3\r\nabc",
    "line": b"EHLO x\r\nMAIL FROM:<a@peer.exa",
}
BEHIND_THE_END = {
    "nothing": b"", "noop": b"NOOP\r\n", "rest": b"\r\n.\r\nMAIL FROM:<a@peer.example>\r\n", "dot": b"\n", "letter": ATTACK,
    "last": b"BDAT 0 LAST\r\n", "rcpt": b"RCPT TO:<bob@yizhan.test>\r\nDATA\r\n\r\n.\r\n",
}


@pytest.mark.parametrize("port", ["smtp", "smtps"])
@pytest.mark.parametrize("said", BEFORE_THE_END)
def test_behind_close_notify_nothing_is_heard(stations, said, port):
    """The session ends with the protection: the clear text behind it is no part of it, whatever was begun."""
    replies = {"commands": [250], "mail": [250, 250], "rcpt": [250] * 3, "data": [250] * 3 + [354], "line": [250],
               "almost": [250] * 3 + [354], "chunk": [250] * 3, "chunks": [250] * 4}[said]
    for behind in BEHIND_THE_END.values():
        for is_split in (False, True):
            t, tls = tls_session(stations, port)
            with t:
                wire = tls.seal(BEFORE_THE_END[said]) + tls.goodbye()
                if is_split:
                    t.send(wire)
                    t.send(behind)
                else:
                    t.send(wire + behind)
                wire = t.rest_octets()
                assert records_only(wire), wire
                told = [r.code for r in parse_replies(tls.open(wire))]
            if port == "smtps":
                assert told.pop(0) == 220
            # clear octets behind the end may cost the replies that were not sent yet, and add none
            assert told == (replies[:len(told)] if behind else replies), (said, behind, told)


def test_cut_off_without_close_notify_is_no_letter(stations):
    """A truncation attack takes the end away: what was not ended is not delivered."""
    for said in BEFORE_THE_END.values():
        t, tls = tls_session(stations)
        with t:
            t.send(tls.seal(said))
            t.sock.shutdown(socket.SHUT_WR)
            wire = t.rest_octets()
            assert records_only(wire)
            assert all(r.code in (220, 250, 354) for r in parse_replies(tls.open(wire)))
    wait_idle(stations)


# ---- random walks: BDAT x end of TLS x pipelining ----


def walk_script(rng, name):
    """What one session says: octets, and {subject: content} of the letters in it that are complete."""
    octets, whole = b"EHLO x\r\n", {}
    for n in range(rng.randint(1, 4)):
        subject = "%s.%d" % (name, n)
        body = b"Subject: " + subject.encode() + b"\r\n\r\n" + b"0123456789abcdef\r\n" * rng.choice([0, 1, 3, 300, 4000])
        octets += rng.choice([b"", b"NOOP\r\n", b"RSET\r\n", b"VRFY x\r\n"])
        octets += b"MAIL FROM:<a@peer.example>\r\nRCPT TO:<alice@yizhan.test>\r\n"
        kind = rng.choice(["data", "bdat", "bdat", "open", "bad", "reset"])
        if kind == "data":
            octets += b"DATA\r\n" + body + b".\r\n"
            whole[subject] = body
        elif kind == "bdat":
            chunks, at = [], 0
            while at < len(body):
                size = rng.choice([0, 1, 7, 100, 5000, 70000])
                chunks.append(body[at:at + size])
                at += size
            octets += b"".join(b"BDAT %d\r\n%s" % (len(c), c) for c in chunks) + b"BDAT 0 LAST\r\n"
            whole[subject] = body
        elif kind == "open":  # a chunk, then a transaction is begun anew
            octets += b"BDAT %d\r\n%s" % (len(body), body) + rng.choice([b"RSET\r\n", b"EHLO y\r\n", b"DATA\r\nRSET\r\n"])
        elif kind == "bad":  # refused at the first chunk; the last one has no envelope
            octets += b"BDAT 5\r\na\rb\nc" + b"BDAT %d LAST\r\n%s" % (len(body), body)
        else:
            octets += b"RSET\r\n"
    return octets, whole


ENDS = ["quit", "close", "close_clear", "fin", "rst", "half_record", "spoiled", "garbage", "cut", "cut_close_clear", "cut_rst"]


def walk(station, name):
    """One session that ends as it likes: (its letters, those the server took)."""
    rng = seeded(name)
    t, tls = tls_session(station, rng.choice(["smtp", "smtps"]))
    octets, whole = walk_script(rng, name)
    end = rng.choice(ENDS)
    if end.startswith("cut"):
        octets = octets[:rng.randrange(len(octets))]
    with t:
        try:
            if end == "quit":
                t.send(tls.seal(octets + b"QUIT\r\n", rng), rng if rng.random() < .5 else None)
            else:
                wire = tls.seal(octets, rng)
                if "close" in end:
                    wire += tls.goodbye()
                if "clear" in end:
                    wire += rng.choice(list(BEHIND_THE_END.values()))
                if end == "half_record":
                    wire += tls.seal(b"NOOP\r\n" * 50)[:-7]
                elif end == "spoiled":
                    spoiled = bytearray(tls.seal(ATTACK))
                    spoiled[rng.randrange(5, len(spoiled))] ^= 1 << rng.randrange(8)
                    wire += bytes(spoiled)
                elif end == "garbage":
                    wire += rng.randbytes(rng.randint(1, 300))
                t.send(wire, rng if rng.random() < .3 else None)
            if "rst" in end:
                t.reset()
                return whole, set()
            t.sock.shutdown(socket.SHUT_WR)
            wire = t.rest_octets()
        except OSError:
            # the server was done with us while we still spoke
            return whole, set()
    assert records_only(wire), (name, end, wire[:200])
    said = tls.open(wire)
    # a RST may have taken the end of the last line away
    told = parse_replies(said[:said.rfind(b"\r\n") + 2])
    return whole, {line[-1] for line in (r.lines[0].split() for r in told) if line[:3] == ["2.0.0", "Ok:", "queued"]}


@pytest.mark.parametrize("count", [240, pytest.param(6000, marks=pytest.mark.long)])
def test_random_walks_of_bdat_tls_ends_and_pipelining(make_station, count):
    """What was answered with 250 is there once, what was not complete is not, and nothing is left behind."""
    station = make_station(conf=BOTH)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: walk(station, "walk%d" % n), range(count)))
    wait_idle(station)
    whole, taken = {}, set()
    for letters, ids in done:
        whole.update(letters)
        taken |= ids
    with Control(station) as control:
        found = control.letters("alice@yizhan.test")
        assert control.letters("bob@yizhan.test") == {}
    there = {re.search(rb"\tid (\w+)|with ESMTPS? id (\w+)", octets).group(0).split()[-1].decode() for octets in found.values()}
    assert taken <= there, taken - there
    assert len(taken) > count / 4
    for subject, octets in found.items():
        assert octets.endswith(b"\r\n" + whole[subject]), subject
