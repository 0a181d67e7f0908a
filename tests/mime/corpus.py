"""Messages for tests of the MIME parser: always the same ones, made with Python's email package.

    good()      (name, octets): well-formed, of all shapes
    broken()    (name, octets): the same after accidents, and hand-made torture

    python3 corpus.py DIR     write them all into DIR"""
import os
import random
import sys
from email import policy
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

WORDS = ("post road relay station courier horse letter night rain inn gate river bridge lantern seal "
         "bamboo silk tea market ferry mountain pass winter autumn").split()
NAMES = [("Alice Example", "alice@example.org"), ("Bob, the Builder", "bob@example.net"), ("", "carol@example.com"),
         ("Zoë Müller", "zoe@example.de"), ("山田太郎", "taro@example.jp"), ("Иван Петров", "ivan@example.ru"),
         ("王小明", "wang@example.cn"), ('Quote "Q" Back\\slash', "q@example.org"), ("O'Neil", "o.neil@example.ie"),
         ("김철수", "kim@example.kr"), ("A" * 70, "long.name@example.org")]
TEXTS = {
    "us-ascii": "The courier changed horses at the gate.",
    "utf-8": "Grüße aus 驿站 — and a smile ☺.",
    "iso-8859-1": "Grüße, déjà vu, señor.",
    "windows-1251": "Привет из Москвы, дорогой друг.",
    "koi8-r": "Почта пришла утром.",
    "gb2312": "驿站的信差在夜里换马。",
    "gb18030": "驿站的信差在夜里换马，鎔。",
    "big5": "驛站的信差在夜裡換馬。",
    "shift_jis": "駅の郵便屋さんは夜に馬を替えた。",
    "iso-2022-jp": "駅の郵便屋さんは夜に馬を替えた。",
    "euc-kr": "역참의 파발꾼이 밤에 말을 갈았다.",
}


def sentence(r, low=3, high=14):
    return " ".join(r.choice(WORDS) for _ in range(r.randint(low, high))).capitalize() + "."


def text_part(r, subtype="plain"):
    charset = r.choice(sorted(TEXTS))
    lines = []
    for _ in range(r.randint(0, 12)):
        lines.append(TEXTS[charset] if r.random() < 0.4 else sentence(r))
        if r.random() < 0.2:
            lines.append("")
        if r.random() < 0.1:
            lines.append("--" + r.choice(WORDS))
        if r.random() < 0.05:
            lines.append("x" * r.randint(77, 900))
        if r.random() < 0.1:
            lines.append("  indented = equals %s " % r.choice(WORDS) + "z")
    text = "\n".join(lines) + ("\n" if r.random() < 0.8 else "")
    if subtype == "html":
        text = "<html><body><p>%s</p></body></html>\n" % text
    return MIMEText(text, subtype, charset)


def file_part(r):
    data = r.randbytes(r.choice([0, 1, 2, 3, 56, 57, 58, 300, 3000]))
    part = MIMEBase(*r.choice([("application", "octet-stream"), ("image", "png"), ("audio", "ogg"),
                               ("application", "pdf")]))
    part.set_payload(data)
    from email import encoders
    encoders.encode_base64(part)
    name = r.choice(["a.bin", "my file.pdf", 'q"uote.png', "résumé.pdf", "信.txt", "semi;colon.txt", "x" * 120 + ".dat"])
    if r.random() < 0.8:
        if name.isascii():
            part.add_header("Content-Disposition", r.choice(["attachment", "inline"]), filename=name)
        else:
            part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    if r.random() < 0.3:
        part["Content-ID"] = "<%d@example.org>" % r.randrange(10 ** 6)
        part["Content-Description"] = sentence(r)
    return part


def tree(r, depth):
    shape = r.random()
    if depth <= 0 or shape < 0.35:
        return text_part(r, r.choice(["plain", "plain", "html"]))
    if shape < 0.5:
        return file_part(r)
    if shape < 0.62:
        return MIMEMessage(whole(r, depth - 1))
    boundary = "=_%s" % "".join(r.choice("0123456789abcdefXYZ'()+_,-./:=?") for _ in range(r.randint(1, 60)))
    part = MIMEMultipart(r.choice(["mixed", "alternative", "related", "digest", "signed", "x-own"]), boundary=boundary + "_")
    for _ in range(r.randint(1, 5)):
        part.attach(tree(r, depth - 1))
    if r.random() < 0.4:
        part.preamble = "This is a MIME message.\n" + ("\nMore.\n" if r.random() < 0.3 else "")
    if r.random() < 0.3:
        part.epilogue = "\nThe end.\n"
    return part


def whole(r, depth):
    m = tree(r, depth)
    headers(r, m)
    return m


