"""Logging in over HTTP: sessions, forms without script, who may use the cookie, what a stranger learns, when a session
ends, and the fields that guard every answer."""

import base64
import re
import time

import pytest
from web_talk import Browser, hidden

CONF = """
demo = yes
hostname = "mx.yizhan.test"
log { level = debug }
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { protocol = submission address = { "127.0.0.1:5870" } }
listener imap { protocol = imap address = { "127.0.0.1:1430" } }
listener pop3 { protocol = pop3 address = { "127.0.0.1:1100" } }
listener web { protocol = http  tls = none address = { "127.0.0.1:8080" } }
listener webs { protocol = http  tls = implicit address = { "127.0.0.1:4650" } }
listener behind { protocol = http  tls = none address = { "127.0.0.1:9950" } proxy_networks = {"127.0.0.0/8"} }
http { hsts = 1h }
"""
MARKS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
         "Cross-Origin-Resource-Policy": "same-origin", "X-DNS-Prefetch-Control": "off"}


@pytest.fixture(scope="module")
def web():
    from station import Yizhan
    with Yizhan(conf=CONF) as server:
        yield server


def browser(server, **more):
    return Browser(server, **more)


def test_a_page_logs_in_and_out_by_json(web):
    alice, b = web.accounts[0], browser(web)
    a = b.log_in(alice.address, alice.password)
    assert a.status == 200 and a.json["state"] == "in" and a.json["address"] == alice.address, a.body
    assert re.match(r"A[0-9A-Z]{13}$", a.json["accountId"])
    cookie = a.headers["Set-Cookie"]
    assert re.match(r"yizhan=[0-9a-f]{32}; Path=/; Max-Age=\d+; HttpOnly; SameSite=Strict$", cookie)
    assert a.headers["Cache-Control"] == "no-store"
    assert b.is_in()
    stolen = dict(b.cookies)
    a = b.post("/logout", {})
    assert a.status == 200 and a.json == {"state": "out"} and a.headers["Clear-Site-Data"] == '"storage"'
    assert not b.is_in() and "yizhan" not in b.cookies
    b.cookies = stolen
    assert not b.is_in()


def test_over_tls_the_cookie_is_bound_to_the_host(web):
    alice, b = web.accounts[0], browser(web, name="webs", tls=True)
    a = b.log_in(alice.address, alice.password)
    assert a.status == 200
    assert re.match(r"__Host-yizhan=[0-9a-f]{32}; Path=/; Max-Age=\d+; Secure; HttpOnly; SameSite=Strict$",
                    a.headers["Set-Cookie"])
    assert a.headers["Strict-Transport-Security"] == "max-age=3600"
    assert b.is_in()


def test_a_new_login_ends_the_session_that_it_came_with(web):
    alice, b = web.accounts[0], browser(web)
    b.log_in(alice.address, alice.password)
    first = dict(b.cookies)
    b.log_in(alice.address, alice.password)
    assert b.cookies != first and b.is_in()
    b.cookies = first
    assert not b.is_in()


def test_wrong_names_and_wrong_passwords_look_the_same(web):
    alice, answers = web.accounts[0], []
    for user in (alice.address, "nobody@yizhan.test", "nobody@elsewhere.test", "\x01"):
        times = []
        for _ in range(6):
            b = browser(web)
            begin = time.monotonic()
            a = b.log_in(user, "wrong")
            times.append(time.monotonic() - begin)
            assert not b.cookies
        answers.append((a.status, a.body, {k: v for k, v in a.headers.items() if k != "Date"}, min(times)))
    assert answers[0][0] == 401 and answers[0][1] == b'{"state":"wrong"}'
    # what is no name at all is no guess
    assert all(a[:3] == answers[0][:3] for a in answers[1:])
    # the best of each: other programs share the machine
    assert max(a[3] for a in answers[:3]) < 6 * min(a[3] for a in answers[:3])


