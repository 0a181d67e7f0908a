"""Bad input gets its reply, and costs neither the connection (unless the reply is 421) nor memory nor time."""

import threading
import time

import pytest

from station import Yizhan
from talk import HERMETIC, Control, Talk, memory_kib, play, small_quarantine, wait_idle

PATIENT = ("errors_soft = 1000000 errors_hard = 1000000 errors_delay = 0 junk_commands = 1000000 "
           "transactions = 1000000")
GROWTH_KIB = 48 * 1024  # what a test may add to the server's memory


@pytest.fixture(scope="module")
def patient():
    with small_quarantine(), Yizhan(conf="demo = yes\nlimits { %s }\n" % PATIENT + HERMETIC) as station:
        yield station


@pytest.fixture
def few(make_station):
    """Small limits."""
    return make_station(conf="demo = yes\nlimits { message = 100K text_line = 1000 %s }\n" % PATIENT + HERMETIC)


def lives(t):
    assert t.ask(b"NOOP").both == "250 2.0.0"


class Feed(threading.Thread):
    """Sends pieces while somebody else reads the replies."""

    def __init__(self, t, pieces):
        super().__init__(daemon=True)
        self.t, self.pieces = t, pieces
        self.start()

    def run(self):
        try:
            for piece in self.pieces:
                self.t.send(piece)
        except OSError:
            pass


def tally(t, count=None):
    """{first words of a reply line: how often}, until so many lines came or the server hangs up."""
    found, seen = {}, 0
    with t.sock.makefile("rb", buffering=1 << 20) as f:
        for line in f:
            seen += 1
            key = line[:9].decode().rstrip()
            found[key] = found.get(key, 0) + 1
            if seen == count:
                break
    return found


# ---- lines ----


@pytest.mark.parametrize("cuts", [None, 1], ids=["one_write", "octet_by_octet"])
@pytest.mark.parametrize("octets", [2047, 2048, 2049, 4096, 4097, 20000])
def test_command_line(patient, octets, cuts):
    """2,048 octets with CRLF; one more is 500 5.5.2, and the next command is a command again."""
    line = b"NOOP " + b"x" * (octets - 7) + b"\r\n"
    with Talk(patient.smtp) as t:
        t.send(line + b"RSET\r\n", cuts)
        assert t.reply().both == ("250 2.0.0" if octets <= 2048 else "500 5.5.2")
        assert t.reply().both == "250 2.0.0"
        lives(t)


def test_command_line_without_end(patient):
    """64 MB and no line end in them: skipped in bounded memory."""
    with Talk(patient.smtp) as t:
        lives(t)
        before = memory_kib(patient.pid)
        piece = b"MAIL FROM:<" + b"x" * (1 << 20)
        for _ in range(64):
            t.send(piece)
        assert memory_kib(patient.pid) - before < GROWTH_KIB
        t.send(b"\r\n")
        assert t.reply().both == "500 5.5.2"
        lives(t)


def test_command_line_of_a_transaction(patient):
    """A line too long changes nothing of the transaction that is under way."""
    with Talk(patient.smtp) as t:
        t.begin()
        assert t.ask(b"RCPT TO:<" + b"x" * 3000 + b"@yizhan.test>").both == "500 5.5.2"
        assert t.ask(b"DATA").code == 354
        t.send(b"Subject: x\r\n\r\n.\r\n")
        assert t.reply().both == "250 2.0.0"


@pytest.mark.parametrize("line, reply", [
    (b"FROB", "500 5.5.2"), (b"", "500 5.5.2"), (b" ", "500 5.5.2"), (b"\0", "500 5.5.2"), (b"NOOP\0", "500 5.5.2"),
    (b"NO\x1bOP", "500 5.5.2"), (b"NOOP \x7f", "500 5.5.2"), (b"\xff\xfe", "500 5.5.2"), (b"NOOPX", "500 5.5.2"),
    ("\u2028NOOP".encode(), "500 5.5.2"), (b"NOOP\rNOOP", "500 5.5.2"), (b"NOOP\tx", "500 5.5.2"),
    (b"EXPN all", "502 5.5.1"), (b"AUTH PLAIN", "502 5.5.1"), (b"AUTH PLAIN !!!!", "502 5.5.1"),
    (b"AUTH PLAIN AGEAYg", "502 5.5.1"), (b"AUTH LOGIN ====", "502 5.5.1"), (b"TURN", "502 5.5.1"), (b"%s%n%x", "500 5.5.2"),
])
def test_lines_that_are_no_command(patient, line, reply):
    with Talk(patient.smtp) as t:
        t.ask(b"EHLO x")
        assert t.ask(line).both == reply
        lives(t)


