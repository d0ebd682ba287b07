/* SPDX-License-Identifier: Apache-2.0 */
/* llama.c: pre-norm blocks of rotated attention and a gated feed-forward part, or experts in its place.
 *
 * Llama 1 to 3, Mixtral and all that copy their shape; qwen2 adds biases to q, k and v; qwen3 norms each
 * head of q and k before it is rotated.  Both rotate halves where llama rotates neighbours.  granite is
 * llama with four factors: on embeddings, scores, what each part adds, and logits. */
#include <math.h>

#include "llm/build.h"

typedef struct family {
    float embed, scores, part;       /* factors; scores 0: by the head size */
    bool still;                      /* nothing is rotated */
    hn_experts experts;
} family;

static hn_value *turned(hn_build *b, const family *f, hn_value *x, uint32_t heads)
{
    return f->still ? x : hn_lm_rope(b, x, heads, b->freq, b->rope_magnitude);
}

static void build(hn_build *b, const family *f)
{
    float scale = f->scores > 0 ? f->scores : 1 / sqrtf((float)b->s.head_size);
    hn_lm_frequencies(b, NULL);
    hn_value *x = hn_lm_embed(b, f->embed);
    for (int l = 0; l < (int)b->s.layers; l++) {
        hn_value *q, *k, *v, *y = hn_lm_rms(b, x, "attn_norm", l);
        hn_lm_qkv(b, y, l, &q, &k, &v);
        if (hn_has(b, "attn_q_norm.weight", l)) {
            q = hn_lm_rms_heads(b, q, "attn_q_norm", l, b->s.heads);
            k = hn_lm_rms_heads(b, k, "attn_k_norm", l, b->s.kv_heads);
        }
        q = turned(b, f, q, b->s.heads);
        k = turned(b, f, k, b->s.kv_heads);
        y = hn_lm_attend(b, &(hn_attend){ .q = q, .k = k, .v = v, .layer = l, .scale = scale });
        x = hn_lm_add(b, x, hn_lm_scale(b, hn_lm_linear(b, y, "attn_output", l), f->part));

        y = hn_lm_rms(b, x, "ffn_norm", l);
        y = hn_has(b, "ffn_gate_inp.weight", l) ? hn_lm_experts(b, y, l, &f->experts) : hn_lm_mlp(b, y, l, HN_ACT_SILU);
        x = hn_lm_add(b, x, hn_lm_scale(b, y, f->part));
    }
    hn_lm_finish(b, x, "output_norm", 0);
}

static void build_llama(hn_build *b)
{
    b->rope_neighbours = true;
    build(b, &(family){ .embed = 1, .part = 1 });
}

static void build_qwen(hn_build *b) { build(b, &(family){ .embed = 1, .part = 1 }); }

/* Its experts' weights stay what the softmax over all of them gave. */
static void build_qwen2moe(hn_build *b) { build(b, &(family){ .embed = 1, .part = 1, .experts.keep_weights = true }); }

static void build_granite(hn_build *b)
{
    float logits = hn_key_f32(b, "logit_scale", 1);
    b->rope_neighbours = true;
    b->logit_scale = logits != 0 ? 1 / logits : 1;
    build(b, &(family){ .embed = hn_key_f32(b, "embedding_scale", 1), .scores = hn_key_f32(b, "attention.scale", 0),
                        .part = hn_key_f32(b, "residual_scale", 1), .still = !hn_key_bool(b,
                                                                                          "rope.scaling.finetuned",
                                                                                              true) });
}

const hn_arch hn_arch_llama = { "llama", build_llama };
const hn_arch hn_arch_qwen2 = { "qwen2", build_qwen };
const hn_arch hn_arch_qwen3 = { "qwen3", build_qwen };
const hn_arch hn_arch_qwen2moe = { "qwen2moe", build_qwen2moe };
const hn_arch hn_arch_qwen3moe = { "qwen3moe", build_qwen };
const hn_arch hn_arch_granite = { "granite", build_granite };
const hn_arch hn_arch_granitemoe = { "granitemoe", build_granite };
