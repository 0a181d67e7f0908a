"""RFC 5256 once more, in Python and independently: base subjects, SORT, THREAD. For the tests of IMAP."""

import email
import email.header
import email.policy
import email.utils
import re

TRAILER = re.compile(r"(?:\(fwd\)|[ \t])+\Z", re.I)
BLOB = r"\[[^\[\]]*\][ \t]*"
LEADER = re.compile(r"\A(?:(?:%s)*(?:re|fwd?)[ \t]*(?:%s)?:|[ \t])" % (BLOB, BLOB), re.I)
BLOB_START = re.compile(r"\A%s" % BLOB)
FWD = re.compile(r"\A\[fwd:(.*)\]\Z", re.I | re.S)


def decoded(value):
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (UnicodeError, LookupError, ValueError):
        return value


def base_subject(raw):
    """Section 2.1: (the base subject in upper case, is it a reply or forward)."""
    text = re.sub(r"[ \t]+", " ", re.sub(r"[\r\n]+", "", decoded(raw or "")))
    is_reply = False
    while True:
        before_all = text
        while True:
            cut = TRAILER.sub("", text)
            if cut == text:
                break
            if "(fwd)" in text[len(cut):].lower():
                is_reply = True
            text = cut
        while True:
            before = text
            found = LEADER.match(text)
            if found:
                is_reply = is_reply or found[0].strip() != ""
                text = text[found.end():]
            found = BLOB_START.match(text)
            if found and text[found.end():]:
                text = text[found.end():]
            if text == before:
                break
        found = FWD.match(text)
        if found:
            text, is_reply = found[1], True
        if text == before_all or not found:
            return text.upper(), is_reply


class Facts:
    """What ordering needs of one message."""

    def __init__(self, number, octets, arrival):
        m = email.message_from_bytes(octets)
        self.number, self.size, self.arrival = number, len(octets), arrival
        self.subject, self.is_reply = base_subject(m["Subject"])
        self.date = self.sent(m["Date"])
        self.mailbox = {f: self.first_mailbox(m[f]) for f in ("From", "To", "Cc")}
        self.display = {f: self.first_display(m[f]) for f in ("From", "To")}
        self.id = self.ids(m["Message-ID"])[:1]
        self.references = self.ids(m["References"]) or self.ids(m["In-Reply-To"])[:1]

    def sent(self, text):
        try:
            when = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return self.arrival
        return when.timestamp() if when.tzinfo else when.replace(tzinfo=__import__("datetime").timezone.utc).timestamp()

    @staticmethod
    def first_mailbox(text):
        found = email.utils.getaddresses([text or ""])
        return found[0][1].partition("@")[0].upper() if found else ""

    @staticmethod
    def first_display(text):
        found = email.utils.getaddresses([text or ""])
        if not found:
            return ""
        return (decoded(found[0][0]) or found[0][1]).upper()

    @staticmethod
    def ids(text):
        return re.findall(r"<([^<>\s]+@[^<>\s]+)>", text or "")


KEYS = {"SUBJECT": lambda f: f.subject, "DATE": lambda f: f.date, "ARRIVAL": lambda f: f.arrival, "SIZE": lambda f: f.size,
        "FROM": lambda f: f.mailbox["From"], "TO": lambda f: f.mailbox["To"], "CC": lambda f: f.mailbox["Cc"],
        "DISPLAYFROM": lambda f: f.display["From"], "DISPLAYTO": lambda f: f.display["To"]}


def sort(facts, program):
    """Numbers in the order of a sort program such as "REVERSE DATE SUBJECT"."""
    words, found = program.split(), sorted(facts, key=lambda f: f.number)
    keys, reverse = [], False
    for word in words:
        if word == "REVERSE":
            reverse = True
        else:
            keys.append((KEYS[word], reverse))
            reverse = False
    for key, is_reverse in reversed(keys):
        found.sort(key=key, reverse=is_reverse)
        if is_reverse:  # stable the other way round as well: equal ones stay in the order they had
            groups = {}
            for f in found:
                groups.setdefault(key(f), []).append(f)
            found = [f for k in sorted(groups, reverse=True) for f in groups[k]]
    return [f.number for f in found]


