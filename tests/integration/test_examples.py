"""The programs in examples/: each compiles alone against an installed library, and does what its first lines say. Beside
01 to 05 stand the same programs over Python's smtplib (tests/lib-examples/textbook.py)."""

import email
import email.policy
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink, Raw  # noqa: E402
from station import binary  # noqa: E402

EXAMPLES = os.path.join(TOP, "examples")
TEXTBOOK = os.path.join(TOP, "tests", "lib-examples", "textbook.py")
NAMES = sorted(name[:-2] for name in os.listdir(EXAMPLES) if name.endswith(".c"))
ME, YOU, SHE, NOBODY = "me@source.test", "you@sink.test", "she@sink.test", "nobody@sink.test"
SECONDS = 60
MIB = 1 << 20


class Kit:
    """The library installed below a directory of its own, and the examples compiled as a user would."""

    def __init__(self, directory):
        self.directory = directory
        self.build = os.path.dirname(os.path.abspath(binary()))
        root = os.path.join(directory, "root")
        subprocess.run(["meson", "install", "-C", self.build, "--no-rebuild", "--quiet", "--destdir", root], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.pc = next(where for where, _, files in os.walk(root) if "yizhan.pc" in files)
        self.lib = os.path.dirname(self.pc)
        self.flags = self.pkg_config(root)
        # a library made with sanitizers needs them in the program too
        needed = subprocess.run(["ldd", os.path.join(self.lib, "libyizhan.so")], check=True, text=True,
                                stdout=subprocess.PIPE).stdout
        self.sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if "libasan" in needed else []
        self.made = {}

    def pkg_config(self, root):
        env = dict(os.environ, PKG_CONFIG_PATH=self.pc, PKG_CONFIG_SYSROOT_DIR=root)
        said = subprocess.run(["pkg-config", "--cflags", "--libs", "yizhan"], env=env, check=True, text=True,
                              stdout=subprocess.PIPE).stdout
        return shlex.split(said)

    def program(self, number):
        """The compiled example whose name begins with `number`."""
        name = next(name for name in NAMES if name.startswith(number))
        if name not in self.made:
            out = os.path.join(self.directory, name)
            done = subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", *self.sanitize,
                                   os.path.join(EXAMPLES, name + ".c"), *self.flags, "-o", out],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SECONDS)
            assert done.returncode == 0, done.stdout
            self.made[name] = out
        return self.made[name]

    def run(self, number, *args, input=b"", code=0, wrap=()):
        """Its standard output as text; standard error is in self.error. Exit code `code` is demanded."""
        env = dict(os.environ, LD_LIBRARY_PATH=self.lib, UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
        # little is kept of what was freed, so that memory can be bounded
        env["ASAN_OPTIONS"] = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:" + env.get("ASAN_OPTIONS", "")
        done = subprocess.run([*wrap, self.program(number), *args], input=input, env=env, timeout=SECONDS,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.error = done.stderr.decode(errors="replace")
        assert done.returncode == code, (done.returncode, done.stdout, self.error)
        return done.stdout.decode()


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return Kit(str(tmp_path_factory.mktemp("examples")))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """(certificate, key) of 127.0.0.1."""
    where = tmp_path_factory.mktemp("tls")
    cert, key = str(where / "cert.pem"), str(where / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                    "-out", cert], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return cert, key


def where(sink):
    return "%s:%d" % sink.address


def textbook(what, *args, input="", cert=None):
    env = dict(os.environ, **({"SSL_CERT_FILE": cert} if cert else {}))
    return subprocess.run([sys.executable, TEXTBOOK, what, *args], input=input, env=env, timeout=SECONDS, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


# -- all of them ----------------------------------------------------------------------------------------------------

def test_there_are_twelve():
    assert [name[:2] for name in NAMES] == ["%02d" % i for i in range(1, 13)]


@pytest.mark.parametrize("name", NAMES)
def test_each_compiles_alone_and_tells_its_usage(kit, name):
    said = kit.run(name[:2], code=2)
    assert re.match(r"(usage|Syntax): \S*%s " % name, said)
    assert kit.error == ""


# -- beside the textbook's --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("what, number, kind", [
    ("simple", "01", "clear"), ("debug", "02", "clear"), ("ehlo", "03", "clear"), ("tls", "04", "tls"),
    ("login", "05", "login")])
@pytest.mark.parametrize("rcpts", [[YOU], [YOU, SHE, "third@sink.test"]], ids=["one", "three"])
def test_the_textbook_program_and_the_example_send_the_same(kit, pair, what, number, kind, rcpts):
    caps = ["SIZE 52428800", "8BITMIME"] + (["AUTH PLAIN"] if kind == "login" else [])
    with PySink(caps=caps, tls=pair if kind != "clear" else None) as sink:
        secret = "alice\nwonder" if kind == "login" else ""
        theirs = textbook(what, where(sink), ME, *rcpts, input=secret, cert=pair[0])
        assert theirs.returncode == 0, theirs.stderr
        trust = ["--ca", pair[0]] if kind != "clear" else []
        ours = kit.run(number, *trust, where(sink), ME, *rcpts, input=secret.encode())
        first, second = sink.wait(2)
        sink.wait_sessions(2)
    assert (second.sender, second.rcpts, second.data) == (first.sender, first.rcpts, first.data)
    assert second.sender == ME and second.rcpts == rcpts
    assert second.data.startswith(b"To: %s\r\nFrom: %s\r\nSubject: Test Message" % (", ".join(rcpts).encode(), ME.encode()))
    assert second.session.is_tls == first.session.is_tls == (kind != "clear")
    assert first.session.end == second.session.end == "quit"
    # the octets that travel, not those with LF alone
    assert "SIZE=%d" % len(second.data) in second.sender_params
    count = "to %d recipient%s\n" % (len(rcpts), "" if len(rcpts) == 1 else "s")
    assert theirs.stdout.endswith(count) and count in ours


def test_simple_tells_of_each_recipient_that_was_refused(kit):
    with PySink() as sink:
        sink.on("rcpt", "550 5.1.1 nobody of that name", rcpt=NOBODY)
        assert textbook("simple", where(sink), ME, YOU, NOBODY).stdout == "Message sent to 2 recipients\n"
        said = kit.run("01", where(sink), ME, YOU, NOBODY, code=1)
        assert sink.wait(2)[1].rcpts == [YOU]
    assert said.splitlines()[0].startswith(NOBODY + ": refused") and "nobody of that name" in said
    assert said.endswith("Message sent to 1 recipient\n")


def test_simple_says_why_nobody_was_reached(kit):
    with PySink() as sink:
        sink.on("connect", "554 5.3.2 closed today")
        assert kit.run("01", where(sink), ME, YOU, code=1) == ""
        assert "closed today" in kit.error


def test_debug_shows_the_conversation_from_the_look_up_on(kit):
    with PySink() as sink:
        kit.run("02", where(sink), ME, YOU)
        sent = sink.wait_sessions(1)[0].lines
    lines = kit.error.splitlines()
    assert all(re.match(r" *\d+\.\d ms (\*\*\*|-->|<--) ", line) for line in lines), kit.error
    shown = [line.split("ms ")[1] for line in lines]
    assert any("127.0.0.1" in line for line in shown[:2])  # connecting is seen
    assert "<-- 220 sink.test ESMTP ready" in shown
    octets = "[%d octets of the message]" % len(sink.letters[0].data)
    assert any(octets in line for line in shown), kit.error
    assert [line[4:] for line in shown if line.startswith("--> ") and "octets of" not in line] == \
        [line for line in sent if line]


def test_debug_says_that_it_failed(kit):
    with PySink() as sink:
        sink.on("rcpt", "550 5.1.1 nobody of that name")
        said = kit.run("02", where(sink), ME, NOBODY, code=1)
    assert said.startswith("Your message may not have been sent!\n") and "nobody of that name" in said
    assert "(!)" in kit.error


@pytest.mark.parametrize("caps, says, code", [
    (["SIZE 1000000", "DSN"], "Maximum message size is 1000000\n", 0),
    (["SIZE 0"], "The server tells no maximum message size\n", 0),
    (["SIZE"], "The server tells no maximum message size\n", 0),
    (["SIZE 100", "8BITMIME"], "Message too large; aborting.\n", 1),
    ([], "Message sent to 1 recipient\n", 0)], ids=["a limit", "SIZE 0", "SIZE", "too small", "none"])
def test_ehlo_knows_the_size_limit(kit, caps, says, code):
    with PySink(caps=caps) as sink:
        said = kit.run("03", where(sink), ME, YOU, code=code)
        session = sink.wait_sessions(1)[0]
    assert says in said
    assert all("  %s\n" % cap in said for cap in caps)
    assert len(sink.messages) == (code == 0)
    assert session.lines[-1] == "QUIT"
    if code:
        assert not [line for line in session.lines if line.startswith("MAIL")]


def test_ehlo_goes_back_to_helo(kit):
    with PySink() as sink:
        sink.on("ehlo", "502 5.5.1 what?")
        said = kit.run("03", where(sink), ME, YOU)
        letter = sink.wait(1)[0]
    assert "does not know EHLO" in said and letter.sender_params == []


def test_tls_shows_version_and_chain(kit, pair):
    with PySink(tls=pair) as sink:
        said = kit.run("04", "--ca", pair[0], where(sink), ME, YOU)
        session = sink.wait(1)[0].session
    assert said.startswith("Negotiating TLS....\nUsing TLS connection.\n  TLSv1.3, ") and "CN=127.0.0.1" in said
    assert session.is_tls and [line.split()[0] for line in session.lines][:3] == ["EHLO", "STARTTLS", "EHLO"]


@pytest.mark.parametrize("case", ["not offered", "not trusted", "another name"])
def test_tls_or_nothing(kit, pair, case):
    with PySink(tls=None if case == "not offered" else pair) as sink:
        trust = [] if case == "not trusted" else ["--ca", pair[0]]
        host = where(sink).replace("127.0.0.1", "localhost") if case == "another name" else where(sink)
        said = kit.run("04", *trust, host, ME, YOU, code=1)
        sink.wait_sessions(1)
    assert said.startswith("Negotiating TLS....\n") and len(said.splitlines()) == 2
    assert sink.letters == [] and not any("MAIL" in line for s in sink.sessions for line in s.lines)


def test_login_keeps_the_password_out_of_the_clear(kit, pair):
    with PySink(caps=["AUTH PLAIN LOGIN"]) as sink:
        kit.run("05", where(sink), ME, YOU, input=b"alice\nwonder\n", code=1)
        session = sink.wait_sessions(1)[0]
    assert not any(line.startswith("AUTH") for line in session.lines) and sink.letters == []


def test_login_says_how_it_was_refused(kit, pair):
    with PySink(caps=["AUTH PLAIN"], tls=pair) as sink:
        sink.on("auth", "535 5.7.8 wrong password")
        said = kit.run("05", "--ca", pair[0], where(sink), ME, YOU, input=b"alice\nwrong\n", code=1)
        session = sink.wait_sessions(1)[0]
    assert "Authentication failed: " in said and "wrong password" in said
    assert len([line for line in session.lines if line.startswith("AUTH")]) == 1 and sink.letters == []


# -- 06: messages -----------------------------------------------------------------------------------------------------

def parsed(octets):
    assert b"\n" not in octets.replace(b"\r\n", b"")
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert not any(part.defects for part in message.walk())
    assert message["Date"].datetime is not None and message["Message-ID"].endswith("@example.com>")
    return message


def text_of(part):
    return part.get_content().replace("\r\n", "\n")


def octets_of(kit, what):
    return kit.run("06", what).encode()


def test_message_basic(kit):
    message = parsed(octets_of(kit, "basic"))
    assert (message["To"], message["Subject"]) == ("recipient@example.com", "Test Message, Chapter 12")
    assert message["From"].addresses[0].display_name == "Test Sender"
    assert text_of(message) == "Hello,\nThis is a basic message from Chapter 12.\n - Anonymous\n"


def test_message_mime_has_the_parts_that_it_should(kit):
    message = parsed(octets_of(kit, "mime"))

    def tree(part):
        return (part.get_content_type(), [tree(p) for p in part.iter_parts()] if part.is_multipart() else [])

    assert tree(message) == ("multipart/mixed", [
        ("multipart/alternative", [("text/plain", []),
                                   ("multipart/related", [("text/html", []), ("image/gif", [])])]),
        ("text/plain", [])])
    assert text_of(message.get_body(("plain",))).startswith("Hello,\nThis is a MIME message")
    assert 'src="cid:dot@example.com"' in message.get_body(("html",)).get_content()
    image = next(p for p in message.walk() if p.get_content_type() == "image/gif")
    assert image["Content-ID"] == "<dot@example.com>" and image.get_content().startswith(b"GIF89a")
    notes, = message.iter_attachments()
    assert (notes.get_filename(), text_of(notes)) == ("notes.txt", "Notes.\n")


def test_message_unicode_reads_the_same_in_python(kit):
    octets = octets_of(kit, "unicode")
    assert octets.isascii()
    message = parsed(octets)
    assert message["From"].addresses[0].display_name == "Böðvarr"
    assert [a.display_name for a in message["To"].addresses] == ["Eardstapa", "驿站"]
    assert text_of(message).startswith("Hwær cwom mearg? Hwær cwom mago?\nHwær cwom maþþumgyfa?\n")


@pytest.mark.parametrize("what", ["basic", "mime", "unicode"])
def test_message_display_shows_what_a_reader_wants(kit, what):
    octets = octets_of(kit, what)
    message = parsed(octets)
    head, _, body = kit.run("06", "display", input=octets).partition("\n\n")
    assert head.splitlines() == ["%s: %s" % (name, message[name]) for name in ("From", "To", "Date", "Subject")]
    text, _, files = body.replace("\r\n", "\n").partition("* ")
    assert text == text_of(message.get_body(("plain",)))
    # the picture that belongs to the HTML is not seen in the text
    assert files == ("without a name (image/gif)\n* notes.txt (text/plain)\n" if what == "mime" else "")


@pytest.mark.parametrize("what", ["basic", "mime", "unicode"])
def test_message_structure_gives_the_places_of_the_parts(kit, what):
    octets = octets_of(kit, what)
    lines = kit.run("06", "structure", input=octets).splitlines()
    found = [re.fullmatch(r"( *)(\S+), (\S+), octets (\d+) to (\d+)(?:, (.+))?", line).groups() for line in lines]
    parts = list(parsed(octets).walk())
    assert [f[1] for f in found] == [p.get_content_type() for p in parts]
    assert [f[5] for f in found] == [p.get_filename() for p in parts]
    for (_, _, encoding, begin, end, _), part in zip(found, parts):
        assert encoding == str(part.get("Content-Transfer-Encoding", "7bit"))
        if not part.is_multipart():
            inside = octets[int(begin):int(end)].decode().replace("\r\n", "\n")
            assert inside.rstrip("\n") == part.get_payload().replace("\r\n", "\n").rstrip("\n")


def test_message_structure_tells_defects(kit):
    octets = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nhello\r\n"
    assert "! " in kit.run("06", "structure", input=octets)


# -- 07 to 12 ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("caps", [["PIPELINING", "CHUNKING", "8BITMIME"], ["PIPELINING"], []],
                         ids=["chunking", "pipelining", "neither"])
