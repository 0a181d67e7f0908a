"""Messages through libyizhan, over the corpus of tests/mime/corpus.py: what is not changed stays octet for
octet, what is added stands where it should, and a forwarded message is found whole. No server."""

import io
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "mime"))
import corpus  # noqa: E402

BIN = os.environ.get("YIZHAN_BIN", os.path.join(TOP, "build", "asan", "yizhan"))
COPY = os.path.join(os.path.dirname(BIN), "tests", "mime", "yz_copy")


def copies(messages):
    data = b"".join(b"%d\n%s" % (len(m), m) for m in messages)
    done = subprocess.run([COPY], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    out = io.BytesIO(done.stdout)

    def one():
        n = int(out.readline())
        return None if n < 0 else out.read(n)

    for m in messages:
        yield m, one(), one(), one()
    assert not out.read()


@pytest.mark.parametrize("kind", ["good", "broken"])
def test_behaviour_83_the_corpus_is_written_back_octet_for_octet(kind):
    named = list(getattr(corpus, kind)())
    forwarded = changed = 0
    for (name, _), (message, same, inner, more) in zip(named, copies([m for _, m in named])):
        assert same == message, name
        if inner is not None:
            forwarded += 1
            assert inner in (message, message + b"\r\n"), name  # a message ends with a line end
        first = b"X-First: 1\r\n" if more.startswith(b"X-First: 1\r\n") else b"X-First: 1\n"
        assert more.startswith(first), name
        last = b"X-Last: 2" + first[10:]
        before, found, behind = more[len(first):].partition(last)
        assert found, name
        without = before + behind
        # a header that ends without a line end gets one; a body that would join the field, its empty line
        if message[:1] in (b" ", b"\t") and not before:
            assert behind == b"\r\n" + message, name
        else:
            assert without in (message, message + first[10:]), name
        changed += 1
    assert changed == len(named)
    assert forwarded > len(named) * 0.9
