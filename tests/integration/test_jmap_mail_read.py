"""The reading half of RFC 8621: Mailboxes, Threads, Emails, queries, Email/parse, snippets. One server for the file;
each test works in mailboxes of its own."""

import base64
import email
import os
import sys
import time

import pytest

from jmap_reader import NUMBERS, Reader
from station import TOP, Yizhan

sys.path.insert(0, os.path.join(TOP, "tests/mime"))
import corpus  # noqa: E402

COUNTERS = ["totalEmails", "unreadEmails", "totalThreads", "unreadThreads"]
# The defaults of RFC 8621 section 4.2
DEFAULTS = ["id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "messageId", "inReplyTo",
            "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt", "hasAttachment",
            "preview", "bodyValues", "textBody", "htmlBody", "attachments"]
PART_DEFAULTS = ["partId", "blobId", "size", "name", "type", "charset", "disposition", "cid", "language", "location"]


@pytest.fixture(scope="module")
def server():
    with Yizhan() as s:
        yield s


@pytest.fixture(scope="module")
def alice(server):
    return Reader(server, "alice")


@pytest.fixture(scope="module")
def bob(server):
    return Reader(server, "bob")


def letter(subject="a subject", text="some text\n", sender="Ann <a@example.org>", to="b@example.org", more="",
           date="Mon, 7 Feb 1994 21:52:25 -0800", id=None):
    return "From: %s\nTo: %s\nSubject: %s\nDate: %s\nMessage-ID: <%s>\n%s\n%s" % (
        sender, to, subject, date, id or "m%d@x.example" % next(NUMBERS), more, text)


# ---- Mailboxes (section 2) ----

def test_mailboxes_have_roles_rights_and_counters(alice):
    got = alice.call("Mailbox/get", ids=None)
    by_role = {m["role"]: m for m in got["list"] if m["role"]}
    assert {"inbox", "drafts", "sent", "junk", "trash", "archive"} <= set(by_role)
    inbox = by_role["inbox"]
    assert inbox["name"] == "Inbox" and inbox["parentId"] is None and inbox["isSubscribed"] is True
    assert set(inbox) == {"id", "name", "parentId", "role", "sortOrder", "myRights", "isSubscribed", *COUNTERS}
    assert set(inbox["myRights"]) == {
        "mayReadItems", "mayAddItems", "mayRemoveItems", "maySetSeen", "maySetKeywords", "mayCreateChild",
        "mayRename", "mayDelete", "maySubmit"}
    assert not inbox["myRights"]["mayDelete"] and by_role["sent"]["myRights"]["mayDelete"]
    assert isinstance(got["state"], str)
    one = alice.call("Mailbox/get", ids=[inbox["id"], "Fnone", inbox["id"]], properties=["name"])
    assert one["list"] == [{"id": inbox["id"], "name": "Inbox"}] and one["notFound"] == ["Fnone"]
    assert alice.fails("Mailbox/get", ids=None, properties=["colour"]) == "invalidArguments"
    assert alice.fails("Mailbox/get", ids="x") == "invalidArguments"
    assert alice.fails("Mailbox/get", accountId="Anone", ids=None) == "accountNotFound"


def test_counters_follow_flags_threads_and_drafts(alice):
    box = alice.box()
    first = alice.add(letter(id="c1@x"))
    alice.add(letter("Re: a subject", id="c2@x", more="In-Reply-To: <c1@x>\nReferences: <c1@x>\n"), "\\Seen")
    alice.add(letter("other"), "\\Draft")
    m = alice.get("Mailbox", box)
    assert [m[k] for k in COUNTERS] == [3, 1, 2, 1]
    state = alice.call("Mailbox/get", ids=[])["state"]
    alice.mail.select(alice.name)
    alice.mail.store("1", "+FLAGS", "\\Seen")
    got = alice.call("Mailbox/changes", sinceState=state)
    assert got["updated"] == [box] and sorted(got["updatedProperties"]) == sorted(COUNTERS)
    m = alice.get("Mailbox", box)
    assert [m[k] for k in COUNTERS] == [3, 0, 2, 0]
    # marked \\Deleted is not there any more (section 4.1.1)
    alice.mail.store("1", "+FLAGS", "\\Deleted")
    assert alice.get("Mailbox", box)["totalEmails"] == 2
    assert alice.call("Email/get", ids=[first])["notFound"] == [first]


def test_mailboxes_are_made_with_references_to_each_other(alice):
    got = alice.set("Mailbox", create={
        "kid": {"name": "kid of one", "parentId": "#up"}, "up": {"name": "up %d" % next(NUMBERS), "sortOrder": 3}})
    up, kid = got["created"]["up"], got["created"]["kid"]
    assert set(up) >= {"id", "myRights", *COUNTERS} and "sortOrder" not in up and kid["sortOrder"] >= 0
    assert alice.get("Mailbox", kid["id"])["parentId"] == up["id"]
    assert alice.get("Mailbox", up["id"])["sortOrder"] == 3
    assert alice.set("Mailbox", destroy=[up["id"]])["notDestroyed"][up["id"]]["type"] == "mailboxHasChild"
    assert alice.set("Mailbox", destroy=[kid["id"], up["id"]])["destroyed"] == [kid["id"], up["id"]]


@pytest.mark.parametrize("wrong, property", [
    ({"name": ""}, "name"), ({"name": "a/b"}, "name"), ({"name": "a\x07"}, "name"), ({"name": "x" * 256}, "name"),
    ({"name": "a*"}, "name"), ({"name": None}, "name"), ({}, "name"),
    ({"name": "ok", "parentId": "Fnone"}, "parentId"), ({"name": "ok", "role": "chef"}, "role"),
    ({"name": "ok", "role": "sent"}, "role"), ({"name": "ok", "sortOrder": -1}, "sortOrder"),
    ({"name": "ok", "sortOrder": "1"}, "sortOrder"), ({"name": "ok", "isSubscribed": 1}, "isSubscribed"),
    ({"name": "ok", "totalEmails": 1}, "totalEmails"), ({"name": "ok", "hue": 1}, "hue")])
def test_mailboxes_that_cannot_be(alice, wrong, property):
    why = alice.refused("Mailbox", **wrong)
    assert why["type"] == "invalidProperties" and why["properties"] == [property], why


