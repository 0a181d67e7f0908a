"""Who may do what over HTTP: each JMAP method and each route, asked by its owner, by somebody to whom one mailbox is
shared for reading, by somebody with an account of his own, by a program whose app password is for something else, by a
cookie without the page's field, and by nobody.

The methods are those of the tables in src/services/jmapd, the routes those that the server logs at its start: what has
no row here fails. Everything asked by a stranger names things of the owner's; the answer must be the one for things that
are nowhere, and the owner's account must be as it was. Then the owner asks the same, and it works."""

import base64
import glob
import http.client
import json
import os
import re
import smtplib
import time
import types

import pytest
from jmap_talk import Jmap
from station import HOST, TOP, Account, Yizhan
from web_talk import Browser

CONF = """
demo = yes
hostname = "mx.yizhan.test"
log { level = debug }
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { protocol = submission address = { "127.0.0.1:5870" } }
listener imap { protocol = imap address = { "127.0.0.1:1430" } }
listener web { protocol = http  tls = none address = { "127.0.0.1:8080" } }
"""
NAMES = ("core", "mail", "submission", "vacationresponse", "quota", "blob")
USING = ["urn:ietf:params:jmap:" + n for n in NAMES] + ["https://yizhan.dev/jmap/page", "https://yizhan.dev/jmap/trace"]
SECRET = "zqwertyhidden"  # stands in everything of the owner's that is nobody else's business
NOT_THERE, READ_ONLY, NOT_HERE = "accountNotFound", "accountReadOnly", "accountNotSupportedByMethod"


def methods():
    """[(name, does it change something)] of the server's own tables."""
    found = []
    for path in sorted(glob.glob(os.path.join(TOP, "src/services/jmapd/*.c"))):
        with open(path) as f:
            found += re.findall(r'\{\s*"(\w+/\w+)",\s*JMAP_CAP_PLACE_\w+,\s*([\w |]+)', f.read())
    assert len(found) > 50
    return [(name, "JMAP_CHANGES_STATE" in flags) for name, flags in found]


# ---- people ---------------------------------------------------------------------------------------------


class Program:
    """Asks by Basic; `password` None: by nothing."""

    def __init__(self, server, address, password):
        self.server = server
        pair = base64.b64encode(("%s:%s" % (address, password)).encode()).decode()
        self.auth = {"Authorization": "Basic " + pair} if password else {}

    def ask(self, method, path, body=None, headers=()):
        c = http.client.HTTPConnection(HOST, self.server.ports["web"], timeout=20)
        try:
            c.request(method, path, body, {**self.auth, **dict(headers)})
            r = c.getresponse()
            # an event stream has no end: its first octets do
            body = b"" if r.headers["Content-Type"] == "text/event-stream" else r.read()
            return types.SimpleNamespace(status=r.status, headers=r.headers, body=body)
        finally:
            c.close()

    def request(self, *calls):
        body = json.dumps({"using": USING, "methodCalls": [[name, args, str(i)] for i, (name, args) in enumerate(calls)]})
        return self.ask("POST", "/jmap/api", body, {"Content-Type": "application/json"})

    def call(self, name, args):
        a = self.request((name, args))
        assert a.status == 200, (a.status, a.body)
        (answer, result, _), *also = json.loads(a.body)["methodResponses"]
        return answer, result, also

    def do(self, name, **args):
        answer, result, _ = self.call(name, args)
        assert answer == name, (answer, result)
        return result

    def make(self, kind, **properties):
        got = self.do(kind + "/set", **({} if kind == "PushSubscription" else {"accountId": self.id}), create={"k": properties})
        assert got.get("created"), got["notCreated"]
        return got["created"]["k"]


class Page(Program):
    """Asks by cookie; `mark` False: without the page's field."""

    def __init__(self, server, account, mark=True):
        self.browser, self.mark, self.server = Browser(server), mark, server
        self.id = self.browser.log_in(account.address, account.password).json["accountId"]

    def ask(self, method, path, body=None, headers=()):
        if path.startswith("/jmap/events"):
            self.auth = {"Cookie": "yizhan=" + self.browser.cookies["yizhan"]}
            return super().ask(method, path, body, headers)
        fields = dict(self.browser.page() if self.mark else {}, **dict(headers))
        return self.browser.ask(method, path, body, fields)


def imap_of(account, server):
    import imaplib
    import ssl
    m = imaplib.IMAP4(HOST, server.ports["imap"], timeout=20)
    m.starttls(ssl._create_unverified_context())
    m.login(account.address, account.password)
    return m


def letter(subject, *fields, text=SECRET):
    return ("From: Ann <ann@example.org>\r\nTo: alice@yizhan.test\r\nSubject: %s\r\n%sContent-Type: multipart/mixed; boundary=x\r\n\r\n"
            "--x\r\n\r\n%s\r\n--x\r\nContent-Type: application/pdf; name=%s.pdf\r\n\r\n%%PDF %s\r\n--x--\r\n"
            % (subject, "".join(f + "\r\n" for f in fields), text, text, text)).encode()


