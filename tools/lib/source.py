"""What the checks share: the list of files, C text without comments and strings, C functions."""

import os
import re
import subprocess
import sys
from collections import namedtuple

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def _listed(roots):
    """What git knows and what is new and not ignored; in an unpacked archive, what lies there."""
    if os.path.exists(os.path.join(TOP, ".git")):
        out = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"] + list(roots or ["."]),
            cwd=TOP, stdout=subprocess.PIPE, check=True).stdout.decode()
        yield from out.split("\0")
        return
    for root in roots or ["."]:
        top = os.path.join(TOP, root)
        if os.path.isfile(top):
            yield root
        for folder, folders, names in os.walk(top):
            folders[:] = [f for f in folders if f not in ("build", "__pycache__", ".pytest_cache")
                          and os.path.join(folder, f) != os.path.join(TOP, "peers")]
            for name in names:
                yield os.path.relpath(os.path.join(folder, name), TOP)


def files(*roots, ext=(".c", ".h")):
    """Paths below TOP (sorted, relative) in these folders, with these endings."""
    return sorted({p for p in _listed(roots)
                   if p.endswith(tuple(ext)) and os.path.isfile(os.path.join(TOP, p))})


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_BARE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare(text):
    """C text with comments and the insides of strings blanked; offsets and lines stay."""

    def blank(m):
        s = m.group(0)
        if s[0] == "/":
            return re.sub(r"[^\n]", " ", s)
        return s[0] + re.sub(r"[^\n]", " ", s[1:-1]) + s[-1]

    return _BARE.sub(blank, text)


def without_directives(text):
    """The same without preprocessor lines, so that braces balance in the common case."""
    return re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


Function = namedtuple("Function", "name line lines params")


def functions(text):
    """The function definitions of a C file: name, first line, lines from name to closing brace,
    number of parameters (a last `struct err *e` not counted). `text` is what read() gave."""
    code = without_directives(bare(text))
    found = []
    depth = 0
    for m in re.finditer(r"[{}]", code):
        if m.group(0) == "}":
            depth = max(0, depth - 1)
            if depth == 0 and found and found[-1][3] is None:
                found[-1][3] = m.start()
            continue
        depth += 1
        if depth != 1:
            continue
        head = _head_of(code, m.start())
        if head:
            found.append([head[0], head[1], head[2], None])
    out = []
    for name, start, params, end in found:
        if end is not None:
            first = line_of(code, start)
            out.append(Function(name, first, line_of(code, end) - first + 1, params))
    return out


def _head_of(code, brace):
    """(name, offset, parameters) when the text before this outermost brace heads a function."""
    start = max(code.rfind(";", 0, brace), code.rfind("}", 0, brace)) + 1
    head = code[start:brace].rstrip()
    head = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda m: " " * len(m.group(0)), head, flags=re.S).rstrip()
    if not head.endswith(")") or "=" in head:
        return None
    depth = 0
    for i in range(len(head) - 1, -1, -1):
        if head[i] == ")":
            depth += 1
        elif head[i] == "(":
            depth -= 1
            if depth == 0:
                break
    else:
        return None
    name = re.search(r"(\w+)\s*$", head[:i])
    if not name:
        return None
    return name.group(1), start + name.start(1), _inputs(head[i + 1:-1])


def _inputs(inside):
    """How many parameters carry something in: outputs (named *_r) and the last `struct err *` are
    not what makes a call hard to read."""
    depth, params = 0, [""]
    for c in inside:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            params.append("")
        else:
            params[-1] += c
    params = [p.strip() for p in params]
    return sum(p not in ("", "void") and not p.endswith("_r") and not re.match(r"struct err\s*\*", p)
               for p in params)


class Findings:
    """Prints `file:line: message` lines and, at the end, one line of summary; exit code 1 if any."""

    def __init__(self, check):
        self.check = check
        self.count = 0

    def add(self, path, line, message):
        self.count += 1
        print("%s:%d: %s" % (path, line, message))

    def end(self, seen):
        print("%s: %s, %s" % (self.check, seen, "%d findings" % self.count if self.count else "all well"))
        sys.exit(1 if self.count else 0)
