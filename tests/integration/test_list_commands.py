"""yizhan list: mailing lists and their members come, change and go, with a server and without; an import passes over
what it cannot read, and tells it."""

import json

import pytest


@pytest.fixture
def team(station):
    """The address of a list with one owner."""
    name = "team@" + station.domain
    station.cli("list", "add", name, "--title", "The team", "--owner", station.accounts[0].address)
    return name


def members(station, name, *words):
    return {m["address"]: m for m in station.cli_json("list", "members", name, *words, "--json")}


def show(station, name):
    return station.cli_json("list", "show", name, "--json")


def test_a_list_is_made_changed_listed_and_removed(station):
    name = "Team@%s" % station.domain.upper()
    station.cli("list", "add", name, "--title", "队伍", "--post", "moderated", "--join", "owners", "--subject-prefix",
                "[team]", "--from-rewrite", "always", "--reply-to-list", "--max-size", "2M", "--footer", "bye")
    name = "team@" + station.domain
    made = show(station, name)
    want = {"list": name, "title": "队伍", "post": "moderated", "join": "owners", "subject_prefix": "[team]",
            "from_rewrite": "always", "reply_to_list": True, "max_size": 2 << 20, "footer": "bye", "members": 0,
            "owners": [], "held": 0}
    assert {k: made[k] for k in want} == want
    station.cli("list", "set", name, "--post", "anyone", "--no-reply-to-list", "--owner", "boss@elsewhere.example")
    changed = show(station, name)
    want.update(post="anyone", reply_to_list=False, owners=["boss@elsewhere.example"], members=1)
    assert {k: changed[k] for k in want} == want
    assert [r["list"] for r in station.cli_json("list", "list", "--json")] == [name]
    assert "队伍" in station.cli("list", "list", station.domain).stdout.decode()
    station.stop()
    station.cli("list", "remove", name)
    assert station.cli_json("list", "list", "--json") == []
    station.start()
    assert station.cli("list", "show", name, check=False).returncode == 65


def test_members_come_change_and_go(station, team):
    owner = station.accounts[0].address
    done = station.cli_json("list", "member-add", team, "A@Elsewhere.example", "b@bücher.example", owner, "--role",
                            "receives,trusted", "--json")
    assert [r["result"] for r in done] == ["added", "added", "is a member already"]
    assert members(station, team)[owner]["role"] == ["receives", "owner"]
    assert members(station, team)["a@elsewhere.example"]["role"] == ["receives", "trusted"]
    station.cli("list", "member", "set", team, "a@elsewhere.example", "--name", "Ann", "--role", "moderator", "--state",
                "paused")
    ann = members(station, team)["a@elsewhere.example"]
    assert (ann["name"], ann["role"], ann["state"]) == ("Ann", ["moderator"], "paused")
    assert list(members(station, team, "--state", "paused")) == ["a@elsewhere.example"]
    assert show(station, team)["moderators"] == ["a@elsewhere.example"]
    station.stop()
    station.cli("list", "member-remove", team, "a@elsewhere.example", "b@xn--bcher-kva.example")
    assert list(members(station, team)) == [owner]
    assert show(station, team)["members"] == 1
    station.start()


def test_more_members_than_a_page_are_listed(station, team):
    lines = "".join("m%04d@elsewhere.example\n" % i for i in range(600))
    done = station.cli("list", "import", team, "-", input=lines.encode())
    assert b"added: 600" in done.stdout
    there = members(station, team)
    assert len(there) == 601 == show(station, team)["members"]
    assert there["m0599@elsewhere.example"]["state"] == "active"


FILE = """\ufeff# the team
ann@elsewhere.example
  Bob the Builder <BOB@elsewhere.example>   # since May
"Chen, 陈" <chen@elsewhere.example>

ann@elsewhere.example  # twice
no address
@elsewhere.example
Dora <dora@elsewhere.example
eve@else..where
""" + "x" * 2000 + "@elsewhere.example\nfay@elsewhere.example"


