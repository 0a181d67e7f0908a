"""What RFC 8620 demands of a server, section by section, asked of one that runs. What test_jmap_core and
test_jmap_push show already (the session, problem details, references, uploads, events) is not shown again."""

import http.client
import json
import re
import threading

import pytest

from jmap_hand import CORE, Jmap, JmapError, USING
from station import HOST, Yizhan

ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}\Z")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z\Z")
TYPES = ("Mailbox", "Email", "Thread", "Identity", "EmailSubmission")


@pytest.fixture(scope="module")
def server():
    with Yizhan(conf="demo = yes\n") as s:
        yield s


@pytest.fixture(scope="module")
def jmap(server):
    return Jmap(server)


@pytest.fixture(scope="module")
def bob(server):
    return Jmap(server, "bob")


@pytest.fixture(scope="module")
def box(jmap):
    """A mailbox for whatever a test files."""
    return jmap.create("Mailbox", name="conform")


def draft(box, subject="a draft", **more):
    return {"mailboxIds": {box: True}, "keywords": {"$draft": True}, "subject": subject,
            "textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "text"}}, **more}


@pytest.fixture(scope="module")
def mails(jmap, box):
    """Ids of five Emails, the first the oldest."""
    return [jmap.create("Email", **draft(box, "number %d" % i, receivedAt="2024-01-0%dT00:00:00Z" % i)) for i in range(1, 6)]


def fails(jmap, method, type, **args):
    with pytest.raises(JmapError) as why:
        jmap.call(method, **args)
    assert why.value.type == type, why.value.error
    return why.value.error


# ---- 1: Ids, dates ------------------------------------------------------------------------------------------


def test_ids_have_the_alphabet_of_section_1_2(jmap, mails):
    ids = [jmap.id] + mails
    for kind in ("Mailbox", "Identity"):
        ids += [x["id"] for x in jmap.call(kind + "/get", ids=None)["list"]]
    for e in jmap.call("Email/get", ids=mails)["list"]:
        ids += [e["threadId"], e["blobId"]]
    assert all(ID.match(id) and id.upper() != "NIL" for id in ids), ids
    assert len(ids) == len(set(ids))


def test_dates_are_utc_dates_of_section_1_4(jmap, mails):
    for e in jmap.call("Email/get", ids=mails, properties=["receivedAt"])["list"]:
        assert UTC.match(e["receivedAt"]), e


@pytest.mark.parametrize("date, is_good", [
    ("2024-01-03T00:00:00Z", True), ("2024-01-03T00:00:00.5Z", True), ("2024-01-03t00:00:00Z", False),
    ("2024-01-03T00:00:00z", False), ("2024-01-03T00:00:00+01:00", False), ("2024-01-03", False), (7, False)])
def test_utc_dates_are_told_from_others_1_4(jmap, mails, date, is_good):
    if is_good:
        jmap.call("Email/query", filter={"before": date})
    else:
        fails(jmap, "Email/query", "invalidArguments", filter={"before": date})


@pytest.mark.parametrize("number", [2**53, -2**53, 1.5, "1", True, [1]], ids=str)
def test_numbers_are_within_section_1_3(jmap, number):
    fails(jmap, "Email/query", "invalidArguments", position=number)


@pytest.mark.parametrize("number", [-1, 2**53, "5"], ids=str)
def test_unsigned_numbers_are_not_negative_1_3(jmap, number):
    fails(jmap, "Email/query", "invalidArguments", limit=number)


# ---- 2: the session -----------------------------------------------------------------------------------------


def test_limits_of_the_core_are_numbers_2(jmap):
    core = jmap.session["capabilities"][CORE]
    least = {"maxSizeUpload": 50000000, "maxConcurrentUpload": 4, "maxSizeRequest": 10000000, "maxConcurrentRequests": 4,
             "maxCallsInRequest": 16, "maxObjectsInGet": 500, "maxObjectsInSet": 500}
    assert all(type(core[k]) is int and core[k] >= v for k, v in least.items()), core
    assert set(least) | {"collationAlgorithms"} == set(core)


def test_capabilities_of_accounts_are_those_of_the_server_2(jmap):
    session = jmap.session
    assert CORE in session["capabilities"] and CORE not in session["primaryAccounts"]
    for account in session["accounts"].values():
        assert set(account["accountCapabilities"]) <= set(session["capabilities"])
        assert type(account["isPersonal"]) is bool and type(account["isReadOnly"]) is bool and account["name"]
    for uri, id in session["primaryAccounts"].items():
        assert uri in session["accounts"][id]["accountCapabilities"]


@pytest.mark.parametrize("url, variables", [
    ("downloadUrl", "accountId blobId type name"), ("uploadUrl", "accountId"), ("eventSourceUrl", "types closeafter ping"),
    ("apiUrl", "")])
def test_urls_have_the_variables_of_section_2(jmap, url, variables):
    assert sorted(re.findall(r"\{(\w+)\}", jmap.session[url])) == sorted(variables.split())


def raw(jmap, body, **headers):
    c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=30)
    c.request("POST", "/jmap/api", body, {"Authorization": jmap.auth, "Content-Type": "application/json", **headers})
    r = c.getresponse()
    got = r.read()
    c.close()
    return r, got


@pytest.mark.parametrize("method, path, auth, status", [
    ("GET", "/jmap/session", False, 401), ("POST", "/jmap/api", False, 401), ("GET", "/jmap/api", True, 405),
    ("POST", "/jmap/upload/A1/", False, 401), ("GET", "/jmap/download/A1/G1/x?type=text/plain", False, 401),
    ("GET", "/jmap/events?types=*&closeafter=no&ping=0", False, 401), ("GET", "/jmap/events?types=*", True, 400)])
