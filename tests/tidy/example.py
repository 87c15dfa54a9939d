#!/usr/bin/env python3
"""The example of the library's README compiles against the public headers and the library alone, and says what it says.

usage: example.py README CC LIBRARY INCLUDE"""
import pathlib
import re
import subprocess
import sys
import tempfile

EXPECTED = '2 values side by side, decided by last_writer_wins\n{"gold":70,"name":"Bob"}\n'


def main():
    readme, compiler, library, include = sys.argv[1:5]
    found = re.search(r"```c\n(.*?)```", pathlib.Path(readme).read_text(), re.S)
    if not found:
        sys.exit("no example in %s" % readme)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "example.c"
        source.write_text(found.group(1))
        program = pathlib.Path(folder) / "example"
        subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", include, source, library, "-lsodium",
                        "-lm", "-o", program], check=True)
        said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    if said != EXPECTED:
        sys.exit("the example says\n%sinstead of\n%s" % (said, EXPECTED))
    print("the example compiles and says what it should")


if __name__ == "__main__":
    main()
