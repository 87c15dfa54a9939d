"""States kept beside the log: a start from them is a start from the log, and damage is named and never served.

usage: test_keep.py GLOBALSTATE
"""
import os, random, sqlite3, sys, unittest

from cluster import Cluster, wait_for

PROGRAM = sys.argv.pop(1)
EVENTS = 1400


class Keep(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, regions=("eu-west",))
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["eu-west"]
        self.path = os.path.join(self.node.directory, "data", "globalstate.db")

    def write(self, count=EVENTS, hot="hot", seed=1, status=201):
        """Events on one aggregate that is looked back at, and on others beside it."""
        rng, client = random.Random(seed), self.node.client()
        for at in range(0, count, 10):
            events = [{"aggregateType": "player", "aggregateId": hot if i % 2 else f"p{rng.randrange(30)}",
                       "eventType": "test", "ops": [{"op": "increment", "path": "/gold", "by": at + i},
                                                    {"op": "set", "path": f"/slot{i}", "value": rng.randrange(99)}]}
                      for i in range(10)]
            answer = client.call("POST", "/events", {"events": events}, headers={"Idempotency-Key": f"{seed}-{at}"})
            self.assertEqual(answer.status, status, answer)
        client.close()

    def database(self):
        return sqlite3.connect(self.path)

    def kept(self):
        database = self.database()
        try:
            return database.execute("SELECT count(*) FROM aggregate_states").fetchone()[0]
        finally:
            database.close()

    def picture(self):
        """All that a restart must not change."""
        versions = (1, 255, 256, 257, 500, EVENTS // 2)
        past = [self.node.call("GET", f"/state/player/hot?atVersion={v}").json["state"] for v in versions]
        return self.node.states("player"), self.node.status()["vector"], past

    def filled(self):
        self.write()
        wait_for("states are kept", lambda: self.kept() > 0)
        before = self.picture()
        self.node.kill()
        return before

    def test_start_from_what_was_kept(self):
        before = self.filled()
        self.node.start()
        self.assertEqual(self.picture(), before)
        self.write(status=200)  # the same requests: each was carried out
        self.assertEqual(self.picture(), before)
        self.write(seed=2)
        after = self.picture()
        self.assertEqual(after[0]["player/hot"][0], EVENTS)
        self.node.kill()
        self.node.start()
        self.assertEqual(self.picture(), after)

    def damage(self, sql, *values):
        with self.database() as database:
            self.assertGreater(database.execute(sql, values).rowcount, 0)
        database.close()

    def flip(self, table, column, where):
        """One bit of a stored value."""
        with self.database() as database:
            value = bytearray(database.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()[0])
            value[len(value) // 2] ^= 4
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (bytes(value),))
        database.close()

    def test_damaged_states_are_named_and_made_anew(self):
        before = self.filled()
        for table, column, where, named in (
                ("aggregate_states", "state", "id = 'hot' AND version = (SELECT max(version) FROM aggregate_states "
                 "WHERE id = 'hot')", "the kept state of player/hot is damaged"),
                ("checkpoints", "core", "number = 1", "the checkpoint is damaged"),
                ("kept_entries", "entries", "journal = 0 AND last = (SELECT max(last) FROM kept_entries)",
                 "kept entries")):
            with self.subTest(table):
                with self.database() as database:
                    present = database.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0]
                database.close()
                self.assertEqual(present, 1)
                self.flip(table, column, where)
                self.node.start()
                self.assertIn(named, self.node.log())
                self.assertEqual(self.picture(), before)
                self.write(count=600, hot="again" + table.replace("_", ""), seed=3 + len(table))
                wait_for("states are kept again", lambda: self.kept() > 0)
                before = self.picture()
                self.node.kill()

    def test_an_older_damaged_state_is_passed_over(self):
        before = self.filled()
        with self.database() as database:
            versions = [v for (v,) in database.execute("SELECT version FROM aggregate_states WHERE id = 'hot'")]
        database.close()
        self.assertGreater(len(versions), 1)
        self.flip("aggregate_states", "state", f"id = 'hot' AND version = {min(versions)}")
        self.node.start()
        self.assertEqual(self.picture(), before)

    def test_a_damaged_record_is_named(self):
        self.filled()
        with self.database() as database:
            last = database.execute("SELECT max(position) FROM delta_log").fetchone()[0]
        database.close()
        self.flip("delta_log", "record", f"position = {last - 1}")
        self.damage("DELETE FROM checkpoints")
        self.node.start(wait=False)
        self.assertEqual(self.node.wait(), 1)
        self.assertIn(f"record {last - 2}", self.node.log())
        self.assertIn("damaged", self.node.log())


if __name__ == "__main__":
    unittest.main(verbosity=1)
