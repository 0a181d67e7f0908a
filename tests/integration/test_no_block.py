"""Nothing that a loop thread does goes to the disk: a library stands before open, fsync and their kin and ends the
process at the first such call on one."""

import os
import smtplib
import subprocess
import time

import pytest

from station import TOP, binary

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
