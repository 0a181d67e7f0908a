"""libyizhan among real mail servers: what it sends is in their mailboxes, what they say is in its results."""

import os
import re

import pytest

import library
from library import Session, send_one
from reports import Report, typed

ALICE, BOB, GHOST = "alice@far.test", "bob@far.test", "ghost@far.test"
WORD = "correct horse, battery"
MANY = 100


def letter(subject, *lines):
    """Octets that every server keeps: dots, blanks at line ends, long lines, 8-bit text."""
    head = ["From: <%s>" % ALICE, "To: <%s>" % BOB, "Subject: " + subject, "Date: Mon, 02 Mar 2026 10:00:00 +0000",
            "Message-ID: <%s@library.test>" % subject.replace(" ", ".")]
    body = lines or ("Hello,", ".", "..", ".dot", "blank at the end ", "", "x" * 990, "the end")
    return "\r\n".join([*head, "", *body, ""]).encode()


def with_lf(octets):
    return octets.replace(b"\r\n", b"\n")


def check_stored(stored, sent):
    """The message as it was sent stands below what the server put above it."""
    assert with_lf(stored.raw).endswith(b"\n" + with_lf(sent))


def refused(result):
    return (result["outcome"], result["phase"], result["reply"]["code"])


def ca_of(peer):
    """The peer's certificate, where the test can read it, as the CA that is trusted."""
    return peer.path("cert.pem")


def check_many(told, log, by_subject):
    """Each of the messages was taken, in order, and the reply that it had names the queue file that it became."""
    connected, sent = told
    assert connected["err"] == sent["err"] == "ok" and len(sent["txns"]) == MANY
    assert len(by_subject) == MANY
    for i, txn in enumerate(sent["txns"]):
        assert (txn["err"], txn["outcome"]) == ("ok", "accepted")
        stored = by_subject["number %d" % i]
        queue_id = re.search(r"\bid (\S+?)(?:;|\s)", stored.text("Received") + " " + str(stored.msg["Received"])).group(1)
        assert queue_id in txn["last"]["text"]
        check_stored(stored, letter("number %d" % i))
    order = [int(n) for n in re.findall(r"\bid=<?number\.(\d+)@library\.test", log)]
    assert order == list(range(MANY))


def many(url, **session):
    s = Session(url, **session)
    for i in range(MANY):
        s.message(ALICE, [BOB], letter("number %d" % i))
    s.send()
    return s.run()


# -- Postfix, with Dovecot for its logins ---------------------------------------------------------------------

SUBMISSION = {"mynetworks": "127.255.255.255/32", "smtpd_recipient_restrictions": "permit_sasl_authenticated, reject",
              "smtpd_tls_auth_only": "yes", "smtpd_sasl_authenticated_header": "yes", "message_size_limit": "20000"}


@pytest.fixture(scope="module")
def dovecot(peers):
    from dovecot import Dovecot
    with Dovecot({ALICE: WORD, BOB: "b"}) as server:
        yield server


@pytest.fixture(scope="module")
def postfix(peers, dovecot):
    """Takes mail of those who logged in, under TLS, for alice and bob."""
    extra = dict(dovecot.for_postfix(), **SUBMISSION)
    with peers.Postfix("maildir", accounts=[ALICE, BOB, "收件人@far.test"], tls=True, extra=extra) as server:
        yield server


def url_of(peer, scheme="submission"):
    return "%s://localhost:%d" % (scheme, peer.port)


def login(peer, name="postfix.test", **options):
    return dict({"ca": ca_of(peer), "tls_name": name, "user": ALICE, "password": WORD}, **options)


def new_in(peer, account, subject, wait_for):
    """The stored message of that subject."""
    def find():
        return [m for m in peer.messages(account) if m.msg["Subject"] == subject]
    return wait_for("the message %r" % subject, find, 20)[0]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_each_mechanism_of_dovecot_logs_in_at_postfix(peers, postfix, mechanism):
    sent = letter("by " + mechanism)
    connected, txn = send_one(url_of(postfix), ALICE, [BOB], sent, login(postfix, mechanisms=mechanism))
    assert (connected["err"], connected["mechanism"]) == ("ok", mechanism), connected
    assert connected["auth"]["code"] == 235
    assert connected["tls"] == "TLSv1.3" and connected["is_verified"]
    assert mechanism in connected["caps"]["AUTH"].split()
    assert (txn["err"], txn["outcome"]) == ("ok", "accepted")
    stored = new_in(postfix, BOB, "by " + mechanism, peers.wait_for)
    check_stored(stored, sent)
    assert stored.sender == ALICE and "(Authenticated sender: %s)" % ALICE in str(stored.msg["Received"])
    assert "sasl_method=%s, sasl_username=%s" % (mechanism, ALICE) in postfix.log(1 << 20)


