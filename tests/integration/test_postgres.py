"""Regions whose store is PostgreSQL: nodes killed, servers stopped, connections cut, stores that went back.

usage: test_postgres.py GLOBALSTATE

Nothing acknowledged is lost, a retried request counts once, and everything goes on by itself.
"""
import os, random, signal, subprocess, sys, time, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import REGIONS, Cluster, wait_for  # noqa: E402
from postgres import Postgres  # noqa: E402
from postgres_proxy import Proxy  # noqa: E402
from writers import Writers  # noqa: E402

PROGRAM = sys.argv.pop(1)
EVENT = {"aggregateType": "a", "aggregateId": "b", "eventType": "x",
         "ops": [{"op": "increment", "path": "/n", "by": 1}]}


def on_server(server, regions=REGIONS, start=True):
    """A cluster of which each region has a database of its own."""
    cluster = Cluster(PROGRAM, regions=regions, start=False)
    for node in cluster:
        node.extra["DATABASE_URL"] = server.create(node.region)
    if start:
        cluster.start()
    return cluster


class OnPostgres(unittest.TestCase):
    def check(self, cluster, writers):
        cluster.wait_linked()
        cluster.wait_converged()
        writers.check(self)

    def check_log(self, server, node):
        """The log of a region's database has no gap and no event twice."""
        rows = server.query("SELECT encode(origin, 'hex'), first_seq, last_seq, position FROM global_state.delta_log "
                            "ORDER BY position", node.region)
        ends = {}
        for number, (origin, first, last, position) in enumerate(rows, start=1):
            self.assertEqual(int(position), number)
            self.assertEqual(int(first), ends.get(origin, 0) + 1)
            ends[origin] = int(last)

    def check_events(self, server, node):
        """A row for each event and aggregate, once: its versions have no gap."""
        self.wait_projected(server, node.region)
        wrong = server.query("SELECT aggregate FROM global_state.event_store GROUP BY aggregate "
                             "HAVING count(*) <> max(version) OR count(DISTINCT version) <> max(version)", node.region)
        self.assertEqual(wrong, [])
        total = server.query("SELECT (SELECT count(*) FROM global_state.event_store), "
                             "(SELECT sum(version) FROM global_state.aggregates)", node.region)[0]
        self.assertEqual(total[0], total[1])

    def test_nodes_killed(self):
        chance = random.Random(7)
        with Postgres() as server, on_server(server) as cluster:
            with Writers(cluster) as writers:
                for turn in range(6):
                    node = list(cluster)[turn % 3]
                    time.sleep(0.2 + chance.random() * 0.5)
                    node.kill()
                    node.start()
            self.check(cluster, writers)
            for node in cluster:
                self.check_log(server, node)
                self.assertEqual({name.split("~")[0] for name in node.status()["vector"]}, set(node.status()["vector"]))

    def test_server_restarts_under_load(self):
        with Postgres() as server, on_server(server) as cluster:
            with Writers(cluster, seed=2) as writers:
                for number in (signal.SIGQUIT, signal.SIGINT, signal.SIGKILL):
                    time.sleep(0.7)
                    server.restart(number)
                time.sleep(1)
            self.check(cluster, writers)
            for node in cluster:
                self.check_log(server, node)
                self.assertIn("the store is back", node.log())
                self.check_events(server, node)

    def breakers(self, node):
        """Of writes and of history, by /metrics; /health must say the same."""
        lines = node.call("GET", "/metrics").body.decode().splitlines()
        values = [int(line.split()[1]) for line in lines if line.startswith("gs_breaker_state{")]
        store = node.call("GET", "/health").json["checks"]["store"]
        names = ["closed", "half-open", "open"]
        return values, [names.index(store[field]) for field in ("breaker", "historyBreaker")]

    def test_the_breaker(self):
        """At the first failure nobody waits any more, reads of the past neither; it closes by itself."""
        with Postgres() as server, on_server(server, ("eu-west",), start=False) as cluster:
            node = cluster["eu-west"]
            node.extra["CIRCUIT_BREAKER_THRESHOLD"] = "1"
            node.start()
            self.assertEqual(node.call("POST", "/events", EVENT).status, 201)
            self.assertEqual(node.call("GET", "/events/a/b").status, 200)
            self.assertEqual(self.breakers(node), ([0, 0], [0, 0]))
            server.stop()
            began = time.monotonic()
            self.assertEqual(node.call("POST", "/events", EVENT).status, 503)
            self.assertLess(time.monotonic() - began, 0.7)  # five failures take longer
            for _ in range(3):
                self.assertEqual(node.call("GET", "/events/a/b").status, 503)
            wait_for("it is open", lambda: [min(1, n) for n in self.breakers(node)[0]] == [1, 1])
            server.start()
            wait_for("writes are back", lambda: node.call("POST", "/events", EVENT).status == 201)
            wait_for("history is back", lambda: node.call("GET", "/events/a/b").status == 200)
            wait_for("both are closed", lambda: self.breakers(node) == ([0, 0], [0, 0]))
            self.assertIn('gs_breaker_opened_total{path="write"} 1', node.call("GET", "/metrics").body.decode())
            self.assertIn('gs_breaker_opened_total{path="history"} 1', node.call("GET", "/metrics").body.decode())

    def test_reads_go_on_while_it_is_away(self):
        with Postgres() as server, on_server(server, ("eu-west",)) as cluster:
            node = cluster["eu-west"]
            for event in (EVENT, {**EVENT, "aggregateId": "quiet"}):
                self.assertEqual(node.call("POST", "/events", event).status, 201)
            self.assertEqual(node.state("a/b"), {"n": 1})  # from now on there is a view of it
            server.stop()
            first = node.call("POST", "/events", EVENT, {"Idempotency-Key": "k1"})
            self.assertEqual((first.status, first.json["code"]), (503, "store_outcome_unknown"), first)
            self.assertEqual(first.headers["retry-after"], "1")
            second = node.call("POST", "/events", EVENT, {"Idempotency-Key": "k2"})
            self.assertEqual((second.status, second.json["code"]), (503, "store_unavailable"), second)
            self.assertEqual(second.headers["retry-after"], "1")
            began = time.monotonic()
            for aggregate in ("b", "quiet"):  # one that waits to be stored, as it was; one that nobody has read
                shown = node.call("GET", "/state/a/" + aggregate)
                self.assertEqual((shown.status, shown.json.get("version")), (200, 1), shown)
            self.assertLess(time.monotonic() - began, 2)
            self.assertEqual(node.call("GET", "/health").json["checks"]["store"]["status"], "down")
            self.assertEqual(node.call("GET", "/health/live").status, 200)
            server.start()
            wait_for("the store is back", lambda: node.ready())
            # The first may be carried out by itself; sent again, both count once.
            for key in ("k1", "k2", "k1"):
                self.assertIn(node.call("POST", "/events", EVENT, {"Idempotency-Key": key}).status, (200, 201))
            self.assertEqual(node.state("a/b"), {"n": 3})
            self.check_log(server, node)

    def test_answers_to_commits_lost(self):
        with Postgres() as server:
            proxy = Proxy(server.port)
            cluster = on_server(server, ("eu-west",), start=False)
            cluster["eu-west"].extra["DATABASE_URL"] = server.url("eu-west", port=proxy.port)
            cluster.start()
            with cluster:
                node = cluster["eu-west"]
                with Writers(cluster, seed=5) as writers:
                    for turn in range(8):
                        time.sleep(0.2)
                        proxy.lose_next_answer()
                        wait_for("an answer is lost", lambda: proxy.lost > turn)
                self.assertEqual(proxy.lost, 8)
                writers.check(self)
                self.check_log(server, node)
            proxy.close()

    def test_slow_store(self):
        """Silence for a while: acknowledgements wait, reads do not."""
        with Postgres() as server:
            proxy = Proxy(server.port)
            cluster = on_server(server, ("eu-west",), start=False)
            cluster["eu-west"].extra["DATABASE_URL"] = server.url("eu-west", port=proxy.port)
            cluster.start()
            with cluster:
                node = cluster["eu-west"]
                with Writers(cluster, seed=6) as writers:
                    time.sleep(0.5)
                    proxy.freeze(True)
                    time.sleep(0.3)
                    before = writers.counts()["eu-west"]
                    time.sleep(3)
                    self.assertEqual(writers.counts()["eu-west"], before)
                    self.assertEqual(node.call("GET", "/health/live").status, 200)
                    proxy.freeze(False)
                    wait_for("it goes on", lambda: writers.counts()["eu-west"] > before)
                writers.check(self)
            proxy.close()

    def dump(self, server):
        return [server.query(f"SELECT * FROM global_state.{table} ORDER BY {order}", "eu-west") for table, order in
                (("event_store", "position, event, change"), ("event_versions", "position"), ("aggregates", "number"),
                 ("origins", "number"))]

    def wait_projected(self, server, region="eu-west"):
        extent = "SELECT (SELECT max(position) FROM global_state.delta_log) = position FROM global_state.projection"
        wait_for("events are written", lambda: server.query(extent, region) == [["t"]])

    def test_events_written_behind(self):
        """What SQL shows is what the API shows, text that PostgreSQL cannot hold included; and it can be made again."""
        with Postgres() as server, on_server(server, ("eu-west",)) as cluster:
            node, hostile = cluster["eu-west"], 'a\x00b\\u0000 "\\\\u0000'
            for i in range(40):
                event = {"eventType": "trade.done", "data": {"note": hostile}, "metadata": {"n": i}, "changes": [
                    {"aggregateType": "player", "aggregateId": f"p{i % 3}",
                     "ops": [{"op": "set", "path": "/s", "value": hostile}]},
                    {"aggregateType": "guild", "aggregateId": f"g{i % 2}",
                     "ops": [{"op": "increment", "path": "/n", "by": i}]}]}
                self.assertEqual(node.call("POST", "/events", event).status, 201)
            shown = node.call("GET", "/events/guild/g1?limit=100").json["events"]
            self.assertEqual(len(shown), 20)
            self.wait_projected(server)
            rows = server.query("SELECT version, seq, vector[origin], ops->0->>'by', metadata->>'n', data->>'note', "
                                "actor, floor(extract(epoch FROM at) * 1000)::bigint FROM global_state.event_store "
                                "WHERE aggregate_type = 'guild' AND aggregate_id = 'g1' ORDER BY version", "eu-west")
            safe = hostile.replace("\x00", "\ufffd")
            for event, row in zip(shown, rows, strict=True):
                by = str(event["ops"][0]["by"])
                self.assertEqual(row[:7], [str(event["version"]), str(event["seq"]),
                                           str(event["vectorClock"]["eu-west"]), by, by, safe, "tester"])
            wait_for("the metric tells", lambda: self.behind(node) == 0)
            written = self.dump(server)
            self.assertEqual(len(written[0]), 80)
            self.assertEqual(node.stop(), 0)
            server.query("TRUNCATE global_state.event_store, global_state.event_versions, global_state.aggregates, "
                         "global_state.origins; UPDATE global_state.projection SET position = 0", "eu-west")
            node.start()
            self.wait_projected(server)
            self.assertEqual(self.dump(server), written)
            self.assertEqual(node.call("GET", "/events/guild/g1?limit=100").json["events"], shown)

    def behind(self, node):
        lines = node.call("GET", "/metrics").body.decode().splitlines()
        return int(next(line.split()[1] for line in lines if line.startswith("gs_store_records_behind ")))

    def test_events_that_cannot_be_written(self):
        """Commits do not depend on it; the metric tells, and it goes on by itself."""
        with Postgres() as server, on_server(server, ("eu-west",)) as cluster:
            node = cluster["eu-west"]
            server.query("ALTER TABLE global_state.event_store RENAME TO hidden", "eu-west")
            for _ in range(20):
                self.assertEqual(node.call("POST", "/events", EVENT).status, 201)
            wait_for("the metric tells", lambda: self.behind(node) == 20)
            server.query("ALTER TABLE global_state.hidden RENAME TO event_store", "eu-west")
            wait_for("it goes on", lambda: self.behind(node) == 0)
            self.check_events(server, node)

    def test_second_node_refused(self):
        with Postgres() as server, on_server(server, ("eu-west",)) as cluster:
            node = cluster["eu-west"]
            other = {**node.environment(), "SERVER_ADDR": "127.0.0.1:0", "GOSSIP_ADDR": "127.0.0.1:0"}
            done = subprocess.run([PROGRAM, "serve"], env=other, capture_output=True, text=True, timeout=30)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(f"in use by process {node.process.pid} on host", done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            self.assertEqual(node.call("POST", "/events", EVENT).status, 201)

    def two_servers(self, synchronous):
        """A primary with a standby, and a cluster of which eu-west's URL names both."""
        settings = {"synchronous_standby_names": "*"} if synchronous else {}
        primary = Postgres(wal_keep_size="64MB", **settings)
        if synchronous:
            primary.query("ALTER SYSTEM SET synchronous_commit = local")
            primary.query("SELECT pg_reload_conf()")
        primary.create("eu-west")
        standby = Postgres(clone_of=primary)
        if synchronous:
            wait_for("replication", lambda: primary.query("SELECT sync_state FROM pg_stat_replication") == [["sync"]])
            primary.query("ALTER SYSTEM RESET synchronous_commit")
            primary.query("SELECT pg_reload_conf()")
        cluster = Cluster(PROGRAM, start=False)
        cluster["eu-west"].extra["DATABASE_URL"] = (
            f"postgres://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/eu-west")
        cluster.start()
        return primary, standby, cluster

    def test_failover_to_synchronous_standby(self):
        primary, standby, cluster = self.two_servers(synchronous=True)
        try:
            with cluster, Writers(cluster, seed=8) as writers:
                time.sleep(1)
                primary.stop(signal.SIGKILL)
                time.sleep(0.5)
                standby.run("pg_ctl", "promote", "-D", standby.data, "-w")
                before = writers.counts()["eu-west"]
                wait_for("writes go on", lambda: writers.counts()["eu-west"] > before + 20)
            self.assertNotIn("WENT BACK", cluster["eu-west"].log())
        finally:
            primary.close()
            standby.close()

    def test_failover_to_lagging_standby(self):
        primary, standby, cluster = self.two_servers(synchronous=False)
        try:
            with cluster:
                with Writers(cluster, seed=9) as writers:
                    time.sleep(0.7)
                    standby.stop(signal.SIGINT)
                    before = writers.counts()["eu-west"]
                    wait_for("writes the standby lacks", lambda: writers.counts()["eu-west"] > before + 20)
                    primary.stop(signal.SIGKILL)
                    standby.start()
                    standby.run("pg_ctl", "promote", "-D", standby.data, "-w")
                    before = writers.counts()["eu-west"]
                    wait_for("writes go on", lambda: writers.counts()["eu-west"] > before + 20)
                node = cluster["eu-west"]
                self.assertIn("WENT BACK", node.log())
                self.check(cluster, writers)
                self.assertIn("eu-west~", " ".join(node.status()["vector"]))
                cluster.check_logs = lambda: None  # it says that a commit failed: so it did
        finally:
            primary.close()
            standby.close()


if __name__ == "__main__":
    unittest.main()
