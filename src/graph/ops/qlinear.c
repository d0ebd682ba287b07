/* SPDX-License-Identifier: Apache-2.0 */
/* qlinear.c: products of quantised numbers.
 *
 *     QConv    x [N, C, spatial...]  w [M, C / group, kernel...]  factor [1 or M]  bias [M]
 *     QLinear  x [..., K]            w [N, K]                     factor [1 or N]  bias [N]
 *
 *     y = clamp(round(factor * (bias + sum (x - x_zero)(w - w_zero))) + y_zero)
 *
 * The factor, x's scale times w's over y's, comes as double; how it is rounded is an attribute.  Sums
 * are exact, so a fast way has to give the same bits.
 *
 *     DynamicQConv, DynamicQLinear   the same weights on floats, which are quantised on the way in:
 *                                    each image or row by the range it has */
#include <math.h>

#include "graph/convolve.h"
#include "graph/integer.h"
#include "graph/load.h"

enum { X, W, FACTOR, BIAS };

static hn_err want_weights(const hn_call *c)
{
    hn_dtype x = c->in[X]->dtype, w = c->in[W]->dtype;
    if ((w == HN_I8 || w == HN_U8) && (x == HN_I8 || x == HN_U8 || (x == HN_I16 && w == HN_I8)))
        return HN_OK;
    return hn_unsupported(c, "no such operation on %s and %s", hn_dtype_name(x), hn_dtype_name(w));
}

static hn_err want_bias(const hn_call *c)
{
    if (!hn_has_in(c, BIAS) || c->in[BIAS]->dtype == HN_I32 || c->in[BIAS]->dtype == HN_I64)
        return HN_OK;
    return hn_bad(c, "the bias is %s, expected i32 or i64", hn_dtype_name(c->in[BIAS]->dtype));
}

/* y[i] of channel i / plane % m, from exact sums. */
static hn_err finish(hn_call *c, const hn_integers *q, const double *sum, size_t plane, size_t m)
{
    hn_factor *f;
    double *bias = NULL;
    size_t factors, count = hn_count(c->out[0]);
    int64_t *y = HN_SCRATCH(c, int64_t, count);
    bool wide = c->in[X]->dtype == HN_I16;
    HN_TRY(hn_factors_read(c, FACTOR, &f, &factors));
    if (hn_has_in(c, BIAS))
        HN_TRY(hn_load_f64(c, c->in[BIAS], &bias));
    if (!y)
        return hn_nomem(c->cx, "a sum of products");
    for (size_t i = 0; i < count; i++) {
        size_t channel = i / plane % m;
        int64_t v = (int64_t)(sum[i] + (bias ? bias[channel] : 0));
        hn_factor factor = f[factors == 1 ? 0 : channel];
        int32_t r = wide ? hn_rescale_wide(v, factor, q->rounding) : hn_rescale((int32_t)v, factor, q->rounding);
        y[i] = hn_clamp_i32((int64_t)r + q->y_zero, q->low, q->high);
    }
    hn_put_i64(c->out[0], 0, count, y);
    return HN_OK;
}

/* ---- QConv --------------------------------------------------------------------------------- */

static hn_err infer_conv(hn_call *c)
{
    hn_convolution g;
    hn_integers q;
    HN_TRY(want_weights(c));
    HN_TRY(want_bias(c));
    HN_TRY(hn_want_type(c, FACTOR, HN_F64));
    HN_TRY(hn_integers_read(c, c->in[X]->dtype, &q));
    HN_TRY(hn_convolution_find(c, X, W, &g));
    if (g.out.rank >= 0) {
        HN_TRY(hn_convolution_channels(c, BIAS, g.m, false));
        HN_TRY(hn_convolution_channels(c, FACTOR, g.m, true));
    }
    hn_out(c, 0, c->in[X]->dtype, &g.out);
    return HN_OK;
}

static hn_err run_conv(hn_call *c)
{
    hn_convolution g;
    hn_integers q;
    double *x, *w, *sum = HN_SCRATCH(c, double, hn_count(c->out[0]));
    HN_TRY(hn_integers_read(c, c->in[X]->dtype, &q));
    HN_TRY(hn_convolution_find(c, X, W, &g));
    HN_TRY(hn_load_centred(c, X, q.x_zero, &x));
    HN_TRY(hn_load_centred(c, W, q.w_zero, &w));
    if (!sum)
        return hn_nomem(c->cx, "a convolution");
    hn_convolve(&g, x, w, sum);
    return finish(c, &q, sum, hn_window_size(g.w.out, g.w.rank), (size_t)g.m);
}

static double macs_conv(const hn_call *c) { return hn_convolution_macs(c, W); }

/* ---- QLinear ------------------------------------------------------------------------------- */

