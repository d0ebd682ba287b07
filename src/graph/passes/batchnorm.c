/* SPDX-License-Identifier: Apache-2.0 */
/* batchnorm: a BatchNormalization after a convolution moves into its weights:
 *
 *     scale (conv(x) - mean) / sqrt(var + eps) + shift  =  conv'(x)
 *
 * with each output channel's weights times s = scale / sqrt(var + eps) and bias' = (bias - mean) s + shift.
 * Computed in double, rounded once. */
#include <math.h>
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

static bool is(const hn_node *n, const char *name)
{
    return n && !n->op->domain && strcmp(n->op->name, name) == 0;
}

static bool const_f32(const hn_value *v) { return hn_is_const(v) && v->t.dtype == HN_F32; }

static bool matches(const hn_graph *g, const hn_node *bn)
{
    if (!is(bn, "BatchNormalization") || hn_attr_int(bn, "training_mode", 0) || bn->in_count < 5)
        return false;
    for (int i = 1; i < 5; i++)
        if (!const_f32(bn->in[i]))
            return false;
    for (int i = 1; i < bn->out_count; i++)
        if (bn->out[i] && hn_graph_uses(g, bn->out[i]) > 0)
            return false;
    const hn_node *conv = bn->in[0]->maker;
    if (!is(conv, "Conv") || conv->act.kind != HN_ACT_NONE || hn_graph_uses(g, bn->in[0]) != 1)
        return false;
    if (!const_f32(conv->in[1]) || (conv->in_count > 2 && conv->in[2] && !const_f32(conv->in[2])))
        return false;
    return bn->in[0]->maker->in[1]->t.shape.dim[0] == (int64_t)hn_count(&bn->in[1]->t);
}

static hn_err fold_into(hn_ctx *cx, hn_graph *g, hn_node *conv, const hn_node *bn)
{
    const hn_tensor *w = &conv->in[1]->t;
    bool biased = conv->in_count > 2 && conv->in[2];
    const float *bias = biased ? conv->in[2]->t.data : NULL;
    const float *scale = bn->in[1]->t.data, *shift = bn->in[2]->t.data;
    const float *mean = bn->in[3]->t.data, *var = bn->in[4]->t.data;
    double eps = hn_attr_float(bn, "epsilon", 1e-5);
    size_t channels = (size_t)w->shape.dim[0], each = channels ? hn_count(w) / channels : 0;
    hn_shape row = { .rank = 1, .dim = { (int64_t)channels } };
    hn_value *w2, *b2, **in = HN_NEW(g->arena, hn_value *, 3);

    if (!in)
        return hn_nomem(cx, "folding a batch normalisation");
    HN_TRY(hn_graph_new_const(cx, g, conv->in[1]->name, HN_F32, &w->shape, &w2));
    HN_TRY(hn_graph_new_const(cx, g, bn->name, HN_F32, &row, &b2));
    const float *old = w->data;
    float *neww = w2->t.data, *newb = b2->t.data;
    for (size_t c = 0; c < channels; c++) {
        double s = (double)scale[c] / sqrt((double)var[c] + eps);
        for (size_t i = 0; i < each; i++)
            neww[c * each + i] = (float)((double)old[c * each + i] * s);
        newb[c] = (float)(((bias ? (double)bias[c] : 0) - (double)mean[c]) * s + (double)shift[c]);
    }
    in[0] = conv->in[0];
    in[1] = w2;
    in[2] = b2;
    conv->in = in;
    conv->in_count = 3;
    return HN_OK;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *bn = g->node[i];
        if (!matches(g, bn) || !hn_graph_uses(g, bn->out[0]))
            continue;
        HN_TRY(fold_into(cx, g, bn->in[0]->maker, bn));
        bn->act.kind = HN_ACT_NONE;
        if (hn_graph_bypass(g, bn->out[0], bn->in[0]))
            ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_batchnorm = { "batchnorm", "fold batch normalisation into convolution weights", run };
