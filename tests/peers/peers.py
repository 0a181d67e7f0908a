"""The mail servers Yizhan is tested against and measured beside, on loopback, from a temporary directory.

    from peers import Postfix, Exim, SmtpSink, smtp_source, PySink

    with SmtpSink() as sink, Postfix("relay", next_hop=sink.address) as mta:
        smtp_source(mta.address, sessions=2, messages=10)
        sink.wait(10)

Every class is a context manager: `with` starts it and returns when it greets, leaving stops it by its own
process id and removes its directory. `tests/peers/fetch` brings the programs; nothing here is installed.

Standard library only. Postfix's master runs as root or not at all: `PeerUnavailable` says what is missing.
"""

import email
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from pysink import PySink, Drop, Raw, Reset, Slow, Stall, multi  # noqa: F401 (one import for the tests)

HOST = "127.0.0.1"
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.environ.get("YIZHAN_PEERS", os.path.join(TOP, "peers"))
POSTFIX_LIB = os.path.join(PEERS, "usr/lib/postfix")
START_SECONDS = 20
STOP_SECONDS = 10


class PeerUnavailable(RuntimeError):
    """A peer cannot run here; the text says which step is missing."""


class PeerFailed(RuntimeError):
    """A peer ran and did not do what was asked; the text carries the end of its log."""


def program(path):
    """The absolute path of a fetched program."""
    full = os.path.join(PEERS, path)
    if not os.access(full, os.X_OK):
        raise PeerUnavailable("%s is missing: run tests/peers/fetch" % full)
    return full


