"""Submission (RFC 6409): login first, then whatever belongs to the account, complete and counted."""

import base64
import email
import json
import random
import re
import smtplib
import ssl
import time

import pytest

from filter_hop import Filter, Filtered
from letters import Letter, find_letter
from station import HOST
from talk import HERMETIC, Talk

ALICE, BOB, ELSEWHERE = "alice@yizhan.test", "bob@yizhan.test", "x@elsewhere.example"
CONF = "demo = yes\n" + HERMETIC
DATED = "Date: Mon, 23 Nov 2026 16:00:00 +0000\r\nMessage-ID: <a@yizhan.test>\r\n"


def blind():
    return ssl._create_unverified_context()


def connect(station, name="alice"):
    """As the seed's programs do: EHLO, STARTTLS when it is offered, login."""
    s = smtplib.SMTP(HOST, station.ports["submission"], timeout=20)
    s.ehlo()
    if s.has_extn("starttls"):
        s.starttls(context=blind())
        s.ehlo()
    account = station.account(name)
    s.login(account.address, account.password)
    return s


def talk(station, name="alice", login=True):
    """The same for octets: under TLS from the start."""
    t = Talk((HOST, station.ports["submissions"]), greet=False)
    t.sock = blind().wrap_socket(t.sock)
    t.greeting = t.reply()
    assert t.ask(b"EHLO here").code == 250
    if login:
        account = station.account(name)
        plain = base64.b64encode(b"\0%s\0%s" % (account.address.encode(), account.password.encode()))
        assert t.ask(b"AUTH PLAIN " + plain).code == 235
    return t


