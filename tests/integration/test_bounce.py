"""Reports to senders: who gets one, who never does, and what it says in which language."""

import os
import re
import smtplib
import sys
import time
import unicodedata

import pytest
from reports import Report, typed

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink, Raw, multi  # noqa: E402

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"
DOMAIN = "next.test"
GMAIL = ("550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n"
         "550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.\r\n"
         "550 5.7.26 https://support.google.com/mail/answer/81126#authentication\r\n").encode()
HOPS = ("Received: from author.example (author.example [192.0.2.9])\r\n\tby relay.example with ESMTP id 2;\r\n"
        "\tMon, 23 Nov 2026 06:32:00 +0000\r\n"
        "Received: from [192.0.2.8] by author.example with ESMTPA id 1;\r\n\tMon, 23 Nov 2026 06:31:00 +0000\r\n")


def demo(*settings):
    return "demo = yes\nqueue {\n%s\n}\n" % "\n".join(settings)


def relay(station, sink, domain=DOMAIN):
    station.cli("domain", "add", domain, "--relay")
    station.cli("route", "add", domain, "127.0.0.1:%d" % sink.address[1])


def letter(subject, *header, body="Hello.\r\n"):
    return "".join(line + "\r\n" for line in ("From: alice <%s>" % ALICE, "Subject: " + subject) + header) + "\r\n" + body


def send(station, rcpts, octets, sender=ALICE, **options):
    with smtplib.SMTP(*station.smtp, timeout=30) as client:
        assert client.sendmail(sender, rcpts, octets.encode(), **options) == {}


def rows(station):
    found = station.cli_json("queue", "list", "--json")
    return found if isinstance(found, list) else [found]


def wait_rows(station, fits, seconds=20):
    end = time.monotonic() + seconds
    while not fits(rows(station)):
        assert time.monotonic() < end, "%s\n%s" % (rows(station), station.log())
        time.sleep(0.05)


def all_reports(station, address=ALICE):
    found = [station.export(address, row["uid"]) for row in station.mailbox(address)]
    return [Report(octets) for octets in found if b"multipart/report" in octets]


def wait_reports(station, count, address=ALICE, seconds=20):
    end = time.monotonic() + seconds
    while len(all_reports(station, address)) < count:
        assert time.monotonic() < end, station.log()
        time.sleep(0.05)
    found = all_reports(station, address)
    assert len(found) == count
    return found


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def assert_narrow(text):
    for line in text.splitlines():
        assert columns(line) <= 72 or " " not in line.strip(), line


# -- never backscatter ----------------------------------------------------------------------------------------

def test_what_is_refused_at_rcpt_is_reported_by_nobody(station):
    station.cli("account", "add", "carol@yizhan.test", "--no-password")
    station.cli("account", "set", "carol@yizhan.test", "--suspend")
    station.cli("alias", "add", "ring@yizhan.test", "rang@yizhan.test")
    station.cli("alias", "add", "rang@yizhan.test", "rung@yizhan.test", check=False)
    station.cli("alias", "add", "rung@yizhan.test", "ring@yizhan.test", check=False)
    matrix = [("nobody@yizhan.test", "5.1.1"), ("alice@elsewhere.example", "5.7.1"), ("x@[192.0.2.1]", "5.7.1"),
              ("carol@yizhan.test", "5.2.1"), ("ring@yizhan.test", "5.")]
    for sender in (ALICE, BOB, "someone@victim.example", ""):
        for rcpt, enhanced in matrix:
            with smtplib.SMTP(*station.smtp, timeout=20) as client:
                client.ehlo("spammer.example")
                assert client.mail(sender)[0] == 250
                code, text = client.rcpt(rcpt)
                assert code == 550 and text.decode().startswith(enhanced), (rcpt, code, text)
                # nothing is left to be sent, so nothing can come back
                assert client.docmd("DATA")[0] in (503, 554)
    # nor with one good recipient among them
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        refused = client.sendmail("someone@victim.example", [BOB] + [rcpt for rcpt, _ in matrix], letter("one good"))
        assert set(refused) == {rcpt for rcpt, _ in matrix}
    station.wait_mailbox(BOB, 1)
    time.sleep(0.3)
    assert rows(station) == []
    assert [row["subject"] for row in station.mailbox(BOB)] == ["one good"]
    assert station.mailbox(ALICE) == [] and station.mailbox("carol@yizhan.test") == []
    assert "bounce." not in station.log(last=1 << 24)


def test_a_report_of_a_report_goes_to_double_bounces_alone(make_station):
    with PySink() as there, PySink() as home:
        station = make_station(conf=demo('double_bounces = "%s"' % BOB))
        relay(station, there)
        relay(station, home, "home.test")
        there.on("rcpt", "550 5.1.1 nobody")
        home.on("rcpt", "550 5.2.1 asleep")
        send(station, ["ghost@" + DOMAIN], letter("from abroad"), sender="me@home.test")
        outer, = wait_reports(station, 1, BOB)
        # what came back is the report that me@home.test did not get
        assert list(outer.rcpts) == ["me@home.test"]
        assert outer.original["Subject"] == "Undelivered Mail Returned to Sender"
        for sender in ("", "MAILER-DAEMON@home.test"):
            send(station, ["ghost@" + DOMAIN], letter("from nobody"), sender=sender)
        wait_reports(station, 3, BOB)
        wait_rows(station, lambda r: r == [])
        assert station.mailbox(ALICE) == []
        assert not any("MAIL FROM:<me@" in line for s in home.sessions for line in s.lines)


