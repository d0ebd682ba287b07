/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: one number per window, per channel. */
#include <math.h>

#include "graph/load.h"
#include "graph/window.h"

static hn_err infer_window(hn_call *c, hn_window *w, hn_shape *out)
{
    const hn_shape *x = &c->in[0]->shape;
    *out = (hn_shape){ .rank = -1 };
    if (x->rank < 0)
        return HN_OK;
    HN_TRY(hn_window_read(c, x, NULL, w));
    HN_TRY(hn_window_out(c, hn_attr_int(c->node, "ceil_mode", 0) != 0, w));
    *out = *x;
    for (int i = 0; i < w->rank; i++)
        out->dim[i + 2] = w->out[i];
    return HN_OK;
}

static hn_err infer_pool(hn_call *c)
{
    hn_window w;
    hn_shape out;
    bool max = hn_has_out(c, 1) || c->node->op->max_out == 2;
    hn_dtype t = c->in[0]->dtype;
    if (!max || (t != HN_U8 && t != HN_I8))
        HN_TRY(hn_want_float(c, 0));
    HN_TRY(infer_window(c, &w, &out));
    hn_out(c, 0, t, &out);
    hn_out(c, 1, HN_I64, &out);
    return HN_OK;
}

/* What a window gathers from the elements it covers. */
typedef struct gathered {
    double sum, max;
    int64_t max_at;              /* index into the plane, -1: the window lies in padding alone */
    size_t inside, padded;       /* taps on the input; on the input or its padding */
} gathered;

/* How many taps, `dilation` apart from x on, lie before `end`. */
static int64_t tap_count(int64_t x, int64_t end, int64_t dilation, int64_t kernel)
{
    int64_t n = end > x ? (end - x + dilation - 1) / dilation : 0;
    return n < kernel ? n : kernel;
}

/* Only taps that meet the input are visited, so a kernel from a file costs no more than its input. */
static void gather(const hn_window *w, const double *plane, const int64_t *pos, double p, gathered *g)
{
    int64_t first[HN_SPATIAL_MAX], from[HN_SPATIAL_MAX], to[HN_SPATIAL_MAX], at[HN_SPATIAL_MAX];
    *g = (gathered){ .max = -INFINITY, .max_at = -1, .inside = 1, .padded = 1 };
    for (int i = 0; i < w->rank; i++) {
        int64_t d = w->dilation[i], x = pos[i] * w->stride[i] - w->pad_begin[i];
        first[i] = x;
        from[i] = at[i] = x < 0 ? (-x + d - 1) / d : 0;
        to[i] = tap_count(x, w->in[i], d, w->kernel[i]);
        g->inside *= to[i] > from[i] ? (size_t)(to[i] - from[i]) : 0;
        /* Rounding the output up may reach past the padding as well: that counts for nothing. */
        g->padded *= (size_t)tap_count(x, w->in[i] + w->pad_end[i], d, w->kernel[i]);
    }
    if (g->inside == 0)
        return;
    do {
        int64_t index = 0;
        for (int i = 0; i < w->rank; i++)
            index = index * w->in[i] + first[i] + at[i] * w->dilation[i];
        double v = plane[index];
        g->sum += p == 0 ? v : p == 1 ? fabs(v) : p == 2 ? v * v : pow(fabs(v), p);
        if (g->max_at < 0 || v > g->max || (isnan(v) && !isnan(g->max))) {
            g->max = v;
            g->max_at = index;
        }
    } while (hn_step(w->rank, at, from, to));
}

/* A plane's index with the first spatial dimension running fastest. */
static int64_t column_major(const hn_window *w, int64_t index)
{
    int64_t at[HN_SPATIAL_MAX], r = 0;
    for (int i = w->rank - 1; i >= 0; i--) {
        at[i] = index % w->in[i];
        index /= w->in[i];
    }
    for (int i = w->rank - 1; i >= 0; i--)
        r = r * w->in[i] + at[i];
    return r;
}

/* Calls put(w, g, plane number, output index) for each window of each plane. */
typedef void put_fn(hn_call *c, const hn_window *w, const gathered *g, size_t plane, size_t index);

static hn_err run_windows(hn_call *c, double p, put_fn *put)
{
    hn_window w;
    hn_shape out;
    double *x;
    HN_TRY(infer_window(c, &w, &out));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    size_t planes = hn_shape_product(&out, 0, 2);
    size_t in = hn_window_size(w.in, w.rank), per = hn_window_size(w.out, w.rank), index = 0;

    for (size_t plane = 0; plane < planes && per; plane++) {
        int64_t pos[HN_SPATIAL_MAX] = { 0 };
        do {
            gathered g;
            gather(&w, x + plane * in, pos, p, &g);
            put(c, &w, &g, plane, index++);
        } while (hn_step(w.rank, pos, NULL, w.out));
    }
    return HN_OK;
}

