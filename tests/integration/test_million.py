"""A start with a very large queue: serving at once, what is due goes out at once, memory stays small."""

import os
import smtplib
import subprocess
import sys
import time

import pytest
from million import fill
from station import StationFailed, binary
from talk import wait_until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECOND = 10**9
MEMORY_MAX = 256  # MiB
SERVING_SECONDS = 2
CARRYING_SECONDS = 10


def is_asan(program):
    with open(program, "rb") as f:
        return b"__asan_init" in f.read()


def resident(station, what="VmRSS"):
    with open("/proc/%d/status" % station.process.pid) as f:
        return [int(line.split()[1]) / 1024 for line in f if line.startswith(what)][0]


class Sink:
    """`yizhan bench sink` on every address of loopback: each of 127.x.y.z is a next hop of its own."""

    def __init__(self, program):
        self.process = subprocess.Popen([program, "bench", "sink", "--listen", "0.0.0.0:0", "--json"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.process.stderr.readline().decode()
        self.port = int(line.split()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.communicate(timeout=20)


def next_hop(port):
    return lambda n: "[127.1.%d.%d]:%d" % (n // 250, n % 250 + 1, port)


def delivered(station):
    return station.cli_json("status", "--json")["queue"]["delivered"]


def first_delivery(station, began):
    while delivered(station) == 0:
        assert time.monotonic() - began < 20, station.log()[-2000:]
        time.sleep(0.02)
    return time.monotonic() - began


def start(station):
    began = time.monotonic()
    station.start()
    with smtplib.SMTP(*station.smtp, timeout=10) as client:
        assert client.ehlo()[0] == 250
    return began, time.monotonic() - began


@pytest.mark.parametrize("recipients, destinations", [
    (100_000, 10_000),
    pytest.param(1_000_000, 10_000, marks=pytest.mark.long),
])
def test_a_start_with_a_large_queue(make_station, recipients, destinations):
    release = os.path.join(TOP, "build", "release", "yizhan")
    program = release if recipients > 100_000 and os.access(release, os.X_OK) else binary()
    with Sink(program) as sink:
        station = make_station(program=program)
        station.stop()
        # half of it due now, the rest in the hours to come; some of it was under way when the process died
        count = fill(station.data, recipients, destinations, next_hop(sink.port),
                     lambda i, now: now if i % 2 else now + (60 + i % 7200) * SECOND, active=2000)
        began, serving = start(station)
        first = first_delivery(station, began)
        most = 0
        while time.monotonic() - began < CARRYING_SECONDS and delivered(station) < count // 2:
            most = max(most, resident(station))
            time.sleep(0.2)
        done, seconds = delivered(station), time.monotonic() - began
        print("%d recipients: serving after %.2f s, first delivery after %.2f s, %.0f a second, %.0f MiB at most" %
              (count, serving, first, done / seconds, most), file=sys.stderr)
        assert serving < SERVING_SECONDS * (5 if is_asan(program) else 1)
        assert first < SERVING_SECONDS * (6 if is_asan(program) else 1) + 1
        assert done > 100
        if not is_asan(program):
            assert most < MEMORY_MAX
        left = station.cli_json("status", "--json")["store"]["queue_recipients"]
        assert left + delivered(station) >= count  # nothing is lost; what is settled meanwhile counts twice


def test_what_a_dead_process_held_is_carried_on(make_station):
    """Rows that were active are found by themselves, not by a walk over the queue."""
    with Sink(binary()) as sink:
        station = make_station()
        station.stop()
        fill(station.data, 1000, 10, next_hop(sink.port), lambda i, now: now + 3600 * SECOND, active=300)
        start(station)
        end = time.monotonic() + 20
        while delivered(station) < 300:
            assert time.monotonic() < end
            time.sleep(0.05)
        # what the next hop has taken is settled a moment later
        assert wait_until(lambda: station.cli_json("status", "--json")["store"]["queue_recipients"] == 700)


def test_the_filled_store_is_sound(make_station):
    station = make_station()
    station.stop()
    fill(station.data, 1000, 10, next_hop(1), active=10)
    try:
        station.cli("check")
    except StationFailed as failed:
        pytest.fail(str(failed))
