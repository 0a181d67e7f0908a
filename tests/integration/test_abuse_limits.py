"""Clients that are slow, stubborn or too many, a server without descriptors or disk: each gets its reply, nothing
spins, nothing is lost, and what was short is used again as soon as it is there."""

import concurrent.futures
import contextlib
import os
import re
import resource
import smtplib
import socket
import ssl
import subprocess
import time

import pytest

from talk import HERMETIC, Control, Gone, Talk, cpu_seconds, memory_kib, play, small_quarantine, wait_idle, wait_until

PATIENT = "errors_hard = 1000000 errors_delay = 0"
BODY = b"Subject: %s\r\n\r\nHello.\r\n"


def server(make_station, limits="", more="", **options):
    return make_station(conf="demo = yes\nlimits { %s }\n%s" % (limits, more) + HERMETIC, **options)


def timed(what):
    begin = time.monotonic()
    value = what()
    return value, time.monotonic() - begin


# ---- errors, junk, transactions, connections ----


def test_errors_are_slowed_down_then_ended(make_station):
    """From errors_soft on each error waits; at errors_hard the session ends with 421 4.7.0."""
    station = server(make_station, "errors_soft = 3 errors_hard = 6 errors_delay = 300ms")
    with Talk(station.smtp) as t:
        t.ask(b"EHLO x")
        waits = []
        for _ in range(6):
            reply, seconds = timed(lambda: t.ask(b"FROB"))
            assert reply.both == "500 5.5.2"
            waits.append(seconds >= 0.3)
        assert not all(waits[:2]) and all(waits[2:]), waits  # a busy machine may slow down one of them
        assert t.reply().both == "421 4.7.0"
        assert t.rest() == []
    with Talk(station.smtp) as t:  # what is right is not slowed down, and a letter makes good for errors
        took = []
        for _ in range(3):
            t.ask(b"EHLO x")
            for _ in range(4):
                t.ask(b"FROB")
            reply, seconds = timed(lambda: t.ask(b"NOOP"))
            assert reply.both == "250 2.0.0"
            assert t.deliver(BODY % b"x").both == "250 2.0.0"
            took.append(seconds)
        assert min(took) < 0.25, took


def test_errors_wait_only_for_themselves(make_station):
    """While one client sits in the tar others are served."""
    station = server(make_station, "errors_soft = 1 errors_hard = 100 errors_delay = 4s", "threads = 1\n")
    with contextlib.ExitStack() as stack:
        stuck = [stack.enter_context(Talk(station.smtp)) for _ in range(20)]
        for t in stuck:
            t.send(b"FROB\r\n")
        time.sleep(0.1)
        with Talk(station.smtp) as t:
            reply, seconds = timed(lambda: t.deliver(BODY % b"x"))
            assert reply.both == "250 2.0.0" and seconds < 3.5
        assert all(t.reply().both == "500 5.5.2" for t in stuck)


@pytest.mark.parametrize("junk", [b"NOOP", b"RSET", b"VRFY x", b"HELP", b"EHLO x", b"HELO x"])
def test_junk_between_letters_is_limited(make_station, junk):
    station = server(make_station, "junk_commands = 10")
    with Talk(station.smtp) as t:
        codes = [t.ask(junk).code for _ in range(10)]
        assert set(codes) <= {250, 252, 214}
        assert t.ask(junk).both == "421 4.7.0"
        assert t.rest() == []
    with Talk(station.smtp) as t:  # a letter starts the count again
        t.ask(b"EHLO x")
        for _ in range(3):
            for _ in range(8):
                assert t.ask(junk).code < 400
            assert t.deliver(BODY % b"x", hello=None if not junk.endswith(b"x") else b"EHLO x").both == "250 2.0.0"


