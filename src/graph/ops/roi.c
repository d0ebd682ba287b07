/* SPDX-License-Identifier: Apache-2.0 */
/* roi.c: regions of a feature map brought to one size: RoiAlign by interpolation, MaxRoiPool by bins. */
#include <math.h>

#include "graph/load.h"

/* Samples per bin and direction; more means the regions are not of this picture. */
#define GRID_MAX 512

static hn_err check_size(const hn_call *c, int64_t h, int64_t w)
{
    if (h < 1 || w < 1 || h > INT32_MAX || w > INT32_MAX)
        return hn_bad(c, "an output of %lld by %lld, expected 1 or more", (long long)h, (long long)w);
    return HN_OK;
}

static hn_err infer_regions(hn_call *c, int entries, int64_t h, int64_t w)
{
    const hn_shape *x = &c->in[0]->shape, *r = &c->in[1]->shape;
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_same(c, 0, 1));
    HN_TRY(hn_want_rank(c, 0, 4));
    HN_TRY(hn_want_rank(c, 1, 2));
    HN_TRY(check_size(c, h, w));
    if (r->rank == 2 && hn_dims_differ(r->dim[1], entries))
        return hn_bad(c, "regions have %lld entries, expected %d", (long long)r->dim[1], entries);
    hn_shape out = { .rank = 4, .dim = { r->rank == 2 ? r->dim[0] : hn_fresh_dim(c),
                                         x->rank == 4 ? x->dim[1] : hn_fresh_dim(c), h, w } };
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

/* ---- RoiAlign ---------------------------------------------------------------------------- */

static hn_err infer_align(hn_call *c)
{
    const hn_shape *r = &c->in[1]->shape, *b = &c->in[2]->shape;
    const hn_node *n = c->node;
    if (!hn_attr_is(n, "mode", "avg", "avg") && !hn_attr_is(n, "mode", "max", "avg"))
        return hn_unsupported(c, "mode '%.*s'", (int)hn_attr_text(n, "mode", "").len, hn_attr_text(n, "mode", "").ptr);
    if (hn_attr_int(n, "sampling_ratio", 0) < 0 || hn_attr_int(n, "sampling_ratio", 0) > GRID_MAX)
        return hn_bad(c, "sampling_ratio is %lld", (long long)hn_attr_int(n, "sampling_ratio", 0));
    HN_TRY(hn_want_type(c, 2, HN_I64));
    HN_TRY(hn_want_rank(c, 2, 1));
    if (r->rank == 2 && b->rank == 1 && hn_dims_differ(r->dim[0], b->dim[0]))
        return hn_bad(c, "%lld regions with %lld batch indices", (long long)r->dim[0], (long long)b->dim[0]);
    return infer_regions(c, 4, hn_attr_int(n, "output_height", 1), hn_attr_int(n, "output_width", 1));
}

typedef struct sample { size_t at[4]; double w[4]; } sample;     /* the four neighbours of a point */

