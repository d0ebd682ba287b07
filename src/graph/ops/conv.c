/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c: convolution of any rank, in floating point and on quantised integers.
 *
 *     x [N, C, spatial...]   w [M, C / group, kernel...]   b [M]   y [N, M, spatial...]
 *
 * One loop serves all of them: products of 8-bit integers and their sums are exact in double. */
#include <math.h>
#include <string.h>

#include "graph/convolve.h"
#include "graph/load.h"

typedef hn_convolution geometry;

hn_err hn_convolution_find(hn_call *c, int x_at, int w_at, geometry *g)
{
    const hn_shape *x = &c->in[x_at]->shape, *w = &c->in[w_at]->shape;

    *g = (geometry){ .out.rank = -1, .group = hn_attr_int(c->node, "group", 1) };
    if (g->group < 1)
        return hn_bad(c, "group is %lld, expected 1 or more", (long long)g->group);
    if (x->rank < 0)
        return HN_OK;
    if (w->rank >= 0 && w->rank != x->rank)
        return hn_bad(c, "input has %d dimensions, weights have %d", x->rank, w->rank);
    HN_TRY(hn_window_read(c, x, w, &g->w));
    if (w->rank < 0) {                          /* the kernel's size comes with the weights */
        const int64_t *given;
        for (int i = 0; i < g->w.rank && !hn_attr_ints(c->node, "kernel_shape", &given); i++)
            g->w.kernel[i] = hn_fresh_dim(c);
    }
    HN_TRY(hn_window_out(c, false, &g->w));

    g->n = x->dim[0];
    g->c = x->dim[1];
    g->m = w->rank >= 0 ? w->dim[0] : hn_fresh_dim(c);
    int64_t per_group = w->rank >= 0 ? w->dim[1] : HN_SYMBOL;
    if (!hn_is_symbol(g->c) && !hn_is_symbol(per_group) &&
        (g->c % g->group || g->c / g->group != per_group))
        return hn_bad(c, "%lld channels in %lld groups do not match weights for %lld channels",
                      (long long)g->c, (long long)g->group, (long long)per_group);
    if (!hn_is_symbol(g->m) && g->m % g->group)
        return hn_bad(c, "%lld output channels cannot be split into %lld groups", (long long)g->m,
                      (long long)g->group);
    g->out = (hn_shape){ .rank = x->rank, .dim = { g->n, g->m } };
    for (int i = 0; i < g->w.rank; i++)
        g->out.dim[i + 2] = g->w.out[i];
    return HN_OK;
}

/* A one-dimensional per-channel operand: scale, zero point, bias. */
hn_err hn_convolution_channels(const hn_call *c, int i, int64_t m, bool scalar_too)
{
    if (!hn_has_in(c, i) || c->in[i]->shape.rank < 0)
        return HN_OK;
    const hn_shape *s = &c->in[i]->shape;
    if (scalar_too && (s->rank == 0 || (s->rank == 1 && s->dim[0] == 1)))
        return HN_OK;
    if (s->rank != 1 || hn_dims_differ(s->dim[0], m)) {
        char text[HN_SHAPE_TEXT];
        return hn_bad(c, "input %d has shape %s, expected one entry per output channel", i,
                      hn_shape_text(s, text));
    }
    return HN_OK;
}

/* y[out...] += tap * x[in...] for one plane, wherever the tap at kernel position `at` meets the input. */
static void add_tap(const hn_window *w, const int64_t *at, double tap, const double *x, double *y)
{
    int last = w->rank - 1;
    int64_t off[HN_SPATIAL_MAX], from[HN_SPATIAL_MAX], to[HN_SPATIAL_MAX], pos[HN_SPATIAL_MAX];

    for (int i = 0; i <= last; i++) {
        int64_t s = w->stride[i];
        off[i] = at[i] * w->dilation[i] - w->pad_begin[i];
        from[i] = off[i] < 0 ? (-off[i] + s - 1) / s : 0;
        to[i] = w->in[i] > off[i] ? (w->in[i] - off[i] + s - 1) / s : 0;
        to[i] = to[i] > w->out[i] ? w->out[i] : to[i];
        if (to[i] <= from[i])
            return;
        pos[i] = from[i];
    }
    do {
        int64_t ix = 0, iy = 0, s = w->stride[last];
        for (int i = 0; i <= last; i++) {
            ix = ix * w->in[i] + (i < last ? pos[i] * w->stride[i] + off[i] : 0);
            iy = iy * w->out[i] + (i < last ? pos[i] : 0);
        }
        const double *row = x + ix;
        double *sum = y + iy;
        if (s == 1)
            for (int64_t j = from[last]; j < to[last]; j++)
                sum[j] += tap * row[j + off[last]];
        else
            for (int64_t j = from[last]; j < to[last]; j++)
                sum[j] += tap * row[j * s + off[last]];
    } while (hn_step(last, pos, from, to));
}

