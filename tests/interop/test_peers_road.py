"""The post road among Postfix and Exim: certificates that must fit, what a server cannot take, and letters that come
from one of them and go on to another, with their reports on the way back.

test_real_peers.py has the plain cases; here stands what is asked of the road between them. Root only: the servers
become users of their own.
"""

import contextlib
import os
import re
import smtplib
import time

import pytest

from certs import Authority, self_signed
from letters import find_letter
from reports import Report, typed
from test_real_peers import ALICE, BOB, RELAY, received, report_for, route, send, text, wait_empty, words

BOTH = pytest.mark.parametrize("kind", ["postfix", "exim"])
ME = "me@home.test"
# 例子.test
A_LABEL = "xn--fsqu00a.test"


@pytest.fixture
def us(make_station):
    return make_station(conf=RELAY)


def in_make_test(test):
    """Not in `make test-long` alone. Whoever runs `make test` need not be root, and goes without."""
    return pytest.mark.smoke(pytest.mark.skipif(os.geteuid() != 0, reason="the mail servers are started by root")(test))


def far(peers, kind, lacks=(), **settings):
    """A server that takes all mail for far.test and 例子.test, and does not offer these extensions."""
    if kind == "postfix":
        extra = {"smtpd_discard_ehlo_keywords": ", ".join(lacks), "smtputf8_enable": "no" if "smtputf8" in lacks else "yes"}
        return peers.Postfix("sink", domains=["far.test", A_LABEL, "例子.test"], extra=extra, **settings)
    extra = {"dsn_advertise_hosts": "" if "dsn" in lacks else "*", "smtputf8_advertise_hosts": "" if "smtputf8" in lacks else "*",
             "accept_8bitmime": "false" if "8bitmime" in lacks else "true"}
    return peers.Exim("maildir", extra=extra, **settings)


def home(peers, kind, us):
    """A server that keeps mail for home.test and hands all other to us."""
    if kind == "postfix":
        return peers.Postfix("sink", domains=["home.test"], extra={"relayhost": "[%s]:%d" % us.smtp})
    return peers.Exim("both", next_hop=us.smtp, domains=["home.test"], extra={"dsn_advertise_hosts": "*"})


def send_octets(address, rcpt, sent, sender=ALICE, **options):
    with smtplib.SMTP(*address, timeout=30) as client:
        client.ehlo()
        assert client.sendmail(sender, [rcpt], sent.encode(), **options) == {}


def wait_put_off(us, seconds=30):
    """Until all that is queued waits with a reason: the rows."""
    end = time.monotonic() + seconds
    while True:
        rows = us.cli_json("queue", "list", "--json")
        if rows and all(row["last"] and row["state"] == "waiting" for row in rows):
            return rows
        assert time.monotonic() < end, "%s\n%s" % (rows, us.log())
        time.sleep(0.1)


def taken(server):
    """How many letters its log tells of."""
    log = server.log(1 << 20)
    return len(re.findall(r" from=<" if server.name == "postfix" else r" <= ", log))


# -- certificates ---------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(str(tmp_path_factory.mktemp("ca")))


def pair(authority, which):
    """What a server shows: a certificate that fits 127.0.0.1, or one that does not and why; None: no TLS."""
    made = {"right": lambda: authority.issue("127.0.0.1"), "other name": lambda: authority.issue("mx.elsewhere.test"),
            "expired": lambda: authority.issue("127.0.0.1", expired=True),
            "unknown": lambda: self_signed(authority.directory, "127.0.0.1"), "no tls": lambda: None}[which]()
    return made and (made.chain, made.key)


@pytest.fixture
def careful(make_station, authority):
    """A station that knows the authority."""
    return make_station(conf=RELAY + 'tls_policy { ca_file = "%s" }\n' % authority.cert)


def route_verified(us, server):
    """Mail for far.test goes to this server, if it proves to be it; returns the rule's name."""
    route(us, "far.test", server)
    rule = "%s:%d" % server.address
    us.cli("tls", "set", rule, "verify")
    return rule