def test_bare_line_feed_ends_no_command(patient):
    with Talk(patient.smtp) as t:
        t.send(b"EHLO x\nMAIL FROM:<a@b>\r\n")
        assert t.reply().both == "500 5.5.2"
        assert t.reply().both == "503 5.5.1"  # the EHLO was none
        lives(t)


@pytest.mark.parametrize("octets, reply", [(998, "250 2.0.0"), (999, "550 5.6.0"), (100, "250 2.0.0"), (50000, "550 5.6.0")])
@pytest.mark.parametrize("way", ["data", "bdat"])
def test_text_line(few, octets, reply, way):
    """A line of text beyond the configured length is refused at its end."""
    body = b"Subject: long\r\n\r\nshort\r\n" + b"x" * octets + b"\r\n"
    with Talk(few.smtp) as t:
        t.begin()
        if way == "data":
            t.ask(b"DATA")
            t.send(body + b".\r\n")
        else:
            t.send(b"BDAT %d LAST\r\n" % len(body) + body)
        assert t.reply().both == reply
        assert t.ask(b"DATA").both == "503 5.5.1"
        lives(t)


def test_text_line_of_any_length_by_default(patient):
    body = b"Subject: one line\r\n\r\n" + b"x" * (5 << 20) + b"\r\n"
    with Talk(patient.smtp) as t:
        assert t.deliver(body).both == "250 2.0.0"
    with Control(patient) as control:
        rows = control.ask("mailbox.list", address="alice@yizhan.test")
        assert control.octets("alice@yizhan.test", rows[-1]["uid"]).endswith(body)


# ---- parameters ----


@pytest.mark.parametrize("params, reply", [
    # xtext (RFC 3461 section 4): "+" and two upper-case hexadecimal digits, or a printable that is neither + nor =
    (b"ENVID=abc", "250 2.1.0"), (b"ENVID=a+2Bb", "250 2.1.0"), (b"ENVID=+", "501 5.5.4"), (b"ENVID=a+", "501 5.5.4"),
    (b"ENVID=a+4", "501 5.5.4"), (b"ENVID=+4g", "501 5.5.4"), (b"ENVID=+2b", "501 5.5.4"), (b"ENVID=++", "501 5.5.4"),
    (b"ENVID=a=b", "501 5.5.4"), (b"ENVID=", "501 5.5.4"), (b"ENVID", "501 5.5.4"), (b"ENVID=+0D+0A", "501 5.5.4"),
    (b"ENVID=+00", "501 5.5.4"), (b"ENVID=+7F", "501 5.5.4"), (b"ENVID=+FF", "501 5.5.4"), (b"ENVID=" + b"x" * 100, "250 2.1.0"),
    (b"ENVID=" + b"x" * 101, "501 5.5.4"), (b"ENVID=a ENVID=a", "501 5.5.4"), (b"ENVID=\xff", "501 5.5.4"),
    # SIZE (RFC 1870)
    (b"SIZE=0", "250 2.1.0"), (b"SIZE=52428800", "250 2.1.0"), (b"SIZE=52428801", "552 5.3.4"),
    (b"SIZE=18446744073709551615", "552 5.3.4"), (b"SIZE=18446744073709551616", "552 5.3.4"),
    (b"SIZE=99999999999999999999", "552 5.3.4"), (b"SIZE=999999999999999999999", "501 5.5.4"), (b"SIZE=-1", "501 5.5.4"),
    (b"SIZE=+1", "501 5.5.4"), (b"SIZE=0x10", "501 5.5.4"), (b"SIZE=1e3", "501 5.5.4"), (b"SIZE=", "501 5.5.4"), (b"SIZE", "501 5.5.4"),
    (b"SIZE=1 SIZE=1", "501 5.5.4"),
    (b"BODY=7BIT", "250 2.1.0"), (b"BODY=9BIT", "501 5.5.4"), (b"BODY=", "501 5.5.4"), (b"BODY", "501 5.5.4"),
    (b"RET=HDRS", "250 2.1.0"), (b"RET=ALL", "501 5.5.4"), (b"SMTPUTF8=1", "501 5.5.4"), (b"SMTPUTF8", "250 2.1.0"),
    # base64 belongs to AUTH, which is not offered
    (b"AUTH=<>", "555 5.5.4"), (b"AUTH=!!!!", "555 5.5.4"), (b"X=1", "555 5.5.4"), (b"=1", "501 5.5.4"), (b"-X=1", "501 5.5.4"),
    (b"X Y Z", "555 5.5.4"), (b"X=\x01", "500 5.5.2"), (b" ".join(b"P%d=1" % i for i in range(40)), "555 5.5.4"),
])
def test_parameters_of_mail(patient, params, reply):
    with Talk(patient.smtp) as t:
        t.ask(b"EHLO x")
        assert t.ask(b"MAIL FROM:<a@peer.example> " + params).both == reply
        lives(t)
        assert t.ask(b"RCPT TO:<alice@yizhan.test>").both == ("250 2.1.5" if reply[0] == "2" else "503 5.5.1")