def test_the_strongest_mechanism_of_dovecot_is_taken(postfix):
    told = Session(url_of(postfix), **login(postfix)).run()
    assert told[0]["mechanism"] == "SCRAM-SHA-256"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_a_wrong_password_is_told_with_the_535_of_postfix(postfix, mechanism):
    told = Session(url_of(postfix), **login(postfix, mechanisms=mechanism, password="wrong"))
    connected = told.run()[0]
    assert (connected["err"], connected["phase"]) == ("auth", "auth")
    assert (connected["reply"]["code"], connected["reply"]["class"]) == (535, 5)
    assert connected["auth"]["code"] == 535 and "authentication failed" in connected["auth"]["text"].lower()
    assert "wrong" not in connected["text"]


def test_without_a_login_postfix_refuses_the_recipient(postfix):
    connected, txn = send_one(url_of(postfix), ALICE, [BOB], letter("nobody"), {"ca": ca_of(postfix), "tls_name": "postfix.test"})
    assert connected["err"] == "ok" and connected["mechanism"] is None
    assert txn["err"] == "rcpts" and refused(txn["results"][0]) == ("refused", "rcpt", 554)


def test_a_certificate_of_nobody_we_know_ends_it_before_the_login(postfix):
    options = login(postfix)
    del options["ca"]
    connected = Session(url_of(postfix), **options).run()[0]
    assert (connected["err"], connected["phase"], connected["is_connected"]) == ("tls-verify", "tls", False)
    assert connected["auth"] is None
    connected = Session(url_of(postfix), **login(postfix, name="other.test")).run()[0]
    assert connected["err"] == "tls-verify" and connected["tls_verify"] == 62  # X509_V_ERR_HOSTNAME_MISMATCH


@pytest.mark.parametrize("way, flags", [("bdat", 0), ("data", library.NO_CHUNKING),
                                        ("data", library.NO_CHUNKING | library.NO_PIPELINING)])
def test_8bit_and_utf8_by_bdat_and_data_arrive_octet_for_octet_at_postfix(peers, postfix, way, flags):
    subject = "八位 %s %d" % (way, flags)
    sent = letter(subject, "你好", ".", "ü" * 300, ".end")
    connected, txn = send_one(url_of(postfix), "发件人@far.test", ["收件人@far.test"], sent, login(postfix, flags=flags))
    assert "SMTPUTF8" in connected["caps"] and "CHUNKING" in connected["caps"]
    assert txn["outcome"] == "accepted" and "queued as " in txn["last"]["text"]

    def find():
        return [m for m in postfix.messages("收件人@far.test") if m.text("Subject") == subject]
    stored = peers.wait_for("the message", find, 20)[0]
    check_stored(stored, sent)
    assert stored.sender == "发件人@far.test" and "with UTF8SMTPSA id" in stored.raw.decode()
    # Postfix counts the commands of each session at its end
    counts = peers.wait_for("the end of the session", lambda: re.findall(
        r"disconnect from .* auth=1 mail=1 rcpt=1 (bdat|data)=1 quit=1", postfix.log(1 << 20)), 5)
    assert counts[-1] == way


def test_dsn_parameters_reach_postfix_which_reports(peers, postfix):
    _, txn = send_one(url_of(postfix), ALICE, [BOB], letter("tell me"), login(postfix), notify=library.NOTIFY_SUCCESS | library.NOTIFY_FAILURE,
                      orcpt="rfc822;old+bob@far.test", envid="an id=+", ret="hdrs", flags=library.DSN_OR_FAIL)
    assert txn["outcome"] == "accepted"
    report = Report(peers.wait_for("the report", lambda: [m for m in postfix.messages(ALICE) if m.sender == ""], 20)[0].raw)
    assert report.fields["Original-Envelope-Id"] == "an id=+"
    assert report.rcpts[BOB]["Action"] == "delivered" and not report.is_full
    assert typed(report.rcpts[BOB]["Original-Recipient"]) == ("rfc822", "old+bob@far.test")


