"""yizhan trace: the way of a message, drawn and as JSON, from files, pipes, mboxes and the server's mailboxes."""

import fcntl
import json
import os
import pty
import re
import select
import smtplib
import struct
import subprocess
import termios
import time
import unicodedata

import pytest

from station import binary

HOP = "Received: from %s (%s [192.0.2.%d])\n\tby %s (Postfix) with ESMTPS id A%d\n\tfor <bob@example.net>; Mon, 23 Nov 2026 06:%02d:%02d +0000\n"


def message(hops=3, message_id="<1@example.org>", subject="hello"):
    text = "Return-Path: <alice@example.org>\nDelivered-To: bob@example.net\n"
    for i in reversed(range(hops)):
        text += HOP % ("h%d.example" % i, "h%d.example" % i, i, "h%d.example" % (i + 1), i, i // 60, i % 60)
    return text + "From: alice@example.org\nTo: bob@example.net\nSubject: %s\nMessage-ID: %s\n" \
        "Date: Mon, 23 Nov 2026 05:59:59 +0000\n\nbody\n" % (subject, message_id)


def trace(*words, text=None, env=None, code=0):
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LC_ALL", "LC_CTYPE")}
    done = subprocess.run([binary(), "trace", *words], input=text.encode() if isinstance(text, str) else text,
                          stdin=None if text is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30, env={**clean, "LANG": "C.UTF-8", "TZ": "UTC", **(env or {})})
    assert done.returncode == code, done
    return done.stdout.decode()


def columns(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def on_terminal(words, width, env=None):
    """The octets a terminal of this width gets."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "LC_ALL", "LC_CTYPE")}
    process = subprocess.Popen([binary(), "trace", *words], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                               env={**clean, "LANG": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC", **(env or {})})
    os.close(slave)
    got, end = b"", time.monotonic() + 30
    while time.monotonic() < end:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        got += piece
    os.close(master)
    assert process.wait(30) == 0
    return got.decode()


def bare(text):
    return re.sub("\033\\[[0-9;]*m", "", text).replace("\r", "")


@pytest.fixture
def eml(tmp_path):
    path = tmp_path / "a.eml"
    path.write_text(message())
    return str(path)


@pytest.fixture
def mbox(tmp_path):
    path = tmp_path / "many"
    path.write_text("".join("From x Mon Nov 23 06:00:00 2026\n%s\n>From quoted\n\n" % message(i, "<%d@example.org>" % i)
                            for i in (1, 2, 3)))
    return str(path)


def test_behaviour_85_the_way_is_drawn_oldest_first(eml):
    text = trace(eml)
    assert [m for m in re.findall(r"[●○] (\S+)", text)] == ["h1.example", "h2.example", "h3.example"]
    assert "ESMTPS 🔒 TLS" in text
    assert text.rstrip().endswith("3 hops, 2 s, all with TLS, slowest: h2.example (1 s)")
    assert text.index("written") < text.index("h1.example Postfix")


def test_behaviour_85_json_tells_everything(eml):
    j = json.loads(trace("--json", eml))
    assert [h["by"] for h in j["hops"]] == ["h1.example", "h2.example", "h3.example"]
    assert [h.get("delay_seconds") for h in j["hops"]] == [None, 1, 1]
    assert j["hops"][1]["tls"] is True and j["hops"][1]["protocol"] == "ESMTPS"
    assert j["hops"][0]["reverse_name"] == "h0.example" and j["hops"][0]["address"] == "192.0.2.0"
    assert [h["trusted"] for h in j["hops"]] == [False, False, True]
    assert j["message_id"] == "<1@example.org>" and j["total_seconds"] == 2 and j["loop"] is False


def test_trust_moves_the_border(eml):
    j = json.loads(trace("--json", "--trust", "h2.example,192.0.2.1", eml))
    assert [h["trusted"] for h in j["hops"]] == [False, True, True]


def test_standard_input_and_dash_and_crlf_and_a_bare_header():
    whole = trace("--json", text=message())
    assert trace("--json", "-", text=message()) == whole
    assert trace("--json", text=message().replace("\n", "\r\n")) == whole
    assert trace("--json", text="\n\n" + message().split("\n\n")[0]) == whole


def test_several_files(eml, mbox):
    text = trace(eml, eml)
    assert text.count("3 hops") == 2 and text.count("File      " + eml) == 2
    both = json.loads(trace("--json", eml, "/nonesuch", eml, code=66))
    assert [j["file"] for j in both] == [eml, eml]


def test_an_mbox(mbox):
    assert json.loads(trace("--json", "--index", "2", mbox))["hop_count"] == 2
    assert json.loads(trace("--json", "--message-id", "<3@example.org>", mbox))["index"] == 3
    assert json.loads(trace("--json", "--message-id", "1@example.org", mbox))["hop_count"] == 1
    with open(mbox, "rb") as f:
        assert json.loads(trace("--json", "--index", "3", text=f.read()))["hop_count"] == 3
    trace("--index", "4", mbox, code=66)
    trace("--message-id", "<9@example.org>", mbox, code=66)
    trace(mbox, code=64)


def test_an_mbox_of_one(tmp_path):
    path = tmp_path / "one"
    path.write_text("From x Mon Nov 23 06:00:00 2026\n" + message())
    assert json.loads(trace("--json", str(path)))["hop_count"] == 3


@pytest.mark.parametrize("words, text, code, told", [
    ([], "hello world\n", 65, "no message"),
    ([], "", 65, "no message"),
    (["/nonesuch"], None, 66, "No such file"),
    (["/tmp"], None, 66, "a directory"),
    (["--uid", "1"], None, 64, "--account"),
    (["--account", "a@b"], None, 64, "--uid N"),
    (["--index", "0"], "", 64, "no number"),
    (["--index", "1", "--message-id", "x"], "", 64, "not both"),
    (["--trust", "10.0.0.0/99"], "", 64, "neither a host nor a network"),
    (["--width", "7"], "", 64, "--width"),
    (["--color", "--no-color"], "", 64, "not both"),
])
def test_exit_codes(words, text, code, told):
    done = subprocess.run([binary(), "trace", *words], input=(text or "").encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == code, done
    assert told in done.stderr.decode()
    assert done.stdout == b""


def test_a_message_that_has_not_travelled():
    assert trace(text="Subject: x\n\nbody\n").rstrip().endswith("no Received fields: it has not travelled")


@pytest.mark.parametrize("width", [50, 80, 120, 200])
def test_lines_fit_the_terminal(eml, width, tmp_path):
    long = tmp_path / "long.eml"
    long.write_text(message().replace("h1.example", "h1.%s.example" % ("x" * 120)).replace("hello", "hello " * 60))
    for path in (eml, str(long)):
        lines = bare(on_terminal([path], width)).splitlines()
        assert max(map(columns, lines)) <= width
    # a wide one is used: the facts of a station stand side by side
    text = bare(on_terminal([eml], width))
    assert ("id A1" in text) == (width >= 120)


def test_colours_on_a_terminal_only(eml):
    assert "\033[" in on_terminal([eml], 80)
    assert "\033[" not in on_terminal([eml], 80, env={"NO_COLOR": "1"})
    assert "\033[" not in on_terminal(["--no-color", eml], 80)
    assert "\033[" not in trace(eml)
    assert "\033[" in trace("--color", eml)
    assert bare(on_terminal([eml], 80)) == trace(eml)


def test_ascii_where_the_locale_is_not_utf_8(eml, tmp_path):
    assert trace("--ascii", eml).isascii()
    assert trace(eml, env={"LANG": "C"}).isascii()
    assert trace(eml, env={"LANG": "C", "LC_ALL": "en_GB.utf8"}) == trace(eml)
    path = tmp_path / "cn.eml"
    path.write_text(message(subject="驿站"))
    assert "\\u{9A7F}" in trace("--ascii", str(path)) and "驿站" in trace(str(path))


def test_the_local_zone_and_utc(eml):
    assert "2026-11-23 +09:00" in trace(eml, env={"TZ": "Asia/Tokyo"})
    assert "15:00:00" in trace(eml, env={"TZ": "Asia/Tokyo"})
    assert "06:00:00" in trace("--utc", eml, env={"TZ": "Asia/Tokyo"})


def test_nothing_foreign_reaches_the_terminal():
    evil = message().replace("h1.example", "h1\033]0;owned\007\x9b31m\u202e\u009b31m.example").replace("hello", "\033[2Jx")
    for words in ([], ["--ascii"], ["--width", "200"]):
        text = trace(*words, text=evil.encode("utf-8", "surrogateescape"))
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), repr(text)
    assert "\\x1b" in trace(text=evil)
    json.loads(trace("--json", text=evil))


def test_a_bomb_ends_at_once():
    begin = time.monotonic()
    assert "a loop" in trace(text=(HOP % ("a.example", "a.example", 1, "b.example", 1, 0, 0)) * 100000 + "\n")
    trace(text="Received: from " + "(" * (1 << 20))
    assert time.monotonic() - begin < 10


def test_help_knows_it():
    page = subprocess.run([binary(), "help", "--man"], stdout=subprocess.PIPE, timeout=30).stdout.decode()
    assert ".SS yizhan trace [FILE|ID...]" in page
    done = subprocess.run([binary(), "help", "--completion", "bash"], stdout=subprocess.PIPE, timeout=30).stdout.decode()
    assert "--message-id" in done


def test_behaviour_85_a_mailbox_of_the_server(station):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.sendmail("me@example.org", ["alice@yizhan.test"], message(2).replace("\n", "\r\n"))
    uid = station.wait_mailbox("alice@yizhan.test", 1)[0]["uid"]
    words = ["trace", "--account", "alice@yizhan.test", "--uid", str(uid)]
    j = station.cli_json(*words, "--json")
    assert j["hop_count"] == 3 and [h["trusted"] for h in j["hops"]] == [False, False, True]
    assert j["hops"][2]["software"] == "Yizhan" and j["hops"][2]["for"] == "alice@yizhan.test"
    assert "Yizhan" in station.cli(*words).stdout.decode()
    # the exported octets give the same
    whole = json.loads(station.cli("trace", "--json", input=station.export("alice@yizhan.test", uid)).stdout)
    assert whole == j
    assert station.cli(*words, "--mailbox", "Nonesuch", check=False).returncode == 65
    assert station.cli("trace", "--account", "alice@yizhan.test", "--uid", "999", check=False).returncode == 65


def test_behaviour_85_a_letter_through_two_stations(make_station):
    """One station hands over to the next with a route; the letter's way has both."""
    second = make_station()
    first = make_station()
    first.cli("domain", "add", "far.example", "--relay")
    first.cli("route", "add", "far.example", "127.0.0.1:%d" % second.ports["smtp"])
    second.cli("domain", "add", "far.example")
    second.cli("account", "add", "zoe@far.example", input=b"a long passphrase 5\n")
    with smtplib.SMTP(*first.smtp, timeout=20) as client:
        client.sendmail("me@example.org", ["zoe@far.example"], "Subject: far\r\n\r\nhello\r\n")
    uid = second.wait_mailbox("zoe@far.example", 1)[0]["uid"]
    j = second.cli_json("trace", "--account", "zoe@far.example", "--uid", str(uid), "--json")
    assert j["hop_count"] == 2 and [h["software"] for h in j["hops"]] == ["Yizhan", "Yizhan"]
    assert all(h["kind"] == "smtp" and h["time"] and not h["defects"] for h in j["hops"])
    assert 0 <= j["total_seconds"] < 60
