"""Email/set, Email/import, Email/copy (RFC 8621 sections 4.6 to 4.8): what is made is compared octet by octet."""

import base64
import email
import email.policy
import http.client
import json
import smtplib
import threading
import time

import pytest

from jmap_hand import CORE, USING, Jmap, JmapError
from station import HOST, Yizhan

PNG = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def jmap():
    with Yizhan(conf="demo = yes\n") as server:
        yield Jmap(server)


@pytest.fixture(scope="module")
def boxes(jmap):
    return jmap.boxes()


def parsed(jmap):
    """The message that was made last, as another program reads it."""
    raw = jmap.download(jmap.made["blobId"])
    assert raw.count(b"\n") == raw.count(b"\r\n") and len(raw) == jmap.made["size"]
    return email.message_from_bytes(raw, policy=email.policy.default), raw


def text(value, **more):
    return {"textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": value}}, **more}


def make(jmap, boxes, box="Drafts", **properties):
    return jmap.create("Email", mailboxIds={boxes[box]: True}, **properties)


# ---- creating ----------------------------------------------------------------------------------------------


def test_a_draft_has_what_it_was_given_and_what_it_needs(jmap, boxes):
    id = make(jmap, boxes, keywords={"$draft": True, "$seen": True, "Label": True}, subject="Grüße aus 北京",
              **{"from": [{"name": "Älice", "email": "alice@yizhan.test"}]}, to=[{"email": "bob@yizhan.test"}],
              **text("Hello\nwörld\n"))
    assert set(jmap.made) == {"id", "blobId", "threadId", "size"}
    m, raw = parsed(jmap)
    assert m["subject"] == "Grüße aus 北京" and m["from"].addresses[0].display_name == "Älice"
    assert m["to"] == "bob@yizhan.test" and m["date"] and m["message-id"].startswith("<")
    assert m["mime-version"] == "1.0" and raw.isascii()
    assert m.get_content().splitlines() == ["Hello", "wörld"]
    assert jmap.where(id) == {"Drafts": ["\\Draft", "\\Seen", "label"]}


@pytest.mark.parametrize("properties, header, value", [
    ({"messageId": ["a@b"]}, "Message-ID", "<a@b>"),
    ({"inReplyTo": ["x@y", "z@y"]}, "In-Reply-To", "<x@y> <z@y>"),
    ({"references": ["x@y"]}, "References", "<x@y>"),
    ({"sentAt": "2020-01-02T03:04:05+08:00"}, "Date", "Thu, 02 Jan 2020 03:04:05 +0800"),
    ({"sender": [{"email": "s@yizhan.test"}]}, "Sender", "s@yizhan.test"),
    ({"replyTo": [{"name": "A, B", "email": "r@yizhan.test"}]}, "Reply-To", '"A, B" <r@yizhan.test>'),
    ({"cc": [{"email": "a@x.example"}, {"email": "b@x.example"}]}, "Cc", "a@x.example, b@x.example"),
    ({"header:X-Raw": " as  it is"}, "X-Raw", "as  it is"),
    ({"header:X-Raw:asRaw": " folded\r\n more"}, "X-Raw", "folded more"),
    ({"header:Comments:asText": "tüt"}, "Comments", "tüt"),
    ({"header:X-Who:asAddresses": [{"name": "N", "email": "n@x.example"}]}, "X-Who", "N <n@x.example>"),
    ({"header:To:asGroupedAddresses": [{"name": "Team", "addresses": [{"email": "a@x.example"}]}]}, "To",
     "Team: a@x.example;"),
    ({"header:X-Ids:asMessageIds": ["1@x"]}, "X-Ids", "<1@x>"),
    ({"header:X-When:asDate": "2020-01-12T03:04:05Z"}, "X-When", "Sun, 12 Jan 2020 03:04:05 +0000"),
    ({"header:List-Post:asURLs": ["mailto:l@x.example"]}, "List-Post", "<mailto:l@x.example>"),
])
def test_each_form_of_a_header_field(jmap, boxes, properties, header, value):
    make(jmap, boxes, **properties, **text("x"))
    m, _ = parsed(jmap)
    assert " ".join(str(m[header]).split()) == " ".join(value.split())
    assert len(m.get_all("Date")) == len(m.get_all("Message-ID")) == 1


def test_a_field_may_come_more_than_once(jmap, boxes):
    make(jmap, boxes, **{"header:X-Many:asText:all": ["one", "two"]}, **text("x"))
    assert parsed(jmap)[0].get_all("X-Many") == ["one", "two"]


