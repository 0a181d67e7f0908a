"""Fixtures of the interop suite: the peers' classes, fetched once; see tests/peers/peers.py."""

import contextlib
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS_DIR = os.path.join(os.path.dirname(HERE), "peers")
sys.path.insert(0, PEERS_DIR)
# the class Yizhan serves this suite too
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lab"))


@pytest.fixture(scope="session")
def scripted():
    """The module `peers` for tests that need only what is installed: PySink, swaks, certificates."""
    import peers as module
    return module


@pytest.fixture(scope="session")
def peers():
    """The module `peers`, with all programs in place (fetched now when they are missing, and root makes the system
    users that they ask for)."""
    users = ["--users"] if os.geteuid() == 0 else []
    fetched = subprocess.run([os.path.join(PEERS_DIR, "fetch")] + users, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if fetched.returncode != 0:
        pytest.fail("tests/peers/fetch: " + fetched.stdout.decode(errors="replace"))
    import peers as module
    return module


@pytest.fixture
def make_station():
    """A function: make_station(conf=..., env=...) starts a Yizhan; all end with the test."""
    from station import Yizhan
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Yizhan(**settings))


@pytest.fixture
def station(make_station):
    """A fresh Yizhan for this one test."""
    return make_station()


@pytest.fixture
def lab():
    """A DNS laboratory of this test's own; see tests/lab/lab.py."""
    from lab import Lab
    with Lab() as laboratory:
        yield laboratory
