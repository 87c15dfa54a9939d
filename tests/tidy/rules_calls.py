"""Calls that no file may make, and calls that the pure folders may not make."""
import re

import c_source
import rules_include

EVERYWHERE = {
    "strcpy|strcat|sprintf|vsprintf|gets": "no bound; use snprintf or a gs_buffer",
    "strtok": "hidden state; scan by hand",
    "atoi|atol|atoll|atof": "cannot report an error; use strtol and look at its end",
    "alloca": "stack without a bound; use an arena or malloc",
    "tmpnam|mktemp|tempnam": "a race; use mkstemp",
    "rand|srand|random|srandom|[dlm]rand48|rand_r": "not reproducible, not secure; seed a generator of your own",
}
PURE = {
    "time|gettimeofday|clock_gettime|clock|timespec_get|localtime(?:_r)?|gmtime(?:_r)?|mktime|strftime|sleep|usleep"
    "|nanosleep": "time is an input",
    "randombytes\\w*|getrandom|getentropy|arc4random\\w*|crypto_\\w+_keypair(?<!_seed_keypair)|crypto_\\w+_keygen":
        "randomness is an input",
    "getenv|secure_getenv|setenv|putenv": "configuration is an input",
    "socket|connect|bind|listen|accept4?|send|sendto|sendmsg|recv|recvfrom|recvmsg|poll|select|epoll_\\w+|getaddrinfo":
        "no sockets here",
    "fopen|freopen|fdopen|fclose|fread|fwrite|fgets|fgetc|fputs|fputc|fscanf|fflush|open|openat|close|read|write|pread"
    "|pwrite|fsync|stat|fstat|unlink|remove|rename|mkdir|mmap": "no files here",
    "printf|fprintf|vprintf|vfprintf|dprintf|puts|putchar|perror|syslog|scanf": "libraries never log",
    "system|popen|fork|exec[lv]p?e?|kill|signal|sigaction|exit|_exit|_Exit|quick_exit|atexit": "no processes here",
    "pthread_\\w+|thrd_\\w+|mtx_\\w+|cnd_\\w+": "no threads here",
    "uv_\\w+|PQ\\w+|redis\\w+|mg_\\w+|sqlite3_\\w+": "an adapter's library",
}
ASSERT = "checks vanish with NDEBUG and abort a server; return a GS_E… code (static_assert is welcome)"


def check(tree):
    for path in tree.c_files:
        bans = dict(EVERYWHERE)
        if rules_include.is_pure(path):
            bans.update(PURE)
        if not path.startswith("tests/"):
            bans["assert"] = ASSERT
        for names, instead in bans.items():
            for line, name in c_source.calls(tree.text(path), names):
                if names in EVERYWHERE or names == "assert" or not is_own(tree.text(path), name):
                    yield path, line, "banned-call", f"{name}: {instead}"


def is_own(text, name):
    """Whether the file gives the name a meaning of its own: a static function, or a pointer that is handed in."""
    return re.search(rf"\(\*{name}\)\(|^static [^;{{}}=]*?\b{name}\(", c_source.strip(text), re.MULTILINE) is not None
