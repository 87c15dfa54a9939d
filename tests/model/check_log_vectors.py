#!/usr/bin/env python3
"""Checks tests/data/log_vectors.json against gossip/FORMAT.md, independently of the C library.

    check_log_vectors.py [FILE]           derive ids, read the bytes, write them again, sign; exit 1 on a difference
    check_log_vectors.py --write [FILE]   fill in what is derived (after a change of the descriptions)

The file describes batches in words; everything marked "derived" follows from the words. Shares only the msgpack writer
of tests/model/format.py with the other models; the reader is its own."""

import hashlib
import json
import pathlib
import struct
import sys

import ed25519
from format import Raw, msgpack

DEFAULT = pathlib.Path(__file__).resolve().parent.parent / "data" / "log_vectors.json"
HEAD = struct.Struct(">B16s16s12sQIQQ32sHI")
MEMBER = struct.Struct(">B16s32sQBH")
INTENTS = {"alive": 1, "leaving": 2}
KINDS = {"set": 0, "unset": 1, "increment": 2, "add": 3, "remove": 4, "max": 5, "make map": 7}
NAMES = {number: name for name, number in KINDS.items()}
TYPES = {"map": 1, "set": 3, "counter": 6, "max": 8, "register": 14}
TYPE_NAMES = {number: name for name, number in TYPES.items()}


def blake(personal, data, size=32):
    return hashlib.blake2b(data, digest_size=size, person=personal.encode()).digest()


