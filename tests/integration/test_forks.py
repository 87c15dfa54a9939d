"""A region's disk is copied while it is down, and both copies go on where nobody sees the other: its key signs two
histories, each of which another region builds on. An operator decides, and all come to the same, with every write once.
usage: test_forks.py GLOBALSTATE
"""
import json, os, shutil, sys, unittest

from cluster import REGIONS, Cluster, wait_for

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS
SECONDS = 60


class Forks(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, start=False, GS_ACK_INTERVAL="200")
        self.addCleanup(self.cluster.close)
        self.written = {}

    def write(self, region, field, times):
        for _ in range(times):
            answer = self.cluster[region].call("PATCH", "/state/world/shared", {"ops": [
                {"op": "increment", "path": "/by/" + field, "by": 1}]})
            self.assertIn(answer.status, (200, 201), answer)
        self.written[field] = self.written.get(field, 0) + times

    def data(self, region):
        return os.path.join(self.cluster[region].directory, "data")

    def database(self, region):
        return os.path.join(self.data(region), "globalstate.db")

    def alone(self, field, times):
        """The region runs where it knows of nobody whom it would have to ask."""
        node = self.cluster[EU]
        solo = os.path.join(self.cluster.directory, "solo")
        self.cluster.write(solo, node.trust_line + "\n")
        node.extra["GS_TRUST_FILE"] = solo
        node.start()
        self.write(EU, field, times)
        node.stop()
        del node.extra["GS_TRUST_FILE"]

    def meet(self, region, field, times):
        """The region runs with one other alone, which takes what it has and builds on it."""
        self.cluster[EU].start(wait=False)
        self.cluster[region].start(wait=False)
        for name in (EU, region):
            self.cluster[name].wait_ready(SECONDS)
        wait_for(region + " has it", lambda: self.shown(region).get(self.branch, 0) == self.written[self.branch])
        self.write(region, field, times)

    def shown(self, region):
        """{} while the node takes something out of its log."""
        answer = self.cluster[region].call("GET", "/state/world/shared")
        return answer.json["state"].get("by", {}) if answer.status == 200 else {}

    def make_fork(self):
        """Afterwards us-east is on one branch; ap-south and eu-west, which run, on the other."""
        self.alone("before", 2)
        copy = os.path.join(self.cluster.directory, "copy")
        shutil.copytree(self.data(EU), copy)
        self.branch = "first"
        self.alone("first", 3)
        self.meet(US, "on-first", 2)
        self.cluster[EU].stop()
        self.cluster[US].stop()
        shutil.rmtree(self.data(EU))
        shutil.copytree(copy, self.data(EU))
        self.branch = "second"
        self.alone("second", 4)
        self.meet(AP, "on-second", 5)
        self.cluster[US].start()

    def located(self):
        items = self.cluster[US].call("GET", "/forks").json["items"]
        found = items and items[0]["located"] and any(branch["here"] for branch in items[0]["branches"])
        return items[0] if found else None

    def forks(self, *arguments):
        return self.cluster.run("forks", "--url", f"http://127.0.0.1:{self.cluster[US].http_port}", "--token-file",
                                self.cluster.token_file, *arguments)

    def check_end(self, expected):
        def done():
            return all(self.shown(node.region) == expected for node in self.cluster)
        wait_for(lambda: [self.shown(node.region) for node in self.cluster], done, SECONDS)
        self.cluster.wait_converged(SECONDS)
        for node in self.cluster:
            forks = node.call("GET", "/forks").json
            self.assertEqual([fork["state"] for fork in forks["items"]], ["decided"], forks)
            self.assertEqual(forks["imports"]["waiting"], 0, forks)
            self.assertEqual(node.states("world"), self.cluster[US].states("world"))
        self.cluster.check_logs()
        for node in self.cluster:
            node.stop()
            verified = self.cluster.run("verify", "--store", "sqlite:" + self.database(node.region), "--trust",
                                        self.cluster.trust_file)
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def decide(self, *others):
        self.make_fork()
        fork = wait_for(lambda: self.cluster[US].call("GET", "/forks").json, self.located, SECONDS)
        kept = next(branch for branch in fork["branches"] if branch["here"])
        self.assertEqual(kept["eventsHere"] >= 3, True, fork)
        text = self.forks()
        self.assertEqual(text.returncode, 0, text.stderr)
        self.assertIn("undecided  histories part after event", text.stdout)
        bad = self.forks("decide", fork["origin"], "--others", "keep", "--reason", "x")
        self.assertEqual(bad.returncode, 1)
        self.assertIn("/others", bad.stderr)
        answer = self.forks("decide", fork["origin"], "--keep", kept["hash"], "--reason", "test", "--json", *others)
        self.assertEqual(answer.returncode, 0, answer.stderr)
        again = self.forks("decide", fork["origin"], "--others", "drop", "--reason", "x")
        self.assertIn("already_decided", again.stderr)
        return json.loads(answer.stdout)

    def test_both_branches_are_kept(self):
        decided = self.decide("--others", "import", "--importer", AP)
        self.assertEqual((decided["others"], decided["importer"]), ("import", AP))
        self.write(US, "after", 1)
        self.check_end(self.written)

    def test_one_branch_is_dropped(self):
        """… but for what honest regions built on it."""
        self.decide("--others", "drop")
        self.write(US, "after", 1)
        del self.written["second"]
        self.check_end(self.written)


if __name__ == "__main__":
    unittest.main(verbosity=2)
