/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes of four codes each: AVX-512 with VNNI.  lanes_scalar.h says what each name means. */
#ifndef HN_SIMD_LANES_H
#define HN_SIMD_LANES_H

enum { LN_SIGNED = 0 };

VEC vi ln_and(vi a, vi b) { return _mm512_and_si512(a, b); }
VEC vi ln_or(vi a, vi b) { return _mm512_or_si512(a, b); }
VEC vi ln_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
VEC vi ln_shr(vi a, int n) { return _mm512_srl_epi32(a, _mm_cvtsi32_si128(n)); }
VEC vi ln_shl(vi a, int n) { return _mm512_sll_epi32(a, _mm_cvtsi32_si128(n)); }
VEC vi ln_bytes(int x) { return _mm512_set1_epi8((char)x); }
VEC vi ln_lookup(const int8_t table[16], vi a)
{
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table)), a);
}

typedef vi lh;
#define LN_FIT(top) 8

VEC lh lh_zero(void) { return _mm512_setzero_si512(); }
VEC lh ln_dot(lh s, vi w, vi x) { return _mm512_dpbusd_epi32(s, w, x); }
VEC vi ln_sum(vi sum, lh s) { return _mm512_add_epi32(sum, s); }
VEC vi ln_dot_signed(vi sum, vi w, vi x) { (void)w, (void)x; return sum; }      /* never called */

#endif
