#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# plan-fit.sh [--verbose] MODEL...: private memory as `hone plan` foretells it against what `hone bench` then measures.
# Prints only what is off by more than 5 %, or everything with --verbose.  Models that are not there are passed over.
verbose=
[ "$1" = --verbose ] && verbose=1 && shift
number() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" | head -n 1; }
for model in "$@"; do
    [ -f "$model" ] || continue
    case $model in *.gguf) tokens='--prompt-tokens 200 --answer-tokens 56' context='--context 256' ;; *) tokens= context= ;; esac
    measured=$(hone bench "$model" --seconds 0.05 $tokens --json | number private_bytes)
    planned=$(hone plan "$model" --device rpi5 $context --json | number bench_private_bytes)
    awk -v m="$measured" -v p="$planned" -v name="$model" -v all="$verbose" 'BEGIN {
        off = 100 * (p / m - 1)
        if (all || off > 5 || off < -5) printf "%s: planned %d, measured %d bytes: %+.1f %%\n", name, p, m, off
    }'
done
