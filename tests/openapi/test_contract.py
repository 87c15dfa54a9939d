"""Sends every operation of the OpenAPI document and checks every answer, refusals too, against the document.
usage: test_contract.py SERVER"""
import os, re, sys, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from http_client import SECRET, Server, token
from contract import Contract

PROGRAM = sys.argv.pop(1)
DEEP = b'{"a":' * 40 + b"1" + b"}" * 40
# Codes that this server cannot be brought to: they need a store, a load or a head that is malformed in ways of its own
# (test_http_framing.py), another region that decides (test_closing.py), or records that are gone (test_truncation.py).
# All else in the document must be seen.
UNREACHED = {"gone", "http_version_not_supported", "bad_request", "head_too_large", "expectation_failed",
             "unsupported_media_type", "request_timeout", "region_retired"}
# The fake gateway fails by address, and these have none.
NO_FAULTS = {"getCluster", "getClusterDigest", "getPeers", "getHistory", "getFeed",
             "rollBackState", "listAudit", "listConflicts", "listQuarantine", "getQuarantined", "releaseQuarantined",
             "listForks", "getFork", "decideFork",
             "listSyncs", "postSync", "getSync", "deleteSync", "retirePeer", "exportSubject",
             "eraseSubject"}

NEEDS_ANOTHER = {("rollBackState", 409, "insufficient_rights")}  # region that holds rights: test_bounded_counter.py