def test_mailboxes_are_renamed_moved_and_subscribed(alice):
    a, b = alice.box(), alice.box()
    name = alice.name
    kid = alice.box("kid", parentId=b, isSubscribed=True)
    assert alice.update("Mailbox", b, name="now " + name, parentId=a) is None
    got = alice.get("Mailbox", kid)
    assert got["parentId"] == b and got["isSubscribed"] is True
    assert alice.get("Mailbox", b)["parentId"] == a
    assert alice.update("Mailbox", a, parentId=kid)["properties"] == ["parentId"]
    assert alice.update("Mailbox", a, parentId=a)["properties"] == ["parentId"]
    assert alice.update("Mailbox", b, parentId=None) is None
    assert alice.update("Mailbox", b, name=alice.get("Mailbox", a)["name"])["properties"] == ["name"]
    assert alice.update("Mailbox", kid, isSubscribed=False) is None
    assert alice.get("Mailbox", kid)["isSubscribed"] is False
    assert alice.update("Mailbox", kid, **{"name/x": "y"})["type"] == "invalidPatch"
    assert alice.update("Mailbox", kid, myRights={})["properties"] == ["myRights"]
    assert alice.update("Mailbox", kid, **{k: alice.get("Mailbox", kid)[k] for k in ("id", "totalEmails", "myRights")}) is None
    assert alice.update("Mailbox", "Fnone", name="x")["type"] == "notFound"
    inbox = alice.boxes()["INBOX"]
    assert alice.update("Mailbox", inbox, name="Other")["type"] == "forbidden"
    assert alice.update("Mailbox", inbox, name="Inbox") is None
    assert alice.set("Mailbox", destroy=[inbox])["notDestroyed"][inbox]["type"] == "forbidden"
    # a role goes from one to another
    assert alice.update("Mailbox", a, role="important") is None
    assert alice.update("Mailbox", b, role="important")["properties"] == ["role"]
    assert alice.update("Mailbox", a, role=None, sortOrder=7) is None
    assert alice.update("Mailbox", b, role="important") is None
    assert alice.get("Mailbox", a)["sortOrder"] == 7
    assert alice.update("Mailbox", b, role=None) is None


def test_mailboxes_with_emails_go_only_when_said(alice):
    box = alice.box()
    id = alice.add(letter())
    got = alice.set("Mailbox", destroy=[box])
    assert got["notDestroyed"][box]["type"] == "mailboxHasEmail"
    state = got["newState"]
    assert alice.fails("Mailbox/set", ifInState="1", destroy=[box]) == "stateMismatch"
    alice.mail.unselect()
    got = alice.call("Mailbox/set", ifInState=state, destroy=[box], onDestroyRemoveEmails=True)
    assert got["destroyed"] == [box] and got["oldState"] == state != got["newState"]
    assert alice.call("Email/get", ids=[id])["notFound"] == [id]
    assert alice.call("Mailbox/get", ids=[box])["notFound"] == [box]
    assert box in alice.call("Mailbox/changes", sinceState=state)["destroyed"]


def test_mailboxes_are_asked_for(alice):
    top = alice.box("query %d" % next(NUMBERS), sortOrder=2)
    kids = {n: alice.box(n, parentId=top, sortOrder=o, isSubscribed=n == "beta") for n, o in (("beta", 1), ("Alpha", 9), ("gamma", 1))}
    deep = alice.box("deep alpha", parentId=kids["gamma"])
    ask = lambda **args: alice.call("Mailbox/query", **args)  # noqa: E731
    of = {"parentId": top}
    assert ask(filter=of, sort=[{"property": "name"}])["ids"] == [kids[n] for n in ("Alpha", "beta", "gamma")]
    assert ask(filter=of, sort=[{"property": "name", "isAscending": False}])["ids"] == [kids[n] for n in ("gamma", "beta", "Alpha")]
    assert ask(filter=of, sort=[{"property": "sortOrder"}, {"property": "name"}])["ids"] == [kids[n] for n in ("beta", "gamma", "Alpha")]
    tree = ask(sort=[{"property": "sortOrder"}, {"property": "name"}], sortAsTree=True)["ids"]
    at = tree.index(top)
    assert tree[at:at + 5] == [top, kids["beta"], kids["gamma"], deep, kids["Alpha"]]
    assert set(ask(filter={"name": "ALPHA"})["ids"]) == {kids["Alpha"], deep}
    assert ask(filter={"name": "alpha"}, filterAsTree=True)["ids"] == []
    assert kids["beta"] in ask(filter={"isSubscribed": True})["ids"]
    assert ask(filter={"operator": "AND", "conditions": [of, {"isSubscribed": False}]}, sort=[{"property": "name"}])["ids"] == [
        kids["Alpha"], kids["gamma"]]
    assert ask(filter={"operator": "NOT", "conditions": [{"hasAnyRole": False}]}, calculateTotal=True)["total"] == 6
    assert len(ask(filter={"role": "inbox"})["ids"]) == 1
    assert top in ask(filter={"role": None, "parentId": None})["ids"]
    got = ask(filter=of, sort=[{"property": "name"}], anchor=kids["gamma"], anchorOffset=-1, limit=1)
    assert got["ids"] == [kids["beta"]] and got["position"] == 1
    assert ask(filter=of, sort=[{"property": "name"}], position=-1)["ids"] == [kids["gamma"]]
    assert alice.fails("Mailbox/query", filter=of, anchor="Fnone") == "anchorNotFound"
    assert alice.fails("Mailbox/query", filter={"colour": 1}) == "unsupportedFilter"
    assert alice.fails("Mailbox/query", filter={"name": 1}) == "invalidArguments"
    assert alice.fails("Mailbox/query", sort=[{"property": "totalEmails"}]) == "unsupportedSort"
    # what changed leads from one list to the next
    args = dict(filter=of, sort=[{"property": "name"}])
    before = ask(**args)
    assert before["canCalculateChanges"] is True
    none = alice.call("Mailbox/queryChanges", sinceQueryState=before["queryState"], **args)
    assert none["removed"] == [] and none["added"] == []
    alice.update("Mailbox", kids["beta"], name="zeta")
    alice.set("Mailbox", destroy=[kids["Alpha"]])
    alice.box("omega", parentId=top)
    got = alice.call("Mailbox/queryChanges", sinceQueryState=before["queryState"], calculateTotal=True, **args)
    assert fold(before["ids"], got) == ask(**args)["ids"] and got["total"] == 3
    assert alice.fails("Mailbox/queryChanges", sinceQueryState=before["queryState"], maxChanges=1, **args) == "tooManyChanges"
    assert alice.fails("Mailbox/queryChanges", sinceQueryState="x", **args) == "cannotCalculateChanges"


def fold(ids, changes):
    """RFC 8620 section 5.6: what a client makes of its list."""
    ids = [i for i in ids if i not in set(changes["removed"])]
    for x in changes["added"]:
        ids.insert(x["index"], x["id"])
    return ids


def test_without_a_sort_mailboxes_are_as_get_tells_them(alice):
    for name in "zay":
        alice.box(name + " of none")
    assert alice.call("Mailbox/query")["ids"] == [b["id"] for b in alice.call("Mailbox/get", ids=None)["list"]]