@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", None])
def test_errors_of_http_are_problem_details_3_6_1(jmap, method, path, auth, status, accept):
    c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=30)
    fields = {"Accept": accept, "Authorization": jmap.auth if auth else None}
    c.request(method, path, b"{}" if method == "POST" else None, {k: v for k, v in fields.items() if v})
    r = c.getresponse()
    assert r.status == status and r.getheader("Content-Type").split(";")[0] == "application/problem+json"
    assert json.loads(r.read())["status"] == status
    c.close()


def test_the_session_is_not_kept_by_caches_2_2(jmap):
    c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=30)
    c.request("GET", "/jmap/session", headers={"Authorization": jmap.auth})
    r = c.getresponse()
    assert r.status == 200 and r.getheader("Content-Type").startswith("application/json")
    assert {"no-cache", "no-store", "must-revalidate"} <= set(re.split(r",\s*", r.getheader("Cache-Control")))
    c.close()


# ---- 3: requests and answers --------------------------------------------------------------------------------


def test_an_answer_is_json_with_its_members_3_4(jmap):
    r, got = raw(jmap, json.dumps({"using": [CORE], "methodCalls": [["Core/echo", {}, "c"]], "createdIds": {}}))
    assert r.status == 200 and r.getheader("Content-Type").split(";")[0] == "application/json"
    got = json.loads(got)
    assert got == {"methodResponses": [["Core/echo", {}, "c"]], "createdIds": {}, "sessionState": jmap.session["state"]}


def test_an_answer_has_created_ids_only_when_the_request_had_3_4(jmap):
    got = json.loads(raw(jmap, json.dumps({"using": [CORE], "methodCalls": []}))[1])
    assert "createdIds" not in got and got["methodResponses"] == []


@pytest.mark.parametrize("body, type", [
    ("{\"using\": [], \"using\": [], \"methodCalls\": []}", "notJSON"), ("\ufeff{}", "notJSON"),
    ("{\"using\": [\"\\ud800\"], \"methodCalls\": []}", "notJSON"), ("[]", "notRequest"), ("{}", "notRequest"),
    ("{\"using\": [\"urn:example:none\"], \"methodCalls\": []}", "unknownCapability")])
def test_problems_are_told_as_problem_details_3_6_1(jmap, body, type):
    r, got = raw(jmap, body.encode())
    got = json.loads(got)
    assert r.status == 400 and r.getheader("Content-Type").split(";")[0] == "application/problem+json"
    assert got["type"] == "urn:ietf:params:jmap:error:" + type and got["status"] == 400


@pytest.mark.parametrize("type, is_good", [
    ("application/json", True), ("application/json; charset=utf-8", True), ("APPLICATION/JSON", True),
    ("text/plain", False), ("application/x-www-form-urlencoded", False)])
def test_content_types_of_requests_3_1(jmap, type, is_good):
    r, got = raw(jmap, json.dumps({"using": [CORE], "methodCalls": []}), **{"Content-Type": type})
    assert (r.status == 200) == is_good
    assert is_good or json.loads(got)["type"] == "urn:ietf:params:jmap:error:notJSON"


def test_ids_of_calls_may_be_the_same_and_come_back_3_2(jmap):
    got = jmap.request([["Core/echo", {"n": 1}, "same"], ["Core/echo", {"n": 2}, "same"], ["Core/echo", {"n": 3}, ""]])
    assert got == [["Core/echo", {"n": 1}, "same"], ["Core/echo", {"n": 2}, "same"], ["Core/echo", {"n": 3}, ""]]


def test_a_creation_id_is_known_to_the_calls_behind_it_3_3(jmap, box):
    got = jmap.request([
        ["Mailbox/set", {"accountId": jmap.id, "create": {"m": {"name": "by reference", "parentId": box}}}, "0"],
        ["Email/set", {"accountId": jmap.id, "create": {"e": draft("#m", "within")}}, "1"],
        ["Email/set", {"accountId": jmap.id, "update": {"#e": {"keywords/$flagged": True}}}, "2"],
        ["Email/get", {"accountId": jmap.id, "ids": ["#e"], "properties": ["keywords", "mailboxIds"]}, "3"],
        ["Email/set", {"accountId": jmap.id, "destroy": ["#e"]}, "4"],
        ["Mailbox/set", {"accountId": jmap.id, "destroy": ["#m"]}, "5"]])
    m, e = got[0][1]["created"]["m"]["id"], got[1][1]["created"]["e"]["id"]
    assert e in got[2][1]["updated"]
    assert got[3][1]["list"] == [{"id": e, "mailboxIds": {m: True}, "keywords": {"$draft": True, "$flagged": True}}]
    assert got[4][1]["destroyed"] == [e] and got[5][1]["destroyed"] == [m]


def test_created_ids_of_an_earlier_request_are_known_3_3(jmap, mails):
    body = {"using": USING, "createdIds": {"old": mails[0]},
            "methodCalls": [["Email/get", {"accountId": jmap.id, "ids": ["#old"], "properties": ["id"]}, "0"]]}
    got = json.loads(jmap.http("POST", "/jmap/api", json.dumps(body), {"Content-Type": "application/json"}))
    assert got["methodResponses"][0][1]["list"] == [{"id": mails[0]}] and got["createdIds"] == {"old": mails[0]}


def test_a_creation_id_that_comes_again_is_the_newest_3_3(jmap, box):
    calls = [["Mailbox/set", {"accountId": jmap.id, "create": {"k": {"name": n, "parentId": box}}}, n] for n in ("t1", "t2")]
    got = jmap.request(calls + [["Mailbox/get", {"accountId": jmap.id, "ids": ["#k"], "properties": ["name"]}, "g"]])
    assert [x["name"] for x in got[2][1]["list"]] == ["t2"]
    jmap.set("Mailbox", destroy=[got[i][1]["created"]["k"]["id"] for i in (0, 1)])


