#!/usr/bin/env bash
# usage: deploy/up.sh [--no-demo] [--postgres] [--tls]
# Installs packages, builds, starts the regions eu-west, us-east and ap-south on this machine, replays the bundled
# battle trace through all three and shows that they converged. Run again, it starts what is down and keeps keys,
# secrets and data.
#   --no-demo       leave the replay out
#   --tls           HAProxy before each region, TLS 1.3 on its HTTP port + 3, with deploy/haproxy.cfg; run again, it
#                   reads configuration and certificate (var/cluster/tls/proxy.pem) again
#   --postgres      each region keeps its log in a database of its own, on a private PostgreSQL server under
#                   var/cluster/postgres/, instead of the embedded SQLite; the choice is made by the first run
#   UP_FIRST_PORT   environment: HTTP port of the first region, 8087; the others follow at +10 and +20, gossip at +2
# Data, logs, process ids: var/cluster/REGION/. Stop: deploy/down.sh.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=deploy/packages.sh
source "$root/deploy/packages.sh"
# shellcheck source=deploy/nodes.sh
source "$root/deploy/nodes.sh"
# shellcheck source=deploy/proxy.sh
source "$root/deploy/proxy.sh"
# shellcheck source=deploy/postgres.sh
source "$root/deploy/postgres.sh"

start_seconds=60
converge_seconds=60
log_lines=15
token_days=30
trace="$root/tests/data/battles.jsonl.gz"
demo=yes
store=
said=no
tls=no
started=()
started_postgres=no

die() { # LINE
    echo "up.sh: $1" >&2
    said=yes
    exit "${2-1}"
}

read_arguments() {
    local argument
    for argument in "$@"; do
        case $argument in
        --no-demo) demo=no ;;
        --tls) tls=yes ;;
        --postgres) store=postgres ;;
        --redis) die "$argument is not available yet" 2 ;;
        -h | --help)
            sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) die "unknown argument: $argument (--help lists them)" 2 ;;
        esac
    done
}

# On the way out of a run that failed: stop what this run started, and only that.
clean_up() {
    local status=$? region
    trap - EXIT
    trap '' INT TERM HUP
    if ((status != 0)); then
        [[ $said == yes ]] || echo "up.sh: stopped before its end (status $status)" >&2
        for region in "${started[@]}"; do
            [[ ! -s $cluster/$region/pid ]] || node_settle "$region" "$(<"$cluster/$region/pid")"
            node_stop "$region"
        done
        [[ $started_postgres == no ]] || postgres_stop
    fi
    exit "$status"
}

# One run at a time in this folder; the lock ends with the process.
take_lock() {
    mkdir -p "$cluster"
    chmod 700 "$cluster"
    exec 9>"$cluster/.lock"
    flock -n 9 || die "another up.sh is running in this folder"
}

find_down() {
    local region
    down=()
    for region in "${regions[@]}"; do
        if ! node_pid "$region" >/dev/null; then down+=("$region"); fi
    done
}

check_ports() {
    local region ports=() busy
    for region in "${down[@]}"; do ports+=("${http_port[$region]}" "$(gossip_port "$region")"); done
    busy=$(python3 "$root/deploy/port.py" "${ports[@]}") || die "${busy:-the port check failed}"
}

