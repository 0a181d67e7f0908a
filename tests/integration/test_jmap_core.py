"""JMAP's core as a client sees it: RFC 8620 section by section, RFC 9404 (blobs), RFC 9425 (quotas), RFC 9698."""

import contextlib
import http.client
import json
import re
import smtplib
import socket
import time

import pytest

from jmap_talk import BLOB, CORE, QUOTA, Jmap
from station import Yizhan

ID = re.compile(r"^[A-Za-z0-9_-]{1,255}$")


def deliver(server, to, text):
    with smtplib.SMTP(*server.smtp, timeout=20) as c:
        c.sendmail("x@example.org", [to], text)


@pytest.fixture(scope="module")
def server():
    with Yizhan() as s:
        s.cli("account", "set", s.account("alice").address, "--quota", "100M")
        yield s


@pytest.fixture
def alice(server):
    return Jmap(server)


@pytest.fixture
def bob(server):
    return Jmap(server, "bob")


# ---- section 2: the session -----------------------------------------------------------------------------


def test_the_session_says_all_that_it_must(alice):
    a = alice.http("GET", "/.well-known/jmap")
    assert a.status == 200 and a.headers["Content-Type"] == "application/json"
    assert "no-store" in a.headers["Cache-Control"]
    s = a.json()
    core = s["capabilities"][CORE]
    for name in ("maxSizeUpload", "maxConcurrentUpload", "maxSizeRequest", "maxConcurrentRequests", "maxCallsInRequest",
                 "maxObjectsInGet", "maxObjectsInSet"):
        assert isinstance(core[name], int) and core[name] > 0
    assert core["maxSizeUpload"] >= 50_000_000 and core["maxSizeRequest"] >= 10_000_000
    assert core["maxCallsInRequest"] >= 16 and core["maxObjectsInGet"] >= 500
    assert all(isinstance(c, str) for c in core["collationAlgorithms"])
    (own,) = [id for id, x in s["accounts"].items() if x["isPersonal"]]
    assert ID.match(own)
    assert s["accounts"][own]["name"] == alice.address and s["accounts"][own]["isReadOnly"] is False
    for uri, id in s["primaryAccounts"].items():
        assert uri in s["capabilities"] and uri in s["accounts"][id]["accountCapabilities"]
    for account in s["accounts"].values():
        assert set(account["accountCapabilities"]) <= set(s["capabilities"])
    assert s["username"] == alice.address and isinstance(s["state"], str) and s["state"]
    assert all("{%s}" % v in s["downloadUrl"] for v in ("accountId", "blobId", "name", "type"))
    assert "{accountId}" in s["uploadUrl"]
    assert all("{%s}" % v in s["eventSourceUrl"] for v in ("types", "closeafter", "ping"))


def test_urls_are_absolute_and_those_of_the_host_that_was_asked(alice):
    s = alice.http("GET", "/jmap/session", headers={"Host": "mail.example:8443"}).json()
    for name in ("apiUrl", "downloadUrl", "uploadUrl", "eventSourceUrl"):
        assert s[name].startswith("http://mail.example:8443/jmap/")


def test_the_session_names_the_inbox(alice):
    inbox = alice.session()["https://yizhan.dev/jmap/page"]["inboxId"]
    mail = "urn:ietf:params:jmap:mail"
    boxes = alice.call("Mailbox/get", {"accountId": alice.account, "ids": [inbox], "properties": ["role"]}, (CORE, mail))["list"]
    assert boxes == [{"id": inbox, "role": "inbox"}]


def test_the_state_of_the_session_is_told_with_each_answer(alice):
    assert alice.calls(("Core/echo", {}, "0"))["sessionState"] == alice.session()["state"]


def test_nobody_is_let_in_without_a_login(server):
    nobody = Jmap(server, login=False)
    for method, path in (("GET", "/.well-known/jmap"), ("GET", "/jmap/session"), ("POST", "/jmap/api"),
                         ("POST", "/jmap/upload/A0000000000001/"), ("GET", "/jmap/download/A0000000000001/G1/x"),
                         ("GET", "/jmap/events?types=*&closeafter=no&ping=0")):
        assert nobody.http(method, path, "{}", {"Content-Type": "application/json"}).status == 401


