/* SPDX-License-Identifier: Apache-2.0 */
/* deform.c: DeformConv: a convolution whose taps are moved, each by an offset of its own.
 *
 *     x [N, C, H, W]   w [M, C / group, kh, kw]   offset [N, g kh kw 2, oh, ow]   bias [M]
 *     mask [N, g kh kw, oh, ow]   ->   y [N, M, oh, ow]
 *
 * g groups of channels share offsets.  Taps between pixels are read bilinearly, outside is 0. */
#include <math.h>

#include "base/num.h"
#include "graph/load.h"

enum { X, W, OFFSET, BIAS, MASK };

typedef struct geometry {
    int64_t group, offset_group, kernel[2], stride[2], dilation[2], pad[4], out[2];
} geometry;

static hn_err read_pair(hn_call *c, const char *name, int count, int64_t least, int64_t *v)
{
    const int64_t *list;
    size_t n = hn_attr_ints(c->node, name, &list);
    if (n && n != (size_t)count)
        return hn_unsupported(c, "%s of %zu numbers, expected %d: only pictures are convolved", name, n, count);
    for (size_t i = 0; i < n; i++) {
        if (list[i] < least || list[i] > INT32_MAX)
            return hn_bad(c, "%s holds %lld", name, (long long)list[i]);
        v[i] = list[i];
    }
    return HN_OK;
}

/* Shapes of x and w known. */
static hn_err read_geometry(hn_call *c, geometry *g)
{
    const hn_shape *x = &c->in[X]->shape, *w = &c->in[W]->shape;
    *g = (geometry){ .group = hn_attr_int(c->node, "group", 1), .offset_group = hn_attr_int(c->node, "offset_group", 1),
                     .kernel = { w->dim[2], w->dim[3] }, .stride = { 1, 1 }, .dilation = { 1, 1 } };
    HN_TRY(read_pair(c, "kernel_shape", 2, 1, g->kernel));
    HN_TRY(read_pair(c, "strides", 2, 1, g->stride));
    HN_TRY(read_pair(c, "dilations", 2, 1, g->dilation));
    HN_TRY(read_pair(c, "pads", 4, 0, g->pad));
    if (g->kernel[0] != w->dim[2] || g->kernel[1] != w->dim[3] || g->kernel[0] < 1 || g->kernel[1] < 1 ||
        w->dim[2] > INT32_MAX || w->dim[3] > INT32_MAX)
        return hn_bad(c, "the kernel is %lldx%lld", (long long)w->dim[2], (long long)w->dim[3]);
    if (g->group < 1 || g->offset_group < 1 || x->dim[1] % g->group || x->dim[1] % g->offset_group ||
        w->dim[0] % g->group || x->dim[1] / g->group != w->dim[1])
        return hn_bad(c, "%lld channels, %lld groups, %lld offset groups and weights of %lld by %lld do not fit",
                      (long long)x->dim[1], (long long)g->group, (long long)g->offset_group, (long long)w->dim[0],
                      (long long)w->dim[1]);
    for (int i = 0; i < 2; i++) {
        if (x->dim[2 + i] > INT64_MAX / 4)
            return hn_bad(c, "a picture of %lld by %lld", (long long)x->dim[2], (long long)x->dim[3]);
        int64_t reach = (g->kernel[i] - 1) * g->dilation[i] + 1, room = x->dim[2 + i] + g->pad[i] + g->pad[2 + i];
        g->out[i] = room < reach ? 0 : (room - reach) / g->stride[i] + 1;
    }
    return HN_OK;
}

static hn_err check(hn_call *c, int i, int64_t channels, const geometry *g)
{
    const hn_shape *s = &c->in[i]->shape;
    int64_t want[] = { c->in[X]->shape.dim[0], channels, g->out[0], g->out[1] };
    HN_TRY(hn_want_rank(c, i, 4));
    for (int d = 0; d < s->rank; d++)
        if (hn_dims_differ(s->dim[d], want[d]))
            return hn_bad(c, "dimension %d of input %d is %lld, expected %lld", d, i, (long long)s->dim[d],
                          (long long)want[d]);
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    const hn_shape *x = &c->in[X]->shape, *w = &c->in[W]->shape;
    hn_shape y = { .rank = 4 };
    geometry g;
    HN_TRY(hn_want_float(c, X));
    for (int i = W; i <= MASK; i++)
        HN_TRY(hn_want_same(c, X, i));
    if ((x->rank >= 0 && x->rank != 4) || (w->rank >= 0 && w->rank != 4))
        return hn_unsupported(c, "inputs of %d dimensions: only pictures are convolved", x->rank);
    if (!hn_shape_known(x) || !hn_shape_known(w)) {
        for (int i = 0; i < 4; i++)
            y.dim[i] = hn_fresh_dim(c);
        hn_out(c, 0, c->in[X]->dtype, &y);
        return HN_OK;
    }
    HN_TRY(read_geometry(c, &g));
    int64_t taps = g.kernel[0] * g.kernel[1];
    if (g.offset_group > INT32_MAX || taps > INT32_MAX)
        return hn_bad(c, "too many taps");
    HN_TRY(check(c, OFFSET, g.offset_group * taps * 2, &g));
    if (hn_has_in(c, MASK))
        HN_TRY(check(c, MASK, g.offset_group * taps, &g));
    HN_TRY(hn_want_rank(c, BIAS, 1));
    if (hn_has_in(c, BIAS) && c->in[BIAS]->shape.rank == 1 && hn_dims_differ(c->in[BIAS]->shape.dim[0], w->dim[0]))
        return hn_bad(c, "%lld biases for %lld channels", (long long)c->in[BIAS]->shape.dim[0], (long long)w->dim[0]);
    y = (hn_shape){ .rank = 4, .dim = { x->dim[0], w->dim[0], g.out[0], g.out[1] } };
    hn_out(c, 0, c->in[X]->dtype, &y);
    return HN_OK;
}