@pytest.mark.parametrize("params, reply", [
    (b"ORCPT=rfc822;a+2Bb@c.example", "250 2.1.5"), (b"ORCPT=rfc822;a+2", "501 5.5.4"), (b"ORCPT=rfc822;a+zz", "501 5.5.4"),
    (b"ORCPT=rfc822;a+0D+0ABcc:+20b", "501 5.5.4"), (b"ORCPT=;a", "501 5.5.4"), (b"ORCPT=rfc822;", "501 5.5.4"),
    (b"ORCPT=rfc822", "501 5.5.4"), (b"ORCPT=r c;a", "501 5.5.4"), (b"ORCPT=rfc822;" + b"x" * 500, "501 5.5.4"),
    (b"NOTIFY=SUCCESS,FAILURE,DELAY", "250 2.1.5"), (b"NOTIFY=NEVER", "250 2.1.5"), (b"NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
    (b"NOTIFY=", "501 5.5.4"), (b"NOTIFY=,", "501 5.5.4"), (b"NOTIFY=SUCCESS,", "501 5.5.4"), (b"NOTIFY=X", "501 5.5.4"),
    (b"SIZE=1", "555 5.5.4"), (b"X", "555 5.5.4"),
])
def test_parameters_of_rcpt(patient, params, reply):
    with Talk(patient.smtp) as t:
        t.ask(b"EHLO x")
        t.ask(b"MAIL FROM:<a@peer.example>")
        assert t.ask(b"RCPT TO:<alice@yizhan.test> " + params).both == reply
        lives(t)


# ---- sizes ----


def test_a_message_larger_than_the_limit(few):
    """552 5.3.4 at its end, by DATA and in chunks; what was announced does not matter."""
    body = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 6000
    with Talk(few.smtp) as t:
        assert t.deliver(body, params=b" SIZE=100").both == "552 5.3.4"
        assert t.ask(b"DATA").both == "503 5.5.1"
        t.begin(hello=None)
        t.send(b"BDAT %d LAST\r\n" % len(body) + body)
        assert t.reply().both == "552 5.3.4"
        t.begin(hello=None)
        for _ in range(3):  # the second chunk passes the limit; the third has no transaction any more
            t.send(b"BDAT 60000\r\n" + body[:60000])
        assert [t.reply().both for _ in range(3)] == ["250 2.0.0", "552 5.3.4", "503 5.5.1"]
        lives(t)
    with Control(few) as control:
        assert control.ask("mailbox.list", address="alice@yizhan.test") == []


@pytest.mark.parametrize("size, codes", [
    (b"18446744073709551615", [552, 421]), (b"18446744073709551615 LAST", [552, 421]), (b"9223372036854775808", [552, 421]),
    (b"200000000", [552, 421]), (b"18446744073709551616", [501, 421]), (b"99999999999999999999999999", [501, 421]),
    (b"-1", [501, 421]), (b"+5", [501, 421]), (b"0x10", [501, 421]), (b"5 5", [501, 421]), (b"5 LASTX", [501, 421]),
    (b"", [501, 421]), (b"LAST", [501, 421]), (b"5 LAST x", [501, 421]), (b"5.0", [501, 421]),
])
@pytest.mark.parametrize("phase", ["rcpt", "no_transaction"])
def test_sizes_of_chunks(patient, size, codes, phase):
    """A chunk that is too much to be thrown away, or whose size nobody can read, ends the connection: what follows
    could be anything."""
    with Talk(patient.smtp) as t:
        t.begin() if phase == "rcpt" else t.ask(b"EHLO x")
        t.send(b"BDAT " + size + b"\r\nRSET\r\nMAIL FROM:<evil@peer.example>\r\n")
        assert [r.code for r in t.rest()] == codes


def test_a_chunk_out_of_turn_is_read_to_its_end(patient):
    """RFC 3030 section 2: what it holds is no command, also when it is refused."""
    with Talk(patient.smtp) as t:
        t.ask(b"EHLO x")
        inside = b"QUIT\r\n" * 20000
        t.send(b"BDAT %d\r\n" % len(inside) + inside + b"RSET\r\n")
        assert [t.reply().both for _ in range(2)] == ["503 5.5.1", "250 2.0.0"]
        lives(t)


# ---- counts ----


MILLION = 1000000


def test_a_million_chunks_of_one_octet(patient):
    """Pipelined: each is answered, the letter is whole, and memory does not know how many there were."""
    body = b"Subject: chunks\r\n\r\n" + b"x" * (MILLION - 22) + b"\r\n"
    assert len(body) == MILLION - 1
    with Talk(patient.smtp, seconds=60) as t:
        t.begin()
        before, begin = memory_kib(patient.pid), time.monotonic()
        pieces = (b"".join(b"BDAT 1\r\n%c" % c for c in body[i:i + 5000]) for i in range(0, len(body), 5000))
        feed = Feed(t, (piece for source in (pieces, [b"BDAT 0 LAST\r\n"]) for piece in source))
        assert tally(t, MILLION) == {"250 2.0.0": MILLION}
        feed.join()
        assert memory_kib(patient.pid) - before < GROWTH_KIB
        assert time.monotonic() - begin < 60
        # and one more than is allowed
        t.begin(hello=None)
        feed = Feed(t, [b"BDAT 0\r\n" * 10000] * 100 + [b"BDAT 0\r\nBDAT 0 LAST\r\n"])
        assert tally(t, MILLION + 2) == {"250 2.0.0": MILLION, "552 5.3.4": 1, "503 5.5.1": 1}
        feed.join()
        lives(t)
    with Control(patient) as control:
        assert control.letters("alice@yizhan.test")["chunks"].endswith(b"\r\n" + body)


RECIPIENTS = 100000


def recipients():
    return (b"".join(b"RCPT TO:<alice+%d@yizhan.test>\r\n" % n for n in range(i, i + 1000))
            for i in range(0, RECIPIENTS, 1000))


def test_a_hundred_thousand_recipients(patient):
    """1,000 are taken, each further one hears 452 4.5.3, and the letter goes to those that were taken."""
    with Talk(patient.smtp, seconds=60) as t:
        t.ask(b"EHLO x"), t.ask(b"MAIL FROM:<a@peer.example>")
        before = memory_kib(patient.pid)
        feed = Feed(t, recipients())
        assert tally(t, RECIPIENTS) == {"250 2.1.5": 1000, "452 4.5.3": RECIPIENTS - 1000}
        feed.join()
        assert memory_kib(patient.pid) - before < GROWTH_KIB
        t.ask(b"DATA")
        t.send(b"Subject: many\r\n\r\n.\r\n")
        assert t.reply().both == "250 2.0.0"
    with Control(patient) as control:
        assert "many" in control.letters("alice@yizhan.test")  # once: letters() knows


def test_a_hundred_thousand_recipients_end_with_421(make_station):
    """With the usual limits a client that never stops is forgiven 1,000 surplus recipients, then it hears 421."""
    station = make_station(conf="demo = yes\nlimits { errors_delay = 0 }\n" + HERMETIC)
    with Talk(station.smtp) as t:
        t.ask(b"EHLO x"), t.ask(b"MAIL FROM:<a@peer.example>")
        feed = Feed(t, recipients())
        try:
            found = tally(t)
        except ConnectionResetError:  # it hung up while we still spoke; what it said last may be lost
            found = None
        feed.join()
    assert found in (None, {"250 2.1.5": 1000, "452 4.5.3": 1020, "421 4.7.0": 1})
    wait_idle(station)
    station.wait_log(" end=errors ")


def test_nothing_is_left_of_all_this(patient):
    """Last in this file: nobody is connected, no budget is spent, the store is sound."""
    wait_idle(patient)
    patient.cli("check")
    assert play(patient.smtp, b"QUIT\r\n")[-1].code == 221
