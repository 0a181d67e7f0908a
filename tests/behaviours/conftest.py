"""The library of the build under test inside pytest's own process. Built with sanitizers, it needs their runtime
there from the start: pytest then begins once more with it preloaded. Each test that asks for `cut` runs three
times: what the server says leaves it whole, octet by octet, and in random pieces."""
import glob
import os
import random
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(TOP, "python"), HERE]
AGAIN = "YIZHAN_PRELOADED"


def library():
    named = os.environ.get("YIZHAN_LIBRARY")
    build = os.path.dirname(os.environ.get("YIZHAN_BIN") or os.path.join(TOP, "build", "asan", "yizhan"))
    found = [named] if named else glob.glob(os.path.join(build, "**", "libyizhan.so"), recursive=True)
    assert found, "no libyizhan.so below %s: build it first" % build
    return found[0]


def runtimes(path):
    needs = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    return [line.split("=>")[1].split()[0] for line in needs.splitlines() if "libasan" in line or "libubsan" in line]


def pytest_configure(config):
    path = library()
    os.environ["YIZHAN_LIBRARY"] = path
    if os.environ.pop(AGAIN, None):
        os.environ.pop("LD_PRELOAD", None)  # not for the programs that tests start
        return
    needed = runtimes(path)
    if needed:
        os.environ.update({AGAIN: "1", "LD_PRELOAD": " ".join(needed),
                           # the interpreter's own leaks are not ours to look for
                           "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture:
            capture.stop_global_capturing()
        os.execv(sys.executable, [sys.executable, "-m", "pytest"] + sys.argv[1:])


@pytest.fixture(params=["whole", "octets", "random"])
def cut(request):
    return {"whole": None, "octets": 1, "random": random.Random(request.node.name)}[request.param]


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """Certificates of an authority of the test's own: good, expired, of another name, for an address; and one
    that signed itself."""
    from pki import make
    return make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def serve(request, certs):
    """serve(answers, …) makes a server; at the end each is stopped and what it did not like is told."""
    from server import Server
    servers = []

    def start(answers=(), **settings):
        servers.append(Server(dict(answers), certs=certs, **settings))
        return servers[-1]
    yield start
    for server in servers:
        server.stop()
    for server in servers:
        assert not server.errors, server.errors


@pytest.fixture
def client():
    """client(option=…) makes a session; all are freed at the end."""
    from session import Session
    sessions = []

    def make(**options):
        sessions.append(Session(**options))
        return sessions[-1]
    yield make
    for session in sessions:
        session.free()
