#!/usr/bin/env python3
"""Joins the parts of the OpenAPI document (README.md), and writes it as JSON and as a C source that holds it.

usage: assemble.py OUT.json OUT.c PART.yaml…"""
import copy
import hashlib
import json
import pathlib
import sys

import yaml

METHODS = ("get", "put", "post", "delete", "patch")
# What can happen to a request before its operation is looked at, to one with a body, and to one with a token.
ALWAYS = [("bad_request", 400), ("invalid_argument", 400), ("too_large", 413), ("expectation_failed", 417),
          ("head_too_large", 431), ("http_version_not_supported", 505)]
WITH_BODY = [("malformed_json", 400), ("duplicate_key", 400), ("invalid_utf8", 400), ("too_deep", 400),
             ("number_out_of_range", 400), ("request_timeout", 408), ("length_required", 411),
             ("unsupported_media_type", 415)]
WITH_TOKEN = [("unauthorized", 401), ("forbidden", 403), ("not_caught_up", 409), ("rate_limited", 429),
              ("overloaded", 503), ("store_unavailable", 503),
              ("out_of_memory", 503), ("shutting_down", 503)]
HEADERS = {401: {"WWW-Authenticate": "Authenticate"}, 429: {"Retry-After": "RetryAfter"},
           503: {"Retry-After": "RetryAfter"}}
RATE = {name: {"$ref": f"#/components/headers/{name}"}
        for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")}
PROBLEM = "#/components/schemas/Problem"


def ref(kind, name):
    return {"$ref": f"#/components/{kind}/{name}"}


class Assembler:
    def __init__(self):
        self.document, self.codes = {}, {}
        self.components = {"schemas": {}, "parameters": {}, "headers": {}, "responses": {}}
        self.paths = {}

    def add_part(self, path):
        part = yaml.safe_load(path.read_text(encoding="utf-8"))
        if path.name == "document.yaml":
            self.document = part
        elif path.name == "codes.yaml":
            self.codes = {code: ([status] if isinstance(status, int) else status, advice)
                          for code, (status, advice) in part.items()}
        elif path.name == "shared.yaml":
            for kind, members in part.items():
                self.components[kind].update(members)
        else:
            target = self.paths if path.parent.name == "paths" else self.components["schemas"]
            for name, value in part.items():
                if name in target:
                    raise SystemExit(f"{path}: {name} is there already")
                target[name] = copy.deepcopy(value)

    def refusal(self, status, codes, causal, rated):
        """A reference to the response that carries one of these codes."""
        wanted = {
            "description": "Refused: " + ", ".join(f"`{code}`" for code in codes) + ".",
            "headers": {"X-Request-Id": ref("headers", "RequestId"),
                        **({"Causal-Token": ref("headers", "CausalToken")} if causal else {}),
                        **(RATE if rated else {}),
                        **{name: ref("headers", header) for name, header in HEADERS.get(status, {}).items()}},
            "content": {"application/problem+json": {"schema": {"allOf": [
                {"$ref": PROBLEM},
                {"type": "object", "properties": {"status": {"type": "integer", "enum": [status]},
                                                  "code": {"type": "string", "enum": codes}}}]}}},
        }
        number = 0
        while True:
            name = f"Refused{status}" + (f".{number}" if number else "")
            if self.components["responses"].setdefault(name, wanted) == wanted:
                return ref("responses", name)
            number += 1

    def refusals(self, operation, where):
        found = list(ALWAYS)
        found += WITH_BODY if "requestBody" in operation else []
        found += WITH_TOKEN if "x-scope" in operation else []
        for code in operation.pop("x-problems", []):
            if code not in self.codes:
                raise SystemExit(f"{where}: {code} is not in codes.yaml")
            found.append((code, self.codes[code][0][-1]))
        statuses = {}
        for code, status in found:
            statuses.setdefault(status, set()).add(code)
        causal = "x-scope" in operation
        return {str(status): self.refusal(status, sorted(codes), causal and status != 401, causal)
                for status, codes in sorted(statuses.items())}

    def finish_operation(self, operation, where):
        """What all operations have in common."""
        scope = operation.pop("x-scope", None)
        refusals = self.refusals({**operation, **({"x-scope": scope} if scope else {})}, where)
        operation.pop("x-problems", None)
        for response in operation["responses"].values():
            response.setdefault("headers", {})["X-Request-Id"] = ref("headers", "RequestId")
            if scope:
                response["headers"].update({"Causal-Token": ref("headers", "CausalToken"), **RATE})
        for status, response in refusals.items():
            if status not in operation["responses"]:
                operation["responses"][status] = response
        causal = [ref("parameters", "CausalToken"), ref("parameters", "CausalWait")] if scope else []
        operation["parameters"] = operation.get("parameters", []) + causal + [ref("parameters", "RequestId")]
        operation["security"] = [{"bearer": []}] if scope else []
        if scope:
            operation["x-scope"] = scope
            needs = f"Needs a token with the scope `{scope}`."
            operation["description"] = (operation.get("description", "").rstrip() + "\n\n" + needs).strip()

    def head_of(self, get):
        """HEAD is GET without the body."""
        head = copy.deepcopy(get)
        head["operationId"] += "Head"
        head["summary"] += " (head only)"
        for status, response in head["responses"].items():
            if "$ref" in response:
                response = copy.deepcopy(self.components["responses"][response["$ref"].rsplit("/", 1)[1]])
                head["responses"][status] = response
            response.pop("content", None)
        return head

    def assemble(self):
        for path, item in self.paths.items():
            for method in METHODS:
                if method in item:
                    self.finish_operation(item[method], f"{method} {path}")
            if "get" in item:
                item["head"] = self.head_of(item["get"])
        listing = "".join(f"| `{code}` | {', '.join(map(str, statuses))} | {advice} |\n"
                          for code, (statuses, advice) in self.codes.items())
        document = copy.deepcopy(self.document)
        document["info"]["description"] += "\n| code | status | what to do |\n|---|---|---|\n" + listing
        self.components["schemas"]["ProblemCode"] = {
            "type": "string", "description": "Stable; the introduction lists what to do about each.",
            "enum": list(self.codes)}
        document["paths"] = {path: self.paths[path] for path in sorted(self.paths)}
        for kind, members in self.components.items():
            document["components"].setdefault(kind, {}).update({name: members[name] for name in sorted(members)})
        document["x-problem-codes"] = {code: statuses for code, (statuses, _) in self.codes.items()}
        return document


def write_c(text, path):
    data = text.encode()
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    rows = [", ".join(str(byte) for byte in data[at:at + 32]) + "," for at in range(0, len(data), 32)]
    path.write_text("/* Made by assemble.py. */\n#include \"node/http/openapi.h\"\n\n"
                    f"const char gs_openapi_etag[] = \"\\\"{digest}\\\"\";\n"
                    f"const size_t gs_openapi_size = {len(data)};\n"
                    "const unsigned char gs_openapi_text[] = {\n" + "\n".join(rows) + "\n};\n", encoding="ascii")


def main():
    out_json, out_c, *parts = map(pathlib.Path, sys.argv[1:])
    assembler = Assembler()
    for part in parts:
        assembler.add_part(part)
    text = json.dumps(assembler.assemble(), separators=(",", ":"), ensure_ascii=False)
    out_json.write_text(text, encoding="utf-8")
    write_c(text, out_c)


if __name__ == "__main__":
    main()
