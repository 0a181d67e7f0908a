"""Names, uses, teams, quota and annotations over IMAP: what is Yizhan's own beside test_imap_rfc_names.py."""

import imaplib

import pytest

from imap_box import letter, quote, server  # noqa: F401


def listed(t, command):
    """{name: attributes}"""
    return {x[2].decode() if isinstance(x[2], bytes) else x[2]: set(x[0]) for x in t.ok(command).all("LIST")}


def text(x):
    return x.decode() if isinstance(x, bytes) else x


@pytest.fixture
def bob(server):
    with server.talk("bob") as t:
        yield t


@pytest.fixture(scope="module")
def desk(server):
    """A team: bob reads, carol writes, dave manages."""
    cli = server.station.cli
    cli("account", "add", "desk@yizhan.test", "--kind", "team", "--quota", "10M")
    for who, rights in (("bob", "read"), ("carol", "write"), ("dave", "manage")):
        cli("account", "member", "add", "desk@yizhan.test", who + "@yizhan.test", "--rights", rights)
    server.deliver("desk", letter("for the desk"))
    return "Shared/desk@yizhan.test"


def test_a_new_account_has_a_mailbox_for_each_use(bob):
    found = listed(bob, 'LIST "" "*"')
    uses = {use: name for name, has in found.items() for use in has if use in
            ("\\drafts", "\\sent", "\\junk", "\\trash", "\\archive")}
    assert set(uses) == {"\\drafts", "\\sent", "\\junk", "\\trash", "\\archive"}, found
    assert set(listed(bob, 'LIST (SPECIAL-USE) "" "*"')) == set(uses.values())
    got = bob.ok("GETMETADATA %s /private/specialuse" % quote(uses["\\sent"])).one("METADATA")[1]
    assert got == {"/private/specialuse": b"\\Sent"}


def test_one_mailbox_a_use(bob):
    for use in ("\\Sent", "\\All", "\\Important", "\\Foo", "\\Junk \\Trash"):
        r = bob.no("CREATE one-more (USE (%s))" % use)
        assert r.tagged_code[0] == "USEATTR", use
    assert "one-more" not in listed(bob, 'LIST "" "*"')
    name = next(n for n, has in listed(bob, 'LIST "" "*"').items() if "\\archive" in has)
    bob.ok("DELETE " + quote(name))
    bob.ok("CREATE Stored (USE (\\Archive))")
    assert listed(bob, 'LIST (SPECIAL-USE) "" Stored') == {"Stored": {"\\archive"}}


def test_a_level_without_a_mailbox_is_told_in_the_words_of_the_client(bob):
    bob.ok("CREATE level/below")
    bob.ok("DELETE level")
    assert listed(bob, 'LIST "" level')["level"] == {"\\noselect", "\\haschildren"}
    assert listed(bob, 'LIST "" level RETURN (CHILDREN)')["level"] == {"\\nonexistent", "\\haschildren"}
    assert bob.no("DELETE level").tagged_code[0] == "NONEXISTENT"
    bob.ok("DELETE level/below")
    assert listed(bob, 'LIST "" "level*"') == {}


def test_what_cannot_be_done_says_why(bob):
    bob.ok("CREATE why/it")
    for command, code in (("CREATE INBOX", "ALREADYEXISTS"), ("CREATE why", "ALREADYEXISTS"), ("CREATE \"a//b\"", "CANNOT"),
                          ("CREATE \"a%b\"", "CANNOT"), ("CREATE \"&AAo-\"", "CANNOT"), ("DELETE INBOX", "CANNOT"),
                          ("DELETE nowhere", "NONEXISTENT"), ("DELETE \"a&b\"", "NONEXISTENT"), ("RENAME why why/it/self", "CANNOT"),
                          ("RENAME why INBOX", "ALREADYEXISTS"), ("RENAME nowhere x", "NONEXISTENT"), ("SUBSCRIBE \"a&b\"", "CANNOT"),
                          ("STATUS nowhere (MESSAGES)", "NONEXISTENT"), ("GETQUOTA nowhere", "NONEXISTENT"),
                          ("GETACL nowhere", "NONEXISTENT"), ("GETMETADATA nowhere /private/comment", "NONEXISTENT"),
                          ("SETMETADATA \"\" (/shared/comment \"x\")", "NOPERM"),
                          ("SETMETADATA INBOX (/private/specialuse \"x\")", "CANNOT"),
                          ("SETACL INBOX bob@yizhan.test l", "CANNOT"), ("SETACL INBOX nobody@yizhan.test l", "CANNOT")):
        r = bob.no(command)
        assert r.tagged_code and r.tagged_code[0] == code, (command, r)


