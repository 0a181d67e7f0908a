"""kill -9 at each named step of accept, deliver and settle, and at random under load (docs/queue.md says what each
state promises). After every restart `yizhan check` finds nothing, and the inventory is right: load.check_inventory."""

import os
import random
import re
import time

import pytest

import load

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# 20 rounds in `make test`, 200 and more in `make test-long`
RANDOM_ROUNDS = int(os.environ.get("YIZHAN_CRASH_ROUNDS") or (200 if os.environ.get("YIZHAN_LONG") else 20))
ROUNDS_A_TEST = 5
# the server itself commits a few times before it greets
STARTING_COMMITS = 10
VISITS = (1, 5) if RANDOM_ROUNDS < 100 else (1, 2, 3, 5, 8, 13, 21)


def fault_points():
    """The sorted list of src/run/fault.h: a point that is added there is walked here."""
    with open(os.path.join(TOP, "src/run/fault.h")) as f:
        return re.findall(r'X\([A-Z_]+, "([a-z.]+)"\)', f.read())


def fault_points_of_smtp():
    """Without those of the drop directory, which tests/integration/test_local.py walks."""
    return [point for point in fault_points() if not point.startswith("drop.")]


def test_every_fault_point_is_placed():
    text = ""
    for folder, _, names in os.walk(os.path.join(TOP, "src")):
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(folder, name)) as f:
                    text += f.read()
    for point in fault_points():
        assert "FAULT(%s)" % point.upper().replace(".", "_") in text, point


def revive(station):
    """Start after a crash: the store is sound at once, before anything else is done."""
    station.env.pop("YIZHAN_CRASH_AT", None)
    station.start()
    checked = station.cli("check", seconds=60)
    assert checked.returncode == 0


def check_all(station, sent, sink):
    load.wait_queue_empty(station)
    return load.check_inventory(station, sent, sink)


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.parametrize("point", fault_points_of_smtp())
def test_kill_at_named_step_loses_nothing(station, sink, point, visit):
    sent = load.Sent()
    size = load.LARGE_OCTETS if point == "accept.staged" else 2000
    rcpt_sets = [[load.REFUSED, load.LOCAL]] if point == "settle.bounced" else None
    if point.startswith("commit."):
        visit += STARTING_COMMITS
    station.stop()
    station.env["YIZHAN_CRASH_AT"] = "%s:%d" % (point, visit)
    station.start()
    clients = load.Clients(station.smtp, sent, "k", threads=3, messages=100, rcpt_sets=rcpt_sets, size=size)
    assert station.wait_end(seconds=60) == -9, "the step %s was not reached" % point
    clients.join()
    revive(station)
    after = load.Clients(station.smtp, sent, "after", threads=1, messages=3)
    after.join()
    assert sum(token.startswith("after-") for token in sent.accepted) == 3
    check_all(station, sent, sink)


@pytest.mark.parametrize("batch", range((RANDOM_ROUNDS + ROUNDS_A_TEST - 1) // ROUNDS_A_TEST))
def test_kill_at_random_under_load_loses_nothing(station, sink, batch):
    seed = int(os.environ.get("YIZHAN_CRASH_SEED", time.time_ns() % 1000000)) + batch
    print("seed", seed)
    chance = random.Random(seed)
    sent = load.Sent()
    for number in range(ROUNDS_A_TEST):
        clients = load.Clients(station.smtp, sent, "r%d" % number, threads=5, messages=400,
                               rcpt_sets=[[load.LOCAL], [load.REMOTE], [load.LOCAL, load.OTHER, load.REMOTE],
                                          [load.REFUSED, load.OTHER]])
        time.sleep(chance.uniform(0.05, 0.6))
        station.kill9()
        clients.join()
        revive(station)
    assert sent.count() > 0
    doubles = check_all(station, sent, sink)
    print("%d answered 250, %d more than once at the next hop" % (sent.count(), len(doubles)))
