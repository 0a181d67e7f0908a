"""Certificates from files: SNI, two kinds of keys, reload under load, what is wrong with them (docs/certificates.md)."""

import os
import shutil
import smtplib
import socket
import ssl
import sys
import threading

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "lab"))
from certs import Authority, openssl  # noqa: E402

CONF = """demo = yes
certificate one { certificate = "%(one)s"
 key = "%(one_key)s" }
certificate wild { certificate = "%(wild)s"
 key = "%(wild_key)s"
 names = { "*.wild.example" } }
"""


def shown(address, sni, ciphers=None):
    """The certificate that a client meets, as PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if ciphers:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(ciphers)
    with socket.create_connection(address, timeout=20) as plain:
        plain.recv(512)
        plain.sendall(b"EHLO me\r\n")
        plain.recv(2048)
        plain.sendall(b"STARTTLS\r\n")
        assert plain.recv(512).startswith(b"220")
        with context.wrap_socket(plain, server_hostname=sni) as s:
            return ssl.DER_cert_to_PEM_cert(s.getpeercert(True))


def pem(made):
    with open(made.cert) as f:
        return "".join(f.readlines())


@pytest.fixture
def files(tmp_path):
    ca = Authority(str(tmp_path))
    one, wild = ca.issue("mail.one.example"), ca.issue("other.example")
    return {"ca": ca, "one": one.cert, "one_key": one.key, "wild": wild.cert, "wild_key": wild.key, "made": (one, wild)}


def test_each_name_meets_its_certificate(make_station, files):
    station = make_station(conf=CONF % files)
    one, wild = files["made"]
    assert shown(station.smtp, "mail.one.example") == pem(one)
    assert shown(station.smtp, "MAIL.wild.example") == pem(wild)
    with open(os.path.join(station.data, "certificate.pem")) as f:
        own = f.read()
    for name in ("other.example", "a.b.wild.example", None):
        assert shown(station.smtp, name) == own
    assert station.cli_json("status", "--json")["certificates"] == 3


def test_rsa_and_ecdsa_for_one_name(make_station, files, tmp_path):
    rsa = str(tmp_path / "rsa")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=mail.one.example",
            "-addext", "subjectAltName=DNS:mail.one.example", "-keyout", rsa + ".key", "-out", rsa + ".pem")
    conf = CONF + 'certificate rsa { certificate = "%s.pem"\n key = "%s.key" }\n' % (rsa, rsa)
    station = make_station(conf=conf % files)
    with open(rsa + ".pem") as f:
        assert shown(station.smtp, "mail.one.example", "ECDHE-RSA-AES128-GCM-SHA256") == f.read()
    assert shown(station.smtp, "mail.one.example", "ECDHE-ECDSA-AES128-GCM-SHA256") == pem(files["made"][0])
    assert shown(station.smtp, "mail.one.example") == pem(files["made"][0])


def test_reload_under_load(make_station, files):
    """Connections go on with what they have, new ones meet the new certificate, nobody is turned away."""
    station = make_station(conf=CONF % files)
    failed, rounds, stop = [], [0], threading.Event()

    def talk():
        context = ssl.create_default_context(cafile=files["ca"].cert)
        while not stop.is_set():
            try:
                with smtplib.SMTP(*station.smtp, timeout=20) as client:
                    client._host = "mail.one.example"
                    client.starttls(context=context)
                    client.sendmail("me@example.org", ["alice@yizhan.test"], "Subject: x\r\n\r\nx\r\n")
                rounds[0] += 1
            except Exception as e:  # noqa: BLE001: whatever it was, it is told
                failed.append(repr(e))
                return

    held = smtplib.SMTP(*station.smtp, timeout=20)
    held.starttls(context=ssl._create_unverified_context())
    threads = [threading.Thread(target=talk) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(6):
        fresh = files["ca"].issue("mail.one.example")
        shutil.copy(fresh.key, files["one_key"])
        shutil.copy(fresh.cert, files["one"])
        station.cli("reload")
        assert shown(station.smtp, "mail.one.example") == pem(fresh)
    stop.set()
    for t in threads:
        t.join()
    assert not failed and rounds[0] > 3
    held.sendmail("me@example.org", ["alice@yizhan.test"], "Subject: held\r\n\r\nx\r\n")
    held.quit()


def test_a_broken_pair_is_refused_and_told(make_station, files):
    station = make_station(conf=CONF % files)
    one, wild = files["made"]
    before = pem(one)
    shutil.copy(wild.key, one.key)
    done = station.cli("reload", check=False)
    assert done.returncode != 0
    told = done.stderr if isinstance(done.stderr, str) else done.stderr.decode()
    assert one.key in told and one.cert in told and "certificate one" in told
    assert shown(station.smtp, "mail.one.example") == before
    # by the signal too
    with open(one.cert, "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nnothing\n")
    station.reload()
    assert one.cert in station.wait_log("host.reload.failed")
    assert shown(station.smtp, "mail.one.example") == before


def test_sections_come_and_go_with_a_reload(make_station, files):
    station = make_station(conf=CONF % files)
    conf = os.path.join(station.directory, "yizhan.conf")
    with open(conf, "w") as f:
        f.write((CONF % files).replace('names = { "*.wild.example" }', 'names = { "new.example" }')
                + 'tls { certificate = "%(one)s"\n key = "%(one_key)s" }\n' % files)
    station.cli("reload")
    one, wild = files["made"]
    assert shown(station.smtp, "new.example") == pem(wild)
    assert shown(station.smtp, "mail.wild.example") == pem(one)
    assert shown(station.smtp, None) == pem(one)


def test_a_broken_pair_at_the_start_names_the_file(tmp_path, files):
    import subprocess

    from station import binary
    conf = tmp_path / "yizhan.conf"
    conf.write_text((CONF % files).replace(files["wild_key"], files["one_key"]))
    done = subprocess.run([binary(), "serve", "--data", str(tmp_path / "data"), "--conf", str(conf),
                           "--port-offset", "22000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert done.returncode == 78 and files["one_key"].encode() in done.stderr


def test_what_is_about_to_expire_is_told(make_station, files, tmp_path):
    soon = files["ca"].issue("mail.one.example", days=13)
    os.chmod(soon.key, 0o644)
    conf = (CONF % files).replace(files["one"] + '"', soon.cert + '"').replace(files["one_key"], soon.key)
    station = make_station(conf=conf)
    troubles = station.cli_json("status", "--json")["certificate_troubles"]
    assert any("certificate one" in t and "expires in" in t for t in troubles)
    assert any(soon.key in t and "may read" in t for t in troubles)
    assert "expires in" in station.wait_log("host.tls.trouble")


def test_the_own_certificate_follows_the_host_name(make_station):
    station = make_station(conf='demo = yes\nhostname = "mx.first.example"\n')
    with open(os.path.join(station.data, "certificate.pem")) as f:
        first = f.read()
    key = openssl("x509", "-in", os.path.join(station.data, "certificate.pem"), "-noout", "-pubkey")
    station.restart()
    with open(os.path.join(station.data, "certificate.pem")) as f:
        assert f.read() == first
    station.stop()
    station.conf = 'demo = yes\nhostname = "mx.second.example"\n'
    station.start()
    with open(os.path.join(station.data, "certificate.pem")) as f:
        second = f.read()
    assert second != first
    text = openssl("x509", "-in", os.path.join(station.data, "certificate.pem"), "-noout", "-text")
    assert b"mx.second.example" in text and b"mx.first.example" not in text
    # what was published of the key (TLSA) stays true
    assert openssl("x509", "-in", os.path.join(station.data, "certificate.pem"), "-noout", "-pubkey") == key
    assert shown(station.smtp, "mx.second.example") == second
