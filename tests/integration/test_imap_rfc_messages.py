"""RFC 3501 and 9051 sections 6.4.5 to 6.4.8 and RFC 6851 as a client sees them: FETCH, STORE, COPY, MOVE."""

import pytest

from imap_box import LETTER, Box, Lit, box, letter, need, quote, server, strict  # noqa: F401
from imap_talk import numbers_of

MULTI = (b"From: a@example.org\r\nTo: b@example.org\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
         b'Content-Type: multipart/mixed; boundary="out"\r\n\r\npreamble\r\n--out\r\nContent-Type: text/plain\r\n\r\nfirst\r\n'
         b"--out\r\nContent-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC/w==\r\n"
         b"--out\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@example.org\r\nSubject: inner\r\nMIME-Version: 1.0\r\n"
         b'Content-Type: multipart/alternative; boundary="in"\r\n\r\n--in\r\n\r\ninner plain\r\n--in\r\nContent-Type: text/html\r\n'
         b"\r\n<p>inner</p>\r\n--in--\r\n\r\n--out--\r\nepilogue\r\n")


# -- 6.4.5 FETCH --------------------------------------------------------------------------------------------------------

def test_the_macros(box):
    box.add()
    assert set(box.fetch("FAST")) == {"FLAGS", "INTERNALDATE", "RFC822.SIZE"}
    assert set(box.fetch("ALL")) == {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"}
    assert set(box.fetch("FULL")) == {"FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"}


def test_envelope_of_the_standards_example(box):
    box.add()
    assert box.fetch("ENVELOPE")["ENVELOPE"] == [
        b"Mon, 7 Feb 1994 21:52:25 -0800 (PST)", b"afternoon meeting",
        [[b"Fred Foobar", None, b"foobar", b"Blurdybloop.example"]], [[b"Fred Foobar", None, b"foobar", b"Blurdybloop.example"]],
        [[b"Fred Foobar", None, b"foobar", b"Blurdybloop.example"]], [[None, None, b"mooch", b"owatagu.siam.edu.example"]],
        None, None, None, b"<B27397-0100000@Blurdybloop.example>"]


SECTIONS = [
    ("BODY[HEADER]", MULTI[:MULTI.index(b"preamble")]),
    ("BODY[TEXT]", MULTI[MULTI.index(b"preamble"):]),
    ("BODY[]", MULTI),
    ("BODY[1]", b"first"),
    ("BODY[1.MIME]", b"Content-Type: text/plain\r\n\r\n"),
    ("BODY[2]", b"AAEC/w=="),
    ("BODY[3]", MULTI[MULTI.index(b"From: in@"):MULTI.index(b"\r\n--out--")]),
    ("BODY[3.HEADER]", MULTI[MULTI.index(b"From: in@"):MULTI.index(b"--in\r\n")]),
    ("BODY[3.TEXT]", MULTI[MULTI.index(b"--in\r\n"):MULTI.index(b"\r\n--out--")]),
    ("BODY[3.MIME]", b"Content-Type: message/rfc822\r\n\r\n"),
    ("BODY[3.1]", b"inner plain"),
    ("BODY[3.2]", b"<p>inner</p>"),
    ("BODY[3.2.MIME]", b"Content-Type: text/html\r\n\r\n"),
    ("BODY[3.HEADER.FIELDS (SUBJECT)]", b"Subject: inner\r\n\r\n"),
    ("BODY[HEADER.FIELDS (SUBJECT)]", b"Subject: parts\r\n\r\n"),
    ("BODY[HEADER.FIELDS (TO FROM)]", b"From: a@example.org\r\nTo: b@example.org\r\n\r\n"),
    ("BODY[HEADER.FIELDS (X-NOT-THERE)]", b"\r\n"),
    ("BODY[HEADER.FIELDS.NOT (TO FROM CONTENT-TYPE MIME-VERSION)]", b"Subject: parts\r\n\r\n"),
    ("BODY[]<0>", MULTI[:10]), ("BODY[]<5>", MULTI[5:15]), ("BODY[TEXT]<3>", b"amble\r\n--o"),
    ("BODY[1]<3>", b"st"), ("BODY[1]<5>", b""), ("BODY[1]<900>", b""),
    ("RFC822", MULTI), ("RFC822.HEADER", MULTI[:MULTI.index(b"preamble")]), ("RFC822.TEXT", MULTI[MULTI.index(b"preamble"):]),
]


@pytest.fixture(scope="module")
def parts(server):
    made = Box(server)
    made.add(MULTI)
    made.t.ok("NOOP")
    yield made
    made.close()


@pytest.mark.parametrize("section, octets", SECTIONS, ids=[s for s, _ in SECTIONS])
def test_sections(parts, section, octets):
    asked = section.replace(">", ".10>") if section.endswith(">") else section
    items = parts.fetch("(%s)" % asked.replace("BODY[", "BODY.PEEK["))
    assert items[section] == octets


@pytest.mark.parametrize("section", ["BODY[4]", "BODY[1.1.1]", "BODY[2.HEADER]", "BODY[3.3]", "BODY[9.MIME]"])
def test_parts_that_are_not_there_are_nothing(parts, section):
    r = parts.t.run("FETCH 1 (%s)" % section.replace("BODY[", "BODY.PEEK["))
    assert r.status in ("OK", "NO", "BAD")
    if r.status == "OK":
        assert r.fetches().get(1, {}).get(section) in (None, b"")


def test_one_part_of_a_plain_message(box):
    """RFC 3501 section 6.4.5: every message has at least one part"""
    box.add()
    text = LETTER.split(b"\r\n\r\n", 1)[1]
    assert box.fetch("BODY.PEEK[1]")["BODY[1]"] == text
    assert box.fetch("BODY.PEEK[1.MIME]")["BODY[1.MIME]"].lower().count(b"content-type") <= 1


def test_bodystructure(parts):
    body = parts.fetch("BODYSTRUCTURE")["BODYSTRUCTURE"]
    assert (body["type"], body["subtype"], body["params"]) == ("multipart", "mixed", [("boundary", b"out")])
    first, second, third = body["parts"]
    assert (first["type"], first["subtype"], first["octets"], first["lines"]) == ("text", "plain", 5, 0) or first["lines"] == 1
    assert first["params"] in ([("charset", b"us-ascii")], None)
    assert (second["encoding"], second["octets"], second["params"]) == ("base64", 8, [("name", b"x")])
    assert third["envelope"][1] == b"inner" and third["body"]["subtype"] == "alternative"
    assert third["octets"] == len(dict(SECTIONS)["BODY[3]"])
    assert [p["subtype"] for p in third["body"]["parts"]] == ["plain", "html"]
    short = parts.fetch("BODY")["BODY"]
    assert "params" not in short and len(short["parts"]) == 3


def test_body_sets_seen_and_peek_does_not(box):
    for _ in range(6):
        box.add(MULTI)
    box.t.ok("NOOP")
    for n, (item, is_seen) in enumerate([("BODY.PEEK[]", False), ("RFC822.HEADER", False), ("BODY[HEADER]", True), ("BODY[1]<0.1>", True),
                                         ("RFC822", True), ("RFC822.TEXT", True)], 1):
        r = box.t.ok("FETCH %d %s" % (n, item))
        told = any("\\Seen" in i.get("FLAGS", []) for _, i in r.all("FETCH"))
        assert told == is_seen, item
        assert ("\\Seen" in box.fetch("FLAGS", str(n))["FLAGS"]) == is_seen, item


def test_sequence_sets(box):
    for _ in range(5):
        box.add(letter("n"))
    box.t.ok("NOOP")

    def got(which, uid=""):
        return sorted(box.t.ok("%sFETCH %s (UID)" % (uid, which)).by_uid())
    assert got("1:*") == [1, 2, 3, 4, 5] == got("*:1") == got("1,2,3:5") == got("5,4,3,2,1") == got("3:1,2:*")
    assert got("*") == [5] and got("2:2") == [2] and got("4:2") == [2, 3, 4]
    assert got("9:*", "UID ") == [5] == got("*:9", "UID ") and got("7:9", "UID ") == [] and got("1,3,77", "UID ") == [1, 3]
    assert box.t.run("FETCH 6 UID").status in ("BAD", "NO")
    box.t.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    box.t.ok("EXPUNGE")
    assert got("1:3") == [1, 3, 5] and got("2,4", "UID ") == [] and got("2:4", "UID ") == [3]


def test_uid_fetch_always_tells_the_uid(box):
    box.add()
    box.t.ok("NOOP")
    assert "UID" in box.t.ok("UID FETCH 1 FLAGS").fetches()[1]
    assert "UID" in box.t.ok("UID STORE 1 +FLAGS (\\Seen)").fetches()[1]
    assert "UID" in box.t.ok("UID FETCH 1 BODY[]").fetches()[1]


def test_flags_changed_elsewhere_are_told(box):
    box.add()
    box.t.ok("NOOP")
    box.t.ok("FETCH 1 (UID FLAGS)")
    other = box.again()
    other.ok("STORE 1 +FLAGS (\\Answered)")
    assert any("\\Answered" in i.get("FLAGS", []) for _, i in box.t.ok("NOOP").all("FETCH"))


# -- 6.4.6 STORE --------------------------------------------------------------------------------------------------------

def test_store_in_all_its_forms(box):
    box.add()
    box.t.ok("NOOP")

    def store(what):
        r = box.t.ok("STORE 1 " + what)
        return [{f.lower() for f in i["FLAGS"]} - {"\\recent"} for _, i in r.all("FETCH") if "FLAGS" in i]
    assert store("FLAGS (\\Seen Label)") == [{"\\seen", "label"}]
    assert store("+FLAGS (\\Flagged)") == [{"\\seen", "label", "\\flagged"}]
    assert store("-FLAGS (\\Seen \\Draft)") == [{"label", "\\flagged"}]
    assert store("FLAGS \\Answered") == [{"\\answered"}]
    assert store("+FLAGS.SILENT (\\Deleted)") == []
    assert store("-FLAGS.SILENT (\\Answered)") == []
    assert {f.lower() for f in box.fetch("FLAGS")["FLAGS"]} - {"\\recent"} == {"\\deleted"}
    assert store("FLAGS ()") == [set()]


def test_keywords_are_the_same_in_any_case(box):
    box.add(flags="KeyWord")
    box.t.ok("NOOP")
    box.t.ok("STORE 1 +FLAGS (keyword KEYWORD)")
    assert [f.lower() for f in box.fetch("FLAGS")["FLAGS"] if f.lower() == "keyword"] == ["keyword"]
    assert box.uids("KEYWORD KEYword") == [1] and box.uids("UNKEYWORD keyword") == []


def test_recent_and_unknown_system_flags_are_not_stored(box):
    box.add()
    box.t.ok("NOOP")
    for flag in ("\\Recent", "\\Foo"):
        r = box.t.run("STORE 1 +FLAGS (%s)" % flag)
        assert r.status in ("BAD", "NO"), flag


def test_a_new_keyword_is_told_by_flags(box):
    """RFC 3501 section 7.2.6: an update of FLAGS, for others before they see it"""
    box.add()
    box.t.ok("NOOP")
    other = box.again()
    box.t.ok("STORE 1 +FLAGS (Brandnew-%s)" % box.name)
    r = other.ok("NOOP")
    assert any("brandnew-%s" % box.name.lower() in [f.lower() for f in i.get("FLAGS", [])] for _, i in r.all("FETCH"))


# -- 6.4.7 COPY, RFC 6851 MOVE ------------------------------------------------------------------------------------------

def test_copy_keeps_flags_and_date(box):
    to = box.name + "/copy"
    box.t.ok("CREATE " + quote(to))
    box.add(LETTER, "\\Flagged own", "17-Jul-1996 02:44:25 +0000")
    box.add(MULTI)
    box.t.ok("NOOP")
    r = box.t.ok("COPY 1:2 " + quote(to))
    validity, source, target = r.code("COPYUID")
    assert numbers_of(source) == [1, 2] and len(numbers_of(target)) == 2
    r = box.t.ok("SELECT " + quote(to))
    assert r.one("EXISTS") == 2 and r.code("UIDVALIDITY") == validity
    items = box.fetch("(FLAGS INTERNALDATE BODY.PEEK[] UID)")
    assert {"\\Flagged", "own"} <= set(items["FLAGS"]) and items["BODY[]"] == LETTER
    assert items["INTERNALDATE"] == "17-Jul-1996 02:44:25 +0000" and items["UID"] == numbers_of(target)[0]


def test_copy_to_nowhere_says_trycreate(box):
    box.add()
    box.t.ok("NOOP")
    for verb in ("COPY", "MOVE"):
        r = box.t.no("%s 1 %s" % (verb, quote(box.name + "/nowhere")))
        assert r.tagged_code == ("TRYCREATE", None)
    assert box.select().one("EXISTS") == 1


def test_copy_into_the_same_mailbox(box):
    box.add()
    box.t.ok("NOOP")
    box.t.ok("COPY 1 " + quote(box.name))
    box.t.ok("NOOP")
    assert len(box.t.view.uids) == 2


def test_move(box):
    to = box.name + "/moved"
    box.t.ok("CREATE " + quote(to))
    for n in range(4):
        box.add(letter("m%d" % n), "\\Flagged" if n == 1 else "")
    box.select()
    box.t.ok("FETCH 1:* UID")
    r = box.t.ok("MOVE 2:3 " + quote(to))
    kinds = [k for k, v in r.untagged if k == "EXPUNGE" or (k == "OK" and v[0] and v[0][0] == "COPYUID")]
    assert kinds == ["OK", "EXPUNGE", "EXPUNGE"], "RFC 6851 section 4.3: COPYUID comes first, untagged"
    assert box.t.view.uids == [1, 4]
    r = box.t.ok("UID MOVE 1 " + quote(to))
    assert box.t.view.uids == [4]
    assert box.t.ok("SELECT " + quote(to)).one("EXISTS") == 3
    subjects = [i["ENVELOPE"][1] for _, i in sorted(box.t.ok("FETCH 1:* ENVELOPE").fetches().items())]
    assert subjects == [b"m1", b"m2", b"m0"]
    assert "\\Flagged" in box.fetch("FLAGS")["FLAGS"]


def test_move_does_not_take_what_is_deleted(box):
    """RFC 6851 section 3.3: others marked \\Deleted stay"""
    to = box.name + "/moved"
    box.t.ok("CREATE " + quote(to))
    box.add(flags="\\Deleted")
    box.add()
    box.select()
    box.t.ok("MOVE 2 " + quote(to))
    assert box.select().one("EXISTS") == 1
