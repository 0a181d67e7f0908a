"""Pipelining and the body: behaviours 55 to 70."""
import random
import time

import pytest

from server import STALL
from session import abi, source
from test_04_envelope import LATER, NO, ready

GROUPS = [[], ["PIPELINING"]]


def test_behaviour_55_groups_only_when_offered(serve, client):
    """While the answer to MAIL is held back, what has come is what was sent in one go."""
    seen = {}

    def late(connection, line):
        connection.sock.settimeout(0.1)
        try:
            connection.more()
        except TimeoutError:
            pass
        connection.sock.settimeout(None)
        seen["behind"] = connection.got
        return b"250 ok\r\n"
    for ehlo, verbs in [([], []), (["PIPELINING"], [b"RCPT", b"RCPT"])]:
        s, c = ready(serve, client, {"MAIL": late}, ehlo)
        assert c.send(rcpts=["a@x.test", "b@x.test"])[0] == "ok"
        words = [line.split(b" ")[0] for line in seen["behind"].split(b"\r\n") if line]
        assert [w for w in words if w != b"DATA"] == verbs and words[-1:] != [b"QUIT"]
        assert words.count(b"DATA") <= 1 and (b"DATA" not in words or words[-1] == b"DATA")


def test_behaviour_55_some_commands_end_a_group(serve, client):
    behind = []

    def look(connection, line):
        connection.sock.settimeout(0.03)
        try:
            connection.more()
        except TimeoutError:
            pass
        connection.sock.settimeout(None)
        behind.append((line, connection.got))
        return None if line == "x" else {"DATA": b"354 go\r\n", "QUIT": b"221 bye\r\n"}.get(line, b"250 ok\r\n")
    s, c = ready(serve, client, {"DATA": look, "NOOP": look, "QUIT": look}, ["PIPELINING"])
    assert c.send()[0] == "ok" and c.ask("noop")[0] == "ok" and c.call("quit") == "ok"
    assert behind == [("DATA", b""), ("NOOP", b""), ("QUIT", b"")]


def test_behaviour_56_replies_are_matched_in_order(serve, client, cut):
    s, c = ready(serve, client, {"RCPT TO:<a@x.test>": b"550-5.1.1 no\r\n550 5.1.1 a\r\n", "RCPT TO:<c@x.test>": b"450 4.2.0 c\r\n"},
                 ["PIPELINING"], cut)
    code, t = c.send(rcpts=["a@x.test", "b@x.test", "c@x.test", "d@x.test"])
    assert code == "ok" and [r.rcpt.code for r in t.results] == [550, 250, 450, 250]
    assert c.send(rcpts=["d@x.test"])[0] == "ok"


def test_behaviour_57_all_refused_and_yet_354(serve, client, cut):
    s, c = ready(serve, client, {"RCPT": NO, ".": b"554 5.5.1 no recipients\r\n"}, ["PIPELINING"], cut)
    code, t = c.send()
    assert code == "rcpts" and t.results[0].reply.code == 550
    assert c.ask("noop")[0] == "ok" and set(s.bodies) <= {b".\r\n"}


def test_behaviour_58_all_or_nothing_never_yields_an_empty_message(serve, client):
    s, c = ready(serve, client, {"RCPT TO:<b@x.test>": NO}, ["PIPELINING"])
    code, t = c.send(rcpts=["a@x.test", "b@x.test"], flags=abi.YZ_ALL_OR_NOTHING)
    assert code != "ok" and c.ask("noop")[0] == "ok" and s.bodies == []


def test_behaviour_59_a_thousand_recipients_and_a_server_that_stops_reading(serve, client):
    """It answers all that it reads, but reads on only when its answers are read."""
    s = serve({"RCPT": b"250 2.1.5 " + b"x" * 300 + b"\r\n"}, ehlo=["PIPELINING"], window=4096)
    c = client()
    assert c.connect(s.url) == "ok"
    code, t = c.send(rcpts=["r%d@%s.test" % (i, "x" * 50) for i in range(1000)])
    assert code == "ok" and t.outcomes == ["accepted"] * 1000


