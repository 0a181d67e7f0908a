"""The second factor, app passwords, sessions and the password, as the page's settings use them, and what programs hear."""

import base64
import imaplib
import json
import poplib
import smtplib
import ssl
import time

import pytest
from test_web_login import CONF
from web_talk import Browser, hidden, totp

PAGE = ("urn:ietf:params:jmap:core", "https://yizhan.dev/jmap/page")


@pytest.fixture(scope="module")
def web():
    from station import Yizhan
    with Yizhan(conf=CONF) as server:
        yield server


class Person(Browser):
    """Signed in; `me` is the account's id."""

    def __init__(self, server, account, code=None):
        super().__init__(server)
        a = self.log_in(account.address, account.password, code)
        assert a.status == 200 and a.json["state"] == "in", a.body
        self.me = a.json["accountId"]

    def do(self, name, **args):
        [(answer, result)] = self.jmap([name, {"accountId": self.me, **args}])
        return result if answer == name else (answer, result)

    def second(self, **patch):
        r = self.do("TwoFactor/set", update={"singleton": patch})
        return (r["updated"] or {}).get("singleton"), (r["notUpdated"] or {}).get("singleton")

    def switch_on(self):
        begun, why = self.second(action="begin")
        assert not why and begun["url"].startswith("otpauth://totp/mx.yizhan.test:"), why
        done, why = self.second(action="confirm", code=totp(begun["secret"]))
        assert not why and done["isOn"], why
        return begun["secret"], done["recoveryCodes"]


@pytest.fixture
def person(web):
    """A new account for one test."""
    from station import Account
    address = "p%d@yizhan.test" % time.monotonic_ns()
    web.cli("account", "add", address, "--password", "a password of it")
    return Account(address, "a password of it")


def by_smtp(web, user, password):
    with smtplib.SMTP("127.0.0.1", web.ports["submission"], timeout=20) as s:
        s.starttls()
        s.ehlo()
        s.user, s.password = user, password
        try:
            return s.auth("PLAIN", s.auth_plain)
        except smtplib.SMTPAuthenticationError as e:
            return e.smtp_code, e.smtp_error


def by_imap(web, user, password):
    m = imaplib.IMAP4("127.0.0.1", web.ports["imap"], timeout=20)
    try:
        return m.login(user, password)[0]
    except imaplib.IMAP4.error as e:
        return str(e)
    finally:
        m.shutdown()


def by_pop3(web, user, password):
    p = poplib.POP3("127.0.0.1", web.ports["pop3"], timeout=20)
    try:
        p.stls(ssl._create_unverified_context())
        p.user(user)
        return p.pass_(password)
    except poplib.error_proto as e:
        return str(e)
    finally:
        p.close()


def by_field(web, field):
    return Browser(web).ask("GET", "/.well-known/jmap", headers={"Authorization": field}).status


def basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


def api(web, field, *calls):
    b = Browser(web)
    a = b.ask("POST", "/jmap/api", json.dumps({"using": PAGE, "methodCalls": [[*c, "0"] for c in calls]}),
              {"Authorization": field, "Content-Type": "application/json"})
    return a


def test_with_a_second_factor_the_password_is_half_a_login(web, person):
    b = Person(web, person)
    other = Person(web, person)
    assert b.do("TwoFactor/get")["list"][0]["isOn"] is False
    secret, codes = b.switch_on()
    assert len(codes) == 10 and len(set(codes)) == 10
    state = b.do("TwoFactor/get")["list"][0]
    assert state["isOn"] and state["recoveryCodesLeft"] == 10 and "secret" not in state
    # the session that did it goes on, all others end
    assert b.is_in() and not other.is_in()
    # the code that confirmed it is used
    again = Browser(web)
    a = again.log_in(person.address, person.password, totp(secret))
    assert a.status == 401 and a.json["state"] == "code" and not again.is_in()
    # the next step's code is taken once
    code = totp(secret, 1)
    a = again.log_in(person.address, person.password, code)
    assert a.status == 200 and a.json["address"] == person.address and again.is_in()
    a = Browser(web).log_in(person.address, person.password, code)
    assert a.status == 401
    assert b"on" in web.cli("account", "totp-status", person.address).stdout


def test_recovery_codes_are_good_once(web, person):
    b = Person(web, person)
    _, codes = b.switch_on()
    typed = codes[3].upper().replace("-", " ")
    assert Browser(web).log_in(person.address, person.password, typed).status == 200
    assert Browser(web).log_in(person.address, person.password, codes[3]).status == 401
    assert b.do("TwoFactor/get")["list"][0]["recoveryCodesLeft"] == 9
    _, why = b.second(action="renew", password="wrong")
    assert why["type"] == "invalidProperties" and why["properties"] == ["password"]
    renewed, why = b.second(action="renew", password=person.password)
    assert not why and len(renewed["recoveryCodes"]) == 10
    assert Browser(web).log_in(person.address, person.password, codes[4]).status == 401
    assert Browser(web).log_in(person.address, person.password, renewed["recoveryCodes"][0]).status == 200


