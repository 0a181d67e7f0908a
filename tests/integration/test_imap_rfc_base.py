"""RFC 3501 and 9051 as a client sees them: what is said in which state, login, SELECT, APPEND, CLOSE, EXPUNGE, IDLE.

Each test names the sections it is about. YIZHAN_READER=dovecot runs them on Dovecot."""

import base64
import re

import pytest

from imap_box import LETTER, Box, Lit, box, letter, need, quote, server, strict  # noqa: F401
from imap_talk import Bye, Wrong
from test_imap_rfc_names import names

# -- 3 and 6.1: states and the least of commands ----------------------------------------------------------------------

def test_greeting_and_capabilities(server):
    with server.talk() as t:
        assert t.greeting[1] == "OK"
        before = t.capability()
        assert "IMAP4REV1" in before or "IMAP4REV2" in before
        assert "STARTTLS" in before
        assert "AUTH=PLAIN" in before or "LOGINDISABLED" in before
        t.ok("NOOP")
        t.logout()


@pytest.mark.parametrize("command", ["SELECT INBOX", "LIST \"\" *", "STATUS INBOX (MESSAGES)", "FETCH 1 FLAGS", "CLOSE", "EXPUNGE",
                                     "ENABLE CONDSTORE", "IDLE", "NAMESPACE", "CREATE x", "SEARCH ALL", "UID FETCH 1 FLAGS"])
def test_before_login_little_is_allowed(server, command):
    if command.startswith("ENABLE"):
        strict(server, "takes ENABLE before login")
    with server.talk() as t:
        t.bad(command)
        t.ok("NOOP")


@pytest.mark.parametrize("command", ["FETCH 1 FLAGS", "STORE 1 FLAGS (\\Seen)", "SEARCH ALL", "COPY 1 INBOX", "EXPUNGE", "CLOSE",
                                     "UNSELECT", "CHECK", "UID FETCH 1 FLAGS", "UID SEARCH ALL", "MOVE 1 INBOX"])
def test_without_a_mailbox_no_message_command(server, command):
    with server.talk("alice") as t:
        t.bad(command)


@pytest.mark.parametrize("command", ["LOGIN a b", "AUTHENTICATE PLAIN", "STARTTLS"])
def test_who_is_logged_in_does_not_log_in(server, command):
    with server.talk("alice") as t:
        t.bad(command)


LAX = {"FETCH 1 BODY[]<0.0>", "STORE 1 FLAGS", "SELECT", "APPEND x", "NOOP extra", "ENABLE"}


@pytest.mark.parametrize("line", ["", "FOO", "FETCH", "FETCH 1", "FETCH x FLAGS", "FETCH 0 FLAGS", "FETCH 1 (FLAGS", "FETCH 1 FLAGS)",
                                  "FETCH 1 (BODY[)", "FETCH 1 BODY[1.FOO]", "FETCH 1 BODY[]<0.0>", "STORE 1 FLAGS", "STORE 1 FOO (x)",
                                  "SEARCH", "SEARCH FOO", "SEARCH OR ALL", "SEARCH ((ALL)", "SEARCH BEFORE 1-Foo-2000",
                                  "SEARCH KEYWORD", "COPY 1", "SELECT", "LIST \"\"", "STATUS INBOX MESSAGES", "STATUS INBOX (FOO)",
                                  "APPEND x", "UID", "UID FOO 1", "UID EXPUNGE", "FETCH 4294967296 FLAGS", "SEARCH UID 0",
                                  "FETCH 1 FLAGS extra", "NOOP extra", "FETCH 1,,2 FLAGS", "FETCH 1: FLAGS", "CREATE \"x",
                                  "STORE 1 +FLAGS (\\Seen", "FETCH 1 BODY.PEEK[HEADER.FIELDS ()]", "STORE 1 FLAGS (\\*)",
                                  "SORT", "THREAD FOO UTF-8 ALL", "SORT (FOO) UTF-8 ALL", "ENABLE"])
def test_what_is_no_command_is_bad_and_changes_nothing(box, line):
    if line in LAX:
        strict(box.server, "takes it")
    box.add()
    box.t.ok("NOOP")
    try:
        box.t.bad(line)
    except Wrong:
        # the line without a word has no tag of its own to answer
        if line:
            raise
    assert box.fetch("FLAGS")["FLAGS"] in (["\\Recent"], [])


