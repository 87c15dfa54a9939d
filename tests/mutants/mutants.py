#!/usr/bin/env python3
"""Breaks the sources on purpose, one mistake at a time, and sees the tests fail.

usage: mutants.py [--root DIR] [--jobs N] [--keep DIR] [--list | --fits] [NAME …]

Each *.mutant file below this folder is one mistake (README.md says how it is written). The sources are copied, built
once per worker, and for each mutant changed, built again and tested until the first check fails. Exit 0 only if every
mutant was caught, and every check passes on the sources as they are."""
import argparse
import filecmp
import os
import pathlib
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
CHECK_TIMEOUT_S = 120
BUILD_TIMEOUT_S = 900
SETUP = ["--buildtype=plain", "-Doptimization=1", "-Dwerror=false"]


class Mistake(Exception):
    """The mutant itself is wrong: its text, or the sources have moved on."""


class Mutant:
    def __init__(self, path):
        self.name = path.relative_to(HERE).with_suffix("").as_posix()
        self.what, self.checks, self.edits = "", [], []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            self.read_line(line, f"{path.name}:{number}")
        if not self.what or not self.checks or not self.edits:
            raise Mistake(f"{path.name}: needs `what:`, `run:` and at least one edit")

    def read_line(self, line, where):
        if line.startswith("@ "):
            self.edits.append((line[2:].strip(), [], []))
        elif self.edits:
            mark, text = line[:1], line[1:]
            if mark not in ("", " ", "-", "+"):
                raise Mistake(f"{where}: a line of an edit begins with ' ', '-' or '+'")
            if mark != "+":
                self.edits[-1][1].append(text)
            if mark != "-":
                self.edits[-1][2].append(text)
        elif line.startswith("what:"):
            self.what = line[5:].strip()
        elif line.startswith("run:"):
            self.checks.append(line[4:].split())
        elif line.strip():
            raise Mistake(f"{where}: expected `what:`, `run:` or `@ FILE`")

    def changes(self, tree):
        """{path below `tree`: (text before, text after)}; changes nothing."""
        changed = {}
        for name, old, new in self.edits:
            path = tree / name
            if not path.is_file():
                raise Mistake(f"{name} does not exist")
            before, text = changed.get(path) or [path.read_text()] * 2
            while old and new and old[-1] == new[-1] == "":
                old, new = old[:-1], new[:-1]
            block = "\n".join(old) + "\n"
            found = ("\n" + text).count("\n" + block)
            if found != 1:
                raise Mistake(f"its text is {found} times in {name}, not once")
            at = ("\n" + text).index("\n" + block)
            changed[path] = before, text[:at] + "".join(line + "\n" for line in new) + text[at + len(block):]
        return changed

    def apply(self, tree):
        """Changes the files below `tree`; returns {path: text before}."""
        changed = self.changes(tree)
        for path, (_, after) in changed.items():
            path.write_text(after)
        return {path: before for path, (before, _) in changed.items()}


def restore(before):
    for path, text in before.items():
        path.write_text(text)


def target_of(check):
    """What has to be built for a check, relative to the build folder."""
    return {
        "simulate": "tests/simulation/simulate",
        "forks": "tests/simulation/simulate",
        "found": "tests/simulation/simulate",
        "snapshots": "tests/simulation/simulate",
        "transcript": "tests/simulation/transcript",
        "unit": f"tests/unit/test_{check[1] if len(check) > 1 else ''}",
        "property": "tests/property/property_driver",
        "script": check[-1],
    }[check[0]]


def command_of(check, source, build):
    """simulate SEEDS [FIRST] | (forks | found | snapshots) SEEDS [FIRST] | unit NAME | property TYPE PROGRAMS
    | transcript NAME | script FILE PROGRAM"""
    program = str(build / target_of(check))
    if check[0] in ("simulate", "forks", "found", "snapshots"):
        worlds = [] if check[0] == "simulate" else ["--" + check[0]]
        return [program, *worlds, "--seeds", check[1], "--first", check[2] if len(check) > 2 else "1"]
    if check[0] == "transcript":
        return [program, str(source / f"tests/simulation/transcripts/{check[1]}.txt")]
    if check[0] == "property":
        harness = source / "tests/property/harness.py"
        return [sys.executable, str(harness), "--driver", program, "--type", check[1], "--programs", check[2]]
    if check[0] == "script":
        return [sys.executable, str(source / check[1]), program]
    return [program]


def run(command, timeout_s, folder=None):
    """Exit code and output. A mutant that never ends is stopped with all that it started."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace",
                          stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return 124, f"not done after {timeout_s} s"


def reason(output):
    """The line of a failed check that says most."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for pattern in (r"^FAILED seed", r"^FAILED", r"\[  ERROR   \]", r"error|assert|signal|Fail"):
        for at, line in enumerate(lines):
            if re.search(pattern, line):
                more = lines[at + 1] if line.endswith("]") and at + 1 < len(lines) else ""
                return f"{line} {more}".strip()[:200]
    return lines[-1][:200] if lines else "no output"


def copy_changed(path, copy):
    """Leaves equal files alone, and gives others the time of now: ninja goes by time."""
    if not copy.is_file() or not filecmp.cmp(path, copy, shallow=False):
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        shutil.copymode(path, copy)