def test_transactions_of_one_connection(make_station):
    station = server(make_station, "transactions = 3")
    with Talk(station.smtp) as t:
        assert "LIMITS MAILMAX=3 RCPTMAX=1000" in t.ask(b"EHLO x").lines
        for n in range(3):
            assert t.deliver(BODY % b"x", hello=None).both == "250 2.0.0"
        assert t.ask(b"MAIL FROM:<a@peer.example>").both == "421 4.7.0"
        assert t.rest() == []
    with Talk(station.smtp) as t:  # those that are given up count too
        t.ask(b"EHLO x")
        for _ in range(3):
            assert t.ask(b"MAIL FROM:<a@peer.example>").code == 250
            assert t.ask(b"RSET").code == 250
        assert t.ask(b"MAIL FROM:<a@peer.example>").both == "421 4.7.0"


def test_connections_of_one_address_and_of_another(make_station):
    """The limit is one address's own; 421 is said, and the place is free again at once."""
    station = server(make_station, "connections_ip = 5")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(Talk(station.smtp)) for _ in range(5)]
        for _ in range(10):
            with Talk(station.smtp) as t:
                assert t.greeting.both == "421 4.7.0"
                assert t.rest() == []
        with Talk(station.smtp, source=("127.0.0.2", 0)) as t:
            assert t.greeting.code == 220
        assert held[0].ask(b"QUIT").code == 221
        held[1].reset()
        def enter():
            with Talk(station.smtp) as t:
                return t.greeting.code == 220
        assert wait_until(enter)
        assert all(t.ask(b"NOOP").code == 250 for t in held[2:])


# ---- slow clients ----


def drip(t, octets, pause, seconds):
    """An octet each `pause` seconds until the server speaks: the reply's octets, and how long it took."""
    begin = time.monotonic()
    t.sock.settimeout(pause)
    for i in range(int(seconds / pause)):
        try:
            t.sock.sendall(octets[i % len(octets):][:1])
            got = t.sock.recv(65536)
            return got, time.monotonic() - begin
        except TimeoutError:
            pass
        except ConnectionError:
            return b"", time.monotonic() - begin
    raise AssertionError("still patient after %g s" % seconds)


def test_silence_and_slow_commands_end_with_421(make_station):
    """A command has its time as a whole: an octet now and then does not lengthen it."""
    station = server(make_station, "command_time = 1s data_time = 1s")
    cases = [
        ("silent from the start", []),
        ("silent after EHLO", [b"EHLO x"]),
        ("silent in a transaction", [b"EHLO x", b"MAIL FROM:<a@peer.example>", b"RCPT TO:<alice@yizhan.test>"]),
        ("silent in DATA", [b"EHLO x", b"MAIL FROM:<a@peer.example>", b"RCPT TO:<alice@yizhan.test>", b"DATA"]),
        ("silent in a chunk", [b"EHLO x", b"MAIL FROM:<a@peer.example>", b"RCPT TO:<alice@yizhan.test>", b"BDAT 10\r\nabc"]),
        ("slow command", None),
    ]

    def one(case):
        name, said = case
        with Talk(station.smtp) as t:
            if said is None:
                got, seconds = drip(t, b"NOOP " + b"x" * 100, 0.1, 10)
            else:
                for line in said:
                    if line.startswith(b"BDAT"):
                        t.send(line)
                    else:
                        t.ask(line)
                got, seconds = timed(t.rest_octets)
            assert re.fullmatch(rb"421 4\.4\.2 [^\r\n]+\r\n", got), (name, got)
            assert 0.9 < seconds < 5, (name, seconds)
            assert t.rest() == []
        return name

    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        assert len(list(pool.map(one, cases))) == len(cases)
    wait_idle(station)