class Everything(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM, "secret=" + SECRET)
        answer = cls.server.call("GET", "/openapi.json", bearer="")
        assert answer.status == 200, answer
        cls.contract = Contract(answer.json)
        cls.ids = iter(range(10**9))
        items = cls.server.call("GET", "/quarantine").json["items"]
        cls.held = next(item["id"] for item in items if item["releasable"])
        cls.sync = cls.server.call("POST", "/sync", {"mode": "verify"}).json["syncId"]
        cls.fork = next(item["id"] for item in items if item["reason"] == "fork")
        forks = cls.server.call("GET", "/forks").json["items"]
        cls.located = next(item["origin"] for item in forks if item["located"])
        cls.unlocated = next(item["origin"] for item in forks if not item["located"])

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def new_id(self):
        return f"c-{next(self.ids)}"

    def call(self, method, target, *args, **options):
        """A call whose answer the document allows."""
        answer = self.server.call(method, target, *args, **options)
        self.contract.check(method, target, answer)
        return answer

    def path(self, operation, **values):
        values = {"region": "ap-south", "type": "player", "id": "ada", "heldId": self.held, "syncId": self.sync,
                  "forkOrigin": self.located, **values}
        return re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], "x"), operation.path)

    def seen(self, status, code=None):
        return any(s == status and (code is None or c == code) for _, s, c in self.contract.seen)

    def test_1_examples(self):
        """Every operation, with every body that the document shows, does something."""
        self.call("PUT", "/state/player/ada", {"name": "Ada"})
        order = {"getState": 1, "getStateHead": 1, "rollBackState": 8, "releaseQuarantined": 9, "deleteState": 9}
        for operation in sorted(self.contract.operations, key=lambda o: order.get(o.id, 5)):
            for body in operation.examples():
                with self.subTest(operation.id):
                    answer = self.call(operation.method.upper(), self.path(operation), body)
                    self.assertLess(answer.status, 300, answer)

    def test_1_rates(self):
        """Each operation that takes a token is refused when its subject asks too often."""
        with Server(PROGRAM, "secret=" + SECRET, "rate-subject=1") as server:
            for operation in self.contract.operations:
                if operation.scope:
                    method, path = operation.method.upper(), self.path(operation)
                    bearer = token(operation.id)
                    answers = [server.call(method, path, operation.examples()[0], bearer=bearer) for _ in range(2)]
                    for answer in answers:
                        self.contract.check(method, path, answer)
                    self.assertEqual(answers[1].status, 429, answers[1])

    def test_2_refusals_that_all_have(self):
        for operation in self.contract.operations:
            method, path = operation.method.upper(), self.path(operation)
            example = operation.examples()[0]
            with self.subTest(operation.id):
                separator = "&" if "?" in path else "?"
                self.assertEqual(self.call(method, f"{path}{separator}colour=red", example).status, 400)
                self.assertEqual(self.call(method, path, headers={"Content-Length": str(2**21)}).status, 413)
                if operation.scope:
                    self.assertEqual(self.call(method, path, example, bearer="junk").status, 401)
                    ahead = {"Causal-Token": "AQAAAAAAAAAAAAAAAAAAAAAF", "Causal-Wait": "0"}
                    self.assertEqual(self.call(method, path, example, ahead).status, 409)
                    self.assertEqual(self.call(method, path, example, bearer=token("s", "")).status, 403)
                if operation.body is not None:
                    self.assertEqual(self.call(method, path).status, 411)
                    for body, code in ((b"{", "malformed_json"), (b'{"a":1,"a":2}', "duplicate_key"),
                                       (DEEP, "too_deep"), (b'{"a":"\xff"}', "invalid_utf8"),
                                       (b'{"a":1e999}', "number_out_of_range")):
                        self.assertEqual(self.call(method, path, body).json["code"], code)

    def test_3_aggregates(self):
        for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
            body = {"PUT": {}, "PATCH": {"ops": []}}.get(method)
            limited = token("s", "state:read state:write", aggregates=["guild/*"])
            self.assertEqual(self.call(method, "/state/player/x", body, bearer=limited).status, 403)
            self.assertEqual(self.call(method, "/state/a%20b/x", body).status, 400)
            for id, code in (("overloaded", "overloaded"), ("store", "store_unavailable"), ("memory", "out_of_memory"),
                             ("shutdown", "shutting_down")):
                answer = self.call(method, "/state/fault/" + id, body)
                self.assertEqual(answer.status, 503)
                if method in ("GET", "HEAD"):
                    self.assertEqual(self.call(method, f"/state/fault/{id}/conflicts").status, 503)
                    self.assertEqual(self.call(method, f"/state/fault/{id}/stability").status, 503)
        for method, body in (("PUT", {}), ("PATCH", {"ops": []}), ("DELETE", None)):
            self.call(method, "/state/fault/starting", body)
            self.call(method, "/state/fault/doubt", body)
        for id in ("overloaded", "store", "memory", "shutdown", "starting", "doubt"):
            self.call("POST", "/events", {"aggregateType": "fault", "aggregateId": id, "eventType": "x"})
            if id not in ("starting", "doubt"):
                self.call("POST", "/state/read", {"aggregates": [{"type": "fault", "id": id}]})
                self.call("GET", "/state/fault?cursor=" + id)
                self.call("HEAD", "/state/fault?cursor=" + id)

    def test_3_syncs(self):
        nowhere = {"mode": "full", "regions": ["nowhere"]}
        for body in ({}, {"mode": "all"}, {"mode": "delta", "aggregateTypes": ["player"]}, nowhere,
                     {"mode": "full", "regions": []}, {"mode": "verify", "dryRun": 1}):
            self.assertEqual(self.call("POST", "/sync", body).status, 400, body)
        self.assertEqual(self.call("POST", "/sync", nowhere).json["field"], "/regions/0")
        for method in ("GET", "HEAD", "DELETE"):
            self.assertEqual(self.call(method, "/sync/" + "0" * 16).status, 404)

    def test_4_states(self):
        path = "/state/player/" + self.new_id()
        self.assertEqual(self.call("PATCH", path, {"ops": []}).status, 204)
        self.assertEqual(self.call("PATCH", path, {"ops": [{"op": "set", "path": "/n", "value": 1}]}).status, 200)
        version = self.call("GET", path).json["version"]
        self.assertEqual(self.call("DELETE", path).status, 204)
        self.assertEqual(self.call("PUT", path, {"n": 1}, {"Base-Version": str(version)}).status, 204)
        path = "/state/player/" + self.new_id()
        for method in ("GET", "HEAD", "DELETE"):
            self.assertEqual(self.call(method, path).status, 404)
        for method in ("GET", "HEAD"):
            self.assertEqual(self.call(method, path + "/stability").status, 404)
        key = {"Idempotency-Key": self.new_id()}
        made = self.call("PUT", path, {"n": 1, "s": "x", "t": [1]}, {**key, "If-None-Match": "*"})
        self.assertEqual(made.status, 201)
        again = self.call("PUT", path, {"n": 1, "s": "x", "t": [1]}, key)
        self.assertEqual(again.headers["idempotency-replayed"], "true")
        etag = made.headers["etag"]
        for method in ("GET", "HEAD"):
            self.assertEqual(self.call(method, path, headers={"If-None-Match": etag}).status, 304)
        for method, body in (("PUT", {"n": 2}), ("PATCH", {"ops": []}), ("DELETE", None)):
            self.assertEqual(self.call(method, path, body, {"If-Match": '"x"'}).status, 412)
            self.assertEqual(self.call(method, path, body if body is not None else None,
                                       {"Idempotency-Key": key["Idempotency-Key"]}).status, 409)
        self.assertEqual(self.call("PUT", path, {"n": 2}, {"Base-Version": "99"}).status, 409)
        self.assertEqual(self.call("PATCH", path, {"ops": [], "expectedVersion": 99}).status, 409)
        big = [{"op": "increment", "path": "/c", "by": 2**63 - 1}] * 2
        mismatch = [{"op": "add", "path": "/s", "value": 1}, {"op": "increment", "path": "/s", "by": 1}]
        for ops, code in (([{"op": "explode", "path": "/a"}], "unknown_op"),
                          ([{"op": "set", "path": "x", "value": 1}], "invalid_path"), (mismatch, "type_mismatch"),
                          (big, "counter_overflow"), ([{"op": "unset", "path": "/a"}] * 1001, "too_large")):
            self.assertEqual(self.call("PATCH", path, {"ops": ops}).json["code"], code)
            answer = self.call("POST", "/events", {"aggregateType": "player", "aggregateId": path.rsplit("/", 1)[1],
                                                   "eventType": "x", "ops": ops})
            self.assertEqual(answer.json["code"], code)
        for body, code in ((b'{"a":"' + b"x" * (2**20 - 8) + b'"}', "too_large"),):
            self.assertEqual(self.call("PUT", path, body).json["code"], code)
        self.call("PUT", path, {"c": 5})
        self.call("PATCH", path, {"ops": [{"op": "unset", "path": "/c"}, {"op": "increment", "path": "/c", "by": -9}]})
        self.assertEqual(self.call("PUT", path, {"c": 2**63 - 1}).json["code"], "counter_overflow")
        self.assertEqual(self.call("DELETE", path).status, 204)

    def test_4_rights(self):
        """Bounded counters: what a region may not take, and whose rights are in the way."""
        id = self.new_id()
        path = "/state/player/" + id
        self.assertEqual(self.call("PUT", path, {"x": 1}).status, 201)
        create = {"op": "create", "path": "/n", "type": "bounded_counter", "bound": 1, "initial": 6}
        self.assertEqual(self.call("PATCH", path, {"ops": [create]}).status, 200)
        region, = self.call("GET", path).json["rights"]["/n"]["regions"]
        self.assertEqual(self.call("GET", path).json["rights"], {"/n": {"bound": 1, "regions": {region: 5}}})
        event = {"aggregateType": "player", "aggregateId": id, "eventType": "x"}
        for ops, code in (([{"op": "increment", "path": "/n", "by": -6}], "insufficient_rights"),
                          ([{"op": "unset", "path": "/n"}], "rights_left")):
            for answer in (self.call("PATCH", path, {"ops": ops}), self.call("POST", "/events", {**event, "ops": ops})):
                self.assertEqual((answer.status, answer.json["code"]), (409, code))
        for document, code, field in (({"x": 1, "n": 0}, "insufficient_rights", "/n"), ({"x": 1}, "rights_left", "/n")):
            answer = self.call("PUT", path, document)
            self.assertEqual((answer.status, answer.json["code"], answer.json["field"]), (409, code, field))
        self.assertEqual(self.call("DELETE", path).json["code"], "rights_left")
        self.assertEqual(self.call("POST", path + "/rollback", {"toVersion": 1}).json["code"], "rights_left")
        give = {"op": "transfer", "path": "/n", "to": "mars", "by": 1}
        self.assertEqual(self.call("PATCH", path, {"ops": [give]}).json["field"], "/ops/0/to")

    def test_5_events(self):
        id, key = self.new_id(), {"Idempotency-Key": self.new_id()}
        event = {"aggregateType": "player", "aggregateId": id, "eventType": "x", "data": {"a": 1}, "metadata": {}}
        self.assertEqual([self.call("POST", "/events", event, key).status for _ in range(2)], [201, 200])
        self.assertEqual(self.call("POST", "/events", {**event, "data": {}}, key).status, 409)
        self.assertEqual(self.call("POST", "/events", {**event, "expectedVersion": 9}).status, 409)
        self.assertEqual(self.call("POST", "/events", {"events": [event, 1]}).status, 207)
        self.assertEqual(self.call("POST", "/events", {"events": [event], "atomic": True}).status, 201)
        many = {"aggregates": [{"type": "a", "id": "b"}] * 1001}
        self.assertEqual(self.call("POST", "/state/read", many).status, 422)

    def test_5_history(self):
        ids = [self.new_id(), self.new_id()]
        changes = [{"aggregateType": "player", "aggregateId": id, "ops": [{"op": "increment", "path": "/g", "by": 1}]}
                   for id in ids]
        for data in ({}, {"data": {"a": 1}, "metadata": {"b": 2}}):
            self.call("POST", "/events", {"eventType": "x", "changes": changes, **data})
        page = self.call("GET", f"/events/player/{ids[0]}?limit=1&order=desc").json
        self.call("GET", f"/events/player/{ids[0]}?order=desc&cursor={page['next']}")
        self.call("HEAD", f"/events/player/{ids[0]}")
        self.assertEqual(self.call("GET", "/events/player/nobody").status, 404)
        for method in ("GET", "HEAD"):
            for query in ("limit=0", "order=x", "cursor=x", "from=x", "to=x"):
                self.assertEqual(self.call(method, f"/events/player/{ids[0]}?{query}").status, 400)
            self.assertEqual(self.call(method, "/events?since=x").status, 400)
        self.call("GET", "/events?since=" + self.call("GET", "/events?limit=3").json["next"])
        limited = token("s", "events:read", aggregates=["guild/*"])
        self.assertEqual(self.call("GET", f"/events/player/{ids[0]}", bearer=limited).status, 403)
        path = "/state/player/" + ids[0]
        then = self.call("GET", path).json["updatedAt"]
        for query in ("atVersion=1", "at=" + then, f"at={then}&as=eu-west"):
            self.assertEqual(self.call("GET", f"{path}?{query}").status, 200, query)
        self.assertEqual(self.call("GET", path + "?atVersion=9").status, 404)
        self.assertEqual(self.call("GET", path + "?at=never").status, 400)

    def test_5_rollback(self):
        id, key = self.new_id(), {"Idempotency-Key": self.new_id()}
        path = f"/state/player/{id}/rollback"
        for value in range(3):
            self.call("PATCH", "/state/player/" + id, {"ops": [{"op": "set", "path": "/n", "value": value}]})
        self.assertEqual(self.call("POST", path + "?dryRun=true", {"toVersion": 1}).status, 200)
        self.assertEqual([self.call("POST", path, {"toVersion": 1}, key).status for _ in range(2)], [201, 200])
        self.assertEqual(self.call("POST", path, {"toVersion": 1}).json["code"], "already_rolled_back")
        self.call("PATCH", "/state/player/" + id, {"ops": []})
        self.assertEqual(self.call("POST", path, {"toVersion": 0}, key).json["code"], "idempotency_key_reused")
        for body in ({}, {"toVersion": -1}, {"to": "then"}, {"toVersion": 1, "to": "2001-01-01T00:00:00Z"},
                     {"toVersion": 1, "reason": ""}):
            self.assertEqual(self.call("POST", path, body).status, 400)
        self.assertEqual(self.call("POST", path + "?dryRun=x", {"toVersion": 1}).status, 400)
        self.assertEqual(self.call("POST", path, {"toVersion": 99}).status, 404)
        many = {"aggregateType": "player", "aggregateId": id, "eventType": "x"}
        self.call("POST", "/events", {"events": [many] * 1000})
        self.call("POST", "/events", {"events": [many] * 2})
        self.assertEqual(self.call("POST", path, {"toVersion": 1}).json["code"], "too_large")
        limited = token("s", "state:write", aggregates=["guild/*"])
        self.assertEqual(self.call("POST", path, {"toVersion": 1}, bearer=limited).status, 403)
        id = self.new_id()
        for best in (5, 9):
            self.call("PATCH", "/state/player/" + id, {"ops": [{"op": "max", "path": "/best", "by": best}]})
        self.assertEqual(self.call("POST", f"/state/player/{id}/rollback", {"toVersion": 1}).status, 201)
        self.assertEqual(self.call("GET", "/state/player/" + id).json["state"], {"best": 5})

    def test_6_quarantine(self):
        path = "/quarantine/" + self.fork
        for method in ("GET", "HEAD"):
            self.assertEqual(self.call(method, path).status, 200)
            self.assertEqual(self.call(method, "/quarantine/" + self.held).status, 404)  # released by test_1
        body = {"reason": "because"}
        self.assertEqual(self.call("POST", path + "/release", body).json["code"], "not_releasable")
        self.assertEqual(self.call("POST", f"/quarantine/{self.held}/release", body).status, 404)
        for wrong in ({}, {"reason": ""}, {"reason": 1}, {"reason": "x", "more": 1}, {"reason": "x" * 1025}):
            self.assertEqual(self.call("POST", path + "/release", wrong).status, 400)
        history = self.call("GET", "/events/gs.quarantine/" + self.held).json["events"]
        self.assertEqual([event["eventType"] for event in history], ["gs.release"])
        self.assertEqual(self.call("PATCH", "/state/gs.quarantine/" + self.held, {"ops": []}).status, 400)

    def test_6_retirement(self):
        peers = {peer["region"]: peer for peer in self.call("GET", "/peers").json["peers"]}
        self.assertEqual((peers["ap-south"]["state"], peers["ap-south"]["retired"]), ("left", True))  # by test_1
        for region, status in (("ap-south", 404), ("mars", 404), ("eu-west", 400)):
            self.assertEqual(self.call("POST", f"/peers/{region}/retire", {}).status, status)
        for wrong in ({"rightsTo": "ap-south"}, {"rightsTo": "mars"}, {"rightsTo": 1}, {"reason": ""}, {"more": 1},
                      {"reason": "x" * 1025}):
            self.assertEqual(self.call("POST", "/peers/us-east/retire", wrong).status, 400, wrong)

    def test_6_forks(self):
        path = "/forks/" + self.located
        for method in ("GET", "HEAD"):
            self.assertEqual(self.call(method, "/forks").status, 200)
            self.assertEqual(self.call(method, path).status, 200)
            self.assertEqual(self.call(method, "/forks/" + "0" * 32).status, 404)
        fork = self.call("GET", path).json
        self.assertEqual([d["others"] for d in fork["decisions"]], ["drop"])  # by test_1
        self.assertEqual(fork["decisions"][0]["keep"], min(branch["hash"] for branch in fork["branches"]))
        body = {"others": "drop", "reason": "because"}
        self.assertEqual(self.call("POST", path + "/decide", body).json["code"], "already_decided")
        other = f"/forks/{self.unlocated}/decide"
        self.assertEqual(self.call("POST", other, body).json["code"], "not_located")
        self.assertEqual(self.call("POST", "/forks/" + "0" * 32 + "/decide", body).status, 404)
        for wrong, field in (({}, "/reason"), ({**body, "reason": ""}, "/reason"), ({"reason": "x"}, "/others"),
                             ({**body, "reason": "x" * 1025}, "/reason"), ({**body, "others": "keep"}, "/others"),
                             ({**body, "keep": 5}, "/keep"), ({**body, "importer": "eu"}, "/importer"),
                             ({**body, "more": 1}, "")):
            answer = self.call("POST", other, wrong)
            self.assertEqual((answer.status, answer.json.get("field", "")), (400, field), answer)
        history = self.call("GET", "/events/gs.fork/" + self.located).json["events"]
        self.assertEqual([event["eventType"] for event in history], ["gs.fork.decided"])

    def test_5_audit(self):
        for query in ("", "?kind=write&limit=1", "?subject=tester", "?kind=refusal", "?since=2001-01-01T00:00:00Z"):
            self.assertEqual(self.call("GET", "/audit" + query).status, 200)
        page = self.call("GET", "/audit?limit=1").json
        self.call("GET", "/audit?limit=1&cursor=" + page["next"])
        for query in ("kind=x", "since=x", "until=x", "cursor=x", "limit=0"):
            self.assertEqual(self.call("GET", "/audit?" + query).status, 400)

    def test_6_lists(self):
        for i in range(3):
            self.call("PUT", f"/state/pages/p{i}", {})
        page = self.call("GET", "/state/pages?limit=2").json
        self.assertEqual(len(self.call("GET", "/state/pages?limit=2&cursor=" + page["next"]).json["items"]), 1)
        keys = [{"type": "pages", "id": "p0"}, {"type": "no", "id": "no"}]
        cut = self.call("POST", "/state/read", {"aggregates": keys})
        self.assertIsNone(cut.json["items"][1])

    def test_7_health(self):
        for id in ("store-down", "stuck", "well"):
            self.call("GET", "/state/fault/" + id)
            for path in ("/health", "/health/live", "/health/ready"):
                self.call("GET", path), self.call("HEAD", path)

    def test_7_document(self):
        answer = self.call("GET", "/openapi.json", bearer="")
        for method in ("GET", "HEAD"):
            known = {"If-None-Match": answer.headers["etag"]}
            self.assertEqual(self.call(method, "/openapi.json", headers=known).status, 304)

    def test_8_nothing_else_exists(self):
        for operation in self.contract.operations:
            for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"):
                if self.contract.operation(method, self.path(operation)) is None:
                    self.call(method, self.path(operation))
        for path in ("/", "/state", "/state/a/b/c/d", "/openapi", "/openapi.yaml", "/metrics/x", "/STATE/a/b",
                     "/health/"):
            if self.contract.operation("GET", path) is None:
                self.call("GET", path)

    def test_9_every_answer_was_seen(self):
        missing = []
        for operation in self.contract.operations:
            if operation.method == "head":
                continue
            for status in operation.responses:
                wanted = {(s, c) for s, c in operation.codes() if s == status} or {(status, None)}
                for _, code in wanted:
                    if code not in UNREACHED and (operation.id, status, code) not in self.contract.seen:
                        missing.append((operation.id, status, code))
        missing = [one for one in missing if not (one[1] == 503 and one[0] in NO_FAULTS) and one not in NEEDS_ANOTHER]
        self.assertEqual(missing, [], "answers of the document that no test brings about")


if __name__ == "__main__":
    unittest.main()
