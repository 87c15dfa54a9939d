"""Counters: the sum of the increments that no unset saw; there as long as there is one such increment."""

PATHS = ("/a", "/b")
LARGE = (2**62, -(2**62), 2**63 - 1, -(2**63), 2**63 - 2, -(2**63) + 1, 1, -1)
ALPHABET = ({"op": "increment", "path": "/a", "by": 1}, {"op": "increment", "path": "/a", "by": 10},
            {"op": "unset", "path": "/a"})


def generate(rng):
    path = rng.choice(PATHS)
    if rng.random() < 0.25:
        return {"op": "unset", "path": path}
    by = rng.choice(LARGE) if rng.random() < 0.2 else rng.randint(-3, 9)
    return {"op": "increment", "path": path, "by": by}


def expected(ops):
    document = {}
    for path in PATHS:
        here = [op for op in ops if op.path == path]
        unsets = [op for op in here if op.kind == "unset"]
        alive = [op.by for op in here if op.kind == "increment" and not any(u.sees(op) for u in unsets)]
        if alive:
            document[path[1:]] = min(max(sum(alive), -(2**63)), 2**63 - 1)
    return document
