"""Programs that log in and send: smtplib, swaks, curl and msmtp, with each mechanism that they and we know. More of
them: tests/interop/test_submission_clients.py."""

import os
import shutil
import smtplib
import ssl
import subprocess

import pytest

from letters import find_letter
from station import HOST

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"


def text(subject):
    return "From: Alice <%s>\nTo: %s\nSubject: %s\n\nHello,\n.dot\n" % (ALICE, BOB, subject)


@pytest.fixture
def run(tmp_path):
    """Run a client; what its user has set at home does not count."""
    def go(args, input=None, env=None):
        assert shutil.which(args[0]), "%s is not installed: run tools/setup" % args[0]
        done = subprocess.run(args, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                              env=dict(os.environ, HOME=str(tmp_path), **(env or {})))
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        return done.stdout
    return go


def check(station, subject):
    letter = find_letter(station, BOB, subject)
    assert (letter.return_path, letter.received.protocol) == (ALICE, "ESMTPSA")
    assert letter.received.tls == "TLSv1.3"
    return letter


def certificate(station):
    return os.path.join(station.data, "certificate.pem")


@pytest.fixture(scope="module")
def secret(station_shared):
    return station_shared.account("alice").password


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_smtplib_with_each_mechanism(station_shared, secret, mech, tls):
    subject = "smtplib %s %s" % (mech, tls)
    context = ssl.create_default_context(cafile=certificate(station_shared))
    if tls == "implicit":
        s = smtplib.SMTP_SSL("localhost", station_shared.ports["submissions"], context=context, timeout=20)
    else:
        s = smtplib.SMTP("localhost", station_shared.ports["submission"], timeout=20)
        s.starttls(context=context)
    s.ehlo()
    s.user, s.password = ALICE, secret
    assert s.auth(mech, getattr(s, "auth_" + mech.lower()))[0] == 235
    assert s.sendmail(ALICE, [BOB], text(subject)) == {}
    s.quit()
    check(station_shared, subject)


@pytest.mark.parametrize("port, tls", [("submission", "--tls"), ("submissions", "--tls-on-connect")])
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_swaks_with_each_mechanism(station_shared, run, secret, mech, port, tls):
    subject = "swaks %s %s" % (mech, port)
    run(["swaks", "--server", HOST, "--port", str(station_shared.ports[port]), tls, "--auth", mech, "--auth-user", ALICE,
         "--auth-password", secret, "--from", ALICE, "--to", BOB, "--timeout", "20",
         "--data", text(subject).replace("\n", "\\n")])
    check(station_shared, subject)


@pytest.mark.parametrize("scheme, port", [("smtp", "submission"), ("smtps", "submissions")])
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_curl_with_each_mechanism(station_shared, run, secret, mech, scheme, port):
    subject = "curl %s %s" % (mech, port)
    run(["curl", "--silent", "--show-error", "--max-time", "20", "--ssl-reqd", "--cacert", certificate(station_shared),
         "--url", "%s://localhost:%d/laptop" % (scheme, station_shared.ports[port]), "--login-options", "AUTH=" + mech,
         "--user", "%s:%s" % (ALICE, secret), "--mail-from", ALICE, "--mail-rcpt", BOB, "--crlf", "--upload-file", "-"],
        input=text(subject).encode())
    check(station_shared, subject)


@pytest.mark.parametrize("port, starttls", [("submission", "on"), ("submissions", "off")])
@pytest.mark.parametrize("mech", ["plain", "login", "scram-sha-256"])
def test_msmtp(station_shared, run, secret, tmp_path, mech, port, starttls):
    subject = "msmtp %s %s" % (mech, port)
    conf = tmp_path / "msmtprc"
    conf.write_text("account default\nhost localhost\nport %d\ntls on\ntls_starttls %s\ntls_trust_file %s\n"
                    "auth %s\nuser %s\npassword %s\nfrom %s\n" % (
                        station_shared.ports[port], starttls, certificate(station_shared), mech, ALICE, secret, ALICE))
    conf.chmod(0o600)
    run(["msmtp", "-C", str(conf), BOB], input=text(subject).encode())
    check(station_shared, subject)


def test_our_own_client_takes_the_strongest(station_shared, secret, tmp_path):
    kept = tmp_path / "password"
    kept.write_text(secret + "\n")
    kept.chmod(0o600)
    for port, scheme in (("submission", "submission"), ("submissions", "submissions")):
        said = station_shared.cli(
            "send", "--url", "%s://localhost:%d" % (scheme, station_shared.ports[port]), "--auth-user", ALICE,
            "--auth-password-file", str(kept), "--from", ALICE, "--to", BOB, "--header", "Subject: own " + port,
            "--tls-ca-path", certificate(station_shared)).stdout.decode()
        assert "AUTH SCRAM-SHA-256-PLUS" in said and secret not in said
        check(station_shared, "own " + port)


def test_the_store_is_sound_after_all_of_them(station_shared):
    station_shared.cli("check")
    status = station_shared.cli_json("status", "--json")
    assert status["inbound"]["refused_messages"] == 0 and status["logins"]["wrong"] == 0
    assert status["submission"]["accepted"] == status["inbound"]["messages"]
