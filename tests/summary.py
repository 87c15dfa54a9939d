#!/usr/bin/env python3
"""Reads what meson leaves behind, for tests/run.sh.

usage: summary.py suites BUILD     the suites that a build knows, one a line
       summary.py count LOG        one line of counts of a test log (meson-logs/NAME.json); exit 1 unless all passed
       summary.py failures LOG     the end of what each failing test said
"""
import collections
import json
import os
import sys

TAIL_LINES = 40
GOOD = ("OK", "EXPECTEDFAIL")


def suites(build):
    with open(os.path.join(build, "meson-info", "intro-tests.json"), encoding="utf-8") as file:
        tests = json.load(file)
    print("\n".join(sorted({suite.rpartition(":")[2] for test in tests for suite in test["suite"]})))
    return 0


def read(log):
    with open(log, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def count(log):
    try:
        results = collections.Counter(kind(test) for test in read(log))
    except (OSError, ValueError):
        print("FAILED: no test was run")
        return 1
    parts = [f"{results[name]} {name}" for name in ("passed", "skipped", "failed") if results[name]]
    print(", ".join(parts) or "FAILED: no test was run")
    return 0 if results["passed"] and not results["failed"] else 1


def kind(test):
    if test["result"] in GOOD:
        return "passed"
    return "skipped" if test["result"] == "SKIP" else "failed"


def failures(log):
    for test in read(log):
        if kind(test) == "failed":
            said = (test.get("stdout") or "") + (test.get("stderr") or "")
            print(f"--- {test['name']}: {test['result']} after {test['duration']:.0f} s: {' '.join(test['command'])}")
            print("\n".join("    " + line for line in said.splitlines()[-TAIL_LINES:]))
    return 0


def main():
    commands = {"suites": suites, "count": count, "failures": failures}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        print(__doc__, file=sys.stderr)
        return 2
    return commands[sys.argv[1]](sys.argv[2])


if __name__ == "__main__":
    sys.exit(main())
