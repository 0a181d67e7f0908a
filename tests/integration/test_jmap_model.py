"""IMAP, JMAP and SMTP write at once into one account, at random; a client that keeps its copy by /changes and
/queryChanges alone (RFC 8620 sections 5.2 and 5.6) has at any state what a fresh get and query of that state have."""

import collections
import imaplib
import itertools
import os
import random
import smtplib
import threading
import time

import pytest

from jmap_hand import Jmap, JmapError
from station import Yizhan

imaplib.Commands.setdefault("MOVE", ("SELECTED",))

WORDS = ("heron", "lantern", "quarry", "violet")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "label")
KEYWORDS = ("$seen", "$flagged", "$answered", "label")
PROPERTIES = {"Email": ["mailboxIds", "keywords", "threadId", "subject", "receivedAt", "size"],
              "EmailSubmission": ["identityId", "emailId", "threadId", "envelope", "sendAt", "undoStatus"]}
KINDS = ("Mailbox", "Email", "Thread", "EmailSubmission")
NUMBERS = itertools.count(1)


def letter(rng, known):
    """A message, now and then an answer to another, or to two of different threads."""
    id = "model%d@example.org" % next(NUMBERS)
    refs = rng.sample(known, min(len(known), rng.choice((0, 0, 1, 1, 2))))
    known.append(id)
    more = "References: %s\r\n" % " ".join("<%s>" % r for r in refs) if refs else ""
    return ("From: Ann <ann@example.org>\r\nTo: alice@yizhan.test\r\nMessage-ID: <%s>\r\n%sSubject: %s%s\r\n\r\ntext\r\n"
            % (id, more, "Re: " if refs else "", rng.choice(WORDS))).encode()


# ---- who writes ---------------------------------------------------------------------------------------------


class ByImap:
    def __init__(self, server, rng, known):
        self.server, self.rng, self.known = server, rng, known
        self.names = ["INBOX", "Archive", "m1", "m2", "m3", "m1/kid"]
        self.open()

    def open(self):
        person = self.server.account("alice")
        self.m = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
        self.m.login(person.address, person.password)

    def step(self):
        try:
            getattr(self, self.rng.choice(["append"] * 4 + ["flag"] * 6 + ["copy", "move"] * 2 + ["expunge", "box", "subscribe"]))()
        except imaplib.IMAP4.abort:  # the mailbox that was selected went away
            self.open()

    def append(self):
        flags = " ".join(self.rng.sample(FLAGS[:3], self.rng.choice((0, 0, 1))))
        self.m.append(self.rng.choice(self.names), "(%s)" % flags, None, letter(self.rng, self.known))

    def some(self):
        """A few UIDs of a mailbox, which is selected then; or None."""
        if self.m.select(self.rng.choice(self.names))[0] != "OK":
            return None
        uids = self.m.uid("SEARCH", "ALL")[1][0].decode().split()
        return ",".join(self.rng.sample(uids, min(len(uids), self.rng.randint(1, 3)))) if uids else None

    def flag(self):
        uids = self.some()
        if uids:
            self.m.uid("STORE", uids, self.rng.choice(("+", "-", "+", "-", "")) + "FLAGS", "(%s)" % self.rng.choice(FLAGS))

    def copy(self):
        uids = self.some()
        if uids:
            self.m.uid("COPY", uids, self.rng.choice(self.names))

    def move(self):
        uids = self.some()
        if uids:
            self.m.uid("MOVE", uids, self.rng.choice(self.names))

    def expunge(self):
        if self.some():
            self.m.expunge()

    def box(self):
        what, name = self.rng.choice(("create", "create", "rename", "delete")), self.rng.choice(self.names[2:])
        if what == "rename":
            self.m.rename(name, self.rng.choice(self.names[2:]))
        else:
            getattr(self.m, what)(name)

    def subscribe(self):
        getattr(self.m, self.rng.choice(("subscribe", "unsubscribe")))(self.rng.choice(self.names))


