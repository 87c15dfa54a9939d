#!/usr/bin/env python3
"""A long history: what it costs on disk, at a start, and to look back into.

usage: history_figures.py GLOBALSTATE [--events N] [--batch N] [--hot N] [--hot-events N] [--reads N]

One region writes N events over many aggregates, `hot` of which get `hot-events` each, one event a batch of the log at
the least favourable (`--batch 1` for them). Then: bytes on disk an event, the time of a start, and the time of GET
/state?atVersion at random versions of the hot ones, of pages of their history, and of reads of the present beside them.
"""
import argparse, json, os, random, sys, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from cluster import Cluster, wait_for


def batch(client, events):
    answer = client.call("POST", "/events", {"events": events})
    assert answer.status == 201, answer


def event(id, number):
    return {"aggregateType": "player", "aggregateId": id, "eventType": "bench.event", "ops": [
        {"op": "increment", "path": "/gold", "by": number % 7}, {"op": "set", "path": "/last", "value": number},
        {"op": "set", "path": f"/slot{number % 12}", "value": f"item-{number % 97}"}]}


def fill(node, options):
    client, rng, hot = node.client(timeout=120), random.Random(1), options.hot * options.hot_events
    started = time.monotonic()
    for at in range(0, options.events - hot, options.batch):
        count = min(options.batch, options.events - hot - at)
        batch(client, [event(f"p{rng.randrange(options.aggregates)}", at + i) for i in range(count)])
    for at in range(0, options.hot_events, options.hot_batch):
        # Between two events of one hot aggregate lie those of the others.
        batch(client, [event(f"hot{i}", at + j) for j in range(options.hot_batch) for i in range(options.hot)])
    client.close()
    return time.monotonic() - started


def percentiles(times):
    times = sorted(times)
    return {f"p{p}": round(times[min(len(times) - 1, int(len(times) * p / 100))] * 1000, 2) for p in (50, 99)}


def timed(call):
    started = time.monotonic()
    answer = call()
    assert answer.status == 200, answer
    return time.monotonic() - started


def looks(node, options):
    client, rng = node.client(), random.Random(2)
    path = lambda: f"player/hot{rng.randrange(options.hot)}"
    at = lambda: rng.randrange(1, options.hot_events + 1)
    return {
        "timeTravelMs": percentiles([timed(lambda: client.call("GET", f"/state/{path()}?atVersion={at()}"))
                                     for _ in range(options.reads)]),
        "historyPageMs": percentiles([timed(lambda: client.call("GET", f"/events/{path()}?from={at()}&limit=100"))
                                      for _ in range(options.reads // 4)]),
        "presentMs": percentiles([timed(lambda: client.call("GET", f"/state/{path()}")) for _ in range(options.reads)]),
    }


def disk(node):
    data = os.path.join(node.directory, "data")
    return sum(os.path.getsize(os.path.join(data, name)) for name in os.listdir(data)
               if os.path.isfile(os.path.join(data, name)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    for name, default in (("events", 1000000), ("batch", 1000), ("aggregates", 20000), ("hot", 5),
                          ("hot-events", 10000), ("hot-batch", 4), ("reads", 1000)):
        parser.add_argument("--" + name, type=int, default=default)
    options = parser.parse_args()
    figures = {}
    with Cluster(options.program, regions=("eu-west",)) as cluster:
        node = cluster["eu-west"]
        seconds = fill(node, options)
        figures["eventsPerSecond"] = round(options.events / seconds)
        wait_for("the index", lambda: node.call("GET", "/events?since=now").status == 200, 60)
        figures.update(looks(node, options))
        assert node.stop() == 0
        figures["bytesPerEvent"] = round(disk(node) / options.events, 1)
        started = time.monotonic()
        node.start(wait=False)
        node.wait_ready(300)
        figures["startSeconds"] = round(time.monotonic() - started, 2)
        figures["afterStart"] = looks(node, options)
        node.kill()
        started = time.monotonic()
        node.start(wait=False)
        node.wait_ready(300)
        figures["startAfterKillSeconds"] = round(time.monotonic() - started, 2)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
