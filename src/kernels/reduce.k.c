/* SPDX-License-Identifier: Apache-2.0 */
/* A row to a number, or a row to a row of the same length.
 *
 * Sums run in 4 VF_N lanes that are added in a fixed order at the end: a row's result depends on the
 * row alone, but instruction sets add in different orders and so differ in the last bits. */
#include "kernels/isa.h"
#include "kernels/simd/vmath.h"

/* Sum of f(in[i], a).  Four running sums, because one would wait on itself: an add takes three or
 * four cycles and two can start in each. */
VEC float total(const float *in, size_t n, vf a, vf (*f)(vf x, vf a))
{
    vf s0 = vf_set(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 4 * VF_N <= n; i += 4 * VF_N) {
        s0 = vf_add(s0, f(vf_load(in + i), a));
        s1 = vf_add(s1, f(vf_load(in + i + VF_N), a));
        s2 = vf_add(s2, f(vf_load(in + i + 2 * VF_N), a));
        s3 = vf_add(s3, f(vf_load(in + i + 3 * VF_N), a));
    }
    for (; i + VF_N <= n; i += VF_N)
        s0 = vf_add(s0, f(vf_load(in + i), a));
    if (i < n) {
        /* f of the lanes past the end must not count. */
        float rest[VF_N] = { 0 };
        vf_store_n(rest, f(vf_load_n(in + i, n - i), a), n - i);
        s1 = vf_add(s1, vf_load(rest));
    }
    return vf_sum(vf_add(vf_add(s0, s1), vf_add(s2, s3)));
}

VEC vf same(vf x, vf a) { (void)a; return x; }
VEC vf square_apart(vf x, vf a) { vf d = vf_sub(x, a); return vf_mul(d, d); }

/* Relative error below (n / (4 VF_N) + 5) 2^-24 of the sum of magnitudes.  0 for n 0. */
float K(sum_f32)(const float *in, size_t n) { return total(in, n, vf_set(0), same); }

/* The same from every instruction set, but for the sign of a zero. */
float K(maximum_f32)(const float *in, size_t n)
{
    vf low = vf_set(-__builtin_inff()), m0 = low, m1 = low;
    vm nan = vf_isnan(low);
    size_t i = 0;
    for (; i + 2 * VF_N <= n; i += 2 * VF_N) {
        vf x = vf_load(in + i), y = vf_load(in + i + VF_N);
        nan = vm_or(nan, vm_or(vf_isnan(x), vf_isnan(y)));
        m0 = vf_max(x, m0);
        m1 = vf_max(y, m1);
    }
    for (; i + VF_N <= n; i += VF_N) {
        vf x = vf_load(in + i);
        nan = vm_or(nan, vf_isnan(x));
        m0 = vf_max(x, m0);
    }
    float top = vf_top(vf_max(m0, m1));
    int any = vm_any(nan);
    for (; i < n; i++) {
        any |= in[i] != in[i];
        top = in[i] > top ? in[i] : top;
    }
    return any ? __builtin_nanf("") : top;
}

/* exp(x - max) / sum.  out may be in.  A NaN, or no finite largest element, makes the row NaN, as
 * the formula says.  Each element within 8 ulp of the true quotient, plus the error of the sum. */
void K(softmax_f32)(float *out, const float *in, size_t n)
{
    vf top = vf_set(K(maximum_f32)(in, n));
    for (size_t i = 0; i < n; i += VF_N)
        vf_put(out + i, vf_exp(vf_sub(vf_get(in + i, n - i), top)), n - i);

    vf scale = vf_div(vf_set(1), vf_set(K(sum_f32)(out, n)));
    for (size_t i = 0; i < n; i += VF_N)
        vf_put(out + i, vf_mul(vf_get(out + i, n - i), scale), n - i);
}

/* out may be in.  Mean first, then squares of distances from it: the one-pass form loses all digits
 * when the mean is large.  Differs between instruction sets by the order of the two sums. */
void K(layernorm_f32)(float *out, const float *in, size_t n, float eps, const float *scale, const float *shift)
{
    vf mean = vf_set(K(sum_f32)(in, n) / (float)n);
    vf var = vf_set(total(in, n, mean, square_apart) / (float)n + eps);
    vf unit = vf_div(vf_set(1), vf_sqrt(var));

    for (size_t i = 0; i < n; i += VF_N) {
        vf y = vf_mul(vf_sub(vf_get(in + i, n - i), mean), unit);
        if (scale)
            y = vf_mul(y, vf_get(scale + i, n - i));
        if (shift)
            y = vf_add(y, vf_get(shift + i, n - i));
        vf_put(out + i, y, n - i);
    }
}

/* Squares in 32 running sums on every instruction set: all give the same bits.  In language models they are
 * rounded to 8 bits next, and a value between two codes should go the same way everywhere. */
enum { SQUARES = 32 };
VEC float squares(const float *in, size_t n)
{
    float sum[SQUARES];
    vf s[SQUARES / VF_N];
    size_t i = 0;
    for (int j = 0; j < SQUARES / VF_N; j++)
        s[j] = vf_set(0);
    for (; i + SQUARES <= n; i += SQUARES)
        for (int j = 0; j < SQUARES / VF_N; j++) {
            vf x = vf_load(in + i + (size_t)j * VF_N);
            s[j] = vf_add(s[j], vf_mul(x, x));
        }
    for (int j = 0; j < SQUARES / VF_N; j++)
        vf_store(sum + j * VF_N, s[j]);
    for (int j = 0; i < n; i++, j++)
        sum[j] += in[i] * in[i];
    for (int j = 0; j < 8; j++)
        sum[j] = (sum[j] + sum[j + 8]) + (sum[j + 16] + sum[j + 24]);
    for (int half = 4; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            sum[j] += sum[j + half];
    return sum[0];
}

/* The root mean square of a row scaled away.  Zhang & Sennrich, "Root Mean Square Layer Normalization"
 * (2019), eq. 4. */
void K(rmsnorm_f32)(float *out, const float *in, size_t n, float eps, const float *scale)
{
    vf square = vf_set(squares(in, n) / (float)n + eps);
    vf unit = vf_div(vf_set(1), vf_sqrt(square));

    for (size_t i = 0; i < n; i += VF_N)
        vf_put(out + i, vf_mul(vf_mul(vf_get(in + i, n - i), unit), vf_get(scale + i, n - i)), n - i);
}