# ---- section 3: requests --------------------------------------------------------------------------------


def problem(answer, type, status=400, limit=None):
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    p = answer.json()
    assert p["type"] == "urn:ietf:params:jmap:error:" + type
    assert p["status"] == status and p.get("limit") == limit


@pytest.mark.parametrize("body", [
    b"", b"{", b"nonsense", b'{"using":[],"methodCalls":[]} x', b'{"using":[],"using":[],"methodCalls":[]}',
    b'{"using":["\xff"],"methodCalls":[]}', b'{"using":["\\ud800"],"methodCalls":[]}', b"[" * 40 + b"]" * 40,
    b"[" * 500000], ids=lambda b: repr(b[:20]))
def test_what_is_no_i_json_is_not_json(alice, body):
    problem(alice.post(body), "notJSON")


def test_another_content_type_is_not_json(alice):
    problem(alice.post('{"using":[],"methodCalls":[]}', type="text/plain"), "notJSON")
    assert alice.post('{"using":[],"methodCalls":[]}', type="application/json; charset=utf-8").status == 200


@pytest.mark.parametrize("request_", [
    [], 1, {}, {"using": [CORE]}, {"methodCalls": []}, {"using": CORE, "methodCalls": []},
    {"using": [1], "methodCalls": []}, {"using": [CORE], "methodCalls": {}},
    {"using": [CORE], "methodCalls": [["Core/echo", {}]]}, {"using": [CORE], "methodCalls": [["Core/echo", [], "0"]]},
    {"using": [CORE], "methodCalls": [[1, {}, "0"]]}, {"using": [CORE], "methodCalls": [["Core/echo", {}, 0]]},
    {"using": [CORE], "methodCalls": [["Core/echo", {}, "0", 1]]}, {"using": [CORE], "methodCalls": ["x"]},
    {"using": [CORE], "methodCalls": [], "createdIds": []}, {"using": [CORE], "methodCalls": [], "createdIds": {"a": 1}},
    {"using": [CORE], "methodCalls": [], "createdIds": {"a b": "c"}}], ids=json.dumps)
def test_what_is_no_request_object_is_not_request(alice, request_):
    problem(alice.post(request_), "notRequest")


def test_what_is_unknown_at_the_top_is_passed_over(alice):
    assert alice.post({"using": [CORE], "methodCalls": [], "other": 1}).status == 200


def test_capabilities_that_are_not_there_are_refused(alice):
    problem(alice.post({"using": [CORE, "urn:example:none"], "methodCalls": []}), "unknownCapability")


def test_limits_have_their_names(alice):
    core = alice.session()["capabilities"][CORE]
    calls = [["Core/echo", {}, "c"]] * core["maxCallsInRequest"]
    assert len(alice.calls(*calls)["methodResponses"]) == len(calls)
    problem(alice.post({"using": [CORE], "methodCalls": calls + calls[:1]}), "limit", limit="maxCallsInRequest")
    big = json.dumps({"using": [CORE], "methodCalls": [["Core/echo", {"x": "a" * core["maxSizeRequest"]}, "0"]]})
    problem(alice.post(big), "limit", limit="maxSizeRequest")
    fits = '{"using":["%s"],"methodCalls":[["Core/echo",{"x":"' % CORE
    fits += "a" * (core["maxSizeRequest"] - len(fits) - 11) + '"},"0"]]}'
    answer = alice.post(fits.ljust(core["maxSizeRequest"]))
    assert answer.json()["methodResponses"][0] == json.loads(fits)["methodCalls"][0]


def test_what_is_packed_is_not_unpacked(alice):
    answer = alice.post(b"\x1f\x8b\x08" + b"\0" * 100, **{"Content-Encoding": "gzip"})
    assert answer.status == 415
    answer = alice.http("POST", "/jmap/upload/%s/" % alice.account, b"\x1f\x8b", {"Content-Encoding": "gzip"})
    assert answer.status == 415


