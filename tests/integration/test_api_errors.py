"""Bad input, preconditions, diffs, batches and retries against a real node with a real store.

usage: test_api_errors.py GLOBALSTATE

Each refusal is a problem document with a stable code that names what is wrong, and leaves no trace: neither the
aggregate's version nor the region's vector moves.
"""
import sys, threading, time, unittest, uuid

from cluster import Cluster
from http_client import token

PROGRAM = sys.argv.pop(1)
INT64_MAX = 2**63 - 1


def event(id="p", ops=(), type="player", **more):
    return {"aggregateType": type, "aggregateId": id, "eventType": "test.event", "ops": list(ops), **more}


def increment(by=1, path="/gold"):
    return {"op": "increment", "path": path, "by": by}


def put(path, value):
    return {"op": "set", "path": path, "value": value}


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(PROGRAM, regions=("eu-west",))
        cls.addClassCleanup(cls.cluster.close)
        cls.node = cls.cluster["eu-west"]

    def setUp(self):
        self.id = uuid.uuid4().hex[:12]
        self.path = "/state/player/" + self.id
        self.client = self.node.client()
        self.addCleanup(self.client.close)
        self.addCleanup(self.cluster.check_logs)

    def call(self, *args, **options):
        return self.client.call(*args, **options)

    def made(self, *ops):
        """The test's aggregate, made with these ops."""
        answer = self.call("PATCH", self.path, {"ops": list(ops) or [increment(5)]})
        self.assertEqual(answer.status, 200, answer)
        return answer

    def snapshot(self):
        """All that a write could have moved."""
        answer = self.call("GET", self.path)
        shown = answer.body if answer.status == 200 else answer.status
        status = self.call("GET", "/cluster").json
        return shown, answer.headers.get("etag"), status["vector"], status["counters"]["aggregates"]

    def problem(self, answer, status, code, field=None):
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, "application/problem+json"), answer)
        document = answer.json
        self.assertEqual((document["code"], document["status"]), (code, status), answer)
        self.assertTrue(document["title"] and document["detail"] and document["type"] and document["requestId"])
        if field is not None:
            self.assertEqual(document.get("field"), field, answer)
        return document

    def refused(self, status, code, field, *args, **options):
        """The call is answered so, and nothing is applied."""
        before = self.snapshot()
        document = self.problem(self.call(*args, **options), status, code, field)
        self.assertEqual(self.snapshot(), before, args)
        return document