def test_one_of_two_recipients_is_refused_by_postfix(peers, postfix):
    sent = letter("for one of them")
    _, txn = send_one(url_of(postfix), ALICE, [GHOST, BOB], sent, login(postfix))
    assert (txn["err"], txn["outcome"]) == ("ok", "refused")
    ghost, bob = txn["results"]
    assert refused(ghost) == ("refused", "rcpt", 550) and ghost["reply"]["detail"] == 1
    assert refused(bob) == ("accepted", "final", 250)
    check_stored(new_in(postfix, BOB, "for one of them", peers.wait_for), sent)


def test_the_size_limit_of_postfix_is_known_before_and_heard_after(peers, postfix):
    large, small = letter("large", *["y" * 70] * 400), letter("small enough")
    for flags, err, phase in ((0, "size", None), (library.NO_SIZE, "data", 552)):
        s = Session(url_of(postfix), **login(postfix, flags=flags))
        for one in (large, small):
            s.message(ALICE, [BOB], one)
            s.send()
        connected, first, second = s.run()
        assert connected["size_max"] == 20000
        assert first["err"] == err and first["is_connected"]
        assert (first["txns"][0]["reply"] or {"code": None})["code"] == phase
        assert second["err"] == "ok" and second["txns"][0]["outcome"] == "accepted"
    new_in(postfix, BOB, "small enough", peers.wait_for)
    assert not [m for m in postfix.messages(BOB) if m.msg["Subject"] == "large"]


def test_a_hundred_messages_in_one_flow_arrive_in_order_at_postfix(peers, dovecot):
    with peers.Postfix("sink", domains=["far.test"], tls=True, extra=dovecot.for_postfix()) as server:
        told = many(url_of(server), **login(server))
        stored = server.wait(MANY)
        log = server.log(1 << 22)
    assert " bdat=%d " % MANY in log and log.count(": connect from") <= 3
    check_many(told, log, {m.msg["Subject"]: m for m in stored})


# -- Dovecot's LMTP -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_lmtp_of_dovecot_decides_for_each_recipient(peers, way):
    from dovecot import Dovecot
    sent = letter("to each his own", *["z" * 70] * 20)
    with Dovecot({ALICE: "a", BOB: "b"}, full=[BOB]) as server:
        url = "lmtp+unix:" + server.path("lmtp") if way == "unix" else "lmtp://localhost:%d" % server.port
        options = {"ca": ca_of(server), "tls_name": "dovecot.test"}
        connected, txn = send_one(url, "sender@far.test", [ALICE, GHOST, BOB], sent, options)
        stored = peers.wait_for("the message", lambda: server.messages(ALICE), 10)
        assert server.messages(BOB) == [] and len(stored) == 1
    assert connected["err"] == "ok" and (way == "unix" or connected["is_verified"])
    assert txn["err"] == "ok" and txn["outcome"] == "refused"
    alice, ghost, bob = txn["results"]
    assert refused(alice) == ("accepted", "final", 250) and "Saved" in alice["reply"]["text"]
    assert refused(ghost) == ("refused", "rcpt", 550) and "User doesn't exist" in ghost["reply"]["text"]
    assert refused(bob) == ("refused", "final", 552) and (bob["reply"]["subject"], bob["reply"]["detail"]) == (2, 2)
    check_stored(stored[0], sent)
    assert stored[0].sender == "sender@far.test"


# -- Exim -----------------------------------------------------------------------------------------------------

EXIM_LOGINS = """\
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${if and{{eq{$auth2}{%(user)s}}{eq{$auth3}{%(word)s}}}}
  server_set_id = $auth2
  server_advertise_condition = ${if def:tls_in_cipher}
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${if and{{eq{$auth1}{%(user)s}}{eq{$auth2}{%(word)s}}}}
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${if eq{$auth1}{%(user)s}{%(word)s}fail}
  server_set_id = $auth1
external:
  driver = external
  public_name = EXTERNAL
  server_param2 = $tls_in_peerdn
  server_condition = ${if and{{eq{$tls_in_certificate_verified}{1}}{eq{$auth1}{%(user)s}}}}
  server_set_id = $auth1
""" % {"user": ALICE, "word": WORD}


@pytest.fixture(scope="module")
def client_certificate(peers, tmp_path_factory):
    where = tmp_path_factory.mktemp("client")
    where.chmod(0o755)
    for up in (where.parent, where.parent.parent):
        os.chmod(up, 0o755)  # Exim's own user reads it as the CA of its clients
    return peers.self_signed(str(where), "client.test")


