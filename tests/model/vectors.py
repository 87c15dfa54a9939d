#!/usr/bin/env python3
"""Test vectors of crdt/FORMAT.md: small histories, and the bytes of their deltas and of the state that they end in.

The bytes come from the model and format.py. `--write FILE` writes them; `--check FILE` compares FILE with what they are
now and, with `--driver`, with what the C library makes of the same histories.

A step is [writer, clock, ops] (seq counts up by itself) or [writer, "learns", other]. The last writer's state is
meant."""

import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import format as wire  # noqa: E402
import model  # noqa: E402

ORIGINS = {"A": b"\xaa" * 16, "B": b"\xbb" * 16}


def put(path, value):
    return {"op": "set", "path": path, "value": value}


def unset(path):
    return {"op": "unset", "path": path}


def increment(path, by):
    return {"op": "increment", "path": path, "by": by}


def add(path, value):
    return {"op": "add", "path": path, "value": value}


def remove(path, value):
    return {"op": "remove", "path": path, "value": value}


def maximum(path, by):
    return {"op": "max", "path": path, "by": by}


def score(member, **number):
    return dict({"op": "score", "path": "/b", "member": member}, **number)


def observe(*values):
    return [{"op": "observe", "path": "/h", "value": value} for value in values]


def minimum(path, by):
    return {"op": "min", "path": path, "by": by}


def create(path, name):
    return {"op": "create", "path": path, "type": name}


def enable(path):
    return {"op": "enable", "path": path}


def disable(path):
    return {"op": "disable", "path": path}


def bounded(path, bound, initial):
    return {"op": "create", "path": path, "type": "bounded_counter", "bound": bound, "initial": initial}


def takeover(path, source, by):
    return {"op": "takeover", "path": path, "from": ORIGINS.get(source, b"\xcc" * 16).hex(), "by": by}


def transfer(path, to, by):
    return {"op": "transfer", "path": path, "to": ORIGINS.get(to, b"\xcc" * 16).hex(), "by": by}


def insert(path, index, *values):
    return {"op": "insert", "path": path, "index": index, "values": list(values)}


def delete(path, index, count):
    return {"op": "delete", "path": path, "index": index, "count": count}


def solo(*events):
    return [["A", clock, list(ops)] for clock, ops in enumerate(events, 1)]


def apart(start, left, right):
    """A writes `start`, B learns it; then both write apart and A learns of B."""
    steps = [["A", 1, start], ["B", "learns", "A"]] if start else []
    return steps + [["A", 2, left], ["B", 3, right], ["A", "learns", "B"]]


