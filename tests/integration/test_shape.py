"""yizhan shape: rows and replies come and go, with a server and without; the queue obeys at once."""

import os
import smtplib
import sys
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink  # noqa: E402

ALICE = "alice@yizhan.test"


def own(station):
    return {r["match"]: r for r in station.cli_json("shape", "list", "--json") if r["source"] == "yours"}


def test_rows_are_set_listed_and_removed(station):
    station.cli("shape", "set", "Example.ORG", "--connections", "3", "--message-rate", "100/1m", "--note", "they asked")
    station.cli("shape", "set", "example.org", "--messages", "7")
    row = own(station)["example.org"]
    assert (row["connections"], row["message_rate"], row["messages"], row["recipients"], row["note"]) == \
        (3, "100/1m", 7, None, "they asked")
    station.cli("shape", "set", "example.org", "--connections", "default")
    assert own(station)["example.org"]["connections"] is None
    station.cli("shape", "set", "mx:.google.com", "--off")
    built = [r for r in station.cli_json("shape", "list", "--json") if r["match"] == "mx:.google.com"]
    assert sorted((r["source"], r["state"]) for r in built) == [("built-in", "off"), ("yours", "switches off")]
    station.stop()
    station.cli("shape", "remove", "mx:.google.com")
    assert set(own(station)) == {"example.org"}
    station.cli("shape", "remove", "example.org")
    assert own(station) == {}
    station.start()
    assert "Gmail" in station.cli("shape", "list").stdout.decode()


def test_each_limit_names_the_row_that_it_comes_from(station):
    def limits(*words):
        return {r["limit"]: (r["value"], r["match"], r["source"])
                for r in station.cli_json("shape", "test", *words, "--json")}

    google = limits("gmail.com", "--mx", "alt1.gmail-smtp-in.l.google.com,gmail-smtp-in.l.google.com")
    assert google["connections"] == ("5", "mx:.google.com", "built-in")
    assert google["message rate"] == ("none", "*", "built-in")
    assert limits("x.test", "--mx", "mx.x.test")["connections"] == ("20", "*", "yizhan.conf")
    station.cli("shape", "set", ".x.test", "--connections", "2")
    station.cli("shape", "set", "*", "--message-rate", "600/1h")
    below = limits("a.x.test", "--mx", "mx.x.test")
    assert below["apart"][0] == ".x.test"
    assert below["connections"] == ("2", ".x.test", "yours")
    assert below["message rate"] == ("600/1h", "*", "yours")
    assert limits("[127.0.0.1]:25")["site"][0].startswith("[127.0.0.1]:25")


def test_replies_come_in_front_of_those_that_are_built_in(station):
    station.cli("shape", "reply-set", "450 *come back", "suspend", "--for", "2h", "--match", "mx:.example.org")
    station.cli("shape", "reply-set", "4xx *greylist", "none", "--note", "not there")
    rows = station.cli_json("shape", "replies", "--json")
    assert [(r["n"], r["pattern"], r["action"], r["pause_s"], r["match"]) for r in rows[:2]] == [
        (1, "450 *come back", "suspend", 7200, "mx:.example.org"), (2, "4xx *greylist", "none", 1800, "*")]
    assert {r["source"] for r in rows[2:]} == {"built-in"}
    station.cli("shape", "reply-set", "451 *later", "slow", "--n", "1")
    assert station.cli_json("shape", "replies", "--json")[0]["pattern"] == "451 *later"
    station.cli("shape", "reply-remove", "1")
    station.cli("shape", "reply-remove", "2")
    assert {r["source"] for r in station.cli_json("shape", "replies", "--json")} == {"built-in"}


@pytest.mark.parametrize("words, code, told", [
    (["set", "example.org"], 64, "say what"),
    (["set", "example.org", "--connections", "0"], 64, "connections: 1 to"),
    (["set", "example.org", "--message-rate", "fast"], 64, "is no rate"),
    (["set", "*.example.org", "--connections", "1"], 64, "is no match"),
    (["set", "example.org", "--on", "--off"], 64, "--off or --on"),
    (["remove", "nobody.example"], 65, "no row of yours"),
    (["reply-set", "*", "slow"], 64, "is no pattern"),
    (["reply-set", "421", "run"], 64, "is no action"),
    (["reply-set", "421", "slow", "--for", "9d"], 64, "a pause is"),
    (["reply-remove", "7"], 65, "no reply 7"),
])
def test_what_cannot_be_is_told(station_shared, words, code, told):
    done = station_shared.cli("shape", *words, check=False)
    assert done.returncode == code, done
    assert told in done.stderr.decode()


def site_of(station, key):
    rows = station.cli_json("queue", "sites", "--json")
    return [r for r in rows if r["site"].startswith(key)]


def wait(predicate, seconds=20):
    end = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_rate_holds_at_once_and_queue_sites_tells_of_it(station):
    with PySink() as sink:
        hop = "[127.0.0.1]:%d" % sink.address[1]
        station.cli("domain", "add", "next.test", "--relay")
        station.cli("route", "add", "next.test", "127.0.0.1:%d" % sink.address[1])
        station.cli("shape", "set", hop, "--message-rate", "1/1h")
        with smtplib.SMTP(*station.smtp, timeout=30) as client:
            for i in range(5):
                client.sendmail(ALICE, ["r%d@next.test" % i], b"Subject: %d\r\n\r\nHello.\r\n" % i)
        wait(lambda: len(sink.messages) == 1)
        wait(lambda: site_of(station, hop)[0]["waiting"] == 4)
        row = site_of(station, hop)[0]
        assert (row["message_rate"], row["connections_max"], row["why"]) == ("1/1h", 20, "")
        assert row["next_at"] is not None
        time.sleep(0.5)
        assert len(sink.messages) == 1
        station.cli("shape", "remove", hop)
        wait(lambda: len(sink.messages) == 5)


def test_queue_sites_tells_of_a_dead_next_hop(station):
    station.cli("domain", "add", "next.test", "--relay")
    station.cli("route", "add", "next.test", "127.0.0.1:1")
    with smtplib.SMTP(*station.smtp, timeout=30) as client:
        client.sendmail(ALICE, ["r@next.test"], b"Subject: x\r\n\r\nHello.\r\n")
    wait(lambda: [r["state"] for r in site_of(station, "[127.0.0.1]:1")] == ["down"])
    row = site_of(station, "[127.0.0.1]:1")[0]
    assert "refused" in row["why"] and row["next_at"] == row["until"] is not None
    assert "down" in station.cli("queue", "sites").stdout.decode()
