"""`yizhan sendmail`, also under the names that programs look for: what cron, PHP, git, Symfony, PHPMailer, s-nail and
mutt pass to it works, and its exit status is the one of sysexits.h that they expect."""

import email
import email.policy
import os
import shutil
import smtplib
import subprocess

import pytest

from letters import find_letter
from send_script import CAPABILITIES, Script
from station import binary

ALICE, BOB = "alice@yizhan.test", "bob@yizhan.test"


@pytest.fixture
def home(tmp_path):
    """A user's home with an empty accounts file, and ~/bin with sendmail and its companions."""
    (tmp_path / ".config/yizhan").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name in ("sendmail", "mailq", "newaliases"):
        (tmp_path / "bin" / name).symlink_to(binary())
    return tmp_path


@pytest.fixture
def environment(home):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("YIZHAN", "GIT_")) and
           k not in ("LOGNAME", "USER", "XDG_CONFIG_HOME")}
    return dict(env, HOME=str(home), PATH="%s/bin:%s" % (home, os.environ["PATH"]),
                EMAIL="me@yizhan.test")


@pytest.fixture
def sendmail(home, environment):
    """Run it; its CompletedProcess with text."""
    def go(*args, input="", code=0, name="sendmail"):
        done = subprocess.run([home / "bin" / name, *map(str, args)], input=input.encode() if isinstance(input, str) else input,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=environment)
        done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        assert "Sanitizer" not in done.stderr, done.stderr
        if code is not None:
            assert done.returncode == code, done.stdout + done.stderr
        return done
    return go


def smarthost(home, port, more=""):
    path = home / ".config/yizhan/accounts.conf"
    path.write_text("[home]\nhost = 127.0.0.1\nport = %d\ntls = optional\nverify = no\nfrom = me@yizhan.test\n"
                    "domain = yizhan.test\n%s" % (port, more))
    return path


@pytest.fixture
def peer(home):
    with Script() as script:
        smarthost(home, script.port)
        yield script


def rcpts(peer):
    return sorted(x[9:].split(">")[0] for x in peer.heard if x.startswith("RCPT"))


def mail(peer):
    return email.message_from_bytes(peer.body, policy=email.policy.default)


LETTER = "To: alice@yizhan.test\nCc: Bob <bob@yizhan.test>\nBcc: c@yizhan.test\nSubject: s\n\nhello\n"


# -- behaviour 84, letter by letter ---------------------------------------------------------------------------

def test_behaviour_84_a_lone_dot_ends_it_but_for_i(sendmail, peer):
    text = "Subject: s\n\none\n.\ntwo\n..three\n"
    sendmail("a@b.c", input=text)
    assert peer.body.endswith(b"\r\n\r\none\r\n")
    for letter in ("-i", "-oi", "-oiTrue"):
        sendmail(letter, "a@b.c", input=text)
        assert peer.body.endswith(b"\r\n\r\none\r\n.\r\ntwo\r\n..three\r\n"), letter


def test_behaviour_84_t_adds_recipients_to_those_of_the_words_and_bcc_is_removed(sendmail, peer):
    sendmail("-t", "-i", "d@yizhan.test", input=LETTER)
    assert rcpts(peer) == ["alice@yizhan.test", "bob@yizhan.test", "c@yizhan.test", "d@yizhan.test"]
    assert b"Bcc" not in peer.body and b"c@yizhan" not in peer.body
    peer.heard.clear()
    sendmail("a@yizhan.test", input=LETTER)
    assert rcpts(peer) == ["a@yizhan.test"]
    assert b"Bcc" not in peer.body


def test_behaviour_84_two_dashes_end_the_options(sendmail, peer):
    sendmail("-i", "--", "-odd@yizhan.test", "b@yizhan.test", input="\nx\n")
    assert rcpts(peer) == ["-odd@yizhan.test", "b@yizhan.test"]


def test_behaviour_84_ignored_and_unknown_letters_pass(sendmail, peer):
    sendmail("-G", "-U", "-c", "-m", "-n", "-x", "-e", "m", "-B8BITMIME", "-h", "5", "-Lname", "-p", "proto", "-X/dev/null",
             "-odb", "-oem", "-oQ/tmp", "-O", "Whatever=1", "-A", "alias", "-Z", "-i", "a@yizhan.test", input="\nx\n")
    assert rcpts(peer) == ["a@yizhan.test"]


