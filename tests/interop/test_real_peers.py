"""Yizhan among real mail servers: Postfix and Exim before us and behind us, and what comes back from them."""

import email
import email.utils
import os
import re
import smtplib
import time

import pytest

from letters import find_letter
from reports import Report, typed

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"
RELAY = """
demo = yes
relay_networks = { "127.0.0.0/8" }
listener smtp { address = { "127.0.0.1:2525" } }
listener lmtp { address = { "127.0.0.1:1100" } protocol = lmtp }
"""


@pytest.fixture
def us(make_station):
    return make_station(conf=RELAY)


def text(subject, *lines, sender=ALICE):
    return "\r\n".join(["From: <%s>" % sender, "To: <someone@far.test>", "Subject: " + subject,
                        "Date: Mon, 02 Mar 2026 10:00:00 +0000", "Message-ID: <%s@yizhan.test>" % subject.replace(" ", "."),
                        "", *(lines or ("Hello,", ".dot", "..", ".", "the end")), ""])


def send(address, rcpts, sent, sender=ALICE, **options):
    with smtplib.SMTP(*address, timeout=30) as client:
        return client.sendmail(sender, rcpts, sent, **options)


def route(us, domain, peer):
    us.cli("route", "add", domain, "%s:%d" % peer.address)


def wait_empty(us, seconds=30):
    end = time.monotonic() + seconds
    while us.cli_json("queue", "list", "--json"):
        assert time.monotonic() < end, us.cli("queue", "list").stdout.decode() + us.log()
        time.sleep(0.1)


def report_for(us, address=ALICE, count=1):
    """The newest report in a mailbox: its Report. Nobody else may be told."""
    us.wait_mailbox(address, count)
    rows = us.mailbox(address)
    assert len(rows) == count
    octets = us.export(address, rows[-1]["uid"])
    assert octets.startswith(b"Return-Path: <>\r\nDelivered-To: %s\r\n" % address.encode())
    return Report(octets)


def words(octets):
    """Content with its line ends as LF: what survives a Maildir."""
    octets = octets if isinstance(octets, bytes) else octets.encode()
    return octets.replace(b"\r\n", b"\n")


def received(msg):
    """Each Received field on one line, the newest first."""
    return [re.sub(r"\s+", " ", str(field)) for field in msg.get_all("Received")]


# -- into us --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, options", [("a connection each", {}), ("one for all", {"reuse": True})])
def test_smtp_source_delivers_every_message_once(peers, us, name, options):
    peers.smtp_source(us.smtp, sessions=5, messages=200, size=4096, rcpt=ALICE, **options)
    rows = us.mailbox(ALICE)
    assert len(rows) == 200
    raws = [us.export(ALICE, row["uid"]) for row in rows[:20]]
    assert {re.search(rb" id (\w+)", raw).group(1) for raw in raws}.__len__() == 20
    assert all(row["size"] > 4096 for row in rows)
    status = us.cli_json("status", "--json")
    assert (status["inbound"]["messages"], status["store"]["messages"]) == (200, 200)
    us.cli("check")


def test_smtp_source_to_several_recipients(peers, us):
    """-r: so many recipients a message; all but the last get a number in front."""
    names = ["3many@yizhan.test", "2many@yizhan.test", "many@yizhan.test"]
    for name in names:
        us.cli("account", "add", name, "--no-password")
    peers.smtp_source(us.smtp, sessions=2, messages=20, rcpt="many@yizhan.test", options=["-r", "3"])
    assert [len(us.mailbox(name)) for name in names] == [20, 20, 20]
    assert all(name.encode() not in us.export(names[0], 1) for name in names[1:2])


def test_smtp_source_speaks_lmtp(peers, us):
    peers.smtp_source(("127.0.0.1", us.ports["lmtp"]), sessions=2, messages=20, rcpt=ALICE, options=["-L"])
    assert len(us.mailbox(ALICE)) == 20
    assert b" with LMTP id " in us.export(ALICE, 1)


