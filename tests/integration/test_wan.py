"""Regions on real networks, slow, lossy, cut and damaged, while all of them write.

usage: test_wan.py GLOBALSTATE WAN_ROUTER

Each region is in a network namespace of its own (wan.py): what is between them is the kernels' own TCP over lines with
delay, rate, loss, one-way cuts without a reset, and bits that flip although every checksum fits.
"""
import signal, sys, time, unittest

from cluster import REGIONS, wait_for
from wan import WanCluster, unavailable
from writers import Writers

ROUTER = sys.argv.pop()
PROGRAM = sys.argv.pop()
EU, US, AP = REGIONS
LOCAL_SECONDS = 4.0  # a local request on a busy machine; a wait for another region would be longer
WHY_NOT = unavailable()


class Wan(unittest.TestCase):
    def open(self, **how):
        self.cluster = WanCluster(PROGRAM, ROUTER, **how)
        self.wan = self.cluster.wan
        self.addCleanup(self.cluster.close)
        self.cluster.wait_linked()

    def known(self, node, of):
        return self.cluster[node].state("world/shared").get("by", {}).get(of, 0)

    def wait_known(self, node, of, count, seconds=30):
        wait_for(lambda: f"{node} knows {count} events of {of}, it has {self.known(node, of)}",
                 lambda: self.known(node, of) >= count, seconds)

    def check_serving(self, writers, seconds=1.5):
        """Every region writes, and waits for no other."""
        before = writers.counts()
        writers.slowest()
        time.sleep(seconds)
        for region, count in writers.counts().items():
            self.assertGreater(count, before[region], f"{region} stood still")
        self.assertLess(writers.slowest(), LOCAL_SECONDS)

    def check_together(self, writers, seconds=60):
        self.cluster.wait_converged(seconds)
        writers.check(self)
        self.cluster.check_logs()

    def states(self, node):
        return {peer["region"]: peer["state"] for peer in self.cluster[node].call("GET", "/peers").json["peers"]}

    def metric(self, region, name):
        lines = self.cluster[region].call("GET", "/metrics").body.decode().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name + " "))

    def test_oceans(self):
        """80 to 300 ms one way, and what is lost on the way: nobody takes a far region for a dead one."""
        self.open(delay_ms=80)
        self.wan.line(US, AP, delay_ms=150)
        self.wan.line(EU, AP, delay_ms=300)
        with Writers(self.cluster, seed=11) as writers:
            self.wan.loss(EU, 1)
            self.wan.loss(US, 5)
            self.wan.loss(AP, 2)
            for _ in range(3):
                self.check_serving(writers)
                for node in REGIONS:
                    self.assertNotIn("dead", self.states(node).values(), f"seen by {node}")
            self.wait_known(AP, EU, writers.counts()[EU])
        self.check_together(writers)
        peer = self.cluster[EU].peer(AP)
        self.assertGreaterEqual(peer["roundTripMs"], 600)
        for node in self.cluster:
            self.assertEqual(node.call("GET", "/health").json["status"], "ok")

    def test_cable_cut(self):
        """The cable is cut both ways, then one way only; the third region passes things on, then nobody can."""
        self.open(delay_ms=40)
        with Writers(self.cluster, seed=12) as writers:
            self.wan.cut(EU, US)
            self.check_serving(writers)
            self.wait_known(US, EU, writers.counts()[EU])
            self.wait_known(EU, US, writers.counts()[US])
            self.wan.heal()
            self.wan.cut(EU, US, one_way=True)
            self.check_serving(writers)
            self.wait_known(US, EU, writers.counts()[EU])
            self.wan.isolate(EU)
            wait_for("eu-west finds the others gone", lambda: set(self.states(EU).values()) == {"dead"}, 40)
            self.check_serving(writers)
            self.wait_known(US, AP, writers.counts()[AP])
            self.wan.heal()
        self.check_together(writers)

    def test_damage(self):
        """Bits that flip on the way under checksums that fit: a link ends, and nothing wrong gets in."""
        self.open(delay_ms=20)
        with Writers(self.cluster, seed=13) as writers:
            self.wan.lines(delay_ms=20, damage_ppm=20000)
            self.check_serving(writers, seconds=6)
            self.wan.lines(delay_ms=20)
        self.check_together(writers)
        self.assertGreater(sum(self.metric(region, "gs_frames_refused_total") for region in REGIONS), 0)

    def test_thin_line(self):
        """A region that comes back over a thin line catches up; it is not taken for dead meanwhile, and what is written
        now does not wait until all that was missed is there."""
        self.open(delay_ms=40)
        self.wan.isolate(EU)
        client = self.cluster[US].client()
        for first in range(0, 10000, 500):
            events = [{"aggregateType": "bulk", "aggregateId": f"b{(first + i) % 200}", "eventType": "bulk",
                       "ops": [{"op": "increment", "path": "/n", "by": 1}],
                       "data": {"text": f"{first + i:x}" * 40}} for i in range(500)]
            self.assertEqual(client.call("POST", "/events", {"events": events}).status, 201)
        client.close()
        self.wan.line(EU, US, delay_ms=40, bytes_per_s=400_000)
        self.wan.line(EU, AP, delay_ms=40, bytes_per_s=400_000)
        self.wan.heal()
        wait_for("eu-west is back", lambda: "alive" in self.states(EU).values(), 40)
        begun = time.monotonic()
        with Writers(self.cluster, seed=14) as writers:
            self.check_serving(writers)
            self.wait_known(US, EU, writers.counts()[EU])
            self.assertNotIn("dead", self.states(EU).values())
        self.check_together(writers, 90)
        self.assertLess(time.monotonic() - begun, 90)

    def test_stopped_and_killed(self):
        """A process that stands still, and one that is killed, at the far end of a slow line."""
        self.open(delay_ms=80)
        with Writers(self.cluster, seed=15) as writers:
            self.cluster[AP].send_signal(signal.SIGSTOP)
            wait_for("eu-west misses ap-south", lambda: self.states(EU)[AP] != "alive", 20)
            self.cluster[AP].send_signal(signal.SIGCONT)
            wait_for("ap-south is back", lambda: self.states(EU)[AP] == "alive", 30)
            self.cluster[US].kill()
            time.sleep(1)
            self.cluster[US].start()
            self.check_serving(writers)
        self.check_together(writers)


if __name__ == "__main__":
    if WHY_NOT:
        print(f"skipped: {WHY_NOT}")
        sys.exit(77)
    unittest.main(verbosity=2)