def test_an_address_that_is_none_yet_stays_in_the_draft(jmap, boxes):
    make(jmap, boxes, to=[{"email": "bo"}, {"name": "Half", "email": "done@"}], **text("x"))
    _, raw = parsed(jmap)
    assert b"bo" in raw and b"Half <done@>" in raw


def test_texts_and_files_in_their_usual_shape(jmap, boxes):
    blob = jmap.upload(PNG, "image/png")
    values = {"t": {"value": "plain"}, "h": {"value": "<img src=cid:i@x>"}}
    make(jmap, boxes, bodyValues=values, textBody=[{"partId": "t", "type": "text/plain"}],
         htmlBody=[{"partId": "h", "type": "text/html"}],
         attachments=[{"blobId": blob, "type": "image/png", "name": "Größe 大.png"},
                      {"blobId": blob, "type": "image/png", "cid": "i@x", "disposition": "inline"}])
    m, _ = parsed(jmap)
    mixed = list(m.iter_parts())
    assert [m.get_content_type()] + [p.get_content_type() for p in mixed] == [
        "multipart/mixed", "multipart/alternative", "image/png"]
    plain, related = mixed[0].iter_parts()
    assert plain.get_content() == "plain\n" or plain.get_content() == "plain"
    assert [p.get_content_type() for p in related.iter_parts()] == ["text/html", "image/png"]
    assert list(related.iter_parts())[1]["content-id"] == "<i@x>"
    assert mixed[1].get_filename() == "Größe 大.png" and mixed[1].get_content() == PNG
    assert mixed[1].get_content_disposition() == "attachment"


def test_any_structure_with_fields_of_its_parts(jmap, boxes):
    structure = {"type": "multipart/mixed", "subParts": [
        {"partId": "a", "type": "text/plain", "language": ["en", "de"], "header:X-Part:asText": "pärt"},
        {"type": "multipart/digest", "subParts": [{"partId": "b", "type": "text/x-any", "location": "http://x/"}]}]}
    make(jmap, boxes, bodyStructure=structure, bodyValues={"a": {"value": "é" * 200}, "b": {"value": "b"}})
    m, _ = parsed(jmap)
    first, digest = m.iter_parts()
    assert first["content-language"] == "en, de" and first["x-part"] == "pärt"
    assert first.get_content().strip() == "é" * 200
    assert list(digest.iter_parts())[0]["content-location"] == "http://x/"


def test_a_message_within_a_message_stays_as_it_is(jmap, boxes):
    make(jmap, boxes, subject="inner", **text("inner text"))
    inner = jmap.download(jmap.made["blobId"])
    make(jmap, boxes, attachments=[{"blobId": jmap.made["blobId"], "type": "message/rfc822"}], **text("outer"))
    _, raw = parsed(jmap)
    assert inner.rstrip() in raw


@pytest.mark.parametrize("properties, at_fault", [
    ({"headers": []}, "headers"),
    ({"subject": "a", "header:Subject:asText": "b"}, "header:Subject:asText"),
    ({"header:From:asDate": "2020-01-02T03:04:05Z"}, "header:From:asDate"),
    ({"header:Subject:asAddresses": []}, "header:Subject:asAddresses"),
    ({"header:Content-Type": " text/plain"}, "header:Content-Type"),
    ({"header:X:asNothing": "x"}, "header:X:asNothing"),
    ({"header:X-A": "a\r\nBcc: b@c"}, "header:X-A"),
    ({"subject": "a\r\nBcc: b@c"}, "subject"),
    ({"from": [{"email": "a@b\r\nBcc: x@y"}]}, "from"),
    ({"id": "M1"}, "id"), ({"size": 1}, "size"), ({"preview": "x"}, "preview"), ({"unheard": 1}, "unheard"),
    ({"receivedAt": "yesterday"}, "receivedAt"),
    ({"keywords": {"$seen": False}}, "keywords"), ({"keywords": {"a b": True}}, "keywords"),
    ({"keywords": {"$recent": True}}, "keywords"),
    ({"bodyStructure": {"partId": "t", "type": "text/plain"}, "textBody": []}, "bodyStructure"),
    ({"textBody": [{"partId": "t", "type": "text/html"}]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/plain"}] * 2}, "textBody"),
    ({"htmlBody": [{"partId": "t", "type": "text/plain"}]}, "htmlBody"),
    ({"textBody": [{"partId": "nobody", "type": "text/plain"}]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/plain", "charset": "utf-8"}]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/plain", "size": 3}]}, "textBody"),
    ({"textBody": [{"partId": "t", "blobId": "G1", "type": "text/plain"}]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/plain", "headers": []}]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/plain", "header:Content-Transfer-Encoding": " 8bit"}]}, "textBody"),
    ({"textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "x", "isTruncated": True}}}, "bodyValues"),
    ({"subject": "x", "bodyStructure": {"partId": "t", "type": "text/plain", "header:Subject": " y"}},
     "bodyStructure"),
])
def test_what_cannot_be_made_names_its_property(jmap, boxes, properties, at_fault):
    got = jmap.refused("Email", **{"mailboxIds": {boxes["Drafts"]: True}, "bodyValues": {"t": {"value": "x"}}, **properties})
    assert got["type"] == "invalidProperties" and got["properties"] == [at_fault]


