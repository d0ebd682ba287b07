#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-isa.sh BUILD "scalar avx2 avx512": objects of one instruction set export only names with its suffix,
# or the linker could hand their code to everyone; common and scalar objects use no wide registers, and
# avx2 objects none that only AVX-512 has.
build=$1 bad=0
nm=${NM:-nm} objdump=${OBJDUMP:-objdump}

for isa in $2; do
    for o in $(find "$build/src/kernels" -name "*.$isa.o"); do
        leaks=$($nm -g --defined-only "$o" | awk -v end="_$isa\$" '$3 !~ end { print $3 }')
        [ -z "$leaks" ] || { echo "$o exports without _$isa: $leaks"; bad=1; }
    done
done

for o in $(find "$build/src" -name '*.o' ! -name '*.avx2.o' ! -name '*.avx512.o' ! -name '*.amx.o'); do
    if $objdump -d "$o" 2>/dev/null | grep -q '%[yz]mm'; then
        echo "$o: common code with 256-bit registers"
        bad=1
    fi
done
for o in $(find "$build/src" -name '*.avx2.o'); do
    if $objdump -d "$o" 2>/dev/null | grep -q '%zmm\|{%k\|%[xy]mm\(1[6-9]\|2[0-9]\|3[01]\)'; then
        echo "$o: AVX-512 in AVX2 code"
        bad=1
    fi
done
exit $bad
