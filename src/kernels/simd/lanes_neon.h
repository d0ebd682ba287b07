/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of four codes each: AArch64.  lanes_scalar.h says what each name means. */
#ifndef HN_SIMD_LANES_H
#define HN_SIMD_LANES_H

enum { LN_SIGNED = 1 };

VEC vi ln_and(vi a, vi b) { return vandq_s32(a, b); }
VEC vi ln_or(vi a, vi b) { return vorrq_s32(a, b); }
VEC vi ln_xor(vi a, vi b) { return veorq_s32(a, b); }
VEC vi ln_shift(vi a, int n) { return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(n))); }
VEC vi ln_shr(vi a, int n) { return ln_shift(a, -n); }
VEC vi ln_shl(vi a, int n) { return ln_shift(a, n); }
VEC vi ln_bytes(int x) { return vreinterpretq_s32_s8(vdupq_n_s8((int8_t)x)); }
VEC vi ln_lookup(const int8_t table[16], vi a)
{
    return vreinterpretq_s32_s8(vqtbl1q_s8(vld1q_s8(table), vreinterpretq_u8_s32(a)));
}

VEC vi ln_dot_signed(vi sum, vi w, vi x)
{
    int8x16_t a = vreinterpretq_s8_s32(w), b = vreinterpretq_s8_s32(x);
    int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b)), high = vmull_s8(vget_high_s8(a), vget_high_s8(b));
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

/* Codes that come here are below 128, so they are signed as well. */
typedef vi lh;
#define LN_FIT(top) 8

VEC lh lh_zero(void) { return vdupq_n_s32(0); }
VEC lh ln_dot(lh s, vi w, vi x) { return ln_dot_signed(s, w, x); }
VEC vi ln_sum(vi sum, lh s) { return vaddq_s32(sum, s); }

#endif