def test_an_email_is_in_a_mailbox_that_is_there(jmap):
    for ids in ({}, {"F0000000000000": True}, None):
        assert jmap.refused("Email", mailboxIds=ids, **text("x"))["properties"] == ["mailboxIds"]


def test_blobs_that_are_not_there_are_named(jmap, boxes):
    got = jmap.refused("Email", mailboxIds={boxes["Drafts"]: True},
                       attachments=[{"blobId": "Gone1", "type": "image/png"}, {"blobId": "Gone2", "type": "a/b"}])
    assert (got["type"], got["notFound"]) == ("blobNotFound", ["Gone1", "Gone2"])


def test_an_email_in_two_mailboxes_is_one(jmap, boxes):
    id = jmap.create("Email", mailboxIds={boxes["Drafts"]: True, boxes["Archive"]: True}, **text("x"))
    assert set(jmap.where(id)) == {"Drafts", "Archive"}
    assert jmap.call("Thread/get", ids=[jmap.made["threadId"]])["list"] == [{"id": jmap.made["threadId"], "emailIds": [id]}]


def test_an_email_in_as_many_mailboxes_as_may_be(jmap, boxes):
    """And a mailbox that is made in the same request may be named twice."""
    most = jmap.session["accounts"][jmap.id]["accountCapabilities"]["urn:ietf:params:jmap:mail"]["maxMailboxesPerEmail"]
    made = jmap.set("Mailbox", create={"b%d" % i: {"name": "Many %d" % i} for i in range(most + 1)})["created"]
    ids = [m["id"] for m in made.values()]
    assert jmap.refused("Email", mailboxIds={i: True for i in ids}, **text("x"))["type"] == "tooManyMailboxes"
    id = jmap.create("Email", mailboxIds={i: True for i in ids[1:]}, **text("x"))
    assert len(jmap.where(id)) == most
    got = jmap.set("Email", update={id: {"mailboxIds/" + ids[0]: True}})["notUpdated"][id]
    assert got["type"] == "tooManyMailboxes"
    assert jmap.set("Email", update={id: {"mailboxIds": {boxes["Drafts"]: True}}})["updated"] == {id: None}
    answers = jmap.request([
        ["Mailbox/set", {"accountId": jmap.id, "destroy": ids, "create": {"new": {"name": "New"}}}, "0"],
        ["Email/set", {"accountId": jmap.id, "create": {"e": {"mailboxIds": {"#new": True, boxes["Drafts"]: True}, **text("x")}}}, "1"]])
    both = jmap.where(answers[1][1]["created"]["e"]["id"])
    assert set(both) == {"New", "Drafts"}


# ---- large ones --------------------------------------------------------------------------------------------

LARGE = "".join("a line of text, and 北京 in it: %d\n" % i for i in range(230_000))


def raw_post(jmap, body, **headers):
    """Status and JSON of what the server says to any body, whole or in chunks."""
    c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=120)
    c.request("POST", "/jmap/api", body, {"Authorization": jmap.auth, "Content-Type": "application/json", **headers})
    r = c.getresponse()
    got = r.status, json.loads(r.read())
    c.close()
    return got


def request_of(method, args):
    return json.dumps({"using": USING + ["urn:ietf:params:jmap:blob"], "methodCalls": [[method, args, "0"]]}, ensure_ascii=False).encode()


def draft(jmap, boxes, value):
    return {"accountId": jmap.id, "create": {"k": {"mailboxIds": {boxes["Drafts"]: True}, **text(value)}}}


def pieces(octets, size=50_000):
    return (octets[i:i + size] for i in range(0, len(octets), size))