def test_a_team_is_in_the_shared_namespace(server, desk):
    with server.talk("bob") as reader, server.talk("carol") as writer, server.talk("dave") as manager:
        (personal, others, shared) = reader.ok("NAMESPACE").one("NAMESPACE")
        assert text(shared[0][0]) == "Shared/" and text(others[0][0]) == "Other Users/" and text(personal[0][0]) == ""
        for t in (reader, writer, manager):
            found = listed(t, 'LIST "" "Shared/*"')
            assert desk in found and desk + "/Sent" in found
            assert not any("\\sent" in has for has in found.values()), "the team's uses are not one's own"
            assert t.ok("STATUS %s (MESSAGES)" % quote(desk)).one("STATUS")[1] == {"MESSAGES": 1}
        rights = [set(t.ok("MYRIGHTS " + quote(desk)).one("MYRIGHTS")[1]) for t in (reader, writer, manager)]
        assert rights[0] == set("lrs") and rights[1] >= set("lrswitek") and "a" not in rights[1] and "a" in rights[2]
        assert reader.no("CREATE " + quote(desk + "/new")).tagged_code[0] == "NOPERM"
        writer.ok("CREATE " + quote(desk + "/new"))
        assert desk + "/new" in listed(reader, 'LIST "" "Shared/*"')
        assert reader.no("GETACL " + quote(desk)).tagged_code[0] == "NOPERM"
        assert set(manager.ok("GETACL " + quote(desk)).one("ACL")[1]) >= {"desk@yizhan.test"}
        assert writer.no("RENAME %s mine" % quote(desk + "/new")).tagged_code[0] == "CANNOT"
    with server.talk("alice") as stranger:
        assert listed(stranger, 'LIST "" "Shared/*"') == {}
        assert stranger.no("STATUS %s (MESSAGES)" % quote(desk)).tagged_code[0] == "NONEXISTENT"


def test_room_is_told_to_who_owns_or_shares_it(server, desk):
    with server.talk("bob") as t:
        name, roots = t.ok("GETQUOTAROOT " + quote(desk)).one("QUOTAROOT")
        assert text(name) == desk and [text(r) for r in roots] == [desk]
        root, found = t.ok("GETQUOTA " + quote(desk)).one("QUOTA")
        assert text(root) == desk and "STORAGE" in str(found) and "10240" in str(found)
        assert [text(r) for r in t.ok("GETQUOTAROOT INBOX").one("QUOTAROOT")[1]] == [""]
    with server.talk("alice") as t:
        t.ok("CREATE lent")
        t.ok("SETACL lent bob@yizhan.test lr")
        assert t.no("GETQUOTA " + quote(desk)).tagged_code[0] == "NONEXISTENT"
    with server.talk("bob") as t:  # how much alice has is hers to know
        r = t.ok("GETQUOTAROOT " + quote(server.other("alice", "lent")))
        assert r.one("QUOTAROOT")[1] == [] and not r.all("QUOTA")


