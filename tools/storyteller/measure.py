# SPDX-License-Identifier: Apache-2.0
"""What the written file computes: reference numbers for an engine, perplexity, and stories to read.

Everything starts from the GGUF file: its Q8_0 weights decoded to float32, all else in float32.
"""

import argparse
import json
import math
import pathlib

import torch
from torch.nn import functional as F

import container
from export import NAMES
from tokenizer import ASSISTANT, BEGIN, END, NORMAL, SPECIAL, TURN_END, USER, Tokenizer
from train import Storyteller


def load(path):
    meta, weights = container.read(path)
    heads, width = meta["llama.attention.head_count"], meta["llama.embedding_length"]
    net = Storyteller(meta["llama.vocab_size"], {
        "width": width, "layers": meta["llama.block_count"], "heads": heads,
        "kv_heads": meta["llama.attention.head_count_kv"], "ffn": meta["llama.feed_forward_length"],
        "context": meta["llama.context_length"], "rope_base": meta["llama.rope.freq_base"],
        "epsilon": meta["llama.attention.layer_norm_rms_epsilon"]})
    state = {"embedding.weight": weights["token_embd.weight"], "norm.weight": weights["output_norm.weight"]}
    for i in range(meta["llama.block_count"]):
        state |= {f"layers.{i}.{ours}.weight": weights[f"blk.{i}.{theirs}.weight"] for ours, theirs in NAMES.items()}
    net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in state.items()})
    tokens, kinds = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    characters = kinds.count(NORMAL) - len(Tokenizer([]).ids)
    return net.eval(), Tokenizer(tokens[len(SPECIAL):len(SPECIAL) + characters])


def ask_for(tok, request):
    return [BEGIN, USER, *tok.encode(request), TURN_END, ASSISTANT]


# Numbers for an engine.

def summary(net, name, ids):
    x = net(torch.tensor([ids]))[0, -1].double()
    best = x.topk(8)
    return {
        "prompt": name, "tokens": ids, "argmax": int(best.indices[0]),
        "margin": round(float(best.values[0] - best.values[1]), 4), "lse": round(float(x.logsumexp(0)), 6),
        "sum": round(float(x.sum()), 6), "sumsq": round(float((x * x).sum()), 6),
        "top8": [[int(i), round(float(v), 6)] for v, i in zip(best.values, best.indices)],
        "first64": [float(f"{v:.7g}") for v in x[:64].tolist()],
    }