def test_what_moves_in_front_is_told_whatever_the_client_has(alice):
    box = alice.box("front %d" % next(NUMBERS))
    a, b = (alice.box(n, parentId=box) for n in ("m", "n"))
    asked = {"filter": {"parentId": box}, "sort": [{"property": "name"}]}
    old = alice.call("Mailbox/query", **asked)
    assert old["ids"] == [a, b] and alice.update("Mailbox", b, name="l") is None
    got = alice.call("Mailbox/queryChanges", sinceQueryState=old["queryState"], upToId=b, **asked)
    ids = [id for id in old["ids"] if id not in got["removed"]]
    for one in sorted(got["added"], key=lambda one: one["index"]):
        ids.insert(one["index"], one["id"])
    assert ids == [b, a]


# ---- Threads (section 3) ----

def test_threads_hold_their_emails_in_order(alice):
    alice.box()
    now = time.time()
    second = alice.add(letter("Re: plan", id="t2@x", more="References: <t1@x>\n"), when=now)
    first = alice.add(letter("plan", id="t1@x"), when=now - 100)
    thread = alice.one(first, "threadId")["threadId"]
    assert alice.one(second, "threadId")["threadId"] == thread
    got = alice.call("Thread/get", ids=[thread, "Tnone"])
    assert got["list"] == [{"id": thread, "emailIds": [first, second]}] and got["notFound"] == ["Tnone"]
    state = got["state"]
    alice.mail.select(alice.name)
    alice.mail.store("1", "+FLAGS", "\\Flagged")
    assert alice.call("Thread/changes", sinceState=state)["updated"] == []
    third = alice.add(letter("Re: plan", id="t3@x", more="References: <t1@x> <t2@x>\n"))
    got = alice.call("Thread/changes", sinceState=state)
    assert got["updated"] == [thread] and got["created"] == [] and got["hasMoreChanges"] is False
    assert alice.call("Thread/get", ids=[thread])["list"][0]["emailIds"][-1] == third
    assert alice.fails("Thread/changes", sinceState="nonsense") == "cannotCalculateChanges"


# ---- Email/get (sections 4.1 and 4.2) ----

FULL = (
    "Return-Path: <r@example.org>\n"
    "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>, Group: \"A, B\" <ab@example.org>;\n"
    "Sender: s@example.org\nReply-To: \"R\" <r@example.org>\nTo: to@example.org\nCc: cc@example.org\n"
    "Bcc: bcc@example.org\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\n folded\nDate: Thu, 30 Oct 2014 14:12:00 +0800\n"
    "Message-ID: <full%d@x>\nIn-Reply-To: <one@x>\nReferences: <zero@x> <one@x>\nX-Two: 1\nX-Two: 2\n"
    "List-Post: <mailto:l@example.org>, <https://l.example.org/>\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=out\n\n"
    "--out\nContent-Type: multipart/alternative; boundary=in\n\n"
    "--in\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe!\n"
    "--in\nContent-Type: text/html; charset=utf-8\nContent-Language: de, en\nContent-Location: http://x/\n\n<p>Hallo</p>\n--in--\n"
    "--out\nContent-Type: image/png; name=\"=?utf-8?q?p=C3=AF?=.png\"\nContent-Disposition: inline\nContent-ID: <img@x>\n"
    "Content-Transfer-Encoding: base64\n\nAAECAwQ=\n"
    "--out\nContent-Type: application/ms-tnef; name=winmail.dat\nContent-Disposition: attachment; filename=winmail.dat\n"
    "Content-Transfer-Encoding: base64\n\nIp8+IgE=\n--out--\n")


def test_emails_have_all_their_properties(alice):
    box = alice.box()
    octets = (FULL % next(NUMBERS)).replace("\n", "\r\n").encode()
    id = alice.add(octets, "\\Seen \\Flagged $Work", when=1414649520)
    m = alice.one(id, fetchTextBodyValues=True, fetchHTMLBodyValues=True)
    assert list(m) == DEFAULTS
    assert m["mailboxIds"] == {box: True} and m["keywords"] == {"$seen": True, "$flagged": True, "$work": True}
    assert m["size"] == len(octets) and m["receivedAt"] == "2014-10-30T06:12:00Z"
    assert m["from"] == [{"name": "Jürgen", "email": "j@example.org"}, {"name": "A, B", "email": "ab@example.org"}]
    assert m["sender"] == [{"name": None, "email": "s@example.org"}]
    assert m["replyTo"] == [{"name": "R", "email": "r@example.org"}]
    assert (m["to"], m["cc"], m["bcc"]) == tuple([{"name": None, "email": "%s@example.org" % n}] for n in ("to", "cc", "bcc"))
    assert m["subject"] == "Grüße folded" and m["sentAt"] == "2014-10-30T14:12:00+08:00"
    assert m["inReplyTo"] == ["one@x"] and m["references"] == ["zero@x", "one@x"] and m["messageId"][0].startswith("full")
    assert m["hasAttachment"] is True and m["preview"] == "Grüße!"
    text, image = m["textBody"][0], m["attachments"]
    assert list(text) == PART_DEFAULTS
    assert text["type"] == "text/plain" and text["charset"] == "iso-8859-1" and text["size"] == len("Grüße!")
    html = m["htmlBody"][0]
    assert html["type"] == "text/html" and html["language"] == ["de", "en"] and html["location"] == "http://x/"
    assert m["bodyValues"][text["partId"]] == {"value": "Grüße!", "isEncodingProblem": False, "isTruncated": False}
    assert m["bodyValues"][html["partId"]]["value"] == "<p>Hallo</p>"
    names = {p["name"]: p for p in m["textBody"] + m["htmlBody"] + image}
    picture, tnef = names["pï.png"], names["winmail.dat"]
    assert picture["size"] == 5 and picture["cid"] == "img@x" and picture["disposition"] == "inline"
    assert tnef["type"] == "application/ms-tnef" and tnef in image
    assert alice.download(picture["blobId"]) == bytes(range(5))
    assert alice.download(m["blobId"]) == octets


def test_headers_come_in_the_forms_asked_for(alice):
    alice.box()
    id = alice.add(FULL % next(NUMBERS))
    ask = {
        "header:Subject": " =?iso-8859-1?q?Gr=FC=DFe?=\r\n folded", "header:subject:asText": "Grüße folded",
        "header:X-Two": " 2", "header:X-Two:all": [" 1", " 2"], "header:X-Two:asText:all": ["1", "2"],
        "header:None": None, "header:None:asText:all": [],
        "header:From:asGroupedAddresses": [
            {"name": None, "addresses": [{"name": "Jürgen", "email": "j@example.org"}]},
            {"name": "Group", "addresses": [{"name": "A, B", "email": "ab@example.org"}]}],
        "header:References:asMessageIds": ["zero@x", "one@x"], "header:Date:asDate": "2014-10-30T14:12:00+08:00",
        "header:List-Post:asURLs": ["mailto:l@example.org", "https://l.example.org/"]}
    got = alice.one(id, *ask)
    assert {k: got[k] for k in ask} == ask
    headers = alice.one(id, "headers")["headers"]
    assert [h["name"] for h in headers][:3] == ["Return-Path", "From", "Sender"]
    assert {"name": "X-Two", "value": " 1"} in headers
    for bad in ("header:Subject:asDate", "header:From:asText", "header:", "header:X:asFoo", "header:X:all:asText",
                "header:Received:asText", "header:a b", "colour"):
        assert alice.fails("Email/get", ids=[id], properties=[bad]) == "invalidArguments", bad


