"""Hostile bytes on the gossip port, and peers that must not get in.  usage: test_gossip_port.py GLOBALSTATE

Whatever arrives: the connection is closed within a bounded time, and nothing else happens. Replication between the real
regions goes on.
"""
import os, random, signal, socket, struct, sys, time, unittest

from cluster import READY_SECONDS, Cluster, wait_for

PROGRAM = sys.argv.pop(1)
HANDSHAKE_SECONDS = 5
SLACK_SECONDS = 4
FRAME_MAX = 1024 * 1024


def frame(body):
    return struct.pack(">I", len(body)) + body


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(PROGRAM, regions=("eu-west", "us-east"))
        cls.addClassCleanup(cls.cluster.close)
        cls.cluster.wait_linked()
        cls.node, cls.peer = cls.cluster["eu-west"], cls.cluster["us-east"]
        cls.hello = first_message(cls.cluster)
        for node in cls.cluster:  # both origins exist from here on
            node.call("PATCH", "/state/t/alive", {"ops": [{"op": "increment", "path": "/n", "by": 1}]})
        cls.cluster.wait_converged()

    def setUp(self):
        self.before = self.watched()
        self.descriptors = self.node.descriptors()
        self.random = random.Random(self.id())

    def tearDown(self):
        self.check_replication()
        self.assertEqual(self.watched(), self.before)
        wait_for("descriptors back to what they were", lambda: self.node.descriptors() <= self.descriptors + 3, 15)
        self.cluster.check_logs()

    def watched(self):
        """What no stranger may change."""
        status = self.node.status()
        counters = {name: status["counters"][name] for name in ("batchesRefused", "batchesHeld", "incarnations")}
        return self.node.process.pid, counters, sorted(status["vector"]), [peer["region"] for peer in status["peers"]]

    def check_replication(self):
        """Still there, still linked, and events pass in both directions."""
        self.assertTrue(self.node.alive() and self.peer.alive())
        for one, other in ((self.node, self.peer), (self.peer, self.node)):
            wanted = one.call("PATCH", "/state/t/alive", {"ops": [{"op": "increment", "path": "/n", "by": 1}]}).json
            wait_for("replication", lambda: other.state("t/alive").get("n", 0) >= wanted["state"]["n"], 5)
        self.assertEqual(self.node.peer("us-east")["state"], "alive")

    def dial(self):
        address = ("127.0.0.1", self.node.gossip_port)
        stranger = socket.create_connection(address, timeout=HANDSHAKE_SECONDS + SLACK_SECONDS)
        self.addCleanup(stranger.close)
        return stranger

    def send(self, stranger, data):
        try:
            stranger.sendall(data)
        except OSError:
            pass  # closed in the middle of it: as it should be

    def answer(self, stranger):
        """All that comes until the node closes, and how long that took; a node that does not close fails the test."""
        received, begun = b"", time.monotonic()
        while True:
            try:
                data = stranger.recv(65536)
            except ConnectionError:
                data = b""
            except TimeoutError:
                self.fail("the node keeps the connection open")
            if not data:
                return received, time.monotonic() - begun
            received += data

    def refuse(self, data, at_once=True):
        """Sent in one piece: the node closes."""
        stranger = self.dial()
        self.send(stranger, data)
        received, seconds = self.answer(stranger)
        if at_once:
            self.assertLess(seconds, 2, data[:60])
        return received

    def test_garbage(self):
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
                     b"SSH-2.0-OpenSSH_9.2\r\n", b"\xff" * 5000, frame(b"\x00" * 64), frame(b"x" * 1000), frame(b"")):
            self.assertEqual(self.refuse(data), b"", data[:20])
        for _ in range(50):
            body = self.random.randbytes(self.random.randrange(1, 1000))
            self.assertEqual(self.refuse(frame(body)), b"")

    def test_oversized_lengths(self):
        """Refused on the four bytes of length alone; no memory is reserved for what they promise."""
        before = resident_bytes(self.node)
        for length in (1025, FRAME_MAX, FRAME_MAX + 1, 2**31 - 1, 2**31, 2**32 - 1):
            self.assertEqual(self.refuse(struct.pack(">I", length)), b"", length)
        for _ in range(20):
            self.refuse(struct.pack(">I", 2**32 - 1) + bytes(100000))
        self.assertLess(resident_bytes(self.node) - before, 32 * 1024 * 1024)

    def test_nothing_at_all(self):
        """Half-open connections are closed after the time a handshake may take."""
        strangers = [self.dial() for _ in range(4)]
        self.send(strangers[1], self.hello[:1])
        self.send(strangers[2], self.hello[:-1])
        self.send(strangers[3], self.hello)
        answers = [self.answer(stranger) for stranger in strangers]
        for received, seconds in answers:
            self.assertLess(seconds, HANDSHAKE_SECONDS + SLACK_SECONDS)
        self.assertEqual([received for received, _ in answers[:3]], [b"", b"", b""])
        self.assertGreater(len(answers[3][0]), 32, "a proper first message is answered: the other cases mean something")

    def test_drip(self):
        """A byte a second does not hold a connection longer."""
        stranger, begun = self.dial(), time.monotonic()
        stranger.settimeout(1)
        closed, sent = False, 0
        while not closed and time.monotonic() - begun < HANDSHAKE_SECONDS + SLACK_SECONDS:
            self.send(stranger, self.hello[sent:sent + 1])
            sent += 1
            try:
                closed = stranger.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                closed = True
        self.assertGreater(sent, HANDSHAKE_SECONDS - 2, "refused for what it said, not for being slow")
        self.assertTrue(closed)

    def test_cut_at_every_byte(self):
        for length in range(len(self.hello)):
            stranger = self.dial()
            self.send(stranger, self.hello[:length])
            stranger.close()

    def test_altered_first_messages(self):
        for at in range(len(self.hello)):
            altered = bytearray(self.hello)
            altered[at] ^= 1 << self.random.randrange(8)
            stranger = self.dial()
            self.send(stranger, bytes(altered) + frame(b"\x00" * 200))
            stranger.shutdown(socket.SHUT_WR)
            self.answer(stranger)

    def test_replayed_and_reflected(self):
        """A recorded first message gets an answer and no further, whatever follows it."""
        for follow in (self.hello, frame(b"\x00" * 200), frame(self.random.randbytes(176)), frame(b"")):
            stranger = self.dial()
            self.send(stranger, self.hello)
            first = stranger.recv(65536)
            self.assertGreater(len(first), 32)
            self.send(stranger, follow)
            rest, seconds = self.answer(stranger)
            self.assertEqual(rest, b"")
            self.assertLess(seconds, 2)
            self.assertEqual(self.refuse(first), b"")  # the node's own answer, sent back to it

    def test_many_half_open(self):
        """Strangers that hold connections open do not keep a real peer out."""
        strangers = []
        for _ in range(150):
            strangers.append(self.dial())
            self.send(strangers[-1], self.hello)
        time.sleep(1)  # all of them are taken by now, and none has had its time
        self.assertLess(self.node.descriptors(), self.descriptors + 100)
        self.peer.kill()
        self.peer.start()
        for _ in range(30):
            strangers.append(self.dial())
        self.check_linked()
        for stranger in strangers:
            stranger.close()

    def check_linked(self):
        wait_for("linked again", lambda: self.node.peer("us-east")["state"] == "alive"
                 and self.peer.peer("eu-west")["state"] == "alive", READY_SECONDS)

    def test_flood_while_writing(self):
        for i in range(400):
            stranger = self.dial()
            self.send(stranger, self.random.randbytes(200))
            if i % 4:
                stranger.close()
            if i % 20 == 0:
                self.check_replication()


