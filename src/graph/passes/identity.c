/* SPDX-License-Identifier: Apache-2.0 */
/* identity: nodes that hand their input through go. */
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

static bool is(const hn_node *n, const char *name)
{
    return !n->op->domain && strcmp(n->op->name, name) == 0;
}

static bool wanted(const hn_node *n, int i) { return i < n->out_count && n->out[i]; }

static bool same_type(const hn_node *n)
{
    const hn_tensor *x = &n->in[0]->t, *y = &n->out[0]->t;
    return x->dtype == y->dtype && hn_shape_known(&x->shape) && hn_shape_equal(&x->shape, &y->shape);
}

/* Dropout passes through unless it is told, or might be told, to train. */
static bool idle_dropout(const hn_graph *g, const hn_node *n)
{
    if (!is(n, "Dropout") || (wanted(n, 1) && hn_graph_uses(g, n->out[1]) > 0))
        return false;
    if (n->in_count < 3 || !n->in[2])
        return true;
    return hn_is_const(n->in[2]) && *(const uint8_t *)n->in[2]->t.data == 0;
}

/* Does it certainly give its first input back?  Views count when the shape stays the same. */
static bool passes_through(const hn_graph *g, const hn_node *n)
{
    if (n->act.kind != HN_ACT_NONE || n->in_count < 1 || !n->in[0] || !wanted(n, 0))
        return false;
    if (is(n, "Identity") || idle_dropout(g, n))
        return true;
    bool still = (n->op->flags & HN_OP_VIEW) || is(n, "Cast") || is(n, "Expand");
    return still && same_type(n);
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    (void)cx;
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        if (!passes_through(g, n) || hn_graph_uses(g, n->out[0]) == 0)
            continue;
        if (hn_graph_bypass(g, n->out[0], n->in[0]))
            ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_identity = { "identity", "remove nodes that hand their input through", run };
