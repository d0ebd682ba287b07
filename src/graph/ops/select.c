/* SPDX-License-Identifier: Apache-2.0 */
/* select.c: what is taken depends on the data, and so does how much: Compress, NonZero, Unique. */
#include <stdlib.h>
#include <string.h>

#include "graph/strided.h"

/* The size of an output that only the data tells.  While a graph is inferred it is a fresh symbol; for one
 * call it is the most there can be, and run lowers it. */
static int64_t at_most(hn_call *c, int64_t most) { return c->graph || most < 0 ? hn_fresh_dim(c) : most; }

static int64_t count_or_symbol(const hn_shape *s)
{
    uint64_t n = hn_shape_known(s) ? hn_shape_count(s) : UINT64_MAX;
    return n <= INT64_MAX ? (int64_t)n : HN_SYMBOL;
}

/* ---- Compress -------------------------------------------------------------------------- */

static hn_err infer_compress(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *t = &c->in[1]->shape;
    hn_shape s = { .rank = 1 };
    int axis = 0;

    if (c->in[1]->dtype != HN_BOOL || (t->rank >= 0 && t->rank != 1))
        return hn_bad(c, "the condition must be a list of bool");
    int64_t most = t->rank == 1 && t->dim[0] >= 0 ? t->dim[0] : HN_SYMBOL, dim = count_or_symbol(x);
    if (hn_attr_find(c->node, "axis")) {
        s = *x;
        if (x->rank >= 0)
            HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
        dim = x->rank >= 0 ? x->dim[axis] : HN_SYMBOL;
    }
    if (most >= 0 && dim >= 0 && most > dim)
        return hn_bad(c, "the condition has %lld entries, the axis %lld", (long long)most, (long long)dim);
    if (s.rank >= 0)
        s.dim[axis] = at_most(c, most);
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

static hn_err run_compress(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    const uint8_t *take = c->in[1]->data;
    hn_tensor *y = c->out[0];
    hn_shape flat = { .rank = 1, .dim = { (int64_t)hn_count(x) } };
    const hn_shape *s = &flat;
    int axis = 0;

    if (hn_attr_find(c->node, "axis")) {
        s = &x->shape;
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), s->rank, &axis));
    }
    size_t outer = hn_shape_product(s, 0, axis), inner = hn_shape_product(s, axis + 1, s->rank);
    size_t dim = (size_t)s->dim[axis], entries = hn_count(c->in[1]), taken = 0, to = 0;
    for (size_t i = 0; i < entries; i++)
        taken += take[i] != 0;
    y->shape.dim[axis] = (int64_t)taken;
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < entries; i++)
            if (take[i])
                hn_elems_copy(y, to++ * inner, x, (o * dim + i) * inner, inner);
    return HN_OK;
}

/* ---- NonZero --------------------------------------------------------------------------- */

static hn_err infer_non_zero(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = 2 };
    s.dim[0] = x->rank >= 0 ? x->rank : hn_fresh_dim(c);
    s.dim[1] = at_most(c, count_or_symbol(x));
    hn_out(c, 0, HN_I64, &s);
    return HN_OK;
}

static bool is_zero(const hn_tensor *t, size_t i)
{
    double v;
    if (t->dtype == HN_STR)
        return ((const hn_text *)t->data)[i].len == 0;
    if (hn_dtype_class(t->dtype) == HN_CLASS_C) {
        double part[2];
        hn_tensor pair = { t->dtype == HN_C64 ? HN_F32 : HN_F64, { .rank = 0 }, t->data };
        hn_get_f64(&pair, 2 * i, 2, part);
        return part[0] == 0 && part[1] == 0;
    }
    hn_get_f64(t, i, 1, &v);
    return v == 0;
}

static hn_err run_non_zero(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int64_t *y = c->out[0]->data;
    size_t found = 0, at = 0;
    hn_walk w;

    for (hn_walk_start(&w, &x->shape); w.left; hn_walk_step(&w))
        found += !is_zero(x, w.index);
    c->out[0]->shape.dim[1] = (int64_t)found;
    for (hn_walk_start(&w, &x->shape); w.left; hn_walk_step(&w)) {
        if (is_zero(x, w.index))
            continue;
        for (int d = 0; d < w.rank; d++)
            y[(size_t)d * found + at] = (int64_t)w.at[d];
        at++;
    }
    return HN_OK;
}

/* ---- Unique ---------------------------------------------------------------------------- */

static hn_err infer_unique(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape y = { .rank = 1 }, all = { .rank = 1 };
    int axis = 0;

    int64_t dim = count_or_symbol(x);
    if (hn_attr_find(c->node, "axis")) {
        y = *x;
        if (x->rank >= 0)
            HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
        dim = x->rank >= 0 ? x->dim[axis] : hn_fresh_dim(c);
    } else if (dim < 0) {
        dim = hn_fresh_dim(c);
    }
    int64_t found = at_most(c, hn_is_symbol(dim) ? -1 : dim);
    all.dim[0] = dim;
    if (y.rank >= 0)
        y.dim[axis] = found;
    hn_shape list = { .rank = 1, .dim = { found } };
    hn_out(c, 0, c->in[0]->dtype, &y);
    hn_out(c, 1, HN_I64, &list);
    hn_out(c, 2, HN_I64, &all);
    hn_out(c, 3, HN_I64, &list);
    return HN_OK;
}

/* Slices of the input along an axis; without an axis a slice is one element. */
typedef struct slices {
    const hn_tensor *x;
    size_t outer, count, inner;
} slices;

