#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-headers.sh: every header compiles alone, so including one never depends on luck; and
# hone.h is also C++, and C for the compilers at hand.  $B is a build folder, for generated headers.
bad=0 count=0
flags="-D_GNU_SOURCE -I. -Isrc -Iinclude -I${B:-build}/gen -Wall -Wextra -Werror -fsyntax-only"

alone() {   # alone FILE COMPILER FLAGS...
    file=$1; shift
    printf '#include "%s"\n' "$file" | "$@" $flags - || { echo "$file does not compile alone: $*"; bad=1; }
    count=$((count + 1))
}

for header in $(find src -name '*.h' | sed 's|^src/||'); do
    case $header in
    kernels/simd/*|kernels/qpanel_tiles.h) continue ;;     # parts of one instruction set: a kernel includes them
    kernels/isa.h|kernels/*_types.h) alone "$header" "${CC:-gcc}" -x c -std=c11 -DHN_ISA=scalar -DHN_ISA_scalar ;;
    *) alone "$header" "${CC:-gcc}" -x c -std=c11 -Wno-unused-function ;;
    esac
done
for cc in g++ clang-14 clang++-14; do
    command -v "$cc" >/dev/null || continue
    case $cc in *++*) as=c++ std=c++11 ;; *) as=c std=c11 ;; esac
    alone hone.h "$cc" -x $as -std=$std -Wpedantic
done
[ "$bad" -eq 0 ] && echo "$count headers compile alone"
exit "$bad"
