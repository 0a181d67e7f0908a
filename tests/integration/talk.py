"""Raw SMTP for tests that misbehave: octets go out as they are given, in any cut, in clear or under TLS.

    with Talk(station.smtp) as t:
        t.ask(b"EHLO x")                    one command, its reply
        t.send(b"NOOP\\r\\nQUIT\\r\\n", cuts=3)  octets in any pieces
        t.reply().code, t.rest()

Standard library only; used beside smtplib, which is too polite."""

import base64
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import time

HOST = "127.0.0.1"
SECONDS = 30
# reports to senders that do not exist must not wait for the world's name servers
HERMETIC = 'resolver { forwarders = { "127.0.0.1:1" } }\nqueue { drain_time = 1s }\n'


class Reply:
    """One reply: its code, its enhanced code ("" when there is none) and the text of its lines."""

    def __init__(self, lines):
        self.code = int(lines[0][:3])
        self.lines = [line[4:].decode("utf-8", "replace") for line in lines]
        word = self.lines[-1].split(" ")[0]
        self.enhanced = word if word.count(".") == 2 and word.replace(".", "").isdigit() else ""

    @property
    def both(self):
        """"550 5.7.1", or the code alone."""
        return ("%d %s" % (self.code, self.enhanced)).strip()

    def __repr__(self):
        return "%d %s" % (self.code, " / ".join(self.lines))


class Gone(Exception):
    """The server hung up where a reply was due."""


def parse_replies(octets):
    """All replies in these octets; ValueError when they are not replies and nothing but replies."""
    replies, lines = [], []
    if octets and not octets.endswith(b"\r\n"):
        raise ValueError("a reply is cut off: %r" % octets[-80:])
    for line in octets.split(b"\r\n")[:-1]:
        if len(line) < 3 or not line[:3].isdigit() or line[3:4] not in (b"", b" ", b"-"):
            raise ValueError("no reply: %r" % line)
        if b"\r" in line or b"\n" in line or b"\0" in line or len(line) > 510:
            raise ValueError("a reply line with what may not be there: %r" % line)
        lines.append(line)
        if line[3:4] != b"-":
            replies.append(Reply(lines))
            lines = []
    if lines:
        raise ValueError("a reply without its last line: %r" % lines)
    return replies


