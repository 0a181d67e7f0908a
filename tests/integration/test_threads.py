"""What crosses threads, under ThreadSanitizer: the unit tests of the floors that have threads, in a
build of their own (build/tsan). By hand: `pytest -m long tests/integration/test_threads.py`."""

import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TSAN = os.path.join(TOP, "build", "tsan")


@pytest.fixture(scope="module")
def tsan_build():
    done = subprocess.run(["tools/build", TSAN, "-Db_sanitize=thread", "-Db_lundef=false"],
                          cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return TSAN


@pytest.mark.long
@pytest.mark.parametrize("floor", ["run", "net", "store"])
def test_floor_has_no_data_races(tsan_build, floor):
    env = dict(os.environ, TSAN_OPTIONS="halt_on_error=1:exitcode=66")
    done = subprocess.run(["meson", "test", "-C", tsan_build, "--no-rebuild", "--print-errorlogs", "-t", "5",
                           "--suite", floor], cwd=TOP, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "Fail:               0" in done.stdout
    assert "Ok:                 0" not in done.stdout
