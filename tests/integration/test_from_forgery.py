"""Whoever has logged in writes as himself. Forty and more ways to write a From that somebody would take for another
one's: each is refused, or what arrives is the account's own in the eyes of every reader."""

import email
import email.policy
import email.utils
import re
import smtplib
import ssl

import pytest

from station import HOST

ALICE, BOB, BOSS = "alice@yizhan.test", "bob@yizhan.test", "boss@yizhan.test"
SECURITY, SYNTAX = "5.7.1", "5.6"

# name, the lines of the header beside Subject; what happens: the enhanced code of a refusal, or None
FORMS = [
    ("somebody else", b"From: bob@yizhan.test", SECURITY),
    ("somebody else with her name", b"From: Alice <bob@yizhan.test>", SECURITY),
    ("nobody here", b"From: <boss@yizhan.test>", SECURITY),
    ("a domain like ours", b"From: alice@yizhan.test.evil.example", SECURITY),
    ("a sub-domain", b"From: alice@mail.yizhan.test", SECURITY),
    ("a look-alike in UTF-8 as A-label", b"From: alice@xn--yzhan-4ra.test", SECURITY),
    ("two fields, hers first", b"From: alice@yizhan.test\r\nFrom: bob@yizhan.test", SYNTAX),
    ("two fields, hers last", b"From: bob@yizhan.test\r\nFrom: alice@yizhan.test", SYNTAX),
    ("two fields in other letters", b"From: alice@yizhan.test\r\nFROM: bob@yizhan.test", SYNTAX),
    ("two mailboxes", b"From: alice@yizhan.test, bob@yizhan.test", SECURITY),
    ("two mailboxes, hers last", b"From: Bob <bob@yizhan.test>, Alice <alice@yizhan.test>", SECURITY),
    ("a group", b"From: Team: alice@yizhan.test;", SYNTAX),
    ("a group of another", b"From: alice@yizhan.test: bob@yizhan.test;", SYNTAX),
    ("an empty group", b"From: undisclosed:;", SYNTAX),
    ("a quoted address as the name", b'From: "bob@yizhan.test" <alice@yizhan.test>', SECURITY),
    ("an address as the name", b"From: bob@yizhan.test <alice@yizhan.test>", SYNTAX),
    ("an address in brackets as the name", b'From: "<bob@yizhan.test>" <alice@yizhan.test>', SECURITY),
    ("brackets in the name", b'From: "Bob <x" <alice@yizhan.test>', SECURITY),
    ("two pairs of brackets", b"From: <alice@yizhan.test> <bob@yizhan.test>", SYNTAX),
    ("brackets in brackets", b"From: <<bob@yizhan.test> alice@yizhan.test>", SYNTAX),
    ("words behind the address", b"From: <bob@yizhan.test> alice@yizhan.test", SYNTAX),
    ("an encoded address as the name", b"From: =?utf-8?q?bob=40yizhan=2Etest?= <alice@yizhan.test>", SECURITY),
    ("the same in base64", b"From: =?utf-8?b?Ym9iQHlpemhhbi50ZXN0?= <alice@yizhan.test>", SECURITY),
    ("the same in two words", b"From: =?utf-8?q?bob=40?= =?utf-8?q?yizhan.test?= <alice@yizhan.test>", SECURITY),
    ("the same within quotes", b'From: "=?utf-8?q?bob=40yizhan.test?=" <alice@yizhan.test>', SECURITY),
    ("encoded brackets", b"From: =?utf-8?q?Bob_=3Cbob=40yizhan=2Etest=3E=2C?= <alice@yizhan.test>", SECURITY),
    ("an encoded word with a line end", b"From: =?utf-8?q?x=0D=0AFrom=3A_bob?= <alice@yizhan.test>", SYNTAX),
    ("an encoded address", b"From: =?utf-8?q?alice=40yizhan.test?=", SYNTAX),
    ("an encoded local part", b"From: <=?utf-8?q?bob?=@yizhan.test>", SYNTAX),
    ("an encoded word in her own sub-address", b"From: alice+=?utf-8?b?Ym9iQHlpemhhbi50ZXN0?=@yizhan.test", SYNTAX),
    ("an encoded name in UTF-7", b"From: =?utf-7?q?bob+AEA-yizhan.test?= <alice@yizhan.test>", SECURITY),
    ("an encoded name in no charset", b"From: =?x-none?q?bob=40yizhan.test?= <alice@yizhan.test>", SECURITY),
    ("a comment with an address", b"From: alice@yizhan.test (bob@yizhan.test)", SYNTAX),
    ("a comment before it", b"From: (bob@yizhan.test) alice@yizhan.test", SYNTAX),
    ("a comment within the address", b"From: bob@yizhan.test(<alice@yizhan.test>)", SYNTAX),
    ("a comment within brackets", b"From: <alice(<bob@yizhan.test>)@yizhan.test>", SYNTAX),
    ("a comment that does not end", b"From: alice@yizhan.test (x", SYNTAX),
    ("a quote that does not end", b'From: "x <alice@yizhan.test>', SYNTAX),
    ("an escaped quote", b'From: "x\\" <bob@yizhan.test>," <alice@yizhan.test>', SECURITY),
    ("NUL", b"From: bob@yizhan.test\0 <alice@yizhan.test>", SYNTAX),
    ("a vertical tab", b"From: alice@yizhan.test\r\nX-A: b\x0bFrom: bob@yizhan.test", SYNTAX),
    ("a bare LF", b"From: alice@yizhan.test\r\nX-A: b\nFrom: bob@yizhan.test", SYNTAX),
    ("a bare CR", b"From: alice@yizhan.test\r\nX-A: b\rFrom: bob@yizhan.test", SYNTAX),
    ("a blank before the colon", b"From : bob@yizhan.test", SYNTAX),
    ("another From with a blank before the colon", b"From: alice@yizhan.test\r\nFrom : bob@yizhan.test", SYNTAX),
    ("a line that is no field", b"From: alice@yizhan.test\r\nhello\r\nFrom: bob@yizhan.test", SYNTAX),
    ("an envelope line of a mailbox file", b"X-A: b\r\nFrom bob@yizhan.test Mon Nov 23\r\nFrom: alice@yizhan.test",
     SYNTAX),
    ("folded within the address", b"From: bob\r\n @yizhan.test", SYNTAX),
    ("folded after the colon", b"From:\r\n bob@yizhan.test", SECURITY),
    ("a route", b"From: <@yizhan.test,@x:bob@yizhan.test>", SYNTAX),
    ("a quoted local part", b'From: "bob"@yizhan.test', SYNTAX),
    ("a quoted local part with an at", b'From: "alice@yizhan.test"@evil.example', SYNTAX),
    ("percent and bang", b"From: bob%yizhan.test@yizhan.test", SECURITY),
    ("8-bit", b"From: \xd0\xb0lice@yizhan.test", SYNTAX),
    ("no address", b"From: Bob", SYNTAX),
    ("empty", b"From:", SYNTAX),
    ("Sender is another", b"From: alice@yizhan.test\r\nSender: bob@yizhan.test", SECURITY),
    ("two Sender", b"From: alice@yizhan.test\r\nSender: alice@yizhan.test\r\nSender: bob@yizhan.test", SYNTAX),
    ("resent by another", b"From: alice@yizhan.test\r\nResent-From: bob@yizhan.test", SECURITY),
    ("another's letter sent on", b"Resent-From: alice@yizhan.test\r\nFrom: bob@yizhan.test", SECURITY),
    ("a line of 2000", b"From: " + b"x" * 2000 + b" <alice@yizhan.test>", SYNTAX),
    # and what is hers
    ("herself", b"From: alice@yizhan.test", None),
    ("herself with a name", b"From: Alice Q. Foo <alice@yizhan.test>", None),
    ("herself with a quoted name", b'From: "Foo, Alice" <alice@yizhan.test>', None),
    ("her address as her name", b'From: "alice@yizhan.test" <alice@yizhan.test>', None),
    ("in other letters", b"fRoM: <ALICE@Yizhan.Test>", None),
    ("a sub-address", b"From: alice+list@yizhan.test", None),
    ("folded before the brackets", b"From: Alice\r\n <alice@yizhan.test>", None),
    ("a comment", b"From: alice@yizhan.test (Alice)", None),
    ("an encoded name", b"From: =?gb2312?B?sK7Ay8u/?= <alice@yizhan.test>", None),
    ("From within another field", b"From: alice@yizhan.test\r\nX-A: b\r\n From: bob@yizhan.test", None),
    ("From behind a line of blanks", b"From: alice@yizhan.test\r\nX-A: b\r\n \r\n From: bob@yizhan.test", None),
    ("none", b"X-A: b", None),
    ("the body begins at once", b"\r\nFrom: bob@yizhan.test", None),
    ("text in front of it all", b"hello\r\nFrom: bob@yizhan.test", None),
    ("a byte order mark in front", b"\xef\xbb\xbfFrom: bob@yizhan.test", None),
]


