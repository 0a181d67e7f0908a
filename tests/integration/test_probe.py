"""yizhan probe: what it finds at servers that are well, and at servers that are scripted to be ill; nothing leaves
loopback, and names come from a table."""

import fcntl
import hashlib
import http.server
import json
import os
import pty
import re
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time
import unicodedata

import pytest

from station import binary

HOST = "127.0.0.1"
MX1, MX2 = "mx1.example.test", "mx2.example.test"


# ---- certificates ----

class Certificates:
    """An authority, and what it signs: (certificate, key) by name."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.ca = self.path("ca.pem")
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                     "-subj", "/CN=Test Authority", "-keyout", self.path("ca.key"), "-out", self.ca)
        self.good = self.issue("good", [MX1, MX2, "mta-sts.example.test"])
        self.expired = self.issue("expired", [MX1], days=-1)
        self.soon = self.issue("soon", [MX1], days=3)
        self.wrong = self.issue("wrong", ["other.test"])
        self.selfsigned = self.issue("self", [MX1], by_ca=False)

    def path(self, name):
        return os.path.join(self.directory, name)

    def openssl(self, *words):
        return subprocess.run(["openssl", *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout

    def issue(self, name, hosts, days=60, by_ca=True):
        cert, key, csr, ext = (self.path(name + end) for end in (".pem", ".key", ".csr", ".ext"))
        with open(ext, "w") as f:
            f.write("subjectAltName=" + ",".join("DNS:" + h for h in hosts) + "\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                     "-keyout", key, "-out", csr)
        who = ["-CA", self.ca, "-CAkey", self.path("ca.key")] if by_ca else ["-signkey", key]
        self.openssl("x509", "-req", "-in", csr, *who, "-days", str(days), "-extfile", ext, "-out", cert)
        return cert, key

    def tlsa(self, pair):
        """The data of "3 1 1"."""
        pem = self.openssl("x509", "-in", pair[0], "-noout", "-pubkey")
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, check=True,
                             stdout=subprocess.PIPE).stdout
        return "030101" + hashlib.sha256(der).hexdigest()


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certs"))


# ---- scripted servers ----

class Scripted:
    """A mail server of few words. What it is told goes into `heard`, one list a connection."""

    def __init__(self, protocol="smtp", pair=None, host=HOST, port=0, tls_at_once=False, greeting=None, offers=None, offers_tls=None,
                 is_injectable=False, is_relay=False, is_silent=False, starttls_reply=None, old_tls=False, max_tls=None):
        self.protocol, self.host, self.tls_at_once = protocol, host, tls_at_once
        self.greeting = greeting or {"smtp": b"220 scripted ESMTP", "imap": b"* OK ready", "pop3": b"+OK ready"}[protocol]
        self.offers = offers if offers is not None else {
            "smtp": ["PIPELINING", "SIZE 10485760", "STARTTLS"], "imap": ["IMAP4rev1", "STARTTLS", "LOGINDISABLED"],
            "pop3": ["TOP", "UIDL", "STLS"]}[protocol]
        self.offers_tls = offers_tls if offers_tls is not None else [o for o in self.offers if o not in ("STARTTLS", "STLS")]
        self.is_injectable, self.is_relay, self.is_silent = is_injectable, is_relay, is_silent
        self.starttls_reply = starttls_reply
        self.heard = []
        self.context = None
        if pair:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*pair)
            if old_tls:
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.minimum_version = ssl.TLSVersion.TLSv1
            if max_tls:
                self.context.maximum_version = max_tls
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *why):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk_safely, args=(s,), daemon=True).start()

    def talk_safely(self, s):
        s.settimeout(20)
        try:
            if self.is_silent:
                while s.recv(4096):
                    pass
                return
            self.talk(s)
        except OSError:
            pass
        finally:
            s.close()

    def talk(self, s):
        heard, is_tls, pending = [], self.tls_at_once, b""
        self.heard.append(heard)
        if is_tls:
            s = self.context.wrap_socket(s, server_side=True)
        s.sendall(self.greeting + b"\r\n")
        while True:
            while b"\n" not in pending:
                got = s.recv(4096)
                if not got:
                    return
                pending += got
            line, pending = pending.split(b"\n", 1)
            line = line.strip().decode("latin-1")
            heard.append(line)
            answer, does = getattr(self, self.protocol)(line, is_tls)
            s.sendall(answer)
            if does == "quit":
                s.close()
                return
            if does == "tls":
                if not self.is_injectable:
                    pending = b""
                s = self.context.wrap_socket(s, server_side=True)
                is_tls = True

    def smtp(self, line, is_tls):
        verb = line.upper().split(" ")[0].split(":")[0]
        if verb == "EHLO":
            lines = ["scripted"] + (self.offers_tls if is_tls else self.offers)
            return "".join("250%s%s\r\n" % (" " if i + 1 == len(lines) else "-", x)
                           for i, x in enumerate(lines)).encode("utf-8", "surrogateescape"), None
        if verb == "STARTTLS":
            return (self.starttls_reply, None) if self.starttls_reply else (b"220 go\r\n", "tls")
        if verb == "QUIT":
            return b"221 bye\r\n", "quit"
        if verb == "RCPT" and not self.is_relay:
            return b"550 5.7.1 not here\r\n", None
        return b"250 2.0.0 fine\r\n", None

    def imap(self, line, is_tls):
        tag, verb = (line.upper().split(" ") + [""])[:2]
        tag = line.split(" ")[0]
        if verb == "CAPABILITY":
            text = "* CAPABILITY %s\r\n" % " ".join(self.offers_tls if is_tls else self.offers)
            return ("%s%s OK done\r\n" % (text, tag)).encode(), None
        if verb == "LOGOUT":
            return ("* BYE\r\n%s OK bye\r\n" % tag).encode(), "quit"
        return ("%s OK done\r\n" % tag).encode(), "tls" if verb == "STARTTLS" else None

    def pop3(self, line, is_tls):
        verb = line.upper().split(" ")[0]
        if verb == "CAPA":
            return ("+OK\r\n%s.\r\n" % "".join(o + "\r\n" for o in (self.offers_tls if is_tls else self.offers))).encode(), None
        if verb == "QUIT":
            return b"+OK bye\r\n", "quit"
        return b"+OK\r\n", "tls" if verb == "STLS" else None


# ---- running it ----

def environment(**more):
    return dict({k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "YIZHAN_DATA")}, **more)


def probe(*words, env=None, seconds=30):
    done = subprocess.run([binary(), "probe", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
                          env=environment(**(env or {})))
    assert b"Sanitizer" not in done.stderr, done.stderr.decode()
    return done


def probe_json(*words):
    done = probe(*words, "--json")
    return done.returncode, json.loads(done.stdout.decode())


def on_terminal(columns, *words, **env):
    """What a terminal of that width is sent; the bar of progress, on standard error, goes elsewhere."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen([binary(), "probe", *words], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL,
                             env=environment(TERM="xterm", **env))
    os.close(theirs)
    got = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        got += more
    os.close(ours)
    return child.wait(), got.decode("utf-8", "surrogateescape")


