"""Raw POP3 for tests that misbehave: octets go out as they are given. poplib is too polite.

    with Pop(station.ports["pop3"]) as p:
        p.stls()
        p.ask("USER alice"), p.many("LIST")

Standard library only."""

import re
import socket
import ssl

HOST = "127.0.0.1"
SECONDS = 30


class Pop:
    """A connection; the greeting is read. Lines are octets without their CRLF."""

    def __init__(self, port, tls=False, greet=True):
        self.sock = socket.create_connection((HOST, port), timeout=SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""
        if tls:
            self.wrap()
        self.greeting = self.line() if greet else None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def wrap(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)

    def stls(self):
        answer = self.ask("STLS")
        if answer.startswith(b"+OK"):
            self.wrap()
        return answer

    def send(self, octets):
        self.sock.sendall(octets)

    def line(self):
        while b"\r\n" not in self.got:
            octets = self.sock.recv(65536)
            if not octets:
                raise EOFError(self.got)
            self.got += octets
        line, self.got = self.got.split(b"\r\n", 1)
        return line

    def lines(self):
        """The lines of an answer up to its ".", unstuffed."""
        found = []
        while (line := self.line()) != b".":
            found.append(line[1:] if line.startswith(b".") else line)
        return found

    def ask(self, command):
        self.send(command.encode() + b"\r\n" if isinstance(command, str) else command)
        return self.line()

    def many(self, command):
        answer = self.ask(command)
        return (answer, self.lines()) if answer.startswith(b"+OK") else (answer, [])

    def content(self, command):
        answer, lines = self.many(command)
        assert answer.startswith(b"+OK"), answer
        return b"".join(line + b"\r\n" for line in lines)

    def login(self, account):
        assert self.ask("USER " + account.address).startswith(b"+OK")
        return self.ask("PASS " + account.password)

    def rest(self):
        """All that still comes until the server closes."""
        try:
            while octets := self.sock.recv(65536):
                self.got += octets
        except (ConnectionResetError, ssl.SSLError):
            pass
        return self.got


def code(answer):
    """Its kind and response code: "+OK", "-ERR", "-ERR [AUTH]"."""
    return re.match(rb"(\+OK|-ERR( \[[A-Z0-9/-]+\])?)", answer).group(0).decode()
