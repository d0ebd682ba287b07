/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of eight: AVX2 with FMA.  vec_scalar.h says what each name means. */
#ifndef HN_SIMD_VEC_H
#define HN_SIMD_VEC_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/inline.h"

#define VF_N 8
#define GEMM_ROWS 6          /* 6 x 2 sums, two vectors of B and one of A: 15 of 16 registers */
#define GEMM_VECS 2
#define GEMM_ACCS 12

typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

/* A window on this table that starts 8 - n entries in has its first n lanes set. */
VEC __m256i vec_first(size_t n)
{
    static const int32_t lanes[2 * VF_N] = { -1, -1, -1, -1, -1, -1, -1, -1 };
    return _mm256_loadu_si256((const __m256i *)(lanes + VF_N - n));
}

VEC vf vf_set(float x) { return _mm256_set1_ps(x); }
VEC vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
VEC void vf_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
VEC vf vf_load_n(const float *p, size_t n) { return _mm256_maskload_ps(p, vec_first(n)); }
VEC void vf_store_n(float *p, vf v, size_t n) { _mm256_maskstore_ps(p, vec_first(n), v); }

/* VF_N half-precision numbers, and back with round half to even. */
VEC vf vf_load_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
VEC void vf_store_half(uint16_t *p, vf v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}

VEC vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
VEC vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
VEC vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
VEC vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
VEC vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
VEC vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
VEC vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
VEC vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
VEC vf vf_neg(vf a) { return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f)); }
VEC vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
VEC vf vf_copysign(vf size, vf sign)
{
    vf bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, size), _mm256_and_ps(bit, sign));
}
VEC vf vf_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

VEC vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
VEC vm vf_isnan(vf a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
VEC vm vm_or(vm a, vm b) { return _mm256_or_ps(a, b); }
VEC int vm_any(vm a) { return _mm256_movemask_ps(a) != 0; }
VEC vf vf_sel(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }

/* Halves onto each other: lanes 0 + 4, then + (2 + 6), then the odd ones. */
VEC float vf_sum(vf a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

VEC float vf_top(vf a)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

VEC vi vi_set(int32_t x) { return _mm256_set1_epi32(x); }
VEC vi vi_load(const uint32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
VEC void vi_store(uint32_t *p, vi v) { _mm256_storeu_si256((__m256i *)p, v); }
VEC vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
VEC vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
VEC vi vi_half(vi a) { return _mm256_srai_epi32(a, 1); }
VEC vi vi_load_bytes(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
VEC void vi_store_bytes(void *p, vi v) { _mm256_storeu_si256((__m256i *)p, v); }
VEC vi vi_load_bytes_n(const void *p, size_t n)
{
    uint8_t some[32] = { 0 };
    memcpy(some, p, n);
    return vi_load_bytes(some);
}

/* Within halves, as the instructions have it, then halves to their places. */
VEC void vi_zip_bytes(uint8_t *out, vi a, vi b, vi c, vi d)
{
    vi ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
    vi u0 = _mm256_unpacklo_epi16(ab, cd), u1 = _mm256_unpackhi_epi16(ab, cd);
    ab = _mm256_unpackhi_epi8(a, b);
    cd = _mm256_unpackhi_epi8(c, d);
    vi u2 = _mm256_unpacklo_epi16(ab, cd), u3 = _mm256_unpackhi_epi16(ab, cd);
    __m256i *to = (__m256i *)(void *)out;
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(u0, u1, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(u2, u3, 0x20));
    _mm256_storeu_si256(to + 2, _mm256_permute2x128_si256(u0, u1, 0x31));
    _mm256_storeu_si256(to + 3, _mm256_permute2x128_si256(u2, u3, 0x31));
}

VEC vf vi_float(vi a) { return _mm256_cvtepi32_ps(a); }
VEC vi vf_int(vf a) { return _mm256_cvtps_epi32(a); }

/* maddubs would saturate; widened, even and odd bytes apart, nothing does. */
VEC vi vi_dot_u8s8(vi sum, vi a, vi b)
{
    vi even = _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
    vi odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

VEC vi vi_dot_u8s8_calm(vi sum, vi a, vi b)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), _mm256_set1_epi16(1)));
}

VEC vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
VEC vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
VEC vi vi_min(vi a, vi b) { return _mm256_min_epi32(a, b); }
VEC vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
VEC vi vi_more(vi a, vi b) { return _mm256_cmpgt_epi32(a, b); }
VEC int vi_any_below(vi a, int32_t bound) { return _mm256_movemask_epi8(vi_more(vi_set(bound), a)) != 0; }
VEC vi vi_shl(vi a, vi n) { return _mm256_sllv_epi32(a, n); }
VEC vi vi_sar(vi a, vi n) { return _mm256_srav_epi32(a, n); }

/* Even lanes and odd ones, each as 64 bits; the odd results are moved up to where their lanes are. */
VEC vi vi_high_mul(vi a, vi b)
{
    __m256i half = _mm256_set1_epi64x(1 << 30);
    __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, b), half);
    __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32)), half);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xAA);
}

VEC vi vi_mul_even(vi a, const double *f, double lo, double hi)
{
    __m256d l = _mm256_set1_pd(lo), h = _mm256_set1_pd(hi);
    __m256d x = _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_castsi256_si128(a)), _mm256_loadu_pd(f));
    __m256d y = _mm256_mul_pd(_mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1)), _mm256_loadu_pd(f + 4));
    return _mm256_setr_m128i(_mm256_cvtpd_epi32(_mm256_min_pd(h, _mm256_max_pd(l, x))),
                             _mm256_cvtpd_epi32(_mm256_min_pd(h, _mm256_max_pd(l, y))));
}

VEC int32_t vi_sum(vi a)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}

VEC vf vf_pow2(vi k)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
}

VEC vi vi_load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
VEC vi vi_load_i8(const int8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
VEC void vi_store_8(uint8_t *p, vi v)
{
    __m128i low = _mm_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    __m128i a = _mm_shuffle_epi8(_mm256_castsi256_si128(v), low);
    __m128i b = _mm_shuffle_epi8(_mm256_extracti128_si256(v, 1), low);
    _mm_storel_epi64((__m128i *)p, _mm_unpacklo_epi32(a, b));
}

/* Pairs of rows, then pairs of pairs within each half, then the halves. */
VEC void vi_transpose(vi r[VF_N])
{
    vi t[VF_N], u[VF_N];
    UNROLL
    for (int i = 0; i < 4; i++) {
        t[2 * i]     = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        u[i]     = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        r[i]     = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        r[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

#endif
