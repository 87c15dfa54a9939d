#!/usr/bin/env bash
# The demonstration's nodes: where they live, whether they run, how they start and stop. To be sourced, with `root` set
# to the folder of the repository.
set -euo pipefail

: "${root:?the folder of the repository}"
cluster="$root/var/cluster"
binary="$root/build/node/cli/globalstate"
regions=(eu-west us-east ap-south)
first_port=${UP_FIRST_PORT:-8087}
declare -A http_port=([eu-west]=$first_port [us-east]=$((first_port + 10)) [ap-south]=$((first_port + 20)))
stop_seconds=15

gossip_port() { # REGION
    echo $((http_port[$1] + 2))
}

node_url() { # REGION
    echo "http://127.0.0.1:${http_port[$1]}"
}

# node_owns REGION PID: whether PID is this region's node, by the data folder it was given; a process id that was used
# again, or another copy's node, is not.
node_owns() {
    local arguments environment
    [[ $2 =~ ^[1-9][0-9]*$ ]] || return 1
    arguments=$(tr '\0' ' ' 2>/dev/null <"/proc/$2/cmdline") || return 1
    environment=$(tr '\0' '\n' 2>/dev/null <"/proc/$2/environ") || return 1
    [[ $arguments == *globalstate*\ serve* ]] && grep -Fqx "GS_DATA_DIR=$cluster/$1/data" <<<"$environment"
}

# node_pid REGION: prints the process id of the region's running node; fails when it does not run.
node_pid() {
    local pid
    pid=$(cat "$cluster/$1/pid" 2>/dev/null) || return 1
    node_owns "$1" "$pid" && echo "$pid"
}

# node_start REGION: starts it in a session of its own, with nothing from this environment, and writes its process id.
# Does not wait until it answers.
node_start() {
    local region=$1 other seeds=() database=()
    for other in "${regions[@]}"; do
        [[ $other == "$region" ]] || seeds+=("127.0.0.1:$(gossip_port "$other")")
    done
    mkdir -p "$cluster/$region/data"
    rm -f "$cluster/$region/pid"
    if [[ $(cat "$cluster/store" 2>/dev/null) == postgres ]]; then
        database=("DATABASE_URL=$(postgres_url "$region")")
    fi
    env -i PATH="$PATH" "${database[@]}" GS_REGION="$region" GS_CLUSTER=demo \
        SERVER_ADDR="127.0.0.1:${http_port[$region]}" GOSSIP_ADDR="127.0.0.1:$(gossip_port "$region")" \
        GS_SEEDS="$(IFS=,; echo "${seeds[*]}")" GS_KEY_FILE="$cluster/$region/key" GS_TRUST_FILE="$cluster/trust" \
        GS_DATA_DIR="$cluster/$region/data" JWT_SECRET_FILE="$cluster/jwt-secret" \
        JWT_DENY_FILE="$cluster/denied" \
        GS_TRUSTED_PROXIES=127.0.0.1 \
        setsid "$binary" serve >>"$cluster/$region/node.log" 2>&1 </dev/null 9>&- &
    echo $! >"$cluster/$region/pid"
    node_settle "$region" $!
}

# node_settle REGION PID: waits until a process that was just started has become the node, or is gone.
node_settle() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if node_owns "$1" "$2" || ! kill -0 "$2" 2>/dev/null; then return 0; fi
        sleep 0.05
    done
}

# node_stop REGION: asks it to stop, waits, kills it when it does not. Nothing to do is fine.
node_stop() {
    local pid tries
    if pid=$(node_pid "$1"); then
        kill -TERM "$pid" 2>/dev/null || true
        for ((tries = 0; tries < stop_seconds * 10; tries++)); do
            node_owns "$1" "$pid" || break
            sleep 0.1
        done
        if node_owns "$1" "$pid"; then
            echo "$1 (process $pid) did not stop within $stop_seconds s: killed" >&2
            kill -KILL "$pid" 2>/dev/null || true
            while node_owns "$1" "$pid"; do sleep 0.1; done
        fi
    fi
    rm -f "$cluster/$1/pid"
}

# node_answers REGION: whether it says that it is ready for requests, and that it is this region.
node_answers() {
    curl -fsS --noproxy '*' --max-time 2 "$(node_url "$1")/health/ready" 2>/dev/null | grep -q "\"region\" *: *\"$1\""
}
