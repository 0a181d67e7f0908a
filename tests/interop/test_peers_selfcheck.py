"""The peers run and record what they are told to: without this the other interop tests prove nothing."""

import os
import smtplib
import socket
import subprocess

import pytest


def send(sink, text="Subject: hi\r\n\r\nhello\r\n", rcpts=("a@sink.test",), sender="me@source.test"):
    with smtplib.SMTP(*sink.address, timeout=10) as client:
        return client.sendmail(sender, list(rcpts), text)


def swaks(sink, *options):
    return subprocess.run(["swaks", "--server", sink.host, "--port", str(sink.port), "--from", "me@source.test",
                           "--to", "a@sink.test", "--timeout", "10", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30)


# -- Postfix, Exim, smtp-source, smtp-sink against each other -------------------------------------------------

def test_source_through_postfix_into_smtp_sink(peers):
    with peers.SmtpSink(keep=True) as sink, peers.Postfix("relay", next_hop=sink.address) as mta:
        peers.smtp_source(mta.address, sessions=3, messages=30, size=4096, rcpt="x@far.test")
        sink.wait(30)
        kept = sink.messages()
        assert len(kept) == 30
        assert {m.msg["X-Rcpt-Args"].split()[0] for m in kept} == {"<x@far.test>"}
        assert all("postfix.test" in m.msg.get_all("Received")[1] for m in kept)
        peers.wait_for("an empty queue", lambda: mta.queue_count() == 0, 10)


def test_postfix_hold_keeps_all_and_sends_nothing(peers):
    with peers.Postfix("hold") as mta:
        peers.smtp_source(mta.address, sessions=5, messages=25, reuse=True)
        assert mta.queue_count("hold") == 25
        assert mta.queue_count("incoming", "active", "deferred") == 0


def test_postfix_hold_takes_100_sessions_at_once(peers):
    with peers.Postfix("hold") as mta:
        peers.smtp_source(mta.address, sessions=100, messages=200)
        assert mta.queue_count("hold") == 200


def test_postfix_delivers_to_maildirs_and_refuses_strangers(peers):
    with peers.Postfix("maildir", accounts=["ann@box.test", "ben@box.test"]) as mta:
        peers.smtp_source(mta.address, sessions=2, messages=6, rcpt="ann@box.test")
        refused = send(mta, rcpts=["ben@box.test", "nobody@box.test"])
        assert list(refused) == ["nobody@box.test"] and refused["nobody@box.test"][0] == 550
        assert len(mta.wait(6, "ann@box.test")) == 6
        letter = mta.wait(1, "ben@box.test")[0]
        assert (letter.sender, letter.rcpt) == ("me@source.test", "ben@box.test")
        assert letter.body == b"hello\n"


def test_postfix_to_postfix_sink_with_inspection(peers):
    with peers.Postfix("sink", domains=["far.test"]) as far, peers.Postfix("relay", next_hop=far.address) as mta:
        send(mta, rcpts=["one@far.test", "two@far.test"])
        assert sorted(m.rcpt for m in far.wait(2)) == ["one@far.test", "two@far.test"]


def test_postfix_relays_to_exim_maildir(peers):
    with peers.Exim("maildir") as exim, peers.Postfix("relay", next_hop=exim.address) as mta:
        send(mta, rcpts=["one@far.test"])
        letter = exim.wait(1)[0]
        assert (letter.sender, letter.rcpt) == ("me@source.test", "one@far.test")
        assert letter.body == b"hello\n"


def test_exim_queue_mode_keeps_and_relay_mode_passes_on(peers):
    with peers.Exim("queue") as exim:
        peers.smtp_source(exim.address, sessions=1, messages=3, reuse=True)
        assert exim.queue_count() == 3 and exim.messages() == []
    with peers.PySink() as sink, peers.Exim("relay", next_hop=sink.address) as exim:
        send(exim, rcpts=["one@far.test"])
        assert sink.wait(1)[0].rcpts == ["one@far.test"]


def test_postfix_retries_greylisted_recipient_alone(peers):
    with peers.PySink() as sink, peers.Postfix("relay", next_hop=sink.address) as mta:
        sink.on("rcpt", ["451 4.7.1 come back", "250 2.1.5 fine"], rcpt="grey@far.test")
        send(mta, rcpts=["grey@far.test", "plain@far.test"])
        first = sink.wait(1)[0]
        assert first.rcpts == ["plain@far.test"]
        peers.wait_for("the deferred copy", lambda: mta.queue_count("deferred") == 1, 10)
        mta.flush()
        assert sink.wait(2)[1].rcpts == ["grey@far.test"]


def test_postfix_offers_starttls_with_its_own_certificate(peers):
    with peers.Postfix("hold", tls=True) as mta, smtplib.SMTP(*mta.address, timeout=10) as client:
        client.starttls()
        client.sendmail("me@source.test", ["a@sink.test"], "Subject: hi\r\n\r\nhello\r\n")
        assert mta.queue_count("hold") == 1


def test_stop_leaves_no_process_and_no_directory(peers):
    with peers.Postfix("hold") as mta:
        peers.smtp_source(mta.address)
        leader, directory = mta.process.pid, mta.directory
        assert len(peers.session_processes(leader)) >= 3
    assert peers.session_processes(leader) == []
    assert not os.path.exists(directory)


# -- PySink -----------------------------------------------------------------------------------------------------

@pytest.mark.smoke
def test_swaks_into_pysink_is_recorded_to_the_octet(scripted):
    with scripted.PySink() as sink:
        done = swaks(sink, "--data", "Subject: x\\n\\n.dot first\\n..two\\nend", "--ehlo", "client.test")
        assert done.returncode == 0, done.stdout.decode()
        letter = sink.wait(1)[0]
        assert (letter.sender, letter.rcpts) == ("me@source.test", ["a@sink.test"])
        assert letter.session.helo == "client.test"
        assert letter.wire.endswith(b"\r\n.\r\n") and b"\r\n..dot first\r\n...two\r\n" in letter.wire
        assert b"\r\n.dot first\r\n..two\r\nend" in letter.data and not letter.data.endswith(b".\r\n")
        assert sink.wait_sessions(1)[0].end == "quit"


@pytest.mark.smoke
def test_swaks_pipelining_and_starttls_into_pysink(scripted, tmp_path):
    with scripted.PySink(tls=scripted.self_signed(str(tmp_path))) as sink:
        assert swaks(sink, "--pipeline").returncode == 0
        assert swaks(sink, "--tls").returncode == 0
        clear, tls = sink.wait(2)
        assert not clear.session.is_tls and tls.session.tls_version == "TLSv1.3"


@pytest.mark.smoke
@pytest.mark.parametrize("stage, code, swaks_code", [
    ("connect", b"554", 21), ("mail", b"451", 23), ("rcpt", b"550", 24), ("data", b"452", 25), ("dot", b"554", 26)])
def test_pysink_refuses_at_each_stage(scripted, stage, code, swaks_code):
    with scripted.PySink() as sink:
        sink.on(stage, code.decode() + " 5.0.0 as told")
        done = swaks(sink)
        assert done.returncode == swaks_code and b"%s 5.0.0 as told" % code in done.stdout
        assert sink.messages == []
        assert len(sink.letters) == (1 if stage == "dot" else 0)


@pytest.mark.smoke
def test_pysink_reply_by_recipient_and_in_sequence(scripted):
    with scripted.PySink() as sink:
        sink.on("rcpt", "550 5.1.1 nobody", rcpt="ghost@sink.test")
        sink.on("rcpt", ["450 4.2.1 first", "450 4.2.1 second", "250 2.1.5 third"], rcpt="grey@sink.test")
        for expect in ({"ghost@sink.test": 550, "grey@sink.test": 450}, {"ghost@sink.test": 550, "grey@sink.test": 450},
                       {"ghost@sink.test": 550}):
            refused = send(sink, rcpts=["ghost@sink.test", "grey@sink.test", "plain@sink.test"])
            assert {who: reply[0] for who, reply in refused.items()} == expect
        assert [m.rcpts for m in sink.wait(3)] == [["plain@sink.test"]] * 2 + [["grey@sink.test", "plain@sink.test"]]


@pytest.mark.smoke
def test_pysink_drops_after_the_dot_yet_knows_the_letter(scripted):
    with scripted.PySink() as sink:
        sink.on("dot", [scripted.Drop(), "250 2.0.0 fine"])
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink)
        send(sink)
        assert len(sink.wait(1)) == 1 and [x.is_taken for x in sink.letters] == [False, True]


