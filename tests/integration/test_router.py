"""Where mail goes: tables that count at once, forwards with SRS, loops, checked relay domains, routes by sender."""

import os
import smtplib
import sys
import time

import pytest

from reports import Report

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink  # noqa: E402

BODY = "From: Xavier <xavier@sender.example>\r\nDKIM-Signature: v=1; d=sender.example; b=abc\r\n" \
       "Subject: on the road\r\n\r\nHello.\r\n"
RELAY = 'demo = yes\nrelay_networks = { "127.0.0.0/8" }\n'
XAVIER = "xavier@sender.example"
ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"


@pytest.fixture
def sink():
    with PySink() as s:
        yield s


def to_sink(station, sink, *domains):
    for domain in domains:
        station.cli("route", "add", domain, "127.0.0.1:%d" % sink.address[1])


def send(station, rcpts, sender=XAVIER, body=BODY, **options):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        assert client.sendmail(sender, rcpts, body, **options) == {}


def rcpt(station, address, sender=XAVIER, params=()):
    """What the server says to one recipient: (code, text)."""
    with smtplib.SMTP(*station.smtp, timeout=40) as client:
        client.ehlo()
        client.mail(sender)
        code, text = client.rcpt(address, params)
        return code, text.decode()


def data(station, rcpts, body, sender=XAVIER):
    """What it says at the end of the message."""
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo()
        client.mail(sender)
        assert [client.rcpt(r)[0] for r in rcpts] == [250] * len(rcpts)
        code, text = client.data(body)
        return code, text.decode()


def wait_empty_queue(station, seconds=20):
    end = time.monotonic() + seconds
    while station.cli_json("queue", "list", "--json"):
        assert time.monotonic() < end, station.cli("queue", "list").stdout.decode() + station.log()
        time.sleep(0.05)


def test_tables_count_at_once(station):
    def says(address):
        return rcpt(station, address)[0]

    assert says("team@yizhan.test") == 550
    station.cli("alias", "add", "team@yizhan.test", ALICE, BOB)
    assert says("team@yizhan.test") == 250
    assert says("anybody@yizhan.test") == 550
    station.cli("alias", "add", "@yizhan.test", BOB)
    assert says("anybody@yizhan.test") == 250
    assert says("any+body@yizhan.test") == 250
    send(station, ["any+body@yizhan.test", "alice+x@yizhan.test"])
    assert len(station.wait_mailbox(BOB, 1)) == len(station.wait_mailbox(ALICE, 1)) == 1
    station.cli("alias", "remove", "@yizhan.test")
    assert says("anybody@yizhan.test") == 550
    assert says("x@backup.example") == 550
    station.cli("domain", "add", "backup.example", "--check", "table")
    assert rcpt(station, "x@backup.example") == (550, "5.1.1 No such mailbox here")
    station.cli("domain", "recipients", "add", "backup.example", "x")
    assert says("x@backup.example") == says("x+y@backup.example") == says("postmaster@backup.example") == 250
    names = "# people\n\ny\nz@backup.example\n" + "".join("n%d\n" % i for i in range(1200))
    done = station.cli("domain", "recipients", "import", "backup.example", "-", "--json", input=names.encode())
    assert done.stdout == b'{"names":1202,"changed":1202}\n'
    assert len(station.cli_json("domain", "recipients", "list", "backup.example", "--json")) == 1203
    assert says("n1199@backup.example") == 250
    station.cli("domain", "set", "backup.example", "--relay", "--check", "none")
    assert says("whoever@backup.example") == 250
    station.cli("check")


