"""Fifty destinations that are dead take nothing from one that is well: its delivery rate, with their mail waiting in the
queue and without. Half of the dead ones refuse connections, half take them and never say a word."""

import contextlib
import json
import socket
import statistics
import subprocess
import time

import pytest

from station import Yizhan, binary

DEAD, LETTERS, DEAD_LETTERS, ROUNDS = 50, 2000, 1000, 5
CONF = 'demo = yes\nrelay_networks = { "127.0.0.0/8" }\nresolver { forwarders = { "127.0.0.1:1" } }\n'


def load(station, messages, rcpts):
    options = [word for rcpt in rcpts for word in ("--rcpt", rcpt)]
    done = subprocess.run([binary(), "bench", "source", "--to", "%s:%d" % station.smtp, "--sessions", "10", "--messages", str(messages),
                           "--pipelining", "--reuse", "--from", "alice@yizhan.test", "--json"] + options,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=station.environment(), timeout=120)
    assert done.returncode == 0, done.stdout.decode()


def delivered(station):
    return station.cli_json("status", "--json")["queue"]["delivered"]


@contextlib.contextmanager
def sink():
    """Somebody who takes all mail at once: its port."""
    process = subprocess.Popen([binary(), "bench", "sink", "--listen", "127.0.0.1:0"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    try:
        yield int(process.stderr.readline().split()[-1])
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def dead_ports(stack):
    """Ports where nobody listens, and ports where nobody answers: all are held, so that nobody else takes them."""
    for i in range(DEAD):
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        if i % 2:
            held.listen(64)
        yield held.getsockname()[1]


def rate(station_of, with_dead):
    """Letters a second to the one that is well."""
    with contextlib.ExitStack() as stack:
        station = stack.enter_context(station_of())
        station.cli("route", "add", "well.test", "127.0.0.1:%d" % stack.enter_context(sink()))
        if with_dead:
            for i, port in enumerate(dead_ports(stack)):
                station.cli("route", "add", "dead%d.test" % i, "127.0.0.1:%d" % port)
            load(station, DEAD_LETTERS, ["you@dead%d.test" % i for i in range(DEAD)])
        begin = time.monotonic()
        load(station, LETTERS, ["you@well.test"])
        while delivered(station) < LETTERS:
            assert time.monotonic() < begin + 60, station.log()
            time.sleep(0.02)
        took = time.monotonic() - begin
        waiting = len(station.cli_json("queue", "list", "--json"))
        assert waiting == (DEAD_LETTERS if with_dead else 0)
    return LETTERS / took


@pytest.mark.long
def test_fifty_dead_sites_leave_nine_tenths_of_the_rate_to_one_that_is_well():
    """In turns, because the machine is not alone; the medians count."""
    rates = {False: [], True: []}
    for n in range(ROUNDS):
        for with_dead in (n % 2 == 0, n % 2 == 1):
            rates[with_dead].append(rate(lambda: Yizhan(conf=CONF), with_dead))
    with_dead, without = statistics.median(rates[True]), statistics.median(rates[False])
    print(json.dumps({"with": round(with_dead), "without": round(without), "ratio": round(with_dead / without, 3)}))
    assert with_dead >= 0.9 * without, rates
