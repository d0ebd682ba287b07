/* SPDX-License-Identifier: Apache-2.0 */
/* signal.c: sound as frequencies: DFT, STFT, MelWeightMatrix, and the windows that go with them.
 *
 * Complex numbers are pairs in the last dimension.  Lengths are any: powers of two take the butterfly,
 * the rest Bluestein's convolution through one, so nothing is quadratic. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/load.h"

typedef struct cx { double re, im; } cx;

static cx times(cx a, cx b) { return (cx){ a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re }; }

/* exp(i pi k / n), k first brought below 2n: the angle stays exact for long transforms. */
static cx root(size_t k, size_t n)
{
    double angle = M_PI * (double)(k % (2 * n)) / (double)n;
    return (cx){ cos(angle), sin(angle) };
}

/* In place, n a power of two; sign -1 forward, 1 back, without the factor. */
static void butterfly(cx *v, size_t n, int sign)
{
    for (size_t i = 1, j = 0; i < n; i++) {            /* bit-reversed order */
        size_t bit = n >> 1;
        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j) {
            cx t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
    }
    for (size_t half = 1; half < n; half *= 2)
        for (size_t k = 0; k < half; k++) {
            cx w = root(k, half);
            w.im *= sign;
            for (size_t i = k; i < n; i += 2 * half) {
                cx t = times(w, v[i + half]);
                v[i + half] = (cx){ v[i].re - t.re, v[i].im - t.im };
                v[i] = (cx){ v[i].re + t.re, v[i].im + t.im };
            }
        }
}

/* What transforms of one length share. */
typedef struct fft {
    size_t n, padded;                /* padded 0: n is a power of two */
    cx *chirp, *filter, *work;
} fft;

static hn_err fft_open(hn_call *c, size_t n, int sign, fft *f)
{
    *f = (fft){ .n = n };
    if (n == 0 || (n & (n - 1)) == 0)
        return HN_OK;
    if (n > SIZE_MAX / 8 / sizeof(cx))
        return hn_bad(c, "a transform of %zu places", n);
    for (f->padded = 1; f->padded < 2 * n - 1;)
        f->padded *= 2;
    f->chirp = HN_SCRATCH(c, cx, n);
    f->filter = HN_SCRATCH(c, cx, f->padded);
    f->work = HN_SCRATCH(c, cx, f->padded);
    if (!f->chirp || !f->filter || !f->work)
        return hn_nomem(c->cx, "a transform");
    for (size_t k = 0, square = 0; k < n; square = (square + 2 * k + 1) % (2 * n), k++) {    /* k^2 mod 2n */
        cx w = root(square, n);
        f->chirp[k] = (cx){ w.re, sign * w.im };
        f->filter[k] = f->filter[k ? f->padded - k : 0] = (cx){ w.re, -sign * w.im };
    }
    butterfly(f->filter, f->padded, -1);
    return HN_OK;
}

static void fft_run(const fft *f, cx *v, int sign)
{
    if (!f->padded) {
        if (f->n > 1)
            butterfly(v, f->n, sign);
        return;
    }
    memset(f->work, 0, f->padded * sizeof *f->work);
    for (size_t k = 0; k < f->n; k++)
        f->work[k] = times(v[k], f->chirp[k]);
    butterfly(f->work, f->padded, -1);
    for (size_t k = 0; k < f->padded; k++)
        f->work[k] = times(f->work[k], f->filter[k]);
    butterfly(f->work, f->padded, 1);
    for (size_t k = 0; k < f->n; k++) {
        cx t = times(f->work[k], f->chirp[k]);
        v[k] = (cx){ t.re / (double)f->padded, t.im / (double)f->padded };
    }
}

/* ---- DFT --------------------------------------------------------------------------------------
 *
 *     x [.., n, ..., 1 or 2]   length, axis: numbers   ->   y [.., length or half of it, ..., 2 or 1] */

typedef struct dft {
    int axis;
    int64_t length, out;               /* of the transform; along the axis of y */
    bool inverse, onesided;
} dft;

