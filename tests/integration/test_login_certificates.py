"""Login with a client certificate (EXTERNAL): by the pin of its key, and signed by an authority for an address."""

import hashlib
import os
import smtplib
import ssl
import subprocess

import pytest

from certs import Authority, openssl, self_signed
ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"

CONF = """
demo = yes
data = "{data}"
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { protocol = submission address = { "127.0.0.1:5870" } }
listener submissions { protocol = submission tls = implicit address = { "127.0.0.1:4650" } }
auth { %s }
"""


def person(authority, address, days=30):
    """A certificate that the authority signs for this address (rfc822Name)."""
    stem = os.path.join(authority.directory, "person-%d-%s" % (days, address.split("@")[0]))
    with open(stem + ".ext", "w") as f:
        f.write("subjectAltName=email:%s\nextendedKeyUsage=clientAuth\n" % address)
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=somebody",
            "-keyout", stem + ".key", "-out", stem + ".csr")
    openssl("x509", "-req", "-in", stem + ".csr", "-CA", authority.cert, "-CAkey", authority.key, "-set_serial", "77",
            "-days", str(days), "-extfile", stem + ".ext", "-out", stem + ".pem")
    return stem + ".pem", stem + ".key"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The authority, what it signs, and a certificate that nobody signed."""
    directory = str(tmp_path_factory.mktemp("people"))
    authority = Authority(directory)
    self_signed(directory, "laptop")
    own = os.path.join(directory, "self-laptop")
    return {"authority": authority.cert, "bob": person(authority, BOB), "else": person(authority, "x@else.example"),
            "old": person(authority, "alice@yizhan.test", days=-1), "own": (own + ".pem", own + ".key")}


@pytest.fixture
def asking(make_station, people):
    return make_station(conf=CONF % ('client_ca = "%s"' % people["authority"]))


def context(pair, version=None):
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if version:
        c.minimum_version = c.maximum_version = version
    if pair:
        c.load_cert_chain(*pair)
    return c


def connect(station, pair, port="submission", version=None):
    if port == "submissions":
        s = smtplib.SMTP_SSL("127.0.0.1", station.ports[port], context=context(pair, version), timeout=20)
    else:
        s = smtplib.SMTP("127.0.0.1", station.ports[port], timeout=20)
        s.starttls(context=context(pair, version))
    s.ehlo()
    return s


def mechanisms(s):
    return s.esmtp_features["auth"].split()


def external(s, authzid=""):
    return s.auth("EXTERNAL", lambda challenge=None: authzid)


def spki(pair):
    key = openssl("x509", "-in", pair[0], "-noout", "-pubkey")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", input=key)).hexdigest()


@pytest.mark.parametrize("port", ["submission", "submissions"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_whoever_the_authority_signed_for_logs_in(asking, people, port, version):
    with connect(asking, people["bob"], port, version) as s:
        assert "EXTERNAL" in mechanisms(s)
        assert external(s)[0] == 235
        s.sendmail(BOB, [ALICE], "From: %s\r\nTo: %s\r\nSubject: by certificate\r\n\r\nHello\r\n" % (BOB, ALICE))
        # it is he who is logged in, and nobody else
        with pytest.raises(smtplib.SMTPSenderRefused):
            s.sendmail(ALICE, [BOB], "From: %s\r\n\r\nHello\r\n" % ALICE)
    assert asking.wait_mailbox(ALICE, 1)


def test_without_a_certificate_of_somebody_external_is_not_offered(asking, people):
    for pair in (None, people["else"], people["old"], people["own"]):
        with connect(asking, pair) as s:
            assert "EXTERNAL" not in mechanisms(s)
            with pytest.raises(smtplib.SMTPAuthenticationError) as told:
                external(s)
            assert told.value.smtp_code == 504
            # and a password does as ever
            s.login(ALICE, asking.account("alice").password)


def test_nobody_is_asked_for_one_where_it_is_not_configured(make_station, people):
    station = make_station(conf=CONF % "")
    station.cli("account", "certificate-add", ALICE, people["own"][0])
    with connect(station, people["own"]) as s:
        assert "EXTERNAL" not in mechanisms(s)


def test_a_certificate_of_ones_own_is_known_by_its_pin(make_station, people):
    station = make_station(conf=CONF % "client_certificates = yes")
    station.cli("account", "certificate-add", ALICE, people["own"][0], "--note", "the laptop")
    (row,) = station.cli_json("account", "certificate-list", ALICE, "--json")
    assert (row["pin"], row["note"], row["expires_at"], row["used_at"]) == (spki(people["own"]), "the laptop", None, None)
    with connect(station, people["own"]) as s:
        assert "EXTERNAL" in mechanisms(s)
        with pytest.raises(smtplib.SMTPAuthenticationError) as told:
            external(s, BOB)
        assert told.value.smtp_code == 535
    (row,) = station.cli_json("account", "certificate-list", ALICE, "--json")
    assert row["used_at"] is None, "nobody was let in by it"
    with connect(station, people["own"]) as s:
        assert external(s, ALICE)[0] == 235
        (row,) = station.cli_json("account", "certificate-list", ALICE, "--json")
        assert row["used_at"]
        # taken back: what it opened ends
        station.cli("account", "certificate-remove", row["pin"])
        with pytest.raises((smtplib.SMTPServerDisconnected, smtplib.SMTPResponseException)) as told:
            for _ in range(50):
                s.mail(ALICE)
                s.rset()
        assert getattr(told.value, "smtp_code", 421) in (421, -1)
    with connect(station, people["own"]) as s:
        assert "EXTERNAL" not in mechanisms(s)
    assert station.cli_json("account", "certificate-list", ALICE, "--json") == []


def test_a_pin_ends_when_it_was_said_to(make_station, people):
    station = make_station(conf=CONF % "client_certificates = yes")
    station.cli("account", "certificate-add", ALICE, people["own"][0], "--expires", "1s")
    import time
    time.sleep(1.1)
    with connect(station, people["own"]) as s:
        assert "EXTERNAL" not in mechanisms(s)


def test_a_suspended_account_is_known_and_does_not_get_in(asking, people):
    asking.cli("account", "suspend", BOB)
    with connect(asking, people["bob"]) as s:
        assert "EXTERNAL" in mechanisms(s)
        with pytest.raises(smtplib.SMTPAuthenticationError) as told:
            external(s)
        assert told.value.smtp_code == 535


def test_msmtp_logs_in_by_its_certificate(asking, people, tmp_path):
    rc = tmp_path / "msmtprc"
    rc.write_text("account default\nhost localhost\nport %d\ntls on\ntls_trust_file %s\ntls_cert_file %s\n"
                  "tls_key_file %s\nauth external\nuser %s\nfrom %s\n" % (
                      asking.ports["submission"], os.path.join(asking.data, "certificate.pem"), people["bob"][0],
                      people["bob"][1], BOB, BOB))
    rc.chmod(0o600)
    done = subprocess.run(["msmtp", "-C", str(rc), "--debug", ALICE], input=b"From: %s\n\nby msmtp\n" % BOB.encode(),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode == 0, done.stdout.decode()
    assert b"AUTH EXTERNAL" in done.stdout
    assert asking.wait_mailbox(ALICE, 1)


def test_yizhan_send_logs_in_by_its_certificate(asking, people):
    done = subprocess.run([asking.program, "send", "--server", "localhost:%d" % asking.ports["submission"], "--tls",
                           "--tls-ca-path", os.path.join(asking.data, "certificate.pem"), "--tls-cert",
                           people["bob"][0], "--tls-key", people["bob"][1], "--auth", "EXTERNAL", "--from", BOB,
                           "--to", ALICE, "--body", "by yizhan send"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, env=asking.environment())
    assert done.returncode == 0, done.stdout.decode()
    assert asking.wait_mailbox(ALICE, 1)
