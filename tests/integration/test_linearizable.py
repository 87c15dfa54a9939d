"""Any sequence of PUT (also against an older version), PATCH, POST, DELETE and GET with preconditions, of events over
several aggregates and of reads of several, from concurrent clients, is strictly serializable on one node.
usage: test_linearizable.py GLOBALSTATE [SEED [CALLS]]"""
import random, sys, threading, time, unittest

from cluster import Cluster
from linearizable import UNTOLD, Call, Part, check, difference

PROGRAM = sys.argv.pop(1)
SEED = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else int(time.time())
CALLS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 150
CLIENTS, AGGREGATES = 6, 3
KINDS = {"get": 4, "put": 2, "base": 3, "patch": 3, "event": 2, "delete": 1, "several": 3, "read": 3}


class Client(threading.Thread):
    def __init__(self, node, seed, etags):
        super().__init__()
        self.client, self.random, self.etags = node.client(), random.Random(seed), etags
        self.known = {}  # aggregate → (version, etag) that it saw last
        self.seen = {}  # aggregate → [(version, document)] that it saw
        self.history = []
        self.merged = 0  # PUTs that changed something, and whose base had others' writes after it

    def run(self):
        for _ in range(CALLS):
            kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
            if kind in ("several", "read"):
                ids = [f"a{i}" for i in self.random.sample(range(AGGREGATES), self.random.randrange(2, AGGREGATES + 1))]
                {"several": self.several, "read": self.read}[kind](ids)
            else:
                self.single(kind, f"a{self.random.randrange(AGGREGATES)}")
        self.client.close()

    def call(self, *request):
        """(when it began, when it ended, answer)"""
        begun = time.monotonic_ns()
        answer = self.client.call(*request)
        return begun, time.monotonic_ns(), answer

    def precondition(self, kind, id):
        """(for the model, headers, expectedVersion)"""
        version, etag = self.known.get(id, (0, None))
        choice = self.random.randrange(6)
        if choice == 0 and etag and kind != "event":
            return ("version", version), {"If-Match": etag}, None
        if choice == 1 and kind != "event":
            return ("present", None), {"If-Match": "*"}, None
        if choice == 2 and kind != "event":
            return ("absent", None), {"If-None-Match": "*"}, None
        if choice == 3 and kind in ("patch", "event"):
            return ("version", version), {}, version
        return None, {}, None

    def ops(self):
        """One op, as the API and as the model know it."""
        kind = self.random.choice(("increment", "increment", "add", "remove"))
        if kind == "increment":
            by = self.random.randrange(1, 4)
            return [{"op": kind, "path": "/count", "by": by}], [(kind, "count", by)]
        item = self.random.choice("pqr")
        return [{"op": kind, "path": "/items", "value": item}], [(kind, "items", item)]

    def document(self):
        return {"owner": self.random.choice("abc"), "tags": [self.random.randrange(3)]}

    def edited(self, document):
        """The document as a client would have it that changed some of it, and left some. Only counters and sets that
        are there already: a new number or list is a register."""
        after = {name: value for name, value in document.items() if name == "owner" or self.random.randrange(8)}
        after = after or dict(document)
        if self.random.randrange(2):
            after["owner"] = self.random.choice("abc")
        if "count" in after and self.random.randrange(2):
            after["count"] += self.random.randrange(-2, 3)
        if "items" in after and self.random.randrange(2):
            after["items"] = sorted(set(after["items"]) ^ {self.random.choice("pqr")})
        return after

    def base(self, id, pre, headers):
        """(Base-Version, body, pre, headers): a version that the client saw, seldom one that may not be there yet."""
        seen = self.seen.get(id, [(0, None)])
        version, document = self.random.choice(seen[-12:])
        if document is None or not self.random.randrange(10):
            return self.known.get(id, (0, None))[0] + self.random.randrange(3), self.document(), None, {}
        return version, self.edited(document), pre, headers

    def request(self, kind, id, ops, body, expected):
        path, expected = "/state/lin/" + id, {} if expected is None else {"expectedVersion": expected}
        if kind == "event":
            return "POST", "/events", {"aggregateType": "lin", "aggregateId": id, "eventType": "x", "ops": ops,
                                       **expected}
        if kind == "patch":
            return "PATCH", path, {"ops": ops, **expected}
        return {"put": "PUT", "base": "PUT", "delete": "DELETE", "get": "GET"}[kind], path, body

    def single(self, kind, id):
        pre, headers, expected = self.precondition(kind, id) if kind != "get" else (None, {}, None)
        ops, model, base = *self.ops(), None
        body = self.document() if kind == "put" else None
        if kind == "base":
            base, body, pre, headers = self.base(id, pre, headers)
            headers = {**headers, "Base-Version": str(base)}
        begun, ended, answer = self.call(*self.request(kind, id, ops, body, expected), headers)
        told = answer.json if answer.body else {}
        version, status = told.get("version", told.get("currentVersion")), answer.status
        document = told.get("state")
        if kind == "event" and status == 201:
            status, document = 200, UNTOLD
        if "etag" in answer.headers:
            self.known[id] = (version, answer.headers["etag"])
            self.etags.setdefault((id, version), set()).add(answer.headers["etag"])
            if document:
                self.seen.setdefault(id, []).append((version, document))
        if base is not None and status == 200 and base < version - 1 and body != document:
            self.merged += 1
        name = {"base": "put", "event": "patch"}.get(kind, kind)
        part = Part(id, name, model if name == "patch" else body, pre, base, status, version, document)
        self.history.append(Call(begun, ended, [part]))

    def several(self, ids):
        """One event that changes them all, or, if one of them is at another version than expected, none."""
        changes, parts = [], []
        for id in ids:
            (ops, model), (pre, _, expected) = self.ops(), self.precondition("event", id)
            changes.append({"aggregateType": "lin", "aggregateId": id, "ops": ops,
                            **({} if expected is None else {"expectedVersion": expected})})
            parts.append(Part(id, "patch", model, pre, None, None, None, UNTOLD))
        begun, ended, answer = self.call("POST", "/events", {"eventType": "x", "changes": changes})
        if answer.status == 201:
            parts = [part._replace(status=200, version=change["version"])
                     for part, change in zip(parts, answer.json["changes"], strict=True)]
        elif answer.status == 409:
            at = int(answer.json["field"].removeprefix("/changes/").removesuffix("/expectedVersion"))
            parts[at] = parts[at]._replace(status=409, version=answer.json["currentVersion"])
        else:  # which the model knows nothing of
            parts = [part._replace(status=answer.status) for part in parts]
        self.history.append(Call(begun, ended, parts))

    def read(self, ids):
        begun, ended, answer = self.call("POST", "/state/read",
                                         {"aggregates": [{"type": "lin", "id": id} for id in ids]})
        parts = [Part(id, "get", None, None, None, *((404, None, None) if item is None else
                                                     (200, item["version"], item["state"])))
                 for id, item in zip(ids, answer.json["items"], strict=True)]
        self.history.append(Call(begun, ended, parts))


