#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh FOLDER SECONDS NAME...: runs each fuzz target that long, FUZZ_JOBS at a time (as many as there
# are processors), with FUZZ_FLAGS.  A crash leaves its input in FOLDER/NAME-crash-...: make it a seed in fuzz/seeds/NAME.
folder=$1 seconds=$2; shift 2

one='
name=$0 folder=$1 seconds=$2
mkdir -p $folder/corpus/$name
if $folder/$name $FUZZ_FLAGS -max_total_time=$seconds -timeout=60 -rss_limit_mb=1024 -artifact_prefix=$folder/$name- \
       $folder/corpus/$name fuzz/seeds/$name >$folder/$name.log 2>&1
then echo "ok $name: $(grep "^Done" $folder/$name.log)"
else echo "FAILED $name:"; tail -n 40 $folder/$name.log
fi'
out=$(printf '%s\n' "$@" | xargs -P "${FUZZ_JOBS:-$(nproc)}" -I NAME sh -c "$one" NAME "$folder" "$seconds")
echo "$out"
good=$(echo "$out" | grep -c '^ok ')
echo "$good passed, $(($# - good)) failed"
[ "$good" -eq $# ]
