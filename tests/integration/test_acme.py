"""Certificates from an authority (RFC 8555), pebble in its place (docs/certificates.md)."""

import json
import os
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from acme_server import Gate, Pebble
from station import binary, cli_command
from test_certificates import shown

CONF = """demo = yes
listener smtp { address = { "127.0.0.1:2525" } }
listener web { protocol = http
 tls = none
 address = { "127.0.0.1:8080" } }
listener tls { address = { "127.0.0.1:4650" }
 tls = implicit }
"""
ACME = """acme { directory = "%(directory)s"
 agree = yes
 ca_file = "%(ca_file)s"
 %(more)s }
"""


def configure(station, ca, more="", **other):
    text = CONF + ACME % {"directory": other.get("directory", ca.directory), "ca_file": ca.ca_file, "more": more}
    station.conf = text
    with open(os.path.join(station.directory, "yizhan.conf"), "w") as f:
        f.write(text)


@pytest.fixture
def station(make_station):
    return make_station(conf=CONF)


@pytest.fixture
def pebble(station):
    import contextlib
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Pebble(http=station.ports["web"], tls=station.ports["tls"], **settings))


def wait_for(station, name, seconds=20):
    """Until the station shows a certificate of the authority for the name; its row."""
    end = time.monotonic() + seconds
    while True:
        rows = {row["name"]: row for row in station.cli_json("cert", "list", "--json")}
        row = rows.get("acme " + name)
        if row and row["in_use"]:
            return row
        assert time.monotonic() < end, station.log()
        time.sleep(0.1)


def rows(station):
    out = station.cli("cert", "list", "--json").stdout.decode()
    value = json.loads(out) if out.lstrip().startswith("[") else [json.loads(line) for line in out.splitlines()]
    return {row["name"]: row for row in value}


def steps(done):
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize("kind", ["http-01", "tls-alpn-01"])
def test_a_certificate_comes_by_itself(station, pebble, kind):
    ca = pebble()
    configure(station, ca, "challenge = %s\n email = \"admin@example.org\"" % kind)
    held = ssl.create_default_context()
    held.check_hostname, held.verify_mode = False, ssl.CERT_NONE
    station.cli("reload")
    row = wait_for(station, "mx.yizhan.test")
    assert row["default"] and "Pebble" in row["issuer"] and row["names"] == "mx.yizhan.test"
    assert row["last_error"] == "" and row["next_renewal"] < row["valid_until"]
    # it is what clients meet, and it holds
    with open(os.path.join(station.data, "certificate.pem")) as f:
        own = f.read()
    assert shown(station.smtp, "mx.yizhan.test") != own and shown(station.smtp, None) != own
    context = ssl.create_default_context(cafile=ca.root())
    import smtplib
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client._host = "mx.yizhan.test"
        client.starttls(context=context)
    # a restart asks for nothing
    before = ca.log().count("POST")
    station.restart()
    time.sleep(1)
    assert ca.log().count("POST") == before
    assert wait_for(station, "mx.yizhan.test")["sha256"] == row["sha256"]


def test_one_certificate_a_text_and_several_names(station, pebble):
    ca = pebble()
    configure(station, ca, 'names = { "one.example.org", "two.example.org THREE.example.org" }')
    station.cli("reload")
    assert wait_for(station, "one.example.org")["names"] == "one.example.org"
    assert set(wait_for(station, "two.example.org")["names"].split()) == {"two.example.org", "three.example.org"}
    assert shown(station.smtp, "three.example.org") == shown(station.smtp, "two.example.org")
    assert shown(station.smtp, "one.example.org") != shown(station.smtp, "two.example.org")


def test_bad_nonces_are_tried_again(station, pebble):
    ca = pebble(nonce_reject=50)
    configure(station, ca)
    station.cli("reload")
    wait_for(station, "mx.yizhan.test", 40)
    assert "badNonce" in ca.log() or ca.log().count("nonce") > 1


def test_request_shows_its_steps_and_is_renewed_with_its_key(station, pebble):
    ca = pebble()
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    wait_for(station, "mx.yizhan.test")
    done = station.cli("cert", "request", "shop.example", "mail.shop.example")
    text = "\n".join(steps(done))
    for part in ("ordered for", "shop.example: tls-alpn-01 is ready", "mail.shop.example is proven", "is here"):
        assert part in text
    first = wait_for(station, "shop.example")
    key = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=shown(station.smtp, "shop.example").encode(),
                         stdout=subprocess.PIPE, check=True).stdout
    lines = station.cli("cert", "renew", "shop.example", "--json").stdout.decode().splitlines()
    assert any("is here" in json.loads(line)["step"] for line in lines)
    assert wait_for(station, "shop.example")["sha256"] != first["sha256"]
    again = subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=shown(station.smtp, "shop.example").encode(),
                           stdout=subprocess.PIPE, check=True).stdout
    assert again == key
    station.cli("cert", "remove", "shop.example")
    assert "acme shop.example" not in rows(station)
    done = station.cli("cert", "renew", "shop.example", check=False)
    assert done.returncode != 0 and b"cert request" in done.stderr


