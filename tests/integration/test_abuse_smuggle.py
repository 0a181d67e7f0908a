"""One message stays one message: every mixture of CR, LF and NUL around a dot, coming in by DATA and by BDAT,
and going out again to a next hop that records each octet."""

import contextlib
import itertools
import os
import re
import sys

import pytest

from filter_hop import FILTERED, Filter, Filtered
from station import Yizhan
from talk import HERMETIC, Control, Talk, bare_newlines, play, seeded, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from pysink import PySink  # noqa: E402

AROUND = {
    "CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCR": b"\r\r", "LFLF": b"\n\n", "LFCR": b"\n\r", "CRLFCR": b"\r\n\r",
    "CRCRLF": b"\r\r\n", "LFCRLF": b"\n\r\n", "NUL": b"\0", "CRNULLF": b"\r\0\n", "CRLFNUL": b"\r\n\0",
    "NULCRLF": b"\0\r\n", "VT": b"\x0b", "NEL": b"\xc2\x85", "LS": b"\xe2\x80\xa8", "none": b"",
}
NAMES = [(b, a) for b in AROUND for a in AROUND]
# errors of a test client are no reason to hang up on it
PATIENT = ("errors_soft = 1000000 errors_hard = 1000000 errors_delay = 0 junk_commands = 1000000 "
           "transactions = 1000000")
CONF = 'demo = yes\nnewlines = %%s\nrelay_networks = { "127.0.0.0/8" }\nlimits { %s }\n' % PATIENT + HERMETIC

HEAD = b"EHLO x\r\n"
ENVELOPE = b"MAIL FROM:<a@peer.example>%s\r\nRCPT TO:<%s>\r\n"


@pytest.fixture(scope="module")
def stations():
    """{newlines: a server that treats them so}"""
    with contextlib.ExitStack() as stack:
        yield {how: stack.enter_context(Yizhan(conf=CONF % how)) for how in ("refuse", "normalise")}


class Place:
    """People and a next hop of one test, so that tests can share a server."""

    numbers = itertools.count()

    def __init__(self, station):
        number = next(self.numbers)
        self.station = station
        self.user, self.victim = ("%s%d@yizhan.test" % (who, number) for who in ("user", "victim"))
        self.domain = "sink%d.test" % number
        with Control(station) as control:
            control.ask("account.add", address=self.user)
            control.ask("account.add", address=self.victim)

    def attack(self, case, before, after, victim=None):
        """What an attacker writes: a letter whose text hides the end and a second letter."""
        return (b"Subject: outer %d\r\n\r\ntext" % case + before + b"." + after +
                ENVELOPE % (b"", (victim or self.victim).encode()) +
                b"DATA\r\nSubject: inner %d\r\n\r\nsmuggled\r\n.\r\n" % case)

    def attacks(self, victim=None):
        """The whole matrix."""
        return [(i, self.attack(i, AROUND[b], AROUND[a], victim)) for i, (b, a) in enumerate(NAMES)]

    def route(self, sink):
        with Control(self.station) as control:
            control.ask("route.add", domain=self.domain, next_hop="127.0.0.1:%d" % sink.port)

    def wait_sent(self):
        """Until nothing waits for the next hop any more."""
        with Control(self.station) as control:
            assert wait_until(lambda: not [row for row in control.ask("queue.list") if row["destination"] == self.domain])


@pytest.fixture
def place(stations, is_normalise):
    return Place(stations["normalise" if is_normalise else "refuse"])


BOTH = pytest.mark.parametrize("is_normalise", [False, True], ids=["refuse", "normalise"])
ONLY_REFUSE = pytest.mark.parametrize("is_normalise", [False], ids=["refuse"])


def first_end(octets):
    """Where DATA ends by RFC 5321 section 4.1.1.4, said in the simplest way: content and what follows."""
    if octets.startswith(b".\r\n"):
        return b"", octets[3:]
    at = octets.index(b"\r\n.\r\n")
    return octets[:at + 2], octets[at + 5:]


def unstuff(content):
    """Lines are what CRLF ends."""
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in content.split(b"\r\n"))


def normalise(content):
    return re.sub(b"\r\n|\r|\n", b"\r\n", content)


