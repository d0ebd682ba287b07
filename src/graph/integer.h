/* SPDX-License-Identifier: Apache-2.0 */
/* What the integer operators of the "hone" domain share: the attributes that say which real numbers
 * their integers stand for, and how results are rounded.
 *
 *     q stands for (q - zero) * scale
 *
 *     x_zero, w_zero, y_zero   zero points, 0 when missing
 *     low, high                results are clamped to this range; the type's own when missing
 *     rounding                 "away", "up", "single" or "even": see kernels/fixed.h */
#ifndef HN_GRAPH_INTEGER_H
#define HN_GRAPH_INTEGER_H

#include "graph/op.h"
#include "kernels/fixed.h"

typedef struct hn_integers {
    int32_t x_zero, w_zero, y_zero;
    int32_t low, high;
    hn_rounding rounding;
} hn_integers;

/* Reads and checks the attributes; `out` is the type of the result, an integer of 8, 16 or 32 bits. */
hn_err hn_integers_read(hn_call *c, hn_dtype out, hn_integers *q);

/* The attributes of QAdd, QSub and QMul on inputs 0 and 1. */
typedef struct hn_integer_pair {
    hn_integers q;
    int32_t a_zero, b_zero;
    double a_scale, b_scale, y_scale;
    int left;                        /* spare bits of a sum */
    hn_factor a, b, y;
} hn_integer_pair;
hn_err hn_integer_pair_read(hn_call *c, bool product, hn_integer_pair *out);

/* Where QResize with fixed weights finds result i of an axis: `rest` of HN_RESIZE_ONE, from low towards high. */
enum { HN_RESIZE_ONE = 1 << 10 };
typedef struct hn_place { int64_t low, high, rest; } hn_place;
hn_place hn_place_of(const hn_node *n, int64_t i, int64_t in, int64_t out);
/* The same with weights in float; gives the part of the way from low to high. */
float hn_part_of(const hn_node *n, int64_t i, int64_t in, int64_t out, hn_place *p);

/* A scale attribute: a positive finite number. */
hn_err hn_scale_read(hn_call *c, const char *name, double *out);

/* Factors in input i: f64, one, or one per channel. */
hn_err hn_factors_read(hn_call *c, int i, hn_factor **out, size_t *count);

/* Input i minus a zero point; from the call's scratch. */
hn_err hn_load_centred(hn_call *c, int i, int32_t zero, double **out);

#define HN_INTEGER_ATTRS                                                             \
    { "high", HN_ATTR_INT, "the type's" }, { "low", HN_ATTR_INT, "the type's" },     \
    { "rounding", HN_ATTR_TEXT, "away, up, single or even" }, { "y_zero", HN_ATTR_INT, "0" }

#endif
