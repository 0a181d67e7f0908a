"""yizhan.conf: mistakes are told with file, line and the nearest right name, all in one run."""

import os
import shutil
import subprocess

import pytest

from station import TOP, binary


def check(tmp_path, text):
    conf = tmp_path / "y.conf"
    conf.write_text(text)
    done = subprocess.run([binary(), "serve", "--check", "--config", str(conf)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=20)
    return done.returncode, done.stderr.decode().replace(str(conf), "FILE")


def test_a_right_file(tmp_path):
    assert check(tmp_path, 'hostname = "mx.example"\nlistener mx { address = { "0.0.0.0:25" } }\n') == (0, "")


def test_all_mistakes_in_one_run(tmp_path):
    code, told = check(tmp_path, 'hostnme = "x"\n\nlimits {\n  mesage = 1M\n}\nthreads = 1\nthreads = 2\n')
    assert code == 78
    assert told == ('FILE:1: unknown name "hostnme": did you mean "hostname"?\n'
                    'FILE:4: unknown name "mesage": did you mean "message"?\n'
                    'FILE:7: "threads" stands twice: first in line 6\n')


@pytest.mark.parametrize("text, told", [
    ("limits {\n", 'FILE:1: this "{" has no "}"\n'),
    ('data = "/home/$USER/mail"\n', 'FILE:1: "$" is not allowed: nothing is taken from the environment\n'),
    ("limits { errors_soft = 0 }\n", 'FILE:1: errors_soft: "0" is not within 1 to 1000000\n'),
    ('relay_networks = { "10.0.0.0/33" }\n', None),
    ('listener a { address = { "nonsense" } }\n', None),
])
def test_mistakes(tmp_path, text, told):
    code, got = check(tmp_path, text)
    assert code == 78
    assert got.startswith("FILE:1: ")
    if told:
        assert got == told


def test_serve_refuses_a_wrong_file(tmp_path):
    conf = tmp_path / "y.conf"
    conf.write_text("treads = 2\n")
    done = subprocess.run([binary(), "serve", "--config", str(conf), "--data", str(tmp_path / "d")],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert done.returncode == 78
    assert b'did you mean "threads"' in done.stderr
    assert not (tmp_path / "d").exists()


def test_help_takes_a_command_as_it_is_typed():
    for words in (["account", "member", "add"], ["account", "member-add"], ["queue", "list"], ["status"]):
        done = subprocess.run([binary(), "help", *words], capture_output=True, timeout=30)
        assert done.returncode == 0 and b"Usage" in done.stdout, (words, done.stderr)
    assert subprocess.run([binary(), "help", "account", "member", "eat"], capture_output=True, timeout=30).returncode == 64


def test_help_names_every_setting():
    text = subprocess.run([binary(), "help", "config"], stdout=subprocess.PIPE).stdout.decode()
    for name in ("hostname", "relay_networks", "proxy_networks", "drain_time", "destination"):
        assert "\n  %s\n" % name in text
    page = subprocess.run([binary(), "help", "config", "--man"], stdout=subprocess.PIPE).stdout.decode()
    assert page.startswith(".TH YIZHAN.CONF 5")


def test_the_packaged_file_is_right():
    conf = os.path.join(TOP, "packaging/yizhan.conf")
    done = subprocess.run([binary(), "serve", "--check", "--config", conf], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_man_pages_are_well_formed(tmp_path):
    for words in (["help", "--man"], ["help", "config", "--man"]):
        page = tmp_path / "page"
        page.write_bytes(subprocess.run([binary(), *words], stdout=subprocess.PIPE).stdout)
        if not shutil.which("groff"):
            continue
        done = subprocess.run(["groff", "-Kutf8", "-man", "-ww", "-Tutf8", "-z", str(page)], stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (0, b"")
