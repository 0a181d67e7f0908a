"""`yizhan send`: each group of its options, its exit status, screens and JSON, against scripted servers and a real
station. What talks to it otherwise (libyizhan) has tests of its own."""

import email
import email.policy
import json
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import fcntl
import termios
import threading

import pytest

from letters import find_letter
from send_script import CAPABILITIES, Script
from station import TOP, Yizhan, binary

ALICE, BOB, NOBODY, ME = "alice@yizhan.test", "bob@yizhan.test", "nobody@yizhan.test", "me@example.org"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home/.config/yizhan").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def send(home):
    """Run `yizhan send` without a terminal; its CompletedProcess with text."""
    def go(*args, input="", code=0, env=None):
        done = subprocess.run([binary(), "send", *map(str, args)], input=input.encode() if isinstance(input, str) else input,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, start_new_session=True,
                              env=dict(os.environ, HOME=str(home), LOGNAME="tester", **(env or {})))
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert "Sanitizer" not in done.stderr, done.stderr
        if code is not None:
            assert done.returncode == code, done.stdout + done.stderr
        return done
    return go


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) of localhost and 127.0.0.1, signed by itself"""
    d = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=script.test", "-addext", "subjectAltName=DNS:script.test,IP:127.0.0.1",
                    "-keyout", d / "key", "-out", d / "cert"], check=True, capture_output=True)
    return str(d / "cert"), str(d / "key")


TLS_CAPS = CAPABILITIES + ["STARTTLS"]


def text_of(m):
    return m.get_content().replace("\r\n", "\n")


def mail(peer):
    return email.message_from_bytes(peer.body, policy=email.policy.default)


# -- the message ----------------------------------------------------------------------------------------------

def test_without_a_message_a_small_test_is_sent(send):
    with Script() as peer:
        done = send("--to", ALICE, "--from", ME, "--server", peer.server)
    assert "MAIL FROM:<me@example.org>" in "\n".join(peer.heard)
    m = mail(peer)
    assert m["To"] == ALICE and m["From"] == ME and m["Subject"].startswith("test ")
    assert m["Date"] and m["Message-ID"].endswith(">") and "test message" in m.get_content()
    assert "Received" not in m and "accepted" in done.stdout


def test_tokens_are_replaced_and_newlines_typed(send):
    with Script() as peer:
        send("--to", "a@b.c,d@e.f", "--from", ME, "--server", peer.server, "--add-header", "X-New: yes", "--data",
             r"From: %FROM_ADDRESS%\nTo: %TO_ADDRESS%\nDate: %DATE%\nMessage-Id: %MESSAGEID%\n%NEW_HEADERS%\n%BODY%\n100%",
             "--body", r"one\ntwo")
    m = mail(peer)
    assert (m["From"], m["X-New"]) == (ME, "yes")
    assert m["To"].replace("\r\n", "") == "a@b.c, d@e.f"
    assert text_of(m) == "one\ntwo\n100%\n"


def test_headers_are_set_added_and_encoded(send):
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, "--h-Subject", "Grüße 你好", "--header", "X-Mailer: none",
             "--ah", r"X-A: 1\nX-B: 2", "--body", "Hällo")
    m = mail(peer)
    assert (m["Subject"], m["X-Mailer"], m["X-A"], m["X-B"]) == ("Grüße 你好", "none", "1", "2")
    assert peer.body.isascii() and m.get_content() == "Hällo"
    assert len(m.get_all("Subject")) == 1


def test_a_line_break_never_makes_a_header(send):
    done = send("--to", ALICE, "--server", "127.0.0.1:1", "--h-Subject", "a\nBcc: x@y.z", code=1)
    assert "line break" in done.stderr


def test_attachments_alternatives_and_their_types(send, tmp_path):
    (tmp_path / "a.txt").write_text("text of a\n")
    (tmp_path / "b.bin").write_bytes(bytes(range(256)))
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, "--body", "plain", "--html", "<p>html</p>", "--attach", "@%s/a.txt" % tmp_path,
             "--attach-type", "application/x-own", "--attach-name", "übung.dat", "--attach", "@%s/b.bin" % tmp_path)
    m = mail(peer)
    assert m.get_content_type() == "multipart/mixed"
    body, first, second = m.iter_parts()
    assert [p.get_content_type() for p in body.iter_parts()] == ["text/plain", "text/html"]
    assert first.get_filename() == "a.txt" and text_of(first) == "text of a\n"
    assert (second.get_content_type(), second.get_filename()) == ("application/x-own", "übung.dat")
    assert second.get_content() == bytes(range(256))


def test_recipients_from_the_header_and_bcc_stays_here(send):
    text = "From: %s\nTo: Alice <%s>\nCc: c@d.e\nBcc: %s\nSubject: t\n\nhello\n.\nmore\n" % (ME, ALICE, BOB)
    with Script() as peer:
        send("-t", "--server", peer.server, input=text)
    assert sorted(x for x in peer.heard if x.startswith("RCPT")) == ["RCPT TO:<%s>" % x for x in (ALICE, BOB, "c@d.e")]
    assert "MAIL FROM:<%s>" % ME in peer.heard[1]
    assert b"Bcc" not in peer.body and peer.body.endswith(b"hello\r\n.\r\nmore\r\n")
    assert mail(peer)["Message-ID"] and mail(peer)["Date"]


def test_no_data_fixup_changes_nothing(send):
    raw = b"From someone Mon\r\nBcc: x@y.z\r\n%TO_ADDRESS%: 1\r\n\r\nb\r\n"
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, "--data", "-", "-ndf", input=raw)
    assert peer.body == raw


def test_several_files_an_mbox_and_a_count_over_one_connection(send, tmp_path):
    for n in "12":
        (tmp_path / n).write_text("Subject: file %s\n\nx\n" % n)
    (tmp_path / "mbox").write_text("From a Mon Nov 23 06:30:00 2026\nSubject: m1\n\n>From quoted\n\n"
                                   "From b Mon Nov 23 06:30:00 2026\nSubject: m2\n\ny\n")
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, tmp_path / "1", tmp_path / "2")
        send("--to", ALICE, "--server", peer.server, "--mbox", tmp_path / "mbox")
        send("--to", ALICE, "--server", peer.server, "--count", 3)
    assert peer.connections == 3
    assert sum(x.startswith("MAIL") for x in peer.heard) == 7
    assert mail(peer)["Subject"].startswith("test ")


def test_a_large_file_streams(send, tmp_path):
    size = 8 << 20
    with open(tmp_path / "large", "w") as f:
        f.write("Subject: large\n\n")
        f.write(("x" * 79 + "\n") * (size // 80))
    with Script(caps=["PIPELINING", "8BITMIME"]) as peer:
        send("--to", ALICE, "--server", peer.server, tmp_path / "large")
    assert len(peer.body) > size and peer.body.count(b"\r\n") > size // 80


# -- words ----------------------------------------------------------------------------------------------------

def test_options_file_environment_and_command_line_each_over_the_one_before(send, home):
    (home / ".config/yizhan/send.conf").write_text("# comment\n--from file@example.org\nh-X-File: from the file\nhelo file.example\n")
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, "--no-helo", env={"YIZHAN_SEND_from": "env@example.org"})
        assert "FROM:<env@example.org>" in peer.heard[1] and "file.example" not in peer.heard[0]
        assert mail(peer)["X-File"] == "from the file"
        del peer.heard[:]
        send("--to", ALICE, "-s", peer.server, "-f", "word@example.org", "--ehlo=x.example", env={"YIZHAN_SEND_from": "env@example.org"})
        assert peer.heard[:2] == ["EHLO x.example", peer.heard[1]] and "FROM:<word@example.org>" in peer.heard[1]
        del peer.heard[:]
        send("--to", ALICE, "-s", peer.server, "--config", "--f", "a@b.c", "--no-header-X")
        assert mail(peer)["X-File"] is None


@pytest.mark.parametrize("words,text", [
    (["--serer", "x"], "did you mean --server"),
    (["--server"], "no terminal"),
    (["--to", ALICE, "--server", "h:99999"], "is no port"),
    (["--to", ALICE, "--server", "h", "--pipe", "x"], "only one of"),
    (["--server", "127.0.0.1:1"], "who is it for"),
    (["--to", ALICE, "--server", "h", "--quit-after", "NEVER"], "no stage"),
    (["--to", ALICE, "--server", "h", "--quit-after", "DOT"], "no stage"),
    (["--to", ALICE, "--server", "h", "--protocol", "UUCP"], "is none of"),
    (["--to", ALICE, "--server", "h", "--tls-protocol", "tlsv1,tlsv1_3"], "in between"),
    (["--to", ALICE, "--server", "h", "--tls-cert", "x"], "go together"),
    (["--to", ALICE, "--server", "h", "--dsn-notify", "never,success"], "never alone"),
    (["--to", ALICE, "--server", "h", "-au", "u", "-ap", "p", "--auth-extra", "realm=x"], "only authzid"),
    (["--to", ALICE, "--server", "h", "--without", "everything"], "none of"),
    (["--to", ALICE, "--server", "h", "--header", "no colon"], "is no header"),
    (["--to", ALICE, "--server", "h", "--attach", "@/nonexistent"], "No such file"),
    (["--to", ALICE, "--server", "h", "--account", "x"], "there is no account"),
])
def test_mistakes_in_words_are_told_before_anything_is_connected(send, words, text):
    assert text in send(*words, code=1).stderr


def test_a_mistake_in_the_options_file_names_file_and_line(send, home):
    (home / ".config/yizhan/send.conf").write_text("from a@b.c\n\nfrm x\n")
    assert "send.conf:3: unknown option --frm" in send("--to", ALICE, code=1).stderr


def test_prdr_and_proxy_words_have_the_codes_of_swaks(send):
    assert "PRDR" in send("--to", ALICE, "--server", "h", "--prdr", code=30).stderr
    send("--to", ALICE, "--server", "h", "--proxy-source", "1.2.3.4", code=35)


def test_every_option_of_swaks_is_known(send):
    """Its own list, so that a script's word never fails for being unknown."""
    swaks = shutil.which("swaks")
    assert swaks, "swaks is not installed: run tools/setup"
    names = set()
    for line in open(swaks, encoding="utf-8"):
        if line.strip().startswith("{ opts    => ["):
            names |= set(line.split("[")[1].split("]")[0].replace("'", "").replace(" ", "").split(","))
    assert len(names) > 100
    names -= {"trigger-deprecation"}
    with_values = [n for n in names if "unknown option" in send("--" + n, "--help", code=None).stderr]
    assert with_values == []


