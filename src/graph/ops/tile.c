/* SPDX-License-Identifier: Apache-2.0 */
/* tile.c: the same elements again and again: Tile, Expand. */
#include "graph/strided.h"

static hn_err infer_tile(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int64_t times[HN_RANK_MAX];
    hn_shape s = *x;
    int n = hn_known(c, 1, times, HN_RANK_MAX);

    if (c->in[1]->dtype != HN_I64)
        return hn_bad(c, "repeats are %s, expected i64", hn_dtype_name(c->in[1]->dtype));
    if (hn_shape_known(&c->in[1]->shape) && x->rank >= 0 && hn_count(c->in[1]) != (size_t)x->rank)
        return hn_bad(c, "%zu repeats for rank %d", hn_count(c->in[1]), x->rank);
    for (int i = 0; i < x->rank; i++) {
        int64_t k = n == x->rank ? times[i] : HN_SYMBOL;
        if (k < 0 && !hn_is_symbol(k))
            return hn_bad(c, "axis %d is to be repeated %lld times", i, (long long)k);
        if (k == 0 || x->dim[i] == 0)
            s.dim[i] = 0;
        else if (k == 1 || x->dim[i] == 1)
            s.dim[i] = k == 1 ? x->dim[i] : n == x->rank ? k : hn_fresh_dim(c);
        else if (hn_is_symbol(k) || hn_is_symbol(x->dim[i]))
            s.dim[i] = hn_fresh_dim(c);
        else if (__builtin_mul_overflow(x->dim[i], k, &s.dim[i]))
            return hn_bad(c, "axis %d of %lld repeated %lld times is too large", i, (long long)x->dim[i],
                          (long long)k);
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

/* Each axis is two: which copy, and where in it. */
static hn_err run_tile(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    ptrdiff_t from[HN_RANK_MAX], to[HN_RANK_MAX];
    hn_box b = { 0 };

    if (hn_count(c->out[0]) == 0)
        return HN_OK;
    hn_steps(x, from);
    hn_steps(y, to);
    for (int i = 0; i < x->rank; i++) {
        hn_box_add(&b, y->dim[i] / x->dim[i], to[i] * (ptrdiff_t)x->dim[i], 0);
        hn_box_add(&b, x->dim[i], to[i], from[i]);
    }
    hn_box_move(&b, c->out[0], c->in[0]);
    return HN_OK;
}

static hn_err infer_expand(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    const hn_shape *t = &c->in[1]->shape;
    hn_shape want = { .rank = -1 }, s;
    int64_t v[HN_KNOWN_MAX];

    if (c->in[1]->dtype != HN_I64 || t->rank > 1)
        return hn_bad(c, "the shape must be a list of i64");
    if (t->rank == 1 && !hn_is_symbol(t->dim[0]) && t->dim[0] > HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    int n = hn_known(c, 1, want.dim, HN_RANK_MAX);
    if (n >= 0) {
        want.rank = n;
    } else if (t->rank == 1 && !hn_is_symbol(t->dim[0])) {
        want.rank = (int)t->dim[0];
        for (int i = 0; i < want.rank; i++)
            want.dim[i] = hn_fresh_dim(c);
    }
    for (int i = 0; i < want.rank; i++)
        if (want.dim[i] < 0 && !hn_is_symbol(want.dim[i])) {
            /* Outside the standard but in the wild: -1 keeps the dimension, as in PyTorch. */
            int j = x->shape.rank - want.rank + i;
            if (want.dim[i] != -1 || x->shape.rank < 0)
                return hn_bad(c, "dimension %d of the new shape is %lld", i, (long long)want.dim[i]);
            want.dim[i] = j >= 0 ? x->shape.dim[j] : 1;
        }
    HN_TRY(hn_broadcast(c, &x->shape, &want, &s));
    hn_out(c, 0, x->dtype, &s);

    if (s.rank <= 1 && hn_shape_known(&s) && hn_shape_count(&s) <= HN_KNOWN_MAX &&
        (n = hn_known(c, 0, v, HN_KNOWN_MAX)) > 0) {
        int count = (int)hn_shape_count(&s);
        for (int i = n; i < count; i++)
            v[i] = v[0];
        hn_set_known(c, 0, v, count);
    }
    return HN_OK;
}

static hn_err run_expand(hn_call *c)
{
    const hn_shape *y = &c->out[0]->shape;
    size_t from[HN_RANK_MAX];
    ptrdiff_t to[HN_RANK_MAX];
    hn_box b = { 0 };

    hn_broadcast_strides(&c->in[0]->shape, y->rank, from);
    hn_steps(y, to);
    for (int i = 0; i < y->rank; i++)
        hn_box_add(&b, y->dim[i], to[i], (ptrdiff_t)from[i]);
    hn_box_move(&b, c->out[0], c->in[0]);
    return HN_OK;
}

const hn_op hn_op_tile = {
    .name = "Tile", .since = 13, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer_tile, .run = run_tile,
};

const hn_op hn_op_expand = {
    .name = "Expand", .since = 13, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer_expand, .run = run_expand,
};
