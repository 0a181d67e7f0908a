"""A JMAP client that reads, with an IMAP session beside it to put letters where they are read.

    alice = Reader(server, "alice")
    box = alice.box()                       # a fresh Mailbox; alice.name is what IMAP calls it
    id = alice.add(b"Subject: x\\r\\n\\r\\n")  # the Email's id
    alice.one(id, "subject")
    alice.fails("Email/get", ids="x")       # the type of the method-level error
"""

import base64
import http.client
import imaplib
import itertools
import json

import pytest

from station import HOST

USING = ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"]
NUMBERS = itertools.count(1)


class JmapError(Exception):
    def __init__(self, error):
        super().__init__(error.get("type"), error)
        self.type = error.get("type")


class Reader:
    def __init__(self, server, name):
        self.server, self.account = server, server.account(name)
        login = "%s:%s" % (self.account.address, self.account.password)
        self.auth = "Basic " + base64.b64encode(login.encode()).decode()
        session = json.loads(self.http("GET", "/.well-known/jmap"))
        self.id = session["primaryAccounts"]["urn:ietf:params:jmap:mail"]
        self.mail = imaplib.IMAP4(HOST, server.ports["imap"])
        self.mail.login(self.account.address, self.account.password)

    def http(self, method, path, body=None, type=None):
        c = http.client.HTTPConnection(HOST, self.server.ports["web"], timeout=30)
        c.request(method, path, body, dict({"Authorization": self.auth}, **({"Content-Type": type} if type else {})))
        r = c.getresponse()
        got = r.read()
        c.close()
        if r.status in (301, 302, 307, 308):
            return self.http(method, "/" + r.getheader("Location").split("/", 3)[-1].lstrip("/"))
        assert r.status in (200, 201), (r.status, got)
        return got

    def request(self, calls):
        body = json.dumps({"using": USING, "methodCalls": calls})
        return json.loads(self.http("POST", "/jmap/api", body, "application/json"))["methodResponses"]

    def call(self, method, **args):
        args.setdefault("accountId", self.id)
        name, got, _ = self.request([[method, args, "0"]])[0]
        if name == "error":
            raise JmapError(got)
        return got

    def fails(self, method, **args):
        with pytest.raises(JmapError) as e:
            self.call(method, **args)
        return e.value.type

    def set(self, kind, **args):
        return self.call(kind + "/set", **args)

    def create(self, kind, **properties):
        got = self.set(kind, create={"one": properties})
        assert got["created"], got["notCreated"]
        return got["created"]["one"]["id"]

    def refused(self, kind, **properties):
        got = self.set(kind, create={"one": properties})
        assert not got["created"], got
        return got["notCreated"]["one"]

    def update(self, kind, id, /, **patch):
        """None, or the SetError."""
        got = self.set(kind, update={id: patch})
        return None if id in (got["updated"] or {}) else got["notUpdated"][id]

    def get(self, kind, id):
        return self.call(kind + "/get", ids=[id])["list"][0]

    def upload(self, octets):
        return json.loads(self.http("POST", "/jmap/upload/%s/" % self.id, octets, "application/octet-stream"))["blobId"]

    def download(self, blob):
        return self.http("GET", "/jmap/download/%s/%s/x?type=application/octet-stream" % (self.id, blob))

    def boxes(self):
        got = self.call("Mailbox/get", ids=None, properties=["name", "role"])
        return {"INBOX" if m["role"] == "inbox" else m["name"]: m["id"] for m in got["list"]}

    def box(self, name=None, **more):
        self.name = name or "box%d" % next(NUMBERS)
        return self.create("Mailbox", name=self.name, **more)

    def add(self, octets, flags="", when=None, name=None):
        """APPEND; the mailbox stays selected."""
        if isinstance(octets, str):
            octets = octets.replace("\n", "\r\n").encode()
        date = imaplib.Time2Internaldate(when) if when else None
        ok, got = self.mail.append(name or self.name, "(%s)" % flags, date, octets)
        assert ok == "OK", got
        self.mail.select(name or self.name)
        return self.mail.fetch("*", "(EMAILID)")[1][0].decode().split("EMAILID (")[1].split(")")[0]

    def ids(self, filter=None, **args):
        return self.call("Email/query", filter=filter, **args)["ids"]

    def one(self, id, *properties, **args):
        got = self.call("Email/get", ids=[id], **dict({"properties": list(properties)} if properties else {}, **args))
        assert got["notFound"] == [], got
        return got["list"][0]
