"""A strict IMAP client: it reads every response by the grammar and fails at the first octet that is not in it.

    with Talk(("127.0.0.1", 1430)) as t:
        t.login("alice@yizhan.test", "secret")
        r = t.ok("SELECT INBOX")
        r.code("UIDVALIDITY"), r.numbers("EXISTS"), r.fetches()
        t.ok("APPEND", "INBOX", Lit(b"Subject: x\\r\\n\\r\\nhello\\r\\n"))
        t.run("FETCH 9 FLAGS").status          # OK, NO or BAD

Values: atoms are Atom (a str), strings are bytes, numbers int, NIL None, lists list. `Wrong` is raised (an
AssertionError) for what a server must never send: a token out of place, a response nobody knows, a sequence number
beyond the mailbox, an EXPUNGE where RFC 9051 section 7.5.1 forbids it. `view` folds the untagged responses of the
selected mailbox. Standard library only.
"""

import re
import socket
import ssl
import time
import zlib

from imap_read import Atom, Wrong, numbers_of, read_response  # noqa: F401

SECONDS = 30


class Bye(Exception):
    """The server ended the connection; args: the text of its BYE or ""."""


class Lit:
    """An argument sent as a literal."""

    def __init__(self, octets, plus=False, is8=False):
        self.octets, self.plus, self.is8 = octets, plus, is8


