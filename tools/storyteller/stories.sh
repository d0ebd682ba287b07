#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the default model says and how well it predicts, written anew after the model changed:
# doc/stories.md, and in models/storyteller/CARD.md the figures of `hone eval`.
#
#     tools/storyteller/stories.sh build/x86_64
set -e
cd "$(dirname "$0")/../.."
PATH=$(cd "${1:?the folder that hone was built in}" && pwd):$PATH
card=models/storyteller/CARD.md held_out=models/storyteller/heldout.txt
new=$(mktemp)
trap 'rm -f "$new"' EXIT

# ---- Ten stories: the seeds are the numbers one to ten, none was picked ---------------------
options='-n 160 -T 0.7 --top-k 40 --repeat-penalty 1.1'
openings='Once upon a time
Once there was a little girl who
There was once a king
One morning the fox
In the middle of the forest there lived'
{
    cat <<'END'
# Ten stories by the default model

What `hone generate` says with no model named: the storyteller that the program carries
([its card](../models/storyteller/CARD.md)). Five openings, two seeds each, seeds one to ten in order and none left
out. Judge for yourself: words, rhythm and cast are those of the old books it read; sentences often go wrong half-way, and
there is no plot. It is a few million parameters in a few megabytes, there to show that the machinery works.

Each story is what the command above it prints (x86-64 with AVX2; other instruction sets round sums differently, and one
token that falls otherwise changes all that follow). A story ends where the model ends it, or after 160 tokens.
`tools/storyteller/stories.sh` writes this page.
END
    seed=0
    while [ $seed -lt 10 ]; do
        seed=$((seed + 1))
        opening=$(printf '%s\n' "$openings" | sed -n "$(((seed + 1) / 2))p")
        printf '\n## %d\n\n    hone generate -p "%s" -s %d %s\n\n' $seed "$opening" $seed "$options"
        # shellcheck disable=SC2086
        hone generate -q -p "$opening" -s $seed $options | fold -s -w 110 | sed 's/ *$//; s/^\(.*\)$/> \1/; s/^> $/>/'
    done
} >doc/stories.md

# ---- Held-out figures: the lines between the marks ------------------------------------------
grep -q '^<!-- hone eval -->$' $card || { echo "$card: the line '<!-- hone eval -->' is missing" >&2; exit 1; }
for context in 256 512; do
    echo "    \$ hone eval --text $held_out --context $context"
    hone eval -q --text $held_out --context $context | sed 's/^/    /'
done >"$new"
perplexity=$(awk '/second half/ { print $2; exit }' "$new")
awk -v new="$new" -v perplexity="$perplexity" '
    /^\| held-out \|/ { printf "| held-out | perplexity %.1f a token (below) |\n", perplexity; next }
    /^<!-- hone eval -->$/ { print; while ((getline row < new) > 0) print row; skip = 1; next }
    /^<!-- end -->$/ { skip = 0 }
    !skip' $card >"$new.card"
mv "$new.card" $card
