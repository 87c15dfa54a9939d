"""A TCP proxy before a PostgreSQL server, which can lose the answer to a commit.

    proxy = Proxy(server.port)           # proxy.port: where the node connects
    proxy.lose_next_answer()             # the server carries out what it is sent; its answer and the connection vanish
    proxy.freeze(True)                   # silence in both directions, connections stay
"""
import socket, threading


class Proxy:
    def __init__(self, port):
        self.target, self.losing, self.lost, self.frozen = port, False, 0, threading.Event()
        self.passable = threading.Event()
        self.passable.set()
        self.door = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.door.getsockname()[1]
        self.sockets, self.closed = set(), False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.door.accept()
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                if self.closed:
                    return
                near.close()
                continue
            far.settimeout(None)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets |= {near, far}
            threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, True), daemon=True).start()

    def pump(self, source, target, answers):
        try:
            while True:
                data = source.recv(65536)
                self.passable.wait()
                # The server sends nothing of a commit before it is done: INSERT's answer waits for that of the Sync.
                if data and answers and self.losing and b"INSERT" in data:
                    self.losing = False
                    self.lost += 1
                    break
                if not data:
                    break
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def lose_next_answer(self):
        self.losing = True

    def freeze(self, frozen):
        (self.passable.clear if frozen else self.passable.set)()

    def close(self):
        self.closed = True
        self.passable.set()
        self.door.close()
        for end in self.sockets:
            try:
                end.close()
            except OSError:
                pass
