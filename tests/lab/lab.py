"""A DNS laboratory on loopback: real zones on a real name server, signed, and broken on purpose.

    from lab import Lab
    from certs import Authority

    with Lab() as lab:
        ca = Authority(lab.directory)
        mx = ca.issue("mx.good.example")                       # mx.cert, mx.key, mx.chain: PEM files
        lab.zone("good.example", "@ MX 10 mx", "mx A 127.0.0.7",
                 "_25._tcp.mx TLSA " + mx.tlsa("3 1 1"))       # signed, its DS stands in the root
        lab.zone("plain.example", "@ MX 10 mx", "mx A 127.0.0.8", signed=False)   # an insecure delegation
        lab.zone("bad.example", "@ MX 10 mx", "mx A 127.0.0.9", broken=["MX"])    # its MX is bogus
        lab.lame("lame.example")                               # its server answers REFUSED
        lab.silent("mute.example")                             # its server never answers
        station = make_station(conf="demo = yes\\n" + lab.conf() + "queue { loopback = yes port = %d }\\n" % port)

What stands there, each on a free port of 127.0.0.1, in the foreground, ended by its own process id:

    Yizhan (libunbound, validates) --> Unbound (a recursive server that does not validate)
                                         |-- "."                --> Knot: a signed root and all zones below it
                                         |-- lame(...) zones    --> Knot without a zone: REFUSED
                                         `-- silent(...) zones  --> a socket that nobody reads

libunbound in forward mode needs a recursive server for what is lame or silent; what is signed would come through
from Knot alone just as well, for Knot answers from the zone that fits best and finds a DS in the zone above. The
root delegates straight to each zone (`example` and `org` are empty names in it), or the zone above does, if
there is one. `.test` is insecure whatever
is done, for Yizhan calls it so (RFC 6761 section 6.2): signed zones want other names.

The zones of one `with` may be changed at any time: what was written since the last time is published when
`conf()`, `forwarder`, `trust_anchor` or `ask()` is used, or by `publish()`. Records live `ttl` seconds (1) in
every cache; change a zone, then wait so long. libunbound answers for 127.in-addr.arpa by itself: reverse names
are for other addresses than those of loopback.

    lab.zone(name, *records, signed=True, broken=(), expired=False)
        records   lines of a zone file relative to the zone ("@ MX 10 mx"); SOA and NS are made
        signed    True: secure. False: no signature, and the root proves that there is none. "island": signed,
                  without DS, so insecure. "wrong-ds": the DS fits no key, so bogus.
        broken    types whose signatures are spoiled, of every name ("MX") or of one ("_25._tcp.mx TLSA")
        expired   all signatures ran out three days ago
        The same name again replaces the zone.
    lab.lame(name), lab.silent(name), lab.remove(name)
    lab.ptr("192.0.2.7", "mx.example.org")   a reverse name, in a signed zone of its own (/24, /64 for IPv6)
    lab.conf()            the resolver section of a yizhan.conf
    lab.forwarder         "127.0.0.1:PORT" of the recursive server
    lab.silent_forwarder  "127.0.0.1:PORT" where all queries are dropped: no DNS at all
    lab.trust_anchor      a file with the root's key
    lab.ask(name, type)   what libunbound, set up as Yizhan does, finds: Answer(status, is_secure, data); status is
                          "ok", "nodata", "nxdomain", "fail", "bogus"
    null_mx(), sts("id")  records as texts: '@ MX 0 .', '_mta-sts TXT "v=STSv1; id=..."'

Programs come from Debian's packages, unpacked and never installed (tests/peers/fetch --dns, done at the first
use). Standard library only; needs no root.
"""

import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS_DIR = os.path.join(os.path.dirname(HERE), "peers")
sys.path.insert(0, PEERS_DIR)
sys.path.insert(0, HERE)

from peers import HOST, Peer, PeerFailed, peer_env, program  # noqa: E402
from dnssec import ds_record, spoil_signatures  # noqa: E402
from question import rcode_of  # noqa: E402
from validator import Answer, Validator  # noqa: E402,F401

REFUSED = 5
# Signatures made so long ago have run out: they last 14 days, and libunbound forgives one day more.
EXPIRED_SECONDS = 17 * 86400