build() {
    local log="$cluster/build.log" folder="$root/build" wipe=()
    if [[ -f $folder/build.ninja ]]; then
        # A copy or a move of the whole folder leaves a build behind that still points to the old place.
        if [[ $(build_source "$folder") != "$root" ]]; then wipe=(--wipe); fi
    fi
    echo "building (log: $log)"
    : >"$log"
    if [[ ! -f $folder/build.ninja || ${#wipe[@]} -gt 0 ]]; then
        meson setup "${wipe[@]}" --buildtype=debugoptimized "$folder" "$root" >>"$log" 2>&1 9>&- || build_failed "$log"
    fi
    meson compile -C "$folder" globalstate >>"$log" 2>&1 9>&- || build_failed "$log"
    [[ -x $binary ]] || die "the build made no $binary"
}

build_source() { # FOLDER: the source folder that it was configured for
    python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["directories"]["source"])' "$1/meson-info/meson-info.json" 2>/dev/null || true
}

build_failed() { # LOG
    tail -n "$log_lines" "$1" >&2
    die "the build failed: $1"
}

# write_file PATH: stdin becomes the file, whole or not at all, readable by its owner only.
write_file() {
    cat >"$1.new" && mv -f "$1.new" "$1"
}

# A region's data does not move from one store to the other: what the first run chose stays.
choose_store() {
    local chosen
    chosen=$(cat "$cluster/store" 2>/dev/null || true)
    if [[ -z $chosen && -n $(find "$cluster" -mindepth 3 -maxdepth 3 -name 'globalstate.db' -print -quit) ]]; then
        chosen=sqlite
    fi
    if [[ -n $chosen && -n $store && $chosen != "$store" ]]; then
        die "the data under var/cluster is in $chosen; to begin anew: deploy/down.sh && rm -r var/cluster"
    fi
    store=${chosen:-${store:-sqlite}}
    echo "$store" | write_file "$cluster/store"
}

start_store() {
    [[ $store == postgres ]] || return 0
    packages_ensure postgres || { said=yes; exit 1; }
    if ! postgres_pid >/dev/null; then started_postgres=yes; fi
    if ! postgres_start; then
        tail -n "$log_lines" "$postgres_home/log" >&2 || true
        die "PostgreSQL does not start: $postgres_home/log"
    fi
    echo "PostgreSQL: $postgres_home (process $(postgres_pid))"
}

make_secrets() {
    local region line
    for region in "${regions[@]}"; do
        mkdir -p "$cluster/$region"
        if [[ -f $cluster/$region/key ]]; then
            grep -qs "^$region " "$cluster/trust" ||
                die "$cluster/trust has no line for $region: restore it, or move $cluster/$region away to begin anew"
            continue
        fi
        rm -f "$cluster/$region/key.new"
        line=$("$binary" keygen --region "$region" --out "$cluster/$region/key.new") || die "no key for $region"
        { grep -sv "^$region " "$cluster/trust" || true; echo "$line"; } | write_file "$cluster/trust"
        mv "$cluster/$region/key.new" "$cluster/$region/key"
    done
    if [[ ! -s $cluster/jwt-secret ]]; then
        head -c 48 /dev/urandom | base64 -w 0 | write_file "$cluster/jwt-secret"
    fi
    [[ -e $cluster/denied ]] || echo "# JTI EXPIRES: see globalstate token revoke" | write_file "$cluster/denied"
    # Half its life is kept: what was copied out of it a while ago still works.
    if [[ ! -s $cluster/token || -n $(find "$cluster/token" -mtime "+$((token_days / 2))") ||
        $cluster/jwt-secret -nt $cluster/token ]]; then
        "$binary" token --secret-file "$cluster/jwt-secret" --subject operator --days "$token_days" --scopes \
            "admin state:read state:write events:read events:write sync:read sync:write audit:read" |
            write_file "$cluster/token" || die "no token"
    fi
}

start_nodes() {
    local region
    for region in "${down[@]}"; do
        started+=("$region")
        node_start "$region"
    done
    for region in "${regions[@]}"; do wait_for "$region"; done
}

wait_for() { # REGION
    local region=$1 deadline=$((SECONDS + start_seconds))
    until node_answers "$region"; do
        node_pid "$region" >/dev/null || node_failed "$region" "stopped while starting"
        ((SECONDS < deadline)) || node_failed "$region" "is not ready after $start_seconds s"
        sleep 0.2
    done
    echo "$region: $(node_url "$region") (process $(node_pid "$region"))"
}

node_failed() { # REGION WHAT
    tail -n "$log_lines" "$cluster/$1/node.log" >&2
    die "$1 $2: $cluster/$1/node.log"
}

urls() {
    local region
    for region in "${regions[@]}"; do printf -- '--url\n%s\n' "$(node_url "$region")"; done
}

# The trace adds to counters, so it goes in once. A replay that was cut short is repeated under the same run id: nodes
# recognise what they have for a day. `replayed` holds "started RUN-ID", then "done".
replay() {
    local marker="$cluster/replayed" state each run_id
    state=$(cat "$marker" 2>/dev/null || true)
    case $state in
    done)
        echo "the battle trace is in already (it would count twice): not replayed again"
        return
        ;;
    "started "*)
        if [[ -z $(find "$marker" -mmin -1380) ]]; then
            echo "an earlier replay was cut short too long ago to be gone on with. To begin anew:"
            printf '    %q && rm -r %q\n' "$root/deploy/down.sh" "$cluster"
            return
        fi
        echo "an earlier replay was cut short: going on with it"
        run_id=${state#started }
        ;;
    *)
        run_id=$(date +%s).$$
        echo "started $run_id" >"$marker"
        ;;
    esac
    mapfile -t each < <(urls)
    "$binary" replay "$trace" "${each[@]}" --token-file "$cluster/token" --batch 100 --run-id "$run_id" ||
        die "the replay did not end converged; run up.sh again to go on, or begin anew without var/cluster"
    echo "done" >"$marker"
}

