"""Identities that end, on real nodes: a lost disk, a retired region.  usage: test_closing.py GLOBALSTATE

What a life has written is closed at one point, the same everywhere; its rights of bounded counters can be spent again.
"""
import os, shutil, subprocess, sys, unittest

from cluster import REGIONS, Cluster, wait_for
from http_client import token

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


class Closing(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, GS_ACK_INTERVAL="200", GS_CLOSE_AFTER="1000")
        self.addCleanup(self.cluster.close)
        self.cluster.wait_linked()

    def ops(self, region, *ops):
        return self.cluster[region].call("PATCH", "/state/shop/bow", {"ops": list(ops)})

    def make_stock(self, region, amount):
        answer = self.ops(region, {"op": "create", "path": "/stock", "type": "bounded_counter", "bound": 0,
                                   "initial": amount})
        self.assertIn(answer.status, (200, 201), answer)
        self.cluster.wait_converged()

    def sell(self, region, amount):
        return self.ops(region, {"op": "increment", "path": "/stock", "by": -amount})

    def stock(self, region):
        return self.cluster[region].state("shop/bow")["stock"]

    def closed(self, region):
        """{origin: final seq} of all origins that the region knows closed."""
        items = self.cluster[region].call("GET", "/state/gs.origin?limit=100").json["items"]
        return {item["aggregateId"]: item["state"]["closed"] for item in items if "closed" in item["state"]}

    def wait_closed(self, origin, *regions):
        for region in regions:
            wait_for(lambda: f"{region} closes {origin}: {self.closed(region)}", lambda: origin in self.closed(region))
        finals = {self.closed(region)[origin] for region in regions}
        self.assertEqual(len(finals), 1, finals)
        return finals.pop()

    def test_a_lost_disk(self):
        self.make_stock(EU, 10)
        self.assertEqual(self.sell(EU, 3).status, 200)
        self.cluster.wait_converged()
        ended = self.cluster[EU].status()["origin"]
        self.cluster[EU].kill()
        shutil.rmtree(os.path.join(self.cluster[EU].directory, "data"))
        self.cluster[EU].start()
        self.assertEqual(self.wait_closed(ended, *REGIONS), 2)
        wait_for("its rights are spent by the new life", lambda: self.sell(EU, 7).status == 200)
        self.assertEqual(self.sell(EU, 1).status, 409)
        self.cluster.wait_converged()
        self.assertEqual([self.stock(region) for region in REGIONS], [0, 0, 0])
        self.cluster[EU].stop()
        self.cluster[EU].start()
        self.assertEqual(self.wait_closed(ended, *REGIONS), 2)
        self.cluster.check_logs()

    def test_a_region_is_retired(self):
        self.make_stock(AP, 10)
        origin = self.cluster[AP].status()["origin"]
        path = f"/peers/{AP}/retire"
        reader = token("reader", "sync:read state:read state:write")
        self.assertEqual(self.cluster[US].call("POST", path, {}, bearer=reader).status, 403)
        answer = self.cluster[US].call("POST", path, {"rightsTo": EU, "reason": "closed down"})
        self.assertEqual((answer.status, answer.json), (200, {"region": AP, "state": "left", "rightsTo": EU}))
        refused = wait_for("the retired region notices",
                           lambda: (lambda a: a if a.status == 409 else None)(self.sell(AP, 1)))
        self.assertEqual(refused.json["code"], "region_retired")
        self.assertEqual(self.cluster[AP].state("shop/bow")["stock"], self.stock(US))  # reads go on
        self.assertTrue(self.cluster[AP].status()["retired"])
        for region in (EU, US):
            peer = {p["region"]: p for p in self.cluster[region].call("GET", "/peers").json["peers"]}[AP]
            self.assertEqual((peer["state"], peer["retired"]), ("left", True))
        self.wait_closed(origin, EU, US)
        left = wait_for("rights of the retired region", lambda: self.stock(EU))
        wait_for("its rights are spent by its heir", lambda: self.sell(EU, left).status == 200)
        wait_for("its links end", lambda: not any(
            p["region"] == AP and p["roundTripMs"] is not None for r in (EU, US)
            for p in self.cluster[r].call("GET", "/peers").json["peers"]))
        wait_for("equal vectors", lambda: self.cluster[EU].status()["vector"] == self.cluster[US].status()["vector"])
        self.assertEqual(self.cluster[US].call("POST", path, {}).status, 404)
        self.assertEqual(self.cluster[US].call("POST", f"/peers/{US}/retire", {}).json["field"], "region")
        self.assertEqual(self.cluster[US].call("POST", "/peers/mars/retire", {}).status, 404)
        wrong = self.cluster[US].call("POST", f"/peers/{EU}/retire", {"rightsTo": AP})
        self.assertEqual(wrong.json["field"], "/rightsTo")
        self.cluster[AP].stop()
        self.cluster[AP].start()  # it remembers
        self.assertEqual(self.sell(AP, 1).status, 409)
        self.cluster.check_logs()

    def test_a_region_that_was_away_hears_of_its_retirement(self):
        self.make_stock(AP, 10)
        self.cluster[AP].stop()
        command = [PROGRAM, "retire", AP, "--url", f"http://127.0.0.1:{self.cluster[EU].http_port}", "--json"]
        path = os.path.join(self.cluster.directory, "token")
        with open(path, "w") as file:
            file.write(token())
        os.chmod(path, 0o600)
        done = subprocess.run(command + ["--token-file", path], capture_output=True, text=True, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        wait_for("its rights are spent by its heir", lambda: self.sell(EU, 10).status == 200)
        again = subprocess.run(command + ["--token-file", path], capture_output=True, text=True, timeout=20)
        self.assertEqual(again.returncode, 1)
        self.assertIn("404: \"ap-south\" is retired or revoked already", again.stderr)
        self.cluster[AP].start()
        wait_for("the retired region notices", lambda: self.sell(AP, 1).status == 409)
        self.cluster.check_logs()


if __name__ == "__main__":
    unittest.main(verbosity=2)