class Worker:
    """One copy of the sources with a build of its own."""

    def __init__(self, root, files, folder, checks):
        self.source, self.build = folder / "source", folder / "build"
        self.targets = sorted({target_of(check) for check in checks})
        for name in files:
            copy_changed(root / name, self.source / name)

    def prepare(self):
        for command in (["meson", "setup", *SETUP, str(self.build), str(self.source)],
                        ["ninja", "-C", str(self.build), *self.targets]):
            status, output = run(command, BUILD_TIMEOUT_S)
            if status != 0:
                raise SystemExit(f"the sources do not build:\n{output[-4000:]}")

    def check(self, check):
        return run(command_of(check, self.source, self.build), CHECK_TIMEOUT_S)

    def try_mutant(self, mutant):
        """(verdict, text): CAUGHT, SURVIVED or BROKEN."""
        try:
            before = mutant.apply(self.source)
        except Mistake as mistake:
            return "BROKEN", str(mistake)
        try:
            targets = sorted({target_of(check) for check in mutant.checks})
            status, output = run(["ninja", "-C", str(self.build), *targets], BUILD_TIMEOUT_S)
            if status != 0:
                errors = [line for line in output.splitlines() if "error" in line]
                return "BROKEN", "does not build: " + " ".join(errors[:2])
            for check in mutant.checks:
                status, output = self.check(check)
                if status != 0:
                    return "CAUGHT", f"{' '.join(check)}: {reason(output)}"
            return "SURVIVED", "; ".join(" ".join(check) for check in mutant.checks)
        finally:
            restore(before)


def sources(root):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=root,
                            stdout=subprocess.PIPE, check=True, text=True)
    names = {name for name in listed.stdout.split("\0") if name}
    return sorted(name for name in names if (root / name).is_file())


def work(worker, tasks, results, stop):
    try:
        worker.prepare()
        while not stop.is_set():
            try:
                kind, item = tasks.get_nowait()
            except queue.Empty:
                return
            since = time.monotonic()
            if kind == "sound":
                status, output = worker.check(item)
                verdict = ("SOUND", "") if status == 0 else ("UNSOUND", reason(output))
                name = " ".join(item)
                if status != 0:
                    stop.set()  # it would seem to catch everything
            else:
                verdict, name = worker.try_mutant(item), item.name
            results.put((name, *verdict, time.monotonic() - since))
    except (SystemExit, Exception) as error:  # a worker that dies must be heard of
        stop.set()
        results.put(("worker", "UNSOUND", str(error), 0.0))
    finally:
        results.put(None)


def prepare_tasks(mutants):
    """Every mutant; and first every check without any, for a check that fails anyway catches nothing."""
    tasks = queue.Queue()
    for check in sorted({tuple(check) for mutant in mutants for check in mutant.checks}):
        tasks.put(("sound", list(check)))
    for mutant in mutants:
        tasks.put(("mutant", mutant))
    return tasks


def play(root, mutants, jobs, folder):
    """Runs everything; returns {verdict: how often}."""
    checks = [check for mutant in mutants for check in mutant.checks]
    files = sources(root)
    tasks, results, stop, totals = prepare_tasks(mutants), queue.Queue(), threading.Event(), {}
    for number in range(jobs):
        worker = Worker(root, files, folder / str(number), checks)
        threading.Thread(target=work, args=(worker, tasks, results, stop), daemon=True).start()
    running = jobs
    while running > 0:
        result = results.get()
        if result is None:
            running -= 1
            continue
        name, verdict, text, seconds = result
        totals[verdict] = totals.get(verdict, 0) + 1
        if verdict != "SOUND":
            print(f"{verdict:8} {seconds:5.1f} s  {name}: {text}", flush=True)
    return totals


def fits(root, mutants):
    """Says which mutants the sources have moved away from, without building anything."""
    wrong = 0
    for mutant in mutants:
        try:
            mutant.changes(root)
        except Mistake as mistake:
            wrong += 1
            print(f"BROKEN {mutant.name}: {mistake}")
    print(f"{len(mutants) - wrong} of {len(mutants)} mutants fit the sources")
    return 0 if mutants and wrong == 0 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants to run, default all; a prefix will do")
    parser.add_argument("--root", type=pathlib.Path, default=HERE.parent.parent)
    parser.add_argument("--jobs", type=int, default=min(4, max(1, os.cpu_count() or 1)))
    parser.add_argument("--keep", type=pathlib.Path, help="work in this folder and leave it")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    parser.add_argument("--fits", action="store_true", help="only say which fit no more; builds nothing")
    options = parser.parse_args()
    mutants = [Mutant(path) for path in sorted(HERE.rglob("*.mutant"))]
    if options.names:
        mutants = [mutant for mutant in mutants if mutant.name.startswith(tuple(options.names))]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name}: {mutant.what}")
        return 0
    if options.fits:
        return fits(options.root.resolve(), mutants)
    since = time.monotonic()
    folder = options.keep or pathlib.Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        totals = play(options.root.resolve(), mutants, options.jobs, folder)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    caught = totals.get("CAUGHT", 0)
    print(f"{caught} of {len(mutants)} mutants caught in {time.monotonic() - since:.0f} s")
    return 0 if mutants and caught == len(mutants) and totals.get("UNSOUND", 0) == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
