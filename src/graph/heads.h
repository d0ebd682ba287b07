/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over heads, plainly: what every attention operator computes once its operands are
 * brought into one form.
 *
 *     q [B, H, Q, D]   k [B, G, K, D]   v [B, G, K, E]   ->   y [B, H, Q, E]
 *
 * Query head h reads the keys of head h / (H / G).  Everything is double in scratch: the oracle has
 * the memory and one loop serves every type. */
#ifndef HN_GRAPH_HEADS_H
#define HN_GRAPH_HEADS_H

#include "graph/op.h"

typedef struct hn_heads {
    size_t batch, heads, kv_heads, queries, keys, dim, v_dim;
    const double *q, *k, *v;
    double scale, softcap;                 /* softcap 0: none */
    hn_dtype precision;                    /* scores are rounded to it before softmax; HN_NONE: not at all */

    /* What is added to a score, -infinity where query i must not see key j.  A query that may see
     * nothing gives zeros. */
    double (*bias)(const void *arg, size_t b, size_t h, size_t i, size_t j);
    const void *arg;

    /* Scores along the way, [B, H, Q, K]; NULL when not wanted. */
    double *raw, *capped, *biased, *probs;
} hn_heads;

hn_err hn_heads_run(hn_call *c, const hn_heads *a, double *y);

/* [B, S, H D] or [B, H, S, D] to [B, H, S, D] and back. */
hn_err hn_heads_load(hn_call *c, const hn_tensor *t, size_t heads, double **out);
void hn_heads_store(hn_tensor *t, const double *v, size_t heads);

#endif