def verdict(content, is_normalise=False):
    """What docs and RFC 5321 section 2.3.8 say to content."""
    if bare_newlines(content) and not is_normalise:
        return "550 5.6.11"
    return "550 5.6.0" if b"\0" in content else "250 2.0.0"


class Model:
    """What a server does with the octets of a session, said as simply as can be: lines end with LF, only those
    that end with CRLF are commands, DATA ends with CRLF.CRLF."""

    def __init__(self, is_normalise):
        self.is_normalise = is_normalise
        self.phase = "ready"
        self.replies, self.accepted = [], {}

    def run(self, octets):
        while octets:
            line, _, octets = octets.partition(b"\n")
            if self.command(line):
                content, octets = first_end(octets)
                self.phase = "ready"
                self.replies.append(verdict(content, self.is_normalise))
                if self.replies[-1].startswith("250"):
                    self.accepted[re.search(rb"Subject: (\w+ \d+)", content).group(1).decode()] = unstuff(content)

    def command(self, line):
        """True when DATA was said and heard."""
        known = {b"EHLO": ("ready", "ready", "250"), b"MAIL": ("ready", "mail", "250 2.1.0"),
                 b"RCPT": ("mail", "rcpt", "250 2.1.5"), b"DATA": ("rcpt", "data", "354"),
                 b"QUIT": (self.phase, "closed", "221 2.0.0")}
        verb, is_crlf = line[:4], line.endswith(b"\r")
        line = line[:-1] if is_crlf else line
        if (not is_crlf and not self.is_normalise) or re.search(rb"[\0-\x1f\x7f]", line) or verb not in known:
            self.replies.append("500 5.5.2")
            return False
        needs, then, reply = known[verb]
        if self.phase != needs:
            self.replies.append("503 5.5.1")
            return False
        self.phase = then
        self.replies.append(reply)
        return verb == b"DATA"


def check_mailboxes(place, accepted, is_normalise):
    """Nothing but what was accepted is there, octet for octet behind our own header."""
    with Control(place.station) as control:
        inner = control.letters(place.victim)
        assert set(inner) == {s for s in accepted if s.startswith("inner")}
        found = {**control.letters(place.user), **inner}
    assert set(found) == set(accepted)
    for subject, content in accepted.items():
        octets = found[subject]
        assert not bare_newlines(octets), subject
        assert octets.endswith(normalise(content) if is_normalise else content), subject
        ours = octets[:octets.index(b"Subject: ")]
        assert re.fullmatch(rb"Return-Path: <[^\r\n]*>\r\nDelivered-To: [^\r\n]+\r\n"
                            rb"Received: (?:[^\r\n]+\r\n[ \t])*[^\r\n]+\r\n", ours), ours


@BOTH
@pytest.mark.parametrize("cuts", ["one_write", "octet_by_octet", "random_cuts"])
def test_matrix_in_by_data(place, cuts, is_normalise):
    """No end of DATA but CRLF.CRLF, whatever stands around a dot and however it is cut."""
    how = {"one_write": None, "octet_by_octet": 1, "random_cuts": seeded("smuggle in")}[cuts]
    attacks = place.attacks()
    accepted = {}
    for session in range(12):
        octets = HEAD + b"".join(ENVELOPE % (b"", place.user.encode()) + b"DATA\r\n" + body
                                 for _, body in attacks[session::12]) + b"QUIT\r\n"
        model = Model(is_normalise)
        model.run(octets)
        assert [r.both for r in play(place.station.smtp, octets, how)[1:]] == model.replies
        accepted.update(model.accepted)
    # the honest ends are in the matrix too: there, and only there, a second letter follows
    inner = {NAMES[int(s.split()[1])] for s in accepted if s.startswith("inner")}
    assert ("CRLF", "CRLF") in inner
    assert all(AROUND[b].endswith(b"\r\n") and AROUND[a].startswith(b"\r\n") for b, a in inner)
    check_mailboxes(place, accepted, is_normalise)


# ---- BDAT: what an octet count frames no dot can end ----


def chunked(content, how, rng):
    """The chunks of a body."""
    if how == "one_chunk":
        return [content]
    if how == "chunks_of_one":
        return [content[i:i + 1] for i in range(len(content))]
    chunks, at = [], 0
    while at < len(content):
        n = rng.choice([0, 1, 1, 2, 3, 5, 8, 40])
        chunks.append(content[at:at + n])
        at += n
    return chunks + [b""] * rng.randint(0, 1)


