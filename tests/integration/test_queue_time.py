"""Time in the queue as administrators and senders see it: what comes next and why, orders that change it, rules that are
read again, and what a restart and a crash leave of all that."""

import os
import re
import smtplib
import sys
import threading
import time

import pytest

from reports import Report, typed
from talk import HERMETIC, Talk

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink, Stall  # noqa: E402

ALICE = "alice@yizhan.test"
BODY = "From: <%s>\r\nSubject: in time\r\n\r\nHello.\r\n" % ALICE
QUEUE = """
demo = yes
relay_networks = { "127.0.0.0/8" }
listener smtp { address = { "127.0.0.1:2525" } }
resolver { forwarders = { "127.0.0.1:1" } }
queue { drain_time = 1s %s }
"""


def conf(*settings):
    return QUEUE % " ".join(settings)


@pytest.fixture
def us(make_station):
    return make_station(conf=conf())


@pytest.fixture
def sink():
    with PySink() as s:
        yield s


def later(sink):
    sink.on("rcpt", "450 4.2.0 later")


def route(us, domain, sink):
    us.cli("route", "add", domain, "127.0.0.1:%d" % sink.port)


def send(us, rcpts, mail=(), rcpt=(), sender=ALICE):
    with smtplib.SMTP(*us.smtp, timeout=20) as client:
        client.ehlo()
        assert client.sendmail(sender, rcpts, BODY, mail_options=list(mail), rcpt_options=list(rcpt)) == {}


def queue(us, *more):
    return us.cli_json("queue", "list", *more, "--json")


def wait_for(what, us, seconds=20):
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, us.log()
        time.sleep(0.05)


def wait_tried(us, count=1):
    return wait_for(lambda: [r for r in [queue(us)] if len(r) == count and all(
        x["state"] == "waiting" and x["attempts"] > 0 for x in r)], us)[0]


def changed(us, *words):
    return us.cli_json("queue", *words, "--json")["changed"]


def refused(us, *words):
    done = us.cli("queue", *words, check=False)
    assert done.returncode != 0
    return done.stderr.decode()


def report(us):
    """The one report in alice's mailbox."""
    row = wait_for(lambda: us.mailbox(ALICE), us)
    assert len(row) == 1
    return Report(us.export(ALICE, row[0]["uid"]))


# -- what comes next, and why ---------------------------------------------------------------------------------

def test_every_row_shows_its_next_event_and_its_reason(us, sink):
    route(us, "next.test", sink)
    us.cli("route", "add", "dead.test", "127.0.0.1:1")
    sink.on("rcpt", "450 4.2.0 later", rcpt="tried@next.test")
    sink.on("rcpt", Stall(30, "250 ok"), rcpt="slow@next.test")
    send(us, ["tried@next.test"])
    send(us, ["down@dead.test"])
    send(us, ["held@next.test"], mail=["HOLDFOR=1000"])
    us.cli("queue", "hold", "--recipient", "held@next.test")
    send(us, ["soon@next.test"], mail=["HOLDFOR=1000"])
    send(us, ["limit@dead.test"], mail=["BY=40;N"])
    settled = {"tried": "try", "down": "try", "limit": "deadline"}
    wait_for(lambda: all(r["last"] and r["next"] == settled[r["recipient"].split("@")[0]] for r in queue(us)
                         if r["recipient"].split("@")[0] in settled), us)
    send(us, ["slow@next.test"])
    wait_for(lambda: any(r["state"] == "active" for r in queue(us)), us)
    rows = {r["recipient"].split("@")[0]: r for r in queue(us)}
    assert {name: row["next"] for name, row in rows.items()} == {
        "tried": "try", "down": "try", "held": "administrator", "soon": "release", "limit": "deadline", "slow": "running"}
    for name, row in rows.items():
        assert row["why"] and (row["next_at"] is None) == (name == "held"), row
    assert rows["tried"]["why"].startswith("450 4.2.0 later (")
    assert "refused" in rows["down"]["why"]
    assert re.match(r"held by root since \d{4}-|held by uid \d+ since", rows["held"]["why"])
    assert re.match(r"held until \S+Z as its sender asked$", rows["soon"]["why"])
    # people see the same
    table = us.cli("queue", "list").stdout.decode()
    assert "as its sender asked" in table and "450 4.2.0 later" in table
    show = us.cli_json("queue", "show", rows["held"]["id"], "--json")
    show = show[0] if isinstance(show, list) else show
    assert show["held_by"] and show["held_at"] and show["release_at"]
    assert us.cli("check").returncode == 0


def test_strangers_may_neither_hold_nor_hurry(station):
    with Talk(station.smtp) as t:
        words = [line.split()[0] for line in t.ask(b"EHLO x").lines]
        assert "FUTURERELEASE" not in words and "DELIVERBY" in words
        assert t.ask(b"MAIL FROM:<me@a.example> HOLDFOR=1").both == "555 5.5.4"
        reply = t.ask(b"MAIL FROM:<me@a.example> MT-PRIORITY=7")
        assert reply.both == "250 2.3.6" and reply.lines[0].startswith("2.3.6 0 ")
        t.ask(b"RSET")
        assert t.ask(b"MAIL FROM:<me@a.example> MT-PRIORITY=-7").both == "250 2.1.0"


