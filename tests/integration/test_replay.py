"""The battle trace through three regions with `globalstate replay`, and every value of it in every region.

usage: test_replay.py GLOBALSTATE DATA      DATA: the folder with battles.jsonl.gz and battles.expected.json.gz
"""
import concurrent.futures, json, os, sys, time, unittest

import expected
from cluster import Cluster, wait_for

PROGRAM, DATA = sys.argv.pop(1), sys.argv.pop(1)
TRACE = os.path.join(DATA, "battles.jsonl.gz")
EVENTS = 67405
TYPES = ("combat", "player", "guild", "world")


class Replay(unittest.TestCase):
    def replay(self, cluster, *options, timeout=300):
        urls = [word for node in cluster for word in ("--url", f"http://127.0.0.1:{node.http_port}")]
        return cluster.run("replay", TRACE, *urls, "--token-file", cluster.token_file, *options, timeout=timeout)

    def check_values(self, cluster, wanted):
        """Every wanted value in every region, and everything else equal too."""
        first = None
        for node in cluster:
            shown = node.states(*TYPES)
            wrong = expected.wrong_values(wanted, {name: state for name, (_, _, state) in shown.items()})
            self.assertEqual((len(wrong), wrong[:10]), (0, []), node.region)
            first = first or shown
            self.assertEqual(shown, first, node.region)

    def test_whole_trace_in_batches(self):
        wanted = expected.read_expected(os.path.join(DATA, "battles.expected.json.gz"))
        self.assertEqual(expected.count_values(wanted), 14443)
        with Cluster(PROGRAM) as cluster:
            done = self.replay(cluster, "--batch", "100")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(f"sent {EVENTS} events", done.stdout)
            self.assertRegex(done.stdout, r"(?m)^CONVERGED: .* (\d+) of \1 aggregates equal in all regions$")
            self.check_values(cluster, wanted)
            print(done.stdout, file=sys.stderr)
            for node in cluster:
                counters = node.status()["counters"]
                self.assertEqual((counters["batchesRefused"], counters["batchesHeld"]), (0, 0), node.region)
                self.assertEqual(counters["incarnations"], 1, node.region)
            self.check_restart(cluster, wanted)

    def check_restart(self, cluster, wanted):
        """All of it is on disk: the same again after a stop, and after a kill."""
        for end in ("stop", "kill"):
            for node in cluster:
                getattr(node, end)()
            begun = time.monotonic()
            cluster.start()
            self.assertLess(time.monotonic() - begun, 60)
            cluster.wait_converged()
            self.check_values(cluster, wanted)

    def written(self, node):
        """Events of the node's own in its present life."""
        return node.status()["counters"]["eventsLocal"]

    def test_whole_trace_over_a_killed_node(self):
        """--retry resends what a dead node did not answer; all of it counts once."""
        wanted = expected.read_expected(os.path.join(DATA, "battles.expected.json.gz"))
        with Cluster(PROGRAM) as cluster, concurrent.futures.ThreadPoolExecutor(1) as pool:
            cluster.wait_linked()
            replay = pool.submit(self.replay, cluster, "--retry", "--json")  # one event a request
            for region in ("us-east", "eu-west"):
                wait_for("events", lambda: replay.done() or self.written(cluster[region]) > 2000, seconds=180)
                self.assertFalse(replay.done(), replay.done() and f"ended before the kill: {replay.result()}")
                cluster[region].kill()
                time.sleep(0.5)
                cluster[region].start()
            done = replay.result()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            result = json.loads(done.stdout)
            self.assertEqual((result["sent"], result["refused"], result["converged"]), (EVENTS, 0, True), result)
            self.assertGreater(result["retries"], 0, "no request met a dead node: the test proves nothing")
            self.check_values(cluster, wanted)

    def test_some_of_it_one_by_one(self):
        limit = 3000
        wanted = expected.limited(expected.read_trace(TRACE, limit))
        self.assertGreater(expected.count_values(wanted), 500)
        with Cluster(PROGRAM) as cluster:
            done = self.replay(cluster, "--batch", "1", "--limit", str(limit), "--json")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            result = json.loads(done.stdout)
            for name, value in (("sent", limit), ("refused", 0), ("retries", 0), ("converged", True), ("differing", 0)):
                self.assertEqual(result[name], value, result)
            self.check_values(cluster, wanted)

    def test_regions_that_do_not_converge_are_reported(self):
        """Two nodes that do not know each other: replay must say so, and end with an error."""
        with Cluster(PROGRAM, regions=("eu-west", "us-east"), GS_SEEDS="") as cluster:
            done = self.replay(cluster, "--batch", "100", "--limit", "300", "--settle", "2")
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("NOT CONVERGED", done.stdout)

    def test_region_that_is_not_there(self):
        with Cluster(PROGRAM, regions=("eu-west", "us-east"), start=False) as cluster:
            cluster["eu-west"].start()
            done = self.replay(cluster, "--limit", "10", timeout=60)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            self.assertIn(str(cluster["us-east"].http_port), done.stderr)


if __name__ == "__main__":
    unittest.main()
