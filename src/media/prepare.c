/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.c: resize, colour, numbers.
 *
 * Interpolation is linear between pixel centres; when shrinking with antialias the triangle is
 * widened by the factor of shrinking, so every pixel counts.  Both axes are tables of taps. */
#include "media/prepare.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/num.h"

typedef struct taps { size_t count; int *at; float *weight; } taps;      /* [out, count] */

/* Result coordinate i shows source position (i + 0.5) * step + origin, in pixels from the edge. */
static hn_err make_taps(hn_ctx *cx, hn_arena *a, int out, int in, double step, double origin, bool antialias, taps *t)
{
    double wide = antialias && step > 1 ? step : 1;
    t->count = 2 * (size_t)ceil(fmin(wide, in)) + 1;
    t->at = HN_NEW(a, int, (size_t)out * t->count);
    t->weight = HN_NEW(a, float, (size_t)out * t->count);
    if (!t->at || !t->weight)
        return hn_nomem(cx, "resizing a picture");
    for (int i = 0; i < out; i++) {
        double centre = (i + 0.5) * step + origin - 0.5, sum = 0;
        int first = (int)floor(centre) - (int)(t->count / 2) + 1;
        int *at = t->at + (size_t)i * t->count;
        float *w = t->weight + (size_t)i * t->count;
        if (centre < 0 && first < -in) first = -in;
        for (size_t k = 0; k < t->count; k++) {
            int pos = first + (int)k;
            double weight = fmax(1 - fabs(pos - centre) / wide, 0);
            at[k] = pos < 0 ? 0 : pos >= in ? in - 1 : pos;       /* the edge repeats */
            w[k] = (float)weight;
            sum += weight;
        }
        for (size_t k = 0; k < t->count && sum > 0; k++)
            w[k] = (float)((double)w[k] / sum);
    }
    return HN_OK;
}

/* Where the result lies on the picture: steps, origins, and which part of the result it fills. */
typedef struct frame { double step_x, step_y, x0, y0; int left, top, w, h; } frame;

static frame find_frame(const hn_image *m, const hn_prepare *how)
{
    frame f = { (double)m->w / how->w, (double)m->h / how->h, 0, 0, 0, 0, how->w, how->h };
    if (how->fit == HN_FIT_BOX) {
        double step = fmax(f.step_x, f.step_y);
        f.w = (int)fmin(fmax(floor(m->w / step + 0.5), 1), how->w);
        f.h = (int)fmin(fmax(floor(m->h / step + 0.5), 1), how->h);
        f.left = (how->w - f.w) / 2;
        f.top = (how->h - f.h) / 2;
        f.step_x = (double)m->w / f.w;
        f.step_y = (double)m->h / f.h;
    } else if (how->fit == HN_FIT_CROP) {
        double step = fmin(f.step_x, f.step_y) * (how->keep > 0 && how->keep <= 1 ? how->keep : 1);
        f.step_x = f.step_y = step;
        f.x0 = (m->w - step * how->w) / 2;
        f.y0 = (m->h - step * how->h) / 2;
    }
    return f;
}

/* One resized row of the picture, [w, channels] floats of 0..255. */
static void resize_row(const hn_image *m, const taps *tx, const taps *ty, int y, int w, float *mixed, float *out)
{
    size_t ch = (size_t)m->channels, wide = (size_t)m->w * ch;
    const int *rows = ty->at + (size_t)y * ty->count;
    const float *wy = ty->weight + (size_t)y * ty->count;
    memset(mixed, 0, wide * sizeof *mixed);
    for (size_t k = 0; k < ty->count; k++) {
        const uint8_t *row = m->pixels + (size_t)rows[k] * wide;
        for (size_t i = 0; i < wide && wy[k] != 0; i++)
            mixed[i] += wy[k] * (float)row[i];
    }
    for (int x = 0; x < w; x++)
        for (size_t c = 0; c < ch; c++) {
            float sum = 0;
            for (size_t k = 0; k < tx->count; k++)
                sum += tx->weight[(size_t)x * tx->count + k] * mixed[(size_t)tx->at[(size_t)x * tx->count + k] * ch + c];
            out[(size_t)x * ch + c] = sum;
        }
}

