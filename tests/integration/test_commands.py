"""The command line: every command explains itself, data comes as JSON, mistakes are told with the nearest right word."""

import json
import os
import re
import smtplib
import shutil
import subprocess

import pytest

from station import binary

BODY = "Subject: one\r\n\r\nFrom the start\r\n>From quoted\r\n"


def run(*words, env=None, **more):
    clean = {k: v for k, v in os.environ.items() if k != "YIZHAN_DATA"}
    return subprocess.run([binary(), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30,
                          env=dict(clean, **(env or {})), **more)


def commands():
    text = run("help").stdout.decode()
    return [m.group(1).strip() for m in re.finditer(r"^  ([a-z]+(?: [a-z]+)?)  ", text, re.M)]


COMMANDS = commands() if os.access(binary(), os.X_OK) else []


def test_there_are_commands():
    assert {"serve", "queue list", "mailbox export", "account add", "restore", "help"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command):
    text = run("help", *command.split()).stdout.decode()
    assert "yizhan %s" % command in text
    if command != "bench":
        assert run(*command.split(), "--help").stdout.decode() == text
        # these two read their words themselves, and no data directory
        assert "--data DIR" in text or command in ("send", "sendmail")
    page = run("help", "--man").stdout.decode()
    assert ".SS yizhan %s" % command in page


@pytest.mark.parametrize("words, told", [
    (["quue", "list"], 'did you mean "queue list"'),
    (["queue", "lst"], 'did you mean "queue list"'),
    (["sevre"], 'did you mean "serve"'),
    (["queue"], "queue what? list, show"),
    (["queue", "list", "--sendr", "x"], "did you mean --sender"),
    (["queue", "list", "--json=x"], "--json takes no value"),
    (["queue", "list", "--sender"], "--sender needs a value"),
    (["queue", "list", "extra"], '"extra" is one word too many'),
    (["queue", "show"], "ID is missing"),
    (["mailbox", "show", "a@b", "x"], '"x" is no number'),
    (["serve", "--log-level", "dbug"], "did you mean debug"),
    (["serve", "--port-offset", "x"], "no number"),
    (["mailbox", "export", "a@b"], "--uid N"),
    (["account", "set", "a@b", "--suspend", "--resume"], "--suspend or --resume"),
    (["--nonsense"], "unknown option --nonsense"),
    (["-x"], "options begin with --"),
])
def test_wrong_words(tmp_path, words, told):
    done = run(*words, env={"YIZHAN_DATA": str(tmp_path)})
    assert done.returncode == 64, done
    assert told in done.stderr.decode()
    assert done.stdout == b""


def test_no_store_is_no_crash(tmp_path):
    done = run("queue", "list", "--data", str(tmp_path))
    assert done.returncode == 66
    assert b"there is no store" in done.stderr


def test_version():
    assert run("--version").stdout == run("version").stdout
    assert json.loads(run("version", "--json").stdout)["version"] in run("--version").stdout.decode()


def test_options_may_stand_anywhere_and_be_short(tmp_path):
    for words in (["--data", str(tmp_path), "domain", "add", "a.example", "--rel"],
                  ["domain", "add", "--relay", "b.example", "--data=%s" % tmp_path],
                  ["domain", "add", "--dat", str(tmp_path), "--", "c.example"]):
        done = run(*words)
        assert done.returncode == 0, done
    listed = json.loads(run("domain", "list", "--json", env={"YIZHAN_DATA": str(tmp_path)}).stdout)
    assert [(d["domain"], d["kind"]) for d in listed] == [("a.example", "relay"), ("b.example", "relay"), ("c.example", "local")]


@pytest.fixture(scope="module")
def full(station_shared):
    station = station_shared
    station.cli("alias", "add", "team@yizhan.test", "alice@yizhan.test")
    station.cli("route", "add", "far.example", "127.0.0.1:9", "--lmtp")
    station.cli("domain", "add", "table.example", "--check", "table")
    station.cli("domain", "recipients", "add", "table.example", "carol")
    for i in range(3):
        with smtplib.SMTP(*station.smtp, timeout=20) as client:
            client.sendmail("me@example.org", ["alice@yizhan.test"], BODY)
    return station


@pytest.mark.parametrize("words, names", [
    (["queue", "list"], None),
    (["mailbox", "list", "alice@yizhan.test"], {"uid", "size", "flags", "modseq", "received_at", "subject", "from"}),
    (["mailbox", "folders", "alice@yizhan.test"], {"name", "messages", "unseen", "uidvalidity", "uidnext"}),
    (["domain", "list"], {"domain", "kind", "check", "accounts", "aliases", "unicode"}),
    (["domain", "recipients", "list", "table.example"], {"recipient", "domain"}),
    (["account", "list"], {"address", "name", "suspended", "messages", "size", "quota", "created_at", "forwards", "keep",
                          "unicode"}),
    (["account", "list", "yizhan.test"], {"address"}),
    (["alias", "list"], {"address", "targets", "unicode"}),
    (["route", "list"], {"domain", "sender", "next_hop", "lmtp", "egress"}),
    (["status", "--fibers"], {"loop", "fiber", "parked_ms", "stack"}),
])
def test_lists_are_arrays_of_objects(full, words, names):
    value = json.loads(full.cli(*words, "--json").stdout)
    assert isinstance(value, list)
    if names is None:
        assert value == []
    else:
        assert value and all(names <= set(v) for v in value)
    # and for people: a table, or a word about nothing
    full.cli(*words)


@pytest.mark.parametrize("words, names", [
    (["status"], {"version", "running", "listeners", "inbound", "store"}),
    (["mailbox", "show", "alice@yizhan.test", "1"], {"uid", "prefix", "body_size"}),
    (["domain", "add", "z.example"], {"domain"}),
    (["domain", "set", "z.example", "--relay"], {"domain"}),
    (["domain", "remove", "z.example"], {"domain"}),
    (["account", "add", "dora@yizhan.test"], {"address", "password"}),
    (["account", "set", "dora@yizhan.test", "--name", "Dora", "--quota", "1G"], {"address"}),
    (["account", "remove", "dora@yizhan.test"], {"address"}),
    (["alias", "add", "al@yizhan.test", "bob@yizhan.test"], {"address"}),
    (["alias", "set", "al@yizhan.test", "alice@yizhan.test", "x@far.example"], {"address"}),
    (["alias", "remove", "al@yizhan.test"], {"address"}),
    (["route", "set", "far.example", "[::1]:9"], {"domain"}),
    (["route", "remove", "far.example"], {"domain"}),
    (["route", "add", "--sender", "@yizhan.test", "hub.example:587"], {"sender"}),
    (["route", "remove", "--sender", "@yizhan.test"], {"sender"}),
    (["route", "test", "alice@yizhan.test"], {"verdict", "targets", "steps", "taken_from_strangers"}),
    (["account", "forward", "alice@yizhan.test"], {"address", "targets", "keep"}),
    (["account", "forward", "alice@yizhan.test", "x@far.example", "--only"], {"address", "targets", "keep"}),
    (["account", "forward", "alice@yizhan.test", "--remove"], {"address", "targets", "keep"}),
    (["domain", "recipients", "add", "table.example", "dora"], {"domain", "changed"}),
    (["domain", "recipients", "remove", "table.example", "dora"], {"domain", "changed"}),
    (["queue", "retry", "--all"], {"changed"}),
    (["queue", "hold", "--sender", "x@y"], {"changed"}),
    (["queue", "release", "--state", "held"], {"changed"}),
    (["queue", "drop", "--destination", "nowhere.example"], {"changed"}),
    (["check"], {"findings"}),
    (["reload"], set()),
])
def test_single_answers_are_objects(full, words, names):
    value = json.loads(full.cli(*words, "--json").stdout)
    assert isinstance(value, dict) and names <= set(value)


@pytest.mark.parametrize("words, code", [
    (["mailbox", "list", "nobody@yizhan.test"], 65),
    (["mailbox", "show", "alice@yizhan.test", "99"], 65),
    (["account", "add", "alice@yizhan.test"], 65),
    (["account", "add", "not an address"], 64),
    (["domain", "remove", "missing.example"], 65),
    (["route", "add", "x.example", "no port:here:now"], 64),
    (["route", "add", "x.example"], 64),
    (["route", "add", "x.example", "pool:gone"], 65),
    (["route", "add", "x.example", "mx", "--egress", "gone"], 65),
    (["route", "add", "--sender", "@a.example", "b.example", "hub:25"], 64),
    (["route", "remove"], 64),
    (["account", "forward", "nobody@yizhan.test", "x@far.example"], 65),
    (["account", "forward", "alice@yizhan.test", "alice@yizhan.test"], 64),
    (["account", "forward", "alice@yizhan.test", "--only"], 64),
    (["account", "forward", "alice@yizhan.test", *["t%d@far.example" % i for i in range(21)]], 75),
    (["alias", "add", "x@yizhan.test", "*@far.example"], 64),
    (["account", "add", "*@yizhan.test"], 64),
    (["domain", "add", "x.example", "--local", "--check", "ask"], 64),
    (["domain", "set", "table.example", "--check", "sometimes"], 64),
    (["domain", "recipients", "add", "yizhan.test", "x"], 65),
    (["domain", "recipients", "import", "table.example", "/nowhere/names"], 66),
    (["domain", "recipients", "count", "table.example"], 64),
    (["queue", "show", "0000000000001"], 65),
    (["queue", "show", "xyz"], 64),
    (["queue", "drop"], 64),
    (["queue", "list", "--state", "lost"], 64),
])
def test_mistakes_have_exit_codes(full, words, code):
    done = full.cli(*words, check=False)
    assert done.returncode == code, done
    assert done.stderr.startswith(b"yizhan: ")


def test_export(full, tmp_path):
    octets = full.export("alice@yizhan.test", 1)
    assert octets.endswith(BODY.encode())
    full.cli("mailbox", "export", "alice@yizhan.test", "--uid", "1", "--out", str(tmp_path / "one.eml"))
    assert (tmp_path / "one.eml").read_bytes() == octets
    box = full.cli("mailbox", "export", "alice@yizhan.test", "--format", "mbox").stdout
    assert box.count(b"\nSubject: one\n") == 3
    assert b"\n>From the start\n>>From quoted\n\n" in box
    assert b"\r" not in box
    full.cli("mailbox", "export", "alice@yizhan.test", "--format", "maildir", "--out", str(tmp_path / "md"))
    names = os.listdir(tmp_path / "md" / "cur")
    assert len(names) == 3
    # lines of a Maildir end as those of this machine do
    assert sorted((tmp_path / "md" / "cur" / n).read_bytes() for n in names)[0].endswith(BODY.replace("\r\n", "\n").encode())


def test_backup_and_restore(station, tmp_path):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.sendmail("me@example.org", ["alice@yizhan.test"], BODY)
    copy = str(tmp_path / "copy.db")
    station.cli("backup", copy)
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.sendmail("me@example.org", ["alice@yizhan.test"], BODY)
    assert len(station.mailbox("alice@yizhan.test")) == 2
    assert station.cli("restore", copy, check=False).returncode == 75  # it runs
    station.stop()
    station.cli("restore", copy)
    assert os.path.exists(os.path.join(station.data, "yizhan.db.before-restore"))
    station.start()
    assert len(station.mailbox("alice@yizhan.test")) == 1
    station.cli("check")


def test_people_see_no_escape_sequences(full):
    with smtplib.SMTP(*full.smtp, timeout=20) as client:
        client.sendmail("me@example.org", ["bob@yizhan.test"], "Subject: \x1b]0;owned\x07\x1b[31mred\r\n\r\nx\r\n")
    out = full.cli("mailbox", "list", "bob@yizhan.test").stdout
    assert b"\x1b" not in out and b"\x07" not in out
    raw = full.cli("mailbox", "list", "bob@yizhan.test", "--json").stdout
    assert b"\x1b" not in raw


def test_control_socket_refuses_nonsense(full):
    import socket
    for request in (b"nonsense\n", b"[]\n", b"{\"cmd\":\"no.such\"}\n", b"{\"cmd\":7}\n", b"{}\n",
                    b"{\"cmd\":\"queue.list\",\"args\":7}\n", b"{\"a\":" * 100 + b"1" + b"}" * 100 + b"\n"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(full.demo["control"])
            s.sendall(request)
            answer = json.loads(s.makefile("rb").readline())
            assert set(answer) <= {"error", "end"}
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(full.demo["control"])
        try:
            s.sendall(b"x" * 2000000)
            assert s.recv(100) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert os.stat(full.demo["control"]).st_mode & 0o777 == 0o600
    full.cli("status")


def test_completion_is_good_bash(tmp_path):
    text = run("help", "--completion", "bash").stdout
    script = tmp_path / "c"
    script.write_bytes(text)
    probe = '. "$0"; COMP_WORDS=(yizhan queue li); COMP_CWORD=2; _yizhan; echo "${COMPREPLY[*]}"'
    done = subprocess.run(["bash", "-c", probe, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stdout == b"list\n" and done.stderr == b""


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_completion_is_good_zsh(tmp_path):
    script = tmp_path / "_yizhan"
    script.write_bytes(run("help", "--completion", "zsh").stdout)
    # compdef and _describe are zsh's own; what is handed to them is looked at
    probe = ("compdef() { }; _describe() { print -rl -- ${(P)2} }; _files() { }; . \"$0\"; "
             "words=(yizhan queue ''); CURRENT=3; _yizhan")
    done = subprocess.run(["zsh", "-fc", probe, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.stderr == b"", done.stderr
    assert b"list:list the recipients that wait" in done.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize("line, word", [("yizhan que", b"queue"), ("yizhan queue li", b"list"),
                                        ("yizhan help --completion z", b"zsh"), ("yizhan queue list --jso", b"--json")])
def test_completion_is_good_fish(tmp_path, line, word):
    script = tmp_path / "yizhan.fish"
    script.write_bytes(run("help", "--completion", "fish").stdout)
    done = subprocess.run(["fish", "--no-config", "-c", "source %s; complete -C '%s'" % (script, line)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, HOME=str(tmp_path)))
    assert done.stderr == b"", done.stderr
    assert word in [row.split(b"\t")[0] for row in done.stdout.splitlines()]
