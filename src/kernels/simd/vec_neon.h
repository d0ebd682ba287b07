/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of four: AArch64's Advanced SIMD.  vec_scalar.h says what each name means. */
#ifndef HN_SIMD_VEC_H
#define HN_SIMD_VEC_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/inline.h"

#define VF_N 4
#define GEMM_ROWS 8          /* 8 x 2 sums, two vectors of B and the broadcasts of A: 32 registers */
#define GEMM_VECS 2
#define GEMM_ACCS 16

typedef float32x4_t vf;
typedef int32x4_t vi;
typedef uint32x4_t vm;

VEC vf vf_set(float x) { return vdupq_n_f32(x); }
VEC vf vf_load(const float *p) { return vld1q_f32(p); }
VEC void vf_store(float *p, vf v) { vst1q_f32(p, v); }

/* VF_N half-precision numbers, and back with round half to even. */
VEC vf vf_load_half(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
VEC void vf_store_half(uint16_t *p, vf v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }

/* No masked loads here: pairs and singles by hand. */
VEC vf vf_load_n(const float *p, size_t n)
{
    vf v = vdupq_n_f32(0);
    if (n >= 4)
        return vld1q_f32(p);
    if (n & 2)
        v = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
    if (n == 1)
        v = vld1q_lane_f32(p, v, 0);
    if (n == 3)
        v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}

VEC void vf_store_n(float *p, vf v, size_t n)
{
    if (n >= 4)
        vst1q_f32(p, v);
    else if (n & 2)
        vst1_f32(p, vget_low_f32(v));
    if (n == 1)
        vst1q_lane_f32(p, v, 0);
    if (n == 3)
        vst1q_lane_f32(p + 2, v, 2);
}

VEC vf vf_add(vf a, vf b) { return vaddq_f32(a, b); }
VEC vf vf_sub(vf a, vf b) { return vsubq_f32(a, b); }
VEC vf vf_mul(vf a, vf b) { return vmulq_f32(a, b); }
VEC vf vf_div(vf a, vf b) { return vdivq_f32(a, b); }
VEC vf vf_sqrt(vf a) { return vsqrtq_f32(a); }
/* The machine's own min and max answer NaN where ours answer b. */
VEC vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
VEC vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
VEC vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
VEC vf vf_neg(vf a) { return vnegq_f32(a); }
VEC vf vf_abs(vf a) { return vabsq_f32(a); }
VEC vf vf_copysign(vf size, vf sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, size); }
VEC vf vf_round(vf a) { return vrndnq_f32(a); }

VEC vm vf_lt(vf a, vf b) { return vcltq_f32(a, b); }
VEC vm vf_isnan(vf a) { return vmvnq_u32(vceqq_f32(a, a)); }
VEC vm vm_or(vm a, vm b) { return vorrq_u32(a, b); }
VEC int vm_any(vm a) { return vmaxvq_u32(a) != 0; }
VEC vf vf_sel(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }

VEC float vf_sum(vf a)
{
    float32x2_t s = vadd_f32(vget_low_f32(a), vget_high_f32(a));
    return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}

VEC float vf_top(vf a) { return vmaxvq_f32(a); }

VEC vi vi_set(int32_t x) { return vdupq_n_s32(x); }
VEC vi vi_load(const uint32_t *p) { return vreinterpretq_s32_u32(vld1q_u32(p)); }
VEC void vi_store(uint32_t *p, vi v) { vst1q_u32(p, vreinterpretq_u32_s32(v)); }
VEC vi vi_add(vi a, vi b) { return vaddq_s32(a, b); }
VEC vi vi_sub(vi a, vi b) { return vsubq_s32(a, b); }
VEC vi vi_half(vi a) { return vshrq_n_s32(a, 1); }
VEC vi vi_load_bytes(const void *p) { return vreinterpretq_s32_u8(vld1q_u8(p)); }
VEC void vi_store_bytes(void *p, vi v) { vst1q_u8((uint8_t *)p, vreinterpretq_u8_s32(v)); }
VEC vi vi_load_bytes_n(const void *p, size_t n)
{
    uint8_t some[16] = { 0 };
    memcpy(some, p, n);
    return vi_load_bytes(some);
}

