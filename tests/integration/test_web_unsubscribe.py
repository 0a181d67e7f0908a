"""Leaving a list with one request, which our server makes (RFC 8058)."""

import http.server
import imaplib
import smtplib
import ssl
import subprocess
import threading

import pytest
from test_web_login import CONF
from web_talk import Browser


class Lists(http.server.BaseHTTPRequestHandler):
    asked = []

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((self.path, dict(self.headers), body))
        self.send_response({"/no": 403, "/away": 302}.get(self.path, 200))
        if self.path == "/away":
            self.send_header("Location", "/leave")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    where = tmp_path_factory.mktemp("lists")
    cert, key = where / "cert.pem", where / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, stderr=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Lists)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], cert
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def web(lists):
    from station import Yizhan
    conf = CONF.replace("hsts = 1h", 'hsts = 1h image_networks = { "127.0.0.1" }')
    with Yizhan(conf=conf + 'tls_policy { ca_file = "%s" }\n' % lists[1]) as server:
        yield server


def letter(web, fields):
    """Delivered to alice; its id as JMAP has it."""
    alice = web.accounts[0]
    with smtplib.SMTP("127.0.0.1", web.ports["smtp"], timeout=20) as s:
        s.sendmail("list@elsewhere.example", [alice.address], "From: list@elsewhere.example\r\n%s\r\nhello\r\n" % fields)
    m = imaplib.IMAP4("127.0.0.1", web.ports["imap"], timeout=20)
    try:
        m.login(alice.address, alice.password)
        m.select()
        found = m.fetch("*", "(EMAILID)")[1][0].decode()
    finally:
        m.logout()
    return found.split("EMAILID (")[1].split(")")[0]


def person(web):
    b = Browser(web)
    b.me = b.log_in(web.accounts[0].address, web.accounts[0].password).json["accountId"]
    return b


def leave(b, email):
    return b.post("/jmap/unsubscribe", {"accountId": b.me, "emailId": email})


ONE_CLICK = "List-Unsubscribe: <mailto:x@elsewhere.example>,\r\n <%s>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"


def test_a_list_is_left_by_one_request_of_ours(web, lists):
    b, url = person(web), "https://127.0.0.1:%d/leave?u=7" % lists[0]
    email = letter(web, ONE_CLICK % url)
    Lists.asked.clear()
    a = leave(b, email)
    assert a.status == 204, a.body
    [(path, headers, body)] = Lists.asked
    assert path == "/leave?u=7" and body == b"List-Unsubscribe=One-Click"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert not {"Cookie", "Authorization", "Referer"} & set(headers)


@pytest.mark.parametrize("path,asked", [("no", 1), ("away", 1)])
def test_a_list_that_refuses_or_sends_away_is_told(web, lists, path, asked):
    b, email = person(web), letter(web, ONE_CLICK % ("https://127.0.0.1:%d/%s" % (lists[0], path)))
    Lists.asked.clear()
    assert leave(b, email).status == 502 and len(Lists.asked) == asked


@pytest.mark.parametrize("fields", [
    "List-Unsubscribe: <https://127.0.0.1:%(port)d/leave>\r\n",
    "List-Unsubscribe: <mailto:x@elsewhere.example>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    "List-Unsubscribe: <http://127.0.0.1:%(port)d/leave>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
    ""], ids=["not by one click", "by mail only", "without TLS", "no list"])
def test_what_cannot_be_left_so_is_not_asked(web, lists, fields):
    b, email = person(web), letter(web, fields % {"port": lists[0]})
    Lists.asked.clear()
    assert leave(b, email).status == 409 and not Lists.asked


@pytest.mark.parametrize("place", ["https://10.0.0.1/x", "https://169.254.169.254/latest", "https://[::1]/x", "https://127.0.0.2/x"])
def test_a_list_leads_nowhere_inside(web, place):
    assert leave(person(web), letter(web, ONE_CLICK % place)).status == 502


def test_only_the_letters_owner_leaves(web, lists):
    b, email = person(web), letter(web, ONE_CLICK % ("https://127.0.0.1:%d/leave" % lists[0]))
    Lists.asked.clear()
    bob = Browser(web)
    bob.me = bob.log_in(web.accounts[1].address, web.accounts[1].password).json["accountId"]
    assert leave(bob, email).status == 404
    assert bob.post("/jmap/unsubscribe", {"accountId": b.me, "emailId": email}).status == 404
    assert b.post("/jmap/unsubscribe", {"accountId": b.me, "emailId": "M0000000000000"}).status == 404
    assert b.ask("POST", "/jmap/unsubscribe", "{}", {"Content-Type": "application/json"}).status == 403
    assert b.ask("POST", "/jmap/unsubscribe", "x", b.page(**{"Content-Type": "application/json"})).status == 400
    stranger = Browser(web)
    stranger.me = b.me
    assert leave(stranger, email).status == 401
    assert not Lists.asked
