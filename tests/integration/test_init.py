"""`yizhan init`: the first start of a server, by words, by questions on a terminal, and what it never does."""

import json
import os
import pty
import re
import select
import smtplib
import stat
import subprocess
import time

import pytest

from station import PortOffset, binary

WORDS = ["--hostname", "mx.our.example", "--domain", "our.example", "--account", "alice", "--offline"]
ROLES = ["abuse", "hostmaster", "postmaster", "root", "security"]


class Place:
    def __init__(self, path):
        self.path, self.conf, self.data = path, path / "etc/yizhan.conf", path / "data"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("YIZHAN") and k not in ("SUDO_USER", "LOGNAME")}
        self.env["HOME"] = str(path)

    def command(self, *args):
        return [binary(), "--config", str(self.conf), "--data", str(self.data), *args]

    def run(self, *args, code=0, input=None):
        done = subprocess.run(self.command(*args), input=input, capture_output=True, text=True, timeout=60, env=self.env)
        assert "Sanitizer" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def rows(self, *args):
        return json.loads(self.run(*args, "--json").stdout)


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_words_make_configuration_store_and_roles(place):
    out = json.loads(place.run("--json", "init", "--yes", "--name", "Alice", *WORDS).stdout)
    assert out["config"] == str(place.conf) and out["account"] == "alice@our.example" and len(out["password"]) >= 20
    assert stat.S_IMODE(place.conf.stat().st_mode) == 0o644 and stat.S_IMODE(place.data.stat().st_mode) == 0o700
    text = place.conf.read_text()
    assert 'hostname = "mx.our.example"' in text and str(place.data) in text and out["password"] not in text
    assert place.run("serve", "--check").returncode == 0
    assert [(x["address"], x["name"]) for x in place.rows("account", "list")] == [("alice@our.example", "Alice")]
    aliases = {x["address"]: x["targets"] for x in place.rows("alias", "list")}
    assert aliases == {"%s@our.example" % role: ["alice@our.example"] for role in ROLES}
    # the records, as `yizhan dns` has them
    records = {(x["type"], x["name"]): x["publish"] for x in out["records"] if x["publish"]}
    assert records["MX", "our.example"] == "10 mx.our.example."
    assert records["TXT", "our.example"].startswith("v=spf1") and "p=quarantine" in records["TXT", "_dmarc.our.example"]
    assert ("TXT", "_smtp._tls.our.example") in records and ("A", "mx.our.example") in records
    assert out["key"] is any("_domainkey" in name for _, name in records)
    zone = place.run("dns", "--zone", "--offline", code=1).stdout
    for (kind, name), publish in records.items():
        assert re.search(r"^%s\.\tIN\t%s\t" % (re.escape(name), kind), zone, re.M), (kind, name)
    checks = {x["name"]: x for x in out["checks"]}
    assert {"port-25", "port-587", "port-465", "outbound-25", "clock", "disk"} <= set(checks)
    assert checks["outbound-25"]["state"] == "unknown" and "--offline" in checks["outbound-25"]["text"]


def test_what_is_commented_out_can_be_taken_in(place):
    place.run("init", "--yes", *WORDS)
    text = place.conf.read_text()
    place.conf.write_text(re.sub(r"^# (listener webs? \{|acme \{|\})$", r"\1", text, flags=re.M).replace("\n#\t", "\n\t")
                          .replace("# tls {", "tls {").replace("/etc/ssl/yizhan/fullchain.pem", "")
                          .replace("/etc/ssl/yizhan/privkey.pem", ""))
    assert "listener webs {" in place.conf.read_text() and "\nacme {" in place.conf.read_text()
    assert place.run("serve", "--check").returncode == 0


def test_a_file_that_is_there_stays_unless_forced(place):
    place.conf.parent.mkdir()
    place.conf.write_text("# mine\n")
    refused = place.run("init", "--yes", *WORDS, code=73)
    assert "--force" in refused.stderr and place.conf.read_text() == "# mine\n" and not place.data.exists()
    out = json.loads(place.run("--json", "init", "--yes", "--force", *WORDS).stdout)
    assert out["kept"].endswith(".before-init")
    with open(out["kept"]) as f:
        assert f.read() == "# mine\n"