SIGN_CONF = """\
server:
    rundir: "{dir}"
database:
    storage: "{dir}/keys"
policy:
  - id: lab
    algorithm: ecdsap256sha256
    single-type-signing: on
    rrsig-lifetime: 14d
    rrsig-refresh: 7d
    unsafe-operation: no-check-keyset
template:
  - id: default
    storage: "{dir}/source"
    journal-content: none
    dnssec-signing: on
    dnssec-policy: lab
zone:
"""

KNOT_CONF = """\
server:
    rundir: "{dir}"
    listen: {host}@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: "{dir}/control.sock"
database:
    storage: "{dir}/state"
log:
  - target: stderr
    any: info
template:
  - id: default
    semantic-checks: off
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
zone:
"""

UNBOUND_CONF = """\
server:
    interface: {host}@{port}
    access-control: 127.0.0.0/8 allow
    chroot: ""
    username: ""
    directory: "{dir}"
    pidfile: ""
    use-syslog: no
    logfile: ""
    do-daemonize: no
    num-threads: 1
    do-ip6: no
    do-not-query-localhost: no
    module-config: "iterator"
    aggressive-nsec: no
    qname-minimisation: no
    # one lost answer is no reason to look away from a name server, and a silent one is given up soon
    infra-host-ttl: 1
    infra-cache-max-rtt: 1000
    outbound-msg-retry: 2
    cache-max-negative-ttl: 1
    unblock-lan-zones: yes
    local-zone: "127.in-addr.arpa." nodefault
    local-zone: "test." nodefault
    local-zone: "invalid." nodefault
stub-zone:
    name: "."
    stub-addr: {host}@{knot}
    stub-no-cache: yes
{stubs}
"""

STUB = """\
stub-zone:
    name: "{name}"
    stub-addr: {host}@{port}
    stub-no-cache: yes
"""


def null_mx():
    """RFC 7505: no mail here."""
    return "@ MX 0 ."


def sts(version):
    """The record that tells of an MTA-STS policy (RFC 8461 section 3.1)."""
    return '_mta-sts TXT "v=STSv1; id=%s;"' % version


