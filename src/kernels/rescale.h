/* SPDX-License-Identifier: Apache-2.0 */
/* hn_rescale() of fixed.h on vectors, for the kernels that end in bytes. */
#ifndef HN_KERNELS_RESCALE_H
#define HN_KERNELS_RESCALE_H

#include "kernels/isa.h"
#include "kernels/quick.h"

/* By a fraction of 31 bits between two shifts, each lane its own; rule AWAY or UP. */
VEC vi vi_rescale(vi x, vi left, vi fraction, vi right, hn_rounding rule)
{
    vi zero = vi_set(0), one = vi_set(1);
    x = vi_high_mul(vi_shl(x, left), fraction);
    vi floor = vi_sar(x, right);
    if (rule == HN_ROUND_UP)        /* the last bit shifted out is the half; no bits, no half */
        return vi_add(floor, vi_and(vi_sar(x, vi_max(vi_sub(right, one), zero)), vi_and(one, vi_more(right, zero))));
    vi mask = vi_sub(vi_shl(one, right), one);
    vi half = vi_sub(vi_sar(mask, one), vi_more(zero, x));         /* (mask >> 1) + (x < 0) */
    return vi_sub(floor, vi_more(vi_and(x, mask), half));
}

/* The same factor for every lane. */
VEC vi vi_rescale_all(vi x, hn_factor f, hn_rounding rule)
{
    return vi_rescale(x, vi_set(f.shift > 0 ? f.shift : 0), vi_set(f.fraction), vi_set(f.shift < 0 ? -f.shift : 0), rule);
}

/* ---- Sums to bytes -------------------------------------------------------------------------------
 *
 * Every rule is a whole number below a real one: floor(x f + 1/2 + d) with f the factor and
 *
 *     EVEN   d = 0, but for halves
 *     UP     d = 2^-(s + 1): the first rounding's half a step, s bits below
 *     AWAY   d = 2^-(s + 1) with the sign of x
 *
 * and s the shift to the right behind the fraction; without one, d is 0.  In floats, in units of 2^-14, that is off by
 * less than 1.5: factor, sum, start and result are each rounded to 24 bits, and a byte has 8 + 14.  So the floor is
 * right wherever the float is not within 1.5 of a multiple of 2^14, which HN_QUICK_MARGIN moves to 0.5 to 3.5 above
 * one: lanes whose last 14 bits are below HN_QUICK_DOUBT are done again in integers or doubles.  One row of 64 in
 * 70. */

/* The sums of VF_N columns from j on by their factors, as hn_rescale() has it. */
VEC vi rescale_columns(vi x, const hn_requant *q, size_t j, hn_rounding rule)
{
    if (rule == HN_ROUND_EVEN)
        return vi_mul_even(x, q->real + j, (double)q->low - q->zero, (double)q->high - q->zero);
    return vi_rescale(x, vi_load((const uint32_t *)q->left + j), vi_load((const uint32_t *)q->fraction + j),
                      vi_load((const uint32_t *)q->right + j), rule);
}

/* y between low and high as VF_N bytes, n of which there is room for. */
VEC void vi_put_bytes(uint8_t *out, vi y, size_t n)
{
    if (n >= VF_N) {
        vi_store_8(out, y);
    } else {
        uint8_t rest[VF_N];
        vi_store_8(rest, y);
        memcpy(out, rest, n);
    }
}

VEC vi biased(const int32_t *sums, vi more, const hn_requant *q, size_t j)
{
    return vi_add(vi_add(vi_load((const uint32_t *)sums), vi_load((const uint32_t *)q->bias + j)), more);
}

VEC void exact_row_by(uint8_t *out, const int32_t *sums, vi more, const hn_requant *q, size_t j, size_t n,
                      hn_rounding rule)
{
    vi low = vi_set(q->low - q->zero), high = vi_set(q->high - q->zero), zero = vi_set(q->zero);
    for (size_t v = 0; v < n; v += VF_N) {
        vi y = rescale_columns(biased(sums + v, more, q, j + v), q, j + v, rule);
        vi_put_bytes(out + v, vi_add(vi_min(vi_max(y, low), high), zero), n - v);
    }
}

