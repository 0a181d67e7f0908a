"""Postfix and Exim in front, our LMTP behind them (docs/lmtp.md)."""

import os
import smtplib
import tempfile
import time

import pytest

from peers import Exim, Postfix

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"
CONF = """demo = yes
listener smtp { address = { "127.0.0.1:2525" } }
listener lmtp { protocol = lmtp address = { "127.0.0.1:1430" } tls = none }
listener sock { protocol = lmtp address = { "unix:%s/lmtp" } mode = 666 }
"""
TEXT = "From: carol@far.test\r\nSubject: %s\r\n\r\n.dot\r\n" + "x" * 70 + "\r\n"


@pytest.fixture
def sockets():
    with tempfile.TemporaryDirectory(prefix="yz-lmtp-") as where:
        os.chmod(where, 0o755)
        yield where


@pytest.fixture
def us(make_station, sockets):
    return make_station(conf=CONF % sockets)


def send(address, subject, rcpts, **more):
    with smtplib.SMTP(*address, timeout=60) as s:
        return s.sendmail("carol@far.test", rcpts, TEXT % subject, **more)


def arrived(us, address, subject, seconds=30):
    end = time.monotonic() + seconds
    while True:
        rows = [row for row in us.mailbox(address) if row["subject"] == subject]
        if rows:
            return us.export(address, rows[0]["uid"])
        assert time.monotonic() < end, us.log()
        time.sleep(0.1)


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_postfix_in_front(us, sockets, way):
    hop = "unix:%s/lmtp" % sockets if way == "unix" else ("127.0.0.1", us.ports["lmtp"])
    with Postfix("lmtp", next_hop=hop, domains=["yizhan.test"]) as postfix:
        assert send(postfix.address, "one to two", [ALICE, BOB]) == {}
        for address in (ALICE, BOB):
            octets = arrived(us, address, "one to two")
            assert b"with LMTP id" in octets and octets.endswith((TEXT % "x").split("\r\n\r\n", 1)[1].encode())
            assert octets.startswith(b"Return-Path: <carol@far.test>\r\nDelivered-To: %s\r\n" % address.encode())
        # it asks us whom there is
        refused = send(postfix.address, "some", [ALICE, "nobody@yizhan.test"])
        assert refused["nobody@yizhan.test"][0] == 550
        arrived(us, ALICE, "some")
        # sub-addresses come through
        assert send(postfix.address, "detail", ["alice+list@yizhan.test"]) == {}
        assert b"Delivered-To: alice+list@yizhan.test" in arrived(us, ALICE, "detail")
        # who has no room makes Postfix wait, the other one has his
        us.cli("account", "set", BOB, "--quota", "1")
        assert send(postfix.address, "room", [ALICE]) == {}
        arrived(us, ALICE, "room")
        # while we are away it keeps what comes
        us.cli("account", "set", BOB, "--quota", "0")
        us.stop()
        with smtplib.SMTP(*postfix.address, timeout=60) as s:
            assert s.sendmail("carol@far.test", [ALICE], TEXT % "later") == {}
        us.start()
        postfix.flush()
        arrived(us, ALICE, "later")


def test_exim_in_front(us):
    with Exim("relay", next_hop=("127.0.0.1", us.ports["lmtp"]), onward={"protocol": "lmtp", "port": us.ports["lmtp"]}) as exim:
        assert send(exim.address, "exim", [ALICE, BOB]) == {}
        for address in (ALICE, BOB):
            assert b"with LMTP id" in arrived(us, address, "exim")
        # one of two who is not there: the other gets it, the sender a report
        assert send(exim.address, "half", [ALICE, "nobody@yizhan.test"]) == {}
        arrived(us, ALICE, "half")
