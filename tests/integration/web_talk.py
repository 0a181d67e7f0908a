"""A client of the page's own kind: cookie, X-Yizhan, Origin; JMAP over it."""

import base64
import hashlib
import hmac
import http.client
import json
import re
import ssl
import struct
import time
import urllib.parse


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class Browser:
    """Keeps cookies. `mark` False: says nothing of where it comes from."""

    def __init__(self, server, name="web", tls=False, host="127.0.0.1"):
        self.port, self.tls, self.host = server.ports[name], tls, host
        self.cookies = {}

    @property
    def origin(self):
        return "%s://%s:%d" % ("https" if self.tls else "http", self.host, self.port)

    def ask(self, method, path, body=None, headers=None, cookies=True):
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            c = http.client.HTTPSConnection(self.host, self.port, timeout=30, context=context)
        else:
            c = http.client.HTTPConnection(self.host, self.port, timeout=30)
        fields = dict(headers or {})
        if cookies and self.cookies:
            fields.setdefault("Cookie", "; ".join("%s=%s" % i for i in self.cookies.items()))
        try:
            c.request(method, path, body, fields)
            r = c.getresponse()
            a = Answer(r, r.read())
        finally:
            c.close()
        if cookies:
            for cookie in r.headers.get_all("Set-Cookie") or []:
                name, value = cookie.split(";")[0].split("=", 1)
                if "Max-Age=0" in cookie:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = value
        return a

    def page(self, **more):
        """What the page sends with each request of its own."""
        return {"X-Yizhan": "1", "Origin": self.origin, "Sec-Fetch-Site": "same-origin", **more}

    def post(self, path, what, **more):
        return self.ask("POST", path, json.dumps(what), self.page(**{"Content-Type": "application/json"}, **more))

    def log_in(self, address, password, code=None):
        a = self.post("/login", {"user": address, "password": password})
        if code and a.status == 200 and a.json["state"] == "second":
            a = self.post("/login", {"step": a.json["step"], "code": code})
        return a

    def is_in(self):
        return self.ask("GET", "/login", headers={"Accept": "application/json"}).json["state"] == "in"

    def form(self, path, fields, headers=None):
        return self.ask("POST", path, urllib.parse.urlencode(fields),
                        {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})

    def jmap(self, *calls, using=("urn:ietf:params:jmap:core", "https://yizhan.dev/jmap/page")):
        a = self.post("/jmap/api", {"using": list(using), "methodCalls": [[*c, str(i)] for i, c in enumerate(calls)]})
        assert a.status == 200, (a.status, a.body)
        return [(name, args) for name, args, _ in a.json["methodResponses"]]


def hidden(text, name):
    found = re.search(r'name="%s" value="([^"]*)"' % name, text)
    return found[1] if found else None


def totp(secret, offset=0, now=None):
    """RFC 6238 of a secret in base32."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int((now or time.time()) // 30) + offset), hashlib.sha1).digest()
    at = mac[-1] & 15
    return "%06d" % ((struct.unpack(">I", mac[at:at + 4])[0] & 0x7fffffff) % 1000000)
