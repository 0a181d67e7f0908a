"""From station to station: a route, the next hop's mailbox, and the report for who is not there."""

import smtplib
import socket
import subprocess
import time

from station import binary

BODY = "Subject: relayed\r\nFrom: alice@yizhan.test\r\n\r\nHello over there.\r\n"
RELAY = 'demo = yes\nrelay_networks = { "127.0.0.0/8" }\n'


def send(station, to, **options):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        assert client.sendmail("alice@yizhan.test", to, BODY, **options) == {}


def wait_empty_queue(station, seconds=20):
    end = time.monotonic() + seconds
    while station.cli_json("queue", "list", "--json"):
        assert time.monotonic() < end, station.cli("queue", "list").stdout.decode()
        time.sleep(0.05)


def two_stations(make_station):
    there = make_station()
    there.cli("domain", "add", "next.example")
    there.cli("account", "add", "zoe@next.example", "--no-password")
    here = make_station(conf=RELAY)
    here.cli("route", "add", "next.example", "127.0.0.1:%d" % there.ports["smtp"])
    return here, there


def test_a_letter_goes_on_and_a_report_comes_back(make_station):
    here, there = two_stations(make_station)
    send(here, ["zoe@next.example", "nobody@next.example", "bob@yizhan.test"])
    octets = there.export("zoe@next.example", there.wait_mailbox("zoe@next.example", 1)[0]["uid"])
    assert octets.endswith(BODY.encode())
    # only the last station writes it
    assert octets.startswith(b"Return-Path: <alice@yizhan.test>\r\nDelivered-To: zoe@next.example\r\n")
    assert octets.count(b"Return-Path:") == 1
    assert octets.count(b"\r\nReceived: from ") + octets.startswith(b"Received:") == 2
    report = here.wait_mailbox("alice@yizhan.test", 1)[0]
    assert report["subject"] == "Undelivered Mail Returned to Sender"
    text = here.export("alice@yizhan.test", report["uid"])
    assert b"Final-Recipient: rfc822; nobody@next.example" in text
    assert b"zoe@next.example" not in text
    assert len(here.mailbox("bob@yizhan.test")) == 1
    wait_empty_queue(here)
    queue = here.cli_json("status", "--json")["queue"]
    assert (queue["delivered"], queue["failed"], queue["reports"]) == (1, 1, 1)
    for station in (here, there):
        station.cli("check")


def test_what_cannot_go_waits_over_a_restart_and_a_kill(make_station):
    here, there = two_stations(make_station)
    there.stop()
    send(here, ["zoe@next.example"])
    end = time.monotonic() + 20
    while not here.cli_json("queue", "list", "--json")[0]["last"]:
        assert time.monotonic() < end
        time.sleep(0.05)
    waiting = here.cli_json("queue", "list", "--json")[0]
    assert waiting["state"] == "waiting" and waiting["attempts"] >= 1
    here.restart()
    here.kill9()
    here.start()
    there.start()
    here.cli("queue", "retry", waiting["id"])
    assert len(there.wait_mailbox("zoe@next.example", 1)) == 1
    wait_empty_queue(here)


def test_hold_and_release(make_station):
    here, there = two_stations(make_station)
    there.stop()
    send(here, ["zoe@next.example"])
    time.sleep(0.3)
    here.cli("queue", "hold", "--recipient", "zoe@next.example")
    assert here.cli_json("queue", "list", "--state", "held", "--json")[0]["recipient"] == "zoe@next.example"
    there.start()
    here.cli("queue", "retry", "--all", check=False)
    time.sleep(0.5)
    assert there.mailbox("zoe@next.example") == []
    here.cli("queue", "release", "--all")
    assert len(there.wait_mailbox("zoe@next.example", 1)) == 1


def test_success_is_told_to_who_asked(station):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.sendmail("bob@yizhan.test", ["alice@yizhan.test"], BODY, rcpt_options=["NOTIFY=SUCCESS"],
                        mail_options=["ENVID=abc"])
    report = station.wait_mailbox("bob@yizhan.test", 1)[0]
    text = station.export("bob@yizhan.test", report["uid"])
    assert b"Action: delivered" in text and b"Original-Envelope-Id: abc" in text
    assert len(station.mailbox("alice@yizhan.test")) == 1


def test_alias_with_remote_target(make_station):
    here, there = two_stations(make_station)
    here.cli("alias", "add", "team@yizhan.test", "bob@yizhan.test", "zoe@next.example")
    with smtplib.SMTP(*here.smtp, timeout=20) as client:
        client.sendmail("me@example.org", ["team@yizhan.test"], BODY)
    assert len(here.wait_mailbox("bob@yizhan.test", 1)) == 1
    assert len(there.wait_mailbox("zoe@next.example", 1)) == 1


def test_many_letters_arrive_once(make_station):
    here, there = two_stations(make_station)
    with smtplib.SMTP(*here.smtp, timeout=20) as client:
        for i in range(200):
            client.sendmail("alice@yizhan.test", ["zoe@next.example"], "Subject: n%d\r\n\r\nx\r\n" % i)
    found = there.wait_mailbox("zoe@next.example", 200)
    assert sorted(m["subject"] for m in found) == sorted("n%d" % i for i in range(200))
    wait_empty_queue(here)


def test_a_fast_next_hop_takes_large_letters_at_once(make_station):
    """The sink answers before the call that wrote a letter's last octets has come back: that is no early answer."""
    here = make_station(conf=RELAY)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    sink = subprocess.Popen([binary(), "bench", "sink", "--listen", "127.0.0.1:%d" % port], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    try:
        here.cli("route", "add", "next.example", "127.0.0.1:%d" % port)
        done = subprocess.run([binary(), "bench", "source", "--to", "%s:%d" % here.smtp, "--rcpt", "r@next.example",
                               "--size", "100000", "--sessions", "20", "--messages", "200"], stdout=subprocess.PIPE,
                              timeout=60)
        assert done.returncode == 0, done.stdout
        wait_empty_queue(here)
        queue = here.cli_json("status", "--json")["queue"]
        assert (queue["delivered"], queue["deferred"]) == (200, 0), here.log()
    finally:
        sink.terminate()
        sink.wait()
