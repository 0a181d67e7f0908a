"""What leaves is signed: mail of our people, copies of lists, reports; what others wrote is left as it is. Every
signature is verified by python3-dkim with the records that `yizhan key list` shows."""

import email
import os
import re
import smtplib
import ssl
import sys
import time
import urllib.error
import urllib.request

import dkim
import pytest

from station import TOP, Yizhan
from talk import HERMETIC

sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink  # noqa: E402

ALICE, BOB, TEAM = "alice@yizhan.test", "bob@yizhan.test", "team@yizhan.test"
FAR = "zoe@next.test"
CONF = HERMETIC + """
demo = yes
hostname = "yizhan.test"
relay_networks = { "127.0.0.0/8" }
lists { url = "https://lists.yizhan.test" }
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { address = { "127.0.0.1:5870" } protocol = submission }
listener http { address = { "127.0.0.1:8080" } protocol = http }
"""


def letter(subject, author=ALICE, *header, body="Hello, all.\r\n"):
    lines = ["From: Somebody <%s>" % author, "To: " + FAR, "Subject: " + subject,
             "Date: Mon, 23 Nov 2026 12:00:00 +0000", "Message-ID: <%s@yizhan.test>" % re.sub(r"\W", ".", subject), *header]
    return ("".join(line + "\r\n" for line in lines) + "\r\n" + body).encode()


def send(station, to, octets, sender=ALICE, options=()):
    with smtplib.SMTP(*station.smtp, timeout=30) as client:
        assert client.sendmail(sender, [to], octets, options) == {}


def until(fits, station, seconds=20):
    end = time.monotonic() + seconds
    while not fits():
        assert time.monotonic() < end, station.log()
        time.sleep(0.05)
    return fits()


def records(station):
    rows = station.cli_json("key", "list", "--json")
    return {r["name"]: r["record"] for r in rows}


def verdicts(octets, known):
    """(selector, domain, True or the reason) of each signature."""
    seen = []
    for i, value in enumerate(email.message_from_bytes(octets).get_all("DKIM-Signature", [])):
        tags = dict(t.strip().split("=", 1) for t in re.sub(r"\s+", "", value).strip(";").split(";"))
        try:
            good = dkim.DKIM(octets).verify(idx=i, dnsfunc=lambda n, timeout=5: known[n.decode().rstrip(".")].encode())
        except (dkim.DKIMException, KeyError) as e:
            good = repr(e)
        seen.append((tags["s"], tags["d"], good))
    return seen


DEMO = [("demo-rsa", "yizhan.test", True), ("demo-ed", "yizhan.test", True)]


def is_signed(octets, known):
    return sorted(verdicts(octets, known)) == sorted(DEMO)


@pytest.fixture(scope="module")
def world():
    with PySink(caps=["8BITMIME", "SMTPUTF8", "PIPELINING"]) as sink, Yizhan(conf=CONF) as station:
        station.cli("route", "add", "next.test", "127.0.0.1:%d" % sink.address[1])
        until(lambda: len(records(station)) == 2, station)
        station.cli("list", "add", TEAM, "--title", "The team", "--owner", BOB, "--post", "anyone")
        station.cli("list", "member-add", TEAM, ALICE, FAR)
        yield station, sink


@pytest.fixture
def station(world):
    world[1].clear()
    return world[0]


@pytest.fixture
def sink(world):
    return world[1]


def arrived(sink, subject, count=1, seconds=20):
    """Octets of what the far station got under that subject."""
    end = time.monotonic() + seconds
    while True:
        found = [m for m in sink.messages if email.message_from_bytes(m.data)["Subject"] and subject in
                 email.message_from_bytes(m.data)["Subject"]]
        if len(found) >= count:
            return found
        assert time.monotonic() < end
        time.sleep(0.05)


# -- our people and our machines ----------------------------------------------------------------------------------

@pytest.mark.parametrize("body", ["Hello.\r\n", "", "\r\n\r\n", "  \t\r\na  b \r\n\r\n", "x" * 990 + "\r\n", "Grüße\r\n",
                                  "0123456789 \r\n" * 40000], ids=["plain", "empty", "crlf", "blanks", "long", "8bit", "big"])
def test_a_relay_clients_mail_of_our_domain_is_signed(station, sink, body):
    subject = "relay %d %d" % (len(body), ord(body[0]) if body else 0)
    octets = letter(subject, body=body)
    send(station, FAR, octets, options=["BODY=8BITMIME"])
    got = arrived(sink, subject)[0].data
    assert is_signed(got, records(station))
    assert got.endswith(octets), "what was sent stands there, octet by octet"