/* y's shape: x's with the last dimension replaced by the number of rows of w. */
static hn_err linear_shape(hn_call *c, hn_shape *y)
{
    const hn_shape *x = &c->in[X]->shape, *w = &c->in[W]->shape;
    *y = *x;
    HN_TRY(hn_want_rank(c, W, 2));
    if (x->rank < 0 || w->rank < 0) {
        y->rank = -1;
        return HN_OK;
    }
    if (x->rank < 1 || hn_dims_differ(x->dim[x->rank - 1], w->dim[1])) {
        char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
        return hn_bad(c, "rows of %s do not fit weights of %s", hn_shape_text(x, a), hn_shape_text(w, b));
    }
    y->dim[y->rank - 1] = w->dim[0];
    return HN_OK;
}

static hn_err infer_linear(hn_call *c)
{
    hn_integers q;
    hn_shape y;
    HN_TRY(want_weights(c));
    HN_TRY(want_bias(c));
    HN_TRY(hn_want_type(c, FACTOR, HN_F64));
    HN_TRY(hn_integers_read(c, c->in[X]->dtype, &q));
    HN_TRY(linear_shape(c, &y));
    if (c->in[W]->shape.rank == 2) {
        HN_TRY(hn_convolution_channels(c, BIAS, c->in[W]->shape.dim[0], false));
        HN_TRY(hn_convolution_channels(c, FACTOR, c->in[W]->shape.dim[0], true));
    }
    hn_out(c, 0, c->in[X]->dtype, &y);
    return HN_OK;
}

static void multiply(const double *x, const double *w, size_t rows, size_t n, size_t k, double *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++) {
            double sum = 0;
            for (size_t j = 0; j < k; j++)
                sum += x[r * k + j] * w[i * k + j];
            y[r * n + i] = sum;
        }
}

static hn_err run_linear(hn_call *c)
{
    hn_integers q;
    size_t n = (size_t)c->in[W]->shape.dim[0], k = (size_t)c->in[W]->shape.dim[1], count = hn_count(c->out[0]);
    double *x, *w, *sum = HN_SCRATCH(c, double, count);
    HN_TRY(hn_integers_read(c, c->in[X]->dtype, &q));
    HN_TRY(hn_load_centred(c, X, q.x_zero, &x));
    HN_TRY(hn_load_centred(c, W, q.w_zero, &w));
    if (!sum)
        return hn_nomem(c->cx, "a product");
    multiply(x, w, n ? count / n : 0, n, k, sum);
    return finish(c, &q, sum, 1, n);
}

static double macs_linear(const hn_call *c) { return (double)hn_count(c->out[0]) * (double)c->in[W]->shape.dim[1]; }

/* ---- On floats ------------------------------------------------------------------------------- */

enum { W_SCALE = FACTOR };      /* where the factor stands above: f32, one, or one per channel */

static hn_err infer_dynamic(hn_call *c, int64_t channels)
{
    HN_TRY(hn_want_type(c, X, HN_F32));
    HN_TRY(hn_want_type(c, W, HN_I8));
    HN_TRY(hn_want_type(c, BIAS, HN_F32));
    HN_TRY(hn_want_type(c, W_SCALE, HN_F32));
    if (channels < 0)
        return HN_OK;
    HN_TRY(hn_convolution_channels(c, BIAS, channels, false));
    return hn_convolution_channels(c, W_SCALE, channels, true);
}

static hn_err infer_dynamic_conv(hn_call *c)
{
    hn_convolution g;
    HN_TRY(hn_convolution_find(c, X, W, &g));
    HN_TRY(infer_dynamic(c, g.out.rank >= 0 ? g.m : -1));
    hn_out(c, 0, HN_F32, &g.out);
    return HN_OK;
}

static hn_err infer_dynamic_linear(hn_call *c)
{
    hn_shape y;
    HN_TRY(linear_shape(c, &y));
    HN_TRY(infer_dynamic(c, c->in[W]->shape.rank == 2 ? c->in[W]->shape.dim[0] : -1));
    hn_out(c, 0, HN_F32, &y);
    return HN_OK;
}

/* v in place as centred integers of 8 bits; gives the scale they now have.  Symmetric: from -127 to 127
 * around 0.  In float, and halves away from zero, as TFLite computes it. */
static float quantise(double *v, size_t count, bool asymmetric)
{
    float low = 0, high = 0;
    for (size_t i = 0; i < count; i++) {
        low = fminf(low, (float)v[i]);
        high = fmaxf(high, (float)v[i]);
    }
    if (low == high)
        return 1;                                /* all zero already */
    if (!asymmetric) {
        float range = fmaxf(-low, high), inverse = 127 / range;
        for (size_t i = 0; i < count; i++)
            v[i] = fminf(fmaxf(roundf((float)v[i] * inverse), -127), 127);
        return range / 127;
    }
    double scale = ((double)high - (double)low) / 255;
    /* The zero point is counted from the end where it is represented more exactly. */
    double from_low = -128 - (double)low / scale, from_high = 127 - (double)high / scale;
    bool low_is_better = 128 + fabs((double)low / scale) < 127 + fabs((double)high / scale);
    float zero = roundf((float)(low_is_better ? from_low : from_high)), inverse = 1 / (float)scale;
    zero = fminf(fmaxf(zero, -128), 127);
    for (size_t i = 0; i < count; i++)
        v[i] = fminf(fmaxf(roundf(zero + (float)v[i] * inverse), -128), 127) - zero;
    return (float)scale;
}

