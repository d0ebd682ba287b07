/* SPDX-License-Identifier: Apache-2.0 */
/* grid.c: sampling a picture at any points: AffineGrid makes them, GridSample reads there.
 *
 *     x [N, C, D1..Dr]   grid [N, d1..dr, r]   y [N, C, d1..dr]
 *
 * Grid coordinates run from -1 to 1, the last spatial dimension first. */
#include <math.h>

#include "graph/load.h"

enum { SPACE_MAX = 3, TAPS_MAX = 4 };

typedef enum padding { ZEROS, BORDER, REFLECTION } padding;

static hn_err infer_sample(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *g = &c->in[1]->shape;
    hn_shape out = { .rank = -1 };
    const hn_node *n = c->node;

    HN_TRY(hn_want_number(c, 0));
    HN_TRY(hn_want_float(c, 1));
    if (!hn_attr_is(n, "mode", "linear", "linear") && !hn_attr_is(n, "mode", "nearest", "linear") &&
        !hn_attr_is(n, "mode", "cubic", "linear"))
        return hn_unsupported(c, "mode '%.*s'", (int)hn_attr_text(n, "mode", "").len, hn_attr_text(n, "mode", "").ptr);
    if (!hn_attr_is(n, "padding_mode", "zeros", "zeros") && !hn_attr_is(n, "padding_mode", "border", "zeros") &&
        !hn_attr_is(n, "padding_mode", "reflection", "zeros"))
        return hn_unsupported(c, "padding_mode '%.*s'", (int)hn_attr_text(n, "padding_mode", "").len,
                              hn_attr_text(n, "padding_mode", "").ptr);
    if (x->rank >= 0 && (x->rank < 3 || x->rank > SPACE_MAX + 2))
        return hn_unsupported(c, "an input of %d dimensions", x->rank);
    if (x->rank >= 0)
        HN_TRY(hn_want_rank(c, 1, x->rank));
    if (x->rank >= 0 && g->rank >= 0) {
        if (hn_dims_differ(x->dim[0], g->dim[0]) || hn_dims_differ(g->dim[g->rank - 1], x->rank - 2)) {
            char xt[HN_SHAPE_TEXT], gt[HN_SHAPE_TEXT];
            return hn_bad(c, "a grid of %s does not fit an input of %s", hn_shape_text(g, gt), hn_shape_text(x, xt));
        }
        out = *x;
        for (int i = 2; i < x->rank; i++) {
            out.dim[i] = g->dim[i - 1];
            if (x->dim[i] == 0 && hn_shape_count(g) != 0)
                return hn_bad(c, "dimension %d is empty: nothing to sample", i);
        }
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

/* Mirrors x into [low, high] as often as it takes. */
static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (!(range > 0))
        return low;
    double d = fmod(fabs(x - low), 2 * range);
    return low + (d > range ? 2 * range - d : d);
}

/* The input index `at` stands for under this padding; -1: a zero. */
static int64_t pad_index(double at, int64_t size, padding pad, bool corners)
{
    if (pad == REFLECTION)
        at = floor(reflect(at, corners ? 0 : -0.5, corners ? (double)size - 1 : (double)size - 0.5) + 0.5);
    if (pad == ZEROS)
        return at >= 0 && at < (double)size ? (int64_t)at : -1;
    return at > 0 ? (at < (double)size ? (int64_t)at : size - 1) : 0;
}

static void cubic_weights(double t, double w[TAPS_MAX])
{
    const double a = -0.75;
    for (int i = 0; i < 4; i++) {
        double d = fabs(t + 1 - i);
        w[i] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    }
}

/* The inputs of one dimension that a grid coordinate blends: count of them. */
static int find_taps(double g, int64_t size, const hn_node *n, padding pad, int64_t *at, double *w)
{
    bool corners = hn_attr_int(n, "align_corners", 0);
    double x = corners ? (g + 1) / 2 * (double)(size - 1) : ((g + 1) * (double)size - 1) / 2;
    int count = hn_attr_is(n, "mode", "nearest", "linear") ? 1 : hn_attr_is(n, "mode", "cubic", "linear") ? 4 : 2;

    if (isnan(x) || isinf(x))
        x = -1e9;
    if (count < 4 && pad == BORDER)                  /* cubic pads the taps, the others the point */
        x = fmin(fmax(x, 0), (double)size - 1);
    if (count < 4 && pad == REFLECTION)
        x = fmin(fmax(reflect(x, corners ? 0 : -0.5, corners ? (double)size - 1 : (double)size - 0.5), 0),
                 (double)size - 1);
    double base = floor(x), t = x - base;
    if (count == 1) {
        at[0] = pad_index(nearbyint(x), size, pad, corners);
        w[0] = 1;
    } else if (count == 2) {
        w[0] = 1 - t;
        w[1] = t;
    } else {
        cubic_weights(t, w);
        base -= 1;
    }
    for (int i = 0; i < count && count > 1; i++)
        at[i] = pad_index(base + i, size, pad, corners);
    return count;
}

static hn_err run_sample(hn_call *c)
{
    const hn_shape *xs = &c->in[0]->shape, *gs = &c->in[1]->shape;
    int space = xs->rank - 2;
    padding pad = hn_attr_is(c->node, "padding_mode", "border", "zeros") ? BORDER
                : hn_attr_is(c->node, "padding_mode", "reflection", "zeros") ? REFLECTION : ZEROS;
    double *x, *grid, *y = HN_SCRATCH(c, double, hn_count(c->out[0]));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(hn_load_f64(c, c->in[1], &grid));
    if (!y)
        return hn_nomem(c->cx, "samples");
    size_t channels = (size_t)xs->dim[1], plane = hn_shape_product(xs, 2, xs->rank);
    size_t points = hn_shape_product(gs, 1, gs->rank - 1);

    for (size_t n = 0; n < (size_t)xs->dim[0]; n++)
        for (size_t p = 0; p < points; p++) {
            int64_t at[SPACE_MAX][TAPS_MAX];
            double w[SPACE_MAX][TAPS_MAX];
            int taps = 1, total = 1;
            for (int d = 0; d < space; d++) {
                double g = grid[(n * points + p) * (size_t)space + (size_t)(space - 1 - d)];
                taps = find_taps(g, xs->dim[d + 2], c->node, pad, at[d], w[d]);
                total *= taps;
            }
            for (int k = 0; k < total; k++) {
                double weight = 1;
                int64_t from = 0;
                for (int d = 0, rest = k; d < space; d++, rest /= taps) {
                    weight *= w[d][rest % taps];
                    from = from < 0 || at[d][rest % taps] < 0 ? -1
                         : from * xs->dim[d + 2] + at[d][rest % taps];
                }
                for (size_t ch = 0; ch < channels && from >= 0; ch++)
                    y[(n * channels + ch) * points + p] += weight * x[(n * channels + ch) * plane + (size_t)from];
            }
        }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

/* ---- AffineGrid -------------------------------------------------------------------------- */

/* theta [N, r, r + 1], size [N, C, d1..dr] -> [N, d1..dr, r] */
static hn_err infer_affine(hn_call *c)
{
    const hn_shape *t = &c->in[0]->shape;
    int64_t size[HN_RANK_MAX];
    hn_shape out = { .rank = -1 };
    int n = hn_known(c, 1, size, HN_RANK_MAX);
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_rank(c, 0, 3));
    HN_TRY(hn_want_type(c, 1, HN_I64));
    if (c->in[1]->data && n != 4 && n != 5)
        return hn_bad(c, "size has %zu entries, expected 4 or 5", hn_count(c->in[1]));
    if (n >= 4 && t->rank == 3 && (hn_dims_differ(t->dim[0], size[0]) || hn_dims_differ(t->dim[1], n - 2) ||
                                   hn_dims_differ(t->dim[2], n - 1))) {
        char text[HN_SHAPE_TEXT];
        return hn_bad(c, "theta of %s does not fit a size of %d entries", hn_shape_text(t, text), n);
    }
    if (n >= 4) {
        out = (hn_shape){ .rank = n, .dim = { size[0] } };
        for (int i = 2; i < n; i++)
            out.dim[i - 1] = size[i];
        out.dim[n - 1] = n - 2;
        for (int i = 0; i < n; i++)
            if (out.dim[i] < 0 && !hn_is_symbol(out.dim[i]))
                return hn_bad(c, "size holds %lld", (long long)out.dim[i]);
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

static hn_err run_affine(hn_call *c)
{
    const hn_shape *out = &c->out[0]->shape;
    bool corners = hn_attr_int(c->node, "align_corners", 0);
    int space = out->rank - 2;
    double *theta;
    HN_TRY(hn_load_f64(c, c->in[0], &theta));
    size_t points = hn_shape_product(out, 1, out->rank - 1), r = (size_t)space;
    for (size_t i = 0; i < (size_t)out->dim[0] * points; i++) {
        double at[SPACE_MAX + 1] = { 0 };
        size_t rest = i % points;
        for (int d = space - 1; d >= 0; d--) {      /* the last dimension is x, the first coordinate */
            double size = (double)out->dim[d + 1], k = (double)(rest % (size_t)out->dim[d + 1]);
            rest /= (size_t)out->dim[d + 1];
            at[space - 1 - d] = corners ? (size > 1 ? 2 * k / (size - 1) - 1 : 0) : (2 * k + 1) / size - 1;
        }
        at[space] = 1;
        for (size_t row = 0; row < r; row++) {
            double v = 0;
            for (size_t k = 0; k <= r; k++)
                v += theta[(i / points * r + row) * (r + 1) + k] * at[k];
            hn_put_f64(c->out[0], i * r + row, 1, &v);
        }
    }
    return HN_OK;
}

static const hn_attr_spec sample_attr[] = {
    { "align_corners", HN_ATTR_INT, "0: -1 and 1 are the outer edges" },
    { "mode", HN_ATTR_TEXT, "linear, nearest or cubic" },
    { "padding_mode", HN_ATTR_TEXT, "zeros, border or reflection" }, { 0 }
};
static const hn_attr_spec affine_attr[] = { { "align_corners", HN_ATTR_INT, "0" }, { 0 } };

const hn_op hn_op_gridsample = {
    .name = "GridSample", .since = 22, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .attr = sample_attr, .infer = infer_sample, .run = run_sample,
};

const hn_op hn_op_affinegrid = {
    .name = "AffineGrid", .since = 20, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .attr = affine_attr, .infer = infer_affine, .run = run_affine,
};
