"""Maxima: the greatest entry that no unset saw. A `max` counts only if it was greater than what its writer was
shown."""

PATHS = ("/a", "/b")
NUMBERS = (0, 0.5, 1, 1.0, -7, 3, 3.0, 9, 2**53, 2.0**53, 2**53 + 1, 2**63 - 1, 2.0**63, -(2**63), -1e300)
ALPHABET = ({"op": "max", "path": "/a", "by": 1}, {"op": "max", "path": "/a", "by": 2}, {"op": "unset", "path": "/a"})


def generate(rng):
    path = rng.choice(PATHS)
    if rng.random() < 0.25:
        return {"op": "unset", "path": path}
    return {"op": "max", "path": path, "by": rng.choice(NUMBERS)}


def order(number):
    return (number, isinstance(number, int))


def greatest(ops):
    """Value of one field after these ops, or None."""
    unsets = [op for op in ops if op.kind == "unset"]
    alive = [op.by for op in ops if op.kind == "max" and not any(u.sees(op) for u in unsets) and counts(op, ops)]
    return max(alive, key=order, default=None)


def counts(op, ops):
    before = greatest([other for other in ops if op.sees(other)])
    return before is None or op.by > before


def expected(ops):
    document = {}
    for path in PATHS:
        value = greatest([op for op in ops if op.path == path])
        if value is not None:
            document[path[1:]] = value
    return document
