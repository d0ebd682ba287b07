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

static double difference(const hn_tensor *a, const hn_tensor *b)
{
    double low = INFINITY, high = -INFINITY, worst = 0;
    size_t n = hn_count(b);
    if (a->dtype != b->dtype || !hn_shape_equal(&a->shape, &b->shape))
        return INFINITY;
    for (size_t i = 0; i < n; i++) {
        double x, y;
        hn_get_f64(a, i, 1, &x);
        hn_get_f64(b, i, 1, &y);
        low = fmin(low, y);
        high = fmax(high, y);
        double d = fabs(x - y);
        if (!(d <= worst) && !(isnan(x) && isnan(y)))
            worst = isnan(d) ? INFINITY : d;
    }
    return hn_is_float(b->dtype) ? worst / fmax(high - low, 1e-30) : worst;
}

static hn_err compare(hn_ctx *cx, const hn_graph *g, const hn_kernels *k, hn_arena *a, double *worst)
{
    hn_tensor *in = HN_NEW(a, hn_tensor, g->in_count), *want = HN_NEW(a, hn_tensor, g->out_count);
    hn_shape *shape = HN_NEW(a, hn_shape, g->in_count);
    hn_plan *plan;
    hn_session *s;

    for (size_t i = 0; i < g->in_count; i++) {
        in[i] = g->in[i]->t;
        for (int d = 0; d < in[i].shape.rank; d++)
            if (in[i].shape.dim[d] < 0)
                in[i].shape.dim[d] = 1;
        in[i].data = hn_arena_get(a, hn_bytes(&in[i]) + 1, 64);
        shape[i] = in[i].shape;
        fill(&in[i], 7 + (uint32_t)i);
    }
    HN_TRY(hn_eval(cx, g, in, a, want));
    hn_plan_opts o = { .kernels = k, .threads = 1, .in_shape = shape };
    HN_TRY(hn_plan_new(cx, g, &o, &plan));
    hn_err e = hn_session_new(cx, plan, NULL, &s);
    if (!e) {
        for (size_t i = 0; i < g->in_count; i++)
            hn_session_bind_input(s, i, in[i].data);
        e = hn_session_run(cx, s);
        *worst = 0;
        for (size_t i = 0; i < g->out_count && !e; i++)
            *worst = fmax(*worst, difference(hn_session_output(s, i), &want[i]));
        hn_session_free(s);
    }
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
        e = compare(cx, src.graph, k, a, worst);
        hn_arena_free(a);
    }
    hn_source_close(cx, &src);
    return e;
}
