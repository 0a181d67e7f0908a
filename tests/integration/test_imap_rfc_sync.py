"""CONDSTORE and QRESYNC (RFC 7162), ESEARCH (4731), SEARCHRES (5182), PARTIAL (9394), MULTIAPPEND (3502), UIDPLUS (4315),
REPLACE (8508), UIDONLY (9586), NOTIFY (5465), MESSAGELIMIT (9738) as a client sees them."""

import time

import pytest

from imap_box import LETTER, Lit, box, letter, need, quote, server, strict  # noqa: F401
from imap_talk import Bye, View, Wrong, numbers_of


def modseqs(t, which="1:*"):
    return {n: i["MODSEQ"] for n, i in t.ok("FETCH %s (MODSEQ)" % which).fetches().items()}


# -- RFC 7162: CONDSTORE ----------------------------------------------------------------------------------------------

ENABLING = ["SELECT {box} (CONDSTORE)", "STATUS {box} (HIGHESTMODSEQ)", "FETCH 1 (MODSEQ)", "FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
            "STORE 1 (UNCHANGEDSINCE 99999999) +FLAGS.SILENT (\\Seen)", "SEARCH MODSEQ 1", "ENABLE CONDSTORE"]


@pytest.mark.parametrize("command", ENABLING)
def test_what_enables_condstore(box, command):
    """Section 3.1: from then on every FETCH of flags tells MODSEQ."""
    box.add()
    box.t.ok("NOOP")
    assert "MODSEQ" not in box.t.ok("STORE 1 +FLAGS (\\Draft)").fetches().get(1, {})
    box.t.ok(command.format(box=quote(box.name)))
    assert "MODSEQ" in box.t.ok("STORE 1 +FLAGS (\\Flagged)").fetches()[1]
    other = box.again()
    other.ok("STORE 1 -FLAGS (\\Flagged)")
    assert all("MODSEQ" in i for _, i in box.t.ok("NOOP").all("FETCH"))


def test_highestmodseq(box):
    box.add()
    box.add()
    r = box.select(more=" (CONDSTORE)")
    top = max(modseqs(box.t).values())
    assert r.code("HIGHESTMODSEQ") >= top
    assert box.t.ok("STATUS %s (HIGHESTMODSEQ)" % quote(box.name)).one("STATUS")[1]["HIGHESTMODSEQ"] >= top
    box.t.ok("STORE 1 +FLAGS (\\Seen)")
    after = modseqs(box.t)
    assert after[1] > top and after[2] <= top
    assert box.again(is_selecting=False).ok("STATUS %s (HIGHESTMODSEQ)" % quote(box.name)).one("STATUS")[1]["HIGHESTMODSEQ"] >= after[1]


def test_changedsince(box):
    for _ in range(3):
        box.add()
    box.select(more=" (CONDSTORE)")
    before = max(modseqs(box.t).values())
    box.t.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
    r = box.t.ok("FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % before)
    assert list(r.fetches()) == [2] and r.fetches()[2]["MODSEQ"] > before
    assert box.t.ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % r.fetches()[2]["MODSEQ"]).all("FETCH") == []


def test_silent_store_tells_modseq(box):
    """Section 3.1.3: also with .SILENT the new mod-sequence is told"""
    box.add()
    box.select(more=" (CONDSTORE)")
    before = modseqs(box.t)[1]
    r = box.t.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert r.fetches()[1]["MODSEQ"] > before and "FLAGS" not in r.fetches()[1]


def test_unchangedsince(box):
    for _ in range(4):
        box.add()
    box.select(more=" (CONDSTORE)")
    first = modseqs(box.t)
    box.t.ok("STORE 2,4 +FLAGS.SILENT (\\Seen)")
    r = box.t.run("STORE 1:4 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Deleted)" % max(first.values()))
    assert r.status == "OK" and numbers_of(r.code("MODIFIED")) == [2, 4]
    assert sorted(n for n, i in r.all("FETCH") if "MODSEQ" in i and n in (1, 3)) == [1, 3]
    assert box.uids("DELETED") == [1, 3]
    r = box.t.run("UID STORE 2 (UNCHANGEDSINCE %d) FLAGS ()" % first[2])
    assert numbers_of(r.code("MODIFIED")) == [2]
    assert "\\Seen" in box.fetch("FLAGS", "2")["FLAGS"]