def first_message(cluster):
    """What a node says first to whom it dials: the frame, as it was on the wire."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        node = cluster["us-east"]
        seeds = node.seeds
        node.seeds = [f"127.0.0.1:{door.getsockname()[1]}", *seeds]
        node.stop()
        node.start(wait=False)
        door.settimeout(20)
        caller, _ = door.accept()
        with caller:
            caller.settimeout(20)
            data = b""
            while len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
                data += caller.recv(65536)
        node.stop()
        node.seeds = seeds
        node.start()
    cluster.wait_linked()
    return data


def resident_bytes(node):
    with open(f"/proc/{node.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class HostileListener(unittest.TestCase):
    """The other way round: a node dials somebody who is not a peer."""

    def test_bad_answers(self):
        answers = [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff" * 100, frame(b"\x00" * 200), struct.pack(">I", 2**32 - 1),
                   "echo", "silence"]
        with Cluster(PROGRAM, regions=("eu-west", "us-east"), start=False) as cluster, \
                socket.create_server(("127.0.0.1", 0)) as door:
            node = cluster["eu-west"]
            node.seeds.append(f"127.0.0.1:{door.getsockname()[1]}")
            cluster.start()
            cluster.wait_linked()
            before = node.status()
            door.settimeout(20)
            for answer in answers:
                caller, _ = door.accept()
                with caller:
                    caller.settimeout(HANDSHAKE_SECONDS + SLACK_SECONDS)
                    hello = caller.recv(65536)
                    self.assertGreater(len(hello), 32)
                    self.answer(caller, hello if answer == "echo" else answer)
            self.assertEqual(node.status()["vector"], before["vector"])
            self.assertEqual(node.peer("us-east")["state"], "alive")
            write = {"ops": [{"op": "increment", "path": "/n", "by": 1}]}
            self.assertEqual(node.call("PATCH", "/state/t/x", write).status, 200)
            cluster.wait_converged()

    def answer(self, caller, answer):
        if answer == b"":
            return
        if answer != "silence":
            caller.sendall(answer)
        try:
            self.assertEqual(caller.recv(65536), b"")
        except ConnectionError:
            pass


class Strangers(unittest.TestCase):
    """Whole nodes of our own program that the cluster must not take in."""

    def check_out(self, cluster, stranger, seconds=4):
        """Nothing passes, in either direction, although the stranger dials and is dialed."""
        write = {"ops": [{"op": "increment", "path": "/n", "by": 1}]}
        self.assertEqual(stranger.call("PATCH", "/state/t/stranger", write).status, 200)
        self.assertEqual(cluster["eu-west"].call("PATCH", "/state/t/ours", write).status, 200)
        wait_for("it was tried", lambda: self.failed_handshakes(cluster["eu-west"]) > 0, 15)
        time.sleep(seconds)
        for node in (cluster["eu-west"], cluster["us-east"]):
            self.assertEqual(node.state("t/stranger"), {})
            self.assertEqual(node.state("t/ours"), {"n": 1})
            self.assertFalse(any(name.startswith(stranger.region) for name in node.status()["vector"]))
            self.assertFalse(any(peer["region"] == stranger.region and peer["state"] == "alive"
                                 for peer in node.status()["peers"]))
            self.assertEqual(node.status()["counters"]["batchesRefused"], 0)
        self.assertEqual(stranger.state("t/ours"), {})
        # Who dials believes in a link until it is closed, which is at once.
        wait_for("nobody is linked",
                 lambda: not any(peer["state"] == "alive" for peer in stranger.status()["peers"]), 5)

    def failed_handshakes(self, node):
        return node.call("GET", "/health").json["checks"]["gossip"]["handshakesFailed"]

    def open(self):
        """Three nodes; `stranger` is not started, and only its own trust file lists all three."""
        cluster = Cluster(PROGRAM, regions=("eu-west", "us-east", "stranger"), start=False)
        self.addCleanup(cluster.close)
        everyone = os.path.join(cluster.directory, "trust-all")
        cluster.write(everyone, open_text(cluster.trust_file))
        cluster["stranger"].extra["GS_TRUST_FILE"] = everyone
        return cluster

    def members_only(self, cluster):
        cluster.write(cluster.trust_file, "".join(cluster[name].trust_line + "\n" for name in ("eu-west", "us-east")))

    def start(self, cluster):
        for node in cluster:
            node.start()

    def test_key_that_is_not_trusted(self):
        cluster = self.open()
        self.members_only(cluster)
        self.start(cluster)
        self.check_out(cluster, cluster["stranger"])
        # Trusted after all, it is let in: the test could see the difference.
        cluster.write(cluster.trust_file, open_text(cluster["stranger"].extra["GS_TRUST_FILE"]))
        for name in ("eu-west", "us-east"):
            cluster[name].send_signal(signal.SIGHUP)
        cluster.wait_linked()
        cluster.wait_converged()
        self.assertEqual(cluster["eu-west"].state("t/stranger"), {"n": 1})
        cluster.check_logs()

    def test_key_under_a_name_that_is_trusted(self):
        """A key of its own, and the name of a member."""
        cluster = self.open()
        stranger = cluster["stranger"]
        forged = stranger.trust_line.replace("stranger ", "us-east ", 1)
        cluster.write(stranger.extra["GS_TRUST_FILE"], cluster["eu-west"].trust_line + "\n" + forged + "\n")
        stranger.extra["GS_REGION"] = "us-east"
        self.members_only(cluster)
        self.start(cluster)
        stranger.region = "us-east~"
        self.check_out(cluster, stranger)

    def test_other_cluster(self):
        """The right key, and another cluster's name."""
        cluster = self.open()
        cluster["stranger"].extra["GS_CLUSTER"] = "another"
        self.start(cluster)
        self.check_out(cluster, cluster["stranger"])

    def test_revoked(self):
        """A member whose key is revoked is cut off at SIGHUP; what it wrote before stays."""
        cluster = self.open()
        self.start(cluster)
        cluster.wait_linked()
        stranger = cluster["stranger"]
        write = {"ops": [{"op": "increment", "path": "/n", "by": 1}]}
        self.assertEqual(stranger.call("PATCH", "/state/t/before", write).status, 200)
        cluster.wait_converged()
        text = open_text(cluster.trust_file).replace(stranger.trust_line, stranger.trust_line + " revoked")
        cluster.write(cluster.trust_file, text)
        for name in ("eu-west", "us-east"):
            cluster[name].send_signal(signal.SIGHUP)
        wait_for("cut off", lambda: all(peer["state"] != "alive" for peer in stranger.status()["peers"]))
        self.assertEqual(stranger.call("PATCH", "/state/t/after", write).status, 200)
        time.sleep(3)
        for name in ("eu-west", "us-east"):
            self.assertEqual((cluster[name].state("t/before"), cluster[name].state("t/after")), ({"n": 1}, {}))
            self.assertEqual(cluster[name].call("PATCH", "/state/t/" + name, write).status, 200)
            cluster[name].kill()
            cluster[name].start()
            self.assertEqual(cluster[name].state("t/before"), {"n": 1})
        cluster.check_logs()


def open_text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    unittest.main()
