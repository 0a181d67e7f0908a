"""Programs that fetch mail, with our POP3: fetchmail, getmail, mpop, mutt, curl. Each gets every octet, once."""

import os
import shutil
import smtplib
import subprocess

import pytest

from pop3_talk import Pop
from station import Yizhan

ALICE = "alice@yizhan.test"
LETTERS = ["plain\r\n", ".dot\r\n..\r\n.\r\n...\r\nend\r\n", "x" * 900 + "\r\n" + "驿站\r\n", "y" * 70 + "\r\n" + ("z" * 76 + "\r\n") * 4000]


@pytest.fixture(scope="module")
def post():
    with Yizhan() as server:
        yield server


@pytest.fixture
def secret(post):
    """alice's password; her INBOX has the letters and nothing else."""
    alice = post.account("alice")
    with Pop(post.ports["pop3s"], tls=True) as p:
        p.login(alice)
        for n in range(len(p.many("LIST")[1])):
            p.ask("DELE %d" % (n + 1))
        assert p.ask("QUIT").startswith(b"+OK")
    with smtplib.SMTP(*post.smtp) as s:
        for n, body in enumerate(LETTERS):
            text = "From: carol@example.org\r\nTo: %s\r\nSubject: letter %d\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s" % (ALICE, n, body)
            s.sendmail("carol@example.org", [ALICE], text.encode(), mail_options=["BODY=8BITMIME"])
    return alice.password


@pytest.fixture
def stored(post, secret):
    return [post.export(ALICE, row["uid"]) for row in post.mailbox(ALICE)]


@pytest.fixture
def run(tmp_path):
    def go(args, codes=(0,), **more):
        assert shutil.which(args[0]), "%s is not installed: run tools/setup --interop" % args[0]
        done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=90,
                              env=dict(os.environ, HOME=str(tmp_path), LC_ALL="C.UTF-8", LOGNAME="root", USER="root"), **more)
        assert done.returncode in codes, done.stdout.decode(errors="replace")
        return done.stdout.decode(errors="replace")
    return go


def certificate(post):
    return os.path.join(post.data, "certificate.pem")


def maildir(path):
    for sub in ("new", "cur", "tmp"):
        (path / sub).mkdir(parents=True, exist_ok=True)
    return path


def bodies(octets_list):
    """What no program changes: the lines behind the header, whatever they end with."""
    return sorted(b"\n".join(raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1].split(b"\n")) for raw in octets_list)


def fetched(path):
    return [f.read_bytes() for sub in ("new", "cur") for f in sorted((path / sub).iterdir())]


def keeper(path):
    """A program that keeps what it is given."""
    program = path / "keep"
    program.write_text("#!/bin/sh\nn=$(mktemp %s/got.XXXXXX)\ncat > $n\n" % path)
    program.chmod(0o755)
    return program


def kept(path):
    return [f.read_bytes() for f in sorted(path.glob("got.*"))]


def left(post):
    return len(post.mailbox(ALICE))


@pytest.mark.parametrize("way", ["pop3", "pop3s"])
def test_fetchmail(post, secret, stored, run, tmp_path, way):
    conf = tmp_path / "fetchmailrc"
    tls = "ssl" if way == "pop3s" else 'sslproto "TLS1.2+"'
    conf.write_text('poll localhost protocol pop3 port %d uidl user "%s" password "%s" %s sslcertck sslcertfile "%s" mda "%s" %%s\n'
                    % (post.ports[way], ALICE, secret, tls, certificate(post), keeper(tmp_path)))
    text = conf.read_text()

    def fetch(options, code):
        conf.write_text(text % options)
        conf.chmod(0o600)
        run(["fetchmail", "-f", str(conf), "--pidfile", str(tmp_path / "pid"), "-i", str(tmp_path / "ids")], codes=(code,))
        return kept(tmp_path)

    assert len(fetch("keep", 0)) == len(stored)
    assert len(fetch("keep", 1)) == len(stored)  # nothing is new: unique-ids stay
    got = fetch("nokeep fetchall", 0)
    assert len(got) == 2 * len(stored) and left(post) == 0
    assert bodies(got) == sorted(bodies(stored) * 2)


