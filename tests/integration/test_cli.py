"""The program's commands as people and scripts meet them, and a node's life.  usage: test_cli.py GLOBALSTATE

What goes wrong is said in one clear line, on standard error, with a status other than 0.
"""
import base64, json, os, re, signal, socket, stat, subprocess, sys, threading, time, unittest

from cluster import SECRET, Cluster, wait_for
from http_client import token

PROGRAM = sys.argv.pop(1)
WRITE = {"ops": [{"op": "increment", "path": "/n", "by": 1}]}


class Cli(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(PROGRAM, regions=("eu-west", "us-east"), start=False)
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["eu-west"]

    def path(self, name):
        return os.path.join(self.cluster.directory, name)

    def run_program(self, *arguments, **settings):
        return self.cluster.run(*arguments, **settings)

    def one_line(self, done, status, *words):
        """Ended with `status`, nothing on standard output, one line on standard error that holds the words."""
        self.assertEqual((done.returncode, done.stdout), (status, ""), done)
        self.assertEqual(len(done.stderr.strip().split("\n")), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()


class Commands(Cli):
    def test_help_and_mistakes(self):
        self.assertEqual(self.run_program("--help").returncode, 0)
        for command in ("serve", "keygen", "token", "status", "replay"):
            self.assertIn(command, self.run_program("--help").stdout)
            shown = self.run_program(command, "--help")
            self.assertEqual((shown.returncode, shown.stderr), (0, ""))
            self.one_line(self.run_program(command, "--colour", "red"), 2, "--colour", command)
        self.one_line(self.run_program("explode"), 2, "explode")
        self.assertEqual(self.run_program().returncode, 2)
        self.assertRegex(self.run_program("--version").stdout, r"^globalstate \d")

    def test_keygen(self):
        path = self.path("new-key")
        done = self.run_program("keygen", "--region", "mars", "--out", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        region, key = done.stdout.split()
        self.assertEqual((region, len(base64.b64decode(key, validate=True))), ("mars", 32))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        secret = self.read(path)
        self.assertNotIn(secret.strip(), done.stdout)
        self.one_line(self.run_program("keygen", "--region", "mars", "--out", path), 1, path, "exists")
        self.assertEqual(self.read(path), secret)
        other = self.run_program("keygen", "--region", "mars", "--out", self.path("other"))
        self.assertNotEqual(other.stdout, done.stdout)
        self.one_line(self.run_program("keygen", "--region", "mars"), 2, "--out")
        self.one_line(self.run_program("keygen", "--region", "a b", "--out", self.path("x")), 2, "a b")
        nowhere = self.path("no/such/folder")
        self.one_line(self.run_program("keygen", "--region", "x", "--out", nowhere), 1, nowhere)
        self.assertFalse(os.path.exists(self.path("x")))

    def test_trust(self):
        path, key = self.path("trust-file"), self.run_program("keygen", "--region", "mars", "--out", self.path("m"))
        region, text = key.stdout.split()
        add = ("trust", "add", "--file", path, "--region", region, "--key", text)
        self.assertEqual(self.run_program(*add).returncode, 0)
        self.one_line(self.run_program(*add), 1, "listed twice")
        self.assertEqual(self.run_program("trust", "list", "--file", path).stdout.split(), [region, text])
        self.cluster.write(path, f"# ours\n{region} {text} # since spring\n")
        cut = "00112233445566778899aabbccddeeff:17"
        self.one_line(self.run_program("trust", "revoke", "--file", path, "--region", region, "--cut", "x:1"), 1,
                      "cut-off")
        self.assertEqual(self.read(path), f"# ours\n{region} {text} # since spring\n")
        done = self.run_program("trust", "revoke", "--file", path, "--region", region, "--cut", cut)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read(path), f"# ours\n{region} {text} revoked {cut} # since spring\n")
        self.assertIn("revoked up to " + cut, self.run_program("trust", "list", "--file", path).stdout)
        self.one_line(self.run_program("trust", "revoke", "--file", path, "--region", region), 1, "not revoked")
        self.one_line(self.run_program("trust", "list", "--file", self.path("none")), 1, self.path("none"))
        self.one_line(self.run_program("trust", "add", "--file", path, "--region", "x"), 2, "--key")
        self.one_line(self.run_program("trust", "drop", "--file", path), 2, "revoke")

    def test_keygen_is_private_under_any_umask(self):
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.run_program("keygen", "--region", "a", "--out", self.path("open"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("open")).st_mode), 0o600)

    def claims(self, text):
        part = text.strip().split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def test_token(self):
        self.node.extra["GS_SEEDS"] = ""
        self.node.start()
        self.cluster.write(self.path("secret"), SECRET + "\n")
        done = self.run_program("token", "--secret-file", self.path("secret"), "--subject", "s", "--days", "2",
                                "--scopes", "state:read", "--aggregate", "player/*")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        claims = self.claims(done.stdout)
        self.assertEqual((claims["sub"], claims["scope"], claims["aggregates"]), ("s", "state:read", ["player/*"]))
        self.assertLess(abs(claims["exp"] - time.time() - 2 * 86400), 60)
        for path, method, body, status in (("/state/player/x", "GET", None, 404), ("/state/guild/x", "GET", None, 403),
                                           ("/state/player/x", "PATCH", WRITE, 403)):
            answer = self.node.call(method, path, body, bearer=done.stdout.strip())
            self.assertEqual(answer.status, status, answer)
        default = self.run_program("token", "--subject", "s", JWT_SECRET=SECRET).stdout.strip()
        self.assertEqual(self.node.call("PATCH", "/state/player/x", WRITE, bearer=default).status, 200)
        self.assertEqual(self.node.call("GET", "/cluster", bearer=default).status, 403)
        foreign = self.run_program("token", "--subject", "s", JWT_SECRET="y" * 40).stdout.strip()
        self.assertEqual(self.node.call("GET", "/state/player/x", bearer=foreign).status, 401)

    def test_token_mistakes(self):
        self.one_line(self.run_program("token", "--subject", "s"), 1, "JWT_SECRET")
        self.one_line(self.run_program("token", "--subject", "s", JWT_SECRET="short"), 1, "32")
        self.one_line(self.run_program("token", JWT_SECRET=SECRET), 2, "--subject")
        for status, word, *flags in ((2, "state:fly", "--scopes", "state:fly"), (2, "--days", "--days", "0"),
                                     (1, self.path("none"), "--secret-file", self.path("none"))):
            self.one_line(self.run_program("token", "--subject", "s", *flags, JWT_SECRET=SECRET), status, word)


class Status(Cli):
    def urls(self):
        return [word for node in self.cluster for word in ("--url", f"http://127.0.0.1:{node.http_port}")]

    def status(self, *options):
        return self.run_program("status", *self.urls(), "--token-file", self.cluster.token_file, *options)

    def test_status(self):
        self.cluster.start()
        self.cluster.wait_linked()
        self.node.call("PATCH", "/state/t/x", WRITE)
        self.cluster.wait_converged()
        shown = wait_for("converged", lambda: self.converged())
        self.assertEqual(shown.stderr, "")
        for node in self.cluster:
            self.assertIn(node.region, shown.stdout)
        self.assertIn("alive", shown.stdout)
        root = self.node.call("GET", "/cluster/digest").json["root"]
        line = f"    quarantine 0  forks 0  conflicts 0  digest {root}\n"
        self.assertEqual(shown.stdout.count(line), 2, shown.stdout)
        self.assertRegex(shown.stdout, r"round trip \d+ ms  behind by \d+ events, \d+ bytes, [\d.]+ s")
        document = json.loads(self.status("--json").stdout)
        self.assertEqual([region["region"] for region in document["regions"]], ["eu-west", "us-east"])
        self.assertIs(document["converged"], True)
        for region in document["regions"]:
            self.assertEqual((region["digest"]["root"], region["counters"]["heldNow"]), (root, 0))
            self.assertEqual(region["counters"]["conflictsKnown"], 0)
            self.assertEqual(set(region["peers"][0]["lag"]), {"events", "bytes", "seconds"})
        self.cluster["us-east"].kill()
        self.node.call("PATCH", "/state/t/x", WRITE)
        self.check_unreachable()
        self.check_metrics()
        refused = self.run_program("status", *self.urls()[:2])
        self.assertEqual(refused.returncode, 1)
        self.assertIn("token", refused.stdout + refused.stderr)

    def check_metrics(self):
        """A peer that is away shows, and what Prometheus' own check of metrics (promtool) would say: nothing."""
        def away():
            values = self.metrics()
            gone = 'gs_peer_round_trip_seconds{peer="us-east"}' not in values
            return values if gone and values['gs_peer_lag_events{peer="us-east"}'] >= 1 else None

        values = wait_for("who is away lags", away)
        self.assertGreater(values['gs_peer_lag_bytes{peer="us-east"}'], 100)
        self.assertGreater(wait_for("time", lambda: self.metrics()['gs_peer_lag_seconds{peer="us-east"}']), 0)
        for name in ("gs_quarantine_batches", "gs_forked_origins", "gs_conflict_ledger_entries",
                     "gs_verify_differing_total", "gs_verify_repaired_total"):
            self.assertEqual(values[name], 0)

    def metrics(self):
        values, kinds, helped = {}, {}, set()
        for line in self.node.call("GET", "/metrics", bearer="").body.decode().splitlines():
            if line.startswith("# HELP "):
                name, text = line.split(" ", 3)[2:]
                self.assertNotIn(name, helped)
                self.assertRegex(text, r"^[A-Z0-9].*\.$", line)
                helped.add(name)
            elif line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                kinds[name] = kind
                self.assertIn(name, helped)
                self.assertRegex(name, r"^(gs|process)_[a-z_]+$")
                self.assertEqual(name.endswith("_total"), kind == "counter", line)
                self.assertNotRegex(name, r"milli|micro|_ms$|_kib$|_(gauge|counter|histogram)$")
            else:
                name, value = line.rsplit(" ", 1)
                family = re.sub(r"_(bucket|sum|count)$", "", name.split("{")[0])
                self.assertTrue(name.split("{")[0] in kinds or kinds.get(family) == "histogram", line)
                self.assertNotIn(name, values)
                values[name] = float(value)
        return values

    def converged(self):
        done = self.status()
        self.assertEqual(done.returncode, 0, done)
        return done if "\nCONVERGED" in done.stdout else None

    def check_unreachable(self):
        port = str(self.cluster["us-east"].http_port)
        text, document = self.status(), self.status("--json")
        self.assertEqual((text.returncode, document.returncode), (1, 1))
        self.assertRegex(text.stdout, f"http://127.0.0.1:{port}  unreachable: ")
        self.assertNotIn("\nCONVERGED", text.stdout)
        shown = json.loads(document.stdout)
        self.assertIs(shown["converged"], False)
        self.assertEqual(shown["regions"][0]["region"], "eu-west")
        self.assertIn(port, shown["regions"][1]["url"])
        self.assertTrue(shown["regions"][1]["error"])


class Settings(Cli):
    def serve(self, *flags, **settings):
        """`serve` that must end by itself; what is None is not set."""
        self.node.extra.update(settings)
        environment = {name: value for name, value in self.node.environment().items() if name not in os.environ}
        done = self.cluster.run("serve", *flags, timeout=20, **environment)
        for name in settings:
            del self.node.extra[name]
        return done

    def test_missing(self):
        for name in ("GS_REGION", "GS_KEY_FILE", "GS_TRUST_FILE", "JWT_SECRET"):
            self.one_line(self.serve(**{name: None}), 2, name)
            self.one_line(self.serve(**{name: ""}), 2, name)

    def test_invalid(self):
        cases = [("GS_REGION", "a b"), ("GS_REGION", "x" * 200), ("CIRCUIT_BREAKER_THRESHOLD", "0"),
                 ("CIRCUIT_BREAKER_THRESHOLD", "five"),
                 ("GS_L1_BYTES", "1000"), ("GS_MAX_SKEW", "-1"), ("GS_MAX_SKEW", "1m"),
                 ("GS_SYNC_INTERVAL", "0"), ("GS_HTTP_THREADS", "many"), ("GS_HTTP_THREADS", "99999999999999999999"),
                 ("GS_AUTH", "maybe"), ("GS_SEEDS", "nowhere"), ("GS_START_WAIT", "1.5"),
                 ("GS_HTTP_LOG", "loud"), ("GS_SCHEDULING", "fast")]
        for name, value in cases:
            done = self.serve(**{name: value})
            self.assertNotEqual(done.returncode, 0)
            self.one_line(done, done.returncode, name)

    def test_real_time_is_not_allowed(self):
        """Asked for without the right to it: said at once, and how to get it."""
        self.node.extra["GS_SCHEDULING"] = "realtime"
        done = subprocess.run(["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", PROGRAM, "serve"],
                              env=self.node.environment(), capture_output=True, text=True, timeout=20)
        self.one_line(done, done.returncode, "GS_SCHEDULING")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("CAP_SYS_NICE", done.stderr)

    def test_invalid_in_the_shell(self):
        """What only shows when it is used: still one line that names what is wrong."""
        self.cluster.write(self.path("bad-trust"), "eu-west\n")
        self.cluster.write(self.path("bad-key"), "no key\n")
        lone = self.path("lone-trust")
        self.cluster.write(lone, self.cluster["us-east"].trust_line + "\n")
        cases = [({"SERVER_ADDR": "nonsense"}, "nonsense"), ({"SERVER_ADDR": "127.0.0.1:99999"}, "99999"),
                 ({"GOSSIP_ADDR": "nonsense"}, "nonsense"), ({"GOSSIP_ADDR": "127.0.0.1:99999"}, "99999"),
                 ({"GS_SEEDS": "127.0.0.1:99999"}, "99999"), ({"DATABASE_URL": "mysql://x"}, "mysql"),
                 ({"DATABASE_URL": "sqlite:/no/such/folder/x.db"}, "/no/such/folder"),
                 ({"JWT_SECRET": "short"}, "32"), ({"GS_KEY_FILE": self.path("none")}, self.path("none")),
                 ({"GS_KEY_FILE": self.path("bad-key")}, self.path("bad-key")),
                 ({"GS_TRUST_FILE": self.path("none")}, self.path("none")),
                 ({"GS_TRUST_FILE": self.path("bad-trust")}, "line 1"), ({"GS_TRUST_FILE": lone}, lone),
                 ({"GS_REGION": "us-east"}, "us-east"), ({"GS_DATA_DIR": "/proc/nothing/data"}, "/proc/nothing"),
                 ({"JWT_SECRET": None, "JWT_SECRET_FILE": self.path("none")}, self.path("none")),
                 ({"JWT_PUBLIC_KEY_FILE": self.path("bad-key")}, self.path("bad-key")),
                 ({"GS_AUTH": "off", "SERVER_ADDR": "0.0.0.0:0"}, "loopback")]
        for settings, word in cases:
            with self.subTest(settings):
                done = self.serve(**settings)
                self.assertNotEqual(done.returncode, 0)
                self.one_line(done, done.returncode, word)

    def test_unknown(self):
        self.one_line(self.serve(GS_COLOUR="red"), 2, "GS_COLOUR")
        self.one_line(self.serve("--colour", "red"), 2, "--colour")
        self.one_line(self.serve("--region"), 2, "--region")

    def test_no_secret_in_messages(self):
        done = self.serve(JWT_SECRET="hushhush")
        self.assertNotIn("hushhush", done.stdout + done.stderr)

    def test_busy_ports(self):
        for port, word in ((self.node.http_port, "busy"), (self.node.gossip_port, "in use")):
            with socket.create_server(("127.0.0.1", port)):
                done = self.serve()
                self.one_line(done, 1, str(port), word)
        self.node.extra["GS_SEEDS"] = ""
        self.node.start()  # and nothing was left behind by the attempts
        self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE).status, 200)

    def test_second_process_on_one_store(self):
        self.node.extra["GS_SEEDS"] = ""
        self.node.start()
        done = self.serve(SERVER_ADDR="127.0.0.1:0", GOSSIP_ADDR="127.0.0.1:0")
        self.one_line(done, 1, "globalstate.db", "in use", str(self.node.process.pid))
        self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE).status, 200)
        self.node.kill()  # a lock that its holder left is none
        self.node.start()
        self.assertEqual(self.node.state("t/x"), {"n": 1})

    def test_flags_override(self):
        self.node.extra.update(GS_SEEDS="", GS_REGION="not-this")
        self.one_line(self.serve(), 1, "not-this")
        done = self.serve("--region", "eu-west", "--trust-file", self.path("none"))
        self.one_line(done, 1, self.path("none"))


