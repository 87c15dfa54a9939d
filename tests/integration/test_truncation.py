"""Old records go, by type: what is left is whole, what is gone is said to be, and every answer is what the API's
document allows.

usage: test_truncation.py GLOBALSTATE
"""
import os, sqlite3, sys, time, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "openapi"))
from cluster import Cluster, wait_for
from contract import Contract

PROGRAM = sys.argv.pop(1)
EVENTS = 700


class Truncation(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, regions=("eu-west",), GS_RETENTION="combat=1s")
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["eu-west"]
        self.contract = Contract(self.node.call("GET", "/openapi.json").json)

    def call(self, method, target, body=None, **options):
        answer = self.node.call(method, target, body, **options)
        self.contract.check(method, target, answer)
        return answer

    def gone(self, method, target, body=None, **options):
        answer = self.call(method, target, body, **options)
        self.assertEqual((answer.status, answer.json["code"]), (410, "gone"), answer)
        return answer.json["oldest"]

    def write(self, count=EVENTS):
        client = self.node.client()
        for at in range(0, count, 10):
            events = [{"aggregateType": kind, "aggregateId": "a", "eventType": "test",
                       "ops": [{"op": "increment", "path": "/n", "by": 1}]} for kind in ("combat", "player")] * 5
            answer = client.call("POST", "/events", {"events": events})
            self.assertEqual(answer.status, 201, answer)
        client.close()

    def removed(self):
        return self.node.status()["counters"]["recordsRemoved"]

    def settled(self):
        """Events of one type are old enough, kept, and gone."""
        self.write()
        time.sleep(1.1)
        self.write(20)  # a keep that is due comes with it
        wait_for("old events are gone", lambda: self.call("GET", "/events/combat/a").json["gone"] > 0)

    def test_what_is_gone_and_what_is_left(self):
        started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
        self.settled()
        total = (EVENTS + 20) // 2
        page = self.call("GET", "/events/combat/a?limit=5").json
        self.assertEqual(page["events"][0]["version"], page["gone"] + 1)
        oldest = self.gone("GET", "/state/combat/a?atVersion=1")
        self.assertGreaterEqual(oldest["version"], page["gone"])
        shown = self.call("GET", f"/state/combat/a?atVersion={oldest['version']}").json
        self.assertEqual(shown["state"], {"n": oldest["version"]})
        self.assertEqual(self.gone("GET", f"/state/combat/a?atVersion={page['gone'] - 1}"), oldest)
        self.assertEqual(self.gone("GET", f"/state/combat/a?at={started}"), oldest)
        self.assertEqual(self.gone("GET", "/events/combat/a?from=2"), oldest)
        self.assertEqual(self.gone("POST", "/state/combat/a/rollback?dryRun=true", {"toVersion": 1}), oldest)
        self.assertEqual(self.gone("POST", "/state/combat/a/rollback?dryRun=true", {"to": started}), oldest)
        self.assertEqual(self.gone("PUT", "/state/combat/a", {"n": 1}, headers={"Base-Version": "1"}), oldest)
        self.gone("GET", f"/state/combat/a?at={started}&as=eu-west")
        begin = self.gone("GET", "/events?since=1.0")["cursor"]
        first = self.call("GET", f"/events?since={begin}&limit=3").json["events"]
        self.assertEqual(self.call("GET", "/events?limit=3").json["events"], first)
        # The other type is whole, and so is every state.
        self.assertEqual(self.call("GET", "/events/player/a?limit=1").json["gone"], 0)
        self.assertEqual(self.call("GET", "/state/player/a?atVersion=3").json["state"], {"n": 3})
        for kind in ("combat", "player"):
            state = self.call("GET", f"/state/{kind}/a").json
            self.assertEqual((state["version"], state["state"]), (total, {"n": total}))

    def path(self):
        return os.path.join(self.node.directory, "data", "globalstate.db")

    def flip(self, table, column, which):
        """A bit of a stored value; once more, and it is as it was."""
        with sqlite3.connect(self.path()) as database:
            value = bytearray(database.execute(f"SELECT {column} FROM {table} WHERE {which}").fetchone()[0])
            value[len(value) // 2] ^= 4
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (bytes(value),))
        database.close()

    def test_damage_of_what_it_stands_on(self):
        """Where the log has no copy, nothing is made up: the start is refused by name, and so says verify."""
        self.settled()
        states = self.node.states("combat", "player")
        self.node.stop()
        store = "sqlite:" + self.path()
        newest = "type = 'combat' AND version = (SELECT max(version) FROM aggregate_states WHERE type = 'combat')"
        for place, name in ((("aggregate_states", "state", newest), "the kept state of combat/a is damaged"),
                            (("checkpoints", "core", "number = 1"), "the checkpoint is damaged"),
                            (("log_base", "base", "number = 1"), "base")):
            self.flip(*place)
            self.node.start(wait=False)
            self.assertEqual(self.node.wait(30), 1)
            self.assertIn(name, self.node.log().splitlines()[-1])
            done = self.cluster.run("verify", "--store", store)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(name, done.stdout + done.stderr)
            self.flip(*place)
        self.node.start()
        self.assertEqual(self.node.states("combat", "player"), states)

    def test_survives_kills_and_is_verified(self):
        self.settled()
        states = self.node.states("combat", "player")
        for _ in range(3):
            self.node.kill()
            self.node.start()
            self.assertEqual(self.node.states("combat", "player"), states)
            self.gone("GET", "/state/combat/a?atVersion=1")
        self.write(20)
        self.assertEqual(self.call("GET", "/state/combat/a").json["state"], {"n": (EVENTS + 40) // 2})
        self.node.stop()
        store = "sqlite:" + os.path.join(self.node.directory, "data", "globalstate.db")
        done = self.cluster.run("verify", "--store", store, "--trust", self.cluster.trust_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("the log is whole after record", done.stdout)
        self.assertIn("all is well", done.stdout)


if __name__ == "__main__":
    unittest.main()
