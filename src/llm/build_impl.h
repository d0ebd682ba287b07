/* SPDX-License-Identifier: Apache-2.0 */
/* What build.c and blocks.c share: tensors of the file and nodes of the graph.
 *
 * All return NULL after a failure, which is in b->error. */
#ifndef HN_LLM_BUILD_IMPL_H
#define HN_LLM_BUILD_IMPL_H

#include "llm/build.h"

#define HN_BUILD_TRY(call) do { if (!b->error) b->error = (call); if (b->error) return NULL; } while (0)

const hn_gguf_tensor *hn_build_take(hn_build *b, const char *name, int layer);    /* notes that it is used */

/* A tensor of `count` plain floats, decoded: norm weights, biases, factors. */
hn_value *hn_build_vector(hn_build *b, const char *name, int layer, size_t count);
hn_value *hn_build_floats(hn_build *b, const char *name, const hn_shape *s);       /* zeros to fill in */

/* Rows [from, from + rows) of a matrix as rows of bytes in the mapped file; rows 0: all.  A tensor of one
 * dimension is a matrix of one row, experts lie one below the other. */
hn_value *hn_build_matrix(hn_build *b, const hn_gguf_tensor *t, size_t from, size_t rows);

/* The same as an operand of Linear or Embedding (whose factor is `scale`), with the attributes that say how it lies:
 * in panels where the file has panels and the rows are whole ones. */
enum { HN_WEIGHT_ATTRS = 4 };
typedef struct hn_weights { hn_value *w; size_t rows; hn_attr *attr; } hn_weights;
hn_weights *hn_build_weights(hn_build *b, const hn_gguf_tensor *t, size_t from, size_t rows, float scale);

hn_attr *hn_build_attrs(hn_build *b, size_t count);                               /* at least one, zeroed */
static inline hn_attr hn_attr_whole(const char *name, int64_t v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_INT, .i = v };
}
static inline hn_attr hn_attr_real(const char *name, float v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_FLOAT, .f = v };
}

/* Operands from the third on may be left out. */
hn_value *hn_build_node(hn_build *b, const char *domain, const char *op, hn_value *const *in, int ins,
                        const hn_attr *attr, int count);
/* y, the product of x and rows [from, from + rows) of a matrix, with what the session's adapters add to it. */
hn_value *hn_lora_add(hn_build *b, hn_value *y, hn_value *x, const char *weight, size_t from, size_t rows);
hn_value *hn_build_reshape(hn_build *b, hn_value *x, const int64_t *dim, size_t rank);

#endif
