"""Causal tokens between regions: who has written in one, and reads in another, sees it or is told that it is not there
yet.  usage: test_causal.py GLOBALSTATE"""
import sys, threading, time, unittest

from cluster import REGIONS, Cluster
from forwarder import Network

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS
ROUNDS = 150


def increment(path="/n"):
    return {"ops": [{"op": "increment", "path": path, "by": 1}]}


class Causal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.cluster = Cluster(PROGRAM, network=cls.network)
        cls.cluster.wait_linked()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def test_reads_follow_the_writer(self):
        """Round and round the regions, while others write: each read shows at least what the token stands for."""
        stop, clients = threading.Event(), {region: self.cluster[region].client() for region in REGIONS}

        def noise(region):
            client = self.cluster[region].client()
            while not stop.is_set():
                client.call("PATCH", "/state/counter/noise", increment())
            client.close()

        others = [threading.Thread(target=noise, args=(region,)) for region in REGIONS]
        for thread in others: thread.start()
        try:
            token, total = None, 0
            for turn in range(ROUNDS):
                writer, reader = clients[REGIONS[turn % 3]], clients[REGIONS[(turn + 1) % 3]]
                wrote = writer.call("PATCH", "/state/counter/relay", increment(), token and {"Causal-Token": token})
                total += 1
                self.assertEqual((wrote.status, wrote.json["state"]["n"]), (200, total), wrote)
                headers = {"Causal-Token": wrote.headers["causal-token"], "Causal-Wait": "9000"}
                key = {"aggregates": [{"type": "counter", "id": "relay"}]}
                for method, path, body in (("GET", "/state/counter/relay", None), ("GET", "/state/counter", None),
                                           ("POST", "/state/read", key)):
                    read = reader.call(method, path, body, headers)
                    self.assertEqual(read.status, 200, read)
                    states = read.json.get("items", [read.json])
                    value = next(s["state"]["n"] for s in states if s["aggregateId"] == "relay")
                    self.assertEqual(value, total, (turn, path))
                token = read.headers["causal-token"]
        finally:
            stop.set()
            for thread in others: thread.join()
            for client in clients.values(): client.close()

    def test_own_region_at_once(self):
        """A token that was just given out is good at once where it came from, however busy the region is."""
        client = self.cluster[EU].client()
        for _ in range(ROUNDS):
            token = client.call("PATCH", "/state/counter/own", increment()).headers["causal-token"]
            self.assertEqual(client.call("GET", "/state/counter/own",
                                         headers={"Causal-Token": token, "Causal-Wait": "5000"}).status, 200)
        client.close()

    def test_not_caught_up(self):
        """Cut off, a region says how far behind it is; back again, it answers who waits."""
        met = self.cluster[EU].call("PATCH", "/state/counter/met", increment()).headers["causal-token"]
        self.cluster[AP].call("GET", "/state/counter", headers={"Causal-Token": met, "Causal-Wait": "9000"})
        self.network.isolate(AP)
        try:
            for _ in range(5):
                wrote = self.cluster[EU].call("PATCH", "/state/counter/far", increment())
            headers = {"Causal-Token": wrote.headers["causal-token"]}
            begun = time.monotonic()
            late = self.cluster[AP].call("GET", "/state/counter/far", headers={**headers, "Causal-Wait": "300"})
            self.assertGreaterEqual(time.monotonic() - begun, 0.3)
            self.assertEqual((late.status, late.json["code"]), (409, "not_caught_up"))
            self.assertEqual(late.json["field"], "Causal-Token")
            self.assertGreaterEqual(late.json["behind"]["regions"][EU], 5)
            self.assertGreaterEqual(late.json["behind"]["events"], late.json["behind"]["regions"][EU])
            self.assertEqual(self.cluster[AP].call("PATCH", "/state/counter/far", increment(),
                                                   {**headers, "Causal-Wait": "0"}).status, 409)
            self.assertEqual(self.cluster[AP].call("GET", "/state/counter/far").status, 404)
        finally:
            self.network.heal()
        answer = self.cluster[AP].call("GET", "/state/counter/far", headers={**headers, "Causal-Wait": "10000"})
        self.assertEqual((answer.status, answer.json["state"]["n"]), (200, 5), answer)

    def test_waits_are_bounded(self):
        """A quarter of the threads may wait; the next is told so, and others are served meanwhile."""
        self.network.isolate(AP)
        try:
            token = self.cluster[EU].call("PATCH", "/state/counter/queue", increment()).headers["causal-token"]
            answers = []

            def ask():
                answers.append(self.cluster[AP].call("GET", "/state/counter/queue",
                                                     headers={"Causal-Token": token, "Causal-Wait": "3000"}).status)

            threads = [threading.Thread(target=ask) for _ in range(8)]  # of 24
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            self.assertEqual(sorted(answers), [409] * 6 + [503] * 2)
        finally:
            self.network.heal()

    def test_malformed(self):
        for headers, field in (({"Causal-Token": "x"}, "Causal-Token"), ({"Causal-Token": "x" * 9000}, "Causal-Token"),
                               ({"Causal-Wait": "soon"}, "Causal-Wait"), ({"Causal-Wait": "-1"}, "Causal-Wait")):
            answer = self.cluster[EU].call("GET", "/state/counter", headers=headers)
            self.assertEqual((answer.status, answer.json["code"]), (400, "invalid_argument"))
            self.assertEqual(answer.json["field"], field)


if __name__ == "__main__":
    unittest.main()
