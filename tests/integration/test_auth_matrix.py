"""Every verb, by who says it and over what; and real clients, each mechanism."""

import base64
import json
import os
import shutil
import ssl
import subprocess

import pytest

from station import HOST, Yizhan
from talk import HERMETIC, Talk

ALICE, BOB, SUE = "alice@yizhan.test", "bob@yizhan.test", "sue@yizhan.test"
CONF = "demo = yes\n" + HERMETIC + "limits { errors_soft = 1000 errors_hard = 1000 }\n"
LETTER = b"Subject: matrix\r\n\r\nx\r\n"


def blind():
    return ssl._create_unverified_context()


@pytest.fixture(scope="module")
def people():
    """The demo's alice and bob; sue, who is suspended; an app password of alice's that is for reading only."""
    with Yizhan(conf=CONF) as station:
        populate(station)
        yield station


def populate(station):
    station.cli("account", "add", SUE, "--password-stdin", input=b"sue's own password\n")
    station.cli("account", "suspend", SUE)
    made = station.cli("account", "app-password-add", ALICE, "reader", "--scope", "imap", "--json")
    station.app = json.loads(made.stdout)["password"]


def plain(user, password):
    return b"AUTH PLAIN " + base64.b64encode(("\0%s\0%s" % (user, password)).encode())


def credentials(station, who):
    own = station.account("alice").password
    return {
        "nobody": None,
        "alice": (ALICE, own),
        "another": (BOB, station.account("bob").password),
        "suspended": (SUE, "sue's own password"),
        "other scope": (ALICE, station.app),
    }[who]


def connect(station, way):
    """"clear" and "starttls" on the port of STARTTLS, "tls" on that of TLS."""
    if way == "tls":
        t = Talk((HOST, station.ports["submissions"]), greet=False)
        t.sock = blind().wrap_socket(t.sock)
        t.reply()
    else:
        t = Talk((HOST, station.ports["submission"]))
        if way == "starttls":
            t.ask(b"EHLO here")
            assert t.ask(b"STARTTLS").code == 220
            t.sock = blind().wrap_socket(t.sock)
    assert t.ask(b"EHLO here").code == 250
    return t


WAYS = ["clear", "starttls", "tls"]
WHO = ["nobody", "alice", "another", "suspended", "other scope"]
# who may send; everybody else is as nobody
IN = {"alice", "another"}

# verb: what who has logged in hears, and what others do. Each begins without a transaction.
VERBS = [
    (b"NOOP", "250 2.0.0", "250 2.0.0"),
    (b"RSET", "250 2.0.0", "250 2.0.0"),
    (b"HELP", "214 2.0.0", "214 2.0.0"),
    (b"VRFY alice@yizhan.test", "252 2.5.0", "530 5.7.0"),
    (b"EXPN staff", "502 5.5.1", "502 5.5.1"),
    (b"ETRN yizhan.test", "502 5.5.1", "502 5.5.1"),
    (b"TURN", "502 5.5.1", "502 5.5.1"),
    (b"RCPT TO:<bob@yizhan.test>", "503 5.5.1", "503 5.5.1"),
    (b"DATA", "503 5.5.1", "503 5.5.1"),
    (b"BDAT 0 LAST", "503 5.5.1", "503 5.5.1"),
    (b"MAIL FROM:<>", "250 2.1.0", "530 5.7.0"),
    (b"MAIL FROM:<nobody@yizhan.test>", "550 5.7.1", "530 5.7.0"),
    (b"MAIL FROM:<x@elsewhere.example>", "550 5.7.1", "530 5.7.0"),
    (b"XYZZY", "500 5.5.2", "500 5.5.2"),
]


