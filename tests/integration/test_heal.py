"""Logs that are damaged on the disk: what is damaged is fetched again from a region that has it, and never served.

usage: test_heal.py GLOBALSTATE
"""
import hashlib, os, sqlite3, struct, sys, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import REGIONS, Cluster, wait_for  # noqa: E402
from postgres import Postgres  # noqa: E402

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS
OVER = ("completed", "failed", "cancelled")


def path_of(node):
    directory = os.path.join(node.directory, "data")
    return os.path.join(directory, next(n for n in os.listdir(directory) if n.endswith(".db") and "audit" not in n))


class Heal(unittest.TestCase):
    def write(self, node, count, hot="hot"):
        client = node.client()
        for at in range(count):
            event = {"aggregateType": "player", "eventType": "t", "aggregateId": hot if at % 2 else f"p{at % 20}",
                     "data": {"n": at}, "ops": [{"op": "set", "path": "/hand", "value": "wooden sword"}] * (at == 1) +
                                           [{"op": "increment", "path": "/gold", "by": 1}]}
            self.assertEqual(client.call("POST", "/events", event).status, 201)
        client.close()

    def flip(self, node, positions, column="record"):
        """A bit of stored rows; the log's length, and how many rows."""
        with sqlite3.connect(path_of(node)) as database:
            last = database.execute("SELECT max(position) FROM delta_log").fetchone()[0]
            for position in positions(last):
                value = bytearray(database.execute(f"SELECT {column} FROM delta_log WHERE position = ?",
                                                   (position,)).fetchone()[0])
                value[len(value) // 2] ^= 4
                database.execute(f"UPDATE delta_log SET {column} = ? WHERE position = ?", (bytes(value), position))
        database.close()

    def forget_kept(self, node):
        with sqlite3.connect(path_of(node)) as database:
            database.execute("DELETE FROM checkpoints")
        database.close()

    def healed(self, node):
        audit = node.call("GET", "/audit?subject=globalstate&limit=1000").json["entries"]
        return sorted(int(e["target"].rsplit("/", 1)[1]) for e in audit if e["action"] == "heal")

    def check_log(self, node):
        """The walk that believes nothing finds nothing."""
        node.stop()
        store = node.extra.get("DATABASE_URL") or "sqlite:" + path_of(node)
        done = self.cluster.run("verify", "--store", store, "--trust", self.cluster.trust_file)
        self.assertEqual(done.returncode, 0, done)

    def begin(self, **settings):
        self.cluster = Cluster(PROGRAM, start=False, **settings)
        self.addCleanup(self.cluster.close)

    def filled(self):
        self.cluster.start()
        self.cluster.wait_linked()
        for node in self.cluster:
            self.write(node, 40)
        self.cluster.wait_converged()
        return self.cluster[EU].states("player")

    def test_a_log_that_no_start_gets_past(self):
        self.begin()
        before = self.filled()
        node = self.cluster[US]
        node.stop()
        spoilt = []
        self.flip(node, lambda last: spoilt.extend((2, 3, 40, last - 1, last)) or spoilt)
        self.flip(node, lambda last: spoilt.append(30) or [30], "checksum")  # the record itself is whole
        self.forget_kept(node)
        node.start()
        self.cluster.wait_linked()
        self.cluster.wait_converged()
        self.assertEqual(node.states("player"), before)
        self.assertEqual(self.healed(node), sorted(spoilt))
        metrics = node.call("GET", "/metrics").body.decode()
        self.assertIn(f"\ngs_log_healed_total {len(spoilt)}\n", metrics)
        self.assertIn("\ngs_log_damaged 0\n", metrics)
        self.write(node, 2)
        self.cluster.wait_converged()
        self.check_log(node)

    def test_nobody_has_it_yet(self):
        self.begin()
        before = self.filled()
        node = self.cluster[US]
        node.stop()
        self.cluster[EU].stop()
        self.cluster[AP].stop()
        self.flip(node, lambda last: [10, last])
        self.forget_kept(node)
        node.start(wait=False)
        wait_for("it says what it waits for", lambda: "before the start" in node.log())
        answer = wait_for("it answers", lambda: self.try_call(node))
        self.assertEqual((answer.status, answer.json["code"]), (503, "store_unavailable"))
        self.cluster[EU].start()
        node.wait_ready()
        self.assertEqual(len(self.healed(node)), 2)
        now = node.states("player")  # under a new incarnation: a region that it must ask is not there
        self.assertEqual({name: (at[0], at[2]) for name, at in now.items()},
                         {name: (at[0], at[2]) for name, at in before.items()})

    def salvage(self, node, *more):
        return self.cluster.run("salvage", "--store", "sqlite:" + path_of(node), "--data-dir",
                                os.path.join(node.directory, "data"), "--trust", self.cluster.trust_file, *more)

    def test_nobody_will_ever_have_it(self):
        """Its own newest events, which nobody else has seen: named, given up by hand, and everything else goes on."""
        self.begin()
        before = self.filled()
        node, others = self.cluster[US], (self.cluster[EU], self.cluster[AP])
        for other in others:
            other.stop()
        self.write(node, 6, hot="lone")
        node.stop()
        self.assertEqual(self.salvage(node, "--yes").returncode, 0)  # nothing is damaged: nothing is done
        lost = []
        self.flip(node, lambda last: lost.append(last - 2) or lost)
        self.forget_kept(node)
        node.start(wait=False)
        wait_for("it says what it waits for, and what can be done", lambda: "globalstate salvage" in node.log())
        node.kill()
        shown = self.salvage(node)
        self.assertEqual(shown.returncode, 1, shown)
        self.assertIn(f"the first is record {lost[0]}.", shown.stdout)
        self.assertIn("loses 3 records", shown.stdout)
        self.assertRegex(shown.stdout, f"  {US} \\(origin [0-9a-f]{{6}}…\\): events 44 to 46\n")
        self.assertEqual(self.salvage(node).stdout, shown.stdout)  # nothing was changed
        self.assertEqual(self.salvage(node, "--yes").returncode, 0)
        self.assertEqual(self.salvage(node).returncode, 0)
        node.start()
        self.assertEqual(node.state("player/lone"), {"gold": 1, "hand": "wooden sword"})  # the second of three
        self.assertIn(US + "~", " ".join(node.status()["vector"]))  # numbers of its earlier life are not used again
        self.write(node, 2, hot="late")
        for other in others:
            other.start()
        self.cluster.wait_converged()
        after = self.cluster[EU].states("player")
        self.assertEqual(after, node.states("player"))
        self.assertEqual({name: after[name][2] for name in before if name not in ("player/p0", "player/p2")},
                         {name: at[2] for name, at in before.items() if name not in ("player/p0", "player/p2")})
        self.check_log(node)

    def try_call(self, node):
        try:
            return node.call("GET", "/state/player/hot")
        except OSError:
            return None

    def test_found_by_a_full_sync_and_by_a_peer_that_asks(self):
        self.begin()
        self.cluster.start()
        self.cluster.wait_linked()
        asker, node, late = self.cluster[EU], self.cluster[US], self.cluster[AP]
        late.stop()
        self.write(asker, 700)
        wait_for("both have it", lambda: node.states("player") == asker.states("player"))
        wait_for("a state is kept", lambda: self.kept(node))
        node.stop()
        self.edit_state(node)
        node.start()
        wait_for("a link", lambda: asker.peer(US)["state"] == "alive")
        self.assertEqual(node.state("player/hot")["hand"], "golden sword")
        self.flip(node, lambda last: (5, 6, 7))
        job = asker.call("POST", "/sync", {"mode": "full", "regions": [US]}).json["syncId"]
        done = wait_for("the sync ends", lambda: (lambda j: j if j["status"] in OVER else None)(
            asker.call("GET", "/sync/" + job).json), 60)
        self.assertTrue(done["converged"], done)
        self.assertEqual(done["peers"][0]["aggregatesRepaired"], 1)
        self.assertEqual(node.state("player/hot"), {"hand": "wooden sword", "gold": 350})
        self.assertEqual(self.healed(node), [5, 6, 7])
        # A region that has nothing reads the log of the one that is left.
        self.flip(node, lambda last: (9, last - 3))
        late.seeds = [self.cluster.address(late, node)]
        late.start()
        self.cluster.wait_converged()
        wait_for("what was met is healed", lambda: len(self.healed(node)) == 5)

    def full(self, node):
        job = node.call("POST", "/sync", {"mode": "full", "regions": [US]}).json["syncId"]
        return wait_for(lambda: f"the sync ends: {node.call('GET', '/sync/' + job).body}",
                        lambda: (lambda j: j if j["status"] in OVER else None)(
                            node.call("GET", "/sync/" + job).json), 120)

    def test_a_full_sync_reads_the_whole_log(self):
        self.begin()
        self.cluster.start()
        self.cluster.wait_linked()
        asker, other = self.cluster[EU], self.cluster[US]
        self.write(asker, 60)
        self.cluster.wait_converged()
        self.flip(asker, lambda last: (5, last - 3))  # nobody reads them
        done = self.full(asker)
        self.assertEqual((done["status"], done["converged"], done["log"]),
                         ("completed", True, {"healed": 2, "damaged": 0}), done)
        self.assertEqual(len(self.healed(asker)), 2)
        # Without a region that has it, it is said.
        for node in (other, self.cluster[AP]):
            node.stop()
        self.flip(asker, lambda last: (7,))
        token = os.path.join(self.cluster.directory, "token")
        self.cluster.write(token, asker.client().bearer + "\n")
        shown = self.cluster.run("sync", "--url", f"http://127.0.0.1:{asker.http_port}", "--token-file", token,
                                 "--mode", "full", "--regions", US, "--watch", timeout=120)
        self.assertEqual(shown.returncode, 1, shown)
        done = asker.call("GET", "/sync").json["items"][0]
        self.assertEqual((done["status"], done["converged"], done["log"]),
                         ("failed", False, {"healed": 0, "damaged": 1}), done)
        self.assertIn("1 records of this region's log are damaged", done["error"])
        self.assertIn("1 records of this region's log are damaged", shown.stdout)

    def kept(self, node):
        database = sqlite3.connect(path_of(node))
        found = database.execute("SELECT max(version) FROM aggregate_states WHERE id = 'hot'").fetchone()[0]
        database.close()
        return found

    def edit_state(self, node):
        """Somebody edits the newest kept state of player/hot in the database, and its checksum too."""
        with sqlite3.connect(path_of(node)) as database:
            version, position, updated, state = database.execute(
                "SELECT version, position, updated, state FROM aggregate_states WHERE id = 'hot' "
                "ORDER BY version DESC LIMIT 1").fetchone()
            state = state.replace(b"wooden sword", b"golden sword")
            head = b"player/hot\0" + struct.pack(">QQQ", version, position, updated)
            digest = hashlib.blake2b(head + b"\0" + state, digest_size=16, person=b"gs-state-row-v1").digest()
            database.execute("UPDATE aggregate_states SET state = ?, hash = ? WHERE id = 'hot' AND version = ?",
                             (state, digest, version))
        database.close()

    def test_postgres(self):
        with Postgres() as server:
            self.begin()
            node = self.cluster[US]
            node.extra["DATABASE_URL"] = server.create(US)
            before = self.filled()
            node.stop()
            table = "global_state.delta_log"
            last = int(server.query(f"SELECT max(position) FROM {table}", US)[0][0])
            for position in (1, 12, 13, last):
                server.query(f"UPDATE {table} SET record = set_byte(record, 99, get_byte(record, 99) # 4) "
                             f"WHERE position = {position} RETURNING position", US)
            server.query("DELETE FROM global_state.checkpoints RETURNING low", US)
            node.start()
            self.cluster.wait_linked()
            self.cluster.wait_converged()
            self.assertEqual(node.states("player"), before)
            self.assertEqual(self.healed(node), [1, 12, 13, last])
            self.check_log(node)


if __name__ == "__main__":
    unittest.main(verbosity=1)
