"""What RFC 8621 demands of a server, section by section, asked of one that runs. What test_jmap_mail_read,
test_jmap_mail_write and test_jmap_submission show already is not shown again."""

import itertools
import threading
import time

import pytest

from jmap_hand import Jmap, JmapError
from station import Yizhan

ME = "alice@yizhan.test"
NUMBERS = itertools.count(1)
RIGHTS = {"mayReadItems", "mayAddItems", "mayRemoveItems", "maySetSeen", "maySetKeywords", "mayCreateChild",
          "mayRename", "mayDelete", "maySubmit"}


@pytest.fixture(scope="module")
def server():
    with Yizhan(conf="demo = yes\n") as s:
        yield s


@pytest.fixture(scope="module")
def jmap(server):
    return Jmap(server)


@pytest.fixture(scope="module")
def roles(jmap):
    return {b["role"]: b["id"] for b in jmap.call("Mailbox/get", ids=None)["list"] if b["role"]}


@pytest.fixture(scope="module")
def identity(jmap):
    return jmap.call("Identity/get", ids=None)["list"][0]["id"]


@pytest.fixture
def box(jmap):
    """A mailbox for one test, which goes with all that is in it."""
    id = jmap.create("Mailbox", name="conform %d" % next(NUMBERS))
    yield id

    def drop(id):
        for kid in jmap.call("Mailbox/query", filter={"parentId": id})["ids"]:
            drop(kid)
        assert jmap.set("Mailbox", destroy=[id], onDestroyRemoveEmails=True)["destroyed"] == [id]

    drop(id)


