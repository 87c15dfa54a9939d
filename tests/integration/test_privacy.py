"""Everything about one subject in one call, and its data erased while the nodes run.

usage: test_privacy.py GLOBALSTATE

One region keeps its log in SQLite, the other one in PostgreSQL.
"""
import json, os, sys, threading, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import Cluster, wait_for  # noqa: E402
from http_client import token  # noqa: E402
from postgres import Postgres  # noqa: E402

PROGRAM = sys.argv.pop(1)
EU, US = "eu-west", "us-east"
ADA = "ada l./\u00e9%2F"  # a subject need not be a name
PATH = "/subjects/ada%20l.%2F%C3%A9%252F"
SECRET = "a-secret-that-must-go"


class Privacy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Postgres()
        cls.addClassCleanup(cls.server.close)
        cls.cluster = Cluster(PROGRAM, regions=(EU, US), start=False)
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster[US].extra["DATABASE_URL"] = cls.server.create(US)
        cls.cluster.start()
        cls.cluster.wait_linked()

    def write(self, region, subject, note, count=1):
        events = [{"aggregateType": "player", "aggregateId": "x", "eventType": "note", "metadata": {"n": i},
                   "data": {"note": f"{note} {i}"}, "ops": [{"op": "increment", "path": "/n", "by": 1}]}
                  for i in range(count)]
        answer = self.cluster[region].call("POST", "/events", {"events": events}, bearer=token(subject))
        self.assertEqual(answer.status, 201, answer)

    def pages(self, region, subject_path, limit):
        """All of an export, a page at a time."""
        events, audit, cursor, pages = [], [], "", 0
        while cursor is not None:
            query = f"?limit={limit}{cursor and '&cursor=' + cursor}"
            answer = self.cluster[region].call("GET", f"{subject_path}/export{query}")
            self.assertEqual(answer.status, 200, answer)
            page, pages = answer.json, pages + 1
            self.assertLessEqual(len(page["events"]) + len(page["audit"]), limit)
            events, audit, cursor = events + page["events"], audit + page["audit"], page["next"]
        return page["subject"], events, audit, pages

    def test_export(self):
        for i in range(4):
            self.write((EU, US)[i % 2], "exp:1", f"first {i}", 3)
            self.write(EU, "exp:2", f"other {i}")
        self.cluster.wait_converged()
        self.assertEqual(self.cluster[EU].call("GET", "/state/player/none", bearer=token("exp:1")).status, 404)
        for region in (EU, US):
            subject, events, audit, pages = self.pages(region, "/subjects/exp:1", 5)
            self.assertEqual((subject, len(events)), ("exp:1", 12))
            self.assertGreaterEqual(pages, 4)
            self.assertEqual({event["actor"] for event in events}, {"exp:1"})
            self.assertEqual(len({event["eventId"] for event in events}), 12)
            kinds = [entry["kind"] for entry in audit]
            self.assertEqual({entry["subject"] for entry in audit}, {"exp:1"})
            self.assertEqual(kinds.count("write"), 2)
            self.assertEqual(kinds.count("refusal"), 1 if region == EU else 0)
            done = self.run_export(region, "exp:1")
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([line["event"]["eventId"] for line in lines if "event" in line],
                             [event["eventId"] for event in events])
            self.assertEqual(sum("audit" in line for line in lines), len(audit))
        nobody = self.pages(EU, "/subjects/nobody", 100)
        self.assertEqual(nobody[:3], ("nobody", [], []))
        call = self.cluster[EU].call
        for bad in ("e1", "a", "x1.0", "e0.0", "e1.0.0"):
            self.assertEqual(call("GET", "/subjects/s/export?cursor=" + bad).status, 400, bad)
        self.assertEqual(call("GET", "/subjects/%ff/export").status, 400)
        self.assertEqual(call("GET", "/subjects/s/export", bearer=token("x", "audit:read events:read")).status, 403)
        entry = call("GET", "/audit?kind=admin&target=/subjects/nobody").json["entries"][0]
        self.assertEqual((entry["subject"], entry["action"]), ("tester", "GET /subjects/{}/export"))

    def run_export(self, region, subject):
        done = self.cluster.run("export", "--subject", subject, "--url",
                                f"http://127.0.0.1:{self.cluster[region].http_port}", "--token-file",
                                self.cluster.token_file)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def erase(self, *regions):
        urls = [word for region in regions
                for word in ("--url", f"http://127.0.0.1:{self.cluster[region].http_port}")]
        done = self.cluster.run("erase", "--actor", ADA, *urls, "--token-file", self.cluster.token_file, "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def has_secret(self, region):
        """In the files of the region's own, or in what SQL shows."""
        if region == US:
            rows = self.server.query("SELECT (SELECT count(*) FROM global_state.delta_log WHERE position("
                                     f"'{SECRET}'::bytea IN record) > 0), (SELECT count(*) FROM global_state."
                                     f"event_store WHERE data::text LIKE '%{SECRET}%')", US)
            return rows != [["0", "0"]]
        found = False
        for folder, _, names in os.walk(os.path.join(self.cluster[EU].directory, "data")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    found = found or SECRET.encode() in file.read()
        return found

    def test_erase_while_it_runs(self):
        ended = threading.Event()
        numbers = {EU: 0, US: 0}

        def keep_writing(region):
            while not ended.is_set():
                self.write(region, "bob", "kept")
                numbers[region] += 1
        writers = [threading.Thread(target=keep_writing, args=(region,)) for region in (EU, US)]
        for writer in writers:
            writer.start()
        try:
            for i in range(20):
                self.write(EU, ADA, f"{SECRET} {i}", 5)
            wait_for("replication", lambda: len(self.pages(US, PATH, 500)[1]) == 100)
            self.assertTrue(self.has_secret(EU) and self.has_secret(US))
            first = self.erase(EU, US)
            again = self.erase(EU, US)
        finally:
            ended.set()
            for writer in writers:
                writer.join(30)
        self.assertEqual([(r["events"], r["erased"]) for r in first], [(100, 100), (100, 100)])
        self.assertEqual([(r["events"], r["erased"], r["records"]) for r in again], [(100, 0, 0)] * 2)
        self.assertFalse(self.has_secret(EU) or self.has_secret(US))
        self.assertGreater(min(numbers.values()), 5)
        self.cluster.wait_converged()
        for node in self.cluster:
            events = self.pages(node.region, PATH, 500)[1]
            self.assertEqual([(e["data"], e["dataErased"], e["signature"]) for e in events],
                             [({}, True, "valid")] * 100)
            kept = self.pages(node.region, "/subjects/bob", 500)[1]
            self.assertEqual(len(kept), sum(numbers.values()))
            self.assertTrue(all(e["data"] == {"note": "kept 0"} and e["signature"] == "valid" for e in kept))
            entries = node.call("GET", "/audit?kind=admin&target=/subjects/ada").json["entries"]
            self.assertIn(("tester", "POST /subjects/{}/erase", PATH + "/erase"),
                          [(entry["subject"], entry["action"], entry["target"]) for entry in entries])
        # The log is whole, and starts as it is.
        node = self.cluster[EU]
        before = node.states("player")
        self.assertEqual(node.stop(), 0)
        store = "sqlite:" + os.path.join(node.directory, "data", "globalstate.db")
        done = self.cluster.run("verify", "--store", store, "--trust", self.cluster.trust_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        node.start()
        self.assertEqual(node.states("player"), before)
        us = self.cluster[US]
        self.assertEqual(us.stop(), 0)
        self.write(EU, ADA, SECRET)
        us.start()
        self.cluster.wait_converged()
        self.assertEqual(us.stop(), 0)
        done = self.cluster.run("erase", "--store", us.extra["DATABASE_URL"], "--actor", ADA, "--json")
        self.assertEqual(json.loads(done.stdout), {"events": 101, "erased": 1, "records": 1}, done)
        self.assertFalse(self.has_secret(US))
        us.start()
        self.cluster.wait_linked()

    def test_refusals(self):
        node = self.cluster[EU]
        for body in ({"cursor": 1}, {"cursor": "x"}, {"cursor": "0"}, {"actor": "x"}, []):
            self.assertEqual(node.call("POST", "/subjects/s/erase", body).status, 400, body)
        self.assertEqual(node.call("POST", "/subjects/s/erase", {}, bearer=token("x", "events:write")).status, 403)
        answer = node.call("POST", "/subjects/s/erase", {"cursor": "999999999"}).json
        self.assertEqual((answer["events"], answer["next"]), (0, None))
        for arguments in ((), ("--actor", "x"), ("--actor", "x", "--url", "http://u", "--store", "sqlite:x")):
            self.assertEqual(self.cluster.run("erase", *arguments).returncode, 2)
        self.assertEqual(self.cluster.run("export").returncode, 2)


if __name__ == "__main__":
    unittest.main()
