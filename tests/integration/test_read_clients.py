"""The programs people read mail with: what each sees, moves, marks and fetches is what is there, over TLS, and what it does
another session sees. Dovecot proves the harness (YIZHAN_READER=dovecot). Alpine, imapflow and Thunderbird:
tests/interop/test_read_peers.py."""

import email
import imaplib
import os
import poplib
import re
import shutil
import signal
import ssl
import subprocess
import time

import pytest

from imap_box import letter, server  # noqa: F401
from imap_talk import Lit, quote

MANY = 300


def context(server):
    return ssl.create_default_context(cafile=server.certificate)


@pytest.fixture
def run(tmp_path):
    """Run a client in a home of its own; what it printed."""
    def go(args, code=0, env=None, seconds=60, input=None):
        assert shutil.which(args[0]), "%s is not installed: run tools/setup" % args[0]
        done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, input=input, cwd=tmp_path,
                              env=dict(os.environ, HOME=str(tmp_path), LC_ALL="C.UTF-8", TERM="xterm", **(env or {})))
        text = done.stdout.decode(errors="replace")
        if code is not None:
            assert done.returncode == code, text[-4000:]
        return text
    return go


class Folder:
    """A fresh account's worth of mail in one mailbox of `user`."""

    def __init__(self, server, user, name, count, flags=""):
        self.server, self.user, self.name = server, user, name
        self.t = server.talk(user)
        if name != "INBOX":
            self.t.run("DELETE " + quote(name))
            self.t.ok("CREATE " + quote(name))
        else:
            self.empty()
        for first in range(0, count, 50):
            parts = ["APPEND " + quote(name)]
            for n in range(first, min(count, first + 50)):
                parts += ["(%s)" % flags, Lit(self.letter(n), plus=True)]
            self.t.ok(*parts)

    @staticmethod
    def letter(n):
        return letter("letter %d" % n, "text %d\r\n.dot\r\n" % n, date="Mon, 23 Nov 2026 10:%02d:%02d +0000" % (n // 60 % 60, n % 60),
                      more="Message-ID: <c%d@example.org>\r\n" % n)

    def empty(self):
        self.t.ok("SELECT " + quote(self.name))
        if self.t.view.uids:
            self.t.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            self.t.ok("EXPUNGE")

    def state(self, name=None):
        """{subject: flags} as a fresh session sees it."""
        with self.server.talk(self.user) as t:
            t.ok("EXAMINE " + quote(name or self.name))
            if not t.view.uids:
                return {}
            return {i["ENVELOPE"][1].decode(): {f.lower() for f in i["FLAGS"]} - {"\\recent"}
                    for i in t.ok("FETCH 1:* (FLAGS ENVELOPE)").fetches().values()}

    def wait(self, is_done, name=None, seconds=15):
        end = time.monotonic() + seconds
        while not is_done(self.state(name)):
            assert time.monotonic() < end, self.state(name)
            time.sleep(0.1)


def word(server, user):
    return server.passwords[user]


# -- Python ---------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["tls", "starttls"])
def test_imaplib(server, how):
    f = Folder(server, "alice", "imaplib", 5)
    if how == "tls":
        m = imaplib.IMAP4_SSL(*server.imaps, ssl_context=context(server))
    else:
        m = imaplib.IMAP4(*server.imap)
        # its certificate is checked against the name it is given
        m.host = "localhost"
        m.starttls(context(server))
    m.login(server.address("alice"), word(server, "alice"))
    assert m.select("imaplib") == ("OK", [b"5"])
    assert m.search(None, "SUBJECT", '"letter 3"') == ("OK", [b"4"])
    kind, data = m.fetch("4", "(RFC822 FLAGS)")
    assert kind == "OK" and data[0][1] == f.letter(3)
    assert m.store("1:2", "+FLAGS", r"(\Deleted \Flagged)")[0] == "OK"
    assert sorted(m.expunge()[1]) in ([b"1", b"1"], [b"1", b"2"])  # in either order
    assert m.append("imaplib", r"(\Seen)", imaplib.Time2Internaldate(time.time()), f.letter(77))[0] == "OK"
    assert m.create("imaplib2")[0] == "OK" and m.copy("1", "imaplib2")[0] == "OK"
    assert m.uid("SORT", "(REVERSE DATE)", "UTF-8", "ALL")[0] == "OK"
    assert m.thread("REFERENCES", "UTF-8", "ALL")[0] == "OK"
    assert m.status("imaplib2", "(MESSAGES)") == ("OK", [b"imaplib2 (MESSAGES 1)"]) or m.status("imaplib2", "(MESSAGES)")[0] == "OK"
    assert m.getquotaroot("INBOX")[0] == "OK" and m.namespace()[0] == "OK" and m.myrights("INBOX")[0] == "OK"
    assert any(b"imaplib2" in x for x in m.list()[1])
    assert m.rename("imaplib2", "imaplib3")[0] == "OK" and m.delete("imaplib3")[0] == "OK"
    assert m.close()[0] == "OK"
    assert m.logout()[0] == "BYE"
    assert sorted(f.state()) == ["letter 2", "letter 3", "letter 4", "letter 77"]
    assert "\\seen" in f.state()["letter 77"] and "\\seen" in f.state()["letter 3"]


@pytest.mark.parametrize("how", ["tls", "stls"])
def test_poplib(server, how):
    f = Folder(server, "bob", "INBOX", 6)

    def connect():
        if how == "tls":
            p = poplib.POP3_SSL(*server.pop3s, context=context(server), timeout=20)
        else:
            p = poplib.POP3(*server.pop3, timeout=20)
            p.host = "localhost"
            p.stls(context(server))
        p.user(server.address("bob"))
        p.pass_(word(server, "bob"))
        return p
    p = connect()
    assert {"TOP", "UIDL", "RESP-CODES", "PIPELINING"} <= set(p.capa())
    count, size = p.stat()
    assert count == 6 and size == sum(len(f.letter(n)) for n in range(6))
    uidls = p.uidl()[1]
    assert len({x.split()[1] for x in uidls}) == 6
    assert b"\r\n".join(p.retr(3)[1]) + b"\r\n" == f.letter(2)
    top = p.top(1, 1)[1]
    assert top[-1] == b"text 0" and p.top(1, 0)[1][-1] == b""
    p.dele(2)
    with pytest.raises(poplib.error_proto):
        p.retr(2)
    p.rset()
    p.dele(1)
    p.dele(6)
    p.quit()
    assert sorted(f.state()) == ["letter %d" % n for n in (1, 2, 3, 4)]
    p = connect()
    assert [x.split()[1] for x in p.uidl()[1]] == [x.split()[1] for x in uidls[1:5]], "UIDLs stay"
    with pytest.raises(poplib.error_proto):
        p.retr(9)
    p.dele(1)
    p.close()  # without QUIT nothing is deleted
    assert len(f.state()) == 4


def test_pop3_sees_what_imap_does_and_the_other_way_round(server):
    f = Folder(server, "bob", "INBOX", 2)
    server.deliver("bob", letter("delivered"))
    f.wait(lambda s: len(s) == 3)
    p = poplib.POP3_SSL(*server.pop3s, context=context(server), timeout=20)
    p.user(server.address("bob"))
    p.pass_(word(server, "bob"))
    assert p.stat()[0] == 3
    text = b"\r\n".join(p.retr(3)[1])
    assert b"Subject: delivered" in text and text.startswith(b"Return-Path:")
    with server.talk("bob") as t:
        t.ok("SELECT INBOX")
        assert t.ok("FETCH 3 BODY.PEEK[]").fetches()[3]["BODY[]"] == text + b"\r\n"
        p.dele(1)
        p.quit()
        t.ok("NOOP")
        assert len(t.view.uids) == 2


# -- curl -----------------------------------------------------------------------------------------------------------------

def test_curl(server, run, tmp_path):
    f = Folder(server, "alice", "curl", 3)
    base = ["curl", "-sS", "--cacert", server.certificate, "--user", "%s:%s" % (server.address("alice"), word(server, "alice"))]
    url = "imaps://localhost:%d/" % server.imaps[1]
    assert "curl" in run(base + [url])
    assert run(base + [url + "curl;UID=2"]).replace("\r\n", "\n") == f.letter(1).decode().replace("\r\n", "\n")
    assert "* SEARCH 3" in run(base + [url + "curl", "-X", "SEARCH SUBJECT 2"])
    assert "text 0" in run(base + [url + "curl/;MAILINDEX=1;SECTION=TEXT"])
    (tmp_path / "up").write_bytes(f.letter(50))
    run(base + ["-T", "up", url + "curl"])
    assert "letter 50" in f.state()
    bob = Folder(server, "bob", "INBOX", 2)
    base = ["curl", "-sS", "--cacert", server.certificate, "--user", "%s:%s" % (server.address("bob"), word(server, "bob"))]
    url = "pop3s://localhost:%d/" % server.pop3s[1]
    assert run(base + [url]).split()[::2] == ["1", "2"]
    assert run(base + [url + "2"]).replace("\r\n", "\n") == bob.letter(1).decode().replace("\r\n", "\n")
    run(base + [url + "1", "-X", "DELE", "-I"])
    bob.wait(lambda s: list(s) == ["letter 1"])
    assert "+OK" not in run(base + ["--ssl-reqd", "pop3://localhost:%d/" % server.pop3[1]])


# -- mutt and neomutt -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt(server, run, tmp_path, program):
    """Opens the mailbox, flags the first, deletes the second, moves the third, reads the fourth, and leaves."""
    f = Folder(server, "alice", program, 5)
    with server.talk("alice") as t:
        t.run("DELETE %s-kept" % program)
        t.ok("CREATE %s-kept" % program)
    url = "imaps://localhost:%d/" % server.imaps[1]
    (tmp_path / "rc").write_text("\n".join([
        'set imap_user="%s"' % server.address("alice"), 'set imap_pass="%s"' % word(server, "alice"), "set ssl_force_tls=yes",
        'set certificate_file="%s"' % server.certificate, "set ssl_usesystemcerts=no", "set ssl_verify_host=no", "set quit=yes", "set delete=yes",
        "set move=no", "set confirmappend=no", "set confirmcreate=no", "set mail_check=1", "set sort=mailbox-order", 'set folder="%s"' % url,
        'set header_cache=""', "set wait_key=no", "set beep=no", "set pager_stop=yes", "set resolve=no",
        "push '<first-entry><flag-message><next-entry><delete-message><next-entry><save-message><kill-line>=%s-kept<enter>"
        "<next-entry><display-message><exit><sync-mailbox><quit>'" % program]) + "\n")
    text = run(["script", "-qec", "%s -n -F rc -f %s%s" % (program, url, program), "/dev/null"], code=None, seconds=40, input=b"")
    state = f.state()
    assert sorted(state) == ["letter 0", "letter 3", "letter 4"], (state, text[-1500:])
    assert "\\flagged" in state["letter 0"] and "\\seen" in state["letter 3"] and "\\seen" not in state["letter 4"]
    assert list(f.state("%s-kept" % program)) == ["letter 2"]


# -- mbsync ---------------------------------------------------------------------------------------------------------------

def mbsync_rc(server, user, folder, home, box):
    home.joinpath("mbsyncrc").write_text("""
IMAPStore far
Host localhost
Port %d
User %s
Pass %s
SSLType IMAPS
CertificateFile %s

MaildirStore near
Path %s/
Inbox %s/Inbox
SubFolders Verbatim

Channel c
Far :far:%s
Near :near:%s
Create Near
Expunge Both
SyncState *
CopyArrivalDate yes
""" % (server.imaps[1], server.address(user), word(server, user), server.certificate, home, home, folder, box))


def maildir(path):
    """{subject: (flags, file)}"""
    found = {}
    for sub in ("cur", "new"):
        where = os.path.join(path, sub)
        for name in os.listdir(where) if os.path.isdir(where) else []:
            with open(os.path.join(where, name), "rb") as f:
                found[email.message_from_bytes(f.read())["Subject"]] = (name.partition(":2,")[2], os.path.join(where, name))
    return found


def two_way(server, run, home, count, user="alice", is_interrupted=False):
    f = Folder(server, user, "mbsync", count)
    mbsync_rc(server, user, "mbsync", home, "local")
    command = ["mbsync", "-c", str(home / "mbsyncrc"), "c"]
    if is_interrupted:
        interrupt(command, home, count)
    run(command, seconds=300)
    local = maildir(str(home / "local"))
    assert len(local) == count
    with open(local["letter 3"][1], "rb") as x:
        got = b"".join(line for line in x.read().replace(b"\r\n", b"\n").splitlines(True) if not line.startswith(b"X-TUID"))
    assert got == f.letter(3).replace(b"\r\n", b"\n")
    # here: one is flagged, one deleted, one new
    os.rename(local["letter 1"][1], local["letter 1"][1].replace("/new/", "/cur/").partition(":2,")[0] + ":2,F")
    os.unlink(local["letter 2"][1])
    (home / "local" / "cur" / "1999999999.1_1.here:2,S").write_bytes(f.letter(100001).replace(b"\r\n", b"\n"))
    # there: the same, with others
    with server.talk(user) as t:
        t.ok("SELECT mbsync")
        t.ok("STORE 5 +FLAGS (\\Answered)")
        t.ok("STORE 6 +FLAGS (\\Deleted)")
        t.ok("EXPUNGE")
        t.append("mbsync", f.letter(100002), "\\Flagged")
    if is_interrupted:
        interrupt(command, home, count)
    run(command, seconds=300)
    state, local = f.state(), maildir(str(home / "local"))
    assert set(state) == set(local) and len(state) == count
    for gone in ("letter 2", "letter 5"):
        assert gone not in state
    assert "\\flagged" in state["letter 1"] and "\\seen" in state["letter 100001"]
    assert "R" in local["letter 4"][0] and "F" in local["letter 100002"][0]
    before = f.t.ok("STATUS mbsync (UIDNEXT MESSAGES)").one("STATUS")[1]
    run(command, seconds=300)
    assert f.t.ok("STATUS mbsync (UIDNEXT MESSAGES)").one("STATUS")[1] == before, "a third time there is nothing to do"


def interrupt(command, home, count):
    """Killed several times in the middle, once gently and then not."""
    for n, kill in enumerate([signal.SIGTERM, signal.SIGKILL, signal.SIGKILL]):
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=str(home)))
        end = time.monotonic() + 60
        while len(maildir_names(home)) < (n + 1) * count // 5 and p.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        p.send_signal(kill)
        p.wait(30)


