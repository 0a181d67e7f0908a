"""TLS policy end to end: `yizhan serve` beside a signed DNS laboratory (tests/lab), hosts with good and wrong
certificates, and a web server with MTA-STS policies. Who is not the right host never sees a letter.

Hosts lie on addresses of their own and one port: `fit` has a certificate of the authority that the station knows, for
its names; `alien` one that it signed itself, for the same names; `other` one of the authority for another name; `old`
one that has expired; `bare` offers no TLS; `keeps` offers REQUIRETLS.
"""

import contextlib
import http.server
import random
import smtplib
import ssl
import threading
import time

import pytest

from certs import Authority, mismatch, self_signed
from lab import Lab, free_dns_port, sts
from pysink import PySink
from station import Yizhan

ALICE = "alice@yizhan.test"
HOSTS = ("fit", "alien", "other", "old", "bare", "keeps")


class Web:
    """https for mta-sts.*: what `policies` says of the name asked for; a text, a status, or None for 404."""

    def __init__(self, pair, address, port):
        self.policies, self.asked = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host = self.headers["Host"].split(":")[0]
                web.asked.append(host)
                policy = web.policies.get(host) if self.path == "/.well-known/mta-sts.txt" else None
                if isinstance(policy, int):
                    self.send_response(policy)
                    self.send_header("Location", "https://%s/moved" % self.headers["Host"])
                    self.end_headers()
                    return
                self.send_response(200 if policy else 404)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write((policy or "").encode())

            def log_message(self, *words):
                pass
        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.chain, pair.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *why):
        self.server.shutdown()
        self.server.server_close()


def policy(mode, *mx, max_age=604800):
    return "version: STSv1\r\nmode: %s\r\n%smax_age: %d\r\n" % (mode, "".join("mx: %s\r\n" % m for m in mx), max_age)


