/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.c: resize, order, normalise.
 *
 * Resizing is separable: each result row is a weighted sum of few source rows, each result column
 * of few source columns.  The weights of an axis are worked out once.  Rows go first, because a
 * sum of rows is one straight loop over bytes and needs room for one row only. */
#include "media/prepare.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/num.h"

/* One axis: result position i takes weight[i*taps + k] of source position first[i] + k. */
typedef struct axis {
    int count, taps;
    int *first, *used;
    float *weight;
} axis;

/* `count` results spread evenly over [from, from + length) of a source with `size` positions.
 * A position's centre lies half a pixel in; weights form a triangle around it, one pixel wide to
 * either side, or as wide as a result pixel when averaging. */
static hn_err axis_make(hn_ctx *cx, hn_arena *a, int size, double from, double length, int count,
                        bool average, axis *out)
{
    double step = length / count, reach = average && step > 1 ? step : 1;
    int taps = (int)ceil(reach) * 2 + 1;
    axis x = { .count = count, .taps = taps };
    x.first = HN_NEW(a, int, (size_t)count);
    x.used = HN_NEW(a, int, (size_t)count);
    x.weight = HN_NEW(a, float, hn_mul((size_t)count, (size_t)taps));
    if (!x.first || !x.used || !x.weight)
        return hn_nomem(cx, "resizing");
    for (int i = 0; i < count; i++) {
        double centre = from + (i + 0.5) * step;
        /* Kept on the picture: at its edge the last pixel stands for all beyond it. */
        if (reach == 1)
            centre = fmin(fmax(centre, 0.5), size - 0.5);
        int lo = (int)fmax(floor(centre - reach), 0), n = 0;
        double sum = 0;
        for (int k = lo; k < size && n < taps && k + 0.5 < centre + reach; k++, n++) {
            double w = fmax(1 - fabs(k + 0.5 - centre) / reach, 0);
            x.weight[(size_t)i * (size_t)taps + (size_t)n] = (float)w;
            sum += w;
        }
        for (int k = 0; k < n; k++)
            x.weight[(size_t)i * (size_t)taps + (size_t)k] /= (float)sum;
        x.first[i] = lo;
        x.used[i] = n;
    }
    *out = x;
    return HN_OK;
}

/* row[j] = sum over the rows of one result row; n numbers. */
static void sum_rows(const hn_image *im, const axis *y, int i, float *row, size_t n)
{
    const float *w = y->weight + (size_t)i * (size_t)y->taps;
    memset(row, 0, n * sizeof *row);
    for (int k = 0; k < y->used[i]; k++) {
        const uint8_t *in = im->pixels + (size_t)(y->first[i] + k) * n;
        if (w[k] == 0)
            continue;
        for (size_t j = 0; j < n; j++)
            row[j] += w[k] * (float)in[j];
    }
}

static void sum_columns(const axis *x, int channels, const float *row, float *out)
{
    for (int i = 0; i < x->count; i++) {
        const float *w = x->weight + (size_t)i * (size_t)x->taps;
        const float *in = row + (size_t)x->first[i] * (size_t)channels;
        for (int c = 0; c < channels; c++) {
            float sum = 0;
            for (int k = 0; k < x->used[i]; k++)
                sum += w[k] * in[k * channels + c];
            out[i * channels + c] = sum;
        }
    }
}

/* ---- Where the picture goes ---------------------------------------------------------------------- */

typedef struct frame {
    double from_x, from_y, from_w, from_h;   /* the part of the picture that is shown */
    int x, y, w, h;                          /* where in the result */
} frame;

static frame frame_of(const hn_image *im, const hn_prepare *how)
{
    frame f = { 0, 0, im->w, im->h, 0, 0, how->w, how->h };
    double sx = (double)im->w / how->w, sy = (double)im->h / how->h;     /* source pixels per result pixel */
    if (how->fit == HN_FIT_BOX) {
        double s = fmax(sx, sy);
        f.w = (int)fmax(1, fmin(how->w, rint(im->w / s)));
        f.h = (int)fmax(1, fmin(how->h, rint(im->h / s)));
        f.x = (how->w - f.w) / 2;
        f.y = (how->h - f.h) / 2;
    } else if (how->fit == HN_FIT_CROP) {
        double s = fmin(sx, sy) * (how->keep > 0 ? how->keep : 1);
        f.from_w = how->w * s;
        f.from_h = how->h * s;
        f.from_x = (im->w - f.from_w) / 2;
        f.from_y = (im->h - f.from_h) / 2;
    }
    return f;
}

/* ---- From colours to numbers ------------------------------------------------------------------------ */

typedef struct writer {
    const hn_prepare *how;
    hn_tensor *out;
    int channels;                            /* of the result */
    size_t c_step, x_step, y_step;           /* elements */
    double scale[3], shift[3];               /* number = value * scale + shift */
} writer;

static writer writer_of(const hn_prepare *how, hn_tensor *out)
{
    writer w = { .how = how, .out = out, .channels = how->order == HN_ORDER_GRAY ? 1 : 3 };
    size_t wide = (size_t)how->w, high = (size_t)how->h, c = (size_t)w.channels;
    bool first = how->layout == HN_PIXELS_NCHW;
    w.c_step = first ? wide * high : 1;
    w.x_step = first ? 1 : c;
    w.y_step = first ? wide : wide * c;
    for (int i = 0; i < 3; i++) {
        double std = how->std[i] != 0 ? how->std[i] : 1, scale = how->scale != 0 ? how->scale : 1;
        w.scale[i] = scale / std;
        w.shift[i] = -how->mean[i] / std;
    }
    return w;
}

