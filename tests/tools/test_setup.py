"""tools/setup with a pretended apt: silent when all is there, one install when something is not."""

import os
import stat
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SETUP = os.path.join(TOP, "tools", "setup")

FAKES = {
    # everything is installed but what MISSING names
    "dpkg-query": 'for p in "$@"; do :; done\ncase " $MISSING " in\n*" $p "*) exit 1 ;;\nesac\nprintf installed\n',
    "apt-cache": 'echo "apt-cache $*" >>"$CALLS"\n[ -z "$NO_LISTS" ]\n',
    "apt-get": 'echo "apt-get $*" >>"$CALLS"\n[ -z "$BROKEN" ]\n',
    "id": 'echo "${FAKE_UID:-0}"\n',
}


def run_setup(tmp_path, *args, without=(), **env):
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("bash", "sh", "env", "sed", "mktemp", "rm", "cat"):
        os.symlink("/usr/bin/" + name if os.path.exists("/usr/bin/" + name) else "/bin/" + name, fake / name)
    for name, body in FAKES.items():
        if name not in without:
            (fake / name).write_text("#!/bin/sh\n" + body)
            os.chmod(fake / name, stat.S_IRWXU)
    calls = tmp_path / "calls"
    calls.write_text("")
    done = subprocess.run([SETUP] + list(args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(env, PATH=str(fake), CALLS=str(calls), TMPDIR=str(tmp_path)))
    return done.returncode, done.stdout.decode(), calls.read_text().splitlines()


def test_setup_is_silent_when_all_is_there(tmp_path):
    assert run_setup(tmp_path) == (0, "", [])


def test_setup_installs_what_is_missing_and_says_so(tmp_path):
    code, out, calls = run_setup(tmp_path, MISSING="libuv1-dev swaks")
    assert code == 0
    assert out == "tools/setup: installing libuv1-dev swaks\n"
    assert len(calls) == 2 and " update" not in "".join(calls)
    assert "install -y --no-install-recommends libuv1-dev swaks" in calls[1]


def test_setup_for_running_needs_no_test_packages(tmp_path):
    assert run_setup(tmp_path, "--run", MISSING="swaks libcmocka-dev") == (0, "", [])


def test_setup_updates_lists_only_when_they_lack_a_package(tmp_path):
    code, out, calls = run_setup(tmp_path, MISSING="meson", NO_LISTS="1")
    assert code == 0
    assert [c.split()[-1] for c in calls] == ["meson", "update", "meson"]


def test_setup_shows_why_an_install_failed(tmp_path):
    code, out, calls = run_setup(tmp_path, MISSING="meson", BROKEN="1")
    assert code == 69 and "install failed" in out


def test_setup_without_root_and_sudo_names_the_packages(tmp_path):
    code, out, calls = run_setup(tmp_path, MISSING="meson", FAKE_UID="1000")
    assert code == 77 and "apt-get install meson" in out and calls == []


def test_setup_elsewhere_than_debian_does_nothing(tmp_path):
    code, out, calls = run_setup(tmp_path, without=("dpkg-query",))
    assert code == 0 and "not a Debian system" in out and "libuv1-dev" in out


def test_setup_refuses_unknown_options(tmp_path):
    assert run_setup(tmp_path, "--everything")[0] == 64
