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

SECONDS = 30


class Wrong(AssertionError):
    """The server said what the grammar or the protocol does not allow."""


class Bye(Exception):
    """The server ended the connection; args: the text of its BYE or ""."""


class Atom(str):
    """A word that is neither number, string nor NIL; flags keep their backslash."""

    __slots__ = ()


class Lit:
    """An argument sent as a literal."""

    def __init__(self, octets, plus=False, is8=False):
        self.octets, self.plus, self.is8 = octets, plus, is8


def quote(text):
    """A mailbox name or user name as a quoted string."""
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


# -- the reader of one response ---------------------------------------------------------------------------------------

ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')  # "]" may stand in it
FLAG = re.compile(rb'\\[^\x00-\x20\x7f-\xff(){%*"\\\]]+|\\\*|[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
NUMBER = re.compile(rb"0|[1-9][0-9]*")
SET = re.compile(rb"[1-9][0-9]*(?::[1-9][0-9]*)?(?:,[1-9][0-9]*(?::[1-9][0-9]*)?)*")
QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
LITERAL = re.compile(rb"(~?)\{(0|[1-9][0-9]*)\}\r\n")
DATE_TIME = re.compile(rb'"[ 0-3][0-9]-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-[0-9]{4} '
                       rb'[0-2][0-9]:[0-5][0-9]:[0-6][0-9] [+-][0-9]{4}"')
OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
SECTION = re.compile(rb"BODY\[[^\]]*\](?:<(?:0|[1-9][0-9]*)>)?|BINARY(?:\.SIZE)?\[[0-9.]*\](?:<(?:0|[1-9][0-9]*)>)?",
                     re.I)


class Reader:
    """A cursor over one whole response, literals in their places."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def fail(self, wanted):
        raise Wrong("%s wanted at %d, behind %r: %r" % (wanted, self.at, self.data[max(0, self.at - 60):self.at],
                                                    self.data[self.at:self.at + 120]))

    def match(self, pattern, wanted):
        found = pattern.match(self.data, self.at)
        if not found:
            self.fail(wanted)
        self.at = found.end()
        return found

    def peek(self, octets):
        return self.data[self.at:self.at + len(octets)].upper() == octets

    def skip(self, octets):
        if not self.peek(octets):
            self.fail(repr(octets))
        self.at += len(octets)

    def maybe(self, octets):
        if self.peek(octets):
            self.at += len(octets)
            return True
        return False

    def end(self):
        if self.data[self.at:] != b"\r\n":
            self.fail("the end of the line")

    def sp(self):
        self.skip(b" ")

    def number(self):
        return int(self.match(NUMBER, "a number")[0])

    def nz(self):
        n = self.number()
        if n == 0:
            self.fail("a number above 0")
        return n

    def atom(self):
        return Atom(self.match(ATOM, "an atom")[0].decode())

    def is_string(self):
        return self.data[self.at:self.at + 1] in (b'"', b"{", b"~")

    def string(self):
        if self.peek(b'"'):
            return re.sub(rb"\\(.)", rb"\1", self.match(QUOTED, "a quoted string")[1])
        found = self.match(LITERAL, "a string")
        n = int(found[2])
        if len(self.data) - self.at < n:
            self.fail("a literal of %d octets" % n)
        self.at += n
        octets = self.data[self.at - n:self.at]
        if not found[1] and b"\0" in octets:
            self.fail("a literal without NUL")
        return octets

    def nstring(self):
        if self.is_string():
            return self.string()
        self.skip(b"NIL")
        return None

    def astring(self):
        return self.string() if self.is_string() else self.match(ASTRING, "an astring")[0]

    def list_of(self, one, is_empty_allowed=True):
        self.skip(b"(")
        found = []
        if is_empty_allowed and self.maybe(b")"):
            return found
        while True:
            found.append(one())
            if self.maybe(b")"):
                return found
            self.sp()

    def many(self, one):
        """1*(SP one)"""
        found = []
        while self.maybe(b" "):
            found.append(one())
        return found

    def flag(self):
        return Atom(self.match(FLAG, "a flag")[0].decode())

    def flags(self):
        return self.list_of(self.flag)

    def sequence_set(self):
        return self.match(SET, "a sequence set")[0].decode()

    def value(self):
        """Any tagged-ext-val or the like, for what only has to be well-formed."""
        if self.peek(b"("):
            return self.list_of(self.value)
        if self.is_string():
            return self.string()
        word = self.match(re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%"\\]+'), "a value")[0]
        if word.upper() == b"NIL":
            return None
        return int(word) if NUMBER.fullmatch(word) else Atom(word.decode())

    # -- what stands in FETCH

    def address(self):
        self.skip(b"(")
        found = [self.nstring()]
        for _ in range(3):
            self.sp()
            found.append(self.nstring())
        self.skip(b")")
        return found

    def addresses(self):
        if not self.peek(b"("):
            self.skip(b"NIL")
            return None
        self.skip(b"(")
        found = [self.address()]
        while not self.maybe(b")"):
            self.maybe(b" ")  # 1*address; some put a blank between
            found.append(self.address())
        return found

    def envelope(self):
        self.skip(b"(")
        found = []
        for i in range(10):
            found.append(self.addresses() if 2 <= i <= 7 else self.nstring())
            self.skip(b")" if i == 9 else b" ")
        return found

    def parameters(self):
        if not self.peek(b"("):
            self.skip(b"NIL")
            return None
        flat = self.list_of(self.string, False)
        if len(flat) % 2:
            self.fail("pairs of parameters")
        return [(flat[i].decode("latin-1").lower(), flat[i + 1]) for i in range(0, len(flat), 2)]

    def disposition(self):
        if not self.peek(b"("):
            self.skip(b"NIL")
            return None
        self.skip(b"(")
        kind = self.string()
        self.sp()
        params = self.parameters()
        self.skip(b")")
        return (kind, params)

    def language(self):
        return self.list_of(self.string, False) if self.peek(b"(") else self.nstring()

    def extension(self, body, names, is_extended):
        for name, one in names:
            if not self.peek(b" "):
                break
            if not is_extended:
                self.fail("no extension data in BODY")
            self.sp()
            body[name] = one()
        while self.peek(b" "):
            self.sp()
            self.value()
        self.skip(b")")
        return body

    def body(self, is_extended):
        """A dict; type, subtype and encoding in lower case."""
        self.skip(b"(")
        rest = [("disposition", self.disposition), ("language", self.language), ("location", self.nstring)]
        if self.peek(b"("):
            parts = []
            while self.peek(b"("):
                parts.append(self.body(is_extended))
            self.sp()
            found = {"type": "multipart", "parts": parts, "subtype": self.string().decode("latin-1").lower()}
            return self.extension(found, [("params", self.parameters)] + rest, is_extended)
        found = {"type": self.string().decode("latin-1").lower()}
        self.sp()
        found["subtype"] = self.string().decode("latin-1").lower()
        self.sp()
        found["params"] = self.parameters()
        for name in ("id", "description"):
            self.sp()
            found[name] = self.nstring()
        self.sp()
        found["encoding"] = self.string().decode("latin-1").lower()
        self.sp()
        found["octets"] = self.number()
        if (found["type"], found["subtype"]) in (("message", "rfc822"), ("message", "global")) and self.peek(b" ("):
            self.sp()
            found["envelope"] = self.envelope()
            self.sp()
            found["body"] = self.body(is_extended)
            self.sp()
            found["lines"] = self.number()
        elif found["type"] == "text":
            self.sp()
            found["lines"] = self.number()
        return self.extension(found, [("md5", self.nstring)] + rest, is_extended)

    def in_list(self, one):
        self.skip(b"(")
        value = one()
        self.skip(b")")
        return value

    def object_id(self):
        return self.match(OBJECT_ID, "an object id")[0].decode()

    def date_time(self):
        return self.match(DATE_TIME, "a date and time")[0].decode().strip('"')

    def fetch_item(self):
        """(name, value)"""
        found = SECTION.match(self.data, self.at)
        if found:
            # a section's field names may be strings, never literals from a sane server
            self.at = found.end()
            name = found[0].decode().upper()
            self.sp()
            if name.startswith("BINARY.SIZE"):
                return name, self.number()
            return name, self.nstring()
        name = str(self.atom()).upper()
        self.sp()
        table = {
            "FLAGS": self.flags, "UID": self.nz, "RFC822.SIZE": self.number, "INTERNALDATE": self.date_time,
            "ENVELOPE": self.envelope, "BODY": lambda: self.body(False), "BODYSTRUCTURE": lambda: self.body(True),
            "MODSEQ": lambda: self.in_list(self.nz), "EMAILID": lambda: self.in_list(self.object_id),
            "THREADID": lambda: self.in_list(self.object_id) if self.peek(b"(") else self.nstring(),
            "SAVEDATE": lambda: self.date_time() if self.peek(b'"') else self.nstring(),
            "PREVIEW": self.nstring, "RFC822": self.nstring, "RFC822.HEADER": self.nstring, "RFC822.TEXT": self.nstring,
        }
        if name not in table:
            self.fail("a known item, not %s" % name)
        return name, table[name]()

    def fetch(self):
        found = {}
        for name, value in self.list_of(self.fetch_item, False):
            if name in found:
                self.fail("%s once" % name)
            found[name] = value
        return found

    # -- codes and untagged responses

    def thread(self):
        """A thread list: (3 6 (4 23)(44 7 96)) as nested lists."""
        self.skip(b"(")
        found = []
        while not self.maybe(b")"):
            if self.peek(b"("):
                found.append(self.thread())
            else:
                if found and not self.data[self.at:self.at + 1] == b" " and not isinstance(found[-1], list):
                    self.fail("a blank")
                self.maybe(b" ")
                found.append(self.thread() if self.peek(b"(") else self.nz())
        return found

    def code(self):
        """A response code as (NAME, value or None), behind "["; ends behind "]"."""
        name = str(self.atom()).upper()
        table = {
            "CAPABILITY": lambda: [str(x).upper() for x in self.many1(self.atom)],
            "BADCHARSET": lambda: self.sp_value(lambda: self.list_of(self.astring, False)) if self.peek(b" ") else None,
            "PERMANENTFLAGS": lambda: self.sp_value(self.flags),
            "UIDNEXT": lambda: self.sp_value(self.nz), "UIDVALIDITY": lambda: self.sp_value(self.nz),
            "UNSEEN": lambda: self.sp_value(self.nz), "HIGHESTMODSEQ": lambda: self.sp_value(self.nz),
            "MODIFIED": lambda: self.sp_value(self.sequence_set),
            "APPENDUID": lambda: (self.sp_value(self.nz), self.sp_value(self.sequence_set)),
            "COPYUID": lambda: (self.sp_value(self.nz), self.sp_value(self.sequence_set), self.sp_value(self.sequence_set)),
            "MAILBOXID": lambda: self.sp_value(lambda: self.in_list(self.object_id)),
            "METADATA": lambda: self.sp_value(lambda: self.list_of(self.value) if self.peek(b"(") else (
                self.atom(), self.sp_value(self.number)) if self.peek(b"LONGENTRIES") else self.value()),
            "MESSAGELIMIT": lambda: [self.sp_value(self.nz)] + self.many(self.nz),
            "INPROGRESS": lambda: self.sp_value(lambda: self.list_of(self.value)) if self.peek(b" ") else None,
        }
        plain = ("ALERT PARSE READ-ONLY READ-WRITE TRYCREATE UIDNOTSTICKY NOMODSEQ CLOSED NOTSAVED UNAVAILABLE "
                 "AUTHENTICATIONFAILED AUTHORIZATIONFAILED EXPIRED PRIVACYREQUIRED CONTACTADMIN NOPERM INUSE "
                 "EXPUNGEISSUED CORRUPTION SERVERBUG CLIENTBUG CANNOT LIMIT OVERQUOTA ALREADYEXISTS NONEXISTENT HASCHILDREN "
                 "TOOBIG UNKNOWN-CTE NOTIFICATIONOVERFLOW BADEVENT UIDREQUIRED COMPRESSIONACTIVE USEATTR BADURL "
                 "MAXCONVERTMESSAGES NOUPDATE").split()
        if name in table:
            value = table[name]()
        elif name in plain:
            value = self.sp_value(self.value) if name in ("BADURL", "BADEVENT", "NOUPDATE") and self.peek(b" ") else None
        else:
            self.fail("a known response code, not %s" % name)
        self.skip(b"]")
        return name, value

    def many1(self, one):
        found = self.many(one)
        if not found:
            self.fail("at least one")
        return found

    def sp_value(self, one):
        self.sp()
        return one()

    def text(self):
        """resp-text: ([code]) text; returns (code or None, text)."""
        code = None
        if self.peek(b"["):
            self.skip(b"[")
            code = self.code()
            if self.data[self.at:] == b"\r\n":  # RFC 9051 wants the blank
                self.fail("a blank behind the code")
            self.sp()
        text = self.data[self.at:]
        if not re.fullmatch(rb"[^\r\n\x00]*\r\n", text) or (code is None and text == b"\r\n"):
            self.fail("text to the end of the line")
        self.at = len(self.data) - 2
        return code, text[:-2].decode("utf-8")

    def mailbox(self):
        name = self.astring()
        return "INBOX" if name.upper() == b"INBOX" else name

    def list_response(self):
        attributes = self.flags()
        self.sp()
        delimiter = self.nstring()
        if delimiter is not None and len(delimiter) != 1:
            self.fail("one character between levels")
        self.sp()
        name = self.mailbox()
        extended = {}
        if self.maybe(b" "):
            def pair():
                key = self.astring().decode().upper()
                self.sp()
                return key, self.value()
            extended = dict(self.list_of(pair))
        return [str(a).lower() for a in attributes], delimiter, name, extended

    def status(self):
        name = self.mailbox()
        self.sp()
        found = {}

        def item():
            key = str(self.atom()).upper()
            self.sp()
            if key not in ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "RECENT", "DELETED", "SIZE", "HIGHESTMODSEQ",
                           "MAILBOXID", "APPENDLIMIT", "DELETED-STORAGE"):
                self.fail("a known status item, not %s" % key)
            if key == "MAILBOXID":
                found[key] = self.in_list(self.object_id)
            elif key == "APPENDLIMIT" and self.maybe(b"NIL"):
                found[key] = None
            else:
                found[key] = self.number()
        self.list_of(item)
        return name, found

    def esearch(self):
        """{"TAG": .., "UID": bool, MIN, MAX, COUNT, ALL, MODSEQ, PARTIAL …}"""
        found = {"UID": False}
        if self.maybe(b" ("):
            while True:
                name = str(self.atom()).upper()
                self.sp()
                if name == "TAG":
                    found[name] = self.string().decode()
                elif name == "MAILBOX":
                    found[name] = self.mailbox()
                elif name == "UIDVALIDITY":
                    found[name] = self.nz()
                else:
                    self.fail("TAG, MAILBOX or UIDVALIDITY")
                if self.maybe(b")"):
                    break
                self.sp()
        if self.peek(b" UID\r\n") or self.peek(b" UID "):
            self.skip(b" UID")
            found["UID"] = True
        while self.maybe(b" "):
            name = str(self.atom()).upper()
            self.sp()
            if name in ("MIN", "MAX", "MODSEQ"):
                value = self.nz()
            elif name == "COUNT":
                value = self.number()
            elif name == "ALL":
                value = self.sequence_set() if self.data[self.at:self.at + 1].isdigit() else self.value()
            elif name == "PARTIAL":
                def partial():
                    which = self.match(re.compile(rb"-?[1-9][0-9]*:-?[1-9][0-9]*"), "a range")[0].decode()
                    self.sp()
                    return which, None if self.maybe(b"NIL") else self.sequence_set()
                value = self.in_list(partial)
            elif name in ("ADDTO", "REMOVEFROM", "RELEVANCY"):
                value = self.value()
            else:
                self.fail("a known return item, not %s" % name)
            if name in found:
                self.fail("%s once" % name)
            found[name] = value
        return found

    def rights(self):
        return self.astring().decode()

    def untagged(self):
        """(NAME, value) behind "* "."""
        if self.data[self.at:self.at + 1].isdigit():
            n = self.number()
            self.sp()
            name = str(self.atom()).upper()
            if name in ("EXISTS", "RECENT"):
                value = n
            elif name == "EXPUNGE":
                value = n
            elif name in ("FETCH", "UIDFETCH"):
                self.sp()
                value = (n, self.fetch())
            else:
                self.fail("EXISTS, RECENT, EXPUNGE or FETCH, not %s" % name)
            if n == 0 and name not in ("EXISTS", "RECENT"):
                self.fail("a number above 0")
            return name, value
        name = str(self.atom()).upper()
        if name in ("OK", "NO", "BAD", "BYE", "PREAUTH"):
            self.sp()
            return name, self.text()
        table = {
            "CAPABILITY": lambda: [str(x).upper() for x in self.many1(self.atom)],
            "ENABLED": lambda: [str(x).upper() for x in self.many(self.atom)],
            "FLAGS": lambda: self.sp_value(self.flags),
            "LIST": lambda: self.sp_value(self.list_response), "LSUB": lambda: self.sp_value(self.list_response),
            "STATUS": lambda: self.sp_value(self.status),
            "SEARCH": self.search, "SORT": self.search, "ESEARCH": self.esearch,
            "THREAD": lambda: self.sp_value(self.threads) if self.peek(b" ") else [],
            "VANISHED": lambda: (bool(self.maybe(b" (EARLIER)")), self.sp_value(self.sequence_set)),
            "ID": lambda: self.sp_value(self.id),
            "NAMESPACE": lambda: [self.sp_value(self.namespace) for _ in range(3)],
            "QUOTA": lambda: (self.sp_value(self.astring).decode(), self.sp_value(self.quota)),
            "QUOTAROOT": lambda: (self.sp_value(self.mailbox), [x.decode() for x in self.many(self.astring)]),
            "ACL": lambda: (self.sp_value(self.mailbox), self.pairs(self.many(self.astring))),
            "MYRIGHTS": lambda: (self.sp_value(self.mailbox), self.sp_value(self.rights)),
            "LISTRIGHTS": lambda: (self.sp_value(self.mailbox), self.sp_value(self.astring).decode(),
                                   [x.decode() for x in self.many1(self.astring)]),
            "METADATA": lambda: (self.sp_value(self.mailbox), self.sp_value(self.metadata)),
            "GENURLAUTH": lambda: self.many1(self.astring),
        }
        if name not in table:
            self.fail("a known response, not %s" % name)
        return name, table[name]()

    def pairs(self, flat):
        if len(flat) % 2:
            self.fail("pairs")
        return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}

    def metadata(self):
        if not self.peek(b"("):
            return [self.astring()] + self.many(self.astring)
        flat = self.list_of(lambda: self.nstring() if self.peek(b"NIL") or self.is_string() else self.astring(), False)
        if len(flat) % 2:
            self.fail("pairs")
        return {flat[i].decode(): flat[i + 1] for i in range(0, len(flat), 2)}

    def quota(self):
        flat = self.list_of(lambda: self.value())
        if len(flat) % 3:
            self.fail("triples of quota")
        return {str(flat[i]).upper(): (flat[i + 1], flat[i + 2]) for i in range(0, len(flat), 3)}

    def id(self):
        if self.maybe(b"NIL"):
            return None
        flat = self.list_of(self.nstring)
        if len(flat) % 2:
            self.fail("pairs")
        return {flat[i].decode().lower(): flat[i + 1] for i in range(0, len(flat), 2)}

    def namespace(self):
        if self.maybe(b"NIL"):
            return None
        self.skip(b"(")
        found = []
        while not self.maybe(b")"):
            self.skip(b"(")
            prefix = self.string()
            self.sp()
            found.append((prefix, self.nstring()))
            self.many(self.value)
            self.skip(b")")
        return found

    def search(self):
        found, modseq = [], None
        while self.maybe(b" "):
            if self.peek(b"("):
                def one():
                    self.skip(b"MODSEQ ")
                    return self.nz()
                modseq = self.in_list(one)
                break
            found.append(self.nz())
        return found, modseq

    def threads(self):
        found = []
        while self.peek(b"("):
            found.append(self.thread())
        return found


def read_response(data):
    """The whole response: ("+", text) | ("*", name, value) | (tag, status, (code, text))."""
    r = Reader(data)
    if r.maybe(b"+ "):
        return ("+", data[2:-2])
    if r.maybe(b"* "):
        name, value = r.untagged()
        r.end()
        return ("*", name, value)
    tag = str(r.match(re.compile(rb"[A-Za-z0-9]+"), "a tag")[0].decode())
    r.sp()
    status = str(r.atom())
    if status not in ("OK", "NO", "BAD"):
        r.fail("OK, NO or BAD")
    r.sp()
    return (tag, status, r.text())


def numbers_of(text):
    """The numbers of a set, in its order ("4:2" counts down to its lowest as RFC 3501 says: a range has no direction)."""
    found = []
    for piece in (text or "").split(","):
        if piece:
            a, _, b = piece.partition(":")
            a, b = int(a), int(b or a)
            found += range(min(a, b), max(a, b) + 1)
    return found


def pairs_of(text):
    """As numbers_of for COPYUID, where the order counts: "4:2" is 2,3,4 there as well."""
    return numbers_of(text)


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
