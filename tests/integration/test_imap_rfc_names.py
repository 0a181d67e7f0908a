"""RFC 3501 and 9051 sections 6.3.3 to 6.3.10 as a client sees them: CREATE, DELETE, RENAME, LIST, LSUB, STATUS."""

import pytest

from imap_box import LETTER, Box, Lit, box, letter, need, quote, server, strict  # noqa: F401


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
