"""Somebody who has logged in and means harm: requests that are small and ask for much. Each is answered soon, with
little memory, and while it runs another one is served."""

import imaplib
import json
import re
import ssl
import threading
import time

import pytest
from jmap_talk import BLOB, CORE, MAIL, Jmap
from station import Yizhan

PAGE, SUBMISSION = "https://yizhan.dev/jmap/page", "urn:ietf:params:jmap:submission"
USING = (CORE, MAIL, BLOB, PAGE, SUBMISSION)
MEMORY = 300 << 20  # of the sanitizers' build; one request's share is told by each test


@pytest.fixture(scope="module")
def server():
    # what was freed counts as memory too, but for this much
    with Yizhan(env={"ASAN_OPTIONS": "exitcode=99:quarantine_size_mb=8"}) as s:
        yield s


@pytest.fixture(scope="module")
def alice(server):
    who = Jmap(server)
    who.id = who.account
    who.box = who.call("Mailbox/query", {"accountId": who.id, "filter": {"role": "inbox"}}, USING)["ids"][0]
    head = "".join("X-F%d: v%d\r\n" % (i, i) for i in range(100))
    blob = who.upload((head + "Subject: s\r\nFrom: a@b.test\r\n\r\nhello\r\n").encode(), "message/rfc822").json()["blobId"]
    who.call("Email/import", {"accountId": who.id, "emails": {
        "k%d" % i: {"blobId": blob, "mailboxIds": {who.box: True}} for i in range(100)}}, USING)
    who.ids = who.call("Email/query", {"accountId": who.id}, USING)["ids"]
    assert len(who.ids) == 100
    return who


def resident(server):
    with open("/proc/%d/status" % server.pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) * 1024


class Watch:
    """Bob, who asks all the while; `worst` is how long he waited, `most` how much memory there was."""

    def __init__(self, server):
        self.server, self.bob, self.worst, self.most = server, Jmap(server, "bob"), 0, 0
        self.bob.call("Core/echo", {})

    def __enter__(self):
        self.is_over, self.thread = threading.Event(), threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        while not self.is_over.wait(0.02):
            begin = time.monotonic()
            self.bob.call("Core/echo", {})
            self.worst = max(self.worst, time.monotonic() - begin)
            self.most = max(self.most, resident(self.server))

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def refer(path, of="a", name="Core/echo"):
    return {"resultOf": of, "name": name, "path": path}


def many(n, path, of="a"):
    return {"#r%d" % i: refer(path, of) for i in range(n)}


