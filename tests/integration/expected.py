"""What a replayed trace must have made of the regions: compares every listed value (tests/data/README.md).

`limited` works the same kind of list out for the first lines of a trace, as far as it does not depend on the order in
which the regions' events meet.
"""
import collections, gzip, json

ABSENT = object()


def read_expected(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def read_trace(path, limit=None):
    """The first events of a trace."""
    events = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            if line.strip():
                events.append(json.loads(line))
            if limit is not None and len(events) == limit:
                break
    return events


def lookup(state, pointer):
    """The value at a JSON Pointer, or ABSENT."""
    for part in pointer:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(state, dict) or part not in state:
            return ABSENT
        state = state[part]
    return state


def exact(got, wanted):
    """Equal, and of the same type: 1 is neither true nor 1.0."""
    return type(got) is type(wanted) and got == wanted


def holds(kind, got, wanted):
    if kind == "counters":
        return exact(got, wanted) or (wanted == 0 and got is ABSENT)
    if kind == "sets":
        return sorted(got if isinstance(got, list) else [got] if got is not ABSENT else []) == sorted(wanted)
    if kind == "anyOf":
        return any(exact(got, value) for value in wanted)
    return exact(got, wanted)


KINDS = ("counters", "maxima", "registers", "sets", "anyOf")


def wrong_values(expected, states):
    """What does not hold of {type/id: state}, a line each."""
    wrong = []
    for kind in KINDS:
        for key, wanted in expected.get(kind, {}).items():
            type, id, *pointer = key.split("/")
            got = lookup(states.get(f"{type}/{id}", {}), pointer)
            if not holds(kind, got, wanted):
                shown = "nothing" if got is ABSENT else json.dumps(got)[:80]
                wrong.append(f"{kind} {key}: {shown} instead of {json.dumps(wanted)[:80]}")
    return wrong


def count_values(expected):
    return sum(len(expected.get(kind, {})) for kind in KINDS)


def limited(events):
    """Sums, maxima, members of sets that nobody removes from, and registers that one region alone writes."""
    counters, maxima, writers = collections.Counter(), {}, collections.defaultdict(set)
    members, removed, last = collections.defaultdict(set), set(), {}
    for event in events:
        for op in event.get("ops", []):
            key = f"{event['aggregateType']}/{event['aggregateId']}{op['path']}"
            if op["op"] == "increment":
                counters[key] += op["by"]
            elif op["op"] == "max":
                maxima[key] = max(maxima.get(key, op["by"]), op["by"])
            elif op["op"] == "add":
                members[key].add(op["value"])
            elif op["op"] == "remove":
                removed.add(key)
            elif op["op"] == "set":
                writers[key].add(event["region"])
                last[key] = op["value"]
    return {
        "counters": dict(counters), "maxima": maxima,
        "sets": {key: sorted(values) for key, values in members.items() if key not in removed},
        "registers": {key: value for key, value in last.items() if len(writers[key]) == 1},
    }
