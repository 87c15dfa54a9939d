"""Bounded counters between regions: rights by region, transfers by name, what is refused and why, and that no region
takes more than it holds, also while nobody hears anybody.  usage: test_bounded_counter.py GLOBALSTATE"""
import sys, unittest

from cluster import REGIONS, Cluster
from forwarder import Network

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS


def increment(by):
    return {"op": "increment", "path": "/stock", "by": by}


def transfer(to, by):
    return {"op": "transfer", "path": "/stock", "to": to, "by": by}


class Bounded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Network()
        cls.cluster = Cluster(PROGRAM, network=cls.network)
        cls.cluster.wait_linked()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def patch(self, region, aggregate, *ops):
        return self.cluster[region].call("PATCH", "/state/" + aggregate, {"ops": list(ops)})

    def write(self, region, aggregate, *ops):
        answer = self.patch(region, aggregate, *ops)
        self.assertEqual(answer.status, 200, answer)

    def refused(self, answer, status, code, field):
        self.assertEqual((answer.status, answer.json["code"], answer.json.get("field")), (status, code, field), answer)
        return answer.json["detail"]

    def make(self, aggregate, initial):
        """A stock of `initial` that all regions know; they have all written something."""
        for region in REGIONS:
            self.write(region, aggregate + "-hello", {"op": "set", "path": "/x", "value": region})
        self.write(EU, aggregate, {"op": "create", "path": "/stock", "type": "bounded_counter", "initial": initial})
        self.cluster.wait_converged()

    def rights(self, region, aggregate):
        return self.cluster[region].call("GET", "/state/" + aggregate).json["rights"]["/stock"]["regions"]

    def test_rights_by_region(self):
        self.make("shop/sword", 10)
        detail = self.refused(self.patch(US, "shop/sword", increment(-1)), 409, "insufficient_rights", "/ops/0/by")
        self.assertIn("this region holds 0 (of 10 in all): 1 are missing", detail)
        self.write(EU, "shop/sword", transfer(US, 4), increment(-1))
        self.cluster.wait_converged()
        for region in REGIONS:
            self.assertEqual(self.rights(region, "shop/sword"), {EU: 5, US: 4})
        self.write(US, "shop/sword", increment(-4))
        self.refused(self.patch(EU, "shop/sword", transfer("mars", 1)), 400, "invalid_argument", "/ops/0/to")
        self.refused(self.patch(EU, "shop/sword", transfer(EU, 1)), 400, "invalid_argument", "/ops/0/to")
        self.cluster.wait_converged()
        self.assertEqual(self.cluster[AP].state("shop/sword"), {"stock": 5})
        history = self.cluster[AP].call("GET", "/events/shop/sword").json
        ops = [op for event in history["events"] for op in event["ops"]]
        given = [op for op in ops if op["op"] == "transfer"]
        self.assertEqual([(op["path"], op["by"], len(op["to"])) for op in given], [("/stock", 4, 32)])

    def test_nothing_is_sold_twice(self):
        """Ten swords, three shops that cannot hear each other: each sells what it was given, and no more."""
        self.make("shop/axe", 10)
        self.write(EU, "shop/axe", transfer(US, 3), transfer(AP, 3))
        self.cluster.wait_converged()
        self.network.cut_all()
        try:
            sold = sum(self.patch(region, "shop/axe", increment(-1)).status == 200
                       for _ in range(6) for region in REGIONS)
        finally:
            self.network.heal()
        self.cluster.wait_converged()
        self.assertEqual(sold, 10)
        for region in REGIONS:
            self.assertEqual(self.cluster[region].state("shop/axe"), {"stock": 0})

    def test_rights_are_not_thrown_away(self):
        self.make("shop/bow", 3)
        node = self.cluster[US]
        self.refused(node.call("DELETE", "/state/shop/bow"), 409, "rights_left", None)
        self.refused(node.call("PUT", "/state/shop/bow", {"other": 1}), 409, "rights_left", "/stock")
        self.refused(node.call("PUT", "/state/shop/bow", {"stock": 2}), 409, "insufficient_rights", "/stock")
        self.write(EU, "shop/bow", transfer(AP, 3))
        self.write(EU, "shop/bow", increment(2))
        answer = self.cluster[EU].call("POST", "/state/shop/bow/rollback", {"toVersion": 1})
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.cluster[EU].state("shop/bow"), {"stock": 3})
        self.cluster.wait_converged()
        self.write(AP, "shop/bow", increment(5), transfer(US, 6))
        detail = self.refused(self.cluster[AP].call("POST", "/state/shop/bow/rollback", {"toVersion": 1}), 409,
                              "insufficient_rights", "/stock")
        self.assertIn("this region holds 2 (of 8 in all): 3 are missing", detail)
        self.cluster.wait_converged()
        self.write(US, "shop/bow", increment(-6))
        self.write(AP, "shop/bow", increment(-2))
        self.cluster.wait_converged()
        self.assertEqual(self.cluster[EU].call("DELETE", "/state/shop/bow").status, 204)


if __name__ == "__main__":
    unittest.main()
