"""The HTTP server with contents that no page of the station has yet: event streams, uploads, long answers."""

import http.client
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from station import TOP, binary

DIGITS = b"0123456789" * 10


def checksum(octets):
    n = 0
    for octet in octets:
        n = (n * 31 + octet) % 1000000007
    return n


class Probe:
    def __init__(self, directory):
        program = os.path.join(os.path.dirname(os.path.join(TOP, binary())), "tests/web/web_probe")
        self.process = subprocess.Popen([program, str(directory)], stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.url = "http://127.0.0.1:%d" % self.port

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def curl(self, *args, check=True):
        done = subprocess.run(["curl", "-sS", "--max-time", "20", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert not check or done.returncode == 0, done.stderr
        return done


@pytest.fixture
def probe(tmp_path):
    p = Probe(tmp_path)
    yield p
    p.stop()


def test_curl_sees_events_as_they_come(probe):
    curl = subprocess.Popen(["curl", "-sSN", "--max-time", "20", probe.url + "/events"], stdout=subprocess.PIPE)
    start = time.monotonic()
    lines = [curl.stdout.readline() for _ in range(14)]
    assert time.monotonic() - start < 5
    assert lines[:6] == [b"retry: 1000\n", b"\n", b"event: tick\n", b"id: 1\n", b"data: 1\n", b"\n"]
    assert b"id: 3\n" in lines
    curl.terminate()
    curl.wait()
    # who comes again goes on where it was
    curl = subprocess.Popen(["curl", "-sSN", "--max-time", "20", "-H", "Last-Event-ID: 41", probe.url + "/events"], stdout=subprocess.PIPE)
    assert b"id: 42\n" in [curl.stdout.readline() for _ in range(5)]
    curl.terminate()
    curl.wait()


def test_events_end_when_the_server_stops(probe):
    streams = []
    for _ in range(5):
        c = probe.connection()
        c.request("GET", "/events")
        r = c.getresponse()
        assert r.headers["Content-Type"] == "text/event-stream" and r.headers["Cache-Control"] == "no-store"
        assert r.readline() == b"retry: 1000\n"
        streams.append((c, r))
    start = time.monotonic()
    probe.stop()
    assert time.monotonic() - start < 5
    for c, r in streams:
        with pytest.raises(http.client.IncompleteRead):  # it is seen to be no end by itself
            r.read()
        c.close()


@pytest.mark.parametrize("size", [0, 1, 4095, 65537, 300000, 1024 * 1024])
def test_uploads_arrive_octet_for_octet(probe, size):
    octets = os.urandom(size)
    want = b"%d %d\n" % (size, checksum(octets))
    c = probe.connection()
    c.request("POST", "/upload", body=octets)
    r = c.getresponse()
    assert (r.status, r.read()) == (201, want)
    c.request("POST", "/upload", body=iter([octets[i:i + 5000] for i in range(0, size, 5000)]), encode_chunked=True,
              headers={"Transfer-Encoding": "chunked"})
    r = c.getresponse()
    assert (r.status, r.read()) == (201, want)
    c.close()


def test_uploads_have_a_limit(probe, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(b"x" * (1024 * 1024 + 1))
    for options in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["-H", "Expect:"]):
        done = probe.curl("-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "@%s" % big, *options, probe.url + "/upload")
        assert done.stdout == b"413", options
    done = probe.curl("-w", "%{http_code}", "-o", "/dev/null", "--data-binary", "x", probe.url + "/upload")
    assert done.stdout == b"201"


def test_a_spent_budget_is_told_and_given_back(probe):
    """Three uploads that stay unfinished hold what there is for all."""
    held = []
    for _ in range(4):
        s = socket.create_connection(("127.0.0.1", probe.port), timeout=20)
        s.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150000)
        held.append(s)
    time.sleep(0.3)
    octets = b"y" * 200000
    c = probe.connection()
    c.request("POST", "/upload", body=octets)
    assert c.getresponse().status == 507
    c.close()
    for s in held:
        s.close()
    for _ in range(50):
        c = probe.connection()
        c.request("POST", "/upload", body=octets)
        status = c.getresponse().status
        c.close()
        if status == 201:
            return
        time.sleep(0.1)
    assert status == 201


def test_who_is_told_to_go_on_sends_his_body(probe):
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as s:
        s.sendall(b"POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert s.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(b"abc")
        assert s.recv(4096).startswith(b"HTTP/1.1 201 Created\r\n")
        # and who is not wanted is told so before he sends anything
        s.sendall(b"POST /late HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3000000\r\n\r\n")
        got = s.recv(4096)
        assert got.startswith(b"HTTP/1.1 413 ") and b"Connection: close\r\n" in got


def test_an_answer_reaches_a_client_that_still_sends(probe):
    """Much more than the server reads of it: the answer must not be lost to a reset."""
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as s:
        s.sendall(b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n")

        def send():
            try:
                for _ in range(40):
                    s.sendall(b"x" * 10000)
            except OSError:
                pass
        sender = threading.Thread(target=send)
        sender.start()
        sender.join()
        assert s.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("path", ["/big/%d", "/chunks/%d"])
def test_long_answers_are_whole(probe, path):
    c = probe.connection()
    for size in (0, 1, 999, 100000, 3000000):
        c.request("GET", path % size)
        r = c.getresponse()
        body = r.read()
        assert len(body) == size and body == (DIGITS * (size // 100 + 1))[:size]
    c.close()


def test_a_download_is_taken_up_again(probe, tmp_path):
    out = tmp_path / "part"
    out.write_bytes(DIGITS[:37])
    probe.curl("-C", "-", "-o", str(out), probe.url + "/big/1000000")
    assert out.read_bytes() == DIGITS * 10000
    done = probe.curl("-r", "-5", probe.url + "/big/1000000")
    assert done.stdout == b"56789"


def test_a_reader_that_is_slow_gets_all(probe):
    with socket.create_connection(("127.0.0.1", probe.port), timeout=20) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /big/400000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        got = b""
        while True:
            more = s.recv(3000)
            if not more:
                break
            got += more
            if len(got) < 30000:
                time.sleep(0.01)
        assert got.split(b"\r\n\r\n", 1)[1] == DIGITS * 4000