def test_programs_need_app_passwords_then(web, person):
    b = Person(web, person)
    user = person.address
    assert by_smtp(web, user, person.password)[0] == 235 and by_imap(web, user, person.password) == "OK"
    assert by_field(web, basic(user, person.password)) == 200
    b.switch_on()
    assert by_smtp(web, user, person.password) == (
        534, b"5.7.9 This account has a second factor: log in with an app password")
    assert by_smtp(web, user, "wrong") == (535, b"5.7.8 Authentication credentials invalid")
    heard = by_imap(web, user, person.password)
    assert "[AUTHENTICATIONFAILED]" in heard and "app password" in heard
    assert "-ERR" in by_pop3(web, user, person.password)
    a = Browser(web).ask("GET", "/.well-known/jmap", headers={"Authorization": basic(user, person.password)})
    assert a.status == 401 and "app password" in a.text
    made = b.do("AppPassword/set", create={"x": {"name": "all of it", "scopes": ["submit", "imap", "pop3", "web"]}})
    app = made["created"]["x"]["password"]
    assert by_smtp(web, user, app)[0] == 235 and by_imap(web, user, app) == "OK"
    assert by_pop3(web, user, app)[:3] == b"+OK", by_pop3(web, user, app)
    assert by_field(web, basic(user, app)) == 200 and by_field(web, "Bearer " + app) == 200
    # off again: the password is enough
    _, why = b.second(action="off", password="wrong")
    assert why["properties"] == ["password"]
    done, why = b.second(action="off", password=person.password)
    assert not why and done["isOn"] is False
    assert by_smtp(web, user, person.password)[0] == 235
    assert Browser(web).log_in(user, person.password).json["state"] == "in"


def test_the_second_step_works_without_script(web, person):
    secret, _ = Person(web, person).switch_on()
    b = Browser(web)
    a = b.ask("GET", "/login?to=/mail/inbox")
    a = b.form("/login", {"token": hidden(a.text, "token"), "to": "/mail/inbox", "user": person.address,
                          "password": person.password})
    assert a.status == 200 and "one-time-code" in a.text and not b.is_in()
    fields = {n: hidden(a.text, n) for n in ("token", "to", "step")}
    a = b.form("/login", {**fields, "code": "000000"})
    assert a.status == 401 and "That code is not right" in a.text
    a = b.form("/login", {**fields, "step": hidden(a.text, "step"), "code": totp(secret, 1)})
    assert a.status == 303 and a.headers["Location"] == "/mail/inbox" and b.is_in()


def test_a_step_cannot_be_made_up_or_kept(web, person):
    secret, _ = Person(web, person).switch_on()
    b = Browser(web)
    step = b.post("/login", {"user": person.address, "password": person.password}).json["step"]
    for bad in (step[:-1] + ("0" if step[-1] != "0" else "1"), step.replace(".", "", 1), "a.b.c.d", "....", step[5:], "x" * 5000):
        assert b.post("/login", {"step": bad, "code": totp(secret, 1)}).status in (403, 413)
    # another password ends it
    web.cli("account", "password", person.address, "--password", "another")
    assert b.post("/login", {"step": step, "code": totp(secret, 1)}).json == {"state": "stale"}


def test_codes_cannot_be_guessed(make_station):
    station = make_station(conf=CONF.replace("log {", "guard { account_failures = 6 } log {"))
    alice = station.accounts[0]
    secret, codes = Person(station, alice).switch_on()
    b = Browser(station)
    statuses = []
    for i in range(10):
        a = b.log_in(alice.address, alice.password, "%06d" % (i * 7))
        statuses.append(a.status)
    # the right password in between does not begin the count anew
    assert statuses[:6] == [401] * 6 and set(statuses[7:]) == {429}, statuses
    assert b.log_in(alice.address, alice.password, codes[0]).status == 429


def test_the_administrator_takes_it_away(web, person):
    b = Person(web, person)
    b.switch_on()
    assert web.cli_json("account", "totp-status", person.address, "--json")["second_factor"] == "on"
    web.cli("account", "totp-reset", person.address)
    assert not b.is_in()
    assert Browser(web).log_in(person.address, person.password).json["state"] == "in"
    done = web.cli("account", "totp-reset", person.address, check=False)
    assert done.returncode != 0 and b"no second factor" in done.stderr


def test_sessions_are_listed_and_ended(web, person):
    b, other = Person(web, person), Person(web, person)
    found = b.do("Session/get")["list"]
    assert len(found) == 2 and [s["isCurrent"] for s in found].count(True) == 1
    assert all(s["peer"] == "127.0.0.1" and s["id"][0] == "W" for s in found)
    victim = [s for s in found if not s["isCurrent"]][0]["id"]
    state = b.do("Session/get", ids=[])["state"]
    assert b.do("Session/set", destroy=[victim], ifInState=state)["destroyed"] == [victim]
    assert not other.is_in() and b.is_in()
    assert b.do("Session/get", ids=[])["state"] != state
    r = b.do("Session/set", destroy=[victim, "W0000000000001"])
    assert r["notDestroyed"][victim]["type"] == "notFound"
    assert b.do("Session/set", create={"x": {}})["notCreated"]["x"]["type"] == "forbidden"
    # somebody else's
    stranger = Person(web, web.accounts[0])
    mine = b.do("Session/get")["list"][0]["id"]
    assert stranger.do("Session/set", destroy=[mine])["notDestroyed"][mine]["type"] == "notFound"
    assert stranger.do("Session/get", ids=[mine])["notFound"] == [mine] and b.is_in()


