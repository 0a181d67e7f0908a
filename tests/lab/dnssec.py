"""The few things of DNSSEC that the laboratory does by itself: a DS of a key, and signatures that do not fit."""

import base64
import hashlib
import struct

FLIPPED = {"A": "B"}


def wire_name(name):
    """The canonical wire form of a name (RFC 4034 section 6.2)."""
    labels = [label for label in name.lower().rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"


def key_tag(rdata):
    """RFC 4034 appendix B."""
    total = sum(octet << 8 if i % 2 == 0 else octet for i, octet in enumerate(rdata))
    return (total + (total >> 16)) & 0xffff


def ds_record(zone, key, is_wrong=False):
    """The DS line for a DNSKEY's text "257 3 13 BASE64" (RFC 4034 section 5.1.4); wrong: the digest of another key."""
    flags, protocol, algorithm, octets = key.split(None, 3)
    rdata = struct.pack("!HBB", int(flags), int(protocol), int(algorithm)) + base64.b64decode("".join(octets.split()))
    digest = hashlib.sha256(wire_name(zone) + rdata + (b"!" if is_wrong else b"")).hexdigest()
    return "%s DS %d %s 2 %s" % (zone, key_tag(rdata), algorithm, digest)


def spoil_signatures(text, zone, what):
    """The zone file with the signatures of these types ("MX", or "name MX") made wrong. ValueError: none was there."""
    wanted = []
    for entry in what:
        owner, _, kind = entry.rpartition(" ")
        full = None
        if owner:
            full = zone if owner == "@" else owner if owner.endswith(".") else owner + "." + zone
        wanted.append((full and full.lower(), kind.upper()))
    lines, spoiled = [], set()
    for line in text.splitlines():
        word = line.split()
        if len(word) > 11 and word[2] == "RRSIG":
            for owner, kind in wanted:
                if word[3] == kind and owner in (None, word[0].lower()):
                    # the first octets of the signature's number
                    word[11] = FLIPPED.get(word[11][0], "A") + word[11][1:]
                    spoiled.add((owner, kind))
                    line = " ".join(word)
        lines.append(line)
    if spoiled != set(wanted):
        raise ValueError("%s has no signature of %s" % (zone, sorted(set(wanted) - spoiled, key=str)))
    return "\n".join(lines) + "\n"