def test_commands_and_atoms_are_read_in_any_case(box):
    box.add(flags="\\Seen")
    assert box.t.ok("fetch 1 (flags rfc822.size)").fetches()[1]["RFC822.SIZE"] == len(LETTER)
    assert box.t.ok("uid search seen all").last("SEARCH")[0] == [1]
    assert box.t.ok("sEaRcH sEeN").last("SEARCH")[0] == [1]


def test_many_commands_at_once_are_all_answered(box):
    """Section 5.5: in any order where that changes nothing; what one does the next one sees."""
    for _ in range(3):
        box.add()
    box.t.ok("NOOP")
    commands = ["NOOP", "FETCH 1:* UID", "SEARCH ALL", "STORE 1 +FLAGS (\\Flagged)", "FETCH 1 FLAGS", "NOOP"]
    box.t.send(b"".join(b"p%d %s\r\n" % (n, c.encode()) for n, c in enumerate(commands)))
    tags, flags = {}, None
    while len(tags) < len(commands):
        r = box.t.response()
        if r[0] != "*":
            tags[r[0]] = r[1]
        elif r[1] == "FETCH" and "FLAGS" in r[2][1]:
            flags = r[2][1]["FLAGS"]
    assert set(tags.values()) == {"OK"} and "\\Flagged" in flags


def test_a_line_without_a_tag_is_answered_by_bad(server):
    """RFC 9051 section 7.1.3"""
    with server.talk("alice") as t:
        t.send(b"\r\n")
        assert t.response()[:2] == ("*", "BAD")
        t.ok("NOOP")


# -- 6.2: login ---------------------------------------------------------------------------------------------------------

def test_login_with_quoted_and_literal_words(server):
    user, word = server.address("alice"), server.passwords["alice"]
    for args in (("LOGIN %s %s" % (user, quote(word)),), ("LOGIN", Lit(user.encode()), Lit(word.encode())),
                 ("LOGIN", Lit(user.encode(), plus=True), Lit(word.encode(), plus=True))):
        with server.talk() as t:
            assert "LITERAL+" in t.capability() or "LITERAL-" in t.capability()
            t.ok(*args)
            assert "IDLE" in t.capability()


def test_a_wrong_password_is_told_and_no_more(server):
    replies = []
    for user in ("alice", "nobody-at-all"):
        with server.talk() as t:
            r = t.no("LOGIN %s wrong" % quote(server.address(user)))
            assert r.tagged_code == ("AUTHENTICATIONFAILED", None)
            replies.append((r.status, r.tagged_code, r.text))
            t.ok("NOOP")
    assert replies[0] == replies[1]


def test_authenticate_plain_in_both_forms(server):
    token = base64.b64encode(b"\0%s\0%s" % (server.address("alice").encode(), server.passwords["alice"].encode())).decode()
    with server.talk() as t:
        assert "SASL-IR" in t.capability()
        t.ok("AUTHENTICATE PLAIN " + token)
        t.ok("SELECT INBOX")
    with server.talk() as t:
        t.send(b"a AUTHENTICATE PLAIN\r\n")
        assert t.response() == ("+", b"")
        t.send(token.encode() + b"\r\n")
        assert t.response()[:2] in (("a", "OK"), ("*", "CAPABILITY"))


def test_authenticate_can_be_given_up(server):
    with server.talk() as t:
        t.send(b"a AUTHENTICATE PLAIN\r\n")
        t.response()
        t.send(b"*\r\n")
        assert t.response()[:2] == ("a", "BAD")
        t.send(b"b AUTHENTICATE FOO-BAR\r\n")
        assert t.response()[:2] in (("b", "NO"), ("b", "BAD"))
        t.ok("LOGIN %s %s" % (quote(server.address("alice")), quote(server.passwords["alice"])))


def test_starttls(server):
    with server.talk() as t:
        t.starttls()
        assert "STARTTLS" not in t.capability()
        t.bad("STARTTLS")
        t.login(server.address("alice"), server.passwords["alice"])
        t.ok("SELECT INBOX")


