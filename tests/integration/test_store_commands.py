"""`globalstate verify`, `replay --from-store` and `events` on the store and the node of a real region.

usage: test_store_commands.py GLOBALSTATE
"""
import json, os, random, sqlite3, sys, unittest

from cluster import Cluster, wait_for
from http_client import token

PROGRAM = sys.argv.pop(1)


class StoreCommands(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, regions=("eu-west", "us-east"))
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["eu-west"]
        rng, client, other = random.Random(7), self.node.client(), self.cluster["us-east"].client()
        for at in range(60):
            events = [{"aggregateType": "player", "aggregateId": "hot" if i % 2 else f"p{rng.randrange(9)}",
                       "eventType": "test", "data": {"n": at}, "ops": [{"op": "increment", "path": "/gold", "by": i}]}
                      for i in range(10)]
            for one in (client, other) if at % 4 == 0 else (client,):
                self.assertEqual(one.call("POST", "/events", {"events": events}).status, 201)
        client.close()
        other.close()
        self.cluster.wait_converged()
        wait_for("states are kept", lambda: self.ask("SELECT count(*) FROM aggregate_states") > 0)

    def database(self):
        return os.path.join(self.node.directory, "data", "globalstate.db")

    def ask(self, sql):
        database = sqlite3.connect(self.database())
        try:
            return database.execute(sql).fetchone()[0]
        finally:
            database.close()

    def change(self, sql, *values):
        database = sqlite3.connect(self.database())
        with database:
            self.assertGreater(database.execute(sql, values).rowcount, 0)
        database.close()

    def flip(self, table, column, where):
        value = bytearray(self.ask(f"SELECT {column} FROM {table} WHERE {where}"))
        value[len(value) // 2] ^= 1
        self.change(f"UPDATE {table} SET {column} = ? WHERE {where}", bytes(value))

    def verify(self, *more):
        done = self.cluster.run("verify", "--store", "sqlite:" + self.database(), "--json", "--trust",
                                self.cluster.trust_file, *more)
        return done, json.loads(done.stdout.splitlines()[-1]) if done.stdout else None

    def test_verify(self):
        done, _ = self.verify()
        self.assertEqual((done.returncode, "in use by process" in done.stderr), (1, True), done)
        self.assertEqual(self.node.stop(), 0)
        done, report = self.verify()
        self.assertEqual((done.returncode, report["ok"], report["findings"]), (0, True, 0), done)
        self.assertEqual(report["events"], 60 * 10 + 15 * 10 + self.acknowledgements())
        self.assertEqual((report["origins"], report["records"]), (2, self.ask("SELECT max(position) FROM delta_log")))
        self.assertGreater(report["keptStates"], 0)
        plain = self.cluster.run("verify", "--store", "sqlite:" + self.database())
        self.assertIn("all is well", plain.stdout)
        last = self.ask("SELECT max(version) FROM aggregate_states WHERE id = 'hot'")
        self.flip("aggregate_states", "state", f"id = 'hot' AND version = {last}")
        self.change("DELETE FROM aggregate_events WHERE version = 7 AND aggregate = 1")
        self.flip("event_versions", "list", "position = 5")
        self.flip("delta_log", "record", "position = 9")
        done, report = self.verify()
        self.assertEqual((done.returncode, report["ok"]), (1, False))
        named = "\n".join(report["named"])
        for text in ("it lacks version 7", "record 5: the index", "record 9: its checksum",
                     f"the kept state of player/hot at version {last}"):
            self.assertIn(text, named)

    def acknowledgements(self):
        """Events without changes: what was received is acknowledged by them."""
        lists = self.ask("SELECT count(*) FROM event_versions WHERE length(list) = 0")
        return lists

    def test_verify_refuses(self):
        for arguments, status in (([], 2), (["--store", "nonsense:x"], 1),
                                  (["--store", "sqlite:/no/such/dir/x.db"], 1)):
            self.assertEqual(self.cluster.run("verify", *arguments).returncode, status)
        done = self.cluster.run("verify", "--store", "sqlite:" + self.database(), "--trust", "/no/such/file")
        self.assertEqual(done.returncode, 1)

    def test_replay_from_store(self):
        self.assertEqual(self.node.stop(), 0)
        states = {}
        target = os.path.join(self.cluster.directory, "fresh.db")
        arguments = ("replay", "--from-store", "sqlite:" + self.database(), "--into", "sqlite:" + target, "--trust",
                     self.cluster.trust_file, "--json")
        done = self.cluster.run(*arguments)
        self.assertEqual(done.returncode, 0, done)
        answer = json.loads(done.stdout.splitlines()[-1])
        self.assertTrue(answer["identical"])
        self.assertEqual(answer["records"], self.ask("SELECT max(position) FROM delta_log"))
        again = self.cluster.run(*arguments)
        self.assertEqual((again.returncode, "not empty" in again.stderr), (1, True), again)
        # A node over the fresh store shows the same.
        self.node.start()
        states = self.node.states("player")
        self.node.kill()
        os.replace(target, self.database())
        for end in ("-wal", "-shm"):
            if os.path.exists(self.database() + end):
                os.remove(self.database() + end)
        self.node.start()
        self.cluster.wait_converged()
        self.assertEqual(self.node.states("player"), states)
        for arguments in (["--from-store", "sqlite:x"], ["--from-store", "sqlite:x", "--into", "sqlite:y"],
                          ["trace", "--from-store", "sqlite:x", "--into", "sqlite:y", "--trust", "z"]):
            self.assertEqual(self.cluster.run("replay", *arguments).returncode, 2)

    def test_erase(self):
        node, secret = self.node, "a-secret-that-must-go"
        for actor, note in (("ada", secret), ("bob", "kept")):
            for i in range(3):
                body = {"aggregateType": "player", "aggregateId": "x", "eventType": "note",
                        "data": {"note": f"{note}{i}"}, "ops": [{"op": "increment", "path": "/n", "by": 1}]}
                self.assertEqual(node.call("POST", "/events", body, bearer=token(actor)).status, 201)
        feed = node.call("GET", "/events?actor=ada&limit=1000").json["events"]
        self.assertEqual([event["data"]["note"] for event in feed], [f"{secret}{i}" for i in range(3)])
        self.assertEqual(node.call("GET", "/events?actor=nobody&limit=1000").json["events"], [])
        before = node.states("player")
        self.assertEqual(node.stop(), 0)
        done = self.cluster.run("erase", "--store", "sqlite:" + self.database(), "--actor", "ada", "--json")
        self.assertEqual(json.loads(done.stdout), {"events": 3, "erased": 3, "records": 3}, done)
        for name in os.listdir(os.path.dirname(self.database())):
            path = os.path.join(os.path.dirname(self.database()), name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    self.assertNotIn(secret.encode(), file.read(), name)
        done, report = self.verify()
        self.assertEqual((done.returncode, report["findings"]), (0, 0), done)
        done = self.cluster.run("erase", "--store", "sqlite:" + self.database(), "--actor", "ada", "--json")
        self.assertEqual(json.loads(done.stdout), {"events": 3, "erased": 0, "records": 0})
        node.start()
        self.assertEqual(node.states("player"), before)
        events = node.call("GET", "/events/player/x").json["events"]
        self.assertEqual([(e["data"], e.get("dataErased", False), e["signature"]) for e in events],
                         [({}, True, "valid")] * 3 + [({"note": f"kept{i}"}, False, "valid") for i in range(3)])
        self.assertEqual(self.cluster.run("erase", "--actor", "ada").returncode, 2)

    def test_events(self):
        url = ("--url", f"http://127.0.0.1:{self.node.http_port}", "--token-file", self.cluster.token_file)
        done = self.cluster.run("events", "player/hot", "--limit", "7", "--json", *url)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([event["version"] for event in events], list(range(1, 8)))
        done = self.cluster.run("events", "player/hot", "--newest", "--limit", "1", *url)
        self.assertIn("[valid]  player/hot v375", done.stdout)
        everything = self.cluster.run("events", "--json", *url).stdout.splitlines()
        self.assertEqual(len(everything), 750)
        self.assertEqual(self.cluster.run("events", "player/nobody", *url).returncode, 1)
        self.assertEqual(self.cluster.run("events", "player/hot", "--since", "now", *url).returncode, 2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
