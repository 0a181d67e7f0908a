"""POP3 (docs/pop3.md): clients' ways in, every command in every state, what is removed and when, several sessions at
once, and what the configuration says."""

import base64
import json
import poplib
import shutil
import smtplib
import socket
import ssl
import subprocess
import threading
import time

import pytest

from pop3_talk import Pop, code
from station import Yizhan

ALICE = "alice@yizhan.test"
QUIET = "demo = yes\nlimits { errors_delay = 0 }\n"


def deliver(station, *contents, to=ALICE):
    with smtplib.SMTP(*station.smtp) as s:
        for content in contents:
            s.sendmail("carol@example.org", [to], content)


def letter(subject, body="Hello.\r\n"):
    return "From: carol@example.org\r\nTo: %s\r\nSubject: %s\r\n\r\n%s" % (ALICE, subject, body)


@pytest.fixture
def post(make_station):
    station = make_station(conf=QUIET)
    deliver(station, letter("one"), letter("two", ".dot\r\n..\r\n.\r\nend"), letter("three", "x" * 70 + "\r\n"))
    return station


def alice(station):
    return station.account("alice")


def open_pop(station, port="pop3s"):
    p = Pop(station.ports[port], tls=port == "pop3s")
    if port == "pop3":
        p.stls()
    assert code(p.login(alice(station))) == "+OK"
    return p


def uids(station):
    return [row["uid"] for row in station.mailbox(ALICE)]


# ---- the usual way -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["stls", "tls"])
def test_poplib(post, way):
    context = ssl.create_default_context(cafile=post.data + "/certificate.pem")
    if way == "tls":
        p = poplib.POP3_SSL("localhost", post.ports["pop3s"], context=context)
    else:
        p = poplib.POP3("localhost", post.ports["pop3"])
        assert "USER" not in p.capa() and "SASL" not in p.capa()
        p.stls(context)
    capa = p.capa()
    assert "SCRAM-SHA-256-PLUS" in capa["SASL"] and "PLAIN" in capa["SASL"]
    assert capa["EXPIRE"] == ["NEVER"] and "STLS" not in capa
    p.user(ALICE)
    p.pass_(alice(post).password)
    assert p.capa()["IMPLEMENTATION"] == ["Yizhan"]
    rows = post.mailbox(ALICE)
    assert p.stat() == (3, sum(row["size"] for row in rows))
    assert p.list()[1] == [b"%d %d" % (n + 1, row["size"]) for n, row in enumerate(rows)]
    assert p.list(2) == b"+OK 2 %d" % rows[1]["size"]
    names = [line.split()[1] for line in p.uidl()[1]]
    assert len(set(names)) == 3 and all(len(n) <= 70 for n in names)
    for n, row in enumerate(rows, 1):
        # every octet, dots and line ends, and as many as LIST said
        stored = post.export(ALICE, row["uid"])
        lines = p.retr(n)[1]
        assert b"".join(line + b"\r\n" for line in lines) == stored and len(stored) == row["size"]
        top = p.top(n, 1)[1]
        assert top == lines[:lines.index(b"") + 2]
    assert p.top(1, 0)[1][-1] == b""
    p.dele(2)
    assert p.stat()[0] == 2
    p.rset()
    p.dele(1)
    assert p.quit().startswith(b"+OK")
    assert uids(post) == [2, 3]
    # what was retrieved is shown as read
    assert all("seen" in json.dumps(row["flags"]).lower() for row in post.mailbox(ALICE))


