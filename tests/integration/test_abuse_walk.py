"""Random walks of commands beside a model: what the server answers is what a page of Python says it must, and after
any reply to the end of DATA or to BDAT LAST no envelope remains."""

import re

import pytest

from talk import HERMETIC, Control, Talk, seeded

PATIENT = ("demo = yes\nlimits { errors_soft = 1000000 errors_hard = 1000000 errors_delay = 0 "
           "junk_commands = 1000000 transactions = 1000000 message = 100K recipients = 100 }\n" + HERMETIC)
SIZE_MAX = 100 * 1024


class Model:
    """The server as RFC 5321, 2920, 3030 and 3207 have it. Each method is a command: the replies it is owed."""

    def __init__(self):
        self.phase, self.is_tls = "greeted", False
        self.clear()
        self.delivered = []  # (mailbox, subject)
        self.count = 0

    def clear(self):
        self.rcpts, self.refused, self.body, self.is_refused = [], 0, b"", False

    def reset(self):
        if self.phase != "greeted":
            self.phase = "ready"
        self.clear()

    def hello(self):
        self.phase = "ready"
        self.clear()
        return ["250"]

    def mail(self, reply):
        if self.phase != "ready":
            return ["503 5.5.1"]
        if reply.startswith("250"):
            self.phase = "mail"
        return [reply]

    def rcpt(self, reply, mailbox):
        if self.phase not in ("mail", "rcpt"):
            return ["503 5.5.1"]
        if reply.startswith("250") and len(self.rcpts) == 100:
            return ["452 4.5.3"]
        if reply.startswith("250"):
            self.rcpts.append(mailbox)
            self.phase = "rcpt"
        else:
            self.refused += 1
        return [reply]

    def no_recipients(self):
        """DATA or BDAT where none can be: what it is told, and the envelope is gone."""
        owed = "554 5.5.1" if self.phase == "mail" and self.refused else "503 5.5.1"
        self.reset()
        return [owed]

    def end(self, content):
        """The whole body is there."""
        rcpts = set(self.rcpts)
        self.reset()
        if len(content) > SIZE_MAX:
            return "552 5.3.4"
        if b"\n" in content.replace(b"\r\n", b"") or b"\r" in content.replace(b"\r\n", b""):
            return "550 5.6.11"
        if b"\0" in content:
            return "550 5.6.0"
        subject = re.match(rb"Subject: (n\d+)\r\n", content)
        self.delivered += [(mailbox, subject.group(1).decode() if subject else "") for mailbox in rcpts]
        return "250 2.0.0"

    def data(self, content):
        if self.phase == "greeted":
            return ["503 5.5.1"]
        if self.phase == "bdat":
            self.reset()
            return ["503 5.5.1"]
        if self.phase != "rcpt":
            return self.no_recipients()
        return ["354", self.end(content)]

    def bdat(self, chunk, is_last):
        if self.phase == "greeted":
            return ["503 5.5.1"]
        if self.phase not in ("rcpt", "bdat"):
            return self.no_recipients()
        self.phase = "bdat"
        self.body += chunk
        if is_last:
            body = self.body
            return [self.end(body if body.endswith(b"\r\n") or not body else body + b"\r\n")]
        probe = Model()
        owed = probe.end(self.body[:-1] if self.body.endswith(b"\r") else self.body)
        if not owed.startswith("250"):
            self.reset()
        return [owed]

    def starttls(self):
        if self.phase != "ready" or self.is_tls:
            return ["503 5.5.1"]
        self.is_tls, self.phase = True, "greeted"
        return ["220 2.0.0"]


