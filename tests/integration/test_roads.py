"""Where mail goes out: pools of next hops, logins, source addresses, SOCKS5, and the way through a content filter."""

import base64
import collections
import contextlib
import hashlib
import hmac
import os
import smtplib
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time

import pytest

from filter_hop import FILTERED, Filter, Filtered
from station import StationFailed
from talk import HERMETIC, Talk, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peers"))
from pysink import PySink  # noqa: E402

CONF = "demo = yes\n" + HERMETIC
BODY = "From: alice@yizhan.test\r\nMessage-ID: <m%s@yizhan.test>\r\nSubject: letter %s\r\n\r\nHello.\r\n"


def send(address, rcpts, mark="1", sender="alice@yizhan.test", **options):
    with smtplib.SMTP(*address, timeout=20) as client:
        assert client.sendmail(sender, rcpts, BODY % (mark, mark), **options) == {}


def relay(station, next_hop, *more, domain="next.test"):
    station.cli("domain", "add", domain, "--relay")
    station.cli("route", "add", domain, next_hop, *more)


def pool_rows(station):
    rows = station.cli_json("pool", "list", "--json")
    return {row["member"]: row for row in (rows if isinstance(rows, list) else [rows])}


def queue(station):
    rows = station.cli_json("queue", "list", "--json")
    return rows if isinstance(rows, list) else [rows]


def wait_empty(station, seconds=20):
    assert wait_until(lambda: not queue(station), seconds), "%s\n%s" % (queue(station), station.log())


def hop(sink):
    return "127.0.0.1:%d" % sink.port


def key(sink):
    return "[127.0.0.1]:%d" % sink.port


@pytest.fixture
def sinks():
    with PySink() as one, PySink() as two, PySink() as three, PySink() as four:
        yield [one, two, three, four]


# ---- pools ----


def test_a_pool_spreads_letters_at_random(make_station, sinks):
    station = make_station(conf=CONF)
    station.cli("pool", "add", "hops", *[hop(s) for s in sinks], "--policy", "random")
    relay(station, "pool:hops")
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        for i in range(100):
            client.sendmail("alice@yizhan.test", ["r@next.test"], BODY % (i, i))
    wait_empty(station)
    counts = [len(s.letters) for s in sinks]
    assert sum(counts) == 100 and min(counts) >= 8, counts
    rows = pool_rows(station)
    assert sum(rows[key(s)]["picks"] for s in sinks) == 100
    assert [rows[key(s)]["delivered"] for s in sinks] == counts
    assert all(row["state"] == "up" for row in rows.values())


def test_weights_count(make_station, sinks):
    station = make_station(conf=CONF)
    station.cli("pool", "add", "hops", hop(sinks[0]) + "=9", hop(sinks[1]) + "=1", "--policy", "weight")
    relay(station, "pool:hops")
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        for i in range(100):
            client.sendmail("alice@yizhan.test", ["r@next.test"], BODY % (i, i))
    wait_empty(station)
    assert len(sinks[0].letters) > 75 and len(sinks[0].letters) + len(sinks[1].letters) == 100


def test_failover_at_once_and_failback_by_a_probe(make_station, sinks):
    station = make_station(conf=CONF)
    first, second = sinks[0], sinks[1]
    station.cli("pool", "add", "hops", hop(first), hop(second), "--policy", "order")
    relay(station, "pool:hops")
    send(station.smtp, ["r@next.test"])
    assert len(first.wait(1)) == 1
    first.on("connect", "421 4.3.2 going down")
    time.sleep(2.5)  # the connection that waits for more is given up
    begin = time.monotonic()
    for i in range(5):
        send(station.smtp, ["r@next.test"], i)
    second.wait(5)
    assert time.monotonic() - begin < 10
    wait_empty(station)
    row = pool_rows(station)[key(first)]
    assert row["state"] == "down" and "going down" in row["reason"] and row["since"]
    assert "going down" in station.wait_log("pool.member.down")
    assert station.cli_json("status", "--json")["pools"] == {"pools": 1, "members": 2, "down": 1}
    first.on("connect", "220 back again")
    assert "by=probe" in station.wait_log("pool.member.up", 15)
    assert pool_rows(station)[key(first)]["state"] == "up"
    assert len(first.letters) == 1  # no letter was needed to find out
    send(station.smtp, ["r@next.test"], "back")
    assert len(first.wait(2)) == 2


