"""Is a history over several aggregates strictly serializable? For one aggregate that is linearizability (Herlihy &
Wing, 1990); the search is Wing & Gong's, with memory.

A history is a list of Call; a Call has one Part for each aggregate that it is about, and happens to all of them at once
or to none. The model of an aggregate is all that it has been: its versions, and the document of each (None: there is
none). The checker looks for an order of the calls that keeps real time (who was answered before another asked comes
first) and in which each answer is what the model says.

A document has these fields, in the types that the node gives them: "owner" and "tags" are registers, "count" is a
counter, "items" is a set, written as a sorted list; it is not there when it is empty. An aggregate without fields is
not there either: nobody puts the empty document, which would be."""
import collections

Call = collections.namedtuple("Call", "begun ended parts")
Part = collections.namedtuple("Part", "aggregate kind body pre base status version document")
# kind: get, put, patch, delete; body: a document or ops; pre: (name, value) or None; base: the Base-Version or None;
# status: of the answer (None: others' preconditions were what it was refused for); version: of the answer, or the
# currentVersion of a refusal; document: of an answer with a state, or UNTOLD.

UNTOLD = object()
STEPS = 200_000  # of the search: far more than a history needs that has an order
REFUSED = (409, 412)


class Pasts:
    """All that aggregates have been, shared: a past is a number, and equal pasts have the same one. 0: nothing yet."""

    def __init__(self):
        self.known, self.entries = {}, [(None, 0, None)]

    def now(self, past):
        """(version, document)"""
        return self.entries[past][1:]

    def at(self, past, version):
        while self.entries[past][1] > version:
            past = self.entries[past][0]
        return self.entries[past][2]

    def after(self, past, document):
        key = (past, repr(document and sorted(document.items())))
        if key not in self.known:
            self.known[key] = len(self.entries)
            self.entries.append((past, self.entries[past][1] + 1, document))
        return self.known[key]


def difference(base, body):
    """The ops that make the document `base` into `body`; [("replace", body)] if there was none."""
    if base is None:
        return [("replace", None, body)]
    ops = [("unset", name, None) for name in base if name not in body]
    for name, value in body.items():
        before = base.get(name)
        if value == before:
            continue
        if name == "count" and before is not None:
            ops.append(("increment", name, value - before))
        elif name == "items" and before is not None:
            ops += [("remove", name, item) for item in before if item not in value]
            ops += [("add", name, item) for item in value if item not in before]
        else:
            ops.append(("set", name, value))
    return ops


def apply(document, ops):
    after = dict(document or {})
    for op, name, value in ops:
        if op == "replace":
            after = dict(value)
        elif op == "unset":
            after.pop(name, None)
        elif op == "set":
            after[name] = value
        elif op == "increment":
            after[name] = after.get(name, 0) + value
        else:
            items = set(after.pop(name, ())) - {value} | ({value} if op == "add" else set())
            after.update({name: sorted(items)} if items else {})
    return after or None


def holds(part, version, document):
    if part.base is not None and part.base > version:
        return False
    if part.pre is None:
        return True
    name, value = part.pre
    return {"version": version == value, "absent": document is None, "present": document is not None}[name]


def write(pasts, past, part):
    """The past after a write whose preconditions hold; None if it cannot be answered so."""
    version, document = pasts.now(past)
    if part.kind == "delete":
        if document is None:
            return past if part.status == 404 else None
        return pasts.after(past, None) if part.status == 204 else None
    if part.kind == "put":
        ops = difference(document if part.base is None else pasts.at(past, part.base), part.body)
    else:
        ops = part.body
    after = apply(document, ops) if ops else document
    if after is None and part.document is not UNTOLD:  # there is nothing, and nothing is shown
        expected = (204, None, None)
    else:
        created = part.kind == "put" and document is None
        expected = (201 if created else 200, version + bool(ops), UNTOLD if part.document is UNTOLD else after)
    fits = (part.status, part.version, part.document) == expected
    return (pasts.after(past, after) if ops else past) if fits else None


def step(pasts, past, part):
    """The aggregate's past after the part of a call, if it can be answered so here; else None."""
    version, document = pasts.now(past)
    if part.status in REFUSED:
        return past if not holds(part, version, document) and part.version == version else None
    if part.status is None:
        return past
    if part.kind == "get":
        fits = (part.status == 404 and document is None) or (part.status == 200 and part.version == version and
                                                             part.document == document)
        return past if fits else None
    return write(pasts, past, part) if holds(part, version, document) else None


def take(pasts, state, call):
    """The state (a past for each aggregate, in a fixed order) after the call; None if it cannot be answered so."""
    after = dict(state)
    for part in call.parts:
        past = step(pasts, after.get(part.aggregate, 0), part)
        if past is None:
            return None
        after[part.aggregate] = past
    return tuple(sorted(after.items()))


def next_calls(calls, done):
    """The numbers of the calls that may come next: those that no other one was answered before."""
    found, earliest = [], float("inf")
    for at in range((~done & (done + 1)).bit_length() - 1, len(calls)):
        if calls[at].begun > earliest:
            break
        if not done >> at & 1:
            found.append(at)
            earliest = min(earliest, calls[at].ended)
    return found


def check(history, steps=STEPS):
    """None if there is an order; else the calls among which no next one can be found, and what the aggregates of each
    were when the search had come furthest. Gives up after so many steps, and says "undecided"."""
    calls, pasts = sorted(history, key=lambda call: call.begun), Pasts()
    names = {part.aggregate for call in calls for part in call.parts}
    everything = (1 << len(calls)) - 1
    seen, stack, furthest = set(), [(0, tuple(sorted((name, 0) for name in names)))], (0, [])
    while stack:
        done, state = stack.pop()
        if done == everything:
            return None
        if (done, state) in seen:
            continue
        seen.add((done, state))
        if len(seen) > steps:
            return ["undecided", furthest[1]]
        following = next_calls(calls, done)
        if done.bit_count() >= furthest[0]:
            furthest = (done.bit_count(), [(calls[at], {name: pasts.now(past) for name, past in state})
                                           for at in following])
        ways = [(done | 1 << at, after) for at in following if (after := take(pasts, state, calls[at])) is not None]
        # What changes nothing may as well come now: versions only grow, so it changes nothing later either.
        quiet = [way for way in ways if way[1] == state]
        stack += quiet[:1] or reversed(ways)
    return furthest[1]
