"""Connecting, and what replies are: behaviours 1 to 19."""
import ctypes
import os
import socket
import threading
import time

import pytest

from server import STALL
from session import Session, abi, init, lib


@pytest.mark.parametrize("url, port", [("smtp", 25), ("submission", 587), ("submissions", 465), ("smtps", 465), ("lmtp", 24)])
def test_behaviour_01_ports_by_scheme(client, url, port):
    """Nobody listens there on 127.0.0.77: the attempt that is told has the port."""
    c = client(timeouts={"connect": 300})
    assert c.connect(url + "://127.0.0.77") == "connect"
    attempts = ctypes.POINTER(abi.yz_attempt)()
    assert lib.yz_attempts(c.p, ctypes.byref(attempts)) == 1
    assert attempts[0].address.decode() == "127.0.0.77:%d" % port


def test_behaviour_01_host_and_port(serve, client):
    s = serve()
    assert client().connect("127.0.0.1:%d" % s.port) == "ok"
    v6 = serve(family=socket.AF_INET6)
    c = client()
    assert c.connect("smtp://[::1]:%d" % v6.port) == "ok"
    assert c.get("peer") == "[::1]:%d" % v6.port


@pytest.mark.parametrize("url", ["smtp://localhost:bogus", "localhost:0", "localhost:65536", "smtp://localhost:-1", "smtp://[::1"])
def test_behaviour_01_a_bad_port_is_refused_before_any_socket(client, url):
    c = client()
    assert c.connect(url) == "inval"
    assert c.get("fd") == -1


def test_behaviour_02_source_address(serve, client):
    s = serve()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    c = client(source_address="127.0.0.1:%d" % port)
    assert c.connect(s.url) == "ok"
    assert s.peers[0] == ("127.0.0.1", port) and c.get("local") == "127.0.0.1:%d" % port


def test_behaviour_03_timeouts(serve, client):
    c = client()
    assert c.call("set_timeout", 0) == "inval"
    assert c.call("set_timeout", -1) == "ok"
    s = serve({"NOOP": STALL})
    c = client()
    assert c.call("set_timeout", 150) == "ok" and c.connect(s.url) == "ok"
    began = time.monotonic()
    assert c.ask("noop")[0] == "timeout"
    assert 0.1 < time.monotonic() - began < 10


def test_behaviour_04_a_greeting_other_than_220(serve, client, cut):
    s = serve({"CONNECT": b"554-go\r\n554 5.7.1 away\r\n"}, cut=cut)
    c = client()
    assert c.connect(s.url) == "greeting"
    assert c.error.reply.code == 554 and c.error.reply.lines == [b"go", b"5.7.1 away"]
    assert not c.is_connected and s.settled() == []


def test_behaviour_05_nothing_is_written_before_the_whole_greeting(serve, client):
    early = []

    def greet(connection, line):
        connection.sock.sendall(b"220-wait\r\n")
        connection.sock.settimeout(0.15)
        try:
            early.append(connection.sock.recv(100))
        except TimeoutError:
            pass
        connection.sock.settimeout(None)
        return b"220 now\r\n"
    s = serve({"CONNECT": greet})
    assert client().connect(s.url) == "ok"
    assert early == []


def resolver(addresses, code=0):
    fields = dict(abi.yz_resolver._fields_)

    def find(arg, host, family, add, to):
        for address in addresses:
            add(to, address.encode())
        return code
    made = init(abi.yz_resolver, addresses=fields["addresses"](find))
    ctx = ctypes.c_void_p(lib.yz_ctx_new())
    assert lib.yz_ctx_set_resolver(ctx, ctypes.byref(made)) == 0
    return ctx, made


