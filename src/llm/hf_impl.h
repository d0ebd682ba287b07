/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read a Hugging Face folder share. */
#ifndef HN_LLM_HF_IMPL_H
#define HN_LLM_HF_IMPL_H

#include <jansson.h>

#include "formats/gguf_write.h"
#include "llm/convert.h"
#include "llm/safetensors.h"

/* How a family's files differ from what GGUF expects. */
enum {
    HN_HF_NEIGHBOURS = 1,        /* q and k turn halves there and neighbours here: their rows are reordered */
    HN_HF_PLUS_ONE = 2,          /* norms store their weight less one */
    HN_HF_SANDWICH = 4,          /* norms behind the parts too, under other names */
    HN_HF_TRANSPOSED = 8,        /* matrices stand [in, out] */
    HN_HF_ENCODER = 16,
};

typedef struct hn_hf_family { const char *type,
                              *arch; unsigned flags; } hn_hf_family;    /* type: model_type in config.json */

typedef struct hn_hf {
    hn_ctx *cx;
    const char *dir;             /* with its slash */
    hn_arena *arena;
    json_t *config;
    const hn_hf_family *family;
    hn_safetensors *shard; size_t shard_count, shard_cap;
    const hn_convert_opts *o;
    uint32_t heads, kv_heads, head_size, vocab;
    bool scores;                 /* a classifier sits on top: the encoder gives a score */
} hn_hf;

/* A JSON file of the folder; *out is NULL where it is missing and need not be there. */
hn_err hn_hf_json(hn_hf *h, const char *name, bool required, json_t **out);

/* Numbers of config.json, by the first of `names` (apart by spaces) that is there. */
hn_err hn_hf_u32(hn_hf *h, const char *names, const uint32_t *missing, uint32_t *out);
double hn_hf_real(const hn_hf *h, const char *names, double missing);

hn_err hn_hf_read_shape(hn_hf *h);                        /* heads, kv_heads, head_size, vocab */
hn_err hn_hf_put_keys(hn_hf *h, hn_gguf_writer *w);       /* general.* and ARCH.* */
hn_err hn_hf_put_tokenizer(hn_hf *h, hn_gguf_writer *w);

/* Factors of the rotation that GGUF keeps as tensors: *count floats each, or NULL. */
typedef struct hn_hf_factors { const char *name; const float *value; size_t count; } hn_hf_factors;
hn_err hn_hf_rope_factors(hn_hf *h, hn_hf_factors out[2], size_t *count);

#endif