def log_in(station, t, way, who):
    pair = credentials(station, who)
    if pair is None:
        return
    expected = "538 5.7.11" if way == "clear" else "235 2.7.0" if who in IN else "535 5.7.8"
    assert t.ask(plain(*pair)).both == expected


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("way", WAYS)
def test_every_verb_by_who_says_it(people, way, who):
    is_in = who in IN and way != "clear"
    with connect(people, way) as t:
        log_in(people, t, way, who)
        for verb, inside, outside in VERBS:
            got = t.ask(verb).both
            assert got == (inside if is_in else outside), verb
            assert t.ask(b"RSET").code == 250
        # her own address is hers alone
        mail = t.ask(b"MAIL FROM:<" + ALICE.encode() + b">").both
        assert mail == ("530 5.7.0" if not is_in else "250 2.1.0" if who == "alice" else "550 5.7.1")
        rcpt = t.ask(b"RCPT TO:<x@elsewhere.example>").both
        assert rcpt == ("250 2.1.5" if is_in and who == "alice" else "503 5.5.1")
        t.ask(b"RSET")
        # greeting again neither logs in nor out
        assert t.ask(b"HELO here").code == 250
        assert t.ask(b"EHLO here").code == 250
        again = t.ask(plain(ALICE, "no password of hers")).both
        assert again == ("538 5.7.11" if way == "clear" else "503 5.5.1" if is_in else "535 5.7.8")
        tls = t.ask(b"STARTTLS").both
        assert tls == ("220 2.0.0" if way == "clear" else "503 5.5.1" if way == "starttls" else tls)
        if way != "clear":
            assert int(tls[:3]) >= 500
            assert t.ask(b"QUIT").code == 221


@pytest.mark.parametrize("way", ["starttls", "tls"])
@pytest.mark.parametrize("who", ["alice", "another"])
@pytest.mark.parametrize("chunked", [False, True])
def test_who_has_logged_in_sends_as_himself(people, way, who, chunked):
    me = (ALICE if who == "alice" else BOB).encode()
    with connect(people, way) as t:
        log_in(people, t, way, who)
        assert t.ask(b"MAIL FROM:<" + me + b">").code == 250
        assert t.ask(b"RCPT TO:<" + BOB.encode() + b">").code == 250
        if chunked:
            t.send(b"BDAT %d LAST\r\n" % len(LETTER) + LETTER)
        else:
            assert t.ask(b"DATA").code == 354
            t.send(LETTER + b".\r\n")
        assert t.reply().code == 250


# ---- what ends a session ----------------------------------------------------------------------------------


def log_in_as(station, user, password):
    t = connect(station, "tls")
    assert t.ask(plain(user, password)).both == "235 2.7.0"
    return t


def test_idle_sessions_end_with_what_they_logged_in_with(station):
    for name in ("ann", "ben"):
        station.cli("account", "add", "%s@yizhan.test" % name, "--password-stdin", input=b"first password\n")
    app = json.loads(station.cli("account", "app-password-add", "ann@yizhan.test", "phone", "--json").stdout)["password"]
    own = log_in_as(station, "ann@yizhan.test", "first password")
    phone = log_in_as(station, "ann@yizhan.test", app)
    ben = log_in_as(station, "ben@yizhan.test", "first password")
    station.cli("account", "app-password-remove", "ann@yizhan.test", "phone")
    assert phone.reply().both == "421 4.7.0"
    assert own.ask(b"NOOP").code == 250
    station.cli("account", "suspend", "ann@yizhan.test")
    assert own.reply().both == "421 4.7.0"
    assert ben.ask(b"NOOP").code == 250
    station.cli("account", "password", "ben@yizhan.test", "--password-stdin", input=b"second password\n")
    assert ben.reply().both == "421 4.7.0"
    with connect(station, "tls") as t:
        assert t.ask(plain("ben@yizhan.test", "first password")).both == "535 5.7.8"
        assert t.ask(plain("ben@yizhan.test", "second password")).both == "235 2.7.0"


