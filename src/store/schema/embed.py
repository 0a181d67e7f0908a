"""Turn the numbered schema texts into a C table: embed.py OUT.c 001_first.sql ..."""
import pathlib
import sys


def main() -> None:
    out, *files = sys.argv[1:]
    lines = ['#include "store/schema/schema.h"', "", "const struct schema_step schema_steps[] = {"]
    for number, name in enumerate(sorted(files), 1):
        path = pathlib.Path(name)
        if int(path.name.split("_")[0]) != number:
            sys.exit(f"{path.name}: expected number {number:03}")
        lines.append(f'\t{{{number}, "{path.stem}",')
        for line in path.read_text().splitlines():
            text = line.split("--")[0].rstrip()
            if text:
                escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
                lines.append(f'\t\t"{escaped}\\n"')
        lines[-1] += "},"
    lines += ["};", f"const unsigned schema_newest = {len(files)};", ""]
    pathlib.Path(out).write_text("\n".join(lines))


main()
