#!/usr/bin/env bash
# usage: front_door.sh SOURCE
# Does what a newcomer does, in a copy of the sources in a folder with spaces and on ports of its own: up, up again, a
# node killed, a port that is taken, a node that fails, down.
set -euo pipefail
source=$1
export UP_FIRST_PORT=${UP_FIRST_PORT:-18087}
home=$(mktemp -d "${TMPDIR:-/tmp}/front door XXXXXX") # a folder whose name has spaces
copy="$home/a clone"
cluster="$copy/var/cluster"
squatter=

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

clean_up() {
    [[ -z $squatter ]] || kill "$squatter" 2>/dev/null || true
    "$copy/deploy/down.sh" >/dev/null 2>&1 || true
    rm -rf "$home"
}
trap clean_up EXIT

# expect STATUS COMMAND…: runs it from another folder; what it said is in `said`, its errors in `complained`.
expect() {
    local wanted=$1 status=0
    shift
    said=$(cd / && "$@" 2>"$home/errors") || status=$?
    complained=$(<"$home/errors")
    ((status == wanted)) || fail "$* ended with $status, not $wanted: $said $complained"
}

# running: the process ids of the nodes of this copy, by their data folder.
running() {
    local environment
    for environment in /proc/[0-9]*/environ; do
        if { tr '\0' '\n' <"$environment"; } 2>/dev/null | grep -Fq "GS_DATA_DIR=$cluster/"; then
            basename "$(dirname "$environment")"
        fi
    done
}

count_running() {
    running | wc -l
}