def test_a_dead_member_costs_no_letter_a_pause(make_station, sinks):
    with PySink() as gone:
        dead = hop(gone)
    station = make_station(conf=CONF)
    station.cli("pool", "add", "hops", dead, *[hop(s) for s in sinks[:2]], "--policy", "random")
    relay(station, "pool:hops")
    for i in range(30):
        send(station.smtp, ["r@next.test"], i)
    wait_empty(station, 15)
    assert len(sinks[0].letters) + len(sinks[1].letters) == 30
    row = pool_rows(station)["[%s]:%s" % tuple(dead.split(":"))]
    assert row["state"] == "down" and row["delivered"] == 0


def test_all_down_waits_and_says_which_pool(make_station):
    with PySink() as one, PySink() as two:
        dead = [hop(one), hop(two)]
    station = make_station(conf=CONF)
    station.cli("pool", "add", "hops", *dead)
    relay(station, "pool:hops")
    send(station.smtp, ["r@next.test"])
    rows = wait_until(lambda: [r for r in queue(station) if r["state"] == "waiting" and r["last"]])
    assert "pool hops" in rows[0]["last"]["text"] and "refused" in rows[0]["last"]["text"]
    assert rows[0]["destination"] == "pool:hops"


def test_members_are_switched_off_and_on(make_station, sinks):
    station = make_station(conf=CONF)
    station.cli("pool", "add", "hops", hop(sinks[0]), hop(sinks[1]))
    relay(station, "pool:hops")
    station.cli("pool", "set", "hops", "--off", hop(sinks[0]))
    assert pool_rows(station)[key(sinks[0])]["state"] == "off"
    send(station.smtp, ["r@next.test"])
    assert len(sinks[1].wait(1)) == 1 and not sinks[0].letters
    station.cli("pool", "set", "hops", "--on", hop(sinks[0]))
    send(station.smtp, ["r@next.test"], "2")
    assert len(sinks[0].wait(1)) == 1


def test_what_is_wrong_with_a_pool_is_told(make_station):
    station = make_station(conf=CONF)
    for words, text in [(["add", "p|q", "127.0.0.1:25"], "pool's name"), (["add", "p", "pool:q"], "pool within a pool"),
                        (["add", "p", "127.0.0.1:25=0"], "weight"), (["add", "p", "a b"], "no next hop"),
                        (["set", "p", "--policy", "order"], "no pool 'p'"), (["add", "p", "h:1", "h:1"], "twice"),
                        (["add", "p", "h:1", "--policy", "best"], "policy"), (["remove", "p"], "no pool")]:
        done = station.cli("pool", *words, check=False)
        assert done.returncode != 0 and text in done.stderr.decode(), (words, done.stderr)
    station.cli("pool", "add", "p", "127.0.0.1:25")
    relay(station, "pool:p")
    done = station.cli("pool", "remove", "p", check=False)
    assert done.returncode != 0 and "next.test" in done.stderr.decode()


# ---- logins ----


