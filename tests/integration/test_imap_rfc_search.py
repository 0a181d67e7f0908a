"""SEARCH (RFC 3501, 9051), WITHIN (5032), SAVEDATE (8514), SORT and THREAD (5256, 5957), ESORT (5267), FUZZY (6203) and
MULTISEARCH (7377) as a client sees them. SORT and THREAD are compared with imap_order.py over a corpus."""

import datetime
import random

import pytest

from imap_box import Box, Lit, box, letter, need, quote, server, strict  # noqa: F401
from imap_order import Facts, base_subject, ordered_subject, references, shape_of_reply, sort
from imap_talk import Wrong, numbers_of

LETTERS = [  # (octets, flags, date)
    (letter("Lunch on Friday", "Shall we meet at the gate?\r\n", "Fred <fred@example.org>", "bob@example.org",
            "Mon, 2 Feb 2026 10:00:00 +0000", "Cc: carl@example.net\r\n"), "\\Seen", " 3-Feb-2026 10:00:00 +0000"),
    (letter("=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "Kein Wort davon.\r\n", "=?utf-8?b?WmXDqQ==?= <zoe@example.de>", "bob@example.org",
            "Tue, 3 Feb 2026 23:30:00 -0500"), "\\Flagged", " 4-Feb-2026 04:40:00 +0000"),
    (letter("coded body", "VGhlIGNvdXJpZXIgY2hhbmdlZCBob3JzZXMu\r\n", "carl@example.net", "\"Mary, Ann\" <mary@example.org>",
            "Wed, 4 Feb 2026 00:00:00 +0000", "Bcc: hidden@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
            "Content-Transfer-Encoding: base64\r\n"), "\\Answered $Later", " 5-Feb-2026 00:00:00 +0000"),
    (letter("chinese", "驿站的信差在夜里换马。\r\n", "wang@example.cn", "bob@example.org", "Thu, 5 Feb 2026 12:00:00 +0000",
            "X-Priority: 1\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"),
     "\\Draft \\Deleted", " 6-Feb-2026 00:00:00 +0000"),
    (letter("soft", "A wo=\r\nrd that is b=65nt =C3=A9t=C3=A9\r\n", "fred@example.org", "x@example.org", "Fri, 6 Feb 2026 12:00:00 +0000",
            "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"),
     "", " 7-Feb-2026 00:00:00 +0000"),
]

KEYS = [
    ("ALL", [1, 2, 3, 4, 5]), ("SEEN", [1]), ("UNSEEN", [2, 3, 4, 5]), ("FLAGGED", [2]), ("UNFLAGGED", [1, 3, 4, 5]), ("ANSWERED", [3]),
    ("UNANSWERED", [1, 2, 4, 5]), ("DELETED", [4]), ("UNDELETED", [1, 2, 3, 5]), ("DRAFT", [4]), ("UNDRAFT", [1, 2, 3, 5]),
    ("KEYWORD $later", [3]), ("UNKEYWORD $Later", [1, 2, 4, 5]), ("KEYWORD nowhere", []),
    ("FROM fred", [1, 5]), ("FROM FRED@example", [1, 5]), ("TO bob", [1, 2, 4]), ("TO mary", [3]), ("CC carl", [1]), ("BCC hidden", [3]),
    ("SUBJECT lunch", [1]), ("SUBJECT unch", [1]), ('SUBJECT ""', [1, 2, 3, 4, 5]), ('SUBJECT "on Friday"', [1]),
    ("BODY gate", [1]), ("TEXT gate", [1]), ("BODY Lunch", []), ("TEXT lunch", [1]), ("BODY ourier", [3]), ("BODY VGhl", []),
    ("BODY word", [5]), ("BODY bent", [5]), ("TEXT carl", [1, 3]), ("HEADER X-Priority 1", [4]), ('HEADER X-Priority ""', [4]),
    ("HEADER Subject lunch", [1]), ("HEADER Message-ID x", []),
    ("SMALLER 10", []), ("LARGER 10", [1, 2, 3, 4, 5]), ("UID 2:3,9", [2, 3]), ("2:3", [2, 3]), ("*", [5]), ("UID *", [5]), ("UID 99:*", [5]),
    ("BEFORE 5-Feb-2026", [1, 2]), ("SINCE 5-Feb-2026", [3, 4, 5]), ("ON 5-Feb-2026", [3]), ('ON "4-Feb-2026"', [2]),
    ("SENTBEFORE 3-Feb-2026", [1]), ("SENTON 3-Feb-2026", [2]), ("SENTSINCE 5-Feb-2026", [4, 5]),
    ("NOT SEEN", [2, 3, 4, 5]), ("OR SEEN FLAGGED", [1, 2]), ("SEEN FLAGGED", []), ("(SEEN)", [1]), ("OR (SEEN FROM fred) DRAFT", [1, 4]),
    ("NOT (OR SEEN (FLAGGED))", [3, 4, 5]), ("OR OR SEEN DRAFT FLAGGED", [1, 2, 4]), ("NOT NOT SEEN", [1]), ("RETURN () SEEN", None),
    ("NOT 1:3", [4, 5]), ("NOT UID 4", [1, 2, 3, 5]), ("NEW SEEN", []), ("OLD NEW", []),
]


