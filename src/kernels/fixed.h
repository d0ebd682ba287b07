/* SPDX-License-Identifier: Apache-2.0 */
/* Rescaling of integers: what an exact integer sum becomes when it is written with another scale.
 *
 * A factor is a fraction of 31 bits and a shift.  How the product is rounded is the rule of the format
 * a model came from, and part of what its operators mean:
 *
 *     AWAY     the product rounded to a whole number, then shifted, halves away from zero: TFLite's
 *              reference, and its kernels that go element by element
 *     UP       the same with halves up: TFLite's matrix products
 *     SINGLE   product and shift at once, halves up
 *     EVEN     ONNX: the factor as a real number, halves to even
 *
 * Inline, because operators and kernels must give the same bits. */
#ifndef HN_KERNELS_FIXED_H
#define HN_KERNELS_FIXED_H

#include <math.h>
#include <stdint.h>

typedef enum hn_rounding { HN_ROUND_AWAY, HN_ROUND_UP, HN_ROUND_SINGLE, HN_ROUND_EVEN } hn_rounding;

typedef struct hn_factor {
    int32_t fraction;            /* 2^30 to 2^31 - 1, or 0 */
    int shift;                   /* the factor is fraction / 2^31 * 2^shift */
    double real;
} hn_factor;

static inline hn_factor hn_factor_of(double real)
{
    hn_factor f = { 0, 0, real };
    if (!(real > 0) || isinf(real))
        return f;
    int64_t q = (int64_t)round(frexp(real, &f.shift) * 2147483648.0);
    if (q == (int64_t)1 << 31) {
        q /= 2;
        f.shift++;
    }
    if (f.shift < -31) {
        q = 0;
        f.shift = 0;
    }
    if (f.shift > 30) {
        q = INT32_MAX;
        f.shift = 30;
    }
    f.fraction = (int32_t)q;
    return f;
}

/* a b / 2^31, halves away from zero but for negative ones, which go up. */
static inline int32_t hn_high_mul(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    int64_t ab = (int64_t)a * b, nudge = ab >= 0 ? (int64_t)1 << 30 : 1 - ((int64_t)1 << 30);
    return (int32_t)((ab + nudge) / ((int64_t)1 << 31));
}

/* x / 2^bits, halves away from zero; bits 0 to 31. */
static inline int32_t hn_round_shift(int32_t x, int bits)
{
    int64_t mask = ((int64_t)1 << bits) - 1, rest = x & mask, half = (mask >> 1) + (x < 0);
    return (int32_t)((x >> bits) + (rest > half));
}

static inline int32_t hn_round_shift_up(int32_t x, int bits)
{
    return bits ? (int32_t)(((int64_t)x + ((int64_t)1 << (bits - 1))) >> bits) : x;
}

static inline int32_t hn_rescale(int32_t x, hn_factor f, hn_rounding rule)
{
    int left = f.shift > 0 ? f.shift : 0, right = f.shift < 0 ? -f.shift : 0;
    if (rule == HN_ROUND_AWAY)
        return hn_round_shift(hn_high_mul((int32_t)((uint32_t)x << left), f.fraction), right);
    if (rule == HN_ROUND_UP)
        return hn_round_shift_up(hn_high_mul((int32_t)((uint32_t)x << left), f.fraction), right);
    if (rule == HN_ROUND_SINGLE)
        return (int32_t)(((int64_t)x * f.fraction + ((int64_t)1 << (30 - f.shift))) >> (31 - f.shift));
    double y = nearbyint((double)x * f.real);
    return y >= 2147483647.0 ? INT32_MAX : y <= -2147483648.0 ? INT32_MIN : (int32_t)y;
}

/* For sums of up to 48 bits, of 16-bit activations: the fraction is first rounded to 15 bits. */
static inline int32_t hn_rescale_wide(int64_t x, hn_factor f, hn_rounding rule)
{
    if (rule == HN_ROUND_EVEN) {
        double y = nearbyint((double)x * f.real);
        return y >= 2147483647.0 ? INT32_MAX : y <= -2147483648.0 ? INT32_MIN : (int32_t)y;
    }
    int64_t fraction = f.fraction < 0x7fff0000 ? (f.fraction + (1 << 15)) >> 16 : 0x7fff;
    int bits = 15 - (f.shift < 14 ? f.shift : 14);
    int64_t wide = (int64_t)((uint64_t)x * (uint64_t)fraction + ((uint64_t)1 << (bits - 1)));
    return (int32_t)(wide >> bits);
}

static inline int32_t hn_clamp_i32(int64_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : (int32_t)x;
}

#endif
