#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# fresh.sh [FOLDER]: does a machine with only git and make get from a clone to an answer?
#
# Makes a bare Debian 12 below FOLDER (default: a temporary one, removed afterwards), clones what is
# committed here into it, and runs `make demo` and `make test`: once as root, once as a user with
# sudo, each from an untouched system.  Needs root, debootstrap and this machine's own apt sources,
# which the new system gets as they are.  MIRROR=URL overrides where Debian comes from.
set -u
cd "$(dirname "$0")/.." || exit 1
suite=bookworm

if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
    echo "fresh: needs root and debootstrap, to make a system of its own" >&2
    exit 1
fi
# Mounts made from here on vanish with the namespace, whatever happens.
if [ -z "${HONE_FRESH:-}" ]; then
    work=$(mkdir -p "${1:-/tmp}" && mktemp -d "${1:-/tmp}/hone-fresh.XXXXXX") || exit 1
    HONE_FRESH=$work unshare --mount --propagation private "$0"
    status=$?
    rm -rf --one-file-system "$work"
    exit "$status"
fi
. tools/steps.sh

# Where this machine gets its Debian: both styles of source files.
mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        awk -v s=$suite '$1 == "deb" { for (i = 2; i < NF; i++) if ($(i + 1) == s) print $i }'
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
        awk -v s=$suite '/^URIs:/ { uri = $2 } /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == s) print uri }'
}

bare_system() {     # bare_system ROOT
    local from=${MIRROR:-$(mirror | head -n 1)}
    [ -n "$from" ] || { echo "fresh: no source of $suite in /etc/apt; give MIRROR=URL" >&2; return 1; }
    debootstrap --variant=minbase --include=git,make,sudo $suite "$1" "$from" >"$HONE_FRESH/debootstrap.log" 2>&1 ||
        { tail -n 20 "$HONE_FRESH/debootstrap.log"; return 1; }
    local d
    for d in sources.list sources.list.d apt.conf.d keyrings trusted.gpg.d preferences.d; do
        rm -rf "$1/etc/apt/$d"
        [ ! -e /etc/apt/$d ] || cp -aL /etc/apt/$d "$1/etc/apt/$d"
    done
    cp -aL /usr/share/keyrings/. "$1/usr/share/keyrings/"
    cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
    mkdir -p "$1/etc/ssl/certs"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
    chroot "$1" useradd --create-home --shell /bin/bash dev
    echo 'dev ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/dev"
    local tool
    for tool in gcc cc clang pkg-config; do
        ! chroot "$1" sh -c "command -v $tool" || { echo "fresh: not bare, it has $tool"; return 1; }
    done
}

# as WHO COMMAND: in the copy of the bare system that belongs to WHO, as WHO, in WHO's clone.
as() {
    local who=$1 root=$HONE_FRESH/$1; shift
    chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        su "$who" -s /bin/sh -c "cd ~/hone 2>/dev/null || cd; $*"
}

settle() {          # settle WHO: mounts, clone, data beside it
    local who=$1 root=$HONE_FRESH/$1 home
    cp -a "$HONE_FRESH/bare" "$root" || return
    mount -t proc proc "$root/proc" && mount -t sysfs sys "$root/sys" && mount --rbind /dev "$root/dev" || return
    git bundle create -q "$root/tmp/hone.bundle" HEAD && chmod 644 "$root/tmp/hone.bundle" || return
    as "$who" git clone -q /tmp/hone.bundle hone || return
    home=$(chroot "$root" sh -c "echo ~$who")
    [ -d "$data" ] || { skip "no test data at $data (set HONE_TEST_DATA)"; return 0; }
    mkdir -p "$root$home/shared/data" && mount --bind "$data" "$root$home/shared/data" &&
        mount -o remount,bind,ro "$root$home/shared/data"
}

data=$(realpath -m "${HONE_TEST_DATA:-../shared/data}")
step "a bare Debian 12" bare_system "$HONE_FRESH/bare"
if [ "$failed" -eq 0 ]; then
    for who in root dev; do
        step "$who: clone" settle "$who"
        step "$who: make demo" as "$who" make demo
        step "$who: make test" as "$who" make test
    done
fi
total