@pytest.mark.parametrize("method", [t + m for t in TYPES for m in ("/get", "/changes", "/set")] + ["Email/query"])
def test_an_account_is_needed_and_one_that_is_there_3_6_2(jmap, method):
    args = {"sinceState": "0"} if method.endswith("changes") else {"ids": []} if method.endswith("get") else {}
    if method == "Thread/set":
        return
    got = jmap.request([[method, args, "0"], [method, {**args, "accountId": "Anowhere"}, "1"],
                        [method, {**args, "accountId": 5}, "2"]])
    assert [(n, a["type"]) for n, a, _ in got] == [
        ("error", "invalidArguments"), ("error", "accountNotFound"), ("error", "invalidArguments")]


@pytest.mark.parametrize("method", ["thread/get", "Thread/set", "Email/Get", "Nothing/get", "", "Core/Echo"])
def test_methods_that_are_not_there_are_unknown_3_6_2(jmap, method):
    (name, got, id), = jmap.request([[method, {"accountId": jmap.id}, "x"]])
    assert (name, got["type"], id) == ("error", "unknownMethod", "x")


NAMED = {  # arguments that have to be there for one that is unknown to be what is wrong
    "changes": {"sinceState": "0"}, "queryChanges": {"sinceQueryState": "0"}, "copy": {"fromAccountId": "A1", "create": {}},
    "import": {"emails": {}}, "parse": {"blobIds": []}}


@pytest.mark.parametrize("method", [
    "Mailbox/get", "Mailbox/changes", "Mailbox/query", "Mailbox/queryChanges", "Mailbox/set", "Thread/get", "Thread/changes",
    "Email/get", "Email/changes", "Email/query", "Email/queryChanges", "Email/set", "Email/copy", "Email/import", "Email/parse",
    "SearchSnippet/get", "Identity/get", "Identity/changes", "Identity/set", "EmailSubmission/get", "EmailSubmission/changes",
    "EmailSubmission/query", "EmailSubmission/queryChanges", "EmailSubmission/set", "VacationResponse/get",
    "VacationResponse/set", "Blob/copy", "PushSubscription/get", "PushSubscription/set"])
def test_arguments_that_no_method_has_are_told_3_9(jmap, method):
    why = fails(jmap, method, "invalidArguments", nothing=None, **NAMED.get(method.split("/")[1], {}))
    assert why["arguments"] == ["nothing"]


@pytest.mark.parametrize("method, args", [
    ("Email/get", {"nothing": 1}), ("Email/query", {"nothing": 1}), ("Mailbox/get", {"nothing": None}),
    ("Email/get", {"ids": "x"}), ("Email/get", {"ids": [5]}), ("Email/get", {"ids": ["with blank"]}),
    ("Email/get", {"ids": [], "properties": "id"}), ("Email/get", {"ids": [], "properties": ["nothing"]}),
    ("Mailbox/get", {"ids": [], "properties": ["nothing"]}), ("Thread/get", {"ids": [], "properties": ["nothing"]}),
    ("Email/changes", {}), ("Email/changes", {"sinceState": 5}), ("Email/changes", {"sinceState": "0", "maxChanges": 0}),
    ("Email/changes", {"sinceState": "0", "maxChanges": -1}), ("Email/set", {"create": []}), ("Email/set", {"update": {"x": 5}}),
    ("Email/set", {"destroy": "x"}), ("Email/set", {"ifInState": 5}), ("Email/query", {"filter": []}),
    ("Email/query", {"filter": {"operator": "XOR", "conditions": []}}), ("Email/query", {"filter": {"operator": "AND"}}),
    ("Email/query", {"sort": {}}), ("Email/query", {"sort": [{"isAscending": True}]}),
    ("Email/query", {"sort": [{"property": "size", "isAscending": "yes"}]}), ("Email/query", {"calculateTotal": 1}),
    ("Email/query", {"anchor": 5}), ("Email/queryChanges", {})], ids=str)
def test_arguments_that_are_wrong_are_told_3_6_2(jmap, method, args):
    fails(jmap, method, "invalidArguments", **args)


def test_a_call_that_fails_changes_nothing_3_6_2(jmap, box):
    before = jmap.call("Mailbox/get", ids=[])["state"]
    fails(jmap, "Mailbox/set", "stateMismatch", ifInState="0", create={"m": {"name": "never"}})
    fails(jmap, "Mailbox/set", "invalidArguments", create={"m": {"name": "never"}}, destroy=[5])
    assert jmap.call("Mailbox/get", ids=[])["state"] == before


def test_references_lead_through_lists_of_lists_3_7(jmap, mails):
    got = jmap.request([
        ["Email/query", {"accountId": jmap.id, "filter": {"subject": "number"}, "limit": 3}, "q"],
        ["Email/get", {"accountId": jmap.id, "properties": ["threadId"],
                       "#ids": {"resultOf": "q", "name": "Email/query", "path": "/ids"}}, "e"],
        ["Thread/get", {"accountId": jmap.id, "#ids": {"resultOf": "e", "name": "Email/get", "path": "/list/*/threadId"}}, "t"],
        ["Email/get", {"accountId": jmap.id, "properties": ["id"],
                       "#ids": {"resultOf": "t", "name": "Thread/get", "path": "/list/*/emailIds"}}, "f"],
        ["Email/get", {"accountId": jmap.id, "properties": ["id"],
                       "#ids": {"resultOf": "q", "name": "Email/get", "path": "/ids"}}, "g"]])
    assert sorted(x["id"] for x in got[3][1]["list"]) == sorted(got[0][1]["ids"])
    assert got[4][0] == "error" and got[4][1]["type"] == "invalidResultReference"


