"""One story with one of the modules: `both_ways.py smtplib|yizhan.smtplib STORY` prints what the server got and
what the client saw, as JSON."""
import contextlib
import importlib
import io
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from email.message import EmailMessage

smtplib = importlib.import_module(sys.argv[1])
STANDARD = {"EHLO": b"250-there\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250-DSN\r\n250-STARTTLS\r\n"
                    b"250-AUTH=LOGIN\r\n250 AUTH PLAIN CRAM-MD5\r\n",
            "LHLO": b"250-there\r\n250 SIZE\r\n", "QUIT": b"221 bye\r\n", "DATA": b"354 go\r\n", ".": b"250 2.0.0 taken as 7\r\n",
            "STARTTLS": b"220 go on\r\n"}


class Server(threading.Thread):
    """Answers from a table: the verb, or the whole line, to the reply (a list: one after the other)."""

    def __init__(self, answers=(), greeting=b"220 there ESMTP\r\n", tls=None, family=socket.AF_INET, address=("127.0.0.1", 0)):
        super().__init__(daemon=True)
        self.answers = {**STANDARD, **dict(answers)}
        self.greeting, self.tls, self.got = greeting, tls, []
        self.listener = socket.socket(family)
        self.listener.settimeout(10)
        self.listener.bind(address)
        self.listener.listen(1)
        self.address = self.listener.getsockname()
        self.start()

    def run(self):
        sock, _ = self.listener.accept()
        sock.settimeout(10)
        if self.tls == "at once":
            sock = context().wrap_socket(sock, server_side=True)
        with contextlib.suppress(OSError):
            self.talk(sock)
        sock.close()
        self.listener.close()

    def talk(self, sock):
        sock.sendall(self.greeting)
        file = sock.makefile("rb")
        is_body, body = False, []
        while True:
            line = file.readline()
            if not line:
                return
            if is_body:
                body.append(line)
                if line != b".\r\n" or (len(body) > 1 and not body[-2].endswith(b"\r\n")):
                    continue
                self.got.append(b"".join(body).decode("latin-1"))
                is_body, verb = False, "."
            else:
                text = line.decode("latin-1").rstrip("\r\n")
                verb = text.split(" ")[0].upper()
                self.got.append(re.sub(r"^\w+", lambda m: m.group().upper(), text))
            answer = self.answers.get(self.got[-1], self.answers.get(verb, b"250 ok\r\n"))
            if isinstance(answer, list):
                answer = answer.pop(0)
            if answer is None:
                return
            sock.sendall(answer)
            if verb == "DATA" and answer.startswith(b"354"):
                is_body, body = True, []
            if verb == "STARTTLS" and answer.startswith(b"220"):
                sock = context().wrap_socket(sock, server_side=True)
                file = sock.makefile("rb")
            if verb == "QUIT" or answer.startswith(b"421"):
                return


