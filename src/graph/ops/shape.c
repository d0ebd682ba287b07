/* SPDX-License-Identifier: Apache-2.0 */
/* shape.c: a tensor's shape as numbers. */
#include "graph/op.h"

/* start and end may be negative and are clamped, as in a Python slice. */
static void range(const hn_call *c, int rank, int *from, int *to)
{
    int64_t start = hn_attr_int(c->node, "start", 0), end = hn_attr_int(c->node, "end", rank);
    if (start < 0) start += rank;
    if (end < 0) end += rank;
    *from = (int)(start < 0 ? 0 : start > rank ? rank : start);
    *to = (int)(end < *from ? *from : end > rank ? rank : end);
}

static hn_err infer_shape(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = 1 };
    if (x->rank < 0) {
        s.dim[0] = hn_fresh_dim(c);
    } else {
        int from, to;
        range(c, x->rank, &from, &to);
        s.dim[0] = to - from;
        hn_set_known(c, 0, x->dim + from, to - from);
    }
    hn_out(c, 0, HN_I64, &s);
    return HN_OK;
}

static hn_err run_shape(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int from, to;
    range(c, x->rank, &from, &to);
    hn_put_i64(c->out[0], 0, (size_t)(to - from), x->dim + from);
    return HN_OK;
}

static hn_err infer_size(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = 0 };
    hn_out(c, 0, HN_I64, &s);
    if (hn_shape_known(x)) {
        int64_t n = (int64_t)hn_shape_count(x);
        hn_set_known(c, 0, &n, 1);
    }
    return HN_OK;
}

static hn_err run_size(hn_call *c)
{
    int64_t n = (int64_t)hn_count(c->in[0]);
    hn_put_i64(c->out[0], 0, 1, &n);
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "start", HN_ATTR_INT, "0" }, { "end", HN_ATTR_INT, "the rank" }, { 0 }
};

const hn_op hn_op_shape = {
    .name = "Shape", .since = 25, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer_shape, .run = run_shape,
};

const hn_op hn_op_size = {
    .name = "Size", .since = 25, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer_size, .run = run_size,
};