def test_postfix_relays_to_us(peers, us):
    with peers.Postfix("relay", next_hop=us.smtp) as mta:
        for i in range(20):
            send(mta.address, [ALICE, BOB], text("from postfix %d" % i), sender="me@source.test")
        us.wait_mailbox(ALICE, 20)
        us.wait_mailbox(BOB, 20)
        peers.wait_for("an empty queue", lambda: mta.queue_count() == 0, 10)
        log = mta.log(1 << 20)
    for i in (0, 19):
        letter = find_letter(us, ALICE, "from postfix %d" % i)
        assert (letter.return_path, letter.received.helo, letter.received.protocol) == (
            "me@source.test", "postfix.test", "ESMTP")
        # Postfix's own field, then the message as we know it
        assert letter.content.startswith(b"Received: from ") and letter.content.endswith(
            text("from postfix %d" % i).encode())
        assert len(received(email.message_from_bytes(letter.raw))) == 2
        # what Postfix was told is the letter's id
        assert "queued as " + letter.received.id in log
    assert len(us.mailbox(ALICE)) == len(us.mailbox(BOB)) == 20


def test_postfix_relays_to_us_with_tls(peers, us):
    settings = {"smtp_tls_security_level": "verify", "smtp_tls_CAfile": os.path.join(us.data, "certificate.pem"),
                "smtp_tls_verify_cert_match": "mx.yizhan.test", "smtp_tls_loglevel": "1"}
    with peers.Postfix("relay", next_hop=us.smtp, extra=settings) as mta:
        for i in range(3):
            send(mta.address, [ALICE], text("over tls %d" % i), sender="me@source.test")
        us.wait_mailbox(ALICE, 3)
        assert "Verified TLS connection established" in mta.log(1 << 20)
    for i in range(3):
        letter = find_letter(us, ALICE, "over tls %d" % i)
        assert (letter.received.protocol, letter.received.tls) == ("ESMTPS", "TLSv1.3")


