#!/usr/bin/env python3
"""Writes inputs to begin with: valid bytes of every kind, from the test vectors and by hand.

usage: seeds.py DATA TARGET DIR     DATA: tests/data; TARGET: the NAME of a fuzz_NAME.c"""
import hashlib
import json
import pathlib
import sys

JSON = ['null', '[true,false,-0,1e300,0.1,-9223372036854775808]', '"\\ud83d\\ude00\\u0000\\n\u00e9"',
        '{"b":{"":[]},"a":{"a/b":{},"~":"\\""},"c":[[[[1.5]]]]}', '[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]',
        '{"a":1,"a":2}', '[{"op":"set","path":"/a/0","value":{"x":[1,null]}},{"op":"max","path":"/m","by":2.5}]',
        '[{"op":"score","path":"/b","member":"ada","to":7},{"op":"observe","path":"/h","value":"ada"}]']

# Actions of fuzz_link.c: a handshake, messages, and what may go wrong with them.
PASS, ALTER, INJECT, ANSWER = range(4)
HANDSHAKE = [63 << 2 | PASS, ANSWER, 63 << 2 | PASS, ANSWER, 63 << 2 | PASS]
LINK = [HANDSHAKE,
        HANDSHAKE + [40 << 2 | ANSWER, 63 << 2 | PASS, 5 << 2 | ANSWER, ANSWER, 2 << 2 | PASS, 63 << 2 | PASS],
        HANDSHAKE + [63 << 2 | ANSWER, 20 << 2 | PASS, ALTER, 1, 63 << 2 | PASS, 63 << 2 | PASS],
        HANDSHAKE + [4 << 2 | INJECT, 0, 16, 0, 0, 63 << 2 | PASS],
        [3 << 2 | PASS, ALTER, 128, 63 << 2 | PASS, ANSWER, 63 << 2 | PASS]]


def vectors(data):
    return json.loads((data / "crdt_vectors.json").read_text())


def batches(data):
    log = json.loads((data / "log_vectors.json").read_text())
    return [bytes.fromhex(batch["derived"]["record"]) for batch in log["batches"]]


def deltas(data):
    yield bytes.fromhex("0192009195180091a16890920506")  # observe [5, 6], as an inverse writes it
    for vector in vectors(data):
        for delta in vector["deltas"]:
            yield bytes([delta["seq"]]) + bytes.fromhex(delta["bytes"])


def joins(data):
    """Each state with the next, and each of its history's deltas."""
    found = vectors(data)
    for left, right in zip(found, found[1:] + found[:1]):
        a, b = bytes.fromhex(left["full"]), bytes.fromhex(right["full"])
        for delta in left["deltas"] or [{"seq": 1, "bytes": ""}]:
            head = len(a).to_bytes(2, "little") + len(b).to_bytes(2, "little") + bytes([delta["seq"]])
            yield head + a + b + bytes.fromhex(delta["bytes"])


def body(record):
    """The body of a record's batch, as fuzz_batch.c takes it: count and time between the events in front."""
    start = {0xC4: 3, 0xC5: 4, 0xC6: 6}[record[1]]
    head = record[start:start + 111]
    count, first, last = (int.from_bytes(head[a:b], "big") for a, b in ((53, 57), (57, 65), (65, 73)))
    begin = start + 111 + 56 * int.from_bytes(head[105:107], "big")
    return bytes([count - 1, min(last - first, 255)]) + record[begin:begin + int.from_bytes(head[107:111], "big")]


def stored_frame(plain, said=None):
    """A zstd frame that holds `plain` as it is, in one block."""
    size = (len(plain) if said is None else said).to_bytes(4, "little")
    return b"\x28\xb5\x2f\xfd\xa0" + size + (len(plain) << 3 | 1).to_bytes(3, "little") + plain


def packed(plain, said=None):
    frame = stored_frame(plain, said)
    return b"\x93\x0d\xce" + len(plain).to_bytes(4, "big") + b"\xc5" + len(frame).to_bytes(2, "big") + frame