def user_named(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise PeerUnavailable("no user %s: run tests/peers/fetch --users" % name)


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


def peer_env():
    """The environment of a fetched program: Postfix's own libraries are found in its unpacked tree."""
    env = dict(os.environ)
    old = env.get("LD_LIBRARY_PATH")
    dirs = [POSTFIX_LIB, os.path.join(PEERS, "usr/lib/x86_64-linux-gnu")]
    env["LD_LIBRARY_PATH"] = ":".join(dirs + ([old] if old else []))
    return env


def in_tree(tree, argv):
    """The argument vector that runs argv where the unpacked tree's /usr lies over this machine's: for programs that
    look for their parts below /usr. Nobody else sees it; root only."""
    return ["unshare", "--mount", "--", "sh", "-c",
            'mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr && shift && exec "$@"', "sh", tree] + list(argv)


def wait_for(what, is_done, seconds, step=0.02):
    """Poll until is_done() is true and return its value; PeerFailed after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = is_done()
        if value:
            return value
        if time.monotonic() > end:
            raise PeerFailed("waited %gs for %s" % (seconds, what))
        time.sleep(step)


def greeting(address, seconds=2):
    """The first line a server says at (host, port), or None while nobody answers."""
    try:
        with socket.create_connection(address, timeout=seconds) as s:
            line = s.makefile("rb").readline()
            s.sendall(b"QUIT\r\n")
            s.settimeout(0.5)
            try:
                s.recv(512)
            except OSError:
                pass  # only politeness: a server that does not answer QUIT did greet
            return line
    except OSError:
        return None


def self_signed(directory, name="localhost", rsa=False):
    """A throw-away certificate, P-256 or RSA; returns (certificate file, key file)."""
    cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
    subprocess.run(["openssl", "req", "-x509", *(["-newkey", "rsa:2048"] if rsa else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]),
                    "-nodes", "-days", "2", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=DNS:%s,IP:%s" % (name, HOST), "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


def session_processes(leader):
    """The living (not zombie) processes of a session, found by its leader's id."""
    alive = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in "ZX":
            alive.append(int(pid))
    return alive


def message_body(raw):
    """The octets after the first empty line."""
    return raw.split(b"\r\n\r\n", 1)[-1] if b"\r\n\r\n" in raw else raw.split(b"\n\n", 1)[-1]


def is_reachable(directory):
    """May every user pass through all directories down to this one? Servers run as users of their own."""
    where = os.path.realpath(directory)
    while True:
        if not os.stat(where).st_mode & 0o001:
            return False
        if where == "/":
            return True
        where = os.path.dirname(where)


class Stored:
    """One message a peer stored: `raw` octets as in its file, `msg` parsed, `sender` and `rcpt` when it noted them."""

    def __init__(self, raw, path):
        self.raw, self.path = raw, path
        self.msg = email.message_from_bytes(raw)
        self.body = message_body(raw)
        self.sender = self.text("Return-Path").strip("<>")
        self.rcpt = self.text("X-Original-To") or self.text("Envelope-To")

    def text(self, name):
        """The first field of this name as it stands in the file, UTF-8 and all; "" without one."""
        found = re.search(rb"(?im)^%s:(.*)$" % name.encode(), self.raw[:len(self.raw) - len(self.body)])
        return found.group(1).decode("utf-8", "replace").strip() if found else ""


class Peer:
    """What all servers share: a directory, a process in its own session, a log, a stop that cannot miss."""

    name = "peer"
    tls = False
    hostname = "localhost"

    def __init__(self, directory=None, port=None):
        self.given_directory = directory
        self.directory = None
        self.port = port
        self.process = None
        self.ready_seconds = None

    @property
    def address(self):
        return (HOST, self.port)

    def __enter__(self):
        if self.given_directory and not is_reachable(self.given_directory):
            raise PeerUnavailable("other users cannot pass into " + self.given_directory)
        self.directory = tempfile.mkdtemp(prefix="yz-%s-" % self.name, dir=self.given_directory)
        os.chmod(self.directory, 0o755)  # the server's own user must reach what is below
        try:
            if self.port is None:
                self.port = free_port()
            self.setup()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *exc):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def certificate(self, owner=None):
        """(certificate, key) of `tls`, where the server's own user reads them: the pair given, or a throw-away one."""
        if self.tls is True:
            pair = self_signed(self.directory, self.hostname)
        else:
            pair = tuple(shutil.copy(given, self.path(name)) for given, name in zip(self.tls, ("cert.pem", "key.pem")))
        if owner:
            os.chown(pair[1], owner.pw_uid, owner.pw_gid)
        return pair

    def setup(self):
        """Write the configuration below self.directory."""

    def command(self):
        """The argument vector of the server in the foreground."""
        raise NotImplementedError

    def start(self):
        with open(self.path("stderr"), "ab") as err:
            begin = time.monotonic()
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                                            env=peer_env(), cwd=self.directory, start_new_session=True)
        # a short step, as the time to the first greeting is also a measured figure
        wait_for("%s to greet\n" % self.name, self.is_up, START_SECONDS, step=0.002)
        self.ready_seconds = time.monotonic() - begin

    def is_up(self):
        if self.process.poll() is not None:
            raise PeerFailed("%s ended with %d at its start\n%s" % (self.name, self.process.returncode, self.log()))
        return (greeting(self.address) or b"").startswith(b"220")

    def stop(self):
        """TERM, then KILL to what is left of the server's own session."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
        self.kill9()

    def kill9(self):
        """The whole server dies at once. Its session is its own, so nobody else can be in there."""
        leader = self.process.pid

        def is_empty():
            # again and again: one of them may just have forked
            alive = session_processes(leader)
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not alive

        wait_for("the end of %s" % self.name, is_empty, STOP_SECONDS, step=0.005)
        self.process.wait()
        self.process = None

    def log(self, last=4000):
        text = b""
        for name in self.log_files():
            try:
                with open(name, "rb") as f:
                    text += f.read()
            except OSError:
                pass
        return text[-last:].decode("utf-8", "replace")

    def log_files(self):
        return [self.path("stderr")]


def read_maildir(directory):
    """All messages below a Maildir in the order of their file names."""
    found = []
    for sub in ("new", "cur"):
        where = os.path.join(directory, sub)
        for name in sorted(os.listdir(where) if os.path.isdir(where) else []):
            path = os.path.join(where, name)
            with open(path, "rb") as f:
                found.append(Stored(f.read(), path))
    return found


POSTFIX_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private",
                  "saved", "trace")

MAIN_CF = """\
compatibility_level = 3.7
queue_directory = {dir}/queue
data_directory = {dir}/data
daemon_directory = {lib}/sbin
command_directory = {peers}/usr/sbin
meta_directory = {dir}/etc
shlib_directory = {lib}
sendmail_path = {peers}/usr/sbin/sendmail
import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C LD_LIBRARY_PATH={ld}
maillog_file = {dir}/mail.log
maillog_file_prefixes = /var, /dev/stdout, {dir}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = {hostname}
myorigin = {hostname}
mydestination =
mynetworks = 127.0.0.0/8
relay_domains =
local_recipient_maps =
alias_maps =
alias_database =
local_transport = error:no local delivery here
biff = no
# no look-ups outside this machine
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
append_dot_mydomain = no
# the measured runs are 100 sessions from one address; idle ones 1,000
default_process_limit = {limit}
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
message_size_limit = 102400000
virtual_mailbox_limit = 0
mailbox_size_limit = 0
# a test waits for a retry, not for minutes
minimal_backoff_time = 2s
maximal_backoff_time = 10s
queue_run_delay = 2s
smtp_connect_timeout = 5s
"""

MASTER_CF = """\
{port} inet n - n - {limit} smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Peer):
    """Postfix from Debian's package.

    mode "hold"     accepts everything and keeps it in the hold queue (ingest alone; no pause for the queue)
         "relay"    accepts everything and relays it to next_hop (host, port)
         "lmtp"     mail for `domains` goes by LMTP to next_hop, "unix:/path" or (host, port), which knows whom there is
         "maildir"  delivers `accounts` (addresses) to Maildirs through virtual(8); refuses other recipients
         "sink"     accepts any recipient in `domains` into one Maildir; messages() tells what came
    extra  settings of main.cf that win over all others, {name: value}
    tls    offers STARTTLS: True with a throw-away certificate, (certificate, key) with that one
    limit  how many smtpd (and other) processes may run
    """

    name = "postfix"

    def __init__(self, mode, next_hop=None, accounts=(), domains=("sink.test",), extra=None, tls=False, limit=150,
                 hostname="postfix.test", **kw):
        super().__init__(**kw)
        if mode not in ("hold", "relay", "maildir", "sink", "lmtp"):
            raise ValueError("no mode %r" % mode)
        self.mode, self.next_hop = mode, next_hop
        self.accounts, self.domains = tuple(accounts), tuple(domains)
        self.extra, self.tls, self.limit, self.hostname = dict(extra or {}), tls, limit, hostname

    def command(self):
        return [program("usr/lib/postfix/sbin/master"), "-d", "-c", self.path("etc")]

    def log_files(self):
        return [self.path("stderr"), self.path("mail.log")]

    def setup(self):
        if os.geteuid() != 0:
            raise PeerUnavailable("Postfix's master process runs as root only")
        program("usr/lib/postfix/sbin/master")
        owner = user_named("postfix")
        try:
            import grp
            drop = grp.getgrnam("postdrop").gr_gid
        except KeyError:
            raise PeerUnavailable("no group postdrop: run tests/peers/fetch --users")
        for sub in ("etc", "queue", "queue/pid"):
            os.mkdir(self.path(sub), 0o755)
        for sub in POSTFIX_QUEUES:
            os.mkdir(self.path("queue", sub), 0o700)
            os.chown(self.path("queue", sub), owner.pw_uid, -1)
        os.mkdir(self.path("data"), 0o700)
        os.chown(self.path("data"), owner.pw_uid, owner.pw_gid)
        for sub, bits in (("maildrop", 0o730), ("public", 0o710)):
            os.mkdir(self.path("queue", sub))
            os.chmod(self.path("queue", sub), bits)
            os.chown(self.path("queue", sub), owner.pw_uid, drop)
        self.write_config()

    def write_config(self):
        text = MAIN_CF.format(dir=self.directory, lib=POSTFIX_LIB, peers=PEERS, hostname=self.hostname,
                              limit=self.limit, ld=peer_env()["LD_LIBRARY_PATH"])
        settings = getattr(self, "settings_" + self.mode)()
        if self.tls:
            cert, key = self.certificate()
            settings.update(smtpd_tls_security_level="may", smtpd_tls_chain_files="%s, %s" % (key, cert))
        settings.update(self.extra)
        text += "".join("%s = %s\n" % pair for pair in settings.items())
        with open(self.path("etc/main.cf"), "w") as f:
            f.write(text)
        with open(self.path("etc/master.cf"), "w") as f:
            f.write(MASTER_CF.format(port="%s:%d" % (HOST, self.port), limit=self.limit))
        # the master reads a file that changed this very moment again and again until it looks quiet (1.5 s)
        for name in os.listdir(self.path("etc")):
            os.utime(self.path("etc", name), (time.time() - 60,) * 2)

    def settings_hold(self):
        # without in_flow_delay=0 smtpd pauses when the queue manager cannot follow: not what ingest measures
        return {"smtpd_sender_restrictions": "check_client_access static:HOLD", "in_flow_delay": "0",
                "relayhost": "[%s]:9" % HOST}

    def settings_relay(self):
        return {"relayhost": "[%s]:%d" % self.next_hop, "in_flow_delay": "0"}

    def settings_lmtp(self):
        """next_hop: "unix:/path" or (host, port); it is asked whom there is."""
        hop = self.next_hop if isinstance(self.next_hop, str) else "inet:[%s]:%d" % self.next_hop
        return {"virtual_mailbox_domains": " ".join(self.domains), "virtual_transport": "lmtp:" + hop, "in_flow_delay": "0",
                "virtual_mailbox_maps": "static:any", "recipient_delimiter": "+", "unverified_recipient_reject_code": "550",
                "address_verify_map": "", "address_verify_poll_count": "30", "address_verify_poll_delay": "1s",
                "smtpd_recipient_restrictions": "reject_unauth_destination, reject_unverified_recipient"}

    def settings_maildir(self):
        domains = sorted({a.split("@")[1] for a in self.accounts})
        return self.virtual(domains, {a: a + "/" for a in self.accounts})

    def settings_sink(self):
        return self.virtual(self.domains, {"@" + d: "all/" for d in self.domains})

    def virtual(self, domains, maps):
        owner = user_named("nobody")
        os.mkdir(self.path("mail"), 0o755)
        os.chown(self.path("mail"), owner.pw_uid, owner.pw_gid)
        with open(self.path("etc/boxes"), "w") as f:
            f.write("".join("%s %s\n" % pair for pair in maps.items()))
        return {"virtual_mailbox_domains": " ".join(domains), "virtual_mailbox_base": self.path("mail"),
                "virtual_mailbox_maps": "texthash:" + self.path("etc/boxes"), "virtual_minimum_uid": "1",
                "virtual_uid_maps": "static:%d" % owner.pw_uid, "virtual_gid_maps": "static:%d" % owner.pw_gid,
                "in_flow_delay": "0"}

    def queue_count(self, *queues):
        """How many messages lie in these queue directories (default: all that is still to be delivered)."""
        count = 0
        for queue in queues or ("incoming", "active", "deferred", "hold", "maildrop"):
            for _, _, files in os.walk(self.path("queue", queue)):
                count += len(files)
        return count

    def flush(self):
        """Try all deferred mail now."""
        subprocess.run([program("usr/sbin/postqueue"), "-c", self.path("etc"), "-f"], env=peer_env(), check=True)

    def messages(self, account=None):
        """What virtual(8) delivered: Stored objects of one account, or of the sink's domains."""
        return read_maildir(self.path("mail", account or "all"))

    def mailbox_count(self, account=None):
        """Messages in one Maildir, without opening them (the bench polls this)."""
        try:
            return len(os.listdir(self.path("mail", account or "all", "new")))
        except FileNotFoundError:
            return 0

    def wait(self, count, account=None, seconds=20):
        """Until so many messages are stored; returns them."""
        try:
            wait_for("%d stored messages" % count, lambda: self.mailbox_count(account) >= count, seconds)
        except PeerFailed as e:
            raise PeerFailed("%s (%d there)\n%s" % (e, self.mailbox_count(account), self.log()))
        return self.messages(account)


