"""An identity provider for tests: HTTPS on loopback, introspection (RFC 7662), keys (RFC 7517), tokens that it signs.

    with Provider(authority, directory) as idp:
        idp.url + "/introspect", idp.url + "/keys", idp.ca
        token = idp.token(email="alice@yizhan.test")
        idp.opaque["some-token"] = {"active": True, ...}
        idp.trouble = "down" | "slow" | "huge" | "redirect" | "refused" | "page" | None
"""

import base64
import http.server
import json
import os
import ssl
import threading
import time

from certs import openssl

CLIENT, SECRET = "mail:server", "s ecret/+"


def b64url(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def raw_ecdsa(der):
    """The two numbers of a DER signature, 32 octets each (RFC 7518 section 3.4)."""
    at, numbers = 2, b""
    for _ in range(2):
        length = der[at + 1]
        numbers += int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big")
        at += 2 + length
    return numbers


class Key:
    def __init__(self, directory, kid, kind):
        self.kid, self.kind, self.file = kid, kind, os.path.join(directory, "idp-%s.key" % kid)
        options = {"RSA": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                   "EC": ["EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"], "OKP": ["ED25519"]}[kind]
        openssl("genpkey", "-algorithm", *options, "-out", self.file)

    def jwk(self):
        jwk = {"kty": self.kind, "kid": self.kid, "use": "sig"}
        der = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        if self.kind == "RSA":
            text = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode()
            jwk.update(n=b64url(bytes.fromhex(text.strip().split("=")[1])), e="AQAB")
        elif self.kind == "EC":
            jwk.update(crv="P-256", x=b64url(der[-64:-32]), y=b64url(der[-32:]))
        else:
            jwk.update(crv="Ed25519", x=b64url(der[-32:]))
        return jwk

    def sign(self, octets, alg):
        message = self.file + ".msg"
        with open(message, "wb") as f:
            f.write(octets)
        if alg == "EdDSA":
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.file, "-in", message)
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"] if alg == "PS256" else []
        signature = openssl("dgst", "-sha256", "-sign", self.file, *pss, message)
        return raw_ecdsa(signature) if alg == "ES256" else signature

    def public_pem(self):
        return openssl("pkey", "-in", self.file, "-pubout")


class Provider:
    issuer, audience = "https://id.test", "mail"

    def __init__(self, authority, directory):
        self.ca, self.directory = authority.cert, directory
        certificate = authority.issue("localhost", "127.0.0.1")
        self.keys = {"1": Key(directory, "1", "RSA")}
        self.opaque, self.trouble, self.asked, self.authorization = {}, None, [], None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = "https://127.0.0.1:%d" % self.server.server_port

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def add_key(self, kid, kind):
        self.keys[kid] = Key(self.directory, kid, kind)

    def claims(self, **more):
        claims = {"iss": self.issuer, "aud": self.audience, "exp": int(time.time()) + 3600, "iat": int(time.time()),
                  "sub": "1234"}
        claims.update(more)
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, kid="1", alg="RS256", header=None, key=None, **claims):
        head = {"alg": alg, "kid": kid, "typ": "at+jwt"} if header is None else header
        part = "%s.%s" % (b64url(json.dumps(head).encode()), b64url(json.dumps(self.claims(**claims)).encode()))
        return "%s.%s" % (part, b64url((key or self.keys[kid]).sign(part.encode(), alg)))

    def handler(provider):
        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, body, fields=()):
                try:
                    self.send_response(status)
                    for name, value in fields:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # it has hung up

            def in_trouble(self):
                trouble = provider.trouble
                if trouble == "slow":
                    time.sleep(12)
                elif trouble == "huge":
                    self.answer(200, b'{"active":true,"padding":"' + b"x" * 1000000 + b'"}')
                elif trouble == "redirect":
                    self.answer(302, b"", [("Location", provider.url + "/elsewhere")])
                elif trouble == "refused":
                    self.answer(401, b"{}")
                elif trouble == "page":
                    self.answer(200, b"<html>sign in</html>")
                return trouble not in (None, "slow")

            def do_GET(self):
                provider.asked.append(self.path)
                if not self.in_trouble():
                    keys = [k.jwk() for k in provider.keys.values()]
                    self.answer(200, json.dumps({"keys": keys}).encode())

            def do_POST(self):
                provider.asked.append(self.path)
                provider.authorization = self.headers.get("Authorization")
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if not self.in_trouble():
                    from urllib.parse import parse_qs
                    token = parse_qs(body)["token"][0]
                    self.answer(200, json.dumps(provider.opaque.get(token, {"active": False})).encode())
        return Handler
