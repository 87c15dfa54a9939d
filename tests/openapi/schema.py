"""Checks JSON values against the schemas of an OpenAPI 3.0 document: the words that ours uses, and no others. A word
that is not known is an error, so that no part of the document is silently not checked."""
import math, re

ANNOTATIONS = {"description", "example", "examples", "default", "format"}
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v),
}


class Invalid(Exception):
    pass


def resolve(document, value):
    while "$ref" in value:
        assert set(value) == {"$ref"}, value
        found = document
        for name in value["$ref"].removeprefix("#/").split("/"):
            found = found[name.replace("~1", "/").replace("~0", "~")]
        value = found
    return value


def fail(where, text):
    raise Invalid(f"{where or '/'}: {text}")


class Schema:
    def __init__(self, document):
        self.document = document

    def check(self, schema, value, where=""):
        """Raises Invalid where `value` is not what the schema says."""
        schema = resolve(self.document, schema)
        if value is None and schema.get("nullable"):
            return
        if value is None and ("type" in schema):
            fail(where, "is null")
        for word, argument in schema.items():
            if word not in ANNOTATIONS and word != "nullable":
                getattr(self, "check_" + word)(argument, value, where, schema)

    def check_type(self, name, value, where, _schema):
        if not TYPES[name](value):
            fail(where, f"{value!r} is no {name}")

    def check_enum(self, values, value, where, _schema):
        if value not in values:
            fail(where, f"{value!r} is none of {values}")

    def check_pattern(self, pattern, value, where, _schema):
        if isinstance(value, str) and not re.search(pattern, value):
            fail(where, f"{value!r} does not match {pattern}")

    def check_minLength(self, least, value, where, _schema):
        if len(value) < least:
            fail(where, "is too short")

    def check_maxLength(self, most, value, where, _schema):
        if len(value) > most:
            fail(where, "is too long")

    def check_minimum(self, least, value, where, _schema):
        if value < least:
            fail(where, f"{value} is less than {least}")

    def check_maximum(self, most, value, where, _schema):
        if value > most:
            fail(where, f"{value} is more than {most}")

    def check_minItems(self, least, value, where, _schema):
        if len(value) < least:
            fail(where, "has too few items")

    def check_maxItems(self, most, value, where, _schema):
        if len(value) > most:
            fail(where, "has too many items")

    def check_items(self, schema, value, where, _schema):
        for at, item in enumerate(value):
            self.check(schema, item, f"{where}/{at}")

    def check_required(self, names, value, where, _schema):
        for name in names:
            if name not in value:
                fail(where, f"lacks {name}")

    def check_properties(self, properties, value, where, _schema):
        for name, schema in properties.items():
            if name in value:
                self.check(schema, value[name], f"{where}/{name}")

    def check_additionalProperties(self, allowed, value, where, schema):
        for name in value:
            if name in schema.get("properties", {}):
                continue
            if allowed is False:
                fail(where, f"has {name}, which the document does not know")
            if isinstance(allowed, dict):
                self.check(allowed, value[name], f"{where}/{name}")

    def check_allOf(self, schemas, value, where, _schema):
        for schema in schemas:
            self.check(schema, value, where)

    def check_oneOf(self, schemas, value, where, _schema):
        reasons = []
        for schema in schemas:
            try:
                self.check(schema, value, where)
            except Invalid as reason:
                reasons.append(str(reason))
        if len(schemas) - len(reasons) != 1:
            fail(where, f"fits {len(schemas) - len(reasons)} of {len(schemas)} forms: " + "; ".join(reasons))
