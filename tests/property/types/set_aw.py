"""Add-wins sets: all elements with an add that no remove of the element and no unset saw."""

from format import msgpack

PATHS = ("/a", "/b")
ELEMENTS = (1, 2, 1.0, True, None, "x", "y", -5, "")
ALPHABET = ({"op": "add", "path": "/a", "value": 1}, {"op": "remove", "path": "/a", "value": 1},
            {"op": "unset", "path": "/a"})


def generate(rng):
    path, value = rng.choice(PATHS), rng.choice(ELEMENTS)
    kind = rng.choice(("add", "add", "add", "remove", "remove", "unset"))
    return {"op": kind, "path": path} if kind == "unset" else {"op": kind, "path": path, "value": value}


def same(a, b):
    return msgpack(a.value) == msgpack(b.value)


def expected(ops):
    document = {}
    for path in PATHS:
        here = [op for op in ops if op.path == path]
        adds = [op for op in here if op.kind == "add"]
        ends = [op for op in here if op.kind != "add"]
        alive = [a for a in adds if not any(e.sees(a) and (e.kind == "unset" or same(e, a)) for e in ends)]
        if alive:
            elements = {msgpack(a.value): a.value for a in alive}
            document[path[1:]] = [elements[key] for key in sorted(elements)]
    return document
