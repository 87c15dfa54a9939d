"""State, lists, events and bodies over HTTP, before a real replica core.  usage: test_http.py SERVER"""
import json, threading, unittest

from http_api import Api, event, increment
from http_client import token


class States(Api):
    def test_put_get_patch_delete(self):
        path = "/state/player/" + self.new_id()
        self.problem(self.call("GET", path), 404, "not_found")
        made = self.call("PUT", path, {"gold": 5, "tags": ["a"], "deep": {"x": 1.5}})
        self.assertEqual(made.status, 201, made)
        self.assertEqual(made.json["state"], {"gold": 5, "tags": ["a"], "deep": {"x": 1.5}})
        got = self.call("GET", path)
        self.assertEqual((got.status, got.body, got.headers["etag"]), (200, made.body, made.headers["etag"]))
        self.assertEqual(got.headers["cache-control"], "no-store")
        self.assertEqual(got.headers["content-type"], "application/json")
        for name in ("aggregateType", "aggregateId", "version", "vectorClock", "state", "conflicts", "updatedAt",
                     "region"):
            self.assertIn(name, got.json)
        again = self.call("PUT", path, {"gold": 7})
        self.assertEqual((again.status, again.json["state"], again.json["version"]), (200, {"gold": 7}, 2))
        self.assertNotEqual(again.headers["etag"], got.headers["etag"])
        patched = self.call("PATCH", path, {"ops": [{"op": "set", "path": "/name", "value": "x"}], "eventType": "a.b",
                                            "data": {"why": 1}, "metadata": {"trace": "t"}, "expectedVersion": 2})
        self.assertEqual((patched.status, patched.json["state"]), (200, {"gold": 7, "name": "x"}))
        gone = self.call("DELETE", path)
        self.assertEqual((gone.status, gone.body), (204, b""))
        self.assertNotIn("content-length", gone.headers)
        self.problem(self.call("GET", path), 404, "not_found")
        self.problem(self.call("DELETE", path), 404, "not_found")

    def test_head_is_get_without_body(self):
        path = "/state/player/" + self.new_id()
        self.call("PUT", path, {"a": 1})
        get, head = self.call("GET", path), self.call("HEAD", path)
        self.assertEqual(head.status, 200)
        for name in ("content-length", "etag", "content-type"):
            self.assertEqual(head.headers[name], get.headers[name])

    def test_unchanged_put_is_no_event(self):
        path = "/state/player/" + self.new_id()
        self.call("PUT", path, {"n": "x"})
        self.call("PATCH", path, {"ops": [increment()]})
        self.assertEqual(self.call("PATCH", path, {"ops": [{"op": "remove", "path": "/none", "value": 1}]}).status, 200)

    def test_conditional_get(self):
        path = "/state/player/" + self.new_id()
        etag = self.call("PUT", path, {"a": 1}).headers["etag"]
        for value in (etag, f'"x", {etag}', "W/" + etag, "*", f'"x",W/{etag}'):
            answer = self.call("GET", path, headers={"If-None-Match": value})
            self.assertEqual((answer.status, answer.body, answer.headers["etag"]), (304, b"", etag), value)
        self.assertEqual(self.call("GET", path, headers={"If-None-Match": '"x"'}).status, 200)

    def test_conditional_writes(self):
        path = "/state/player/" + self.new_id()
        self.problem(self.call("PUT", path, {"a": 1}, {"If-Match": "*"}), 412, "precondition_failed", "If-Match")
        made = self.call("PUT", path, {"a": 1}, {"If-None-Match": "*"})
        self.assertEqual(made.status, 201)
        refused = self.problem(self.call("PUT", path, {"a": 2}, {"If-None-Match": "*"}), 412, "precondition_failed",
                               "If-None-Match")
        self.assertEqual(refused["currentVersion"], 1)
        for bad in ('"0000"', 'W/' + made.headers["etag"], '"' + "0" * 32 + '"', '"' + "0" * 200 + '"'):
            answer = self.problem(self.call("PUT", path, {"a": 3}, {"If-Match": bad}), 412, "precondition_failed",
                                  "If-Match")
            self.assertEqual(answer["currentVersion"], 1)
        self.assertEqual(self.call("PUT", path, {"a": 4}, {"If-Match": made.headers["etag"]}).json["version"], 2)
        self.problem(self.call("DELETE", path, headers={"If-Match": made.headers["etag"]}), 412, "precondition_failed",
                     "If-Match")
        self.problem(self.call("PATCH", path, {"ops": [increment()], "expectedVersion": 1}), 409, "version_conflict",
                     "/expectedVersion")
        for header, value in (("If-Match", "x"), ("If-Match", '"a", "b"'), ("If-None-Match", '"a"'), ("If-Match", "")):
            self.problem(self.call("PUT", path, {}, {header: value}), 400, "invalid_argument", header)

    def test_patch_that_makes_nothing(self):
        path = "/state/player/" + self.new_id()
        for _ in range(2):
            answer = self.call("PATCH", path, {"ops": [{"op": "remove", "path": "/items", "value": 1}]})
            self.assertEqual((answer.status, answer.body, "etag" in answer.headers), (204, b"", False), answer)
            self.problem(self.call("GET", path), 404, "not_found")
            self.call("PUT", path, {"n": 1})
            self.assertEqual(self.call("DELETE", path).status, 204)

    def test_put_wants_an_object(self):
        for body in (b"[]", b"1", b'"x"', b"null"):
            self.problem(self.call("PUT", "/state/player/p", body), 400, "invalid_argument")
        self.problem(self.call("DELETE", "/state/player/p", b"{}"), 400, "invalid_argument")

    def test_ops_that_do_not_fit(self):
        path = "/state/player/" + self.new_id()
        self.call("PATCH", path, {"ops": [increment(2**63 - 1), {"op": "set", "path": "/name", "value": "x"}]})
        cases = [({"op": "increment", "path": "/name", "by": 1}, 422, "type_mismatch", "/ops/0"),
                 (increment(1), 422, "counter_overflow", "/ops/0"),
                 ({"op": "explode", "path": "/a"}, 422, "unknown_op", "/ops/0/op"),
                 ({"op": "set", "path": "a", "value": 1}, 422, "invalid_path", "/ops/0/path")]
        before = self.call("GET", path).body
        for op, status, code, field in cases:
            answer = self.call("PATCH", path, {"ops": [op]})
            self.assertTrue(answer.json.get("field", "").startswith("/ops/0"), answer)
            document = self.problem(answer, status, code, answer.json["field"])
            self.assertEqual(document["violations"][0]["rule"], code)
        for body, field in (({"ops": [increment()], "x": 1}, "/x"), ({}, "/ops"), ({"ops": {}}, "/ops"), ([], None),
                            ({"ops": [{"op": "set", "path": "/a", "value": 1, "no": 1}]}, "/ops/0/no"),
                            ({"ops": [increment()], "expectedVersion": -1}, "/expectedVersion"),
                            ({"ops": [increment()], "expectedVersion": "1"}, "/expectedVersion"),
                            ({"ops": [increment()], "eventType": "gs.ack"}, "/eventType"),
                            ({"ops": [increment()], "eventType": ""}, "/eventType"),
                            ({"ops": [increment()], "data": 1}, "/data"),
                            ({"ops": [increment()], "metadata": []}, "/metadata")):
            self.problem(self.call("PATCH", path, body), 400, "invalid_argument", field)
        self.assertEqual(self.call("GET", path).body, before)

    def test_names(self):
        for path, field in (("/state/a%20b/x", "aggregateType"), ("/state/a/x%2Fy", "aggregateId"),
                            ("/state/a/", "aggregateId"),
                            ("/state//x", "aggregateType"), ("/state/a/" + "x" * 129, "aggregateId"),
                            ("/state/a/%C3%A4", "aggregateId"), ("/state/a/b!", "aggregateId")):
            self.problem(self.call("GET", path), 400, "invalid_argument", field)
            if path != "/state/a/":
                self.problem(self.call("PUT", path, {}), 400, "invalid_argument", field)
        self.assertEqual(self.call("PUT", "/state/a/" + "x" * 128, {}).status, 201)
        self.assertEqual(self.call("GET", "/state/%61/" + "x" * 128).status, 200)

    def test_bad_targets(self):
        for path in ("/state/a/%00", "/state/a/%", "/state/a/%4", "/state/a/%zz", "/state/../a", "/state/a/%2e%2e",
                     "/state/a/.",
                     "/state/a/\xe4", "/state/a?limit=%00", "/state/a?limit=1&limit=2"):
            self.problem(self.call("GET", path), 400, "bad_request")
        self.assertIn('"atVersion"', self.call("GET", "/state/player/p?atVersion=1&atVersion=2").json["detail"])

    def test_replay(self):
        path, key = "/state/player/" + self.new_id(), {"Idempotency-Key": self.new_id()}
        first = self.call("PATCH", path, {"ops": [increment()]}, key)
        again = self.call("PATCH", path, {"ops": [increment()]}, key)
        self.assertEqual((again.status, again.json["state"]), (200, {"gold": 1}))
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        self.assertNotIn("idempotency-replayed", first.headers)
        self.problem(self.call("PATCH", path, {"ops": [increment(2)]}, key), 409, "idempotency_key_reused",
                     "Idempotency-Key")
        for method, target, body in (("DELETE", path, None), ("PUT", path, {"ops": [increment()]}),
                                     ("PATCH", path + "x", {"ops": [increment()]})):
            self.problem(self.call(method, target, body, key), 409, "idempotency_key_reused", "Idempotency-Key")
        other = self.call("PATCH", path, {"ops": [increment()]}, key, bearer=token("somebody else"))
        self.assertEqual(other.json["state"], {"gold": 2})
        for bad in ("", "x" * 256, "a b", "\xe4"):
            self.problem(self.call("PATCH", path, {"ops": []}, {"Idempotency-Key": bad}), 400, "invalid_argument",
                         "Idempotency-Key")
        gone = {"Idempotency-Key": self.new_id()}
        self.assertEqual([self.call("DELETE", path, headers=gone).status for _ in range(2)], [204, 204])