def test_unchangedsince_zero_never_matches(box):
    """Section 3.1.3: each message has a mod-sequence above 0"""
    box.add(flags="\\Seen")
    box.select(more=" (CONDSTORE)")
    r = box.t.run("STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Flagged)")
    assert numbers_of(r.code("MODIFIED")) == [1]


def test_search_by_modseq(box):
    for _ in range(3):
        box.add()
    box.select(more=" (CONDSTORE)")
    top = max(modseqs(box.t).values())
    box.t.ok("STORE 2 +FLAGS (\\Seen)")
    now = modseqs(box.t)[2]
    found, modseq = box.t.ok("SEARCH MODSEQ %d" % (top + 1)).last("SEARCH")
    assert found == [2] and modseq == now
    found, modseq = box.t.ok('SEARCH MODSEQ "/flags/\\\\Seen" all %d' % (top + 1)).last("SEARCH")
    assert found == [2]
    r = box.t.ok("SEARCH MODSEQ %d" % (now + 1000))
    assert r.last("SEARCH") in (None, ([], None))
    assert box.t.ok("SEARCH RETURN (ALL) MODSEQ %d" % top).one("ESEARCH").get("MODSEQ") == now


def test_modseq_only_grows_and_is_63_bits(box):
    box.add()
    box.select(more=" (CONDSTORE)")
    box.t.ok("FETCH 1 (FLAGS) (CHANGEDSINCE 9223372036854775807)")
    box.t.bad("FETCH 1 (FLAGS) (CHANGEDSINCE 18446744073709551616)")
    seen = []
    for n in range(5):
        box.t.ok("STORE 1 %sFLAGS (\\Seen)" % "+-"[n % 2])
        seen.append(modseqs(box.t)[1])
    assert seen == sorted(set(seen))


# -- RFC 7162: QRESYNC --------------------------------------------------------------------------------------------------

def test_qresync_must_be_enabled(box):
    box.t.bad("SELECT %s (QRESYNC (1 1))" % quote(box.name))


def test_expunges_are_told_as_vanished(box):
    for _ in range(5):
        box.add(flags="\\Deleted")
    t = box.again("QRESYNC")
    t.ok("FETCH 1:* (UID)")
    r = t.ok("UID EXPUNGE 2:4")
    assert not r.all("EXPUNGE")
    assert sorted(n for _, s in r.all("VANISHED") for n in numbers_of(s)) == [2, 3, 4]
    assert r.code("HIGHESTMODSEQ")
    r = t.ok("CLOSE")
    assert not r.all("VANISHED")


def test_resync_tells_changes_and_what_vanished(box):
    for n in range(8):
        box.add(letter("q%d" % n))
    t = box.again("QRESYNC")
    r = box.select(more=" (CONDSTORE)")
    validity, modseq = r.code("UIDVALIDITY"), r.code("HIGHESTMODSEQ")
    box.t.ok("STORE 2 +FLAGS.SILENT (\\Seen)")
    box.t.ok("STORE 4:5 +FLAGS.SILENT (\\Deleted)")
    box.t.ok("EXPUNGE")
    box.add(letter("new"))
    t.ok("UNSELECT")
    t.new_view = _Any
    r = t.ok("SELECT %s (QRESYNC (%d %d))" % (quote(box.name), validity, modseq))
    assert [(e, numbers_of(s)) for e, s in r.all("VANISHED")] == [(True, [4, 5])]
    told = {i["UID"]: i for _, i in r.all("FETCH")}
    assert set(told) == {2, 9} and "\\Seen" in told[2]["FLAGS"] and all("MODSEQ" in i for i in told.values())
    order = [k for k, _ in r.untagged]
    assert order.index("VANISHED") < order.index("FETCH"), "section 3.2.5.2: VANISHED comes before FETCH"
    # only what the client names is told of
    t.ok("UNSELECT")
    r = t.ok("SELECT %s (QRESYNC (%d %d 1:3,5))" % (quote(box.name), validity, modseq))
    assert [numbers_of(s) for _, s in r.all("VANISHED")] == [[5]]
    assert {i["UID"] for _, i in r.all("FETCH")} == {2}
    # another UIDVALIDITY: nothing is told, the client begins anew
    t.ok("UNSELECT")
    r = t.ok("SELECT %s (QRESYNC (%d %d))" % (quote(box.name), validity + 7, modseq))
    assert not r.all("VANISHED") and not r.all("FETCH")


class _Any(View):
    """Takes what resynchronising tells of messages that the view has not counted yet."""

    def fetch(self, n, items):
        pass


