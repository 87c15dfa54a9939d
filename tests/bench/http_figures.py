#!/usr/bin/env python3
"""Figures of the HTTP API: a real node, and beside it, in the same run, the least that CivetWeb can do.

usage: http_figures.py BUILD [cached] [clients] [overload] [memory] [--seconds N] [--requests N]
                       [--scheduling shared|realtime] [--rate N]

  cached    GET of a cached state against a bare CivetWeb handler that answers the same bytes in one write: wrk with 64
            connections, in turns, best of three of each
  clients   10,000 keep-alive clients, one request in ten a write (tests/bench/load.c): a bare CivetWeb handler, then
            the node. 20,000 requests a second are to be served where the bare handler does 60,000 with wrk, so the pace
            is a third of what that one does here and now, 20,000 at most, unless told otherwise
  overload  writes a second from 4,000 clients, and ten times as many: latency of what is accepted, and of refusals
  memory    resident memory after each of five parts of N requests (1,000,000 in all unless said otherwise)

`clients` and `overload` are about thousands of threads: node and bare handler run as GS_SCHEDULING says, real time
unless told otherwise, which wants CAP_SYS_NICE. Needs wrk (Debian: wrk). Prints what it measures, a line each."""
import argparse, contextlib, json, os, re, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cluster import Cluster, free_port
from http_client import token

REGION = "eu-west"
OVERLOAD_RATE = 1000
STATE = {"name": "Ada", "level": 7, "guild": "stone", "gold": 70, "items": ["sword", "shield"],
         "position": {"x": 1.5, "y": -2}}


def wrk(port, seconds, connections, *options, path="/state/bench/k0", bearer=None):
    command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", *options]
    command += ["-H", f"Authorization: Bearer {bearer}"] if bearer else []
    command.append(f"http://127.0.0.1:{port}{path}")
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    return rate, float(p99[1]) * {"us": 1e-3, "ms": 1, "s": 1e3}[p99[2]], int(bad[1]) if bad else 0


def node_of(build, **settings):
    cluster = Cluster(os.path.join(build, "node", "cli", "globalstate"), regions=[REGION], GS_RATE_ADDRESS="0",
                      GS_RATE_SUBJECT="0", **settings)
    node = cluster[REGION]
    for first in range(0, 1000, 500):
        events = [{"aggregateType": "bench", "aggregateId": f"k{i}", "eventType": "x", "ops": [
            {"op": "set", "path": "/" + name, "value": value} for name, value in STATE.items()]}
            for i in range(first, first + 500)]
        answer = node.call("POST", "/events", {"events": events})
        assert answer.status == 201, answer
    return cluster, node


def raw_answer(node, bearer):
    from http_client import Connection
    with Connection(node.http_port) as connection:
        connection.send(f"GET /state/bench/k0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data or len(data) < data.index(b"\r\n\r\n") + 4 + int(
                re.search(rb"Content-Length: (\d+)", data)[1]):
            data += connection.socket.recv(65536)
        return data


def cached(build, seconds, bearer):
    cluster, node = node_of(build, GS_HTTP_THREADS="80")
    with cluster, tempfile.NamedTemporaryFile() as file:
        answer = raw_answer(node, bearer)
        file.write(answer)
        file.flush()
        with bare_handler(build, 80, file.name) as port:
            rates = {"bare": [], "node": []}
            wrk(port, 1, 64)
            for _ in range(3):
                rates["bare"].append(wrk(port, seconds, 64))
                rates["node"].append(wrk(node.http_port, seconds, 64, bearer=bearer))
        best = {name: max(found) for name, found in rates.items()}
        print(f"cached: answers of {len(answer)} bytes, 64 connections: bare {best['bare'][0]:,.0f}/s (p99 "
              f"{best['bare'][1]:.2f} ms), node {best['node'][0]:,.0f}/s (p99 {best['node'][1]:.2f} ms): "
              f"{100 * best['node'][0] / best['bare'][0]:.0f} %; all: {rates}", flush=True)


