"""Who plays in the bench: the servers, the generators of load, the sinks. Each is a small class behind one shape.

What a command or a configuration file of Yizhan looks like is written in YIZHAN below and nowhere else.
"""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
sys.path.insert(0, os.path.join(TOP, "tests", "integration"))

import gauge  # noqa: E402
import peers  # noqa: E402
from peers import PeerFailed, PeerUnavailable, Postfix, SmtpSink, free_port, smtp_source, wait_for  # noqa: E402
from station import PortOffset  # noqa: E402

BINARY = os.environ.get("YIZHAN_BIN", os.path.join(TOP, "build/release/yizhan"))
HOST = "127.0.0.1"
LOCAL_ADDRESS = "alice@yizhan.test"  # a demo account of Yizhan; Postfix gets a mailbox of the same name
REMOTE_ADDRESS = "to@sink.test"
RUN_SECONDS_MAX = 60

# -- every command string of Yizhan -------------------------------------------------------------------------------

YIZHAN = {
    "serve": "{bin} serve --data {data} --port-offset {offset} --config {conf}",
    # the modes of a server, as in peers.Postfix
    "conf": {
        "hold": 'demo = yes\nrelay_networks = {{"127.0.0.0/8"}}\nqueue {{ hold = yes }}\n',
        "relay": 'demo = yes\nrelay_networks = {{"127.0.0.0/8"}}\n',
        "maildir": "demo = yes\n",
    },
    # run once the server is up, by mode
    "setup": {
        "hold": ["{bin} --data {data} route set sink.test [{host}]:9"],
        "relay": ["{bin} --data {data} route set sink.test [{next_host}]:{next_port}"],
        "maildir": [],
    },
    "mailbox": "{bin} --data {data} mailbox list {address} --json",
    "source": "{bin} bench source --to {host}:{port} --sessions {sessions} --messages {messages} --size {size}"
              " --rcpt {rcpt} --from from@source.test --json",
    "source_pipelining": " --pipelining",
    "source_reuse": {True: " --reuse", False: " --new"},
    "sink": "{bin} bench sink --listen {host}:{port} --count {count} --json",
}


def command_of(template, **values):
    """Split first, fill in then: a path with a blank stays one argument."""
    return [word.format(bin=BINARY, host=HOST, **values) for word in template.split()]


# -- servers ------------------------------------------------------------------------------------------------------

class PostfixServer:
    """Postfix at its best for this: in_flow_delay=0, process limits above the load, its own defaults else."""

    name = "postfix"

    def __init__(self, mode, directory, next_hop=None, tls=False, limit=150):
        self.mode = mode
        self.peer = Postfix(mode, next_hop=next_hop, accounts=[LOCAL_ADDRESS], directory=directory, tls=tls,
                            limit=limit)
        self.meter = gauge.Meter("postfix-%s-%d" % (mode, free_port()))
        bare = self.peer.command
        self.peer.command = lambda: self.meter.wrap(bare())

    def __enter__(self):
        try:
            self.peer.__enter__()
        except BaseException:
            self.meter.close()
            raise
        self.meter.watch(self.peer.process.pid)
        return self

    def __exit__(self, *exc):
        self.peer.__exit__(*exc)
        self.meter.close()

    @property
    def address(self):
        return self.peer.address

    def restart_seconds(self):
        """Stop, start on the same data, and how long it was until the first 220."""
        self.peer.stop()
        self.peer.start()
        self.meter.watch(self.peer.process.pid)
        return self.peer.ready_seconds

    @property
    def first_start_seconds(self):
        return self.peer.ready_seconds

    def local_count(self):
        return self.peer.mailbox_count(LOCAL_ADDRESS)

    @classmethod
    def version(cls):
        return "Postfix " + gauge.one_line([peers.program("usr/sbin/postconf"), "-d", "-h", "mail_version"],
                                           env=peers.peer_env())

    @classmethod
    def missing(cls):
        if os.geteuid() != 0:
            return "Postfix's master process needs root"
        try:
            peers.program("usr/lib/postfix/sbin/master")
            peers.user_named("postfix")
        except PeerUnavailable as e:
            return str(e)
        return None