def messages(data):
    records = batches(data)
    # sizes that are not in their shortest form would be refused before the frame is looked at
    answer = b"\x93\x02\x01" + bytes([0x90 | len(records)]) + b"".join(records)
    short = b"\xcd" + len(answer).to_bytes(2, "big")
    yield packed(answer).replace(b"\xce" + len(answer).to_bytes(4, "big"), short, 1)
    repeated = b"\x28\xb5\x2f\xfd\xa0" + (300).to_bytes(4, "little") + (300 << 3 | 3).to_bytes(3, "little") + b"\x00"
    yield b"\x93\x0d\xcd\x01\x2c\xc4" + bytes([len(repeated)]) + repeated
    yield b"\x92\x03\xce\x00\x01\x00\x00"
    yield b"\x93\x02\x00" + bytes([0x90 | len(records)]) + b"".join(records)
    yield records[0]
    yield b"\x92\x0c\x10"
    head = b"\xc4\x10" + bytes(range(16)) + b"\xcd\x01\x00" + b"\xc4\x20" + bytes(32)
    yield b"\x93\x01\x01\x90"
    yield b"\x93\x01\x02\x93" + head
    yield b"\x93\x01\x00\x96" + head + head.replace(bytes(range(16)), bytes([255] * 16))
    yield b"\x92\x04\xcf" + bytes([255] * 8)
    member = bytes.fromhex(json.loads((data / "log_vectors.json").read_text())["members"][0]["derived"]["record"])
    known = b"\xc4\x20" + bytes(range(32)) + b"\xcd\x01\x00"
    yield b"\x92\x09\x91\xc4" + bytes([len(member)]) + member
    yield b"\x93\x09\x90\x92" + known
    yield b"\x94\x0a\x07" + known
    yield b"\x93\x0b\x07\xc4" + bytes([len(member)]) + member


def members(data):
    """Records as they are, and their numbers, intents and bodies, to be signed."""
    for member in json.loads((data / "log_vectors.json").read_text())["members"]:
        record = bytes.fromhex(member["derived"]["record"])
        yield b"\x00" + record
        yield b"\x01" + record[49:58] + record[60:-64]


POINTERS = ["", "/", "/a/b", "/~0~1/\u00e9", "//", "/a" * 17, "/" + "x" * 257, "a", "/~2", "/~"]

HEADS = ["GET /state/a/b?limit=1&cursor=%41 HTTP/1.1\r\nHost: x\r\n",
         "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n",
         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
         "PUT /%2e%2e/a HTTP/1.1\r\nHost: x\r\n y\r\n",
         "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5abc\r\n", "GET / HTTP/1.0\r\n",
         "GET / HTTP/1.1\r\nHost : x\r\nExpect: 100-continue\r\nConnection: close, x\r\n", "GET / HTTP/1.1\nHost: x\n"]

CLAIMS = [{"sub": "a", "exp": 1700000100, "scope": "state:read admin", "aggregates": ["player/*", "*"]},
          {"sub": "a", "exp": 1.7e9, "nbf": 1600000000, "aud": ["x"], "iss": "y"}, {"sub": "", "exp": None}]


def tokens(_data):
    for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": "key"}, {"alg": "none"}, {"alg": "HS256", "crit": ["x"]}):
        for claims in CLAIMS:
            yield b"\x01" + json.dumps(header).encode() + b"\n" + json.dumps(claims).encode()
    yield b"\x00eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.AAAA"
    yield (b"\x02key HS256 YW4gSFMyNTYga2V5IG9mIDMyIGJ5dGVzIG9yIG1vcmU=\n"
           b"b EdDSA GyRIAbyIXJ3nTUHdFzS0mKTyzkNZ3ba8LK0jfb5VfF0=\n")