def maildir_names(home):
    return [x for sub in ("cur", "new") if os.path.isdir(home / "local" / sub) for x in os.listdir(home / "local" / sub)]


def test_mbsync_both_ways(server, run, tmp_path):
    two_way(server, run, tmp_path, MANY)


@pytest.mark.long
def test_mbsync_of_ten_thousand_interrupted_and_resumed(server, run, tmp_path):
    two_way(server, run, tmp_path, int(os.environ.get("YIZHAN_MBSYNC", "10000")), is_interrupted=True)


# -- offlineimap3, fetchmail, getmail6 ----------------------------------------------------------------------------------------

def test_offlineimap(server, run, tmp_path):
    f = Folder(server, "carol", "offline", 20, "\\Seen")
    (tmp_path / "rc").write_text("""
[general]
accounts = a
ui = basic
metadata = %s/meta
[Account a]
localrepository = l
remoterepository = r
[Repository l]
type = Maildir
localfolders = %s/mail
[Repository r]
type = IMAP
remotehost = localhost
remoteport = %d
ssl = yes
sslcacertfile = %s
remoteuser = %s
remotepass = %s
folderfilter = lambda name: name == "offline"
""" % (tmp_path, tmp_path, server.imaps[1], server.certificate, server.address("carol"), word(server, "carol")))
    command = ["offlineimap", "-o", "-c", "rc"]
    run(command, seconds=90)
    local = maildir(str(tmp_path / "mail" / "offline"))
    assert len(local) == 20 and all("S" in flags for flags, _ in local.values())
    os.rename(local["letter 1"][1], local["letter 1"][1].partition(":2,")[0] + ":2,FS")
    with server.talk("carol") as t:
        t.ok("SELECT offline")
        t.ok("STORE 5 +FLAGS (\\Answered)")
        t.append("offline", f.letter(99))
    run(command, seconds=90)
    assert "\\flagged" in f.state()["letter 1"]
    local = maildir(str(tmp_path / "mail" / "offline"))
    assert len(local) == 21 and "R" in local["letter 4"][0]


