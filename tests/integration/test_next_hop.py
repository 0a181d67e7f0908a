"""Mail goes on: what is taken for a relay domain reaches the next hop, and every recipient's fate is told."""

import os
import smtplib
import ssl
import subprocess
import sys
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import Drop, PySink, Stall  # noqa: E402

BODY = "From: alice@yizhan.test\r\nSubject: on its way\r\n\r\nHello.\r\n.a dot\r\n..two\r\n"
ALICE = "alice@yizhan.test"


@pytest.fixture
def sink():
    with PySink() as s:
        yield s


def relay(station, sink, domain="next.test", *more):
    """Mail for the domain is taken by anybody and goes to the sink."""
    station.cli("domain", "add", domain, "--relay")
    station.cli("route", "add", domain, "127.0.0.1:%d" % sink.address[1], *more)


def send(station, rcpts, body=BODY, sender=ALICE, **options):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        assert client.sendmail(sender, rcpts, body, **options) == {}


def queue(station, *more):
    rows = station.cli_json("queue", "list", *more, "--json")
    return rows if isinstance(rows, list) else [rows]


def wait_queue(station, fits, seconds=20):
    """Until the queue's rows please; returns them."""
    end = time.monotonic() + seconds
    while True:
        rows = queue(station)
        if fits(rows):
            return rows
        assert time.monotonic() < end, "%s\n%s" % (rows, station.log())
        time.sleep(0.05)


def is_empty(rows):
    return not rows


def waits_with(reason):
    return lambda rows: rows and all(r["state"] == "waiting" and r["last"] and reason in r["last"]["text"] for r in rows)


def wait_command(sink, word, seconds=20):
    """Until the sink has been told this command."""
    end = time.monotonic() + seconds
    while not any(line.startswith(word) for s in list(sink.sessions) for line in list(s.lines)):
        assert time.monotonic() < end, [s.lines for s in sink.sessions]
        time.sleep(0.05)


def attempts(station, count, seconds=10):
    """The log's events of delivery attempts: so many, no more. The log is written a moment later."""
    end = time.monotonic() + seconds
    while True:
        found = [line for line in station.log(last=1 << 24).splitlines() if "queue.attempt" in line]
        if len(found) >= count or time.monotonic() > end:
            assert len(found) == count, "\n".join(found)
            return found
        time.sleep(0.05)


def test_a_letter_reaches_the_next_hop_octet_for_octet(station, sink):
    relay(station, sink)
    send(station, ["r@next.test"])
    letter = sink.wait(1)[0]
    assert letter.sender == ALICE and letter.rcpts == ["r@next.test"]
    assert letter.data.endswith(BODY.encode())
    head = letter.data[:-len(BODY)].decode()
    assert head.startswith("Received: from ") and head.count("Received:") == 1
    assert "for <r@next.test>" in head
    wait_queue(station, is_empty)
    assert "result=delivered" in attempts(station, 1)[0]


def test_without_chunking_or_pipelining(station):
    for caps in (["PIPELINING", "SIZE 52428800"], []):
        domain = "d%d.test" % len(caps)
        with PySink(caps=caps) as sink:
            relay(station, sink, domain)
            send(station, ["r@" + domain])
            letter = sink.wait(1)[0]
            assert letter.data.endswith(BODY.encode())
            assert b"\n." in letter.wire and b"\r\n...two" in letter.wire
            wait_queue(station, is_empty)


def test_recipients_of_one_destination_share_a_transaction(station, sink):
    relay(station, sink)
    send(station, ["r%d@next.test" % i for i in range(30)])
    letter = sink.wait(1)[0]
    assert len(letter.rcpts) == 30
    wait_queue(station, is_empty)
    assert len(sink.letters) == 1
    attempts(station, 30)


def test_each_recipient_has_its_own_fate(station, sink):
    relay(station, sink)
    sink.on("rcpt", "550 5.1.1 nobody of that name", rcpt="ghost@next.test")
    sink.on("rcpt", "451 4.7.1 greylisted, come back", rcpt="grey@next.test")
    send(station, ["a@next.test", "ghost@next.test", "grey@next.test", "bob@yizhan.test"])
    assert sink.wait(1)[0].rcpts == ["a@next.test"]
    rows = wait_queue(station, lambda r: len(r) == 1 and r[0]["state"] == "waiting")
    assert rows[0]["recipient"] == "grey@next.test"
    assert rows[0]["attempts"] == 1
    assert rows[0]["last"]["code"] == 451 and rows[0]["last"]["enhanced"] == "4.7.1"
    assert "greylisted" in rows[0]["last"]["text"]
    assert station.mailbox("bob@yizhan.test")
    bounce = station.wait_mailbox(ALICE, 1)
    assert len(bounce) == 1
    text = station.export(ALICE, bounce[0]["uid"]).decode()
    assert text.startswith("Return-Path: <>\r\n")
    assert "ghost@next.test" in text and "grey@next.test" not in text.split("Subject: on its way")[0]
    assert "Action: failed" in text and "Status: 5.1.1" in text
    assert "Diagnostic-Code: smtp; 550 5.1.1 nobody of that name" in text
    assert "Content-Type: message/rfc822" in text and "Hello.\r\n.a dot\r\n..two\r\n" in text