def test_many_sends_a_thousand_over_one_connection(kit, caps):
    with PySink(caps=caps, keep_wire=False) as sink:
        assert kit.run("07", where(sink), ME, YOU, "1000") == "1000 of 1000 messages sent\n"
        letters = sink.wait(1000)
        assert len(sink.wait_sessions(1)) == 1
    subjects = [re.search(rb"Subject: (.*)\r\n", letter.data)[1].decode() for letter in letters]
    assert subjects == ["Message %d of 1000" % i for i in range(1, 1001)]
    assert all(letter.data.endswith(b"\r\n\r\nOne of many.\r\n") and letter.rcpts == [YOU] for letter in letters)
    assert all(bool(letter.chunks) == ("CHUNKING" in caps) for letter in letters)


def test_many_tells_which_were_refused(kit):
    with PySink() as sink:
        sink.on("dot", ["250 2.0.0 taken"] * 6 + ["554 5.6.0 not this one", "250 2.0.0 taken"])
        said = kit.run("07", where(sink), ME, YOU, "250", code=1)
        assert len(sink.wait(249)) == 249
    assert said.splitlines()[0].startswith("message 7: refused") and "not this one" in said
    assert said.endswith("249 of 250 messages sent\n") and len(said.splitlines()) == 2


def test_nonblocking_drives_a_hundred_sessions(kit):
    with PySink(delay=0.02, backlog=200) as sink:
        assert kit.run("08", where(sink), ME, YOU) == "100 of 100 sessions sent their message\n"
        letters = sink.wait(100)
        sessions = sink.wait_sessions(100)
    assert len(sessions) == 100 and {s.end for s in sessions} == {"quit"}
    assert sorted(int(re.search(rb"From session (\d+)", x.data)[1]) for x in letters) == list(range(1, 101))
    # at the same time: the last one began before the first one had ended its message
    assert len({x.session.number for x in letters}) == 100


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_lmtp_has_a_reply_for_each_recipient(kit, tmp_path, kind):
    path = str(tmp_path / "lmtp.sock") if kind == "unix" else None
    with PySink(lmtp=True, path=path) as sink:
        sink.on("rcpt", "550 5.1.1 no mailbox", rcpt=NOBODY)
        sink.on("dot", "452 4.2.2 mailbox full", rcpt=SHE).on("bdat", "452 4.2.2 mailbox full", rcpt=SHE)
        url = "lmtp+unix:" + path if path else "lmtp://" + where(sink)
        said = kit.run("09", url, ME, YOU, NOBODY, SHE, input=b"Subject: x\n\n.dot\nhello\n", code=1)
        letter = sink.wait(1)[0]
        session = sink.wait_sessions(1)[0]
    lines = said.splitlines()
    assert [line.split(": ")[0] for line in lines] == [YOU, NOBODY, SHE]
    assert ["(250 " in lines[0], "(550 no mailbox)" in lines[1], "(452 mailbox full)" in lines[2]] == [True] * 3
    assert "accepted" in lines[0] and "refused" in lines[1] and "refused" in lines[2]
    assert session.lines[0].startswith("LHLO ") and letter.rcpts == [YOU, SHE]
    assert letter.data == b"Subject: x\r\n\r\n.dot\r\nhello\r\n"


