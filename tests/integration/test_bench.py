"""`yizhan bench source|sink`: both ends of a measurement count right and say when something is missing."""

import json
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from pysink import Drop, PySink  # noqa: E402
from station import binary  # noqa: E402


class Sink:
    def __init__(self, *options):
        self.process = subprocess.Popen([binary(), "bench", "sink", "--listen", "127.0.0.1:0", "--json", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.port = int(self.process.stderr.readline().split()[-1])

    def end(self):
        self.process.terminate()
        out, _ = self.process.communicate(timeout=10)
        return json.loads(out)


def source(port, *options):
    done = subprocess.run([binary(), "bench", "source", "--to", "127.0.0.1:%d" % port, "--json", *options],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout), done.stderr


@pytest.mark.parametrize("options", [
    [], ["--pipelining"], ["--chunking"], ["--pipelining", "--chunking"], ["--new"], ["--new", "--pipelining"],
], ids=" ".join)
@pytest.mark.parametrize("size", [400, 4096, 300000])
def test_source_and_sink_count_the_same(options, size):
    sink = Sink()
    code, seen, _ = source(sink.port, "--sessions", "3", "--messages", "50", "--size", str(size), *options)
    taken = sink.end()
    assert code == 0 and seen["accepted"] == 50 and seen["refused"] == seen["failed"] == 0
    assert taken["messages"] == 50 and taken["octets"] == 50 * size and taken["bad_commands"] == 0
    assert taken["connections"] == seen["connections"]
    assert seen["latency_us"]["p50"] <= seen["latency_us"]["p99"] <= seen["latency_us"]["max"]


def test_what_the_source_says_is_smtp():
    with PySink() as sink:
        code, _, _ = source(sink.address[1], "--messages", "4", "--rcpt", "a@x.test", "--rcpt", "b@x.test", "--size",
                            "1000", "--from", "me@x.test")
        assert code == 0
        letters = sink.wait(4)
        assert [x.rcpts for x in letters] == [["a@x.test"], ["b@x.test"]] * 2
        assert all(x.sender == "me@x.test" and len(x.data) == 1000 for x in letters)
        assert len({line for x in letters for line in x.data.split(b"\r\n") if line.startswith(b"Message-ID:")}) == 4


@pytest.mark.parametrize("stage, reply", [("mail", "550 5.7.1 no"), ("rcpt", "550 5.1.1 no"), ("data", "451 4.3.0 no"),
                                          ("dot", "554 5.6.0 no"), ("dot", Drop())])
@pytest.mark.parametrize("options", [[], ["--pipelining"]], ids=" ".join)
def test_a_refusal_is_counted_and_told(stage, reply, options):
    with PySink(caps=["PIPELINING"]) as sink:
        sink.on(stage, ["250 2.0.0 fine" if stage != "data" else "354 go", reply])
        code, seen, said = source(sink.address[1], "--messages", "3", *options)
        assert code == 1
        assert seen["accepted"] == 1
        assert seen["refused"] + seen["failed"] == 2
        assert seen["trouble"] and seen["trouble"] in said


def test_a_server_that_takes_so_many_a_connection():
    with PySink(caps=["PIPELINING"]) as sink:
        sink.on("mail", ["250 2.1.0 fine", "250 2.1.0 fine", "421 4.7.0 enough", "250 2.1.0 fine"])
        code, seen, _ = source(sink.address[1], "--messages", "6", "--pipelining")
        assert code == 0 and seen["accepted"] == 6 and seen["connections"] == 2
        assert len({x.data for x in sink.letters if x.is_taken}) == 6


def test_nobody_listens():
    code, seen, said = source(1, "--messages", "3")
    assert code == 1 and seen["accepted"] == 0 and "refused" in said


def test_idle_sessions_are_held_and_counted():
    sink = Sink()
    code, seen, said = source(sink.port, "--idle", "--sessions", "50", "--hold", "1")
    assert code == 0 and seen["open"] == 50 and "50 sessions open" in said
    assert sink.end()["connections"] == 50


def test_a_sink_that_gets_too_few_says_so():
    sink = Sink("--count", "5", "--max-seconds", "1")
    source(sink.port, "--messages", "3")
    out, _ = sink.process.communicate(timeout=10)
    assert sink.process.returncode == 1 and json.loads(out)["messages"] == 3


@pytest.mark.parametrize("arguments", [["source"], ["sink"], ["source", "--to", "127.0.0.1"], ["neither"],
                                       ["source", "--to", "127.0.0.1:1", "--size", "1"]])
def test_wrong_words_are_explained(arguments):
    done = subprocess.run([binary(), "bench", *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode == 64 and done.stderr