@pytest.mark.parametrize("double_bounces", ["ghost@" + DOMAIN, "postmaster@yizhan.test"])
def test_double_bounces_that_fail_go_nowhere(make_station, double_bounces):
    with PySink() as there:
        station = make_station(conf=demo('double_bounces = "%s"' % double_bounces))
        relay(station, there)
        station.cli("alias", "add", "postmaster@yizhan.test", "ghost@" + DOMAIN)
        there.on("rcpt", "550 5.1.1 nobody")
        send(station, ["first@" + DOMAIN], letter("null"), sender="")
        station.wait_log("bounce.double")
        wait_rows(station, lambda r: r == [])
        # one letter, one report about it to ghost, and there it ends
        assert sum(line.startswith("RCPT") for s in there.sessions for line in s.lines) == 2
        assert station.log(last=1 << 24).count("bounce.double") == 1


def test_a_list_and_its_bounce_address_make_no_loop(make_station):
    with PySink() as there:
        station = make_station(conf=demo('double_bounces = "%s"' % BOB))
        relay(station, there)
        there.on("rcpt", "550 5.1.1 nobody")
        send(station, ["other-bounces@" + DOMAIN], letter("round"), sender="list-bounces@" + DOMAIN)
        report, = wait_reports(station, 1, BOB)
        assert list(report.rcpts) == ["other-bounces@" + DOMAIN]
        wait_rows(station, lambda r: r == [])
        assert sum(line.startswith("RCPT") for s in there.sessions for line in s.lines) == 1


# -- what it says ---------------------------------------------------------------------------------------------

EN = {"failed": "could not be delivered", "delayed": "YOU DO NOT NEED TO RESEND YOUR MESSAGE.",
      "relayed": "handed on to the mail system", "delivered": "successfully delivered"}
ZH = {"failed": "未能送达", "delayed": "您无需重新发送", "relayed": "已转交给", "delivered": "已成功送达"}
SUBJECTS = {"failed": "Undelivered Mail Returned to Sender", "delayed": "Delayed Mail (still being retried)",
            "relayed": "Successful Mail Delivery Report", "delivered": "Successful Mail Delivery Report"}


@pytest.mark.parametrize("setting, header, languages", [
    ("auto", (), "en, zh-CN"), ("auto", ("Accept-Language: zh-CN, en;q=0.5",), "zh-CN"),
    ("auto", ("Content-Language: en",), "en"), ("en", ("Accept-Language: zh",), "en"), ("zh", (), "zh-CN")])
def test_each_kind_of_report_in_each_language(make_station, setting, header, languages):
    with PySink(caps=["PIPELINING", "ENHANCEDSTATUSCODES"]) as sink:
        station = make_station(conf=demo("bounce_language = " + setting, "delay_notice = { 1s }"))
        relay(station, sink)
        sink.on("rcpt", Raw(GMAIL, 550), rcpt="ghost@" + DOMAIN)
        sink.on("rcpt", "451 4.7.1 Greylisted, come back", rcpt="grey@" + DOMAIN)
        octets = HOPS + letter("kinds", *header)
        send(station, [BOB, "fine@" + DOMAIN], octets, rcpt_options=["NOTIFY=SUCCESS"])
        send(station, ["ghost@" + DOMAIN, "grey@" + DOMAIN], octets)
        wait_rows(station, lambda r: len(r) == 1 and r[0]["state"] == "waiting" and r[0]["attempts"] == 1)
        time.sleep(1.1)
        station.cli("queue", "retry", "--all")
        found = {}
        for report in wait_reports(station, 4):
            (rcpt, block), = report.rcpts.items()
            found[block["Action"]] = report
            assert report.msg.get_payload(0)["Content-Language"] == languages
            assert str(report.msg["From"]) == "Mail Delivery System <MAILER-DAEMON@%s>" % typed(
                report.fields["Reporting-MTA"])[1]
            assert report.msg["Subject"].startswith(SUBJECTS[block["Action"]])
            flat, dense = " ".join(report.text.split()), "".join(report.text.split())
            assert (EN[block["Action"]] in flat) == ("en" in languages)
            assert (ZH[block["Action"]] in dense) == ("zh" in languages)
            assert report.text.isascii() == (languages == "en")
            assert_narrow(report.text)
            for row in ("1  author.example", "2  relay.example"):
                assert row in report.text
        assert set(found) == {"failed", "delayed", "relayed", "delivered"}
        if "en" in languages:
            assert "Why: The mail system there could not verify where the message comes from." in " ".join(
                found["failed"].text.split())
            assert re.search(r"Next attempts: in about \d+ min, \d+ min and \d+ min\.", " ".join(
                found["delayed"].text.split()))
            assert "For administrators: " in found["failed"].text
        if languages == "zh-CN":
            assert "原因：对方邮件系统无法核实邮件的来源。" in found["failed"].text
            assert re.search(r"下次尝试：约 \d+ 分钟、\d+ 分钟、\d+ 分钟后。", found["delayed"].text)
        assert "Will-Retry-Until" in found["delayed"].rcpts["grey@" + DOMAIN]
        assert found["failed"].is_full and not found["delayed"].is_full


