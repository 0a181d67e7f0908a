"""The class Yizhan itself: every other test trusts that it notices a dead server and a sanitizer's report.

A stand-in plays the server, so that its misdeeds can be chosen.
"""

import json
import os
import stat

import pytest

from station import StationFailed, Yizhan

STAND_IN = '''#!/usr/bin/env python3
import json, os, signal, socket, sys
args, mood = sys.argv[1:], os.environ.get("MOOD", "")
if args[0] != "serve":
    print(json.dumps({"args": args}))
    sys.exit(3 if "fail" in args else 0)
if mood == "dies":
    sys.exit("no such thing")
data, offset = args[args.index("--data") + 1], int(args[args.index("--port-offset") + 1])
def end(*_):
    if mood == "report":
        where = os.environ["ASAN_OPTIONS"].rpartition("log_path=")[2].split(":")[0]
        with open("%s.%d" % (where, os.getpid()), "w") as f:
            f.write("ERROR: AddressSanitizer: made up")
    os._exit(7 if mood == "bad end" else 0)
signal.signal(signal.SIGTERM, end)
listener = socket.create_server(("127.0.0.1", 2525 + offset))
with open(data + "/demo.json", "w") as f:
    json.dump({"pid": os.getpid(), "host": "127.0.0.1", "domain": "yizhan.test", "ports": {"smtp": 2525 + offset},
               "control": data + "/control.sock",
               "accounts": [{"address": "alice@yizhan.test", "password": "x"}]}, f)
print("up", flush=True)
while True:
    conn, _ = listener.accept()
    conn.sendall(b"220 here\\r\\n")
    conn.recv(100)
    conn.sendall(b"221 bye\\r\\n")
    conn.close()
'''


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "stand-in"
    path.write_text(STAND_IN)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_ports_accounts_and_commands_reach_the_server(program):
    with Yizhan(program=program) as station:
        assert station.smtp == ("127.0.0.1", 2525 + station.offset.value)
        assert station.account("alice").password == "x"
        assert station.cli_json("status")["args"] == ["--data", station.data, "status"]
        with pytest.raises(StationFailed, match="exit code 3"):
            station.cli("fail")


def test_the_data_directory_outlives_kill9_and_restart(program):
    with Yizhan(program=program) as station:
        with open(os.path.join(station.data, "kept"), "w") as f:
            f.write("x")
        first = station.pid
        station.kill9()
        station.start()
        station.restart()
        assert station.pid != first and os.path.exists(os.path.join(station.data, "kept"))
        assert station.log().count("up") == 3


def test_a_given_directory_is_kept_and_old_demo_json_is_not_believed(program, tmp_path):
    data = tmp_path / "mine"
    data.mkdir()
    (data / "demo.json").write_text(json.dumps({"pid": 1, "ports": {"smtp": 1}}))
    with Yizhan(program=program, data=str(data)) as station:
        assert station.ports["smtp"] != 1
    assert data.exists()


def test_two_stations_do_not_share_ports(program):
    with Yizhan(program=program) as one, Yizhan(program=program) as two:
        assert one.smtp != two.smtp


@pytest.mark.parametrize("mood, text", [
    ("dies", "ended with 1 at its start"), ("report", "made up"), ("bad end", "ended with 7")])
def test_a_bad_server_fails_the_test(program, mood, text):
    with pytest.raises(StationFailed, match=text):
        with Yizhan(program=program, env={"MOOD": mood}):
            pass


def test_a_program_that_is_not_built_is_told(tmp_path):
    with pytest.raises(StationFailed, match="YIZHAN_BIN"):
        with Yizhan(program=str(tmp_path / "none")):
            pass
