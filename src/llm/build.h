/* SPDX-License-Identifier: Apache-2.0 */
/* Building a language model's graph from the tensors of a file.
 *
 * An architecture (arch/NAME.c, one line in arch.def) is about a page: it reads its few keys and
 * strings these helpers together.  Failures stick: after the first, helpers do nothing and return
 * NULL, and hn_lm_build reports it; so a builder reads as the model does.
 *
 * Every tensor and key taken is noted.  What is left over at the end was not understood, and the
 * model is refused by name: a weight left out would be a wrong answer. */
#ifndef HN_LLM_BUILD_H
#define HN_LLM_BUILD_H

#include "formats/gguf.h"
#include "graph/kv.h"
#include "graph/op.h"
#include "llm/lora.h"

typedef struct hn_lm_shape {
    uint32_t layers, width, ffn, heads, kv_heads, head_size, vocab, context;
    float eps;
    bool encoder;                  /* reads a text at once, gives a vector; no logits, no cache */
    uint32_t out_width;            /* of what comes out: vocab, or the encoder's vector */
    size_t state;                  /* floats of a stream that are no keys or values; see graph/kv.h */
} hn_lm_shape;

typedef struct hn_build {
    hn_ctx *cx;
    const hn_gguf *file;
    hn_graph *g;
    const char *arch;
    hn_lm_shape s;
    size_t tokens_max;             /* context of the session: some choices depend on it */
    bool *tensor_used;
    const hn_lora_use *lora; size_t lora_count;
    size_t lora_pairs;             /* of theirs, put to use so far */
    hn_err error;                  /* the first failure */

    hn_value *ids, *pos, *rows;    /* i32 [T], i32 [T], i64 [R]: tokens, positions, rows wanted */
    hn_value *freq;                /* f32 [turned / 2] of the rotation; see hn_lm_frequencies */
    float rope_magnitude;
    bool rope_neighbours;          /* pairs (2i, 2i + 1) instead of (i, i + half) */
    bool mean_norm;                /* hn_lm_norm subtracts the mean */
    float logit_scale;
} hn_build;

typedef struct hn_arch {
    const char *name;              /* general.architecture */
    void (*build)(hn_build *b);
} hn_arch;

/* Keys "ARCH.name"; missing: the default. */
uint32_t hn_key_u32(hn_build *b, const char *name, uint32_t missing);
float hn_key_f32(hn_build *b, const char *name, float missing);
bool hn_key_bool(hn_build *b, const char *name, bool missing);
uint32_t hn_key_u32_at(hn_build *b, const char *name, int layer,
                       uint32_t missing);    /* of a layer, where they differ */
bool hn_has(hn_build *b, const char *tensor, int layer);         /* "attn_q.bias" of a layer, or layer -1 */

/* x times a weight matrix, with NAME.bias when the file has one.  `from` and `rows` take part of a fused
 * matrix; rows 0: all. */
hn_value *hn_lm_linear(hn_build *b, hn_value *x, const char *name, int layer);
hn_value *hn_lm_linear_part(hn_build *b, hn_value *x, const char *name, int layer, size_t from, size_t rows);
hn_value *hn_lm_embed(hn_build *b, float scale);                  /* token_embd of the ids */
hn_value *hn_lm_rms(hn_build *b, hn_value *x, const char *name, int layer);
hn_value *hn_lm_rms_row(hn_build *b, hn_value *x, const char *name, int layer, size_t width);    /* of any width */
hn_value *hn_lm_rms_heads(hn_build *b, hn_value *x, const char *name, int layer, uint32_t heads);
hn_value *hn_lm_rope(hn_build *b, hn_value *x, uint32_t heads, hn_value *freq, float magnitude);
hn_value *hn_lm_add(hn_build *b, hn_value *x, hn_value *y);
hn_value *hn_lm_glu(hn_build *b, hn_value *gate, hn_value *up, hn_act_kind act);
hn_value *hn_lm_cap(hn_build *b, hn_value *x, float cap);         /* cap 0: x itself */

