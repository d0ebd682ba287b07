/* SPDX-License-Identifier: Apache-2.0 */
/* How two operands with broadcasting lie against their result. */
#ifndef HN_RUNTIME_CPU_ELEMENTWISE_H
#define HN_RUNTIME_CPU_ELEMENTWISE_H

#include "runtime/impl.h"

/* The result's dimensions as they lie in memory, those that both operands walk alike merged; strides in elements, 0
 * where an operand stands still. */
typedef struct hn_pair_walk {
    int rank;                         /* at least 1; the last dimension is the row */
    size_t dim[HN_RANK_MAX], sa[HN_RANK_MAX], sb[HN_RANK_MAX];
    size_t row, rows;                 /* elements of a row, rows in all */
} hn_pair_walk;

/* Of inputs 0 and 1 and output 0, which is not empty. */
void hn_pair_walk_find(const hn_prep *p, hn_pair_walk *w);

#endif
