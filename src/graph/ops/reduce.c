/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.c: many numbers to one along chosen axes: sums, extremes, norms.
 *
 * Floats accumulate in double; integers in 64 bits, which wrap as the type would.  Composite
 * reductions are a map before, a sum, and a map after: all of it happens even when no axis is
 * reduced (noop_with_empty_axes). */
#include <math.h>

#include "graph/load.h"

/* Which axes go; *known is false while input 1 is not there yet. */
static hn_err find_axes(hn_call *c, bool mark[HN_RANK_MAX], bool *known)
{
    int rank = c->in[0]->shape.rank;
    int64_t axis[HN_RANK_MAX];
    bool noop = hn_attr_int(c->node, "noop_with_empty_axes", 0);
    int n = hn_has_in(c, 1) ? hn_known(c, 1, axis, HN_RANK_MAX) : 0;

    if (hn_has_in(c, 1) && c->in[1]->data && n < 0)
        return hn_bad(c, "%zu axes for %d dimensions", hn_count(c->in[1]), rank);
    *known = n >= 0;
    for (int i = 0; i < rank; i++)
        mark[i] = n == 0 && !noop;
    for (int i = 0; i < n; i++) {
        int at;
        if (hn_is_symbol(axis[i]))
            return hn_bad(c, "axis %d is not a number", i);
        HN_TRY(hn_axis(c, axis[i], rank, &at));
        if (mark[at])
            return hn_bad(c, "axis %d is listed twice", at);
        mark[at] = true;
    }
    return HN_OK;
}

