"""Programs that people send mail with, logged in: s-nail, mutt, git send-email, alpine, Nodemailer. (smtplib, swaks,
curl and msmtp: tests/integration/test_submission_login.py.) And what is submitted bears signatures that others verify."""

import email
import fcntl
import json
import os
import pty
import re
import select
import shutil
import smtplib
import ssl
import struct
import subprocess
import termios
import time

import dkim
import pytest

from letters import find_letter
from station import Yizhan

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def post():
    with Yizhan() as server:
        yield server


@pytest.fixture(scope="module")
def secret(post):
    return post.account("alice").password


def certificate(post):
    return os.path.join(post.data, "certificate.pem")


@pytest.fixture
def run(tmp_path):
    def go(args, input=None, env=None, cwd=None):
        assert shutil.which(args[0]), "%s is not installed: run tools/setup --interop" % args[0]
        done = subprocess.run(args, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90, cwd=cwd,
                              env=dict(os.environ, HOME=str(tmp_path), LC_ALL="C.UTF-8", **(env or {})))
        assert done.returncode == 0, done.stdout.decode(errors="replace")
        return done.stdout.decode(errors="replace")
    return go


def check(post, subject):
    letter = find_letter(post, BOB, subject)
    assert (letter.return_path, letter.received.protocol) == (ALICE, "ESMTPSA")
    assert email.utils.parseaddr(email.message_from_bytes(letter.content)["From"])[1] == ALICE
    return letter


def quoted(text):
    return text.replace("@", "%40")


def test_s_nail(post, secret, run):
    for port, scheme in (("submission", "submission"), ("submissions", "submissions")):
        more = ["-Ssmtp-use-starttls"] if port == "submission" else []
        run(["s-nail", "-:/", "-Sv15-compat", "-Ssendwait", "-Snosave", "-Smta=%s://%s:%s@localhost:%d" % (
            scheme, quoted(ALICE), secret, post.ports[port]), "-Ssmtp-auth=plain", "-Sfrom=" + ALICE,
            "-Stls-verify=strict", "-Stls-ca-file=" + certificate(post), "-Stls-ca-no-defaults", "-Sttycharset=utf-8",
            "-Sexpandaddr", *more, "-s", "s-nail " + port, BOB], input=b"hello\n.dot\n")
        check(post, "s-nail " + port)


def mutt(post, secret, run, tmp_path, port, scheme, authenticators):
    conf = tmp_path / ("muttrc-" + port)
    conf.write_text("\n".join([
        'set from = "%s"' % ALICE, "set use_from = yes", "set realname = Alice",
        'set smtp_url = "%s://%s@localhost:%d/"' % (scheme, quoted(ALICE), post.ports[port]),
        'set smtp_pass = "%s"' % secret, "set ssl_starttls = yes", "set ssl_force_tls = yes",
        'set certificate_file = "%s"' % certificate(post), 'set ssl_ca_certificates_file = "%s"' % certificate(post),
        *authenticators, "set copy = no", ""]))
    run(["mutt", "-n", "-F", str(conf), "-s", "mutt " + port, "--", BOB], input=b"hello\n")
    check(post, "mutt " + port)


def test_mutt(post, secret, run, tmp_path):
    for port, scheme in (("submission", "smtp"), ("submissions", "smtps")):
        # left to itself it takes SCRAM-SHA-256-PLUS and has no channel binding for it (mutt 2.2 with GNU SASL 2.2)
        mutt(post, secret, run, tmp_path, port, scheme, ['set smtp_authenticators = "scram-sha-256:plain"'])


def test_mutt_left_to_itself_where_channel_binding_is_off(run, tmp_path):
    with Yizhan(conf="demo = yes\nauth { channel_binding = no }\n") as post:
        mutt(post, post.account("alice").password, run, tmp_path, "submissions", "smtps", [])


def test_git_send_email(post, secret, run, tmp_path):
    git = ["git", "-c", "user.name=Alice", "-c", "user.email=" + ALICE]
    run(git + ["init", "-q", "."], cwd=tmp_path)
    for n in (1, 2):
        (tmp_path / "file").write_text("%d\n" % n)
        run(git + ["add", "file"], cwd=tmp_path)
        run(git + ["commit", "-q", "-m", "git: change %d" % n], cwd=tmp_path)
    for port, encryption in (("submission", "tls"), ("submissions", "ssl")):
        run(git + ["send-email", "-1", "--quiet", "--confirm=never", "--suppress-cc=all", "--from=Alice <%s>" % ALICE,
                   "--to=" + BOB, "--smtp-server=localhost", "--smtp-server-port=%d" % post.ports[port],
                   "--smtp-encryption=" + encryption, "--smtp-user=" + ALICE, "--smtp-pass=" + secret,
                   "--smtp-ssl-cert-path=" + certificate(post), "--subject-prefix=PATCH " + port], cwd=tmp_path)
        check(post, "[PATCH %s] git: change 2" % port)


