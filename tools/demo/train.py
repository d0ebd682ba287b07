# SPDX-License-Identifier: Apache-2.0
"""Trains the pictogram classifier and writes it as an ONNX file.

    python train.py --data data --out ../../models/demo
    python train.py --data data --out ../../models/demo --measure       # only measures the file that is there

The network begins with two plain 3x3 convolutions that go from 64 to 16 pixels a side, then stacks
inverted residual blocks: widen with a 1x1 convolution, look around with a depthwise 3x3, narrow with
a 1x1, and add the input back where the shape allows.  Blocks at full width on the first, large maps
were tried: half again as slow to train for hardly any more parameters.

Pixels go in as 0..1 and are not normalised: the first BatchNorm learns what that would have done.
Before writing, every BatchNorm is folded into the convolution before it, so the file holds only Conv,
Relu, Add, GlobalAveragePool, Flatten, Gemm and Softmax.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from pictograms import LABELS
from render import SIZE

STEM = (16, 40)           # channels of the two plain convolutions; each halves the map: 64, 32, 16
# Each row: widened channels, channels out, stride.
BLOCKS = [(80, 40, 1), (80, 40, 1), (120, 80, 2), (160, 80, 1), (160, 80, 1), (160, 80, 1)]
HEAD = 192


def conv(inputs, outputs, kernel, stride=1, groups=1):
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    def __init__(self, inputs, wide, outputs, stride):
        super().__init__()
        self.add = stride == 1 and inputs == outputs
        self.body = nn.Sequential(*conv(inputs, wide, 1), nn.ReLU(inplace=True),
                                  *conv(wide, wide, 3, stride, wide), nn.ReLU(inplace=True),
                                  *conv(wide, outputs, 1))
        if self.add:       # start as the identity: deep stacks then learn from the first step
            nn.init.zeros_(self.body[-1].weight)

    def forward(self, x):
        return x + self.body(x) if self.add else self.body(x)


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        layers, channels = [], 3
        for outputs in STEM:
            layers += [*conv(channels, outputs, 3, 2), nn.ReLU(inplace=True)]
            channels = outputs
        for wide, outputs, stride in BLOCKS:
            layers.append(Block(channels, wide, outputs, stride))
            channels = outputs
        layers += [*conv(channels, HEAD, 1), nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers)
        self.last = nn.Linear(HEAD, classes)

    def forward(self, x):
        return self.last(self.body(x).mean((2, 3)))


# Training.

def load(folder, split, seed):
    file = np.load(folder / f"{split}-{seed}.npz")
    return torch.from_numpy(file["images"]).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(file["labels"])


def shake(x, rng):
    """Cheap changes on top of the rendered ones, so that no two passes show the same picture.

    One shift for the whole batch is enough, because every pass draws other batches.  No mirroring:
    an arrow would become the other arrow.
    """
    dy, dx = rng.integers(-5, 6, 2)
    x = F.pad(x, (5, 5, 5, 5), mode="replicate")[..., 5 + dy:5 + dy + SIZE, 5 + dx:5 + dx + SIZE]
    gain = torch.from_numpy(rng.uniform(.8, 1.25, (len(x), 3, 1, 1)).astype(np.float32))
    lift = torch.from_numpy(rng.uniform(-.08, .08, (len(x), 1, 1, 1)).astype(np.float32))
    # One batch in five the channels change places: shape should decide, not colour.
    order = rng.permutation(3) if rng.random() < .2 else [0, 1, 2]
    return ((x * gain + lift).clamp(0, 1))[:, list(order)].contiguous(memory_format=torch.channels_last)


def train(net, images, labels, val, epochs, batch, peak, seed):
    rng = np.random.default_rng(seed)
    decay = [p for p in net.parameters() if p.ndim > 1]
    free = [p for p in net.parameters() if p.ndim <= 1]      # biases and BatchNorm: nothing to gain from decay
    opt = torch.optim.AdamW([{"params": decay, "weight_decay": .05}, {"params": free, "weight_decay": 0}], lr=peak)
    steps, step, begin = epochs * (len(images) // batch), 0, time.time()
    for epoch in range(epochs):
        net.train()
        order, total = rng.permutation(len(images)), 0.0
        for i in range(len(images) // batch):
            # One cycle: warm up over 5 % of the steps, then down along a cosine to nothing.
            t = step / steps
            rate = peak * (t / .05 if t < .05 else .5 + .5 * math.cos(math.pi * (t - .05) / .95))
            for group in opt.param_groups:
                group["lr"] = rate
            pick = torch.from_numpy(order[i * batch:(i + 1) * batch])
            x = shake(images[pick].float() / 255, rng)
            loss = F.cross_entropy(net(x), labels[pick], label_smoothing=.05)
            opt.zero_grad(set_to_none=True)
            loss.backward()
            opt.step()
            total += float(loss.detach())
            step += 1
            if step % 100 == 0:
                print(f"step {step}/{steps} loss {total / (i + 1):.4f} {time.time() - begin:.0f} s", flush=True)
        print(f"epoch {epoch + 1}: validation accuracy {accuracy(net, *val):.4f}, {time.time() - begin:.0f} s", flush=True)


@torch.no_grad()
def accuracy(net, images, labels):
    net.eval()
    right = 0
    for i in range(0, len(images), 200):
        right += int((net(images[i:i + 200].float() / 255).argmax(1) == labels[i:i + 200]).sum())
    return right / len(images)


# Export.  The file is built by hand from the onnx helpers: it is short, and every name in it is ours.

class Writer:
    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, value):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def add(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def conv(self, x, name, layer, norm):
        """Folding: the norm is y = g (c - mean) / std + b, and c is linear in the weights."""
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        w = (layer.weight * scale[:, None, None, None]).detach().numpy()
        b = (norm.bias - norm.running_mean * scale).detach().numpy()
        pad = layer.padding[0]
        return self.add("Conv", name, [x, self.weight(name + ".weight", w), self.weight(name + ".bias", b)],
                        kernel_shape=list(layer.kernel_size), strides=list(layer.stride), pads=[pad] * 4,
                        group=layer.groups)


def export(net, path, description):
    net.eval()
    w = Writer()
    layers = list(net.body)
    x = "image"
    for i in range(len(STEM)):
        x = w.add("Relu", f"stem{i + 1}.relu", [w.conv(x, f"stem{i + 1}", layers[3 * i], layers[3 * i + 1])])
    for i, block in enumerate(layers[3 * len(STEM):-3]):
        name, b, begin = f"block{i + 1}", block.body, x
        x = w.add("Relu", f"{name}.widen.relu", [w.conv(x, f"{name}.widen", b[0], b[1])])
        x = w.add("Relu", f"{name}.look.relu", [w.conv(x, f"{name}.look", b[3], b[4])])
        x = w.conv(x, f"{name}.narrow", b[6], b[7])
        if block.add:
            x = w.add("Add", f"{name}.add", [begin, x])
    x = w.add("Relu", "head.relu", [w.conv(x, "head", layers[-3], layers[-2])])
    x = w.add("Flatten", "features", [w.add("GlobalAveragePool", "pool", [x])], axis=1)
    x = w.add("Gemm", "scores", [x, w.weight("scores.weight", net.last.weight.detach().numpy()),
                                 w.weight("scores.bias", net.last.bias.detach().numpy())], transB=1)
    w.add("Softmax", "probabilities", [x], axis=1)
    graph = helper.make_graph(
        w.nodes, "pictograms",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(LABELS)])], w.weights)
    # IR version 8 is the one that came with opset 17; newer would only shut out older readers.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
                              producer_name="hone", producer_version="1", doc_string=description)
    helper.set_model_props(model, {
        "labels": "\n".join(LABELS),
        "hone.input.image.size": f"{SIZE}x{SIZE}",
        "hone.input.image.scale": str(1 / 255),
        "license": "Apache-2.0",
        "description": description,
    })
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


# Measuring, with ONNX Runtime on the written file: an implementation that shares nothing with the one
# that trained, so a mistake in the folding or in the file would show.

def predict(path, images):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"image": images[i:i + 200].numpy().astype(np.float32) / 255})[0]
                           for i in range(0, len(images), 200)])


def multiply_adds(path):
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    shape = {v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim]
             for v in [*model.graph.value_info, *model.graph.output]}
    weights = {t.name: list(t.dims) for t in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            w = weights[node.input[1]]
            total += math.prod(w) * (math.prod(shape[node.output[0]][2:]) if node.op_type == "Conv" else 1)
    return total, sum(math.prod(d) for d in weights.values())


def measure(path, images, labels):
    scores, truth = predict(path, images), labels.numpy()
    guess = scores.argmax(1)
    table = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(table, (truth, guess), 1)
    wrong = table - np.diag(np.diag(table))
    pairs = sorted(((int(wrong[a, b]), LABELS[a], LABELS[b]) for a, b in zip(*np.nonzero(wrong))), reverse=True)
    macs, parameters = multiply_adds(path)
    sure = scores.max(1) >= .9
    return {
        "pictures": len(truth),
        "accuracy": round(float((guess == truth).mean()), 5),
        "top3": round(float((np.argsort(-scores, 1)[:, :3] == truth[:, None]).any(1).mean()), 5),
        "sure": {"share": round(float(sure.mean()), 4), "accuracy": round(float((guess == truth)[sure].mean()), 5)},
        "parameters": parameters, "multiply_adds": macs, "bytes": path.stat().st_size,
        "per_class": {LABELS[i]: round(float(table[i, i] / table[i].sum()), 4) for i in range(len(LABELS))},
        "confusions": [{"is": a, "taken_for": b, "times": n} for n, a, b in pairs[:10]],
    }


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--data", type=pathlib.Path, required=True, help="the folder that render.py filled")
    ask.add_argument("--out", type=pathlib.Path, required=True)
    ask.add_argument("--train-seed", type=int, default=1)
    ask.add_argument("--test-seed", type=int, default=7)
    ask.add_argument("--epochs", type=int, default=12)
    ask.add_argument("--batch", type=int, default=64)
    ask.add_argument("--rate", type=float, default=3e-3)
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--measure", action="store_true", help="only measure the model in --out")
    ask = ask.parse_args()
    torch.set_num_threads(ask.threads)
    path = ask.out / "pictograms.onnx"

    if not ask.measure:
        torch.manual_seed(ask.train_seed)
        net = Net(len(LABELS)).to(memory_format=torch.channels_last)
        images, labels = load(ask.data, "train", ask.train_seed)
        train(net, images, labels, load(ask.data, "val", ask.train_seed), ask.epochs, ask.batch, ask.rate, ask.train_seed)
        export(net, path, f"Recognises {len(LABELS)} pictograms, signs and symbols in small pictures. "
                          f"Trained on {len(images)} pictures rendered by tools/demo/render.py.")
        (ask.out / "labels.txt").write_text("\n".join(LABELS) + "\n")
    print(json.dumps(measure(path, *load(ask.data, "test", ask.test_seed)), indent=1))


if __name__ == "__main__":
    main()
