/* SPDX-License-Identifier: Apache-2.0 */
/* What this core can do at best: the yardstick of every benchmark. */
#include "kernels/isa.h"

/* Enough independent sums to hide the latency of a multiply-add, few enough for the registers; each
 * several times over, so that the loop itself costs nothing. */
enum { SUMS = 12, TIMES = 8 };

/* Multiply-adds on registers only; returns the flops done, two for each. */
double K(peak_fma_f32)(size_t rounds)
{
    volatile float start = 1;                /* sums the compiler knew to be equal it would merge */
    vf s[SUMS], a = vf_set(0.999f), b = vf_set(0.001f);
    UNROLL
    for (int i = 0; i < SUMS; i++)
        s[i] = vf_set(start);
    for (size_t r = 0; r < rounds; r++) {
        UNROLL
        for (int t = 0; t < TIMES; t++) {
            UNROLL
            for (int i = 0; i < SUMS; i++)
                s[i] = vf_fma(s[i], a, b);
        }
    }

    vf all = s[0];
    UNROLL
    for (int i = 1; i < SUMS; i++)
        all = vf_add(all, s[i]);
    volatile float used = vf_sum(all);       /* or the compiler would drop the work */
    (void)used;
    return 2.0 * TIMES * SUMS * VF_N * (double)rounds;
}

/* Reads n floats as fast as loads go; returns the largest, which no NaN is. */
float K(peak_read_f32)(const float *in, size_t n)
{
    vf m[8];
    size_t i = 0;
    UNROLL
    for (int v = 0; v < 8; v++)
        m[v] = vf_set(-__builtin_inff());
    for (; i + 8 * VF_N <= n; i += 8 * VF_N)
        UNROLL
        for (size_t v = 0; v < 8; v++)
            m[v] = vf_max(vf_load(in + i + v * VF_N), m[v]);
    for (; i + VF_N <= n; i += VF_N)
        m[0] = vf_max(vf_load(in + i), m[0]);

    UNROLL
    for (int v = 1; v < 8; v++)
        m[0] = vf_max(m[0], m[v]);
    float top = vf_top(m[0]);
    for (; i < n; i++)
        top = in[i] > top ? in[i] : top;
    return top;
}
