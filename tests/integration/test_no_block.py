"""Nothing that a loop thread does goes to the disk: a library stands before open, fsync and their kin and ends the
process at the first such call on one, or on another thread that holds a lock which loops take."""

import concurrent.futures
import contextlib
import json
import os
import smtplib
import subprocess
import time

import pytest

from jmap_talk import BLOB, CORE, MAIL, Jmap
from station import TOP, binary
from talk import HERMETIC, Control, Talk, play, wait_idle

BODY = "Subject: =?gb2312?B?xOO6ww==?=\r\nFrom: a@b.example\r\n\r\nHello.\r\n"


def libraries():
    ours = os.path.join(os.path.dirname(binary()), "tests/preload/no_block.so")
    if not os.path.exists(ours):
        ours = os.path.join(TOP, "build/asan/tests/preload/no_block.so")
    if not os.path.exists(ours):
        pytest.skip("the build has no tests/preload/no_block.so")
    asan = subprocess.run(["gcc", "-print-file-name=libasan.so"], stdout=subprocess.PIPE).stdout.decode().strip()
    return "%s %s" % (asan, ours)


def test_a_busy_server_never_blocks_a_loop(make_station):
    env = {"LD_PRELOAD": libraries(), "ASAN_OPTIONS": "detect_leaks=0"}
    there = make_station(env=env)
    there.cli("domain", "add", "next.example")
    there.cli("account", "add", "zoe@next.example", "--no-password")
    here = make_station(conf='demo = yes\nrelay_networks = { "127.0.0.0/8" }\nlog { destination = "{data}/y.log" }\n', env=env)
    here.cli("route", "add", "next.example", "127.0.0.1:%d" % there.ports["smtp"])
    large = BODY + ("x" * 70 + "\r\n") * 10000
    with smtplib.SMTP(*here.smtp, timeout=30) as client:
        client.sendmail("alice@yizhan.test", ["bob@yizhan.test", "zoe@next.example", "nobody@next.example"], BODY)
        client.sendmail("alice@yizhan.test", ["bob@yizhan.test", "zoe@next.example"], large)
        client.sendmail("alice@yizhan.test", ["bob@yizhan.test"], BODY, rcpt_options=["NOTIFY=SUCCESS"])
        # a name that is looked up, and is not there
        client.sendmail("alice@yizhan.test", ["x@nowhere.invalid"], BODY)
    there.wait_mailbox("zoe@next.example", 2)
    here.wait_mailbox("alice@yizhan.test", 2)
    found = here.wait_mailbox("bob@yizhan.test", 3)
    assert found[0]["subject"] == "你好"
    with smtplib.SMTP(*here.smtp, timeout=30) as client:
        client.starttls()
        client.sendmail("me@example.org", ["bob@yizhan.test"], BODY)
    # a login, and a name whose character set is read from disk
    alice = here.account("alice")
    with smtplib.SMTP("127.0.0.1", here.ports["submission"], timeout=30) as client:
        client.starttls()
        client.login(alice.address, alice.password)
        client.sendmail(alice.address, ["bob@yizhan.test"], BODY.replace(
            "From: a@b.example", "From: =?gb2312?B?sK7Ay8u/?= <alice@yizhan.test>"))
    here.export("bob@yizhan.test", 1)
    here.cli("account", "add", "carol@yizhan.test")
    here.cli("check")
    here.cli("backup", os.path.join(here.data, "copy.db"))
    here.cli("status", "--fibers")
    here.reload()
    time.sleep(0.5)
    here.cli("status")
    for station in (here, there):
        assert "no_block:" not in station.log()


# ---- and nothing that it computes takes long ----


def pipelined(station, head, commands, tail=b"QUIT\r\n"):
    """One session in one write; the codes of its replies."""
    return [r.code for r in play(station.smtp, head + b"".join(commands) + tail)]


