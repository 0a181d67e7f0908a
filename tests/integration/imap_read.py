"""The grammar of what an IMAP server says (RFC 3501 section 9, RFC 9051 and the extensions), for imap_talk.py.

    read_response(b"* 2 EXISTS\r\n")   # ("*", "EXISTS", 2)

Values: atoms are Atom (a str), strings are bytes, numbers int, NIL None, lists list. Wrong is raised at the first octet
that is not in the grammar."""

import re


class Wrong(AssertionError):
    """The server said what the grammar or the protocol does not allow."""


class Atom(str):
    """A word that is neither number, string nor NIL; flags keep their backslash."""

    __slots__ = ()


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
            value = self.sp_value(self.rest) if name in ("BADURL", "BADEVENT", "NOUPDATE") and self.peek(b" ") else None
        else:
            self.fail("a known response code, not %s" % name)
        self.skip(b"]")
        return name, value

    def rest(self):
        return self.string() if self.peek(b'"') else self.match(re.compile(rb"[^]\r\n]+"), "what is wrong")[0]

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
