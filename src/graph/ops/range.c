/* SPDX-License-Identifier: Apache-2.0 */
/* range.c: tensors made from a few numbers: Range, ConstantOfShape, EyeLike, OneHot, Trilu. */
#include <math.h>

#include "graph/strided.h"

/* ---- Range ----------------------------------------------------------------------------- */

static int64_t steps_between(int64_t start, int64_t limit, int64_t delta)
{
    if (delta > 0 ? limit <= start : limit >= start)
        return 0;
    uint64_t way = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t by = delta > 0 ? (uint64_t)delta : -(uint64_t)delta;
    uint64_t n = way / by + (way % by != 0);
    return n > INT64_MAX ? INT64_MAX : (int64_t)n;
}

static hn_err float_count(hn_call *c, int64_t *out)
{
    double v[3];
    for (int i = 0; i < 3; i++)
        hn_get_f64(c->in[i], 0, 1, &v[i]);
    double n = ceil((v[1] - v[0]) / v[2]);
    if (v[2] == 0)
        return hn_bad(c, "the step is 0");
    if (!isfinite(n) || n >= 0x1p62)
        return hn_bad(c, "from %g to %g by %g has no end", v[0], v[1], v[2]);
    *out = n > 0 ? (int64_t)n : 0;
    return HN_OK;
}

static hn_err infer_range(hn_call *c)
{
    hn_dtype t = c->in[0]->dtype;
    hn_shape s = { .rank = 1, .dim = { 0 } };
    int64_t v[3], list[HN_KNOWN_MAX];
    bool sure = true, have_data = true;

    for (int i = 0; i < 3; i++) {
        const hn_tensor *x = c->in[i];
        if (x->dtype != t || (hn_dtype_class(t) != HN_CLASS_I && !hn_is_float(t)))
            return hn_bad(c, "input %d is %s, expected one numeric type for all", i, hn_dtype_name(x->dtype));
        if (hn_shape_known(&x->shape) && hn_count(x) != 1)
            return hn_bad(c, "input %d has %zu elements, expected 1", i, hn_count(x));
        have_data = have_data && x->data;
        sure = sure && hn_known(c, i, &v[i], 1) == 1;
    }
    if (hn_is_float(t) && have_data) {
        HN_TRY(float_count(c, &s.dim[0]));
    } else if (hn_is_float(t) || !sure || hn_is_symbol(v[2])) {
        s.dim[0] = hn_fresh_dim(c);
    } else if (v[2] == 0) {
        return hn_bad(c, "the step is 0");
    } else if (hn_is_symbol(v[0]) || hn_is_symbol(v[1])) {
        bool whole = v[0] == 0 && v[2] == 1;         /* range(n) has n elements, whatever n is */
        s.dim[0] = whole ? v[1] : hn_fresh_dim(c);
    } else {
        s.dim[0] = steps_between(v[0], v[1], v[2]);
        for (int64_t i = 0; i < s.dim[0] && s.dim[0] <= HN_KNOWN_MAX; i++)
            list[i] = (int64_t)((uint64_t)v[0] + (uint64_t)i * (uint64_t)v[2]);
        if (s.dim[0] <= HN_KNOWN_MAX)
            hn_set_known(c, 0, list, (int)s.dim[0]);
    }
    hn_out(c, 0, t, &s);
    return HN_OK;
}

/* Each element from the start, not from its neighbour: errors do not add up. */
static hn_err run_range(hn_call *c)
{
    size_t count = hn_count(c->out[0]);
    if (hn_is_float(c->in[0]->dtype)) {
        double start, delta;
        hn_get_f64(c->in[0], 0, 1, &start);
        hn_get_f64(c->in[2], 0, 1, &delta);
        for (size_t i = 0; i < count; i++) {
            double v = start + (double)i * delta;
            hn_put_f64(c->out[0], i, 1, &v);
        }
    } else {
        int64_t start, delta;
        hn_get_i64(c->in[0], 0, 1, &start);
        hn_get_i64(c->in[2], 0, 1, &delta);
        for (size_t i = 0; i < count; i++) {
            int64_t v = (int64_t)((uint64_t)start + i * (uint64_t)delta);
            hn_put_i64(c->out[0], i, 1, &v);
        }
    }
    return HN_OK;
}

/* ---- ConstantOfShape ------------------------------------------------------------------- */