def text(box, subject="a letter", **more):
    return {"mailboxIds": {box: True}, "subject": subject, "from": [{"email": ME}], "to": [{"email": "bob@yizhan.test"}],
            "textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "text"}}, **more}


def put(jmap, box, octets, keywords=None):
    """Imports octets; the Email's id."""
    blob = jmap.upload(octets.replace("\n", "\r\n").encode() if isinstance(octets, str) else octets, "message/rfc822")
    got = jmap.call("Email/import", emails={"k": {"blobId": blob, "mailboxIds": {box: True}, "keywords": keywords or {}}})
    assert got["created"], got
    return got["created"]["k"]["id"]


def fails(jmap, method, type, **args):
    with pytest.raises(JmapError) as why:
        jmap.call(method, **args)
    assert why.value.type == type, why.value.error


# ---- 1.3: capabilities --------------------------------------------------------------------------------------


def test_what_an_account_can_is_told_1_3(jmap):
    can = jmap.session["accounts"][jmap.id]["accountCapabilities"]
    mail, sub = can["urn:ietf:params:jmap:mail"], can["urn:ietf:params:jmap:submission"]
    assert set(mail) == {"maxMailboxesPerEmail", "maxMailboxDepth", "maxSizeMailboxName", "maxSizeAttachmentsPerEmail",
                         "emailQuerySortOptions", "mayCreateTopLevelMailbox"}
    assert mail["maxMailboxesPerEmail"] is None or mail["maxMailboxesPerEmail"] >= 1
    assert mail["maxSizeMailboxName"] >= 100 and mail["mayCreateTopLevelMailbox"] is True
    assert "receivedAt" in mail["emailQuerySortOptions"]
    assert type(sub["maxDelayedSend"]) is int and all(type(v) is list for v in sub["submissionExtensions"].values())
    assert can["urn:ietf:params:jmap:vacationresponse"] == {}


def test_each_sort_that_is_told_of_works_1_3_1(jmap):
    mail = jmap.session["accounts"][jmap.id]["accountCapabilities"]["urn:ietf:params:jmap:mail"]
    for name in mail["emailQuerySortOptions"]:
        jmap.call("Email/query", sort=[{"property": name, **({"keyword": "$seen"} if "Keyword" in name else {})}])


# ---- 2: Mailbox ---------------------------------------------------------------------------------------------


def test_a_mailbox_has_all_its_properties_2(jmap):
    for b in jmap.call("Mailbox/get", ids=None)["list"]:
        assert set(b) == {"id", "name", "parentId", "role", "sortOrder", "totalEmails", "unreadEmails", "totalThreads",
                          "unreadThreads", "myRights", "isSubscribed"}
        assert set(b["myRights"]) == RIGHTS and all(type(v) is bool for v in b["myRights"].values())
        assert b["name"] and 0 <= b["sortOrder"] < 2**31 and b["role"] == (b["role"] and b["role"].lower())


@pytest.mark.parametrize("properties, at_fault", [
    ({"name": ""}, "name"), ({"name": 5}, "name"), ({"name": "x" * 1000}, "name"), ({"name": "a\tb"}, "name"), ({}, "name"),
    ({"name": "x", "parentId": "Fnothing"}, "parentId"), ({"name": "x", "role": "inbox"}, "role"),
    ({"name": "x", "sortOrder": -1}, "sortOrder"), ({"name": "x", "sortOrder": 2**31}, "sortOrder"),
    ({"name": "x", "totalEmails": 1}, "totalEmails"), ({"name": "x", "id": "F1"}, "id"),
    ({"name": "x", "isSubscribed": "yes"}, "isSubscribed"), ({"name": "x", "myRights": {}}, "myRights")], ids=str)
def test_mailboxes_that_cannot_be_2_5(jmap, properties, at_fault):
    why = jmap.refused("Mailbox", **properties)
    assert why["type"] == "invalidProperties" and at_fault in why["properties"], why


def test_all_that_is_at_fault_is_told_8620_5_3(jmap, box):
    why = jmap.refused("Mailbox", name="", sortOrder=-1, totalEmails=52, id="F1", myRights={"mayDelete": False})
    assert set(why["properties"]) == {"name", "sortOrder", "totalEmails", "id", "myRights"}
    assert set(jmap.update("Mailbox", box, sortOrder=-1, isSubscribed=5)["properties"]) == {"sortOrder", "isSubscribed"}
    assert set(jmap.refused("Identity", name=5, nothing=1)["properties"]) == {"name", "nothing", "email"}
    got = jmap.call("Email/import", emails={"k": {}, "n": {"nothing": 1, "blobId": ["x"], "mailboxIds": "x"}})["notCreated"]
    assert set(got["k"]["properties"]) == {"blobId", "mailboxIds"}
    assert set(got["n"]["properties"]) == {"nothing", "blobId", "mailboxIds"}
    id = jmap.create("Email", **text(box))
    assert set(jmap.update("Email", id, **{"keywords/$seen": 1, "mailboxIds/x": True})["properties"]) == {
        "keywords/$seen", "mailboxIds/x"}


def test_what_the_server_sets_may_be_told_as_it_will_be_2_5(jmap, box):
    made = {k: v for k, v in jmap.get("Mailbox", jmap.create("Mailbox", name="made", parentId=box)).items() if k != "id"}
    jmap.create("Mailbox", **{**made, "name": "again"})


def turned(object):
    """The same, with all members in the other order."""
    return {k: turned(v) for k, v in reversed(object.items())} if type(object) is dict else object


def test_whole_objects_may_be_sent_back_8620_5_3(jmap, box, identity, roles):
    email = jmap.create("Email", **text(box))
    kinds = {"Mailbox": [box, roles["inbox"]], "Identity": [identity], "VacationResponse": ["singleton"],
             "EmailSubmission": [jmap.create("EmailSubmission", **send(jmap, identity, email))]}
    for kind, ids in kinds.items():
        for id in ids:
            assert jmap.update(kind, id, **turned(jmap.get(kind, id))) is None, kind
    rights = {right: False for right in RIGHTS}
    assert jmap.update("Mailbox", box, myRights=rights, totalEmails=52)["properties"] == ["myRights", "totalEmails"]
    why = jmap.update("EmailSubmission", kinds["EmailSubmission"][0], threadId="T1", sendAt="2001-01-01T00:00:00Z")
    assert (why["type"], why["properties"]) == ("invalidProperties", ["threadId", "sendAt"])


def test_what_is_kept_otherwise_is_told_8620_5_3(jmap, box):
    got = jmap.set("Mailbox", create={"k": {"name": "e\u0301", "parentId": box}})["created"]["k"]
    assert got["name"] == "\u00e9" == jmap.get("Mailbox", got["id"])["name"]
    got = jmap.set("Mailbox", update={got["id"]: {"name": "o\u0301", "sortOrder": 3}})["updated"]
    assert list(got.values()) == [{"name": "\u00f3"}]
    said = {"subject": "", "textBody": "away", "fromDate": "2024-01-01T00:00:00.5Z"}
    got = jmap.set("VacationResponse", update={"singleton": said})["updated"]["singleton"]
    kept = jmap.get("VacationResponse", "singleton")
    assert {k for k in said if said[k] != kept[k]} == set(got) and all(got[k] == kept[k] for k in got)
    assert jmap.update("VacationResponse", "singleton", textBody=None, fromDate=None) is None


def test_no_two_siblings_have_one_name_2(jmap, box):
    a = jmap.create("Mailbox", name="twin", parentId=box)
    why = jmap.refused("Mailbox", name="twin", parentId=box)
    assert (why["type"], why["existingId"], why["properties"]) == ("alreadyExists", a, ["name"])
    assert jmap.refused("Mailbox", name="Inbox")["type"] == "alreadyExists"
    b = jmap.create("Mailbox", name="other", parentId=box)
    assert jmap.update("Mailbox", b, name="twin")["type"] == "invalidProperties"
    assert jmap.update("Mailbox", b, parentId=a, name="twin") is None


def test_mailboxes_are_in_no_ring_2(jmap, box):
    kid = jmap.create("Mailbox", name="kid", parentId=box)
    for parent in (box, kid):
        why = jmap.update("Mailbox", box, parentId=parent)
        assert why["type"] == "invalidProperties" and why["properties"] == ["parentId"]


def test_what_is_valid_at_the_end_is_done_whatever_its_order_8620_5_3(jmap, box):
    a, b, c = (jmap.create("Mailbox", name=n, parentId=box) for n in "abc")
    got = jmap.set("Mailbox", update={a: {"name": "b"}, b: {"name": "c"}, c: {"name": "d"}})
    assert set(got["updated"] or {}) == {a, b, c}, got["notUpdated"]
    got = jmap.set("Mailbox", update={a: {"name": "c"}, b: {"name": "b"}})
    assert set(got["updated"] or {}) == {a, b}, got["notUpdated"]
    assert [jmap.get("Mailbox", x)["name"] for x in (a, b, c)] == ["c", "b", "d"]
    got = jmap.set("Mailbox", create={"k": {"name": "d", "parentId": box}}, destroy=[c])
    assert got["created"] and got["destroyed"] == [c], got
    last = got["created"]["k"]["id"]
    roles = ["important", "flagged", "all"]
    for turn in range(3):
        got = jmap.set("Mailbox", update={id: {"role": roles[(i + turn) % 3]} for i, id in enumerate((a, b, last))})
        assert set(got["updated"] or {}) == {a, b, last}, got["notUpdated"]
        assert [jmap.get("Mailbox", id)["role"] for id in (a, b, last)] == roles[turn:] + roles[:turn]
    assert jmap.update("Mailbox", a, role="flagged")["type"] == "invalidProperties"
    got = jmap.set("Mailbox", update={a: {"role": "important", "name": ""}, b: {"role": "flagged"}, last: {"role": "all"}})
    assert got["updated"] is None and [jmap.get("Mailbox", id)["role"] for id in (a, b, last)] == roles[2:] + roles[:2]
    kid = jmap.create("Mailbox", name="kid", parentId=a)
    assert sorted(jmap.set("Mailbox", destroy=[a, kid])["destroyed"]) == sorted([a, kid])


def test_a_role_is_one_mailbox_s_alone_2(jmap, box, roles):
    assert jmap.update("Mailbox", box, role="trash")["type"] == "invalidProperties"
    assert jmap.update("Mailbox", box, role="important") is None and jmap.get("Mailbox", box)["role"] == "important"
    assert jmap.update("Mailbox", box, role=None) is None and jmap.get("Mailbox", box)["role"] is None


def test_mailboxes_with_children_or_emails_stay_2_5(jmap, box):
    kid = jmap.create("Mailbox", name="kid", parentId=box)
    assert jmap.set("Mailbox", destroy=[box])["notDestroyed"][box]["type"] == "mailboxHasChild"
    id = jmap.create("Email", **text(kid))
    assert jmap.set("Mailbox", destroy=[kid])["notDestroyed"][kid]["type"] == "mailboxHasEmail"
    assert jmap.get("Email", id) is not None
    other = jmap.create("Email", **text(box))
    assert jmap.update("Email", id, **{"mailboxIds/" + box: True}) is None
    assert jmap.set("Mailbox", destroy=[kid], onDestroyRemoveEmails=True)["destroyed"] == [kid]
    assert jmap.get("Email", id)["mailboxIds"] == {box: True} and jmap.get("Email", other)["mailboxIds"] == {box: True}


def test_counters_alone_are_told_as_such_2_2(jmap, box):
    state = jmap.call("Mailbox/get", ids=[])["state"]
    jmap.create("Email", **text(box))
    got = jmap.call("Mailbox/changes", sinceState=state)
    assert got["updated"] == [box]
    assert set(got["updatedProperties"]) == {"totalEmails", "unreadEmails", "totalThreads", "unreadThreads"}
    jmap.update("Mailbox", box, sortOrder=3)
    assert jmap.call("Mailbox/changes", sinceState=state)["updatedProperties"] is None


def test_a_new_name_is_told_also_when_counters_change_behind_the_page_2_2(jmap, box):
    other = jmap.create("Mailbox", name="other", parentId=box)
    state = jmap.call("Mailbox/get", ids=[])["state"]
    jmap.update("Mailbox", other, name="renamed")
    jmap.update("Mailbox", box, sortOrder=9)
    jmap.create("Email", **text(other))
    told = {}
    while True:
        got = jmap.call("Mailbox/changes", sinceState=state, maxChanges=1)
        for id in got["updated"]:
            told.setdefault(id, []).append(got["updatedProperties"])
        state = got["newState"]
        if not got["hasMoreChanges"]:
            break
    assert None in told[other] and None in told[box], told


def test_drafts_and_trash_count_as_they_must_2(jmap, box, roles):
    get = lambda id: jmap.get("Mailbox", id)  # noqa: E731
    jmap.create("Email", **text(box, keywords={"$draft": True}))
    assert (get(box)["totalEmails"], get(box)["unreadEmails"]) == (1, 0)
    jmap.create("Email", **text(box))
    jmap.create("Email", **text(box, keywords={"$seen": True}))
    b = get(box)
    assert [b[k] for k in ("totalEmails", "unreadEmails", "totalThreads", "unreadThreads")] == [3, 1, 3, 1]


@pytest.mark.parametrize("filter, want", [
    ({"parentId": None}, lambda b, top: b["parentId"] is None), ({"name": "OX"}, lambda b, top: "ox" in b["name"].lower()),
    ({"role": "sent"}, lambda b, top: b["role"] == "sent"), ({"role": None}, lambda b, top: b["role"] is None),
    ({"hasAnyRole": True}, lambda b, top: b["role"] is not None), ({"isSubscribed": False}, lambda b, top: not b["isSubscribed"]),
    ({"operator": "NOT", "conditions": [{"hasAnyRole": True}]}, lambda b, top: b["role"] is None)], ids=str)
def test_filters_of_mailboxes_2_3(jmap, box, filter, want):
    jmap.create("Mailbox", name="kid", parentId=box)
    every = jmap.call("Mailbox/get", ids=None)["list"]
    got = jmap.call("Mailbox/query", filter=filter)["ids"]
    assert sorted(got) == sorted(b["id"] for b in every if want(b, box))


def test_trees_of_mailboxes_2_3(jmap, box):
    a = jmap.create("Mailbox", name="a", parentId=box, sortOrder=2)
    b = jmap.create("Mailbox", name="b", parentId=box, sortOrder=1)
    deep = jmap.create("Mailbox", name="deep conform", parentId=a)
    got = jmap.call("Mailbox/query", sort=[{"property": "sortOrder"}, {"property": "name"}], sortAsTree=True)["ids"]
    at = got.index(box)
    assert got[at:at + 4] == [box, b, a, deep]
    whole = jmap.call("Mailbox/query", filter={"name": "conform"})["ids"]
    tree = jmap.call("Mailbox/query", filter={"name": "conform"}, filterAsTree=True)["ids"]
    assert set(whole) == {box, deep} and tree == [box]
    jmap.set("Mailbox", destroy=[deep])


# ---- 3: Thread ----------------------------------------------------------------------------------------------


def test_threads_are_ordered_by_when_they_were_received_3(jmap, box):
    first = jmap.create("Email", **text(box, messageId=["t1@x"], receivedAt="2024-03-03T00:00:00Z"))
    early = jmap.create("Email", **text(box, "Re: a letter", inReplyTo=["t1@x"], references=["t1@x"], receivedAt="2024-03-01T00:00:00Z"))
    late = jmap.create("Email", **text(box, "Re: a letter", references=["t1@x"], receivedAt="2024-03-05T00:00:00Z"))
    thread = jmap.get("Email", first)["threadId"]
    state = jmap.call("Thread/get", ids=[])["state"]
    assert jmap.get("Thread", thread) == {"id": thread, "emailIds": [early, first, late]}
    jmap.set("Email", destroy=[early])
    assert thread in jmap.call("Thread/changes", sinceState=state)["updated"]
    jmap.set("Email", destroy=[first, late])
    assert thread in jmap.call("Thread/changes", sinceState=state)["destroyed"]
    assert jmap.call("Thread/get", ids=[thread])["notFound"] == [thread]


# ---- 4.1: Email, its properties -----------------------------------------------------------------------------

LETTER = """From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>, "B, C" <bc@example.org>
To: Friends: ann@example.org, "Bob" <bob@example.org>;, eve@example.org
Subject: =?utf-8?b?5L2g5aW9?= there
 folded
Date: Thu, 13 Mar 2025 10:11:12 +0530
Message-ID: <one@example.org>
References: <a@x> <b@x>
List-Post: <mailto:list@example.org>
X-Twice: one
X-Twice:  two
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/plain; charset=utf-8

plain words
--i
Content-Type: text/html; charset=utf-8

<p>rich words</p>
--i--
--o
Content-Type: image/png; name="pic.png"
Content-Disposition: inline; filename="pic.png"
Content-ID: <pic@x>
Content-Transfer-Encoding: base64

aGVsbG8=
--o
Content-Type: application/pdf
Content-Disposition: attachment; filename="paper.pdf"
Content-Language: de, en
Content-Location: http://example.org/paper.pdf

%PDF
--o--
"""


@pytest.fixture(scope="module")
def letter(jmap, roles):
    return put(jmap, roles["archive"], LETTER)


@pytest.mark.parametrize("property, want", [
    ("header:X-Twice", "  two"), ("header:X-Twice:all", [" one", "  two"]), ("header:x-twice:asText", "two"),
    ("header:X-Twice:asRaw:all", [" one", "  two"]), ("header:X-None", None), ("header:X-None:all", []),
    ("header:X-None:asText:all", []), ("header:Subject:asText", "你好 there folded"),
    ("header:Subject", " =?utf-8?b?5L2g5aW9?= there\r\n folded"),
    ("header:Date:asDate", "2025-03-13T10:11:12+05:30"), ("header:References:asMessageIds", ["a@x", "b@x"]),
    ("header:Message-ID:asMessageIds", ["one@example.org"]), ("header:List-Post:asURLs", ["mailto:list@example.org"]),
    ("header:From:asAddresses", [{"name": "Jörg", "email": "joerg@example.org"}, {"name": "B, C", "email": "bc@example.org"}]),
    ("header:To:asGroupedAddresses", [
        {"name": "Friends", "addresses": [{"name": None, "email": "ann@example.org"}, {"name": "Bob", "email": "bob@example.org"}]},
        {"name": None, "addresses": [{"name": None, "email": "eve@example.org"}]}]),
    ("header:X-Twice:asDate", None), ("header:X-Twice:asURLs", None), ("header:X-Twice:asMessageIds", None),
    ("to", [{"name": None, "email": "ann@example.org"}, {"name": "Bob", "email": "bob@example.org"},
            {"name": None, "email": "eve@example.org"}]),
    ("subject", "你好 there folded"), ("sentAt", "2025-03-13T10:11:12+05:30"), ("messageId", ["one@example.org"]),
    ("inReplyTo", None), ("references", ["a@x", "b@x"]), ("sender", None), ("replyTo", None), ("cc", None), ("bcc", None),
    ("hasAttachment", True), ("keywords", {})])
def test_fields_in_their_forms_4_1_2(jmap, letter, property, want):
    assert jmap.get("Email", letter, properties=[property])[property] == want


@pytest.mark.parametrize("property", [
    "header:", "header:Subject:asDate", "header:From:asText", "header:Subject:all:asText", "header:Subject:asNothing",
    "header:Date:asAddresses", "header:Subject:asText:asText", "header:List-Post:asDate", "header:a b", "Header:Subject", "subject:all"])
def test_forms_that_do_not_fit_are_refused_4_1_2(jmap, letter, property):
    fails(jmap, "Email/get", "invalidArguments", ids=[letter], properties=[property])


def test_a_property_comes_back_under_the_name_it_was_asked_for_4_1_3(jmap, letter):
    names = ["header:SUBJECT:asText", "header:subject:asText"]
    assert set(jmap.get("Email", letter, properties=names)) == {"id", *names}


PART = {"partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"}


def test_parts_of_a_body_4_1_4(jmap, letter):
    e = jmap.get("Email", letter, properties=["textBody", "htmlBody", "attachments", "bodyStructure", "headers"])
    assert all(set(p) == PART for p in e["textBody"] + e["htmlBody"] + e["attachments"])
    assert [p["type"] for p in e["textBody"]] == ["text/plain", "image/png"]
    assert [p["type"] for p in e["htmlBody"]] == ["text/html", "image/png"]
    assert [p["name"] for p in e["attachments"]] == ["paper.pdf"]
    paper, pic = e["attachments"][0], e["textBody"][1]
    assert (paper["disposition"], paper["language"], paper["location"]) == (
        "attachment", ["de", "en"], "http://example.org/paper.pdf")
    assert (pic["cid"], pic["size"], pic["disposition"], pic["charset"]) == ("pic@x", 5, "inline", None)
    assert jmap.download(pic["blobId"]) == b"hello" and jmap.download(paper["blobId"]) == b"%PDF"
    root = e["bodyStructure"]
    assert root["type"] == "multipart/mixed" and root["partId"] is None and root["blobId"] is None
    assert [p["type"] for p in root["subParts"]] == ["multipart/alternative", "image/png", "application/pdf"]
    assert {"name": "X-Twice", "value": " one"} in e["headers"] and e["headers"][0]["name"] in ("From", "Received", "Return-Path")


def test_only_the_properties_of_parts_that_were_asked_for_4_2(jmap, letter):
    e = jmap.get("Email", letter, properties=["textBody", "bodyStructure"],
                 bodyProperties=["partId", "type", "header:Content-Type", "subParts"])
    assert [set(p) for p in e["textBody"]] == [{"partId", "type", "header:Content-Type"}] * 2 or all(
        set(p) - {"subParts"} == {"partId", "type", "header:Content-Type"} for p in e["textBody"])
    assert e["bodyStructure"]["subParts"][0]["subParts"][0]["header:Content-Type"] == " text/plain; charset=utf-8"
    fails(jmap, "Email/get", "invalidArguments", ids=[letter], bodyProperties=["nothing"])


@pytest.mark.parametrize("flags, want", [
    ({}, []), ({"fetchTextBodyValues": True}, ["plain words"]), ({"fetchHTMLBodyValues": True}, ["<p>rich words</p>"]),
    ({"fetchTextBodyValues": True, "fetchHTMLBodyValues": True}, ["<p>rich words</p>", "plain words"]),
    ({"fetchAllBodyValues": True}, ["<p>rich words</p>", "plain words"]),
    ({"fetchTextBodyValues": True, "maxBodyValueBytes": 5}, ["plain"]),
    ({"fetchTextBodyValues": True, "maxBodyValueBytes": 0}, ["plain words"])], ids=str)
def test_values_of_bodies_4_2(jmap, letter, flags, want):
    values = jmap.get("Email", letter, properties=["bodyValues"], **flags)["bodyValues"]
    assert sorted(v["value"] for v in values.values()) == want
    for v in values.values():
        assert v["isEncodingProblem"] is False and v["isTruncated"] == (v["value"] == "plain")


def test_what_is_told_unless_said_otherwise_4_2(jmap, letter):
    assert set(jmap.get("Email", letter)) == {
        "id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo", "references",
        "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment", "preview", "bodyValues",
        "textBody", "htmlBody", "attachments"}
    assert set(jmap.get("Email", letter, fetchTextBodyValues=True, bodyProperties=["type"])["textBody"][0]) == {"type"}


def test_the_blob_of_an_email_is_the_message_4_1_1(jmap, letter):
    e = jmap.get("Email", letter, properties=["blobId", "size", "preview"])
    octets = jmap.download(e["blobId"])
    assert len(octets) == e["size"] and octets.endswith(LETTER.replace("\n", "\r\n").encode())
    assert "plain words" in e["preview"] and len(e["preview"]) <= 256


# ---- 4.1.1: keywords ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word, is_good", [
    ("$Flagged", True), ("my-word", True), ("x.y", True), ("a" * 255, True), ("a" * 256, False), ("", False), ("with blank", False),
    ("a(b", False), ("a)b", False), ("a{b", False), ("a]b", False), ("a%b", False), ("a*b", False), ('a"b', False), ("a\\b", False),
    ("ü", False), ("a\x7f", False)])
