"""The OpenAPI document and the program agree, both ways: routes, methods, scopes, bodies, query parameters, problem
codes; and every example is what its schema says.  usage: routes.py SERVER OPENAPI.json"""
import json, re, subprocess, sys, unittest

from contract import Contract

PROGRAM, DOCUMENT = sys.argv[1:3]
del sys.argv[1:3]
METHOD_BITS = ("get", "head", "post", "put", "patch", "delete")
ADVICE = "; see node/http/openapi/README.md"


class Agreement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([PROGRAM, "--describe"], capture_output=True, check=True, text=True)
        cls.program = json.loads(done.stdout)
        with open(DOCUMENT, encoding="utf-8") as file:
            cls.contract = Contract(json.load(file))

    def test_routes(self):
        program = {}
        for route in self.program["routes"]:
            for bit, method in enumerate(METHOD_BITS):
                if route["methods"] >> bit & 1:
                    program[method, route["path"]] = (route["scope"], route["body"], set(route["parameters"].split()))
        document = {}
        for operation in self.contract.operations:
            query = {p["name"] for p in operation.parameters if p["in"] == "query"}
            # DELETE may come with an empty body: that it takes none is the handler's to say.
            body = operation.body is not None or operation.method == "delete"
            document[operation.method, re.sub(r"\{\w+\}", "{}", operation.path)] = (operation.scope, body, query)
        for key in sorted(program.keys() | document.keys()):
            self.assertEqual(program.get(key), document.get(key),
                             f"{key}: the program says the first, the document the second" + ADVICE)

    def test_codes(self):
        program = {tuple(pair) for pair in self.program["codes"]}
        document = {(code, status) for code, statuses in self.contract.document["x-problem-codes"].items()
                    for status in statuses}
        self.assertEqual(program, document, "codes.yaml and the program differ" + ADVICE)

    def test_examples(self):
        for name, schema in self.contract.document["components"]["schemas"].items():
            if "example" in schema:
                self.contract.schema.check(schema, schema["example"], name)
        for operation in self.contract.operations:
            for example in operation.examples():
                if operation.body is not None:
                    self.contract.schema.check(operation.body["schema"], example, operation.id)

    def test_every_word_is_checked(self):
        """Reaches each schema once with a value that nothing accepts: an unknown word would be an AttributeError."""
        for schema in self.contract.document["components"]["schemas"].values():
            words = set(schema) - {"nullable"}
            for word in words:
                self.assertTrue(word in ("description", "example", "format", "default") or
                                hasattr(self.contract.schema, "check_" + word), word)


if __name__ == "__main__":
    unittest.main()