def test_curl(post, tmp_path):
    """curl 7.88 of Debian 12 logs in with SASL PLAIN and initial response."""
    def curl(*args):
        return subprocess.run(["curl", "-sS", "--cacert", post.data + "/certificate.pem", "-u",
                               ALICE + ":" + alice(post).password, *args], capture_output=True, timeout=60, check=True).stdout
    if not shutil.which("curl"):
        pytest.skip("no curl")
    assert curl("pop3s://localhost:%d/2" % post.ports["pop3s"]) == post.export(ALICE, 2)
    assert curl("--ssl-reqd", "pop3://localhost:%d/3" % post.ports["pop3"]) == post.export(ALICE, 3)
    listed = curl("pop3s://localhost:%d/" % post.ports["pop3s"])
    assert listed.split()[::2] == [b"1", b"2", b"3"]
    curl("-X", "DELE 1", "-I", "pop3s://localhost:%d/" % post.ports["pop3s"])
    assert uids(post) == [2, 3]


# ---- every command in every state --------------------------------------------------------------------------------------

COMMANDS = ["USER a", "PASS a", "APOP a b", "AUTH", "AUTH PLAIN", "CAPA", "STLS", "UTF8", "LANG", "STAT", "LIST",
            "LIST 1", "UIDL", "UIDL 1", "RETR 1", "TOP 1 1", "DELE 1", "NOOP", "RSET", "QUIT", "XYZZY"]
ANYWHERE = {"CAPA", "LANG", "QUIT"}
MANY = {"CAPA", "LANG", "AUTH", "LIST", "UIDL", "RETR 1", "TOP 1 1"}
TRANSACTION = {"STAT", "LIST", "LIST 1", "UIDL", "UIDL 1", "RETR 1", "TOP 1 1", "DELE 1", "NOOP", "RSET"}


def allowed(state, command):
    if command in ANYWHERE:
        return True
    if state == "transaction":
        return command in TRANSACTION
    if command == "UTF8" or command == "AUTH":
        return True
    if state == "clear":
        return command == "STLS"
    return command == "USER a"  # under TLS


@pytest.mark.parametrize("state", ["clear", "tls", "transaction"])
def test_every_command_in_every_state(post, state):
    for command in COMMANDS:
        with Pop(post.ports["pop3"]) as p:
            if state != "clear":
                p.stls()
            if state == "transaction":
                p.login(alice(post))
            answer = p.ask(command)
            if state == "tls" and command == "AUTH PLAIN":
                assert answer == b"+ "
                assert code(p.ask("*")) == "-ERR"
                continue
            assert (code(answer) == "+OK") == allowed(state, command), (state, command, answer)
            if code(answer) != "+OK":
                assert code(p.ask("CAPA")) == "+OK" and p.lines()  # it goes on
                continue
            if command in MANY:
                p.lines()
            if command == "QUIT":
                assert p.rest() == b""
            elif command not in ("STLS", "CAPA"):
                assert p.many("CAPA")[1]


def test_nothing_in_clear(post):
    with Pop(post.ports["pop3"]) as p:
        for command in ("USER " + ALICE, "PASS x", "AUTH PLAIN AGEAYg==", "AUTH LOGIN", "AUTH SCRAM-SHA-256"):
            assert code(p.ask(command)) == "-ERR"
        assert p.many("AUTH") == (b"+OK Mechanisms follow", [])


def test_what_was_said_before_tls_is_forgotten(post):
    with Pop(post.ports["pop3"]) as p:
        # injected behind STLS: neither obeyed nor answered
        p.send(b"UTF8\r\nSTLS\r\nCAPA\r\nUSER %s\r\n" % ALICE.encode())
        assert code(p.line()) == "+OK" and code(p.line()) == "+OK" and p.got == b""
        p.wrap()
        assert code(p.ask("PASS " + alice(post).password)) == "-ERR"
        assert code(p.login(alice(post))) == "+OK"


def test_wrong_passwords(make_station):
    station = make_station(conf=QUIET + "guard { network_failures = 100 }\n")
    with Pop(station.ports["pop3s"], tls=True) as p:
        begin = time.monotonic()
        answers = []
        for name in (ALICE, "nobody@yizhan.test"):
            p.ask("USER " + name)
            answers.append(p.ask("PASS wrong"))
        assert answers[0] == answers[1] and code(answers[0]) == "-ERR [AUTH]"
        assert time.monotonic() - begin > 1.9  # a second each
        assert code(p.login(alice(station))) == "+OK"
    with Pop(station.ports["pop3s"], tls=True) as p:
        p.send(b"".join(b"USER %s\r\nPASS %d\r\n" % (ALICE.encode(), n) for n in range(10)))
        assert p.rest().endswith(b"-ERR [AUTH] Too many failed logins\r\n")


