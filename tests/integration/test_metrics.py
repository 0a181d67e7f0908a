"""yizhan metrics: what Prometheus reads."""

import re

from test_next_hop import BODY, relay, send, sink, wait_queue  # noqa: F401

SAMPLE = re.compile(r'^(yizhan_[a-z0-9_]+)(\{[a-z_]+="(?:[^"\\\n]|\\.)*"\})? (\d+)$')


def read(station):
    text = station.cli("metrics").stdout.decode()
    assert text.endswith("\n")
    samples, types, helps, order = {}, {}, {}, []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split()[2]
            assert name not in helps, "one HELP a family"
            helps[name] = line.split(None, 3)[3]
            order.append(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            assert name == order[-1] and kind in ("counter", "gauge"), line
            types[name] = kind
        else:
            found = SAMPLE.match(line)
            assert found, line
            assert found[1] == order[-1], "samples stand below their family"
            assert (found[1], found[2]) not in samples, "no sample twice"
            samples[found[1], found[2]] = int(found[3])
    assert set(types) == set(helps) == {name for name, _ in samples}
    for name, kind in types.items():
        assert (kind == "counter") == name.endswith("_total"), name
    return samples


def test_every_family_is_well_formed_and_counts(station, sink):
    before = read(station)
    relay(station, sink)
    sink.on("rcpt", "550 5.1.1 no", rcpt="bad@next.test")
    send(station, ["r@next.test", "bad@next.test", "alice@yizhan.test"])
    wait_queue(station, lambda rows: not rows)
    after = read(station)

    def grew(name, label=None):
        return after[name, label] - before[name, label]

    assert grew("yizhan_messages_accepted_total") == 1
    assert grew("yizhan_recipients_accepted_total", '{kind="local"}') == 1
    assert grew("yizhan_recipients_accepted_total", '{kind="remote"}') == 2
    assert grew("yizhan_deliveries_total", '{result="delivered"}') == 1
    assert grew("yizhan_deliveries_total", '{result="failed"}') == 1
    assert grew("yizhan_reports_total") == 1
    assert after["yizhan_queue_recipients", None] == 0


def test_a_server_that_does_not_run_has_none(station):
    station.stop()
    done = station.cli("metrics", check=False)
    assert done.returncode != 0 and b"no server runs" in done.stderr