static hn_err read_dft(hn_call *c, dft *d)
{
    const hn_shape *x = &c->in[0]->shape;
    int64_t axis = -2, length;
    if (hn_has_in(c, 2) && hn_known(c, 2, &axis, 1) != 1)
        return hn_bad(c, "the axis is not one number");
    HN_TRY(hn_axis(c, axis, x->rank, &d->axis));
    if (d->axis == x->rank - 1)
        return hn_bad(c, "the last axis holds the parts of complex numbers");
    d->inverse = hn_attr_int(c->node, "inverse", 0);
    d->onesided = hn_attr_int(c->node, "onesided", 0);
    int64_t n = x->dim[d->axis];
    d->length = hn_is_symbol(n) ? n : d->inverse && d->onesided ? 2 * (n - 1) : n;
    if (hn_has_in(c, 1))
        d->length = hn_known(c, 1, &length, 1) == 1 ? length : HN_SYMBOL;
    if (hn_is_symbol(d->length)) {
        d->out = hn_fresh_dim(c);
        return HN_OK;
    }
    if (d->length < 1)
        return hn_bad(c, "a transform of %lld places", (long long)d->length);
    d->out = d->onesided && !d->inverse ? d->length / 2 + 1 : d->length;
    return HN_OK;
}

static hn_err infer_dft(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int64_t axis;
    dft d;
    HN_TRY(hn_want_float(c, 0));
    for (int i = 1; i <= 2; i++)
        if (hn_has_in(c, i) && c->in[i]->dtype != HN_I32)
            HN_TRY(hn_want_type(c, i, HN_I64));
    if (x->rank < 0)
        return hn_infer_same(c);
    if (x->rank < 2 || (!hn_is_symbol(x->dim[x->rank - 1]) && x->dim[x->rank - 1] != 1 && x->dim[x->rank - 1] != 2))
        return hn_bad(c, "expected 2 dimensions or more, the last of 1 or 2");
    hn_shape y = *x;
    y.dim[x->rank - 1] = hn_attr_int(c->node, "inverse", 0) && hn_attr_int(c->node, "onesided", 0) ? 1 : 2;
    if (hn_has_in(c, 2) && !c->in[2]->data && hn_known(c, 2, &axis, 1) != 1) {     /* any of them may change */
        for (int i = 0; i < y.rank - 1; i++)
            y.dim[i] = hn_fresh_dim(c);
    } else {
        HN_TRY(read_dft(c, &d));
        y.dim[d.axis] = d.out;
    }
    hn_out(c, 0, c->in[0]->dtype, &y);
    return HN_OK;
}

/* One line of x, cut or filled with zeros to the length; the half that onesided leaves out is mirrored. */
static void load_line(const dft *d, const double *x, size_t n, size_t step, size_t parts, cx *line)
{
    size_t length = (size_t)d->length;
    for (size_t k = 0; k < length; k++) {
        const double *at = x + k * step * parts;
        line[k] = k < n ? (cx){ at[0], parts == 2 ? at[1] : 0 } : (cx){ 0, 0 };
    }
    for (size_t k = length / 2 + 1; k < length && d->inverse && d->onesided; k++)
        line[k] = (cx){ line[length - k].re, -line[length - k].im };
}

static hn_err run_dft(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_tensor *y = c->out[0];
    double *v;
    dft d;
    fft f;
    HN_TRY(read_dft(c, &d));
    int sign = d.inverse ? 1 : -1;
    size_t parts = (size_t)x->dim[x->rank - 1], out_parts = (size_t)y->shape.dim[x->rank - 1];
    hn_shape lines = *x;
    lines.rank--;
    hn_split s = hn_split_at(&lines, d.axis);
    if (hn_count(y) == 0)
        return HN_OK;
    HN_TRY(hn_load_f64(c, c->in[0], &v));
    HN_TRY(fft_open(c, (size_t)d.length, sign, &f));
    cx *line = HN_SCRATCH(c, cx, (size_t)d.length);
    if (!line)
        return hn_nomem(c->cx, "a transform");
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            load_line(&d, v + (o * s.n * s.inner + i) * parts, s.n, s.inner, parts, line);
            fft_run(&f, line, sign);
            for (size_t k = 0; k < (size_t)d.out; k++) {
                double by = d.inverse ? (double)d.length : 1, out[] = { line[k].re / by, line[k].im / by };
                hn_put_f64(y, ((o * (size_t)d.out + k) * s.inner + i) * out_parts, out_parts, out);
            }
        }
    return HN_OK;
}

