"""The ctypes declarations are those of include/yizhan.h: made from it anew they are the same, a C compiler sees
the same sizes, offsets and values, and the library has every function."""
import importlib.util
import os
import shutil
import subprocess
import sys

from conftest import library

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def abi():
    spec = importlib.util.spec_from_file_location("_abi", os.path.join(TOP, "python", "yizhan", "_abi.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_declarations_are_made_from_the_header_as_it_is():
    done = subprocess.run([os.path.join(TOP, "tools", "python-abi"), "--check"], stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()


def test_sizes_offsets_and_values_are_those_of_the_compiler(tmp_path):
    declared = abi()
    lines = []
    for struct in declared.STRUCTS:
        name = struct.__name__
        lines.append('printf("struct %s %%zu\\n", sizeof(struct %s));' % (name, name))
        for field, _ in struct._fields_:
            lines.append('printf("field %s %s %%zu %%zu\\n", offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));' % (
                name, field, name, field, name, field))
    for members in declared.ENUMS.values():
        lines += ['printf("value %s %%d\\n", (int)%s);' % (name, name) for name in members]
    source = tmp_path / "abi.c"
    source.write_text('#include <stdio.h>\n#include "yizhan.h"\nint main(void)\n{\n\t%s\n\treturn 0;\n}\n' %
                      "\n\t".join(lines))
    subprocess.run([shutil.which("cc") or "gcc", "-I", os.path.join(TOP, "include"), "-o", tmp_path / "abi", source],
                   check=True)
    ours = subprocess.run([sys.executable, os.path.join(HERE, "abi_print.py")], stdout=subprocess.PIPE, check=True)
    theirs = subprocess.run([tmp_path / "abi"], stdout=subprocess.PIPE, check=True)
    assert ours.stdout.decode().splitlines() == theirs.stdout.decode().splitlines()
    assert len(declared.STRUCTS) > 10 and len(lines) > 200


def test_the_library_has_every_function():
    done = subprocess.run(["nm", "-D", "--defined-only", library()], stdout=subprocess.PIPE, check=True)
    exported = {line.split()[-1].split("@")[0] for line in done.stdout.decode().splitlines()}
    assert not set(abi().FUNCTIONS) - exported