# -- orders ---------------------------------------------------------------------------------------------------

def test_reroute_and_back(us, sink):
    route(us, "next.test", sink)
    later(sink)
    send(us, ["a@next.test", "b@next.test"])
    wait_tried(us, 2)
    with PySink() as lab:
        assert changed(us, "reroute", "--recipient", "a@next.test", "127.0.0.1:%d" % lab.port) == 1
        assert lab.wait(1)[0].rcpts == ["a@next.test"]
    us.cli("queue", "hold", "--all")
    identity = queue(us)[0]["id"]
    assert changed(us, "reroute", identity, "lab.invalid:2525") == 1
    row = queue(us)[0]
    assert row["destination"] == "[lab.invalid]:2525" and row["state"] == "held"
    assert row["why"].endswith("rerouted to [lab.invalid]:2525")
    assert changed(us, "reroute", "--all", "--undo") == 1
    assert queue(us)[0]["destination"] == "[127.0.0.1]:%d" % sink.port
    sink.clear()
    us.cli("queue", "release", identity)
    assert sink.wait(1)[0].rcpts == ["b@next.test"]
    orders = [line for line in us.log(last=1 << 20).splitlines() if "queue.order" in line]
    assert [re.search(r"what=(\"[^\"]+\"|\S+)", line).group(1) for line in orders] == [
        "reroute", "hold", "reroute", '"reroute --undo"', "release"]
    assert all("by=" in line for line in orders)


def test_orders_say_what_is_missing(us):
    assert "say which" in refused(us, "expire")
    assert "NEXT-HOP is missing" in refused(us, "reroute")
    assert "name no next hop" in refused(us, "reroute", "0SAMHGZ340001", "mx.test", "--undo")
    assert "next hop" in refused(us, "reroute", "--all", "no host at all!")
    assert "say what" in refused(us, "edit", "--all")
    assert "by itself" in refused(us, "edit", "0SAMHGZ340001", "--recipient", "a@b.test", "c@d.test", "--priority", "1")
    assert "say which recipient" in refused(us, "edit", "0SAMHGZ340001", "c@d.test")
    assert "-9 to 9" in refused(us, "edit", "--all", "--priority", "10")
    assert "no time" in refused(us, "edit", "--all", "--expire", "tomorrow")
    assert "has passed" in refused(us, "edit", "--all", "--expire", "2001-01-01T00:00:00Z")


def test_a_recipient_gets_another_address(us, sink):
    route(us, "next.test", sink)
    route(us, "other.test", sink)
    later(sink)
    us.cli("alias", "add", "team@yizhan.test", "alice@yizhan.test", "bob@yizhan.test")
    send(us, ["tpyo@next.test", "moved@next.test", "fine@next.test"])
    identity = wait_tried(us, 3)[0]["id"]
    assert "2 recipients" in refused(us, "edit", identity, "--recipient", "tpyo@next.test", "team@yizhan.test")
    assert "No such mailbox" in refused(us, "edit", identity, "--recipient", "tpyo@next.test", "nobody@yizhan.test")
    assert "no recipient" in refused(us, "edit", identity, "--recipient", "who@next.test", "bob@yizhan.test")
    sink.on("rcpt", "550 5.1.1 no", rcpt="typo@other.test")
    assert changed(us, "edit", identity, "--recipient", "tpyo@next.test", "typo@other.test") == 1
    assert changed(us, "edit", identity, "--recipient", "moved@next.test", "bob@yizhan.test") == 1
    # the report names whom its sender wrote to
    block = report(us).rcpts["typo@other.test"]
    assert typed(block["Original-Recipient"]) == ("rfc822", "tpyo@next.test")
    row = us.wait_mailbox("bob@yizhan.test", 1)[0]
    octets = us.export("bob@yizhan.test", row["uid"])
    assert octets.startswith(b"Return-Path: <%s>\r\nDelivered-To: bob@yizhan.test\r\nReceived: " % ALICE.encode())
    assert octets.endswith(BODY.encode())
    assert [r["recipient"] for r in queue(us)] == ["fine@next.test"]
    assert us.cli("check").returncode == 0


def test_priority_and_lifetime(us, sink):
    route(us, "next.test", sink)
    later(sink)
    send(us, ["a@next.test"])
    identity = wait_tried(us)[0]["id"]
    assert changed(us, "edit", identity, "--priority", "-3") == 1
    assert queue(us)[0]["priority"] == -3
    began = time.time()
    assert changed(us, "edit", identity, "--expire", "2s", "--priority", "2") == 1
    assert report(us).rcpts["a@next.test"]["Action"] == "failed"
    assert 1.5 < time.time() - began < 20