def headers(r, m):
    from email.header import Header
    from email.utils import format_datetime, formataddr
    import datetime
    people = r.sample(NAMES, 4)
    m["From"] = formataddr(people[0], "utf-8")
    m["To"] = ", ".join(formataddr(p, "utf-8") for p in people[1:r.randint(2, 4)])
    subject = r.choice([sentence(r), sentence(r, 12, 30), TEXTS["utf-8"], TEXTS["koi8-r"] * 3, ""])
    m["Subject"] = Header(subject, None if subject.isascii() else r.choice(["utf-8", "utf-8", "gb18030"]))
    zone = datetime.timezone(datetime.timedelta(minutes=r.choice([0, 60, -300, 330, 765])))
    m["Date"] = format_datetime(datetime.datetime(2000 + r.randrange(60), r.randint(1, 12), r.randint(1, 28), r.randrange(24),
                                                  r.randrange(60), r.randrange(60), tzinfo=zone))
    m["Message-ID"] = "<%x@example.org>" % r.getrandbits(64)
    for i in range(r.choice([0, 0, 1, 3])):
        m["Received"] = "from h%d.example.org by h%d.example.org;\n\tMon, 23 Nov 2026 06:30:0%d +0000" % (i, i + 1, i)


def modern(r):
    """The other half of the package: EmailMessage."""
    m = EmailMessage(policy=policy.SMTP if r.random() < 0.7 else policy.default)
    m["From"] = "Zoë Müller <zoe@example.de>" if r.random() < 0.5 else "alice@example.org"
    m["To"] = "bob@example.net, Team: x@example.org, y@example.org;" if r.random() < 0.3 else "bob@example.net"
    m["Subject"] = r.choice([sentence(r, 10, 25), TEXTS["utf-8"] * 4, "a" * 300])
    m["Date"] = "Mon, 23 Nov 2026 06:30:00 +0100"
    m.set_content("\n".join(sentence(r) for _ in range(r.randint(1, 9))) + "\n" + r.choice(["", TEXTS["utf-8"]]),
                  cte=r.choice([None, "8bit", "quoted-printable", "base64"]))
    if r.random() < 0.6:
        m.add_alternative("<p>%s</p>" % sentence(r), subtype="html")
        if r.random() < 0.5:
            m.get_payload()[-1].add_related(r.randbytes(200), "image", "png", cid="<c@example.org>")
    for _ in range(r.choice([0, 0, 1, 2])):
        m.add_attachment(r.randbytes(r.randrange(500)), "application", "octet-stream",
                         filename=r.choice(["a.bin", "很长的文件名" * 6 + ".txt", "naïve file.txt"]))
    if r.random() < 0.15:
        inner = EmailMessage()
        inner["From"] = "deep@example.org"
        inner["Subject"] = "inner"
        inner.set_content("inner text\n")
        m.add_attachment(inner)
    return m


def good(count=700):
    r = random.Random(20261123)
    random.seed(20261123)  # boundaries that the package makes
    for i in range(count):
        if i % 3 == 2:
            m = modern(r)
            yield "modern-%d" % i, m.as_bytes()
            continue
        m = whole(r, r.randint(0, 4))
        p = policy.compat32.clone(linesep=r.choice(["\n", "\r\n", "\r\n"]), max_line_length=r.choice([78, 78, 0]))
        yield "classic-%d" % i, m.as_bytes(unixfrom=r.random() < 0.05, policy=p)


def hurt(r, octets):
    """One accident."""
    lines = octets.splitlines(keepends=True) or [b""]
    i = r.randrange(len(lines))
    kind = r.randrange(9)
    if kind == 0:
        return octets[:r.randrange(len(octets) + 1)]
    if kind == 1:
        del lines[i]
    elif kind == 2:
        lines.insert(i, lines[r.randrange(len(lines))])
    elif kind == 3:
        lines.insert(i, b"text where none should be\n")
    elif kind == 4:
        lines = [l.rstrip(b"\r\n").removesuffix(b"--") + b"\n" if l.startswith(b"--") else l for l in lines]
    elif kind == 5:
        lines = [l.replace(b"\r\n", b"\n") for l in lines]
    elif kind == 6:
        lines.insert(i, b"\r\n")
    elif kind == 7:
        lines[i] = lines[i].replace(b":", b"", 1)
    else:
        lines.insert(i, b"--" + bytes(r.choice(b"abc=_") for _ in range(3)) + b"--\r\n")
    return b"".join(lines)


