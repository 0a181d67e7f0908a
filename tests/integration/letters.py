"""What a letter looks like once it has come, and what really went over the wire.

    letter = find_letter(station, "alice@yizhan.test", "the subject")
    letter.return_path, letter.received.protocol, letter.content

    with Tap(station.smtp) as tap:          # a client talks to tap.address instead
        ...
        tap.contents()                      # each message as it was sent, dots unstuffed

Standard library only.
"""

import collections
import email.utils
import re
import socket
import threading
import time

HOST = "127.0.0.1"

# Exactly what we write before a letter at final delivery (RFC 5321 section 4.4): nothing may stand between.
PREFIX = re.compile(
    rb"Return-Path: <(?P<return_path>[^\r\n]*)>\r\n"
    rb"Delivered-To: (?P<delivered_to>[^\r\n]+)\r\n"
    rb"Received: from (?P<helo>\S+) \((?P<peer>\[[^\]\r\n]+\]|unix(?:, uid \d+, \S+)?|hidden)\)\r\n"
    rb"(?:\t\(using (?P<tls>TLSv1\.[23]) with cipher (?P<cipher>[A-Z0-9_-]+) \((?P<bits>\d+) bits\)\)\r\n)?"
    rb"\tby (?P<by>\S+) \(Yizhan\) with (?P<protocol>[A-Z0-9]+) id (?P<id>[0-9A-Z]+)"
    rb"(?:\r\n\tfor <(?P<rcpt>[^\r\n]+)>)?;\r\n"
    rb"\t(?P<date>[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4})\r\n"
    rb"(?:DKIM-Signature:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*")  # the last: mail that is ours to sign

Received = collections.namedtuple("Received", "helo peer tls by protocol id rcpt date")


class Letter:
    """One stored message: `row` of the listing, `raw` octets, and what our own lines say; `content` is the rest."""

    def __init__(self, row, raw):
        found = PREFIX.match(raw)
        assert found, "not the lines of final delivery:\n%s" % raw[:1000].decode(errors="replace")
        part = {name: value if value is None else value.decode() for name, value in found.groupdict().items()}
        self.row, self.raw, self.content = row, raw, raw[found.end():]
        self.return_path, self.delivered_to = part["return_path"], part["delivered_to"]
        self.received = Received(*(part[name] for name in Received._fields))
        self.check()

    def check(self):
        """What is true of every letter."""
        assert self.row["size"] == len(self.raw)
        age = time.time() - email.utils.parsedate_to_datetime(self.received.date).timestamp()
        assert -2 < age < 120, self.received.date
        # written once: what the sender put there himself is content
        assert self.raw.count(b"Return-Path:") == 1 + self.content.count(b"Return-Path:")
        for line in self.raw[:-len(self.content) or None].split(b"\r\n"):
            assert len(line) <= 998 and b"\n" not in line


def find_letters(station, address, subject):
    rows = [row for row in station.mailbox(address) if row["subject"] == subject]
    return [Letter(row, station.export(address, row["uid"])) for row in rows]


def find_letter(station, address, subject):
    """The only letter of that subject. No waiting: after 250 it is there."""
    found = find_letters(station, address, subject)
    assert len(found) == 1, "%d letters \"%s\" for %s" % (len(found), subject, address)
    return found[0]


class Tap:
    """Passes octets on between a client and a server, and keeps them."""

    def __init__(self, server):
        self.server = server
        self.sessions = []  # (what the client said, what the server said), bytearrays
        self.threads, self.sockets = [], []

    def __enter__(self):
        self.listener = socket.create_server((HOST, 0))
        self.address = self.listener.getsockname()
        self.run(self.accept)
        return self

    def __exit__(self, *exc):
        for s in [self.listener] + self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(5)
        for s in [self.listener] + self.sockets:
            s.close()

    def run(self, function, *args):
        thread = threading.Thread(target=function, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(self.server, timeout=60)
            said = (bytearray(), bytearray())
            self.sessions.append(said)
            self.sockets += [client, server]
            self.run(self.pump, client, server, said[0])
            self.run(self.pump, server, client, said[1])

    @staticmethod
    def pump(source, target, kept):
        try:
            while True:
                octets = source.recv(65536)
                kept += octets
                if not octets:
                    target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(octets)
        except OSError:
            return

    def contents(self):
        """All that was sent between DATA and CRLF.CRLF, dots unstuffed (RFC 5321 section 4.5.2)."""
        return [content for said, _ in list(self.sessions) for content in contents_of(bytes(said))]


def contents_of(wire):
    found, at = [], 0
    while True:
        begin = re.compile(rb"(?i)(?:^|\r\n)DATA\r\n").search(wire, at)
        if not begin:
            return found
        # the CRLF of DATA's own line: a message may be empty
        end = wire.index(b"\r\n.\r\n", begin.end() - 2)
        text = wire[begin.end():end + 2]
        found.append(text[1:].replace(b"\r\n.", b"\r\n") if text.startswith(b".") else text.replace(b"\r\n.", b"\r\n"))
        at = end + 3