def test_a_text_of_nine_megabytes_is_what_it_was(jmap, boxes):
    whole = request_of("Email/set", draft(jmap, boxes, LARGE))
    assert 9_000_000 < len(whole) <= jmap.session["capabilities"][CORE]["maxSizeRequest"] == 10_000_000
    some = request_of("Email/set", draft(jmap, boxes, LARGE[:600_000]))
    for sent, value in ((whole, LARGE), (pieces(some), LARGE[:600_000])):
        status, got = raw_post(jmap, sent)
        assert status == 200 and got["methodResponses"][0][1]["created"], got
        jmap.made = got["methodResponses"][0][1]["created"]["k"]
        m, _ = parsed(jmap)
        assert m.get_payload(decode=True).decode() == value.replace("\n", "\r\n")


def test_lines_end_alike_wherever_a_piece_ends(jmap, boxes):
    """A text is written piece by piece, and CR and LF may fall into two."""
    for ends in ("\n", "\r\n", "\r"):
        for shift in range(3):
            value = "x" * shift + ("y" * 46 + ends) * 4000 + ends
            make(jmap, boxes, **text(value))
            m, _ = parsed(jmap)
            assert m.get_payload(decode=True).decode() == "\r\n".join(value.split(ends)), (ends, shift)


def test_an_upload_of_seven_megabytes_in_a_request(jmap):
    octets = bytes(range(256)) * 28_000
    for source in ({"data:asBase64": base64.b64encode(octets).decode()}, {"data:asText": LARGE}):
        status, got = raw_post(jmap, request_of("Blob/upload", {"accountId": jmap.id, "create": {"k": {"data": [source]}}}))
        made = got["methodResponses"][0][1]["created"]["k"]
        assert jmap.download(made["id"]) == (octets if "data:asBase64" in source else LARGE.encode())
    bad = base64.b64encode(octets).decode()[:-1] + "*"
    status, got = raw_post(jmap, request_of("Blob/upload", {"accountId": jmap.id, "create": {"k": {"data": [{"data:asBase64": bad}]}}}))
    assert got["methodResponses"][0][1]["notCreated"]["k"]["type"] == "invalidProperties"


@pytest.mark.parametrize("cut", [bytes, pieces], ids=["told", "in chunks"])
def test_a_request_that_is_too_large_names_the_limit(jmap, cut):
    most = jmap.session["capabilities"][CORE]["maxSizeRequest"]
    for size in (most + 1, most + 5_000_000):
        status, got = raw_post(jmap, cut(b'{"using":[],"methodCalls":[]}'.ljust(size)))
        assert status == 400 and got["type"] == "urn:ietf:params:jmap:error:limit" and got["limit"] == "maxSizeRequest"
    status, got = raw_post(jmap, cut(b'{"using":[],"methodCalls":[]}'.ljust(most)))
    assert status == 200 and got["methodResponses"] == []


def test_only_texts_make_a_request_large(jmap, boxes):
    """What is not passed on as it is has the bound that it always had."""
    long = "x" * 1_100_000
    for method, args in (("Email/query", {"accountId": jmap.id, "filter": {"text": long}}), ("Core/echo", {long: 1}),
                         ("Email/set", {"accountId": jmap.id, "create": {"k": {
                             "mailboxIds": {boxes["Drafts"]: True}, "subject": long, **text("x")}}}),
                         ("Core/echo", {"#a": {"resultOf": "0", "name": long, "path": "/"}})):
        status, got = raw_post(jmap, request_of(method, args))
        assert status == 400 and got["limit"] == "maxSizeRequest", (method, got)
    status, got = raw_post(jmap, b'{"using":[],"methodCalls":[' + b" " * 300_000 + b"}")
    assert status == 400 and got["type"].endswith(":notJSON")
    status, got = raw_post(jmap, b'{"using":["x"],"methodCalls":[]}'.rjust(300_000))
    assert status == 400 and got["type"].endswith(":unknownCapability")


def test_large_requests_of_one_do_not_keep_others_waiting(jmap, boxes):
    """One of a user is worked on at a time; others' come between, and what is small is answered meanwhile."""
    bob, order, done = Jmap(jmap.station, "bob"), [], threading.Event()
    theirs = bob.boxes()

    def send(who, value):
        status, got = raw_post(who, value)
        order.append((who, status, bool(status == 200 and got["methodResponses"][0][1].get("created"))))
    value = LARGE[:2_000_000]
    body = request_of("Email/set", draft(jmap, boxes, value))
    threads = [threading.Thread(target=send, args=(jmap, body)) for _ in range(6)]
    for t in threads:
        t.start()
    other = threading.Thread(target=send, args=(bob, request_of("Email/set", draft(bob, theirs, value))))
    other.start()
    small = 0
    while not done.is_set():
        assert bob.call("Core/echo", x=1)["x"] == 1
        small += 1
        if not any(t.is_alive() for t in threads):
            done.set()
    other.join()
    assert small > 1 and len(order) == 7 and all(o[1:] == (200, True) for o in order), order
    assert order[-1][0] is jmap


