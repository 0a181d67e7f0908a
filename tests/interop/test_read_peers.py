"""Programs that people read mail with, beside those of tests/integration/test_read_clients.py: alpine in a terminal,
imapflow from npm, Thunderbird in a window. YIZHAN_READER=dovecot runs them on Dovecot, which proves the harness."""

import json
import os
import shutil
import subprocess
import time

import pytest

from imap_box import letter, server  # noqa: F401
from imap_talk import quote
from readers import open_reader  # noqa: F401
from test_submission_clients import Screen
from thunderbird import Thunderbird

HERE = os.path.dirname(os.path.abspath(__file__))


def state(server, user, name):
    """{subject: flags} as a fresh session sees it."""
    with server.talk(user) as t:
        t.ok("EXAMINE " + quote(name))
        if not t.view.uids:
            return {}
        return {i["ENVELOPE"][1].decode(): {f.lower() for f in i["FLAGS"]} - {"\\recent"}
                for i in t.ok("FETCH 1:* (FLAGS ENVELOPE)").fetches().values()}


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def fill(server, user, name, count):
    with server.talk(user) as t:
        if name != "INBOX":
            t.run("DELETE " + quote(name))
            t.ok("CREATE " + quote(name))
        t.ok("SELECT " + quote(name))
        if t.view.uids:
            t.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            t.ok("EXPUNGE")
        for n in range(count):
            t.append(name, letter("letter %d" % n, "the text of number %d\r\n" % n, date="Mon, 23 Nov 2026 10:00:%02d +0000" % n,
                                  more="Message-ID: <p%d@example.org>\r\n" % n))


def test_alpine_reads_flags_and_expunges(server, tmp_path):
    fill(server, "alice", "alpine", 4)
    (tmp_path / "mail").mkdir()
    where = "{localhost:%d/ssl/novalidate-cert/user=%s}alpine" % (server.imaps[1], server.address("alice"))
    conf = tmp_path / "pinerc"
    conf.write_text("\n".join([
        "user-domain=yizhan.test", "inbox-path=" + where, "folder-collections=Mail %s/[]" % (tmp_path / "mail"), "default-fcc=\"\"",
        "pruned-folders=", "last-time-prune-questioned=999.1", "sort-key=arrival",
        "feature-list=quit-without-confirm,expunge-without-confirm,enable-flag-cmd", "last-version-used=9.99", ""]))
    env = dict(os.environ, HOME=str(tmp_path), TERM="xterm", LC_ALL="C.UTF-8", USER="alice")
    screen = Screen(["alpine", "-p", str(conf), "-passfile", str(tmp_path / "none"), "-i"], env)
    screen.wait(rb"(?i)password")
    screen.type(server.passwords["alice"].encode() + b"\r")
    screen.wait(rb"letter 3|\[Yes\]", 20)
    if b"letter 3" not in screen.seen:
        screen.type(b"n")  # no, the password is not to be kept
        screen.wait(rb"letter 3", 20)
    screen.type(b"J2\r")       # jump to the second
    time.sleep(0.5)
    screen.type(b"\r")
    screen.wait(rb"the text of number 1", 20)
    screen.type(b"<")          # back to the list
    time.sleep(0.5)
    screen.type(b"J3\r")
    time.sleep(0.5)
    screen.type(b"D")          # delete, which goes to the next
    time.sleep(0.5)
    screen.type(b"XY")         # expunge
    wait_for(lambda: sorted(state(server, "alice", "alpine")) == ["letter 0", "letter 1", "letter 3"])
    assert "\\seen" in state(server, "alice", "alpine")["letter 1"]
    screen.type(b"QY")
    screen.end(5)


NODE = """
const { ImapFlow } = require("imapflow");
const [port, user, pass, box, ca] = process.argv.slice(2);
const client = new ImapFlow({host: "localhost", port: +port, secure: true, auth: {user, pass}, logger: false,
    tls: {ca: require("fs").readFileSync(ca)}});
const told = {};
(async () => {
    await client.connect();
    told.folders = (await client.list()).map(x => [x.path, x.specialUse || null, x.delimiter]);
    told.status = await client.status(box, {messages: true, unseen: true, uidNext: true});
    const lock = await client.getMailboxLock(box);
    told.exists = client.mailbox.exists;
    told.mail = [];
    for await (const m of client.fetch("1:*", {uid: true, flags: true, envelope: true, bodyStructure: true, size: true, source: true}))
        told.mail.push([m.uid, m.envelope.subject, m.bodyStructure.type, m.size, m.source.length]);
    told.found = await client.search({body: "number 2"});
    await client.messageFlagsAdd("1", ["\\\\Flagged"]);
    told.moved = await client.messageMove("2", box + "/kept");
    told.appended = (await client.append(box, "Subject: by imapflow\\r\\n\\r\\nhello\\r\\n", ["\\\\Seen"])).uid;
    await client.messageDelete("1", {uid: false});
    const news = new Promise(done => client.once("exists", done));
    lock.release();
    await client.mailboxOpen(box);
    console.log("READY");
    told.news = (await Promise.race([client.idle().then(() => news), news])).count;
    await client.logout();
    console.log(JSON.stringify(told, (k, v) => typeof v == "bigint" ? Number(v) : v instanceof Map ? Object.fromEntries(v) : v));
})().catch(e => { console.error(e); process.exit(1); });
setTimeout(() => { console.error("too late"); process.exit(2); }, 40000).unref();
"""


@pytest.fixture(scope="module")
def imapflow(tmp_path_factory):
    """What package-lock.json names, and nothing else."""
    room = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, "imapflow", name), room)
    done = subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=room, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=180)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    (room / "read.js").write_text(NODE)
    return room


def test_imapflow(server, imapflow):
    fill(server, "alice", "flow", 4)
    with server.talk("alice") as t:
        t.run("DELETE flow/kept")
        t.ok("CREATE flow/kept")
    node = subprocess.Popen(["node", "read.js", str(server.imaps[1]), server.address("alice"), server.passwords["alice"], "flow",
                             server.certificate], cwd=imapflow, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = node.stdout.readline()
        assert line.startswith("READY"), line + node.stdout.read()
        time.sleep(0.5)
        with server.talk("alice") as t:
            t.append("flow", letter("while idle"))
        said = node.communicate(timeout=60)[0]
    finally:
        node.kill()
    assert node.returncode == 0, said
    told = json.loads(said)
    assert told["exists"] == 4 and told["status"]["messages"] == 4 and told["status"]["unseen"] == 4
    assert ["INBOX", "\\Inbox", "/"] in told["folders"] and any(use == "\\Sent" for _, use, _ in told["folders"])
    assert [m[1] for m in told["mail"]] == ["letter %d" % n for n in range(4)]
    assert all(kind == "text/plain" and size == length for _, _, kind, size, length in told["mail"])
    assert told["found"] == [3] and list(told["moved"]["uidMap"].values()) and told["appended"] == 5
    assert sorted(state(server, "alice", "flow")) == ["by imapflow", "letter 2", "letter 3", "while idle"]
    assert list(state(server, "alice", "flow/kept")) == ["letter 1"]


def test_thunderbird(server, tmp_path):
    """Reads, flags, moves, searches, and sees new mail by IDLE; the last window is kept as a picture."""
    fill(server, "bob", "INBOX", 5)
    with Thunderbird(server, "bob", str(tmp_path)) as bird:
        bird.walk()
        bird.picture(os.environ.get("YIZHAN_PICTURE", str(tmp_path / "thunderbird.png")))
