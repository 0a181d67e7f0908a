"""A scripted mail server in a thread of its own, loopback only.

    Server({"RCPT TO:<b@x>": b"550 5.1.1 no\\r\\n"}, ehlo=["PIPELINING"])

`answers` maps a whole line, or else its first word, or "." (the end of DATA), "BDAT", "CONNECT" (the greeting) to what is
said: octets; None: hang up; STALL: never answer; a number: wait so many seconds, then the next; a list: one after
the other, the last one again; a function of (connection, line)."""
import random
import re
import socket
import ssl
import struct
import threading
import time

STALL = object()
STANDARD = {"CONNECT": b"220 there ESMTP\r\n", "HELO": b"250 there\r\n", "DATA": b"354 go\r\n", "QUIT": b"221 2.0.0 bye\r\n",
            ".": b"250 2.0.0 taken as 7\r\n", "STARTTLS": b"220 2.0.0 go on\r\n"}


class Server:
    def __init__(self, answers, ehlo=(), cut=None, tls=None, cert="good", certs=None, lmtp=False, path=None,
                 backlog=64, window=None, after_tls=None, family=socket.AF_INET):
        self.answers = {**STANDARD, **answers}
        self.ehlo, self.after_tls = list(ehlo), after_tls
        self.cut, self.tls, self.cert, self.certs, self.is_lmtp = cut, tls, cert, certs, lmtp
        self.lines, self.bodies, self.errors, self.connections, self.peers = [], [], [], [], []
        self.sni, self.raw = [], b""
        self.is_stopped = threading.Event()
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
        else:
            self.listener = socket.socket(family)
            if window:
                self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(backlog)
        self.threads = [threading.Thread(target=self.run, daemon=True)]
        self.threads[0].start()

    @property
    def url(self):
        return "%s://localhost:%d" % ("lmtp" if self.is_lmtp else "smtps" if self.tls == "at once" else "smtp", self.port)

    @property
    def verbs(self):
        return [line.split(" ")[0].split(":")[0] for line in self.lines]

    def stop(self):
        self.is_stopped.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for c in list(self.connections):
            c.drop()
        for thread in self.threads:
            thread.join(5)

    def run(self):
        while True:
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            self.peers.append(peer)
            c = Connection(self, sock)
            self.connections.append(c)
            self.threads.append(threading.Thread(target=c.run, daemon=True))
            self.threads[-1].start()

    def wait_for(self, what, seconds=5):
        """Until what() is true: the server's thread is a little behind the client."""
        until = time.monotonic() + seconds
        while not what() and time.monotonic() < until:
            time.sleep(0.002)
        return what()

    def settled(self):
        """The lines so far, when every connection has ended."""
        for thread in self.threads[1:]:
            thread.join(5)
        return self.lines


class Connection:
    def __init__(self, server, sock):
        self.server, self.sock, self.got, self.eof = server, sock, b"", False
        self.is_tls, self.used, self.accepted = False, {}, 0
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def drop(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def say(self, octets):
        cut, at = self.server.cut, 0
        while at < len(octets):
            n = len(octets) if cut is None else 1 if cut == 1 else cut.randint(1, 12)
            self.sock.sendall(octets[at:at + n])
            at += n
            if cut is not None and at < len(octets) and random.random() < 0.2:
                time.sleep(0.0005)  # so that the pieces arrive as pieces

    def more(self):
        octets = self.sock.recv(65536)
        self.eof = not octets
        self.server.raw += octets
        self.got += octets
        return bool(octets)

    def line(self):
        while b"\n" not in self.got:
            if not self.more():
                return None
        line, self.got = self.got.split(b"\n", 1)
        if not line.endswith(b"\r"):
            self.server.errors.append("a line that ends with LF alone: %r" % line)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def take(self, n):
        while len(self.got) < n and self.more():
            pass
        taken, self.got = self.got[:n], self.got[n:]
        return taken

    def body(self):
        """Octets of DATA up to and with the dot."""
        while not self.got.startswith(b".\r\n") and b"\r\n.\r\n" not in self.got:
            if not self.more():
                return None
        n = 3 if self.got.startswith(b".\r\n") else self.got.index(b"\r\n.\r\n") + 5
        return self.take(n)

    def run(self):
        try:
            if self.server.tls == "at once":
                self.begin_tls()
            if self.answer("CONNECT", "CONNECT"):
                self.talk()
        except (OSError, ssl.SSLError, ValueError):
            pass
        finally:
            try:
                self.sock.close()
            except OSError:
                pass

    def talk(self):
        while True:
            line = self.line()
            if line is None:
                return
            self.server.lines.append(line)
            verb = re.split("[ :]", line)[0].upper()  # in any case (RFC 5321 section 2.4)
            line = verb + line[len(verb):]
            if not self.answer(line, verb):
                return
            if verb == "QUIT":
                return

    def find(self, line, verb):
        answers = self.server.answers
        key = line if line in answers else verb if verb in answers else None
        if key is None:
            if verb in ("EHLO", "LHLO"):
                ehlo = self.server.after_tls if self.is_tls and self.server.after_tls is not None else self.server.ehlo
                return b"".join(b"250-%s\r\n" % w.encode() for w in ["there"] + ehlo[:-1]) + \
                    b"250 %s\r\n" % ehlo[-1].encode() if ehlo else b"250 there\r\n"
            if verb == "BDAT":
                return b"250 2.0.0 chunk\r\n"
            return b"250 2.1.0 ok\r\n"
        answer = answers[key]
        if isinstance(answer, list):
            i = self.used.get(key, 0)
            self.used[key] = i + 1
            answer = answer[min(i, len(answer) - 1)]
        return answer

    def answer(self, line, verb):
        chunk = None
        if verb == "BDAT":
            chunk = self.take(int(line.split(" ")[1]))
            self.server.bodies.append(chunk)
        answer = self.find(line, verb)
        if callable(answer):
            answer = answer(self, line)
        if answer is STALL:
            self.server.is_stopped.wait(30)
            return False
        if answer is None:
            return False
        self.say(answer)
        if verb == "RCPT" and answer[:1] == b"2":
            self.accepted += 1
        if verb in ("MAIL", "RSET"):
            self.accepted = 0
        if verb == "DATA" and answer[:3] == b"354":
            body = self.body()
            if body is None:
                return False
            self.server.bodies.append(body)
            for _ in range(self.accepted if self.server.is_lmtp else 1):
                if not self.answer(".", "."):
                    return False
        if verb == "STARTTLS" and answer[:3] == b"220":
            self.begin_tls()
        return answer[:3] != b"421"

    def begin_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.certs[self.server.cert])
        context.sni_callback = lambda sock, name, ctx: self.server.sni.append(name)
        self.got = b""
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self.is_tls = True