def test_it_is_renewed_by_itself(station, pebble):
    ca = pebble(validity=9)
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    first = wait_for(station, "mx.yizhan.test")
    end = time.monotonic() + 20
    while wait_for(station, "mx.yizhan.test")["sha256"] == first["sha256"]:
        assert time.monotonic() < end, station.log()
        time.sleep(0.3)
    # what ends so soon is told
    assert any("expires" in t for t in station.cli_json("status", "--json")["certificate_troubles"])


def test_a_failed_proof_is_told_and_tried_later(station, pebble):
    ca = pebble()
    ca.address("gone.example.org", ["127.0.0.9"])
    configure(station, ca)
    station.cli("reload")
    wait_for(station, "mx.yizhan.test")
    done = station.cli("cert", "request", "gone.example.org", check=False)
    told = done.stderr.decode()
    assert done.returncode != 0 and "gone.example.org was not proven by tls-alpn-01" in told and "To do:" in told
    # both ways were tried
    assert any("not proven by http-01" in line for line in steps(done))
    row = rows(station)["acme gone.example.org"]
    assert row["failed_tries"] == 1 and not row["in_use"] and "not proven" in row["last_error"]
    # not at once, and not after a restart either
    assert row["next_renewal"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 30))
    station.restart()
    time.sleep(1)
    assert rows(station)["acme gone.example.org"]["failed_tries"] == 1
    done = station.cli("cert", "check", check=False)
    assert done.returncode == 65 and b"gone.example.org" in done.stdout
    # the other one is as it was, and the next try goes well
    wait_for(station, "mx.yizhan.test")
    ca.address("gone.example.org", ["127.0.0.1"])
    station.cli("cert", "renew", "gone.example.org")
    row = wait_for(station, "gone.example.org")
    assert row["failed_tries"] == 0 and row["last_error"] == ""
    assert station.cli("cert", "check").stdout.strip() == b"All certificates are well."


def test_a_proof_that_takes_its_time_and_one_that_still_counts(station, pebble):
    ca = pebble(sleep=3, reuse=100)
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    wait_for(station, "mx.yizhan.test", 40)
    lines = steps(station.cli("cert", "renew", "mx.yizhan.test"))
    assert any("is here" in line for line in lines) and not any("ready to be looked at" in line for line in lines)
    lines = steps(station.cli("cert", "request", "other.example.org", "mx.yizhan.test"))
    assert any("mx.yizhan.test was proven before" in line for line in lines)
    assert any("other.example.org is proven" in line for line in lines)


KID, MAC = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


def test_external_accounts(station, pebble, tmp_path):
    ca = pebble(eab={KID: MAC})
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    assert "eab_kid" in station.wait_log("acme.failed")
    key = tmp_path / "eab"
    key.write_text("AAAA" + MAC[4:] + "\n")
    configure(station, ca, 'challenge = tls-alpn-01\n eab_kid = "%s"\n eab_key_file = "%s"' % (KID, key))
    station.cli("reload")
    done = station.cli("cert", "renew", check=False)
    assert done.returncode != 0 and b"authority says" in done.stderr
    key.write_text(MAC + "\n")
    station.cli("reload")
    station.cli("cert", "renew")
    wait_for(station, "mx.yizhan.test")
    assert MAC not in station.log(last=1 << 24)


@pytest.mark.parametrize("requests", [4, 5, 8, 9])
def test_a_restart_in_the_middle_goes_on_with_the_order(station, pebble, requests):
    """The process dies when the order is made, and at three later requests."""
    ca = pebble(nonce_reject=0)
    gate = Gate(ca.ports["acme"], requests)
    try:
        configure(station, ca, "challenge = tls-alpn-01", directory="https://127.0.0.1:%d/dir" % gate.port)
        station.cli("reload")
        assert gate.held.wait(20), station.log()
        station.kill9()
        gate.open()
        station.start()
        # what had not failed is not put off
        wait_for(station, "mx.yizhan.test")
        assert ca.log().count("Added order") == 1 and "now 2 accounts" not in ca.log()
    finally:
        gate.close()


