"""Login: behaviours 31 to 40."""
import base64
import hashlib
import hmac
import re

import pytest

from session import abi

CLEAR = abi.YZ_ALLOW_CLEAR_AUTH
OFFER = "AUTH LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2"
OK = b"235 2.7.0 yes\r\n"


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def challenge(text):
    return b"334 " + b64(text).encode() + b"\r\n"


def tried(server):
    return [line.split(" ")[1] for line in server.lines if line.startswith("AUTH ")]


def asks(*challenges, last=OK, got=None):
    """An AUTH that asks these challenges; the answers go to `got`."""
    def run(connection, line):
        for text in challenges:
            connection.say(text)
            answer = connection.line()
            if got is not None:
                got.append(answer)
            if answer is None:
                return None
            if answer == "*":
                return b"501 5.7.0 cancelled\r\n"
        return last
    return run


def test_behaviour_31_the_strongest_first(serve, client, certs):
    s = serve({"AUTH": b"535 5.7.8 no\r\n"}, ehlo=["STARTTLS", OFFER])
    c = client(ca=certs["ca"], tls=abi.YZ_TLS_REQUIRED, user="u", password="p")
    assert c.connect(s.url) == "auth"
    assert tried(s)[:2] == ["SCRAM-SHA-256", "SCRAM-SHA-1"] and set(tried(s)[2:]) == {"CRAM-MD5", "PLAIN", "LOGIN"}


def test_behaviour_31_the_callers_list_wins(serve, client):
    s = serve({"AUTH": b"535 5.7.8 no\r\n"}, ehlo=[OFFER])
    c = client(flags=CLEAR, user="u", password="p", mechanisms="LOGIN CRAM-MD5")
    assert c.connect(s.url) == "auth" and tried(s) == ["LOGIN", "CRAM-MD5"]


def test_behaviour_32_no_password_in_clear(serve, client):
    s = serve({"AUTH": OK}, ehlo=["AUTH PLAIN LOGIN"])
    c = client(user="u", password="p")
    assert c.connect(s.url) in ("auth", "notsupp") and tried(s) == []
    c = client(user="u", password="p", flags=CLEAR)
    assert c.connect(s.url) == "ok" and tried(s) == ["PLAIN"]


def test_behaviour_33_535_tries_the_next(serve, client, cut):
    s = serve({"AUTH": [b"535 5.7.8 no\r\n", OK]}, ehlo=["AUTH PLAIN LOGIN"], cut=cut)
    c = client(flags=CLEAR, user="u", password="p")
    assert c.connect(s.url) == "ok" and tried(s) == ["PLAIN", "LOGIN"] and c.get("auth_mechanism") == "LOGIN"
    assert c.get("auth_reply").code == 235


def test_behaviour_33_454_stops_as_temporary(serve, client):
    s = serve({"AUTH": b"454 4.7.0 later\r\n"}, ehlo=["AUTH PLAIN LOGIN"])
    c = client(flags=CLEAR, user="u", password="p")
    assert c.connect(s.url) == "auth" and tried(s) == ["PLAIN"] and c.error.is_temporary and c.error.reply.code == 454


@pytest.mark.parametrize("reply", [b"503 5.5.1 already\r\n", OK])
def test_behaviour_33_what_ends_it(serve, client, reply):
    s = serve({"AUTH": reply}, ehlo=["AUTH PLAIN LOGIN"])
    assert client(flags=CLEAR, user="u", password="p").connect(s.url) == "ok" and len(tried(s)) == 1


def own(c, mechanism, answers):
    """yz_auth with answers of the test's own: None for no initial response."""
    import ctypes
    left = list(answers)
    asked = []

    def step(arg, text, text_len, out, n):
        asked.append(None if text is None else ctypes.string_at(text, text_len))
        answer = left.pop(0) if left else b"again"
        if answer is None:
            return -1
        ctypes.memmove(out, answer, len(answer))
        n[0] = len(answer)
        return 0
    return c.call("auth", mechanism, abi.yz_sasl_fn(step), None), asked


def test_behaviour_34_initial_response(serve, client):
    s = serve({"AUTH": OK}, ehlo=["AUTH PLAIN EXTERNAL"])
    c = client(flags=CLEAR)
    assert c.connect(s.url) == "ok"
    assert own(c, "PLAIN", [b"\0u\0p"])[0] == "ok" and own(c, "EXTERNAL", [b""])[0] == "ok"
    assert s.lines[1:] == ["AUTH PLAIN " + b64("\0u\0p"), "AUTH EXTERNAL ="]


def test_behaviour_34_held_back_when_the_line_would_be_too_long(serve, client):
    got = []
    s = serve({"AUTH": asks(b"334 \r\n", got=got)}, ehlo=["AUTH PLAIN"])
    c = client(flags=CLEAR)
    assert c.connect(s.url) == "ok" and own(c, "PLAIN", [b"x" * 500])[0] == "ok"
    assert s.lines[1] == "AUTH PLAIN" and got == [b64(b"x" * 500)]