def story(station, next_hop):
    """A day in a minute: everything that is large, long or many in the life of a server."""
    to = b"MAIL FROM:<alice@yizhan.test>\r\nRCPT TO:<%s>\r\n"
    # many commands, many recipients, many chunks, many small letters in one write each
    assert set(pipelined(station, b"EHLO x\r\n", [b"NOOP\r\nMAIL FROM:<a@b.example>\r\nRSET\r\n"] * 5000)) == {220, 250, 221}
    many = [b"RCPT TO:<bob+%d@yizhan.test>\r\n" % n for n in range(1000)]
    letter = b"Subject: many\r\n\r\n" + b"x\r\n" * 50
    codes = pipelined(station, b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n", many, b"DATA\r\n" + letter + b".\r\nQUIT\r\n")
    assert codes == [220, 250, 250] + [250] * 1000 + [354, 250, 221]
    codes = pipelined(station, b"EHLO x\r\n" + to % b"bob@yizhan.test", [b"BDAT 1\r\nx"] * 50000, b"BDAT 0 LAST\r\nQUIT\r\n")
    assert codes == [220, 250, 250, 250] + [250] * 50001 + [221]
    small = to % b"bob@yizhan.test" + b"DATA\r\n" + letter + b".\r\n"
    assert pipelined(station, b"EHLO x\r\n", [small] * 500).count(250) == 1 + 500 * 3
    onward = to % b"zoe@next.example" + b"DATA\r\n" + letter + b".\r\n"
    assert pipelined(station, b"EHLO x\r\n", [onward] * 200).count(250) == 1 + 200 * 3
    # large ones: long lines, short lines, dots; here, onward, and back to the sender
    for line in (b"x" * 70 + b"\r\n", b"..\r\n", b"\r\n", b"y" * 100000 + b"\r\n"):
        body = b"Subject: large\r\n\r\n" + line * (8000000 // len(line))
        for rcpt in (b"bob@yizhan.test", b"zoe@next.example", b"nobody@next.example"):
            with Talk(station.smtp) as t:
                t.begin(sender=b"alice@yizhan.test", rcpts=[rcpt])
                if line[0] in b"xy":
                    t.send(b"BDAT %d LAST\r\n" % len(body) + body)
                else:
                    assert t.ask(b"DATA").code == 354
                    t.send(body + b".\r\n")
                assert t.reply().code == 250
    # a header that is all of a letter
    with Talk(station.smtp) as t:
        t.begin(rcpts=[b"bob@yizhan.test"])
        t.ask(b"DATA")
        t.send(b"".join(b"X-%d: =?utf-8?q?=C3=BC?= %s\r\n" % (n, b"z" * 60) for n in range(50000)) + b"\r\n.\r\n")
        assert t.reply().code == 250
    # TLS: many handshakes at once, then bulk
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: secure(station, b"s\r\n"), range(64)))
    secure(station, b"x" * 70 + b"\r\n", 4000000)
    # requests of JMAP that are as large as they may be, and one that is larger
    alice, text = Jmap(station), "a line of text, and 北京 in it\n" * 240_000
    using, drafts = (CORE, MAIL, BLOB), alice.call("Mailbox/query", {"accountId": alice.account, "filter": {"role": "drafts"}}, (CORE, MAIL))["ids"][0]
    email = {"mailboxIds": {drafts: True}, "textBody": [{"partId": "t"}], "bodyValues": {"t": {"value": text}}}
    for name, args in (("Email/set", {"create": {"k": email}}), ("Core/echo", {"x": text}), ("Core/echo", {"x": "x" * 9_900_000}),
                       ("Blob/upload", {"create": {"k": {"data": [{"data:asText": text}]}}}),
                       ("Blob/upload", {"create": {"k": {"data": [{"data:asBase64": "QUJD" * 2_400_000}]}}}),
                       ("Email/set", {"create": {"k": dict(email, bodyValues={"t": {"value": "#" + "x" * 9_900_000}})}})):
        body = json.dumps({"using": using, "methodCalls": [[name, dict(args, accountId=alice.account), "0"]]}, ensure_ascii=False).encode()
        answer = alice.post(body).json()["methodResponses"][0]
        assert answer[0] == name and answer[1].get("created", True), (name, answer)
    assert alice.post(b" " * 15_000_000).json()["limit"] == "maxSizeRequest"
    # what administrators ask, while 300 are connected
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(Talk(station.smtp))
        with Control(station) as control:
            control.status()
            assert len(control.ask("fibers")) > 300
            assert len(control.ask("mailbox.list", address="bob@yizhan.test")) > 500
            control.ask("mailbox.export", address="bob@yizhan.test")
            control.ask("queue.list")
        station.reload()
    station.cli("check")
    next_hop.wait_mailbox("zoe@next.example", 204)


def secure(station, line, octets=100):
    with Talk(station.smtp) as t:
        t.ask(b"EHLO x"), t.ask(b"STARTTLS")
        t.handshake()
        assert t.deliver(b"Subject: tls\r\n\r\n" + line * (octets // len(line)), rcpts=[b"bob@yizhan.test"]).code == 250


def tell_the_story(make_station, env, **settings):
    limits = "limits { errors_hard = 1000000 errors_delay = 0 junk_commands = 1000000 transactions = 1000000 }\n"
    there = make_station(conf="demo = yes\n" + limits + HERMETIC, env=env, **settings)
    there.cli("domain", "add", "next.example")
    there.cli("account", "add", "zoe@next.example", "--no-password")
    here = make_station(conf='demo = yes\nrelay_networks = { "127.0.0.0/8" }\n' + limits + HERMETIC, env=env, **settings)
    here.cli("route", "add", "next.example", "127.0.0.1:%d" % there.ports["smtp"])
    story(here, there)
    for station in (here, there):
        wait_idle(station)
        assert " held loop" not in station.log(1 << 24) and "no_block:" not in station.log(1 << 24)


def test_a_long_story_never_blocks_a_loop(make_station):
    """Neither at the disk nor at a lock that somebody holds who goes there: by the library of above, which needs no
    clock. And no slice computes for 50 ms; the sanitizers alone make the longest ones 14, what they are without them
    is the next test's. (A loop waits at the sanitizers' own locks, for as long as other programs keep their holder from
    a core, so waiting has a bound here that nothing but a fault passes.)"""
    tell_the_story(make_station, {"LD_PRELOAD": libraries(), "YIZHAN_SLICE_FATAL": "50", "YIZHAN_WAIT_FATAL": "2000"})


@pytest.fixture(scope="module")
def plain_build():
    """The server without sanitizers."""
    where = os.path.join(TOP, "build", "plain")
    done = subprocess.run(["tools/build", where, "--buildtype=release"], cwd=TOP, capture_output=True, text=True,
                          env=dict(os.environ, TARGETS="yizhan"))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return os.path.join(where, "yizhan")


@pytest.mark.long
def test_no_slice_is_longer_than_5_ms(make_station, plain_build):
    """A fiber that holds its thread for more than 5 ms, computing or blocked, ends the process (YIZHAN_SLICE_FATAL).
    Time that others had the core is not counted."""
    tell_the_story(make_station, {"YIZHAN_SLICE_FATAL": "5"}, program=plain_build)