def test_rights_come_and_go_at_once(server, bob):
    other = server.other("alice", "plan")
    with server.talk("alice") as alice:
        alice.ok("CREATE plan/a/b")
        bob.no("STATUS %s (MESSAGES)" % quote(other))
        alice.ok("SETACL plan/a bob@yizhan.test lr")
        found = listed(bob, 'LIST "" "Other Users/*" RETURN (CHILDREN)')
        assert "\\nonexistent" not in found[other + "/a"]
        # the levels above are told, as names only, and nothing beside or below
        assert "\\nonexistent" in found[other] and other + "/a/b" not in found
        assert "\\hasnochildren" in found[other + "/a"]
        alice.ok("SETACL plan/a anyone l")
        alice.ok("SETACL plan/a -bob@yizhan.test r")
        assert bob.no("STATUS %s (MESSAGES)" % quote(other + "/a")).tagged_code[0] == "NOPERM"
        alice.ok("DELETEACL plan/a -bob@yizhan.test")
        bob.ok("STATUS %s (MESSAGES)" % quote(other + "/a"))
        alice.ok("DELETEACL plan/a bob@yizhan.test")
        alice.ok("DELETEACL plan/a anyone")
        assert bob.no("STATUS %s (MESSAGES)" % quote(other + "/a")).tagged_code[0] == "NONEXISTENT"
        assert not any("plan" in n for n in listed(bob, 'LIST "" "*"'))


def test_private_annotations_are_each_readers_own(server, bob):
    other = quote(server.other("alice", "noted"))
    with server.talk("alice") as alice:
        alice.ok("CREATE noted")
        alice.ok("SETACL noted bob@yizhan.test lr")
        alice.ok('SETMETADATA noted (/private/comment "hers" /shared/comment "all")')
        got = bob.ok("GETMETADATA %s (/private/comment /shared/comment)" % other).one("METADATA")[1]
        assert got == {"/private/comment": None, "/shared/comment": b"all"}
        bob.ok('SETMETADATA %s (/private/comment "his")' % other)
        assert bob.no('SETMETADATA %s (/shared/comment "x")' % other).tagged_code[0] == "NOPERM"
        got = alice.ok("GETMETADATA (DEPTH infinity) noted (/private /shared)").one("METADATA")[1]
        assert got == {"/private/comment": b"hers", "/shared/comment": b"all"}
        r = alice.ok('LIST "" noted RETURN (METADATA (/shared/comment))')
        assert r.one("METADATA")[1] == {"/shared/comment": b"all"}


def test_subscribing_tells_nothing(server, bob):
    with server.talk("alice") as alice:
        alice.ok("CREATE hidden")
    replies = []
    for folder in ("hidden", "nowhere"):
        name = server.other("alice", folder)
        r = bob.ok("SUBSCRIBE " + quote(name))
        replies.append((r.status, r.text, listed(bob, 'LIST (SUBSCRIBED) "" %s' % quote(name))[name]))
        bob.ok("UNSUBSCRIBE " + quote(name))
    assert replies[0] == replies[1]
    bob.ok("UNSUBSCRIBE never-subscribed")


def test_imaplib_sees_names_as_it_knows_them(server):
    with imaplib.IMAP4(*server.imap) as m:
        m.login(server.address("carol"), server.passwords["carol"])
        assert m.create("py/one")[0] == "OK" and m.rename("py/one", "py/two")[0] == "OK"
        assert m.subscribe("py/two")[0] == "OK"
        assert m.lsub('""', "py/%")[1] == [b'() "/" py/two']
        assert sorted(m.list('""', "py*")[1]) == [b'(\\HasChildren) "/" py', b'(\\HasNoChildren) "/" py/two']
        assert m.status("py/two", "(MESSAGES UIDNEXT)")[1] == [b"py/two (MESSAGES 0 UIDNEXT 1)"]
        assert m.setacl("py/two", "dave@yizhan.test", "lr")[0] == "OK"
        assert b"dave@yizhan.test lr" in m.getacl("py/two")[1][0]
        assert m.myrights("py/two")[1][0].endswith(b" lrswipkxtecda")
        assert m.getquotaroot("INBOX")[0] == "OK" and m.namespace()[0] == "OK"
        assert m.delete("py/two")[0] == "OK" and m.unsubscribe("py/two")[0] == "OK"
