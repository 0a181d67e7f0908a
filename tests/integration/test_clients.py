"""The programs people send mail with: what each of them hands over is in the mailbox, to the octet.

Between client and server stands a tap, so that "as sent" means what was on the wire, not what a client says of itself.
"""

import email
import email.message
import os
import shutil
import smtplib
import socket
import ssl
import subprocess

import pytest

from letters import Tap, find_letter, find_letters
from station import Yizhan

ALICE, BOB, NOBODY = "alice@yizhan.test", "bob@yizhan.test", "nobody@yizhan.test"
ME = "me@example.org"
NAME = "mx.yizhan.test"
UTF8 = "驿站@yizhan.test"

# LMTP takes the place of the demo's POP3 port, so that the station's offset covers it.
CONF = """
demo = yes
listener smtp { address = { "127.0.0.1:2525" } }
listener lmtp { address = { "127.0.0.1:1100" } protocol = lmtp }
listener local { address = { "unix:{data}/smtp.sock" } }
"""


@pytest.fixture(scope="module")
def post():
    with Yizhan(conf=CONF) as server:
        server.cli("account", "add", UTF8, "--no-password")
        yield server


@pytest.fixture
def tap(post):
    with Tap(post.smtp) as between:
        yield between


@pytest.fixture
def run(tmp_path):
    """Run a client; its CompletedProcess, with standard output and error together. `code` None: any. What its user
    has set at home does not count."""
    def go(args, input=None, code=0, env=None):
        assert shutil.which(args[0]), "%s is not installed: run tools/setup" % args[0]
        done = subprocess.run(args, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30,
                              env=dict(os.environ, HOME=str(tmp_path), **(env or {})))
        if code is not None:
            assert done.returncode == code, done.stdout.decode(errors="replace")
        return done
    return go


def certificate(post):
    return os.path.join(post.data, "certificate.pem")


def text(subject, *lines, sender=ME):
    """A letter in its wire form. Its lines show dots, length and blanks at the end."""
    lines = lines or ("Hello,", "", ".a line that begins with a dot", "..", ".", "blanks at the end  ", "x" * 900, "")
    return "\r\n".join(["From: <%s>" % sender, "To: <%s>" % ALICE, "Subject: " + subject,
                        "Date: Mon, 02 Mar 2026 10:00:00 +0000", "Message-ID: <%s@example.org>" % subject.replace(" ", "."),
                        "", *lines, ""])


def check(letter, sent, protocol="ESMTP", rcpt=ALICE, sender=ME, tls=False, by=NAME):
    """Return-Path first, then Delivered-To, Received, and the message exactly as it was sent."""
    assert letter.content == (sent if isinstance(sent, bytes) else sent.encode())
    assert (letter.return_path, letter.delivered_to) == (sender, rcpt or letter.delivered_to)
    assert (letter.received.protocol, letter.received.rcpt, letter.received.by) == (protocol, rcpt, by)
    assert letter.received.peer == "[127.0.0.1]"
    assert (letter.received.tls is not None) == tls


# -- Python's smtplib -----------------------------------------------------------------------------------------

def test_smtplib_several_recipients_one_refused(post, tap):
    with smtplib.SMTP(*tap.address, timeout=20) as client:
        refused = client.sendmail(ME, [ALICE, NOBODY, BOB], text("smtplib some"))
        reply = client.noop()
    assert list(refused) == [NOBODY]
    assert refused[NOBODY][0] == 550 and refused[NOBODY][1].startswith(b"5.1.1 ")
    assert reply[0] == 250
    for address in (ALICE, BOB):
        letter = find_letter(post, address, "smtplib some")
        # `for` would tell each of the other
        check(letter, text("smtplib some"), rcpt=None)
        assert letter.delivered_to == address
        assert letter.content == tap.contents()[0]
        assert (BOB if address == ALICE else NOBODY).encode() not in letter.raw


def test_smtplib_the_only_accepted_recipient_is_named(post, tap):
    with smtplib.SMTP(*tap.address, timeout=20) as client:
        assert list(client.sendmail(ME, [NOBODY, ALICE, "far@away.example"], text("smtplib one"))) == [
            NOBODY, "far@away.example"]
    check(find_letter(post, ALICE, "smtplib one"), text("smtplib one"))