def waited(get, seconds=10):
    """What get() gives once it is something."""
    end = time.monotonic() + seconds
    while not (got := get()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return got


def prepare(server, owner):
    """What the owner has; each thing of it is somebody's name for it in the table below."""
    t = types.SimpleNamespace(account=owner.id)
    t.inbox = owner.do("Mailbox/query", accountId=t.account, filter={"role": "inbox"})["ids"][0]
    t.shown = owner.make("Mailbox", name="shown")["id"]
    t.hidden = owner.make("Mailbox", name=SECRET)["id"]

    def upload(octets, type="message/rfc822"):
        a = owner.ask("POST", "/jmap/upload/%s/" % t.account, octets, {"Content-Type": type})
        assert a.status == 201, a.body
        return json.loads(a.body)["blobId"]

    def put(octets, **boxes):
        got = owner.do("Email/import", accountId=t.account, emails={"k": {"blobId": upload(octets), "mailboxIds": boxes}})
        return got["created"]["k"]
    t.lent = put(letter("plain", "Message-ID: <lent@example.org>", text="lent to you"), **{t.shown: True, t.hidden: True})["id"]
    kept = put(letter("Re: plain", "Message-ID: <%s@example.org>" % SECRET, "References: <lent@example.org>",
                      "In-Reply-To: <lent@example.org>"), **{t.hidden: True})
    alone = put(letter(SECRET, "Message-ID: <alone@example.org>", "List-Unsubscribe: <https://127.0.0.1:1/%s>" % SECRET,
                       "List-Unsubscribe-Post: List-Unsubscribe=One-Click"), **{t.hidden: True})
    t.email, t.alone, t.thread = kept["id"], alone["id"], alone["threadId"]
    t.blob = alone["blobId"]
    t.part = owner.do("Email/get", accountId=t.account, ids=[t.alone], properties=["attachments"])["list"][0]["attachments"][0]["blobId"]
    t.upload = upload(SECRET.encode(), "text/plain")
    t.identity = owner.make("Identity", name=SECRET, email="alice@yizhan.test")["id"]
    t.draft = owner.make("Email", mailboxIds={t.hidden: True}, subject=SECRET, **{
        "from": [{"email": "alice@yizhan.test"}], "to": [{"email": SECRET + "@example.org"}],
        "bcc": [{"email": "bcc-%s@example.org" % SECRET}], "keywords": {"$draft": True}})["id"]
    t.envelope = {"mailFrom": {"email": "alice@yizhan.test", "parameters": {"HOLDFOR": "3600"}},
                  "rcptTo": [{"email": SECRET + "@example.org"}]}
    t.submission = owner.make("EmailSubmission", identityId=t.identity, emailId=t.draft, envelope=t.envelope)["id"]
    t.trace = waited(lambda: owner.do("Trace/query", accountId=t.account)["ids"])[0]
    t.contact = owner.make("Contact", name=SECRET, emails=[{"email": SECRET + "@example.net"}])["id"]
    t.push = owner.make("PushSubscription", deviceClientId=SECRET, url="https://127.0.0.1/" + SECRET)["id"]
    made = owner.make("AppPassword", name=SECRET, scopes=["imap"])
    t.app, t.for_imap = made["id"], made["password"]
    t.for_web = owner.make("AppPassword", name="web", scopes=["web"])["password"]
    t.session = owner.do("Session/get", accountId=t.account, ids=None)["list"][0]["id"]
    t.login = waited(lambda: owner.do("LoginEvent/query", accountId=t.account)["ids"])[0]
    owner.do("VacationResponse/set", accountId=t.account, update={"singleton": {"subject": SECRET, "textBody": SECRET}})
    owner.do("WebSettings/set", accountId=t.account, update={"singleton": {"word": SECRET}})
    m = imap_of(server.account("alice"), server)
    assert m.setacl("shown", "bob@yizhan.test", "lr")[0] == "OK"
    m.logout()
    t.since = "0"  # once somebody sees it
    return t


def elsewhere(t):
    """The same names for what is nowhere: Ids of the same shape."""
    def other(v):
        if isinstance(v, str) and re.match(r"^[A-Z]+[0-9A-Z]{13}", v):
            head = re.match(r"^[A-Z]+?(?=[0-9])", v).group(0)
            return head + "7" + v[len(head) + 1:]
        return v
    fake = types.SimpleNamespace(**{k: other(v) for k, v in vars(t).items()})
    assert fake.account != t.account and fake.part != t.part and fake.upload != t.upload
    fake.shown, fake.lent = t.shown, t.lent
    return fake


@pytest.fixture(scope="module")
def all():
    with Yizhan(conf=CONF) as server:
        server.cli("account", "add", "carol@yizhan.test", "--password", "a password of hers")
        server.cli("account", "set", "alice@yizhan.test", "--quota", "50M")
        alice, bob = server.account("alice"), server.account("bob")
        carol = Account("carol@yizhan.test", "a password of hers")
        with smtplib.SMTP(*server.smtp, timeout=20) as c:
            c.sendmail("x@example.org", [alice.address], "Subject: %s\r\n\r\n%s\r\n" % (SECRET, SECRET))
        server.wait_mailbox(alice.address, 1)
        a = types.SimpleNamespace(server=server, owner=Page(server, alice))
        a.t = prepare(server, a.owner)
        a.fake = elsewhere(a.t)
        a.program = Program(server, alice.address, a.t.for_web)
        a.sharer, a.other = Program(server, bob.address, bob.password), Program(server, carol.address, carol.password)
        for who in (a.sharer, a.other):
            accounts = json.loads(who.ask("GET", "/.well-known/jmap").body)["accounts"]
            who.id = [id for id, x in accounts.items() if x["isPersonal"]][0]
            who.box = who.do("Mailbox/query", accountId=who.id, filter={"role": "inbox"})["ids"][0]
            who.identity = who.do("Identity/get", accountId=who.id, ids=None)["list"][0]["id"]
        for word in ("$seen", "$answered"):  # states from before the sharing tell the sharer nothing
            a.fake.since = a.t.since = a.sharer.do("Email/get", accountId=a.t.account, ids=[])["state"]
            a.owner.do("Email/set", accountId=a.t.account, update={
                i: {"keywords/" + word: True} for i in (a.t.lent, a.t.email, a.t.alone)})
        a.sharer_page, a.other_page = Page(server, bob), Page(server, carol)
        a.owner.box, a.owner.identity = a.t.hidden, a.t.identity
        a.wrong_scope = Program(server, alice.address, a.t.for_imap)
        a.nobody = Program(server, None, None)
        a.cookie = Page(server, alice, mark=False)
        settled(a)
        yield a


# ---- the table ------------------------------------------------------------------------------------------
# method; what it is asked about, in the owner's account; what the sharer hears: an error's type, or SEEN: an answer in
# which there is nothing hidden. Others hear accountNotFound unless `other` says so. For all of them what is not
# theirs and what is nowhere look alike, and nothing of the owner's is another one afterwards. The owner's is done.

SEEN = "seen"
ROWS = []


def row(method, args, sharer, other=NOT_THERE, page=False, case="", own=False, changes=None):
    """own: asked in the asker's own account about things of the owner's."""
    ROWS.append(types.SimpleNamespace(method=method, args=args, sharer=sharer, other=other, page=page, case=case, own=own,
                                      changes=changes))


def ids_of(*names, **more):
    return lambda t, me: {"accountId": t.account, "ids": [getattr(t, n) for n in names], **more}


def since(t, me):
    return {"accountId": t.account, "sinceState": t.since}


def asked(**args):
    return lambda t, me: {"accountId": t.account, **args}


def update(name, patch):
    return lambda t, me: {"accountId": t.account, "update": {getattr(t, name): patch}}


def create(**properties):
    return lambda t, me: {"accountId": t.account, "create": {"k": properties}}


row("Core/echo", lambda t, me: {"word": 1}, SEEN, SEEN)
row("Mailbox/get", asked(ids=None), SEEN)
row("Mailbox/get", ids_of("hidden", "inbox"), SEEN, case="by id")
row("Mailbox/changes", since, SEEN)
row("Mailbox/query", asked(), SEEN)
row("Mailbox/query", lambda t, me: {"accountId": t.account, "filter": {"parentId": t.hidden}}, SEEN, case="below one")
row("Mailbox/query", asked(filter={"name": SECRET}), SEEN, case="by name")
row("Mailbox/queryChanges", lambda t, me: {"accountId": t.account, "sinceQueryState": t.since}, SEEN)
row("Mailbox/set", update("hidden", {"sortOrder": 20}), READ_ONLY)
row("Mailbox/set", create(name="new"), READ_ONLY, case="create")
row("Thread/get", ids_of("thread"), SEEN)
row("Thread/changes", since, SEEN)
row("Email/get", ids_of("email", "alone", fetchAllBodyValues=True), SEEN)
row("Email/get", lambda t, me: {"accountId": t.account, "#ids": {"resultOf": "0", "name": "Email/get", "path": "/list/*/id"}},
    "invalidResultReference", "invalidResultReference", case="by a reference to nothing")
row("Email/changes", since, SEEN)
row("Email/query", asked(filter={"text": SECRET}), SEEN)
row("Email/query", lambda t, me: {"accountId": t.account, "filter": {"inMailbox": t.hidden}, "calculateTotal": True}, SEEN,
    case="in a mailbox")
row("Email/query", lambda t, me: {"accountId": t.account, "filter": {"inMailboxOtherThan": [t.shown]}}, SEEN, case="in others")
row("Email/query", lambda t, me: {"accountId": t.account, "anchor": t.email, "filter": {"hasAttachment": True}}, "anchorNotFound", case="by an anchor")
row("Email/query", asked(filter={"operator": "NOT", "conditions": [{"text": "nothing of it"}]}, calculateTotal=True), SEEN, case="all")
row("Email/query", asked(sort=[{"property": "someInThreadHaveKeyword", "keyword": "$draft"}]), SEEN, case="by the thread")
row("Email/queryChanges", lambda t, me: {"accountId": t.account, "sinceQueryState": t.since}, SEEN)
row("Email/set", update("email", {"keywords/$flagged": True}), READ_ONLY)
row("Email/set", lambda t, me: {"accountId": me.id, "update": {t.email: {"keywords/$flagged": True}}}, SEEN, SEEN, own=True,
    case="as if it were one's own")
row("Email/set", lambda t, me: {"accountId": me.id, "create": {"k": {
    "mailboxIds": {me.box: True}, "bodyStructure": {"type": "message/rfc822", "blobId": t.blob}}}}, SEEN, SEEN, own=True, case="of a blob")
row("Email/set", lambda t, me: {"accountId": me.id, "create": {"k": {"mailboxIds": {t.hidden: True}, "subject": "x"}}}, SEEN, SEEN,
    own=True, case="into a mailbox")
row("Email/import", lambda t, me: {"accountId": t.account, "emails": {"k": {"blobId": t.blob, "mailboxIds": {t.shown: True}}}}, READ_ONLY)
row("Email/import", lambda t, me: {"accountId": me.id, "emails": {"k": {"blobId": t.blob, "mailboxIds": {me.box: True}}}}, SEEN, SEEN,
    own=True, case="of a blob")
row("Email/import", lambda t, me: {"accountId": me.id, "emails": {"k": {"blobId": t.upload, "mailboxIds": {me.box: True}}}}, SEEN, SEEN,
    own=True, case="of an upload")
row("Email/copy", lambda t, me: {"fromAccountId": t.account, "accountId": me.id, "create": {
    "k": {"id": t.email, "mailboxIds": {me.box: True}}}}, SEEN, "fromAccountNotFound", own="another")
row("Email/copy", lambda t, me: {"fromAccountId": t.account, "accountId": me.id, "onSuccessDestroyOriginal": True, "create": {
    "k": {"id": t.email, "mailboxIds": {me.box: True}}}}, SEEN, "fromAccountNotFound", own="another", case="as a move")
row("Email/copy", lambda t, me: {"fromAccountId": me.id, "accountId": t.account, "create": {
    "k": {"id": t.email, "mailboxIds": {t.shown: True}}}}, READ_ONLY, own="another", case="into it")
row("Email/parse", lambda t, me: {"accountId": t.account, "blobIds": [t.blob]}, SEEN)
row("Email/parse", lambda t, me: {"accountId": me.id, "blobIds": [t.blob, t.upload, t.blob + "-0-40-0"]}, SEEN, SEEN, own=True,
    case="as if it were one's own")
row("SearchSnippet/get", lambda t, me: {"accountId": t.account, "filter": {"text": SECRET}, "emailIds": [t.email, t.alone]}, SEEN)
row("Identity/get", ids_of("identity"), NOT_HERE)
row("Identity/get", lambda t, me: {"accountId": me.id, "ids": [t.identity]}, SEEN, SEEN, own=True, case="as if it were one's own")
row("Identity/changes", since, NOT_HERE)
row("Identity/set", update("identity", {"name": SECRET + "!"}), NOT_HERE)
row("Identity/set", lambda t, me: {"accountId": me.id, "update": {t.identity: {"name": SECRET + "!"}}}, SEEN, SEEN, own=True,
    case="as if it were one's own")
row("Identity/set", lambda t, me: {"accountId": me.id, "create": {"k": {"name": "x", "email": "alice@yizhan.test"}}}, SEEN, SEEN,
    own=True, case="with the owner's address")
row("EmailSubmission/get", ids_of("submission"), NOT_HERE)
row("EmailSubmission/get", lambda t, me: {"accountId": me.id, "ids": [t.submission]}, SEEN, SEEN, own=True, case="as if it were one's own")
row("EmailSubmission/changes", since, NOT_HERE)
row("EmailSubmission/query", asked(), NOT_HERE)
row("EmailSubmission/query", lambda t, me: {"accountId": me.id, "filter": {"emailIds": [t.draft], "threadIds": [t.thread]}}, SEEN, SEEN,
    own=True, case="by an Email")
row("EmailSubmission/queryChanges", lambda t, me: {"accountId": t.account, "sinceQueryState": t.since}, NOT_HERE)
row("EmailSubmission/set", lambda t, me: {"accountId": t.account, "create": {"k": {
    "identityId": t.identity, "emailId": t.draft, "envelope": t.envelope}}}, NOT_HERE)
row("EmailSubmission/set", lambda t, me: {"accountId": me.id, "create": {"k": {
    "identityId": me.identity, "emailId": t.draft, "envelope": {
        "mailFrom": {"email": "x@yizhan.test"}, "rcptTo": [{"email": "bob@yizhan.test"}]}}}}, SEEN, SEEN, own="refused",
    case="of an Email")
row("EmailSubmission/set", lambda t, me: {"accountId": me.id, "update": {t.submission: {"undoStatus": "canceled"}}}, SEEN, SEEN,
    own="once", case="as if it were one's own")
row("VacationResponse/get", asked(ids=["singleton"]), NOT_HERE)
row("VacationResponse/set", asked(update={"singleton": {"subject": SECRET + "!"}}), NOT_HERE)
row("Quota/get", asked(ids=None), NOT_HERE)
row("Quota/changes", asked(sinceState="x"), NOT_HERE, changes="cannotCalculateChanges")
row("Quota/query", asked(), NOT_HERE)
row("Quota/queryChanges", asked(sinceQueryState="x"), NOT_HERE, changes="cannotCalculateChanges")
row("Blob/get", ids_of("blob", "part", "upload", properties=["data:asBase64", "size", "digest:sha-256"]), SEEN)
row("Blob/get", lambda t, me: {"accountId": me.id, "ids": [t.blob, t.part, t.upload]}, SEEN, SEEN, own=True, case="as if it were one's own")
row("Blob/lookup", ids_of("blob", "part", "upload", typeNames=["Email", "Mailbox", "Thread"]), SEEN)
row("Blob/lookup", lambda t, me: {"accountId": me.id, "ids": [t.blob], "typeNames": ["Email"]}, SEEN, SEEN, own=True,
    case="as if it were one's own")
row("Blob/upload", create(data=[{"data:asText": "x"}]), READ_ONLY)
row("Blob/upload", lambda t, me: {"accountId": me.id, "create": {
    "k": {"data": [{"blobId": t.blob}]}}}, SEEN, SEEN, own=True, case="of a blob")
row("Blob/upload", lambda t, me: {"accountId": me.id, "create": {
    "k": {"data": [{"blobId": t.upload, "offset": 2, "length": 3}]}}}, SEEN, SEEN, own=True, case="of a piece")
row("Blob/copy", lambda t, me: {"fromAccountId": t.account, "accountId": me.id, "blobIds": [t.blob, t.part, t.upload]}, SEEN,
    "fromAccountNotFound", own="another")
row("Blob/copy", lambda t, me: {"fromAccountId": me.id, "accountId": t.account, "blobIds": ["Gx"]}, READ_ONLY, own="another", case="into it")
row("PushSubscription/get", lambda t, me: {"ids": [t.push]}, SEEN, SEEN, own="login")
row("PushSubscription/get", lambda t, me: {"ids": None}, SEEN, SEEN, own=True, case="all")
row("PushSubscription/set", lambda t, me: {"update": {t.push: {"types": ["Email"]}}}, SEEN, SEEN, own="login")
row("PushSubscription/set", lambda t, me: {"update": {t.push: {"verificationCode": "x"}}}, SEEN, SEEN, own="refused", case="guess a code")
row("Trace/get", ids_of("trace"), NOT_HERE)
row("Trace/get", lambda t, me: {"accountId": me.id, "ids": [t.trace]}, SEEN, SEEN, own=True, case="as if it were one's own")
row("Trace/changes", since, NOT_HERE)
row("Trace/query", asked(), NOT_HERE)
row("Trace/query", lambda t, me: {"accountId": me.id, "filter": {"messageId": "%s@example.org" % SECRET}}, SEEN, SEEN, own=True,
    case="by a Message-ID")
row("Trace/set", update("trace", {"retry": True}), NOT_HERE, changes="once")
row("Trace/set", lambda t, me: {"accountId": me.id, "update": {t.trace: {"cancel": True}}}, SEEN, SEEN, own="refused",
    case="as if it were one's own")
row("Contact/get", ids_of("contact"), NOT_HERE)
row("Contact/get", lambda t, me: {"accountId": me.id, "ids": [t.contact]}, SEEN, SEEN, own=True, case="as if it were one's own")
row("Contact/changes", since, NOT_HERE)
row("Contact/query", asked(filter={"text": SECRET}), NOT_HERE)
row("Contact/suggest", asked(text=SECRET[:4]), NOT_HERE)
row("Contact/set", update("contact", {"note": SECRET}), NOT_HERE)
row("Contact/set", lambda t, me: {"accountId": me.id, "destroy": [t.contact]}, SEEN, SEEN, own="refused", case="as if it were one's own")
row("Contact/import", asked(vcards="BEGIN:VCARD\r\nVERSION:3.0\r\nFN:x\r\nEMAIL:x@y.test\r\nEND:VCARD\r\n"), NOT_HERE)
row("Contact/import", lambda t, me: {"accountId": me.id, "blobId": t.upload}, "invalidArguments", "invalidArguments", own="refused",
    case="of a blob")
row("Contact/export", asked(ids=None), NOT_HERE)
row("Contact/export", lambda t, me: {"accountId": me.id, "ids": [t.contact]}, SEEN, SEEN, own=True, case="as if it were one's own")
row("WebSettings/get", asked(ids=["singleton"]), NOT_HERE)
row("WebSettings/set", asked(update={"singleton": {"word": SECRET + "!"}}), NOT_HERE)
row("Session/get", asked(ids=None), NOT_HERE, page=True)
row("Session/set", lambda t, me: {"accountId": t.account, "destroy": ["W0000000000001"]}, NOT_HERE, page=True, changes="once")
row("AppPassword/get", asked(ids=None), NOT_HERE, page=True)
row("AppPassword/set", create(name="more", scopes=["web"]), NOT_HERE, page=True)
row("TwoFactor/get", asked(ids=["singleton"]), NOT_HERE, page=True)
row("TwoFactor/set", asked(update={"singleton": {"action": "begin"}}), NOT_HERE, page=True)
row("LoginEvent/get", ids_of("login"), NOT_HERE, page=True)
row("LoginEvent/query", asked(), NOT_HERE, page=True)
row("Password/change", asked(old="what it is not", new="long enough"), NOT_HERE, page=True, changes="invalidArguments")


def test_each_method_has_its_row():
    known = {r.method for r in ROWS}
    assert {name for name, _ in methods()} == known
    for name, changes in methods():
        # whatever changes something in an account is refused where nothing may be changed
        asked_there = [r for r in ROWS if r.method == name and not r.own and r.sharer != "invalidResultReference"]
        if changes and asked_there:
            assert {r.sharer for r in asked_there} <= {READ_ONLY, NOT_HERE}, name


# ---- what is looked at ----------------------------------------------------------------------------------

STATE = [("Mailbox/get", {"ids": None}), ("Email/query", {"calculateTotal": True}), ("Identity/get", {"ids": None}),
         ("EmailSubmission/get", {"ids": None}), ("VacationResponse/get", {"ids": None}), ("Contact/get", {"ids": None}),
         ("WebSettings/get", {"ids": None}), ("AppPassword/get", {"ids": None}), ("TwoFactor/get", {"ids": None}),
         ("Quota/get", {"ids": None}), ("Trace/query", {}), ("PushSubscription/get", None),
         ("Email/get", {"properties": ["mailboxIds", "keywords", "blobId", "subject"]})]


def snapshot(a):
    """All that a stranger could have changed."""
    calls = [(name, {"ids": None} if args is None else {"accountId": a.t.account, **args}) for name, args in STATE]
    calls[-1][1]["#ids"] = {"resultOf": "1", "name": "Email/query", "path": "/ids"}
    got = json.loads(a.owner.request(*calls).body)["methodResponses"]
    assert [g[0] for g in got] == [c[0] for c in calls], got
    sessions = a.owner.do("Session/get", accountId=a.t.account, ids=None, properties=["id"])["list"]
    for name, result, _ in got:
        if name == "AppPassword/get":  # its use is noted, and moves its state
            for x in result["list"]:
                del x["usedAt"], x["usedFrom"]
        if name in ("AppPassword/get", "TwoFactor/get"):
            del result["state"]
    return got, sorted(s["id"] for s in sessions)


def settled(a):
    """The log of what was sent is written behind it."""
    was, end = None, time.monotonic() + 10
    while was != (now := snapshot(a)):
        assert time.monotonic() < end
        was = now
        time.sleep(0.5)


def unchanged(a, was):
    for one, other in zip(snapshot(a)[0], was[0]):
        assert one == other
    assert snapshot(a)[1] == was[1]


def secrets(a):
    return {v for k, v in vars(a.t).items() if k not in ("account", "shown", "lent", "since", "for_imap", "for_web", "envelope")
            and isinstance(v, str)}


def answer_of(who, r, t):
    name, result, also = who.call(r.method, r.args(t, who))
    return name, result, also


def anonymous(text, a):
    """With the names for what is nowhere."""
    for k, v in vars(a.t).items():
        if isinstance(v, str) and v != getattr(a.fake, k):
            text = text.replace(v, getattr(a.fake, k))
    return text


def nothing_done(result):
    return not any(result.get(k) for k in ("created", "updated", "destroyed", "parsed", "copied", "list", "ids"))


@pytest.mark.parametrize("r", ROWS, ids=lambda r: r.method + (" " + r.case if r.case else ""))
def test_a_method_is_its_owners(all, r):
    a, was = all, snapshot(all)
    for who, expected in ((a.sharer_page, r.sharer), (a.other_page, r.other)) if r.page else ((a.sharer, r.sharer), (a.other, r.other)):
        args = json.dumps(r.args(a.t, who))
        name, result, also = answer_of(who, r, a.t)
        text = json.dumps([name, result, also])
        assert (name, result.get("type")) == (("error", expected) if expected != SEEN else (r.method, None)), text
        assert SECRET not in text
        told = {s for s in secrets(a) if s in text}
        assert told <= {s for s in secrets(a) if s in args}, told
        if r.own is True and r.method != "Core/echo" and r.case != "all":
            assert nothing_done(result), text
        # what is nowhere gets the same words; to the sharer the account itself is there
        fake = types.SimpleNamespace(**vars(a.fake))
        if who.id == a.sharer.id:
            fake.account = a.t.account
        name, result, also = answer_of(who, r, fake)
        nowhere = json.dumps([name, result, also])
        expected_text = anonymous(text, a) if who.id == a.other.id else anonymous(text, a).replace(a.fake.account, a.t.account)
        assert json.loads(expected_text) == json.loads(nowhere)
    unchanged(a, was)


def test_what_is_shared_is_seen_and_nothing_around_it(all):
    """The lent Email lies in a hidden mailbox too, and its thread has Emails that are not lent."""
    a, bob = all, all.sharer
    (box,) = bob.do("Mailbox/get", accountId=a.t.account, ids=None)["list"]
    assert box["id"] == a.t.shown and box["totalEmails"] == box["totalThreads"] == 1
    ids = bob.do("Email/query", accountId=a.t.account, calculateTotal=True)
    assert ids["ids"] == [a.t.lent] and ids["total"] == 1
    (email,) = bob.do("Email/get", accountId=a.t.account, ids=[a.t.lent, a.t.email])["list"]
    assert email["mailboxIds"] == {a.t.shown: True}
    (thread,) = bob.do("Thread/get", accountId=a.t.account, ids=[email["threadId"]])["list"]
    assert thread["emailIds"] == [a.t.lent]
    for types_ in (["Email"], ["Thread"], ["Mailbox"]):
        (got,) = bob.do("Blob/lookup", accountId=a.t.account, ids=[email["blobId"]], typeNames=types_)["list"]
        assert got["matchedIds"] in ({"Email": [a.t.lent]}, {"Thread": [email["threadId"]]}, {"Mailbox": [a.t.shown]})
    for kind in ("Email", "Thread", "Mailbox"):
        got = bob.do(kind + "/changes", accountId=a.t.account, sinceState=a.t.since)
        assert set(got["created"] + got["updated"] + got["destroyed"]) <= {a.t.lent, email["threadId"], a.t.shown}
    # a word that stands in a hidden Email of the same thread finds nothing, and neither do its keywords
    a.owner.do("Email/set", accountId=a.t.account, update={a.t.email: {"keywords/hidden-word": True}})
    for word in ("someInThreadHaveKeyword", "hasKeyword"):
        assert bob.do("Email/query", accountId=a.t.account, filter={word: "hidden-word"})["ids"] == []
    assert bob.do("Email/query", accountId=a.t.account, filter={"allInThreadHaveKeyword": "hidden-word"})["ids"] == []


@pytest.mark.parametrize("who, status", [("nobody", 401), ("wrong_scope", 401), ("cookie", 403)])
def test_no_method_is_run_for_who_is_not_let_in(all, who, status):
    a, was = all, snapshot(all)
    for i in range(0, len(ROWS), 30):
        got = getattr(a, who).request(*[(r.method, r.args(a.t, a.owner)) for r in ROWS[i:i + 30]])
        assert got.status == status and SECRET.encode() not in got.body
        assert b"methodResponses" not in got.body
    unchanged(a, was)


# ---- routes ---------------------------------------------------------------------------------------------

WHO = ("owner", "cookie", "program", "sharer", "other", "wrong_scope", "nobody")
BODY = {"/jmap/api": '{"using":[],"methodCalls":[]}', "/jmap/upload/{account}/": SECRET, "/jmap/import/{account}/{mailbox}": "Subject: x\r\n\r\nx\r\n"}
# by route and method: what each of WHO hears; ours(t) fills the captures
PRIVATE = {
    ("GET", "/.well-known/jmap"): (200, 200, 200, 200, 200, 401, 401),
    ("GET", "/jmap/session"): (200, 200, 200, 200, 200, 401, 401),
    ("POST", "/jmap/api"): (200, 403, 200, 200, 200, 401, 401),
    ("GET", "/jmap/events"): (200, 200, 200, 200, 200, 401, 401),
    ("POST", "/jmap/upload/{account}/"): (201, 403, 201, 403, 404, 401, 401),
    ("GET", "/jmap/download/{account}/{blob}/{name}"): (200, 200, 200, 404, 404, 401, 401),
    ("GET", "/jmap/export/{account}/{mailbox}/{name}"): (200, 200, 200, 404, 404, 401, 401),
    ("POST", "/jmap/import/{account}/{mailbox}"): (200, 403, 200, 404, 404, 401, 401),
    ("GET", "/jmap/image"): (400, 403, 401, 401, 401, 401, 401),
    ("POST", "/jmap/unsubscribe"): (502, 403, 401, 401, 401, 401, 401),
}
# the page itself: HTML for whoever is signed in, the way to the login for everybody else
PAGES = ("/mail", "/mail/*", "/settings", "/settings/*", "/trace", "/trace/*")
# nothing of anybody's
PUBLIC = ("/", "/healthz", "/static/{file}", "/assets/{file}", "/sw.js", "/favicon.ico", "/robots.txt", "/login", "/logout", "/frame", "/metrics",
          "/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml", "/autodiscover/autodiscover.xml",
          "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml", "/autodiscover/autodiscover.json",
          "/autodiscover/autodiscover.json/v1.0/{address}", "/apple/mail.mobileconfig", "/.well-known/acme-challenge/{token}",
          "/.well-known/mta-sts.txt", "/leave/{list}/{member}/{mark}")


def routes(server):
    found = re.findall(r'event=web\.route path=(\S+) host=(\S+) methods=(\S+)', server.log(last=10 ** 8))
    assert len(found) > 20
    return {(method, path.strip('"')) for path, host, methods_ in found for method in methods_.strip('"').split(",")}


def path_of(route, t):
    path = route.replace("{account}", t.account).replace("{blob}", t.blob).replace("{mailbox}", t.hidden).replace("{name}", "x")
    return path + {"/jmap/events": "?types=*&closeafter=no&ping=0"}.get(route, "")


def test_each_route_has_its_row(all):
    assert {(m, p) for m, p in routes(all.server) if m not in ("HEAD", "OPTIONS") and p not in PAGES + PUBLIC} == set(PRIVATE)


@pytest.mark.parametrize("method, route", PRIVATE, ids=lambda v: v)
def test_a_route_is_its_owners(all, method, route):
    a, was = all, snapshot(all)
    for who, expected in list(zip(WHO, PRIVATE[method, route]))[::-1]:
        answers = []
        for t in (a.t, a.fake):
            body = BODY.get(route) or (json.dumps({"accountId": t.account, "emailId": t.alone}) if method == "POST" else None)
            headers = {"Content-Type": "text/plain" if "upload" in route or "import" in route else "application/json"} if method == "POST" else {}
            answers.append(getattr(a, who).ask(method, path_of(route, t), body, headers))
        assert answers[0].status == expected, (who, answers[0].status, answers[0].body)
        if who not in ("owner", "cookie", "program"):
            assert SECRET.encode() not in answers[0].body
            if expected == 404:
                assert (answers[1].status, answers[1].body) == (404, answers[0].body), who
        if who == "nobody":
            unchanged(a, was)
    # owner and program have left an upload or an Email, and that was theirs


def test_pages_lead_to_the_login_and_the_rest_is_nobodys(all):
    a, bare = all, []
    for method, route in sorted(routes(a.server)):
        if method != "GET" or route not in PAGES + PUBLIC:
            continue
        for who in ("sharer", "wrong_scope", "nobody"):
            got = getattr(a, who).ask("GET", re.sub(r"\{\w+\}|\*", "x", route), headers={"Accept": "text/html"})
            if route in PAGES:
                assert got.status == 303 and got.headers["Location"].startswith("/login"), (route, who, got.status)
            for word in (SECRET, "alice", "bob@"):
                assert word.encode() not in got.body, (route, who, word)
            assert "Set-Cookie" not in got.headers or "yizhan=" not in got.headers["Set-Cookie"]
        bare.append(route)
    assert len(bare) > 15


# ---- the owner; what he sends changes things by and by, so it comes last ----------------------------------


@pytest.mark.parametrize("r", [r for r in ROWS if not r.case], ids=lambda r: r.method)
def test_an_owner_does_it(all, r):
    """So that what is refused above is refused for who asks, not for what."""
    a = all
    if r.own == "another":  # needs two accounts
        return
    name, result, _ = a.program.call(r.method, r.args(a.t, a.owner))
    if r.page:
        assert (name, result["type"]) == ("error", "forbidden"), result
    elif r.own == "login":  # what one login has made is not there for another one
        assert result.get("notFound") == [a.t.push] or result["notUpdated"][a.t.push] == {"type": "notFound"}, result
    else:
        works(r, name, result)
    name, result, _ = a.owner.call(r.method, r.args(a.t, a.owner))
    works(r, name, result)


def works(r, name, result):
    if r.changes in ("cannotCalculateChanges", "invalidArguments"):
        assert (name, result["type"]) == ("error", r.changes), result
        return
    assert name == r.method, result
    if r.changes != "once":
        assert not any(result.get(k) for k in ("notCreated", "notUpdated", "notDestroyed", "notCopied", "notFound", "notParsable")), result
    if r.method.endswith("/get"):
        assert result["list"], result


def test_who_loses_the_share_loses_the_account(all):
    a = all
    m = imap_of(a.server.account("alice"), a.server)
    m.deleteacl("shown", "bob@yizhan.test")
    end = time.monotonic() + 5
    while True:
        name, result, _ = a.sharer.call("Email/get", {"accountId": a.t.account, "ids": [a.t.lent]})
        if name == "error" or time.monotonic() > end:
            break
        time.sleep(0.02)
    m.logout()
    assert result["type"] == NOT_THERE
    assert a.t.account not in json.loads(a.sharer.ask("GET", "/jmap/session").body)["accounts"]
    blob = "/jmap/download/%s/%s/x" % (a.t.account, "G" + a.t.lent[1:])
    assert a.sharer.ask("GET", blob).status == 404