def test_only_so_many_requests_run_at_once(server, alice):
    most = alice.session()["capabilities"][CORE]["maxConcurrentRequests"]
    with contextlib.ExitStack() as stack:
        for _ in range(most):  # each waits for the rest of its body
            s = stack.enter_context(socket.create_connection(("127.0.0.1", alice.port)))
            s.sendall(("POST /jmap/api HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\n"
                       "Content-Length: 100\r\n\r\n{" % alice.auth["Authorization"]).encode())
        time.sleep(1)  # until all of them are under way
        problem(alice.post({"using": [CORE], "methodCalls": []}), "limit", limit="maxConcurrentRequests")
        # others are not held up
        assert Jmap(server, "bob").post({"using": [CORE], "methodCalls": []}).status == 200
    deadline = time.monotonic() + 10
    while alice.post({"using": [CORE], "methodCalls": []}).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_calls_are_answered_in_their_order(alice):
    calls = [("Core/echo", {"n": n}, "call %d \"\u9a7f" % n) for n in range(5)]
    back = alice.calls(*calls)["methodResponses"]
    assert [tuple(b) for b in back] == calls


def test_echo_gives_back_whatever_it_got(alice):
    value = {"hello": True, "high": 5, "deep": [[{"a": None, "b": "\u9a7f\u7ad9 \"\\\n\u0000", "c": -1.5}]], "": {}, "big": 2**53 - 1}
    assert alice.call("Core/echo", value) == value


def test_methods_that_are_not_used_or_not_there_are_unknown(alice):
    assert alice.fails("Foo/get", {}) == "unknownMethod"
    assert alice.fails("Quota/get", {"accountId": alice.account, "ids": None}) == "unknownMethod"
    assert alice.fails("Core/echo", {}, using=()) == "unknownMethod"


def test_one_call_that_fails_stops_no_other(alice):
    names = [b[0] for b in alice.calls(("Core/echo", {}, "a"), ("No/get", {}, "b"), ("Core/echo", {}, "c"))["methodResponses"]]
    assert names == ["Core/echo", "error", "Core/echo"]


def test_created_ids_come_back_when_they_were_sent(alice):
    assert "createdIds" not in alice.calls(("Core/echo", {}, "a"))
    assert alice.calls(("Core/echo", {}, "a"), createdIds={"k": "M1"})["createdIds"] == {"k": "M1"}


# ---- section 3.7: references ----------------------------------------------------------------------------


def refer(path, result_of="a", name="Core/echo"):
    return {"resultOf": result_of, "name": name, "path": path}


GIVEN = {"list": [{"id": "x", "to": [1, 2]}, {"id": "y", "to": [3]}], "a/b": {"~": 4}}


@pytest.mark.parametrize("path,value", [
    ("/list/0/id", "x"), ("/list/*/id", ["x", "y"]), ("/list/*/to", [1, 2, 3]), ("/a~1b/~0", 4), ("", GIVEN),
    ("/list/1", {"id": "y", "to": [3]})])
def test_references_lead_into_answers(alice, path, value):
    back = alice.calls(("Core/echo", GIVEN, "a"), ("Core/echo", {"#v": refer(path), "w": 1}, "b"))["methodResponses"]
    assert back[1] == ["Core/echo", {"v": value, "w": 1}, "b"]


@pytest.mark.parametrize("reference", [
    refer("/none"), refer("/list/9"), refer("list"), refer("/list/*/none"), refer("/list", result_of="z"),
    refer("/list", name="Foo/get"), refer("/list", result_of="b"), {"resultOf": "a"}, "x", None], ids=json.dumps)
def test_references_that_lead_nowhere_fail(alice, reference):
    back = alice.calls(("Core/echo", GIVEN, "a"), ("Core/echo", {"#v": reference}, "b"), ("Core/echo", {}, "c"))
    assert back["methodResponses"][1][1]["type"] == "invalidResultReference"
    assert back["methodResponses"][2][0] == "Core/echo"


def test_an_argument_stands_once_and_not_by_reference_too(alice):
    back = alice.calls(("Core/echo", GIVEN, "a"), ("Core/echo", {"v": 1, "#v": refer("/list")}, "b"))["methodResponses"]
    assert back[1][1]["type"] == "invalidArguments"


def test_references_to_an_error_do_not_lead_into_an_answer(alice):
    back = alice.calls(("No/get", {}, "a"), ("Core/echo", {"#v": refer("/type", name="No/get")}, "b"))["methodResponses"]
    assert back[1][1]["type"] == "invalidResultReference"


