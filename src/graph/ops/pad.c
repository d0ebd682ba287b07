/* SPDX-License-Identifier: Apache-2.0 */
/* pad.c: more (or, with negative numbers, fewer) elements at the ends of axes. */
#include "base/num.h"
#include "graph/strided.h"

typedef enum mode { CONSTANT, REFLECT, EDGE, WRAP } mode;

typedef struct pads { int64_t before[HN_RANK_MAX], after[HN_RANK_MAX]; } pads;

static hn_err find_mode(hn_call *c, mode *out)
{
    static const char *const names[] = { "constant", "reflect", "edge", "wrap" };
    for (int i = 0; i < 4; i++)
        if (hn_attr_is(c->node, "mode", names[i], "constant")) {
            *out = (mode)i;
            return HN_OK;
        }
    hn_text t = hn_attr_text(c->node, "mode", "");
    return hn_bad(c, "mode '%.*s' is none of constant, reflect, edge and wrap", (int)hn_min(t.len, 40), t.ptr);
}

/* Pads of every axis, 0 where none were given.  *sure is false when they are not known yet. */
static hn_err find_pads(hn_call *c, int rank, pads *p, bool *sure)
{
    int64_t v[2 * HN_RANK_MAX], axes[HN_RANK_MAX];
    bool given[HN_RANK_MAX] = { false };
    *p = (pads){ { 0 }, { 0 } };

    if (hn_shape_known(&c->in[1]->shape) && hn_count(c->in[1]) > 2 * (size_t)rank)
        return hn_bad(c, "%zu pads for rank %d", hn_count(c->in[1]), rank);
    if (hn_has_in(c, 3) && hn_shape_known(&c->in[3]->shape) && hn_count(c->in[3]) > (size_t)rank)
        return hn_bad(c, "%zu axes for rank %d", hn_count(c->in[3]), rank);
    int n = hn_known(c, 1, v, 2 * HN_RANK_MAX);
    int axis_count = hn_has_in(c, 3) ? hn_known(c, 3, axes, HN_RANK_MAX) : rank;
    *sure = n >= 0 && axis_count >= 0;
    if (!*sure)
        return HN_OK;
    if (n != 2 * axis_count)
        return hn_bad(c, "%d pads for %d axes, expected two for each", n, axis_count);
    for (int i = 0; i < axis_count; i++) {
        int axis;
        HN_TRY(hn_axis(c, hn_has_in(c, 3) ? axes[i] : i, rank, &axis));
        if (given[axis])
            return hn_bad(c, "axis %d is padded twice", axis);
        given[axis] = true;
        p->before[axis] = v[i];
        p->after[axis] = v[axis_count + i];
    }
    return HN_OK;
}

