/* SPDX-License-Identifier: Apache-2.0 */
/* scatter.c: a copy of a tensor with some elements replaced or combined: Scatter, ScatterElements,
 * ScatterND, TensorScatter. */
#include <math.h>

#include "graph/strided.h"

typedef enum reduction { NONE, ADD, MUL, MAX, MIN } reduction;

static hn_err find_reduction(hn_call *c, reduction *out)
{
    static const char *const names[] = { "none", "add", "mul", "max", "min" };
    int class = hn_dtype_class(c->in[0]->dtype);
    for (int i = 0; i < 5; i++)
        if (hn_attr_is(c->node, "reduction", names[i], "none")) {
            if (i != NONE && (class == HN_CLASS_S || class == HN_CLASS_C))
                return hn_unsupported(c, "reduction '%s' on %s", names[i], hn_dtype_name(c->in[0]->dtype));
            *out = (reduction)i;
            return HN_OK;
        }
    return hn_bad(c, "reduction is none of none, add, mul, max and min");
}

/* NaN wins over any number, as in numpy. */
static double combine_f(reduction r, double a, double b)
{
    switch (r) {
    case ADD: return a + b;
    case MUL: return a * b;
    case MAX: return isnan(a) || a > b ? a : b;
    case MIN: return isnan(a) || a < b ? a : b;
    default:  return b;
    }
}

static int64_t combine_i(reduction r, int64_t a, int64_t b, bool is_unsigned)
{
    bool less = is_unsigned ? (uint64_t)a < (uint64_t)b : a < b;
    switch (r) {
    case ADD: return (int64_t)((uint64_t)a + (uint64_t)b);
    case MUL: return (int64_t)((uint64_t)a * (uint64_t)b);
    case MAX: return less ? b : a;
    case MIN: return less ? a : b;
    default:  return b;
    }
}

/* y[at...] = r(y[at...], u[from...]) for a run of elements. */
static void apply(reduction r, hn_tensor *y, size_t at, const hn_tensor *u, size_t from, size_t count)
{
    if (r == NONE) {
        hn_elems_copy(y, at, u, from, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (hn_is_float(y->dtype)) {
            double a, b;
            hn_get_f64(y, at + i, 1, &a);
            hn_get_f64(u, from + i, 1, &b);
            a = combine_f(r, a, b);
            hn_put_f64(y, at + i, 1, &a);
        } else {
            int64_t a, b;
            hn_get_i64(y, at + i, 1, &a);
            hn_get_i64(u, from + i, 1, &b);
            a = combine_i(r, a, b, y->dtype == HN_U64);
            hn_put_i64(y, at + i, 1, &a);
        }
    }
}

static hn_err check_types(hn_call *c)
{
    hn_dtype t = c->in[1]->dtype;
    if (t != HN_I64 && t != HN_I32)
        return hn_bad(c, "indices are %s, expected i32 or i64", hn_dtype_name(t));
    if (c->in[2]->dtype != c->in[0]->dtype)
        return hn_bad(c, "updates are %s, the data %s", hn_dtype_name(c->in[2]->dtype),
                      hn_dtype_name(c->in[0]->dtype));
    return HN_OK;
}

static bool differ(int64_t a, int64_t b) { return a != b && !hn_is_symbol(a) && !hn_is_symbol(b); }

/* ---- ScatterElements ------------------------------------------------------------------- */

static hn_err infer_elements(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape, *u = &c->in[2]->shape;
    reduction r;
    int axis;

    HN_TRY(check_types(c));
    HN_TRY(find_reduction(c, &r));
    if (x->rank >= 0)
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
    if (x->rank >= 0 && t->rank >= 0 && u->rank >= 0) {
        if (x->rank != t->rank || x->rank != u->rank)
            return hn_bad(c, "data, indices and updates have ranks %d, %d and %d", x->rank, t->rank, u->rank);
        for (int i = 0; i < x->rank; i++) {
            if (differ(t->dim[i], u->dim[i]))
                return hn_bad(c, "axis %d has %lld indices and %lld updates", i, (long long)t->dim[i],
                              (long long)u->dim[i]);
            if (i != axis && x->dim[i] >= 0 && t->dim[i] > x->dim[i])
                return hn_bad(c, "axis %d has %lld indices for %lld elements", i, (long long)t->dim[i],
                              (long long)x->dim[i]);
        }
    }
    return hn_infer_same(c);
}

static hn_err run_elements(hn_call *c)
{
    const hn_tensor *x = c->in[0], *t = c->in[1];
    ptrdiff_t step[HN_RANK_MAX];
    reduction r;
    hn_walk w;
    int axis;

    HN_TRY(find_reduction(c, &r));
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->shape.rank, &axis));
    hn_steps(&x->shape, step);
    hn_elems_copy(c->out[0], 0, x, 0, hn_count(x));
    for (hn_walk_start(&w, &t->shape); w.left; hn_walk_step(&w)) {
        int64_t index;
        size_t to = 0, at;
        hn_get_i64(t, w.index, 1, &index);
        HN_TRY(hn_index(c, index, x->shape.dim[axis], &at));
        for (int d = 0; d < w.rank; d++)
            to += (d == axis ? at : w.at[d]) * (size_t)step[d];
        apply(r, c->out[0], to, c->in[2], w.index, 1);
    }
    return HN_OK;
}

