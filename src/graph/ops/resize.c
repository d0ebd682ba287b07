/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c: pictures (or anything) made larger or smaller by interpolation.
 *
 * Every mode is separable: an output coordinate of one axis is a weighted sum of a few input
 * coordinates of that axis.  So each axis gets a table of taps once, and the tensor is resized
 * along one axis after another. */
#include <math.h>
#include <string.h>

#include "graph/load.h"
#include "graph/resample.h"

enum { X, ROI, SCALES, SIZES };

typedef struct axis_plan {
    int64_t in, out;
    double scale;             /* as asked for: out may be its rounding */
    double start, end;        /* of the region for tf_crop_and_resize */
    bool resized;
} axis_plan;

static bool mode_is(const hn_call *c, const char *text) { return hn_attr_is(c->node, "mode", text, "nearest"); }

static bool coordinates_are(const hn_call *c, const char *text)
{
    return hn_attr_is(c->node, "coordinate_transformation_mode", text, "half_pixel");
}

static hn_err check_modes(hn_call *c)
{
    static const char *const modes[] = { "nearest", "linear", "cubic" };
    static const char *const coordinates[] = { "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
        "align_corners", "asymmetric", "tf_crop_and_resize" };
    static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };
    static const char *const policies[] = { "stretch", "not_larger", "not_smaller" };
    static const struct { const char *name, *missing; const char *const *ok; int count; } spec[] = {
        { "mode", "nearest", modes, 3 },
        { "coordinate_transformation_mode", "half_pixel", coordinates, 6 },
        { "nearest_mode", "round_prefer_floor", rounds, 4 },
        { "keep_aspect_ratio_policy", "stretch", policies, 3 },
    };
    for (size_t i = 0; i < sizeof spec / sizeof spec[0]; i++) {
        bool ok = false;
        for (int j = 0; j < spec[i].count; j++)
            ok = ok || hn_attr_is(c->node, spec[i].name, spec[i].ok[j], spec[i].missing);
        hn_text t = hn_attr_text(c->node, spec[i].name, "");
        if (!ok)
            return hn_unsupported(c, "%s '%.*s'", spec[i].name, (int)t.len, t.ptr);
    }
    return HN_OK;
}

/* The axes that roi, scales and sizes speak of, in their order. */
static hn_err find_axes(hn_call *c, int rank, int axis[HN_RANK_MAX], int *count)
{
    const int64_t *given;
    size_t n = hn_attr_ints(c->node, "axes", &given);
    bool seen[HN_RANK_MAX] = { false };
    if (n > (size_t)rank)
        return hn_bad(c, "%zu axes for %d dimensions", n, rank);
    *count = n ? (int)n : rank;
    for (int i = 0; i < *count; i++) {
        axis[i] = i;
        if (n)
            HN_TRY(hn_axis(c, given[i], rank, &axis[i]));
        if (seen[axis[i]])
            return hn_bad(c, "axis %d is listed twice", axis[i]);
        seen[axis[i]] = true;
    }
    return HN_OK;
}

static bool given(const hn_call *c, int i)      /* an empty tensor means left out, as older exporters write */
{
    if (!hn_has_in(c, i))
        return false;
    const hn_shape *s = &c->in[i]->shape;
    return !(s->rank == 1 && s->dim[0] == 0);
}

static hn_err set_scale(hn_call *c, axis_plan *p, float scale)
{
    if (!(scale > 0) || isinf(scale))
        return hn_bad(c, "scale %g, expected a positive number", (double)scale);
    p->scale = scale;
    p->resized = true;
    if (hn_is_symbol(p->in)) {
        p->out = scale == 1 ? p->in : hn_fresh_dim(c);
        return HN_OK;
    }
    float out = floorf((float)p->in * scale);      /* in float, as ONNX's own inference has it */
    if (!(out < 0x1p40f))
        return hn_bad(c, "scale %g makes %lld too large", (double)scale, (long long)p->in);
    p->out = (int64_t)out;
    return HN_OK;
}

