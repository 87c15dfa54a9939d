"""Hostile and odd clients, over raw sockets: ambiguous framing, slow and short bodies, connections kept and closed,
authentication switched off, starts that must fail.  usage: test_http_framing.py SERVER"""
import json, os, socket, subprocess, sys, threading, time, unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "model"))
import ed25519
from http_client import SECRET, Connection, Server, b64, token

PROGRAM = sys.argv.pop(1)
TIMEOUT_MS, IDLE_MS = 1000, 2000


# Each is refused, and the connection closed.
BAD_LENGTHS = [
    b"Content-Length: 11\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 11\r\n",
    b"Content-Length: 11\r\nContent-Length: 11\r\n",
    b"Content-Length: 11\r\nContent-Length: 0\r\n",
    b"Content-Length: 11\r\ncontent-length: 11\r\n",
    b"Content-Length: 11, 11\r\n",
    b"Content-Length: 11abc\r\n",
    b"Content-Length: +11\r\n",
    b"Content-Length: 0x0b\r\n",
    b"Content-Length: 1 1\r\n",
    b"Content-Length: \r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 1e1\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: abc\r\n",
    b"Transfer-Encoding: identity\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding: \r\n",
    b"Content-Length : 11\r\n",
    b"Transfer-Encoding : chunked\r\n",
]
BAD_LINES = [
    b"X: a\r\n b\r\n\r\n",
    b"X: a\r\n\tb\r\n\r\n",
    b"X: a\r\n Content-Length: 5\r\n\r\n",
    b" X: a\r\n\r\n",
    b": a\r\n\r\n",
    b"X: a\r\n: a\r\nContent-Length: 5\r\n\r\n",
    b"X : a\r\n\r\n",
    b"X\r\n\r\n",
    b"X: a\nY: b\r\n\r\n",
    b"X: a\n\n",
    b"X: a\r\n\n",
    b"X: a\n\r\n\r\n",
    b"X: a\rY: b\r\n\r\n",
    b"X: \x00\r\n\r\n",
    b"X: \x01\r\n\r\n",
    b"X\x00: a\r\n\r\n",
    b"X\xe4: a\r\n\r\n",
    b"X y: a\r\n\r\n",
    b"X: a\r\n\xc3\xa4: b\r\nContent-Length: 5\r\n\r\n",
]
BAD_FIRST_LINES = [
    b"GET /health HTTP/1.1\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\n Host: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\n\tHost: x\r\n\r\n",
    b"GET /health\r\nHost: x\r\n\r\n",
    b"get /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /he\x00alth HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"GET /he alth HTTP/1.1\r\nHost: x\r\n\r\n",
    b"NONSENSE /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1 x\r\n\r\n",
]


class Raw(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM, "secret=" + SECRET, f"request-timeout={TIMEOUT_MS}", f"idle-timeout={IDLE_MS}",
                            "threads=16")
        cls.good = (f"GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cls.server.token}\r\n").encode()
        cls.post = (f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cls.server.token}\r\n").encode()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def ask(self, data):
        """Sends the bytes on a new connection; the first answer, and whether the connection then is closed."""
        with self.server.connect() as connection:
            connection.send(data)
            answer = connection.read()
            return answer, connection.closed()

    def refused(self, data, status, code):
        """One problem document, then the end, whatever else was sent behind."""
        smuggled = b"GET /cluster HTTP/1.1\r\nHost: smuggled\r\n\r\n"
        answer, closed = self.ask(data + smuggled)
        self.assertEqual((answer.status, answer.json["code"]), (status, code), (data[:200], answer))
        self.assertEqual((answer.headers["connection"], closed), ("close", True), data[:200])
        self.assertEqual(answer.headers["content-type"], "application/problem+json")


