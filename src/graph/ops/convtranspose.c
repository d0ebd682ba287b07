/* SPDX-License-Identifier: Apache-2.0 */
/* convtranspose.c: convolution backwards: every input element spreads over a window of outputs.
 *
 *     x [N, C, spatial...]   w [C, M / group, kernel...]   b [M]   y [N, M, spatial...] */
#include "graph/load.h"
#include "graph/window.h"

typedef struct geometry {
    hn_window w;             /* seen from the output: w.in is what the window slides over there */
    int64_t n, c, m, group;
    hn_shape out;
} geometry;

/* auto_pad and output_shape ask for a size and find the pads; otherwise pads give the size. */
static hn_err find_size(hn_call *c, geometry *g, int i, int64_t extra, int64_t want)
{
    hn_window *w = &g->w;
    bool upper = hn_attr_is(c->node, "auto_pad", "SAME_UPPER", "NOTSET");
    bool same = upper || hn_attr_is(c->node, "auto_pad", "SAME_LOWER", "NOTSET");

    if (hn_is_symbol(w->in[i]) || hn_is_symbol(w->kernel[i])) {
        w->out[i] = want >= 0 ? want : hn_fresh_dim(c);
        return HN_OK;
    }
    int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    int64_t full = w->in[i] > 0 ? (w->in[i] - 1) * w->stride[i] + reach + extra : 0;
    if (want < 0 && same)
        want = w->in[i] * w->stride[i];
    if (want < 0) {
        w->out[i] = full - w->pad_begin[i] - w->pad_end[i];
        if (w->out[i] < 0)
            return hn_bad(c, "pads take more than the %lld elements of dimension %d", (long long)full, i + 2);
        return HN_OK;
    }
    int64_t pad = full - want;                   /* below 0: what is past the last window is bias alone */
    pad = pad < 0 ? 0 : pad;
    w->out[i] = want;
    w->pad_begin[i] = upper ? pad / 2 : pad - pad / 2;
    w->pad_end[i] = pad - w->pad_begin[i];
    return HN_OK;
}

static hn_err find_geometry(hn_call *c, geometry *g)
{
    const hn_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const int64_t *extra, *want;
    size_t extras = hn_attr_ints(c->node, "output_padding", &extra);
    size_t wants = hn_attr_ints(c->node, "output_shape", &want);

    *g = (geometry){ .out.rank = -1, .group = hn_attr_int(c->node, "group", 1) };
    if (g->group < 1)
        return hn_bad(c, "group is %lld, expected 1 or more", (long long)g->group);
    if (x->rank < 0 || w->rank < 0)
        return HN_OK;
    if (w->rank != x->rank)
        return hn_bad(c, "input has %d dimensions, weights have %d", x->rank, w->rank);
    HN_TRY(hn_window_read(c, x, w, &g->w));
    int rank = g->w.rank;
    if ((extras && extras != (size_t)rank) || (wants && wants != (size_t)rank))
        return hn_bad(c, "output_padding or output_shape does not have %d entries", rank);

    g->n = x->dim[0];
    g->c = x->dim[1];
    if (hn_dims_differ(g->c, w->dim[0]) || (!hn_is_symbol(g->c) && g->c % g->group))
        return hn_bad(c, "%lld channels in %lld groups do not match weights for %lld channels",
                      (long long)g->c, (long long)g->group, (long long)w->dim[0]);
    if (hn_is_symbol(w->dim[1]))
        g->m = hn_fresh_dim(c);
    else if (__builtin_mul_overflow(w->dim[1], g->group, &g->m))
        return hn_bad(c, "%lld groups are too many", (long long)g->group);
    g->out = (hn_shape){ .rank = x->rank, .dim = { g->n, g->m } };
    bool valid = hn_attr_is(c->node, "auto_pad", "VALID", "NOTSET");
    for (int i = 0; i < rank; i++) {
        int64_t e = extras ? extra[i] : 0, size = wants ? want[i] : -1;
        if (e < 0 || e >= INT32_MAX || (wants && (size < 0 || size >= INT32_MAX)))
            return hn_bad(c, "output_padding %lld or output_shape %lld is out of range", (long long)e,
                          (long long)size);
        if (valid)
            g->w.pad_begin[i] = g->w.pad_end[i] = 0;
        HN_TRY(find_size(c, g, i, e, size));
        g->out.dim[i + 2] = g->w.out[i];
    }
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    geometry g;
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_same(c, 0, 1));
    HN_TRY(hn_want_same(c, 0, 2));
    HN_TRY(hn_want_rank(c, 2, 1));
    HN_TRY(find_geometry(c, &g));
    if (g.out.rank >= 0 && hn_has_in(c, 2) && c->in[2]->shape.rank == 1 &&
        hn_dims_differ(c->in[2]->shape.dim[0], g.m))
        return hn_bad(c, "%lld biases for %lld output channels", (long long)c->in[2]->shape.dim[0],
                      (long long)g.m);
    hn_out(c, 0, c->in[0]->dtype, &g.out);
    return HN_OK;
}

