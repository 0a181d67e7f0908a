"""Mail comes in: what the usual clients send is in the mailbox, octet for octet, or was refused."""

import smtplib
import socket
import ssl
import time

import pytest

BODY = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: Me <me@example.org>\r\n\r\nHello.\r\n.a line with a dot\r\n"


def smtp(station):
    return smtplib.SMTP(*station.smtp, timeout=20)


def lines(station, *commands):
    """Send commands one by one; the replies' codes with the last reply's text."""
    codes = []
    with socket.create_connection(station.smtp, timeout=20) as s:
        f = s.makefile("rb")

        def reply():
            while True:
                line = f.readline()
                if not line or line[3:4] != b"-":
                    return line
        codes.append(reply())
        for command in commands:
            s.sendall(command.encode() + b"\r\n")
            codes.append(reply())
    return [c.decode().rstrip() for c in codes]


def test_several_recipients_one_refused(station_shared):
    station = station_shared
    with smtp(station) as client:
        refused = client.sendmail("me@example.org", ["alice@yizhan.test", "nobody@yizhan.test", "bob@yizhan.test"], BODY)
    assert list(refused) == ["nobody@yizhan.test"]
    assert refused["nobody@yizhan.test"][0] == 550
    assert refused["nobody@yizhan.test"][1].startswith(b"5.1.1")
    for address in ("alice@yizhan.test", "bob@yizhan.test"):
        newest = station.wait_mailbox(address, 1)[-1]
        octets = station.export(address, newest["uid"])
        assert octets.endswith(BODY.encode())
        assert newest["size"] == len(octets)
        assert newest["subject"] == "Grüße"
        assert newest["from"] == "Me <me@example.org>"
        head = octets[:-len(BODY)].decode()
        assert head.startswith("Return-Path: <me@example.org>\r\nDelivered-To: %s\r\nReceived: from " % address)
        # with several recipients the field must not tell one of the others
        assert "for <" not in head
        assert "with ESMTP id " in head


def test_one_recipient_is_named_in_received(station_shared):
    with smtp(station_shared) as client:
        client.sendmail("", ["alice+list@yizhan.test"], BODY)
    newest = station_shared.mailbox("alice@yizhan.test")[-1]
    octets = station_shared.export("alice@yizhan.test", newest["uid"])
    assert octets.startswith(b"Return-Path: <>\r\nDelivered-To: alice+list@yizhan.test\r\n")
    assert b"\tfor <alice+list@yizhan.test>;" in octets


def test_one_copy_for_an_account_named_twice(station):
    station.cli("alias", "add", "team@yizhan.test", "alice@yizhan.test", "bob@yizhan.test")
    with smtp(station) as client:
        client.sendmail("me@example.org", ["alice@yizhan.test", "team@yizhan.test", "alice+x@yizhan.test"], BODY)
    assert len(station.wait_mailbox("alice@yizhan.test", 1)) == 1
    assert len(station.wait_mailbox("bob@yizhan.test", 1)) == 1


def test_starttls(station_shared):
    context = ssl._create_unverified_context()
    with smtp(station_shared) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        client.starttls(context=context)
        client.ehlo()
        assert not client.has_extn("starttls")
        client.sendmail("me@example.org", ["bob@yizhan.test"], BODY)
    newest = station_shared.mailbox("bob@yizhan.test")[-1]
    octets = station_shared.export("bob@yizhan.test", newest["uid"])
    assert b"with ESMTPS id " in octets
    assert b"(using TLSv1.3 with cipher TLS_" in octets


def test_pipelined_plaintext_before_tls_is_dropped(station_shared):
    context = ssl._create_unverified_context()
    with socket.create_connection(station_shared.smtp, timeout=20) as s:
        s.recv(1000)
        s.sendall(b"EHLO x\r\n")
        s.recv(2000)
        s.sendall(b"STARTTLS\r\nRSET\r\nNOOP\r\n")
        got = b""
        while not got.endswith(b"\r\n"):
            more = s.recv(1000)
            if not more:
                break
            got += more
        if not got.startswith(b"220"):
            return  # refused altogether: just as good
        with context.wrap_socket(s) as t:
            t.sendall(b"NOOP\r\n")
            assert t.recv(1000).startswith(b"250")
            t.settimeout(0.3)
            with pytest.raises(TimeoutError):
                t.recv(1000)