def test_a_logged_in_users_mail_is_signed_as_it_leaves(station, sink):
    alice = station.account("alice")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", station.ports["submission"], timeout=30) as client:
        client.starttls(context=context)
        client.login(alice.address, alice.password)
        client.sendmail(ALICE, [FAR], b"From: alice@yizhan.test\r\nSubject: submitted\r\nBcc: x@next.test\r\n\r\nHi.\r\n")
    got = arrived(sink, "submitted")[0].data
    assert is_signed(got, records(station))
    message = email.message_from_bytes(got)
    # Date and Message-ID were added before it was signed
    assert message["Date"] and message["Message-ID"] and not message["Bcc"]


def test_what_others_wrote_is_passed_on_as_it_is(station, sink):
    octets = letter("foreign", "someone@elsewhere.example", "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.example; s=x;"
                    " h=from; bh=AAAA; b=AAAA")
    send(station, FAR, octets, sender="someone@elsewhere.example")
    got = arrived(sink, "foreign")[0].data
    assert got.endswith(octets) and b"d=yizhan.test" not in got


def test_a_forward_is_not_signed_again(station, sink):
    station.cli("alias", "add", "forward@yizhan.test", FAR)
    octets = letter("forwarded", "someone@elsewhere.example")
    send(station, "forward@yizhan.test", octets, sender="someone@elsewhere.example")
    got = arrived(sink, "forwarded")[0]
    assert got.data.endswith(octets) and b"DKIM-Signature" not in got.data


# -- lists and reports ---------------------------------------------------------------------------------------------

def test_copies_of_a_list_are_signed_with_its_domain_and_foreign_signatures_stay(station, sink):
    foreign = "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.example; s=x; h=from:subject; bh=AAAA; b=AAAA"
    send(station, TEAM, letter("to the list", "someone@elsewhere.example", foreign), sender="someone@elsewhere.example")
    got = arrived(sink, "to the list")[0].data
    seen = verdicts(got, records(station))
    assert sorted(v for v in seen if v[1] == "yizhan.test") == sorted(DEMO)
    assert foreign.encode() in got
    message = email.message_from_bytes(got)
    for value in message.get_all("DKIM-Signature"):
        names = re.search(r"h=([^;]*)", re.sub(r"\s", "", value)).group(1).lower().split(":")
        if "d=yizhan.test" in value:
            # RFC 8058 section 4
            assert names.count("list-unsubscribe") == 2 and names.count("list-unsubscribe-post") == 2


def test_a_list_that_changes_a_post_signs_what_it_made_of_it(station, sink):
    station.cli("list", "set", TEAM, "--subject-prefix", "[team]", "--footer", "the end")
    send(station, TEAM, letter("changed"))
    got = arrived(sink, "[team] changed")[0].data
    station.cli("list", "set", TEAM, "--subject-prefix", "", "--footer", "")
    assert sorted(v for v in verdicts(got, records(station)) if v[2] is True) == sorted(DEMO)
    assert got.rstrip().endswith(b"the end")


def test_reports_and_questions_are_signed(station, sink):
    with smtplib.SMTP(*station.smtp, timeout=30) as client:
        sink.on("rcpt", "550 5.1.1 nobody", rcpt="gone@next.test")
        client.sendmail(FAR, ["gone@next.test"], letter("will fail", FAR))
    report = arrived(sink, "Undelivered")[0]
    assert is_signed(report.data, records(station))
    send(station, "team-join@yizhan.test", letter("join me", "new@next.test"), sender="new@next.test")
    assert is_signed(arrived(sink, "Please confirm")[0].data, records(station))


# -- never changed after ---------------------------------------------------------------------------------------------

def test_signed_8_bit_mail_goes_back_rather_than_be_changed():
    with PySink(caps=["PIPELINING"]) as seven, Yizhan(conf=CONF) as station:
        station.cli("route", "add", "next.test", "127.0.0.1:%d" % seven.address[1])
        until(lambda: len(records(station)) == 2, station)
        octets = letter("eight bits", body="Grüße\r\n")
        send(station, FAR, octets, options=["BODY=8BITMIME"])
        until(lambda: station.mailbox(ALICE), station)
        report = station.export(ALICE, station.mailbox(ALICE)[0]["uid"])
        assert b"5.6.3" in report and not seven.messages
        # what comes back is what was sent, signatures and all
        part = [p for p in email.message_from_bytes(report).walk() if p.get_content_type() == "message/rfc822"]
        assert "Grüße" in part[0].get_payload(0).get_payload(decode=True).decode()
        send(station, FAR, letter("seven bits"))
        assert is_signed(arrived(seven, "seven bits")[0].data, records(station))


