# SPDX-License-Identifier: Apache-2.0
"""Trains the storyteller, a language model of 3.4 million parameters, on one CPU thread in under an hour.

The shape is Llama's, so that any engine that reads GGUF can run it: RMS norms, rotary positions on
neighbouring pairs, grouped key/value heads, SwiGLU, and the embedding used again as the output.  Every row
is 256 or 512 long, so each block type of GGUF fits.

Minutes are the scarce thing here, not memory, which decides the rest:
 - the matrices are trained with Muon (momentum, then the nearest orthogonal matrix as the step), which gets
   to a given loss in far fewer steps than Adam; embedding and norms stay with Adam;
 - the schedule follows the clock, not the step count: give it 50 minutes and the rate reaches zero after
   50 minutes, whatever else the machine is doing.  The price is that two runs are not bit for bit alike;
 - a running mean of the weights is written every few minutes, so there is always a file to export.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tokenizer import TURN_END, USER, Tokenizer

IGNORED = -100
SHAPE = {"width": 256, "layers": 4, "heads": 8, "kv_heads": 4, "ffn": 512, "context": 512,
         "rope_base": 10000.0, "epsilon": 1e-5}


class Norm(nn.Module):
    def __init__(self, width, epsilon):
        super().__init__()
        self.weight, self.epsilon = nn.Parameter(torch.ones(width)), epsilon

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight, self.epsilon)


def rotary(length, head, base):
    angle = torch.arange(length)[:, None] * base ** (-torch.arange(0, head, 2) / head)
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Turns the pairs (0, 1), (2, 3), ...: the order that the `llama` architecture of GGUF means."""
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Layer(nn.Module):
    def __init__(self, s):
        super().__init__()
        width, self.heads, self.kv_heads = s["width"], s["heads"], s["kv_heads"]
        self.head = width // self.heads
        kv = self.head * self.kv_heads
        self.attn_norm, self.ffn_norm = Norm(width, s["epsilon"]), Norm(width, s["epsilon"])
        self.q, self.k, self.v, self.o = (nn.Linear(a, b, bias=False)
                                          for a, b in ((width, width), (width, kv), (width, kv), (width, width)))
        self.gate, self.up = nn.Linear(width, s["ffn"], bias=False), nn.Linear(width, s["ffn"], bias=False)
        self.down = nn.Linear(s["ffn"], width, bias=False)

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        y = self.attn_norm(x)
        q, k, v = (m(y).view(batch, length, -1, self.head).transpose(1, 2) for m in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(y.transpose(1, 2).reshape(batch, length, width))
        y = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Storyteller(nn.Module):
    def __init__(self, vocabulary, shape=SHAPE):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(vocabulary, shape["width"])
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape["layers"]))
        self.norm = Norm(shape["width"], shape["epsilon"])
        cos, sin = rotary(shape["context"], shape["width"] // shape["heads"], shape["rope_base"])
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        nn.init.normal_(self.embedding.weight, std=.02)
        for layer in self.layers:         # each layer begins as the identity: what it adds starts at nothing
            nn.init.zeros_(layer.o.weight)
            nn.init.zeros_(layer.down.weight)

    def forward(self, ids):
        x, length = self.embedding(ids), ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return F.linear(self.norm(x), self.embedding.weight)


# The step.

def orthogonal(m, rounds=5):
    """The orthogonal matrix nearest to m, roughly: five Newton-Schulz rounds of an odd polynomial of degree
    five drive every singular value into the neighbourhood of one, which is all that a step needs."""
    tall = m.shape[0] > m.shape[1]
    x = m.T if tall else m
    x = x / (x.norm() + 1e-7)
    for _ in range(rounds):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=.95, weight_decay=.05):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                mean = state.setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["momentum"])
                step = orthogonal(p.grad.lerp(mean, group["momentum"]))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(step, alpha=-group["lr"] * max(1, p.shape[0] / p.shape[1]) ** .5)


# The text.

def windows(ids, length, rng):
    """For ever: the whole stream in windows, in a new order and with a new start each time round."""
    while True:
        first = int(rng.integers(0, length))
        starts = np.arange(first, len(ids) - length - 1, length)
        rng.shuffle(starts)
        for s in starts:
            yield ids[s:s + length + 1]


def batches(plain, chat, length, rows, share, rng):
    sources = windows(plain, length, rng), windows(chat, length, rng)
    while True:
        rows_now = [next(sources[int(rng.random() < share())]) for _ in range(rows)]
        block = np.stack(rows_now).astype(np.int64)
        x, y = block[:, :-1], block[:, 1:].copy()
        y[in_request(x)] = IGNORED
        yield torch.from_numpy(x), torch.from_numpy(y)


def in_request(x):
    """Where the last mark is <|user|>.  Nothing is learned there: the model shall answer, not ask."""
    at = np.where((x == USER) | (x == TURN_END), np.arange(x.shape[1]), 0)
    return np.take_along_axis(x, np.maximum.accumulate(at, 1), 1) == USER


