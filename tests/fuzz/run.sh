#!/usr/bin/env bash
# usage: tests/fuzz/run.sh TARGET OUT [SECONDS [libFuzzer's options]]
# Builds fuzz_TARGET.c with clang's libFuzzer, ASan and UBSan below OUT, and runs it for SECONDS (10) from the seeds and
# what earlier runs found in OUT/corpus. An input that breaks something stays in OUT as TARGET-crash-….
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
target=$1
mkdir -p "$2"
out=$(cd "$2" && pwd -P)
seconds=${3:-10}
shift $(($# < 3 ? $# : 3))

sanitizers=address,undefined
flags=(-std=c11 -D_XOPEN_SOURCE=700 -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all
    "-fsanitize=$sanitizers" -Wall -Wextra -I "$root" -I "$root/include")

# The pure libraries, compiled once for all targets that run at the same time, and again when a source has changed.
build_library() {
    local objects=$out/objects
    exec 9>"$out/lock"
    flock 9
    local -a inputs=("$root/crdt" "$root/gossip" "$root/include" "$root/node/auth" "$root/node/http/framing.c"
        "$root/node/http/target.c" "$root/node/http/fault.c" "$root/tests/fuzz/run.sh")
    if [[ -f $out/library.a && -z $(find "${inputs[@]}" -newer "$out/library.a" -name '*.[chs]*') ]]; then
        return 0
    fi
    rm -rf "$objects" "$out/library.a"
    mkdir -p "$objects"
    find "$root/crdt" "$root/gossip" "$root/node/auth" "$root/node/http/framing.c" "$root/node/http/target.c" \
        "$root/node/http/fault.c" -name '*.c' ! -name 'transport_*' -print0 |
        xargs -0 -P "$(nproc)" -I '{}' sh -c 'source=$1; objects=$2; shift 2
            clang "$@" -fsanitize=fuzzer-no-link -c "$source" -o "$objects/$(basename "$source").o"' \
            sh '{}' "$objects" "${flags[@]}"
    ar rcs "$out/library.a" "$objects"/*.o
}

build_library
exec 9>&- # other targets may go on
clang "${flags[@]}" -fsanitize=fuzzer "$root/tests/fuzz/fuzz_$target.c" "$out/library.a" -lsodium -lzstd -lm \
    -o "$out/fuzz_$target"
python3 "$root/tests/fuzz/seeds.py" "$root/tests/data" "$target" "$out/seeds/$target"
mkdir -p "$out/corpus/$target"
cd "$out"
exec "$out/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 \
    -artifact_prefix="$out/$target-" "$@" "$out/corpus/$target" "$out/seeds/$target"
