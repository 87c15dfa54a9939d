"""Registers: last writer wins among the writes that no write or unset saw."""

PATHS = ("/a", "/b")
VALUES = (None, True, False, 0, -1, 7, 2**63 - 1, -(2**63), 1.5, 5.0, 1e300, "", "é", "text", [], [1, {"k": [None]}])
ALPHABET = ({"op": "set", "path": "/a", "value": 1}, {"op": "set", "path": "/a", "value": 2},
            {"op": "unset", "path": "/a"})


def generate(rng):
    path = rng.choice(PATHS)
    if rng.random() < 0.2:
        return {"op": "unset", "path": path}
    return {"op": "set", "path": path, "value": rng.choice(VALUES)}


def expected(ops):
    document = {}
    for path in PATHS:
        here = [op for op in ops if op.path == path]
        writes = [op for op in here if op.kind == "set" and not any(other.sees(op) for other in here)]
        if writes:
            document[path[1:]] = max(writes, key=lambda op: (op.clock, op.dot)).value
    return document
