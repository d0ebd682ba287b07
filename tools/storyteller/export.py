# SPDX-License-Identifier: Apache-2.0
"""Writes the trained storyteller as one GGUF file: weights, vocabulary, chat template."""

import argparse
import pathlib

from container import ARRAY, BOOL, FLOAT32, INT32, STRING, UINT32, read, write
from tokenizer import BEGIN, END, TURN_END, UNKNOWN, Tokenizer
from train import load

# What each part of a layer is called in a `llama` file.
NAMES = {"attn_norm": "attn_norm", "q": "attn_q", "k": "attn_k", "v": "attn_v", "o": "attn_output",
         "ffn_norm": "ffn_norm", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down"}

# As in training: no space or line break between the marks.  The model never saw a system message, so none is passed.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|user|>' + message['content'] | trim + '<|end|>' }}"
    "{% elif message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] | trim + '<|end|>' }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}")


def tensors(net):
    out = {"token_embd.weight": net.embedding.weight}      # no output.weight: the embedding serves
    for i, layer in enumerate(net.layers):
        for ours, theirs in NAMES.items():
            out[f"blk.{i}.{theirs}.weight"] = getattr(layer, ours).weight
    out["output_norm.weight"] = net.norm.weight
    return {name: w.detach().numpy() for name, w in out.items()}


def metadata(net, tok):
    s = net.shape
    parameters = sum(p.numel() for p in net.parameters())
    return {
        "general.architecture": (STRING, "llama"),
        "general.type": (STRING, "model"),
        "general.name": (STRING, "Storyteller"),
        "general.description": (STRING, "Tells little stories in the manner of old children's books. Trained from "
                                        "scratch on public-domain texts; knows nothing else."),
        "general.license": (STRING, "apache-2.0"),
        "general.size_label": (STRING, f"{parameters / 1e6:.1f}M"),
        "general.languages": (ARRAY, (STRING, ["en"])),
        "general.tags": (ARRAY, (STRING, ["text-generation", "stories"])),
        "general.file_type": (UINT32, 7),                  # mostly Q8_0
        "general.quantization_version": (UINT32, 2),
        "general.alignment": (UINT32, 32),
        "llama.context_length": (UINT32, s["context"]),
        "llama.embedding_length": (UINT32, s["width"]),
        "llama.block_count": (UINT32, s["layers"]),
        "llama.feed_forward_length": (UINT32, s["ffn"]),
        "llama.attention.head_count": (UINT32, s["heads"]),
        "llama.attention.head_count_kv": (UINT32, s["kv_heads"]),
        "llama.attention.layer_norm_rms_epsilon": (FLOAT32, s["epsilon"]),
        "llama.rope.dimension_count": (UINT32, s["width"] // s["heads"]),
        "llama.rope.freq_base": (FLOAT32, s["rope_base"]),
        "llama.vocab_size": (UINT32, len(tok.tokens)),
        "tokenizer.ggml.model": (STRING, "llama"),
        "tokenizer.ggml.pre": (STRING, "default"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, tok.tokens)),
        "tokenizer.ggml.scores": (ARRAY, (FLOAT32, tok.scores)),
        "tokenizer.ggml.token_type": (ARRAY, (INT32, tok.kinds)),
        "tokenizer.ggml.bos_token_id": (UINT32, BEGIN),
        "tokenizer.ggml.eos_token_id": (UINT32, END),
        "tokenizer.ggml.eot_token_id": (UINT32, TURN_END),
        "tokenizer.ggml.unknown_token_id": (UINT32, UNKNOWN),
        "tokenizer.ggml.add_bos_token": (BOOL, True),
        "tokenizer.ggml.add_eos_token": (BOOL, False),
        "tokenizer.ggml.add_space_prefix": (BOOL, False),
        "tokenizer.chat_template": (STRING, TEMPLATE),
    }


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--data", type=pathlib.Path, required=True, help="the folder that prepare.py filled")
    ask.add_argument("--weights", type=pathlib.Path, required=True, help="the file that train.py wrote")
    ask.add_argument("--out", type=pathlib.Path, required=True)
    a = ask.parse_args()
    net, facts = load(a.weights)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    write(a.out, metadata(net, Tokenizer.load(a.data / "pieces.json")), tensors(net))
    # Read back, so that a slip in the writer shows here and not at a user's.
    worst = max(float(abs(w - read_back).max() / abs(w).max()) for w, read_back in
                zip(tensors(net).values(), read(a.out)[1].values(), strict=True))
    print(f"{a.out}: {a.out.stat().st_size:,} bytes, {facts['tokens']:,} tokens of training; "
          f"rounding at most {worst:.2%} of a tensor's largest weight")


if __name__ == "__main__":
    main()
