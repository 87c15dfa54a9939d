"""Disks that are lost, put back and cloned under running regions.  usage: test_identity.py GLOBALSTATE

A region goes on at once, gives out no number twice, takes its older writes back from the others, and every write that
some disk still holds is counted once everywhere. Of two nodes with one key, one stops.
"""
import os, shutil, sys, time, unittest

from cluster import REGIONS, Cluster, free_port, wait_for

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


class Identity(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, GS_ACK_INTERVAL="200")
        self.addCleanup(self.cluster.close)
        self.cluster.wait_linked()
        self.written = {region: 0 for region in REGIONS}

    def write(self, region, times=5, node=None):
        for _ in range(times):
            answer = (node or self.cluster[region]).call("PATCH", "/state/world/shared", {"ops": [
                {"op": "increment", "path": f"/by/{region}", "by": 1}]})
            self.assertIn(answer.status, (200, 201), answer)
            self.written[region] += 1

    def check_equal_and_exact(self):
        self.cluster.wait_converged()
        for node in self.cluster:
            self.assertEqual(node.state("world/shared")["by"], {r: n for r, n in self.written.items() if n > 0})
        self.cluster.check_logs()

    def lives(self, region):
        return sorted(name for name in self.cluster[US].status()["vector"] if name.split("~")[0] == region)

    def copy_disk(self, region):
        """A backup of a node that is down."""
        copy = os.path.join(self.cluster.directory, "backup-" + region)
        shutil.copytree(os.path.join(self.cluster[region].directory, "data"), copy)
        return copy

    def put_back(self, region, copy):
        data = os.path.join(self.cluster[region].directory, "data")
        shutil.rmtree(data)
        if copy is not None:
            shutil.copytree(copy, data)

    def restart(self, region):
        self.cluster[region].stop()
        self.cluster[region].start()

    def test_a_restart_is_not_a_new_life(self):
        self.write(EU)
        self.restart(EU)
        self.write(EU)
        self.cluster[EU].kill()
        self.cluster[EU].start()
        self.write(EU)
        self.check_equal_and_exact()
        self.assertEqual(self.lives(EU), [EU])

    def test_an_old_backup(self):
        self.write(EU)
        self.cluster.wait_converged()
        self.cluster[EU].stop()
        copy = self.copy_disk(EU)
        self.cluster[EU].start()
        self.write(EU)
        self.write(US)
        self.cluster.wait_converged()
        self.cluster[EU].kill()
        self.put_back(EU, copy)
        self.cluster[EU].start()
        self.write(EU)
        self.check_equal_and_exact()
        self.assertEqual(len(self.lives(EU)), 2)

    def test_a_backup_older_than_what_only_one_knows(self):
        """The one peer that holds the newest writes is down at the start: the other's word is not enough."""
        self.write(EU)
        self.cluster.wait_converged()
        self.cluster[EU].stop()
        copy = self.copy_disk(EU)
        self.cluster[AP].stop()
        self.cluster[EU].start()
        self.write(EU)
        count = self.written[EU]
        wait_for("US has it", lambda: self.cluster[US].state("world/shared")["by"][EU] == count)
        self.cluster[EU].kill()
        self.cluster[US].stop()
        self.put_back(EU, copy)
        self.cluster[AP].start()
        self.cluster[EU].start()
        self.write(EU)
        self.cluster[US].start()
        self.check_equal_and_exact()

    def test_a_lost_disk(self):
        self.write(EU)
        self.cluster.wait_converged()
        self.cluster[EU].kill()
        self.put_back(EU, None)
        self.cluster[EU].start()
        self.write(EU)
        self.check_equal_and_exact()
        self.restart(EU)
        self.write(EU)
        self.check_equal_and_exact()
        self.assertEqual(len(self.lives(EU)), 2)

    def clone(self, region, copy):
        """A second node with the same key and the same disk, elsewhere; not started."""
        original = self.cluster[region]
        twin = object.__new__(type(original))
        twin.__dict__.update(original.__dict__)
        twin.directory = os.path.join(self.cluster.directory, region + "-twin")
        os.makedirs(twin.directory)
        shutil.copytree(copy, os.path.join(twin.directory, "data"))
        twin.log_path = os.path.join(twin.directory, "node.log")
        twin.http_port, twin.gossip_port, twin.process = free_port(), free_port(), None
        self.addCleanup(twin.kill)
        return twin

    def test_a_clone_beside_the_original(self):
        self.write(EU)
        self.cluster.wait_converged()
        self.cluster[EU].stop()
        copy = self.copy_disk(EU)
        self.cluster[EU].start()
        self.cluster.wait_linked()
        twin = self.clone(EU, copy)
        twin.start(wait=False)
        for _ in range(20):
            self.write(EU, 1)
            time.sleep(0.02)
        wait_for(lambda: f"one of two stops; the twin's log: {twin.log()[-2000:]}", lambda: not twin.alive(), 60)
        self.assertEqual(twin.wait(), 1)
        self.assertIn("another node that runs with this region's key began earlier", twin.log())
        self.assertTrue(self.cluster[EU].alive())
        self.write(EU)
        self.cluster.wait_linked()
        self.check_equal_and_exact()
        self.restart(EU)
        self.write(EU)
        self.check_equal_and_exact()


if __name__ == "__main__":
    unittest.main()
