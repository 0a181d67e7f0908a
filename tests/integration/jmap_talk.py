"""A JMAP client for the tests: http.client and json, nothing that knows the protocol better than it says."""

import base64
import http.client
import json

CORE = "urn:ietf:params:jmap:core"
MAIL = "urn:ietf:params:jmap:mail"
BLOB = "urn:ietf:params:jmap:blob"
QUOTA = "urn:ietf:params:jmap:quota"


def names_once(pairs):
    """For json.loads: of what a server says, each name stands once in its object (RFC 7493 section 2.3)."""
    found = dict(pairs)
    assert len(found) == len(pairs), "a name stands twice: %s" % pairs
    return found


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body, object_pairs_hook=names_once)


class Jmap:
    """Somebody of the demo who has logged in by Basic."""

    def __init__(self, server, name="alice", login=True, port="web"):
        person = server.account(name)
        self.address = person.address
        self.host = "127.0.0.1"
        self.port = server.ports[port]
        pair = "%s:%s" % (person.address, person.password)
        self.auth = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()} if login else {}

    def http(self, method, path, body=None, headers=()):
        c = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            c.request(method, path, body=body, headers={**self.auth, **dict(headers)})
            return Answer(c.getresponse())
        finally:
            c.close()

    def session(self):
        return self.http("GET", "/.well-known/jmap").json()

    @property
    def account(self):
        for id, account in self.session()["accounts"].items():
            if account["isPersonal"]:
                return id

    def post(self, request, type="application/json", **headers):
        body = request if isinstance(request, (bytes, str)) else json.dumps(request)
        return self.http("POST", "/jmap/api", body, {"Content-Type": type, **headers})

    def calls(self, *calls, using=(CORE,), **more):
        answer = self.post({"using": list(using), "methodCalls": [list(c) for c in calls], **more})
        assert answer.status == 200, answer.body
        return answer.json()

    def call(self, name, args, using=(CORE,)):
        """The arguments of the one answer."""
        (got, back, id), = self.calls((name, args, "c"), using=using)["methodResponses"]
        assert id == "c"
        assert got == name, (got, back)
        return back

    def fails(self, name, args, using=(CORE,)):
        """The type of the method-level error."""
        (got, back, id), = self.calls((name, args, "c"), using=using)["methodResponses"]
        assert got == "error", (got, back)
        return back["type"]

    def upload(self, octets, type="application/octet-stream", account=None):
        return self.http("POST", "/jmap/upload/%s/" % (account or self.account), octets, {"Content-Type": type})