def test_smtplib_all_refused_then_the_connection_still_serves(post, tap):
    with smtplib.SMTP(*tap.address, timeout=20) as client:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail(ME, [NOBODY, "far@away.example"], text("smtplib none"))
        assert {who: reply[1][:5] for who, reply in refused.value.recipients.items()} == {
            NOBODY: b"5.1.1", "far@away.example": b"5.7.1"}
        assert client.sendmail(ME, [ALICE], text("smtplib after none")) == {}
    assert find_letters(post, ALICE, "smtplib none") == []
    check(find_letter(post, ALICE, "smtplib after none"), text("smtplib after none"))


def test_smtplib_starttls_with_a_checked_certificate(post):
    context = ssl.create_default_context(cafile=certificate(post))
    with smtplib.SMTP(*post.smtp, timeout=20) as client:
        assert client.starttls(context=context)[0] == 220
        assert client.sock.version() == "TLSv1.3"
        cipher = client.sock.cipher()
        client.ehlo()
        assert not client.has_extn("starttls")
        client.sendmail(ME, [ALICE], text("smtplib tls"))
    letter = find_letter(post, ALICE, "smtplib tls")
    check(letter, text("smtplib tls"), protocol="ESMTPS", tls=True)
    assert letter.received.tls == "TLSv1.3"
    assert ("with cipher %s (%d bits)" % (cipher[0], cipher[2])).encode() in letter.raw


def test_smtplib_tls12_facts(post):
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtplib.SMTP(*post.smtp, timeout=20) as client:
        client.starttls(context=context)
        client.sendmail(ME, [ALICE], text("smtplib tls12"))
    letter = find_letter(post, ALICE, "smtplib tls12")
    check(letter, text("smtplib tls12"), protocol="ESMTPS", tls=True)
    assert letter.received.tls == "TLSv1.2"


def test_smtplib_eight_bit_text(post, tap):
    sent = text("smtplib 8bit", "grüße 你好").encode() + b"latin-1: \xfc\xff\x80\r\n"
    with smtplib.SMTP(*tap.address, timeout=20) as client:
        client.sendmail(ME, [ALICE], sent, mail_options=["BODY=8BITMIME"])
    letter = find_letter(post, ALICE, "smtplib 8bit")
    check(letter, sent)
    assert tap.contents() == [sent]


@pytest.mark.parametrize("is_tls, protocol", [(False, "UTF8SMTP"), (True, "UTF8SMTPS")])
def test_smtplib_utf8_addresses(post, is_tls, protocol):
    sender, subject = "发件人@例子.test", "smtplib 驿站 " + protocol
    letter = email.message.EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = sender, UTF8, subject
    letter.set_content("你好\n", cte="8bit")
    with smtplib.SMTP(*post.smtp, timeout=20) as client:
        if is_tls:
            client.starttls(context=ssl._create_unverified_context())
        assert client.send_message(letter) == {}
    sent = letter.as_bytes(policy=letter.policy.clone(utf8=True, linesep="\r\n"))
    check(find_letter(post, UTF8, subject), sent, protocol=protocol, rcpt=UTF8, sender=sender, tls=is_tls)


def test_smtplib_utf8_address_without_the_extension_is_refused(post):
    with smtplib.SMTP(*post.smtp, timeout=20) as client:
        client.ehlo()
        client.mail(ME)
        client.command_encoding = "utf-8"
        code, reply = client.docmd("RCPT TO:<%s>" % UTF8)
        assert (code, reply[:5]) == (553, b"5.6.7")


def test_smtplib_null_sender(post):
    with smtplib.SMTP(*post.smtp, timeout=20) as client:
        client.sendmail("", [ALICE], text("smtplib null"))
    check(find_letter(post, ALICE, "smtplib null"), text("smtplib null"), sender="")


def test_smtplib_helo_only(post):
    with smtplib.SMTP(*post.smtp, timeout=20, local_hostname="old.example") as client:
        client.helo()
        client.sendmail(ME, [ALICE], text("smtplib helo"))
    letter = find_letter(post, ALICE, "smtplib helo")
    check(letter, text("smtplib helo"), protocol="SMTP")
    assert letter.received.helo == "old.example"


def test_smtplib_large_message(post, tap):
    sent = text("smtplib large", *(".%07d %s" % (i, "y" * 900) for i in range(6000)))
    with smtplib.SMTP(*tap.address, timeout=20) as client:
        client.sendmail(ME, [ALICE], sent)
    check(find_letter(post, ALICE, "smtplib large"), sent)