def test_plaintext_behind_starttls_is_not_obeyed(server):
    import ssl
    with server.talk() as t:
        t.send(b"a STARTTLS\r\nb NOOP\r\n")
        r = t.response()
        if r[:2] == ("*", "BYE"):
            return  # to end the connection is as good
        assert r[:2] == ("a", "OK")
        try:
            t.socket = ssl._create_unverified_context().wrap_socket(t.socket)
            t.socket.settimeout(0.5)
            t.send(b"c NOOP\r\n")
            assert t.response()[0] == "c"
        except (OSError, Bye):
            pass


# -- 6.3.1 SELECT, 6.3.2 EXAMINE ----------------------------------------------------------------------------------------

def test_select_tells_what_it_must(box):
    box.add(flags="\\Seen")
    box.add()
    r = box.select()
    assert set(r.one("FLAGS")) >= {"\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"}
    assert r.one("EXISTS") == 2
    assert "\\*" in r.code("PERMANENTFLAGS")
    assert r.code("UIDNEXT") == 3 and r.code("UIDVALIDITY") > 0
    assert r.tagged_code == ("READ-WRITE", None)
    assert r.code("UNSEEN") in (2, None)


def test_select_of_rev2_tells_the_name_and_no_recent(box):
    """RFC 9051 section 6.3.2"""
    need(box, "IMAP4REV2")
    t = box.again("IMAP4rev2", is_selecting=False)
    r = t.ok("SELECT " + quote(box.name))
    assert r.one("LIST")[2] == box.name.encode()
    assert not r.all("RECENT") and "UNSEEN" not in r.codes()
    box.add()
    t.ok("NOOP")
    assert "\\Recent" not in t.ok("FETCH 1 FLAGS").fetches()[1]["FLAGS"]
    assert t.ok("SEARCH ALL").last("ESEARCH")["ALL"] == "1"


def test_a_failed_select_leaves_nothing_selected(box):
    r = box.t.no("SELECT nowhere-%s" % box.name)
    assert not r.has_code("READ-WRITE")
    box.t.bad("FETCH 1 FLAGS")
    box.t.bad("CLOSE")


def test_examine_changes_nothing(box):
    box.add(flags="\\Deleted")
    r = box.select("EXAMINE")
    assert r.tagged_code == ("READ-ONLY", None)
    r = box.t.run("STORE 1 +FLAGS (\\Seen)")
    assert r.status == "NO" or not box.server.is_yizhan
    box.fetch("BODY[]")
    assert "\\Seen" not in box.fetch("FLAGS")["FLAGS"]
    r = box.t.run("EXPUNGE")
    assert r.status == "NO" or not box.server.is_yizhan
    box.t.ok("CLOSE")
    assert box.select().one("EXISTS") == 1


def test_inbox_is_inbox_in_any_case(server):
    with server.talk("alice") as t:
        found = {t.ok("SELECT " + name).code("UIDVALIDITY") for name in ("INBOX", "inbox", '"iNbOx"')}
        assert len(found) == 1
        t.no("CREATE inbox")
        t.no("DELETE Inbox")
        assert [x[2] for x in t.ok('LIST "" inbox').all("LIST")] == ["INBOX"]


def test_closed_is_told_before_the_next_mailbox(box):
    """RFC 7162 section 3.2.11: with QRESYNC it must be."""
    need(box, "QRESYNC")
    t = box.again("QRESYNC")
    r = t.ok("SELECT INBOX")
    assert r.untagged[0][0] == "OK" and r.untagged[0][1][0] == ("CLOSED", None)


def test_uidvalidity_and_uids_stay(box):
    uids = [box.add() for _ in range(3)]
    validity = box.select().code("UIDVALIDITY")
    box.t.ok("STORE 3 +FLAGS (\\Deleted)")
    box.t.ok("EXPUNGE")
    r = box.again().ok("SELECT " + quote(box.name))
    assert r.code("UIDVALIDITY") == validity
    assert r.code("UIDNEXT") > uids[2]
    assert box.add() > uids[2]


# -- 6.3.11 APPEND ------------------------------------------------------------------------------------------------------

