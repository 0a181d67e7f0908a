"""One question to one name server, by UDP: is it up, and with what code does it answer?"""

import os
import socket
import struct

from dnssec import wire_name

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "DS": 43,
         "DNSKEY": 48, "TLSA": 52}


def rcode_of(address, name, kind, seconds=1.0):
    """The RCODE (RFC 1035 section 4.1.1), or None when no answer comes."""
    ident = os.urandom(2)
    query = ident + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + wire_name(name) + struct.pack("!HH", TYPES[kind], 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        try:
            s.connect(address)
            s.send(query)
            answer = s.recv(4096)
        except OSError:
            return None
    return answer[3] & 15 if answer[:2] == ident else None