def test_sender_full_name_and_missing_fields(sendmail, peer):
    sendmail("-F", "Zoë Q", "-f", "z@yizhan.test", "alice", input="Subject: s\n\nb\n")
    m = mail(peer)
    assert m["From"].addresses[0].display_name == "Zoë Q" and m["From"].addresses[0].addr_spec == "z@yizhan.test"
    assert m["Date"] and m["Message-ID"] and peer.heard[1].startswith("MAIL FROM:<z@yizhan.test>")
    assert rcpts(peer) == ["alice@yizhan.test"]
    for words in (["-f", ""], ["-f", "<>"], ["-r", "<>"]):
        peer.heard.clear()
        sendmail(*words, "alice", input="Subject: s\n\nb\n")
        assert peer.heard[1].startswith("MAIL FROM:<>"), words
    assert mail(peer)["From"].addresses[0].username == "MAILER-DAEMON"


def test_what_has_no_header_is_all_body(sendmail, peer):
    sendmail("-i", "alice", input="no header here\nat: all\n")
    assert peer.body.endswith(b"\r\n\r\nno header here\r\nat: all\r\n")
    sendmail("-i", "alice", input="Subject: one\nno empty line\n")
    assert mail(peer)["Subject"] == "one" and peer.body.endswith(b"\r\n\r\nno empty line\r\n")
    sendmail("-i", "alice", input="From someone Mon\nSubject: two\n\nx")
    assert mail(peer)["Subject"] == "two" and peer.body.endswith(b"\r\n\r\nx\r\n")
    sendmail("-i", "alice", input="")
    assert mail(peer)["From"] is not None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_both_line_ends(sendmail, peer, end):
    sendmail("-t", input=LETTER.replace("\n", end) + "." + end + "not this" + end)
    assert peer.body.endswith(b"\r\n\r\nhello\r\n") and b"\r\r" not in peer.body
    assert peer.body.replace(b"\r\n", b"").count(b"\n") == 0


def test_eight_bit_text_goes_also_where_8bitmime_is_not_offered(sendmail, peer):
    peer.caps = ["PIPELINING"]
    sendmail("alice", input="Subject: s\n\nGrüße\n")
    assert peer.body.endswith("Grüße\r\n".encode()) and "BODY=" not in peer.heard[1]


def test_dsn_parameters(sendmail, peer):
    sendmail("-N", "failure,delay", "-R", "hdrs", "-V", "x1", "alice", input="\nx\n")
    assert "RET=HDRS" in peer.heard[1] and "ENVID=x1" in peer.heard[1] and "NOTIFY=FAILURE,DELAY" in peer.heard[2]


def test_v_shows_the_conversation_and_bv_the_way(sendmail, peer):
    assert "MAIL FROM" in sendmail("-v", "alice", input="\nx\n").stdout
    done = sendmail("-bv", "alice")
    assert "alice@yizhan.test: by smtp://127.0.0.1:%d (account home)" % peer.port in done.stdout
    assert peer.connections == 1


def test_a_large_message_is_not_held_in_memory(sendmail, peer):
    peer.caps = ["PIPELINING", "8BITMIME"]
    sendmail("-i", "alice", input="Subject: l\n\n" + ("y" * 78 + "\n") * 100000)
    assert peer.body.count(b"\r\n") >= 100000 and peer.body.endswith(b"y\r\n")


# -- exit status ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("replies,code", [
    ({}, 0),
    ({"RCPT": "550 5.1.1 no"}, 67),
    ({"RCPT": "450 4.2.1 later"}, 75),
    ({"RCPT": ["250 Ok", "550 5.1.1 no"]}, 69),
    ({"MAIL": "550 5.7.1 not you"}, 69),
    ({"MAIL": "451 4.3.0 later"}, 75),
    ({"BODY": "554 5.7.1 spam"}, 69),
    ({"BODY": "452 4.3.1 full"}, 75),
    ({"BODY": None}, 75),
    ({"DATA": None}, 75),
    ({"EHLO": "500 no", "HELO": "500 no"}, 69),
])
def test_behaviour_84_exit_status(sendmail, home, replies, code):
    with Script(replies) as peer:
        smarthost(home, peer.port)
        done = sendmail("-i", "a@b.c", "d@e.f", input="Subject: s\n\nb\n", code=code)
    assert done.stderr.startswith("sendmail: ") == (code != 0)