def test_limits_are_told(station):
    for i in range(12):
        station.cli("alias", "add", "c%d@yizhan.test" % i, "c%d@yizhan.test" % (i + 1) if i < 11 else ALICE)
    many = "550 5.4.6 The alias has too many recipients or levels"
    assert "%d %s" % rcpt(station, "c0@yizhan.test") == many
    assert rcpt(station, "c4@yizhan.test")[0] == 250
    station.cli("alias", "add", "wide@yizhan.test", *["p%d@far.example" % i for i in range(1000)])
    station.cli("alias", "add", "wider@yizhan.test", "wide@yizhan.test", "one@more.example")
    assert rcpt(station, "wide@yizhan.test")[0] == 250
    assert "%d %s" % rcpt(station, "wider@yizhan.test") == many
    done = station.cli("account", "forward", ALICE, *["t%d@far.example" % i for i in range(21)], check=False)
    assert b"at most 20 forwards, not 21" in done.stderr


def test_a_forward_goes_out_under_our_name_and_its_bounce_comes_home(station, sink):
    to_sink(station, sink, "far.example", "sender.example")
    station.cli("account", "forward", ALICE, "a2@far.example")
    send(station, [ALICE])
    letter = sink.wait(1)[0]
    assert letter.rcpts == ["a2@far.example"]
    assert letter.sender.startswith("SRS0=") and letter.sender.endswith("=sender.example=xavier@yizhan.test")
    # what was signed is as it was, our lines stand in front
    head, rest = letter.data.split(b"From: Xavier", 1)
    assert b"From: Xavier" + rest == BODY.encode()
    assert head.startswith(b"Delivered-To: alice@yizhan.test\r\nReceived: from ")
    kept = station.export(ALICE, station.wait_mailbox(ALICE, 1)[0]["uid"])
    assert kept.startswith(b"Return-Path: <xavier@sender.example>\r\nDelivered-To: alice@yizhan.test\r\n")

    # the bounce goes home, in any case of letters, after a restart as well
    station.restart()
    for address in (letter.sender, letter.sender.lower()):
        send(station, [address], sender="", body="Subject: bounced\r\n\r\n")
    home = sink.wait(3)[1:]
    assert [(x.sender, x.rcpts) for x in home] == [("", [XAVIER])] * 2
    # nothing else does
    assert rcpt(station, letter.sender) == (550, "5.7.1 This address takes bounces only")
    forged = letter.sender.replace("SRS0=", "SRS0=A")
    assert rcpt(station, forged, sender="") == (550, "5.1.1 This bounce address was not made here")
    other = letter.sender.replace("xavier", "victim")
    assert rcpt(station, other, sender="") == (550, "5.1.1 This bounce address was not made here")

    # no name of ours is needed for our own people and for bounces
    send(station, [ALICE], sender=BOB)
    send(station, [ALICE], sender="")
    assert [x.sender for x in sink.wait(5)[3:]] == [BOB, ""]
    station.cli("account", "forward", ALICE, "a2@far.example", "--only")
    send(station, [ALICE])
    sink.wait(6)
    wait_empty_queue(station)
    assert len(station.mailbox(ALICE)) == 3


def test_a_forward_that_fails_is_told_to_who_wrote(station, sink):
    to_sink(station, sink, "far.example", "sender.example")
    station.cli("alias", "add", "gone@yizhan.test", "gone@far.example")
    sink.on("rcpt", "550 5.1.1 nobody", rcpt="gone@far.example")
    send(station, ["gone@yizhan.test"])
    report = sink.wait(1)[0]
    assert (report.sender, report.rcpts) == ("", [XAVIER])
    told = Report(report.data)
    assert told.rcpts["gone@far.example"]["Action"] == "failed"
    assert told.rcpts["gone@far.example"]["Original-Recipient"] == "rfc822; gone@yizhan.test"
    wait_empty_queue(station)


