/* SPDX-License-Identifier: Apache-2.0 */
/* qreduce.c: quantised numbers, many to one.
 *
 *     QAveragePool   AveragePool with the mean rounded half away from zero, in x's own numbers
 *     QMean, QSum    along axes, from one scale to another
 *     QSoftmax       of each row of the last axis
 *     QResize        linear interpolation of the last two axes, with weights of 10 bits or in float */
#include <math.h>

#include "graph/integer.h"
#include "graph/load.h"
#include "graph/window.h"

static hn_err want_small(const hn_call *c)
{
    hn_dtype t = c->in[0]->dtype;
    return t == HN_I8 || t == HN_U8 || t == HN_I16 ? HN_OK
         : hn_unsupported(c, "no such operation on %s", hn_dtype_name(t));
}

static int64_t divide_away(int64_t sum, int64_t n) { return (sum > 0 ? sum + n / 2 : sum - n / 2) / n; }

/* ---- QAveragePool ---------------------------------------------------------------------------- */

static hn_err find_window(hn_call *c, hn_window *w, hn_shape *y)
{
    const hn_shape *x = &c->in[0]->shape;
    *y = *x;
    if (x->rank < 0)
        return HN_OK;
    HN_TRY(hn_window_read(c, x, NULL, w));
    HN_TRY(hn_window_out(c, false, w));
    for (int i = 0; i < w->rank; i++)
        y->dim[i + 2] = w->out[i];
    return HN_OK;
}

static hn_err infer_pool(hn_call *c)
{
    hn_window w;
    hn_integers q;
    hn_shape y;
    HN_TRY(want_small(c));
    HN_TRY(hn_integers_read(c, c->in[0]->dtype, &q));
    HN_TRY(find_window(c, &w, &y));
    hn_out(c, 0, c->in[0]->dtype, &y);
    return HN_OK;
}

/* The mean over what of the window at `pos` lies in the plane; padding does not count. */
static int64_t pool_one(const hn_window *w, const int64_t *pos, const int64_t *plane)
{
    int64_t at[HN_SPATIAL_MAX] = { 0 }, sum = 0, n = 0;
    do {
        int64_t index = 0;
        bool in = true;
        for (int i = 0; i < w->rank && in; i++) {
            int64_t p = pos[i] * w->stride[i] + at[i] * w->dilation[i] - w->pad_begin[i];
            in = p >= 0 && p < w->in[i];
            index = index * w->in[i] + p;
        }
        if (in) {
            sum += plane[index];
            n++;
        }
    } while (hn_step(w->rank, at, NULL, w->kernel));
    return n ? divide_away(sum, n) : 0;
}

