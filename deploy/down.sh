#!/usr/bin/env bash
# usage: deploy/down.sh
# Stops the nodes, their TLS proxies and the PostgreSQL server that deploy/up.sh of this folder started. Keys, secrets
# and data stay in var/cluster/.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck source=deploy/nodes.sh
source "$root/deploy/nodes.sh"
# shellcheck source=deploy/proxy.sh
source "$root/deploy/proxy.sh"
# shellcheck source=deploy/postgres.sh
source "$root/deploy/postgres.sh"

case ${1-} in
'') ;;
-h | --help)
    sed -n '2,4s/^# //p' "$0"
    exit 0
    ;;
*)
    echo "down.sh: unknown argument: $1" >&2
    exit 2
    ;;
esac

stopped=0
for region in "${regions[@]}"; do
    if pid=$(proxy_pid "$region"); then
        proxy_stop "$region"
        echo "$region: proxy stopped (process $pid)"
        stopped=$((stopped + 1))
    fi
    if pid=$(node_pid "$region"); then
        node_stop "$region"
        echo "$region stopped (process $pid)"
        stopped=$((stopped + 1))
    else
        rm -f "$cluster/$region/pid"
    fi
done
if pid=$(postgres_pid); then
    postgres_stop
    echo "PostgreSQL stopped (process $pid)"
    stopped=$((stopped + 1))
fi
((stopped > 0)) || echo "nothing was running"