def free_dns_port():
    """A port of 127.0.0.1 that is free for UDP and TCP."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((HOST, 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return tcp.getsockname()[1]
    raise PeerFailed("no port is free for UDP and TCP")


def fqdn(name):
    return name.rstrip(".").lower() + "."


class Zone:
    """What one zone shall be; `serial` counts its versions."""

    def __init__(self, name, records=(), signed=True, broken=(), expired=False):
        assert signed in (True, False, "island", "wrong-ds"), signed
        self.name, self.records, self.signed = fqdn(name), list(records), signed
        self.broken, self.expired = list(broken), expired
        self.is_dirty, self.delegations, self.ds, self.keys = True, [], [], []

    def text(self, serial, ttl):
        head = "$ORIGIN %s\n$TTL %d\n@ SOA ns.lab. hostmaster.lab. %d 3600 600 86400 %d\n@ NS ns.lab.\n" % (
            self.name, ttl, serial, ttl)
        return head + "".join(line + "\n" for line in self.records + self.delegations)


class NameServer(Peer):
    """A server in the foreground that is up when it answers a question."""

    def __init__(self, **kw):
        super().__init__(port=free_dns_port(), **kw)
        self.expected = (0,)

    def is_up(self):
        if self.process.poll() is not None:
            raise PeerFailed("%s ended with %d at its start\n%s" % (self.name, self.process.returncode, self.log()))
        return rcode_of(self.address, ".", "SOA", seconds=0.2) in self.expected


class Knot(NameServer):
    """knotd with the zones of a list of (name, file)."""

    name = "knot"

    def __init__(self, zones=()):
        super().__init__()
        self.zones = list(zones)
        self.expected = (0,) if zones else (REFUSED,)

    def setup(self):
        os.makedirs(self.path("state"), exist_ok=True)
        with open(self.path("knot.conf"), "w") as f:
            f.write(KNOT_CONF.format(dir=self.directory, host=HOST, port=self.port) if self.zones else
                    KNOT_CONF.format(dir=self.directory, host=HOST, port=self.port).replace("zone:\n", ""))
            for name, file in self.zones:
                f.write('  - domain: "%s"\n    file: "%s"\n' % (name, file))

    def command(self):
        return [program("usr/sbin/knotd"), "-c", self.path("knot.conf")]

    def reload(self, zones):
        """Serve these now, whatever was served before; back when it is so."""
        self.zones = list(zones)
        self.setup()
        for action in (["reload"], ["-b", "-f", "zone-reload"]):
            subprocess.run([program("usr/sbin/knotc"), "-s", self.path("control.sock"), *action], check=True,
                           env=peer_env(), stdout=subprocess.DEVNULL)


class Recursor(NameServer):
    """Unbound: everything from one Knot, but what stands in `stubs` {name: port}."""

    name = "unbound"

    def __init__(self, knot_port, stubs):
        super().__init__()
        self.knot_port, self.stubs = knot_port, dict(stubs)

    def setup(self):
        stubs = "".join(STUB.format(name=name, host=HOST, port=port) for name, port in self.stubs.items())
        with open(self.path("unbound.conf"), "w") as f:
            f.write(UNBOUND_CONF.format(dir=self.directory, host=HOST, port=self.port, knot=self.knot_port, stubs=stubs))

    def command(self):
        return [program("usr/sbin/unbound"), "-d", "-p", "-c", self.path("unbound.conf")]


class Lab:
    """See the module's text. directory: where the laboratory's own is made; default: the system's for such things."""

    def __init__(self, directory=None, ttl=1):
        self.given_directory, self.ttl = directory, ttl
        self.directory = None
        self.zones, self.stubs, self.reverse = {}, {}, {}
        self.serial = int(time.time()) - 1000000
        self.knot = self.refuser = self.recursor = None
        self.deaf = None
        self.is_dirty = True

    # -- life --------------------------------------------------------------------------------------------

    def __enter__(self):
        fetched = subprocess.run([os.path.join(PEERS_DIR, "fetch"), "--dns"], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)
        if fetched.returncode != 0:
            raise PeerFailed("tests/peers/fetch --dns: " + fetched.stdout.decode(errors="replace"))
        self.directory = tempfile.mkdtemp(prefix="yz-lab-", dir=self.given_directory)
        os.chmod(self.directory, 0o755)  # a station that drops its user reads the trust anchor
        for sub in ("source", "signed", "keys"):
            os.mkdir(self.path(sub))
        self.deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.deaf.bind((HOST, 0))
        self.zones["."] = Zone(".", ["ns.lab. A " + HOST])
        self.zone("lab", "ns A " + HOST, signed=False)
        return self

    def __exit__(self, *exc):
        for server in (self.recursor, self.knot, self.refuser):
            if server:
                server.__exit__(None, None, None)
        self.recursor = self.knot = self.refuser = None
        self.deaf.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    # -- what there is -----------------------------------------------------------------------------------

    def zone(self, name, *records, signed=True, broken=(), expired=False):
        zone = Zone(name, records, signed, broken, expired)
        self.remove(name)
        self.zones[zone.name] = zone
        return zone

    def lame(self, name):
        """A delegation to a server that does not know the zone (RFC 8499: lame)."""
        self.stub(name, "lame")

    def silent(self, name):
        """A delegation to a server that drops every question."""
        self.stub(name, "silent")

    def stub(self, name, kind):
        self.remove(name)
        self.stubs[fqdn(name)] = kind

    def remove(self, name):
        self.zones.pop(fqdn(name), None)
        self.stubs.pop(fqdn(name), None)
        self.is_dirty = True

    def ptr(self, address, name):
        ip = ipaddress.ip_address(address)
        labels = ip.reverse_pointer.split(".")
        cut = 1 if ip.version == 4 else 16
        zone = ".".join(labels[cut:])
        self.reverse.setdefault(zone, {})[".".join(labels[:cut])] = fqdn(name)
        self.zone(zone, *("%s PTR %s" % row for row in self.reverse[zone].items()))

    # -- for who asks ------------------------------------------------------------------------------------

    @property
    def forwarder(self):
        self.publish()
        return "%s:%d" % self.recursor.address

    @property
    def silent_forwarder(self):
        return "%s:%d" % self.deaf.getsockname()

    @property
    def trust_anchor(self):
        self.publish()
        return self.path("root.key")

    def conf(self):
        return 'resolver {\n\tforwarders = { "%s" }\n\ttrust_anchor = "%s"\n}\n' % (self.forwarder, self.trust_anchor)

    def ask(self, name, kind, seconds=10):
        return Validator(self.forwarder, self.trust_anchor).ask(name, kind, seconds)

    # -- how it comes about ------------------------------------------------------------------------------

    def publish(self):
        """Sign what is new, make the servers serve it. Nothing to do: returns at once."""
        if not self.is_dirty:
            return
        self.serial += 1
        # children first: their DS stand in the zone above
        for name in sorted(self.zones, key=lambda name: -len(name.split("."))):
            zone = self.zones[name]
            delegations = self.delegations(name)
            if zone.is_dirty or name == "." or delegations != zone.delegations:
                zone.delegations = delegations
                self.make(zone)
        with open(self.path("root.key"), "w") as f:
            f.writelines(". IN DNSKEY %s\n" % key for key in self.zones["."].keys)
        self.serve()
        self.is_dirty = False

    def file_of(self, name):
        return "root.zone" if name == "." else name.rstrip(".") + ".zone"

    def above(self, name):
        """The zone that delegates this one."""
        labels = name.split(".")
        ancestors = (".".join(labels[i:]) for i in range(1, len(labels) - 1))
        return next((a for a in ancestors if a in self.zones), ".")

    def delegations(self, name):
        """The records by which a zone delegates those below it."""
        lines = []
        for child in sorted(set(self.zones) | set(self.stubs)):
            if child != "." and self.above(child) == name:
                lines += ["%s NS ns.lab." % child] + (self.zones[child].ds if child in self.zones else [])
        return lines

    def make(self, zone):
        """From the text of this zone make the file that is served."""
        zone.ds, zone.keys = [], []
        file = self.path("source" if zone.signed else "signed", self.file_of(zone.name))
        with open(file, "w") as f:
            f.write(zone.text(self.serial, self.ttl))
        if zone.signed:
            conf = self.path("sign.conf")
            with open(conf, "w") as f:
                f.write(SIGN_CONF.format(dir=self.directory))
                f.write('  - domain: "%s"\n    file: "%s"\n' % (zone.name, self.file_of(zone.name)))
            self.sign(conf, zone)
        zone.is_dirty = False

    def sign(self, conf, zone):
        when = ["-t", str(int(time.time()) - EXPIRED_SECONDS)] if zone.expired else []
        done = subprocess.run([program("usr/bin/kzonesign"), "-c", conf, "-o", self.path("signed"), *when, zone.name],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=peer_env())
        if done.returncode != 0:
            raise PeerFailed("kzonesign %s: %s" % (zone.name, done.stdout.decode(errors="replace")))
        file = self.path("signed", self.file_of(zone.name))
        with open(file) as f:
            text = f.read()
        zone.keys = [" ".join(line.split()[3:]) for line in text.splitlines() if line.split()[2:3] == ["DNSKEY"]]
        if zone.signed != "island":
            zone.ds = [ds_record(zone.name, key, is_wrong=zone.signed == "wrong-ds") for key in zone.keys]
        if zone.broken:
            with open(file, "w") as f:
                f.write(spoil_signatures(text, zone.name, zone.broken))

    def serve(self):
        files = [(name, self.path("signed", self.file_of(name))) for name in sorted(self.zones)]
        if self.knot is None:
            self.knot = Knot(files)
            self.knot.__enter__()
        else:
            self.knot.reload(files)
        if "lame" in self.stubs.values() and self.refuser is None:
            self.refuser = Knot()
            self.refuser.__enter__()
        ports = {"silent": self.deaf.getsockname()[1], "lame": self.refuser.port if self.refuser else None}
        # each zone by itself: Unbound takes the word on a missing DS from the zone that it asked only
        stubs = {name: self.knot.port for name in self.zones if name != "."}
        stubs.update({name: ports[kind] for name, kind in self.stubs.items()})
        if self.recursor is None:
            self.recursor = Recursor(self.knot.port, stubs)
            self.recursor.__enter__()
        else:
            # it may remember what has changed, and it is up again at once on the same port
            self.recursor.stop()
            self.recursor.stubs = stubs
            self.recursor.setup()
            self.recursor.start()