def test_two_connections_at_a_time_do_not_meet(people):
    """One answers with what is no base64 and with half of a login while the other logs in."""
    station = people
    a, b = connect(station, "tls"), connect(station, "starttls")
    bob = station.account("bob")
    assert b.ask(b"AUTH LOGIN").code == 334
    assert a.ask(b"AUTH LOGIN").code == 334
    assert a.ask(b"!!!! no base64").both == "501 5.5.2"
    assert b.ask(base64.b64encode(BOB.encode())).code == 334
    assert a.ask(b"AUTH PLAIN " + base64.b64encode(b"\0al\xffice\0x")).both == "501 5.5.2"
    assert a.ask(b"AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,,n=alice,r=abc")).code == 334
    assert b.ask(base64.b64encode(bob.password.encode())).code == 235
    assert a.ask(b"*").both == "501 5.7.0"
    assert a.ask(b"MAIL FROM:<" + BOB.encode() + b">").both == "530 5.7.0"
    assert b.ask(b"MAIL FROM:<" + BOB.encode() + b">").code == 250
    for t in (a, b):
        t.close()


def test_a_forged_channel_binding_fails(people):
    """`p=` where the mechanism has none, and in -PLUS with what no connection gave."""
    first = base64.b64encode(b"p=tls-exporter,,n=alice@yizhan.test,r=abcdefgh")
    with connect(people, "tls") as t:
        assert t.ask(b"AUTH SCRAM-SHA-256 " + first).both == "535 5.7.8"
        challenge = t.ask(b"AUTH SCRAM-SHA-256-PLUS " + first)
        assert challenge.code == 334
        nonce = base64.b64decode(challenge.lines[0]).split(b",")[0]
        forged = base64.b64encode(b"p=tls-exporter,," + b"\0" * 32)
        final = b"c=" + forged + b"," + nonce + b",p=" + base64.b64encode(b"\0" * 32)
        assert t.ask(base64.b64encode(final)).both == "535 5.7.8"


# ---- real clients -----------------------------------------------------------------------------------------


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, text=True, **more)


def authority(station):
    """The demo's own certificate is its authority."""
    return os.path.join(station.data, "certificate.pem")


@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("is_right", [True, False])
def test_swaks(people, mech, is_right):
    account = people.account("bob")
    done = run(["swaks", "--server", HOST, "--port", str(people.ports["submission"]), "--tls", "--auth", mech,
                "--auth-user", account.address, "--auth-password", account.password if is_right else "wrong",
                "--from", BOB, "--to", ALICE, "--header", "Subject: swaks"])
    assert (done.returncode == 0) == is_right, done.stdout
    assert ("235 2.7.0" if is_right else "535 5.7.8") in done.stdout


@pytest.mark.parametrize("mech", ["plain", "login", "scram-sha-256"])
@pytest.mark.parametrize("is_right", [True, False])
def test_msmtp(people, mech, is_right):
    account = people.account("bob")
    done = run(["msmtp", "--file=/dev/null", "--host=localhost", "--port=%d" % people.ports["submission"], "--tls=on",
                "--tls-trust-file=" + authority(people), "--auth=" + mech, "--user=" + account.address,
                "--passwordeval=echo " + (account.password if is_right else "wrong"), "--from=" + BOB, ALICE],
               input="Subject: msmtp\n\nx\n")
    assert (done.returncode == 0) == is_right, done.stdout


@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize("is_right", [True, False])
def test_gsasl(people, mech, is_right):
    """GNU SASL's own client; with -PLUS it binds to the TLS connection."""
    if not shutil.which("gsasl"):
        pytest.fail("gsasl is not there: tools/setup --test")
    account = people.account("bob")
    done = run(["gsasl", "--client", "--smtp", "--connect=localhost:%d" % people.ports["submission"],
                "--x509-ca-file=" + authority(people), "--mechanism=" + mech, "--authentication-id=" + account.address,
                "--password=" + (account.password if is_right else "wrong"), "--no-client-first",
                *([] if mech.endswith("-PLUS") else ["--no-cb"])], input="")
    assert ("235 2.7.0" in done.stdout) == is_right, done.stdout
    assert ("535 5.7.8" in done.stdout) == (not is_right), done.stdout