# -- stages and exit status -----------------------------------------------------------------------------------

@pytest.mark.parametrize("replies,code", [
    ({"EHLO": "500 no", "HELO": "502 no"}, 22),
    ({"MAIL": "550 5.1.8 bad sender"}, 23),
    ({"RCPT": "550 5.1.1 no"}, 24),
    ({"RCPT": "450 4.2.1 later"}, 24),
    ({"DATA": "554 5.5.1 no"}, 25),
    ({"BODY": "554 5.7.1 spam"}, 26),
    ({"QUIT": "500 what"}, 27),
    ({"RCPT": ["250 Ok", "550 5.1.1 no"]}, 40),
    ({"BODY": None}, 41),
    ({"MAIL": None}, 6),
])
def test_exit_status_by_stage(send, replies, code):
    with Script(replies) as peer:
        send("--to", "a@b.c,d@e.f", "--server", peer.server, code=code)


@pytest.mark.parametrize("replies,words", [
    ({}, []),
    ({"EHLO": "500 no", "HELO": "502 no"}, []),
    ({"MAIL": "550 no"}, []),
    ({"RCPT": "550 no"}, []),
    ({"DATA": "554 no"}, []),
    ({"BODY": "554 no"}, []),
    ({}, ["--tls"]),
    ({}, ["--auth", "PLAIN", "-au", "u", "-ap", "p"]),
    ({}, ["--xclient-name", "x"]),
    ({"MAIL": "550 no"}, ["--quit-after", "EHLO"]),
    ({"RCPT": "550 no"}, ["--quit-after", "MAIL", "-f", "<>"]),
    ({"RCPT": "550 no"}, ["-q", "RCPT", "--h-From", "x", "-n", "-stl"]),
    ({}, ["--protocol", "SMTP", "-hr", "-nth", "--ehlo", "x.y"]),
    ({}, ["--no-such-word"]),
])
def test_exit_status_is_that_of_swaks(send, replies, words):
    """The same words to both, against the same server; both send the same commands, but for a RSET of ours."""
    with Script(replies, caps=["SIZE 100000"]) as peer:
        args = ["--to", ALICE, "--from", ME, "--server", peer.server, *words]
        theirs = subprocess.run(["swaks", *args], capture_output=True, timeout=30, stdin=subprocess.DEVNULL).returncode
        said = [x.split()[0] for x in peer.heard]
        del peer.heard[:]
        send(*args, "--without", "size", code=theirs)
    assert [x.split()[0] for x in peer.heard if x != "RSET"] == said


