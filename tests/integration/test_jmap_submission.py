"""Identity, EmailSubmission, VacationResponse, Contact and WebSettings (RFC 8621 sections 6 to 8; docs/jmap.md)."""

import email
import email.policy
import json
import os
import re
import smtplib
import ssl
import sys
import time

import pytest

from jmap_hand import Jmap, JmapError
from station import HOST, Yizhan

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import PySink  # noqa: E402

ALICE, BOB, FAR = "alice@yizhan.test", "bob@yizhan.test", "far@peer.test"


@pytest.fixture(scope="module")
def sink():
    with PySink() as s:
        s.on("rcpt", "550 5.1.1 nobody of that name", rcpt="ghost@peer.test")
        s.on("rcpt", "451 4.7.1 come back later", rcpt="grey@peer.test")
        yield s


@pytest.fixture(scope="module")
def jmap(sink):
    with Yizhan(conf="demo = yes\n") as server:
        server.cli("domain", "add", "peer.test", "--relay")
        server.cli("route", "add", "peer.test", "127.0.0.1:%d" % sink.address[1])
        yield Jmap(server)


@pytest.fixture(scope="module")
def boxes(jmap):
    return jmap.boxes()


@pytest.fixture(scope="module")
def me(jmap):
    return jmap.call("Identity/get", ids=None)["list"][0]["id"]


def draft(jmap, boxes, **properties):
    properties.setdefault("from", [{"name": "Alice", "email": ALICE}])
    values = {"t": {"value": "Hello\n.dot\n"}}
    return jmap.create("Email", mailboxIds={boxes["Drafts"]: True}, keywords={"$draft": True}, bodyValues=values,
                       textBody=[{"partId": "t", "type": "text/plain"}], **properties)


def send(jmap, boxes, me, to, envelope=None, **properties):
    id = draft(jmap, boxes, to=[{"email": a} for a in to], **properties)
    return jmap.create("EmailSubmission", identityId=me, emailId=id, **({"envelope": envelope} if envelope else {}))


def status(jmap, id, rcpt, want, seconds=15):
    """Until the recipient stands so; its whole status."""
    end = time.monotonic() + seconds
    while True:
        got = jmap.get("EmailSubmission", id)["deliveryStatus"][rcpt]
        if got["delivered"] == want:
            return got
        assert time.monotonic() < end, got
        time.sleep(0.1)


def inbox(jmap, name, subject, seconds=10):
    """Letters of a mailbox's INBOX with that subject."""
    other, end = Jmap(jmap.station, name).imap(), time.monotonic() + seconds
    while True:
        other.select("INBOX")
        found = other.search(None, "SUBJECT", '"%s"' % subject)[1][0].split()
        if found or time.monotonic() > end:
            raw = [other.fetch(n, "(RFC822)")[1][0][1] for n in found]
            other.logout()
            return [email.message_from_bytes(r, policy=email.policy.default) for r in raw]
        time.sleep(0.1)


# ---- Identity ----------------------------------------------------------------------------------------------


def test_identities_are_there_at_first(jmap):
    got = jmap.call("Identity/get", ids=None)
    assert [(i["email"], i["mayDelete"], i["replyTo"], i["bcc"], i["textSignature"]) for i in got["list"]] == [
        (ALICE, False, None, None, "")]
    assert jmap.set("Identity", destroy=[got["list"][0]["id"]])["notDestroyed"]


