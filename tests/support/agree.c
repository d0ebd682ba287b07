/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/agree.h"

#include <math.h>
#include <string.h>

#include "graph/eval.h"
#include "runtime/session.h"

/* Inputs that look like data: floats around zero, integers over their whole range. */
static void fill(hn_tensor *t, uint32_t seed)
{
    size_t n = hn_count(t);
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        double v = (double)(seed >> 8) / (1 << 24);
        if (hn_is_float(t->dtype))
            v = v * 2 - 1;
        else if (t->dtype == HN_BOOL)
            v = v < 0.5;
        else
            v = floor(v * 256) - (hn_dtype_class(t->dtype) == HN_CLASS_I ? 128 : 0);
        hn_put_f64(t, i, 1, &v);
    }
}

hn_err hn_test_inputs(const hn_graph *g, hn_arena *a, uint32_t seed, hn_tensor **out)
{
    hn_tensor *in = HN_NEW(a, hn_tensor, g->in_count);
    if (!in)
        return HN_ENOMEM;
    for (size_t i = 0; i < g->in_count; i++) {
        in[i] = g->in[i]->t;
        for (int d = 0; d < in[i].shape.rank; d++)
            if (in[i].shape.dim[d] < 0)
                in[i].shape.dim[d] = 1;
        in[i].data = hn_arena_get(a, hn_bytes(&in[i]) + 1, 64);
        if (!in[i].data)
            return HN_ENOMEM;
        fill(&in[i], seed + (uint32_t)i);
    }
    *out = in;
    return HN_OK;
}

double hn_test_difference(const hn_tensor *a, const hn_tensor *b, double least)
{
    double low = INFINITY, high = -INFINITY, worst = 0;
    size_t n = hn_count(b);
    if (a->dtype != b->dtype || !hn_shape_equal(&a->shape, &b->shape))
        return INFINITY;
    for (size_t i = 0; i < n; i++) {
        double x, y;
        hn_get_f64(a, i, 1, &x);
        hn_get_f64(b, i, 1, &y);
        if (isfinite(y)) {
            low = fmin(low, y);
            high = fmax(high, y);
        }
        if (x == y || (isnan(x) && isnan(y)))
            continue;
        worst = isfinite(x) && isfinite(y) ? fmax(worst, fabs(x - y)) : INFINITY;
    }
    return hn_is_float(b->dtype) ? worst / fmax(fmax(high - low, least), 1e-30) : worst;
}

bool hn_test_finite(hn_ctx *cx, const hn_graph *g, hn_arena *a)
{
    hn_tensor *in, *value = HN_NEW(a, hn_tensor, g->value_count);
    if (!value || hn_test_inputs(g, a, 7, &in))
        return false;
    for (size_t i = 0; i < g->value_count; i++)
        value[i] = g->value[i]->t;
    for (size_t i = 0; i < g->in_count; i++)
        value[g->in[i]->index] = in[i];
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        const hn_tensor *args[16];
        hn_tensor out[1];
        if (n->in_count > 16 || n->out_count != 1)
            return false;
        for (int j = 0; j < n->in_count; j++)
            args[j] = n->in[j] ? &value[n->in[j]->index] : NULL;
        if (hn_eval_node(cx, n, args, a, a, out))
            return false;
        value[n->out[0]->index] = out[0];
        for (size_t k = 0; k < hn_count(out); k++) {
            double v;
            hn_get_f64(out, k, 1, &v);
            if (!isfinite(v))
                return false;
        }
    }
    return true;
}

/* The plan's outputs against `want`. */
static hn_err run_plan(hn_ctx *cx, const hn_plan *plan, const hn_tensor *in, const hn_tensor *want, hn_pool *pool,
                       double least, double *worst)
{
    const hn_graph *g = plan->graph;
    hn_session *s;
    HN_TRY(hn_session_new(cx, plan, pool, &s));
    for (size_t i = 0; i < g->in_count; i++)
        hn_session_bind_input(s, i, in[i].data);
    hn_err e = hn_session_run(cx, s);
    *worst = 0;
    for (size_t i = 0; i < g->out_count && !e; i++)
        *worst = fmax(*worst, hn_test_difference(hn_session_output(s, i), &want[i], least));
    hn_session_free(s);
    return e;
}

hn_err hn_test_agree_graph(hn_ctx *cx, const hn_graph *g, const hn_plan_opts *how, hn_pool *pool, double least,
                           hn_arena *a, double *worst)
{
    hn_tensor *in, *want = HN_NEW(a, hn_tensor, g->out_count);
    hn_shape *shape = HN_NEW(a, hn_shape, g->in_count);
    hn_plan_opts o = *how;
    hn_plan *plan;
    if (!want || !shape)
        return hn_nomem(cx, "a comparison");
    HN_TRY(hn_test_inputs(g, a, 7, &in));
    HN_TRY(hn_eval(cx, g, in, a, want));
    for (size_t i = 0; i < g->in_count; i++)
        shape[i] = in[i].shape;
    o.in_shape = shape;
    HN_TRY(hn_plan_new(cx, g, &o, &plan));
    hn_err e = run_plan(cx, plan, in, want, pool, least, worst);
    hn_plan_free(cx, plan);
    return e;
}

hn_err hn_test_agree(hn_ctx *cx, const char *path, const hn_kernels *k, double *worst)
{
    hn_source src = { 0 };
    hn_arena *a;
    HN_TRY(hn_source_open(cx, path, &src));
    hn_err e = hn_source_runnable(cx, &src);
    if (!e)
        e = hn_arena_new(cx, 0, &a);
    if (!e) {
        e = hn_test_agree_graph(cx, src.graph, &(hn_plan_opts){ .kernels = k, .threads = 1 }, NULL, 0, a, worst);
        hn_arena_free(a);
    }
    hn_source_close(cx, &src);
    return e;
}