def test_body_parts_tell_what_is_asked(alice):
    alice.box()
    id = alice.add(FULL % next(NUMBERS))
    root = alice.one(id, "bodyStructure", bodyProperties=["partId", "type", "subParts", "headers", "header:Content-Type:asText"])["bodyStructure"]
    assert root["partId"] is None and root["type"] == "multipart/mixed"
    assert [p["type"] for p in root["subParts"]] == ["multipart/alternative", "image/png", "application/ms-tnef"]
    assert root["headers"][0]["name"] == "Return-Path"
    picture = root["subParts"][1]
    assert picture["subParts"] is None and [h["name"] for h in picture["headers"]] == [
        "Content-Type", "Content-Disposition", "Content-ID", "Content-Transfer-Encoding"]
    assert picture["header:Content-Type:asText"] == 'image/png; name="=?utf-8?q?p=C3=AF?=.png"' or picture["header:Content-Type:asText"]
    ids = [p["partId"] for p in root["subParts"][0]["subParts"]] + [p["partId"] for p in root["subParts"][1:]]
    assert len(set(ids)) == 4 and None not in ids
    assert alice.fails("Email/get", ids=[id], bodyProperties=["colour"]) == "invalidArguments"


def test_body_values_are_whole_or_cut_between_characters(alice):
    alice.box()
    octets = ("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n驿站\r\n"
              "--b\r\nContent-Type: text/html\r\n\r\nab<b title=\"x\">c</b>\r\n--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment\r\n\r\n"
              "1,2\r\n3,4\r\n--b\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n").encode()
    id = alice.add(octets)
    values = lambda **args: alice.one(id, "bodyValues", **args)["bodyValues"]  # noqa: E731
    assert values() == {}
    assert set(values(fetchTextBodyValues=True)) == {"1", "2"} and set(values(fetchAllBodyValues=True)) == {"1", "2", "3"}
    assert values(fetchAllBodyValues=True)["3"]["value"] == "1,2\n3,4"
    cut = values(fetchAllBodyValues=True, maxBodyValueBytes=5)
    assert cut["1"] == {"value": "驿", "isEncodingProblem": False, "isTruncated": True}
    assert cut["2"]["value"] == "ab" and cut["2"]["isTruncated"] is True
    assert values(fetchTextBodyValues=True, maxBodyValueBytes=6)["1"]["isTruncated"] is False
    assert alice.fails("Email/get", ids=[id], maxBodyValueBytes=-1) == "invalidArguments"
    assert alice.fails("Email/get", ids=[id], fetchAllBodyValues="yes") == "invalidArguments"


@pytest.mark.parametrize("charset", sorted(corpus.TEXTS))
def test_charsets_are_read(alice, charset):
    alice.box()
    text = corpus.TEXTS[charset]
    head = "Subject: =?%s?b?%s?=\r\nContent-Type: text/plain; charset=%s\r\n" % (
        charset, base64.b64encode(text.encode(charset)).decode(), charset)
    id = alice.add(head.encode() + b"Content-Transfer-Encoding: 8bit\r\n\r\n" + text.encode(charset) + b"\r\n")
    m = alice.one(id, "subject", "preview", "bodyValues", fetchTextBodyValues=True)
    assert m["subject"] == text and m["preview"] == text
    assert m["bodyValues"]["1"] == {"value": text + "\n", "isEncodingProblem": False, "isTruncated": False}


def test_octets_that_mean_nothing_are_told(alice):
    alice.box()
    id = alice.add(b"Subject: \xff\xfe\r\nContent-Type: text/plain; charset=utf-8\r\n\r\na\xffb\r\n")
    m = alice.one(id, "subject", "bodyValues", fetchAllBodyValues=True)
    assert m["bodyValues"]["1"]["isEncodingProblem"] is True and "\ufffd" in m["bodyValues"]["1"]["value"]
    id = alice.add(b"Content-Type: text/plain; charset=x-unheard-of\r\n\r\nabc\r\n")
    assert alice.one(id, "bodyValues", fetchAllBodyValues=True)["bodyValues"]["1"]["isEncodingProblem"] is True


def test_of_fields_that_came_twice_the_last_is_told(alice):
    alice.box()
    id = alice.add("From: a@x\nFrom: b@x\nSubject: one\nSubject: two\n\n\n")
    m = alice.one(id, "from", "subject")
    assert m["from"] == [{"name": None, "email": "b@x"}] and m["subject"] == "two"


def test_large_bodies_are_told_too(alice):
    """More than comes with a row: parts are read where they stand."""
    alice.box()
    blob = os.urandom(3 << 20)
    text = "A line of some length, again and again.\r\n" * 60000
    m = email.message.EmailMessage()
    m["Subject"] = "large"
    m.set_content("small text\n")
    m.add_attachment(blob, maintype="application", subtype="x-big", filename="big.bin")
    m.add_attachment(text, filename="big.txt", cte="quoted-printable")
    id = alice.add(m.as_bytes(policy=email.policy.SMTP))
    got = alice.one(id, "attachments", "bodyValues", "textBody", "headers", fetchTextBodyValues=True,
                    bodyProperties=["partId", "size", "name", "header:Content-Type:asText"])
    assert got["bodyValues"]["1"]["value"] == "small text\n"
    assert got["attachments"][0]["size"] == len(blob)
    assert got["attachments"][1]["size"] >= len(text) - 2
    assert got["attachments"][0]["header:Content-Type:asText"].startswith("application/x-big")


def test_emails_that_are_not_there_and_too_many(alice):
    got = alice.call("Email/get", ids=["Mnone", "M0000000000000", "Mnone"], properties=["id"])
    assert got["list"] == [] and got["notFound"] == ["Mnone", "M0000000000000"]
    assert alice.fails("Email/get", ids=["M%013d" % i for i in range(501)]) == "requestTooLarge"