def test_identities_are_made_changed_and_destroyed(jmap):
    before = jmap.call("Identity/get", ids=[])["state"]
    jmap.station.cli("alias", "add", "sales@yizhan.test", ALICE)
    id = jmap.create("Identity", email="sales@yizhan.test", name="Sales", replyTo=[{"name": None, "email": ALICE}])
    assert jmap.made == {"id": id, "mayDelete": True, "bcc": None, "textSignature": "", "htmlSignature": ""}
    assert jmap.update("Identity", id, textSignature="-- \nme", replyTo=None) is None
    assert jmap.update("Identity", id, email="x@yizhan.test")["properties"] == ["email"]
    got = jmap.get("Identity", id)
    assert (got["name"], got["textSignature"], got["replyTo"]) == ("Sales", "-- \nme", None)
    changes = jmap.call("Identity/changes", sinceState=before)
    assert changes["created"] == [id] and not changes["updated"]
    # an EmailAddress has a name, if only null; null in a patch is the default (RFC 8620 section 5.3)
    done = jmap.call("Identity/set", update={id: {"bcc": [{"email": ALICE}], "name": None}})
    assert done["updated"] == {id: {"bcc": [{"name": None, "email": ALICE}]}}
    got = jmap.get("Identity", id)
    assert got["bcc"] == [{"name": None, "email": ALICE}] and got["name"] == ""
    assert jmap.update("Identity", id, bcc=[{"email": ALICE, "note": "x"}])["properties"] == ["bcc"]
    assert jmap.refused("Identity", email=BOB)["type"] == "forbiddenFrom"
    assert jmap.refused("Identity", name="x")["properties"] == ["email"]
    assert jmap.set("Identity", destroy=[id])["destroyed"] == [id]


# ---- what is sent -------------------------------------------------------------------------------------------


def test_a_letter_leaves_as_it_is_but_for_bcc(jmap, boxes, me, sink):
    id = draft(jmap, boxes, to=[{"email": FAR}], bcc=[{"email": BOB}], subject="to two")
    raw = jmap.download(jmap.made["blobId"])
    sid = jmap.create("EmailSubmission", identityId=me, emailId=id)
    assert set(jmap.made) >= {"id", "threadId", "sendAt", "undoStatus", "envelope"} and jmap.made["undoStatus"] == "final"
    letter = [x for x in sink.wait(1) if b"to two" in x.data][0]
    assert (letter.sender, letter.rcpts) == (ALICE, [FAR])
    assert b"Bcc" not in letter.data and letter.data.rstrip().endswith(b"Hello\r\n.dot")
    assert b" (JMAP)\r\n\tby " in letter.data  # our own talk with ourselves has no peer to name
    queue_id = re.search(rb"with ESMTP id (\w+)", letter.data).group(1).decode()
    events = jmap.station.cli_json("trace", queue_id, "--json")
    [accepted] = [e["facts"] for e in events if e.get("event") == "accepted"]
    assert (accepted["with"], accepted.get("peer"), accepted.get("helo")) == ("JMAP", None, None)
    kept = b"".join(l for l in raw.splitlines(True) if not l.startswith(b"Bcc:"))
    assert kept.rstrip() in letter.data
    assert len(inbox(jmap, "bob", "to two")) == 1 and inbox(jmap, "bob", "to two")[0]["bcc"] is None
    got = jmap.get("EmailSubmission", sid)
    assert got["envelope"] == {"mailFrom": {"email": ALICE, "parameters": None}, "rcptTo": [
        {"email": FAR, "parameters": None}, {"email": BOB, "parameters": None}]}
    assert got["identityId"] == me and got["emailId"] == id
    assert status(jmap, sid, FAR, "unknown")["smtpReply"].startswith("250 2.0.0")
    assert status(jmap, sid, BOB, "yes")["displayed"] == "unknown"


def test_an_envelope_that_is_given_counts(jmap, boxes, me, sink):
    n = len(sink.letters)
    envelope = {"mailFrom": {"email": ALICE, "parameters": {"ENVID": "a b", "RET": "HDRS"}},
                "rcptTo": [{"email": FAR, "parameters": {"NOTIFY": "NEVER", "ORCPT": "rfc822;x y@z"}}]}
    sid = send(jmap, boxes, me, [BOB], envelope, subject="to one only")
    letter = sink.wait(n + 1)[-1]
    assert letter.rcpts == [FAR] and "ENVID=a+20b" in letter.sender_params and "RET=HDRS" in letter.sender_params
    assert set(letter.rcpt_params[FAR]) == {"NOTIFY=NEVER", "ORCPT=rfc822;x+20y@z"}
    assert jmap.get("EmailSubmission", sid)["envelope"] == envelope
    assert inbox(jmap, "bob", "to one only", 0.5) == []


