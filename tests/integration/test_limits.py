"""What one client may take: connections in all and from one address, behind a PROXY or not."""

import os
import smtplib
import socket
import struct
import time

import pytest

from station import binary

BODY = "Subject: x\r\n\r\nHello.\r\n"


def greeting(station, before=b"", port="smtp"):
    s = socket.create_connection(("127.0.0.1", station.ports[port]), timeout=20)
    if before:
        s.sendall(before)
    return s, s.recv(512)


def test_connections_of_one_address(make_station):
    station = make_station(conf="demo = yes\nlimits { connections_ip = 3 }\n")
    held = [greeting(station) for _ in range(3)]
    assert all(g.startswith(b"220") for _, g in held)
    s, told = greeting(station)
    assert told.startswith(b"421 ") and b"4.7.0" in told
    s.close()
    held.pop()[0].close()
    deadline = time.monotonic() + 5
    while True:
        s, told = greeting(station)
        if told.startswith(b"220") or time.monotonic() > deadline:
            break
        s.close()
        time.sleep(0.05)
    assert told.startswith(b"220")


def test_connections_in_all(make_station):
    station = make_station(conf="demo = yes\nlimits { connections = 4 }\n")
    held = [greeting(station) for _ in range(4)]
    assert all(g.startswith(b"220") for _, g in held)
    assert greeting(station)[1].startswith(b"421 ")
    assert station.cli_json("status", "--json")["inbound"]["connections_refused"] >= 1


def test_relay_networks_are_not_counted(make_station):
    station = make_station(conf='demo = yes\nrelay_networks = { "127.0.0.1" }\nlimits { connections_ip = 1 }\n')
    held = [greeting(station) for _ in range(5)]
    assert all(g.startswith(b"220") for _, g in held)


PROXY = ('demo = yes\nlistener smtp { address = { "127.0.0.1:2525" } }\n'
         'listener behind { tls = none address = { "127.0.0.1:2526" } proxy_networks = { "127.0.0.0/8" } }\n'
         'limits { connections_ip = 2 }\n')


def v2(src, port):
    body = socket.inet_aton(src) + socket.inet_aton("192.0.2.25") + struct.pack("!HH", port, 25)
    return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack("!H", len(body)) + body


@pytest.mark.parametrize("head", [b"PROXY TCP4 203.0.113.7 192.0.2.25 4711 25\r\n", v2("203.0.113.7", 4711)],
                         ids=["v1", "v2"])
def test_proxy_header(make_station, head):
    station = make_station(conf=PROXY)
    s, told = greeting(station, head, "behind")
    assert told.startswith(b"220")
    f = s.makefile("rb")
    for command in (b"HELO x", b"MAIL FROM:<a@b.example>", b"RCPT TO:<alice@yizhan.test>", b"DATA"):
        s.sendall(command + b"\r\n")
        assert f.readline()[:1] in b"23"
    s.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert f.readline().startswith(b"250")
    assert b"([203.0.113.7])" in station.export("alice@yizhan.test", 1)
    # counted by the real address
    second, told = greeting(station, head, "behind")
    assert told.startswith(b"220")
    assert greeting(station, head, "behind")[1].startswith(b"421")
    other = b"PROXY TCP4 203.0.113.8 192.0.2.25 4711 25\r\n"
    assert greeting(station, other, "behind")[1].startswith(b"220")
    # a client that is no proxy gets nothing there
    with socket.create_connection(("127.0.0.1", station.ports["behind"]), timeout=20) as plain:
        plain.sendall(b"EHLO x\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<alice@yizhan.test>\r\n")
        plain.settimeout(5)
        assert plain.recv(512) == b""


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_few_descriptors(make_station, tmp_path):
    """With 64 descriptors the surplus is refused, nothing spins, and mail goes on."""
    program = tmp_path / "few"
    program.write_text('#!/bin/sh\nulimit -n 64\nexec "%s" "$@"\n' % binary())
    program.chmod(0o755)
    station = make_station(conf="demo = yes\nthreads = 1\n", program=str(program))
    flood = [socket.create_connection(station.smtp, timeout=20) for _ in range(120)]
    time.sleep(0.5)
    before = cpu_seconds(station.pid)
    time.sleep(1)
    assert cpu_seconds(station.pid) - before < 0.3
    for s in flood:
        s.close()
    deadline = time.monotonic() + 15
    while True:
        try:
            with smtplib.SMTP(*station.smtp, timeout=20) as client:
                client.sendmail("me@example.org", ["alice@yizhan.test"], BODY)
            break
        except (OSError, smtplib.SMTPException):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    station.wait_mailbox("alice@yizhan.test", 1)
