"""A node's disk that is full, read-only or broken.  usage: test_disk.py GLOBALSTATE FAIL-FSYNC

Needs root and a mount namespace of its own; where there is none the tests are skipped.
"""
import os, shlex, shutil, subprocess, sys, tempfile, time, unittest

from cluster import Cluster, wait_for

PROGRAM, FAIL_FSYNC = (os.path.abspath(path) for path in (sys.argv.pop(1), sys.argv.pop(1)))
SANITIZED = b"__asan_init" in open(PROGRAM, "rb").read() or b"__tsan_init" in open(PROGRAM, "rb").read()

# The node's data folder is a small file system that only the node sees.
WRAPPER = """#!/bin/sh
if [ "$1" = serve ]; then
    mkdir -p "$GS_DATA_DIR"
    exec unshare --mount sh -c 'mount -t tmpfs -o {options} tmpfs "$GS_DATA_DIR" && exec "$0" "$@"' {program} "$@"
fi
exec {program} "$@"
"""


def can_mount():
    return subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


class OnDisk:
    """A cluster of one node on a disk with these mount options."""

    def __init__(self, options):
        self.directory = tempfile.TemporaryDirectory(prefix="gs-disk-")
        wrapper = os.path.join(self.directory.name, "globalstate")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(WRAPPER.format(options=options, program=shlex.quote(PROGRAM)))
        os.chmod(wrapper, 0o755)
        self.cluster = Cluster(wrapper, regions=("eu-west",), start=False)
        self.node = self.cluster["eu-west"]

    def path(self, name):
        """A file on the node's disk, as this process reaches it."""
        return f"/proc/{self.node.process.pid}/root{self.node.environment()['GS_DATA_DIR']}/{name}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cluster.close()
        self.directory.cleanup()


def event(size=0):
    return {"aggregateType": "a", "aggregateId": "b", "eventType": "x", "data": {"pad": "x" * size},
            "ops": [{"op": "increment", "path": "/n", "by": 1}]}


class Disk(unittest.TestCase):
    @unittest.skipUnless(can_mount(), "no mount namespace")
    def test_full(self):
        """Refused while it is full, served again when there is room, and every request counts once."""
        with OnDisk("size=6m") as disk:
            node = disk.node
            node.start()
            with open(disk.path("ballast"), "wb") as file:
                file.write(b"x" * 2**20)
            key, answer = 0, None
            while answer is None or answer.status == 201:
                key += 1
                self.assertLess(key, 1000, "the disk does not fill up")
                answer = node.call("POST", "/events", event(100000), {"Idempotency-Key": f"k{key}"})
                if answer.status == 201:
                    self.assertEqual(node.state("a/b"), {"n": key})  # there is a view of it
            self.assertEqual((answer.status, answer.json["code"]), (503, "store_outcome_unknown"), answer)
            self.assertEqual(answer.headers["retry-after"], "1")
            self.assertIn("full", node.log())
            self.assertEqual(node.call("GET", "/state/a/b").status, 200)
            self.assertEqual(node.call("GET", "/health").json["checks"]["store"]["status"], "down")
            refused = node.call("POST", "/events", event(), {"Idempotency-Key": "other"})
            self.assertEqual((refused.status, refused.json["code"]), (503, "store_unavailable"), refused)
            os.unlink(disk.path("ballast"))
            wait_for("there is room again", node.ready)
            for again in (f"k{key}", "k1", f"k{key}"):
                body = event(100000)
                self.assertIn(node.call("POST", "/events", body, {"Idempotency-Key": again}).status, (200, 201))
            self.assertEqual(node.state("a/b"), {"n": key})
            self.assertEqual(node.call("POST", "/events", event(), {"Idempotency-Key": "other"}).status, 201)
            self.assertEqual(node.state("a/b"), {"n": key + 1})
            self.assertTrue(node.alive())

    @unittest.skipUnless(can_mount(), "no mount namespace")
    def test_read_only(self):
        """No start, and one line that says why."""
        with OnDisk("ro,size=1m") as disk:
            disk.node.start(wait=False)
            self.assertNotEqual(disk.node.wait(), 0)
            self.assertIn("Read-only file system", disk.node.log())
            self.assertEqual(len(disk.node.log().strip().splitlines()), 1, disk.node.log())

    @unittest.skipIf(SANITIZED, "a sanitizer's runtime comes before everything else")
    def test_fsync_fails_once(self):
        """The node stops, whatever fsync says afterwards; what was acknowledged is there at the next start."""
        with tempfile.TemporaryDirectory(prefix="gs-disk-") as directory:
            trigger = os.path.join(directory, "fail")
            preload = shutil.copy(FAIL_FSYNC, directory)  # LD_PRELOAD takes no path with a blank in it
            cluster = Cluster(PROGRAM, regions=("eu-west",), start=False, LD_PRELOAD=preload, FAIL_FSYNC_IF=trigger)
            try:
                node = cluster["eu-west"]
                node.start()
                for _ in range(10):
                    self.assertEqual(node.call("POST", "/events", event()).status, 201)
                time.sleep(0.2)  # what is written behind is written
                with open(trigger, "w", encoding="utf-8"):
                    pass
                try:
                    answer = node.call("POST", "/events", event())
                    self.assertEqual(answer.status, 503, answer)
                except (OSError, EOFError):
                    pass
                self.assertEqual(node.wait(), 1)
                self.assertIn("input/output error", node.log())
                self.assertFalse(os.path.exists(trigger), "no fsync has failed")
                node.start()
                self.assertIn(node.state("a/b")["n"], (10, 11))
                self.assertEqual(node.call("POST", "/events", event()).status, 201)
            finally:
                cluster.close()


if __name__ == "__main__":
    unittest.main()
