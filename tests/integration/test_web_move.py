"""A mailbox in and out over HTTP, for the page: mbox, letters, zip, Maildir; what is sent again is not doubled."""

import imaplib
import io
import json
import mailbox
import random
import time
import zipfile

import pytest
from test_web_login import CONF
from web_talk import Browser

LETTERS = [
    b"From: a@peer.example\r\nSubject: plain\r\n\r\nhello\r\n",
    b"From: b@peer.example\r\nSubject: from lines\r\n\r\nFrom here on\r\n>From there\r\n>>From afar\r\n\r\nend\r\n",
    b"From: c@peer.example\r\nSubject: no line end\r\n\r\nlast",
    b"From: d@peer.example\r\nSubject: =?utf-8?b?5L2g5aW9?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xe4\xbd\xa0\xe5\xa5\xbd\r\n",
    b"From: e@peer.example\r\nSubject: long\r\n\r\n" + b"0123456789abcdef" * 60 * 400 + b"\r\n",
    b"From: f@peer.example\r\nSubject: bare\r\n\r\none\ntwo\rthree\r\n",
    b"From: g@peer.example\r\n\r\n",
]


@pytest.fixture(scope="module")
def web():
    from station import Yizhan
    with Yizhan(conf=CONF) as server:
        yield server


class Owner(Browser):
    def __init__(self, server):
        super().__init__(server)
        self.server = server
        self.account = server.accounts[0]
        self.me = self.log_in(self.account.address, self.account.password).json["accountId"]

    def imap(self):
        m = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"], timeout=20)
        m.login(self.account.address, self.account.password)
        return m

    def folder(self, letters=()):
        """A new one with these letters; its name and id."""
        name = "f%d" % time.monotonic_ns()
        m = self.imap()
        try:
            assert m.create(name)[0] == "OK"
            for i, octets in enumerate(letters):
                flags = [r"(\Seen)", r"(\Flagged \Answered)", "()"][i % 3]
                append(m, name, flags, octets)
            status = m.status(name, "(MAILBOXID)")[1][0].decode()
        finally:
            m.logout()
        return name, status.split("MAILBOXID (")[1].split(")")[0]

    def letters(self, name):
        m = self.imap()
        try:
            assert m.select(name, readonly=True)[0] == "OK"
            found = m.fetch("1:*", "(FLAGS BODY.PEEK[])")[1]
            return [(tuple(sorted(f.decode() for f in imaplib.ParseFlags(x[0]) if f != rb"\Recent")), x[1]) for x in found
                    if isinstance(x, tuple)]
        finally:
            m.logout()

    def get(self, box, how="mbox"):
        return self.ask("GET", "/jmap/export/%s/%s/mail.%s?as=%s" % (self.me, box, how, how), headers={"Sec-Fetch-Site": "same-origin"})

    def put(self, box, octets):
        a = self.ask("POST", "/jmap/import/%s/%s" % (self.me, box), octets, self.page(**{"Content-Type": "application/octet-stream"}))
        assert a.status == 200, (a.status, a.body)
        return [json.loads(line) for line in a.body.splitlines()]


def append(m, name, flags, octets):
    """imaplib makes CR LF of every line end: this one sends what it is given."""
    tag = m._new_tag()
    m.send(b"%s APPEND %s %s {%d+}\r\n%s\r\n" % (tag, name.encode(), flags.encode(), len(octets), octets))
    m.tagged_commands[tag] = None
    assert m._command_complete("APPEND", tag)[0] == "OK"


def test_a_mailbox_leaves_and_comes_back_octet_for_octet(web):
    o = Owner(web)
    name, box = o.folder(LETTERS)
    before = o.letters(name)
    assert len(before) == len(LETTERS) and before[0][1] == LETTERS[0]
    a = o.get(box)
    assert a.status == 200 and a.headers["Content-Type"] == "application/mbox"
    assert a.headers["X-Yizhan-Messages"] == str(len(LETTERS)) and "attachment" in a.headers["Content-Disposition"]
    back, there = o.folder()
    end = o.put(there, a.body)[-1]["end"]
    assert end["added"] == len(LETTERS) and end["bad"] == 0, end
    assert o.letters(back) == before


def test_a_zip_holds_the_letters_as_they_are(web):
    o = Owner(web)
    name, box = o.folder(LETTERS)
    a = o.get(box, "zip")
    assert a.status == 200 and a.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(a.body)) as z:
        assert z.testzip() is None
        assert [z.read(n) for n in z.namelist()] == [b for _, b in o.letters(name)]
        assert all(n.endswith(".eml") for n in z.namelist())
    back, there = o.folder()
    assert o.put(there, a.body)[-1]["end"]["added"] == len(LETTERS)
    assert [b for _, b in o.letters(back)] == [b for _, b in o.letters(name)]


