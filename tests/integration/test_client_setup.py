"""What mail programs ask before they know their servers: autoconfig, autodiscover, Apple's profiles, SRV records."""

import http.client
import json
import xml.etree.ElementTree as ET

import pytest

OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
MOBILE = "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
REQUEST = ('<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/'
           'autodiscover/outlook/requestschema/2006"><Request><EMailAddress>%s</EMailAddress>'
           '<AcceptableResponseSchema>%s</AcceptableResponseSchema></Request></Autodiscover>')


SENDING = """demo = yes
listener smtp { address = { "127.0.0.1:2525" } }
listener submission { protocol = submission address = { "127.0.0.1:5870" } }
listener submissions { protocol = submission tls = implicit address = { "127.0.0.1:4650" } }
listener web { protocol = http address = { "127.0.0.1:8080" } }
"""


@pytest.fixture(scope="module")
def station():
    """Mail is sent here, and read nowhere."""
    from station import Yizhan
    with Yizhan(conf=SENDING) as server:
        yield server


@pytest.fixture(scope="module")
def whole():
    """The demo: mail is read too."""
    from station import Yizhan
    with Yizhan() as server:
        yield server


def ask(station, path, method="GET", body=None, host=None):
    c = http.client.HTTPConnection("127.0.0.1", station.ports["web"], timeout=20)
    try:
        c.request(method, path, body=body, headers={"Host": host} if host else {})
        r = c.getresponse()
        return r.status, r.getheader("Content-Type"), r.read()
    finally:
        c.close()


def autoconfig_bytes(station):
    server = ("    <outgoingServer type=\"smtp\">\n"
              "      <hostname>mx.yizhan.test</hostname>\n"
              "      <port>%d</port>\n"
              "      <socketType>%s</socketType>\n"
              "      <authentication>password-cleartext</authentication>\n"
              "      <username>%%EMAILADDRESS%%</username>\n"
              "    </outgoingServer>\n")
    return ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<clientConfig version=\"1.1\">\n"
            "  <emailProvider id=\"yizhan.test\">\n"
            "    <domain>yizhan.test</domain>\n"
            "    <displayName>yizhan.test</displayName>\n"
            "    <displayShortName>yizhan.test</displayShortName>\n"
            + server % (station.ports["submissions"], "SSL") + server % (station.ports["submission"], "STARTTLS")
            + "  </emailProvider>\n</clientConfig>\n").encode()


@pytest.mark.parametrize("path, host", [
    ("/mail/config-v1.1.xml?emailaddress=alice%40yizhan.test", None),
    ("/mail/config-v1.1.xml?emailaddress=nobody@YIZHAN.test", None),
    ("/mail/config-v1.1.xml", "autoconfig.yizhan.test"),
    ("/.well-known/autoconfig/mail/config-v1.1.xml", "yizhan.test"),
    ("/.well-known/autoconfig/mail/config-v1.1.xml?emailaddress=alice@yizhan.test", "mx.yizhan.test"),
])
def test_thunderbird_gets_these_bytes_whoever_it_asks_for(station, path, host):
    status, kind, body = ask(station, path, host=host)
    assert (status, kind) == (200, "text/xml; charset=utf-8")
    assert body == autoconfig_bytes(station)


@pytest.mark.parametrize("path, host", [
    ("/mail/config-v1.1.xml?emailaddress=alice@elsewhere.test", None),
    ("/mail/config-v1.1.xml", "autoconfig.elsewhere.test"),
    ("/mail/config-v1.1.xml", None),
    ("/mail/config-v1.1.xml?emailaddress=a%0d%0ab@yizhan.test", None),
])
def test_others_domains_have_no_settings_here(station, path, host):
    status, _, body = ask(station, path, host=host)
    assert status == 404
    assert b"<port>" not in body


@pytest.mark.parametrize("path", ["/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml",
                                  "/AutoDiscover/AutoDiscover.xml"])
def test_outlook_gets_its_settings(station, path):
    status, kind, body = ask(station, path, "POST", REQUEST % ("Alice@yizhan.test", OUTLOOK))
    assert (status, kind) == (200, "text/xml; charset=utf-8")
    assert body == (
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
        "  <Response xmlns=\"%s\">\n"
        "    <User>\n"
        "      <DisplayName>Alice@yizhan.test</DisplayName>\n"
        "    </User>\n"
        "    <Account>\n"
        "      <AccountType>email</AccountType>\n"
        "      <Action>settings</Action>\n"
        "      <Protocol>\n"
        "        <Type>SMTP</Type>\n"
        "        <Server>mx.yizhan.test</Server>\n"
        "        <Port>%d</Port>\n"
        "        <DomainRequired>off</DomainRequired>\n"
        "        <LoginName>Alice@yizhan.test</LoginName>\n"
        "        <SPA>off</SPA>\n"
        "        <SSL>on</SSL>\n"
        "        <Encryption>SSL</Encryption>\n"
        "        <AuthRequired>on</AuthRequired>\n"
        "        <UsePOPAuth>on</UsePOPAuth>\n"
        "        <SMTPLast>off</SMTPLast>\n"
        "      </Protocol>\n"
        "    </Account>\n"
        "  </Response>\n"
        "</Autodiscover>\n" % (OUTLOOK, station.ports["submissions"])).encode()


