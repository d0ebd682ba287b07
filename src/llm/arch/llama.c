/* SPDX-License-Identifier: Apache-2.0 */
/* llama.c: pre-norm blocks of rotated attention and a gated feed-forward part.
 *
 * Llama 1 to 3 and all that copy its shape; qwen2 adds biases to q, k and v; qwen3 norms each head of
 * q and k before it is rotated.  Both rotate halves where llama rotates neighbours. */
#include <math.h>

#include "llm/build.h"

static void build(hn_build *b)
{
    if (hn_key_u32(b, "expert_count", 0) > 0) {
        hn_lm_refuse(b, "mixtures of experts");
        return;
    }
    hn_lm_frequencies(b, NULL);
    hn_value *x = hn_lm_embed(b, 1);
    for (int l = 0; l < (int)b->s.layers; l++) {
        hn_value *q, *k, *v, *y = hn_lm_rms(b, x, "attn_norm", l);
        hn_lm_qkv(b, y, l, &q, &k, &v);
        if (hn_has(b, "attn_q_norm.weight", l)) {
            q = hn_lm_rms_heads(b, q, "attn_q_norm", l, b->s.heads);
            k = hn_lm_rms_heads(b, k, "attn_k_norm", l, b->s.kv_heads);
        }
        q = hn_lm_rope(b, q, b->s.heads, b->freq, b->rope_magnitude);
        k = hn_lm_rope(b, k, b->s.kv_heads, b->freq, b->rope_magnitude);
        y = hn_lm_attend(b, &(hn_attend){ q, k, v, l, 1 / sqrtf((float)b->s.head_size), 0, 0 });
        x = hn_lm_add(b, x, hn_lm_linear(b, y, "attn_output", l));

        y = hn_lm_rms(b, x, "ffn_norm", l);
        y = hn_lm_glu(b, hn_lm_linear(b, y, "ffn_gate", l), hn_lm_linear(b, y, "ffn_up", l), HN_ACT_SILU);
        x = hn_lm_add(b, x, hn_lm_linear(b, y, "ffn_down", l));
    }
    hn_lm_finish(b, x, "output_norm", 0);
}

static void build_llama(hn_build *b)
{
    b->rope_neighbours = true;
    build(b);
}

const hn_arch hn_arch_llama = { "llama", build_llama };
const hn_arch hn_arch_qwen2 = { "qwen2", build };
const hn_arch hn_arch_qwen3 = { "qwen3", build };