@pytest.fixture(scope="module")
def five(server):
    made = Box(server)
    for octets, flags, date in LETTERS:
        made.add(octets, flags, date)
    made.select()
    yield made
    made.close()


@pytest.mark.parametrize("key, wanted", KEYS, ids=[k for k, _ in KEYS])
def test_search_keys(five, key, wanted):
    if wanted is None:
        assert numbers_of(five.t.ok("SEARCH " + key).one("ESEARCH")["ALL"]) == [1]
        return
    assert five.uids(key) == wanted
    found = five.t.ok("SEARCH CHARSET UTF-8 " + key).last("SEARCH")
    assert sorted(found[0] if found else []) == wanted


@pytest.mark.parametrize("key, words, wanted", [
    ("SUBJECT", "grüße", [2]), ("SUBJECT", "KÖLN", [2]), ("FROM", "zeé", [2]), ("BODY", "信差", [4]), ("TEXT", "换马", [4]), ("BODY", "夜", [4]),
    ("BODY", "马夜", []), ("BODY", "été", [5]), ("BODY", "ÉTÉ", [5])])
def test_search_of_what_is_not_ascii(five, key, words, wanted):
    r = five.t.ok("UID SEARCH CHARSET UTF-8 " + key, Lit(words.encode()))
    assert sorted(r.last("SEARCH")[0] if r.last("SEARCH") else []) == wanted


def test_search_needs_its_charset(five):
    assert five.t.ok("UID SEARCH CHARSET US-ASCII SUBJECT lunch").last("SEARCH")[0] == [1]
    assert five.t.ok("UID SEARCH CHARSET ISO-8859-1 SUBJECT", Lit("grüße".encode("latin-1"))).last("SEARCH")[0] == [2] if (
        not five.server.is_yizhan) else True


def test_within(five):
    need(five, "WITHIN")
    assert five.uids("OLDER 60") == [1, 2, 3, 4, 5] and five.uids("YOUNGER 60") == []
    far = int((datetime.datetime.now() - datetime.datetime(2026, 2, 4, 12)).total_seconds())
    assert five.uids("YOUNGER %d" % far) == [3, 4, 5] and five.uids("OLDER %d" % far) == [1, 2]
    five.t.bad("SEARCH YOUNGER 0")


def test_save_date(five):
    need(five, "SAVEDATE")
    items = five.fetch("(SAVEDATE INTERNALDATE)")
    assert items["SAVEDATE"] and "2026" in items["INTERNALDATE"]
    today = datetime.datetime.now(datetime.timezone.utc)
    day = today.strftime("%d-%b-%Y").lstrip("0")
    assert five.uids("SAVEDSINCE " + day) == [1, 2, 3, 4, 5] and five.uids("SAVEDBEFORE " + day) == []
    assert five.uids("SAVEDON " + day) == [1, 2, 3, 4, 5] and five.uids("SAVEDATESUPPORTED") == [1, 2, 3, 4, 5]


