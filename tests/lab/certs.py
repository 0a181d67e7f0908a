"""Certificates for TLS peers: a throw-away authority, what it signs, and TLSA records that fit or do not.

    ca = Authority(directory)                            # ca.cert: the file to trust
    mx = ca.issue("mx.example.org", "*.example.org")     # mx.cert, mx.key, mx.chain (cert and CA's): PEM files
    mx.tlsa("3 1 1")    # "3 1 1 <sha256 of the key>"; any of usage 0 to 3, selector 0 and 1, matching 0 to 2
    ca.tlsa("2 0 1")    # the authority's own, for usage 2
    mismatch("3 1 1")   # a TLSA that no certificate fits
    self_signed(directory, "mx.example.org")             # signed by itself, an authority of nothing

Needs the program `openssl`; P-256 keys.
"""

import hashlib
import os
import subprocess


def openssl(*args, input=None):
    done = subprocess.run(["openssl", *args], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (" ".join(args), done.stderr.decode(errors="replace")))
    return done.stdout


def names_of(names):
    """A subjectAltName; what has only digits, colons and dots is an address."""
    return ",".join(("IP:" if all(c in "0123456789.:" for c in name) else "DNS:") + name for name in names)


class Certificate:
    def __init__(self, cert, key, chain=None):
        self.cert, self.key, self.chain = cert, key, chain or cert

    def selected(self, selector):
        """What a TLSA's selector means (RFC 6698 section 2.1.2): 0 the certificate, 1 its key."""
        if selector == 0:
            return openssl("x509", "-in", self.cert, "-outform", "DER")
        key = openssl("x509", "-in", self.cert, "-noout", "-pubkey")
        return openssl("pkey", "-pubin", "-outform", "DER", input=key)

    def tlsa(self, kind="3 1 1"):
        selector, matching = (int(word) for word in kind.split()[1:])
        octets = self.selected(selector)
        digest = {0: octets.hex, 1: hashlib.sha256(octets).hexdigest, 2: hashlib.sha512(octets).hexdigest}[matching]
        return "%s %s" % (kind, digest())


class Authority(Certificate):
    def __init__(self, directory, name="Laboratory CA"):
        self.directory, self.count = directory, 0
        stem = os.path.join(directory, "ca-" + name.replace(" ", "-").lower())
        super().__init__(stem + ".pem", stem + ".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3650",
                "-subj", "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.cert)

    def issue(self, *names, days=30, expired=False):
        """A certificate for these names or addresses; expired: it was good until yesterday."""
        self.count += 1
        stem = os.path.join(self.directory, "%d-%s" % (self.count, names[0].replace("*", "any").replace(":", "-")))
        made = Certificate(stem + ".pem", stem + ".key", stem + ".chain.pem")
        with open(stem + ".ext", "w") as f:
            f.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
                    % names_of(names))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + names[0],
                "-keyout", made.key, "-out", stem + ".csr")
        openssl("x509", "-req", "-in", stem + ".csr", "-CA", self.cert, "-CAkey", self.key, "-set_serial",
                str(self.count), "-days", "-1" if expired else str(days), "-extfile", stem + ".ext", "-out", made.cert)
        with open(made.chain, "w") as chain:
            for part in (made.cert, self.cert):
                with open(part) as f:
                    chain.write(f.read())
        return made


def self_signed(directory, *names):
    stem = os.path.join(directory, "self-" + names[0])
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", "/CN=" + names[0], "-addext", "subjectAltName=" + names_of(names),
            "-keyout", stem + ".key", "-out", stem + ".pem")
    return Certificate(stem + ".pem", stem + ".key")


def mismatch(kind="3 1 1"):
    """A TLSA record that fits nobody."""
    return "%s %s" % (kind, "00" * (64 if kind.endswith("2") else 32))
