"""Where logins pass: no body becomes a request of somebody who is signed in, and none is larger inside than outside."""

import gzip
import json
import socket
import time

import pytest
from test_http import DESYNC, statuses
from test_web_login import CONF
from web_talk import Browser


@pytest.fixture(scope="module")
def web():
    from station import Yizhan
    with Yizhan(conf=CONF) as server:
        yield server


def raw(server, octets, pieces=1):
    with socket.create_connection(("127.0.0.1", server.ports["web"]), timeout=20) as s:
        step = max(1, len(octets) // pieces)
        try:
            for i in range(0, len(octets), step):
                s.sendall(octets[i:i + step])
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        got = b""
        while True:
            try:
                more = s.recv(65536)
            except ConnectionResetError:
                return got
            if not more:
                return got
            got += more


def signed_in(server):
    b = Browser(server)
    b.me = b.log_in(server.accounts[0].address, server.accounts[0].password).json["accountId"]
    return b


def logout_of(b):
    """The request that an attacker wants to have taken for the victim's."""
    return (b"POST /logout HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: yizhan=%s\r\nX-Yizhan: 1\r\nOrigin: %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
            % (b.port, b.cookies["yizhan"].encode(), b.origin.encode()))


PATHS = ["/login", "/logout", "/jmap/api", "/jmap/unsubscribe", "/jmap/image", "/frame", "/mail/", "/.well-known/jmap", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_smuggled_behind_any_door(web, path):
    """Each ambiguous beginning, at each door; behind it a request that would sign somebody out."""
    b = signed_in(web)
    hidden = logout_of(b)
    for name, octets in DESYNC.items():
        begin = octets.replace(b"POST / ", b"POST %s " % path.encode(), 1).replace(b"GET /healthz", b"GET " + path.encode(), 1)
        for pieces in (1, 7):
            got = raw(web, begin + hidden, pieces)
            assert len(statuses(got)) <= 1, (name, got)
            assert b'"out"' not in got, (name, got)
    assert b.is_in()


@pytest.mark.parametrize("path", PATHS)
def test_a_body_that_is_refused_is_no_request(web, path):
    """401, 403, 404 and 405 come before the body is read: what stands in it stays a body."""
    b = signed_in(web)
    hidden = logout_of(b)
    for body in (b"Content-Length: %d\r\n\r\n%s" % (len(hidden), hidden),
                 b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)):
        got = raw(web, b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" % path.encode() + body
                  + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        told = statuses(got)
        assert told[0] in (400, 401, 403, 404, 405, 415) and told[1:] in ([200], []), (told, got)
        assert b'"out"' not in got
    assert b.is_in()


def test_a_body_that_is_compressed_is_not_blown_up(web):
    """There is no coding of requests here: a bomb stays what it is."""
    b = signed_in(web)
    bomb = gzip.compress(b" " * (50 << 20) + b"{}")
    assert len(bomb) < 64 * 1024
    for path in ("/login", "/logout", "/jmap/api"):
        for coding in ("gzip", "deflate", "br", "gzip, gzip"):
            begin = time.monotonic()
            a = b.ask("POST", path, bomb[:16000], b.page(**{"Content-Type": "application/json", "Content-Encoding": coding}))
            assert a.status in (400, 413, 415), (path, a.status)
            assert time.monotonic() - begin < 10
    assert b.is_in()


BOMBS = {
    "deep arrays": b"[" * 500000,
    "deep objects": b'{"a":' * 150000,
    "deep and closed": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "many members": b"{" + b",".join(b'"k%d":1' % i for i in range(60000)) + b"}",
    "the same member": b'{"using":[],"using":[]}',
    "a long name": b'{"' + b"k" * 900000 + b'":1}',
    "a long number": b'{"using":' + b"9" * 900000 + b"}",
    "many escapes": b'{"using":"' + b"\\u0041" * 150000 + b'"}',
    "half a pair": b'{"using":["\\ud800"]}',
    "NUL": b'{"using":["a\\u0000"]}',
    "not UTF-8": b'{"using":["\xff\xfe"]}',
    "many calls": json.dumps({"using": [], "methodCalls": [["Core/echo", {}, "x"]] * 20000}).encode(),
    "too long": b'{"using":[]}' + b" " * (1 << 20),
}


@pytest.mark.parametrize("name", BOMBS)
def test_json_is_bounded(web, name):
    b = signed_in(web)
    for path in ("/jmap/api", "/login"):
        begin = time.monotonic()
        a = b.ask("POST", path, BOMBS[name], b.page(**{"Content-Type": "application/json"}))
        assert 400 <= a.status < 500, (path, a.status, a.body[:200])
        assert time.monotonic() - begin < 5
    assert b.is_in()


def test_a_large_upload_is_refused_before_it_is_sent(web):
    b = signed_in(web)
    head = (b"POST /jmap/upload/%s/ HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: yizhan=%s\r\nX-Yizhan: 1\r\nOrigin: %s\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
            % (b.me.encode(), b.port, b.cookies["yizhan"].encode(), b.origin.encode(), 1 << 40))
    got = raw(web, head)
    assert statuses(got)[0] in (404, 413), got
    assert b"100 Continue" not in got


def test_the_login_form_is_bounded(web):
    b = Browser(web)
    for fields in ("user=" + "a" * 15000 + "&password=x", "user=a&password=" + "b" * 15000, "&".join("a%d=b" % i for i in range(3000)),
                   "user=%00&password=%0a", "user=a%0d%0aSet-Cookie:%20x=y&password=x"):
        a = b.ask("POST", "/login", fields, {"Content-Type": "application/x-www-form-urlencoded"})
        assert a.status in (401, 403, 413) and "x=y" not in str(a.headers)
    assert b.ask("POST", "/login", "a=" + "b" * 100000, {"Content-Type": "application/x-www-form-urlencoded"}).status in (403, 413)


REFUSED = {  # by where an upload goes and what it says of itself, in the account of who is signed in; the answers
    "too large": ("/jmap/upload/{me}/", b"Content-Length: 99999999999\r\n", (413,)),
    "packed": ("/jmap/upload/{me}/", b"Content-Encoding: gzip\r\n", (415,)),
    "an account that is none": ("/jmap/upload/A7000000000001/", b"", (404,)),
    "no account": ("/jmap/upload/x/", b"", (404,)),
    "a mailbox that is none": ("/jmap/import/{me}/F7000000000001", b"", (404,)),
    "no request": ("/jmap/api", b"Content-Type: text/plain\r\n", (400,)),
    "packed request": ("/jmap/api", b"Content-Encoding: br\r\n", (415,)),
    "a method that is none": ("/jmap/download/{me}/Gx/x", b"", (405,)),
}


@pytest.mark.parametrize("how", ["length", "chunked", "pieces"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_from_who_is_signed_in_is_no_request(web, name, how):
    """The body is a request that would sign him out: it stays a body, and what follows it is answered or nothing is."""
    path, more, answers = REFUSED[name]
    b = signed_in(web)
    hidden = logout_of(b)
    head = (b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nCookie: yizhan=%s\r\nX-Yizhan: 1\r\nOrigin: %s\r\n%s"
            % (path.replace("{me}", b.me).encode(), b.port, b.cookies["yizhan"].encode(), b.origin.encode(), more))
    if b"Content-Length" in more:
        body = b"\r\n" + hidden
    elif how == "chunked":
        body = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    else:
        body = b"Content-Length: %d\r\n\r\n%s" % (len(hidden), hidden)
    got = raw(web, head + body + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 9 if how == "pieces" else 1)
    told = statuses(got)
    assert told[0] in answers and told[1:] in ([200], []), (told, got)
    assert b'"out"' not in got and b.is_in()


def test_a_head_and_a_get_with_a_body_leave_no_request_behind(web):
    b = signed_in(web)
    hidden = logout_of(b)
    for method in (b"HEAD", b"GET"):
        for path in (b"/jmap/session", b"/healthz", b"/mail/"):
            got = raw(web, b"%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (method, path, len(hidden), hidden))
            assert len(statuses(got)) == 1 and b'"out"' not in got, (method, path, got)
    assert b.is_in()
