"""Who may do what over HTTP, routes, methods, and a node that cannot.  usage: test_http_access.py SERVER"""
import time, unittest

from http_api import Api, event
from http_client import token


class Access(Api):
    def test_bad_tokens_all_look_the_same(self):
        good = token()
        none = token(header={"alg": "none"})
        bad = ["", "x", good + "A", good[:-1], token(secret="another secret of thirty-two bytes!"), none,
               none.rsplit(".", 1)[0] + ".",
               token(exp=int(time.time()) - 61), token(exp=None), token(nbf=int(time.time()) + 100), token(subject=""),
               token(subject=None), token(aggregates="player/*"), token(aggregates=["x"]), token(padding="x" * 8200),
               token(header={"alg": "HS256", "crit": ["exp"]}), good.replace(".", "..", 1)]
        answers = {}
        for value in bad:
            headers = {"Authorization": "Bearer " + value, "X-Request-Id": "same"}
            answer = self.call("GET", "/state/player/p", headers=headers)
            self.problem(answer, 401, "unauthorized")
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")
            answers[answer.body] = answer.headers
        self.assertEqual(len(answers), 1)
        for value in (None, "Basic eDp5", good, "Bearer", "Bearer" + good, "Token " + good):
            self.problem(self.call("GET", "/state/player/p", headers={"Authorization": value}), 401, "unauthorized")
        for value in ("bearer " + good, "BEARER   " + good):
            self.assertEqual(self.call("GET", "/state/player/p", headers={"Authorization": value}).status, 404)
        twice = {"Authorization": f"Bearer {good}\r\nAuthorization: Bearer {good}"}
        self.problem(self.call("GET", "/state/player/p", headers=twice), 400, "bad_request", "Authorization")

    def test_token_on_a_kept_connection(self):
        with self.server.connect() as connection:
            for bearer, status in ((token(), 404), (token("b", "state:write"), 403), (token(), 404), ("junk", 401),
                                   (token(), 404)):
                self.assertEqual(self.call("GET", "/state/player/none", bearer=bearer, connection=connection).status,
                                 status)
            short = token(exp=int(time.time()) - 58)
            self.assertEqual(self.call("GET", "/state/player/none", bearer=short, connection=connection).status, 404)
            time.sleep(2.1)
            self.assertEqual(self.call("GET", "/state/player/none", bearer=short, connection=connection).status, 401)

    def test_scopes(self):
        everything = "state:read state:write events:read events:write sync:read sync:write audit:read admin".split()
        calls = [("state:read", "GET", "/state/player/none", None), ("state:read", "GET", "/state/player", None),
                 ("state:read", "POST", "/state/read", {"aggregates": []}), ("state:write", "PUT", "/state/player/s",
                     {}),
                 ("state:write", "PATCH", "/state/player/s", {"ops": []}), ("state:write", "DELETE",
                     "/state/player/none", None),
                 ("events:write", "POST", "/events", event()), ("sync:read", "GET", "/cluster", None), ("sync:read",
                     "GET", "/peers", None)]
        for needed, method, path, body in calls:
            for scope in everything:
                answer = self.call(method, path, body, bearer=token("s", scope))
                self.assertEqual(answer.status != 403, scope in (needed, "admin"), (method, path, scope, answer))
            self.problem(self.call(method, path, body, bearer=token("s", "")), 403, "forbidden")

    def test_aggregate_patterns(self):
        limited = token("s", "state:read state:write events:write", aggregates=["player/mine-*", "guild/*"])
        for path, allowed in (("/state/player/mine-1", True), ("/state/player/other", False), ("/state/guild/g", True),
                              ("/state/world/w", False)):
            for method, body in (("GET", None), ("PUT", {}), ("PATCH", {"ops": []}), ("DELETE", None)):
                self.assertEqual(self.call(method, path, body, bearer=limited).status != 403, allowed, (method, path))
        self.assertEqual(self.call("GET", "/state/guild", bearer=limited).status, 200)
        self.problem(self.call("GET", "/state/player", bearer=limited), 403, "forbidden")
        keys = [{"type": "guild", "id": "g"}, {"type": "player", "id": "other"}]
        self.problem(self.call("POST", "/state/read", {"aggregates": keys}, bearer=limited), 403, "forbidden",
                     "/aggregates/1")
        self.problem(self.call("POST", "/events", event(id="other"), bearer=limited), 403, "forbidden")
        changes = [{"aggregateType": "guild", "aggregateId": "g"}, {"aggregateType": "player", "aggregateId": "other"}]
        self.problem(self.call("POST", "/events", {"eventType": "x", "changes": changes}, bearer=limited), 403,
                     "forbidden", "/changes/1")
        mixed = self.call("POST", "/events", {"events": [event(id="mine-1"), event(id="other")]}, bearer=limited)
        self.assertEqual((mixed.status, mixed.json["events"][1]["error"]["code"]), (207, "forbidden"))
        self.problem(self.call("GET", "/state/player/p", bearer=token(aggregates=[])), 403, "forbidden")