class Life(Cli):
    def test_clean_stop(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            self.cluster.start()
            self.cluster.wait_linked()
            self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE).status, 200)
            idle = [self.node.client() for _ in range(10)]
            for client in idle:
                client.call("GET", "/health", bearer="")
            for node in self.cluster:
                begun = time.monotonic()
                self.assertEqual(node.stop(number), 0)
                self.assertLess(time.monotonic() - begun, 8)
                self.assertEqual(node.log().count("stopping"), 1 if number == signal.SIGTERM else 2)
            for client in idle:
                client.close()
        self.cluster.check_logs()
        for node in self.cluster:  # the log: JSON lines, from the first to the last
            entries = [json.loads(line) for line in node.log().splitlines()]
            self.assertEqual([entry["event"] for entry in entries if entry["event"] in ("started", "stop")],
                             ["started", "stop"] * 2)
            for entry in entries:
                self.assertRegex(entry["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                self.assertIn(entry["level"], ("info", "warning", "error"))

    def test_a_person_reads_plain_lines(self):
        master, slave = os.openpty()
        process = subprocess.Popen([PROGRAM, "serve", "--region", "nowhere"], stdout=slave, stderr=slave,
                                   stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "JWT_SECRET": SECRET})
        os.close(slave)
        self.assertEqual(process.wait(30), 2)
        text = os.read(master, 4096).decode()
        os.close(master)
        self.assertRegex(text, r"^globalstate: GS_KEY_FILE: .*\r?\n$")
        self.assertFalse(os.path.exists(os.path.join(self.node.directory, "data", "globalstate.db-wal")),
                         "a clean stop leaves no write-ahead log behind")

    def test_stop_under_load(self):
        """Every answered write is there afterwards; requests in flight are answered or cut, none hangs."""
        self.node.extra["GS_SEEDS"] = ""
        self.node.start()
        acked, ending = [0] * 8, threading.Event()

        def write(slot):
            client = self.node.client(timeout=10)
            try:
                while not ending.is_set():
                    answer = client.call("PATCH", "/state/t/x", WRITE)
                    if answer.status == 200:
                        acked[slot] += 1
                    elif answer.status != 503:
                        acked[slot] = -10**9
            except (OSError, EOFError, ValueError):
                pass
            client.close()
        threads = [threading.Thread(target=write, args=(slot,)) for slot in range(len(acked))]
        for thread in threads:
            thread.start()
        time.sleep(1)
        begun = time.monotonic()
        self.assertEqual(self.node.stop(), 0)
        self.assertLess(time.monotonic() - begun, 8)
        ending.set()
        for thread in threads:
            thread.join(15)
            self.assertFalse(thread.is_alive())
        self.node.start()
        shown = self.node.state("t/x")["n"]
        self.assertGreater(sum(acked), 10)
        self.assertTrue(sum(acked) <= shown <= sum(acked) + len(acked), (shown, acked))
        self.cluster.check_logs()

    def test_hangup_reads_trust_again(self):
        """A region that was not trusted at the start gets in; a bad file changes nothing; being left out cuts off."""
        everyone = self.read(self.cluster.trust_file)
        self.cluster.write(self.cluster.trust_file, self.node.trust_line + "\n")
        full = self.path("trust-all")
        self.cluster.write(full, everyone)
        self.cluster["us-east"].extra["GS_TRUST_FILE"] = full
        self.cluster.start()
        time.sleep(2)
        self.assertEqual(self.node.status()["peers"], [])
        self.hangup("line 2", everyone.replace("us-east ", "us-east nonsense "))
        self.assertEqual(self.node.status()["peers"], [])
        self.hangup("does not list", self.cluster["us-east"].trust_line + "\n")
        self.hangup("trust file read again, 2 keys", everyone)
        self.cluster.wait_linked()
        self.node.call("PATCH", "/state/t/x", WRITE)
        self.cluster.wait_converged()
        self.assertEqual(self.cluster["us-east"].state("t/x"), {"n": 1})
        self.hangup("trust file read again, 2 keys", everyone.strip() + " revoked\n")
        wait_for("cut off", lambda: self.cluster["us-east"].peer("eu-west")["state"] != "alive")
        self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE).status, 200)
        self.cluster.check_logs()

    def hangup(self, line, text):
        self.cluster.write(self.cluster.trust_file, text)
        before = self.node.log().count(line)
        self.node.send_signal(signal.SIGHUP)
        wait_for(lambda: f"{line} in the log: {self.node.log()}", lambda: self.node.log().count(line) > before, 5)
        self.assertTrue(self.node.alive())

    def test_auth_off(self):
        """Loopback without tokens; a foreign Host is refused, and so is a body that a web form could send."""
        self.node.extra.update(GS_AUTH="off", JWT_SECRET=None, GS_SEEDS="")
        self.node.start()
        self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE, bearer="").status, 200)
        foreign = self.node.call("GET", "/state/t/x", headers={"Host": "evil.example"}, bearer="")
        self.assertIn(foreign.status, (400, 403, 421), foreign)
        form = self.node.call("PATCH", "/state/t/x", WRITE, headers={"Content-Type": "text/plain"}, bearer="")
        self.assertEqual(form.status, 415, form)
        self.assertEqual(self.node.call("GET", "/state/t/x", bearer="").json["state"], {"n": 1})

    def test_real_time(self):
        """Threads that serve, the core's and the store's take their turns (SCHED_RR); else they share."""
        tasks = lambda: os.listdir(f"/proc/{self.node.process.pid}/task")
        policies = lambda: [os.sched_getscheduler(int(task)) for task in tasks()]
        self.node.extra.update(GS_SEEDS="")
        self.node.start()
        self.assertNotIn(os.SCHED_RR, policies())
        self.node.stop()
        self.node.extra.update(GS_SCHEDULING="realtime")
        self.node.start()
        self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE).status, 200)
        self.assertGreaterEqual(policies().count(os.SCHED_RR), 24 + 2)
        self.assertNotIn(os.SCHED_BATCH, policies())

    def test_nobody_listens_where_seeds_point(self):
        """A node alone serves; its health says so. A setting that does nothing is named."""
        self.node.extra["REDIS_URL"] = "redis://127.0.0.1:1"
        self.node.start()
        wait_for("it warns", lambda: "REDIS_URL is set" in self.node.log())
        health = self.node.call("GET", "/health", bearer="").json
        self.assertEqual((health["status"], health["checks"]["gossip"]["status"]), ("degraded", "degraded"))
        self.assertEqual(self.node.call("PATCH", "/state/t/x", WRITE).status, 200)
        self.assertEqual(self.node.call("GET", "/state/t/x", bearer=token()).json["state"], {"n": 1})


if __name__ == "__main__":
    unittest.main()