def test_smtplib_own_trace_fields_of_the_sender_are_kept(post):
    """A Return-Path or Delivered-To that came with the message is content; ours stand first."""
    sent = "Return-Path: <forged@example.org>\r\nDelivered-To: someone@example.org\r\n" + text("smtplib forged")
    with smtplib.SMTP(*post.smtp, timeout=20) as client:
        client.sendmail(ME, [ALICE], sent)
    check(find_letter(post, ALICE, "smtplib forged"), sent)


def test_smtplib_lmtp_answers_for_each_recipient(post):
    with smtplib.LMTP("127.0.0.1", post.ports["lmtp"], timeout=20) as client:
        refused = client.sendmail(ME, [ALICE, NOBODY, BOB], text("smtplib lmtp"))
        assert list(refused) == [NOBODY]
        # smtplib reads one reply at the end; LMTP owes one for each accepted recipient (RFC 2033 section 4.2)
        assert client.getreply()[0] == 250
        assert client.noop()[0] == 250
    for address in (ALICE, BOB):
        check(find_letter(post, address, "smtplib lmtp"), text("smtplib lmtp"), protocol="LMTP", rcpt=None)


def test_smtplib_over_the_unix_socket(post):
    """Whoever may open it is trusted, and there is no address to tell."""
    with smtplib.LMTP(post.data + "/smtp.sock") as client:
        client.ehlo_msg = "ehlo"  # smtplib speaks over sockets of this kind in its LMTP class only
        client.sendmail(ME, [ALICE], text("smtplib unix"))
    letter = find_letter(post, ALICE, "smtplib unix")
    assert letter.content == text("smtplib unix").encode()
    assert (letter.received.peer, letter.received.protocol, letter.received.rcpt) == ("unix", "ESMTP", ALICE)


# -- swaks ----------------------------------------------------------------------------------------------------

def swaks(run, address, subject, *options, to=ALICE, code=0):
    data = text(subject).replace("\r\n", "\\n")
    return run(["swaks", "--server", address[0], "--port", str(address[1]), "--from", ME, "--to", to, "--timeout", "20",
                "--ehlo", "swaks.example", "--data", data, *options], code=code)


@pytest.mark.parametrize("name, options, protocol", [
    ("plain", [], "ESMTP"),
    ("pipelining", ["--pipeline"], "ESMTP"),
    ("helo", ["--protocol", "SMTP"], "SMTP"),
])
def test_swaks(post, tap, run, name, options, protocol):
    subject = "swaks " + name
    swaks(run, tap.address, subject, *options)
    letter = find_letter(post, ALICE, subject)
    # swaks ends the data with a line end of its own
    check(letter, tap.contents()[0], protocol=protocol)
    assert letter.content.startswith(text(subject).encode())
    assert letter.received.helo == "swaks.example"


@pytest.mark.parametrize("options", [["--tls"], ["--tls", "--pipeline"]])
def test_swaks_starttls(post, run, options):
    subject = "swaks" + " ".join(options)
    swaks(run, post.smtp, subject, *options, "--tls-verify", "--tls-ca-path", certificate(post), "--tls-sni", NAME)
    letter = find_letter(post, ALICE, subject)
    check(letter, letter.content, protocol="ESMTPS", tls=True)
    assert letter.content.rstrip() == text(subject).encode().rstrip()


def test_swaks_pipelining_with_one_refused(post, tap, run):
    done = swaks(run, tap.address, "swaks some", "--pipeline", to=",".join([ALICE, NOBODY, BOB]))
    assert b"550 5.1.1" in done.stdout
    assert b"RCPT TO:<%s>\r\nRCPT TO:<%s>\r\nRCPT" % (ALICE.encode(), NOBODY.encode()) in tap.sessions[0][0]
    for address in (ALICE, BOB):
        check(find_letter(post, address, "swaks some"), tap.contents()[0], rcpt=None)


def test_swaks_all_refused(post, run):
    done = swaks(run, post.smtp, "swaks none", "--pipeline", to=NOBODY, code=24)
    assert b"550 5.1.1" in done.stdout and b"queued" not in done.stdout


def test_swaks_lmtp(post, run):
    swaks(run, ("127.0.0.1", post.ports["lmtp"]), "swaks lmtp", "--protocol", "LMTP", to=ALICE + "," + BOB)
    for address in (ALICE, BOB):
        letter = find_letter(post, address, "swaks lmtp")
        check(letter, letter.content, protocol="LMTP", rcpt=None)


def test_swaks_lmtp_starttls(post, run):
    swaks(run, ("127.0.0.1", post.ports["lmtp"]), "swaks lmtps", "--protocol", "LMTP", "--tls")
    letter = find_letter(post, ALICE, "swaks lmtps")
    check(letter, letter.content, protocol="LMTPS", tls=True)