class YizhanServer:
    """`yizhan serve` on a data directory of its own."""

    name = "yizhan"

    def __init__(self, mode, directory, next_hop=None, tls=False, limit=0):
        self.mode, self.next_hop = mode, next_hop
        self.parent = directory
        self.process = None
        self.demo = {}
        self.first_start_seconds = None

    def __enter__(self):
        self.meter = gauge.Meter("yizhan-%s-%d" % (self.mode, free_port()))
        self.offset = PortOffset()
        self.scratch = tempfile.TemporaryDirectory(prefix="yz-yizhan-", dir=self.parent)
        self.data = os.path.join(self.scratch.name, "data")
        self.conf = os.path.join(self.scratch.name, "yizhan.conf")
        os.mkdir(self.data)
        try:
            with open(self.conf, "w") as f:
                f.write(YIZHAN["conf"][self.mode].format())
            self.first_start_seconds = self.start()
            for template in YIZHAN["setup"][self.mode]:
                self.run(template)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc):
        self.stop()
        self.meter.close()
        self.offset.release()
        self.scratch.cleanup()

    def values(self):
        hop = self.next_hop or ("", "")
        return dict(data=self.data, conf=self.conf, offset=self.offset.value, next_host=hop[0], next_port=hop[1],
                    address=LOCAL_ADDRESS)

    def run(self, template):
        done = subprocess.run(command_of(template, **self.values()), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=RUN_SECONDS_MAX)
        if done.returncode != 0:
            raise PeerFailed("%s: %s%s" % (template, done.stderr.decode(errors="replace"), self.log()))
        return done.stdout

    def start(self):
        try:
            os.unlink(os.path.join(self.data, "demo.json"))
        except FileNotFoundError:
            pass
        port = 2525 + self.offset.value
        with open(os.path.join(self.scratch.name, "log"), "ab") as log:
            begin = time.monotonic()
            self.process = subprocess.Popen(self.meter.wrap(command_of(YIZHAN["serve"], **self.values())),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)
        self.meter.watch(self.process.pid)
        # the greeting on the port it must take, not the file: the same measure as the other server's
        wait_for("yizhan to greet", lambda: self.greets(port), peers.START_SECONDS, step=0.002)
        took = time.monotonic() - begin
        wait_for("demo.json", self.read_demo, peers.START_SECONDS)
        return took

    def greets(self, port):
        if self.process.poll() is not None:
            raise PeerFailed("yizhan ended with %d at its start\n%s" % (self.process.returncode, self.log()))
        return (peers.greeting((HOST, port)) or b"").startswith(b"220")

    def read_demo(self):
        try:
            with open(os.path.join(self.data, "demo.json")) as f:
                self.demo = json.load(f)
            return self.demo["pid"] == self.process.pid
        except (OSError, ValueError):
            return False

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart_seconds(self):
        self.stop()
        return self.start()

    def log(self):
        with open(os.path.join(self.scratch.name, "log"), "rb") as f:
            return f.read()[-3000:].decode(errors="replace")

    @property
    def address(self):
        return (HOST, self.demo["ports"]["smtp"])

    def local_count(self):
        return len(re.findall(rb'"uid"', self.run(YIZHAN["mailbox"])))

    @classmethod
    def version(cls):
        return gauge.one_line([BINARY, "version"])

    @classmethod
    def missing(cls):
        return None if os.access(BINARY, os.X_OK) else "%s is not built" % BINARY


SERVERS = {"postfix": PostfixServer, "yizhan": YizhanServer}


# -- generators ---------------------------------------------------------------------------------------------------

class PostfixSource:
    """smtp-source: one process, no PIPELINING."""

    name = "smtp-source"
    can_pipeline = False

    @staticmethod
    def send(address, sessions, messages, size, rcpt, pipelining, reuse):
        smtp_source(address, sessions=sessions, messages=messages, size=size, rcpt=rcpt, reuse=reuse,
                    seconds=RUN_SECONDS_MAX)
        return {}

    @staticmethod
    def missing():
        try:
            peers.program("usr/sbin/smtp-source")
        except PeerUnavailable as e:
            return str(e)
        return None