@pytest.fixture(scope="module")
def exim(peers, client_certificate):
    extra = {"dsn_advertise_hosts": "*", "tls_verify_certificates": client_certificate[0], "tls_try_verify_hosts": "*"}
    with peers.Exim("maildir", refuse=["ghost"], tls=True, size="20000", authenticators=EXIM_LOGINS, extra=extra) as server:
        yield server


def at_exim(server, **options):
    return dict({"ca": ca_of(server), "tls_name": "exim.test"}, **options)


def stored_at(peers, server, subject):
    return peers.wait_for("the message %r" % subject,
                          lambda: [m for m in server.messages() if m.text("Subject") == subject], 20)[0]


@pytest.mark.parametrize("mechanism, name", [("PLAIN", "plain"), ("LOGIN", "login"), ("CRAM-MD5", "cram"), ("EXTERNAL", "external")])
def test_each_mechanism_of_exim_logs_in(peers, exim, client_certificate, mechanism, name):
    sent = letter("exim by " + mechanism)
    options = at_exim(exim, mechanisms=mechanism)
    if mechanism == "EXTERNAL":
        options.update(cert=client_certificate, certificate_name=ALICE)
    options.update(user=ALICE, password=WORD)
    connected, txn = send_one(url_of(exim), ALICE, [BOB], sent, options)
    assert (connected["err"], connected["mechanism"]) == ("ok", mechanism), connected
    assert connected["auth"]["code"] == 235 and connected["is_verified"] and txn["outcome"] == "accepted"
    stored = stored_at(peers, exim, "exim by " + mechanism)
    check_stored(stored, sent)
    assert "with esmtpsa" in str(stored.msg["Received"])
    assert " A=%s:%s " % (name, ALICE) in exim.log(1 << 20)


def test_a_wrong_password_is_told_with_the_535_of_exim(exim):
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
        connected = Session(url_of(exim), **at_exim(exim, mechanisms=mechanism, user=ALICE, password="wrong")).run()[0]
        assert (connected["err"], connected["reply"]["code"], connected["auth"]["code"]) == ("auth", 535, 535)


@pytest.mark.parametrize("flags", [0, library.NO_CHUNKING])
def test_8bit_and_utf8_arrive_octet_for_octet_at_exim(peers, exim, flags):
    subject = "八位 %d" % flags
    sent = letter(subject, "你好", ".", "ü" * 300, ".end")
    connected, txn = send_one(url_of(exim), "发件人@far.test", ["收件人@far.test"], sent, at_exim(exim, flags=flags))
    assert "SMTPUTF8" in connected["caps"] and txn["outcome"] == "accepted"
    stored = stored_at(peers, exim, subject)
    check_stored(stored, sent)
    assert (stored.sender, stored.rcpt) == ("发件人@far.test", "收件人@far.test")
    assert "with utf8esmtps" in str(stored.raw.decode())
    queue_id = re.search(r"id=(\S+)", txn["last"]["text"]).group(1)
    arrived = [line for line in exim.log(1 << 20).splitlines() if queue_id + " <= " in line][0]
    assert (" K " in arrived) == (flags == 0)


def test_dsn_parameters_reach_exim_which_reports(peers, exim):
    _, txn = send_one(url_of(exim), "asks@far.test", [BOB], letter("tell me, exim"), at_exim(exim), notify=library.NOTIFY_SUCCESS,
                      orcpt="rfc822;old+bob@far.test", envid="QQ1", ret="hdrs", flags=library.DSN_OR_FAIL)
    assert txn["outcome"] == "accepted"
    stored = peers.wait_for("the report", lambda: [m for m in exim.messages() if m.rcpt == "asks@far.test"], 20)[0]
    text = stored.body.decode()
    # Exim leaves what came as xtext as it is
    assert "\nOriginal-Envelope-ID: QQ1\n" in text and "\nOriginal-Recipient: rfc822;old+2Bbob@far.test\n" in text
    assert "\nAction: delivered\n" in text and "text/rfc822-headers" in text and "the end" not in text


def test_one_of_two_recipients_is_refused_by_exim(peers, exim):
    sent = letter("exim for one of them")
    _, txn = send_one(url_of(exim), ALICE, [GHOST, BOB], sent, at_exim(exim))
    ghost, bob = txn["results"]
    assert refused(ghost) == ("refused", "rcpt", 550) and "nobody of that name" in ghost["reply"]["text"]
    assert refused(bob) == ("accepted", "final", 250)
    stored = stored_at(peers, exim, "exim for one of them")
    check_stored(stored, sent)
    assert stored.rcpt == BOB