def test_swaks_over_the_unix_socket(post, run):
    run(["swaks", "--socket", post.data + "/smtp.sock", "--from", ME, "--to", ALICE, "--ehlo", "swaks.example",
         "--data", "Subject: swaks unix\\n\\nhello"])
    letter = find_letter(post, ALICE, "swaks unix")
    assert (letter.received.peer, letter.received.protocol) == ("unix", "ESMTP")


# -- curl -----------------------------------------------------------------------------------------------------

def curl(run, address, sent, *options, rcpts=(ALICE,), code=0):
    args = ["curl", "--silent", "--show-error", "--max-time", "20", "--url", "smtp://%s:%d/curl.example" % address,
            "--mail-from", ME]
    for rcpt in rcpts:
        args += ["--mail-rcpt", rcpt]
    return run(args + ["--upload-file", "-", *options], input=sent.encode(), code=code)


def test_curl(post, tap, run):
    curl(run, tap.address, text("curl plain"))
    letter = find_letter(post, ALICE, "curl plain")
    check(letter, text("curl plain"))
    assert tap.contents() == [letter.content]
    assert letter.received.helo == "curl.example"


def test_curl_starttls_with_a_checked_certificate(post, run):
    curl(run, post.smtp, text("curl tls"), "--ssl-reqd", "--cacert", certificate(post))
    check(find_letter(post, ALICE, "curl tls"), text("curl tls"), protocol="ESMTPS", tls=True)


def test_curl_one_refused(post, run):
    curl(run, post.smtp, text("curl none"), rcpts=[ALICE, NOBODY], code=55)
    assert find_letters(post, ALICE, "curl none") == []
    curl(run, post.smtp, text("curl some"), "--mail-rcpt-allowfails", rcpts=[ALICE, NOBODY])
    check(find_letter(post, ALICE, "curl some"), text("curl some"))


def test_curl_mime_parts(post, tap, run):
    run(["curl", "--silent", "--show-error", "--max-time", "20", "--url", "smtp://%s:%d" % tap.address, "--mail-from", ME,
         "--mail-rcpt", ALICE, "-H", "Subject: curl mime", "-F", "=grüße;type=text/plain;encoder=quoted-printable",
         "-F", "file=@%s;type=application/octet-stream;encoder=base64" % __file__])
    letter = find_letter(post, ALICE, "curl mime")
    check(letter, tap.contents()[0])
    parts = email.message_from_bytes(letter.content).get_payload()
    assert [p.get_content_type() for p in parts] == ["text/plain", "application/octet-stream"]
    assert parts[0].get_payload(decode=True) == "grüße".encode()
    with open(__file__, "rb") as f:
        assert parts[1].get_payload(decode=True) == f.read()


def test_curl_vrfy_and_help(post, run):
    base = ["curl", "--silent", "--show-error", "--max-time", "20", "--url", "smtp://%s:%d" % post.smtp]
    assert b"252 2." in run(base + ["--mail-rcpt", ALICE]).stdout
    assert b"214" in run(base + ["--request", "HELP"]).stdout


# -- msmtp ----------------------------------------------------------------------------------------------------

MSMTP = """
defaults
logfile %(log)s
domain msmtp.example
from %(me)s
account default
%(where)s
tls %(tls)s
tls_starttls on
tls_certcheck on
tls_trust_file %(certificate)s
"""


@pytest.fixture
def msmtp(post, run, tmp_path):
    def go(sent, *args, where=None, tls=False, code=0):
        settings = dict(log=tmp_path / "log", me=ME, tls="on" if tls else "off", certificate=certificate(post),
                        where=where if isinstance(where, str) else "host %s\nport %d" % (where or post.smtp))
        conf = tmp_path / "msmtprc"
        conf.write_text(MSMTP % settings)
        conf.chmod(0o600)
        return run(["msmtp", "-C", str(conf), *args], input=sent.replace("\r\n", "\n").encode(), code=code)
    return go


def test_msmtp_plain(post, tap, msmtp):
    msmtp(text("msmtp plain"), ALICE, where=tap.address)
    letter = find_letter(post, ALICE, "msmtp plain")
    check(letter, text("msmtp plain"))
    assert tap.contents() == [letter.content] and letter.received.helo == "msmtp.example"


