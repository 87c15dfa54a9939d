#!/usr/bin/env bash
# The TLS proxies of the demonstration: one HAProxy a region, on the region's HTTP port + 3, with deploy/haproxy.cfg.
# To be sourced after nodes.sh.
set -euo pipefail

: "${root:?the folder of the repository}" "${cluster:?}"
proxy_config="$root/deploy/haproxy.cfg"
proxy_cert="$cluster/tls/proxy.pem"
proxy_certificate_days=365

proxy_port() { # REGION
    local url
    url=$(node_url "$1")
    echo $((${url##*:} + 3))
}

proxy_url() { # REGION
    echo "https://localhost:$(proxy_port "$1")"
}

# proxy_pid REGION: prints the process id of the region's running proxy; fails when it does not run. One that has the
# number but not our pid file among its arguments is somebody else's.
proxy_pid() {
    local pid arguments
    pid=$(cat "$cluster/$1/proxy.pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[1-9][0-9]*$ ]] || return 1
    arguments=$(tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline") || return 1
    grep -Fqx "$cluster/$1/proxy.pid" <<<"$arguments" && echo "$pid"
}

# A certificate of our own for this machine, unless there is one already: put your own there.
proxy_make_certificate() {
    [[ ! -s $proxy_cert ]] || return 0
    mkdir -p "$cluster/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days "$proxy_certificate_days" \
        -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
        -keyout "$cluster/tls/key.new" -out "$cluster/tls/certificate.pem" >"$cluster/tls/openssl.log" 2>&1 || return 1
    cat "$cluster/tls/certificate.pem" "$cluster/tls/key.new" >"$proxy_cert.new" && mv "$proxy_cert.new" "$proxy_cert"
    rm -f "$cluster/tls/key.new"
}

# proxy_run REGION ARGUMENT…: haproxy with this region's settings.
proxy_run() {
    local region=$1 node
    node=$(node_url "$region")
    shift
    env -i PATH="$PATH:/usr/sbin" GS_PROXY_BIND="127.0.0.1:$(proxy_port "$region")" GS_PROXY_CERT="$proxy_cert" \
        GS_PROXY_NODE="${node#http://}" "$@"
}

# proxy_start REGION: starts it, or lets a running one read configuration and certificate again.
proxy_start() {
    local region=$1 pid log="$cluster/$1/proxy.log"
    proxy_run "$region" haproxy -c -q -f "$proxy_config" >>"$log" 2>&1 || return 1
    if pid=$(proxy_pid "$region"); then
        kill -USR2 "$pid"
        return 0
    fi
    rm -f "$cluster/$region/proxy.pid"
    proxy_run "$region" setsid haproxy -W -f "$proxy_config" -p "$cluster/$region/proxy.pid" \
        >>"$log" 2>&1 </dev/null 9>&- &
}

# proxy_answers REGION: whether the node can be reached through it.
proxy_answers() {
    curl -fsS --noproxy '*' --max-time 2 --cacert "$cluster/tls/certificate.pem" "$(proxy_url "$1")/health/ready" \
        2>/dev/null | grep -q "\"region\" *: *\"$1\""
}

# proxy_stop REGION: nothing to do is fine.
proxy_stop() {
    local pid tries
    if pid=$(proxy_pid "$1"); then
        kill -TERM "$pid" 2>/dev/null || true
        for ((tries = 0; tries < 100; tries++)); do
            proxy_pid "$1" >/dev/null || break
            sleep 0.1
        done
        if proxy_pid "$1" >/dev/null; then kill -KILL "$pid" 2>/dev/null || true; fi
    fi
    rm -f "$cluster/$1/proxy.pid"
}
