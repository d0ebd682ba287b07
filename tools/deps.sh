#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# deps.sh [full]: installs the Debian packages that are missing.  The only list of them.
#
# When nothing is missing this asks dpkg and returns: no network, no root.  `full` adds what only
# `make full` needs: the second compiler, the cross compilers, the emulator.
set -eu

# The program and its tests.
build='gcc libc6-dev make pkg-config libjansson-dev libjpeg62-turbo-dev libpng-dev libpcre2-dev libutf8proc-dev
       libcurl4-gnutls-dev libmicrohttpd-dev libgnutls28-dev libssl-dev libzstd-dev'
test='libcmocka-dev zstd softhsm2'
full='g++ clang-14 libclang-rt-14-dev llvm-14 qemu-user
      gcc-aarch64-linux-gnu libc6-dev-arm64-cross libjansson-dev:arm64 libpcre2-dev:arm64 libutf8proc-dev:arm64
      gcc-arm-linux-gnueabihf libc6-dev-armhf-cross'

want="$build $test"
[ "${1-}" != full ] || want="$want $full"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "deps: not a Debian system; these packages, or what they are called here, must be there:" $want >&2
    exit 0
fi

missing=
for package in $want; do
    state=$(dpkg-query -W -f='${db:Status-Status} ' "$package" 2>/dev/null) || state=
    case $state in *installed*) ;; *) missing="$missing $package" ;; esac
done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "deps: as root: apt-get install$missing" >&2; exit 1; }
    root=sudo
fi
echo "deps: installing$missing"
case $missing in *:arm64*) $root dpkg --add-architecture arm64 ;; esac
$root apt-get -q update
$root env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends $missing
