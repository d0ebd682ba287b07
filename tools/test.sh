#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test.sh: what `make test` runs once everything is built; one step per runner, then the sum.
. tools/steps.sh
make="make --no-print-directory -j$(nproc)"
data=${HONE_TEST_DATA:-../shared/data}
hone=build/$(gcc -dumpmachine | cut -d- -f1)/hone

step "unit tests" $make quick
step "floors, headers, text, instruction sets" $make check
step "command line" $make cli-tests
step "the demo's model" "$hone" verify models/demo/pictograms.onnx --data models/demo/goldens
golden=models/demo/goldens/04-house
step "a library for one model" $make reduced PARTS="${hone%/*}" MODEL=models/demo/pictograms.onnx \
     CASE="$golden.image.npy = $golden.probabilities.npy"
if tools/suite.sh build/onnx-backend-tests; then
    step "ONNX backend tests" "$hone" verify --suite build/onnx-backend-tests
fi
if [ -r "$data/models/expected/index.json" ]; then
    step "recorded runs of real models" tools/cases.sh "$hone"
else
    skip "no $data/models/expected/index.json (set HONE_TEST_DATA)"
fi
total
