"""A server's life: it starts, is reloaded, drained, killed and started again, and keeps the mail."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from station import PortOffset, Yizhan, binary

BODY = "Subject: x\r\n\r\nHello.\r\n"


def send(station, to="alice@yizhan.test", text=BODY):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.sendmail("me@example.org", [to], text)


def test_second_run_finds_the_mail_and_the_people(station):
    people = station.accounts
    send(station)
    station.restart()
    assert station.accounts == people
    assert len(station.mailbox("alice@yizhan.test")) == 1
    send(station)
    assert [m["uid"] for m in station.mailbox("alice@yizhan.test")] == [1, 2]


def test_kill_9_keeps_what_was_answered(station):
    for _ in range(5):
        send(station)
    station.kill9()
    station.start()
    assert len(station.mailbox("alice@yizhan.test")) == 5
    station.cli("check")


def test_without_a_server_commands_use_the_store(station):
    send(station)
    station.stop()
    assert len(station.mailbox("alice@yizhan.test")) == 1
    assert station.export("alice@yizhan.test", 1).endswith(BODY.encode())
    station.cli("account", "add", "carol@yizhan.test", "--no-password")
    assert station.cli_json("status", "--json")["running"] is False
    assert station.cli("status", "--fibers", check=False).returncode == 69
    station.start()
    send(station, "carol@yizhan.test")
    assert len(station.mailbox("carol@yizhan.test")) == 1


def test_account_before_the_first_start(tmp_path):
    data = str(tmp_path / "new")
    for words in (["domain", "add", "first.example"], ["account", "add", "eve@first.example"]):
        done = subprocess.run([binary(), "--data", data, *words], stdout=subprocess.PIPE)
        assert done.returncode == 0
    done = subprocess.run([binary(), "--data", data, "account", "list", "--json"], stdout=subprocess.PIPE)
    assert [a["address"] for a in json.loads(done.stdout)] == ["eve@first.example"]


def test_second_server_is_refused(station):
    done = subprocess.run([station.program, "serve", "--data", station.data, "--port-offset", str(station.offset.value)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert done.returncode == 75
    assert b"process %d serves" % station.pid in done.stderr


def test_second_server_on_the_same_port_is_refused(station, tmp_path):
    done = subprocess.run([station.program, "serve", "--data", str(tmp_path / "other"), "--port-offset",
                           str(station.offset.value)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert done.returncode == 75
    assert b"is held by process %d" % station.pid in done.stderr


def test_idle_clients_hear_421_at_the_end(station):
    client = smtplib.SMTP(*station.smtp, timeout=20)
    client.ehlo()
    begin = time.monotonic()
    station.process.send_signal(signal.SIGTERM)
    assert client.file.readline().startswith(b"421 4.3.2")
    assert client.file.readline() == b""
    assert station.wait_end() == 0
    assert time.monotonic() - begin < 10


def test_a_message_under_way_may_end(station):
    client = smtplib.SMTP(*station.smtp, timeout=20)
    client.ehlo()
    client.mail("me@example.org")
    client.rcpt("alice@yizhan.test")
    assert client.docmd("DATA")[0] == 354
    client.sock.sendall(b"Subject: late\r\n\r\n")
    time.sleep(0.2)
    station.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):
        socket.create_connection(station.smtp, timeout=2).recv(1)  # nobody new
        raise OSError("closed without a word")
    client.sock.sendall(b"text\r\n.\r\n")
    assert client.getreply()[0] == 250
    begin = time.monotonic()
    assert client.getreply()[0] == 421  # and is told, not waited for
    assert station.wait_end() == 0 and time.monotonic() - begin < 10
    station.start()
    assert station.mailbox("alice@yizhan.test")[0]["subject"] == "late"


def test_second_signal_ends_at_once(make_station):
    station = make_station(conf="demo = yes\nlimits { drain_time = 30s }\n")
    client = smtplib.SMTP(*station.smtp, timeout=20)
    client.ehlo()
    client.mail("me@example.org")
    client.rcpt("alice@yizhan.test")
    client.docmd("DATA")
    time.sleep(0.2)
    station.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert station.process.poll() is None
    station.process.send_signal(signal.SIGTERM)
    assert station.wait_end() == 75
    station.start()
    station.cli("check")


def test_drain_is_cut_after_its_time(make_station):
    station = make_station(conf="demo = yes\nlimits { drain_time = 1s }\n")
    client = smtplib.SMTP(*station.smtp, timeout=20)
    client.ehlo()
    client.mail("me@example.org")
    client.rcpt("alice@yizhan.test")
    client.docmd("DATA")
    time.sleep(0.2)
    begin = time.monotonic()
    station.process.send_signal(signal.SIGTERM)
    assert station.wait_end() == 0
    assert 0.8 < time.monotonic() - begin < 8


def test_reload_changes_what_can_be_changed(make_station):
    station = make_station(conf="demo = yes\n")
    conf = os.path.join(station.directory, "yizhan.conf")
    before = smtplib.SMTP(*station.smtp, timeout=20)
    before.ehlo()
    before.mail("me@example.org")
    with open(conf, "w") as f:
        f.write("demo = yes\nthreads = 7\nlimits { message = 200K }\nlog { level = debug }\n")
    station.reload()
    station.wait_log("host.reloaded")
    assert "name=message was=52428800 is=204800" in station.wait_log("section=limits")
    assert "host.setting.waits" in station.wait_log("name=threads")
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo()
        assert client.esmtp_features["size"] == "204800"
    # who was there before goes on with what it began with
    assert before.rcpt("alice@yizhan.test")[0] == 250
    assert before.data("Subject: x\r\n\r\n" + ("x" * 70 + "\r\n") * 4000)[0] == 250
    before.quit()
    with open(conf, "w") as f:
        f.write("demmo = yes\n")
    station.reload()
    assert "did you mean" in station.wait_log("host.reload.failed")
    send(station)  # all is as before


def test_reload_by_command_and_new_certificate(station):
    for name in ("certificate.pem", "key.pem"):
        assert os.path.exists(os.path.join(station.data, name))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=renewed.example", "-days", "30",
                    "-keyout", os.path.join(station.data, "key.pem"),
                    "-out", os.path.join(station.data, "certificate.pem")],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    station.cli("reload")
    done = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", "%s:%d" % station.smtp],
                          input=b"QUIT\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    assert b"renewed.example" in done.stdout


class Notices:
    """The service manager's socket."""

    def __init__(self, path):
        self.path, self.texts = path, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            self.texts.append(self.socket.recv(4096).decode())

    def wait(self, text, seconds=10):
        end = time.monotonic() + seconds
        while not any(text in t for t in self.texts):
            assert time.monotonic() < end, self.texts
            time.sleep(0.02)


