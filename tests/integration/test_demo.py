"""`make run` as a newcomer meets it: what it prints works when it is typed, Ctrl-C ends it, the mail is there again."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from station import TOP, PortOffset, binary, serve_command

SECONDS = 30


class Terminal:
    """A server started the way a person starts it: its output is read line by line, Ctrl-C is SIGINT."""

    def __init__(self, command, cwd, env=None):
        self.process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True, env=dict(os.environ, **(env or {})))
        self.lines, self.errors = [], []
        self.threads = [threading.Thread(target=self.read, args=pair, daemon=True) for pair in (
            (self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def read(source, kept):
        for line in source:
            kept.append(line.decode())

    @property
    def text(self):
        return "".join(self.lines)

    def wait(self, text, seconds=SECONDS):
        end = time.monotonic() + seconds
        while text not in self.text:
            assert self.process.poll() is None and time.monotonic() < end, self.text + "".join(self.errors)
            time.sleep(0.01)
        return self.text

    def end(self, how=signal.SIGINT):
        """Returns the exit code."""
        os.killpg(self.process.pid, how)
        return self.ended()

    def ended(self):
        code = self.process.wait(SECONDS)
        for thread in self.threads:
            thread.join(5)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def commands(text):
    """The lines that are there to be typed."""
    found = re.search(r"Try[^\n]*:\n((?:  [^\n]+\n)+)", text)
    return [line.strip() for line in found.group(1).splitlines()]


def typed(command, cwd):
    done = subprocess.run(["sh", "-c", command], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=SECONDS)
    assert done.returncode == 0, "%s\n%s%s" % (command, done.stdout.decode(), done.stderr.decode())
    return done.stdout.decode().replace("\r\n", "\n")


@pytest.fixture
def offset():
    held = PortOffset()
    yield held.value
    held.release()


@pytest.fixture
def demo(tmp_path, offset):
    """A function: start the demo (again), in a directory whose name needs quotes."""
    os.makedirs(tmp_path / "it's here", exist_ok=True)
    started = []

    def start():
        started.append(Terminal(serve_command(binary(), "./build/my demo", offset), tmp_path / "it's here"))
        started[-1].wait("Ctrl-C stops it.\n")
        return started[-1]
    start.cwd, start.data = tmp_path / "it's here", tmp_path / "it's here/build/my demo"
    yield start
    for one in started:
        one.__exit__()


def test_it_prints_listeners_accounts_and_three_commands(demo, offset):
    text = demo().text
    assert text.startswith("Yizhan ")
    with open(demo.data / "demo.json") as f:
        told = json.load(f)
    places = dict(re.findall(r"^  (\S+) +127\.0\.0\.1:(\d+)", text, re.M))
    assert places == {name: str(port) for name, port in told["ports"].items()}
    assert places["smtp"] == str(2525 + offset)
    for port in places.values():  # only listeners that exist are printed
        socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
    accounts = dict(re.findall(r"^  (\S+@yizhan\.test) +password (\S+)$", text, re.M))
    assert accounts == {a["address"]: a["password"] for a in told["accounts"]}
    assert sorted(accounts) == ["alice@yizhan.test", "bob@yizhan.test"]
    assert all(len(p) >= 12 for p in accounts.values()) and len(set(accounts.values())) == 2
    assert len(commands(text)) == 3


def test_the_three_commands_work_as_printed(demo):
    send, list_, read = commands(demo().text)
    typed(send, demo.cwd)
    assert "Hello" in typed(list_, demo.cwd) and "me@example.org" in typed(list_, demo.cwd)
    letter = typed(read, demo.cwd)
    assert letter.startswith("Return-Path: <me@example.org>\nDelivered-To: alice@yizhan.test\nReceived: ")
    assert letter.endswith("\nFrom: me@example.org\nSubject: Hello\n\nThe first letter.\n")


def test_the_command_with_a_login_works_as_printed(demo):
    text = demo().text
    command = re.search(r"As one of the accounts[^\n]*:\n  ([^\n]+)\n", text).group(1)
    secret = demo.cwd / "password"
    secret.write_text(re.search(r"alice@yizhan\.test +password (\S+)", text).group(1) + "\n")
    secret.chmod(0o600)
    assert "accepted" in typed("%s --auth-password-file %s" % (command, shlex.quote(str(secret))), demo.cwd)
    assert "alice@yizhan.test" in typed(commands(text)[1], demo.cwd)


def test_ctrl_c_ends_it_with_a_farewell_and_a_second_run_finds_the_mail(demo):
    first = demo()
    typed(commands(first.text)[0], demo.cwd)
    begin = time.monotonic()
    assert first.end() == 0
    assert time.monotonic() - begin < 5
    assert first.text.endswith("\nYizhan has stopped. The mail stays in %s.\n" % demo.data)
    # how long a slice took says how busy this machine was
    unwelcome = [line for line in first.errors if "level=info" not in line and "event=loop.slice" not in line]
    assert unwelcome == []
    second = demo()
    assert re.findall("password (.*)", second.text) == re.findall("password (.*)", first.text)
    assert "Hello" in typed(commands(second.text)[1], demo.cwd)
    typed(commands(second.text)[0], demo.cwd)
    assert typed(commands(second.text)[1], demo.cwd).count("Hello") == 2
    assert second.end() == 0


def test_ctrl_c_while_a_client_is_connected(demo):
    """Nobody waits for a client that has nothing to say."""
    server = demo()
    with open(demo.data / "demo.json") as f:
        port = json.load(f)["ports"]["smtp"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.recv(1000)
        begin = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - begin < 5
        assert client.recv(1000).startswith(b"421 4.3.2 ")


def test_a_second_server_is_refused_and_told_who_holds_it(demo, tmp_path, offset):
    first = demo()
    # the same directory
    with Terminal(serve_command(binary(), "./build/my demo", offset), demo.cwd) as second:
        assert second.ended() == 75
        assert "process %d " % first.process.pid in "".join(second.errors) and second.text == ""
    # another directory, the same ports
    with Terminal(serve_command(binary(), "other", offset), demo.cwd) as second:
        assert second.ended() == 75
        assert "process %d" % first.process.pid in "".join(second.errors) and second.text == ""
    # the first one was not disturbed
    typed(commands(first.text)[0], demo.cwd)
    assert first.end() == 0


def test_make_run_starts_the_same_server():
    """`make run` builds a release and becomes the server; what it would run is looked at here."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "YIZHAN"))}
    said = subprocess.run(["make", "-n", "run"], cwd=TOP, env=env, stdout=subprocess.PIPE, check=True).stdout.decode()
    last = said.strip().splitlines()[-1]
    assert last == 'exec build/release/yizhan serve --data "${YIZHAN_DATA:-./build/demo}"'


@pytest.mark.long
def test_make_run_itself(tmp_path):
    """The real thing on its real ports, in a network of its own, so that it is in nobody's way."""
    inside = [sys.executable, os.path.abspath(__file__), str(tmp_path / "data")]
    done = subprocess.run(["unshare", "-rn", "--", *inside], cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=600)
    assert done.returncode == 0, done.stdout.decode()[-4000:]


def inside(data):
    """In the new network: make run, the three commands, Ctrl-C, and once more."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for count in (1, 2):
        with Terminal(["make", "run"], TOP, {"YIZHAN_DATA": data}) as server:
            text = server.wait("Ctrl-C stops it.\n", 500)
            assert "127.0.0.1:2525 " in text
            send, list_, read = commands(text)
            typed(send, TOP)
            assert typed(list_, TOP).count("Hello") == count
            assert typed(read, TOP).endswith("The first letter.\n")
            # the terminal's Ctrl-C goes to make too, which dies of it, but only when its child has ended well
            assert server.end() == -signal.SIGINT and "Error" not in "".join(server.errors)
            assert server.text.endswith("The mail stays in %s.\n" % data)


if __name__ == "__main__":
    inside(sys.argv[1])
