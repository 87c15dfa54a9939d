"""Who belongs to a cluster, where, and who lives.  usage: test_members.py GLOBALSTATE

Three regions in a chain: eu-west knows nobody, us-east knows eu-west, ap-south knows us-east. The rest they learn.
"""
import signal, sys, time, unittest

from cluster import REGIONS, Cluster, wait_for

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


class Members(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, start=False)
        self.addCleanup(self.cluster.close)
        for node, seeds in ((EU, ()), (US, (EU,)), (AP, (US,))):
            self.cluster[node].seeds = [f"127.0.0.1:{self.cluster[seed].gossip_port}" for seed in seeds]
        self.cluster.start()
        self.cluster.wait_linked(15)

    def wait_state(self, region, state, seconds, at=REGIONS):
        for node in at:
            if node != region:
                wait_for(lambda: f"{region} {state} for {node}: {self.cluster[node].peer(region)}",
                         lambda: self.cluster[node].peer(region)["state"] == state, seconds)

    def watch(self, region, allowed, seconds, at):
        """Nothing but these states is shown for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.assertIn(self.cluster[at].peer(region)["state"], allowed)
            time.sleep(0.1)

    def test_a_chain_of_seeds_becomes_a_mesh(self):
        for node in self.cluster:
            for peer in self.cluster:
                if peer is not node:
                    self.assertEqual(node.peer(peer.region)["addresses"], [f"127.0.0.1:{peer.gossip_port}"])
        self.cluster[EU].call("PATCH", "/state/t/a", {"ops": [{"op": "increment", "path": "/n", "by": 1}]})
        self.cluster.wait_converged()
        self.cluster.check_logs()

    def test_the_cluster_is_found_again_without_the_seed(self):
        time.sleep(1.5)  # what is learned is written down
        self.cluster[AP].kill()
        self.cluster[US].kill()
        self.cluster[AP].start(wait=False)
        wait_for("ap-south finds eu-west", lambda: self.cluster[AP].ready()
                 and self.cluster[AP].peer(EU)["reach"] == "direct", 20)
        self.cluster[US].start()
        self.cluster.wait_linked()

    def test_a_region_that_stands_still(self):
        self.cluster[AP].send_signal(signal.SIGSTOP)
        self.wait_state(AP, "suspect", 15, (EU,))
        self.wait_state(AP, "dead", 20, (EU, US))
        self.assertEqual(self.cluster[EU].peer(AP)["reach"], "none")
        self.assertEqual(self.cluster[EU].peer(US)["state"], "alive")
        self.cluster[AP].send_signal(signal.SIGCONT)
        self.wait_state(AP, "alive", 10)
        for peer in (EU, US):  # it has slept; nobody else has died
            self.assertEqual(self.cluster[AP].peer(peer)["state"], "alive")
        self.cluster.wait_linked()

    def test_who_holds_a_deleted_aggregate_back(self):
        """By name, until it has shown that it has the deletion, too."""
        eu, ap = self.cluster[EU], self.cluster[AP]
        for node in self.cluster:
            node.call("PATCH", "/state/t/other", {"ops": [{"op": "increment", "path": "/n", "by": 1}]})
        eu.call("PUT", "/state/t/gone", {"n": 1})
        self.cluster.wait_converged()
        path = "/state/t/gone/stability"
        ap.kill()
        self.assertEqual(eu.call("DELETE", "/state/t/gone").status, 204)
        wait_for("us-east has shown that it knows", lambda: [
            holder["region"] for holder in eu.call("GET", path).json["heldBackBy"]] == [AP], 30)
        wait_for("the link is gone", lambda: not eu.call("GET", path).json["heldBackBy"][0]["linked"], 30)
        told = eu.call("GET", path).json
        self.assertEqual((told["stable"], told["cleaned"], told["undecidedForks"]), (False, False, 0), told)
        self.assertEqual(told["heldBackBy"][0]["needed"], told["vectorClock"], told)
        self.assertLess(told["heldBackBy"][0]["shown"].get(EU, 0), told["vectorClock"][EU], told)
        ap.start()
        wait_for(lambda: f"it is cleaned: {eu.call('GET', path).body}",
                 lambda: (lambda told: told["stable"] and told["cleaned"])(eu.call("GET", path).json), 60)
        self.assertEqual(eu.call("GET", "/state/t/none/stability").status, 404)

    def test_a_region_that_leaves_is_not_missed(self):
        before = self.cluster[EU].status()["counters"]["suspicions"]
        self.cluster[AP].stop()
        self.wait_state(AP, "left", 3, (EU, US))
        self.watch(AP, ("left",), 5, EU)
        self.assertEqual(self.cluster[EU].status()["counters"]["suspicions"], before)
        self.cluster[US].stop()
        self.cluster[US].start()  # a region that was away meanwhile knows it, too
        self.wait_state(AP, "left", 10, (US,))
        self.cluster[AP].start()
        self.cluster.wait_linked()

    def test_a_region_that_is_killed_is_dead(self):
        self.cluster[AP].kill()
        self.wait_state(AP, "dead", 15, (EU, US))
        self.assertGreater(self.cluster[EU].status()["counters"]["suspicions"], 0)
        self.cluster[AP].start()
        self.cluster.wait_linked()


class Settings(unittest.TestCase):
    def test_what_is_no_address_stops_the_start(self):
        with Cluster(PROGRAM, regions=(EU,), start=False) as cluster:
            for value in ("nowhere", "a b:1,:8089", "eu.example:0", "eu.example:99999", "a:1,b:2,c:3,d:4,e:5", '"x":1'):
                done = cluster.run("serve", **{**cluster[EU].environment(), "GS_ADVERTISE_ADDR": value})
                self.assertNotEqual(done.returncode, 0, value)
                self.assertIn("GS_ADVERTISE_ADDR", done.stderr)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_nothing_is_advertised_on_request(self):
        with Cluster(PROGRAM, regions=(EU, US), GS_ADVERTISE_ADDR="off") as cluster:
            cluster.wait_linked()
            self.assertEqual(cluster[EU].peer(US)["addresses"], [])


if __name__ == "__main__":
    unittest.main()