class ByJmap:
    def __init__(self, server, rng, known):
        self.rng, self.jmap = rng, Jmap(server)
        self.identity = self.jmap.call("Identity/get", ids=None)["list"][0]["id"]

    def step(self):
        jmap, rng = self.jmap, self.rng
        ids = jmap.call("Email/query")["ids"]
        boxes = [b["id"] for b in jmap.call("Mailbox/get", ids=None, properties=["id"])["list"]]
        what = rng.choice(("keyword", "keyword", "move", "add", "destroy", "draft", "box", "send", "unsend"))
        if what == "box":
            return self.box(boxes)
        if what == "unsend":
            return self.unsend()
        if what == "draft":
            jmap.set("Email", create={"d": {
                "mailboxIds": {rng.choice(boxes): True}, "keywords": {"$draft": True}, "subject": rng.choice(WORDS),
                "textBody": [{"partId": "t", "type": "text/plain"}], "bodyValues": {"t": {"value": "a draft"}}}})
        elif ids:
            picked = rng.sample(ids, min(len(ids), rng.randint(1, 3)))
            if what == "destroy":
                jmap.set("Email", destroy=picked[:1])
            elif what == "send":
                jmap.set("EmailSubmission", create={"s": {
                    "identityId": self.identity, "emailId": picked[0], "envelope": {
                        "mailFrom": {"email": "alice@yizhan.test", "parameters": {"HOLDFOR": rng.choice(("2", "600"))}},
                        "rcptTo": [{"email": "bob@yizhan.test"}]}}},
                    onSuccessUpdateEmail={"#s": {"keywords/$answered": True}})
            else:
                patch = {"keyword": {"keywords/" + rng.choice(KEYWORDS): rng.choice((True, None))},
                         "move": {"mailboxIds": {rng.choice(boxes): True}},
                         "add": {"mailboxIds/" + rng.choice(boxes): True}}[what]
                jmap.set("Email", update={id: patch for id in picked})

    def unsend(self):
        ids = self.jmap.call("EmailSubmission/query", filter={"undoStatus": "pending"})["ids"]
        if ids:
            id = self.rng.choice(ids)
            self.jmap.set("EmailSubmission", **self.rng.choice(
                ({"update": {id: {"undoStatus": "canceled"}}}, {"destroy": [id]})))

    def box(self, boxes):
        name, some = "j%d" % self.rng.randint(1, 3), self.rng.choice(boxes)
        what = self.rng.choice(("create", "create", "update", "destroy"))
        if what == "create":
            self.jmap.set("Mailbox", create={"b": {"name": name, "parentId": self.rng.choice((None, some))}})
        elif what == "update":
            self.jmap.set("Mailbox", update={some: {"name": name}})
        elif len(boxes) > 8:
            self.jmap.set("Mailbox", destroy=[some], onDestroyRemoveEmails=True)


class BySmtp:
    def __init__(self, server, rng, known):
        self.server, self.rng, self.known = server, rng, known

    def step(self):
        with smtplib.SMTP(*self.server.smtp, timeout=30) as c:
            c.sendmail("ann@example.org", [self.server.account("alice").address], letter(self.rng, self.known))


# ---- who reads ----------------------------------------------------------------------------------------------


