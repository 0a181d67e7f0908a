"""PySink: an SMTP (or LMTP) server that does what a test tells it, and remembers every octet.

    with PySink() as sink:
        sink.on("rcpt", "550 5.1.1 nobody of that name", rcpt="ghost@sink.test")
        sink.on("rcpt", ["451 4.7.1 come back later", "250 2.1.5 fine"], rcpt="grey@sink.test")
        sink.on("dot", Drop())                    # the connection dies after the final dot
        ... send ...
        letter = sink.wait(1)[0]
        letter.sender, letter.rcpts, letter.data, letter.wire

A reply is text ("451 4.7.1 later", CRLF is added), bytes (sent as they are: no CRLF added), multi(250, lines),
or one of Raw, Slow, Drop, Reset, Stall. A list is a sequence: its last element repeats. A rule may be bound to a
recipient or a sender; the later rule wins. With `rcpt=` each recipient walks through the sequence by itself.

Stages: connect, ehlo, helo, lhlo, starttls, mail, rcpt, data, dot, bdat, rset, noop, vrfy, auth, quit, other.
A reply to `data` other than 354 refuses the body; in LMTP `dot` is asked once for each accepted recipient.
"""

import socket
import ssl
import struct
import threading
import time

HOST = "127.0.0.1"
LINE_MAX = 1 << 20
STAGES = {"ehlo", "helo", "lhlo", "starttls", "mail", "rcpt", "data", "dot", "bdat", "rset", "noop", "vrfy", "auth",
          "quit", "connect", "other"}
DEFAULTS = {
    "connect": "220 sink.test ESMTP ready", "helo": "250 sink.test", "starttls": "220 2.0.0 go ahead",
    "mail": "250 2.1.0 sender fine", "rcpt": "250 2.1.5 recipient fine", "data": "354 end with a dot",
    "dot": "250 2.0.0 taken", "bdat": "250 2.0.0 chunk taken", "rset": "250 2.0.0 reset", "noop": "250 2.0.0 here",
    "vrfy": "252 2.1.5 try", "auth": "235 2.7.0 welcome", "quit": "221 2.0.0 bye", "other": "500 5.5.2 unknown",
}


class Gone(Exception):
    """The session is over: the peer closed, or the script says so."""


class Drop:
    """Close the connection (FIN), after `say` if given."""

    def __init__(self, say=b""):
        self.say = say


class Reset:
    """Close the connection with a RST."""


class Stall:
    """Say nothing for so many seconds, then give `reply` (None: close)."""

    def __init__(self, seconds, reply=None):
        self.seconds, self.reply = seconds, reply


class Slow:
    """Send `reply` in pieces of `step` octets with `seconds` between them."""

    def __init__(self, reply, seconds=0.05, step=1):
        self.reply, self.seconds, self.step = reply, seconds, step


class Raw:
    """Send exactly these octets; `code` is what the sink itself takes them for."""

    def __init__(self, octets, code=250):
        self.octets, self.code = octets, code


def multi(code, lines):
    """A reply of many lines: multi(250, ["a"] * 2000)."""
    lines = list(lines)
    last = len(lines) - 1
    return Raw(b"".join(b"%d%s%s\r\n" % (code, b" " if i == last else b"-", line.encode())
                        for i, line in enumerate(lines)), code)


class Letter:
    """One transaction that reached its final dot (or BDAT LAST), taken or not."""

    def __init__(self, session):
        self.session = session
        self.sender, self.sender_params = None, []
        self.rcpts, self.rcpt_params = [], {}
        self.data = b""       # what was meant: dots unstuffed, without the final dot
        self.wire = b""       # what was sent: octets after DATA up to and with CRLF.CRLF; chunks joined for BDAT
        self.chunks = []      # sizes, with BDAT
        self.replies = []     # the sink's codes at the dot
        self.at = None
        self.is_taken = False


class Session:
    """One connection: every line the client said, every octet it sent."""

    def __init__(self, number, peer):
        self.number, self.peer = number, peer
        self.lines = []       # commands, without CRLF, as text (latin-1)
        self.wire = bytearray()  # all octets the client sent (decrypted)
        self.helo = None
        self.is_tls = False
        self.tls_version = None
        self.end = None       # how it ended: "quit", "closed by client", "closed by script", an error


