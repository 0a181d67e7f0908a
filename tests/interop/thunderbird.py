"""Thunderbird under Xvfb, driven through Marionette, the remote control that Mozilla's programs have built in.

    with Thunderbird(server, "bob", directory) as bird:
        bird.walk()                 # reads, flags, moves, searches, sees new mail by IDLE
        bird.picture("window.png")

`server` is a Reader (readers.py). INBOX holds "letter 0" to "letter 4" before walk().
"""

import json
import os
import shutil
import socket
import subprocess
import time

from imap_box import letter
from peers import free_port

PREFS = {
    "mail.accountmanager.accounts": "account1", "mail.accountmanager.defaultaccount": "account1", "mail.account.account1.identities": "id1",
    "mail.account.account1.server": "server1", "mail.identity.id1.fullName": "Bob", "mail.identity.id1.valid": True,
    "mail.server.server1.type": "imap", "mail.server.server1.hostname": "localhost", "mail.server.server1.socketType": 3,
    "mail.server.server1.name": "Yizhan", "mail.server.server1.login_at_startup": False, "mail.server.server1.check_new_mail": False,
    "mail.server.server1.check_time": 100, "mail.server.server1.use_idle": True, "mail.server.server1.authMethod": 3,
    "mail.server.server1.autosync_offline_stores": False,
    "mail.provider.suppress_dialog_on_startup": True, "mailnews.start_page.enabled": False, "mail.shell.checkDefaultClient": False,
    "mail.rights.version": 1, "datareporting.policy.dataSubmissionPolicyBypassNotification": True, "app.update.enabled": False,
    "app.donation.eoy.version.viewed": 999, "mail.spam.version": 1, "mailnews.mark_message_read.auto": True, "mail.biff.show_alert": False,
    "extensions.update.enabled": False, "network.captive-portal-service.enabled": False, "mail.default_send_format": 1,
    # it begins without the network, until it has the password and trusts the certificate
    "offline.startup_state": 3, "offline.autoDetect": False, "offline.download.download_messages": 2, "offline.send.unsent_messages": 2,
    "mail.inappnotifications.enabled": False, "browser.aboutwelcome.enabled": False,
}

# what every script may use; each returns through `done`
HEAD = """
const done = arguments[arguments.length - 1];
const { MailServices } = ChromeUtils.importESModule
    ? (() => { try { return ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs"); }
               catch (e) { return ChromeUtils.import("resource:///modules/MailServices.jsm"); } })()
    : ChromeUtils.import("resource:///modules/MailServices.jsm");
const Flags = Ci.nsMsgFolderFlags;
const server = MailServices.accounts.getIncomingServer("server1");
const root = server.rootFolder;
const inbox = root.getFolderWithFlags(Flags.Inbox);
const win = Services.wm.getMostRecentWindow("mail:3pane");
const headers = f => [...f.messages];
const find = (f, subject) => headers(f).find(h => h.mime2DecodedSubject == subject);
const wait = async (what, seconds = 30) => {
    const end = Date.now() + seconds * 1000;
    for (;;) { const v = await what(); if (v) return v; if (Date.now() > end) throw new Error("waited for " + what);
               await new Promise(r => win.setTimeout(r, 100)); }
};
(async () => { %s })().then(v => done(v === undefined ? true : v), e => done("FAILED " + e + " " + (e && e.stack)));
"""


class Failed(AssertionError):
    """Thunderbird, or what drives it, did not do what was asked."""


