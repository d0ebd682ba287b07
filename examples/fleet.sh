#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fleet.sh [FOLDER]: a model's way to a device and back, with every tool there is: package, sign,
# publish, install, update by delta, a bad update, rollback.  Needs `hone` on the PATH; run it from the
# source's root.  Everything happens in FOLDER, or in a temporary one.
set -e
model=$(pwd)/models/demo/pictograms.onnx labels=$(pwd)/models/demo/labels.txt
folder=${1:-$(mktemp -d)}
mkdir -p "$folder" && cd "$folder"
step() { printf '\n# %s\n' "$*"; }

step "Keys: root and targets stay offline, the online key signs what changes daily"
for key in root targets online; do hone release key $key.key --unlocked >/dev/null; done
hone release init repo --root root.key.pub --threshold 1 --targets targets.key.pub --online online.key.pub --quiet
hone release sign repo/staged/root.json --key root.key

publish() {
    hone release package repo "$1" --quiet
    hone release sign repo/staged/targets.json --key targets.key >/dev/null
    hone release publish repo --key online.key >/dev/null
}

step "Package: the model, its labels, recorded runs, a card"
hone package "$model" --name pictograms --build 1 --labels "$labels" --licence Apache-2.0 >/dev/null
hone verify pictograms-1.tar

step "Publish, and install on a device that trusts the root"
publish pictograms-1.tar
hone agent device --init repo/metadata/1.root.json
hone agent device pictograms --from repo --once

step "Train on (here: a few weights move), package with a delta, update"
cp "$model" new.onnx
for place in 200000 300000 400000; do printf '\001' | dd of=new.onnx bs=1 seek=$place conv=notrunc 2>/dev/null; done
hone package new.onnx --name pictograms --build 2 --labels "$labels" --licence Apache-2.0 --from pictograms-1.tar >/dev/null
publish pictograms-2.tar
hone agent device pictograms --from repo --once

step "A bad update: too slow for the limit its own manifest sets.  The device keeps what it has"
hone package new.onnx --name pictograms --build 3 --labels "$labels" --max-p95-ms 0.000001 >/dev/null
publish pictograms-3.tar
hone agent device pictograms --from repo --once 2>refused || echo "exit code $?"
sed 's/.*(\(.*\))$/reason: \1/' refused

step "Back by hand, without a network"
hone store rollback device pictograms
hone store check device
hone store show device