@pytest.mark.parametrize("properties, more, type, extra", [
    ({"to": []}, {}, "noRecipients", {}),
    ({"to": [{"email": "nobody"}]}, {}, "invalidEmail", {"properties": ["to"]}),
    ({"from": [], "to": [{"email": FAR}]}, {}, "invalidEmail", {"properties": ["from"]}),
    ({"from": [{"email": BOB}], "to": [{"email": FAR}]}, {}, "forbiddenFrom", {}),
    ({"to": [{"email": FAR}]}, {"envelope": {"mailFrom": {"email": BOB}, "rcptTo": [{"email": FAR}]}},
     "forbiddenMailFrom", {}),
    ({"to": [{"email": FAR}]}, {"envelope": {"mailFrom": {"email": ALICE}, "rcptTo": []}}, "noRecipients", {}),
    ({"to": [{"email": FAR}]}, {"envelope": {"mailFrom": {"email": ALICE}, "rcptTo": [{"email": "a b"}]}},
     "invalidRecipients", {"invalidRecipients": ["a b"]}),
    ({"to": [{"email": "ghost@yizhan.test"}, {"email": FAR}]}, {}, "invalidRecipients",
     {"invalidRecipients": ["ghost@yizhan.test"]}),
    ({"to": [{"email": FAR}]}, {"envelope": {"mailFrom": {"email": ALICE}, "rcptTo": [
        {"email": "r%d@peer.test" % i} for i in range(1001)]}}, "tooManyRecipients", {"maxRecipients": 1000}),
    ({"to": [{"email": FAR}]}, {"envelope": {"mailFrom": {"email": ALICE, "parameters": {"HOLDFOR": "999999999"}},
                                             "rcptTo": [{"email": FAR}]}}, "invalidProperties", {}),
    ({"to": [{"email": FAR}]}, {"envelope": {"mailFrom": {"email": ALICE, "parameters": {"X\r\nDATA": None}},
                                             "rcptTo": [{"email": FAR}]}}, "invalidProperties", {}),
    ({"to": [{"email": FAR}]}, {"identityId": "I0000000000000"}, "invalidProperties", {"properties": ["identityId"]}),
    ({"to": [{"email": FAR}]}, {"emailId": "M0000000000000"}, "invalidProperties", {"properties": ["emailId"]}),
    ({"to": [{"email": FAR}]}, {"sendAt": "2030-01-01T00:00:00Z"}, "invalidProperties", {"properties": ["sendAt"]}),
])
def test_what_must_not_be_sent(jmap, boxes, me, sink, properties, more, type, extra):
    n, id = len(sink.letters), draft(jmap, boxes, **properties)
    got = jmap.refused("EmailSubmission", **{"identityId": me, "emailId": id, **more})
    assert got["type"] == type and {k: got[k] for k in extra} == extra
    assert len(sink.letters) == n and jmap.where(id) == {"Drafts": ["\\Draft"]}


def test_the_letter_moves_once_it_is_sent(jmap, boxes, me):
    patch = {"mailboxIds": {boxes["Sent"]: True}, "keywords/$draft": None, "keywords/$seen": True}
    answers = jmap.request([
        ["Email/set", {"accountId": jmap.id, "create": {"d": {
            "mailboxIds": {boxes["Drafts"]: True}, "keywords": {"$draft": True}, "to": [{"email": BOB}],
            "from": [{"email": ALICE}], "subject": "in one go"}}}, "0"],
        ["EmailSubmission/set", {"accountId": jmap.id, "create": {"s": {"identityId": me, "emailId": "#d"}},
                                 "onSuccessUpdateEmail": {"#s": patch}}, "1"]])
    assert [(a[0], a[2]) for a in answers] == [("Email/set", "0"), ("EmailSubmission/set", "1"), ("Email/set", "1")]
    id = answers[0][1]["created"]["d"]["id"]
    assert answers[2][1]["updated"] == {id: None} and jmap.where(id) == {"Sent": ["\\Seen"]}
    gone = draft(jmap, boxes, to=[{"email": BOB}])
    jmap.call("EmailSubmission/set", create={"s": {"identityId": me, "emailId": gone}}, onSuccessDestroyEmail=["#s"])
    assert jmap.also[0][1]["destroyed"] == [gone] and jmap.where(gone) == {}
    kept = draft(jmap, boxes, to=[])
    jmap.call("EmailSubmission/set", create={"s": {"identityId": me, "emailId": kept}}, onSuccessDestroyEmail=["#s"])
    assert jmap.also == [] and jmap.where(kept)