def test_a_maildir_brings_its_flags(web):
    o, packed = Owner(web), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("Mail/cur/1.x:2,FS", LETTERS[0])
        z.writestr("Mail/cur/2.x:2,", LETTERS[1].replace(b"\r\n", b"\n"))
        z.writestr("Mail/new/3.x", LETTERS[2])
        z.writestr("Mail/tmp/4.x", LETTERS[3])
        z.writestr("Mail/cur/", b"")
        z.writestr("Mail/dovecot-uidlist", b"3 V1 N1\n")
        z.writestr("more/old.mbox", b"From x@y Mon Nov 23 10:00:00 2026\n" + LETTERS[3].replace(b"\r\n", b"\n") + b"\n")
    name, box = o.folder()
    assert o.put(box, packed.getvalue())[-1]["end"]["added"] == 4
    assert o.letters(name + "/Mail") == [((r"\Flagged", r"\Seen"), LETTERS[0]), ((), LETTERS[1]), ((), LETTERS[2])]
    assert o.letters(name + "/more/old") == [((), LETTERS[3])]
    assert o.put(box, packed.getvalue())[-1]["end"] == {"done": 4, "added": 0, "present": 4, "bad": 0}


def test_folders_of_a_zip_become_folders(web):
    """But for those that all of it lies in; what no mailbox may be called is called something else."""
    o, packed = Owner(web), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        for place, octets in (("Top/one.eml", LETTERS[0]), ("Top/Work/2026/two.eml", LETTERS[1]), ("Top/../../Work/./three.eml", LETTERS[2]),
                              ("Top/.Sent.Old/cur/4:2,S", LETTERS[3]), ("Top/a*b%/five.eml", LETTERS[0])):
            z.writestr(place, octets)
        z.writestr("Top/Apple.mbox/mbox", b"From x@y Mon Nov 23 10:00:00 2026\n" + LETTERS[3].replace(b"\r\n", b"\n") + b"\n")
        z.writestr("Top/Work/readme.txt", b"none")
    name, box = o.folder()
    assert o.put(box, packed.getvalue())[-1]["end"] == {"done": 6, "added": 6, "present": 0, "bad": 0}
    found = {p: [b for _, b in o.letters(name + p)] for p in ("", "/Work/2026", "/Work", "/Sent/Old", "/a_b_", "/Apple")}
    assert found == {"": [LETTERS[0]], "/Work/2026": [LETTERS[1]], "/Work": [LETTERS[2]], "/Sent/Old": [LETTERS[3]], "/a_b_": [LETTERS[0]],
                     "/Apple": [LETTERS[3]]}


def test_one_letter_and_what_python_writes(web, tmp_path):
    o = Owner(web)
    name, box = o.folder()
    assert o.put(box, LETTERS[3])[-1]["end"] == {"done": 1, "added": 1, "present": 0, "bad": 0}
    m = mailbox.mbox(tmp_path / "m")
    for octets in LETTERS[:2]:
        m.add(octets.replace(b"\r\n", b"\n"))
    m.close()
    assert o.put(box, (tmp_path / "m").read_bytes())[-1]["end"]["added"] == 2
    assert len(o.letters(name)) == 3