def plain(text):
    return re.sub("\x1b\\[[0-9;]*m", "", text).replace("\r\n", "\n")


def columns_of(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def findings(result):
    return {f["what"]: f for f in result["findings"] if f["level"] != "note"}


def first_port(result):
    return result["hosts"][0]["addresses"][0]["ports"][0]


@pytest.fixture
def table(tmp_path):
    """table("NAME TYPE VALUE", ...) gives the words that make probe answer itself."""
    def write(*rows):
        usual = ["%s A secure 127.0.0.1" % MX1, "%s A 127.0.0.2" % MX2, "example.test MX secure 10 %s" % MX1,
                 "1.0.0.127.in-addr.arpa PTR " + MX1]
        file = tmp_path / "dns"
        file.write_text("\n".join(usual + list(rows)) + "\n")
        return ["--dns-table", str(file)]
    return write


# ---- our own server ----

def test_probe_tells_all_of_the_demo_server(station_shared):
    code, result = probe_json(HOST, str(station_shared.ports["smtp"]))
    port = first_port(result)
    assert code == 1 and set(findings(result)) == {"certificate"}
    assert "self-signed" in findings(result)["certificate"]["text"]
    assert port["protocol"] == "smtp" and port["open"] and "ESMTP" in port["greeting"]
    offers = {o["keyword"]: o for o in port["under_tls"]["offers"]}
    assert offers["SIZE"]["meaning"].endswith("MiB") and port["size_max"] == int(offers["SIZE"]["parameters"])
    assert all(o["meaning"] for o in port["before_tls"]["offers"])
    assert "STARTTLS" not in offers and port["before_tls"]["starttls"]
    assert port["tls"]["version"] == "TLSv1.3" and port["tls"]["group"] and port["tls"]["bits"] >= 128
    assert port["tls"]["versions"] == {"1.0": False, "1.1": False, "1.2": True, "1.3": True}
    cert = port["tls"]["certificates"][0]
    assert cert["days_left"] > 3000 and "IP:127.0.0.1" in cert["names"] and cert["pem"].startswith("-----BEGIN")
    assert port["tls"]["verification"]["verdict"] == "self-signed" and not port["tls"]["verification"]["good"]
    assert port["starttls_injection"] is False and port["open_relay"] is False
    assert {s["step"] for s in port["steps"]} == {"connect", "greeting", "EHLO", "STARTTLS", "TLS"}
    assert all(0 <= s["ms"] < 10000 for s in port["steps"])


# ---- certificates ----

@pytest.mark.parametrize("which, what, text", [
    ("expired", "certificate", "expired"), ("wrong", "certificate", "it is not for " + MX1),
    ("selfsigned", "certificate", "self-signed"), ("soon", "expires-soon", "ends in "),
])
def test_behaviour_29_probe_tells_bad_certificates_apart(certs, table, which, what, text):
    with Scripted(pair=getattr(certs, which)) as server:
        code, result = probe_json(MX1, str(server.port), "--ca-file", certs.ca, *table())
        assert code == 1 and set(findings(result)) == {what}
        assert text in findings(result)[what]["text"]


def test_an_unknown_issuer_is_told(certs, table):
    with Scripted(pair=certs.good) as server:
        code, result = probe_json(MX1, str(server.port), "--ca-file", certs.selfsigned[0], *table())
        assert code == 1 and "unknown issuer" in findings(result)["certificate"]["text"]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_a_good_server_is_praised_and_the_protocol_found_out(certs, table, protocol, at_once):
    auth = {"smtp": ["AUTH SCRAM-SHA-256 PLAIN"], "imap": ["IMAP4rev1", "AUTH=PLAIN"], "pop3": ["UIDL", "SASL PLAIN"]}[protocol]
    with Scripted(protocol, certs.good, tls_at_once=at_once, offers_tls=auth) as server:
        code, result = probe_json(MX1, str(server.port), "--ca-file", certs.ca, *table())
        port = first_port(result)
        assert (code, findings(result)) == (0, {})
        assert port["protocol"] == {"smtp": ["smtp", "submissions"], "imap": ["imap", "imaps"],
                                    "pop3": ["pop3", "pop3s"]}[protocol][at_once]
        assert port["tls"]["verification"]["good"] and "PLAIN" in port["under_tls"]["auth"]
        assert port["starttls_injection"] is (None if at_once else False)
        if at_once:
            return  # who says nothing first is waited for: once is enough
        done = probe(MX1, str(server.port), "--ca-file", certs.ca, *table())
        assert done.returncode == 0 and "nothing to complain about" in done.stdout.decode()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_old_versions_of_tls_are_found(certs, table):
    with Scripted(pair=certs.good, old_tls=True, max_tls=ssl.TLSVersion.TLSv1_2) as server:
        words = [MX1, str(server.port), "--ca-file", certs.ca, *table()]
        code, result = probe_json(*words, "--protocol", "submission")
        assert first_port(result)["tls"]["versions"] == {"1.0": True, "1.1": True, "1.2": True, "1.3": False}
        assert code == 1 and "TLS 1.0" in findings(result)["old-tls"]["text"]
        # between servers it is better than nothing
        assert "old-tls" not in findings(probe_json(*words, "--protocol", "smtp")[1])


def test_tls_that_is_promised_and_fails(certs, table):
    with Scripted(pair=certs.good, starttls_reply=b"454 4.7.0 not today\r\n") as server:
        code, result = probe_json(MX1, str(server.port), *table())
        assert code == 1 and "454 4.7.0 not today" in findings(result)["tls-failed"]["text"]


# ---- what is dangerous ----

@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_starttls_injection_is_found(certs, table, protocol):
    with Scripted(protocol, certs.good, is_injectable=True) as server:
        code, result = probe_json(MX1, str(server.port), "--ca-file", certs.ca, *table())
        assert code == 1 and first_port(result)["starttls_injection"] is True
        assert set(findings(result)) == {"starttls-injection"}


def test_an_open_relay_is_found_without_sending_anything(certs, table):
    with Scripted(pair=certs.good, is_relay=True) as server:
        words = [MX1, str(server.port), "--ca-file", certs.ca, *table()]
        code, result = probe_json(*words, "--relay-check")
        assert code == 1 and set(findings(result)) == {"open-relay"}
        lines = sum(server.heard, [])
        assert not [x for x in lines if x.upper().startswith(("DATA", "BDAT"))]
        rcpt = lines.index("RCPT TO:<relay-check@example.net>")
        assert lines[rcpt + 1] == "RSET"
        # asked from the machine itself and by default it is a note: servers trust their own machine
        code, result = probe_json(*words)
        assert code == 0 and first_port(result)["open_relay"] is True


def test_other_machines_are_asked_to_relay_only_when_told(certs):
    """In a network of its own, where 192.0.2.1 is not loopback."""
    script = "import test_probe; test_probe.relay_elsewhere(%r, %r)" % certs.good
    done = subprocess.run(["unshare", "-rn", "sh", "-c", "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && exec "
                           '"$0" -c "$1"', sys.executable, script], stdout=subprocess.PIPE, timeout=60, check=True,
                          env=dict(environment(), PYTHONPATH=os.path.dirname(os.path.abspath(__file__))))
    by_default, when_told, heard = json.loads(done.stdout.decode())
    assert by_default is None and when_told is True
    assert len([x for x in heard if x.startswith("RCPT")]) == 1


def relay_elsewhere(*pair):
    with Scripted(pair=pair, host="192.0.2.1", is_relay=True) as server:
        words = ["192.0.2.1", str(server.port), "--dns-table", "/dev/null"]
        answers = [first_port(probe_json(*words, *more)[1])["open_relay"] for more in ([], ["--relay-check"])]
        print(json.dumps(answers + [sum(server.heard, [])]))


def test_passwords_in_clear_are_found(certs, table):
    for protocol, offers in (("smtp", ["STARTTLS", "AUTH LOGIN PLAIN"]), ("imap", ["IMAP4rev1", "STARTTLS"]),
                             ("pop3", ["USER", "STLS"])):
        with Scripted(protocol, certs.good, offers=offers) as server:
            code, result = probe_json(MX1, str(server.port), "--ca-file", certs.ca, *table())
            assert code == 1 and set(findings(result)) == {"clear-login" if protocol == "imap" else "clear-auth"}
    with Scripted(offers=["SIZE 0"]) as server:
        code, result = probe_json(MX1, str(server.port), *table())
        assert code == 1 and set(findings(result)) == {"no-tls"} and first_port(result)["size_max"] == 0


def test_what_a_server_says_cannot_draw_on_the_terminal(certs, table):
    evil = b"220 \x1b]0;owned\x07\x1b[2J evil \xff\xc2\x9b31m \xe2\x80\xae ESMTP"
    offers = ["X-\x1b[31mRED\x1b[0m \x08\x08", "STARTTLS"]
    with Scripted(pair=certs.good, greeting=evil, offers=offers) as server:
        words = [MX1, str(server.port), "--protocol", "smtp", *table()]
        _, shown = on_terminal(80, *words)
        shown = plain(shown)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
        assert "\\x1b[2J" in shown and "X-\\x1b[31mRED" in shown
        done = probe(*words, "--json")
        assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", done.stdout)
        assert first_port(json.loads(done.stdout.decode()))["open"]


# ---- domains ----

class Web:
    """https for mta-sts.example.test"""

    def __init__(self, pair, policy, kind="text/plain", status=200):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status if self.path == "/.well-known/mta-sts.txt" else 404)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(policy.encode())

            def log_message(self, *words):
                pass
        self.server = http.server.HTTPServer((HOST, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *why):
        self.server.shutdown()
        self.server.server_close()


STS = ["_mta-sts.example.test TXT v=STSv1; id=20261123T1;", "mta-sts.example.test A 127.0.0.1"]
RPT = ["_smtp._tls.example.test TXT v=TLSRPTv1; rua=mailto:tls@example.test"]
POLICY = "version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 604800\r\n"


def at_ports(smtp, web=None):
    return ["--connect-port", "25=%d" % smtp + (",443=%d" % web if web else "")]


@pytest.mark.parametrize("mode, pattern, what", [
    ("enforce", MX1, set()), ("enforce", "*.example.test", set()), ("testing", "*.other.test", {"mta-sts-mx"}),
    ("enforce", "*.test", {"mta-sts-mx"}), ("perhaps", MX1, {"mta-sts-policy"}), ("none", "*.other.test", set()),
])
def test_mta_sts_and_tlsrpt(certs, table, mode, pattern, what):
    with Scripted(pair=certs.good) as server, Web(certs.good, POLICY % (mode, pattern)) as web:
        code, result = probe_json("example.test", "--ca-file", certs.ca, *table(*STS, *RPT), *at_ports(server.port, web.port))
        assert set(findings(result)) == what and code == bool(what)
        assert result["domain"]["tlsrpt"]["rua"] == "mailto:tls@example.test"
        if not what:
            assert result["domain"]["mta_sts"]["mode"] == mode and result["domain"]["mta_sts"]["max_age"] == 604800
        if what == {"mta-sts-mx"}:
            assert findings(result)["mta-sts-mx"]["level"] == ("problem" if mode == "enforce" else "warning")


@pytest.mark.parametrize("settings, text", [
    ({"kind": "text/html"}, "text/html"), ({"status": 404}, "404"), ({"status": 301}, "301"),
])
def test_a_policy_that_cannot_be_used_is_told(certs, table, settings, text):
    with Scripted(pair=certs.good) as server, Web(certs.good, POLICY % ("enforce", MX1), **settings) as web:
        code, result = probe_json("example.test", "--ca-file", certs.ca, *table(*STS), *at_ports(server.port, web.port))
        assert code == 1 and text in findings(result)["mta-sts-policy"]["text"]


def test_a_policy_behind_a_bad_certificate_is_none(certs, table):
    with Scripted(pair=certs.good) as server, Web(certs.wrong, POLICY % ("enforce", MX1)) as web:
        code, result = probe_json("example.test", "--ca-file", certs.ca, *table(*STS), *at_ports(server.port, web.port))
        assert code == 1 and set(findings(result)) == {"mta-sts-policy"}


def test_dane(certs, table):
    name = "_25._tcp." + MX1
    good, other = certs.tlsa(certs.selfsigned), certs.tlsa(certs.good)
    cases = [
        ([name + " TLSA secure " + good], set(), True),
        ([name + " TLSA secure " + other, name + " TLSA secure " + good], set(), True),
        ([name + " TLSA secure " + other], {"dane-mismatch"}, False),
        ([name + " TLSA " + good], {"dane-insecure", "certificate"}, None),
        ([name + " TLSA secure 00" + good[2:]], {"dane-unusable", "certificate"}, None),
        ([name + " TLSA !bogus"], {"dane-bogus", "certificate"}, None),
    ]
    # nobody's authority: DANE alone decides
    with Scripted(pair=certs.selfsigned) as server:
        for rows, what, is_good in cases:
            code, result = probe_json("example.test", "--ca-file", certs.ca, *table(*rows), *at_ports(server.port))
            assert set(findings(result)) == what, rows
            assert code == bool(what)
            if is_good is not None:
                assert first_port(result)["tls"]["dane"]["good"] is is_good
                assert result["hosts"][0]["tlsa_secure"] and result["hosts"][0]["tlsa"][0]["usable"]


def test_all_mx_hosts_are_looked_at_in_parallel(certs, table):
    with Scripted(is_silent=True) as one, Scripted(is_silent=True, host="127.0.0.2", port=one.port):
        began = time.monotonic()
        code, result = probe_json("example.test", "--timeout", "4s", *table("example.test MX 20 " + MX2), *at_ports(one.port))
        assert time.monotonic() - began < 7.5
        assert code == 1 and [h["name"] for h in result["hosts"]] == [MX1, MX2]
        assert [f["text"] for f in result["findings"] if f["what"] == "conversation"] == [
            "the conversation ended early: no answer in time"] * 2


def test_a_null_mx_takes_no_mail(table):
    done = probe("null.test", *table("null.test MX 0 ."))
    assert done.returncode == 0 and "takes no mail" in done.stdout.decode()


def test_a_domain_in_any_script(certs, table):
    with Scripted(pair=certs.good) as server:
        code, result = probe_json("bücher.test", *table("xn--bcher-kva.test MX 10 " + MX1), "--ca-file", certs.ca,
                                  *at_ports(server.port))
        assert code == 0 and result["target"] == "xn--bcher-kva.test"
        assert result["hosts"][0]["name"] == MX1


# ---- screens ----

@pytest.fixture
def two_hosts(certs, table):
    with Scripted(pair=certs.good) as one, Scripted(pair=certs.expired, host="127.0.0.2", port=one.port):
        yield ["example.test", "--ca-file", certs.ca, *table("example.test MX 20 " + MX2, *RPT), *at_ports(one.port)]


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("words", [[], ["--details"]])
def test_screens_fit_and_are_coloured_on_a_terminal_only(two_hosts, columns, words):
    code, colored = on_terminal(columns, *two_hosts, *words)
    assert code == 1 and "\x1b[31m" in colored and "\x1b[32m" in colored
    code, sober = on_terminal(columns, *two_hosts, *words, NO_COLOR="1")
    assert code == 1 and "\x1b" not in sober
    for text in (plain(colored), plain(sober)):
        lines = text.split("\n")
        assert max(map(columns_of, lines)) <= columns
        assert not [x for x in lines if x != x.rstrip()]
        assert "not for " + MX2 in " ".join(text.split()) or "expired" in text
    piped = probe(*two_hosts, *words).stdout.decode()
    assert "\x1b" not in piped and max(map(columns_of, piped.split("\n"))) <= 80


def test_mx_hosts_stand_side_by_side(two_hosts):
    assert {"certificate", "expired"} == set(findings(probe_json(*two_hosts)[1]))
    text = plain(on_terminal(200, *two_hosts)[1])
    heads = [x for x in text.split("\n") if MX1 in x and MX2 in x]
    assert heads and re.search("preference +10 +20", text)


# ---- mistakes ----

def test_exit_statuses(table):
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        port = closed.getsockname()[1]
        assert probe(MX1, str(port), *table()).returncode == 69
        assert probe("example.test", *table(), *at_ports(port)).returncode == 69
    assert probe("nowhere.test", *table()).returncode == 68
    assert probe("nodata.test", *table("nodata.test TXT x")).returncode == 68
    assert probe("fail.test", *table("fail.test MX !fail", "fail.test A !fail", "fail.test AAAA !fail")).returncode == 75
    for words in (["--timeout", "soon", HOST], [HOST, "70000"], [HOST, "--protocol", "gopher"], [HOST, "--hello", "a b"],
                  ["[::1", "25"], [HOST, "--connect-port", "x"], []):
        done = probe(*words)
        assert done.returncode == 64 and done.stderr, words


def test_a_table_that_cannot_be_read_is_told_by_line(tmp_path):
    file = tmp_path / "dns"
    for bad in ("a.test A 1.2.3", "a.test MX mx", "a.test TLSA xyz", "a.test WHAT 1", "a.test"):
        file.write_text("# fine\nb.test A 127.0.0.1\n%s\n" % bad)
        done = probe("a.test", "--dns-table", str(file))
        assert done.returncode == 65 and b":3: not" in done.stderr, bad
