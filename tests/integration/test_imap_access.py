"""Who may do what to another's mailbox: every command that names a mailbox × every right × every place of the name.

Expected is what the table of RFC 4314 section 4 says. Whoever has no "l" gets, for all that he may not do, the very reply
that he gets for a mailbox that is not there; LIST shows it iff he has "l"."""

import itertools
import os
import re

import pytest

from imap_box import letter, server, strict  # noqa: F401
from imap_talk import Bye, Lit, quote

RIGHTS = "lrswikxtea"
NUMBERS = itertools.count(1)


class Row:
    """One command. {m} the mailbox (quoted), {n} its bare name, {own} a mailbox of the asker's with one letter (selected),
    {new} a name of his that is free.

    needs     all these rights; or a tuple of strings: one of them
    is_exact  with "l" and the rights it is OK; else they are only necessary
    is_ruinous  it changes the mailbox: each run gets a fresh one
    """

    def __init__(self, name, command, needs, is_exact=True, is_ruinous=False, literal=None, capability=None, lax=False):
        self.name, self.command, self.needs = name, command, needs if isinstance(needs, tuple) else (needs,)
        self.is_exact, self.is_ruinous, self.literal, self.capability, self.lax = is_exact, is_ruinous, literal, capability, lax

    def is_met(self, rights):
        return any(set(n) <= set(rights) for n in self.needs)


LETTER = letter("by another")
TABLE = [
    Row("SELECT", "SELECT {m}", "r"), Row("EXAMINE", "EXAMINE {m}", "r"),
    Row("SELECT QRESYNC", "SELECT {m} (QRESYNC (1 1))", "r", capability="QRESYNC"),
    Row("STATUS", "STATUS {m} (MESSAGES UIDNEXT UNSEEN)", "r"),
    Row("STATUS SIZE", "STATUS {m} (SIZE)", "r"),
    Row("APPEND", "APPEND {m}", "i", is_ruinous=True, literal=LETTER),
    Row("CATENATE into", "APPEND {m} CATENATE (TEXT", "i", is_ruinous=True, literal=LETTER, capability="CATENATE"),
    Row("CATENATE from", 'APPEND {own} CATENATE (URL "/{n}/;UID=1")', "r", capability="CATENATE", lax=True),
    Row("COPY to", "COPY 1 {m}", "i", is_ruinous=True), Row("UID COPY to", "UID COPY 1 {m}", "i", is_ruinous=True),
    Row("MOVE to", "MOVE 1 {m}", "i", is_ruinous=True), Row("UID MOVE to", "UID MOVE 1 {m}", "i", is_ruinous=True),
    Row("REPLACE to", "REPLACE 1 {m}", "i", is_ruinous=True, literal=LETTER, capability="REPLACE"),
    Row("CREATE below", "CREATE {below}", "k", is_ruinous=True),
    Row("CREATE it again", "CREATE {m}", (), is_exact=False, lax=True),
    Row("DELETE", "DELETE {m}", "x", is_ruinous=True, lax=True),
    Row("RENAME from", "RENAME {m} {new}", "x", is_exact=False, is_ruinous=True),
    Row("RENAME to below", "RENAME {own} {below}", "k", is_exact=False, is_ruinous=True),
    Row("SUBSCRIBE", "SUBSCRIBE {m}", "l", is_exact=False, lax=True), Row("UNSUBSCRIBE", "UNSUBSCRIBE {m}", "", is_exact=False, lax=True),
    Row("GETACL", "GETACL {m}", "a"), Row("SETACL", "SETACL {m} carol@yizhan.test lr", "a", is_ruinous=True),
    Row("DELETEACL", "DELETEACL {m} carol@yizhan.test", "a", is_ruinous=True), Row("LISTRIGHTS", "LISTRIGHTS {m} carol@yizhan.test", "a"),
    Row("MYRIGHTS", "MYRIGHTS {m}", tuple("lrikxa"), lax=True),
    # RFC 5464 section 3.3: "l", and any of these
    Row("GETMETADATA", "GETMETADATA {m} /private/comment", tuple("rswi"), is_exact=False, capability="METADATA", lax=True),
    Row("SETMETADATA", 'SETMETADATA {m} (/shared/comment "x")', tuple("wra"), is_exact=False, is_ruinous=True, capability="METADATA", lax=True),
    Row("GETQUOTAROOT", "GETQUOTAROOT {m}", "r", is_exact=False, capability="QUOTA", lax=True),
    Row("ESEARCH", "ESEARCH IN (mailboxes {m}) RETURN (COUNT) ALL", "", is_exact=False, capability="MULTISEARCH"),
    Row("ESEARCH subtree", "ESEARCH IN (subtree {m}) RETURN (ALL) ALL", "", is_exact=False, capability="MULTISEARCH"),
    Row("NOTIFY", "NOTIFY SET STATUS (mailboxes {m} (MessageNew MessageExpunge))", "", is_exact=False, capability="NOTIFY"),
    Row("NOTIFY subtree", "NOTIFY SET STATUS (subtree {m} (MessageNew MessageExpunge))", "", is_exact=False, capability="NOTIFY"),
    Row("LIST it", 'LIST "" {m}', "", is_exact=False), Row("LSUB it", 'LSUB "" {m}', "", is_exact=False),
    Row("LIST with status", 'LIST "" {m} RETURN (STATUS (MESSAGES))', "", is_exact=False),
    Row("LIST children", 'LIST "" {m} RETURN (CHILDREN SUBSCRIBED SPECIAL-USE)', "", is_exact=False),
    Row("LIST with rights", 'LIST "" {m} RETURN (MYRIGHTS)', "", is_exact=False, capability="LIST-MYRIGHTS"),
    Row("LIST with metadata", 'LIST "" {m} RETURN (METADATA (/shared/comment))', "", is_exact=False, capability="LIST-METADATA"),
]