class Copy:
    """What a client has that fetches everything once and afterwards only what it is told has changed."""

    def __init__(self, server, rng):
        self.jmap, self.rng = Jmap(server), rng
        self.objects, self.states, self.queries = {}, {}, {}
        self.history = collections.defaultdict(list)  # the last answers to /changes
        for kind in KINDS:
            self.objects[kind], self.states[kind] = self.fresh(kind)
        inbox = next(id for id, m in self.objects["Mailbox"].items() if m["role"] == "inbox")
        self.questions = [("Email", {"filter": f, "collapseThreads": c}) for c in (False, True) for f in (
            None, {"inMailbox": inbox}, {"hasKeyword": "$flagged"}, {"subject": WORDS[0]},
            {"operator": "AND", "conditions": [{"inMailbox": inbox}, {"notKeyword": "$seen"}]})]
        self.questions += [("Mailbox", {"filter": f, "sort": [{"property": "name"}], "sortAsTree": t, "filterAsTree": t})
                           for t in (False, True) for f in (None, {"hasAnyRole": False}, {"isSubscribed": True})]
        self.questions.append(("EmailSubmission", {"sort": [{"property": "sentAt"}]}))
        for i in range(len(self.questions)):
            self.ask(i)

    def get(self, kind, ids, properties=None):
        """{id: object} and the state; more than maxObjectsInGet in pages, of which the first tells the state."""
        found, states = {}, []
        for page in [None] if ids is None else [ids[i:i + 500] for i in range(0, max(len(ids), 1), 500)]:
            got = self.jmap.call(kind + "/get", ids=page, properties=properties or PROPERTIES.get(kind))
            found.update((x["id"], x) for x in got["list"])
            states.append(int(got["state"]))
        return found, states[0]

    def fresh(self, kind):
        """All objects as they are at one state."""
        if kind in ("Mailbox", "EmailSubmission"):
            return self.get(kind, None)
        for _ in range(100):
            state = self.get(kind, [])[1]
            emails, email_state = self.get("Email", self.jmap.call("Email/query", limit=10000)["ids"])
            threads = sorted({e["threadId"] for e in emails.values()})
            got = emails, email_state
            if kind == "Thread":
                got = self.get(kind, threads)
            if got[1] == state and self.get("Email", [])[1] == email_state:
                return got
        raise AssertionError("the states do not come to rest")

    def query(self, i):
        kind, args = self.questions[i]
        return self.jmap.call(kind + "/query", **({"limit": 10000} if kind == "Email" else {}), **args)

    def ask(self, i):
        got = self.query(i)
        self.queries[i] = got["ids"], int(got["queryState"]), got["canCalculateChanges"]

    # -- by changes --

    def changes(self, kind, most):
        try:
            return self.jmap.call(kind + "/changes", sinceState=str(self.states[kind]), maxChanges=most)
        except JmapError as e:
            # what one command has changed is one step, which may be more than was asked for
            assert e.type == "cannotCalculateChanges" and most, (kind, self.states[kind], most, e)
            return self.changes(kind, None)

    def follow(self, kind):
        is_more = True
        while is_more:
            got = self.changes(kind, self.rng.choice((None, 3, 50)))
            self.history[kind] = self.history[kind][-5:] + [got]
            assert got["oldState"] == str(self.states[kind])
            new = int(got["newState"])
            assert new >= self.states[kind], (kind, "the state went backwards", got)
            told = got["created"] + got["updated"] + got["destroyed"]
            assert len(told) == len(set(told)), (kind, "an id is told twice", got)
            is_more = got["hasMoreChanges"]
            assert not is_more or new > self.states[kind], (kind, "more changes, but no way on", got)
            have = self.objects[kind]
            for id in got["destroyed"]:
                have.pop(id, None)
            some = got.get("updatedProperties")
            for ids, properties in ((got["created"], None), (got["updated"], some)):
                if ids:
                    found, _ = self.get(kind, ids, properties)
                    for id in ids:
                        if id in found:
                            have[id] = {**have[id], **found[id]} if properties and id in have else found[id]
                        else:
                            have.pop(id, None)
            self.states[kind] = new

    def follow_query(self, i):
        kind, args = self.questions[i]
        ids, state, can_calculate = self.queries[i]
        try:
            got = self.jmap.call(kind + "/queryChanges", sinceQueryState=str(state), calculateTotal=True, **args)
        except JmapError as e:
            assert e.type == "cannotCalculateChanges" and (kind != "Email" or not can_calculate), (kind, args, e)
            return self.ask(i)
        new = int(got["newQueryState"])
        assert new >= state and got["oldQueryState"] == str(state), (args, got)
        ids = [id for id in ids if id not in set(got["removed"])]
        for x in got["added"]:
            assert x["index"] <= len(ids) and x["id"] not in ids, (args, x, got, ids)
            ids.insert(x["index"], x["id"])
        assert got["total"] == len(ids), (args, got, ids)
        self.queries[i] = ids, new, can_calculate

    def sync(self):
        for kind in self.rng.sample(KINDS, len(KINDS)):
            self.follow(kind)
        for i in range(len(self.questions)):
            self.follow_query(i)

    # -- is it so? --

    def compare(self):
        """The number of the parts that could be compared: those whose state had not moved on by then."""
        count = 0
        for kind in self.objects:
            self.follow(kind)
            fresh, state = self.fresh(kind)
            if state == self.states[kind]:
                have = self.objects[kind]
                assert have == fresh, (kind, state, self.history[kind][-5:], [
                    (have.get(id), fresh.get(id)) for id in {**have, **fresh} if have.get(id) != fresh.get(id)])
                count += 1
        for i, question in enumerate(self.questions):
            self.follow_query(i)
            got = self.query(i)
            if int(got["queryState"]) == self.queries[i][1]:
                assert self.queries[i][0] == got["ids"], (question, self.queries[i][1])
                count += 1
        return count

    def compare_all(self):
        deadline = time.monotonic() + 20
        while self.compare() < len(self.objects) + len(self.questions):
            assert time.monotonic() < deadline, "the states do not come to rest"
        self.agree()

    def agree(self):
        """Mailboxes, Emails, threads and lists tell of the same mail."""
        emails, mailboxes = self.objects["Email"], self.objects["Mailbox"]
        threads = {}
        for id, e in emails.items():
            assert e["mailboxIds"] and set(e["mailboxIds"]) <= set(mailboxes), e
            threads.setdefault(e["threadId"], set()).add(id)
        assert {t: set(x["emailIds"]) for t, x in self.objects["Thread"].items()} == threads
        for id, m in mailboxes.items():
            inside = [e for e in emails.values() if id in e["mailboxIds"]]
            assert m["totalEmails"] == len(inside), m
            assert m["unreadEmails"] == sum(not {"$seen", "$draft"} & set(e["keywords"]) for e in inside), m
            assert m["totalThreads"] == len({e["threadId"] for e in inside}), m
            assert m["parentId"] is None or m["parentId"] in mailboxes, m
        for i, (kind, args) in enumerate(self.questions):
            ids = self.queries[i][0]
            if kind != "Email":
                self.agree_with_few(kind, args, ids)
                continue
            want = {id for id, e in emails.items() if matches(e, args["filter"])}
            dates = [emails[id]["receivedAt"] for id in ids]
            assert dates == sorted(dates, reverse=True), args
            if args["collapseThreads"]:
                seen = [emails[id]["threadId"] for id in ids]
                assert len(seen) == len(set(seen)) and set(ids) <= want, args
                assert set(seen) == {emails[id]["threadId"] for id in want}, args
            else:
                assert len(ids) == len(set(ids)) and set(ids) == want, args


    def agree_with_few(self, kind, args, ids):
        objects = self.objects[kind]
        assert len(ids) == len(set(ids)) and set(ids) <= set(objects), (kind, args)
        if kind == "EmailSubmission" or args["filter"] is None:
            assert set(ids) == set(objects), (kind, args)
        if args.get("sortAsTree"):
            for at, id in enumerate(ids):
                assert objects[id]["parentId"] in [None] + ids[:at], (args, ids)


