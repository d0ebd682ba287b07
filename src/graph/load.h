/* SPDX-License-Identifier: Apache-2.0 */
/* What plain operators compute on: whole tensors, widened once, in scratch.
 *
 * Converting a tensor up front costs memory the oracle has and keeps inner loops over plain
 * arrays, so one loop serves every element type. */
#ifndef HN_GRAPH_LOAD_H
#define HN_GRAPH_LOAD_H

#include "graph/op.h"

/* Every element of t as double, as 64-bit integer, or as an integer that sorts like the element
 * (NaN above everything, -0 equal to 0): borrowed from the call's scratch. */
hn_err hn_load_f64(hn_call *c, const hn_tensor *t, double **out);
hn_err hn_load_i64(hn_call *c, const hn_tensor *t, int64_t **out);
hn_err hn_load_order(hn_call *c, const hn_tensor *t, int64_t **out);

/* The sorting order of one number. */
int64_t hn_order_f64(double v);

/* For infer.  Input i must be f16, bf16, f32 or f64; must be a number of 8 bits or more. */
hn_err hn_want_float(const hn_call *c, int i);
hn_err hn_want_number(const hn_call *c, int i);
hn_err hn_want_type(const hn_call *c, int i, hn_dtype type);       /* absent inputs pass */
hn_err hn_want_same(const hn_call *c, int i, int j);               /* absent inputs pass */
/* Input i has this rank, or its rank is not known yet; absent inputs pass. */
hn_err hn_want_rank(const hn_call *c, int i, int rank);

/* One integer or float from input i at run time, `missing` when it is left out or empty. */
int64_t hn_scalar_i64(const hn_call *c, int i, int64_t missing);
double hn_scalar_f64(const hn_call *c, int i, double missing);

/* A shape cut at one axis: element (o, i, s) lies at (o * n + i) * inner + s. */
typedef struct hn_split { size_t outer, n, inner; } hn_split;
hn_split hn_split_at(const hn_shape *s, int axis);

/* Are two dimensions certainly different? */
static inline bool hn_dims_differ(int64_t a, int64_t b)
{
    return a != b && !hn_is_symbol(a) && !hn_is_symbol(b);
}

#endif