def test_pipelining(post):
    stored = {uid: post.export(ALICE, uid) for uid in (1, 2)}
    with Pop(post.ports["pop3s"], tls=True) as p:
        p.send(("USER %s\r\nPASS %s\r\n" % alice(post)).encode() + b"STAT\r\nUIDL\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\n"
               b"LIST\r\nNOOP\r\nQUIT\r\n")
        for _ in range(3):
            assert code(p.line()) == "+OK"
        assert code(p.line()) == "+OK" and len(p.lines()) == 3
        for uid in (1, 2):
            assert code(p.line()) == "+OK"
            assert b"".join(line + b"\r\n" for line in p.lines()) == stored[uid]
        assert code(p.line()) == "+OK"
        assert code(p.line()) == "+OK" and len(p.lines()) == 2
        assert code(p.line()) == "+OK" and p.line() == b"+OK Goodbye, 1 removed"
        assert p.rest() == b""
    assert uids(post) == [2, 3]


# ---- what is removed, and when -----------------------------------------------------------------------------------------


def test_only_quit_removes(post):
    with open_pop(post) as p:
        p.ask("DELE 1")
    with open_pop(post) as p:
        p.ask("DELE 1")
        p.ask("RSET")
        p.ask("QUIT")
    assert uids(post) == [1, 2, 3]
    with open_pop(post) as p:
        p.ask("DELE 3")
        p.send(b"QUIT\r\n")
        assert p.rest() == b"+OK Goodbye, 1 removed\r\n"
    assert uids(post) == [1, 2]


def test_a_kill_between_dele_and_quit_removes_nothing(post):
    with open_pop(post) as p:
        names = p.many("UIDL")[1]
        for n in (1, 2, 3):
            assert code(p.ask("DELE %d" % n)) == "+OK"
        post.kill9()
    post.start()
    with open_pop(post) as p:
        assert p.many("UIDL")[1] == names
        assert p.ask("STAT").startswith(b"+OK 3 ")
        p.ask("DELE 2")
        assert code(p.ask("QUIT")) == "+OK"
        post.kill9()  # the answer has come: it is gone
    post.start()
    assert uids(post) == [1, 3]
    with open_pop(post, "pop3") as p:
        assert p.many("UIDL")[1] == [names[0], names[2].replace(b"3 ", b"2 ")]


def test_uidls_stay_over_moves_of_the_store(post, tmp_path, make_station):
    with open_pop(post) as p:
        names = p.many("UIDL")[1]
        p.ask("DELE 3")
        p.ask("QUIT")
    file = str(tmp_path / "backup")
    post.cli("backup", file)
    post.stop()
    other = tmp_path / "elsewhere"
    other.mkdir()
    subprocess.run([post.program, "--data", str(other), "restore", file], check=True, capture_output=True, timeout=60)
    moved = make_station(conf=QUIET, data=str(other))
    deliver(moved, letter("four"))
    with open_pop(moved) as p:
        now = p.many("UIDL")[1]
    # the name of what is gone is never given again
    assert now[:2] == names[:2] and now[2] not in names and len(now) == 3


def test_two_sessions(post):
    with open_pop(post) as first, open_pop(post) as second:
        whole = second.content("RETR 1")
        first.ask("DELE 1")
        assert first.ask("QUIT") == b"+OK Goodbye, 1 removed"
        deliver(post, letter("four"))
        time.sleep(1.3)  # what it had read ahead it has let go of
        # it still sees what was there when it logged in
        assert second.ask("STAT").startswith(b"+OK 3 ")
        assert len(second.many("LIST")[1]) == 3
        assert code(second.ask("RETR 4")) == "-ERR"
        assert second.content("RETR 1") == whole
        second.ask("DELE 1")
        second.ask("DELE 2")
        assert code(second.ask("QUIT")) == "+OK"
    assert uids(post) == [3, 4]