@pytest.mark.parametrize("body, code", [
    (REQUEST % ("alice@yizhan.test", MOBILE), "601"),
    (REQUEST % ("alice@elsewhere.test", OUTLOOK), "601"),
    (REQUEST % ("no address", OUTLOOK), "600"),
    ("", "600"),
    ("<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x><EMailAddress>&e;</EMailAddress></x>", "600"),
])
def test_outlook_is_told_what_is_wrong(station, body, code):
    status, _, answer = ask(station, "/autodiscover/autodiscover.xml", "POST", body)
    assert status == 200
    assert next(e.text for e in ET.fromstring(answer).iter() if e.tag.endswith("ErrorCode")) == code
    assert b"root:" not in answer


def test_a_request_has_its_limit(station):
    assert ask(station, "/autodiscover/autodiscover.xml", "POST", "<a>" + " " * 20000 + "</a>")[0] == 413
    assert ask(station, "/autodiscover/autodiscover.xml")[0] == 405


def test_outlook_finds_the_xml_by_json(station):
    host = "autodiscover.yizhan.test"
    for path in ("/autodiscover/autodiscover.json?Email=alice@yizhan.test&Protocol=AutodiscoverV1",
                 "/autodiscover/autodiscover.json/v1.0/alice@yizhan.test?Protocol=Autodiscoverv1"):
        status, kind, body = ask(station, path, host=host)
        assert (status, kind) == (200, "application/json")
        assert json.loads(body) == {"Protocol": "AutodiscoverV1",
                                    "Url": "http://%s/autodiscover/autodiscover.xml" % host}
    status, _, body = ask(station, "/autodiscover/autodiscover.json?Protocol=ActiveSync", host=host)
    assert status == 400
    assert json.loads(body)["ErrorCode"] == "InvalidProtocol"


def test_a_profile_is_not_made_without_a_way_to_read(station):
    assert ask(station, "/apple/mail.mobileconfig?email=alice@yizhan.test")[0] == 404
    assert ask(station, "/apple/mail.mobileconfig")[0] == 400


def test_dns_advises_the_records(station):
    lines = station.cli("dns", "yizhan.test", "--offline", "--json", check=False).stdout.splitlines()
    rows = [r for r in map(json.loads, lines) if r["type"] in ("SRV", "CNAME")]
    assert [(r["name"], r["publish"]) for r in rows] == [
        ("_submissions._tcp.yizhan.test", "0 1 %d mx.yizhan.test." % station.ports["submissions"]),
        ("_submission._tcp.yizhan.test", "10 1 %d mx.yizhan.test." % station.ports["submission"]),
        ("autoconfig.yizhan.test", "mx.yizhan.test."),
        ("autodiscover.yizhan.test", "mx.yizhan.test."),
    ]


def test_ways_to_read_are_told_where_there_are_some(whole):
    told = [(s.get("type"), int(s.find("port").text), s.find("socketType").text)
            for s in ET.fromstring(ask(whole, "/mail/config-v1.1.xml?emailaddress=a@yizhan.test")[2]).iter("incomingServer")]
    expected = [(kind, whole.ports[name], how) for kind in ("imap", "pop3") if kind in whole.ports
                for name, how in ((kind + "s", "SSL"), (kind, "STARTTLS"))]
    assert told == expected and ("pop3", whole.ports["pop3s"], "SSL") in told
    answer = ask(whole, "/autodiscover/autodiscover.xml", "POST", REQUEST % ("a@yizhan.test", OUTLOOK))[2]
    assert b"<Type>POP3</Type>" in answer and b"<Port>%d</Port>" % whole.ports["pop3s"] in answer
    status, kind, profile = ask(whole, "/apple/mail.mobileconfig?email=alice@yizhan.test")
    assert status == 200 and kind == "application/x-apple-aspen-config"
    assert (b"EmailTypeIMAP" if "imap" in whole.ports else b"EmailTypePOP") in profile
    lines = whole.cli("dns", "yizhan.test", "--offline", "--json", check=False).stdout.splitlines()
    names = {r["name"]: r["publish"] for r in map(json.loads, lines) if r["type"] == "SRV"}
    assert names["_pop3s._tcp.yizhan.test"].split()[2] == str(whole.ports["pop3s"])


def test_the_page_tells_people_what_the_documents_tell_their_programs():
    from station import Yizhan
    conf = ('demo = yes\nclients { server = "mail.yizhan.test" }\nlistener smtp { address = { "127.0.0.1:2525" } }\n'
            'listener plain { protocol = submission tls = none address = { "127.0.0.1:5870" } }\n'
            'listener subs { protocol = submission tls = implicit address = { "127.0.0.1:4650" } }\n'
            'listener web { protocol = http tls = none address = { "127.0.0.1:8080" } }\n')
    with Yizhan(conf=conf) as station:
        page = ask(station, "/")[2].decode()
        xml = ask(station, "/mail/config-v1.1.xml?emailaddress=a@yizhan.test")[2].decode()
        for text in (page, xml):
            assert "mail.yizhan.test<" in text and ">%d<" % station.ports["subs"] in text
            assert ">%d<" % station.ports["plain"] not in text  # a password in clear is told to nobody
        assert "postmaster@mx.yizhan.test" in page