def test_slow_handshakes_end(make_station):
    """Half a ClientHello, or one octet of it at a time, is not waited for longer than for a command."""
    station = server(make_station, "command_time = 1s")
    with Talk(station.smtp) as t, Talk(station.smtp) as u:
        for each in (t, u):
            each.ask(b"EHLO x"), each.ask(b"STARTTLS")
        t.send(b"\x16\x03\x01\x02\x00")
        begin = time.monotonic()
        wire = t.rest_octets()
        assert 0.5 < time.monotonic() - begin < 5
        assert b"421" not in wire  # nothing is said in clear where TLS was promised
        _, seconds = drip(u, b"\x16\x03\x01\x3f\x00" + b"\x01" * 16000, 0.05, 10)
        assert seconds < 5
    wait_idle(station)


def test_a_client_that_does_not_read_is_not_waited_for(make_station):
    """Replies that nobody takes: the server stops reading, keeps little, and ends after command_time."""
    with small_quarantine():
        station = server(make_station, "command_time = 2s errors_hard = 1000000 errors_delay = 0")
    before = memory_kib(station.pid)
    with Talk(station.smtp) as t:
        t.sock.settimeout(0.5)
        sent = 0
        with pytest.raises(OSError):  # the buffers on the way are full
            while sent < 1 << 30:
                sent += t.sock.send(b"FROB\r\n" * 10000)
        assert memory_kib(station.pid) - before < 32 * 1024
        assert wait_until(lambda: idle_now(station), 10)
    with Talk(station.smtp) as t:
        assert t.ask(b"NOOP").code == 250


def idle_now(station):
    with Control(station) as control:
        return control.status()["inbound"]["connections_now"] == 0


def test_a_session_has_its_time(make_station):
    station = server(make_station, "session_time = 2s")
    with Talk(station.smtp) as t:
        begin = time.monotonic()
        with pytest.raises((Gone, OSError)):
            while time.monotonic() - begin < 10:
                reply = t.ask(b"NOOP")
                if reply.code == 421:
                    assert reply.both == "421 4.4.2"
                    raise Gone("as it should")
                time.sleep(0.1)
        assert 1.5 < time.monotonic() - begin < 5


@pytest.mark.long
@pytest.mark.parametrize("way", [b"DATA\r\n", b"BDAT 100000\r\n"], ids=["data", "bdat"])
def test_one_octet_a_second_is_too_slow_for_a_body(make_station, way):
    """Each octet comes in time, all of them together do not: a floor of octets a second, after half a minute."""
    station = server(make_station)
    with Talk(station.smtp) as t:
        t.begin()
        t.send(way)
        if way.startswith(b"DATA"):
            assert t.reply().code == 354
        got, seconds = drip(t, b"x" * 100, 1, 60)
        assert got.startswith(b"421 4.4.2") and 29 < seconds < 35


# ---- descriptors ----