static hn_err run_pool(hn_call *c)
{
    hn_window w;
    hn_integers q;
    hn_shape shape;
    int64_t *x, *y = HN_SCRATCH(c, int64_t, hn_count(c->out[0]));
    HN_TRY(hn_integers_read(c, c->in[0]->dtype, &q));
    HN_TRY(find_window(c, &w, &shape));
    HN_TRY(hn_load_i64(c, c->in[0], &x));
    if (!y)
        return hn_nomem(c->cx, "a pool");
    size_t in = hn_window_size(w.in, w.rank), out = hn_window_size(w.out, w.rank);
    for (size_t p = 0; out && p < hn_count(c->out[0]) / out; p++) {
        int64_t pos[HN_SPATIAL_MAX] = { 0 };
        size_t i = p * out;
        do
            y[i++] = hn_clamp_i32(pool_one(&w, pos, x + p * in), q.low, q.high);
        while (hn_step(w.rank, pos, NULL, w.out));
    }
    hn_put_i64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

/* ---- QMean, QSum ----------------------------------------------------------------------------- */

static hn_err find_axes(hn_call *c, bool reduced[HN_RANK_MAX], hn_shape *y)
{
    const hn_shape *x = &c->in[0]->shape;
    const int64_t *axes;
    size_t n = hn_attr_ints(c->node, "axes", &axes);
    bool keep = hn_attr_int(c->node, "keepdims", 1) != 0;
    *y = (hn_shape){ .rank = x->rank < 0 ? -1 : 0 };
    for (int i = 0; i < x->rank; i++)
        reduced[i] = n == 0;
    for (size_t i = 0; i < n && x->rank >= 0; i++) {
        int axis;
        HN_TRY(hn_axis(c, axes[i], x->rank, &axis));
        reduced[axis] = true;
    }
    for (int i = 0; i < x->rank; i++)
        if (!reduced[i] || keep)
            y->dim[y->rank++] = reduced[i] ? 1 : x->dim[i];
    return HN_OK;
}

static hn_err infer_along(hn_call *c)
{
    hn_integers q;
    hn_shape y;
    double scale;
    bool reduced[HN_RANK_MAX];
    HN_TRY(want_small(c));
    HN_TRY(hn_integers_read(c, c->in[0]->dtype, &q));
    HN_TRY(hn_scale_read(c, "x_scale", &scale));
    HN_TRY(hn_scale_read(c, "y_scale", &scale));
    HN_TRY(find_axes(c, reduced, &y));
    hn_out(c, 0, c->in[0]->dtype, &y);
    return HN_OK;
}

static hn_err run_along(hn_call *c, bool mean)
{
    const hn_shape *xs = &c->in[0]->shape;
    hn_integers q;
    hn_shape ys;
    double x_scale, y_scale;
    bool reduced[HN_RANK_MAX];
    size_t count = hn_count(c->in[0]), outs = hn_count(c->out[0]);
    int64_t *x, *sum = HN_SCRATCH(c, int64_t, outs);
    HN_TRY(hn_integers_read(c, c->in[0]->dtype, &q));
    HN_TRY(hn_scale_read(c, "x_scale", &x_scale));
    HN_TRY(hn_scale_read(c, "y_scale", &y_scale));
    HN_TRY(find_axes(c, reduced, &ys));
    HN_TRY(hn_load_i64(c, c->in[0], &x));
    if (!sum)
        return hn_nomem(c->cx, "a sum");
    for (size_t i = 0; i < count; i++) {
        size_t rest = i, at = 0, step = 1;
        for (int d = xs->rank - 1; d >= 0; d--) {
            if (!reduced[d]) {
                at += rest % (size_t)xs->dim[d] * step;
                step *= (size_t)xs->dim[d];
            }
            rest /= (size_t)xs->dim[d];
        }
        sum[at] += x[i] - q.x_zero;
    }
    hn_factor f = hn_factor_of(x_scale / y_scale);
    int64_t each = outs ? (int64_t)(count / outs) : 0;
    for (size_t i = 0; i < outs; i++) {
        int64_t v = hn_rescale((int32_t)sum[i], f, q.rounding);
        if (mean)
            v = each ? divide_away(v, each) : 0;
        sum[i] = hn_clamp_i32(v + q.y_zero, q.low, q.high);
    }
    hn_put_i64(c->out[0], 0, outs, sum);
    return HN_OK;
}

static hn_err run_mean(hn_call *c) { return run_along(c, true); }
static hn_err run_sum(hn_call *c) { return run_along(c, false); }

/* ---- QSoftmax -------------------------------------------------------------------------------- */

static hn_err infer_softmax(hn_call *c)
{
    hn_integers q;
    double scale;
    hn_dtype x = c->in[0]->dtype, y = hn_dtype_from_onnx(hn_attr_int(c->node, "to", hn_dtype_to_onnx(x)));
    if (x != HN_I8 && x != HN_U8)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(x));
    HN_TRY(hn_scale_read(c, "x_scale", &scale));
    HN_TRY(hn_scale_read(c, "y_scale", &scale));
    HN_TRY(hn_integers_read(c, y, &q));
    if (c->in[0]->shape.rank == 0)
        return hn_bad(c, "the input has no dimension to go along");
    hn_out(c, 0, y, &c->in[0]->shape);
    return HN_OK;
}

