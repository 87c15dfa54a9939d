#!/usr/bin/env python3
"""A region that was away catches up with a real node's history: how fast, and what it costs both of them.

usage: catchup_figures.py GLOBALSTATE [--batch N]… [--events 40000] [--connections 1]

While ap-south is away, part of the battle trace is written to eu-west; then ap-south starts, and takes it all: time and
CPU time are from its start on, those of all threads of a process. Wire bytes are what eu-west sent. Nothing is
asserted: one run, one machine."""
import argparse, os, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cluster import Cluster, clean_environment, wait_for  # noqa: E402

TRACE = os.path.join(HERE, "..", "data", "battles.jsonl.gz")
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(node):
    with open(f"/proc/{node.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def bytes_out(node):
    return node.call("GET", "/health", bearer="").json["checks"]["gossip"]["bytesOut"]


def run(arguments, batch):
    with Cluster(arguments.program, regions=("eu-west", "ap-south"), GS_SYNC_INTERVAL=None) as cluster:
        here, away = cluster["eu-west"], cluster["ap-south"]
        cluster.wait_linked()
        away.stop()
        command = [arguments.program, "replay", TRACE, "--token-file", cluster.token_file, "--batch", str(batch),
                   "--connections", str(arguments.connections), "--limit", str(arguments.events),
                   "--url", f"http://127.0.0.1:{here.http_port}"]
        subprocess.run(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False)
        log, sent, cpu = here.status()["counters"]["logBytes"], bytes_out(here), cpu_s(here)
        wanted = here.status()["vector"]["eu-west"]
        begun = time.perf_counter()
        away.start()
        wait_for("all of it", lambda: away.status()["vector"].get("eu-west", 0) >= wanted, 120, every=0.02)
        seconds = time.perf_counter() - begun
        here_s, away_s = cpu_s(here) - cpu, cpu_s(away)
        print(f"batch {batch:4d}: {wanted} events in {here.status()['counters']['commits']} commits, {seconds:.2f} s: "
              f"{wanted / seconds:.0f} events/s; CPU {away_s:.2f} s at the one that catches up "
              f"({wanted / max(away_s, 0.01):.0f} events a CPU second), {here_s:.2f} s at the other; "
              f"on the wire {(bytes_out(here) - sent) / log:.3f} bytes per byte of signed log")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--events", type=int, default=40000)
    parser.add_argument("--connections", type=int, default=1)
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.program)
    for batch in arguments.batch or [1, 100]:
        run(arguments, batch)


main()