def test_fuzzy(five):
    need(five, "SEARCH=FUZZY")
    assert five.uids("FUZZY SUBJECT grusse") in ([2], []) and 1 in five.uids("FUZZY BODY gate")
    assert five.uids("FUZZY BODY courier") == [3]


def test_multisearch(five):
    need(five, "MULTISEARCH")
    name = five.name + "/more"
    five.t.ok("CREATE " + quote(name))
    five.t.append(name, letter("Lunch again"))
    r = five.t.ok("ESEARCH IN (mailboxes (%s %s)) RETURN (COUNT ALL) SUBJECT lunch" % (quote(five.name), quote(name)))
    got = {e["MAILBOX"].decode(): (numbers_of(e["ALL"]), e["COUNT"], e["UID"]) for e in r.all("ESEARCH")}
    assert got == {five.name: ([1], 1, True), name: ([1], 1, True)}
    assert all(e["UIDVALIDITY"] and e["TAG"] == r.tag for e in r.all("ESEARCH"))
    r = five.t.ok("ESEARCH IN (subtree %s) RETURN (COUNT) SUBJECT again" % quote(five.name))
    assert [e["MAILBOX"].decode() for e in r.all("ESEARCH")] == [name], "RFC 7377 section 2.1: only those with a hit"
    r = five.t.ok("ESEARCH IN (selected) RETURN (ALL) SUBJECT lunch")
    assert numbers_of(r.all("ESEARCH")[0]["ALL"]) == [1]
    other = five.again(is_selecting=False)
    r = other.ok("ESEARCH IN (personal) SUBJECT \"Lunch again\"")
    assert name.encode() in [e["MAILBOX"] for e in r.all("ESEARCH")]
    other.close()


# -- RFC 5256 -------------------------------------------------------------------------------------------------------------

def corpus():
    """Conversations with broken links, subjects of all kinds, equal dates."""
    r = random.Random(5256)
    subjects = ["plan", "Re: plan", "RE[2]: plan", "Fwd: plan", "Fw: plan", "[list] plan", "[list] Re: plan", "plan (fwd)", "[Fwd: plan]",
                "Re: [list] Re: plan", "other", "Re: other", "", "Re:", "=?utf-8?q?R=C3=A9sum=C3=A9?=", "Re: =?utf-8?q?R=C3=A9sum=C3=A9?=",
                "a  b", "Re: a b", "[x] [y] z", "[only]", "aaa", "Zzz", "bbb"]
    people = ["Ann <ann@example.org>", "bob@example.org", "\"Zed, Q\" <zed@example.org>", "carl@example.net", "=?utf-8?q?=C3=89va?= <eva@example.org>"]
    made = []
    for n in range(60):
        more = "Message-ID: <m%d@example.org>\r\n" % n
        if made and r.random() < 0.55:
            chain = [r.randrange(n)]
            while chain[0] and r.random() < 0.5:
                chain.insert(0, r.randrange(chain[0]))
            if r.random() < 0.2:
                chain.insert(0, 1000 + r.randrange(5))
            words = " ".join("<m%d@example.org>" % c for c in chain)
            more += ("References: %s\r\n" if r.random() < 0.75 else "In-Reply-To: %s\r\n") % words
        date = "%d Feb 2026 %02d:%02d:00 %s" % (r.randint(1, 28), r.randrange(24), r.choice([0, 30]), r.choice(["+0000", "-0500", "+0900"]))
        made.append(letter(r.choice(subjects), "x" * r.randrange(500) + "\r\n", r.choice(people), r.choice(people), date,
                           more + ("Cc: %s\r\n" % r.choice(people) if r.random() < 0.5 else "")))
    return made


@pytest.fixture(scope="module")
def sixty(server):
    made = Box(server)
    made.facts = []
    begin = datetime.datetime(2026, 3, 1, tzinfo=datetime.timezone.utc)
    order = list(range(60))
    random.Random(1).shuffle(order)
    for n, octets in enumerate(corpus(), 1):
        when = begin + datetime.timedelta(minutes=order[n - 1])
        made.add(octets, "", when.strftime("%d-%b-%Y %H:%M:%S +0000"))
        made.facts.append(Facts(n, octets, when.timestamp()))
    made.select()
    yield made
    made.close()


