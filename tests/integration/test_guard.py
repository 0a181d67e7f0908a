"""yizhan ban: who may connect. Clients come from elsewhere behind a PROXY header, for loopback is never banned."""

import base64
import datetime
import socket
import ssl

import pytest

PROXIED = """
demo = yes
data = "{data}"
listener smtp {
	protocol = smtp
	address = { "127.0.0.1:2525" }
}
listener behind {
	protocol = smtp
	address = { "127.0.0.1:5870" }
	proxy_networks = { "127.0.0.1/32" }
}
%s
"""


def greeting(station, client, port="behind"):
    """What a client behind the proxy is greeted with."""
    with socket.create_connection(("127.0.0.1", station.ports[port]), timeout=10) as s:
        kind = "TCP6" if ":" in client else "TCP4"
        s.sendall(("PROXY %s %s %s 40000 25\r\n" % (kind, client, client)).encode())
        return s.makefile().readline().strip()


@pytest.fixture
def proxied(make_station):
    return make_station(conf=PROXIED % "")


def bans(station, command="list"):
    return {r["network"]: r for r in station.cli_json("ban", command, "--json")}


def test_a_ban_is_told_with_its_end_and_taken_back(proxied):
    assert greeting(proxied, "203.0.113.5").startswith("220 ")
    proxied.cli("ban", "add", "203.0.113.0/24", "--reason", "guesses all day", "--for", "1d")
    told = greeting(proxied, "203.0.113.5")
    assert told.startswith("421 4.7.0 Your network is not admitted here until 20")
    end = datetime.datetime.fromisoformat(told.split()[-1].replace("Z", "+00:00"))
    left = end - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(hours=23, minutes=58) < left <= datetime.timedelta(days=1)
    assert greeting(proxied, "203.0.114.5").startswith("220 ")
    row = bans(proxied)["203.0.113.0/24"]
    assert (row["kind"], row["reason"], row["refused"]) == ("ban", "guesses all day", 1)
    assert row["made_by"] in ("root", "uid %d" % __import__("os").getuid())
    # the proxy itself is not the one who is banned
    with socket.create_connection(("127.0.0.1", proxied.ports["smtp"]), timeout=10) as s:
        assert s.recv(100).startswith(b"220 ")
    proxied.cli("ban", "remove", "203.0.113.0/24")
    assert greeting(proxied, "203.0.113.5").startswith("220 ")


def test_the_narrowest_network_decides(proxied):
    proxied.cli("ban", "add", "2001:db8::/32")
    proxied.cli("ban", "allow", "2001:db8:7::/48", "--reason", "the branch office")
    assert greeting(proxied, "2001:db8::1").startswith("421 4.7.0 Your network is not admitted here")
    assert greeting(proxied, "2001:db8:7::1").startswith("220 ")
    assert set(bans(proxied)) == {"2001:db8::/32"}
    assert bans(proxied, "allowed")["2001:db8:7::/48"]["reason"] == "the branch office"


def test_bans_last_and_are_managed_without_a_server(proxied):
    proxied.cli("ban", "add", "203.0.113.7", "--reason", "kept")
    proxied.stop()
    proxied.cli("ban", "add", "198.51.100.0/24")
    assert set(bans(proxied)) == {"203.0.113.7", "198.51.100.0/24"}
    proxied.cli("ban", "remove", "203.0.113.7")
    proxied.start()
    assert greeting(proxied, "198.51.100.9").startswith("421 4.7.0 ")
    assert greeting(proxied, "203.0.113.7").startswith("220 ")


def test_trusted_networks_are_never_banned_and_change_at_a_reload(make_station):
    station = make_station(conf=PROXIED % 'guard { trusted = { "203.0.113.0/24" } }')
    station.cli("ban", "add", "0.0.0.0/0")
    assert greeting(station, "203.0.113.9").startswith("220 ")
    assert greeting(station, "203.0.114.9").startswith("421 4.7.0 ")
    conf = station.conf.replace("203.0.113.0/24", "203.0.114.0/24")
    with open(station.directory + "/yizhan.conf", "w") as f:
        f.write(conf.replace("{data}", station.data).replace("{offset}", str(station.offset.value)))
    station.reload()
    station.wait_log("host.reloaded")
    assert greeting(station, "203.0.113.9").startswith("421 4.7.0 ")
    assert greeting(station, "203.0.114.9").startswith("220 ")
    assert station.cli_json("status", "--json")["guard"]["refused"] == 2
    assert "yizhan_connections_banned_total 2" in station.cli("metrics").stdout.decode()