SENDERS = [
    (b"<a@peer.example>", "250 2.1.0"), (b"<>", "250 2.1.0"), (b"<a@peer.example> SIZE=1000", "250 2.1.0"),
    (b"<a@peer.example> BODY=8BITMIME", "250 2.1.0"), (b"<a@peer.example> SIZE=99999999", "552 5.3.4"),
    (b"<a@peer.example> SIZE=99999999999999999999", "552 5.3.4"), (b"<a@peer.example> RET=HDRS ENVID=x+2By", "250 2.1.0"),
    (b"<a@peer.example> ENVID=x+0D+0Ay", "501 5.5.4"), (b"<a@peer.example> ENVID=x+y", "501 5.5.4"),
    (b"<a@peer.example> NONSENSE=1", "555 5.5.4"), (b"<a@peer.example> SIZE=1 SIZE=2", "501 5.5.4"),
    (b"<a@peer.example> BODY=9BITMIME", "501 5.5.4"), (b"<a@peer.example> SMTPUTF8", "250 2.1.0"),
    (b"a@peer.example", "501 5.5.4"), (b"<a@peer.example", "501 5.5.4"), (b"<a@peer..example>", "501 5.1.7"),
]
RCPTS = [
    (b"<alice@yizhan.test>", "250 2.1.5", "alice"), (b"<bob@yizhan.test>", "250 2.1.5", "bob"),
    (b"<alice@yizhan.test> NOTIFY=NEVER", "250 2.1.5", "alice"), (b"<postmaster>", "250 2.1.5", "alice"),
    (b"<bob@yizhan.test> ORCPT=rfc822;b+2Bx@y.example NOTIFY=SUCCESS,DELAY", "250 2.1.5", "bob"),
    (b"<nobody@yizhan.test>", "550 5.1.1", None), (b"<x@far.example>", "550 5.7.1", None),
    (b"<bob@yizhan.test> ORCPT=rfc822;b+0D+0AX: y", "501 5.5.4", None), (b"<bob@yizhan.test> NOTIFY=NEVER,DELAY", "501 5.5.4", None),
    (b"<bob@yizhan.test> ORCPT=b", "501 5.5.4", None), (b"<>", "501 5.1.3", None), (b"<bob@yizhan.test>x", "501 5.5.4", None),
]
OTHERS = [
    (b"NOOP", "250 2.0.0"), (b"NOOP what ever", "250 2.0.0"), (b"VRFY alice", "252 2.5.0"), (b"VRFY", "501 5.5.4"),
    (b"HELP", "214 2.0.0"), (b"EXPN list", "502 5.5.1"), (b"EXPN", "501 5.5.4"), (b"AUTH PLAIN AHgAeA==", "502 5.5.1"),
    (b"TURN", "502 5.5.1"), (b"ETRN x", "502 5.5.1"), (b"", "500 5.5.2"), (b"FROB", "500 5.5.2"), (b"M\xc3\xa4il", "500 5.5.2"),
    (b"NO\0OP", "500 5.5.2"), (b"MAIL", "501 5.5.4"), (b"RCPT FROM:<a@b>", "501 5.5.4"), (b"RSET now", "501 5.5.4"),
    (b"EHLO", "501 5.5.4"), (b"EHLO a b", "501 5.5.4"), (b"HELO [300.1.1.1]", "501 5.5.4"), (b"LHLO x", "500 5.5.1"),
    (b"QUIT now", "501 5.5.4"), (b"STARTTLS now", "501 5.5.4"), (b"x" * 3000, "500 5.5.2"), (b" NOOP", "500 5.5.2"),
]