def test_give_up_now(us, sink):
    route(us, "next.test", sink)
    later(sink)
    rcpts = ["r%d@next.test" % i for i in range(90)]
    send(us, rcpts)
    send(us, ["other@next.test"])
    us.cli("queue", "hold", "--recipient", "other@next.test")
    wait_for(lambda: sum(r["attempts"] > 0 for r in queue(us)) >= 90, us)
    identity = [r["id"] for r in queue(us) if r["recipient"] == rcpts[0]][0]
    assert changed(us, "expire", identity) == 90
    found = report(us)
    assert sorted(found.rcpts) == sorted(rcpts)
    assert found.rcpts[rcpts[0]]["Status"] == "5.4.7" and "given up by an administrator" in found.text
    wait_for(lambda: [r["recipient"] for r in queue(us)] == ["other@next.test"], us)


def test_orders_without_a_server(us, sink):
    route(us, "next.test", sink)
    later(sink)
    send(us, ["a@next.test"])
    wait_tried(us)
    us.stop()
    assert changed(us, "expire", "--all") == 1
    assert "goes back to its sender" in queue(us)[0]["why"]
    us.start()
    assert report(us).rcpts["a@next.test"]["Status"] == "5.4.7"


# -- rules ----------------------------------------------------------------------------------------------------

def test_new_rules_count_at_the_next_attempt(make_station, sink):
    us = make_station(conf=conf("retry = { 1s, 1h }", "delay_notice = { 0 }"))
    route(us, "next.test", sink)
    later(sink)
    send(us, ["a@next.test"])
    row = wait_for(lambda: [r for r in queue(us) if r["attempts"] == 2], us)[0]
    expires = row["expires_at"]
    with open(os.path.join(us.directory, "yizhan.conf"), "w") as f:
        f.write(conf("retry = { 1s }", "delay_notice = { 2s }", "expire = 6s"))
    us.reload()
    us.wait_log("host.reloaded")
    assert queue(us)[0]["expires_at"] < expires
    us.cli("queue", "retry", "--all")
    # told of the delay, then given up, by the rules of today
    wait_for(lambda: len(us.mailbox(ALICE)) == 2, us)
    actions = [list(Report(us.export(ALICE, row["uid"])).rcpts.values())[0]["Action"] for row in us.mailbox(ALICE)]
    assert sorted(actions) == ["delayed", "failed"]


def test_wrong_rules_are_told(make_station, us):
    with open(os.path.join(us.directory, "bad.conf"), "w") as f:
        f.write(conf("delay_notice = { 1h, 2h, 3h, 4h, 5h }"))
    done = us.cli("--config", os.path.join(us.directory, "bad.conf"), "serve", "--check", check=False)
    assert done.returncode != 0 and b"one time too many" in done.stderr + done.stdout


# -- restarts and crashes -------------------------------------------------------------------------------------

def test_a_restart_keeps_times(us, sink):
    route(us, "next.test", sink)
    began = time.time()
    send(us, ["soon@next.test"], mail=["HOLDFOR=5"])
    send(us, ["bob@yizhan.test"], mail=["HOLDFOR=5"])
    sink.on("rcpt", "450 4.2.0 later", rcpt="limit@next.test")
    send(us, ["limit@next.test"], mail=["BY=5;N", "MT-PRIORITY=4"])
    wait_for(lambda: any(r["attempts"] for r in queue(us)), us)
    us.kill9()
    us.start()
    rows = {r["recipient"].split("@")[0]: r for r in queue(us)}
    assert rows["soon"]["next"] == rows["bob"]["next"] == "release" and rows["limit"]["priority"] == 4
    assert report(us).rcpts["limit@next.test"]["Action"] == "delayed"
    assert sink.wait(1)[0].rcpts == ["soon@next.test"]
    us.wait_mailbox("bob@yizhan.test", 1)
    assert time.time() - began > 4.9


def test_a_crash_leaves_each_row_rerouted_or_not(make_station, sink):
    us = make_station(conf=conf("hold = yes"))
    route(us, "next.test", sink)
    for i in range(10):
        send(us, ["r%d-%d@next.test" % (i, k) for k in range(100)])
    hops = ["[127.0.0.1]:%d" % sink.port, "[a.test]:25", "[b.test]:25"]

    def orders(process):
        while process.poll() is None:
            for hop in ("a.test", "b.test"):
                us.cli("queue", "reroute", "--all", hop, check=False)
                us.cli("queue", "edit", "--all", "--priority", "3" if hop == "a.test" else "-3", check=False)

    for round in range(3):
        worker = threading.Thread(target=orders, args=(us.process,))
        worker.start()
        time.sleep(0.4 + 0.3 * round)
        us.kill9()
        worker.join()
        us.start()
        assert us.cli("check").returncode == 0
        rows = us.cli_json("queue", "list", "--json")
        assert len(rows) == 1000 and {r["destination"] for r in rows} <= set(hops)
        assert all(r["state"] == "held" and r["why"] for r in rows)
    assert changed(us, "reroute", "--all", "--undo") > 0
    us.cli("queue", "release", "--all")
    assert len({rcpt for letter in wait_for(lambda: sum(len(x.rcpts) for x in sink.messages) >= 1000 and sink.messages,
                                            us, 30) for rcpt in letter.rcpts}) == 1000
