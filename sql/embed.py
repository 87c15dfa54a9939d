#!/usr/bin/env python3
"""Embeds numbered migrations in the program: embed.py NAME OUTPUT FILE.sql ...

Writes C source that defines gs_NAME_migrations and gs_NAME_migration_count (node/store/migration.h). The files must be
numbered 0001, 0002, ... without gaps: a schema's version is the number of its newest migration.
"""

import pathlib
import re
import sys


def c_string(text):
    """One C string literal a line of SQL."""
    lines = []
    for line in text.splitlines():
        escaped = "".join(
            "\\" + c if c in '\\"' else c if 32 <= ord(c) < 127 else "".join(f"\\{b:03o}" for b in c.encode())
            for c in line
        )
        lines.append(f'        "{escaped}\\n"')
    return "\n".join(lines)


def main():
    name, output, *files = sys.argv[1:]
    entries = []
    for version, path in enumerate(sorted(map(pathlib.Path, files), key=lambda p: p.name), start=1):
        match = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", path.name)
        if match is None or int(match[1]) != version:
            sys.exit(f"{path}: expected a name like {version:04}_what_it_adds.sql")
        sql = path.read_text(encoding="utf-8")
        entries.append(f'    {{\n        {version},\n        "{path.stem}",\n{c_string(sql)},\n    }},\n')
    pathlib.Path(output).write_text(
        f"/* Made by sql/embed.py from sql/{name}. */\n"
        '#include "node/store/migration.h"\n\n'
        f"const struct gs_migration gs_{name}_migrations[] = {{\n{''.join(entries)}}};\n"
        f"const size_t gs_{name}_migration_count = {len(entries)};\n",
        encoding="utf-8",
    )


main()
