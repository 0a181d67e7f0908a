"""Accounts: room at RCPT, teams and groups, suspension, removal with grace, reserved names, import, and every command."""

import json
import smtplib
import ssl
import subprocess

import pytest

from talk import HERMETIC

ALICE = "alice@yizhan.test"
BOB = "bob@yizhan.test"
PASSWORD = "pass word"
SHA512 = ("$6$rounds=1024$3LGmsUHnZkRf.o8A$BHS5o.0h1AD2u7VzeoJffhQAnuralrMz9je881H./"
          "1nHY4O77NtXOnbrIvQd822ZtAjhGXG7RN2trSVfbairo0")
SSHA = "{SSHA}Ve+1/mp/ckURiCcC7nFX26XCrWtOYUNs"
SCRAM = ("{SCRAM-SHA-256}4096,16FnQ95yDvnZvNm2NVu62g==,1QPNFXTAkukI3Nia4NcrH/r4AAsuR2/AEtp9Ee3nYx4=,"
         "hsdYyDRNAS7hc8nXMgRMToQK3kzn6mFlKH6f7BnrwLs=")
CONF = "accounts {\n\tgrace = %s\n\tover_quota = %s\n}\ndemo = yes\n" + HERMETIC


def letter(subject, octets=200):
    head = "From: x@far.example\r\nSubject: %s\r\n\r\n" % subject
    lines = "x" * 70 + "\r\n"
    return head + lines * max(1, (octets - len(head)) // len(lines))


def rcpt(station, to, size=None, sender="x@far.example"):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo("far.example")
        assert client.mail(sender, ["SIZE=%d" % size] if size else [])[0] == 250
        code, text = client.rcpt(to)
        return code, text.decode()


def send(station, to, subject, octets=200, sender="x@far.example", has_size=True):
    with smtplib.SMTP(*station.smtp, timeout=20) as client:
        client.ehlo("far.example")
        if not has_size:
            client.esmtp_features.pop("size")
        return client.sendmail(sender, to, letter(subject, octets))


def show(station, address):
    return station.cli_json("account", "show", address, "--json")


def add(station, address, *words):
    station.cli("account", "add", address, "--no-password", *words)


def subjects(station, address):
    return [m["subject"] for m in station.mailbox(address)]


@pytest.fixture(scope="module")
def shared(station_shared):
    return station_shared


# -- room -----------------------------------------------------------------------------------------------------

def test_a_full_mailbox_is_told_at_rcpt(shared):
    add(shared, "q1@yizhan.test", "--quota", "3000")
    assert rcpt(shared, "q1@yizhan.test")[0] == 250
    assert rcpt(shared, "q1@yizhan.test", 3000)[0] == 250
    assert rcpt(shared, "q1@yizhan.test", 3001) == (552, "5.2.2 The message is larger than the mailbox may be")
    send(shared, "q1@yizhan.test", "one", 2000)
    used = show(shared, "q1@yizhan.test")["size"]
    assert 2000 < used < 3000
    assert rcpt(shared, "q1@yizhan.test", 3000 - used)[0] == 250
    assert rcpt(shared, "q1@yizhan.test", 3001 - used) == (452, "4.2.2 Mailbox full")
    # without SIZE there is room as long as there is any; the last letter may go over
    assert rcpt(shared, "q1@yizhan.test")[0] == 250
    send(shared, "q1@yizhan.test", "two", 2000, has_size=False)
    assert rcpt(shared, "q1@yizhan.test") == (452, "4.2.2 Mailbox full")
    assert rcpt(shared, "q1+x@yizhan.test") == (452, "4.2.2 Mailbox full")
    assert show(shared, "q1@yizhan.test")["room"] == "full"
    # a larger quota counts at once
    shared.cli("account", "set", "q1@yizhan.test", "--quota", "1M")
    assert rcpt(shared, "q1@yizhan.test")[0] == 250
    assert show(shared, "q1@yizhan.test")["room"] == "ok"


def test_messages_are_counted_too(shared):
    add(shared, "q2@yizhan.test", "--quota-messages", "2")
    for n in range(2):
        send(shared, "q2@yizhan.test", "n%d" % n)
    assert rcpt(shared, "q2@yizhan.test") == (452, "4.2.2 Mailbox full")
    shared.cli("account", "set", "q2@yizhan.test", "--quota-messages", "0")
    assert rcpt(shared, "q2@yizhan.test")[0] == 250


def test_swaks_hears_that_there_is_no_room(shared):
    add(shared, "q3@yizhan.test", "--quota-messages", "1")
    send(shared, "q3@yizhan.test", "only")
    host, port = shared.smtp
    done = subprocess.run(["swaks", "--server", host, "--port", str(port), "--to", "q3@yizhan.test", "--from", "x@far.example"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert done.returncode != 0 and b"452 4.2.2 Mailbox full" in done.stdout, done.stdout


def test_one_full_member_does_not_refuse_the_group(shared):
    add(shared, "full@yizhan.test", "--quota-messages", "1")
    add(shared, "room@yizhan.test")
    add(shared, "mixed@yizhan.test", "--kind", "group")
    for member in ("full", "room"):
        shared.cli("account", "member", "add", "mixed@yizhan.test", member + "@yizhan.test")
    shared.cli("alias", "add", "both@yizhan.test", "full@yizhan.test", "room@yizhan.test")
    send(shared, "full@yizhan.test", "fills")
    send(shared, "mixed@yizhan.test", "to the group", sender=BOB)
    send(shared, "both@yizhan.test", "to the alias", sender=BOB)
    shared.wait_mailbox("room@yizhan.test", 2)
    # who is full gets none, and the sender hears it
    shared.wait_mailbox(BOB, 2)
    assert subjects(shared, "full@yizhan.test") == ["fills"]
    reports = [shared.export(BOB, uid).decode() for uid in (1, 2)]
    for report in reports:
        assert "Status: 5.2.2" in report and "Mailbox full" in report
    for address in ("mixed", "both"):
        assert any("Original-Recipient: rfc822; %s@yizhan.test" % address in report for report in reports), reports
    # when all are full the address itself is
    shared.cli("account", "member", "remove", "mixed@yizhan.test", "room@yizhan.test")
    assert rcpt(shared, "mixed@yizhan.test") == (452, "4.2.2 Mailbox full")


def test_a_list_counts_a_full_member_as_a_bounce(shared):
    add(shared, "lfull@yizhan.test", "--quota-messages", "1")
    add(shared, "lroom@yizhan.test")
    send(shared, "lfull@yizhan.test", "fills")
    shared.cli("list", "add", "talk@yizhan.test", "--owner", BOB, "--post", "anyone")
    shared.cli("list", "member-add", "talk@yizhan.test", "lfull@yizhan.test", "lroom@yizhan.test")
    send(shared, "talk@yizhan.test", "to the list")
    shared.wait_mailbox("lroom@yizhan.test", 1)
    shared.wait_log("counted a bounce", 20)
    members = {m["address"]: m for m in shared.cli_json("list", "members", "talk@yizhan.test", "--json")}
    assert members["lfull@yizhan.test"]["bounced_at"] and not members["lroom@yizhan.test"]["bounced_at"], members
    assert subjects(shared, "lfull@yizhan.test") == ["fills"]


def test_our_own_people_hear_of_a_full_mailbox_too(shared):
    add(shared, "sfull@yizhan.test", "--quota-messages", "1")
    send(shared, "sfull@yizhan.test", "fills")
    alice = shared.account("alice")
    with smtplib.SMTP("127.0.0.1", shared.ports["submission"], timeout=20) as client:
        client.ehlo("c.example")
        client.starttls(context=ssl._create_unverified_context())
        client.login(alice.address, alice.password)
        assert client.mail(ALICE)[0] == 250
        assert client.rcpt("sfull@yizhan.test") == (452, b"4.2.2 Mailbox full")


def test_a_quota_may_refuse_for_good(make_station, tmp_path):
    station = make_station(conf=CONF % ("30d", "refuse"))
    add(station, "q@yizhan.test", "--quota-messages", "1")
    send(station, "q@yizhan.test", "only")
    assert rcpt(station, "q@yizhan.test") == (552, "5.2.2 Mailbox full")


def test_a_domain_has_a_quota_for_new_accounts(shared):
    shared.cli("domain", "add", "small.example", "--quota", "1000", "--accounts-max", "2")
    add(shared, "a@small.example")
    add(shared, "b@small.example", "--quota", "0")
    assert show(shared, "a@small.example")["quota"] == 1000
    assert show(shared, "b@small.example")["quota"] == 0
    done = shared.cli("account", "add", "c@small.example", check=False)
    assert done.returncode == 75 and b"--accounts-max" in done.stderr
    shared.cli("domain", "set", "small.example", "--accounts-max", "3")
    add(shared, "c@small.example")
    assert show(shared, "c@small.example")["quota"] == 1000


# -- teams and groups -----------------------------------------------------------------------------------------

def test_groups_go_to_members_and_teams_keep(shared):
    add(shared, "crew@yizhan.test", "--kind", "group")
    add(shared, "inner@yizhan.test", "--kind", "group")
    add(shared, "desk@yizhan.test", "--kind", "team")
    for name in ("g1", "g2", "g3"):
        add(shared, name + "@yizhan.test")
    assert rcpt(shared, "crew@yizhan.test")[0] == 550  # nobody in it yet
    shared.cli("account", "member", "add", "crew@yizhan.test", "g1@yizhan.test")
    shared.cli("account", "member", "add", "crew@yizhan.test", "g2@yizhan.test", "--rights", "send-as")
    shared.cli("account", "member", "add", "crew@yizhan.test", "inner@yizhan.test")
    shared.cli("account", "member", "add", "inner@yizhan.test", "g3@yizhan.test")
    shared.cli("account", "member", "add", "inner@yizhan.test", "crew@yizhan.test")  # a circle
    shared.cli("account", "member", "add", "desk@yizhan.test", "g1@yizhan.test")
    send(shared, ["crew@yizhan.test", "desk@yizhan.test"], "hello")
    for address, count in (("g1", 1), ("g3", 1), ("g2", 0), ("crew", 0), ("desk", 1)):
        assert len(shared.mailbox(address + "@yizhan.test")) == count, address
    steps = shared.cli_json("route", "test", "crew@yizhan.test", "--json")["steps"]
    assert any(s.get("step") == "group" or s.get("kind") == "group" for s in steps), steps
    by = {i["address"]: i["by"] for i in shared.cli_json("account", "identities", "g2@yizhan.test", "--json")}
    assert by == {"g2@yizhan.test": "own", "crew@yizhan.test": "member"}
    members = shared.cli_json("account", "member", "list", "crew@yizhan.test", "--json")
    assert {m["member"]: m["rights"] for m in members} == {
        "g1@yizhan.test": ["receive"], "g2@yizhan.test": ["send-as"], "inner@yizhan.test": ["receive"]}


# -- suspended, removed, gone ---------------------------------------------------------------------------------

def test_a_suspended_account_says_why_to_its_administrator_only(shared):
    add(shared, "s1@yizhan.test")
    shared.cli("account", "suspend", "s1@yizhan.test", "--reason", "sent spam")
    assert rcpt(shared, "s1@yizhan.test") == (550, "5.2.1 Mailbox disabled")
    assert show(shared, "s1@yizhan.test")["reason"] == "sent spam"
    assert show(shared, "s1@yizhan.test")["state"] == "suspended"
    shared.cli("account", "resume", "s1@yizhan.test")
    assert show(shared, "s1@yizhan.test")["reason"] == ""
    assert rcpt(shared, "s1@yizhan.test")[0] == 250


def test_a_removed_account_comes_back_within_its_grace(shared):
    add(shared, "r1@yizhan.test")
    send(shared, "r1@yizhan.test", "kept")
    shared.cli("account", "remove", "r1@yizhan.test")
    assert rcpt(shared, "r1@yizhan.test") == (550, "5.1.1 No such mailbox here")
    assert show(shared, "r1@yizhan.test")["state"] == "removed"
    done = shared.cli("account", "add", "r1@yizhan.test", check=False)
    assert done.returncode == 65
    shared.cli("account", "restore", "r1@yizhan.test")
    assert rcpt(shared, "r1@yizhan.test")[0] == 250
    assert subjects(shared, "r1@yizhan.test") == ["kept"]
    shared.cli("account", "remove", "r1@yizhan.test", "--now")
    assert shared.cli("account", "show", "r1@yizhan.test", check=False).returncode == 65


def test_a_grace_that_is_over_ends_the_account(make_station):
    station = make_station(conf=CONF % ("1s", "defer"))
    add(station, "g@yizhan.test")
    for n in range(40):
        send(station, "g@yizhan.test", "n%d" % n, sender=ALICE)
    before = station.cli_json("status", "--json")["store"]["messages"]
    station.cli("account", "remove", "g@yizhan.test")
    station.wait_log("host.account.gone", 20)
    assert station.cli("account", "show", "g@yizhan.test", check=False).returncode == 65
    assert station.cli_json("status", "--json")["store"]["messages"] == before - 40
    assert json.loads(station.cli("check", "--json").stdout)["findings"] == 0


# -- names ----------------------------------------------------------------------------------------------------

def test_reserved_names_are_for_roles(shared):
    for name in ("abuse", "Postmaster", "root", "hostmaster"):
        done = shared.cli("account", "add", name + "@yizhan.test", check=False)
        assert done.returncode == 77 and b"--force-reserved" in done.stderr, done
    add(shared, "security@yizhan.test", "--kind", "team")
    shared.cli("alias", "add", "noc@yizhan.test", BOB)
    add(shared, "news@yizhan.test", "--force-reserved")
    assert shared.cli("account", "rename", "news@yizhan.test", "webmaster@yizhan.test", check=False).returncode == 77
    assert shared.cli("account", "address", "add", ALICE, "ftp@yizhan.test", check=False).returncode == 77


def test_postmaster_and_abuse_are_always_taken(shared):
    shared.cli("domain", "add", "empty.example")
    for local in ("postmaster", "Abuse"):
        assert rcpt(shared, local + "@empty.example")[0] == 250, local
    assert rcpt(shared, "webmaster@empty.example")[0] == 550


def test_addresses_move_with_their_account(shared):
    add(shared, "old@yizhan.test")
    shared.cli("account", "address", "add", "old@yizhan.test", "further@yizhan.test")
    shared.cli("account", "rename", "old@yizhan.test", "new@yizhan.test")
    send(shared, ["old@yizhan.test", "further@yizhan.test", "new@yizhan.test"], "once")
    assert subjects(shared, "new@yizhan.test") == ["once"]
    assert sorted(show(shared, "new@yizhan.test")["addresses"]) == ["further@yizhan.test", "old@yizhan.test"]
    shared.cli("account", "address", "remove", "new@yizhan.test", "old@yizhan.test")
    assert rcpt(shared, "old@yizhan.test")[0] == 550


# -- passwords ------------------------------------------------------------------------------------------------

def login(station, user, password):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", station.ports["submission"], timeout=20) as client:
        client.ehlo("c.example")
        client.starttls(context=context)
        client.ehlo("c.example")
        client.user, client.password = user, password
        return client.auth("PLAIN", client.auth_plain)[0]


def test_imported_hashes_log_in_and_become_verifiers(shared, tmp_path):
    path = tmp_path / "users"
    path.write_text("\n".join([
        "# from the old server",
        "i1:%s:19000:0:99999:7:::" % SHA512,
        "i2@yizhan.test:%s" % SSHA,
        '"i3@yizhan.test","%s","Three, the third",1G' % SCRAM,
        "i4@yizhan.test:{PLAIN}%s" % PASSWORD,
        "i5@yizhan.test:!",
        "bad@yizhan.test:{NTLM}00",
        "bad@elsewhere.example:%s" % SSHA,
        "no colon",
        ""]))
    done = shared.cli("account", "import", str(path), "--domain", "yizhan.test", "--dry-run", "--json", check=False)
    assert done.returncode == 65 and json.loads(done.stdout) == {"added": 5, "changed": 0, "bad": 3}
    assert shared.cli("account", "show", "i1@yizhan.test", check=False).returncode == 65
    done = shared.cli("account", "import", str(path), "--domain", "yizhan.test", "--json", check=False)
    assert done.returncode == 65 and json.loads(done.stdout) == {"added": 5, "changed": 0, "bad": 3}
    told = done.stderr.decode()
    for line, why in ((7, "{NTLM} is not known"), (8, "not a local domain"), (9, "neither user:hash")):
        assert "%s:%d: " % (path, line) in told and why in told
    assert show(shared, "i3@yizhan.test")["name"] == "Three, the third"
    assert show(shared, "i3@yizhan.test")["quota"] == 1 << 30
    assert {show(shared, "i%d@yizhan.test" % n)["login"] for n in (1, 2)} == {"imported"}
    assert {show(shared, "i%d@yizhan.test" % n)["login"] for n in (3, 4)} == {"password"}
    assert show(shared, "i5@yizhan.test")["login"] == "none"
    for n in (1, 2, 3, 4):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            login(shared, "i%d@yizhan.test" % n, "wrong")
        assert login(shared, "i%d@yizhan.test" % n, PASSWORD) == 235, n
        assert show(shared, "i%d@yizhan.test" % n)["login"] == "password"
        assert login(shared, "i%d@yizhan.test" % n, PASSWORD) == 235, n
    with pytest.raises(smtplib.SMTPAuthenticationError):
        login(shared, "i5@yizhan.test", "!")
    # an import again changes what is there, and the old password is over
    path.write_text("i1@yizhan.test:{PLAIN}another\n")
    done = shared.cli("account", "import", str(path), "--json")
    assert json.loads(done.stdout) == {"added": 0, "changed": 1, "bad": 0}
    with pytest.raises(smtplib.SMTPAuthenticationError):
        login(shared, "i1@yizhan.test", PASSWORD)
    assert login(shared, "i1@yizhan.test", "another") == 235


def test_passwords_are_said_in_several_ways(shared, tmp_path):
    add(shared, "p@yizhan.test")
    shared.cli("account", "password", "p@yizhan.test", "--password-stdin", input=b"by stdin\n")
    assert login(shared, "p@yizhan.test", "by stdin") == 235
    secret = tmp_path / "secret"
    secret.write_text("by file\n")
    shared.cli("account", "password", "p@yizhan.test", "--password-file", str(secret))
    assert login(shared, "p@yizhan.test", "by file") == 235
    made = shared.cli_json("account", "password", "p@yizhan.test", "--generate", "--json")["password"]
    assert login(shared, "p@yizhan.test", made) == 235
    app = shared.cli_json("account", "app-password", "add", "p@yizhan.test", "phone", "--scope", "submit", "--json")
    assert login(shared, "p@yizhan.test", app["password"]) == 235
    used = shared.cli_json("account", "app-password", "list", "p@yizhan.test", "--json")[0]
    assert used["name"] == "phone" and used["scope"] == ["submit"] and used["used_from"].startswith("127.")
    shared.cli("account", "app-password", "remove", "p@yizhan.test", "phone")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        login(shared, "p@yizhan.test", app["password"])
    shared.cli("account", "password", "p@yizhan.test", "--none")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        login(shared, "p@yizhan.test", made)


def test_certificates_are_told_by_their_key(shared, tmp_path):
    add(shared, "c@yizhan.test")
    cert = tmp_path / "c.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "k.pem"), "-out",
                    str(cert), "-subj", "/CN=c", "-days", "1"], check=True, stderr=subprocess.DEVNULL)
    key = subprocess.run(["openssl", "x509", "-in", str(cert), "-noout", "-pubkey"], check=True, stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True, stdout=subprocess.PIPE).stdout
    pin = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, check=True, stdout=subprocess.PIPE).stdout[:64].decode()
    shared.cli("account", "certificate", "add", "c@yizhan.test", str(cert), "--note", "laptop")
    assert [c["pin"] for c in shared.cli_json("account", "certificate", "list", "c@yizhan.test", "--json")] == [pin]
    assert shared.cli("account", "certificate", "add", "c@yizhan.test", "--pin", pin, check=False).returncode == 65
    shared.cli("account", "certificate", "remove", pin)
    assert shared.cli_json("account", "certificate", "list", "c@yizhan.test", "--json") == []