def ordered_subject(facts):
    """THREAD=ORDEREDSUBJECT: a list of threads, each [first, [second], [third] …] flattened to a tuple of numbers."""
    groups = {}
    for f in sorted(facts, key=lambda f: (f.date, f.number)):
        groups.setdefault(f.subject, []).append(f)
    return [tuple(f.number for f in g) for g in sorted(groups.values(), key=lambda g: (g[0].date, g[0].number))]


class Node:
    def __init__(self):
        self.facts, self.parent, self.children = None, None, []

    def is_above(self, other):
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False

    def adopt(self, child):
        if child.parent is not None:
            child.parent.children.remove(child)
        child.parent = self
        self.children.append(child)

    def when(self):
        return (self.facts or self.children[0].facts or self.children[0].first()).date

    def first(self):
        return self.facts or self.children[0].first()

    def key(self):
        f = self.first()
        return (f.date, f.number)


def references(facts):
    """THREAD=REFERENCES as a set of (child, parent) pairs, siblings of a missing parent as one group:
    returns the forest as nested tuples (number or None, (children …)) in order."""
    table, unnamed = {}, []
    for f in sorted(facts, key=lambda f: f.number):
        name = f.id[0] if f.id else None
        if name is None or (name in table and table[name].facts):
            node = Node()  # without an id, or a second one with the same
            unnamed.append(node)
        else:
            node = table.setdefault(name, Node())
        node.facts = f
        above = None
        for r in f.references:
            ref = table.setdefault(r, Node())
            if above is not None and ref.parent is None and not ref.is_above(above) and not above.is_above(ref):
                above.adopt(ref)
            above = ref
        if node.parent is not None:
            node.parent.children.remove(node)
            node.parent = None
        if above is not None and not node.is_above(above):
            above.adopt(node)
    roots = [n for n in [*table.values(), *unnamed] if n.parent is None]
    roots = [r for n in roots for r in prune(n, True)]
    for r in roots:
        order(r)
    roots.sort(key=Node.key)
    return gather(roots)


def prune(node, is_root):
    """Step 3: nodes without a message go; their children take their place, at the root only a single one."""
    kept = []
    for child in list(node.children):
        for x in prune(child, False):
            x.parent = node
            kept.append(x)
    node.children = kept
    if node.facts is not None:
        return [node]
    if not kept:
        return []
    if is_root and len(kept) > 1:
        return [node]
    for x in kept:
        x.parent = None
    return kept


def order(node):
    for child in node.children:
        order(child)
    node.children.sort(key=Node.key)


def gather(roots):
    """Steps 5 and 6: threads of one subject become one."""
    def subject(n):
        f = n.facts or n.children[0].facts or n.children[0].first()
        return f.subject, f.is_reply
    table = {}
    for r in roots:
        name, is_reply = subject(r)
        if not name:
            continue
        there = table.get(name)
        if there is None or (there.facts is not None and r.facts is None) or (subject(there)[1] and not is_reply):
            table[name] = r
    out = list(roots)
    for r in roots:
        name, is_reply = subject(r)
        there = table.get(name)
        if not name or there is r or there is None:
            continue
        out.remove(r)
        if there.facts is None and r.facts is None:
            for c in r.children:
                there.children.append(c)
                c.parent = there
        elif there.facts is None or (not subject(there)[1] and is_reply):
            there.children.append(r)
            r.parent = there
        else:
            dummy = Node()
            dummy.children = [there, r]
            out[out.index(there)] = dummy
            there.parent = r.parent = dummy
            table[name] = dummy
    for r in out:
        order(r)
    out.sort(key=Node.key)
    return [shape(r) for r in out]


def shape(node):
    return (node.facts.number if node.facts else None, tuple(shape(c) for c in node.children))


def shape_of_reply(thread):
    """A thread of the answer, [3, 6, [4, 23], [44, 7, 96]], as shape() tells it."""
    if not thread:
        return None
    head, rest = thread[0], thread[1:]
    if isinstance(head, list):
        return (None, tuple(shape_of_reply(x) for x in thread))
    if not rest:
        return (head, ())
    if isinstance(rest[0], list):
        return (head, tuple(shape_of_reply(x) for x in rest))
    return (head, (shape_of_reply(rest),))
