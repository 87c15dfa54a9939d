#!/usr/bin/env bash
# Installs what deploy/packages.txt lists and the machine lacks. To be sourced: packages_ensure PURPOSE
set -euo pipefail

packages_file="$(dirname "${BASH_SOURCE[0]}")/packages.txt"

# packages_missing PURPOSE: prints the names of the packages that are not installed. Purposes: packages.txt. One that is
# named like a command is there when the command is: npm, for one, often comes with node.
packages_missing() {
    local purpose name
    while read -r purpose name _; do
        if [[ $purpose == run || $purpose == "$1" || $1 == test ]]; then
            command -v "$name" >/dev/null ||
                [[ $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) == 'install ok installed' ]] ||
                printf '%s\n' "$name"
        fi
    done < <(grep -v '^#' "$packages_file")
}

# packages_ensure PURPOSE: installs what is missing, or says in one line on stderr what is and returns 1.
packages_ensure() {
    local -a missing as_root=()
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "${0##*/}: not a Debian system: install what $packages_file lists yourself" >&2
        return 1
    fi
    mapfile -t missing < <(packages_missing "$1")
    ((${#missing[@]} > 0)) || return 0
    if ((EUID != 0)); then
        if ! command -v sudo >/dev/null; then
            echo "${0##*/}: missing packages; as root: apt-get install ${missing[*]}" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    packages_install "${as_root[@]}" || {
        echo "${0##*/}: packages could not be installed (see above); by hand: apt-get install ${missing[*]}" >&2
        return 1
    }
}

# packages_install [sudo]: runs apt-get for the list `missing` of its caller; says something only when it fails.
packages_install() {
    local log
    log=$(mktemp)
    if "$@" apt-get update >"$log" 2>&1 &&
        "$@" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
}
