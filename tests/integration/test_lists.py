"""Mailing lists in a running server: joining by mail, posting, moderation, loops, bounces, and a thousand members who
get each post once, whatever happens."""

import email
import email.header
import email.utils
import os
import re
import smtplib
import sqlite3
import sys
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink  # noqa: E402

ALICE, BOB, TEAM = "alice@yizhan.test", "bob@yizhan.test", "team@yizhan.test"
ZOE, DOMAIN = "zoe@next.test", "next.test"


def part(name, tag=""):
    return "team-%s%s@yizhan.test" % (name, "+" + tag if tag else "")


def letter(subject, author=ALICE, *header, body="Hello, all.\r\n"):
    lines = ["From: Somebody <%s>" % author, "To: " + TEAM, "Subject: " + subject, *header]
    return "".join(line + "\r\n" for line in lines) + "\r\n" + body


def send(station, to, octets, sender=ALICE):
    with smtplib.SMTP(*station.smtp, timeout=30) as client:
        assert client.sendmail(sender, [to] if isinstance(to, str) else to, octets.encode(),
                               ["BODY=8BITMIME"]) == {}


def until(fits, station, seconds=20):
    end = time.monotonic() + seconds
    while True:
        value = fits()
        if value:
            return value
        assert time.monotonic() < end, station.log()
        time.sleep(0.05)


def rows(station):
    found = station.cli_json("queue", "list", "--json")
    return found if isinstance(found, list) else [found]


def rest(station):
    """Until nothing is under way."""
    until(lambda: not rows(station), station)


def letters(station, address, subject):
    """What is in a mailbox here under that subject (a part of it)."""
    found = [station.export(address, row["uid"]) for row in station.mailbox(address) if subject in row["subject"]]
    return [email.message_from_bytes(octets) for octets in found]


def one(station, address, subject):
    return until(lambda: letters(station, address, subject), station)[0]


def members(station, name=TEAM):
    return {m["address"]: m for m in station.cli_json("list", "members", name, "--json")}


def logged(station, event, text):
    return sum(event in line and text in line for line in station.log(last=1 << 24).splitlines())


@pytest.fixture
def sink():
    with PySink() as there:
        yield there


@pytest.fixture
def team(station, sink):
    """A server with the list, its members alice, bob (owner) and zoe, who is far away."""
    station.cli("route", "add", DOMAIN, "127.0.0.1:%d" % sink.address[1])
    station.cli("list", "add", TEAM, "--title", "The team", "--owner", BOB)
    station.cli("list", "member-add", TEAM, ALICE, ZOE)
    return station


# -- joining and leaving --------------------------------------------------------------------------------------

def test_joining_and_leaving_want_a_confirmation(station, sink):
    station.cli("list", "add", TEAM, "--owner", BOB)
    send(station, part("join"), letter("let me in"))
    asked = one(station, ALICE, "Please confirm: join")
    assert re.fullmatch(r"team-confirm\+[^@]+@yizhan\.test", email.utils.parseaddr(asked["From"])[1])
    assert asked["Auto-Submitted"] and asked["Return-Path"] == "<>"
    assert ALICE not in members(station)
    confirm = email.utils.parseaddr(asked["From"])[1]
    send(station, confirm, letter("Automatic reply", ALICE, "Auto-Submitted: auto-replied"))
    rest(station)
    assert ALICE not in members(station)
    send(station, confirm, letter("Re: Please confirm"))
    one(station, ALICE, "Welcome")
    assert members(station)[ALICE]["role"] == ["receives"]
    # a token is good once
    send(station, confirm, letter("again"))
    assert "5.1.1" in one(station, ALICE, "Undelivered").as_string()

    send(station, part("leave"), letter("let me out"))
    confirm = email.utils.parseaddr(one(station, ALICE, "Please confirm: leave")["From"])[1]
    assert ALICE in members(station)
    send(station, confirm, letter("Re: Please confirm"))
    one(station, ALICE, "You have left")
    assert list(members(station)) == [BOB]


