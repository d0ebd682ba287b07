#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# suite.sh FOLDER: unpacks the ONNX backend tests there, once.  Fails, saying so, when they are not
# on this machine.
archive=${HONE_TEST_DATA:-../shared/data}/onnx-backend-tests.tar.zst
[ -r "$archive" ] || { echo "skipped: no $archive (set HONE_TEST_DATA)"; exit 1; }
[ ! -e "$1/.whole" ] || exit 0
rm -rf "$1" && mkdir -p "$1" && zstd -dcq "$archive" | tar -x -C "$1" && touch "$1/.whole"
