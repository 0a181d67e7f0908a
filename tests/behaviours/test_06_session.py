"""Sessions over time, and what they cost: behaviours 71 to 79."""
import ctypes
import os
import select
import subprocess
import sys
import threading
import time

import pytest

import conftest
from server import STALL
from session import Session, abi, err, init, lib
from test_04_envelope import NO, ready


@pytest.mark.parametrize("answers", [{"MAIL": [b"550 no\r\n", b"250 ok\r\n"]}, {"RCPT": [NO, b"250 ok\r\n"]},
                                     {"DATA": [b"554 no\r\n", b"354 go\r\n"]}, {".": [b"554 no\r\n", b"250 ok\r\n"]}],
                         ids=["sender", "recipient", "data", "message"])
@pytest.mark.parametrize("ehlo", [[], ["PIPELINING"]])
def test_behaviour_71_the_next_one_works(serve, client, cut, answers, ehlo):
    s, c = ready(serve, client, answers, ehlo, cut)
    assert c.send()[0] != "ok"
    assert c.send()[0] == "ok" and c.send()[0] == "ok"
    assert s.bodies[-1].startswith(b"Subject: hi")


def test_behaviour_71_rset_can_be_off(serve, client):
    s, c = ready(serve, client, {"RCPT": [NO, b"250 ok\r\n"]}, flags=abi.YZ_NO_RSET)
    assert c.send()[0] == "rcpts" and c.send()[0] == "ok" and "RSET" not in s.verbs
    s, c = ready(serve, client)
    assert c.send()[0] == "ok" and c.send()[0] == "ok" and "RSET" not in s.verbs


def test_behaviour_72_a_connection_closed_while_idle_is_found_before_mail(serve, client):
    s, c = ready(serve, client)
    assert c.send()[0] == "ok"
    s.connections[0].drop()
    assert s.wait_for(lambda: not s.threads[1].is_alive())
    code, t = c.send()
    assert code == "closed" and t.outcomes != ["unknown"] and "accepted" not in t.outcomes
    s, c = ready(serve, client)
    s.connections[0].say(b"421 4.4.2 idle too long\r\n")
    time.sleep(0.02)
    assert c.send()[0] != "ok" and not c.is_connected and s.verbs == ["EHLO"]


@pytest.mark.parametrize("quit", [None, b"500 what\r\n", STALL], ids=["lost", "refused", "late"])
def test_behaviour_73_quit_that_fails_changes_nothing(serve, client, quit):
    s, c = ready(serve, client, {"QUIT": quit}, timeouts={"quit": 100})
    code, t = c.send()
    assert c.call("quit") != "ok" and not c.is_connected
    assert code == "ok" and t.outcomes == ["accepted"]


@pytest.mark.parametrize("which, answers", [("greeting", {"CONNECT": STALL}), ("command", {"EHLO": STALL}), ("command", {"MAIL": STALL}),
                                            ("command", {"RCPT": STALL}), ("data", {"DATA": STALL}), ("final", {".": STALL})])
def test_behaviour_74_each_wait_has_its_own_time(serve, client, which, answers):
    s = serve(answers)
    c = client(timeouts={which: 120})
    began = time.monotonic()
    code = c.connect(s.url)
    if code == "ok":
        code = c.send()[0]
    assert code == ("unknown" if which == "final" else "timeout") and 0.1 < time.monotonic() - began < 10


def test_behaviour_74_a_write_that_stalls_ends(serve, client):
    def stop_reading(connection, line):
        connection.say(b"354 go\r\n")
        connection.server.is_stopped.wait(10)
    s = serve({"DATA": stop_reading}, window=4096)
    c = client(timeouts={"block": 200})
    assert c.connect(s.url) == "ok"
    began = time.monotonic()
    code, t = c.send(body=b"x" * 998 + (b"\r\n" + b"x" * 998) * 20000)
    assert code == "timeout" and time.monotonic() - began < 5 and t.outcomes != ["accepted"]


def step_all(c, code, seconds=5, limit=None):
    """Go on until it has ended; the longest step in seconds."""
    want, longest, until = abi.yz_want(), 0, time.monotonic() + seconds
    while code == "again" and time.monotonic() < until:
        lib.yz_wants(c.p, ctypes.byref(want))
        wait = 50 if want.timeout_ms < 0 else min(want.timeout_ms, 50)
        if want.fd >= 0:
            poller = select.poll()
            poller.register(want.fd, (select.POLLIN if want.events & abi.YZ_READ else 0) |
                            (select.POLLOUT if want.events & abi.YZ_WRITE else 0))
            poller.poll(wait)
        else:
            time.sleep(wait / 1000)
        began = time.monotonic()
        code = err(lib.yz_step(c.p, ctypes.byref(want)))
        longest = max(longest, time.monotonic() - began)
        if limit and time.monotonic() > limit:
            break
    return code, longest


