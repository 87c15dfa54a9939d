"""Who may include what. Arrows point down only: node → gossip → crdt → the public headers."""
import posixpath

import c_source

PURE_LIBC = frozenset(
    "assert.h errno.h float.h inttypes.h limits.h math.h stdalign.h stdarg.h stdbool.h stddef.h stdint.h stdio.h"
    " stdlib.h stdnoreturn.h string.h".split()
)
CORE_LIBC = PURE_LIBC | {"stdatomic.h"}

# Headers of a library that one folder adapts, and only that folder knows.
ADAPTERS = {
    "sqlite3.h": ("node/store/",),
    "libpq-fe.h": ("node/store/",),
    "hiredis/": ("node/cache/",),
    "civetweb.h": ("node/http/",),
    "curl/": ("node/cli/",),
    "libwebsockets.h": ("node/stream/",),
    "uv.h": ("gossip/transport", "node/store/", "node/serve/", "node/cli/"),
    "zstd.h": ("gossip/compress.c",),
    "cmocka.h": (),
}


class Layer:
    """A part of the tree and what its files may include. None: any system header."""

    def __init__(self, name, system, project):
        self.name, self.system, self.project = name, system, project

    def allows(self, path):
        return any(path.startswith(prefix) for prefix in self.project) and (
            self.name in ("gossip transport", "node", "tests") or not is_transport(path)
        )


PUBLIC = "include/globalstate/"
LAYERS = {
    "include": Layer("include", PURE_LIBC | {"sodium.h"}, (PUBLIC,)),
    "crdt": Layer("crdt", PURE_LIBC | {"sodium.h", "msgpack.h"}, (PUBLIC, "crdt/")),
    "gossip": Layer("gossip", PURE_LIBC | {"sodium.h", "zstd.h"}, (PUBLIC, "gossip/")),
    "gossip transport": Layer("gossip transport", None, (PUBLIC, "gossip/")),
    "node/core": Layer("node/core", CORE_LIBC | {"sodium.h"}, (PUBLIC, "gossip/", "node/core/")),
    "node/store": Layer("node/store", None, (PUBLIC, "gossip/", "node/core/", "node/store/")),
    "node": Layer("node", None, (PUBLIC, "gossip/", "node/")),
    "tests": Layer("tests", None, ("",)),
}


def is_transport(path):
    return path.startswith("gossip/transport")


def layer_of(path):
    """The layer that `path` belongs to; None for a place that no arrow leads to."""
    if is_transport(path):
        return LAYERS["gossip transport"]
    for name in ("include", "crdt", "gossip", "node/core", "node/store", "node", "tests"):
        if path.startswith(name + "/"):
            return LAYERS[name]
    return None


def is_pure(path):
    """No clock, socket, file, thread or randomness in these."""
    layer = layer_of(path)
    return layer is not None and layer.name in ("include", "crdt", "gossip", "node/core")


def resolve(path, is_system, name, present):
    """The project's file that an include in `path` names, or None when it is not one of ours."""
    if is_system:
        return "include/" + name if name.startswith("globalstate/") else None
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    return beside if beside in present else posixpath.normpath(name)


def adapter_problem(path, name):
    for header, owners in ADAPTERS.items():
        if name == header or (header.endswith("/") and name.startswith(header)):
            if not path.startswith(owners + ("tests/",)):
                return f"<{name}> belongs to {' and '.join(owners) or 'tests/'}"
    return None


def check(tree):
    for path in tree.c_files:
        layer = layer_of(path)
        if layer is None:
            yield path, 1, "include", "sources live in include/, crdt/, gossip/, node/ and tests/"
            continue
        for line, is_system, name in c_source.includes(tree.text(path)):
            target = resolve(path, is_system, name, tree.present)
            if target is not None:
                if not layer.allows(target):
                    yield path, line, "include", f"{layer.name} must not reach {target}"
            elif layer.system is not None and name not in layer.system:
                yield path, line, "include", f"{layer.name} must not include <{name}>"
            else:
                problem = adapter_problem(path, name)
                if problem:
                    yield path, line, "include", problem


def check_dead_headers(tree):
    """A header that nobody includes."""
    used = set()
    for path in tree.c_files:
        for _, is_system, name in c_source.includes(tree.text(path)):
            target = resolve(path, is_system, name, tree.present)
            if target != path:
                used.add(target)
    for path in tree.c_files:
        if path.endswith(".h") and path not in used:
            yield path, 1, "dead-header", "nobody includes it"
