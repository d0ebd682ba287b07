/* SPDX-License-Identifier: Apache-2.0 */
/* activation: an activation after a product or a sum is applied while the result is in registers.
 *
 * x * Sigmoid(x), as exporters write SiLU, counts as one activation, and so does GELU written out. */
#include <math.h>
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

static const hn_node *made_by(const hn_value *v, const char *name)
{
    const hn_node *n = v->maker;
    return n && !n->op->domain && strcmp(n->op->name, name) == 0 && n->act.kind == HN_ACT_NONE ? n : NULL;
}

/* An operand that is this number: gives the other one. */
static hn_value *beside(const hn_node *n, double number)
{
    for (int i = 0; n && i < 2; i++) {
        const hn_tensor *t = &n->in[i]->t;
        if (t->data && t->dtype == HN_F32 && hn_count(t) == 1 && fabs((double)*(const float *)t->data - number) < 1e-6)
            return n->in[1 - i];
    }
    return NULL;
}

/* 1 + Erf(x / sqrt 2): gives x. */
static hn_value *erf_input(const hn_graph *g, const hn_value *v)
{
    const hn_value *e = beside(made_by(v, "Add"), 1);
    const hn_node *erf = e ? made_by(e, "Erf") : NULL;
    if (!erf || hn_graph_uses(g, v) != 1 || hn_graph_uses(g, e) != 1 || hn_graph_uses(g, erf->in[0]) != 1)
        return NULL;
    const hn_node *div = made_by(erf->in[0], "Div");
    hn_value *x = beside(made_by(erf->in[0], "Mul"), 0.70710678118654752);
    return x || !div || beside(div, 1.41421356237309505) != div->in[0] ? x : div->in[0];
}

/* 0.5 x (1 + Erf(x / sqrt 2)), the factors in any order: gives x. */
static hn_value *gelu_input(const hn_graph *g, const hn_node *n)
{
    if (n->op->domain || strcmp(n->op->name, "Mul") != 0 || n->act.kind != HN_ACT_NONE)
        return NULL;
    const hn_value *inner = beside(n, 0.5);
    const hn_node *mul = inner ? made_by(inner, "Mul") : NULL;
    for (int i = 0; i < 2; i++) {
        if (mul && hn_graph_uses(g, inner) == 1 && erf_input(g, mul->in[i]) == mul->in[1 - i])
            return mul->in[1 - i];                          /* (x a) 0.5 */
        hn_value *x = erf_input(g, n->in[i]);
        if (x && hn_graph_uses(g, n->in[1 - i]) == 1 && beside(made_by(n->in[1 - i], "Mul"), 0.5) == x)
            return x;                                       /* (0.5 x) a */
    }
    return NULL;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    (void)cx;
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        hn_act act;
        hn_value *x = silu_input(g, n), *gelu = x ? NULL : gelu_input(g, n);
        size_t uses = 2;                      /* by the function and by the product with it */
        if (x || gelu) {
            act = (hn_act){ .kind = x ? HN_ACT_SILU : HN_ACT_GELU };
            x = x ? x : gelu;
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