static int compare_elems(const hn_tensor *x, size_t i, size_t j)
{
    if (x->dtype == HN_STR) {
        hn_text a = ((const hn_text *)x->data)[i], b = ((const hn_text *)x->data)[j];
        size_t n = a.len < b.len ? a.len : b.len;
        int d = n ? memcmp(a.ptr, b.ptr, n) : 0;
        return d ? d : (a.len > b.len) - (a.len < b.len);
    }
    if (hn_is_float(x->dtype)) {
        double a, b;
        hn_get_f64(x, i, 1, &a);
        hn_get_f64(x, j, 1, &b);
        if (a != a || b != b)                    /* NaN comes last, and all are one */
            return (a != a) - (b != b);
        return (a > b) - (a < b);
    }
    int64_t a, b;
    hn_get_i64(x, i, 1, &a);
    hn_get_i64(x, j, 1, &b);
    if (x->dtype == HN_U64)
        return ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b);
    return (a > b) - (a < b);
}

static int compare_slices(const slices *s, size_t i, size_t j)
{
    for (size_t o = 0; o < s->outer; o++)
        for (size_t k = 0; k < s->inner; k++) {
            int d = compare_elems(s->x, (o * s->count + i) * s->inner + k, (o * s->count + j) * s->inner + k);
            if (d)
                return d;
        }
    return 0;
}

/* Merge sort: stable, so equal slices stay in the order of the input and the first comes first. */
static void sort(const slices *s, size_t *order, size_t *spare)
{
    for (size_t width = 1; width < s->count; width *= 2) {
        for (size_t low = 0; low < s->count; low += 2 * width) {
            size_t middle = low + width < s->count ? low + width : s->count;
            size_t high = middle + width < s->count ? middle + width : s->count;
            size_t a = low, b = middle;
            for (size_t k = low; k < high; k++)
                spare[k] = b == high || (a < middle && compare_slices(s, order[a], order[b]) <= 0)
                         ? order[a++] : order[b++];
        }
        memcpy(order, spare, s->count * sizeof *order);
    }
}

static hn_err run_unique(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    slices s = { x, 1, hn_count(x), 1 };
    bool sorted = hn_attr_int(c->node, "sorted", 1) != 0;
    int axis = 0;

    if (hn_dtype_class(x->dtype) == HN_CLASS_C)
        return hn_unsupported(c, "complex numbers, which have no order");
    if (hn_attr_find(c->node, "axis")) {
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->shape.rank, &axis));
        s = (slices){ x, hn_shape_product(&x->shape, 0, axis), (size_t)x->shape.dim[axis],
                      hn_shape_product(&x->shape, axis + 1, x->shape.rank) };
    }
    /* first[u]: where unique slice u stands first; rank[i]: which unique slice input i is. */
    size_t *order = HN_SCRATCH(c, size_t, s.count), *spare = HN_SCRATCH(c, size_t, s.count);
    size_t *first = HN_SCRATCH(c, size_t, s.count), *rank = HN_SCRATCH(c, size_t, s.count);
    size_t *count = HN_SCRATCH(c, size_t, s.count), found = 0;
    if (!order || !spare || !first || !rank || !count)
        return hn_nomem(c->cx, "unique elements");

    for (size_t i = 0; i < s.count; i++)
        order[i] = i;
    sort(&s, order, spare);
    for (size_t i = 0; i < s.count; i++) {
        if (i == 0 || compare_slices(&s, order[i - 1], order[i]) != 0)
            first[found++] = order[i];
        rank[order[i]] = found - 1;
    }
    if (!sorted) {                               /* number them again as they turn up */
        size_t *number = spare, seen = 0;
        for (size_t i = 0; i < s.count; i++)
            if (first[rank[i]] == i)
                number[rank[i]] = seen++;
        for (size_t i = 0; i < s.count; i++)
            rank[i] = number[rank[i]];
        for (size_t i = s.count; i-- > 0;)
            first[rank[i]] = i;
    }
    for (size_t i = 0; i < s.count; i++)
        count[rank[i]]++;

    hn_tensor *y = c->out[0];
    if (y) {
        y->shape.dim[axis] = (int64_t)found;
        for (size_t o = 0; o < s.outer; o++)
            for (size_t u = 0; u < found; u++)
                hn_elems_copy(y, (o * found + u) * s.inner, x, (o * s.count + first[u]) * s.inner, s.inner);
    }
    const size_t *lists[] = { NULL, first, rank, count };
    for (int k = 1; k < 4; k++) {
        if (!hn_has_out(c, k))
            continue;
        size_t n = k == 2 ? s.count : found;
        c->out[k]->shape.dim[0] = (int64_t)n;
        for (size_t i = 0; i < n; i++)
            ((int64_t *)c->out[k]->data)[i] = (int64_t)lists[k][i];
    }
    return HN_OK;
}

static const hn_attr_spec compress_attr[] = { { "axis", HN_ATTR_INT, "none: the input is flattened" }, { 0 } };
static const hn_attr_spec unique_attr[] = {
    { "axis", HN_ATTR_INT, "none: the input is flattened" },
    { "sorted", HN_ATTR_INT, "1; 0: in the order of the input" }, { 0 }
};

const hn_op hn_op_compress = {
    .name = "Compress", .since = 28, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .flags = HN_OP_SHRINKS, .attr = compress_attr, .infer = infer_compress, .run = run_compress,
};

const hn_op hn_op_non_zero = {
    .name = "NonZero", .since = 13, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .flags = HN_OP_SHRINKS, .infer = infer_non_zero, .run = run_non_zero,
};

const hn_op hn_op_unique = {
    .name = "Unique", .since = 28, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 4,
    .flags = HN_OP_SHRINKS, .attr = unique_attr, .infer = infer_unique, .run = run_unique,
};
