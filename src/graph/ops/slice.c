/* SPDX-License-Identifier: Apache-2.0 */
/* slice.c: parts of a tensor: Slice, Split. */
#include "graph/strided.h"

/* One axis of a slice: `count` elements from `first` on, `step` apart.  count may be a symbol. */
typedef struct cut { int64_t first, step, count; } cut;

/* As in Python: negative counts from the end, and what lies outside is brought to the edge. */
static cut clamp(int64_t start, int64_t end, int64_t step, int64_t dim)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
    if (start < 0) start += dim;
    if (end < 0) end += dim;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    if (step > 0)
        return (cut){ start, step, end > start ? 1 + (end - start - 1) / step : 0 };
    return (cut){ start, step, start > end ? 1 + (start - end - 1) / -step : 0 };
}

/* A slice of an axis whose bounds or size are only partly known. */
static cut vague(hn_call *c, int64_t start, int64_t end, int64_t step, int64_t dim)
{
    bool to_end = end == dim || (!hn_is_symbol(end) && end >= INT32_MAX);
    if (step == 1 && start == 0 && to_end)
        return (cut){ 0, 1, dim };
    if (step == 1 && start == 0 && hn_is_symbol(dim) && !hn_is_symbol(end) && end == 0)
        return (cut){ 0, 1, 0 };
    return (cut){ 0, step, hn_fresh_dim(c) };
}

/* What is taken of each axis of input 0.  *sure is false when starts, ends, axes or steps are not known
 * so that only the rank can be told. */
static hn_err find_cuts(hn_call *c, cut cuts[HN_RANK_MAX], bool *sure)
{
    const hn_shape *x = &c->in[0]->shape;
    int64_t start[HN_RANK_MAX], end[HN_RANK_MAX], axes[HN_RANK_MAX], step[HN_RANK_MAX];
    bool cut_already[HN_RANK_MAX] = { false };

    for (int i = 0; i < x->rank; i++)
        cuts[i] = (cut){ 0, 1, x->dim[i] };
    for (int i = 1; i < c->in_count; i++)
        if (c->in[i] && c->in[i]->data && hn_count(c->in[i]) > (size_t)x->rank)
            return hn_bad(c, "input %d lists %zu axes, the input has rank %d", i, hn_count(c->in[i]), x->rank);
    int n = hn_known(c, 1, start, HN_RANK_MAX), m = hn_known(c, 2, end, HN_RANK_MAX);
    int na = hn_has_in(c, 3) ? hn_known(c, 3, axes, HN_RANK_MAX) : n;
    int ns = hn_has_in(c, 4) ? hn_known(c, 4, step, HN_RANK_MAX) : n;
    *sure = n >= 0 && m >= 0 && na >= 0 && ns >= 0;
    if (!*sure)
        return HN_OK;
    if (n != m || n != na || n != ns || n > x->rank)
        return hn_bad(c, "%d starts, %d ends, %d axes and %d steps for rank %d do not fit together", n, m, na,
                      ns, x->rank);
    for (int i = 0; i < n; i++) {
        int64_t by = hn_has_in(c, 4) ? step[i] : 1;
        int axis;
        HN_TRY(hn_axis(c, hn_has_in(c, 3) ? axes[i] : i, x->rank, &axis));
        if (cut_already[axis])
            return hn_bad(c, "axis %d is sliced twice", axis);
        cut_already[axis] = true;
        if (by == 0)
            return hn_bad(c, "the step of axis %d is 0", axis);
        bool known = !hn_is_symbol(start[i]) && !hn_is_symbol(end[i]) && !hn_is_symbol(by) &&
                     !hn_is_symbol(x->dim[axis]);
        cuts[axis] = known ? clamp(start[i], end[i], by, x->dim[axis])
                           : vague(c, start[i], end[i], by, x->dim[axis]);
    }
    return HN_OK;
}

static hn_err infer_slice(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = x->rank };
    cut cuts[HN_RANK_MAX];
    bool sure;
    int64_t v[HN_KNOWN_MAX], part[HN_KNOWN_MAX];

    for (int i = 1; i < c->in_count; i++)
        if (c->in[i] && c->in[i]->dtype != HN_I64 && c->in[i]->dtype != HN_I32)
            return hn_bad(c, "input %d is %s, expected i32 or i64", i, hn_dtype_name(c->in[i]->dtype));
    if (x->rank >= 0) {
        HN_TRY(find_cuts(c, cuts, &sure));
        for (int i = 0; i < x->rank; i++)
            s.dim[i] = sure ? cuts[i].count : hn_fresh_dim(c);
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    if (x->rank == 1 && hn_shape_known(&s) && s.dim[0] <= HN_KNOWN_MAX && hn_known(c, 0, v, HN_KNOWN_MAX) >= 0) {
        for (int64_t i = 0; i < s.dim[0]; i++)
            part[i] = v[cuts[0].first + i * cuts[0].step];
        hn_set_known(c, 0, part, (int)s.dim[0]);
    }
    return HN_OK;
}

