"""Random search programs over a corpus in many charsets and encodings, compared with an evaluator in Python that
reads the same octets with Python's own mail parser."""

import email
import email.policy
import random
import time
import unicodedata

import pytest

from imap_box import Lit, server  # noqa: F401
from imap_talk import numbers_of, quote

SEED = 20261123
MESSAGES = 60
PROGRAMS = 250
WORDS = ["courier", "Horse", "station", "résumé", "RESUME", "naïve", "Zürich", "straat", "über", "hop", "to", "x", "meeting",
         "meetings", "eet", "驿站", "信差", "换马", "会议", "会议室", "東京", "한국어", "Ёлка", "ΣΊΣΥΦΟΣ", "L1", "U4"]  # no queue id has L or U
CHARSETS = ["utf-8", "gb18030"]


def coded(text, rng):
    """An encoded word, or as it is."""
    if text.isascii() and rng.random() < .7:
        return text
    return email.header.Header(text, rng.choice(["utf-8", "gb18030"])).encode()


def some(rng, most):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, most)))


def make_letter(rng, n):
    m = email.message.EmailMessage(policy=email.policy.SMTP)
    head = ["From: %s <s%d@one.example>" % (coded(some(rng, 3), rng), rng.randrange(5)),
            "To: %s <r%d@two.example>" % (coded(some(rng, 3), rng), rng.randrange(5)),
            "Subject: %s" % coded(some(rng, 5), rng),
            "Date: %s, %d Nov 2026 %02d:30:00 %s" % ("Mon", rng.randrange(1, 28), rng.randrange(24), rng.choice(["+0000", "-0800", "+0900"])),
            "Message-ID: <m%d@one.example>" % n]
    if rng.random() < .3:
        head.append("Cc: %s <c@three.example>" % coded(some(rng, 3), rng))
    if rng.random() < .3:
        head.append("X-Road: %s" % coded(some(rng, 4), rng))
    m.set_content(some(rng, 40) + "\n" + some(rng, 20) + "\n", charset=rng.choice(CHARSETS),
                  cte=rng.choice(["base64", "quoted-printable"]))
    return ("\r\n".join(head) + "\r\n").encode() + m.as_bytes()


# ---- the evaluator ----

def casemap(text):
    """RFC 5051 for the letters that are used here"""
    return "".join(unicodedata.normalize("NFKD", c.upper() if len(c.upper()) == 1 else c) for c in text)


class Letter:
    def __init__(self, octets):
        m = email.message_from_bytes(octets, policy=email.policy.default)
        self.fields = [(k.lower(), str(v)) for k, v in m.items()]
        self.body = m.get_content()
        self.head = "\n".join("%s: %s" % (k, v) for k, v in m.items())
        self.day = m["Date"].datetime.date()

    def field(self, name, text):
        values = [v for k, v in self.fields if k == name.lower()]
        return any(casemap(text) in casemap(v) for v in values) if text else bool(values)

    def text(self, text):
        return casemap(text) in casemap(self.head) or casemap(text) in casemap(self.body)


def leaf(rng, letters):
    """(arguments of the command, evaluator)"""
    word = rng.choice(WORDS)
    if rng.random() < .4:
        word = word[rng.randrange(len(word)):] or word
    if rng.random() < .2:
        word = some(rng, 3)
    kind = rng.randrange(9)
    if kind == 0:
        return ["BODY", Lit(word.encode())], lambda x: casemap(word) in casemap(x.body)
    if kind == 1:
        return ["TEXT", Lit(word.encode())], lambda x: x.text(word)
    if kind in (2, 3, 4):
        name = rng.choice(["SUBJECT", "FROM", "TO", "CC"])
        return [name, Lit(word.encode())], lambda x: x.field(name, word)
    if kind == 5:
        name = rng.choice(["X-Road", "Message-ID", "subject"])
        text = rng.choice(["", word, "one.example"])
        return ["HEADER", name, Lit(text.encode())], lambda x: x.field(name, text)
    if kind == 6:
        day = rng.randrange(1, 28)
        how = rng.choice(["SENTON", "SENTBEFORE", "SENTSINCE"])
        compare = {"SENTON": lambda d: d == day, "SENTBEFORE": lambda d: d < day, "SENTSINCE": lambda d: d >= day}[how]
        return [how, "%d-Nov-2026" % day], lambda x: compare(x.day.day)
    low = rng.randrange(1, len(letters))
    high = rng.randrange(low, len(letters) + 1)
    wanted = letters[low - 1:high]
    return ["%d:%d" % (low, high)], lambda x: x in wanted


