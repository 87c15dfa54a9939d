"""A network that tests can cut: each link between two regions is a pair of TCP forwarders on loopback.

What a region sends to another can be treated in three ways, each direction on its own:
    PASS   bytes go through
    PAUSE  silence: nothing is read on, the connection stays, and what waited goes through later (a lossy route)
    DROP   bytes are read and vanish; what comes after does not fit the stream (a broken middlebox)
A link that is cut loses its connections at once and takes no new ones until it is healed.
"""
import socket, threading

PASS, PAUSE, DROP = "pass", "pause", "drop"
CHUNK = 65536


class Link:
    """Both forwarders of two regions."""

    def __init__(self):
        self.changed = threading.Condition()
        self.modes, self.is_cut, self.sockets, self.closed = {}, False, set(), False
        self.bytes = {}  # that went through, by direction

    def mode(self, direction):
        return self.modes.get(direction, PASS)

    def set(self, mode, *directions):
        with self.changed:
            for direction in directions:
                self.modes[direction] = mode
            self.changed.notify_all()

    def cut(self):
        with self.changed:
            self.is_cut = True
            self.shut()

    def heal(self):
        with self.changed:
            self.is_cut = False
            self.modes.clear()
            self.changed.notify_all()

    def close(self):
        with self.changed:
            self.closed = self.is_cut = True
            self.shut()
            self.changed.notify_all()

    def shut(self):
        for end in self.sockets:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def adopt(self, *ends):
        """False when the link does not take connections now."""
        with self.changed:
            if not self.is_cut:
                self.sockets.update(ends)
            return not self.is_cut

    def wait_passable(self, direction):
        """The mode, once it is not PAUSE; None when the link is cut or closed meanwhile."""
        with self.changed:
            while self.mode(direction) == PAUSE and not self.is_cut:
                self.changed.wait()
            return None if self.is_cut else self.mode(direction)

    def pump(self, source, target, direction):
        try:
            while self.wait_passable(direction) is not None:
                data = source.recv(CHUNK)
                mode = self.wait_passable(direction)
                if not data or mode is None:
                    break
                if mode == PASS:
                    self.bytes[direction] = self.bytes.get(direction, 0) + len(data)
                    target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def carry(self, near, port, dialer, listener):
        """One connection, until either end closes it."""
        try:
            far = socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.adopt(near, far):
            back = threading.Thread(target=self.pump, args=(far, near, (listener, dialer)), daemon=True)
            back.start()
            self.pump(near, far, (dialer, listener))
            back.join()
        with self.changed:
            self.sockets -= {near, far}
        near.close()
        far.close()


class Network:
    def __init__(self):
        self.links, self.listeners = {}, []

    def link(self, a, b):
        return self.links.setdefault(frozenset((a, b)), Link())

    def forward(self, dialer, listener, port):
        """The port of a new forwarder by which `dialer` reaches `listener`, who listens on `port`."""
        door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listeners.append(door)
        threading.Thread(target=self.accept, args=(door, self.link(dialer, listener), port, dialer, listener),
                         daemon=True).start()
        return door.getsockname()[1]

    def accept(self, door, link, port, dialer, listener):
        while True:
            try:
                near, _ = door.accept()
            except OSError:
                return
            if link.is_cut:
                near.close()
                continue
            threading.Thread(target=link.carry, args=(near, port, dialer, listener), daemon=True).start()

    def of(self, region):
        return [link for pair, link in self.links.items() if region in pair]

    def cut(self, a, b):
        self.link(a, b).cut()

    def isolate(self, region):
        for link in self.of(region):
            link.cut()

    def cut_all(self):
        for link in self.links.values():
            link.cut()

    def pause(self, a, b):
        self.link(a, b).set(PAUSE, (a, b), (b, a))

    def drop_one_way(self, sender, receiver):
        self.link(sender, receiver).set(DROP, (sender, receiver))

    def pause_one_way(self, sender, receiver):
        self.link(sender, receiver).set(PAUSE, (sender, receiver))

    def heal(self):
        for link in self.links.values():
            link.heal()

    def close(self):
        for door in self.listeners:
            try:
                door.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            door.close()
        for link in self.links.values():
            link.close()
