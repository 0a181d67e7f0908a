"""Certificates for the scripted servers, made anew for each run with the openssl command."""
import subprocess


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make(folder):
    """{name: PEM file with chain and key}, "ca" is the authority's certificate."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "30")
    made = {"ca": str(folder / "ca.pem")}
    # name: (subject alternative name, days)
    wanted = {"good": ("DNS:localhost,IP:127.0.0.1,DNS:mail.test", 10), "expired": ("DNS:localhost,IP:127.0.0.1", -1),
              "other": ("DNS:other.test", 10), "name only": ("DNS:localhost", 10)}
    for name, (names, days) in wanted.items():
        stem = name.replace(" ", "-")
        (folder / (stem + ".ext")).write_text("subjectAltName=" + names + "\n")
        openssl(folder, "req", *key, "-keyout", stem + ".key", "-out", stem + ".csr", "-subj", "/CN=" + stem)
        openssl(folder, "x509", "-req", "-in", stem + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", stem + ".crt", "-days", str(days), "-extfile", stem + ".ext")
        both = folder / (stem + ".pem")
        both.write_text((folder / (stem + ".crt")).read_text() + (folder / (stem + ".key")).read_text())
        made[name] = str(both)
    openssl(folder, "req", "-x509", *key, "-keyout", "self.key", "-out", "self.crt", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "10")
    both = folder / "self.pem"
    both.write_text((folder / "self.crt").read_text() + (folder / "self.key").read_text())
    made["self"] = str(both)
    return made
