#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# peers.sh HONE PEER:LIB MODEL...: each model on Hone and on another engine, turn by turn; then the
# geometric mean and the minimum of the ratios (the peer's median over ours).
# THREADS (default 1), SECONDS_EACH (default 1.5).
hone=$1 peer=$2
shift 2
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT

# What a model leaves open: a voice detector's clip is 512 samples and 64 before them.
open_sizes() {
    case $1 in
    *silero_vad.onnx) echo "--fill sr=16000 --dim ?0=1 --dim ?1=576 --dim ?2=1" ;;
    *silero*) echo "--fill sr=16000 --dim batch=1 --dim sequence=576" ;;
    esac
}

printf '%-40s %10s %10s %7s %7s  %s\n' model 'ours ms' 'peer ms' ratio 'of min' differ
for model; do
    # shellcheck disable=SC2046
    "$hone" bench "$model" --threads "${THREADS:-1}" --seconds "${SECONDS_EACH:-1.5}" --against "$peer" --json \
        $(open_sizes "$model") 2>"$said" | tr '{,}' '\n\n\n' |
    awk -v name="$(basename "$model")" -v said="$said" '
        /:/ { gsub(/[" ]/, ""); split($0, kv, ":"); v[kv[1] (kv[1] in v ? "_peer" : "")] = kv[2] }
        END {
            while ((getline line < said) > 0)        # an engine may have words of its own there
                if (line ~ /^hone/)
                    why = line
            if ("ratio" in v)
                printf "%-40s %10.4f %10.4f %7.2f %7.2f  %.0e\n", name, v["p50_ms"], v["p50_ms_peer"], v["ratio"],
                       v["ratio_min"], v["largest_difference"]
            else
                printf "%-40s %s\n", name, why
        }'
done | awk '
    { print }
    $4 + 0 > 0 { sum += log($4); if (!n++ || $4 < least) { least = $4; who = $1 } }
    END { if (n) printf "geometric mean %.2f, least %.2f (%s), %d models\n", exp(sum / n), least, who, n }'
