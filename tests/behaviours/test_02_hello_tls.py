"""EHLO and TLS: behaviours 20 to 30."""
import pytest

from session import abi

REQUIRED, OPTIONAL = abi.YZ_TLS_REQUIRED, abi.YZ_TLS_OPTIONAL


def test_behaviour_20_keywords(serve, client, cut):
    s = serve(ehlo=["Size 1000", "8bitmime", "X-Unknown a B  c", "auth PLAIN", "AUTH=LOGIN PLAIN"], cut=cut)
    c = client()
    assert c.connect(s.url) == "ok"
    assert c.cap("SIZE") == "1000" and c.cap("size") == "1000" and c.cap("8BITMIME") == "" and c.cap("DSN") is None
    assert sorted(c.cap("AUTH").split()) == ["LOGIN", "PLAIN"]
    assert c.cap("x-unknown").split() == ["a", "B", "c"] and "X-UNKNOWN" in [name.upper() for name, _ in c.caps()]


def test_behaviour_21_helo_where_ehlo_is_refused(serve, client, cut):
    s = serve({"EHLO": b"502 5.5.1 what\r\n"}, ehlo=["SIZE 1"], cut=cut)
    c = client()
    assert c.connect(s.url) == "ok" and not c.get("is_esmtp") and c.caps() == []
    assert c.send(body="grüße\r\n".encode(), flags=abi.YZ_8BIT_ANYWAY)[0] == "ok"
    c.call("quit")
    assert s.settled()[:3] == ["EHLO me.test", "HELO me.test", "MAIL FROM:<me@x.test>"]


def test_behaviour_21_both_refused_keep_both_replies(serve, client):
    s = serve({"EHLO": b"502 no ehlo\r\n", "HELO": b"550 no helo\r\n"})
    c = client()
    assert c.connect(s.url) == "helo"
    assert "502" in c.error.text or "no ehlo" in c.error.text
    assert c.error.reply.code == 550


def test_behaviour_22_the_default_name(serve, client):
    s = serve()
    assert client(hello_name=None).connect(s.url) == "ok"
    name = s.lines[0].split(" ")[1]
    assert "." in name and (name.startswith("[") and name.endswith("]") or not name.startswith("["))


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a b", ""])
def test_behaviour_22_a_name_that_would_break_the_line_is_refused(serve, client, name):
    s = serve()
    c = client()
    assert c.open(s.url) == "ok" and c.ask("ehlo", name)[0] == "inval"
    c.call("quit")
    assert s.settled() == ["QUIT"]
    c = client(hello_name=name or "x y")
    assert c.connect(s.url) == "inval"


def test_behaviour_23_old_capabilities_are_forgotten(serve, client):
    s = serve({"EHLO": [b"250-there\r\n250 SIZE 5\r\n", b"250-there\r\n250 DSN\r\n", b"250 there\r\n"]})
    c = client()
    assert c.connect(s.url) == "ok" and c.cap("SIZE") == "5"
    assert c.ask("ehlo", "x")[0] == "ok" and c.cap("SIZE") is None and c.cap("DSN") == ""
    assert c.call("quit") == "ok" and c.cap("DSN") is None
    assert c.open(s.url) == "ok" and c.caps() == []


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0"])
def test_behaviour_24_no_fixed_limit(serve, client, size):
    s = serve(ehlo=[size])
    c = client()
    assert c.connect(s.url) == "ok" and c.get("size_max") == 0 and c.send()[0] == "ok"


def test_behaviour_25_tls_required_and_not_offered(serve, client):
    s = serve(ehlo=["AUTH PLAIN"])
    c = client(tls=REQUIRED, user="u", password="p")
    assert c.connect(s.url) == "tls"
    assert set(s.settled()) <= {"EHLO me.test", "QUIT"}


def test_behaviour_26_octets_in_clear_behind_the_220(serve, client, certs, cut):
    s = serve({"STARTTLS": b"220 go\r\n250 injected\r\n"}, ehlo=["STARTTLS"])
    c = client(ca=certs["ca"])
    assert c.connect(s.url) == "tls" and not c.is_connected


def test_behaviour_27_behind_tls_all_is_asked_anew(serve, client, certs, cut):
    s = serve(ehlo=["STARTTLS", "SIZE 5", "X-CLEAR"], after_tls=["SIZE 6"], cut=cut)
    c = client(ca=certs["ca"], tls=REQUIRED)
    assert c.connect(s.url) == "ok"
    assert c.caps() == [("SIZE", "6")] and s.lines == ["EHLO me.test", "STARTTLS", "EHLO me.test"]


@pytest.mark.parametrize("reply, temporary", [(b"454 4.7.0 later\r\n", True), (b"501 5.5.4 no\r\n", False)])
def test_behaviour_28_starttls_refused(serve, client, certs, reply, temporary):
    s = serve({"STARTTLS": reply}, ehlo=["STARTTLS"])
    c = client(tls=REQUIRED)
    assert c.connect(s.url) == "tls" and c.error.reply.code == int(reply[:3]) and not c.is_connected
    c = client(tls=OPTIONAL)
    assert c.connect(s.url) == "ok" and not c.get("tls") and c.send()[0] == "ok"


X509_EXPIRED, X509_SELF, X509_ISSUER, X509_NAME, X509_IP = 10, 18, 20, 62, 64


@pytest.mark.parametrize("cert, host, error", [("expired", "localhost", X509_EXPIRED), ("self", "localhost", X509_SELF),
                                               ("other", "localhost", X509_NAME), ("name only", "127.0.0.1", X509_IP)])
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_behaviour_29_bad_certificates_are_refused_and_told_apart(serve, client, certs, scheme, cert, host, error):
    s = serve(ehlo=["STARTTLS"], cert=cert, tls="at once" if scheme == "smtps" else None)
    c = client(ca=certs["ca"], tls=REQUIRED)
    assert c.connect("%s://%s:%d" % (scheme, host, s.port)) == "tls-verify"
    assert c.error.tls_verify == error and not c.is_connected
    assert client(ca=certs["ca"], verify=abi.YZ_VERIFY_NO).connect("%s://%s:%d" % (scheme, host, s.port)) == "ok"


def test_behaviour_29_an_unknown_issuer(serve, client, certs):
    s = serve(ehlo=["STARTTLS"])
    c = client(tls=REQUIRED)
    assert c.connect(s.url) == "tls-verify" and c.error.tls_verify in (X509_ISSUER, 21, 19, 2)


def test_behaviour_29_an_address_fits_its_own_name(serve, client, certs):
    s = serve(ehlo=["STARTTLS"])
    assert client(ca=certs["ca"], tls=REQUIRED).connect("smtp://127.0.0.1:%d" % s.port) == "ok"
    c = client(ca=certs["ca"], tls=REQUIRED, tls_name="mail.test")
    assert c.connect(s.url) == "ok" and s.sni[-1] == "mail.test"


def test_behaviour_30_tls_at_once(serve, client, certs, cut):
    s = serve(tls="at once", cut=cut)
    c = client(ca=certs["ca"])
    assert c.connect(s.url) == "ok"
    info = c.get("tls").contents
    assert s.sni == ["localhost"] and info.version.startswith(b"TLSv1.") and info.cipher and info.is_verified
    assert info.verify_error == 0 and info.name == b"localhost"
    assert info.cert_count >= 1 and b"CN=good" in info.certs[0].subject.replace(b" ", b"")
    assert b"DNS:localhost" in info.certs[0].names and info.certs[0].not_after > info.certs[0].not_before
    assert c.send()[0] == "ok" and s.bodies
