"""The laboratory (tests/lab) is what it says: each kind of zone is found so by libunbound as Yizhan sets it up."""

import ssl
import socket
import threading

import pytest

pytestmark = pytest.mark.smoke

HOSTS = ("@ MX 10 mx", "mx A 127.0.0.7")
# what is asked, and what must be found: status, secure, how many records
TABLE = {
    "signed": ("good.example", "MX", "ok", True, 1),
    "signed_host": ("mx.good.example", "A", "ok", True, 1),
    "signed_tlsa": ("_25._tcp.mx.good.example", "TLSA", "ok", True, 2),
    "signed_no_name": ("no.good.example", "A", "nxdomain", True, 0),
    "signed_no_type": ("mx.good.example", "AAAA", "nodata", True, 0),
    "unsigned": ("plain.example", "MX", "ok", False, 1),
    "spoiled_type": ("bad.example", "MX", "bogus", False, 0),
    "spoiled_type_other_type": ("mx.bad.example", "A", "ok", True, 1),
    "spoiled_name": ("_25._tcp.mx.bad.example", "TLSA", "bogus", False, 0),
    "spoiled_name_other_name": ("_25._tcp.m2.bad.example", "TLSA", "ok", True, 1),
    "expired": ("old.example", "MX", "bogus", False, 0),
    "island": ("island.example", "MX", "ok", False, 1),
    "wrong_ds": ("wrong.example", "MX", "bogus", False, 0),
    "signed_below": ("sub.good.example", "MX", "ok", True, 1),
    "unsigned_below": ("open.good.example", "MX", "ok", False, 1),
    "null_mx": ("null.example", "MX", "ok", True, 1),
    "mta_sts": ("_mta-sts.null.example", "TXT", "ok", True, 1),
    "no_such_zone": ("nowhere.example", "MX", "nxdomain", True, 0),
    "lame": ("lame.example", "MX", "fail", False, 0),
    "silent": ("mute.example", "MX", "fail", False, 0),
    "reverse": ("7.2.0.192.in-addr.arpa", "PTR", "ok", True, 1),
}


@pytest.fixture(scope="module")
def world():
    from certs import Authority, mismatch
    from lab import Lab, null_mx, sts
    with Lab() as lab:
        ca = Authority(lab.directory)
        lab.zone("good.example", *HOSTS, "_25._tcp.mx TLSA " + ca.issue("mx.good.example").tlsa("3 1 1"),
                 "_25._tcp.mx TLSA " + ca.tlsa("2 0 1"))
        lab.zone("plain.example", *HOSTS, signed=False)
        lab.zone("bad.example", *HOSTS, "_25._tcp.mx TLSA " + mismatch(), "_25._tcp.m2 TLSA " + mismatch(),
                 broken=["MX", "_25._tcp.mx TLSA"])
        lab.zone("old.example", *HOSTS, expired=True)
        lab.zone("island.example", *HOSTS, signed="island")
        lab.zone("wrong.example", *HOSTS, signed="wrong-ds")
        lab.zone("null.example", null_mx(), sts("20261123"))
        lab.zone("sub.good.example", *HOSTS)
        lab.zone("open.good.example", *HOSTS, signed=False)
        lab.ptr("192.0.2.7", "mx.good.example")
        lab.lame("lame.example")
        lab.silent("mute.example")
        yield lab


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_each_kind_of_zone_is_found_as_it_was_made(world, case):
    name, kind, status, is_secure, count = case
    found = world.ask(name, kind)
    assert (found.status, found.is_secure, len(found.data)) == (status, is_secure, count)


def test_a_zone_is_changed_added_and_taken_away_while_it_is_served(lab):
    lab.zone("turn.example", "@ MX 10 mx", broken=["MX"])
    assert lab.ask("turn.example", "MX").status == "bogus"
    lab.zone("turn.example", "@ MX 20 mx")
    lab.zone("new.example", "@ MX 30 mx")
    assert lab.ask("turn.example", "MX").data[0][:2] == b"\0\x14"
    assert lab.ask("new.example", "MX").data[0][:2] == b"\0\x1e"
    lab.lame("turn.example")
    lab.remove("new.example")
    assert lab.ask("turn.example", "MX").status == "fail"
    assert lab.ask("new.example", "MX").status == "nxdomain"


def test_a_signature_that_is_not_there_cannot_be_spoiled(lab):
    lab.zone("none.example", "@ MX 10 mx", broken=["TLSA"])
    with pytest.raises(ValueError):
        lab.publish()


def verifies(certificate, name, ca):
    """Does OpenSSL's client take this certificate for that name?"""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.chain, certificate.key)
    client = ssl.create_default_context(cafile=ca.cert)
    ours, theirs = socket.socketpair()

    def serve():
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(ours, server_hostname=name).close()
        return True
    except ssl.SSLError:
        return False
    finally:
        ours.close()
        thread.join(10)


def test_certificates_are_good_for_their_names_and_their_time_only(lab):
    from certs import Authority, self_signed
    ca, other = Authority(lab.directory), Authority(lab.directory, "Other CA")
    good = ca.issue("mx.example.org", "127.0.0.7")
    assert verifies(good, "mx.example.org", ca)
    assert verifies(good, "127.0.0.7", ca)
    assert not verifies(good, "other.example.org", ca)
    assert not verifies(good, "mx.example.org", other)
    assert not verifies(ca.issue("mx.example.org", expired=True), "mx.example.org", ca)
    assert not verifies(self_signed(lab.directory, "mx.example.org"), "mx.example.org", ca)


def test_tlsa_data_is_of_the_right_kind(lab):
    from certs import Authority, mismatch
    ca = Authority(lab.directory)
    one, two = ca.issue("a.example"), ca.issue("a.example")
    assert one.tlsa("3 1 1") != two.tlsa("3 1 1") and one.tlsa("3 1 1") == one.tlsa("3 1 1")
    assert one.tlsa("3 0 1") != one.tlsa("3 1 1")
    assert len(one.tlsa("3 1 2").split()[3]) == 128 == len(mismatch("3 1 2").split()[3])
    assert one.tlsa("3 1 0").split()[3].startswith("3059")  # a P-256 key in DER