BODIES = {
    "dot first": (b".a\r\n", b"..a\r\n.\r\n"),
    "dot alone": (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
    "dot last": (b"a\r\n.", b"a\r\n..\r\n.\r\n"),
    "dots": (b"..\r\n...\r\nx.\r\n", b"...\r\n....\r\nx.\r\n.\r\n"),
    "lf": (b"a\nb\n", b"a\r\nb\r\n.\r\n"),
    "cr": (b"a\rb\r", b"a\r\nb\r\n.\r\n"),
    "lf dot lf": (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
    "lf dot crlf": (b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
    "cr dot crlf": (b"a\r.\r\nb", b"a\r\n..\r\nb\r\n.\r\n"),
    "cr dot cr": (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
    "cr crlf": (b"a\r\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
    "no end": (b"abc", b"abc\r\n.\r\n"),
    "end": (b"abc\r\n", b"abc\r\n.\r\n"),
    "empty": (b"", b".\r\n"),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("pieces", ["whole", "octets", "random"])
def test_behaviour_60_to_62_dots_line_ends_and_the_end(serve, client, name, pieces):
    body, wire = BODIES[name]
    s, c = ready(serve, client)
    rnd = random.Random(name)
    step = {"whole": lambda: 1000, "octets": lambda: 1, "random": lambda: rnd.randint(1, 3)}[pieces]
    cut, at = [], 0
    while at < len(body):
        n = step()
        cut.append(body[at:at + n])
        at += n
    assert c.send(body=None, source=source(cut))[0] == "ok" and s.bodies == [wire]
    assert c.send(body=body)[0] == "ok" and s.bodies[1] == wire


@pytest.mark.parametrize("body, offset", [(b"ab\ncd", 2), (b"ab\rcd", 2), (b"a\r\nbc\n", 5), (b"abc\r", 3)])
def test_behaviour_61_strict_refuses_with_the_offset(serve, client, body, offset):
    s, c = ready(serve, client)
    code, t = c.send(body=body, eol=abi.YZ_EOL_STRICT)
    assert code == "source" and s.bodies == []
    assert str(offset) in t.error.text or body.endswith(b"\r")


def test_behaviour_63_long_lines_are_never_cut(serve, client):
    s, c = ready(serve, client)
    body = b"x" * 5000 + b"\r\n"
    assert c.send(body=body)[0] == "ok" and s.bodies == [body + b".\r\n"]


@pytest.mark.parametrize("ehlo", [[], ["CHUNKING"]])
def test_behaviour_64_a_source_that_fails_midway(serve, client, ehlo):
    s, c = ready(serve, client, ehlo=ehlo)
    code, t = c.send(body=None, source=source([b"Subject: x\r\n\r\n"] + [b"y" * 70 + b"\r\n"] * 3000, fails=True))
    assert code == "source" and not c.is_connected and "accepted" not in t.outcomes
    s.settled()
    assert not s.raw.endswith(b"\r\n.\r\n") and "LAST" not in " ".join(s.lines) and not (s.bodies and not ehlo)


@pytest.mark.parametrize("reply", [b"451 4.3.0 later\r\n", b"554 5.7.1 no\r\n", b"250 what\r\n"])
def test_behaviour_65_data_answered_by_anything_else(serve, client, cut, reply):
    s, c = ready(serve, client, {"DATA": reply}, cut=cut)
    code, t = c.send()
    assert code in ("data", "proto") and "accepted" not in t.outcomes
    assert s.bodies == [] and b"hello" not in s.raw


@pytest.mark.parametrize("reply", [b"452 4.3.1 full\r\n", b"552 5.3.4 too big\r\n", b"421 4.3.2 closing\r\n"])
def test_behaviour_66_a_reply_during_the_body_stops_it(serve, client, reply):
    taken = []

    def early(connection, line):
        connection.say(b"354 go\r\n")
        connection.more()
        connection.say(reply)
        time.sleep(0.05)
        connection.sock.settimeout(2)
        try:
            while connection.more():
                pass
        except OSError:
            pass
        taken.append(len(connection.server.raw))
    s, c = ready(serve, client, {"DATA": early})
    pieces = [b"z" * 998 + b"\r\n"] * 30000
    code, t = c.send(body=None, source=source(pieces))
    assert code != "ok" and t.results[0].reply and t.results[0].reply.code == int(reply[:3])
    s.settled()
    assert len(s.raw) < 30000 * 1000


@pytest.mark.parametrize("end", ["lost", "late"])
@pytest.mark.parametrize("ehlo", [[], ["CHUNKING", "PIPELINING"]])
def test_behaviour_67_lost_behind_the_dot_is_unknown(serve, client, ehlo, end):
    how = None if end == "lost" else STALL
    s, c = ready(serve, client, {".": how, "BDAT": how}, ehlo, timeouts={"final": 200})
    code, t = c.send()
    assert code == "unknown" and t.outcomes == ["unknown"] and not c.is_connected
    assert len(s.bodies) == 1 and len(s.connections) == 1


def test_behaviour_68_bdat(serve, client, cut):
    s, c = ready(serve, client, ehlo=["CHUNKING", "PIPELINING"], cut=cut)
    body = b".dot\r\nline\n"
    assert c.send(body=body)[0] == "ok"
    assert b"".join(s.bodies) == b".dot\r\nline\r\n" and s.lines[-1].endswith(" LAST") and "DATA" not in s.verbs
    del s.bodies[:]
    big = [b"%07d" % i + b"x" * 91 + b"\r\n" for i in range(8000)]
    assert c.send(body=None, source=source(big))[0] == "ok"
    assert b"".join(s.bodies) == b"".join(big) and s.lines[-1].endswith(" LAST")
    del s.bodies[:]
    assert c.send(body=b"")[0] == "ok" and s.lines[-1] == "BDAT 0 LAST" and b"".join(s.bodies) == b""


def test_behaviour_68_a_failed_chunk_then_rset(serve, client, cut):
    s, c = ready(serve, client, {"BDAT": [b"452 4.3.1 full\r\n", b"250 ok\r\n"]}, ["CHUNKING"], cut)
    code, t = c.send()
    assert code == "data" and t.outcomes == [LATER]
    assert c.send()[0] == "ok"
    assert s.verbs == ["EHLO", "MAIL", "RCPT", "BDAT", "RSET", "MAIL", "RCPT", "BDAT"]


def test_behaviour_69_binarymime(serve, client):
    octets = bytes(range(256)) * 10 + b"\n.\n\r.\r\0"
    s, c = ready(serve, client, ehlo=["BINARYMIME", "CHUNKING"])
    code, t = c.send(body=octets, eol=abi.YZ_EOL_BINARY)
    assert code == "ok" and b"".join(s.bodies) == octets and "BODY=BINARYMIME" in s.lines[1]
    for ehlo in ([], ["CHUNKING"], ["BINARYMIME"]):
        s, c = ready(serve, client, ehlo=ehlo)
        assert c.send(body=octets, eol=abi.YZ_EOL_BINARY)[0] == "notsupp" and s.bodies == []


def test_behaviour_70_lmtp(serve, client, cut):
    s = serve({"RCPT TO:<b@x.test>": NO, ".": [b"250 2.0.0 a\r\n", b"450 4.2.2 full\r\n", b"250 2.0.0 d\r\n"]}, lmtp=True, cut=cut,
              ehlo=["PIPELINING"])
    c = client()
    assert c.connect(s.url) == "ok" and s.lines[0] == "LHLO me.test"
    code, t = c.send(rcpts=["a@x.test", "b@x.test", "c@x.test", "d@x.test"])
    assert code == "ok" and [r.reply.code for r in t.results] == [250, 550, 450, 250]
    assert [r.phase for r in t.results] == ["final", "rcpt", "final", "final"]
    assert c.ask("noop")[0] == "ok"