def bdat(chunks):
    last = len(chunks) - 1
    return b"".join(b"BDAT %d%s\r\n" % (len(c), b" LAST" if i == last else b"") + c for i, c in enumerate(chunks))


def bdat_replies(chunks, is_binary, is_normalise):
    """A body is refused at the chunk that shows what is wrong; what follows has no envelope (RFC 3030 section 2)."""
    replies, content, last = [], b"", len(chunks) - 1
    for i, chunk in enumerate(chunks):
        content += chunk
        # a CR at the end of a chunk may still be half of a line end
        what = "250 2.0.0" if is_binary else verdict(
            content[:-1] if content.endswith(b"\r") and i < last else content, is_normalise)
        replies.append("503 5.5.1" if replies and replies[-1][:3] != "250" else what)
    return replies


@BOTH
@pytest.mark.parametrize("body", ["8BITMIME", "BINARYMIME"])
@pytest.mark.parametrize("how", ["one_chunk", "chunks_of_one", "random_chunks"])
def test_matrix_in_by_bdat(place, how, body, is_normalise):
    """In chunks nothing ends a letter but its LAST chunk; with BINARYMIME every octet is content."""
    rng, is_binary = seeded("bdat %s" % how), body == "BINARYMIME"
    attacks = place.attacks()
    accepted = {}
    for session in range(12):
        octets, expected = HEAD, ["250"]
        for case, content in attacks[session::12]:
            chunks = chunked(content, how, rng)
            octets += ENVELOPE % (b" BODY=" + body.encode(), place.user.encode()) + bdat(chunks)
            replies = bdat_replies(chunks, is_binary, is_normalise)
            expected += ["250 2.1.0", "250 2.1.5"] + replies
            if replies[-1] == "250 2.0.0":
                accepted["outer %d" % case] = content
        got = play(place.station.smtp, octets + b"QUIT\r\n", rng if how == "random_chunks" else None)
        assert [r.both for r in got[1:]] == expected + ["221 2.0.0"]
    with Control(place.station) as control:
        assert control.letters(place.victim) == {}
        found = control.letters(place.user)
    assert set(found) == set(accepted)
    assert len(accepted) == len(NAMES) if is_binary else 1 < len(accepted) < len(NAMES)
    for subject, content in accepted.items():
        wanted = normalise(content) if is_normalise and not is_binary else content
        assert found[subject].endswith(b"\r\n" + wanted), subject


@ONLY_REFUSE
def test_text_by_bdat_ends_with_a_line_end(place):
    """A last line without CRLF gets one: whoever carries the letter on by DATA could not leave it away."""
    with Talk(place.station.smtp) as t:
        t.begin(rcpts=[place.user.encode()])
        t.send(b"BDAT 23 LAST\r\nSubject: open\r\n\r\nno end")
        assert t.reply().both == "250 2.0.0"
        t.begin(hello=None, rcpts=[place.user.encode()])
        t.send(b"BDAT 24 LAST\r\nSubject: open\r\n\r\nno end\r")
        assert t.reply().both == "550 5.6.11"
    with Control(place.station) as control:
        assert control.letters(place.user)["open"].endswith(b"\r\n\r\nno end\r\n")


# ---- and out again ----


PLAIN = ["8BITMIME", "SIZE 52428800"]
CAPS = {"plain": PLAIN, "pipelining": PLAIN + ["PIPELINING"], "chunking": PLAIN + ["PIPELINING", "CHUNKING"],
        "binary": PLAIN + ["PIPELINING", "CHUNKING", "BINARYMIME"], "old": []}