class Auth:
    """A peer's AUTH, by hand: PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256."""

    def __init__(self, mechanisms, password="pencil"):
        self.mechanisms, self.password = mechanisms, password
        self.logins, self.letters, self.offered_starttls = [], [], False
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()

    def handler(auth):
        class Handler(socketserver.StreamRequestHandler):
            def say(self, text):
                self.wfile.write(text.encode() + b"\r\n")

            def line(self):
                return self.rfile.readline().decode("latin-1").rstrip("\r\n")

            def ask(self, challenge):
                self.say("334 " + base64.b64encode(challenge).decode())
                return base64.b64decode(self.line())

            def scram(self, first):
                """RFC 5802, RFC 7677: the server's part."""
                bare = first.split(b",", 2)[2]
                user, nonce = bare.split(b",")[0][2:], bare.split(b",")[1][2:] + b"server"
                salt, rounds = b"0123456789abcdef", 4096
                begin = b"r=" + nonce + b",s=" + base64.b64encode(salt) + b",i=%d" % rounds
                final = self.ask(begin)
                without, proof = final.rsplit(b",p=", 1)
                text = bare + b"," + begin + b"," + without

                def sign(key, what):
                    return hmac.new(key, what, hashlib.sha256).digest()
                salted = hashlib.pbkdf2_hmac("sha256", auth.password.encode(), salt, rounds)
                client = sign(salted, b"Client Key")
                good = bytes(a ^ b for a, b in zip(client, sign(hashlib.sha256(client).digest(), text)))
                if base64.b64decode(proof) != good:
                    return user.decode(), False
                self.ask(b"v=" + base64.b64encode(sign(sign(salted, b"Server Key"), text)))
                return user.decode(), True

            def check(self, words):
                mech = words[1].upper()
                if mech == "SCRAM-SHA-256":
                    return mech, *self.scram(base64.b64decode(words[2]) if len(words) > 2 else self.ask(b""))
                if mech == "PLAIN":
                    got = base64.b64decode(words[2]) if len(words) > 2 else self.ask(b"")
                    _, user, password = got.split(b"\0")
                elif mech == "LOGIN":
                    user = base64.b64decode(words[2]) if len(words) > 2 else self.ask(b"Username:")
                    password = self.ask(b"Password:")
                else:
                    challenge = b"<1.2@peer.test>"
                    user, digest = self.ask(challenge).split(b" ")
                    good = hmac.new(auth.password.encode(), challenge, hashlib.md5).hexdigest().encode()
                    return mech, user.decode(), digest == good
                return mech, user.decode(), password.decode() == auth.password

            def handle(self):
                is_in = False
                self.say("220 peer.test")
                while True:
                    line = self.line()
                    words = line.split(" ")
                    verb = words[0].upper()
                    if verb == "EHLO":
                        self.say("250-peer.test\r\n250 " + (
                            "AUTH " + auth.mechanisms if auth.mechanisms else "PIPELINING"))
                    elif verb == "AUTH":
                        mech, user, is_in = self.check(words)
                        auth.logins.append((mech, user, is_in))
                        self.say("235 2.7.0 welcome" if is_in else "535 5.7.8 wrong password")
                    elif verb == "DATA":
                        self.say("354 go on")
                        octets = b""
                        while not octets.endswith(b"\r\n.\r\n"):
                            octets += self.rfile.readline()
                        auth.letters.append(octets)
                        self.say("250 2.0.0 taken")
                    elif verb in ("MAIL", "RCPT"):
                        self.say("250 2.0.0 ok" if is_in else "530 5.7.0 log in first")
                    elif verb == "QUIT" or not line:
                        if line:
                            self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")
        return Handler


def login(station, peer, *more, user="me", password="pencil"):
    station.cli("login", "add", "127.0.0.1:%d" % peer.port, user, "--password-stdin", *more,
                input=password.encode() + b"\n")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_login_at_a_smarthost(make_station, mechanism):
    station = make_station(conf=CONF)
    with Auth(mechanism) as peer:
        relay(station, "127.0.0.1:%d" % peer.port)
        login(station, peer, "--allow-clear")
        send(station.smtp, ["r@next.test"])
        assert wait_until(lambda: peer.letters), station.log()
        assert peer.logins == [(mechanism, "me", True)]
        listed = station.cli("login", "list", "--json").stdout.decode()
        assert "pencil" not in listed and '"me"' in listed
        assert "pencil" not in station.log(1 << 24)


def test_a_password_never_goes_in_clear_unless_it_may(make_station):
    station = make_station(conf=CONF)
    with Auth("PLAIN LOGIN") as peer:
        relay(station, "127.0.0.1:%d" % peer.port)
        login(station, peer)
        send(station.smtp, ["r@next.test"])
        rows = wait_until(lambda: [r for r in queue(station) if r["last"]])
        assert "in clear only" in rows[0]["last"]["text"] and rows[0]["state"] == "waiting"
        assert peer.logins == [] and peer.letters == []
        login(station, peer, "--allow-clear")  # counts at once
        station.cli("queue", "retry", "--all")
        assert wait_until(lambda: peer.letters), station.log()


def test_a_refused_login_bounces_nothing_and_a_new_password_counts(make_station):
    station = make_station(conf=CONF)
    with Auth("CRAM-MD5", password="other") as peer:
        relay(station, "127.0.0.1:%d" % peer.port)
        login(station, peer)
        send(station.smtp, ["r@next.test"])
        rows = wait_until(lambda: [r for r in queue(station) if r["last"]])
        assert rows[0]["state"] == "waiting" and "wrong password" in rows[0]["last"]["text"]
        assert "level=error" in station.wait_log("outbound.login.failed")
        assert not station.mailbox("alice@yizhan.test")  # no report
        login(station, peer, password="other")
        station.cli("queue", "retry", "--all")
        assert wait_until(lambda: peer.letters), station.log()


