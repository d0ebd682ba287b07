/* SPDX-License-Identifier: Apache-2.0 */
/* sum: a Sum of two is an Add, which later passes and the runtime know more ways to run. */
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

extern const hn_op hn_op_add;

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    (void)cx;
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        if (n->op->domain || strcmp(n->op->name, "Sum") != 0 || n->in_count != 2)
            continue;
        n->op = &hn_op_add;
        ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_sum = { "sum", "write sums of two operands as additions", run };
