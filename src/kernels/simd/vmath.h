/* SPDX-License-Identifier: Apache-2.0 */
/* exp, tanh, erf and the sigmoid on vectors, for every float including NaN, infinities and
 * denormals.  Errors are against libm in double, measured by tests/kernels/elementwise.c over a
 * dense sweep; coefficients are near-minimax Chebyshev fits made for these intervals. */
#ifndef HN_SIMD_VMATH_H
#define HN_SIMD_VMATH_H

#include "kernels/isa.h"

/* e^x within 2 ulp, denormal results too.  x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts,
 * the first with so few bits that n times it is exact even without a fused add. */
VEC vf vf_exp(vf x)
{
    /* Past these bounds the result is infinity or zero anyway, and n stays small. */
    x = vf_clip(x, vf_set(-104), vf_set(89));
    vf n = vf_round(vf_mul(x, vf_set(1.44269504f)));
    vf r = vf_fma(n, vf_set(-0.693359375f), x);
    r = vf_fma(n, vf_set(2.12194440e-4f), r);

    vf p = vf_set(1.392625083e-3f);
    p = vf_fma(p, r, vf_set(8.363232884e-3f));
    p = vf_fma(p, r, vf_set(4.166655421e-2f));
    p = vf_fma(p, r, vf_set(1.666657667e-1f));
    p = vf_fma(p, r, vf_set(0.5f));
    p = vf_add(vf_fma(vf_mul(r, r), p, r), vf_set(1));

    /* 2^n in two steps: n reaches -150 and 128, a float's exponent does not. */
    vi k = vf_int(n), half = vi_half(k);
    return vf_mul(vf_mul(p, vf_pow2(half)), vf_pow2(vi_sub(k, half)));
}

/* 1 / (1 + e^-x), absolute error below 2e-7. */
VEC vf vf_sigmoid(vf x)
{
    return vf_div(vf_set(1), vf_add(vf_set(1), vf_exp(vf_neg(x))));
}

/* Absolute error below 2e-7, and relative: near zero an odd polynomial keeps the small digits that
 * (1 - e) / (1 + e) with e = exp(-2|x|) would lose. */
VEC vf vf_tanh(vf x)
{
    vf a = vf_abs(x), u = vf_mul(x, x);
    vf p = vf_set(-6.096852388e-3f);
    p = vf_fma(p, u, vf_set(2.099727398e-2f));
    p = vf_fma(p, u, vf_set(-5.385092959e-2f));
    p = vf_fma(p, u, vf_set(1.333276987e-1f));
    p = vf_fma(p, u, vf_set(-3.333332895e-1f));
    vf small = vf_fma(vf_mul(x, u), p, x);

    vf e = vf_exp(vf_mul(a, vf_set(-2)));
    vf large = vf_div(vf_sub(vf_set(1), e), vf_add(vf_set(1), e));
    return vf_copysign(vf_sel(vf_lt(a, vf_set(0.625f)), small, large), x);
}

/* Absolute error below 2e-7.  Below 1 an odd polynomial; above, 1 - exp(-q(|x|)), where q fits
 * -ln erfc up to 3.95: from there on erf is 1 in single precision. */
VEC vf vf_erf(vf x)
{
    vf u = vf_mul(x, x);
    vf p = vf_set(-5.648059866e-4f);
    p = vf_fma(p, u, vf_set(4.921762028e-3f));
    p = vf_fma(p, u, vf_set(-2.671505423e-2f));
    p = vf_fma(p, u, vf_set(1.128031665e-1f));
    p = vf_fma(p, u, vf_set(-3.761234378e-1f));
    p = vf_fma(p, u, vf_set(1.128379126f));
    vf small = vf_mul(p, x);

    vf a = vf_min(vf_set(3.95f), vf_abs(x));
    vf q = vf_set(1.358793222e-5f);
    q = vf_fma(q, a, vf_set(-3.222075266e-4f));
    q = vf_fma(q, a, vf_set(3.468951653e-3f));
    q = vf_fma(q, a, vf_set(-2.274142976e-2f));
    q = vf_fma(q, a, vf_set(1.035767184e-1f));
    q = vf_fma(q, a, vf_set(6.387715853e-1f));
    q = vf_fma(q, a, vf_set(1.126140773f));
    q = vf_fma(q, a, vf_set(6.97820442e-4f));
    vf large = vf_sub(vf_set(1), vf_exp(vf_neg(q)));
    return vf_copysign(vf_sel(vf_lt(a, vf_set(1)), small, large), x);
}

#endif
