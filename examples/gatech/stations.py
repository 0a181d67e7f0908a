"""Stations of the play: `yizhan serve` processes, each with an address, a store and a log of its own."""

import json
import os
import random
import signal
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PORTS = range(20000, 32000)
START_SECONDS = 30
STOP_SECONDS = 20
CLI_SECONDS = 30

CONF = """\
hostname = "{name}"
data = "{data}"
threads = 1
{more}listener smtp {{ address = {{ "{address}:{port}" }} }}
# every station of the play lies on loopback, with an address of its own and the same port
queue {{
	loopback = yes
	port = {port}
}}
{resolver}"""


class StationFailed(Exception):
    """A station did not do what the play needs; the text ends with its log."""


def find_program():
    """$YIZHAN_BIN, or what `make build` or the tests have built."""
    tried = [os.environ.get("YIZHAN_BIN")] + [os.path.join(TOP, "build", tree, "yizhan") for tree in ("release", "asan")]
    for path in filter(None, tried):
        if os.access(path, os.X_OK):
            return path
    raise StationFailed("there is no yizhan: run `make build` first, or set YIZHAN_BIN")


def free_port(addresses):
    """A port that is free on all these addresses."""
    for port in random.sample(PORTS, 200):
        try:
            for address in addresses:
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((address, port))
        except OSError:
            continue
        return port
    raise StationFailed("no port of 200 tried is free")


class Station:
    """One machine of the play.

    name      its host name
    commands  what makes its tables, as command lines of `yizhan`
    is_open   it takes mail for everywhere from every client (the sender's own station)
    is_picked it is one of several, and asks for one letter a connection (it announces MAILMAX=1, RFC 9422), so that each
              letter is a choice of its own
    """

    def __init__(self, program, directory, name, commands=(), is_open=False, is_picked=False):
        self.program, self.name, self.commands = program, name, commands
        self.more = ('relay_networks = { "127.0.0.0/8" }\n' if is_open else "") + (
            "limits { transactions = 1 }\n" if is_picked else "")
        self.directory = os.path.join(directory, name)
        self.address, self.port = None, None
        self.process = None

    def configure(self, address, port, resolver):
        self.address, self.port = address, port
        os.makedirs(self.path("data"))
        with open(self.path("yizhan.conf"), "w") as f:
            f.write(CONF.format(name=self.name, data=self.path("data"), address=address, port=port, resolver=resolver,
                                more=self.more))

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def start(self):
        with open(self.path("log"), "ab") as log:
            # a session of its own: Ctrl-C is the play's, which then stops them one by one
            self.process = subprocess.Popen([self.program, "serve", "--config", self.path("yizhan.conf")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while not self.greets():
            if self.process.poll() is not None or time.monotonic() > end:
                raise StationFailed("%s does not start\n%s" % (self.name, self.log()))
            time.sleep(0.02)

    def greets(self):
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as s:
                line = s.recv(512)
                s.sendall(b"QUIT\r\n")
                s.recv(512)
                return line.startswith(b"220")
        except OSError:
            return False

    def furnish(self):
        """Make its tables."""
        for command in self.commands:
            self.cli(*command)

    @property
    def is_alive(self):
        return self.process is not None

    def kill(self):
        """As if somebody pulled the plug."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise StationFailed("%s did not stop\n%s" % (self.name, self.log()))
        if code != 0:
            raise StationFailed("%s ended with %d\n%s" % (self.name, code, self.log()))

    def cli(self, *words):
        """Run a command against this station; what it printed."""
        done = subprocess.run([self.program, "--data", self.path("data"), *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=CLI_SECONDS)
        if done.returncode != 0:
            raise StationFailed("%s: yizhan %s: %s\n%s" % (self.name, " ".join(words),
                                                         done.stderr.decode(errors="replace"), self.log()))
        return done.stdout.decode(errors="replace")

    def waiting(self):
        """The recipients in its queue."""
        return json.loads(self.cli("queue", "list", "--json"))

    def log(self):
        try:
            with open(self.path("log"), "rb") as f:
                return f.read()[-4000:].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
