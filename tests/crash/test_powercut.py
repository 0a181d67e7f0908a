"""The store under power cuts and failing disks at length: every sync, every write, and many cuts at
random. What `make test` runs of it is in tests/unit/store/test_crash.c."""

import os
import subprocess

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(TOP, "build", "asan", "tests", "unit", "store_test_crash")


@pytest.mark.long
def test_power_cuts_at_every_sync_and_200_at_random():
    env = dict(os.environ, YIZHAN_CRASH_ROUNDS="200", CMOCKA_MESSAGE_OUTPUT="STDOUT")
    done = subprocess.run([PROGRAM], cwd=TOP, env=env, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert "[  PASSED  ] 7 test(s)." in done.stdout + done.stderr
