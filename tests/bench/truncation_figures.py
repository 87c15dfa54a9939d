#!/usr/bin/env python3
"""What removing old records costs: commits beside it, and bytes on disk.

usage: truncation_figures.py GLOBALSTATE [--store sqlite|postgres] [--events N] [--seconds S] [--clients N]

One region writes N events, as long as nothing is forgotten. Then it is started with a retention of one second, and
clients write on, ten events a request, at a fixed rate: while the old records go, and as long afterwards, when there is
nothing left to remove. Latencies are of requests, both from one run; bytes are those of pages in use.
"""
import argparse, json, os, sqlite3, subprocess, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster import Cluster, wait_for
from postgres import Postgres

FILL, REQUEST, AGGREGATES = 100, 10, 2000


def events(first, count):
    return {"events": [{"aggregateType": "combat", "aggregateId": f"c{(first + i) % AGGREGATES}", "eventType": "bench",
                        "ops": [{"op": "increment", "path": "/hits", "by": 1},
                                {"op": "set", "path": "/last", "value": f"item-{(first + i) % 97}"}]}
                       for i in range(count)]}


class Load:
    """Clients that write at a fixed rate; latencies by phase."""

    def __init__(self, node, clients, rate):
        self.phases, self.phase, self.running = {}, None, True
        self.threads = [threading.Thread(target=self.write, args=(node.client(timeout=60), i, clients / rate))
                        for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def write(self, client, number, every):
        at, due = number * 1000000, time.monotonic()
        while self.running:
            due += every
            time.sleep(max(0, due - time.monotonic()))
            phase, began = self.phase, time.monotonic()
            answer = client.call("POST", "/events", events(at, REQUEST))
            assert answer.status == 201, answer
            at += REQUEST
            if phase is not None:
                self.phases.setdefault(phase, []).append(time.monotonic() - began)
            due = max(due, time.monotonic() - every)

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()

    def figures(self, phase):
        times = sorted(self.phases[phase])
        at = {p: times[min(len(times) - 1, int(len(times) * p / 100))] for p in (50, 99, 100)}
        return {"requests": len(times), **{f"p{p}Ms": round(time * 1e3, 2) for p, time in at.items()}}


def bytes_of(node, server):
    """Of pages in use, of a node that is stopped."""
    if server is not None:
        for table in server.query("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = "
                                  "'global_state'::regnamespace", "eu-west"):
            server.query(f"VACUUM FULL global_state.{table[0]}", "eu-west")
        return int(server.query("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND "
                                "relnamespace = 'global_state'::regnamespace", "eu-west")[0][0])
    database = sqlite3.connect(os.path.join(node.directory, "data", "globalstate.db"))
    pages, free, size = (database.execute(f"PRAGMA {name}").fetchone()[0]
                         for name in ("page_count", "freelist_count", "page_size"))
    database.close()
    return (pages - free) * size


def removed(node):
    return node.status()["counters"]["recordsRemoved"]


def run(node, server, options):
    client, figures = node.client(timeout=120), {"store": options.store}
    for at in range(0, options.events, FILL):
        assert client.call("POST", "/events", events(at, FILL)).status == 201
    client.close()
    wait_for("the index", lambda: node.call("GET", "/events?since=now").status == 200, 60)
    assert node.stop() == 0
    figures["bytesBefore"] = bytes_of(node, server)
    node.extra["GS_RETENTION"] = "1s"
    node.start()
    load = Load(node, options.clients, options.rate)
    began, seen, moved = time.monotonic(), 0, time.monotonic()
    load.phase = "removing"
    while seen < options.events // FILL or time.monotonic() - began < 3:
        assert time.monotonic() - moved < 60, f"{seen} records are gone, and no more go"
        seen, moved = removed(node), time.monotonic() if removed(node) > seen else moved
        time.sleep(0.1)
    load.phase = None
    figures["recordsRemoved"], figures["seconds"] = seen, round(time.monotonic() - began, 1)
    load.stop()
    assert node.stop() == 0
    figures["bytesAfter"] = bytes_of(node, server)
    node.extra["GS_RETENTION"] = "forever"
    node.start()
    rest = Load(node, options.clients, options.rate)
    rest.phase = "not"
    time.sleep(options.seconds)
    rest.stop()
    figures["whileRemoving"], figures["without"] = load.figures("removing"), rest.figures("not")
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    for name, default in (("events", 200000), ("seconds", 10), ("clients", 4), ("rate", 200)):
        parser.add_argument("--" + name, type=int, default=default)
    options = parser.parse_args()
    server = Postgres() if options.store == "postgres" else None
    with Cluster(options.program, regions=("eu-west",), start=False) as cluster:
        node = cluster["eu-west"]
        if server is not None:
            node.extra["DATABASE_URL"] = server.create("eu-west")
        node.start()
        print(json.dumps(run(node, server, options), indent=1))
    if server is not None:
        server.close()


if __name__ == "__main__":
    main()