class BadInput(Api):
    def test_malformed_json(self):
        self.made()
        deep = b'{"ops":[{"op":"set","path":"/a","value":' + b"[" * 40 + b"]" * 40 + b"}]}"
        cases = {b"": "malformed_json", b"{": "malformed_json", b'{"ops":[}': "malformed_json",
                 b"{} {}": "malformed_json",
                 b'{"ops":[],"ops":[]}': "duplicate_key",
                 b'{"ops":[{"op":"set","path":"/a","value":{"x":1,"x":2}}]}': "duplicate_key",
                 b'{"ops":[{"op":"set","path":"/a","value":"\xc3\x28"}]}': "invalid_utf8",
                 b'{"ops":[{"op":"set","path":"/a","value":"\\ud800"}]}': "invalid_utf8",
                 b'{"ops":[{"op":"increment","path":"/gold","by":9223372036854775808}]}': "number_out_of_range",
                 deep: "too_deep"}
        for body, code in cases.items():
            self.refused(400, code, None, "PATCH", self.path, body)

    def test_depth(self):
        def nest(depth):
            value = 1
            for _ in range(depth):
                value = {"a": value}
            return value
        self.assertEqual(self.call("PUT", self.path, nest(16)).status, 201)
        self.assertEqual(self.call("GET", self.path).json["state"], nest(16))
        for depth in (17, 100, 5000):
            body = b'{"a":' * depth + b"1" + b"}" * depth
            self.refused(400, "too_deep", None, "PUT", self.path, body)

    def test_wrong_types(self):
        self.made(increment(5), put("/name", "x"), {"op": "add", "path": "/tags", "value": "t"}, put("/map", {"k": 1}))
        for op in (increment(1, "/name"), increment(1, "/tags"), increment(1, "/map"), put("/gold", "seven"),
                   put("/gold", {"a": 1}), put("/tags", 1), {"op": "add", "path": "/gold", "value": 1},
                   {"op": "max", "path": "/name", "by": 1}, {"op": "remove", "path": "/name", "value": 1},
                   put("/name/first", "x"), increment(1, "/gold/deep")):
            document = self.refused(422, "type_mismatch", None, "PATCH", self.path, {"ops": [op]})
            self.assertTrue(document["field"].startswith("/ops/0"), document)
        for op in ({"op": "increment", "path": "/gold", "by": "1"}, {"op": "increment", "path": "/gold", "by": 1.5},
                   {"op": "increment", "path": "/gold", "by": None}, {"op": "increment", "path": "/gold"},
                   {"op": "set", "path": 7, "value": 1}, {"op": 7, "path": "/a"}, {"path": "/a"},
                   "increment", 7, None, []):
            before = self.snapshot()
            answer = self.call("PATCH", self.path, {"ops": [op]})
            self.assertIn(answer.status, (400, 422), (op, answer))
            document = self.problem(answer, answer.status, answer.json["code"])
            self.assertTrue(document["field"].startswith("/ops/0"), (op, document))
            self.assertEqual(self.snapshot(), before)

    def test_unknown_op(self):
        self.made()
        ops = [increment(), {"op": "explode", "path": "/a"}]
        self.refused(422, "unknown_op", "/ops/1/op", "PATCH", self.path, {"ops": ops})
        self.refused(422, "unknown_op", "/ops/0/op", "POST", "/events", event(self.id, [{"op": "", "path": "/a"}]))

    def test_paths(self):
        self.made()
        for path in ("gold", "/a~2", "/a~", "a/b"):
            self.refused(422, "invalid_path", "/ops/0/path", "PATCH", self.path, {"ops": [increment(1, path)]})

    def test_counter_overflow(self):
        self.made(increment(INT64_MAX))
        self.refused(422, "counter_overflow", "/ops/0/by", "PATCH", self.path, {"ops": [increment(1)]})
        self.refused(422, "counter_overflow", "/ops/1/by", "PATCH", self.path, {"ops": [increment(-1), increment(2)]})
        self.refused(422, "counter_overflow", None, "POST", "/events", event(self.id, [increment(INT64_MAX)]))
        self.assertEqual(self.call("PATCH", self.path, {"ops": [increment(-1), increment(1)]}).status, 200)
        self.assertEqual(self.call("GET", self.path).json["state"]["gold"], INT64_MAX)

    def test_ids(self):
        self.made()
        longest, over = "x" * 128, "x" * 129
        self.refused(400, "invalid_argument", "/aggregateId", "POST", "/events", event(over, [increment()]))
        self.refused(400, "invalid_argument", "/aggregateType", "POST", "/events", event("p", [increment()], type=over))
        self.refused(400, "invalid_argument", "/aggregateId", "POST", "/events", event("", [increment()]))
        self.refused(400, "invalid_argument", "/aggregateId", "POST", "/events", event("a/b", [increment()]))
        self.refused(400, "invalid_argument", "/eventType", "POST", "/events", {**event(self.id), "eventType": over})
        self.refused(400, "invalid_argument", "aggregateId", "PUT", "/state/player/" + over, {"a": 1})
        self.refused(400, "invalid_argument", "aggregateType", "PUT", f"/state/{over}/p", {"a": 1})
        self.refused(400, "invalid_argument", "Idempotency-Key", "PATCH", self.path, {"ops": [increment()]},
                     headers={"Idempotency-Key": "k" * 256})
        self.assertEqual(self.call("POST", "/events", event(longest, [increment()], type=longest)).status, 201)

    def test_unknown_members(self):
        self.made()
        self.refused(400, "invalid_argument", "/gold", "PATCH", self.path, {"ops": [increment()], "gold": 1})
        self.refused(400, "invalid_argument", "/colour", "POST", "/events", event(self.id, [increment()], colour="red"))
        for missing in ("aggregateType", "aggregateId", "eventType"):
            body = {name: value for name, value in event(self.id, [increment()]).items() if name != missing}
            self.refused(400, "invalid_argument", "/" + missing, "POST", "/events", body)

    def test_size(self):
        self.made()
        body = b'{"name":"' + b"x" * (1024 * 1024) + b'"}'
        before = self.snapshot()
        try:
            answer = self.node.call("PUT", self.path, body)
            self.problem(answer, 413, "too_large")
        except OSError:
            pass  # the answer may be lost when the node closes on a body that is still being sent
        self.assertEqual(self.snapshot(), before)
        self.refused(422, "too_large", "/ops", "PATCH", self.path, {"ops": [increment()] * 1001})
        self.refused(422, "too_large", "/events", "POST", "/events", {"events": [event(self.id, [increment()])] * 1001})

    def test_size_alone(self):
        """Announced and not sent: the refusal does not wait for the body."""
        self.made()
        self.refused(413, "too_large", None, "PUT", self.path, headers={"Content-Length": str(1024 * 1024 + 1)})
        self.refused(413, "too_large", None, "PUT", self.path, headers={"Content-Length": "9" * 18})


