"""Lengths, blanks and leftovers: what can be seen in one file without knowing its neighbours."""
import ast
import re
import shutil
import subprocess

import c_source

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 120
CLANG_FORMAT_MAJOR = 14

# Spelled in two halves, so that this file does not hold what it looks for.
MARKERS = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}/)~-])/(?:home|root|Users|work|mnt|media|workspace)/[\w.]")


def check_lengths(tree):
    for path in tree.sources:
        lines = tree.text(path).count("\n")
        if lines > FILE_LINES_MAX:
            yield path, FILE_LINES_MAX + 1, "file-length", f"{lines} lines, at most {FILE_LINES_MAX}"
        for first, last, name in functions(path, tree.text(path)):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield path, first, "function-length", f"{name}: {last - first + 1} lines, at most {FUNCTION_LINES_MAX}"


def functions(path, text):
    if path.endswith((".c", ".h")):
        return c_source.functions(text)
    if path.endswith(".py"):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [(n.lineno, n.end_lineno, n.name) for n in ast.walk(ast.parse(text)) if isinstance(n, kinds)]
    return []


def check_lines(tree):
    for path in tree.sources:
        text = tree.text(path)
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "blanks", "the last line has no end"
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_COLUMNS_MAX:
                yield path, number, "line-length", f"{len(line)} columns, at most {LINE_COLUMNS_MAX}"
            if "\t" in line:
                yield path, number, "blanks", "a tab"
            if line != line.rstrip():
                yield path, number, "blanks", "blanks at the end of the line"
            found = MARKERS.search(line)
            if found:
                yield path, number, "marker", f"{found.group()}: finish it or open an issue"


def check_machine_paths(tree):
    for path in tree.texts:
        for number, line in enumerate(tree.text(path).split("\n"), 1):
            found = MACHINE_PATH.search(line)
            if found:
                yield path, number, "machine-path", f"{line[found.start():].split()[0]:.60}: true on one machine only"


def check_shell(tree):
    for path in tree.shell_files:
        if not re.search(r"^set -euo pipefail$", tree.text(path), re.MULTILINE):
            yield path, 1, "shell", "no line `set -euo pipefail`"
    if tree.shell_files and shutil.which("shellcheck"):
        command = ["shellcheck", "--format=gcc", "--severity=warning", "--external-sources", *tree.shell_files]
        done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True)
        for path, line, what in re.findall(r"^(.+?):(\d+):\d+: \w+: (.*)$", done.stdout, re.MULTILINE):
            yield path, int(line), "shell", what


def clang_format():
    """The clang-format that the layout was decided with, or None: another version lays out differently."""
    for name in (f"clang-format-{CLANG_FORMAT_MAJOR}", "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            if re.search(rf"version {CLANG_FORMAT_MAJOR}\.", version):
                return name
    return None


def check_format(tree):
    program = clang_format()
    if not program:
        tree.note(f"no clang-format {CLANG_FORMAT_MAJOR} here: layout not checked")
        return
    if not tree.c_files:
        return
    command = [program, "--dry-run", "-Werror", "--ferror-limit=1", *tree.c_files]
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True)
    places = re.findall(r"^(.+?):(\d+):\d+: error: ", done.stderr, re.MULTILINE)
    for path, line in places:
        yield path, int(line), "format", f"{program} -i would change it"
    if done.returncode != 0 and not places:
        yield ".clang-format", 1, "format", done.stderr.strip().split("\n")[0] or "clang-format failed"