def test_behaviour_35_a_star_answers_334_only(serve, client):
    got = []
    s = serve({"AUTH": asks(challenge("one"), got=got)}, ehlo=["AUTH FOO"])
    c = client()
    assert c.connect(s.url) == "ok"
    code, asked = own(c, "FOO", [None, None])
    assert code == "auth" and got == ["*"] and asked == [None, b"one"]
    assert c.ask("noop")[0] == "ok"
    s = serve({"AUTH": b"535 no\r\n"}, ehlo=["AUTH FOO"])
    c = client()
    assert c.connect(s.url) == "ok" and own(c, "FOO", [None])[0] == "auth"
    assert c.ask("noop")[0] == "ok" and s.lines == ["EHLO me.test", "AUTH FOO", "NOOP"]


def test_behaviour_36_endless_challenges(serve, client):
    s = serve({"AUTH": asks(*[challenge("again")] * 200)}, ehlo=["AUTH LOGIN"])
    c = client(flags=CLEAR, user="u", password="p")
    assert c.connect(s.url) in ("auth", "proto")


def test_behaviour_37_login_ignores_the_prompts(serve, client, cut):
    got = []
    s = serve({"AUTH": asks(challenge("Kennwort?"), challenge("??"), got=got)}, ehlo=["AUTH LOGIN"], cut=cut)
    c = client(flags=CLEAR, user="u", password="p")
    assert c.connect(s.url) == "ok"
    said = [line.split(" ")[2] for line in s.lines if line.startswith("AUTH LOGIN ")] + got
    assert said[:2] == [b64("u"), b64("p")] or got == [b64("u"), b64("p")]


def scram(spoil=""):
    """The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) for password "pencil"."""
    def run(connection, line):
        first = base64.b64decode(line.split(" ")[2]).decode()
        bare = first.split(",", 2)[2]
        nonce = re.search("r=([^,]*)", bare).group(1)
        mine = ("zzz" if spoil == "nonce" else nonce) + "server"
        salt, i = b"0123456789abcdef", "0" if spoil == "iterations" else "4096"
        server_first = "r=%s,s=%s,i=%s" % (mine, b64(salt), i)
        connection.say(b"334 !!!\r\n" if spoil == "base64" else challenge(server_first))
        final = connection.line()
        if final is None or final == "*":
            return b"501 5.7.0 cancelled\r\n"
        final = base64.b64decode(final).decode()
        without = final.rsplit(",p=", 1)[0]
        salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
        message = ",".join([bare, server_first, without]).encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        if final.rsplit(",p=", 1)[1] != b64(proof):
            return b"535 5.7.8 wrong\r\n"
        verifier = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        if spoil == "signature":
            verifier = b"\0" * 32
        if spoil == "none":
            return OK
        connection.say(challenge("v=" + b64(verifier)))
        return OK if connection.line() == "" else b"501 5.7.0 cancelled\r\n"
    return run


@pytest.mark.parametrize("spoil", ["", "nonce", "iterations", "signature", "base64", "none"])
def test_behaviour_38_scram(serve, client, spoil):
    s = serve({"AUTH": scram(spoil)}, ehlo=["AUTH SCRAM-SHA-256"])
    c = client(user="user", password="pencil")
    assert c.connect(s.url) == "ok" if not spoil else c.connect(s.url) in ("auth", "proto")


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_behaviour_39_oauth_failure(serve, client, mechanism):
    got = []
    s = serve({"AUTH": asks(challenge('{"status":"401","scope":"mail"}'), last=b"535 5.7.8 expired\r\n", got=got)},
              ehlo=["AUTH " + mechanism])
    c = client(flags=CLEAR, user="u@x.test", token="abc", mechanisms=mechanism)
    assert c.connect(s.url) == "auth"
    assert c.error.reply.code == 535 and '"status":"401"' in c.error.text
    assert got == ["" if mechanism == "XOAUTH2" else "AQ=="]


def test_behaviour_40_utf_8_and_authzid(serve, client):
    s = serve({"AUTH": OK}, ehlo=["AUTH PLAIN"])
    c = client(flags=CLEAR, user="jürgen", password="пароль", authzid="驿站")
    assert c.connect(s.url) == "ok"
    assert s.lines[1] == "AUTH PLAIN " + b64("驿站\0jürgen\0пароль")


def test_behaviour_40_cram_md5_vector(serve, client):
    """RFC 2195 section 2."""
    got = []
    s = serve({"AUTH": asks(challenge("<1896.697170952@postoffice.reston.mci.net>"), got=got)}, ehlo=["AUTH CRAM-MD5"])
    assert client(user="tim", password="tanstaaftanstaaf").connect(s.url) == "ok"
    assert base64.b64decode(got[0]) == b"tim b913a602c7eda7a495b4e6e7334d3890"