def test_resync_with_sequence_match_data(box):
    for n in range(6):
        box.add(letter("q%d" % n))
    r = box.select(more=" (CONDSTORE)")
    box.t.ok("STORE 5 +FLAGS.SILENT (\\Deleted)")
    box.t.ok("EXPUNGE")
    t = box.again("QRESYNC", is_selecting=False)
    t.new_view = _Any
    r = t.ok("SELECT %s (QRESYNC (%d %d 1:6 (1,3 1,3)))" % (quote(box.name), r.code("UIDVALIDITY"), 1))
    assert 5 in [n for _, s in r.all("VANISHED") for n in numbers_of(s)]


def test_uid_fetch_vanished(box):
    for n in range(5):
        box.add(letter("q%d" % n))
    t = box.again("QRESYNC", is_selecting=False)
    before = t.ok("SELECT " + quote(box.name)).code("HIGHESTMODSEQ")
    box.t.ok("STORE 3 +FLAGS (\\Deleted)")
    box.t.ok("EXPUNGE")
    box.t.ok("STORE 1 +FLAGS (\\Seen)")
    t.ok("NOOP")
    r = t.ok("UID FETCH 1:4 (FLAGS) (CHANGEDSINCE %d VANISHED)" % before)
    assert [(e, numbers_of(s)) for e, s in r.all("VANISHED") if e] == [(True, [3])]
    assert [i["UID"] for _, i in r.all("FETCH")] == [1]
    t.bad("FETCH 1:4 (FLAGS) (CHANGEDSINCE %d VANISHED)" % before)
    t.bad("UID FETCH 1:4 (FLAGS) (VANISHED)")


# -- RFC 4731, 5182, 9394: what SEARCH returns ------------------------------------------------------------------------

@pytest.fixture
def ten(box):
    for n in range(10):
        box.add(letter("n%d" % n), "\\Flagged" if n in (1, 4, 7, 8) else "")
    box.t.ok("NOOP")
    return box


@pytest.mark.parametrize("options, wanted", [
    ("(MIN MAX COUNT ALL)", {"MIN": 2, "MAX": 9, "COUNT": 4, "ALL": [2, 5, 8, 9]}), ("(MIN)", {"MIN": 2}), ("(MAX)", {"MAX": 9}),
    ("(COUNT)", {"COUNT": 4}), ("()", {"ALL": [2, 5, 8, 9]}), ("(ALL)", {"ALL": [2, 5, 8, 9]}), ("(MIN MAX)", {"MIN": 2, "MAX": 9})])
def test_esearch(ten, options, wanted):
    for uid in ("", "UID "):
        started = ten.t.start("%sSEARCH RETURN %s FLAGGED" % (uid, options))
        r = ten.t.finish(started)
        assert not r.all("SEARCH")
        e = r.one("ESEARCH")
        assert e["TAG"] == r.tag and e["UID"] == bool(uid)
        got = {k: numbers_of(v) if k == "ALL" else v for k, v in e.items() if k not in ("TAG", "UID")}
        assert got == wanted


def test_esearch_of_nothing(ten):
    e = ten.t.ok("SEARCH RETURN (MIN MAX ALL COUNT) DRAFT").one("ESEARCH")
    assert {k: v for k, v in e.items() if k not in ("TAG", "UID")} == {"COUNT": 0}
    e = ten.t.ok("SEARCH RETURN (ALL) DRAFT").one("ESEARCH")
    assert "ALL" not in e


def test_searchres(ten):
    t = ten.t
    r = t.ok("SEARCH RETURN (SAVE) FLAGGED")
    assert not r.all("SEARCH") and not r.all("ESEARCH"), "RFC 5182 section 2.1"
    assert sorted(t.ok("FETCH $ UID").by_uid()) == [2, 5, 8, 9]
    assert sorted(t.ok("UID FETCH $ FLAGS").by_uid()) == [2, 5, 8, 9]
    t.ok("SEARCH RETURN (SAVE MIN) FLAGGED")
    assert sorted(t.ok("FETCH $ UID").by_uid()) == [2]
    t.ok("SEARCH RETURN (SAVE) FLAGGED")
    assert t.ok("SEARCH RETURN (ALL) $ NOT UID 5").one("ESEARCH")["ALL"] in ("2,8:9", "2,8,9")
    t.ok("STORE 5 +FLAGS (\\Deleted)")
    t.ok("EXPUNGE")
    assert sorted(t.ok("FETCH $ UID").by_uid()) == [2, 8, 9], "what is expunged leaves the result"
    t.run("SEARCH RETURN (SAVE) FOO")
    t.no("SEARCH RETURN (SAVE) CHARSET X-FOO TEXT x")
    assert t.ok("FETCH $ UID").all("FETCH") == [], "a failed SAVE leaves an empty result"
    t.ok("SEARCH RETURN (SAVE) FLAGGED")
    ten.select()
    assert t.ok("FETCH $ UID").all("FETCH") == []


