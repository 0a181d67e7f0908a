"""What the bench prints: cells, the aligned table, the Markdown page. See bench/README.md for the columns."""

import statistics

OTHER_CORES_MAX = 0.4  # a cell whose runs shared the machine with more foreign work than this is marked

# What is to be reached (issue "the first letter"): (case, condition on the cell's meta) → (kind, bound).
# "ratio": times Postfix; "disk": share of the disk's floor; "value": the figure itself; "cpu": Postfix's
# processor time a message over ours. Judged with our own source for both servers.
GOALS = [
    ("ingest", lambda m: m.get("size") == 4096 and m.get("sessions") in (20, 100), "ratio", 10),
    ("ingest", lambda m: m.get("size") == 65536 and m.get("sessions") in (20, 100), "ratio", 4),
    ("ingest", lambda m: m.get("size") == 65536 and m.get("sessions") in (20, 100), "disk", 0.7),
    ("ingest", lambda m: m.get("size") == 4096 and m.get("sessions") == 1, "disk", 0.7),
    ("relay", lambda m: m.get("size") == 4096, "ratio", 10),
    ("relay", lambda m: m.get("size") == 65536, "ratio", 3),
    ("relay", lambda m: m.get("size") == 65536, "disk", 0.7),
    ("relay", lambda m: True, "cpu", 10),
]
VALUE_GOALS = {
    ("idle", "at rest, sum of RSS"): 24 * 1024,
    ("idle", "a plain connection of 1000"): 12,
    ("idle", "a TLS connection of 1000"): 32,
    ("start", "to the first 220, new data directory"): 100,
    ("start", "to the first 220, again"): 100,
    ("dead", "rate lost to healthy next hops, 50 dead among them"): 10,
}


class Cell:
    """One line of the table: a figure of one or two servers, with all its runs."""

    def __init__(self, case, title, unit, is_more_better, meta=None):
        self.case, self.title, self.unit, self.is_more_better = case, title, unit, is_more_better
        self.meta = meta or {}
        self.values, self.runs = {}, {}

    def add(self, who, value, run=None):
        self.values.setdefault(who, []).append(value)
        self.runs.setdefault(who, []).append(run or {})

    def median(self, who):
        return statistics.median(self.values[who]) if self.values.get(who) else None

    def of_runs(self, who, key):
        """The median of something each run noted, or None."""
        found = [run[key] for run in self.runs.get(who, []) if key in run]
        return statistics.median(found) if found else None

    def is_disturbed(self, who):
        other = self.of_runs(who, "cores_other")
        return other is not None and other > OTHER_CORES_MAX

    def ratio(self):
        """How many times better Yizhan is than Postfix."""
        ours, theirs = self.median("yizhan"), self.median("postfix")
        if not ours or not theirs:
            return None
        return ours / theirs if self.is_more_better else theirs / ours

    def cpu_ratio(self):
        ours, theirs = self.of_runs("yizhan", "cpu_per_1000"), self.of_runs("postfix", "cpu_per_1000")
        return theirs / ours if ours and theirs else None

    def disk_share(self, floors):
        """Our rate over what the disk allows: alone a sync a message, in company 64 a sync."""
        ours, size = self.median("yizhan"), self.meta.get("size")
        floor = floors.get(("disk", size, 1 if self.meta.get("sessions") == 1 else 64))
        return ours / floor if ours and floor else None

    def verdicts(self, floors):
        """[(text of the goal, is it reached)] of this cell, as far as it was measured."""
        found = []
        for case, fits, kind, bound in GOALS:
            if case != self.case or not fits(self.meta) or self.meta.get("source") != "bench source":
                continue
            value = {"ratio": self.ratio, "cpu": self.cpu_ratio, "disk": lambda: self.disk_share(floors)}[kind]()
            if value is None:
                continue
            text = "%d %% of the disk's floor" % (bound * 100) if kind == "disk" else (
                "x%g" % bound if kind == "ratio" else "cpu x%g" % bound)
            found.append((text, value >= bound))
        bound, ours = VALUE_GOALS.get((self.case, self.title)), self.median("yizhan")
        if bound is not None and ours is not None:
            found.append(("at most %g %s" % (bound, self.unit), ours <= bound))
        return found

    def line(self):
        """One line while the bench runs."""
        parts = ["%s %s" % (who, spread(self, who)) for who in self.values]
        return "   %-44s %s %s" % (self.title, "   ".join(parts), self.unit)

    def as_json(self):
        return {"case": self.case, "title": self.title, "unit": self.unit, "meta": self.meta,
                "median": {who: self.median(who) for who in self.values}, "values": self.values, "runs": self.runs}


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if abs(value) >= 100 else "%.1f" % value if abs(value) >= 10 else "%.2f" % value