def test_a_secret_comes_from_a_file_or_standard_input(place, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery\n")
    done = place.run("init", "--yes", "--password-file", str(secret), *WORDS)
    assert "not shown again" not in done.stdout and "correct horse" not in done.stdout + done.stderr + place.conf.read_text()
    other = Place(tmp_path / "other")
    other.path.mkdir()
    done = other.run("--json", "init", "--yes", "--password-stdin", *WORDS, input="staple\n")
    assert json.loads(done.stdout)["password"] is None
    place.run("init", "--yes", "--force", "--password-file", "/nonexistent", *WORDS, code=66)


@pytest.mark.parametrize("change,says", [
    ({"--hostname": "localhost"}, "no host name"),
    ({"--hostname": "mx_1 our.example"}, "no host name"),
    ({"--hostname": "[192.0.2.1]"}, "no host name"),
    ({"--domain": "our..example"}, "no domain"),
    ({"--domain": "our.example\nlistener x {"}, "no domain"),
    ({"--account": "alice@else.example"}, "is not in our.example"),
    ({"--account": "a b"}, "no address"),
    ({"--account": ""}, "first account"),
])
def test_words_that_cannot_be_are_named_and_nothing_is_written(place, change, says):
    words = list(WORDS)
    for name, value in change.items():
        words[words.index(name) + 1] = value
    assert says in place.run("init", "--yes", *words, code=64).stderr
    assert not place.conf.exists() and not place.data.exists()


def test_without_a_terminal_nothing_is_asked(place):
    assert "--account" in place.run("init", "--hostname", "mx.our.example", "--offline", input="", code=64).stderr


def talk(place, answers):
    """Run init on a terminal of its own: each question is waited for, then answered."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(place.env, TERM="xterm", LC_ALL="C.UTF-8")
        os.execv(binary(), place.command("init", "--offline"))
    heard, at, end = "", 0, time.monotonic() + 60
    answers = list(answers)
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(fd, 65536)
        except OSError:
            break
        if not piece:
            break
        heard += piece.decode(errors="replace")
        if answers and re.search(answers[0][0], heard[at:]):
            at = len(heard)
            os.write(fd, answers.pop(0)[1].encode() + b"\n")
    os.close(fd)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert not answers, (answers, heard)
    return status, heard


def test_questions_on_a_terminal(place):
    status, heard = talk(place, [("Name of this machine.*: $", "mx.our.example"), (r"Domain whose mail.*\[our\.example\]: $", ""),
                                 ("Address of the first account.*: $", "alice"), ("Name of its owner.*: $", "Alice A."),
                                 ("Password of alice@our.example.*: $", "one"), ("same again: $", "two"),
                                 ("Password of .*: $", "s3cret words"), ("same again: $", "s3cret words")])
    assert status == 0, heard
    assert "not the same" in heard and "s3cret" not in heard
    # colours, marks, and what to do next
    assert "\033[" in heard and "✓" in heard and "next" in heard
    assert "alice@our.example" in place.run("account", "list").stdout


def test_the_server_runs_with_what_was_written_and_takes_mail(place, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("correct horse battery\n")
    place.run("init", "--yes", "--password-file", str(secret), *WORDS)
    # only loopback, and ports of this test
    text = re.sub(r'"0\.0\.0\.0:(\d+)"(, "\[::\]:\d+")?', r'"127.0.0.1:\1"', place.conf.read_text())
    place.conf.write_text(text)
    offset = PortOffset([25, 587, 465])
    server = subprocess.Popen(place.command("serve", "--port-offset", str(offset.value)), env=place.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(200):
            if (place.data / "demo.json").exists() or server.poll() is not None:
                break
            time.sleep(0.05)
        assert server.poll() is None, server.stderr.read()
        with smtplib.SMTP("127.0.0.1", 25 + offset.value, timeout=30) as s:
            s.sendmail("me@elsewhere.test", ["postmaster@our.example"], "Subject: to the postmaster\r\n\r\nx\r\n")
        with smtplib.SMTP("127.0.0.1", 587 + offset.value, timeout=30) as s:
            s.starttls()
            s.login("alice@our.example", "correct horse battery")
            s.sendmail("alice@our.example", ["abuse@our.example"], "From: alice@our.example\r\nSubject: after login\r\n\r\nx\r\n")
        rows = json.loads(place.run("mailbox", "list", "alice@our.example", "--json").stdout)
        assert {"to the postmaster", "after login"} <= {row["subject"] for row in rows}
    finally:
        server.terminate()
        error = server.communicate(timeout=30)[1]
        offset.release()
    assert "Sanitizer" not in error and server.returncode == 0, error


def test_a_port_that_is_held_is_told_with_who_holds_it(place):
    import socket
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("0.0.0.0", 465))
        except PermissionError:
            want = "without root's rights"
        else:
            s.listen(1)
            want = "held by process %d" % os.getpid()
        checks = {x["name"]: x for x in json.loads(place.run("--json", "init", "--yes", *WORDS).stdout)["checks"]}
    assert checks["port-465"]["state"] == "bad" and want in checks["port-465"]["text"] and checks["port-465"]["advice"]