def test_who_is_far_away_joins_by_the_request_address(station, sink):
    station.cli("route", "add", DOMAIN, "127.0.0.1:%d" % sink.address[1])
    station.cli("list", "add", TEAM)
    send(station, part("request"), letter("Subscribe", ZOE), sender=ZOE)
    # asked twice within the hour: told once
    send(station, part("join"), letter("and again", ZOE), sender=ZOE)
    asked = email.message_from_bytes(sink.wait(1)[0].data)
    send(station, email.utils.parseaddr(asked["From"])[1], letter("yes", ZOE), sender=ZOE)
    until(lambda: ZOE in members(station), station)
    rest(station)
    assert ["Please confirm", "Welcome to"] == [email.message_from_bytes(m.data)["Subject"][:n] for m, n in
                                                zip(sink.messages, (14, 10))]
    assert len(sink.messages) == 2


def test_where_owners_say_who_joins_they_are_asked(team):
    team.cli("list", "set", TEAM, "--join", "owners")
    send(team, part("join"), letter("me too", "new@next.test"), sender="new@next.test")
    asked = one(team, BOB, "Wants to join: new@next.test")
    assert "new@next.test" in asked.get_payload()
    rest(team)
    assert "new@next.test" not in members(team)


# -- posts ----------------------------------------------------------------------------------------------------

def test_a_post_goes_to_members_here_and_far_away(team, sink):
    team.cli("list", "member-add", TEAM, "asleep@next.test", "--state", "paused")
    team.cli("list", "member-add", TEAM, "writer@next.test", "--role", "trusted")
    signed = letter("news", ALICE, "DKIM-Signature: v=1; a=rsa-sha256; d=yizhan.test; s=x; b=AAAA",
                    "List-Id: <other.example>", body="Hello, all.\r\n.leading dot\r\n")
    send(team, TEAM, signed)
    far = sink.wait(1)[0]
    assert far.rcpts == [ZOE]
    assert re.fullmatch(r"team-bounces\+[^@]+@yizhan\.test", far.sender)
    rest(team)
    assert len(sink.messages) == 1
    seen = [email.message_from_bytes(far.data)] + [one(team, who, "news") for who in (ALICE, BOB)]
    paths = {far.sender}
    for m in seen:
        assert "<team.yizhan.test>" in m["List-Id"] and len(m.get_all("List-Id")) == 1
        want = {"List-Post": TEAM, "List-Help": part("request"), "List-Subscribe": part("join"),
                "List-Unsubscribe": part("leave"), "List-Owner": part("owner")}
        assert {k: m[k] for k in want} == {k: "<mailto:%s>" % v for k, v in want.items()}
        assert m["From"] == "Somebody <%s>" % ALICE and m["DKIM-Signature"] and m["Subject"] == "news"
        assert m.get_payload() == "Hello, all.\r\n.leading dot\r\n"
        if m["Return-Path"]:
            paths.add(m["Return-Path"].strip("<>"))
    assert len(paths) == 3  # each member has a way back of their own
    for who in (ALICE, BOB):
        assert len(letters(team, who, "news")) == 1


def test_what_a_list_changes(team, sink):
    team.cli("list", "set", TEAM, "--subject-prefix", "[team]", "--footer", "Good bye", "--reply-to-list",
             "--from-rewrite", "always")
    send(team, TEAM, letter("changed", ZOE), sender=ZOE)
    m = one(team, ALICE, "changed")
    assert m["Subject"] == "[team] changed"
    assert email.utils.parseaddr(m["From"]) == ("Somebody via The team", TEAM)
    assert email.utils.parseaddr(m["Reply-To"])[1] == TEAM
    assert m.get_payload() == "Hello, all.\r\n\r\n-- \r\nGood bye\r\n"
    send(team, TEAM, letter("Re: [team] changed", ZOE), sender=ZOE)
    assert one(team, ALICE, "Re: ")["Subject"] == "Re: [team] changed"
    team.cli("list", "set", TEAM, "--subject-prefix", "[队]")
    team.cli("list", "set", TEAM, "--footer", "再见")
    send(team, TEAM, letter("third", ZOE), sender=ZOE)
    m = one(team, ALICE, "third")
    assert "再见" not in str(m.get_payload(decode=True), "utf-8")
    send(team, TEAM, letter("fourth", ZOE, "Content-Type: text/plain; charset=UTF-8", "Content-Transfer-Encoding: 8bit",
                            "X-Auto-Response-Suppress: OOF", body="你好\r\n"), sender=ZOE)
    assert one(team, ALICE, "fourth").get_payload(decode=True).decode() == "你好\r\n\r\n-- \r\n再见\r\n"
    assert m["Subject"].isascii() and str(email.header.make_header(email.header.decode_header(m["Subject"]))).startswith(
        "[队]")