def test_a_refusal_elsewhere_and_a_wait_are_told(jmap, boxes, me):
    before = jmap.call("EmailSubmission/get", ids=[])["state"]
    sid = send(jmap, boxes, me, ["ghost@peer.test", "grey@peer.test"], subject="mixed fate")
    assert status(jmap, sid, "ghost@peer.test", "no")["smtpReply"].startswith("550 5.1.1")
    assert "451" in status(jmap, sid, "grey@peer.test", "queued")["smtpReply"]
    assert sid in jmap.call("EmailSubmission/changes", sinceState=before)["created"]
    end = time.monotonic() + 10
    while not jmap.get("EmailSubmission", sid)["dsnBlobIds"] and time.monotonic() < end:
        time.sleep(0.2)
    report = jmap.download(jmap.get("EmailSubmission", sid)["dsnBlobIds"][0])
    assert b"delivery-status" in report and b"ghost@peer.test" in report


# ---- held back --------------------------------------------------------------------------------------------


def hold(seconds):
    return {"mailFrom": {"email": ALICE, "parameters": {"HOLDFOR": str(seconds)}}, "rcptTo": [{"email": FAR}, {"email": BOB}]}


def test_what_is_held_is_taken_back(jmap, boxes, me, sink):
    n, sid = len(sink.letters), send(jmap, boxes, me, [FAR], hold(60), subject="never mind")
    assert jmap.made["undoStatus"] == "pending"
    got = jmap.get("EmailSubmission", sid)
    assert got["undoStatus"] == "pending" and got["deliveryStatus"][FAR]["delivered"] == "queued"
    assert jmap.update("EmailSubmission", sid, undoStatus="canceled") is None
    assert jmap.get("EmailSubmission", sid)["undoStatus"] == "canceled"
    assert "far@peer.test" not in jmap.station.cli("queue", "list", "--json").stdout.decode()
    assert len(sink.letters) == n and inbox(jmap, "bob", "never mind", 0.3) == []
    assert jmap.update("EmailSubmission", sid, undoStatus="pending")["type"] == "invalidProperties"


def test_what_was_held_leaves_in_its_time(jmap, boxes, me, sink):
    n, sid = len(sink.letters), send(jmap, boxes, me, [FAR], hold(2), subject="a little later")
    assert len(sink.letters) == n
    assert jmap.call("EmailSubmission/query", filter={"undoStatus": "pending"})["ids"] == [sid]
    assert sink.wait(n + 1)[-1].rcpts == [FAR] and len(inbox(jmap, "bob", "a little later")) == 1
    end = time.monotonic() + 5
    while jmap.get("EmailSubmission", sid)["undoStatus"] != "final" and time.monotonic() < end:
        time.sleep(0.1)
    assert jmap.get("EmailSubmission", sid)["undoStatus"] == "final"
    assert jmap.update("EmailSubmission", sid, undoStatus="canceled")["type"] == "cannotUnsend"


def test_a_time_of_the_clock_does_too(jmap, boxes, me):
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    envelope = {"mailFrom": {"email": ALICE, "parameters": {"HOLDUNTIL": until}}, "rcptTo": [{"email": FAR}]}
    sid = send(jmap, boxes, me, [FAR], envelope)
    assert jmap.get("EmailSubmission", sid)["sendAt"] == until
    row = [r for r in jmap.station.cli_json("queue", "list", "--json") if r["state"] == "waiting"][-1]
    jmap.station.cli("queue", "release", row["id"])
    assert jmap.get("EmailSubmission", sid)["undoStatus"] == "final"


