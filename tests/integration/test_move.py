"""Moving mail in and out: files of all kinds, there and back, twice, interrupted, without room."""
import json
import mailbox
import os
import poplib
import pty
import random
import select
import signal
import ssl
import subprocess
import time

import pytest

from station import Yizhan, cli_command

ALICE = "alice@yizhan.test"
EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_TEMPFAIL = 64, 65, 66, 75
DAY = 86400
BASE = 1700000000


@pytest.fixture(scope="module")
def station():
    with Yizhan() as server:
        for n in range(40):
            server.cli("account", "add", "m%d@yizhan.test" % n, "--no-password")
        yield server


@pytest.fixture
def people(station):
    """Addresses of accounts that nobody has used yet."""
    station.used = getattr(station, "used", 0)

    def take():
        station.used += 1
        return "m%d@yizhan.test" % (station.used - 1)

    return take


def letter(subject, body=b"text\r\n", more=b""):
    return b"From: a@example.org\r\nSubject: %s\r\nMessage-ID: <%s@x>\r\n%s\r\n%s" % (
        subject, subject.replace(b" ", b"-"), more, body)


# name, octets: what must come back octet for octet
LETTERS = {
    "plain": letter(b"plain"),
    "from": letter(b"from", b"From here\r\n>From there\r\n>>From a@b Mon Nov 23 06:30:00 2026\r\n\r\n"
                   b"From a@b Mon Nov 23 06:30:00 2026\r\nSubject: no\r\n\r\nFrom\r\n"),
    "8bit": letter(b"8bit", "naïve 驿站\r\n".encode(), b"X-Raw: \xff\xfe\r\n"),
    "empty": letter(b"empty", b""),
    "blank lines": letter(b"blank lines", b"\r\n\r\na\r\n\r\n\r\n"),
    "long line": letter(b"long line", b"x" * 300000 + b"\r\n>" + b"From " * 1000 + b"\r\n"),
    "no end": letter(b"no end", b"the end is lacking"),
    "bare": letter(b"bare", b"one\ntwo\rthree\r\r\nfour\n"),
    "own fields": letter(b"own fields", b"text\r\n", b"Status: RO\r\nX-Status: F\r\nContent-Length: 6\r\n"
                         b"X-Keywords: theirs\r\nX-UID: 3\r\n"),
    "large": letter(b"large", (b"0123456789" * 7 + b"\r\n") * 9000),
}
FLAGS = {"plain": "S", "from": "FRS", "8bit": "", "empty": "DT", "blank lines": "S", "long line": "a", "no end": "Sb",
         "bare": "FPS", "own fields": "", "large": "R"}
NAMES = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted", "P": "$Forwarded",
         "a": "work", "b": "$Label1"}
FOLDERS = ["", ".Work", ".Work.2024", ".Entw&APw-rfe", ".a\\2eb"]
FOLDER_NAMES = ["INBOX", "Work", "Work/2024", "Entwürfe", "a.b"]


def make_maildir(path):
    """LETTERS in each of FOLDERS."""
    for k, sub in enumerate(FOLDERS):
        top = os.path.join(path, sub)
        for part in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(top, part))
        with open(os.path.join(top, "dovecot-keywords"), "w") as f:
            f.write("0 work\n1 $Label1\n")
        for n, (name, octets) in enumerate(LETTERS.items()):
            file = os.path.join(top, "cur", "%d.%s,S=%d2,W=2:2,%s" % (
                BASE + n, name.replace(" ", "_"), len(octets), FLAGS[name]))
            with open(file, "wb") as f:
                f.write(octets)
            os.utime(file, (BASE + DAY * k + n, BASE + DAY * k + n))


def wanted():
    return sorted((folder, octets, tuple(sorted(NAMES[c] for c in FLAGS[name])), BASE + DAY * k + n)
                  for k, folder in enumerate(FOLDER_NAMES)
                  for n, (name, octets) in enumerate(LETTERS.items()))


def seconds(text):
    return int(time.mktime(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))) - time.timezone


