/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a compiler keep a tile of sums in registers: every helper inlined, every loop over the
 * tile unrolled, each by its own pragma.  Without it the array of sums stays in memory: 196x256x1024 on AVX2
 * (bench/kernels, Zen 4, peak 118 GFLOP/s) runs at 42 with gcc 12 and 24 with clang 14, with it at 112. */
#ifndef HN_SIMD_INLINE_H
#define HN_SIMD_INLINE_H

/* HN_COMPACT: for size.  A plain twin with a loop for each of many types would else be a quarter of the library. */
#ifdef HN_COMPACT
#define VEC static inline __attribute__((unused))
#else
#define VEC static inline __attribute__((always_inline, unused))
#endif

#ifdef HN_COMPACT
#define UNROLL
#elif defined __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#endif
