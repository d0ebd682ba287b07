/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of four codes each: a vi whose 32-bit lanes are rows.  Plain C; the other lanes_*.h have the same names:
 *
 *     ln_and, ln_or, ln_shr, ln_shl    bits; shifts move whole lanes, so a mask follows
 *     ln_lookup(t, a)                  t[byte] for bytes below 16
 *     ln_bytes(x)                      the byte x everywhere
 *     ln_dot(s, w, x)                  s + the four products in each lane; w unsigned, x signed, exact in
 *                                      an lh as long as LN_FIT allows, then ln_sum(i, s) adds them to 32 bits
 *     ln_dot_signed(i, w, x)           32-bit sums at once, w signed, where LN_SIGNED; elsewhere signed
 *                                      codes are raised by 128 first */
#ifndef HN_SIMD_LANES_H
#define HN_SIMD_LANES_H

enum { LN_SIGNED = 1 };

VEC vi ln_and(vi a, vi b) { return a & b; }
VEC vi ln_or(vi a, vi b) { return a | b; }
VEC vi ln_xor(vi a, vi b) { return a ^ b; }
VEC vi ln_shr(vi a, int n) { return (vi)((uint32_t)a >> n); }
VEC vi ln_shl(vi a, int n) { return (vi)((uint32_t)a << n); }
VEC vi ln_bytes(int x) { return (vi)((uint32_t)(x & 255) * 0x01010101u); }

VEC vi ln_lookup(const int8_t table[16], vi a)
{
    uint32_t out = 0;
    for (int i = 0; i < 4; i++)
        out |= (uint32_t)(uint8_t)table[(uint32_t)a >> 8 * i & 15] << 8 * i;
    return (vi)out;
}

typedef vi lh;
#define LN_FIT(top) 8        /* products of codes up to `top` that an lh takes */

VEC lh lh_zero(void) { return 0; }
VEC lh ln_dot(lh s, vi w, vi x)
{
    for (int i = 0; i < 4; i++)
        s += (int)((uint32_t)w >> 8 * i & 255) * (int8_t)((uint32_t)x >> 8 * i & 255);
    return s;
}
VEC vi ln_sum(vi sum, lh s) { return sum + s; }
VEC vi ln_dot_signed(vi sum, vi w, vi x)
{
    for (int i = 0; i < 4; i++)
        sum += (int8_t)((uint32_t)w >> 8 * i & 255) * (int8_t)((uint32_t)x >> 8 * i & 255);
    return sum;
}

#endif
