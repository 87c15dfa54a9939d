#!/usr/bin/env python3
"""Says whether TCP ports of 127.0.0.1 are free.

usage: port.py PORT…

Prints one line for the first port that is taken, with the process that holds it where that can be seen. Exit 1 then.
"""
import glob
import os
import socket
import sys

LISTEN = "0A"


def is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def listening_inodes(port):
    """The socket inodes that listen on `port`, from /proc/net."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as rows:
                for row in list(rows)[1:]:
                    column = row.split()
                    if column[3] == LISTEN and int(column[1].rpartition(":")[2], 16) == port:
                        found.add(column[9])
        except OSError:
            continue
    return found


def owner(port):
    """`name (process N)` of who listens on `port`, or None when it cannot be seen."""
    wanted = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link) in wanted:
                process = link.split("/")[2]
                with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as name:
                    return f"{name.read().strip()} (process {process})"
        except OSError:
            continue
    return None


def main():
    for port in map(int, sys.argv[1:]):
        if not is_free(port):
            print(f"port {port} is in use by {owner(port) or 'a process of another user'}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
