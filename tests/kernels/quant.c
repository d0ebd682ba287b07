/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>

/* The rule in double: x / scale rounded to float first, as the kernel's operands are floats. */
static int rule(float x, float scale, int zero, int least, int most)
{
    volatile float q = x / scale;
    double r = isnan(q) ? zero : nearbyint((double)q) + zero;
    return r < least ? least : r > most ? most : (int)r;
}

static float any_float(void)
{
    uint32_t bits = hn_random();
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Halves, where rounding shows; far numbers, where saturation does; any bits at all. */
static float *inputs(size_t n, float scale)
{
    float *in = hn_floats(n);
    for (size_t i = 0; i < n; i++)
        switch (hn_random() % 4) {
        case 0: in[i] = scale * (0.5f * (float)((int)(hn_random() % 1100) - 550)); break;
        case 1: in[i] = scale * ((float)(hn_random() >> 8) * 0x1p-24f * 400 - 200); break;
        case 2: in[i] = nextafterf(scale * (0.5f + (float)(hn_random() % 99)), hn_random() % 2 ? 1e9f : -1e9f); break;
        default: in[i] = any_float();
        }
    return in;
}

static const struct { float scale; int zero; } settings[] = {
    { 1, 0 }, { 0.1f, 128 }, { 0.0078431377f, 3 }, { 2, -128 }, { 1e-3f, 127 }, { 3.5f, 255 }, { 1e-38f, 10 }, { 0, 7 },
};
enum { SETTINGS = sizeof settings / sizeof *settings };

KERNEL_TEST(quantize_u8)
{
    for (size_t n = 0; n <= 70; n++)
        for (size_t s = 0; s < SETTINGS; s++) {
            float *in = inputs(n, settings[s].scale);
            uint8_t *out = hn_guarded(n);
            k->quantize_u8(out, in, n, settings[s].scale, settings[s].zero);
            for (size_t i = 0; i < n; i++)
                CHECK_INT(out[i], rule(in[i], settings[s].scale, settings[s].zero, 0, 255));
        }
}

/* As the operator says it. */
static int rule_away(float x, float scale, int zero, int low, int high)
{
    volatile float q = x / scale;
    double r = (double)roundf(q) + zero;
    return r >= low ? (int)fmin(r, high) : low;
}

KERNEL_TEST(quantize_away)
{
    for (size_t n = 0; n <= 300; n += n < 70 ? 1 : 61)
        for (size_t s = 0; s < SETTINGS; s++) {
            float *in = inputs(n, settings[s].scale);
            int8_t *out = hn_guarded(n);
            k->quantize_away((uint8_t *)out, in, n, settings[s].scale, settings[s].zero, -100, 127);
            for (size_t i = 0; i < n; i++)
                CHECK_INT(out[i], rule_away(in[i], settings[s].scale, settings[s].zero, -100, 127));
        }
}

KERNEL_TEST(quantize_i8)
{
    for (size_t n = 0; n <= 70; n++)
        for (size_t s = 0; s < SETTINGS; s++) {
            float *in = inputs(n, settings[s].scale);
            int8_t *out = hn_guarded(n);
            k->quantize_i8(out, in, n, settings[s].scale, settings[s].zero);
            for (size_t i = 0; i < n; i++)
                CHECK_INT(out[i], rule(in[i], settings[s].scale, settings[s].zero, -128, 127));
        }
}

static void check_many(const hn_kernels *k, const hn_kernels *plain)
{
    enum { N = 200000 };
    for (size_t s = 0; s < SETTINGS; s++) {
        float *in = inputs(N, settings[s].scale);
        uint8_t *one = hn_guarded(N), *two = hn_guarded(N);
        k->quantize_u8(one, in, N, settings[s].scale, settings[s].zero);
        plain->quantize_u8(two, in, N, settings[s].scale, settings[s].zero);
        CHECK(hn_same_bits(one, two, N));
    }
}
TEST(quantize_has_the_same_bits_everywhere) { hn_test_each_isa(check_many); }

KERNEL_TEST(dequantize_u8)
{
    for (size_t n = 0; n <= 300; n++)
        for (size_t s = 0; s < SETTINGS; s++) {
            uint8_t *in = hn_guarded(n);
            float *out = hn_guarded(n * sizeof *out);
            for (size_t i = 0; i < n; i++)
                in[i] = (uint8_t)i;
            k->dequantize_u8(out, in, n, settings[s].scale, settings[s].zero);
            for (size_t i = 0; i < n; i++)
                CHECK(out[i] == (float)(in[i] - settings[s].zero) * settings[s].scale);
        }
}

KERNEL_TEST(dequantize_i8)
{
    for (size_t n = 0; n <= 300; n++)
        for (size_t s = 0; s < SETTINGS; s++) {
            int8_t *in = hn_guarded(n);
            float *out = hn_guarded(n * sizeof *out);
            for (size_t i = 0; i < n; i++)
                in[i] = (int8_t)(i - 128);
            k->dequantize_i8(out, in, n, settings[s].scale, settings[s].zero);
            for (size_t i = 0; i < n; i++)
                CHECK(out[i] == (float)(in[i] - settings[s].zero) * settings[s].scale);
        }
}

/* The largest bytes too, whose pairs do not fit 16 bits. */
KERNEL_TEST(dot_u8s8)
{
    for (size_t n = 0; n <= 300; n++)
        for (int most = 0; most < 3; most++) {
            uint8_t *a = hn_guarded(n);
            int8_t *b = hn_guarded(n);
            int32_t want = 0;
            for (size_t i = 0; i < n; i++) {
                a[i] = most ? 255 : (uint8_t)hn_random();
                b[i] = most ? (int8_t)(most == 1 ? 127 : -128) : (int8_t)hn_random();
                want += a[i] * b[i];
            }
            CHECK_INT(k->dot_u8s8(a, b, n), want);
        }
}