HISTORIES = {
    "nothing": [["A", "learns", "B"]],
    "register, null": solo([put("/a", None)]),
    "register, bool": solo([put("/a", True)]),
    "register, int64 bounds": solo([put("/a", 2**63 - 1), put("/b", -(2**63))]),
    "register, float": solo([put("/a", 1.0)]),
    "register, text": solo([put("/né", "é")]),
    "register, array": solo([put("/a", [1, [], {"k": None}])]),
    "register, superseded": solo([put("/a", 1)], [put("/a", 2)]),
    "register, two writes in one event": solo([put("/a", 1), put("/a", 2)]),
    "register, in conflict": apart(None, [put("/a", 1)], [put("/a", 2)]),
    "register, unset": solo([put("/a", 1)], [unset("/a")]),
    "register, unset and set apart": apart([put("/a", 0)], [unset("/a")], [put("/a", 1)]),
    "register, empty name": solo([put("/", 1)]),
    "counter, first": solo([increment("/a", 5)]),
    "counter, chain": solo([increment("/a", 5)], [increment("/a", -7)]),
    "counter, two origins": apart(None, [increment("/a", 1)], [increment("/a", 2)]),
    "counter, unset leaves a residue": solo([increment("/a", 5)], [unset("/a")]),
    "counter, new frame": solo([increment("/a", 5)], [unset("/a")], [increment("/a", 3)]),
    "counter, unset and increment apart": apart([increment("/a", 5)], [unset("/a")], [increment("/a", 2)]),
    "counter, reset amid a frame": apart([increment("/a", 5)], [increment("/a", 2)], [unset("/a")]),
    "counter, created at 0": solo([increment("/a", 0)]),
    "counter, set by difference": solo([increment("/a", 5)], [put("/a", 300)]),
    "set, elements in order": solo([add("/a", "x"), add("/a", -1), add("/a", 1), add("/a", None)]),
    "set, add again": solo([add("/a", 1)], [add("/a", 1)]),
    "set, remove": solo([add("/a", 1), add("/a", 2)], [remove("/a", 1)]),
    "set, add and remove apart": apart([add("/a", 1)], [remove("/a", 1)], [add("/a", 1)]),
    "set, added twice apart": apart(None, [add("/a", 1)], [add("/a", 1)]),
    "max, greater": solo([maximum("/a", 1)], [maximum("/a", 2.5)]),
    "max, apart": apart(None, [maximum("/a", 2)], [maximum("/a", 2.0)]),
    "max, set to less": solo([maximum("/a", 5)], [put("/a", 3)]),
    "leaderboard, in order": solo([score("ada", to=3), score("bob", by=7), score("", to=3), score("é", by=-1)]),
    "leaderboard, by upon to": solo([score("ada", to=3)], [score("ada", by=4)], [score("ada", by=-300)]),
    "leaderboard, to ends what it saw": solo([score("ada", to=3), score("ada", by=4)], [score("ada", to=1)]),
    "leaderboard, to and by apart": apart([score("ada", to=3), score("ada", by=4)], [score("ada", to=1)],
                                          [score("ada", by=10)]),
    "leaderboard, to and to apart": apart([score("ada", by=1)], [score("ada", to=2)], [score("ada", to=5)]),
    "leaderboard, remove": solo([score("ada", to=3), score("ada", by=4), score("bob", by=1)], [remove("/b", "ada")],
                                [score("ada", by=2)]),
    "leaderboard, remove and by apart": apart([score("ada", to=3), score("ada", by=4)], [remove("/b", "ada")],
                                              [score("ada", by=10)]),
    "leaderboard, set to an array": solo([score("ada", to=3), score("bob", by=4)],
                                         [put("/b", [{"member": "bob", "score": 4}, {"member": "eve", "score": 9}])]),
    "leaderboard, created and unset": solo([create("/b", "leaderboard")], [score("ada", to=3), score("ada", by=1)],
                                           [unset("/b")]),
    "hyperloglog, one value": solo(observe("ada")),
    "hyperloglog, more of one value": solo(observe("ada", "ada", "bob")),
    "hyperloglog, some values": solo(observe(1, 1.0, "1", True, None, *range(50))),
    "hyperloglog, apart": apart(observe("ada", 1), observe("bob", 2), observe("bob", 3)),
    "hyperloglog, unset apart": apart(observe("ada"), [unset("/h")], observe("bob")),
    "hyperloglog, created": solo([create("/h", "hyperloglog")]),
    "min, less": solo([minimum("/a", 2.5)], [minimum("/a", 1)]),
    "min, apart": apart(None, [minimum("/a", 2)], [minimum("/a", 2.0)]),
    "flag_ew, enabled and disabled": solo([enable("/a")], [disable("/a")]),
    "flag_ew, apart": apart([enable("/a")], [enable("/a")], [disable("/a")]),
    "flag_dw, apart": apart([create("/a", "flag_dw")], [enable("/a")], [disable("/a")]),
    "flag, set": solo([enable("/a")], [put("/a", False)]),
    "set_rw, made": solo([create("/a", "set_rw")]),
    "set_rw, add, remove, add": solo([create("/a", "set_rw"), add("/a", 1)], [remove("/a", 1)], [add("/a", 1)]),
    "set_rw, remove of what is not in": solo([create("/a", "set_rw")], [remove("/a", "x")]),
    "set_rw, add and remove apart": apart([create("/a", "set_rw"), add("/a", 1)], [add("/a", 1)], [remove("/a", 1)]),
    "set_rw, unset with presence and removes": solo(
        [create("/a", "set_rw"), add("/a", 1), add("/a", 2)], [remove("/a", 1)], [unset("/a")]),
    "mvregister, made and written": solo([create("/a", "mvregister")], [put("/a", 1)]),
    "mvregister, apart": apart([create("/a", "mvregister")], [put("/a", 1)], [put("/a", [2])]),
    "mvregister, in a document": solo([create("/a", "mvregister")], [put("", {"a": [2, 1]})]),
    "set, made empty, then filled": solo([create("/a", "set")], [add("/a", 1)], [remove("/a", 1)]),
    "max, made": solo([create("/a", "max")], [maximum("/a", 1)]),
    "map, empty": solo([put("/m", {})]),
    "map, members": solo([put("/m", {"b": 1, "a": {"c": 2}})]),
    "map, by path": solo([increment("/m/n/o", 1)]),
    "map, unset with everything below": solo(
        [put("/m", {"r": 1}), increment("/m/n", 2), add("/m/s", 3), maximum("/m/x", 4)], [unset("/m")]),
    "map, replaced by a register": solo([put("/m/a", 1)], [put("/m", 2)]),
    "bounded counter, at its bound": solo([bounded("/a", -3, -3)]),
    "bounded counter, chain": solo([bounded("/a", 0, 300)], [increment("/a", 5), increment("/a", -7)],
                                   [increment("/a", -1)]),
    "bounded counter, spent and unset": solo([bounded("/a", 1, 2)], [increment("/a", -1)], [unset("/a")]),
    "bounded counter, made anew": solo([bounded("/a", 1, 2)], [increment("/a", -1)], [unset("/a")],
                                       [bounded("/a", 0, 3)]),
    "bounded counter, transfer": apart([bounded("/a", 0, 5)], [transfer("/a", "B", 2)], [increment("/a", 1)]),
    "bounded counter, transfer to who never wrote": solo([bounded("/a", 0, 5)], [transfer("/a", "C", 2)]),
    "bounded counter, takeover": solo([bounded("/a", 0, 5)], [transfer("/a", "C", 3)], [takeover("/a", "C", 2)],
                                      [increment("/a", -4)]),
    "bounded counter, two bounds": apart(None, [bounded("/a", 0, 5)], [bounded("/a", -2, -1)]),
    "bounded counter, unset and increment apart": apart([bounded("/a", 0, 0)], [unset("/a")], [increment("/a", 2)]),
    "bounded counter, below a map": solo([bounded("/m/a", 0, 2)], [increment("/m/a", -2)], [unset("/m")]),
    "two types under one name": apart(None, [put("/a", 1)], [increment("/a", 2)]),
    "list, a run": solo([insert("/a", 0, "x", "y", "é")]),
    "list, typed forward": solo([insert("/a", 0, "x")], [insert("/a", 1, "y")], [insert("/a", 2, "z")]),
    "list, typed backward": solo([insert("/a", 0, "x")], [insert("/a", 0, "y")], [insert("/a", 0, "z")]),
    "list, into a run": solo([insert("/a", 0, 1, 2, 3)], [insert("/a", 1, [None], {"k": 1.5})]),
    "list, deleted": solo([insert("/a", 0, 1, 2, 3, 4)], [delete("/a", 1, 2)]),
    "list, all deleted": solo([insert("/a", 0, 1)], [delete("/a", 0, 1)]),
    "list, made again": solo([insert("/a", 0, 1)], [delete("/a", 0, 1)], [insert("/a", 0, 2)]),
    "list, created": solo([{"op": "create", "path": "/a", "type": "list"}]),
    "list, runs apart": apart(None, [insert("/a", 0, "a", "b")], [insert("/a", 0, "x", "y")]),
    "list, delete and insert apart": apart([insert("/a", 0, 1, 2)], [delete("/a", 0, 2)], [insert("/a", 1, 9)]),
    "list, unset and insert apart": apart([insert("/a", 0, 1, 2)], [unset("/a")], [insert("/a", 1, 9)]),
    "list, set": solo([insert("/a", 0, 1, 2, 3, 4)], [put("/a", [0, 1, 3, 5])]),
    "list, several ops in one event": solo(
        [insert("/a", 0, 1, 2), insert("/a", 1, 3), delete("/a", 0, 1), put("/b", 1)]),
    "root, PUT": solo([put("", {"a": 1})], [put("", {"b": 2})]),
    "root, DELETE": solo([put("", {"a": 1})], [unset("")]),
    "root, DELETE and a write apart": apart([put("", {"a": 1})], [unset("")], [put("/b", 2)]),
    "seq of two bytes": solo(*[[put("/a", n)] for n in range(130)]),
}


