"""Game servers for tests: one writer a region that never gives up, and the account of what it was told.

Every request is one event on two aggregates: the region's own ledger (a set of the numbers written, and a counter) and
`world/shared` (counters that all regions increment). A request whose answer does not come is sent again, to the same
region, with the same Idempotency-Key, until it is acknowledged; now and then an earlier one is sent again although it
was answered, perhaps by the node's last life.
So afterwards, in every region: each number once, each counter as large as the number of acknowledged requests.
"""
import collections, random, threading, time, uuid

LEDGERS = 8  # a region; keeps the sets short


class Writer(threading.Thread):
    def __init__(self, node, seed):
        super().__init__(daemon=True)
        self.node, self.region, self.random = node, node.region, random.Random(seed)
        self.client = node.client(timeout=5)
        self.acked, self.next, self.retried, self.replayed, self.slowest = [], 0, 0, 0, 0.0
        self.ending, self.problems = threading.Event(), []
        self.earlier = collections.deque(maxlen=200)  # (event, key, eventId)

    def event(self, number):
        ledger = f"{self.region}-{number % LEDGERS}"
        return {"eventType": "test.written", "data": {"number": number}, "changes": [
            {"aggregateType": "ledger", "aggregateId": ledger, "ops": [
                {"op": "add", "path": "/numbers", "value": str(number)},
                {"op": "increment", "path": "/count", "by": 1},
                {"op": "max", "path": "/highest", "by": number}]},
            {"aggregateType": "world", "aggregateId": "shared", "ops": [
                {"op": "increment", "path": "/total", "by": 1},
                {"op": "increment", "path": "/by/" + self.region, "by": 1},
                {"op": "set", "path": "/last", "value": f"{self.region} {number}"}]}]}

    def post(self, event, key, deadline):
        """The answer, after as many attempts as it takes."""
        while True:
            begun = time.monotonic()
            try:
                answer = self.client.call("POST", "/events", event, {"Idempotency-Key": key})
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if answer.status != 503:
                    return answer
            except (OSError, EOFError, AssertionError, ValueError):
                pass  # cut off, perhaps in the middle of an answer
            self.retried += 1
            if time.monotonic() > deadline:
                return None
            time.sleep(0.05)

    def write_one(self):
        number, key, event = self.next, str(uuid.uuid4()), self.event(self.next)
        self.next += 1
        answer = self.post(event, key, time.monotonic() + 60)
        if answer is None or answer.status not in (200, 201):
            self.problems.append(f"{self.region} {number}: {answer}")
            return
        if answer.status == 200 and answer.headers.get("idempotency-replayed") == "true":
            self.replayed += 1
        self.acked.append(number)
        self.earlier.append((event, key, answer.json["eventId"]))
        if self.random.random() < 0.1:
            self.write_again(*self.random.choice(self.earlier))

    def write_again(self, event, key, event_id):
        again = self.post(event, key, time.monotonic() + 60)
        if again is None or again.status != 200 or again.json["eventId"] != event_id:
            self.problems.append(f"{self.region}: {event} was {event_id}, again it is {again}")

    def run(self):
        while not self.ending.is_set() and not self.problems:
            self.write_one()
            time.sleep(self.random.random() * 0.01)
        self.client.close()


class Writers:
    """A context: writes go on in all regions until it ends."""

    def __init__(self, cluster, seed=1):
        self.cluster = cluster
        self.writers = {node.region: Writer(node, f"{seed} {node.region}") for node in cluster}

    def __enter__(self):
        for writer in self.writers.values():
            writer.start()
        return self

    def __exit__(self, *_):
        for writer in self.writers.values():
            writer.ending.set()
        for writer in self.writers.values():
            writer.join(90)

    def counts(self):
        return {region: len(writer.acked) for region, writer in self.writers.items()}

    def slowest(self):
        """The longest that an answered request took since the last call, in seconds."""
        slowest = max(writer.slowest for writer in self.writers.values())
        for writer in self.writers.values():
            writer.slowest = 0.0
        return slowest

    def check(self, test):
        """Every region shows exactly what was acknowledged, and all of it is equal."""
        for writer in self.writers.values():
            test.assertFalse(writer.is_alive(), "a writer hangs")
            test.assertEqual(writer.problems, [])
            test.assertEqual(writer.acked, list(range(writer.next)))
        counts, first = self.counts(), None
        test.assertGreater(min(counts.values()), 0)
        for node in self.cluster:
            states = node.states("ledger", "world")
            first = first or states
            test.assertEqual(states, first, node.region)
            shared = states["world/shared"][2]
            test.assertEqual((shared["total"], shared["by"]), (sum(counts.values()), counts), node.region)
            for region, count in counts.items():
                for i in range(min(LEDGERS, count)):
                    ledger, numbers = states[f"ledger/{region}-{i}"][2], list(range(i, count, LEDGERS))
                    test.assertEqual(sorted(map(int, ledger["numbers"])), numbers, node.region)
                    test.assertEqual((ledger["count"], ledger["highest"]), (len(numbers), numbers[-1]), node.region)