class Rule:
    def __init__(self, replies, rcpt, sender):
        self.replies, self.rcpt, self.sender = replies, rcpt, sender
        self.used = {}

    def fits(self, sender, rcpt):
        return (self.rcpt in (None, rcpt)) and (self.sender in (None, sender))

    def next(self, rcpt):
        n = self.used.get(rcpt, 0)
        self.used[rcpt] = n + 1
        return self.replies[min(n, len(self.replies) - 1)]


class PySink:
    """A scripted server on a port of its own; every connection is a thread."""

    name = "pysink"

    def __init__(self, host=HOST, port=0, caps=None, lmtp=False, tls=None, backlog=128, delay=0.0, timeout=60,
                 keep_wire=True, path=None):
        """caps: EHLO keywords (default: the usual ones); tls: (certificate file, key file) offers STARTTLS;
        delay: seconds before each reply; keep_wire=False saves memory under load; path: a Unix socket there instead
        of host and port."""
        self.path = path
        self.host, self.port, self.lmtp, self.delay, self.timeout = host, port, lmtp, delay, timeout
        self.backlog, self.keep_wire = backlog, keep_wire
        self.caps = list(caps) if caps is not None else ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8",
                                                        "DSN", "ENHANCEDSTATUSCODES", "CHUNKING"]
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*tls)
            self.caps.append("STARTTLS")
        self.rules = {stage: [] for stage in STAGES}
        self.sessions, self.letters = [], []
        self.lock = threading.Condition()
        self.listener = None
        self.is_closing = False
        self.sockets = set()
        self.threads = []

    # -- what a test calls -------------------------------------------------------------------------------

    def on(self, stage, replies, rcpt=None, sender=None):
        """Script a stage; returns self, so that calls chain."""
        if stage not in STAGES:
            raise ValueError("no stage %r" % stage)
        with self.lock:
            self.rules[stage].insert(0, Rule(list(replies) if isinstance(replies, (list, tuple)) else [replies],
                                             rcpt, sender))
        return self

    def clear(self):
        """Forget all rules and all that was recorded."""
        with self.lock:
            for rules in self.rules.values():
                rules.clear()
            del self.sessions[:], self.letters[:]

    @property
    def address(self):
        return (self.host, self.port)

    @property
    def messages(self):
        """The letters answered with 2xx at the dot, in order."""
        with self.lock:
            return [letter for letter in self.letters if letter.is_taken]

    def wait(self, count, seconds=20):
        """Until so many letters were taken; returns them."""
        end = time.monotonic() + seconds
        with self.lock:
            while len([x for x in self.letters if x.is_taken]) < count:
                if not self.lock.wait(max(0, end - time.monotonic())) and time.monotonic() >= end:
                    raise AssertionError("%d of %d letters came in %gs" % (
                        len([x for x in self.letters if x.is_taken]), count, seconds))
            return [x for x in self.letters if x.is_taken]

    def wait_sessions(self, count, seconds=20):
        """Until so many connections have come and ended; returns the sessions."""
        end = time.monotonic() + seconds
        with self.lock:
            while len([s for s in self.sessions if s.end]) < count:
                if not self.lock.wait(max(0, end - time.monotonic())) and time.monotonic() >= end:
                    raise AssertionError("%d of %d sessions ended in %gs" % (
                        len([s for s in self.sessions if s.end]), count, seconds))
            return list(self.sessions)

    # -- life --------------------------------------------------------------------------------------------

    def __enter__(self):
        if self.path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((self.host, self.port))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(self.backlog)
        accept = threading.Thread(target=self.accept_all, name="pysink-accept", daemon=True)
        self.threads.append(accept)
        accept.start()
        return self

    def __exit__(self, *exc):
        with self.lock:
            self.is_closing = True
            open_sockets = list(self.sockets)
        # shutdown wakes the accept in the other thread; close alone would not
        for s in [self.listener] + open_sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()
        for t in self.threads:
            t.join(5)

    def accept_all(self):
        while True:
            try:
                conn, peer = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.is_closing:
                    conn.close()
                    return
                session = Session(len(self.sessions), peer)
                self.sessions.append(session)
                self.sockets.add(conn)
                # those that ended are joined by nobody: keep the list short under load
                self.threads = [t for t in self.threads if t.is_alive()]
                worker = threading.Thread(target=self.serve, args=(conn, session), daemon=True)
                self.threads.append(worker)
            worker.start()

    def serve(self, conn, session):
        conn.settimeout(self.timeout)
        if not self.path:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        talk = Conversation(self, conn, session)
        try:
            talk.run()
            how = "quit"
        except Gone as e:
            how = str(e)
        except (OSError, ssl.SSLError) as e:
            how = "error: %s" % e
        finally:
            try:
                talk.conn.close()
            except OSError:
                pass
            with self.lock:
                self.sockets.discard(conn)
                session.end = how
                self.lock.notify_all()

    def pick(self, stage, sender, rcpt):
        """The scripted reply of this moment, or the default."""
        with self.lock:
            for rule in self.rules[stage]:
                if rule.fits(sender, rcpt):
                    return rule.next(rcpt)
        if stage in ("ehlo", "lhlo"):
            return multi(250, ["sink.test"] + self.caps)
        return DEFAULTS[stage]