class Screen:
    """A program in a terminal of its own."""

    def __init__(self, args, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(args[0], args, env)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.seen = b""

    def wait(self, pattern, seconds=30):
        end, begin = time.monotonic() + seconds, len(self.seen)
        while not re.search(pattern, self.seen[begin:]):
            assert time.monotonic() < end, (pattern, self.seen[-2000:])
            if not select.select([self.fd], [], [], 0.2)[0]:
                continue
            try:
                more = os.read(self.fd, 65536)
            except OSError:
                more = b""
            if not more:
                assert False, ("it ended", pattern, self.seen[-2000:])
            self.seen += more

    def type(self, keys):
        os.write(self.fd, keys)

    def end(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if select.select([self.fd], [], [], 0.1)[0] and not os.read(self.fd, 65536):
                    break
            except OSError:
                break
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_alpine(post, secret, tmp_path):
    assert shutil.which("alpine"), "alpine is not installed: run tools/setup --interop"
    conf = tmp_path / "pinerc"
    mail = tmp_path / "mail"
    mail.mkdir()
    conf.write_text("\n".join([
        "personal-name=Alice", "user-domain=yizhan.test", "inbox-path=%s/inbox" % mail,
        "folder-collections=Mail %s/[]" % mail, "default-fcc=\"\"", "pruned-folders=", "last-time-prune-questioned=999.1",
        "smtp-server=localhost:%d/tls/novalidate-cert/user=%s" % (post.ports["submission"], ALICE),
        "customized-hdrs=From: Alice <%s>" % ALICE, "feature-list=quit-without-confirm,allow-changing-from,send-without-confirm",
        "last-version-used=9.99", ""]))
    env = dict(os.environ, HOME=str(tmp_path), TERM="xterm", LC_ALL="C.UTF-8", USER="alice")
    screen = Screen(["alpine", "-p", str(conf), "-passfile", str(tmp_path / "none"), "-url",
                     "mailto:%s?subject=alpine&body=hello" % BOB], env)
    screen.wait(rb"To Spell")
    screen.type(b"\x18")  # Send
    screen.wait(rb"(?i)password")
    screen.type(secret.encode() + b"\r")
    end = time.monotonic() + 30
    while not [row for row in post.mailbox(BOB) if row["subject"] == "alpine"] and time.monotonic() < end:
        if select.select([screen.fd], [], [], 0.2)[0]:
            screen.seen += os.read(screen.fd, 65536)
        if re.search(rb"(?i)preserve password|save password|create passfile", screen.seen[-3000:]):
            screen.type(b"n")
            screen.seen = b""
    os.kill(screen.pid, 15)
    screen.end()
    check(post, "alpine")


NODE = """
const nodemailer = require("nodemailer");
const [port, secure, user, pass, to, subject, method, ca] = process.argv.slice(2);
nodemailer.createTransport({host: "localhost", port: +port, secure: secure === "yes", requireTLS: true,
    auth: {user, pass}, authMethod: method, tls: {ca: require("fs").readFileSync(ca)}})
  .sendMail({from: {name: "Alice", address: user}, to, subject, text: "hello\\n.dot\\n", html: "<p>hello"})
  .then(info => console.log(info.response), error => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory):
    """What package-lock.json names, and nothing else."""
    room = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "nodemailer", name), room)
    done = subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=room, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    return room


def test_nodemailer(post, secret, run, node_modules):
    (node_modules / "send.js").write_text(NODE)
    for method in ("PLAIN", "LOGIN"):
        for port, secure in (("submission", "no"), ("submissions", "yes")):
            subject = "nodemailer %s %s" % (method, port)
            said = run(["node", "send.js", str(post.ports[port]), secure, ALICE, secret, BOB, subject, method,
                        certificate(post)], cwd=node_modules)
            assert "250 2.0.0" in said
            check(post, subject)


def test_what_is_submitted_verifies(post, secret):
    """python3-dkim, with the records that `yizhan key` shows, over letters as clients of all kinds write them."""
    end = time.monotonic() + 60
    keys = []
    while len(keys) < 2 and time.monotonic() < end:
        keys = json.loads(post.cli("key", "list", "--json").stdout)
        time.sleep(0.1)
    records = {key["name"] + ".": key["record"].encode() for key in keys}
    s = smtplib.SMTP("localhost", post.ports["submission"], timeout=20)
    s.starttls(context=ssl._create_unverified_context())
    s.login(ALICE, secret)
    bodies = [b"", b"\r\n\r\n", b"hello\r\n  \r\n", b"x" * 900 + b"\r\n", "爱 é\r\n".encode(), b".\r\n..\r\n" * 50000]
    for n, body in enumerate(bodies):
        subject = "signed %d" % n
        s.sendmail(ALICE, BOB, b"Bcc: x@y\r\nSubject:  " + subject.encode() + b"  \r\nX-Fold: a\r\n\tb\r\n \r\n\r\n" + body,
                   ["BODY=8BITMIME"])
        raw = find_letter(post, BOB, subject).raw
        count = raw.count(b"DKIM-Signature:")
        assert count == 2
        for at in range(count):
            assert dkim.DKIM(raw).verify(idx=at, dnsfunc=lambda name, timeout=5: records.get(
                name.decode() if isinstance(name, bytes) else name)), (n, at)
    s.quit()
