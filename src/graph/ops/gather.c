/* SPDX-License-Identifier: Apache-2.0 */
/* gather.c: elements picked by position: Gather, GatherElements, GatherND, ReverseSequence. */
#include "graph/strided.h"

static hn_err check_index_type(hn_call *c)
{
    hn_dtype t = c->in[1]->dtype;
    return t == HN_I64 || t == HN_I32 ? HN_OK
         : hn_bad(c, "indices are %s, expected i32 or i64", hn_dtype_name(t));
}

/* ---- Gather ---------------------------------------------------------------------------- */

static void pick_known(hn_call *c)
{
    int64_t v[HN_KNOWN_MAX], at[HN_KNOWN_MAX];
    int n = hn_known(c, 0, v, HN_KNOWN_MAX), m = hn_known(c, 1, at, HN_KNOWN_MAX);
    if (n < 0 || m < 0)
        return;
    for (int i = 0; i < m; i++) {
        if (at[i] < -n || at[i] >= n)
            return;                               /* a symbol; or an error that run will tell */
        at[i] = v[at[i] < 0 ? at[i] + n : at[i]];
    }
    hn_set_known(c, 0, at, m);
}

static hn_err infer_gather(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape;
    hn_shape s = { .rank = -1 };
    int axis;

    HN_TRY(check_index_type(c));
    if (x->rank >= 0)
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
    if (x->rank >= 0 && t->rank >= 0) {
        if (x->rank - 1 + t->rank > HN_RANK_MAX)
            return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
        s.rank = 0;
        for (int i = 0; i < x->rank; i++) {
            if (i != axis)
                s.dim[s.rank++] = x->dim[i];
            for (int j = 0; i == axis && j < t->rank; j++)
                s.dim[s.rank++] = t->dim[j];
        }
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    if (x->rank == 1 && (t->rank == 0 || t->rank == 1))
        pick_known(c);
    return HN_OK;
}

static hn_err run_gather(hn_call *c)
{
    const hn_tensor *x = c->in[0], *t = c->in[1];
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->shape.rank, &axis));
    size_t outer = hn_shape_product(&x->shape, 0, axis), inner = hn_shape_product(&x->shape, axis + 1, x->shape.rank);
    size_t dim = (size_t)x->shape.dim[axis], count = hn_count(t), at;

    for (size_t i = 0; i < count; i++) {
        int64_t index;
        hn_get_i64(t, i, 1, &index);
        HN_TRY(hn_index(c, index, (int64_t)dim, &at));
        for (size_t o = 0; o < outer; o++)
            hn_elems_copy(c->out[0], (o * count + i) * inner, x, (o * dim + at) * inner, inner);
    }
    return HN_OK;
}

/* ---- GatherElements -------------------------------------------------------------------- */

static hn_err infer_elements(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape;
    int axis;

    HN_TRY(check_index_type(c));
    if (x->rank >= 0)
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
    if (x->rank >= 0 && t->rank >= 0 && x->rank != t->rank)
        return hn_bad(c, "indices have rank %d, the data %d", t->rank, x->rank);
    for (int i = 0; x->rank >= 0 && i < t->rank; i++)
        if (i != axis && x->dim[i] >= 0 && t->dim[i] > x->dim[i])
            return hn_bad(c, "axis %d has %lld indices for %lld elements", i, (long long)t->dim[i],
                          (long long)x->dim[i]);
    hn_out(c, 0, c->in[0]->dtype, t);
    return HN_OK;
}

static hn_err run_elements(hn_call *c)
{
    const hn_tensor *x = c->in[0], *t = c->in[1];
    ptrdiff_t step[HN_RANK_MAX];
    hn_walk w;
    int axis;

    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->shape.rank, &axis));
    hn_steps(&x->shape, step);
    for (hn_walk_start(&w, &t->shape); w.left; hn_walk_step(&w)) {
        int64_t index;
        size_t from = 0, at;
        hn_get_i64(t, w.index, 1, &index);
        HN_TRY(hn_index(c, index, x->shape.dim[axis], &at));
        for (int d = 0; d < w.rank; d++)
            from += (d == axis ? at : w.at[d]) * (size_t)step[d];
        hn_elems_copy(c->out[0], w.index, x, from, 1);
    }
    return HN_OK;
}

/* ---- GatherND -------------------------------------------------------------------------- */

static hn_err batch_dims(hn_call *c, int *out)
{
    int64_t b = hn_attr_int(c->node, "batch_dims", 0);
    int q = c->in[1]->shape.rank, r = c->in[0]->shape.rank;
    if (b < 0 || b >= q || b >= r)
        return hn_bad(c, "batch_dims is %lld, the data has rank %d and the indices %d", (long long)b, r, q);
    *out = (int)b;
    return HN_OK;
}

