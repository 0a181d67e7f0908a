"""Messages for tests of DKIM: always the same ones, of every shape that a signature must outlive.

    corpus()                  (name, octets): more than 500
    python3 dkim_corpus.py DIR     write them all into DIR"""
import os
import random
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mime"))
import corpus as mime  # noqa: E402

HEAD = (b"From: Ann <ann@sign.example>\r\nTo: bob@example.net\r\nSubject: Hello\r\n"
        b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@sign.example>\r\n")
WHOLE = ("plain", "folded", "utf8", "list", "repeated-to", "mime")
LONG = ("big", "long-line-70000")
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")
BODY = b"Dear Bob,\r\n\r\nthe courier is here.\r\n"


def bodies():
    yield "none", None
    yield "empty", b""
    for n in (1, 2, 3, 10, 17, 40):
        yield "crlf-%d" % n, b"\r\n" * n
    yield "no-line-end", b"the last line has no end"
    yield "one-octet", b"a"
    for n in (1, 2, 5, 30):
        yield "blank-lines-behind-%d" % n, BODY + b"\r\n" * n
        yield "blank-lines-between-%d" % n, BODY + b"\r\n" * n + BODY
        yield "blank-lines-in-front-%d" % n, b"\r\n" * n + BODY
    yield "blanks-at-line-ends", b"one  \r\ntwo\t\r\n three \t \r\n"
    yield "blanks-in-front", b"  one\r\n\ttwo\r\n \t three\r\n"
    yield "runs-of-blanks", b"a  b   c\td\t\te \t f\r\n"
    yield "lines-of-blanks", b"a\r\n \r\n\t\r\n  \t \r\nb\r\n"
    yield "lines-of-blanks-behind", b"a\r\n \r\n\t\r\n  \r\n"
    yield "only-blanks", b" \t \r\n  \r\n"
    yield "eight-bit", "Grüße aus der Poststation: 驛站\r\n".encode()
    yield "latin-1", "Grüße déjà vu\r\n".encode("latin-1")
    yield "all-octets", bytes(c for c in range(1, 256) if c not in (10, 13)) + b"\r\n"
    yield "dots", b".\r\n..\r\n.a\r\n"
    yield "from-line", b"From here on\r\n>From there\r\n"
    yield "field-like", b"Subject: no header\r\nFrom: nobody\r\n\r\nX: y\r\n"
    for n in (78, 998, 1000, 5000, 70000):
        yield "long-line-%d" % n, b"x" * n + b"\r\n" + b"y " * (n // 2) + b"\r\n"
    yield "big", (b"0123456789 abcdefghij  \r\n" * 4000)
    yield "equals", b"=3D=\r\n=20\r\n"


def headers():
    yield "plain", HEAD
    yield "folded", (b"From: Ann\r\n <ann@sign.example>\r\nTo: bob@example.net,\r\n\tcarol@example.net,\r\n  dave@example.net\r\n"
                     b"Subject: a\r\n  folded\r\n\t subject\r\n" + HEAD.split(b"\r\n", 3)[3])
    yield "folded-other", HEAD + b"X-Fold: a\r\n b\r\n"
    yield "blanks-around-colons", HEAD.replace(b"Subject: Hello", b"Subject:   Hello  there\t ")
    yield "no-blank-behind-colon", HEAD.replace(b"Subject: Hello", b"Subject:Hello")
    yield "cases", HEAD.replace(b"Subject", b"sUBJECT").replace(b"Message-ID", b"MESSAGE-id")
    yield "empty-subject", HEAD.replace(b"Subject: Hello", b"Subject:")
    yield "no-subject", HEAD.replace(b"Subject: Hello\r\n", b"")
    yield "two-subjects", HEAD + b"Subject: another\r\n"
    yield "three-received", b"".join(b"Received: from a%d by b; Mon, 23 Nov 2026 12:00:00 +0000\r\n" % i
                                     for i in range(3)) + HEAD
    yield "repeated-to", HEAD + b"To: second@example.net\r\nTo: third@example.net\r\n"
    yield "repeated-cc", HEAD + b"Cc: x@example.net\r\nX-Between: y\r\nCc: z@example.net\r\n"
    yield "encoded-word", HEAD.replace(b"Hello", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?b?6amb56uZ?=")
    yield "utf8", HEAD.replace(b"Hello", "Grüße 驛站".encode()).replace(b"Ann <", "Änne <".encode())
    yield "tabs", HEAD.replace(b"Subject: Hello", b"Subject:\tHello\t\tthere")
    yield "mime", HEAD + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    yield "list", HEAD + (b"List-Id: <l.sign.example>\r\nList-Unsubscribe: <https://sign.example/u/1>\r\n"
                          b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nPrecedence: list\r\n")
    yield "resent", b"Resent-From: ann@sign.example\r\nResent-Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n" + HEAD
    yield "long-field", HEAD + b"X-Long: " + b"word " * 180 + b"\r\n"
    yield "references", HEAD + b"References: " + b"\r\n ".join(b"<%d@example.net>" % i for i in range(60)) + b"\r\n"
    yield "many-fields", HEAD + b"".join(b"X-Field-%d: value %d\r\n" % (i, i) for i in range(400))
    yield "huge", HEAD + b"".join(b"X-Huge-%d: %s\r\n" % (i, b"v " * 400) for i in range(80))
    yield "foreign-signature", (b"DKIM-Signature: v=1; a=rsa-sha256; d=other.example; s=x; h=from; bh=AAAA; b=AAAA\r\n" + HEAD)


def shapes():
    for n, (h, head) in enumerate(headers()):
        for k, (b, body) in enumerate(bodies()):
            # each header meets some bodies, each body some headers
            if h not in WHOLE and (n + k) % 3 or b in LONG and h not in WHOLE[:2]:
                continue
            yield "%s.%s" % (h, b), head if body is None else head + b"\r\n" + body


def noise():
    r = random.Random(6376)
    for n in range(60):
        body = b"".join(r.choice((b"\r\n", b" ", b"  ", b"\t", b"word", b"x" * r.randint(1, 100), "é".encode()))
                        for _ in range(r.randint(0, 200)))
        yield "noise-%02d" % n, HEAD + b"\r\n" + body


def corpus():
    """As SMTP carries them: the last line has its end, too."""
    for name, octets in everything():
        yield name, octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def everything():
    yield from shapes()
    yield from noise()
    # what the MIME tests are made of, as this domain would send it
    for n, (name, octets) in enumerate(list(mime.good())[:120]):
        text = octets.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
        head, gap, _ = text.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        if b"\0" in text or not gap or not all(FIELD.match(line) for line in lines):
            continue
        if not any(line.lower().startswith(b"from:") for line in lines):
            text = b"From: <ann@sign.example>\r\n" + text
        yield "mime-%03d" % n, text


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, octets in corpus():
        with open(os.path.join(sys.argv[1], name), "wb") as f:
            f.write(octets)
