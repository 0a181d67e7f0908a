"""yizhan.smtplib beside the standard smtplib: the same calls against the same server leave the same octets there and
the same results and debug output here (the case of verbs aside)."""
import json
import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "both_ways.py")


def play(env, module, story):
    done = subprocess.run([sys.executable, PROGRAM, module, story], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    return json.loads(done.stdout)


STORIES = ["bytes_as_they_are", "text_fixed", "dots", "empty", "refused", "all_refused", "sender_refused", "data_refused",
           "refused_421", "options", "debug_1", "starttls", "ssl", "lmtp_one", "auth_fails_over", "auth_none",
           "long_reply", "no_reply_code", "helo_fallback", "unix", "greeting_554", "verbs", "message_bcc"]


@pytest.mark.parametrize("story", STORIES)
def test_both_modules_do_the_same(library_env, story):
    standard = play(dict(library_env, LD_PRELOAD=""), "smtplib", story)
    ours = play(library_env, "yizhan.smtplib", story)
    assert ours == standard


def test_lmtp_reads_a_reply_for_each_recipient(library_env):
    assert play(library_env, "yizhan.smtplib", "lmtp_two")["results"] == [
        "{'b@x': (550, b'no')}", "(221, b'bye')"]


def test_what_came_in_clear_behind_the_220_is_no_reply(library_env):
    played = play(library_env, "yizhan.smtplib", "starttls_injection")
    assert not any("injected" in result for result in played["results"])
    assert played["got"][-1] == "QUIT" and played["results"][-2] == "{}"