def test_reports_follow_what_an_address_becomes(station, sink):
    to_sink(station, sink, "far.example")
    station.cli("alias", "add", "one@yizhan.test", "one@far.example")
    station.cli("alias", "add", "two@yizhan.test", "a@far.example", "b@far.example", BOB)

    def letter_to(address, *params):
        with smtplib.SMTP(*station.smtp, timeout=20) as client:
            client.ehlo()
            client.mail(ALICE, ["ENVID=QQ1", "RET=HDRS"])
            assert client.rcpt(address, params)[0] == 250
            assert client.data(BODY)[0] == 250

    # one for one (RFC 3461 section 5.2.7.2): it is the same recipient
    letter_to("one@yizhan.test", "NOTIFY=SUCCESS,FAILURE")
    letter_to("one@yizhan.test", "NOTIFY=NEVER", "ORCPT=rfc822;first@else.example")
    one = sink.wait(2)
    assert "ENVID=QQ1" in one[0].sender_params and "RET=HDRS" in one[0].sender_params
    assert set(one[0].rcpt_params["one@far.example"]) == {"NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;one@yizhan.test"}
    assert set(one[1].rcpt_params["one@far.example"]) == {"NOTIFY=NEVER", "ORCPT=rfc822;first@else.example"}
    # several: "expanded", and then of trouble alone (section 5.2.7.3)
    letter_to("two@yizhan.test", "NOTIFY=SUCCESS,DELAY")
    letter_to("two@yizhan.test", "NOTIFY=SUCCESS")
    two = sink.wait(4)[2:]
    assert [x.rcpt_params["b@far.example"] for x in two] == [
        ["NOTIFY=DELAY", "ORCPT=rfc822;two@yizhan.test"], ["NOTIFY=NEVER", "ORCPT=rfc822;two@yizhan.test"]]
    reports = station.wait_mailbox(ALICE, 2)
    wait_empty_queue(station)
    assert len(station.mailbox(ALICE)) == 2 and len(station.mailbox(BOB)) == 2
    for row in reports:
        told = Report(station.export(ALICE, row["uid"]))
        assert [(k, v["Action"], v["Status"]) for k, v in told.rcpts.items()] == [("two@yizhan.test", "expanded", "2.1.5")]


LOOPED = "Delivered-To: %s\r\nSubject: again\r\n\r\nHello.\r\n"


def test_what_was_here_before_is_a_loop(station):
    station.cli("alias", "add", "mix@yizhan.test", ALICE, BOB)
    code, text = data(station, [BOB], LOOPED % BOB)
    assert (code, text) == (554, "5.4.6 Mail loop: the message has been delivered to bob@yizhan.test before")
    assert data(station, [BOB, "bob+x@yizhan.test"], LOOPED % "BOB@Yizhan.Test")[0] == 554
    assert data(station, ["mix@yizhan.test"], LOOPED % "mix@yizhan.test")[0] == 554
    assert station.mailbox(ALICE) == station.mailbox(BOB) == []
    # a part of them: those fail, with a report; the others have it
    code, _ = data(station, ["mix@yizhan.test"], LOOPED % BOB, sender=ALICE)
    assert code == 250
    found = station.wait_mailbox(ALICE, 2)
    wait_empty_queue(station)
    told = [Report(station.export(ALICE, row["uid"])) for row in found if row["subject"].startswith("Undelivered")]
    assert [(k, v["Action"], v["Status"]) for t in told for k, v in t.rcpts.items()] == [(BOB, "failed", "5.4.6")]
    # never to the null sender
    assert data(station, ["mix@yizhan.test"], LOOPED % BOB, sender="")[0] == 250
    station.wait_log("bounce.double")
    wait_empty_queue(station)
    assert len(station.mailbox(ALICE)) == 3 and station.mailbox(BOB) == []
    station.cli("check")


def test_two_that_forward_to_each_other(station):
    """On one station: each has its copy; when nobody keeps one, the sender is told at RCPT."""
    station.cli("account", "forward", ALICE, BOB)
    station.cli("account", "forward", BOB, ALICE)
    send(station, [ALICE])
    assert len(station.wait_mailbox(BOB, 1)) == len(station.wait_mailbox(ALICE, 1)) == 1
    station.cli("account", "forward", ALICE, BOB, "--only")
    station.cli("account", "forward", BOB, ALICE, "--only")
    assert rcpt(station, ALICE) == (550, "5.4.6 The alias leads back to itself")
    station.cli("alias", "add", "r1@yizhan.test", "r2@yizhan.test")
    station.cli("alias", "add", "r2@yizhan.test", "r1@yizhan.test")
    assert rcpt(station, "r1@yizhan.test") == (550, "5.4.6 The alias leads back to itself")


