"""A content filter in Python, and a station that sends its mail through it.

    with Filter(judge=lambda letter: b"X-Spam: no\\r\\n" + letter.data) as content:
        with Filtered(lambda ports: content.sink.port) as station:
            content.back = station.ports["back"]

`judge` gives the octets that are brought back, or None: nothing is. Standard library only."""

import os
import sys
import threading
import time

from station import Yizhan
from talk import HERMETIC, Talk

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from pysink import PySink  # noqa: E402

CONF = "demo = yes\n" + HERMETIC
FILTERED = CONF + """
relay_networks = { "127.0.0.0/8" }
filter { next_hop = "127.0.0.1:FILTER" }
listener in { address = { "127.0.0.1:2525" } }
listener back { address = { "127.0.0.1:4650" } filtered = yes }
"""


class Filter:
    """A content filter: takes mail by SMTP and brings it back to a port, as `judge` has it."""

    def __init__(self, back=0, judge=None, caps=None):
        self.back, self.judge, self.seen = back, judge or (lambda letter: letter.data), []
        self.sink = PySink(caps=caps) if caps is not None else PySink()
        self.done = 0
        self.refused = []

    def __enter__(self):
        self.sink.__enter__()
        self.is_ended = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.is_ended = True
        self.sink.__exit__(*exc)

    def run(self):
        while not self.is_ended:
            letters = list(self.sink.letters)
            for letter in letters[self.done:]:
                data = self.judge(letter)
                self.done += 1
                self.seen.append(letter)
                if data is not None:
                    self.bring(letter, data)
            time.sleep(0.01)

    def bring(self, letter, data):
        with Talk(("127.0.0.1", self.back)) as t:
            t.ask(b"EHLO filter.test")
            t.ask(b"MAIL FROM:<" + letter.sender.encode() + b">")
            for rcpt in letter.rcpts:
                t.ask(b"RCPT TO:<" + rcpt.encode() + b">")
            reply = t.ask(b"DATA")
            if reply.code == 354:
                lines = data.split(b"\r\n")
                t.send(b"\r\n".join(b"." + x if x.startswith(b".") else x for x in lines) + b".\r\n")
                reply = t.reply()
            if reply.code != 250:
                self.refused.append(reply)


class Filtered(Yizhan):
    """A station with a filter: its listeners lie on ports of the demo, which the offset shifts; `where` says the
    port of the filter when they are known."""

    def __init__(self, where, conf=FILTERED):
        super().__init__(conf=conf)
        self.template, self.where = conf, where

    @property
    def ports(self):
        return {"smtp": 2525 + self.offset.value, "back": 4650 + self.offset.value}

    def start(self, wait=True):
        self.conf = self.template.replace("FILTER", str(self.where(self.ports)))
        super().start(wait)