def feed(place, is_normalise, is_ascii):
    """Every attack, by DATA and by BDAT, to an address of the next hop; what was accepted: {subject: content}."""
    accepted, octets, expected = {}, HEAD, ["250"]
    to = ENVELOPE % (b"", b"x@" + place.domain.encode())
    for case, body in place.attacks(victim="victim@" + place.domain):
        if is_ascii and not body.isascii():
            continue
        content, rest = first_end(body)
        if not rest:
            octets += to + b"DATA\r\n" + body
            expected += ["250 2.1.0", "250 2.1.5", "354", verdict(content, is_normalise)]
            if expected[-1].startswith("250"):
                accepted["outer %d" % case] = unstuff(content)
        body = body.replace(b"outer %d" % case, b"chunk %d" % case)
        octets += to + bdat([body])
        expected += ["250 2.1.0", "250 2.1.5", verdict(body, is_normalise)]
        if expected[-1].startswith("250"):
            accepted["chunk %d" % case] = body
    got = play(place.station.smtp, octets + b"QUIT\r\n")
    assert [r.both for r in got[1:]] == expected + ["221 2.0.0"]
    return accepted


def check_wire(session):
    """Every octet that went over this connection: whole lines, but for what a chunk's count frames."""
    wire, letters = bytes(session.wire), []
    assert not bare_newlines(wire)
    while wire:
        line, _, wire = wire.partition(b"\r\n")
        if line == b"DATA":
            content, wire = first_end(wire)
            letters.append(unstuff(content))
        elif line.startswith(b"BDAT "):
            size = int(line.split()[1])
            letters.append(wire[:size])
            assert line.endswith(b" LAST")
            wire = wire[size:]
        else:
            assert re.match(rb"(EHLO |HELO |MAIL FROM:<|RCPT TO:<|(RSET|QUIT|NOOP)$)", line), line
    return letters


@BOTH
@pytest.mark.parametrize("caps", ["plain", "chunking", "old"])
def test_matrix_out(place, caps, is_normalise):
    """What was accepted goes on with no bare CR or LF on the wire, with every dot stuffed, and as one letter each."""
    with PySink(caps=CAPS[caps]) as sink:
        place.route(sink)
        # nothing above ASCII may go to a host that knows no extension
        accepted = feed(place, is_normalise, is_ascii=caps == "old")
        letters = sink.wait(len(accepted))
        place.wait_sent()
        assert {tuple(letter.rcpts) for letter in letters} == {("x@" + place.domain,)}
        assert len(sink.letters) == len(letters) == len(accepted)
        on_the_wire = [content for session in sink.sessions for content in check_wire(session)]
        assert any(line.startswith("BDAT") for s in sink.sessions for line in s.lines) == (caps == "chunking")
    assert len(on_the_wire) == len(accepted)
    by_subject = {re.search(rb"\r\nSubject: (\w+ \d+)\r\n", c).group(1).decode(): c for c in on_the_wire}
    assert set(by_subject) == set(accepted)
    for subject, content in accepted.items():
        wanted = normalise(content) if is_normalise else content
        wanted += b"" if wanted.endswith(b"\r\n") else b"\r\n"
        ours, octets = by_subject[subject][:-len(wanted)], by_subject[subject][-len(wanted):]
        assert octets == wanted, subject
        # what stands before it is one Received field
        assert re.fullmatch(rb"Received: (?:[^\r\n]+\r\n[ \t])*[^\r\n]+\r\n", ours), ours


@ONLY_REFUSE
@pytest.mark.parametrize("caps", ["binary", "chunking", "plain"])
def test_binary_goes_on_whole_or_comes_back(place, caps):
    """Bare CR and LF that were content (BODY=BINARYMIME) leave only inside a counted chunk; a next hop that does not
    know that gets nothing, and the sender is told 5.6.3."""
    bodies = [body for i, body in place.attacks(victim="victim@" + place.domain) if i % 7 == 0]
    envelope = b"MAIL FROM:<%s> BODY=BINARYMIME\r\nRCPT TO:<x@%s>\r\n" % (place.user.encode(), place.domain.encode())
    with PySink(caps=CAPS[caps]) as sink:
        place.route(sink)
        got = play(place.station.smtp, HEAD + b"".join(envelope + bdat([body]) for body in bodies) + b"QUIT\r\n")
        assert [r.both for r in got[2:]] == ["250 2.1.0", "250 2.1.5", "250 2.0.0"] * len(bodies) + ["221 2.0.0"]
        if caps == "binary":
            letters = sink.wait(len(bodies))
            arrived = {letter.data[letter.data.index(b"Subject: "):] for letter in letters}
            assert arrived == set(bodies)
            assert all("BODY=BINARYMIME" in letter.sender_params for letter in letters)
            return
        place.wait_sent()
        assert [letter for letter in sink.letters if letter.wire] == []
        assert not any(bare_newlines(bytes(session.wire)) for session in sink.sessions)
    with Control(place.station) as control:
        wait_until(lambda: len(control.ask("mailbox.list", address=place.user)) >= len(bodies))
        rows = control.ask("mailbox.list", address=place.user)
        assert len(rows) == len(bodies)
        report = control.octets(place.user, rows[0]["uid"])
    assert b"5.6.3" in report and not bare_newlines(report)


