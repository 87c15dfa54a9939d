"""Real `globalstate serve` processes for tests: a cluster of regions on free loopback ports, in a temporary directory.

    with Cluster(program) as cluster:            # eu-west, us-east, ap-south, all ready
        cluster["eu-west"].call("GET", "/cluster")
        cluster["eu-west"].kill()                # kill -9
        cluster["eu-west"].start()
        cluster.wait_converged()

Nothing outlives the test: the context kills what it started, an exit handler does so when the context could not, and
the kernel does (`setpriv --pdeathsig`) when this process itself is killed. The kernel counts the thread that started a
node as its parent, so nodes are started from the main thread only.
"""
import atexit, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, threading, time

from http_client import SECRET, Connection, token

REGIONS = ("eu-west", "us-east", "ap-south")
READY_SECONDS = 30
STOP_SECONDS = 15
# ThreadSanitizer and friends make one line of text per finding; a clean node writes none of these.
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer")

_running = set()
_directories = set()
_ports_given = set()


def _end_all():
    for process in list(_running):
        process.kill()
        process.wait()
    for directory in _directories:
        shutil.rmtree(directory, ignore_errors=True)


atexit.register(_end_all)
signal.signal(signal.SIGTERM, lambda *_: os._exit(_end_all() or 143))


def free_port():
    """A port nobody listens on, below the range that the kernel gives to outgoing connections: it stays free while a
    node is down."""
    while True:
        port = random.randrange(18200, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _ports_given:
            _ports_given.add(port)
            return port


def wait_for(what, condition, seconds=READY_SECONDS, every=0.05):
    """The first true value of `condition()`; an AssertionError that says `what` when the time is up."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


class Client:
    """Requests on one keep-alive connection, opened when needed and again after an error."""

    def __init__(self, port, bearer=None, timeout=15):
        self.port, self.bearer, self.timeout, self.connection = port, bearer or token(), timeout, None

    def open(self):
        return Connection(self.port, timeout=self.timeout)

    def call(self, method, path, body=None, headers=None, bearer=None):
        """One request; a body that is not bytes is sent as JSON. `bearer=""` sends no token."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False).encode()
        bearer = self.bearer if bearer is None else bearer
        fields = {"Host": f"127.0.0.1:{self.port}", "Authorization": bearer and "Bearer " + bearer}
        if body is not None:
            fields.update({"Content-Length": str(len(body)), "Content-Type": "application/json"})
        fields.update(headers or {})
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        try:
            if self.connection is None:
                self.connection = self.open()
            self.connection.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
            answer = self.connection.read(method)
        except BaseException:
            self.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        return answer

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Node:
    """One region: its directory, key, ports and, while it runs, its process."""

    def __init__(self, cluster, region):
        self.cluster, self.region = cluster, region
        self.directory = os.path.join(cluster.directory, region)
        self.http_port, self.gossip_port = free_port(), free_port()
        self.key_file = os.path.join(self.directory, "key")
        self.log_path = os.path.join(self.directory, "node.log")
        self.seeds, self.extra, self.process = [], {}, None
        os.makedirs(self.directory)
        self.trust_line = cluster.run("keygen", "--region", region, "--out", self.key_file).stdout.strip()

    def environment(self):
        """What the node is started with; a value of None leaves the setting out."""
        settings = {
            "SERVER_ADDR": f"127.0.0.1:{self.http_port}",
            "GOSSIP_ADDR": f"127.0.0.1:{self.gossip_port}",
            "GS_REGION": self.region,
            "GS_SEEDS": ",".join(self.seeds),
            # Through forwarders, nodes know each other by what they are told only.
            "GS_ADVERTISE_ADDR": "off" if self.cluster.network else None,
            "GS_KEY_FILE": self.key_file,
            "GS_TRUST_FILE": self.cluster.trust_file,
            "GS_DATA_DIR": os.path.join(self.directory, "data"),
            "GS_HTTP_THREADS": "24",
            "GS_SYNC_INTERVAL": "200",
            "JWT_SECRET": SECRET,
            **self.cluster.extra, **self.extra,
        }
        return {**clean_environment(), **{name: value for name, value in settings.items() if value is not None}}

    def command(self):
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        return [*guard, self.cluster.program, "serve"]

    def start(self, wait=True):
        assert threading.current_thread() is threading.main_thread(), "the node would die with the thread"
        assert self.process is None, f"{self.region} runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), env=self.environment(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        _running.add(self.process)
        if wait:
            self.wait_ready()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def ready(self):
        try:
            return self.call("GET", "/health/ready", bearer="").status == 200
        except (OSError, EOFError):
            return False

    def wait_ready(self, seconds=READY_SECONDS):
        wait_for(lambda: f"{self.region} ready; its log: {self.log()[-2000:]}",
                 lambda: not self.alive() or self.ready(), seconds)
        if not self.alive():
            raise AssertionError(f"{self.region} ended with {self.process.returncode}: {self.log()[-2000:]}")

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=STOP_SECONDS):
        """The exit status."""
        status = self.process.wait(seconds)
        _running.discard(self.process)
        self.process = None
        return status

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.wait()

    def stop(self, number=signal.SIGTERM):
        self.send_signal(number)
        return self.wait()

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def client(self, bearer=None, timeout=15):
        return Client(self.http_port, bearer, timeout)

    def call(self, *args, **options):
        client = self.client()
        try:
            return client.call(*args, **options)
        finally:
            client.close()

    def status(self):
        """GET /cluster."""
        answer = self.call("GET", "/cluster")
        assert answer.status == 200, answer
        return answer.json

    def peer(self, region):
        """What GET /peers says of a region."""
        return next(peer for peer in self.call("GET", "/peers").json["peers"] if peer["region"] == region)

    def state(self, aggregate):
        """The state of "type/id"; {} when there is none."""
        answer = self.call("GET", "/state/" + aggregate)
        assert answer.status in (200, 404), answer
        return answer.json["state"] if answer.status == 200 else {}

    def states_if_any(self, *types):
        """None while it has no core: a snapshot is being installed."""
        try:
            return self.states(*types)
        except KeyError:
            return None

    def states(self, *types):
        """Everything of these types that must be equal everywhere: {type/id: (version, vector clock, state)}."""
        found, client = {}, self.client()
        try:
            for type in types:
                cursor = ""
                while cursor is not None:
                    page = client.call("GET", f"/state/{type}?limit=500{cursor and '&cursor=' + cursor}").json
                    for item in page["items"]:
                        name = f"{item['aggregateType']}/{item['aggregateId']}"
                        found[name] = (item["version"], item["vectorClock"], item["state"])
                    cursor = page["next"]
        finally:
            client.close()
        return found

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def clean_environment():
    """The environment of this process without settings of the program."""
    ours = ("SERVER_ADDR", "GOSSIP_ADDR", "STREAM_ADDR", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items()
            if not name.startswith(("GS_", "JWT_")) and name not in ours}