@pytest.mark.parametrize("words, code, told", [
    (["add", "127.0.0.0/8"], 77, "loopback is never banned"),
    (["add", "127.0.0.1/32"], 77, "loopback is never banned"),
    (["add", "192.0.2.1/24"], 64, "bits set behind"),
    (["add", "example.org"], 64, "is no network"),
    (["add", "192.0.2.1", "--for", "soon"], 64, "for how long"),
    (["add", "192.0.2.1", "--reason", "x" * 201], 64, "a reason is one line"),
    (["add"], 64, "NETWORK"),
    (["remove", "192.0.2.1"], 65, "is not listed"),
])
def test_what_cannot_be_is_told(station_shared, words, code, told):
    done = station_shared.cli("ban", *words, check=False)
    assert told in done.stderr.decode()
    assert done.returncode == code


def test_what_lies_in_a_banned_network_is_told_its_name(station):
    station.cli("ban", "add", "192.0.2.0/24")
    done = station.cli("ban", "remove", "192.0.2.9", check=False)
    assert "192.0.2.9 itself is not listed; it lies in 192.0.2.0/24" in done.stderr.decode()


LOGINS = PROXIED % """
listener submission {
	protocol = submission
	address = { "127.0.0.1:4650" }
	proxy_networks = { "127.0.0.1/32" }
}
guard { network_failures = 3 }
"""


def try_login(station, client, user, password):
    """The last reply to a client behind the proxy that logs in by PLAIN over TLS; the greeting when it is no 220."""
    with socket.create_connection(("127.0.0.1", station.ports["submission"]), timeout=20) as s:
        s.sendall(("PROXY TCP4 %s 127.0.0.1 40000 587\r\n" % client).encode())
        lines = s.makefile("rb")
        greeting = lines.readline().decode().strip()
        if not greeting.startswith("220 "):
            return greeting
        for word in ("EHLO me", "STARTTLS"):
            s.sendall((word + "\r\n").encode())
            while lines.readline()[3:4] == b"-":
                pass
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(s) as t:
            lines = t.makefile("rb")
            secret = base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()
            for word in ("EHLO me", "AUTH PLAIN " + secret):
                t.sendall((word + "\r\n").encode())
                line = lines.readline()
                while line[3:4] == b"-":
                    line = lines.readline()
            return line.decode().strip()


def test_guesses_ban_a_network_where_people_log_in(make_station):
    station = make_station(conf=LOGINS)
    alice = station.account("alice")
    for i, user in enumerate(("alice@yizhan.test", "nobody@yizhan.test", "bob@yizhan.test")):
        assert try_login(station, "203.0.113.5", user, "guess%d" % i).startswith("535 5.7.8 ")
    told = try_login(station, "203.0.113.5", alice.address, alice.password)
    assert told.startswith("421 4.7.0 Too many failed logins from your network, try again after 20")
    row = bans(station)["203.0.113.5"]
    assert (row["made_by"], row["reason"]) == ("guard", "3 failed logins within 10m")
    # other servers still bring mail from there; others still log in
    assert greeting(station, "203.0.113.5").startswith("220 ")
    assert try_login(station, "203.0.113.6", alice.address, alice.password).startswith("235 ")
    station.restart()
    assert try_login(station, "203.0.113.5", alice.address, alice.password).startswith("421 4.7.0 ")
    station.cli("ban", "remove", "203.0.113.5")
    assert try_login(station, "203.0.113.5", alice.address, alice.password).startswith("235 ")


def test_a_phone_with_an_old_password_is_not_banned(make_station):
    station = make_station(conf=LOGINS)
    alice = station.account("alice")
    for _ in range(5):
        assert try_login(station, "203.0.113.5", alice.address, "my old one").startswith("535 ")
    assert try_login(station, "203.0.113.5", alice.address, alice.password).startswith("235 ")
    assert bans(station) == {}
    # and now that she is known there, others' guesses from there do not keep her out
    for i in range(4):
        assert try_login(station, "203.0.113.5", "bob@yizhan.test", "guess%d" % i)[:3] in ("535", "454")
    assert try_login(station, "203.0.113.5", "bob@yizhan.test", "guess9").startswith("454 4.7.0 ")
    assert try_login(station, "203.0.113.5", alice.address, alice.password).startswith("235 ")