def test_keywords_4_1_1(jmap, box, word, is_good):
    got = jmap.set("Email", create={"k": text(box, keywords={word: True})})
    if is_good:
        assert jmap.get("Email", got["created"]["k"]["id"])["keywords"] == {word.lower(): True}
    else:
        assert got["notCreated"]["k"]["type"] == "invalidProperties"
        assert got["notCreated"]["k"]["properties"] == ["keywords"]


def test_keywords_know_no_case_4_1_1(jmap, box):
    id = jmap.create("Email", **text(box, keywords={"$SEEN": True, "Mine": True}))
    assert jmap.get("Email", id)["keywords"] == {"$seen": True, "mine": True}
    assert jmap.update("Email", id, **{"keywords/MINE": None, "keywords/$Seen": None}) is None
    assert jmap.get("Email", id)["keywords"] == {}
    for condition, want in (("hasKeyword", []), ("notKeyword", [id])):
        assert jmap.call("Email/query", filter={"inMailbox": box, condition: "MINE"})["ids"] == want


# ---- 4.4: Email/query ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shelf(jmap, roles):
    """Three Emails, of which the first two are one thread."""
    box = jmap.create("Mailbox", name="shelf")
    one = jmap.create("Email", **text(box, "apples", messageId=["s1@x"], receivedAt="2024-05-01T00:00:00Z", keywords={"$seen": True, "red": True},
                                      cc=[{"email": "carol@example.org"}]))
    two = jmap.create("Email", **text(box, "Re: apples", references=["s1@x"], receivedAt="2024-05-02T00:00:00Z",
                                      **{"header:X-Box:asText": "of wood"}))
    three = jmap.create("Email", **text(box, "pears", receivedAt="2024-05-03T00:00:00Z", bcc=[{"email": "dave@example.org"}],
                                        bodyValues={"t": {"value": "sweet pears " * 300}}))
    return box, [one, two, three]


