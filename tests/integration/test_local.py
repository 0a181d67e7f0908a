"""Mail of the users of this machine: the Unix socket knows by the kernel who they are, sendmail hands over to it, and
what comes while no server runs waits in the drop directory and arrives once."""

import os
import shutil
import socket
import stat
import subprocess
import threading
import time

import pytest

from letters import find_letter
from station import binary

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"
HOST = "mx.yizhan.test"
NOBODY = 65534


class User:
    """A user of this machine with his own sendmail."""

    def __init__(self, station, path):
        self.station, self.path = station, path
        (path / "bin").mkdir()
        os.chmod(path, 0o755)
        for name in ("sendmail", "mailq", "newaliases"):
            (path / "bin" / name).symlink_to(binary())
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("YIZHAN") and k not in ("LOGNAME", "USER")}
        self.env.update(HOME=str(path), YIZHAN_DATA=station.data, PATH="%s/bin:%s" % (path, os.environ["PATH"]))

    def sendmail(self, *args, text="Subject: s\n\nb\n", code=0, user=None, name="sendmail", env=None, seconds=60):
        done = subprocess.run([self.path / "bin" / name, *args], input=text.encode() if isinstance(text, str) else text,
                              capture_output=True, timeout=seconds, env=dict(self.env, **(env or {})), user=user)
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert "Sanitizer" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def drops(self):
        return sorted(x for x in os.listdir(self.station.data + "/maildrop") if x.startswith("drop-"))


@pytest.fixture
def user(station, tmp_path):
    # the test's directory must be open to the other users that it plays
    for part in [tmp_path, *tmp_path.parents][:3]:
        os.chmod(part, 0o755)
    return User(station, tmp_path)