def test_service_manager_is_told(tmp_path):
    notices = Notices(str(tmp_path / "notify"))
    with Yizhan(env={"NOTIFY_SOCKET": notices.path}) as station:
        notices.wait("READY=1")
        station.reload()
        notices.wait("RELOADING=1\nMONOTONIC_USEC=")
        station.stop()
        notices.wait("STOPPING=1")


def test_socket_activation(tmp_path):
    """A listener takes the socket of its name; its own address is not bound."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    conf = tmp_path / "y.conf"
    conf.write_text("demo = yes\nlistener smtp { }\n")
    data = str(tmp_path / "data")

    def pass_socket():
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="smtp")

    env = dict(os.environ, LISTEN_FDS="1", LISTEN_FDNAMES="smtp")
    process = subprocess.Popen(
        ["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', binary(), "serve", "--data", data, "--config", str(conf)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, pass_fds=(3,) if listener.fileno() == 3 else (),
        preexec_fn=pass_socket, close_fds=False)
    try:
        # the socket listens already: the client may come before the server is ready
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.sendmail("me@example.org", ["alice@yizhan.test"], BODY)
        # written behind the first greeting
        deadline = time.monotonic() + 10
        while not os.path.exists(os.path.join(data, "demo.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        with open(os.path.join(data, "demo.json")) as f:
            assert json.load(f)["ports"] == {"smtp": port}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    listener.close()


def test_log_file_is_opened_again(make_station):
    station = make_station(conf='demo = yes\nlog { destination = "{data}/y.log" format = json }\n')
    path = os.path.join(station.data, "y.log")
    send(station)
    deadline = time.monotonic() + 5
    while "smtp.in.accepted" not in open(path).read() and time.monotonic() < deadline:
        time.sleep(0.05)
    events = [json.loads(line) for line in open(path)]
    assert "smtp.in.accepted" in [e["event"] for e in events]
    os.rename(path, path + ".1")
    station.reload()
    deadline = time.monotonic() + 5
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    send(station)
    deadline = time.monotonic() + 5
    while "smtp.in.accepted" not in open(path).read() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "smtp.in.accepted" in open(path).read()


def test_journald(tmp_path, make_station):
    """journald's own protocol, on a socket that stands in for it."""
    station = make_station(conf="demo = yes\n", env={"JOURNAL_STREAM": "%d:%d" % (0, 0)})
    assert "<6>" not in station.log()
    path = os.path.join(station.directory, "err")
    offset = PortOffset()
    with open(path, "wb") as f:
        st = os.stat(path)
        env = dict(station.environment(), JOURNAL_STREAM="%d:%d" % (st.st_dev, st.st_ino))
        process = subprocess.Popen([station.program, "serve", "--data", str(tmp_path / "d"), "--port-offset",
                                    str(offset.value)], stdout=subprocess.DEVNULL, stderr=f, env=env)
    deadline = time.monotonic() + 10
    while "host.ready" not in open(path).read() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    offset.release()
    assert open(path).read().splitlines()[-1].startswith("<6>time=")


