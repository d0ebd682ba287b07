# SPDX-License-Identifier: Apache-2.0
"""Shows the shown pictures to the model, and keeps some answers as goldens.

    python goldens.py --model ../../models/demo

Reads pictures/index.json and writes goldens/: for every third picture the input tensor and what ONNX
Runtime computes from it.  Prints what the model says to all pictures, through several ways of
resizing, because a program that uses the model will have its own.
"""

import argparse
import json
import pathlib

import numpy as np
import onnxruntime
from PIL import Image

STEP = 3


def tensor(path, size, how):
    picture = Image.open(path).convert("RGB").resize((size, size), how)
    return np.ascontiguousarray(np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255)


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--model", type=pathlib.Path, required=True, help="the folder with pictograms.onnx")
    ask = ask.parse_args()

    session = onnxruntime.InferenceSession(str(ask.model / "pictograms.onnx"), providers=["CPUExecutionProvider"])
    labels = session.get_modelmeta().custom_metadata_map["labels"].split("\n")
    size = session.get_inputs()[0].shape[2]
    pictures = json.loads((ask.model / "pictures" / "index.json").read_text())["pictures"]

    def answer(picture, how):
        x = tensor(ask.model / "pictures" / picture["file"], size, how)
        return x, session.run(None, {"image": x})[0]

    for picture in pictures:
        y = answer(picture, Image.Resampling.BOX)[1][0]
        best = int(y.argmax())
        note = "" if labels[best] == picture["label"] else "   WRONG"
        print(f"{picture['file']:28s} {labels[best]:18s} {y[best]:.3f}{note}")
    for how in (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.NEAREST):
        right = sum(labels[int(answer(p, how)[1].argmax())] == p["label"] for p in pictures)
        print(f"resized with {how.name.lower()}: {right} of {len(pictures)} right")

    out = ask.model / "goldens"
    out.mkdir(exist_ok=True)
    cases = []
    for picture in pictures[::STEP]:
        stem = pathlib.Path(picture["file"]).stem
        x, y = answer(picture, Image.Resampling.BOX)
        np.save(out / f"{stem}.image.npy", x)
        np.save(out / f"{stem}.probabilities.npy", y)
        cases.append({"inputs": {"image": f"{stem}.image.npy"}, "outputs": {"probabilities": f"{stem}.probabilities.npy"}})
    about = {"cases": cases, "reference": f"ONNX Runtime {onnxruntime.__version__}"}
    (out / "index.json").write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