EXIM_CONF = """\
primary_hostname = {hostname}
exim_path = {binary}
exim_user = {user}
exim_group = {group}
never_users =
deliver_drop_privilege = true
spool_directory = {dir}/spool
log_file_path = {dir}/log/%s
pid_file_path = {dir}/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
smtp_accept_max = 200
smtp_accept_max_per_connection = 100000
smtp_accept_queue_per_connection = 0
smtp_accept_queue = 0
smtp_connect_backlog = 200
message_size_limit = {size}
host_lookup =
rfc1413_hosts =
tls_advertise_hosts = {tls_hosts}
queue_only = {queue_only}
keep_environment =
qualify_domain = {hostname}
acl_smtp_rcpt = rcpt
acl_smtp_data = accept_all
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts =
{extra}
begin acl
rcpt:
{refuse}  accept
accept_all:
  accept
begin routers
{routers}
begin transports
store:
  driver = appendfile
  directory = {dir}/mail/all
  maildir_format
  create_directory
  delivery_date_add
  envelope_to_add
  return_path_add
onward:
  driver = smtp
  hosts_try_fastopen =
  allow_localhost
{onward}begin retry
* * F,1h,2s
begin authenticators
{authenticators}
"""

EXIM_STORE = """\
all:
  driver = accept
{only}  transport = store
"""