static hn_err fill_value(hn_call *c, hn_tensor *out)
{
    static const float zero;
    const hn_attr *a = hn_attr_find(c->node, "value");
    *out = a && a->kind == HN_ATTR_TENSOR ? a->tensor
                                          : (hn_tensor){ HN_F32, { .rank = 0 }, (void *)&zero };
    if (!hn_shape_known(&out->shape) || hn_count(out) != 1)
        return hn_bad(c, "the value must have one element");
    return HN_OK;
}

static hn_err infer_filled(hn_call *c)
{
    const hn_shape *t = &c->in[0]->shape;
    hn_shape s = { .rank = -1 };
    hn_tensor value;
    int64_t v[HN_KNOWN_MAX];

    HN_TRY(fill_value(c, &value));
    if (c->in[0]->dtype != HN_I64 || t->rank > 1)
        return hn_bad(c, "the shape must be a list of i64");
    if (t->rank == 1 && !hn_is_symbol(t->dim[0]) && t->dim[0] > HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    int n = hn_known(c, 0, s.dim, HN_RANK_MAX);
    if (n >= 0) {
        s.rank = n;
    } else if (t->rank == 1 && !hn_is_symbol(t->dim[0])) {
        s.rank = (int)t->dim[0];
        for (int i = 0; i < s.rank; i++)
            s.dim[i] = hn_fresh_dim(c);
    }
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] < 0 && !hn_is_symbol(s.dim[i]))
            return hn_bad(c, "dimension %d is %lld", i, (long long)s.dim[i]);
    hn_out(c, 0, value.dtype, &s);

    int class = hn_dtype_class(value.dtype);
    if (s.rank >= 0 && s.rank <= 1 && hn_shape_known(&s) && hn_shape_count(&s) <= HN_KNOWN_MAX &&
        (class == HN_CLASS_I || class == HN_CLASS_U)) {
        int count = (int)hn_shape_count(&s);
        hn_get_i64(&value, 0, 1, v);
        for (int i = 1; i < count; i++)
            v[i] = v[0];
        hn_set_known(c, 0, v, count);
    }
    return HN_OK;
}

static hn_err run_filled(hn_call *c)
{
    hn_tensor value;
    HN_TRY(fill_value(c, &value));
    if (hn_count(c->out[0]))
        hn_elems_fill(c->out[0], 0, hn_count(c->out[0]), &value, 0);
    return HN_OK;
}

/* ---- EyeLike --------------------------------------------------------------------------- */

static hn_err infer_eye(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int64_t code = hn_attr_int(c->node, "dtype", hn_dtype_to_onnx(c->in[0]->dtype));
    hn_dtype t = hn_dtype_from_onnx(code);
    int class = hn_dtype_class(t);

    if (class == HN_CLASS_NONE || class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_bad(c, "type %lld cannot hold 0 and 1", (long long)code);
    if (x->rank >= 0 && x->rank != 2)
        return hn_bad(c, "input has rank %d, expected 2", x->rank);
    hn_out(c, 0, t, x);
    return HN_OK;
}

static hn_err run_eye(hn_call *c)
{
    hn_tensor *y = c->out[0];
    int64_t k = hn_attr_int(c->node, "k", 0), rows = y->shape.dim[0], columns = y->shape.dim[1], one = 1;
    hn_elems_zero(y);
    if (k <= -rows || k >= columns)                  /* the diagonal lies outside */
        return HN_OK;
    for (int64_t i = k < 0 ? -k : 0; i < rows && i + k < columns; i++)
        hn_put_i64(y, (size_t)(i * columns + i + k), 1, &one);
    return HN_OK;
}

/* ---- OneHot ---------------------------------------------------------------------------- */

static hn_err infer_one_hot(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = -1 };
    int64_t depth;
    int axis;

    for (int i = 0; i < 2; i++) {
        int class = hn_dtype_class(c->in[i]->dtype);
        if (class == HN_CLASS_S || class == HN_CLASS_C)
            return hn_bad(c, "input %d is %s, expected numbers", i, hn_dtype_name(c->in[i]->dtype));
    }
    if (hn_shape_known(&c->in[1]->shape) && hn_count(c->in[1]) != 1)
        return hn_bad(c, "the depth has %zu elements, expected 1", hn_count(c->in[1]));
    if (hn_shape_known(&c->in[2]->shape) && hn_count(c->in[2]) != 2)
        return hn_bad(c, "there are %zu values, expected [off, on]", hn_count(c->in[2]));
    if (c->in[1]->data && hn_is_float(c->in[1]->dtype))        /* any number type will do */
        hn_get_i64(c->in[1], 0, 1, &depth);
    else if (hn_known(c, 1, &depth, 1) != 1)
        depth = hn_fresh_dim(c);
    if (depth < 1 && !hn_is_symbol(depth))
        return hn_bad(c, "the depth is %lld, expected at least 1", (long long)depth);
    if (x->rank >= 0) {
        if (x->rank == HN_RANK_MAX)
            return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), x->rank + 1, &axis));
        s.rank = x->rank + 1;
        for (int i = 0, from = 0; i < s.rank; i++)
            s.dim[i] = i == axis ? depth : x->dim[from++];
    }
    hn_out(c, 0, c->in[2]->dtype, &s);
    return HN_OK;
}