def open_files(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def lowest_free(pid):
    """The number that the next descriptor would get."""
    used = {int(fd) for fd in os.listdir("/proc/%d/fd" % pid)}
    return next(n for n in range(len(used) + 1) if n not in used)


def deliver_until_taken(station, name, seconds=20):
    """Until one more letter was taken."""
    def attempt():
        try:
            with Talk(station.smtp) as t:
                return t.deliver(BODY % name).both == "250 2.0.0"
        except (AssertionError, Gone, OSError):
            return False
    assert wait_until(attempt, seconds, 0.1), station.log()


def test_64_descriptors(make_station, tmp_path):
    """With 64 from the start there are fewer places, the surplus hears 421, letters of any size pass."""
    few = tmp_path / "few"
    few.write_text('#!/bin/sh\nulimit -n 64\nexec "%s" "$@"\n' % os.environ.get("YIZHAN_BIN", make_program()))
    few.chmod(0o755)
    station = server(make_station, program=str(few))
    # the demo makes its keys after the start: their processor time is not what is looked at here
    assert wait_until(lambda: station.cli("key", "list", "--json").stdout.count(b"selector") == 2, 20, 0.1)
    with contextlib.ExitStack() as stack:
        codes = []
        for _ in range(100):
            s = stack.enter_context(socket.create_connection(station.smtp, timeout=20))
            codes.append(s.recv(512)[:3])
        assert set(codes) == {b"220", b"421"} and codes[0] == b"220"
        before = cpu_seconds(station.pid)
        time.sleep(2)
        assert cpu_seconds(station.pid) - before < 0.5
        assert open_files(station.pid) <= 64
    deliver_until_taken(station, b"after")
    with Talk(station.smtp) as t:
        assert t.deliver(b"Subject: large\r\n\r\n" + b"x" * 70 * 14000 + b"\r\n").both == "250 2.0.0"


def make_program():
    from station import binary
    return binary()


def test_no_descriptor_at_all(make_station):
    """When accept itself fails (EMFILE) it waits longer and longer instead of spinning; who waits is served once
    there are descriptors again, and those inside notice nothing."""
    station = server(make_station)
    with contextlib.ExitStack() as stack:
        inside = stack.enter_context(Talk(station.smtp))
        inside.ask(b"EHLO x")
        with Control(station) as control:
            wait_until(lambda: control.status()["inbound"]["connections_now"] == 1)
        time.sleep(0.1)
        soft, hard = resource.prlimit(station.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(station.pid, resource.RLIMIT_NOFILE, (lowest_free(station.pid), hard))
        waiting = [stack.enter_context(Talk(station.smtp, greet=False)) for _ in range(50)]
        time.sleep(0.5)
        before = cpu_seconds(station.pid)
        time.sleep(2)
        spent = cpu_seconds(station.pid) - before
        assert spent < 0.5, spent  # 2 when it spins
        assert inside.deliver(BODY % b"inside", hello=None).both == "250 2.0.0"
        # each file it closed of its own meanwhile let one in
        assert len([t for t in waiting if not t.is_silent(0.001)]) <= 15
        resource.prlimit(station.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for t in waiting:
            assert t.reply().code == 220
            assert t.ask(b"QUIT").code == 221
    log = station.log(1 << 20)
    assert 1 <= len([line for line in log.splitlines() if "accept" in line and "level=warn" in line]) <= 4, log
    with Control(station) as control:
        assert set(control.letters("alice@yizhan.test")) == {"inside"}


# ---- disk ----


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    where = tmp_path / "disk"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", str(where)], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


class Ballast:
    """Takes the room away and gives it back."""

    def __init__(self, where):
        self.path = os.path.join(str(where), "ballast")

    def fill(self, leave):
        """Until `leave` octets are free."""
        with open(self.path, "ab", buffering=0) as f:
            st = os.statvfs(os.path.dirname(self.path))
            with contextlib.suppress(OSError):  # somebody else took it
                f.write(b"\0" * max(0, st.f_bavail * st.f_frsize - leave))

    def drop(self):
        os.unlink(self.path)


def letter(name, octets):
    return (BODY % name.encode()) + (b"x" * 70 + b"\r\n") * (octets // 72)


def test_full_disk(make_station, small_disk):
    """452 4.3.1 for a small letter and for a large one; what was taken stays, and mail goes on when there is room."""
    data = small_disk / "data"
    ballast = Ballast(small_disk)
    station = server(make_station, PATIENT, data=str(data))
    taken = set()

    def send(t, name, octets):
        reply = t.deliver(letter(name, octets), hello=None)
        if reply.code == 250:
            taken.add(name)
        return reply.both

    with Talk(station.smtp) as t:
        t.ask(b"EHLO x")
        for n in range(5):
            assert send(t, "before %d" % n, 4000) == "250 2.0.0"
        assert send(t, "before large", 1 << 20) == "250 2.0.0"
        for leave in (2 << 20, 64 << 10, 0):
            ballast.fill(leave)
            time.sleep(0.1)  # the writer looks now and then
            replies = [send(t, "full %d.%d" % (leave, n), [100, 300000, 3 << 20][n % 3]) for n in range(9)]
            assert set(replies) <= {"250 2.0.0", "452 4.3.1"}, replies
            assert replies[-1] == "452 4.3.1", replies
        with Control(station) as control:
            assert set(control.letters("alice@yizhan.test")) == taken
        # a restart on the full disk: refused in plain words, or served with nothing lost
        station.kill9()
    ready = "event=host.ready"
    before = station.log(1 << 22).count(ready)
    station.start(wait=False)
    # it may greet, and give up all the same: demo.json is written behind the listeners
    assert wait_until(lambda: station.process.poll() is not None or station.log(1 << 22).count(ready) > before, 20)
    if station.process.poll() is not None:
        assert station.wait_end() in (69, 73) and re.search("disk is full|No space left on device", station.log(3000))
    else:
        with Talk(station.smtp) as t, Control(station) as control:
            t.ask(b"EHLO x")
            assert send(t, "none left small", 100) in ("250 2.0.0", "452 4.3.1")
            assert send(t, "none left", 3 << 20) == "452 4.3.1"
            assert set(control.letters("alice@yizhan.test")) == taken
        station.kill9()
    ballast.drop()
    ballast.fill(1 << 20)
    station.start()
    with Talk(station.smtp) as t:
        t.ask(b"EHLO x")
        assert send(t, "after a crash", 100) == "452 4.3.1"
        with Control(station) as control:
            assert set(control.letters("alice@yizhan.test")) == taken
        ballast.drop()
        assert wait_until(lambda: send(t, "after %d" % len(taken), 1 << 20) == "250 2.0.0", 20, 0.2)
        assert send(t, "and on", 100) == "250 2.0.0"
    with Control(station) as control:
        assert set(control.letters("alice@yizhan.test")) == taken
    wait_idle(station)
    station.cli("check")


def test_full_disk_under_load(make_station, small_disk):
    """It fills and empties beneath eight clients: every 250 is there once, every refusal is 452 4.3.1."""
    station = server(make_station, PATIENT, data=str(small_disk / "data"))
    ballast = Ballast(small_disk)
    deadline = time.monotonic() + 4
    refusals, taken = set(), set()

    def client(number):
        n = 0
        with Talk(station.smtp) as t:
            t.ask(b"EHLO x")
            while time.monotonic() < deadline:
                n += 1
                name = "%d.%d" % (number, n)
                # few large ones: what is taken must not fill the disk by itself
                size = [200, 9000, 400000 if n < 6 else 2000][(n + number) % 3]
                reply = t.deliver(letter(name, size), hello=None)
                if reply.code == 250:
                    taken.add(name)
                else:
                    refusals.add(reply.both)
                time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        clients = [pool.submit(client, number) for number in range(8)]
        for _ in range(3):
            time.sleep(0.6)
            ballast.fill(0)
            time.sleep(0.6)
            ballast.drop()
        for c in clients:
            c.result()
    assert refusals == {"452 4.3.1"} and len(taken) > 10
    deliver_until_taken(station, b"last")
    taken.add("last")
    with Control(station) as control:
        assert set(control.letters("alice@yizhan.test")) == taken
    station.cli("check")


def test_file_size_limit(make_station):
    """RLIMIT_FSIZE instead of a full disk: the same answer, no SIGXFSZ, and it ends with the limit."""
    station = server(make_station)
    with Talk(station.smtp) as t:
        t.ask(b"EHLO x")
        assert t.deliver(BODY % b"before", hello=None).both == "250 2.0.0"
        resource.prlimit(station.pid, resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
        assert t.deliver(letter("large", 3 << 20), hello=None).both == "452 4.3.1"
        small = t.deliver(letter("small", 200000), hello=None)
        assert small.both == "452 4.3.1", small
        resource.prlimit(station.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    deliver_until_taken(station, b"after")
    with Control(station) as control:
        assert set(control.letters("alice@yizhan.test")) == {"before", "after"}
    station.cli("check")
