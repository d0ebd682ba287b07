#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small random models as Hugging Face folders, and what the reference library computes from them.

    hf_reference.py record OUT.json...   writes tests/llm/hf/NAME.json: configuration, names and shapes of tensors,
                                         tokens, and the numbers the library gives
    hf_reference.py folder NAME DIR      writes the folder itself, in two shards

Needs torch, transformers and safetensors: a developer's tool, nothing of it is needed to build or test.
Weights are not kept: every element follows from its tensor's name and its index, the same here and in
tests/llm/hf.c.
"""
import json
import os
import sys
import tempfile

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from safetensors.torch import save_file

COMMON = dict(vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
              max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0)
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
LONG = {"rope_type": "longrope", "short_factor": [1.0 + 0.05 * i for i in range(8)],
        "long_factor": [1.5 + 0.5 * i for i in range(8)]}
MODELS = {
    "llama": ("llama", "bf16", dict(num_key_value_heads=2, rms_norm_eps=1e-5, rope_scaling=LLAMA3, tie_word_embeddings=False)),
    "mistral-f16": ("mistral", "f16", dict(num_key_value_heads=2, head_dim=24, sliding_window=None)),
    "mixtral": ("mixtral", "f32", dict(num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2)),
    "qwen2": ("qwen2", "bf16", dict(num_key_value_heads=2, rope_theta=1000000.0, tie_word_embeddings=True)),
    "qwen3": ("qwen3", "f32", dict(num_key_value_heads=2, head_dim=24)),
    "qwen2-moe": ("qwen2_moe", "f32", dict(num_key_value_heads=2, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48,
                                           shared_expert_intermediate_size=80, decoder_sparse_step=1, norm_topk_prob=False)),
    "qwen3-moe": ("qwen3_moe", "f32", dict(num_key_value_heads=2, head_dim=16, num_experts=4, num_experts_per_tok=2,
                                           moe_intermediate_size=48, norm_topk_prob=True)),
    "gemma": ("gemma", "f32", dict(num_key_value_heads=1, head_dim=32, hidden_activation="gelu_pytorch_tanh")),
    "gemma2": ("gemma2", "bf16", dict(num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=16, sliding_window=8,
                                      attn_logit_softcapping=20.0, final_logit_softcapping=15.0)),
    "phi3": ("phi3", "f32", dict(num_key_value_heads=2, original_max_position_embeddings=128, rope_scaling=LONG, sliding_window=None)),
    "granite": ("granite", "f32", dict(num_key_value_heads=2, embedding_multiplier=6.0, attention_multiplier=0.4,
                                       residual_multiplier=0.6, logits_scaling=4.0)),
    "olmo2": ("olmo2", "f32", dict(num_key_value_heads=2)),
    "starcoder2": ("starcoder2", "f32", dict(num_key_value_heads=2, sliding_window=None)),
    "stablelm": ("stablelm", "f32", dict(num_key_value_heads=2, partial_rotary_factor=0.25)),
    "cohere": ("cohere", "f32", dict(num_key_value_heads=2, logit_scale=0.25)),
    "gpt2": ("gpt2", "f32", dict(n_embd=64, n_head=4, n_layer=2, n_positions=256)),
    "bert": ("bert", "f32", dict()),
}
TOKENS = [1, 17, 42, 5, 90, 33, 8, 61, 12, 77, 3, 28, 54, 19, 86, 40]


def weights(name, shape):
    """A small generator per tensor: every value is a multiple of 2^-18, so exact in float and double."""
    s = 2166136261
    for c in name.encode():
        s = ((s ^ c) * 16777619) & 0xFFFFFFFF
    n = int(np.prod(shape))
    out = np.empty(n, np.float64)
    for i in range(n):
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = ((s >> 16) - 32768) / 65536
    return (1 + out / 2 if len(shape) == 1 and "bias" not in name else out / 2).reshape(shape).astype(np.float32)


def make(name, folder):
    kind, dtype, own = MODELS[name]
    config = transformers.AutoConfig.for_model(kind, **{**COMMON, **own})
    auto = transformers.AutoModel if kind == "bert" else transformers.AutoModelForCausalLM
    model = auto.from_config(config)
    model.save_pretrained(folder, max_shard_size="60KB")
    files = sorted(f for f in os.listdir(folder) if f.endswith(".safetensors"))
    kinds = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
    tensors = {}
    for f in files:
        path = os.path.join(folder, f)
        old = load_file(path)
        tensors.update({k: list(v.shape) for k, v in old.items()})
        save_file({k: torch.from_numpy(weights(k, v.shape)).to(kinds[dtype]) for k, v in old.items()}, path, {"format": "pt"})
    model = auto.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        out = model(torch.tensor([TOKENS]))
    values = out.last_hidden_state[0].mean(0) if kind == "bert" else out.logits[0, -1]
    return {"dtype": dtype, "config": json.load(open(os.path.join(folder, "config.json"))), "tensors": dict(sorted(tensors.items())),
            "tokens": TOKENS, "values": [float("%.7g" % v) for v in values.double().tolist()]}


def main():
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if sys.argv[1] == "folder":
        make(sys.argv[2], sys.argv[3])
        return
    for path in sys.argv[2:]:
        with tempfile.TemporaryDirectory() as folder:
            try:
                record = make(os.path.basename(path)[:-5], folder)
            except Exception as e:                                  # one model the library dislikes must not stop the rest
                print(path, "not made:", repr(e)[:300], file=sys.stderr)
                continue
        with open(path, "w") as f:
            json.dump(record, f, separators=(",", ":"))
            f.write("\n")
        print(path)


main()