static hn_err run_one_hot(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), x->shape.rank + 1, &axis));
    size_t inner = hn_shape_product(&x->shape, axis, x->shape.rank), count = hn_count(x);
    size_t depth = (size_t)c->out[0]->shape.dim[axis];

    if (count)
        hn_elems_fill(c->out[0], 0, count * depth, c->in[2], 0);
    for (size_t i = 0; i < count; i++) {
        int64_t at;
        hn_get_i64(x, i, 1, &at);
        if (x->dtype == HN_U64 && at < 0)
            continue;                                /* far above any depth */
        if (at < 0)
            at += (int64_t)depth;
        if (at >= 0 && (size_t)at < depth)
            hn_elems_fill(c->out[0], (i / inner * depth + (size_t)at) * inner + i % inner, 1, c->in[2], 1);
    }
    return HN_OK;
}

/* ---- Trilu ----------------------------------------------------------------------------- */

static hn_err infer_trilu(hn_call *c)
{
    if (c->in[0]->shape.rank >= 0 && c->in[0]->shape.rank < 2)
        return hn_bad(c, "input has rank %d, expected 2 or more", c->in[0]->shape.rank);
    if (hn_has_in(c, 1) && (c->in[1]->dtype != HN_I64 ||
                            (hn_shape_known(&c->in[1]->shape) && hn_count(c->in[1]) != 1)))
        return hn_bad(c, "k must be one i64");
    return hn_infer_same(c);
}

static hn_err run_trilu(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int64_t rows = x->shape.dim[x->shape.rank - 2], columns = x->shape.dim[x->shape.rank - 1], k = 0;
    bool upper = hn_attr_int(c->node, "upper", 1) != 0;
    size_t matrices = hn_shape_product(&x->shape, 0, x->shape.rank - 2);

    if (hn_has_in(c, 1))
        hn_get_i64(c->in[1], 0, 1, &k);
    k = k < -rows ? -rows : k > columns ? columns : k;
    hn_elems_zero(c->out[0]);
    for (size_t m = 0; m < matrices * (size_t)rows; m++) {
        int64_t row = (int64_t)(m % (size_t)rows);
        int64_t from = upper ? row + k : 0, to = upper ? columns : row + k + 1;
        from = from < 0 ? 0 : from;
        to = to > columns ? columns : to;
        if (from < to)
            hn_elems_copy(c->out[0], m * (size_t)columns + (size_t)from, x, m * (size_t)columns + (size_t)from,
                          (size_t)(to - from));
    }
    return HN_OK;
}

static const hn_attr_spec range_attr[] = {
    { "stash_type", HN_ATTR_INT, "precision to count in; always the widest here" }, { 0 }
};
static const hn_attr_spec filled_attr[] = { { "value", HN_ATTR_TENSOR, "one element; 0 as f32" }, { 0 } };
static const hn_attr_spec eye_attr[] = {
    { "dtype", HN_ATTR_INT, "the input's" }, { "k", HN_ATTR_INT, "0: the main diagonal" }, { 0 }
};
static const hn_attr_spec one_hot_attr[] = { { "axis", HN_ATTR_INT, "-1" }, { 0 } };
static const hn_attr_spec trilu_attr[] = { { "upper", HN_ATTR_INT, "1" }, { 0 } };

#define MAKE(id, onnx, opset, ins_min, ins_max, attrs, infer_fn, run_fn)                                \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins_min, .max_in = ins_max,      \
        .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

MAKE(range,             "Range",           27, 3, 3, range_attr,   infer_range,   run_range)
MAKE(constant_of_shape, "ConstantOfShape", 25, 1, 1, filled_attr,  infer_filled,  run_filled)
MAKE(eye_like,          "EyeLike",         22, 1, 1, eye_attr,     infer_eye,     run_eye)
MAKE(one_hot,           "OneHot",          28, 3, 3, one_hot_attr, infer_one_hot, run_one_hot)
MAKE(trilu,             "Trilu",           14, 1, 2, trilu_attr,   infer_trilu,   run_trilu)
