"""An authority for tests: Debian's pebble, with pebble-challtestsrv as its name server (every name is 127.0.0.1).

    with Pebble(http=8080, tls=4430) as ca:       # where it looks at challenges
        ca.directory, ca.ca_file                  # for the section acme
        ca.root()                                 # PEM of what signs its certificates

It refuses a share of good nonces, as it does by default (nonce_reject: per cent). reuse: of so many per cent of valid
proofs a second one is not asked for; sleep: seconds at most that a look takes. Nothing leaves loopback.
"""

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request

HOST = "127.0.0.1"


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


class Pebble:
    def __init__(self, http, tls, eab=None, nonce_reject=5, validity=None, port=None, reuse=0, sleep=0):
        self.ports = {"http": http, "tls": tls, "acme": port or free_port(), "manage": free_port(), "dns": free_port(),
                      "names": free_port()}
        self.eab, self.nonce_reject, self.validity = eab, nonce_reject, validity
        self.reuse, self.sleep = reuse, sleep
        self.processes = []

    @property
    def directory(self):
        return "https://%s:%d/dir" % (HOST, self.ports["acme"])

    @property
    def ca_file(self):
        return os.path.join(self.path, "https.pem")

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="yz-pebble-")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "3", "-subj", "/CN=pebble", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", os.path.join(self.path, "https.key"), "-out", self.ca_file],
                       check=True, stderr=subprocess.DEVNULL)
        settings = {"listenAddress": "%s:%d" % (HOST, self.ports["acme"]),
                    "managementListenAddress": "%s:%d" % (HOST, self.ports["manage"]),
                    "certificate": self.ca_file, "privateKey": os.path.join(self.path, "https.key"),
                    "httpPort": self.ports["http"], "tlsPort": self.ports["tls"], "ocspResponderURL": "",
                    "externalAccountBindingRequired": bool(self.eab), "externalAccountMACKeys": self.eab or {}}
        if self.validity:
            settings["certificateValidityPeriod"] = self.validity
        with open(os.path.join(self.path, "pebble.json"), "w") as f:
            json.dump({"pebble": settings}, f)
        try:
            self.run("pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "",
                     "-dns01", "%s:%d" % (HOST, self.ports["dns"]), "-management", "%s:%d" % (HOST, self.ports["names"]))
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        """Also once more: it forgets everything, as it always does."""
        env = dict(os.environ, PEBBLE_WFE_NONCEREJECT=str(self.nonce_reject), PEBBLE_AUTHZREUSE=str(self.reuse))
        if self.sleep:
            env["PEBBLE_VA_SLEEPTIME"] = str(self.sleep)
        else:
            env["PEBBLE_VA_NOSLEEP"] = "1"
        self.pebble = self.run("pebble", "-config", os.path.join(self.path, "pebble.json"), "-dnsserver",
                               "%s:%d" % (HOST, self.ports["dns"]), env=env)
        self.wait()

    def stop(self):
        self.pebble.kill()
        self.pebble.wait()

    def run(self, *args, env=None):
        log = open(os.path.join(self.path, args[0] + ".log"), "ab")
        process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        log.close()
        self.processes.append(process)
        return process

    def wait(self):
        end = time.monotonic() + 20
        for port in ("acme", "manage", "names"):
            while True:
                try:
                    socket.create_connection((HOST, self.ports[port]), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < end, self.log()
                    time.sleep(0.02)

    def log(self):
        with open(os.path.join(self.path, "pebble.log")) as f:
            return f.read()

    def get(self, path):
        context = ssl.create_default_context(cafile=self.ca_file)
        with urllib.request.urlopen("https://%s:%d/%s" % (HOST, self.ports["manage"], path), context=context,
                                    timeout=10) as answer:
            return answer.read().decode()

    def root(self):
        path = os.path.join(self.path, "root.pem")
        with open(path, "w") as f:
            f.write(self.get("roots/0"))
        return path

    def address(self, name, ips):
        """What the name server says of a name from now on."""
        body = json.dumps({"host": name + ".", "addresses": ips}).encode()
        for what in ("clear-a", "add-a"):
            urllib.request.urlopen("http://%s:%d/%s" % (HOST, self.ports["names"], what), data=body, timeout=10).close()

    def __exit__(self, *exc):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.path, ignore_errors=True)


class Gate:
    """In front of an authority: lets so many requests (connections) through, and holds the others."""

    def __init__(self, port, count):
        self.target, self.left = port, count
        self.lock = threading.Lock()
        self.held = threading.Event()
        self.server = socket.create_server((HOST, 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def open(self):
        with self.lock:
            self.left = 1 << 30

    def let_go(self):
        """Open, also for the one that is held."""
        self.open()
        self.join(self.kept)

    def join(self, client):
        server = socket.create_connection((HOST, self.target))
        for a, b in ((client, server), (server, client)):
            threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with self.lock:
                self.left -= 1
                if self.left < 0:
                    self.kept = client
                    self.held.set()
                    continue
            self.join(client)

    @staticmethod
    def pump(a, b):
        try:
            while octets := a.recv(65536):
                b.sendall(octets)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.server.close()
