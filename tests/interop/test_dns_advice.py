"""yizhan dns against real name servers: what is published, what is missing, what is wrong, what cannot be known."""

import json
import os
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for folder in ("tests/integration", "tests/lab"):
    if os.path.join(TOP, folder) not in sys.path:
        sys.path.insert(0, os.path.join(TOP, folder))
from lab import Lab  # noqa: E402
from station import Yizhan  # noqa: E402

CONF = 'demo = yes\nhostname = "mx.ours.example"\n%s'
GOOD = ["@ MX 10 mx.ours.example.", '@ TXT "v=spf1 mx -all"', '_dmarc TXT "v=DMARC1; p=reject"',
        '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:x@ours.example"', "mx A 192.0.2.7"]


def advise(station, *words, code=1):
    done = station.cli("dns", *words, "--json", check=False)
    assert done.returncode == code, done
    rows = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return {(r["type"], r["name"], r["why"].split(":")[0].split(" (")[0] if r["type"] == "TXT" else ""): r for r in rows}


def test_all_that_is_published_is_ok_and_nothing_is_to_be_done():
    with Lab() as lab:
        lab.zone("ours.example", *GOOD)
        lab.ptr("192.0.2.7", "mx.ours.example")
        with Yizhan(conf=CONF % lab.conf()) as station:
            keys = station.cli_json("key", "add", "ours.example", "--json")
            signed = [r["zone"].replace(".ours.example. IN TXT", " TXT") for r in keys]
            lab.zone("ours.example", *GOOD, *signed)
            lab.publish()
            rows = advise(station, "ours.example", code=0)
            assert {r["state"] for r in rows.values()} == {"ok", "optional"}, rows
            assert sorted(r["name"] for r in rows.values() if "DKIM" in r["why"]) == sorted(k["name"] for k in keys)
            assert rows["A", "mx.ours.example", ""]["found"] == ["192.0.2.7"]
            assert rows["PTR", "7.2.0.192.in-addr.arpa", ""]["state"] == "ok"
            tlsa = rows["TLSA", "_25._tcp.mx.ours.example", ""]
            assert tlsa["state"] == "optional" and tlsa["publish"].startswith("3 1 1 ")
            text = station.cli("dns", "ours.example").stdout.decode()
            assert "0 records to publish" in text
            # what is to be published can be published, and is then found right
            lab.zone("ours.example", *GOOD, *signed, "_25._tcp.mx TLSA " + tlsa["publish"])
            lab.publish()
            time.sleep(2.5)  # what was cached has run out
            assert advise(station, "ours.example", code=0)["TLSA", "_25._tcp.mx.ours.example", ""]["state"] == "ok"


def test_what_is_missing_stands_there_as_for_a_zone_file():
    with Lab() as lab:
        lab.zone("ours.example", "mx A 192.0.2.7")
        with Yizhan(conf=CONF % lab.conf()) as station:
            rows = advise(station, "ours.example")
            assert [r["state"] for r in rows.values() if "key add" in r["why"]] == ["missing"]
            assert rows["MX", "ours.example", ""]["state"] == "missing"
            assert rows["TXT", "ours.example", "SPF"]["publish"] == "v=spf1 mx -all"
            zone = station.cli("dns", "--zone", "ours.example", check=False).stdout.decode().splitlines()
            assert "ours.example.\tIN\tMX\t10 mx.ours.example." in zone
            assert 'ours.example.\tIN\tTXT\t"v=spf1 mx -all"' in zone
            assert any(line.startswith('_dmarc.ours.example.\tIN\tTXT\t"v=DMARC1; p=quarantine; rua=mailto:postmaster@ours.example"')
                       for line in zone)
            text = station.cli("dns", "ours.example", check=False).stdout.decode()
            assert "publish" in text and "missing" in text


def test_what_is_wrong_is_told_with_the_reason():
    with Lab() as lab:
        lab.zone("ours.example", "@ MX 10 other.example.", '@ TXT "v=spf1 ip4:198.51.100.0/24 -all"', '@ TXT "v=spf1 mx"',
                 '_dmarc TXT "v=DMARC1; p=none"', '_dmarc TXT "v=DMARC1; p=reject"', "mx A 192.0.2.7",
                 "_25._tcp.mx TLSA 3 1 1 " + "00" * 32)
        lab.ptr("192.0.2.7", "dsl-7.provider.example")
        with Yizhan(conf=CONF % lab.conf()) as station:
            rows = advise(station, "ours.example")
            by = {(r["type"], r["name"]): r for r in rows.values()}
            for key in (("MX", "ours.example"), ("TXT", "ours.example"), ("TXT", "_dmarc.ours.example"),
                        ("PTR", "7.2.0.192.in-addr.arpa"), ("TLSA", "_25._tcp.mx.ours.example")):
                assert by[key]["state"] == "wrong", by[key]
            assert "more than one record" in by["TXT", "ours.example"]["why"]
            assert "will not deliver" in by["TLSA", "_25._tcp.mx.ours.example"]["why"]


def test_signatures_that_are_wrong_are_told_apart_from_silence():
    with Lab() as lab:
        lab.zone("ours.example", *GOOD, broken=["MX"])
        with Yizhan(conf=CONF % lab.conf()) as station:
            rows = advise(station, "ours.example")
            mx = rows["MX", "ours.example", ""]
            assert mx["state"] == "unknown" and "DNSSEC" in mx["why"]


def test_a_server_without_a_name_is_told_to_get_one(tmp_path):
    with Yizhan(conf='demo = yes\nhostname = "localhost"\n') as station:
        done = station.cli("dns", check=False)
        assert done.returncode != 0 and b"set hostname" in done.stderr
