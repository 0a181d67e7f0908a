"""yizhan probe before servers that others wrote: what they offer is known from their own manuals."""

import json
import os
import subprocess

from station import binary


def probe(server, *words):
    host, port = server.address
    done = subprocess.run([binary(), "probe", host, str(port), "--json", *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=60, env={k: v for k, v in os.environ.items() if k != "YIZHAN_DATA"})
    assert done.returncode in (0, 1), done.stderr.decode()
    result = json.loads(done.stdout.decode())
    return result["hosts"][0]["addresses"][0]["ports"][0], {f["what"] for f in result["findings"] if f["level"] != "note"}


def keywords(caps):
    return {o["keyword"].upper() for o in caps["offers"]}


def test_probe_reads_a_postfix_with_tls(peers):
    with peers.Postfix("sink", domains=["sink.test"], tls=True) as server:
        port, found = probe(server)
    assert port["protocol"] == "smtp" and "ESMTP" in port["greeting"] and "Postfix" in port["greeting"]
    assert {"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING"} <= keywords(port["under_tls"])
    assert all(o["meaning"] for o in port["under_tls"]["offers"])
    assert port["before_tls"]["starttls"] and "STARTTLS" not in keywords(port["under_tls"])
    assert port["tls"]["versions"]["1.2"] is True and port["tls"]["versions"]["1.3"] is True
    assert port["starttls_injection"] is False and port["open_relay"] is True
    # mynetworks of this one trusts the machine itself: no finding; the certificate is thrown away in two days
    assert found == {"certificate", "expires-soon"}


def test_probe_reads_an_exim_with_tls(peers):
    with peers.Exim("maildir", tls=True) as server:
        port, found = probe(server)
    assert "Exim" in port["greeting"] and port["size_max"] > 0
    assert {"8BITMIME", "PIPELINING"} <= keywords(port["under_tls"])
    assert port["tls"]["versions"]["1.3"] is True and port["tls"]["verification"]["good"] is False
    assert port["starttls_injection"] is False
    assert "certificate" in found and "starttls-injection" not in found and "conversation" not in found


def test_probe_finds_the_open_relay_that_a_postfix_is_set_up_as(peers):
    with peers.SmtpSink() as sink, peers.Postfix("relay", next_hop=sink.address) as server:
        port, found = probe(server, "--relay-check")
    assert port["open_relay"] is True and {"open-relay", "no-tls"} <= found
