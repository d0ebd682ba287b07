/* SPDX-License-Identifier: Apache-2.0 */
/* flex.c: FlexAttention: attention whose scores and probabilities pass through graphs of the model's own.
 *
 *     q [B, H, Q, D]   k [B, G, K, D]   v [B, G, K, E]   ->   y [B, H, Q, E] */
#include <math.h>

#include "base/num.h"
#include "graph/eval.h"
#include "graph/load.h"
#include "graph/stack.h"

enum { Q, K, V };

static hn_dtype precision(const hn_call *c)
{
    hn_dtype asked = hn_dtype_from_onnx(hn_attr_int(c->node, "softmax_precision", 0)), own = c->in[Q]->dtype;
    return asked != HN_NONE ? asked : own == HN_F64 ? HN_F64 : HN_F32;
}

static hn_err check(hn_call *c)
{
    const hn_shape *q = &c->in[Q]->shape, *k = &c->in[K]->shape, *v = &c->in[V]->shape;
    hn_dtype t = precision(c);
    for (int i = Q; i <= V; i++) {
        HN_TRY(hn_want_float(c, i));
        HN_TRY(hn_want_rank(c, i, 4));
    }
    if (t != HN_F32 && t != HN_F64 && t != HN_F16 && t != HN_BF16)
        return hn_bad(c, "softmax_precision is %s", hn_dtype_name(t));
    if (!hn_shape_known(q) || !hn_shape_known(k) || !hn_shape_known(v))
        return HN_OK;
    if (q->dim[0] != k->dim[0] || q->dim[0] != v->dim[0] || k->dim[1] != v->dim[1] || k->dim[2] != v->dim[2] ||
        q->dim[3] != k->dim[3] || (k->dim[1] ? q->dim[1] % k->dim[1] : q->dim[1]) != 0) {
        char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT], d[HN_SHAPE_TEXT];
        return hn_bad(c, "queries of %s, keys of %s and values of %s do not fit", hn_shape_text(q, a),
                      hn_shape_text(k, b), hn_shape_text(v, d));
    }
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    static const char *const name[] = { "score_mod", "prob_mod" };
    const hn_shape *q = &c->in[Q]->shape, *k = &c->in[K]->shape, *v = &c->in[V]->shape;
    HN_TRY(check(c));
    hn_shape scores = { .rank = 4 }, y = scores;
    for (int d = 0; d < 4; d++) {
        scores.dim[d] = d == 3 ? (k->rank == 4 ? k->dim[2] : hn_fresh_dim(c)) : q->rank == 4 ? q->dim[d] : hn_fresh_dim(c);
        y.dim[d] = d == 3 ? (v->rank == 4 ? v->dim[3] : hn_fresh_dim(c)) : scores.dim[d];
    }
    for (int i = 0; i < 2; i++) {
        const hn_attr *a = hn_attr_find(c->node, name[i]);
        if (!a || a->kind != HN_ATTR_GRAPH)
            continue;
        if (a->graph->in_count != 1 || a->graph->out_count != 1)
            return hn_bad(c, "%s has %zu inputs and %zu outputs, expected 1 of each", name[i], a->graph->in_count,
                          a->graph->out_count);
        a->graph->in[0]->t = (hn_tensor){ precision(c), scores, NULL };
        HN_TRY(hn_infer_body(c, a->graph));
    }
    hn_out(c, 0, c->in[V]->dtype, &y);
    return HN_OK;
}

/* Lets the graph `name`, if there is one, make t anew. */
static hn_err modify(hn_call *c, const char *name, hn_tensor *t)
{
    const hn_attr *a = hn_attr_find(c->node, name);
    hn_tensor made;
    hn_body body;
    if (!a || a->kind != HN_ATTR_GRAPH)
        return HN_OK;
    if (a->graph->in_count != 1 || a->graph->out_count != 1)
        return hn_bad(c, "%s has more than one input or output", name);
    HN_TRY(hn_body_open(c, a, &body));
    hn_err e = hn_body_run(&body, t, &made);
    if (!e && (made.dtype != t->dtype || !hn_shape_equal(&made.shape, &t->shape)))
        e = hn_bad(c, "%s changes the type or shape of what it is given", name);
    if (!e)
        e = hn_tensor_copy(c->cx, &made, c->scratch, t);
    hn_body_close(&body);
    return e;
}

