"""The five programs of "Foundations of Python Network Programming", chapter 13, told anew: with the standard smtplib and
with ours they print the same, end the same and leave the same with the same server."""
import os
import re
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(os.path.dirname(HERE), "behaviours"))

NO = b"550 5.1.1 no such user\r\n"
# program, what the server offers, its answers, what is typed, exit code, words on the screen
STORIES = {
    "simple": ("simple", ["SIZE 100000"], {}, "", 0, "Message sent to 2 recipients"),
    "simple, one refused": ("simple", [], {"RCPT TO:<b@x.test>": NO}, "", 0, "Message sent to 2 recipients"),
    "simple, all refused": ("simple", [], {"RCPT": NO}, "", 1, ""),
    "debug": ("debug", ["SIZE"], {}, "", 0, "Message sent to 2 recipients"),
    "debug, refused": ("debug", [], {".": b"554 5.7.1 no\r\n"}, "", 1, "may not have been sent"),
    "ehlo": ("ehlo", ["SIZE 100000"], {}, "", 0, "Maximum message size is 100000"),
    "ehlo, too large": ("ehlo", ["SIZE 100"], {}, "", 1, "Message too large; aborting."),
    "ehlo, helo only": ("ehlo", [], {"EHLO": b"502 what\r\n"}, "", 0, "Message sent"),
    "ehlo, neither": ("ehlo", [], {"EHLO": b"502 what\r\n", "HELO": b"501 no\r\n"}, "", 1, "refused HELO; code: 501"),
    "tls": ("tls", ["STARTTLS"], {}, "", 0, "Using TLS connection."),
    "tls, not offered": ("tls", [], {}, "", 0, "does not support TLS"),
    "tls, refused": ("tls", ["STARTTLS"], {"STARTTLS": b"454 4.7.0 later\r\n"}, "", 1, "may not have been sent"),
    "login": ("login", ["AUTH PLAIN LOGIN"], {"AUTH": b"235 2.7.0 yes\r\n"}, "user\nsecret\n", 0, "Message sent"),
    "login, wrong": ("login", ["AUTH PLAIN LOGIN"], {"AUTH": b"535 5.7.8 no\r\n"}, "user\nsecret\n", 1, "Authentication failed: (535"),
    "login, not offered": ("login", [], {}, "user\nsecret\n", 1, "Authentication failed"),
}


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    from pki import make
    return make(tmp_path_factory.mktemp("pki"))


def play(story, module, env, certs):
    from server import Server
    program, ehlo, answers, typed, _, _ = STORIES[story]
    server = Server(answers, ehlo=ehlo, certs=certs)
    done = subprocess.run([sys.executable, os.path.join(HERE, "seeds", program + ".py"), "localhost:%d" % server.port,
                           "me@x.test", "a@x.test", "b@x.test"], input=typed.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=dict(env, SMTP_MODULE=module), timeout=60)
    server.stop()
    upper = [re.sub(r"^\w+", lambda m: m.group().upper(), line) for line in server.lines]
    shown = [re.sub(r"^send: '\w+", lambda m: m.group().lower(), line) for line in done.stderr.decode().splitlines()
             if re.match("send:|reply:|data:", line)]
    last = done.stderr.decode().splitlines()[-1:] if done.returncode and not shown else []
    return {"code": done.returncode, "screen": done.stdout.decode(), "debug": shown, "last": last, "lines": upper,
            "bodies": server.bodies}


@pytest.mark.parametrize("story", STORIES)
def test_seed_programs_do_the_same_with_both_modules(library_env, certs, story):
    standard = play(story, "smtplib", dict(library_env, LD_PRELOAD=""), certs)
    ours = play(story, "yizhan.smtplib", library_env, certs)
    assert ours == standard
    assert ours["code"] == STORIES[story][4] and STORIES[story][5] in ours["screen"]
    assert (ours["code"] != 0 or len(ours["bodies"]) == 1) and bool(ours["debug"]) == story.startswith("debug")


@pytest.mark.parametrize("program, word", [("simple", "usage"), ("debug", "usage"), ("ehlo", "usage"), ("tls", "Syntax"), ("login", "Syntax")])
def test_seed_programs_say_what_they_take(library_env, program, word):
    done = subprocess.run([sys.executable, os.path.join(HERE, "seeds", program + ".py")], stdout=subprocess.PIPE,
                          env=dict(library_env, SMTP_MODULE="yizhan.smtplib"), timeout=60)
    assert done.returncode == 2 and done.stdout.decode().startswith(word + ":")
