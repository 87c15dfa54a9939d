"""Empty regions that take a snapshot of another one, and the log from there.

usage: test_bootstrap.py GLOBALSTATE
"""
import os, re, signal, sys, threading, unittest
from datetime import datetime

from cluster import REGIONS, Cluster, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from postgres import Postgres  # noqa: E402

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS
AGGREGATES, ROUNDS = 2000, 4
NAME = "a name that is as long as it needs to be, so that states are not tiny: "


class Bootstrap(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, start=False, GS_BOOTSTRAP_EVENTS="200")
        self.addCleanup(self.cluster.close)
        self.eu, self.us, self.ap = self.cluster[EU], self.cluster[US], self.cluster[AP]

    def fill(self):
        """Two regions that have more log than state."""
        for node in (self.eu, self.us):
            node.start(wait=False)
        for node in (self.eu, self.us):
            node.wait_ready()
        for number, node in enumerate((self.eu, self.us)):
            client = node.client(timeout=60)
            for at in range(0, AGGREGATES * ROUNDS, 1000):
                events = [{"aggregateType": "player", "eventType": "t", "aggregateId": f"p{(at + i) % AGGREGATES}",
                           "ops": [{"op": "increment", "path": "/gold", "by": 1},
                                   {"op": "set", "path": f"/name{number}", "value": NAME + str(at + i)}]}
                          for i in range(1000)]
                self.assertEqual(client.call("POST", "/events", {"events": events}).status, 201)
            client.close()
        self.key = {"Idempotency-Key": "once"}
        self.request = {"aggregateType": "player", "aggregateId": "p1", "eventType": "gift",
                        "ops": [{"op": "increment", "path": "/gold", "by": 1000}]}
        self.first = self.eu.call("POST", "/events", self.request, headers=self.key)
        self.assertEqual(self.first.status, 201)
        wait_for("both agree", lambda: self.eu.status()["vector"] == self.us.status()["vector"])

    def history(self):
        """What comes after a bootstrap: the log behind its snapshot, looked at once."""
        def over():
            jobs = [job for job in self.ap.call("GET", "/sync").json["items"] if job["mode"] == "history"]
            return jobs[0] if jobs and jobs[0]["finishedAt"] else None
        return wait_for(lambda: f"the log behind is verified: {self.ap.call('GET', '/sync').body}", over, 60)

    def job(self):
        try:
            jobs = [job for job in self.ap.call("GET", "/sync").json["items"] if job["mode"] == "bootstrap"]
        except (OSError, EOFError, KeyError, TypeError):
            return None
        return jobs[0] if jobs else None

    def finished(self, resumed):
        """The job, once it is over; its percentages have not gone back."""
        seen = [0]

        def over():
            job = self.job()
            if job is None or job["resumed"] < resumed:
                return None
            self.assertGreaterEqual(job["progress"]["percent"], seen[0] if job["resumed"] == resumed else 0, job)
            seen[0] = job["progress"]["percent"]
            return job if job["status"] in ("completed", "failed", "cancelled") else None
        return wait_for(lambda: f"the bootstrap ends: {self.job()}", over, 60)

    def check(self, *others):
        self.ap.wait_ready()
        wait_for("all agree", lambda: all(node.status()["vector"] == self.ap.status()["vector"] for node in others))
        for node in others:
            self.assertEqual(self.ap.states("player"), node.states("player"))
        # A request that was carried out elsewhere, before, is recognised.
        again = self.ap.call("POST", "/events", self.request, headers=self.key)
        self.assertEqual((again.status, again.json["eventId"]), (200, self.first.json["eventId"]))
        self.assertEqual(self.ap.call("POST", "/events", {**self.request, "aggregateId": "new"}).status, 201)
        self.assertIn("a snapshot is installed; recovering from memory", self.ap.log())
        self.assertFalse(os.path.exists(os.path.join(self.ap.directory, "data", "notes.stage")))

    def chunks(self):
        text = self.ap.call("GET", "/metrics").body.decode()
        return int(re.search(r"^gs_snapshot_chunks_total (\d+)", text, re.M)[1])

    def test_while_writes_go_on(self):
        self.fill()
        stop = threading.Event()

        def write():
            client, at = self.eu.client(), 0
            while not stop.is_set():
                at += 1
                client.call("POST", "/events", {"aggregateType": "player", "aggregateId": f"p{at * 7 % AGGREGATES}",
                                                "eventType": "w", "ops": self.request["ops"]})
            client.close()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            self.ap.start(wait=False)
            job = self.finished(1)
        finally:
            stop.set()
            writer.join()
        self.assertEqual((job["status"], job["converged"]), ("completed", True), job)
        self.check(self.eu, self.us)
        self.ap.kill()  # a start from the snapshot and the log after it
        self.ap.start()
        self.check(self.eu, self.us)
        job = self.history()
        self.assertEqual((job["status"], job["converged"]), ("completed", True), job)
        self.assertGreaterEqual(job["peers"][0]["eventsReceived"], 2 * AGGREGATES * ROUNDS)
        self.ap.stop()
        data = os.path.join(self.ap.directory, "data")
        done = self.cluster.run("verify", "--store", "sqlite:" + os.path.join(data, "globalstate.db"), "--trust",
                                self.cluster.trust_file)
        self.assertEqual(done.returncode, 0, done.stdout[:2000])

    def test_into_postgres(self):
        server = Postgres()
        self.addCleanup(server.close)
        self.fill()
        self.ap.extra["DATABASE_URL"] = server.create(AP)
        self.ap.start(wait=False)
        job = self.finished(1)
        self.assertEqual((job["status"], job["converged"]), ("completed", True), job)
        self.check(self.eu, self.us)
        states = server.query("SELECT count(DISTINCT id) FROM global_state.aggregate_states "
                              "WHERE type = 'player'", AP)
        self.assertGreaterEqual(int(states[0][0]), AGGREGATES)
        self.ap.kill()
        self.ap.start()
        self.check(self.eu, self.us)

    def half_way(self):
        self.ap.extra["GS_BOOTSTRAP_RATE"] = "250000"
        self.ap.start(wait=False)

        def is_half_way():
            job = self.job()
            return job if job and 30 <= job["progress"]["percent"] < 65 else None
        return wait_for(lambda: f"it is half-way: {self.job()}", is_half_way)

    def test_killed_half_way(self):
        self.fill()
        self.half_way()
        stage = os.path.join(self.ap.directory, "data", "notes.stage")
        wait_for("some of it is staged", lambda: os.path.exists(stage) and os.path.getsize(stage) > 250000)
        self.ap.kill()
        del self.ap.extra["GS_BOOTSTRAP_RATE"]
        self.ap.start(wait=False)
        job = self.finished(1)
        self.assertEqual((job["status"], job["converged"]), ("completed", True), job)
        second = self.chunks()
        self.check(self.eu, self.us)
        # All of it, for comparison: an empty region once more.
        self.ap.kill()
        for name in os.listdir(os.path.join(self.ap.directory, "data")):
            self.cluster_remove(os.path.join(self.ap.directory, "data", name))
        self.ap.start(wait=False)
        self.finished(1)
        self.assertLess(second, 0.75 * self.chunks())

    def cluster_remove(self, path):
        if os.path.isdir(path):
            for name in os.listdir(path):
                os.remove(os.path.join(path, name))
            os.rmdir(path)
        else:
            os.remove(path)

    def test_rate_cap(self):
        """GS_BOOTSTRAP_RATE: after the first second no more comes than that."""
        rate = 150000
        self.fill()
        self.ap.extra["GS_BOOTSTRAP_RATE"] = str(rate)
        self.ap.start(wait=False)
        taken = [0]

        def over():
            job = self.job()
            taken[0] = max(taken[0], job["peers"][0]["bytesReceived"] if job else 0)  # of the snapshot: until a restart
            return job if job and job["resumed"] == 1 and job["finishedAt"] else None
        job = wait_for(lambda: f"the bootstrap ends: {self.job()}", over, 60)
        took = (datetime.fromisoformat(job["finishedAt"]) - datetime.fromisoformat(job["startedAt"])).total_seconds()
        self.assertGreater(taken[0], 3 * rate, "too little to tell")
        self.assertLess(0.9 * taken[0], rate * (took + 1), job)
        self.check(self.eu, self.us)

    def test_sender_dies_half_way(self):
        self.fill()
        sender = self.half_way()["peers"][0]["region"]
        self.cluster[sender].kill()
        other = self.us if sender == EU else self.eu
        job = self.finished(1)
        self.assertEqual((job["status"], job["converged"]), ("completed", True), job)
        self.assertEqual(job["peers"][0]["region"], other.region)
        self.check(other)


