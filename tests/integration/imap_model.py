"""Random commands of several sessions against a model of the mailboxes. See test_imap_model.py.

    walk = Walk(server, seed=7, steps=300)
    walk.run()                  # raises Wrong, with the seed and the last steps in its text

The model is what the commands mean: {mailbox: {uid: (flags, mark)}}. After each step the session that spoke is checked
against what it may know, and now and then every session is asked for news (NOOP) and its view, folded from nothing but
untagged responses and the FETCH of what was new, is compared with that of a fresh session and with the model.
"""

import random
import re
import time

from imap_talk import Bye, Lit, View, Wrong, numbers_of, quote  # noqa: F401

FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Label1", "Custom"]
BOXES = ["Walk", "Walk two", "Wälk/drei"]
ENABLED = ["", "CONDSTORE", "QRESYNC"]


def utf7(name):
    """The modified UTF-7 of RFC 3501 section 5.1.3."""
    def piece(m):
        import base64
        text = base64.b64encode(m[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",").decode()
        return "&%s-" % text
    return re.sub("[^\x20-\x7e]+", piece, name.replace("&", "&-"))


class Message:
    def __init__(self, flags, mark):
        self.flags, self.mark = frozenset(flags), mark


class Session:
    """One connection; `box` the selected mailbox, or None."""

    def __init__(self, server, number, enabled):
        self.number, self.enabled, self.box, self.is_read_only = number, enabled, None, False
        self.t = server.talk("alice")
        if enabled:
            self.t.ok("ENABLE " + enabled)

    def __repr__(self):
        return "s%d" % self.number


class Walk:
    def __init__(self, server, seed, steps=250, sessions=3, fold=None):
        self.server, self.seed, self.steps = server, seed, steps
        self.random = random.Random(seed)
        self.model = {}
        self.history = []      # what was done
        self.snapshots = []    # (box, validity, modseq, uids, flags) when a view was verified
        self.sessions = [Session(server, n, ENABLED[n % len(ENABLED)]) for n in range(sessions)]
        self.admin = server.talk("alice")
        self.validity = {}
        self.marks = 0
        self.fold = fold       # tests put a mistake here: called with the view after each step
        self.delivered = 0
        self.counts = {}
        self.run_id = "%x" % self.random.getrandbits(40)

    def note(self, text, *args):
        self.history.append(text % args if args else text)

    def run(self):
        try:
            for box in BOXES:
                self.create(box)
            self.model["INBOX"] = {}
            self.adopt("INBOX")
            for s in self.sessions:
                self.select(s, self.random.choice(list(self.model)))
            for self.step_number in range(self.steps):
                self.step()
                if self.random.random() < 0.08:
                    self.compare()
            self.compare()
            for snapshot in self.random.sample(self.snapshots, min(6, len(self.snapshots))):
                self.resynchronise(snapshot)
        except (AssertionError, Bye, OSError, KeyError, IndexError, TypeError) as e:
            talks = "\n".join("-- %r: %s" % (s, b"".join(s.t.trace[-14:]).decode("utf-8", "replace")) for s in self.sessions)
            raise Wrong("seed %d, step %d: %s: %s\n%s\n%s" % (
                self.seed, getattr(self, "step_number", -1), type(e).__name__, e, "\n".join(self.history[-25:]), talks)) from e
        finally:
            for s in self.sessions:
                s.t.close()
            self.clean()

    def clean(self):
        try:
            t = self.server.talk("alice")
            for box in list(self.model):
                if box != "INBOX":
                    t.run("DELETE " + quote(utf7(box)))
            t.close()
        except (AssertionError, Bye, OSError):
            pass
        self.admin.close()

    # -- what happens

    def step(self):
        s = self.random.choice(self.sessions)
        if s.box is None or s.box not in self.model:
            if s.box is not None:
                self.leave(s)
            return self.select(s, self.random.choice(list(self.model)))
        kinds = [(self.append, 10), (self.store, 22), (self.expunge, 7), (self.uid_expunge, 4), (self.copy, 7), (self.move, 7),
                 (self.select_other, 4), (self.noop, 6), (self.idle, 3), (self.deliver, 4), (self.fetch, 6), (self.search, 4),
                 (self.burst, 6), (self.rename, 2), (self.delete, 1), (self.create_one, 1), (self.close, 1), (self.examine, 1),
                 (self.unchangedsince, 6), (self.multiappend, 2)]
        what = self.random.choices([k for k, _ in kinds], [w for _, w in kinds])[0]
        self.counts[what.__name__] = self.counts.get(what.__name__, 0) + 1
        self.note("%d %r(%s) %s", self.step_number, s, s.box, what.__name__)
        what(s)
        if self.fold and s.t.view:
            self.fold(s.t.view, self.random)
        self.check_known(s)

    def letter(self):
        self.marks += 1
        mark = "%s-%d" % (self.run_id, self.marks)
        return mark, ("From: a@example.org\r\nTo: b@example.org\r\nSubject: %s\r\nMessage-ID: <%s@example.org>\r\n\r\n"
                      "Text %s\r\n%s" % (mark, mark, mark, "x" * self.random.choice([0, 10, 3000]) + "\r\n")).encode()

    def some_flags(self):
        return self.random.sample(FLAGS, self.random.choice([0, 0, 1, 1, 2, 3]))

    def add(self, box, uid, flags, mark):
        there = self.model[box]
        if there and uid <= max(there):
            raise Wrong("UID %d behind %d in %s" % (uid, max(there), box))
        there[uid] = Message([f.lower() for f in flags], mark)

    def append(self, s):
        box = self.random.choice(list(self.model))
        flags, (mark, octets) = self.some_flags(), self.letter()
        uid = s.t.append(utf7(box), octets, " ".join(flags))
        self.note("   to %s %r: UID %s", box, flags, uid)
        self.add(box, uid, flags, mark)

    def multiappend(self, s):
        box = self.random.choice(list(self.model))
        letters = [self.letter() for _ in range(3)]
        flags = [self.some_flags() for _ in letters]
        parts = ["APPEND " + quote(utf7(box))]
        for (mark, octets), f in zip(letters, flags):
            parts += ["(%s)" % " ".join(f), Lit(octets)]
        r = s.t.ok(*parts)
        uids = numbers_of(r.code("APPENDUID")[1])
        self.note("   to %s: UIDs %r", box, uids)
        for uid, f, (mark, _) in zip(uids, flags, letters):
            self.add(box, uid, f, mark)
        if len(uids) != 3:
            raise Wrong("APPENDUID of three letters: %r" % uids)

    def deliver(self, s):
        mark, octets = self.letter()
        self.server.deliver("alice", octets)
        # what came is told by the mailbox itself
        end = time.monotonic() + 20
        while True:
            found = self.admin_uids("INBOX")
            new = set(found) - set(self.model["INBOX"])
            if new:
                break
            if time.monotonic() > end:
                raise Wrong("a letter that was delivered is not in INBOX")
            time.sleep(0.02)
        if len(new) != 1:
            raise Wrong("one letter was delivered, %r are new" % new)
        self.add("INBOX", new.pop(), [], mark)

    def admin_uids(self, box):
        self.admin.ok("EXAMINE " + quote(utf7(box)))
        found = sorted(self.admin.ok("UID FETCH 1:* (UID FLAGS)").by_uid()) if self.admin.view.uids else []
        self.admin.ok("UNSELECT")  # who looks at a mailbox that is deleted may be sent away
        return found

    def pick(self, s):
        """Some UIDs of the session's view that it knows, as a list; never empty unless the mailbox is."""
        known = [u for u in s.t.view.uids if u is not None]
        return sorted(self.random.sample(known, min(len(known), self.random.choice([1, 1, 2, 5, 20])))) if known else []

    def numbers(self, s, uids):
        return ",".join(str(s.t.view.uids.index(u) + 1) for u in uids)

    def store(self, s):
        uids = self.pick(s)
        if not uids:
            return
        is_uid = self.random.random() < 0.5
        sign, silent = self.random.choice(["", "+", "-"]), self.random.choice(["", ".SILENT"])
        flags = self.some_flags()
        if s.is_read_only:
            return
        gone = [u for u in uids if u not in self.model[s.box]]
        which = ",".join(map(str, uids)) if is_uid else self.numbers(s, uids)
        r = s.t.run("%sSTORE %s %sFLAGS%s (%s)" % ("UID " if is_uid else "", which, sign, silent, " ".join(flags)))
        self.note("   %s %sFLAGS%s %r: %s", uids, sign, silent, flags, r.status)
        if r.status == "BAD" or (r.status == "NO" and not gone):
            raise Wrong("STORE: %r" % r)
        if silent and not s.enabled:
            # others' changes may be told, ours not; a flag list that equals ours could be either
            pass
        asked = {f.lower() for f in flags}
        for u in uids:
            if u in gone:
                continue
            m = self.model[s.box][u]
            before = m.flags
            m.flags = frozenset(asked if sign == "" else m.flags | asked if sign == "+" else m.flags - asked)
            if silent:
                self.silently(s, u, m.flags, r)
            elif s.t.view.flags.get(u, before) != m.flags:
                raise Wrong("UID %d has %r after STORE, was told %r" % (u, sorted(m.flags), s.t.view.flags.get(u)))

    def silently(self, s, uid, flags, r):
        """The session knows what its silent STORE did, if it knew the flags before and nobody else changed them: a
        server that finds that others changed them as well tells (RFC 3501 section 6.4.6)."""
        view = s.t.view
        told = [i for n, i in r.all("FETCH") if i.get("UID") == uid or (n <= len(view.uids) and view.uids[n - 1] == uid)]
        if any("FLAGS" in i for i in told):
            if view.flags[uid] != flags:
                raise Wrong("UID %d: told %r behind a silent STORE, is %r" % (uid, view.flags[uid], flags))
        elif uid in view.uids:
            view.flags[uid] = flags

    def unchangedsince(self, s):
        """STORE (UNCHANGEDSINCE n): those changed since are in MODIFIED and stay as they were."""
        if not s.enabled or s.is_read_only:
            return
        uids = self.pick(s)
        if not uids:
            return
        self.news(s)
        uids = [u for u in uids if u in self.model[s.box]]
        if not uids or not s.t.view or any(u not in s.t.view.uids for u in uids):
            return
        now = s.t.ok("UID FETCH %s (MODSEQ FLAGS)" % ",".join(map(str, uids))).by_uid()
        since = self.random.choice([min(i["MODSEQ"] for i in now.values()), max(i["MODSEQ"] for i in now.values()), 1])
        flag = self.random.choice(FLAGS[:3] + FLAGS[4:])
        r = s.t.run("UID STORE %s (UNCHANGEDSINCE %d) +FLAGS (%s)" % (",".join(map(str, uids)), since, flag))
        modified = numbers_of(r.code("MODIFIED"))
        wanted = sorted(u for u, i in now.items() if i["MODSEQ"] > since)
        self.note("   %s since %d: MODIFIED %r", uids, since, modified)
        if sorted(modified) != wanted:
            raise Wrong("MODIFIED %r, wanted %r of %r since %d: %r" % (modified, wanted, now, since, r))
        for u in set(uids) - set(wanted):
            m = self.model[s.box][u]
            m.flags |= {flag.lower()}
            told = s.t.view.modseq.get(u, 0)
            if told < now[u]["MODSEQ"] or (flag.lower() not in {f.lower() for f in now[u]["FLAGS"]}
                                           and told <= now[u]["MODSEQ"]):
                raise Wrong("UID %d: MODSEQ %d was not told to rise after a conditional STORE" % (u, told))

    def deleted(self, box):
        return [u for u, m in self.model[box].items() if "\\deleted" in m.flags]

    def expunge(self, s):
        if s.is_read_only:
            return
        may = self.deleted(s.box)
        must = self.known_deleted(s)
        s.t.ok("EXPUNGE")
        self.forget(s, self.gone(s.box, may, must))

    def known_deleted(self, s):
        """Those whose deletion the session was told of: they must go. What others have just added or marked may wait
        until the session has been told."""
        return {u for u in self.deleted(s.box) if "\\deleted" in s.t.view.flags.get(u, ())}

    def gone(self, box, may, must):
        """What an expunge took away, as a fresh session sees it."""
        gone = set(self.model[box]) - set(self.admin_uids(box))
        self.note("   gone: %r of %r", sorted(gone), sorted(may))
        if not set(must) <= gone <= set(may):
            raise Wrong("expunged %r; had to %r, might %r" % (sorted(gone), sorted(must), sorted(may)))
        return sorted(gone)

    def forget(self, s, gone):
        for u in gone:
            del self.model[s.box][u]
            if u in s.t.view.uids:
                raise Wrong("UID %d is expunged, and the session was not told" % u)

    def uid_expunge(self, s):
        uids = self.pick(s)
        if not uids or s.is_read_only:
            return
        may = set(uids) & set(self.deleted(s.box))
        must = may & self.known_deleted(s)
        s.t.ok("UID EXPUNGE " + ",".join(map(str, uids)))
        self.forget(s, self.gone(s.box, may, must))

    def copied(self, s, r, uids, to):
        code = r.code("COPYUID")
        there = [u for u in uids if u in self.model[s.box]]
        if not there:
            return []
        if not code:
            raise Wrong("no COPYUID: %r" % r)
        source, target = numbers_of(code[1]), numbers_of(code[2])
        if sorted(source) != sorted(there) or len(source) != len(target) or code[0] != self.validity[to]:
            raise Wrong("COPYUID %r, copied were %r to UIDVALIDITY %r" % (code, there, self.validity[to]))
        pairs = list(zip(source, target))
        for a, b in sorted(pairs, key=lambda p: p[1]):
            m = self.model[s.box][a]
            self.add(to, b, m.flags, m.mark)
        self.note("   to %s: %r", to, pairs)
        return pairs

    def copy(self, s):
        uids, to = self.pick(s), self.random.choice(list(self.model))
        if not uids or len(self.model[to]) > 150:
            return
        r = s.t.run("UID COPY %s %s" % (",".join(map(str, uids)), quote(utf7(to))))
        if r.status == "OK":
            self.copied(s, r, uids, to)
        elif all(u in self.model[s.box] for u in uids):
            raise Wrong("COPY: %r" % r)

    def move(self, s):
        uids, to = self.pick(s), self.random.choice([b for b in self.model if b != s.box] or [None])
        if not uids or to is None or s.is_read_only:
            return
        r = s.t.run("UID MOVE %s %s" % (",".join(map(str, uids)), quote(utf7(to))))
        if r.status == "OK":
            for a, _ in self.copied(s, r, uids, to):
                self.forget(s, [a])
        elif all(u in self.model[s.box] for u in uids):
            raise Wrong("MOVE: %r" % r)

    def fetch(self, s):
        uids = self.pick(s)
        if not uids:
            return
        # those that others have expunged meanwhile are answered or left out, never with another's content
        r = s.t.run("FETCH %s (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])" % self.numbers(s, uids))
        if r.status == "BAD":
            raise Wrong("FETCH: %r" % r)
        for uid, items in r.by_uid().items():
            text = items.get("BODY[HEADER.FIELDS (SUBJECT)]")
            if text and uid in self.model[s.box] and self.model[s.box][uid].mark.encode() not in text:
                raise Wrong("UID %d has %r, and should %s" % (uid, text, self.model[s.box][uid].mark))

    def search(self, s):
        key = self.random.choice(["DELETED", "UNSEEN", "FLAGGED", "KEYWORD $Label1", "NOT (OR SEEN ANSWERED)"])
        tests = {"DELETED": lambda f: "\\deleted" in f, "UNSEEN": lambda f: "\\seen" not in f,
                 "FLAGGED": lambda f: "\\flagged" in f, "KEYWORD $Label1": lambda f: "$label1" in f,
                 "NOT (OR SEEN ANSWERED)": lambda f: not f & {"\\seen", "\\answered"}}
        self.news(s)
        if not s.t.view:
            return
        found = s.t.ok("UID SEARCH " + key).last("SEARCH")
        uids = sorted(found[0]) if found else []
        wanted = sorted(u for u, m in self.model[s.box].items() if tests[key](m.flags))
        if uids != wanted:
            raise Wrong("SEARCH %s: %r, wanted %r" % (key, uids, wanted))

    def noop(self, s):
        self.news(s)

    def news(self, s):
        """Ask, then fetch what is new, as a client does."""
        s.t.ok(self.random.choice(["NOOP", "CHECK"]))
        self.fill(s)

    def fill(self, s):
        if not s.t.view:
            return
        while True:
            unknown = s.t.view.unknown()
            if not unknown:
                return
            items = "(UID FLAGS MODSEQ)" if s.enabled else "(UID FLAGS)"
            before = list(s.t.view.uids)
            s.t.ok("FETCH %s %s" % (",".join(map(str, unknown)), items))
            if s.t.view.unknown() == unknown and s.t.view.uids == before:
                # they were expunged by another in the meantime: NOOP must tell
                s.t.ok("NOOP")
                if s.t.view.unknown() == unknown and s.t.view.uids == before:
                    raise Wrong("no FETCH answers for %r" % unknown)

    def idle(self, s):
        """Somebody else does something, and IDLE tells."""
        if s.is_read_only:
            return
        self.news(s)
        if not s.t.view:
            return
        s.t.idle()
        other = self.admin
        flags, (mark, octets) = self.some_flags(), self.letter()
        uid = other.append(utf7(s.box), octets, " ".join(flags))
        self.add(s.box, uid, flags, mark)
        n = len(self.model[s.box])
        s.t.idle_wait(lambda told: any(k == "EXISTS" and v >= n for k, v in told))
        s.t.done()
        self.fill(s)

    def burst(self, s):
        """Several sessions at once: the commands are sent before any reply is read. Only those whose order does not
        matter; flags are read back into the model."""
        started = []
        for each in self.sessions:
            if not each.t.view or each.box not in self.model or each.is_read_only:
                continue
            uids = self.pick(each)
            kind = self.random.choice(["append", "store", "noop", "expunge"])
            if kind == "append":
                mark, octets = self.letter()
                if len(octets) > 4000:
                    continue
                started.append((each, each.t.start("APPEND " + quote(utf7(each.box)), Lit(octets, plus=True))))
            elif kind == "store" and uids:
                started.append((each, each.t.start("STORE %s +FLAGS.SILENT (%s)" % (
                    self.numbers(each, uids), self.random.choice(FLAGS)))))
                each.is_unsure = uids
            elif kind == "expunge":
                started.append((each, each.t.start("EXPUNGE")))
            else:
                started.append((each, each.t.start("NOOP")))
        for each, begun in started:
            r = each.t.finish(begun)
            if r.status == "BAD":
                raise Wrong("in a burst: %r" % r)
        boxes = {each.box for each, _ in started}
        for each in self.sessions:
            # what a silent STORE did at the same time as others is asked for
            for u in getattr(each, "is_unsure", []):
                if each.t.view and u in each.t.view.uids:
                    each.t.view.flags.pop(u, None)
            each.is_unsure = []
        for box in boxes:
            self.adopt(box)

    def adopt(self, box):
        """The mailbox as a fresh session sees it becomes the model; contents must be those they were."""
        with self.server.talk("alice") as t:
            r = t.ok("EXAMINE " + quote(utf7(box)))
            self.validity[box] = r.code("UIDVALIDITY")
            old, new = self.model[box], {}
            if t.view.uids:
                for uid, items in sorted(t.ok("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])").by_uid().items()):
                    mark = items["BODY[HEADER.FIELDS (SUBJECT)]"].decode().split(":", 1)[1].strip()
                    if uid in old and old[uid].mark != mark:
                        raise Wrong("UID %d was %s and is %s" % (uid, old[uid].mark, mark))
                    new[uid] = Message([f.lower() for f in items["FLAGS"] if f.lower() != "\\recent"], mark)
            self.model[box] = new

    # -- mailboxes

    def create(self, box):
        with self.server.talk("alice") as t:
            t.ok("CREATE " + quote(utf7(box)))
            self.model[box] = {}
            self.validity[box] = t.ok("EXAMINE " + quote(utf7(box))).code("UIDVALIDITY")

    def create_one(self, s):
        name = "New %d" % self.random.randrange(3)
        if name in self.model:
            s.t.no("CREATE " + quote(name))
        else:
            self.create(name)

    def others_in(self, box):
        return any(x.box == box for x in self.sessions)

    def rename(self, s):
        """Only mailboxes that nobody looks at: what becomes of a selected one is left open."""
        free = [b for b in self.model if b != "INBOX" and not self.others_in(b)]
        if not free:
            return
        a = self.random.choice(free)
        b = self.random.choice(["Moved %d" % self.random.randrange(4), "Wälk/%d" % self.random.randrange(4)])
        r = s.t.run("RENAME %s %s" % (quote(utf7(a)), quote(utf7(b))))
        self.note("   %s to %s: %s", a, b, r.status)
        if b in self.model:
            if r.status != "NO":
                raise Wrong("RENAME to a mailbox that is there: %r" % r)
            return
        if r.status != "OK":
            raise Wrong("RENAME: %r" % r)
        self.model[b] = self.model.pop(a)
        self.validity.pop(a)
        with self.server.talk("alice") as t:
            self.validity[b] = t.ok("EXAMINE " + quote(utf7(b))).code("UIDVALIDITY")
        self.snapshots = [x for x in self.snapshots if x[0] != a]
        self.adopt(b)

    def delete(self, s):
        free = [b for b in self.model if b != "INBOX" and not self.others_in(b) and b not in BOXES[:1]]
        if not free:
            return
        box = self.random.choice(free)
        s.t.ok("DELETE " + quote(utf7(box)))
        del self.model[box]
        self.snapshots = [x for x in self.snapshots if x[0] != box]

    def select(self, s, box, verb="SELECT"):
        r = s.t.ok("%s %s" % (verb, quote(utf7(box))))
        s.box, s.is_read_only = box, verb == "EXAMINE"
        if r.code("UIDVALIDITY") != self.validity[box]:
            raise Wrong("UIDVALIDITY of %s was %r, is %r" % (box, self.validity[box], r.code("UIDVALIDITY")))
        highest = max(self.model[box], default=0)
        if r.code("UIDNEXT") is not None and r.code("UIDNEXT") <= highest:
            raise Wrong("UIDNEXT %d, and UID %d is there" % (r.code("UIDNEXT"), highest))
        if s.enabled and not r.code("HIGHESTMODSEQ"):
            raise Wrong("no HIGHESTMODSEQ: %r" % r)
        self.fill(s)

    def select_other(self, s):
        self.select(s, self.random.choice(list(self.model)))

    def examine(self, s):
        self.select(s, self.random.choice(list(self.model)), "EXAMINE")

    def close(self, s):
        may = [] if s.is_read_only else self.deleted(s.box)
        must = set() if s.is_read_only else self.known_deleted(s)
        s.t.ok("CLOSE")
        for u in self.gone(s.box, may, must):
            del self.model[s.box][u]
        self.leave(s)

    def leave(self, s):
        if s.t.view:
            s.t.run("UNSELECT")
        s.box, s.t.view = None, None

    # -- what must hold

    def check_known(self, s):
        """What the session has been told is in order at any time, also while it does not know all yet."""
        if not s.t.view:
            return
        known = [u for u in s.t.view.uids if u is not None]
        if known != sorted(set(known)):
            raise Wrong("UIDs do not ascend: %r" % known)

    def fresh(self, box):
        with self.server.talk("alice") as t:
            t.ok("ENABLE CONDSTORE")
            r = t.ok("EXAMINE " + quote(utf7(box)))
            if t.view.uids:
                t.ok("FETCH 1:* (UID FLAGS MODSEQ)")
            top = max(t.view.modseq.values(), default=0)
            if r.code("HIGHESTMODSEQ") < top:
                raise Wrong("HIGHESTMODSEQ %d of %s, and a message has %d" % (r.code("HIGHESTMODSEQ"), box, top))
            return r, t.view

    def compare(self):
        """All sessions ask for news; then all know the same, and it is what is there."""
        for s in self.sessions:
            if s.t.view and s.box in self.model:
                self.news(s)
                if self.fold:
                    self.fold(s.t.view, self.random)
        for box in {s.box for s in self.sessions if s.t.view and s.box in self.model}:
            r, view = self.fresh(box)
            wanted = [(u, m.flags) for u, m in sorted(self.model[box].items())]
            if view.state() != wanted:
                raise Wrong("%s is %r, should be %r" % (box, view.state(), wanted))
            for s in self.sessions:
                if s.box == box and s.t.view and s.t.view.state() != wanted:
                    raise Wrong("%r was told %r of %s, which is %r: %r" % (
                        s, s.t.view.state(), box, wanted, set(s.t.view.state()) ^ set(wanted)))
            self.snapshots.append((box, r.code("UIDVALIDITY"), r.code("HIGHESTMODSEQ"), view))
            if self.random.random() < 0.3:
                self.resynchronise(self.random.choice([x for x in self.snapshots if x[0] == box]))

    def resynchronise(self, snapshot):
        """From an earlier time: what SELECT with QRESYNC tells makes of it what is there now."""
        box, validity, modseq, known = snapshot
        if box not in self.model or self.validity.get(box) != validity:
            return
        self.note("   resync of %s from %d", box, modseq)
        _, now = self.fresh(box)
        with self.server.talk("alice") as t:
            t.ok("ENABLE QRESYNC")
            uids = ",".join(map(str, known.uids))
            more = " " + uids if uids and self.random.random() < 0.5 else ""
            try:
                t.resync(utf7(box), known, validity, modseq, more)
            except Wrong as e:
                raise Wrong("%s; from %r\n%s" % (e, known.state(), b"".join(t.trace).decode("utf-8", "replace")))
            if t.view.state() != now.state():
                raise Wrong("resynchronised %s from %d: %r; it is %r" % (box, modseq, t.view.state(), now.state()))