def compute(name, steps):
    """One case: the model plays the history."""
    known = {writer: [] for writer in ORIGINS}
    deltas = []
    for writer, what, argument in steps:
        if what == "learns":
            known[writer] += [event for event in known[argument] if event not in known[writer]]
            continue
        seq = max([e.seq for e in known[writer] if e.origin == ORIGINS[writer]], default=0) + 1
        event = model.write(known[writer], ORIGINS[writer], seq, what, argument)
        delta = wire.Delta(event, known[writer])
        deltas.append({"origins": [origin.hex() for origin in delta.table], "seq": seq, "clock": what,
                       "bytes": delta.bytes.hex()})
        known[writer].append(event)
    events = known[steps[-1][0]]
    view = model.View(model.records_of(events))
    state = wire.State(view, events)
    return {"name": name, "steps": steps, "deltas": deltas, "json": view.value(), "canonical": state.canonical().hex(),
            "full": state.full().hex()}


class Library:
    """The C driver plays the history."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def differences(self, case):
        numbers = {writer: i for i, writer in enumerate(ORIGINS)}
        known, seqs, deltas = {writer: [] for writer in ORIGINS}, dict.fromkeys(ORIGINS, 0), []
        self.ask("reset")
        for writer, origin in ORIGINS.items():
            self.ask("new", numbers[writer], origin.hex())
        for writer, what, argument in case["steps"]:
            if what == "learns":
                for number in known[argument]:
                    self.ask("deliver", number, numbers[writer])
                known[writer] += [n for n in known[argument] if n not in known[writer]]
                continue
            seqs[writer] += 1
            answer = self.ask("op", numbers[writer], seqs[writer], what, 0, json.dumps(argument)).split()
            deltas.append(answer[3] if answer[0] == "delta" else " ".join(answer))
            known[writer].append(answer[1])
        last = numbers[case["steps"][-1][0]]
        got = [(d, e["bytes"]) for d, e in zip(deltas, case["deltas"])]
        got += [(self.ask("bytes", last, form), case[form]) for form in ("canonical", "full")]
        got.append((json.loads(self.ask("json", last)), case["json"]))
        return ["%s\n     got %s\nexpected %s" % (case["name"], a, b) for a, b in got if a != b]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write")
    parser.add_argument("--check")
    parser.add_argument("--driver")
    options = parser.parse_args()
    cases = [compute(name, steps) for name, steps in HISTORIES.items()]
    if options.write:
        with open(options.write, "w", encoding="utf-8") as out:
            lines = [json.dumps(case, ensure_ascii=False) for case in cases]
            out.write("[\n" + ",\n".join(lines) + "\n]\n")
    found = []
    if options.check:
        with open(options.check, encoding="utf-8") as stored:
            if json.load(stored) != cases:
                found.append("%s is not what the model gives now" % options.check)
    if options.driver:
        library = Library(options.driver)
        found += [line for case in cases for line in library.differences(case)]
    print("\n".join(found) or "%d vectors agree" % len(cases))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
