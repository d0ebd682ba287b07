/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c: Softmax and its relatives, along one axis. */
#include <math.h>

#include "graph/load.h"

static hn_err infer(hn_call *c)
{
    int axis;
    HN_TRY(hn_want_float(c, 0));
    if (c->in[0]->shape.rank >= 0)
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), c->in[0]->shape.rank, &axis));
    return hn_infer_same(c);
}

/* The largest is taken away first: exp never overflows, and the sum is at least 1. */
static void softmax(double *v, size_t n, size_t step)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        max = v[i * step] > max ? v[i * step] : max;
    for (size_t i = 0; i < n; i++)
        sum += v[i * step] = exp(v[i * step] - max);
    for (size_t i = 0; i < n; i++)
        v[i * step] /= sum;
}

static void log_softmax(double *v, size_t n, size_t step)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        max = v[i * step] > max ? v[i * step] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp(v[i * step] - max);
    for (size_t i = 0; i < n; i++)
        v[i * step] -= max + log(sum);
}

static void hardmax(double *v, size_t n, size_t step)      /* 1 at the first of the largest */
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (v[i * step] > v[best * step])
            best = i;
    for (size_t i = 0; i < n; i++)
        v[i * step] = i == best;
}

static hn_err run(hn_call *c, void (*f)(double *v, size_t n, size_t step))
{
    int axis;
    double *v;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), c->in[0]->shape.rank, &axis));
    HN_TRY(hn_load_f64(c, c->in[0], &v));
    hn_split s = hn_split_at(&c->in[0]->shape, axis);
    for (size_t o = 0; o < s.outer && s.n; o++)
        for (size_t i = 0; i < s.inner; i++)
            f(v + o * s.n * s.inner + i, s.n, s.inner);
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), v);
    return HN_OK;
}

static hn_err run_softmax(hn_call *c) { return run(c, softmax); }
static hn_err run_logsoftmax(hn_call *c) { return run(c, log_softmax); }
static hn_err run_hardmax(hn_call *c) { return run(c, hardmax); }

static const hn_attr_spec attr[] = { { "axis", HN_ATTR_INT, "-1" }, { 0 } };

#define SOFTMAX(id, onnx)                                                                       \
    const hn_op hn_op_##id = { .name = onnx, .since = 13, .min_in = 1, .max_in = 1,             \
        .min_out = 1, .max_out = 1, .attr = attr, .infer = infer, .run = run_##id };

SOFTMAX(softmax,    "Softmax")
SOFTMAX(logsoftmax, "LogSoftmax")
SOFTMAX(hardmax,    "Hardmax")