class World:
    def __init__(self, stack):
        self.port, self.web_port = free_dns_port(), free_dns_port()
        net = "127.%d.%d" % (random.randint(1, 254), random.randint(1, 254))
        self.address = {name: "%s.%d" % (net, n) for n, name in enumerate(HOSTS + ("web", "deaf"), 1)}
        self.lab = stack.enter_context(Lab())
        self.ca = Authority(self.lab.directory)
        names = ["%s.mx.hosts.example" % h for h in HOSTS] + ["%s.mx.bare.example" % h for h in HOSTS]
        names += ["fit.mx.anchored.example", "mx.daneover.example"]
        self.certs = {"fit": self.ca.issue(*names), "keeps": self.ca.issue(*names), "alien": self_signed(self.lab.directory, *names),
                      "other": self.ca.issue("mx.elsewhere.example"), "old": self.ca.issue(*names, expired=True)}
        self.peers = {h: stack.enter_context(self.peer(h)) for h in HOSTS}
        self.web = stack.enter_context(Web(self.ca.issue("*.web.example", *self.web_names()), self.address["web"], self.web_port))
        self.fill()
        self.station = stack.enter_context(Yizhan(conf=self.conf()))

    def peer(self, name):
        caps = ["PIPELINING", "8BITMIME", "LIMITS MAILMAX=1"] + (["REQUIRETLS"] if name == "keeps" else [])
        cert = self.certs.get(name)
        tls = {"tls": (cert.chain, cert.key)} if cert else {}
        return PySink(host=self.address[name], port=self.port, caps=caps, **tls)

    @staticmethod
    def web_names():
        return ["mta-sts.%s.example" % d for d in (
            "enforce", "wrongname", "unknown", "expired", "notls", "unnamed", "testing", "none", "daneover", "stale",
            "redirect", "changing", "second")]

    def conf(self):
        return ('demo = yes\nrelay_networks = { "127.0.0.0/8" }\n' + self.lab.conf() +
                "queue { port = %d loopback = yes }\n" % self.port +
                'tls_policy { ca_file = "%s" sts_port = %d }\n' % (self.ca.cert, self.web_port))

    def fill(self):
        zone, port = self.lab.zone, self.port
        hosts = ["%s.mx A %s" % (h, self.address[h]) for h in HOSTS]
        zone("hosts.example", *hosts)
        zone("bare.example", *hosts, signed=False)
        mta = "mta-sts A %s" % self.address["web"]

        def tlsa(record):
            return "_%d._tcp.mx TLSA %s" % (port, record)

        fit, alien = self.certs["fit"], self.certs["alien"]
        own = lambda h: ["@ MX 10 mx", "mx A %s" % self.address[h]]  # noqa: E731
        zone("valid.example", *own("alien"), tlsa(alien.tlsa("3 1 1")))
        zone("anchor.example", "@ MX 10 fit.mx.anchored.example.")
        zone("anchored.example", "fit.mx A %s" % self.address["fit"], "_%d._tcp.fit.mx TLSA %s" % (port, self.ca.tlsa("2 0 1")))
        zone("mismatched.example", *own("fit"), tlsa(mismatch("3 1 1")))
        zone("bogus.example", *own("fit"), tlsa(fit.tlsa("3 1 1")), broken=["_%d._tcp.mx TLSA" % port])
        zone("absent.example", *own("alien"))
        zone("unusable.example", *own("alien"), tlsa(alien.tlsa("1 1 1")))
        zone("unsigned.example", *own("fit"), tlsa(mismatch("3 1 1")), signed=False)
        zone("danebare.example", *own("bare"), tlsa(fit.tlsa("3 1 1")))
        zone("failover.example", "@ MX 10 mx", "@ MX 20 second", "mx A %s" % self.address["fit"], "second A %s" % self.address["alien"],
             tlsa(mismatch("3 1 1")), "_%d._tcp.second TLSA %s" % (port, alien.tlsa("3 1 1")))
        for name, host in (("enforce", "fit"), ("wrongname", "other"), ("unknown", "alien"), ("expired", "old"),
                           ("notls", "bare"), ("unnamed", "fit"), ("testing", "other"), ("none", "other"),
                           ("stale", "other"), ("redirect", "other"), ("changing", "other")):
            zone(name + ".example", "@ MX 10 %s.mx.bare.example." % host, mta, sts("1"), signed=False)
        zone("second.example", "@ MX 10 other.mx.bare.example.", "@ MX 20 fit.mx.bare.example.", mta, sts("1"), signed=False)
        zone("unreachable.example", "@ MX 10 other.mx.bare.example.", "mta-sts A %s" % self.address["deaf"], sts("1"), signed=False)
        zone("daneover.example", *own("fit"), tlsa(mismatch("3 1 1")), mta, sts("1"))
        for name in ("ruled", "ruledbare", "exempt", "plainmx"):
            host = {"ruled": "other", "ruledbare": "bare", "exempt": "fit", "plainmx": "fit"}[name]
            zone(name + ".example", "@ MX 10 %s.mx.bare.example." % host, signed=False)
        zone("exempt.example", *own("fit"), tlsa(mismatch("3 1 1")))
        zone("keeps.example", "@ MX 10 keeps.mx.hosts.example.")
        zone("keepsnot.example", "@ MX 10 fit.mx.hosts.example.")
        zone("optional.example", *own("fit"), tlsa(mismatch("3 1 1")))
        sure = "*.mx.bare.example"
        for name in ("enforce", "wrongname", "unknown", "expired", "notls", "stale", "second"):
            self.web.policies["mta-sts.%s.example" % name] = policy("enforce", sure)
        self.web.policies["mta-sts.unnamed.example"] = policy("enforce", "*.mx.hosts.example")
        self.web.policies["mta-sts.testing.example"] = policy("testing", "nobody.example")
        self.web.policies["mta-sts.none.example"] = policy("none")
        self.web.policies["mta-sts.daneover.example"] = policy("enforce", "mx.daneover.example")
        self.web.policies["mta-sts.redirect.example"] = 301
        self.web.policies["mta-sts.changing.example"] = policy("testing", sure)

    def sessions(self, domain):
        """What the peers saw of letters to that domain: [(host, was it under TLS, taken)]."""
        rcpt = "you@" + domain
        return [(name, letter.session.is_tls, letter.is_taken) for name, peer in self.peers.items()
                for letter in list(peer.letters) if rcpt in letter.rcpts]

    def said(self, domain):
        """Every line, from any client, that names the domain's recipient."""
        return [(name, s.is_tls, line) for name, peer in self.peers.items() for s in list(peer.sessions)
                for line in s.lines if "you@" + domain in line]


@pytest.fixture(scope="module")
def world():
    with contextlib.ExitStack() as stack:
        yield World(stack)


def send(station, domain, header="", options=(), is_tls=False):
    subject = "%s %08x" % (domain, random.getrandbits(32))
    text = "From: %s\r\n%sSubject: %s\r\n\r\nHello.\r\n" % (ALICE, header, subject)
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        if is_tls:
            client.starttls(context=ssl._create_unverified_context())
        assert client.sendmail(ALICE, ["you@" + domain], text, mail_options=list(options)) == {}


def wait_came(world, domain, seconds=30):
    end = time.monotonic() + seconds
    while not [s for s in world.sessions(domain) if s[2]]:
        assert time.monotonic() < end, "%s\n%s" % (world.said(domain), world.station.log())
        time.sleep(0.05)
    return [s for s in world.sessions(domain) if s[2]]


