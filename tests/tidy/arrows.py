#!/usr/bin/env python3
"""Proves from what was built that the pure libraries reach no clock, socket, file, thread or adapter.

usage: arrows.py ARCHIVE…

Reads the undefined symbols of each static archive with nm and names each forbidden one. Exit 1 when there is one.
"""
import re
import subprocess
import sys

FORBIDDEN = re.compile(
    r"^(?:uv_\w+|PQ\w+|redis\w+|mg_\w+|sqlite3_\w+|lws_\w+|pthread_\w+|thrd_\w+|mtx_\w+|randombytes\w*"
    r"|(?:socket|connect|bind|listen|accept4?|send|sendto|recv|recvfrom|poll|select|getaddrinfo"
    r"|fopen|fdopen|fread|fwrite|fputs|open|openat|read|write|close|fsync|unlink|rename|mmap"
    r"|printf|fprintf|puts|perror|stdin|stdout|stderr"
    r"|clock_gettime|gettimeofday|clock|time|nanosleep|usleep|sleep|localtime_r|gmtime_r"
    r"|rand|srand|random|srandom|getrandom|getentropy|arc4random"
    r"|getenv|setenv|fork|execve|system|popen|exit|_exit|signal|sigaction)(?:64|_chk)?)$"
)


def undefined(archive):
    """(object, symbol) for each symbol that an object of the archive wants from elsewhere."""
    done = subprocess.run(["nm", "--undefined-only", "--print-file-name", archive], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"arrows: nm cannot read {archive}: {done.stderr.strip()}")
    found = []
    for line in done.stdout.splitlines():
        place, _, symbol = line.strip().rpartition(" ")
        found.append((place.split(":")[-2].strip() if place.count(":") > 1 else archive, symbol.split("@")[0]))
    return found


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: arrows.py ARCHIVE…")
    bad = 0
    for archive in sys.argv[1:]:
        symbols = undefined(archive)
        if not symbols:
            sys.exit(f"arrows: {archive} wants nothing at all: not the library that was meant")
        for where, symbol in symbols:
            if FORBIDDEN.match(symbol.removeprefix("__")):
                print(f"{archive}: {where}: arrows: reaches {symbol}")
                bad += 1
    print(f"arrows: {len(sys.argv) - 1} libraries, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
