/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c: tensors one after another along an axis. */
#include "graph/strided.h"

/* The joined integers, when every operand is a known short list of numbers. */
static void join_known(hn_call *c)
{
    int64_t v[HN_KNOWN_MAX];
    int count = 0;
    for (int i = 0; i < c->in_count; i++) {
        int n = hn_known(c, i, v + count, HN_KNOWN_MAX - count);
        if (n < 0)
            return;
        count += n;
    }
    hn_set_known(c, 0, v, count);
}

/* Two sizes that must agree: the one that says more. */
static hn_err agree(hn_call *c, int input, int axis, int64_t a, int64_t b, int64_t *out)
{
    if (!hn_is_symbol(a) && !hn_is_symbol(b) && a != b)
        return hn_bad(c, "axis %d is %lld in input %d, %lld in those before", axis, (long long)b, input,
                      (long long)a);
    *out = hn_is_symbol(a) ? b : a;
    return HN_OK;
}

static int64_t sum_dims(hn_call *c, int64_t a, int64_t b)
{
    int64_t sum;
    if (a == 0 || b == 0)
        return a + b;
    if (hn_is_symbol(a) || hn_is_symbol(b) || __builtin_add_overflow(a, b, &sum))
        return hn_fresh_dim(c);
    return sum;
}

static hn_err infer(hn_call *c)
{
    hn_shape s = { .rank = -1 };
    bool whole = true;                    /* every rank is known */
    int axis = 0;

    for (int i = 0; i < c->in_count; i++) {
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
        const hn_shape *x = &c->in[i]->shape;
        if (c->in[i]->dtype != c->in[0]->dtype)
            return hn_bad(c, "inputs 0 and %d differ in type: %s and %s", i,
                          hn_dtype_name(c->in[0]->dtype), hn_dtype_name(c->in[i]->dtype));
        if (x->rank < 0) {
            whole = false;
        } else if (s.rank < 0) {
            HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
            s = *x;
        } else if (x->rank != s.rank) {
            return hn_bad(c, "input %d has rank %d, those before have %d", i, x->rank, s.rank);
        } else {
            for (int d = 0; d < s.rank; d++) {
                if (d == axis)
                    s.dim[d] = sum_dims(c, s.dim[d], x->dim[d]);
                else
                    HN_TRY(agree(c, i, d, s.dim[d], x->dim[d], &s.dim[d]));
            }
        }
    }
    if (s.rank >= 0 && !whole)
        s.dim[axis] = hn_fresh_dim(c);
    hn_out(c, 0, c->in[0]->dtype, &s);
    if (s.rank == 1 && whole)
        join_known(c);
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    hn_tensor *y = c->out[0];
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), y->shape.rank, &axis));
    size_t outer = hn_shape_product(&y->shape, 0, axis), row = hn_shape_product(&y->shape, axis, y->shape.rank);
    size_t at = 0;
    for (int i = 0; i < c->in_count; i++) {
        const hn_tensor *x = c->in[i];
        size_t part = hn_shape_product(&x->shape, axis, x->shape.rank);
        for (size_t o = 0; o < outer; o++)
            hn_elems_copy(y, o * row + at, x, o * part, part);
        at += part;
    }
    return HN_OK;
}

static const hn_attr_spec attr[] = { { "axis", HN_ATTR_INT, "" }, { 0 } };

const hn_op hn_op_concat = {
    .name = "Concat", .since = 13, .min_in = 1, .max_in = -1, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run,
};
