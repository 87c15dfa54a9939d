"""Identities that end, on real nodes: lost disks, retired regions, rotated keys.  usage: test_closing.py GLOBALSTATE

What a life has written is closed at one point, the same everywhere; its rights of bounded counters can be spent again.
"""
import os, shutil, signal, subprocess, sys, unittest

from cluster import REGIONS, Client, Cluster, free_port, wait_for
from http_client import token

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


def refuses(node):
    """True if the node answers, and takes no writes since its identity has ended."""
    client = Client(node.http_port, timeout=3)
    try:
        answer = client.call("PATCH", "/state/thief/x", {"ops": [{"op": "set", "path": "/stolen", "value": 1}]})
    except OSError:
        return False
    finally:
        client.close()
    return answer.status == 409 and answer.json["code"] == "region_retired"


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
        for region in REGIONS:  # known everywhere to be over, it is not shown any more
            wait_for("it folds", lambda: set(self.cluster[region].status()["vector"]) == set(REGIONS))
        self.cluster[EU].stop()
        self.cluster[EU].start()
        self.assertEqual(self.wait_closed(ended, *REGIONS), 2)
        self.cluster.check_logs()

    def test_a_disk_is_found(self):
        """What it had alone is written again, once, under the same key; rights that it had spent stay spent."""
        eu = self.cluster[EU]
        key = {"Idempotency-Key": "alone"}
        bow = {"aggregateType": "shop", "aggregateId": "bow", "eventType": "sold"}
        alone = {**bow, "ops": [{"op": "increment", "path": "/stock", "by": -2},
                                {"op": "add", "path": "/to", "value": "ada"}]}
        self.make_stock(EU, 10)
        ended = eu.status()["origin"]
        for region in (US, AP):
            self.cluster[region].stop()
        self.assertEqual(eu.call("POST", "/events", alone, headers=key).status, 201)
        eu.kill()
        data = os.path.join(eu.directory, "data")
        os.rename(data, data + ".lost")
        for region in REGIONS:
            self.cluster[region].start(wait=False)
        for region in REGIONS:
            self.cluster[region].wait_ready()
        self.assertEqual(self.wait_closed(ended, *REGIONS), 1)
        wait_for("its rights pass on", lambda: self.sell(EU, 1).status == 200)
        self.cluster.wait_converged()
        eu.kill()
        shutil.rmtree(data)
        os.rename(data + ".lost", data)
        eu.start()
        wait_for(lambda: f"it gives up what nobody takes: {eu.log()[-1500:]}", lambda: "disk_found" in eu.log(), 60)
        eu.wait_ready()
        wait_for("it comes back everywhere",
                 lambda: all(self.cluster[region].state("shop/bow").get("to") == ["ada"] for region in REGIONS), 60)
        self.cluster.wait_converged()
        self.assertEqual([self.stock(region) for region in REGIONS], [7, 7, 7])
        again = eu.call("POST", "/events", alone, headers=key)
        self.assertEqual((again.status, again.json["region"]), (200, EU))
        self.assertEqual([self.stock(region) for region in REGIONS], [7, 7, 7])
        self.assertEqual(eu.call("GET", "/forks").json["imports"]["waiting"], 0)

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
        url = f"http://127.0.0.1:{self.cluster[EU].http_port}"
        shown = self.cluster.run("status", "--url", url, "--token-file", self.cluster.token_file).stdout
        self.assertIn(f"→ {AP}  retired\n", shown)
        metrics = wait_for("its lag is nobody's any more", lambda: (lambda text: text if AP not in text else None)(
            self.cluster[EU].call("GET", "/metrics").body.decode()))
        self.assertIn(f'gs_peer_lag_events{{peer="{US}"}}', metrics)
        self.assertEqual(self.cluster[US].call("POST", path, {}).status, 404)
        self.assertEqual(self.cluster[US].call("POST", f"/peers/{US}/retire", {}).json["field"], "region")
        self.assertEqual(self.cluster[US].call("POST", "/peers/mars/retire", {}).status, 404)
        wrong = self.cluster[US].call("POST", f"/peers/{EU}/retire", {"rightsTo": AP})
        self.assertEqual(wrong.json["field"], "/rightsTo")
        self.cluster[AP].stop()
        self.cluster[AP].start()  # it remembers
        self.assertEqual(self.sell(AP, 1).status, 409)
        self.cluster.check_logs()

    def twin(self, original, key_file):
        """A node on a copy of the disk, with a key of its own."""
        twin = object.__new__(type(original))
        twin.__dict__.update(original.__dict__)
        twin.directory = os.path.join(self.cluster.directory, "twin")
        os.makedirs(twin.directory)
        shutil.move(os.path.join(self.cluster.directory, "copy"), os.path.join(twin.directory, "data"))
        twin.log_path, twin.key_file = os.path.join(twin.directory, "node.log"), key_file
        twin.http_port, twin.gossip_port, twin.process = free_port(), free_port(), None
        self.addCleanup(twin.kill)
        return twin

    def signal(self, *regions):
        for region in regions:
            self.cluster[region].process.send_signal(signal.SIGHUP)

    def test_a_key_is_rotated(self):
        self.make_stock(EU, 10)
        node = self.cluster[EU]
        origin, old_key, new_key = node.status()["origin"], node.key_file, os.path.join(node.directory, "new-key")
        self.cluster.run("keygen", "--region", EU, "--out", new_key)
        with open(self.cluster.trust_file) as file:
            before = file.read()
        files = ("--file", self.cluster.trust_file, "--key-file", old_key, "--new-key-file", new_key)
        line = self.cluster.run("trust", "rotate", *files).stdout.strip()
        with open(self.cluster.trust_file) as file:
            self.assertEqual(file.read(), before + line + "\n")
        words = line.split()
        self.cluster.write(self.cluster.trust_file, before + " ".join(words[:-1] + [words[-2]]) + "\n")
        self.signal(US)  # refused by name, and nothing changes
        wait_for("the bad line is named", lambda: "not signed by the new key" in self.cluster[US].log())
        self.cluster.write(self.cluster.trust_file, before + line + "\n")
        self.signal(*REGIONS)
        self.assertEqual(self.sell(EU, 1).status, 200)  # the old key works until the new one has written
        node.stop()
        shutil.copytree(os.path.join(node.directory, "data"), os.path.join(self.cluster.directory, "copy"))
        node.key_file = new_key
        node.start()
        self.assertNotEqual(node.status()["origin"], origin)
        self.wait_closed(origin, *REGIONS)
        wait_for("its rights pass on", lambda: self.sell(EU, 9).status == 200)
        self.cluster.wait_converged()
        self.assertEqual([self.stock(region) for region in REGIONS], [0, 0, 0])
        for region in (US, AP):
            names = [peer["region"] for peer in self.cluster[region].call("GET", "/peers").json["peers"]]
            self.assertEqual(sorted(names), sorted(set(REGIONS) - {region}))
        self.assertIn(EU, self.cluster[US].status()["vector"])
        thief = self.twin(node, old_key)
        thief.start(wait=False)
        wait_for("who runs on with the old key is told", lambda: thief.alive() and refuses(thief))
        self.assertEqual({region: self.closed(region)[origin] for region in REGIONS},
                         {region: self.closed(EU)[origin] for region in REGIONS})
        thief.kill()
        for region in REGIONS:  # a restart asks the new key, and does not wait for the old one
            self.cluster[region].stop()
            self.cluster[region].start()
        self.assertEqual({region: self.closed(region) for region in REGIONS},
                         {region: self.closed(EU) for region in REGIONS})
        wait_for("writes go on", lambda: self.ops(EU, {"op": "increment", "path": "/stock", "by": 2}).status == 200)
        self.cluster.wait_converged()
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
