"""What the bench measures with: processor time and memory of a process tree, the machine's floors and facts.

Standard library only, Linux only.
"""

import os
import platform
import re
import resource
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def read_text(path):
    with open(path) as f:
        return f.read()


# -- processor time -----------------------------------------------------------------------------------------------

def cgroup2_root():
    """Where the cgroup v2 tree is mounted and we may make groups, or None."""
    try:
        for line in read_text("/proc/mounts").splitlines():
            fields = line.split()
            if fields[2] == "cgroup2" and os.access(fields[1], os.W_OK) and "rw" in fields[3].split(","):
                return fields[1]
    except OSError:
        pass
    return None


class Meter:
    """The processor time and memory of one server: all its processes, the dead ones too.

    With a writable cgroup v2 tree it is a group of its own (cpu.stat counts microseconds without any controller).
    Without: the sum over the server's session of own and waited-for time, which misses only what a grandchild used
    whose parent died without waiting.
    """

    def __init__(self, name):
        self.group = None
        self.leader = None
        root = cgroup2_root()
        if root:
            group = os.path.join(root, "yizhan-bench-%d-%s" % (os.getpid(), name))
            try:
                os.mkdir(group)
                self.group = group
            except OSError:
                pass

    def wrap(self, command):
        """The command that enters the group first and then becomes the server, with the same process id."""
        if not self.group:
            return command
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', os.path.join(self.group, "cgroup.procs")] + command

    def watch(self, leader):
        self.leader = leader

    def pids(self):
        if self.group:
            return [int(pid) for pid in read_text(os.path.join(self.group, "cgroup.procs")).split()]
        return [pid for pid, fields in all_stats() if int(fields[3]) == self.leader]

    def seconds(self):
        """Processor seconds used since the server began."""
        if self.group:
            return int(re.search(r"usage_usec (\d+)", read_text(os.path.join(self.group, "cpu.stat")))[1]) / 1e6
        used = 0
        for _, fields in all_stats():
            if int(fields[3]) == self.leader:
                used += sum(int(x) for x in fields[11:15])  # utime stime cutime cstime
        return used / TICKS

    def memory(self):
        """{"pss": KiB, "rss": KiB, "processes": n}: the proportional sum is the honest one with shared pages."""
        total = {"pss": 0, "rss": 0, "processes": 0}
        for pid in self.pids():
            try:
                text = read_text("/proc/%d/smaps_rollup" % pid)
            except OSError:
                continue  # it ended meanwhile
            found = dict(re.findall(r"^(Pss|Rss):\s+(\d+) kB", text, re.M))
            if found:
                total["pss"] += int(found["Pss"])
                total["rss"] += int(found["Rss"])
                total["processes"] += 1
        return total

    def close(self):
        if not self.group:
            return
        for _ in range(50):  # the kernel lets a group go a moment after its last process
            try:
                os.rmdir(self.group)
                return
            except OSError:
                time.sleep(0.02)


def all_stats():
    """(pid, fields behind the name) of every process."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append((int(pid), read_text("/proc/%s/stat" % pid).rpartition(")")[2].split()))
        except OSError:
            pass
    return found


def process_seconds(pid):
    """User and system time of one process, by ticks."""
    try:
        fields = read_text("/proc/%d/stat" % pid).rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def children_seconds():
    """What our ended children (the generators) used, and we ourselves."""
    kids, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
    return kids.ru_utime + kids.ru_stime + own.ru_utime + own.ru_stime


def busy_seconds():
    """Processor time the whole machine has spent at work."""
    fields = [int(x) for x in read_text("/proc/stat").split("\n", 1)[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICKS  # user nice system, irq softirq steal


# -- the disk's floor -----------------------------------------------------------------------------------------------

def sync_floor(directory, size, group, seconds):
    """Records a second when `group` records of `size` octets are appended and then made durable together."""
    path = os.path.join(directory, "floor")
    record = os.urandom(size) * group
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    count = 0
    try:
        begin = time.monotonic()
        while True:
            os.write(fd, record)
            os.fdatasync(fd)
            count += group
            took = time.monotonic() - begin
            if took >= seconds:
                return count / took
    finally:
        os.close(fd)
        os.unlink(path)


# -- the machine ----------------------------------------------------------------------------------------------------

def first_match(path, pattern, default="?"):
    try:
        found = re.search(pattern, read_text(path), re.M)
        return found[1].strip() if found else default
    except OSError:
        return default


def file_system(directory):
    """Type, device and options of what `directory` lies on."""
    best = ("", "?", "?", "?")
    where = os.path.realpath(directory)
    for line in read_text("/proc/mounts").splitlines():
        device, mount, kind, options = line.split()[:4]
        inside = where == mount or where.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind, device, options)
    return "%s on %s (%s)" % (best[1], best[2], best[3])


def write_cache(directory):
    """What the block device says about its write cache: "write back" means that a flush reaches it."""
    try:
        dev = os.stat(directory).st_dev
        base = "/sys/dev/block/%d:%d" % (os.major(dev), os.minor(dev))
        for path in (base + "/queue/write_cache", base + "/../queue/write_cache"):
            if os.path.exists(path):
                return read_text(path).strip()
    except OSError:
        pass
    return "?"


def one_line(command, env=None):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, env=env)
        return done.stdout.decode(errors="replace").strip().split("\n")[0] or "?"
    except (OSError, subprocess.TimeoutExpired):
        return "?"


def machine_facts(directory):
    memory = int(first_match("/proc/meminfo", r"MemTotal:\s+(\d+)", "0"))
    return {
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 1048576, 1),
        "kernel": platform.release(),
        "system": first_match("/etc/os-release", r'^PRETTY_NAME="(.*)"$'),
        "file_system": file_system(directory),
        "write_cache": write_cache(directory),
        "load_at_start": os.getloadavg()[0],
        "cpu_time_from": "cgroup v2" if cgroup2_root() else "/proc/PID/stat",
    }
