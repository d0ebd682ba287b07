/* SPDX-License-Identifier: Apache-2.0 */
/* Products with block-quantised weights: out[c, r] = sum over k of w[r, k] x[c, k].
 *
 * Activations are rounded to 8 bits per 32 first, and the products are of small integers, exact; only
 * scales and their sums are floats.  Types that have no such form, and plain floats, are multiplied with
 * the activations as they are.  A column's result does not depend on the columns beside it nor on how
 * rows are cut into calls: one token or a thousand at once give the same bits. */
#ifndef HN_KERNELS_QDOT_H
#define HN_KERNELS_QDOT_H

#include "tensor/qtypes.h"

enum { HN_Q8_BLOCK = 32 };

/* 32 activations: x ~ scale q, |q| <= 127.  The sums serve weights that carry a minimum. */
typedef struct hn_q8 {
    float scale;
    float sum, sum_low;           /* scale times the sum of all q, and of the first half */
    int8_t q[HN_Q8_BLOCK];
} hn_q8;

typedef struct hn_qdot {
    hn_qtype type;
    const void *w; size_t row_size;     /* rows of weights, row_size bytes apart; F32 aligned to 4 */
    size_t rows, cols, k;               /* k: a whole number of the type's blocks */
    const hn_q8 *x8; size_t ld_x8;      /* [cols, k / 32], for types that hn_qdot_integer() names, */
    const float *x; size_t ld_x;        /* [cols, k], for the others */
    float *out; size_t ld_out;          /* [cols, rows] */
} hn_qdot;

/* Does this type multiply packed activations (x8)?  Otherwise it takes floats (x). */
bool hn_qdot_integer(hn_qtype t);

/* How many activations share a scale when they meet this type: 32, or 256 for the types of 256-element
 * blocks, as their definition has it.  1 for plain floats: activations stay as they are. */
size_t hn_qdot_group(hn_qtype t);

/* The plain definition, the oracle of the kernels: decoded weights times floats, summed in double. */
double hn_qdot_exact(hn_qtype t, const void *row, const float *x, size_t k);

#endif