# ---- accounts (section 3.6.2) ---------------------------------------------------------------------------


def test_accounts_of_others_are_not_there(alice, bob):
    for id in (bob.account, "A0000000000001", "nonsense", ""):
        assert alice.fails("Quota/get", {"accountId": id, "ids": None}, (CORE, QUOTA)) == "accountNotFound"
    for args in ({}, {"accountId": None}, {"accountId": 1}):
        assert alice.fails("Quota/get", {**args, "ids": None}, (CORE, QUOTA)) == "invalidArguments"


# ---- section 5.1: /get, on quotas -----------------------------------------------------------------------


def test_get_checks_its_arguments(alice):
    a, using = alice.account, (CORE, QUOTA)
    assert alice.fails("Quota/get", {"accountId": a, "ids": "x"}, using) == "invalidArguments"
    assert alice.fails("Quota/get", {"accountId": a, "ids": [1]}, using) == "invalidArguments"
    assert alice.fails("Quota/get", {"accountId": a, "ids": ["a b"]}, using) == "invalidArguments"
    assert alice.fails("Quota/get", {"accountId": a, "ids": None, "properties": ["none"]}, using) == "invalidArguments"
    assert alice.fails("Quota/get", {"accountId": a, "ids": ["x%d" % i for i in range(501)]}, using) == "requestTooLarge"
    assert alice.call("Quota/get", {"accountId": a, "ids": ["x", "y", "x"]}, using)["notFound"] == ["x", "y"]


def test_quotas_are_told_and_their_changes():
    using = (CORE, QUOTA)
    with Yizhan() as s:
        alice = Jmap(s)
        a = alice.account
        empty = alice.call("Quota/get", {"accountId": a, "ids": None}, using)
        assert empty["list"] == [] and empty["notFound"] == []
        s.cli("account", "set", alice.address, "--quota", "10M")
        got = alice.call("Quota/get", {"accountId": a, "ids": None}, using)
        (quota,) = got["list"]
        assert quota["id"] == "octets" and quota["resourceType"] == "octets" and quota["scope"] == "account"
        assert quota["hardLimit"] == 10 * 2**20 and quota["used"] == 0 and quota["types"] == ["Email"]
        assert isinstance(quota["name"], str)
        changes = alice.call("Quota/changes", {"accountId": a, "sinceState": empty["state"]}, using)
        assert changes["created"] == ["octets"] and changes["newState"] == got["state"]
        deliver(s, alice.address, b"Subject: x\r\n\r\nhello\r\n")
        changes = alice.call("Quota/changes", {"accountId": a, "sinceState": got["state"]}, using)
        assert changes["updated"] == ["octets"] and changes["updatedProperties"] == ["used"]
        assert changes["created"] == changes["destroyed"] == [] and changes["hasMoreChanges"] is False
        query = alice.call("Quota/query", {"accountId": a, "filter": {"type": "Email"}, "calculateTotal": True}, using)
        assert query["ids"] == ["octets"] and query["total"] == 1 and query["position"] == 0
        assert alice.call("Quota/query", {"accountId": a, "filter": {"type": "Mail"}}, using)["ids"] == []
        assert alice.call("Quota/queryChanges", {"accountId": a, "sinceQueryState": query["queryState"]}, using)["added"] == []
        assert alice.fails("Quota/changes", {"accountId": a, "sinceState": "nonsense"}, using) == "cannotCalculateChanges"
        assert alice.fails("Quota/query", {"accountId": a, "sort": [{"property": "none"}]}, using) == "unsupportedSort"
        assert alice.fails("Quota/query", {"accountId": a, "filter": {"none": "x"}}, using) == "unsupportedFilter"


# ---- section 6: binary data -----------------------------------------------------------------------------


