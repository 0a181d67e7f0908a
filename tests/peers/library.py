"""Sending through the shared libyizhan: a script for build/asan/tests/peers/yz_drive, and what it tells.

    session = Session(url, ca=..., user=..., password=...)
    session.message("me@a.test", ["you@b.test"], octets, notify=SUCCESS)
    session.send()
    told = session.run()      # [{"err": "ok", …} of connect, send, …]

A sanitizer's report fails the run. Standard library only.
"""

import json
import os
import subprocess
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("YIZHAN_BIN", os.path.join(TOP, "build/asan/yizhan"))
DRIVE = os.path.join(os.path.dirname(BIN), "tests/peers/yz_drive")
SECONDS = 30

# of include/yizhan.h
NO_PIPELINING, NO_CHUNKING, NO_SIZE, ALLOW_CLEAR_AUTH = 1 << 0, 1 << 1, 1 << 5, 1 << 7
DSN_OR_FAIL = 1 << 1
NOTIFY_NEVER, NOTIFY_SUCCESS, NOTIFY_FAILURE, NOTIFY_DELAY = 1, 2, 4, 8
TLS_NEVER, TLS_OPTIONAL, TLS_REQUIRED = 1, 2, 3


class Session:
    def __init__(self, url, ca=None, cert=None, **options):
        self.url, self.bodies = url, []
        self.lines = [("option", name, str(value)) for name, value in options.items()]
        if ca:
            self.lines.append(("ca", ca))
        if cert:
            self.lines.append(("cert", *cert))
        self.lines.append(("connect", url))

    def message(self, sender, rcpts, octets, notify=None, orcpt=None, **params):
        """A transaction more; what it says about DSN holds for each recipient."""
        self.lines.append(("txn", sender, *[str(x) for pair in params.items() for x in pair]))
        extra = (["notify", str(notify)] if notify else []) + (["orcpt", orcpt] if orcpt else [])
        self.lines += [("rcpt", rcpt, *extra) for rcpt in rcpts]
        self.lines.append(("body", len(self.bodies)))
        self.bodies.append(octets)

    def send(self):
        self.lines.append(("send",))

    def command(self, verb, args):
        self.lines.append(("cmd", verb, args))

    def run(self):
        """Do all of it, QUIT at the end; what each step told, without the QUIT."""
        with tempfile.TemporaryDirectory(prefix="yz-drive-") as where:
            script = ""
            for verb, *args in self.lines + [("quit",)]:
                if verb == "body":
                    path = os.path.join(where, str(args[0]))
                    with open(path, "wb") as f:
                        f.write(self.bodies[args[0]])
                    args = [path]
                script += "\t".join([verb, *args]) + "\n"
            done = subprocess.run([DRIVE], input=script.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=SECONDS)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode(errors="replace")[-8000:]
        told = [json.loads(line) for line in done.stdout.splitlines()]
        return told[:-1]


def send_one(url, sender, rcpts, octets, session=None, **params):
    """Connect, send one message, QUIT: (what connect told, what the transaction told)."""
    s = Session(url, **(session or {}))
    s.message(sender, rcpts, octets, **params)
    s.send()
    connected, sent = s.run()
    return connected, sent["txns"][0]
