"""A region's node killed at named points of its code (node/store/failpoint.h), over and over, while it and its
neighbour write: nothing acknowledged is lost, and everything counts once.

usage: kill_points.py GLOBALSTATE_FAILPOINTS [--rounds N] [--seconds S] [--store sqlite|postgres] [--seed N]
                      [--point NAME]

A round is one life of the node: it starts with a point armed, answers for all that earlier lives acknowledged, takes
requests until it dies at the point (or is killed, if it never comes by). A request whose answer did not come is sent
again to the next life, under the same Idempotency-Key. With `--seconds` the rounds end there.
"""
import argparse, collections, os, random, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from cluster import Cluster, wait_for  # noqa: E402
from postgres import Postgres  # noqa: E402

EVENTS = 30  # a request: so that states are kept for looking back, too
REQUESTS = 40  # a life, at most
LIFE_SECONDS = 20  # which no life on a machine that works takes
COMMON = ["append.before", "append.after", "commit.before", "commit.after", "apply.before", "apply.after", "ack.before",
          "ack.after", "keep.before", "keep.commit", "keep.after", "project.before", "project.commit", "project.after"]
POINTS = {"sqlite": [*COMMON, "settle.before", "settle.after"], "postgres": [*COMMON, "commit.sent"]}


class Died(Exception):
    """The node is gone: at the point, if all is well."""


class Run:
    def __init__(self, program, store, seed):
        self.random, self.store, self.server = random.Random(seed), store, None
        self.cluster = Cluster(program, regions=("eu-west", "us-east"), start=False, GS_SYNC_INTERVAL="100")
        self.node, self.neighbour = self.cluster["eu-west"], self.cluster["us-east"]
        if store == "postgres":
            self.server = Postgres()
            self.node.extra["DATABASE_URL"] = self.server.create("eu-west")
        self.acked, self.pending, self.theirs = 0, None, 0
        self.deaths, self.missed = collections.Counter(), collections.Counter()
        self.neighbour.start()

    def close(self):
        self.cluster.close()
        if self.server is not None:
            self.server.close()

    def event(self, number):
        return {"eventType": "test.written", "aggregateType": "ledger", "aggregateId": "ours", "data": {"n": number},
                "ops": [{"op": "increment", "path": "/n", "by": 1}, {"op": "max", "path": "/highest", "by": number}]}

    def call(self, client, *arguments, **options):
        """An answer, or Died; 503s of a node that has just started are waited for."""
        end = time.monotonic() + LIFE_SECONDS
        while True:
            try:
                answer = client.call(*arguments, **options)
                if answer.status != 503:
                    return answer
            except (OSError, EOFError, AssertionError, ValueError):
                pass
            if not self.node.alive():
                raise Died
            assert time.monotonic() < end, f"no answer; its log: {self.node.log()[-2000:]}"
            time.sleep(0.004)

    def write(self, client):
        if self.pending is None:
            first = self.acked * EVENTS
            self.pending = (f"key-{self.acked}", {"events": [self.event(first + i) for i in range(EVENTS)]})
        key, body = self.pending
        answer = self.call(client, "POST", "/events", body, headers={"Idempotency-Key": key})
        assert answer.status in (200, 201), answer
        assert all("error" not in event for event in answer.json["events"]), answer
        self.acked, self.pending = self.acked + 1, None

    def check_ours(self, client):
        """All that was acknowledged, and of the request under way what had come to the disk."""
        answer = self.call(client, "GET", "/state/ledger/ours")
        n = answer.json["state"]["n"] if answer.status == 200 else 0
        most = self.acked + (1 if self.pending else 0)
        assert self.acked * EVENTS <= n <= most * EVENTS, f"{n} events of {self.acked} requests, {self.pending}"
        if self.pending is not None:
            self.write(client)
        answer = self.call(client, "GET", "/state/ledger/ours")
        n = answer.json["state"]["n"] if answer.status == 200 else 0
        assert n == self.acked * EVENTS, f"{n} events of {self.acked} requests: {answer}"

    def neighbour_writes(self):
        self.theirs += 1
        answer = self.neighbour.call("PATCH", "/state/ledger/theirs", {"ops": [
            {"op": "increment", "path": "/n", "by": 1}]})
        assert answer.status == 200, answer

    def round(self, point):
        once = point.startswith("settle")  # at a start
        count = 1 if once else self.random.choice((1, 1, 1, 2, 3, 5))
        self.node.extra["TEST_FAILPOINT"] = f"{point}:{count}"
        self.node.start(wait=False)
        client = self.node.client(timeout=LIFE_SECONDS)
        try:
            self.check_ours(client)
            for _ in range(REQUESTS):
                self.neighbour_writes()
                self.write(client)
                self.call(client, "GET", "/events/ledger/ours?limit=1&order=desc")  # wants the index to catch up
            self.missed[point] += 1
            self.node.kill()
        except Died:
            status = self.node.wait()
            assert status == -9, f"it ended with {status}: {self.node.log()[-3000:]}"
            self.deaths[point] += 1
        finally:
            client.close()

    def check_all(self):
        """Both regions agree; every event is in both histories once."""
        self.node.extra.pop("TEST_FAILPOINT", None)
        self.node.start()
        client = self.node.client()
        self.check_ours(client)
        client.close()
        self.cluster.wait_converged()
        for node in self.cluster:
            assert node.state("ledger/ours").get("n", 0) == self.acked * EVENTS, node.region
            assert node.state("ledger/theirs").get("n", 0) == self.theirs, node.region
            names = set(node.status()["vector"])
            assert names == {"eu-west", "us-east"}, f"an incarnation was given up: {names}"
            client, cursor, more, seen = node.client(), "", True, collections.Counter()
            while more:
                page = client.call("GET", f"/events?limit=1000{cursor and '&since=' + cursor}").json
                cursor, more = page["next"], page["more"]
                seen.update(event["data"]["n"] for event in page["events"] if event["eventType"] == "test.written")
            client.close()
            assert seen == collections.Counter(range(self.acked * EVENTS)), \
                f"{node.region}: {[n for n, times in seen.items() if times != 1][:20]}"
        self.cluster.check_logs()
        self.node.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--store", choices=POINTS, default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(10 ** 6))
    parser.add_argument("--point")
    options = parser.parse_args()
    points = [options.point] if options.point else POINTS[options.store]
    print(f"seed {options.seed}", flush=True)
    run, began = Run(options.program, options.store, options.seed), time.monotonic()
    try:
        for number in range(options.rounds):
            if time.monotonic() - began > options.seconds:
                break
            if number % 100 == 99:
                run.check_all()
            run.round(points[number % len(points)])
        run.check_all()
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


if __name__ == "__main__":
    main()
