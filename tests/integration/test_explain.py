"""yizhan explain: the plan of a message before there is one."""

import json

from test_next_hop import relay, sink  # noqa: F401


def plan(station, *words):
    return [json.loads(line) for line in station.cli("explain", *words, "--json").stdout.decode().splitlines()]


def told(rows, part):
    return [(r["text"], r["decided_by"]) for r in rows if r["part"] == part]


def test_a_mailbox_here_is_taken_from_anybody(station):
    rows = plan(station, "x@far.example", "alice@yizhan.test")
    assert any("is taken" in text for text, _ in told(rows, "verdict"))
    assert not told(rows, "hosts")


def test_what_is_refused_is_told_with_its_reply(station):
    (text, _), = told(plan(station, "x@far.example", "nobody@yizhan.test"), "verdict")
    assert "550 5.1.1" in text
    (text, _), = told(plan(station, "x@far.example", "y@elsewhere.example"), "verdict")
    assert "550 5.7.1" in text


def test_the_row_that_decides_is_named(station, sink):
    relay(station, sink)
    station.cli("alias", "add", "team@yizhan.test", "r@next.test")
    rows = plan(station, "alice@yizhan.test", "team@yizhan.test")
    assert any("team@yizhan.test" in by for _, by in told(rows, "route")), rows
    hosts = told(rows, "hosts")
    assert hosts and "127.0.0.1:%d" % sink.address[1] in hosts[0][0] and hosts[0][1] == "the route"
    limits = dict((text, by) for text, by in told(rows, "limits"))
    assert any("built-in" in by or "yizhan.conf" in by for by in limits.values()), limits
    station.cli("shape", "set", "*", "--connections", "3")
    assert ("3 connections at a time" in dict(told(plan(station, "a@b.example", "r@next.test"), "limits")))


def test_the_tls_policy_and_its_reason_are_in_it(station, sink):
    relay(station, sink)
    hop = "[127.0.0.1]:%d" % sink.address[1]
    station.cli("tls", "set", hop, "verify")
    rows = plan(station, "a@b.example", "r@next.test")
    assert [("verify" in text, hop in by) for text, by in told(rows, "tls")] == [(True, True)], rows


def test_a_client_that_may_relay_is_known_by_its_network(make_station):
    station = make_station(conf='demo = yes\nrelay_networks = { "192.0.2.0/24" }\n')
    rows = plan(station, "a@b.example", "x@nowhere.invalid", "--ip", "192.0.2.9")
    assert any("may send to anywhere" in text for text, _ in told(rows, "client"))
    assert any("is taken" in text for text, _ in told(rows, "verdict"))


def test_nothing_is_sent_and_nothing_is_kept(station, sink):
    relay(station, sink)
    plan(station, "alice@yizhan.test", "r@next.test")
    assert not sink.sessions and station.cli_json("queue", "list", "--json") == []


def test_a_wrong_word_is_told(station):
    done = station.cli("explain", "a@b.example", "alice@yizhan.test", "--ip", "nonsense", check=False)
    assert done.returncode != 0 and b"no IP address" in done.stderr