class Lists(Api):
    def test_pages(self):
        type = self.new_id()
        for i in range(5):
            self.call("PUT", f"/state/{type}/a{i}", {"n": i})
        self.call("DELETE", f"/state/{type}/a3")
        seen, cursor = [], ""
        while cursor is not None:
            page = self.call("GET", f"/state/{type}?limit=2{cursor and '&cursor=' + cursor}").json
            seen += [item["aggregateId"] for item in page["items"]]
            cursor = page["next"]
        self.assertEqual(seen, ["a0", "a1", "a2", "a4"])
        self.assertEqual(self.call("GET", "/state/nothing-of-this-type").json, {"items": [], "next": None})

    def test_parameters(self):
        for query, field in (("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=", "limit"),
                             ("limit", "limit"), ("limit=-1", "limit"), ("limit=99999999999", "limit"), ("cursor=",
                                 "cursor"),
                             ("cursor=a%20b", "cursor"), ("colour=red", None)):
            self.problem(self.call("GET", "/state/x?" + query), 400, "invalid_argument", field)
        self.problem(self.call("GET", "/state/x/y?limit=1"), 400, "invalid_argument")

    def test_read_many(self):
        a = self.new_id()
        self.call("PUT", "/state/player/" + a, {"n": 1})
        keys = [{"type": "player", "id": a}, {"type": "player", "id": "none"},
                {"aggregateType": "player", "aggregateId": a}]
        answer = self.call("POST", "/state/read", {"aggregates": keys})
        self.assertEqual(answer.status, 200)
        self.assertEqual([item and item["state"] for item in answer.json["items"]], [{"n": 1}, None, {"n": 1}])
        self.assertEqual(self.call("POST", "/state/read", {"aggregates": []}).json, {"items": []})
        for body, field in (({}, "/aggregates"), ({"aggregates": {}}, "/aggregates"), ([], None),
                            ({"aggregates": [1]}, "/aggregates/0"),
                            ({"aggregates": [{"type": "a"}]}, "/aggregates/0/id"), ({"aggregates": [{"id": "a"}]},
                                "/aggregates/0/type"),
                            ({"aggregates": [{"type": "a", "id": "b", "x": 1}]}, "/aggregates/0/x"),
                            ({"aggregates": [], "y~/": 1}, "/y~0~1")):
            self.problem(self.call("POST", "/state/read", body), 400, "invalid_argument", field)
        self.problem(self.call("POST", "/state/read", {"aggregates": keys[:1] * 1001}), 422, "too_large", "/aggregates")


