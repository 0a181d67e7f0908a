"""Pictures in letters come through our own server: nothing that is not public, nothing but pixels, nothing of the person."""

import contextlib
import http.server
import struct
import threading
import time
import urllib.parse
import zlib

import pytest
from test_web_login import CONF
from web_talk import Browser

ALLOW = 'http { hsts = 1h image_networks = { "127.0.0.1" } }'


def png(width=2, height=2):
    def chunk(kind, octets):
        return struct.pack(">I", len(octets)) + kind + octets + struct.pack(">I", zlib.crc32(kind + octets))
    rows = b"".join(b"\0" + b"\xff\0\0" * width for _ in range(min(height, 4)))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Pictures(http.server.BaseHTTPRequestHandler):
    asked = []

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.asked.append((self.path, dict(self.headers)))
        path, _, query = self.path.partition("?")
        if path.startswith("/to"):
            self.send_response(302)
            self.send_header("Location", urllib.parse.unquote(query))
            self.send_header("Set-Cookie", "seen=1")
            self.end_headers()
            return
        body = {"/a.png": png(), "/pixel.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "/page.png": b"<script>1</script>",
                "/bomb.png": png(65535, 65535), "/big.png": png() + bytes(11 << 20)}.get(path)
        if path == "/slow.png":
            time.sleep(20)
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body or b"")


@pytest.fixture(scope="module")
def far():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def web():
    from station import Yizhan
    with Yizhan(conf=CONF.replace("http { hsts = 1h }", ALLOW)) as server:
        yield server


@pytest.fixture(scope="module")
def closed():
    from station import Yizhan
    with Yizhan(conf=CONF) as server:
        yield server


def signed_in(server):
    b = Browser(server)
    assert b.log_in(server.accounts[0].address, server.accounts[0].password).status == 200
    return b


def image(b, url, **more):
    """What is answered once names can be looked up (some milliseconds after the start)."""
    for _ in range(100):
        a = b.ask("GET", "/jmap/image?url=" + urllib.parse.quote(url, safe=""),
                  headers={"X-Yizhan": "1", "Sec-Fetch-Site": "same-origin", **more})
        if a.status != 503:
            break
        time.sleep(0.05)
    return a


def test_a_picture_comes_and_tells_nothing_of_the_person(web, far):
    b = signed_in(web)
    Pictures.asked.clear()
    a = image(b, "http://127.0.0.1:%d/a.png?id=7" % far, **{"User-Agent": "Person's browser", "Referer": "http://mail/"})
    assert a.status == 200 and a.body == png() and a.headers["Content-Type"] == "image/png"
    assert a.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert a.headers["Cache-Control"].startswith("private")
    [(path, headers)] = Pictures.asked
    assert path == "/a.png?id=7" and "image proxy" in headers["User-Agent"]
    assert not {"Cookie", "Referer", "Authorization", "X-Forwarded-For"} & set(headers)


def test_a_picture_that_was_seen_is_not_asked_for_again(web, far):
    """On another device neither; by another person it is, or its time would tell what others read."""
    url = "http://127.0.0.1:%d/a.png?once" % far
    one = image(signed_in(web), url)
    Pictures.asked.clear()
    again = image(signed_in(web), url)
    assert again.status == 200 and again.body == one.body == png() and not Pictures.asked
    assert again.headers["Content-Type"] == "image/png" and again.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    other = Browser(web)
    assert other.log_in(web.accounts[1].address, web.accounts[1].password).status == 200
    assert image(other, url).status == 200 and len(Pictures.asked) == 1


def test_only_the_page_asks(web, far):
    url, b = "http://127.0.0.1:%d/a.png" % far, signed_in(web)
    assert image(Browser(web), url).status == 401
    assert b.ask("GET", "/jmap/image?url=" + urllib.parse.quote(url, safe="")).status == 403
    assert image(b, url, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert b.ask("GET", "/jmap/image", headers=b.page()).status == 400


@pytest.mark.parametrize("name", ["pixel.svg", "page.png", "bomb.png", "big.png", "none.png"])
def test_only_pixels_pass(web, far, name):
    a = image(signed_in(web), "http://127.0.0.1:%d/%s" % (far, name))
    assert a.status == 502 and b"svg" not in a.body and b"script" not in a.body


PLACES = ["http://127.0.0.1:%(far)d/a.png", "http://localhost:%(far)d/a.png", "http://127.1:%(far)d/a.png",
          "http://2130706433:%(far)d/a.png", "http://0x7f000001:%(far)d/a.png", "http://0x7f.1:%(far)d/a.png",
          "http://0177.0.0.1:%(far)d/a.png", "http://[::1]:%(far)d/a.png", "http://[::ffff:127.0.0.1]:%(far)d/a.png",
          "http://0.0.0.0:%(far)d/a.png", "http://127.0.0.1.:%(far)d/a.png", "http://user@127.0.0.1:%(far)d/a.png",
          "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://192.168.0.1/",
          "http://8.8.8.8:22/", "file:///etc/passwd", "gopher://127.0.0.1:%(far)d/_x", "ftp://127.0.0.1/", "data:image/png,x",
          "http://127.0.0.1:%(far)d\\@8.8.8.8/a.png", "http:///a.png", "//127.0.0.1:%(far)d/a.png", "a.png"]


@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_public_is_not_asked(closed, far, place):
    Pictures.asked.clear()
    begin = time.monotonic()
    a = image(signed_in(closed), place % {"far": far})
    assert a.status == 502 and not Pictures.asked
    assert b"public" not in a.body and time.monotonic() - begin < 5


def test_each_redirect_is_looked_at_again(web, far):
    b, here = signed_in(web), "http://127.0.0.1:%d" % far
    assert image(b, here + "/to?" + urllib.parse.quote("/a.png")).status == 200
    Pictures.asked.clear()
    assert image(b, here + "/to?" + urllib.parse.quote(here + "/to?" + urllib.parse.quote("/a.png"))).status == 200
    assert len(Pictures.asked) == 3 and all("Cookie" not in h for _, h in Pictures.asked)
    # 127.0.0.1 alone is allowed here
    for place in ("http://127.0.0.2:%d/a.png" % far, "http://[::1]:%d/a.png" % far, "http://169.254.169.254/", "file:///etc/passwd",
                  "gopher://127.0.0.1:%d/" % far):
        Pictures.asked.clear()
        assert image(b, here + "/to?" + urllib.parse.quote(place)).status == 502, place
        assert len(Pictures.asked) == 1
    # for ever
    Pictures.asked.clear()
    assert image(b, here + "/to?/to?/to?/to?/to?/a.png").status == 502
    assert len(Pictures.asked) <= 4


def test_one_account_has_its_bounds(web, far):
    b, statuses = signed_in(web), []
    for _ in range(300):
        statuses.append(image(b, "http://127.0.0.1:%d/none.png" % far).status)
        if statuses[-1] == 429:
            break
    assert statuses[-1] == 429 and len(statuses) > 100
