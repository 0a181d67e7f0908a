"""`yizhan alias import` reads files like /etc/aliases: what can be an alias becomes one, what cannot is named with its
line."""

import json

ALIASES = """\
# /etc/aliases
postmaster: root
root: alice, "bob"
webmaster:\talice,
\tbob@yizhan.test,
\t\\alice
"with blank": alice
news@yizhan.test: reader@elsewhere.test
lists: |/usr/bin/procmail
archive: /var/mail/archive
team: :include:/etc/mail/team
fail: :fail: gone
loop: loop
odd
empty:
open: "alice
Root2: ALICE@YIZHAN.TEST
"""


def run(station, *args):
    done = station.cli(*args, check=False)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def aliases(station):
    return {row["address"]: sorted(row["targets"]) for row in station.cli_json("alias", "list", "--json")}


def test_an_aliases_file_is_read_and_what_cannot_be_is_named_with_its_line(station, tmp_path):
    path = tmp_path / "aliases"
    path.write_text(ALIASES)
    done = run(station, "alias", "import", str(path))
    assert done.returncode == 65
    want = {7: "not an address", 9: "program", 10: "file", 11: "list import", 12: "no meaning", 13: "leads to itself", 14: "no entry", 15: "nothing stands",
            16: "quote"}
    said = {int(line.split(":")[2]): line for line in done.stderr.splitlines()}
    assert set(said) == set(want), done.stderr
    for line, text in want.items():
        assert text in said[line], said[line]
    assert "added: 5" in done.stdout and "bad: 9" in done.stdout
    rows = aliases(station)
    assert rows["root@yizhan.test"] == ["alice@yizhan.test", "bob@yizhan.test"]
    assert rows["postmaster@yizhan.test"] == ["root@yizhan.test"]
    assert set(rows["webmaster@yizhan.test"]) == {"alice@yizhan.test", "bob@yizhan.test"}
    assert rows["news@yizhan.test"] == ["reader@elsewhere.test"]
    # once more: nothing changes; with other targets only when that is asked for
    again = run(station, "--json", "alias", "import", str(path))
    assert json.loads(again.stdout)["added"] == 0 and json.loads(again.stdout)["present"] >= 5
    path.write_text("root: bob\n")
    refused = run(station, "alias", "import", str(path))
    assert refused.returncode == 65 and "--replace" in refused.stderr
    assert run(station, "alias", "import", "--replace", str(path)).returncode == 0
    assert aliases(station)["root@yizhan.test"] == ["bob@yizhan.test"]


def test_names_need_a_domain_when_there_are_two(station, tmp_path):
    path = tmp_path / "aliases"
    path.write_text("root: alice@yizhan.test\n")
    station.cli("domain", "add", "second.test")
    done = run(station, "alias", "import", str(path))
    assert done.returncode == 64 and "--domain" in done.stderr
    assert run(station, "alias", "import", "--domain", "second.test", str(path)).returncode == 0
    assert "root@second.test" in aliases(station)
    assert run(station, "alias", "import", "/nonexistent").returncode == 66