@BOTH
def test_a_host_with_the_right_certificate_gets_the_letter(peers, careful, authority, kind):
    with far(peers, kind, tls=pair(authority, "right")) as server:
        route_verified(careful, server)
        send(careful.smtp, ["one@far.test"], text("only to you"))
        stored = server.wait(1)[0]
        wait_empty(careful)
        assert taken(server) == 1
    assert re.search(r"with esmtps ", received(stored.msg)[0], re.I)
    assert words(stored.raw).endswith(words(text("only to you")))


@BOTH
@pytest.mark.parametrize("which, code, why", [
    ("other name", "4.7.5", "certificate"), ("unknown", "4.7.5", "certificate"), ("expired", "4.7.5", "certificate"),
    ("no tls", "4.7.10", "TLS is demanded")])
def test_a_host_with_a_wrong_certificate_never_gets_the_letter(peers, careful, authority, kind, which, code, why):
    with far(peers, kind, tls=pair(authority, which)) as server:
        rule = route_verified(careful, server)
        send(careful.smtp, ["one@far.test"], text("not to you"))
        for attempt in range(2):
            row = wait_put_off(careful)[0]
            assert row["last"]["enhanced"] == code and why in row["last"]["text"], row
            careful.cli("queue", "retry", "--all")
            time.sleep(0.5)
        wait_put_off(careful)
        assert taken(server) == 0 and server.messages() == [] and server.queue_count() == 0
        assert careful.mailbox(ALICE) == []
        # it was the rule alone that held it
        careful.cli("tls", "remove", rule)
        careful.cli("queue", "retry", "--all")
        assert len(server.wait(1)) == 1
        wait_empty(careful)


# -- what the far side lacks ----------------------------------------------------------------------------------

