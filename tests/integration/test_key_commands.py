"""yizhan key: keys are made, shown, checked in DNS, rotated, retired, removed, taken over and given out."""

import json
import os
import re
import stat
import subprocess
import time

import dkim
import pytest

from station import Yizhan

DOMAIN = "ours.example"


def keys(station, *words):
    rows = station.cli_json("key", "list", *words, "--json")
    return {r["selector"]: r for r in (rows if isinstance(rows, list) else [rows])}


def states(station, domain=DOMAIN):
    return {s: r["state"] for s, r in keys(station, domain).items()}


def fails(station, *words):
    done = station.cli("key", *words, check=False)
    assert done.returncode not in (0, 70) and b"yizhan: " in done.stderr, done
    return done.stderr.decode()


def test_the_first_keys_sign_at_once_and_later_ones_wait(station):
    made = station.cli_json("key", "add", DOMAIN, "--json")
    assert [(r["algorithm"], r["bits"], r["state"]) for r in made] == [("rsa", 2048, "active"), ("ed25519", 256, "active")]
    assert all(re.fullmatch(r"\d{8}-(rsa|ed)", r["selector"]) for r in made)
    for r in made:
        assert r["name"] == "%s._domainkey.%s" % (r["selector"], DOMAIN)
        assert r["record"].startswith("v=DKIM1; k=%s; h=sha256; p=" % r["algorithm"])
        strings = re.findall(r'"([^"]*)"', r["zone"])
        assert "".join(strings) == r["record"] and max(map(len, strings)) <= 255
        assert r["zone"].startswith(r["name"] + ". IN TXT ")
    later = station.cli_json("key", "add", DOMAIN, "--algorithm", "ed25519", "--selector", "later", "--json")
    later = later[0] if isinstance(later, list) else later
    assert (later["selector"], later["state"], later["bits"]) == ("later", "pending", 256)
    now = station.cli_json("key", "add", DOMAIN, "--algorithm", "ed25519", "--selector", "now", "--activate", "--json")
    assert (now[0] if isinstance(now, list) else now)["state"] == "active"
    assert "already" in fails(station, "add", DOMAIN, "--algorithm", "rsa", "--selector", "later")
    assert "not a domain" in fails(station, "add", "no domain")
    assert "not a selector" in fails(station, "add", DOMAIN, "--selector", "a b")
    assert "bits" in fails(station, "add", DOMAIN, "--bits", "1024")
    # nothing that is printed is secret
    assert "PRIVATE" not in station.cli("key", "list").stdout.decode() + station.cli("key", "show", DOMAIN).stdout.decode()


def test_a_key_goes_from_pending_to_active_to_retiring_and_away(station):
    station.cli("key", "add", DOMAIN, "--algorithm", "ed25519", "--selector", "a")
    station.cli("key", "add", DOMAIN, "--algorithm", "ed25519", "--selector", "b")
    assert states(station) == {"a": "active", "b": "pending"}
    assert "pending" in fails(station, "retire", DOMAIN, "b")
    assert "active" in fails(station, "remove", DOMAIN, "a")
    station.cli("key", "activate", DOMAIN, "b")
    station.cli("key", "retire", DOMAIN, "a")
    assert states(station) == {"a": "retiring", "b": "active"}
    assert "week" in fails(station, "remove", DOMAIN, "a")
    station.cli("key", "remove", DOMAIN, "a", "--force")
    assert states(station) == {"b": "active"}
    assert "no key" in fails(station, "activate", DOMAIN, "nobody")
    # without a server, too
    station.stop()
    station.cli("key", "add", DOMAIN, "--algorithm", "ed25519", "--selector", "offline")
    assert states(station) == {"b": "active", "offline": "pending"}
    station.start()


