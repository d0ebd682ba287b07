/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors: named tensors in one file, and nothing else.
 *
 *     8 bytes length, a JSON object { name: { dtype, shape, data_offsets: [begin, end] } }, the data
 *
 * Everything is checked when the file is opened: offsets lie in the file, sizes are what type and shape say,
 * tensors do not overlap.  Data is used where it lies, and may not be aligned.
 *
 * Not among formats/, which needs nothing but the C library: the head is JSON. */
#ifndef HN_LLM_SAFETENSORS_H
#define HN_LLM_SAFETENSORS_H

#include "base/arena.h"
#include "base/file.h"
#include "tensor/tensor.h"

typedef struct hn_st_tensor {
    const char *name;
    hn_dtype dtype;
    hn_shape shape;
    const uint8_t *data;
    size_t size;
} hn_st_tensor;

typedef struct hn_safetensors {
    hn_arena *arena;
    hn_file file;                /* empty when read from memory */
    hn_st_tensor *tensor; size_t count;        /* sorted by name */
    struct { const char *key, *text; } *meta; size_t meta_count;     /* "__metadata__" */
} hn_safetensors;

bool hn_safetensors_probe(const uint8_t *data, size_t len);
hn_err hn_safetensors_open(hn_ctx *cx, const char *path, hn_safetensors *out);
hn_err hn_safetensors_read(hn_ctx *cx, const void *data, size_t len, hn_safetensors *out);   /* data must stay */
void hn_safetensors_close(hn_safetensors *s);                          /* safe on a zeroed one */
const hn_st_tensor *hn_safetensors_find(const hn_safetensors *s, const char *name);          /* or NULL */

/* `count` elements from the `from`-th on, as floats.  HN_EUNSUP for types that hold no real numbers. */
hn_err hn_st_decode(hn_ctx *cx, const hn_st_tensor *t, size_t from, size_t count, float *out);

/* Writing: the head says it all first, then the bytes of all tensors, in the order given. */
hn_err hn_safetensors_head(hn_ctx *cx, hn_file_out *f, const hn_st_tensor *tensor, size_t count);

#endif