def comparisons(_):
    head = b"\xc4\x10" + bytes(range(16)) + b"\xcd\x01\x00" + b"\xc4\x20" + bytes(32)
    yield b"\x94\x00\x07\x93" + head + b"\x01"
    yield b"\x96\x01\x07\x93" + head + b"\xc4\x20" + bytes(32) + b"\x05\xc4\x40" + bytes(64)
    yield b"\x93\x02\x07\x92\xc4\x01\x00\xc4\x03\x03\xab\xc0"
    yield b"\x93\x03\x07\x91\xc4\x14" + bytes([128, 0, 0, 1]) + bytes(16)
    yield b"\x93\x04\x07\x91\xc4\x02\x01\x70"
    yield b"\x93\x05\x07\x92\xc4\x03t/a\xc4\x00"
    yield b"\x93\x06\x07\x91\xc4\x11\x20" + bytes(16)
    yield b"\x93\x07\x07\xc4\x02\x00\x03"
    yield b"\x93\x08\x07\x01"


def snapshots(data):
    """One of each kind: ASK, ROOT, OPEN, NODES, WANT, CHUNK, PART, CORE, RANGE, RECORDS, END."""
    head = b"\xc4\x10" + bytes(range(16)) + b"\xcd\x01\x00" + b"\xc4\x20" + bytes(32)
    signature, records = b"\xc4\x40" + bytes(64), batches(data)
    yield b"\x92\x00\x07"
    yield b"\x99\x01\x07\x93" + head + b"\xc4\x20" + bytes(32) + b"\x05\x06\x02\xc4\x20" + bytes(32) + signature
    yield b"\x93\x02\x07\x92\xc4\x01\x00\xc4\x03\x03\xab\xc0"
    yield b"\x93\x03\x07\x91\xc4\x54" + bytes([128, 0, 0, 1]) + (bytes(39) + b"\x01") + (bytes(39) + b"\x02")
    yield b"\x93\x04\x07\xc4\x02\x01\x70"
    yield b"\x95\x05\x07\xc4\x02\x01\x70\xc4\x03abc" + signature
    yield b"\x93\x06\x07\x01"
    yield b"\x94\x07\x07\x01\xc4\x03abc"
    yield b"\x95\x08\x07\xc4\x10" + bytes(16) + b"\x04\x09"
    yield b"\x95\x09\x07\xc4\x10" + bytes(16) + b"\x04" + bytes([0x90 | len(records)]) + b"".join(records)
    yield b"\x93\x0a\x07\x01"


def frames(_):
    """zstd (RFC 8878, one segment): nothing, a raw block, a repeated byte, and frames that lie about their size."""
    for said, real, kind, content in ((0, 0, 0, b""), (3, 3, 0, b"abc"), (200, 200, 1, b"x"), (2, 3, 0, b"abc"),
                                      (4, 3, 0, b"abc")):
        block = 1 | kind << 1 | real << 3  # the last one
        frame = b"\x28\xb5\x2f\xfd\x20" + bytes([said]) + block.to_bytes(3, "little") + content
        yield said.to_bytes(3, "little") + frame


SEEDS = {
    "compress": frames,
    "head": lambda data: ((text + "\r\n").encode() for text in HEADS),
    "jwt": tokens,
    "pointer": lambda data: (text.encode() for text in POINTERS),
    "delta": deltas,
    "join": joins,
    "state": lambda data: (bytes.fromhex(vector["full"]) for vector in vectors(data)),
    "json": lambda data: (b"\x18" + text.encode() for text in JSON + [json.dumps(v["json"]) for v in vectors(data)]),
    "batch": lambda data: batches(data) + [body(record) for record in batches(data)],
    "message": messages,
    "member": members,
    "compare": comparisons,
    "snapshot": snapshots,
    "link": lambda data: map(bytes, LINK),
}


def main():
    if len(sys.argv) != 4 or sys.argv[2] not in SEEDS:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    corpus = pathlib.Path(__file__).parent / "corpus" / (sys.argv[2] + ".hex")  # what earlier runs found, minimised
    found = map(bytes.fromhex, corpus.read_text().split()) if corpus.exists() else ()
    for seed in (*SEEDS[sys.argv[2]](pathlib.Path(sys.argv[1])), *found):
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)


if __name__ == "__main__":
    main()
