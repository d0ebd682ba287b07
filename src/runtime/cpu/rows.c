/* SPDX-License-Identifier: Apache-2.0 */
/* rows.c: operators that turn each row of the last axis into another, or into a number: Softmax,
 * LayerNormalization, ArgMax. */
#include "base/num.h"
#include "runtime/impl.h"

typedef struct rows {
    size_t count, len;
    size_t group;                    /* rows per piece of work */
    float eps;
} rows;

static hn_err prepare(hn_prep *p)
{
    rows *s = HN_NEW(p->arena, rows, 1);
    const hn_shape *x = &p->in[0]->shape;
    int axis = hn_op_is(p->node, "Softmax") ? x->rank - 1
                                            : (int)hn_attr_int(p->node, "axis", -1);
    if (!s)
        return hn_nomem(p->cx, "a step");
    if (axis < 0)
        axis += x->rank;
    s->len = hn_shape_product(x, axis, x->rank);
    s->count = s->len ? hn_count(p->in[0]) / s->len : 0;
    s->group = hn_max(8192 / hn_max(s->len, 1), 1);
    s->eps = (float)hn_attr_float(p->node, "epsilon", 1e-5);
    p->state = s;
    return HN_OK;
}

static bool accepts_softmax(const hn_prep *p)
{
    if (!hn_op_is(p->node, "Softmax") || !hn_prep_f32(p) || p->in[0]->shape.rank < 1 || hn_count(p->in[0]) == 0)
        return false;
    int64_t axis = hn_attr_int(p->node, "axis", -1);
    return axis == -1 || axis == p->in[0]->shape.rank - 1;
}

static void some_softmax(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const rows *s = r->state;
    (void)worker;
    for (size_t i = piece * s->group; i < hn_min((piece + 1) * s->group, s->count); i++)
        r->k->softmax_f32((float *)r->out[0]->data + i * s->len, (const float *)r->in[0]->data + i * s->len, s->len);
}

static hn_err run_softmax(const hn_run *r)
{
    const rows *s = r->state;
    hn_parallel(r, hn_ceil_div(s->count, s->group), some_softmax, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_softmax = {
    .name = "softmax.f32", .rule = HN_RULE_PLAIN, .inplace = 1,
    .accepts = accepts_softmax, .prepare = prepare, .run = run_softmax,
};

static bool accepts_layernorm(const hn_prep *p)
{
    if (!hn_op_is(p->node, "LayerNormalization") || !hn_prep_f32(p) || hn_count(p->in[0]) == 0)
        return false;
    for (int i = 1; i < p->out_count; i++)
        if (p->out[i])
            return false;
    int64_t axis = hn_attr_int(p->node, "axis", -1);
    const hn_shape *x = &p->in[0]->shape;
    size_t len = hn_shape_product(x, (int)(axis < 0 ? axis + x->rank : axis), x->rank);
    for (int i = 1; i < p->in_count; i++)
        if (p->in[i] && hn_count(p->in[i]) != len)
            return false;
    return true;
}

static void some_layernorm(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const rows *s = r->state;
    const float *scale = r->in[1]->data;
    const float *shift = r->node->in_count > 2 && r->in[2] ? r->in[2]->data : NULL;
    (void)worker;
    for (size_t i = piece * s->group; i < hn_min((piece + 1) * s->group, s->count); i++)
        r->k->layernorm_f32((float *)r->out[0]->data + i * s->len, (const float *)r->in[0]->data + i * s->len,
                            s->len, s->eps, scale, shift);
}

static hn_err run_layernorm(const hn_run *r)
{
    const rows *s = r->state;
    hn_parallel(r, hn_ceil_div(s->count, s->group), some_layernorm, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_layernorm = {
    .name = "layernorm.f32", .rule = HN_RULE_PLAIN,
    .accepts = accepts_layernorm, .prepare = prepare, .run = run_layernorm,
};

/* ---- ArgMax --------------------------------------------------------------------------------- */

static bool arg_on(const hn_prep *p, int axis)
{
    const hn_shape *x = &p->in[0]->shape;
    int64_t at = hn_attr_int(p->node, "axis", 0);
    return hn_op_is(p->node, "ArgMax") && p->in[0]->dtype == HN_F32 && hn_count(p->in[0]) > 0 &&
           !hn_attr_int(p->node, "select_last_index", 0) && (at < 0 ? at + x->rank : at) == axis;
}

/* Channels lie together when channels are last. */
static bool accepts_argmax_channels(const hn_prep *p) { return p->in[0]->shape.rank > 2 && arg_on(p, 1); }
static bool accepts_argmax(const hn_prep *p) { return p->in[0]->shape.rank > 0 && arg_on(p, p->in[0]->shape.rank - 1); }

static hn_err prepare_argmax(hn_prep *p)
{
    rows *s = HN_NEW(p->arena, rows, 1);
    if (!s)
        return hn_nomem(p->cx, "a step");
    s->count = hn_count(p->out[0]);
    s->len = hn_count(p->in[0]) / s->count;
    s->group = hn_max(8192 / s->len, 1);
    p->state = s;
    return HN_OK;
}

/* The first of the largest; a NaN is larger than all. */
static void some_argmax(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const rows *s = r->state;
    (void)worker;
    for (size_t i = piece * s->group; i < hn_min((piece + 1) * s->group, s->count); i++) {
        const float *x = (const float *)r->in[0]->data + i * s->len;
        float top = r->k->maximum_f32(x, s->len);
        size_t at = 0;
        while (top == top ? x[at] != top : x[at] == x[at])
            at++;
        ((int64_t *)r->out[0]->data)[i] = (int64_t)at;
    }
}

static hn_err run_argmax(const hn_run *r)
{
    const rows *s = r->state;
    hn_parallel(r, hn_ceil_div(s->count, s->group), some_argmax, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_argmax_channels = {
    .name = "argmax.channels.f32", .rule = HN_RULE_CL_IN,
    .accepts = accepts_argmax_channels, .prepare = prepare_argmax, .run = run_argmax,
};

const hn_impl hn_impl_argmax = {
    .name = "argmax.f32", .rule = HN_RULE_PLAIN, .accepts = accepts_argmax, .prepare = prepare_argmax, .run = run_argmax,
};
