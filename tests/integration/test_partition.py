"""Links between regions that are cut, silenced or broken while all regions write.  usage: test_partition.py GLOBALSTATE

The nodes talk through forwarders (forwarder.py). Every region serves reads and writes while it is alone, and all are
equal and exact once the links are back, without help.
"""
import sys, time, unittest

from cluster import REGIONS, Cluster, wait_for
from forwarder import Network
from writers import Writers

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS
LOCAL_SECONDS = 4.0  # a local request under load on a small machine; a wait for another region would be 5 s or more


class Partition(unittest.TestCase):
    def setUp(self):
        self.network = Network()
        self.cluster = Cluster(PROGRAM, network=self.network)
        self.addCleanup(self.cluster.close)
        self.cluster.wait_linked()

    def shows(self, node, of):
        """How many of a region's events a node has counted."""
        return node.state("world/shared").get("by", {}).get(of, 0)

    def reach(self, node, peer):
        seen = self.cluster[node].peer(peer)
        return seen["state"], seen["reach"], seen["via"]

    def check_serving(self, writers):
        """Writes are answered in each region, soon; so are reads, and they show the region's own writes."""
        before = writers.counts()
        writers.slowest()
        time.sleep(1)
        for region, count in writers.counts().items():
            self.assertGreater(count, before[region], f"{region} stood still")
        self.assertLess(writers.slowest(), LOCAL_SECONDS)
        for node in self.cluster:
            begun, count = time.monotonic(), writers.counts()[node.region]
            self.assertGreaterEqual(self.shows(node, node.region), count)
            self.assertLess(time.monotonic() - begun, LOCAL_SECONDS)

    def check_apart(self, a, b, seconds=1.5):
        """Nothing of one reaches the other: the cut is real."""
        before = (self.shows(self.cluster[a], b), self.shows(self.cluster[b], a))
        time.sleep(seconds)
        self.assertEqual((self.shows(self.cluster[a], b), self.shows(self.cluster[b], a)), before)

    def check_together(self, writers):
        self.cluster.wait_converged()
        writers.check(self)
        self.cluster.wait_linked()
        self.cluster.check_logs()

    def wait_known(self, node, of, count, seconds=10):
        wait_for(lambda: f"{node} knows {count} events of {of}, it has {self.shows(self.cluster[node], of)}",
                 lambda: self.shows(self.cluster[node], of) >= count, seconds)

    def test_one_region_alone(self):
        with Writers(self.cluster) as writers:
            time.sleep(1)
            self.network.isolate(EU)
            time.sleep(0.5)
            self.check_apart(EU, US)
            self.check_apart(EU, AP)
            self.check_serving(writers)
            self.wait_known(US, AP, writers.counts()[AP])
            for node, peer in ((EU, US), (EU, AP), (US, EU), (AP, EU)):
                wait_for(f"{peer} dead for {node}", lambda: self.cluster[node].peer(peer)["state"] == "dead", 20)
            self.assertEqual(self.cluster[US].peer(AP)["state"], "alive")
            self.assertEqual(self.cluster[EU].call("GET", "/health").json["status"], "degraded")
            self.network.heal()
            self.wait_known(US, EU, writers.counts()[EU])
        self.check_together(writers)
        wait_for("health as before", lambda: self.cluster[EU].call("GET", "/health").json["status"] == "ok", 5)

    def test_all_alone_twice(self):
        with Writers(self.cluster, seed=2) as writers:
            for _ in range(2):
                self.network.cut_all()
                time.sleep(0.5)
                self.check_apart(EU, US)
                self.check_apart(US, AP)
                self.check_serving(writers)
                self.network.heal()
                for node in REGIONS:
                    for of in REGIONS:
                        self.wait_known(node, of, writers.counts()[of])
        self.check_together(writers)

    def test_silence_then_all_goes_through(self):
        """A route that loses packets for some seconds: connections stay, everything comes late."""
        with Writers(self.cluster, seed=3) as writers:
            for peer in (US, AP):
                self.network.pause(EU, peer)
            time.sleep(0.5)  # for what was past the forwarders, or on its way through AP
            self.check_apart(EU, US, 4)
            self.check_serving(writers)
            self.assertEqual(self.cluster[EU].peer(US)["state"], "suspect")
            self.network.heal()
            self.wait_known(US, EU, writers.counts()[EU])
        self.check_together(writers)

    def test_long_silence(self):
        """A blackhole that never answers: both sides give the link up by themselves and dial again."""
        for peer in (US, AP):
            self.network.pause(EU, peer)
        with Writers(self.cluster, seed=4) as writers:
            for node, peer in ((EU, US), (US, EU), (EU, AP), (AP, EU)):
                wait_for(f"{node} gives up {peer}", lambda: self.cluster[node].peer(peer)["state"] == "dead", 25)
            self.check_serving(writers)
            lag = self.cluster[US].peer(EU)["lag"]
            self.assertGreater(lag["events"], 0)
            self.assertGreater(lag["bytes"], 0)
            self.assertGreater(lag["seconds"], 1)
            self.network.heal()
        self.check_together(writers)
        wait_for("no lag", lambda: self.cluster[US].peer(EU)["lag"] == {"events": 0, "bytes": 0, "seconds": 0}, 15)

    def test_one_way_hole(self):
        """What EU says to US vanishes, the other direction works: US learns of EU's events from AP."""
        self.network.drop_one_way(EU, US)
        with Writers(self.cluster, seed=5) as writers:
            time.sleep(4)
            self.wait_known(US, EU, writers.counts()[EU])
            wait_for("US hears of EU through AP", lambda: self.reach(US, EU) == ("alive", "indirect", AP), 10)
            self.check_serving(writers)
            for _ in range(30):  # and goes on to do so when the link is given up
                time.sleep(0.5)
                self.assertEqual(self.cluster[US].peer(EU)["state"], "alive")
            self.assertEqual(self.reach(US, EU), ("alive", "indirect", AP))
            self.wait_known(US, EU, writers.counts()[EU])
            self.wait_known(EU, US, writers.counts()[US])
            self.network.heal()
        self.check_together(writers)

    def test_bytes_lost_from_the_stream(self):
        """A stream with a hole in it is noticed, dropped and replaced; nothing of it is taken over."""
        with Writers(self.cluster, seed=6) as writers:
            for sender, receiver in ((EU, US), (US, EU), (AP, EU), (US, AP)):
                time.sleep(0.5)
                self.network.drop_one_way(sender, receiver)
                time.sleep(0.5)
                self.network.heal()
        self.check_together(writers)

    def test_flapping(self):
        """Links that come and go five times a second cost no descriptors."""
        with Writers(self.cluster, seed=7) as writers:
            time.sleep(1)
            before = {node.region: node.descriptors() for node in self.cluster}
            for turn in range(30):
                self.network.cut_all()
                time.sleep(0.1)
                self.network.heal()
                time.sleep(0.1)
        self.check_together(writers)
        for node in self.cluster:
            self.assertLess(node.descriptors(), before[node.region] + 8, node.region)

    def test_killed_while_alone(self):
        """A region that starts with nobody to ask goes on at once under a new incarnation, and counts exactly."""
        with Writers(self.cluster, seed=8) as writers:
            time.sleep(1)
            self.network.isolate(AP)
            time.sleep(1)
            self.cluster[AP].kill()
            self.cluster[AP].start()
            self.check_serving(writers)
            self.network.heal()
            time.sleep(1)
        self.check_together(writers)
        names = {name for name in self.cluster[EU].status()["vector"] if name.startswith(AP)}
        self.assertEqual(len(names), 2, names)
        self.assertIn(AP, names)


class Bridge(unittest.TestCase):
    def test_through_the_middle(self):
        """EU - US - AP, and no way from EU to AP: each gets the other's events through US."""
        network = Network()
        with Cluster(PROGRAM, network=network, start=False) as cluster:
            network.cut(EU, AP)
            cluster.start()
            with Writers(cluster, seed=9) as writers:
                time.sleep(3)
            cluster.wait_converged()
            writers.check(self)
            seen = cluster[EU].peer(AP)
            self.assertEqual((seen["state"], seen["reach"], seen["via"]), ("alive", "indirect", US))
            self.assertEqual(sum(network.link(EU, AP).bytes.values()), 0)
            cluster[US].kill()
            with Writers([cluster[EU], cluster[AP]], seed=10) as more:
                time.sleep(1)
            self.assertEqual(cluster[EU].state("world/shared")["by"][AP], writers.counts()[AP])
            cluster[US].start()
            cluster.wait_converged()
            for node in cluster:
                total = sum(writers.counts().values()) + sum(more.counts().values())
                self.assertEqual(node.state("world/shared")["total"], total)


if __name__ == "__main__":
    unittest.main()