def folder(station, address, name):
    done = station.cli("mailbox", "list", address, "--folder", name, "--json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else []


def wait_keys(station, seconds=30):
    """The demo's keys are made while it serves already."""
    end = time.monotonic() + seconds
    while len(json.loads(station.cli("key", "list", "--json").stdout)) < 2 and time.monotonic() < end:
        time.sleep(0.1)


def header_of(raw):
    return raw.partition(b"\r\n\r\n")[0].decode()


# ---- login ----------------------------------------------------------------------------------------------


def test_the_seeds_program_sends_to_here_and_to_elsewhere(station):
    s = connect(station)
    text = "To: %s\r\nFrom: %s\r\nSubject: Test Message from simple.py\r\n\r\nHello,\r\n" % (BOB, ALICE)
    assert s.sendmail(ALICE, [BOB, ELSEWHERE], text) == {}
    s.quit()
    letter = find_letter(station, BOB, "Test Message from simple.py")
    assert (letter.return_path, letter.received.protocol) == (ALICE, "ESMTPSA")
    assert letter.received.peer == "[127.0.0.1]" and letter.received.rcpt is None
    assert ELSEWHERE in station.cli("queue", "list", "--json").stdout.decode()
    shown = station.cli("trace", letter.received.id).stdout.decode()
    assert ALICE in shown


def test_implicit_tls_and_scram(station):
    account = station.account("bob")
    with smtplib.SMTP_SSL(HOST, station.ports["submissions"], context=blind(), timeout=20) as s:
        s.ehlo()
        assert {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"} <= set(s.esmtp_features["auth"].split())
        s.login(account.address, account.password)
        s.sendmail(BOB, ALICE, "Subject: implicit\r\n\r\nx")
    assert find_letter(station, ALICE, "implicit").received.protocol == "ESMTPSA"


# command, without login: (in clear on 587, under TLS)
BEFORE_LOGIN = [
    (b"MAIL FROM:<alice@yizhan.test>", "530 5.7.0", "530 5.7.0"),
    (b"VRFY alice", "530 5.7.0", "530 5.7.0"),
    (b"RCPT TO:<bob@yizhan.test>", "503 5.5.1", "503 5.5.1"),
    (b"DATA", "503 5.5.1", "503 5.5.1"),
    (b"BDAT 0 LAST", "503 5.5.1", "503 5.5.1"),
    (b"AUTH PLAIN AGEAYg==", "538 5.7.11", "535 5.7.8"),
    (b"AUTH SCRAM-SHA-256", "538 5.7.11", "334"),
    (b"AUTH NONE", "538 5.7.11", "504 5.5.4"),
    (b"NOOP", "250 2.0.0", "250 2.0.0"),
    (b"RSET", "250 2.0.0", "250 2.0.0"),
    (b"HELP", "214 2.0.0", "214 2.0.0"),
    (b"QUIT", "221 2.0.0", "221 2.0.0"),
]


@pytest.mark.parametrize("command, clear, tls", BEFORE_LOGIN, ids=[row[0].decode() for row in BEFORE_LOGIN])
def test_nothing_but_login_comes_before_login(station_shared, command, clear, tls):
    with Talk((HOST, station_shared.ports["submission"])) as t:
        hello = t.ask(b"EHLO here")
        assert "STARTTLS" in hello.lines and not [x for x in hello.lines if x.startswith("AUTH")]
        assert t.ask(command).both == clear
    with talk(station_shared, login=False) as t:
        assert t.ask(command).both == tls


def test_starttls_forgets_and_unread_plaintext_is_dropped(station_shared):
    with Talk((HOST, station_shared.ports["submission"])) as t:
        t.ask(b"EHLO here")
        t.send(b"STARTTLS\r\nMAIL FROM:<alice@yizhan.test>\r\n")
        assert t.reply().code == 220
        t.got = b""
        t.sock = blind().wrap_socket(t.sock)
        assert t.ask(b"MAIL FROM:<alice@yizhan.test>").both in ("503 5.5.1", "530 5.7.0")
        assert [x for x in t.ask(b"EHLO here").lines if x.startswith("AUTH")]


def test_port_25_has_no_login_and_relays_for_nobody(station_shared):
    with Talk(station_shared.smtp) as t:
        assert not [x for x in t.ask(b"EHLO here").lines if x.startswith("AUTH")]
        assert t.ask(b"AUTH PLAIN AGEAYg==").both == "502 5.5.1"
        assert t.ask(b"MAIL FROM:<alice@yizhan.test>").code == 250
        assert t.ask(b"RCPT TO:<x@elsewhere.example>").both == "550 5.7.1"


def test_a_login_ends_with_its_password(station):
    s, idle = connect(station), talk(station)
    assert s.mail(ALICE)[0] == 250
    s.rset()
    station.cli("account", "set", ALICE, "--password-stdin", input=b"another password\n")
    assert s.mail(ALICE)[0] == 421
    # who waits for a command hears it too
    assert idle.reply().both == "421 4.7.0"
    idle.close()
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        connect(station)
    assert refused.value.smtp_code == 535


# ---- transactions --------------------------------------------------------------------------------------


def test_transactions_have_nothing_of_each_other(station):
    with talk(station) as t:
        t.begin(sender=b"alice@yizhan.test", rcpts=(b"bob@yizhan.test",), hello=None)
        assert t.ask(b"RSET").code == 250
        assert t.ask(b"DATA").code == 503
        t.begin(sender=b"alice+one@yizhan.test", rcpts=(b"bob@yizhan.test",), hello=None)
        assert t.ask(b"EHLO again").code == 250  # as RSET, and the login stays
        assert t.deliver(b"Subject: one\r\n\r\nx\r\n", sender=b"alice+one@yizhan.test",
                         rcpts=(b"bob@yizhan.test",), hello=None).code == 250
        assert t.deliver(b"Subject: two\r\n\r\nx\r\n", sender=b"alice@yizhan.test",
                         rcpts=(b"bob@yizhan.test",), hello=None).code == 250
        # a second login is none (RFC 4954 section 4)
        assert t.ask(b"AUTH PLAIN AGEAYg==").code == 503
    assert find_letter(station, BOB, "one").return_path == "alice+one@yizhan.test"
    assert find_letter(station, BOB, "two").return_path == ALICE


def test_commands_that_are_pipelined_behind_a_login(station):
    account = station.account("alice")
    plain = base64.b64encode(b"\0%s\0%s" % (account.address.encode(), account.password.encode()))
    with talk(station, login=False) as t:
        t.send(b"AUTH PLAIN " + plain + b"\r\nMAIL FROM:<alice@yizhan.test>\r\nRCPT TO:<bob@yizhan.test>\r\n"
               b"DATA\r\n")
        assert [t.reply().code for _ in range(4)] == [235, 250, 250, 354]
        t.send(b"Subject: all at once\r\n\r\nx\r\n.\r\nQUIT\r\n")
        assert [t.reply().code for _ in range(2)] == [250, 221]
    find_letter(station, BOB, "all at once")
    wrong = base64.b64encode(b"\0%s\0wrong" % account.address.encode())
    with talk(station, login=False) as t:
        t.send(b"AUTH PLAIN " + wrong + b"\r\nMAIL FROM:<alice@yizhan.test>\r\nRCPT TO:<bob@yizhan.test>\r\n")
        assert [t.reply().code for _ in range(3)] == [535, 530, 503]


def test_two_people_at_a_time_stay_two(station):
    with talk(station, "alice") as a, talk(station, "bob") as b:
        a.begin(sender=b"alice@yizhan.test", rcpts=(b"bob@yizhan.test",), hello=None)
        assert b.ask(b"MAIL FROM:<alice@yizhan.test>").both == "550 5.7.1"
        b.begin(sender=b"bob@yizhan.test", rcpts=(b"alice@yizhan.test",), hello=None)
        for t, subject in ((a, b"from alice"), (b, b"from bob")):
            assert t.ask(b"DATA").code == 354
            t.send(b"Subject: " + subject + b"\r\n\r\nx\r\n.\r\n")
        assert a.reply().code == 250 and b.reply().code == 250
    assert "<alice@yizhan.test>" in header_of(find_letter(station, BOB, "from alice").content)
    assert "<bob@yizhan.test>" in header_of(find_letter(station, ALICE, "from bob").content)


# ---- the header ----------------------------------------------------------------------------------------


def test_what_is_missing_comes_and_what_is_nobodys_business_goes(station):
    s = connect(station)
    s.sendmail(ALICE, [BOB, ALICE], "To: %s\r\nBcc: %s\r\nReturn-Path: <x@y>\r\nX-Yizhan-Filter: 1\r\n"
               "Authentication-Results: mx.yizhan.test; dkim=pass\r\nSubject: bare\r\n\r\nx" % (BOB, ALICE))
    s.sendmail(ALICE, BOB, "Subject: second\r\n\r\nx")
    first = email.message_from_bytes(find_letter(station, BOB, "bare").content)
    second = email.message_from_bytes(find_letter(station, BOB, "second").content)
    assert first["From"] == '"Alice" <alice@yizhan.test>' and first["Date"]
    assert [first[name] for name in ("Bcc", "Return-Path", "X-Yizhan-Filter", "Authentication-Results")] == [None] * 4
    for message in (first, second):
        assert re.fullmatch(r"<[0-9A-Z.]{20,}@yizhan\.test>", message["Message-ID"])
    assert first["Message-ID"] != second["Message-ID"]
    # a blind recipient finds his copy, and nothing in it says so
    assert ALICE not in header_of(find_letter(station, ALICE, "bare").content).replace('<%s>' % ALICE, "")


def test_a_header_too_large_has_a_code_of_its_own(station_shared):
    s = connect(station_shared)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        s.sendmail(ALICE, BOB, "X-A: " + "\r\n ".join(["x" * 70] * 4000) + "\r\n\r\nx")
    assert refused.value.smtp_code == 552
    assert s.sendmail(ALICE, BOB, "Subject: next\r\n\r\nx") == {}


def test_utf8_in_the_header_only_when_it_was_asked_for(station):
    s = connect(station)
    text = ("From: 爱丽丝 <%s>\r\nSubject: u\r\n" % ALICE + DATED + "\r\nx").encode()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        s.sendmail(ALICE, BOB, text, ["BODY=8BITMIME"])
    assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (550, b"5.6.7")
    assert s.sendmail(ALICE, BOB, text, ["BODY=8BITMIME", "SMTPUTF8"]) == {}
    assert "爱丽丝".encode() in find_letter(station, BOB, "u").content


def test_the_body_is_not_touched_in_any_cut(station):
    dice = random.Random(3)
    with talk(station) as t:
        for n in range(12):
            body = bytes(dice.choice(b"ab .\t\r\n\x00\xff:F") for _ in range(dice.randint(0, 400)))
            head = b"From: alice@yizhan.test\r\nSubject: body %d\r\n" % n + DATED.encode()
            t.begin(sender=b"alice@yizhan.test", rcpts=(b"bob@yizhan.test",), hello=None,
                    params=b" BODY=BINARYMIME")
            whole, at = head + b"\r\n" + body, 0
            while at < len(whole):
                piece = whole[at:at + dice.randint(1, 90)]
                at += len(piece)
                t.send(b"BDAT %d\r\n" % len(piece) + piece)
                assert t.reply().code == 250
            assert t.ask(b"BDAT 0 LAST").code == 250
            assert find_letter(station, BOB, "body %d" % n).content == whole


# ---- limits --------------------------------------------------------------------------------------------


def test_rates_say_when_to_come_again_and_count_only_what_was_accepted(make_station):
    us = make_station(conf=CONF + 'submission { messages = "3/1h burst 3" recipients = "6/1h burst 6" }')
    s = connect(us)
    for n in range(2):  # refused and given back
        with pytest.raises(smtplib.SMTPDataError):
            s.sendmail(ALICE, BOB, "From: bob@yizhan.test\r\n\r\nx")
    for n in range(3):
        assert s.sendmail(ALICE, [BOB], "Subject: %d\r\n\r\nx" % n) == {}
    code, text = s.mail(ALICE)
    assert code == 450 and re.match(rb"4\.7\.1 Too many messages \(3/1h burst 3 .*try again in (19|20)m", text)
    # another connection is no way round, another account is another one
    assert connect(us).mail(ALICE)[0] == 450
    b = connect(us, "bob")
    b.mail(BOB)
    codes = [b.rcpt("r%d@elsewhere.example" % n)[0] for n in range(7)]
    assert codes == [250] * 6 + [450]
    b.rset()  # not sent: all is given back
    b.mail(BOB)
    assert [b.rcpt("nobody%d@yizhan.test" % n)[0] for n in range(3)] == [550] * 3
    assert [b.rcpt("r%d@elsewhere.example" % n)[0] for n in range(6)] == [250] * 6
    said = us.cli_json("status", "--json")["submission"]
    assert (said["accepted"], said["limited_messages"], said["limited_recipients"]) == (3, 2, 1)
    assert said["refused_senders"] == 2


def test_an_account_has_rates_of_its_own(station):
    station.cli("account", "set", ALICE, "--rate", "1/1h")
    s = connect(station)
    assert s.sendmail(ALICE, BOB, "Subject: one\r\n\r\nx") == {}
    assert s.mail(ALICE)[0] == 450
    assert connect(station, "bob").mail(BOB)[0] == 250


def test_a_rate_that_is_none_is_an_error_of_the_file(tmp_path, station_shared):
    conf = tmp_path / "yizhan.conf"
    conf.write_text('submission { messages = "many" }\n')
    done = station_shared.cli("serve", "--check", "--config", str(conf), check=False)
    assert done.returncode == 78 and b"is no rate" in done.stderr


# ---- what an author asks for ----------------------------------------------------------------------------


def test_a_copy_in_sent_once_and_seen(station):
    station.cli("account", "set", ALICE, "--sent-copy", "yes")
    s = connect(station)
    s.sendmail(ALICE, [BOB, ELSEWHERE], "To: %s\r\nBcc: %s\r\nSubject: kept\r\n\r\nx" % (BOB, ELSEWHERE))
    with pytest.raises(smtplib.SMTPDataError):
        s.sendmail(ALICE, BOB, "From: bob@yizhan.test\r\nSubject: refused\r\n\r\nx")
    row, = folder(station, ALICE, "Sent")
    assert row["subject"] == "kept" and "seen" in str(row["flags"]).lower()
    kept = station.cli("mailbox", "export", ALICE, "--folder", "Sent", "--uid", "1").stdout
    # as it was stored for everybody, without the lines of a delivery; and whom it went to blind is not in it
    assert kept == find_letter(station, BOB, "kept").content and b"Bcc" not in kept
    assert station.mailbox(ALICE) == []
    s.sendmail(ALICE, ALICE, "Subject: to myself\r\n\r\nx")
    assert [r["subject"] for r in station.mailbox(ALICE)] == ["to myself"]
    assert [r["subject"] for r in folder(station, ALICE, "Sent")] == ["kept", "to myself"]
    # what others send is not kept
    connect(station, "bob").sendmail(BOB, ALICE, "Subject: from bob\r\n\r\nx")
    assert len(folder(station, ALICE, "Sent")) == 2 and folder(station, BOB, "Sent") == []


def test_mail_is_held_as_its_author_asks(station):
    with talk(station) as t:
        assert [x for x in t.ask(b"EHLO here").lines if x.startswith("FUTURERELEASE")]
        t.begin(sender=b"alice@yizhan.test", rcpts=(b"bob@yizhan.test",), params=b" HOLDFOR=2", hello=None)
        assert t.ask(b"DATA").code == 354
        t.send(b"Subject: later\r\n\r\nx\r\n.\r\n")
        assert t.reply().code == 250
        assert t.ask(b"MAIL FROM:<alice@yizhan.test> BY=120;R MT-PRIORITY=3").both == "250 2.1.0"
    assert station.mailbox(BOB) == []
    begin = time.monotonic()
    assert station.wait_mailbox(BOB, 1)[0]["subject"] == "later"
    assert time.monotonic() - begin > 0.5


def test_the_clients_address_may_be_hidden(make_station):
    us = make_station(conf=CONF + "submission { hide_client = yes }")
    s = smtplib.SMTP(HOST, us.ports["submission"], local_hostname="my-laptop.home.example", timeout=20)
    s.starttls(context=blind())
    account = us.account("alice")
    s.login(account.address, account.password)
    s.sendmail(ALICE, BOB, "Subject: hidden\r\n\r\nx")
    letter = find_letter(us, BOB, "hidden")
    assert letter.received.protocol == "ESMTPSA"
    assert b"my-laptop" not in letter.raw and b"127.0.0.1" not in letter.raw
    # who runs the server still sees it
    assert "my-laptop" in us.cli("trace", letter.received.id).stdout.decode()


def test_a_quick_change_of_the_file_counts_for_new_connections(make_station):
    us = make_station(conf=CONF + "submission { authors = own }")
    two = "From: alice@yizhan.test, alice+x@yizhan.test\r\nSubject: two\r\n\r\nx"
    connect(us).sendmail(ALICE, BOB, two)
    assert email.message_from_bytes(find_letter(us, BOB, "two").content)["Sender"] == '"Alice" <alice@yizhan.test>'
    us.conf = us.conf.replace("authors = own", "authors = one")
    with open(us.directory + "/yizhan.conf", "w") as f:
        f.write(us.conf)
    us.reload()
    us.wait_log("host.reloaded")
    with pytest.raises(smtplib.SMTPDataError):
        connect(us).sendmail(ALICE, BOB, two)


# ---- the way on ------------------------------------------------------------------------------------------


def test_what_was_accepted_survives_a_power_cut(station):
    s = connect(station)
    assert s.sendmail(ALICE, [BOB, ELSEWHERE], "Subject: durable\r\n\r\nx") == {}
    station.kill9()
    station.start()
    assert find_letter(station, BOB, "durable").return_path == ALICE
    assert ELSEWHERE in station.cli("queue", "list", "--json").stdout.decode()


def test_through_the_filter_it_is_signed_behind_it_and_kept_once():
    conf = CONF + """
filter { next_hop = "127.0.0.1:FILTER" }
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { protocol = submission address = { "127.0.0.1:5870" } }
listener submissions { protocol = submission tls = implicit address = { "127.0.0.1:9930" } }
listener back { address = { "127.0.0.1:4650" } filtered = yes }
"""
    with Filter(judge=lambda letter: b"X-Spam: no\r\n" + letter.data) as content:
        with Filtered(lambda ports: content.sink.port, conf=conf) as us:
            content.back = us.ports["back"]
            s = smtplib.SMTP(HOST, 5870 + us.offset.value, timeout=20)
            s.starttls(context=blind())
            account = [a for a in us.accounts if a.address == ALICE][0]
            s.login(account.address, account.password)
            wait_keys(us)
            s.sendmail(ALICE, BOB, "Subject: filtered\r\n\r\nx")
            row = us.wait_mailbox(BOB, 1)[0]
            raw = us.export(BOB, row["uid"])
            assert len(content.seen) == 1
            assert b"DKIM-Signature" not in content.seen[0].data
            # the newest first: the signatures of what left stand above what the filter saw
            names = re.findall(rb"(?m)^([A-Za-z-]+):", raw.partition(b"\r\n\r\n")[0])
            assert names.count(b"DKIM-Signature") >= 1
            assert names.index(b"DKIM-Signature") < names.index(b"X-Spam")
            assert not content.refused
            # what strangers send through the filter is not ours to sign
            with smtplib.SMTP(HOST, us.ports["smtp"]) as stranger:
                stranger.sendmail("x@y.example", BOB, "From: %s\r\nSubject: strange\r\n\r\nx" % ALICE)
            us.wait_mailbox(BOB, 2)
            assert b"DKIM-Signature" not in Letter(us.mailbox(BOB)[1], us.export(BOB, 2)).raw
