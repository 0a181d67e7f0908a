"""A keyword is advertised only when every path honours it: what each does for a mailbox, for the next hop, and for the
report about a letter that failed. A keyword without its cases here fails the first test."""

import itertools
import os
import re
import smtplib
import ssl
import sys
import time

import pytest

from letters import find_letter, find_letters
from reports import Report, typed
from station import TOP, Yizhan
from talk import HERMETIC, Talk

sys.path.insert(0, os.path.join(TOP, "tests", "peers"))
from peers import self_signed  # noqa: E402
from pysink import PySink, Reset, Stall  # noqa: E402,F401

ALICE, BOB, NOBODY = "alice@yizhan.test", "bob@yizhan.test", "nobody@yizhan.test"
UTF8 = "驿站@yizhan.test"
SIZE_MAX, RCPT_MAX, MAIL_MAX = 300 * 1024, 100, 40
CONF = HERMETIC + """
demo = yes
relay_networks = { "127.0.0.0/8" }
limits { message = %d recipients = %d transactions = %d errors_soft = 1000 errors_hard = 1000 }
listener smtp { address = { "127.0.0.1:2525" } }
listener lmtp { address = { "127.0.0.1:1100" } protocol = lmtp }
""" % (SIZE_MAX, RCPT_MAX, MAIL_MAX)

PATHS = ("mailbox", "relay", "bounce")
# What concerns the talk alone never meets a letter.
TALK_ONLY = ("VRFY", "HELP")
CASES = {}


def shows(keyword, *paths):
    """Marks a test as the one that shows this keyword's effect on these paths."""
    def mark(test):
        for path in paths:
            CASES.setdefault((keyword, path), []).append(test.__name__)
        return test
    return mark


ALL = ["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A certificate for 127.0.0.1 and localhost that `us` believes."""
    return self_signed(str(tmp_path_factory.mktemp("pair")))


@pytest.fixture(scope="module")
def us(pair):
    with Yizhan(conf=CONF + 'tls_policy { ca_file = "%s" }\n' % pair[0]) as server:
        server.cli("account", "add", UTF8, "--no-password")
        yield server


NUMBERS = itertools.count()


@pytest.fixture
def hop(us):
    """A function: start a next hop with these keywords; (PySink, its domain)."""
    started = []

    def start(caps=ALL, refuse=None, **settings):
        sink = PySink(caps=caps, **settings).__enter__()
        domain = "hop%d-%d.test" % (sink.port, next(NUMBERS))  # a port may come again
        started.append(sink)
        us.cli("route", "add", domain, "127.0.0.1:%d" % sink.port)
        if refuse:
            sink.on("rcpt", refuse, rcpt="ghost@" + domain)
        return sink, domain
    yield start
    for sink in started:
        sink.__exit__(None, None, None)


def without(*gone):
    return [word for word in ALL if word.split()[0] not in gone]


def letter(subject, *lines):
    return ("From: <%s>\r\nSubject: %s\r\n\r\n" % (ALICE, subject) + "\r\n".join(lines or ("Hello.",)) + "\r\n").encode()


def send(us, sender, rcpts, body, mail=(), rcpt=()):
    with smtplib.SMTP(*us.smtp, timeout=20) as client:
        client.ehlo()
        return client.sendmail(sender, rcpts, body, mail_options=list(mail), rcpt_options=list(rcpt))


def bdat(talk, chunks, mail=b"", rcpts=(ALICE.encode(),), sender=ALICE.encode()):
    """A transaction by BDAT; its last reply."""
    talk.begin(sender=sender, rcpts=rcpts, params=mail)
    for i, chunk in enumerate(chunks):
        talk.send(b"BDAT %d%s\r\n%s" % (len(chunk), b" LAST" if i == len(chunks) - 1 else b"", chunk))
        reply = talk.reply()
        assert reply.code == 250, reply
    return reply


def reports(us, address, subject):
    """The reports in a mailbox about letters of this subject."""
    found = []
    for row in us.mailbox(address):
        if "Mail" in row["subject"]:
            octets = us.export(address, row["uid"])
            # not every part of a report about this letter can be read before it is known to be one
            if ("Subject: " + subject + "\r\n").encode() in octets:
                found.append((Report(octets), octets))
    return found


def wait_report(us, subject, address=ALICE):
    end = time.monotonic() + 20
    while not reports(us, address, subject):
        assert time.monotonic() < end, "no report about %s\n%s" % (subject, us.log())
        time.sleep(0.05)
    found = reports(us, address, subject)
    assert len(found) == 1
    return found[0]


# what comes by the clock comes sooner than this, also on a busy machine; the next attempt would be later
SOON = 25


def wait_idle(us):
    """Until nothing is under way any more: after that, what has not come will not come."""
    end = time.monotonic() + 20
    while us.cli_json("queue", "list", "--json"):
        assert time.monotonic() < end, us.cli("queue", "list").stdout.decode()
        time.sleep(0.05)


def keywords(reply):
    return {line.split()[0]: line.split()[1:] for line in reply.lines[1:]}


def test_every_keyword_has_its_cases(us):
    offered = {}
    for name, hello in (("smtp", b"EHLO x"), ("lmtp", b"LHLO x")):
        with Talk(("127.0.0.1", us.ports[name])) as t:
            clear = keywords(t.ask(hello))
            assert t.ask(b"STARTTLS").code == 220
            t.handshake()
            inside = keywords(t.ask(hello))
        assert set(clear) - set(inside) == {"STARTTLS"} and set(inside) - set(clear) == {"REQUIRETLS"}
        offered[name] = {**clear, **inside}
    # for those who may relay; LMTP delivers, and holds nothing
    assert offered["smtp"].pop("FUTURERELEASE") and offered["smtp"] == offered["lmtp"]
    offered["smtp"]["FUTURERELEASE"] = []
    missing = [(word, path) for word in offered["smtp"] for path in (("talk",) if word in TALK_ONLY else PATHS)
               if (word, path) not in CASES]
    assert missing == []
    # and nothing is tested that is not offered
    assert {word for word, _ in CASES} == set(offered["smtp"])


# -- PIPELINING (RFC 2920) ------------------------------------------------------------------------------------

@shows("PIPELINING", "mailbox")
def test_pipelining_two_letters_in_three_writes(us):
    with Talk(us.smtp) as t:
        t.send(b"EHLO x\r\nMAIL FROM:<me@a.example>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (
            ALICE.encode(), NOBODY.encode(), BOB.encode()))
        assert [t.reply().code for _ in range(6)] == [250, 250, 250, 550, 250, 354]
        # the next transaction rides behind the final dot
        t.send(letter("pipelined 1") + b".\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nDATA\r\n" % ALICE.encode())
        assert [t.reply().code for _ in range(4)] == [250, 250, 250, 354]
        t.send(letter("pipelined 2") + b".\r\nNOOP\r\nQUIT\r\n")
        assert [r.code for r in t.rest()] == [250, 250, 221]
    assert find_letter(us, ALICE, "pipelined 1").content == letter("pipelined 1")
    assert find_letter(us, BOB, "pipelined 1").content == letter("pipelined 1")
    assert find_letter(us, ALICE, "pipelined 2").return_path == ""
    assert find_letters(us, BOB, "pipelined 2") == []


