"""Nodes that are killed with kill -9 and started again while all regions write.  usage: test_kill.py GLOBALSTATE

Nothing acknowledged is lost, a retried request counts once, counters are exact in every region, and nobody has to help.
"""
import collections, os, random, shutil, sys, time, unittest

from cluster import Cluster
from writers import Writers

PROGRAM = sys.argv.pop(1)


class Killed(unittest.TestCase):
    def check(self, cluster, writers):
        cluster.wait_linked()
        cluster.wait_converged()
        writers.check(self)
        for node in cluster:
            self.check_history(node, writers)
        for node in cluster:
            self.check_store(cluster, node)

    def check_history(self, node, writers):
        """Every acknowledged event is in every region's history exactly once, and versions have no gap."""
        client, cursor, more, seen, shared = node.client(), "", True, collections.Counter(), []
        while more:
            page = client.call("GET", f"/events?limit=1000{cursor and '&since=' + cursor}").json
            cursor, more = page["next"], page["more"]
            for event in page["events"]:
                self.assertEqual(event["signature"], "valid")
                if event["eventType"] == "test.written":
                    seen[event["region"].split("~")[0], event["data"]["number"]] += 1
                    shared += [c["version"] for c in event["changes"] if c["aggregateType"] == "world"]
        client.close()
        for region, writer in writers.writers.items():
            for number in writer.acked:
                self.assertEqual(seen[region, number], 1, f"{node.region}: {region} {number}")
        self.assertEqual(shared, list(range(1, len(shared) + 1)))
        # The present is what history makes of the last version.
        present = node.call("GET", "/state/world/shared").json
        past = node.call("GET", f"/state/world/shared?atVersion={present['version']}").json
        self.assertEqual((past["state"], past["vectorClock"]), (present["state"], present["vectorClock"]))

    def check_store(self, cluster, node):
        self.assertEqual(node.stop(), 0)
        path = os.path.join(node.environment()["GS_DATA_DIR"], "globalstate.db")
        done = cluster.run("verify", "--store", "sqlite:" + path, "--trust", cluster.trust_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_one_after_the_other(self):
        chance = random.Random(2)
        with Cluster(PROGRAM) as cluster:
            with Writers(cluster) as writers:
                for turn in range(9):
                    node = list(cluster)[turn % 3]
                    time.sleep(0.3 + chance.random())
                    node.kill()
                    time.sleep(chance.random() * 0.5)
                    before = writers.counts()
                    node.start()
                    time.sleep(0.2)
                    for region, count in writers.counts().items():
                        if region != node.region:
                            self.assertGreater(count, before[region], f"{region} stood still")
            self.check(cluster, writers)
            retried = sum(writer.retried for writer in writers.writers.values())
            self.assertGreater(retried, 0, "no request met a dead node: the test proves nothing")

    def test_all_at_once(self):
        with Cluster(PROGRAM) as cluster:
            with Writers(cluster, seed=3) as writers:
                for _ in range(3):
                    time.sleep(1)
                    for node in cluster:
                        node.kill()
                    cluster.start()
            self.check(cluster, writers)

    def test_killed_while_it_starts(self):
        """Half a start, then again: what counts is that the last one works."""
        with Cluster(PROGRAM) as cluster:
            with Writers(cluster, seed=4) as writers:
                time.sleep(1)
                node = cluster["us-east"]
                for delay_ms in (0, 5, 10, 20, 40, 80, 160, 320):
                    node.kill()
                    node.start(wait=False)
                    time.sleep(delay_ms / 1000)
                node.kill()
                node.start()
                time.sleep(1)
            self.check(cluster, writers)

    def test_origin_goes_on(self):
        """A node that finds its peers goes on with its numbering: no new incarnation, a gap-free sequence."""
        with Cluster(PROGRAM) as cluster:
            cluster.wait_linked()
            node = cluster["eu-west"]
            event = {"aggregateType": "a", "aggregateId": "b", "eventType": "x", "ops": []}
            first = node.call("POST", "/events", event).json
            cluster.wait_converged()
            node.kill()
            node.start()
            origin = node.status()["origin"]
            second = node.call("POST", "/events", event).json
            self.assertEqual(first["eventId"].split("-")[0], origin)
            self.assertEqual(second["eventId"].split("-")[0], origin)
            self.assertGreater(second["seq"], first["seq"])
            cluster.wait_converged()
            self.assertEqual({name.split("~")[0] for name in node.status()["vector"]}, set(node.status()["vector"]))

    def test_lost_disk(self):
        """A node that comes back with nothing but its key gets everything from its peers, and counts exactly."""
        with Cluster(PROGRAM) as cluster:
            with Writers(cluster, seed=5) as writers:
                time.sleep(1)
            cluster.wait_converged()
            counts = writers.counts()
            node = cluster["ap-south"]
            node.kill()
            shutil.rmtree(node.environment()["GS_DATA_DIR"])
            node.start()
            cluster.wait_linked()
            cluster.wait_converged()
            self.assertEqual(node.state("world/shared")["total"], sum(counts.values()))
            increment = {"op": "increment", "path": "/total", "by": 1}
            self.assertEqual(node.call("PATCH", "/state/world/shared", {"ops": [increment]}).status, 200)
            cluster.wait_converged()
            for other in cluster:
                self.assertEqual(other.state("world/shared")["total"], sum(counts.values()) + 1)


if __name__ == "__main__":
    unittest.main()
