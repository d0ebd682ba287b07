# SPDX-License-Identifier: Apache-2.0
# steps.sh: to be sourced.  Runs one thing after another, goes on after a failure, and adds up.
#
#     step "unit tests" make quick     a runner ends with "N passed, N failed"; anything else that
#                                      runs without saying so counts as one
#     skip "why"                       says so in a line of its own
#     total                            prints the sum; its exit status is the verdict
passed=0 failed=0 failures=

step() {
    name=$1; shift
    echo "== $name"
    began=$(date +%s)
    log=$(mktemp)
    { "$@" </dev/null 2>&1; echo "$?" >"$log.status"; } | tee "$log"
    status=$(cat "$log.status")
    sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    rm -f "$log" "$log.status"
    good=$(echo "$sum" | sed 's/ passed.*//') bad=$(echo "$sum" | sed 's/.*passed, //; s/ failed.*//')
    if [ -z "$sum" ]; then
        good=1 bad=0
        [ "$status" -eq 0 ] || { good=0; bad=1; }
    elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1                       # it passed what it counted, and then fell over
    fi
    passed=$((passed + good)) failed=$((failed + bad))
    verdict=passed
    [ "$bad" -eq 0 ] || { verdict="FAILED, exit $status"; failures="$failures $name;"; }
    echo "-- $name: $verdict, $(($(date +%s) - began)) s"
}

skip() { echo "skipped: $*"; }

total() {
    [ -z "$failures" ] || echo "failed:$failures"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
