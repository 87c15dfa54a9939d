#!/usr/bin/env python3
"""Checks the house rules over every source that git tracks or would track.

usage: tidy.py [ROOT]

One line a finding, `file:line: rule: what`. Exit 0 when there is none, 1 when there is one, 2 when it cannot look.
"""
import os
import subprocess
import sys

import rules_calls
import rules_house
import rules_include
import rules_layout

CHECKS = (
    rules_include.check,
    rules_include.check_dead_headers,
    rules_calls.check,
    rules_layout.check_lengths,
    rules_layout.check_lines,
    rules_layout.check_machine_paths,
    rules_layout.check_shell,
    rules_layout.check_format,
    rules_house.check_readmes,
    rules_house.check_built,
)
SOURCE_ENDS = (".c", ".h", ".py", ".sh")
TEXT_ENDS = SOURCE_ENDS + tuple(".md .build .sql .txt .json .yml .yaml .conf .service .html .css .js".split())


class Tree:
    """The files that are looked at, by their path from the root; texts are read once."""

    def __init__(self, root):
        self.root, self.cache, self.notes = root, {}, []
        self.present = frozenset(listed(root))
        files = sorted(self.present)
        self.c_files = [p for p in files if p.endswith((".c", ".h"))]
        self.shell_files = [p for p in files if p.endswith(".sh") or self.is_script(p)]
        self.sources = sorted({p for p in files if p.endswith(SOURCE_ENDS)} | set(self.shell_files))
        self.texts = sorted({p for p in files if p.endswith(TEXT_ENDS)} | set(self.shell_files))

    def text(self, path):
        if path not in self.cache:
            with open(os.path.join(self.root, path), encoding="utf-8", newline="") as file:
                self.cache[path] = file.read()
        return self.cache[path]

    def is_script(self, path):
        if "." in os.path.basename(path):
            return False
        with open(os.path.join(self.root, path), "rb") as file:
            first = file.readline(80)
        return first.startswith(b"#!") and b"bash" in first

    def note(self, text):
        self.notes.append(text)


def listed(root):
    """What git tracks or would track; every file outside build*/ and hidden folders where git cannot say."""
    git = ["git", "-c", "safe.directory=*", "-C", root]
    command = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        names = walked(root)
    return [name for name in names if name and os.path.isfile(os.path.join(root, name))]


def walked(root):
    for folder, folders, names in os.walk(root):
        top = os.path.samefile(folder, root)
        folders[:] = [f for f in folders if f not in (".git", "__pycache__") and not (top and skipped(f))]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def skipped(folder):
    return folder.startswith("build") or folder == "var"


def findings(tree):
    found = []
    for check in CHECKS:
        found += check(tree)
    return sorted(set(found))


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    tree = Tree(root)
    if not tree.sources:
        print(f"tidy: no sources under {root}", file=sys.stderr)
        return 2
    found = findings(tree)
    for path, line, rule, what in found:
        print(f"{path}:{line}: {rule}: {what}")
    for note in tree.notes:
        print(f"note: {note}")
    print(f"tidy: {len(tree.sources)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
