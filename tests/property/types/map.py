"""Maps of registers: a member is there while a write to it was not seen by a write or by something that takes it away;
the map is there while a member is, or a `set` of an object that created it (or emptied one without presence)."""

MEMBERS = ("x", "y")


def generate(rng):
    kind = rng.choice(("unset", "object", "object", "member", "member", "drop", "empty"))
    if kind == "unset":
        return {"op": "unset", "path": "/m"}
    if kind == "drop":
        return {"op": "unset", "path": "/m/" + rng.choice(MEMBERS)}
    if kind == "member":
        return {"op": "set", "path": "/m/" + rng.choice(MEMBERS), "value": rng.randint(0, 9)}
    names = [] if kind == "empty" else rng.sample(MEMBERS, rng.randint(1, 2))
    return {"op": "set", "path": "/m", "value": {name: rng.randint(0, 9) for name in names}}


def presences(ops):
    """The ops that left presence, and no unset of the map saw."""
    sets = [op for op in ops if op.path == "/m" and op.kind == "set"]
    unsets = [op for op in ops if op.path == "/m" and op.kind == "unset"]
    return [op for op in sets if leaves(op, ops) and not any(u.sees(op) for u in unsets)]


def leaves(op, ops):
    before = [other for other in ops if op.sees(other)]
    return value(before) is None or (op.value == {} and not presences(before))


def member(name, ops):
    touching = [op for op in ops if op.path in ("/m", "/m/" + name)]
    writes = [(op.clock, op.dot, op.value if op.path != "/m" else op.value[name]) for op in touching
              if op.kind == "set" and (op.path != "/m" or name in op.value)
              and not any(other.sees(op) for other in touching)]
    return [max(writes, key=lambda w: w[:2])[2]] if writes else []


def value(ops):
    found = {name: v for name in MEMBERS for v in member(name, ops)}
    return found if found or presences(ops) else None


def expected(ops):
    document = value(ops)
    return {} if document is None else {"m": document}
