/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>

/* The transforms in double, straight from their matrices. */
static const double in_matrix[6][6] = {
    { 4, 0, -5, 0, 1, 0 }, { 0, -4, -4, 1, 1, 0 }, { 0, 4, -4, -1, 1, 0 },
    { 0, -2, -1, 2, 1, 0 }, { 0, 2, -1, -2, 1, 0 }, { 0, 4, 0, -5, 0, 1 },
};
static const double out_matrix[4][6] = {
    { 1, 1, 1, 1, 1, 0 }, { 0, 1, -1, 2, -2, 0 }, { 0, 1, 1, 4, 4, 0 }, { 0, 1, -1, 8, -8, 1 },
};

/* a x a' at [i, j], x [6, 6] with `step` between elements. */
static double both(const double a[][6], int i, int j, const float *x, size_t step, size_t line)
{
    double sum = 0;
    for (int p = 0; p < 6; p++)
        for (int q = 0; q < 6; q++)
            sum += a[i][p] * a[j][q] * (double)x[(size_t)p * line + (size_t)q * step];
    return sum;
}

KERNEL_TEST(winograd_in_f32)
{
    for (size_t ch = 1; ch <= 50; ch++) {
        size_t line = 6 * ch + ch % 3, step = ch + ch % 4;
        const float *in = hn_noise(5 * line + 6 * ch, -1, 1);
        float *out = hn_floats(35 * step + ch);
        k->winograd_in_f32(out, step, in, line, ch);
        for (int x = 0; x < 36; x++)
            for (size_t c = 0; c < ch; c++)
                CHECK(fabs((double)out[(size_t)x * step + c] - both(in_matrix, x / 6, x % 6, in + c, ch, line)) < 2e-5);
    }
}

KERNEL_TEST(winograd_out_f32)
{
    for (size_t ch = 1; ch <= 40; ch++)
        for (int how = 0; how < 8; how++) {
            size_t line = 4 * ch + ch % 3, step = ch + ch % 4;
            size_t rows = how < 4 ? 4 : 1 + ch % 4, cols = how < 4 ? 4 : 1 + ch / 4 % 4, floats = (rows - 1) * line + cols * ch;
            hn_winograd_out w = { .in = hn_noise(35 * step + ch, -1, 1), .step = step, .line = line, .rows = rows,
                                  .cols = cols, .channels = ch, .out = hn_guarded(floats * sizeof(float)),
                                  .bias = how & 1 ? hn_noise(ch, -1, 1) : NULL,
                                  .add = how & 2 ? hn_noise(floats, -1, 1) : NULL,
                                  .act = { ch % 2 ? HN_ACT_CLIP : HN_ACT_LEAKY, ch % 2 ? 0 : 0.1f, 6 } };
            k->winograd_out_f32(&w);
            for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < cols; j++)
                    for (size_t c = 0; c < ch; c++) {
                        size_t at = i * line + j * ch + c;
                        double sum = both(out_matrix, (int)i, (int)j, w.in + c, step, 6 * step);
                        sum += (w.bias ? (double)w.bias[c] : 0) + (w.add ? (double)w.add[at] : 0);
                        CHECK(fabs((double)w.out[at] - hn_act_apply(w.act, sum)) < 1e-4);
                    }
        }
}
