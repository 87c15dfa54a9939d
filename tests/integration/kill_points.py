"""A region's node killed at named points of its code (node/store/failpoint.h), over and over, while it and its
neighbour write: nothing acknowledged is lost, and everything counts once.

usage: kill_points.py GLOBALSTATE_FAILPOINTS [--rounds N] [--seconds S] [--store sqlite|postgres|all] [--seed N]
                      [--point NAME]

A round is one life of the node: it starts with a point armed, answers for all that earlier lives acknowledged, takes
requests until it dies at the point (or is killed, if it never comes by). A request whose answer did not come is sent
again to the next life, under the same Idempotency-Key. With `--seconds` the rounds end there, but not before each point
has had its turn twice.

Every other request writes to an aggregate whose events go after a second (GS_RETENTION), so that the log is cut all
the while: what is left of its history is whole, and the states before it are right.
"""
import argparse, collections, itertools, os, random, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import Cluster, wait_for  # noqa: E402
from postgres import Postgres  # noqa: E402

EVENTS = 30  # a request: so that states are kept for looking back, too
REQUESTS = 40  # a life, at most
LIFE_SECONDS = 60  # which no life takes, even on a machine that is busy otherwise
CUT_SECONDS = 4  # for something to become old enough to go
KINDS = ("ledger", "passing")  # aggregate types, in turn; events of the second go
RETENTION = "passing=1s"
COMMON = ["append.before", "append.after", "commit.before", "commit.after", "apply.before", "apply.after", "ack.before",
          "ack.after", "keep.before", "keep.commit", "keep.after", "project.before", "project.commit", "project.after",
          "truncate.before", "truncate.drop", "truncate.base", "truncate.commit", "truncate.after"]
POINTS = {"sqlite": [*COMMON, "settle.before", "settle.after", "truncate.states"],
          "postgres": [*COMMON, "commit.sent"]}


def numbers(kind, requests):
    """Of the events of a kind in the first requests, in order."""
    return [n for k in range(requests) if KINDS[k % 2] == kind for n in range(k * EVENTS, (k + 1) * EVENTS)]


class Died(Exception):
    """The node is gone: at the point, if all is well."""


