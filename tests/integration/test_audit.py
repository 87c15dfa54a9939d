"""The audit log of a real node: each write with subject, address and outcome; reads and refusals summed.

usage: test_audit.py GLOBALSTATE
"""
import sys, unittest

from cluster import Cluster
from http_client import token

PROGRAM = sys.argv.pop(1)


class Audit(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, regions=("eu-west",))
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["eu-west"]

    def audit(self, query="", **options):
        answer = self.node.call("GET", "/audit" + query, **options)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def write(self, subject, id, ops=()):
        body = {"ops": list(ops) or [{"op": "increment", "path": "/gold", "by": 1}]}
        return self.node.call("PATCH", "/state/player/" + id, body, bearer=token(subject), headers={"X-Request-Id": id})

    def test_writes_are_entries(self):
        for i in range(5):
            self.assertEqual(self.write("ada" if i % 2 else "bob", f"p{i}").status, 200)
        entries = self.audit("?kind=write")["entries"]
        self.assertEqual([(e["subject"], e["target"], e["requestId"]) for e in entries],
                         [("ada" if i % 2 else "bob", f"/state/player/p{i}", f"p{i}") for i in (4, 3, 2, 1, 0)])
        for entry in entries:
            self.assertEqual((entry["address"], entry["action"], entry["status"], entry["count"]),
                             ("127.0.0.1", "PATCH /state/{}/{}", 200, 1))
        self.assertEqual(len(self.audit("?subject=ada&kind=write")["entries"]), 2)
        self.assertEqual(len(self.audit("?target=/state/player/p3")["entries"]), 1)
        self.assertEqual(self.audit("?kind=write&until=2001-01-01T00:00:00Z")["entries"], [])
        found, cursor = [], ""
        while cursor is not None:
            page = self.audit(f"?kind=write&limit=2{cursor and '&cursor=' + cursor}")
            found, cursor = found + page["entries"], page["next"]
        self.assertEqual(found, entries)
        # Written behind, and there after a stop; what a stop may lose after kill -9 is less than a second.
        self.assertEqual(self.node.stop(), 0)
        self.node.start()
        self.assertEqual(self.audit("?kind=write")["entries"], entries)

    def test_reads_and_refusals_are_summed(self):
        self.write("ada", "p")
        client = self.node.client(bearer=token("reader"))
        for _ in range(300):
            self.assertEqual(client.call("GET", "/state/player/p").status, 200)
            self.assertEqual(client.call("GET", "/state/player/nobody").status, 404)
            self.assertEqual(client.call("GET", "/state/player/p", bearer="junk").status, 401)
        client.close()
        reads = self.audit("?kind=read&subject=reader")["entries"]
        self.assertEqual(sum(e["count"] for e in reads), 300)
        self.assertLessEqual(len(reads), 2)  # a minute may have ended meanwhile
        refusals = self.audit("?kind=refusal")["entries"]
        self.assertEqual({(e["subject"], e["status"], e["code"]) for e in refusals},
                         {("reader", 404, "not_found"), ("", 401, "unauthorized")})
        self.assertEqual(sum(e["count"] for e in refusals), 600)
        self.assertLessEqual(len(refusals), 4)
        self.assertTrue(all("target" not in e for e in reads + refusals))

    def test_refused_writes_and_scopes(self):
        self.assertEqual(self.write("ada", "p", [{"op": "explode", "path": "/x"}]).status, 422)
        entry = self.audit("?kind=refusal&subject=ada")["entries"][0]
        self.assertEqual((entry["status"], entry["code"], entry["action"]), (422, "unknown_op", "PATCH /state/{}/{}"))
        self.assertEqual(self.node.call("GET", "/audit", bearer=token("x", "state:read")).status, 403)
        self.assertEqual(self.node.call("GET", "/audit", bearer=token("x", "audit:read")).status, 200)
        self.assertEqual(self.audit("?kind=write")["entries"], [])
        self.assertEqual([e for e in self.audit()["entries"] if "health" in e["action"]], [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
