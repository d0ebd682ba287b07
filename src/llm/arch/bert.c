/* SPDX-License-Identifier: Apache-2.0 */
/* bert.c: encoders: every token sees every other, norms follow each part, a text becomes one vector.
 *
 * bert has learned positions and GELU; nomic-bert rotates and has a gate. */
#include <math.h>

#include "llm/build.h"

static void build(hn_build *b, bool learned, hn_act_kind act)
{
    b->s.encoder = b->mean_norm = true;
    hn_value *x = hn_lm_embed(b, 1);
    if (hn_has(b, "token_types.weight", -1))
        x = hn_lm_add_first(b, x, "token_types.weight");
    if (learned)
        x = hn_lm_add_positions(b, x);
    else
        hn_lm_frequencies(b, NULL);
    x = hn_lm_norm(b, x, "token_embd_norm", -1);
    for (int l = 0; l < (int)b->s.layers; l++) {
        hn_value *q, *k, *v;
        hn_lm_qkv(b, x, l, &q, &k, &v);
        if (!learned) {
            q = hn_lm_rope(b, q, b->s.heads, b->freq, b->rope_magnitude);
            k = hn_lm_rope(b, k, b->s.kv_heads, b->freq, b->rope_magnitude);
        }
        hn_value *y = hn_lm_attend(b, &(hn_attend){ .q = q, .k = k, .v = v, .layer = l,
                                                    .scale = 1 / sqrtf((float)b->s.head_size) });
        x = hn_lm_norm(b, hn_lm_add(b, x, hn_lm_linear(b, y, "attn_output", l)), "attn_output_norm", l);
        x = hn_lm_norm(b, hn_lm_add(b, x, hn_lm_mlp(b, x, l, act)), "layer_output_norm", l);
    }
    hn_lm_pool(b, x);
}

static void build_bert(hn_build *b) { build(b, true, HN_ACT_GELU); }
static void build_nomic(hn_build *b) { build(b, false, HN_ACT_SILU); }

const hn_arch hn_arch_bert = { "bert", build_bert };
const hn_arch hn_arch_nomic_bert = { "nomic-bert", build_nomic };
