"""Lists, for model.py: what is shown, and what an op on one becomes (crdt/SEMANTICS.md, Lists, exactly)."""

from edits import script
from format import DELETE, LIST, msgpack

AFTER, BEFORE = 1, 2  # list: an element hangs on another as its right child, or as its left child


class ListView:
    """The part of a view that is about lists."""

    def elements_known(self, path):
        """All elements of a list that arrived, deleted ones too, by dot."""
        return sorted((r for r in self.known.values() if r.kind == LIST and r.path == path and not r.presence),
                      key=lambda r: r.dot)

    def ordered(self, path):
        """> a depth-first walk: left children, the element, right children; siblings by dot. What hangs on an element
        > that has not arrived is not in it."""
        known = self.elements_known(path)
        children = {}
        for r in known:
            children.setdefault(r.anchor or (AFTER, None), []).append(r)
        order, stack = [], [(AFTER, None)]
        while stack:
            at = stack.pop()
            if not isinstance(at, tuple):
                order.append(at)
                continue
            for r in reversed(children.get(at, [])):
                stack += [(AFTER, r.dot), r, (BEFORE, r.dot)]
        return order

    def sequence(self, path):
        """> list: the elements not deleted"""
        alive = {r.dot for r in self.at(path, LIST)}
        return [r for r in self.ordered(path) if r.dot in alive]


class ListWriter:
    """The part of a writer that is about lists."""

    def insert(self, path, index, values):
        self.typed(path, LIST)
        order, shown = self.view.ordered(path), self.view.sequence(path)
        if index > len(shown):
            self.refuse("number_out_of_range", path)
        # > *left* has a right child, and *right* hangs on it, however far below: a left child of *right*; else a right
        # > child of *left*
        left, right = shown[index - 1] if index > 0 else None, shown[index] if index < len(shown) else None
        here = (AFTER, left.dot) if left else None
        at, known = right, {r.dot: r for r in order}
        while at and at.anchor and at.anchor[1] != (left and left.dot):
            at = known[at.anchor[1]]
        if at and at.anchor == here:
            here = (BEFORE, right.dot)
        run = [self.record(LIST, path, value) for value in values]
        for record, anchor in zip(run, [here] + [(AFTER, r.dot) for r in run]):
            record.anchor, record.follows = anchor, record is not run[0]
        run[0].run = tuple(run)
        self.commit()

    def delete(self, path, index, count):
        self.typed(path, LIST)
        shown = self.view.sequence(path)
        if index + count > len(shown):
            self.refuse("number_out_of_range", path)
        self.record(DELETE, path, None, [r.dot for r in shown[index:index + count]])
        self.commit()

    def set_list(self, path, value):
        """> the fewest inserts and deletes; of one place, inserts first"""
        if not isinstance(value, list):
            self.refuse("type_mismatch", path)
        old, new = [msgpack(r.value) for r in self.view.sequence(path)], [msgpack(v) for v in value]
        position, at = 0, 0
        for deletes, inserts, stays in script(old, new):
            if inserts:
                self.insert(path, position, value[at:at + inserts])
            position, at = position + inserts, at + inserts
            if deletes:
                self.delete(path, position, deletes)
            position, at = position + stays, at + stays