/* One scale for all axes, so that the picture keeps its proportions. */
static hn_err keep_ratio(hn_call *c, axis_plan *p, const int *axis, int count, bool larger)
{
    double scale = larger ? 0 : INFINITY;
    for (int i = 0; i < count; i++) {
        axis_plan *a = &p[axis[i]];
        if (hn_is_symbol(a->in) || hn_is_symbol(a->out) || a->in == 0) {
            for (int j = 0; j < count; j++)
                p[axis[j]].out = hn_fresh_dim(c);
            return a->in == 0 ? hn_bad(c, "axis %d is empty and has no proportions", axis[i]) : HN_OK;
        }
        double s = (double)a->out / (double)a->in;
        scale = larger ? fmax(scale, s) : fmin(scale, s);
    }
    for (int i = 0; i < count; i++) {
        axis_plan *a = &p[axis[i]];
        double out = floor(scale * (double)a->in + 0.5);
        if (!(out < 0x1p40))
            return hn_bad(c, "keeping proportions makes axis %d too large", axis[i]);
        a->scale = scale;
        a->out = (int64_t)out;
    }
    return HN_OK;
}

static hn_err use_sizes(hn_call *c, axis_plan *p, const int *axis, int count)
{
    int64_t size[HN_RANK_MAX];
    int n = hn_known(c, SIZES, size, HN_RANK_MAX);
    if ((n >= 0 && n != count) || (n < 0 && c->in[SIZES]->data))
        return hn_bad(c, "sizes do not have %d entries", count);
    for (int i = 0; i < count; i++) {
        axis_plan *a = &p[axis[i]];
        a->out = n < 0 ? hn_fresh_dim(c) : size[i];
        if (a->out < 0 && !hn_is_symbol(a->out))
            return hn_bad(c, "size %lld for axis %d", (long long)a->out, axis[i]);
        a->resized = true;
        a->scale = a->in > 0 ? (double)a->out / (double)a->in : 1;
    }
    if (!hn_attr_is(c->node, "keep_aspect_ratio_policy", "stretch", "stretch"))
        return keep_ratio(c, p, axis, count,
                          hn_attr_is(c->node, "keep_aspect_ratio_policy", "not_smaller", "stretch"));
    return HN_OK;
}

static hn_err use_scales(hn_call *c, axis_plan *p, const int *axis, int count)
{
    const hn_tensor *t = c->in[SCALES];
    double scale[HN_RANK_MAX];
    if (!t->data) {
        for (int i = 0; i < count; i++)
            p[axis[i]].out = hn_fresh_dim(c);
        return HN_OK;
    }
    if (hn_count(t) != (size_t)count)
        return hn_bad(c, "%zu scales for %d axes", hn_count(t), count);
    hn_get_f64(t, 0, (size_t)count, scale);
    for (int i = 0; i < count; i++)
        HN_TRY(set_scale(c, &p[axis[i]], (float)scale[i]));
    return HN_OK;
}

static hn_err find_plan(hn_call *c, axis_plan p[HN_RANK_MAX])
{
    const hn_shape *x = &c->in[X]->shape;
    int axis[HN_RANK_MAX] = { 0 }, count = 0;
    HN_TRY(check_modes(c));
    HN_TRY(find_axes(c, x->rank, axis, &count));
    for (int i = 0; i < x->rank; i++)
        p[i] = (axis_plan){ x->dim[i], x->dim[i], 1, 0, 1, false };
    if (given(c, SCALES) == given(c, SIZES))
        return hn_bad(c, "expected either scales or sizes");
    HN_TRY(given(c, SIZES) ? use_sizes(c, p, axis, count) : use_scales(c, p, axis, count));

    if (!coordinates_are(c, "tf_crop_and_resize"))
        return HN_OK;
    if (!hn_has_in(c, ROI))
        return hn_bad(c, "tf_crop_and_resize needs the roi input");
    if (!c->in[ROI]->data)
        return HN_OK;
    double roi[2 * HN_RANK_MAX];
    if (hn_count(c->in[ROI]) != 2 * (size_t)count)
        return hn_bad(c, "roi has %zu entries, expected %d", hn_count(c->in[ROI]), 2 * count);
    hn_get_f64(c->in[ROI], 0, 2 * (size_t)count, roi);
    for (int i = 0; i < count; i++) {
        p[axis[i]].start = roi[i];
        p[axis[i]].end = roi[count + i];
        p[axis[i]].resized = true;
    }
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    axis_plan p[HN_RANK_MAX];
    hn_shape out = c->in[X]->shape;
    if (!mode_is(c, "nearest"))
        HN_TRY(hn_want_number(c, X));
    else if (hn_dtype_bits(c->in[X]->dtype) < 8)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(c->in[X]->dtype));
    HN_TRY(hn_want_type(c, SCALES, HN_F32));
    HN_TRY(hn_want_type(c, SIZES, HN_I64));
    if (out.rank >= 0)
        HN_TRY(find_plan(c, p));
    for (int i = 0; i < out.rank; i++) {
        out.dim[i] = p[i].out;
        if (p[i].in == 0 && p[i].out > 0)
            return hn_bad(c, "axis %d is empty, %lld elements are wanted of it", i, (long long)p[i].out);
    }
    hn_out(c, 0, c->in[X]->dtype, &out);
    return HN_OK;
}

