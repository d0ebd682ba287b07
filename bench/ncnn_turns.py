#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ncnn_turns.py HONE MODEL.onnx...: plain classification networks on Hone and on ncnn (PyPI), in turns.

For developers; tools/peers.sh fetches what it imports (and onnx, numpy).  ncnn reads its own format only, so the
network is written out in it here as its own optimiser would leave it: BatchNormalization inside the convolution,
activations too.  Shapes are the model's, weights are made up: they cost the same time.

THREADS (default 1), PAIRS (default 9), SECONDS_EACH of a turn (default 1).
"""
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

import ncnn
import numpy as np
import onnx

THREADS = int(os.environ.get("THREADS", "1"))
PAIRS = int(os.environ.get("PAIRS", "9"))
SECONDS = float(os.environ.get("SECONDS_EACH", "1"))
GONE = {"Dropout", "Identity", "BatchNormalization"}


class Writer:
    """Layers as lines of a .param file, weights as a .bin file beside them."""

    def __init__(self, graph, folder):
        self.graph = graph
        self.lines, self.blobs = [], set()
        self.param, self.bin = os.path.join(folder, "net.param"), os.path.join(folder, "net.bin")
        self.shape = {i.name: list(i.dims) for i in graph.initializer}
        ints = {i.name: onnx.numpy_helper.to_array(i) for i in graph.initializer if i.data_type == 7}
        for n in graph.node:                      # "light" models: weights are a shape and a value
            if n.op_type == "ConstantOfShape":
                self.shape[n.output[0]] = [int(v) for v in ints[n.input[0]]]
        self.uses = {}
        for n in graph.node:
            for name in n.input:
                self.uses.setdefault(name, []).append(n)
        self.alias, self.taken = {}, set()

    def name(self, v):
        while v in self.alias:
            v = self.alias[v]
        return v

    def layer(self, kind, inputs, output, **params):
        text = " ".join(f"{k[1:]}={v}" for k, v in params.items())
        self.lines.append([kind, f"l{len(self.lines)}", [self.name(i) for i in inputs], [output], text])

    def weights(self, f, count, flag):
        if flag:
            f.write(b"\0\0\0\0")                  # plain floats follow
        piece = np.resize(np.linspace(-0.05, 0.05, 997, dtype=np.float32), 1 << 20)
        for at in range(0, count, piece.size):
            f.write(piece[: count - at].tobytes())

    def follower(self, v):
        """The node that uses v, if there is only one."""
        used = self.uses.get(v, [])
        return used[0] if len(used) == 1 else None

    def absorbed(self, v):
        """What becomes part of the layer that makes v: (activation, the value that comes out)."""
        act = 0
        for kind in ("BatchNormalization", "Relu"):
            n = self.follower(v)
            if n is not None and n.op_type == kind:
                act, v = int(kind == "Relu"), n.output[0]
                self.taken.add(v)
        return act, v

    def write(self):
        with open(self.bin, "wb") as f:
            for n in self.graph.node:
                if n.output[0] not in self.taken:
                    self.node(f, n)
        self.split()
        with open(self.param, "w", encoding="utf-8") as f:
            blobs = sum(len(l[3]) for l in self.lines)
            f.write(f"7767517\n{len(self.lines)} {blobs}\n")
            for kind, name, ins, outs, text in self.lines:
                f.write(f"{kind} {name} {len(ins)} {len(outs)} {' '.join(ins + outs)} {text}\n")

    def node(self, f, n):
        attr = {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}
        out = n.output[0]
        if n.op_type in ("Conv", "Gemm"):
            act, last = self.absorbed(out)
            w = self.shape[n.input[1]]
            count = math.prod(w)
        if n.op_type == "Conv":
            p, s = attr.get("pads", [0] * 4), attr.get("strides", [1, 1])
            groups = attr.get("group", 1)
            extra = {"_7": groups} if groups > 1 else {}
            self.layer("ConvolutionDepthWise" if groups > 1 else "Convolution", [n.input[0]], last, _0=w[0], _1=w[3], _11=w[2],
                       _2=1, _3=s[1], _13=s[0], _4=p[1], _14=p[0], _15=p[3], _16=p[2], _5=1, _6=count, _9=act, **extra)
            self.weights(f, count, True)
            self.weights(f, w[0], False)
        elif n.op_type == "Gemm":
            rows = w[0] if attr.get("transB", 0) else w[1]
            self.layer("InnerProduct", [n.input[0]], last, _0=rows, _1=1, _2=count, _9=act)
            self.weights(f, count, True)
            self.weights(f, rows, False)
        elif n.op_type in ("MaxPool", "AveragePool"):
            k, s, p = attr["kernel_shape"], attr.get("strides", [1, 1]), attr.get("pads", [0] * 4)
            self.layer("Pooling", [n.input[0]], out, _0=int(n.op_type != "MaxPool"), _1=k[1], _11=k[0], _2=s[1], _12=s[0],
                       _3=p[1], _13=p[0], _14=p[3], _15=p[2], _5=1)
        elif n.op_type == "GlobalAveragePool":
            self.layer("Pooling", [n.input[0]], out, _0=1, _4=1)
        elif n.op_type in ("Add", "Sum"):
            self.layer("BinaryOp", list(n.input), out, _0=0)
        elif n.op_type == "Concat":
            self.layer("Concat", list(n.input), out, _0=0)
        elif n.op_type in ("Reshape", "Flatten"):
            self.layer("Flatten", [n.input[0]], out)
        elif n.op_type == "Softmax":
            self.layer("Softmax", [n.input[0]], out, _0=0, _1=1)
        elif n.op_type == "Relu":
            self.layer("ReLU", [n.input[0]], out)
        elif n.op_type in GONE:
            self.alias[out] = n.input[0]
        elif n.op_type not in ("ConstantOfShape", "Constant"):
            sys.exit(f"{n.op_type}: no layer of ncnn is known for it here")

    def split(self):
        """A blob has one reader; more get copies of its name."""
        readers = {}
        for line in self.lines:
            for k, v in enumerate(line[2]):
                readers.setdefault(v, []).append((line, k))
        lines = [["Input", "input", [], [self.input()], ""]] + self.lines
        self.lines = []
        for line in lines:
            self.lines.append(line)
            for v in line[3]:
                many = readers.get(v, [])
                if len(many) > 1:
                    copies = [f"{v}_{i}" for i in range(len(many))]
                    self.lines.append(["Split", f"split_{v}", [v], copies, ""])
                    for copy, (reader, k) in zip(copies, many):
                        reader[2][k] = copy

    def input(self):
        return next(i.name for i in self.graph.input if i.name not in self.shape)

    def output(self):
        return self.name(self.graph.output[0].name)


class Peer:
    def __init__(self, path, folder):
        graph = onnx.load(path).graph
        w = Writer(graph, folder)
        w.write()
        self.net = ncnn.Net()
        self.net.opt.num_threads = THREADS
        if self.net.load_param(w.param) or self.net.load_model(w.bin):
            sys.exit(f"{path}: ncnn does not take what was written for it")
        dims = next(i for i in graph.input if i.name == w.input()).type.tensor_type.shape.dim
        shape = [d.dim_value for d in dims][1:]
        self.input, self.output = w.input(), w.output()
        self.x = ncnn.Mat(np.resize(np.linspace(0, 1, 1009, dtype=np.float32), shape))

    def turn(self):
        """The median of runs, in milliseconds; one run before does not count."""
        times, end = [], time.monotonic() + SECONDS
        while len(times) < 2 or time.monotonic() < end:
            ex = self.net.create_extractor()
            begin = time.perf_counter()
            ex.input(self.input, self.x)
            code, out = ex.extract(self.output)
            times.append((time.perf_counter() - begin) * 1e3)
            if code or not np.isfinite(np.array(out)).all():
                sys.exit("ncnn: a run failed")
        return statistics.median(times[1:])


def ours(hone, path):
    said = subprocess.run([hone, "bench", path, "--threads", str(THREADS), "--seconds", str(SECONDS), "--json"],
                          check=True, capture_output=True, text=True).stdout
    return json.loads(said)["p50_ms"]


def main():
    hone, ratios = sys.argv[1], []
    print(f"ncnn {ncnn.__version__}, {THREADS} thread(s)")
    print(f"{'model':32} {'ours ms':>10} {'ncnn ms':>10} {'ratio':>7} {'of min':>7}")
    for path in sys.argv[2:]:
        with tempfile.TemporaryDirectory() as folder:
            peer = Peer(path, folder)
        pairs = [(ours(hone, path), peer.turn()) for _ in range(PAIRS)]
        a, b = [statistics.median(p[k] for p in pairs) for k in (0, 1)]
        least = min(p[1] for p in pairs) / min(p[0] for p in pairs)
        ratios.append(b / a)
        print(f"{os.path.basename(path):32} {a:10.3f} {b:10.3f} {b / a:7.2f} {least:7.2f}", flush=True)
    print(f"geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}")


if len(sys.argv) < 3:
    sys.exit(__doc__)
main()
