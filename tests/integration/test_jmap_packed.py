"""Answers of JMAP go packed to who takes that: lists do, and nothing that is worth guessing at by its length (BREACH)."""

import gzip
import json

import pytest

from jmap_talk import CORE, Jmap
from station import Yizhan

MAIL, PAGE = "urn:ietf:params:jmap:mail", "https://yizhan.dev/jmap/page"
USING = (CORE, MAIL, PAGE)


@pytest.fixture(scope="module")
def server():
    with Yizhan() as s:
        yield s


@pytest.fixture(scope="module")
def alice(server):
    person = Jmap(server)
    person.id = person.account
    text = "From: a@example.org\nSubject: letter %d\nMessage-ID: <%d@x>\n\nSome words of letter %d, and more of them.\n" + 30 * "词 and words " + "\n"
    blobs = [person.upload((text % (i, i, i)).encode(), "message/rfc822").json()["blobId"] for i in range(12)]
    boxes = person.call("Mailbox/get", {"accountId": person.id, "ids": None}, USING)["list"]
    inbox = next(b["id"] for b in boxes if b["role"] == "inbox")
    got = person.call("Email/import", {"accountId": person.id, "emails": {
        "e%d" % i: {"blobId": blob, "mailboxIds": {inbox: True}} for i, blob in enumerate(blobs)}}, USING)
    person.ids = [e["id"] for e in got["created"].values()]
    return person


def ask(alice, *calls, coding="gzip"):
    """The answer, its octets, and what they say."""
    body = {"using": list(USING), "methodCalls": [[name, {"accountId": alice.id, **args}, str(i)] for i, (name, args) in enumerate(calls)]}
    answer = alice.post(body, **({"Accept-Encoding": coding} if coding else {}))
    assert answer.status == 200, answer.body
    is_packed = answer.headers.get("Content-Encoding") == "gzip"
    return answer, is_packed, json.loads(gzip.decompress(answer.body) if is_packed else answer.body)


def rows(alice):
    return "Email/get", {"ids": alice.ids, "properties": ["id", "subject", "preview", "from"]}


@pytest.mark.parametrize("coding, is_wanted", [
    ("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("gzip;q=0", False), ("identity, gzip;q=0.5", False), ("br", False), (None, False)])
def test_a_list_is_packed_for_who_asks(alice, coding, is_wanted):
    answer, is_packed, got = ask(alice, rows(alice), coding=coding)
    plain, was_packed, same = ask(alice, rows(alice), coding="identity")
    assert is_packed == is_wanted and not was_packed
    assert answer.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding" and got == same
    assert len(got["methodResponses"][0][1]["list"]) == 12
    if is_packed:
        assert len(answer.body) < len(plain.body) / 2


def test_the_length_of_what_is_packed_tells_little(alice):
    lengths = {len(ask(alice, rows(alice))[0].body) for _ in range(20)}
    assert len(lengths) > 5 and max(lengths) - min(lengths) < 128


@pytest.mark.parametrize("call", [
    ("Email/get", {"properties": ["bodyValues", "textBody"], "fetchTextBodyValues": True}),
    ("Email/get", {"properties": ["subject", "preview", "headers"]}),
    ("Email/get", {"properties": ["subject", "preview", "header:Received"]})])
def test_what_letters_hold_is_not_packed(alice, call):
    name, args = call
    answer, is_packed, got = ask(alice, (name, {"ids": alice.ids, **args}))
    assert not is_packed and "Vary" not in answer.headers and len(answer.body) > 1400
    assert len(got["methodResponses"][0][1]["list"]) == 12


def test_nothing_is_packed_beside_secrets(alice):
    _, is_packed, _ = ask(alice, rows(alice), ("AppPassword/get", {"ids": None}))
    assert not is_packed
    _, is_packed, _ = ask(alice, rows(alice), ("Core/echo", {"said": "by who asks"}))
    assert not is_packed


def test_what_is_small_is_not_packed(alice):
    _, is_packed, _ = ask(alice, ("Email/get", {"ids": alice.ids[:1], "properties": ["id"]}))
    assert not is_packed


def test_previews_end_where_a_row_does(alice):
    _, _, got = ask(alice, rows(alice))
    previews = [e["preview"] for e in got["methodResponses"][0][1]["list"]]
    assert {len(p) for p in previews} == {128} and all(p.startswith("Some words of letter") for p in previews)