class Events(Api):
    def test_single(self):
        id = self.new_id()
        sent = event(id=id, ops=[increment(3)], data={"a": [1, None]}, metadata={"m": True}, expectedVersion=0)
        answer = self.call("POST", "/events", sent)
        self.assertEqual(answer.status, 201, answer)
        got = answer.json
        self.assertRegex(got["eventId"], r"^[0-9a-f]{32}-\d+$")
        self.assertRegex(got["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(got["vectorClock"], {"eu-west": got["seq"]})
        for name, value in (("aggregateType", "player"), ("aggregateId", id), ("eventType", "test.event"),
                            ("version", 1),
                            ("region", "eu-west"), ("actor", "tester"), ("ops", sent["ops"]), ("data", sent["data"]),
                            ("metadata", sent["metadata"])):
            self.assertEqual(got[name], value)
        bare = {name: value for name, value in event(id=id).items() if name != "ops"}
        fact = self.call("POST", "/events", bare)
        self.assertEqual((fact.status, fact.json["ops"], fact.json["data"], fact.json["version"]), (201, [], {}, 2))
        conflict = self.problem(self.call("POST", "/events", sent), 409, "version_conflict", "/expectedVersion")
        self.assertEqual(conflict["currentVersion"], 2)

    def test_several_aggregates(self):
        a, b = self.new_id(), self.new_id()
        sent = {"eventType": "trade.done", "data": {"x": 1}, "changes": [
            {"aggregateType": "player", "aggregateId": a, "ops": [increment(-5)]},
            {"aggregateType": "player", "aggregateId": b, "ops": [increment(5)], "expectedVersion": 0}]}
        got = self.call("POST", "/events", sent)
        self.assertEqual(got.status, 201, got)
        self.assertNotIn("aggregateId", got.json)
        self.assertEqual([(c["aggregateId"], c["version"], c["ops"]) for c in got.json["changes"]],
                         [(a, 1, [increment(-5)]), (b, 1, [increment(5)])])
        self.assertTrue(all(c["vectorClock"] for c in got.json["changes"]))
        sent["changes"][0]["ops"] = [increment(-1)]
        self.problem(self.call("POST", "/events", sent), 409, "version_conflict", "/changes/1/expectedVersion")
        self.assertEqual(self.call("GET", "/state/player/" + a).json["state"], {"gold": -5})
        sent["changes"][1] = {"aggregateType": "player", "aggregateId": b, "ops": [increment(), increment(1, "gold")]}
        answer = self.call("POST", "/events", sent)
        self.problem(answer, 422, "invalid_path", answer.json["field"])
        self.assertTrue(answer.json["field"].startswith("/changes/1/ops/1"), answer)

    def test_several_aggregates_malformed(self):
        change = {"aggregateType": "player", "aggregateId": "x", "ops": []}
        for changes, code, status, field in (([], "invalid_argument", 400, "/changes"), ({}, "invalid_argument", 400,
            "/changes"),
                                             ([change, change], "invalid_argument", 400, "/changes/1"),
                                             ([{**change, "data": {}}], "invalid_argument", 400, "/changes/0/data"),
                                             ([{**change, "aggregateId": "a b"}], "invalid_argument", 400,
                                              "/changes/0/aggregateId"),
                                             ([change] * 257, "too_large", 422, "/changes")):
            self.problem(self.call("POST", "/events", {"eventType": "x", "changes": changes}), status, code, field)
        self.problem(self.call("POST", "/events", {**event(), "changes": [change]}), 400, "invalid_argument",
                     "/aggregateType")
        many = [{"aggregateType": "player", "aggregateId": f"m{i}", "ops": [increment()] * 501} for i in range(2)]
        self.problem(self.call("POST", "/events", {"eventType": "x", "changes": many}), 422, "too_large")

    def test_malformed(self):
        for change, field in (({"aggregateId": None}, "/aggregateId"), ({"aggregateType": 7}, "/aggregateType"),
                              ({"eventType": "a b"}, "/eventType"), ({"eventType": "x" * 129}, "/eventType"),
                              ({"aggregateId": "x" * 129}, "/aggregateId"), ({"colour": 1},
                                  "/colour"), ({"atomic": True}, "/atomic"),
                              ({"ops": None}, "/ops"), ({"data": "x"}, "/data"), ({"expectedVersion": 1.5},
                                  "/expectedVersion"),
                              ({"expectedVersion": None}, "/expectedVersion")):
            answer = self.call("POST", "/events", {**event(), **change})
            self.problem(answer, 400, "invalid_argument", field)
        for name in ("aggregateType", "aggregateId", "eventType"):
            body = {key: value for key, value in event().items() if key != name}
            self.assertEqual(self.problem(self.call("POST", "/events", body), 400, "invalid_argument",
                                          "/" + name)["detail"], "is missing")
        self.problem(self.call("POST", "/events", event(ops=[increment()] * 1001)), 422, "too_large", "/ops")

    def test_deep_data(self):
        def nest(depth):
            value = {}
            for _ in range(depth - 1):
                value = {"a": value}
            return value
        self.assertEqual(self.call("POST", "/events", event(data=nest(15))).status, 201)
        answer = self.call("POST", "/events", event(data=nest(17)))
        self.problem(answer, 400, "too_deep", "/data")

    def test_batch(self):
        id = self.new_id()
        answer = self.call("POST", "/events", {"events": [event(id=id, ops=[increment(i)]) for i in range(100)]})
        self.assertEqual(answer.status, 201)
        got = answer.json["events"]
        self.assertEqual([e["version"] for e in got], list(range(1, 101)))
        self.assertEqual([e["seq"] for e in got], list(range(got[0]["seq"], got[0]["seq"] + 100)))
        self.assertEqual(self.call("GET", "/state/player/" + id).json["state"], {"gold": sum(range(100))})
        for batch in ([], [event()] * 1001):
            status, code = (400, "invalid_argument") if not batch else (422, "too_large")
            self.problem(self.call("POST", "/events", {"events": batch}), status, code, "/events")
        self.problem(self.call("POST", "/events", {"events": {}}), 400, "invalid_argument", "/events")
        self.problem(self.call("POST", "/events", {"events": [event()], "x": 1}), 400, "invalid_argument", "/x")
        self.problem(self.call("POST", "/events", {"events": [event()], "atomic": 1}), 400, "invalid_argument",
                     "/atomic")
        self.assertEqual(self.call("POST", "/events", {"events": [event(id=self.new_id())] * 1000}).status, 201)

    def bad_batch(self, id):
        return [event(id=id, ops=[increment()]), event(id="a b"), "nonsense", event(id=id, expectedVersion=77),
                event(id=id, ops=[increment(), increment(1, "x")]), event(id=id, ops=[increment()], unknown=1),
                event(id=id, ops=[{"op": "add", "path": "/gold", "value": 1}]), event(id=id, ops=[increment()])]

    def test_batch_refusals_stand_in_their_place(self):
        id = self.new_id()
        answer = self.call("POST", "/events", {"events": self.bad_batch(id)})
        self.assertEqual(answer.status, 207, answer)
        items = answer.json["events"]
        self.assertEqual([item.get("error", {}).get("code") for item in items],
                         [None, "invalid_argument", "invalid_argument", "version_conflict", "invalid_path",
                          "invalid_argument",
                          "type_mismatch", None])
        self.assertEqual(items[1]["error"]["field"], "/events/1/aggregateId")
        self.assertEqual(items[2]["error"]["field"], "/events/2")
        self.assertEqual((items[3]["error"]["field"], items[3]["error"]["currentVersion"]),
                         ("/events/3/expectedVersion", 1))
        self.assertTrue(items[4]["error"]["field"].startswith("/events/4/ops/1"))
        self.assertEqual(items[5]["error"]["field"], "/events/5/unknown")
        self.assertTrue(items[6]["error"]["field"].startswith("/events/6/ops/0"))
        self.assertEqual([items[0]["version"], items[7]["version"]], [1, 2])
        self.assertEqual(self.call("GET", "/state/player/" + id).json["state"], {"gold": 2})
        alone = self.call("POST", "/events", {"events": [1, 2]})
        self.assertEqual((alone.status, [e["error"]["status"] for e in alone.json["events"]]), (207, [400, 400]))

    def test_atomic_batch(self):
        id = self.new_id()
        for culprit in (1, 2, 3, 4, 5, 6):
            answer = self.call("POST", "/events", {"atomic": True, "events": [self.bad_batch(id)[0],
                self.bad_batch(id)[culprit]]})
            self.assertIn(answer.status, (400, 409, 422))
            self.assertEqual(answer.headers["content-type"], "application/problem+json")
            self.assertTrue(answer.json["field"].startswith("/events/1"), answer)
            self.problem(self.call("GET", "/state/player/" + id), 404, "not_found")
        good = self.call("POST", "/events", {"atomic": True, "events": [event(id=id, ops=[increment()])] * 3})
        self.assertEqual((good.status, len(good.json["events"])), (201, 3))

    def test_idempotency(self):
        id, key = self.new_id(), {"Idempotency-Key": self.new_id()}
        single = event(id=id, ops=[increment()])
        first, again = [self.call("POST", "/events", single, key) for _ in range(2)]
        self.assertEqual((first.status, again.status, again.headers["idempotency-replayed"]), (201, 200, "true"))
        self.assertEqual(first.json, again.json)
        reordered = json.dumps(dict(reversed(single.items())), indent=3).encode()
        self.assertEqual(self.call("POST", "/events", reordered, key).json["seq"], first.json["seq"])
        self.problem(self.call("POST", "/events", {**single, "data": {}}, key), 409, "idempotency_key_reused",
                     "Idempotency-Key")
        key = {"Idempotency-Key": self.new_id()}
        batch = {"events": [single] * 3}
        first, again = [self.call("POST", "/events", batch, key) for _ in range(2)]
        self.assertEqual((first.status, again.status), (201, 200))
        self.assertEqual([e["seq"] for e in first.json["events"]], [e["seq"] for e in again.json["events"]])
        longer = self.call("POST", "/events", {"events": [single] * 3 + [single]}, key)
        self.assertEqual((longer.status, longer.headers["idempotency-replayed"]), (201, "true"))
        self.assertEqual(self.call("GET", "/state/player/" + id).json["state"], {"gold": 5})
        two = self.call("POST", "/events", single, {"Idempotency-Key": "a\r\nIdempotency-Key: b"})
        self.problem(two, 400, "bad_request", "Idempotency-Key")

    def test_concurrent_retries_count_once(self):
        id, key, seqs = self.new_id(), {"Idempotency-Key": self.new_id()}, []
        def send():
            seqs.append(self.call("POST", "/events", event(id=id, ops=[increment()]), key).json["seq"])
        threads = [threading.Thread(target=send) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        self.assertEqual((len(seqs), len(set(seqs))), (16, 1))
        self.assertEqual(self.call("GET", "/state/player/" + id).json["state"], {"gold": 1})


class Bodies(Api):
    def test_json_zoo(self):
        cases = [(b"", "malformed_json"), (b"{", "malformed_json"), (b"{}x", "malformed_json"),
                 (b"{'a':1}", "malformed_json"),
                 (b'{"a":1,}', "malformed_json"), (b"\x00", "malformed_json"), (b'{"a":NaN}', "malformed_json"),
                 (b'{"a":01}', "malformed_json"), (b'{"a":+1}', "malformed_json"), (b"\xef\xbb\xbf{}",
                     "malformed_json"),
                 (b'{"a":1,"a":2}', "duplicate_key"), (b'{"a":1,"\\u0061":2}', "duplicate_key"),
                 (b'{"a":"\xff"}', "invalid_utf8"), (b'{"a":"\xed\xa0\x80"}', "invalid_utf8"),
                 (b'{"a":"\\ud800"}', "invalid_utf8"), (b'{"a":"\xc0\xaf"}', "invalid_utf8"),
                 (b'{"a":9223372036854775808}', "number_out_of_range"), (b'{"a":-9223372036854775809}',
                     "number_out_of_range"),
                 (b'{"a":1e400}', "number_out_of_range"), (b'{"a":' + b"[" * 10000 + b"]" * 10000 + b"}", "too_deep"),
                 (b'{"a":' * 10000 + b"1" + b"}" * 10000, "too_deep"), (b"[" * 500000, "too_deep"),
                 (b'{"a":' + b"[" * 17 + b"]" * 17 + b"}", "too_deep")]
        for method, path in (("PUT", "/state/player/zoo"), ("PATCH", "/state/player/zoo"), ("POST", "/events"),
                             ("POST", "/state/read")):
            for body, code in cases:
                answer = self.call(method, path, body)
                if method != "PUT" and answer.json["code"] == "invalid_argument":
                    continue  # shallow enough for this route, and no member of it
                self.assertEqual((answer.status, answer.json["code"]), (400, code), (method, path, body[:40]))
        self.problem(self.call("GET", "/state/player/zoo"), 404, "not_found")

    def test_numbers_are_exact(self):
        path = "/state/player/" + self.new_id()
        body = b'{"a":9223372036854775807,"b":-9223372036854775808,"c":9007199254740993,"d":-0,"e":0.1,"f":1.0}'
        self.call("PUT", path, body)
        state = self.call("GET", path).body
        self.assertIn(b'"a":9223372036854775807,"b":-9223372036854775808,"c":9007199254740993,"d":0,"e":0.1,"f":1.0',
                      state)

    def test_sizes(self):
        filler = lambda size: b'{"a":"' + b"x" * (size - 8) + b'"}'
        exact = self.call("PUT", "/state/player/big", filler(1024 * 1024))
        self.assertIn(exact.status, (201, 422))
        self.problem(self.call("PUT", "/state/player/big", filler(1024 * 1024 + 1)), 413, "too_large")
        self.assertEqual(self.call("PUT", "/state/player/big2", filler(1000 * 1000)).status, 201)
        self.assertEqual(len(self.call("GET", "/state/player/big2").json["state"]["a"]), 1000 * 1000 - 8)
        nodes = b'{"aggregates":[' + b"0," * 300000 + b"0]}"
        self.problem(self.call("POST", "/state/read", nodes), 413, "too_large", "/aggregates/262141")

    def test_unicode(self):
        path, text = "/state/player/" + self.new_id(), "Prügelknabe \U0001f600 \u0000 \\ \" \x7f"
        self.assertEqual(self.call("PUT", path, {"n": text}).json["state"]["n"], text)


if __name__ == "__main__":
    unittest.main()