@pytest.mark.parametrize("protocol", ["IMAP", "POP3"])
def test_fetchmail(server, run, tmp_path, protocol):
    f = Folder(server, "dave", "INBOX", 4)
    port = (server.imaps if protocol == "IMAP" else server.pop3s)[1]
    rc = tmp_path / "fetchmailrc"
    rc.write_text('poll localhost protocol %s port %d user "%s" password "%s" ssl sslcertck sslcertfile "%s" no keep mda "cat >> %s/got"\n' % (
        protocol, port, server.address("dave"), word(server, "dave"), server.certificate, tmp_path))
    rc.chmod(0o600)
    out = run(["fetchmail", "--nosyslog", "--nodetach", "-f", str(rc), "-i", str(tmp_path / "ids"), "-v"], code=None,
              env={"FETCHMAILHOME": str(tmp_path)})
    got = (tmp_path / "got").read_bytes() if (tmp_path / "got").exists() else b""
    assert [b"Subject: letter %d" % n in got for n in range(4)] == [True] * 4, out[-3000:]
    assert f.state() == {}


@pytest.mark.parametrize("kind", ["SimpleIMAPSSLRetriever", "SimplePOP3SSLRetriever"])
def test_getmail(server, run, tmp_path, kind):
    f = Folder(server, "dave", "INBOX", 4)
    got = tmp_path / "got"
    port = (server.imaps if "IMAP" in kind else server.pop3s)[1]
    (tmp_path / "getmailrc").write_text("""
[retriever]
type = %s
server = localhost
port = %d
username = %s
password = %s
ca_certs = %s
[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("-a", "%s")
allow_root_commands = true
[options]
delete = false
read_all = false
delivered_to = false
received = false
""" % (kind, port, server.address("dave"), word(server, "dave"), server.certificate, got))
    run(["getmail", "--getmaildir", str(tmp_path)])
    assert re.findall(r"Subject: letter (\d+)", got.read_text()) == ["0", "1", "2", "3"]
    # it puts a field of its own behind the header
    head, text = f.letter(1).replace(b"\r\n", b"\n").split(b"\n\n", 1)
    assert re.search(re.escape(head) + rb"\n(X-getmail[^\n]*\n)*\n" + re.escape(text), got.read_bytes().replace(b"\r\n", b"\n"))
    f.t.append("INBOX", f.letter(9))
    run(["getmail", "--getmaildir", str(tmp_path)])
    assert re.findall(r"Subject: letter (\d+)", got.read_text()) == ["0", "1", "2", "3", "9"], "what it has it does not fetch again"


def test_a_client_that_is_cut_off_leaves_no_trace(server):
    """In the middle of APPEND: nothing is there, and nothing is left behind."""
    f = Folder(server, "alice", "cut", 1)
    for octets in (b"x APPEND cut {5000+}\r\nSubject: half", b"x APPEND cut {5000}\r\n", b"x APPEND cut {20+}\r\nSubject: whole\r\n\r\nabcd"):
        with server.talk("alice") as t:
            t.send(octets)
            if b"{5000}" in octets:
                assert re.match(rb"\+ ", t.raw_response())
                t.send(b"z" * 1000)
    assert list(f.state()) == ["letter 0"]
