/* SPDX-License-Identifier: Apache-2.0 */
/* phi3.c: llama's block with fused matrices (q, k, v in one; gate, then up in the other) and two lists of
 * rotation factors: the long one when the session's context exceeds the original one. */
#include <math.h>

#include "llm/build.h"

static void build(hn_build *b)
{
    uint32_t original = hn_key_u32(b, "rope.scaling.original_context_length", b->s.context);
    const char *factors = b->tokens_max > original ? "rope_factors_long.weight" : "rope_factors_short.weight";
    bool listed = hn_has(b, "rope_factors_long.weight", -1) && hn_has(b, "rope_factors_short.weight", -1);
    if (listed)
        hn_lm_skip(b, b->tokens_max > original ? "rope_factors_short.weight" : "rope_factors_long.weight", -1);
    hn_lm_frequencies(b, listed ? factors : NULL);
    hn_value *x = hn_lm_embed(b, 1);
    for (int l = 0; l < (int)b->s.layers; l++) {
        hn_value *q, *k, *v, *y = hn_lm_rms(b, x, "attn_norm", l);
        hn_lm_qkv(b, y, l, &q, &k, &v);
        q = hn_lm_rope(b, q, b->s.heads, b->freq, b->rope_magnitude);
        k = hn_lm_rope(b, k, b->s.kv_heads, b->freq, b->rope_magnitude);
        y = hn_lm_attend(b, &(hn_attend){ q, k, v, l, 1 / sqrtf((float)b->s.head_size), 0, 0 });
        x = hn_lm_add(b, x, hn_lm_linear(b, y, "attn_output", l));

        y = hn_lm_rms(b, x, "ffn_norm", l);
        hn_value *gate = hn_lm_linear_part(b, y, "ffn_up", l, 0, b->s.ffn);
        hn_value *up = hn_lm_linear_part(b, y, "ffn_up", l, b->s.ffn, b->s.ffn);
        x = hn_lm_add(b, x, hn_lm_linear(b, hn_lm_glu(b, gate, up, HN_ACT_SILU), "ffn_down", l));
    }
    hn_lm_finish(b, x, "output_norm", 0);
}

const hn_arch hn_arch_phi3 = { "phi3", build };