class Linearizable(unittest.TestCase):
    def test_concurrent_clients(self):
        with Cluster(PROGRAM, regions=["eu-west"]) as cluster:
            etags = {}
            clients = [Client(cluster["eu-west"], SEED * 100 + i, etags) for i in range(CLIENTS)]
            for client in clients: client.start()
            for client in clients: client.join()
        calls = [call for client in clients for call in client.history]
        self.assertEqual(len(calls), CLIENTS * CALLS)
        self.assertLessEqual({200, 201, 204, 404, 409, 412}, {p.status for c in calls for p in c.parts}, f"seed {SEED}")
        several = {call.parts[0].kind + str(any(part.status == 409 for part in call.parts))
                   for call in calls if len(call.parts) > 1}
        self.assertEqual(several, {"getFalse", "patchFalse", "patchTrue"}, f"seed {SEED}")
        self.assertGreater(sum(client.merged for client in clients), 0, f"seed {SEED}")
        self.assertIsNone(check(calls), f"seed {SEED}")
        for key, seen in etags.items():
            self.assertEqual(len(seen), 1, f"seed {SEED}: two ETags of {key}")
        self.assertEqual(len({etag for seen in etags.values() for etag in seen}), len(etags), f"seed {SEED}")


def one(begun, ended, kind, body, pre, status, version, document, base=None):
    return Call(begun, ended, [Part("a", kind, body, pre, base, status, version, document)])


def many(begun, ended, *parts):
    return Call(begun, ended, list(parts))


def got(aggregate, count):
    """A read of what was incremented `count` times by 1."""
    told = (200, count, {"count": count}) if count else (404, None, None)
    return Part(aggregate, "get", None, None, None, *told)


def incremented(aggregate, version, pre=None, status=200):
    return Part(aggregate, "patch", [("increment", "count", 1)], pre, None, status, version, UNTOLD)


def again(call, **changes):
    times = {name: changes.pop(name) for name in ("begun", "ended") if name in changes}
    return call._replace(parts=[call.parts[0]._replace(**changes)], **times)


