/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: MaxPool, AveragePool and GlobalAveragePool on channels-last f32. */
#include "base/num.h"
#include "graph/window.h"
#include "runtime/impl.h"

typedef struct pool {
    size_t batch, channels, in_h, in_w, out_h, out_w;
    size_t kh, kw, stride_h, stride_w, dil_h, dil_w;
    int64_t pad_top, pad_left;
    bool average, count_pad;
    hn_act act;
} pool;

static bool geometry(const hn_prep *p, pool *g)
{
    const hn_shape *x = &p->in[0]->shape, *y = &p->out[0]->shape;
    bool average = hn_op_is(p->node, "AveragePool");
    hn_window w;
    hn_call call = hn_prep_call(p);
    if ((!average && !hn_op_is(p->node, "MaxPool")) || (x->rank != 3 && x->rank != 4) || !hn_prep_f32(p) ||
        (p->out_count > 1 && p->out[1]))
        return false;
    bool ceil_mode = hn_attr_int(p->node, "ceil_mode", 0) != 0;
    if (hn_window_read(&call, x, NULL, &w) || hn_window_out(&call, ceil_mode, &w))
        return false;
    int s = x->rank - 3;
    *g = (pool){
        .batch = (size_t)x->dim[0], .channels = (size_t)x->dim[1],
        .in_h = s ? (size_t)x->dim[2] : 1, .in_w = (size_t)x->dim[2 + s],
        .out_h = s ? (size_t)y->dim[2] : 1, .out_w = (size_t)y->dim[2 + s],
        .kh = s ? (size_t)w.kernel[0] : 1, .kw = (size_t)w.kernel[s],
        .stride_h = s ? (size_t)w.stride[0] : 1, .stride_w = (size_t)w.stride[s],
        .dil_h = s ? (size_t)w.dilation[0] : 1, .dil_w = (size_t)w.dilation[s],
        .pad_top = s ? w.pad_begin[0] : 0, .pad_left = w.pad_begin[s],
        .average = average, .count_pad = hn_attr_int(p->node, "count_include_pad", 0) != 0,
        .act = p->node->act,
    };
    /* Counting padding under ceil_mode depends on how far the last window hangs over: plain code. */
    if (g->count_pad && (ceil_mode || g->dil_h != 1 || g->dil_w != 1))
        return false;
    return hn_count(p->out[0]) > 0 && g->pad_top >= 0 && g->pad_left >= 0;
}

static bool accepts(const hn_prep *p)
{
    pool g;
    return geometry(p, &g);
}

static hn_err prepare(hn_prep *p)
{
    pool *g = HN_NEW(p->arena, pool, 1);
    if (!g)
        return hn_nomem(p->cx, "a pool");
    geometry(p, g);
    p->scratch_bytes = g->kh * sizeof(const float *);
    p->state = g;
    return HN_OK;
}

static void row(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const pool *g = r->state;
    size_t image = piece / g->out_h, y = piece % g->out_h;
    const float *x = (const float *)r->in[0]->data + image * g->in_h * g->in_w * g->channels;
    const float **rows = (const float **)(void *)(r->scratch + worker * r->scratch_stride);

    for (size_t i = 0; i < g->kh; i++) {
        int64_t at = (int64_t)(y * g->stride_h + i * g->dil_h) - g->pad_top;
        rows[i] = at < 0 || at >= (int64_t)g->in_h ? NULL : x + (size_t)at * g->in_w * g->channels;
    }
    hn_window_f32 w = { .rows = rows, .kh = g->kh, .kw = g->kw, .in_w = g->in_w, .out_w = g->out_w,
                        .channels = g->channels, .stride = g->stride_w, .dilation = g->dil_w,
                        .pad = (size_t)g->pad_left, .act = g->act, .count_pad = g->count_pad,
                        .out = (float *)r->out[0]->data + piece * g->out_w * g->channels };
    if (g->average)
        r->k->avgpool_f32(&w);
    else
        r->k->maxpool_f32(&w);
}

static hn_err run(const hn_run *r)
{
    const pool *g = r->state;
    hn_parallel(r, g->batch * g->out_h, row, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_pool = {
    .name = "pool.f32", .rule = HN_RULE_CL, .accepts = accepts, .prepare = prepare, .run = run,
};

/* ---- Over the whole image ------------------------------------------------------------------- */

static bool accepts_global(const hn_prep *p)
{
    const hn_shape *x = &p->in[0]->shape;
    if (!hn_prep_f32(p) || x->rank < 3 || hn_count(p->in[0]) == 0)
        return false;
    return hn_op_is(p->node, "GlobalAveragePool");
}

static hn_err run_global(const hn_run *r)
{
    const hn_shape *x = &r->in[0]->shape;
    size_t channels = (size_t)x->dim[1], area = hn_shape_product(x, 2, x->rank);
    for (size_t i = 0; i < (size_t)x->dim[0]; i++) {
        const float *in = (const float *)r->in[0]->data + i * area * channels;
        const float *one = in;
        hn_window_f32 w = { .rows = &one, .kh = 1, .kw = area, .in_w = area, .out_w = 1, .channels = channels,
                            .stride = 1, .dilation = 1, .act = r->node->act,
                            .out = (float *)r->out[0]->data + i * channels };
        r->k->avgpool_f32(&w);
    }
    return HN_OK;
}

const hn_impl hn_impl_pool_global = {
    .name = "pool.global.f32", .rule = HN_RULE_CL, .accepts = accepts_global, .run = run_global,
};