def test_queries_and_their_changes(jmap, boxes, me):
    first = send(jmap, boxes, me, [BOB])
    before = jmap.call("EmailSubmission/query", calculateTotal=True)
    assert before["ids"][0] == first and before["total"] == len(before["ids"])
    second = send(jmap, boxes, me, [BOB])
    one = jmap.get("EmailSubmission", second)
    for condition in ({"emailIds": [one["emailId"]]}, {"threadIds": [one["threadId"]]},
                      {"operator": "AND", "conditions": [{"identityIds": [me]}, {"emailIds": [one["emailId"]]}]},
                      {"operator": "NOT", "conditions": [{"operator": "NOT", "conditions": [{"emailIds": [one["emailId"]]}]}]}):
        assert jmap.call("EmailSubmission/query", filter=condition)["ids"] == [second]
    assert jmap.call("EmailSubmission/query", sort=[{"property": "emailId", "isAscending": False}])["ids"][0] == second
    assert jmap.call("EmailSubmission/query", sort=[{"property": "sentAt"}])["ids"] != before["ids"]
    assert jmap.call("EmailSubmission/query", anchor=second, anchorOffset=1, limit=1)["ids"] == [first]
    got = jmap.call("EmailSubmission/queryChanges", sinceQueryState=before["queryState"])
    assert {"id": second, "index": 0} in got["added"] and second not in got["removed"]
    for args, type in (({"filter": {"unheard": 1}}, "unsupportedFilter"), ({"sort": [{"property": "x"}]}, "unsupportedSort"), ({"sort": [{}]}, "invalidArguments"),
                       ({"filter": {"operator": "XOR", "conditions": []}}, "invalidArguments"), ({"filter": []}, "invalidArguments"),
                       ({"sort": [{"property": "sentAt", "collation": "i;none"}]}, "unsupportedSort"),
                       ({"anchor": "S0000000000000"}, "anchorNotFound")):
        with pytest.raises(JmapError) as why:
            jmap.call("EmailSubmission/query", **args)
        assert why.value.type == type
    assert jmap.set("EmailSubmission", destroy=[second])["destroyed"] == [second]
    assert second in jmap.call("EmailSubmission/queryChanges", sinceQueryState=got["newQueryState"])["removed"]


def test_nobody_sees_what_others_send(jmap, boxes, me):
    sid, bob = send(jmap, boxes, me, [BOB]), Jmap(jmap.station, "bob")
    assert bob.get("EmailSubmission", sid) is None
    assert bob.update("EmailSubmission", sid, undoStatus="canceled")["type"] == "notFound"
    assert bob.refused("EmailSubmission", identityId=me, emailId="M0000000000000")["type"] == "invalidProperties"


# ---- away --------------------------------------------------------------------------------------------------


def write(jmap, sender, subject, header=""):
    text = "From: %s\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@peer.test>\r\n%s\r\nhi\r\n" % (
        sender, BOB, subject, subject.replace(" ", "."), header)
    with smtplib.SMTP(*jmap.station.smtp, timeout=20) as s:
        s.sendmail(sender, [BOB], text)


def test_who_is_away_answers_once(jmap, sink):
    bob = Jmap(jmap.station, "bob")
    assert bob.call("VacationResponse/get")["list"] == [{"id": "singleton", "isEnabled": False, "fromDate": None,
                                                         "toDate": None, "subject": None, "textBody": None, "htmlBody": None}]
    assert bob.refused("VacationResponse", isEnabled=True)["type"] == "singleton"
    assert bob.set("VacationResponse", destroy=["singleton"])["notDestroyed"]["singleton"]["type"] == "singleton"
    assert bob.update("VacationResponse", "singleton", fromDate="x")["properties"] == ["fromDate"]
    assert bob.update("VacationResponse", "singleton", isEnabled=True, subject="Fort 去", textBody="Bin weg.\n",
                      htmlBody="<p>Bin weg.</p>") is None
    def answers():
        return [x for x in list(sink.letters) if x.sender == ""]

    assert answers() == []
    for subject, sender, header in (("by a list", "l@peer.test", "List-Id: <l.peer.test>\r\n"),
                                    ("bulk", "b@peer.test", "Precedence: bulk\r\n"),
                                    ("auto", "a@peer.test", "Auto-Submitted: auto-generated\r\n"),
                                    ("machine", "owner-x@peer.test", ""), ("none", "<>", "")):
        write(jmap, sender, subject, header)
    write(jmap, FAR, "question one")
    end = time.monotonic() + 10
    while not answers() and time.monotonic() < end:
        time.sleep(0.1)
    answer = answers()[0]
    write(jmap, FAR, "question two")
    time.sleep(2.5)
    assert len(answers()) == 1
    m = email.message_from_bytes(answer.data, policy=email.policy.default)
    assert (answer.sender, answer.rcpts) == ("", [FAR]) and m["auto-submitted"] == "auto-replied"
    assert m["subject"] == "Fort 去" and BOB in m["from"] and m["to"] == FAR
    assert m["in-reply-to"] == "<question.one@peer.test>" == m["references"]
    assert [p.get_content_type() for p in m.iter_parts()] == ["text/plain", "text/html"]
    past = {"fromDate": None, "toDate": "2020-01-01T00:00:00Z"}
    assert bob.update("VacationResponse", "singleton", **past) is None
    write(jmap, "other@peer.test", "too late")
    time.sleep(1.5)
    assert len(answers()) == 1
    assert bob.update("VacationResponse", "singleton", isEnabled=False) is None