def quote(text):
    """A mailbox name or user name as a quoted string."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


# -- what a session knows ---------------------------------------------------------------------------------------------

class View:
    """The selected mailbox as the untagged responses tell it: uids[i] and flags[uid] of sequence number i + 1. A UID that
    has not been told yet is None."""

    def __init__(self):
        self.uids, self.flags, self.modseq = [], {}, {}
        self.recent = 0
        self.highest = 0

    def exists(self, n):
        if n < len(self.uids):
            raise Wrong("%d EXISTS, where %d were and none was expunged" % (n, len(self.uids)))
        self.uids += [None] * (n - len(self.uids))

    def expunge(self, n):
        if n > len(self.uids):
            raise Wrong("%d EXPUNGE of %d" % (n, len(self.uids)))
        uid = self.uids.pop(n - 1)
        self.flags.pop(uid, None)
        self.modseq.pop(uid, None)

    def vanished(self, uids, is_earlier):
        for uid in uids:
            if uid in self.uids:
                self.uids.remove(uid)
                self.flags.pop(uid, None)
                self.modseq.pop(uid, None)
            elif not is_earlier:
                # EARLIER may name what the client never knew; the other takes one away for each UID, be it that the
                # client has not asked for that UID yet (RFC 7162 section 3.2.10)
                self.vanish_unknown(uid)

    def vanish_unknown(self, uid):
        behind = next((i for i, u in enumerate(self.uids) if u is not None and u > uid), len(self.uids))
        if behind == 0 or self.uids[behind - 1] is not None:
            raise Wrong("UID %d vanished and never was there: %r" % (uid, self.uids))
        self.uids.pop(behind - 1)

    def fetch(self, n, items):
        if n > len(self.uids):
            raise Wrong("%d FETCH of %d" % (n, len(self.uids)))
        uid = items.get("UID")
        known = self.uids[n - 1]
        if uid is not None:
            if known is not None and known != uid:
                raise Wrong("%d has UID %d now, and had %d" % (n, uid, known))
            self.uids[n - 1] = known = uid
            before = [u for u in self.uids[:n - 1] if u is not None]
            behind = [u for u in self.uids[n:] if u is not None]
            if (before and before[-1] >= uid) or (behind and behind[0] <= uid):
                raise Wrong("UID %d of %d does not ascend" % (uid, n))
        self.keep(known, items)

    def uid_fetch(self, uid, items):
        if uid not in self.uids:
            self.uids.append(uid)
        self.keep(uid, items)

    def keep(self, uid, items):
        if uid is None:
            return
        if "FLAGS" in items:
            self.flags[uid] = frozenset(f.lower() for f in items["FLAGS"] if f.lower() != "\\recent")
        if "MODSEQ" in items:
            if items["MODSEQ"] < self.modseq.get(uid, 0):
                raise Wrong("MODSEQ of UID %d went from %d to %d" % (uid, self.modseq[uid], items["MODSEQ"]))
            self.modseq[uid] = items["MODSEQ"]
            self.highest = max(self.highest, items["MODSEQ"])

    def unknown(self):
        """The sequence numbers whose UID or flags are not known yet."""
        return [i + 1 for i, uid in enumerate(self.uids) if uid is None or uid not in self.flags]

    def state(self):
        return [(uid, self.flags.get(uid)) for uid in self.uids]


class ResyncView(View):
    """What a client knew from an earlier session, while SELECT with QRESYNC tells what has changed since."""

    def __init__(self):
        super().__init__()
        self.told = None

    def exists(self, n):
        self.told = n

    def fetch(self, n, items):
        if "UID" not in items:
            raise Wrong("resynchronising without UID: %r" % (items,))
        uid = items["UID"]
        if uid not in self.uids:
            self.uids = sorted(self.uids + [uid])
        self.keep(uid, items)


class Reply:
    """What came for one command: status, code, text, and the untagged responses before it."""

    def __init__(self, tag, status, code, text, untagged, raw):
        self.tag, self.status, self.tagged_code, self.text, self.untagged, self.raw = tag, status, code, text, untagged, raw

    def all(self, name):
        return [value for kind, value in self.untagged if kind == name]

    def one(self, name):
        found = self.all(name)
        if len(found) != 1:
            raise Wrong("%d untagged %s where one was wanted: %r" % (len(found), name, self.untagged))
        return found[0]

    def last(self, name):
        found = self.all(name)
        return found[-1] if found else None

    def codes(self):
        """{code: value} of the tagged reply and of all untagged OK, NO, BAD."""
        found = {}
        for kind, value in self.untagged:
            if kind in ("OK", "NO", "BAD") and value[0]:
                found[value[0][0]] = value[0][1]
        if self.tagged_code:
            found[self.tagged_code[0]] = self.tagged_code[1]
        return found

    def code(self, name):
        return self.codes().get(name)

    def has_code(self, name):
        return name in self.codes()

    def fetches(self):
        """{sequence number: items}; items of the same number are merged, the last wins."""
        found = {}
        for n, items in self.all("FETCH"):
            found.setdefault(n, {}).update(items)
        return found

    def by_uid(self):
        return {items["UID"]: items for items in self.fetches().values() if "UID" in items}

    def __repr__(self):
        return "%s %s %s; %r" % (self.status, self.tagged_code, self.text, self.untagged)


# -- the connection ---------------------------------------------------------------------------------------------------

# No EXPUNGE may come while these run (RFC 3501 section 7.4.1, RFC 5256 section 3); with UID it may.
NO_EXPUNGE = {"FETCH", "STORE", "SEARCH", "SORT", "THREAD"}


class Talk:
    """One connection. Not thread-safe; every wait has an end (`seconds`)."""

    def __init__(self, address, tls=None, seconds=SECONDS, greet=True):
        self.address, self.seconds = address, seconds
        self.socket = socket.create_connection(address, timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = bytearray()
        self.inflate = self.deflate = None
        self.count = 0
        self.view = None
        self.capabilities = []
        self.is_closed = False
        self.waiting = []        # tags under way
        self.trace = []
        self.greeting = None
        self.new_view = View
        if greet:
            self.greeting = self.response()
            if self.greeting[0] != "*" or self.greeting[1] not in ("OK", "BYE", "PREAUTH"):
                raise Wrong("greeted with %r" % (self.greeting,))
            code = self.greeting[2][0]
            if code and code[0] == "CAPABILITY":
                self.capabilities = code[1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.is_closed = True
        try:
            self.socket.close()
        except OSError:
            pass

    # -- octets

    def send(self, octets):
        self.trace.append(b"C: " + bytes(octets[:400]))
        if self.deflate:
            octets = self.deflate.compress(octets) + self.deflate.flush(zlib.Z_SYNC_FLUSH)
        self.socket.sendall(octets)

    def fill(self):
        octets = self.socket.recv(262144)
        if not octets:
            raise Bye("the connection ended")
        self.buffer += self.inflate.decompress(octets) if self.inflate else octets

    def raw_response(self):
        """One response as octets: lines joined by their literals."""
        at = 0
        while True:
            end = self.buffer.find(b"\n", at)
            if end < 0:
                at = max(at, len(self.buffer) - 1)
                self.fill()
                continue
            if self.buffer[end - 1:end] != b"\r":
                raise Wrong("a line that ends in LF alone: %r" % bytes(self.buffer[:end + 1][-200:]))
            tail = re.search(rb"\{([0-9]+)\}\r\n\Z", bytes(self.buffer[max(0, end - 24):end + 1]))
            at = end + 1
            if not tail:
                break
            need = at + int(tail[1])
            while len(self.buffer) < need:
                self.fill()
            at = need
        data = bytes(self.buffer[:at])
        del self.buffer[:at]
        self.trace.append(b"S: " + data[:400])
        del self.trace[:-60]
        return data

    def response(self):
        return read_response(self.raw_response())

    # -- commands

    def start(self, *parts):
        """Send a command without waiting for its end; literals wait for their "+". Returns (tag, untagged so far)."""
        self.count += 1
        tag = "t%d" % self.count
        untagged = []
        line = bytearray(tag.encode() + b" ")
        words = " ".join(p for p in parts[:2] if isinstance(p, str)).upper().split()
        for i, part in enumerate(parts):
            if i and not (isinstance(part, str) and part.startswith(")")) and not line.endswith(b"("):
                line += b" "
            if isinstance(part, Lit):
                line += b"%s{%d%s}\r\n" % (b"~" if part.is8 else b"", len(part.octets), b"+" if part.plus else b"")
                if not part.plus:
                    self.send(line)
                    line = bytearray()
                    refused = self.until_plus(tag, untagged, words)
                    if refused:
                        return tag, untagged, refused
                line += part.octets
            else:
                line += part.encode() if isinstance(part, str) else part
        self.send(bytes(line) + b"\r\n")
        return tag, untagged, (words, None)

    def until_plus(self, tag, untagged, words):
        while True:
            r = self.response()
            if r[0] == "+":
                return None
            if r[0] == tag:
                return (words, r)
            self.take(r, untagged, words)

    def take(self, r, untagged, words):
        if r[0] != "*":
            raise Wrong("%r while %r runs" % (r, words))
        _, name, value = r
        untagged.append((name, value))
        if name == "BYE" and words[:1] not in (["LOGOUT"],):
            raise Bye(value[1])
        if name in ("CAPABILITY",):
            self.capabilities = value
        if name == "OK" and value[0]:
            if value[0][0] == "CAPABILITY":
                self.capabilities = value[0][1]
            if value[0][0] == "CLOSED":
                self.view = self.new_view()
            if value[0][0] == "HIGHESTMODSEQ" and self.view:
                self.view.highest = max(self.view.highest, value[0][1])
        if self.view is None:
            if name in ("EXPUNGE", "VANISHED"):
                raise Wrong("%s, and no mailbox is selected" % name)
            return
        if name == "EXISTS":
            self.view.exists(value)
        elif name == "EXPUNGE" or (name == "VANISHED" and not value[0]):
            if words[:1] and words[0] in NO_EXPUNGE:
                raise Wrong("%s %r while %s runs" % (name, value, words[0]))
            if name == "EXPUNGE":
                self.view.expunge(value)
            else:
                self.view.vanished(numbers_of(value[1]), False)
        elif name == "VANISHED":
            self.view.vanished(numbers_of(value[1]), True)
        elif name == "FETCH":
            self.view.fetch(*value)
        elif name == "UIDFETCH":
            self.view.uid_fetch(*value)

    def finish(self, started):
        """The reply to a started command."""
        tag, untagged, (words, early) = started
        while True:
            r = early or self.response()
            early = None
            if r[0] == tag:
                break
            if r[0] == "+":
                raise Wrong("+ %r, and %r asked for none" % (r[1], words))
            self.take(r, untagged, words)
        status, (code, text) = r[1], r[2]
        if code and code[0] == "CAPABILITY":
            self.capabilities = code[1]
        if words[:1] in (["SELECT"], ["EXAMINE"]) and status != "OK":
            self.view = None
        if words[:1] in (["CLOSE"], ["UNSELECT"], ["UNAUTHENTICATE"]) and status == "OK":
            self.view = None
        return Reply(tag, status, code, text, untagged, None)

    def run(self, *parts):
        word = parts[0].split()[0].upper() if isinstance(parts[0], str) and parts[0].split() else ""
        if word in ("SELECT", "EXAMINE"):
            # the old mailbox is closed at once, whatever becomes of the new one; what is told from here on is of the
            # new one (with QRESYNC behind CLOSED, which the server must send)
            self.view = self.new_view()
        return self.finish(self.start(*parts))

    def resync(self, mailbox, known, validity, modseq, more=""):
        """SELECT with QRESYNC: what is told is folded into a copy of `known`, a View of an earlier time. The EXISTS of the
        answer counts what is new in it as well, so it is judged at the end."""
        def seeded():
            view = ResyncView()
            view.uids, view.flags, view.modseq = list(known.uids), dict(known.flags), dict(known.modseq)
            return view
        self.new_view = seeded
        try:
            r = self.ok("SELECT %s (QRESYNC (%d %d%s))" % (quote(mailbox), validity, modseq, more))
        finally:
            self.new_view = View
        if more:
            # only what is in the set is told of (RFC 7162 section 3.2.5.2): the client asks for what lies behind it
            last = max(known.uids, default=0)
            self.ok("UID FETCH %d:* (FLAGS MODSEQ)" % (last + 1))
        if self.view.told != len(self.view.uids):
            raise Wrong("%d EXISTS, and resynchronising gave %d" % (self.view.told, len(self.view.uids)))
        return r

    def ok(self, *parts):
        r = self.run(*parts)
        if r.status != "OK":
            raise Wrong("%r: %s [%s] %s" % (parts, r.status, r.tagged_code, r.text))
        return r

    def no(self, *parts):
        r = self.run(*parts)
        if r.status != "NO":
            raise Wrong("%r: %s %s %s, NO was wanted" % (parts, r.status, r.tagged_code, r.text))
        return r

    def bad(self, *parts):
        r = self.run(*parts)
        if r.status != "BAD":
            raise Wrong("%r: %s %s %s, BAD was wanted" % (parts, r.status, r.tagged_code, r.text))
        return r

    def login(self, user, password):
        return self.ok("LOGIN %s %s" % (quote(user), quote(password)))

    def logout(self):
        r = self.ok("LOGOUT")
        if not r.all("BYE"):
            raise Wrong("LOGOUT without BYE")
        self.close()
        return r

    def capability(self):
        self.capabilities = self.ok("CAPABILITY").one("CAPABILITY")
        return self.capabilities

    def starttls(self, context=None):
        self.ok("STARTTLS")
        if self.buffer:
            raise Wrong("octets behind STARTTLS")
        if context is None:
            context = ssl._create_unverified_context()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.capabilities = []

    def compress(self):
        self.ok("COMPRESS DEFLATE")
        self.inflate = zlib.decompressobj(-15)
        self.deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
        if self.buffer:
            self.buffer = bytearray(self.inflate.decompress(bytes(self.buffer)))

    def append(self, mailbox, octets, flags="", date=None):
        """UID of the message, or None where the server does not say."""
        words = ["APPEND " + quote(mailbox)]
        if flags:
            words.append("(%s)" % flags)
        if date:
            words.append('"%s"' % date)
        r = self.ok(*words, Lit(octets))
        code = r.code("APPENDUID")
        return numbers_of(code[1])[0] if code else None

    # -- IDLE

    def idle(self):
        self.count += 1
        self.idle_tag = "t%d" % self.count
        self.idle_untagged = []
        self.send(b"%s IDLE\r\n" % self.idle_tag.encode())
        if self.until_plus(self.idle_tag, self.idle_untagged, ["IDLE"]):
            raise Wrong("IDLE was refused")

    def idle_wait(self, is_done, seconds=10):
        """Read what comes until is_done(untagged) is true; Wrong after so many seconds."""
        end = time.monotonic() + seconds
        try:
            while not is_done(self.idle_untagged):
                self.socket.settimeout(max(0.01, end - time.monotonic()))
                try:
                    r = self.response()
                except (TimeoutError, socket.timeout, ssl.SSLWantReadError):
                    raise Wrong("nothing in %g s of IDLE but %r" % (seconds, self.idle_untagged))
                self.take(r, self.idle_untagged, ["IDLE"])
        finally:
            self.socket.settimeout(self.seconds)

    def idle_quiet(self, seconds):
        """What comes within so many seconds; it may be nothing."""
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                self.socket.settimeout(max(0.01, end - time.monotonic()))
                try:
                    r = self.response()
                except (TimeoutError, socket.timeout):
                    break
                self.take(r, self.idle_untagged, ["IDLE"])
        finally:
            self.socket.settimeout(self.seconds)

    def done(self):
        self.send(b"DONE\r\n")
        return self.finish((self.idle_tag, self.idle_untagged, (["IDLE"], None)))
