"""Is a history of one aggregate linearizable? (Herlihy & Wing, 1990; the search is Wing & Gong's, with memory.)

A history is a list of Call. The model is one aggregate: a version and a document (None: there is none). The checker
looks for an order of the calls that keeps real time (who was answered before another asked comes first) and in which
each answer is what the model says. Calls without an answer may have taken effect or not."""
import collections

Call = collections.namedtuple("Call", "begun ended kind body pre status version document")
# kind: get, put, patch, delete; body: document or amount; pre: (name, value) or None; version: of the answer, or the
# currentVersion of a refusal; document: of an answer with a state.


def holds(pre, version, document):
    if pre is None:
        return True
    name, value = pre
    return {"version": version == value, "absent": document is None, "present": document is not None}[name]


def step(call, version, document):
    """The model's state after the call, if it can be answered so in this state; else None."""
    if call.kind == "get":
        fits = (call.status == 404 and document is None) or (call.status == 200 and call.version == version and
                                                             call.document == document)
        return (version, document) if fits else None
    if call.status in (409, 412):
        return (version, document) if not holds(call.pre, version, document) and call.version == version else None
    if not holds(call.pre, version, document):
        return None
    if call.kind == "delete":
        if document is None:
            return (version, None) if call.status == 404 else None
        return (version + 1, None) if call.status == 204 else None
    after = dict(call.body) if call.kind == "put" else {**(document or {}), "count": (document or {}).get("count", 0) +
                                                        call.body}
    changed = call.kind == "patch" or after != document
    status = 201 if call.kind == "put" and document is None else 200
    fits = call.status == status and call.version == version + changed and call.document == after
    return (version + changed, after) if fits else None


def check(history):
    """None if the history is linearizable; else the calls among which no next one can be found."""
    calls = sorted(history, key=lambda call: call.begun)
    everything = (1 << len(calls)) - 1
    seen, stack, furthest = set(), [(0, 0, None)], (0, [])
    while stack:
        done, version, document = stack.pop()
        if done == everything:
            return None
        key = (done, version, repr(document))
        if key in seen:
            continue
        seen.add(key)
        first = (~done & (done + 1)).bit_length() - 1
        open_calls, earliest = [], float("inf")
        for at in range(first, len(calls)):
            if done >> at & 1:
                continue
            if calls[at].begun > earliest:
                break
            open_calls.append(at)
            earliest = min(earliest, calls[at].ended)
        if done.bit_count() >= furthest[0]:
            furthest = (done.bit_count(), [(calls[at], version, document) for at in open_calls])
        for at in reversed(open_calls):
            after = step(calls[at], version, document)
            if after is not None:
                stack.append((done | 1 << at, *after))
    return furthest[1]
