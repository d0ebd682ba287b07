/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of four codes each: AVX2.  lanes_scalar.h says what each name means. */
#ifndef HN_SIMD_LANES_H
#define HN_SIMD_LANES_H

enum { LN_SIGNED = 1 };

VEC vi ln_and(vi a, vi b) { return _mm256_and_si256(a, b); }
VEC vi ln_or(vi a, vi b) { return _mm256_or_si256(a, b); }
VEC vi ln_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
VEC vi ln_shr(vi a, int n) { return _mm256_srli_epi32(a, n); }
VEC vi ln_shl(vi a, int n) { return _mm256_slli_epi32(a, n); }
VEC vi ln_bytes(int x) { return _mm256_set1_epi8((char)x); }
VEC vi ln_lookup(const int8_t table[16], vi a)
{
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table)), a);
}

/* Sums of pairs in 16 bits: one widening for several products, as long as they cannot overflow, is twice the
 * speed of one for each. */
typedef __m256i lh;
#define LN_FIT(top) ((top) <= 15 ? 8 : (top) <= 32 ? 4 : (top) <= 64 ? 2 : 1)

VEC lh lh_zero(void) { return _mm256_setzero_si256(); }
VEC lh ln_dot(lh s, vi w, vi x) { return _mm256_add_epi16(s, _mm256_maddubs_epi16(w, x)); }
VEC vi ln_sum(vi sum, lh s) { return _mm256_add_epi32(sum, _mm256_madd_epi16(s, _mm256_set1_epi16(1))); }

/* The instruction wants one side unsigned: the sign moves over to x.  |w| may be 128. */
VEC vi ln_dot_signed(vi sum, vi w, vi x)
{
    return ln_sum(sum, _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)));
}

#endif