static hn_err infer_axes(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    bool keep = hn_attr_int(c->node, "keepdims", 1), mark[HN_RANK_MAX], known;
    hn_shape out = { .rank = -1 };

    HN_TRY(hn_want_type(c, 1, HN_I64));
    if (x->rank >= 0) {
        HN_TRY(find_axes(c, mark, &known));
        if (known || keep)
            out.rank = 0;
        for (int i = 0; i < x->rank && out.rank >= 0; i++)
            if (!known || keep || !mark[i])
                out.dim[out.rank++] = !known ? hn_fresh_dim(c) : mark[i] ? 1 : x->dim[i];
        const hn_shape *a = hn_has_in(c, 1) ? &c->in[1]->shape : NULL;
        if (!known && !keep && a->rank == 1 && a->dim[0] > 0 && a->dim[0] <= x->rank) {
            out.rank = x->rank - (int)a->dim[0];
            for (int i = 0; i < out.rank; i++)
                out.dim[i] = hn_fresh_dim(c);
        }
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

static hn_err infer_sum(hn_call *c)
{
    hn_dtype t = c->in[0]->dtype;
    if (t != HN_I32 && t != HN_I64 && t != HN_U32 && t != HN_U64)
        HN_TRY(hn_want_float(c, 0));
    return infer_axes(c);
}

static hn_err infer_extreme(hn_call *c)
{
    hn_dtype t = c->in[0]->dtype;
    return t == HN_BOOL || t == HN_U8 || t == HN_I8 ? infer_axes(c) : infer_sum(c);
}

/* What one reduction does to floats: acc starts at `first`. */
typedef struct fold {
    double first;
    double (*add)(double acc, double v);
    double (*end)(double acc, double count);       /* NULL: acc itself */
    int64_t ifirst;
    int64_t (*iadd)(int64_t acc, int64_t v);       /* NULL: integers go through double */
} fold;

/* The output element each input element belongs to is kept up like an odometer. */
typedef struct walk {
    int rank;
    size_t dim[HN_RANK_MAX], step[HN_RANK_MAX], at[HN_RANK_MAX], out;
} walk;

static walk start(const hn_shape *x, const bool *mark)
{
    walk w = { .rank = x->rank };
    size_t step = 1;
    for (int i = x->rank - 1; i >= 0; i--) {
        w.dim[i] = (size_t)x->dim[i];
        w.step[i] = mark[i] ? 0 : step;
        step *= mark[i] ? 1 : (size_t)x->dim[i];
    }
    return w;
}

static void next(walk *w)
{
    for (int i = w->rank - 1; i >= 0; i--) {
        w->out += w->step[i];
        if (++w->at[i] < w->dim[i])
            return;
        w->out -= w->step[i] * w->dim[i];
        w->at[i] = 0;
    }
}

static hn_err fold_float(hn_call *c, const bool *mark, const fold *f)
{
    size_t count = hn_count(c->in[0]), outs = hn_count(c->out[0]);
    double *x, *y = HN_SCRATCH(c, double, outs);
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    if (!y)
        return hn_nomem(c->cx, "a reduction");
    for (size_t i = 0; i < outs; i++)
        y[i] = f->first;
    walk w = start(&c->in[0]->shape, mark);
    for (size_t i = 0; i < count; i++, next(&w))
        y[w.out] = f->add(y[w.out], x[i]);
    double each = outs ? (double)count / (double)outs : 0;
    for (size_t i = 0; f->end && i < outs; i++)
        y[i] = f->end(y[i], each);
    hn_put_f64(c->out[0], 0, outs, y);
    return HN_OK;
}

/* order: compare instead of count: values go through their sorting order, see hn_load_order. */
static hn_err fold_int(hn_call *c, const bool *mark, const fold *f, bool order)
{
    size_t count = hn_count(c->in[0]), outs = hn_count(c->out[0]);
    bool flip = order && c->in[0]->dtype == HN_U64;
    int64_t *x, *y = HN_SCRATCH(c, int64_t, outs);
    HN_TRY(order ? hn_load_order(c, c->in[0], &x) : hn_load_i64(c, c->in[0], &x));
    if (!y)
        return hn_nomem(c->cx, "a reduction");
    for (size_t i = 0; i < outs; i++)
        y[i] = f->ifirst;
    walk w = start(&c->in[0]->shape, mark);
    for (size_t i = 0; i < count; i++, next(&w))
        y[w.out] = f->iadd(y[w.out], x[i]);
    for (size_t i = 0; i < outs && flip; i++)
        y[i] ^= INT64_MIN;
    hn_put_i64(c->out[0], 0, outs, y);
    return HN_OK;
}

static hn_err run_fold(hn_call *c, const fold *f)
{
    bool mark[HN_RANK_MAX], known;
    HN_TRY(find_axes(c, mark, &known));
    return hn_is_float(c->in[0]->dtype) || !f->iadd ? fold_float(c, mark, f) : fold_int(c, mark, f, false);
}

static double f_add(double a, double v) { return a + v; }
static double f_mul(double a, double v) { return a * v; }
static double f_abs(double a, double v) { return a + fabs(v); }
static double f_square(double a, double v) { return a + v * v; }
static double f_max(double a, double v) { return v > a || isnan(v) ? v : a; }
static double f_min(double a, double v) { return v < a || isnan(v) ? v : a; }
static double end_mean(double a, double n) { return a / n; }
static double end_sqrt(double a, double n) { (void)n; return sqrt(a); }
static double end_log(double a, double n) { (void)n; return log(a); }
static int64_t i_add(int64_t a, int64_t v) { return (int64_t)((uint64_t)a + (uint64_t)v); }
static int64_t i_mul(int64_t a, int64_t v) { return (int64_t)((uint64_t)a * (uint64_t)v); }
static int64_t i_abs(int64_t a, int64_t v) { return i_add(a, v < 0 ? (int64_t)-(uint64_t)v : v); }
static int64_t i_square(int64_t a, int64_t v) { return i_add(a, i_mul(v, v)); }
static int64_t i_max(int64_t a, int64_t v) { return v > a ? v : a; }
static int64_t i_min(int64_t a, int64_t v) { return v < a ? v : a; }

/* Of nothing, the extreme is the type's own far end. */
static int64_t type_end(hn_dtype t, bool highest)
{
    unsigned bits = hn_dtype_bits(t);
    if (t == HN_BOOL)
        return highest;
    if (hn_dtype_class(t) == HN_CLASS_U)
        return bits == 64 ? (highest ? INT64_MAX : INT64_MIN) : highest ? ((int64_t)1 << bits) - 1 : 0;
    return highest ? (int64_t)(((uint64_t)1 << (bits - 1)) - 1) : -(int64_t)(((uint64_t)1 << (bits - 1)) - 1) - 1;
}

static hn_err run_extreme(hn_call *c, bool max)
{
    bool mark[HN_RANK_MAX], known;
    fold f = { max ? -INFINITY : INFINITY, max ? f_max : f_min, NULL, 0, max ? i_max : i_min };
    HN_TRY(find_axes(c, mark, &known));
    if (hn_is_float(c->in[0]->dtype))
        return fold_float(c, mark, &f);
    f.ifirst = type_end(c->in[0]->dtype, !max);
    return fold_int(c, mark, &f, true);
}

static hn_err run_max(hn_call *c) { return run_extreme(c, true); }
static hn_err run_min(hn_call *c) { return run_extreme(c, false); }

/* log(sum(exp)) with the largest taken out, so that exp cannot overflow. */
static hn_err run_logsumexp(hn_call *c)
{
    bool mark[HN_RANK_MAX], known;
    size_t count = hn_count(c->in[0]), outs = hn_count(c->out[0]);
    double *x, *sum = HN_SCRATCH(c, double, outs), *max = HN_SCRATCH(c, double, outs);
    HN_TRY(find_axes(c, mark, &known));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    if (!sum || !max)
        return hn_nomem(c->cx, "a reduction");
    for (size_t i = 0; i < outs; i++)
        max[i] = -INFINITY;
    walk w = start(&c->in[0]->shape, mark);
    for (size_t i = 0; i < count; i++, next(&w))
        max[w.out] = f_max(max[w.out], x[i]);
    w = start(&c->in[0]->shape, mark);
    for (size_t i = 0; i < count; i++, next(&w))
        sum[w.out] += isinf(max[w.out]) ? 0 : exp(x[i] - max[w.out]);
    for (size_t i = 0; i < outs; i++)
        sum[i] = isinf(max[i]) ? max[i] : max[i] + log(sum[i]);
    hn_put_f64(c->out[0], 0, outs, sum);
    return HN_OK;
}

#define FOLD(id, ...) static hn_err run_##id(hn_call *c) { return run_fold(c, &(fold){ __VA_ARGS__ }); }
FOLD(sum,       0, f_add, NULL, 0, i_add)
FOLD(mean,      0, f_add, end_mean)
FOLD(prod,      1, f_mul, NULL, 1, i_mul)
FOLD(l1,        0, f_abs, NULL, 0, i_abs)
FOLD(l2,        0, f_square, end_sqrt)
FOLD(logsum,    0, f_add, end_log)
FOLD(sumsquare, 0, f_square, NULL, 0, i_square)

static const hn_attr_spec attr[] = {
    { "keepdims", HN_ATTR_INT, "1" },
    { "noop_with_empty_axes", HN_ATTR_INT, "0: no axes means all of them" },
    { 0 }
};

#define REDUCE(id, onnx, opset, infer_fn)                                                         \
    const hn_op hn_op_reduce##id = { .name = onnx, .since = opset, .min_in = 1, .max_in = 2,      \
        .min_out = 1, .max_out = 1, .attr = attr, .infer = infer_fn, .run = run_##id };

REDUCE(sum,       "ReduceSum",       13, infer_sum)
REDUCE(mean,      "ReduceMean",      18, infer_sum)
REDUCE(prod,      "ReduceProd",      18, infer_sum)
REDUCE(l1,        "ReduceL1",        18, infer_sum)
REDUCE(l2,        "ReduceL2",        18, infer_sum)
REDUCE(logsum,    "ReduceLogSum",    18, infer_sum)
REDUCE(logsumexp, "ReduceLogSumExp", 18, infer_sum)
REDUCE(sumsquare, "ReduceSumSquare", 18, infer_sum)
REDUCE(max,       "ReduceMax",       20, infer_extreme)
REDUCE(min,       "ReduceMin",       20, infer_extreme)
