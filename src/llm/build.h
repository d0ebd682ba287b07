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

typedef struct hn_lm_shape {
    uint32_t layers, width, ffn, heads, kv_heads, head_size, vocab, context;
    float eps;
} hn_lm_shape;

typedef struct hn_build {
    hn_ctx *cx;
    const hn_gguf *file;
    hn_graph *g;
    const char *arch;
    hn_lm_shape s;
    size_t tokens_max;             /* context of the session: some choices depend on it */
    bool *tensor_used;
    hn_err error;                  /* the first failure */

    hn_value *ids, *pos, *rows;    /* i32 [T], i32 [T], i64 [R]: tokens, positions, rows wanted */
    hn_value *freq;                /* f32 [turned / 2] of the rotation; see hn_lm_frequencies */
    float rope_magnitude;
    bool rope_neighbours;          /* pairs (2i, 2i + 1) instead of (i, i + half) */
} hn_build;

typedef struct hn_arch {
    const char *name;              /* general.architecture */
    void (*build)(hn_build *b);
} hn_arch;

/* Keys "ARCH.name"; missing: the default. */
uint32_t hn_key_u32(hn_build *b, const char *name, uint32_t missing);
float hn_key_f32(hn_build *b, const char *name, float missing);
bool hn_key_bool(hn_build *b, const char *name, bool missing);
bool hn_has(hn_build *b, const char *tensor, int layer);         /* "attn_q.bias" of a layer, or layer -1 */

/* x times a weight matrix, with NAME.bias when the file has one.  `from` and `rows` take part of a fused
 * matrix; rows 0: all. */
hn_value *hn_lm_linear(hn_build *b, hn_value *x, const char *name, int layer);
hn_value *hn_lm_linear_part(hn_build *b, hn_value *x, const char *name, int layer, size_t from, size_t rows);
hn_value *hn_lm_embed(hn_build *b, float scale);                  /* token_embd of the ids */
hn_value *hn_lm_rms(hn_build *b, hn_value *x, const char *name, int layer);
hn_value *hn_lm_rms_heads(hn_build *b, hn_value *x, const char *name, int layer, uint32_t heads);
hn_value *hn_lm_rope(hn_build *b, hn_value *x, uint32_t heads, hn_value *freq, float magnitude);
hn_value *hn_lm_add(hn_build *b, hn_value *x, hn_value *y);
hn_value *hn_lm_glu(hn_build *b, hn_value *gate, hn_value *up, hn_act_kind act);
hn_value *hn_lm_cap(hn_build *b, hn_value *x, float cap);         /* cap 0: x itself */

typedef struct hn_attend { hn_value *q, *k, *v; int layer; float scale, cap; uint32_t window; } hn_attend;
hn_value *hn_lm_attend(hn_build *b, const hn_attend *a);

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
hn_err hn_lm_build(hn_ctx *cx, const hn_gguf *file, size_t tokens_max, hn_graph **graph, hn_lm_shape *shape);
extern const hn_arch *const hn_archs[];                            /* ends with NULL */

#endif