/* ---- One axis ---------------------------------------------------------------------------- */

/* Where output coordinate `i` lies in the input. */
static double find_coordinate(const hn_call *c, const axis_plan *p, int64_t i)
{
    double in = (double)p->in, out = (double)p->out, x = (double)i, width = p->scale * in;
    if (coordinates_are(c, "asymmetric"))
        return x / p->scale;
    if (coordinates_are(c, "align_corners"))
        return width == 1 || out == 1 ? 0 : x * (in - 1) / (width - 1);
    if (coordinates_are(c, "tf_crop_and_resize"))
        return out > 1 ? p->start * (in - 1) + x * (p->end - p->start) * (in - 1) / (out - 1)
                       : 0.5 * (p->start + p->end) * (in - 1);
    if (coordinates_are(c, "pytorch_half_pixel") && out <= 1)
        return 0;
    double half = (x + 0.5) / p->scale - 0.5;
    return coordinates_are(c, "half_pixel_symmetric") ? in / 2 * (1 - out / width) + half : half;
}

static double round_nearest(const hn_call *c, double x)
{
    if (hn_attr_is(c->node, "nearest_mode", "floor", "round_prefer_floor"))
        return floor(x);
    if (hn_attr_is(c->node, "nearest_mode", "ceil", "round_prefer_floor"))
        return ceil(x);
    if (hn_attr_is(c->node, "nearest_mode", "round_prefer_ceil", "round_prefer_floor"))
        return floor(x + 0.5);
    return ceil(x - 0.5);
}

/* The interpolation filter: weight of an input at distance d. */
static double filter(bool cubic, double a, double d)
{
    d = fabs(d);
    if (!cubic)
        return d < 1 ? 1 - d : 0;
    if (d <= 1)
        return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

static int64_t clamp(double x, int64_t high) { return x < 0 ? 0 : x > (double)high ? high : (int64_t)x; }

static hn_err make_table(hn_call *c, const axis_plan *p, hn_taps *t)
{
    bool nearest = mode_is(c, "nearest"), cubic = mode_is(c, "cubic");
    bool crop = coordinates_are(c, "tf_crop_and_resize");
    bool renormalise = hn_attr_int(c->node, "exclude_outside", 0);
    double a = hn_attr_float(c->node, "cubic_coeff_a", -0.75f);
    /* Antialiasing widens the filter when shrinking, so that no input is passed over. */
    double narrow = hn_attr_int(c->node, "antialias", 0) && !nearest ? fmin(p->scale, 1) : 1;
    double reach = (cubic ? 2 : 1) / narrow;
    t->taps = nearest ? 1 : 2 * (size_t)ceil(fmin(reach, (double)p->in + 2));
    t->at = HN_SCRATCH(c, int64_t, (size_t)p->out * t->taps);
    t->weight = HN_SCRATCH(c, double, (size_t)p->out * t->taps);
    t->outside = HN_SCRATCH(c, bool, (size_t)p->out);
    if (!t->at || !t->weight || !t->outside)
        return hn_nomem(c->cx, "an interpolation table");

    for (int64_t i = 0; i < p->out; i++) {
        double x = find_coordinate(c, p, i), sum = 0;
        int64_t *at = t->at + (size_t)i * t->taps;
        double *w = t->weight + (size_t)i * t->taps;
        t->outside[i] = crop && (x < 0 || x > (double)(p->in - 1));
        if (nearest) {
            at[0] = clamp(round_nearest(c, x), p->in - 1);
            w[0] = 1;
            continue;
        }
        double first = floor(x) - (double)(t->taps / 2) + 1;
        for (size_t j = 0; j < t->taps; j++) {
            double k = first + (double)j;
            bool inside = k >= 0 && k <= (double)(p->in - 1);
            w[j] = renormalise && !inside ? 0 : filter(cubic, a, (k - x) * narrow);
            at[j] = clamp(k, p->in - 1);
            sum += w[j];
        }
        for (size_t j = 0; j < t->taps && sum != 0; j++)
            w[j] /= sum;
    }
    return HN_OK;
}

hn_err hn_resize_taps(hn_call *c, int axis, hn_taps *out)
{
    axis_plan p[HN_RANK_MAX];
    HN_TRY(find_plan(c, p));
    return make_table(c, &p[axis], out);
}

/* ---- All axes ---------------------------------------------------------------------------- */

/* nearest picks elements, so it works on any type without touching the values. */
static void pick(const hn_call *c, const hn_taps *t)
{
    const hn_tensor *x = c->in[X];
    hn_tensor *y = c->out[0];
    size_t bytes = hn_dtype_bits(x->dtype) / 8, count = hn_count(y);
    for (size_t i = 0; i < count; i++) {
        size_t rest = i, from = 0, step = 1;
        for (int d = x->shape.rank - 1; d >= 0; d--) {
            from += (size_t)t[d].at[rest % (size_t)y->shape.dim[d]] * step;
            rest /= (size_t)y->shape.dim[d];
            step *= (size_t)x->shape.dim[d];
        }
        memcpy((char *)y->data + i * bytes, (const char *)x->data + from * bytes, bytes);
    }
}

static hn_err blend(hn_call *c, const axis_plan *p, const hn_taps *t)
{
    hn_shape s = c->in[X]->shape;
    double *v;
    HN_TRY(hn_load_f64(c, c->in[X], &v));
    for (int d = s.rank - 1; d >= 0; d--) {
        if (!p[d].resized)
            continue;
        hn_split at = hn_split_at(&s, d);
        size_t out = (size_t)p[d].out;
        s.dim[d] = p[d].out;
        double *next = HN_SCRATCH(c, double, hn_shape_count(&s));
        if (!next)
            return hn_nomem(c->cx, "a resized tensor");
        for (size_t o = 0; o < at.outer; o++)
            for (size_t i = 0; i < out; i++)
                for (size_t j = 0; j < t[d].taps; j++) {
                    double w = t[d].weight[i * t[d].taps + j];
                    const double *from = v + (o * at.n + (size_t)t[d].at[i * t[d].taps + j]) * at.inner;
                    double *to = next + (o * out + i) * at.inner;
                    for (size_t k = 0; k < at.inner && w != 0; k++)
                        to[k] += w * from[k];
                }
        v = next;
    }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), v);
    return HN_OK;
}