def program(rng, letters, depth=3):
    kind = rng.randrange(4) if depth else 3
    if kind == 0:
        words, one = program(rng, letters, depth - 1)
        return ["NOT"] + words, lambda x: not one(x)
    if kind == 1:
        a, one = program(rng, letters, depth - 1)
        b, two = program(rng, letters, depth - 1)
        return ["OR"] + a + b, lambda x: one(x) or two(x)
    if kind == 2:
        a, one = program(rng, letters, depth - 1)
        b, two = program(rng, letters, depth - 1)
        return ["("] + a + b + [")"], lambda x: one(x) and two(x)
    return leaf(rng, letters)


def spelt(words):
    """Arguments of a command: strings with blanks between, literals by themselves."""
    line, out = "UID SEARCH CHARSET UTF-8", []
    for w in words:
        if isinstance(w, Lit):
            out += [line, w]
            line = ""
        elif w == ")":
            line += ")"
        else:
            line += ("" if line.endswith("(") else " ") + w
    return [x for x in out + [line] if x != ""]


@pytest.fixture(scope="module")
def mailbox(server):
    rng = random.Random(SEED)
    letters = []
    for n in range(MESSAGES):
        octets = make_letter(rng, n)
        server.deliver("alice", octets)
        letters.append(Letter(octets))
    t = server.talk("alice")
    deadline = time.monotonic() + 20
    while True:
        t.ok("SELECT INBOX")
        if len(t.ok("SEARCH ALL").last("SEARCH")[0] if t.ok("SEARCH ALL").last("SEARCH") else []) == MESSAGES:
            break
        assert time.monotonic() < deadline
        time.sleep(.1)
    yield t, letters
    t.close()


def test_random_programs_find_what_python_finds(mailbox):
    t, letters = mailbox
    rng = random.Random(SEED + 1)
    found_some = 0
    for n in range(PROGRAMS):
        words, holds = program(rng, letters)
        r = t.ok(*spelt(words))
        found = sorted(r.last("SEARCH")[0]) if r.last("SEARCH") else []
        wanted = [i + 1 for i, x in enumerate(letters) if holds(x)]
        found_some += 0 < len(wanted) < MESSAGES
        assert found == wanted, (n, [w if isinstance(w, str) else w.octets.decode() for w in words])
    assert found_some > PROGRAMS // 4


def folded_words(text):
    """without case and accents; words"""
    plain = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not "\u0300" <= c <= "\u036f")
    return plain.split()


def is_fuzzily_in(needle, text):
    words = folded_words(text)
    return all(any(w.startswith(n) or (n > "\u3000" and n in w) for w in words) for n in folded_words(needle))


@pytest.mark.parametrize("needle", ["resume", "RÉSUMÉ", "zur", "urich", "meet", "meeting hop", "站", "会议 x", "елка", "σισυ", "한국", "nowhere"])
def test_fuzzy_keys_mean_words_for_people(mailbox, needle):
    t, letters = mailbox
    r = t.ok("UID SEARCH RETURN (ALL COUNT RELEVANCY) CHARSET UTF-8 FUZZY BODY", Lit(needle.encode())).one("ESEARCH")
    wanted = [i + 1 for i, x in enumerate(letters) if is_fuzzily_in(needle, x.body)]
    assert (numbers_of(r["ALL"]) if "ALL" in r else []) == wanted and r["COUNT"] == len(wanted)
    by_score = t.ok("UID SORT (RELEVANCY) UTF-8 FUZZY BODY", Lit(needle.encode())).one("SORT")[0]
    assert sorted(by_score) == wanted


def test_the_evaluator_would_see_a_missed_message(mailbox):
    _, letters = mailbox
    assert any(x.text("résumé") for x in letters) and not all(x.text("résumé") for x in letters)
    assert quote("a") == '"a"'
