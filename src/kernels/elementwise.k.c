/* SPDX-License-Identifier: Apache-2.0 */
/* Element by element: out[i] = f(a[i], b[i]).
 *
 * Operands with stride 0 are one number for all.  out may be a or b, exactly; other overlap is not
 * allowed.  No alignment beyond a float's. */
#include "kernels/isa.h"
#include "kernels/simd/vmath.h"

/* ---- Two operands: the same bits from every instruction set ----------------------------- */

VEC void zip(float *out, const float *a, size_t sa, const float *b, size_t sb, size_t n, vf (*f)(vf, vf))
{
    if (n == 0)
        return;
    vf x = vf_set(*a), y = vf_set(*b);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) {
        if (sa) x = vf_load(a + i);
        if (sb) y = vf_load(b + i);
        vf_store(out + i, f(x, y));
    }
    if (i < n) {
        if (sa) x = vf_load_n(a + i, n - i);
        if (sb) y = vf_load_n(b + i, n - i);
        vf_store_n(out + i, f(x, y), n - i);
    }
}

#define ZIP(name, f)                                                                                      \
    void K(name)(float *out, const float *a, size_t sa, const float *b, size_t sb, size_t n)              \
    {                                                                                                     \
        if (sa && sb)                                                                                     \
            zip(out, a, 1, b, 1, n, f);                                                                   \
        else if (sa)                                                                                      \
            zip(out, a, 1, b, 0, n, f);                                                                   \
        else                                                                                              \
            zip(out, a, 0, b, sb, n, f);                                                                  \
    }
ZIP(add_f32, vf_add)
ZIP(sub_f32, vf_sub)
ZIP(mul_f32, vf_mul)
ZIP(div_f32, vf_div)
ZIP(min_f32, vf_least)
ZIP(max_f32, vf_greatest)

/* Two roundings on purpose: no machine's fused add changes the result. */
void K(lerp_f32)(float *out, const float *a, const float *b, float t, size_t n)
{
    vf tv = vf_set(t);
    for (size_t i = 0; i < n; i += VF_N) {
        vf x = vf_get(a + i, n - i), y = vf_get(b + i, n - i);
        vf_put(out + i, vf_add(x, vf_mul(vf_sub(y, x), tv)), n - i);
    }
}

/* ---- One operand ------------------------------------------------------------------------- */

VEC void map(float *out, const float *in, size_t n, hn_act act, vf (*f)(vf x, vf a, vf b))
{
    vf a = vf_set(act.a), b = vf_set(act.b);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(out + i, f(vf_load(in + i), a, b));
    if (i < n)
        vf_store_n(out + i, f(vf_load_n(in + i, n - i), a, b), n - i);
}

/* The formulas of act.h; a and b are the activation's own numbers. */
VEC vf clip(vf x, vf a, vf b) { return vf_clip(x, a, b); }
VEC vf leaky(vf x, vf a, vf b) { (void)b; return vf_sel(vf_lt(x, vf_set(0)), vf_mul(a, x), x); }
VEC vf sigmoid(vf x, vf a, vf b) { (void)a; (void)b; return vf_sigmoid(x); }
VEC vf tangent(vf x, vf a, vf b) { (void)a; (void)b; return vf_tanh(x); }
VEC vf silu(vf x, vf a, vf b)
{
    (void)a; (void)b;
    return vf_div(x, vf_add(vf_set(1), vf_exp(vf_neg(x))));
}
VEC vf hard_sigmoid(vf x, vf a, vf b) { return vf_clip(vf_add(vf_mul(a, x), b), vf_set(0), vf_set(1)); }
VEC vf hard_swish(vf x, vf a, vf b)
{
    (void)a; (void)b;
    return vf_mul(x, vf_clip(vf_add(vf_div(x, vf_set(6)), vf_set(0.5f)), vf_set(0), vf_set(1)));
}
VEC vf gelu(vf x, vf a, vf b)
{
    (void)a; (void)b;
    vf e = vf_erf(vf_mul(x, vf_set(0.707106781f)));
    return vf_mul(vf_mul(vf_set(0.5f), x), vf_add(vf_set(1), e));
}
VEC vf gelu_tanh(vf x, vf a, vf b)
{
    (void)a; (void)b;
    vf cube = vf_mul(vf_mul(x, x), x);
    vf e = vf_tanh(vf_mul(vf_set(0.797884561f), vf_fma(cube, vf_set(0.044715f), x)));
    return vf_mul(vf_mul(vf_set(0.5f), x), vf_add(vf_set(1), e));
}
VEC vf exponent(vf x, vf a, vf b) { (void)a; (void)b; return vf_exp(x); }
VEC vf error(vf x, vf a, vf b) { (void)a; (void)b; return vf_erf(x); }
VEC vf root(vf x, vf a, vf b) { (void)a; (void)b; return vf_sqrt(x); }

/* none, clip, leaky, hard_sigmoid and hard_swish have the same bits everywhere.  sigmoid and tanh are
 * within 2e-7 of act.h's formula, silu and the two gelus within 4e-7 max(1, |x|); instruction sets
 * differ by as much, because polynomials round differently with a fused add. */
void K(act_f32)(float *out, const float *in, size_t n, hn_act act)
{
    switch (act.kind) {
    case HN_ACT_NONE:        memmove(out, in, n * sizeof *out);     break;
    case HN_ACT_CLIP:        map(out, in, n, act, clip);            break;
    case HN_ACT_LEAKY:       map(out, in, n, act, leaky);           break;
    case HN_ACT_SIGMOID:     map(out, in, n, act, sigmoid);         break;
    case HN_ACT_TANH:        map(out, in, n, act, tangent);         break;
    case HN_ACT_SILU:        map(out, in, n, act, silu);            break;
    case HN_ACT_HARDSIGMOID: map(out, in, n, act, hard_sigmoid);    break;
    case HN_ACT_HARDSWISH:   map(out, in, n, act, hard_swish);      break;
    case HN_ACT_GELU:        map(out, in, n, act, gelu);            break;
    case HN_ACT_GELU_TANH:   map(out, in, n, act, gelu_tanh);       break;
    }
}

/* Within 2 ulp of the true value. */
void K(exp_f32)(float *out, const float *in, size_t n) { map(out, in, n, (hn_act){ 0 }, exponent); }

/* Absolute error below 2e-7. */
void K(erf_f32)(float *out, const float *in, size_t n) { map(out, in, n, (hn_act){ 0 }, error); }

/* Correctly rounded: the same bits everywhere. */
void K(sqrt_f32)(float *out, const float *in, size_t n) { map(out, in, n, (hn_act){ 0 }, root); }