static hn_err run_slice(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    cut cuts[HN_RANK_MAX];
    bool sure;
    ptrdiff_t from[HN_RANK_MAX], to[HN_RANK_MAX];
    hn_box b = { 0 };

    HN_TRY(find_cuts(c, cuts, &sure));
    if (hn_count(c->out[0]) == 0)
        return HN_OK;
    hn_steps(&x->shape, from);
    hn_steps(&c->out[0]->shape, to);
    for (int i = 0; i < x->shape.rank; i++) {
        b.from_first += (size_t)(cuts[i].first * from[i]);
        /* A single element needs no step, and a huge one could overflow. */
        hn_box_add(&b, cuts[i].count, to[i], cuts[i].count == 1 ? 0 : from[i] * (ptrdiff_t)cuts[i].step);
    }
    hn_box_move(&b, c->out[0], x);
    return HN_OK;
}

/* ---- Split ----------------------------------------------------------------------------- */

/* Size of part i: from input 1, or the axis in equal parts of which the last may be smaller. */
static hn_err part_size(hn_call *c, int i, int64_t dim, int64_t *out)
{
    int64_t parts = hn_attr_int(c->node, "num_outputs", c->out_count);
    if (hn_has_in(c, 1)) {
        bool known = c->in_known && c->in_known_count[1] > i;
        if (c->in[1]->data)
            hn_get_i64(c->in[1], (size_t)i, 1, out);
        else
            *out = known ? c->in_known[1][i] : hn_fresh_dim(c);
        if (*out < 0 && (c->in[1]->data || !hn_is_symbol(*out)))
            return hn_bad(c, "part %d is to have %lld elements", i, (long long)*out);
        return HN_OK;
    }
    if (hn_is_symbol(dim)) {
        *out = parts == 1 ? dim : hn_fresh_dim(c);
        return HN_OK;
    }
    int64_t each = dim / parts + (dim % parts != 0), left = dim - each * i;
    *out = left < 0 ? 0 : left < each ? left : each;
    return HN_OK;
}

static hn_err check_split(hn_call *c, int64_t dim)
{
    int64_t parts = hn_attr_int(c->node, "num_outputs", c->out_count), sum = 0, size = 0;
    if (hn_has_in(c, 1)) {
        if (hn_attr_find(c->node, "num_outputs"))
            return hn_bad(c, "has both sizes of parts and num_outputs, expected one of them");
        if (c->in[1]->dtype != HN_I64)
            return hn_bad(c, "the sizes of parts are %s, expected i64", hn_dtype_name(c->in[1]->dtype));
        if (hn_shape_known(&c->in[1]->shape) && hn_count(c->in[1]) != (size_t)c->out_count)
            return hn_bad(c, "%zu sizes for %d outputs", hn_count(c->in[1]), c->out_count);
    } else if (parts != c->out_count) {
        return hn_bad(c, "num_outputs is %lld, the node has %d", (long long)parts, c->out_count);
    }
    for (int i = 0; i < c->out_count && !hn_is_symbol(sum); i++) {
        HN_TRY(part_size(c, i, dim, &size));
        if (hn_is_symbol(size) || __builtin_add_overflow(sum, size, &sum))
            sum = HN_SYMBOL;
    }
    if (!hn_is_symbol(sum) && !hn_is_symbol(dim) && sum != dim)
        return hn_bad(c, "the parts have %lld elements, the axis has %lld", (long long)sum, (long long)dim);
    return HN_OK;
}

static hn_err infer_split(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int axis = 0;
    int64_t v[HN_KNOWN_MAX], at = 0;
    hn_shape s = *x;

    if (x->rank >= 0) {
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
        HN_TRY(check_split(c, x->dim[axis]));
    }
    int known = x->rank == 1 ? hn_known(c, 0, v, HN_KNOWN_MAX) : -1;
    for (int i = 0; i < c->out_count; i++) {
        if (x->rank >= 0)
            HN_TRY(part_size(c, i, x->dim[axis], &s.dim[axis]));
        hn_out(c, i, c->in[0]->dtype, &s);
        if (known < 0 || hn_is_symbol(s.dim[0]) || s.dim[0] > known - at)
            known = -1;
        else
            hn_set_known(c, i, v + at, (int)s.dim[0]);
        at += known < 0 ? 0 : s.dim[0];
    }
    return HN_OK;
}

static hn_err run_split(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->shape.rank, &axis));
    size_t outer = hn_shape_product(&x->shape, 0, axis), row = hn_shape_product(&x->shape, axis, x->shape.rank);
    size_t inner = hn_shape_product(&x->shape, axis + 1, x->shape.rank), at = 0;
    for (int i = 0; i < c->out_count; i++) {
        int64_t size;
        HN_TRY(part_size(c, i, x->shape.dim[axis], &size));
        size_t part = (size_t)size * inner;
        for (size_t o = 0; o < outer && c->out[i]; o++)
            hn_elems_copy(c->out[i], o * part, x, o * row + at, part);
        at += part;
    }
    return HN_OK;
}

static const hn_attr_spec split_attr[] = {
    { "axis", HN_ATTR_INT, "0" }, { "num_outputs", HN_ATTR_INT, "the last part may be smaller" }, { 0 }
};

const hn_op hn_op_slice = {
    .name = "Slice", .since = 13, .min_in = 3, .max_in = 5, .min_out = 1, .max_out = 1,
    .infer = infer_slice, .run = run_slice,
};

const hn_op hn_op_split = {
    .name = "Split", .since = 18, .min_in = 1, .max_in = 2, .min_out = 1, .max_out = -1,
    .attr = split_attr, .infer = infer_split, .run = run_split,
};
