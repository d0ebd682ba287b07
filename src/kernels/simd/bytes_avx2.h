/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 32 bytes: AVX2.  bytes_scalar.h says what each name means. */
#ifndef HN_SIMD_BYTES_H
#define HN_SIMD_BYTES_H

#include "kernels/simd/vec_avx2.h"

typedef __m256i vb;

VEC vb vb_load(const void *p) { return _mm256_loadu_si256(p); }
VEC vb vb_set(int x) { return _mm256_set1_epi8((char)x); }
VEC vb vb_and(vb a, vb b) { return _mm256_and_si256(a, b); }
VEC vb vb_or(vb a, vb b) { return _mm256_or_si256(a, b); }
VEC vb vb_sub(vb a, vb b) { return _mm256_sub_epi8(a, b); }

/* Bytes have no shifts of their own: shift pairs, then drop what came over. */
VEC vb vb_shr(vb a, int n) { return vb_and(_mm256_srli_epi16(a, n), vb_set(0xFF >> n)); }
VEC vb vb_shl(vb a, int n) { return vb_and(_mm256_slli_epi16(a, n), vb_set(0xFF << n)); }

VEC vb vb_nibbles(const uint8_t *p)
{
    __m128i a = _mm_loadu_si128((const __m128i *)p);
    return vb_and(_mm256_inserti128_si256(_mm256_castsi128_si256(a), _mm_srli_epi16(a, 4), 1), vb_set(15));
}

/* Byte i of the four to lanes 8i..8i+7, each lane keeping its own bit. */
VEC vb vb_bits(const uint8_t *p)
{
    int32_t word;
    memcpy(&word, p, 4);
    vb spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    vb own = _mm256_set1_epi64x((long long)0x8040201008040201);
    return _mm256_cmpeq_epi8(vb_and(_mm256_shuffle_epi8(_mm256_set1_epi32(word), spread), own), own);
}

VEC vb vb_lookup(const int8_t table[16], vb index)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), index);
}

VEC vb vb_swap_middle(vb a) { return _mm256_permute4x64_epi64(a, 0xD8); }

/* Sums of four neighbours.  w unsigned: two products of at most 127 * 127 fit 16 bits. */
#ifndef VB_DOT_U
#define VB_DOT_U(w, x) _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1))
#endif
VEC vf vb_dot_u(vb w, vb x) { return _mm256_cvtepi32_ps(VB_DOT_U(w, x)); }
/* The instruction wants one side unsigned: the sign moves over to x.  |w| may be 128. */
VEC vf vb_dot(vb w, vb x) { return vb_dot_u(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)); }

VEC vf vb_halves(float low, float high)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_set1_ps(low)), _mm_set1_ps(high), 1);
}

VEC vf vb_mac(vf s, vb w, vb x, float d) { return vf_fma(vb_dot(w, x), vf_set(d), s); }
VEC vf vb_mac_u(vf s, vb w, vb x, float d) { return vf_fma(vb_dot_u(w, x), vf_set(d), s); }
VEC vf vb_mac2(vf s, vb w, vb x, float low, float high) { return vf_fma(vb_dot(w, x), vb_halves(low, high), s); }
VEC vf vb_mac2_u(vf s, vb w, vb x, float low, float high) { return vf_fma(vb_dot_u(w, x), vb_halves(low, high), s); }

VEC float half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, 2);
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
}

#endif