def test_exit_status_of_no_server_no_greeting_and_a_message_too_large(send, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
    assert "refused" in send("--to", ALICE, "--server", "127.0.0.1:%d" % port, code=2).stdout
    with Script(greeting="554 no") as peer:
        send("--to", ALICE, "--server", peer.server, code=21)
    with Script(greeting=None) as peer:
        send("--to", ALICE, "--server", peer.server, code=21)
    (tmp_path / "m").write_text("Subject: x\n\n" + "y" * 100)
    with Script(caps=["SIZE 50"]) as peer:
        send("--to", ALICE, "--server", peer.server, tmp_path / "m", code=42)
        assert not any(x.startswith("MAIL") for x in peer.heard)


@pytest.mark.parametrize("stage,last", [
    ("CONNECT", []), ("BANNER", []), ("FIRST-HELO", ["EHLO"]), ("HELO", ["EHLO"]), ("EHLO", ["EHLO"]), ("TLS", ["EHLO"]),
    ("AUTH", ["EHLO"]), ("MAIL", ["EHLO", "MAIL"]), ("from", ["EHLO", "MAIL"]), ("RCPT", ["EHLO", "MAIL", "RCPT"]),
])
def test_quit_after_and_drop_after(send, stage, last):
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, "--quit-after", stage)
        assert [x.split()[0] for x in peer.heard] == last + ["QUIT"]
        del peer.heard[:]
        send("--to", ALICE, "--server", peer.server, "--drop-after", stage)
        assert [x.split()[0] for x in peer.heard] == last


def test_drop_after_send_does_not_wait_for_the_reply(send):
    hold = threading.Event()

    def late(line):
        hold.wait(10)
        return "250 Ok"
    for stage, key in (("MAIL", "MAIL"), ("RCPT", "RCPT"), ("DATA", "DATA"), ("DOT", "BODY")):
        hold.clear()
        with Script({key: late}) as peer:
            send("--to", ALICE, "--server", peer.server, "--das", stage)
            hold.set()
    assert peer.body.endswith(b"\r\n")