class Checker(unittest.TestCase):
    """The checker itself: it takes what is right, in every order of time that allows it, and nothing else."""

    def test_sequential(self):
        put = one(1, 2, "put", {"a": 1}, None, 201, 1, {"a": 1})
        get = one(3, 4, "get", None, None, 200, 1, {"a": 1})
        self.assertIsNone(check([put, get]))
        self.assertIsNone(check([get, put]))
        self.assertIsNotNone(check([put, again(get, status=404, version=None, document=None)]))
        self.assertIsNotNone(check([put, again(get, document={"a": 2})]))
        self.assertIsNone(check([put, again(get, begun=0, status=404, version=None, document=None)]))

    def test_lost_update(self):
        both = [one(1, 9, "patch", [("increment", "count", 1)], ("version", 0), 200, 1, {"count": 1}) for _ in "12"]
        self.assertIsNotNone(check(both))
        self.assertIsNone(check([both[0], again(both[1], status=409, version=1, document=None)]))

    def test_stale_read(self):
        first, second = many(1, 2, incremented("a", 1)), many(3, 4, incremented("a", 2))
        stale = many(5, 6, got("a", 1))
        self.assertIsNotNone(check([first, second, stale]))
        self.assertIsNone(check([first, second, stale._replace(begun=3)]))

    def test_refused_for_nothing(self):
        put = one(1, 2, "put", {"a": 1}, None, 201, 1, {"a": 1})
        refused = one(3, 4, "put", {"a": 2}, ("present", None), 412, 1, None)
        self.assertIsNotNone(check([put, refused]))

    def test_older_base(self):
        """What others changed since the base stays; what both changed is the client's; a field taken away is gone."""
        put = one(1, 2, "put", {"owner": "a", "tags": [1]}, None, 201, 1, {"owner": "a", "tags": [1]})
        patch = one(3, 4, "patch", [("increment", "count", 2), ("add", "items", "p"), ("set", "owner", "b")], None,
                    200, 2, {"owner": "b", "tags": [1], "count": 2, "items": ["p"]})
        merged = {"owner": "c", "count": 2, "items": ["p"]}
        late = one(5, 6, "put", {"owner": "c"}, None, 200, 3, merged, base=1)
        self.assertIsNone(check([put, patch, late]))
        self.assertIsNotNone(check([put, patch, again(late, document={"owner": "c"})]))
        self.assertIsNotNone(check([put, patch, again(late, base=2)]))
        self.assertIsNotNone(check([put, patch, again(late, document={**merged, "owner": "b"})]))
        self.assertIsNotNone(check([put, patch, again(late, base=3)]))
        self.assertIsNone(check([put, patch, again(late, base=3, status=409, version=2, document=None)]))
        self.assertIsNotNone(check([put, patch, again(late, base=1, status=409, version=2, document=None)]))
        nothing = one(7, 8, "put", {"owner": "a", "tags": [1]}, None, 200, 3, merged, base=1)
        self.assertIsNone(check([put, patch, late, nothing]))
        self.assertIsNotNone(check([put, patch, late, again(nothing, version=4)]))

    def test_difference_of_sets_and_counters(self):
        before = {"count": 5, "items": ["p", "q"]}
        self.assertEqual(difference(before, {"count": 3, "items": ["q", "r"]}),
                         [("increment", "count", -2), ("remove", "items", "p"), ("add", "items", "r")])
        self.assertEqual(difference(before, before), [])
        self.assertEqual(difference(None, before), [("replace", None, before)])

    def test_torn_write(self):
        """Whoever has seen one change of an event sees the others, too, whatever it asks for."""
        event = many(1, 9, incremented("a", 1), incremented("b", 1))
        self.assertIsNone(check([event, many(2, 3, got("a", 0)), many(4, 5, got("b", 1))]))
        self.assertIsNotNone(check([event, many(2, 3, got("a", 1)), many(4, 5, got("b", 0))]))
        self.assertIsNone(check([event, many(2, 5, got("a", 1)), many(4, 5, got("b", 0))]))
        self.assertIsNone(check([event, many(2, 5, got("a", 1), got("b", 1))]))
        self.assertIsNotNone(check([event, many(2, 5, got("a", 1), got("b", 0))]))

    def test_order_over_aggregates(self):
        """Each aggregate's history has an order, and the two of them together have none."""
        calls = [many(1, 9, incremented("a", 1)), many(1, 9, incremented("b", 1)),
                 many(2, 8, got("a", 1), got("b", 0)), many(2, 8, got("a", 0), got("b", 1))]
        self.assertIsNotNone(check(calls))
        self.assertIsNone(check(calls[:3]))
        self.assertIsNone(check(calls[:2] + calls[3:]))

    def test_refused_together(self):
        first = many(1, 2, incremented("b", 1))
        event = many(3, 4, incremented("a", None, status=None), incremented("b", 1, ("version", 0), 409))
        self.assertIsNone(check([first, event, many(5, 6, got("a", 0), got("b", 1))]))
        self.assertIsNotNone(check([first, event, many(5, 6, got("a", 1), got("b", 1))]))
        self.assertIsNotNone(check([event]))

    def test_gives_up(self):
        """So many orders that nobody can look at all of them: that is said, not passed."""
        calls = [many(1, 9, incremented(f"x{i}", 1)) for i in range(24)] + [many(1, 9, got("y", 1))]
        self.assertEqual(check(calls, steps=1000)[0], "undecided")


if __name__ == "__main__":
    unittest.main()
