"""Shared by the tests of the HTTP API: a server (the path of its program is the script's first argument), calls, and
what a problem document must be."""
import sys, unittest

from http_client import SECRET, Server

PROGRAM = sys.argv.pop(1)


def event(type="player", id="p1", ops=(), **more):
    return {"aggregateType": type, "aggregateId": id, "eventType": "test.event", "ops": list(ops), **more}


def increment(by=1, path="/gold"):
    return {"op": "increment", "path": path, "by": by}


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM, "secret=" + SECRET)
        cls.ids = iter(range(10**9))

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def call(self, *args, **options):
        return self.server.call(*args, **options)

    def new_id(self):
        return f"id-{next(self.ids)}"

    def problem(self, answer, status, code, field=None):
        """The answer is a complete problem document."""
        self.assertEqual((answer.status, answer.json.get("code")), (status, code), answer)
        document = answer.json
        self.assertEqual(answer.headers["content-type"], "application/problem+json")
        self.assertEqual(document["status"], status)
        self.assertEqual(document["requestId"], answer.headers["x-request-id"])
        self.assertTrue(document["type"] and document["title"] and document["detail"])
        self.assertEqual(document.get("field"), field, answer)
        self.assertEqual("violations" in document, status == 422)
        if status == 503:
            self.assertEqual(answer.headers["retry-after"], "1")
        return document