def test_drop_after_data_and_dot(send):
    with Script() as peer:
        send("--to", ALICE, "--server", peer.server, "--da", "DATA")
        assert peer.heard[-1] == "DATA" and peer.body is None
        send("--to", ALICE, "--server", peer.server, "--da", "DOT")
        assert peer.body and peer.heard[-1] == "DATA"


def test_quit_after_rcpt_tells_who_would_be_accepted(send):
    with Script({"RCPT": ["250 Ok", "550 5.1.1 nobody"]}) as peer:
        done = send("--to", "a@b.c,d@e.f", "--server", peer.server, "-q", "RCPT")
        assert "a@b.c  would be accepted" in done.stdout
        send("--to", "d@e.f", "--server", peer.server, "-q", "RCPT", code=24)


# -- transport and protocol -----------------------------------------------------------------------------------

def test_server_forms_ports_and_local_address(send):
    with Script() as peer:
        for words in (["--server", "127.0.0.1:%d" % peer.port], ["--server", "[127.0.0.1]:%d" % peer.port],
                      ["--server", "127.0.0.1/%d" % peer.port], ["-s", "127.0.0.1", "-p", peer.port],
                      ["--url", "smtp://127.0.0.1:%d" % peer.port], ["-4", "-s", peer.server, "-li", "127.0.0.5"]):
            send("--to", ALICE, *words, "-q", "EHLO")
        assert peer.connections == 6
        done = send("--to", ALICE, "-s", peer.server, "-li", "127.0.0.5", "--json")
    assert json.loads(done.stdout)["local"].startswith("127.0.0.5:")


def test_unix_socket_and_lmtp_with_a_fate_for_each_recipient(send, tmp_path):
    path = str(tmp_path / "lmtp")
    with Script({"BODY": "250 2.1.5 a has it\n450 4.2.2 b is full"}, path=path) as peer:
        done = send("--to", "a@b.c,d@e.f", "--socket", path, "--protocol", "LMTP", "--json", code=40)
    result = json.loads(done.stdout)
    assert peer.heard[0].startswith("LHLO ")
    assert [r["outcome"] for r in result["messages"][0]["recipients"]] == ["accepted", "refused for now"] or \
        [r["reply"]["code"] for r in result["messages"][0]["recipients"]] == [250, 450]


def test_pipe_speaks_to_a_command(send, tmp_path):
    script = tmp_path / "server"
    script.write_text("#!/bin/sh\necho '220 pipe'\nwhile read -r l; do case $l in\nEHLO*) echo '250 pipe';; "
                      "DATA*) echo '354 go'; while read -r b; do [ \"$b\" = \"$(printf '.\\r')\" ] && break; done; echo '250 2.0.0 got it';; "
                      "QUIT*) echo '221 bye'; exit;; *) echo '250 Ok';; esac; done\n")
    script.chmod(0o755)
    assert "got it" in send("--to", ALICE, "--pipe", script).stdout
    assert "not found" in send("--to", ALICE, "--pipe", "/nonexistent/server", code=5).stdout
    send("--to", ALICE, "--pipe", "exit 0", code=5)


def test_helo_protocols_and_dsn_parameters(send):
    with Script() as peer:
        send("--to", ALICE, "-s", peer.server, "--protocol", "SMTP", "--helo", "me.example")
        assert peer.heard[0] == "HELO me.example"
        del peer.heard[:]
        send("--to", ALICE, "-s", peer.server, "--dsn-notify", "success,delay", "-R", "hdrs", "-V", "id 1")
    assert "RET=HDRS" in peer.heard[1] and "ENVID=id+201" in peer.heard[1]
    assert "NOTIFY=SUCCESS,DELAY" in peer.heard[2]


def test_all_or_nothing_sends_to_nobody(send):
    with Script({"RCPT": ["250 Ok", "550 5.1.1 no"]}) as peer:
        send("--to", "a@b.c,d@e.f", "-s", peer.server, "--all-or-nothing", code=24)
    assert peer.body is None


def test_xclient_and_the_ehlo_behind_it(send):
    with Script({"XCLIENT": "220 again"}, caps=CAPABILITIES + ["XCLIENT NAME ADDR HELO"]) as peer:
        send("--to", ALICE, "-s", peer.server, "--xclient-name", "x y", "--xclient-addr", "192.0.2.1", "--xclient-delim",
             "--xclient-helo", "h", "-q", "HELO")
    assert [x for x in peer.heard if not x.startswith("QUIT")][1:4] == ["XCLIENT NAME=x+20y ADDR=192.0.2.1", "XCLIENT HELO=h", peer.heard[3]]
    assert peer.heard[3].startswith("EHLO")
    with Script() as peer:
        send("--to", ALICE, "-s", peer.server, "--xclient-name", "x", code=33)
        send("--to", ALICE, "-s", peer.server, "--xclient-name", "x", "--xclient-optional-strict")