/* blocks.c: what fewer of them need. */
hn_value *hn_lm_layernorm(hn_build *b, hn_value *x, const char *name, int layer);        /* bias if the file has one */
hn_value *hn_lm_layernorm_heads(hn_build *b, hn_value *x, const char *name, int layer,
                                uint32_t heads);  /* weights per head */
hn_value *hn_lm_norm(hn_build *b, hn_value *x, const char *name, int layer);             /* either, by b->mean_norm */
hn_value *hn_lm_scale(hn_build *b, hn_value *x, float by);                               /* 1: x itself */
hn_value *hn_lm_mul(hn_build *b, hn_value *x, hn_value *y);
hn_value *hn_lm_act(hn_build *b, hn_value *x, hn_act_kind act);
hn_value *hn_lm_mlp(hn_build *b, hn_value *x, int layer,
                    hn_act_kind act);               /* ffn_up, ffn_down, ffn_gate if there */
hn_value *hn_lm_add_positions(hn_build *b, hn_value *x);                                 /* position_embd, learned */
hn_value *hn_lm_add_first(hn_build *b, hn_value *x,
                          const char *tensor);                 /* row 0 of a matrix to every token */

/* Experts behind a router (ffn_gate_inp, ffn_*_exps) and the one that reads every token (ffn_*_shexp), if any. */
typedef struct hn_experts { bool keep_weights; float clamp; } hn_experts;                /* keep: do not renormalise */
hn_value *hn_lm_experts(hn_build *b, hn_value *x, int layer, const hn_experts *e);

/* Each channel over its last tokens; the state it needs is added to b->s.state. */
hn_value *hn_lm_short_conv(hn_build *b, hn_value *x, const char *name, int layer, uint32_t channels, uint32_t taps);
typedef struct hn_scan { hn_value *x, *dt, *b, *c; uint32_t channels, states; } hn_scan;
hn_value *hn_lm_selective_scan(hn_build *b, const hn_scan *s, int layer);

/* The end of an encoder: a vector from the rows wanted, or a score. */
void hn_lm_pool(hn_build *b, hn_value *x);

typedef struct hn_attend { hn_value *q, *k, *v; int layer; float scale,
                           cap; uint32_t window; hn_value *sinks; } hn_attend;
hn_value *hn_lm_attend(hn_build *b, const hn_attend *a);
hn_value *hn_lm_attend_all(hn_build *b, const hn_attend *a);      /* every token sees every other: encoders */
hn_value *hn_lm_sinks(hn_build *b, const char *name, int layer);

void hn_lm_refuse(hn_build *b, const char *what);                 /* unsupported: WHAT */

/* A tensor this session has no use for, though the architecture knows it. */
void hn_lm_skip(hn_build *b, const char *tensor, int layer);

/* q, k and v from one fused matrix or from three. */
void hn_lm_qkv(hn_build *b, hn_value *x, int layer, hn_value **q, hn_value **k, hn_value **v);

/* Frequencies of the rotation as the file's rope keys say: base, linear and YaRN scaling, and factors
 * from a tensor (factors NULL: "rope_freqs" if there).  Sets b->freq and b->rope_magnitude. */
void hn_lm_frequencies(hn_build *b, const char *factors);
hn_value *hn_lm_plain_frequencies(hn_build *b, float base);      /* no scaling at all */

/* The rows wanted, last norm and output matrix (tied to the embedding when there is none) -> logits. */
void hn_lm_finish(hn_build *b, hn_value *x, const char *norm, float cap);

/* Finds the architecture and builds; the caller frees the graph.  Inputs: ids, positions, rows. */
hn_err hn_lm_build(hn_ctx *cx, const hn_gguf *file, size_t tokens_max, const hn_lora_use *lora, size_t lora_count,
                   hn_graph **graph,
                   hn_lm_shape *shape);
extern const hn_arch *const hn_archs[];                            /* ends with NULL */

#endif