class Routes(Api):
    def test_unknown(self):
        for path in ("/", "/nothing", "/state", "/state/a/b/c", "/events/", "/a/b/c/d/e/f/g/h/i/j", "/health/x",
                     "//health"):
            self.problem(self.call("GET", path), 404, "unknown_route")

    def test_wrong_method(self):
        for method, path, allow in (("POST", "/state/a/b", "GET, HEAD, PUT, PATCH, DELETE"),
                                    ("PATCH", "/events", "GET, HEAD, POST"),
                                    ("DELETE", "/health", "GET, HEAD"), ("PUT", "/state/read", "GET, HEAD, POST"),
                                    ("OPTIONS", "/events", "GET, HEAD, POST"),
                                    ("PROPFIND", "/events", "GET, HEAD, POST")):
            answer = self.call(method, path, {} if method in ("POST", "PUT") else None)
            self.problem(answer, 405, "method_not_allowed")
            self.assertEqual(answer.headers["allow"], allow)
            self.assertTrue(answer.json["detail"].startswith(method + " "), answer)
        self.assertEqual(self.call("TRACE", "/events").status, 400)

    def test_request_ids(self):
        self.assertEqual(self.call("GET", "/health", headers={"X-Request-Id": "my.id_7-x"}).headers["x-request-id"],
                         "my.id_7-x")
        ids = {self.call("GET", "/health", headers={"X-Request-Id": bad}).headers["x-request-id"] for bad in ("",
            "a b", "x" * 65, "<b>")}
        self.assertEqual(len(ids), 4)
        for id in ids:
            self.assertRegex(id, "^[0-9a-f]{16}$")

    def test_health(self):
        answer = self.call("GET", "/health", bearer="")
        self.assertEqual((answer.status, answer.json["status"], answer.json["region"]), (200, "ok", "eu-west"))
        self.assertEqual(set(answer.json["checks"]), {"store", "core", "cache", "gossip", "clock"})
        for mode, health, ready, live in (("store-down", "degraded", 503, 200), ("stuck", "down", 503, 503),
                                          ("well", "ok", 200, 200)):
            self.call("GET", "/state/fault/" + mode)
            got = self.call("GET", "/health", bearer="")
            self.assertEqual((got.json["status"], got.status), (health, 503 if health == "down" else 200))
            self.assertEqual(self.call("GET", "/health/ready", bearer="").status, ready)
            self.assertEqual(self.call("HEAD", "/health/live", bearer="").status, live)

    def test_cluster(self):
        cluster = self.call("GET", "/cluster")
        self.assertEqual((cluster.status, cluster.json["region"]), (200, "eu-west"))
        peers = self.call("GET", "/peers").json["peers"]
        self.assertEqual([(peer["region"], peer["state"]) for peer in peers],
                         [("us-east", "dead"), ("ap-south", "dead")])

    def test_when_the_node_cannot(self):
        for id, code in (("overloaded", "overloaded"), ("starting", "starting"), ("store", "store_unavailable"),
                         ("shutdown", "shutting_down"), ("memory", "out_of_memory")):
            path = "/state/fault/" + id
            for method, target, body in (("GET", path, None), ("PUT", path, {}), ("PATCH", path, {"ops": []}),
                                         ("DELETE", path, None),
                                         ("GET", "/state/fault?cursor=" + id, None), ("POST", "/events",
                                             event("fault", id)),
                                         ("POST", "/events", {"events": [event("fault", id)]}),
                                         ("POST", "/state/read", {"aggregates": [{"type": "fault", "id": id}]})):
                self.problem(self.call(method, target, body), 503, code)


if __name__ == "__main__":
    unittest.main()