def spread(cell, who):
    """'median (least-most)', with a star when others used the machine meanwhile."""
    values = cell.values.get(who)
    if not values:
        return "-"
    text = number(cell.median(who))
    if len(values) > 1:
        text += " (%s-%s)" % (number(min(values)), number(max(values)))
    return text + ("*" if cell.is_disturbed(who) else "")


def rows(cells, servers, floors):
    """Header and lines of the table as lists of texts."""
    head = ["case", "load", "unit"] + servers
    is_pair = len(servers) == 2
    if is_pair:
        head.append("ratio")
    head += ["cpu s/1k " + who for who in servers]
    if is_pair:
        head.append("cpu ratio")
    head += ["cores " + who for who in servers] + ["of disk", "of ends", "to reach"]
    lines = []
    for cell in cells:
        if cell.case == "floor":
            figures = [spread(cell, "floor")] + [""] * (len(servers) - 1)
        else:
            figures = [spread(cell, who) for who in servers]
        line = [cell.case, cell.title, cell.unit] + figures
        if is_pair:
            line.append(times(cell.ratio()))
        line += [number(cell.of_runs(who, "cpu_per_1000")) for who in servers]
        if is_pair:
            line.append(times(cell.cpu_ratio()))
        line += [cores(cell, who) for who in servers]
        line.append(percent(cell.disk_share(floors) if cell.case in ("ingest", "relay", "local") else None))
        line.append(percent(ends_share(cell, floors, servers)))
        line.append("; ".join("%s: %s" % (text, "yes" if ok else "NO") for text, ok in cell.verdicts(floors)))
        lines.append(line)
    return head, lines


def times(value):
    return "-" if value is None else "x%.1f" % value


def percent(value):
    return "-" if value is None else "%.0f %%" % (value * 100)


def cores(cell, who):
    """server + ends: where the machine's cores went while it ran."""
    server, ends = cell.of_runs(who, "cores_server"), cell.of_runs(who, "cores_ends")
    return "-" if server is None else "%.2f+%.2f" % (server, ends)


def ends_share(cell, floors, servers):
    """The faster server's rate over the same load's source straight into the sink."""
    floor = floors.get(("sink", cell.title))
    best = max((cell.median(who) or 0 for who in servers), default=0)
    return best / floor if floor and best and cell.case in ("ingest", "relay", "local") else None


def facts_lines(facts):
    return ["%s: %s" % (key.replace("_", " "), value) for key, value in facts.items()]


NOTES = ("Median (least-most) of all runs. cpu s/1k: processor seconds of all the server's processes for 1,000 messages. "
         "cores a+b: cores the server used + cores source and sink used.\n"
         "of disk: Yizhan's rate over the disk's floor (a record a sync for one session, else 64 a sync). of ends: the "
         "faster server over source straight into sink.\n"
         "*: other work on the machine took over %g core." % OTHER_CORES_MAX)


def table(cells, servers, floors, facts):
    head, lines = rows(cells, servers, floors)
    widths = [max(len(line[i]) for line in [head] + lines) for i in range(len(head))]
    is_text = [i < 3 or i == len(head) - 1 for i in range(len(head))]

    def aligned(line):
        return "  ".join(x.ljust(w) if t else x.rjust(w) for x, w, t in zip(line, widths, is_text)).rstrip()

    return "\n".join(facts_lines(facts) + [""] + [aligned(head)] + [aligned(line) for line in lines] + ["", NOTES, ""])


def markdown(cells, servers, floors, facts):
    head, lines = rows(cells, servers, floors)
    text = ["# Measured %s" % facts["date"], ""]
    text += ["- " + line for line in facts_lines(facts)]
    text += ["", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    text += ["| " + " | ".join(line) + " |" for line in lines]
    text += ["", NOTES, "", "What each figure is and what bounds it: `bench/README.md`.", ""]
    return "\n".join(text)