class Access(Api):
    def test_tokens(self):
        self.made()
        write = ("PATCH", self.path, {"ops": [increment()]})
        good = token()
        bad = {"none": "", "junk": "junk", "other secret": token(secret="x" * 40),
               "expired": token(exp=int(time.time()) - 120),
               "not yet": token(nbf=int(time.time()) + 600), "cut": good[:-2], "no exp": token(exp=None),
               "alg none": token(header={"alg": "none", "typ": "JWT"}), "alg EdDSA": token(header={"alg": "EdDSA"}),
               "no subject": token(subject="")}
        for name, bearer in bad.items():
            with self.subTest(name):
                self.refused(401, "unauthorized", None, *write, bearer=bearer)
        for scope in ("", "state:read", "events:write", "sync:read sync:write audit:read"):
            self.refused(403, "forbidden", None, *write, bearer=token("s", scope))
            if "events:write" not in scope:
                self.refused(403, "forbidden", None, "POST", "/events", event(self.id, [increment()]),
                             bearer=token("s", scope))
        limited = token("s", "state:read state:write events:write", aggregates=["guild/*"])
        self.refused(403, "forbidden", None, *write, bearer=limited)
        self.refused(403, "forbidden", None, "POST", "/events", event(self.id, [increment()]), bearer=limited)
        both = {"eventType": "x", "changes": [
            {"aggregateType": type, "aggregateId": self.id, "ops": [increment()]} for type in ("guild", "player")]}
        self.refused(403, "forbidden", "/changes/1", "POST", "/events", both, bearer=limited)
        self.assertEqual(self.call(*write, bearer=token("s", "state:write")).status, 200)

    def test_open_without_a_token(self):
        for path in ("/health", "/health/live", "/health/ready"):
            self.assertEqual(self.call("GET", path, bearer="").status, 200)


