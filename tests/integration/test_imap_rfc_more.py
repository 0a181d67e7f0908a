"""What else IMAP's extensions promise: LIST-EXTENDED (RFC 5258), LIST-STATUS (5819), LIST-MYRIGHTS (8440), SPECIAL-USE (6154),
CATENATE (4469), BINARY (3516), METADATA (5464), QUOTA (9208), OBJECTID (8474), PREVIEW (8970), COMPRESS (4978),
UNAUTHENTICATE (8437), UTF8=ACCEPT (6855), STATUS=SIZE (8438), APPENDLIMIT (7889), ENABLE (5161), ACL (4314)."""

import pytest

from imap_box import LETTER, Lit, box, letter, need, quote, server, strict  # noqa: F401
from imap_talk import Wrong, numbers_of

OFFERED = ("IMAP4rev1 IMAP4rev2 IDLE NAMESPACE ID ENABLE LITERAL+ SASL-IR UIDPLUS MOVE UNSELECT CONDSTORE QRESYNC ESEARCH SEARCHRES SORT "
           "SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES ESORT PARTIAL WITHIN SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED "
           "LIST-STATUS LIST-MYRIGHTS CHILDREN STATUS=SIZE MULTIAPPEND BINARY REPLACE CATENATE COMPRESS=DEFLATE QUOTA ACL METADATA "
           "OBJECTID SAVEDATE PREVIEW UTF8=ACCEPT NOTIFY UNAUTHENTICATE INPROGRESS UIDONLY MULTISEARCH SEARCH=FUZZY").split()


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_offered(server, name):
    strict(server, "offers less")
    with server.talk("alice") as t:
        assert name.upper() in t.capability()


def test_limits_are_told_as_capabilities(server):
    strict(server, "offers less")
    with server.talk("alice") as t:
        told = t.capability()
        assert any(c.startswith("APPENDLIMIT") for c in told) and any(c.startswith("MESSAGELIMIT=") for c in told)
        assert any(c.startswith("QUOTA=RES-STORAGE") for c in told)


# -- RFC 5258, 5819, 8440, 6154 -----------------------------------------------------------------------------------------

def listed(t, command):
    r = t.ok(command)
    return {(x[2] if isinstance(x[2], str) else x[2].decode()): (set(x[0]), x[3]) for x in r.all("LIST")}, r


@pytest.fixture
def tree(box):
    n = box.name
    for name in ("a", "a/b", "a/b/c", "d", "gone"):
        box.t.ok("CREATE " + quote("%s/%s" % (n, name)))
    box.t.ok("SUBSCRIBE " + quote(n + "/a/b"))
    box.t.ok("SUBSCRIBE " + quote(n + "/d"))
    box.t.ok("SUBSCRIBE " + quote(n + "/gone"))
    box.t.ok("DELETE " + quote(n + "/gone"))
    yield box
    for name in ("a/b", "d", "gone"):
        box.t.run("UNSUBSCRIBE " + quote("%s/%s" % (n, name)))


def test_list_subscribed(tree):
    need(tree, "LIST-EXTENDED")
    n = tree.name
    found, r = listed(tree.t, 'LIST (SUBSCRIBED) "" %s' % quote(n + "/*"))
    assert set(found) == {n + "/a/b", n + "/d", n + "/gone"} and not r.all("LSUB")
    assert all("\\subscribed" in attributes for attributes, _ in found.values())
    assert "\\nonexistent" in found[n + "/gone"][0], "RFC 5258 section 3"
    found, _ = listed(tree.t, 'LIST "" %s RETURN (SUBSCRIBED)' % quote(n + "/*"))
    assert "\\subscribed" in found[n + "/d"][0] and "\\subscribed" not in found[n + "/a"][0]
    found, _ = listed(tree.t, 'LIST "" %s RETURN (CHILDREN)' % quote(n + "/*"))
    assert "\\haschildren" in found[n + "/a"][0] and "\\hasnochildren" in found[n + "/d"][0]


