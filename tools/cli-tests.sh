#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Commands against what they should say: tools/cli-tests.sh BUILD [--rewrite] FILE.test...
#
#     # words for the reader
#     $ hone version            a command for sh, in the repository's root; $TMP is a fresh folder
#     > hone 0.1.0              a line of stdout
#     ! hone: ...               a line of stderr
#     ? 3                       its exit code, when not 0
#     @ needs models/x.tflite   test data: a path below $DATA, without which the file is skipped
#
# A line of stdout that begins with "skipped: " is told and not compared: a part that had nothing to look at.
#
# --rewrite puts what the commands say now in the place of what was expected: read the diff.
build=$(cd "$1" && pwd) || exit 2
shift
rewrite=
[ "$1" = --rewrite ] && rewrite=1 && shift
PATH=$build:$build/examples:$PATH
DATA=${HONE_TEST_DATA:-../shared/data}
export DATA PATH NO_COLOR=1 LC_ALL=C
passed=0 failed=0
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
TMP=$work/tmp
export TMP

# Runs $command and leaves what the file should say of it in $work/got.
play() {
    timeout -k 5 120 sh -c "$command" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    sed -n "s|^skipped: |skipped: $file: |p" "$work/out"
    {
        sed "/^skipped: /d; s|$TMP|\$TMP|g; s|$DATA|\$DATA|g; s/^/> /; s/ \$//" "$work/out"
        sed "s|$TMP|\$TMP|g; s|$DATA|\$DATA|g; s/^/! /; s/ \$//" "$work/err"
        [ "$code" -eq 0 ] || echo "? $code"
    } >"$work/got"
}

# The command before this line is complete: run it, compare.
finish() {
    [ -n "$command" ] || return
    play
    if [ "$rewrite" ]; then
        cat "$work/got" >>"$work/new"
    elif cmp -s "$work/want" "$work/got"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$file: \$ $command"
        diff "$work/want" "$work/got" | grep '^[<>]' | sed 's/^</  expected/; s/^>/  found   /'
    fi
    command=
}

# What the file needs is there; else says what is missing.
needs_met() {
    for path in $(sed -n 's/^@ needs //p' "$1"); do
        [ -e "$DATA/$path" ] && continue
        echo "skipped: $1: no $DATA/$path (set HONE_TEST_DATA)"
        return 1
    done
}

for file in "$@"; do
    needs_met "$file" || continue
    rm -rf "$TMP" && mkdir "$TMP"
    : >"$work/new"
    command=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '$ '*)
            finish
            command=${line#??}
            : >"$work/want"
            printf '%s\n' "$line" >>"$work/new" ;;
        '>'*|'!'*|'?'*)
            printf '%s\n' "$line" >>"$work/want" ;;
        *)
            finish
            printf '%s\n' "$line" >>"$work/new" ;;
        esac
    done <"$file"
    finish
    [ -z "$rewrite" ] || cmp -s "$work/new" "$file" || cp "$work/new" "$file"
done
[ "$rewrite" ] && exit
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