def greedy(net, ids, count):
    """End tokens do not stop it."""
    out, margin = list(ids), math.inf
    for _ in range(count):
        best = net(torch.tensor([out]))[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        out.append(int(best.indices[0]))
    return {"prompt": list(ids), "tokens": out[len(ids):], "min_margin": round(margin, 5)}


def reference(net, tok):
    long = {
        "plain": [BEGIN, *tok.encode(
            "Once upon a time there lived in a little house at the edge of the forest an old woman and her cat. "
            "Every morning the cat sat down by the door, and looked out over the fields, and said nothing at all.")],
        "turn": [*ask_for(tok, "Tell me a story about a fox."), *tok.encode(
            "A hungry Fox went out one evening to look for his supper, and came to a farm where the hens were asleep. "
            "\"Good evening,\" said he to the old Dog at the gate.")],
        "fable": [BEGIN, *tok.encode(
            "The Crow and the Pitcher\n\nA thirsty Crow found a pitcher with some water in it, but so little was there "
            "that, try as she might, she could not reach it with her beak.")],
    }
    starts = [[BEGIN, *tok.encode("Once upon a time")], ask_for(tok, "Tell me a story about a fox."),
              ask_for(tok, "Tell me the story of The Golden Bird.")]
    runs = [greedy(net, s, 48) for s in starts]
    texts = ["Once upon a time", "\"Go on,\" said the Fox.\n\n\"I won't!\"", "caf\u00e9 \u4e2d 123", " two  spaces "]
    return {
        "architecture": "llama", "n_vocab": len(tok.tokens), "n_ctx": net.shape["context"],
        "how": "PyTorch, float32, weights as decoded from storyteller.gguf; no cache, each batch from position 0",
        "batches": [summary(net, name, ids[:n]) for name, ids in long.items() for n in (1, 8, 40)],
        "greedy": runs[0], "greedy_more": runs[1:],
        "greedy_text": [tok.decode(r["tokens"]) for r in runs],
        "tokenize": [{"text": t, "ids": tok.encode(t)} for t in texts],
        "chat": [{"messages": [{"role": "user", "content": "Tell me a story about a fox."}],
                  "rendered": "<s><|user|>Tell me a story about a fox.<|end|><|assistant|>", "ids": starts[1]}],
    }


# Perplexity.

def losses(net, rows):
    """Negative log-likelihood of every token but the first of each row."""
    out = []
    for part in rows.split(16):
        logits = net(part[:, :-1]).flatten(0, 1)
        out.append(F.cross_entropy(logits, part[:, 1:].flatten(), reduction="none").view(len(part), -1))
    return torch.cat(out).double()


def figures(loss):
    loss = loss.flatten()
    error = float(loss.std() / len(loss) ** .5)
    ppl = math.exp(float(loss.mean()))
    return {"perplexity": round(ppl, 4), "standard_error": round(ppl * error, 4),
            "mean_nll": round(float(loss.mean()), 6), "scored_tokens": len(loss)}


def perplexity(net, tok, text):
    ids = torch.tensor([BEGIN, *tok.encode(text)])
    size, out = len(text.encode()), {}
    for n in (256, 512):
        rows = ids[:len(ids) // n * n].view(-1, n)
        out[f"windows_{n}"] = figures(losses(net, rows))
        begun = rows.clone()
        begun[:, 0] = BEGIN
        out[f"second_half_{n}"] = figures(losses(net, begun)[:, n // 2:])
    # Every byte once: windows of 512 that overlap by half, of which only what is new counts.
    total, n = 0.0, net.shape["context"]
    for s in range(0, len(ids) - 1, n // 2):
        new = 0 if s == 0 else n // 2 - 1
        row = ids[s:s + n]
        if len(row) - 1 > new:
            total += float(losses(net, row[None])[0, new:].sum())
    out["whole_text"] = {"tokens": len(ids) - 1, "bytes": size,
                         "perplexity_per_token": round(math.exp(total / (len(ids) - 1)), 4),
                         "bits_per_byte": round(total / math.log(2) / size, 4),
                         "perplexity_per_byte": round(math.exp(total / size), 4)}
    return out


# Stories.

def tell(net, ids, generator, longest=300, temperature=.7, top_k=40):
    out = list(ids)
    while len(out) < min(len(ids) + longest, net.shape["context"]):
        best = (net(torch.tensor([out]))[0, -1] / temperature).topk(top_k)
        token = int(best.indices[torch.multinomial(best.values.softmax(0), 1, generator=generator)])
        if token in (END, TURN_END):
            break
        out.append(token)
    return out[len(ids):]


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--model", type=pathlib.Path, required=True, help="the GGUF file")
    ask.add_argument("--held-out", type=pathlib.Path, help="a text; prints perplexity over it")
    ask.add_argument("--reference", type=pathlib.Path, help="where to write the reference numbers")
    ask.add_argument("--ask", nargs="*", default=[], help="requests; prints a story for each")
    ask.add_argument("--begin", nargs="*", default=[], help="beginnings; prints each and how it goes on")
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--threads", type=int, default=1)
    a = ask.parse_args()
    torch.set_num_threads(a.threads)
    net, tok = load(a.model)
    with torch.no_grad():
        facts = reference(net, tok) if a.reference else {}
        if a.held_out:
            facts["perplexity"] = {"file": a.held_out.name, **perplexity(net, tok, a.held_out.read_text())}
            print(json.dumps(facts["perplexity"], indent=1))
        if a.reference:
            a.reference.write_text(json.dumps(facts) + "\n")
        for text in a.ask:
            print(f"> {text}\n{tok.decode(tell(net, ask_for(tok, text), torch.Generator().manual_seed(a.seed)))}\n")
        for text in a.begin:
            ids = [BEGIN, *tok.encode(text)]
            print(text + tok.decode(tell(net, ids, torch.Generator().manual_seed(a.seed))), end="\n\n")


if __name__ == "__main__":
    main()