class Reader:
    """Canonical msgpack: every value that is read must be written the same again, or the bytes are refused."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError("ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size, signed=False):
        return int.from_bytes(self.take(size), "big", signed=signed)

    def value(self):
        byte = self.take(1)[0]
        if byte < 0x80:
            return byte
        if byte < 0x90:
            return self.map(byte & 15)
        if byte < 0xA0:
            return [self.value() for _ in range(byte & 15)]
        if byte < 0xC0:
            return self.take(byte & 31).decode()
        if byte >= 0xE0:
            return byte - 256
        return self.long_value(byte)

    def map(self, count):
        return {self.value(): self.value() for _ in range(count)}

    def long_value(self, byte):
        if byte in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[byte]
        if byte == 0xCB:
            return struct.unpack(">d", self.take(8))[0]
        if 0xC4 <= byte <= 0xC6:
            return bytes(self.take(self.number(1 << byte - 0xC4)))
        if 0xCC <= byte <= 0xCF:
            return self.number(1 << byte - 0xCC)
        if 0xD0 <= byte <= 0xD3:
            return self.number(1 << byte - 0xD0, signed=True)
        if 0xD9 <= byte <= 0xDB:
            return self.take(self.number(1 << byte - 0xD9)).decode()
        if byte in (0xDC, 0xDD):
            return [self.value() for _ in range(self.number(2 if byte == 0xDC else 4))]
        if byte in (0xDE, 0xDF):
            return self.map(self.number(2 if byte == 0xDE else 4))
        raise ValueError(f"byte {byte:#x}")


def read(data):
    reader = Reader(data)
    value = reader.value()
    if reader.at != len(data) or msgpack(value) != data:
        raise ValueError("not canonical")
    return value


class Regions:
    """Names of origins, and the numbers that dots of one batch use for them."""

    def __init__(self, described, own=None):
        self.origins = {name: bytes.fromhex(region["origin"]) for name, region in described.items()}
        self.names = {origin: name for name, origin in self.origins.items()}
        self.table = [own] if own else []

    def number(self, name):
        if name not in self.table:
            self.table.append(name)
        return self.table.index(name)


def flat(tuples, regions):
    return [part for name, *rest in tuples for part in (regions.number(name), *rest)]


def unflat(values, size, regions):
    return [[regions.table[values[i]], *values[i + 1 : i + size]] for i in range(0, len(values), size)]


def write_node(node, regions, named):
    if node["type"] == "map":
        payload = [flat(node["dots"], regions), [write_node(child, regions, True) for child in node["children"]]]
    else:
        payload = flat(node["marks" if node["type"] == "counter" else "dots"], regions)
    return [*([node["name"]] if named else []), TYPES[node["type"]], payload]


def read_node(value, regions, named):
    node = {"name": value[0]} if named else {}
    number, payload = value[-2:]
    node["type"] = TYPE_NAMES[number]
    if node["type"] == "map":
        node |= {"dots": unflat(payload[0], 3, regions), "children": [read_node(c, regions, True) for c in payload[1]]}
    elif node["type"] == "counter":
        node["marks"] = unflat(payload, 4, regions)
    else:
        node["dots"] = unflat(payload, 3, regions)
    return node


def write_change(change, regions):
    start = [KINDS[change["kind"]], change["index"], change["path"]]
    if change["kind"] == "unset":
        return start + [[write_node(node, regions, False) for node in change["cleared"]]]
    if change["kind"] == "increment":
        return start + [change["by"]] + ([change["before"]] if "before" in change else [])
    return start + [flat(change["dots"], regions)] + ([change["value"]] if change["kind"] != "make map" else [])


def read_change(value, regions):
    change = {"kind": NAMES[value[0]], "index": value[1], "path": value[2]}
    rest = value[3:]
    if change["kind"] == "unset":
        change["cleared"] = [read_node(node, regions, False) for node in rest[0]]
    elif change["kind"] == "increment":
        change |= dict(zip(("by", "before"), rest))
    else:
        change["dots"] = unflat(rest[0], 3, regions)
        if change["kind"] != "make map":
            change["value"] = rest[1]
    return change


def write_event(event, clock_first, regions):
    key = event["idempotency"]
    detached = event["detached"]
    return [
        event["clock"] - clock_first,
        event["eventType"],
        event["actor"],
        key and [bytes.fromhex(key["key"]), key["item"], bytes.fromhex(key["request"])],
        detached and blake("gs-data-v1", msgpack(detached)),
        [
            [a["aggregateType"], a["aggregateId"], [a["previous"], [write_change(c, regions) for c in a["changes"]]]]
            for a in event["changes"]
        ],
    ]


def read_event(value, clock_first, detached, regions):
    after, event_type, actor, key, detached_hash, changes = value
    if detached_hash != (blake("gs-data-v1", detached) if detached else None):
        raise ValueError("the detached data is not what the event's hash says")
    return {
        "clock": clock_first + after,
        "eventType": event_type,
        "actor": actor,
        "idempotency": key and {"key": key[0].hex(), "item": key[1], "request": key[2].hex()},
        "detached": read(detached) if detached else None,
        "changes": [
            {
                "aggregateType": kind,
                "aggregateId": name,
                "previous": previous,
                "changes": [read_change(c, regions) for c in delta],
            }
            for kind, name, (previous, delta) in changes
        ],
    }


def write_body(batch, described):
    regions = Regions(described, batch["region"])
    clock_first = batch["events"][0]["clock"]
    # Numbers are given while events are written, and stand before them.
    events = msgpack([write_event(event, clock_first, regions) for event in batch["events"]])
    return msgpack([[regions.origins[name] for name in regions.table[1:]], Raw(events)])


def write_batch(batch, vectors):
    """What FORMAT.md makes of the description: every derived member."""
    described = vectors["regions"]
    region = described[batch["region"]]
    body = write_body(batch, described)
    deps = b"".join(
        bytes.fromhex(described[dep["region"]]["origin"]) + dep["seq"].to_bytes(8, "big") + bytes.fromhex(dep["hash"])
        for dep in sorted(batch["deps"], key=lambda dep: described[dep["region"]]["origin"])
    )
    head = HEAD.pack(
        1,
        bytes.fromhex(vectors["cluster"]["id"]),
        bytes.fromhex(region["origin"]),
        bytes.fromhex(region["incarnation"]),
        batch["firstSeq"],
        len(batch["events"]),
        batch["events"][0]["clock"],
        batch["events"][-1]["clock"],
        bytes.fromhex(batch["prevHash"]),
        len(batch["deps"]),
        len(body),
    )
    digest = blake("gs-batch-v1", head + deps + body)
    signature = ed25519.sign(bytes.fromhex(region["seed"]), b"globalstate/batch/v1\0" + digest)
    whole = head + deps + body + signature
    detached = [
        part
        for index, event in enumerate(batch["events"])
        if event["detached"]
        for part in (index, msgpack(event["detached"]))
    ]
    made = {"batch": whole, "hash": digest, "signature": signature, "record": msgpack([whole, detached])}
    return {name: data.hex() for name, data in made.items()}


def read_batch(record, vectors):
    """The description that the bytes of a record hold."""
    described = vectors["regions"]
    batch, pairs = read(record)
    (version, cluster, origin, incarnation, first_seq, count, clock_first, clock_last, prev_hash, dep_count, length) = (
        HEAD.unpack(batch[: HEAD.size])
    )
    body_at = HEAD.size + 56 * dep_count
    body = batch[body_at : body_at + length]
    regions = Regions(described)
    name = regions.names[origin]
    region = described[name]
    digest = blake("gs-batch-v1", batch[: body_at + length])
    if version != 1 or cluster.hex() != vectors["cluster"]["id"] or incarnation.hex() != region["incarnation"]:
        raise ValueError("version, cluster or incarnation")
    message = b"globalstate/batch/v1\0" + digest
    if not ed25519.verify(bytes.fromhex(region["publicKey"]), message, batch[body_at + length :]):
        raise ValueError("signature")
    origins, events = read(body)
    regions.table = [name] + [regions.names[other] for other in origins]
    detached = dict(zip(pairs[::2], pairs[1::2]))
    deps = [batch[at : at + 56] for at in range(HEAD.size, body_at, 56)]
    words = [read_event(event, clock_first, detached.get(i), regions) for i, event in enumerate(events)]
    if len(words) != count or words[-1]["clock"] != clock_last:
        raise ValueError("count or clocks")
    return {
        "region": name,
        "firstSeq": first_seq,
        "prevHash": prev_hash.hex(),
        "deps": [
            {"region": regions.names[dep[:16]], "seq": int.from_bytes(dep[16:24], "big"), "hash": dep[24:].hex()}
            for dep in deps
        ],
        "events": words,
    }


def write_member(member, vectors):
    """A member record: head, body, signature."""
    region = vectors["regions"][member["region"]]
    body = msgpack([member["region"], member["addresses"]])
    head = MEMBER.pack(
        1,
        bytes.fromhex(vectors["cluster"]["id"]),
        bytes.fromhex(region["publicKey"]),
        member["number"],
        INTENTS[member["intent"]],
        len(body),
    )
    digest = blake("gs-member-v1", head + body)
    signature = ed25519.sign(bytes.fromhex(region["seed"]), b"globalstate/member/v1\0" + digest)
    return {"record": (head + body + signature).hex(), "hash": digest.hex()}


def read_member(record, vectors):
    version, cluster, key, number, intent, length = MEMBER.unpack(record[: MEMBER.size])
    body, signature = record[MEMBER.size : MEMBER.size + length], record[MEMBER.size + length :]
    message = b"globalstate/member/v1\0" + blake("gs-member-v1", record[: MEMBER.size + length])
    if version != 1 or cluster.hex() != vectors["cluster"]["id"] or not ed25519.verify(key, message, signature):
        raise ValueError("version, cluster or signature")
    region, addresses = read(body)
    if vectors["regions"][region]["publicKey"] != key.hex():
        raise ValueError("key")
    intents = {code: word for word, code in INTENTS.items()}
    return {"region": region, "number": number, "intent": intents[intent], "addresses": addresses}


def derive_ids(vectors):
    cluster = {"id": blake("gs-cluster-v1", vectors["cluster"]["name"].encode(), 16).hex()}
    regions = {}
    for name, region in vectors["regions"].items():
        key = ed25519.public_key(bytes.fromhex(region["seed"]))
        incarnation = region["beganAtMs"].to_bytes(6, "big") + bytes.fromhex(region["random"])
        origin = blake("gs-origin-v1", key + incarnation, 16)
        regions[name] = {"publicKey": key.hex(), "incarnation": incarnation.hex(), "origin": origin.hex()}
    return cluster, regions


def compare(what, expected, actual, faults):
    for name, value in expected.items():
        if actual.get(name) != value:
            faults.append(f"{what}.{name}: {actual.get(name)} in the file, {value} by FORMAT.md")


def check(vectors):
    faults = []
    cluster, regions = derive_ids(vectors)
    compare("cluster", cluster, vectors["cluster"], faults)
    for name, region in regions.items():
        compare(name, region, vectors["regions"][name], faults)
    for index, batch in enumerate(vectors["batches"]):
        derived = write_batch(batch, vectors)
        compare(f"batches[{index}]", derived, batch["derived"], faults)
        words = {name: value for name, value in batch.items() if name not in ("derived", "about")}
        compare(f"batches[{index}]", read_batch(bytes.fromhex(batch["derived"]["record"]), vectors), words, faults)
    for index, member in enumerate(vectors["members"]):
        compare(f"members[{index}]", write_member(member, vectors), member["derived"], faults)
        words = {name: value for name, value in member.items() if name != "derived"}
        compare(f"members[{index}]", read_member(bytes.fromhex(member["derived"]["record"]), vectors), words, faults)
    return faults


def fill_in(vectors):
    cluster, regions = derive_ids(vectors)
    vectors["cluster"] |= cluster
    for name, region in regions.items():
        vectors["regions"][name] |= region
    for batch in vectors["batches"]:
        batch["derived"] = write_batch(batch, vectors)
    for member in vectors["members"]:
        member["derived"] = write_member(member, vectors)


def main(arguments):
    path = pathlib.Path(arguments[-1]) if arguments and arguments[-1] != "--write" else DEFAULT
    vectors = json.loads(path.read_text())
    if "--write" in arguments:
        fill_in(vectors)
        path.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n")
    faults = check(vectors)
    what = f"{len(vectors['batches'])} batches and {len(vectors['members'])} member records"
    print("\n".join(faults) or f"{path.name}: {what} agree with gossip/FORMAT.md")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
