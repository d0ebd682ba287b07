/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: models whose layers remember a fixed amount, whatever the length of the text.
 *
 * mamba has nothing but such layers; lfm2 mixes short convolutions with a few layers of attention, which
 * are those that have key heads. */
#include <math.h>

#include "llm/build.h"

static hn_value *mamba_layer(hn_build *b, hn_value *x, int l, uint32_t inner, uint32_t states, uint32_t rank,
                             uint32_t taps)
{
    hn_value *z = hn_lm_linear_part(b, x, "ssm_in", l, inner, inner);
    x = hn_lm_linear_part(b, x, "ssm_in", l, 0, inner);
    x = hn_lm_act(b, hn_lm_short_conv(b, x, "ssm_conv1d", l, inner, taps), HN_ACT_SILU);
    hn_value *dt = hn_lm_linear_part(b, x, "ssm_x", l, 0, rank);
    hn_scan s = { .x = x, .dt = hn_lm_linear(b, dt, "ssm_dt", l), .b = hn_lm_linear_part(b, x, "ssm_x", l, rank,
                                                                                         states),
                  .c = hn_lm_linear_part(b, x, "ssm_x", l, rank + states, states), .channels = inner,
                      .states = states };
    x = hn_lm_glu(b, z, hn_lm_selective_scan(b, &s, l), HN_ACT_SILU);
    return hn_lm_linear(b, x, "ssm_out", l);
}

static void build_mamba(hn_build *b)
{
    uint32_t inner = hn_key_u32(b, "ssm.inner_size", 0), states = hn_key_u32(b, "ssm.state_size", 0);
    uint32_t rank = hn_key_u32(b, "ssm.time_step_rank", 0), taps = hn_key_u32(b, "ssm.conv_kernel", 4);
    hn_value *x = hn_lm_embed(b, 1);
    for (int l = 0; l < (int)b->s.layers; l++)
        x = hn_lm_add(b, x, mamba_layer(b, hn_lm_rms(b, x, "attn_norm", l), l, inner, states, rank, taps));
    hn_lm_finish(b, x, "output_norm", 0);
}

static hn_value *gated_conv(hn_build *b, hn_value *x, int l, uint32_t taps)
{
    uint32_t n = b->s.width;
    hn_value *in = hn_lm_linear_part(b, x, "shortconv.in_proj", l, 0, n),
        *out = hn_lm_linear_part(b, x, "shortconv.in_proj", l, n, n);
    x = hn_lm_mul(b, in, hn_lm_linear_part(b, x, "shortconv.in_proj", l, 2 * n, n));
    x = hn_lm_mul(b, out, hn_lm_short_conv(b, x, "shortconv.conv", l, n, taps));
    return hn_lm_linear(b, x, "shortconv.out_proj", l);
}

static hn_value *attention(hn_build *b, hn_value *x, int l)
{
    hn_value *q, *k, *v;
    hn_lm_qkv(b, x, l, &q, &k, &v);
    q = hn_lm_rms_heads(b, q, "attn_q_norm", l, b->s.heads);
    k = hn_lm_rms_heads(b, k, "attn_k_norm", l, b->s.kv_heads);
    q = hn_lm_rope(b, q, b->s.heads, b->freq, b->rope_magnitude);
    k = hn_lm_rope(b, k, b->s.kv_heads, b->freq, b->rope_magnitude);
    x = hn_lm_attend(b, &(hn_attend){ .q = q, .k = k, .v = v, .layer = l, .scale = 1 / sqrtf((float)b->s.head_size) });
    return hn_lm_linear(b, x, "attn_output", l);
}

static void build_lfm2(hn_build *b)
{
    uint32_t taps = hn_key_u32(b, "shortconv.l_cache", 3);
    hn_lm_frequencies(b, NULL);
    hn_value *x = hn_lm_embed(b, 1);
    for (int l = 0; l < (int)b->s.layers; l++) {
        bool attends = hn_key_u32_at(b, "attention.head_count_kv", l, b->s.kv_heads) > 0;
        hn_value *y = hn_lm_rms(b, x, "attn_norm", l);
        x = hn_lm_add(b, x, attends ? attention(b, y, l) : gated_conv(b, y, l, taps));
        x = hn_lm_add(b, x, hn_lm_mlp(b, hn_lm_rms(b, x, "ffn_norm", l), l, HN_ACT_SILU));
    }
    hn_lm_finish(b, x, "token_embd_norm", 0);
}

const hn_arch hn_arch_mamba = { "mamba", build_mamba };
const hn_arch hn_arch_lfm2 = { "lfm2", build_lfm2 };
