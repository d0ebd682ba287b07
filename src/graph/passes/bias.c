/* SPDX-License-Identifier: Apache-2.0 */
/* bias: an Add of one constant per channel after a convolution becomes its bias. */
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

/* The constant as one number per channel of a rank-`rank` output: shape [1, C, 1, ...] or [C, 1, ...]. */
static bool per_channel(const hn_tensor *t, int rank, int64_t channels)
{
    int lead = rank - t->shape.rank;
    if (t->dtype != HN_F32 || lead < 0)
        return false;
    for (int i = 0; i < t->shape.rank; i++)
        if (t->shape.dim[i] != (i + lead == 1 ? channels : 1))
            return false;
    return lead <= 1;
}

static hn_value *other_operand(const hn_node *add, const hn_value *one)
{
    return add->in[0] == one ? add->in[1] : add->in[0];
}

static bool matches(const hn_graph *g, const hn_node *add, hn_node **conv, hn_value **bias)
{
    if (add->op->domain || strcmp(add->op->name, "Add") != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        hn_value *x = add->in[i], *b = other_operand(add, x);
        hn_node *c = x->maker;
        if (!c || c->op->domain || strcmp(c->op->name, "Conv") != 0 || c->act.kind != HN_ACT_NONE ||
            !hn_is_const(b) || hn_graph_uses(g, x) != 1 || x->t.dtype != HN_F32 || x->t.shape.rank < 3)
            continue;
        if (c->in_count > 2 && c->in[2] && !(hn_is_const(c->in[2]) && c->in[2]->t.dtype == HN_F32))
            continue;
        if (!per_channel(&b->t, x->t.shape.rank, c->in[1]->t.shape.dim[0]))
            continue;
        *conv = c;
        *bias = b;
        return true;
    }
    return false;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *add = g->node[i], *conv;
        hn_value *bias, *sum;
        if (!matches(g, add, &conv, &bias) || !hn_graph_uses(g, add->out[0]))
            continue;
        hn_shape row = { .rank = 1, .dim = { conv->in[1]->t.shape.dim[0] } };
        hn_value **in = HN_NEW(g->arena, hn_value *, 3);
        if (!in)
            return hn_nomem(cx, "a bias");
        HN_TRY(hn_graph_new_const(cx, g, bias->name, HN_F32, &row, &sum));
        const float *old = conv->in_count > 2 && conv->in[2] ? conv->in[2]->t.data : NULL;
        const float *more = bias->t.data;
        for (int64_t c = 0; c < row.dim[0]; c++)
            ((float *)sum->t.data)[c] = (old ? old[c] : 0) + more[c];
        in[0] = conv->in[0];
        in[1] = conv->in[1];
        in[2] = sum;
        hn_act act = add->act;
        hn_value *x = add->in[0]->maker == conv ? add->in[0] : add->in[1];
        if (!hn_graph_bypass(g, add->out[0], x))
            continue;
        conv->in = in;
        conv->in_count = 3;
        conv->act = act;
        ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_bias = { "bias", "turn an added constant per channel into a bias", run };