def test_the_hostile_corpus_is_told_without_a_crash(alice):
    """Every message, with all properties; what lists show of the facts is what the header says."""
    alice.box()
    letters = list(corpus.good(60)) + list(corpus.broken(120))
    ids = []
    for name, octets in letters:
        if b"\0" in octets or not octets:
            continue
        ok, got = alice.mail.append(alice.name, "", None, octets)
        assert ok == "OK", (name, got)
    ids = alice.ids({"inMailbox": alice.boxes()[alice.name]})
    everything = DEFAULTS + ["bodyStructure", "headers"]
    for i in range(0, len(ids), 100):
        got = alice.call("Email/get", ids=ids[i:i + 100], properties=everything, fetchAllBodyValues=True)["list"]
        assert [m["id"] for m in got] == ids[i:i + 100]
        short = alice.call("Email/get", ids=ids[i:i + 100], properties=["from", "to", "cc", "subject", "sentAt", "messageId"])["list"]
        forms = {"from": "header:From:asAddresses", "to": "header:To:asAddresses", "cc": "header:Cc:asAddresses",
                 "subject": "header:Subject:asText", "sentAt": "header:Date:asDate", "messageId": "header:Message-ID:asMessageIds"}
        long = alice.call("Email/get", ids=ids[i:i + 100], properties=list(forms.values()))["list"]
        for s, l in zip(short, long):
            assert {k: l[f] for k, f in forms.items()} == {k: s[k] for k in forms}
        for m in got:
            parts = m["textBody"] + m["htmlBody"] + m["attachments"]
            assert all(p["partId"] and p["blobId"] for p in parts)


# ---- Email/changes, Email/query (sections 4.3 to 4.5) ----

def test_changes_of_emails(alice):
    alice.box()
    state = alice.call("Email/get", ids=[])["state"]
    a, b = alice.add(letter()), alice.add(letter())
    got = alice.call("Email/changes", sinceState=state)
    assert set(got["created"]) == {a, b} and got["oldState"] == state and got["newState"] != state
    one = alice.call("Email/changes", sinceState=state, maxChanges=1)
    assert len(one["created"]) == 1 and one["hasMoreChanges"] is True
    state = got["newState"]
    alice.mail.store("1", "+FLAGS", "\\Seen")
    alice.mail.store("2", "+FLAGS", "\\Deleted")
    alice.mail.expunge()
    got = alice.call("Email/changes", sinceState=state)
    assert got["updated"] == [a] and got["destroyed"] == [b] and got["created"] == []
    again = alice.call("Email/changes", sinceState=got["newState"])
    assert (again["created"], again["updated"], again["destroyed"]) == ([], [], [])
    assert alice.fails("Email/changes", sinceState=state, maxChanges=0) == "invalidArguments"
    assert alice.fails("Email/changes", sinceState="none") == "cannotCalculateChanges"


@pytest.fixture(scope="module")
def shelf(bob):
    """bob's: ten letters that differ in all that can be asked for."""
    box, other = bob.box("shelf"), bob.box("other shelf")
    ids = []
    for i in range(10):
        more = "X-Shelf: row %d\n" % i
        if i == 4:
            more += "References: <shelf3@x>\nIn-Reply-To: <shelf3@x>\n"
        if i == 7:
            more += "Cc: Carl <carl@example.org>\nBcc: dora@example.org\nList-Id: Book list <books.example.org>\n"
        text = "plain words %s\n" % ("needle" if i == 2 else "hay") + "x" * (100 * i) + "\n"
        if i == 6:
            more += "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
            text = "--b\n\nwith a file\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=plan.pdf\n\n%PDF\n--b--\n"
        subject = "Re: Book 3" if i == 4 else "Book %d" % i
        ids.append(bob.add(letter(subject, text, "%s <%s@example.org>" % (("Zed", "zed") if i % 2 else ("Amy", "amy")),
                                  "to%d@example.org" % (9 - i), more, "Mon, %d Feb 1994 10:00:00 +0000" % (20 - i), "shelf%d@x" % i),
                           {1: "\\Seen", 3: "\\Flagged", 4: "$Red \\Flagged", 5: "\\Draft"}.get(i, ""),
                           1700000000 + 1000 * i, "shelf"))
    moved = bob.add(letter("elsewhere"), name='"other shelf"')
    return bob, box, other, ids, moved


QUERIES = [
    ({"before": "2023-11-14T22:46:40Z"}, [0, 1]), ({"after": "2023-11-15T00:26:40Z"}, [8, 9]),
    ({"minSize": 1040}, [9]), ({"hasKeyword": "$seen"}, [1]), ({"hasKeyword": "$RED"}, [4]),
    ({"notKeyword": "$draft", "hasKeyword": "$flagged"}, [3, 4]), ({"hasAttachment": True}, [6]),
    ({"allInThreadHaveKeyword": "$flagged"}, [3, 4]), ({"someInThreadHaveKeyword": "$red"}, [3, 4]),
    ({"operator": "AND", "conditions": [{"noneInThreadHaveKeyword": "$flagged"}, {"from": "zed"}]}, [1, 5, 7, 9]),
    ({"text": "needle"}, [2]), ({"body": "needle"}, [2]), ({"body": "Book"}, []), ({"subject": "book 7"}, [7]),
    ({"from": "amy"}, [0, 2, 4, 6, 8]), ({"to": "to9"}, [0]), ({"cc": "carl"}, [7]), ({"bcc": "dora"}, [7]),
    ({"header": ["List-Id"]}, [7]), ({"header": ["X-Shelf", "row 5"]}, [5]), ({"header": ["x-shelf", "row 99"]}, []),
    ({"operator": "OR", "conditions": [{"hasKeyword": "$draft"}, {"subject": "book 9"}]}, [5, 9]),
    ({"operator": "NOT", "conditions": [{"from": "amy"}, {"minSize": 600}]}, [1, 3]),
    ({"attachmentName": "plan"}, [6]), ({"attachmentType": "application/pdf"}, [6]), ({"listId": "books.example.org"}, [7]),
    ({"messageId": "shelf8@x"}, [8]), ({}, list(range(10))),
]


@pytest.mark.parametrize("filter, want", QUERIES, ids=[str(q[0]) for q in QUERIES])
def test_filters(shelf, filter, want):
    bob, box, _, ids, _ = shelf
    both = {"operator": "AND", "conditions": [{"inMailbox": box}, filter]}
    got = bob.call("Email/query", filter=both, sort=[{"property": "receivedAt"}], calculateTotal=True)
    assert [ids.index(i) for i in got["ids"]] == want and got["total"] == len(want)


def test_filters_of_mailboxes(shelf):
    bob, box, other, ids, moved = shelf
    assert bob.ids({"inMailbox": other}) == [moved] and bob.ids({"inMailbox": "Fnone"}) == []
    assert set(bob.ids({"inMailboxOtherThan": [box]})) & set(ids) == set()
    assert moved in bob.ids({"inMailboxOtherThan": [box]})
    assert set(bob.ids()) >= set(ids) | {moved}