static hn_err infer_nd(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape;
    hn_shape s = { .rank = -1 };
    int b;

    if (c->in[1]->dtype != HN_I64)
        return hn_bad(c, "indices are %s, expected i64", hn_dtype_name(c->in[1]->dtype));
    if (x->rank >= 0 && t->rank >= 0)
        HN_TRY(batch_dims(c, &b));
    if (x->rank >= 0 && t->rank >= 1 && !hn_is_symbol(t->dim[t->rank - 1])) {
        int64_t k = t->dim[t->rank - 1];
        if (k < 1 || k > x->rank - b)
            return hn_bad(c, "an index has %lld coordinates, expected 1 to %d", (long long)k, x->rank - b);
        if (t->rank - 1 + x->rank - b - (int)k > HN_RANK_MAX)
            return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
        for (int i = 0; i < b; i++)
            if (x->dim[i] != t->dim[i] && !hn_is_symbol(x->dim[i]) && !hn_is_symbol(t->dim[i]))
                return hn_bad(c, "batch axis %d is %lld in the data, %lld in the indices", i,
                              (long long)x->dim[i], (long long)t->dim[i]);
        s.rank = 0;
        for (int i = 0; i < t->rank - 1; i++)
            s.dim[s.rank++] = t->dim[i];
        for (int i = b + (int)k; i < x->rank; i++)
            s.dim[s.rank++] = x->dim[i];
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

static hn_err run_nd(hn_call *c)
{
    const hn_tensor *x = c->in[0], *t = c->in[1];
    int b, k = (int)t->shape.dim[t->shape.rank - 1];
    ptrdiff_t step[HN_RANK_MAX];

    HN_TRY(batch_dims(c, &b));
    hn_steps(&x->shape, step);
    size_t block = hn_shape_product(&x->shape, b + k, x->shape.rank);
    size_t batch = hn_shape_product(&x->shape, b, x->shape.rank);
    size_t picks = hn_shape_product(&t->shape, 0, t->shape.rank - 1);
    size_t per_batch = hn_shape_product(&t->shape, b, t->shape.rank - 1);

    for (size_t i = 0; i < picks; i++) {
        size_t from = i / per_batch * batch, at;
        for (int j = 0; j < k; j++) {
            int64_t index;
            hn_get_i64(t, i * (size_t)k + (size_t)j, 1, &index);
            HN_TRY(hn_index(c, index, x->shape.dim[b + j], &at));
            from += at * (size_t)step[b + j];
        }
        hn_elems_copy(c->out[0], i * block, x, from, block);
    }
    return HN_OK;
}

/* ---- ReverseSequence ------------------------------------------------------------------- */

static hn_err reverse_axes(hn_call *c, int *batch, int *time)
{
    int64_t b = hn_attr_int(c->node, "batch_axis", 1), t = hn_attr_int(c->node, "time_axis", 0);
    if (!((b == 0 && t == 1) || (b == 1 && t == 0)))
        return hn_bad(c, "batch_axis %lld and time_axis %lld: expected 0 and 1 in either order", (long long)b,
                      (long long)t);
    *batch = (int)b;
    *time = (int)t;
    return HN_OK;
}

static hn_err infer_reverse(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *lens = &c->in[1]->shape;
    int batch, time;

    HN_TRY(reverse_axes(c, &batch, &time));
    if (c->in[1]->dtype != HN_I64)
        return hn_bad(c, "lengths are %s, expected i64", hn_dtype_name(c->in[1]->dtype));
    if ((x->rank >= 0 && x->rank < 2) || (lens->rank >= 0 && lens->rank != 1))
        return hn_bad(c, "expected an input of rank 2 or more and a list of lengths");
    if (hn_shape_known(x) && hn_shape_known(lens) && x->dim[batch] != lens->dim[0])
        return hn_bad(c, "%lld lengths for a batch of %lld", (long long)lens->dim[0], (long long)x->dim[batch]);
    return hn_infer_same(c);
}

static hn_err run_reverse(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int batch, time;
    HN_TRY(reverse_axes(c, &batch, &time));
    size_t inner = hn_shape_product(&x->shape, 2, x->shape.rank);
    size_t batches = (size_t)x->shape.dim[batch], times = (size_t)x->shape.dim[time];
    size_t batch_step = batch ? inner : times * inner, time_step = batch ? batches * inner : inner;

    for (size_t b = 0; b < batches; b++) {
        int64_t len;
        hn_get_i64(c->in[1], b, 1, &len);
        if (len < 0 || len > x->shape.dim[time])
            return hn_bad(c, "sequence %zu has length %lld of %zu", b, (long long)len, times);
        for (size_t t = 0; t < times; t++) {
            size_t from = t < (size_t)len ? (size_t)len - 1 - t : t;
            hn_elems_copy(c->out[0], b * batch_step + t * time_step, x, b * batch_step + from * time_step, inner);
        }
    }
    return HN_OK;
}

static const hn_attr_spec axis_attr[] = { { "axis", HN_ATTR_INT, "0" }, { 0 } };
static const hn_attr_spec nd_attr[] = { { "batch_dims", HN_ATTR_INT, "0" }, { 0 } };
static const hn_attr_spec reverse_attr[] = {
    { "batch_axis", HN_ATTR_INT, "1" }, { "time_axis", HN_ATTR_INT, "0" }, { 0 }
};

#define GATHER(id, onnx, opset, attrs, infer_fn, run_fn)                                          \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 2, .max_in = 2,            \
        .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

GATHER(gather,           "Gather",          13, axis_attr,    infer_gather,   run_gather)
GATHER(gather_elements,  "GatherElements",  13, axis_attr,    infer_elements, run_elements)
GATHER(gather_nd,        "GatherND",        13, nd_attr,      infer_nd,       run_nd)
GATHER(reverse_sequence, "ReverseSequence", 28, reverse_attr, infer_reverse,  run_reverse)
