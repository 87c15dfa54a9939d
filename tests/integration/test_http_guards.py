"""What guards the API: rate limits, whose address counts, idle connections, browsers of other origins, metrics, and
the log of requests.  usage: test_http_guards.py SERVER"""
import concurrent.futures, json, re, subprocess, sys, threading, time, unittest

from http_client import SECRET, Server, token

PROGRAM = sys.argv.pop(1)
THREADS = 32
SECRET_OPTION = "secret=" + SECRET


class Rates(unittest.TestCase):
    def rates(self, answer):
        return [int(answer.headers[name]) for name in ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")]

    def test_subject(self):
        with Server(PROGRAM, SECRET_OPTION, "rate-subject=5") as server:
            answers = [server.call("GET", "/state/a/b", bearer=token("greedy")) for _ in range(8)]
            self.assertEqual([a.status for a in answers], [404] * 5 + [429] * 3)
            self.assertEqual([self.rates(a)[:2] for a in answers], [[5, left] for left in (4, 3, 2, 1, 0, 0, 0, 0)])
            refused = answers[-1]
            self.assertEqual((refused.json["code"], refused.headers["retry-after"]), ("rate_limited", "1"))
            self.assertEqual(server.call("GET", "/state/a/b", bearer=token("modest")).status, 404)
            time.sleep(int(refused.headers["retry-after"]))
            self.assertEqual(server.call("GET", "/state/a/b", bearer=token("greedy")).status, 404)
            for path in ("/health", "/metrics", "/openapi.json"):
                self.assertNotIn("ratelimit-limit", server.call("GET", path).headers)

    def test_address(self):
        """Bad tokens and unknown routes count, too; health and metrics never do."""
        with Server(PROGRAM, SECRET_OPTION, "rate-address=4") as server:
            paths = ("/state/a/b", "/nothing", "/nothing", "/peers", "/peers", "/nothing")
            answers = [server.call("GET", path, bearer="junk") for path in paths]
            self.assertEqual([a.status for a in answers], [401, 404, 404, 401, 429, 429])
            for path in ("/health", "/metrics"):
                self.assertEqual([server.call("GET", path).status for _ in range(10)], [200] * 10)

    def test_whose_address(self):
        """X-Forwarded-For counts when a trusted proxy sends it, and the last entry of it only."""
        def statuses(server, names):
            return [server.call("GET", "/state/a/b", headers={"X-Forwarded-For": name}).status for name in names]
        with Server(PROGRAM, SECRET_OPTION, "rate-address=2", "trusted-proxies=127.0.0.1") as server:
            self.assertEqual(statuses(server, ["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", "9.9.9.9, 10.0.0.1"]),
                             [404, 404, 429, 404, 429])
            self.assertEqual(statuses(server, ["nonsense"] * 3), [404, 404, 429])
        with Server(PROGRAM, SECRET_OPTION, "rate-address=2", "trusted-proxies=192.0.2.1") as server:
            self.assertEqual(statuses(server, [f"10.0.0.{i}" for i in range(3)]), [404, 404, 429])

    def test_exact_under_load(self):
        """However many connections ask at once, no more than the burst and the rate get through."""
        with Server(PROGRAM, SECRET_OPTION, "rate-subject=100") as server:
            allowed, begun = [], time.monotonic()
            def ask():
                with server.connect() as connection:
                    for _ in range(50):
                        allowed.append(server.call("GET", "/state/a/b", connection=connection).status == 404)
            threads = [threading.Thread(target=ask) for _ in range(16)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            passed = time.monotonic() - begun
            self.assertGreaterEqual(sum(allowed), 100)
            self.assertLessEqual(sum(allowed), 100 + 100 * passed + 1)


class Idle(unittest.TestCase):
    """As many connections as threads, all idle, do not keep anyone out."""

    def server(self):
        return Server(PROGRAM, SECRET_OPTION, f"threads={THREADS}", "request-timeout=30000", "idle-timeout=60000")

    def hold(self, server, count, first):
        held = []
        for _ in range(count):
            connection = server.connect()
            if first:
                connection.send(first)
            held.append(connection)
        return held

    def served(self, server):
        slowest = 0
        for path in ("/health", "/metrics", "/state/a/b") * 3:
            begun = time.monotonic()
            self.assertIn(server.call("GET", path).status, (200, 404))
            slowest = max(slowest, time.monotonic() - begun)
        return slowest

    def ended(self, server):
        return int(re.search(rb"\ngs_http_idle_ended_total (\d+)", server.call("GET", "/metrics").body)[1])

    def attack(self, first):
        with self.server() as server:
            held = self.hold(server, 2 * THREADS, first)
            time.sleep(0.2)
            slowest, ended = self.served(server), self.ended(server)
            for connection in held:
                connection.close()
        return slowest, ended

    def test_who_says_nothing_more(self):
        """Nothing at all, half a head, a request long ago: a server each, side by side, for it is waiting mostly."""
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for slowest, ended in pool.map(self.attack, (b"", b"GET /health HTTP/1.1\r\nHost:",
                                                         b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")):
                self.assertLess(slowest, 8)
                self.assertGreater(ended, 0)

    def test_the_longest_idle_goes_first(self):
        """Who works is left alone while others come and idle."""
        with self.server() as server, server.connect() as working:
            held = []
            for _ in range(3 * THREADS):
                held += self.hold(server, 1, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(server.call("GET", "/health", connection=working).status, 200)
                time.sleep(0.02)
            for connection in held:
                connection.close()


class Browsers(unittest.TestCase):
    PREFLIGHT = {"Origin": "https://play.example", "Access-Control-Request-Method": "PUT"}

    def cors(self, answer):
        return sorted(name for name in answer.headers if name.startswith("access-control"))

    def test_off(self):
        with Server(PROGRAM, SECRET_OPTION) as server:
            answer = server.call("OPTIONS", "/state/a/b", headers=self.PREFLIGHT)
            self.assertEqual((answer.status, self.cors(answer)), (405, []))
            self.assertEqual(self.cors(server.call("GET", "/health", headers={"Origin": "https://play.example"})), [])
            for path in ("/health", "/state/a/b", "/nothing", "/openapi.json"):  # good answers and bad ones
                headers = server.call("GET", path).headers
                self.assertEqual((headers["x-content-type-options"], headers["referrer-policy"]),
                                 ("nosniff", "no-referrer"))
                self.assertEqual(headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'")

    def test_configured(self):
        with Server(PROGRAM, SECRET_OPTION, "cors-origins=https://play.example http://localhost:3000") as server:
            answer = server.call("OPTIONS", "/state/a/b", headers=self.PREFLIGHT, bearer="")
            self.assertEqual((answer.status, answer.headers["access-control-allow-origin"], answer.headers["vary"]),
                             (204, "https://play.example", "Origin"))
            self.assertIn("PUT", answer.headers["access-control-allow-methods"])
            self.assertIn("Authorization", answer.headers["access-control-allow-headers"])
            answer = server.call("PUT", "/state/a/b", {}, headers={"Origin": "http://localhost:3000"})
            self.assertEqual((answer.status, answer.headers["access-control-allow-origin"]),
                             (201, "http://localhost:3000"))
            self.assertIn("Causal-Token", answer.headers["access-control-expose-headers"])
            for origin in ("https://evil.example", "https://play.example.evil.example", "null", "http://play.example",
                           "*"):
                self.assertEqual(self.cors(server.call("GET", "/health", headers={"Origin": origin})), [])
                asked = server.call("OPTIONS", "/state/a/b", headers={**self.PREFLIGHT, "Origin": origin})
                self.assertEqual(asked.status, 405)


class Figures(unittest.TestCase):
    def test_metrics(self):
        with Server(PROGRAM, SECRET_OPTION) as server:
            for _ in range(3):
                server.call("GET", "/state/a/none")
            server.call("GET", "/nothing")
            time.sleep(0.5)  # an answer is counted after it is sent
            answer = server.call("GET", "/metrics", bearer="")
            self.assertEqual(answer.status, 200)
            self.assertTrue(answer.headers["content-type"].startswith("text/plain; version=0.0.4"))
            values, types = {}, {}
            for line in answer.body.decode().splitlines():
                if line.startswith("# TYPE"):
                    _, _, name, kind = line.split()
                    self.assertNotIn(name, types)
                    types[name] = kind
                elif not line.startswith("#"):
                    name, value = re.fullmatch(r'(\w+(?:\{(?:\w+="[^"]*",?)*\})?) ([0-9.e+-]+)', line).groups()
                    self.assertNotIn(name, values)
                    values[name] = float(value)
                    family = re.sub(r"\{.*", "", name)
                    self.assertTrue(family in types or re.sub("_(bucket|sum|count)$", "", family) in types, line)
            self.assertEqual(values['gs_http_requests_total{route="/state/{}/{}",method="GET",status="4xx"}'], 3)
            self.assertEqual(values['gs_http_requests_total{route="none",method="",status="4xx"}'], 1)
            buckets = [value for name, value in values.items() if name.startswith("gs_http_request_seconds_bucket"
                       '{route="/state/{}/{}",method="GET"')]
            self.assertEqual((buckets, buckets[-1]), (sorted(buckets), 3))
            self.assertEqual(values["gs_store_up"], 1)

    def test_log(self):
        """A JSON object a line, with the id of the answer; no token, no query, nothing that a client could forge."""
        server = Server(PROGRAM, SECRET_OPTION, "log=all")
        try:
            ids = [server.call("GET", "/state/a/b?x=private").headers["x-request-id"],
                   server.call("PUT", "/state/a/b", {}, {"X-Request-Id": "mine-7"}).headers["x-request-id"],
                   server.call("GET", "/%22%0a{\x7f\xe4").headers["x-request-id"]]
            with server.connect() as connection:
                connection.send(b"nonsense\r\n\r\n")
                ids.append(connection.read().headers["x-request-id"])
            server.process.stdin.close()
            lines = server.process.stderr.read().splitlines()
            server.process.wait(30)
        finally:
            server.process.stdout.close()
            server.process.stderr.close()
        by_id = {entry["requestId"]: entry for entry in map(json.loads, lines)}
        self.assertEqual((len(lines), by_id.keys()), (len(ids), set(ids)))
        entries = [by_id[id] for id in ids]  # a line is written after its answer: lines may change places
        self.assertEqual([(e["status"], e.get("code")) for e in entries],
                         [(400, "invalid_argument"), (201, None), (400, "bad_request"), (400, "bad_request")])
        self.assertEqual((entries[1]["method"], entries[1]["path"], entries[1]["subject"], entries[1]["client"]),
                         ("PUT", "/state/a/b", "tester", "127.0.0.1"))
        self.assertFalse([line for line in lines if "private" in line or "Bearer" in line or server.token in line])

    def test_tls_is_refused(self):
        for listen in ("127.0.0.1:8443s", "https://127.0.0.1:8443", "tls:127.0.0.1:8443"):
            done = subprocess.run([PROGRAM, "eu-west", SECRET_OPTION, "listen=" + listen], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 3)
            self.assertIn("does not speak TLS itself", done.stderr)
            self.assertIn("deploy/up.sh --tls", done.stderr)
        with Server(PROGRAM, SECRET_OPTION) as server:  # a client that begins a handshake nevertheless
            with server.connect() as connection:
                connection.send(bytes.fromhex("16030100050100000100"))
                connection.half_close()
                try:
                    while connection.socket.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
            self.assertEqual(server.call("GET", "/health").status, 200)

    def test_bad_settings(self):
        for option, says in (("trusted-proxies=localhost", "localhost"), ("trusted-proxies=" + "1.2.3.4," * 17, "16"),
                             ("cors-origins=*", "origin"), ("cors-origins=https://a/b", "origin"),
                             ("cors-origins=play.example", "origin")):
            done = subprocess.run([PROGRAM, "eu-west", SECRET_OPTION, option], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(done.returncode, 3, option)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main(failfast=True)