/* Not inlined: it is rarely wanted, and quick rows want the registers. */
static __attribute__((noinline, unused)) void exact_row(uint8_t *out, const int32_t *sums, int32_t more,
                                                        const hn_requant *q, size_t j, size_t n)
{
    if (q->rule == HN_ROUND_EVEN)
        exact_row_by(out, sums, vi_set(more), q, j, n, HN_ROUND_EVEN);
    else if (q->rule == HN_ROUND_UP)
        exact_row_by(out, sums, vi_set(more), q, j, n, HN_ROUND_UP);
    else
        exact_row_by(out, sums, vi_set(more), q, j, n, HN_ROUND_AWAY);
}

/* What quick rows read again and again, out of reach of the bytes they store. */
typedef struct quick {
    const int32_t *bias;
    const float *scale, *start, *nudge;
    vf low, high;
} quick;

VEC vi quick_columns(const quick *k, const int32_t *sums, vi more, size_t v, hn_rounding rule)
{
    vi sum = vi_add(vi_add(vi_load((const uint32_t *)sums + v), vi_load((const uint32_t *)k->bias + v)), more);
    vf x = vi_float(sum), t = vf_fma(x, vf_load(k->scale + v), vf_load(k->start + v));
    if (rule == HN_ROUND_AWAY)
        t = vf_add(t, vf_copysign(vf_load(k->nudge + v), x));
    return vf_int(vf_clip(t, k->low, k->high));
}

/* `rows` rows of n sums, `wide` apart, and what is added to each row (NULL: nothing) to bytes by the rules of columns j
 * on; rows of bytes are `step` apart.  Sums and rules have room for a multiple of VF_N. */
VEC void rows_to_bytes_by(uint8_t *out, size_t step, const int32_t *sums, size_t wide, const int32_t *more, size_t rows,
                          const hn_requant *q, size_t j, size_t n, hn_rounding rule)
{
    const float unit = HN_QUICK_ONE;
    const quick k = { q->bias + j, q->scale + j, q->start + j, q->nudge + j, vf_set(((float)q->low + 0.5f) * unit),
                      vf_set(((float)q->high + 0.5f) * unit) };
    const vi mask = vi_set(HN_QUICK_ONE - 1), bits = vi_set(HN_QUICK_BITS);
    for (size_t r = 0; r < rows; r++, out += step, sums += wide) {
        vi add = vi_set(more ? more[r] : 0), least = mask;
        size_t v = 0;
        for (; v + VF_N <= n; v += VF_N) {
            vi y = quick_columns(&k, sums, add, v, rule);
            least = vi_min(least, vi_and(y, mask));
            vi_store_8(out + v, vi_sar(y, bits));
        }
        if (v < n) {
            vi y = quick_columns(&k, sums, add, v, rule);
            least = vi_min(least, vi_and(y, mask));
            vi_put_bytes(out + v, vi_sar(y, bits), n - v);
        }
        if (vi_any_below(least, HN_QUICK_DOUBT))
            exact_row(out, sums, more ? more[r] : 0, q, j, n);
    }
}

VEC void rows_to_bytes(uint8_t *out, size_t step, const int32_t *sums, size_t wide, const int32_t *more, size_t rows,
                       const hn_requant *q, size_t j, size_t n)
{
    if (!q->scale)
        for (size_t r = 0; r < rows; r++)
            exact_row(out + r * step, sums + r * wide, more ? more[r] : 0, q, j, n);
    else if (q->rule == HN_ROUND_EVEN)
        rows_to_bytes_by(out, step, sums, wide, more, rows, q, j, n, HN_ROUND_EVEN);
    else if (q->rule == HN_ROUND_UP)
        rows_to_bytes_by(out, step, sums, wide, more, rows, q, j, n, HN_ROUND_UP);
    else
        rows_to_bytes_by(out, step, sums, wide, more, rows, q, j, n, HN_ROUND_AWAY);
}

#endif