def test_what_was_uploaded_can_be_downloaded(alice):
    octets = bytes(range(256)) * 5000
    a = alice.upload(octets, "image/x-strange")
    assert a.status == 201
    up = a.json()
    assert up["accountId"] == alice.account and up["size"] == len(octets) and up["type"] == "image/x-strange"
    assert ID.match(up["blobId"])
    path = "/jmap/download/%s/%s/" % (alice.account, up["blobId"])
    back = alice.http("GET", path + "a%20%22file%22%20%E9%A9%BF.bin?type=image/png")
    assert back.status == 200 and back.body == octets and back.headers["Content-Type"] == "image/png"
    assert back.headers["Content-Disposition"].startswith("attachment;")
    assert "filename*=UTF-8''a%20%22file%22%20%E9%A9%BF.bin" in back.headers["Content-Disposition"]
    assert "immutable" in back.headers["Cache-Control"] and "private" in back.headers["Cache-Control"]
    part = alice.http("GET", path + "x", headers={"Range": "bytes=300-309"})
    assert part.status == 206 and part.body == octets[300:310]
    assert alice.http("GET", path + "x", headers={"If-None-Match": back.headers["ETag"]}).status == 304


@pytest.mark.parametrize("type", ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml", "text/xml",
                                  "application/javascript", "text/css", "text/javascript", "multipart/x-mixed-replace", "nonsense",
                                  "text/plain%0d%0aSet-Cookie:x"])
def test_what_a_browser_would_run_is_octets(alice, type):
    up = alice.upload(b"<script>alert(1)</script>").json()
    back = alice.http("GET", "/jmap/download/%s/%s/x.html?type=%s" % (alice.account, up["blobId"], type.replace(" ", "%20").replace("+", "%2b")))
    assert back.headers["Content-Type"] == "application/octet-stream"
    assert back.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in back.headers["Content-Security-Policy"] and "default-src 'none'" in back.headers["Content-Security-Policy"]
    assert back.headers["Content-Disposition"].startswith("attachment")
    assert "Set-Cookie" not in back.headers


@pytest.mark.parametrize("place", ["script", "style", "worker", "serviceworker", "object", "embed", "iframe"])
def test_a_blob_is_no_script_of_any_page(alice, place):
    up = alice.upload(b"alert(1)").json()
    back = alice.http("GET", "/jmap/download/%s/%s/x" % (alice.account, up["blobId"]), headers={"Sec-Fetch-Dest": place})
    assert back.status == 403 and b"alert" not in back.body


def test_uploads_are_their_owners_alone(alice, bob):
    up = alice.upload(b"secret").json()
    for account in (alice.account, bob.account):
        back = bob.http("GET", "/jmap/download/%s/%s/x" % (account, up["blobId"]))
        assert back.status == 404
    assert bob.upload(b"x", account=alice.account).status == 404
    there, nowhere = (bob.http("GET", "/jmap/download/%s/%s/x" % (id, up["blobId"])).body for id in (alice.account, "A0000000000001"))
    assert there == nowhere


def test_uploads_that_are_too_large_are_told_before_they_come(alice):
    most = alice.session()["capabilities"][CORE]["maxSizeUpload"]
    with socket.create_connection(("127.0.0.1", alice.port)) as s:
        s.settimeout(20)
        s.sendall(("POST /jmap/upload/%s/ HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n"
                   % (alice.account, alice.auth["Authorization"], most + 1)).encode())
        answer = s.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_only_so_many_uploads_run_at_once(alice):
    most, account = alice.session()["capabilities"][CORE]["maxConcurrentUpload"], alice.account
    with contextlib.ExitStack() as stack:
        for _ in range(most):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", alice.port)))
            s.sendall(("POST /jmap/upload/%s/ HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 100\r\n\r\nx"
                       % (account, alice.auth["Authorization"])).encode())
        time.sleep(1)  # until all of them are under way
        problem(alice.upload(b"x", account=account), "limit", limit="maxConcurrentUpload")


