"""Bounded counters: the least bound that a create named, what creates put above theirs, and all increments. There while
that is more than the bound, or while a create or increment is there that no unset saw. Never below the bound; and each
replica's rights, counted from what it made, got, inherited, gave and spent, never below none.

A create counts where none was there; an unset, where one was there."""

PATHS = ("/a", "/b")
ORIGINS = [bytes([(replica * 7 + 3) % 11]) + bytes(14) + bytes([replica]) for replica in range(5)]


def past_life(replica):
    """An origin that never writes, and of which this replica alone inherits."""
    return bytes([0xd0 + replica]) + bytes(15)


LARGE = (2**62, 2**63 - 1, -(2**63), -(2**62))


def generate(rng):
    path = rng.choice(PATHS)
    kind = rng.choice(("increment",) * 3 + ("decrement",) * 4 + ("transfer",) * 3 + ("takeover",) * 2 + ("unset",) * 3)
    if kind == "unset":
        return {"op": "unset", "path": path}
    bound = {"/a": 0, "/b": -5}[path] - (rng.random() < 0.1)
    create = {"op": "create", "path": path, "type": "bounded_counter", "bound": bound,
              "initial": bound + rng.choice((0, 0, 0, 2))}
    if kind == "transfer":
        to = rng.choice(ORIGINS) if rng.random() < 0.7 else past_life(rng.randrange(4))
        return [create, {"op": "transfer", "path": path, "to": to.hex(), "by": rng.choice((1, 1, 2))}]
    if kind == "takeover":  # > safe if nobody else takes over from it
        return [create, {"op": "takeover", "path": path, "from": "mine", "by": rng.choice((1, 1, 2))}]
    by = rng.choice((0, 1, 1, 2)) if kind == "increment" else rng.choice((-1, -1, -2, -3))
    return [create, {"op": "increment", "path": path, "by": rng.choice(LARGE) if rng.random() < 0.02 else by}]


def state(ops, memo):
    """(bound or None, rights, there) of one field after these ops."""
    key = frozenset(op.dot for op in ops)
    if key not in memo:
        before = {op.dot: state([o for o in ops if op.sees(o)], memo) for op in ops if op.kind in ("create", "unset")}
        creates = [op for op in ops if op.kind == "create" and not before[op.dot][2]]
        unsets = [op for op in ops if op.kind == "unset" and before[op.dot][2]]
        increments = [op for op in ops if op.kind == "increment"]
        rights = sum(op.initial - op.bound for op in creates) + sum(op.by for op in increments)
        standing = [op for op in creates + increments if not any(u.sees(op) for u in unsets)]
        memo[key] = (min((op.bound for op in creates), default=None), rights, bool(standing) or rights > 0, creates)
    return memo[key]


def is_overspent(ops, creates):
    for origin in {op.dot[0] for op in ops}:
        own = [op for op in ops if op.dot[0] == origin]
        rights = (sum(op.initial - op.bound for op in creates if op.dot[0] == origin)
                  + sum(op.by for op in own if op.kind == "increment")
                  + sum(op.by for op in ops if op.kind == "transfer" and op.to == origin.hex())
                  - sum(op.by for op in own if op.kind == "transfer")
                  + sum(op.by for op in own if op.kind == "takeover"))
        if rights < 0:
            return True
    return False


def expected(ops):
    document = {}
    for path in PATHS:
        here = [op for op in ops if op.path == path]
        bound, rights, there, creates = state(here, {})
        if rights < 0 or is_overspent(here, creates):
            document[path[1:]] = "overspent"  # no state is like this
        elif there:
            document[path[1:]] = min((bound or 0) + rights, 2**63 - 1)
    return document
