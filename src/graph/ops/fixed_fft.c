/* SPDX-License-Identifier: Apache-2.0 */
/* fixed_fft.c: Fourier transforms of 16-bit integers, as the audio front end of TensorFlow Lite for
 * Microcontrollers has them, in the "hone" domain.
 *
 *     SignalRfft   x [.., n] i16, n up to fft_length        ->  [.., 2 (fft_length / 2 + 1)], pairs
 *     SignalIrfft  x [.., 2 (fft_length / 2 + 1)] i16       ->  [.., fft_length]
 *
 * Numbers are fractions of 15 bits.  Each stage divides by its radix before it adds, so nothing grows:
 * the results are those of the definition over fft_length.  The order of stages (radix 4 as often as it
 * divides, then 2) and where products are rounded decide the last bits, so they are part of what the
 * operator means. */
#include <math.h>

#include "graph/load.h"

enum { FRACTION = 15, LENGTH_MAX = 1 << 16 };

typedef struct pair { int16_t re, im; } pair;

static int16_t rounded(int32_t product) { return (int16_t)((product + (1 << (FRACTION - 1))) >> FRACTION); }

static pair plus(pair a, pair b) { return (pair){ (int16_t)(a.re + b.re), (int16_t)(a.im + b.im) }; }
static pair minus(pair a, pair b) { return (pair){ (int16_t)(a.re - b.re), (int16_t)(a.im - b.im) }; }
static pair conjugate(pair a) { return (pair){ a.re, (int16_t)-a.im }; }

static pair times(pair a, pair b)
{
    /* Two products of 16 bits may add up to 2^31: only -1 times -1 twice, which wraps as there. */
    uint32_t re = (uint32_t)(a.re * b.re) - (uint32_t)(a.im * b.im);
    uint32_t im = (uint32_t)(a.re * b.im) + (uint32_t)(a.im * b.re), half = 1 << (FRACTION - 1);
    return (pair){ (int16_t)((int32_t)(re + half) >> FRACTION), (int16_t)((int32_t)(im + half) >> FRACTION) };
}

static pair over(pair a, int radix)
{
    int32_t part = INT16_MAX / radix;
    return (pair){ rounded(a.re * part), rounded(a.im * part) };
}

/* e^(i angle) */
static pair root(double angle)
{
    return (pair){ (int16_t)floor(0.5 + INT16_MAX * cos(angle)), (int16_t)floor(0.5 + INT16_MAX * sin(angle)) };
}

typedef struct transform {
    size_t n;                        /* complex places: half of the real ones */
    int sign;                        /* of the angles: -1 forward */
    pair *turn;                      /* [n], of the stages */
    pair *split;                     /* [n / 2], which take the halves of the real numbers apart */
    pair *work, *sorted;             /* [n + 1], [n] */
} transform;

static hn_err transform_new(hn_call *c, size_t length, bool inverse, transform *t)
{
    const double pi = 3.14159265358979323846;
    size_t n = length / 2;
    *t = (transform){ n, inverse ? 1 : -1, HN_SCRATCH(c, pair, n), HN_SCRATCH(c, pair, n / 2 + 1),
                      HN_SCRATCH(c, pair, n + 1), HN_SCRATCH(c, pair, n) };
    if (!t->turn || !t->split || !t->work || !t->sorted)
        return hn_nomem(c->cx, "a transform");
    for (size_t i = 0; i < n; i++)
        t->turn[i] = root(t->sign * 2 * pi * (double)i / (double)n);
    for (size_t i = 0; i < n / 2; i++)
        t->split[i] = root(t->sign * pi * ((double)(i + 1) / (double)n + 0.5));
    return HN_OK;
}

/* Four places, m apart, whose turns are `step` apart. */
static void radix4(const transform *t, pair *v, size_t m, size_t step)
{
    for (size_t k = 0; k < m; k++) {
        pair a = over(v[k], 4);
        pair b = times(over(v[k + m], 4), t->turn[k * step]);
        pair c = times(over(v[k + 2 * m], 4), t->turn[2 * k * step]);
        pair d = times(over(v[k + 3 * m], 4), t->turn[3 * k * step]);
        pair even = plus(a, c), odd = plus(b, d), rest = minus(a, c), cross = minus(b, d);
        pair quarter = t->sign < 0 ? (pair){ cross.im, (int16_t)-cross.re } : (pair){ (int16_t)-cross.im, cross.re };
        v[k] = plus(even, odd);
        v[k + m] = plus(rest, quarter);
        v[k + 2 * m] = minus(even, odd);
        v[k + 3 * m] = minus(rest, quarter);
    }
}

static void radix2(const transform *t, pair *v, size_t m, size_t step)
{
    for (size_t k = 0; k < m; k++) {
        pair a = over(v[k], 2), b = times(over(v[k + m], 2), t->turn[k * step]);
        v[k] = plus(a, b);
        v[k + m] = minus(a, b);
    }
}

/* In place.  Radices from the outermost stage inwards: 4 while it divides, then 2; so places are first
 * sorted by their digits in that mixed base, then joined from the inside out. */
