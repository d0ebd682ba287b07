/* SPDX-License-Identifier: Apache-2.0 */
/* The plain evaluator: one node after another, scalar code, shapes found as it goes.
 *
 * Slow and right.  Constant folding, passes, fast kernels and backends are all checked
 * against it. */
#ifndef HN_GRAPH_EVAL_H
#define HN_GRAPH_EVAL_H

#include "graph/op.h"

/* Runs graph g.  `in` holds one tensor per graph input, with data; the outputs' shapes and data
 * come from `memory`, which the caller owns. */
hn_err hn_eval(hn_ctx *cx, const hn_graph *g, const hn_tensor *in, hn_arena *memory, hn_tensor *out);

/* Runs one node on tensors: infer, allocate outputs from `memory`, compute into out[out_count].
 * in[i] NULL: left out; behind the node's inputs comes what its bodies use, see hn_node_outers.  scratch: holds what the operator needs until it returns; not reset here. */
hn_err hn_eval_node(hn_ctx *cx, const hn_node *n, const hn_tensor *const *in, hn_arena *memory,
                    hn_arena *scratch, hn_tensor *out);

/* A body of the node that c calls, run as often as the operator likes:
 *
 *     hn_body b;
 *     HN_TRY(hn_body_open(c, attribute, &b));
 *     e = hn_body_run(&b, in, out);        out is valid until the next run
 *     hn_body_close(&b);                   whether or not runs failed
 */
typedef struct hn_body {
    hn_ctx *cx;
    const hn_graph *g;
    const hn_tensor *const *outer;          /* the body's part of the call's */
    hn_tensor *value;
    hn_arena *memory, *scratch;
} hn_body;

hn_err hn_body_open(hn_call *c, const hn_attr *attr, hn_body *out);
hn_err hn_body_run(hn_body *b, const hn_tensor *in, hn_tensor *out);
void hn_body_close(hn_body *b);

#endif
