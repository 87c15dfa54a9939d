"""Multi-value registers: the values of all writes that no other write and no unset saw. Every write is preceded by a
`create`, which writes "no value" where nothing is there."""

from format import msgpack

PATHS = ("/a", "/b")
VALUES = (None, True, 0, 7, -1, 1.5, "", "text", [], [1, {"k": [None]}])
CREATE = {"op": "create", "path": "/a", "type": "mvregister"}
ALPHABET = ([CREATE, {"op": "set", "path": "/a", "value": 1}], [CREATE, {"op": "set", "path": "/a", "value": 2}],
            {"op": "unset", "path": "/a"})


def generate(rng):
    path = rng.choice(PATHS)
    if rng.random() < 0.2:
        return {"op": "unset", "path": path}
    create = {"op": "create", "path": path, "type": "mvregister"}
    return [create, {"op": "set", "path": path, "value": rng.choice(VALUES)}]


def writes(ops):
    speak = [op for op in ops if op.kind == "set" or (op.kind == "create" and made(op, ops))]
    enders = [op for op in ops if op.kind in ("set", "unset")]
    return [op for op in speak if not any(e.sees(op) for e in enders)]


def made(op, ops):
    return not writes([other for other in ops if op.sees(other)])


def expected(ops):
    document = {}
    for path in PATHS:
        here = writes([op for op in ops if op.path == path])
        if here:
            values = {msgpack(op.value): op.value for op in here if op.kind == "set"}
            document[path[1:]] = [values[key] for key in sorted(values)]
    return document
