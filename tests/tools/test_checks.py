"""The checks find what they are for: each case is a small tree with one thing wrong, or none."""

import os
import shutil
import subprocess
import textwrap

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class House:
    def __init__(self, top):
        self.top = top
        shutil.copytree(os.path.join(TOP, "tools"), os.path.join(top, "tools"),
                        ignore=shutil.ignore_patterns("__pycache__", "ratchet.txt"))
        self.git("init", "-q")
        self.write("tools/ratchet.txt", "# nothing\n")
        self.write(".gitignore", "/build/\n__pycache__/\n")

    def git(self, *args):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t.example"] + list(args), cwd=self.top,
                       check=True, stdout=subprocess.DEVNULL)

    def write(self, path, text):
        full = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)

    def check(self, name, *args):
        """(exit code, findings without the summary line)"""
        done = subprocess.run(["tools/check-" + name] + list(args), cwd=self.top, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        lines = done.stdout.decode().splitlines()
        return done.returncode, lines[:-1]


@pytest.fixture
def house(tmp_path):
    return House(str(tmp_path))


FLOORS = [
    ("lower floor", "src/net/x.c", '#include "base/buf.h"\n', None),
    ("higher floor", "src/net/x.c", '#include "store/store.h"\n', "store is a higher floor"),
    ("unit test above its floor", "tests/unit/base/test_x.c", '#include "run/loop.h"\n', "run is a higher floor"),
    ("commented include", "src/net/x.c", '/* #include "store/store.h" */\n', None),
    ("pure syntax and net", "src/proto/smtp/smtp_syntax.c", '#include "net/addr.h"\n', "pure syntax"),
    ("pure syntax and another protocol", "src/proto/smtp/smtp_syntax.c", '#include "proto/imap/imap_syntax.h"\n', "pure syntax"),
    ("pure syntax and its server", "src/proto/smtp/smtp_syntax.c", '#include "proto/smtp/smtp_server.h"\n', "only the syntax"),
    ("pure syntax and its limits", "src/proto/smtp/smtp_syntax.c", '#include "proto/smtp/smtp_limits.h"\n', None),
    ("pure syntax and mail", "src/proto/smtp/smtp_syntax.c", '#include "proto/mail/message.h"\n', None),
    ("server and net", "src/proto/smtp/smtp_server.c", '#include "net/stream.h"\n', None),
    ("proto and store", "src/proto/smtp/smtp_server.c", '#include "store/store.h"\n', "higher floor"),
    ("store and mail", "src/store/mailbox.c", '#include "proto/mail/message.h"\n', None),
    ("store and smtp", "src/store/spool.c", '#include "proto/smtp/smtp_syntax.h"\n', "only proto/mail"),
    ("carrier and adviser", "src/services/inbound/x.c", '#include "services/router/router.h"\n', None),
    ("adviser and carrier", "src/services/router/x.c", '#include "services/inbound/inbound.h"\n', "stands above"),
    ("carrier and carrier", "src/services/inbound/x.c", '#include "services/bounce/bounce.h"\n', "meet in the store"),
    ("queue and carrier", "src/services/queue/x.c", '#include "services/outbound/outbound.h"\n', None),
    ("carrier and queue", "src/services/outbound/x.c", '#include "services/queue/queue.h"\n', "stands above"),
    ("host and queue", "src/services/host/x.c", '#include "services/queue/queue.h"\n', None),
    ("unknown room", "src/services/attic/x.c", '#include "services/queue/queue.h"\n', "no step"),
    ("private header of another room", "src/store/x.c", '#include "run/loop_priv.h"\n', "private"),
    ("private header at home", "src/run/x.c", '#include "run/loop_priv.h"\n', None),
    ("sqlite in services", "src/services/queue/x.c", "#include <sqlite3.h>\n", "not for services"),
    ("sqlite in store", "src/store/x.c", "#include <sqlite3.h>\n", None),
    ("no floor", "src/net/x.c", '#include "stream.h"\n', "does not start with a floor"),
    ("public header", "include/yizhan.h", '#include "base/buf.h"\n', "nothing of the house"),
    ("part of the public header", "include/yizhan.h", '#include "yizhan_part.h"\n', None),
    ("own header second", "src/net/addr.c", '#include <stdio.h>\n\n#include "net/addr.h"\n', "own header comes first"),
    ("system behind project", "src/net/addr.c", '#include "base/buf.h"\n#include <stdio.h>\n', "behind project"),
    ("top-down", "src/net/addr.c", '#include "run/loop.h"\n#include "base/buf.h"\n', "bottom-up"),
]


@pytest.mark.parametrize("path,text,want", [c[1:] for c in FLOORS], ids=[c[0] for c in FLOORS])
def test_floors(house, path, text, want):
    house.write(path, text)
    code, lines = house.check("floors")
    if want is None:
        assert (code, lines) == (0, [])
    else:
        assert code == 1 and len(lines) == 1 and want in lines[0] and lines[0].startswith(path + ":")


def test_checks_work_in_an_unpacked_archive(house):
    shutil.rmtree(os.path.join(house.top, ".git"))
    house.write("src/net/x.c", '#include "store/store.h"\n')
    house.write("build/asan/src/net/y.c", '#include "store/store.h"\n')
    code, lines = house.check("floors")
    assert code == 1 and len(lines) == 1


BANNED = [
    ("call", "void f(void)\n{\n\tstrcpy(a, b);\n}\n", "x.c:3: strcpy()"),
    ("blank before the bracket", "int n = atoi (s);\n", "atoi()"),
    ("in a comment", "/* strcpy(a, b) */ // sprintf(x)\n", None),
    ("in a string", 'const char *s = "strcpy(\\"a\\")";\n', None),
    ("longer name", "my_strcpy(a, b); strcpy_s(a); x.system(1); p->random();\n", None),
    ("longjmp", "siglongjmp(env, 1);\n", "siglongjmp()"),
    ("printing", 'printf("hello");\n', "only commands print"),
    ("printing to stderr", 'fprintf(stderr, "hello");\n', "only commands print"),
    ("printing into memory", "snprintf(a, sizeof(a), b);\n", None),
]


@pytest.mark.parametrize("text,want", [c[1:] for c in BANNED], ids=[c[0] for c in BANNED])
def test_banned(house, text, want):
    house.write("src/net/x.c", text)
    code, lines = house.check("banned")
    assert code == (0 if want is None else 1), lines
    assert want is None or want in lines[0]


def test_banned_wants_pragma_once(house):
    house.write("src/net/x.h", "#ifndef X\n#define X\n#endif\n")
    assert house.check("banned")[0] == 1
    house.write("src/net/x.h", "#pragma once\n")
    assert house.check("banned")[0] == 0


def function(name, lines, params="void"):
    return "static int %s(%s)\n{\n%s\treturn 0;\n}\n" % (name, params, "\tx++;\n" * (lines - 4))


def test_sizes_at_and_past_the_caps(house):
    house.write("src/net/x.c", function("fits", 60, "int a, int b, int c, int d, int e, int (*f)(int, int)"))
    assert house.check("sizes") == (0, [])
    house.write("src/net/x.c", function("fits", 60) + function("long_one", 61))
    code, lines = house.check("sizes")
    assert code == 1 and lines == ["src/net/x.c:61: 61 lines in long_one(), at most 60"]
    house.write("src/net/x.c", function("wide", 5, ", ".join("int p%d" % i for i in range(7))))
    assert "7 parameters of wide()" in house.check("sizes")[1][0]
    house.write("src/net/x.c", function("fits", 5, ", ".join("int p%d" % i for i in range(6)) + ",\n\tstruct err *e"))
    assert house.check("sizes") == (0, [])
    house.write("src/net/x.c", "int x;\n" * 801)
    assert "801 lines in the file" in house.check("sizes")[1][0]


def test_sizes_ratchet_only_shrinks(house):
    house.write("src/net/x.c", function("long_one", 70))
    house.write("tools/ratchet.txt", "lines src/net/x.c:long_one 70 # a table\n")
    assert house.check("sizes") == (0, [])
    house.git("add", "-A")
    house.git("commit", "-qm", "one")
    house.write("src/net/x.c", function("long_one", 65))
    assert "shrank to 65" in house.check("sizes")[1][0]
    house.check("sizes", "--update")
    assert house.check("sizes") == (0, [])
    house.git("commit", "-qam", "two")
    house.write("src/net/x.c", function("long_one", 70))
    assert house.check("sizes")[0] == 1
    house.write("tools/ratchet.txt", "lines src/net/x.c:long_one 70 # a table\n")
    assert "was 65 once" in house.check("sizes")[1][0]
    house.write("src/net/x.c", function("long_one", 50))
    assert "drop the entry" in house.check("sizes")[1][0]
    house.write("tools/ratchet.txt", "lines src/net/x.c:long_one 65\n")
    assert "its reason" in house.check("sizes")[1][0]


LINKS = [
    ("file", "[a](docs/a.md)", None),
    ("gone", "[a](docs/b.md)", "leads nowhere"),
    ("anchor", "[a](docs/a.md#the-head)", None),
    ("no anchor", "[a](docs/a.md#no-head)", "no heading"),
    ("address", "[a](https://example.org/x) <https://example.org>", None),
    ("path", "`docs/a.md` and `net/x.h`", None),
    ("no path", "`docs/b.md`", "does not exist"),
    ("no header", "`net/y.h`", "does not exist"),
    ("pattern", "`docs/*.md` `docs/NAME.md` `domain/x`", None),
    ("empty pattern", "`docs/*.txt`", "does not exist"),
    ("in a fence", "```\n`docs/b.md` [a](b.md)\n```", None),
]


@pytest.mark.parametrize("text,want", [c[1:] for c in LINKS], ids=[c[0] for c in LINKS])
def test_links(house, text, want):
    house.write("docs/a.md", "# The head\n")
    house.write("src/net/x.h", "#pragma once\n")
    house.write("README.md", "# Hello\n\n" + text + "\n")
    code, lines = house.check("links")
    assert code == (0 if want is None else 1), lines
    assert want is None or want in lines[0]


def test_tested_names_must_exist(house):
    house.write("tests/unit/base/test_x.c", "cmocka_unit_test(it_works),\n")
    house.write("tests/integration/test_y.py", "def test_it():\n    pass\n")
    table = "| claim | shown by |\n|---|---|\n| %s | %s |\n"
    for shown, code in [("`it_works`", 0), ("`test_it`", 0), ("`tests/integration/test_y.py::test_it`", 0),
                        ("**open**", 0), ("`it_fails`", 1), ("soon", 1), ("`tests/integration/test_y.py::test_no`", 1)]:
        house.write("docs/tested.md", table % ("a claim", shown))
        assert house.check("tested")[0] == code, shown
    house.write("docs/tested.md", table % ("a claim", "**open**"))
    assert house.check("tested", "--open")[0] == 1


def test_format_and_blanks(house):
    shutil.copy(os.path.join(TOP, ".clang-format"), house.top)
    house.write("src/net/x.c", "int f(void)\n{\n\treturn 0;\n}\n")
    assert house.check("format") == (0, [])
    house.write("src/net/x.c", "int f(void) {\n    return 0; }\n")
    assert "clang-format" in house.check("format")[1][0]
    house.write("src/net/x.c", "")
    house.write("docs/a.md", "blank \nno end")
    assert len(house.check("format")[1]) == 2


def test_lists_nothing_is_forgotten(house):
    house.write("tests/unit/meson.build", "'test_a',\n")
    house.write("tests/unit/base/test_a.c", "static void one(void **state)\n{\n}\ncmocka_unit_test(one),\n")
    house.write("src/base/a.c", "")
    house.write("src/base/meson.build", "files('a.c')\n")
    assert house.check("lists") == (0, [])
    house.write("tests/unit/base/test_b.c", "")
    house.write("tests/unit/base/test_a.c", "static void one(void **state)\n{\n}\n")
    house.write("src/base/b.c", "")
    house.write("src/proto/smtp/smtp_syntax.c", "")
    house.write("src/proto/smtp/meson.build", "files('smtp_syntax.c')\n")
    house.write("tests/fuzz/fuzz_z.c", "")
    text = "\n".join(house.check("lists")[1])
    for want in ("test_b.c:1: not in the list", "one() is never run", "src/base/b.c:1: in no meson.build",
                 "smtp_syntax.c:1: no fuzzer", "no seeds", "no words"):
        assert want in text


HEADER = """
    #pragma once
    #define FIBER
    FIBER int wait_for(int x);
    int hurry(int x);
    struct ops {
    \tFIBER int (*read)(void *p);
    \tint (*look)(void *p);
    };
    struct sink {
    \tint (*read)(void *p);
    };
    struct holder {
    \tstruct sink *sink;
    \tstruct ops *ops;
    };
"""

FIBERS = [
    ("declared", "FIBER int f(int x)\n{\n\treturn wait_for(x);\n}\n", None),
    ("not declared", "int f(int x)\n{\n\treturn wait_for(x);\n}\n", "f() calls wait_for()"),
    ("calls what does not wait", "int f(int x)\n{\n\treturn hurry(x);\n}\n", None),
    ("static", "static FIBER int g(int x)\n{\n\treturn wait_for(x);\n}\nint f(int x)\n{\n\treturn g(x);\n}\n", "f() calls g()"),
    ("static all declared", "static FIBER int g(int x)\n{\n\treturn wait_for(x);\n}\nFIBER int f(int x)\n{\n\treturn g(x);\n}\n", None),
    ("through a marked member", "int f(struct ops *o)\n{\n\treturn o->read(0);\n}\n", "f() calls ->read()"),
    ("through an unmarked member", "int f(struct ops *o)\n{\n\treturn o->look(0);\n}\n", None),
    ("same name, other struct", "int f(struct sink *s)\n{\n\treturn s->read(0);\n}\n", None),
    ("chain to the other struct", "int f(struct holder *h)\n{\n\treturn h->sink->read(0);\n}\n", None),
    ("chain to the marked one", "int f(struct holder *h)\n{\n\treturn h->ops->read(0);\n}\n", "f() calls ->read()"),
    ("marked member, declared", "FIBER int f(struct ops *o)\n{\n\treturn o->read(0);\n}\n", None),
    ("hidden in an unmarked member",
     "static FIBER int g(void *p)\n{\n\treturn wait_for(0);\n}\nconst struct sink s = {.read = g};\n", "the member `read`"),
    ("shown in a marked member",
     "static FIBER int g(void *p)\n{\n\treturn wait_for(0);\n}\nconst struct ops s = {.read = g};\n", None),
]


@pytest.mark.parametrize("text,want", [c[1:] for c in FIBERS], ids=[c[0] for c in FIBERS])
def test_fiber(house, text, want):
    house.write("meson.build", "project('x', 'c')\nstatic_library('x', 'src/net/x.c', include_directories: 'src')\n")
    house.write("meson_options.txt", "option('tests', type: 'boolean', value: true)\n")
    house.write("src/run/wait.h", textwrap.dedent(HEADER).lstrip())
    house.write("src/net/x.c", '#include "run/wait.h"\n\n' + text)
    code, lines = house.check("fiber")
    assert code == (0 if want is None else 1), lines
    assert want is None or want in lines[0]


GLOBALS = [
    ("table", "static const char *const names[] = {\"a\", \"b\"};\nconst char *f(int i)\n{\n\treturn names[i];\n}\n", None),
    ("variable", "static int count;\nint f(void)\n{\n\treturn ++count;\n}\n", "count is a mutable global"),
    ("hidden in a function", "int f(void)\n{\n\tstatic int n = 3;\n\treturn ++n;\n}\n", "n is a mutable global"),
    ("table of pointers that can change", "const char *names[] = {\"a\"};\n", "names is a mutable global"),
    ("thread-local", "static _Thread_local int n;\nint f(void)\n{\n\treturn ++n;\n}\n", "n is a mutable global"),
    ("allowed", "int allowed;\n", None),
]


@pytest.mark.parametrize("text,want", [c[1:] for c in GLOBALS], ids=[c[0] for c in GLOBALS])
def test_globals(house, text, want):
    house.write("meson.build", "project('x', 'c')\nstatic_library('x', 'src/net/x.c', pic: true)\n")
    house.write("meson_options.txt", "option('tests', type: 'boolean', value: true)\n")
    house.write("tools/globals.txt", "src/net/x.c:allowed # because\n" if "allowed" in text else "# none\n")
    house.write("src/net/x.c", text)
    assert house.check("fiber")[0] == 0
    code, lines = house.check("globals")
    assert code == (0 if want is None else 1), lines
    assert want is None or want in lines[0]