static void put_max(hn_call *c, const hn_window *w, const gathered *g, size_t plane, size_t index)
{
    hn_tensor *y = c->out[0];
    double lowest = y->dtype == HN_U8 ? 0 : y->dtype == HN_I8 ? -128 : -INFINITY;
    double v = g->max_at < 0 ? lowest : g->max;
    hn_put_f64(y, index, 1, &v);
    if (!hn_has_out(c, 1))
        return;
    int64_t at = g->max_at;
    if (at >= 0 && hn_attr_int(c->node, "storage_order", 0))
        at = column_major(w, at);
    if (at >= 0)
        at += (int64_t)(plane * hn_window_size(w->in, w->rank));
    hn_put_i64(c->out[1], index, 1, &at);
}

static void put_average(hn_call *c, const hn_window *w, const gathered *g, size_t plane, size_t index)
{
    (void)w, (void)plane;
    size_t n = hn_attr_int(c->node, "count_include_pad", 0) ? g->padded : g->inside;
    double v = n ? g->sum / (double)n : 0;
    hn_put_f64(c->out[0], index, 1, &v);
}

static void put_lp(hn_call *c, const hn_window *w, const gathered *g, size_t plane, size_t index)
{
    (void)w, (void)plane;
    double p = (double)hn_attr_int(c->node, "p", 2), v = p == 2 ? sqrt(g->sum) : pow(g->sum, 1 / p);
    hn_put_f64(c->out[0], index, 1, &v);
}

static hn_err check_p(const hn_call *c)
{
    if (hn_attr_int(c->node, "p", 2) < 1)
        return hn_bad(c, "p is %lld, expected 1 or more", (long long)hn_attr_int(c->node, "p", 2));
    return HN_OK;
}

static hn_err infer_lp(hn_call *c)
{
    HN_TRY(check_p(c));
    return infer_pool(c);
}

static hn_err run_max(hn_call *c) { return run_windows(c, 0, put_max); }
static hn_err run_average(hn_call *c) { return run_windows(c, 0, put_average); }
static hn_err run_lp(hn_call *c) { return run_windows(c, (double)hn_attr_int(c->node, "p", 2), put_lp); }

/* ---- Global: the window is the whole plane ---------------------------------------------- */

static hn_err infer_global(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    HN_TRY(hn_want_float(c, 0));
    if (s.rank >= 0 && s.rank < 2)
        return hn_bad(c, "input has %d dimensions, expected 2 or more: batch, channels, space", s.rank);
    HN_TRY(check_p(c));
    for (int i = 2; i < s.rank; i++)
        s.dim[i] = 1;
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

static double mean(const double *v, size_t n, double p)
{
    double sum = 0;
    (void)p;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return n ? sum / (double)n : 0;
}

static double highest(const double *v, size_t n, double p)
{
    double max = -INFINITY;
    (void)p;
    for (size_t i = 0; i < n; i++)
        if (v[i] > max || isnan(v[i]))
            max = v[i];
    return max;
}

static double norm(const double *v, size_t n, double p)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p == 1 ? fabs(v[i]) : p == 2 ? v[i] * v[i] : pow(fabs(v[i]), p);
    return p == 2 ? sqrt(sum) : pow(sum, 1 / p);
}

static hn_err run_global(hn_call *c, double (*f)(const double *, size_t, double))
{
    double *x, p = (double)hn_attr_int(c->node, "p", 2);
    const hn_shape *s = &c->in[0]->shape;
    size_t planes = hn_shape_product(s, 0, 2), n = hn_shape_product(s, 2, s->rank);
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t i = 0; i < planes; i++) {
        double v = f(x + i * n, n, p);
        hn_put_f64(c->out[0], i, 1, &v);
    }
    return HN_OK;
}

static hn_err run_global_average(hn_call *c) { return run_global(c, mean); }
static hn_err run_global_max(hn_call *c) { return run_global(c, highest); }
static hn_err run_global_lp(hn_call *c) { return run_global(c, norm); }

/* ---- MaxUnpool: values back to where MaxPool took them from ------------------------------- */

/* The size before pooling; `real` is the output's own, which output_shape may make larger. */
static hn_err unpool_shapes(hn_call *c, hn_shape *before, hn_shape *real)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_window w;
    int64_t want[HN_RANK_MAX];

    *before = *real = (hn_shape){ .rank = -1 };
    if (x->rank < 0)
        return HN_OK;
    HN_TRY(hn_window_read(c, x, NULL, &w));
    *before = *x;
    for (int i = 0; i < w.rank; i++) {
        int64_t *d = &before->dim[i + 2];
        if (hn_is_symbol(w.in[i])) {
            *d = hn_fresh_dim(c);
            continue;
        }
        *d = (w.in[i] - 1) * w.stride[i] + w.kernel[i] - w.pad_begin[i] - w.pad_end[i];
        if (*d < 0)
            return hn_bad(c, "dimension %d would have %lld elements", i + 2, (long long)*d);
    }
    *real = *before;
    if (!hn_has_in(c, 2))
        return HN_OK;
    int n = hn_known(c, 2, want, HN_RANK_MAX);
    if (n >= 0 && n != x->rank)
        return hn_bad(c, "output_shape has %d entries, expected %d", n, x->rank);
    for (int i = 0; i < x->rank; i++) {
        real->dim[i] = n < 0 ? hn_fresh_dim(c) : want[i];
        if (!hn_is_symbol(real->dim[i]) && !hn_is_symbol(before->dim[i]) && real->dim[i] < before->dim[i])
            return hn_bad(c, "output_shape says %lld for dimension %d, at least %lld are needed",
                          (long long)real->dim[i], i, (long long)before->dim[i]);
    }
    return HN_OK;
}

