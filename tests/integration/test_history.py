"""History, the feed and time travel of real regions: what was answered is what history says, before and after kill -9.

usage: test_history.py GLOBALSTATE
"""
import datetime, sys, time, unittest, urllib.parse, uuid

from cluster import Cluster, wait_for
from http_client import token

PROGRAM = sys.argv.pop(1)
EVENT_KEYS = {"eventId", "aggregateType", "aggregateId", "eventType", "version", "vectorClock", "region", "seq",
              "timestamp", "actor", "ops", "data", "signature"}


STATE_KEYS = ("aggregateType", "aggregateId", "version", "vectorClock", "state", "conflicts", "updatedAt", "region")


def increment(by=1, path="/gold"):
    return {"op": "increment", "path": path, "by": by}


def now_text(ms=0):
    time_now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(milliseconds=ms)
    return time_now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class History(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(PROGRAM, regions=("eu-west", "us-east"))
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.wait_linked()

    def setUp(self):
        self.eu, self.us = self.cluster["eu-west"], self.cluster["us-east"]
        self.id = uuid.uuid4().hex[:12]
        self.path = f"/state/player/{self.id}"
        self.addCleanup(self.cluster.check_logs)

    def patch(self, node, *ops, **more):
        answer = node.call("PATCH", self.path, {"ops": list(ops), **more})
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def post(self, node, ops, **more):
        body = {"aggregateType": "player", "aggregateId": self.id, "eventType": "test.event", "ops": ops, **more}
        answer = node.call("POST", "/events", body)
        self.assertEqual(answer.status, 201, answer)
        return answer.json

    def history(self, node, query=""):
        answer = node.call("GET", f"/events/player/{self.id}{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def problem(self, answer, status, code, field=None):
        self.assertEqual((answer.status, answer.json["code"]), (status, code), answer)
        if field is not None:
            self.assertEqual(answer.json.get("field"), field, answer)

    def gold(self, node, count, by=1):
        return [self.patch(node, {"op": "increment", "path": "/gold", "by": by}) for _ in range(count)]

    def test_events_are_what_was_answered(self):
        posted = [self.post(self.eu, [{"op": "increment", "path": "/gold", "by": i}], data={"note": f"n{i}"},
                            metadata={"trace": i}) for i in range(1, 6)]
        found = self.history(self.eu)["events"]
        self.assertEqual(len(found), 5)
        for sent, event in zip(posted, found):
            self.assertLessEqual(EVENT_KEYS, set(event))
            for key in EVENT_KEYS - {"signature"}:
                self.assertEqual(event[key], sent[key], key)
            self.assertEqual((event["signature"], event["metadata"]), ("valid", sent["metadata"]))
        self.eu.kill()
        self.eu.start()
        self.assertEqual(self.history(self.eu)["events"], found)

    def test_pages_order_and_bounds(self):
        self.gold(self.eu, 25)
        versions, cursor = [], ""
        while cursor is not None:
            page = self.history(self.eu, f"?limit=10{cursor and '&cursor=' + cursor}")
            versions += [event["version"] for event in page["events"]]
            cursor = page["next"]
        self.assertEqual(versions, list(range(1, 26)))
        down = self.history(self.eu, "?order=desc&limit=3")
        self.assertEqual([e["version"] for e in down["events"]], [25, 24, 23])
        again = self.history(self.eu, f"?order=desc&limit=3&cursor={down['next']}")
        self.assertEqual([e["version"] for e in again["events"]], [22, 21, 20])
        self.assertEqual([e["version"] for e in self.history(self.eu, "?from=5&to=7")["events"]], [5, 6, 7])
        event = self.history(self.eu, "?from=10&to=10")["events"][0]
        since = self.history(self.eu, "?from=" + event["timestamp"])["events"]
        self.assertIn(10, [e["version"] for e in since])
        self.assertNotIn(1, [e["version"] for e in since if e["timestamp"] < event["timestamp"]])
        self.assertEqual(self.history(self.eu, "?to=2001-01-01T00:00:00Z")["events"], [])

    def test_bad_questions(self):
        self.gold(self.eu, 1)
        for query, field in (("?limit=0", "limit"), ("?limit=1001", "limit"), ("?limit=x", "limit"),
                             ("?order=up", "order"), ("?cursor=7", "cursor"), ("?cursor=vx", "cursor"),
                             ("?from=yesterday", "from"), ("?to=2026-13-01T00:00:00Z", "to")):
            self.problem(self.eu.call("GET", f"/events/player/{self.id}{query}"), 400, "invalid_argument", field)
        self.problem(self.eu.call("GET", f"/events/player/{self.id}?nonsense=1"), 400, "invalid_argument")
        self.problem(self.eu.call("GET", "/events/player/nobody"), 404, "not_found")
        self.problem(self.eu.call("GET", "/events/player/bad%20id"), 400, "invalid_argument")
        for since in ("x", "1", "0.0", "1.2.3", "-1.0", "999999999.0"):
            self.problem(self.eu.call("GET", f"/events?since={since}"), 400, "invalid_argument", "since")
        for query, field in (("?at=noon", "at"), ("?atVersion=x", "atVersion"), ("?atVersion=-1", "atVersion"),
                             ("?at=2026-01-01T00:00:00Z&atVersion=1", "at"), ("?as=eu-west", "at"),
                             ("?atVersion=1&as=eu-west", "as"), ("?at=2026-01-01T25:00:00Z", "at")):
            self.problem(self.eu.call("GET", self.path + query), 400, "invalid_argument", field)
        self.problem(self.eu.call("GET", self.path + "?atVersion=99"), 404, "not_found", "atVersion")
        self.problem(self.eu.call("GET", self.path + "?at=2001-01-01T00:00:00Z"), 404, "not_found")
        self.problem(self.eu.call("GET", f"{self.path}?at={now_text()}&as=mars"), 404, "not_found", "as")

    def test_scopes_and_patterns(self):
        other = uuid.uuid4().hex[:12]
        self.post_pair(other)
        limited = token(aggregates=[f"player/{self.id}"])
        events = self.eu.call("GET", f"/events/player/{self.id}", bearer=limited).json["events"]
        self.assertEqual(events[0]["alsoChanged"], [])
        self.assertEqual(self.eu.call("GET", f"/events/player/{other}", bearer=limited).status, 403)
        feed = self.eu.call("GET", "/events?limit=1000", bearer=limited).json["events"]
        seen = {c["aggregateId"] for e in feed for c in e.get("changes", [e])}
        self.assertEqual(seen, {self.id})
        self.assertEqual(self.eu.call("GET", "/events", bearer=token(scope="state:read")).status, 403)
        self.assertEqual(self.eu.call("GET", f"/events/player/{self.id}", bearer=token(scope="state:read")).status, 403)

    def post_pair(self, other):
        changes = [{"aggregateType": "player", "aggregateId": id, "ops": [increment(by)]}
                   for id, by in ((self.id, -3), (other, 3))]
        answer = self.eu.call("POST", "/events", {"eventType": "trade.settled", "changes": changes})
        self.assertEqual(answer.status, 201, answer)
        return answer.json

    def test_feed_has_everything_once_and_in_order(self):
        start = self.eu.call("GET", "/events?since=now").json["next"]
        made = [self.post(self.eu, [{"op": "increment", "path": "/gold", "by": 1}]) for _ in range(7)]
        batch = {"events": [{"aggregateType": "player", "aggregateId": self.id, "eventType": "b", "ops": []}] * 30}
        made += self.eu.call("POST", "/events", batch).json["events"]
        made.append(self.post_pair("other"))
        remote = self.post(self.us, [{"op": "increment", "path": "/gold", "by": 5}])
        self.cluster.wait_converged()
        found, cursor, more = [], start, True
        while more:
            page = self.eu.call("GET", f"/events?since={cursor}&limit=4").json
            found, cursor, more = found + page["events"], page["next"], page["more"]
        ids = [event["eventId"] for event in found]
        self.assertEqual([id for id in ids if id != remote["eventId"]], [event["eventId"] for event in made])
        self.assertEqual(ids.count(remote["eventId"]), 1)
        pair = next(event for event in found if event["eventType"] == "trade.settled")
        self.assertEqual(pair["changes"], made[-1]["changes"])
        self.eu.kill()
        self.eu.start()
        after = self.eu.call("GET", f"/events?since={cursor}").json["events"]
        self.assertEqual([event for event in after if event["eventId"] in ids], [])

    def test_every_version_can_be_seen_again(self):
        shown = []
        for i in range(12):
            node = (self.eu, self.us)[i % 2]
            self.patch(node, {"op": "increment", "path": "/gold", "by": i}, {"op": "set", "path": "/last", "value": i},
                       {"op": "add", "path": "/seen", "value": i % 5})
            self.cluster.wait_converged()
            shown.append(self.eu.call("GET", self.path).json)
        for state in shown:
            past = self.eu.call("GET", f"{self.path}?atVersion={state['version']}").json
            for key in STATE_KEYS:
                self.assertEqual(past[key], state[key], key)
            self.assertTrue(past["final"])
            self.assertEqual(past["currentVersion"], 12)
            # The other region counts the same events: one after the other, each seen by the next writer.
            there = self.us.call("GET", f"{self.path}?atVersion={state['version']}").json
            self.assertEqual(there["state"], state["state"])
            at = self.us.call("GET", f"{self.path}?at={state['updatedAt']}").json
            self.assertEqual((at["version"], at["state"]), (state["version"], state["state"]))

    def test_final_once_nothing_earlier_can_arrive(self):
        self.gold(self.us, 1)
        self.cluster.wait_converged()
        future = self.eu.call("GET", f"{self.path}?at={now_text(30000)}").json
        self.assertFalse(future["final"])
        early = self.eu.call("GET", self.path).json["updatedAt"]
        self.gold(self.eu, 1)
        self.gold(self.us, 1)
        self.cluster.wait_converged()
        past = self.eu.call("GET", f"{self.path}?at={early}").json
        self.assertEqual((past["final"], past["version"]), (True, 1))

    def test_as_another_region_had_it(self):
        self.gold(self.eu, 2)
        self.cluster.wait_converged()
        self.gold(self.us, 1, by=10)  # names what us-east had applied: both of eu-west's
        self.cluster.wait_converged()
        cut = self.eu.call("GET", self.path).json
        self.gold(self.eu, 3)
        self.cluster.wait_converged()
        for node in (self.eu, self.us):
            seen = node.call("GET", f"{self.path}?at={now_text()}&as=us-east").json
            own = node.call("GET", f"{self.path}?at={now_text()}&as=eu-west").json
            self.assertEqual(own["state"]["gold"], 15)
            self.assertEqual((seen["as"], seen["final"]), ("us-east", True))
            if seen["state"]["gold"] != 15:  # an acknowledgement of us-east may have named the rest by now
                self.assertEqual(seen["state"], cut["state"])
        then = self.us.call("GET", f"{self.path}?at={cut['updatedAt']}&as=us-east").json
        self.assertEqual((then["state"], then["version"]), (cut["state"], 3))

    def test_put_against_an_older_version(self):
        for node in (self.eu, self.us):
            self.id = uuid.uuid4().hex[:12]
            path = f"/state/player/{self.id}"
            put = lambda body, base: node.call("PUT", path, body, headers={"Base-Version": str(base)})
            self.assertEqual(put({"name": "Ada", "title": "knight", "gold": 5, "old": 1}, 0).status, 201)
            self.path = path
            self.patch(node, {"op": "set", "path": "/title", "value": "queen"}, increment(7, "/wins"),
                       {"op": "add", "path": "/items", "value": "sword"})
            # The client read version 1, changed the name, dropped "old", and knows nothing of the rest.
            answer = put({"name": "Ada L.", "title": "knight", "gold": 5}, 1)
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(answer.json["state"], {"name": "Ada L.", "title": "queen", "gold": 5, "wins": 7,
                                                    "items": ["sword"]})
            self.assertEqual(put({"name": "Ada", "title": "knight", "gold": 5, "old": 1}, 1).json["version"], 3)
            self.problem(put({"name": "x"}, 9), 409, "version_conflict", "Base-Version")
            self.assertEqual(put({}, 1).json["state"], {"wins": 7, "items": ["sword"]})

    def test_put_against_an_older_version_with_preconditions(self):
        """They are compared with the state that is there, whether or not the document leaves anything to change."""
        old = self.gold(self.eu, 2)[0]["state"]
        now = self.eu.call("GET", self.path)
        put = lambda body, **headers: self.eu.call("PUT", self.path, body, headers={
            "Base-Version": "1", **{name.replace("_", "-"): value for name, value in headers.items()}})
        for body in (old, {"gold": 60}):
            for headers, field in (({"If_Match": '"other"'}, "If-Match"), ({"If_None_Match": "*"}, "If-None-Match")):
                refused = put(body, **headers)
                self.problem(refused, 412, "precondition_failed", field)
                self.assertEqual(refused.json["currentVersion"], 2)
        same = put(old, If_Match=now.headers["etag"])
        self.assertEqual((same.status, same.body, same.headers["etag"]), (200, now.body, now.headers["etag"]))
        self.assertEqual(self.eu.call("DELETE", self.path).status, 204)
        self.problem(put(old, If_Match="*"), 412, "precondition_failed", "If-Match")
        self.assertEqual(self.eu.call("GET", self.path).status, 404)

    def test_put_against_a_version_before_a_delete(self):
        old = self.gold(self.eu, 1)[0]["state"]
        self.assertEqual(self.eu.call("DELETE", self.path).status, 204)
        answer = self.eu.call("PUT", self.path, old, headers={"Base-Version": "1"})
        self.assertEqual((answer.status, answer.body, "etag" in answer.headers), (204, b"", False), answer)
        self.problem(self.eu.call("GET", self.path), 404, "not_found")
        answer = self.eu.call("PUT", self.path, {**old, "name": "x"}, headers={"Base-Version": "1"})
        self.assertEqual((answer.status, answer.json["state"]), (201, {"name": "x"}))

    def roll_back(self, node, body, query="", **options):
        return node.call("POST", f"{self.path}/rollback{query}", body, **options)

    def test_rollback(self):
        before = self.gold(self.eu, 3, by=10)[-1]
        other = uuid.uuid4().hex[:12]
        pair = self.post_pair(other)
        last = self.post(self.eu, [{"op": "set", "path": "/name", "value": "Eve"},
                                   {"op": "add", "path": "/items", "value": 1}])
        plan = self.roll_back(self.eu, {"toVersion": 3}, "?dryRun=true").json
        self.assertEqual([e["eventId"] for e in plan["cancels"]], [pair["eventId"], last["eventId"]])
        self.assertEqual(plan["cancels"][0]["alsoChanged"], [{"aggregateType": "player", "aggregateId": other}])
        self.assertEqual((plan["before"]["gold"], plan["after"]), (27, before["state"]))
        self.assertEqual({op["path"] for op in plan["ops"]}, {"/gold", "/name", "/items"})
        self.assertEqual(self.eu.call("GET", self.path).json["version"], 5)
        body, key = {"toVersion": 3, "reason": "duplicated"}, {"Idempotency-Key": self.id}
        answer = self.roll_back(self.eu, body, headers=key)
        self.assertEqual(answer.status, 201, answer)
        event = answer.json
        self.assertEqual((event["eventType"], event["version"]), ("gs.rollback", 6))
        self.assertEqual(event["data"], {"cancels": [pair["eventId"], last["eventId"]], "fromVersion": 5, **body})
        self.assertEqual(self.eu.call("GET", self.path).json["state"], before["state"])
        self.assertEqual(self.eu.call("GET", "/state/player/" + other).json["state"], {"gold": 3})
        self.problem(self.roll_back(self.eu, {"toVersion": 3}), 409, "already_rolled_back")
        again = self.roll_back(self.eu, body, headers=key)
        self.assertEqual((again.status, again.json["eventId"]), (200, event["eventId"]))
        self.eu.kill()
        self.eu.start()
        self.problem(self.roll_back(self.eu, {"toVersion": 3}), 409, "already_rolled_back")
        again = self.roll_back(self.eu, body, headers=key)
        self.assertEqual((again.status, again.json["eventId"]), (200, event["eventId"]))
        self.cluster.wait_converged()
        self.assertEqual(self.us.call("GET", self.path).json["state"], before["state"])
        # What happens after it can be rolled back again, and only that is named.
        fresh = self.post(self.eu, [increment(100)])
        second = self.roll_back(self.eu, {"toVersion": 3}).json
        self.assertEqual(second["data"]["cancels"], [fresh["eventId"]])
        self.assertEqual(self.eu.call("GET", self.path).json["state"], before["state"])

    def test_rollback_to_a_time_and_to_nothing(self):
        first = self.gold(self.eu, 1)[0]
        time.sleep(0.005)
        self.gold(self.eu, 2)
        self.problem(self.roll_back(self.eu, {"to": now_text(60000)}), 409, "already_rolled_back", "/to")
        self.assertEqual(self.roll_back(self.eu, {"to": first["updatedAt"]}).status, 201)
        self.assertEqual(self.eu.state("player/" + self.id), {"gold": 1})
        self.assertEqual(self.roll_back(self.eu, {"toVersion": 0}).status, 201)
        self.assertEqual(self.eu.call("GET", self.path).status, 404)
        self.assertEqual(self.roll_back(self.eu, {"toVersion": 1}).status, 201)
        self.assertEqual(self.eu.state("player/" + self.id), {"gold": 1})

    def test_rollback_brings_types_back(self):
        """What was unset comes back as what it was: a counter counts on, a sketch knows whom it has seen."""
        self.post(self.eu, [increment(5), {"op": "create", "path": "/bans", "type": "set_rw"},
                            {"op": "add", "path": "/bans", "value": "bob"},
                            {"op": "observe", "path": "/seen", "value": 1},
                            {"op": "score", "path": "/top", "member": "ada", "to": 7}])
        before = self.eu.state("player/" + self.id)
        self.post(self.eu, [{"op": "unset", "path": name} for name in ("/gold", "/bans", "/seen", "/top")])
        self.assertEqual(self.roll_back(self.eu, {"toVersion": 1}).status, 201)
        self.assertEqual(self.eu.state("player/" + self.id), before)
        self.post(self.eu, [increment(1), {"op": "observe", "path": "/seen", "value": 1},
                            {"op": "remove", "path": "/bans", "value": "bob"},
                            {"op": "score", "path": "/top", "member": "ada", "by": 1}])
        self.assertEqual(self.eu.state("player/" + self.id),
                         {"bans": [], "gold": 6, "seen": 1, "top": [{"member": "ada", "score": 8}]})
        self.cluster.wait_converged()

    def test_rollback_refuses(self):
        self.gold(self.eu, 2)
        for body, field in (({}, "/toVersion"), ({"toVersion": 1, "to": now_text()}, "/toVersion"),
                            ({"toVersion": "1"}, "/toVersion"), ({"to": "noon"}, "/to"),
                            ({"toVersion": 1, "reason": 5}, "/reason"), ({"toVersion": 1, "x": 1}, "/x")):
            self.problem(self.roll_back(self.eu, body), 400, "invalid_argument", field)
        self.problem(self.roll_back(self.eu, {"toVersion": 1}, "?dryRun=yes"), 400, "invalid_argument", "dryRun")
        self.problem(self.roll_back(self.eu, {"toVersion": 9}), 404, "not_found", "/toVersion")
        self.problem(self.roll_back(self.eu, {"toVersion": 2}), 409, "already_rolled_back", "/toVersion")
        self.problem(self.eu.call("POST", "/state/player/nobody/rollback", {"toVersion": 0}), 404, "not_found")
        limited = token(scope="state:write", aggregates=["guild/*"])
        self.assertEqual(self.roll_back(self.eu, {"toVersion": 1}, bearer=limited).status, 403)
        self.assertEqual(self.roll_back(self.eu, {"toVersion": 1}, bearer=token(scope="state:read")).status, 403)
        forged = {"aggregateType": "player", "aggregateId": self.id, "eventType": "gs.rollback", "ops": []}
        self.problem(self.eu.call("POST", "/events", forged), 400, "invalid_argument", "/eventType")
        self.assertEqual(self.eu.call("GET", self.path).json["version"], 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