static void transform_run(const transform *t, pair *v)
{
    int radix[32], stages = 0;
    for (size_t left = t->n; left > 1; left /= (size_t)radix[stages++])
        radix[stages] = left % 4 == 0 ? 4 : 2;
    for (size_t i = 0; i < t->n; i++) {
        size_t from = 0, weight = 1, at = i, block = t->n;
        for (int s = 0; s < stages; s++) {
            block /= (size_t)radix[s];
            from += at / block * weight;
            at %= block;
            weight *= (size_t)radix[s];
        }
        t->sorted[i] = v[from];
    }
    size_t m = 1;
    for (int s = stages - 1; s >= 0; s--) {
        size_t block = m * (size_t)radix[s];
        for (size_t i = 0; i < t->n; i += block)
            (radix[s] == 4 ? radix4 : radix2)(t, t->sorted + i, m, t->n / block);
        m = block;
    }
    for (size_t i = 0; i < t->n; i++)
        v[i] = t->sorted[i];
}

/* Real numbers two by two as complex ones; y [n + 1]. */
static void forward(const transform *t, pair *x, pair *y)
{
    transform_run(t, x);
    pair first = over(x[0], 2);
    y[0] = (pair){ (int16_t)(first.re + first.im), 0 };
    y[t->n] = (pair){ (int16_t)(first.re - first.im), 0 };
    for (size_t k = 1; k <= t->n / 2; k++) {
        pair a = over(x[k], 2), b = over(conjugate(x[t->n - k]), 2), sum = plus(a, b);
        pair turned = times(minus(a, b), t->split[k - 1]);
        y[k] = (pair){ (int16_t)((sum.re + turned.re) >> 1), (int16_t)((sum.im + turned.im) >> 1) };
        y[t->n - k] = (pair){ (int16_t)((sum.re - turned.re) >> 1), (int16_t)((turned.im - sum.im) >> 1) };
    }
}

/* x [n + 1]; y [n], real numbers two by two. */
static void backward(const transform *t, const pair *x, pair *y)
{
    y[0] = over((pair){ (int16_t)(x[0].re + x[t->n].re), (int16_t)(x[0].re - x[t->n].re) }, 2);
    for (size_t k = 1; k <= t->n / 2; k++) {
        pair a = over(x[k], 2), b = over(conjugate(x[t->n - k]), 2), sum = plus(a, b);
        pair turned = times(minus(a, b), t->split[k - 1]);
        y[k] = plus(sum, turned);
        y[t->n - k] = conjugate(minus(sum, turned));
    }
    transform_run(t, y);
}

/* ---- The operators ------------------------------------------------------------------------------- */

/* A power of two, so that only radices 4 and 2 occur. */
static hn_err read_length(hn_call *c, int64_t *out)
{
    *out = hn_attr_int(c->node, "fft_length", 0);
    if (*out < 4 || *out > LENGTH_MAX || (*out & (*out - 1)))
        return hn_unsupported(c, "a transform of %lld places: expected a power of two, 4 to %d", (long long)*out, LENGTH_MAX);
    return HN_OK;
}

static hn_err infer_rfft(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    int64_t length;
    HN_TRY(hn_want_type(c, 0, HN_I16));
    HN_TRY(read_length(c, &length));
    if (s.rank == 0)
        return hn_bad(c, "input 0 is one number");
    if (s.rank > 0) {
        int64_t *last = &s.dim[s.rank - 1];
        if (!hn_is_symbol(*last) && *last > length)
            return hn_bad(c, "%lld samples in a transform of %lld", (long long)*last, (long long)length);
        *last = length + 2;
    }
    hn_out(c, 0, HN_I16, &s);
    return HN_OK;
}

static int16_t sample(const int16_t *x, size_t i, size_t n) { return i < n ? x[i] : 0; }

static hn_err run_rfft(hn_call *c)
{
    const hn_shape *s = &c->in[0]->shape;
    size_t n = (size_t)s->dim[s->rank - 1];
    int64_t length;
    transform t;
    HN_TRY(read_length(c, &length));
    HN_TRY(transform_new(c, (size_t)length, false, &t));
    const int16_t *x = c->in[0]->data;
    pair *y = c->out[0]->data;
    for (size_t row = 0; row < hn_count(c->out[0]) / (size_t)(length + 2); row++) {
        for (size_t i = 0; i < (size_t)length; i += 2)
            t.work[i / 2] = (pair){ sample(x + row * n, i, n), sample(x + row * n, i + 1, n) };
        forward(&t, t.work, y + row * (t.n + 1));
    }
    return HN_OK;
}

static hn_err infer_irfft(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    int64_t length;
    HN_TRY(hn_want_type(c, 0, HN_I16));
    HN_TRY(read_length(c, &length));
    if (s.rank == 0 || (s.rank > 0 && hn_dims_differ(s.dim[s.rank - 1], length + 2)))
        return hn_bad(c, "expected %lld numbers along the last dimension", (long long)(length + 2));
    if (s.rank > 0)
        s.dim[s.rank - 1] = length;
    hn_out(c, 0, HN_I16, &s);
    return HN_OK;
}

static hn_err run_irfft(hn_call *c)
{
    int64_t length;
    transform t;
    HN_TRY(read_length(c, &length));
    HN_TRY(transform_new(c, (size_t)length, true, &t));
    const pair *x = c->in[0]->data;
    pair *y = c->out[0]->data;
    for (size_t row = 0; row < hn_count(c->out[0]) / (size_t)length; row++)
        backward(&t, x + row * (t.n + 1), y + row * t.n);
    return HN_OK;
}

static const hn_attr_spec attr[] = { { "fft_length", HN_ATTR_INT, "a power of two" }, { 0 } };

const hn_op hn_op_signal_rfft = {
    .name = "SignalRfft", .domain = "hone", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer_rfft, .run = run_rfft,
};

const hn_op hn_op_signal_irfft = {
    .name = "SignalIrfft", .domain = "hone", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer_irfft, .run = run_irfft,
};