# ---- people and settings --------------------------------------------------------------------------------------


def test_what_was_scheduled_lies_in_sent_once_it_is_on_its_way(jmap, boxes, me):
    """It waits in the mailbox with the role "scheduled", which anybody may make."""
    box = jmap.create("Mailbox", name="Later", role="scheduled")
    assert jmap.get("Mailbox", box)["role"] == "scheduled"
    ids = [draft(jmap, boxes, to=[{"email": FAR}], subject="later %d" % n) for n in range(2)]
    for id, seconds in zip(ids, ("2", "3000")):
        got = jmap.set("EmailSubmission", create={"s": {"identityId": me, "emailId": id, "envelope": {
            "mailFrom": {"email": ALICE, "parameters": {"HOLDFOR": seconds}}, "rcptTo": [{"email": FAR}]}}},
            onSuccessUpdateEmail={"#s": {"mailboxIds/" + boxes["Drafts"]: None, "mailboxIds/" + box: True, "keywords/$draft": None}})
        assert got["created"], got
    assert all(set(jmap.where(id)) == {"Later"} for id in ids)
    end = time.time() + 15
    while set(jmap.where(ids[0])) != {"Sent"} and time.time() < end:
        time.sleep(0.1)
    assert set(jmap.where(ids[0])) == {"Sent"} and set(jmap.where(ids[1])) == {"Later"}


def submits(jmap, to, head, name="bob"):
    """As a mail program does, to the port of submission."""
    who = jmap.station.account(name)
    with smtplib.SMTP(HOST, jmap.station.ports["submission"], timeout=30) as smtp:
        smtp.starttls(context=ssl._create_unverified_context())
        smtp.login(who.address, who.password)
        smtp.sendmail(who.address, to, "\r\n".join(["From: " + who.address, *head, "", "Hello.", ""]).encode())


def met(book):
    ids = book.call("Contact/query", filter={"text": "@peer.test"})["ids"]
    return {e["email"]: (c["name"], c["sentCount"]) for c in book.call("Contact/get", ids=ids)["list"] for e in c["emails"]}


def test_other_programs_fill_the_contacts_too(jmap):
    book = Jmap(jmap.station, "bob")
    assert met(book) == {}
    submits(book, ["wang@peer.test", "Carla@peer.test", "hidden@peer.test", BOB], [
        "Subject: x", "To: =?utf-8?B?546L5bCP5piO?= <wang@peer.test>, bob@yizhan.test",
        "Cc: \"Doe, Carla\" <carla@peer.test>, Else <notsentto@peer.test>"])
    for field in ("Auto-Submitted: auto-generated", "List-Id: <news.peer.test>", "Precedence: bulk"):
        submits(book, ["robot@peer.test"], ["Subject: x", "To: robot@peer.test", field])
    submits(book, ["zhang@peer.test", "wang@peer.test"], ["Subject: x", "To: =?gb18030?B?1cXOsA==?= <zhang@peer.test>, wang@peer.test"])
    end = time.time() + 10
    while "zhang@peer.test" not in (now := met(book)) and time.time() < end:
        time.sleep(0.05)
    # once a minute in each loop: the second letter may have met another one
    assert now.pop("wang@peer.test") in (("王小明", 1), ("王小明", 2))
    assert now == {"Carla@peer.test": ("Doe, Carla", 1), "hidden@peer.test": ("", 1),
                   "zhang@peer.test": ("张伟", 1)}
    assert book.call("Contact/query", filter={"text": "bob@"})["ids"] == []
    assert book.call("Contact/suggest", text="王")["list"][0]["email"] == "wang@peer.test"


