#!/usr/bin/env bash
# The demonstration's private PostgreSQL server: where it lives, whether it runs, how it starts and stops. To be
# sourced, with `cluster` and `regions` set (deploy/nodes.sh). It listens on a Unix socket only. It refuses to run as
# root: root starts it in a user namespace, where it has another number, or, where there are none, as the user
# `postgres`.
set -euo pipefail

: "${cluster:?the folder of the nodes}" "${regions[0]:?their names}"
postgres_home="$cluster/postgres"
postgres_seconds=60

# The folder of initdb and postgres: the newest that is installed.
postgres_bin() {
    local folder
    folder=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
    [[ -x $folder/initdb ]] || { echo "no PostgreSQL server under /usr/lib/postgresql" >&2; return 1; }
    echo "$folder"
}

# A socket's path may be 107 bytes long, a folder's may be more: the socket has a folder of its own, whose name is kept.
postgres_socket() {
    cat "$postgres_home/socket"
}

postgres_url() { # REGION
    echo "postgresql:///$1?host=$(postgres_socket)&user=globalstate"
}

# The words before a command that make it run as somebody who may run a server, in `as`.
postgres_as() {
    as=()
    ((EUID == 0)) || return 0
    as=(unshare --user --map-user=1000 --map-group=1000)
    if ! "${as[@]}" true 2>/dev/null; then
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        chmod 711 "$cluster" "$postgres_home"
        chown -R postgres: "$postgres_home" "$(postgres_socket)"
        if ! "${as[@]}" test -x "$postgres_home"; then
            echo "the user postgres cannot reach $postgres_home" >&2
            return 1
        fi
    fi
}

# postgres_owns PID: whether PID is this folder's server, by the data folder it was given.
postgres_owns() {
    local arguments
    [[ $1 =~ ^[1-9][0-9]*$ ]] || return 1
    arguments=$(tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline") || return 1
    grep -Fqx "$postgres_home/data" <<<"$arguments" && grep -q 'postgres$' <<<"$arguments"
}

# postgres_pid: prints the process id of the running server; fails when it does not run.
postgres_pid() {
    local pid
    pid=$(cat "$postgres_home/pid" 2>/dev/null) || return 1
    postgres_owns "$pid" && echo "$pid"
}

postgres_make() {
    local bin as
    bin=$(postgres_bin) || return 1
    mkdir -p "$postgres_home"
    if [[ ! -d $(postgres_socket 2>/dev/null || true) ]]; then
        mktemp -d /tmp/globalstate-postgres-XXXXXX >"$postgres_home/socket"
    fi
    postgres_as || return 1
    if [[ ! -f $postgres_home/data/PG_VERSION ]]; then
        rm -rf "$postgres_home/data"
        (cd "$postgres_home" && "${as[@]}" "$bin/initdb" -D "$postgres_home/data" -U globalstate -A trust -E UTF8 \
            --locale=C >>"$postgres_home/log" 2>&1) || return 1
    fi
}

# postgres_start: makes it if need be, starts it unless it runs, makes the regions' databases.
postgres_start() {
    local bin as tries region
    bin=$(postgres_bin) || return 1
    if ! postgres_pid >/dev/null; then
        postgres_make || return 1
        postgres_as || return 1
        (cd "$postgres_home" && exec env -i PATH="$PATH" LC_ALL=C setsid "${as[@]}" "$bin/postgres" \
            -D "$postgres_home/data" -k "$(postgres_socket)" -c listen_addresses= \
            >>"$postgres_home/log" 2>&1 </dev/null 9>&-) &
        echo $! >"$postgres_home/pid"
    fi
    for ((tries = 0; tries < postgres_seconds * 10; tries++)); do
        if "$bin/pg_isready" -q -h "$(postgres_socket)"; then break; fi
        sleep 0.1
    done
    for region in "${regions[@]}"; do
        postgres_has "$region" ||
            "$bin/createdb" -h "$(postgres_socket)" -U globalstate "$region" 2>>"$postgres_home/log" || return 1
    done
}

postgres_has() { # REGION: whether its database is there
    "$(postgres_bin)/psql" -X -q -h "$(postgres_socket)" -U globalstate -d postgres -Atc \
        "SELECT 'yes' FROM pg_database WHERE datname = '$1'" 2>>"$postgres_home/log" | grep -q yes
}

# postgres_stop: ends its sessions and waits until it has written everything. Nothing to do is fine.
postgres_stop() {
    local pid tries
    if pid=$(postgres_pid); then
        kill -INT "$pid" 2>/dev/null || true
        for ((tries = 0; tries < postgres_seconds * 10; tries++)); do
            postgres_owns "$pid" || break
            sleep 0.1
        done
        rmdir "$(postgres_socket)" 2>/dev/null || true # fails while a server still has its socket there
    fi
    rm -f "$postgres_home/pid"
}
