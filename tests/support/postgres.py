#!/usr/bin/env python3
"""A private PostgreSQL server for tests: a data directory, a Unix socket and a loopback port of its own.

    with Postgres() as server:                   # initdb, started, stopped and removed at the end
        url = server.url("database")             # over TCP; server.url("x", socket=True): over the Unix socket
        server.query("SELECT 1", "database")

usage: postgres.py COMMAND [ARGUMENT]…           runs COMMAND with TEST_POSTGRES_URL set to an empty server's socket

Debian's server refuses to run as root: there it runs as the user `postgres` that the package makes. It is stopped by
its process id, and ended by the kernel when this process dies.
"""
import atexit, glob, os, pwd, random, shutil, signal, socket, subprocess, sys, tempfile, time

START_SECONDS = 60
_running = []
_fresh = None  # a data directory as initdb leaves it: it is made once a process, and copied


def binaries():
    """The folder of initdb and postgres: the newest that Debian's packages have installed, or one in PATH."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
    for folder in reversed(found):
        if os.path.exists(os.path.join(folder, "initdb")):
            return folder
    path = shutil.which("initdb")
    if path is None:
        raise RuntimeError("no PostgreSQL server is installed (package postgresql)")
    return os.path.dirname(os.path.realpath(path))


def free_port():
    while True:
        port = random.randrange(18200, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def _end_all():
    for server in list(_running):
        server.close()
    if _fresh is not None:
        shutil.rmtree(os.path.dirname(_fresh), ignore_errors=True)


atexit.register(_end_all)


class Postgres:
    def __init__(self, start=True, clone_of=None, **settings):
        self.bin, self.process, self.port = binaries(), None, free_port()
        self.directory = self.make_directory()
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.settings = {"max_connections": 60, "shared_buffers": "64MB", **settings}
        self.guard = ["setpriv", "--pdeathsig", "KILL"]
        self.user = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            self.user = "postgres"
            owner = pwd.getpwnam("postgres")
            self.guard += [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        _running.append(self)
        try:
            if clone_of is None:
                self.make_data()
            else:
                self.run("pg_basebackup", "-D", self.data, "-h", clone_of.directory, "-p", str(clone_of.port), "-U",
                         "postgres", "-R", "-X", "stream", "-c", "fast")
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def make_directory():
        """One that the server's user owns."""
        directory = tempfile.mkdtemp(prefix="gs-postgres-")
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        return directory

    def make_data(self):
        global _fresh
        if _fresh is None:
            made = os.path.join(self.make_directory(), "data")
            self.run("initdb", "-D", made, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
            _fresh = made
        self.run("/bin/cp", "-a", _fresh, self.data)

    def run(self, program, *arguments):
        done = subprocess.run([*self.guard, os.path.join(self.bin, program), *arguments], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, cwd=self.directory, env={"LC_ALL": "C"})
        if done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self, wait=True):
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.guard, os.path.join(self.bin, "postgres"), "-D", self.data, "-p", str(self.port), "-k",
                 self.directory, "-c", "listen_addresses=127.0.0.1", *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory, env={"LC_ALL": "C"})
        if wait:
            self.wait_ready()

    def wait_ready(self):
        end = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"postgres ended: {self.log()[-2000:]}")
            done = subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", "-h", self.directory, "-p",
                                   str(self.port)], env={"LC_ALL": "C"})
            if done.returncode == 0:
                return
            if time.monotonic() > end:
                raise RuntimeError(f"postgres does not start: {self.log()[-2000:]}")
            time.sleep(0.05)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, number=signal.SIGQUIT):
        """SIGQUIT: at once, as in a crash; SIGINT: ends sessions and writes everything; SIGKILL: kill -9."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None
            # After kill -9 its children notice by themselves, and the lock file stays until they have.
            if number == signal.SIGKILL:
                time.sleep(0.5)

    def restart(self, number=signal.SIGQUIT):
        self.stop(number)
        self.start()

    def url(self, database="postgres", socket=False, user="postgres", port=None):
        if socket:
            return f"postgresql:///{database}?host={self.directory}&port={self.port}&user={user}"
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def query(self, sql, database="postgres"):
        """The answer's rows, as lists of text."""
        done = subprocess.run([os.path.join(self.bin, "psql"), "-X", "-q", "-A", "-t", "-F", "\t", "-v",
                               "ON_ERROR_STOP=1", "-d", self.url(database, socket=True), "-c", sql],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, env={"LC_ALL": "C.UTF-8"})
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def create(self, database):
        self.query(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def close(self):
        if self in _running:
            _running.remove(self)
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Postgres() as server:
        done = subprocess.run(sys.argv[1:], env={**os.environ, "TEST_POSTGRES_URL": server.url(socket=True)})
    sys.exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


if __name__ == "__main__":
    main()