# Each region acknowledges what it receives now and then, so that the vectors move by themselves for a moment.
show_convergence() {
    local each report deadline=$((SECONDS + converge_seconds))
    mapfile -t each < <(urls)
    while true; do
        report=$("$binary" status "${each[@]}" --token-file "$cluster/token") ||
            die "the regions' status cannot be read"
        # Equal vectors are the proof; that every region has heard so from every other follows within a second.
        if grep -q '^CONVERGED' <<<"$report" && ! grep -Eq 'behind by [1-9]' <<<"$report"; then break; fi
        if ((SECONDS >= deadline)); then break; fi
        sleep 0.5
    done
    printf '\n%s\n' "$report"
    grep -q '^CONVERGED' <<<"$report" || die "the regions did not converge within $converge_seconds s"
}

# The nodes believe what their proxies say of clients' addresses: nodes.sh names them.
start_proxies() {
    local region deadline=$((SECONDS + start_seconds))
    [[ $tls == yes ]] || return 0
    packages_ensure tls || { said=yes; exit 1; }
    proxy_make_certificate || die "no certificate: $cluster/tls/openssl.log"
    for region in "${regions[@]}"; do
        proxy_start "$region" || die "$(tail -n 1 "$cluster/$region/proxy.log")"
    done
    for region in "${regions[@]}"; do
        until proxy_answers "$region"; do
            ((SECONDS < deadline)) || die "the proxy of $region does not answer: $cluster/$region/proxy.log"
            sleep 0.1
        done
        echo "$region: $(proxy_url "$region") (HAProxy, process $(proxy_pid "$region"))"
    done
    printf 'Try: curl -s --cacert %q %s/health\n' "$cluster/tls/certificate.pem" "$(proxy_url eu-west)"
}

show_lines_to_try() {
    local token
    printf -v token '%q' "$cluster/token"
    cat <<LINES

Try (the token is in var/cluster/token):
    TOKEN=\$(cat $token)
    curl -s -H "Authorization: Bearer \$TOKEN" $(node_url eu-west)/state/world/arena
    curl -s -H "Authorization: Bearer \$TOKEN" -H 'Content-Type: application/json' $(node_url us-east)/events \\
        -d '{"aggregateType":"player","aggregateId":"me","eventType":"player.won",
             "ops":[{"op":"increment","path":"/wins","by":1}]}'
    curl -s -H "Authorization: Bearer \$TOKEN" $(node_url ap-south)/state/player/me
    curl -s $(node_url eu-west)/health
Stop: $(printf '%q' "$root/deploy/down.sh")
LINES
}

main() {
    read_arguments "$@"
    umask 077
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    packages_ensure run || { said=yes; exit 1; }
    take_lock
    choose_store
    find_down
    ((${#down[@]} == 0)) || check_ports
    build
    make_secrets
    start_store
    start_nodes
    [[ $demo == no ]] || replay
    show_convergence
    show_lines_to_try
    start_proxies
}

main "$@"
