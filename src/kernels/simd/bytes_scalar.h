/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 32 bytes, plain C; bytes_avx2.h and bytes_neon.h have the same names.
 *
 *     vb             32 bytes, signed or not as the operation says
 *     vb_mac(s, w, x, d)        s + d * (w . x), w and x signed; |x| <= 127
 *     vb_mac_u                  the same for w in 0..127, cheaper on some machines
 *     vb_mac2, vb_mac2_u        a factor for elements 0-15 and one for 16-31
 *
 * The products are exact; how the lanes of s divide them is each machine's own affair. */
#ifndef HN_SIMD_BYTES_H
#define HN_SIMD_BYTES_H

#include "kernels/simd/vec_scalar.h"
#include "tensor/convert.h"

typedef struct vb { int8_t at[32]; } vb;

#define VB_EACH(out, expression)            \
    vb out;                                 \
    for (int i = 0; i < 32; i++)            \
        out.at[i] = (int8_t)(expression);   \
    return out

VEC vb vb_load(const void *p) { vb v; memcpy(&v, p, 32); return v; }
VEC vb vb_set(int x) { VB_EACH(v, x); }
VEC vb vb_and(vb a, vb b) { VB_EACH(v, a.at[i] & b.at[i]); }
VEC vb vb_or(vb a, vb b) { VB_EACH(v, a.at[i] | b.at[i]); }
VEC vb vb_sub(vb a, vb b) { VB_EACH(v, a.at[i] - b.at[i]); }
VEC vb vb_shr(vb a, int n) { VB_EACH(v, (uint8_t)a.at[i] >> n); }     /* of unsigned bytes */
VEC vb vb_shl(vb a, int n) { VB_EACH(v, (uint8_t)a.at[i] << n); }

/* 16 bytes: the low halves, then the high halves. */
VEC vb vb_nibbles(const uint8_t *p) { VB_EACH(v, i < 16 ? p[i] & 15 : p[i - 16] >> 4); }

/* 32 bits, the first in the lowest: 0 or -1. */
VEC vb vb_bits(const uint8_t *p) { VB_EACH(v, -(p[i / 8] >> i % 8 & 1)); }

/* table[i], i < 16 */
VEC vb vb_lookup(const int8_t table[16], vb index) { VB_EACH(v, table[index.at[i] & 15]); }

/* Quarters of eight bytes: 0 2 1 3. */
VEC vb vb_swap_middle(vb a) { VB_EACH(v, a.at[i < 8 || i >= 24 ? i : i < 16 ? i + 8 : i - 8]); }

VEC int vb_dot_half(vb w, vb x, int from)
{
    int sum = 0;
    for (int i = from; i < from + 16; i++)
        sum += w.at[i] * x.at[i];
    return sum;
}
VEC vf vb_mac2(vf s, vb w, vb x, float low, float high)
{
    return s + (low * (float)vb_dot_half(w, x, 0) + high * (float)vb_dot_half(w, x, 16));
}
VEC vf vb_mac(vf s, vb w, vb x, float d)
{
    return s + d * (float)(vb_dot_half(w, x, 0) + vb_dot_half(w, x, 16));
}
VEC vf vb_mac2_u(vf s, vb w, vb x, float low, float high) { return vb_mac2(s, w, x, low, high); }
VEC vf vb_mac_u(vf s, vb w, vb x, float d) { return vb_mac(s, w, x, d); }

/* Half floats at p, little-endian. */
VEC float half_at(const uint8_t *p) { return hn_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

#endif