/* A kernel of one tap that neither strides nor pads sees a plane as one long row. */
static void flatten_pointwise(hn_window *w)
{
    for (int i = 0; i < w->rank; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_begin[i] || w->pad_end[i])
            return;
    w->in[0] = w->out[0] = (int64_t)hn_window_size(w->in, w->rank);
    w->rank = 1;
}

/* y [n, m, out...] += x * weight. */
void hn_convolve(const geometry *g, const double *x, const double *weight, double *y)
{
    hn_window w = g->w;
    flatten_pointwise(&w);
    size_t in = hn_window_size(w.in, w.rank), out = hn_window_size(w.out, w.rank);
    size_t cg = (size_t)(g->c / g->group), mg = (size_t)(g->m / g->group);
    size_t taps = hn_window_size(w.kernel, w.rank);

    if (in == 0 || out == 0)
        return;
    for (size_t n = 0; n < (size_t)g->n; n++)
        for (size_t m = 0; m < (size_t)g->m; m++)
            for (size_t c = 0; c < cg; c++) {
                const double *plane = x + (n * (size_t)g->c + m / mg * cg + c) * in;
                const double *tap = weight + (m * cg + c) * taps;
                int64_t at[HN_SPATIAL_MAX] = { 0 };
                do
                    add_tap(&w, at, *tap++, plane, y + (n * (size_t)g->m + m) * out);
                while (hn_step(w.rank, at, NULL, w.kernel));
            }
}

double hn_convolution_macs(const hn_call *c, int w_at)
{
    const hn_shape *w = &c->in[w_at]->shape;
    return (double)hn_count(c->out[0]) * (double)hn_shape_product(w, 1, w->rank);
}

/* ---- Conv ----------------------------------------------------------------------------- */

static hn_err infer_conv(hn_call *c)
{
    geometry g;
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_same(c, 0, 1));
    HN_TRY(hn_want_same(c, 0, 2));
    HN_TRY(hn_convolution_find(c, 0, 1, &g));
    if (g.out.rank >= 0)
        HN_TRY(hn_convolution_channels(c, 2, g.m, false));
    hn_out(c, 0, c->in[0]->dtype, &g.out);
    return HN_OK;
}

static hn_err run_conv(hn_call *c)
{
    geometry g;
    double *x, *w, *b = NULL;
    size_t count = hn_count(c->out[0]);
    HN_TRY(hn_convolution_find(c, 0, 1, &g));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(hn_load_f64(c, c->in[1], &w));
    if (hn_has_in(c, 2))
        HN_TRY(hn_load_f64(c, c->in[2], &b));
    double *y = HN_SCRATCH(c, double, count);
    if (!y)
        return hn_nomem(c->cx, "a convolution");

    size_t plane = hn_window_size(g.w.out, g.w.rank);
    for (size_t i = 0; b && i < count; i++)
        y[i] = b[i / plane % (size_t)g.m];
    hn_convolve(&g, x, w, y);
    hn_put_f64(c->out[0], 0, count, y);
    return HN_OK;
}

static double macs_conv(const hn_call *c) { return hn_convolution_macs(c, 1); }

/* ---- Quantised ------------------------------------------------------------------------- */

static hn_err want_bytes(const hn_call *c, int i)
{
    hn_dtype t = c->in[i]->dtype;
    return t == HN_U8 || t == HN_I8 ? HN_OK
         : hn_unsupported(c, "no such operation on %s", hn_dtype_name(t));
}

/* Input `at` minus the zero point in input `zp_at` (one, or one per output channel: the first axis). */
static hn_err load_centred(hn_call *c, int at, int zp_at, double **out)
{
    size_t count = hn_count(c->in[at]);
    HN_TRY(hn_load_f64(c, c->in[at], out));
    if (!hn_has_in(c, zp_at))
        return HN_OK;
    double *zero;
    size_t zeros = hn_count(c->in[zp_at]);
    HN_TRY(hn_load_f64(c, c->in[zp_at], &zero));
    for (size_t i = 0; zeros && i < count; i++)
        (*out)[i] -= zero[zeros == 1 ? 0 : i / (count / zeros)];
    return HN_OK;
}

/* The zero point of an input is one number; that of weights may have one per output channel. */
static hn_err check_zero_points(const hn_call *c, int x_zp, int w_zp, int64_t m)
{
    if (hn_has_in(c, x_zp) && hn_shape_known(&c->in[x_zp]->shape) && hn_count(c->in[x_zp]) != 1)
        return hn_bad(c, "input %d has %zu zero points, expected 1", x_zp, hn_count(c->in[x_zp]));
    return hn_convolution_channels(c, w_zp, m, true);
}

