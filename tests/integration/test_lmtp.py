"""LMTP in (docs/lmtp.md): an answer for each recipient, and nothing for anybody else."""

import smtplib
import socket

import pytest

from talk import Talk

ALICE, BOB = b"alice@yizhan.test", b"bob@yizhan.test"
CONF = """demo = yes
limits { errors_delay = 0 }
subaddress_folders = yes
relay_networks = { "127.0.0.0/8" }
listener smtp { address = { "127.0.0.1:2525" } }
listener lmtp { protocol = lmtp address = { "127.0.0.1:1430" } }
listener sock { protocol = lmtp address = { "unix:{data}/lmtp" } }
listener else { protocol = lmtp address = { "127.0.0.1:9930" } networks = { "192.0.2.0/24" } }
"""
TEXT = b"From: a@peer.example\r\nSubject: letter\r\n\r\n" + b"x" * 70 + b"\r\n"


@pytest.fixture(scope="module")
def post():
    from station import Yizhan
    with Yizhan(conf=CONF) as station:
        yield station


class UnixTalk(Talk):
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(path)
        self.got = b""
        self.greeting = self.reply()


@pytest.fixture(params=["tcp", "unix"])
def talk(post, request):
    t = UnixTalk(post.data + "/lmtp") if request.param == "unix" else Talk(("127.0.0.1", post.ports["lmtp"]))
    with t:
        yield t


def count(post, address):
    return len(post.mailbox(address.decode()))


def quota(post, address, octets):
    post.cli("account", "set", address.decode(), "--quota", str(octets))


def test_an_answer_for_each_recipient(post, talk):
    had = count(post, ALICE), count(post, BOB)
    assert "LMTP" in talk.greeting.lines[0]
    offered = talk.ask(b"LHLO x").lines
    for word in ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"):
        assert word in offered
    assert any(line.startswith("SIZE ") for line in offered)
    talk.begin(rcpts=[ALICE, BOB], hello=None)
    assert talk.ask(b"RCPT TO:<nobody@yizhan.test>").both == "550 5.1.1"
    assert talk.ask(b"DATA").code == 354
    talk.send(TEXT + b".\r\n")
    assert [talk.reply().both, talk.reply().both] == ["250 2.0.0", "250 2.0.0"] and talk.is_silent()
    # BDAT the same
    talk.begin(rcpts=[BOB, ALICE], hello=None)
    talk.send(b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
    assert [talk.reply().both, talk.reply().both] == ["250 2.0.0", "250 2.0.0"] and talk.is_silent()
    assert (count(post, ALICE), count(post, BOB)) == (had[0] + 2, had[1] + 2)
    assert b"with LMTP id" in post.export(BOB.decode(), had[1] + 1)


def test_one_of_them_has_no_room_behind_the_message(post, talk):
    with Talk(post.smtp) as smtp:
        assert smtp.deliver(b"Subject: much\r\n\r\n" + (b"m" * 70 + b"\r\n") * 200, rcpts=[BOB]).code == 250
    had = count(post, ALICE), count(post, BOB)
    used = sum(row["size"] for row in post.mailbox(BOB.decode()))
    quota(post, BOB, used + 2000)
    try:
        talk.begin(rcpts=[ALICE, BOB], hello=b"LHLO x")
        assert talk.ask(b"DATA").code == 354
        talk.send(TEXT + b"y" * 70 + b"\r\n" + (b"z" * 70 + b"\r\n") * 100 + b".\r\n")
        assert [talk.reply().both, talk.reply().both] == ["250 2.0.0", "452 4.2.2"]
        # where it can never fit it is no use to try again
        talk.begin(rcpts=[BOB], hello=None)
        talk.send(b"BDAT %d LAST\r\n" % (used + 3000) + b"x: y\r\n\r\n" + b"z" * (used + 2992))
        assert talk.reply().both == "552 5.2.2" and talk.is_silent()
        # nobody has room: nothing is kept at all
        talk.begin(rcpts=[BOB], hello=None)
        talk.send(b"BDAT 8000 LAST\r\n" + b"x: y\r\n\r\n" + b"z" * 7992)
        assert talk.reply().both == "452 4.2.2" and talk.is_silent()
        # with SIZE it is told at once
        assert talk.ask(b"MAIL FROM:<a@peer.example> SIZE=8000").code == 250
        assert talk.ask(b"RCPT TO:<" + BOB + b">").both == "452 4.2.2"
    finally:
        quota(post, BOB, 0)
    assert (count(post, ALICE), count(post, BOB)) == (had[0] + 1, had[1])


def test_nothing_is_relayed(post, talk):
    assert talk.ask(b"LHLO x").code == 250
    assert talk.ask(b"MAIL FROM:<a@peer.example>").code == 250
    assert talk.ask(b"RCPT TO:<x@far.example>").both == "550 5.7.1"
    assert talk.ask(b"DATA").code in (503, 554)
    # on port 25 that network may
    with Talk(post.smtp) as smtp:
        smtp.begin(rcpts=[b"x@far.example"])


def test_greetings_and_order(post, talk):
    assert talk.ask(b"EHLO x").both == "500 5.5.1"
    assert talk.ask(b"MAIL FROM:<a@b.example>").code == 503
    assert talk.ask(b"LHLO x").code == 250


def test_pipelining(post, talk):
    talk.send(b"LHLO x\r\nMAIL FROM:<a@peer.example>\r\nRCPT TO:<%s>\r\nRCPT TO:<no@yizhan.test>\r\nRCPT TO:<%s>\r\nDATA\r\n"
              % (ALICE, BOB) + TEXT + b".\r\nQUIT\r\n")
    codes = [reply.code for reply in talk.rest(20)]
    assert codes == [250, 250, 250, 550, 250, 354, 250, 250, 221]


def test_strangers_are_sent_away(post):
    with Talk(("127.0.0.1", post.ports["else"]), greet=False) as t:
        assert t.reply().code == 421


def test_sub_addresses_go_into_folders(post, tmp_path):
    letter = tmp_path / "letter.eml"
    letter.write_bytes(TEXT)
    for folder in ("list", "Sent"):
        post.cli("mailbox", "import", ALICE.decode(), str(letter), "--folder", folder)

    def there(folder):
        text = post.cli("mailbox", "list", ALICE.decode(), "--folder", folder, "--json").stdout.decode()
        return text.count('"uid"')

    was = {folder: there(folder) for folder in ("INBOX", "list", "Sent")}
    assert was["list"] == 1 and was["Sent"] == 1
    with Talk(("127.0.0.1", post.ports["lmtp"])) as t:
        t.begin(rcpts=[b"alice+list@yizhan.test"], hello=b"LHLO x")
        t.send(b"BDAT %d LAST\r\n" % len(TEXT) + TEXT)
        assert t.reply().code == 250
    with smtplib.SMTP(*post.smtp) as s:  # by SMTP as well
        for detail in ("list", "nowhere", "Sent", "INBOX"):
            s.sendmail("a@peer.example", ["alice+%s@yizhan.test" % detail], TEXT)
    assert {folder: there(folder) for folder in was} == {"INBOX": was["INBOX"] + 3, "list": 3, "Sent": 1}