/* dim with both pads. */
static hn_err padded(hn_call *c, int axis, int64_t dim, int64_t before, int64_t after, int64_t *out)
{
    if (before == 0 && after == 0) {
        *out = dim;
        return HN_OK;
    }
    if (hn_is_symbol(dim) || hn_is_symbol(before) || hn_is_symbol(after)) {
        *out = hn_fresh_dim(c);
        return HN_OK;
    }
    if (__builtin_add_overflow(dim, before, out) || __builtin_add_overflow(*out, after, out) || *out < 0)
        return hn_bad(c, "axis %d of %lld cannot be padded by %lld and %lld", axis, (long long)dim,
                      (long long)before, (long long)after);
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = *x;
    pads p;
    mode m;
    bool sure;

    HN_TRY(find_mode(c, &m));
    if (c->in[1]->dtype != HN_I64)
        return hn_bad(c, "pads are %s, expected i64", hn_dtype_name(c->in[1]->dtype));
    if (hn_has_in(c, 2) && c->in[2]->dtype != c->in[0]->dtype)
        return hn_bad(c, "the constant is %s, the input %s", hn_dtype_name(c->in[2]->dtype),
                      hn_dtype_name(c->in[0]->dtype));
    if (hn_has_in(c, 2) && hn_shape_known(&c->in[2]->shape) && hn_count(c->in[2]) != 1)
        return hn_bad(c, "the constant has %zu elements, expected 1", hn_count(c->in[2]));
    if (hn_has_in(c, 3) && c->in[3]->dtype != HN_I64 && c->in[3]->dtype != HN_I32)
        return hn_bad(c, "axes are %s, expected i32 or i64", hn_dtype_name(c->in[3]->dtype));
    if (x->rank >= 0) {
        HN_TRY(find_pads(c, x->rank, &p, &sure));
        for (int i = 0; i < x->rank; i++) {
            if (sure)
                HN_TRY(padded(c, i, x->dim[i], p.before[i], p.after[i], &s.dim[i]));
            else
                s.dim[i] = hn_fresh_dim(c);
        }
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

/* The part of the input that survives negative pads, on one axis. */
static void kept(int64_t dim, int64_t before, int64_t after, int64_t *first, int64_t *count)
{
    int64_t from = before < 0 ? -before : 0, to = after < 0 ? dim + after : dim;
    *first = from < dim ? from : dim;
    *count = to > *first ? to - *first : 0;
}

static void pad_constant(hn_call *c, const pads *p)
{
    const hn_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    ptrdiff_t from[HN_RANK_MAX], to[HN_RANK_MAX];
    hn_box b = { 0 };

    if (hn_has_in(c, 2))
        hn_elems_fill(c->out[0], 0, hn_count(c->out[0]), c->in[2], 0);
    else
        hn_elems_zero(c->out[0]);
    hn_steps(x, from);
    hn_steps(y, to);
    for (int i = 0; i < x->rank; i++) {
        int64_t first, count, at = p->before[i] > 0 ? p->before[i] : 0;
        kept(x->dim[i], p->before[i], p->after[i], &first, &count);
        if (count == 0)
            return;
        b.from_first += (size_t)first * (size_t)from[i];
        b.to_first += (size_t)at * (size_t)to[i];
        hn_box_add(&b, count, to[i], from[i]);
    }
    hn_box_move(&b, c->out[0], c->in[0]);
}

/* Where output position i (counted from the first kept element) comes from, among n kept ones. */
static int64_t source(mode m, int64_t i, int64_t n)
{
    int64_t period = m == REFLECT ? 2 * n - 2 : n;
    if (m == EDGE || n == 1)
        return i < 0 ? 0 : i < n ? i : n - 1;
    i %= period;
    if (i < 0)
        i += period;
    return i < n ? i : period - i;
}

static hn_err pad_from_input(hn_call *c, mode m, const pads *p)
{
    const hn_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    size_t *offset[HN_RANK_MAX];             /* per axis and output position: its part of the input offset */
    ptrdiff_t from[HN_RANK_MAX];
    hn_walk w;

    hn_steps(x, from);
    for (int d = 0; d < x->rank; d++) {
        int64_t first, count;
        kept(x->dim[d], p->before[d], p->after[d], &first, &count);
        if (count == 0)
            return hn_bad(c, "axis %d has no element to pad with", d);
        offset[d] = HN_SCRATCH(c, size_t, (size_t)y->dim[d]);
        if (!offset[d])
            return hn_nomem(c->cx, "padding");
        for (int64_t i = 0; i < y->dim[d]; i++) {
            int64_t at = i - (p->before[d] > 0 ? p->before[d] : 0);
            offset[d][i] = (size_t)(first + source(m, at, count)) * (size_t)from[d];
        }
    }
    for (hn_walk_start(&w, y); w.left; hn_walk_step(&w)) {
        size_t at = 0;
        for (int d = 0; d < x->rank; d++)
            at += offset[d][w.at[d]];
        hn_elems_copy(c->out[0], w.index, c->in[0], at, 1);
    }
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    pads p;
    mode m;
    bool sure;

    HN_TRY(find_mode(c, &m));
    HN_TRY(find_pads(c, c->in[0]->shape.rank, &p, &sure));
    if (hn_count(c->out[0]) == 0)
        return HN_OK;
    if (m != CONSTANT)
        return pad_from_input(c, m, &p);
    pad_constant(c, &p);
    return HN_OK;
}

static const hn_attr_spec attr[] = { { "mode", HN_ATTR_TEXT, "constant, reflect, edge or wrap" }, { 0 } };

const hn_op hn_op_pad = {
    .name = "Pad", .since = 25, .min_in = 2, .max_in = 4, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run,
};