static hn_err infer_conv_integer(hn_call *c)
{
    geometry g;
    HN_TRY(want_bytes(c, 0));
    HN_TRY(want_bytes(c, 1));
    HN_TRY(hn_want_same(c, 0, 2));
    HN_TRY(hn_want_same(c, 1, 3));
    HN_TRY(hn_convolution_find(c, 0, 1, &g));
    if (g.out.rank >= 0)
        HN_TRY(check_zero_points(c, 2, 3, g.m));
    hn_out(c, 0, HN_I32, &g.out);
    return HN_OK;
}

/* Padding stands for the zero point, which is 0 once it is taken away. */
static hn_err sum_products(hn_call *c, const geometry *g, const int at[4], double **out)
{
    double *x, *w;
    HN_TRY(load_centred(c, at[0], at[1], &x));
    HN_TRY(load_centred(c, at[2], at[3], &w));
    *out = HN_SCRATCH(c, double, hn_count(c->out[0]));
    if (!*out)
        return hn_nomem(c->cx, "a convolution");
    hn_convolve(g, x, w, *out);
    return HN_OK;
}

static hn_err run_conv_integer(hn_call *c)
{
    geometry g;
    double *y;
    HN_TRY(hn_convolution_find(c, 0, 1, &g));
    HN_TRY(sum_products(c, &g, (int[]){ 0, 2, 1, 3 }, &y));
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };     /* QLinearConv */

static hn_err infer_qlinear(hn_call *c)
{
    geometry g;
    HN_TRY(want_bytes(c, X));
    HN_TRY(want_bytes(c, W));
    HN_TRY(want_bytes(c, Y_ZERO));
    HN_TRY(hn_want_same(c, X, X_ZERO));
    HN_TRY(hn_want_same(c, W, W_ZERO));
    HN_TRY(hn_want_type(c, BIAS, HN_I32));
    for (int i = X_SCALE; i <= Y_SCALE; i += W_SCALE - X_SCALE)
        HN_TRY(hn_want_type(c, i, HN_F32));
    HN_TRY(hn_convolution_find(c, X, W, &g));
    for (int i = X_SCALE; i <= Y_ZERO; i++)
        if ((i == X_SCALE || i >= Y_SCALE) && hn_shape_known(&c->in[i]->shape) && hn_count(c->in[i]) != 1)
            return hn_bad(c, "input %d has %zu elements, expected 1", i, hn_count(c->in[i]));
    if (g.out.rank >= 0) {
        HN_TRY(check_zero_points(c, X_ZERO, W_ZERO, g.m));
        HN_TRY(hn_convolution_channels(c, W_SCALE, g.m, true));
        HN_TRY(hn_convolution_channels(c, BIAS, g.m, false));
    }
    hn_out(c, 0, c->in[Y_ZERO]->dtype, &g.out);
    return HN_OK;
}

static hn_err run_qlinear(hn_call *c)
{
    geometry g;
    double *y, *scale, *bias = NULL;
    size_t count = hn_count(c->out[0]), scales = hn_count(c->in[W_SCALE]);
    HN_TRY(hn_convolution_find(c, X, W, &g));
    HN_TRY(sum_products(c, &g, (int[]){ X, X_ZERO, W, W_ZERO }, &y));
    HN_TRY(hn_load_f64(c, c->in[W_SCALE], &scale));
    if (hn_has_in(c, BIAS))
        HN_TRY(hn_load_f64(c, c->in[BIAS], &bias));

    size_t plane = hn_window_size(g.w.out, g.w.rank);
    double sx = hn_scalar_f64(c, X_SCALE, 1), sy = hn_scalar_f64(c, Y_SCALE, 1);
    double zero = hn_scalar_f64(c, Y_ZERO, 0);
    double low = c->out[0]->dtype == HN_I8 ? -128 : 0;
    for (size_t i = 0; i < count; i++) {
        size_t m = i / plane % (size_t)g.m;
        double v = (y[i] + (bias ? bias[m] : 0)) * (sx * scale[scales == 1 ? 0 : m] / sy);
        y[i] = fmin(fmax(nearbyint(v) + zero, low), low + 255);
    }
    hn_put_f64(c->out[0], 0, count, y);
    return HN_OK;
}

static double macs_qlinear(const hn_call *c) { return hn_convolution_macs(c, W); }

static const hn_attr_spec attr[] = { HN_CONV_ATTRS, { 0 } };

const hn_op hn_op_conv = {
    .name = "Conv", .since = 22, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1, .attr = attr,
    .infer = infer_conv, .run = run_conv, .macs = macs_conv,
};

const hn_op hn_op_convinteger = {
    .name = "ConvInteger", .since = 10, .min_in = 2, .max_in = 4, .min_out = 1, .max_out = 1, .attr = attr,
    .infer = infer_conv_integer, .run = run_conv_integer, .macs = macs_conv,
};

const hn_op hn_op_qlinearconv = {
    .name = "QLinearConv", .since = 10, .min_in = 8, .max_in = 9, .min_out = 1, .max_out = 1, .attr = attr,
    .infer = infer_qlinear, .run = run_qlinear, .macs = macs_qlinear,
};
