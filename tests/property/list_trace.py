#!/usr/bin/env python3
"""A real editing history on the library (driver.c): replayed by one writer, by three in turns, and by three apart, with
the deltas delivered in order, backward and shuffled, and whole states joined. All must agree, and say what the editor
said in the end.

usage: list_trace.py DRIVER TRACE"""

import gzip
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Driver, compact, origin_of  # noqa: E402

WRITERS = (0, 1, 2)
READERS = (3, 4, 5)
PIECE = 400  # transactions that a writer makes before the next one's turn


def ops_of(patches, length=None):
    """Ops of one transaction; positions past `length` are brought back into the list."""
    ops = []
    for position, deleted, inserted in patches:
        if length is not None:
            position = min(position, length)
            deleted = min(deleted, length - position)
            length += len(inserted) - deleted
        if deleted:
            ops.append({"op": "delete", "path": "/text", "index": position, "count": deleted})
        if inserted:
            ops.append({"op": "insert", "path": "/text", "index": position, "values": list(inserted)})
    return ops, length


class Replay:
    def __init__(self, driver):
        self.driver, self.deltas, self.seq = driver, [], dict.fromkeys(WRITERS, 0)
        driver.expect("ok", "reset")
        for replica in WRITERS + READERS:
            driver.expect("ok", "new", replica, origin_of(replica).hex())

    def write(self, writer, ops):
        self.seq[writer] += 1
        answer = self.driver.ask("op", writer, self.seq[writer], len(self.deltas) + 1, 0, compact(ops)).split(" ", 3)
        if answer[0] != "delta":
            sys.exit("%s: %s" % (compact(ops)[:200], answer))
        self.deltas.append((writer, answer[1]))

    def deliver(self, replica, deltas):
        for writer, number in deltas:
            if writer != replica:
                self.driver.expect("ok", "deliver", number, replica)

    def text(self, replica):
        return "".join(json.loads(self.driver.ask("json", replica)).get("text", []))

    def check_all(self, writers, seed):
        """Every reader gets the deltas in another way; all end in the same bytes."""
        in_order, backward, shuffled = list(self.deltas), self.deltas[::-1], list(self.deltas)
        random.Random(seed).shuffle(shuffled)
        for replica, order in zip(READERS, (in_order, backward, shuffled)):
            self.deliver(replica, order)
        for replica in READERS[1:]:
            for form in ("full", "canonical"):
                self.driver.expect(self.driver.ask("bytes", READERS[0], form), "bytes", replica, form)
        for source in writers:
            for target in writers:
                self.driver.expect("ok", "join", source, target)
        for replica in writers + READERS[:1]:
            self.driver.expect("ok", "roundtrip", replica)
            self.driver.expect(self.driver.ask("bytes", READERS[0], "canonical"), "bytes", replica, "canonical")
        return self.text(READERS[0])


def expect(text, wanted, what):
    if text != wanted:
        sys.exit("%s: the text differs from endContent" % what)
    print("%s: %d elements" % (what, len(text)), flush=True)


def main():
    driver = Driver(sys.argv[1])
    with gzip.open(sys.argv[2]) as file:
        trace = json.load(file)
    transactions = [t["patches"] for t in trace["txns"]]

    replay = Replay(driver)
    for patches in transactions:
        replay.write(0, ops_of(patches)[0])
    expect(replay.text(0), trace["endContent"], "one writer")
    expect(replay.check_all(WRITERS[:1], 1), trace["endContent"], "one writer, three readers")

    replay, learned = Replay(driver), dict.fromkeys(WRITERS, 0)
    for start in range(0, len(transactions), PIECE):
        writer = start // PIECE % len(WRITERS)
        replay.deliver(writer, replay.deltas[learned[writer]:])
        for patches in transactions[start:start + PIECE]:
            replay.write(writer, ops_of(patches)[0])
        learned[writer] = len(replay.deltas)
    expect(replay.check_all(WRITERS, 2), trace["endContent"], "three writers in turns")

    replay, length = Replay(driver), dict.fromkeys(WRITERS, 0)
    for number, patches in enumerate(transactions[:9000]):
        writer = number // PIECE % len(WRITERS)
        ops, length[writer] = ops_of(patches, length[writer])
        if ops:
            replay.write(writer, ops)
    text = replay.check_all(WRITERS, 3)
    expect(text, text, "three writers apart")
    if len(text) != sum(length.values()):
        sys.exit("elements were lost or doubled")


if __name__ == "__main__":
    main()