def test_a_text_that_many_parts_name_is_bounded_once(jmap, boxes):
    """What the message would be at least is known before any of it is written."""
    def named(parts, value):
        return {"mailboxIds": {boxes["Drafts"]: True}, "bodyValues": {"t": {"value": value}}, "bodyStructure": {
            "type": "multipart/mixed", "subParts": [{"partId": "t", "type": "text/plain"}] * parts}}
    why = jmap.refused("Email", **named(900, "x" * 900_000))
    assert why["type"] == "tooLarge" and why["maxSize"] < 900 * 900_000 and why["description"]
    jmap.create("Email", **named(20, "y" * 70 + "\n"))
    m, _ = parsed(jmap)
    assert [p.get_content() for p in m.iter_parts()] == ["y" * 70 + "\r\n"] * 20


# ---- changing ----------------------------------------------------------------------------------------------


def test_keywords_by_patch_and_as_a_whole(jmap, boxes):
    id = make(jmap, boxes, **text("x"))
    assert jmap.update("Email", id, **{"keywords/$seen": True, "keywords/two": True}) is None
    assert jmap.where(id) == {"Drafts": ["\\Seen", "two"]}
    assert jmap.update("Email", id, **{"keywords/$seen": None, "keywords/$flagged": True}) is None
    assert jmap.where(id) == {"Drafts": ["\\Flagged", "two"]}
    assert jmap.update("Email", id, keywords={"$answered": True, "three": True}) is None
    assert jmap.where(id) == {"Drafts": ["\\Answered", "three"]}


def test_mailboxes_by_patch_and_as_a_whole(jmap, boxes):
    id = make(jmap, boxes, **text("x"))
    assert jmap.update("Email", id, **{"mailboxIds/" + boxes["Archive"]: True}) is None
    assert set(jmap.where(id)) == {"Drafts", "Archive"}
    assert jmap.update("Email", id, **{"mailboxIds/" + boxes["Drafts"]: None, "keywords/k": True}) is None
    assert jmap.where(id) == {"Archive": ["k"]}
    assert jmap.update("Email", id, mailboxIds={boxes["Trash"]: True, boxes["Sent"]: True}) is None
    assert set(jmap.where(id)) == {"Trash", "Sent"}


@pytest.mark.parametrize("patch, type", [
    ({"subject": "new"}, "invalidProperties"),
    ({"mailboxIds": {}}, "invalidProperties"),
    ({"mailboxIds/F0000000000000": True}, "invalidProperties"),
    ({"keywords/a b": True}, "invalidProperties"),
    ({"keywords/a": False}, "invalidProperties"),
    ({"keywords": {}, "keywords/a": True}, "invalidPatch"),
    ({"from/0/email": "x"}, "invalidPatch"),
])
def test_what_cannot_be_changed_changes_nothing(jmap, boxes, patch, type):
    id = make(jmap, boxes, keywords={"k": True}, **text("x"))
    assert jmap.update("Email", id, **patch)["type"] == type
    assert jmap.where(id) == {"Drafts": ["k"]}


def test_what_is_as_it_was_may_be_sent_again(jmap, boxes):
    id = make(jmap, boxes, **text("x"))
    same = {"id": id, "size": jmap.made["size"], "threadId": jmap.made["threadId"]}
    assert jmap.update("Email", id, **same, **{"keywords/a": True}) is None
    assert jmap.update("Email", id, size=1)["type"] == "invalidProperties"


def test_states_and_what_is_not_there(jmap, boxes):
    got = jmap.set("Email", update={"M0000000000000": {"keywords/a": True}}, destroy=["M0000000000001"])
    assert got["notUpdated"]["M0000000000000"]["type"] == "notFound"
    assert got["notDestroyed"]["M0000000000001"]["type"] == "notFound"
    assert got["oldState"] == got["newState"]
    with pytest.raises(JmapError) as why:
        jmap.set("Email", ifInState="0", create={})
    assert why.value.type == "stateMismatch"
    got = jmap.set("Email", ifInState=got["newState"], create={"a": {"mailboxIds": {boxes["Drafts"]: True}}})
    assert got["created"]["a"]["id"] and got["newState"] != got["oldState"]


