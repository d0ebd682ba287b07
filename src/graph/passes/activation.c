/* SPDX-License-Identifier: Apache-2.0 */
/* activation: an activation after a product or a sum is applied while the result is in registers.
 *
 * x * Sigmoid(x), as exporters write SiLU, counts as one activation. */
#include <math.h>
#include <string.h>

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

/* An optional bound: missing means none; anything but a constant cannot be fused. */
static bool bound(const hn_node *n, int i, float missing, float *out)
{
    *out = missing;
    if (i >= n->in_count || !n->in[i])
        return true;
    if (!hn_is_const(n->in[i]) || n->in[i]->t.dtype != HN_F32 || hn_count(&n->in[i]->t) != 1)
        return false;
    *out = *(const float *)n->in[i]->t.data;
    return !isnan(*out);
}

static bool as_act(const hn_node *n, hn_act *act)
{
    const char *op = n->op->domain ? "" : n->op->name;
    *act = (hn_act){ .kind = HN_ACT_NONE };
    if (strcmp(op, "Relu") == 0)
        *act = (hn_act){ HN_ACT_CLIP, 0, INFINITY };
    else if (strcmp(op, "Clip") == 0 && bound(n, 1, -INFINITY, &act->a) && bound(n, 2, INFINITY, &act->b))
        act->kind = act->a <= act->b ? HN_ACT_CLIP : HN_ACT_NONE;
    else if (strcmp(op, "LeakyRelu") == 0)
        *act = (hn_act){ HN_ACT_LEAKY, (float)hn_attr_float(n, "alpha", 0.01), 0 };
    else if (strcmp(op, "Sigmoid") == 0)
        act->kind = HN_ACT_SIGMOID;
    else if (strcmp(op, "Tanh") == 0)
        act->kind = HN_ACT_TANH;
    else if (strcmp(op, "HardSwish") == 0)
        act->kind = HN_ACT_HARDSWISH;
    else if (strcmp(op, "HardSigmoid") == 0)
        *act = (hn_act){ HN_ACT_HARDSIGMOID, (float)hn_attr_float(n, "alpha", 0.2),
                         (float)hn_attr_float(n, "beta", 0.5) };
    else if (strcmp(op, "Gelu") == 0)
        act->kind = hn_attr_is(n, "approximate", "tanh", "none") ? HN_ACT_GELU_TANH : HN_ACT_GELU;
    return act->kind != HN_ACT_NONE && n->act.kind == HN_ACT_NONE;
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
        } else if (as_act(n, &act)) {
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
