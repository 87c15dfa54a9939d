"""Any sequence of PUT, PATCH, POST, DELETE and GET with preconditions, from concurrent clients, is linearizable for
each aggregate on one node.  usage: test_linearizable.py GLOBALSTATE [SEED [CALLS]]"""
import random, sys, threading, time, unittest

from cluster import Cluster
from linearizable import Call, check

PROGRAM = sys.argv.pop(1)
SEED = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else int(time.time())
CALLS = int(sys.argv.pop(1)) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 150
CLIENTS, AGGREGATES = 6, 3


class Client(threading.Thread):
    def __init__(self, node, seed, etags):
        super().__init__()
        self.client, self.random, self.etags = node.client(), random.Random(seed), etags
        self.known = {}  # aggregate → (version, etag) that it saw last
        self.history = []

    def run(self):
        for _ in range(CALLS):
            self.call(f"a{self.random.randrange(AGGREGATES)}")
        self.client.close()

    def precondition(self, kind, id):
        """(for the model, headers, expectedVersion)"""
        version, etag = self.known.get(id, (0, None))
        choice = self.random.randrange(6)
        if choice == 0 and etag:
            return ("version", version), {"If-Match": etag}, None
        if choice == 1 and kind != "event":
            return ("present", None), {"If-Match": "*"}, None
        if choice == 2 and kind != "event":
            return ("absent", None), {"If-None-Match": "*"}, None
        if choice == 3 and kind in ("patch", "event"):
            return ("version", version), {}, version
        return None, {}, None

    def request(self, kind, id, pre, headers, expected):
        """(method, path, body) of a call, and what the model is told of it."""
        path, expected = "/state/lin/" + id, {} if expected is None else {"expectedVersion": expected}
        if kind == "put":
            body = {"owner": self.random.choice("abc"), "tags": [self.random.randrange(3)]}
            return ("PUT", path, body), "put", body
        ops = [{"op": "increment", "path": "/count", "by": self.random.randrange(1, 4)}]
        if kind == "patch":
            return ("PATCH", path, {"ops": ops, **expected}), "patch", ops[0]["by"]
        if kind == "event":
            return ("POST", "/events", {"aggregateType": "lin", "aggregateId": id, "eventType": "x", "ops": ops,
                                        **expected}), "patch", ops[0]["by"]
        return ({"delete": "DELETE", "get": "GET"}[kind], path, None), kind, None

    def call(self, id):
        kind = self.random.choices(("get", "put", "patch", "event", "delete"), (4, 2, 3, 2, 1))[0]
        pre, headers, expected = self.precondition(kind, id) if kind != "get" else (None, {}, None)
        if kind == "event" and headers:
            pre, headers = None, {}
        request, model, body = self.request(kind, id, pre, headers, expected)
        begun = time.monotonic_ns()
        answer = self.client.call(*request, headers)
        ended = time.monotonic_ns()
        document = answer.json if answer.body else {}
        version = document.get("version", document.get("currentVersion"))
        status = 200 if kind == "event" and answer.status == 201 else answer.status
        if "etag" in answer.headers:
            self.known[id] = (version, answer.headers["etag"])
            self.etags.setdefault((id, version), set()).add(answer.headers["etag"])
        self.history.append((id, kind == "event", Call(begun, ended, model, body, pre, status, version,
                                                       document.get("state"))))


class Anything:
    """Equal to every document."""

    def __eq__(self, other):
        return True


def without_documents(history):
    """POST /events answers with the version only: its document is whatever the model says."""
    return [call._replace(document=Anything()) if blind and call.status == 200 else call for blind, call in history]


class Linearizable(unittest.TestCase):
    def test_concurrent_clients(self):
        with Cluster(PROGRAM, regions=["eu-west"]) as cluster:
            etags = {}
            clients = [Client(cluster["eu-west"], SEED * 100 + i, etags) for i in range(CLIENTS)]
            for client in clients: client.start()
            for client in clients: client.join()
            calls = [entry for client in clients for entry in client.history]
            self.assertEqual(len(calls), CLIENTS * CALLS)
            statuses = {call.status for _, _, call in calls}
            self.assertLessEqual({200, 201, 204, 404, 409, 412}, statuses, f"seed {SEED}")
            for id in sorted({id for id, _, _ in calls}):
                stuck = check(without_documents([(blind, call) for other, blind, call in calls if other == id]))
                self.assertIsNone(stuck, f"seed {SEED}, aggregate {id}")
            for key, seen in etags.items():
                self.assertEqual(len(seen), 1, f"seed {SEED}: two ETags of {key}")
            self.assertEqual(len({etag for seen in etags.values() for etag in seen}), len(etags), f"seed {SEED}")


class Checker(unittest.TestCase):
    """The checker itself: it takes what is right, in every order of time that allows it, and nothing else."""

    def test_sequential(self):
        put = Call(1, 2, "put", {"a": 1}, None, 201, 1, {"a": 1})
        get = Call(3, 4, "get", None, None, 200, 1, {"a": 1})
        self.assertIsNone(check([put, get]))
        self.assertIsNone(check([get, put]))
        self.assertIsNotNone(check([put, get._replace(status=404, version=None, document=None)]))
        self.assertIsNotNone(check([put, get._replace(document={"a": 2})]))
        self.assertIsNone(check([put, get._replace(begun=0, status=404, version=None, document=None)]))

    def test_lost_update(self):
        both = [Call(1, 9, "patch", 1, ("version", 0), 200, 1, {"count": 1}) for _ in range(2)]
        self.assertIsNotNone(check(both))
        self.assertIsNone(check([both[0], both[1]._replace(status=409, version=1, document=None)]))

    def test_stale_read(self):
        first = Call(1, 2, "patch", 1, None, 200, 1, {"count": 1})
        second = Call(3, 4, "patch", 1, None, 200, 2, {"count": 2})
        stale = Call(5, 6, "get", None, None, 200, 1, {"count": 1})
        self.assertIsNotNone(check([first, second, stale]))
        self.assertIsNone(check([first, second, stale._replace(begun=3)]))

    def test_refused_for_nothing(self):
        put = Call(1, 2, "put", {"a": 1}, None, 201, 1, {"a": 1})
        refused = Call(3, 4, "put", {"a": 2}, ("present", None), 412, 1, None)
        self.assertIsNotNone(check([put, refused]))


if __name__ == "__main__":
    unittest.main()
