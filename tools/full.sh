#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# full.sh: what `make full` runs: what a change must survive besides `make test`.  Each build has a
# folder of its own, so a second run costs only what changed.
. tools/steps.sh
make="make --no-print-directory -j$(nproc)"
machine=$(gcc -dumpmachine | cut -d- -f1)
arm=build/aarch64/hone

build_arm64() { $make CROSS=aarch64-linux-gnu- WERROR=1 $arm; }
isa_arm64()   { $make CROSS=aarch64-linux-gnu- isa; }

step "clang, warnings are errors" $make CC=clang-14 WERROR=1 all quick
step "gcc, warnings are errors" $make B=build/strict WERROR=1 all
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
step "address and undefined-behaviour sanitizers" $make SAN=address,undefined WERROR=1 all quick
step "command line, sanitized" $make SAN=address,undefined cli-tests
if tools/suite.sh build/onnx-backend-tests; then
    step "ONNX backend tests, sanitized" build/$machine-address/hone verify --suite build/onnx-backend-tests
fi
step "thread sanitizer" $make SAN=thread threads
step "arm64 under an emulator" $make WERROR=1 arm64
step "arm64: instruction sets kept apart" isa_arm64
step "arm64: the program" build_arm64
step "arm64: the demo's model" qemu-aarch64 $arm verify models/demo/pictograms.onnx \
     --data models/demo/goldens
if [ -r "${HONE_TEST_DATA:-../shared/data}/models/expected/index.json" ]; then
    step "arm64: recorded runs of real models" tools/cases.sh qemu-aarch64 $arm
fi
golden=models/demo/goldens/04-house
for cross in "" aarch64-linux-gnu-; do
    runner=${cross:+qemu-aarch64}
    step "a library for one model, ${cross:-here}" $make reduced CROSS=$cross RUNNER=$runner LIMIT=300000 \
         MODEL=models/demo/pictograms.onnx CASE="$golden.image.npy = $golden.probabilities.npy"
    for model in kws_dscnn_fp32.onnx kws_dscnn_int8.tflite mobilenet_v2_224_fp32.onnx; do
        model=${HONE_TEST_DATA:-../shared/data}/models/$model case=${model%/*}/expected/${model##*/}.0
        [ -r "$model" ] || { skip "no $model (set HONE_TEST_DATA)"; continue; }
        step "a library for $model, ${cross:-here}" $make reduced CROSS=$cross RUNNER=$runner LIMIT=300000 MODEL="$model" \
             CASE="$case/input_0.bin = $case/output_0.bin"
    done
done
step "arm32 under an emulator" $make WERROR=1 arm32
step "fuzzing" $make fuzz
total