@pytest.mark.smoke
def test_pysink_resets_stalls_and_trickles(scripted):
    with scripted.PySink() as sink:
        sink.on("noop", [scripted.Reset(), scripted.Stall(0.3, "250 late"), scripted.Slow("250 slowly", 0.01)])
        s = smtplib.SMTP(*sink.address, timeout=5)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            s.noop()
        with smtplib.SMTP(*sink.address, timeout=5) as s:
            assert s.noop() == (250, b"late") and s.noop() == (250, b"slowly")


@pytest.mark.smoke
def test_pysink_2000_line_and_malformed_replies(scripted):
    with scripted.PySink() as sink:
        sink.on("noop", [scripted.multi(250, ["line %d" % i for i in range(2000)]), b"what is this\r\n"])
        with smtplib.SMTP(*sink.address, timeout=5) as s:
            code, text = s.noop()
            assert code == 250 and text.count(b"\n") == 1999
            assert s.noop()[0] == -1


@pytest.mark.smoke
def test_pysink_bdat_and_bare_lf_octets(scripted):
    with scripted.PySink() as sink, socket.create_connection(sink.address, timeout=5) as s:
        s.sendall(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<\"odd >\"@sink.test> NOTIFY=NEVER\r\nBDAT 4\r\na\n.\nBDAT 3 LAST\r\n\r\nb"
                  b"MAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\none\n.\ntwo\r.\r\r\n.\r\nQUIT\r\n")
        while s.recv(4096):
            pass
        chunked, dotted = sink.wait(2)
        assert (chunked.sender, chunked.rcpts, chunked.chunks) == ("", ['"odd >"@sink.test'], [4, 3])
        assert chunked.rcpt_params == {'"odd >"@sink.test': ["NOTIFY=NEVER"]}
        assert chunked.data == b"a\n.\n\r\nb"
        assert dotted.data == b"one\n.\ntwo\r.\r\r\n"


@pytest.mark.smoke
def test_pysink_lmtp_answers_for_each_recipient(scripted):
    with scripted.PySink(lmtp=True) as sink:
        sink.on("dot", "452 4.2.2 full", rcpt="full@sink.test")
        with smtplib.LMTP(*sink.address) as client:
            client.ehlo_or_helo_if_needed()
            client.mail("me@source.test")
            client.rcpt("ok@sink.test")
            client.rcpt("full@sink.test")
            assert client.data(b"Subject: x\r\n\r\nhi\r\n")[0] == 250
            assert client.getreply()[0] == 452
        assert sink.wait(1)[0].replies == [250, 452]


@pytest.mark.smoke
def test_missing_program_is_told_with_the_step_that_brings_it(scripted, monkeypatch, tmp_path):
    monkeypatch.setattr(scripted, "PEERS", str(tmp_path))
    with pytest.raises(scripted.PeerUnavailable, match="tests/peers/fetch"):
        with scripted.SmtpSink():
            pass