SORTS = [
    ([{"property": "receivedAt"}], list(range(10))), ([{"property": "receivedAt", "isAscending": False}], list(range(9, -1, -1))),
    ([{"property": "sentAt"}], list(range(9, -1, -1))), ([{"property": "to"}], list(range(9, -1, -1))),
    ([{"property": "from"}, {"property": "receivedAt"}], [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]),
    ([{"property": "subject"}, {"property": "receivedAt"}], list(range(10))),
    ([{"property": "hasKeyword", "keyword": "$flagged", "isAscending": False}, {"property": "receivedAt"}],
     [3, 4, 0, 1, 2, 5, 6, 7, 8, 9]),
    ([{"property": "allInThreadHaveKeyword", "keyword": "$flagged"}, {"property": "receivedAt"}], [0, 1, 2, 5, 6, 7, 8, 9, 3, 4]),
    ([{"property": "someInThreadHaveKeyword", "keyword": "$red", "isAscending": False}, {"property": "receivedAt"}],
     [3, 4, 0, 1, 2, 5, 6, 7, 8, 9]),
]


@pytest.mark.parametrize("sort, want", SORTS, ids=[s[0][0]["property"] + str(i) for i, s in enumerate(SORTS)])
def test_sorts(shelf, sort, want):
    bob, box, _, ids, _ = shelf
    assert [ids.index(i) for i in bob.ids({"inMailbox": box}, sort=sort)] == want


def test_sort_by_size(shelf):
    bob, box, _, ids, _ = shelf
    got = bob.ids({"inMailbox": box}, sort=[{"property": "size"}])
    sizes = [bob.one(i, "size")["size"] for i in got]
    assert sizes == sorted(sizes)


def test_windows_of_a_query(shelf):
    bob, box, _, ids, _ = shelf
    ask = lambda **args: bob.call("Email/query", filter={"inMailbox": box}, sort=[{"property": "receivedAt"}], **args)  # noqa: E731
    got = ask(position=3, limit=2, calculateTotal=True)
    assert got["ids"] == ids[3:5] and got["position"] == 3 and got["total"] == 10 and "limit" not in got
    assert ask(position=-3)["ids"] == ids[7:] and ask(position=-99)["ids"] == ids
    got = ask(position=50)
    assert got["ids"] == [] and "total" not in got
    got = ask(anchor=ids[5], limit=2)
    assert got["ids"] == ids[5:7] and got["position"] == 5
    assert ask(anchor=ids[5], anchorOffset=-2, limit=1)["ids"] == [ids[3]]
    assert ask(anchor=ids[5], anchorOffset=-99, limit=1)["ids"] == [ids[0]]
    assert ask(limit=0)["ids"] == []
    # of a thread the first in the list stays
    got = ask(collapseThreads=True, calculateTotal=True)
    assert got["ids"] == ids[:4] + ids[5:] and got["total"] == 9
    fails = lambda **args: bob.fails("Email/query", **args)  # noqa: E731
    assert fails(anchor="Mnone") == "anchorNotFound" and fails(filter={"inMailbox": box}, anchor="M0000000000001") == "anchorNotFound"
    assert fails(limit=-1) == "invalidArguments"
    assert fails(filter={"colour": "red"}) == "unsupportedFilter"
    assert fails(filter={"from": 7}) == "invalidArguments" and fails(filter={"before": "today"}) == "invalidArguments"
    assert fails(filter={"operator": "XOR", "conditions": []}) == "invalidArguments"
    assert fails(filter={"header": []}) == "invalidArguments"
    assert fails(sort=[{"property": "colour"}]) == "unsupportedSort"
    assert fails(sort=[{"property": "subject", "collation": "i;none"}]) == "unsupportedSort"
    assert fails(sort=[{"property": "hasKeyword"}]) == "invalidArguments"
    assert fails(filter={"operator": "OR", "conditions": [{"from": "a"}] * 300}) == "unsupportedFilter"


def test_a_list_of_the_page_is_one_request(shelf):
    bob, box, _, ids, _ = shelf
    row = ["id", "threadId", "mailboxIds", "keywords", "from", "to", "subject", "receivedAt", "preview", "hasAttachment", "size"]
    got = bob.request([
        ["Email/query", {"accountId": bob.id, "filter": {"inMailbox": box}, "collapseThreads": True, "limit": 50,
                         "sort": [{"property": "receivedAt", "isAscending": False}]}, "q"],
        ["Email/get", {"accountId": bob.id, "#ids": {"resultOf": "q", "name": "Email/query", "path": "/ids"}, "properties": row}, "g"],
        ["Thread/get", {"accountId": bob.id, "#ids": {"resultOf": "g", "name": "Email/get", "path": "/list/*/threadId"}}, "t"]])
    assert [m["id"] for m in got[1][1]["list"]] == got[0][1]["ids"]
    assert set(got[1][1]["list"][0]) == set(row)
    assert len(got[2][1]["list"]) == 9


QUERIES_TO_FOLLOW = [
    ({}, [{"property": "receivedAt", "isAscending": False}], True), ({}, [{"property": "receivedAt"}], False),
    ({"hasKeyword": "$flagged"}, [{"property": "receivedAt"}], False), ({"from": "amy"}, [{"property": "subject"}], False),
    ({"notKeyword": "$seen"}, [{"property": "hasKeyword", "keyword": "$flagged"}, {"property": "receivedAt"}], True),
]


@pytest.mark.parametrize("filter, sort, collapses", QUERIES_TO_FOLLOW)
def test_changes_of_a_query_lead_to_the_next_list(alice, filter, sort, collapses):
    box = alice.box()
    for i in range(6):
        alice.add(letter("s%d" % i, sender="%s@example.org" % ("amy" if i % 2 else "zed"), id="q%d-%s@x" % (i, box)), when=1700000000 + i)
    args = dict(filter={"operator": "AND", "conditions": [{"inMailbox": box}, filter]} if filter else {"inMailbox": box},
                sort=sort, collapseThreads=collapses)
    old = alice.call("Email/query", **args)
    if not old["canCalculateChanges"]:
        assert alice.fails("Email/queryChanges", sinceQueryState=old["queryState"], **args) == "cannotCalculateChanges"
        return
    none = alice.call("Email/queryChanges", sinceQueryState=old["queryState"], **args)
    assert fold(old["ids"], none) == old["ids"]
    alice.add(letter("Re: s2", sender="amy@example.org", more="References: <q2-%s@x>\n" % box), "\\Flagged", when=1700000100)
    alice.mail.store("2", "+FLAGS", "\\Flagged")
    alice.mail.store("4", "+FLAGS", "\\Seen")
    alice.mail.store("5", "+FLAGS", "\\Deleted")
    alice.mail.expunge()
    got = alice.call("Email/queryChanges", sinceQueryState=old["queryState"], calculateTotal=True, **args)
    new = alice.call("Email/query", calculateTotal=True, **args)
    assert fold(old["ids"], got) == new["ids"] and got["total"] == new["total"]
    assert (got["oldQueryState"], got["newQueryState"]) == (old["queryState"], new["queryState"])
    assert [x["index"] for x in got["added"]] == sorted(x["index"] for x in got["added"])
    assert alice.fails("Email/queryChanges", sinceQueryState=old["queryState"], maxChanges=1, **args) == "tooManyChanges"
    assert alice.fails("Email/queryChanges", sinceQueryState="never", **args) == "cannotCalculateChanges"