def test_blobs_are_made_of_pieces(alice):
    a, using = alice.account, (CORE, BLOB)
    up = alice.upload(b"hello world").json()["blobId"]
    made = alice.calls(
        ("Blob/upload", {"accountId": a, "create": {
            "b": {"data": [{"data:asText": "say "}, {"blobId": up, "offset": 6, "length": 5}, {"data:asBase64": "IQ=="}], "type": "text/plain"},
            "none": {"data": [{"blobId": "G0000000000001"}]},
            "two": {"data": [{"data:asText": "x", "data:asBase64": "eA=="}]},
            "far": {"data": [{"blobId": up, "offset": 20}]},
            "bad": {"data": [{"data:asBase64": "?"}]}}}, "0"),
        ("Blob/get", {"accountId": a, "ids": ["#b", "Gx"], "properties": ["data", "size", "digest:sha-256", "digest:sha"]}, "1"),
        ("Blob/get", {"accountId": a, "ids": ["#b"], "offset": 4, "length": 100}, "2"), using=using)["methodResponses"]
    created, refused = made[0][1]["created"], made[0][1]["notCreated"]
    assert created["b"]["size"] == 10 and created["b"]["type"] == "text/plain"
    assert refused["none"]["type"] == "blobNotFound" and refused["none"]["notFound"] == ["G0000000000001"]
    assert {refused[k]["type"] for k in ("two", "far", "bad")} == {"invalidProperties"}
    (blob,) = made[1][1]["list"]
    assert blob["data:asText"] == "say world!" and blob["size"] == 10 and made[1][1]["notFound"] == ["Gx"]
    import base64
    import hashlib
    assert base64.b64decode(blob["digest:sha-256"]) == hashlib.sha256(b"say world!").digest()
    assert base64.b64decode(blob["digest:sha"]) == hashlib.sha1(b"say world!").digest()
    assert made[2][1]["list"][0]["data:asText"] == "world!" and made[2][1]["list"][0]["isTruncated"] is True


def test_blobs_that_are_no_text_are_told_so(alice):
    a, using = alice.account, (CORE, BLOB)
    up = alice.upload(b"\xff\xfe").json()["blobId"]
    (blob,) = alice.call("Blob/get", {"accountId": a, "ids": [up]}, using)["list"]
    assert blob["data:asBase64"] == "//4=" and blob["isEncodingProblem"] is True and "data:asText" not in blob
    (blob,) = alice.call("Blob/get", {"accountId": a, "ids": [up], "properties": ["data:asText"]}, using)["list"]
    assert blob["data:asText"] is None and blob["isEncodingProblem"] is True
    assert alice.fails("Blob/get", {"accountId": a, "ids": [up], "properties": ["none"]}, using) == "invalidArguments"
    assert alice.fails("Blob/lookup", {"accountId": a, "ids": [up], "typeNames": ["None"]}, using) == "unknownDataType"
    assert alice.call("Blob/lookup", {"accountId": a, "ids": [up], "typeNames": ["Email"]}, using)["list"] == [{"id": up, "matchedIds": {"Email": []}}]


def test_blobs_are_copied(alice, bob):
    a = alice.account
    up = alice.upload(b"again").json()["blobId"]
    assert alice.fails("Blob/copy", {"fromAccountId": a, "accountId": a, "blobIds": [up]}) == "invalidArguments"
    assert alice.fails("Blob/copy", {"fromAccountId": bob.account, "accountId": a, "blobIds": [up]}) == "fromAccountNotFound"


# ---- section 7.3: the event source ----------------------------------------------------------------------


class Events:
    def __init__(self, who, query, **headers):
        self.c = http.client.HTTPConnection("127.0.0.1", who.port, timeout=15)
        self.c.request("GET", "/jmap/events?" + query, headers={**who.auth, **headers})
        self.r = self.c.getresponse()

    def next(self):
        """name, id and data of the next event; None at the end"""
        name = id = data = ""
        deadline = time.monotonic() + 15
        while True:
            assert time.monotonic() < deadline
            line = self.r.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("id: "):
                id = line[4:]
            elif line.startswith("data: "):
                data += line[6:]
            elif not line and name:
                return name, id, json.loads(data)

    def close(self):
        self.c.close()