def test_a_member_who_is_an_alias_of_many_loses_nobody(team):
    """Also where a letter of five hundred recipients is just full."""
    many = ["m%03d@next.test" % i for i in range(495)]
    team.cli("list", "import", TEAM, "-", input="\n".join(many).encode())
    everybody = ["p%02d@next.test" % i for i in range(40)]
    team.cli("alias", "add", "zz-all@yizhan.test", *everybody)
    team.cli("list", "member-add", TEAM, "zz-all@yizhan.test")
    with PySink() as sink:
        team.cli("route", "set", DOMAIN, "127.0.0.1:%d" % sink.address[1])
        send(team, TEAM, letter("to all"))
        want = sorted(many + everybody + [ZOE])
        until(lambda: sum(len(m.rcpts) for m in sink.messages) >= len(want), team, 40)
        rest(team)
        assert sorted(r for m in sink.messages for r in m.rcpts) == want


# -- who may not ----------------------------------------------------------------------------------------------

def test_a_closed_list_refuses_strangers_and_tells_them_once(team, sink):
    stranger = "stranger@next.test"
    for subject in ("first", "second"):
        send(team, TEAM, letter(subject, stranger), sender=stranger)
        rest(team)
    told = sink.wait(1)
    assert told[0].sender == "" and told[0].rcpts == [stranger]
    assert b"only members of this list may post" in told[0].data.replace(b"\r\n ", b" ")
    # who is named as the author by others is not written to
    send(team, TEAM, letter("forged", "victim@next.test"), sender="spammer@next.test")
    team.cli("list", "set", TEAM, "--post", "owners")
    send(team, TEAM, letter("from a member"))
    assert "only the owners" in one(team, ALICE, "Undelivered").as_string().replace("\r\n ", " ")
    send(team, TEAM, letter("from an owner", BOB), sender=BOB)
    assert one(team, ALICE, "from an owner")["List-Post"] == "NO"
    rest(team)
    assert [m.rcpts for m in sink.messages] == [[stranger], [ZOE]]


def test_what_nobody_wrote_is_not_posted(team, sink):
    send(team, TEAM, letter("out of office", ALICE, "Auto-Submitted: auto-replied"))
    send(team, TEAM, letter("a report"), sender="")
    send(team, TEAM, letter("bulk", ALICE, "Precedence: bulk"))
    send(team, TEAM, letter("two authors", ALICE + ">, <" + BOB))
    send(team, TEAM, letter("written by a person", ALICE, "Auto-Submitted: no"))
    one(team, BOB, "written by a person")
    rest(team)
    assert [row["subject"] for row in team.mailbox(BOB)] == ["written by a person"]
    assert len(sink.messages) == 1
    team.cli("list", "set", TEAM, "--max-size", "2K")
    send(team, TEAM, letter("long", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 40))
    assert "longer than this list allows" in letters_of_refusal(team)


def letters_of_refusal(station):
    until(lambda: len(letters(station, ALICE, "Undelivered")) >= 2, station)
    return " ".join(m.as_string().replace("\r\n ", " ") for m in letters(station, ALICE, "Undelivered"))


def held(station):
    return station.cli_json("list", "held", TEAM, "--json")


def test_a_held_post_waits_for_a_word(team, sink):
    team.cli("list", "set", TEAM, "--post", "moderated")
    send(team, TEAM, letter("good one", ZOE), sender=ZOE)
    send(team, TEAM, letter("bad one", ZOE), sender=ZOE)
    until(lambda: len(held(team)) == 2, team)
    waiting = {h["subject"]: h for h in held(team)}
    assert waiting["good one"]["address"] == ZOE
    until(lambda: all(r["state"] == "waiting" for r in rows(team)) and len(rows(team)) == 2, team)
    assert all("moderator" in r["last"]["text"] for r in rows(team))
    assert team.cli_json("list", "show", TEAM, "--json")["held"] == 2
    one(team, BOB, "Waits for approval: good one")
    assert letters(team, ALICE, "good one") == []
    # a restart forgets nothing
    team.kill9()
    team.start()
    assert len(held(team)) == 2
    wrong = team.cli("list", "approve", TEAM, waiting["good one"]["token"], "nonsense", check=False)
    assert wrong.returncode == 65
    team.cli("list", "approve", TEAM, waiting["good one"]["token"])
    team.cli("list", "reject", TEAM, waiting["bad one"]["token"])
    one(team, ALICE, "good one")
    refused = until(lambda: [m for m in sink.messages if m.sender == ""], team)
    assert refused[0].rcpts == [ZOE]
    assert b"a moderator of the list has refused it" in refused[0].data.replace(b"\r\n ", b" ")
    rest(team)
    assert held(team) == []
    assert letters(team, ALICE, "bad one") == [] and len(letters(team, ALICE, "good one")) == 1
    # who is trusted does not wait
    team.cli("list", "member-set", TEAM, ALICE, "--role", "receives,trusted")
    send(team, TEAM, letter("at once"))
    one(team, BOB, "at once")


