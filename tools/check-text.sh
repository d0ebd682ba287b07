#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-text.sh: what every source file keeps to.  Says file and line of whatever does not.
bad=0
sources=$(find src include tests bench fuzz examples tools .ci -type f \( -name '*.[ch]' -o -name '*.def' \
          -o -name '*.inc' -o -name '*.sh' -o -name '*.awk' -o -name '*.py' -o -path '.ci/run' \) 2>/dev/null | sort)
prose=$(find . -name build -prune -o -name .git -prune -o -name '*.md' -type f -print 2>/dev/null | sort)

tell() { [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; bad=1; }; }

tell "no licence line (SPDX-License-Identifier) near the top" \
     "$(for f in $sources Makefile; do head -n 3 "$f" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$f"; done)"
tell "tabs" "$(grep -n "$(printf '\t')" $sources $prose | head -n 20)"
tell "spaces at the end of a line" "$(grep -n ' $' $sources $prose Makefile | head -n 20)"
tell "unfinished business: open a ticket or do it" \
     "$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' $(echo "$sources" | grep -v check-text) | head -n 20)"
tell "paths of one machine" "$(grep -nE '(^|[^.A-Za-z])/(work|home|root|Users)/[A-Za-z]' $sources $prose Makefile | head -n 20)"
tell "over 1000 lines: look for the second noun" \
     "$(wc -l $(echo "$sources" | grep '\.[ch]$') | awk '$1 > 1000 && $2 != "total" { print $2 ": " $1 }')"
[ "$bad" -eq 0 ] && echo "$(echo "$sources" | wc -l) sources read"
exit "$bad"