class Preconditions(Api):
    def test_expected_version(self):
        self.made()
        self.assertEqual(self.call("PATCH", self.path, {"ops": [increment()], "expectedVersion": 1}).json["version"], 2)
        for wrong in (0, 1, 3, 2**62):
            document = self.refused(409, "version_conflict", "/expectedVersion", "PATCH", self.path,
                                    {"ops": [increment()], "expectedVersion": wrong})
            self.assertEqual(document["currentVersion"], 2)
            document = self.refused(409, "version_conflict", "/expectedVersion", "POST", "/events",
                                    event(self.id, [increment()], expectedVersion=wrong))
            self.assertEqual(document["currentVersion"], 2)
        right = event(self.id, [increment()], expectedVersion=2)
        self.assertEqual(self.call("POST", "/events", right).json["version"], 3)
        new = event(self.id + "n", [increment()], expectedVersion=0)
        self.assertEqual([self.call("POST", "/events", new).status for _ in range(2)], [201, 409])

    def test_etags(self):
        etag = self.made().headers["etag"]
        for method, body in (("PUT", {"gold": 9}), ("PATCH", {"ops": [increment()]}), ("DELETE", None)):
            document = self.refused(412, "precondition_failed", "If-Match", method, self.path, body,
                                    headers={"If-Match": '"00000000000000000000000000000000"'})
            self.assertEqual(document["currentVersion"], 1)
        document = self.refused(412, "precondition_failed", "If-None-Match", "PUT", self.path, {"a": 1},
                                headers={"If-None-Match": "*"})
        self.assertEqual(document["currentVersion"], 1)
        second = self.call("PUT", self.path, {"gold": 6}, headers={"If-Match": etag})
        self.assertEqual((second.status, second.json["version"]), (200, 2))
        self.refused(412, "precondition_failed", "If-Match", "PUT", self.path, {"gold": 7}, headers={"If-Match": etag})
        fresh = self.path + "-new"
        self.assertEqual(self.call("PUT", fresh, {"a": 1}, headers={"If-None-Match": "*"}).status, 201)
        self.assertEqual(self.call("GET", self.path, headers={"If-None-Match": second.headers["etag"]}).status, 304)

    def test_one_of_many_wins(self):
        """Concurrent writers of one version: exactly one is let through."""
        self.made()
        clients = [self.node.client() for _ in range(8)]
        statuses = []
        def attempt(client):
            statuses.append(client.call("PATCH", self.path, {"ops": [increment()], "expectedVersion": 1}).status)
            client.close()
        threads = [threading.Thread(target=attempt, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(statuses), [200] + [409] * 7)


class Writing(Api):
    def test_put_writes_the_difference(self):
        """What a PUT does not change is not written: a counter's concurrent increments survive a rename."""
        self.assertEqual(self.call("PUT", self.path, {"name": "a", "level": 3, "pos": {"x": 1, "y": 2}}).status, 201)
        self.call("PATCH", self.path, {"ops": [increment(10)]})
        read = self.call("GET", self.path).json
        self.assertEqual(read["state"], {"name": "a", "level": 3, "pos": {"x": 1, "y": 2}, "gold": 10})
        changed = {**read["state"], "name": "b", "pos": {"x": 5, "y": 2}}
        done = self.call("PUT", self.path, changed)
        self.assertEqual((done.status, done.json["state"], done.json["version"]), (200, changed, read["version"] + 1))
        same = self.call("PUT", self.path, changed)
        self.assertEqual((same.status, same.json["state"]), (200, changed))
        gone = self.call("PUT", self.path, {"name": "b"})
        self.assertEqual((gone.status, gone.json["state"]), (200, {"name": "b"}))

    def test_patch_and_delete(self):
        ops = [put("/name", "n"), increment(3), {"op": "add", "path": "/tags", "value": "t"},
               {"op": "max", "path": "/best", "by": 4}]
        self.assertEqual(self.made(*ops).json["state"], {"name": "n", "gold": 3, "tags": ["t"], "best": 4})
        ops = [{"op": "unset", "path": "/name"}, increment(-1), {"op": "remove", "path": "/tags", "value": "t"},
               {"op": "max", "path": "/best", "by": 2}]
        state = self.call("PATCH", self.path, {"ops": ops}).json["state"]
        self.assertEqual({name: value for name, value in state.items() if value != []}, {"gold": 2, "best": 4})
        gone = self.call("DELETE", self.path)
        self.assertEqual((gone.status, gone.body), (204, b""))
        self.refused(404, "not_found", None, "GET", self.path)
        self.refused(404, "not_found", None, "DELETE", self.path)
        again = self.call("PATCH", self.path, {"ops": [increment(1)]})
        self.assertEqual(again.json["state"], {"gold": 1})

    def test_ops_are_all_or_nothing(self):
        self.made()
        self.refused(422, "unknown_op", "/ops/2/op", "PATCH", self.path,
                     {"ops": [increment(1), put("/x", 1), {"op": "no", "path": "/y"}]})

    def test_several_aggregates(self):
        other = "/state/player/" + self.id + "-b"
        self.made(increment(10))
        trade = {"eventType": "trade", "changes": [
            {"aggregateType": "player", "aggregateId": self.id, "ops": [increment(-4)]},
            {"aggregateType": "player", "aggregateId": self.id + "-b", "ops": [increment(4)], "expectedVersion": 0}]}
        self.assertEqual(self.call("POST", "/events", trade).status, 201)
        golds = [self.call("GET", path).json["state"]["gold"] for path in (self.path, other)]
        self.assertEqual(golds, [6, 4])
        self.refused(409, "version_conflict", None, "POST", "/events", trade)
        trade["changes"][1] = {"aggregateType": "player", "aggregateId": self.id + "-b", "ops": [increment(2**63 - 4)]}
        self.refused(422, "counter_overflow", None, "POST", "/events", trade)
        self.assertEqual(self.call("GET", other).json["state"]["gold"], 4)

    def bad_item(self):
        return event(self.id, [{"op": "explode", "path": "/a"}])

    def test_batch(self):
        batch = {"events": [event(self.id, [increment(1)]), self.bad_item(), event(self.id, [increment(2)]),
                            event(self.id, [increment(4)], expectedVersion=9), event("a b", [increment()])]}
        answer = self.call("POST", "/events", batch)
        self.assertEqual(answer.status, 207, answer)
        items = answer.json["events"]
        self.assertEqual([item.get("version") for item in items], [1, None, 2, None, None])
        codes = [item.get("error", {}).get("code") for item in items]
        self.assertEqual(codes, [None, "unknown_op", None, "version_conflict", "invalid_argument"])
        self.assertEqual(items[1]["error"]["field"], "/events/1/ops/0/op")
        self.assertEqual(items[3]["error"]["currentVersion"], 2)
        self.assertEqual(self.call("GET", self.path).json["state"], {"gold": 3})

    def test_atomic_batch(self):
        good = event(self.id, [increment(1)])
        self.refused(422, "unknown_op", "/events/1/ops/0/op", "POST", "/events",
                     {"atomic": True, "events": [good, self.bad_item(), good]})
        stale = event(self.id, [increment()], expectedVersion=7)
        self.refused(409, "version_conflict", "/events/2/expectedVersion", "POST", "/events",
                     {"atomic": True, "events": [good, good, stale]})
        done = self.call("POST", "/events", {"atomic": True, "events": [good, good]})
        self.assertEqual((done.status, [item["version"] for item in done.json["events"]]), (201, [1, 2]))

    def test_keep_alive(self):
        """A hundred requests on one connection, refusals among them."""
        self.made()
        connection = self.client.connection
        for i in range(100):
            op = increment() if i % 3 else {"op": "no", "path": "/a"}
            status = self.call("PATCH", self.path, {"ops": [op]}).status
            self.assertEqual(status, 200 if i % 3 else 422)
        self.assertIs(self.client.connection, connection)
        self.assertEqual(self.call("GET", self.path).json["state"]["gold"], 5 + 66)


class Retries(Api):
    def same(self, first, again):
        """The earlier event; only the vector is the aggregate's present one."""
        self.assertEqual((again.status, again.headers.get("idempotency-replayed")), (200, "true"), again)
        self.assertEqual({**first.json, "vectorClock": None}, {**again.json, "vectorClock": None})

    def test_across_restarts(self):
        single = (event(self.id, [increment(1)]), {"Idempotency-Key": uuid.uuid4().hex})
        batch = ({"events": [event(self.id, [increment(10)]), event("a b"), event(self.id, [increment(100)])]},
                 {"Idempotency-Key": uuid.uuid4().hex})
        patch = ({"ops": [increment(1000)]}, {"Idempotency-Key": uuid.uuid4().hex})
        first = self.call("POST", "/events", *single)
        first_batch = self.call("POST", "/events", *batch)
        first_patch = self.call("PATCH", self.path, *patch)
        self.assertEqual((first.status, first_batch.status, first_patch.status), (201, 207, 200))
        for end in (self.node.kill, self.node.stop, self.node.kill):
            end()
            self.client.close()
            self.node.start()
            vector = self.node.status()["vector"]
            self.same(first, self.call("POST", "/events", *single))
            again = self.call("POST", "/events", *batch)
            ids = [[item.get("eventId") for item in answer.json["events"]] for answer in (first_batch, again)]
            self.assertEqual(ids[0], ids[1])
            self.assertEqual(self.call("PATCH", self.path, *patch).headers.get("idempotency-replayed"), "true")
            self.problem(self.call("POST", "/events", event(self.id, [increment(2)]), single[1]), 409,
                         "idempotency_key_reused", "Idempotency-Key")
            self.assertEqual(self.call("GET", self.path).json["state"], {"gold": 1111})
            self.assertEqual(self.node.status()["vector"], vector)

    def test_keys_belong_to_their_subject(self):
        key = {"Idempotency-Key": uuid.uuid4().hex}
        for subject in ("one", "two"):
            answer = self.call("POST", "/events", event(self.id, [increment()]), key, bearer=token(subject))
            self.assertEqual(answer.status, 201)
        self.assertEqual(self.call("GET", self.path).json["state"], {"gold": 2})

    def test_in_another_region(self):
        """A retry elsewhere is recognised once the first has arrived there."""
        with Cluster(PROGRAM, regions=("eu-west", "us-east")) as cluster:
            cluster.wait_linked()
            key, sent = {"Idempotency-Key": uuid.uuid4().hex}, event(self.id, [increment(7)])
            first = cluster["eu-west"].call("POST", "/events", sent, key)
            self.assertEqual(first.status, 201)
            cluster.wait_converged()
            again = cluster["us-east"].call("POST", "/events", sent, key)
            self.assertEqual((again.status, again.json["eventId"]), (200, first.json["eventId"]))
            cluster.wait_converged()
            for node in cluster:
                self.assertEqual(node.state("player/" + self.id), {"gold": 7})


if __name__ == "__main__":
    unittest.main()
