/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF: tensors and what a file says about them, in one mapped file or several.
 *
 * The file carries no graph: it names an architecture, and llm/arch builds the graph from the
 * tensors.  So this is a reader of its own and not an hn_format.  Versions 2 and 3, little-endian.
 *
 *     header    magic, version, tensor count, value count
 *     values    key, kind, value; in any order, each key once
 *     tensors   name, dimensions, type, offset; then padding, then the data
 *
 * Tensors may lie in panels, rows interleaved as kernels/qpack.h has them, so that they are mapped and multiplied
 * where they are.  This is ours alone: their type's number is PANELS + 256 * layout + the number of the type inside,
 * which other readers refuse.
 *
 * Everything is checked when the file is opened: afterwards every tensor's data lies inside the
 * mapping, is aligned, overlaps no other, and is a whole number of blocks a row.  What numbers inside
 * the blocks mean is not checked; any bytes decode to something. */
#ifndef HN_FORMATS_GGUF_H
#define HN_FORMATS_GGUF_H

#include "base/arena.h"
#include "tensor/qtypes.h"
#include "tensor/tensor.h"

/* X(ID, number in the file, bytes of one, name) */
#define HN_GGUF_KINDS(X)                                                                   \
    X(U8,    0, 1, "u8")   X(I8,    1, 1, "i8")   X(U16,  2, 2, "u16") X(I16, 3, 2, "i16") \
    X(U32,   4, 4, "u32")  X(I32,   5, 4, "i32")  X(F32,  6, 4, "f32") X(BOOL, 7, 1, "bool") \
    X(TEXT,  8, 0, "text") X(ARRAY, 9, 0, "array") X(U64, 10, 8, "u64") X(I64, 11, 8, "i64") \
    X(F64,  12, 8, "f64")

typedef enum hn_gguf_kind {
#define X(id, number, size, name) HN_GGUF_##id = number,
    HN_GGUF_KINDS(X)
#undef X
    HN_GGUF_KIND_COUNT
} hn_gguf_kind;

typedef struct hn_gguf_value {
    const char *key;
    hn_gguf_kind kind;
    hn_gguf_kind item;            /* of an array's elements; never an array again */
    size_t count;                 /* array: elements; text: bytes; otherwise 1 */
    const uint8_t *data;          /* in the file, not aligned; an array of text: length, bytes, ... */
} hn_gguf_value;

typedef struct hn_gguf_tensor {
    const char *name;
    hn_qtype type;
    hn_shape shape;               /* row-major: the last dimension is a row, whose blocks are in order */
    bool panels;                  /* a matrix in panels of sixteen rows; otherwise row after row */
    const void *data;             /* in the mapping, aligned to 8 bytes at least */
    size_t size;
} hn_gguf_tensor;

enum { HN_GGUF_PANELS = 0x50410000 };

/* Read-only once open; may be read from many threads. */
typedef struct hn_gguf {
    uint32_t version;
    size_t value_count, tensor_count;
    const hn_gguf_value *values;          /* in the order of the file; of a split file, the first part's */
    const hn_gguf_tensor *tensors;        /* in the order of the file, part after part */
    size_t file_count, file_size;         /* parts, and their bytes together */
    const struct hn_gguf_impl *impl;
} hn_gguf;

/* Does it look like GGUF? */
bool hn_gguf_probe(const uint8_t *data, size_t len);

/* Opens NAME.gguf, or all parts when it is NAME-00001-of-0000N.gguf. */
hn_err hn_gguf_open(hn_ctx *cx, const char *path, hn_gguf **out);
/* One file in memory, which must stay and be aligned to 8 bytes. */
hn_err hn_gguf_open_memory(hn_ctx *cx, const void *data, size_t len, hn_gguf **out);
void hn_gguf_close(hn_gguf *g);                               /* NULL is fine */

const hn_gguf_tensor *hn_gguf_tensor_find(const hn_gguf *g, const char *name);     /* or NULL */
const hn_gguf_value *hn_gguf_value_find(const hn_gguf *g, const char *key);        /* or NULL */
bool hn_gguf_holds(const hn_gguf *g, const void *data);     /* is it in one of its tensors? */
const char *hn_gguf_kind_name(hn_gguf_kind k);
/* `count` elements from `first` on, decoded; both whole blocks.  However the bytes lie. */
void hn_gguf_floats(const hn_gguf_tensor *t, size_t first, size_t count, float *out);

/* One value by key.  Without the key: *otherwise, or an error when otherwise is NULL.  Any kind of
 * integer serves as an integer if the number fits, f32 and f64 as a float; anything else is an error. */
hn_err hn_gguf_u32(hn_ctx *cx, const hn_gguf *g, const char *key, const uint32_t *otherwise, uint32_t *out);
hn_err hn_gguf_i64(hn_ctx *cx, const hn_gguf *g, const char *key, const int64_t *otherwise, int64_t *out);
hn_err hn_gguf_f32(hn_ctx *cx, const hn_gguf *g, const char *key, const float *otherwise, float *out);
hn_err hn_gguf_bool(hn_ctx *cx, const hn_gguf *g, const char *key, const bool *otherwise, bool *out);
/* Points into the file, not zero-terminated; may be any bytes. */
hn_err hn_gguf_text(hn_ctx *cx, const hn_gguf *g, const char *key, const hn_text *otherwise, hn_text *out);

/* A whole array, converted, in `a`.  Without the key: count 0, or an error when `required`. */
hn_err hn_gguf_texts(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a,
                     const hn_text **out, size_t *count);
hn_err hn_gguf_i64s(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a,
                    const int64_t **out, size_t *count);
hn_err hn_gguf_f32s(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a,
                    const float **out, size_t *count);

#endif