class YizhanSource:
    """`yizhan bench source`: returns what it says about itself (latencies among it)."""

    name = "bench source"
    can_pipeline = True

    @staticmethod
    def send(address, sessions, messages, size, rcpt, pipelining, reuse):
        template = YIZHAN["source"]
        template += YIZHAN["source_pipelining"] if pipelining else ""
        template += YIZHAN["source_reuse"][reuse]
        command = command_of(template, port=address[1], sessions=sessions, messages=messages, size=size, rcpt=rcpt)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise PeerFailed("bench source did not end in %ds" % RUN_SECONDS_MAX)
        if done.returncode != 0:
            raise PeerFailed("bench source: %s%s" % (done.stdout[-500:].decode(errors="replace"),
                                                     done.stderr[-1000:].decode(errors="replace")))
        return json.loads(done.stdout)

    @staticmethod
    def missing():
        return YizhanServer.missing()


SOURCES = {"smtp-source": PostfixSource, "bench source": YizhanSource}


# -- sinks --------------------------------------------------------------------------------------------------------

class PostfixSink:
    """smtp-sink as the far end; it runs through and its counter is a file it appends to."""

    name = "smtp-sink"

    def __init__(self, directory):
        self.peer = SmtpSink(directory=directory)
        self.goal = 0

    def __enter__(self):
        self.peer.__enter__()
        return self

    def __exit__(self, *exc):
        self.peer.__exit__(*exc)

    @property
    def address(self):
        return self.peer.address

    def begin(self, count):
        """So many messages will come now."""
        self.goal = self.peer.count() + count

    def finish(self):
        """Until all have come."""
        wait_for("the sink to have all", lambda: self.peer.count() >= self.goal, RUN_SECONDS_MAX, step=0.002)

    def seconds(self):
        """Processor seconds so far."""
        return gauge.process_seconds(self.peer.process.pid)

    @staticmethod
    def missing():
        return PostfixSource.missing()


class YizhanSink:
    """`yizhan bench sink --count N`, started anew for each run on the same port: it ends when it has all."""

    name = "bench sink"

    def __init__(self, directory):
        self.port = free_port()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process and self.process.poll() is None:
            self.process.kill()
        self.reap()

    def reap(self):
        if self.process:
            self.process.communicate()
            self.process = None

    @property
    def address(self):
        return (HOST, self.port)

    def begin(self, count):
        self.__exit__()
        self.process = subprocess.Popen(command_of(YIZHAN["sink"], port=self.port, count=count),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = self.process.stderr.readline()  # "listening on port N"
        if b"listening" not in first:
            raise PeerFailed("bench sink: %s" % first.decode(errors="replace"))

    def finish(self):
        try:
            out, err = self.process.communicate(timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise PeerFailed("the sink did not get all messages in %ds" % RUN_SECONDS_MAX)
        code, self.process = self.process.returncode, None
        if code != 0:
            raise PeerFailed("bench sink: exit code %d\n%s%s" % (code, out.decode(errors="replace"),
                                                                 err.decode(errors="replace")))

    def seconds(self):
        # it is a child that has ended when we ask: counted among gauge.children_seconds()
        return 0.0

    @staticmethod
    def missing():
        return YizhanServer.missing()


SINKS = {"smtp-sink": PostfixSink, "bench sink": YizhanSink}


# -- idle connections ---------------------------------------------------------------------------------------------

def idle_connections(address, count, is_tls):
    """Open so many connections that said EHLO (again after STARTTLS) and then say nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opened = []
    try:
        for _ in range(count):
            conn = socket.create_connection(address, timeout=30)
            opened.append(conn)
            read_reply(conn, b"220")
            conn.sendall(b"EHLO idle.test\r\n")
            read_reply(conn, b"250")
            if is_tls:
                conn.sendall(b"STARTTLS\r\n")
                read_reply(conn, b"220")
                opened[-1] = conn = context.wrap_socket(conn)
                conn.sendall(b"EHLO idle.test\r\n")
                read_reply(conn, b"250")
    except BaseException:
        for conn in opened:
            conn.close()
        raise
    return opened


def read_reply(conn, code):
    """A whole reply of one or many lines; PeerFailed when it has another code."""
    text = b""
    while True:
        got = conn.recv(4096)
        if not got:
            raise PeerFailed("connection closed, %r expected" % code)
        text += got
        lines = text.split(b"\r\n")
        if len(lines) > 1 and lines[-1] == b"" and lines[-2][3:4] != b"-":
            break
    if not text.startswith(code):
        raise PeerFailed("%r instead of %r" % (text[:200], code))
