"""The conflict ledger: concurrent writes that met, with both values, both clocks, rule and window, in each region that
saw them meet, and again after a restart.  usage: test_conflicts.py GLOBALSTATE

One region keeps its log in PostgreSQL, the others in SQLite."""
import contextlib, os, sqlite3, sys, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import REGIONS, Cluster, Node, wait_for  # noqa: E402
from forwarder import Network  # noqa: E402
from http_client import token  # noqa: E402
from postgres import Postgres  # noqa: E402

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


def assign(value, path="/name"):
    return {"ops": [{"op": "set", "path": path, "value": value}]}


class Conflicts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.server = Postgres()
        cls.addClassCleanup(cls.server.close)
        cls.cluster = Cluster(PROGRAM, network=cls.network, start=False)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster[US].extra["DATABASE_URL"] = cls.server.create(US)
        cls.cluster.start()
        cls.cluster.wait_linked()

    def write(self, region, aggregate, value, path="/name"):
        answer = self.cluster[region].call("PATCH", "/state/" + aggregate, assign(value, path))
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def ledger(self, region, aggregate=None, query="", bearer=None):
        path = (f"/state/{aggregate}/conflicts" if aggregate else "/conflicts") + query
        answer = self.cluster[region].call("GET", path, bearer=bearer)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def collide(self, aggregate, rounds=1, path="/name"):
        """Both write while they cannot hear each other; returns what each was answered last."""
        self.network.cut_all()
        try:
            for i in range(rounds):
                first = self.write(EU, aggregate, f"eu {i}", path + (str(i) if rounds > 1 else ""))
                second = self.write(US, aggregate, f"us {i}", path + (str(i) if rounds > 1 else ""))
        finally:
            self.network.heal()
        self.cluster.wait_converged()
        return first, second

    def without(self, entry, *names):
        return {name: value for name, value in entry.items() if name not in names}

    def test_both_values_and_clocks(self):
        self.write(EU, "player/ada", "first")
        self.cluster.wait_converged()
        eu, us = self.collide("player/ada")
        entries = {}
        for region in (EU, US):
            found = self.ledger(region, "player/ada")["conflicts"]
            self.assertEqual(len(found), 1, found)
            entries[region] = found[0]
        ours = ("number", "recordedBy")
        self.assertEqual(self.without(entries[EU], *ours), self.without(entries[US], *ours))
        self.assertEqual([entries[region]["recordedBy"] for region in (EU, US)], [EU, US])
        entry = entries[EU]
        self.assertEqual((entry["path"], entry["type"], entry["rule"]), ("/name", "register", "last_writer_wins"))
        values = {value["region"]: value for value in [entry["winner"], *entry["losers"]]}
        self.assertEqual({region: value["value"] for region, value in values.items()}, {EU: "eu 0", US: "us 0"})
        self.assertEqual(values[EU]["vectorClock"], eu["vectorClock"])
        self.assertEqual(values[US]["vectorClock"], us["vectorClock"])
        self.assertEqual(entry["winner"]["value"], self.cluster[AP].state("player/ada")["name"])
        stamps = sorted(value["timestamp"] for value in values.values())
        self.assertEqual([entry["window"]["from"], entry["window"]["to"]], stamps)
        self.assertEqual(entry["detectedAt"], stamps[1])
        # Overwritten, the two no longer stand side by side; the ledger still tells of them.
        self.write(AP, "player/ada", "settled")
        self.cluster.wait_converged()
        self.assertEqual(self.cluster[EU].call("GET", "/state/player/ada").json["conflicts"], [])
        self.assertEqual(self.ledger(EU, "player/ada")["conflicts"], [entry])
        self.assertEqual(self.ledger(EU, "player/nobody")["conflicts"], [])

    def checkpoint(self, region):
        """How far the log is that the region's newest checkpoint covers; 0 when there is none."""
        sql = "SELECT position FROM {}checkpoints"
        if region == US:
            rows = self.server.query(sql.format("global_state."), region)
        else:
            path = os.path.join(self.cluster[region].directory, "data", "globalstate.db")
            with contextlib.closing(sqlite3.connect(path)) as database:
                rows = database.execute(sql.format("")).fetchall()
        return int(rows[0][0]) if rows else 0

    def keep(self, *regions):
        """As many events on one aggregate as make each region keep it, and with it a checkpoint."""
        before = {region: self.checkpoint(region) for region in regions}
        event = {"aggregateType": "hot", "aggregateId": "spot", "eventType": "test",
                 "ops": [{"op": "increment", "path": "/n", "by": 1}]}
        answer = self.cluster[AP].call("POST", "/events", {"events": [event] * 600})
        self.assertEqual(answer.status, 201, answer)
        self.cluster.wait_converged()
        for region in regions:
            wait_for("a checkpoint", lambda at=region: self.checkpoint(at) > before[at])

    def assert_kept(self, region, end):
        """The whole ledger is after a restart what it was, to the numbers and clocks."""
        before = self.ledger(region, query="?limit=1000")
        end(self.cluster[region])
        self.cluster[region].start()
        self.assertEqual(self.ledger(region, query="?limit=1000"), before)
        self.assertNotIn("it was forgotten", self.cluster[region].log())  # it began with what was kept
        return before["conflicts"]

    def test_survives_a_restart(self):
        self.collide("player/kept", rounds=5)
        self.keep(EU, US)
        self.collide("player/later", rounds=3)
        for region in (EU, US):
            for end in (Node.kill, Node.stop):
                with self.subTest(region=region, end=end.__name__):
                    names = [entry["aggregateId"] for entry in self.assert_kept(region, end)]
                    self.assertEqual((names.count("kept"), names.count("later")), (5, 3))
                    self.assertEqual(names[:3], ["later"] * 3)
        self.cluster.wait_linked()
        self.keep(EU, US)  # now nothing of it has to be replayed
        for region in (EU, US):
            self.assert_kept(region, Node.kill)
        self.cluster.wait_linked()

    def test_pages_and_patterns(self):
        self.collide("guild/a", rounds=4)
        self.collide("guild/b", rounds=3)
        everything = self.ledger(EU)
        self.assertEqual(everything["conflicts"], sorted(everything["conflicts"], key=lambda e: -e["number"]))
        seen, cursor = [], ""
        while cursor is not None:
            page = self.ledger(EU, "guild/a", f"?limit=3{cursor and '&cursor=' + cursor}")
            seen += page["conflicts"]
            cursor = page["next"]
        self.assertEqual([entry["path"] for entry in seen], ["/name3", "/name2", "/name1", "/name0"])
        limited = token("s", "state:read", aggregates=["guild/b"])
        first = self.ledger(EU, query="?limit=2", bearer=limited)
        self.assertEqual([e["aggregateId"] for e in first["conflicts"]], ["b", "b"])
        rest = self.ledger(EU, query=f"?limit=2&cursor={first['next']}", bearer=limited)
        self.assertEqual(([e["aggregateId"] for e in rest["conflicts"]], rest["next"]), (["b"], None))
        self.assertEqual(self.cluster[EU].call("GET", "/state/guild/a/conflicts", bearer=limited).status, 403)
        for query in ("cursor=x", "cursor=0", "cursor=-1", "limit=0", "cursor=" + "9" * 19):
            self.assertEqual(self.cluster[EU].call("GET", "/conflicts?" + query).status, 400, query)

    def test_no_conflict_without_concurrency(self):
        for region in REGIONS:
            self.write(region, "player/calm", region)
            self.cluster.wait_converged()
        self.network.cut_all()
        try:
            for region in REGIONS:  # in fields of their own, and in a counter
                self.write(region, "player/calm", region, "/" + region)
                self.cluster[region].call("PATCH", "/state/player/calm",
                                          {"ops": [{"op": "increment", "path": "/n", "by": 1}]})
        finally:
            self.network.heal()
        self.cluster.wait_converged()
        for region in REGIONS:
            self.assertEqual(self.ledger(region, "player/calm")["conflicts"], [])

    def test_requests_that_crossed(self):
        """One request, sent to two regions that cannot hear each other: both count, both are told, in every region."""
        body = {"eventType": "trade.settled", "changes": [
            {"aggregateType": "player", "aggregateId": f"crossed-{i}",
             "ops": [{"op": "increment", "path": "/gold", "by": 5}]} for i in range(2)]}
        self.network.cut_all()
        try:
            ids = [self.cluster[region].call("POST", "/events", body, headers={"Idempotency-Key": "crossed"})
                   .json["eventId"] for region in (EU, US)]
        finally:
            self.network.heal()
        self.cluster.wait_converged()
        for region in (EU, US, AP):
            for i in range(2):
                wait_for("an entry", lambda: self.ledger(region, f"player/crossed-{i}")["conflicts"])
                entry, = self.ledger(region, f"player/crossed-{i}")["conflicts"]
                self.assertEqual((entry["path"], entry["type"], entry["rule"]), ("", "event", "crossed_requests"))
                self.assertEqual([entry["winner"]["value"], entry["losers"][0]["value"]], ids)
                self.assertEqual(self.cluster[region].state(f"player/crossed-{i}"), {"gold": 10})
            again = self.cluster[region].call("POST", "/events", body, headers={"Idempotency-Key": "crossed"})
            self.assertEqual(again.status, 200, again)
            self.assertIn(again.json["eventId"], ids)

    def test_large_values_are_told_by_size(self):
        self.network.cut_all()
        try:
            self.write(EU, "player/large", "x" * 5000)
            self.write(US, "player/large", "small")
        finally:
            self.network.heal()
        self.cluster.wait_converged()
        wait_for("an entry", lambda: self.ledger(EU, "player/large")["conflicts"])
        entry = self.ledger(EU, "player/large")["conflicts"][0]
        values = {value["region"]: value for value in [entry["winner"], *entry["losers"]]}
        self.assertEqual((values[EU]["value"], values[EU]["valueBytes"]), (None, 5003))
        self.assertEqual(values[US]["value"], "small")


if __name__ == "__main__":
    unittest.main()
