#!/usr/bin/env python3
"""Property harness: random programs over a few replicas, played on the C library (driver.c) and the model (model.py).

A program is a list of steps without randomness of its own, so that it can be shrunk and replayed. Three ways to
deliver: `causal` (nothing before what it saw), `fifo` (each origin's deltas in order), `gaps` (any order, any loss).
All of them duplicate. Checked, at random points and after everything was delivered everywhere:

 a  value and conflicts equal the model's; under `causal` also the type's declarative definition (types/*.py) and, byte
    for byte, the canonical encoding and the delta that format.py computes
 b  replicas that know the same events have the same bytes, also when built anew in another order
 c  apply(X, d) = join(X, apply(empty, d)); join is idempotent, commutative, associative; apply is idempotent
 d  decode(encode(x)) encodes to the same bytes; the same for deltas; damaged bytes are refused or canonical; the JSON
    of a delta is its changes
 e  after the diff to a document the state is that document, and the next diff is empty
 f  the inverse leads back to a state that was kept before
 g  dropping bookkeeping that is stable changes no canonical bytes, then or later
"""

import argparse
import importlib.util
import itertools
import json
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "model"))
import format as wire  # noqa: E402
import model  # noqa: E402

MODES = ("causal", "fifo", "gaps")
SCRATCH = 90  # a replica number that no program uses; those after it keep states
KEPT_MAX = 30
# A sum past int64 by merging may have no way back, nor may a bounded counter whose rights others hold.
REFUSED_BACK = ("counter_overflow", "insufficient_rights", "rights_left")


class Failure(Exception):
    pass