static void colours(const float *p, int channels, enum hn_order order, float out[3])
{
    float r = p[0], g = channels > 2 ? p[1] : p[0], b = channels > 2 ? p[2] : p[0];
    out[0] = order == HN_ORDER_BGR ? b : r;
    out[1] = g;
    out[2] = order == HN_ORDER_BGR ? r : b;
    if (order == HN_ORDER_GRAY)
        out[0] = channels > 2 ? 0.299f * r + 0.587f * g + 0.114f * b : r;
}

static void put_pixel(hn_tensor *out, const hn_prepare *how, int x, int y, const float value[3])
{
    size_t channels = how->order == HN_ORDER_GRAY ? 1 : 3, area = (size_t)how->w * (size_t)how->h;
    size_t pixel = (size_t)y * (size_t)how->w + (size_t)x;
    for (size_t c = 0; c < channels; c++) {
        double std = how->std[c] != 0 ? how->std[c] : 1, scale = how->scale != 0 ? how->scale : 1;
        double v = ((double)value[c] * scale - how->mean[c]) / std;
        size_t at = how->layout == HN_PIXELS_NCHW ? c * area + pixel : pixel * channels + c;
        if (out->dtype != HN_F32)
            v = nearbyint(fmin(fmax(v, out->dtype == HN_U8 ? 0 : -128), out->dtype == HN_U8 ? 255 : 127));
        hn_put_f64(out, at, 1, &v);
    }
}

static hn_err check(hn_ctx *cx, const hn_prepare *how, const hn_tensor *out)
{
    int64_t channels = how->order == HN_ORDER_GRAY ? 1 : 3;
    bool nchw = how->layout == HN_PIXELS_NCHW;
    const hn_shape want = { 4, { 1, nchw ? channels : how->h, nchw ? how->h : how->w, nchw ? how->w : channels } };
    char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
    if (how->w <= 0 || how->h <= 0)
        return hn_fail(cx, HN_EARG, "a picture of %d x %d pixels was asked for", how->w, how->h);
    if (out->dtype != HN_F32 && out->dtype != HN_U8 && out->dtype != HN_I8)
        return hn_fail(cx, HN_EUNSUP, "unsupported: pictures as %s; f32, u8 and i8 are", hn_dtype_name(out->dtype));
    if (!hn_shape_equal(&want, &out->shape))
        return hn_fail(cx, HN_EARG, "a picture gives %s, the input is %s", hn_shape_text(&want, a), hn_shape_text(&out->shape, b));
    return HN_OK;
}

static hn_err fill(hn_ctx *cx, const hn_image *m, const hn_prepare *how, const frame *f, hn_arena *a, hn_tensor *out)
{
    taps tx, ty;
    float *mixed = HN_NEW(a, float, hn_mul((size_t)m->w, (size_t)m->channels));
    float *row = HN_NEW(a, float, hn_mul((size_t)f->w, (size_t)m->channels)), value[3];
    if (!mixed || !row)
        return hn_nomem(cx, "resizing a picture");
    HN_TRY(make_taps(cx, a, f->w, m->w, f->step_x, f->x0, how->antialias, &tx));
    HN_TRY(make_taps(cx, a, f->h, m->h, f->step_y, f->y0, how->antialias, &ty));
    for (int y = 0; y < how->h; y++) {
        bool inside = y >= f->top && y < f->top + f->h;
        if (inside)
            resize_row(m, &tx, &ty, y - f->top, f->w, mixed, row);
        for (int x = 0; x < how->w; x++) {
            if (inside && x >= f->left && x < f->left + f->w)
                colours(row + (size_t)(x - f->left) * (size_t)m->channels, m->channels, how->order, value);
            else
                value[0] = value[1] = value[2] = how->fill;
            put_pixel(out, how, x, y, value);
        }
    }
    return HN_OK;
}

hn_err hn_prepare_image(hn_ctx *cx, const hn_image *image, const hn_prepare *how, hn_tensor *out, hn_placement *where)
{
    hn_arena *a;
    HN_TRY(check(cx, how, out));
    HN_TRY(hn_arena_new(cx, 0, &a));
    frame f = find_frame(image, how);
    hn_err e = fill(cx, image, how, &f, a, out);
    hn_arena_free(a);
    if (!e && where)
        *where = (hn_placement){ f.step_x, f.step_y, f.x0 - f.left * f.step_x, f.y0 - f.top * f.step_y };
    return e;
}
