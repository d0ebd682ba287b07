/* SPDX-License-Identifier: Apache-2.0 */
/* What every x.k.c includes first.  Such a file is compiled once per instruction set, with
 * -DHN_ISA=avx2 -DHN_ISA_avx2, and exports only names made by K(): dot_f32 becomes dot_f32_avx2,
 * so the linker can never hand an AVX function to common code (tools/check-isa.sh checks). */
#ifndef HN_KERNELS_ISA_H
#define HN_KERNELS_ISA_H

/* HN_NARROW, defined before this header: blocks of 32 bytes make eight sums, wider vectors would be
 * half empty. */
#if (defined HN_ISA_avx512 || defined HN_ISA_amx) && !defined HN_NARROW
#include "kernels/simd/vec_avx512.h"
#elif defined HN_ISA_avx2 || defined HN_ISA_avx512
#include "kernels/simd/vec_avx2.h"
#elif defined HN_ISA_neon
#include "kernels/simd/vec_neon.h"
#else
#include "kernels/simd/vec_scalar.h"
#endif

#include "kernels/kernels.h"

#define HN_CAT_(a, b) a##_##b
#define HN_CAT(a, b) HN_CAT_(a, b)
#define K(name) HN_CAT(name, HN_ISA)

#define KERNEL(type, name, args) type K(name) args;
#include "kernels/kernels.def"
#undef KERNEL

/* n lanes, where n is usually all of them. */
VEC vf vf_get(const float *p, size_t n) { return n >= VF_N ? vf_load(p) : vf_load_n(p, n); }
VEC void vf_put(float *p, vf v, size_t n)
{
    if (n >= VF_N)
        vf_store(p, v);
    else
        vf_store_n(p, v, n);
}

/* Clip, and with it "none" and Relu, as bounds: kernels apply it to sums still in registers.
 * Returns 0 for the other kinds, with bounds that change nothing. */
VEC int act_bounds(hn_act act, float *lo, float *hi)
{
    int clip = act.kind == HN_ACT_CLIP;
    *lo = clip ? act.a : -__builtin_inff();
    *hi = clip ? act.b : __builtin_inff();
    return clip || act.kind == HN_ACT_NONE;
}

/* x < lo ? lo : x > hi ? hi : x.  NaN stays NaN: min and max answer their second operand on it. */
VEC vf vf_clip(vf x, vf lo, vf hi) { return vf_min(hi, vf_max(lo, x)); }

/* The smaller and the larger, NaN if either is.  vf_min answers b then, which leaves a. */
VEC vf vf_least(vf a, vf b) { return vf_sel(vf_isnan(a), a, vf_min(a, b)); }
VEC vf vf_greatest(vf a, vf b) { return vf_sel(vf_isnan(a), a, vf_max(a, b)); }

#endif