# -- what is wrong is said ------------------------------------------------------------------------------------

@pytest.mark.parametrize("words, code, told", [
    (["add", ALICE], 65, "is there already"),
    (["add", "x@nowhere.example"], 65, "yizhan domain add nowhere.example"),
    (["add", "x@yizhan.test", "--kind", "robot"], 64, "person, team or group"),
    (["add", "x@yizhan.test", "--kind", "team", "--password", "p"], 64, "nobody logs in as a team"),
    (["add", "x@yizhan.test", "--quota", "much"], 64, "is no size"),
    (["add", "x@yizhan.test", "--password", "a\nb"], 64, "without control characters"),
    (["add", "x@yizhan.test", "--generate"], 64, "unknown option"),
    (["set", ALICE, "--rate", "fast"], 64, "is no rate"),
    (["set", ALICE, "--sent-copy", "perhaps"], 64, "yes or no"),
    (["set", "nobody@yizhan.test"], 65, "there is no account"),
    (["show", "nobody@yizhan.test"], 65, "there is no account"),
    (["suspend", "nobody@yizhan.test"], 65, "there is no account"),
    (["resume", ALICE], 69, "is not suspended"),
    (["restore", ALICE], 69, "is not removed"),
    (["remove", "nobody@yizhan.test"], 65, "there is no account"),
    (["rename", ALICE, BOB], 65, "is there already"),
    (["rename", ALICE, "alice@nowhere.example"], 65, "not a local domain"),
    (["password", ALICE, "--none", "--generate"], 64, "one way"),
    (["password", ALICE, "--password-file", "/nowhere/secret"], 66, "/nowhere/secret"),
    (["import", "/nowhere/users"], 66, "/nowhere/users"),
    (["address", "add", ALICE, BOB], 65, "is there already"),
    (["address", "add", ALICE, "*@yizhan.test"], 64, "catch-all"),
    (["address", "remove", ALICE, "nobody@yizhan.test"], 65, "no further address"),
    (["member", "add", ALICE, BOB], 69, "is a person"),
    (["member", "add", "nobody@yizhan.test", BOB], 65, "there is no account"),
    (["member", "set", "alone@yizhan.test", BOB], 65, "there is no member"),
    (["member", "add", "alone@yizhan.test", BOB, "--rights", "fly"], 64, "is no right"),
    (["member", "remove", "alone@yizhan.test", BOB], 65, "there is no member"),
    (["send-as", "add", ALICE, "nonsense"], 64, "is not an address"),
    (["send-as", "remove", ALICE, "@far.example"], 65, "there is no send-as"),
    (["app-password", "add", ALICE, "x", "--scope", "smtp"], 64, "is no scope"),
    (["app-password", "add", ALICE, "x", "--expires", "yesterday"], 64, "no time to come"),
    (["app-password", "add", ALICE, "x", "--networks", "here"], 64, ""),
    (["app-password", "add", "alone@yizhan.test", "x"], 69, "nobody logs in as a team"),
    (["app-password", "remove", ALICE, "x"], 65, "there is no app password"),
    (["certificate", "add", ALICE], 64, "--pin"),
    (["certificate", "add", ALICE, "--pin", "abc"], 64, "64 digits"),
    (["certificate", "add", ALICE, "/etc/passwd"], 64, "no certificate"),
    (["certificate", "remove", "abc"], 65, "there is no certificate"),
])
def test_mistakes_are_told(shared, words, code, told):
    shared.cli("account", "add", "alone@yizhan.test", "--kind", "team", check=False)
    done = shared.cli("account", *words, check=False)
    assert done.returncode == code, done
    assert done.stderr.startswith(b"yizhan: ") and told in done.stderr.decode(), done.stderr
