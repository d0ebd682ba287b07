#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# plan-fit.sh [--verbose] MODEL...: memory as `hone plan` foretells it against what `hone bench` then measures: what is
# written, that is without pages of files, which are private or shared as other processes come and go.
# Prints only what is off by more than 5 %, or everything with --verbose.
verbose=
[ "$1" = --verbose ] && verbose=1 && shift

# value KEY: of JSON on the standard input, the first one
value() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" | head -n 1; }

for model in "$@"; do
    [ -f "$model" ] || { echo "skipped: no $model (set HONE_TEST_DATA)"; continue; }
    case $model in *.gguf) tokens='--prompt-tokens 200 --answer-tokens 56' context='--context 256' ;; *) tokens= context= ;; esac
    bench=$(hone bench "$model" --seconds 0.05 $tokens --json)
    plan=$(hone plan "$model" --device rpi5 $context --json)
    measured=$(echo "$bench" | value written_bytes)
    planned=$(echo "$plan" | value bench_written_bytes)
    # Large pages are a wish: a machine whose memory is in pieces gives none, and then no rest of one is lost.
    if [ "$(echo "$bench" | value large_page_bytes)" = 0 ]; then
        planned=$((planned - $(echo "$plan" | value bench_large_page_rest_bytes)))
    fi
    awk -v m="$measured" -v p="$planned" -v name="$model" -v all="$verbose" 'BEGIN {
        if (!(m > 0 && p > 0)) { print name ": no figures"; exit }
        off = 100 * (p / m - 1)
        if (all || off > 5 || off < -5) printf "%s: planned %d, measured %d bytes: %+.1f %%\n", name, p, m, off
    }'
done
