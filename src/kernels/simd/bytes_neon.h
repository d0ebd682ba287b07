/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 32 bytes: two of AArch64's.  bytes_scalar.h says what each name means. */
#ifndef HN_SIMD_BYTES_H
#define HN_SIMD_BYTES_H

#include "kernels/simd/vec_neon.h"

typedef struct vb { int8x16_t low, high; } vb;

VEC vb vb_of(int8x16_t low, int8x16_t high) { return (vb){ low, high }; }
VEC vb vb_load(const void *p) { return vb_of(vld1q_s8(p), vld1q_s8((const int8_t *)p + 16)); }
VEC vb vb_set(int x) { int8x16_t v = vdupq_n_s8((int8_t)x); return vb_of(v, v); }
VEC vb vb_and(vb a, vb b) { return vb_of(vandq_s8(a.low, b.low), vandq_s8(a.high, b.high)); }
VEC vb vb_or(vb a, vb b) { return vb_of(vorrq_s8(a.low, b.low), vorrq_s8(a.high, b.high)); }
VEC vb vb_sub(vb a, vb b) { return vb_of(vsubq_s8(a.low, b.low), vsubq_s8(a.high, b.high)); }

VEC int8x16_t vb_shift(int8x16_t a, int n)
{
    return vreinterpretq_s8_u8(vshlq_u8(vreinterpretq_u8_s8(a), vdupq_n_s8((int8_t)n)));
}
VEC vb vb_shr(vb a, int n) { return vb_of(vb_shift(a.low, -n), vb_shift(a.high, -n)); }
VEC vb vb_shl(vb a, int n) { return vb_of(vb_shift(a.low, n), vb_shift(a.high, n)); }

VEC vb vb_nibbles(const uint8_t *p)
{
    uint8x16_t a = vld1q_u8(p);
    return vb_of(vreinterpretq_s8_u8(vandq_u8(a, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8(a, 4)));
}

VEC int8x16_t vb_bits_16(const uint8_t *p)
{
    uint8x16_t own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    return vreinterpretq_s8_u8(vtstq_u8(vcombine_u8(vdup_n_u8(p[0]), vdup_n_u8(p[1])), own));
}
VEC vb vb_bits(const uint8_t *p) { return vb_of(vb_bits_16(p), vb_bits_16(p + 2)); }

VEC vb vb_lookup(const int8_t table[16], vb index)
{
    int8x16_t t = vld1q_s8(table);
    return vb_of(vqtbl1q_s8(t, vreinterpretq_u8_s8(index.low)), vqtbl1q_s8(t, vreinterpretq_u8_s8(index.high)));
}

VEC vb vb_swap_middle(vb a)
{
    return vb_of(vcombine_s8(vget_low_s8(a.low), vget_low_s8(a.high)),
                 vcombine_s8(vget_high_s8(a.low), vget_high_s8(a.high)));
}

/* Two products of at most 128 * 127 fit 16 bits. */
VEC int32x4_t vb_dot_16(int8x16_t w, int8x16_t x)
{
    int16x8_t p = vmull_s8(vget_low_s8(w), vget_low_s8(x));
    return vpaddlq_s16(vmlal_s8(p, vget_high_s8(w), vget_high_s8(x)));
}

VEC vf vb_mac(vf s, vb w, vb x, float d)
{
    return vf_fma(vcvtq_f32_s32(vaddq_s32(vb_dot_16(w.low, x.low), vb_dot_16(w.high, x.high))), vf_set(d), s);
}
VEC vf vb_mac2(vf s, vb w, vb x, float low, float high)
{
    s = vf_fma(vcvtq_f32_s32(vb_dot_16(w.low, x.low)), vf_set(low), s);
    return vf_fma(vcvtq_f32_s32(vb_dot_16(w.high, x.high)), vf_set(high), s);
}
VEC vf vb_mac_u(vf s, vb w, vb x, float d) { return vb_mac(s, w, x, d); }
VEC vf vb_mac2_u(vf s, vb w, vb x, float low, float high) { return vb_mac2(s, w, x, low, high); }

VEC float half_at(const uint8_t *p)
{
    __fp16 h;
    memcpy(&h, p, 2);
    return h;
}

#endif