ONES = ["Core/echo", {"l": [1] * 110_000}, "a"]
LONG = ["Core/echo", {"l": ["x" * 1000] * 500}, "a"]
HUGE = ["Core/echo", many(5, ""), "b"]  # of LONG: 2.5 MB
# calls (of who asks), and the answers that are no error
REQUESTS = {
    "four thousand references to a long list": lambda a: ([ONES, ["Core/echo", many(4000, "/l/*"), "b"]], 1),
    "references in a call that cannot be": lambda a: ([ONES, ["Mailbox/get", many(4000, "/l/*"), "b"]], 1),
    "a reference with a long path": lambda a: (
        [["Core/echo", {"l": [{}] * 40_000}, "a"], ["Core/echo", {"#x": refer("/l/*/" + "x" * 500_000)}, "b"]], 1),
    "references that double": lambda a: ([LONG] + [["Core/echo", {"#a": refer("", c), "#b": refer("", c)}, d]
                                                   for c, d in zip("abcdefghijklmnopqrstuvwxyzABCDE", "bcdefghijklmnopqrstuvwxyzABCDEF")], 3),
    "large answers, each many times": lambda a: ([LONG, HUGE] + [["Core/echo", many(14, "", "b"), "c"]] * 8, 2),
    "forty thousand properties": lambda a: (
        [["Email/get", {"accountId": a.id, "ids": a.ids, "properties": ["header:X-N%d" % i for i in range(40_000)]}, "a"]], 0),
    "forty thousand properties of parts": lambda a: (
        [["Email/get", {"accountId": a.id, "ids": a.ids, "properties": ["bodyStructure"],
                        "bodyProperties": ["header:X-N%d" % i for i in range(40_000)]}, "a"]], 0),
    "one property many times": lambda a: ([["Mailbox/get", {"accountId": a.id, "ids": None, "properties": ["name"] * 90_000}, "a"]], 0),
    "as many properties as may be": lambda a: (
        [["Email/get", {"accountId": a.id, "ids": a.ids, "properties": ["header:X-F%d" % i for i in range(256)]}, "a"]], 1),
    "twenty thousand sorts": lambda a: (
        [["Email/query", {"accountId": a.id, "sort": [{"property": "hasKeyword", "keyword": "k%d" % i} for i in range(12_000)]}, "a"]], 0),
    "thirty thousand conditions": lambda a: (
        [["Email/query", {"accountId": a.id, "filter": {
            "operator": "OR", "conditions": [{"hasKeyword": "k%d" % i} for i in range(30_000)]}}, "a"]], 0),
    "conditions within conditions": lambda a: (
        [["Email/query", {"accountId": a.id, "filter": json.loads('{"operator":"NOT","conditions":[' * 9 + '{"text":"a"}' + "]}" * 9)}, "a"]], 1),
    "a search for a megabyte": lambda a: ([["Email/query", {"accountId": a.id, "filter": {"text": "a " * 250_000}}, "a"]], 0),
    "fifty thousand mailboxes in a condition": lambda a: (
        [["Email/query", {"accountId": a.id, "filter": {"inMailboxOtherThan": ["F%013d" % i for i in range(50_000)]}}, "a"]], 1),
    "sixty thousand keywords": lambda a: (
        [["Email/set", {"accountId": a.id, "update": {a.ids[0]: {"keywords": {"k%d" % i: True for i in range(60_000)}}}}, "a"]], 1),
    "forty thousand patches": lambda a: (
        [["Email/set", {"accountId": a.id, "update": {a.ids[0]: {"keywords/k%d" % i: True for i in range(30_000)}}}, "a"]], 1),
    "ten thousand parts": lambda a: ([["Email/set", {"accountId": a.id, "create": {"k": {
        "mailboxIds": {a.box: True}, "bodyStructure": {"type": "multipart/mixed", "subParts": [
            {"partId": "p%d" % i, "type": "text/plain"} for i in range(10_000)]},
        "bodyValues": {"p%d" % i: {"value": "x"} for i in range(10_000)}}}}, "a"]], 1),
    "a text that a thousand parts name": lambda a: ([["Email/set", {"accountId": a.id, "create": {"k": {
        "mailboxIds": {a.box: True}, "bodyValues": {"p": {"value": "x" * 900_000}}, "bodyStructure": {
            "type": "multipart/mixed", "subParts": [{"partId": "p", "type": "text/plain"}] * 1000}}}}, "a"]], 1),
    "the largest text": lambda a: ([["Email/set", {"accountId": a.id, "create": {"k": {
        "mailboxIds": {a.box: True}, "textBody": [{"partId": "p"}], "bodyValues": {"p": {"value": "x\n" * 3_200_000}}}}}, "a"]], 1),
    "an echo of the largest text, pointed into": lambda a: (
        [["Core/echo", {"x": "#" + "x" * 9_400_000}, "a"], ["Email/query", {"accountId": a.id, "#filter": refer("")}, "b"]], 1),
    "the largest text that could be a creation id": lambda a: ([["Email/set", {"accountId": a.id, "create": {"k": {
        "mailboxIds": {a.box: True}, "bodyValues": {"p": {"value": "#" + "x" * 9_400_000}}}}}, "a"]], 1),
    "thirty thousand recipients": lambda a: ([["Email/set", {"accountId": a.id, "create": {"k": {
        "mailboxIds": {a.box: True}, "to": [{"email": "a%d@b.test" % i} for i in range(25_000)]}}}, "a"]], 1),
    "mailboxes in a circle": lambda a: ([["Mailbox/set", {"accountId": a.id, "create": {
        "k%d" % i: {"name": "m%d" % i, "parentId": "#k%d" % ((i + 1) % 500)} for i in range(500)}}, "a"]], 1),
    "a contact with many addresses": lambda a: ([["Contact/set", {"accountId": a.id, "create": {"k": {
        "name": "x", "emails": [{"email": "a%d@b.test" % i} for i in range(20_000)]}}}, "a"]], 1),
    "settings of many words": lambda a: (
        [["WebSettings/set", {"accountId": a.id, "update": {"singleton": {"k%d" % i: 1 for i in range(50_000)}}}, "a"]], 1),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_small_cannot_ask_for_much(server, alice, name):
    calls, good = REQUESTS[name](alice)
    before = resident(server)
    with Watch(server) as watch:
        begin = time.monotonic()
        a = alice.post({"using": USING, "methodCalls": calls})
        took = time.monotonic() - begin
    assert a.status == 200, a.body
    answers = [r[0] for r in a.json()["methodResponses"]]
    assert len(answers) == len(calls) and len(answers) - answers.count("error") == good, a.body[:500]
    # the sanitizers' build on a machine that does other things as well; without bounds these are minutes and gigabytes
    assert took < 20 and watch.worst < 10, (took, watch.worst)
    assert watch.most - before < MEMORY, (before, watch.most)


def test_a_request_has_a_bounded_number_of_values(alice):
    for value in ("1", "{}", "[]", '""'):
        body = '{"using":[],"methodCalls":[["Core/echo",{"l":[%s]},"a"]]}' % ",".join([value] * 140_000)
        a = alice.post(body)
        assert a.status == 400 and a.json()["limit"] == "maxSizeRequest", a.body
    assert alice.post('{"using":[],"methodCalls":[],"x":"%s"}' % ("[,{" * 200_000)).status == 200  # a text has none


def test_eight_hungry_requests_at_once(server, alice):
    """As many as may run, each as large as it can be made."""
    calls = [LONG, HUGE] + [["Core/echo", many(14, "", "b"), "c"]] * 2
    body = json.dumps({"using": [CORE], "methodCalls": calls})
    before, answers = resident(server), []
    with Watch(server) as watch:
        threads = [threading.Thread(target=lambda: answers.append(alice.post(body))) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert [a.status for a in answers] == [200] * 8
    assert watch.most - before < 3 * MEMORY, (before, watch.most)


# ---- somebody to whom a mailbox is shared for writing ----------------------------------------------------


def setacl(server, owner, mailbox, who, rights):
    m = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=20)
    m.starttls(ssl._create_unverified_context())
    m.login(server.account(owner).address, server.account(owner).password)
    assert m.setacl(mailbox, server.account(who).address, rights)[0] == "OK"
    m.logout()


@pytest.fixture
def bob(server, alice):
    """Who may do everything in a mailbox of alice's, `bob.shown`."""
    who = Jmap(server, "bob")
    who.id = who.account
    who.box = who.call("Mailbox/query", {"accountId": who.id, "filter": {"role": "inbox"}}, USING)["ids"][0]
    name = "shown %d" % time.monotonic_ns()
    who.shown = alice.call("Mailbox/set", {"accountId": alice.id, "create": {"k": {"name": name}}}, USING)["created"]["k"]["id"]
    setacl(server, "alice", '"%s"' % name, "bob", "lrswite")
    return who


def test_rights_end_where_the_share_ends(alice, bob):
    """An Email that lies in the shared mailbox and in another one: what is done to it is done to the shared copy."""
    blob = alice.upload(b"Subject: both\r\n\r\nx\r\n", "message/rfc822").json()["blobId"]
    id = alice.call("Email/import", {"accountId": alice.id, "emails": {
        "k": {"blobId": blob, "mailboxIds": {alice.box: True, bob.shown: True}}}}, USING)["created"]["k"]["id"]

    def bobs(**args):
        return bob.call("Email/set", {"accountId": alice.id, **args}, USING)

    def alices():
        return alice.call("Email/get", {"accountId": alice.id, "ids": [id], "properties": ["mailboxIds", "keywords"]}, USING)["list"][0]
    assert bobs(update={id: {"mailboxIds": {alice.box: True}}})["notUpdated"][id]["type"] == "invalidProperties"
    assert bobs(update={id: {"mailboxIds/" + alice.box: None}})["notUpdated"] or alice.box in alices()["mailboxIds"]
    assert id in bobs(update={id: {"keywords/$flagged": True}})["updated"]
    assert bobs(destroy=[id])["destroyed"] == [id]
    assert alices() == {"id": id, "mailboxIds": {alice.box: True}, "keywords": {}}


def test_nobody_throws_out_what_another_has_uploaded(alice, bob):
    """There are bounds for uploads that nobody has used; those of one user are his own, in whichever account."""
    mine = alice.upload(b"not used yet", "text/plain").json()["blobId"]
    first = None
    for count in (500, 500, 1):
        made = bob.call("Blob/upload", {"accountId": alice.id, "create": {
            "k%d" % i: {"data": [{"data:asText": "x"}]} for i in range(count)}}, USING)["created"]
        assert len(made) == count
        first = first or made["k0"]["id"]
    assert alice.http("GET", "/jmap/download/%s/%s/x" % (alice.id, mine)).body == b"not used yet"
    # his own first is gone
    assert bob.http("GET", "/jmap/download/%s/%s/x" % (alice.id, first)).status == 404


def test_nobody_has_us_flood_a_push_service(bob):
    """Each subscription is a request to a place that its maker names: made and destroyed again and again, it is refused."""
    told = []
    for _ in range(60):
        got = bob.call("PushSubscription/set", {"create": {"k": {"deviceClientId": "d", "url": "https://127.0.0.1:1/x"}}}, USING)
        told.append((got["notCreated"] or {}).get("k", {}).get("type"))
        if got["created"]:
            bob.call("PushSubscription/set", {"destroy": [got["created"]["k"]["id"]]}, USING)
    assert told[:20] == [None] * 20 and told[50:] == ["rateLimit"] * 10, told


# ---- text that ends where it should not ------------------------------------------------------------------

EVIL = 'a"\r\nX-Evil: 1\r\n\r\nbody\u0000\u2028'
FIELDS = [{"subject": EVIL}, {"from": [{"name": EVIL, "email": "bob@yizhan.test"}]}, {"to": [{"name": "x", "email": "a@b\r\nX-Evil: 1"}]},
          {"messageId": ["a@b>\r\nX-Evil: 1"]}, {"references": ["a@b\r\nX-Evil: 1"]}, {"header:X-A": " a\r\nX-Evil: 1"},
          {"header:X-A:asText": EVIL}, {"header:X-A\r\nX-Evil": " 1"}, {"header:X-A:asURLs": ["http://a>\r\nX-Evil: 1"]},
          {"sentAt": "2026-01-01T00:00:00Z\r\nX-Evil: 1"}] + \
         [{"attachments": [{"type": "text/plain", "blobId": "", **part}]} for part in (
             {"name": EVIL}, {"cid": "a>\r\nX-Evil: 1"}, {"type": "text/plain\r\nX-Evil: 1"}, {"charset": "a\r\nX-Evil: 1"},
             {"disposition": "a\r\nX-Evil: 1"}, {"language": ["a\r\nX-Evil: 1"]}, {"location": "a\r\nX-Evil: 1"})]


def test_nothing_ends_a_field_of_a_letter(bob):
    blob = bob.upload(b"zz", "text/plain").json()["blobId"]
    for field in FIELDS:
        field = json.loads(json.dumps(field).replace('"blobId": ""', '"blobId": "%s"' % blob))
        got = bob.call("Email/set", {"accountId": bob.id, "create": {"k": {"mailboxIds": {bob.box: True}, "textBody": [], **field}}}, USING)
        assert not got["created"] and got["notCreated"]["k"]["type"] == "invalidProperties", (field, got)


@pytest.mark.parametrize("envelope", [
    {"mailFrom": {"email": "bob@yizhan.test", "parameters": {"SIZE": "1\r\nRCPT TO:<x@y.test>"}}},
    {"mailFrom": {"email": "bob@yizhan.test", "parameters": {"X Y\r\nRSET": "1"}}},
    {"mailFrom": {"email": "bob@yizhan.test> BODY=8BITMIME\r\nX"}},
    {"rcptTo": [{"email": "alice@yizhan.test>\r\nDATA"}]},
    {"rcptTo": [{"email": "alice@yizhan.test", "parameters": {"NOTIFY": "NEVER ORCPT=rfc822;x"}}]},
    {"mailFrom": {"email": "alice@yizhan.test"}}], ids=json.dumps)
def test_nothing_ends_a_command_of_an_envelope(alice, bob, envelope):
    """Nor is anything sent under another's address, in the envelope or in From."""
    identity = bob.call("Identity/get", {"accountId": bob.id, "ids": None}, USING)["list"][0]["id"]

    def send(sender, envelope):
        draft = bob.call("Email/set", {"accountId": bob.id, "create": {"k": {
            "mailboxIds": {bob.box: True}, "from": [{"email": sender}], "to": [{"email": "alice@yizhan.test"}], "subject": "lie",
            "textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "x"}}}}}, USING)["created"]["k"]["id"]
        got = bob.call("EmailSubmission/set", {"accountId": bob.id, "create": {"k": {
            "identityId": identity, "emailId": draft, "envelope": envelope}}}, USING)
        assert not got["created"]
        return got["notCreated"]["k"]["type"]
    whole = {"mailFrom": {"email": "bob@yizhan.test"}, "rcptTo": [{"email": "alice@yizhan.test"}]}
    assert send("bob@yizhan.test", {**whole, **envelope}) in ("invalidProperties", "invalidRecipients", "forbiddenMailFrom")
    assert send("alice@yizhan.test", whole) == "forbiddenFrom"
    assert alice.call("Email/query", {"accountId": alice.id, "filter": {"subject": "lie"}}, USING)["ids"] == []


def test_names_of_downloads_stay_within_their_field(bob):
    blob = bob.upload(b"<script>1</script>", "text/html").json()["blobId"]
    for name in ("a%0d%0aSet-Cookie:x=y", "%22;x=%22", "..%2f..%2fetc%2fpasswd", "%00", "%e2%80%aegnp.exe", "a;b", "x" * 4000):
        for type in ("", "?type=text/html", "?type=text/plain%0d%0aX:y", "?type=text/html%3bx"):
            a = bob.http("GET", "/jmap/download/%s/%s/%s%s" % (bob.id, blob, name, type))
            assert "Set-Cookie" not in a.headers and "X" not in a.headers
            if a.status != 400:  # what can be no name of a path
                assert a.status == 200 and a.headers["Content-Type"] == "application/octet-stream"
                assert re.fullmatch(r'attachment; filename="[^"\\]*"; filename\*=UTF-8\'\'[A-Za-z0-9!#$&+.^_`|~%-]*', a.headers["Content-Disposition"])
                assert "/" not in a.headers["Content-Disposition"].split("filename*=")[0]
