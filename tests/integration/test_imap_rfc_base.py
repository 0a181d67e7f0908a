"""RFC 3501 and 9051 as a client sees them: what is said in which state, SELECT, names, APPEND, FETCH, STORE, COPY.

Each test names the sections it is about. YIZHAN_READER=dovecot runs them on Dovecot."""

import base64
import re

import pytest

from imap_box import LETTER, Box, Lit, box, letter, need, quote, server, strict  # noqa: F401
from imap_talk import Bye, Wrong, numbers_of

MULTI = (b"From: a@example.org\r\nTo: b@example.org\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
         b'Content-Type: multipart/mixed; boundary="out"\r\n\r\npreamble\r\n--out\r\nContent-Type: text/plain\r\n\r\nfirst\r\n'
         b"--out\r\nContent-Type: application/octet-stream; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC/w==\r\n"
         b"--out\r\nContent-Type: message/rfc822\r\n\r\nFrom: in@example.org\r\nSubject: inner\r\nMIME-Version: 1.0\r\n"
         b'Content-Type: multipart/alternative; boundary="in"\r\n\r\n--in\r\n\r\ninner plain\r\n--in\r\nContent-Type: text/html\r\n'
         b"\r\n<p>inner</p>\r\n--in--\r\n\r\n--out--\r\nepilogue\r\n")


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
        assert t.response()[:2] == ("a", "OK")
        try:
            t.socket = ssl._create_unverified_context().wrap_socket(t.socket)
            t.socket.settimeout(0.5)
            t.send(b"c NOOP\r\n")
            assert t.response()[0] == "c"
        except (OSError, Bye):
            pass  # to end the connection is as good


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


# -- 6.3.3 to 6.3.9: names ----------------------------------------------------------------------------------------------

def names(t, reference, pattern, command="LIST"):
    return {(x[2] if isinstance(x[2], str) else x[2].decode()): set(x[0]) for x in t.ok(
        "%s %s %s" % (command, quote(reference), quote(pattern))).all(command)}


def test_list_tells_the_separator(server):
    with server.talk("alice") as t:
        attributes, separator, name, _ = t.ok('LIST "" ""').one("LIST")
        assert "\\noselect" in attributes and separator == b"/" and name == b""


def test_list_and_its_wildcards(box):
    t, n = box.t, box.name
    for name in ("%s/a", "%s/a/b", "%s/c"):
        t.ok("CREATE " + quote(name % n))
    assert set(names(t, "", n + "/*")) == {n + "/a", n + "/a/b", n + "/c"}
    assert set(names(t, "", n + "/%")) == {n + "/a", n + "/c"}
    assert set(names(t, "", n + "%")) == {n}
    assert set(names(t, n + "/", "%")) == {n + "/a", n + "/c"}
    assert set(names(t, "", n + "/a/%")) == {n + "/a/b"}
    assert set(names(t, "", n + "/%/b")) == {n + "/a/b"}
    assert names(t, "", "nowhere" + n) == {}
    found = names(t, "", n + "*")
    assert "\\haschildren" in found[n] and "\\haschildren" in found[n + "/a"] and "\\hasnochildren" in found[n + "/c"]


def test_create_makes_the_names_above(box):
    t, n = box.t, box.name
    t.ok("CREATE " + quote(n + "/x/y/z"))
    assert set(names(t, "", n + "/*")) == {n + "/x", n + "/x/y", n + "/x/y/z"}
    t.ok("CREATE " + quote(n + "/dir/"))  # RFC 9051 section 6.3.4: intent to create below
    t.ok("CREATE " + quote(n + "/dir/sub"))
    r = t.no("CREATE " + quote(n))
    assert r.tagged_code in (("ALREADYEXISTS", None), None)


@pytest.mark.parametrize("name", ["", "/x", "x//y", "a\x01b"])
def test_names_that_cannot_be(box, name):
    r = box.t.run("CREATE " + quote(name))
    assert r.status in ("NO", "BAD")


def test_names_outside_ascii(box):
    """RFC 3501 section 5.1.3: modified UTF-7"""
    name = box.name + "/&ZeVnLIqe-&-&AOk-"
    box.t.ok("CREATE " + quote(name))
    assert set(names(box.t, "", box.name + "/*")) == {name}
    box.t.ok("SELECT " + quote(name))
    box.t.ok("SELECT INBOX")
    box.t.ok("DELETE " + quote(name))


@pytest.mark.parametrize("name", ["&AGE-", "&ZeV", "&-&", "&AOk-&AOk-", "&2AA-"])
def test_wrong_utf7_is_no_name(box, name):
    r = box.t.run("CREATE " + quote(box.name + "/" + name))
    assert r.status in ("NO", "BAD") or not box.server.is_yizhan


def test_delete(box):
    t, n = box.t, box.name
    t.ok("CREATE " + quote(n + "/up"))
    t.ok("CREATE " + quote(n + "/up/down"))
    t.no("DELETE " + quote(n + "/nowhere"))
    r = t.run("DELETE " + quote(n + "/up"))
    found = names(t, "", n + "/*")
    assert n + "/up/down" in found, "what is below stays"
    if r.status == "OK" and n + "/up" in found and box.server.is_yizhan:
        assert "\\noselect" in found[n + "/up"] or "\\nonexistent" in found[n + "/up"]
        t.no("SELECT " + quote(n + "/up"))
    t.ok("SELECT INBOX")
    t.ok("DELETE " + quote(n + "/up/down"))
    t.no("SELECT " + quote(n + "/up/down"))


