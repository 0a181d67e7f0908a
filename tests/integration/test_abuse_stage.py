"""Letters on their way in stay within a budget of memory and one of disk, however many come at once: 452 4.3.1 beyond,
and all is given back when they end, however they end."""

import concurrent.futures
import os
import resource
import time

import pytest

from talk import HERMETIC, Control, Talk, memory_kib, small_quarantine, wait_idle, wait_until

MIB = 1 << 20
LINES = (b"x" * 70 + b"\r\n") * 1024
HEAD = b"Subject: %d\r\n\r\n"


@pytest.fixture(autouse=True)
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Watch:
    """Asks for the budgets again and again; remembers the most that was spent."""

    def __init__(self, station):
        self.station, self.memory, self.disk, self.rss_kib = station, 0, 0, 0
        self.is_over = False
        self.pool = concurrent.futures.ThreadPoolExecutor(1)

    def __enter__(self):
        self.job = self.pool.submit(self.run)
        return self

    def __exit__(self, *exc):
        self.is_over = True
        self.job.result()
        self.pool.shutdown()

    def run(self):
        with Control(self.station) as control:
            while not self.is_over:
                store = control.status()["store"]
                self.memory = max(self.memory, store["stage_memory"])
                self.disk = max(self.disk, store["stage_disk"])
                self.rss_kib = max(self.rss_kib, memory_kib(self.station.pid))
                time.sleep(0.02)


def each(talks, act, threads=8):
    """act(number, talk) for all of them, several at a time."""
    def share(first):
        return [act(i, talks[i]) for i in range(first, len(talks), threads)]
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        done = list(pool.map(share, range(threads)))
    return [done[i % threads][i // threads] for i in range(len(talks))]


def begin_all(station, count):
    """So many connections, each of them behind its 354."""
    def begin(number, _):
        t = Talk(station.smtp, seconds=120)
        t.begin(params=b" SIZE=52428800")
        assert t.ask(b"DATA").code == 354
        t.send(HEAD % number)
        return t
    return each([None] * count, begin)


def send_half(talks, octets):
    """To each of them so many octets, in turns: all of them are half way at once."""
    while octets:
        lines = LINES * min(8, octets // len(LINES))
        each(talks, lambda _, t: t.send(lines))
        octets -= len(lines)


def check_bounds(watch, before_kib, memory_max, disk_max, connections):
    print("stage memory %d KiB, disk %d KiB, resident %d -> %d KiB" % (watch.memory // 1024, watch.disk // 1024, before_kib, watch.rss_kib))
    assert 0 < watch.memory <= memory_max and 0 < watch.disk <= disk_max
    # beside the budget: a stack, an input buffer and the sanitizer's share for each connection
    assert watch.rss_kib - before_kib < memory_max // 1024 + connections * 192, (before_kib, watch.rss_kib)


CONF = "demo = yes\nlimits { connections_ip = 5000 }\nstore { stage_memory = %s stage_disk = %s }\n" + HERMETIC


def test_a_thousand_letters_half_way_stay_within_small_budgets(make_station):
    """1,000 letters that want 50 MB each, 16 MiB of memory, 32 MiB of disk."""
    with small_quarantine():
        station = make_station(conf=CONF % ("16M", "32M"))
    before = memory_kib(station.pid)
    with Watch(station) as watch:
        talks = begin_all(station, 1000)
        send_half(talks, 5 * len(LINES))
        with Control(station) as control:
            assert control.status()["inbound"]["connections_now"] == 1000
    check_bounds(watch, before, 16 * MIB, 32 * MIB, 1000)
    # a third breaks off, the others come to an end
    gone, rest = talks[::3], [t for i, t in enumerate(talks) if i % 3]
    for i, t in enumerate(gone):
        t.reset() if i % 2 else t.close()

    def end(_, t):
        t.send(b".\r\n")
        return t.reply().both
    replies = each(rest, end)
    assert set(replies) == {"250 2.0.0", "452 4.3.1"}
    for t in rest:
        assert t.ask(b"QUIT").code == 221
        t.close()
    # all is given back, and used again
    wait_idle(station)
    with Control(station) as control:
        taken = control.ask("mailbox.list", address="alice@yizhan.test")
        assert len(taken) == replies.count("250 2.0.0")
        assert all(m["size"] > 5 * len(LINES) for m in taken)
    with Talk(station.smtp) as t:
        assert t.deliver(HEAD % 5000 + LINES * 100).both == "250 2.0.0"
    # the allocator keeps what was freed: the same once more leaves no more behind
    kept = memory_kib(station.pid)
    talks = begin_all(station, 1000)
    send_half(talks, 5 * len(LINES))
    for t in talks:
        t.reset()
    wait_idle(station)
    assert wait_until(lambda: memory_kib(station.pid) - kept < 16 * 1024), (before, kept, memory_kib(station.pid))


def test_memory_alone_can_be_spent(make_station):
    """Letters that fit into memory share that budget; the one that does not fit hears 452 and the connection lives."""
    station = make_station(conf=CONF % ("1M", "1M"))
    talks = begin_all(station, 40)
    each(talks, lambda _, t: t.send(LINES))
    replies = each(talks, lambda _, t: (t.send(b".\r\n"), t.reply().both)[1])
    assert set(replies) == {"250 2.0.0", "452 4.3.1"}
    for t in talks:
        assert t.deliver(HEAD % 1 + b"small\r\n", hello=None).both == "250 2.0.0"
        t.close()
    with Talk(station.smtp) as t:  # and one alone may be too large for the disk's
        assert t.deliver(HEAD % 2 + LINES * 24).both == "452 4.3.1"
        assert t.deliver(HEAD % 3 + LINES * 8, hello=None).both == "250 2.0.0"
    wait_idle(station)


@pytest.mark.long
def test_a_thousand_letters_half_way_stay_within_the_real_budgets(make_station):
    """1,000 letters of 50 MB, 25 MB of each sent; the budgets as they come: 256 MiB of memory, 4 GiB of disk."""
    with small_quarantine():
        station = make_station(conf=CONF % ("256M", "4G"))
    before = memory_kib(station.pid)
    half = 25 * MIB // len(LINES) * len(LINES)
    with Watch(station) as watch:
        talks = begin_all(station, 1000)
        send_half(talks, half)
    check_bounds(watch, before, 256 * MIB, 4096 * MIB, 1000)
    assert watch.disk > 2048 * MIB
    # a bare LF at the end: who was refused already hears 452, who was not hears 550 and nothing is stored
    replies = each(talks, lambda _, t: (t.send(b"\n\r\n.\r\n"), t.reply().both)[1])
    assert set(replies) == {"452 4.3.1", "550 5.6.11"}
    for t in talks:
        t.close()
    wait_idle(station)
    with Talk(station.smtp, seconds=120) as t:
        assert t.deliver(HEAD % 5000 + LINES * (50 * MIB // len(LINES) - 1), params=b" SIZE=52428800").both == "250 2.0.0"
    assert os.path.exists(station.data)