def test_app_passwords_are_made_shown_once_and_ended(web, person):
    b = Person(web, person)
    made = b.do("AppPassword/set", create={
        "a": {"name": "phone", "scopes": ["imap"], "networks": ["127.0.0.0/8"], "expiresAt": "2099-01-01T00:00:00Z"},
        "b": {"name": "phone", "scopes": ["imap"]},
        "c": {"name": "", "scopes": ["imap"]},
        "d": {"name": "x", "scopes": ["telnet"]},
        "e": {"name": "y", "scopes": ["imap"], "networks": ["everywhere"]},
        "f": {"name": "z", "scopes": ["imap"], "expiresAt": "2001-01-01T00:00:00Z"},
        "g": {"name": "w", "scopes": ["imap"], "password": "mine"},
    })
    assert list(made["created"]) == ["a"]
    why = {k: v.get("properties") for k, v in made["notCreated"].items()}
    assert why == {"b": ["name"], "c": ["name"], "d": ["scopes"], "e": ["networks"], "f": ["expiresAt"], "g": None}
    app = made["created"]["a"]
    assert by_imap(web, person.address, app["password"]) == "OK"
    assert by_smtp(web, person.address, app["password"])[0] == 535
    [row] = b.do("AppPassword/get")["list"]
    assert row["id"] == app["id"] and row["scopes"] == ["imap"] and row["networks"] == ["127.0.0.0/8"]
    assert row["usedFrom"] == "127.0.0.1" and row["expiresAt"] == "2099-01-01T00:00:00Z" and "password" not in row
    assert b.do("AppPassword/set", destroy=[app["id"]])["destroyed"] == [app["id"]]
    assert "AUTHENTICATIONFAILED" in by_imap(web, person.address, app["password"])


def test_a_new_password_ends_all_but_the_session_that_sets_it(web, person):
    b, other = Person(web, person), Person(web, person)
    assert b.do("Password/change", old="wrong", new="a new password")[1]["type"] == "invalidArguments"
    assert b.do("Password/change", old=person.password, new="short")[1]["arguments"] == ["new"]
    assert other.is_in()
    assert b.do("Password/change", old=person.password, new="a new password")["isChanged"] is True
    assert b.is_in() and not other.is_in()
    assert Browser(web).log_in(person.address, person.password).status == 401
    assert Browser(web).log_in(person.address, "a new password").status == 200


METHODS = ["Session/get", "Session/set", "AppPassword/get", "AppPassword/set", "TwoFactor/get", "TwoFactor/set",
           "LoginEvent/get", "LoginEvent/query", "Password/change"]


@pytest.mark.parametrize("method", METHODS)
def test_only_the_page_touches_logins(web, method):
    """Not with a password or an app password, not for another account, not logged out."""
    alice, bob = web.accounts
    page = Person(web, bob)
    made = page.do("AppPassword/set", create={"x": {"name": "m %d" % time.monotonic_ns(), "scopes": ["web"]}})
    app = made["created"]["x"]
    args = {"accountId": page.me, "old": bob.password, "new": "a new password",
            "update": {"singleton": {"action": "begin"}}} if "/set" in method or "/change" in method else {"accountId": page.me}
    for field in (basic(bob.address, bob.password), basic(bob.address, app["password"]), "Bearer " + app["password"]):
        a = api(web, field, [method, args])
        assert a.status == 200
        [[name, result, _]] = a.json["methodResponses"]
        assert name == "error" and result["type"] == "forbidden", a.body
    stranger = Person(web, alice)
    [(name, result)] = stranger.jmap([method, args])
    assert name == "error" and result["type"] == "accountNotFound"
    assert Browser(web).ask("POST", "/jmap/api", "{}", {"Content-Type": "application/json"}).status == 401
    page.do("AppPassword/set", destroy=[app["id"]])


def test_the_owner_reads_who_tried(web, person):
    b = Person(web, person)
    assert by_imap(web, person.address, "wrong") != "OK"
    end = time.monotonic() + 5
    while time.monotonic() < end:
        ids = b.do("LoginEvent/query")["ids"]
        if len(ids) >= 2:
            break
        time.sleep(0.05)
    rows = b.do("LoginEvent/get", ids=ids)["list"]
    assert [r["id"] for r in rows] == ids
    assert {(r["protocol"], r["isGood"]) for r in rows} == {("web", True), ("imap", False)}
    assert b.do("LoginEvent/query", limit=1)["ids"] == ids[:1]
    assert b.do("LoginEvent/query", position=1)["ids"] == ids[1:]
    assert Person(web, web.accounts[0]).do("LoginEvent/get", ids=ids)["list"] == []