def test_what_is_sent_again_goes_on(web):
    """Half of it, then all of it; what was thrown away meanwhile comes again."""
    o = Owner(web)
    many = [b"From: a@peer.example\r\nSubject: n%d\r\n\r\n%d\r\n" % (i, i) for i in range(130)]
    octets = b"".join(b"From x@y Mon Nov 23 10:00:00 2026\n" + m.replace(b"\r\n", b"\n") + b"\n" for m in many)
    name, box = o.folder()
    half = octets[:octets.index(b"From x@y", len(octets) // 2)]
    first = o.put(box, half)
    assert len(first) > 1 and [x["done"] for x in first[:-1]] == sorted(x["done"] for x in first[:-1])
    added = first[-1]["end"]["added"]
    assert 0 < added < 130
    end = o.put(box, octets)[-1]["end"]
    assert end["present"] == added and end["added"] == 130 - added
    assert len(o.letters(name)) == 130
    assert o.put(box, octets)[-1]["end"] == {"done": 130, "added": 0, "present": 130, "bad": 0}


def bomb(size):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.eml", b"Subject: x\r\n\r\n" + bytes(size))
        z.writestr("b.eml", LETTERS[0])
    return packed.getvalue()


def lying(octets):
    """The directory says that the first entry is small."""
    at = octets.index(b"PK\x01\x02")
    return octets[:at + 24] + (100).to_bytes(4, "little") + octets[at + 28:]


def test_bombs_and_lies_in_a_zip_stay_small(web):
    o = Owner(web)
    name, box = o.folder()
    begin = time.monotonic()
    assert o.put(box, bomb(80 << 20))[-1]["end"] == {"done": 1, "added": 1, "present": 0, "bad": 1}
    assert time.monotonic() - begin < 5
    assert o.put(box, lying(bomb(30000)))[-1]["end"]["bad"] == 1
    good = bomb(10)
    for cut in range(1, len(good), 7):
        last = o.put(box, good[:cut])[-1]
        assert "error" in last or last["end"]["added"] == 0, (cut, last)
    for noise in (b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"\0" * 1000, b"<html>", b"From \n", b"{}"):
        last = o.put(box, noise)[-1]
        assert "error" in last or last["end"]["added"] == 0, (noise, last)
    assert len(o.letters(name)) == 1


def upon_each_other(count):
    """A zip whose directory names the same octets many times."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.eml", b"Subject: x\r\n\r\n" + random.Random(1).randbytes(10_000) + bytes(1 << 20))
    octets = packed.getvalue()
    begin, end = octets.index(b"PK\x01\x02"), octets.index(b"PK\x05\x06")
    tail = bytearray(octets[end:])
    tail[8:12] = count.to_bytes(2, "little") * 2
    tail[12:16] = ((end - begin) * count).to_bytes(4, "little")
    return octets[:begin] + octets[begin:end] * count + bytes(tail)


def test_entries_upon_each_other_are_unpacked_once(web):
    """3,000 entries of a megabyte each, in a file of 170 KB."""
    o = Owner(web)
    name, box = o.folder()
    octets = upon_each_other(3000)
    assert len(octets) < 200_000
    end = o.put(box, octets)[-1]["end"]
    assert end["added"] == 1 and end["present"] < 20 and end["bad"] > 2900


def test_an_entry_with_another_check_sum_is_no_letter(web):
    o, packed = Owner(web), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("a.eml", LETTERS[0])
        z.writestr("b.eml", LETTERS[1])
    name, box = o.folder()
    octets = packed.getvalue().replace(b"Subject: ", b"Subject; ", 1)
    assert o.put(box, octets)[-1]["end"] == {"done": 1, "added": 1, "present": 0, "bad": 1}


def resident(server):
    with open("/proc/%d/status" % server.pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1]) * 1024


def test_letters_that_are_none_cost_nothing(make_station):
    """Many of them in an mbox; what each leaves behind would be seen."""
    web = make_station(conf=CONF, env={"ASAN_OPTIONS": "exitcode=99:quarantine_size_mb=8"})
    o = Owner(web)
    name, box = o.folder()
    octets = b"From x@y Mon Nov 23 10:00:00 2026\n\n" * 200_000
    o.put(box, octets[:len(octets) // 10])
    before = resident(web)
    end = o.put(box, octets)[-1]["end"]
    assert end["added"] == 0 and end["bad"] > 150_000
    assert resident(web) - before < 40 << 20


def test_it_is_ones_own_mailboxes_only(web):
    o = Owner(web)
    _, box = o.folder(LETTERS[:1])
    bob = Browser(web)
    me = bob.log_in(web.accounts[1].address, web.accounts[1].password).json["accountId"]
    for account in (me, o.me):
        assert bob.ask("GET", "/jmap/export/%s/%s/x" % (account, box)).status == 404
        assert bob.ask("POST", "/jmap/import/%s/%s" % (account, box), LETTERS[0], bob.page()).status == 404
    assert Browser(web).ask("GET", "/jmap/export/%s/%s/x" % (o.me, box)).status == 401
    assert Browser(web).ask("POST", "/jmap/import/%s/%s" % (o.me, box), LETTERS[0]).status == 401
    assert o.ask("POST", "/jmap/import/%s/%s" % (o.me, box), LETTERS[0]).status == 403
    assert o.ask("GET", "/jmap/export/%s/%s/x" % (o.me, box), headers={"Sec-Fetch-Site": "cross-site"}).status == 403


def test_a_full_account_is_told(web):
    o = Owner(web)
    name, box = o.folder()
    web.cli("account", "set", o.account.address, "--quota", "1K")
    try:
        last = o.put(box, LETTERS[4])[-1]
        assert last["error"] == "overQuota" and last["added"] == 0
    finally:
        web.cli("account", "set", o.account.address, "--quota", "0")
    assert o.put(box, LETTERS[4])[-1]["end"]["added"] == 1