def test_greylisted_mail_goes_out_at_a_retry(station, sink):
    relay(station, sink)
    sink.on("rcpt", ["451 4.7.1 come back later", "250 2.1.5 fine"], rcpt="grey@next.test")
    send(station, ["grey@next.test"])
    row = wait_queue(station, waits_with("come back later"))[0]
    station.cli("queue", "retry", row["id"])
    assert sink.wait(1)[0].rcpts == ["grey@next.test"]
    wait_queue(station, is_empty)


def test_a_null_sender_gets_no_report(station, sink):
    relay(station, sink)
    sink.on("rcpt", "550 5.1.1 nobody")
    send(station, ["ghost@next.test"], sender="")
    wait_queue(station, is_empty)
    station.wait_log("bounce.double")
    assert station.mailbox(ALICE) == []


def test_notify_is_obeyed(station):
    with PySink(caps=["PIPELINING"]) as sink:
        relay(station, sink)
        sink.on("rcpt", "550 5.1.1 nobody", rcpt="ghost@next.test")
        with smtplib.SMTP(*station.smtp, timeout=20) as client:
            client.ehlo()
            client.mail(ALICE, ["ENVID=QQ77"])
            assert client.rcpt("ghost@next.test", ["NOTIFY=NEVER"])[0] == 250
            assert client.rcpt("good@next.test", ["NOTIFY=SUCCESS", "ORCPT=rfc822;first@next.test"])[0] == 250
            assert client.data(BODY)[0] == 250
        found = station.wait_mailbox(ALICE, 1)
        wait_queue(station, is_empty)
        assert len(found) == 1
        text = station.export(ALICE, found[0]["uid"]).decode()
        assert "Action: relayed" in text and "Original-Envelope-Id: QQ77" in text
        assert "Original-Recipient: rfc822; first@next.test" in text
        assert "ghost" not in text


def test_dsn_is_passed_on_to_a_hop_that_knows_it(station, sink):
    relay(station, sink)
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo()
        client.mail(ALICE, ["RET=HDRS", "ENVID=QQ78"])
        assert client.rcpt("good@next.test", ["NOTIFY=SUCCESS,FAILURE"])[0] == 250
        assert client.data(BODY)[0] == 250
    letter = sink.wait(1)[0]
    assert "RET=HDRS" in letter.sender_params and "ENVID=QQ78" in letter.sender_params
    assert "NOTIFY=SUCCESS,FAILURE" in letter.rcpt_params["good@next.test"]
    wait_queue(station, is_empty)
    assert station.mailbox(ALICE) == []


def test_a_drop_after_the_dot_is_tried_again(station):
    with PySink(caps=["PIPELINING"]) as sink:
        relay(station, sink)
        sink.on("dot", [Drop(), "250 2.0.0 taken"])
        send(station, ["r@next.test"])
        row = wait_queue(station, waits_with("may have arrived"))[0]
        station.cli("queue", "retry", row["id"])
        wait_queue(station, is_empty)
        assert len([x for x in sink.letters if x.is_taken]) == 1
        assert station.mailbox(ALICE) == []


def test_a_hop_that_is_down_is_tried_once_for_all(station):
    with PySink() as sink:
        port = sink.address[1]
    station.cli("domain", "add", "next.test", "--relay")
    station.cli("route", "add", "next.test", "127.0.0.1:%d" % port)
    for _ in range(5):
        send(station, ["r@next.test"])
    rows = wait_queue(station, lambda r: len(r) == 5 and waits_with("refused")(r))
    down = [x for x in station.log(1 << 24).splitlines() if "queue.site.down" in x]
    assert 1 <= len(down) <= 2  # each thread finds out for itself
    assert sum(r["attempts"] for r in rows) == len(down)


