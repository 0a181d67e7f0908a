"""yizhan search: the index follows the mail, and can be made anew."""

import json
import time

from test_next_hop import send  # noqa: F401


def status(station):
    return json.loads(station.cli("search", "status", "--json").stdout)


def wait_for(station, documents):
    for _ in range(200):
        found = status(station)
        if found["documents"] == documents:
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_the_index_follows_the_mail_and_is_made_anew(station):
    for _ in range(3):
        send(station, ["alice@yizhan.test"])
    found = wait_for(station, 3)
    assert found["text_bytes"] > 0 and found["file_bytes"] > 0
    reading = json.loads(station.cli("status", "--json").stdout)["reading"]
    assert reading["facts_made"] == 3 and reading["facts_missing"] == 0
    rebuilt = json.loads(station.cli("search", "rebuild", "--json").stdout)
    assert rebuilt["documents"] == 3
    station.stop()
    assert json.loads(station.cli("search", "rebuild", "--json").stdout)["documents"] == 0
    station.start()
    wait_for(station, 3)