def path_and_params(rest):
    """'<a@b> SIZE=3' → ('a@b', ['SIZE=3']); a quoted local part may hold '>' and blanks."""
    rest = rest.strip()
    if not rest.startswith("<"):
        words = rest.split()
        return (words[0] if words else ""), words[1:]
    quoted, i = False, 1
    while i < len(rest):
        c = rest[i]
        if c == "\\" and quoted:
            i += 1
        elif c == '"':
            quoted = not quoted
        elif c == ">" and not quoted:
            break
        i += 1
    return rest[1:i], rest[i + 1:].split()


class Conversation:
    """The straight line of one connection."""

    def __init__(self, sink, conn, session):
        self.sink, self.conn, self.session = sink, conn, session
        self.buffer = b""
        self.letter = Letter(session)

    # -- octets ------------------------------------------------------------------------------------------

    def fill(self):
        got = self.conn.recv(65536)
        if not got:
            raise Gone("closed by client")
        if self.sink.keep_wire:
            self.session.wire += got
        self.buffer += got

    def read_line(self):
        """One line that ends with CRLF; a bare LF does not end it."""
        while True:
            at = self.buffer.find(b"\r\n")
            if at >= 0:
                line, self.buffer = self.buffer[:at], self.buffer[at + 2:]
                return line
            if len(self.buffer) > LINE_MAX:
                raise Gone("endless line")
            self.fill()

    def read_exactly(self, size):
        while len(self.buffer) < size:
            self.fill()
        octets, self.buffer = self.buffer[:size], self.buffer[size:]
        return octets

    def read_data(self):
        """Octets up to and with the final dot; only CRLF.CRLF ends (or .CRLF at once)."""
        scanned = 0
        while True:
            if self.buffer.startswith(b".\r\n"):
                size = 3
                break
            at = self.buffer.find(b"\r\n.\r\n", max(0, scanned - 4))
            if at >= 0:
                size = at + 5
                break
            scanned = len(self.buffer)
            self.fill()
        octets, self.buffer = self.buffer[:size], self.buffer[size:]
        return octets

    # -- replies -----------------------------------------------------------------------------------------

    def say(self, stage, rcpt=None):
        """Give the reply of this stage; returns its code."""
        return self.give(self.sink.pick(stage, self.letter.sender, rcpt))

    def give(self, reply):
        if self.sink.delay:
            time.sleep(self.sink.delay)
        if isinstance(reply, Drop):
            self.conn.sendall(reply.say)
            raise Gone("closed by script")
        if isinstance(reply, Reset):
            self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Gone("closed by script")
        if isinstance(reply, Stall):
            self.wait_unless_gone(reply.seconds)
            if reply.reply is None:
                raise Gone("closed by script")
            return self.give(reply.reply)
        if isinstance(reply, Slow):
            octets, code = self.octets_of(reply.reply)
            for i in range(0, len(octets), reply.step):
                self.conn.sendall(octets[i:i + reply.step])
                time.sleep(reply.seconds)
            return code
        octets, code = self.octets_of(reply)
        self.conn.sendall(octets)
        return code

    def wait_unless_gone(self, seconds):
        """Sleep in slices, so that leaving the `with` block is not held up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.sink.is_closing:
            time.sleep(min(0.05, max(0, end - time.monotonic())))

    @staticmethod
    def octets_of(reply):
        if isinstance(reply, Raw):
            return reply.octets, reply.code
        if isinstance(reply, bytes):
            octets = reply
        else:
            octets = reply.encode("utf-8") + b"\r\n"
        return octets, int(octets[:3]) if octets[:3].isdigit() else 0

    # -- the talk ----------------------------------------------------------------------------------------

    def run(self):
        if self.say("connect") // 100 != 2:
            # RFC 5321 3.1: after 554 the client may only QUIT
            while self.read_line().upper() != b"QUIT":
                self.give("503 5.5.1 no service here")
            self.say("quit")
            return
        verbs = {"EHLO": self.hello, "LHLO": self.hello, "HELO": self.hello, "STARTTLS": self.starttls,
                 "MAIL": self.mail, "RCPT": self.rcpt, "DATA": self.data, "BDAT": self.bdat, "RSET": self.rset,
                 "AUTH": self.auth}
        while True:
            line = self.read_line().decode("latin-1")
            self.session.lines.append(line)
            verb, _, rest = line.partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self.say("quit")
                return
            if verb in verbs:
                verbs[verb](verb, rest)
            else:
                self.say(verb.lower() if verb in ("NOOP", "VRFY") else "other")

    def hello(self, verb, rest):
        self.session.helo = rest
        self.letter = Letter(self.session)
        self.say(verb.lower())

    def starttls(self, verb, rest):
        if self.sink.tls is None:
            self.give("502 5.5.1 no TLS here")
            return
        if self.say("starttls") != 220:
            return
        self.buffer = b""  # RFC 3207 4.2: what came in clear before the handshake counts for nothing
        self.conn = self.sink.tls.wrap_socket(self.conn, server_side=True)
        self.session.is_tls, self.session.tls_version = True, self.conn.version()
        self.letter = Letter(self.session)

    def auth(self, verb, rest):
        # the credentials are in session.lines; whether they are right is the script's business
        if rest.strip().upper() == "PLAIN":
            self.give("334 ")
            self.session.lines.append(self.read_line().decode("latin-1"))
        self.say("auth")

    def mail(self, verb, rest):
        letter = Letter(self.session)
        letter.sender, letter.sender_params = path_and_params(rest.partition(":")[2])
        self.letter = letter
        if self.say("mail") // 100 != 2:
            self.letter = Letter(self.session)

    def rcpt(self, verb, rest):
        rcpt, params = path_and_params(rest.partition(":")[2])
        if self.letter.sender is None:
            self.give("503 5.5.1 MAIL first")
            return
        if self.say("rcpt", rcpt) // 100 == 2:
            self.letter.rcpts.append(rcpt)
            self.letter.rcpt_params[rcpt] = params

    def data(self, verb, rest):
        if not self.letter.rcpts:
            self.give("503 5.5.1 no valid recipients")
            return
        if self.say("data") != 354:
            return
        wire = self.read_data()
        self.letter.wire = wire
        text = wire[:-3]
        if text.startswith(b"."):
            text = text[1:]
        self.letter.data = text.replace(b"\r\n.", b"\r\n")
        self.settle("dot")

    def bdat(self, verb, rest):
        words = rest.split()
        octets = self.read_exactly(int(words[0]))
        self.letter.chunks.append(len(octets))
        self.letter.data += octets
        self.letter.wire += octets
        if not self.letter.rcpts:
            self.give("503 5.5.1 no valid recipients")
        elif len(words) > 1 and words[1].upper() == "LAST":
            self.settle("dot")
        else:
            self.say("bdat")

    def settle(self, stage):
        """Record first, answer then: a script that drops the connection here still sees the letter."""
        letter, self.letter = self.letter, Letter(self.session)
        letter.at = time.time()
        with self.sink.lock:
            self.sink.letters.append(letter)
        asked = letter.rcpts if self.sink.lmtp else [letter.rcpts[0] if len(letter.rcpts) == 1 else None]
        try:
            for rcpt in asked:
                letter.replies.append(self.give(self.sink.pick(stage, letter.sender, rcpt)))
        finally:
            with self.sink.lock:
                letter.is_taken = any(code // 100 == 2 for code in letter.replies)
                self.sink.lock.notify_all()

    def rset(self, verb, rest):
        self.letter = Letter(self.session)
        self.say("rset")
