#!/usr/bin/env python3
"""How soon a write is visible in the other regions after it was acknowledged, in an idle cluster of three.

usage: visibility_figures.py GLOBALSTATE [--router WAN_ROUTER [--delay-ms 80]] [--writes 300]

Each write's causal token goes with a read to another region at once: that is answered when the region shows the write.
What an fdatasync takes on the same disk is measured between the writes, and what a read takes over HTTP is taken off.
With --router (build/tests/integration/wan_router; needs root) also over a network with a one-way delay between regions.
Nothing is asserted: one run, one machine."""
import argparse, os, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cluster import Cluster  # noqa: E402
import wan  # noqa: E402


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def fdatasync_ms(file):
    os.write(file, b"x" * 4096)
    begun = time.perf_counter()
    os.fdatasync(file)
    return (time.perf_counter() - begun) * 1e3


def run(cluster, delay_ms, writes):
    cluster.wait_linked()
    nodes = list(cluster)
    here, there = nodes[0].client(), nodes[1].client()
    visible, syncs, reads = [], [], []
    scratch = os.open(os.path.join(cluster.directory, "sync"), os.O_CREAT | os.O_WRONLY)
    body = {"ops": [{"op": "increment", "path": "/n", "by": 1}]}
    for number in range(writes + 20):
        answer = here.call("PATCH", f"/state/player/p-{number % 10}", body)
        acknowledged = time.perf_counter()
        shown = there.call("GET", f"/state/player/p-{number % 10}",
                           headers={"Causal-Token": answer.headers["causal-token"]})
        seen = time.perf_counter()
        assert answer.status in (200, 201) and shown.status == 200, (answer, shown)
        again = time.perf_counter()
        there.call("GET", f"/state/player/p-{number % 10}")
        read_ms = (time.perf_counter() - again) * 1e3
        if number >= 20:  # links and caches are warm
            visible.append((seen - acknowledged) * 1e3 - read_ms)
            reads.append(read_ms)
            syncs.append(fdatasync_ms(scratch))
        time.sleep(0.01)
    os.close(scratch)
    bound = delay_ms + 2 * quantile(syncs, 0.99) + 5
    print(f"one-way delay {delay_ms:3d} ms: visible after the ack p50 {quantile(visible, 0.5):.2f}, "
          f"p99 {quantile(visible, 0.99):.2f} ms; fdatasync p50 {quantile(syncs, 0.5):.2f}, "
          f"p99 {quantile(syncs, 0.99):.2f} ms; a read over HTTP p50 {quantile(reads, 0.5):.2f} ms; "
          f"delay + 2 fdatasyncs (p99) + 5 ms = {bound:.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--router")
    parser.add_argument("--delay-ms", type=int, default=80)
    parser.add_argument("--writes", type=int, default=300)
    arguments = parser.parse_args()
    program = os.path.abspath(arguments.program)
    with Cluster(program, GS_SYNC_INTERVAL=None) as cluster:
        run(cluster, 0, arguments.writes)
    if arguments.router:
        lacking = wan.unavailable()
        if lacking:
            sys.exit(f"no network to delay: {lacking}")
        with wan.WanCluster(program, os.path.abspath(arguments.router), delay_ms=arguments.delay_ms,
                            GS_SYNC_INTERVAL=None) as cluster:
            run(cluster, arguments.delay_ms, arguments.writes)


main()
