/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors: a type, a shape and a pointer; dense, row-major, no strides.
 *
 * A tensor owns nothing.  While a graph is being understood a tensor may have no data,
 * dimensions that are only names (below zero, see graph/graph.h) or no known rank (-1). */
#ifndef HN_TENSOR_TENSOR_H
#define HN_TENSOR_TENSOR_H

#include "base/ctx.h"

typedef enum hn_dtype {
    HN_NONE,
#define DTYPE(id, name, code, bits, class) HN_##id,
#include "tensor/dtypes.def"
#undef DTYPE
    HN_DTYPE_COUNT
} hn_dtype;

/* Containers: a dtype with these bits added is a sequence of tensors of it, an optional tensor of it, or
 * with both an optional sequence.  The value itself is one element: a tensor without dimensions whose
 * data is an hn_list.  The type of what an empty one from a file would hold may be HN_NONE. */
enum { HN_SEQ = 0x40, HN_OPT = 0x80 };

enum { HN_CLASS_NONE, HN_CLASS_F, HN_CLASS_I, HN_CLASS_U, HN_CLASS_C, HN_CLASS_S };

#define HN_RANK_MAX 8

typedef struct hn_shape {
    int rank;                      /* -1: not even the rank is known */
    int64_t dim[HN_RANK_MAX];
} hn_shape;

typedef struct hn_text { const char *ptr; size_t len; } hn_text;   /* an element of an STR tensor */

typedef struct hn_tensor {
    hn_dtype dtype;
    hn_shape shape;
    void *data;                    /* NULL: not known yet */
} hn_tensor;

typedef struct hn_list { struct hn_tensor *item; size_t count; } hn_list;   /* an optional holds 0 or 1 */

static inline bool hn_is_list(hn_dtype t) { return (int)t >= HN_SEQ; }
static inline hn_dtype hn_list_of(hn_dtype t) { return (hn_dtype)((int)t & ~((int)t & HN_OPT ? HN_OPT : HN_SEQ)); }
static inline hn_dtype hn_seq_of(hn_dtype t) { return (hn_dtype)((int)t | HN_SEQ); }
static inline hn_dtype hn_opt_of(hn_dtype t) { return (hn_dtype)((int)t | HN_OPT); }

const char *hn_dtype_name(hn_dtype t);            /* "f32"; "none" for HN_NONE; "sequence of f32" */
unsigned hn_dtype_bits(hn_dtype t);
int hn_dtype_class(hn_dtype t);                   /* HN_CLASS_* */
static inline bool hn_is_float(hn_dtype t) { return hn_dtype_class(t) == HN_CLASS_F; }
static inline bool hn_is_integer(hn_dtype t)     /* bool too */
{
    return hn_dtype_class(t) == HN_CLASS_I || hn_dtype_class(t) == HN_CLASS_U;
}
hn_dtype hn_dtype_from_onnx(int64_t code);        /* HN_NONE when unknown */
int hn_dtype_to_onnx(hn_dtype t);
hn_dtype hn_dtype_from_name(const char *name);    /* HN_NONE when unknown */

/* Elements and bytes of a known shape; SIZE_MAX when the product does not fit. */
size_t hn_shape_count(const hn_shape *s);
size_t hn_dtype_bytes(hn_dtype t, size_t count);
static inline size_t hn_count(const hn_tensor *t) { return hn_shape_count(&t->shape); }
static inline size_t hn_bytes(const hn_tensor *t) { return hn_dtype_bytes(t->dtype, hn_count(t)); }

bool hn_shape_known(const hn_shape *s);           /* rank and every dimension */
bool hn_shape_equal(const hn_shape *a, const hn_shape *b);
hn_shape hn_shape_of(int rank, const int64_t *dim);
size_t hn_shape_product(const hn_shape *s, int from, int to);      /* of dims [from, to) */

/* "1x3x224x224", "scalar"; into `out`, which is returned. */
enum { HN_SHAPE_TEXT = 192 };
const char *hn_shape_text(const hn_shape *s, char out[HN_SHAPE_TEXT]);

/* Conversion of `count` elements starting at element `first`, any numeric type.
 * Floats are stored with round-half-even; integers wrap; float to integer truncates. */
void hn_get_f64(const hn_tensor *t, size_t first, size_t count, double *out);
void hn_get_i64(const hn_tensor *t, size_t first, size_t count, int64_t *out);
void hn_put_f64(hn_tensor *t, size_t first, size_t count, const double *in);
void hn_put_i64(hn_tensor *t, size_t first, size_t count, const int64_t *in);

/* A copy that owes nothing to the original: texts and what containers hold are copied too. */
struct hn_arena;
hn_err hn_tensor_copy(hn_ctx *cx, const hn_tensor *from, struct hn_arena *a, hn_tensor *out);

/* Index along `axis` of a broadcast operand: fills stride[] (elements, 0 where broadcast) of `s`
 * seen as the trailing part of an output of rank `rank`. */
void hn_broadcast_strides(const hn_shape *s, int rank, size_t stride[HN_RANK_MAX]);

#endif