static hn_err infer_unpool(hn_call *c)
{
    hn_shape before, real;
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_type(c, 1, HN_I64));
    if (hn_shape_known(&c->in[0]->shape) && hn_shape_known(&c->in[1]->shape) &&
        !hn_shape_equal(&c->in[0]->shape, &c->in[1]->shape))
        return hn_bad(c, "values and indices differ in shape");
    HN_TRY(unpool_shapes(c, &before, &real));
    hn_out(c, 0, c->in[0]->dtype, &real);
    return HN_OK;
}

static hn_err run_unpool(hn_call *c)
{
    hn_shape before, real;
    double *x, *y;
    int64_t *index;
    HN_TRY(unpool_shapes(c, &before, &real));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(hn_load_i64(c, c->in[1], &index));
    y = HN_SCRATCH(c, double, hn_count(c->out[0]));
    if (!y)
        return hn_nomem(c->cx, "an unpooled tensor");
    for (size_t i = 0; i < hn_count(c->in[0]); i++) {
        if (index[i] < 0 || (size_t)index[i] >= hn_shape_count(&before))
            return hn_bad(c, "index %lld is outside of %zu elements", (long long)index[i],
                          hn_shape_count(&before));
        size_t rest = (size_t)index[i], at = 0, step = 1;
        for (int d = real.rank - 1; d >= 0; d--) {       /* the same place in the larger shape */
            at += rest % (size_t)before.dim[d] * step;
            rest /= (size_t)before.dim[d];
            step *= (size_t)real.dim[d];
        }
        y[at] = x[i];
    }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

/* ---- Descriptors ------------------------------------------------------------------------ */

#define WINDOW_ATTRS                                                        \
    { "auto_pad", HN_ATTR_TEXT, "NOTSET, SAME_UPPER, SAME_LOWER or VALID" },  \
    { "ceil_mode", HN_ATTR_INT, "0: a window that does not fit is left out" },  \
    { "dilations", HN_ATTR_INTS, "1s" },                                    \
    { "kernel_shape", HN_ATTR_INTS, "required" },                           \
    { "pads", HN_ATTR_INTS, "0s: all begins, then all ends" },              \
    { "strides", HN_ATTR_INTS, "1s" }

static const hn_attr_spec max_attr[] = { WINDOW_ATTRS, { "storage_order", HN_ATTR_INT, "0: indices row by row" }, { 0 } };
static const hn_attr_spec average_attr[] = { WINDOW_ATTRS, { "count_include_pad", HN_ATTR_INT, "0" }, { 0 } };
static const hn_attr_spec lp_attr[] = { WINDOW_ATTRS, { "p", HN_ATTR_INT, "2" }, { 0 } };
static const hn_attr_spec global_lp_attr[] = { { "p", HN_ATTR_INT, "2" }, { 0 } };
static const hn_attr_spec unpool_attr[] = {
    { "kernel_shape", HN_ATTR_INTS, "required" }, { "pads", HN_ATTR_INTS, "0s" },
    { "strides", HN_ATTR_INTS, "1s" }, { 0 }
};

#define POOL(id, onnx, outs, infer_fn, run_fn, attrs)                                       \
    const hn_op hn_op_##id = { .name = onnx, .since = 22, .min_in = 1, .max_in = 1,         \
        .min_out = 1, .max_out = outs, .attr = attrs, .infer = infer_fn, .run = run_fn };

POOL(maxpool,           "MaxPool",           2, infer_pool,   run_max,            max_attr)
POOL(averagepool,       "AveragePool",       1, infer_pool,   run_average,        average_attr)
POOL(lppool,            "LpPool",            1, infer_lp,     run_lp,             lp_attr)
POOL(globalaveragepool, "GlobalAveragePool", 1, infer_global, run_global_average, NULL)
POOL(globalmaxpool,     "GlobalMaxPool",     1, infer_global, run_global_max,     NULL)
POOL(globallppool,      "GlobalLpPool",      1, infer_global, run_global_lp,      global_lp_attr)

const hn_op hn_op_maxunpool = {
    .name = "MaxUnpool", .since = 22, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = unpool_attr, .infer = infer_unpool, .run = run_unpool,
};