# -- keys come and go ----------------------------------------------------------------------------------------------

def test_a_retired_key_signs_no_more_and_a_new_one_at_once(station, sink):
    station.cli("key", "rotate", "yizhan.test", "--selector", "next")
    known = records(station)
    send(station, FAR, letter("before the turn"))
    assert is_signed(arrived(sink, "before the turn")[0].data, known)
    station.cli("key", "rotate", "yizhan.test", "--finish", "--no-check")
    send(station, FAR, letter("after the turn"))
    assert sorted(verdicts(arrived(sink, "after the turn")[0].data, known)) == [
        ("next-ed", "yizhan.test", True), ("next-rsa", "yizhan.test", True)]
    for selector in ("demo-rsa", "demo-ed"):
        station.cli("key", "activate", "yizhan.test", selector)
    for selector in ("next-rsa", "next-ed"):
        station.cli("key", "retire", "yizhan.test", selector)
    send(station, FAR, letter("and back"))
    assert is_signed(arrived(sink, "and back")[0].data, known)


# -- one click (RFC 8058) ----------------------------------------------------------------------------------------------

def leave_url(station, octets):
    message = email.message_from_bytes(octets)
    value = re.sub(r"\s", "", message["List-Unsubscribe"])
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "<mailto:team-leave@yizhan.test>" in value
    return re.search(r"<https://lists\.yizhan\.test(/[^>]*)>", value).group(1)


def ask(station, path, body=None, kind="application/x-www-form-urlencoded"):
    request = urllib.request.Request("http://127.0.0.1:%d%s" % (station.ports["http"], path), data=body,
                                     headers={"Content-Type": kind} if body else {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(), e.headers


def members(station):
    return {m["address"] for m in station.cli_json("list", "members", TEAM, "--json")}


MULTIPART = (b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n',
             "multipart/form-data; boundary=x")


@pytest.mark.parametrize("body, kind", [(b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"), MULTIPART],
                         ids=["urlencoded", "multipart"])
def test_one_request_ends_one_membership(station, sink, body, kind):
    subject = "leave by " + kind[:9]
    station.cli("list", "member-add", TEAM, FAR, "other@next.test", check=False)
    send(station, TEAM, letter(subject))
    both = arrived(sink, subject, 2)
    assert len({leave_url(station, m.data) for m in both}) == 2
    for m in both:
        # its author's, as it came in, and the list's
        assert sorted(verdicts(m.data, records(station))) == sorted(2 * DEMO)
    path = leave_url(station, both[0].data)
    # a GET changes nothing, and shows a button
    status, page, headers = ask(station, path)
    assert status == 200 and '<form method="post">' in page and "Set-Cookie" not in headers
    # that a browser lets people press
    assert "form-action 'self'" in headers["Content-Security-Policy"]
    before = members(station)
    # nor does a request that does not say it, or an address that is not ours
    assert ask(station, path, b"hello=world", kind)[0] == 400
    list_id, member, mark = path.split("/")[2:]
    for bad in ("/leave/%s/%s/%s" % (list_id, b"bob@yizhan.test".hex(), mark), "/leave/99/%s/%s" % (member, mark),
                "/leave/%s/%s/0000000000000" % (list_id, member), "/leave/x/zz/y"):
        assert ask(station, bad, body, kind)[0] == 404, bad
    assert members(station) == before
    status, page, _ = ask(station, path, body, kind)
    assert status == 200 and "has left" in page
    gone = bytes.fromhex(member).decode()
    assert members(station) == before - {gone}
    # and again: it has left
    assert ask(station, path, body, kind)[0] == 200
    assert "is not a member" in ask(station, path)[1]
    station.cli("list", "member-add", TEAM, FAR)


def test_an_owner_who_leaves_stays_owner(station, sink):
    station.cli("list", "member", "set", TEAM, BOB, "--role", "receives,owner")
    send(station, TEAM, letter("owners too"))
    until(lambda: any("owners too" in m["subject"] for m in station.mailbox(BOB)), station)
    row = [m for m in station.mailbox(BOB) if "owners too" in m["subject"]][0]
    path = leave_url(station, station.export(BOB, row["uid"]))
    assert ask(station, path, b"List-Unsubscribe=One-Click")[0] == 200
    found = {m["address"]: m["role"] for m in station.cli_json("list", "members", TEAM, "--json")}
    assert found[BOB] == ["owner"]
