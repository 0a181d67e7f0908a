"""Where mail goes, end to end: `yizhan serve` asks a real name server (tests/lab) and delivers to peers on loopback.

Peers lie on addresses of their own, a.mx to d.mx, and one port; every test has a domain of its own in one laboratory.
"""

import contextlib
import random
import smtplib
import socket
import time

import pytest

from lab import Lab, free_dns_port, null_mx
from pysink import PySink
from station import Yizhan

ALICE = "alice@yizhan.test"
BODY = "From: alice@yizhan.test\r\nSubject: %s\r\n\r\nHello.\r\n"
RELAY = 'demo = yes\nrelay_networks = { "127.0.0.0/8" }\n'
# Chance leaves one of three equals without one of so many letters once in 10^10 runs.
MANY = 60


class World:
    """The laboratory, peers "a" to "d" (PySink, each announces MAILMAX=1: one letter a connection) and a station."""

    def __init__(self, stack):
        self.port = free_dns_port()
        net = "127.%d.%d" % (random.randint(1, 254), random.randint(1, 254))
        self.address = {name: "%s.%d" % (net, n) for n, name in enumerate(("a", "b", "c", "d", "dead"), 1)}
        self.peers = {name: stack.enter_context(PySink(host=self.address[name], port=self.port,
                                                     caps=["PIPELINING", "8BITMIME", "LIMITS MAILMAX=1"]))
                      for name in "abcd"}
        self.lab = stack.enter_context(Lab())
        self.fill()
        self.conf = RELAY + self.lab.conf()
        self.station = stack.enter_context(Yizhan(conf=self.conf + self.queue(self.port)))

    @staticmethod
    def queue(port, is_loopback=True):
        return "queue { port = %d loopback = %s }\n" % (port, "yes" if is_loopback else "no")

    def fill(self):
        zone = self.lab.zone
        hosts = ["%s.mx A %s" % row for row in self.address.items()]
        zone("peers.example", *hosts, "alias.mx CNAME a.mx", "far.mx CNAME host.elsewhere.example.",
             "nowhere.mx TXT none", "six.mx AAAA ::1", "six.mx A %s" % self.address["a"])
        zone("elsewhere.example", "host A " + self.address["b"])
        mx = {
            "order": ["20 b", "10 a", "30 c"], "down": ["10 dead", "20 b"], "equal": ["10 a", "10 b", "10 c"],
            "alias": ["10 alias"], "far": ["10 far"], "hole": ["10 nowhere"], "half": ["10 nowhere", "20 c"],
            "six": ["10 six"],
        }
        for name, lines in mx.items():
            zone(name + ".example", *("@ MX %s.mx.peers.example." % line for line in lines))
        zone("plain.example", "@ MX 10 a.mx.peers.example.", signed=False)
        zone("alone.example", "@ A " + self.address["d"])
        zone("null.example", null_mx())
        zone("bogus.example", "@ MX 10 a.mx.peers.example.", broken=["MX"])
        zone("lamehost.example", "@ MX 10 mx.lame.example.", "@ MX 20 d.mx.peers.example.")
        zone("self.example", "@ MX 10 mx.yizhan.test.")
        zone("backup.example", "@ MX 10 dead.mx.peers.example.", "@ MX 20 mx.yizhan.test.", "@ MX 30 c.mx.peers.example.")
        zone("local.example", "@ MX 10 mx", "mx A 127.0.0.1")
        self.lab.lame("lame.example")
        self.lab.silent("mute.example")

    def came(self, subject):
        """How many letters of this subject each peer has taken: {"a": 2}, only those that have some."""
        text = ("Subject: %s\r\n" % subject).encode()
        counts = {name: sum(1 for x in list(peer.letters) if x.is_taken and text in x.data)
                  for name, peer in self.peers.items()}
        return {name: count for name, count in counts.items() if count}

    def wait_came(self, subject, count, seconds=30):
        end = time.monotonic() + seconds
        while sum(self.came(subject).values()) < count:
            assert time.monotonic() < end, "%s: %s\n%s" % (subject, self.came(subject), self.station.log())
            time.sleep(0.05)
        return self.came(subject)


@pytest.fixture(scope="module")
def world():
    with contextlib.ExitStack() as stack:
        yield World(stack)


def send(station, domain, count=1):
    """So many letters to somebody there; their subject."""
    subject = "%s %08x" % (domain, random.getrandbits(32))
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        for _ in range(count):
            assert client.sendmail(ALICE, ["you@" + domain], BODY % subject) == {}
    return subject


def wait_put_off(station, domain, seconds=30):
    """Until the letter for that domain waits with a reason; its row in the queue."""
    end = time.monotonic() + seconds
    while True:
        rows = [r for r in station.cli_json("queue", "list", "--json") if r["recipient"] == "you@" + domain]
        if rows and rows[0]["last"]:
            assert rows[0]["state"] == "waiting"
            return rows[0]
        assert time.monotonic() < end, "%s\n%s" % (rows, station.log())
        time.sleep(0.05)


