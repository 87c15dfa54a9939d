#!/usr/bin/env python3
"""The model against hand-written expectations: the tables of crdt/SEMANTICS.md, row by row, and format.py's bytes."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import format as wire  # noqa: E402
import model  # noqa: E402

A, B, C = b"\x01" * 16, b"\x02" * 16, b"\x03" * 16


def op(kind, path, argument=None):
    return {"op": kind, "path": path, ("by" if kind in ("increment", "max", "min") else "value"): argument}


def make(path, name):
    return {"op": "create", "path": path, "type": name}


def switch(kind, path):
    return {"op": kind, "path": path}


class Replica:
    """A writer that knows what it was told."""

    def __init__(self, origin):
        self.origin, self.known, self.seq = origin, [], 0

    def do(self, *ops, clock=1):
        event = model.write(self.known, self.origin, self.seq + 1, clock, list(ops))
        if event.records:
            self.seq += 1
            self.known.append(event)
        return event

    def learn(self, *others):
        for event in [e for other in others for e in other.known]:
            if event not in self.known:
                self.known.append(event)
        return self.state()

    def state(self):
        return model.document(self.known)


def alone(*ops):
    """State after ops of one writer, each its own event."""
    replica = Replica(A)
    for each in ops:
        replica.do(each)
    return replica.state()


def together(start, left, right, clocks=(1, 1)):
    """State after `start` was seen by two writers, who then write apart and learn of each other."""
    a, b = Replica(A), Replica(B)
    if start:
        a.do(*start)
        b.learn(a)
    if left:
        a.do(*left, clock=clocks[0])
    if right:
        b.do(*right, clock=clocks[1])
    a.learn(b)
    b.learn(a)
    assert a.state() == b.state()
    return a.state()


class Alone(unittest.TestCase):
    def refused(self, code, *ops):
        replica = Replica(A)
        replica.do(*ops[:-1])
        before = replica.state()
        with self.assertRaises(model.Refused) as caught:
            replica.do(ops[-1])
        self.assertEqual(caught.exception.code, code)
        self.assertEqual(replica.state(), before)

    def test_absent_names(self):
        self.assertEqual(alone(op("set", "/a", 1)), {"a": 1})
        self.assertEqual(alone(op("set", "/a", [1, {"k": None}])), {"a": [1, {"k": None}]})
        self.assertEqual(alone(op("set", "/a", {"x": 1, "y": {}})), {"a": {"x": 1, "y": {}}})
        self.assertEqual(alone(op("increment", "/a", 0)), {"a": 0})
        self.assertEqual(alone(op("add", "/a/b", "x")), {"a": {"b": ["x"]}})
        self.assertEqual(alone(op("max", "/a", 2.5)), {"a": 2.5})
        for nothing in (op("unset", "/a/b"), op("remove", "/a/b", 1), op("unset", "")):
            self.assertEqual(Replica(A).do(nothing).records, [])

    def test_set_on_each_type(self):
        self.assertEqual(alone(op("set", "/a", 1), op("set", "/a", "x")), {"a": "x"})
        self.assertEqual(alone(op("set", "/a/b", 1), op("set", "/a", 2)), {"a": 2})
        self.assertEqual(alone(op("increment", "/a", 5), op("set", "/a", 2), op("increment", "/a", 1)), {"a": 3})
        self.assertEqual(alone(op("add", "/a", 1), op("add", "/a", 2), op("set", "/a", [2, 3, 3])), {"a": [2, 3]})
        self.assertEqual(alone(op("add", "/a", 1), op("set", "/a", [])), {})
        self.assertEqual(alone(op("max", "/a", 5), op("set", "/a", 2), op("max", "/a", 1)), {"a": 2})
        self.refused("type_mismatch", op("increment", "/a", 1), op("set", "/a", 2.0))
        self.refused("type_mismatch", op("add", "/a", 1), op("set", "/a", [[1]]))
        self.refused("type_mismatch", op("max", "/a", 1), op("set", "/a", "x"))

    def test_set_object_on_each_type(self):
        self.assertEqual(alone(op("set", "/a", {"x": 1, "y": 2}), op("set", "/a", {"y": 3})), {"a": {"y": 3}})
        self.assertEqual(alone(op("set", "/a", 1), op("set", "/a", {"x": 1})), {"a": {"x": 1}})
        self.assertEqual(alone(op("increment", "/a/n", 5), op("set", "/a", {"n": 7}), op("increment", "/a/n", 1)),
                         {"a": {"n": 8}})
        for kind, value in (("increment", 1), ("add", 1), ("max", 1)):
            self.refused("type_mismatch", op(kind, "/a", value), op("set", "/a", {}))

    def test_type_mismatch(self):
        makers = {"set": 1, "increment": 1, "add": 1, "max": 1}
        for made in makers:
            for kind in ("increment", "add", "remove", "max"):
                if kind != made and (made, kind) != ("add", "remove"):
                    self.refused("type_mismatch", op(made, "/a", 1), op(kind, "/a", 1))
            self.refused("type_mismatch", op(made, "/a", 1), op("set", "/a/b", 1))
            self.refused("type_mismatch", op(made, "/a", 1), op("unset", "/a/b"))
        for kind in ("set", "increment", "add", "remove", "max"):
            self.refused("type_mismatch", op(kind, "", 1))

    def test_presence(self):
        self.assertEqual(alone(op("set", "/a", {"x": 1}), op("unset", "/a/x")), {"a": {}})
        self.assertEqual(alone(op("set", "/a/x", 1), op("unset", "/a/x")), {})
        self.assertEqual(alone(op("set", "/a/x", 1), op("set", "/a", {"x": 2}), op("unset", "/a/x")), {})
        self.assertEqual(alone(op("set", "/a/x", 1), op("set", "/a", {})), {"a": {}})
        root = Replica(A)
        root.do(op("set", "", {}))
        self.assertTrue(model.exists(root.known))
        root.do(op("unset", ""))
        self.assertFalse(model.exists(root.known))

    def test_max(self):
        replica = Replica(A)
        replica.do(op("max", "/a", 5))
        for equal_or_less in (5, 5.0, 4):
            self.assertEqual(replica.do(op("max", "/a", equal_or_less)).records, [])

    def test_overflow(self):
        top = 2**63 - 1
        self.refused("counter_overflow", op("increment", "/a", top), op("increment", "/a", 1))
        self.refused("counter_overflow", op("increment", "/a", -1), op("set", "/a", top))
        state = together(None, [op("increment", "/a", top)], [op("increment", "/a", top)])
        self.assertEqual(state, {"a": top})

    def test_all_or_none(self):
        self.refused("type_mismatch", op("set", "/a", 1), op("increment", "/a", 1))
        self.assertEqual(alone(op("set", "/a", 1)), {"a": 1})


class Concurrent(unittest.TestCase):
    def test_register(self):
        self.assertEqual(together(None, [op("set", "/a", 1)], [op("set", "/a", 2)], (5, 4)), {"a": 1})
        self.assertEqual(together(None, [op("set", "/a", 1)], [op("set", "/a", 2)], (5, 5)), {"a": 2})
        self.assertEqual(together([op("set", "/a", 0)], [op("unset", "/a")], [op("set", "/a", 0)]), {"a": 0})

    def test_counter(self):
        five = [op("increment", "/a", 5)]
        self.assertEqual(together(five, [op("unset", "/a")], [op("increment", "/a", 2)]), {"a": 2})
        self.assertEqual(together(five, [op("unset", "/a")], [op("increment", "/a", 0)]), {"a": 0})
        self.assertEqual(together(five, [op("unset", "/a"), op("increment", "/a", 1)], [op("increment", "/a", 2)]),
                         {"a": 3})
        self.assertEqual(together(five, [op("set", "/a", 7)], [op("set", "/a", 9)]), {"a": 11})

    def test_set(self):
        x = [op("add", "/a", "x")]
        self.assertEqual(together(x, [op("remove", "/a", "x")], x), {"a": ["x"]})
        self.assertEqual(together(x, [op("unset", "/a")], [op("add", "/a", "y")]), {"a": ["y"]})
        self.assertEqual(together(x, [op("remove", "/a", "x")], [op("remove", "/a", "x")]), {})

    def test_max(self):
        three = [op("max", "/a", 3)]
        self.assertEqual(together(three, [op("unset", "/a")], [op("max", "/a", 2)]), {})
        self.assertEqual(together(three, [op("unset", "/a")], [op("max", "/a", 4)]), {"a": 4})
        got = together(None, [op("max", "/a", 2.0)], [op("max", "/a", 2)])["a"]
        self.assertIs(type(got), int)

    def test_map(self):
        start = [op("set", "/a", {"x": 1})]
        self.assertEqual(together(start, [op("unset", "/a")], [op("set", "/a/y", 2)]), {"a": {"y": 2}})
        self.assertEqual(together(start, [op("unset", "/a")], [op("set", "/a", {})]), {})
        self.assertEqual(together(start, [op("set", "/a", {"y": 1})], [op("set", "/a", {"z": 1})]),
                         {"a": {"y": 1, "z": 1}})
        self.assertEqual(together(start, [op("unset", "")], [op("set", "/b", 1)]), {"b": 1})


class Conflicts(unittest.TestCase):
    def setUp(self):
        self.a, self.b, self.c = Replica(A), Replica(B), Replica(C)

    def meet(self):
        self.a.learn(self.b, self.c)
        return model.conflicts(self.a.known)

    def test_last_writer_wins(self):
        self.a.do(op("set", "/m/a", 1), clock=3)
        self.b.do(op("set", "/m/a", 2), clock=4)
        self.assertEqual(self.meet(), [(("m", "a"), "last_writer_wins", [(4, B, 1, 2), (3, A, 1, 1)])])
        self.a.do(op("set", "/m/a", 3))
        self.assertEqual(model.conflicts(self.a.known), [])

    def test_type_precedence(self):
        self.a.do(op("set", "/a", 1))
        self.b.do(op("increment", "/a", 2))
        self.c.do(op("set", "/a/x", 3))
        self.assertEqual(self.meet(), [(("a",), "type_precedence", ["map", "counter", "register"])])
        self.assertEqual(self.a.state(), {"a": {"x": 3}})
        self.a.do(op("increment", "/a", 1))  # its type exists under the name
        self.a.do(op("unset", "/a/x"))
        self.assertEqual(self.a.state(), {"a": 3})
        self.a.do(op("set", "/a", 9))  # goes by the type that is shown; the register stays
        self.assertEqual(self.a.state(), {"a": 9})
        self.assertEqual(len(model.conflicts(self.a.known)), 1)
        self.a.do(op("unset", "/a"))  # of every type
        self.assertEqual(self.a.state(), {})

    def test_set_over_a_map_hides_nothing(self):
        self.a.do(op("set", "/a", 1))
        self.b.do(op("set", "/a/x", 3))
        self.meet()
        self.a.do(op("set", "/a", 4))
        self.assertEqual((self.a.state(), model.conflicts(self.a.known)), ({"a": 4}, []))

    def test_members_before_surplus(self):
        self.a.do(op("add", "/a", 1))
        self.b.do(op("set", "/a/x", 3))
        self.meet()
        self.a.do(op("set", "/a", {"y": 1}))
        self.assertEqual(self.a.state(), {"a": {"y": 1}})


def score(member, **number):
    return dict({"op": "score", "path": "/b", "member": member}, **number)


class Boards(unittest.TestCase):
    """The rows of leaderboards and hyperloglogs."""

    def shows(self, state, **scores):
        self.assertEqual({row["member"]: row["score"] for row in state.get("b", [])}, scores)

    def test_alone(self):
        self.shows(alone(score("x", to=3), score("x", by=4)), x=7)
        self.shows(alone(score("x", to=3), score("x", by=4), score("x", to=1)), x=1)
        self.shows(alone(score("x", to=3), op("remove", "/b", "x")))
        self.assertEqual(alone(score("b", by=1), score("a", by=1), score("c", by=9))["b"],
                         [{"member": "c", "score": 9}, {"member": "a", "score": 1}, {"member": "b", "score": 1}])

    def test_apart(self):
        start = [score("x", to=3), score("x", by=4)]
        self.shows(together(start, [score("x", to=1)], [score("x", by=10)]), x=11)
        self.shows(together(start, [op("remove", "/b", "x")], [score("x", by=10)]), x=10)
        self.shows(together(start, [op("unset", "/b")], [score("x", by=10)]), x=10)
        self.shows(together(start, [score("x", to=1)], [score("x", to=2)], clocks=(5, 4)), x=1)
        self.shows(together(start, [op("remove", "/b", "x")], [score("x", to=2)]), x=2)

    def test_registers(self):
        def seen(*values):
            return [op("observe", "/h", value) for value in values]

        self.assertEqual(alone(*seen("x", "y", "x", 1, 1.0)), {"h": 4})
        self.assertEqual(together(seen("x"), [op("unset", "/h")], seen("y")), {"h": 1})
        self.assertEqual(together(seen("x"), [op("unset", "/h")], seen("x")), {})  # it raised nothing
        self.assertLess(abs(alone(op("set", "/q", 0), *seen(*range(40)))["h"] - 40), 3)


class OutOfOrder(unittest.TestCase):
    def test_superseded_before_it_came(self):
        a, b = Replica(A), Replica(B)
        first = a.do(op("set", "/a", 1), clock=9)
        b.learn(a)
        second = b.do(op("set", "/a", 2), clock=1)
        self.assertEqual(model.document([second]), {"a": 2})
        self.assertEqual(model.document([second, first]), {"a": 2})

    def test_an_increment_brings_its_frame(self):
        a = Replica(A)
        a.do(op("increment", "/a", 1))
        second = a.do(op("increment", "/a", 2))
        self.assertEqual(model.document([second]), {"a": 3})


class Bytes(unittest.TestCase):
    def test_msgpack(self):
        for value, expected in [
            (None, "c0"), (False, "c2"), (True, "c3"), (0, "00"), (127, "7f"), (128, "cc80"), (256, "cd0100"),
            (65536, "ce00010000"), (2**32, "cf0000000100000000"), (-1, "ff"), (-32, "e0"), (-33, "d0df"),
            (-129, "d1ff7f"), (-32769, "d2ffff7fff"), (-(2**63), "d38000000000000000"), (1.0, "cb3ff0000000000000"),
            (-0.0, "cb0000000000000000"), ("é", "a2c3a9"), ("x" * 32, "d920" + "78" * 32), (b"\x01", "c40101"),
            ([1, [2]], "92019102"), ({"b": 1, "a": 2}, "82a16102a16201"), ([0] * 16, "dc0010" + "00" * 16),
        ]:
            self.assertEqual(wire.msgpack(value).hex(), expected)

    def test_order_of_set_elements(self):
        self.assertEqual(alone(*[op("add", "/a", v) for v in (-1, "", 1, True, None, 200)]),
                         {"a": [1, "", None, True, 200, -1]})


class Types(unittest.TestCase):
    def test_flags(self):
        self.assertEqual(together([switch("enable", "/f")], [switch("enable", "/f")], [switch("disable", "/f")]),
                         {"f": True})
        self.assertEqual(together([make("/f", "flag_dw")], [switch("enable", "/f")], [switch("disable", "/f")]),
                         {"f": False})
        self.assertEqual(alone(switch("enable", "/f"), switch("disable", "/f")), {"f": False})
        self.assertEqual(alone(switch("disable", "/f"), op("set", "/f", True)), {"f": True})

    def test_remove_wins(self):
        start = [make("/s", "set_rw"), op("add", "/s", 1), op("add", "/s", 2)]
        self.assertEqual(together(start, [op("add", "/s", 1)], [op("remove", "/s", 1)]), {"s": [2]})
        self.assertEqual(together(start, [op("add", "/s", 3)], [op("remove", "/s", 3)]), {"s": [1, 2]})
        self.assertEqual(alone(*start, op("remove", "/s", 1), op("add", "/s", 1)), {"s": [1, 2]})
        self.assertEqual(alone(*start, switch("unset", "/s"), make("/s", "set_rw")), {"s": []})
        self.assertEqual(together(start, [switch("unset", "/s")], [op("add", "/s", 5)]), {"s": [5]})

    def test_multi_value(self):
        start = [make("/m", "mvregister")]
        self.assertEqual(together(start, [op("set", "/m", 2)], [op("set", "/m", [1])]), {"m": [2, [1]]})
        self.assertEqual(together(start, [op("set", "/m", 2)], [op("set", "/m", 2)]), {"m": [2]})
        self.assertEqual(alone(*start, op("set", "", {"m": [3, 1, 3]})), {"m": [1, 3]})

    def test_min(self):
        self.assertEqual(alone(op("min", "/l", 3), op("min", "/l", 5), op("min", "/l", 2.5)), {"l": 2.5})
        self.assertEqual(alone(op("min", "/l", 3), op("set", "/l", 7)), {"l": 7})

    def test_made_empty(self):
        self.assertEqual(alone(make("/s", "set")), {"s": []})
        self.assertEqual(alone(make("/s", "set"), op("add", "/s", 1), op("remove", "/s", 1)), {"s": []})
        self.assertEqual(alone(make("/x", "max")), {"x": None})
        self.assertEqual(alone(make("/c", "counter"), make("/r", "register"), make("/m", "map")),
                         {"c": 0, "m": {}, "r": None})
        self.assertEqual(together([make("/s", "set")], [switch("unset", "/s")], [op("add", "/s", 1)]), {"s": [1]})


if __name__ == "__main__":
    unittest.main()
