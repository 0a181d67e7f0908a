#!/usr/bin/env python3
"""What dead destinations cost the living: the rate of delivery to healthy next hops with fifty dead ones among them,
over the rate without, in one run.

    bench/dead.py [--runs 3] [--rows-a-dead-one 2000] [--json]
    bench/run --cases dead

The queue is filled before the server starts: every row is due, those of the dead ones first. Half of the dead refuse
connections, half swallow them. Each healthy next hop is an address of 127.0.0.0/8 with one `bench sink` behind all."""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))
from million import fill  # noqa: E402
from station import StationFailed, Yizhan  # noqa: E402,F401

SECOND = 10**9
DEAD = 50
HEALTHY = 200
LETTERS_A_HEALTHY_ONE = 200
ROWS = 2000
GOAL = 0.9
TITLE = "rate lost to healthy next hops, 50 dead among them"
SECONDS_MAX = 120


class BlackHole:
    """A port whose connections are never answered: its queue is full."""

    def __enter__(self):
        self.listener = socket.socket()
        self.listener.bind(("0.0.0.0", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.full = []
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(("127.0.0.1", self.port))
            self.full.append(s)
        time.sleep(0.1)
        return self

    def __exit__(self, *exc):
        for s in [self.listener, *self.full]:
            s.close()


class Sink:
    def __init__(self, program):
        self.process = subprocess.Popen([program, "bench", "sink", "--listen", "0.0.0.0:0", "--json"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.port = int(self.process.stderr.readline().split()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.communicate(timeout=20)


def delivered(station):
    return station.cli_json("status", "--json")["queue"]["delivered"]


def one_run(program, sink, hole, dead_rows):
    """Recipients a second to the healthy ones, until the last of them has it."""
    healthy = HEALTHY * LETTERS_A_HEALTHY_ONE
    with Yizhan(program=program) as station:
        station.stop()
        if dead_rows:
            fill(station.data, DEAD * dead_rows, DEAD,
                 lambda n: "[127.2.0.%d]:%d" % (n + 1, hole.port if n % 2 else 1), lambda i, now: now - SECOND)
        fill(station.data, healthy, HEALTHY, lambda n: "[127.1.0.%d]:%d" % (n + 1, sink.port), base=1 << 51)
        station.start()
        began = time.monotonic()
        while delivered(station) < healthy:
            if time.monotonic() - began > SECONDS_MAX:
                return delivered(station) / SECONDS_MAX
            time.sleep(0.02)
        rate = healthy / (time.monotonic() - began)
        station.is_crash_expected = True  # the dead keep it from ending quickly
        station.kill9()
    return rate


def measure(program, runs, dead_rows):
    """Alternating runs without and with; a dictionary of all rates and the ratio of the medians."""
    pairs = []
    with Sink(program) as sink, BlackHole() as hole:
        for n in range(runs):
            rates = {}
            for rows in (0, dead_rows) if n % 2 == 0 else (dead_rows, 0):
                rates["with" if rows else "without"] = one_run(program, sink, hole, rows)
            pairs.append(rates)
    ratio = statistics.median(p["with"] / p["without"] for p in pairs)
    return {"pairs": pairs, "ratio": ratio, "goal": GOAL, "dead": DEAD, "rows_a_dead_one": dead_rows}


def program():
    return os.environ.get("YIZHAN_BIN", os.path.join(TOP, "build", "release", "yizhan"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--rows-a-dead-one", type=int, default=2000)
    p.add_argument("--json", action="store_true")
    options = p.parse_args()
    r = measure(program(), options.runs, options.rows_a_dead_one)
    if options.json:
        print(json.dumps(r))
    else:
        print("%d dead with %d rows each: %.0f a second to the healthy ones, %.0f without: %.0f %% (at least %.0f %%)" % (
            DEAD, options.rows_a_dead_one, *(statistics.median(p[k] for p in r["pairs"]) for k in ("with", "without")),
            100 * r["ratio"], 100 * GOAL))
    return 0 if r["ratio"] >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