class Talk:
    """A connection. The greeting is read at once unless greet=False."""

    def __init__(self, address, seconds=SECONDS, greet=True, source=None):
        self.address = address
        self.sock = socket.create_connection(address, timeout=seconds, source_address=source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""
        self.greeting = self.reply() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with a RST, as a machine that crashed would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, octets, cuts=None):
        """cuts: None in one write, 1 octet by octet, a random.Random: pieces of random sizes."""
        if cuts is None:
            self.sock.sendall(octets)
            return
        at = 0
        while at < len(octets):
            n = 1 if cuts == 1 else cuts.randint(1, max(1, min(len(octets) // 3, 40)))
            self.sock.sendall(octets[at:at + n])
            at += n

    def reply(self):
        lines = []
        while True:
            at = self.got.find(b"\r\n")
            if at < 0:
                more = self.sock.recv(65536)
                if not more:
                    raise Gone("the server hung up, before that: %r" % (b"\r\n".join(lines) + self.got))
                self.got += more
                continue
            lines.append(self.got[:at])
            self.got = self.got[at + 2:]
            if lines[-1][3:4] != b"-":
                return Reply(lines)

    def ask(self, command):
        self.send(command + b"\r\n")
        return self.reply()

    def begin(self, sender=b"a@peer.example", rcpts=(b"alice@yizhan.test",), params=b"", hello=b"EHLO x"):
        """Up to the point where the body may come; hello=None when it was said before."""
        commands = [hello] if hello else []
        commands += [b"MAIL FROM:<" + sender + b">" + params] + [b"RCPT TO:<" + r + b">" for r in rcpts]
        for command in commands:
            reply = self.ask(command)
            assert reply.code == 250, (command, reply)

    def deliver(self, body, **envelope):
        """A whole transaction by DATA; `body` with CRLF line ends and its dots stuffed. Its last reply."""
        self.begin(**envelope)
        reply = self.ask(b"DATA")
        assert reply.code == 354, reply
        self.send(body + b".\r\n")
        return self.reply()

    def rest(self, seconds=None):
        """All that still comes, until the server hangs up, as replies."""
        return parse_replies(self.rest_octets(seconds))

    def rest_octets(self, seconds=None):
        if seconds:
            self.sock.settimeout(seconds)
        octets, self.got = [self.got], b""
        while True:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                break
            if not more:
                break
            octets.append(more)
        return b"".join(octets)

    def is_silent(self, seconds=0.2):
        """Nothing more comes for so long, and the connection lives."""
        if self.got:
            return False
        was = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            self.got = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError):
            return True
        finally:
            self.sock.settimeout(was)
        return False

    def handshake(self, alpn=None):
        """TLS on this socket from now on; what came in clear before is given back."""
        context = client_context(alpn)
        self.sock = context.wrap_socket(self.sock, suppress_ragged_eofs=True)
        early, self.got = self.got, b""
        return early


def client_context(alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def play(address, octets, cuts=None, seconds=SECONDS):
    """A whole session in one go: connect, send, read until the server hangs up. All replies, the greeting first."""
    with Talk(address, seconds, greet=False) as t:
        t.send(octets, cuts)
        return t.rest()


class Control:
    """The control socket: what the commands use, without starting a program for each question."""

    def __init__(self, station):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(os.path.join(station.data, "control.sock"))
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.sock.close()

    def ask(self, cmd, **args):
        """The rows of the answer."""
        self.sock.sendall(json.dumps({"cmd": cmd, "args": args}).encode() + b"\n")
        rows = []
        while True:
            line = self.file.readline()
            assert line, "the control socket was closed"
            answer = json.loads(line)
            if "row" in answer:
                rows.append(answer["row"])
            elif "end" in answer:
                return rows
            elif "error" in answer:
                raise AssertionError("%s: %s" % (cmd, answer["error"]))

    def status(self):
        return self.ask("status")[0]

    def octets(self, address, uid):
        """The exact octets of one message."""
        return b"".join(base64.b64decode(row["octets"]) for row in self.ask("mailbox.export", address=address, uid=uid))

    def letters(self, address):
        """{subject: exact octets} of a mailbox; the count of messages must be the count of subjects."""
        rows = self.ask("mailbox.list", address=address)
        subjects = {row["uid"]: row["subject"] for row in rows}
        assert len(set(subjects.values())) == len(subjects), "a subject came twice: %r" % sorted(subjects.values())
        octets = {}
        for row in self.ask("mailbox.export", address=address):
            octets[row["uid"]] = octets.get(row["uid"], b"") + base64.b64decode(row["octets"])
        return {subjects[uid]: octets[uid] for uid in subjects}


def wait_until(what, seconds=20, every=0.05):
    """Until what() is true; what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


def wait_idle(station, seconds=20):
    """Until nobody is connected and nothing is on its way in; the status then."""
    with Control(station) as control:
        def idle():
            status = control.status()
            store = status["store"]
            if status["inbound"]["connections_now"] == 0 and store["stage_memory"] == store["stage_disk"] == 0:
                return status
            return None
        status = wait_until(idle, seconds)
        assert status, "not idle after %g s: %r" % (seconds, control.status())
        return status


def bare_newlines(octets):
    """Is there a CR or LF that is not part of a CRLF?"""
    rest = octets.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def seeded(seed):
    """YIZHAN_SEED chooses other random walks."""
    return random.Random("%s %s" % (os.environ.get("YIZHAN_SEED", "1"), seed))


def memory_kib(pid, field="VmRSS"):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1])
    raise AssertionError("no %s" % field)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def small_quarantine():
    """For servers started within, whose memory is measured: AddressSanitizer keeps little of what was freed."""
    was = os.environ.get("ASAN_OPTIONS")
    os.environ["ASAN_OPTIONS"] = ":".join(filter(None, [was, "quarantine_size_mb=4:thread_local_quarantine_size_kb=64"]))
    try:
        yield
    finally:
        del os.environ["ASAN_OPTIONS"]
        if was is not None:
            os.environ["ASAN_OPTIONS"] = was