def wait(what, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("it did not happen: %s" % what)


def subjects(station, address):
    return [m["subject"] for m in station.mailbox(address)]


def me():
    import pwd
    return pwd.getpwuid(os.getuid()).pw_name


# -- who it is ------------------------------------------------------------------------------------------------

def test_the_socket_is_for_everybody_and_says_who_it_is(station, user):
    assert stat.S_IMODE(os.stat(station.data + "/submit").st_mode) == 0o666
    user.sendmail("-i", "alice", text="Subject: mine\n\nhello\n")
    letter = find_letter(station, ALICE, "mine")
    assert letter.return_path == "%s@%s" % (me(), HOST) and letter.received.peer == "unix, uid %d, %s" % (os.getuid(), me())
    assert ("<%s@%s>" % (me(), HOST)).encode() in letter.content and b"Message-ID:" in letter.content and b"Date:" in letter.content


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_writes_as_himself_only(station, user):
    user.sendmail("-i", "bob", text="Subject: honest\n\nb\n", user=NOBODY)
    letter = find_letter(station, BOB, "honest")
    assert letter.return_path == "nobody@" + HOST and b"uid %d, nobody" % NOBODY in letter.raw
    for words, text in [(["-f", ALICE], "Subject: forged\n\nb\n"), ([], "From: %s\nSubject: forged\n\nb\n" % ALICE),
                        (["-f", "root"], "Subject: forged\n\nb\n"), ([], "From: nobody, %s\nSubject: forged\n\nb\n" % ALICE)]:
        done = user.sendmail("-i", *words, "bob", text=text, user=NOBODY, code=77)
        assert "not yours" in done.stderr, done.stderr
    # a uid that he merely claims is nobody's business
    done = user.sendmail("-i", "bob", text="Subject: claims\n\nb\n", user=NOBODY, env={"LOGNAME": "root", "USER": "root"})
    assert find_letter(station, BOB, "claims").return_path == "nobody@" + HOST
    # root and trusted users may
    user.sendmail("-i", "-f", ALICE, "bob", text="From: %s\nSubject: trusted\n\nb\n" % ALICE)
    assert find_letter(station, BOB, "trusted").return_path == ALICE
    assert "forged" not in subjects(station, BOB)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_trusted_users_of_the_configuration(make_station, tmp_path):
    conf = """hostname = "mx.yizhan.test"
data = "{data}"
demo = yes
local { trusted_users = { "nobody" } }
"""
    station = make_station(conf=conf)
    for part in [tmp_path, *tmp_path.parents][:3]:
        os.chmod(part, 0o755)
    user = User(station, tmp_path)
    user.sendmail("-i", "-f", ALICE, "bob", text="Subject: trusted\n\nb\n", user=NOBODY)
    assert find_letter(station, BOB, "trusted").return_path == ALICE


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_user_who_is_bound_to_an_account_is_that_account(station, user):
    station.cli("account", "set", ALICE, "--system-user", "nobody")
    user.sendmail("-i", "bob", text="Subject: as alice\n\nb\n", user=NOBODY)
    letter = find_letter(station, BOB, "as alice")
    assert letter.return_path == ALICE and ALICE.encode() in letter.content and b"@" + HOST.encode() not in letter.content.split(b"Message-ID")[0]
    user.sendmail("-i", "-f", ALICE, "nobody", text="From: alice@yizhan.test\nSubject: to myself\n\nb\n", user=NOBODY)
    assert "to myself" in subjects(station, ALICE)
    user.sendmail("-i", "-f", BOB, "bob", user=NOBODY, code=77)
    # suspended, the account sends nothing; what it wrote is not lost
    station.cli("account", "set", ALICE, "--suspend")
    done = user.sendmail("-i", "bob", text="Subject: suspended\n\nb\n", user=NOBODY, code=None)
    assert "suspended" not in subjects(station, BOB) and done.returncode in (0, 69, 75, 77), done


def test_recipients_without_a_domain_are_of_this_machine(station, user):
    station.cli("alias", "add", "team@yizhan.test", BOB)
    user.sendmail("-i", "team", "root", "daemon", "alice@" + HOST, text="Subject: names\n\nb\n")
    assert subjects(station, BOB) == ["names"] and subjects(station, ALICE) == ["names"]
    done = user.sendmail("-i", "no-such-user", code=67)
    assert "No such mailbox" in done.stderr


# -- what callers do ------------------------------------------------------------------------------------------

def test_cron_and_php_and_their_like(station, user):
    user.sendmail("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root",
                  text="From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@here> job\n\nGrüße\n")
    letter = find_letter(station, ALICE, "Cron <root@here> job")
    assert b"From: root@mx.yizhan.test (Cron Daemon)" in letter.content and "Grüße".encode() in letter.content
    user.sendmail("-t", "-i", text="To: alice@yizhan.test\r\nBcc: bob@yizhan.test\r\nSubject: from php\r\n\r\nhi\r\n")
    for who in (ALICE, BOB):
        assert b"Bcc" not in find_letter(station, who, "from php").content
    user.sendmail("-F", "Zoë Q", "-i", "alice", text="Subject: full name\n\nb\n")
    letter = find_letter(station, ALICE, "full name")
    assert b"=?utf-8?" in letter.content.lower() and ("<%s@%s>" % (me(), HOST)).encode() in letter.content


def need(program):
    assert shutil.which(program), "%s is not installed: run tools/setup" % program


def test_the_real_s_nail_mutt_and_git(station, user):
    for program in ("s-nail", "mutt", "git"):
        need(program)
    path = user.path
    done = subprocess.run(["s-nail", "-n", "-S", "mta=%s/bin/sendmail" % path, "-S", "sendwait", "-s", "from s-nail", ALICE],
                          input=b"hello\n.\nmore\n", capture_output=True, env=user.env, timeout=60)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(["mutt", "-n", "-F", "/dev/null", "-e", "set sendmail='%s/bin/sendmail -oem -oi'" % path, "-e", "set sendmail_wait=0",
                           "-e", "set copy=no", "-e", "set from=%s@%s" % (me(), HOST), "-s", "from mutt", ALICE],
                          input="Grüße\n".encode(), capture_output=True, timeout=60, env=dict(user.env, LC_ALL="C.UTF-8"))
    assert done.returncode == 0, done.stderr
    (path / "m.patch").write_text("From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\nFrom: %s <%s@%s>\n"
                                  "Date: Mon, 23 Nov 2026 10:00:00 +0000\nSubject: [PATCH] from git\n\nx\n--\n2.39\n" % (me(), me(), HOST))
    done = subprocess.run(["git", "-c", "user.name=Me", "-c", "user.email=me@yizhan.test", "-c", "sendemail.sendmailcmd=%s/bin/sendmail" % path, "send-email", "--to", ALICE, "--confirm=never",
                           "--from", "%s@%s" % (me(), HOST), "--quiet", "--suppress-cc=all", str(path / "m.patch")],
                          capture_output=True, text=True, env=dict(user.env, GIT_CONFIG_NOSYSTEM="1"), timeout=60, cwd=path)
    assert done.returncode == 0, done.stderr
    assert {"from s-nail", "from mutt", "[PATCH] from git"} <= set(subjects(station, ALICE))


def test_bs_speaks_to_the_server(station, user):
    lines = ["EHLO me", "MAIL FROM:<%s@%s>" % (me(), HOST), "RCPT TO:<alice@yizhan.test>", "DATA", "Subject: by bs", "", "x", ".", "QUIT", ""]
    out = user.sendmail("-bs", text="\r\n".join(lines)).stdout
    assert "queued as" in out and find_letter(station, ALICE, "by bs")


def test_exit_status_of_the_server_here(station, user):
    user.sendmail("-bd", code=64)
    user.sendmail("-t", text="Subject: nobody\n\nb\n", code=64)
    user.sendmail("-i", "alice", text="From: a@b, c@d\nFrom: e@f\n\nb\n", code=65)
    user.sendmail("-i", "x@nowhere.invalid", "nobody-here", code=69)


# -- mailq ----------------------------------------------------------------------------------------------------

def test_mailq_prints_what_scripts_read(make_station, tmp_path):
    station = make_station(conf="""hostname = "mx.yizhan.test"
data = "{data}"
demo = yes
queue { hold = yes }
""")
    for part in [tmp_path, *tmp_path.parents][:3]:
        os.chmod(part, 0o755)
    user = User(station, tmp_path)
    assert user.sendmail(name="mailq").stdout == "Mail queue is empty\n"
    user.sendmail("-i", "-f", ALICE, "far@elsewhere.test", "near@elsewhere.test", text="Subject: q\n\n" + "x" * 2000 + "\n")
    lines = user.sendmail(name="mailq").stdout.splitlines()
    assert lines[0].startswith("-Queue ID-") and "-Sender/Recipient-" in lines[0]
    head = lines[1].split()
    assert head[0].endswith("!") and len(head[0]) == 14 and int(head[1]) > 2000 and head[-1] == ALICE
    assert lines[2].strip().startswith("(") and lines[2].endswith(")")
    assert [x.strip() for x in lines[3:5]] == ["far@elsewhere.test", "near@elsewhere.test"]
    assert lines[-1] == "-- 3 Kbytes in 1 Request."
    assert user.sendmail("-bp").stdout.splitlines()[1].split()[0] == head[0]
    if os.getuid() == 0:
        assert "ermission" in user.sendmail(name="mailq", user=NOBODY, code=77).stderr


# -- while the server is down ---------------------------------------------------------------------------------

def test_what_comes_while_the_server_is_down_arrives_once(station, user):
    station.stop()
    who = NOBODY if os.getuid() == 0 else None
    user.sendmail("-i", "-N", "success,failure", "-R", "hdrs", "-V", "my id", "alice", "bob", text="Subject: while down\n\nGrüße\n.\nmore\n", user=who)
    user.sendmail("-i", "alice", "no-such-user", text="Subject: half of it\n\nb\n")
    out = user.sendmail("-bs", text="HELO me\r\nMAIL FROM:<%s@%s>\r\nRCPT TO:<bob@yizhan.test>\r\nDATA\r\nSubject: bs down\r\n\r\nx\r\n.\r\nQUIT\r\n"
                        % (me(), HOST)).stdout
    assert "250 2.0.0 Ok: left for the server" in out
    assert len(user.drops()) == 3 and "3 more in the drop directory" in user.sendmail(name="mailq").stdout
    for name in user.drops():
        assert stat.S_IMODE(os.stat(station.data + "/maildrop/" + name).st_mode) in (0o600, 0o640)
    station.start()
    wait(lambda: not user.drops())
    letter = find_letter(station, ALICE, "while down")
    assert "Grüße\r\n.\r\nmore\r\n".encode() in letter.content and letter.received.peer.startswith("unix, uid ")
    assert letter.return_path == "%s@%s" % ("nobody" if who else me(), HOST)
    assert subjects(station, BOB) == ["while down", "bs down"] or subjects(station, BOB) == ["bs down", "while down"]
    # who could not be told at once hears it by a report
    wait(lambda: any("Undelivered" in x for x in subjects(station, ALICE)))
    station.stop()
    station.start()
    assert subjects(station, BOB).count("while down") == 1 and subjects(station, ALICE).count("half of it") == 1


def test_a_running_server_notices_what_is_dropped(station, user):
    user.sendmail("-i", "alice", text="Subject: noticed\n\nb\n", env={"YIZHAN_SUBMIT": "/nonexistent/submit"})
    wait(lambda: "noticed" in subjects(station, ALICE), 10)
    wait(lambda: not user.drops())


def test_a_server_that_hangs_does_not_hang_sendmail(station, user):
    path = station.data + "/deaf"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen(1)
        began = time.monotonic()
        user.sendmail("-i", "alice", text="Subject: deaf\n\nb\n", env={"YIZHAN_SUBMIT": path})
        assert time.monotonic() - began < 40
    wait(lambda: "deaf" in subjects(station, ALICE), 10)


def test_more_recipients_than_can_be_had_are_told(station, user):
    words = [",".join(["alice"] * 20000)] * 5
    told = user.sendmail("-i", *words, "bob@yizhan.test", code=64)
    assert "too many recipients" in told.stderr and subjects(station, ALICE) == []


def test_without_a_place_it_is_75(station, user):
    station.stop()
    shutil.rmtree(station.data + "/maildrop")
    done = user.sendmail("-i", "alice", code=75)
    assert "maildrop" in done.stderr
    station.start()


def test_a_large_letter_is_dropped_whole(station, user):
    station.stop()
    text = "Subject: large\n\n" + "".join("%07d %s\n" % (i, "y" * 70) for i in range(40000))
    user.sendmail("-i", "alice", text=text)
    station.start()
    wait(lambda: "large" in subjects(station, ALICE), 30)
    content = find_letter(station, ALICE, "large").content
    assert content.count(b"\r\n") > 40000 and content.endswith(b"0039999 " + b"y" * 70 + b"\r\n")


# -- attacks --------------------------------------------------------------------------------------------------

DROP = b"yizhan-drop 1\nfrom 0:,\nrcpt 17:alice@yizhan.test,\nbody %020d\n%s"


def put(directory, digit, octets, mode=0o600, uid=None):
    path = "%s/new-%s" % (directory, digit * 32)
    with open(path, "wb") as f:
        f.write(octets)
    os.chmod(path, mode)
    if uid is not None:
        os.chown(path, uid, -1)
    os.rename(path, "%s/drop-%s" % (directory, digit * 32))


def test_what_is_no_honest_letter_is_put_aside(station, user):
    directory = station.data + "/maildrop"
    body = b"Subject: trick\r\n\r\nx\r\n"
    whole = DROP % (len(body), body)
    secret = station.data + "/secret"
    with open(secret, "wb") as f:
        f.write(whole)
    os.symlink(secret, "%s/drop-%s" % (directory, "a" * 32))
    os.link(secret, "%s/drop-%s" % (directory, "b" * 32))
    os.mkfifo("%s/drop-%s" % (directory, "c" * 32))
    os.mkdir("%s/drop-%s" % (directory, "d" * 32))
    put(directory, "e", whole, mode=0o666)
    put(directory, "f", whole[:-3])
    put(directory, "0", DROP.replace(b"17:alice@yizhan.test,", b"19:alice@yizhan.test\nx,") % (len(body), body))
    put(directory, "1", b"\0" * 4096)
    put(directory, "2", b"")
    put(directory, "3", b"yizhan-drop 1\nfrom 0:,\n" + b"rcpt 4:a@bc,\n" * 1001 + b"body %020d\n" % 0)
    # it is woken by the last of them, and still takes mail
    user.sendmail("-i", "alice", text="Subject: still there\n\nb\n", env={"YIZHAN_SUBMIT": "/nonexistent/submit"})
    wait(lambda: not user.drops())
    assert subjects(station, ALICE) == ["still there"]
    aside = [x for x in os.listdir(directory) if x.startswith("refused-")]
    assert len(aside) == 10 and os.path.exists(secret)
    assert station.log().count("host.maildrop.refused") == 10


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_the_owner_of_a_dropped_file_is_who_sends(station, user):
    directory = station.data + "/maildrop"
    body = b"From: alice@yizhan.test\r\nSubject: forged\r\n\r\nx\r\n"
    put(directory, "a", DROP.replace(b"from 0:,", b"from 17:alice@yizhan.test,") % (len(body), body), uid=NOBODY)
    body = b"Subject: his own\r\n\r\nx\r\n"
    put(directory, "b", DROP.replace(b"from 0:,", b"from 6:nobody,") % (len(body), body), uid=NOBODY)
    wait(lambda: not user.drops())
    assert subjects(station, ALICE) == ["his own"]
    assert find_letter(station, ALICE, "his own").return_path == "nobody@" + HOST
    assert [x for x in os.listdir(directory) if x.startswith("refused-")] == ["refused-" + "a" * 32]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_others_can_neither_list_nor_read_the_drop_directory(station, user):
    station.stop()
    user.sendmail("-i", "alice", text="Subject: private\n\nb\n")
    path = "%s/maildrop/%s" % (station.data, user.drops()[0])
    for command in (["ls", station.data + "/maildrop"], ["cat", path], ["rm", "-f", path], ["mv", path, path + "x"]):
        assert subprocess.run(command, capture_output=True, user=NOBODY, group=NOBODY, extra_groups=[]).returncode != 0, command
    assert os.path.exists(path)
    station.start()


@pytest.mark.parametrize("words", [["-f", "a@b\nRCPT TO:<x@y>", "alice"], ["-f", "a\rb@c", "alice"], ["alice\nbob@yizhan.test"],
                                   ["x" * 3000 + "@yizhan.test"]])
def test_line_breaks_and_long_names_in_the_envelope(station, user, words):
    done = user.sendmail("-i", *words, code=None)
    assert done.returncode in (64, 65, 67, 69, 77), (done.returncode, done.stderr)
    station.stop()
    done = user.sendmail("-i", *words, code=None)
    assert done.returncode in (64, 65, 67, 69, 77), (done.returncode, done.stderr)
    assert user.drops() == []
    station.start()


def test_another_name_is_another_program(user):
    (user.path / "bin/postdrop").symlink_to(binary())
    assert user.sendmail("-i", "alice", name="postdrop", code=64)


def test_garbage_on_the_socket_kills_nobody(station, user):
    def noise(octets):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(station.data + "/submit")
            try:
                s.sendall(octets)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    pieces = [b"", b"\0" * 100000, b"\xff\xfe" * 50000, b"MAIL FROM:<>\n" * 1000, b"EHLO x\r\nMAIL FROM:<" + b"a" * 100000, os.urandom(200000),
              b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@yizhan.test>\r\nBDAT 99999999999\r\nx",
              b"AUTH PLAIN AGFsaWNlAHg=\r\n", b"STARTTLS\r\n"]
    threads = [threading.Thread(target=noise, args=(x,)) for x in pieces]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert station.process.poll() is None
    user.sendmail("-i", "alice", text="Subject: after the noise\n\nb\n")
    assert "after the noise" in subjects(station, ALICE)


def test_what_cannot_be_put_aside_is_in_nobodys_way(station, user):
    """A user's directories in the names of letters, and full ones where they would be put aside: more than one look's worth."""
    directory = station.data + "/maildrop"
    station.stop()
    for i in range(1500):
        os.mkdir("%s/drop-%032x" % (directory, i))
        os.makedirs("%s/refused-%032x/full" % (directory, i))
    body = b"Subject: behind them\r\n\r\nx\r\n"
    put(directory, "f", DROP % (len(body), body))
    station.start()
    wait(lambda: subjects(station, ALICE) == ["behind them"])
    stays = lambda: station.log(10 ** 7).count("host.maildrop.stays")
    wait(lambda: stays() >= 1500)
    time.sleep(1)
    assert stays() == 1500, "it goes round and round"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_what_is_put_off_is_in_nobodys_way_and_not_tried_for_ever(make_station, tmp_path):
    station = make_station(conf="""hostname = "mx.yizhan.test"
data = "{data}"
demo = yes
submission { messages = "1/1h burst 1" }
""")
    for part in [tmp_path, *tmp_path.parents][:3]:
        os.chmod(part, 0o755)
    user = User(station, tmp_path)
    directory = station.data + "/maildrop"
    body = b"Subject: too many\r\n\r\nx\r\n"
    letter = DROP.replace(b"from 0:,", b"from 6:nobody,") % (len(body), body)
    station.stop()
    for digit in "abc":
        put(directory, digit, letter, uid=NOBODY)
    station.start()
    wait(lambda: station.log().count("host.maildrop.later") >= 2)
    assert len(user.drops()) == 2 and subjects(station, ALICE) == ["too many"]
    user.sendmail("-i", "alice", text="Subject: of somebody else\n\nb\n", env={"YIZHAN_SUBMIT": "/nonexistent/submit"})
    wait(lambda: "of somebody else" in subjects(station, ALICE))
    station.stop()
    old = time.time() - 10 * 86400
    for name in user.drops():
        os.utime(directory + "/" + name, (old, old))
    station.start()
    # one more is taken by the fresh count of this process, the other is too old to wait on
    wait(lambda: not user.drops())
    assert len([x for x in os.listdir(directory) if x.startswith("refused-")]) == 1


# -- crashes --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("point", ["drop.opened", "accept.body", "commit.before", "commit.after", "accept.committed", "drop.accepted", "drop.removed"])
def test_kill_at_each_step_of_taking_a_dropped_letter(station, user, point):
    station.stop()
    for i in range(3):
        user.sendmail("-i", "alice", "bob", text="Subject: letter %d\n\nb\n" % i)
    # the server itself commits at its start: those points are met at several visits
    for visit in ([2] if not point.startswith("commit.") else [1, 2, 3, 4, 5, 6]):
        station.env["YIZHAN_CRASH_AT"] = "%s:%d" % (point, visit)
        station.start(wait=False)
        try:
            ended = wait(lambda: station.process.poll() is not None or not user.drops(), 20)
        except AssertionError:
            ended = False
        assert ended
        if station.process.poll() is None:
            station.stop()
        else:
            assert station.process.returncode == -9
            station.process = None
    del station.env["YIZHAN_CRASH_AT"]
    station.start()
    wait(lambda: not user.drops())
    for who in (ALICE, BOB):
        assert sorted(subjects(station, who)) == ["letter 0", "letter 1", "letter 2"], point
    assert station.cli("check").returncode == 0
