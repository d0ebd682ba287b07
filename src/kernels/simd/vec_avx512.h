/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of sixteen: AVX-512 with F, BW, VL, DQ and VNNI.  vec_scalar.h says what each name means. */
#ifndef HN_SIMD_VEC_H
#define HN_SIMD_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/inline.h"

#define VF_N 16
#define GEMM_ROWS 12         /* 12 x 2 sums, two vectors of B and one of A: 27 of 32 registers */
#define GEMM_VECS 2
#define GEMM_ACCS 24

typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

VEC __mmask16 vec_first(size_t n) { return (__mmask16)((1u << n) - 1); }

VEC vf vf_set(float x) { return _mm512_set1_ps(x); }
VEC vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
VEC void vf_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
VEC vf vf_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(vec_first(n), p); }
VEC void vf_store_n(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, vec_first(n), v); }

/* VF_N half-precision numbers, and back with round half to even. */
VEC vf vf_load_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
VEC void vf_store_half(uint16_t *p, vf v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

VEC vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
VEC vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
VEC vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
VEC vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
VEC vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
VEC vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
VEC vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
VEC vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
VEC vf vf_neg(vf a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
VEC vf vf_abs(vf a) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a); }
VEC vf vf_copysign(vf size, vf sign)
{
    vi bit = _mm512_set1_epi32(INT32_MIN);          /* 0xCA: bit ? sign : size */
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(bit, _mm512_castps_si512(sign), _mm512_castps_si512(size), 0xCA));
}
VEC vf vf_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

VEC vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
VEC vm vf_isnan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
VEC vm vm_or(vm a, vm b) { return a | b; }
VEC int vm_any(vm a) { return a != 0; }
VEC vf vf_sel(vm m, vf a, vf b) { return _mm512_mask_blend_ps(m, b, a); }

/* Halves onto each other: lanes 0 + 8, then + (4 + 12), + (2 + ...), then the odd ones. */
VEC float vf_sum(vf a)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

VEC float vf_top(vf a)
{
    __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

VEC vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
VEC vi vi_load(const uint32_t *p) { return _mm512_loadu_si512(p); }
VEC void vi_store(uint32_t *p, vi v) { _mm512_storeu_si512(p, v); }
VEC vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
VEC vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
VEC vi vi_half(vi a) { return _mm512_srai_epi32(a, 1); }
VEC vi vi_load_bytes(const void *p) { return _mm512_loadu_si512(p); }
VEC void vi_store_bytes(void *p, vi v) { _mm512_storeu_si512(p, v); }
VEC vi vi_load_bytes_n(const void *p, size_t n)
{
    return _mm512_maskz_loadu_epi8(n < 64 ? ((__mmask64)1 << n) - 1 : ~(__mmask64)0, p);
}

/* Within quarters, as the instructions have it, then quarters to their places. */
VEC void vi_zip_bytes(uint8_t *out, vi a, vi b, vi c, vi d)
{
    vi ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
    vi u0 = _mm512_unpacklo_epi16(ab, cd), u1 = _mm512_unpackhi_epi16(ab, cd);
    ab = _mm512_unpackhi_epi8(a, b);
    cd = _mm512_unpackhi_epi8(c, d);
    vi u2 = _mm512_unpacklo_epi16(ab, cd), u3 = _mm512_unpackhi_epi16(ab, cd);
    vi low0 = _mm512_shuffle_i32x4(u0, u1, 0x44), low1 = _mm512_shuffle_i32x4(u2, u3, 0x44);
    vi high0 = _mm512_shuffle_i32x4(u0, u1, 0xEE), high1 = _mm512_shuffle_i32x4(u2, u3, 0xEE);
    _mm512_storeu_si512(out, _mm512_shuffle_i32x4(low0, low1, 0x88));
    _mm512_storeu_si512(out + 64, _mm512_shuffle_i32x4(low0, low1, 0xDD));
    _mm512_storeu_si512(out + 128, _mm512_shuffle_i32x4(high0, high1, 0x88));
    _mm512_storeu_si512(out + 192, _mm512_shuffle_i32x4(high0, high1, 0xDD));
}

VEC vf vi_float(vi a) { return _mm512_cvtepi32_ps(a); }
VEC vi vf_int(vf a) { return _mm512_cvtps_epi32(a); }
VEC vi vi_dot_u8s8(vi sum, vi a, vi b) { return _mm512_dpbusd_epi32(sum, a, b); }
VEC vi vi_dot_u8s8_calm(vi sum, vi a, vi b) { return _mm512_dpbusd_epi32(sum, a, b); }
VEC vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
VEC vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
VEC vi vi_min(vi a, vi b) { return _mm512_min_epi32(a, b); }
VEC vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
VEC vi vi_more(vi a, vi b) { return _mm512_movm_epi32(_mm512_cmpgt_epi32_mask(a, b)); }
VEC int vi_any_below(vi a, int32_t bound) { return _mm512_cmplt_epi32_mask(a, vi_set(bound)) != 0; }
VEC vi vi_shl(vi a, vi n) { return _mm512_sllv_epi32(a, n); }
VEC vi vi_sar(vi a, vi n) { return _mm512_srav_epi32(a, n); }

/* Even lanes and odd ones, each as 64 bits; the odd results are moved up to where their lanes are. */
VEC vi vi_high_mul(vi a, vi b)
{
    __m512i half = _mm512_set1_epi64(1 << 30);
    __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
    __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32)), half);
    return _mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
}

VEC vi vi_mul_even(vi a, const double *f, double lo, double hi)
{
    __m512d l = _mm512_set1_pd(lo), h = _mm512_set1_pd(hi);
    __m512d x = _mm512_mul_pd(_mm512_cvtepi32_pd(_mm512_castsi512_si256(a)), _mm512_loadu_pd(f));
    __m512d y = _mm512_mul_pd(_mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1)), _mm512_loadu_pd(f + 8));
    __m256i low = _mm512_cvtpd_epi32(_mm512_min_pd(h, _mm512_max_pd(l, x)));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm512_cvtpd_epi32(_mm512_min_pd(h, _mm512_max_pd(l, y))), 1);
}

VEC int32_t vi_sum(vi a) { return _mm512_reduce_add_epi32(a); }

VEC vf vf_pow2(vi k)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(k, _mm512_set1_epi32(127)), 23));
}

VEC vi vi_load_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
VEC vi vi_load_i8(const int8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
VEC void vi_store_8(uint8_t *p, vi v) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(v)); }

/* Within quarters first, as the instructions have it: pairs of rows, pairs of pairs; then the quarters
 * of four vectors change places, twice. */
VEC void vi_transpose(vi r[VF_N])
{
    vi t[VF_N], u[VF_N];
    UNROLL
    for (int i = 0; i < 8; i++) {
        t[2 * i]     = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    UNROLL
    for (int i = 0; i < VF_N; i += 4) {
        u[i]     = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[i]      = _mm512_shuffle_i32x4(u[i], u[i + 4], 0x88);          /* quarters 0 and 2 of each */
        t[i + 4]  = _mm512_shuffle_i32x4(u[i], u[i + 4], 0xDD);          /* 1 and 3 */
        t[i + 8]  = _mm512_shuffle_i32x4(u[i + 8], u[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(u[i + 8], u[i + 12], 0xDD);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        r[i]      = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8]  = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
        r[i + 4]  = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
        r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
    }
}

#endif
