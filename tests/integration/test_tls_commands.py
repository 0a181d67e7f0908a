"""yizhan tls: overrides come and go, with a server and without; reports have the shape of RFC 8460."""

import pytest


def rows(station):
    return {(r["match"], r["level"], r["note"]) for r in station.cli_json("tls", "list", "--json")}


def test_overrides_are_set_listed_and_removed(station):
    assert "what a domain publishes" in station.cli("tls", "list").stdout.decode() or rows(station) == set()
    station.cli("tls", "set", "Example.ORG", "verify", "--note", "a partner")
    station.cli("tls", "set", ".example.org", "encrypt")
    station.cli("tls", "set", "mx.example.net:25", "none")
    station.cli("tls", "set", "bücher.example", "dane-only")
    want = {("example.org", "verify", "a partner"), (".example.org", "encrypt", ""),
            ("[mx.example.net]:25", "none", ""), ("xn--bcher-kva.example", "dane-only", "")}
    assert rows(station) == want
    station.cli("tls", "set", "example.org", "may")
    station.cli("tls", "remove", "mx.example.net:25")
    want = {("example.org", "may", ""), (".example.org", "encrypt", ""), ("xn--bcher-kva.example", "dane-only", "")}
    assert rows(station) == want
    station.stop()
    station.cli("tls", "remove", ".example.org")
    assert rows(station) == want - {(".example.org", "encrypt", "")}
    station.start()
    assert "example.org" in station.cli("tls", "list").stdout.decode()


@pytest.mark.parametrize("words, code, told", [
    (["set", "example.org", "secure"], 64, "none, may, encrypt, verify, dane, dane-only"),
    (["set", "a..b", "may"], 64, "is not a domain name"),
    (["set", "mx.example:99999", "may"], 64, "mx.example:99999"),
    (["remove", "nobody.example"], 65, "no TLS override for 'nobody.example'"),
    (["report", "--day", "yesterday"], 64, "is no day"),
    (["report", "--day", "2026-13-01"], 64, "is no day"),
])
def test_what_cannot_be_is_told(station_shared, words, code, told):
    done = station_shared.cli("tls", *words, check=False)
    assert done.returncode == code, done
    assert told in done.stderr.decode()


def test_a_day_without_sessions_has_no_report(station_shared):
    assert station_shared.cli_json("tls", "report", "--day", "2026-01-01", "--json") == []
    assert station_shared.cli_json("tls", "report", "example.org", "--json") == []