def test_names_in_encoded_words_become_contacts(jmap, boxes, me):
    id = draft(jmap, boxes, to=[{"name": "Änne Größe", "email": "anne@peer.test"}])
    jmap.create("EmailSubmission", identityId=me, emailId=id)
    assert met(jmap)["anne@peer.test"][0] == "Änne Größe"


def test_who_was_written_to_is_suggested(jmap, boxes, me):
    for _ in range(2):
        send(jmap, boxes, me, [BOB])
    id = draft(jmap, boxes, to=[{"name": "Zoe Far", "email": "zoe@peer.test"}])
    jmap.create("EmailSubmission", identityId=me, emailId=id)
    got = jmap.call("Contact/suggest", text="")["list"]
    assert got[0]["email"] in (BOB, FAR)
    assert jmap.call("Contact/suggest", text="zo")["list"] == [
        {"id": jmap.call("Contact/query", filter={"text": "zoe"})["ids"][0], "name": "Zoe Far",
         "email": "zoe@peer.test"}]
    assert jmap.call("Contact/suggest", text="peer.t", limit=1)["list"]


def test_contacts_are_kept(jmap):
    state = jmap.call("Contact/get", ids=[])["state"]
    id = jmap.create("Contact", name="王小明", emails=[{"email": "wang@peer.test", "label": "work"}], note="n")
    assert jmap.get("Contact", id)["emails"] == [{"email": "wang@peer.test", "label": "work"}]
    assert jmap.call("Contact/suggest", text="王")["list"][0]["email"] == "wang@peer.test"
    twin = jmap.refused("Contact", emails=[{"email": "WANG@peer.test"}])
    assert (twin["type"], twin["existingId"]) == ("alreadyExists", id)
    assert jmap.update("Contact", id, name="Wang") is None and jmap.get("Contact", id)["name"] == "Wang"
    assert id in jmap.call("Contact/changes", sinceState=state)["created"]
    assert jmap.set("Contact", destroy=[id])["destroyed"] == [id] and jmap.get("Contact", id) is None


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_cards_go_in_and_come_out(jmap, version):
    cards = ("BEGIN:VCARD\r\nVERSION:%s\r\nFN:Müller\\, Änne %s\r\nN:Müller;Änne;;;\r\n"
             "item1.EMAIL;TYPE=work:aenne.a.long.address.that.has.to.be.folded.because.of.its.length%s@peer\r\n .test\r\n"
             "TEL;TYPE=cell:+49 1\r\nORG:Firma;Abteilung\r\nNOTE:eins\\nzwei\r\nEND:VCARD\r\n"
             "BEGIN:VCARD\r\nEND:VCARD\r\n") % (version, version, version[0])
    got = jmap.call("Contact/import", vcards=cards)
    assert (got["created"], got["alreadyThere"], got["notUnderstood"]) == (1, 0, 1)
    assert jmap.call("Contact/import", vcards=cards)["alreadyThere"] == 1
    id = jmap.call("Contact/query", filter={"text": "änne %s" % version})["ids"][0]
    one = jmap.get("Contact", id)
    assert (one["name"], one["org"], one["note"]) == ("Müller, Änne " + version, "Firma", "eins\nzwei")
    out = jmap.call("Contact/export", ids=[id], version=version)["vcards"]
    assert "VERSION:%s\r\n" % version in out and all(len(l.encode()) <= 75 for l in out.split("\r\n"))
    jmap.set("Contact", destroy=[id])
    assert jmap.call("Contact/import", vcards=out)["created"] == 1


def test_settings_are_one_object(jmap):
    assert jmap.call("WebSettings/get", ids=None)["list"] == [{"id": "singleton"}]
    assert jmap.update("WebSettings", "singleton", density="roomy", deep={"a": 1}) is None
    assert jmap.update("WebSettings", "singleton", **{"deep/b": 2, "density": None}) is None
    assert jmap.call("WebSettings/get", ids=["singleton"])["list"] == [{"id": "singleton", "deep": {"a": 1, "b": 2}}]
    assert jmap.update("WebSettings", "singleton", big="x" * 70000)["type"] == "tooLarge"
    assert Jmap(jmap.station, "bob").call("WebSettings/get")["list"] == [{"id": "singleton"}]
