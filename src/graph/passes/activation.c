/* SPDX-License-Identifier: Apache-2.0 */
/* activation: an activation after a product or a sum is applied while the result is in registers.
 *
 * x * Sigmoid(x), as exporters write SiLU, counts as one activation. */
#include <string.h>

#include "graph/activation.h"
#include "graph/op.h"
#include "graph/pass.h"

/* What can carry an activation: operators with a fast kernel that ends in an epilogue. */
static bool carries(const hn_node *n)
{
    static const char *const names[] = { "Conv", "Gemm", "MatMul", "Add", "Mul" };
    if (!n || n->op->domain || n->act.kind != HN_ACT_NONE || n->out_count != 1)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(n->op->name, names[i]) == 0)
            return n->out[0]->t.dtype == HN_F32;
    return false;
}

/* x * Sigmoid(x) in either order: gives x. */
static hn_value *silu_input(const hn_graph *g, const hn_node *mul)
{
    if (mul->op->domain || strcmp(mul->op->name, "Mul") != 0 || mul->act.kind != HN_ACT_NONE)
        return NULL;
    for (int i = 0; i < 2; i++) {
        const hn_node *s = mul->in[i]->maker;
        if (s && !s->op->domain && strcmp(s->op->name, "Sigmoid") == 0 && s->in[0] == mul->in[1 - i] &&
            hn_graph_uses(g, s->out[0]) == 1)
            return mul->in[1 - i];
    }
    return NULL;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    (void)cx;
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        hn_act act;
        hn_value *x = silu_input(g, n);
        size_t uses = 2;                      /* by the Sigmoid and by the Mul */
        if (x) {
            act = (hn_act){ .kind = HN_ACT_SILU };
        } else if (n->act.kind == HN_ACT_NONE && hn_node_act(n, &act)) {
            x = n->in[0];
            uses = 1;
        } else {
            continue;
        }
        if (!carries(x->maker) || hn_graph_uses(g, x) != uses || !hn_graph_uses(g, n->out[0]))
            continue;
        hn_node *maker = x->maker;
        if (!hn_graph_bypass(g, n->out[0], x))
            continue;
        maker->act = act;
        ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_activation = { "activation", "apply activations where the result is made", run };