def test_keys_are_taken_over_and_given_out(station, tmp_path):
    pem = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(pem)],
                   check=True, stderr=subprocess.DEVNULL)
    station.cli("key", "import", DOMAIN, str(pem), "--selector", "old")
    out = tmp_path / "out.pem"
    out.write_bytes(station.cli("key", "export", DOMAIN, "old").stdout)
    public = [subprocess.run(["openssl", "pkey", "-in", str(f), "-pubout"], stdout=subprocess.PIPE, check=True).stdout
              for f in (pem, out)]
    assert public[0] == public[1]
    seed = tmp_path / "seed"
    seed.write_text("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n")
    station.cli("key", "import", DOMAIN, str(seed), "--selector", "ed")
    assert keys(station)["ed"]["record"].endswith("p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert "selector" in fails(station, "import", DOMAIN, str(pem))
    seed.write_text("no key at all\n")
    assert "no private key" in fails(station, "import", DOMAIN, str(seed), "--selector", "x")
    assert "No such file" in fails(station, "import", DOMAIN, str(tmp_path / "missing"), "--selector", "x")
    # what is private lies where only the server reads
    mode = os.stat(os.path.join(station.data, "yizhan.db")).st_mode
    assert not stat.S_IMODE(mode) & 0o077


def test_the_demo_has_keys_of_its_own_and_keeps_what_its_user_made_of_them(station):
    end = time.monotonic() + 20
    while set(states(station, station.domain)) != {"demo-rsa", "demo-ed"}:
        assert time.monotonic() < end
        time.sleep(0.05)
    station.cli("key", "remove", station.domain, "demo-rsa", "--force")
    station.restart()
    time.sleep(0.5)
    assert set(states(station, station.domain)) == {"demo-ed"}


def test_rotation_asks_dns_first(lab):
    """Old keys sign until the new ones can be seen; then the old ones retire."""
    lab.zone(DOMAIN, "@ MX 10 mx", "mx A 192.0.2.7")
    with Yizhan(conf='demo = yes\nhostname = "mx.%s"\n%s' % (DOMAIN, lab.conf())) as station:
        station.cli("key", "add", DOMAIN, "--selector", "one")
        done = station.cli("key", "check", DOMAIN, "--json", check=False)
        assert done.returncode == 1 and {r["state"] for r in json.loads(done.stdout)} == {"missing"}
        lab.zone(DOMAIN, "@ MX 10 mx", "mx A 192.0.2.7", *records(station))
        lab.publish()
        wait_for(station, 0, {"ok"})
        station.cli("key", "rotate", DOMAIN, "--selector", "two")
        assert states(station) == {"one-rsa": "active", "one-ed": "active", "two-rsa": "pending", "two-ed": "pending"}
        assert "pending already" in fails(station, "rotate", DOMAIN)
        assert "missing" in fails(station, "rotate", DOMAIN, "--finish")
        assert states(station)["two-ed"] == "pending"
        # another key under one of the names
        wrong = [r.replace("two-ed", "x").replace("two-rsa", "two-ed").replace("x._", "two-rsa._") for r in records(station)]
        lab.zone(DOMAIN, "@ MX 10 mx", "mx A 192.0.2.7", *wrong)
        lab.publish()
        time.sleep(1.5)
        assert "another key" in fails(station, "rotate", DOMAIN, "--finish")
        lab.zone(DOMAIN, "@ MX 10 mx", "mx A 192.0.2.7", *records(station))
        lab.publish()
        wait_for(station, 0, {"ok"})
        station.cli("key", "rotate", DOMAIN, "--finish")
        assert states(station) == {"one-rsa": "retiring", "one-ed": "retiring", "two-rsa": "active", "two-ed": "active"}
        assert "no key is pending" in fails(station, "rotate", DOMAIN, "--finish")


def records(station):
    return [r["zone"].replace(".%s. IN TXT" % DOMAIN, " TXT") for r in keys(station, DOMAIN).values()]


def wait_for(station, code, want):
    end = time.monotonic() + 15
    while True:
        done = station.cli("key", "check", DOMAIN, "--json", check=False)
        if done.returncode == code and {r["state"] for r in json.loads(done.stdout)} == want:
            return
        assert time.monotonic() < end, done
        time.sleep(0.2)


def test_the_records_are_read_by_others(station):
    """What is shown is a key record for python3-dkim."""
    pytest.importorskip("dkim")
    for r in station.cli_json("key", "add", DOMAIN, "--json"):
        key, bits, kind, _ = dkim.load_pk_from_dns(b"x", dnsfunc=lambda name, timeout=5, t=r["record"]: t.encode())
        assert (kind, bits if kind == b"rsa" else 256) == (r["algorithm"].encode(), r["bits"])