static double pixel(const double *x, int64_t h, int64_t w, int64_t i, int64_t j)
{
    return i < 0 || j < 0 || i >= h || j >= w ? 0 : x[i * w + j];
}

static double sample(const double *x, int64_t h, int64_t w, double i, double j)
{
    if (!(i > -1 && j > -1 && i < (double)h && j < (double)w))        /* NaN too */
        return 0;
    int64_t i0 = (int64_t)floor(i), j0 = (int64_t)floor(j);
    double di = i - (double)i0, dj = j - (double)j0;
    return (1 - di) * ((1 - dj) * pixel(x, h, w, i0, j0) + dj * pixel(x, h, w, i0, j0 + 1)) +
           di * ((1 - dj) * pixel(x, h, w, i0 + 1, j0) + dj * pixel(x, h, w, i0 + 1, j0 + 1));
}

/* The moved taps of one output place, for every channel: col[c * taps + k]. */
static void gather(const hn_call *c, const geometry *g, double *const *v, size_t n, int64_t oi, int64_t oj, double *col)
{
    const hn_shape *x = &c->in[X]->shape;
    int64_t channels = x->dim[1], h = x->dim[2], w = x->dim[3], taps = g->kernel[0] * g->kernel[1];
    size_t area = (size_t)(g->out[0] * g->out[1]), place = (size_t)(oi * g->out[1] + oj);
    for (int64_t ch = 0; ch < channels; ch++)
        for (int64_t k = 0; k < taps; k++) {
            int64_t og = ch / (channels / g->offset_group), tap = og * taps + k;
            size_t at = (n * (size_t)(g->offset_group * taps) + (size_t)tap);
            const double *move = v[OFFSET] + 2 * at * area + place;
            double i = (double)(oi * g->stride[0] - g->pad[0] + k / g->kernel[1] * g->dilation[0]) + move[0];
            double j = (double)(oj * g->stride[1] - g->pad[1] + k % g->kernel[1] * g->dilation[1]) + move[area];
            double s = sample(v[X] + (n * (size_t)channels + (size_t)ch) * (size_t)(h * w), h, w, i, j);
            col[ch * taps + k] = v[MASK] ? s * v[MASK][at * area + place] : s;
        }
}

static hn_err run(hn_call *c)
{
    const hn_shape *x = &c->in[X]->shape, *w = &c->in[W]->shape;
    double *v[MASK + 1] = { NULL };
    geometry g;
    HN_TRY(read_geometry(c, &g));
    for (int i = X; i <= MASK; i++)
        if (hn_has_in(c, i))
            HN_TRY(hn_load_f64(c, c->in[i], &v[i]));
    size_t outs = (size_t)w->dim[0], depth = (size_t)(w->dim[1] * w->dim[2] * w->dim[3]);
    size_t area = (size_t)(g.out[0] * g.out[1]);
    double *col = HN_SCRATCH(c, double, hn_mul(depth, (size_t)g.group));
    if (!col)
        return hn_nomem(c->cx, "a convolution");
    for (size_t n = 0; n < (size_t)x->dim[0] && hn_count(c->out[0]); n++)
        for (size_t place = 0; place < area; place++) {
            gather(c, &g, v, n, (int64_t)place / g.out[1], (int64_t)place % g.out[1], col);
            for (size_t m = 0; m < outs; m++) {
                const double *from = col + m / (outs / (size_t)g.group) * depth;
                double sum = v[BIAS] ? v[BIAS][m] : 0;
                for (size_t k = 0; k < depth; k++)
                    sum += v[W][m * depth + k] * from[k];
                hn_put_f64(c->out[0], (n * outs + m) * area + place, 1, &sum);
            }
        }
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "dilations", HN_ATTR_INTS, "1" }, { "group", HN_ATTR_INT, "1" }, { "kernel_shape", HN_ATTR_INTS, "from the weights" },
    { "offset_group", HN_ATTR_INT, "1" }, { "pads", HN_ATTR_INTS, "0" }, { "strides", HN_ATTR_INTS, "1" }, { 0 }
};

const hn_op hn_op_deform_conv = {
    .name = "DeformConv", .since = 22, .min_in = 3, .max_in = 5, .min_out = 1, .max_out = 1, .attr = attr,
    .infer = infer, .run = run,
};
