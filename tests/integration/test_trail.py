"""The station log: what happened to a letter, by queue id and Message-ID, without reading the log."""

import json
import re
import subprocess

import pytest
from station import HOST, Yizhan
from test_next_hop import BODY, PySink, relay, send, sink, wait_queue, waits_with  # noqa: F401

LETTER = "Message-ID: <one@client.test>\r\n" + BODY


def trail(station, word, *more):
    rows = json.loads(station.cli("trace", word, "--json", *more).stdout)
    return rows


def events(rows, kind=None):
    return [r for r in rows if r["what"] == "event" and kind in (None, r["event"])]


def test_a_letter_that_was_passed_on_has_session_route_and_reply(station, sink):
    relay(station, sink)
    send(station, ["r@next.test", "alice@yizhan.test"], LETTER)
    sink.wait(1)
    wait_queue(station, lambda rows: not rows)
    rows = trail(station, "one@client.test")
    letter = rows[0]
    assert letter["what"] == "letter" and letter["message_id"] == "one@client.test"
    accepted, = events(rows, "accepted")
    assert accepted["facts"]["from"] == "alice@yizhan.test" and accepted["facts"]["peer"] == HOST
    became = {r["to"]: r["became"] for r in accepted["facts"]["recipients"]}
    assert became["alice@yizhan.test"] == [{"address": "alice@yizhan.test", "mailbox": "INBOX"}]
    assert became["r@next.test"][0]["destination"] == "[127.0.0.1]:%d" % sink.address[1]
    delivered, = events(rows, "delivered")
    assert delivered["recipient"] == "r@next.test" and delivered["facts"]["code"] == 250
    assert delivered["conversation"] == ""  # only what went wrong is kept
    steps = delivered["facts"]["steps"]  # how long it took is kept of all
    assert [s["step"] for s in steps] == ["policy", "connect"] and steps[1]["host"] == delivered["facts"]["host"]
    assert all(s["at"] <= delivered["at"] and s["ms"] >= 0 and "failed" not in s for s in steps), steps
    # the queue id says the same as the Message-ID does
    assert trail(station, letter["id"]) == rows
    assert trail(station, "<one@client.test>") == rows


def test_a_letter_that_waits_says_why_and_what_was_said(station, sink):
    relay(station, sink)
    sink.on("rcpt", "451 4.2.1 come back later")
    send(station, ["r@next.test"], LETTER)
    wait_queue(station, waits_with("come back"))
    rows = trail(station, "one@client.test")
    deferred, = events(rows, "deferred")
    assert "come back later" in deferred["facts"]["reply"] and deferred["facts"]["next_s"] > 0
    talk = deferred["conversation"]
    assert "C: RCPT TO:<r@next.test>" in talk and "S: 451 4.2.1 come back later" in talk and "S: 220 " in talk
    assert "Hello." not in talk
    waiting, = [r for r in rows if r["what"] == "waiting"]
    assert waiting["recipient"] == "r@next.test" and waiting["next_at"]
    shown = station.cli("trace", "one@client.test", "--conversation").stdout.decode()
    assert "deferred" in shown and "come back later" in shown and "| C: RCPT TO" in shown and "waiting" in shown
    assert re.search(r" connect \d+ ms \[127\.0\.0\.1\]:%d\n" % sink.address[1], shown), shown
    # and where nobody answered, which step it was that failed
    with PySink() as gone:
        relay(station, gone, "gone.test")
    send(station, ["r@gone.test"], LETTER.replace("one@", "two@"))
    wait_queue(station, lambda rows: len(rows) == 2 and all(r["last"] for r in rows))
    deferred, = events(trail(station, "two@client.test"), "deferred")
    last = deferred["facts"]["steps"][-1]
    assert last["step"] == "connect" and last["failed"] and "refused" in last["text"].lower(), deferred
    assert deferred["conversation"] == ""
    assert re.search(r" connect \d+ ms \[127.*: failed: ", station.cli("trace", "two@client.test").stdout.decode())



def test_a_report_stands_below_the_letter_that_it_is_about(station, sink):
    relay(station, sink)
    sink.on("rcpt", "550 5.1.1 nobody")
    send(station, ["r@next.test"], LETTER)
    wait_queue(station, lambda rows: not rows)
    rows = trail(station, "one@client.test")
    kinds = [r.get("event", r["what"]) for r in rows]
    assert kinds == ["letter", "accepted", "failed", "reported", "letter", "accepted"], rows
    assert rows[4]["parent"] == rows[0]["id"] and rows[4]["depth"] == 1
    assert rows[3]["recipient"] == "alice@yizhan.test"


def test_what_was_refused_at_its_end_is_found_too(station):
    body = "Received: from a by b; Mon, 23 Nov 2026 06:00:00 +0000\r\n" * 60 + LETTER
    with pytest.raises(Exception, match="5.4.6"):
        send(station, ["alice@yizhan.test"], body)
    refused, = events(trail(station, "one@client.test"))
    assert refused["event"] == "refused" and refused["facts"]["code"] == 554


def test_the_log_outlives_the_server_and_is_read_without_it(station, sink):
    send(station, ["alice@yizhan.test"], LETTER)
    before = trail(station, "one@client.test")
    station.stop()
    assert trail(station, "one@client.test") == before


def test_a_word_that_nothing_has_is_told_so(station):
    for word in ("nobody@nowhere.test", "0SAM6KNS40001"):
        with pytest.raises(Exception) as caught:
            station.cli("trace", word)
        assert "station log has no letter" in str(caught.value)


def test_what_a_peer_said_cannot_draw_on_the_terminal(station, sink):
    relay(station, sink)
    sink.on("rcpt", b"451 4.2.1 \x1b[31mred\x07\r\n")
    send(station, ["r@next.test"], LETTER)
    wait_queue(station, lambda rows: rows and rows[0]["last"])
    shown = station.cli("trace", "one@client.test", "--conversation").stdout.decode()
    assert "\x1b" not in shown and "\\x1b" in shown


def test_nothing_is_kept_when_nothing_is_to_be_kept():
    with Yizhan(conf="demo = yes\ntrail {\n\tkeep = 0\n}\n") as station:
        send(station, ["alice@yizhan.test"], LETTER)
        with pytest.raises(Exception, match="no letter"):
            station.cli("trace", "one@client.test")
        assert station.cli_json("status", "--json")["trail"]["written"] == 0
