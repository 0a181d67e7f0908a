"""Push to subscriptions (RFC 8620 section 7.2), encrypted (RFC 8291) and not, at an HTTPS server of the test's."""

import base64
import hashlib
import hmac
import json
import pathlib
import queue
import re
import smtplib
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jmap_talk import Jmap
from station import Yizhan

CONF = """
demo = yes
hostname = "mx.yizhan.test"
listener smtp { address = { "127.0.0.1:2525" } }
listener web { protocol = http  tls = none address = { "127.0.0.1:8080" } }
http { image_networks = { "127.0.0.1" } }
tls_policy { ca_file = "%s" }
"""


class Place(BaseHTTPRequestHandler):
    got = queue.Queue()

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.put((self.path, dict(self.headers), body))
        if self.path == "/slow":
            time.sleep(4)
        self.send_response(410 if self.path == "/gone" else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    where = tmp_path_factory.mktemp("push")
    cert, key = where / "cert.pem", where / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Place)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield "https://127.0.0.1:%d" % server.server_address[1], cert
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def station(place):
    Place.got = queue.Queue()  # nothing of the server before
    with Yizhan(conf=CONF % place[1]) as server:
        yield server


def subscribe(alice, url, **more):
    made = alice.call("PushSubscription/set", {"create": {"p": {"deviceClientId": "d", "url": url, **more}}})
    assert "accountId" not in made and "newState" not in made
    return made


def deliver(station, to):
    with smtplib.SMTP(*station.smtp, timeout=20) as c:
        c.sendmail("x@example.org", [to], b"Subject: pushed\r\n\r\nhello\r\n")


def test_what_changes_is_pushed_once_the_place_is_verified(station, place):
    alice = Jmap(station)
    made = subscribe(alice, place[0] + "/plain", types=["Email"])["created"]["p"]
    assert made["id"].startswith("P") and made["expires"].endswith("Z") and made["keys"] is None
    path, fields, body = Place.got.get(timeout=15)
    asked = json.loads(body)
    assert path == "/plain" and fields["TTL"] and asked["@type"] == "PushVerification" and asked["pushSubscriptionId"] == made["id"]
    (told,) = alice.call("PushSubscription/get", {"ids": None})["list"]
    assert told["verificationCode"] is None and told["types"] == ["Email"] and "url" not in told and "keys" not in told
    wrong = alice.call("PushSubscription/set", {"update": {made["id"]: {"verificationCode": "wrong"}}})
    assert wrong["notUpdated"][made["id"]]["type"] == "invalidProperties"
    right = alice.call("PushSubscription/set", {"update": {made["id"]: {"verificationCode": asked["verificationCode"]}}})
    assert made["id"] in right["updated"]
    (told,) = alice.call("PushSubscription/get", {"ids": [made["id"]]})["list"]
    assert told["verificationCode"] == asked["verificationCode"]
    deliver(station, alice.address)
    change = json.loads(Place.got.get(timeout=15)[2])
    assert change["@type"] == "StateChange" and list(change["changed"][alice.account]) == ["Email"]
    assert alice.call("PushSubscription/set", {"destroy": [made["id"]]})["destroyed"] == [made["id"]]
    assert alice.call("PushSubscription/get", {"ids": None})["list"] == []


def url64(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def opened(body, private, public, auth):
    """The plain text of a message of RFC 8291."""
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    sender, sealed = body[21:21 + length], body[21 + length:]
    assert size == 4096 and length == 65
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))

    def mac(key, text):
        return hmac.new(key, text, hashlib.sha256).digest()
    ikm = mac(mac(auth, shared), b"WebPush: info\0" + public + sender + b"\1")
    prk = mac(salt, ikm)
    plain = AESGCM(mac(prk, b"Content-Encoding: aes128gcm\0\1")[:16]).decrypt(mac(prk, b"Content-Encoding: nonce\0\1")[:12], sealed, None)
    assert plain.endswith(b"\2")
    return plain[:-1]


