"""One running Yizhan for a test: `yizhan serve --data DIR --port-offset N` on loopback.

    with Yizhan() as station:
        alice = station.accounts[0]
        smtplib.SMTP("127.0.0.1", station.ports["smtp"])
        station.cli_json("mailbox", "list", alice.address, "--json")
        station.kill9(); station.start()          # the data directory stays

The program is $YIZHAN_BIN, by default build/asan/yizhan. Leaving the `with` block stops the server with SIGTERM and
fails when it did not end well or a sanitizer wrote a report. Standard library only.
"""

import collections
import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HOST = "127.0.0.1"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The demo's own ports lie between 1100 and 9950; offsets keep all of them below the range from which the
# kernel gives ports to outgoing connections (32768), so that no client can sit on one of them.
DEMO_PORTS = (2525, 5870, 4650, 1430, 9930, 1100, 9950, 8080)
OFFSETS = range(11000, 22700)
START_SECONDS = 20
STOP_SECONDS = 20
CLI_SECONDS = 30

Account = collections.namedtuple("Account", "address password")


def binary():
    return os.environ.get("YIZHAN_BIN", os.path.join(TOP, "build/asan/yizhan"))


def serve_command(program, data, offset, options=()):
    """The one place that knows how a server is started."""
    return [program, "serve", "--data", data, "--port-offset", str(offset), *options]


def cli_command(program, data, args):
    """The one place that knows how a command finds the running server."""
    return [program, "--data", data, *args]


class StationFailed(AssertionError):
    """The server did not do what every test may rely on; the text ends with its log."""