@pytest.fixture
def alice(station_shared):
    s = smtplib.SMTP(HOST, station_shared.ports["submission"], timeout=20)
    s.starttls(context=ssl._create_unverified_context())
    s.login(ALICE, station_shared.account("alice").password)
    yield s
    s.quit()


def send(s, octets):
    """A transaction to bob: the last code and text."""
    assert s.mail(ALICE)[0] == 250
    assert s.rcpt(BOB)[0] == 250
    assert s.docmd("DATA")[0] == 354
    s.send(octets + b"\r\n.\r\n")
    code, text = s.getreply()
    return code, text.decode()


def is_hers(address):
    return re.fullmatch(r"alice(\+[a-z]+)?@yizhan\.test", address.lower()) is not None


def check_all_readers(raw, row):
    """Python's old and new parsers, one that knows nothing but lines and brackets, and ours."""
    header, _, _ = raw.partition(b"\r\n\r\n")
    for policy in (email.policy.compat32, email.policy.default):
        fields = email.message_from_bytes(raw, policy=policy).get_all("From")
        assert len(fields) == 1
        found = [a for _, a in email.utils.getaddresses([str(f) for f in fields])]
        assert found and all(is_hers(a) for a in found), found
    # as naive as can be: any line that begins so, whatever ends a line, and any address in it
    text = header.decode("utf-8", "replace")
    unfolded = re.sub(r"\r\n[ \t]", " ", text)
    lines = [line for line in unfolded.splitlines() if line.lower().replace(" ", "").startswith("from:")]
    assert len(lines) == 1, lines
    found = re.findall(r"[\w.+-]+@[\w.-]+", lines[0])
    assert found and all(is_hers(a) for a in found), found
    assert is_hers(re.search(r"[\w.+-]+@[\w.-]+", row["from"]).group()), row["from"]