def test_the_best_mechanism_is_taken_first(make_station):
    station = make_station(conf=CONF)
    with Auth("PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5") as peer:
        relay(station, "127.0.0.1:%d" % peer.port)
        login(station, peer)
        send(station.smtp, ["r@next.test"])
        assert wait_until(lambda: peer.letters), station.log()
        assert peer.logins == [("SCRAM-SHA-256", "me", True)]


def test_logins_are_chosen_by_sender(make_station):
    station = make_station(conf=CONF)
    with Auth("CRAM-MD5") as peer:
        relay(station, "127.0.0.1:%d" % peer.port)
        login(station, peer)
        login(station, peer, "--sender", "bob@yizhan.test", user="bob")
        login(station, peer, "--sender", "@other.test", user="other")
        for sender in ("alice@yizhan.test", "bob@yizhan.test", "x@other.test"):
            send(station.smtp, ["r@next.test"], sender, sender=sender)
        assert wait_until(lambda: len(peer.letters) == 3), station.log()
        assert sorted(user for _, user, good in peer.logins if good) == ["bob", "me", "other"]


# ---- ways out ----


def test_connections_go_out_from_their_egress(make_station):
    station = make_station(conf=CONF)
    with PySink() as sink:
        station.cli("egress", "add", "default", "--ip4", "127.0.0.2", "--hostname", "out2.test")
        station.cli("egress", "add", "bulk", "--ip4", "127.0.0.3", "--hostname", "out3.test")
        station.cli("egress", "add", "bulk", "--ip4", "127.0.0.4", "--hostname", "out4.test")
        relay(station, hop(sink))
        relay(station, hop(sink), "--egress", "bulk", domain="bulk.test")
        send(station.smtp, ["r@next.test"])
        sink.wait(1)
        assert [(s.peer[0], s.lines[0]) for s in sink.sessions] == [("127.0.0.2", "EHLO out2.test")]
        seen = collections.Counter()
        for i in range(12):
            station.cli("queue", "list")
            send(station.smtp, ["r@bulk.test"], i)
            sink.wait(2 + i)
            time.sleep(0.1)
        for s in sink.sessions[1:]:
            seen[(s.peer[0], s.lines[0])] += 1
        assert set(seen) <= {("127.0.0.3", "EHLO out3.test"), ("127.0.0.4", "EHLO out4.test")}
        done = station.cli("egress", "remove", "bulk", check=False)
        assert done.returncode != 0 and "bulk.test" in done.stderr.decode()