def test_starts_quickly(station):
    station.restart()
    # the release build serves within 100 ms; this one checks every access
    assert station.ready_seconds < 10


def owner(path):
    return os.stat(path).st_uid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_root_becomes_the_user(tmp_path):
    """Bound as root on a low port, it serves as nobody; the data directory is its own."""
    import pwd
    nobody = pwd.getpwnam("nobody")
    # every directory above must let nobody through
    base = "/var/tmp/yizhan-test-%d" % os.getpid()
    os.mkdir(base, 0o755)
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.78", 825))
        except OSError:
            pytest.skip("the port is taken")
    try:
        conf = os.path.join(base, "y.conf")
        with open(conf, "w") as f:
            f.write('demo = yes\nuser = nobody\nlistener smtp { address = { "127.0.0.78:825" } }\n'
                    'log { destination = "%s/data/y.log" }\n' % base)
        os.mkdir(base + "/data")
        process = subprocess.Popen([binary(), "serve", "--config", conf, "--data", base + "/data"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while b"Ctrl-C" not in process.stdout.readline():
            assert process.poll() is None
        with open("/proc/%d/status" % process.pid) as f:
            status = f.read()
        assert "\nUid:\t%d\t%d\t%d\t%d\n" % ((nobody.pw_uid,) * 4) in status
        assert "\nCapEff:\t0000000000000000\n" in status
        with smtplib.SMTP("127.0.0.78", 825, timeout=20) as client:
            client.sendmail("me@example.org", ["alice@yizhan.test"], BODY)
        for name in ("", "/yizhan.db", "/control.sock", "/y.log"):
            assert owner(base + "/data" + name) == nobody.pw_uid, name
        # root may ask, and the socket that was bound as root still answers
        done = subprocess.run([binary(), "--data", base + "/data", "mailbox", "list", "alice@yizhan.test", "--json"],
                              stdout=subprocess.PIPE)
        assert len(json.loads(done.stdout)) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        # what belongs to it by now it can serve again
        process = subprocess.Popen([binary(), "serve", "--config", conf, "--data", base + "/data"],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while b"Ctrl-C" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
        subprocess.run(["rm", "-r", base])


def test_ctrl_c_and_again(station):
    send(station)
    station.process.send_signal(signal.SIGINT)
    assert station.wait_end() == 0
    station.start()
    assert len(station.mailbox("alice@yizhan.test")) == 1