def test_an_import_passes_over_what_it_cannot_read(station, team, tmp_path):
    path = tmp_path / "members"
    path.write_bytes(FILE.encode() + b"\ng\xff@elsewhere.example\n")
    done = station.cli("list", "import", team, str(path), "--json", check=False)
    assert done.returncode == 65
    assert json.loads(done.stdout) == {"added": 4, "present": 1, "bad": 6}
    told = done.stderr.decode()
    for line in (7, 8, 9, 10, 11, 13):
        assert "%s:%d: " % (path, line) in told, told
    there = members(station, team)
    assert there["bob@elsewhere.example"]["name"] == "Bob the Builder"
    assert there["chen@elsewhere.example"]["name"] == "Chen, 陈"
    assert "fay@elsewhere.example" in there and len(there) == 5
    again = station.cli("list", "import", team, "-", input=b"# nothing new\nann@elsewhere.example\n")
    assert b"added: 0" in again.stdout and b"present: 1" in again.stdout


def test_a_full_list_takes_no_more(station, team):
    station.stop()
    lines = "".join("m%05d@elsewhere.example\n" % i for i in range(9999)).encode()
    station.cli("list", "import", team, "-", input=lines, seconds=60)
    assert show(station, team)["members"] == 10000
    one = station.cli("list", "member-add", team, "more@elsewhere.example", check=False)
    assert one.returncode == 75 and b"at most 10000 members" in one.stderr
    many = station.cli("list", "import", team, "-", input=b"m00001@elsewhere.example\nmore@elsewhere.example\n",
                       check=False)
    assert many.returncode == 75 and b"at most 10000 members" in many.stderr
    there = station.cli("list", "import", team, "-", input=b"m00001@elsewhere.example\n")
    assert b"present: 1" in there.stdout
    station.start()


@pytest.mark.parametrize("words, code, told", [
    (["add", "team"], 64, "is not an address"),
    (["add", "a@nowhere.example"], 65, "no local domain"),
    (["add", "{account}"], 65, "bears the name"),
    (["add", "new@{domain}", "--post", "everybody"], 64, "none of members, anyone, moderated, owners"),
    (["add", "new@{domain}", "--max-size", "big"], 64, "--max-size"),
    (["add", "new@{domain}", "--title", "a\nb"], 64, "line breaks"),
    (["add", "new@{domain}", "--owner", "nobody"], 64, "is not an address"),
    (["set", "none@{domain}"], 65, "there is no list 'none@{domain}'"),
    (["show", "none@{domain}"], 65, "see yizhan list list"),
    (["members", "{team}", "--state", "asleep"], 64, "none of active, paused, bouncing"),
    (["member-add", "{team}", "good@a.example", "bad"], 64, "is not an address"),
    (["member-add", "{team}", "good@a.example", "--role", "boss"], 64, "none of receives, trusted, moderator, owner"),
    (["member-set", "{team}", "good@a.example"], 65, "is not in the list"),
    (["member-set", "{team}", "{account}", "--state", "bouncing"], 64, "active or paused"),
    (["member", "remove", "{team}", "good@a.example"], 65, "is not in the list"),
    (["import", "{team}", "/nowhere/at/all"], 66, "/nowhere/at/all"),
    (["import", "none@{domain}", "-"], 65, "there is no list"),
    (["approve", "{team}", "abc"], 65, "see yizhan list held {team}"),
    (["reject", "{team}", "abc"], 65, "no post waits under 'abc'"),
    (["member"], 64, "member"),
])
def test_what_cannot_be_is_told(station_shared, words, code, told):
    station = station_shared
    names = {"domain": station.domain, "account": station.accounts[0].address, "team": "fixed@" + station.domain}
    station.cli("list", "add", names["team"], "--owner", names["account"], check=False)
    done = station.cli("list", *[w.format(**names) for w in words], check=False, input=b"")
    assert done.returncode == code, done
    assert told.format(**names) in done.stderr.decode()
    assert members(station, names["team"]).keys() == {names["account"]}
    assert [r["list"] for r in station.cli_json("list", "list", "--json")] == [names["team"]]


def test_nothing_waits_in_a_new_list(station_shared):
    name = "quiet@" + station_shared.domain
    station_shared.cli("list", "add", name)
    assert station_shared.cli_json("list", "held", name, "--json") == []
    station_shared.cli("list", "remove", name)