def test_partial_results(ten):
    need(ten, "PARTIAL")
    t = ten.t

    def ask(what, key="FLAGGED"):
        e = t.ok("UID SEARCH RETURN (%s) %s" % (what, key)).one("ESEARCH")
        return e["PARTIAL"][0], numbers_of(e["PARTIAL"][1] or ""), e.get("COUNT")
    assert ask("PARTIAL 1:2") == ("1:2", [2, 5], None)
    assert ask("PARTIAL 3:9 COUNT") == ("3:9", [8, 9], 4)
    assert ask("PARTIAL -1:-2")[1] == [8, 9]
    assert ask("PARTIAL -3:-100")[1] == [2, 5]
    assert ask("PARTIAL 5:9")[1] == []
    t.bad("SEARCH RETURN (PARTIAL 0:2) ALL")
    t.bad("SEARCH RETURN (PARTIAL -1:2) ALL")
    t.bad("SEARCH RETURN (ALL PARTIAL 1:2) ALL")
    r = t.ok("UID FETCH 1:* (UID) (PARTIAL 3:4)")
    assert sorted(r.by_uid()) == [3, 4]
    r = t.ok("UID FETCH 1:* (UID) (PARTIAL -1:-3)")
    assert sorted(r.by_uid()) == [8, 9, 10]


# -- RFC 3502, 4315, 8508 -----------------------------------------------------------------------------------------------

def test_multiappend(box):
    r = box.t.ok("APPEND " + quote(box.name), "(\\Seen)", Lit(letter("one")), "(\\Flagged)", '" 7-Feb-1994 21:52:25 -0800"', Lit(letter("two")))
    assert len(numbers_of(r.code("APPENDUID")[1])) == 2
    box.t.ok("NOOP")
    got = box.t.ok("FETCH 1:* (FLAGS ENVELOPE INTERNALDATE)").fetches()
    assert [got[n]["ENVELOPE"][1] for n in (1, 2)] == [b"one", b"two"]
    assert "\\Seen" in got[1]["FLAGS"] and "\\Flagged" in got[2]["FLAGS"] and got[2]["INTERNALDATE"].endswith("21:52:25 -0800") or (
        "1994" in got[2]["INTERNALDATE"])


def test_multiappend_is_all_or_nothing(box):
    strict(box.server, "reads the literal behind a wrong flag as commands")
    for bad in ('"99-Foo-1994 21:52:25 -0800"', "(\\Foo)"):
        r = box.t.run("APPEND " + quote(box.name), Lit(letter("one"), plus=True), bad, Lit(letter("two"), plus=True))
        assert r.status in ("BAD", "NO")
    assert box.select().one("EXISTS") == 0


def test_replace(box):
    need(box, "REPLACE")
    box.add(letter("draft 1"), "\\Draft")
    box.add(letter("other"))
    box.t.ok("NOOP")
    box.t.ok("FETCH 1:* UID")
    r = box.t.ok("REPLACE 1 %s (\\Draft \\Seen)" % quote(box.name), Lit(letter("draft 2")))
    assert r.code("APPENDUID")
    box.t.ok("NOOP")
    got = box.t.ok("FETCH 1:* (UID FLAGS ENVELOPE)").by_uid()
    assert [got[u]["ENVELOPE"][1] for u in sorted(got)] == [b"other", b"draft 2"] and min(got) == 2
    r = box.t.ok("UID REPLACE 2 INBOX", Lit(letter("moved")))
    box.t.ok("NOOP")
    assert len(box.t.view.uids) == 1
    assert box.t.run("REPLACE 9 INBOX", Lit(letter("x"), plus=True)).status in ("NO", "BAD")
    r = box.t.no("UID REPLACE 3 %s" % quote(box.name + "/nowhere"), Lit(letter("x"), plus=True))
    assert r.tagged_code == ("TRYCREATE", None) and len(box.t.view.uids) == 1


# -- RFC 9586 -----------------------------------------------------------------------------------------------------------

