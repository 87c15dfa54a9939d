"""Regions on real networks: each in a network namespace of its own, joined by a router of ours (wan_router.c).

    with WanCluster(program, router, delay_ms=80) as cluster:
        cluster.wan.line("eu-west", "us-east", delay_ms=150, bytes_per_s=500_000)   # both ways, or one_way
        cluster.wan.loss("eu-west", percent=3)                # of what the region's kernel receives from others
        cluster.wan.cut("eu-west", "us-east", one_way=True)   # nothing that eu-west sends arrives in us-east
        cluster.wan.heal()

The kernels' own TCP meets delay, rates, loss, cuts without a reset, and damage that checksums do not show. A namespace
has a loopback device, on which the node serves HTTP, and a TUN device towards the router. It lives as long as the
process that holds it, which is ours; nothing is seen outside, and nothing is left behind.
"""
import contextlib, ctypes, fcntl, os, shutil, struct, subprocess, threading

from cluster import REGIONS, Client, Cluster, Node, _running
from http_client import Connection

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
MTU = 9000
TOOLS = ("unshare", "nsenter", "setpriv", "ip", "nft")
_libc = ctypes.CDLL(None, use_errno=True)


def unavailable():
    """Why there can be no namespaces here, or None."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"needs {' '.join(missing)}"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs /dev/net/tun"
    tried = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, text=True)
    return f"no network namespaces with nftables here: {tried.stderr.strip()}" if tried.returncode != 0 else None


class Namespace:
    """A network namespace with loopback and a TUN device; `tun` is its descriptor, here."""

    def __init__(self, number):
        self.number, self.address = number, f"10.99.0.{number}"
        self.holder = subprocess.Popen(["unshare", "--net", "setpriv", "--pdeathsig", "KILL", "sh", "-c",
                                        "echo there; exec sleep infinity"], stdout=subprocess.PIPE)
        _running.add(self.holder)
        self.holder.stdout.readline()
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.lock = threading.Lock()
        with self.entered():
            self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", b"wan", IFF_TUN | IFF_NO_PI))
        for command in ("ip link set lo up", f"ip addr add {self.address}/24 dev wan",
                        f"ip link set wan mtu {MTU} up"):
            self.run(*command.split())
        self.nft("add table ip wan\n"
                 "add chain ip wan lost { type filter hook input priority 0; }\n"
                 "add chain ip wan cut { type filter hook input priority 1; }\n")

    @contextlib.contextmanager
    def entered(self):
        """What this thread opens meanwhile belongs to the namespace."""
        with open("/proc/thread-self/ns/net") as home, open(self.path) as there:
            self.enter(there)
            try:
                yield
            finally:
                self.enter(home)

    @staticmethod
    def enter(file):
        if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def command(self, *arguments):
        return ["nsenter", f"--net={self.path}", *arguments]

    def run(self, *arguments, text=None):
        done = subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"

    def nft(self, rules):
        self.run("nft", "-f", "-", text=rules)

    def close(self):
        os.close(self.tun)
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        _running.discard(self.holder)


class Wan:
    """Namespaces by region, and the router between them."""

    def __init__(self, regions, router):
        self.places = {region: Namespace(number) for number, region in enumerate(regions, 1)}
        tuns = [place.tun for place in self.places.values()]
        self.router = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", router, *map(str, tuns)], pass_fds=tuns,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        _running.add(self.router)

    def pairs(self, a, b, one_way):
        return [(a, b)] if one_way else [(a, b), (b, a)]

    def line(self, a, b, delay_ms=0, bytes_per_s=0, damage_ppm=0, one_way=False):
        for sender, receiver in self.pairs(a, b, one_way):
            numbers = self.places[sender].number, self.places[receiver].number
            self.router.stdin.write(f"{numbers[0]} {numbers[1]} {delay_ms} {bytes_per_s} {damage_ppm}\n")
            answer = self.router.stdout.readline().strip()
            assert answer == "ok", answer

    def lines(self, **how):
        """Every pair."""
        for a in self.places:
            for b in self.places:
                if a < b:
                    self.line(a, b, **how)

    def loss(self, region, percent):
        """Of the packets that a region receives; 0 ends it."""
        rule = f"add rule ip wan lost iif wan numgen random mod 1000 < {int(percent * 10)} drop\n" if percent else ""
        self.places[region].nft("flush chain ip wan lost\n" + rule)

    def cut(self, a, b, one_way=False):
        for sender, receiver in self.pairs(a, b, one_way):
            self.places[receiver].nft(f"add rule ip wan cut ip saddr {self.places[sender].address} drop\n")

    def isolate(self, region):
        for other in self.places:
            if other != region:
                self.cut(region, other)

    def heal(self):
        for place in self.places.values():
            place.nft("flush chain ip wan cut\n")

    def close(self):
        self.router.stdin.close()
        self.router.wait(10)
        self.router.stdout.close()
        _running.discard(self.router)
        for place in self.places.values():
            place.close()


class WanClient(Client):
    def __init__(self, place, *arguments):
        super().__init__(*arguments)
        self.place = place

    def open(self):
        with self.place.entered():
            return Connection(self.port, timeout=self.timeout)


class WanNode(Node):
    """A region in its namespace."""

    @property
    def place(self):
        return self.cluster.wan.places[self.region]

    def environment(self):
        return {**super().environment(), "GOSSIP_ADDR": f"{self.place.address}:{self.gossip_port}"}

    def command(self):
        return self.place.command(*super().command())

    def client(self, bearer=None, timeout=15):
        return WanClient(self.place, self.http_port, bearer, timeout)


class WanCluster(Cluster):
    def __init__(self, program, router, regions=REGIONS, delay_ms=0, **settings):
        self.wan = Wan(regions, router)
        self.wan.lines(delay_ms=delay_ms)
        super().__init__(program, regions, node_type=WanNode, **settings)

    def address(self, node, peer):
        return f"{peer.place.address}:{peer.gossip_port}"

    def close(self):
        super().close()
        self.wan.close()