def test_a_login_that_counts_no_more(post):
    with open_pop(post) as p, open_pop(post) as idle:
        p.ask("DELE 1")
        post.cli("account", "suspend", ALICE)
        assert idle.rest().startswith(b"-ERR [AUTH] ")  # told without being asked
        assert b"-ERR [AUTH] " in p.rest()
        post.cli("account", "resume", ALICE)
    assert uids(post) == [1, 2, 3]


def test_protocols_that_are_off_for_an_account(post):
    post.cli("account", "set", ALICE, "--protocols", "submit,imap")
    assert post.cli_json("account", "show", ALICE, "--json")["protocols"] == ["submit", "imap"]
    with Pop(post.ports["pop3s"], tls=True) as p:
        assert code(p.login(alice(post))) == "-ERR [AUTH]"
    post.cli("account", "set", ALICE, "--protocols", "all")
    open_pop(post).sock.close()
    assert post.cli("account", "set", ALICE, "--protocols", "gopher", check=False).returncode == 64


# ---- large and many ----------------------------------------------------------------------------------------------------


def test_large_messages_stream(make_station):
    station = make_station(conf=QUIET)
    line = ".%s\r\n" % ("y" * 70)
    big = letter("big", line * 70000)  # 5 MB, each line with a dot
    deliver(station, big, letter("small"))
    with open_pop(station) as p:
        stored = station.export(ALICE, 1)
        assert p.content("RETR 1") == stored and len(stored) > 5_000_000
        assert p.content("TOP 1 3").endswith((line * 3).encode())
        assert p.content("RETR 2") == station.export(ALICE, 2)


def test_a_client_that_does_not_read_holds_nobody(make_station):
    station = make_station(conf=QUIET + "threads = 1\n")
    deliver(station, letter("big", ("z" * 76 + "\r\n") * 60000))
    with open_pop(station) as slow, open_pop(station) as other:
        slow.send(b"RETR 1\r\n" * 20)
        for _ in range(20):
            assert code(other.ask("NOOP")) == "+OK"
        slow.sock.close()
        assert code(other.ask("QUIT")) == "+OK"


# ---- what the configuration says ---------------------------------------------------------------------------------------


def test_login_delay_and_exclusive(make_station):
    station = make_station(conf=QUIET + "pop3 { login_delay = 1m exclusive = yes }\n")
    with open_pop(station) as p:
        assert "LOGIN-DELAY 60" in [line.decode() for line in p.many("CAPA")[1]]
        with Pop(station.ports["pop3s"], tls=True) as q:
            assert code(q.login(alice(station))) == "-ERR [IN-USE]"
            assert code(q.login(station.account("bob"))) == "+OK"
        p.ask("QUIT")
    with Pop(station.ports["pop3s"], tls=True) as q:
        for _ in range(50):
            answer = q.login(alice(station))
            if code(answer) != "-ERR [IN-USE]":
                break
            time.sleep(0.02)  # the first one is still on its way out
        assert code(answer) == "-ERR [LOGIN-DELAY]"


def test_expire_0_removes_what_was_retrieved(make_station):
    station = make_station(conf=QUIET + "pop3 { expire = 0 }\n")
    deliver(station, letter("one"), letter("two"), letter("three"))
    with open_pop(station) as p:
        assert b"EXPIRE 0" in p.many("CAPA")[1]
        p.content("RETR 1")
        p.content("TOP 2 100")
        p.ask("DELE 3")
        assert code(p.ask("QUIT")) == "+OK"
    assert uids(station) == [2]