def test_two_stations_that_forward_to_each_other(make_station):
    here, there = make_station(), make_station()
    there.cli("domain", "add", "there.example")
    there.cli("account", "add", "zoe@there.example", "--no-password")
    there.cli("domain", "remove", "yizhan.test", check=False)  # it has accounts: it stays
    here.cli("domain", "add", "here.example")
    here.cli("account", "add", "ann@here.example", "--no-password")
    here.cli("route", "add", "there.example", "127.0.0.1:%d" % there.ports["smtp"])
    there.cli("route", "add", "here.example", "127.0.0.1:%d" % here.ports["smtp"])
    here.cli("account", "add", "writer@here.example", "--no-password")
    here.cli("account", "forward", "ann@here.example", "zoe@there.example", "--only")
    there.cli("account", "forward", "zoe@there.example", "ann@here.example", "--only")
    send(here, ["ann@here.example"], sender="writer@here.example")
    row = here.wait_mailbox("writer@here.example", 1)[0]
    for station in (here, there):
        wait_empty_queue(station)
    told = Report(here.export("writer@here.example", row["uid"]))
    assert [v["Status"] for v in told.rcpts.values()] == ["5.4.6"]
    assert "Mail loop" in str(told.rcpts)
    assert len(here.mailbox("writer@here.example")) == 1
    assert here.mailbox("ann@here.example") == there.mailbox("zoe@there.example") == []


def test_a_relay_domain_asks_its_next_hop(station, sink):
    to_sink(station, sink, "ask.example", "take.example")
    station.cli("domain", "add", "ask.example", "--check", "ask")
    station.cli("domain", "add", "take.example", "--check", "ask-or-take")
    sink.on("rcpt", "550 5.1.1 nobody", rcpt="ghost@ask.example")
    sink.on("rcpt", "450 4.2.1 later", rcpt="grey@ask.example")
    sink.on("rcpt", "450 4.2.1 later", rcpt="grey@take.example")
    with smtplib.SMTP(*station.smtp, timeout=40) as client:
        client.ehlo()
        client.mail(XAVIER)
        for _ in range(2):
            said = client.rcpt("good@ask.example")
            assert said[0] == 250, (said, station.log())
            assert client.rcpt("ghost@ask.example") == (550, b"5.1.1 No such mailbox here")
            assert client.rcpt("grey@ask.example") == (
                451, b"4.1.1 The recipient cannot be verified now, try again later")
            assert client.rcpt("grey@take.example")[0] == 250
    asked = [line for s in sink.sessions for line in s.lines if line.startswith("RCPT")]
    assert sorted(asked) == ["RCPT TO:<%s>" % a for a in (
        "ghost@ask.example", "good@ask.example", "grey@ask.example", "grey@take.example")]
    assert all("MAIL FROM:<>" in s.lines and not any(x.startswith(("DATA", "BDAT")) for x in s.lines)
               for s in sink.sessions)
    send(station, ["good@ask.example"])
    assert sink.wait(1)[0].rcpts == ["good@ask.example"]
    # a next hop that does not answer has not said no
    station.cli("route", "set", "ask.example", "127.0.0.1:1")
    assert rcpt(station, "new@ask.example")[0] == 451


def test_senders_have_routes(make_station, sink):
    station = make_station(conf=RELAY)
    to_sink(station, sink, "*", "claimed.example")
    with PySink() as theirs:
        port = "127.0.0.1:%d" % theirs.address[1]
        station.cli("route", "add", "--sender", "@yizhan.test", port)
        send(station, ["x@far.example"], sender=ALICE)
        assert theirs.wait(1)[0].rcpts == ["x@far.example"]
        send(station, ["x@far.example"])
        send(station, ["x@claimed.example"], sender=ALICE)
        assert {x.rcpts[0] for x in sink.wait(2)} == {"x@far.example", "x@claimed.example"}
        station.cli("route", "remove", "--sender", "@yizhan.test")
        send(station, ["x@far.example"], sender=ALICE)
        sink.wait(3)
        assert len(theirs.messages) == 1


