"""Fixtures of the tests that talk to a running Yizhan. The class itself is in station.py.

    station        a fresh server for this one test
    station_shared one server for all tests of a file: for tests that leave nothing behind they would notice
    make_station   a function: make_station(conf=..., env=...) starts one more; all end with the test
    lab            a DNS laboratory of this test's own (tests/lab/lab.py)
"""

import contextlib
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))
from station import Account, StationFailed, Yizhan  # noqa: E402,F401


@pytest.fixture
def station():
    with Yizhan() as server:
        yield server


@pytest.fixture(scope="module")
def station_shared():
    with Yizhan() as server:
        yield server


@pytest.fixture
def make_station():
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Yizhan(**settings))


@pytest.fixture
def lab():
    from lab import Lab
    with Lab() as laboratory:
        yield laboratory