def test_a_restart_keeps_the_queue(station, sink):
    relay(station, sink)
    sink.on("mail", "421 4.3.2 closing")
    for i in range(3):
        send(station, ["r%d@next.test" % i])
    wait_queue(station, lambda r: len(r) == 3 and all(x["state"] == "waiting" for x in r))
    sink.clear()
    station.restart()
    assert len(queue(station)) == 3
    station.cli("queue", "retry", "--all")
    sink.wait(3)
    wait_queue(station, is_empty)


def test_a_crash_while_the_hop_is_slow_loses_nothing(station, sink):
    relay(station, sink)
    sink.on("mail", Stall(30))
    for i in range(5):
        send(station, ["r%d@next.test" % i])
    wait_command(sink, "MAIL")
    station.kill9()
    sink.clear()
    station.start()
    sink.wait(5)
    wait_queue(station, is_empty)
    assert sorted({r for x in sink.letters for r in x.rcpts}) == ["r%d@next.test" % i for i in range(5)]


def test_stopping_lets_the_letter_under_way_arrive(station, sink):
    relay(station, sink)
    sink.on("bdat", Stall(2, "250 2.0.0 taken"))
    send(station, ["r@next.test"])
    wait_command(sink, "BDAT")
    station.restart()
    assert queue(station) == []
    assert len(sink.letters) == 1


def test_hold_release_and_drop(station, sink):
    relay(station, sink)
    sink.on("rcpt", "450 4.2.1 not now")
    send(station, ["a@next.test"])
    send(station, ["b@next.test"])
    rows = wait_queue(station, lambda r: len(r) == 2 and waits_with("not now")(r))
    ids = {r["recipient"]: r["id"] for r in rows}
    station.cli("queue", "hold", ids["a@next.test"])
    station.cli("queue", "drop", ids["b@next.test"])
    rows = queue(station)
    assert [(r["recipient"], r["state"]) for r in rows] == [("a@next.test", "held")]
    sink.clear()
    time.sleep(1.5)
    assert sink.letters == []
    station.cli("queue", "release", ids["a@next.test"])
    assert sink.wait(1)[0].rcpts == ["a@next.test"]
    wait_queue(station, is_empty)
    assert station.mailbox(ALICE) == []


def test_a_drop_reaches_what_waits_in_memory(station, sink):
    relay(station, sink)
    sink.on("mail", Stall(3, "250 2.1.0 fine"))
    for i in range(100):
        send(station, ["r%d@next.test" % i])
    station.cli("queue", "drop", "--all")
    wait_queue(station, is_empty)
    # those that were being sent may have arrived
    assert len(sink.letters) <= 4


def test_a_large_letter_goes_through(station, sink):
    relay(station, sink)
    body = "Subject: large\r\n\r\n" + "0123456789abcdef\r\n" * 200000
    send(station, ["r@next.test"], body)
    letter = sink.wait(1, seconds=60)[0]
    assert letter.data.endswith(body.encode())
    wait_queue(station, is_empty)


def test_lmtp_tells_each_recipients_fate(station):
    with PySink(lmtp=True, caps=["PIPELINING", "ENHANCEDSTATUSCODES"]) as sink:
        relay(station, sink, "next.test", "--lmtp")
        sink.on("dot", "552 5.2.2 mailbox full", rcpt="full@next.test")
        send(station, ["a@next.test", "full@next.test", "b@next.test"])
        sink.wait(1)
        bounce = station.wait_mailbox(ALICE, 1)
        text = station.export(ALICE, bounce[0]["uid"]).decode()
        assert "Status: 5.2.2" in text and "Final-Recipient: rfc822; full@next.test" in text
        assert "a@next.test" not in text.split("Subject: on its way")[0]
        wait_queue(station, is_empty)


def report_to_alice(station):
    found = station.wait_mailbox(ALICE, 1)
    wait_queue(station, is_empty)
    assert len(found) == 1
    return station.export(ALICE, found[0]["uid"])


EIGHT = "Subject: 8\r\n\r\nGrüße\r\n".encode()


def test_8bit_mail_is_declared_to_a_hop_that_takes_it(station, sink):
    relay(station, sink)
    send(station, ["r@next.test"], EIGHT, mail_options=["BODY=8BITMIME"])
    letter = sink.wait(1)[0]
    assert "BODY=8BITMIME" in letter.sender_params and letter.data.endswith(EIGHT)


def test_8bit_mail_comes_back_from_a_hop_that_does_not(station):
    with PySink(caps=["PIPELINING"]) as sink:
        relay(station, sink)
        send(station, ["r@next.test"], EIGHT, mail_options=["BODY=8BITMIME"])
        report = report_to_alice(station)
        assert b"Status: 5.6.3" in report and EIGHT in report
        assert b"Content-Transfer-Encoding: 8bit" in report
        assert sink.letters == []