# ---- SearchSnippet/get (section 5) ----

def test_snippets_show_what_was_found(shelf):
    bob, box, _, ids, _ = shelf
    got = bob.call("SearchSnippet/get", filter={"text": "needle"}, emailIds=[ids[2], ids[3], "Mnone"])
    assert got["notFound"] == ["Mnone"] and [s["emailId"] for s in got["list"]] == [ids[2], ids[3]]
    assert "<mark>needle</mark>" in got["list"][0]["preview"] and got["list"][1] == {"emailId": ids[3], "subject": None, "preview": None}
    got = bob.call("SearchSnippet/get", filter={"operator": "OR", "conditions": [{"subject": "book"}, {"body": "none"}]}, emailIds=[ids[5]])
    assert got["list"] == [{"emailId": ids[5], "subject": "<mark>Book</mark> 5", "preview": None}] and got["notFound"] is None
    got = bob.call("SearchSnippet/get", filter=None, emailIds=[ids[5]])
    assert got["list"] == [{"emailId": ids[5], "subject": None, "preview": None}]
    bob.box()
    id = bob.add(letter("a <b> & c", "x <script> needle\n"))
    got = bob.call("SearchSnippet/get", filter={"text": "needle"}, emailIds=[id])["list"][0]["preview"]
    assert "<script>" not in got and "&lt;script&gt; <mark>needle</mark>" in got
    assert bob.fails("SearchSnippet/get", filter={"colour": 1}, emailIds=[id]) == "unsupportedFilter"
    assert bob.fails("SearchSnippet/get", filter={"text": "a"}, emailIds=None) == "invalidArguments"


def test_markup_is_not_found(shelf):
    """Section 4.4.1: markup is ignored; what the index says first and what is looked at later agree."""
    bob = shelf[0]
    head = "From: a@x.example\r\nSubject: shown\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n"
    bob.box()
    id = bob.add((head + "<div class=zebra><!-- quagga -->Plu<b>ms and</b> okapi</div><script>let gnu</script>\r\n").encode())
    for field, word, found in [("text", "zebra", []), ("body", "div", []), ("body", "quagga", []), ("text", "gnu", []),
                               ("body", "plums", [id]), ("text", "plums okapi", [id])]:
        assert bob.call("Email/query", filter={field: word})["ids"] == found, (field, word)


# ---- what others share (section 1.6.2 of RFC 8620; rights of section 2) ----

def test_a_shared_mailbox_is_seen_with_its_rights(alice, bob):
    box = bob.box("lent %d" % next(NUMBERS))
    hidden = bob.box()
    bob.name, secret = bob.name, bob.add(letter("hidden"), name=bob.name)
    shown = bob.add(letter("lent"), name='"%s"' % bob.get("Mailbox", box)["name"])
    assert bob.mail.setacl('"%s"' % bob.get("Mailbox", box)["name"], alice.account.address, "lrs")[0] == "OK"
    assert alice.fails("Email/get", accountId="A0000000000001", ids=[shown]) == "accountNotFound"
    got = alice.call("Mailbox/get", accountId=bob.id, ids=None)["list"]
    assert [m["id"] for m in got] == [box]
    rights = got[0]["myRights"]
    assert {k for k, v in rights.items() if v} == {"mayReadItems", "maySetSeen"} and got[0]["parentId"] is None
    assert got[0]["totalEmails"] == 1
    assert alice.ids(accountId=bob.id) == [shown]
    got = alice.call("Email/get", accountId=bob.id, ids=[shown, secret], properties=["mailboxIds", "subject"])
    assert got["list"] == [{"id": shown, "mailboxIds": {box: True}, "subject": "lent"}] and got["notFound"] == [secret]
    for kind, args in (("create", {"x": {"name": "x", "parentId": box}}), ("create", {"x": {"name": "x"}})):
        got = alice.call("Mailbox/set", accountId=bob.id, **{kind: args})
        assert got["notCreated"]["x"]["type"] == "forbidden"
    got = alice.call("Mailbox/set", accountId=bob.id, update={box: {"name": "mine"}}, destroy=[hidden])
    assert got["notUpdated"][box]["type"] == "forbidden" and got["notDestroyed"][hidden]["type"] == "notFound"
    assert alice.call("Mailbox/set", accountId=bob.id, update={box: {"isSubscribed": True}})["updated"] == {box: None}
    assert alice.call("Mailbox/get", accountId=bob.id, ids=[box])["list"][0]["isSubscribed"] is True
    assert bob.get("Mailbox", box)["isSubscribed"] is False


# ---- what odd fields and trees of parts are told as (section 4.1) ----

ODD = b"""Subject: x=?utf-8?q?a?= =?utf-8?q?b c?= =?utf-8?q?d=07?=\r
X-Zero: a\0b\r
X-Octets: a\xe9b\r
To: "  James Smythe" <james@example.com>, Friends:\r
  jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r
  <john@example.com>;, =?utf-8?q?a?=b <x@example.com>, eve@example.com (Eve), "=?utf-8?q?q?=" <q@example.com>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=utf-8\r
Content-ID: (a comment) <part@x> (another)\r
Content-Location: http://example.org/\r
  folded\r
Content-Language: de (german), en\r
Content-Disposition: (now) INLINE; filename*0*=utf-8''%C3%A9; filename*1=.txt\r
\r
text\r
"""


@pytest.fixture(scope="module")
def odd(alice):
    blob = alice.upload(ODD)
    names = ["subject", "to", "header:X-Zero", "header:X-Zero:asText", "header:X-Octets", "header:To:asGroupedAddresses", "attachments", "textBody"]
    return alice.call("Email/parse", blobIds=[blob], properties=names)["parsed"][blob]


def test_what_only_looks_like_an_encoded_word_stays_4_1_2_2(odd):
    assert odd["subject"] == "x=?utf-8?q?a?= =?utf-8?q?b c?= d"
    assert odd["to"][3] == {"name": "=?utf-8?q?a?=b", "email": "x@example.com"}
    assert odd["to"][5] == {"name": "=?utf-8?q?q?=", "email": "q@example.com"}