def state(station, address, tmp_path):
    """(folder, octets, flags, date) of all messages."""
    top = str(tmp_path / ("state%d" % random.randrange(1 << 30)))
    station.cli("mailbox", "export", address, top, "--format", "eml")
    found = []
    for folder in folders(station, address):
        for row in rows(station, "mailbox", "list", address, "--folder", folder):
            with open(os.path.join(top, *folder.split("/"), "%d.eml" % row["uid"]), "rb") as f:
                found.append((folder, f.read(), tuple(sorted(row["flags"])), seconds(row["received_at"])))
    return sorted(found)


def rows(station, *words):
    return json.loads(station.cli(*words, "--json").stdout.decode() or "[]")


def folders(station, address):
    return [row["name"] for row in rows(station, "mailbox", "folders", address) if row["messages"]]


def count(station, address):
    return sum(row["messages"] for row in rows(station, "mailbox", "folders", address))


def move_in(station, address, *words, code=0):
    done = station.cli("mailbox", "import", address, *map(str, words), "--json", check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else done.stderr.decode()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("source") / "Maildir")
    make_maildir(path)
    return path


def same(found, want):
    assert [(f[0], f[1][:60], f[2], f[3]) for f in found] == [(w[0], w[1][:60], w[2], w[3]) for w in want]
    assert found == want


# ---- there and back ----

def test_a_maildir_comes_in_as_it_is(station, people, source, tmp_path):
    address = people()
    done = move_in(station, address, source)
    assert done["imported"] == len(LETTERS) * len(FOLDERS) and done["bad"] == 0
    same(state(station, address, tmp_path), wanted())


@pytest.mark.parametrize("form", ["mbox", "maildir"])
def test_out_and_in_again_is_the_same(station, people, source, tmp_path, form):
    first, second = people(), people()
    move_in(station, first, source)
    station.cli("mailbox", "export", first, str(tmp_path / "out"), "--format", form)
    move_in(station, second, tmp_path / "out")
    same(state(station, second, tmp_path), wanted())


def test_one_folder_as_an_mbox_and_into_another(station, people, source, tmp_path):
    first, second = people(), people()
    move_in(station, first, source)
    station.cli("mailbox", "export", first, str(tmp_path / "work.mbox"), "--format", "mbox", "--folder", "Work")
    done = move_in(station, second, tmp_path / "work.mbox", "--folder", "Old/Work")
    assert done["imported"] == len(LETTERS)
    same(state(station, second, tmp_path), sorted(("Old/Work",) + w[1:] for w in wanted() if w[0] == "Work"))