VEC void vi_zip_bytes(uint8_t *out, vi a, vi b, vi c, vi d)
{
    vst4q_u8(out, (uint8x16x4_t){ { vreinterpretq_u8_s32(a), vreinterpretq_u8_s32(b), vreinterpretq_u8_s32(c),
                                    vreinterpretq_u8_s32(d) } });
}

VEC vf vi_float(vi a) { return vcvtq_f32_s32(a); }
VEC vi vf_int(vf a) { return vcvtnq_s32_f32(a); }

/* Widened: a product of an unsigned and a signed byte fits 16 bits, a sum of two does not. */
VEC vi vi_dot_u8s8(vi sum, vi a, vi b)
{
    uint8x16_t u = vreinterpretq_u8_s32(a);
    int8x16_t s = vreinterpretq_s8_s32(b);
    int16x8_t low = vmulq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(u))), vmovl_s8(vget_low_s8(s)));
    int16x8_t high = vmulq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(u))), vmovl_s8(vget_high_s8(s)));
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
}

VEC vi vi_dot_u8s8_calm(vi sum, vi a, vi b) { return vi_dot_u8s8(sum, a, b); }
VEC vi vi_and(vi a, vi b) { return vandq_s32(a, b); }
VEC vi vi_xor(vi a, vi b) { return veorq_s32(a, b); }
VEC vi vi_min(vi a, vi b) { return vminq_s32(a, b); }
VEC vi vi_max(vi a, vi b) { return vmaxq_s32(a, b); }
VEC vi vi_more(vi a, vi b) { return vreinterpretq_s32_u32(vcgtq_s32(a, b)); }
VEC int vi_any_below(vi a, int32_t bound) { return vminvq_s32(a) < bound; }
VEC vi vi_shl(vi a, vi n) { return vshlq_s32(a, n); }
VEC vi vi_sar(vi a, vi n) { return vshlq_s32(a, vnegq_s32(n)); }
VEC vi vi_high_mul(vi a, vi b) { return vqrdmulhq_s32(a, b); }

VEC vi vi_mul_even(vi a, const double *f, double lo, double hi)
{
    float64x2_t l = vdupq_n_f64(lo), h = vdupq_n_f64(hi);
    float64x2_t x = vmulq_f64(vcvtq_f64_s64(vmovl_s32(vget_low_s32(a))), vld1q_f64(f));
    float64x2_t y = vmulq_f64(vcvtq_f64_s64(vmovl_s32(vget_high_s32(a))), vld1q_f64(f + 2));
    return vcombine_s32(vmovn_s64(vcvtnq_s64_f64(vminq_f64(h, vmaxq_f64(l, x)))),
                        vmovn_s64(vcvtnq_s64_f64(vminq_f64(h, vmaxq_f64(l, y)))));
}

VEC int32_t vi_sum(vi a) { return vaddvq_s32(a); }

VEC vf vf_pow2(vi k)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(k, vdupq_n_s32(127)), 23));
}

VEC vi vi_load_u8(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    uint16x8_t w = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)));
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(w)));
}

VEC vi vi_load_i8(const int8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)))));
}

VEC void vi_store_8(uint8_t *p, vi v)
{
    uint16x4_t w = vmovn_u32(vreinterpretq_u32_s32(v));
    uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(w, w))), 0);
    memcpy(p, &four, sizeof four);
}

VEC void vi_transpose(vi r[VF_N])
{
    int32x4x2_t a = vtrnq_s32(r[0], r[1]), b = vtrnq_s32(r[2], r[3]);
    r[0] = vcombine_s32(vget_low_s32(a.val[0]), vget_low_s32(b.val[0]));
    r[1] = vcombine_s32(vget_low_s32(a.val[1]), vget_low_s32(b.val[1]));
    r[2] = vcombine_s32(vget_high_s32(a.val[0]), vget_high_s32(b.val[0]));
    r[3] = vcombine_s32(vget_high_s32(a.val[1]), vget_high_s32(b.val[1]));
}

#endif
