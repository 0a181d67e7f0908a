"""A server that says what a test tells it to, and remembers what it heard.

    with Script({"RCPT": ["250 Ok", "550 5.1.1 no"]}) as peer:
        run(["send", "--server", peer.server, ...])
        peer.heard      # lines, without their ends
        peer.body       # of the last DATA or BDAT

A reply may be a list (the next one each time, the last one for ever), None (hang up instead) or a function of the
line. Standard library only.
"""

import socket
import ssl
import threading

CAPABILITIES = ["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]


class Script:
    def __init__(self, replies=None, caps=CAPABILITIES, certificate=None, greeting="220 script ESMTP", at_once=False,
                 path=None):
        self.replies = {"MAIL": "250 2.1.0 Ok", "RCPT": "250 2.1.5 Ok", "DATA": "354 Go on", "BODY": "250 2.0.0 queued as Q1",
                        "QUIT": "221 2.0.0 Bye", "STARTTLS": "220 2.0.0 Go", "RSET": "250 Ok", "NOOP": "250 Ok"}
        self.replies.update(replies or {})
        self.caps, self.greeting, self.at_once = list(caps), greeting, at_once
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.heard, self.body, self.connections, self.had_tls = [], None, 0, False
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(5)
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
            self.server = "127.0.0.1:%d" % self.port
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join(5)

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with peer:
                peer.settimeout(20)
                if peer.family == socket.AF_INET:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    self.talk(peer)
                except OSError:
                    pass

    def say(self, peer, key, line=""):
        """False: the connection is to end."""
        reply = self.replies.get(key, "250 Ok")
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if callable(reply):
            reply = reply(line)
        if reply is None:
            return False
        peer.sendall(reply.replace("\n", "\r\n").encode() + b"\r\n")
        return reply[0] in "23" or True

    def ehlo(self, verb):
        if verb == "HELO":
            return "250 script"
        lines = ["script"] + [c for c in self.caps if not (c == "STARTTLS" and self.had_tls)]
        return "\n".join("250%s%s" % ("-" if i < len(lines) - 1 else " ", x) for i, x in enumerate(lines))

    def talk(self, peer):
        self.had_tls = False
        if self.at_once:
            peer = self.context.wrap_socket(peer, server_side=True)
            self.had_tls = True
        f = peer.makefile("rb")
        if self.greeting is None:
            return
        peer.sendall(self.greeting.encode() + b"\r\n")
        rcpts = 0
        while True:
            line = f.readline()
            if not line:
                return
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            self.heard.append(text)
            verb = text.split(" ")[0].upper()
            if verb in ("EHLO", "HELO", "LHLO"):
                if verb in self.replies:
                    if not self.say(peer, verb, text):
                        return
                else:
                    peer.sendall(self.ehlo(verb).replace("\n", "\r\n").encode() + b"\r\n")
                continue
            if verb == "MAIL":
                rcpts = 0
            if verb == "BDAT":
                self.body = f.read(int(text.split()[1]))
                verb = "BODY"
            if not self.say(peer, verb, text):
                return
            if verb == "RCPT":
                rcpts += 1
            if verb == "STARTTLS" and self.context:
                peer = self.context.wrap_socket(peer, server_side=True)
                self.had_tls = True
                f = peer.makefile("rb")
            if verb == "DATA" and self.replies["DATA"] and str(self.replies["DATA"]).startswith("354"):
                lines = []
                while True:
                    line = f.readline()
                    if not line:
                        return
                    if line == b".\r\n":
                        break
                    lines.append(line[1:] if line.startswith(b".") else line)
                self.body = b"".join(lines)
                if not self.say(peer, "BODY"):
                    return
            if verb == "QUIT":
                return