class PortOffset:
    """An offset that is ours until release(): a lock file tells other test processes, a bind tells the rest."""

    def __init__(self, ports=DEMO_PORTS):
        self.lock = None
        for offset in random.sample(OFFSETS, 200):
            lock = open(os.path.join(tempfile.gettempdir(), "yizhan-offset-%d.lock" % offset), "a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            if all(self.is_free(port + offset) for port in ports):
                self.lock, self.value = lock, offset
                return
            lock.close()
            os.unlink(lock.name)
        raise StationFailed("no port offset of 200 tried is free")

    @staticmethod
    def is_free(port):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((HOST, port))
            except OSError:
                return False
            return True

    def release(self):
        if self.lock:
            os.unlink(self.lock.name)
            self.lock.close()
            self.lock = None


class Yizhan:
    """See the module's text.

    data     an existing directory to serve (kept); default: a new one, removed at the end
    conf     text of a yizhan.conf, passed with --conf; may use {data} and {offset}
    options  more arguments of `serve`
    env      more environment, for instance a preload
    """

    def __init__(self, data=None, conf=None, options=(), env=None, program=None):
        self.program = program or binary()
        self.given_data, self.conf, self.options, self.env = data, conf, list(options), dict(env or {})
        self.directory = self.data = None
        self.offset = None
        self.process = None
        self.demo = {}
        self.is_crash_expected = False
        self.ready_seconds = None

    # -- life --------------------------------------------------------------------------------------------

    def __enter__(self):
        if not os.access(self.program, os.X_OK):
            raise StationFailed("%s is not there: build it, or set YIZHAN_BIN" % self.program)
        self.directory = tempfile.mkdtemp(prefix="yz-station-")
        # a server that drops its user must reach its data and leave its report
        os.chmod(self.directory, 0o755)
        os.mkdir(self.reports())
        os.chmod(self.reports(), 0o1777)
        self.data = self.given_data or os.path.join(self.directory, "data")
        os.makedirs(self.data, exist_ok=True)
        self.offset = PortOffset()
        try:
            self.start()
        except BaseException:
            self.clean_up()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.stop()
            self.check_sanitizers()
        except StationFailed:
            if kind is None:
                raise
            # the test's own failure is the news; ours goes beside it
            print("station: also failed at its end\n" + self.log())
        finally:
            self.clean_up()

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.offset.release()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, wait=True):
        """Start (again) on the same data and ports."""
        assert self.process is None, "it runs already"
        self.forget_demo()
        options = list(self.options)
        if self.conf is not None:
            with open(os.path.join(self.directory, "yizhan.conf"), "w") as f:
                f.write(self.conf.replace("{data}", self.data).replace("{offset}", str(self.offset.value)))
            options += ["--conf", os.path.join(self.directory, "yizhan.conf")]
        with open(self.log_path(), "ab") as log:
            self.begin = time.monotonic()
            self.process = subprocess.Popen(serve_command(self.program, self.data, self.offset.value, options),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment(), start_new_session=True)
        if wait:
            self.wait_ready()

    def environment(self):
        env = dict(os.environ)
        # halt: undefined behaviour is as wrong as a wild pointer; the exit code tells a report from our own 1.
        # The last log_path counts: reports belong to the test that caused them.
        ours = {"ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "exitcode=99:halt_on_error=1:print_stacktrace=1",
                "LSAN_OPTIONS": "exitcode=99"}
        for name, options in ours.items():
            env[name] = ":".join(filter(None, [env.get(name), options, "log_path=" + self.reports("report")]))
        env.update(self.env)
        return env

    def reports(self, *name):
        return os.path.join(self.directory, "sanitizer", *name)

    def forget_demo(self):
        # a demo.json of the life before would send the test to a server that is not there yet
        try:
            os.unlink(os.path.join(self.data, "demo.json"))
        except FileNotFoundError:
            pass

    def wait_ready(self, seconds=START_SECONDS):
        """Until demo.json is this process's and the SMTP port greets with 220."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise StationFailed("serve ended with %d at its start\n%s\n%s" % (
                    self.process.returncode, self.sanitizer_reports(), self.log()))
            if self.read_demo() and self.greets():
                self.ready_seconds = time.monotonic() - self.begin
                return
            time.sleep(0.01)
        raise StationFailed("not ready in %gs\n%s" % (seconds, self.log()))

    def read_demo(self):
        try:
            with open(os.path.join(self.data, "demo.json")) as f:
                demo = json.load(f)
        except (FileNotFoundError, ValueError):
            return False
        if demo.get("pid") != self.process.pid:
            return False
        self.demo = demo
        return True

    def greets(self):
        try:
            with socket.create_connection((HOST, self.ports["smtp"]), timeout=2) as s:
                line = s.recv(512)
                s.sendall(b"QUIT\r\n")
                s.recv(512)
                return line.startswith(b"220")
        except OSError:
            return False

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM, and the exit code must be 0. Nothing to do when it does not run."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.process = None
            raise StationFailed("did not stop in %gs after SIGTERM\n%s" % (seconds, self.log()))
        self.process = None
        if code != 0 and not self.is_crash_expected:
            raise StationFailed("serve ended with %d\n%s\n%s" % (code, self.sanitizer_reports(), self.log()))

    def kill9(self):
        """As if the power went: no handler runs."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def wait_end(self, seconds=STOP_SECONDS):
        """Until the server ends by itself (a fault point, a fatal setting); returns its exit code."""
        code = self.process.wait(seconds)
        self.process = None
        return code

    def restart(self):
        self.stop()
        self.start()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    @property
    def pid(self):
        return self.process.pid

    # -- what a test asks ----------------------------------------------------------------------------------

    @property
    def ports(self):
        return self.demo["ports"]

    @property
    def smtp(self):
        """(host, port) of the port that takes mail from other servers."""
        return (HOST, self.ports["smtp"])

    @property
    def domain(self):
        return self.demo["domain"]

    @property
    def accounts(self):
        return [Account(a["address"], a["password"]) for a in self.demo["accounts"]]

    def account(self, name):
        """The demo account whose local part is `name`."""
        for account in self.accounts:
            if account.address.split("@")[0] == name:
                return account
        raise KeyError(name)

    def cli(self, *args, check=True, input=None, seconds=CLI_SECONDS):
        """Run a command against this server; its CompletedProcess with octets. check: exit code 0 is demanded."""
        done = subprocess.run(cli_command(self.program, self.data, args), input=input, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(), timeout=seconds)
        if check and done.returncode != 0:
            raise StationFailed("yizhan %s: exit code %d\n%s%s" % (
                " ".join(args), done.returncode, done.stdout.decode(errors="replace"),
                done.stderr.decode(errors="replace")))
        return done

    def cli_json(self, *args):
        """The command's JSON: the one value it prints, or the list of values when it prints one a line."""
        text = self.cli(*args).stdout.decode()
        try:
            return json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]

    def mailbox(self, address):
        """`mailbox list --json`: always a list of objects, also for an empty mailbox or a single message."""
        text = self.cli("mailbox", "list", address, "--json").stdout.decode().strip()
        if not text:
            return []
        try:
            value = json.loads(text)
            return value if isinstance(value, list) else [value]
        except ValueError:
            return [json.loads(line) for line in text.splitlines()]

    def export(self, address, uid):
        """The exact octets of one stored message."""
        return self.cli("mailbox", "export", address, "--uid", str(uid)).stdout

    def wait_mailbox(self, address, count, seconds=20):
        """Until at least so many messages are in the mailbox; returns mailbox()."""
        end = time.monotonic() + seconds
        while True:
            found = self.mailbox(address)
            if len(found) >= count:
                return found
            if time.monotonic() > end:
                raise StationFailed("%d of %d messages for %s\n%s" % (len(found), count, address, self.log()))
            time.sleep(0.05)

    # -- log and sanitizers --------------------------------------------------------------------------------

    def log_path(self):
        return os.path.join(self.directory, "serve.log")

    def log(self, last=8000):
        try:
            with open(self.log_path(), "rb") as f:
                return f.read()[-last:].decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, text, seconds=10):
        """Until the log holds this text; returns the line of its first occurrence."""
        end = time.monotonic() + seconds
        while True:
            for line in self.log(last=1 << 24).splitlines():
                if text in line:
                    return line
            if time.monotonic() > end:
                raise StationFailed("not in the log after %gs: %s\n%s" % (seconds, text, self.log()))
            time.sleep(0.05)

    def sanitizer_reports(self):
        text = ""
        for name in sorted(os.listdir(self.reports())):
            with open(self.reports(name), errors="replace") as f:
                text += f.read()
        return text

    def check_sanitizers(self):
        text = self.sanitizer_reports()
        if text:
            raise StationFailed("a sanitizer reports:\n" + text[-8000:])