def test_behaviour_84_exit_status_without_a_conversation(sendmail, home):
    sendmail("-t", input="Subject: s\n\nb\n", code=64)
    sendmail(input="x\n", code=64)
    sendmail("-bz", code=64)
    sendmail("-O", "server=smtp://127.0.0.1:1", "a@b.c", input="\nx\n", code=75)
    # where no resolver answers at all nobody knows whether the name exists
    assert sendmail("-O", "server=smtp://nowhere.invalid", "a@b.c", input="\nx\n", code=None).returncode in (68, 75)
    sendmail("-C", "/nonexistent", "a@b.c", input="\nx\n", code=78)
    with Script({"AUTH": "535 5.7.8 no"}, caps=CAPABILITIES + ["AUTH CRAM-MD5"]) as peer:
        path = smarthost(home, peer.port, "user = u\npassword = p\n")
        path.chmod(0o600)
        sendmail("a@b.c", input="\nx\n", code=None)
        assert peer.body is None
    with Script({"AUTH": ["334 PDE+", "535 5.7.8 no"]}, caps=CAPABILITIES + ["AUTH CRAM-MD5"]) as peer:
        path = smarthost(home, peer.port, "user = u\npassword = p\nauth = CRAM-MD5\n")
        peer.replies["AUTH"] = "535 5.7.8 no"
        sendmail("a@b.c", input="\nx\n", code=77)


def test_companions_have_nothing_to_do(sendmail, environment, home):
    sendmail(name="newaliases")
    sendmail("-bi")
    sendmail("-q")
    assert "empty" in sendmail(name="mailq").stdout
    assert "empty" in sendmail("-bp").stdout


# -- -bs ------------------------------------------------------------------------------------------------------

def dialogue(sendmail, *lines, code=0):
    return sendmail("-bs", input="\r\n".join(lines) + "\r\n", code=code).stdout.split("\r\n")


def test_behaviour_84_bs_answers_with_the_smarthosts_reply(sendmail, home):
    with Script({"BODY": ["250 2.0.0 queued as Q7", "554 5.7.1 spam", None]}) as peer:
        smarthost(home, peer.port)
        one = ["MAIL FROM:<x@yizhan.test>", "RCPT TO:<alice@yizhan.test>", "DATA", "Subject: s", "Bcc: h@i.j", "", "hi", ".."]
        out = dialogue(sendmail, "EHLO me", *one, ".", *one, ".", *one, ".", "QUIT")
    assert "250 2.0.0 queued as Q7" in out and "554 5.7.1 spam" in out
    assert any(x.startswith("451 4.4.0") for x in out) and out[-2].startswith("221")
    assert b"Bcc" not in peer.body and peer.body.endswith(b"hi\r\n.\r\n") and mail(peer)["Message-ID"]
    assert peer.connections == 1


def test_bs_without_a_smarthost_says_451_and_goes_on(sendmail):
    lines = ["HELO me", "MAIL FROM:<a@b.c>", "RCPT TO:<d@e.f>", "DATA", "", "x", ".", "NOOP", "QUIT", ""]
    out = sendmail("-O", "server=smtp://127.0.0.1:1", "-bs", input="\r\n".join(lines)).stdout
    assert "\n451 " in out and "\n250 " in out.split("451")[1]


# -- callers --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("words,header", [
    (["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"], "To: alice\n"),   # cronie
    (["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "alice"], "To: alice\n"),               # Debian's cron
    (["-t", "-i"], "To: alice@yizhan.test\r\n"),                                          # PHP's mail()
    (["-oi", "-f", "php@yizhan.test", "-t"], "To: alice@yizhan.test\n"),                  # PHPMailer
    (["-i", "-m", "-v", "-f", "x@yizhan.test", "-F", "X", "--", "alice"], "To: alice\n"),   # s-nail
    (["-f", "git@yizhan.test", "-i", "alice@yizhan.test"], "To: alice@yizhan.test\n"),    # git send-email
    (["-oem", "-oi", "-f", "mutt@yizhan.test", "--", "alice@yizhan.test"], "To: alice@yizhan.test\n"),  # mutt
])
def test_command_lines_of_callers(sendmail, peer, words, header):
    sendmail(*words, input=header + "Subject: from a caller\n\nGrüße\n")
    assert rcpts(peer) == ["alice@yizhan.test"] and mail(peer)["Subject"] == "from a caller"
    assert "Grüße".encode() in peer.body