@pytest.mark.parametrize("phase", ["CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT", "handshake"])
def test_behaviour_75_a_step_never_blocks(serve, client, certs, phase):
    """The server stalls at that point: each step comes back at once, and cancelling ends it."""
    answers = {"AUTH": b"235 ok\r\n"}
    if phase == "handshake":
        answers["STARTTLS"] = lambda connection, line: connection.say(b"220 go\r\n") or STALL
    else:
        answers[phase] = STALL
    s = serve(answers, ehlo=["STARTTLS", "AUTH PLAIN"])
    c = client(ca=certs["ca"], user="u", password="p")
    assert c.call("set_nonblocking", True) == "ok"
    limit = time.monotonic() + 0.5
    began = time.monotonic()
    code = c.connect("smtp://127.0.0.1:%d" % s.port)
    first = time.monotonic() - began
    code, longest = step_all(c, code, limit=limit)
    if code == "ok":
        txn = c.txn()
        code, more = step_all(c, txn.send(), limit=limit)
        longest = max(longest, more)
        if code == "ok":
            code, more = step_all(c, c.call("quit"), limit=limit)
            longest = max(longest, more)
    assert code == "again"
    # A handshake computes for some milliseconds under the sanitizers; waiting would take 500.
    assert first < 0.45 and longest < 0.45
    lib.yz_cancel(c.p)
    assert err(lib.yz_step(c.p, None)) in ("cancelled", "state") and not c.is_connected


def test_behaviour_75_without_blocking_it_does_the_same(serve, client, certs, cut):
    s = serve(ehlo=["STARTTLS", "PIPELINING", "CHUNKING"], cut=cut)
    c = client(ca=certs["ca"])
    c.call("set_nonblocking", True)
    code, longest = step_all(c, c.connect("smtp://127.0.0.1:%d" % s.port))
    assert code == "ok"
    txn = c.txn(rcpts=["a@x.test", "b@x.test"])
    assert step_all(c, txn.send())[0] == "ok" and txn.outcomes == ["accepted"] * 2
    assert step_all(c, c.call("quit"))[0] == "ok"


def test_behaviour_76_every_read_and_write_fails_in_turn(client):
    """A transport of the test's own whose n-th call fails; the first that all pass ends it."""
    script = [b"220 hi\r\n", b"250 hi\r\n", b"250 m\r\n", b"250 r\r\n", b"354 go\r\n", b"250 taken\r\n", b"221 bye\r\n"]
    fields = dict(abi.yz_transport._fields_)

    def play(fails_at):
        state = {"calls": 0, "said": list(script), "closed": 0, "wrote": b""}

        def count(os_errno):
            state["calls"] += 1
            if state["calls"] == fails_at:
                os_errno[0] = 104
                return True
            return False

        def read(arg, to, n, timeout_ms, os_errno):
            if timeout_ms == 0:
                os_errno[0] = 11
                return -1
            if count(os_errno):
                return -1
            line = state["said"].pop(0) if state["said"] else b""
            ctypes.memmove(to, line, len(line))
            return len(line)

        def write(arg, octets, n, timeout_ms, os_errno):
            if count(os_errno):
                return -1
            state["wrote"] += ctypes.string_at(octets, n)
            return n

        def close(arg):
            state["closed"] += 1
        transport = init(abi.yz_transport, read=fields["read"](read), write=fields["write"](write), close=fields["close"](close), fd=-1)
        c = Session()
        assert lib.yz_attach(c.p, ctypes.byref(transport), b"h", False) == 0
        code, outcomes = c.call("talk"), []
        if code == "ok":
            code, t = c.send()
            outcomes = t.outcomes
            if code == "ok":
                code = c.call("quit")
        c.free()
        assert state["closed"] == 1
        return code, outcomes, state
    n = 0
    while True:
        n += 1
        code, outcomes, state = play(n)
        if state["calls"] < n:
            break
        assert code != "ok"
        assert outcomes != ["accepted"] or b"QUIT" in state["wrote"] or b"\r\n.\r\n" in state["wrote"]
    assert code == "ok" and outcomes == ["accepted"] and n > 8


def test_behaviour_76_memory_that_is_out_goes_to_the_hook():
    """In a process of its own, for the hook must not return: it leaves with a code of its own."""
    program = ("import ctypes, os, resource\n"
               "from yizhan._lib import abi, lib\n"
               "hook = abi.FUNCTIONS['yz_set_oom_hook'][1][0](lambda wanted: os._exit(42))\n"
               "lib.yz_set_oom_hook(hook)\n"
               "s = ctypes.c_void_p(lib.yz_session_new(None, None))\n"
               "t = ctypes.c_void_p(lib.yz_txn_new(s, b'a@x', None))\n"
               "if 'LD_PRELOAD' not in os.environ: resource.setrlimit(resource.RLIMIT_DATA, (1 << 26, 1 << 26))\n"
               "while True: lib.yz_txn_rcpt(t, b'r' * 200 + b'@x.test', None)\n")
    env = dict(os.environ, PYTHONPATH=os.path.join(conftest.TOP, "python"))
    preloaded = conftest.runtimes(os.environ["YIZHAN_LIBRARY"])
    for name in ("UBSAN_OPTIONS", "LSAN_OPTIONS"):  # they name a file for reports too
        env.pop(name, None)
    if preloaded:  # their allocator has a limit of its own
        env.update(LD_PRELOAD=" ".join(preloaded), ASAN_OPTIONS=env.get("ASAN_OPTIONS", "") +
                   ":detect_leaks=0:allocator_may_return_null=1:soft_rss_limit_mb=200:log_path=stderr")
    done = subprocess.run([sys.executable, "-c", program], env=env, timeout=60, stderr=subprocess.PIPE)
    assert done.returncode == 42, done.stderr[-2000:]