@pytest.mark.parametrize("filter, want", [
    ({"inMailboxOtherThan": "shelf"}, []), ({"before": "2024-05-02T00:00:00Z"}, [0]), ({"after": "2024-05-02T00:00:00Z"}, [1, 2]),
    ({"minSize": 2000}, [2]), ({"maxSize": 2000}, [0, 1]), ({"allInThreadHaveKeyword": "$seen"}, []),
    ({"someInThreadHaveKeyword": "$seen"}, [0, 1]), ({"noneInThreadHaveKeyword": "$seen"}, [2]), ({"hasKeyword": "red"}, [0]),
    ({"notKeyword": "red"}, [1, 2]), ({"hasAttachment": True}, []), ({"hasAttachment": False}, [0, 1, 2]), ({"text": "pears"}, [2]),
    ({"from": "alice"}, [0, 1, 2]), ({"to": "bob"}, [0, 1, 2]), ({"cc": "carol"}, [0]), ({"bcc": "dave"}, [2]),
    ({"subject": "apples"}, [0, 1]), ({"body": "sweet"}, [2]), ({"header": ["X-Box"]}, [1]), ({"header": ["x-box", "WOOD"]}, [1]),
    ({"header": ["X-Box", "iron"]}, []), ({"subject": "apples", "hasKeyword": "red"}, [0])], ids=str)