class Cluster:
    """Regions that trust and know each other. `network` (forwarder.Network) puts forwarders between them."""

    def __init__(self, program, regions=REGIONS, network=None, start=True, node_type=Node, **settings):
        self.program, self.network, self.extra = os.path.abspath(program), network, settings
        self.directory = tempfile.mkdtemp(prefix="gs-cluster-")
        _directories.add(self.directory)
        self.trust_file = os.path.join(self.directory, "trust")
        self.token_file = os.path.join(self.directory, "token")
        try:
            self.nodes = {region: node_type(self, region) for region in regions}
            self.write(self.trust_file, "".join(node.trust_line + "\n" for node in self))
            self.write(self.token_file, token() + "\n")
            for node in self:
                node.seeds = [self.address(node, peer) for peer in self if peer is not node]
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def address(self, node, peer):
        """Where `node` dials `peer`."""
        if self.network is None:
            return f"127.0.0.1:{peer.gossip_port}"
        return f"127.0.0.1:{self.network.forward(node.region, peer.region, peer.gossip_port)}"

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        for node in self:
            node.start(wait=False)
        for node in self:
            node.wait_ready()

    def __iter__(self):
        return iter(self.nodes.values())

    def __getitem__(self, region):
        return self.nodes[region]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.check_logs()
            else:
                self.print_logs()
        finally:
            self.close()

    def print_logs(self):
        for node in self:
            print(f"--- the log of {node.region}\n{node.log()[-3000:]}", file=sys.stderr)

    def check_logs(self):
        """No node has said something that only a broken one says."""
        for node in self:
            for line in node.log().splitlines():
                if any(mark in line for mark in (*SANITIZER_MARKS, "a commit failed", "input/output error")):
                    raise AssertionError(f"{node.region}'s log: {line}\n{node.log()[-6000:]}")

    def close(self):
        for node in getattr(self, "nodes", {}).values():
            node.kill()
        if self.network is not None:
            self.network.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        _directories.discard(self.directory)

    def run(self, *arguments, timeout=60, **settings):
        """A command of the program, to its end."""
        environment = {**clean_environment(), **settings}
        return subprocess.run([self.program, *arguments], env=environment, capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL)

    def vectors(self):
        return [node.status()["vector"] for node in self if node.alive()]

    def wait_linked(self, seconds=READY_SECONDS):
        """Every node hears every other."""
        wait_for(lambda: [node.status()["peers"] if node.alive() else f"{node.region} has ended: {node.log()[-2000:]}"
                          for node in self],
                 lambda: all(peer["reach"] == "direct" for node in self for peer in node.status()["peers"]), seconds)

    def wait_converged(self, seconds=30):
        """Equal vectors in all running regions."""
        def agree():
            vectors = self.vectors()
            return all(vector == vectors[0] for vector in vectors)
        wait_for(lambda: f"equal vectors: {self.vectors()}", agree, seconds, every=0.1)