static hn_err scores_of(hn_call *c, hn_tensor *t)
{
    const hn_shape *q = &c->in[Q]->shape;
    size_t heads = (size_t)q->dim[1], queries = (size_t)q->dim[2], dim = (size_t)q->dim[3];
    size_t group = heads / hn_max((size_t)c->in[K]->shape.dim[1], 1), keys = (size_t)c->in[K]->shape.dim[2];
    double *a, *b, *row = HN_SCRATCH(c, double, keys), scale = hn_attr_float(c->node, "scale", 1 / sqrt((double)dim));
    HN_TRY(hn_load_f64(c, c->in[Q], &a));
    HN_TRY(hn_load_f64(c, c->in[K], &b));
    if (!row)
        return hn_nomem(c->cx, "scores");
    for (size_t r = 0; r < hn_mul(hn_mul((size_t)q->dim[0], heads), queries) && keys; r++) {
        const double *k = b + r / queries / group * keys * dim;        /* batch and key head count together */
        for (size_t j = 0; j < keys; j++) {
            row[j] = 0;
            for (size_t d = 0; d < dim; d++)
                row[j] += a[r * dim + d] * k[j * dim + d];
            row[j] *= scale;
        }
        hn_put_f64(t, r * keys, keys, row);
    }
    return HN_OK;
}

static hn_err softmax(hn_call *c, hn_tensor *t, size_t n)
{
    double *v;
    HN_TRY(hn_load_f64(c, t, &v));
    for (size_t i = 0; i < hn_count(t); i += n) {
        double max = -INFINITY, sum = 0;
        for (size_t j = i; j < i + n; j++)
            max = v[j] > max ? v[j] : max;
        for (size_t j = i; j < i + n; j++)
            sum += v[j] = exp(v[j] - max);
        for (size_t j = i; j < i + n; j++)
            v[j] /= sum;
    }
    hn_put_f64(t, 0, hn_count(t), v);
    return HN_OK;
}

static hn_err make(hn_call *c)
{
    const hn_shape *q = &c->in[Q]->shape, *v = &c->in[V]->shape;
    HN_TRY(check(c));
    size_t keys = (size_t)v->dim[2], dim = (size_t)v->dim[3], queries = (size_t)q->dim[2];
    size_t group = (size_t)q->dim[1] / hn_max((size_t)v->dim[1], 1);
    hn_tensor t = { precision(c), { .rank = 4, .dim = { q->dim[0], q->dim[1], q->dim[2], v->dim[2] } }, NULL };
    double *p, *values, *row = HN_SCRATCH(c, double, dim);
    t.data = hn_arena_get(c->scratch, hn_max(hn_bytes(&t), 1), 64);
    if (!t.data || !row)
        return hn_nomem(c->cx, "scores");
    *c->out[0] = (hn_tensor){ c->in[V]->dtype, { .rank = 4, .dim = { q->dim[0], q->dim[1], q->dim[2], v->dim[3] } }, NULL };
    HN_TRY(hn_make_tensor(c, c->out[0]));
    HN_TRY(scores_of(c, &t));
    HN_TRY(modify(c, "score_mod", &t));
    HN_TRY(softmax(c, &t, hn_max(keys, 1)));
    HN_TRY(modify(c, "prob_mod", &t));
    HN_TRY(hn_load_f64(c, &t, &p));
    HN_TRY(hn_load_f64(c, c->in[V], &values));
    for (size_t r = 0; r < hn_count(c->out[0]) / hn_max(dim, 1); r++) {
        const double *from = values + r / queries / group * keys * dim;
        for (size_t d = 0; d < dim; d++)
            row[d] = 0;
        for (size_t j = 0; j < keys; j++)
            for (size_t d = 0; d < dim; d++)
                row[d] += p[r * keys + j] * from[j * dim + d];
        hn_put_f64(c->out[0], r * dim, dim, row);
    }
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "prob_mod", HN_ATTR_GRAPH, "none" }, { "scale", HN_ATTR_FLOAT, "1 / sqrt(head size)" },
    { "score_mod", HN_ATTR_GRAPH, "none" }, { "softmax_precision", HN_ATTR_INT, "f32, or f64 for f64" }, { 0 }
};

const hn_op hn_op_flex_attention = {
    .name = "FlexAttention", .domain = "ai.onnx.preview", .since = 1, .min_in = 3, .max_in = 3, .min_out = 1,
    .max_out = 1, .attr = attr, .infer = infer, .make = make,
};
