/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>

KERNEL_TEST(sum_f32)
{
    for (size_t n = 0; n <= 300; n++) {
        float *in = hn_noise(n, -1, 1);
        double want = 0, size = 0;
        for (size_t i = 0; i < n; i++)
            want += (double)in[i], size += fabs((double)in[i]);
        CHECK(fabs((double)k->sum_f32(in, n) - want) <= ((double)n + 5) * size * 0x1p-24);
    }
}

KERNEL_TEST(maximum_f32)
{
    CHECK(k->maximum_f32(NULL, 0) == -INFINITY);
    for (size_t n = 1; n <= 70; n++) {
        float *in = hn_noise(n, -5, -1);
        for (size_t i = 0; i < n; i++) {
            float was = in[i];
            in[i] = -0.5f;
            CHECK(k->maximum_f32(in, n) == -0.5f);
            in[i] = NAN;
            CHECK(isnan(k->maximum_f32(in, n)));
            in[i] = was;
        }
        CHECK(k->maximum_f32(in, n) == plain->maximum_f32(in, n));
    }
}

/* Each of n exponentials is within 2 ulp and x - max within half of one of |x| <= 40. */
KERNEL_TEST(softmax_f32)
{
    for (size_t n = 1; n <= 200; n++) {
        float *in = hn_noise(n, -20, 20), *out = hn_guarded(n * sizeof *out);
        double top = -INFINITY, sum = 0;
        for (size_t i = 0; i < n; i++)
            top = fmax(top, (double)in[i]);
        for (size_t i = 0; i < n; i++)
            sum += exp((double)in[i] - top);
        k->softmax_f32(out, in, n);
        for (size_t i = 0; i < n; i++) {
            double want = exp((double)in[i] - top) / sum;
            CHECK(fabs((double)out[i] - want) <= want * 5e-6 + 1e-44);
        }
        k->softmax_f32(in, in, n);
        CHECK(hn_same_bits(in, out, n * sizeof *in));
    }
}

static void check_softmax_edges(const hn_kernels *k, const hn_kernels *plain)
{
    float far[3] = { 1000, -1000, 1000 }, masked[2] = { -INFINITY, 3 }, nothing[2] = { -INFINITY, -INFINITY }, out[3];
    (void)plain;
    k->softmax_f32(out, far, 3);
    CHECK(out[0] == 0.5f && out[1] == 0 && out[2] == 0.5f);
    k->softmax_f32(out, masked, 2);
    CHECK(out[0] == 0 && out[1] == 1);
    k->softmax_f32(out, nothing, 2);
    CHECK(isnan(out[0]) && isnan(out[1]));
    k->softmax_f32(out, far, 0);
}
TEST(softmax_of_large_and_masked_rows) { hn_test_each_isa(check_softmax_edges); }

KERNEL_TEST(layernorm_f32)
{
    for (size_t n = 1; n <= 200; n++) {
        float offset = n % 2 ? 0 : 100;                  /* a large mean must not eat the digits */
        float *in = hn_noise(n, offset - 1, offset + 1), *out = hn_guarded(n * sizeof *out);
        float *scale = n % 3 ? hn_noise(n, 0.5f, 2) : NULL, *shift = n % 4 ? hn_noise(n, -1, 1) : NULL;
        double mean = 0, var = 0;
        for (size_t i = 0; i < n; i++)
            mean += (double)in[i] / (double)n;
        for (size_t i = 0; i < n; i++)
            var += ((double)in[i] - mean) * ((double)in[i] - mean) / (double)n;
        k->layernorm_f32(out, in, n, 1e-3f, scale, shift);
        for (size_t i = 0; i < n; i++) {
            double want = ((double)in[i] - mean) / sqrt(var + (double)1e-3f);
            want = want * (scale ? (double)scale[i] : 1) + (shift ? (double)shift[i] : 0);
            CHECK(fabs((double)out[i] - want) <= (offset > 0 ? 2e-3 : 2e-5));
        }
        k->layernorm_f32(in, in, n, 1e-3f, scale, shift);
        CHECK(hn_same_bits(in, out, n * sizeof *in));
    }
}

KERNEL_TEST(rmsnorm_f32)
{
    for (size_t n = 1; n <= 200; n++) {
        float *in = hn_noise(n, -2, 2), *out = hn_guarded(n * sizeof *out), *scale = hn_noise(n, 0.5f, 2);
        double square = 0;
        for (size_t i = 0; i < n; i++)
            square += (double)in[i] * (double)in[i] / (double)n;
        k->rmsnorm_f32(out, in, n, 1e-3f, scale);
        for (size_t i = 0; i < n; i++)
            CHECK(fabs((double)out[i] - (double)in[i] / sqrt(square + (double)1e-3f) * (double)scale[i]) <= 2e-5);
        k->rmsnorm_f32(in, in, n, 1e-3f, scale);
        CHECK(hn_same_bits(in, out, n * sizeof *in));
    }
}