def test_uidonly(box):
    need(box, "UIDONLY")
    for n in range(4):
        box.add(letter("u%d" % n))
    t = box.again("UIDONLY", is_selecting=False)
    t.ok("SELECT " + quote(box.name))
    for command in ("FETCH 1 FLAGS", "STORE 1 FLAGS ()", "COPY 1 INBOX", "MOVE 1 INBOX", "SEARCH ALL", "SEARCH 1", "UID SEARCH 1:3"):
        r = t.bad(command)
        assert r.tagged_code == ("UIDREQUIRED", None), command
    r = t.ok("UID FETCH 2:3 (FLAGS)")
    assert not r.all("FETCH") and [uid for uid, _ in r.all("UIDFETCH")] == [2, 3]
    assert all("UID" not in i for _, i in r.all("UIDFETCH")), "section 3.3"
    t.ok("UID STORE 3 +FLAGS (\\Deleted)")
    r = t.ok("UID EXPUNGE 3")
    assert not r.all("EXPUNGE") and [numbers_of(s) for _, s in r.all("VANISHED")] == [[3]]
    box.t.ok("NOOP")
    box.t.ok("STORE 1 +FLAGS (\\Seen)")
    r = t.ok("NOOP")
    assert [uid for uid, i in r.all("UIDFETCH") if "\\Seen" in i["FLAGS"]] == [1] and not r.all("FETCH")


# -- RFC 5465 -----------------------------------------------------------------------------------------------------------

def test_notify_tells_of_other_mailboxes(box):
    need(box, "NOTIFY")
    name = box.name + "/n"
    box.t.ok("CREATE " + quote(name))
    t = box.again()
    t.ok("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange)) (mailboxes %s (MessageNew MessageExpunge))" % quote(name))
    t.ok("NOOP")
    box.t.append(name, letter("told"))
    told = wait(t, lambda u: [v for k, v in u if k == "STATUS" and v[1].get("MESSAGES") == 1])
    assert told[0][0] == name.encode() and "UIDNEXT" in told[0][1]
    box.add(letter("here"))
    assert wait(t, lambda u: [v for k, v in u if k == "EXISTS"]) == [1]
    t.ok("NOTIFY NONE")
    if box.server.is_yizhan:
        t.bad("NOTIFY SET (personal (MessageNew))")  # section 5: not without MessageExpunge


def test_notify_status(box):
    need(box, "NOTIFY")
    t = box.again(is_selecting=False)
    r = t.ok("NOTIFY SET STATUS (mailboxes %s (MessageNew MessageExpunge))" % quote(box.name))
    assert any(name == box.name.encode() and "MESSAGES" in found for name, found in r.all("STATUS"))


def test_notify_mailbox_names(box):
    need(box, "NOTIFY")
    t = box.again(is_selecting=False)
    t.ok("NOTIFY SET (subtree %s (MailboxName))" % quote(box.name))
    box.t.ok("CREATE " + quote(box.name + "/made"))
    told = wait(t, lambda u: [v for k, v in u if k == "LIST"])
    assert told[0][2] == (box.name + "/made").encode()
    box.t.ok("RENAME %s %s" % (quote(box.name + "/made"), quote(box.name + "/named")))
    told = wait(t, lambda u: [v for k, v in u if k == "LIST" and v[2] == (box.name + "/named").encode()])
    assert told


def wait(t, wanted, seconds=5):
    """What comes unasked (NOTIFY) or with NOOP, until wanted() finds something."""
    untagged, end = [], time.monotonic() + seconds
    t.socket.settimeout(0.3)
    try:
        while time.monotonic() < end:
            try:
                t.take(t.response(), untagged, ["IDLE"])
            except (TimeoutError, OSError):
                t.socket.settimeout(seconds)
                untagged += t.ok("NOOP").untagged
                t.socket.settimeout(0.3)
            if wanted(untagged):
                return wanted(untagged)
    finally:
        t.socket.settimeout(t.seconds)
    raise Wrong("not told: %r" % untagged)


def test_message_limit(box):
    need_prefix = [c for c in box.t.capability() if c.startswith("MESSAGELIMIT=")]
    if not need_prefix:
        strict(box.server, "has no MESSAGELIMIT")
    limit = int(need_prefix[0].split("=")[1])
    assert limit >= 1000


def test_more_octets_behind_bye_are_not_wanted(box):
    """Section 7.1.5: after BYE the connection is closed"""
    box.t.logout()
    with pytest.raises((Bye, OSError)):
        box.t.run("NOOP")