def test_a_mailbox_made_again_has_another_uidvalidity(box):
    name = quote(box.name + "/again")
    box.t.ok("CREATE " + name)
    first = box.t.ok("STATUS %s (UIDVALIDITY UIDNEXT)" % name).one("STATUS")[1]
    box.t.append(box.name + "/again", LETTER)
    box.t.ok("DELETE " + name)
    box.t.ok("CREATE " + name)
    again = box.t.ok("STATUS %s (UIDVALIDITY UIDNEXT)" % name).one("STATUS")[1]
    assert again["UIDVALIDITY"] > first["UIDVALIDITY"] or (
        again["UIDVALIDITY"] == first["UIDVALIDITY"] and again["UIDNEXT"] > first["UIDNEXT"])


def test_rename_takes_along_what_is_below(box):
    t, n = box.t, box.name
    t.ok("CREATE " + quote(n + "/a/b"))
    t.append(n + "/a/b", LETTER, "\\Flagged")
    t.ok("RENAME %s %s" % (quote(n + "/a"), quote(n + "/z/y")))
    found = names(t, "", n + "/*")
    assert n + "/z/y/b" in found and n + "/a" not in found and n + "/a/b" not in found
    assert t.ok("STATUS %s (MESSAGES)" % quote(n + "/z/y/b")).one("STATUS")[1] == {"MESSAGES": 1}
    t.no("RENAME %s %s" % (quote(n + "/nowhere"), quote(n + "/q")))
    if box.server.is_yizhan:
        t.no("RENAME %s INBOX" % quote(n + "/z"))
        t.no("RENAME %s %s" % (quote(n + "/z/y"), quote(n)))
    assert t.ok("SELECT " + quote(n + "/z/y/b")).one("EXISTS") == 1


def test_rename_of_a_mailbox_to_below_itself_is_refused(box):
    box.t.no("RENAME %s %s" % (quote(box.name), quote(box.name + "/in/it")))
    assert box.name in names(box.t, "", "*")


def test_rename_of_inbox_moves_its_mail_and_leaves_it_empty(server):
    """RFC 3501 section 6.3.5"""
    strict(server, "cannot do it with Maildir")
    with server.talk("dave") as t:
        t.append("INBOX", LETTER, "\\Answered")
        t.ok("CREATE INBOX/sub")
        r = t.ok("RENAME INBOX old-mail")
        assert r.status == "OK"
        found = names(t, "", "*")
        assert "INBOX" in found and "old-mail" in found
        assert "INBOX/sub" in found, "names below INBOX stay"
        assert t.ok("SELECT INBOX").one("EXISTS") == 0
        assert t.ok("SELECT old-mail").one("EXISTS") == 1
        assert "\\Answered" in t.ok("FETCH 1 FLAGS").fetches()[1]["FLAGS"]


def test_subscriptions(box):
    t, n = box.t, box.name
    t.ok("CREATE " + quote(n + "/s/t"))
    t.ok("SUBSCRIBE " + quote(n))
    t.ok("SUBSCRIBE " + quote(n + "/s/t"))
    assert set(names(t, "", n + "*", "LSUB")) == {n, n + "/s/t"}
    # section 6.3.9: with % the name above a subscribed one is told as \Noselect
    found = names(t, "", n + "/%", "LSUB")
    assert set(found) == {n + "/s"} and "\\noselect" in found[n + "/s"]
    t.ok("UNSUBSCRIBE " + quote(n))
    assert set(names(t, "", n + "*", "LSUB")) == {n + "/s/t"}
    t.ok("DELETE " + quote(n + "/s/t"))
    # section 6.3.6: the server must not take a subscription away because the mailbox is gone
    assert set(names(t, "", n + "*", "LSUB")) == {n + "/s/t"}
    t.ok("UNSUBSCRIBE " + quote(n + "/s/t"))


def test_status(box):
    box.add(flags="\\Seen")
    box.add()
    box.add(flags="\\Deleted")
    other = box.again(is_selecting=False)
    name, found = other.ok("STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)" % quote(box.name)).one("STATUS")
    assert name == box.name.encode()
    assert (found["MESSAGES"], found["UIDNEXT"], found["UNSEEN"]) == (3, 4, 2)
    assert found["UIDVALIDITY"] == box.selected.code("UIDVALIDITY")
    other.no("STATUS nowhere-%s (MESSAGES)" % box.name)
    if "IMAP4REV2" in other.capability():
        found = other.ok("STATUS %s (DELETED SIZE)" % quote(box.name)).one("STATUS")[1]
        assert found == {"DELETED": 1, "SIZE": 3 * len(LETTER)}


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
    for words in ("(\\Recent) ", '"17-Foo-1996 02:44:25 -0700" ', "(\\Seen "):
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
        assert r.status in ("BAD", "OK")


def test_unknown_charset_is_told(box):
    r = box.t.no("SEARCH CHARSET X-UNKNOWN-1 TEXT x")
    assert r.tagged_code and r.tagged_code[0] == "BADCHARSET"
    assert re.search("utf-8", str(r.tagged_code[1]).lower()) or not box.server.is_yizhan
