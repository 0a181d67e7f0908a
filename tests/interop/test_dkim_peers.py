"""DKIM among others: what we sign, python3-dkim and opendkim-testmsg verify, over more than 500 messages of every
shape; what they sign, we verify; what was changed, nobody does."""

import base64
import collections
import os
import random
import subprocess
import sys

import dkim
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "dkim"))
import dkim_corpus  # noqa: E402

TOP = os.path.dirname(os.path.dirname(HERE))
DOMAIN = "sign.example"
KINDS = {"rsa": "rsa-sha256", "ed25519": "ed25519-sha256"}
FORMS = ["relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed"]

Signed = collections.namedtuple("Signed", "directory messages records")


def drive(*words, **more):
    build = os.environ.get("YIZHAN_BUILD", os.path.join(TOP, "build/asan"))
    done = subprocess.run([os.path.join(build, "tests/dkim/dkim_drive"), *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, **more)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """Keys and the corpus: what every test here begins with."""
    top = tmp_path_factory.mktemp("dkim")
    os.mkdir(top / "plain")
    for name, octets in dkim_corpus.corpus():
        (top / "plain" / name).write_bytes(octets)
    records = {"%s._domainkey.%s" % (kind, DOMAIN): drive("key", kind, str(top / (kind + ".pem"))).strip()
               for kind in KINDS}
    assert len(os.listdir(top / "plain")) >= 500
    return top, records


@pytest.fixture(scope="module")
def signed(room):
    """signed(form, kinds): the corpus with our signatures."""
    top, records = room
    made = {}

    def make(form, kinds):
        if (form, kinds) not in made:
            out = top / ("%s-%s" % (form.replace("/", "-"), "-".join(kinds)))
            os.mkdir(out)
            drive("sign", form, str(top / "plain"), str(out), DOMAIN, *["%s=%s" % (k, top / (k + ".pem")) for k in kinds])
            made[form, kinds] = Signed(out, {n: (out / n).read_bytes() for n in sorted(os.listdir(out))}, records)
        return made[form, kinds]
    return make


def lookup(records):
    return lambda name, timeout=5: records[name.decode().rstrip(".")].encode()


@pytest.mark.parametrize("form", FORMS)
def test_python_dkim_verifies_what_we_sign(signed, form):
    them = signed(form, tuple(KINDS))
    bad = []
    for name, octets in them.messages.items():
        for i in range(len(KINDS)):
            try:
                if not dkim.DKIM(octets).verify(idx=i, dnsfunc=lookup(them.records)):
                    bad.append((name, i))
            except dkim.DKIMException as e:
                bad.append((name, i, str(e)))
    assert not bad, "%d of %d: %s" % (len(bad), len(them.messages), bad[:10])


# One process for all: a name server on port 53 of a network of its own, then opendkim-testmsg on each file.
ALONE = r'''
import os, socket, struct, subprocess, sys, threading
top, records = sys.argv[1], dict(a.split("=", 1) for a in sys.argv[2:])
def serve(s):
    while True:
        q, peer = s.recvfrom(4096)
        name, at = [], 12
        while q[at]:
            name.append(q[at + 1:at + 1 + q[at]].decode()); at += 1 + q[at]
        end = at + 5
        text = records.get(".".join(name).lower())
        is_txt = struct.unpack(">H", q[at + 1:at + 3])[0] == 16
        answer = b""
        if text and is_txt:
            data = b"".join(bytes([len(text[i:i + 255])]) + text[i:i + 255].encode() for i in range(0, len(text), 255))
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, len(data)) + data
        s.sendto(q[:2] + b"\x85\x80\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0" + q[12:end] + answer, peer)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
threading.Thread(target=serve, args=(s,), daemon=True).start()
with open(top + "/resolv.conf", "w") as f:
    f.write("nameserver 127.0.0.1\noptions timeout:2\n")
subprocess.run(["mount", "--bind", top + "/resolv.conf", "/etc/resolv.conf"], check=True)
for name in sorted(os.listdir(top + "/in")):
    with open(top + "/in/" + name, "rb") as f:
        done = subprocess.run(["opendkim-testmsg"], stdin=f, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode or done.stdout:
        print(name, done.returncode, done.stdout.decode(errors="replace").strip())
print("all seen")
'''


def opendkim(tmp_path, messages, records):
    """Lines of what it says about those it does not verify."""
    os.mkdir(tmp_path / "in")
    for name, octets in messages.items():
        (tmp_path / "in" / name).write_bytes(octets)
    done = subprocess.run(["unshare", "-rmn", sys.executable, "-c", ALONE, str(tmp_path),
                           *["%s=%s" % r for r in records.items()]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=120)
    lines = done.stdout.decode(errors="replace").splitlines()
    assert lines and lines[-1] == "all seen", done.stdout.decode(errors="replace")
    return lines[:-1]


@pytest.mark.parametrize("form", FORMS[:2])
def test_opendkim_verifies_what_we_sign(signed, tmp_path, form):
    them = signed(form, ("rsa",))
    # It looks at no message that has a field twice which may stand once (RFC 5322 section 3.6), and takes a message
    # without a body for one whose "simple" body is nothing, where RFC 6376 section 3.4.3 says CRLF.
    odd = [n for n in them.messages if n.split(".")[0] in ("repeated-to", "repeated-cc", "two-subjects")
           or n.endswith(".none") and form.endswith("/simple")]
    seen = {n: m for n, m in them.messages.items() if n not in odd}
    assert len(seen) >= 500
    if form != FORMS[0]:  # ours is the first; the other in a sample
        seen = dict(random.Random(form).sample(sorted(seen.items()), 120))
    bad = opendkim(tmp_path, seen, them.records)
    assert not bad, "%d of %d: %s" % (len(bad), len(seen), bad[:10])


def test_opendkim_sees_what_was_changed(signed, tmp_path):
    """Else the test above would show nothing."""
    them = signed(FORMS[0], ("rsa",))
    changed = {n: m.replace(b"To: bob@", b"To: rob@") for n, m in list(them.messages.items())[:20]}
    assert len(opendkim(tmp_path, changed, them.records)) == len(changed)


def test_we_verify_what_we_sign(signed):
    for form in FORMS:
        them = signed(form, tuple(KINDS))
        said = drive("verify", str(them.directory), *["%s=%s" % r for r in them.records.items()]).splitlines()
        assert len(said) == len(them.messages)
        assert [line for line in said if not line.split()[1].startswith("pass,pass")] == []


@pytest.mark.parametrize("form", FORMS)
def test_we_verify_what_python_dkim_signs(room, tmp_path, form):
    top, records = room
    canon = tuple(f.encode() for f in form.split("/"))
    names = random.Random(form).sample(sorted(os.listdir(top / "plain")), 60)
    for name in names:
        octets = (top / "plain" / name).read_bytes()
        for kind, algorithm in KINDS.items():
            key = (top / (kind + ".pem")).read_bytes()
            if kind == "ed25519":  # it wants the seed alone
                key = subprocess.run(["openssl", "pkey", "-in", str(top / "ed25519.pem"), "-outform", "DER"],
                                     stdout=subprocess.PIPE, check=True).stdout[-32:]
                key = base64.b64encode(key)
            octets = dkim.sign(octets, kind.encode(), DOMAIN.encode(), key, canonicalize=canon,
                               signature_algorithm=algorithm.encode()) + octets
        (tmp_path / name).write_bytes(octets)
    said = drive("verify", str(tmp_path), *["%s=%s" % r for r in records.items()]).splitlines()
    assert len(said) == len(names)
    assert [line for line in said if not line.split()[1].startswith("pass,pass")] == []


def test_each_changed_octet_is_seen(signed, tmp_path):
    """In every signed field and in the body; python3-dkim agrees on a sample of them."""
    them = signed(FORMS[1], tuple(KINDS))
    r = random.Random(8463)
    changed = {}
    for name in ("mime.eight-bit", "folded.blanks-at-line-ends", "list.crlf-10", "plain.lines-of-blanks"):
        octets = them.messages[name]
        start = octets.index(b"From: ")
        for at in r.sample(range(start, len(octets)), min(150, len(octets) - start)):
            for bit in (1, 32):
                other = bytearray(octets)
                other[at] ^= bit
                changed["%s.%d.%d" % (name, at, bit)] = bytes(other)
    for name, octets in changed.items():
        (tmp_path / name).write_bytes(octets)
    said = drive("verify", str(tmp_path), *["%s=%s" % r for r in them.records.items()]).splitlines()
    assert len(said) == len(changed) > 500
    kept = [line.split()[0] for line in said if "pass" in line.split()[1].split(",")[:2]]
    # what is signed is all there is, but for fields that signers leave alone
    for name in kept:
        stem, at, _ = name.rsplit(".", 2)
        assert field_at(them.messages[stem], int(at)) == b"precedence", name
    for name in r.sample(sorted(changed), 60):
        try:
            theirs = dkim.DKIM(changed[name]).verify(idx=0, dnsfunc=lookup(them.records))
        except dkim.DKIMException:
            theirs = False
        assert theirs == (name in kept), name


def field_at(octets, at):
    """The name of the field that octet `at` lies in."""
    return octets[octets.rindex(b"\n", 0, at) + 1:].split(b":", 1)[0].lower()