@pytest.mark.parametrize("mechanisms", ["OAUTHBEARER XOAUTH2", "XOAUTH2"])
def test_oauth_sends_the_token_under_tls(kit, pair, mechanisms):
    import base64
    with PySink(caps=["AUTH PLAIN " + mechanisms], tls=pair) as sink:
        said = kit.run("10", "--ca", pair[0], where(sink), "alice@sink.test", ME, YOU, input=b"ya29.token\n")
        session = sink.wait(1)[0].session
    mechanism = mechanisms.split()[0]
    auth, = [line for line in session.lines if line.startswith("AUTH")]
    assert session.is_tls and auth.split()[1] == mechanism
    plain = base64.b64decode(auth.split()[2])
    wanted = b"user=alice@sink.test\1auth=Bearer ya29.token\1\1"
    assert plain == wanted if mechanism == "XOAUTH2" else (
        plain.startswith(b"n,a=alice@sink.test,\1") and b"\1auth=Bearer ya29.token\1" in plain)
    assert said.startswith("Logged in by %s.\n" % mechanism)


def test_oauth_tells_what_the_server_says_of_a_bad_token(kit, pair):
    with PySink(caps=["AUTH OAUTHBEARER"], tls=pair) as sink:
        sink.on("auth", Raw(b"334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n", 334))
        sink.on("other", "535 5.7.8 the token has expired")
        said = kit.run("10", "--ca", pair[0], where(sink), "alice", ME, YOU, input=b"old\n", code=1)
        assert "the token has expired" in said and sink.letters == []