def matches(e, filter):
    if filter is None:
        return True
    if "operator" in filter:
        return all(matches(e, c) for c in filter["conditions"])
    ((name, value),) = filter.items()
    return {"inMailbox": lambda: value in e["mailboxIds"], "hasKeyword": lambda: value in e["keywords"],
            "notKeyword": lambda: value not in e["keywords"], "subject": lambda: value in e["subject"]}[name]()


# ---- the tests ----------------------------------------------------------------------------------------------


def run(server, seed, rounds, steps):
    print("seed", seed)
    rng, known = random.Random(seed), []
    writers = [kind(server, random.Random(rng.random()), known) for kind in (ByImap, ByImap, ByJmap, BySmtp)]
    copy = Copy(server, rng)
    for _ in range(rounds):
        failures = []

        def write(writer):
            try:
                for _ in range(steps // 3 if isinstance(writer, BySmtp) else steps):
                    writer.step()
            except BaseException as e:  # told by the thread that waits
                failures.append(e)

        threads = [threading.Thread(target=write, args=(w,)) for w in writers]
        for t in threads:
            t.start()
        try:
            while any(t.is_alive() for t in threads):
                copy.sync()
        finally:
            for t in threads:
                t.join()
        assert not failures, failures
        copy.compare_all()
    assert copy.objects["Email"] and len(copy.objects["Mailbox"]) > 1


@pytest.fixture
def server():
    with Yizhan(conf="demo = yes\n") as s:
        yield s


def test_a_copy_kept_by_changes_is_what_is_there(server):
    run(server, int(os.environ.get("YIZHAN_SEED", random.randrange(2**32))), rounds=4, steps=20)


@pytest.mark.long
def test_a_copy_kept_by_changes_is_what_is_there_for_long(server):
    rounds = int(os.environ.get("YIZHAN_MODEL_ROUNDS", "40"))
    run(server, int(os.environ.get("YIZHAN_SEED", random.randrange(2**32))), rounds=rounds, steps=40)


class Told:
    """A server that says what it was given."""

    def __init__(self, answer):
        self.answer = answer

    def call(self, method, **args):
        return self.answer


@pytest.mark.parametrize("wrong", [
    {"newState": "4"}, {"created": ["M1"], "updated": ["M1"]}, {"hasMoreChanges": True}, {"oldState": "3"}], ids=str)
def test_a_server_that_tells_changes_wrongly_is_found(wrong):
    copy = Copy.__new__(Copy)
    copy.rng, copy.states, copy.objects, copy.history = random.Random(1), {"Email": 5}, {"Email": {}}, {"Email": []}
    copy.jmap = Told({"oldState": "5", "newState": "5", "created": [], "updated": [], "destroyed": [],
                      "hasMoreChanges": False, **wrong})
    with pytest.raises(AssertionError):
        copy.follow("Email")


@pytest.mark.parametrize("wrong", [
    {"added": [{"id": "M3", "index": 9}]}, {"added": [{"id": "M1", "index": 0}], "total": 3}, {"total": 1}], ids=str)
def test_a_server_that_tells_changes_of_lists_wrongly_is_found(wrong):
    copy = Copy.__new__(Copy)
    copy.questions, copy.queries = [("Email", {"filter": None})], {0: (["M1", "M2"], 5, True)}
    copy.jmap = Told({"oldQueryState": "5", "newQueryState": "6", "removed": [], "added": [], "total": 2, **wrong})
    with pytest.raises(AssertionError):
        copy.follow_query(0)