def row_of(station, domain):
    rows = [r for r in station.cli_json("queue", "list", "--json") if r["recipient"] == "you@" + domain]
    return rows[0] if rows else None


def wait_put_off(world, domain, seconds=30):
    """Until the letter for that domain waits with a reason: its text."""
    end = time.monotonic() + seconds
    while True:
        row = row_of(world.station, domain)
        if row and row["last"]:
            assert row["state"] == "waiting"
            return row["last"]
        assert time.monotonic() < end, "%s\n%s" % (row, world.station.log())
        time.sleep(0.05)


def wait_report(world, domain, seconds=30):
    end = time.monotonic() + seconds
    while True:
        for row in world.station.mailbox(ALICE):
            text = world.station.export(ALICE, row["uid"]).decode("utf-8", "replace")
            if "you@" + domain in text and "Final-Recipient" in text:
                return text
        assert time.monotonic() < end, world.station.log()
        time.sleep(0.1)


GOES = [
    # DANE (RFC 7672)
    ("valid", "alien", True),         # its key is the one of the TLSA record, whoever signed it
    ("anchor", "fit", True),          # an authority's certificate stands in DNS
    ("absent", "alien", True),        # no TLSA records: TLS as offered
    ("unusable", "alien", True),      # none that SMTP can use: TLS, whoever it is
    ("unsigned", "fit", True),        # TLSA without DNSSEC says nothing
    ("failover", "alien", True),      # the first host does not fit, the second does
    # MTA-STS (RFC 8461)
    ("enforce", "fit", True),
    ("testing", "other", True),       # nothing fits, all is told
    ("none", "other", True),
    ("unreachable", "other", True),   # no policy can be had, and none was kept
    ("redirect", "other", True),      # a redirect is no policy
    ("second", "fit", True),          # the first host has another's certificate
]

WAITS = [
    ("mismatched", "4.7.5"), ("bogus", "4.7.5"), ("danebare", "4.7.10"), ("daneover", "4.7.5"),
    ("wrongname", "4.7.5"), ("unknown", "4.7.5"), ("expired", "4.7.5"), ("notls", "4.7.10"), ("unnamed", "4.7.5"),
]


@pytest.mark.parametrize("name, host, is_tls", GOES)
def test_a_letter_goes_to_a_host_that_fits(world, name, host, is_tls):
    send(world.station, name + ".example")
    assert wait_came(world, name + ".example") == [(host, is_tls, True)]


@pytest.mark.parametrize("name, code", WAITS)
def test_a_host_that_does_not_fit_never_gets_the_letter(world, name, code):
    domain = name + ".example"
    send(world.station, domain)
    last = wait_put_off(world, domain)
    assert last["enhanced"] == code, last
    assert world.said(domain) == []
    # nor when it is tried again
    world.station.cli("queue", "retry", "--recipient", "you@" + domain)
    time.sleep(1)
    assert world.said(domain) == [] and row_of(world.station, domain)


def test_a_kept_policy_holds_while_its_server_is_away(world):
    """Stale: what was fetched counts until it expires, whatever the web server says."""
    domain, station = "stale.example", world.station
    send(station, domain)
    wait_put_off(world, domain)
    assert world.web.asked.count("mta-sts.stale.example") == 1
    world.web.policies["mta-sts.stale.example"] = None
    station.restart()
    station.cli("queue", "retry", "--recipient", "you@" + domain)
    time.sleep(1)
    assert wait_put_off(world, domain)["enhanced"] == "4.7.5"
    assert world.said(domain) == []
    assert world.web.asked.count("mta-sts.stale.example") == 1  # the id is the same: nothing is fetched


def test_a_new_id_brings_the_new_policy(world):
    domain, station = "changing.example", world.station
    send(station, domain)
    assert wait_came(world, domain) == [("other", True, True)]
    world.web.policies["mta-sts.changing.example"] = policy("enforce", "*.mx.bare.example")
    world.lab.zone(domain, "@ MX 10 other.mx.bare.example.", "mta-sts A %s" % world.address["web"], sts("2"), signed=False)
    world.lab.publish()
    time.sleep(2.5)  # what was cached has run out
    station.restart()  # and the way to it is looked up again
    send(station, domain)
    assert wait_put_off(world, domain)["enhanced"] == "4.7.5"
    assert len(world.sessions(domain)) == 1


