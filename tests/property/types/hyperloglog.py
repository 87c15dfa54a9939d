"""HyperLogLogs: each register is a maximum, of the ranks of what was observed in it and no unset saw; an observation
counts only if its rank was greater than what its writer had there. The values are chosen to meet in two registers."""

from format import observation
from model import estimate

PATHS = ("/a", "/b")
VALUES = tuple(v for v in range(30000) if observation(v)[0] in (3, 2047)) + ("text", "", None, True, 1.0, 1)


def generate(rng):
    path = rng.choice(PATHS)
    if rng.random() < 0.2:
        return {"op": "unset", "path": path}
    return {"op": "observe", "path": path, "value": rng.choice(VALUES)}


def ranks(ops):
    unsets = [op for op in ops if op.kind == "unset"]
    found = {}
    for op in ops:
        if op.kind == "observe" and not any(u.sees(op) for u in unsets) and counts(op, ops):
            register, rank = observation(op.value)
            found[register] = max(rank, found.get(register, 0))
    return found


def counts(op, ops):
    register, rank = observation(op.value)
    mine = [o for o in ops if op.sees(o) and (o.kind == "unset" or observation(o.value)[0] == register)]
    return rank > ranks(mine).get(register, 0)


def expected(ops):
    document = {}
    for path in PATHS:
        found = ranks([op for op in ops if op.path == path])
        if found:
            document[path[1:]] = estimate(found)
    return document