def test_seven_bit_content_goes_to_any_hop_whatever_was_declared(station):
    with PySink(caps=["PIPELINING"]) as sink:
        relay(station, sink)
        send(station, ["r@next.test"], BODY, mail_options=["BODY=8BITMIME"])
        assert sink.wait(1)[0].data.endswith(BODY.encode())


def test_smtputf8_goes_on_and_comes_back(station, sink):
    relay(station, sink)
    send(station, ["jürgen@next.test"], EIGHT, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    letter = sink.wait(1)[0]
    assert "SMTPUTF8" in letter.sender_params
    assert letter.rcpts[0].encode("latin-1").decode() == "jürgen@next.test"
    with PySink(caps=["PIPELINING", "8BITMIME"]) as old:
        relay(station, old, "old.test")
        send(station, ["jürgen@old.test"], EIGHT, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        report = report_to_alice(station)
        assert b"Status: 5.6.7" in report and b"Content-Type: message/global\r\n" in report
        assert old.letters == []


def send_binary(station, rcpt, octets):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo()
        assert client.mail(ALICE, ["BODY=BINARYMIME"])[0] == 250
        assert client.rcpt(rcpt)[0] == 250
        client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
        assert client.getreply()[0] == 250


def test_binary_mail_goes_on_untouched_or_comes_back(station):
    octets = b"Subject: b\r\n\r\n" + bytes(range(256)) + b"\r\n.\r\n\n.\n\r.\r bare"
    with PySink(caps=["PIPELINING", "CHUNKING", "BINARYMIME", "8BITMIME"]) as sink:
        relay(station, sink)
        send_binary(station, "r@next.test", octets)
        letter = sink.wait(1)[0]
        assert "BODY=BINARYMIME" in letter.sender_params and letter.data.endswith(octets)
    with PySink(caps=["PIPELINING", "8BITMIME"]) as sink:
        relay(station, sink, "old.test")
        send_binary(station, "r@old.test", octets)
        report = report_to_alice(station)
        assert b"Status: 5.6.3" in report and b"Subject: b" in report
        assert b"bare" not in report  # what is not made of lines does not go back in a text
        assert sink.letters == []


def test_binary_mail_to_a_mailbox_is_stored_as_it_came(station):
    octets = b"Subject: b\r\n\r\n" + bytes(range(256)) + b"\r\n.\r\n\n.\n\r.\r bare"
    send_binary(station, "bob@yizhan.test", octets)
    found = station.wait_mailbox("bob@yizhan.test", 1)
    assert station.export("bob@yizhan.test", found[0]["uid"]).endswith(octets)


def test_a_size_that_the_hop_does_not_take_comes_back(station):
    with PySink(caps=["PIPELINING", "SIZE 1000"]) as sink:
        relay(station, sink)
        send(station, ["r@next.test"], "Subject: s\r\n\r\n" + "x" * 70 + "\r\n" * 800)
        assert b"Status: 5.3.4" in report_to_alice(station)
        assert sink.letters == []


def test_starttls_is_taken_when_offered_and_left_when_broken(station, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=sink.test"], check=True, capture_output=True)
    with PySink(tls=(cert, key)) as sink:
        relay(station, sink, "tls.test")
        send(station, ["r@tls.test"])
        letter = sink.wait(1)[0]
        assert letter.session.is_tls
        assert "tls=yes" in station.wait_log("queue.attempt")
    with PySink(tls=(cert, key)) as sink:
        relay(station, sink, "broken.test")
        sink.tls.maximum_version = ssl.TLSVersion.TLSv1_1  # which nobody speaks any more
        send(station, ["r@broken.test"])
        letter = sink.wait(1)[0]
        assert not letter.session.is_tls
        assert len(sink.sessions) == 2


def test_a_thousand_letters_arrive_once_each(station):
    sink = subprocess.Popen([station.program, "bench", "sink", "--listen", "127.0.0.1:0", "--json", "--count", "1000",
                             "--max-seconds", "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    port = int(sink.stderr.readline().split()[-1])
    station.cli("domain", "add", "next.test", "--relay")
    station.cli("route", "add", "next.test", "127.0.0.1:%d" % port)
    subprocess.run([station.program, "bench", "source", "--to", "%s:%d" % station.smtp, "--sessions", "20",
                    "--messages", "1000", "--pipelining", "--rcpt", "r@next.test"], check=True, timeout=60)
    out, _ = sink.communicate(timeout=60)
    assert sink.returncode == 0 and '"messages":1000' in out
    wait_queue(station, is_empty)
