#!/usr/bin/env python3
"""What it takes an empty region to get the state of another, beside a plain copy of as many bytes over the same link.

usage: bootstrap_figures.py GLOBALSTATE [--aggregates 100000] [--events 1000000] [--rate 20000000]

One region is filled, and left until it has nothing to write any more; another, empty one is started, and reaches it
through a relay that lets RATE bytes a second pass (0: no cap). Then as many bytes as had passed go through the same
relay, from a socket to a socket. Once the log behind the snapshot is fetched, too, the two regions, equal by then,
are compared once more, with the bytes that this takes.
"""
import argparse, os, re, socket, sys, threading, time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

from cluster import Cluster, free_port, wait_for  # noqa: E402

EU, AP = "eu-west", "ap-south"
STEP = 64 * 1024


class Relay:
    """Connections to `port` are those to `target`; all bytes towards who connects pass at `rate` a second."""

    def __init__(self, target, rate):
        self.target, self.rate, self.port, self.passed = target, rate, free_port(), 0
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                continue
            for source, sink, rate, counted in ((near, far, 0, False), (far, near, self.rate, True)):
                threading.Thread(target=self.pump, args=(source, sink, rate, counted), daemon=True).start()

    def pump(self, source, sink, rate, counted):
        due = time.monotonic()
        try:
            while data := source.recv(STEP):
                sink.sendall(data)
                self.passed += len(data) if counted else 0
                if rate:
                    due = max(due, time.monotonic() - 0.01) + len(data) / rate
                    time.sleep(max(0, due - time.monotonic()))
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def copy_seconds(size, rate):
    """As many bytes from one socket to another, through a relay."""
    server = socket.create_server(("127.0.0.1", 0))
    relay = Relay(server.getsockname()[1], rate)

    def send():
        connection, _ = server.accept()
        block = os.urandom(STEP)
        for at in range(0, size, STEP):
            connection.sendall(block[:min(STEP, size - at)])
        connection.close()
    threading.Thread(target=send, daemon=True).start()
    client = socket.create_connection(("127.0.0.1", relay.port))
    begin, left = time.monotonic(), size
    while left > 0 and (data := client.recv(STEP)):
        left -= len(data)
    return time.monotonic() - begin


def metric(node, name):
    text = node.call("GET", "/metrics").body.decode()
    return float(re.search(rf"^{name} (\S+)", text, re.M)[1])


def fill(node, aggregates, events):
    client = node.client(timeout=120)
    for at in range(0, events, 1000):
        batch = [{"aggregateType": "player", "eventType": "e", "aggregateId": f"p{(at + i) % aggregates}",
                  "ops": [{"op": "increment", "path": "/gold", "by": 1},
                          {"op": "set", "path": f"/field{(at + i) // aggregates % 4}", "value": f"value {at + i}"}]}
                 for i in range(min(1000, events - at))]
        answer = client.call("POST", "/events", {"events": batch})
        assert answer.status == 201, answer
    client.close()


def finished(node, sync=None, mode="bootstrap"):
    """A sync that is over: this one, or one of this mode."""
    try:
        jobs = node.call("GET", "/sync").json["items"]
    except (OSError, EOFError, KeyError, TypeError):
        return None
    for job in jobs:
        if (job["syncId"] == sync or (sync is None and job["mode"] == mode)) and job["finishedAt"]:
            return job
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("globalstate")
    parser.add_argument("--aggregates", type=int, default=100000)
    parser.add_argument("--events", type=int, default=1000000)
    parser.add_argument("--rate", type=int, default=20000000)
    options = parser.parse_args()
    with Cluster(options.globalstate, regions=(EU, AP), start=False, GS_VERIFY_INTERVAL="0",
                 GS_START_WAIT="100") as cluster:
        giver, taker = cluster[EU], cluster[AP]
        giver.seeds = []
        giver.start()
        begin = time.monotonic()
        fill(giver, options.aggregates, options.events)
        print(f"{options.events} events over {options.aggregates} aggregates written in "
              f"{time.monotonic() - begin:.1f} s")
        wait_for("the giver's index is written", lambda: metric(giver, "gs_store_records_behind") == 0, 120)
        relay = Relay(giver.gossip_port, options.rate)
        taker.seeds = [f"127.0.0.1:{relay.port}"]
        begin = time.monotonic()
        taker.start(wait=False)
        job = wait_for("the bootstrap ends", lambda: finished(taker), 170, every=0.02)
        seconds = time.monotonic() - begin
        assert (job["status"], job["converged"]) == ("completed", True), job
        size = relay.passed  # what comes afterwards is the log behind it
        copied = copy_seconds(size, options.rate)
        print(f"bootstrap: {size} bytes received, {seconds:.2f} s from the start of the process to equal digests")
        print(f"copy of as many bytes over the same link: {copied:.2f} s; the bootstrap goes at "
              f"{100 * copied / seconds:.0f} % of it")
        print(f"the log that it did not need: {os.path.getsize(database(giver))} bytes in the giver's file")
        wait_for("the log behind is fetched and verified", lambda: finished(taker, mode="history"), 170)
        print(f"the log behind it fetched and verified: {time.monotonic() - begin:.1f} s")
        before = metric(taker, "gs_gossip_received_bytes_total"), metric(taker, "gs_gossip_sent_bytes_total")
        begin = time.monotonic()
        sync = taker.call("POST", "/sync", {"mode": "verify"}).json["syncId"]
        job = wait_for("the comparison ends", lambda: finished(taker, sync), 60, every=0.01)
        peer = job["peers"][0]
        after = metric(taker, "gs_gossip_received_bytes_total"), metric(taker, "gs_gossip_sent_bytes_total")
        assert job["converged"], job
        print(f"verify of two equal regions: {peer['bytesSent'] + peer['bytesReceived']} bytes of messages (pings "
              f"among them), {after[0] - before[0] + after[1] - before[1]:.0f} on the wire, "
              f"{time.monotonic() - begin:.2f} s")


def database(node):
    return os.path.join(node.directory, "data", "globalstate.db")


if __name__ == "__main__":
    main()
