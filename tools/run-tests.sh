#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs test programs one after another; prints only what failed or was skipped, then the sum.  A program
# that takes longer than HONE_TEST_SECONDS hangs: it is stopped and says where it was.
passed=0 failed=0
for t in "$@"; do
    out=$(timeout -k 5 "${HONE_TEST_SECONDS:-300}" ${HONE_TEST_RUNNER:-} "$t" 2>&1)
    code=$?
    ok=$(printf '%s\n' "$out" | grep -c '^\[       OK \]')
    passed=$((passed + ok))
    printf '%s\n' "$out" | grep '^skipped:'
    if [ "$code" -ne 0 ]; then
        bad=$(printf '%s\n' "$out" | sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p')
        [ "${bad:-0}" -gt 0 ] || bad=1
        failed=$((failed + bad))
        [ "$code" -ne 124 ] || out="$out
stopped after ${HONE_TEST_SECONDS:-300} s"
        printf '%s failed (exit %d):\n%s\n' "$t" "$code" "$out"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