/* Differences to the largest of a row are 0 to 255: their exponentials come from a table of floats. */
static hn_err run_softmax(hn_call *c)
{
    hn_integers q;
    double x_scale, y_scale;
    float power[256];
    size_t count = hn_count(c->in[0]), len = (size_t)c->in[0]->shape.dim[c->in[0]->shape.rank - 1];
    int64_t *x;
    HN_TRY(hn_integers_read(c, c->out[0]->dtype, &q));
    HN_TRY(hn_scale_read(c, "x_scale", &x_scale));
    HN_TRY(hn_scale_read(c, "y_scale", &y_scale));
    HN_TRY(hn_load_i64(c, c->in[0], &x));
    for (int i = 0; i < 256; i++)
        power[i] = expf((float)-x_scale * (float)i);
    for (size_t r = 0; r < count; r += len) {
        int64_t most = x[r];
        float sum = 0;
        for (size_t i = 1; i < len; i++)
            most = x[r + i] > most ? x[r + i] : most;
        for (size_t i = 0; i < len; i++)
            sum += power[most - x[r + i]];
        float factor = 1 / (sum * (float)y_scale);
        for (size_t i = 0; i < len; i++) {
            double y = (double)roundf(power[most - x[r + i]] * factor) + q.y_zero;
            x[r + i] = (int64_t)fmin(fmax(y, q.low), q.high);
        }
    }
    hn_put_i64(c->out[0], 0, count, x);
    return HN_OK;
}

/* ---- QResize --------------------------------------------------------------------------------- */

enum { ONE = HN_RESIZE_ONE };    /* a weight of 1 */

hn_place hn_place_of(const hn_node *n, int64_t i, int64_t in, int64_t out)
{
    bool corners = hn_attr_is(n, "coordinates", "align_corners", "asymmetric") && out > 1;
    bool half = hn_attr_is(n, "coordinates", "half_pixel", "asymmetric");
    int64_t step = corners ? (ONE * (in - 1) + (out - 1) / 2) / (out - 1) : (ONE * in + out / 2) / out;
    int64_t at = i * step + (half ? step / 2 - ONE / 2 : 0);
    int64_t low = at / ONE, high = (at + ONE - 1) / ONE;
    low = low < 0 ? 0 : low > in - 1 ? in - 1 : low;
    high = high < 0 ? 0 : high > in - 1 ? in - 1 : high;
    return (hn_place){ low, high, at - ONE * low };
}

float hn_part_of(const hn_node *n, int64_t i, int64_t in, int64_t out, hn_place *p)
{
    bool corners = hn_attr_is(n, "coordinates", "align_corners", "asymmetric") && out > 1;
    bool half = hn_attr_is(n, "coordinates", "half_pixel", "asymmetric");
    float step = corners ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
    float at = half ? ((float)i + 0.5f) * step - 0.5f : (float)i * step;
    p->low = at < 0 ? 0 : (int64_t)at;
    p->high = (int64_t)fminf(ceilf(at), (float)(in - 1));
    p->low = p->low > in - 1 ? in - 1 : p->low;
    p->high = p->high < 0 ? 0 : p->high;
    return at - (float)p->low;
}

static int64_t blend_float(hn_call *c, const int64_t *plane, int64_t i, int64_t j, const hn_shape *xs, const hn_shape *ys)
{
    hn_place v, u;
    float y = hn_part_of(c->node, i, xs->dim[2], ys->dim[2], &v), x = hn_part_of(c->node, j, xs->dim[3], ys->dim[3], &u);
    const int64_t *top = plane + v.low * xs->dim[3], *bottom = plane + v.high * xs->dim[3];
    float sum = (float)top[u.low] * ((1 - y) * (1 - x)) + (float)top[u.high] * ((1 - y) * x) +
                (float)bottom[u.low] * (y * (1 - x)) + (float)bottom[u.high] * (y * x);
    return (int64_t)(sum + 0.5f);
}

static int64_t blend_fixed(hn_call *c, const int64_t *plane, int64_t i, int64_t j, const hn_shape *xs, const hn_shape *ys)
{
    hn_place v = hn_place_of(c->node, i, xs->dim[2], ys->dim[2]), u = hn_place_of(c->node, j, xs->dim[3], ys->dim[3]);
    const int64_t *top = plane + v.low * xs->dim[3], *bottom = plane + v.high * xs->dim[3];
    int64_t sum = (top[u.low] * (ONE - u.rest) + top[u.high] * u.rest) * (ONE - v.rest) +
                  (bottom[u.low] * (ONE - u.rest) + bottom[u.high] * u.rest) * v.rest;
    return (sum + (sum > 0 ? ONE * ONE / 2 : -ONE * ONE / 2)) / (ONE * ONE);
}