def test_conditions_4_4_1(jmap, shelf, filter, want):
    box, ids = shelf
    filter = {k: [box] if v == "shelf" else v for k, v in filter.items()}
    got = jmap.call("Email/query", filter={"inMailbox": box, **filter}, sort=[{"property": "receivedAt"}])["ids"]
    assert [ids.index(x) for x in got] == want


@pytest.mark.parametrize("filter", [
    {"inMailbox": 5}, {"inMailboxOtherThan": "x"}, {"before": "yesterday"}, {"minSize": -1}, {"minSize": "1"}, {"hasKeyword": 1},
    {"hasAttachment": "yes"}, {"text": 5}, {"header": "Subject"}, {"header": []}, {"header": ["a", "b", "c"]}], ids=str)
def test_conditions_of_the_wrong_type_4_4_1(jmap, filter):
    fails(jmap, "Email/query", "invalidArguments", filter=filter)


def test_a_thread_is_told_once_by_its_first_4_4_3(jmap, shelf):
    box, (one, two, three) = shelf
    for ascending, want in ((True, [one, three]), (False, [three, two])):
        got = jmap.call("Email/query", filter={"inMailbox": box}, collapseThreads=True, calculateTotal=True,
                        sort=[{"property": "receivedAt", "isAscending": ascending}])
        assert got["ids"] == want and got["total"] == 2


def test_sorts_by_keyword_need_one_4_4_2(jmap):
    for name in ("hasKeyword", "allInThreadHaveKeyword", "someInThreadHaveKeyword"):
        with pytest.raises(JmapError) as why:
            jmap.call("Email/query", sort=[{"property": name}])
        assert why.value.type in ("invalidArguments", "unsupportedSort")


# ---- 4.6: Email/set -----------------------------------------------------------------------------------------

PLAIN = {"partId": "t", "type": "text/plain"}