@pytest.mark.parametrize("requests", [5, 9])
def test_a_request_goes_on_when_who_asked_has_gone(station, pebble, requests):
    ca = pebble(nonce_reject=0)
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    wait_for(station, "mx.yizhan.test")
    gate = Gate(ca.ports["acme"], requests)
    try:
        configure(station, ca, "challenge = tls-alpn-01", directory="https://127.0.0.1:%d/dir" % gate.port)
        station.cli("reload")
        asker = subprocess.Popen(cli_command(station.program, station.data, ("cert", "request", "shop.example")),
                                 env=station.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert gate.held.wait(20), station.log()
        asker.kill()
        asker.wait()
        gate.let_go()
        wait_for(station, "shop.example")
        assert "acme.failed" not in station.log(last=1 << 24)
    finally:
        gate.close()


def test_an_authority_that_forgot_us(station, pebble):
    ca = pebble()
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    wait_for(station, "mx.yizhan.test")
    ca.stop()
    done = station.cli("cert", "renew", check=False)
    assert done.returncode != 0 and ca.directory.encode() in done.stderr
    ca.start()
    done = station.cli("cert", "renew")
    assert any("does not know the account" in line for line in steps(done))


def test_a_deactivated_account_needs_another(station, pebble):
    ca = pebble()
    configure(station, ca, "challenge = tls-alpn-01")
    station.cli("reload")
    wait_for(station, "mx.yizhan.test")
    deactivate(station, ca)
    done = station.cli("cert", "renew", check=False)
    assert done.returncode != 0 and b"authority says" in done.stderr
    # what is there stays in use
    assert wait_for(station, "mx.yizhan.test")["failed_tries"] == 1
    station.cli("cert", "request", "--new-account", "mx.yizhan.test")
    assert wait_for(station, "mx.yizhan.test")["failed_tries"] == 0


def deactivate(station, ca):
    """As whoever holds the account's key may do (RFC 8555 section 7.3.6): signed with openssl."""
    import base64
    import sqlite3

    def b64(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()

    db = sqlite3.connect("file:%s?mode=ro" % os.path.join(station.data, "yizhan.db"), uri=True)
    (value,) = db.execute("SELECT value FROM setting WHERE name LIKE 'acme.account.%'").fetchone()
    db.close()
    kid, _, pem = value.split("\n", 2)
    context = ssl.create_default_context(cafile=ca.ca_file)

    def post():
        with urllib.request.urlopen(urllib.request.Request("https://127.0.0.1:%d/nonce-plz" % ca.ports["acme"],
                                                           method="HEAD"), context=context) as answer:
            nonce = answer.headers["Replay-Nonce"]
        head = b64(json.dumps({"alg": "ES256", "kid": kid, "nonce": nonce, "url": kid}).encode())
        body = b64(b'{"status":"deactivated"}')
        path = os.path.join(ca.path, "account.key")
        with open(path, "w") as f:
            f.write(pem)
        der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", path], input=("%s.%s" % (head, body)).encode(),
                             stdout=subprocess.PIPE, check=True).stdout
        numbers = re.findall(r"INTEGER\s*:([0-9A-F]+)", subprocess.run(
            ["openssl", "asn1parse", "-inform", "DER"], input=der, stdout=subprocess.PIPE, check=True).stdout.decode())
        raw = b"".join(int(n, 16).to_bytes(32, "big") for n in numbers)
        text = json.dumps({"protected": head, "payload": body, "signature": b64(raw)}).encode()
        urllib.request.urlopen(urllib.request.Request(kid, data=text, headers={"Content-Type": "application/jose+json"}),
                               context=context).close()

    for _ in range(20):  # a good nonce is refused now and then
        try:
            return post()
        except urllib.error.HTTPError as e:
            assert b"badNonce" in e.read()
    raise AssertionError("twenty nonces refused")


@pytest.mark.parametrize("text,told", [
    ('acme { directory = "https://ca.example/dir" }', b"agree = yes"),
    ('acme { directory = "http://ca.example/dir"\n agree = yes }', b"no https address"),
    ('acme { directory = "https://ca.example/dir"\n agree = yes\n names = { "*.example.org" } }', b"DNS-01"),
    ('acme { directory = "https://ca.example/dir"\n agree = yes\n names = { "localhost" } }', b"no name of a host"),
    ('acme { eab_kid = "x" }', b"go together"),
])
def test_wrong_settings_are_told(tmp_path, text, told):
    conf = tmp_path / "yizhan.conf"
    conf.write_text(text + "\n")
    done = subprocess.run([binary(), "serve", "--check", "--conf", str(conf)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=20)
    assert done.returncode == 78 and told in done.stdout


def test_only_tokens_are_answered(station):
    import http.client
    for path in ("", "x", "..%2f..%2fetc%2fpasswd", "x/y", "%00", "a" * 300):
        client = http.client.HTTPConnection("127.0.0.1", station.ports["web"], timeout=10)
        client.request("GET", "/.well-known/acme-challenge/" + path)
        assert client.getresponse().status in (400, 404)
        client.close()


def test_without_an_authority(make_station):
    station = make_station()
    done = station.cli("cert", "request", "x.example.org", check=False)
    assert done.returncode != 0 and b"section acme" in done.stderr
    assert [row["name"] for row in station.cli_json("cert", "list", "--json")] == ["self-signed"] or \
        "self-signed" in rows(station)
