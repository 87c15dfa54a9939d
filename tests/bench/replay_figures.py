#!/usr/bin/env python3
"""Replays the bundled battle trace through three fresh regions on loopback; prints the figures that the README quotes.

usage: replay_figures.py GLOBALSTATE [--batch N]… [--connections N] [--limit N]

One run, one machine: compare only figures of one run. Nothing is asserted; the exit status says whether the regions
converged.
"""
import argparse, json, os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cluster import Cluster, clean_environment  # noqa: E402

TRACE = os.path.join(HERE, "..", "data", "battles.jsonl.gz")


def resident_mib(node):
    with open(f"/proc/{node.process.pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def disk_mib(node):
    data = os.path.join(node.directory, "data")
    return sum(os.path.getsize(os.path.join(data, name)) for name in os.listdir(data)) / 2**20


def run(arguments, batch):
    with Cluster(arguments.program, GS_HTTP_THREADS="256", GS_SYNC_INTERVAL=None) as cluster:
        command = [arguments.program, "replay", TRACE, "--token-file", cluster.token_file, "--json",
                   "--batch", str(batch), "--connections", str(arguments.connections), "--limit", str(arguments.limit)]
        for node in cluster:
            command += ["--url", f"http://127.0.0.1:{node.http_port}"]
        done = subprocess.run(command, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=False)
        result = json.loads(done.stdout)
        states = [node.status()["counters"] for node in cluster]
        out = sum(node.call("GET", "/health", bearer="").json["checks"]["gossip"]["bytesOut"] for node in cluster)
        log = sum(state["logBytes"] for state in states)
        copies = len(states) - 1
        duplicates = sum(state["batchesDuplicate"] for state in states)
        commits = sum(state["commits"] for state in states)
        memory, store = max(map(resident_mib, cluster)), max(map(disk_mib, cluster))
        print(f"batch {batch:4d}: {result['eventsPerSecond']} events/s, request p50 {result['p50Ms']} ms, "
              f"p99 {result['p99Ms']} ms, max {result['maxMs']} ms; equal vectors {result['settledMs']} ms after the "
              f"last write; {'CONVERGED' if result['converged'] else 'NOT CONVERGED'}")
        print(f"            signed log {log / result['sent']:.0f} bytes an event; on the wire "
              f"{out / (log * copies):.3f} bytes per byte of signed delta and receiver; "
              f"{duplicates} duplicates; {commits} commits")
        print(f"            resident {memory:.0f} MiB a node; store {store:.0f} MiB a node")
        return done.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--limit", type=int, default=0)
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.program)
    ok = [run(arguments, batch) for batch in arguments.batch or [1, 100]]
    sys.exit(0 if all(ok) else 1)


main()