class Run:
    def __init__(self, program, store, seed):
        self.random, self.store, self.server = random.Random(seed), store, None
        self.cluster = Cluster(program, regions=("eu-west", "us-east"), start=False, GS_SYNC_INTERVAL="100",
                               GS_RETENTION=RETENTION, GS_ACK_INTERVAL="100", GS_START_WAIT="30000")
        self.node, self.neighbour = self.cluster["eu-west"], self.cluster["us-east"]
        if store == "postgres":
            self.server = Postgres()
            self.node.extra["DATABASE_URL"] = self.server.create("eu-west")
        self.acked, self.pending, self.theirs = 0, None, 0
        self.deaths, self.missed = collections.Counter(), collections.Counter()
        self.checked = collections.Counter()  # versions of a kind
        self.neighbour.start()

    def close(self):
        self.cluster.close()
        if self.server is not None:
            self.server.close()

    def event(self, kind, number):
        return {"eventType": "test.written", "aggregateType": kind, "aggregateId": "ours", "data": {"n": number},
                "ops": [{"op": "increment", "path": "/n", "by": 1}, {"op": "max", "path": "/highest", "by": number}]}

    def call(self, client, *arguments, **options):
        """An answer, or Died; 503s of a node that has just started are waited for."""
        end, seen = time.monotonic() + LIFE_SECONDS, None
        while True:
            try:
                answer = seen = client.call(*arguments, **options)
                if answer.status != 503:
                    return answer
            except (OSError, EOFError, AssertionError, ValueError) as error:
                seen = error
            if not self.node.alive():
                raise Died
            armed = self.node.extra.get("TEST_FAILPOINT")
            assert time.monotonic() < end, f"{arguments}, armed {armed}: {seen}; its log: {self.node.log()[-2000:]}"
            time.sleep(0.004)

    def write(self, client):
        if self.pending is None:
            first, kind = self.acked * EVENTS, KINDS[self.acked % 2]
            self.pending = (f"key-{self.acked}", {"events": [self.event(kind, first + i) for i in range(EVENTS)]})
        key, body = self.pending
        answer = self.call(client, "POST", "/events", body, headers={"Idempotency-Key": key})
        assert answer.status in (200, 201), answer
        assert all("error" not in event for event in answer.json["events"]), answer
        self.acked, self.pending = self.acked + 1, None

    def count(self, client, kind):
        answer = self.call(client, "GET", f"/state/{kind}/ours")
        return answer.json["state"]["n"] if answer.status == 200 else 0

    def check_ours(self, client):
        """All that was acknowledged, and of the request under way what had come to the disk."""
        for kind in KINDS:
            n, least = self.count(client, kind), len(numbers(kind, self.acked))
            most = len(numbers(kind, self.acked + (1 if self.pending else 0)))
            assert least <= n <= most, f"{n} of {least} to {most} events of {kind}, {self.pending}"
        if self.pending is not None:
            self.write(client)
        for kind in KINDS:
            n = self.count(client, kind)
            assert n == len(numbers(kind, self.acked)), f"{n} events of {kind} of {self.acked} requests"

    def neighbour_writes(self):
        answer = self.neighbour.call("POST", "/events", {"events": [
            {"eventType": "test.written", "aggregateType": "ledger", "aggregateId": "theirs",
             "ops": [{"op": "increment", "path": "/n", "by": 1}]}] * EVENTS})
        assert answer.status == 201, answer
        self.theirs += EVENTS

    def live(self, client, point):
        """Takes requests until it dies, or it cannot be expected to any more."""
        end = time.monotonic() + (CUT_SECONDS if point.startswith("truncate") else 0)
        for turn in itertools.count():
            if turn >= REQUESTS and time.monotonic() > end:
                return
            if turn >= REQUESTS:
                time.sleep(0.02)  # it is waited for, not written full
            self.neighbour_writes()
            self.write(client)
            self.call(client, "GET", "/events/ledger/ours?limit=1&order=desc")  # wants the index to catch up

    def round(self, point):
        once = point.startswith("settle")  # at a start
        count = 1 if once else self.random.choice((1, 1, 1, 2, 3, 5))
        self.node.extra["TEST_FAILPOINT"] = f"{point}:{count}"
        self.node.start(wait=False)
        client = self.node.client(timeout=LIFE_SECONDS)
        try:
            self.check_ours(client)
            self.live(client, point)
            self.missed[point] += 1
            self.node.kill()
        except Died:
            status = self.node.wait()
            assert status == -9, f"it ended with {status}: {self.node.log()[-3000:]}"
            self.deaths[point] += 1
        finally:
            client.close()

    def check_oldest(self, client, kind, expected):
        """The oldest state that is left of one whose first events are gone."""
        answer = client.call("GET", f"/state/{kind}/ours?atVersion=1")
        version = answer.json["oldest"]["version"] if answer.status == 410 else 1
        answer = client.call("GET", f"/state/{kind}/ours?atVersion={version}")
        if answer.status != 410:  # it goes, too
            assert answer.json["state"] == {"n": version, "highest": expected[version - 1]}, answer

    def check_history(self, node, kind, after):
        """What is left of it after a version: every event once, in its place. How many are gone."""
        client, cursor, expected, at, gone = node.client(), None, numbers(kind, self.acked), None, 0
        while at is None or cursor is not None:
            page = client.call("GET", f"/events/{kind}/ours?limit=1000&from={after + 1}" +
                               (f"&cursor={cursor}" if cursor else ""))
            if page.status == 410:  # it is cut all the while: once more, with what is left now
                after, at, cursor = 0, None, None
                continue
            assert page.status == 200, page
            gone, cursor = page.json["gone"], page.json["next"]
            at = max(after, gone) if at is None else at
            got = [(event["version"], event["data"]["n"]) for event in page.json["events"]]
            assert got == [(v, expected[v - 1]) for v in range(at + 1, at + 1 + len(got))], \
                f"{node.region}: {kind} after {at}: {got[:20]}"
            at += len(got)
        assert at == len(expected), f"{node.region}: {kind} ends with version {at} of {len(expected)}"
        self.check_oldest(client, kind, expected)
        client.close()
        return gone

    def check_all(self, whole=False):
        """Both regions agree; every event that is not to be gone is in both histories once: since the last look, or
        all of them."""
        self.node.extra.pop("TEST_FAILPOINT", None)
        self.node.start()
        client = self.node.client()
        self.check_ours(client)
        client.close()
        self.cluster.wait_converged()
        for node in self.cluster:
            assert node.state("ledger/theirs").get("n", 0) == self.theirs, node.region
            names = set(node.status()["vector"])
            assert names == {"eu-west", "us-east"}, f"an incarnation was given up: {names}"
            for kind in KINDS:
                n = node.state(f"{kind}/ours").get("n", 0)
                assert n == len(numbers(kind, self.acked)), f"{node.region}: {kind} {n}"
                gone = self.check_history(node, kind, 0 if whole else self.checked[kind])
                assert gone == 0 or kind == "passing", f"{node.region}: {gone} of {kind}"
        self.checked.update({kind: len(numbers(kind, self.acked)) - self.checked[kind] for kind in KINDS})
        self.cluster.check_logs()
        assert "truncation_failed" not in self.node.log(), self.node.log()[-3000:]
        self.node.kill()


def rounds(options, store):
    points = [options.point] if options.point else list(POINTS[store])
    print(f"{store}, seed {options.seed}", flush=True)
    run, began = Run(options.program, store, options.seed), time.monotonic()
    try:
        for number in range(options.rounds):
            if time.monotonic() - began > options.seconds and number >= 2 * len(points):
                break  # on a slow machine, too, every point has had its turns
            if number % 100 == 99:
                run.check_all()
            if number % len(points) == 0:
                run.random.shuffle(points)
            run.round(points[number % len(points)])
        run.check_all(whole=True)
    except BaseException:
        run.cluster.print_logs()
        raise
    finally:
        run.close()
    deaths = sum(run.deaths.values())
    print(f"{deaths} deaths in {time.monotonic() - began:.0f} s, {run.acked * EVENTS} events acknowledged, each there "
          f"once: " + ", ".join(f"{point} {run.deaths[point]}" for point in points))
    for point in points:
        if run.deaths[point] == 0:
            sys.exit(f"never died at {point}: {run.missed[point]} lives went by it")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=300, help="of each store")
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--store", choices=[*POINTS, "all"], default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(10 ** 6))
    parser.add_argument("--point")
    options = parser.parse_args()
    for store in POINTS if options.store == "all" else [options.store]:
        rounds(options, store)


if __name__ == "__main__":
    main()
