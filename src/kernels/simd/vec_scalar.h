/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of one: plain C, the twin every other instruction set is checked against.
 *
 * The names below are the whole vocabulary of a kernel; the other vec_*.h have the same:
 *
 *     vf, vi, vm       VF_N floats, VF_N 32-bit integers, one truth per lane
 *     vf_load_n(p, n)  the first n <= VF_N lanes, zero in the rest; touches nothing past p[n - 1]
 *     vf_min(a, b)     a < b ? a : b, so b when either is NaN; max likewise
 *     vf_fma(a, b, c)  a * b + c, rounded once
 *     vf_sum, vf_top   all lanes to one number, in a fixed order
 *
 * Pointers need only the alignment of their element. */
#ifndef HN_SIMD_VEC_H
#define HN_SIMD_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simd/inline.h"
#include "tensor/convert.h"

#define VF_N 1
#define GEMM_ROWS 4          /* the tile of a matrix product: rows, vectors of columns, */
#define GEMM_VECS 4
#define GEMM_ACCS 16         /* and running sums the registers hold */

typedef float vf;
typedef int32_t vi;
typedef int vm;

VEC vf vf_set(float x) { return x; }
VEC vf vf_load(const float *p) { return *p; }
VEC void vf_store(float *p, vf v) { *p = v; }
VEC vf vf_load_n(const float *p, size_t n) { return n ? *p : 0; }
VEC void vf_store_n(float *p, vf v, size_t n) { if (n) *p = v; }

/* VF_N half-precision numbers, and back with round half to even. */
VEC vf vf_load_half(const uint16_t *p) { return hn_f16_to_f32(*p); }
VEC void vf_store_half(uint16_t *p, vf v) { *p = hn_f32_to_f16(v); }

VEC vf vf_add(vf a, vf b) { return a + b; }
VEC vf vf_sub(vf a, vf b) { return a - b; }
VEC vf vf_mul(vf a, vf b) { return a * b; }
VEC vf vf_div(vf a, vf b) { return a / b; }
VEC vf vf_sqrt(vf a) { return sqrtf(a); }
VEC vf vf_min(vf a, vf b) { return a < b ? a : b; }
VEC vf vf_max(vf a, vf b) { return a > b ? a : b; }
#ifdef __FP_FAST_FMAF
VEC vf vf_fma(vf a, vf b, vf c) { return __builtin_fmaf(a, b, c); }
#else
/* Through double, where the product is exact: as good as one rounding, and half the speed of two.
 * Quantised models need it: two roundings push values over the edge of a step, and the steps of
 * forty layers add up (mobilenet_v1_025_128_quant_u8: 3 steps off in place of 1). */
VEC vf vf_fma(vf a, vf b, vf c) { return (float)((double)a * b + c); }
#endif
VEC vf vf_neg(vf a) { return -a; }
VEC vf vf_abs(vf a) { return fabsf(a); }
VEC vf vf_copysign(vf size, vf sign) { return copysignf(size, sign); }
VEC vf vf_round(vf a) { return rintf(a); }               /* half to even */

VEC vm vf_lt(vf a, vf b) { return a < b; }
VEC vm vf_isnan(vf a) { return a != a; }
VEC vm vm_or(vm a, vm b) { return a | b; }
VEC int vm_any(vm a) { return a; }
VEC vf vf_sel(vm m, vf a, vf b) { return m ? a : b; }    /* m ? a : b */

VEC float vf_sum(vf a) { return a; }
VEC float vf_top(vf a) { return a; }                     /* largest lane; lanes hold no NaN */

VEC vi vi_set(int32_t x) { return x; }
VEC vi vi_load(const uint32_t *p) { vi v; memcpy(&v, p, sizeof v); return v; }
VEC void vi_store(uint32_t *p, vi v) { memcpy(p, &v, sizeof v); }
VEC vi vi_add(vi a, vi b) { return (vi)((uint32_t)a + (uint32_t)b); }       /* modulo 2^32, as everywhere */
VEC vi vi_sub(vi a, vi b) { return (vi)((uint32_t)a - (uint32_t)b); }
VEC vi vi_half(vi a) { return a >> 1; }                  /* towards minus infinity */
VEC vf vi_float(vi a) { return (float)a; }
VEC vi vf_int(vf a) { return a == a ? (vi)rintf(a) : 0; }     /* |a| < 2^31; any value for NaN */

VEC vi vi_load_bytes(const void *p) { vi v; memcpy(&v, p, sizeof v); return v; }
VEC void vi_store_bytes(void *p, vi v) { memcpy(p, &v, sizeof v); }
VEC vi vi_load_bytes_n(const void *p, size_t n) { vi v = 0; memcpy(&v, p, n); return v; }      /* 0 behind */

/* Byte i of a, b, c and d to bytes 4 i to 4 i + 3. */
VEC void vi_zip_bytes(uint8_t *out, vi a, vi b, vi c, vi d)
{
    uint8_t from[4][4];
    memcpy(from[0], &a, 4);
    memcpy(from[1], &b, 4);
    memcpy(from[2], &c, 4);
    memcpy(from[3], &d, 4);
    for (int i = 0; i < 16; i++)
        out[i] = from[i % 4][i / 4];
}

/* Each lane of a is four unsigned bytes, of b four signed: sum + their products, exact. */
VEC vi vi_dot_u8s8(vi sum, vi a, vi b)
{
    for (int i = 0; i < 4; i++)
        sum += (int)((uint32_t)a >> 8 * i & 255) * (int8_t)((uint32_t)b >> 8 * i & 255);
    return sum;
}
/* The same where b's neighbours a pair apart are small: |b0| + |b1| and |b2| + |b3| at most 128. */
VEC vi vi_dot_u8s8_calm(vi sum, vi a, vi b) { return vi_dot_u8s8(sum, a, b); }
VEC int32_t vi_sum(vi a) { return a; }

/* Integers by lanes: for what turns exact sums into bytes again.  Shifts are by 0 to 31 bits. */
VEC vi vi_and(vi a, vi b) { return a & b; }
VEC vi vi_xor(vi a, vi b) { return a ^ b; }
VEC vi vi_min(vi a, vi b) { return a < b ? a : b; }
VEC vi vi_max(vi a, vi b) { return a > b ? a : b; }
VEC vi vi_more(vi a, vi b) { return -(a > b); }          /* -1 where a > b */
VEC int vi_any_below(vi a, int32_t bound) { return a < bound; }
VEC vi vi_shl(vi a, vi n) { return (vi)((uint32_t)a << n); }
VEC vi vi_sar(vi a, vi n) { return a >> n; }             /* towards minus infinity */
VEC vi vi_high_mul(vi a, vi b) { return (vi)(((int64_t)a * b + (1 << 30)) >> 31); }    /* a b / 2^31, halves up */

/* Lane i times f[i], halves to even, between lo and hi, which are whole. */
VEC vi vi_mul_even(vi a, const double *f, double lo, double hi)
{
    double y = a * *f;
    y = y > hi ? hi : y;
    return (vi)rint(y < lo ? lo : y);
}

/* 2^k for -126 <= k <= 127, straight from its bits. */
VEC vf vf_pow2(vi k)
{
    uint32_t bits = (uint32_t)(k + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

VEC vi vi_load_u8(const uint8_t *p) { return *p; }
VEC vi vi_load_i8(const int8_t *p) { return *p; }
VEC void vi_store_8(uint8_t *p, vi v) { *p = (uint8_t)v; }    /* the low byte of each lane */

VEC void vi_transpose(vi r[VF_N]) { (void)r; }           /* VF_N rows become VF_N columns */

#endif