def test_the_size_limit_of_exim_is_known_before_and_heard_after(peers, exim):
    large = letter("exim large", *["y" * 70] * 400)
    for flags, err in ((0, "size"), (library.NO_SIZE, "data")):
        connected, txn = send_one(url_of(exim), ALICE, [BOB], large, at_exim(exim, flags=flags))
        assert connected["size_max"] == 20000 and txn["err"] == err
        assert (txn["reply"] or {"code": None})["code"] == (552 if flags else None)
    assert not [m for m in exim.messages() if m.msg["Subject"] == "exim large"]


def test_a_hundred_messages_in_one_flow_arrive_in_order_at_exim(peers):
    with peers.Exim("maildir", tls=True) as server:
        told = many(url_of(server), **at_exim(server))
        stored = server.wait(MANY)
        log = server.log(1 << 22)
    assert log.count(" K ") == MANY
    check_many(told, log, {m.msg["Subject"]: m for m in stored})


# -- OpenSMTPD: in clear, as Debian 12's cannot do TLS (tests/peers/opensmtpd.py) --------------------------------

@pytest.fixture(scope="module")
def opensmtpd(peers):
    from opensmtpd import OpenSMTPD
    with OpenSMTPD(boxes=[ALICE, BOB]) as server:
        yield server


def in_clear(server, **options):
    return "smtp://localhost:%d" % server.port, dict({"tls": library.TLS_NEVER}, **options)


def box_of(peers, server, address, subject):
    return peers.wait_for("the message %r" % subject,
                          lambda: [m for m in server.messages(address) if m.text("Subject") == subject], 20)[0]


def test_a_handshake_that_fails_at_opensmtpd_sends_nothing(opensmtpd):
    url, _ = in_clear(opensmtpd)
    connected = Session(url, ca=ca_of(opensmtpd), tls_name="smtpd.test").run()[0]
    assert (connected["err"], connected["phase"], connected["is_connected"]) == ("tls", "tls", False)


def test_opensmtpd_takes_8bit_and_refuses_one(peers, opensmtpd):
    subject = "八位"
    sent = letter(subject, "你好", ".", "ü" * 300, ".end")
    url, options = in_clear(opensmtpd)
    connected, txn = send_one(url, "sender@far.test", [GHOST, BOB], sent, options)
    assert connected["err"] == "ok" and not {"PIPELINING", "CHUNKING", "SMTPUTF8"} & set(connected["caps"])
    ghost, bob = txn["results"]
    # 524 5.2.4 is what it says of a name that no table has
    assert refused(ghost) == ("refused", "rcpt", 524) and refused(bob) == ("accepted", "final", 250)
    stored = box_of(peers, opensmtpd, BOB, subject)
    check_stored(stored, sent)
    assert opensmtpd.messages(GHOST) == []


def test_an_address_that_opensmtpd_cannot_take_is_not_sent_to_it(opensmtpd):
    url, options = in_clear(opensmtpd)
    _, txn = send_one(url, ALICE, ["收件人@far.test"], letter("utf8"), options)
    assert txn["err"] == "notsupp" and txn["results"][0]["reply"] is None


def test_dsn_parameters_are_taken_by_opensmtpd(peers, opensmtpd):
    url, options = in_clear(opensmtpd)
    _, txn = send_one(url, ALICE, [BOB], letter("tell me, smtpd"), options, notify=library.NOTIFY_SUCCESS, envid="QQ1",
                      orcpt="rfc822;old@far.test", ret="hdrs", flags=library.DSN_OR_FAIL)
    assert txn["outcome"] == "accepted", txn
    box_of(peers, opensmtpd, BOB, "tell me, smtpd")
    report = peers.wait_for("the report", lambda: opensmtpd.messages(ALICE), 20)[0].raw.decode()
    # OpenSMTPD obeys NOTIFY and RET, and names neither ENVID nor ORCPT
    assert "\nFinal-Recipient: rfc822; %s\nAction: delivered\n" % BOB in report
    assert "text/rfc822-headers" in report and "the end" not in report


def test_the_size_limit_of_opensmtpd_is_known_before_and_heard_after(opensmtpd):
    large = letter("smtpd large", *["y" * 70] * 400)
    for flags, err in ((0, "size"), (library.NO_SIZE, "data")):
        url, options = in_clear(opensmtpd, flags=flags)
        connected, txn = send_one(url, ALICE, [BOB], large, options)
        assert connected["size_max"] == 20000 and txn["err"] == err, txn
    assert not [m for m in opensmtpd.messages(BOB) if m.msg["Subject"] == "smtpd large"]


