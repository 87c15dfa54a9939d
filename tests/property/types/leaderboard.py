"""Leaderboards: a member's score is the last `to`, and the increments, that no later `to` of it, no remove of it and no
unset saw; a member is there as long as there is one of these."""

PATHS = ("/a", "/b")
MEMBERS = ("x", "é", "")
LARGE = (2**62, -(2**62), 2**63 - 1, -(2**63))


def generate(rng):
    path, member = rng.choice(PATHS), rng.choice(MEMBERS)
    kind = rng.choice(("by", "by", "by", "to", "to", "remove", "remove", "unset"))
    if kind == "unset":
        return {"op": "unset", "path": path}
    create = {"op": "create", "path": path, "type": "leaderboard"} if rng.random() < 0.1 else None
    if kind == "remove":  # on an absent name it would be a set's, and find nothing either
        op = {"op": "remove", "path": path, "value": member}
    else:
        number = rng.choice(LARGE) if rng.random() < 0.1 else rng.randint(-3, 5)
        op = {"op": "score", "path": path, "member": member, kind: number}
    return [create, op] if create else op


def standing(ops, member):
    """The `to`s and increments of one member that still count."""
    ends = [op for op in ops if op.kind == "unset" or (op.kind == "remove" and op.value == member)
            or (op.kind == "score" and op.member == member and op.to is not None)]
    mine = [op for op in ops if op.kind == "score" and op.member == member]
    return [op for op in mine if not any(end.sees(op) for end in ends)]


def rows(ops):
    found = []
    for member in MEMBERS:
        stand = standing(ops, member)
        if stand:
            writes = [op for op in stand if op.to is not None]
            last = max(writes, key=lambda op: (op.clock, op.dot)).to if writes else 0
            score = last + sum(op.by for op in stand if op.to is None)
            found.append({"member": member, "score": min(max(score, -(2**63)), 2**63 - 1)})
    return sorted(found, key=lambda row: (-row["score"], row["member"].encode()))


def created(ops):
    """The creates that made a board, and that no unset saw."""
    unsets = [op for op in ops if op.kind == "unset"]
    return [op for op in ops if op.kind == "create" and not any(u.sees(op) for u in unsets)
            and not is_there([other for other in ops if op.sees(other)])]


def is_there(ops):
    return bool(rows(ops)) or bool(created(ops))


def expected(ops):
    document = {}
    for path in PATHS:
        here = [op for op in ops if op.path == path]
        if is_there(here):
            document[path[1:]] = rows(here)
    return document
