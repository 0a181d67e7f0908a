"""The web listener: pages, counters, files, proxies, TLS, and requests that two readers could take for two."""

import gzip
import http.client
import json
import re
import socket
import ssl
import subprocess
import time

import pytest

CONF = """
demo = yes
hostname = "mx.yizhan.test"
listener smtp { address = { "127.0.0.1:2525" } }
listener web { protocol = http  tls = none address = { "127.0.0.1:8080" } }
listener webs { protocol = http  tls = implicit address = { "127.0.0.1:4650" } }
listener behind { protocol = http  tls = none address = { "127.0.0.1:5870" } proxy_networks = {"127.0.0.0/8"} }
http { head_time = 1s idle_time = 2s %s }
"""


@pytest.fixture(scope="module")
def web():
    from station import Yizhan
    with Yizhan(conf=CONF % 'hsts = 1h') as server:
        yield server


def port(server, name="web"):
    return server.ports[name]


def get(server, path, headers=(), method="GET", body=None, name="web"):
    c = http.client.HTTPConnection("127.0.0.1", port(server, name), timeout=20)
    try:
        c.request(method, path, body=body, headers=dict(headers))
        r = c.getresponse()
        return r, r.read()
    finally:
        c.close()


def raw(server, octets, name="web", pieces=None):
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port(server, name)), timeout=20) as s:
        for piece in pieces or [octets]:
            s.sendall(piece)
            if pieces:
                time.sleep(0.01)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while True:
            try:
                more = s.recv(65536)
            except ConnectionResetError:
                return got
            if not more:
                return got
            got += more


def statuses(octets):
    return [int(n) for n in re.findall(rb"^HTTP/1\.1 (\d{3}) ", octets, re.M)]