@pytest.mark.parametrize("program", ["DATE", "ARRIVAL", "SIZE", "SUBJECT", "FROM", "TO", "CC", "REVERSE DATE", "REVERSE SUBJECT DATE",
                                     "SUBJECT REVERSE DATE", "FROM SUBJECT SIZE", "REVERSE FROM REVERSE SIZE", "CC DATE",
                                     "REVERSE ARRIVAL"])
def test_sort(sixty, program):
    need(sixty, "SORT")
    assert sixty.t.ok("SORT (%s) UTF-8 ALL" % program).one("SORT")[0] == sort(sixty.facts, program)
    assert sixty.t.ok("UID SORT (%s) US-ASCII 10:20" % program).one("SORT")[0] == sort(sixty.facts[9:20], program)


@pytest.mark.parametrize("program", ["DISPLAYFROM", "DISPLAYTO DATE", "REVERSE DISPLAYFROM"])
def test_sort_display(sixty, program):
    need(sixty, "SORT=DISPLAY")
    got = sixty.t.ok("SORT (%s) UTF-8 ALL" % program).one("SORT")[0]
    wanted = sort(sixty.facts, program)
    if got != wanted:  # É may stand behind Z or beside E: i;unicode-casemap compares what it has folded
        odd = {f.number for f in sixty.facts if not (f.display["From"] + f.display["To"]).isascii()}
        assert [n for n in got if n not in odd] == [n for n in wanted if n not in odd]


def test_esort(sixty):
    need(sixty, "ESORT")
    e = sixty.t.ok("UID SORT RETURN (MIN MAX COUNT ALL) (REVERSE DATE) UTF-8 1:20").one("ESEARCH")
    wanted = sort(sixty.facts[:20], "REVERSE DATE")
    assert e["COUNT"] == 20 and sorted(numbers_of(e["ALL"])) == list(range(1, 21))
    assert (e["MIN"], e["MAX"]) == (wanted[0], wanted[-1])


def test_sort_of_nothing_and_of_bad_charset(sixty):
    r = sixty.t.ok("SORT (DATE) UTF-8 DELETED")
    assert r.one("SORT")[0] == []
    assert sixty.t.no("SORT (DATE) X-FOO ALL").tagged_code[0] == "BADCHARSET"
    sixty.t.bad("SORT () UTF-8 ALL")
    sixty.t.bad("SORT (REVERSE) UTF-8 ALL")


def test_thread_by_subject(sixty):
    need(sixty, "THREAD=ORDEREDSUBJECT")
    got = []
    for thread in sixty.t.ok("THREAD ORDEREDSUBJECT UTF-8 ALL").one("THREAD"):
        flat = []
        for x in thread:
            flat += x if isinstance(x, list) else [x]
        got.append(tuple(flat))
    assert got == ordered_subject(sixty.facts)


def test_thread_by_references(sixty):
    need(sixty, "THREAD=REFERENCES")
    for which, facts in (("ALL", sixty.facts), ("1:30", sixty.facts[:30])):
        got = [shape_of_reply(x) for x in sixty.t.ok("UID THREAD REFERENCES UTF-8 " + which).one("THREAD")]
        wanted = references(facts)
        assert sorted(map(repr, got)) == sorted(map(repr, wanted))
        assert got == wanted, "the order of the threads"


@pytest.mark.parametrize("raw, base", [
    ("Re: plan", "PLAN"), ("RE[2]: plan", "PLAN"), ("Fwd: Re: plan (fwd)", "PLAN"), ("[list] Re: plan", "PLAN"), ("[Fwd: Re: plan]", "PLAN"),
    ("[only]", "[ONLY]"), ("Re:", ""), ("reply: x", "REPLY: X"), ("a  b\t c", "A B C")])
def test_base_subjects_of_our_own_implementation(raw, base):
    assert base_subject(raw)[0] == base