def test_headers_in_utf8_for_those_who_ask(make_station):
    station = make_station(conf=QUIET + "pop3 { utf8_headers = asked  set_seen = no }\n")
    text = letter("驿站").encode()
    with smtplib.SMTP(*station.smtp) as s:
        s.sendmail("carol@example.org", [ALICE], text, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    deliver(station, letter("ascii", "then 8 bits\r\n"))
    with Pop(station.ports["pop3s"], tls=True) as p:
        p.login(alice(station))
        assert code(p.ask("RETR 1")) == "-ERR [UTF8]"
        assert code(p.ask("TOP 1 0")) == "-ERR [UTF8]"
        assert p.content("RETR 2")
    with Pop(station.ports["pop3s"], tls=True) as p:
        assert code(p.ask("UTF8")) == "+OK"
        p.login(alice(station))
        assert "驿站".encode() in p.content("RETR 1")
        p.ask("QUIT")
    assert all("seen" not in json.dumps(row["flags"]).lower() for row in station.mailbox(ALICE))


LISTENERS = """demo = yes
listener smtp { address = { "127.0.0.1:2525" } }
listener bare { protocol = pop3 address = { "127.0.0.1:1100" } tls = none without = { "UIDL", "UTF8" } connections = 1 }
listener sock { protocol = pop3 address = { "unix:{data}/pop3" } mode = 600 }
"""


def test_listeners(make_station):
    station = make_station(conf=LISTENERS)
    with Pop(station.ports["bare"]) as p:
        told = [line.split()[0].decode() for line in p.many("CAPA")[1]]
        assert "STLS" not in told and "USER" not in told and "UIDL" not in told and "UTF8" not in told
        assert code(p.ask("USER " + ALICE)) == "-ERR" and code(p.ask("UTF8")) == "-ERR"
        with Pop(station.ports["bare"]) as q:
            assert code(q.greeting) == "-ERR [SYS/TEMP]" and q.rest() == b""
    # who reaches the socket is on this machine: his password may come as it is
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(station.data + "/pop3")
        s.settimeout(20)
        s.sendall(("USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n" % alice(station)).encode())
        got = b""
        while octets := s.recv(4096):
            got += octets
    assert b"+OK 0 messages (0 octets)\r\n+OK 0 0\r\n+OK Goodbye" in got


def test_drain(post):
    with open_pop(post) as p:
        p.ask("DELE 1")
        stopper = threading.Thread(target=post.stop)
        stopper.start()
        assert b"-ERR [SYS/TEMP] Going down, come again" in p.rest()
        stopper.join()
    post.start()
    assert uids(post) == [1, 2, 3]


def test_status_and_metrics(post):
    with open_pop(post) as p:
        p.content("RETR 1")
        status = post.cli_json("status", "--json")["pop3"]
        assert status["logins"] == 1 and status["open"] == 1 and status["retrieved"] == 1
        p.ask("DELE 1")
        p.ask("QUIT")
    status = post.cli_json("status", "--json")["pop3"]
    assert (status["removed"], status["octets"] > 0) == (1, True)
    with socket.create_connection(("127.0.0.1", post.ports["web"]), timeout=20) as s:
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = b""
        while octets := s.recv(65536):
            got += octets
    assert b"\nyizhan_pop3_removed_total 1\n" in got


def test_mail_programs_are_told(post):
    with socket.create_connection(("127.0.0.1", post.ports["web"]), timeout=20) as s:
        s.sendall(b"GET /.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=%s HTTP/1.1\r\n"
                  b"Host: autoconfig.yizhan.test\r\nConnection: close\r\n\r\n" % ALICE.encode())
        got = b""
        while octets := s.recv(65536):
            got += octets
    assert b'<incomingServer type="pop3">' in got and b"<port>%d</port>" % post.ports["pop3s"] in got


def fill(station, count, path):
    """So many small letters in alice's INBOX, by import; their bodies."""
    bodies = ["letter %d\n" % n + "x" * (n % 700) + "\n" for n in range(count)]
    with open(path, "w") as f:
        for n, body in enumerate(bodies):
            f.write("From a@peer.example Mon Mar  2 10:00:00 2026\nFrom: a@peer.example\nMessage-ID: <%d@peer.example>\nSubject: %d\n\n%s\n" % (n, n, body))
    station.cli("mailbox", "import", ALICE, str(path), "--folder", "INBOX", seconds=300)
    return bodies


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_large_maildrop(make_station, tmp_path, count):
    station = make_station(conf=QUIET)
    bodies = fill(station, count, tmp_path / "mbox")
    with open_pop(station) as p, open_pop(station) as other:
        assert p.ask("STAT").startswith(b"+OK %d " % count)
        sizes = [int(line.split()[1]) for line in p.many("LIST")[1]]
        names = [line.split()[1] for line in p.many("UIDL")[1]]
        assert len(sizes) == count and len(set(names)) == count and sum(sizes) == int(p.ask("STAT").split()[2])
        # some of them go meanwhile; they are seen all the same
        for n in range(1, count, 7):
            assert code(other.ask("DELE %d" % n)) == "+OK"
        assert code(other.ask("QUIT")) == "+OK"
        time.sleep(1.2)
        p.send(b"".join(b"RETR %d\r\n" % n for n in range(1, count + 1)))
        for n in range(count):
            assert p.line() == b"+OK %d octets" % sizes[n]
            text = b"".join(line + b"\r\n" for line in p.lines())
            assert len(text) == sizes[n] and bodies[n].split("\n")[0].encode() in text
        assert [int(line.split()[1]) for line in p.many("LIST")[1]] == sizes
        p.send(b"".join(b"DELE %d\r\n" % n for n in range(1, count + 1)))
        for _ in range(count):
            assert code(p.line()) == "+OK"
        assert p.ask("QUIT") == b"+OK Goodbye, %d removed" % count
    assert uids(station) == []
    assert station.cli("check").returncode == 0


def test_what_was_removed_is_brought_back(post):
    with open_pop(post) as p:
        p.ask("DELE 2")
        p.ask("QUIT")
    assert uids(post) == [1, 3]
    post.cli("mailbox", "undelete", ALICE, "--all")
    assert len(uids(post)) == 3
    with open_pop(post) as p:
        assert len(p.many("UIDL")[1]) == 3


def login_for(p, account, whose):
    text = base64.b64encode(("%s\0%s\0%s" % (whose, account.address, account.password)).encode()).decode()
    return p.ask("AUTH PLAIN " + text)


def test_a_teams_inbox(post):
    team = "desk@yizhan.test"
    post.cli("account", "add", team, "--kind", "team")
    deliver(post, letter("for the desk"), to=team)
    with Pop(post.ports["pop3s"], tls=True) as p:
        assert code(login_for(p, alice(post), team)) == "-ERR [AUTH]"  # no member
        assert code(login_for(p, alice(post), "bob@yizhan.test")) == "-ERR [AUTH]"
    post.cli("account", "member", "add", team, ALICE, "--rights", "read,send-as")
    with Pop(post.ports["pop3s"], tls=True) as p:
        assert login_for(p, alice(post), team).startswith(b"+OK 1 messages")
        assert b"for the desk" in p.content("RETR 1")
        p.ask("DELE 1")
        assert code(p.ask("QUIT")) == "-ERR [SYS/TEMP]"  # who may read may not remove
    assert len(post.mailbox(team)) == 1
    post.cli("account", "member", "set", team, ALICE, "--rights", "read,write,send-as")
    with Pop(post.ports["pop3s"], tls=True) as p:
        assert login_for(p, alice(post), team).startswith(b"+OK 1 messages")
        p.ask("DELE 1")
        assert code(p.ask("QUIT")) == "+OK"
    assert post.mailbox(team) == []
    with Pop(post.ports["pop3s"], tls=True) as p:
        assert login_for(p, alice(post), ALICE).startswith(b"+OK 3 messages")