# ---- 5.1: /get ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_get_answers_with_what_is_there_and_what_is_not_5_1(jmap, kind, mails):
    got = jmap.call(kind + "/get", ids=["nothing", "nothing", "Mnothing"])
    assert set(got) == {"accountId", "state", "list", "notFound"} and got["accountId"] == jmap.id
    assert got["list"] == [] and sorted(got["notFound"]) == ["Mnothing", "nothing"] and type(got["state"]) is str
    assert jmap.call(kind + "/get", ids=[])["list"] == []


def test_get_tells_an_object_once_and_always_its_id_5_1(jmap, mails):
    got = jmap.call("Email/get", ids=[mails[0], mails[0]], properties=["subject"])
    assert got["list"] == [{"id": mails[0], "subject": "number 1"}] and got["notFound"] == []
    assert jmap.call("Email/get", ids=[mails[0]], properties=[])["list"] == [{"id": mails[0]}]


def test_get_of_more_than_the_limit_is_too_large_5_1(jmap):
    most = jmap.session["capabilities"][CORE]["maxObjectsInGet"]
    assert len(jmap.call("Email/get", ids=["M%d" % i for i in range(most)])["notFound"]) == most
    fails(jmap, "Email/get", "requestTooLarge", ids=["M%d" % i for i in range(most + 1)])


# ---- 5.2: /changes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_no_changes_are_told_as_none_5_2(jmap, kind):
    state = jmap.call(kind + "/get", ids=[])["state"]
    got = jmap.call(kind + "/changes", sinceState=state)
    assert (got["oldState"], got["newState"], got["hasMoreChanges"]) == (state, state, False)
    assert got["created"] == got["updated"] == got["destroyed"] == [] and got["accountId"] == jmap.id


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("state", ["nothing", "", "99999999999999", "-1", "007"])
def test_states_that_are_not_known_cannot_be_told_from_5_2(jmap, kind, state):
    fails(jmap, kind + "/changes", "cannotCalculateChanges", sinceState=state)


@pytest.mark.parametrize("kind, make, change", [
    ("Mailbox", lambda n, box: {"name": "c%d" % n, "parentId": box}, {"sortOrder": 77}),
    ("Email", lambda n, box: draft(box, "c%d" % n), {"keywords/$seen": True}),
    ("Identity", lambda n, box: {"name": "c%d" % n, "email": "alice@yizhan.test"}, {"name": "another"})])
def test_changes_are_told_in_pages_that_add_up_5_2(jmap, box, kind, make, change):
    old = jmap.create(kind, **make(0, box))
    since = first = jmap.call(kind + "/get", ids=[])["state"]
    ids = [jmap.create(kind, **make(n, box)) for n in range(1, 5)]
    assert jmap.set(kind, update={ids[0]: change, old: change}, destroy=[ids[3]])["notUpdated"] is None
    created, updated = [], []
    for page in range(9):
        got = jmap.call(kind + "/changes", sinceState=since, maxChanges=2)
        assert got["oldState"] == since and len(got["created"] + got["updated"] + got["destroyed"]) <= 2
        assert set(got["destroyed"]) <= {ids[3]}
        created += got["created"]
        updated += [id for id in got["updated"] if id != box]
        since = got["newState"]
        if not got["hasMoreChanges"]:
            break
    assert since == jmap.call(kind + "/get", ids=[])["state"] and page > 0
    assert sorted(created) == sorted(ids[:3]) and set(updated) <= {old, ids[0]} and old in updated
    whole = jmap.call(kind + "/changes", sinceState=first)
    assert sorted(whole["created"]) == sorted(ids[:3]) and [i for i in whole["updated"] if i != box] == [old]
    jmap.set(kind, destroy=[old] + ids[:3])
    assert sorted(jmap.call(kind + "/changes", sinceState=since)["destroyed"]) == sorted([old] + ids[:3])


# ---- 5.3: /set ----------------------------------------------------------------------------------------------


def test_set_answers_with_all_its_lists_5_3(jmap, box):
    before = jmap.call("Email/get", ids=[])["state"]
    got = jmap.set("Email", ifInState=before, create={"k": draft(box)}, update={"Mnothing": {}}, destroy=["Mnone"])
    assert got["oldState"] == before and got["newState"] == jmap.call("Email/get", ids=[])["state"] != before
    assert got["updated"] is None and got["destroyed"] is None and got["notCreated"] is None
    assert got["notUpdated"] == {"Mnothing": {"type": "notFound"}} and got["notDestroyed"] == {"Mnone": {"type": "notFound"}}
    assert set(got["created"]["k"]) >= {"id", "blobId", "threadId", "size"}
    jmap.set("Email", destroy=[got["created"]["k"]["id"]])


def test_set_with_nothing_changes_no_state_5_3(jmap):
    got = jmap.set("Email")
    assert got["oldState"] == got["newState"]
    assert all(got[k] is None for k in ("created", "updated", "destroyed", "notCreated", "notUpdated", "notDestroyed"))


def test_more_objects_than_the_limit_are_too_large_5_3(jmap):
    most = jmap.session["capabilities"][CORE]["maxObjectsInSet"]
    fails(jmap, "Email/set", "requestTooLarge", destroy=["M%d" % i for i in range(most)], update={"M": {}})


def test_what_goes_is_not_changed_5_3(jmap, box):
    id = jmap.create("Email", **draft(box))
    got = jmap.set("Email", update={id: {"keywords/$seen": True}}, destroy=[id])
    assert got["notUpdated"][id]["type"] == "willDestroy" and got["destroyed"] == [id]


