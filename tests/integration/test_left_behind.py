"""A region that others' logs no longer reach: it puts its log aside, and begins anew with a snapshot.

usage: test_left_behind.py GLOBALSTATE
"""
import os, signal, sys, unittest

from cluster import REGIONS, Cluster, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from postgres import Postgres  # noqa: E402

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


class LeftBehind(unittest.TestCase):
    def test_who_is_left_behind_begins_anew(self):
        eu, ap = self.leave_behind()

        def failed(dry_run):
            sync = ap.call("POST", "/sync", {"mode": "delta", "dryRun": dry_run}).json["syncId"]
            job = wait_for("the sync ends", lambda: (lambda job: job if job["finishedAt"] else None)(
                ap.call("GET", "/sync/" + sync).json), 20)
            return job if job["status"] == "failed" and "no longer has" in job["peers"][0]["error"] else None
        wait_for("a sync says so", lambda: failed(False), 12)
        self.assertEqual(failed(True)["peers"][0]["plan"]["method"], "log")
        self.check_anew(eu, ap)
        aside = [name for name in os.listdir(os.path.join(ap.directory, "data")) if ".aside-" in name]
        self.assertEqual(len(aside), 1, aside)
        url = "sqlite:" + os.path.join(ap.directory, "data", aside[0])
        looked = ap.cluster.run("verify", "--store", url, "--trust", ap.cluster.trust_file)
        self.assertEqual(looked.returncode, 0, looked)

    def test_who_is_left_behind_begins_anew_in_postgresql(self):
        server = Postgres()
        self.addCleanup(server.close)
        eu, ap = self.leave_behind(server.create(AP))
        self.check_anew(eu, ap)
        tables = server.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'global_state' "
                              "AND table_name LIKE 'delta_log_aside_%'", AP)
        self.assertEqual(len(tables), 1, tables)
        rows = server.query(f"SELECT count(*) FROM global_state.{tables[0][0]}", AP)
        self.assertGreater(int(rows[0][0]), 0)

    def check_anew(self, eu, ap):
        """ap-south puts its log aside, takes a snapshot, and is a region like any other."""
        def both(value):
            return all((node.call("GET", "/state/player/p").json or {}).get("state", {}).get("gold") == value
                       for node in (eu, ap))
        wait_for(lambda: f"ap-south begins anew; it says {ap.log()[-1000:]}",
                 lambda: "its log was put aside" in ap.log() and ap.ready()
                 and ap.states_if_any("player") == eu.states("player"), 60)
        self.assertIn("a snapshot is installed", ap.log())
        gold = eu.call("GET", "/state/player/p").json["state"]["gold"]
        for node in (eu, ap):
            self.assertEqual(node.call("POST", "/events", {
                "aggregateType": "player", "aggregateId": "p", "eventType": "t",
                "ops": [{"op": "increment", "path": "/gold", "by": 1}]}).status, 201)
        wait_for("both have both", lambda: both(gold + 2))
        ap.kill()
        ap.start()
        wait_for("it goes on where it was", lambda: both(gold + 2))
        self.assertEqual(ap.log().count("its log was put aside"), 1)

    def leave_behind(self, url=None):
        """ap-south has something, and eu-west's log begins after what it lacks."""
        cluster = Cluster(PROGRAM, regions=(EU, AP), start=False, GS_RETENTION="*=1s")
        self.addCleanup(cluster.close)
        eu, ap = cluster[EU], cluster[AP]
        if url is not None:
            ap.extra["DATABASE_URL"] = url
        cluster.start()
        event = {"aggregateType": "player", "aggregateId": "p", "eventType": "t",
                 "ops": [{"op": "increment", "path": "/gold", "by": 1}]}
        self.assertEqual(ap.call("POST", "/events", event).status, 201)
        wait_for("both agree", lambda: ap.status()["vector"] == eu.status()["vector"])
        ap.stop()
        cluster.write(cluster.trust_file, eu.trust_line + "\n")  # nobody waits for the other any more
        eu.send_signal(signal.SIGHUP)
        removed = eu.status()["counters"]["recordsRemoved"]

        def forgotten():
            self.assertEqual(eu.call("POST", "/events", {"events": [event] * 20}).status, 201)
            return eu.status()["counters"]["recordsRemoved"] > removed + 5
        wait_for("events that the other lacks are gone", forgotten, every=0.5)
        cluster.write(cluster.trust_file, eu.trust_line + "\n" + ap.trust_line + "\n")
        eu.send_signal(signal.SIGHUP)
        ap.start()
        return eu, ap


if __name__ == "__main__":
    unittest.main(verbosity=1)