def same(a, b):
    """Equal JSON, with 1, 1.0 and true told apart."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def origin_of(replica):
    """Replica numbers are not in the order of origins, so that ties are decided by bytes."""
    return bytes([(replica * 7 + 3) % 11]) + bytes(14) + bytes([replica])


class Driver:
    def __init__(self, path):
        self.path, self.process = path, None

    def start(self):
        self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def ask(self, *words):
        if self.process is None or self.process.poll() is not None:
            self.start()
        line = " ".join(str(word) for word in words)
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().decode()
        except BrokenPipeError:
            answer = ""
        if not answer.endswith("\n"):
            complaint = self.process.communicate()[1].decode(errors="replace")
            raise Failure("the driver died (%s) at: %s\n%s" % (self.process.returncode, line, complaint[:1500]))
        return answer[:-1]

    def expect(self, wanted, *words):
        answer = self.ask(*words)
        if answer != wanted:
            raise Failure("%s: got %r, expected %r" % (" ".join(map(str, words)), answer, wanted))


class Op:
    """One client op as the declarative definitions of types/*.py see it."""

    def __init__(self, event, index):
        self.event, self.index = event, index
        self.clock, self.dot = event.clock, (event.origin, event.seq, index)
        op = event.ops[index]
        self.kind, self.path, self.value, self.by = op["op"], op["path"], op.get("value"), op.get("by")
        self.type, self.member, self.to = op.get("type"), op.get("member"), op.get("to")
        self.bound, self.initial = op.get("bound"), op.get("initial")

    def sees(self, other):
        if self.event is other.event:
            return other.index < self.index
        return other.event.id in self.event.saw


class Run:
    """Plays one program on a driver (or on the model alone when it is None)."""

    def __init__(self, program, kind, driver):
        self.small = program.get("small", False)
        self.mode, self.count, self.steps = program["mode"], program["replicas"], program["steps"]
        self.kind, self.driver = kind, driver
        self.known = [[] for _ in range(self.count)]  # events in the order of delivery
        self.seq = [0] * self.count
        self.forms = ("full", "canonical")  # in which replicas that know the same are the same
        self.kept = []  # documents of states that the driver keeps
        self.deltas = {}  # step number of the op → (event, driver's number of the delta)

    def play(self):
        if self.driver:
            self.driver.expect("ok", "reset")
            for replica in range(self.count):
                self.driver.expect("ok", "new", replica, origin_of(replica).hex())
        for step in self.steps:
            getattr(self, step[1])(step[0], *step[2:])
        self.finish()

    def view(self, replica):
        return model.View(model.records_of(self.known[replica]))

    # Steps

    def op(self, number, replica, clock, skip, ops, first_index):
        if model.mixes_frames(self.known[replica]):
            return  # SEMANTICS.md leaves open what this writer sees
        self.seq[replica] += 1 + skip
        stamp = (replica, self.seq[replica], clock, first_index)
        expected = self.write(replica, clock, ops, first_index)
        if not self.driver:
            self.learn(number, replica, expected, None)
            return
        answer = self.driver.ask("op", *stamp, compact(ops)).split(" ")
        self.compare_answer(answer, expected)
        self.learn(number, replica, expected, answer)

    def write(self, replica, clock, ops, first_index):
        try:
            return model.write(self.known[replica], origin_of(replica), self.seq[replica], clock, ops, first_index)
        except model.Refused as refused:
            return refused

    def compare_answer(self, answer, expected):
        if isinstance(expected, model.Refused):
            if answer[:2] != ["error", expected.code]:
                raise Failure("accepted or refused otherwise: got %s, expected error %s" % (answer, expected))
        elif answer[0] != ("delta" if expected.records else "empty"):
            raise Failure("got %s, expected %d changes" % (answer, len(expected.records)))

    def learn(self, number, replica, event, answer):
        if isinstance(event, model.Refused) or not event.records:
            return
        if self.mode == "causal" and answer:
            bytes_expected = wire.Delta(event, self.known[replica]).bytes.hex()
            if answer[3] != bytes_expected:
                raise Failure("delta %s\n     got %s\nexpected %s" % (event.ops, answer[3], bytes_expected))
        if answer:
            self.check_history(event, json.loads(self.driver.ask("deltajson", answer[1])))
        self.deltas[number] = (event, answer and answer[1])
        self.known[replica].append(event)

    def check_history(self, event, written):
        """The delta as a person reads it: one op for each change."""
        names = {model.REGISTER: "set", model.MAP: "set", model.UNSET: "unset", model.COUNTER: "increment",
                 model.SET: "add", model.REMOVE: "remove", model.MAX: "max", model.MIN: "min", model.SET_RW: "add",
                 model.REMOVE_RW: "remove", model.MVREGISTER: "set", model.LEADERBOARD: "score", model.SCORE: "score",
                 model.REMOVE_MEMBER: "remove", model.HYPERLOGLOG: "observe",
                 model.BOUNDED: "increment", model.TRANSFER: "transfer", model.TAKEOVER: "takeover",
                 model.LIST: "insert", model.DELETE: "delete"}
        records = [r for r in event.records if not r.follows]
        switches = {True: "enable", False: "disable"}
        creates = [r for r in event.records if r.creates or (r.presence and r.kind != model.BOUNDED)]
        wanted = [("create", model.to_pointer(r.path), None) if r in creates else
                  (switches[r.value], model.to_pointer(r.path), None) if r.kind in (model.FLAG_EW, model.FLAG_DW) else
                  (names[r.kind], model.to_pointer(r.path), {} if r.kind == model.MAP else
                   [e.value for e in r.run] if r.kind == model.LIST else
                   len(r.takes) if r.kind == model.DELETE else r.value)
                  for r in records]
        wanted = [op + ((r.member,) if r.kind in (model.LEADERBOARD, model.SCORE) and not r.presence else
                        (r.target.hex(),) if r.kind in (model.TRANSFER, model.TAKEOVER) else ())
                  for op, r in zip(wanted, records)]
        got = [(op["op"], op["path"], next((op[m] for m in ("by", "to", "value", "values", "count") if m in op), None))
               + tuple(op[key] for key in ("member", "from") if key in op)
               + ((op["to"],) if op["op"] == "transfer" else ())
               for op in written]
        if len(got) != len(wanted) or not all(same(list(a), list(b)) for a, b in zip(got, wanted)):
            raise Failure("deltajson\n     got %s\nexpected %s" % (got, wanted))

    def put(self, number, replica, clock, seed):
        if model.mixes_frames(self.known[replica]) or not self.driver:
            return
        document = random_document(random.Random(seed), self.view(replica).value())
        self.seq[replica] += 1
        answer = self.driver.ask("put", replica, self.seq[replica], clock, compact(document)).split(" ", 4)
        allowed = self.write(replica, clock, [{"op": "set", "path": "", "value": document}], 0)
        if isinstance(allowed, model.Refused):
            # Which of several misfits is met first is free here.
            if answer[0] != "error" or answer[1] not in ("type_mismatch", "counter_overflow", "rights_left",
                                                         "insufficient_rights"):
                raise Failure("diff to %s: got %s, expected %s" % (compact(document), answer, allowed))
            return
        by_set = model.document(self.known[replica] + [allowed])
        if not has_empty_list(document) and not reached(by_set, document):
            raise Failure("set of %s gives %s" % (compact(document), compact(by_set)))
        if answer[0] == "delta":
            event = self.write(replica, clock, json.loads(answer[4]), 0)
            self.compare_answer(answer, event)
            self.learn(number, replica, event, answer)
        elif answer[0] != "empty":
            raise Failure("diff to %s: %s" % (compact(document), answer))
        self.check_put(replica, document)

    def settle(self, _, replica):
        """Everything everywhere; then one replica drops what it need not remember."""
        self.deliver_all()
        if self.driver:
            self.driver.expect("ok", "settle", replica)
            self.driver.expect("ok", "compact", replica)
        self.forms = ("canonical",)

    def compact(self, _, replica):
        """What was known everywhere when things settled last is still stable."""
        if self.driver:
            self.driver.expect("ok", "compact", replica)
            self.forms = ("canonical",)

    def keep(self, number, replica):
        """Remembers the state of now."""
        if self.driver and len(self.kept) < KEPT_MAX:
            self.driver.expect("ok", "keep", replica, SCRATCH + 1 + len(self.kept))
            self.kept.append(json.loads(self.driver.ask("json", replica)))

    def back(self, number, replica, clock, which):
        """Leads to a state that was kept, by new operations."""
        if model.mixes_frames(self.known[replica]) or not self.kept or not self.driver:
            return
        which %= len(self.kept)
        wanted = self.kept[which]
        self.seq[replica] += 1
        answer = self.driver.ask("back", replica, self.seq[replica], clock, SCRATCH + 1 + which).split(" ", 4)
        if answer[0] == "error":
            if answer[1] not in REFUSED_BACK:
                raise Failure("back to %s: %s" % (compact(wanted), answer))
            return
        if answer[0] == "delta":
            event = self.write(replica, clock, json.loads(answer[4]), 0)
            self.compare_answer(answer, event)
            self.learn(number, replica, event, answer)
        elif answer[0] != "empty":
            raise Failure("back to %s: %s" % (compact(wanted), answer))
        got = json.loads(self.driver.ask("json", replica))
        if not same(got, wanted):
            raise Failure("back to %s gives %s" % (compact(wanted), compact(got)))

    def check_put(self, replica, document):
        if has_empty_list(document):
            return  # > `[]` takes the last element, so the field goes: what remains is the model's business
        got = json.loads(self.driver.ask("json", replica))
        if not reached(got, document):
            raise Failure("after the diff to %s the state is %s" % (compact(document), compact(got)))
        again = self.driver.ask("put", replica, self.seq[replica] + 1, 0, compact(document))
        if again != "empty":
            raise Failure("a second diff to %s is not empty: %s" % (compact(document), again))

    def deliver(self, _, replica, number):
        if number not in self.deltas:
            return
        event, delta = self.deltas[number]
        ids = {e.id for e in self.known[replica]}
        if self.mode == "causal" and not event.saw <= ids:
            return
        if self.mode == "fifo" and not {i for i in event.saw if i[0] == event.origin} <= ids:
            return
        if self.driver:
            self.driver.expect("ok", "deliver", delta, replica)
        if event.id not in ids:
            self.known[replica].append(event)

    def sync(self, _, source, target):
        """Everything that one replica knows, delta by delta, to another."""
        numbers = {event.id: number for number, (event, _) in self.deltas.items()}
        for event in list(self.known[source]):
            self.deliver(0, target, numbers[event.id])

    def join(self, _, source, target):
        if self.driver:
            self.driver.expect("ok", "join", source, target)
        ids = {event.id for event in self.known[target]}
        self.known[target] += [event for event in self.known[source] if event.id not in ids]

    def rebuild(self, _, replica, seed):
        """The same events in any order give the same bytes."""
        rng = random.Random(seed)
        numbers = {event.id: delta for event, delta in self.deltas.values()}
        events = list(self.known[replica])
        rng.shuffle(events)
        if not self.driver:
            return
        self.driver.expect("ok", "new", SCRATCH, origin_of(SCRATCH).hex())
        for event in events + events[:2]:
            self.driver.expect("ok", "deliver", numbers[event.id], SCRATCH)
        self.driver.expect("ok", "mutate", SCRATCH, seed)
        for form in self.forms:
            self.driver.expect(self.driver.ask("bytes", SCRATCH, form), "bytes", replica, form)

    def laws(self, _, a, b, c, number):
        if not self.driver:
            return
        self.driver.expect("ok", "joinlaws", a, b, c)
        if number in self.deltas:
            self.driver.expect("ok", "deltalaw", self.deltas[number][1], a)

    def check(self, _, replica):
        view = self.view(replica)
        if self.mode == "causal":
            self.check_declaration(replica, view)
        if not self.driver:
            return
        self.driver.expect("ok", "roundtrip", replica)
        if not model.mixes_frames(self.known[replica]):
            self.check_value(replica, view)
        if self.mode == "causal":
            bytes_expected = wire.State(view, self.known[replica]).canonical().hex()
            self.driver.expect(bytes_expected, "bytes", replica, "canonical")
        self.check_equals(replica)

    def check_value(self, replica, view):
        got = json.loads(self.driver.ask("json", replica))
        if not same(got, view.value()):
            raise Failure("replica %d\n     got %s\nexpected %s" % (replica, compact(got), compact(view.value())))
        self.driver.expect("true" if view.alive else "false", "exists", replica)
        got = {model.pointer(r["path"]): (r["bound"], r["value"], {bytes.fromhex(o): n for o, n in r["rights"].items()})
               for r in json.loads(self.driver.ask("rights", replica))}
        if got != view.holders():
            raise Failure("replica %d, rights\n     got %s\nexpected %s" % (replica, got, view.holders()))
        got = [read_conflict(c) for c in json.loads(self.driver.ask("conflicts", replica))]
        wanted = [(path, rule, what) for path, rule, what in view.conflicts()]
        if not same_conflicts(got, wanted):
            raise Failure("replica %d, conflicts\n     got %s\nexpected %s" % (replica, got, wanted))

    def check_declaration(self, replica, view):
        if not hasattr(self.kind, "expected"):
            return
        ops = [Op(event, i) for event in self.known[replica] for i in range(len(event.ops))]
        expected = self.kind.expected(ops)
        if not same(view.value(), expected):
            raise Failure("model %s\ndeclared %s" % (compact(view.value()), compact(expected)))

    def check_equals(self, replica):
        ids = {event.id for event in self.known[replica]}
        for other in range(self.count):
            if other != replica and {event.id for event in self.known[other]} == ids:
                for form in self.forms:
                    self.driver.expect(self.driver.ask("bytes", replica, form), "bytes", other, form)

    def deliver_all(self):
        order = list(self.deltas)
        random.Random(len(order)).shuffle(order)
        for replica in range(self.count):
            pending = order
            while pending:
                for number in pending:
                    self.deliver(0, replica, number)
                ids = {event.id for event in self.known[replica]}
                pending = [n for n in pending if self.deltas[n][0].id not in ids]

    def finish(self):
        """Everything everywhere, then all checks."""
        self.deliver_all()
        for replica in range(1 if self.small else self.count):  # a check compares with the other replicas too
            self.check(0, replica)
        self.rebuild(0, 0, len(self.deltas))


def read_conflict(conflict):
    values = conflict["values"]
    if conflict["rule"] == "type_precedence":
        what = [value["type"] for value in values]
    else:
        what = [(v["clock"], bytes.fromhex(v["origin"]), v["seq"], v["value"]) for v in values]
    return (model.pointer(conflict["path"]), conflict["rule"], what)


def same_conflicts(got, wanted):
    """The winner comes first; the order of the others is free. Paths come in order."""
    def normal(conflict):
        path, rule, what = conflict
        return (path, rule, repr(what[0]), sorted(map(repr, what[1:])))

    in_order = [c[0] for c in got] == sorted(c[0] for c in got)
    return in_order and sorted(map(normal, got)) == sorted(map(normal, wanted))


# ---- documents for PUT ---------------------------------------------------------------------------------------------


def has_empty_list(value):
    if isinstance(value, dict):
        return any(map(has_empty_list, value.values()))
    return value == []


def reached(got, document):
    """What PUT promises: the document, but for sets (no order, no duplicates) and equal numbers."""
    if isinstance(got, dict) and isinstance(document, dict):
        return got.keys() == document.keys() and all(reached(got[name], document[name]) for name in got)
    if isinstance(got, list) and isinstance(document, list):
        return {wire.msgpack(v) for v in got} == {wire.msgpack(v) for v in document}
    if model.is_number(got) and model.is_number(document):
        return got == document
    return same(got, document)


def random_document(rng, state, depth=0):
    """The state with a few changes: mostly ones that keep types."""
    out = {}
    for name, value in state.items():
        roll = rng.random()
        if roll < 0.15:
            continue
        out[name] = value if roll < 0.5 else mutate(rng, value, depth)
    if rng.random() < 0.4:
        out[rng.choice(NAMES)] = rng.choice([1, "new", {}, {"p": {"q": 2}}, [3], None])
    return out


def mutate(rng, value, depth):
    if isinstance(value, dict):
        return rng.choice([1, {}]) if rng.random() < 0.1 else random_document(rng, value, depth + 1)
    if isinstance(value, bool):
        return rng.choice([True, False])
    if isinstance(value, list) and value and model.is_row(value[0]):
        rows = [dict(row, score=rng.choice((row["score"], 3, -9))) for row in value if rng.random() < 0.7]
        return rows + rng.choice([[], [], [{"member": "q", "score": 1}], [{"member": "q"}]])
    if isinstance(value, list):
        return [v for v in value if rng.random() < 0.6] + rng.choice([[], [rng.randint(0, 5), "m"]])
    if model.is_int(value):
        small = rng.randint(-9, 9)
        return rng.choice([max(value - 1, model.INT_MIN), value // 2, small, "s" if rng.random() < 0.1 else 4])
    if isinstance(value, float):
        return rng.choice([value / 2, value + 1.5])
    return rng.choice(["other", value, {"p": 1}])


# ---- programs ------------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")
SCALARS = (0, 1, -2, 5, 2.5, 5.0, "s", "é~/", None, True)


class Mixed:
    """Few names, nested paths, every op: type conflicts, paths through scalars, re-creation."""

    @staticmethod
    def generate(rng):
        path = "".join("/" + rng.choice(NAMES) for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 2, 3))))
        kinds = ("set", "set", "object", "unset", "increment", "increment", "add", "add", "remove", "max", "min",
                 "enable", "disable", "create", "add", "set", "score", "score", "observe", "transfer",
                 "insert", "insert", "insert", "delete")
        # A path has a favourite op, so that fields last, which others disturb now and then.
        kind = kinds[sum(map(ord, path)) * 7 % len(kinds)] if rng.random() < 0.5 else rng.choice(kinds)
        if kind == "unset":
            return {"op": "unset", "path": path}
        if kind == "increment":
            by = rng.choice((0, 1, 2, -3, 10, 2**63 - 1, -(2**63))) if rng.random() < 0.95 else 1.5
            return {"op": kind, "path": path, "by": by}
        if kind in ("enable", "disable"):
            return {"op": kind, "path": path}
        if kind == "score":
            return {"op": kind, "path": path, "member": rng.choice(("x", "y")),
                    rng.choice(("to", "by")): rng.choice((0, 1, 5, -3, 2**63 - 1))}
        if kind == "observe":
            return {"op": kind, "path": path, "value": rng.choice((1, 2, "x", 2.0, False))}
        if kind == "transfer":
            return {"op": kind, "path": path, "to": origin_of(rng.randrange(4)).hex(), "by": rng.randint(1, 3)}
        if kind == "create":
            wanted = rng.choice(sorted(model.TYPES))
            more = {"bound": rng.choice((0, 0, 0, -2)), "initial": 3} if wanted == "bounded_counter" else {}
            return {"op": kind, "path": path, "type": wanted, **more}
        if kind in ("max", "min"):
            return {"op": kind, "path": path, "by": rng.choice((0, 1, 2, 2.0, 7, -4.5))}
        if kind in ("add", "remove"):
            return {"op": kind, "path": path, "value": rng.choice((1, 2, "x", 2.0, False))}
        if kind == "insert":
            values = [rng.choice((1, "x", None, {"k": [1]}, 2.0)) for _ in range(rng.choice((1, 1, 2, 4)))]
            return {"op": kind, "path": path, "index": rng.choice((0, 0, 0, 1, 2)), "values": values}
        if kind == "delete":
            return {"op": kind, "path": path, "index": rng.choice((0, 0, 1)), "count": rng.choice((1, 1, 2))}
        return {"op": "set", "path": path, "value": Mixed.value(rng, 0 if kind == "object" else 3)}

    @staticmethod
    def value(rng, depth):
        if depth < 3 and rng.random() < (1.0 if depth == 0 else 0.35):
            names = rng.sample(NAMES, rng.choice((0, 1, 1, 2)))
            return {name: Mixed.value(rng, depth + 1) for name in names}
        if rng.random() < 0.2:
            return rng.choice(([], [1, 2], ["x", 1], [[1]], [{"k": 1}], [2, 2, 2.0]))
        return rng.choice(SCALARS)


def load_types():
    found = {"mixed": Mixed}
    folder = os.path.join(HERE, "types")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location("type_" + name[:-3], os.path.join(folder, name))
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found[name[:-3]] = module
    return found


def as_list(ops):
    return ops if isinstance(ops, list) else [ops]


def random_step(rng, kind, count, numbers):
    replica = rng.randrange(count)
    roll = rng.random()
    if roll < 0.45:
        ops = [op for _ in range(rng.choice((1, 1, 1, 1, 1, 2, 3))) for op in as_list(kind.generate(rng))]
        ops = [{**op, "from": kind.past_life(replica).hex()} if op.get("from") == "mine" else op for op in ops]
        return ["op", replica, rng.randint(1, 6), rng.choice((0, 0, 0, 2)), ops, rng.choice((0, 0, 0, 4))]
    if roll < 0.55 and kind is Mixed:
        return ["put", replica, rng.randint(1, 6), rng.randrange(1 << 30)]
    if roll < 0.58 and kind is Mixed:
        return ["keep", replica]
    if roll < 0.63 and kind is Mixed:
        return ["back", replica, rng.randint(1, 6), rng.randrange(1 << 30)]
    if roll < 0.75:
        return ["deliver", replica, rng.choice(numbers) if numbers else 0]
    if roll < 0.85:
        return ["sync", replica, rng.randrange(count)]
    if roll < 0.88:
        return ["join", replica, (replica + rng.randrange(1, count)) % count]
    if roll < 0.91:
        return ["rebuild", replica, rng.randrange(1 << 30)]
    if roll < 0.915:
        return ["settle", replica]
    if roll < 0.925:
        return ["compact", replica]
    if roll < 0.945:
        return ["laws", *(rng.randrange(count) for _ in range(3)), rng.choice(numbers) if numbers else 0]
    return ["check", replica]


def random_program(seed, kind):
    rng = random.Random(seed)
    count = rng.randint(3, 5)
    steps, numbers = [], []
    for number in range(1, rng.randint(10, 60)):
        step = random_step(rng, kind, count, numbers)
        steps.append([number] + step)
        if step[0] in ("op", "put"):
            numbers.append(number)
    return {"mode": rng.choice(MODES), "replicas": count, "steps": steps}


def small_programs(kind, length):
    """Every program of `length` steps over three replicas: one of the type's few ops somewhere, or everything that one
    knows to another. The first step is an op of the first replica: other beginnings are the same by symmetry."""
    ops = [["op", replica, 1, 0, as_list(op), 0] for replica in range(3) for op in kind.ALPHABET]
    syncs = [["sync", a, b] for a in range(3) for b in range(3) if a != b]
    for steps in itertools.product(ops[:len(kind.ALPHABET)], *[ops + syncs] * (length - 1)):
        yield {"mode": "causal", "replicas": 3, "small": True,
               "steps": [[n] + step[:2] + ([n] if step[0] == "op" else []) + step[3 if step[0] == "op" else 2:]
                         for n, step in enumerate(steps, 1)]}


def attempt(program, kind, driver):
    """None, or what went wrong."""
    try:
        Run(program, kind, driver).play()
        return None
    except Failure as failure:
        return str(failure)


def shrink(program, kind, driver):
    """Drops steps, in ever smaller runs, while the program still fails; then ops inside of steps."""
    steps = program["steps"]
    size = max(1, len(steps) // 2)
    while size >= 1:
        at, before = 0, len(steps)
        while at < len(steps):
            fewer = steps[:at] + steps[at + size:]
            if attempt(dict(program, steps=fewer), kind, driver):
                steps = fewer
            else:
                at += size
        if size > 1 or len(steps) == before:
            size //= 2
    for at, step in enumerate(steps):
        if step[1] == "op":
            for op in list(step[5]):
                fewer = [other for other in steps[at][5] if other is not op]
                changed = steps[:at] + [steps[at][:5] + [fewer] + steps[at][6:]] + steps[at + 1:]
                if fewer and attempt(dict(program, steps=changed), kind, driver):
                    steps = changed
    return dict(program, steps=steps)


def report(name, seed, program, kind, driver):
    small = shrink(program, kind, driver)
    print("FAILED --type %s --seed %d --programs 1: %s, %d replicas" % (name, seed, small["mode"], small["replicas"]))
    for step in small["steps"]:
        print("   ", compact(step))
    print(attempt(small, kind, driver), flush=True)


def programs_of(name, kind, options):
    if options.exhaustive:
        return enumerate(small_programs(kind, options.exhaustive), 1)
    seeds = range(options.seed, options.seed + options.programs)
    return ((seed, random_program("%s/%d" % (name, seed), kind)) for seed in seeds)


def main():
    types = load_types()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", help="the driver's executable; without it the model is checked alone")
    parser.add_argument("--type", default="mixed", choices=sorted(types) + ["all"])
    parser.add_argument("--seed", type=int, default=1, help="seed of the first program; the next have the next numbers")
    parser.add_argument("--programs", type=int, default=100)
    parser.add_argument("--exhaustive", type=int, metavar="STEPS", help="every program of so many steps instead")
    parser.add_argument("--keep-going", type=int, default=1, help="stop after this many failures")
    options = parser.parse_args()
    driver = Driver(options.driver) if options.driver else None
    failures = 0
    for name in sorted(types) if options.type == "all" else [options.type]:
        for seed, program in programs_of(name, types[name], options):
            if attempt(program, types[name], driver):
                failures += 1
                report(name, seed, program, types[name], driver)
                if failures >= options.keep_going:
                    sys.exit(1)
        print("%s: %d programs" % (name, seed), flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