def test_each_object_stands_alone_5_3(jmap, box):
    got = jmap.set("Mailbox", create={"a": {"name": "alone", "parentId": box}, "b": {"name": "", "parentId": box}})
    assert set(got["created"]) == {"a"} and got["notCreated"]["b"]["type"] == "invalidProperties"
    jmap.set("Mailbox", destroy=[got["created"]["a"]["id"]])


def test_objects_of_one_call_are_made_in_the_order_of_need_5_3(jmap, box):
    got = jmap.set("Mailbox", create={"a": {"name": "kid", "parentId": "#z"}, "z": {"name": "parent", "parentId": box}})
    assert set(got["created"]) == {"a", "z"}, got
    kid, parent = (got["created"][k]["id"] for k in "az")
    assert jmap.get("Mailbox", kid)["parentId"] == parent
    jmap.set("Mailbox", destroy=[kid])
    jmap.set("Mailbox", destroy=[parent])


def test_what_refers_to_nothing_is_not_made_5_3(jmap):
    assert jmap.refused("Mailbox", name="orphan", parentId="#nothing")["type"] == "invalidProperties"
    assert jmap.set("Email", update={"#nothing": {}}, destroy=["#none"])["notUpdated"]["#nothing"]["type"] == "notFound"


def test_all_properties_at_fault_may_be_named_5_3(jmap, box):
    got = jmap.refused("Mailbox", name="x", nothing=1, parentId=box)
    assert got["type"] == "invalidProperties" and "nothing" in got["properties"]


@pytest.mark.parametrize("patch, type", [
    ({"keywords/$seen/deeper": True}, "invalidPatch"), ({"nothing/within": True}, "invalidPatch"),
    ({"mailboxIds/F1/x": True}, "invalidPatch"), ({"subject/0": "x"}, "invalidPatch"),
    ({"keywords": {}, "keywords/$seen": True}, "invalidPatch"), ({"keywords/$seen": True, "keywords": {}}, "invalidPatch"),
    ({"keywords/$seen": 1}, "invalidProperties"), ({"keywords/$seen": False}, "invalidProperties"),
    ({"nothing": 1}, "invalidProperties"), ({"": 1}, "invalidPatch"), ({"/keywords/$seen": True}, "invalidPatch"),
    ({"from/0/name": "x"}, "invalidPatch"), ({"keywords/~2": True}, "invalidPatch")], ids=str)
def test_patches_that_are_none_5_3(jmap, mails, patch, type):
    before = jmap.get("Email", mails[1], properties=["keywords", "mailboxIds", "subject"])
    why = jmap.update("Email", mails[1], **patch) or {}
    assert why.get("type") == type, why
    assert jmap.get("Email", mails[1], properties=["keywords", "mailboxIds", "subject"]) == before


def test_null_takes_away_and_what_is_not_there_may_be_taken_away_5_3(jmap, mails):
    assert jmap.update("Email", mails[1], **{"keywords/$flagged": True, "keywords/with~1slash": None}) is None
    assert "$flagged" in jmap.get("Email", mails[1])["keywords"]
    assert jmap.update("Email", mails[1], **{"keywords/$flagged": None}) is None
    assert jmap.update("Email", mails[1], **{"keywords/$flagged": None}) is None
    assert jmap.get("Email", mails[1])["keywords"] == {"$draft": True}
    assert jmap.update("Email", mails[1], keywords=None) is None
    assert jmap.get("Email", mails[1])["keywords"] == {}
    assert jmap.update("Email", mails[1], keywords={"$draft": True}) is None


@pytest.mark.parametrize("kind", ["Email", "Mailbox", "Identity"])
def test_a_whole_object_may_be_sent_back_as_it_is_5_3(jmap, mails, kind):
    for x in jmap.call(kind + "/get", ids=mails[:2] if kind == "Email" else None)["list"]:
        assert jmap.update(kind, x["id"], **x) is None, x


@pytest.mark.parametrize("kind, property", [
    ("Mailbox", "totalEmails"), ("Mailbox", "myRights"), ("Mailbox", "id"), ("Identity", "mayDelete"), ("Identity", "email"),
    ("Email", "blobId"), ("Email", "preview"), ("Email", "hasAttachment"), ("Email", "subject"), ("Email", "from"),
    ("Email", "threadId"), ("Email", "size"), ("Email", "bodyValues"), ("Email", "sentAt")])
def test_what_the_server_sets_and_what_never_changes_stays_5_3(jmap, mails, kind, property):
    id = mails[0] if kind == "Email" else jmap.call(kind + "/get", ids=None)["list"][0]["id"]
    why = jmap.update(kind, id, **{property: "another"})
    assert why["type"] == "invalidProperties" and why["properties"] == [property]


def test_the_only_one_of_its_kind_stays_5_3(jmap):
    got = jmap.set("VacationResponse", create={"k": {"isEnabled": False}}, destroy=["singleton"])
    assert got["notCreated"]["k"]["type"] == "singleton" and got["notDestroyed"]["singleton"]["type"] == "singleton"


def test_the_state_before_is_not_older_than_what_was_asked_for_5_3(jmap, box):
    state = jmap.call("Mailbox/get", ids=[])["state"]
    got = jmap.set("Mailbox", ifInState=state, update={box: {"sortOrder": 4}})
    assert got["oldState"] == state and got["newState"] != state
    assert jmap.call("Mailbox/changes", sinceState=got["oldState"])["updated"] == [box]
    fails(jmap, "Mailbox/set", "stateMismatch", ifInState=state, update={box: {"sortOrder": 5}})


