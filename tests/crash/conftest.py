"""Stations and the next hop for crash tests."""

import os
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
for folder in ("tests/integration", "tests/peers", "tests/crash"):
    sys.path.insert(0, os.path.join(TOP, folder))

from pysink import PySink  # noqa: E402
from station import Yizhan  # noqa: E402

from load import REFUSED  # noqa: E402


@pytest.fixture
def sink():
    with PySink(keep_wire=False) as s:
        s.on("rcpt", "550 5.1.1 no such user here", rcpt=REFUSED)
        yield s


@pytest.fixture
def station(sink):
    """A station that relays sink.test to the sink."""
    with Yizhan() as s:
        s.cli("domain", "add", "sink.test", "--relay")
        s.cli("route", "add", "sink.test", "[127.0.0.1]:%d" % sink.port)
        yield s