def test_with_keys_it_is_for_the_client_alone(station, place):
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    private, auth = ec.generate_private_key(ec.SECP256R1()), b"sixteen octets!!"
    public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    made = subscribe(Jmap(station), place[0] + "/sealed", keys={"p256dh": url64(public), "auth": url64(auth)})["created"]["p"]
    path, fields, body = Place.got.get(timeout=15)
    assert path == "/sealed" and fields["Content-Encoding"] == "aes128gcm" and b"PushVerification" not in body
    assert json.loads(opened(body, private, public, auth))["pushSubscriptionId"] == made["id"]


def test_a_slow_place_keeps_nobody_waiting(station, place):
    alice, bob = Jmap(station), Jmap(station, "bob")
    begun = time.monotonic()
    for n in range(3):
        subscribe(alice, place[0] + "/slow", deviceClientId="slow%d" % n)
    subscribe(bob, place[0] + "/quick")
    paths = [Place.got.get(timeout=15)[0] for _ in range(4)]
    assert sorted(paths) == ["/quick", "/slow", "/slow", "/slow"]
    assert time.monotonic() - begun < 11, "one after the other takes twelve seconds"


def test_places_that_are_none_are_refused_or_go(station, place):
    alice = Jmap(station)
    for more in ({"url": "http://127.0.0.1/x"}, {"url": "x"}, {"url": place[0], "deviceClientId": ""}, {"url": place[0], "verificationCode": "x"},
                 {"url": place[0], "keys": {"p256dh": "x", "auth": "y"}}, {"url": place[0], "expires": "2001-01-01T00:00:00Z"}):
        refused = alice.call("PushSubscription/set", {"create": {"p": {"deviceClientId": "d", **more}}})["notCreated"]["p"]
        assert refused["type"] == "invalidProperties", more
    assert alice.fails("PushSubscription/get", {"ids": None, "properties": ["url"]}) == "forbidden"
    assert alice.call("PushSubscription/set", {"update": {"Pnone": {}}, "destroy": ["Pnone"]})["notDestroyed"]["Pnone"]["type"] == "notFound"
    subscribe(alice, place[0] + "/gone")
    assert Place.got.get(timeout=15)[0] == "/gone"
    for _ in range(100):
        if not alice.call("PushSubscription/get", {"ids": None})["list"]:
            break
        threading.Event().wait(0.1)
    assert alice.call("PushSubscription/get", {"ids": None})["list"] == []
    # nobody sees another's
    subscribe(alice, place[0] + "/mine")
    assert Jmap(station, "bob").call("PushSubscription/get", {"ids": None})["list"] == []


def verified(jmap, url, **more):
    id = subscribe(jmap, url, **more)["created"]["p"]["id"]
    asked = json.loads(Place.got.get(timeout=15)[2])
    assert asked["pushSubscriptionId"] == id
    assert id in jmap.call("PushSubscription/set", {"update": {id: {"verificationCode": asked["verificationCode"]}}})["updated"]
    return id


def test_a_subscription_ends_with_what_its_maker_has_logged_in_with(station, place):
    alice, phone = Jmap(station), Jmap(station)
    app = station.cli_json("account", "app-password", "add", alice.address, "phone", "--scope", "web", "--json")["password"]
    phone.auth = {"Authorization": "Bearer " + app}
    ours, theirs = verified(alice, place[0] + "/ours"), verified(phone, place[0] + "/theirs")
    for jmap, mine, other in ((alice, ours, theirs), (phone, theirs, ours)):
        assert [p["id"] for p in jmap.call("PushSubscription/get", {"ids": None})["list"]] == [mine]
        assert jmap.call("PushSubscription/get", {"ids": [other]})["notFound"] == [other]
        refused = jmap.call("PushSubscription/set", {"update": {other: {"types": None}}, "destroy": [other]})
        assert refused["updated"] is None and refused["notDestroyed"][other] == {"type": "notFound"}
    deliver(station, alice.address)
    assert {Place.got.get(timeout=15)[0] for _ in range(2)} == {"/ours", "/theirs"}
    station.cli("account", "app-password", "remove", alice.address, "phone")
    deliver(station, alice.address)
    assert Place.got.get(timeout=15)[0] == "/ours" and Place.got.empty()
    alice.call("PushSubscription/set", {"destroy": [ours]})
    station.stop()
    for path in pathlib.Path(station.data).glob("*.db*"):  # URLs are erased, not only let go of
        assert not re.search(rb"https://127\.0\.0\.1:\d+/(ours|theirs)", path.read_bytes()), path
