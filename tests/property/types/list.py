"""Lists: every element that was inserted and that no delete or unset which saw it took away, in an order that follows
from where each was inserted: directly behind what its writer saw in front of it, unless what he saw next hangs there
already; then directly in front of that. What two writers put at one place in ignorance of each other comes in the order
of dots, each with all that was put next to it later."""

from model import LIST

PATHS = ("/a", "/b")
ALPHABET = ({"op": "insert", "path": "/a", "index": 0, "values": ["x", "y"]},
            {"op": "insert", "path": "/a", "index": 1, "value": "z"},
            {"op": "delete", "path": "/a", "index": 0})
VALUES = (1, 2, "x", "y", "é", None, True, 2.5, [1], {"k": 1})


def generate(rng):
    kind = rng.choice(("insert", "insert", "insert", "run", "run", "delete", "delete", "unset"))
    path = rng.choice(PATHS)
    if kind == "unset" and rng.random() < 0.5:
        return {"op": "unset", "path": path}
    if kind == "delete":
        op = {"op": "delete", "path": path, "index": rng.choice((0, 0, 1, 2, 4))}
        return op if rng.random() < 0.5 else dict(op, count=rng.randint(1, 4))
    op = {"op": "insert", "path": path, "index": rng.choice((0, 0, 1, 2, 3, 5))}
    if kind == "run":
        return dict(op, values=[rng.choice(VALUES) for _ in range(rng.randint(1, 4))])
    return dict(op, value=rng.choice(VALUES))


class Place:
    """One element: its value, and lists of what hangs on it, to its left and to its right."""

    def __init__(self, dot, value):
        self.dot, self.value, self.left, self.right = dot, value, [], []

    def walk(self):
        for side, own in ((self.left, [self]), (self.right, [])):
            for place in sorted(side, key=lambda p: p.dot):
                yield from place.walk()
            yield from own


class Table:
    """All elements of one list, op by op, each behind those that it sees."""

    def __init__(self, ops):
        self.root = Place(None, None)
        self.made, self.taken = {}, {}  # op → elements
        for op in sorted(ops, key=lambda op: (len(op.event.saw), op.index)):
            self.take(op)

    def seen(self, op, table):
        return {p for other, places in table.items() if op.sees(other) for p in places}

    def take(self, op):
        made, gone = self.seen(op, self.made), self.seen(op, self.taken)
        known = [p for p in self.root.walk() if p in made]
        shown = [p for p in known if p not in gone]
        raw = op.event.ops[op.index]
        if op.kind != "insert":
            start = raw.get("index", 0)
            self.taken[op] = shown[start:start + raw.get("count", 1) if op.kind == "delete" else None]
            return
        left = shown[raw["index"] - 1] if raw["index"] else self.root
        side = left.right
        for right in shown[raw["index"]:raw["index"] + 1]:
            if any(right in place.walk() for place in left.right):
                side = right.left
        self.made[op] = []
        for dot, value in zip(dots_of(op), values_of(raw)):
            place = Place(dot, value)
            side.append(place)
            side = place.right
            self.made[op].append(place)


def values_of(raw):
    return raw["values"] if "values" in raw else [raw["value"]]


def dots_of(op):
    """An insert of n values has n dots: they follow those of the inserts before it in the event."""
    before = sum(len(values_of(raw)) for raw in op.event.ops[:op.index] if raw["op"] == "insert")
    return [r.dot for r in op.event.records if r.kind == LIST][before:]


def expected(ops):
    document = {}
    for path in PATHS:
        table = Table([op for op in ops if op.path == path])
        taken = {p for places in table.taken.values() for p in places}
        shown = [p.value for p in table.root.walk() if p is not table.root and p not in taken]
        if shown:
            document[path[1:]] = shown
    return document