def test_msmtp_tls_with_a_checked_certificate(post, msmtp):
    msmtp(text("msmtp tls"), ALICE, tls=True)
    check(find_letter(post, ALICE, "msmtp tls"), text("msmtp tls"), protocol="ESMTPS", tls=True)


def test_msmtp_recipients_from_the_header(post, msmtp):
    """-t: the Bcc field stays at home, and nothing we write tells of the hidden recipient."""
    msmtp("Bcc: <%s>\r\n%s" % (BOB, text("msmtp bcc")), "-t")
    for address in (ALICE, BOB):
        letter = find_letter(post, address, "msmtp bcc")
        check(letter, text("msmtp bcc"), rcpt=None)
    assert BOB.encode() not in find_letter(post, ALICE, "msmtp bcc").raw


def test_msmtp_refused(post, msmtp):
    done = msmtp(text("msmtp none"), NOBODY, code=65)
    assert b"550 5.1.1" in done.stdout
    assert find_letters(post, ALICE, "msmtp none") == []


def test_msmtp_serverinfo(post, msmtp):
    told = msmtp("", "--serverinfo", tls=True).stdout.decode()
    assert "PIPELINING" in told and "SIZE" in told and "TLS" in told


def test_msmtp_over_the_unix_socket(post, msmtp):
    msmtp(text("msmtp unix"), ALICE, where="host localhost\nsocket %s/smtp.sock" % post.data)
    assert find_letter(post, ALICE, "msmtp unix").received.peer == "unix"


# -- s-nail ---------------------------------------------------------------------------------------------------

@pytest.fixture
def nail(post, run, tmp_path):
    def go(subject, body, *args, address=None, code=0):
        return run(["s-nail", "-:/", "-Sv15-compat", "-Ssendwait", "-Smta=smtp://%s:%d" % (address or post.smtp),
                    "-Ssmtp-auth=none", "-Sfrom=" + ME, "-Shostname=nail.example", "-Sttycharset=utf-8",
                    "-Sexpandaddr", "-s", subject, *args], input=body.encode(), code=code,
                   env={"DEAD": str(tmp_path / "dead"), "LC_ALL": "C.UTF-8"})
    return go


def test_nail(post, tap, nail):
    nail("s-nail plain", "hello\n.dot\n", ALICE, address=tap.address)
    letter = find_letter(post, ALICE, "s-nail plain")
    # without a login or TLS it greets with HELO
    check(letter, tap.contents()[0], protocol="SMTP")
    assert email.message_from_bytes(letter.content).get_payload() == "hello\r\n.dot\r\n"


def test_nail_starttls_with_a_checked_certificate(post, nail):
    # it compares names only, not addresses
    nail("s-nail tls", "hello\n", "-Ssmtp-use-starttls", "-Stls-verify=strict",
         "-Stls-ca-file=" + certificate(post), "-Stls-ca-no-defaults", ALICE,
         address=("localhost", post.ports["smtp"]))
    # behind the handshake it says HELO again: RFC 3848 has no word for that, the comment tells of TLS
    letter = find_letter(post, ALICE, "s-nail tls")
    check(letter, letter.content, protocol="SMTP", tls=True)


def test_nail_several_recipients_and_an_attachment(post, tap, nail, tmp_path):
    (tmp_path / "picture.bin").write_bytes(bytes(range(256)) * 50)
    nail("s-nail grüße 驿站", "你好\n", "-a", str(tmp_path / "picture.bin"), "-b", BOB, ALICE, address=tap.address)
    for address in (ALICE, BOB):
        letter = find_letter(post, address, "s-nail grüße 驿站")
        check(letter, tap.contents()[0], protocol="SMTP", rcpt=None)
        parts = email.message_from_bytes(letter.content).get_payload()
        assert parts[0].get_payload(decode=True) == "你好\r\n".encode()
        assert parts[1].get_payload(decode=True) == bytes(range(256)) * 50
    assert BOB.encode() not in find_letter(post, ALICE, "s-nail grüße 驿站").raw


def test_nail_refused(post, nail):
    done = nail("s-nail none", "hello\n", NOBODY, code=None)
    assert done.returncode != 0 and b"5.1.1" in done.stdout


# -- together -------------------------------------------------------------------------------------------------

def test_the_store_is_sound_after_all_of_them(post):
    post.cli("check")
    status = post.cli_json("status", "--json")
    assert status["inbound"]["refused_messages"] == 0 and status["inbound"]["connections_now"] == 0
    assert status["store"]["queue_messages"] == 0 and status["store"]["stage_memory"] == 0