static void extrapolate(hn_call *c, const hn_taps *t)
{
    double value = hn_attr_float(c->node, "extrapolation_value", 0);
    const hn_shape *s = &c->out[0]->shape;
    for (size_t i = 0; i < hn_count(c->out[0]); i++) {
        bool outside = false;
        size_t rest = i;
        for (int d = s->rank - 1; d >= 0; d--) {
            outside = outside || t[d].outside[rest % (size_t)s->dim[d]];
            rest /= (size_t)s->dim[d];
        }
        if (outside)
            hn_put_f64(c->out[0], i, 1, &value);
    }
}

static hn_err run(hn_call *c)
{
    axis_plan p[HN_RANK_MAX];
    hn_taps t[HN_RANK_MAX];
    HN_TRY(find_plan(c, p));
    if (hn_count(c->out[0]) == 0)
        return HN_OK;
    for (int d = 0; d < c->in[X]->shape.rank; d++)
        HN_TRY(make_table(c, &p[d], &t[d]));
    if (mode_is(c, "nearest"))
        pick(c, t);
    else
        HN_TRY(blend(c, p, t));
    if (coordinates_are(c, "tf_crop_and_resize"))
        extrapolate(c, t);
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "antialias", HN_ATTR_INT, "0" },
    { "axes", HN_ATTR_INTS, "all" },
    { "coordinate_transformation_mode", HN_ATTR_TEXT, "half_pixel" },
    { "cubic_coeff_a", HN_ATTR_FLOAT, "-0.75" },
    { "exclude_outside", HN_ATTR_INT, "0: the edge repeats" },
    { "extrapolation_value", HN_ATTR_FLOAT, "0; for tf_crop_and_resize" },
    { "keep_aspect_ratio_policy", HN_ATTR_TEXT, "stretch, not_larger or not_smaller" },
    { "mode", HN_ATTR_TEXT, "nearest, linear or cubic" },
    { "nearest_mode", HN_ATTR_TEXT, "round_prefer_floor" },
    { 0 }
};

const hn_op hn_op_resize = {
    .name = "Resize", .since = 19, .min_in = 1, .max_in = 4, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run,
};
