/* SPDX-License-Identifier: Apache-2.0 */
/* gemma.c: three generations of one family.
 *
 * All scale the embeddings by sqrt(width) and use tanh-GELU gates.  gemma2 also norms what each part gives,
 * caps attention scores and logits, and lets every other layer see only a window.  gemma3 drops the caps,
 * norms the heads of q and k, and has five windowed layers, with a rotation of their own, to each global one. */
#include <math.h>

#include "llm/build.h"

typedef struct family {
    bool post_norms;
    uint32_t period;                 /* every period-th layer is global; 0: all are */
    float scale;                     /* on attention scores */
    float cap, last_cap;
    uint32_t window;
    hn_value *local;                 /* rotation of windowed layers; NULL: as the global ones */
} family;

static void build(hn_build *b, const family *f)
{
    hn_value *x = hn_lm_embed(b, sqrtf((float)b->s.width));
    for (int l = 0; l < (int)b->s.layers; l++) {
        bool windowed = f->period && ((uint32_t)l + 1) % f->period != 0;
        hn_value *freq = windowed && f->local ? f->local : b->freq;
        float magnitude = windowed && f->local ? 1 : b->rope_magnitude;
        hn_value *q, *k, *v, *y = hn_lm_rms(b, x, "attn_norm", l);
        hn_lm_qkv(b, y, l, &q, &k, &v);
        if (hn_has(b, "attn_q_norm.weight", l)) {
            q = hn_lm_rms_heads(b, q, "attn_q_norm", l, b->s.heads);
            k = hn_lm_rms_heads(b, k, "attn_k_norm", l, b->s.kv_heads);
        }
        q = hn_lm_rope(b, q, b->s.heads, freq, magnitude);
        k = hn_lm_rope(b, k, b->s.kv_heads, freq, magnitude);
        y = hn_lm_attend(b, &(hn_attend){ q, k, v, l, f->scale, f->cap, windowed ? f->window : 0 });
        y = hn_lm_linear(b, y, "attn_output", l);
        if (f->post_norms)
            y = hn_lm_rms(b, y, "post_attention_norm", l);
        x = hn_lm_add(b, x, y);

        y = hn_lm_rms(b, x, "ffn_norm", l);
        y = hn_lm_glu(b, hn_lm_linear(b, y, "ffn_gate", l), hn_lm_linear(b, y, "ffn_up", l), HN_ACT_GELU_TANH);
        y = hn_lm_linear(b, y, "ffn_down", l);
        if (f->post_norms)
            y = hn_lm_rms(b, y, "post_ffw_norm", l);
        x = hn_lm_add(b, x, y);
    }
    hn_lm_finish(b, x, "output_norm", f->last_cap);
}

static void build_gemma(hn_build *b)
{
    hn_lm_frequencies(b, NULL);
    build(b, &(family){ .scale = 1 / sqrtf((float)b->s.head_size) });
}

/* The largest gemma2 and gemma3 scale by width over heads, which is not the head size there. */
static float score_scale(const hn_build *b, uint32_t big)
{
    return 1 / sqrtf((float)(b->s.layers == big ? b->s.width / b->s.heads : b->s.head_size));
}

static void build_gemma2(hn_build *b)
{
    hn_lm_frequencies(b, NULL);
    build(b, &(family){ .post_norms = true, .period = 2, .scale = score_scale(b, 46),
                        .cap = hn_key_f32(b, "attn_logit_softcapping", 50),
                        .last_cap = hn_key_f32(b, "final_logit_softcapping", 30),
                        .window = hn_key_u32(b, "attention.sliding_window", 4096) });
}

static void build_gemma3(hn_build *b)
{
    hn_lm_frequencies(b, NULL);
    build(b, &(family){ .post_norms = true, .period = 6, .scale = score_scale(b, 62),
                        .last_cap = hn_key_f32(b, "final_logit_softcapping", 0),
                        .window = hn_key_u32(b, "attention.sliding_window", 1024),
                        .local = hn_lm_plain_frequencies(b, hn_key_f32(b, "rope.freq_base_swa", 10000)) });
}

const hn_arch hn_arch_gemma = { "gemma", build_gemma };
const hn_arch hn_arch_gemma2 = { "gemma2", build_gemma2 };
const hn_arch hn_arch_gemma3 = { "gemma3", build_gemma3 };
