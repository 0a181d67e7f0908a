"""The MIME parser beside Python's: structure, exact places, decoded bodies, header fields, over more
than a thousand messages (tests/mime/corpus.py). It runs the program that the build leaves in
tests/mime/mime_dump, no server."""

import email.header
import email.utils
import json
import os
import re
import subprocess
import sys
from email import policy
from email.parser import BytesParser

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "mime"))
import corpus  # noqa: E402

BIN = os.environ.get("YIZHAN_BIN", os.path.join(TOP, "build", "asan", "yizhan"))
DUMP = os.path.join(os.path.dirname(BIN), "tests", "mime", "mime_dump")


def dump(messages, cut=0):
    data = b"".join(b"%d\n%s" % (len(m), m) for m in messages)
    done = subprocess.run([DUMP, str(cut)], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(messages)
    return lines


def digest(data):
    h = 14695981039346656037
    for o in data:
        h = ((h ^ o) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return "%d:%016x" % (len(data), h)


def octets(text):
    return (text or "").encode("ascii", "surrogateescape")


def without_line_end(data):
    return re.sub(rb"\r?\n\Z", b"", data)


class Comparison:
    def __init__(self, name, message, ours, is_good):
        self.message, self.ours, self.is_good, self.at = message, ours, is_good, 0
        self.where = name

    def same(self, what, theirs, ours):
        assert theirs == ours, "%s, part %d: %s: Python %r, here %r" % (self.where, self.at, what, theirs, ours)

    def next(self):
        part = self.ours["parts"][self.at]
        self.at += 1
        return part

    def headers(self, part, mine):
        theirs = [(n, v) for n, v in part.raw_items()]
        own = []
        for offset, length, value in mine["fields"]:
            name = self.message[offset:value - 1]
            text = self.message[value:offset + length].lstrip(b" \t").rstrip(b"\r\n")
            own.append((name.decode("latin-1"), text))
        self.same("fields", [(n, octets(v)) for n, v in theirs], own)
        if mine["fields"]:  # they fill the section without a gap
            end = mine["header"]
            for offset, length, _ in mine["fields"]:
                self.same("place of a field", end, offset)
                end += length
            assert self.message[end:mine["body"]] in (b"", b"\r\n", b"\n"), self.where

    def body(self, what, theirs, start, end, can_differ=False):
        own = self.message[start:end]
        if can_differ and without_line_end(own) == without_line_end(theirs):
            return
        self.same(what, theirs, own)

    def part(self, part, parent_is_open=False):
        mine = self.next()
        self.headers(part, mine)
        if self.is_good or "content-type-is-malformed" not in mine["defects"]:
            # Python leaves comments where they are
            if "(" not in part.get_content_type():
                self.same("type", part.get_content_type(), mine["type"] + "/" + mine["subtype"])
        is_open = parent_is_open or "last-boundary-not-found" in mine["defects"]
        if mine["kind"] == "multipart" and part.is_multipart():
            self.multipart(part, mine, is_open)
        elif mine["kind"] == "message" and part.is_multipart():
            self.same("messages inside", 1, mine["children"])
            self.part(part.get_payload(0), is_open)
        elif not part.is_multipart():
            self.leaf(part, mine, is_open)
        else:
            assert mine["type"] in ("message", "multipart"), self.where

    def multipart(self, part, mine, is_open):
        children = part.get_payload()
        # two boundaries with nothing between them: Python sees one
        self.same("parts", len(children), mine["children"])
        self.body("preamble", octets(part.preamble), mine["body"], mine["preamble_end"], can_differ=True)
        if part.epilogue is not None and mine["epilogue"] < mine["end"]:
            self.body("epilogue", octets(part.epilogue), mine["epilogue"], mine["end"], can_differ=True)
        for child in children:
            self.part(child, is_open)

    def leaf(self, part, mine, is_open):
        payload = part._payload  # get_payload() would decode 8-bit octets
        if isinstance(payload, str):
            # what is not closed: Python takes a line end away at the end of the message as well
            end = mine["preamble_end"] if mine["kind"] == "multipart" else mine["end"]
            self.body("body", octets(payload), mine["body"], end, can_differ=is_open or mine["kind"] == "multipart")
            body = self.message[mine["body"]:mine["end"]]
            self.same("lines", body.count(b"\n"), mine["lines"])
        if not self.is_good:
            return
        self.same("decoded", digest(part.get_payload(decode=True) or b""), mine["content"])
        self.same("charset", part.get_content_charset("us-ascii"), mine["charset"].lower())
        self.same("filename", email.utils.collapse_rfc2231_value(part.get_filename("")), mine["filename"])
        self.same("disposition", part.get_content_disposition() or "", mine["disposition"])

    def envelope(self):
        root = self.ours["parts"][0]
        theirs = BytesParser(policy=policy.default).parsebytes(self.message)
        self.same("subject", re.sub(r"\s+", " ", str(theirs["subject"])).strip(), re.sub(r"\s+", " ", root["subject"]))
        self.same("date", int(theirs["date"].datetime.timestamp()), root["date"])
        self.same("to", [[a.display_name, a.addr_spec] for a in theirs["to"].addresses], root["to"])


def has_close_boundaries(message):
    """Boundary-like lines in a row: Python takes them for one, even when the last one is the end."""
    lines = message.splitlines()
    return any(a.startswith(b"--") and b.startswith(b"--") for a, b in zip(lines, lines[1:]))


def python_reads_otherwise(message):
    """Known differences of the grammar: a first line that is a continuation, blanks before the colon,
    "From " lines within, a field without a name, an empty boundary, a bare CR as a line end."""
    return re.search(rb"(?m)^From (?!\S+ +(Mon|Tue|Wed|Thu|Fri|Sat|Sun))|\r(?!\n)", message) or \
        re.search(rb"(?m)^[!-9;-~]+[ \t]+:|^:", message) or \
        re.search(rb"(?:\A|\n\r?\n|\n--[^\n]*\n)[ \t]+[^\s]", message) or \
        message.count(b"\nFrom ") or b'boundary=""' in message or has_close_boundaries(message)


def compare(messages, is_good):
    lines = dump([m for _, m in messages])
    left_out = 0
    for (name, message), line in zip(messages, lines):
        ours = json.loads(line)
        assert ours["size"] == len(message)
        boundaries = [p["boundary"] for p in ours["parts"] if p["boundary"]]
        # where one is inside of itself, Python lets the outer one win, others the inner one
        if not is_good and (python_reads_otherwise(message) or len(set(boundaries)) < len(boundaries)):
            left_out += 1
            continue
        c = Comparison(name, message, ours, is_good)
        c.part(BytesParser(policy=policy.compat32).parsebytes(message))
        if c.at == len(ours["parts"]) and is_good:
            c.envelope()
    return left_out


def test_well_formed_messages_are_read_as_python_reads_them():
    messages = list(corpus.good())
    assert compare(messages, True) == 0
    assert len(messages) >= 700


def test_broken_messages_have_the_structure_that_python_sees():
    messages = list(corpus.broken())
    assert len(messages) + 700 >= 1000
    assert compare(messages, False) < len(messages) / 5


@pytest.mark.parametrize("cut", [1, 2, 7, 100])
def test_any_cut_of_the_octets_gives_the_same_tree(cut):
    messages = [m for _, m in [*list(corpus.good(200)), *corpus.broken(150)]]
    whole, pieces = dump(messages), dump(messages, cut)
    for message, one, other in zip(messages, whole, pieces):
        assert one == other, message[:400]


def test_well_formed_messages_are_not_ambiguous_and_torture_is():
    for (name, message), line in zip(corpus.good(300), dump([m for _, m in corpus.good(300)])):
        ours = json.loads(line)
        bad = {d for p in ours["parts"] for d in p["defects"]}
        if ours["ambiguous"]:
            assert bad & {"mixed-line-ends", "boundary-has-forbidden-octets", "from-is-no-address",
                          "several-from-addresses", "address-is-malformed", "boundary-begins-with-an-outer-one",
                          "parameter-is-malformed"}, (name, bad)
    torture = list(corpus.TORTURE.items())
    ambiguous = {n for (n, _), line in zip(torture, dump([m for _, m in torture])) if json.loads(line)["ambiguous"]}
    for name in ("last boundary missing", "text behind boundary", "boundary missing", "nested same boundary",
                 "inner boundary behind its end", "NUL in body", "mixed line ends", "multipart in base64",
                 "no header at all", "8-bit header", "boundary ends with blank"):
        assert name in ambiguous, name
