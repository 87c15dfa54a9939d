"""Raw HTTP/1.1 over sockets, for tests: sends exactly the bytes it is given, and reads answers strictly."""
import base64, hashlib, hmac, json, socket, subprocess, time

SECRET = "a secret of the tests, 32 bytes or more"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(subject="tester", scope="admin", secret=SECRET, header=None, **claims):
    payload = {"sub": subject, "scope": scope, "exp": int(time.time()) + 600, **claims}
    head = b64(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    text = f"{head}.{b64(json.dumps(payload).encode())}"
    return text + "." + b64(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class Connection:
    """One connection. Leftover bytes of an answer are an error at the next read, unless answers are pipelined."""

    def __init__(self, port, timeout=15):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data)

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self.rest)
        self.rest += data

    def read(self, method="GET"):
        while b"\r\n\r\n" not in self.rest:
            self._fill()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in headers or name.lower() == "warning", f"two {name}"
            headers[name.lower()] = value
        status = int(status)
        length = int(headers.get("content-length", 0))
        if method == "HEAD" or status in (100, 204, 304):
            length = 0
        while len(self.rest) < length:
            self._fill()
        body, self.rest = self.rest[:length], self.rest[length:]
        return Answer(status, headers, body)

    def closed(self):
        """True if the server closes (in a bounded time) without another byte."""
        try:
            return self.rest == b"" and self.socket.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server:
    """The test server (tests/support/http_server.c), as a context."""

    def __init__(self, program, *options, region="eu-west"):
        self.process = subprocess.Popen([program, region, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        if not line:
            self.process.wait()
            raise RuntimeError(self.process.stderr.read())
        self.port = int(line[1])
        self.token = token()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        status = self.process.wait(30)
        errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        assert status == 0, f"server ended with {status}: {errors}"

    def connect(self, **options):
        return Connection(self.port, **options)

    def head(self, method, path, headers=None, body=None, bearer=None):
        lines = [f"{method} {path} HTTP/1.1"]
        fields = {"Host": f"127.0.0.1:{self.port}"}
        bearer = self.token if bearer is None else bearer
        if bearer:
            fields["Authorization"] = "Bearer " + bearer
        if body is not None:
            fields["Content-Length"] = str(len(body))
            fields["Content-Type"] = "application/json"
        fields.update(headers or {})
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def call(self, method, path, body=None, headers=None, bearer=None, connection=None):
        """One request; a body that is not bytes is sent as JSON."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        own = connection is None
        connection = connection or self.connect()
        try:
            connection.send(self.head(method, path, headers, body, bearer) + (body or b""))
            return connection.read(method)
        finally:
            if own:
                connection.close()
