"""Sync sessions between real nodes: exchange, proof, damage that is found and put right, peers and nodes that go away.

usage: test_sync.py GLOBALSTATE
"""
import hashlib, json, os, re, signal, sqlite3, struct, subprocess, sys, time, unittest

from cluster import REGIONS, Cluster, wait_for
from http_client import Connection, token

PROGRAM = sys.argv.pop(1)
EU, US, AP = REGIONS
OVER = ("completed", "failed", "cancelled")


class Sync(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM)
        self.addCleanup(self.cluster.close)
        self.cluster.wait_linked()

    def start(self, node, **body):
        answer = node.call("POST", "/sync", body)
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.headers["location"], "/sync/" + answer.json["syncId"])
        return answer.json["syncId"]

    def get(self, node, sync):
        answer = node.call("GET", "/sync/" + sync)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def finish(self, node, sync, seconds=40):
        """The sync once it is over; percentages have not gone back on the way."""
        seen = {}

        def over():
            now = self.get(node, sync)
            for peer in [{"region": "", "percent": now["progress"]["percent"]}] + now["peers"]:
                self.assertGreaterEqual(peer["percent"], seen.get(peer["region"], 0), now)
                seen[peer["region"]] = peer["percent"]
            return now if now["status"] in OVER else None

        return wait_for(lambda: f"the sync ends: {self.get(node, sync)}", over, seconds)

    def sync(self, node, **body):
        return self.finish(node, self.start(node, **body))

    def write(self, node, count, hot="hot"):
        client = node.client()
        for at in range(0, count, 20):
            events = [{"aggregateType": "player", "eventType": "t",
                       "aggregateId": hot if i % 2 else f"p{(at + i) % 60}",
                       "ops": [{"op": "set", "path": "/hand", "value": "wooden sword"}] * (at + i == 1) +
                              [{"op": "increment", "path": "/gold", "by": 1}]} for i in range(20)]
            self.assertEqual(client.call("POST", "/events", {"events": events}).status, 201)
        client.close()

    def test_exchange_and_proof(self):
        for node in self.cluster:
            self.write(node, 100)
        node = self.cluster[EU]
        plan = self.sync(node, mode="delta", dryRun=True)
        self.assertEqual((plan["status"], len(plan["peers"])), ("completed", 2))
        self.assertIn("eventsToReceive", plan["peers"][0]["plan"])
        done = self.sync(node, mode="delta")
        self.assertEqual((done["status"], done["progress"]["percent"]), ("completed", 100))
        self.assertEqual({peer["region"] for peer in done["peers"]}, {US, AP})
        self.cluster.wait_converged()
        done = self.sync(node, mode="verify")
        self.assertTrue(done["converged"], done)
        for peer in done["peers"]:
            self.assertEqual(peer["localDigest"], peer["remoteDigest"])
            self.assertEqual((peer["aggregatesDiffering"], peer["differences"], peer["error"]), (0, [], None))
        some = self.sync(node, mode="verify", regions=[AP], aggregateTypes=["player"])
        self.assertEqual([peer["region"] for peer in some["peers"]], [AP])
        roots = {node.call("GET", "/cluster/digest").json["root"] for node in self.cluster}
        self.assertEqual(len(roots), 1)
        listed = [item["syncId"] for item in node.call("GET", "/sync").json["items"]]
        self.assertEqual(listed[0], some["syncId"])
        self.assertIn(done["syncId"], listed)
        notes = os.path.join(node.directory, "data", "notes")
        note = os.path.join(notes, f"sync-{done['syncId']}.note")  # not the .next that is renamed to it

        def is_kept():
            with open(note, encoding="latin-1") as file:
                return "completed" in file.read()
        wait_for("the job's note is on disk", lambda: os.path.exists(note) and is_kept())
        node.kill()  # what is over survives
        node.start()
        self.assertEqual(self.get(node, done["syncId"]), done)
        self.assertEqual(node.call("POST", "/sync", {"mode": "verify", "regions": [EU]}).status, 400)

    def test_watch(self):
        self.write(self.cluster[EU], 40)
        node = self.cluster[EU]
        sync = self.start(node, mode="verify")
        connection = Connection(node.http_port, timeout=20)
        client = node.client()
        connection.send(f"GET /sync/{sync}?watch HTTP/1.1\r\nHost: 127.0.0.1:{node.http_port}\r\n"
                        f"Authorization: Bearer {client.bearer}\r\n\r\n".encode())
        text = b""
        while True:
            part = connection.socket.recv(65536)
            if not part:
                break
            text += part
        head, _, body = text.decode().partition("\r\n\r\n")
        self.assertIn("text/event-stream", head)
        events = [block.split("\n", 1) for block in body.strip().split("\n\n") if block.startswith("event")]
        self.assertEqual([name for name, _ in events][-1], "event: done")
        connection.close()
        client.close()
        last = json.loads(events[-1][1].removeprefix("data: "))
        self.assertEqual((last["syncId"], last["status"], last["converged"]), (sync, "completed", True))

    def follow(self, node, sync, bearer, meanwhile=lambda: None):
        """The names of the events of a stream, to its end."""
        with Connection(node.http_port, timeout=20) as connection:
            connection.send(f"GET /sync/{sync}?watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n\r\n"
                            .encode())
            text = connection.socket.recv(65536)
            meanwhile()
            while part := connection.socket.recv(65536):
                text += part
        return re.findall(r"^event: (\w+)$", text.decode(), re.M)

    def test_a_stream_ends_with_its_token(self):
        node = self.cluster[EU]
        node.stop()
        deny = os.path.join(self.cluster.directory, "denied")
        open(deny, "w").close()
        node.extra = {**node.extra, "JWT_DENY_FILE": deny}
        node.start()
        self.cluster[AP].kill()  # the sync waits ten seconds for it
        sync = self.start(node, mode="verify", regions=[AP])

        def revoke():
            subprocess.run([PROGRAM, "token", "revoke", "--deny-file", deny, "--jti", "stolen"], check=True,
                           capture_output=True)
            node.send_signal(signal.SIGHUP)

        self.assertEqual(self.follow(node, sync, token(jti="stolen"), revoke)[-1], "end")
        self.assertEqual(self.follow(node, sync, token(exp=int(time.time()) - 58))[-1], "end")  # two seconds are left

    def cli(self, node, *arguments, status=0):
        """`globalstate sync` at a node: what it printed."""
        token_file = os.path.join(self.cluster.directory, "token")
        with open(token_file, "w") as file:
            file.write(node.client().bearer + "\n")
        done = subprocess.run([PROGRAM, "sync", "--url", f"http://127.0.0.1:{node.http_port}", "--token-file",
                               token_file, *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, done)
        return done.stdout, done.stderr

    def test_command_line(self):
        self.write(self.cluster[EU], 40)
        node = self.cluster[EU]
        out, err = self.cli(node, "--mode", "delta", "--watch")
        self.assertIn("CONVERGED", out)
        self.assertRegex(err, f"{US}: *100%")
        out, _ = self.cli(node, "--mode", "verify", "--regions", AP, "--types", "player", "--watch", "--json")
        sync = json.loads(out)
        self.assertEqual(([peer["region"] for peer in sync["peers"]], sync["converged"]), ([AP], True))
        out, _ = self.cli(node, "--mode", "full", "--dry-run")
        self.assertIn("by tree", out)
        out, _ = self.cli(node)
        self.assertTrue(self.finish(node, out.strip())["converged"])
        _, err = self.cli(node, "--regions", "nowhere", "--watch", status=1)
        self.assertIn("/regions/0", err)
        path = os.path.join(self.cluster.directory, "digest.json")
        statement = node.call("GET", "/cluster/digest").json
        check = ("--check", path, "--trust-file", self.cluster.trust_file)
        for wanted, word, change in ((0, EU, {}), (1, "does not hold", {"aggregates": 3})):
            with open(path, "w") as file:
                json.dump({**statement["statement"], **change}, file)
            done = subprocess.run([PROGRAM, "sync", *check], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, wanted, done)
            self.assertIn(word, done.stdout + done.stderr)

    def edit_state(self, node):
        """Somebody edits the newest kept state of player/hot in the database, and its checksum too."""
        path = os.path.join(node.directory, "data")
        name = next(name for name in os.listdir(path) if name.endswith(".db") and "audit" not in name)
        database = sqlite3.connect(os.path.join(path, name))
        version, position, updated, state = database.execute(
            "SELECT version, position, updated, state FROM aggregate_states WHERE id = 'hot' "
            "ORDER BY version DESC LIMIT 1").fetchone()
        self.assertIn(b"wooden sword", state)
        state = state.replace(b"wooden sword", b"golden sword")
        head = b"player/hot\0" + struct.pack(">QQQ", version, position, updated)
        digest = hashlib.blake2b(head + b"\0" + state, digest_size=16, person=b"gs-state-row-v1").digest()
        database.execute("UPDATE aggregate_states SET state = ?, hash = ? WHERE id = 'hot' AND version = ?",
                         (state, digest, version))
        database.commit()
        database.close()

    def kept(self, node):
        path = os.path.join(node.directory, "data")
        name = next(name for name in os.listdir(path) if name.endswith(".db") and "audit" not in name)
        database = sqlite3.connect(os.path.join(path, name))
        found = database.execute("SELECT max(version) FROM aggregate_states WHERE id = 'hot'").fetchone()[0]
        database.close()
        return found

    def test_edited_state_is_found_and_repaired(self):
        damaged, asker = self.cluster[US], self.cluster[EU]
        self.write(asker, 700)
        self.cluster.wait_converged()
        wait_for("a state is kept", lambda: self.kept(damaged))
        damaged.stop()
        self.edit_state(damaged)
        damaged.start()
        self.cluster.wait_linked()
        self.cluster.wait_converged()  # vectors say that all is well
        self.assertEqual(damaged.state("player/hot")["hand"], "golden sword")
        found = self.sync(asker, mode="verify")
        self.assertFalse(found["converged"], found)
        peers = {peer["region"]: peer for peer in found["peers"]}
        self.assertTrue(peers[AP]["converged"])
        difference, = peers[US]["differences"]
        self.assertEqual({name: difference[name] for name in ("aggregateType", "aggregateId", "fault", "repaired")},
                         {"aggregateType": "player", "aggregateId": "hot", "fault": "remote", "repaired": False})
        self.assertEqual(difference["fields"],
                         [{"path": "/hand", "local": "wooden sword", "remote": "golden sword"}])
        own = self.sync(damaged, mode="verify", regions=[AP])  # the damaged one finds itself at fault
        self.assertEqual(own["peers"][0]["differences"][0]["fault"], "local")
        self.assertEqual(damaged.state("player/hot")["hand"], "golden sword")
        out, _ = self.cli(asker, "--watch", status=1)
        self.assertIn("NOT CONVERGED", out)
        self.assertRegex(out, "/hand  here .wooden sword.  there .golden sword.")
        mended = self.sync(asker, mode="full")
        self.assertTrue(mended["converged"], mended)
        peers = {peer["region"]: peer for peer in mended["peers"]}
        self.assertEqual((peers[US]["aggregatesRepaired"], peers[AP]["aggregatesRepaired"]), (1, 0))
        self.assertEqual(damaged.state("player/hot")["hand"], "wooden sword")
        wait_for("the node's log says so", lambda: "player/hot in memory was not what the log makes" in damaged.log())
        audit = damaged.call("GET", "/audit?subject=globalstate").json["entries"]
        self.assertEqual([(e["action"], e["target"]) for e in audit], [("repair", "/state/player/hot")])
        self.assertEqual(damaged.status()["counters"]["aggregatesRepaired"], 1)

    def test_lost_peer_and_restart(self):
        self.write(self.cluster[EU], 40)
        self.cluster.wait_converged()
        node = self.cluster[EU]
        self.cluster[AP].send_signal(signal.SIGSTOP)
        sync = self.start(node, mode="verify")
        again = self.start(node, mode="verify")
        self.assertEqual(again, sync)  # the same work
        wait_for("the other peer is done", lambda: [p["status"] for p in self.get(node, sync)["peers"]
                                                    if p["region"] == US] == ["completed"])
        wait_for("it is remembered", lambda: os.path.exists(f"{node.directory}/data/notes/sync-{sync}.note"))
        node.kill()
        node.start()  # the sync goes on where there is a link
        self.assertIn(self.get(node, sync)["status"], ("queued", "running"))
        self.cluster[AP].send_signal(signal.SIGCONT)
        done = self.finish(node, sync)
        self.assertEqual((done["resumed"], done["status"], done["converged"]), (1, "completed", True))
        self.cluster.wait_linked()
        self.cluster[AP].send_signal(signal.SIGSTOP)
        sync = self.start(node, mode="verify")
        wait_for("it has begun", lambda: any(peer["percent"] > 0 for peer in self.get(node, sync)["peers"]
                                             if peer["region"] == AP))
        self.cluster[AP].kill()
        done = self.finish(node, sync)
        peers = {peer["region"]: peer for peer in done["peers"]}
        self.assertEqual((peers[AP]["status"], peers[US]["status"], done["status"]), ("failed", "completed", "failed"))
        self.assertIn("lost", peers[AP]["error"])
        sync = self.start(node, mode="verify", regions=[AP])
        self.assertEqual(node.call("DELETE", "/sync/" + sync).json["status"], "cancelled")
        self.assertEqual(self.get(node, sync)["status"], "cancelled")

    def test_unasked(self):
        node = self.cluster[EU]
        node.stop()
        node.extra["GS_VERIFY_INTERVAL"] = "1000"
        node.start()
        self.cluster.wait_linked()
        done = wait_for("a sync that nobody asked for", lambda: [
            item for item in node.call("GET", "/sync").json["items"] if item["scheduled"] and item["status"] in OVER])
        self.assertEqual((done[0]["mode"], done[0]["status"], done[0]["converged"]), ("verify", "completed", True))
        time.sleep(2.5)
        self.assertLessEqual(len(node.call("GET", "/sync").json["items"]), 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