def test_a_browser_without_script_logs_in(web):
    alice, b = web.accounts[0], browser(web)
    a = b.ask("GET", "/login?to=/settings/security")
    assert a.status == 200 and "<script" not in a.text and "mx.yizhan.test" in a.text
    assert a.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    token = hidden(a.text, "token")
    assert hidden(a.text, "to") == "/settings/security"
    bad = b.form("/login", {"token": token, "to": "/settings/security", "user": alice.address, "password": "wrong"})
    assert bad.status == 401 and 'role="alert"' in bad.text and hidden(bad.text, "to") == "/settings/security"
    assert 'value="%s"' % alice.address in bad.text and "wrong" not in bad.text
    good = b.form("/login", {"token": hidden(bad.text, "token"), "to": "/settings/security", "user": alice.address,
                             "password": alice.password})
    assert good.status == 303 and good.headers["Location"] == "/settings/security"
    # who is in is not asked again
    again = b.ask("GET", "/login?to=/mail/inbox")
    assert again.status == 303 and again.headers["Location"] == "/mail/inbox"
    out = b.ask("GET", "/logout")
    assert out.status == 200 and alice.address in out.text and b.is_in()
    gone = b.form("/logout", {"token": hidden(out.text, "token")})
    assert gone.status == 303 and gone.headers["Location"] == "/login?left=1" and not b.is_in()
    assert "signed out" in b.ask("GET", "/login?left=1").text


def test_it_speaks_chinese(web):
    a = browser(web).ask("GET", "/login", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"})
    assert a.headers["Content-Language"] == "zh-CN" and '<html lang="zh-CN">' in a.text and "登录" in a.text


@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example/mail/", "/\\evil.example", "/logout", "/mail/../jmap",
                                "javascript:alert(1)", "/mail//evil.example", "/mail\r\nX: y", ""])
def test_a_login_leads_nowhere_else(web, to):
    from urllib.parse import quote
    alice, b = web.accounts[0], browser(web)
    a = b.ask("GET", "/login?to=" + quote(to))
    assert hidden(a.text, "to") == "/mail/"
    good = b.form("/login", {"token": hidden(a.text, "token"), "to": to, "user": alice.address, "password": alice.password})
    assert good.status == 303 and good.headers["Location"] == "/mail/"


def test_no_other_site_makes_somebody_log_in(web):
    alice = web.accounts[0]
    fields = {"user": alice.address, "password": alice.password}
    b = browser(web)
    token = hidden(b.ask("GET", "/login").text, "token")
    # the token without its cookie, no token, another's
    assert browser(web).form("/login", {"token": token, **fields}).status == 403
    assert b.form("/login", fields).status == 403
    other = browser(web)
    foreign = hidden(other.ask("GET", "/login").text, "token")
    assert b.form("/login", {"token": foreign, **fields}).status == 403
    # from another site, whatever it bears
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert b.form("/login", {"token": token, **fields}, headers).status == 403
    assert not b.is_in()
    assert b.form("/login", {"token": token, **fields}, {"Origin": b.origin, "Sec-Fetch-Site": "same-origin"}).status == 303