EXIM_BOUNCE = """\
none:
  driver = redirect
  local_parts = {names}
  allow_fail
  data = :fail: 5.1.1 nobody of that name after all
"""

EXIM_RELAY = """\
all:
  driver = manualroute
  route_list = * "{host}::{port}" byname
  self = send
  transport = onward
"""


class Exim(Peer):
    """Exim (exim4-daemon-light) as a next hop.

    mode "maildir"  accepts everything into one Maildir; messages() tells what came
         "queue"    accepts everything and keeps it in its spool
         "relay"    relays everything to next_hop (host, port)
         "both"     accepts everything; stores mail for `domains` as "maildir", relays the rest to next_hop
    refuse  local parts of recipients that get 550
    bounce  local parts that are taken and then sent back in a report
    onward  settings of the transport that relays, {name: value}
    extra   settings of the main section that are not among ours, {name: value}
    tls     offers STARTTLS: True with a throw-away certificate, (certificate, key) with that one
    size    the largest message it takes
    authenticators  text of that section: who logs in how
    It runs as Debian-exim (root starts it so), or as whoever runs the tests.
    """

    name = "exim"

    def __init__(self, mode="maildir", next_hop=None, hostname="exim.test", refuse=(), extra=None, tls=False,
                 size="100M", authenticators="", domains=(), bounce=(), onward=None, **kw):
        super().__init__(**kw)
        if mode not in ("maildir", "queue", "relay", "both"):
            raise ValueError("no mode %r" % mode)
        self.domains, self.bounce, self.onward = tuple(domains), tuple(bounce), dict(onward or {})
        self.mode, self.next_hop, self.hostname = mode, next_hop, hostname
        self.refuse, self.extra, self.tls = tuple(refuse), dict(extra or {}), tls
        self.size, self.authenticators = size, authenticators
        self.owner = None

    def setup(self):
        user_named("Debian-exim")  # compiled in by name: Exim ends at its start without it
        self.owner = user_named("Debian-exim") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        for sub in ("spool", "log", "mail"):
            os.mkdir(self.path(sub), 0o750)
            os.chown(self.path(sub), self.owner.pw_uid, self.owner.pw_gid)
        os.chown(self.directory, self.owner.pw_uid, self.owner.pw_gid)
        routers = EXIM_BOUNCE.format(names=":".join(self.bounce)) if self.bounce else ""
        if self.mode != "relay":
            routers += EXIM_STORE.format(only="  domains = %s\n" % ":".join(self.domains) if self.mode == "both" else "")
        if self.mode in ("relay", "both"):
            routers += EXIM_RELAY.format(host=self.next_hop[0], port=self.next_hop[1]).replace("all:", "others:", 1)
        settings = dict(self.extra)
        if self.tls:
            settings.update(zip(("tls_certificate", "tls_privatekey"), self.certificate(self.owner)))
        refuse = "  deny local_parts = %s\n       message = 5.1.1 nobody of that name\n" % ":".join(self.refuse)
        with open(self.path("exim.conf"), "w") as f:
            f.write(EXIM_CONF.format(hostname=self.hostname, binary=program("usr/sbin/exim4"), dir=self.directory,
                                     user=self.owner.pw_uid, group=self.owner.pw_gid, port=self.port,
                                     queue_only="true" if self.mode == "queue" else "false", routers=routers,
                                     refuse=refuse if self.refuse else "", size=self.size,
                                     authenticators=self.authenticators,
                                     onward="".join("  %s = %s\n" % pair for pair in self.onward.items()), tls_hosts="*" if self.tls else "",
                                     extra="".join("%s = %s\n" % pair for pair in settings.items())))

    def command(self):
        # setpriv: the daemon is never root, so that no delivery tries to become somebody else
        become = []
        if os.geteuid() == 0:
            become = ["setpriv", "--reuid", str(self.owner.pw_uid), "--regid", str(self.owner.pw_gid),
                      "--clear-groups", "--"]
        return become + [program("usr/sbin/exim4"), "-C", self.path("exim.conf"), "-bdf", "-q2s"]

    def log_files(self):
        return [self.path("stderr")] + [self.path("log", n) for n in ("main", "reject", "panic")]

    def queue_count(self):
        count = 0
        for _, _, files in os.walk(self.path("spool/input")):
            count += sum(1 for name in files if name.endswith("-H"))
        return count

    def messages(self):
        return read_maildir(self.path("mail/all"))

    def wait(self, count, seconds=20):
        try:
            wait_for("%d stored messages" % count,
                     lambda: os.path.isdir(self.path("mail/all/new")) and
                     len(os.listdir(self.path("mail/all/new"))) >= count, seconds)
        except PeerFailed as e:
            raise PeerFailed("%s\n%s" % (e, self.log()))
        return self.messages()


