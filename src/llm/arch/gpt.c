/* SPDX-License-Identifier: Apache-2.0 */
/* gpt.c: the line of GPT-2: norms with a mean, biases, a feed-forward part without a gate.
 *
 * gpt2 has learned positions, the others rotate: gptneox a part of each head.  gptneox and falcon add
 * attention and feed-forward part to the same input; falcon with two norms gives the second to attention.
 * stablelm and command-r have gates, and may norm each head of q and k by weights of its own. */
#include <math.h>

#include "llm/build.h"

typedef struct family {
    bool learned;                    /* positions; nothing is rotated */
    bool parallel;
    hn_act_kind act;
} family;

static hn_value *attention(hn_build *b, const family *f, hn_value *x, int l)
{
    hn_value *q, *k, *v;
    hn_lm_qkv(b, x, l, &q, &k, &v);
    if (hn_has(b, "attn_q_norm.weight", l)) {
        q = hn_lm_layernorm_heads(b, q, "attn_q_norm", l, b->s.heads);
        k = hn_lm_layernorm_heads(b, k, "attn_k_norm", l, b->s.kv_heads);
    }
    if (!f->learned) {
        q = hn_lm_rope(b, q, b->s.heads, b->freq, b->rope_magnitude);
        k = hn_lm_rope(b, k, b->s.kv_heads, b->freq, b->rope_magnitude);
    }
    x = hn_lm_attend(b, &(hn_attend){ .q = q, .k = k, .v = v, .layer = l, .scale = 1 / sqrtf((float)b->s.head_size) });
    return hn_lm_linear(b, x, "attn_output", l);
}

static void build(hn_build *b, const family *f)
{
    b->mean_norm = true;
    hn_value *x = hn_lm_embed(b, 1);
    if (f->learned)
        x = hn_lm_add_positions(b, x);
    else
        hn_lm_frequencies(b, NULL);
    for (int l = 0; l < (int)b->s.layers; l++) {
        hn_value *in = x, *y = hn_lm_norm(b, x, "attn_norm", l);
        bool second = hn_has(b, "attn_norm_2.weight", l);
        x = hn_lm_add(b, x, attention(b, f, second ? hn_lm_norm(b, in, "attn_norm_2", l) : y, l));
        if (hn_has(b, "ffn_norm.weight", l))
            y = hn_lm_norm(b, f->parallel ? in : x, "ffn_norm", l);
        x = hn_lm_add(b, x, hn_lm_mlp(b, y, l, f->act));
    }
    hn_lm_finish(b, x, "output_norm", 0);
}

static void build_gpt2(hn_build *b) { build(b, &(family){ .learned = true, .act = HN_ACT_GELU_TANH }); }
static void build_starcoder2(hn_build *b) { build(b, &(family){ .act = HN_ACT_GELU_TANH }); }
static void build_falcon(hn_build *b) { build(b, &(family){ .parallel = true, .act = HN_ACT_GELU }); }

static void build_gptneox(hn_build *b)
{
    build(b, &(family){ .parallel = hn_key_bool(b, "use_parallel_residual", true), .act = HN_ACT_GELU });
}

/* One norm serves both parts where there is no second: that is what makes them parallel. */
static void build_stablelm(hn_build *b) { build(b, &(family){ .act = HN_ACT_SILU }); }

static void build_command_r(hn_build *b)
{
    b->rope_neighbours = true;
    b->logit_scale = hn_key_f32(b, "logit_scale", 1);
    build(b, &(family){ .act = HN_ACT_SILU });
}

const hn_arch hn_arch_gpt2 = { "gpt2", build_gpt2 };
const hn_arch hn_arch_gptneox = { "gptneox", build_gptneox };
const hn_arch hn_arch_falcon = { "falcon", build_falcon };
const hn_arch hn_arch_starcoder2 = { "starcoder2", build_starcoder2 };
const hn_arch hn_arch_stablelm = { "stablelm", build_stablelm };
const hn_arch hn_arch_command_r = { "command-r", build_command_r };