H = b"From: a@example.org\r\nDate: Mon, 23 Nov 2026 06:30:00 +0000\r\nMIME-Version: 1.0\r\n"
M = H + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
P = b"--b\r\nContent-Type: text/plain\r\n\r\n"
TORTURE = {
    "empty": b"",
    "one line end": b"\r\n",
    "one LF": b"\n",
    "body only": b"\r\nbody",
    "header only": b"Subject: x\r\n",
    "header without line end": b"Subject: x",
    "no header at all": b"this is no header\r\nSubject: x\r\n\r\nbody\r\n",
    "header that is half a name": b"Subject",
    "colon first": b"Subject: x\r\n\r\n: y\r\n",
    "empty value": b"Subject:\r\nTo:\r\n\r\nbody",
    "fold of blanks only": b"Subject: x\r\n   \r\n y\r\n\r\nbody",
    "8-bit header": b"Subject: caf\xe9 \xff\r\n\r\nbody",
    "NUL in body": b"Subject: x\r\n\r\na\0b\r\n",
    "boundary at the end without line end": M + P + b"x\r\n--b--",
    "last boundary missing": M + P + b"x\r\n",
    "last boundary cut": M + P + b"x\r\n--b-",
    "no boundary at all": M + b"just text\r\n",
    "close only": M + b"--b--\r\n",
    "first boundary right behind header": H + b"Content-Type: multipart/mixed; boundary=b\r\n--b\r\n\r\nx\r\n--b--\r\n",
    "part without header": M + b"--b\r\n\r\nx\r\n--b--\r\n",
    "part without anything": M + b"--b\r\n\r\n--b--\r\n",
    "part of header only": M + b"--b\r\nContent-Type: text/html\r\n--b--\r\n",
    "blanks behind boundary": M + b"--b  \t\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--   \r\n",
    "text behind boundary": M + P + b"x\r\n--bc\r\ny\r\n--b--\r\n",
    "boundary within a line": M + P + b"x --b\r\n --b\r\n--b--\r\n",
    "boundary with quotes": H + b'Content-Type: multipart/mixed; boundary="a b:c"\r\n\r\n--a b:c\r\n\r\nx\r\n--a b:c--\r\n',
    "boundary ends with blank": H + b'Content-Type: multipart/mixed; boundary="b "\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n',
    "boundary missing": H + b"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
    "boundary empty": H + b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nx\r\n----\r\n',
    "nested same boundary": M + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\ny\r\n--b--\r\n",
    "inner begins like outer": M + b"--b\r\nContent-Type: multipart/mixed; boundary=bc\r\n\r\n--bc\r\n\r\nx\r\n--bc--\r\n--b--\r\n",
    "inner never closed": M + b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--\r\n",
    "inner boundary behind its end": M + b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n"
                                    b"--c\r\nmore\r\n--b\r\n\r\ny\r\n--b--\r\n",
    "LF line ends": (M + P + b"x\r\n--b--\r\n").replace(b"\r\n", b"\n"),
    "mixed line ends": M.replace(b"\r\n", b"\n") + P + b"x\n--b--\r\n",
    "LF in front of boundary": M + P + b"x\n--b\n\ny\r\n\n--b--",
    "two blank lines before boundary": M + P + b"x\r\n\r\n\r\n--b--\r\n",
    "message in message in message": H + b"Content-Type: message/rfc822\r\n\r\nSubject: 1\r\nContent-Type: message/rfc822\r\n\r\n"
                                     b"Subject: 2\r\n\r\nbody\r\n",
    "message without anything": H + b"Content-Type: message/rfc822\r\n\r\n",
    "message without header": M + b"--b\r\nContent-Type: message/rfc822\r\n\r\nno header here\r\n--b--\r\n",
    "message cut by header": M + b"--b\r\nContent-Type: message/rfc822\r\n--b--\r\n",
    "digest": H + b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: 1\r\n\r\none\r\n--b\r\n"
              b"Content-Type: text/plain\r\n\r\ntwo\r\n--b--\r\n",
    "multipart in base64": H + b"Content-Transfer-Encoding: base64\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
                           b"--b\r\n\r\nx\r\n--b--\r\n",
    "type with comments": H + b"Content-Type: (c) text (d) / (e) html (f) ; (g) charset (h) = (i) utf-8 (j)\r\n\r\nx\r\n",
    "line of 100 kB": H + b"\r\n" + b"x" * 100000 + b"\r\n",
    "header line of 30 kB": H + b"Subject: " + b"y" * 30000 + b"\r\n\r\nbody\r\n",
    "2000 fields": H + b"X: y\r\n" * 2000 + b"\r\nbody\r\n",
    "500 parts": M + b"".join(b"--b\r\n\r\n%d\r\n" % i for i in range(500)) + b"--b--\r\n",
    "depth 40": H + b"".join(b"Content-Type: multipart/mixed; boundary=b%dx\r\n\r\n--b%dx\r\n" % (i, i) for i in range(40))
                + b"\r\ntext\r\n" + b"".join(b"--b%dx--\r\n" % i for i in reversed(range(40))),
    "continued boundary": H + b'Content-Type: multipart/mixed;\r\n boundary*0="a";\r\n boundary*1="b"\r\n\r\n--ab\r\n\r\nx\r\n--ab--\r\n',
}


def broken(count=450):
    r = random.Random(20261124)
    whole_ones = list(good(count))
    for name, octets in whole_ones:
        for _ in range(r.choice([1, 1, 2, 3])):
            octets = hurt(r, octets)
        yield "hurt-" + name, octets
    yield from TORTURE.items()


if __name__ == "__main__":
    for number, (title, data) in enumerate([*good(), *broken()]):
        with open(os.path.join(sys.argv[1], "%04d-%s.eml" % (number, title.replace(" ", "-"))), "wb") as f:
            f.write(data)