def test_append_keeps_octets_flags_and_date(box):
    uid = box.add(LETTER, "\\Seen $Forwarded own", "17-Jul-1996 02:44:25 -0700")
    assert uid == 1
    r = box.t.ok("NOOP")
    items = box.fetch("(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    assert items["BODY[]"] == LETTER and items["RFC822.SIZE"] == len(LETTER) and items["UID"] == 1
    assert {f.lower() for f in items["FLAGS"]} - {"\\recent"} == {"\\seen", "$forwarded", "own"}
    from email.utils import parsedate_to_datetime
    import datetime
    told = datetime.datetime.strptime(items["INTERNALDATE"].strip(), "%d-%b-%Y %H:%M:%S %z")
    assert told == parsedate_to_datetime("17 Jul 1996 02:44:25 -0700")
    assert r.status == "OK"


def test_append_tells_exists_in_the_selected_mailbox(box):
    r = box.t.ok("APPEND " + quote(box.name), Lit(LETTER))
    assert r.last("EXISTS") == 1 or box.t.ok("NOOP").last("EXISTS") == 1
    assert r.code("APPENDUID")[0] == box.selected.code("UIDVALIDITY")


def test_append_to_nowhere_says_trycreate(box):
    """section 6.3.11: MUST send TRYCREATE, and MUST NOT create"""
    r = box.t.run("APPEND " + quote(box.name + "/nowhere"), Lit(LETTER))
    assert r.status == "NO" and r.tagged_code == ("TRYCREATE", None)
    assert names(box.t, "", box.name + "/*") == {}
    r = box.t.run("APPEND " + quote(box.name + "/nowhere"), Lit(LETTER, plus=True))
    assert r.status == "NO" and r.tagged_code == ("TRYCREATE", None)
    box.t.ok("NOOP")


def test_append_of_all_octets(box):
    octets = b"Subject: eight\r\n\r\n" + bytes(range(1, 256)).replace(b"\r", b"").replace(b"\n", b"\r\n") + b"\r\n"
    box.add(octets)
    assert box.fetch("BODY.PEEK[]")["BODY[]"] == octets
    large = letter("large", "0123456789abcdef" * 60 + "\r\n") + b"line of text that is long enough\r\n" * 30000
    box.add(large)
    assert box.fetch("BODY.PEEK[]", "2")["BODY[]"] == large


def test_append_refuses_what_is_no_flag_or_date(box):
    strict(box.server, "reads the literal behind a wrong flag as commands")
    for words in ("(\\Foo) ", '"17-Foo-1996 02:44:25 -0700" ', "(\\Seen "):
        r = box.t.run("APPEND %s %s" % (quote(box.name), words.strip()), Lit(LETTER, plus=True))
        assert r.status in ("BAD", "NO"), words
    box.t.ok("NOOP")


# -- 6.4.1 to 6.4.3: CLOSE, UNSELECT, EXPUNGE ---------------------------------------------------------------------------

def test_close_expunges_silently_and_unselect_does_not(box):
    box.add(flags="\\Deleted")
    box.add()
    r = box.t.ok("UNSELECT")
    assert not r.all("EXPUNGE")
    assert box.select().one("EXISTS") == 2
    r = box.t.ok("CLOSE")
    assert not r.all("EXPUNGE") and not r.all("VANISHED")
    assert box.select().one("EXISTS") == 1


def test_expunge_tells_numbers_as_they_are_after_each(box):
    for flags in ("", "", "\\Deleted", "\\Deleted", "", "", "\\Deleted", "", "", "", "\\Deleted"):
        box.add(flags=flags)
    box.t.ok("NOOP")
    before = box.select() and list(box.t.ok("FETCH 1:* UID").by_uid())
    box.t.ok("EXPUNGE")
    assert box.t.view.uids == [u for u in before if u not in (3, 4, 7, 11)]
    assert sorted(box.t.ok("FETCH 1:* UID").by_uid()) == box.t.view.uids


def test_no_expunge_is_told_during_fetch_store_and_search(box):
    """section 7.4.1; the messages that are gone are answered or left out, and the rest keeps its numbers"""
    for _ in range(4):
        box.add(letter("x"))
    box.select()
    box.t.ok("FETCH 1:* (UID FLAGS)")
    other = box.again()
    other.ok("STORE 2 +FLAGS (\\Deleted)")
    other.ok("EXPUNGE")
    for command in ("FETCH 3 UID", "STORE 3 +FLAGS (\\Flagged)", "SEARCH ALL", "FETCH 1:4 FLAGS", "STORE 2 +FLAGS (\\Seen)", "FETCH 2 BODY[]"):
        r = box.t.run(command)  # the client itself refuses an EXPUNGE here
        assert r.status in ("OK", "NO"), command
        for items in [i for n, i in r.all("FETCH") if n == 3 and "UID" in i]:
            assert items["UID"] == 3
    r = box.t.ok("NOOP")
    assert r.all("EXPUNGE") == [2]
    assert [u for u in box.t.view.uids] == [1, 3, 4]


def test_uid_expunge_takes_only_the_named(box):
    """RFC 4315 section 2.1"""
    for flags in ("\\Deleted", "\\Deleted", "", "\\Deleted"):
        box.add(flags=flags)
    box.select()
    box.t.ok("FETCH 1:* UID")
    box.t.ok("UID EXPUNGE 2:3")
    assert box.t.view.uids == [1, 3, 4]
    box.t.ok("UID EXPUNGE 50:60")
    assert box.t.view.uids == [1, 3, 4]


# -- IDLE, NAMESPACE, ID ------------------------------------------------------------------------------------------------

def test_idle_tells_at_once(box):
    other = box.again()
    other.idle()
    uid = box.add(letter("idle"))
    other.idle_wait(lambda told: ("EXISTS", 1) in told, 3)
    box.t.ok("NOOP")
    box.t.ok("STORE 1 +FLAGS (\\Deleted)")
    other.idle_wait(lambda told: any(k == "FETCH" and "\\Deleted" in v[1].get("FLAGS", []) for k, v in told), 3)
    box.t.ok("EXPUNGE")
    other.idle_wait(lambda told: ("EXPUNGE", 1) in told, 3)
    assert other.done().status == "OK" and uid == 1


def test_idle_tells_of_delivery_at_once(server):
    with server.talk("carol") as t:
        n = t.ok("SELECT INBOX").one("EXISTS")
        t.idle()
        server.deliver("carol", letter("by delivery"))
        t.idle_wait(lambda told: any(k == "EXISTS" and v == n + 1 for k, v in told), 5)
        t.done()
        assert t.ok("FETCH %d ENVELOPE" % (n + 1)).fetches()[n + 1]["ENVELOPE"][1] == b"by delivery"


def test_idle_ends_by_done_only(server):
    with server.talk("alice") as t:
        t.ok("SELECT INBOX")
        t.idle()
        t.send(b"x NOOP\r\n")
        r = t.response()
        assert r[:2] == (t.idle_tag, "BAD") or r[1] == "BAD" or r[0] == "*"
    with server.talk("alice") as t:
        t.idle()
        t.send(b"done\r\n")
        assert t.response()[:2] == (t.idle_tag, "OK")


def test_namespace(server):
    with server.talk("alice") as t:
        mine, others, shared = t.ok("NAMESPACE").one("NAMESPACE")
        assert mine == [(b"", b"/")]
        assert others == [(b"Other Users/", b"/")]
        assert shared in (None, [(b"Shared/", b"/")])


def test_id(server):
    with server.talk() as t:
        found = t.ok('ID ("name" "test" "version" NIL)').one("ID")
        assert found is None or found["name"]
        t.ok("ID NIL")
        # RFC 2971 section 3.3: at most 30 fields, names of at most 30 octets
        r = t.run("ID (%s)" % " ".join('"f%d" "x"' % n for n in range(31)))
        assert r.status in ("BAD", "NO", "OK")


def test_unknown_charset_is_told(box):
    r = box.t.no("SEARCH CHARSET X-UNKNOWN-1 TEXT x")
    assert r.tagged_code and r.tagged_code[0] == "BADCHARSET"
    assert re.search("utf-8", str(r.tagged_code[1]).lower()) or not box.server.is_yizhan