def test_dsn_parameters_are_on_the_wire(kit):
    with PySink() as sink:
        said = kit.run("11", where(sink), ME, YOU, "a+b@sink.test")
        letter = sink.wait(1)[0]
    assert said.startswith("The server takes DSN parameters.\n")
    assert {"RET=HDRS", "ENVID=letter+2011"} <= set(letter.sender_params)
    assert set(letter.rcpt_params[YOU]) == {"NOTIFY=SUCCESS,FAILURE,DELAY", "ORCPT=rfc822;" + YOU}
    assert set(letter.rcpt_params["a+b@sink.test"]) == {"NOTIFY=FAILURE", "ORCPT=rfc822;a+2Bb@sink.test"}


def test_dsn_parameters_are_left_out_where_they_are_not_known(kit):
    with PySink(caps=["8BITMIME"]) as sink:
        said = kit.run("11", where(sink), ME, YOU)
        letter = sink.wait(1)[0]
    assert said.startswith("The server knows no DSN: the parameters are left out.\n")
    assert letter.sender_params == [] and letter.rcpt_params == {YOU: []}


class BenchSink:
    def __init__(self):
        self.process = subprocess.Popen([binary(), "bench", "sink", "--listen", "127.0.0.1:0", "--json"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.where = "127.0.0.1:" + self.process.stderr.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.said = self.process.communicate(timeout=10)[0]


def test_stream_takes_a_message_of_any_length_in_fixed_memory(kit):
    line = b"x" * 62 + b"\r\n"
    resident = {}
    with BenchSink() as sink:
        for mib in (1, 64):
            head = b"Subject: large\r\n\r\n"
            # a shell in between: a process inherits the peak of the one that became it, ours
            said = kit.run("12", sink.where, ME, YOU, input=head + line * (mib * MIB // len(line)),
                           wrap=["/bin/sh", "-c", '"$@"; exit $?', "sh"])
            octets, kib = map(int, re.search(r"(\d+) octets, at most (\d+) KiB", said).groups())
            assert octets == len(head) + mib * MIB
            resident[mib] = kib
    assert '"octets": %d' % (2 * len(head) + 65 * MIB) in sink.said.replace('":', '": ').replace(":  ", ": ")
    assert resident[64] < resident[1] + 4096 and resident[64] < 64 * 1024, resident


def piecemeal(listener, took):
    """A server that answers a group in several writes, with Nagle's algorithm on, as Postfix does."""
    conn = listener.accept()[0]
    with conn, conn.makefile("rb") as lines:
        conn.sendall(b"220 x\r\n")
        lines.readline()
        conn.sendall(b"250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
        while not (line := lines.readline()).startswith(b"QUIT"):
            if line.startswith(b"BDAT"):
                lines.read(int(line.split()[1]))
                begin = time.monotonic()
                for reply in (b"250 mail\r\n", b"250 rcpt\r\n", b"250 taken\r\n"):
                    conn.sendall(reply)
        took.append(time.monotonic() - begin)
        conn.sendall(b"221 x\r\n")


def test_replies_in_several_writes_do_not_wait_for_a_late_acknowledgement(kit):
    took = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(5):
            server = threading.Thread(target=piecemeal, args=(listener, took))
            server.start()
            kit.run("01", "127.0.0.1:%d" % listener.getsockname()[1], ME, YOU)
            server.join()
    assert len(took) == 5 and min(took) < 0.03, took  # the kernel's delay is 40 ms


# -- against Yizhan itself -------------------------------------------------------------------------------------------

SERVER = ('demo = yes\nlistener smtp { address = { "127.0.0.1:2525" } }\n'
          'listener clear { tls = none address = { "127.0.0.1:2526" } }\n'
          'listener lmtp { protocol = lmtp tls = none address = { "unix:{data}/lmtp.sock" } }\n')


def test_yizhan_takes_what_the_examples_send(kit, make_station):
    station = make_station(conf=SERVER)
    clear = "127.0.0.1:%d" % (2526 + station.offset.value)
    alice, bob = (a.address for a in station.accounts[:2])
    nobody = "nobody@" + alice.split("@")[1]
    assert "Message sent to 2 recipients" in kit.run("01", clear, ME, alice, bob)
    assert "PIPELINING" in kit.run("03", clear, ME, alice)
    said = kit.run("04", "--ca", station.data + "/certificate.pem", "localhost:%d" % station.smtp[1], ME, alice)
    assert "Using TLS connection.\n  TLSv1.3" in said
    assert kit.run("07", clear, ME, alice, "50") == "50 of 50 messages sent\n"
    assert kit.run("08", clear, ME, bob, "20") == "20 of 20 sessions sent their message\n"
    said = kit.run("09", "lmtp+unix:%s/lmtp.sock" % station.data, ME, alice, nobody, input=b"Subject: l\n\nl\n", code=1)
    assert said.startswith("%s: accepted (250 " % alice) and "\n%s: refused" % nobody in said
    assert bob + ": " in kit.run("12", clear, ME, bob, input=b"Subject: s\n\n" + b"line\n" * 200000)
    said = kit.run("01", clear, ME, alice, nobody, code=1)
    assert said.startswith(nobody) and said.endswith("Message sent to 1 recipient\n")
    # a certificate that nobody vouches for is told, and nothing is sent
    assert kit.run("01", "%s:%d" % station.smtp, ME, alice, code=1) == "" and "not to be trusted" in kit.error
    assert len(station.wait_mailbox(alice, 55)) == 55
    assert len(station.wait_mailbox(bob, 22)) == 22