class World:
    """Alice's mailboxes and the sessions of those who ask."""

    def __init__(self, server):
        self.server = server
        self.alice, self.bob = server.talk("alice"), server.talk("bob")
        self.bob.ok("CREATE mine")
        self.offered = self.bob.capability()
        # one mailbox that bob may see, so that the names above exist for him whatever he may do else
        self.alice.ok("CREATE seen")
        self.alice.ok("SETACL seen %s l" % server.address("bob"))
        self.shared = {}

    def mailbox(self, rights, is_fresh):
        """The name of one of alice's where bob has these rights, as alice names it."""
        if not is_fresh and rights in self.shared:
            return self.shared[rights]
        name = "m%d" % next(NUMBERS)
        self.alice.ok("CREATE " + name)
        for flags in ("", "\\Deleted"):
            self.alice.append(name, letter("secret"), flags)
        if rights:
            self.alice.ok("SETACL %s %s %s" % (name, self.server.address("bob"), rights))
        if not is_fresh:
            self.shared[rights] = name
        return name

    def ask(self, row, talk, name, own="mine"):
        """The reply, with all that differs by name or number taken out."""
        new = "new%d" % next(NUMBERS)
        talk.run("CREATE " + own)
        talk.append(own, letter("own"))
        talk.ok("SELECT " + own)
        words = {"m": quote(name), "n": name, "below": quote(name + "/sub"), "own": own, "new": new}
        parts = [row.command.format(**words)]
        if row.literal:
            parts.append(Lit(row.literal, plus=True))
        if row.command.endswith("(TEXT"):
            parts.append(")")
        if "QRESYNC" in row.command:
            talk.run("ENABLE QRESYNC")
        reply = talk.run(*parts)
        if row.name.startswith("NOTIFY"):
            talk.ok("NOTIFY NONE")
        return reply, told(reply, name)


def told(reply, name):
    """What the asker can see of it."""
    def clean(x):
        text = repr(x).replace(name, "M")
        text = re.sub(r"\([0-9.]+ \+ [0-9.]+( \+ [0-9.]+)? secs\)", "", text)
        return re.sub(r"new[0-9]+|'TAG': 't[0-9]+'|\bm[0-9]+\b", "", text)
    untagged = [u for u in reply.untagged if u[0] not in ("EXISTS", "RECENT", "EXPUNGE", "FETCH", "VANISHED")
                and not (u[0] == "OK" and u[1][0] and u[1][0][0] in ("CLOSED", "HIGHESTMODSEQ"))]
    return (reply.status, clean(reply.tagged_code), clean(reply.text), [clean(u) for u in untagged])


@pytest.fixture(scope="module")
def world(server):
    return World(server)