@ONLY_REFUSE
@pytest.mark.parametrize("hello", [b"EHLO " + b"x" * 255, b"EHLO a_b--.example", "EHLO gr\u00fc\u00df.example".encode(),
                                   b"EHLO [IPv6:::1]"], ids=["long", "odd", "utf8", "literal"])
@pytest.mark.parametrize("sender, local", [
    (b"a@peer.example", b"x"),
    (b'"a b\\"c(d)>"@peer.example', b'"x;y\\\\ <z"'),
    (b"a=?utf-8?q?=0D=0A?=@peer.example", b"x=?utf-8?q?=0D=0A.=0D=0A?="),
    (b"a" * 128 + b"@" + b"p" * 60 + b".example", b"x" * 128),
], ids=["plain", "quoted", "encoded", "long"])
def test_names_of_clients_break_no_header(place, hello, sender, local):
    """What a client calls itself and its people stands in our fields; whatever it is, they stay fields and lines."""
    rcpt = local + b"@" + place.domain.encode()
    with PySink() as sink:
        place.route(sink)
        with Talk(place.station.smtp) as t:
            assert t.deliver(b"Subject: s\r\n\r\n..x\r\n", hello=hello, sender=sender, rcpts=[rcpt]).both == "250 2.0.0"
            assert t.deliver(b"Subject: s\r\n\r\n..x\r\n", hello=None, sender=sender, rcpts=[place.user.encode()],
                             params=b" ENVID=e+2B+3D+20x RET=HDRS").both == "250 2.0.0"
        letter = sink.wait(1)[0]
        assert not bare_newlines(bytes(letter.session.wire))
        assert (letter.sender.encode("latin-1"), letter.rcpts[0].encode("latin-1")) == (sender, rcpt)
    with Control(place.station) as control:
        kept = control.letters(place.user)["s"]
    for octets in (letter.data, kept):
        head = octets[:octets.index(b"Subject: ")]
        assert not bare_newlines(octets)
        for line in head.split(b"\r\n")[:-1]:
            assert re.match(rb"(Received|Return-Path|Delivered-To): |[ \t]+\S", line), line
            assert len(line) <= 998


# ---- the filter hop: in by DATA, out to the filter, back in ----


def test_matrix_through_the_filter_hop():
    """What was one message at the door is one message at the filter, and one in the mailbox behind it."""
    conf = FILTERED.replace("demo = yes", "demo = yes\nlimits { %s }" % PATIENT)
    with Filter() as content, Filtered(lambda ports: content.sink.port, conf) as station:
        content.back = station.ports["back"]
        place = Place(station)
        accepted = {}
        attacks = place.attacks()
        for session in range(4):
            octets = HEAD + b"".join(ENVELOPE % (b"", place.user.encode()) + b"DATA\r\n" + body
                                     for _, body in attacks[session::4]) + b"QUIT\r\n"
            model = Model(False)
            model.run(octets)
            assert [r.both for r in play(station.smtp, octets)[1:]] == model.replies
            accepted.update(model.accepted)

        def found():
            with Control(station) as control:
                letters = {**control.letters(place.user), **control.letters(place.victim)}
            return letters if len(letters) >= len(accepted) else None
        letters = wait_until(found, 60)
        assert letters and set(letters) == set(accepted), station.log()
        assert len(content.seen) == len(accepted) and content.refused == []
        for subject, text in accepted.items():
            octets = letters[subject]
            assert octets.endswith(text) and not bare_newlines(octets), subject
            head = octets[:octets.index(b"Subject: ")]
            assert head.count(b"\r\nReceived: ") == 2 and b"x-yizhan-filter" not in octets.lower(), head
