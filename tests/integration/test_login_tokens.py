"""Login with the tokens of an identity provider (OAUTHBEARER, XOAUTH2), with a provider that tests script."""

import base64
import hashlib
import hmac
import json
import os
import smtplib
import ssl
import subprocess

import pytest

from certs import Authority
from provider import CLIENT, SECRET, Key, Provider, b64url

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"

CONF = """
demo = yes
data = "{data}"
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { protocol = submission address = { "127.0.0.1:5870" } }
auth { %s }
"""


@pytest.fixture
def idp(tmp_path):
    with Provider(Authority(str(tmp_path)), str(tmp_path)) as provider:
        provider.add_key("3", "OKP")
        yield provider


@pytest.fixture
def asking(make_station, idp, tmp_path):
    """A station that asks the provider about each token."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    return make_station(conf=CONF % ('oauth_introspection = "%s/introspect" oauth_ca_file = "%s" oauth_client_id = "%s" '
                                     'oauth_client_secret_file = "%s" oauth_audience = "mail"' % (
                                         idp.url, idp.ca, CLIENT, tmp_path / "secret")))


@pytest.fixture
def verifying(make_station, idp):
    """A station that has the provider's keys."""
    return make_station(conf=CONF % ('oauth_jwks = "%s/keys" oauth_ca_file = "%s" oauth_issuer = "%s" '
                                     'oauth_audience = "mail" oauth_scope = "mail.send" '
                                     'oauth_discovery = "https://id.test/.well-known/openid-configuration"' % (
                                         idp.url, idp.ca, idp.issuer)))


def connect(station):
    s = smtplib.SMTP("127.0.0.1", station.ports["submission"], timeout=30)
    s.starttls(context=ssl.create_default_context(cafile=os.path.join(station.data, "certificate.pem")))
    s.ehlo()
    return s


def log_in(station, token, user="", mech="OAUTHBEARER"):
    """The code of the last reply, and what was said of the token before it."""
    said = []

    def answer(challenge=None):
        if challenge is not None:
            said.append(challenge.decode() if isinstance(challenge, bytes) else challenge)
            return "\x01"
        if mech == "XOAUTH2":
            return "user=%s\x01auth=Bearer %s\x01\x01" % (user, token)
        return "n,%s,\x01host=localhost\x01port=587\x01auth=Bearer %s\x01\x01" % (user and "a=" + user, token)

    with connect(station) as s:
        try:
            return s.auth(mech, answer)[0], said
        except smtplib.SMTPAuthenticationError as e:
            return e.smtp_code, said


def active(**more):
    return dict({"active": True, "aud": "mail", "email": ALICE}, **more)


def test_a_token_is_asked_about(asking, idp):
    idp.opaque["good+/="] = active()
    idp.opaque["other"] = active(aud="web")
    idp.opaque["foreign"] = active(email="x@else.example")
    with connect(asking) as s:
        assert {"OAUTHBEARER", "XOAUTH2"} <= set(s.esmtp_features["auth"].split())
    assert log_in(asking, "good+/=")[0] == 235
    assert base64.b64decode(idp.authorization.split()[1]).decode() == "mail%3Aserver:s%20ecret%2F%2B"
    assert log_in(asking, "good+/=", ALICE, "XOAUTH2")[0] == 235
    assert idp.asked == ["/introspect"], "the second time it is remembered"
    assert log_in(asking, "good+/=", BOB, "XOAUTH2")[0] == 535
    for token in ("bad", "other", "foreign"):
        code, said = log_in(asking, token)
        assert code == 535
        assert json.loads(said[0])["status"] == "invalid_token"


@pytest.mark.parametrize("trouble", ["down", "slow", "huge", "redirect", "refused", "page"])
def test_trouble_of_the_provider_means_later(asking, idp, trouble):
    idp.opaque["good"] = active()
    idp.trouble = trouble
    if trouble == "down":
        idp.server.shutdown()
        idp.server.server_close()
        idp.server.shutdown = idp.server.server_close = lambda: None
    assert log_in(asking, "good")[0] == 454
    assert "/elsewhere" not in idp.asked
    if trouble != "down":
        idp.trouble = None
        assert log_in(asking, "good")[0] == 235


def test_signed_tokens_are_verified_with_the_providers_keys(verifying, idp, tmp_path):
    idp.add_key("2", "EC")
    good = dict(email=ALICE, scope="openid mail.send")
    for kid, alg in (("1", "RS256"), ("1", "PS256"), ("2", "ES256"), ("3", "EdDSA")):
        assert log_in(verifying, idp.token(kid=kid, alg=alg, **good))[0] == 235, alg
    assert log_in(verifying, idp.token(**good), ALICE, "XOAUTH2")[0] == 235
    assert idp.asked == ["/keys"]