def first_on_the_processor():
    """The clients' machines do not share our cores: where it is allowed, the generator runs when it wants to."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(2))
    except OSError:
        pass


def in_turns():
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def load(build, port, bearer, connections, rate, seconds, writes):
    out = subprocess.run([os.path.join(build, "tests", "bench", "load"), str(port), bearer, str(connections), str(rate),
                          str(seconds), str(writes)], capture_output=True, text=True, check=False,
                         preexec_fn=first_on_the_processor)
    if out.returncode != 0:
        raise SystemExit(out.stderr)
    return json.loads(out.stdout)


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the bare server does not listen")


def show(name, found):
    of = lambda kind: "p50 {p50:.2f}, p99 {p99:.2f}, p99.9 {p999:.2f} ms".format(**found[kind])
    parts = [f"{found['rate']:,.0f}/s of {found['connections']:,} connections, {found['served']:,} served, "
             f"{found['errors']} lost", f"all that is accepted {of('acceptedMs')}"]
    parts += [f"{word} {of(kind)}" for word, kind in (("reads", "readMs"), ("writes", "writeMs"))
              if found[kind]["p50"] > 0]
    if found["5xx"]:
        parts.append(f"refused (503) {100 * found['5xx'] / found['answered']:.1f} %: {of('refusedMs')}")
    parts.append(f"generator: late {of('sendLagMs')}, {found['generatorCores']:.2f} cores, "
                 f"{found['noIdleConnection']} times no idle connection; slowest a second {found['slowestMs']}")
    print(f"{name}: " + "; ".join(parts), flush=True)


@contextlib.contextmanager
def bare_handler(build, threads, file, scheduling="shared"):
    """A CivetWeb server that answers the bytes of a file; its port."""
    port = free_port()
    process = subprocess.Popen([os.path.join(build, "tests", "bench", "bare_server"), str(port), str(threads), file],
                               stdin=subprocess.PIPE, preexec_fn=in_turns if scheduling == "realtime" else None)
    try:
        wait_for(port)
        yield port
    finally:
        process.stdin.close()
        process.wait()


def clients(build, seconds, bearer, scheduling, rate):
    cluster, node = node_of(build, GS_HTTP_THREADS="10500", GS_SCHEDULING=scheduling)
    with cluster, tempfile.NamedTemporaryFile() as file:
        file.write(raw_answer(node, bearer))
        file.flush()
        with bare_handler(build, 80, file.name) as port:
            pace = wrk(port, seconds, 64)[0]
        rate = rate or int(min(20000, round(pace / 3, -2)))
        print(f"clients: the bare handler does {pace:,.0f}/s with wrk and 64 connections; asked for {rate:,}/s, "
              f"scheduling {scheduling}", flush=True)
        with bare_handler(build, 10500, file.name, scheduling) as port:
            bare_found = load(build, port, bearer, 10000, rate, seconds, 10)
        show("clients, bare handler", bare_found)
        found = load(build, node.http_port, bearer, 10000, rate, seconds, 10)
        memory = node.call("GET", "/health").json["checks"]["core"]["residentBytes"]
        show("clients, node", found)
        print(f"   reads' p99 {found['readMs']['p99'] / bare_found['readMs']['p99']:.2f} times the bare handler's; "
              f"resident {memory / 2**20:.0f} MiB", flush=True)


def overload(build, seconds, bearer, scheduling):
    """Writes only: what is always the core's and the disk's."""
    cluster, node = node_of(build, GS_HTTP_THREADS="4200", GS_SCHEDULING=scheduling)
    with cluster:
        for rate in (OVERLOAD_RATE, 10 * OVERLOAD_RATE):
            show(f"overload: {rate:,} writes/s asked", load(build, node.http_port, bearer, 4000, rate, seconds, 100))


def memory(build, requests, bearer):
    cluster, node = node_of(build, GS_HTTP_THREADS="80")
    with cluster:
        seen, done = [], 0
        while done < requests:
            rate, _, bad = wrk(node.http_port, 4, 64, bearer=bearer)
            assert bad == 0
            done += int(rate * 4)
            seen.append((done, node.call("GET", "/health").json["checks"]["core"]["residentBytes"] // 1024))
        print("memory: KiB resident after so many requests: " + ", ".join(f"{n:,}: {kib:,}" for n, kib in seen),
              flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build")
    parser.add_argument("what", nargs="*")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1000000)
    parser.add_argument("--scheduling", choices=("shared", "realtime"), default="realtime")
    parser.add_argument("--rate", type=int, default=0)
    arguments = parser.parse_args()
    what, bearer = arguments.what or ["cached", "clients", "overload", "memory"], token()
    for name in what:
        if name == "memory":
            memory(arguments.build, arguments.requests, bearer)
        elif name == "cached":
            cached(arguments.build, arguments.seconds, bearer)
        elif name == "clients":
            clients(arguments.build, arguments.seconds, bearer, arguments.scheduling, arguments.rate)
        else:
            overload(arguments.build, arguments.seconds, bearer, arguments.scheduling)


if __name__ == "__main__":
    main()