def test_since_leaves_out_what_is_older(station, people, source, tmp_path):
    address = people()
    move_in(station, address, source)
    day = time.strftime("%Y-%m-%d", time.gmtime(BASE + 2 * DAY + DAY))
    done = station.cli_json("mailbox", "export", address, str(tmp_path / "out"), "--format", "eml", "--since", day,
                            "--json")
    assert 0 < done["messages"] < len(LETTERS) * len(FOLDERS)
    assert done["messages"] == sum(w[3] >= (BASE + 3 * DAY) // DAY * DAY for w in wanted())


# ---- what Python's mailbox reads and writes ----

def test_python_reads_our_mbox(station, people, source, tmp_path):
    address = people()
    move_in(station, address, source)
    station.cli("mailbox", "export", address, str(tmp_path / "x.mbox"), "--format", "mbox", "--folder", "INBOX")
    box = mailbox.mbox(str(tmp_path / "x.mbox"), create=False)
    assert [m["Subject"] for m in box] == [name for name in LETTERS]
    for message, name in zip(box, LETTERS):
        want = {"S": "R", "R": "A", "F": "F", "D": "T", "T": "D"}
        if name != "own fields":  # which Python reads in place of ours: it takes the first of a name
            assert set(message.get_flags()) - {"O"} == {want[c] for c in FLAGS[name] if c in want}, name
        date = time.strptime(message.get_from().strip().split(" ", 1)[1], "%a %b %d %H:%M:%S %Y")
        assert int(time.mktime(date)) - time.timezone == BASE + list(LETTERS).index(name)


def test_python_reads_our_maildir(station, people, source, tmp_path):
    address = people()
    move_in(station, address, source)
    station.cli("mailbox", "export", address, str(tmp_path / "out"), "--format", "maildir")
    box = mailbox.Maildir(str(tmp_path / "out"), create=False)
    assert set(box.list_folders()) >= {f[1:] for f in FOLDERS if f}
    found = {m["Subject"]: m for m in box}
    assert sorted(found) == sorted(LETTERS)
    for name, message in found.items():
        assert set(message.get_flags()) & set("DFRSTP") == set(FLAGS[name]) & set("DFRSTP"), name
        assert int(message.get_date()) == BASE + list(LETTERS).index(name)


def test_files_of_python_come_in(station, people, tmp_path):
    address = people()
    box = mailbox.mbox(str(tmp_path / "py.mbox"))
    for n, flags in enumerate(["", "R", "RA", "FD", "RO"]):
        message = mailbox.mboxMessage(letter(b"py %d" % n, b"From me\r\ntext\r\n").replace(b"\r\n", b"\n"))
        message.set_flags(flags)
        message.set_from("a@b", time.gmtime(BASE + n))
        box.add(message)
    box.flush()
    tree = mailbox.Maildir(str(tmp_path / "py.maildir"))
    sub = tree.add_folder("Sub.Folder")
    message = mailbox.MaildirMessage(letter(b"in a sub").replace(b"\r\n", b"\n"))
    message.set_flags("FS")
    message.set_subdir("cur")
    message.set_date(BASE + 7)
    sub.add(message)
    unread = mailbox.MaildirMessage(letter(b"new one").replace(b"\r\n", b"\n"))
    unread.set_date(BASE + 8)
    tree.add(unread)
    assert move_in(station, address, tmp_path / "py.mbox", "--folder", "Box")["imported"] == 5
    assert move_in(station, address, tmp_path / "py.maildir")["imported"] == 2
    found = state(station, address, tmp_path)
    wants = [(), ("\\Seen",), ("\\Answered", "\\Seen"), ("\\Deleted", "\\Flagged"), ("\\Seen",)]
    same(found, sorted([("Box", letter(b"py %d" % n, b"From me\r\ntext\r\n"), wants[n], BASE + n) for n in range(5)] +
                       [("Sub/Folder", letter(b"in a sub"), ("\\Flagged", "\\Seen"), BASE + 7),
                        ("INBOX", letter(b"new one"), (), BASE + 8)]))


def in_terminal(words, env, seconds=20):
    """Run a program that wants a terminal until it ends."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, env)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and select.select([fd], [], [], seconds)[0] and os.read(fd, 65536):
            pass
    except OSError:
        pass  # it has closed its terminal
    if os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() >= end:
        os.kill(pid, signal.SIGKILL)
    os.close(fd)


def test_files_of_mutt_come_in(station, people, tmp_path):
    """mutt saves into an mbox, and marks what was read."""
    address = people()
    source = tmp_path / "in.mbox"
    box = mailbox.mbox(str(source))
    for n in range(3):
        box.add(letter(b"mutt %d" % n, b"From me\r\n").replace(b"\r\n", b"\n"))
    box.flush()
    config = tmp_path / "muttrc"
    config.write_text("set mbox_type=mbox confirmappend=no confirmcreate=no delete=yes move=no quit=yes\n"
                      "set copy=no wait_key=no keep_flagged=no mark_old=no\n")
    keys = ("<tag-pattern>~A<enter><first-entry><flag-message><next-entry><tag-prefix><copy-message><kill-line>=copied"
            "<enter><exit>")
    in_terminal(["mutt", "-n", "-F", str(config), "-e", "set folder=%s" % tmp_path, "-e", "push '%s'" % keys,
                 "-f", str(source)], dict(os.environ, TERM="xterm", HOME=str(tmp_path)))
    copied = tmp_path / "copied"
    done = move_in(station, address, copied)
    assert done["imported"] == 3
    found = state(station, address, tmp_path)
    assert [m[1] for m in found] == sorted(letter(b"mutt %d" % n, b"From me\r\n") for n in range(3))
    assert ["\\Flagged" in m[2] for m in found] == [True, False, False]


# ---- again, interrupted, without room ----

def many(path, count, size=600):
    with open(path, "wb") as f:
        for n in range(count):
            f.write(b"From a@b Mon Nov 23 06:30:00 2026\n" + letter(b"many %d" % n, b"x" * size + b"\r\n")
                    .replace(b"\r\n", b"\n") + b"\n")
        # one twice, octet for octet: two messages
        f.write((b"From a@b Mon Nov 23 06:30:00 2026\n" + letter(b"twin").replace(b"\r\n", b"\n") + b"\n") * 2)


def test_ten_thousand_come_in_within_seconds(station, people, tmp_path):
    address = people()
    many(tmp_path / "x.mbox", 10000)
    begin = time.monotonic()
    done = move_in(station, address, tmp_path / "x.mbox")
    took = time.monotonic() - begin
    assert done["imported"] == 10002
    print("10002 messages in %.2f s" % took)
    assert took < 60  # with sanitizers, and others at work; docs/moving.md has the figure of a release
    begin = time.monotonic()
    done = move_in(station, address, tmp_path / "x.mbox")
    assert done["imported"] == 0 and done["present"] == 10002


def test_interrupted_and_done_again_nothing_is_twice_or_lost(station, people, tmp_path):
    address = people()
    many(tmp_path / "x.mbox", 4000)
    for wait in (0.15, 0.4):
        p = subprocess.Popen(cli_command(station.program, station.data,
                                         ["mailbox", "import", address, str(tmp_path / "x.mbox")]),
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        p.send_signal(signal.SIGKILL)
        p.wait()
    done = move_in(station, address, tmp_path / "x.mbox")
    assert done["imported"] + done["present"] == 4002
    assert count(station, address) == 4002
    out = tmp_path / "back.mbox"
    station.cli("mailbox", "export", address, str(out), "--format", "mbox", "--folder", "INBOX")
    subjects = sorted(m["Subject"] for m in mailbox.mbox(str(out)))
    assert subjects == sorted(["many %d" % n for n in range(4000)] + ["twin", "twin"])


def test_what_was_expunged_here_can_be_imported_again(station, people, tmp_path):
    address = people()
    many(tmp_path / "x.mbox", 3)
    assert move_in(station, address, tmp_path / "x.mbox")["imported"] == 5
    assert move_in(station, address, tmp_path / "x.mbox", "--folder", "Other")["imported"] == 5
    assert move_in(station, address, tmp_path / "x.mbox")["present"] == 5


def test_duplicates_from_elsewhere_are_left_out_when_asked_for(station, people, tmp_path):
    address = people()
    many(tmp_path / "x.mbox", 3)
    move_in(station, address, tmp_path / "x.mbox")
    text = (tmp_path / "x.mbox").read_bytes()
    # the same letters by another road: a trace field more
    (tmp_path / "y.mbox").write_bytes(text.replace(b"From: a@", b"X-Trace: b\nFrom: a@"))
    assert move_in(station, address, tmp_path / "y.mbox", "--skip-duplicates", "--dry-run")["duplicates"] == 5
    done = move_in(station, address, tmp_path / "y.mbox", "--skip-duplicates")
    assert (done["imported"], done["duplicates"]) == (0, 5)
    assert move_in(station, address, tmp_path / "y.mbox")["imported"] == 5


def test_a_dry_run_changes_nothing(station, people, source):
    address = people()
    done = move_in(station, address, source, "--dry-run")
    assert done["imported"] == len(LETTERS) * len(FOLDERS)
    assert folders(station, address) == []


def test_quota_ends_it_and_says_so(station, people, tmp_path):
    address = people()
    station.cli("account", "set", address, "--quota", "100K")
    many(tmp_path / "x.mbox", 1000, size=2000)
    done = station.cli("mailbox", "import", address, str(tmp_path / "x.mbox"), check=False)
    assert done.returncode == EX_TEMPFAIL
    assert b"quota" in done.stderr or b"room" in done.stderr
    assert b"messages are in" in done.stderr
    here = count(station, address)
    assert 10 < here < 60
    station.cli("account", "set", address, "--quota", "10M")
    done = move_in(station, address, tmp_path / "x.mbox")
    assert done["present"] == here and done["imported"] == 1002 - here


def test_trouble_is_told_with_its_place(station, people, tmp_path):
    address = people()
    (tmp_path / "junk.mbox").write_bytes(b"hello\n\nFrom a@b Mon Nov 23 06:30:00 2026\nSubject: x\n\ny\n")
    done = station.cli("mailbox", "import", address, str(tmp_path / "junk.mbox"), "--format", "mbox", check=False)
    assert done.returncode == EX_DATAERR
    assert b"junk.mbox" in done.stderr and b"1 message imported" in done.stdout
    (tmp_path / "no.txt").write_bytes(b"nothing at all")
    done = station.cli("mailbox", "import", address, str(tmp_path / "no.txt"), check=False)
    assert done.returncode == EX_DATAERR and b"neither an mbox" in done.stderr
    assert station.cli("mailbox", "import", address, str(tmp_path / "gone"), check=False).returncode == EX_NOINPUT
    assert station.cli("mailbox", "import", "nobody@yizhan.test", str(tmp_path / "junk.mbox"),
                       check=False).returncode == EX_DATAERR
    assert station.cli("mailbox", "import", address, str(tmp_path / "junk.mbox"), "--format", "tar",
                       check=False).returncode == EX_USAGE


# ---- trees ----

def test_trees_of_thunderbird_and_gmail(station, people, tmp_path):
    address = people()
    top = tmp_path / "ImapMail"
    (top / "Work.sbd").mkdir(parents=True)
    F = b"From - Mon Nov 23 06:30:00 2026\n"
    (top / "Inbox").write_bytes(F + b"X-Mozilla-Status: 0001\nX-Mozilla-Keys: $label1     \nSubject: a\n\nx\n\n" +
                                F + b"X-Mozilla-Status: 0009\nSubject: removed\n\nx\n")
    (top / "Inbox.msf").write_bytes(b"// index\n")
    (top / "Work").write_bytes(F + b"Subject: b\n\nx\n")
    (top / "Work.sbd" / "2024").write_bytes(F + b"Subject: c\n\nx\n")
    (top / "filterlog.html").write_bytes(b"<html>\n")
    done = move_in(station, address, top)
    assert done["imported"] == 3 and done["passed_over"] == 1
    found = [(f, t.split(b"\r\n")[0], g) for f, t, g, _ in state(station, address, tmp_path)]
    assert found == [("INBOX", b"Subject: a", ("$label1", "\\Seen")), ("Work", b"Subject: b", ()),
                     ("Work/2024", b"Subject: c", ())]

    other = people()
    (tmp_path / "All mail.mbox").write_bytes(b"".join(
        b"From 1@xxx Mon Nov 23 06:30:00 +0000 2026\nX-Gmail-Labels: %s\nSubject: %d\n\nx\n\n" % (labels, n)
        for n, labels in enumerate([b"Inbox,Unread", b"Inbox,Important,Starred,Trips", b"Archived,Trips",
                                    b"Archived,Opened", b"=?UTF-8?Q?B=C3=BCcher?=,Unread", b"Sent,Opened"])))
    move_in(station, other, tmp_path / "All mail.mbox")
    found = {t.split(b"Subject: ")[1][:1]: (f, g) for f, t, g, _ in state(station, other, tmp_path)}
    assert found == {b"0": ("INBOX", ()), b"1": ("INBOX", ("Trips", "\\Flagged", "\\Seen")),
                     b"2": ("Trips", ("\\Seen",)), b"3": ("Archive", ("\\Seen",)), b"4": ("Bücher", ()),
                     b"5": ("Sent", ("\\Seen",))}


def test_names_of_folders_do_not_lead_out_of_the_directory(station, people, tmp_path):
    address = people()
    (tmp_path / "x.mbox").write_bytes(b"From a Mon Nov 23 06:30:00 2026\nSubject: x\n\ny\n")
    for name in ("../../out", "..", "a/../../b", "%2e%2e/x", ".hidden"):
        move_in(station, address, tmp_path / "x.mbox", "--folder", name)
    names = sorted(folders(station, address))
    out = tmp_path / "deep" / "er" / "out"
    station.cli("mailbox", "export", address, str(out), "--format", "mbox")
    files = [os.path.join(d, f) for d, _, fs in os.walk(tmp_path) for f in fs if f != "x.mbox"]
    assert files and all(f.startswith(str(out)) for f in files)
    second = people()
    move_in(station, second, out)
    assert sorted(folders(station, second)) == names


def test_without_a_server_the_store_is_written_itself(tmp_path, source):
    with Yizhan() as server:
        server.stop()
        done = move_in(server, ALICE, source)
        assert done["imported"] == len(LETTERS) * len(FOLDERS)
        server.start()
        same(state(server, ALICE, tmp_path), wanted())
        assert server.cli("check").returncode == 0


# ---- what was expunged ----

def delete_by_pop3(station, account, numbers):
    client = poplib.POP3("127.0.0.1", station.ports["pop3"], timeout=20)
    client.stls(ssl._create_unverified_context())
    client.user(account.address)
    client.pass_(account.password)
    for n in numbers:
        client.dele(n)
    client.quit()


def test_what_was_expunged_comes_back(tmp_path):
    with Yizhan() as server:
        many(tmp_path / "x.mbox", 6)
        move_in(server, ALICE, tmp_path / "x.mbox")
        before = state(server, ALICE, tmp_path)
        assert rows(server, "mailbox", "undelete", ALICE, "--list") == []
        delete_by_pop3(server, server.account("alice"), [1, 2, 5])
        gone = rows(server, "mailbox", "undelete", ALICE, "--list")
        assert sorted((row["folder"], row["uid"], row["subject"]) for row in gone) == [
            ("INBOX", 1, "many 0"), ("INBOX", 2, "many 1"), ("INBOX", 5, "many 4")]
        assert rows(server, "mailbox", "undelete", ALICE, "--list", "--folder", "Sent") == []
        # said without which, nothing happens; what is not there is said
        assert server.cli("mailbox", "undelete", ALICE, check=False).returncode == EX_USAGE
        done = server.cli("mailbox", "undelete", ALICE, "77", check=False)
        assert done.returncode == EX_DATAERR and b"brought back" in done.stderr
        # by UID, with a new one
        assert [row["uid"] for row in rows(server, "mailbox", "undelete", ALICE, "2")] == [2]
        assert sorted(row["uid"] for row in rows(server, "mailbox", "list", ALICE)) == [3, 4, 6, 7, 8, 9]
        # all that went within the last hour
        assert len(rows(server, "mailbox", "undelete", ALICE, "--since", "1h")) == 2
        assert state(server, ALICE, tmp_path) == before
        assert rows(server, "mailbox", "undelete", ALICE, "--list") == []
        # what was expunged can be imported again, too
        delete_by_pop3(server, server.account("alice"), [1])
        done = move_in(server, ALICE, tmp_path / "x.mbox")
        assert (done["imported"], done["present"]) == (1, 7)


# ---- from one of us to another ----

def test_pull_from_a_server_like_ours(station, people, source, tmp_path):
    address = people()
    with Yizhan() as old:
        alice = old.account("alice")
        move_in(old, ALICE, source)
        (tmp_path / "secret").write_text(alice.password + "\n")
        words = ["mailbox", "pull", address, "imaps://%s@127.0.0.1:%d/" % (ALICE, old.ports["imaps"]),
                 "--password-file", str(tmp_path / "secret"), "--ca-file",
                 os.path.join(old.data, "certificate.pem"), "--json"]
        done = json.loads(station.cli(*words).stdout)
        assert (done["imported"], done["bad"]) == (len(LETTERS) * len(FOLDERS), 0)
        same(state(station, address, tmp_path), wanted())
        done = json.loads(station.cli(*words).stdout)
        assert (done["imported"], done["changed"]) == (0, 0)
