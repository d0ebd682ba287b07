# SPDX-License-Identifier: Apache-2.0
# An include may point at its own folder or lower, never up or sideways.  src/FLOORS lists
# the folders from the ground up; names on one line are neighbours that do not see each other.
BEGIN {
    while ((getline row < "src/FLOORS") > 0) {
        level++
        for (i = split(row, dir, " "); i > 0; i--) floor[dir[i]] = level
    }
}
match($0, /^#include "[a-z]+\//) {
    split(FILENAME, at, "/")
    to = substr($0, RSTART + 10, RLENGTH - 11)
    if (!(to in floor)) {
        printf "%s:%d: %s is not in src/FLOORS\n", FILENAME, FNR, to
        bad = 1
    } else if (to != at[2] && floor[to] >= floor[at[2]]) {
        printf "%s:%d: %s cannot see %s\n", FILENAME, FNR, at[2], to
        bad = 1
    }
}
END { exit bad }
