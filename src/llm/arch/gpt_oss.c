/* SPDX-License-Identifier: Apache-2.0 */
/* gpt_oss.c: experts in every layer, with biases and a clamped gate; attention with sinks, which take a
 * share of each softmax and give nothing; every other layer, the first one among them, sees a window. */
#include <math.h>

#include "llm/build.h"

static void build(hn_build *b)
{
    uint32_t window = hn_key_u32(b, "attention.sliding_window", 0);
    hn_lm_frequencies(b, NULL);
    hn_value *x = hn_lm_embed(b, 1);
    for (int l = 0; l < (int)b->s.layers; l++) {
        hn_value *q, *k, *v, *y = hn_lm_rms(b, x, "attn_norm", l);
        hn_lm_qkv(b, y, l, &q, &k, &v);
        q = hn_lm_rope(b, q, b->s.heads, b->freq, b->rope_magnitude);
        k = hn_lm_rope(b, k, b->s.kv_heads, b->freq, b->rope_magnitude);
        y = hn_lm_attend(b, &(hn_attend){ .q = q, .k = k, .v = v, .layer = l, .scale = 1 / sqrtf((float)b->s.head_size),
                                          .window = l % 2 ? 0 : window,
                                              .sinks = hn_lm_sinks(b, "attn_sinks.weight", l) });
        x = hn_lm_add(b, x, hn_lm_linear(b, y, "attn_output", l));
        y = hn_lm_rms(b, x, "post_attention_norm", l);
        x = hn_lm_add(b, x, hn_lm_experts(b, y, l, &(hn_experts){ .clamp = 7 }));
    }
    hn_lm_finish(b, x, "output_norm", 0);
}

const hn_arch hn_arch_gpt_oss = { "gpt-oss", build };