static void write_number(const writer *w, size_t at, int c, double value)
{
    double x = value * w->scale[c] + w->shift[c];
    if (w->out->dtype == HN_F32)
        ((float *)w->out->data)[at] = (float)x;
    else if (w->out->dtype == HN_U8)
        ((uint8_t *)w->out->data)[at] = (uint8_t)fmin(fmax(rint(x), 0), 255);
    else if (w->how->wrap)
        ((int8_t *)w->out->data)[at] = (int8_t)(uint8_t)fmin(fmax(rint(x), 0), 255);
    else
        ((int8_t *)w->out->data)[at] = (int8_t)fmin(fmax(rint(x), -128), 127);
}

/* One pixel of a picture with `channels` channels, as value c of the result. */
static double colour(const float *p, int channels, enum hn_order order, int c)
{
    if (channels == 1)
        return p[0];
    if (order == HN_ORDER_GRAY)
        return 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    return p[order == HN_ORDER_BGR ? 2 - c : c];
}

/* `count` pixels into result row y from column x on; p NULL: the fill. */
static void write_pixels(const writer *w, int y, int x, int count, const float *p, int channels)
{
    for (int i = 0; i < count; i++)
        for (int c = 0; c < w->channels; c++) {
            size_t at = (size_t)y * w->y_step + (size_t)(x + i) * w->x_step + (size_t)c * w->c_step;
            write_number(w, at, c, p ? colour(p + i * channels, channels, w->how->order, c) : w->how->fill);
        }
}

/* ---- All of it ------------------------------------------------------------------------------------------ */

static hn_err check(hn_ctx *cx, const hn_image *im, const hn_prepare *how, const hn_tensor *out)
{
    char want_text[HN_SHAPE_TEXT], found[HN_SHAPE_TEXT];
    int64_t c = how->order == HN_ORDER_GRAY ? 1 : 3;
    hn_shape want = how->layout == HN_PIXELS_NCHW
        ? hn_shape_of(4, (const int64_t[]){ 1, c, how->h, how->w })
        : hn_shape_of(4, (const int64_t[]){ 1, how->h, how->w, c });

    if (im->w < 1 || im->h < 1 || how->w < 1 || how->h < 1 || how->w > 65536 || how->h > 65536)
        return hn_fail(cx, HN_EARG, "a picture of %d x %d pixels cannot become %d x %d", im->w, im->h,
                       how->w, how->h);
    if (!(how->keep >= 0 && how->keep <= 1))
        return hn_fail(cx, HN_EARG, "the share of a picture to keep is between 0 and 1, found %g", how->keep);
    if (!hn_shape_equal(&want, &out->shape))
        return hn_fail(cx, HN_EARG, "the picture makes a tensor of %s, the input takes %s",
                       hn_shape_text(&want, want_text), hn_shape_text(&out->shape, found));
    if (out->dtype != HN_F32 && out->dtype != HN_U8 && out->dtype != HN_I8)
        return hn_fail(cx, HN_EUNSUP, "a picture becomes f32, u8 or i8, the input takes %s",
                       hn_dtype_name(out->dtype));
    return HN_OK;
}

static hn_err resize(hn_ctx *cx, hn_arena *a, const hn_image *im, const frame *f, const writer *w)
{
    const hn_prepare *how = w->how;
    size_t n = hn_mul((size_t)im->w, (size_t)im->channels);
    float *row = HN_NEW(a, float, n), *out = HN_NEW(a, float, (size_t)f->w * (size_t)im->channels);
    axis x, y;

    if (!row || !out)
        return hn_nomem(cx, "resizing");
    HN_TRY(axis_make(cx, a, im->w, f->from_x, f->from_w, f->w, how->antialias, &x));
    HN_TRY(axis_make(cx, a, im->h, f->from_y, f->from_h, f->h, how->antialias, &y));
    for (int i = 0; i < how->h; i++) {
        if (i < f->y || i >= f->y + f->h) {
            write_pixels(w, i, 0, how->w, NULL, 0);
            continue;
        }
        sum_rows(im, &y, i - f->y, row, n);
        sum_columns(&x, im->channels, row, out);
        write_pixels(w, i, 0, f->x, NULL, 0);
        write_pixels(w, i, f->x, f->w, out, im->channels);
        write_pixels(w, i, f->x + f->w, how->w - f->x - f->w, NULL, 0);
    }
    return HN_OK;
}

hn_err hn_prepare_image(hn_ctx *cx, const hn_image *image, const hn_prepare *how, hn_tensor *out,
                        hn_placement *where)
{
    hn_arena *a;
    assert(image->channels == 1 || image->channels == 3 || image->channels == 4);
    HN_TRY(check(cx, image, how, out));
    HN_TRY(hn_arena_new(cx, 0, &a));
    frame f = frame_of(image, how);
    writer w = writer_of(how, out);
    hn_err e = resize(cx, a, image, &f, &w);
    hn_arena_free(a);
    if (!e && where) {
        double sx = f.from_w / f.w, sy = f.from_h / f.h;
        *where = (hn_placement){ sx, sy, f.from_x - f.x * sx, f.from_y - f.y * sy };
    }
    return e;
}