class Late(unittest.TestCase):
    """A region that is added when the others' logs no longer have all that it lacks, however little that is."""

    def test_what_is_gone_comes_as_a_snapshot(self):
        cluster = Cluster(PROGRAM, regions=(EU, AP), start=False, GS_RETENTION="*=1s")
        self.addCleanup(cluster.close)
        eu, ap = cluster[EU], cluster[AP]
        cluster.write(cluster.trust_file, eu.trust_line + "\n")
        eu.start()
        client = eu.client()
        event = {"aggregateType": "player", "aggregateId": "p", "eventType": "t",
                 "ops": [{"op": "increment", "path": "/gold", "by": 1}]}

        def forgotten():
            self.assertEqual(client.call("POST", "/events", {"events": [event] * 20}).status, 201)
            return eu.status()["counters"]["recordsRemoved"] > 0
        wait_for("old events are gone", forgotten, every=0.5)
        client.close()
        cluster.write(cluster.trust_file, eu.trust_line + "\n" + ap.trust_line + "\n")
        eu.send_signal(signal.SIGHUP)
        ap.start(wait=False)
        wait_for(lambda: f"ap-south has all; it says: {ap.log()[-1000:]}",
                 lambda: ap.ready() and eu.states("player") == ap.states_if_any("player"), 30)
        self.assertIn("a snapshot is installed", ap.log())

        def unseen():
            return [job for job in ap.call("GET", "/sync").json["items"] if job["mode"] == "history"
                    and job["status"] == "failed" and "its log begins later" in job["peers"][0]["error"]]
        wait_for(lambda: f"what is gone cannot be verified: {ap.call('GET', '/sync').body}", unseen)
        wait_for("both agree", lambda: ap.status()["vector"] == eu.status()["vector"])

    def eu_forgets(self):
        """eu-west no longer has all of its log, us-east has; ap-south is to be added."""
        cluster = Cluster(PROGRAM, start=False)
        self.addCleanup(cluster.close)
        eu, us, ap = (cluster[region] for region in REGIONS)
        eu.extra["GS_RETENTION"] = "*=1s"
        cluster.write(cluster.trust_file, eu.trust_line + "\n" + us.trust_line + "\n")
        for node in (eu, us):
            node.start(wait=False)
        event = {"aggregateType": "player", "aggregateId": "p", "eventType": "t",
                 "ops": [{"op": "increment", "path": "/gold", "by": 1}]}
        for node in (eu, us):
            node.wait_ready()

        def forgotten():
            for node in (eu, us):
                self.assertEqual(node.call("POST", "/events", {"events": [event] * 20}).status, 201)
            return eu.status()["counters"]["recordsRemoved"] > 5
        wait_for("old events are gone in eu-west", forgotten, every=0.5)
        self.assertEqual(us.status()["counters"]["recordsRemoved"], 0)
        wait_for("both agree", lambda: eu.status()["vector"] == us.status()["vector"])
        cluster.write(cluster.trust_file, "".join(node.trust_line + "\n" for node in (eu, us, ap)))
        return eu, us, ap

    def history(self, node):
        try:
            jobs = [job for job in node.call("GET", "/sync").json["items"] if job["mode"] == "history"]
        except (OSError, EOFError, KeyError):
            return None
        return jobs[0] if jobs else None

    def shown_by_us_east(self, node):
        job = wait_for(lambda: f"the log behind is verified; it says {node.log()[-1000:]}",
                       lambda: (lambda job: job if job and job["finishedAt"] else None)(self.history(node)), 60)
        self.assertEqual((job["status"], job["converged"], job["peers"][0]["region"]), ("completed", True, US), job)

    def test_another_region_shows_what_one_has_removed(self):
        eu, us, ap = self.eu_forgets()
        for node in (eu, us):
            node.send_signal(signal.SIGHUP)
        ap.seeds = [f"127.0.0.1:{eu.gossip_port}"]
        ap.start(wait=False)
        self.shown_by_us_east(ap)

    def test_another_region_goes_on_where_one_has_left(self):
        """eu-west gives the snapshot, cannot show what is behind it, and goes; us-east comes later."""
        eu, us, ap = self.eu_forgets()
        us.stop()
        eu.send_signal(signal.SIGHUP)
        ap.seeds = [f"127.0.0.1:{node.gossip_port}" for node in (eu, us)]
        ap.start(wait=False)
        job = wait_for("the log behind is looked at", lambda: self.history(ap), 60)
        self.assertIsNone(job["finishedAt"], job)
        eu.kill()
        us.start()
        self.shown_by_us_east(ap)


if __name__ == "__main__":
    unittest.main(verbosity=1)