def test_a_hundred_messages_arrive_in_order_at_opensmtpd(peers):
    from opensmtpd import OpenSMTPD
    with OpenSMTPD(boxes=[BOB]) as server:
        url, options = in_clear(server)
        connected, sent = many(url, **options)
        stored = peers.wait_for("all messages", lambda: len(server.messages(BOB)) == MANY and server.messages(BOB), 20)
        order = re.findall(r"smtp message msgid=(\w+) ", server.log(1 << 22))
    assert connected["err"] == sent["err"] == "ok"
    ids = [re.search(r"(\w{8}) Message accepted", t["last"]["text"]).group(1) for t in sent["txns"]]
    assert ids == order
    by_subject = {m.msg["Subject"]: m for m in stored}
    for i, queue_id in enumerate(ids):
        check_stored(by_subject["number %d" % i], letter("number %d" % i))
        assert " id %s" % queue_id in str(by_subject["number %d" % i].msg["Received"])


# -- Yizhan ---------------------------------------------------------------------------------------------------

def at_us(station, **options):
    return dict({"ca": os.path.join(station.data, "certificate.pem")}, **options)


def here(station, scheme="submission"):
    return "%s://localhost:%d" % (scheme, station.ports["smtp"])


def newest(station, address, count=1):
    rows = station.wait_mailbox(address, count)
    assert len(rows) == count
    return [station.export(address, row["uid"]) for row in rows]


@pytest.mark.smoke
def test_yizhan_takes_8bit_utf8_and_refuses_one(station):
    me, you = (a.address for a in station.accounts[:2])
    sent = letter("驿站", "你好", ".", "ü" * 300, ".end")
    for flags in (0, library.NO_CHUNKING, library.NO_CHUNKING | library.NO_PIPELINING):
        connected, txn = send_one(here(station), "发件人@far.test", ["ghost@" + station.domain, you], sent, at_us(station, flags=flags))
        assert connected["err"] == "ok" and connected["is_verified"], connected
        assert {"SMTPUTF8", "CHUNKING", "PIPELINING", "DSN", "8BITMIME"} <= set(connected["caps"])
        assert refused(txn["results"][0]) == ("refused", "rcpt", 550)
        assert refused(txn["results"][1]) == ("accepted", "final", 250)
    for stored in newest(station, you, 3):
        assert stored.endswith(b"\r\n" + sent) and stored.startswith("Return-Path: <发件人@far.test>\r\n".encode())
    assert station.mailbox(me) == []


@pytest.mark.smoke
def test_yizhan_reports_as_dsn_parameters_ask(station):
    me, you = (a.address for a in station.accounts[:2])
    _, txn = send_one(here(station), me, [you], letter("tell me"), at_us(station), notify=library.NOTIFY_SUCCESS,
                      orcpt="rfc822;old+bob@far.test", envid="an id=+", ret="hdrs", flags=library.DSN_OR_FAIL)
    assert txn["outcome"] == "accepted"
    report = Report(newest(station, me)[0])
    assert report.fields["Original-Envelope-Id"] == "an id=+" and not report.is_full
    assert report.rcpts[you]["Action"] == "delivered"
    assert typed(report.rcpts[you]["Original-Recipient"]) == ("rfc822", "old+bob@far.test")


@pytest.mark.smoke
def test_a_hundred_messages_in_one_flow_arrive_in_order_at_yizhan(station):
    me, you = (a.address for a in station.accounts[:2])
    s = Session(here(station), **at_us(station))
    for i in range(MANY):
        s.message(me, [you], letter("number %d" % i))
    s.send()
    connected, sent = s.run()
    assert connected["err"] == sent["err"] == "ok"
    assert [t["outcome"] for t in sent["txns"]] == ["accepted"] * MANY
    rows = station.wait_mailbox(you, MANY)
    assert len(rows) == MANY
    ids = [re.search(r"\b(\w{10,})\b", t["last"]["text"]).group(1) for t in sent["txns"]]
    for i in range(0, MANY, 9):  # an export is a process each; they are numbered as they came
        stored = station.export(you, rows[i]["uid"])
        assert stored.endswith(b"\r\n" + letter("number %d" % i)) and ids[i].encode() in stored