@pytest.mark.parametrize("to, code", [
    ("x@far.example", "550 5.7.1"),
    ("x@[127.0.0.1]", "550 5.7.1"),
    ("\"x@far.example\"@yizhan.test", "550 5.1.1"),
    ("x%far.example@yizhan.test", "550 5.1.1"),
    ("@yizhan.test:x@far.example", "550 5.7.1"),
    ("someone", "550 5.1.1"),
    ("postmaster", "250 2.1.5"),
    ("Postmaster@yizhan.test", "250 2.1.5"),
    ("postmaster@mx.yizhan.test", "250 2.1.5"),
    ("ALICE@YIZHAN.TEST", "250 2.1.5"),
])
def test_who_may_be_written_to(station_shared, to, code):
    replies = lines(station_shared, "EHLO x", "MAIL FROM:<me@example.org>", "RCPT TO:<%s>" % to)
    got = replies[-1]
    if to.startswith("@") or to == "someone":
        assert got[:3] in ("550", "501", "553", "555"), got
    else:
        assert got.startswith(code), got


def test_loops_are_ended(station_shared):
    def send(count):
        with smtp(station_shared) as client:
            client.sendmail("me@example.org", ["alice@yizhan.test"], "Received: from a by b; x\r\n" * count + BODY)
    send(50)
    with pytest.raises(smtplib.SMTPDataError) as refused:
        send(51)
    assert refused.value.smtp_code == 554
    assert refused.value.smtp_error.startswith(b"5.4.6")


def test_size_limit(make_station):
    station = make_station(conf="demo = yes\nlimits { message = 100K }\n")
    with smtp(station) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(100 * 1024)
        assert client.mail("me@example.org", ["SIZE=200000"])[0] == 552
    text = BODY + ("x" * 70 + "\r\n") * 2000
    with smtp(station) as client:
        client.helo("x")
        client.mail("me@example.org")
        client.rcpt("alice@yizhan.test")
        code, _ = client.data(text)
        assert code == 552
        assert client.noop()[0] == 250  # the conversation goes on
    assert station.mailbox("alice@yizhan.test") == []


def test_large_message_octet_for_octet(station):
    text = BODY + "".join("%08d %s\r\n" % (i, "y" * 90) for i in range(60000))
    with smtp(station) as client:
        client.sendmail("me@example.org", ["alice@yizhan.test", "bob@yizhan.test"], text)
    for address in ("alice@yizhan.test", "bob@yizhan.test"):
        newest = station.wait_mailbox(address, 1)[-1]
        assert station.export(address, newest["uid"]).endswith(text.encode())
    station.cli("check")


def test_relay_networks_may_send_anywhere(make_station):
    station = make_station(conf='demo = yes\nrelay_networks = { "127.0.0.0/8" }\nqueue { hold = yes }\n')
    with smtp(station) as client:
        assert client.sendmail("alice@yizhan.test", ["x@far.example", "bob@yizhan.test"], BODY) == {}
    waiting = station.cli_json("queue", "list", "--json")
    assert [(w["recipient"], w["destination"], w["state"]) for w in waiting] == [("x@far.example", "far.example", "held")]
    assert len(station.mailbox("bob@yizhan.test")) == 1
    shown = station.cli_json("queue", "show", waiting[0]["id"], "--json")
    assert shown[0]["origin"] == "smtp"
    assert station.cli_json("queue", "drop", waiting[0]["id"], "--json") == {"changed": 1}
    assert station.cli_json("queue", "list", "--json") == []