copy_sources() {
    local -a files=()
    cd "$source"
    while IFS= read -r -d '' file; do
        if [[ -f $file ]]; then files+=("$file"); fi
    done < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard)
    ((${#files[@]} > 0)) || fail "git lists no sources under $source"
    mkdir -p "$copy"
    tar -cf - "${files[@]}" | tar -C "$copy" -xf -
}

check_refusals() {
    expect 2 "$copy/deploy/up.sh" --redis
    [[ $complained == *"not available yet"* ]] || fail "--redis: $complained"
    expect 2 "$copy/deploy/up.sh" --nonsense
    expect 0 "$copy/deploy/down.sh"
}

check_busy_port() {
    local port=$((UP_FIRST_PORT + 12))
    python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)' "$port" &
    squatter=$!
    while python3 "$copy/deploy/port.py" "$port" >/dev/null; do sleep 0.1; done
    expect 1 "$copy/deploy/up.sh" --no-demo
    [[ $complained == *"port $port is in use by "*"(process $squatter)"* && $complained != *$'\n'* ]] ||
        fail "busy port: $complained"
    (($(count_running) == 0)) || fail "a busy port left nodes behind"
    kill "$squatter"
    wait "$squatter" 2>/dev/null || true
    squatter=
}

check_up() {
    expect 0 "$copy/deploy/up.sh" --no-demo
    [[ $said == *CONVERGED* && $said == *"eu-west: http://127.0.0.1:$UP_FIRST_PORT"* ]] || fail "up: $said"
    (($(count_running) == 3)) || fail "not three nodes"
    local file
    for file in token jwt-secret trust {eu-west,us-east,ap-south}/key; do
        [[ $(stat -c %a "$cluster/$file") == 600 ]] || fail "$file can be read by others"
    done
}

# The lines that up.sh prints do what they say: a write in one region shows in another.
check_lines_to_try() {
    local lines shown tries
    lines=$(sed -n '/^Try/,/^Stop/p' <<<"$said" | sed '1d;$d')
    bash -c "set -e; $lines" >"$home/tried" || fail "a line to try fails: $lines"
    for ((tries = 0; tries < 50; tries++)); do
        shown=$(bash -c "set -e; $lines" 2>&1 | tail -c 4000)
        if [[ $shown == *'"wins":'* && $shown == *'"region":"ap-south"'* ]]; then return 0; fi
        sleep 0.2
    done
    fail "the lines to try show no replicated write: $shown"
}

check_again() {
    local before secrets
    before=$(running)
    secrets=$(cat "$cluster"/{jwt-secret,trust,*/key} | sha256sum)
    expect 0 "$copy/deploy/up.sh" --no-demo
    [[ $(running) == "$before" ]] || fail "a second run touched running nodes"
    kill -KILL "$(<"$cluster/us-east/pid")"
    expect 0 "$copy/deploy/up.sh" --no-demo
    (($(count_running) == 3)) || fail "the killed node did not come back"
    [[ $(cat "$cluster"/{jwt-secret,trust,*/key} | sha256sum) == "$secrets" ]] || fail "a secret changed"
}

check_failing_node() {
    expect 0 "$copy/deploy/down.sh"
    (($(count_running) == 0)) || fail "down.sh left nodes running"
    mv "$cluster/ap-south/key" "$home/key"
    echo "no key" >"$cluster/ap-south/key"
    expect 1 "$copy/deploy/up.sh" --no-demo
    [[ $(tail -n 1 <<<"$complained") == "up.sh: ap-south "*"node.log" ]] || fail "failing node: $complained"
    (($(count_running) == 0)) || fail "a failing node left others behind"
    mv "$home/key" "$cluster/ap-south/key"
}

# fetch STATUS ARGUMENT…: curl to the first region's proxy, which must answer with the status.
fetch() {
    local wanted=$1
    shift
    said=$(curl -s --noproxy '*' --max-time 10 -o "$home/body" -w '%{http_code} %{http_version} %{ssl_verify_result}' \
        --cacert "$cluster/tls/certificate.pem" "$@") || true
    [[ $said == "$wanted "* ]] || fail "curl $* answered $said: $(head -c 300 "$home/body" 2>/dev/null)"
}

# TLS 1.3 at the proxy, the client's address at the node, a certificate that changes under open connections, a node that
# goes and comes, and down again.
check_tls() {
    local url="https://localhost:$((UP_FIRST_PORT + 3))" token before serial
    expect 0 "$copy/deploy/up.sh" --no-demo --tls
    [[ $said == *"eu-west: $url (HAProxy"* ]] || fail "up --tls: $said"
    fetch 200 "$url/health"
    [[ $said == "200 2 0" ]] || fail "not HTTP/2 with a certificate that verifies: $said"
    fetch 200 --http1.1 "$url/health"
    fetch 000 --tls-max 1.2 "$url/health"
    fetch 401 "$url/state/player/none"
    token="Authorization: Bearer $(<"$cluster/token")"
    fetch 201 -X PUT -H "$token" -d '{"name":"Ada"}' "$url/state/player/tls"
    fetch 200 -H "$token" "$url/state/player/tls"
    fetch 200 -D "$home/head" "$url/health"
    grep -qi '^strict-transport-security: max-age' "$home/head" || fail "no Strict-Transport-Security"
    fetch 400 --http1.1 -H 'Transfer-Encoding: chunked, x' "$url/health"
    before=$(<"$cluster/eu-west/proxy.pid")
    serial=$(openssl x509 -noout -serial -in "$cluster/tls/certificate.pem")
    rm "$cluster/tls/proxy.pem"
    expect 0 "$copy/deploy/up.sh" --no-demo --tls
    [[ $(<"$cluster/eu-west/proxy.pid") == "$before" ]] || fail "the proxy was not reloaded but replaced"
    [[ $(openssl x509 -noout -serial -in "$cluster/tls/certificate.pem") != "$serial" ]] || fail "no new certificate"
    fetch 200 "$url/health" # with the new one
    kill -KILL "$(<"$cluster/eu-west/pid")"
    sleep 2
    fetch 503 "$url/health"
    expect 0 "$copy/deploy/up.sh" --no-demo --tls
    fetch 200 "$url/health"
    expect 0 "$copy/deploy/down.sh"
    fetch 000 "$url/health"
    expect 0 "$copy/deploy/up.sh" --no-demo
}

# A process that got the number of a node that is gone is not ours.
check_foreign_process() {
    sleep 600 &
    local stranger=$!
    echo "$stranger" >"$cluster/eu-west/pid"
    expect 0 "$copy/deploy/down.sh"
    kill -0 "$stranger" || fail "down.sh killed a stranger"
    kill "$stranger"
}

# Anew, each region with a database of its own; the data that is there decides, whatever a later run says.
check_postgres() {
    local server count port
    expect 0 "$copy/deploy/down.sh"
    expect 1 "$copy/deploy/up.sh" --no-demo --postgres
    [[ $complained == *"is in sqlite"* ]] || fail "another store for the same data: $complained"
    rm -r "$cluster"
    expect 0 "$copy/deploy/up.sh" --no-demo --postgres
    server=$(<"$cluster/postgres/pid")
    [[ $said == *"PostgreSQL: "* && $said == *CONVERGED* ]] || fail "up --postgres: $said"
    for port in "$UP_FIRST_PORT" $((UP_FIRST_PORT + 10)) $((UP_FIRST_PORT + 20)); do
        curl -fsS --noproxy '*' "http://127.0.0.1:$port/health" | grep -q '"engine":"postgres"' ||
            fail "the node on port $port is not on PostgreSQL"
    done
    check_lines_to_try
    expect 0 "$copy/deploy/up.sh" --no-demo
    [[ $(<"$cluster/postgres/pid") == "$server" ]] || fail "a second run touched the server"
    expect 0 "$copy/deploy/down.sh"
    # A process that ended may stay as a name where nobody waits for it: it has no arguments any more.
    [[ -z $(tr -d '\0' 2>/dev/null <"/proc/$server/cmdline" || true) ]] || fail "down.sh left PostgreSQL running"
    [[ ! -e $(<"$cluster/postgres/socket") ]] || fail "down.sh left the socket's folder"
    expect 0 "$copy/deploy/up.sh" --no-demo
    count=$(curl -fsS --noproxy '*' -H "Authorization: Bearer $(<"$cluster/token")" \
        "http://127.0.0.1:$UP_FIRST_PORT/state/player/me" | grep -c '"wins":')
    ((count == 1)) || fail "the data did not survive"
}

copy_sources
check_refusals
check_busy_port
check_up
check_lines_to_try
check_again
check_tls
check_failing_node
check_foreign_process
check_postgres
echo "front door: all well"
