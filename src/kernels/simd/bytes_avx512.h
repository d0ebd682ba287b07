/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 32 bytes where VNNI multiplies and sums four neighbours at once.  The rest is AVX2's, and
 * so are the vectors of floats beside them: isa.h gives eight lanes to who asks for HN_NARROW. */
#ifndef HN_SIMD_BYTES_AVX512_H
#define HN_SIMD_BYTES_AVX512_H

#define VB_DOT_U(w, x) _mm256_dpbusd_epi32(_mm256_setzero_si256(), w, x)
#include "kernels/simd/bytes_avx2.h"

#endif