def test_the_state_before_is_null_when_somebody_else_changed_something_5_3(server, jmap, box):
    other = Jmap(server)
    for _ in range(20):
        made = []
        writer = threading.Thread(target=lambda: made.extend(other.create("Email", **draft(box)) for _ in range(3)))
        writer.start()
        got = jmap.set("Email", create={"k%d" % i: draft(box) for i in range(30)})
        writer.join()
        ours = [x["id"] for x in got["created"].values()]
        if got["oldState"] is not None:  # all that lies between the two states is ours
            since = jmap.call("Email/changes", sinceState=got["oldState"])
            after = jmap.call("Email/changes", sinceState=got["newState"])
            assert set(since["created"]) - set(after["created"]) == set(ours)
        jmap.set("Email", destroy=ours + made)
        if got["oldState"] is None:
            return
    raise AssertionError("nobody came in between")


# ---- 5.4: /copy ---------------------------------------------------------------------------------------------


def test_copies_go_to_another_account_only_5_4(jmap, mails, box):
    create = {"k": {"id": mails[0], "mailboxIds": {box: True}}}
    fails(jmap, "Email/copy", "invalidArguments", fromAccountId=jmap.id, create=create)
    fails(jmap, "Email/copy", "invalidArguments", create=create)
    fails(jmap, "Email/copy", "fromAccountNotFound", fromAccountId="Anowhere", create=create)
    fails(jmap, "Blob/copy", "fromAccountNotFound", fromAccountId="Anowhere", blobIds=[])


# ---- 5.5: /query --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers(jmap, mails):
    """Asks for windows of the five; their places."""

    def ask(**args):
        got = jmap.call("Email/query", filter={"subject": "number"},
                        sort=[{"property": "receivedAt", "isAscending": True}], **args)
        return [mails.index(id) for id in got["ids"]], got

    return ask


@pytest.mark.parametrize("args, want, position", [
    ({}, [0, 1, 2, 3, 4], 0), ({"position": 2}, [2, 3, 4], 2), ({"position": 2, "limit": 1}, [2], 2),
    ({"position": -2}, [3, 4], 3), ({"position": -99}, [0, 1, 2, 3, 4], 0), ({"position": 99}, [], None),
    ({"limit": 0}, [], None), ({"anchor": 2}, [2, 3, 4], 2), ({"anchor": 2, "anchorOffset": 1}, [3, 4], 3),
    ({"anchor": 2, "anchorOffset": -1, "limit": 2}, [1, 2], 1), ({"anchor": 1, "anchorOffset": -9}, [0, 1, 2, 3, 4], 0),
    ({"anchor": 2, "position": 4}, [2, 3, 4], 2), ({"anchor": 4, "anchorOffset": 9}, [], None)], ids=str)
def test_windows_of_a_list_5_5(numbers, mails, args, want, position):
    if "anchor" in args:
        args = {**args, "anchor": mails[args["anchor"]]}
    got, whole = numbers(**args)
    assert got == want and (position is None or whole["position"] == position)
    assert "total" not in whole and type(whole["queryState"]) is str and type(whole["canCalculateChanges"]) is bool


def test_the_total_is_told_when_asked_for_5_5(numbers):
    assert numbers(calculateTotal=True, limit=1)[1]["total"] == 5
    assert "limit" not in numbers(limit=2)[1]


def test_an_anchor_that_is_not_in_the_list_5_5(jmap, mails):
    fails(jmap, "Email/query", "anchorNotFound", filter={"subject": "number"}, anchor="Mnothing")
    fails(jmap, "Email/query", "anchorNotFound", filter={"subject": "no such"}, anchor=mails[0])


@pytest.mark.parametrize("method, args, type", [
    ("Email/query", {"sort": [{"property": "nothing"}]}, "unsupportedSort"),
    ("Email/query", {"sort": [{"property": "subject", "collation": "i;nothing"}]}, "unsupportedSort"),
    ("Email/query", {"filter": {"nothing": 1}}, "unsupportedFilter"),
    ("Email/query", {"filter": {"operator": "NOT", "conditions": [{"nothing": 1}]}}, "unsupportedFilter"),
    ("Mailbox/query", {"sort": [{"property": "nothing"}]}, "unsupportedSort"),
    ("Mailbox/query", {"filter": {"nothing": 1}}, "unsupportedFilter"),
    ("EmailSubmission/query", {"filter": {"nothing": 1}}, "unsupportedFilter"),
    ("EmailSubmission/query", {"sort": [{"property": "nothing"}]}, "unsupportedSort")], ids=str)
def test_what_cannot_be_asked_for_has_its_name_5_5(jmap, method, args, type):
    fails(jmap, method, type, **args)


def test_collations_that_are_told_of_may_be_asked_for_5_5(jmap):
    for collation in jmap.session["capabilities"][CORE]["collationAlgorithms"]:
        jmap.call("Email/query", sort=[{"property": "subject", "collation": collation}])
        jmap.call("Mailbox/query", sort=[{"property": "name", "collation": collation}])


N = [{"subject": "number %d" % i} for i in range(1, 6)]


@pytest.mark.parametrize("filter, want", [
    ({"operator": "OR", "conditions": [N[0], N[2]]}, [0, 2]),
    ({"operator": "NOT", "conditions": [N[0], N[2]]}, [1, 3, 4]),
    ({"operator": "AND", "conditions": [N[0], N[2]]}, []),
    ({"operator": "AND", "conditions": []}, [0, 1, 2, 3, 4]),
    ({"operator": "OR", "conditions": [N[4], {"operator": "NOT", "conditions": [{"operator": "OR", "conditions": N[1:]}]}]},
     [0, 4]),
    ({"after": "2024-01-02T00:00:00Z", "before": "2024-01-04T00:00:00Z"}, [1, 2]), ({}, [0, 1, 2, 3, 4])], ids=str)