@shows("PIPELINING", "relay", "bounce")
def test_pipelining_to_a_next_hop_that_refuses_one(us, hop):
    sink, domain = hop(refuse="550 5.1.1 nobody")
    with Talk(us.smtp) as t:
        t.send(b"EHLO x\r\nMAIL FROM:<%s>\r\nRCPT TO:<one@%s>\r\nRCPT TO:<ghost@%s>\r\nDATA\r\n" % (
            ALICE.encode(), domain.encode(), domain.encode()))
        assert [t.reply().code for _ in range(5)] == [250, 250, 250, 250, 354]
        t.send(letter("pipelined on") + b".\r\nQUIT\r\n")
        assert [r.code for r in t.rest()] == [250, 221]
    assert sink.wait(1)[0].rcpts == ["one@" + domain]
    assert list(wait_report(us, "pipelined on")[0].rcpts) == ["ghost@" + domain]
    assert len(sink.letters) == 1


# -- SIZE (RFC 1870) ------------------------------------------------------------------------------------------

@shows("SIZE", "mailbox")
def test_size_is_what_is_taken(us):
    with Talk(us.smtp) as t:
        assert keywords(t.ask(b"EHLO x"))["SIZE"] == [str(SIZE_MAX)]
        assert t.ask(b"MAIL FROM:<me@a.example> SIZE=%d" % (SIZE_MAX + 1)).both == "552 5.3.4"
        head = letter("size exact")
        line = b"x" * 998 + b"\r\n"
        body = head + line * ((SIZE_MAX - len(head)) // 1000)
        body += b"y" * (SIZE_MAX - len(body) - 2) + b"\r\n"
        assert t.deliver(body, hello=None, params=b" SIZE=%d" % SIZE_MAX).code == 250
        # one octet more, not declared
        reply = t.deliver(body.replace(b"size exact", b"size  above"), hello=None)
        assert reply.both == "552 5.3.4"
        assert t.deliver(letter("size after"), hello=None, params=b" SIZE=1").code == 250
    assert len(find_letter(us, ALICE, "size exact").content) == SIZE_MAX
    assert find_letters(us, ALICE, "size  above") == []
    find_letter(us, ALICE, "size after")


@shows("SIZE", "relay")
def test_size_told_to_the_next_hop_is_the_size_sent(us, hop):
    for caps in (ALL, without("CHUNKING")):
        sink, domain = hop(caps=caps)
        send(us, ALICE, ["one@" + domain], letter("size on", ".dot", "..", "x" * 100))
        got = sink.wait(1)[0]
        assert "SIZE=%d" % len(got.data) in got.sender_params


@shows("SIZE", "bounce")
def test_size_beyond_the_next_hop_comes_back(us, hop):
    sink, domain = hop(caps=["SIZE 2000"])
    send(us, ALICE, ["one@" + domain], letter("size back", *["z" * 70] * 40))
    report, _ = wait_report(us, "size back")
    assert report.rcpts["one@" + domain]["Status"] == "5.3.4"
    # the hop was not even asked
    assert not any(line.startswith("MAIL") for s in sink.sessions for line in s.lines)
    # and a report is no larger than what its reader's server takes: this one is larger than we take ourselves
    big = letter("size report", *["z" * 998] * ((SIZE_MAX - 200) // 1000))
    sink.on("rcpt", "550 5.1.1 no", rcpt="ghost@" + domain)
    send(us, ALICE, ["ghost@" + domain], big)
    report, octets = wait_report(us, "size report")
    assert len(octets) < 60 * 1024 and not report.is_full


# -- 8BITMIME (RFC 6152) --------------------------------------------------------------------------------------

EIGHT = "grüße 你好"


@shows("8BITMIME", "mailbox", "relay")
def test_eight_bit_text_goes_as_it_is(us, hop):
    sink, domain = hop()
    sent = letter("eight on", EIGHT) + b"latin \xfc\xff\x80\r\n"
    send(us, ALICE, [BOB, "one@" + domain], sent, mail=["BODY=8BITMIME"])
    assert find_letter(us, BOB, "eight on").content == sent
    got = sink.wait(1)[0]
    assert "BODY=8BITMIME" in got.sender_params and got.data.endswith(sent)


@shows("8BITMIME", "bounce")
def test_eight_bit_text_that_the_next_hop_does_not_take(us, hop):
    sink, domain = hop(caps=without("8BITMIME"))
    sent = letter("eight back", EIGHT)
    send(us, ALICE, ["one@" + domain], sent, mail=["BODY=8BITMIME"])
    report, octets = wait_report(us, "eight back")
    assert report.rcpts["one@" + domain]["Status"] == "5.6.3"
    assert report.is_full and sent in octets
    assert report.msg.get_payload(2)["Content-Transfer-Encoding"] == "8bit"
    assert sink.letters == []


@shows("8BITMIME", "bounce")
def test_report_about_eight_bit_text_reaches_a_seven_bit_server(us, hop):
    """The sender's own server takes 7-bit mail only: he is told all the same."""
    home, at_home = hop(caps=without("8BITMIME", "SMTPUTF8"))
    far, at_far = hop(refuse="550 5.1.1 nobody")
    send(us, "me@" + at_home, ["ghost@" + at_far], letter("eight home", EIGHT), mail=["BODY=8BITMIME"])
    got = home.wait(1)[0]
    assert got.sender == "" and got.rcpts == ["me@" + at_home]
    report = Report(got.data)
    assert report.rcpts["ghost@" + at_far]["Status"] == "5.1.1"


# -- CHUNKING (RFC 3030) --------------------------------------------------------------------------------------

@shows("CHUNKING", "mailbox", "relay")
def test_chunks_are_joined_and_dots_are_dots(us, hop):
    with_chunks, domain = hop()
    with_dots, other = hop(caps=without("CHUNKING", "BINARYMIME"))
    sent = letter("chunks on", ".", "..two", ".three", "end")
    with Talk(us.smtp) as t:
        bdat(t, [sent[:40], sent[40:41], b"", sent[41:], b""],
             rcpts=[BOB.encode(), b"one@" + domain.encode(), b"two@" + other.encode()])
    assert find_letter(us, BOB, "chunks on").content == sent
    got = with_chunks.wait(1)[0]
    assert got.data.endswith(sent) and sum(got.chunks) == len(got.data)
    got = with_dots.wait(1)[0]
    assert got.data.endswith(sent) and got.chunks == []
    assert b"\r\n..\r\n...two\r\n..three\r\n" in got.wire


@shows("CHUNKING", "bounce")
def test_chunks_come_back_whole(us, hop):
    _, domain = hop(refuse="550 5.1.1 nobody")
    sent = letter("chunks back", ".", "..two")
    with Talk(us.smtp) as t:
        bdat(t, [sent[:30], sent[30:]], rcpts=[b"ghost@" + domain.encode()])
    report, octets = wait_report(us, "chunks back")
    assert report.is_full and sent in octets


# -- BINARYMIME (RFC 3030) ------------------------------------------------------------------------------------

BINARY = bytes(range(256)) + b"\r\n.\r\nbare \r and \n and \0 and \xff"


@shows("BINARYMIME", "mailbox", "relay")
def test_binary_content_is_content(us, hop):
    sink, domain = hop()
    sent = letter("binary on") + BINARY
    with Talk(us.smtp) as t:
        bdat(t, [sent[:100], sent[100:]], mail=b" BODY=BINARYMIME", rcpts=[BOB.encode(), b"one@" + domain.encode()])
    assert find_letter(us, BOB, "binary on").content == sent
    got = sink.wait(1)[0]
    assert "BODY=BINARYMIME" in got.sender_params and got.data.endswith(sent) and got.chunks


@shows("BINARYMIME", "bounce")
@pytest.mark.parametrize("gone", ["BINARYMIME", "CHUNKING"])
def test_binary_content_comes_back_as_lines(us, hop, gone):
    sink, domain = hop(caps=without(gone))
    subject = "binary back " + gone
    with Talk(us.smtp) as t:
        bdat(t, [letter(subject) + BINARY], mail=b" BODY=BINARYMIME", rcpts=[b"one@" + domain.encode()])
    report, octets = wait_report(us, subject)
    assert report.rcpts["one@" + domain]["Status"] == "5.6.3"
    assert not report.is_full and report.original["Subject"] == subject
    # a report is made of lines
    assert b"\0" not in octets and not re.search(rb"\r(?!\n)|(?<!\r)\n", octets)
    assert sink.letters == []


# -- SMTPUTF8 (RFC 6531, 6533) --------------------------------------------------------------------------------

@shows("SMTPUTF8", "mailbox", "relay")
def test_utf8_addresses_go_on(us, hop):
    sink, domain = hop()
    sent = letter("utf8 八位 on", EIGHT)
    send(us, UTF8, [UTF8, "收件人@" + domain], sent, mail=["SMTPUTF8", "BODY=8BITMIME"])
    assert find_letter(us, UTF8, "utf8 八位 on").return_path == UTF8
    got = sink.wait(1)[0]
    assert "SMTPUTF8" in got.sender_params and got.data.endswith(sent)
    assert got.sender.encode("latin-1").decode() == UTF8
    assert got.rcpts[0].encode("latin-1").decode() == "收件人@" + domain
    assert "with UTF8SMTP id" in got.data.decode()


@shows("SMTPUTF8", "bounce")
def test_utf8_addresses_come_back_as_such(us, hop):
    sink, domain = hop(caps=without("SMTPUTF8"))
    send(us, UTF8, ["收件人@" + domain], letter("utf8 back", EIGHT), mail=["SMTPUTF8", "BODY=8BITMIME"],
         rcpt=["ORCPT=utf-8;\\x{539F}@" + domain])
    report, _ = wait_report(us, "utf8 back", UTF8)
    assert report.machine_type == "message/global-delivery-status"
    rcpt = report.rcpts["收件人@" + domain]
    assert rcpt["Status"] == "5.6.7"
    assert typed(rcpt["Final-Recipient"])[0] == "utf-8"
    assert typed(rcpt["Original-Recipient"]) == ("utf-8", "原@" + domain)
    assert report.msg["To"] == UTF8 and "收件人@" + domain in report.text
    assert sink.letters == []


@shows("SMTPUTF8", "bounce")
def test_report_about_utf8_addresses_reaches_a_server_without_them(us, hop):
    """An ASCII sender behind a server without SMTPUTF8: told in the old form (RFC 6533 section 4)."""
    home, at_home = hop(caps=without("SMTPUTF8"))
    far, at_far = hop(refuse="550 5.1.1 nobody")
    far.on("rcpt", "550 5.1.1 nobody")
    send(us, "me@" + at_home, ["收件人@" + at_far], letter("utf8 home"), mail=["SMTPUTF8"])
    got = home.wait(1)[0]
    assert got.rcpts == ["me@" + at_home] and "SMTPUTF8" not in got.sender_params
    report = Report(got.data)
    assert report.machine_type == "message/delivery-status"
    rcpt, = report.rcpts.values()
    assert typed(rcpt["Final-Recipient"]) == ("utf-8", "\\x{6536}\\x{4EF6}\\x{4EBA}@" + at_far)


# -- DSN (RFC 3461) -------------------------------------------------------------------------------------------

@shows("DSN", "mailbox")
def test_dsn_tells_of_a_delivery_here(us):
    send(us, ALICE, [BOB], letter("dsn here"), mail=["ENVID=a+2Bb", "RET=HDRS"],
         rcpt=["NOTIFY=SUCCESS", "ORCPT=rfc822;old+2Bbob@a.example"])
    report, _ = wait_report(us, "dsn here")
    assert report.fields["Original-Envelope-Id"] == "a+b"
    assert report.rcpts[BOB]["Action"] == "delivered" and report.rcpts[BOB]["Status"][0] == "2"
    assert typed(report.rcpts[BOB]["Original-Recipient"]) == ("rfc822", "old+bob@a.example")
    # asked for failures only: nothing
    send(us, ALICE, [BOB], letter("dsn quiet"), rcpt=["NOTIFY=FAILURE"])
    wait_idle(us)
    assert reports(us, ALICE, "dsn quiet") == []


@shows("DSN", "relay")
def test_dsn_is_passed_on_word_for_word_or_answered_here(us, hop):
    sink, domain = hop()
    send(us, ALICE, ["one@" + domain], letter("dsn on"), mail=["ENVID=a+2Bb+3D", "RET=HDRS"],
         rcpt=["NOTIFY=SUCCESS,FAILURE,DELAY", "ORCPT=rfc822;old+2Bone@a.example"])
    got = sink.wait(1)[0]
    assert {"ENVID=a+2Bb+3D", "RET=HDRS"} <= set(got.sender_params)
    params = dict(p.split("=", 1) for p in got.rcpt_params["one@" + domain])
    assert set(params["NOTIFY"].split(",")) == {"SUCCESS", "FAILURE", "DELAY"}
    assert params["ORCPT"] == "rfc822;old+2Bone@a.example"
    wait_idle(us)
    assert reports(us, ALICE, "dsn on") == []
    old, domain = hop(caps=without("DSN"))
    send(us, ALICE, ["one@" + domain], letter("dsn relayed"), rcpt=["NOTIFY=SUCCESS"])
    report, _ = wait_report(us, "dsn relayed")
    assert report.rcpts["one@" + domain]["Action"] == "relayed" and old.wait(1)[0].rcpt_params["one@" + domain] == []


@shows("DSN", "bounce")
def test_dsn_says_what_comes_back(us, hop):
    _, domain = hop(refuse="550 5.1.1 nobody")
    for subject, mail, rcpt, is_full in (("dsn full", ["RET=FULL"], [], True), ("dsn hdrs", ["RET=HDRS"], [], False),
                                         ("dsn failure", [], ["NOTIFY=FAILURE"], True)):
        send(us, ALICE, ["ghost@" + domain], letter(subject), mail=mail + ["ENVID=" + subject.replace(" ", "-")], rcpt=rcpt)
        report, octets = wait_report(us, subject)
        assert report.is_full == is_full and (b"Hello." in octets) == is_full
        assert report.fields["Original-Envelope-Id"] == subject.replace(" ", "-")
    for subject, notify in (("dsn never", "NEVER"), ("dsn success", "SUCCESS"), ("dsn delay", "DELAY")):
        send(us, ALICE, ["ghost@" + domain], letter(subject), rcpt=["NOTIFY=" + notify])
        wait_idle(us)
        assert reports(us, ALICE, subject) == []


# -- ENHANCEDSTATUSCODES (RFC 2034) ---------------------------------------------------------------------------

@shows("ENHANCEDSTATUSCODES", "mailbox")
def test_every_reply_has_a_code_of_its_class(us):
    commands = ["MAIL FROM:<me@a.example>", "RCPT TO:<%s>" % NOBODY, "RCPT TO:<%s>" % ALICE, "DATA", "NOOP", "VRFY x",
                "RSET", "RCPT TO:<%s>" % ALICE, "DATA", "MAIL FROM:<a b>", "MAIL FROM:<me@a.example> SIZE=99999999999",
                "MAIL FROM:<me@a.example> FOO=1", "RCPT TO:<x@>", "HELP", "EXPN x", "FOO", "STARTTLS now",
                "BDAT 0 LAST", "NOOP x", "BDAT x"]
    with Talk(us.smtp) as t:
        assert t.greeting.code == 220 and t.ask(b"EHLO x").code == 250
        for command in commands:
            reply = t.ask(command.encode())
            if reply.code == 354:
                t.send(letter("codes") + b".\r\n")
                reply = t.reply()
            # RFC 2034 section 4: 2xx, 4xx and 5xx, but not greeting, EHLO and HELO
            assert reply.enhanced.split(".")[0] == str(reply.code)[0], (command, reply)
            for line in reply.lines:
                assert line.startswith(reply.enhanced + " "), (command, reply)
        # after a BDAT without a size nobody knows where the next command begins
        assert [r.both for r in t.rest()] == ["421 4.5.2"]
    with Talk(us.smtp) as t:
        assert t.ask(b"QUIT").both == "221 2.0.0"


@shows("ENHANCEDSTATUSCODES", "relay", "bounce")
def test_codes_of_the_next_hop_are_told(us, hop):
    sink, domain = hop(refuse="550 5.2.1 asleep for good")
    sink.on("rcpt", "550 no code at all", rcpt="bare@" + domain)
    sink.on("rcpt", "451 4.7.1 come back", rcpt="grey@" + domain)
    send(us, ALICE, ["%s@%s" % (name, domain) for name in ("ghost", "bare", "grey")], letter("codes on"))
    report, _ = wait_report(us, "codes on")
    assert report.rcpts["ghost@" + domain]["Status"] == "5.2.1"
    assert typed(report.rcpts["ghost@" + domain]["Diagnostic-Code"])[1] == "550 5.2.1 asleep for good"
    assert report.rcpts["bare@" + domain]["Status"] == "5.0.0"
    assert typed(report.rcpts["bare@" + domain]["Diagnostic-Code"])[1] == "550 no code at all"
    waiting, = us.cli_json("queue", "list", "--destination", "127.0.0.1:%d" % sink.port, "--json") or us.cli_json(
        "queue", "list", "--json")
    assert waiting["recipient"] == "grey@" + domain
    assert (waiting["last"]["code"], waiting["last"]["enhanced"]) == (451, "4.7.1")
    us.cli("queue", "drop", "--all")


# -- STARTTLS (RFC 3207) --------------------------------------------------------------------------------------

@shows("STARTTLS", "mailbox")
def test_starttls_begins_again_in_secret(us):
    with Talk(us.smtp) as t:
        t.begin()
        assert t.ask(b"STARTTLS").code == 503  # not in the middle of a transaction
        t.ask(b"RSET")
        assert t.ask(b"STARTTLS").both == "220 2.0.0"
        t.handshake()
        # RFC 3207 section 4.2: what was said in clear is forgotten
        assert t.ask(b"MAIL FROM:<me@a.example>").code == 503
        assert "STARTTLS" not in keywords(t.ask(b"EHLO x"))
        assert t.ask(b"STARTTLS").code == 503
        assert t.deliver(letter("tls in"), hello=None).code == 250
    found = find_letter(us, ALICE, "tls in")
    assert (found.received.protocol, found.received.tls) == ("ESMTPS", "TLSv1.3")


@shows("STARTTLS", "relay", "bounce")
def test_starttls_is_used_for_letters_and_for_reports(us, hop, tmp_path):
    tls = self_signed(str(tmp_path))
    home, at_home = hop(tls=tls)
    far, at_far = hop(tls=tls, refuse="550 5.1.1 nobody")
    send(us, "me@" + at_home, ["one@" + at_far, "ghost@" + at_far], letter("tls on"))
    for sink in (far, home):
        got = sink.wait(1)[0]
        assert got.session.is_tls and got.session.tls_version == "TLSv1.3"
        # nothing but the greeting of EHLO was said in clear
        assert [line.split()[0] for line in got.session.lines[:3]] == ["EHLO", "STARTTLS", "EHLO"]
    assert list(Report(home.wait(1)[0].data).rcpts) == ["ghost@" + at_far]


# -- LIMITS (RFC 9422) ----------------------------------------------------------------------------------------

@shows("LIMITS", "mailbox")
def test_limits_are_what_is_taken(us):
    with Talk(us.smtp) as t:
        told = dict(word.split("=") for word in keywords(t.ask(b"EHLO x"))["LIMITS"])
        assert told == {"RCPTMAX": str(RCPT_MAX), "MAILMAX": str(MAIL_MAX)}
        t.begin(hello=None, rcpts=[b"alice+%d@yizhan.test" % i for i in range(RCPT_MAX)])
        assert t.ask(b"RCPT TO:<%s>" % BOB.encode()).both == "452 4.5.3"
        assert t.ask(b"DATA").code == 354
        t.send(letter("limit rcpt") + b".\r\n")
        assert t.reply().code == 250
        for i in range(1, MAIL_MAX):
            assert t.deliver(letter("limit %d" % i), hello=None).code == 250
        assert t.ask(b"MAIL FROM:<me@a.example>").code in (421, 451, 452)
    assert find_letters(us, BOB, "limit rcpt") == []
    # one mailbox, one copy
    assert len(find_letters(us, ALICE, "limit rcpt")) == len(find_letters(us, ALICE, "limit %d" % (MAIL_MAX - 1))) == 1


@shows("LIMITS", "relay", "bounce")
def test_limits_of_the_next_hop_are_kept(us, hop):
    sink, domain = hop(caps=without() + ["LIMITS RCPTMAX=2 MAILMAX=2"], refuse="550 5.1.1 nobody")
    names = ["a@" + domain, "b@" + domain, "ghost@" + domain, "c@" + domain, "d@" + domain]
    send(us, ALICE, names, letter("limits on"))
    wait_idle(us)
    letters = sink.wait(3)
    assert sorted(rcpt for one in letters for rcpt in one.rcpts) == sorted(set(names) - {"ghost@" + domain})
    assert all(len(one.rcpts) <= 2 for one in letters)
    for session in sink.sessions:
        asked = [line.split()[0] for line in session.lines if line.startswith(("MAIL", "RCPT"))]
        assert "RCPT RCPT RCPT" not in " ".join(asked)
    report, _ = wait_report(us, "limits on")
    assert list(report.rcpts) == ["ghost@" + domain]
    for i in range(5):
        send(us, ALICE, ["a@" + domain], letter("limits %d" % i))
    assert len(sink.wait(8)) == 8
    # letters one after the other: never more than two on a connection
    assert all(sum(line.startswith("MAIL") for line in s.lines) <= 2 or any("RCPT TO:<ghost" in x for x in s.lines)
               for s in sink.sessions)


# -- DELIVERBY (RFC 2852) -------------------------------------------------------------------------------------

def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def seconds_left(letter):
    """The by-time of MAIL, and what stands behind it."""
    by = [word for word in letter.sender_params if word.startswith("BY=")]
    assert len(by) == 1, letter.sender_params
    seconds, mode = by[0][3:].split(";")
    return int(seconds), mode


@shows("DELIVERBY", "mailbox")
def test_a_mailbox_is_in_time(us):
    send(us, "me@a.example", [BOB], letter("by box"), mail=["BY=60;R"])
    find_letter(us, BOB, "by box")
    with Talk(us.smtp) as t:
        t.ask(b"EHLO x")
        for wrong in (b"BY=0;R", b"BY=-1;R", b"BY=10", b"BY=10;X"):
            assert t.ask(b"MAIL FROM:<me@a.example> " + wrong).both == "501 5.5.4"
        assert t.ask(b"MAIL FROM:<me@a.example> BY=-10;N").code == 250


@shows("DELIVERBY", "relay")
def test_the_time_that_is_left_goes_along(us, hop):
    sink, domain = hop(caps=ALL + ["DELIVERBY 10"])
    send(us, ALICE, ["one@" + domain], letter("by on"), mail=["BY=300;RT"])
    seconds, mode = seconds_left(sink.wait(1)[0])
    assert 290 <= seconds <= 300 and mode == "RT"
    # T: each relay is told of, though no success was asked for
    report, _ = wait_report(us, "by on")
    assert report.rcpts["one@" + domain]["Action"] == "relayed"
    assert "Deliver-By-Date" in report.fields
    send(us, "me@a.example", ["one@" + domain], letter("by late"), mail=["BY=-30;N"])
    seconds, mode = seconds_left(sink.wait(2)[1])
    assert -40 <= seconds <= -30 and mode == "N"


@shows("DELIVERBY", "relay")
def test_a_host_that_knows_no_deadline_is_asked_to_tell_of_delays(us, hop):
    sink, domain = hop()
    send(us, ALICE, ["one@" + domain], letter("by plain"), mail=["BY=300;N"])
    got = sink.wait(1)[0]
    assert not any(word.startswith("BY=") for word in got.sender_params)
    assert got.rcpt_params["one@" + domain] == ["NOTIFY=FAILURE,DELAY"]
    report, _ = wait_report(us, "by plain")
    assert report.rcpts["one@" + domain]["Action"] == "relayed"
    send(us, ALICE, ["one@" + domain], letter("by never"), mail=["BY=300;N"], rcpt=["NOTIFY=NEVER"])
    assert sink.wait(2)[1].rcpt_params["one@" + domain] == ["NOTIFY=NEVER"]
    wait_idle(us)
    assert reports(us, ALICE, "by never") == []


@shows("DELIVERBY", "bounce")
def test_what_cannot_be_kept_comes_back(us, hop):
    sink, domain = hop()
    send(us, ALICE, ["one@" + domain], letter("by must"), mail=["BY=300;R"])
    report, _ = wait_report(us, "by must")
    assert report.rcpts["one@" + domain]["Status"] == "5.7.0"
    assert sink.letters == []


@shows("DELIVERBY", "bounce")
def test_a_deadline_comes_between_two_attempts(us, hop):
    sink, domain = hop(caps=ALL + ["DELIVERBY"])
    sink.on("rcpt", "450 4.2.0 later")
    began = time.time()
    send(us, ALICE, ["one@" + domain], letter("by return"), mail=["BY=3;R"])
    send(us, ALICE, ["two@" + domain], letter("by notify"), mail=["BY=3;N"])
    report, _ = wait_report(us, "by return")
    assert 2.5 < time.time() - began < SOON
    assert report.rcpts["one@" + domain]["Status"] == "5.4.7"
    report, _ = wait_report(us, "by notify")
    assert (report.rcpts["two@" + domain]["Action"], report.rcpts["two@" + domain]["Status"]) == ("delayed", "4.4.7")
    # and it goes on
    sink.clear()
    us.cli("queue", "retry", "--recipient", "two@" + domain)
    seconds, mode = seconds_left(sink.wait(1)[0])
    assert seconds < 0 and mode == "N"
    wait_idle(us)
    assert len(reports(us, ALICE, "by notify")) == 1


# -- MT-PRIORITY (RFC 6710) -----------------------------------------------------------------------------------

@shows("MT-PRIORITY", "mailbox")
def test_a_priority_stands_in_received(us):
    send(us, "me@a.example", [BOB], letter("rank box"), mail=["MT-PRIORITY=-4"])
    row = [row for row in us.mailbox(BOB) if row["subject"] == "rank box"][0]
    assert b"\tfor <bob@yizhan.test>\r\n\tPRIORITY -4;\r\n" in us.export(BOB, row["uid"])


@shows("MT-PRIORITY", "relay", "bounce")
def test_a_priority_goes_on_where_it_is_known(us, hop):
    knows, domain = hop(caps=ALL + ["MT-PRIORITY MIXER"])
    plain, other = hop()
    knows.on("rcpt", "550 5.1.1 no", rcpt="ghost@" + domain)
    send(us, ALICE, ["one@" + domain, "ghost@" + domain, "two@" + other], letter("rank on"), mail=["MT-PRIORITY=6"])
    assert "MT-PRIORITY=6" in knows.wait(1)[0].sender_params
    assert not any("PRIORITY" in word for word in plain.wait(1)[0].sender_params)
    report, octets = wait_report(us, "rank on")
    assert list(report.rcpts) == ["ghost@" + domain]
    send(us, ALICE, ["one@" + domain], letter("rank none"))
    assert not any("PRIORITY" in word for word in knows.wait(2)[1].sender_params)


# -- FUTURERELEASE (RFC 4865) ---------------------------------------------------------------------------------

@shows("FUTURERELEASE", "mailbox")
def test_mail_for_a_mailbox_is_held(us):
    with Talk(us.smtp) as t:
        told = keywords(t.ask(b"EHLO x"))["FUTURERELEASE"]
        assert told[0] == str(60 * 86400)
        for wrong in (b"HOLDFOR=%d" % (60 * 86400 + 1), b"HOLDUNTIL=2001-01-01T00:00:00Z",
                      b"HOLDFOR=1 HOLDUNTIL=2099-01-01T00:00:00Z"):
            assert t.ask(b"MAIL FROM:<me@a.example> " + wrong).both == "501 5.5.4"
    began = time.time()
    send(us, ALICE, [BOB], letter("hold box"), mail=["HOLDFOR=3"], rcpt=["NOTIFY=SUCCESS"])
    assert find_letters(us, BOB, "hold box") == [] and reports(us, ALICE, "hold box") == []
    rows = us.cli_json("queue", "list", "--recipient", BOB, "--json")
    assert rows or time.time() - began > 3  # a busy machine was slower than the wait
    for row in rows:
        assert (row["state"], row["next"]) == ("local", "release") and "as its sender asked" in row["why"]
    wait_for(lambda: find_letters(us, BOB, "hold box"))
    assert 2.9 < time.time() - began < SOON
    # who asked is told when it is there
    report, _ = wait_report(us, "hold box")
    assert report.rcpts[BOB]["Action"] == "delivered"


@shows("FUTURERELEASE", "relay", "bounce")
def test_mail_for_others_is_held_here(us, hop):
    sink, domain = hop(caps=ALL + ["FUTURERELEASE 100 2099-01-01T00:00:00Z"], refuse="550 5.1.1 nobody")
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    began = time.time()
    send(us, ALICE, ["one@" + domain, "ghost@" + domain], letter("hold on"), mail=["HOLDUNTIL=" + until])
    row = us.cli_json("queue", "list", "--recipient", "one@" + domain, "--json")[0]
    assert (row["state"], row["next"], row["attempts"]) == ("waiting", "release", 0)
    assert row["why"] == "held until %s as its sender asked" % until
    got = sink.wait(1)[0]
    assert 1.9 < time.time() - began < 9
    assert not any(word.startswith("HOLD") for word in got.sender_params)
    report, _ = wait_report(us, "hold on")
    assert list(report.rcpts) == ["ghost@" + domain]


# -- REQUIRETLS (RFC 8689) ------------------------------------------------------------------------------------

def send_safely(us, rcpts, body):
    with smtplib.SMTP(*us.smtp, timeout=20) as client:
        client.starttls(context=ssl._create_unverified_context())
        return client.sendmail(ALICE, rcpts, body, mail_options=["REQUIRETLS"])


@shows("REQUIRETLS", "mailbox")
def test_requiretls_reaches_a_mailbox_and_is_not_known_in_clear(us):
    send_safely(us, [BOB], letter("requiretls here"))
    assert find_letter(us, BOB, "requiretls here").content == letter("requiretls here")
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(us, ALICE, [BOB], letter("requiretls in clear"), mail=["REQUIRETLS"])
    assert refused.value.smtp_code == 555


@shows("REQUIRETLS", "relay", "bounce")
def test_requiretls_goes_to_a_verified_hop_that_offers_it_and_to_no_other(us, hop, pair, tmp_path):
    keeps, at_keeps = hop(caps=ALL + ["REQUIRETLS"], tls=pair)
    promises_not, at_promises_not = hop(tls=pair)
    stranger, at_stranger = hop(caps=ALL + ["REQUIRETLS"], tls=self_signed(str(tmp_path)))
    clear, at_clear = hop(caps=ALL + ["REQUIRETLS"])
    domains = [at_keeps, at_promises_not, at_stranger, at_clear]
    send_safely(us, ["you@" + domain for domain in domains], letter("requiretls on", "Not for everybody."))
    assert "REQUIRETLS" in keeps.wait(1)[0].sender_params
    wait_idle(us)
    for sink in (promises_not, stranger, clear):
        assert not any(line.startswith(("MAIL", "RCPT")) for s in sink.sessions for line in s.lines)
    found = reports(us, ALICE, "requiretls on")
    assert sorted(rcpt for report, _ in found for rcpt in report.rcpts) == sorted("you@" + d for d in domains[1:])
    assert all(b"5.7.30" in octets and b"Not for everybody." not in octets for _, octets in found)


# -- VRFY, HELP -----------------------------------------------------------------------------------------------

@shows("VRFY", "talk")
def test_vrfy_tells_nothing_and_disturbs_nothing(us):
    with Talk(us.smtp) as t:
        t.begin()
        answers = {t.ask(b"VRFY " + name).lines[0].replace(name.decode(), "") for name in (
            ALICE.encode(), NOBODY.encode(), b"alice", b"who@far.example")}
        assert len(answers) == 1
        assert t.ask(b"VRFY alice").both.startswith("252 2.")
        assert t.ask(b"DATA").code == 354
        t.send(letter("vrfy") + b".\r\n")
        assert t.reply().code == 250
    find_letter(us, ALICE, "vrfy")


@shows("HELP", "talk")
def test_help_names_the_commands_there_are(us):
    with Talk(us.smtp) as t:
        reply = t.ask(b"HELP")
        assert reply.code == 214
        words = re.findall(r"\b[A-Z]{4,8}\b", " ".join(reply.lines))
        assert {"MAIL", "RCPT", "DATA", "QUIT"} <= set(words)
        for word in words:
            if word not in ("QUIT", "STARTTLS", "BDAT", "DATA"):
                assert t.ask(word.encode()).code not in (500, 502), word
