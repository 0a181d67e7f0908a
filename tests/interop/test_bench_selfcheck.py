"""The bench measures what it says: a short real run with Postfix alone, and the arithmetic of the table."""

import json
import os
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@pytest.fixture(scope="module")
def report():
    sys.path.insert(0, os.path.join(TOP, "bench"))
    import report as module
    return module


def test_a_quick_run_with_postfix_alone(peers, tmp_path):
    done = subprocess.run([sys.executable, os.path.join(TOP, "bench/run"), "--servers", "postfix", "--source",
                           "smtp-source", "--sink", "smtp-sink", "--cases", "local,start", "--runs", "2",
                           "--seconds", "0.1", "--dir", "/var/tmp", "--out", str(tmp_path)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert done.returncode == 0, done.stdout.decode()
    with open(tmp_path / os.listdir(tmp_path)[0]) as f:
        result = json.load(f)
    by_case = {cell["case"]: cell for cell in result["cells"]}
    assert by_case["local"]["median"]["postfix"] > 1
    assert len(by_case["local"]["values"]["postfix"]) == 2
    assert by_case["local"]["runs"]["postfix"][0]["cpu_per_1000"] > 0
    assert 0 < by_case["start"]["median"]["postfix"] < 10000


def paired(report, case, ours, theirs, size=4096, sessions=20, source="bench source"):
    cell = report.Cell(case, "some load", "msg/s", True, {"size": size, "sessions": sessions, "source": source})
    for a, b in zip(ours, theirs):
        cell.add("yizhan", a, {"cpu_per_1000": 0.1, "cores_other": 0.0})
        cell.add("postfix", b, {"cpu_per_1000": 2.0, "cores_other": 0.5})
    return cell


@pytest.mark.smoke
def test_medians_ratio_and_goal(report):
    good = paired(report, "ingest", [9000, 10000, 99000], [1, 1000, 1001])
    assert (good.median("yizhan"), good.ratio()) == (10000, 10)
    assert good.verdicts({}) == [("x10", True)]
    assert paired(report, "ingest", [9999], [1000]).verdicts({}) == [("x10", False)]
    assert paired(report, "ingest", [9999], [1000], source="smtp-source").verdicts({}) == []


@pytest.mark.smoke
def test_lower_is_better_for_memory(report):
    cell = report.Cell("idle", "a plain connection of 1000", "KiB", False)
    cell.add("yizhan", 12.5)
    cell.add("postfix", 1250)
    assert cell.ratio() == 100
    assert cell.verdicts({}) == [("at most 12 KiB", False)]


@pytest.mark.smoke
def test_disk_share_takes_the_floor_of_the_load(report):
    floors = {("disk", 4096, 1): 2000, ("disk", 65536, 64): 5000}
    assert paired(report, "ingest", [1400], [400], sessions=1).verdicts(floors) == [("70 % of the disk's floor", True)]
    assert ("70 % of the disk's floor", False) in paired(report, "ingest", [3000], [400], size=65536).verdicts(floors)


@pytest.mark.smoke
def test_a_disturbed_cell_is_starred_and_the_table_is_aligned(report):
    cell = paired(report, "relay", [10000], [500])
    text = report.table([cell], ["postfix", "yizhan"], {}, {"date": "today"})
    lines = [x for x in text.splitlines() if x.startswith(("case", "relay"))]
    assert "500*" in lines[1] and "10,000*" not in lines[1] and "x20.0" in lines[1] and "cpu x10: yes" in lines[1]
    assert lines[0].index("ratio") + 5 == lines[1].index("x20.0") + 5