def test_destroyed_is_gone_from_all_its_mailboxes(jmap, boxes):
    id = jmap.create("Email", mailboxIds={boxes["Drafts"]: True, boxes["Archive"]: True}, **text("x"))
    other = make(jmap, boxes, **text("y"))
    got = jmap.set("Email", update={id: {"keywords/a": True}}, destroy=[id])
    assert got["destroyed"] == [id] and got["notUpdated"][id]["type"] == "willDestroy"
    assert jmap.where(id) == {} and set(jmap.where(other)) == {"Drafts"}


def test_what_was_made_in_the_same_request_can_be_named(jmap, boxes):
    answers = jmap.request([
        ["Email/set", {"accountId": jmap.id, "create": {"k": {"mailboxIds": {boxes["Drafts"]: True}, **text("x")}}}, "0"],
        ["Email/set", {"accountId": jmap.id, "update": {"#k": {"keywords/later": True}}}, "1"]])
    id = answers[0][1]["created"]["k"]["id"]
    assert answers[1][1]["updated"] == {id: None} and jmap.where(id) == {"Drafts": ["later"]}


def test_five_hundred_are_filed_in_a_moment(jmap, boxes):
    m = jmap.imap()
    for i in range(500):
        m.append("INBOX", None, None, b"Subject: %d\r\n\r\nx\r\n" % i)
    m.select("INBOX")
    ids = [line.decode().split("EMAILID (")[1].split(")")[0] for line in m.fetch("1:500", "(EMAILID)")[1]]
    m.logout()
    began = time.monotonic()
    got = jmap.set("Email", update={id: {"mailboxIds": {boxes["Archive"]: True}, "keywords/$seen": True} for id in ids})
    took = time.monotonic() - began
    assert len(got["updated"]) == 500 and took < 10  # with sanitizers, on a busy machine
    assert set(jmap.where(ids[499])) == {"Archive"}
    with pytest.raises(JmapError) as why:
        jmap.set("Email", destroy=ids + ["M0000000000000"])
    assert why.value.type == "requestTooLarge"
    assert len(jmap.set("Email", destroy=ids)["destroyed"]) == 500


def test_what_is_refused_leaves_nothing_half_done():
    """RFC 8620 section 5.3: of an update of one object either all is committed or nothing."""
    with Yizhan(conf="demo = yes\n") as s:
        jmap = Jmap(s)
        boxes = jmap.boxes()
        ids = [make(jmap, boxes, "INBOX", keywords={"old": True}, subject="Number %d" % i, **text("x" * 30_000)) for i in range(3)]
        s.cli("account", "set", s.account("alice").address, "--quota", "110K")
        there = {boxes["INBOX"]: True}
        got = jmap.set("Email", update={
            ids[0]: {"keywords/$seen": True, "keywords/old": None, "mailboxIds/" + boxes["Archive"]: True},  # a copy more
            ids[1]: {"keywords/$seen": True, "mailboxIds": {boxes["Archive"]: True}},
            ids[2]: {"keywords": {}, "mailboxIds": {**there, boxes["Trash"]: True}}})
        assert list(got["updated"]) == [ids[1]]
        assert {id: why["type"] for id, why in got["notUpdated"].items()} == {ids[0]: "overQuota", ids[2]: "overQuota"}
        now = {e["id"]: (e["keywords"], e["mailboxIds"]) for e in jmap.call("Email/get", ids=ids, properties=["keywords", "mailboxIds"])["list"]}
        assert now == {ids[0]: ({"old": True}, there), ids[1]: ({"old": True, "$seen": True}, {boxes["Archive"]: True}), ids[2]: ({"old": True}, there)}


def test_what_there_is_room_for_once_is_in_no_mailbox_of_two():
    with Yizhan(conf="demo = yes\n") as s:
        jmap = Jmap(s)
        boxes = jmap.boxes()
        blob = jmap.upload(b"Subject: x\r\n\r\n" + b"y" * 30_000)
        both = {boxes["INBOX"]: True, boxes["Archive"]: True}
        s.cli("account", "set", s.account("alice").address, "--quota", "50K")
        assert jmap.refused("Email", mailboxIds=both, **text("x" * 30_000))["type"] == "overQuota"
        got = jmap.call("Email/import", emails={"k": {"blobId": blob, "mailboxIds": both}})
        assert got["notCreated"]["k"]["type"] == "overQuota"
        assert jmap.call("Email/query")["ids"] == []
        assert jmap.call("Email/import", emails={"k": {"blobId": blob, "mailboxIds": {boxes["INBOX"]: True}}})["created"]


# ---- Email/import, Email/copy --------------------------------------------------------------------------------