def test_overrides_count_at_once(world):
    station = world.station
    send(station, "plainmx.example")
    assert wait_came(world, "plainmx.example") == [("fit", True, True)]
    station.cli("tls", "set", "ruled.example", "verify", "--note", "they promised")
    station.cli("tls", "set", ".example", "encrypt")
    send(station, "ruled.example")
    assert wait_put_off(world, "ruled.example")["enhanced"] == "4.7.5"
    send(station, "ruledbare.example")
    assert wait_put_off(world, "ruledbare.example")["enhanced"] == "4.7.10"
    assert world.said("ruled.example") == world.said("ruledbare.example") == []
    # what forbade it goes away: they leave without a restart
    station.cli("tls", "set", "ruled.example", "encrypt")
    station.cli("tls", "remove", ".example")
    for name in ("ruled.example", "ruledbare.example"):
        station.cli("queue", "retry", "--recipient", "you@" + name)
    assert wait_came(world, "ruled.example") == [("other", True, True)]
    assert wait_came(world, "ruledbare.example") == [("bare", False, True)]
    # and broken DANE can be passed over on purpose
    station.cli("tls", "set", "exempt.example", "may")
    send(station, "exempt.example")
    assert wait_came(world, "exempt.example") == [("fit", True, True)]


def test_requiretls_goes_on_to_who_promises_it(world):
    send(world.station, "keeps.example", options=["REQUIRETLS"], is_tls=True)
    assert wait_came(world, "keeps.example") == [("keeps", True, True)]
    letter = [x for x in world.peers["keeps"].letters if "you@keeps.example" in x.rcpts][0]
    assert "REQUIRETLS" in letter.sender_params


def test_requiretls_comes_back_where_nobody_promises_it(world):
    send(world.station, "keepsnot.example", options=["REQUIRETLS"], is_tls=True)
    report = wait_report(world, "keepsnot.example")
    assert "5.7.30" in report
    assert world.said("keepsnot.example") == []


def test_tls_required_no_passes_over_what_is_published(world):
    send(world.station, "optional.example", header="TLS-Required: No\r\n")
    assert wait_came(world, "optional.example") == [("fit", True, True)]
    send(world.station, "optional.example")
    assert wait_put_off(world, "optional.example")["enhanced"] == "4.7.5"
    assert len(world.sessions("optional.example")) == 1


def test_the_trace_says_which_policy_held(world):
    mark = "%08x@trace.example" % random.getrandbits(32)
    send(world.station, "valid.example", header="Message-ID: <%s>\r\n" % mark)
    end = time.monotonic() + 20
    while b"dane: its TLSA records decide (DANE)" not in world.station.cli("trace", mark, check=False).stdout:
        assert time.monotonic() < end, world.station.cli("trace", mark, check=False).stdout.decode()
        time.sleep(0.2)
    delivered = [r for r in world.station.cli_json("trace", mark, "--json") if r.get("event") == "delivered"][-1]
    steps = [s["step"] for s in delivered["facts"]["steps"]]
    assert steps[:2] == ["mx", "policy"] and steps[2:] in (["reused"], ["address", "tlsa", "connect", "tls"]), steps


def test_reports_have_the_shape_of_rfc_8460(world):
    """After the tests above: each result stands under its domain and policy."""
    send(world.station, "enforce.example")
    wait_came(world, "enforce.example")
    reports = {r["policies"][0]["policy"]["policy-domain"]: r for r in world.station.cli_json("tls", "report", "--json")}

    def only(domain):
        assert set(reports[domain]) >= {"organization-name", "date-range", "contact-info", "report-id", "policies"}
        return reports[domain]["policies"][0]

    good = only("enforce.example")
    assert good["policy"]["policy-type"] == "sts" and good["policy"]["mx-host"] == ["*.mx.bare.example"]
    assert "mode: enforce" in good["policy"]["policy-string"]
    assert good["summary"]["total-successful-session-count"] >= 1 and good["summary"]["total-failure-session-count"] == 0
    wants = {"wrongname": ("sts", "certificate-host-mismatch"), "unknown": ("sts", "certificate-not-trusted"),
             "expired": ("sts", "certificate-expired"), "notls": ("sts", "starttls-not-supported"),
             "unnamed": ("sts", "validation-failure"), "testing": ("sts", "validation-failure"),
             "mismatched": ("tlsa", "validation-failure"), "bogus": ("tlsa", "dnssec-invalid"),
             "unusable": ("tlsa", "tlsa-invalid"), "danebare": ("tlsa", "starttls-not-supported")}
    for name, (kind, result) in wants.items():
        found = only(name + ".example")
        assert found["policy"]["policy-type"] == kind, found
        assert [d["result-type"] for d in found["failure-details"]] == [result], found
        assert found["summary"]["total-failure-session-count"] >= 1
    kinds = {d["result-type"] for p in reports["unreachable.example"]["policies"] for d in p["failure-details"]}
    assert kinds == {"sts-policy-fetch-error"}
    text = world.station.cli("tls", "report", "wrongname.example").stdout.decode()
    assert "certificate-host-mismatch" in text and "other.mx.bare.example" in text