def test_chinese_words_in_the_subject_bring_both_languages(station):
    with PySink() as sink:
        relay(station, sink)
        sink.on("rcpt", "550 5.1.1 nobody")
        send(station, ["ghost@" + DOMAIN], letter("=?GB2312?B?xOO6ww==?="))
        report, = wait_reports(station, 1)
        flat = " ".join(report.text.split())
        assert "There is no mailbox with this name" in flat and "没有这个名称的邮箱" in report.text
        assert str(report.msg["Subject"]) == "Undelivered Mail Returned to Sender 邮件未能送达，已退回"


def test_a_machine_hears_of_failure_but_not_of_delay(make_station):
    with PySink() as sink:
        station = make_station(conf=demo("delay_notice = { 1s }"))
        relay(station, sink)
        sink.on("rcpt", "451 4.7.1 come back", rcpt="grey@" + DOMAIN)
        sink.on("rcpt", "550 5.1.1 nobody", rcpt="ghost@" + DOMAIN)
        send(station, ["grey@" + DOMAIN, "ghost@" + DOMAIN], letter("nightly", "Auto-Submitted: auto-generated"))
        wait_rows(station, lambda r: len(r) == 1 and r[0]["attempts"] == 1)
        time.sleep(1.1)
        station.cli("queue", "retry", "--all")
        wait_rows(station, lambda r: len(r) == 1 and r[0]["attempts"] == 2)
        report, = wait_reports(station, 1)
        assert report.rcpts["ghost@" + DOMAIN]["Action"] == "failed"


def test_what_expired_tells_why_at_last(make_station):
    with PySink() as sink:
        station = make_station(conf=demo("expire = 1s"))
        relay(station, sink)
        sink.on("rcpt", "452 4.2.2 Mailbox full")
        send(station, ["full@" + DOMAIN], letter("late"))
        wait_rows(station, lambda r: r and r[0]["attempts"] == 1)
        time.sleep(1.1)
        station.cli("queue", "retry", "--all")
        report, = wait_reports(station, 1)
        block = report.rcpts["full@" + DOMAIN]
        assert (block["Action"], block["Status"]) == ("failed", "4.4.7")
        flat = " ".join(report.text.split())
        assert "could not be delivered in all the time that was tried. The mailbox is full." in flat


LINE = "5.7.1 line %d of many, and it goes on and on"
# what is no reply ends the talk: the letter waits, and nobody is told a lie
HOSTILE = {"500 lines": (multi(550, [LINE % i for i in range(500)]), True),
           "2000 lines": (multi(550, [LINE % i for i in range(2000)]), False),
           "NUL": (Raw(b"550 5.7.1 a\0b\0\0c\r\n", 550), False),
           "bare CR": (Raw(b"550 5.7.1 x\rAction: delivered\r\r--=_0\r\n", 550), False),
           "directions and controls": (Raw(b"550 5.7.1 \xe2\x80\xaegnp.exe \xff\xfe \x1b[2J\r\n", 550), True),
           "directions alone": (Raw(b"550 5.7.1 \xe2\x80\xaegnp.exe\r\n", 550), True),
           "encoded line end": (Raw(b"550 5.7.1 =?UTF-8?Q?=0D=0ABcc:_evil?=\r\n", 550), True)}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_what_a_server_says_stays_words(station, name):
    reply, is_believed = HOSTILE[name]
    with PySink() as sink:
        relay(station, sink)
        sink.on("rcpt", reply)
        send(station, ["ghost@" + DOMAIN], letter("hostile"))
        if not is_believed:
            wait_rows(station, lambda r: r and r[0]["attempts"] == 1)
            assert all_reports(station) == []
            return
        report, = wait_reports(station, 1)
        (rcpt, block), = report.rcpts.items()
        assert (rcpt, block["Action"]) == ("ghost@" + DOMAIN, "failed")
        assert set(block) == {"Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code",
                              "Last-Attempt-Date"}
        assert report.msg["Bcc"] is None and len(report.text) < 8000
        assert not re.search("[\\x00\\x1b\u202e]", report.text)
        assert_narrow(report.text)


def test_a_thousand_recipients_are_told_once_each(station):
    with PySink() as sink:
        relay(station, sink)
        sink.on("rcpt", "550 5.1.1 nobody")
        names = ["r%d@%s" % (i, DOMAIN) for i in range(1000)]
        send(station, names, letter("many"))
        wait_rows(station, lambda r: r == [], seconds=40)
        told = [rcpt for report in all_reports(station) for rcpt in report.rcpts]
        assert sorted(told) == sorted(names)
        assert len(all_reports(station)) >= 10