def context():
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = os.path.join(folder, "pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", pem, "-out", pem + ".crt", "-subj", "/CN=localhost", "-days", "2"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made.load_cert_chain(pem + ".crt", pem)
    return made


results = []


def call(function, *args, **kw):
    try:
        results.append(repr(function(*args, **kw)))
    except Exception as e:
        results.append("%s %r" % (type(e).__name__, e.args))


def smtp(server, kind="SMTP", **kw):
    return getattr(smtplib, kind)(*server.address[:2], local_hostname="me.example", timeout=10, **kw)


def send(message, rcpts=("a@x", "b@x"), quits=True, answers=(), **kw):
    server = Server(answers)
    client = smtp(server)
    call(client.sendmail, "me@x", list(rcpts), message, **kw)
    results.append(repr(client.sock is None))
    if quits:
        call(client.quit)
    client.close()
    return server


def debug(level):
    server = Server()
    client = smtplib.SMTP(local_hostname="me.example", timeout=10)
    client.set_debuglevel(level)
    err = io.StringIO()
    with contextlib.redirect_stderr(err):
        call(client.connect, *server.address)
        call(client.sendmail, "me@x", ["a@x"], "Subject: x\n\n.dot\n")
        call(client.quit)
    text = err.getvalue().replace(str(server.address[1]), "PORT")
    results.extend(re.sub(r"send: '\w+", lambda m: m.group().lower(), text).splitlines())
    return server


def starttls(**kw):
    server = Server(**kw)
    client = smtp(server)
    call(client.starttls)
    results.append(repr((client.esmtp_features, client.ehlo_resp, client.does_esmtp)))
    call(client.sendmail, "me@x", "a@x", b"under TLS\r\n")
    call(client.quit)
    return server


def ssl_story():
    server = Server(tls="at once")
    with smtp(server, "SMTP_SSL") as client:
        call(client.noop)
        call(client.sendmail, "me@x", "a@x", b"under TLS\r\n")
    return server


def lmtp(rcpts, final):
    server = Server({".": final})
    client = smtp(server, "LMTP")
    call(client.sendmail, "me@x", rcpts, b"hello\r\n")
    call(client.quit)
    return server


def auth(answers):
    server = Server(answers)
    client = smtp(server)
    call(client.login, "user", "secret")
    results.append(repr(client.esmtp_features))
    call(client.noop)
    call(client.quit)
    return server


def first(answers=(), greeting=b"220 there\r\n", calls=("ehlo",)):
    server = Server(answers, greeting)
    try:
        client = smtp(server)
    except Exception as e:
        results.append("%s %r" % (type(e).__name__, e.args))
        return server
    for name in calls:
        call(getattr(client, name))
    client.close()
    return server


def unix():
    path = os.path.join(tempfile.mkdtemp(), "sock")
    server = Server(family=socket.AF_UNIX, address=path)
    client = smtplib.LMTP(path, local_hostname="me.example")
    call(client.sendmail, "me@x", "a@x", b"hello\r\n")
    call(client.quit)
    os.unlink(path)
    return server


def verbs():
    server = Server({"VRFY": b"252-maybe\r\n252 or not\r\n", "EXPN": b"550 5.7.1 no\r\n", "HELP": b"214-a\r\n214 b\r\n"})
    client = smtp(server)
    for name, args in [("vrfy", ["Joe <joe@x>"]), ("expn", ["list"]), ("help", []), ("help", ["mail"]), ("noop", []), ("rset", []),
                       ("docmd", ["XFOO", "bar baz"]), ("putcmd", ["NOOP"]), ("getreply", []), ("docmd", ["NO\nOP"]),
                       ("mail", ["a b@x"]), ("mail", ["<>"]), ("rcpt", ["Name <n@x>"]), ("rcpt", ["\"q q\"@x"]), ("quit", [])]:
        call(getattr(client, name), *args)
    return server


def message_bcc():
    message = EmailMessage()
    message["From"], message["To"], message["Cc"], message["Bcc"] = "Me <me@x>", "A <a@x>, b@x", "c@x", "d@x"
    message["Subject"] = "hello"
    message.set_content(".dot\nand line\n")
    server = Server()
    client = smtp(server)
    call(client.send_message, message)
    results.append(message["Bcc"])
    call(client.quit)
    return server


NO = b"550 5.1.1 no such user\r\n"
STORIES = {
    "bytes_as_they_are": lambda: send(b"a\n.b\r\n.c\rd\r\nlast\n"),
    "text_fixed": lambda: send("a\nb\rc\r\nlast"),
    "dots": lambda: send(b".\r\n..\r\n.x\r\n.", quits=True),
    "empty": lambda: send(b""),
    "refused": lambda: send("x", answers={"RCPT TO:<b@x>": NO}),
    "all_refused": lambda: send("x", answers={"RCPT": NO}),
    "sender_refused": lambda: send("x", answers={"MAIL": b"451 4.3.0 later\r\n"}),
    "data_refused": lambda: send("x", answers={".": b"554-5.6.0 bad\r\n554 5.6.0 worse\r\n"}),
    "refused_421": lambda: send("x", answers={"RCPT TO:<b@x>": b"421 4.3.2 closing\r\n"}, quits=False),
    "options": lambda: send("x", mail_options=["BODY=8BITMIME", "RET=HDRS"], rcpt_options=["NOTIFY=NEVER"]),
    "debug_1": lambda: debug(1),
    "starttls": starttls,
    "starttls_injection": lambda: starttls(answers={"STARTTLS": b"220 go on\r\n250 injected\r\n"}),
    "ssl": ssl_story,
    "lmtp_one": lambda: lmtp(["a@x"], b"250 taken\r\n"),
    "lmtp_two": lambda: lmtp(["a@x", "b@x"], b"250 taken\r\n550 no\r\n"),
    "auth_fails_over": lambda: auth({"AUTH": [b"535 5.7.8 no\r\n", b"535 5.7.8 no\r\n", b"235 yes\r\n"]}),
    "auth_none": lambda: auth({"AUTH": b"535 5.7.8 no\r\n"}),
    "long_reply": lambda: first({"EHLO": b"250-there\r\n" + b"".join(b"250-X%d\r\n" % i for i in range(50)) + b"250 SIZE\r\n"}),
    "no_reply_code": lambda: first({"EHLO": b"what\r\n"}),
    "helo_fallback": lambda: first({"EHLO": b"502 what\r\n", "HELO": b"250 hello\r\n"}, calls=["ehlo_or_helo_if_needed", "noop"]),
    "unix": unix,
    "greeting_554": lambda: first(greeting=b"554-go\r\n554 away\r\n"),
    "verbs": verbs,
    "message_bcc": message_bcc,
}
played = STORIES[sys.argv[2]]()
played.join(10)
print(json.dumps({"got": played.got, "results": results}))