class Socks(socketserver.ThreadingTCPServer):
    """A SOCKS5 proxy (RFC 1928) with user and password (RFC 1929)."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.asked, self.password = [], b"secret"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(socketserver.BaseRequestHandler):
        def read(self, n):
            octets = b""
            while len(octets) < n:
                more = self.request.recv(n - len(octets))
                if not more:
                    raise ConnectionError
                octets += more
            return octets

        def handle(self):
            _, count = self.read(2)
            assert 2 in self.read(count)
            self.request.sendall(b"\5\2")
            user = self.read(self.read(2)[1])
            password = self.read(self.read(1)[0])
            is_good = password == self.server.password
            self.request.sendall(b"\1" + (b"\0" if is_good else b"\1"))
            if not is_good:
                return
            _, verb, _, kind = self.read(4)
            assert verb == 1 and kind == 1  # an address: nobody looks names up for us
            to = (socket.inet_ntoa(self.read(4)), struct.unpack("!H", self.read(2))[0])
            self.server.asked.append((user, to))
            with socket.create_connection(to) as far:
                self.request.sendall(b"\5\0\0\1\x7f\0\0\1\0\0")
                back = threading.Thread(target=self.pump, args=(far, self.request), daemon=True)
                back.start()
                self.pump(self.request, far)
                back.join()

        @staticmethod
        def pump(source, to):
            try:
                while True:
                    octets = source.recv(65536)
                    if not octets:
                        break
                    to.sendall(octets)
                to.shutdown(socket.SHUT_WR)
            except OSError:
                pass


def test_socks5(make_station):
    station = make_station(conf=CONF)
    with PySink() as sink, Socks() as proxy:
        station.cli("egress", "add", "out", "--proxy", "socks5://me:secret@127.0.0.1:%d" % proxy.server_address[1])
        relay(station, hop(sink), "--egress", "out")
        send(station.smtp, ["r@next.test"])
        sink.wait(1)
        assert proxy.asked == [(b"me", ("127.0.0.1", sink.port))]
        assert "secret" not in station.cli("egress", "list", "--json").stdout.decode()
        station.cli("egress", "set", "out", "--proxy", "socks5://me:wrong@127.0.0.1:%d" % proxy.server_address[1])
        time.sleep(2.5)
        send(station.smtp, ["r@next.test"], "2")
        rows = wait_until(lambda: [r for r in queue(station) if r["last"]])
        assert "SOCKS5 proxy" in rows[0]["last"]["text"] and rows[0]["state"] == "waiting"
        proxy.shutdown()


def test_an_address_literal_never_leads_to_ourselves(make_station):
    station = make_station(conf=CONF + 'relay_networks = { "127.0.0.0/8" }\nqueue { port = 25 }\n'.replace(
        "queue { port = 25 }\n", ""))
    for literal in ("[127.0.0.1]", "[IPv6:::1]", "[0.0.0.0]", "[IPv6:::ffff:127.0.0.1]", "[169.254.1.1]", "[224.0.0.1]"):
        send(station.smtp, ["root@" + literal], literal)
    reports = station.wait_mailbox("alice@yizhan.test", 6)
    wait_empty(station)
    assert len(reports) == 6


# ---- the filter hop ----

@pytest.fixture
def filtering():
    """filtering(judge) -> (station, filter)"""
    with contextlib.ExitStack() as stack:
        def begin(judge=None, conf=FILTERED, caps=None):
            content = stack.enter_context(Filter(0, judge, caps))
            station = stack.enter_context(Filtered(lambda ports: content.sink.port, conf))
            content.back = station.ports["back"]
            return station, content
        yield begin


def letter_of(station, who="bob@yizhan.test", count=1):
    rows = station.wait_mailbox(who, count)
    return station.export(who, rows[-1]["uid"])


def test_mail_goes_through_the_filter(filtering):
    station, content = filtering(lambda letter: b"X-Spam: no\r\n" + letter.data)
    send(station.smtp, ["bob@yizhan.test"])
    text = letter_of(station)
    assert b"X-Spam: no\r\n" in text and b"X-Yizhan-Filter" not in text
    assert text.endswith((BODY % (1, 1)).encode()) and text.count(b"Received: ") == 2
    assert b"X-Yizhan-Filter: " in content.seen[0].data and content.seen[0].rcpts == ["bob@yizhan.test"]
    assert content.refused == []
    wait_empty(station)


def test_the_envelope_is_the_original_and_aliases_are_opened_behind(filtering):
    station, content = filtering()
    station.cli("alias", "add", "team@yizhan.test", "alice@yizhan.test", "bob@yizhan.test")
    send(station.smtp, ["team@yizhan.test"])
    letter_of(station)
    letter_of(station, "alice@yizhan.test")
    assert [s.rcpts for s in content.seen] == [["team@yizhan.test"]]
    with smtplib.SMTP(*station.smtp) as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.sendmail("x@y.test", ["ghost@yizhan.test"], BODY % (2, 2))
    assert refused.value.recipients["ghost@yizhan.test"][0] == 550  # at once, before the filter


def test_mail_for_others_goes_on_behind_the_filter(filtering):
    station, content = filtering()
    with PySink() as sink:
        station.cli("route", "add", "far.test", hop(sink))
        send(station.smtp, ["a@far.test", "b@far.test"])
        letter = sink.wait(1)[0]
        assert sorted(letter.rcpts) == ["a@far.test", "b@far.test"] and b"X-Yizhan-Filter" not in letter.data
        assert len(content.seen) == 1


def test_the_way_back_trusts_nothing_else(filtering):
    station, content = filtering()
    back = ("127.0.0.1", station.ports["back"])
    # to our own people: taken, not filtered
    send(back, ["bob@yizhan.test"], "own")
    letter_of(station)
    # to others: only what has gone through the filter
    with smtplib.SMTP(*back) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("x@y.test", ["someone@far.test"], BODY % (3, 3))
    assert refused.value.smtp_code == 550 and b"Relaying denied" in refused.value.smtp_error
    assert content.seen == []
    # a field that was seen once proves nothing for other recipients, and a changed one nothing at all
    with PySink() as sink:
        station.cli("route", "add", "far.test", hop(sink))
        send(station.smtp, ["a@far.test"])
        sink.wait(1)
        data = content.seen[0].data
        for rcpt, octets in (("b@far.test", data), ("a@far.test", data.replace(b";p=0", b";p=9"))):
            with Talk(back) as t:
                t.ask(b"EHLO x")
                t.ask(b"MAIL FROM:<x@y.test>")
                t.ask(b"RCPT TO:<" + rcpt.encode() + b">")
                assert t.ask(b"DATA").code == 354
                t.send(octets + b".\r\n")
                assert t.reply().code == 550
        assert len(sink.letters) == 1


def test_a_stranger_may_not_bring_mail_back(filtering):
    conf = FILTERED.replace("filter {", 'filter { networks = { "192.0.2.0/24" }')
    station, content = filtering(conf=conf)
    with Talk(("127.0.0.1", station.ports["back"]), greet=False) as t:
        assert t.reply().code == 554


def test_a_filter_that_rejects_fails_the_letter_with_a_report(filtering):
    station, content = filtering(lambda letter: None)
    content.sink.on("dot", "550 5.7.1 spam is not wanted")
    send(station.smtp, ["bob@yizhan.test"])
    text = letter_of(station, "alice@yizhan.test")
    assert b"spam is not wanted" in text and b"Action: failed" in text
    assert not station.mailbox("bob@yizhan.test")


def test_a_filter_that_drops_ends_it_quietly(filtering):
    station, content = filtering(lambda letter: None)
    send(station.smtp, ["bob@yizhan.test"])
    assert wait_until(lambda: content.seen)
    wait_empty(station)
    assert not station.mailbox("bob@yizhan.test") and not station.mailbox("alice@yizhan.test")


def test_mail_waits_for_a_filter_that_is_down(filtering):
    station, content = filtering()
    content.sink.on("connect", "421 4.3.2 starting")
    send(station.smtp, ["bob@yizhan.test"])
    rows = wait_until(lambda: [r for r in queue(station) if r["state"] == "waiting" and r["last"]])
    assert "starting" in rows[0]["last"]["text"]
    assert not station.mailbox("bob@yizhan.test")
    content.sink.on("connect", "220 here")
    station.cli("queue", "retry", "--all")
    letter_of(station)


def test_mail_passes_a_filter_that_is_down_where_that_is_wanted(filtering):
    station, content = filtering(conf=FILTERED.replace("filter {", "filter { on_failure = pass"))
    content.sink.on("connect", "421 4.3.2 starting")
    send(station.smtp, ["bob@yizhan.test"], "first")  # nobody knows yet: this one waits
    station.wait_log("pool.member.down")
    send(station.smtp, ["bob@yizhan.test"], "second")
    assert b"letter second" in letter_of(station)
    assert content.seen == []
    station.wait_log("smtp.in.unfiltered")
    content.sink.on("connect", "220 here")
    station.wait_log("pool.member.up", 15)
    send(station.smtp, ["bob@yizhan.test"], "third")
    station.wait_mailbox("bob@yizhan.test", 2)
    assert len(content.seen) >= 1  # filtered again


def test_a_slow_filter_does_not_hold_up_who_sends(filtering):
    station, content = filtering(lambda letter: time.sleep(1) or letter.data)
    begin = time.monotonic()
    for i in range(5):
        send(station.smtp, ["bob@yizhan.test"], i)
    assert time.monotonic() - begin < 4.8  # five one after the other
    station.wait_mailbox("bob@yizhan.test", 5)


def test_a_filter_that_sends_to_the_wrong_listener_is_caught(filtering):
    station, content = filtering()
    content.back = station.ports["smtp"]
    send(station.smtp, ["bob@yizhan.test"])
    assert wait_until(lambda: content.refused), station.log()
    assert (content.refused[0].code, content.refused[0].enhanced) == (554, "5.4.6")
    assert not station.mailbox("bob@yizhan.test")


def test_a_letter_with_two_proofs_is_caught(filtering):
    station, content = filtering(
        lambda letter: letter.data[letter.data.index(b"X-Yizhan-Filter"):letter.data.index(b"From:")] + letter.data)
    send(station.smtp, ["bob@yizhan.test"])
    assert wait_until(lambda: content.refused)
    assert (content.refused[0].code, content.refused[0].enhanced) == (554, "5.4.6")


def test_a_forged_field_is_taken_out(filtering):
    station, content = filtering()
    with smtplib.SMTP(*station.smtp) as client:
        client.sendmail("alice@yizhan.test", ["bob@yizhan.test"],
                        "X-yizhan-FILTER: forged\r\n folded\r\n\tmore\r\nX-Yizhan: stays\r\n" + BODY % (1, 1))
    text = letter_of(station)
    assert b"forged" not in text and b"folded" not in text and b"X-Yizhan: stays\r\n" in text
    assert content.seen[0].data.lower().count(b"x-yizhan-filter") == 1


def test_what_was_asked_for_recipients_is_kept_for_us(filtering):
    """The filter knows no DSN; NOTIFY, ORCPT, ENVID and RET count again behind it."""
    station, content = filtering(caps=["PIPELINING", "8BITMIME"])
    caps = ["DSN", "PIPELINING"]
    with PySink(caps=caps) as sink:
        station.cli("route", "add", "far.test", hop(sink))
        with Talk(station.smtp) as t:
            t.ask(b"EHLO x")
            t.ask(b"MAIL FROM:<alice@yizhan.test> RET=HDRS ENVID=QQ314")
            t.ask(b"RCPT TO:<a@far.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;orig@a.test")
            t.ask(b"RCPT TO:<b@far.test> NOTIFY=NEVER")
            t.ask(b"DATA")
            t.send((BODY % (1, 1)).encode() + b".\r\n")
            assert t.reply().code == 250
        sink.wait(1)
        lines = "\n".join(line for s in sink.sessions for line in s.lines)
        assert "RET=HDRS" in lines and "ENVID=QQ314" in lines
        assert "RCPT TO:<a@far.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;orig@a.test" in lines
        assert "RCPT TO:<b@far.test> NOTIFY=NEVER" in lines
        wait_empty(station)
        assert not station.mailbox("alice@yizhan.test")  # nothing was told on the way


def test_the_trail_of_a_letter_goes_on_behind_the_filter(filtering):
    station, content = filtering()
    send(station.smtp, ["bob@yizhan.test"])
    letter_of(station)
    accepted = [line for line in station.log(1 << 24).splitlines() if "smtp.in.accepted" in line]
    assert len(accepted) == 2
    first, second = [next(w for w in line.split() if w.startswith("id=")).split("=")[1] for line in accepted]
    text = station.cli("trace", first).stdout.decode()
    assert "it became the letter " + second in text, text


@pytest.mark.parametrize("where, conf, text", [
    (lambda ports: ports["smtp"], FILTERED, "circles"), (lambda ports: ports["back"], FILTERED, "circles"),
    (lambda ports: 9, FILTERED.replace("filtered = yes", ""), "no listener"),
    (lambda ports: ports["smtp"], FILTERED.replace("127.0.0.1:FILTER", "localhost:FILTER"), "circles"),
    (lambda ports: ports["smtp"], FILTERED.replace('"127.0.0.1:2525"', '"0.0.0.0:2525"'), "circles")])
def test_a_next_hop_that_is_ourselves_is_refused_at_start(where, conf, text):
    with pytest.raises(StationFailed) as failed:
        with Filtered(where, conf):
            pass
    assert text in str(failed.value)


def test_a_reload_that_would_loop_is_refused(filtering):
    station, content = filtering()
    path = os.path.join(station.directory, "yizhan.conf")
    with open(path) as f:
        conf = f.read()
    with open(path, "w") as f:
        f.write(conf.replace("127.0.0.1:%d\" }" % content.sink.port, "127.0.0.1:%d\" }" % station.ports["smtp"]))
    station.reload()
    assert "circles" in station.wait_log("host.reload.failed")
    send(station.smtp, ["bob@yizhan.test"])
    letter_of(station)
    assert len(content.seen) == 1