def test_postfix_passes_8bit_utf8_and_dsn_to_us(peers, us):
    us.cli("account", "add", "驿站@yizhan.test", "--no-password")
    sent = text("八位", "你好", sender="发件人@例子.test")
    with peers.Postfix("relay", next_hop=us.smtp) as mta:
        with smtplib.SMTP(*mta.address, timeout=30) as client:
            client.ehlo()
            client.sendmail("发件人@例子.test", ["驿站@yizhan.test"], sent.encode(), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        us.wait_mailbox("驿站@yizhan.test", 1)
        # a report that we owe goes out as other mail does: back through this very Postfix's domain
        send(mta.address, [BOB], text("tell me"), mail_options=["ENVID=QQ+2B1"],
             rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;old+2Bbob@far.test"])
        report = report_for(us)
    letter = find_letter(us, "驿站@yizhan.test", "八位")
    # Postfix writes ORCPT=rfc822;+E9+A9+BF… for such a recipient
    assert letter.return_path == "发件人@例子.test" and letter.received.protocol == "UTF8SMTP"
    assert letter.content.endswith(sent.encode())
    assert report.fields["Original-Envelope-Id"] == "QQ+1"
    assert report.rcpts[BOB]["Action"] == "delivered"
    assert typed(report.rcpts[BOB]["Original-Recipient"]) == ("rfc822", "old+bob@far.test")


def test_postfix_reports_whom_we_refused(peers, us):
    """Our 550 is understood: Postfix's own report about it comes to alice, by way of us."""
    with peers.Postfix("relay", next_hop=us.smtp) as mta:
        send(mta.address, ["ghost@yizhan.test", BOB], text("half refused"))
        report = report_for(us)
        peers.wait_for("an empty queue", lambda: mta.queue_count() == 0, 10)
    assert len(us.mailbox(BOB)) == 1
    assert list(report.rcpts) == ["ghost@yizhan.test"]
    assert report.rcpts["ghost@yizhan.test"]["Status"] == "5.1.1"
    assert "550 5.1.1" in report.rcpts["ghost@yizhan.test"]["Diagnostic-Code"]


def test_exim_relays_to_us(peers, us):
    with peers.Exim("relay", next_hop=us.smtp) as exim:
        for i in range(5):
            send(exim.address, [ALICE, BOB], text("from exim %d" % i), sender="me@source.test")
        us.wait_mailbox(ALICE, 5)
        us.wait_mailbox(BOB, 5)
        log = exim.log(1 << 20)
    # Exim uses all that we offer
    assert "X=TLS1.3" in log and " K " in log and "250- " not in log
    letter = find_letter(us, ALICE, "from exim 0")
    assert letter.received.helo == "exim.test" and letter.content.endswith(text("from exim 0").encode())
    assert (letter.received.protocol, letter.received.tls) == ("ESMTPS", "TLSv1.3")


# -- we relay -------------------------------------------------------------------------------------------------

def hand_over(us, count, rcpts):
    """So many letters on one connection; their texts."""
    sent = [text("letter %d" % i, "number %d" % i, "." * (i % 4 + 1)) for i in range(count)]
    with smtplib.SMTP(*us.smtp, timeout=30) as client:
        for one in sent:
            assert client.sendmail(ALICE, rcpts, one) == {}
    return sent


def check_chain(stored, sent, last_hop):
    """The message as it was sent, below it our Received field, below that the next hop's: each once."""
    assert words(stored.raw).endswith(words(sent))
    chain = received(stored.msg)
    assert len(chain) == 2
    # Exim tells the name in a comment
    assert re.match(r"from (mx\.yizhan\.test |\[127\.0\.0\.1\] \(helo=mx\.yizhan\.test\) )", chain[0])
    assert " by %s " % last_hop in chain[0]
    assert re.match(r"from \S+ \(\[127\.0\.0\.1\]\) by mx\.yizhan\.test \(Yizhan\) with ESMTP id \w+ for <one@far\.test>; ", chain[1])
    assert stored.sender == ALICE


@pytest.mark.parametrize("tls", [False, True])
def test_we_relay_to_a_postfix_sink(peers, us, tls):
    with peers.Postfix("sink", domains=["far.test"], tls=tls) as far:
        route(us, "far.test", far)
        sent = hand_over(us, 30, ["one@far.test"])
        stored = far.wait(30)
        wait_empty(us)
        assert len(far.messages()) == 30
    by_subject = {m.msg["Subject"]: m for m in stored}
    for i, one in enumerate(sent):
        check_chain(by_subject["letter %d" % i], one, "postfix.test")
        assert ("with ESMTPS id" in received(by_subject["letter %d" % i].msg)[0]) == tls
    assert us.cli_json("status", "--json")["queue"]["delivered"] == 30
    assert us.mailbox(ALICE) == []


@pytest.mark.parametrize("tls", [False, True])
def test_we_relay_to_an_exim(peers, us, tls):
    with peers.Exim("maildir", tls=tls) as far:
        route(us, "far.test", far)
        sent = hand_over(us, 20, ["one@far.test"])
        stored = far.wait(20)
        wait_empty(us)
        assert len(far.messages()) == 20
    by_subject = {m.msg["Subject"]: m for m in stored}
    for i, one in enumerate(sent):
        check_chain(by_subject["letter %d" % i], one, "exim.test")
        assert ("with esmtps " in received(by_subject["letter %d" % i].msg)[0]) == tls


def test_we_relay_to_smtp_sink(peers, us):
    with peers.SmtpSink(keep=True) as far:
        route(us, "far.test", far)
        peers.smtp_source(us.smtp, sessions=5, messages=200, size=4096, rcpt="one@far.test", sender=ALICE)
        far.wait(200)
        wait_empty(us)
        time.sleep(0.2)
        assert far.count() == 200
        kept = far.messages()
    assert len(kept) == 200
    assert {m.msg["X-Rcpt-Args"].split()[0] for m in kept} == {"<one@far.test>"}
    assert all(m.msg["X-Mail-Args"].startswith("<%s>" % ALICE) for m in kept)
    # smtp-source says HELO
    assert all("by mx.yizhan.test (Yizhan) with SMTP id" in received(m.msg)[1] for m in kept)
    assert us.mailbox(ALICE) == []


def test_several_recipients_at_one_next_hop_are_one_transaction(peers, us):
    with peers.SmtpSink(keep=True) as far:
        route(us, "far.test", far)
        send(us.smtp, ["a@far.test", "b@far.test", BOB, "c@far.test"], text("for three"))
        far.wait(1)
        wait_empty(us)
        kept = far.messages()
    assert len(kept) == 1
    assert sorted(v.split()[0] for v in kept[0].msg.get_all("X-Rcpt-Args")) == ["<a@far.test>", "<b@far.test>", "<c@far.test>"]
    # several recipients: none of them is named
    assert " for " not in received(kept[0].msg)[1]
    assert len(us.mailbox(BOB)) == 1


def test_eight_bit_and_utf8_go_on_to_postfix(peers, us):
    sent = text("八位 ü", "你好", ".dot", sender="发件人@yizhan.test")
    with peers.Postfix("sink", domains=["far.test"]) as far:
        route(us, "far.test", far)
        with smtplib.SMTP(*us.smtp, timeout=30) as client:
            client.ehlo()
            client.sendmail("发件人@yizhan.test", ["收件人@far.test"], sent.encode(), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        stored = far.wait(1)[0]
        wait_empty(us)
    assert words(stored.raw).endswith(words(sent))
    raw = stored.raw.decode()
    assert "Return-Path: <发件人@yizhan.test>" in raw and "X-Original-To: 收件人@far.test" in raw
    assert "with UTF8SMTP id" in raw and "for <收件人@far.test>" in raw


def test_eight_bit_and_utf8_go_on_to_exim(peers, us):
    sent = text("八位", "你好")
    with peers.Exim("maildir") as far:
        route(us, "far.test", far)
        with smtplib.SMTP(*us.smtp, timeout=30) as client:
            client.ehlo()
            client.sendmail(ALICE, ["收件人@far.test"], sent.encode(), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        stored = far.wait(1)[0]
    assert words(stored.raw).endswith(words(sent))
    assert "for <收件人@far.test>" in stored.raw.decode() and "with utf8esmtp" in stored.raw.decode().lower()


def test_dsn_parameters_are_passed_on_and_the_far_server_reports(peers, us):
    """ENVID, NOTIFY, ORCPT reach Postfix, which tells alice of its delivery: through us, in her mailbox."""
    with peers.Postfix("sink", domains=["far.test"], extra={"relayhost": "[%s]:%d" % us.smtp}) as far:
        route(us, "far.test", far)
        send(us.smtp, ["one@far.test"], text("please tell"), mail_options=["RET=HDRS", "ENVID=ab+2Bcd"],
             rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first+2Bone@old.test"])
        far.wait(1)
        report = report_for(us)
    # Postfix's report, not ours: we passed the duty on
    assert typed(report.fields["Reporting-MTA"]) == ("dns", "postfix.test")
    assert report.fields["Original-Envelope-Id"] == "ab+cd"
    assert report.rcpts["one@far.test"]["Action"] == "delivered"
    assert typed(report.rcpts["one@far.test"]["Original-Recipient"]) == ("rfc822", "first+one@old.test")
    assert not report.is_full
    assert us.cli_json("status", "--json")["queue"]["reports"] == 0


def test_dsn_ends_at_a_server_without_it(peers, us):
    """Exim (as it stands) does not offer DSN: we tell that the message was relayed (RFC 3461 section 5.2.2)."""
    with peers.Exim("maildir", extra={"dsn_advertise_hosts": ""}) as far:
        route(us, "far.test", far)
        send(us.smtp, ["one@far.test"], text("please tell"), mail_options=["ENVID=x1"], rcpt_options=["NOTIFY=SUCCESS"])
        far.wait(1)
        report = report_for(us)
    assert typed(report.fields["Reporting-MTA"]) == ("dns", "mx.yizhan.test")
    assert report.rcpts["one@far.test"]["Action"] == "relayed"
    assert report.fields["Original-Envelope-Id"] == "x1" and not report.is_full


# -- what comes back ------------------------------------------------------------------------------------------

@pytest.fixture(params=["postfix", "exim"])
def refusing(request, peers):
    """A server that takes one@far.test and says 550 to ghost@far.test."""
    server = peers.Exim("maildir", refuse=["ghost"]) if request.param == "exim" else peers.Postfix(
        "maildir", accounts=["one@far.test"])
    with server:
        yield server


def test_one_of_two_recipients_is_refused(us, refusing):
    route(us, "far.test", refusing)
    sent = text("half of it", "a line", "x" * 400)
    send(us.smtp, ["one@far.test", "ghost@far.test"], sent, mail_options=["ENVID=the+3Did"])
    report = report_for(us)
    wait_empty(us)
    stored = refusing.wait(1, "one@far.test")[0] if refusing.name == "postfix" else refusing.wait(1)[0]
    assert words(stored.raw).endswith(words(sent))
    assert typed(report.fields["Reporting-MTA"]) == ("dns", "mx.yizhan.test")
    assert report.fields["Original-Envelope-Id"] == "the=id"
    age = time.time() - email.utils.parsedate_to_datetime(report.fields["Arrival-Date"]).timestamp()
    assert -2 < age < 60
    assert list(report.rcpts) == ["ghost@far.test"]
    ghost = report.rcpts["ghost@far.test"]
    assert (ghost["Action"], ghost["Status"]) == ("failed", "5.1.1")
    kind, said = typed(ghost["Diagnostic-Code"])
    assert kind == "smtp" and said.startswith("550 5.1.1 ")
    assert "127.0.0.1" in typed(ghost["Remote-MTA"])[1]
    assert -2 < time.time() - email.utils.parsedate_to_datetime(ghost["Last-Attempt-Date"]).timestamp() < 60
    # the original: whole, with the header that alice wrote and the line that we put above it
    assert report.is_full and report.original["Subject"] == "half of it"
    assert report.original["Message-ID"] == "<half.of.it@yizhan.test>"
    assert words(report.original.get_payload(decode=True)) == words(sent.split("\r\n\r\n", 1)[1])
    assert len(report.original.get_all("Received")) == 1
    # what a person reads
    assert report.msg["To"] == ALICE and "MAILER-DAEMON@mx.yizhan.test" in report.msg["From"].upper().replace(
        "MX.YIZHAN.TEST", "mx.yizhan.test")
    assert "ghost@far.test" in report.text and "one@far.test" not in report.text
    assert " ".join(said.split()) in " ".join(report.text.split())
    us.cli("check")


def test_both_refused_is_one_report(us, refusing):
    route(us, "far.test", refusing)
    rcpts = ["ghost@far.test", "ghost@far.test".upper().replace("FAR.TEST", "far.test")]
    send(us.smtp, rcpts, text("none of it"), mail_options=["RET=HDRS"])
    report = report_for(us)
    wait_empty(us)
    assert set(report.rcpts) <= set(rcpts) and report.rcpts
    assert not report.is_full and report.original["Subject"] == "none of it"
    assert report_for(us).msg["Message-ID"] == report.msg["Message-ID"]


def test_a_report_goes_to_a_sender_elsewhere(peers, us, refusing):
    """Refused there, reported to a third server: relayed with a null sender, and never reported about again."""
    with peers.Postfix("sink", domains=["home.test"]) as home:
        route(us, "far.test", refusing)
        route(us, "home.test", home)
        send(us.smtp, ["ghost@far.test"], text("to a stranger", sender="me@home.test"), sender="me@home.test")
        stored = home.wait(1)[0]
        wait_empty(us)
    assert (stored.sender, stored.rcpt) == ("", "me@home.test")
    assert Report(stored.raw).rcpts["ghost@far.test"]["Action"] == "failed"


def test_nobody_is_told_when_the_sender_is_null_or_said_never(us, refusing):
    route(us, "far.test", refusing)
    send(us.smtp, ["ghost@far.test"], text("null"), sender="")
    send(us.smtp, ["ghost@far.test"], text("never"), rcpt_options=["NOTIFY=NEVER"])
    wait_empty(us)
    assert us.mailbox(ALICE) == [] and us.mailbox(BOB) == []
    assert us.cli_json("status", "--json")["queue"]["failed"] == 2


def test_far_server_is_down_and_comes_back(peers, us):
    with peers.Postfix("sink", domains=["far.test"]) as far:
        route(us, "far.test", far)
        far.stop()
        sent = hand_over(us, 5, ["one@far.test"])
        end = time.monotonic() + 20
        # all know why they wait, though not each needed an attempt of its own for that
        while not all(row["last"] for row in us.cli_json("queue", "list", "--json")):
            assert time.monotonic() < end
            time.sleep(0.1)
        waiting = us.cli_json("queue", "list", "--json")
        assert len(waiting) == 5 and any(row["attempts"] for row in waiting)
        assert all("refused" in row["last"]["text"] for row in waiting)
        far.start()
        us.cli("queue", "retry", "--all")
        stored = far.wait(5)
        wait_empty(us)
        assert len(far.messages()) == 5
    by_subject = {m.msg["Subject"]: m for m in stored}
    for i, one in enumerate(sent):
        check_chain(by_subject["letter %d" % i], one, "postfix.test")
    assert us.mailbox(ALICE) == []


def test_through_postfix_to_us_to_exim(peers, us):
    """Three stations in a row, each with its line."""
    with peers.Exim("maildir") as last:
        route(us, "far.test", last)
        with peers.Postfix("relay", next_hop=us.smtp) as first:
            send(first.address, ["one@far.test"], text("a long way"), sender="me@source.test")
            stored = last.wait(1)[0]
    chain = received(stored.msg)
    assert [re.search(r" by (\S+)", field).group(1) for field in chain] == ["exim.test", "mx.yizhan.test", "postfix.test"]
    # each says of whom it had the message what that one calls itself
    assert chain[0].startswith("from ") and "mx.yizhan.test" in chain[0] and chain[1].startswith("from postfix.test ")
    assert words(stored.raw).endswith(words(text("a long way")))
