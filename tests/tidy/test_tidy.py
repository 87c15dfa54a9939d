#!/usr/bin/env python3
"""Shows that each rule fires on a bad sample, once and at the right place, and that a clean tree has no finding."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import rules_layout
import tidy

HERE = os.path.dirname(os.path.abspath(__file__))
MARKER = "TO" "DO"
FUNCTION = "int {name}(int a) {{\n{body}    return a;\n}}\n"
CLEAN = {
    "include/globalstate/README.md": "# Public headers\n",
    "include/globalstate/thing.h": "#ifndef A\n#define A\n#include <stddef.h>\nint thing(int a);\n#endif\n",
    "crdt/README.md": "# Values\n",
    "crdt/meson.build": "crdt_lib = static_library('crdt', files('thing.c'))\n",
    "crdt/thing.c": "#include <globalstate/thing.h>\n\n" + FUNCTION.format(name="thing", body=""),
}


def run(*command):
    return subprocess.run([sys.executable, *command], capture_output=True, text=True)


class Sample(unittest.TestCase):
    """A small clean tree in a folder of its own; a test adds what is bad and names the findings it expects."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="tidy test ")
        self.addCleanup(shutil.rmtree, self.root)
        self.write(CLEAN)
        self.write({".clang-format": "DisableFormat: true\n"})

    def write(self, files):
        for path, text in files.items():
            full = os.path.join(self.root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8", newline="") as file:
                file.write(text)

    def findings(self):
        return [f"{path}:{line}: {rule}" for path, line, rule, _ in tidy.findings(tidy.Tree(self.root))]

    def expect(self, files, *expected):
        self.write(files)
        self.assertEqual(self.findings(), sorted(expected))

    def expect_source(self, path, text, *expected):
        """A source that is built and sits in a folder with a README."""
        folder, name = os.path.split(path)
        build = os.path.join(folder, "meson.build")
        listed = CLEAN.get(build, "") + f"more = files('{name}')\n"
        self.expect({path: text, build: listed, os.path.join(folder, "README.md"): "# Role\n"}, *expected)


class Includes(Sample):
    def test_clean(self):
        self.expect({})

    def test_pure_library_and_the_world(self):
        for header in ("time.h", "pthread.h", "sys/socket.h", "unistd.h", "uv.h", "sqlite3.h"):
            self.expect_source("crdt/bad.c", f"#include <{header}>\n", "crdt/bad.c:1: include")

    def test_upwards(self):
        for path, target in (
            ("crdt/bad.c", "gossip/vector.h"),
            ("gossip/bad.c", "node/core/core.h"),
            ("gossip/bad.c", "gossip/transport_uv.h"),
            ("gossip/bad.c", "crdt/private.h"),
            ("node/core/bad.c", "node/store/store.h"),
            ("node/core/bad.c", "gossip/transport_uv.h"),
            ("node/store/bad.c", "node/http/server.h"),
            ("node/serve/bad.c", "tests/unit/fixture.h"),
            ("include/globalstate/bad.c", "crdt/private.h"),
        ):
            with self.subTest(path=path, target=target):
                self.setUp()
                self.expect_source(path, f'#include "{target}"\n', f"{path}:1: include")

    def test_relative_upwards(self):
        self.expect_source("gossip/bad.c", '/* why */\n#include "../node/core/core.h"\n', "gossip/bad.c:2: include")

    def test_downwards(self):
        transport = "#include <sys/socket.h>\n#include <uv.h>\n"
        self.expect_source("gossip/transport_uv.c", transport)
        self.expect_source("node/core/step.c", "#include <globalstate/thing.h>\n\n#include <sodium.h>\n")
        self.expect_source("node/store/sqlite.c", "#include <sqlite3.h>\n")

    def test_adapter_elsewhere(self):
        self.expect_source("node/serve/bad.c", "#include <sqlite3.h>\n", "node/serve/bad.c:1: include")

    def test_commented_out(self):
        self.expect_source("crdt/good.c", '/*\n#include <time.h>\n*/\n// #include <uv.h>\nint x;\n')

    def test_place_without_a_layer(self):
        self.expect_source("extra/bad.c", "int x;\n", "extra/bad.c:1: include")

    def test_dead_header(self):
        self.expect({"crdt/dead.h": "#ifndef D\n#define D\n#endif\n"}, "crdt/dead.h:1: dead-header")


class Calls(Sample):
    def in_function(self, call):
        return FUNCTION.format(name="f", body=f"    {call};\n")

    def test_banned_everywhere(self):
        for call in ("strcpy(a, b)", "strcat(a, b)", "sprintf(a, b)", "vsprintf(a, b, c)", "gets(a)", "strtok(a, b)",
                     "atoi(a)", "atol(a)", "alloca(1)", "rand()"):
            for path in ("crdt/bad.c", "node/serve/bad.c", "tests/unit/bad.c"):
                with self.subTest(call=call, path=path):
                    self.setUp()
                    self.expect_source(path, self.in_function(call), f"{path}:2: banned-call")

    def test_banned_in_pure_folders(self):
        for call in ("time(NULL)", "gettimeofday(&a, NULL)", "clock_gettime(0, &a)", "randombytes_buf(a, 1)",
                     "crypto_sign_keypair(a, b)", "getenv(a)", "socket(1, 2, 3)", "fopen(a, b)", "open(a, 0)",
                     "printf(a)", "fprintf(a, b)", "pthread_create(a)", "uv_run(a, 0)"):
            for path in ("crdt/bad.c", "gossip/bad.c", "node/core/bad.c"):
                with self.subTest(call=call, path=path):
                    self.setUp()
                    self.expect_source(path, self.in_function(call), f"{path}:2: banned-call")
            self.setUp()
            self.expect_source("gossip/transport_uv.c", self.in_function(call))

    def test_assert(self):
        self.expect_source("node/serve/bad.c", self.in_function("assert(a)"), "node/serve/bad.c:2: banned-call")
        self.setUp()
        self.expect_source("tests/unit/good.c", self.in_function("assert(a)"))

    def test_not_calls(self):
        for call in ('g("time(")', "core->open(a)", "core.send(a)", "my_time(a)", "a = 1 /* time() */",
                     "snprintf(a, 1, b)", "crypto_sign_seed_keypair(a, b, c)", "static_assert(1, \"\")"):
            with self.subTest(call=call):
                self.setUp()
                self.expect_source("crdt/good.c", self.in_function(call))

    def test_own_meaning(self):
        own = "static int accept(int a) {\n    return a;\n}\n\n"
        self.expect_source("crdt/good.c", own + self.in_function("a = accept(a)"))


class Lengths(Sample):
    def test_file(self):
        self.expect_source("crdt/bad.c", "int x;\n" * 800)
        self.expect_source("crdt/bad.c", "int x;\n" * 801, "crdt/bad.c:801: file-length")
        self.setUp()
        python = {"tests/README.md": "# Tests\n", "tests/bad.py": "x = 1\n" * 801}
        self.expect(python, "tests/bad.py:801: file-length")

    def test_function(self):
        self.expect_source("crdt/bad.c", FUNCTION.format(name="f", body="    a++;\n" * 67))
        long = FUNCTION.format(name="f", body="    a++;\n" * 68)
        self.expect_source("crdt/bad.c", long, "crdt/bad.c:1: function-length")

    def test_function_behind_a_table_and_directives(self):
        head = "static const int table[] = {1, 2};\n\n#define M(x) \\\n    { x }\n"
        wide = "int f(int a,\n      int b) {\n" + "    if (a) {\n        b++;\n    }\n" * 23 + "    return b;\n}\n"
        self.expect_source("crdt/bad.c", head + wide, "crdt/bad.c:5: function-length")

    def test_table_is_no_function(self):
        rows = "    {.a = sizeof(int)},\n" * 90
        self.expect_source("crdt/good.c", "static const struct row rows[] = {\n" + rows + "};\n")

    def test_python_function(self):
        body = "def f():\n" + "    x = 1\n" * 70
        self.expect({"tests/README.md": "# Tests\n", "tests/bad.py": body}, "tests/bad.py:1: function-length")

    def test_line(self):
        python = {"tests/README.md": "# Tests\n", "tests/bad.py": "x = 1\n# " + "é" * 118 + "\n"}
        self.expect(python)
        python["tests/bad.py"] = "x = 1\n# " + "é" * 119 + "\n"
        self.expect(python, "tests/bad.py:2: line-length")


class Leftovers(Sample):
    def sample(self, text, *expected):
        self.expect({"tests/README.md": "# Tests\n", "tests/bad.py": text}, *expected)

    def test_blanks(self):
        self.sample("if 1:\n\tx = 1\n", "tests/bad.py:2: blanks")
        self.sample("x = 1 \n", "tests/bad.py:1: blanks")
        self.sample("x = 1\r\n", "tests/bad.py:1: blanks")
        self.sample("x = 1", "tests/bad.py:1: blanks")

    def test_markers(self):
        for marker in (MARKER, "FIX" "ME", "XX" "X", "HA" "CK"):
            self.sample(f"x = 1  # {marker}: later\n", "tests/bad.py:1: marker")
        self.sample("x = 1  # see HACKING.md\n")

    def test_machine_paths(self):
        for path in ("/home/" + "me/x", "/root/" + "x", "/wo" + "rk/x"):
            self.sample(f'x = "{path}"\n', "tests/bad.py:1: machine-path")
        self.sample('x = ["/tmp/x", "/usr/bin", "a/home/b", "/work", "http://h/home/x"]\n')

    def test_shell(self):
        careless = "#!/usr/bin/env bash\ntrue\n"
        self.expect({"tests/README.md": "# Tests\n", "tests/bad.sh": careless}, "tests/bad.sh:1: shell")

    @unittest.skipUnless(rules_layout.clang_format(), "no clang-format of the right version")
    def test_format(self):
        shutil.copy(os.path.join(HERE, "..", "..", ".clang-format"), self.root)
        self.expect_source("crdt/bad.c", "int x;\nint  y;\n", "crdt/bad.c:2: format")


class House(Sample):
    def test_readme(self):
        self.expect({"tests/good.py": "x = 1\n"}, "tests/README.md:1: readme")

    def test_built(self):
        self.expect({"crdt/lost.c": "int x;\n"}, "crdt/lost.c:1: not-built")

    def test_built_from_above(self):
        self.expect({"crdt/types/README.md": "# Types\n", "crdt/types/found.c": "int x;\n",
                     "crdt/meson.build": "files('thing.c', 'types/found.c')\n"})

    def test_listed_in_a_comment(self):
        self.expect({"crdt/lost.c": "int x;\n", "crdt/meson.build": "files('thing.c') # 'lost.c'\n"},
                    "crdt/lost.c:1: not-built")

    def test_only_what_git_would_track(self):
        self.expect({"crdt/lost.c": "int x;\n"}, "crdt/lost.c:1: not-built")
        subprocess.run(["git", "init", "-q", self.root], check=True)
        self.expect({".gitignore": "lost.c\n"})

    def test_program(self):
        program = os.path.join(HERE, "tidy.py")
        self.assertEqual(run(program, self.root).returncode, 0)
        self.write({"crdt/lost.c": "int x;\n"})
        done = run(program, self.root)
        self.assertEqual(done.returncode, 1)
        self.assertIn("crdt/lost.c:1: not-built: no meson.build lists it\n", done.stdout)
        shutil.rmtree(os.path.join(self.root, "crdt"))
        shutil.rmtree(os.path.join(self.root, "include"))
        self.assertEqual(run(program, self.root).returncode, 2)


@unittest.skipUnless(shutil.which("cc") and shutil.which("ar"), "no compiler")
class Arrows(Sample):
    def archive(self, body):
        base = os.path.join(self.root, "sample")
        self.write({"sample.c": f"void *malloc();void f(void) {{ malloc(1); {body} }}\n"})
        subprocess.run(["cc", "-w", "-fno-builtin", "-c", base + ".c", "-o", base + ".o"], check=True)
        subprocess.run(["ar", "rcsT", base + ".a", base + ".o"], check=True)
        return run(os.path.join(HERE, "arrows.py"), base + ".a")

    def test_clean(self):
        self.assertEqual(self.archive("").returncode, 0)

    def test_forbidden(self):
        for name in ("uv_run", "PQexec", "redisCommand", "mg_start", "sqlite3_open", "socket", "connect", "fopen",
                     "clock_gettime", "gettimeofday", "time", "rand", "random", "pthread_create", "__printf_chk"):
            done = self.archive(f"{name}();")
            self.assertEqual(done.returncode, 1, name)
            self.assertRegex(done.stdout, rf"(?m)sample\.o: arrows: reaches {name.removeprefix('__')}$|reaches {name}$")

    def test_names_that_only_look_alike(self):
        self.assertEqual(self.archive("gs_time(); timeout(); random_seeded(); opening();").returncode, 0)

    def test_unreadable(self):
        self.assertNotEqual(run(os.path.join(HERE, "arrows.py"), os.path.join(self.root, "none.a")).returncode, 0)


if __name__ == "__main__":
    unittest.main()