class Walk:
    """Makes a command, tells the model, remembers what is owed."""

    def __init__(self, rng, model):
        self.rng, self.model = rng, model

    def content(self):
        rng, model = self.rng, self.model
        model.count += 1
        body = b"Subject: n%d\r\n\r\n" % model.count + rng.choice([b"", b"text\r\n", b".dots\r\n..\r\n", b"x" * 900 + b"\r\n"])
        return body + rng.choice([b""] * 6 + [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"a\n.\nb\r\n", b"y" * SIZE_MAX + b"\r\n"])

    def step(self):
        """(octets, replies owed)"""
        rng, model = self.rng, self.model
        kind = rng.choices(["hello", "mail", "rcpt", "data", "bdat", "rset", "other", "bad_data"],
                           [2, 10, 10, 8, 14, 3, 6, 1])[0]
        if rng.random() < .5:  # one that leads somewhere
            kind = {"greeted": "hello", "ready": "mail", "mail": "rcpt", "bdat": "bdat"}.get(model.phase, kind)
        if kind == "hello":
            return rng.choice([b"EHLO x\r\n", b"HELO y.example\r\n", b"ehlo [127.0.0.1]\r\n"]), model.hello()
        if kind == "mail":
            path, reply = rng.choice(SENDERS[:4] * 4 + SENDERS)
            return b"MAIL FROM:" + path + b"\r\n", self.known(path, reply, model.mail)
        if kind == "rcpt":
            path, reply, mailbox = rng.choice(RCPTS[:2] * 6 + RCPTS)
            return b"RCPT TO:" + path + b"\r\n", self.known(path, reply, lambda r: model.rcpt(r, mailbox))
        if kind == "data":
            content = self.content()
            may = model.phase == "rcpt"
            owed = model.data(content)
            stuffed = b"".join(b"." + x if x.startswith(b".") else x for x in content.splitlines(True))
            if may and b"\n.\n" in content:
                stuffed = content  # lines are what CRLF ends, and no dot of theirs is doubled
            return b"DATA\r\n" + (stuffed + b".\r\n" if may else b""), owed
        if kind == "bdat":
            return self.chunk()
        if kind == "rset":
            model.reset()
            return b"RSET\r\n", ["250 2.0.0"]
        if kind == "bad_data":
            if model.phase != "greeted":
                model.reset()
            return b"DATA now\r\n", ["501 5.5.4"]
        line, owed = rng.choice(OTHERS)
        return line + b"\r\n", [owed]

    def known(self, path, reply, act):
        """Grammar is looked at before order: a line that is none gets 501 wherever it stands. Before EHLO no
        parameter has been offered."""
        if self.model.phase == "greeted" and b" " in path:
            return ["555 5.5.4"]
        return [reply] if reply[:3] in ("501", "555") else act(reply)

    def chunk(self):
        """A chunk of the body that is under way, or of a new one."""
        rng, model = self.rng, self.model
        if model.phase == "bdat" and rng.random() < .7:
            chunk = rng.choice([b"", b"more\r\n", b"\r", b"\n", b"z" * 5000 + b"\r\n", b"\r\n.\r\n", b"\0"])
        else:
            chunk = self.content()[:rng.choice([3, 40, 200000])]
        is_last = rng.random() < .4
        return b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if is_last else b"") + chunk, model.bdat(chunk, is_last)


def walk(station, rng, steps):
    model = Model()
    walk = Walk(rng, model)
    done = 0
    with Talk(station.smtp) as t:
        while done < steps:
            octets, owed = b"", []
            for _ in range(rng.choice([1, 1, 1, 2, 5, 12])):
                more, replies = walk.step()
                octets, owed, done = octets + more, owed + replies, done + 1
                if replies[-1][:3] != "354" and more[:4] in (b"DATA", b"BDAT") and model.phase != "bdat" and rng.random() < .5:
                    # the heart of the matter: no envelope remains
                    assert model.phase in ("ready", "greeted")
                    octets, owed = octets + b"DATA\r\n", owed + ["503 5.5.1"]
            if model.phase == "ready" and not model.is_tls and rng.random() < .02:
                octets, owed = octets + b"STARTTLS\r\n", owed + model.starttls()
            t.send(octets, rng if len(octets) < 2000 and rng.random() < .2 else None)
            told = [t.reply() for _ in owed]
            assert [r.both for r in told] == owed, (octets[:2000], told)
            if owed[-1][:3] == "220":
                t.handshake()
        assert t.is_silent(0.1), t.got
        assert t.ask(b"QUIT").both == "221 2.0.0"
    return model.delivered


@pytest.mark.parametrize("steps", [3000, pytest.param(60000, marks=pytest.mark.long)])
def test_random_walks_follow_the_model(make_station, steps):
    station = make_station(conf=PATIENT)
    walks = 10
    wanted = []
    for n in range(walks):
        wanted += walk(station, seeded("walk %d" % n), steps // walks)
    with Control(station) as control:
        for mailbox in ("alice", "bob"):
            found = [row["subject"] for row in control.ask("mailbox.list", address=mailbox + "@yizhan.test")]
            assert found == [subject for who, subject in wanted if who == mailbox]
    assert len(wanted) > steps / 50