@torch.no_grad()
def loss_on(net, ids, length=256):
    total, count = 0.0, 0
    for s in range(0, len(ids) - 1, 16 * length):
        part = torch.from_numpy(ids[s:s + 16 * length + 1].astype(np.int64))
        n = (len(part) - 1) // length
        if n:
            x, y = part[:n * length].view(n, length), part[1:n * length + 1].view(n, length)
            total += float(F.cross_entropy(net(x).flatten(0, 1), y.flatten(), reduction="sum"))
            count += n * length
    return total / count


# Training.

def rate(t):
    """Share of the peak rate after the share t of the time: a short climb, then straight down to nothing."""
    return min(1, t / .02, (1 - t) / .8)


def train(net, a):
    plain, chat, dev = (np.fromfile(a.data / f"{n}.bin", np.uint16) for n in ("plain", "chat", "dev"))
    rng = np.random.default_rng(a.seed)
    matrices = [p for layer in net.layers for p in layer.parameters() if p.ndim == 2]
    others = [p for n, p in net.named_parameters() if p.ndim == 1 or n.startswith("embedding")]
    optimizers = [Muon(matrices, lr=a.rate),
                  torch.optim.AdamW(others, lr=a.adam_rate, betas=(.9, .95), weight_decay=0, fused=True)]
    peaks = [a.rate, a.adam_rate]
    mean = {n: p.detach().clone() for n, p in net.named_parameters()}
    spent, steps, saved, recent = 0.0, 0, 0.0, []

    def loss_of(x, y):
        return F.cross_entropy(net(x).flatten(0, 1), y.flatten(), ignore_index=IGNORED)

    # More turns towards the end: first the language, then what to do when asked.
    stream = batches(plain, chat, a.context, a.rows, lambda: .35 + .35 * spent, rng)
    if a.compile:                     # a tenth faster; what compiling takes does not count as training
        loss_of = torch.compile(loss_of)
        loss_of(*next(stream)).backward()
    begin = time.time()
    while spent < 1:
        for optimizer, peak in zip(optimizers, peaks):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(spent)
        x, y = next(stream)
        loss = loss_of(x, y)
        net.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        steps += 1
        # The mean reaches back over about a twentieth of the run so far, so early files are fair ones too.
        keep = 1 - 1 / min(steps, max(10, steps // 20))
        with torch.no_grad():
            for n, p in net.named_parameters():
                mean[n].lerp_(p, 1 - keep)
        recent.append(float(loss.detach()))
        elapsed = time.time() - begin
        spent = elapsed / (60 * a.minutes)
        if steps % 20 == 0:
            print(f"step {steps} loss {np.mean(recent[-20:]):.4f} {elapsed:.0f} s "
                  f"{steps * a.rows * a.context / elapsed:.0f} tokens/s", flush=True)
        if elapsed - saved > 60 * a.save_every or spent >= 1:
            saved = elapsed
            save(net, mean, a, {"steps": steps, "tokens": steps * a.rows * a.context, "seconds": round(elapsed),
                                "share_of_schedule": round(min(1, spent), 3)}, dev)


def save(net, mean, a, facts, dev):
    current = {n: p.detach().clone() for n, p in net.named_parameters()}
    facts["dev_loss_last"] = round(loss_on(net, dev), 4)
    net.load_state_dict(mean)
    facts["dev_loss_mean"] = round(loss_on(net, dev), 4)
    net.load_state_dict(current)
    weights = mean if facts["dev_loss_mean"] < facts["dev_loss_last"] else current
    facts |= {"kept": "mean" if weights is mean else "last", "seed": a.seed, "rows": a.rows, "window": a.context,
              "rate": a.rate, "adam_rate": a.adam_rate, "torch": str(torch.__version__)}
    # First beside, then over: whoever reads the file never meets half of one.
    torch.save({"shape": net.shape, "weights": weights, "facts": facts}, a.out.with_suffix(".new"))
    a.out.with_suffix(".new").replace(a.out)
    print(json.dumps(facts), flush=True)


def load(path):
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = Storyteller(len(saved["weights"]["embedding.weight"]), saved["shape"])
    net.load_state_dict(saved["weights"])
    return net.eval(), saved["facts"]


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--data", type=pathlib.Path, required=True, help="the folder that prepare.py filled")
    ask.add_argument("--out", type=pathlib.Path, required=True, help="where the weights go, a .pt file")
    ask.add_argument("--start", type=pathlib.Path, help="weights to go on from, instead of random ones")
    ask.add_argument("--minutes", type=float, default=46)
    ask.add_argument("--save-every", type=float, default=5, help="minutes between two files")
    ask.add_argument("--rows", type=int, default=8, help="windows in a batch")
    ask.add_argument("--context", type=int, default=512)
    ask.add_argument("--rate", type=float, default=.02)
    ask.add_argument("--adam-rate", type=float, default=.004)
    ask.add_argument("--compile", action="store_true", help="needs a C++ compiler")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--threads", type=int, default=1)
    a = ask.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    net = Storyteller(len(Tokenizer.load(a.data / "pieces.json").tokens))
    if a.start:
        net.load_state_dict(load(a.start)[0].state_dict())
    print(f"{sum(p.numel() for p in net.parameters()):,} parameters", flush=True)
    train(net, a)


if __name__ == "__main__":
    main()