/* y[in * stride + tap] += x[in] * tap for one plane of x and one plane of y. */
static void spread(const hn_window *w, const double *x, const double *weight, double *y)
{
    int last = w->rank - 1;
    int64_t at[HN_SPATIAL_MAX] = { 0 };
    do {
        int64_t off[HN_SPATIAL_MAX], from[HN_SPATIAL_MAX], to[HN_SPATIAL_MAX], pos[HN_SPATIAL_MAX];
        double tap = *weight++;
        bool some = true;
        for (int i = 0; i <= last; i++) {
            int64_t s = w->stride[i];
            off[i] = at[i] * w->dilation[i] - w->pad_begin[i];
            from[i] = off[i] < 0 ? (-off[i] + s - 1) / s : 0;
            to[i] = w->out[i] > off[i] ? (w->out[i] - off[i] + s - 1) / s : 0;
            to[i] = to[i] > w->in[i] ? w->in[i] : to[i];
            some = some && to[i] > from[i];
            pos[i] = from[i];
        }
        if (!some)
            continue;
        do {
            int64_t ix = 0, iy = 0;
            for (int i = 0; i <= last; i++) {
                ix = ix * w->in[i] + (i < last ? pos[i] : 0);
                iy = iy * w->out[i] + (i < last ? pos[i] * w->stride[i] + off[i] : 0);
            }
            for (int64_t j = from[last]; j < to[last]; j++)
                y[iy + j * w->stride[last] + off[last]] += tap * x[ix + j];
        } while (hn_step(last, pos, from, to));
    } while (hn_step(w->rank, at, NULL, w->kernel));
}

static hn_err run(hn_call *c)
{
    geometry g;
    double *x, *w, *b = NULL;
    HN_TRY(find_geometry(c, &g));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(hn_load_f64(c, c->in[1], &w));
    if (hn_has_in(c, 2))
        HN_TRY(hn_load_f64(c, c->in[2], &b));

    size_t count = hn_count(c->out[0]), taps = hn_window_size(g.w.kernel, g.w.rank);
    size_t in = hn_window_size(g.w.in, g.w.rank), out = hn_window_size(g.w.out, g.w.rank);
    size_t cg = (size_t)(g.c / g.group), mg = (size_t)(g.m / g.group);
    double *y = HN_SCRATCH(c, double, count);
    if (!y)
        return hn_nomem(c->cx, "a convolution");
    if (count == 0)
        return HN_OK;
    for (size_t i = 0; b && i < count; i++)
        y[i] = b[i / out % (size_t)g.m];
    for (size_t n = 0; n < (size_t)g.n; n++)
        for (size_t ci = 0; ci < (size_t)g.c; ci++)
            for (size_t m = 0; m < mg; m++)
                spread(&g.w, x + (n * (size_t)g.c + ci) * in, w + (ci * mg + m) * taps,
                       y + (n * (size_t)g.m + ci / cg * mg + m) * out);
    hn_put_f64(c->out[0], 0, count, y);
    return HN_OK;
}

static double macs(const hn_call *c)
{
    const hn_shape *w = &c->in[1]->shape;
    return (double)hn_count(c->in[0]) * (double)hn_shape_product(w, 1, w->rank);
}

static const hn_attr_spec attr[] = {
    { "auto_pad", HN_ATTR_TEXT, "NOTSET, SAME_UPPER, SAME_LOWER or VALID" },
    { "dilations", HN_ATTR_INTS, "1s" },
    { "group", HN_ATTR_INT, "1" },
    { "kernel_shape", HN_ATTR_INTS, "from the weights" },
    { "output_padding", HN_ATTR_INTS, "0s: added at the end" },
    { "output_shape", HN_ATTR_INTS, "spatial sizes; pads follow from them" },
    { "pads", HN_ATTR_INTS, "0s: all begins, then all ends" },
    { "strides", HN_ATTR_INTS, "1s" },
    { 0 }
};

const hn_op hn_op_convtranspose = {
    .name = "ConvTranspose", .since = 22, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run, .macs = macs,
};
