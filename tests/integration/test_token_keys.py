"""Keys for tokens in a running node: ids, rotation on SIGHUP, Ed25519, and what `globalstate token` mints.
usage: test_token_keys.py GLOBALSTATE"""
import base64, os, signal, subprocess, sys, tempfile, time, unittest

from cluster import Cluster, wait_for
from http_client import SECRET, token

PROGRAM = sys.argv.pop(1)
EU = "eu-west"
OLD, NEW = "an old HS256 key of 32 bytes or more", "a new HS256 key of 32 bytes or more!"


def base(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class Keys(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.keys = self.file("keys", f"2026-01 HS256 {base(OLD)}\n")
        self.cluster = Cluster(PROGRAM, regions=[EU], start=False)
        self.addCleanup(self.cluster.close)
        self.node = self.cluster[EU]
        self.node.extra = {"JWT_KEYS_FILE": self.keys}
        self.node.start()

    def file(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def reload(self, says):
        before = self.node.log().count(says)
        self.node.send_signal(signal.SIGHUP)
        wait_for("the keys read again", lambda: self.node.log().count(says) > before)

    def mint(self, *args, env=None, status=0):
        done = subprocess.run([PROGRAM, "token", "--subject", "s", "--scopes", "state:read", *args], text=True,
                              capture_output=True, env={**os.environ, **(env or {})}, check=False)
        self.assertEqual(done.returncode, status, done)
        return done.stdout.strip() if status == 0 else done.stderr

    def status(self, bearer, client=None):
        return (client or self.node).call("GET", "/state/player/none", bearer=bearer).status

    def test_rotation(self):
        old = self.mint("--kid", "2026-01", env={"JWT_SECRET": OLD})
        new = self.mint("--kid", "2026-02", env={"JWT_SECRET": NEW})
        wrong = self.mint("--kid", "2026-01", env={"JWT_SECRET": NEW})
        plain = self.mint(env={"JWT_SECRET": OLD})
        kept = self.node.client()  # a connection that outlives the keys
        self.addCleanup(kept.close)
        self.assertEqual([self.status(t) for t in (old, new, wrong, plain)], [404, 401, 401, 404])
        self.assertEqual(self.status(old, kept), 404)
        self.file("keys", f"2026-01 HS256 {base(OLD)}\n2026-02 HS256 {base(NEW)}\n")
        self.reload("keys for tokens read again")
        self.assertEqual([self.status(t) for t in (old, new, wrong)], [404, 404, 401])
        self.file("keys", f"2026-02 HS256 {base(NEW)}\n")
        self.reload("keys for tokens read again")
        self.assertEqual([self.status(t) for t in (old, new, wrong, plain)], [401, 404, 401, 401])
        self.assertEqual(self.status(old, kept), 401)
        self.assertEqual(self.status(token(secret=SECRET)), 404)  # JWT_SECRET goes on beside the file

    def test_a_bad_file_changes_nothing(self):
        old = self.mint("--kid", "2026-01", env={"JWT_SECRET": OLD})
        for text, says in (("nonsense\n", "line 1: expected KID"), ("", "no key"), ("a HS256 AA==\n", "line 1")):
            self.file("keys", text)
            self.reload("the keys for tokens were not taken over")
            self.assertIn(says, self.node.log().splitlines()[-1])
            self.assertEqual(self.status(old), 404)
        os.unlink(self.keys)
        self.reload("the keys for tokens were not taken over")
        self.assertEqual(self.status(old), 404)
        self.assertNotIn(base(OLD), self.node.log())

    def test_ed25519(self):
        secret = os.path.join(self.folder.name, "issuer")
        line = self.cluster.run("keygen", "--region", "issuer", "--out", secret).stdout.split()
        self.file("keys", f"login EdDSA {line[1]}\n")
        self.reload("keys for tokens read again")
        good = self.mint("--key-file", secret, "--kid", "login")
        self.assertEqual(self.status(good), 404)
        self.assertEqual(self.status(self.mint("--key-file", secret, "--kid", "other")), 401)
        self.assertEqual(self.status(self.mint("--key-file", secret)), 404)
        # The public key as an HMAC secret, under the id of the Ed25519 key.
        self.assertEqual(self.status(self.mint("--kid", "login", env={"JWT_SECRET": line[1]})), 401)

    def test_what_is_minted(self):
        env = {"JWT_SECRET": SECRET}
        self.assertEqual(self.status(self.mint("--delay", "300", env=env)), 401)
        self.assertEqual(self.status(self.mint("--minutes", "5", env=env)), 404)
        limited = self.mint("--aggregate", "guild/*", env=env)
        self.assertEqual(self.status(limited), 403)
        for args, says in ((["--kid", ""], "--kid"), (["--kid", "x" * 65], "--kid"), (["--days", "0"], "days"),
                           (["--days", "1", "--minutes", "1"], "choose one"), (["--delay", "-1"], "delay"),
                           (["--secret-file", "a", "--key-file", "b"], "choose one"), (["--minutes", "x"], "minutes")):
            self.assertIn(says, self.mint(*args, env=env, status=2))

    def revoke(self, *args, status=0, **options):
        done = subprocess.run([PROGRAM, "token", "revoke", *args], text=True, capture_output=True, check=False,
                              **options)
        self.assertEqual(done.returncode, status, done)
        return done.stdout if status == 0 else done.stderr

    def test_tokens_are_revoked(self):
        env = {"JWT_SECRET": SECRET}
        deny = self.file("denied", "# nobody yet\n")
        self.node.stop()
        self.node.extra = {"JWT_DENY_FILE": deny}
        self.node.start()
        stolen, good, named = self.mint(env=env), self.mint(env=env), self.mint("--jti", "ada-1", env=env)
        kept = self.node.client()  # a connection that was let in before
        self.addCleanup(kept.close)
        self.assertEqual([self.status(t) for t in (stolen, good, named)], [404, 404, 404])
        self.assertEqual(self.status(stolen, kept), 404)
        with open(deny, "a", encoding="ascii") as file:
            file.write("long-ago 1000\nlater 99999999999\n")
        self.revoke("--deny-file", deny, "--jti", "ada-1", "-", input=stolen + "\n")
        self.reload("keys for tokens read again, 3 tokens are refused")
        self.assertEqual([self.status(t) for t in (stolen, good, named)], [401, 404, 401])
        self.assertEqual(self.status(stolen, kept), 401)
        bodies = [self.node.call("GET", "/state/player/none", bearer=bearer).json for bearer in (stolen, "nonsense")]
        self.assertEqual(*[{k: v for k, v in body.items() if k != "requestId"} for body in bodies])
        with open(deny, encoding="ascii") as file:
            lines = file.read().splitlines()
        self.assertEqual(lines[:3], ["# nobody yet", "later 99999999999", "ada-1"])  # what has expired has left
        self.assertRegex(lines[3], r"^\S{16} \d+$")
        self.assertEqual(len(lines), 4)
        self.file("denied", "")
        self.reload("keys for tokens read again, 0 tokens are refused")
        self.assertEqual(self.status(stolen), 404)

    def test_a_bad_deny_list_changes_nothing(self):
        deny = self.file("denied", "x\n")
        self.node.stop()
        self.node.extra = {"JWT_DENY_FILE": deny}
        self.node.start()
        bad = self.mint("--jti", "x", env={"JWT_SECRET": SECRET})
        self.assertEqual(self.status(bad), 401)
        for text, says in (("a b c\n", "line 1: expected JTI [EXPIRES]"), ("y\na soon\n", "line 2: the time"),
                           ("x" * 129, "line 1: the token's id"), ("a 9999999999999\n", "line 1: the time")):
            self.file("denied", text)
            self.reload("the keys for tokens were not taken over")
            self.assertIn(says, self.node.log().splitlines()[-1])
            self.assertIn("line", self.revoke("--deny-file", deny, "--jti", "z", status=1))
        self.assertEqual(self.status(bad), 401)
        self.assertEqual(self.status(token(jti=5)), 401)  # not a string
        self.assertEqual(self.status(token(jti="y" * 129)), 401)
        self.file("denied", "")
        for args, says in ((["--jti", "a"], "--deny-file"), (["--deny-file", deny], "--deny-file"),
                           (["--deny-file", deny, "--jti", "a b"], "printable"),
                           (["--deny-file", deny, "nonsense"], "not a token"),
                           (["--deny-file", deny, "a.!.c"], "not a token"),
                           (["--deny-file", deny, token()], "no `jti`")):
            self.assertIn(says, self.revoke(*args, status=2 if says == "--deny-file" else 1))
        self.assertIn("--jti", self.mint("--jti", "a#b", env={"JWT_SECRET": SECRET}, status=2))
        self.node.stop()
        os.unlink(deny)
        with self.assertRaises(AssertionError):
            self.node.start()
        self.assertIn(deny, self.node.log())

    def test_a_bad_file_stops_the_start(self):
        self.node.stop()
        self.file("keys", "nonsense\n")
        with self.assertRaises(AssertionError):
            self.node.start()
        self.assertIn(f"{self.keys}, line 1: expected KID ALGORITHM KEY", self.node.log())


if __name__ == "__main__":
    unittest.main()
