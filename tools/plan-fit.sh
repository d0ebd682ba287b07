#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# plan-fit.sh [--verbose] MODEL...: memory as `hone plan` foretells it against what `hone bench` then measures: what is
# written, that is without pages of files, which are private or shared as other processes come and go.
# Prints only what is off by more than 5 %, or everything with --verbose.  Models that are not there are passed over.
verbose=
[ "$1" = --verbose ] && verbose=1 && shift

# A program just linked has pages that wait to be written to disk, and those count as written by it.
sync "$(command -v hone)"

# thrice KEY COMMAND...: the middle of three values of KEY in its JSON
thrice() {
    key=$1; shift
    for i in 1 2 3; do "$@" --json | sed -n "s/.*\"$key\": \([0-9]*\).*/\1/p" | head -n 1; done | sort -n | sed -n 2p
}

for model in "$@"; do
    [ -f "$model" ] || continue
    case $model in *.gguf) tokens='--prompt-tokens 200 --answer-tokens 56' context='--context 256' ;; *) tokens= context= ;; esac
    measured=$(thrice written_bytes hone bench "$model" --seconds 0.05 $tokens)
    planned=$(thrice bench_written_bytes hone plan "$model" --device rpi5 $context)
    awk -v m="$measured" -v p="$planned" -v name="$model" -v all="$verbose" 'BEGIN {
        if (!(m > 0 && p > 0)) { print name ": no figures"; exit }
        off = 100 * (p / m - 1)
        if (all || off > 5 || off < -5) printf "%s: planned %d, measured %d bytes: %+.1f %%\n", name, p, m, off
    }'
done