@BOTH
def test_who_has_no_smtputf8_gets_no_such_address_and_no_such_header(peers, us, kind):
    cases = [("收件人@far.test", text("an address")), ("one@far.test", text("标题")),
             ("one@例子.test", text("主题 and domain"))]
    with far(peers, kind, lacks=["smtputf8"]) as server:
        for domain in ("far.test", A_LABEL):
            route(us, domain, server)
        for i, (rcpt, sent) in enumerate(cases):
            send_octets(us.smtp, rcpt, sent, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
            report = report_for(us, count=i + 1)
            assert [block["Status"] for block in report.rcpts.values()] == ["5.6.7"], report.rcpts
            assert "SMTPUTF8" in report.text and report.original["Message-ID"] in sent
        wait_empty(us)
        assert server.messages() == [] and taken(server) == 0


@in_make_test
@BOTH
def test_a_domain_that_is_not_ascii_goes_as_a_label_to_who_has_no_smtputf8(peers, us, kind):
    with far(peers, kind, lacks=["smtputf8"]) as server:
        route(us, A_LABEL, server)
        send_octets(us.smtp, "one@例子.test", text("in ascii"), mail_options=["SMTPUTF8"])
        stored = server.wait(1)[0]
        wait_empty(us)
    assert (stored.sender, stored.rcpt) == (ALICE, "one@" + A_LABEL)
    assert words(stored.raw).endswith(words(text("in ascii")))
    assert us.mailbox(ALICE) == []


@BOTH
def test_who_has_smtputf8_gets_the_domain_as_it_is(peers, us, kind):
    with far(peers, kind) as server:
        route(us, A_LABEL, server)
        send_octets(us.smtp, "收件人@例子.test", text("标题", "你好"), mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        stored = server.wait(1)[0]
        wait_empty(us)
    assert stored.rcpt.split("@")[0] == "收件人" and stored.rcpt.split("@")[1] in ("例子.test", A_LABEL)
    assert words(stored.raw).endswith(words(text("标题", "你好")))


@BOTH
def test_eight_bit_letters_come_back_from_who_has_no_8bitmime(peers, us, kind):
    with far(peers, kind, lacks=["8bitmime", "smtputf8"]) as server:
        route(us, "far.test", server)
        send_octets(us.smtp, "one@far.test", text("eight bits", "你好"), mail_options=["BODY=8BITMIME", "RET=HDRS"])
        report = report_for(us)
        # what was only declared so, and is not, goes
        send_octets(us.smtp, "one@far.test", text("seven bits"), mail_options=["BODY=8BITMIME"])
        stored = server.wait(1)
        wait_empty(us)
    assert [m.msg["Subject"] for m in stored] == ["seven bits"] and len(us.mailbox(ALICE)) == 1
    assert report.rcpts["one@far.test"]["Status"] == "5.6.3" and "8BITMIME" in report.text
    assert report.original["Subject"] == "eight bits" and report.original["Message-ID"] == "<eight.bits@yizhan.test>"
    assert not report.is_full


# -- reports --------------------------------------------------------------------------------------------------

def test_exim_tells_what_dsn_parameters_asked_for(peers, us):
    """Its report, not ours, comes to alice by way of us; Postfix's is in test_real_peers.py."""
    with peers.Exim("both", next_hop=us.smtp, domains=["far.test"], extra={"dsn_advertise_hosts": "*"}) as server:
        route(us, "far.test", server)
        send(us.smtp, ["one@far.test"], text("please tell"), mail_options=["RET=HDRS", "ENVID=ab+2Bcd"],
             rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first+2Bone@old.test"])
        server.wait(1)
        octets = only_report(us)
    # Exim writes the xtext of ENVID and ORCPT as it came
    assert b"Reporting-MTA: dns; exim.test" in octets
    assert re.search(rb"Original-Envelope-ID: ab\+2?B?cd", octets, re.I)
    assert re.search(rb"Original-Recipient: rfc822; ?first\+(2B)?one@old\.test", octets, re.I)
    assert re.search(rb"Final-Recipient: rfc822; ?one@far\.test", octets, re.I) and b"Action: delivered" in octets
    assert us.cli_json("status", "--json")["queue"]["reports"] == 0


def only_report(us, address=ALICE):
    us.wait_mailbox(address, 1)
    assert len(us.mailbox(address)) == 1
    octets = us.export(address, 1)
    assert octets.startswith(b"Return-Path: <>\r\n")
    return octets


def test_dsn_ends_at_a_postfix_without_it(peers, us):
    """RFC 3461 section 5.2.2; an Exim without it is in test_real_peers.py."""
    with far(peers, "postfix", lacks=["dsn"]) as server:
        route(us, "far.test", server)
        send(us.smtp, ["one@far.test", "two@far.test"], text("please tell"), mail_options=["ENVID=x1"],
             rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;first@old.test"])
        server.wait(1)
        report = report_for(us)
        wait_empty(us)
    assert typed(report.fields["Reporting-MTA"]) == ("dns", "mx.yizhan.test")
    assert {block["Action"] for block in report.rcpts.values()} == {"relayed"}
    assert sorted(report.rcpts) == ["one@far.test", "two@far.test"]
    assert typed(report.rcpts["one@far.test"]["Original-Recipient"]) == ("rfc822", "first@old.test")
    assert report.fields["Original-Envelope-Id"] == "x1"


@BOTH
def test_what_a_peer_asked_for_is_told_to_it(peers, us, kind):
    """DSN parameters come with the letter, and our report of its delivery goes back to where it came from."""
    with home(peers, kind, us) as there:
        route(us, "home.test", there)
        send(there.address, [BOB], text("asked", sender=ME), sender=ME, mail_options=["ENVID=QQ1", "RET=HDRS"],
             rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;old@source.test"])
        us.wait_mailbox(BOB, 1)
        stored = there.wait(1)[0]
        wait_empty(us)
    report = Report(stored.raw)
    assert (stored.sender, stored.rcpt) == ("", ME)
    assert typed(report.fields["Reporting-MTA"]) == ("dns", "mx.yizhan.test")
    assert report.fields["Original-Envelope-Id"] == "QQ1" and not report.is_full
    assert report.rcpts[BOB]["Action"] == "delivered"
    assert typed(report.rcpts[BOB]["Original-Recipient"]) == ("rfc822", "old@source.test")


# -- into us --------------------------------------------------------------------------------------------------

def test_exim_relays_to_us_where_our_certificate_fits(peers, us):
    """And by BDAT, dots and 8 bits as they are."""
    lines = ["你好", ".", "..", ".dot", "x" * 900] * 300
    checked = {"tls_verify_certificates": os.path.join(us.data, "certificate.pem"), "tls_verify_hosts": "*",
               "tls_verify_cert_hostnames": "", "hosts_require_tls": "*"}
    with peers.Exim("relay", next_hop=us.smtp, onward=checked) as exim:
        send_octets(exim.address, ALICE, text("in chunks", *lines), sender="me@source.test", mail_options=["BODY=8BITMIME"])
        us.wait_mailbox(ALICE, 1)
        log = exim.log(1 << 20)
    # CV: the certificate was checked; K: CHUNKING
    assert "CV=yes" in log and re.search(r" => .* K ", log), log
    letter = find_letter(us, ALICE, "in chunks")
    assert (letter.received.protocol, letter.received.tls) == ("ESMTPS", "TLSv1.3")
    assert letter.content.endswith(text("in chunks", *lines).encode())


def test_exim_gives_nothing_to_us_where_our_certificate_does_not_fit(peers, us, authority):
    checked = {"tls_verify_certificates": authority.cert, "tls_verify_hosts": "*", "hosts_require_tls": "*"}
    with peers.Exim("relay", next_hop=us.smtp, onward=checked) as exim:
        send(exim.address, [ALICE], text("not to us"), sender="me@source.test")
        peers.wait_for("a refusal", lambda: "certificate" in exim.log(1 << 20), 15)
        time.sleep(0.5)
        assert exim.queue_count() == 1
    assert us.mailbox(ALICE) == []


def test_exim_passes_utf8_to_us(peers, us):
    us.cli("account", "add", "驿站@yizhan.test", "--no-password")
    sent = text("标题", "你好", sender="发件人@例子.test")
    with peers.Exim("relay", next_hop=us.smtp) as exim:
        send_octets(exim.address, "驿站@yizhan.test", sent, sender="发件人@例子.test", mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        us.wait_mailbox("驿站@yizhan.test", 1)
    letter = find_letter(us, "驿站@yizhan.test", "标题")
    assert letter.return_path == "发件人@例子.test" and letter.received.protocol.startswith("UTF8SMTP")
    assert letter.content.endswith(sent.encode())


def test_exim_reports_whom_we_refused(peers, us):
    """Its own report of our 550 comes to alice by way of us."""
    with peers.Exim("relay", next_hop=us.smtp) as exim:
        send(exim.address, ["ghost@yizhan.test", BOB], text("half refused"))
        octets = only_report(us)
        peers.wait_for("an empty queue", lambda: exim.queue_count() == 0, 10)
    assert len(us.mailbox(BOB)) == 1
    assert re.search(rb"Final-Recipient: rfc822; ?ghost@yizhan\.test", octets) and b"550 5.1.1" in octets
    assert b"bob@yizhan.test" not in octets.split(b"Action: failed")[0].split(b"message/delivery-status")[1]


# -- through us -----------------------------------------------------------------------------------------------

@contextlib.contextmanager
def between(peers, us, **last):
    """Postfix (home.test), us, and Exim (far.test), which hands back to us what is not its own."""
    with home(peers, "postfix", us) as first:
        with peers.Exim("both", next_hop=us.smtp, domains=["far.test"], extra={"dsn_advertise_hosts": "*"}, **last) as exim:
            route(us, "home.test", first)
            route(us, "far.test", exim)
            yield first, exim


@in_make_test
def test_orcpt_goes_from_postfix_through_us_to_exim_and_its_report_back(peers, us):
    with between(peers, us) as (first, exim):
        send(first.address, ["one@far.test"], text("all the way", sender=ME), sender=ME, mail_options=["ENVID=way1"],
             rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;old@source.test"])
        stored = exim.wait(1)[0]
        report = first.wait(1)[0]
        wait_empty(us)
    assert stored.sender == ME and len(received(stored.msg)) == 3
    assert (report.sender, report.rcpt) == ("", ME)
    for line in (rb"Reporting-MTA: dns; exim\.test", rb"Original-Envelope-ID: way1", rb"Action: delivered",
                 rb"Original-Recipient: rfc822; ?old@source\.test", rb"Final-Recipient: rfc822; ?one@far\.test"):
        assert re.search(line, report.raw, re.I), report.raw.decode()


def test_a_catch_all_takes_what_postfix_sends_to_nobody(peers, us):
    us.cli("domain", "add", "all.test")
    us.cli("alias", "add", "@all.test", BOB)
    us.cli("alias", "add", "known@all.test", ALICE)
    with peers.Postfix("relay", next_hop=us.smtp) as first:
        send(first.address, ["whoever@all.test", "known@all.test"], text("for all"), sender=ME)
        us.wait_mailbox(BOB, 1)
        us.wait_mailbox(ALICE, 1)
        peers.wait_for("an empty queue", lambda: first.queue_count() == 0, 10)
    assert len(us.mailbox(BOB)) == len(us.mailbox(ALICE)) == 1
    assert find_letter(us, BOB, "for all").return_path == ME


@in_make_test
def test_an_alias_passes_on_with_a_sender_of_ours_and_the_bounce_goes_home(peers, us):
    """Postfix to an alias of ours, on to Exim, which takes the letter and then cannot deliver it: its report comes to
    the address that SRS made, and from there to who wrote the letter."""
    us.cli("alias", "add", "fwd@yizhan.test", "ghost@far.test", "one@far.test")
    with between(peers, us, bounce=["ghost"]) as (first, exim):
        send(first.address, ["fwd@yizhan.test"], text("passed on", sender=ME), sender=ME)
        stored = exim.wait(1)[0]
        report = first.wait(1)[0]
        wait_empty(us)
        time.sleep(0.5)
        assert len(first.messages()) == len(exim.messages()) == 1
    assert re.fullmatch(r"SRS0=[^=]+=[^=]+=home\.test=me@yizhan\.test", stored.sender), stored.sender
    assert words(stored.raw).endswith(words(text("passed on", sender=ME)))
    assert (report.sender, report.rcpt) == ("", ME)
    assert b"Final-Recipient: rfc822;ghost@far.test" in report.raw.replace(b"rfc822; ", b"rfc822;")
    assert b"Action: failed" in report.raw and us.mailbox(ALICE) == []


def test_a_bounce_address_that_we_did_not_make_is_refused(peers, us):
    """Nobody sends through us what looks like a bounce, and Postfix keeps its report of that to itself."""
    with peers.Postfix("relay", next_hop=us.smtp) as first:
        send(first.address, ["SRS0=abcd=AA=home.test=me@yizhan.test"], text("forged"), sender="")
        peers.wait_for("an empty queue", lambda: first.queue_count() == 0, 15)
        assert "550 5.1.1" in first.log(1 << 20)
    assert us.cli_json("status", "--json")["inbound"]["messages"] == 0


def test_an_alias_that_is_refused_is_reported_to_the_first_sender(peers, us):
    """Exim refuses at RCPT: the report is ours, and names what was written to, too (RFC 3464 section 2.3.1)."""
    us.cli("alias", "add", "fwd@yizhan.test", "ghost@far.test")
    with between(peers, us, refuse=["ghost"]) as (first, exim):
        send(first.address, ["fwd@yizhan.test"], text("refused there", sender=ME), sender=ME)
        stored = first.wait(1)[0]
        wait_empty(us)
        assert exim.messages() == []
    report = Report(stored.raw)
    assert (stored.sender, stored.rcpt) == ("", ME)
    block = report.rcpts["ghost@far.test"]
    assert (block["Action"], block["Status"]) == ("failed", "5.1.1")
    assert typed(block["Original-Recipient"]) == ("rfc822", "fwd@yizhan.test")