static hn_err infer_resize(hn_call *c)
{
    const int64_t *size;
    hn_shape y = c->in[0]->shape;
    HN_TRY(want_small(c));
    HN_TRY(hn_want_rank(c, 0, 4));
    if (hn_attr_ints(c->node, "size", &size) != 2 || size[0] < 1 || size[1] < 1 || size[0] > 1 << 20 || size[1] > 1 << 20)
        return hn_bad(c, "expected a size of two positive numbers");
    for (int i = 2; i < y.rank; i++) {
        if (y.dim[i] == 0 || (!hn_is_symbol(y.dim[i]) && y.dim[i] > 1 << 20))
            return hn_bad(c, "axis %d of %lld cannot be resized", i, (long long)y.dim[i]);
        y.dim[i] = size[i - 2];
    }
    hn_out(c, 0, c->in[0]->dtype, &y);
    return HN_OK;
}

static hn_err run_resize(hn_call *c)
{
    const hn_shape *xs = &c->in[0]->shape, *ys = &c->out[0]->shape;
    bool real = hn_attr_is(c->node, "weights", "float", "fixed");
    int64_t *x, *y = HN_SCRATCH(c, int64_t, hn_count(c->out[0])), *to = y;
    HN_TRY(hn_load_i64(c, c->in[0], &x));
    if (!y)
        return hn_nomem(c->cx, "a picture");
    for (int64_t p = 0; p < xs->dim[0] * xs->dim[1]; p++) {
        const int64_t *plane = x + p * xs->dim[2] * xs->dim[3];
        for (int64_t i = 0; i < ys->dim[2]; i++)
            for (int64_t j = 0; j < ys->dim[3]; j++)
                *to++ = real ? blend_float(c, plane, i, j, xs, ys) : blend_fixed(c, plane, i, j, xs, ys);
    }
    hn_put_i64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

static const hn_attr_spec pool_attr[] = {
    { "auto_pad", HN_ATTR_TEXT, "NOTSET, SAME_UPPER, SAME_LOWER or VALID" }, { "dilations", HN_ATTR_INTS, "1s" },
    HN_INTEGER_ATTRS, { "kernel_shape", HN_ATTR_INTS, "required" }, { "pads", HN_ATTR_INTS, "0s" },
    { "strides", HN_ATTR_INTS, "1s" }, { 0 }
};
static const hn_attr_spec along_attr[] = {
    { "axes", HN_ATTR_INTS, "all" }, HN_INTEGER_ATTRS, { "keepdims", HN_ATTR_INT, "1" },
    { "x_scale", HN_ATTR_FLOAT, "1" }, { "x_zero", HN_ATTR_INT, "0" }, { "y_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};
static const hn_attr_spec softmax_attr[] = {
    HN_INTEGER_ATTRS, { "to", HN_ATTR_INT, "the type, x's" }, { "x_scale", HN_ATTR_FLOAT, "1; beta is part of it" },
    { "y_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};
static const hn_attr_spec resize_attr[] = {
    { "coordinates", HN_ATTR_TEXT, "asymmetric, half_pixel or align_corners" }, { "size", HN_ATTR_INTS, "required" },
    { "weights", HN_ATTR_TEXT, "fixed or float" }, { 0 }
};

#define QOP(id, NAME, ATTR, INFER, RUN)                                                                 \
    const hn_op hn_op_##id = { .name = NAME, .domain = "hone", .since = 1, .min_in = 1, .max_in = 1,    \
                               .min_out = 1, .max_out = 1, .attr = ATTR, .infer = INFER, .run = RUN };
QOP(qaveragepool, "QAveragePool", pool_attr, infer_pool, run_pool)
QOP(qmean, "QMean", along_attr, infer_along, run_mean)
QOP(qsum, "QSum", along_attr, infer_along, run_sum)
QOP(qsoftmax, "QSoftmax", softmax_attr, infer_softmax, run_softmax)
QOP(qresize, "QResize", resize_attr, infer_resize, run_resize)
