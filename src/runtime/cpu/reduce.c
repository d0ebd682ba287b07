/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c: ReduceSum and ReduceMean over the last axes of f32: each row to a number. */
#include "base/num.h"
#include "runtime/impl.h"

typedef struct reduce {
    size_t count, len;
    size_t group;                    /* rows per piece of work */
    float by;                        /* sums are divided by it */
} reduce;

/* How many of the last axes are reduced, if it is those and no others; 0 otherwise. */
static int trailing(const hn_prep *p)
{
    int64_t axis[HN_RANK_MAX];
    const int64_t *listed;
    size_t n = hn_attr_ints(p->node, "axes", &listed);
    int rank = p->in[0]->shape.rank;
    bool reduced[HN_RANK_MAX] = { false };
    if (p->in_count > 1 && p->in[1]) {
        if (!p->in[1]->data || p->in[1]->dtype != HN_I64 || hn_count(p->in[1]) > HN_RANK_MAX)
            return 0;
        n = hn_count(p->in[1]);
        hn_get_i64(p->in[1], 0, n, axis);
        listed = axis;
    }
    for (size_t i = 0; i < n; i++)
        reduced[listed[i] < 0 ? listed[i] + rank : listed[i]] = true;
    for (int i = 0; i < rank; i++)
        if (reduced[i] != (i >= rank - (int)n))
            return 0;
    return (int)n;
}

static bool accepts(const hn_prep *p)
{
    return (hn_op_is(p->node, "ReduceSum") || hn_op_is(p->node, "ReduceMean")) && p->in[0]->dtype == HN_F32 &&
           p->out[0]->dtype == HN_F32 && p->node->act.kind == HN_ACT_NONE && hn_count(p->in[0]) > 0 && trailing(p) > 0;
}

static hn_err prepare(hn_prep *p)
{
    reduce *s = HN_NEW(p->arena, reduce, 1);
    const hn_shape *x = &p->in[0]->shape;
    if (!s)
        return hn_nomem(p->cx, "a step");
    s->len = hn_shape_product(x, x->rank - trailing(p), x->rank);
    s->count = hn_count(p->in[0]) / s->len;
    s->group = hn_max(16384 / s->len, 1);
    s->by = hn_op_is(p->node, "ReduceMean") ? (float)s->len : 1;
    p->state = s;
    return HN_OK;
}

static void some_rows(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const reduce *s = r->state;
    (void)worker;
    for (size_t i = piece * s->group; i < hn_min((piece + 1) * s->group, s->count); i++)
        ((float *)r->out[0]->data)[i] = r->k->sum_f32((const float *)r->in[0]->data + i * s->len, s->len) / s->by;
}

static hn_err run(const hn_run *r)
{
    const reduce *s = r->state;
    hn_parallel(r, hn_ceil_div(s->count, s->group), some_rows, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_reduce = {
    .name = "reduce.f32", .rule = HN_RULE_PLAIN, .accepts = accepts, .prepare = prepare, .run = run,
};