class Framing(Raw):
    def test_lengths(self):
        body = b'{"a":1}\r\n\r\n'
        for fields in BAD_LENGTHS:
            self.refused(self.post + fields + b"\r\n" + body, 400, "bad_request")

    def test_chunked_bodies_are_not_taken(self):
        for chunks in (b"0\r\n\r\n", b"3\r\n{}\n\r\n0\r\n\r\n", b"ffffffffffffffff\r\n",
                       b"10000000000000002\r\n{}\r\n0\r\n\r\n"):
            self.refused(self.post + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, 411, "length_required")

    def test_no_length(self):
        answer, _ = self.ask(self.post + b"\r\n")
        self.assertEqual((answer.status, answer.json["code"]), (411, "length_required"))

    def test_hosts(self):
        self.refused(b"GET /health HTTP/1.1\r\n\r\n", 400, "bad_request")
        self.refused(b"GET /health HTTP/1.1\r\nAccept: x\r\n\r\n", 400, "bad_request")
        self.refused(self.good + b"Host: y\r\n\r\n", 400, "bad_request")
        self.refused(self.good + b"host: x\r\n\r\n", 400, "bad_request")

    def test_lines(self):
        for tail in BAD_LINES:
            self.refused(self.good + tail, 400, "bad_request")
        for first in BAD_FIRST_LINES:
            self.refused(first, 400, "bad_request")
        for version in (b"2.0", b"1.2", b"0.9", b"1.1.1", b"x"):
            self.refused(b"GET /health HTTP/" + version + b"\r\nHost: x\r\n\r\n", 505, "http_version_not_supported")

    def test_sizes_of_heads(self):
        fields = lambda count: b"".join(b"X-%d: y\r\n" % i for i in range(count))
        answer, _ = self.ask(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields(61) + b"\r\n")
        self.assertEqual(answer.status, 200)
        for count in (62, 63, 64, 100, 500):
            self.refused(b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n" + fields(count) + b"\r\n", 431,
                         "head_too_large")
        long = lambda size: b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + b"y" * size + b"\r\n\r\n"
        self.assertEqual(self.ask(long(16000))[0].status, 200)
        for size in (16384, 17000, 32000):
            self.refused(long(size), 431, "head_too_large")
        self.refused(b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, "head_too_large")
        for size in (33000, 200000):
            self.refused(long(size), 400, "bad_request")
        for size in list(range(16384 - 80, 16384 + 4)) + list(range(32768 - 80,
            32768 + 4)):  # ends at, before, behind the buffer
            self.assertIn(self.ask(long(size))[0].status, (200, 400, 431))
            blanks = b" " * 50 + long(size - 50)[:-4] + b"\n\n"
            self.assertIn(self.ask(blanks)[0].status, (200, 400,
                                                       431))  # see head_is_plain: the sanitizer is the judge here

    def test_bodies_too_large(self):
        for length in (1024 * 1024 + 1, 1 << 30, 10**17):
            with self.server.connect() as connection:
                connection.send(self.post + b"Content-Length: %d\r\n\r\n" % length + b"x" * 1000)
                answer = connection.read()
                self.assertEqual((answer.status, answer.json["code"], answer.headers["connection"]),
                                 (413, "too_large", "close"))

    def test_a_client_that_sends_all_before_it_reads_gets_its_refusal(self):
        body = b"x" * (1024 * 1024 + 500000)
        with self.server.connect() as connection:
            connection.send(self.post + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            self.assertEqual(connection.read().status, 413)


class Kept(Raw):
    def test_many_requests(self):
        with self.server.connect() as connection:
            for i in range(200):
                answer = self.server.call("PUT", "/state/player/kept", {"i": i}, connection=connection)
                self.assertIn(answer.status, (200, 201))
                self.assertEqual(answer.headers["connection"], "keep-alive")
                self.assertEqual(self.server.call("GET", "/state/player/kept", connection=connection).json["state"],
                                 {"i": i})
                self.assertEqual(self.server.call("HEAD", "/state/player/kept", connection=connection).status, 200)
                self.assertEqual(self.server.call("GET", "/state/player/none", connection=connection).status, 404)
                self.assertEqual(self.server.call("PUT", "/state/player/kept", b"{", connection=connection).status, 400)

    def test_pipelined(self):
        with self.server.connect() as connection:
            one = [self.server.head("PUT", f"/state/player/pipe{i}",
                                    body=b'{"i":%d}' % i) + b'{"i":%d}' % i for i in range(50)]
            connection.send(b"".join(one))
            self.assertEqual([connection.read().json["state"]["i"] for _ in range(50)], list(range(50)))

    def test_unwanted_bodies_are_skipped(self):
        small = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
        with self.server.connect() as connection:
            for head in (b"GET /health HTTP/1.1\r\n", b"POST /nothing HTTP/1.1\r\n", b"POST /events HTTP/1.1\r\n",
                         b"GET /events HTTP/1.1\r\n"):
                connection.send(head + b"Host: x\r\nContent-Length: %d\r\n\r\n" % len(small) + small)
                self.assertEqual(connection.read().headers["connection"], "keep-alive")
            connection.send(self.good + b"\r\n")
            self.assertEqual(connection.read().status, 200)
            connection.send(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000)
            answer = connection.read()
            self.assertEqual((answer.status, answer.headers["connection"], connection.closed()), (401, "close", True))

    def test_who_closes(self):
        for head, kept in ((b"HTTP/1.1\r\nHost: x\r\n", True), (b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", False),
                           (b"HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n",
                            True), (b"HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\n", True),
                           (b"HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n", False),
                           (b"HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nConnection: close\r\n",
                            False), (b"HTTP/1.0\r\n", False),
                           (b"HTTP/1.0\r\nHost: x\r\n", False), (b"HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n",
                               True)):
            with self.server.connect() as connection:
                connection.send(b"GET /health " + head + b"\r\n")
                answer = connection.read()
                self.assertEqual((answer.status, answer.headers["connection"]),
                                 (200, "keep-alive" if kept else "close"), head)
                if kept:
                    connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                    self.assertEqual(connection.read().status, 200)
                else:
                    self.assertTrue(connection.closed())

    def test_upgrade_is_not_followed(self):
        with self.server.connect() as connection:
            connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            answer = connection.read()
            self.assertEqual((answer.status, answer.headers["connection"], connection.closed()), (200, "close", True))

    def test_absolute_target(self):
        port = self.server.port
        head = f"GET http://127.0.0.1:{port}/health HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        answer, _ = self.ask(head.encode())
        self.assertEqual(answer.status, 200)

    def test_expect(self):
        body = b'{"n":1}'
        head = self.server.head("PUT", "/state/player/expect", {"Expect": "100-continue"}, body)
        with self.server.connect() as connection:
            connection.send(head)
            self.assertEqual(connection.read().status, 100)
            connection.send(body)
            self.assertIn(connection.read().status, (200, 201))
            self.assertEqual(self.server.call("GET", "/state/player/expect", connection=connection).json["state"],
                             {"n": 1})
        with self.server.connect() as connection:
            connection.send(self.server.head("PUT", "/state/player/expect", {"Expect": "100-continue"}, body,
                                             bearer="bad"))
            answer = connection.read()
            self.assertEqual((answer.status, answer.headers["connection"], connection.closed()), (401, "close", True))
        self.refused(self.good + b"Expect: miracles\r\n\r\n", 417, "expectation_failed")


class Slow(Raw):
    def test_short_bodies_change_nothing(self):
        body = json.dumps({"n": 1}).encode()
        head = self.server.head("PUT", "/state/player/short", body=body + b" ")
        with self.server.connect() as connection:  # the client gives up
            connection.send(head + body)
            connection.half_close()
            self.assertEqual(connection.read().status, 408)
            self.assertTrue(connection.closed())
        with self.server.connect() as connection:  # the client stalls
            start = time.time()
            connection.send(head + body)
            answer = connection.read()
            self.assertEqual((answer.status, answer.json["code"]), (408, "request_timeout"))
            self.assertTrue(connection.closed())
            self.assertLess(time.time() - start, 4 * TIMEOUT_MS / 1000)
        with self.server.connect() as connection:
            connection.send(head + body[:3])
            connection.close()
        self.assertEqual(self.server.call("GET", "/state/player/short").status, 404)

    def test_a_byte_too_many_is_the_next_request(self):
        with self.server.connect() as connection:
            connection.send(self.server.head("PUT", "/state/player/over", body=b"{}") + b"{}}")
            self.assertIn(connection.read().status, (200, 201))
            connection.send(b"\r\n\r\n")
            self.assertEqual(connection.read().status, 400)
            self.assertTrue(connection.closed())

    def test_slow_heads_are_cut_and_hurt_nobody(self):
        ended = []
        def drip():
            with self.server.connect() as connection:
                start = time.time()
                try:
                    for byte in self.good * 100:
                        connection.send(bytes([byte]))
                        time.sleep(0.1)
                except OSError:
                    pass
                ended.append(time.time() - start)
        threads = [threading.Thread(target=drip) for _ in range(8)]
        for thread in threads: thread.start()
        for _ in range(20):
            start = time.time()
            self.assertEqual(self.server.call("GET", "/health").status, 200)
            self.assertLess(time.time() - start, 2)
            time.sleep(0.05)
        for thread in threads: thread.join()
        self.assertLess(max(ended), 4 * TIMEOUT_MS / 1000)

    def test_slow_body_is_cut(self):
        with self.server.connect() as connection:
            start = time.time()
            connection.send(self.server.head("PUT", "/state/player/drip", body=b"x" * 1000))
            connection.socket.settimeout(0.05)
            while time.time() - start < 10:
                connection.send(b"x")
                try:
                    answer = connection.read()
                    break
                except TimeoutError:
                    pass
            self.assertEqual((answer.status, answer.json["code"]), (408, "request_timeout"))
            self.assertLess(time.time() - start, 3 * TIMEOUT_MS / 1000)

    def test_a_refusal_does_not_wait_for_the_body(self):
        with self.server.connect() as connection:
            start = time.time()
            connection.send(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
            self.assertEqual(connection.read().status, 401)
            self.assertLess(time.time() - start, TIMEOUT_MS / 1000)
            self.assertTrue(connection.closed())

    def test_slow_unwanted_body_is_cut(self):
        for length in (5000, 5000000):
            with self.server.connect() as connection:
                start, cut = time.time(), False
                connection.send(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
                while not cut and time.time() - start < 10:
                    try:
                        connection.send(b"x")
                        time.sleep(0.05)
                    except OSError:
                        cut = True
                self.assertTrue(cut)
                self.assertLess(time.time() - start, 5 * TIMEOUT_MS / 1000)

    def test_a_client_that_takes_its_answer_slowly_is_cut(self):
        self.server.call("PUT", "/state/player/large", {"a": "x" * 1000000})
        held = []
        for _ in range(20):  # more than there are threads
            connection = self.server.connect(timeout=0.01)
            connection.send(self.server.head("GET", "/state/player/large") * 20)
            held.append(connection)
        end = time.time() + 8 * TIMEOUT_MS / 1000
        while time.time() < end:  # always a little: CivetWeb's own limits see progress
            for connection in held:
                try:
                    connection.socket.recv(20000)
                except OSError:
                    pass
            time.sleep(0.2)
        start = time.time()
        self.assertEqual(self.server.call("GET", "/health").status, 200)
        self.assertLess(time.time() - start, 4 * TIMEOUT_MS / 1000)
        for connection in held:
            connection.close()

    def test_idle_connections_end(self):
        with self.server.connect() as connection:
            self.assertEqual(self.server.call("GET", "/health", connection=connection).status, 200)
            start = time.time()
            self.assertTrue(connection.closed())
            self.assertLess(IDLE_MS / 2000, time.time() - start)
            self.assertLess(time.time() - start, 3 * IDLE_MS / 1000)

    def test_garbage(self):
        for size in (1, 3, 100, 20000):
            with self.server.connect() as connection:
                try:
                    connection.send(os.urandom(size))
                    connection.half_close()
                    while connection.socket.recv(65536):
                        pass
                except OSError:
                    pass
        self.assertEqual(self.server.call("GET", "/health").status, 200)


class Off(unittest.TestCase):
    def test_without_authentication(self):
        with Server(PROGRAM, "auth=off") as server:
            port = server.port
            def call(host, type="application/json", method="PUT"):
                headers = {"Host": host, "Content-Type": type, "Authorization": None}
                return server.call(method, "/state/player/off", {} if method == "PUT" else None, headers)
            for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", "[::1]", f"[::1]:{port}", "LOCALHOST"):
                self.assertIn(call(host).status, (200, 201), host)
            for host in ("evil.example", f"localhost:{port + 1}", "localhost.evil.example", "127.0.0.1.nip.io", "",
                         "localhost:", "127.0.0.2"):
                self.assertEqual((call(host).status, call(host).json["field"]), (403, "Host"), host)
            for type in ("text/plain", "application/x-www-form-urlencoded", None, "application/jsonp", "",
                         "multipart/form-data; boundary=x"):
                self.assertEqual((call("localhost", type).status, call("localhost", type).json["code"]),
                                 (415, "unsupported_media_type"), type)
            for type in ("application/json; charset=utf-8", "Application/JSON"):
                self.assertEqual(call("localhost", type).status, 200)
            self.assertEqual(call("localhost", None, "DELETE").status, 204)
            self.assertEqual(server.call("GET", "/health", headers={"Host": "evil.example"}, bearer="").status, 200)
            answer = server.call("GET", "/health", headers={"Origin": "http://evil.example"})
            self.assertFalse([name for name in answer.headers if name.startswith("access-control")])
            actor = server.call("POST", "/events", {"aggregateType": "a", "aggregateId": "b", "eventType": "c"},
                                bearer="").json["actor"]
            self.assertEqual(actor, "anonymous")

    def test_content_type_is_free_with_a_token(self):
        with Server(PROGRAM, "secret=" + SECRET) as server:
            self.assertEqual(server.call("PUT", "/state/a/b", {}, {"Content-Type": "text/plain"}).status, 201)


class Keys(unittest.TestCase):
    def test_ed25519(self):
        seed = bytes(range(32))
        public = ed25519.public_key(seed)
        def signed(**claims):
            text = b64(b'{"alg":"EdDSA"}') + "." + b64(json.dumps({"sub": "ed", "scope": "admin",
                "exp": time.time() + 60.5, **claims}).encode())
            return text + "." + b64(ed25519.sign(seed, text.encode()))
        with Server(PROGRAM, "public-key=" + public.hex(), "issuer=i", "audience=a") as server:
            call = lambda bearer: server.call("GET", "/state/a/b", bearer=bearer).status
            self.assertEqual(call(signed(iss="i", aud=["x", "a"])), 404)
            for bad in (signed(), signed(iss="j", aud="a"), signed(iss="i", aud="b"), token(iss="i", aud="a"),
                        token(iss="i", aud="a", secret=public.hex()), token(iss="i", aud="a",
                            secret=public.decode("latin-1"))):
                self.assertEqual(call(bad), 401)


class Starts(unittest.TestCase):
    def fails(self, *options):
        result = subprocess.run([PROGRAM, "eu-west", *options], stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=30)
        self.assertEqual(result.returncode, 3, result)
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def test_configurations(self):
        for options, words in (([], "JWT_SECRET"), (["secret=short"], "5 bytes"),
                               (["auth=off", "listen=:0"], "loopback"),
                               (["auth=off", "listen=0.0.0.0:0"], "loopback"), (["auth=off", "listen=10.1.2.3:0"],
                                   "loopback"),
                               (["secret=" + SECRET, "listen=nonsense"], "nonsense"), (["secret=" + SECRET,
                                   "listen=127.0.0.1:65536"], "65536"),
                               (["secret=" + SECRET, "listen=[::1]:8087"], "IPv4"), (["secret=" + SECRET,
                                   "listen=127.0.0.1:"], "127.0.0.1:"),
                               (["secret=" + SECRET, "listen=203.0.113.1:0"], "203.0.113.1"), (["secret=" + SECRET,
                                   "threads=99999"], "99999"),
                               (["public-key=00ff"], "public key")):
            self.assertIn(words, self.fails(*options))

    def test_busy_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for listen in (f"127.0.0.1:{port}", f":{port}"):
                line = self.fails("secret=" + SECRET, "listen=" + listen)
                self.assertTrue(line.startswith("busy: ") and str(port) in line, line)

    def test_port_is_free_again(self):
        with Server(PROGRAM, "secret=" + SECRET) as first:
            port = first.port
            self.assertEqual(first.call("GET", "/health").status, 200)
        with Server(PROGRAM, "secret=" + SECRET, f"listen=localhost:{port}") as second:
            self.assertEqual(second.call("GET", "/health").status, 200)


if __name__ == "__main__":
    unittest.main()