def test_behaviour_06_the_next_address_is_tried_and_every_error_kept(serve):
    s = serve()
    ctx, kept = resolver(["127.0.0.77", "127.0.0.1"])
    c = Session(ctx=ctx)
    attempts = ctypes.POINTER(abi.yz_attempt)()
    assert c.connect("smtp://many.test:%d" % s.port) == "ok"
    assert lib.yz_attempts(c.p, ctypes.byref(attempts)) == 2
    assert attempts[0].err == abi.YZ_E_CONNECT and attempts[1].err == abi.YZ_OK
    c.free()
    lib.yz_ctx_free(ctypes.byref(ctx))
    ctx, kept = resolver(["127.0.0.77", "127.0.0.78"])
    c = Session(ctx=ctx)
    assert c.connect("smtp://many.test:%d" % s.port) == "connect"
    assert lib.yz_attempts(c.p, ctypes.byref(attempts)) == 2
    assert [attempts[i].address for i in range(2)] == [b"127.0.0.%d:%d" % (i, s.port) for i in (77, 78)]
    assert all(attempts[i].err == abi.YZ_E_CONNECT and attempts[i].os_errno for i in range(2))
    c.free()
    lib.yz_ctx_free(ctypes.byref(ctx))


def test_behaviour_07_four_errors_are_told_apart(serve, client):
    ctx, kept = resolver([], code=2)
    c = Session(ctx=ctx)
    assert c.connect("smtp://none.test") == "resolve"
    c.free()
    lib.yz_ctx_free(ctypes.byref(ctx))
    assert client().connect("smtp://127.0.0.77:9") == "connect"
    assert client().connect(serve({"CONNECT": None}).url) == "closed"
    assert client(timeouts={"greeting": 100}).connect(serve({"CONNECT": STALL}).url) == "timeout"


def test_behaviour_08_commands_on_an_unconnected_session(client):
    c = client()
    for name, args in [("ehlo", ["x"]), ("helo", ["x"]), ("cmd", ["NOOP", None]), ("cmd_mail", ["a@x", None]), ("noop", []),
                       ("cmd_rcpt", ["a@x", None]), ("vrfy", ["a"]), ("expn", ["a"]), ("help", ["a"]), ("rset", []), ("get_reply", [])]:
        assert c.ask(name, *args)[0] == "state", name
    for name, args in [("hello", ["x"]), ("starttls", []), ("login", ["u", "p"]), ("greeting", []), ("talk", []), ("quit", []),
                       ("put", ["NOOP", None])]:
        assert c.call(name, *args) == "state", name
    assert c.data(b"x")[0] == "state" and c.send()[0] == "state"


def answer(serve, client, octets, cut=None, **options):
    """What NOOP's reply becomes when the server says that."""
    s = serve({"NOOP": octets}, cut=cut)
    c = client(**options)
    assert c.connect(s.url) == "ok"
    code, reply = c.ask("cmd", "NOOP", None)
    return c, code, reply


def test_behaviour_09_many_lines_and_codes_that_differ(serve, client, cut):
    c, code, reply = answer(serve, client, b"250-one\r\n250-\r\n250 three\r\n", cut)
    assert (code, reply.lines, reply.code) == ("ok", [b"one", b"", b"three"], 250)
    c, code, reply = answer(serve, client, b"250-one\r\n550 two\r\n", cut)
    assert code == "proto" and not c.is_connected


@pytest.mark.parametrize("octets", [b"250\r\n", b"250 \r\n", b"250-\r\n250\r\n"])
def test_behaviour_10_no_text_is_valid(serve, client, cut, octets):
    c, code, reply = answer(serve, client, octets, cut)
    assert code == "ok" and reply.code == 250 and reply.text.strip() == ""


def test_behaviour_11_lines_that_end_with_lf(serve, client, cut):
    c, code, reply = answer(serve, client, b"250-one\n250 two\n", cut)
    assert (code, reply.lines) == ("ok", [b"one", b"two"])


@pytest.mark.parametrize("octets", [b"250 " + b"x" * 100000 + b"\r\n", b"250-x\r\n" * 100000 + b"250 x\r\n", b"x" * 500000],
                         ids=["long line", "many lines", "no line"])