def test_an_upload_becomes_an_email(jmap, boxes):
    raw = b"Subject: kept\nX-Odd:   as it is\n\nbody\n"
    blob = jmap.upload(raw, "message/rfc822")
    one = {"blobId": blob, "mailboxIds": {boxes["Archive"]: True}, "keywords": {"$flagged": True},
           "receivedAt": "2001-02-03T04:05:06Z"}
    got = jmap.call("Email/import", emails={"a": one, "b": dict(one, blobId="Gone"), "c": dict(one, mailboxIds={}),
                                            "d": dict(one, blobId=jmap.upload(b"no header at all"))})
    made = got["created"]["a"]
    assert jmap.download(made["blobId"]) == raw.replace(b"\n", b"\r\n")
    assert set(made) == {"id", "blobId", "threadId", "size"} and made["size"] == len(raw) + raw.count(b"\n")
    assert jmap.where(made["id"]) == {"Archive": ["\\Flagged"]}
    assert {k: v["type"] for k, v in got["notCreated"].items()} == {
        "b": "invalidProperties", "c": "invalidProperties", "d": "invalidEmail"}
    m = jmap.imap()
    m.select("Archive")
    assert b"3-Feb-2001 04:05:06" in b"".join(m.fetch("1:*", "(INTERNALDATE)")[1])
    m.logout()


def test_copy_is_for_other_accounts(jmap, boxes):
    with pytest.raises(JmapError) as why:
        jmap.call("Email/copy", fromAccountId=jmap.id, create={})
    assert why.value.type == "invalidArguments"
    with pytest.raises(JmapError) as why:
        jmap.call("Email/copy", fromAccountId="A0000000000000", create={})
    assert why.value.type == "fromAccountNotFound"


def test_copy_and_move_out_of_a_shared_mailbox(jmap, boxes):
    bob = Jmap(jmap.station, "bob")
    theirs = bob.boxes()
    id = bob.create("Email", mailboxIds={theirs["Archive"]: True}, keywords={"hers": True}, subject="ours", **text("x"))
    raw = bob.download(bob.made["blobId"])
    m = bob.imap()
    m.setacl("Archive", "alice@yizhan.test", "lr")
    args = {"fromAccountId": bob.id, "create": {"a": {"id": id, "mailboxIds": {boxes["Archive"]: True}}}}
    made = jmap.call("Email/copy", **args)["created"]["a"]
    assert jmap.download(made["blobId"]) == raw and jmap.where(made["id"]) == {"Archive": ["hers"]}
    assert jmap.also == []
    jmap.call("Email/copy", onSuccessDestroyOriginal=True, **args)
    assert jmap.also[0][0] in ("Email/set", "error") and set(bob.where(id)) == {"Archive"}
    m.setacl("Archive", "alice@yizhan.test", "lrte")
    jmap.call("Email/copy", onSuccessDestroyOriginal=True, **args)
    assert jmap.also[0][1]["destroyed"] == [id] and bob.where(id) == {}
    m.logout()


def test_rights_of_a_shared_mailbox_count(jmap, boxes):
    bob = Jmap(jmap.station, "bob")
    theirs = bob.boxes()
    id = bob.create("Email", mailboxIds={theirs["Sent"]: True}, **text("x"))
    m = bob.imap()
    m.setacl("Sent", "alice@yizhan.test", "lrs")

    def change(**patch):
        got = jmap.set("Email", accountId=bob.id, update={id: patch})
        return (got["notUpdated"] or {}).get(id, {}).get("type")

    assert change(**{"keywords/$seen": True}) is None
    assert change(**{"keywords/$flagged": True}) == "forbidden"
    assert change(**{"mailboxIds/" + theirs["Trash"]: True}) == "invalidProperties"
    got = jmap.set("Email", accountId=bob.id, destroy=[id],
                   create={"a": {"mailboxIds": {theirs["Sent"]: True}, **text("x")}})
    assert got["notDestroyed"][id]["type"] == got["notCreated"]["a"]["type"] == "forbidden"
    m.setacl("Sent", "alice@yizhan.test", "lrswite")
    assert change(**{"keywords/$flagged": True}) is None
    got = jmap.set("Email", accountId=bob.id, destroy=[id],
                   create={"a": {"mailboxIds": {theirs["Sent"]: True}, **text("x")}})
    assert got["destroyed"] == [id] and got["created"]["a"]["id"]
    m.logout()


# ---- snooze ----------------------------------------------------------------------------------------------