static sample find_sample(double y, double x, size_t h, size_t w)
{
    sample s = { { 0 }, { 0 } };
    if (y < -1 || y > (double)h || x < -1 || x > (double)w)
        return s;                                   /* beyond the border: nothing */
    y = fmin(fmax(y, 0), (double)h - 1);
    x = fmin(fmax(x, 0), (double)w - 1);
    size_t y0 = (size_t)y, x0 = (size_t)x, y1 = y0 + 1 < h ? y0 + 1 : y0, x1 = x0 + 1 < w ? x0 + 1 : x0;
    double fy = y - (double)y0, fx = x - (double)x0;
    s = (sample){ { y0 * w + x0, y0 * w + x1, y1 * w + x0, y1 * w + x1 },
                  { (1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx } };
    return s;
}

typedef struct region { double y, x, bin_h, bin_w; size_t grid_h, grid_w; } region;

static hn_err read_region(hn_call *c, const double *roi, region *r)
{
    bool half = hn_attr_is(c->node, "coordinate_transformation_mode", "half_pixel", "half_pixel");
    double scale = hn_attr_float(c->node, "spatial_scale", 1), off = half ? 0.5 : 0;
    double ratio = (double)hn_attr_int(c->node, "sampling_ratio", 0);
    r->x = roi[0] * scale - off;
    r->y = roi[1] * scale - off;
    double w = roi[2] * scale - off - r->x, h = roi[3] * scale - off - r->y;
    if (!half) {                                    /* the older form keeps every region at least one wide */
        w = fmax(w, 1);
        h = fmax(h, 1);
    }
    r->bin_h = h / (double)c->out[0]->shape.dim[2];
    r->bin_w = w / (double)c->out[0]->shape.dim[3];
    double gh = ratio > 0 ? ratio : ceil(r->bin_h), gw = ratio > 0 ? ratio : ceil(r->bin_w);
    if (!(gh <= GRID_MAX && gw <= GRID_MAX && isfinite(r->x) && isfinite(r->y)))
        return hn_bad(c, "a region of %g by %g is too large", h, w);
    r->grid_h = gh > 0 ? (size_t)gh : 0;
    r->grid_w = gw > 0 ? (size_t)gw : 0;
    return HN_OK;
}

/* mean of the interpolated points of a bin; in max mode the largest weighted neighbour, which is how
 * the operator has been defined in practice since it appeared. */
static double pool_bin(const double *plane, const region *r, size_t by, size_t bx, size_t h, size_t w, bool max)
{
    double sum = 0, top = -INFINITY;
    for (size_t gy = 0; gy < r->grid_h; gy++)
        for (size_t gx = 0; gx < r->grid_w; gx++) {
            double y = r->y + ((double)by + ((double)gy + 0.5) / (double)r->grid_h) * r->bin_h;
            double x = r->x + ((double)bx + ((double)gx + 0.5) / (double)r->grid_w) * r->bin_w;
            sample s = find_sample(y, x, h, w);
            for (int k = 0; k < 4; k++) {
                double v = s.w[k] * plane[s.at[k]];
                sum += v;
                top = fmax(top, v);
            }
        }
    size_t n = r->grid_h * r->grid_w;
    return n == 0 ? 0 : max ? top : sum / (double)n;
}

static hn_err run_align(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *out = &c->out[0]->shape;
    size_t ch = (size_t)x->dim[1], h = (size_t)x->dim[2], w = (size_t)x->dim[3];
    size_t oh = (size_t)out->dim[2], ow = (size_t)out->dim[3], at = 0;
    bool max = hn_attr_is(c->node, "mode", "max", "avg");
    double *v, *rois;
    int64_t *batch;
    HN_TRY(hn_load_f64(c, c->in[0], &v));
    HN_TRY(hn_load_f64(c, c->in[1], &rois));
    HN_TRY(hn_load_i64(c, c->in[2], &batch));
    for (size_t i = 0; i < (size_t)out->dim[0]; i++) {
        region r = { 0 };
        if (batch[i] < 0 || batch[i] >= x->dim[0] || h * w == 0)
            return hn_bad(c, "region %zu is of image %lld of %lld", i, (long long)batch[i], (long long)x->dim[0]);
        HN_TRY(read_region(c, rois + i * 4, &r));
        for (size_t k = 0; k < ch; k++) {
            const double *plane = v + ((size_t)batch[i] * ch + k) * h * w;
            for (size_t b = 0; b < oh * ow; b++) {
                double y = pool_bin(plane, &r, b / ow, b % ow, h, w, max);
                hn_put_f64(c->out[0], at++, 1, &y);
            }
        }
    }
    return HN_OK;
}

/* ---- MaxRoiPool --------------------------------------------------------------------------- */

static hn_err infer_pool(hn_call *c)
{
    const int64_t *size;
    if (hn_attr_ints(c->node, "pooled_shape", &size) != 2)
        return hn_bad(c, "pooled_shape does not have 2 entries");
    return infer_regions(c, 5, size[0], size[1]);
}

/* Bin `i` of `bins` over [start, start + length), cut to [0, size). */
static void find_bin(double start, double length, size_t i, size_t bins, size_t size, size_t *from, size_t *to)
{
    double a = floor((double)i * length / (double)bins) + start;
    double b = ceil((double)(i + 1) * length / (double)bins) + start;
    *from = (size_t)fmin(fmax(a, 0), (double)size);
    *to = (size_t)fmin(fmax(b, 0), (double)size);
}

static hn_err run_pool(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *out = &c->out[0]->shape;
    size_t ch = (size_t)x->dim[1], h = (size_t)x->dim[2], w = (size_t)x->dim[3];
    size_t oh = (size_t)out->dim[2], ow = (size_t)out->dim[3], at = 0;
    double *v, *rois, scale = hn_attr_float(c->node, "spatial_scale", 1);
    HN_TRY(hn_load_f64(c, c->in[0], &v));
    HN_TRY(hn_load_f64(c, c->in[1], &rois));
    for (size_t i = 0; i < (size_t)out->dim[0]; i++) {
        const double *roi = rois + i * 5;
        if (!(roi[0] >= 0 && roi[0] < (double)x->dim[0]))
            return hn_bad(c, "region %zu is of image %g of %lld", i, roi[0], (long long)x->dim[0]);
        double x0 = round(roi[1] * scale), y0 = round(roi[2] * scale);
        double rw = fmax(round(roi[3] * scale) - x0 + 1, 1), rh = fmax(round(roi[4] * scale) - y0 + 1, 1);
        if (!isfinite(x0) || !isfinite(y0) || !isfinite(rw) || !isfinite(rh))
            return hn_bad(c, "region %zu is not finite", i);
        for (size_t k = 0; k < ch * oh * ow; k++) {
            const double *plane = v + ((size_t)roi[0] * ch + k / (oh * ow)) * h * w;
            size_t fy, ty, fx, tx;
            find_bin(y0, rh, k / ow % oh, oh, h, &fy, &ty);
            find_bin(x0, rw, k % ow, ow, w, &fx, &tx);
            double top = fy < ty && fx < tx ? -INFINITY : 0;      /* an empty bin is zero */
            for (size_t py = fy; py < ty; py++)
                for (size_t px = fx; px < tx; px++)
                    top = fmax(top, plane[py * w + px]);
            hn_put_f64(c->out[0], at++, 1, &top);
        }
    }
    return HN_OK;
}

static const hn_attr_spec align_attr[] = {
    { "coordinate_transformation_mode", HN_ATTR_TEXT, "half_pixel or output_half_pixel" },
    { "mode", HN_ATTR_TEXT, "avg or max" }, { "output_height", HN_ATTR_INT, "1" },
    { "output_width", HN_ATTR_INT, "1" }, { "sampling_ratio", HN_ATTR_INT, "0: from the bin's size" },
    { "spatial_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};
static const hn_attr_spec pool_attr[] = {
    { "pooled_shape", HN_ATTR_INTS, "required" }, { "spatial_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};

const hn_op hn_op_roialign = {
    .name = "RoiAlign", .since = 22, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = align_attr, .infer = infer_align, .run = run_align,
};

const hn_op hn_op_maxroipool = {
    .name = "MaxRoiPool", .since = 22, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .attr = pool_attr, .infer = infer_pool, .run = run_pool,
};