/* x quantised part by part, times w by `product`; then each sum as a float with its part's scale. */
static hn_err finish_dynamic(hn_call *c, const double *sum, const float *scale, size_t parts, size_t plane, size_t m)
{
    size_t count = hn_count(c->out[0]), each = parts ? count / parts : 0, scales = hn_count(c->in[W_SCALE]);
    const float *w_scale = c->in[W_SCALE]->data, *bias = hn_has_in(c, BIAS) ? c->in[BIAS]->data : NULL;
    float *y = c->out[0]->data;
    for (size_t i = 0; i < count; i++) {
        size_t channel = i / plane % m;
        y[i] = (float)sum[i] * (scale[i / each] * w_scale[scales == 1 ? 0 : channel]) + (bias ? bias[channel] : 0);
    }
    return HN_OK;
}

static hn_err quantise_parts(hn_call *c, size_t parts, double **x, float **scale)
{
    size_t count = hn_count(c->in[X]), each = parts ? count / parts : 0;
    bool asymmetric = hn_attr_int(c->node, "asymmetric", 0) != 0;
    *scale = HN_SCRATCH(c, float, parts);
    HN_TRY(hn_load_f64(c, c->in[X], x));
    if (!*scale)
        return hn_nomem(c->cx, "quantised operands");
    for (size_t i = 0; i < parts; i++)
        (*scale)[i] = quantise(*x + i * each, each, asymmetric);
    return HN_OK;
}

static hn_err run_dynamic_conv(hn_call *c)
{
    hn_convolution g;
    double *x, *w, *sum = HN_SCRATCH(c, double, hn_count(c->out[0]));
    float *scale;
    HN_TRY(hn_convolution_find(c, X, W, &g));
    HN_TRY(quantise_parts(c, (size_t)g.n, &x, &scale));
    HN_TRY(hn_load_f64(c, c->in[W], &w));
    if (!sum)
        return hn_nomem(c->cx, "a convolution");
    hn_convolve(&g, x, w, sum);
    return finish_dynamic(c, sum, scale, (size_t)g.n, hn_window_size(g.w.out, g.w.rank), (size_t)g.m);
}

static hn_err run_dynamic_linear(hn_call *c)
{
    size_t n = (size_t)c->in[W]->shape.dim[0], k = (size_t)c->in[W]->shape.dim[1], count = hn_count(c->out[0]);
    size_t rows = n ? count / n : 0;
    double *x, *w, *sum = HN_SCRATCH(c, double, count);
    float *scale;
    HN_TRY(quantise_parts(c, rows, &x, &scale));
    HN_TRY(hn_load_f64(c, c->in[W], &w));
    if (!sum)
        return hn_nomem(c->cx, "a product");
    multiply(x, w, rows, n, k, sum);
    return finish_dynamic(c, sum, scale, rows, 1, n);
}

static const hn_attr_spec conv_attr[] = {
    HN_CONV_ATTRS, HN_INTEGER_ATTRS, { "w_zero", HN_ATTR_INT, "0" }, { "x_zero", HN_ATTR_INT, "0" }, { 0 }
};
static const hn_attr_spec linear_attr[] = {
    HN_INTEGER_ATTRS, { "w_zero", HN_ATTR_INT, "0" }, { "x_zero", HN_ATTR_INT, "0" }, { 0 }
};
static const hn_attr_spec dynamic_conv_attr[] = {
    HN_CONV_ATTRS, { "asymmetric", HN_ATTR_INT, "0: from -127 to 127 around 0" }, { 0 }
};
static const hn_attr_spec dynamic_attr[] = { { "asymmetric", HN_ATTR_INT, "0: from -127 to 127 around 0" }, { 0 } };

const hn_op hn_op_qconv = {
    .name = "QConv", .domain = "hone", .since = 1, .min_in = 3, .max_in = 4, .min_out = 1, .max_out = 1,
    .attr = conv_attr, .infer = infer_conv, .run = run_conv, .macs = macs_conv,
};

const hn_op hn_op_qlinear = {
    .name = "QLinear", .domain = "hone", .since = 1, .min_in = 3, .max_in = 4, .min_out = 1, .max_out = 1,
    .attr = linear_attr, .infer = infer_linear, .run = run_linear, .macs = macs_linear,
};

const hn_op hn_op_dynamicqconv = {
    .name = "DynamicQConv", .domain = "hone", .since = 1, .min_in = 3, .max_in = 4, .min_out = 1, .max_out = 1,
    .attr = dynamic_conv_attr, .infer = infer_dynamic_conv, .run = run_dynamic_conv, .macs = macs_conv,
};

const hn_op hn_op_dynamicqlinear = {
    .name = "DynamicQLinear", .domain = "hone", .since = 1, .min_in = 3, .max_in = 4, .min_out = 1, .max_out = 1,
    .attr = dynamic_attr, .infer = infer_dynamic_linear, .run = run_dynamic_linear, .macs = macs_linear,
};