def forged(idp, tmp_path):
    good = dict(email=ALICE, scope="mail.send")
    part = idp.token(**good).rsplit(".", 1)[0]
    none = "%s.%s." % (b64url(b'{"alg":"none"}'), part.split(".")[1])
    confused = "%s.%s" % (b64url(b'{"alg":"HS256","kid":"1"}'), part.split(".")[1])
    mac = hmac.new(idp.keys["1"].public_pem(), confused.encode(), hashlib.sha256).digest()
    return {
        "expired": idp.token(**dict(good, exp=1000000000)),
        "without an end": idp.token(**dict(good, exp=None)),
        "of another issuer": idp.token(**dict(good, iss="https://evil.test")),
        "for another audience": idp.token(**dict(good, aud=["web", "chat"])),
        "without the scope": idp.token(**dict(good, scope="openid")),
        "not verified": idp.token(**dict(good, email_verified=False)),
        "of nobody": idp.token(scope="mail.send"),
        "of somebody else's server": idp.token(**dict(good, email="x@else.example")),
        "signed by another key": idp.token(key=Key(str(tmp_path), "evil", "RSA"), **good),
        "of a key that is not known": idp.token(header={"alg": "RS256", "kid": "9"}, **good),
        "unsigned": none,
        "signed with the public key as a secret": "%s.%s" % (confused, b64url(mac)),
        "with a key of its own": idp.token(header={"alg": "RS256", "jku": idp.url + "/evil", "kid": "9"}, **good),
        "no token": "opaque",
    }


def test_what_is_not_for_us_or_not_signed_is_refused(verifying, idp, tmp_path):
    verifying.cli("ban", "allow", "127.0.0.0/8")
    for what, token in forged(idp, tmp_path).items():
        code, said = log_in(verifying, token)
        assert code == 535, what
        assert json.loads(said[0]) == {
            "status": "invalid_token", "scope": "mail.send",
            "openid-configuration": "https://id.test/.well-known/openid-configuration"}, what
    assert set(idp.asked) == {"/keys"}
    assert log_in(verifying, idp.token(email=ALICE, scope="mail.send"), BOB)[0] == 535
    assert log_in(verifying, idp.token(email=ALICE, scope="mail.send"))[0] == 235


def test_curl_sends_with_a_token(verifying, idp, tmp_path):
    letter = tmp_path / "letter"
    letter.write_bytes(b"From: %s\r\nTo: %s\r\n\r\nby curl\r\n" % (ALICE.encode(), BOB.encode()))
    done = subprocess.run(
        ["curl", "-sv", "smtp://localhost:%d" % verifying.ports["submission"], "--ssl-reqd", "--cacert",
         os.path.join(verifying.data, "certificate.pem"), "--user", ALICE, "--oauth2-bearer",
         idp.token(email=ALICE, scope="mail.send"), "--mail-from", ALICE, "--mail-rcpt", BOB, "--upload-file",
         str(letter)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode == 0, done.stdout.decode()
    assert b"> AUTH OAUTHBEARER" in done.stdout
    assert verifying.wait_mailbox(BOB, 1)


@pytest.mark.parametrize("mech", ["oauthbearer", "xoauth2"])
def test_msmtp_sends_with_a_token(verifying, idp, tmp_path, mech):
    rc = tmp_path / "msmtprc"
    rc.write_text("account default\nhost localhost\nport %d\ntls on\ntls_trust_file %s\nauth %s\nuser %s\n"
                  "password %s\nfrom %s\n" % (
                      verifying.ports["submission"], os.path.join(verifying.data, "certificate.pem"), mech, ALICE,
                      idp.token(kid="3", alg="EdDSA", email=ALICE, scope="mail.send"), ALICE))
    rc.chmod(0o600)
    done = subprocess.run(["msmtp", "-C", str(rc), "--debug", BOB], input=b"From: %s\n\nby msmtp\n" % ALICE.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode == 0, done.stdout.decode()
    assert b"AUTH " + mech.upper().encode() in done.stdout
    assert verifying.wait_mailbox(BOB, 1)


@pytest.mark.parametrize("rows, told", [
    ('oauth_jwks = "https://id.test/keys" oauth_issuer = "https://id.test"', "oauth_audience"),
    ('oauth_jwks = "https://id.test/keys" oauth_audience = "mail"', "oauth_issuer"),
    ('oauth_jwks = "http://id.test/keys" oauth_audience = "mail" oauth_issuer = "x"', "https://"),
    ('oauth_introspection = "ftp://id.test/"', "https://"),
    ('oauth_introspection = "https://id.test/" oauth_client_id = "x" oauth_client_secret_file = "/nowhere"', "/nowhere"),
    ('client_ca = "/nowhere.pem"', "/nowhere.pem"),
])
def test_wrong_settings_are_told_before_anything_is_served(tmp_path, rows, told):
    from station import binary
    conf = tmp_path / "yizhan.conf"
    conf.write_text('demo = yes\ndata = "%s"\nauth { %s }\n' % (tmp_path / "data", rows))
    done = subprocess.run([binary(), "serve", "--conf", str(conf), "--check"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30)
    if done.returncode == 0:  # what lies in files is read at the start
        done = subprocess.run([binary(), "serve", "--conf", str(conf), "--port-offset", "20950"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode == 78, done.stdout.decode()
    assert told in done.stdout.decode()
