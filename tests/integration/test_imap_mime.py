"""ENVELOPE and BODYSTRUCTURE of the MIME corpus: no fact on which two other readers of mail agree is missed.

The others are Python's email package and, where it is there, Dovecot. What Python can say of each message is compared;
where it differs from Yizhan, Dovecot is asked, and two against one is a failure."""

import email
import email.header
import os
import sys

import pytest

from imap_box import server  # noqa: F401
from imap_talk import Lit
from readers import open_reader
from station import TOP

sys.path.insert(0, os.path.join(TOP, "tests", "mime"))
import corpus  # noqa: E402

BATCH = 60


def crlf(octets):
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n").replace(b"\0", b"0")


def letters(is_long):
    """(name, octets) of the corpus; a sample in the quick run."""
    good, broken = list(corpus.good(700 if is_long else 150)), list(corpus.broken())
    if not is_long:
        broken = broken[::max(1, len(broken) // 100)]
    return [(n, crlf(o)) for n, o in good + broken if 0 < len(o) < 200000]


def facts_of(server, user, some):
    """{name: (ENVELOPE, BODYSTRUCTURE, size)} as the server answers."""
    found = {}
    with server.talk(user) as t:
        t.run("DELETE corpus")
        t.ok("CREATE corpus")
        names = []
        for first in range(0, len(some), BATCH):
            part = some[first:first + BATCH]
            t.ok("APPEND corpus", *(Lit(o, plus=True) for _, o in part))
            names += [n for n, _ in part]
        t.ok("SELECT corpus")
        for n, items in t.ok("FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE)").fetches().items():
            found[names[n - 1]] = (items["ENVELOPE"], items["BODYSTRUCTURE"], items["RFC822.SIZE"])
            if plain(items["BODY"]) != plain(items["BODYSTRUCTURE"]):
                raise AssertionError("%s: BODY is not BODYSTRUCTURE without extension data" % names[n - 1])
    return found


def plain(body):
    """What BODY and BODYSTRUCTURE have in common."""
    if "parts" in body:
        return (body["type"], body["subtype"], [plain(p) for p in body["parts"]])
    return tuple(str(body.get(k)) for k in ("type", "subtype", "params", "id", "description", "encoding", "octets", "lines")) + (
        plain(body["body"]) if "body" in body else None,)


def tree_of_server(body):
    if "parts" in body:
        return (body["type"] + "/" + body["subtype"], [tree_of_server(p) for p in body["parts"]])
    if "body" in body:
        return (body["type"] + "/" + body["subtype"], [tree_of_server(body["body"])])
    return (body["type"] + "/" + body["subtype"], [])


def tree_of_python(m):
    kind = m.get_content_type()
    if m.is_multipart():
        return (kind, [tree_of_python(p) for p in m.get_payload()])
    return (kind, [])


def header_facts_of_python(m):
    """What the header says without any doubt: one field of the name, no odd octets."""
    found = {}
    for index, name in ((0, "Date"), (1, "Subject"), (8, "In-Reply-To"), (9, "Message-ID")):
        values = m.get_all(name) or []
        if len(values) == 1:
            value = str(values[0])
            if value.isascii():
                found[index] = " ".join(value.split())
        elif not values:
            found[index] = None
    for index, name in ((2, "From"), (5, "To"), (6, "Cc"), (7, "Bcc")):
        values = m.get_all(name) or []
        if len(values) == 1 and str(values[0]).isascii() and ":" not in str(values[0]):
            pairs = email.utils.getaddresses([str(values[0])])
            if all(a and "@" in a for _, a in pairs):
                found[index] = [a.lower() for _, a in pairs]
        elif not values:
            found[index] = None
    return found


def header_facts_of_server(envelope):
    found = {}
    for index in (0, 1, 8, 9):
        value = envelope[index]
        found[index] = None if value is None else " ".join(value.decode("utf-8", "replace").split())
    for index in (2, 5, 6, 7):
        found[index] = None if not envelope[index] else [
            ("%s@%s" % ((a[2] or b"").decode("utf-8", "replace"), (a[3] or b"").decode("utf-8", "replace"))).lower()
            for a in envelope[index] if a[3] is not None]
    return found


def leaves_of_server(body):
    if "parts" in body:
        return [x for p in body["parts"] for x in leaves_of_server(p)]
    if "body" in body:
        return leaves_of_server(body["body"])
    name = dict(body.get("params") or []).get("name")
    disposition = body.get("disposition")
    return [(body["encoding"], name and name.decode("utf-8", "replace"), disposition and disposition[0].decode().lower(),
             body.get("id") and body["id"].decode("utf-8", "replace"))]


def leaves_of_python(m):
    if m.is_multipart():
        return [x for p in m.get_payload() for x in leaves_of_python(p)]
    encoding = str(m.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    name = m.get_param("name") if m.get("Content-Type") else None
    content_id = m.get("Content-ID")
    return [(encoding, name if isinstance(name, str) else None, m.get_content_disposition(), content_id and str(content_id).strip())]


def differences(octets, answer):
    """What Python's parser finds and the server says otherwise: {fact: (Python's, the server's)}."""
    envelope, body, size = answer
    m = email.message_from_bytes(octets)
    found = {}
    if size != len(octets):
        found["size"] = (len(octets), size)
    theirs, ours = header_facts_of_python(m), header_facts_of_server(envelope)
    for index, value in theirs.items():
        if value != ours[index] and not (value == "" and ours[index] is None):
            found["envelope %d" % index] = (value, ours[index])
    if tree_of_python(m) != tree_of_server(body):
        found["tree"] = (tree_of_python(m), tree_of_server(body))
    else:
        for n, (a, b) in enumerate(zip(leaves_of_python(m), leaves_of_server(body))):
            for what, x, y in zip(("encoding", "name", "disposition", "id"), a, b):
                if x != y and not (what == "name" and (x is None or "=?" in str(x) or not str(x).isascii())):
                    found["leaf %d %s" % (n, what)] = (x, y)
    return found


def check(server, some, is_dovecot_there):
    answers = facts_of(server, "alice", some)
    doubts = {name: d for name, d in ((n, differences(o, answers[n])) for n, o in some) if d}
    if not doubts:
        return 0
    assert is_dovecot_there, "Python's parser differs: %r" % sorted(doubts.items())[:5]
    asked = [(n, o) for n, o in some if n in doubts]
    with open_reader("dovecot") as other:
        second = facts_of(other, "alice", asked)
    missed = {}
    for name, octets in asked:
        theirs = differences(octets, second[name])
        for fact, (python, ours) in doubts[name].items():
            if fact not in theirs:  # Dovecot says as Python does
                missed.setdefault(name, {})[fact] = (python, ours)
    assert not missed, "\n".join("%s: %s: two say %r, we say %r" % (n, f, p, o) for n, d in sorted(missed.items())[:20]
                                 for f, (p, o) in d.items()) + "\n%d letters" % len(missed)
    return len(doubts)


def is_dovecot_there():
    try:
        from dovecot import DovecotReader  # noqa: F401
        from peers import program
        program("usr/lib/dovecot/imap")
        return os.geteuid() == 0
    except Exception:
        return False


def test_no_fact_is_missed_on_which_two_others_agree(server):
    check(server, letters(False), is_dovecot_there())


@pytest.mark.long
def test_no_fact_is_missed_in_the_whole_corpus(server):
    print("%d letters in which Yizhan or Dovecot differ from Python" % check(server, letters(True), is_dovecot_there()))


def test_a_missed_fact_would_be_found():
    octets = b"From: a@example.org\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n"
    leaf = {"type": "text", "subtype": "plain", "params": None, "id": None, "encoding": "7bit", "octets": 1, "lines": 0}
    right = ([None, b"x", [[None, None, b"a", b"example.org"]], None, None, None, None, None, None, None],
             {"type": "multipart", "subtype": "mixed", "parts": [leaf]}, len(octets))
    assert differences(octets, right) == {}
    for wrong in (([None, b"y", *right[0][2:]], right[1], right[2]), (right[0], dict(right[1], parts=[leaf, leaf]), right[2]),
                  (right[0], dict(right[1], parts=[dict(leaf, encoding="base64")]), right[2]), (right[0], right[1], 1)):
        assert len(differences(octets, wrong)) == 1
