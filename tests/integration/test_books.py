"""What a node writes beside its log into PostgreSQL: sync jobs, conflicts, peers, the audit log.

usage: test_books.py GLOBALSTATE
"""
import json, os, sys, time, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import Cluster, free_port, wait_for  # noqa: E402
from http_client import token  # noqa: E402
from postgres import Postgres  # noqa: E402

PROGRAM = sys.argv.pop(1)


def setUpModule():
    global server
    server = Postgres()
    unittest.addModuleCleanup(server.close)


def patch(node, id, *ops, bearer=None):
    return node.call("PATCH", "/state/player/" + id, {"ops": list(ops)}, bearer=bearer)


def put(path, value):
    return {"op": "set", "path": path, "value": value}


class Books(unittest.TestCase):
    def setUp(self):
        self.databases = {}

    def cluster(self, *regions, **settings):
        cluster = Cluster(PROGRAM, regions=regions, start=False, **settings)
        self.addCleanup(cluster.close)
        for node in cluster:
            name = f"{self._testMethodName[5:]}_{node.region}"
            self.databases[node.region] = name
            node.extra["DATABASE_URL"] = server.create(name)
        return cluster

    def rows(self, node, sql):
        return server.query("SET search_path = global_state; " + sql, self.databases[node.region])

    def test_conflicts(self):
        """The table holds what GET /conflicts shows, also after a kill and for values that PostgreSQL cannot hold."""
        cluster = self.cluster("eu-west", "us-east")
        eu, us = cluster["eu-west"], cluster["us-east"]
        cluster.start()
        cluster.wait_linked()
        patch(eu, "p", put("/name", "nobody"))
        cluster.wait_converged()
        us.kill()
        for i in range(40):
            patch(eu, f"p{i}", put("/name", f"eu \x00 {i}"))
        eu.kill()
        us.start()
        for i in range(40):
            patch(us, f"p{i}", put("/name", f"us \u00e9 {i}"))
        eu.start()
        cluster.wait_converged()
        for node in (eu, us):
            self.same_conflicts(node, 40)
            node.kill()
            node.start()
            self.same_conflicts(node, 40)

    def same_conflicts(self, node, count):
        wait_for("all are recorded", lambda: node.call("GET", "/conflicts?limit=1").json["recorded"] >= count)
        shown = node.call("GET", "/conflicts?limit=500").json["conflicts"]
        self.assertEqual(len(shown), count)
        written = "SELECT json_build_object('number', number, 'aggregateType', aggregate_type, 'aggregateId', " \
                  "aggregate_id, 'path', path, 'type', type, 'rule', rule, 'winner', winner, 'losers', losers, " \
                  "'ms', window_ms, 'by', recorded_by, 'at', floor(extract(epoch FROM detected_at) * 1000)) " \
                  "FROM conflicts ORDER BY number DESC"
        wait_for("all are written", lambda: len(self.rows(node, written)) >= count)
        for entry, row in zip(shown, self.rows(node, written), strict=True):
            row = json.loads(row[0])
            safe = json.loads(json.dumps(entry).replace("\\u0000", "\\ufffd"))
            for name in ("number", "aggregateType", "aggregateId", "path", "type", "rule", "winner", "losers"):
                self.assertEqual(row[name], safe[name])
            self.assertEqual((row["ms"], row["by"]), (entry["window"]["ms"], entry["recordedBy"]))

    def test_sync_jobs(self):
        """They are rows, not files; a start reads them back; what lay in files before moves over."""
        cluster = self.cluster("eu-west", "us-east")
        eu = cluster["eu-west"]
        cluster.start()
        cluster.wait_linked()
        patch(eu, "p", put("/name", "ada"))
        id = eu.call("POST", "/sync", {"mode": "verify"}).json["syncId"]
        wait_for("it is over", lambda: eu.call("GET", "/sync/" + id).json["status"] == "completed")
        shown = eu.call("GET", "/sync/" + id).json
        find = f"SELECT mode, status, percent, document FROM sync_metadata WHERE sync_id = '{id}'"
        wait_for("it is written", lambda: (self.rows(eu, find) or [["", ""]])[0][1] == "completed")
        row = self.rows(eu, find)[0]
        self.assertEqual(row[:3], ["verify", "completed", "100"])
        self.assertEqual(json.loads(row[3]), shown)
        notes = os.path.join(eu.directory, "data", "notes")
        self.assertEqual([name for name in os.listdir(notes) if name.startswith("sync-")], [])
        eu.kill()
        document = row[3].replace(id, "moved" + id[5:])
        with open(os.path.join(notes, f"sync-moved{id[5:]}.note"), "w", encoding="utf-8") as file:
            file.write(f"1000\n{document}")
        eu.start()
        self.assertEqual(eu.call("GET", "/sync/" + id).json, shown)
        self.assertEqual(eu.call("GET", "/sync/moved" + id[5:]).json["status"], "completed")
        self.assertEqual([name for name in os.listdir(notes) if name.startswith("sync-")], [])
        self.assertEqual(len(self.rows(eu, "SELECT 1 FROM sync_metadata WHERE sync_id LIKE 'moved%'")), 1)

    def test_peers(self):
        cluster = self.cluster("eu-west", "us-east")
        eu, us = cluster["eu-west"], cluster["us-east"]
        cluster.start()
        cluster.wait_linked()
        patch(us, "p", put("/name", "ada"))
        cluster.wait_converged()
        find = "SELECT region, state, address, head_seq, octet_length(public_key), vector->>'us-east', " \
               "last_seen > now() - interval '1 minute' FROM peers"
        seq = str(eu.status()["vector"]["us-east"])
        address = eu.peer("us-east")["address"]
        wait_for(lambda: self.rows(eu, find),
                 lambda: self.rows(eu, find) == [["us-east", "alive", address, seq, "32", seq, "t"]])
        us.kill()
        wait_for(lambda: self.rows(eu, find), lambda: self.rows(eu, find)[0][1] != "alive")
        row = self.rows(eu, find)[0]
        self.assertEqual((row[3:], row[2] != ""), ([seq, "32", seq, "t"], True))

    def test_audit(self):
        """In the table; while PostgreSQL is away entries wait, neither reads nor refusals do; each counts once."""
        node = self.cluster("eu-west")["eu-west"]
        node.start()
        self.assertFalse(os.path.exists(os.path.join(node.directory, "data", "audit.db")))
        for i in range(20):
            self.assertEqual(patch(node, f"p{i}", put("/n", i), bearer=token("ada" if i % 2 else "bob")).status, 200)
        self.assertEqual(node.call("GET", "/state/player/%ff%00x", bearer=token("eve")).status, 400)
        entries = node.call("GET", "/audit?kind=write").json["entries"]
        self.assertEqual([(e["subject"], e["target"], e["count"]) for e in entries],
                         [("ada" if i % 2 else "bob", f"/state/player/p{i}", 1) for i in range(19, -1, -1)])
        self.assertEqual(len(node.call("GET", "/audit?subject=ada&kind=write").json["entries"]), 10)
        self.assertEqual(len(node.call("GET", "/audit?target=/state/player/p3").json["entries"]), 1)
        self.assertEqual(node.call("GET", "/audit?kind=write&until=2001-01-01T00:00:00Z").json["entries"], [])
        page = node.call("GET", "/audit?kind=write&limit=15").json
        rest = node.call("GET", "/audit?kind=write&limit=15&cursor=" + page["next"]).json
        self.assertEqual((page["entries"] + rest["entries"], rest["next"]), (entries, None))
        server.stop()
        self.addCleanup(lambda: server.process or server.start())
        began = time.monotonic()
        for _ in range(300):
            self.assertEqual(node.call("GET", "/state/player/p1", bearer=token("reader")).status, 200)
            self.assertEqual(node.call("GET", "/state/player/p1", bearer="junk").status, 401)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(node.call("GET", "/audit").status, 503)
        server.start()
        wait_for("it is back", lambda: node.ready() and node.call("GET", "/audit").status == 200)
        reads = node.call("GET", "/audit?kind=read&subject=reader").json["entries"]
        self.assertEqual(sum(e["count"] for e in reads), 300)
        self.assertLessEqual(len(reads), 2)  # a minute may have ended meanwhile
        self.assertEqual(node.call("GET", "/audit?kind=write").json["entries"], entries)
        self.assertEqual(node.stop(), 0)
        node.start()
        self.assertEqual(node.call("GET", "/audit?kind=write").json["entries"], entries)

    def test_start_before_the_server(self):
        """A node that finds no server waits for it; one that is told something wrong does not."""
        node = self.cluster("eu-west")["eu-west"]
        server.stop()
        self.addCleanup(lambda: server.process or server.start())
        node.start(wait=False)
        wait_for("it says what it waits for", lambda: "waiting for it" in node.log())
        wait_for("it answers", lambda: self.answers(node))
        self.assertEqual(node.call("GET", "/health/live").status, 200)
        health = node.call("GET", "/health").json
        self.assertEqual((health["status"], health["checks"]["store"]["status"]), ("degraded", "down"))
        refused = patch(node, "p", put("/n", 1))
        self.assertEqual((refused.status, refused.headers.get("retry-after")), (503, "1"), refused)
        self.assertEqual(node.call("GET", "/state/player/p").status, 503)
        server.start()
        node.wait_ready()
        self.assertEqual(patch(node, "p", put("/n", 1)).status, 200)
        self.assertEqual(node.stop(), 0)
        node.extra["DATABASE_URL"] += "_unknown"
        node.start(wait=False)
        self.assertNotEqual(node.wait(), 0)
        self.assertIn("does not exist", node.log())

    def answers(self, node):
        try:
            return node.call("GET", "/health/live").status == 200
        except OSError:
            return False

    def test_stops_while_it_waits(self):
        node = self.cluster("eu-west")["eu-west"]
        node.extra["DATABASE_URL"] = f"postgres://postgres@127.0.0.1:{free_port()}/nowhere"
        node.start(wait=False)
        wait_for("it answers", lambda: self.answers(node))
        self.assertEqual(node.stop(), 0)


if __name__ == "__main__":
    unittest.main()