def test_snoozed_comes_back_unread(jmap, boxes):
    id = make(jmap, boxes, "INBOX", keywords={"$seen": True, "k": True}, subject="sleeper", **text("x"))
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    assert jmap.update("Email", id, snoozed={"until": until}) is None
    assert set(jmap.where(id)) == {"Snoozed"}
    assert jmap.get("Email", id, properties=["snoozed"])["snoozed"] == {"until": until, "mailboxId": boxes["INBOX"]}
    end = time.monotonic() + 10
    while jmap.where(id) and time.monotonic() < end:
        time.sleep(0.3)
    m = jmap.imap()
    m.select("INBOX")
    number = m.search(None, "SUBJECT", "sleeper")[1][0]
    flags = m.fetch(number, "(FLAGS)")[1][0]
    assert b"k" in flags and b"Seen" not in flags
    m.logout()
    assert jmap.update("Email", id, snoozed={"until": "soon"})["type"] in ("notFound", "invalidProperties")


# ---- a conversation that is muted ------------------------------------------------------------------------------


def arrives(jmap, subject, id, refs=None, irt=None):
    """By SMTP, from outside."""
    head = ["From: Ana <ana@example.org>", "To: alice@yizhan.test", "Subject: " + subject, "Message-ID: <%s@example.org>" % id]
    if refs:
        head.append("References: " + "\r\n ".join("<%s@example.org>" % r for r in refs))
    if irt:
        head.append("In-Reply-To: <%s@example.org>" % irt)
    with smtplib.SMTP(HOST, jmap.station.ports["smtp"], timeout=30) as smtp:
        smtp.sendmail("ana@example.org", ["alice@yizhan.test"], "\r\n".join([*head, "", "Hello.", ""]))
    return emails_of(jmap, "%s@example.org" % id)[0]


def emails_of(jmap, message_id):
    ids = jmap.call("Email/query", filter={"header": ["Message-ID", message_id]})["ids"]
    return jmap.call("Email/get", ids=ids, properties=["mailboxIds", "keywords", "threadId", "subject"])["list"]


def test_answers_to_a_muted_conversation_go_past_the_inbox(jmap, boxes):
    first = arrives(jmap, "=?utf-8?B?5Lya6K6u?= party", "m1")
    second = arrives(jmap, "Re: =?utf-8?B?5Lya6K6u?= party", "m2", irt="m1")
    other = arrives(jmap, "Lunch", "n1")
    assert first["threadId"] == second["threadId"]
    assert all(e["mailboxIds"] == {boxes["INBOX"]: True} for e in (first, second, other))
    assert jmap.set("Email", update={e["id"]: {"keywords/$muted": True} for e in (first, second)})["notUpdated"] is None
    for n, refs in enumerate((["m1"], ["m1", "m2"], ["elsewhere", "m1"])):
        e = arrives(jmap, "RE: =?utf-8?Q?=E4=BC=9A=E8=AE=AE?= party", "a%d" % n, refs=refs)
        assert e["mailboxIds"] == {boxes["Archive"]: True} and e["keywords"] == {}, (refs, e)
        assert e["threadId"] == first["threadId"]
    assert arrives(jmap, "Re: =?utf-8?B?5Lya6K6u?= party", "a9", irt="a1")["mailboxIds"] == {boxes["Archive"]: True}
    # another conversation, and one that begins under another subject, come in
    assert arrives(jmap, "Re: Lunch", "n2", irt="n1")["mailboxIds"] == {boxes["INBOX"]: True}
    assert arrives(jmap, "Something else", "m7", refs=["m1", "m2"])["mailboxIds"] == {boxes["INBOX"]: True}
    assert arrives(jmap, "=?utf-8?B?5Lya6K6u?= party", "m8")["mailboxIds"] == {boxes["INBOX"]: True}
    # and so does this one when it is not muted any more
    jmap.set("Email", update={e["id"]: {"keywords/$muted": None} for e in (first, second)})
    assert arrives(jmap, "Re: =?utf-8?B?5Lya6K6u?= party", "m9", irt="m2")["mailboxIds"] == {boxes["INBOX"]: True}


def test_what_was_muted_by_imap_is_muted_too(jmap, boxes):
    first = arrives(jmap, "Minutes", "i1")
    box = jmap.imap()
    box.select("INBOX")
    uid = box.uid("SEARCH", "SUBJECT", "Minutes")[1][0].decode()
    assert box.uid("STORE", uid, "+FLAGS", "($Muted)")[0] == "OK"
    box.logout()
    answer = arrives(jmap, "Re: Minutes", "i2", refs=["i1"])
    assert answer["mailboxIds"] == {boxes["Archive"]: True} and answer["threadId"] == first["threadId"]