/* ---- ScatterND ------------------------------------------------------------------------- */

/* updates have the shape indices[:-1] + data[k:], k being the coordinates of an index. */
static hn_err infer_nd(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape, *u = &c->in[2]->shape;
    reduction r;

    HN_TRY(check_types(c));
    HN_TRY(find_reduction(c, &r));
    if (x->rank == 0 || t->rank == 0)
        return hn_bad(c, "data and indices need a rank of at least 1");
    if (x->rank > 0 && t->rank > 0 && !hn_is_symbol(t->dim[t->rank - 1])) {
        int64_t k = t->dim[t->rank - 1];
        if (k > x->rank)
            return hn_bad(c, "an index has %lld coordinates, the data rank %d", (long long)k, x->rank);
        int lead = t->rank - 1, rank = lead + x->rank - (int)k;
        if (u->rank >= 0 && u->rank != rank)
            return hn_bad(c, "updates have rank %d, expected %d", u->rank, rank);
        for (int i = 0; i < u->rank; i++) {
            int64_t expected = i < lead ? t->dim[i] : x->dim[i - lead + (int)k];
            if (differ(u->dim[i], expected))
                return hn_bad(c, "axis %d of the updates is %lld, expected %lld", i, (long long)u->dim[i],
                              (long long)expected);
        }
    }
    return hn_infer_same(c);
}

static hn_err run_nd(hn_call *c)
{
    const hn_tensor *x = c->in[0], *t = c->in[1];
    int k = (int)t->shape.dim[t->shape.rank - 1];
    size_t block = hn_shape_product(&x->shape, k, x->shape.rank);
    size_t updates = hn_shape_product(&t->shape, 0, t->shape.rank - 1);
    ptrdiff_t step[HN_RANK_MAX];
    reduction r;

    HN_TRY(find_reduction(c, &r));
    hn_steps(&x->shape, step);
    hn_elems_copy(c->out[0], 0, x, 0, hn_count(x));
    for (size_t i = 0; i < updates; i++) {
        size_t to = 0, at;
        for (int j = 0; j < k; j++) {
            int64_t index;
            hn_get_i64(t, i * (size_t)k + (size_t)j, 1, &index);
            HN_TRY(hn_index(c, index, x->shape.dim[j], &at));
            to += at * (size_t)step[j];
        }
        apply(r, c->out[0], to, c->in[2], i * block, block);
    }
    return HN_OK;
}

/* ---- TensorScatter: new keys or values into a cache ------------------------------------ */

static hn_err cache_axis(hn_call *c, bool *circular, int *axis)
{
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -2), c->in[0]->shape.rank, axis));
    if (*axis == 0)
        return hn_bad(c, "the axis is 0, which is the batch");
    *circular = hn_attr_is(c->node, "mode", "circular", "linear");
    if (!*circular && !hn_attr_is(c->node, "mode", "linear", "linear"))
        return hn_bad(c, "mode is neither linear nor circular");
    return HN_OK;
}