def test_proxy_header_and_raw_text(send):
    for words, want in ((["--proxy-source", "192.0.2.1", "--proxy-source-port", "1234", "--proxy-dest", "192.0.2.2", "--proxy-dest-port",
                          "25", "--proxy-family", "TCP4"], b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n"),
                        (["--proxy", "UNKNOWN odd words"], b"PROXY UNKNOWN odd words\r\n")):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            got = []

            def serve():
                peer, _ = listener.accept()
                with peer, peer.makefile("rb") as f:
                    got.append(f.readline())
                    peer.sendall(b"554 that is all\r\n")
                    peer.shutdown(socket.SHUT_WR)
                    f.read()
            t = threading.Thread(target=serve)
            t.start()
            send("--to", ALICE, "-s", "127.0.0.1:%d" % listener.getsockname()[1], *words, code=21)
            t.join()
        assert got == [want]


# -- TLS and login --------------------------------------------------------------------------------------------

def test_tls_is_taken_when_offered_and_its_facts_are_shown(send, certificate):
    with Script(caps=TLS_CAPS, certificate=certificate) as peer:
        done = send("--to", ALICE, "-s", peer.server)
        assert peer.had_tls and "=== TLS: TLSv1.3" in done.stdout and "not verified: self-signed" in done.stdout
        assert " ~> MAIL" in done.stdout and "<~  250" in done.stdout
        send("--to", ALICE, "-s", peer.server, "--no-tls")
        assert not peer.had_tls


def test_tls_that_is_asked_for_is_verified(send, certificate):
    with Script(caps=TLS_CAPS, certificate=certificate) as peer:
        done = send("--to", ALICE, "-s", peer.server, "--tls", code=29)
        assert "--tls-ca-path" in done.stdout and not any(x.startswith("MAIL") for x in peer.heard)
        send("--to", ALICE, "-s", peer.server, "--tls", "--no-tls-verify")
        assert "verified for 127.0.0.1" in send("--to", ALICE, "-s", peer.server, "--tls", "--tls-ca-path", certificate[0]).stdout
        send("--to", ALICE, "-s", peer.server, "-tls", "--tls-ca-path", certificate[0], "--tls-verify-target", "other.test", code=29)
        send("--to", ALICE, "-s", peer.server, "-tls", "--tls-ca-path", certificate[0], "--tls-verify-target", "other.test",
             "--tls-verify-ca")
        send("--to", ALICE, "-s", peer.server, "-tls", "--tls-verify-host", "--tls-verify-target", "script.test")
        send("--to", ALICE, "-s", peer.server, "-tls", "--tls-verify-host", "--tls-verify-target", "other.test", code=29)
    with Script() as peer:
        send("--to", ALICE, "-s", peer.server, "--tls", code=29)


def test_tls_at_once_versions_and_the_peers_certificate(send, certificate, tmp_path):
    with Script(certificate=certificate, at_once=True) as peer:
        done = send("--to", ALICE, "-s", peer.server, "-tlsc", "--no-tls-verify", "--tls-protocol", "tlsv1_2", "--tls-get-peer-cert",
                    tmp_path / "got", "--json")
    tls = json.loads(done.stdout)["tls"]
    assert tls["version"] == "TLSv1.2" and tls["certificates"][0]["subject"] == "CN=script.test"
    assert (tmp_path / "got").read_text().strip() == open(certificate[0]).read().strip()


def test_passwords_do_not_go_in_clear_and_are_never_shown(send):
    caps = CAPABILITIES + ["AUTH PLAIN LOGIN"]
    replies = {"AUTH": "235 2.7.0 welcome"}
    with Script(replies, caps=caps) as peer:
        done = send("--to", ALICE, "-s", peer.server, "-au", "u", "-ap", "secret99", code=28)
        assert "--auth-clear" in done.stdout and not any(x.startswith("AUTH") for x in peer.heard)
        done = send("--to", ALICE, "-s", peer.server, "-au", "u", "-ap", "secret99", "--auth", "PLAIN", "--auth-clear")
        assert "AUTH PLAIN AHUAc2VjcmV0OTk=" in peer.heard
        assert "AHUAc2V" not in done.stdout and "secret99" not in done.stdout
        done = send("--to", ALICE, "-s", peer.server, "-au", "u", "-ap", "secret99", "-a", "PLAIN", "--auth-clear", "--show-secrets", "-apt")
        assert r"AUTH PLAIN \0u\0secret99" in done.stdout
        done = send("--to", ALICE, "-s", peer.server, "-au", "u", "-ap", "secret99", "-a", "PLAIN", "--auth-clear", "--json", "--transcript")
        assert "AHUAc2V" not in done.stdout and "secret99" not in done.stdout


def test_where_passwords_come_from(send, home, tmp_path):
    want = "AUTH PLAIN AHUAcHctMQ=="
    (tmp_path / "pw").write_text("pw-1\nnot this\n")
    (home / ".netrc").write_text("machine other login x password y\nmachine 127.0.0.1\n login u\n password pw-1\n")
    tool = tmp_path / "bin"
    tool.mkdir()
    (tool / "secret-tool").write_text('#!/bin/sh\n[ "$1 $2 $3 $4 $5" = "lookup host 127.0.0.1 user u" ] && printf pw-1\n')
    (tool / "secret-tool").chmod(0o755)
    ways = [["--auth-password-command", "echo pw-1; echo more"], ["--auth-password-file", tmp_path / "pw"], ["--auth-keyring"], ["--auth-netrc"]]
    with Script({"AUTH": "235 ok"}, caps=["AUTH PLAIN"]) as peer:
        for way in ways:
            del peer.heard[:]
            user = [] if way == ["--auth-netrc"] else ["-au", "u"]
            send("--to", ALICE, "-s", peer.server, "--auth-clear", *user, *way,
                 env={"PATH": "%s:%s" % (tool, os.environ["PATH"])})
            assert want in peer.heard, way


def test_a_url_says_protocol_tls_and_login_and_its_password_is_not_shown(send):
    with Script({"AUTH": "235 ok"}, caps=["AUTH PLAIN"]) as peer:
        done = send("--to", ALICE, "--url", "smtp://u:p%%40x@127.0.0.1:%d" % peer.port, "--auth-clear", "--json", "--transcript")
        assert "AUTH PLAIN AHUAcEB4" in peer.heard and "p%40x" not in done.stdout and "AHUAcEB4" not in done.stdout
        assert json.loads(done.stdout)["url"] == "smtp://127.0.0.1:%d" % peer.port
        send("--to", ALICE, "--url", "submission://127.0.0.1:%d" % peer.port, code=29)
        send("--to", ALICE, "--url", "lmtp://127.0.0.1:%d" % peer.port)
    assert peer.heard[-5].startswith("LHLO")


def test_optional_logins(send):
    with Script({"AUTH": "535 5.7.8 no"}, caps=["AUTH PLAIN"]) as peer:
        words = ["--to", ALICE, "-s", peer.server, "--auth-clear", "-au", "u", "-ap", "p"]
        send(*words, "-ao", "PLAIN")
        send(*words, "-aos", "PLAIN", code=28)
        send(*words, "-a", "PLAIN", code=28)
        send(*words, "-aos", "CRAM-MD5")
    with Script({"AUTH": "235 ok"}, caps=["AUTH OWN"]) as peer:
        send("--to", ALICE, "-s", peer.server, "--auth-clear", "-au", "u", "-ap", "p", "--auth-map", "OWN=PLAIN")
        assert "AUTH OWN AHUAcA==" in peer.heard


# -- accounts -------------------------------------------------------------------------------------------------

def accounts(home, text, mode=0o600):
    path = home / ".config/yizhan/accounts.conf"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_accounts_by_default_by_name_and_by_sender(send, home):
    with Script({"AUTH": "235 ok"}, caps=["AUTH PLAIN"]) as a, Script() as b:
        accounts(home, 'default = b\n# two\n[a]\nhost = 127.0.0.1\nport = %d\ntls = off\nfrom = a@example.org # mine\nname = "Ä, A"\n'
                       'user = u\npassword_command = echo p\n\n[b]\nhost = 127.0.0.1\nport = %d\ntls = off\nfrom = b@example.org\n' % (a.port, b.port))
        send("--to", ALICE)
        assert b.connections == 1 and "FROM:<b@example.org>" in b.heard[1]
        send("--to", ALICE, "--from", "a@example.org", "--auth-clear")
        assert "AUTH PLAIN AHUAcA==" in a.heard
        assert mail(a)["From"] == '"Ä, A" <a@example.org>'
        send("--to", ALICE, "--account", "a", "--auth-clear")
        assert (a.connections, b.connections) == (2, 1)


@pytest.mark.parametrize("text,want", [
    ("[a]\nhost = h\nprot = 5\n", 'accounts.conf:3: unknown key "prot": did you mean "port"?'),
    ("[a]\nhost = h\nport = x\n", 'accounts.conf:3: port: "x" is none'),
    ("[a]\nhost = h\ntls = maybe\n", "accounts.conf:3: tls is one of: starttls tls optional off"),
    ("host = h\n", 'accounts.conf:1: "host" stands before the first [NAME]'),
    ("[a]\nuser = u\n", 'accounts.conf:1: account "a" needs a host'),
    ("[a]\nhost = h\n[a]\nhost = h\n", 'accounts.conf:3: account "a" stands on line 1 already'),
    ("[a]\nhost = \"h\n", "accounts.conf:2: a quote is not closed"),
    ("default = x\n[a]\nhost = h\n", 'accounts.conf:1: there is no account "x"'),
    ("[a]\nhost h\n", "accounts.conf:2: this is neither"),
])
def test_mistakes_in_the_accounts_file_name_file_and_line(send, home, text, want):
    accounts(home, text)
    assert want in send("--to", ALICE, code=1).stderr


def test_a_password_that_others_may_read_is_told(send, home):
    with Script({"AUTH": "235 ok"}, caps=["AUTH PLAIN"]) as peer:
        text = "[a]\nhost = 127.0.0.1\nport = %d\ntls = off\nuser = u\npassword = p\n" % peer.port
        accounts(home, text, 0o644)
        assert "chmod 600" in send("--to", ALICE, "--auth-clear").stderr
        accounts(home, text, 0o600)
        assert "chmod 600" not in send("--to", ALICE, "--auth-clear").stderr


def dns_server(answers):
    """A name server on loopback: {name: [(priority, weight, port, host)]} as SRV records."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))

    def packed(name):
        return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x) + b"\0"

    def serve():
        while True:
            try:
                query, peer = s.recvfrom(4096)
            except OSError:
                return
            at, labels = 12, []
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += query[at] + 1
            found = answers.get(".".join(labels), [])
            out = query[:2] + struct.pack(">HHHHH", 0x8180 if found else 0x8183, 1, len(found), 0, 0) + query[12:at + 5]
            for priority, weight, port, host in found:
                data = struct.pack(">HHH", priority, weight, port) + packed(host)
                out += b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60, len(data)) + data
            s.sendto(out, peer)
    threading.Thread(target=serve, daemon=True).start()
    return s, "127.0.0.1:%d" % s.getsockname()[1]


def test_setup_finds_the_servers_of_an_address(send, home):
    s, server = dns_server({
        "_submissions._tcp.example.org": [(10, 1, 465, "low.example.org"), (5, 9, 4650, "smtp.example.org")],
        "_submission._tcp.example.net": [(0, 1, 587, "mail.example.net")],
        "_submissions._tcp.example.net": [(0, 0, 0, ".")],
    })
    with s:
        done = send("--setup", ME, "--dns-server", server)
        assert "smtp.example.org, port 4650, TLS at once" in done.stdout
        send("--setup", "u@example.net", "--dns-server", server, "--auth-password-command", "pass show net")
        assert "no server for sending" in send("--setup", "u@example.com", "--dns-server", server, code=2).stderr
        assert "already" in send("--setup", ME, "--dns-server", server, code=1).stderr
    path = home / ".config/yizhan/accounts.conf"
    assert path.stat().st_mode & 0o77 == 0
    assert path.read_text() == (
        "[example.org]\nhost = smtp.example.org\nport = 4650\ntls = tls\nuser = me@example.org\nfrom = me@example.org\n\n"
        "[example.net]\nhost = mail.example.net\nport = 587\ntls = starttls\nuser = u@example.net\n"
        "password_command = pass show net\nfrom = u@example.net\n")
    done = send("--to", ALICE, "--from", ME, "--dry-run", "--auth-password", "x")
    assert "smtps://smtp.example.org:4650" in done.stdout and "example.org" in done.stdout


# -- what is seen ---------------------------------------------------------------------------------------------

def test_dry_run_connects_to_nothing(send):
    done = send("--to", "a@b.c", "--from", ME, "--server", "nowhere.invalid", "--dry-run")
    assert "smtp://nowhere.invalid:25" in done.stdout and "to          <a@b.c>" in done.stdout and "Subject: test" in done.stdout
    result = json.loads(send("--to", "a@b.c", "--server", "nowhere.invalid", "--dry-run", "--json").stdout)
    assert result["recipients"] == ["a@b.c"] and "Subject: test" in result["message"]
    assert send("--to", "a@b.c", "--server", "h", "--dump-mail", "--data", "x: y", "-ndf").stdout == "x: y"
    assert "ESMTP" in send("--to", "a@b.c", "--server", "h", "--dump", "PROTOCOL").stdout


def test_json_has_each_recipients_fate(send):
    with Script({"RCPT": ["250 2.1.5 Ok", "550-5.1.1 no\n550 5.1.1 such user"]}) as peer:
        done = send("--to", "a@b.c,d@e.f", "-s", peer.server, "--json", "--transcript", code=40)
    r = json.loads(done.stdout)
    good, bad = r["messages"][0]["recipients"]
    assert (good["outcome"], good["reply"]["text"]) == ("accepted", "queued as Q1")
    assert (bad["outcome"], bad["stage"], bad["reply"]["code"], bad["reply"]["enhanced"]) == ("refused", "rcpt", 550, "5.1.1")
    assert r["exit"] == 40 and r["capabilities"]["SIZE"] == "1000000" and r["greeting"]["code"] == 220
    assert {"out", "in"} == {x["direction"] for x in r["transcript"] if x["kind"] == "line"}


def test_an_unknown_outcome_is_told_as_that(send):
    with Script({"BODY": None}) as peer:
        done = send("--to", ALICE, "-s", peer.server, code=41)
        assert "unknown" in done.stdout and "may have arrived" in done.stdout
        r = json.loads(send("--to", ALICE, "-s", peer.server, "--json", code=41).stdout)
    assert r["messages"][0]["recipients"][0]["outcome"] == "unknown"


def test_what_is_hidden_and_held_back(send, tmp_path):
    with Script({"RCPT": lambda line: "550 5.1.1 no" if "bad" in line else "250 Ok"}) as peer:
        base = ["--to", ALICE, "-s", peer.server]
        bad = ["--to", "bad@b.c", "-s", peer.server]
        assert send(*base, "-S").stdout == "" and "550" in send(*bad, "-S", code=24).stdout
        assert send(*base, "--quiet").stdout == "" and "550" in send(*bad, "--quiet", code=24).stderr
        done = send(*bad, "-S", "3", code=24)
        assert done.stdout + done.stderr == ""
        assert "<-" not in send(*base, "-hr").stdout and "->" not in send(*base, "-hs").stdout
        assert "===" not in send(*base, "-hi").stdout and send(*base, "-ha").stdout == ""
        assert "MAIL FROM" in send(*base, "-nsh").stdout and " -> MAIL" not in send(*base, "-nsh").stdout
        assert "Subject: test" not in send(*base).stdout and " -> Subject: test" in send(*base, "--show-data").stdout
        assert "=== response in 0." in send(*base, "-stl").stdout
        assert "45 48 4c 4f" in send(*base, "--raw").stdout
        send(*base, "--output-file", tmp_path / "out")
        assert "MAIL FROM" in (tmp_path / "out").read_text()
        assert "\033[" not in send(*base).stdout and "\033[" in send(*base, "--color", "always").stdout


def test_controls_of_a_server_never_reach_the_screen(send):
    with Script(greeting="220 \033]0;evil\007 \x9b") as peer:
        done = send("--to", ALICE, "-s", peer.server)
    assert "\033" not in done.stdout and r"\x1b]0;evil\x07" in done.stdout


def on_terminal(args, home, columns, typed=None):
    """What is on the screen, with standard output a terminal of that width. `typed`: {what is asked: the answer}"""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(HOME=str(home), TERM="xterm")
        for name in ("NO_COLOR", "COLUMNS"):
            os.environ.pop(name, None)
        os.execv(binary(), [binary(), *map(str, args)])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    out = b""
    while select.select([fd], [], [], 30)[0]:
        try:
            more = os.read(fd, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
        for question, answer in list((typed or {}).items()):
            if question.encode() in out:
                os.write(fd, answer.encode() + b"\n")
                del typed[question]
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return out.decode(errors="replace"), os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_there_are_colour_and_times_and_lines_fit(home, columns):
    import re
    import time
    with Script({"RCPT": ["250 Ok", "550 5.1.1 no"], "MAIL": lambda line: time.sleep(0.2) or "250 Ok"}) as peer:
        text, code = on_terminal(["send", "--to", "a@b.c,d@e.f", "-s", peer.server], home, columns)
    assert code == 40 and "\033[36m" in text and "\033[31m" in text
    plain = re.sub(r"\033\[[0-9;]*m", "", text)
    lines = plain.replace("\r", "").split("\n")
    assert max(map(len, lines)) <= columns
    assert any(line.startswith("<-  250") and line.rstrip().endswith("ms") for line in lines)


def test_a_bar_for_a_large_message_on_a_terminal_only(send, home, tmp_path):
    (tmp_path / "large").write_text("Subject: large\n\n" + ("x" * 79 + "\n") * 500000)
    with Script(caps=["PIPELINING"]) as peer:
        words = ["--to", ALICE, "-s", peer.server, tmp_path / "large"]
        text, code = on_terminal(["send", *words], home, 80)
        assert code == 0 and "[#" in text and "%" in text
        assert "[#" not in on_terminal(["send", *words, "--no-progress"], home, 80)[0]
        done = send(*words)
        assert "[#" not in done.stdout + done.stderr


def test_what_is_missing_is_asked_for_and_a_password_is_not_echoed(home):
    with Script({"AUTH": "235 ok"}, caps=["AUTH PLAIN"]) as peer:
        text, code = on_terminal(["send", "-s", peer.server, "--auth-user", "u", "--auth-clear"], home, 80,
                                 {"To: ": ALICE, "Password of u at 127.0.0.1: ": "hush9"})
        assert code == 0, text
    assert "AUTH PLAIN AHUAaHVzaDk=" in peer.heard and "RCPT TO:<%s>" % ALICE in peer.heard
    assert "hush9" not in text and ALICE in text


# -- and a real server ----------------------------------------------------------------------------------------

def test_a_station_gets_it_octet_for_octet(send, station_shared):
    server = "%s:%d" % tuple(station_shared.smtp)
    send("--to", ALICE, "--from", ME, "-s", server, "--subject", "from send", "--body", "Grüße\\n.\\n..dots")
    letter = find_letter(station_shared, ALICE, "from send")
    assert letter.return_path == ME and letter.received.tls is not None
    m = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert text_of(m) == "Grüße\n.\n..dots"
    certificate = os.path.join(station_shared.data, "certificate.pem")
    send("--to", ALICE, "--from", ME, "-s", server, "--tls", "--tls-ca-path", certificate, "--subject", "verified")
    assert find_letter(station_shared, ALICE, "verified").received.tls is not None
    done = send("--to", "%s,%s" % (ALICE, NOBODY), "--from", ME, "-s", server, "--subject", "some", code=40)
    assert "There is no mailbox with this name" in done.stdout
