"""Remove-wins sets: an element is in while an add of it is there and no remove of it; an add or remove is there until a
later add or remove of the element, or an unset of a field that was shown, saw it. Every op but unset is preceded by a
`create`, which keeps the field there."""

from format import msgpack

PATHS = ("/a", "/b")
ELEMENTS = (1, 2, 1.0, True, None, "x", "y", "")
CREATE = {"op": "create", "path": "/a", "type": "set_rw"}
ALPHABET = ([CREATE, {"op": "add", "path": "/a", "value": 1}], [CREATE, {"op": "remove", "path": "/a", "value": 1}],
            {"op": "unset", "path": "/a"})


def generate(rng):
    path, value = rng.choice(PATHS), rng.choice(ELEMENTS)
    kind = rng.choice(("add", "add", "add", "remove", "remove", "unset"))
    if kind == "unset" and rng.random() < 0.7:
        kind = "add"
    create = {"op": "create", "path": path, "type": "set_rw"}
    return {"op": kind, "path": path} if kind == "unset" else [create, {"op": kind, "path": path, "value": value}]


def same(a, b):
    return msgpack(a.value) == msgpack(b.value)


def standing(ops):
    """Adds, removes and creates of one field that nothing took away."""
    unsets = [op for op in ops if op.kind == "unset" and is_there([other for other in ops if op.sees(other)])]
    found = []
    for op in ops:
        ended = any(u.sees(op) for u in unsets)
        if op.kind in ("add", "remove"):
            later = [o for o in ops if o.kind in ("add", "remove") and same(o, op) and o.sees(op)]
            if not ended and not later:
                found.append(op)
        elif op.kind == "create" and not ended and not is_there([other for other in ops if op.sees(other)]):
            found.append(op)
    return found


def elements(ops):
    stand = standing(ops)
    removed = {msgpack(op.value) for op in stand if op.kind == "remove"}
    found = {msgpack(op.value): op.value for op in stand if op.kind == "add"}
    return [found[key] for key in sorted(found) if key not in removed]


def is_there(ops):
    return bool(elements(ops)) or any(op.kind == "create" for op in standing(ops))


def expected(ops):
    document = {}
    for path in PATHS:
        here = [op for op in ops if op.path == path]
        if is_there(here):
            document[path[1:]] = elements(here)
    return document
