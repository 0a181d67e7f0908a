"""The package of this tree, and the library of the build under test: the one beside YIZHAN_BIN (tools/test sets
it), else of build/asan. A library built with sanitizers needs their runtime in the process from its start, so
the programs that load it run as processes of their own, with LD_PRELOAD. What the sanitizers find is told by them on
stderr or in the files of log_path; leaks of the interpreter are not ours to look for."""
import glob
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def library():
    named = os.environ.get("YIZHAN_LIBRARY")
    build = os.path.dirname(os.environ.get("YIZHAN_BIN") or os.path.join(TOP, "build", "asan", "yizhan"))
    found = [named] if named else glob.glob(os.path.join(build, "**", "libyizhan.so"), recursive=True)
    assert found, "no libyizhan.so below %s: build it first" % build
    return found[0]


@pytest.fixture(scope="session")
def library_env():
    """The environment for a Python program that imports yizhan."""
    path = library()
    env = dict(os.environ, YIZHAN_LIBRARY=path, PYTHONPATH=os.path.join(TOP, "python"), PYTHONDONTWRITEBYTECODE="1")
    needs = subprocess.run(["ldd", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    runtimes = [line.split("=>")[1].split()[0] for line in needs.splitlines() if "libasan" in line or "libubsan" in line]
    if runtimes:
        env["LD_PRELOAD"] = " ".join(runtimes)
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return env