def test_changes_are_pushed(server, alice):
    a, events = alice.account, Events(alice, "types=*&closeafter=no&ping=0")
    assert events.r.status == 200 and events.r.headers["Content-Type"] == "text/event-stream"
    assert events.r.headers["X-Accel-Buffering"] == "no"
    before = time.monotonic()
    deliver(server, alice.address, b"Subject: pushed\r\n\r\nhello\r\n")
    name, id, data = events.next()
    assert time.monotonic() - before < 5
    assert name == "state" and id
    assert data["@type"] == "StateChange" and list(data["changed"]) == [a]
    assert data["changed"][a] and all(isinstance(s, str) for s in data["changed"][a].values())
    events.close()
    # who comes again and has missed nothing hears nothing; who has missed something hears it at once
    same = Events(alice, "types=*&closeafter=no&ping=1", **{"Last-Event-ID": id})
    assert same.next()[0] == "ping"
    same.close()
    other = Events(alice, "types=*&closeafter=state&ping=0", **{"Last-Event-ID": "older"})
    assert other.next()[0] == "state" and other.next() is None
    other.close()


def test_a_stream_ends_after_its_state_and_pings_in_time(server, alice):
    once = Events(alice, "types=*&closeafter=state&ping=0")
    deliver(server, alice.address, b"Subject: once\r\n\r\nhello\r\n")
    assert once.next()[0] == "state"
    assert once.next() is None
    once.close()
    pings = Events(alice, "types=*&closeafter=no&ping=1")
    assert pings.next() == ("ping", "", {"interval": 1})
    pings.close()


def test_types_that_were_not_asked_for_are_not_told(server, alice):
    events = Events(alice, "types=VacationResponse,Foo&closeafter=no&ping=1")
    deliver(server, alice.address, b"Subject: quiet\r\n\r\nhello\r\n")
    assert events.next()[0] == "ping" and events.next()[0] == "ping"
    events.close()


@pytest.mark.parametrize("query", ["", "types=*", "types=*&closeafter=x&ping=0", "types=*&closeafter=no&ping=x", "types=&closeafter=no&ping=0"])
def test_streams_need_their_arguments(alice, query):
    assert alice.http("GET", "/jmap/events?" + query).status == 400


def test_only_so_many_streams_are_open(alice):
    streams = [Events(alice, "types=*&closeafter=no&ping=0") for _ in range(16)]
    more = Events(alice, "types=*&closeafter=no&ping=0")
    assert more.r.status == 429
    more.close()
    for s in streams:
        s.close()


def test_a_stream_ends_when_its_login_counts_no_more():
    with Yizhan() as s:
        events = Events(Jmap(s), "types=*&closeafter=no&ping=1")
        s.cli("account", "suspend", s.account("alice").address)
        while True:
            event = events.next()
            if event is None:
                break
            assert event[0] == "ping"
        events.close()


def test_the_server_stops_with_streams_open():
    with Yizhan() as s:
        events = Events(Jmap(s), "types=*&closeafter=no&ping=0")
        s.stop()  # it does not wait for them
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert events.next() is None
        events.close()


# ---- RFC 9698 -------------------------------------------------------------------------------------------

TLS = """
demo = yes
hostname = "mx.yizhan.test"
listener smtp { address = { "127.0.0.1:2525" } }
listener imap { protocol = imap  tls = none address = { "127.0.0.1:1430" } }
listener web { protocol = http  tls = implicit address = { "127.0.0.1:8080" } }
"""


def imap_ask(port, person, command):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.settimeout(10)
        f = s.makefile("rwb", 0)
        f.readline()
        lines = []
        for tag, line in ((b"a", b'LOGIN "%s" "%s"' % (person.address.encode(), person.password.encode())), (b"b", command)):
            f.write(tag + b" " + line + b"\r\n")
            lines = []
            while not lines or not lines[-1].startswith(tag + b" "):
                lines.append(f.readline())
        return b"".join(lines).decode()


def test_imap_tells_where_jmap_is_spoken(server):
    with Yizhan(conf=TLS) as s:
        assert " JMAPACCESS" in imap_ask(s.ports["imap"], s.account("alice"), b"CAPABILITY")
        told = imap_ask(s.ports["imap"], s.account("alice"), b"GETJMAPACCESS")
        assert told.splitlines()[0] == '* JMAPACCESS "https://mx.yizhan.test:%d/.well-known/jmap"' % s.ports["web"]
        assert "b OK" in told
    # without TLS nobody is sent there
    assert "JMAPACCESS" not in imap_ask(server.ports["imap"], server.account("alice"), b"CAPABILITY")
    assert "b BAD" in imap_ask(server.ports["imap"], server.account("alice"), b"GETJMAPACCESS")
