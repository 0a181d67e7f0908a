"""examples/gatech: a letter to brandon@gatech.edu goes by five stations to one of eight servers."""

import json
import os
import subprocess

from station import TOP, binary

PLAY = os.path.join(TOP, "examples", "gatech", "play")
# Chance leaves three of eight servers without one of sixty letters about once in 10^10 runs.
SERVERS_MIN = 6


def play(*words):
    """The figures of one run, which ended well."""
    done = subprocess.run(["/usr/bin/python3", PLAY, "--json", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, YIZHAN_BIN=binary()), timeout=120)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return json.loads(done.stdout)


def check_whole(r, count):
    """Every letter came, by all its stations, and nothing else did."""
    assert (r["sent"], r["delivered"], r["lost"]) == (count, count, 0)
    assert (r["hops"], r["hops_most"]) == (5, 5)
    assert len(r["spread"]) == 8 and sum(r["spread"].values()) == count + r["doubled"]
    assert sum(r["mx"].values()) == count + r["doubled"]
    assert r["copies_delivered"] == r["copies_sent"] > 0
    assert (r["bcc_seen"], r["reports"]) == (0, 0)


def test_gatech_a_hundred_letters_reach_eight_servers_over_five_hops():
    r = play()
    check_whole(r, 100)
    assert r["doubled"] == 0 and r["killed"] == [] and r["put_off"] == 0 and r["choice"] == "pool"
    assert sum(1 for n in r["spread"].values() if n) >= SERVERS_MIN, r["spread"]
    assert sorted(r["mx"]) == ["mx1.gatech.edu", "mx2.gatech.edu"]
    way = [hop["by"] for hop in r["trace"]["hops"]]
    assert way[0] == "post.rhodesmill.example" and way[1] in r["mx"]
    assert way[2:4] == ["mx.oit.gatech.edu", "spam3.oit.gatech.edu"] and way[4] in r["spread"]
    assert [hop["tls"] for hop in r["trace"]["hops"]] == [False, True, True, True, True]


def test_gatech_three_servers_that_are_killed_on_the_way_lose_nothing():
    r = play("--kill", "3")
    check_whole(r, 100)
    assert len(r["killed"]) == 3
    # they took some before, and the others the rest
    alive = [name for name in r["spread"] if name not in r["killed"]]
    assert all(r["spread"][name] for name in alive), r["spread"]
    assert sum(r["spread"][name] for name in alive) > 50


def test_gatech_eight_equal_mx_do_as_well_as_a_pool():
    r = play("--choice", "mx", "--messages", "60")
    check_whole(r, 60)
    assert r["doubled"] == 0 and r["choice"] == "mx"
    assert sum(1 for n in r["spread"].values() if n) >= SERVERS_MIN, r["spread"]


def test_gatech_tells_what_it_does():
    done = subprocess.run(["/usr/bin/python3", PLAY, "--messages", "4"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, YIZHAN_BIN=binary()), timeout=120)
    text = done.stdout.decode()
    assert done.returncode == 0, text
    assert "5 hops" in text and "4 sent, 4 delivered, 0 lost, 0 doubled" in text
    for n in range(1, 9):
        assert "mail%d.oit.gatech.edu" % n in text
