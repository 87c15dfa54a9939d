"""Flags, enable-wins: on while there is an enable that no later enable, disable or unset saw; off while there are
disables only. Every op but unset is preceded by a `create`, which says "off" where nothing is there."""

TYPE = "flag_ew"
PATHS = ("/a", "/b")
ALPHABET = tuple([{"op": "create", "path": "/a", "type": TYPE}, {"op": kind, "path": "/a"}]
                 for kind in ("enable", "disable")) + ({"op": "unset", "path": "/a"},)


def generate(rng):
    path = rng.choice(PATHS)
    kind = rng.choice(("enable", "enable", "disable", "disable", "unset"))
    op = {"op": kind, "path": path}
    return op if kind == "unset" else [{"op": "create", "path": path, "type": TYPE}, op]


def said(ops):
    """The ops on one field that say something still."""
    speak = [op for op in ops if op.kind in ("enable", "disable") or (op.kind == "create" and made(op, ops))]
    enders = [op for op in ops if op.kind in ("enable", "disable", "unset")]
    return [op for op in speak if not any(e.sees(op) for e in enders)]


def made(op, ops):
    return not said([other for other in ops if op.sees(other)])


def shown(on):
    return any(on)


def expected(ops, shown=shown):
    document = {}
    for path in PATHS:
        alive = said([op for op in ops if op.path == path])
        if alive:
            document[path[1:]] = shown([op.kind == "enable" for op in alive])
    return document