@pytest.mark.parametrize("way", ["pop3", "pop3s"])
def test_mpop(post, secret, stored, run, tmp_path, way):
    box = maildir(tmp_path / "box")
    conf = tmp_path / "mpoprc"
    conf.write_text("account a\nhost localhost\nport %d\ntls on\ntls_starttls %s\ntls_trust_file %s\nuser %s\n"
                    "passwordeval echo %s\ndelivery maildir %s\nkeep on\nuidls_file %s\nreceived_header off\n"
                    % (post.ports[way], "on" if way == "pop3" else "off", certificate(post), ALICE, secret, box, tmp_path / "uidls"))
    conf.chmod(0o600)
    run(["mpop", "-C", str(conf), "a"])
    assert bodies(fetched(box)) == bodies(stored)
    run(["mpop", "-C", str(conf), "a"])  # pipelined UIDL says that nothing is new
    assert len(fetched(box)) == len(stored)
    for mechanism in ("plain", "scram-sha-256", "user"):
        run(["mpop", "-C", str(conf), "--auth=" + mechanism, "--auth-only", "a"])
    run(["mpop", "-C", str(conf), "--keep=off", "--only-new=off", "a"])
    assert len(fetched(box)) == 2 * len(stored) and left(post) == 0


def test_getmail(post, secret, stored, run, tmp_path):
    """getmail speaks TLS from the start only."""
    conf = tmp_path / "getmailrc"
    conf.write_text("[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = %d\nusername = %s\npassword = %s\n"
                    "ca_certs = %s\n[destination]\ntype = MDA_external\npath = %s\nallow_root_commands = true\n"
                    "[options]\nread_all = false\ndelivered_to = false\nreceived = false\n"
                    % (post.ports["pop3s"], ALICE, secret, certificate(post), keeper(tmp_path)))
    for _ in range(2):
        run(["getmail", "--rcfile", str(conf), "--getmaildir", str(tmp_path)])
        assert bodies(kept(tmp_path)) == bodies(stored)
    run(["getmail", "--rcfile", str(conf), "--getmaildir", str(tmp_path), "--delete", "--all"])
    assert len(kept(tmp_path)) == 2 * len(stored) and left(post) == 0


def test_curl(post, secret, stored, run):
    base = ["curl", "-sS", "--cacert", certificate(post), "-u", "%s:%s" % (ALICE, secret)]
    for n, raw in enumerate(stored, 1):
        done = subprocess.run(base + ["pop3s://localhost:%d/%d" % (post.ports["pop3s"], n)], stdout=subprocess.PIPE, timeout=60)
        assert done.stdout == raw
    run(base + ["--ssl-reqd", "pop3://localhost:%d/1" % post.ports["pop3"]])


def test_mutt(post, secret, stored, run, tmp_path):
    """mutt's fetch-mail takes all of it into its spool."""
    conf = tmp_path / "muttrc"
    box = tmp_path / "box"
    box.write_text("")
    conf.write_text("\n".join([
        'set folder = "%s"' % tmp_path, 'set pop_host = "pops://localhost:%d"' % post.ports["pop3s"], 'set pop_user = "%s"' % ALICE, 'set pop_pass = "%s"' % secret,
        "set ssl_force_tls = yes", 'set certificate_file = "%s"' % certificate(post), "set pop_delete = no", "set pop_last = no",
        'set ssl_ca_certificates_file = "%s"' % certificate(post), 'set pop_authenticators = "scram-sha-256:plain:user"',
        'set spoolfile = "%s"' % box, "set mbox_type = mbox", "set quit = yes", "set mark_old = no", "set move = no",
        'push "<fetch-mail><quit>"', ""]))
    run(["script", "-qec", "mutt -n -F %s -f %s" % (conf, box), "/dev/null"], stdin=subprocess.DEVNULL)
    text = box.read_bytes()
    for n in range(len(LETTERS)):
        assert b"\nSubject: letter %d\n" % n in text
    assert text.count(b"\nDelivered-To: ") == len(stored) == left(post)