@pytest.mark.parametrize("more, at_fault", [
    ({"mailboxIds": {}}, "mailboxIds"), ({"mailboxIds": None}, "mailboxIds"), ({"headers": []}, "headers"),
    ({"header:Subject:asText": "again"}, "header:Subject:asText"), ({"header:Content-Type": " text/plain"}, "header:Content-Type"),
    ({"header:Content-Transfer-Encoding:asText": "7bit"}, "header:Content-Transfer-Encoding:asText"),
    ({"bodyStructure": PLAIN}, "bodyStructure"), ({"textBody": [PLAIN, PLAIN]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/html"}]}, "textBody"), ({"htmlBody": [PLAIN]}, "htmlBody"),
    ({"textBody": [{"partId": "none", "type": "text/plain"}]}, "textBody"),
    ({"textBody": [{"partId": "t", "blobId": "G1", "type": "text/plain"}]}, "textBody"),
    ({"textBody": [{**PLAIN, "charset": "utf-8"}]}, "textBody"), ({"textBody": [{**PLAIN, "size": 4}]}, "textBody"),
    ({"textBody": [{**PLAIN, "header:Content-Transfer-Encoding": " 8bit"}]}, "textBody"),
    ({"textBody": [{**PLAIN, "headers": []}]}, "textBody"),
    ({"bodyValues": {"t": {"value": "x", "isTruncated": True}}}, "bodyValues"),
    ({"bodyValues": {"t": {"value": "x", "isEncodingProblem": True}}}, "bodyValues"),
    ({"bodyValues": {"t": {"value": "x"}, "of no part": {"value": "x", "isTruncated": True}}}, "bodyValues"),
    ({"id": "M1"}, "id"), ({"threadId": "T1"}, "threadId"), ({"size": 5}, "size"), ({"preview": "x"}, "preview"),
    ({"hasAttachment": True}, "hasAttachment"), ({"blobId": "G1"}, "blobId"), ({"nothing": 1}, "nothing"),
    ({"from": "me"}, "from"), ({"from": [{"name": "x"}]}, "from"), ({"messageId": ["a b"]}, "messageId"),
    ({"sentAt": "yesterday"}, "sentAt"), ({"receivedAt": "yesterday"}, "receivedAt"), ({"subject": 5}, "subject"),
    ({"header:X-A:asDate": "2024-01-01"}, "header:X-A:asDate"), ({"header:From:asText": "x"}, "header:From:asText")], ids=str)
def test_what_cannot_be_made_4_6(jmap, box, more, at_fault):
    why = jmap.refused("Email", **text(box, **more))
    assert why["type"] == "invalidProperties", why
    assert any(p.startswith(at_fault) for p in why["properties"]), why


def test_what_is_null_or_empty_is_not_there_4_6(jmap, box):
    id = jmap.create("Email", **text(box, cc=None, sender=None, inReplyTo=None, attachments=[], htmlBody=None))
    e = jmap.get("Email", id, properties=["cc", "sender", "inReplyTo", "attachments", "headers"])
    assert (e["cc"], e["sender"], e["inReplyTo"], e["attachments"]) == (None, None, None, [])
    assert not {"cc", "sender", "in-reply-to"} & {h["name"].lower() for h in e["headers"]}


def test_what_is_missing_the_server_makes_4_6(jmap, box):
    got = jmap.set("Email", create={"k": text(box)})["created"]["k"]
    assert {"id", "blobId", "threadId", "size"} <= set(got)
    e = jmap.get("Email", got["id"], properties=["messageId", "sentAt", "receivedAt", "header:MIME-Version:asText", "size"])
    assert len(e["messageId"]) == 1 and e["sentAt"] and e["header:MIME-Version:asText"] == "1.0" and e["size"] == got["size"]


def test_blobs_that_are_missing_are_named_4_6(jmap, box):
    why = jmap.refused("Email", **text(box, attachments=[{"blobId": id, "type": "image/png"} for id in ("Gnone", "Gno", "Gnone")]))
    assert (why["type"], sorted(why["notFound"])) == ("blobNotFound", ["Gno", "Gnone"])


def test_keywords_and_mailboxes_change_at_once_4_6(jmap, box, roles):
    id = jmap.create("Email", **text(box))
    state = jmap.call("Email/get", ids=[])["state"]
    assert jmap.update("Email", id, **{"keywords/$seen": True, "mailboxIds": {roles["archive"]: True}}) is None
    e = jmap.get("Email", id)
    assert (e["keywords"], e["mailboxIds"]) == ({"$seen": True}, {roles["archive"]: True})
    got = jmap.call("Email/changes", sinceState=state)
    assert (got["created"], got["updated"], got["destroyed"]) == ([], [id], [])
    assert jmap.set("Email", destroy=[id])["destroyed"] == [id]


def test_an_email_stays_in_one_mailbox_at_least_4_6(jmap, box):
    id = jmap.create("Email", **text(box))
    for patch in ({"mailboxIds": {}}, {"mailboxIds/" + box: None}, {"mailboxIds": {"Fnothing": True}}):
        why = jmap.update("Email", id, **patch)
        assert why["type"] == "invalidProperties" and why["properties"][0].startswith("mailboxIds"), why
    assert jmap.get("Email", id)["mailboxIds"] == {box: True}


# ---- 4.8, 4.9: import, parse --------------------------------------------------------------------------------


def test_imports_4_8(jmap, box):
    blob = jmap.upload(b"Subject: in\r\n\r\ntext\r\n", "message/rfc822")
    good = {"blobId": blob, "mailboxIds": {box: True}, "keywords": {"$Seen": True}, "receivedAt": "2024-01-01T00:00:00Z"}
    got = jmap.call("Email/import", emails={
        "good": good, "none": {**good, "blobId": "Gnothing"}, "nowhere": {**good, "mailboxIds": {}},
        "missing": {**good, "mailboxIds": {"Fnothing": True}}, "when": {**good, "receivedAt": "x"}})
    assert set(got["created"]) == {"good"} and set(got["created"]["good"]) == {"id", "blobId", "threadId", "size"}
    assert {k: v["type"] for k, v in got["notCreated"].items()} == {
        "none": "invalidProperties", "nowhere": "invalidProperties", "missing": "invalidProperties", "when": "invalidProperties"}
    assert got["oldState"] != got["newState"]
    e = jmap.get("Email", got["created"]["good"]["id"])
    assert (e["receivedAt"], e["keywords"], e["subject"]) == ("2024-01-01T00:00:00Z", {"$seen": True}, "in")
    fails(jmap, "Email/import", "stateMismatch", emails={"k": good}, ifInState=got["oldState"])
    fails(jmap, "Email/import", "invalidArguments")


def test_an_import_is_as_old_as_its_newest_received_field_4_8(jmap, box):
    hops = ["Received: from a by b; Tue, 2 Jan 2024 03:04:05 +0100\n", "Received: from c by a; Mon, 1 Jan 2024 03:04:05 +0100\n"]
    for head, want in ((hops, "2024-01-02T02:04:05Z"), (["Received: by z; nobody knows when\n", *hops], "2024-01-02T02:04:05Z")):
        assert jmap.get("Email", put(jmap, box, "".join(head) + "Subject: old\n\ntext\n"))["receivedAt"] == want
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert jmap.get("Email", put(jmap, box, "Subject: new\n\ntext\n"))["receivedAt"] >= now


def test_the_state_before_an_import_is_null_when_somebody_else_wrote_4_8(server, jmap, box):
    other, blob = Jmap(server), jmap.upload(b"Subject: in\r\n\r\ntext\r\n", "message/rfc822")
    emails = {"k%d" % i: {"blobId": blob, "mailboxIds": {box: True}} for i in range(30)}
    for _ in range(20):
        writer = threading.Thread(target=lambda: [other.create("Email", **text(box)) for _ in range(3)])
        writer.start()
        got = jmap.call("Email/import", emails=emails)
        writer.join()
        if got["oldState"] is None:
            return
        since = jmap.call("Email/changes", sinceState=got["oldState"])["created"]
        after = jmap.call("Email/changes", sinceState=got["newState"])["created"]
        assert set(since) - set(after) == {x["id"] for x in got["created"].values()}
    raise AssertionError("nobody came in between")


def test_parsed_blobs_4_9(jmap):
    mail, other = jmap.upload(LETTER.replace("\n", "\r\n").encode(), "message/rfc822"), jmap.upload(b"", "text/plain")
    got = jmap.call("Email/parse", blobIds=[mail, "Gnothing", other], properties=["id", "mailboxIds", "keywords", "receivedAt",
                                                                             "threadId", "subject", "size", "blobId"])
    assert got["notFound"] == ["Gnothing"] and got["notParsable"] == [other]
    none = jmap.call("Email/parse", blobIds=["Gnothing"])
    assert (none["parsed"], none["notParsable"], none["notFound"]) == (None, None, ["Gnothing"])
    e = got["parsed"][mail]
    assert e["subject"] == "你好 there folded" and e["blobId"] == mail
    assert [e[k] for k in ("id", "mailboxIds", "keywords", "receivedAt", "threadId")] == [None] * 5
    assert set(jmap.call("Email/parse", blobIds=[mail])["parsed"][mail]) == {
        "messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt",
        "hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments"}


# ---- 5: SearchSnippet ---------------------------------------------------------------------------------------


def test_snippets_5_1(jmap, shelf):
    _, (one, two, three) = shelf
    got = jmap.call("SearchSnippet/get", filter={"text": "pears"}, emailIds=[three, one, "Mnothing"])
    assert set(got) == {"accountId", "list", "notFound"} and got["notFound"] == ["Mnothing"]
    by = {s["emailId"]: s for s in got["list"]}
    assert "<mark>pears</mark>" in by[three]["subject"] and "<mark>pears</mark>" in by[three]["preview"]
    assert len(by[three]["preview"].encode()) <= 255
    assert by[one] == {"emailId": one, "subject": None, "preview": None}


# ---- 6: Identity --------------------------------------------------------------------------------------------


def test_an_identity_has_all_its_properties_6(jmap):
    for i in jmap.call("Identity/get", ids=None)["list"]:
        assert set(i) == {"id", "name", "email", "replyTo", "bcc", "textSignature", "htmlSignature", "mayDelete"}
    assert jmap.refused("Identity", name="x", email="somebody@example.org")["type"] == "forbiddenFrom"
    id = jmap.create("Identity", email=ME)
    i = jmap.get("Identity", id)
    assert (i["name"], i["replyTo"], i["bcc"], i["textSignature"], i["htmlSignature"], i["mayDelete"]) == ("", None, None, "", "", True)
    assert jmap.update("Identity", id, email="bob@yizhan.test")["properties"] == ["email"]
    assert jmap.set("Identity", destroy=[id])["destroyed"] == [id]


# ---- 7: EmailSubmission -------------------------------------------------------------------------------------


def send(jmap, identity, email, hold=None, **more):
    envelope = {"mailFrom": {"email": ME, "parameters": {"HOLDFOR": str(hold)} if hold else None},
                "rcptTo": [{"email": "bob@yizhan.test", "parameters": None}]}
    return {"identityId": identity, "emailId": email, "envelope": envelope, **more}


def test_a_submission_has_all_its_properties_7(jmap, box, identity):
    email = jmap.create("Email", **text(box))
    id = jmap.create("EmailSubmission", **send(jmap, identity, email))
    s = jmap.get("EmailSubmission", id)
    assert set(s) == {"id", "identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus", "deliveryStatus",
                      "dsnBlobIds", "mdnBlobIds"}
    assert s["threadId"] == jmap.get("Email", email)["threadId"] and s["undoStatus"] == "final"
    assert s["dsnBlobIds"] == [] and s["mdnBlobIds"] == []
    status = s["deliveryStatus"]["bob@yizhan.test"]
    assert set(status) == {"smtpReply", "delivered", "displayed"} and status["smtpReply"].startswith("250 ")
    assert status["delivered"] in ("queued", "yes", "unknown") and status["displayed"] == "unknown"
    jmap.create("EmailSubmission", identityId=identity, emailId=email)
    assert set(jmap.made) == set(s) - {"identityId", "emailId"} and jmap.made["envelope"]["mailFrom"]["email"] == ME
    assert jmap.update("EmailSubmission", id, undoStatus="canceled")["type"] == "cannotUnsend"
    assert jmap.update("EmailSubmission", id, emailId="M1")["type"] == "invalidProperties"
    assert jmap.set("EmailSubmission", destroy=[id])["destroyed"] == [id]
    assert jmap.get("Email", email) is not None


def test_what_waits_can_be_taken_back_7_5(jmap, box, identity):
    email = jmap.create("Email", **text(box))
    id = jmap.create("EmailSubmission", **send(jmap, identity, email, hold=600))
    s = jmap.get("EmailSubmission", id)
    assert s["undoStatus"] == "pending" and s["sendAt"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert jmap.call("EmailSubmission/query", filter={"undoStatus": "pending", "emailIds": [email]})["ids"] == [id]
    state = jmap.call("EmailSubmission/get", ids=[])["state"]
    assert jmap.update("EmailSubmission", id, undoStatus="canceled") is None
    assert jmap.get("EmailSubmission", id)["undoStatus"] == "canceled"
    assert id in jmap.call("EmailSubmission/changes", sinceState=state)["updated"]


@pytest.mark.parametrize("change, type", [
    ({"identityId": "Inothing"}, "invalidProperties"), ({"emailId": "Mnothing"}, "invalidProperties"),
    ({"identityId": None}, "invalidProperties"), ({"emailId": None}, "invalidProperties"), ({"sendAt": "2030-01-01T00:00:00Z"}, "invalidProperties"),
    ({"undoStatus": "nothing"}, "invalidProperties"),
    ({"envelope": {"mailFrom": {"email": ME}, "rcptTo": []}}, "noRecipients"),
    ({"envelope": {"mailFrom": {"email": ME}, "rcptTo": [{"email": "not one"}]}}, "invalidRecipients"),
    ({"envelope": {"mailFrom": {"email": "eve@example.org"}, "rcptTo": [{"email": "bob@yizhan.test"}]}}, "forbiddenMailFrom")], ids=str)
def test_what_cannot_be_sent_7_5(jmap, box, identity, change, type):
    email = jmap.create("Email", **text(box))
    got = jmap.refused("EmailSubmission", **{**send(jmap, identity, email), **change})
    assert got["type"] == type, got
    if type == "invalidRecipients":
        assert got["invalidRecipients"] == ["not one"]


def test_foreign_authors_are_refused_7_5(jmap, box, identity):
    email = jmap.create("Email", **text(box, **{"from": [{"email": "eve@example.org"}]}))
    assert jmap.refused("EmailSubmission", **send(jmap, identity, email))["type"] == "forbiddenFrom"


def test_without_an_envelope_the_header_tells_7(jmap, box, identity):
    email = jmap.create("Email", **text(box, cc=[{"email": "alice@yizhan.test"}], bcc=[{"email": "bob@yizhan.test"}]))
    id = jmap.create("EmailSubmission", identityId=identity, emailId=email)
    env = jmap.get("EmailSubmission", id)["envelope"]
    assert env["mailFrom"]["email"] == ME
    assert sorted(r["email"] for r in env["rcptTo"]) == ["alice@yizhan.test", "bob@yizhan.test"]


def test_one_request_makes_sends_and_files_7_5(jmap, box, roles, identity):
    got = jmap.request([
        ["Email/set", {"accountId": jmap.id, "create": {"e": text(box, keywords={"$draft": True})}}, "0"],
        ["EmailSubmission/set", {"accountId": jmap.id, "create": {"s": send(jmap, identity, "#e", hold=600)},
                                 "onSuccessUpdateEmail": {"#s": {"mailboxIds": {roles["sent"]: True}, "keywords/$draft": None,
                                                                 "keywords/$seen": True}}}, "1"]])
    assert [(n, i) for n, _, i in got] == [("Email/set", "0"), ("EmailSubmission/set", "1"), ("Email/set", "1")]
    email, made = got[0][1]["created"]["e"]["id"], got[1][1]["created"]["s"]
    assert got[2][1]["updated"] == {email: None}
    e = jmap.get("Email", email)
    assert (e["mailboxIds"], e["keywords"]) == ({roles["sent"]: True}, {"$seen": True})
    jmap.call("EmailSubmission/set", update={made["id"]: {"undoStatus": "canceled"}}, onSuccessDestroyEmail=[made["id"]])
    assert [n for n, _, _ in jmap.also] == ["Email/set"] and jmap.also[0][1]["destroyed"] == [email]
    assert jmap.get("Email", email) is None and jmap.get("EmailSubmission", made["id"])["emailId"] == email


def test_without_success_nothing_is_filed_7_5(jmap, box, identity):
    email = jmap.create("Email", **text(box))
    jmap.call("EmailSubmission/set", create={"s": send(jmap, "Inothing", email)},
              onSuccessUpdateEmail={"#s": {"keywords/$seen": True}}, onSuccessDestroyEmail=["#s"])
    assert all(a[1].get("updated") is None and a[1].get("destroyed") is None for a in jmap.also)
    assert jmap.get("Email", email)["keywords"] == {}


# ---- 8: VacationResponse ------------------------------------------------------------------------------------


def test_there_is_one_vacation_response_8(jmap):
    (v,) = jmap.call("VacationResponse/get", ids=None)["list"]
    assert set(v) == {"id", "isEnabled", "fromDate", "toDate", "subject", "textBody", "htmlBody"} and v["id"] == "singleton"
    assert jmap.call("VacationResponse/get", ids=["singleton", "other"])["notFound"] == ["other"]
    assert jmap.update("VacationResponse", "singleton", subject="away", fromDate="2024-01-01T00:00:00Z") is None
    assert jmap.get("VacationResponse", "singleton")["subject"] == "away"
    assert jmap.update("VacationResponse", "singleton", fromDate="soon")["type"] == "invalidProperties"
    assert jmap.update("VacationResponse", "singleton", subject=None, fromDate=None) is None


# ---- 1.5: push ----------------------------------------------------------------------------------------------


def delivery(jmap):
    """The state of EmailDelivery, as an event stream begins with it."""
    got = jmap.http("GET", "/jmap/events?types=EmailDelivery&closeafter=state&ping=0", headers={"Last-Event-ID": "0"}).decode()
    return [line for line in got.splitlines() if line.startswith("data:")][-1]


def test_the_state_of_delivery_moves_with_what_comes_alone_1_5(jmap, box):
    id = jmap.create("Email", **text(box))
    state = delivery(jmap)
    assert jmap.update("Email", id, **{"keywords/$seen": True}) is None
    assert jmap.set("Email", destroy=[id])["destroyed"] == [id]
    assert delivery(jmap) == state
    jmap.create("Email", **text(box))
    assert delivery(jmap) != state
