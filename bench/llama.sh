#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# llama.sh HONE MODEL.gguf...: each model on Hone and on llama.cpp's own benchmark, in turns; medians of the pairs' ratios.
# LLAMA_BENCH names that program.  THREADS (default 2), PAIRS (9), PROMPT (512), ANSWER (64).
# Both engines wait for each other's threads, so only an idle machine gives figures worth writing down.
hone=$1
shift
threads=${THREADS:-2} prompt=${PROMPT:-512} answer=${ANSWER:-64}
[ -x "$LLAMA_BENCH" ] || { echo "LLAMA_BENCH does not name a program: '$LLAMA_BENCH'" >&2; exit 2; }

ours() {
    "$hone" bench "$1" --threads "$threads" --seconds 0.01 --prompt-tokens "$prompt" --answer-tokens "$answer" --json |
        tr ',{}' '\n\n\n' | awk -F: '{ gsub(/[" ]/, "", $1); v[$1] = $2 + 0 }
            END { print v["prefill_tokens_per_second"], v["decode_tokens_per_second"], v["machine_read_gb_per_second"],
                        v["decode_gb_per_second"], v["private_bytes"] / 1e6 }'
}

theirs() {
    "$LLAMA_BENCH" -m "$1" -t "$threads" -p "$prompt" -n "$answer" -r 1 -o json 2>/dev/null |
        awk -F: '/"avg_ts"/ { gsub(/[, ]/, "", $2); printf "%s ", $2 } END { print "" }'
}

printf '%-24s %9s %9s %6s %9s %9s %6s %8s %8s\n' model prefill peer ratio decode peer ratio 'of read' 'private'
for model; do
    i=0
    while [ "$i" -lt "${PAIRS:-9}" ]; do
        echo "$(ours "$model") $(theirs "$model")"
        i=$((i + 1))
    done | awk -v name="$(basename "$model" .gguf)" '
        function median(a, n,    i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
            return a[int((n + 1) / 2)]
        }
        NF == 7 {
            n++
            p[n] = $1; d[n] = $2; share[n] = 100 * $4 / $3; memory[n] = $5; pp[n] = $6; dd[n] = $7
            rp[n] = $1 / $6; rd[n] = $2 / $7
        }
        END {
            if (!n) { printf "%-24s no pair of figures\n", name; exit }
            printf "%-24s %9.1f %9.1f %6.2f %9.1f %9.1f %6.2f %6.0f %% %5.0f MB\n", name, median(p, n), median(pp, n), median(rp, n),
                   median(d, n), median(dd, n), median(rd, n), median(share, n), median(memory, n)
        }'
done