def test_operators_of_filters_5_5(jmap, box, mails, filter, want):
    whole = {"operator": "AND", "conditions": [{"inMailbox": box}, {"subject": "number"}, filter]}
    got = jmap.call("Email/query", filter=whole, sort=[{"property": "receivedAt"}])["ids"]
    assert [mails.index(id) for id in got] == want


# ---- 5.6: /queryChanges -------------------------------------------------------------------------------------


def test_changes_of_a_list_5_6(jmap, box):
    ids = [jmap.create("Email", **draft(box, "window", receivedAt="2023-01-0%dT00:00:00Z" % i)) for i in (1, 2, 3)]
    args = {"filter": {"operator": "AND", "conditions": [{"inMailbox": box}, {"before": "2023-06-01T00:00:00Z"}]},
            "sort": [{"property": "receivedAt"}]}
    asked = jmap.call("Email/query", **args)
    assert asked["ids"] == ids and asked["canCalculateChanges"] is True
    since = asked["queryState"]
    got = jmap.call("Email/queryChanges", sinceQueryState=since, **args)
    assert (got["oldQueryState"], got["newQueryState"], got["removed"], got["added"]) == (since, since, [], [])
    assert "total" not in got
    new = jmap.create("Email", **draft(box, "window", receivedAt="2023-01-02T12:00:00Z"))
    jmap.set("Email", destroy=[ids[0]])
    got = jmap.call("Email/queryChanges", sinceQueryState=since, calculateTotal=True, **args)
    assert ids[0] in got["removed"] and got["added"] == [{"id": new, "index": 1}] and got["total"] == 3
    assert got["newQueryState"] == jmap.call("Email/query", **args)["queryState"]
    fails(jmap, "Email/queryChanges", "tooManyChanges", sinceQueryState=since, maxChanges=1, **args)
    fails(jmap, "Email/queryChanges", "cannotCalculateChanges", sinceQueryState="nothing", **args)
    late = jmap.create("Email", **draft(box, "window", receivedAt="2023-02-01T00:00:00Z"))
    got = jmap.call("Email/queryChanges", sinceQueryState=since, upToId=ids[2], **args)
    assert new in [x["id"] for x in got["added"]]
    folded = [id for id in ids if id not in got["removed"]]
    for x in got["added"]:
        folded.insert(x["index"], x["id"])
    assert folded[:3] == [ids[1], new, ids[2]] == jmap.call("Email/query", **args)["ids"][:3]
    jmap.set("Email", destroy=ids[1:] + [new, late])


# ---- 6: octets ----------------------------------------------------------------------------------------------


def test_an_upload_is_told_of_6_1(jmap):
    got = json.loads(jmap.http("POST", "/jmap/upload/%s/" % jmap.id, b"octets", {"Content-Type": "text/x-mine"}))
    assert {k: got[k] for k in ("accountId", "type", "size")} == {"accountId": jmap.id, "type": "text/x-mine", "size": 6}
    assert ID.match(got["blobId"]) and jmap.download(got["blobId"]) == b"octets"


@pytest.mark.parametrize("path", ["/jmap/upload/Anowhere/", "/jmap/upload/x/"])
def test_uploads_for_nobody_6_1(jmap, path):
    got = json.loads(jmap.http("POST", path, b"x", {"Content-Type": "text/plain"}, want=(404, 403)))
    assert got["status"] in (403, 404)


def test_what_is_not_there_is_not_found_6_2(jmap, mails):
    blob = jmap.get("Email", mails[0], properties=["blobId"])["blobId"]
    for account, id in ((jmap.id, "Gnothing"), ("Anowhere", blob)):
        jmap.http("GET", "/jmap/download/%s/%s/x?type=text/plain" % (account, id), want=(404,))


def test_a_download_has_the_type_and_name_asked_for_6_2(jmap):
    blob = jmap.upload(b"octets", "text/plain")
    c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=30)
    c.request("GET", "/jmap/download/%s/%s/a%%20name.pdf?type=application/pdf" % (jmap.id, blob), headers={"Authorization": jmap.auth})
    r = c.getresponse()
    assert r.read() == b"octets" and r.getheader("Content-Type") == "application/pdf"
    assert "a name.pdf" in r.getheader("Content-Disposition")
    assert "private" in r.getheader("Cache-Control") and "immutable" in r.getheader("Cache-Control")
    c.close()


def test_copies_of_blobs_are_told_6_3(jmap, bob):
    blob = bob.upload(b"of bob")
    (name, got, _), = bob.request([["Blob/copy", {"fromAccountId": jmap.id, "accountId": bob.id, "blobIds": [blob]}, "0"]],
                                  [CORE])
    assert name == "error" and got["type"] == "fromAccountNotFound"
    fails(bob, "Blob/copy", "invalidArguments", fromAccountId=bob.id, blobIds=[blob])