def test_behaviour_77_64_threads_on_one_context(serve, certs):
    s = serve(ehlo=["STARTTLS", "PIPELINING"], backlog=128)
    tls = init(abi.yz_tls_options, ca_file=certs["ca"])
    ctx = ctypes.c_void_p(lib.yz_ctx_new())
    assert lib.yz_ctx_set_tls(ctx, ctypes.byref(tls), None) == 0
    codes = []

    def run(i):
        c = Session(ctx=ctx, tls=abi.YZ_TLS_REQUIRED if i % 2 else abi.YZ_TLS_NEVER, timeouts={"command": 30000, "greeting": 30000})
        code = c.connect(s.url)
        codes.append(code if code != "ok" else c.send(rcpts=["r%d@x.test" % i])[0])
        c.call("quit")
        c.free()
    threads = [threading.Thread(target=run, args=(i,)) for i in range(64)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    lib.yz_ctx_free(ctypes.byref(ctx))
    assert codes == ["ok"] * 64 and len(s.bodies) == 64


def test_behaviour_77_no_sigpipe(serve, client):
    import signal
    got = []
    before = signal.signal(signal.SIGPIPE, lambda *a: got.append(1))
    try:
        s, c = ready(serve, client)
        s.connections[0].reset()
        for _ in range(3):
            c.call("put", "NOOP", None)
            c.send()
        assert got == []
    finally:
        signal.signal(signal.SIGPIPE, before)


def test_behaviour_78_trace(serve, client, certs):
    s = serve({"AUTH": b"235 ok\r\n"}, ehlo=["STARTTLS", "AUTH PLAIN"])
    c = client(ca=certs["ca"], user="user", password="tanstaaf")
    c.trace()
    assert c.connect(s.url) == "ok" and c.send()[0] == "ok"
    times = [e.time_ns for e in c.events]
    assert times == sorted(times) and times[0] > 0
    lines = [e for e in c.events if e.kind == abi.YZ_TRACE_LINE]
    texts = [e.text for e in lines]
    assert texts[0] == b"220 there ESMTP" and lines[0].dir == abi.YZ_DIR_IN and lines[1].dir == abi.YZ_DIR_OUT
    begun = texts.index(b"STARTTLS")
    assert not any(e.is_encrypted for e in lines[:begun + 2]) and all(e.is_encrypted for e in lines[begun + 2:])
    secret = b"AHVzZXIAdGFuc3RhYWY="
    assert secret.decode() in " ".join(s.lines) and not any(secret in e.text or b"tanstaaf" in e.text for e in c.events)
    assert any(e.is_masked for e in c.events) and any(e.kind == abi.YZ_TRACE_TLS for e in c.events)
    assert sum(e.octets for e in c.events if e.kind == abi.YZ_TRACE_DATA) > 0 and b"hello" not in b"".join(texts)
    c = client(ca=certs["ca"], user="user", password="tanstaaf")
    c.trace(abi.YZ_TRACE_SECRETS)
    assert c.connect(s.url) == "ok" and any(secret in e.text for e in c.events)


def test_behaviour_78_what_is_unexpected_is_marked(serve, client):
    s = serve({"MAIL": b"550 5.7.1 no\r\n"})
    c = client()
    c.trace()
    assert c.connect(s.url) == "ok" and c.send()[0] == "sender"
    assert [e.text for e in c.events if e.is_unexpected] == [b"550 5.7.1 no"]


def test_behaviour_79_the_other_verbs(serve, client, cut):
    s, c = ready(serve, client, {"VRFY": b"252-2.5.2 cannot\r\n252 say\r\n", "EXPN": b"550 5.7.1 no\r\n", "HELP": b"214-a\r\n214 b\r\n"},
                 cut=cut)
    code, reply = c.ask("vrfy", "joe")
    assert (code, reply.code, reply.lines) == ("ok", 252, [b"2.5.2 cannot", b"say"])
    code, reply = c.ask("expn", "list")
    assert (code, reply.code, reply.enhanced) == ("reply", 550, (5, 7, 1))
    assert c.ask("help", None)[1].lines == [b"a", b"b"] and c.ask("help", "mail")[0] == "ok"
    assert c.ask("noop")[1].code == 250 and c.ask("rset")[1].code == 250
    assert c.ask("cmd", "XFOO", "bar baz")[1].code == 250
    assert s.lines[1:] == ["VRFY joe", "EXPN list", "HELP", "HELP mail", "NOOP", "RSET", "XFOO bar baz"]