/* ---- STFT: transforms of a window moved along ----------------------------------------------------
 *
 *     x [B, n, 1 or 2] or [B, n]   step   window [length]   length   ->   y [B, frames, bins, 2] */

typedef struct stft { int64_t step, length, frames, bins; } stft;

static hn_err read_stft(hn_call *c, stft *s)
{
    const hn_shape *x = &c->in[0]->shape;
    *s = (stft){ .step = HN_SYMBOL, .length = HN_SYMBOL };
    if (hn_known(c, 1, &s->step, 1) != 1)
        s->step = HN_SYMBOL;
    if (hn_has_in(c, 3)) {
        if (hn_known(c, 3, &s->length, 1) != 1)
            s->length = HN_SYMBOL;
    } else if (hn_has_in(c, 2))
        s->length = c->in[2]->shape.rank == 1 ? c->in[2]->shape.dim[0] : HN_SYMBOL;
    else
        s->length = x->dim[1];
    if (hn_has_in(c, 2) && c->in[2]->shape.rank == 1 && hn_dims_differ(c->in[2]->shape.dim[0], s->length))
        return hn_bad(c, "a window of %lld for frames of %lld", (long long)c->in[2]->shape.dim[0], (long long)s->length);
    s->frames = s->bins = HN_SYMBOL;
    if ((!hn_is_symbol(s->step) && s->step < 1) || (!hn_is_symbol(s->length) && s->length < 1))
        return hn_bad(c, "frames of %lld every %lld", (long long)s->length, (long long)s->step);
    if (!hn_is_symbol(s->length))
        s->bins = hn_attr_int(c->node, "onesided", 1) ? s->length / 2 + 1 : s->length;
    if (!hn_is_symbol(s->length) && !hn_is_symbol(s->step) && !hn_is_symbol(x->dim[1]))
        s->frames = x->dim[1] < s->length ? 0 : 1 + (x->dim[1] - s->length) / s->step;
    return HN_OK;
}

static hn_err infer_stft(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    stft s;
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_same(c, 0, 2));
    HN_TRY(hn_want_rank(c, 2, 1));
    for (int i = 1; i <= 3; i += 2)
        if (hn_has_in(c, i) && c->in[i]->dtype != HN_I32)
            HN_TRY(hn_want_type(c, i, HN_I64));
    if (x->rank >= 0 && (x->rank < 2 || x->rank > 3 || (x->rank == 3 && x->dim[2] > 2)))
        return hn_bad(c, "expected a signal of 2 or 3 dimensions, the third of 1 or 2");
    hn_shape y = { .rank = 4, .dim = { hn_fresh_dim(c), hn_fresh_dim(c), hn_fresh_dim(c), 2 } };
    if (x->rank > 0) {
        HN_TRY(read_stft(c, &s));
        y.dim[0] = x->dim[0];
        y.dim[1] = hn_is_symbol(s.frames) ? y.dim[1] : s.frames;
        y.dim[2] = hn_is_symbol(s.bins) ? y.dim[2] : s.bins;
    }
    hn_out(c, 0, c->in[0]->dtype, &y);
    return HN_OK;
}