def test_a_moderator_decides_by_mail(team, sink):
    team.cli("list", "set", TEAM, "--post", "moderated")
    for subject in ("yes please", "no thanks"):
        send(team, TEAM, letter(subject, ZOE), sender=ZOE)
        asked = one(team, BOB, "Waits for approval: " + subject)
        confirm = re.search(r"team-confirm\+\S+@yizhan\.test", asked.get_payload()).group()
        send(team, confirm, letter("reject" if "no" in subject else "Re: approval", BOB), sender=BOB)
        rest(team)
    assert len(letters(team, ALICE, "yes please")) == 1
    assert letters(team, ALICE, "no thanks") == []
    assert sum(m.sender == "" and m.rcpts == [ZOE] for m in sink.messages) == 1


def test_posts_that_wait_go_back_when_the_list_is_removed(team, sink):
    team.cli("list", "set", TEAM, "--post", "moderated")
    send(team, TEAM, letter("too late", ZOE), sender=ZOE)
    until(lambda: held(team), team)
    until(lambda: [r["state"] for r in rows(team)] == ["waiting"], team)
    team.cli("list", "remove", TEAM)
    rest(team)
    assert sum(m.sender == "" and m.rcpts == [ZOE] for m in sink.messages) == 1


# -- addresses of the list ------------------------------------------------------------------------------------

def test_owners_and_moderators_have_addresses(team, sink):
    team.cli("list", "member-set", TEAM, ZOE, "--role", "moderator")
    send(team, part("owner"), letter("a question", "any@body.example"), sender="any@body.example")
    assert one(team, BOB, "a question")["List-Id"] is None
    send(team, part("moderate"), letter("for both", "any@body.example"), sender="any@body.example")
    one(team, BOB, "for both")
    assert sink.wait(1)[0].rcpts == [ZOE]
    send(team, part("request"), letter("what is this?"))
    assert part("leave") in one(team, ALICE, "How The team works").get_payload()
    rest(team)
    assert len(sink.messages) == 1 and letters(team, ALICE, "a question") == []


# -- loops ----------------------------------------------------------------------------------------------------

def test_a_list_in_itself_and_lists_in_each_other_end(team, sink):
    other = "other@yizhan.test"
    team.cli("list", "add", other, "--post", "anyone")
    team.cli("list", "set", TEAM, "--post", "anyone")
    team.cli("list", "member-add", TEAM, TEAM, other)
    team.cli("list", "member-add", other, TEAM, "omar@next.test")
    send(team, TEAM, letter("round and round"))
    sink.wait(2)
    rest(team)
    time.sleep(0.3)
    rest(team)
    assert sorted(r for m in sink.messages for r in m.rcpts) == ["omar@next.test", ZOE]
    assert len(letters(team, ALICE, "round and round")) == len(letters(team, BOB, "round and round")) == 1
    assert not any(m["bounce_score"] for m in members(team).values())  # a loop is no member's fault
    # nor when it comes back from outside
    came = sink.messages[0].data.decode()
    send(team, TEAM, came, sender="mirror@next.test")
    rest(team)
    assert len(letters(team, ALICE, "round and round")) == 1


# -- bounces --------------------------------------------------------------------------------------------------

def report(status="5.1.1", action="failed", rcpt=ZOE):
    return ("From: MAILER-DAEMON@next.test\r\nSubject: failed\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
            "--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
            "Reporting-MTA: dns; next.test\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\n"
            "\r\n--b--\r\n" % (rcpt, action, status))


