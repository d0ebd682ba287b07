/* SPDX-License-Identifier: Apache-2.0 */
/* olmo2.c: llama's parts with the norms behind them: each part's output is normed before it is added,
 * and the whole rows of q and k before they are rotated.  With a window, all but every fourth layer have
 * it, and those rotate plainly. */
#include <math.h>

#include "llm/build.h"

static void build(hn_build *b)
{
    uint32_t window = hn_key_u32(b, "attention.sliding_window", 0);
    hn_lm_frequencies(b, NULL);
    hn_value *plain = window ? hn_lm_plain_frequencies(b, hn_key_f32(b, "rope.freq_base", 10000)) : NULL;
    hn_value *x = hn_lm_embed(b, 1);
    for (int l = 0; l < (int)b->s.layers; l++) {
        bool windowed = window && l % 4 != 3;
        hn_value *freq = windowed ? plain : b->freq, *q, *k, *v, *y;
        float magnitude = windowed ? 1 : b->rope_magnitude;
        hn_lm_qkv(b, x, l, &q, &k, &v);
        q = hn_lm_rms_row(b, q, "attn_q_norm", l, b->s.heads * b->s.head_size);
        k = hn_lm_rms_row(b, k, "attn_k_norm", l, b->s.kv_heads * b->s.head_size);
        q = hn_lm_rope(b, q, b->s.heads, freq, magnitude);
        k = hn_lm_rope(b, k, b->s.kv_heads, freq, magnitude);
        y = hn_lm_attend(b, &(hn_attend){ .q = q, .k = k, .v = v, .layer = l, .scale = 1 / sqrtf((float)b->s.head_size),
                                          .window = windowed ? window : 0 });
        x = hn_lm_add(b, x, hn_lm_rms(b, hn_lm_linear(b, y, "attn_output", l), "post_attention_norm", l));
        x = hn_lm_add(b, x, hn_lm_rms(b, hn_lm_mlp(b, x, l, HN_ACT_SILU), "post_ffw_norm", l));
    }
    hn_lm_finish(b, x, "output_norm", 0);
}

const hn_arch hn_arch_olmo2 = { "olmo2", build };
