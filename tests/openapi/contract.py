"""The OpenAPI document as a contract: given a call and its answer, says whether the document allows them."""
import json, re

from schema import Invalid, Schema, resolve

METHODS = ("get", "head", "put", "post", "delete", "patch")
CONNECTION_HEADERS = {"connection", "content-length", "cache-control", "x-content-type-options",
                      "content-security-policy", "referrer-policy"}


class Operation:
    def __init__(self, contract, path, method, item):
        self.contract, self.path, self.method = contract, path, method
        self.raw = item[method]
        self.id = self.raw["operationId"]
        self.parameters = [resolve(contract.document, p) for p in item.get("parameters", []) + self.raw["parameters"]]
        self.responses = {int(status): resolve(contract.document, response)
                          for status, response in self.raw["responses"].items()}
        self.scope = self.raw.get("x-scope", "")

    @property
    def body(self):
        """The content of the request's body, or None."""
        body = self.raw.get("requestBody")
        return body and body["content"]["application/json"]

    def examples(self):
        """The bodies that the document shows."""
        if self.body is None:
            return [None]
        if "examples" in self.body:
            return [example["value"] for example in self.body["examples"].values()]
        return [self.body["example"]]

    def codes(self):
        """(status, code) of every refusal."""
        found = set()
        for status, response in self.responses.items():
            content = response.get("content", {}).get("application/problem+json")
            if content:
                found |= {(status, code) for code in content["schema"]["allOf"][1]["properties"]["code"]["enum"]}
        return found


class Contract:
    def __init__(self, document):
        self.document = document
        self.schema = Schema(document)
        self.operations = [Operation(self, path, method, item) for path, item in document["paths"].items()
                           for method in METHODS if method in item]
        self.seen = set()  # (operation id, status, code or None) of every answer that was checked

    def operation(self, method, target):
        """The operation of a request, or None. Fixed paths go before templates."""
        path = target.split("?")[0]
        fitting = [o for o in self.operations if o.method == method.lower() and
                   re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", o.path), path)]
        return min(fitting, key=lambda o: o.path.count("{"), default=None)

    def check(self, method, target, answer):
        """Raises Invalid if the document does not allow this answer to this request."""
        operation = self.operation(method, target)
        if operation is None:
            self.check_unknown(method, target, answer)
            return
        response = operation.responses.get(answer.status)
        where = f"{method} {target} → {answer.status}"
        if response is None:
            raise Invalid(f"{where}: not in the document: {answer!r}")
        self.check_headers(response, answer, where)
        code = None
        content = response.get("content")
        if content is None:
            if answer.body:
                raise Invalid(f"{where}: a body that is not in the document")
        else:
            type = answer.headers.get("content-type", "").split(";")[0]
            if type not in content:
                raise Invalid(f"{where}: {type} is not one of {list(content)}")
            if "json" in type:
                value = json.loads(answer.body)
                self.schema.check(content[type]["schema"], value, where)
                code = value.get("code") if type == "application/problem+json" else None
        self.seen.add((operation.id, answer.status, code))

    def check_headers(self, response, answer, where):
        declared = {name.lower(): resolve(self.document, header)
                    for name, header in response.get("headers", {}).items()}
        for name, header in declared.items():
            if name not in answer.headers:
                if header.get("required"):
                    raise Invalid(f"{where}: without {name}")
                continue
            value = answer.headers[name]
            schema = resolve(self.document, header["schema"])
            self.schema.check(schema, int(value) if schema.get("type") == "integer" else value, f"{where} {name}")
        for name in answer.headers:
            if name not in declared and name not in CONNECTION_HEADERS and name != "content-type":
                raise Invalid(f"{where}: the header {name} is not in the document")

    def check_unknown(self, method, target, answer):
        path = target.split("?")[0]
        allowed = {o.method.upper() for o in self.operations if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", o.path), path)}
        problem = json.loads(answer.body) if method != "HEAD" else {"code": None}
        self.schema.check({"$ref": "#/components/schemas/Problem"}, problem) if method != "HEAD" else None
        expected = (405, "method_not_allowed") if allowed else (404, "unknown_route")
        if answer.status != expected[0] or problem["code"] not in (None, expected[1]):
            raise Invalid(f"{method} {target} is not in the document, and was answered {answer!r}")
        if allowed and set(answer.headers["allow"].split(", ")) != allowed:
            raise Invalid(f"{method} {target}: Allow is {answer.headers['allow']}, not {sorted(allowed)}")