static hn_err run_stft(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    double *v, *window = NULL;
    stft s;
    fft f;
    HN_TRY(read_stft(c, &s));
    if (hn_count(c->out[0]) == 0)
        return HN_OK;
    HN_TRY(hn_load_f64(c, c->in[0], &v));
    if (hn_has_in(c, 2))
        HN_TRY(hn_load_f64(c, c->in[2], &window));
    HN_TRY(fft_open(c, (size_t)s.length, -1, &f));
    cx *line = HN_SCRATCH(c, cx, (size_t)s.length);
    if (!line)
        return hn_nomem(c->cx, "a transform");
    size_t parts = x->rank == 3 ? (size_t)x->dim[2] : 1, at = 0;
    for (size_t b = 0; b < (size_t)x->dim[0]; b++)
        for (size_t t = 0; t < (size_t)s.frames; t++) {
            for (size_t k = 0; k < (size_t)s.length; k++) {
                const double *from = v + (b * (size_t)x->dim[1] + t * (size_t)s.step + k) * parts;
                double w = window ? window[k] : 1;
                line[k] = (cx){ w * from[0], parts == 2 ? w * from[1] : 0 };
            }
            fft_run(&f, line, -1);
            for (size_t k = 0; k < (size_t)s.bins; k++, at += 2)
                hn_put_f64(c->out[0], at, 2, (double[]){ line[k].re, line[k].im });
        }
    return HN_OK;
}

/* ---- MelWeightMatrix: bins of a spectrum to bands as wide as they sound ---------------------------- */

static hn_err infer_mel(hn_call *c)
{
    hn_dtype t = hn_dtype_from_onnx(hn_attr_int(c->node, "output_datatype", 1));
    hn_shape y = { .rank = 2 };
    int64_t bands, length;
    for (int i = 0; i < c->in_count; i++) {
        int class = hn_dtype_class(c->in[i]->dtype);
        if (hn_shape_known(&c->in[i]->shape) && hn_count(c->in[i]) != 1)
            return hn_bad(c, "input %d has %zu elements, expected 1", i, hn_count(c->in[i]));
        if (class == HN_CLASS_S || class == HN_CLASS_C)
            return hn_bad(c, "input %d is %s", i, hn_dtype_name(c->in[i]->dtype));
    }
    if (t == HN_NONE || hn_dtype_class(t) == HN_CLASS_S || hn_dtype_class(t) == HN_CLASS_C)
        return hn_unsupported(c, "an output of %s", hn_dtype_name(t));
    bool known = hn_known(c, 0, &bands, 1) == 1, known_length = hn_known(c, 1, &length, 1) == 1;
    if ((known && bands < 0 && !hn_is_symbol(bands)) || (known_length && length < 0 && !hn_is_symbol(length)))
        return hn_bad(c, "%lld bands of a transform of %lld", (long long)bands, (long long)length);
    y.dim[0] = known_length && !hn_is_symbol(length) ? length / 2 + 1 : hn_fresh_dim(c);
    y.dim[1] = known ? bands : hn_fresh_dim(c);
    hn_out(c, 0, t, &y);
    return HN_OK;
}

static double band_edge(double low, double step, size_t i, double length, double rate)
{
    double hertz = 700 * (pow(10, (low + (double)i * step) / 2595) - 1);
    return floor((length + 1) * hertz / rate);
}

static hn_err run_mel(hn_call *c)
{
    hn_tensor *y = c->out[0];
    size_t bins = (size_t)y->shape.dim[0], bands = (size_t)y->shape.dim[1];
    double length = hn_scalar_f64(c, 1, 0), rate = hn_scalar_f64(c, 2, 1);
    double low = 2595 * log10(1 + hn_scalar_f64(c, 3, 0) / 700);
    double high = 2595 * log10(1 + hn_scalar_f64(c, 4, 0) / 700), step = (high - low) / ((double)bands + 2);
    double *v = HN_SCRATCH(c, double, hn_mul(bins, bands));
    if (!v)
        return hn_nomem(c->cx, "a weight matrix");
    for (size_t b = 0; b < bands && bins; b++) {
        double left = band_edge(low, step, b, length, rate), mid = band_edge(low, step, b + 1, length, rate);
        double right = band_edge(low, step, b + 2, length, rate);
        if (!(left >= 0) || !(mid >= left) || !(right >= mid) || !(right <= (double)bins))
            return hn_bad(c, "band %zu goes from bin %g to %g of %zu", b, left, right, bins);
        for (size_t i = (size_t)left; i < bins && (double)i <= right; i++) {
            double at = (double)i;
            double up = mid > left ? (at - left) / (mid - left) : 1, down = right > mid ? (right - at) / (right - mid) : 0;
            v[i * bands + b] = at < mid ? up : at == mid && right == mid ? 1 : down;
        }
    }
    hn_put_f64(y, 0, hn_count(y), v);
    return HN_OK;
}

