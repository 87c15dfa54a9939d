#!/usr/bin/env python3
"""Durable writes through a node, for both stores, beside what the store takes raw in the same run.

usage: durable_figures.py GLOBALSTATE RAW-STORE WRITE-LOAD [--seconds N]

Raw: an event table with its index (raw_store.c). Node: one region, events of two operations on 1,000 players through
POST /events (write_load.c): events/s at 1, 100 and 1,000 events a request from 64 clients, and the latency of one event
a request at 1, 64 and 1,000 clients. The clients, the node and the store share the machine. Only figures of one run may
be compared; nothing is asserted.
"""
import argparse, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
for name in ("integration", "support"):
    sys.path.insert(0, os.path.join(HERE, "..", name))
from cluster import Cluster, wait_for  # noqa: E402
from http_client import token  # noqa: E402
from postgres import Postgres  # noqa: E402


def raw(arguments, engine, where):
    """{way of writing: (rows/s, median ms of a commit)}"""
    done = subprocess.run([arguments.raw, engine, where, str(arguments.seconds)], capture_output=True, text=True,
                          check=True)
    rows = [line.split() for line in done.stdout.splitlines()]
    return {name: (float(rate), float(median)) for name, rate, median in rows}


def load(arguments, node, clients, events):
    # What earlier clients left unanswered comes before this one.
    write = {"ops": [{"op": "increment", "path": "/n", "by": 1}]}
    wait_for("an idle node", lambda: node.call("PATCH", "/state/player/first", write).status == 200)
    done = subprocess.run([arguments.load, str(node.http_port), token(), str(clients), str(events),
                           str(arguments.seconds)], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{clients} clients, {events} events: {done.stderr}\n{node.log()[-2000:]}")
    rate, requests, p50, p99, slowest, refused = map(float, done.stdout.split())
    return {"rate": rate, "requests": requests, "p50": p50, "p99": p99, "max": slowest, "refused": refused}


def measure(arguments, engine, ceilings, url=None):
    print(f"\n{engine}, raw:")
    for name, (rate, median) in ceilings.items():
        print(f"  {name:12s} {rate:9.0f} rows/s   p50 of a commit {median:.3f} ms")
    best = {1: max(rate for name, (rate, _) in ceilings.items() if name in ("insert-1", "insert-1x16")),
            100: max(rate for name, (rate, _) in ceilings.items() if name.endswith("-100")),
            1000: max(rate for name, (rate, _) in ceilings.items() if name.endswith("-1000"))}
    cluster = Cluster(arguments.program, regions=("eu-west",), start=False, GS_HTTP_THREADS="1100",
                      **({"DATABASE_URL": url} if url else {}))
    with cluster:
        cluster.start()
        node = cluster["eu-west"]
        print(f"{engine}, through the node:")
        for events in (1, 100, 1000):
            found = load(arguments, node, 64, events)
            print(f"  64 clients, {events:4d} events a request: {found['rate']:9.0f} events/s = "
                  f"{found['rate'] / best[events]:.2f} of the best raw; request p50 {found['p50']:.2f} ms, "
                  f"p99 {found['p99']:.2f} ms")
        for clients in (1, 64, 1000):
            found = load(arguments, node, clients, 1)
            print(f"  {clients:4d} clients, 1 event a request: {found['rate']:7.0f} events/s, p50 "
                  f"{found['p50']:.2f} ms, p99 {found['p99']:.2f} ms, max {found['max']:.1f} ms, "
                  f"{found['refused']:.0f} refused as overload")
        return node.status()["vector"]["eu-west"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("raw")
    parser.add_argument("load")
    parser.add_argument("--seconds", type=float, default=3)
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.program)
    with tempfile.TemporaryDirectory(prefix="gs-bench-") as directory:
        measure(arguments, "SQLite", raw(arguments, "sqlite", os.path.join(directory, "raw.db")))
    with Postgres(shared_buffers="256MB", max_wal_size="2GB") as server:
        url = server.create("eu-west")
        events = measure(arguments, "PostgreSQL", raw(arguments, "postgres", url), url)
        behind = server.query("SELECT (SELECT max(position) FROM global_state.delta_log) - position FROM "
                              "global_state.projection", "eu-west")[0][0]
        print(f"  {events} events in the log; event_store was {behind} records behind when the last client ended")
        sizes = server.query("SELECT pg_total_relation_size('global_state.delta_log'), "
                             "sum(pg_total_relation_size(oid)) FROM pg_class "
                             "WHERE relname LIKE 'event_store_2%' AND relkind = 'r'", "eu-west")[0]
        rows = int(server.query("SELECT count(*) FROM global_state.event_store", "eu-west")[0][0])
        print(f"  delta_log {int(sizes[0]) / events:.0f} bytes an event, event_store "
              f"{float(sizes[1]) / max(rows, 1):.0f} bytes a row with its indexes")


main()