def test_behaviour_12_too_long(serve, client, octets):
    c, code, reply = answer(serve, client, octets)
    assert code in ("proto", "limit") and not c.is_connected


@pytest.mark.parametrize("octets", [b"250-one\r\n", b"250 on", b"25", b""])
def test_behaviour_13_the_end_inside_a_reply(serve, client, octets):
    def end(connection, line):
        connection.say(octets)
    c, code, reply = answer(serve, client, end)
    assert code == "closed" and reply is None and not c.is_connected


@pytest.mark.parametrize("octets", [b"what\r\n", b"2x0 ok\r\n", b"\r\n", b"25 ok\r\n", b"2500 ok\r\n", b"950 ok\r\n"])
def test_behaviour_14_no_code(serve, client, cut, octets):
    c, code, reply = answer(serve, client, octets, cut)
    assert code == "proto" and not c.is_connected


def test_behaviour_15_any_split_and_8_bit_text(serve, client, cut):
    text = "250-2.0.0 grüße 驿站\r\n250 2.0.0 \xff\r\n".encode("utf-8")[:-3] + b"\xff\r\n"
    c, code, reply = answer(serve, client, text, cut)
    assert code == "ok" and reply.lines[0] == "2.0.0 grüße 驿站".encode() and reply.lines[1].endswith(b"\xff")


@pytest.mark.parametrize("octets, enhanced", [(b"250 2.1.5 ok\r\n", (2, 1, 5)), (b"250 5.1.5 ok\r\n", (0, 0, 0)), (b"250 2.1 ok\r\n", (0, 0, 0)),
                                              (b"550 5.7.1 no\r\n", (5, 7, 1)), (b"450 5.7.1 no\r\n", (0, 0, 0)),
                                              (b"250 2.1000.1 ok\r\n", (0, 0, 0))])
def test_behaviour_16_enhanced_codes(serve, client, octets, enhanced):
    assert answer(serve, client, octets)[2].enhanced == enhanced


def test_behaviour_16_never_from_greeting_and_ehlo(serve, client):
    s = serve({"CONNECT": b"220 2.0.0 hello\r\n", "EHLO": b"250 2.0.0 hello\r\n"})
    c = client()
    assert c.connect(s.url) == "ok"
    assert c.get("greeting_reply").enhanced == (0, 0, 0) and c.get("hello_reply").enhanced == (0, 0, 0)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT TO:<b@x.test>", "DATA", "."])
def test_behaviour_17_421_closes_without_a_word(serve, client, cut, verb):
    s = serve({verb: b"421 4.3.2 closing\r\n"}, cut=cut)
    c = client()
    assert c.connect(s.url) == "ok"
    c.send(rcpts=["a@x.test", "b@x.test", "c@x.test"])
    assert not c.is_connected
    s.settled()
    assert "RSET" not in s.verbs and "QUIT" not in s.verbs
    assert "RCPT TO:<c@x.test>" not in s.lines or verb in ("DATA", ".")


def test_behaviour_18_the_class_decides(serve, client):
    s = serve({"RCPT": b"251 will forward\r\n", "RSET": b"200 fine\r\n", ".": b"299 taken\r\n", "MAIL": b"259 2.1.0 yes\r\n"})
    c = client()
    assert c.connect(s.url) == "ok"
    code, t = c.send()
    assert code == "ok" and t.outcomes == ["accepted"]
    assert c.ask("rset")[0] == "ok"


def test_behaviour_19_a_reply_to_no_command(serve, client):
    s = serve({"NOOP": b"250 one\r\n250 two\r\n"})
    c = client()
    assert c.connect(s.url) == "ok"
    assert c.ask("cmd", "NOOP", None)[0] == "ok"
    assert c.ask("cmd", "RSET", None)[0] == "proto"
    assert not c.is_connected