/* ---- Windows: sums of cosines ------------------------------------------------------------------------- */

static hn_err infer_window(hn_call *c)
{
    hn_dtype t = hn_dtype_from_onnx(hn_attr_int(c->node, "output_datatype", 1));
    hn_shape y = { .rank = 1 };
    if (c->in[0]->dtype != HN_I32)
        HN_TRY(hn_want_type(c, 0, HN_I64));
    if (hn_shape_known(&c->in[0]->shape) && hn_count(c->in[0]) != 1)
        return hn_bad(c, "the size has %zu elements, expected 1", hn_count(c->in[0]));
    if (t == HN_NONE || hn_dtype_class(t) == HN_CLASS_S || hn_dtype_class(t) == HN_CLASS_C)
        return hn_unsupported(c, "an output of %s", hn_dtype_name(t));
    if (hn_known(c, 0, y.dim, 1) != 1)
        y.dim[0] = hn_fresh_dim(c);
    else if (y.dim[0] < 0 && !hn_is_symbol(y.dim[0]))
        return hn_bad(c, "a window of %lld", (long long)y.dim[0]);
    hn_out(c, 0, t, &y);
    return HN_OK;
}

static hn_err window(hn_call *c, double a, double b, double d)
{
    size_t n = (size_t)c->out[0]->shape.dim[0];
    double over = hn_attr_int(c->node, "periodic", 1) ? (double)n : (double)n - 1;
    for (size_t i = 0; i < n; i++) {
        double at = over > 0 ? 2 * M_PI * (double)i / over : M_PI, v = a - b * cos(at) + d * cos(2 * at);
        hn_put_f64(c->out[0], i, 1, &v);
    }
    return HN_OK;
}

static hn_err run_hann(hn_call *c) { return window(c, 0.5, 0.5, 0); }
static hn_err run_hamming(hn_call *c) { return window(c, 25.0 / 46, 21.0 / 46, 0); }
static hn_err run_blackman(hn_call *c) { return window(c, 0.42, 0.5, 0.08); }

static const hn_attr_spec dft_attr[] = {
    { "inverse", HN_ATTR_INT, "0" }, { "onesided", HN_ATTR_INT, "0" }, { 0 }
};
static const hn_attr_spec stft_attr[] = { { "onesided", HN_ATTR_INT, "1" }, { 0 } };
static const hn_attr_spec mel_attr[] = { { "output_datatype", HN_ATTR_INT, "1: f32" }, { 0 } };
static const hn_attr_spec window_attr[] = {
    { "output_datatype", HN_ATTR_INT, "1: f32" }, { "periodic", HN_ATTR_INT, "1" }, { 0 }
};

#define SIGNAL(id, onnx, opset, ins_min, ins_max, attrs, infer_fn, run_fn)                          \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins_min, .max_in = ins_max, \
        .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

SIGNAL(dft,               "DFT",             20, 1, 3, dft_attr,    infer_dft,    run_dft)
SIGNAL(stft,              "STFT",            17, 2, 4, stft_attr,   infer_stft,   run_stft)
SIGNAL(mel_weight_matrix, "MelWeightMatrix", 17, 5, 5, mel_attr,    infer_mel,    run_mel)
SIGNAL(hann_window,       "HannWindow",      17, 1, 1, window_attr, infer_window, run_hann)
SIGNAL(hamming_window,    "HammingWindow",   17, 1, 1, window_attr, infer_window, run_hamming)
SIGNAL(blackman_window,   "BlackmanWindow",  17, 1, 1, window_attr, infer_window, run_blackman)