FOREIGN = [
    ("another site", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}),
    ("a sister site", {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"}),
    ("a sandbox", {"Origin": "null", "Sec-Fetch-Site": "cross-site"}),
    ("a sandbox of an old browser", {"Origin": "null", "Sec-Fetch-Site": None}),
    ("no field of the page's", {"X-Yizhan": None}),
    ("no word of where from", {"Origin": None, "Sec-Fetch-Site": None}),
    ("a form", {"Content-Type": "application/x-www-form-urlencoded"}),
    ("a form with files", {"Content-Type": "multipart/form-data; boundary=x"}),
    ("plain text", {"Content-Type": "text/plain", "X-Yizhan": None}),
]


@pytest.mark.parametrize("what", FOREIGN, ids=[name for name, _ in FOREIGN])
def test_only_the_page_ends_its_session(web, what):
    alice, b = web.accounts[0], browser(web)
    b.log_in(alice.address, alice.password)
    fields = {**b.page(), "Content-Type": "application/json", **what[1]}
    a = b.ask("POST", "/logout", "{}", {k: v for k, v in fields.items() if v is not None})
    assert a.status == 403 and b.is_in()


def test_who_comes_from_elsewhere_is_asked_once_more(web):
    """SameSite=Strict: a link from elsewhere comes without the cookie; the page goes round once by itself."""
    a = browser(web).ask("GET", "/login?to=/mail/inbox", headers={"Sec-Fetch-Site": "cross-site"})
    assert a.status == 200 and 'http-equiv="refresh" content="0;url=/login?to=%2Fmail%2Finbox"' in a.text


def test_without_tls_nobody_logs_in_from_elsewhere(web):
    import socket
    alice = web.accounts[0]
    body = b'{"user":"%s","password":"%s"}' % (alice.address.encode(), alice.password.encode())
    head = (b"POST /login HTTP/1.1\r\nHost: mx\r\nContent-Type: application/json\r\nX-Yizhan: 1\r\nOrigin: http://mx\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body))
    with socket.create_connection(("127.0.0.1", web.ports["behind"]), timeout=20) as s:
        s.sendall(b"PROXY TCP4 192.0.2.9 127.0.0.1 4711 80\r\n" + head + body)
        got = b""
        while more := s.recv(65536):
            got += more
    assert got.startswith(b"HTTP/1.1 403") and b"https" in got and b"Set-Cookie" not in got
    # a proxy that nobody has named
    b = browser(web)
    a = b.post("/login", {"user": alice.address, "password": alice.password}, **{"X-Forwarded-For": "192.0.2.9"})
    assert a.status == 403 and not b.cookies


def test_a_session_ends_with_what_it_was_begun_with(web):
    bob = web.accounts[1]
    b = browser(web)

    def log_in(password=bob.password):
        assert b.log_in(bob.address, password).status == 200
        assert b.is_in()

    log_in()
    web.cli("account", "suspend", bob.address)
    assert not b.is_in()
    web.cli("account", "resume", bob.address)
    log_in()
    web.cli("account", "password", bob.address, "--password", "another-one")
    assert not b.is_in()
    assert b.log_in(bob.address, bob.password).status == 401
    log_in("another-one")
    web.cli("account", "set", bob.address, "--protocols", "imap,submit")
    assert not b.is_in()
    assert b.log_in(bob.address, "another-one").status == 401
    web.cli("account", "set", bob.address, "--protocols", "all")
    log_in("another-one")
    assert len(web.cli_json("account", "sessions", bob.address, "--json")) >= 1
    web.cli("account", "sign-out", bob.address)
    assert not b.is_in() and not web.cli_json("account", "sessions", bob.address, "--json")
    log_in("another-one")
    web.cli("account", "remove", bob.address)
    assert not b.is_in()
    web.cli("account", "restore", bob.address)
    web.cli("account", "password", bob.address, "--password", bob.password)


def test_an_app_password_is_no_login_of_a_person(web):
    alice = web.accounts[0]
    app = web.cli_json("account", "app-password-add", alice.address, "reader", "--scope", "web", "--json")
    app = (app[0] if isinstance(app, list) else app)["password"]
    assert browser(web).log_in(alice.address, app).status == 401


def test_who_tried_is_told_to_the_owner(web):
    alice = web.accounts[0]
    browser(web).log_in(alice.address, "not it either")
    browser(web).ask("POST", "/login", '{"user":"%s","password":"%s"}' % (alice.address, alice.password),
                     {**browser(web).page(), "Content-Type": "application/json", "User-Agent": "Tester/1.0"})
    end = time.monotonic() + 5
    while time.monotonic() < end:
        rows = web.cli_json("account", "logins", alice.address, "--json")
        if any(r["agent"] == "Tester/1.0" for r in rows):
            break
        time.sleep(0.05)
    good = [r for r in rows if r["agent"] == "Tester/1.0"][0]
    assert good["result"] == "in" and good["for"] == "web" and good["from"] == "127.0.0.1"
    assert any(r["result"] == "refused" and r["reason"] == "password" for r in rows)


def routes(server):
    found = re.findall(r'event=web\.route path=(\S+) host=(\S+) methods=(\S+)', server.log(last=10 ** 8))
    assert len(found) > 20
    return [(path.strip('"'), host.strip('"'), methods.strip('"').split(",")) for path, host, methods in found]


def test_every_answer_bears_the_fields_that_guard_it(web):
    """All routes of the table, with each method; what is not there, and what is refused, too."""
    asked = 0
    for name, tls in (("web", False), ("webs", True)):
        b = browser(web, name=name, tls=tls)
        table = routes(web) + [("/nowhere", "", ["GET", "POST"]), ("/%zz", "", ["GET"])]
        for path, host, methods in table:
            path = re.sub(r"\{[^}]*\}|\*", "x", path)
            for method in methods + ["OPTIONS", "DELETE"]:
                headers = {"Host": host + "mx.yizhan.test" if host.endswith(".") else host} if host else {}
                a = b.ask(method, path, "" if method in ("POST", "PUT") else None, headers, cookies=False)
                asked += 1
                where = "%s %s: %d %s" % (method, path, a.status, dict(a.headers))
                for field, value in MARKS.items():
                    assert a.headers.get_all(field) == [value], where
                assert "camera=()" in a.headers["Permissions-Policy"], where
                policy = a.headers.get_all("Content-Security-Policy")
                assert len(policy) == 1, where
                assert "default-src 'none'" in policy[0], where
                assert "'unsafe-eval'" not in policy[0] and "script-src 'unsafe" not in policy[0], where
                if path != "/frame":
                    assert "'unsafe-inline'" not in policy[0], where
                assert (a.headers["Strict-Transport-Security"] == "max-age=3600") == tls, where
                assert "Access-Control-Allow-Origin" not in a.headers, where
    assert asked > 100


def test_the_frame_of_letters_has_a_policy_of_its_own(web):
    a = browser(web).ask("GET", "/frame")
    assert a.status == 200 and a.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = a.headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "img-src data: blob:", "style-src 'unsafe-inline'", "form-action 'none'",
                 "base-uri 'none'", "frame-ancestors 'self'",
                 "sandbox allow-same-origin allow-modals allow-popups allow-popups-to-escape-sandbox"):
        assert part in [p.strip() for p in policy.split(";")], part
    assert "script" not in policy and "<script" not in a.text


def test_guesses_are_slowed_down_for_everybody(make_station):
    """429 with Retry-After; the name may exist or not, and the right password has to wait as well."""
    with_guard = make_station(conf=CONF.replace("log {", "guard { account_failures = 5 } log {"))
    alice = with_guard.accounts[0]
    for user in (alice.address, "nobody@yizhan.test"):
        got = [browser(with_guard).log_in(user, "guess %d" % i) for i in range(8)]
        assert [a.status for a in got[:5]] == [401] * 5 and {a.status for a in got[6:]} == {429}, [a.status for a in got]
        assert 0 < int(got[-1].headers["Retry-After"]) <= 3600
        assert got[-1].json["state"] == "wait" and got[-1].json["seconds"] == int(got[-1].headers["Retry-After"])
    assert browser(with_guard).log_in(alice.address, alice.password).status == 429
    form = browser(with_guard)
    token = hidden(form.ask("GET", "/login").text, "token")
    a = form.form("/login", {"token": token, "user": alice.address, "password": alice.password})
    assert a.status == 429 and "Too many tries" in a.text


def test_by_smtp_a_refused_login_does_not_tell_why(web):
    import smtplib
    heard = set()
    for user in (web.accounts[0].address, "nobody@yizhan.test", "x@elsewhere.test"):
        with smtplib.SMTP("127.0.0.1", web.ports["submission"], timeout=20) as s:
            s.starttls()
            with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
                s.login(user, "wrong")
            heard.add((refused.value.smtp_code, refused.value.smtp_error))
    assert heard == {(535, b"5.7.8 Authentication credentials invalid")}


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()}