static hn_err infer_cache(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *u = &c->in[1]->shape;
    bool circular;
    int axis;

    if (c->in[1]->dtype != c->in[0]->dtype)
        return hn_bad(c, "the update is %s, the cache %s", hn_dtype_name(c->in[1]->dtype),
                      hn_dtype_name(c->in[0]->dtype));
    if (hn_has_in(c, 2) && c->in[2]->dtype != HN_I64)
        return hn_bad(c, "write indices are %s, expected i64", hn_dtype_name(c->in[2]->dtype));
    if (x->rank >= 0 && u->rank >= 0) {
        HN_TRY(cache_axis(c, &circular, &axis));
        if (x->rank != u->rank)
            return hn_bad(c, "the update has rank %d, the cache %d", u->rank, x->rank);
        for (int i = 0; i < x->rank; i++)
            if (i == axis ? x->dim[i] >= 0 && u->dim[i] > x->dim[i] : differ(x->dim[i], u->dim[i]))
                return hn_bad(c, "axis %d is %lld in the update, %lld in the cache", i, (long long)u->dim[i],
                              (long long)x->dim[i]);
        if (hn_has_in(c, 2) && hn_shape_known(&c->in[2]->shape) && x->dim[0] >= 0 &&
            (c->in[2]->shape.rank != 1 || c->in[2]->shape.dim[0] != x->dim[0]))
            return hn_bad(c, "expected one write index for each of %lld samples", (long long)x->dim[0]);
    }
    return hn_infer_same(c);
}

static hn_err run_cache(hn_call *c)
{
    const hn_tensor *x = c->in[0], *u = c->in[1];
    bool circular;
    int axis;

    HN_TRY(cache_axis(c, &circular, &axis));
    size_t inner = hn_shape_product(&x->shape, axis + 1, x->shape.rank);
    size_t middle = hn_shape_product(&x->shape, 1, axis), batches = (size_t)x->shape.dim[0];
    int64_t cap = x->shape.dim[axis], len = u->shape.dim[axis];

    hn_elems_copy(c->out[0], 0, x, 0, hn_count(x));
    if (hn_count(u) == 0)
        return HN_OK;
    for (size_t b = 0; b < batches; b++) {
        int64_t first = 0;
        if (hn_has_in(c, 2))
            hn_get_i64(c->in[2], b, 1, &first);
        if (first < 0 || (!circular && first > cap - len))
            return hn_bad(c, "sample %zu: %lld entries at %lld do not fit a cache of %lld", b, (long long)len,
                          (long long)first, (long long)cap);
        for (size_t m = b * middle; m < (b + 1) * middle; m++)
            for (int64_t s = 0; s < len; s++)
                hn_elems_copy(c->out[0], (m * (size_t)cap + (size_t)((first % cap + s) % cap)) * inner, u,
                              (m * (size_t)len + (size_t)s) * inner, inner);
    }
    return HN_OK;
}

static const hn_attr_spec elements_attr[] = {
    { "axis", HN_ATTR_INT, "0" }, { "reduction", HN_ATTR_TEXT, "none, add, mul, max or min" }, { 0 }
};
static const hn_attr_spec nd_attr[] = { { "reduction", HN_ATTR_TEXT, "none, add, mul, max or min" }, { 0 } };
static const hn_attr_spec cache_attr[] = {
    { "axis", HN_ATTR_INT, "-2" }, { "mode", HN_ATTR_TEXT, "linear or circular" }, { 0 }
};

#define SCATTER(id, onnx, opset, ins_min, attrs, infer_fn, run_fn)                                \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins_min, .max_in = 3,      \
        .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

SCATTER(scatter,          "Scatter",         11, 3, elements_attr, infer_elements, run_elements)
SCATTER(scatter_elements, "ScatterElements", 18, 3, elements_attr, infer_elements, run_elements)
SCATTER(scatter_nd,       "ScatterND",       18, 3, nd_attr,       infer_nd,       run_nd)
SCATTER(tensor_scatter,   "TensorScatter",   24, 2, cache_attr,    infer_cache,    run_cache)