def test_route_test_tells_each_decision(station):
    station.cli("alias", "add", "team@yizhan.test", "alice+x@yizhan.test", "far@far.example")
    station.cli("route", "add", ".example", "hub.test:25")
    station.cli("route", "add", "--sender", XAVIER, "other.test:587")
    told = station.cli_json("route", "test", "team@yizhan.test", "--from", XAVIER, "--json")
    assert told["taken_from_strangers"] and told["taken_from_trusted"]
    assert [(s["kind"], s["row"]) for s in told["steps"] if s["row"]] == [
        ("alias", "team@yizhan.test"), ("account", ALICE), ("route", ".example")]
    near, far = told["targets"]
    assert (near["kind"], near["address"]) == ("local", ALICE)
    assert (far["destination"], far["via"]) == ("[hub.test]:25", "team@yizhan.test")
    assert far["sender"].startswith("SRS0=") and far["sender"].endswith("@yizhan.test")
    told = station.cli_json("route", "test", "x@far.test", "--from", XAVIER, "--json")
    assert not told["taken_from_strangers"] and told["taken_from_trusted"]
    assert told["targets"][0]["destination"] == "[other.test]:587"
    told = station.cli_json("route", "test", "nobody@yizhan.test", "--json")
    assert told["verdict"] == "No such mailbox here" and told["targets"] == [] and not told["taken_from_trusted"]
    text = station.cli("route", "test", "x@far.test").stdout.decode()
    assert "mx           the MX of far.test" in text
    assert "from strangers (port 25): refused, from who may send: taken" in text


def test_addresses_of_all_scripts(station, sink):
    station.cli("domain", "add", "例子.test")
    station.cli("account", "add", "用户@例子.test", "--no-password")
    station.cli("alias", "add", "jos\u00e9@例子.test", "用户@xn--fsqu00a.test")
    assert station.cli_json("domain", "list", "--json")[0]["unicode"] == "例子.test"
    listed = [a for a in station.cli_json("account", "list", "--json") if a["unicode"]]
    assert [a["unicode"] for a in listed] == ["用户@例子.test"]
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo()
        for address in ("用户@例子.test", "用户@XN--FSQU00A.test", "jose\u0301@例子.test"):
            assert client.docmd("MAIL FROM:<%s> SMTPUTF8" % XAVIER)[0] == 250
            client.send(("RCPT TO:<%s>\r\n" % address).encode())
            assert client.getreply()[0] == 250
            assert client.data(BODY)[0] == 250
        # an ASCII address at the same domain needs no SMTPUTF8
        client.mail(XAVIER)
        assert client.rcpt("nobody@xn--fsqu00a.test")[0] == 550
    assert len(station.wait_mailbox("用户@例子.test", 3)) == 3


def test_an_a_label_goes_where_smtputf8_does_not(station):
    """Only where the local part is ASCII (RFC 6531 section 3.2); else the sender is told."""
    with PySink(caps=["PIPELINING", "8BITMIME"]) as plain:
        to_sink(station, plain, "bücher.example", "sender.example")
        station.cli("alias", "add", "books@yizhan.test", "read@bücher.example")
        station.cli("alias", "add", "reader@yizhan.test", "josé@bücher.example")
        send(station, ["books@yizhan.test"])
        assert plain.wait(1)[0].rcpts == ["read@xn--bcher-kva.example"]
        send(station, ["reader@yizhan.test"])
        report = plain.wait(2)[1]
        assert (report.sender, report.rcpts) == ("", [XAVIER])
        assert b"5.6.7" in report.data and b"SMTPUTF8" in report.data
        wait_empty_queue(station)