class Thunderbird:
    def __init__(self, server, user, directory):
        self.server, self.user, self.directory = server, user, directory
        self.processes = []
        self.number = 0

    def __enter__(self):
        for program in ("Xvfb", "thunderbird", "import"):
            if not shutil.which(program):
                raise Failed(program + " is not installed: run tools/setup --interop")
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, args, **more):
        with open(os.path.join(self.directory, os.path.basename(args[0]) + ".log"), "ab") as log:
            process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
        self.processes.append(process)
        return process

    def begin(self):
        self.display = next(":%d" % n for n in range(90, 190) if not os.path.exists("/tmp/.X11-unix/X%d" % n))
        self.start(["Xvfb", self.display, "-screen", "0", "1280x800x24", "-nolisten", "tcp"])
        port = free_port()
        profile = os.path.join(self.directory, "profile")
        os.makedirs(profile)
        prefs = dict(PREFS, **{"mail.server.server1.port": self.server.imaps[1], "marionette.port": port,
                               "mail.server.server1.userName": self.server.address(self.user),
                               "mail.identity.id1.useremail": self.server.address(self.user)})
        with open(os.path.join(profile, "user.js"), "w") as f:
            for name, value in prefs.items():
                f.write("user_pref(%s, %s);\n" % (json.dumps(name), json.dumps(value)))
        self.wait("the display", lambda: os.path.exists("/tmp/.X11-unix/X" + self.display[1:]))
        env = dict(os.environ, DISPLAY=self.display, HOME=self.directory, MOZ_DISABLE_CONTENT_SANDBOX="1", LIBGL_ALWAYS_SOFTWARE="1",
                   MOZ_CRASHREPORTER_DISABLE="1", NO_AT_BRIDGE="1")
        env.pop("DBUS_SESSION_BUS_ADDRESS", None)
        self.start(["thunderbird", "--marionette", "--remote-allow-system-access", "--no-remote", "-profile", profile], env=env)
        self.socket = self.wait("Marionette", lambda: self.connect(port), 60)
        self.stream = self.socket.makefile("rb")
        self.read()
        self.call("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        self.call("Marionette:SetContext", {"value": "chrome"})
        self.call("WebDriver:SetTimeouts", {"script": 90000})
        self.js("""
            const LoginInfo = Components.Constructor("@mozilla.org/login-manager/loginInfo;1", "nsILoginInfo", "init");
            const info = new LoginInfo("imap://localhost", null, "imap://localhost", %s, %s, "", "");
            await (Services.logins.addLoginAsync ? Services.logins.addLoginAsync(info) : Services.logins.addLogin(info));
            const cert = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(%s);
            Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService)
                .rememberValidityOverride("localhost", %d, {}, cert, false);
            Services.io.offline = false;
        """ % (json.dumps(self.server.address(self.user)), json.dumps(self.server.passwords[self.user]),
               json.dumps(self.certificate()), self.server.imaps[1]), needs_account=False)

    def certificate(self):
        """The server's own, as the one line of base64 that Thunderbird takes."""
        with open(self.server.certificate) as f:
            text = f.read()
        return "".join(text.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].split())

    @staticmethod
    def connect(port):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=120)
        except OSError:
            return None

    @staticmethod
    def wait(what, is_done, seconds=20):
        end = time.monotonic() + seconds
        while True:
            value = is_done()
            if value:
                return value
            if time.monotonic() > end:
                raise Failed("waited %g s for %s" % (seconds, what))
            time.sleep(0.1)

    # -- Marionette: a length, a colon, JSON

    def read(self):
        length = b""
        while True:
            c = self.stream.read(1)
            if c == b":":
                return json.loads(self.stream.read(int(length)))
            if not c:
                raise Failed("Thunderbird ended")
            length += c

    def call(self, name, params):
        self.number += 1
        octets = json.dumps([0, self.number, name, params]).encode()
        self.socket.sendall(b"%d:%s" % (len(octets), octets))
        while True:
            kind, number, error, result = self.read()
            if number == self.number:
                if error:
                    raise Failed("%s: %s" % (name, error.get("message") or error))
                return result

    def js(self, script, needs_account=True):
        head = HEAD if needs_account else "const done = arguments[arguments.length - 1];\n(async () => { %s })().then(() => done(true), e => done('FAILED ' + e));"
        value = self.call("WebDriver:ExecuteAsyncScript", {"script": head % script, "args": [], "sandbox": "system"})["value"]
        if isinstance(value, str) and value.startswith("FAILED"):
            raise Failed(value)
        return value

    def picture(self, path):
        subprocess.run(["import", "-window", "root", "-display", self.display, path], check=True, timeout=30)

    # -- what a person does

    def state(self, name="INBOX"):
        from test_read_peers import state
        return state(self.server, self.user, name)

    def walk(self):
        self.wait("the window and INBOX", lambda: self.js("return !!(win && win.document.getElementById('tabmail') && inbox);"), 60)
        self.js("""inbox.updateFolder(null);
                   await wait(() => inbox.getTotalMessages(false) >= 5);
                   const pane = await wait(() => win.document.getElementById("tabmail").currentAbout3Pane);
                   pane.displayFolder(inbox.URI);
                   await wait(() => pane.gDBView && pane.gDBView.rowCount >= 5);""")
        # reads: what is shown is read, and says so to others
        self.js("""const pane = win.document.getElementById("tabmail").currentAbout3Pane;
                   const view = pane.gDBView, at = view.findIndexOfMsgHdr(find(inbox, "letter 1"), false);
                   pane.threadTree.selectedIndex = at;
                   const message = await wait(() => pane.messageBrowser.contentWindow);
                   await wait(() => message.getMessagePaneBrowser().contentDocument?.body?.textContent.includes("the text of number 1"));""")
        self.wait("\\Seen", lambda: "\\seen" in self.state()["letter 1"])
        # flags
        self.js("""inbox.markMessagesFlagged([find(inbox, "letter 2")], true);""")
        self.wait("\\Flagged", lambda: "\\flagged" in self.state()["letter 2"])
        # moves
        self.js("""const trash = await wait(() => root.getFolderWithFlags(Flags.Trash));
                   MailServices.copy.copyMessages(inbox, [find(inbox, "letter 3")], trash, true, null, win.msgWindow, true);
                   await wait(() => !find(inbox, "letter 3"));""")
        self.wait("the move", lambda: "letter 3" not in self.state() and "letter 3" in self.state("Trash"))
        # searches on the server
        found = self.js("""const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
                   session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox);
                   const term = session.createTerm(), value = term.value;
                   value.attrib = term.attrib = Ci.nsMsgSearchAttrib.Body;
                   value.str = "number 4"; term.value = value; term.op = Ci.nsMsgSearchOp.Contains;
                   session.appendTerm(term);
                   const hits = [];
                   await new Promise(over => { session.registerListener({ onNewSearch() {}, onSearchHit(h) { hits.push(h.mime2DecodedSubject); },
                       onSearchDone() { over(); } }); session.search(win.msgWindow); });
                   return hits;""")
        if found != ["letter 4"]:
            raise Failed("searching found %r" % found)
        # sees new mail without asking
        self.server.deliver(self.user, letter("new while looking"))
        self.js("""await wait(() => find(inbox, "new while looking"), 20);""")
        # and that another session has taken one away
        with self.server.talk(self.user) as t:
            t.ok("SELECT INBOX")
            t.ok("STORE 1 +FLAGS (\\Deleted)")
            t.ok("EXPUNGE")
        self.js("""await wait(() => !find(inbox, "letter 0"), 20);""")
        time.sleep(1)  # until it is drawn