def test_copies_of_blobs_go_to_another_account_6_3(jmap, bob):
    def call(**args):
        body = json.dumps({"using": [CORE], "methodCalls": [["Blob/copy", {"fromAccountId": jmap.id, "accountId": bob.id, **args}, "0"]]})
        answer = jmap.http("POST", "/jmap/api", body, {"Content-Type": "application/json"}).decode()
        return json.loads(answer)["methodResponses"][0], answer

    m = bob.imap()
    m.create("lent")
    m.setacl("lent", "alice@yizhan.test", "lrswitekxa")
    blob = jmap.upload(b"for both")
    (_, got, _), answer = call(blobIds=[blob, "Gnone", blob, "Gnone"])
    assert (got["fromAccountId"], got["accountId"]) == (jmap.id, bob.id) and answer.count(blob) == answer.count("Gnone") == 1
    assert got["notCopied"] == {"Gnone": {"type": "notFound"}} and set(got["copied"]) == {blob}
    path = "/jmap/download/%s/%s/x?type=text/plain" % (bob.id, got["copied"][blob])
    assert jmap.http("GET", path) == b"for both"
    bob.http("GET", path, want=(404,))  # what one user has uploaded is nobody else's, whosever the account is
    assert call(blobIds=[])[0][1]["copied"] is None
    for wrong in ({"blobIds": ["no id"]}, {"blobIds": None}, {"blobIds": blob}):
        assert call(**wrong)[0][1]["type"] == "invalidArguments"
    m.delete("lent")
    m.logout()


# ---- 7.2: push subscriptions --------------------------------------------------------------------------------


def test_subscriptions_have_no_account_and_keep_their_secrets_7_2(jmap):
    (_, got, _), = jmap.request([["PushSubscription/get", {"ids": None}, "0"]], [CORE])
    assert set(got) == {"list", "notFound"}
    for secret in ("url", "keys"):
        (name, got, _), = jmap.request([["PushSubscription/get", {"ids": None, "properties": [secret]}, "0"]], [CORE])
        assert (name, got["type"]) == ("error", "forbidden")


@pytest.mark.parametrize("object, property", [
    ({}, None), ({"deviceClientId": "d"}, "url"), ({"url": "https://push.example/x"}, "deviceClientId"),
    ({"deviceClientId": "d", "url": "http://push.example/x"}, "url"),
    ({"deviceClientId": "d", "url": "https://push.example/x", "verificationCode": "x"}, "verificationCode")], ids=str)
def test_subscriptions_that_cannot_be_7_2_2(jmap, object, property):
    (_, got, _), = jmap.request([["PushSubscription/set", {"create": {"k": object}}, "0"]], [CORE])
    why = got["notCreated"]["k"]
    assert why["type"] == "invalidProperties" and (property is None or property in why["properties"]), why
    assert "accountId" not in got and "oldState" not in got and "newState" not in got


def test_all_that_is_wrong_with_a_subscription_is_told_7_2_2(jmap):
    object = {"deviceClientId": "", "url": "x", "types": "Email", "expires": "tomorrow", "keys": {}, "verificationCode": "x", "id": "P1", "more": 1}
    (_, got, _), = jmap.request([["PushSubscription/set", {"create": {"k": object}}, "0"]], [CORE])
    assert sorted(got["notCreated"]["k"]["properties"]) == sorted(object)


def test_a_whole_subscription_may_be_sent_back_7_2_2(jmap):
    object = {"deviceClientId": "d", "url": "https://push.example/x", "types": ["Email"]}
    (_, got, _), = jmap.request([["PushSubscription/set", {"create": {"k": object}}, "0"]], [CORE])
    id = got["created"]["k"]["id"]
    (_, got, _), = jmap.request([["PushSubscription/get", {"ids": [id, "Pnone", id, "Pnone"]}, "0"]], [CORE])
    assert len(got["list"]) == 1 and got["notFound"] == ["Pnone"]
    (_, back, _), = jmap.request([["PushSubscription/set", {"update": {id: {**object, **got["list"][0], "keys": None}}}, "0"]], [CORE])
    assert id in back["updated"], back
    for change in ({"id": "P1"}, {"deviceClientId": "e"}, {"url": "https://push.example/y"}, {"keys": {}}, {"more": 1}):
        (_, back, _), = jmap.request([["PushSubscription/set", {"update": {id: {"types": None, **change}}}, "0"]], [CORE])
        why = back["notUpdated"][id]
        assert why["type"] == "invalidProperties" and why["properties"] == list(change)
    (_, back, _), = jmap.request([["PushSubscription/get", {"ids": [id], "properties": ["types"]}, "0"]], [CORE])
    assert back["list"] == [{"id": id, "types": ["Email"]}]
    jmap.request([["PushSubscription/set", {"destroy": [id]}, "0"]], [CORE])


# ---- 7.3: the event source ----------------------------------------------------------------------------------


def test_what_changes_once_the_stream_is_open_is_told_7_3(jmap, box):
    c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=30)
    c.request("GET", "/jmap/events?types=Email&closeafter=state&ping=0", headers={"Authorization": jmap.auth})
    r = c.getresponse()
    assert r.status == 200 and r.getheader("Content-Type").split(";")[0] == "text/event-stream"
    id = jmap.create("Email", **draft(box))
    event = dict(line.split(": ", 1) for line in r.read().decode().splitlines() if ": " in line)
    assert event["event"] == "state" and json.loads(event["data"])["changed"][jmap.id].keys() == {"Email"}
    jmap.set("Email", destroy=[id])
    c.close()


def test_streams_that_clients_have_left_count_no_more_7_3(jmap):
    def begin():
        c = http.client.HTTPConnection(HOST, jmap.station.ports["web"], timeout=30)
        c.request("GET", "/jmap/events?types=*&closeafter=no&ping=0", headers={"Authorization": jmap.auth})
        return c, c.getresponse()

    for _ in range(3):
        streams = []
        while not streams or streams[-1][1].status == 200:
            streams.append(begin())
            assert len(streams) < 100
        assert len(streams) > 16 and streams[-1][1].status == 429
        for c, r in streams:
            r.close()
            c.close()
        for _ in range(1000):
            c, r = begin()
            r.close()
            c.close()
            if r.status == 200:
                break
            threading.Event().wait(0.01)
        assert r.status == 200