def wait_report(station, domain, seconds=30):
    """The text of the report on the letter to that domain."""
    end = time.monotonic() + seconds
    while True:
        for row in station.mailbox(ALICE):
            text = station.export(ALICE, row["uid"]).decode("utf-8", "replace")
            if "Final-Recipient: rfc822; you@" + domain in text:
                return text
        assert time.monotonic() < end, station.log()
        time.sleep(0.1)


ARRIVES = {
    "the_best_preference_first": ("order.example", "a"),
    "a_dead_first_mx_leaves_it_to_the_second": ("down.example", "b"),
    "no_mx_the_domain_is_its_own_host": ("alone.example", "d"),
    "an_mx_that_is_a_cname": ("alias.example", "a"),
    "an_mx_that_is_a_cname_into_another_zone": ("far.example", "b"),
    "an_mx_without_address_leaves_it_to_the_next": ("half.example", "c"),
    "an_mx_in_a_lame_zone_leaves_it_to_the_next": ("lamehost.example", "d"),
    "ipv6_that_does_not_answer_leaves_it_to_ipv4": ("six.example", "a"),
    "an_insecure_delegation_is_as_good": ("plain.example", "a"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", ARRIVES.values(), ids=ARRIVES.keys())
def test_mail_arrives_where_dns_says(world, case):
    domain, peer = case
    subject = send(world.station, domain, 3)
    assert world.wait_came(subject, 3) == {peer: 3}


@pytest.mark.smoke
def test_equals_are_taken_at_random(world):
    subject = send(world.station, "equal.example", MANY)
    came = world.wait_came(subject, MANY)
    assert sorted(came) == ["a", "b", "c"] and sum(came.values()) == MANY


# domain: enhanced code and words of the report
RETURNED = {
    "null_mx": ("null.example", "5.1.10", "null MX"),
    "no_such_domain": ("nothing.example", "5.1.2", "there is no domain"),
    "mx_without_address": ("hole.example", "5.4.4", "has no address"),
    "ourselves_by_name": ("self.example", "5.4.6", "comes back to this host"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", RETURNED.values(), ids=RETURNED.keys())
def test_mail_comes_back_where_dns_says_never(world, case):
    domain, status, words = case
    subject = send(world.station, domain)
    text = wait_report(world.station, domain)
    assert "Status: %s\r\n" % status in text and words in text
    assert subject in text and world.came(subject) == {}


# domain: words of the reason
PUT_OFF = {
    "lame_server": ("lame.example", "lame.example"),
    "server_that_drops_every_question": ("mute.example", "mute.example"),
    "signatures_that_do_not_fit": ("bogus.example", "bogus"),
    "only_better_hosts_than_ourselves_are_tried": ("backup.example", "refused"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", PUT_OFF.values(), ids=PUT_OFF.keys())
def test_mail_waits_with_a_reason_where_dns_may_say_more_later(world, case):
    domain, words = case
    subject = send(world.station, domain)
    row = wait_put_off(world.station, domain)
    assert row["last"]["enhanced"].startswith("4.4."), row
    assert words in row["last"]["text"], row
    assert world.came(subject) == {}
    world.station.cli("queue", "drop", row["id"])


def test_what_was_put_off_goes_out_when_dns_is_whole_again(world):
    world.lab.lame("healed.example")
    world.lab.publish()
    subject = send(world.station, "healed.example")
    row = wait_put_off(world.station, "healed.example")
    world.lab.zone("healed.example", "@ MX 10 c.mx.peers.example.")
    world.lab.publish()
    end = time.monotonic() + 20
    while not world.came(subject):  # libunbound keeps a server's failure for five seconds
        assert time.monotonic() < end, world.station.log()
        time.sleep(1)
        world.station.cli("queue", "retry", row["id"], check=False)  # it may just have gone
    assert world.came(subject) == {"c": 1}


@pytest.mark.smoke
def test_an_mx_on_loopback_is_refused_unless_allowed(world):
    with Yizhan(conf=world.conf + World.queue(world.port, is_loopback=False)) as station:
        subject = send(station, "order.example")
        assert "Status: 5.4.6\r\n" in wait_report(station, "order.example")
        assert world.came(subject) == {}
    # and that is the default
    with Yizhan(conf=world.conf + "queue { port = %d }\n" % world.port) as station:
        send(station, "order.example")
        assert "Status: 5.4.6\r\n" in wait_report(station, "order.example")


@pytest.mark.smoke
def test_an_mx_at_our_own_address_is_ourselves_whatever_its_name(world):
    with Yizhan(conf=world.conf) as station:
        station.conf = world.conf + World.queue(station.ports["smtp"])
        station.restart()
        send(station, "local.example")
        assert "Status: 5.4.6\r\n" in wait_report(station, "local.example")


def test_without_any_answer_mail_waits_and_dns_is_named(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        conf = RELAY + 'resolver { forwarders = { "127.0.0.1:%d" } }\n' % deaf.getsockname()[1]
        with Yizhan(conf=conf + World.queue(world.port)) as station:
            send(station, "order.example")
            row = wait_put_off(station, "order.example", seconds=60)
            assert row["last"]["enhanced"] == "4.4.3" and "order.example" in row["last"]["text"]
            assert station.mailbox(ALICE) == []
