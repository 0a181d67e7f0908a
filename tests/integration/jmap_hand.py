"""A small JMAP client: one request a call, answers by method.

    jmap = Jmap(station, "alice")
    mail = jmap.call("Email/set", create={"k": {...}})      # arguments of the answer; JmapError
    jmap.request([["Email/query", {...}, "0"], ...])        # all answers, as they came
"""

import base64
import http.client
import imaplib
import json
import re
import ssl

from jmap_talk import names_once
from station import HOST

CORE = "urn:ietf:params:jmap:core"
USING = [CORE, "urn:ietf:params:jmap:mail", "urn:ietf:params:jmap:submission",
         "urn:ietf:params:jmap:vacationresponse", "https://yizhan.dev/jmap/page"]


class JmapError(Exception):
    """A method-level error; .type and .args[1] are its."""

    def __init__(self, error):
        super().__init__(error.get("type"), error)
        self.type, self.error = error.get("type"), error


class Jmap:
    def __init__(self, station, name="alice"):
        self.station, self.account = station, station.account(name)
        login = "%s:%s" % (self.account.address, self.account.password)
        self.auth = "Basic " + base64.b64encode(login.encode()).decode()
        self.session = json.loads(self.http("GET", "/.well-known/jmap"))
        self.id = self.session["primaryAccounts"]["urn:ietf:params:jmap:mail"]

    def http(self, method, path, body=None, headers=(), want=(200, 201)):
        c = http.client.HTTPConnection(HOST, self.station.ports["web"], timeout=30)
        c.request(method, path, body, dict({"Authorization": self.auth}, **dict(headers)))
        r = c.getresponse()
        got = r.read()
        if r.status in (301, 302, 307, 308):
            where = r.getheader("Location")
            c.close()
            return self.http(method, "/" + where.split("/", 3)[3] if "://" in where else where, body, headers, want)
        c.close()
        assert r.status in want, (r.status, got)
        return got

    def request(self, calls, using=USING):
        body = json.dumps({"using": using, "methodCalls": calls})
        got = json.loads(self.http("POST", "/jmap/api", body, {"Content-Type": "application/json"}), object_pairs_hook=names_once)
        return got["methodResponses"]

    def call(self, method, **args):
        """The first answer's arguments; what else came is in self.also."""
        args.setdefault("accountId", self.id)
        name, got, _ = (answers := self.request([[method, args, "0"]]))[0]
        self.also = answers[1:]
        if name == "error":
            raise JmapError(got)
        assert name == method, (name, got)
        return got

    def set(self, kind, **args):
        return self.call(kind + "/set", **args)

    def create(self, kind, **properties):
        """Makes one; its id, and self.made is what the server has set."""
        got = self.set(kind, create={"one": properties})
        assert got["created"], got["notCreated"]
        self.made = got["created"]["one"]
        return self.made["id"]

    def refused(self, kind, **properties):
        """The SetError of one that must not be made."""
        got = self.set(kind, create={"one": properties})
        assert not got["created"], got
        return got["notCreated"]["one"]

    def update(self, kind, id, /, **patch):
        """None, or the SetError."""
        got = self.set(kind, update={id: patch})
        if id in (got["updated"] or {}):
            return None
        return got["notUpdated"][id]

    def get(self, kind, id, **args):
        got = self.call(kind + "/get", ids=[id], **args)
        return got["list"][0] if got["list"] else None

    def upload(self, octets, type="application/octet-stream"):
        got = self.http("POST", "/jmap/upload/%s/" % self.id, octets, {"Content-Type": type})
        return json.loads(got)["blobId"]

    def download(self, blob, name="x"):
        return self.http("GET", "/jmap/download/%s/%s/%s?type=application/octet-stream" % (self.id, blob, name))

    def imap(self):
        m = imaplib.IMAP4(HOST, self.station.ports["imap"])
        m.starttls(ssl._create_unverified_context())
        m.login(self.account.address, self.account.password)
        return m

    def boxes(self):
        """{name: id}; IMAP and JMAP know a mailbox by the same word (RFC 8474)."""
        m, found = self.imap(), {}
        for line in m.list()[1]:
            name = line.decode().rsplit(' "/" ', 1)[1].strip('"')
            got = m.status('"%s"' % name, "(MAILBOXID)")[1][0].decode()
            found[name] = re.search(r"MAILBOXID \(([^)]+)\)", got).group(1)
        m.logout()
        return found

    def where(self, id):
        """{mailbox: sorted flags} of an Email, as IMAP sees it."""
        m, found = self.imap(), {}
        for line in m.list()[1]:
            name = line.decode().rsplit(' "/" ', 1)[1].strip('"')
            if name.startswith("Other Users") or m.select('"%s"' % name, readonly=True)[0] != "OK":
                continue
            for item in m.uid("FETCH", "1:*", "(FLAGS EMAILID)")[1] or []:
                text = (item or b"").decode()
                if "EMAILID (%s)" % id in text:
                    flags = re.search(r"FLAGS \(([^)]*)\)", text).group(1).split()
                    found[name] = sorted(f for f in flags if f != "\\Recent")
        m.logout()
        return found