@pytest.mark.parametrize("name, lines, refused", FORMS, ids=[form[0].replace(" ", "-") for form in FORMS])
def test_nobody_writes_as_somebody_else(station_shared, alice, name, lines, refused):
    before = len(station_shared.mailbox(BOB))
    code, text = send(alice, lines + b"\r\nSubject: forged\r\n\r\nhello")
    rows = station_shared.mailbox(BOB)
    if refused:
        assert code == 550 and text.startswith(refused), (code, text)
        assert len(rows) == before
        return
    assert code == 250, text
    assert len(rows) == before + 1
    check_all_readers(station_shared.export(BOB, rows[-1]["uid"]), rows[-1])


def test_the_reverse_path_is_the_accounts_too(station_shared, alice):
    for sender, code in ((BOB, 550), ("alice@evil.example", 550), ('"alice"@evil.example', 550),
                         ("alice+x@yizhan.test", 250), ("ALICE@YIZHAN.TEST", 250), ("", 250)):
        assert alice.docmd("MAIL FROM:<%s>" % sender)[0] == code, sender
        alice.rset()
    # a report of having read (RFC 8098) has no reverse-path; whom it is from is looked at all the same
    assert alice.docmd("MAIL FROM:<>")[0] == 250
    assert alice.rcpt(BOB)[0] == 250
    assert alice.docmd("DATA")[0] == 354
    alice.send(b"From: bob@yizhan.test\r\n\r\nhello\r\n.\r\n")
    assert alice.getreply()[0] == 550