def combinations():
    yield ""
    for right in RIGHTS:
        yield right
    for right in RIGHTS[1:]:
        yield "l" + right
    for right in RIGHTS[1:] if os.environ.get("YIZHAN_LONG") else "":
        yield RIGHTS.replace(right, "")
    yield RIGHTS.replace("l", "")
    yield RIGHTS


@pytest.mark.parametrize("row", TABLE, ids=[r.name for r in TABLE])
def test_every_command_with_every_right(world, row):
    if row.capability and row.capability not in world.offered:
        assert not world.server.is_yizhan, row.capability
        pytest.skip("Dovecot has no " + row.capability)
    if row.lax and not world.server.is_yizhan:
        pytest.skip("Dovecot does otherwise")
    if row.name == "CREATE it again":
        row = Row("CREATE it again", row.command, "\0", is_exact=False)  # nobody may
    absent_name = world.server.other("alice", "absent")
    _, absent = world.ask(row, world.bob, absent_name)
    wrong = []
    for rights in combinations():
        name = world.server.other("alice", world.mailbox(rights, row.is_ruinous))
        reply, seen = world.ask(row, world.bob, name)
        is_met = row.is_met(rights)
        if reply.status == "BAD":
            wrong.append("%r: BAD: %r" % (rights, reply))
        elif not is_met and reply.status == "OK" and absent[0] != "OK":
            wrong.append("%r: it was done: %r" % (rights, reply))
        elif is_met and row.is_exact and "l" in rights and reply.status != "OK":
            wrong.append("%r: it was refused: %r" % (rights, reply))
        elif "l" not in rights and seen != absent and not (is_met and row.needs != ("",) and reply.status == "OK"):
            wrong.append("%r: %r, and for a mailbox that is not there %r" % (rights, seen, absent))
    assert not wrong, "\n".join(wrong)


def test_list_shows_what_may_be_looked_up(world):
    for rights in combinations():
        name = world.server.other("alice", world.mailbox(rights, False))
        for command in ('LIST "" "*"', 'LIST "" "Other Users/*"', 'LIST "" %s' % quote(name), 'LIST "" "*" RETURN (STATUS (MESSAGES))'):
            r = world.bob.ok(command)
            names = {x[2].decode() if isinstance(x[2], bytes) else x[2] for x in r.all("LIST") if "\\nonexistent" not in x[0]}
            assert (name in names) == ("l" in rights), (rights, command)
            told_of = {n if isinstance(n, str) else n.decode() for n, _ in r.all("STATUS")}
            assert not (name in told_of and "l" not in rights)
        assert name not in str(world.bob.ok('LSUB "" "*"').untagged) or "l" in rights


def test_none_is_told_of_an_account_that_shares_nothing(world):
    """Nor whether the account is there at all."""
    strict(world.server, "cannot open what nobody shares")
    t = world.server.talk("dave")
    seen = []
    for name in (world.server.other("alice", "seen"), world.server.other("carol", "Sent"), "Other Users/nobody-here@yizhan.test/Sent"):
        for command in ("SELECT %s", "STATUS %s (MESSAGES)", 'LIST "" %s', "MYRIGHTS %s", "GETACL %s", "DELETE %s"):
            seen.append((command, told(t.run(command % quote(name)), name)))
    for command in {c for c, _ in seen}:
        replies = [repr(s) for c, s in seen if c == command]
        assert len({re.sub(r"[a-z-]+@yizhan.test|nobody-here|/Sent|/seen", "", r) for r in replies}) == 1, replies
    t.close()


def test_the_owner_may_all(world):
    for row in TABLE:
        if row.capability and row.capability not in world.offered or row.name in ("CREATE it again", "CATENATE from", "RENAME to below"):
            continue
        name = world.mailbox("", True)
        reply, _ = world.ask(row, world.alice, name, own="alices")
        assert reply.status == "OK" or not world.server.is_yizhan, (row.name, reply)


INSIDE = [("STORE 1 +FLAGS (\\Seen)", "s", "\\seen"), ("STORE 1 +FLAGS (\\Flagged)", "w", "\\flagged"),
          ("STORE 1 +FLAGS (Keyword)", "w", "keyword"), ("STORE 1 +FLAGS (\\Deleted)", "t", "\\deleted"),
          ("FETCH 1 BODY[]", "s", "\\seen"), ("UID STORE 1 FLAGS (\\Answered)", "w", "\\answered")]