def test_symfonys_dialogue(home, environment, peer):
    """-bs, line by line: each reply is awaited."""
    with subprocess.Popen([home / "bin/sendmail", "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as p:
        def say(line, want):
            if line:
                p.stdin.write(line.encode() + b"\r\n")
                p.stdin.flush()
            reply = p.stdout.readline().decode()
            while reply[3:4] == "-":
                reply = p.stdout.readline().decode()
            assert reply.startswith(want), reply
        say("", "220")
        say("EHLO [127.0.0.1]", "250")
        say("MAIL FROM:<me@yizhan.test>", "250")
        say("RCPT TO:<alice@yizhan.test>", "250")
        say("DATA", "354")
        say("Subject: symfony\r\n\r\nhi\r\n.", "250")
        say("QUIT", "221")
        assert p.wait(10) == 0


def need(program):
    assert shutil.which(program), "%s is not installed: run tools/setup" % program


@pytest.fixture
def post(home, station_shared):
    smarthost(home, station_shared.smtp[1])
    return station_shared


def test_the_real_git_send_email(home, environment, post, tmp_path):
    need("git")
    repository = tmp_path / "r"

    def git(*args):
        return subprocess.run(["git", "-C", repository, "-c", "user.name=Me", "-c", "user.email=me@yizhan.test", *args], check=True,
                              capture_output=True, text=True, env=environment, timeout=60)
    repository.mkdir()
    git("init", "-q")
    (repository / "f").write_text("one\n")
    git("add", "f")
    git("commit", "-qm", "git send-email works")
    git("format-patch", "-1", "--root", "-o", ".")
    out = git("-c", "sendemail.smtpserver=%s/bin/sendmail" % home, "send-email", "--to", ALICE, "--cc", BOB, "--from", "me@yizhan.test",
              "--confirm=never", "--quiet", "--suppress-cc=author", "0001-git-send-email-works.patch")
    assert "Result: 0" not in out.stderr
    for who in (ALICE, BOB):
        letter = find_letter(post, who, "[PATCH] git send-email works")
        assert letter.return_path == "me@yizhan.test" and b"+one\r\n" in letter.content


def test_the_real_s_nail(home, environment, post):
    need("s-nail")
    # for root it takes another home than $HOME
    words = "mta-arguments=-C %s/.config/yizhan/accounts.conf" % home
    done = subprocess.run(["s-nail", "-n", "-S", "mta=%s/bin/sendmail" % home, "-S", words, "-S", "sendwait", "-s", "from s-nail", "-r", "me@yizhan.test",
                           "-b", BOB, ALICE], input=b"hello\n.\nmore\n", capture_output=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    for who in (ALICE, BOB):
        letter = find_letter(post, who, "from s-nail")
        assert b"hello\r\n.\r\nmore\r\n" in letter.content and b"Bcc" not in letter.content


def test_the_real_mutt(home, environment, post):
    need("mutt")
    done = subprocess.run(["mutt", "-n", "-F", "/dev/null", "-e", "set sendmail='%s/bin/sendmail -oem -oi'" % home, "-e", "set sendmail_wait=0",
                           "-e", "set copy=no", "-e", "set use_envelope_from", "-e", "set from=me@yizhan.test", "-s", "from mutt", ALICE],
                          input="Grüße\n".encode(), capture_output=True, timeout=60, env=dict(environment, LC_ALL="C.UTF-8"))
    assert done.returncode == 0, done.stderr
    letter = find_letter(post, ALICE, "from mutt")
    m = email.message_from_bytes(letter.content, policy=email.policy.default)
    assert m.get_content().strip() == "Grüße" and letter.return_path == "me@yizhan.test"


def test_mailq_shows_the_queue_of_a_running_server(home, environment, post):
    done = subprocess.run([home / "bin/mailq"], capture_output=True, text=True, timeout=60, env=dict(environment, YIZHAN_DATA=post.data))
    assert done.returncode == 0, done.stderr
