#!/usr/bin/env bash
# usage: tests/run.sh [--quick] [--builds PREFIX]
# Installs packages, builds three times (plain, ASan + UBSan, TSan), runs every test where it belongs, prints one line a
# layer. Exit 0 only when everything passed.
#   --quick           the plain build only
#   --builds PREFIX   where to build: PREFIX, PREFIX-asan, PREFIX-tsan; default: build in this folder
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=deploy/packages.sh
source "$root/deploy/packages.sh"

# Which suites run in which build: threads only live in the shell around the cores, so TSan looks there.
declare -A suites=(
    [plain]="tidy unit property conformance simulation integration mutants deploy fuzz"
    [asan]="unit property conformance simulation integration"
    [tsan]="conformance integration"
)
declare -A options=(
    [plain]="--buildtype=debugoptimized"
    [asan]="--buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false"
    [tsan]="--buildtype=debugoptimized -Db_sanitize=thread -Db_lundef=false"
)
declare -A patience=([plain]=1 [asan]=4 [tsan]=6)
kinds=(plain asan tsan)
prefix="$root/build"
failed=0
no_randomised_layout=()

export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

read_arguments() {
    while (($# > 0)); do
        case $1 in
        --quick) kinds=(plain) ;;
        --builds)
            (($# > 1)) || { echo "run.sh: --builds needs a value" >&2; exit 2; }
            prefix=$2
            shift
            ;;
        -h | --help)
            sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *)
            echo "run.sh: unknown argument: $1" >&2
            exit 2
            ;;
        esac
        shift
    done
    mkdir -p "$(dirname "$prefix")"
    prefix="$(cd "$(dirname "$prefix")" && pwd -P)/$(basename "$prefix")"
}

build_folder() { # KIND
    if [[ $1 == plain ]]; then echo "$prefix"; else echo "$prefix-$1"; fi
}

row() { # LAYER RESULT SECONDS
    printf '%-20s %-44s %5d s\n' "$1" "$2" "$3"
}

build() { # KIND
    local folder log since=$SECONDS setup=()
    folder=$(build_folder "$1")
    log="$folder.log"
    read -ra setup <<<"${options[$1]}"
    if [[ -f $folder/build.ninja ]]; then setup+=(--reconfigure); fi
    if meson setup "${setup[@]}" "$folder" "$root" >"$log" 2>&1 && meson compile -C "$folder" >>"$log" 2>&1; then
        row "$1 build" "built" $((SECONDS - since))
        mv -f "$log" "$folder/build.log"
        return 0
    fi
    row "$1 build" "FAILED" $((SECONDS - since))
    grep -E 'error|ERROR|FAILED' "$log" | head -n 5 || true
    tail -n 20 "$log"
    return 1
}

run_suite() { # KIND SUITE
    local folder since=$SECONDS wrap=()
    folder=$(build_folder "$1")
    if [[ $1 == tsan ]]; then wrap=("${no_randomised_layout[@]}"); fi
    rm -f "$folder/meson-logs/$2.json"
    "${wrap[@]}" meson test -C "$folder" --no-rebuild --suite "$2" --logbase "$2" -t "${patience[$1]}" \
        >"$folder/meson-logs/$2.out" 2>&1 || true
    local result status=0
    result=$(python3 "$root/tests/summary.py" count "$folder/meson-logs/$2.json") || status=1
    row "$1 $2" "$result" $((SECONDS - since))
    if ((status != 0)); then
        python3 "$root/tests/summary.py" failures "$folder/meson-logs/$2.json" || tail -n 20 "$folder/meson-logs/$2.out"
    fi
    return "$status"
}

run_kind() { # KIND
    local suite present
    build "$1" || { failed=1; return 0; }
    present=$(python3 "$root/tests/summary.py" suites "$(build_folder "$1")")
    for suite in ${suites[$1]}; do
        if grep -Fqx "$suite" <<<"$present"; then
            run_suite "$1" "$suite" || failed=1
        fi
    done
    # A suite that no build runs would be a test that cannot fail.
    for suite in $present; do
        if [[ $1 == plain && " ${suites[plain]} " != *" $suite "* ]]; then
            row "plain $suite" "FAILED: run.sh does not know this suite" 0
            failed=1
        fi
    done
}

main() {
    read_arguments "$@"
    packages_ensure test || exit 1
    # GCC 12's TSan wants less randomness in the address space than newer kernels give.
    if setarch -R true 2>/dev/null; then no_randomised_layout=(setarch -R); fi
    local kind
    for kind in "${kinds[@]}"; do run_kind "$kind"; done
    if ((failed != 0)); then
        row "everything" "FAILED" "$SECONDS"
        exit 1
    fi
    row "everything" "passed" "$SECONDS"
}

main "$@"