def test_list_recursive_match(tree):
    need(tree, "LIST-EXTENDED")
    n = tree.name
    found, _ = listed(tree.t, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %s' % quote(n + "/%"))
    assert set(found) == {n + "/a", n + "/d", n + "/gone"}
    assert found[n + "/a"][1].get("CHILDINFO") == [b"SUBSCRIBED"]
    assert "\\subscribed" not in found[n + "/a"][0]
    tree.t.bad('LIST (RECURSIVEMATCH) "" *')
    r = tree.t.run('LIST (FOO) "" *')
    assert r.status == "BAD"


def test_list_of_several_patterns(tree):
    need(tree, "LIST-EXTENDED")
    n = tree.name
    found, r = listed(tree.t, 'LIST "" (%s %s %s)' % (quote(n + "/d"), quote(n + "/a/%"), quote(n + "/*d")))
    assert set(found) == {n + "/d", n + "/a/b"} and len(r.all("LIST")) == 2


def test_list_status(tree):
    need(tree, "LIST-STATUS")
    n = tree.name
    tree.t.append(n + "/d", LETTER)
    found, r = listed(tree.t, 'LIST "" %s RETURN (STATUS (MESSAGES UNSEEN))' % quote(n + "/*"))
    told = {name.decode(): items for name, items in r.all("STATUS")}
    assert set(told) == set(found) and told[n + "/d"] == {"MESSAGES": 1, "UNSEEN": 1}


def test_list_myrights(tree):
    need(tree, "LIST-MYRIGHTS")
    found, r = listed(tree.t, 'LIST "" %s RETURN (MYRIGHTS)' % quote(tree.name + "/d"))
    assert [(name, set("lrswikxtea") <= set(rights)) for name, rights in r.all("MYRIGHTS")] == [((tree.name + "/d").encode(), True)]


def test_special_use(server):
    with server.talk("alice") as t:
        need_t = t.capability()
        assert "SPECIAL-USE" in need_t
        found, _ = listed(t, 'LIST (SPECIAL-USE) "" * RETURN (SPECIAL-USE)')
        uses = {a for attributes, _ in found.values() for a in attributes}
        assert {"\\sent", "\\trash", "\\drafts"} <= uses
        if server.is_yizhan:
            assert {"\\junk", "\\archive"} <= uses
        found, _ = listed(t, 'LIST "" "*" RETURN (SPECIAL-USE)')
        assert any("\\sent" in a for a, _ in found.values()) and "INBOX" in found


def test_create_special_use(box):
    need(box, "CREATE-SPECIAL-USE")
    t, n = box.t, box.name
    r = t.run("CREATE %s (USE (\\Foo))" % quote(n + "/foo"))
    assert r.status == "NO" and r.tagged_code == ("USEATTR", None)
    found, _ = listed(t, 'LIST (SPECIAL-USE) "" *')
    name = [k for k, (a, _) in found.items() if "\\archive" in a][0]
    r = t.run("CREATE %s (USE (\\Archive))" % quote(n + "/archive"))
    if r.status == "OK":
        found, _ = listed(t, 'LIST (SPECIAL-USE) "" *')
        assert "\\archive" in found[n + "/archive"][0]
        t.ok("SELECT INBOX")
        t.ok("DELETE " + quote(n + "/archive"))
    else:
        assert r.tagged_code == ("USEATTR", None)
    assert name


# -- RFC 4469 -------------------------------------------------------------------------------------------------------------

PARTS = (b"From: a@example.org\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
         b"--b\r\n\r\nfirst\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC/w==\r\n--b--\r\n")


def test_catenate(box):
    need(box, "CATENATE")
    uid = box.add(PARTS)
    validity = box.selected.code("UIDVALIDITY")
    box.t.ok("NOOP")
    url = "/%s;UIDVALIDITY=%d/;UID=%d" % (box.name, validity, uid)
    r = box.t.ok("APPEND %s (\\Seen) CATENATE (URL \"%s/;SECTION=HEADER\" TEXT" % (quote(box.name), url), Lit(b"--b\r\n\r\nnew first\r\n--b\r\n"),
                 'URL "%s/;SECTION=2.MIME" URL "%s/;SECTION=2" TEXT' % (url, url), Lit(b"\r\n--b--\r\n"), ")")
    assert numbers_of(r.code("APPENDUID")[1]) == [2]
    box.t.ok("NOOP")
    got = box.fetch("(BODY.PEEK[] FLAGS)", "2")
    assert got["BODY[]"] == PARTS.replace(b"first", b"new first") and "\\Seen" in got["FLAGS"]
    for wrong in ("/%s/;UID=99" % box.name, "/nowhere/;UID=1", "foo:bar"):
        r = box.t.run("APPEND %s CATENATE (TEXT" % quote(box.name), Lit(b"x", plus=True), 'URL "%s")' % wrong)
        assert r.status == "NO" and r.tagged_code and r.tagged_code[0] == "BADURL", wrong
    box.t.ok("NOOP")
    assert len(box.t.view.uids) == 2


# -- RFC 3516 -------------------------------------------------------------------------------------------------------------

def test_binary(box):
    need(box, "BINARY")
    box.add(PARTS)
    qp = letter("qp", "gr=C3=BC=\r\nn\r\n", more="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: quoted-printable\r\n")
    box.add(qp)
    odd = letter("odd", "x", more="MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-own\r\n")
    box.add(odd)
    box.t.ok("NOOP")
    got = box.fetch("(BINARY.PEEK[2] BINARY.SIZE[2])")
    assert got["BINARY[2]"] == b"\x00\x01\x02\xff" and got["BINARY.SIZE[2]"] == 4
    assert "\\Seen" not in box.fetch("FLAGS")["FLAGS"]
    assert box.fetch("(BINARY.PEEK[2]<1.2>)")["BINARY[2]<1>"] == b"\x01\x02"
    assert box.fetch("BINARY.PEEK[1]", "2")["BINARY[1]"] == "grün\r\n".encode()
    assert box.fetch("BINARY.SIZE[1]", "2")["BINARY.SIZE[1]"] == len("grün\r\n".encode())
    r = box.t.run("FETCH 3 BINARY.PEEK[1]")
    assert r.status == "NO" and r.tagged_code == ("UNKNOWN-CTE", None)
    box.fetch("BINARY[1]", "2")
    assert "\\Seen" in box.fetch("FLAGS", "2")["FLAGS"]


def test_binary_append(box):
    need(box, "BINARY")
    octets = (b"From: a@example.org\r\nSubject: nul\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
              b"Content-Transfer-Encoding: binary\r\n\r\na\x00b\r\n\xff")
    r = box.t.run("APPEND " + quote(box.name), Lit(octets, is8=True))
    if r.status == "NO":
        assert r.tagged_code == ("UNKNOWN-CTE", None)
        return
    box.t.ok("NOOP")
    assert box.fetch("BINARY.PEEK[1]")["BINARY[1]"] == b"a\x00b\r\n\xff"
    text = box.fetch("BODY.PEEK[]")["BODY[]"]
    assert b"\0" not in text and b"nul" in text


# -- RFC 5464 -------------------------------------------------------------------------------------------------------------

def test_metadata(box):
    need(box, "METADATA")
    t, name = box.t, quote(box.name)
    t.ok("SETMETADATA %s (/private/comment \"mine\" /shared/comment" % name, Lit(b"all\r\nlines"), ")")
    mailbox, got = t.ok("GETMETADATA %s (/private/comment /shared/comment)" % name).one("METADATA")
    assert mailbox == box.name.encode() and got == {"/private/comment": b"mine", "/shared/comment": b"all\r\nlines"}
    r = t.ok("GETMETADATA %s /private/none" % name)
    assert not r.all("METADATA") or r.one("METADATA")[1] == {"/private/none": None}
    t.ok("SETMETADATA %s (/private/vendor/x/y \"1\" /private/vendor/x \"2\")" % name)
    r = t.ok("GETMETADATA (DEPTH infinity) %s /private/vendor" % name)
    keys = {k: v for _, d in r.all("METADATA") for k, v in d.items()}
    assert keys.get("/private/vendor/x/y") == b"1" and keys.get("/private/vendor/x") == b"2"
    t.ok("SETMETADATA %s (/private/comment NIL)" % name)
    r = t.ok("GETMETADATA %s /private/comment" % name)
    assert not r.all("METADATA") or r.one("METADATA")[1] == {"/private/comment": None}
    assert t.run("SETMETADATA %s (/foo/bar \"x\")" % name).status in ("BAD", "NO")
    assert t.run("GETMETADATA %s /private/comment" % quote(box.name + "/nowhere")).status == "NO"


def test_metadata_of_the_server(server):
    with server.talk("alice") as t:
        need_t = t.capability()
        assert "METADATA" in need_t or "METADATA-SERVER" in need_t
        assert t.run('GETMETADATA "" /shared/comment').status == "OK"


def test_metadata_maxsize(box):
    need(box, "METADATA")
    t, name = box.t, quote(box.name)
    t.ok("SETMETADATA %s (/private/comment \"%s\" /private/vendor/s \"s\")" % (name, "x" * 100))
    r = t.ok("GETMETADATA (MAXSIZE 10) %s (/private/comment /private/vendor/s)" % name)
    assert r.codes()["METADATA"][0] == "LONGENTRIES" and r.codes()["METADATA"][1] == 100
    assert r.one("METADATA")[1] == {"/private/vendor/s": b"s"}


# -- RFC 9208 -------------------------------------------------------------------------------------------------------------

def test_quota(box):
    need(box, "QUOTA")
    mailbox, roots = box.t.ok("GETQUOTAROOT " + quote(box.name)).one("QUOTAROOT")
    assert mailbox == box.name.encode()
    if not roots:
        return
    _, before = box.t.ok("GETQUOTA " + quote(roots[0])).one("QUOTA")
    box.add(letter("large", "x" * 70 * 1000 + "\r\n"))
    _, after = box.t.ok("GETQUOTA " + quote(roots[0])).one("QUOTA")
    if "STORAGE" in after:
        assert after["STORAGE"][0] - before["STORAGE"][0] in (68, 69, 70)
    assert box.t.run('GETQUOTA "nowhere"').status == "NO"
    assert box.t.run("SETQUOTA %s (STORAGE 1)" % quote(roots[0])).status in ("NO", "BAD"), "not for everyone"


# -- RFC 8474, 8970, 8438, 7889 -------------------------------------------------------------------------------------------

def test_object_ids(box):
    need(box, "OBJECTID")
    t, name = box.t, box.name + "/copy"
    r = t.ok("CREATE " + quote(name))
    made = r.code("MAILBOXID")
    assert made and t.ok("SELECT " + quote(name)).code("MAILBOXID") == made
    assert t.ok("STATUS %s (MAILBOXID)" % quote(name)).one("STATUS")[1]["MAILBOXID"] == made
    t.ok("RENAME %s %s" % (quote(name), quote(name + "2")))
    assert t.ok("STATUS %s (MAILBOXID)" % quote(name + "2")).one("STATUS")[1]["MAILBOXID"] == made
    box.add(letter("one", more="Message-ID: <o1@example.org>\r\n"))
    box.add(letter("Re: one", more="Message-ID: <o2@example.org>\r\nReferences: <o1@example.org>\r\n"))
    box.add(letter("something else", more="Message-ID: <o3@example.org>\r\n"))
    box.select()
    ids = {u: (i["EMAILID"], i["THREADID"]) for u, i in t.ok("FETCH 1:* (UID EMAILID THREADID)").by_uid().items()}
    assert len({e for e, _ in ids.values()}) == 3 and ids[1][1] == ids[2][1] != ids[3][1]
    t.ok("UID COPY 1 " + quote(name + "2"))
    t.ok("UID MOVE 3 " + quote(name + "2"))
    t.ok("SELECT " + quote(name + "2"))
    there = {i["EMAILID"] for i in t.ok("FETCH 1:* (UID EMAILID)").by_uid().values()}
    assert there == {ids[1][0], ids[3][0]}
    assert numbers_of(t.ok("SEARCH RETURN (ALL) EMAILID %s" % ids[1][0]).one("ESEARCH")["ALL"]) == [1]
    assert t.ok("SEARCH RETURN (COUNT) THREADID %s" % ids[1][1]).one("ESEARCH")["COUNT"] == 1


def test_preview(box):
    need(box, "PREVIEW")
    box.add(letter("p", "Hello there,\r\n\r\nthis   is the text.\r\n"))
    box.add(letter("h", "<html><head><title>t</title><style>p{x:y}</style></head><body><p>Only <b>this</b> &amp; that</p></body></html>\r\n",
                   more="MIME-Version: 1.0\r\nContent-Type: text/html\r\n"))
    box.add(letter("long", "wort öäü " * 100 + "\r\n", more="MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"))
    box.t.ok("NOOP")
    got = {n: (i["PREVIEW"] or b"").decode() for n, i in box.t.ok("FETCH 1:* (PREVIEW)").fetches().items()}
    assert got[1].startswith("Hello there,") and "this is the text." in got[1]
    assert "Only this & that" in got[2] and "p{" not in got[2]
    assert 20 <= len(got[3]) <= 256, "RFC 8970 section 3.1: at most 256 characters"
    assert "PREVIEW" in box.fetch("(PREVIEW (LAZY))")
    assert "\\Seen" not in box.fetch("FLAGS")["FLAGS"]


def test_status_size(box):
    need(box, "STATUS=SIZE")
    box.add()
    box.add()
    assert box.t.ok("STATUS %s (SIZE MESSAGES)" % quote(box.name)).one("STATUS")[1] == {"SIZE": 2 * len(LETTER), "MESSAGES": 2}


def test_append_limit(box):
    told = [c for c in box.t.capability() if c.startswith("APPENDLIMIT")]
    if not told:
        strict(box.server, "has no APPENDLIMIT")
    assert told
    limit = box.t.ok("STATUS %s (APPENDLIMIT)" % quote(box.name)).one("STATUS")[1]["APPENDLIMIT"]
    if "=" in told[0]:
        assert limit == int(told[0].split("=")[1])
    r = box.t.run("APPEND %s {%d}" % (quote(box.name), limit + 1))
    assert r.status == "NO" and r.tagged_code == ("TOOBIG", None)
    box.t.ok("NOOP")


# -- RFC 4978, 8437, 6855, 5161 -------------------------------------------------------------------------------------------

def test_compress(box):
    need(box, "COMPRESS=DEFLATE")
    box.add(letter("big", "the same line again and again\r\n" * 3000))
    t = box.again()
    t.compress()
    assert t.ok("FETCH 1 BODY.PEEK[]").fetches()[1]["BODY[]"].count(b"again and again") == 3000
    r = t.run("COMPRESS DEFLATE")
    assert r.status in ("NO", "BAD") and (r.tagged_code == ("COMPRESSIONACTIVE", None) or not box.server.is_yizhan)
    t.append(box.name, LETTER)
    t.idle()
    box.t.ok("NOOP")
    box.t.ok("STORE 1 +FLAGS (\\Flagged)")
    t.idle_wait(lambda u: any(k == "FETCH" for k, _ in u))
    t.done()
    assert t.run("COMPRESS FOO").status in ("BAD", "NO")


def test_unauthenticate(box):
    need(box, "UNAUTHENTICATE")
    t = box.again("QRESYNC")
    t.ok("UNAUTHENTICATE")
    t.bad("SELECT INBOX")
    t.bad("FETCH 1 FLAGS")
    t.login(box.server.address("bob"), box.server.passwords["bob"])
    assert t.run("SELECT " + quote(box.name)).status == "NO", "alice's mailbox is not bob's"
    r = t.ok("SELECT INBOX")
    assert not r.all("VANISHED")
    t.ok("UNAUTHENTICATE")
    t.bad("UNAUTHENTICATE")


def test_utf8_accept(box):
    need(box, "UTF8=ACCEPT")
    t = box.again("UTF8=ACCEPT", is_selecting=False)
    name = box.name + "/Grüße"
    t.ok("CREATE " + quote(name))
    assert [x[2].decode() for x in t.ok('LIST "" %s' % quote(box.name + "/*")).all("LIST")] == [name]
    assert [x[2].decode() for x in box.t.ok('LIST "" %s' % quote(box.name + "/*")).all("LIST")] == [box.name + "/Gr&APwA3w-e"]
    octets = "From: zoë@example.org\r\nTo: b@example.org\r\nSubject: Grüße\r\n\r\nx\r\n".encode()
    t.ok("APPEND %s UTF8 (" % quote(name), Lit(octets, is8=True), ")")
    t.ok("SELECT " + quote(name))
    got = t.ok("FETCH 1 (ENVELOPE BODY.PEEK[])").fetches()[1]
    assert got["BODY[]"] == octets and got["ENVELOPE"][1].decode() == "Grüße"
    assert t.ok('SEARCH SUBJECT "grüße"').last("SEARCH")[0] == [1]
    assert t.run("SEARCH CHARSET UTF-8 ALL").status == "BAD", "RFC 6855 section 3"


def test_enable_tells_what_it_enabled(server):
    with server.talk("alice") as t:
        assert t.ok("ENABLE X-FOO CONDSTORE").one("ENABLED") in (["CONDSTORE"],)
        r = t.ok("ENABLE X-BAR")
        assert r.last("ENABLED") in (None, [])
        t.ok("ENABLE qresync")
        assert t.ok("SELECT INBOX").code("HIGHESTMODSEQ")


# -- RFC 4314 -------------------------------------------------------------------------------------------------------------

def test_acl(box):
    need(box, "ACL")
    t, name, bob = box.t, quote(box.name), box.server.address("bob")
    mailbox, acl = t.ok("GETACL " + name).one("ACL")
    assert mailbox == box.name.encode() and set("lrswipkxtea") <= set(acl[box.server.address("alice")]) | {"p"}
    t.ok("SETACL %s %s lr" % (name, bob))
    assert set(t.ok("GETACL " + name).one("ACL")[1][bob]) == set("lr")
    t.ok("SETACL %s %s +w" % (name, bob))
    t.ok("SETACL %s %s -l" % (name, bob))
    assert set(t.ok("GETACL " + name).one("ACL")[1][bob]) == set("rw")
    t.ok("DELETEACL %s %s" % (name, bob))
    assert bob not in t.ok("GETACL " + name).one("ACL")[1]
    _, who, rights = t.ok("LISTRIGHTS %s %s" % (name, bob)).one("LISTRIGHTS")
    assert who == bob and set("".join(rights)) >= set("lrswikxtea")
    assert set("lrswikxtea") <= set(t.ok("MYRIGHTS " + name).one("MYRIGHTS")[1])
    assert t.run("SETACL %s %s q7" % (name, bob)).status in ("BAD", "NO")
    assert t.run("SETACL %s nobody-here@yizhan.test lr" % name).status in ("OK", "NO")


def test_acl_rights_of_rfc2086_are_understood(box):
    """RFC 4314 section 2.1.1: "c" and "d" stand for the rights they were split into"""
    need(box, "ACL")
    name, bob = quote(box.name), box.server.address("bob")
    box.t.ok("SETACL %s %s lrcd" % (name, bob))
    got = set(box.t.ok("GETACL " + name).one("ACL")[1][bob])
    assert {"k", "x", "t", "e"} <= got or {"k", "t", "e"} <= got