def test_relay_domain_is_taken(make_station):
    station = make_station(conf="demo = yes\nqueue { hold = yes }\n")
    station.cli("domain", "add", "backup.example", "--relay")
    with smtp(station) as client:
        assert client.sendmail("me@example.org", ["anyone@backup.example"], BODY) == {}
    assert station.cli_json("queue", "list", "--json")[0]["destination"] == "backup.example"


def test_lmtp_answers_each_recipient(make_station):
    station = make_station(conf='demo = yes\nlistener smtp { address = { "127.0.0.1:2525" } }\n'
                                'listener lmtp { protocol = lmtp tls = none address = { "unix:{data}/lmtp.sock" } }\n')
    client = smtplib.LMTP(station.data + "/lmtp.sock")
    client.ehlo()
    client.mail("me@example.org")
    assert client.rcpt("alice@yizhan.test")[0] == 250
    assert client.rcpt("bob@yizhan.test")[0] == 250
    assert client.rcpt("nobody@yizhan.test")[0] == 550
    code, _ = client.data(BODY)
    assert code == 250
    assert client.getreply()[0] == 250
    client.quit()
    octets = station.export("bob@yizhan.test", 1)
    assert b"with LMTP id " in octets and b" (unix)\r\n" in octets


def test_unix_socket_may_relay(make_station):
    station = make_station(conf='demo = yes\nqueue { hold = yes }\n'
                                'listener smtp { address = { "127.0.0.1:2525" } }\n'
                                'listener local { mode = 600 address = { "unix:{data}/smtp.sock" } }\n')
    client = smtplib.SMTP()
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.settimeout(20)
    client.sock.connect(station.data + "/smtp.sock")
    client.file = None
    assert client.getreply()[0] == 220
    assert client.sendmail("alice@yizhan.test", ["x@far.example"], BODY) == {}
    client.quit()
    assert station.cli_json("queue", "list", "--json")[0]["recipient"] == "x@far.example"


def test_newlines_normalised_on_request(make_station):
    station = make_station(conf="demo = yes\nnewlines = normalise\n")
    with socket.create_connection(station.smtp, timeout=20) as s:
        f = s.makefile("rb")
        f.readline()
        for command in ("HELO x", "MAIL FROM:<a@b>", "RCPT TO:<alice@yizhan.test>", "DATA"):
            s.sendall(command.encode() + b"\r\n")
            assert f.readline()[:1] in b"23"
        s.sendall(b"Subject: a\nX: b\r\n\r\none\ntwo\rthree\r\n.\r\n")
        assert f.readline().startswith(b"250")
    assert station.export("alice@yizhan.test", 1).endswith(b"Subject: a\r\nX: b\r\n\r\none\r\ntwo\r\nthree\r\n")


def test_newlines_refused_by_default(station_shared):
    before = len(station_shared.mailbox("alice@yizhan.test"))
    with smtp(station_shared) as client:
        client.helo("x")
        client.mail("a@b")
        client.rcpt("alice@yizhan.test")
        client.docmd("DATA")
        client.sock.sendall(b"Subject: a\r\n\r\none\ntwo\r\n.\r\n")
        code, _ = client.getreply()
        assert 500 <= code < 600
    assert len(station_shared.mailbox("alice@yizhan.test")) == before


def test_many_connections_at_once(station):
    clients = [smtp(station) for _ in range(60)]
    for i, client in enumerate(clients):
        assert client.sendmail("me%d@example.org" % i, ["alice@yizhan.test"], BODY) == {}
    for client in clients:
        client.quit()
    found = station.wait_mailbox("alice@yizhan.test", 60)
    assert len(found) == 60
    assert [m["uid"] for m in found] == list(range(1, 61))
    deadline = time.monotonic() + 5
    while station.cli_json("status", "--json")["inbound"]["connections_now"] and time.monotonic() < deadline:
        time.sleep(0.05)
    status = station.cli_json("status", "--json")
    assert status["inbound"]["connections_now"] == 0
    assert status["inbound"]["messages"] == 60
