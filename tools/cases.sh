#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cases.sh HONE...: recorded runs of the models in the test data, with every kernel table of this
# build that the processor runs.  HONE... is the program, an emulator before it where one is needed.
data=${HONE_TEST_DATA:-../shared/data}/models
passed=0 failed=0
for isa in scalar best; do
    if [ $isa = scalar ]; then export HONE_ISA=scalar; else unset HONE_ISA; fi
    out=$("$@" verify --cases "$data/expected/index.json" --models "$data")
    status=$?
    echo "$out" | sed '$d' | grep -v -e ' agree$' -e 'not a model Hone can read'
    sum=$(echo "$out" | tail -n 1)
    good=$(echo "$sum" | sed -n 's/ passed.*//p') bad=$(echo "$sum" | sed -n 's/.*passed, //; s/ failed.*//p')
    [ "$status" -eq 0 ] || [ "${bad:-0}" -gt 0 ] || bad=1
    echo "$isa kernels: $sum"
    passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-0}))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