@pytest.mark.parametrize("command, needed, flag", INSIDE, ids=[c for c, _, _ in INSIDE])
def test_flags_change_by_right(world, command, needed, flag):
    for right in "swteika":
        name = world.mailbox("lr" + right, True)
        world.bob.ok("SELECT " + quote(world.server.other("alice", name)))
        r = world.bob.run(command)
        assert r.status in ("OK", "NO")
        world.alice.ok("EXAMINE " + name)
        flags = {f.lower() for f in world.alice.ok("FETCH 1 FLAGS").fetches()[1]["FLAGS"]}
        assert (flag in flags) == (right == needed), (right, r)
    world.bob.ok("UNSELECT")


@pytest.mark.parametrize("command", ["EXPUNGE", "UID EXPUNGE 2", "CLOSE", "MOVE 1 mine", "UID MOVE 1 mine"])
def test_messages_go_by_right(world, command):
    for rights in ("lr", "lrs", "lrw", "lrt", "lri", "lre", "lrte"):
        name = world.mailbox(rights, True)
        world.bob.ok("SELECT " + quote(world.server.other("alice", name)))
        r = world.bob.run(command)
        assert r.status in ("OK", "NO")
        left = world.alice.ok("STATUS %s (MESSAGES)" % name).one("STATUS")[1]["MESSAGES"]
        # RFC 6851: MOVE is COPY, STORE +FLAGS \\Deleted and EXPUNGE, and asks for their rights
        may = "e" in rights and ("t" in rights or "MOVE" not in command or not world.server.is_yizhan)
        assert left == (1 if may else 2), (rights, r)
        if world.bob.view is not None:
            world.bob.ok("UNSELECT")


def test_flags_of_what_is_appended_need_their_rights(world):
    """Section 4: without s, t or w the letter comes without those flags, or not at all."""
    for rights, kept in (("lri", set()), ("lris", {"\\seen"}), ("lrit", {"\\deleted"}), ("lriw", {"\\flagged"})):
        name = world.mailbox(rights, True)
        r = world.bob.run("APPEND %s (\\Seen \\Deleted \\Flagged)" % quote(world.server.other("alice", name)), Lit(LETTER))
        world.alice.ok("EXAMINE " + name)
        got = world.alice.ok("FETCH 1:* FLAGS").fetches()
        if r.status == "OK":
            assert {f.lower() for f in got[3]["FLAGS"]} - {"\\recent"} == kept, rights
        else:
            assert len(got) == 2


def test_rights_of_anyone_and_negative_rights(world):
    strict(world.server, "refuses anyone by default")
    name = world.mailbox("", True)
    there = quote(world.server.other("alice", name))
    world.alice.ok("SETACL %s anyone lr" % name)
    assert world.bob.run("SELECT " + there).status == "OK"
    world.bob.ok("UNSELECT")
    world.alice.ok("SETACL %s -%s r" % (name, world.server.address("bob")))
    assert world.bob.run("SELECT " + there).status == "NO"
    world.alice.ok("DELETEACL %s -%s" % (name, world.server.address("bob")))
    world.alice.ok("DELETEACL %s anyone" % name)
    assert world.bob.run("SELECT " + there).status == "NO"


def test_rights_that_are_taken_away_count_at_once(world):
    """Also for who has the mailbox open."""
    name = world.mailbox("lrswte", True)
    world.bob.ok("SELECT " + quote(world.server.other("alice", name)))
    world.bob.ok("STORE 1 +FLAGS (\\Flagged)")
    world.alice.ok("DELETEACL %s %s" % (name, world.server.address("bob")))
    if world.server.is_yizhan:
        for command in ("STORE 1 +FLAGS (\\Seen)", "FETCH 1 BODY.PEEK[]"):
            try:
                r = world.bob.run(command)
                assert r.status in ("NO", "BAD") and not r.all("FETCH")
            except (Bye, OSError):  # the session may be ended
                world.bob = world.server.talk("bob")
        world.alice.ok("EXAMINE " + name)
        assert "\\Seen" not in world.alice.ok("FETCH 1 FLAGS").fetches()[1]["FLAGS"]
        assert world.bob.run("SELECT " + quote(world.server.other("alice", name))).status == "NO"
    else:  # Dovecot remembers rights for a while in sessions that are open
        assert world.server.talk("bob").run("SELECT " + quote(world.server.other("alice", name))).status == "NO"