def test_the_front_page_speaks_two_languages(web):
    r, body = get(web, "/")
    text = body.decode()
    assert r.status == 200 and r.headers["Content-Language"] == "en"
    assert "<h1>mx.yizhan.test</h1>" in text and "{{" not in text
    assert r.headers["Vary"] == "Accept-Language"
    assert "script" not in text
    assert r.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    r, body = get(web, "/", {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert r.headers["Content-Language"] == "zh-CN" and "邮件驿站" in body.decode()
    # every file that a page names is there
    for path in re.findall(r'(?:href|src)="(/[^"?]*)"', text):
        if path != "/":
            r, body = get(web, path)
            # the mail page sends who is not signed in to /login
            assert r.status == (303 if path.startswith("/mail/") else 200) and body, path


def test_files_come_compressed_and_are_not_sent_twice(web):
    path = re.search(r'"(/static/style\.[0-9a-f]{12}\.css)"', get(web, "/")[1].decode())[1]
    plain, body = get(web, path)
    assert plain.headers["Content-Type"] == "text/css; charset=utf-8"
    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    packed, octets = get(web, path, {"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip" and gzip.decompress(octets) == body
    best, octets = get(web, path, {"Accept-Encoding": "gzip, deflate, br"})
    assert best.headers["Content-Encoding"] == "br"
    assert subprocess.run(["brotli", "-dc"], input=octets, stdout=subprocess.PIPE, check=True).stdout == body
    assert len({r.headers["ETag"] for r in (plain, packed, best)}) == 3
    again, octets = get(web, path, {"If-None-Match": plain.headers["ETag"]})
    assert again.status == 304 and octets == b""
    part, octets = get(web, path, {"Range": "bytes=10-19"})
    assert part.status == 206 and octets == body[10:20]
    assert part.headers["Content-Range"] == "bytes 10-19/%d" % len(body)
    head, octets = get(web, path, method="HEAD")
    assert head.headers["Content-Length"] == str(len(body)) and octets == b""


def test_curl_reads_all_forms(web):
    path = re.search(r'"(/static/style\.[0-9a-f]{12}\.css)"', get(web, "/")[1].decode())[1]
    url = "http://127.0.0.1:%d%s" % (port(web), path)
    bodies = [subprocess.run(["curl", "-sS", "--max-time", "10", *options, url], stdout=subprocess.PIPE, check=True).stdout
              for options in ([], ["--compressed"], ["--http1.0"])]
    assert bodies[0] == bodies[1] == bodies[2] and bodies[0].startswith(b":root")


def test_health_robots_and_what_is_not_there(web):
    r, body = get(web, "/healthz")
    assert (r.status, body) == (200, b"ok\n")
    assert get(web, "/robots.txt")[1] == b"User-agent: *\nDisallow: /\n"
    r, body = get(web, "/nowhere")
    assert r.status == 404 and b"<h1>404 Not Found</h1>" in body
    r, body = get(web, "/nowhere", {"Accept": "application/json"})
    assert r.headers["Content-Type"] == "application/problem+json" and json.loads(body)["status"] == 404
    r, _ = get(web, "/", method="DELETE")
    assert r.status == 405 and r.headers["Allow"] == "GET, HEAD, OPTIONS"
    r, _ = get(web, "/", method="OPTIONS")
    assert r.status == 204 and r.headers["Allow"] == "GET, HEAD, OPTIONS"
    for name in ("X-Content-Type-Options", "Referrer-Policy", "Content-Security-Policy", "Date",
                 "Cross-Origin-Resource-Policy", "Cross-Origin-Opener-Policy"):
        assert get(web, "/nowhere")[0].headers[name], name


def test_the_counters_are_those_of_the_command(web):
    r, body = get(web, "/metrics")
    assert r.status == 200 and r.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = [line for line in web.cli("metrics").stdout.decode().splitlines() if line.startswith("# TYPE")]
    assert [line for line in body.decode().splitlines() if line.startswith("# TYPE")] == families


def test_counters_are_for_named_networks_only(make_station):
    closed = make_station(conf=CONF % 'metrics_networks = {"192.0.2.0/24"}')
    assert get(closed, "/metrics")[0].status == 403
    # loopback may look; a proxy on loopback that nobody has named brings anybody
    named = make_station(conf=CONF % 'proxies = {"127.0.0.0/8"}')
    assert get(named, "/metrics")[0].status == 200
    assert get(named, "/metrics", {"X-Forwarded-For": "198.51.100.7"})[0].status == 403
    assert get(named, "/metrics", {"X-Forwarded-For": "127.0.0.1, 198.51.100.7"})[0].status == 403


def test_an_unnamed_proxy_opens_nothing(web):
    for field in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert get(web, "/metrics", {field: "for=198.51.100.7"})[0].status == 403, field


def test_requests_follow_one_another_on_a_connection(web):
    c = http.client.HTTPConnection("127.0.0.1", port(web), timeout=20)
    c.connect()
    sock = c.sock
    for i in range(50):
        c.request("POST" if i % 3 == 0 else "GET", "/healthz", body=b"x" * i if i % 3 == 0 else None)
        r = c.getresponse()
        r.read()
        assert r.status == (405 if i % 3 == 0 else 200) and c.sock is sock
    c.close()


def test_a_connection_ends_after_a_thousand_requests(web):
    got = raw(web, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 1010)
    assert statuses(got) == [200] * 1000
    assert got.count(b"Connection: close\r\n") == 1


def test_pipelined_requests_are_answered_in_order(web):
    paths = [b"/healthz", b"/nowhere", b"/robots.txt", b"/", b"/healthz"]
    all_of_them = b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % p for p in paths)
    for pieces in (None, [all_of_them[i:i + 3] for i in range(0, len(all_of_them), 3)]):
        got = raw(web, all_of_them, pieces=pieces)
        assert statuses(got) == [200, 404, 200, 200, 200]
        assert got.index(b"404 Not Found") < got.index(b"User-agent") < got.index(b"<h1>mx")


OK = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"

# What stands in front could make somebody else see another request behind it: it must be refused and the
# connection closed, so that OK, which follows in the same packet, is never answered.
DESYNC = {
    "length and chunks": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 37\r\n\r\n",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
    "a signed length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
    "an octal length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0o0\r\n\r\n",
    "chunked twice": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in two fields": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and identity": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "xchunked": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "blank before the colon": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "folded length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 0\r\n\r\n",
    "tab in the coding's name": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "vertical tab before chunked": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": b'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "a field hidden behind bare LF": b"POST / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a field hidden behind bare CR": b"POST / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a field": b"POST / HTTP/1.1\r\nHost: a\r\nX: y\0Transfer-Encoding: chunked\r\n\r\n",
    "bare LF everywhere": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "another host in the target": b"GET http://b/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a body's size behind a blank": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n",
    "a chunk ended by bare LF": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    "a chunk's extension with LF": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n",
    "a chunk of hex with a prefix": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "a chunk longer than it says": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
    "a chunk's size that runs over": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx",
    "a trailer with LF": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\nC: d\r\n\r\n",
}


@pytest.mark.parametrize("name", DESYNC)
def test_nothing_is_smuggled(web, name):
    for pieces in (None, [DESYNC[name][i:i + 5] for i in range(0, len(DESYNC[name]), 5)] + [OK]):
        got = raw(web, DESYNC[name] + OK, pieces=pieces)
        told = statuses(got)
        # of a body that nobody reads the answer stands already when it turns out to be none
        assert len(told) == 1 and told[0] in (400, 405, 501, 505), (name, got)
        assert b"\r\nok\n" not in got and b"\n\nok\n" not in got, (name, got)


def test_well_formed_bodies_are_not_taken_for_requests(web):
    for body in (b"Content-Length: %d\r\n\r\n%s" % (len(OK), OK), b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(OK), OK)):
        got = raw(web, b"POST / HTTP/1.1\r\nHost: a\r\n" + body + b"GET /robots.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        assert statuses(got) == [405, 200] and b"User-agent" in got and b"ok\n" not in got


LIMITS = {
    "a long target": (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "a long field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    "many fields": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
    "a large header": (b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"y" * 8000 + b"\r\n") * 5 + b"\r\n", 431),
    "a step up": (b"GET /static/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a hidden step up": (b"GET /static/%2e%2e%2f%2e%2e%2fetc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    "an unknown method": (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "an unknown expectation": (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417),
}


@pytest.mark.parametrize("name", LIMITS)
def test_what_is_too_large_or_strange_is_told_so(web, name):
    octets, status = LIMITS[name]
    assert statuses(raw(web, octets)) == [status]


def test_slow_heads_are_not_waited_for(web):
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port(web)), timeout=20) as s:
        s.settimeout(0.2)
        got = b""
        for octet in b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200:
            try:
                s.sendall(bytes([octet]))
                got += s.recv(4096) or b"."
                break
            except socket.timeout:
                pass
            except OSError:
                break
    assert got.startswith(b"HTTP/1.1 408 Request Timeout\r\n") and b"Connection: close" in got
    assert 0.8 < time.monotonic() - start < 6


def test_idle_connections_end_without_a_word(web):
    for said, least, most in ((b"", 0.8, 5), (OK, 1.8, 8)):
        start = time.monotonic()
        with socket.create_connection(("127.0.0.1", port(web)), timeout=20) as s:
            s.sendall(said)
            got = b""
            while True:
                more = s.recv(4096)
                if not more:
                    break
                got += more
        assert least < time.monotonic() - start < most
        assert statuses(got) == ([200] if said else [])


def context():
    c = ssl.create_default_context()
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    return c


def test_tls_speaks_http_1_1_and_nothing_else(web):
    for offered in ([], ["http/1.1"], ["h2", "http/1.1"]):
        c = context()
        if offered:
            c.set_alpn_protocols(offered)
        with socket.create_connection(("127.0.0.1", port(web, "webs")), timeout=20) as s:
            with c.wrap_socket(s, server_hostname="mx.yizhan.test") as t:
                assert t.selected_alpn_protocol() == ("http/1.1" if offered else None)
                t.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                got = b""
                while True:
                    more = t.recv(4096)
                    if not more:
                        break
                    got += more
                assert got.endswith(b"\r\n\r\nok\n") and b"Strict-Transport-Security: max-age=3600\r\n" in got
    c = context()
    c.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port(web, "webs")), timeout=20) as s:
        with pytest.raises(ssl.SSLError, match="(?i)alert.*application.protocol"):
            c.wrap_socket(s, server_hostname="mx.yizhan.test")
    assert b"Strict-Transport-Security" not in raw(web, OK)


def test_curl_over_tls(web):
    done = subprocess.run(["curl", "-sSk", "--max-time", "10", "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
                           "https://127.0.0.1:%d/" % port(web, "webs")], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"1.1 200"


def test_behind_a_proxy_that_speaks_proxy(web):
    for header, status in ((b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", 200), (b"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n", 403)):
        got = raw(web, header + b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", name="behind")
        assert statuses(got) == [status]
    assert raw(web, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", name="behind") == b""


def test_stopping_lets_the_waiting_go(make_station):
    server = make_station(conf=CONF % "")
    idle = socket.create_connection(("127.0.0.1", port(server)), timeout=20)
    idle.sendall(OK)
    assert idle.recv(4096).startswith(b"HTTP/1.1 200")
    start = time.monotonic()
    server.stop()
    assert idle.recv(4096) == b""
    assert time.monotonic() - start < 5
    idle.close()


def test_the_demo_has_the_page(station_shared):
    r, body = get(station_shared, "/")
    assert r.status == 200 and b"mx.yizhan.test" in body