def test_bounces_are_counted_and_forged_ones_are_not(team, sink):
    send(team, TEAM, letter("the first"))
    back = sink.wait(1)[0].sender
    tag = re.search(r"\+([^@]+)@", back).group(1)
    forged = part("bounces", ("a" if tag[0] != "a" else "b") + tag[1:])
    for address, sender in ((forged, ""), (part("bounces"), ""), (back, "x@next.test")):
        send(team, address, report(), sender=sender)
    rest(team)
    assert all(m["bounce_score"] == 0 for m in members(team).values())
    send(team, back, report(action="delayed", status="4.4.1"), sender="")
    rest(team)
    assert members(team)[ZOE]["bounce_score"] == 0
    send(team, back, report(status="4.2.2"), sender="")
    until(lambda: members(team)[ZOE]["bounce_score"] == 25, team)
    send(team, back, report(), sender="")  # not twice in 20 hours
    rest(team)
    assert members(team)[ZOE]["bounce_score"] == 25
    assert {m["bounce_score"] for a, m in members(team).items() if a != ZOE} == {0}


def test_who_bounces_too_often_is_suspended_and_comes_back(team, sink):
    send(team, TEAM, letter("the first"))
    back = sink.wait(1)[0].sender
    rest(team)
    team.stop()
    with sqlite3.connect(os.path.join(team.data, "yizhan.db")) as db:  # as after some weeks
        assert db.execute("UPDATE list_member SET bounce_score = 450 WHERE address = ?", (ZOE,)).rowcount == 1
    db.close()
    team.start()
    send(team, back, report(), sender="")
    assert ZOE in one(team, BOB, "Member suspended").get_payload()
    assert members(team)[ZOE]["state"] == "bouncing"
    asked = email.message_from_bytes(sink.wait(2)[1].data)
    assert asked["Subject"] == "Your mailing list mail was stopped"
    send(team, TEAM, letter("unseen"))
    one(team, BOB, "unseen")
    rest(team)
    assert len(sink.messages) == 2
    send(team, email.utils.parseaddr(asked["From"])[1], letter("I am here", ZOE), sender=ZOE)
    until(lambda: members(team)[ZOE]["state"] == "active", team)
    assert members(team)[ZOE]["bounce_score"] == 0
    send(team, TEAM, letter("seen"))
    until(lambda: any(b"Subject: seen" in m.data for m in sink.messages), team)


def test_a_copy_that_is_refused_at_the_door_counts(team, sink):
    sink.on("rcpt", "550 5.1.1 nobody of that name", rcpt=ZOE)
    send(team, TEAM, letter("to nobody"))
    until(lambda: members(team)[ZOE]["bounce_score"] == 100, team)
    rest(team)
    assert letters(team, ALICE, "Undelivered") == []  # the author has nothing to do with it


# -- a crash --------------------------------------------------------------------------------------------------

def test_a_thousand_members_get_a_post_once_over_a_kill(team):
    many = ["m%04d@next.test" % i for i in range(1000)]
    team.cli("list", "import", TEAM, "-", input="\n".join(many).encode())
    team.cli("list", "member-remove", TEAM, ZOE)
    with PySink() as sink:
        # nobody listens yet: copies wait, and the kill comes at some moment of the making
        with PySink() as closed:
            port = closed.address[1]
        team.cli("route", "set", DOMAIN, "127.0.0.1:%d" % port)
        send(team, TEAM, letter("to a thousand"))
        team.kill9()
        team.start()
        until(lambda: len(rows(team)) >= 1000, team, 40)
        team.kill9()
        team.start()
        assert len(rows(team)) == 1000
        team.cli("route", "set", DOMAIN, "127.0.0.1:%d" % sink.address[1])
        team.cli("queue", "reroute", "--destination", rows(team)[0]["destination"],
                 "127.0.0.1:%d" % sink.address[1])
        team.cli("queue", "retry", "--all")
        until(lambda: sum(len(m.rcpts) for m in sink.messages) >= 1000, team, 60)
        rest(team)
        assert sorted(r for m in sink.messages for r in m.rcpts) == many
    assert len(letters(team, ALICE, "to a thousand")) == len(letters(team, BOB, "to a thousand")) == 1
    team.cli("check")
