"""Emptying a mailbox of 100,000 messages must not keep others waiting: the 99th percentile of the time from the final
dot to its 250, while it happens, is at most three times that of the server at rest (same machine, same minute)."""

import json
import os
import subprocess
import threading

import pytest

MESSAGES = 100000
RATIO = 3
# a disk that other work uses at the same time can spoil one pair of figures, not three
TRIES = 3


def source(station, rcpt, messages, *more):
    done = subprocess.run([station.program, "bench", "source", "--to", "%s:%d" % station.smtp, "--messages",
                           str(messages), "--rcpt", rcpt, "--reuse", "--json", *more],
                          stdout=subprocess.PIPE, check=True, timeout=900)
    figures = json.loads(done.stdout)
    assert figures["accepted"] == messages, figures
    return figures


def p99(station):
    return source(station, "alice@yizhan.test", 400, "--sessions", "4", "--size", "4096")["latency_us"]["p99"]


def p99_while_emptying(station):
    done = threading.Event()
    figures = []

    def sample():
        while not done.is_set():
            figures.append(p99(station))

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        station.cli("account", "remove", "many@yizhan.test", "--now", seconds=900)
    finally:
        done.set()
        sampler.join()
    assert figures, "the mailbox was empty before anything could be measured"
    return max(figures) if len(figures) < 3 else sorted(figures)[len(figures) // 2]


@pytest.mark.long
def test_emptying_100000_messages_keeps_nobody_waiting(make_station):
    release = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                           "build/release/yizhan")
    station = make_station(program=release if os.access(release, os.X_OK) else None)
    ratios = []
    for _ in range(TRIES):
        station.cli("account", "add", "many@yizhan.test")
        source(station, "many@yizhan.test", MESSAGES, "--sessions", "20", "--pipelining", "--size", "1024")
        assert len(station.cli_json("account", "list", "--json")) >= 3
        idle = p99(station)
        ratios.append(p99_while_emptying(station) / idle)
        if ratios[-1] <= RATIO:
            break
    print("p99 of the final 250 while emptying, over p99 at rest:", ratios)
    assert min(ratios) <= RATIO
    station.cli("check", seconds=600)
