#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# peers.sh [DIR]: the engines that `hone bench --against` and bench/ncnn_turns.py compare with, into a folder outside
# the tree (default ~/.cache/hone-peers), through the Python package installer as it is set up here.  Prints where their
# libraries lie.  For developers: nothing of Hone needs them.
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/hone-peers}
case $(realpath -m "$dir") in
"$(git rev-parse --show-toplevel 2>/dev/null || echo /nowhere)"/*) echo "$dir lies in the tree; name another folder" >&2; exit 2 ;;
esac
set -e
[ -x "$dir/bin/python" ] || python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --upgrade onnxruntime ai-edge-litert ncnn onnx numpy
find "$dir" -name 'libonnxruntime.so.*' -exec echo 'ort:{}' \;
find "$dir" -name 'libLiteRt.so' -exec echo 'litert:{}' \;
echo "bench/ncnn_turns.py: $dir/bin/python"