def test_lists_tell_names_as_the_header_does_4_1_3(alice):
    alice.box()
    id = alice.add(letter(sender='"=?utf-8?q?quoted?=" <a@example.org>', to="=?utf-8?q?bare?= <b@example.org>, x=?utf-8?q?c?= <c@example.org>"))
    forms = {"from": "header:From:asAddresses", "to": "header:To:asAddresses"}
    fast, slow = alice.one(id, *forms), alice.one(id, *forms.values())
    assert [p["name"] for p in fast["from"] + fast["to"]] == ["=?utf-8?q?quoted?=", "bare", "x=?utf-8?q?c?="]
    assert all(fast[k] == slow[v] for k, v in forms.items())


def test_nul_is_dropped_and_what_is_no_utf_8_replaced_4_1_2_1(odd):
    assert (odd["header:X-Zero"], odd["header:X-Zero:asText"], odd["header:X-Octets"]) == (" ab", "ab", " a\ufffdb")


def test_names_of_addresses_and_groups_4_1_2_3(odd):
    james, jane, john = ({"name": n, "email": e + "@example.com"} for n, e in (
        ("James Smythe", "james"), (None, "jane"), ("John Smîth", "john")))
    assert odd["to"][:3] == [james, jane, john] and odd["to"][4] == {"name": "Eve", "email": "eve@example.com"}
    groups = odd["header:To:asGroupedAddresses"]
    assert groups[:2] == [{"name": None, "addresses": [james]}, {"name": "Friends", "addresses": [jane, john]}]


def test_comments_and_folds_are_no_part_of_what_a_part_is_called_4_1_4(odd):
    (part,) = odd["textBody"]
    assert (part["cid"], part["location"], part["language"], part["disposition"], part["name"]) == (
        "part@x", "http://example.org/folded", ["de", "en"], "inline", "é.txt")


# A tree of parts by their letters, as RFC 8621 has it for its own example.
TREE = ["mixed", "A text/plain inline", ["mixed", [
    "alternative", ["mixed", "B text/plain inline", "C image/jpeg inline", "D text/plain inline"], ["related", "E text/html", "F image/jpeg"]],
    "G image/jpeg attachment", "H application/x-excel", "J message/rfc822"], "K text/plain inline"]


def written(part, boundary="b"):
    if isinstance(part, str):
        name, type, *disposition = part.split()
        return "Content-Type: %s\nX-Letter: %s\n%s\nSubject: %s\n" % (
            type, name, "".join("Content-Disposition: %s\n" % d for d in disposition), name)
    inner = "".join("--%s\n%s\n" % (boundary, written(p, "%s%d" % (boundary, i))) for i, p in enumerate(part[1:]))
    return "Content-Type: multipart/%s; boundary=%s\n\n%s--%s--\n" % (part[0], boundary, inner, boundary)


def test_a_tree_becomes_three_lists_4_1_4(alice):
    blob = alice.upload(("Subject: tree\nMIME-Version: 1.0\n" + written(TREE)).replace("\n", "\r\n").encode())
    e = alice.call("Email/parse", blobIds=[blob], properties=["textBody", "htmlBody", "attachments", "hasAttachment"],
                   bodyProperties=["header:X-Letter:asText"])["parsed"][blob]
    letters = ["".join(p["header:X-Letter:asText"] for p in e[k]) for k in ("textBody", "htmlBody", "attachments")]
    assert letters == ["ABCDK", "AEK", "CFGHJ"] and e["hasAttachment"] is True


# ---- Email/parse (section 4.9) ----

def test_blobs_are_parsed(alice):
    alice.box()
    inner = (FULL % next(NUMBERS)).replace("\n", "\r\n").encode()
    outer = (b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nsee\r\n--x\r\n"
             b"Content-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--x\r\nContent-Type: application/pdf\r\n\r\n\x25PDF\r\n--x--\r\n")
    id = alice.add(outer)
    message, pdf = alice.one(id, "attachments")["attachments"]
    assert message["type"] == "message/rfc822" and message["size"] == len(inner)
    upload = alice.upload(inner)
    nothing = alice.upload(b"\x00\x01 nothing like a message")
    got = alice.call("Email/parse", blobIds=[message["blobId"], upload, pdf["blobId"], nothing, "Gnone"], fetchTextBodyValues=True)
    assert set(got["parsed"]) == {message["blobId"], upload}
    assert set(got["notParsable"]) == {pdf["blobId"], nothing} and got["notFound"] == ["Gnone"]
    for m in got["parsed"].values():
        assert list(m) == DEFAULTS[7:]
        assert m["subject"] == "Grüße folded" and m["hasAttachment"] is True and m["preview"] == "Grüße!"
        assert m["bodyValues"]["1.1"]["value"] == "Grüße!"
    picture = [p for p in got["parsed"][message["blobId"]]["textBody"] if p["cid"] == "img@x"]
    picture = picture or [p for p in got["parsed"][message["blobId"]]["attachments"] if p["cid"] == "img@x"]
    assert alice.download(picture[0]["blobId"]) == bytes(range(5))
    # also of an upload, and of a message that was encoded, and within what is within
    coded = (b"Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n\r\nsee\r\n--y\r\nContent-Type: message/rfc822\r\n"
             b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(outer).replace(b"\n", b"\r\n") + b"--y--\r\n")
    blob = alice.one(alice.add(coded), "attachments")["attachments"][0]["blobId"]
    blob = alice.call("Email/parse", blobIds=[blob])["parsed"][blob]["attachments"][0]["blobId"]
    for id in (upload, blob):
        m = alice.call("Email/parse", blobIds=[id])["parsed"][id]
        assert m["subject"] == "Grüße folded"
        picture = [p for p in m["textBody"] + m["attachments"] if p["cid"] == "img@x"]
        assert alice.download(picture[0]["blobId"]) == bytes(range(5))
        assert alice.download(m["htmlBody"][0]["blobId"]) == b"<p>Hallo</p>"
        beyond = "-".join(picture[0]["blobId"].split("-")[:-2] + ["fffff", "0"])
        assert alice.call("Email/parse", blobIds=[beyond, id + "-x-1-0", id + "-0-1"])["notFound"] == [beyond, id + "-x-1-0", id + "-0-1"]
    row = alice.call("Email/parse", blobIds=[upload], properties=["id", "mailboxIds", "keywords", "receivedAt", "threadId", "blobId", "size"])
    assert row["parsed"][upload] == {"id": None, "mailboxIds": None, "keywords": None, "receivedAt": None, "threadId": None,
                                     "blobId": upload, "size": len(inner)}
    assert row["notParsable"] is None and row["notFound"] is None
    assert alice.fails("Email/parse", blobIds=None) == "invalidArguments"