class SmtpSink(Peer):
    """Postfix's smtp-sink: takes everything at once. With keep=True the messages are kept for messages()."""

    name = "smtp-sink"

    def __init__(self, keep=False, options=(), backlog=1000, **kw):
        super().__init__(**kw)
        self.keep, self.options, self.backlog = keep, list(options), backlog

    def setup(self):
        program("usr/sbin/smtp-sink")
        os.mkdir(self.path("kept"), 0o755)
        if os.geteuid() == 0:
            os.chown(self.path("kept"), user_named("postfix").pw_uid, -1)

    def command(self):
        args = [program("usr/sbin/smtp-sink"), "-c"] + self.options
        if os.geteuid() == 0:
            args += ["-u", "postfix"]  # it refuses to stay root
        if self.keep:
            args += ["-d", self.path("kept/%M.")]
        return args + ["%s:%d" % self.address, str(self.backlog)]

    def count(self):
        """Messages taken so far, from the counter it prints (one line, carriage returns between)."""
        with open(self.path("stderr"), "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 4096))
            found = re.findall(rb"mesg=(\d+)", f.read())
        return int(found[-1]) if found else 0

    def messages(self):
        """The kept transactions: X-Mail-Args and X-Rcpt-Args carry the envelope."""
        found = []
        for name in sorted(os.listdir(self.path("kept"))):
            with open(self.path("kept", name), "rb") as f:
                found.append(Stored(f.read(), name))
        return found

    def wait(self, count, seconds=20):
        wait_for("%d messages in smtp-sink" % count, lambda: self.count() >= count, seconds, step=0.01)


def smtp_source(address, sessions=1, messages=1, size=4096, rcpt="to@sink.test", sender="from@source.test",
                reuse=False, options=(), seconds=60):
    """Run Postfix's smtp-source to its end; returns the seconds it took. It knows no PIPELINING.

    `size` is the length of the message's body in octets; reuse=True sends all of a session's messages over one
    connection. PeerFailed when it ends with an error (any reply but the expected one is an error to it).
    """
    args = [program("usr/sbin/smtp-source"), "-s", str(sessions), "-m", str(messages), "-l", str(size),
            "-f", sender, "-t", rcpt, "-M", "source.test"]
    args += (["-d"] if reuse else []) + list(options) + ["%s:%d" % address]
    begin = time.monotonic()
    try:
        done = subprocess.run(args, env=peer_env(), timeout=seconds, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        raise PeerFailed("smtp-source did not end in %gs" % seconds)
    took = time.monotonic() - begin
    if done.returncode != 0:
        raise PeerFailed("smtp-source: %s" % done.stdout[-1000:].decode("utf-8", "replace"))
    return took
