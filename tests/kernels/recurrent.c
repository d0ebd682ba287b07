/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>

static double s(float x) { return 1 / (1 + exp(-(double)x)); }

static float *copy_of(const float *from, size_t n)
{
    float *to = hn_floats(n);
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
    return to;
}

KERNEL_TEST(lstm_cell_f32)
{
    for (size_t n = 0; n <= 70; n++)
        for (int clipped = 0; clipped < 2; clipped++) {
            float most = clipped ? 0.5f : INFINITY;
            const float *g = hn_noise(4 * n, -4, 4), *c0 = hn_noise(n, -2, 2);
            float *h = hn_noise(n, -1, 1), *c = copy_of(c0, n);
            k->lstm_cell_f32(h, c, g, n, most);
            for (size_t i = 0; i < n; i++) {
                double cell = s(g[2 * n + i]) * (double)c0[i] + s(g[i]) * tanh((double)g[3 * n + i]);
                cell = fmin(fmax(cell, -(double)most), (double)most);
                CHECK(fabs((double)c[i] - cell) <= 2e-6);
                CHECK(fabs((double)h[i] - s(g[n + i]) * tanh(cell)) <= 2e-6);
            }
        }
}

KERNEL_TEST(gru_cell_f32)
{
    for (size_t n = 0; n <= 70; n++) {
        const float *x = hn_noise(3 * n, -3, 3), *r = hn_noise(3 * n, -3, 3), *h0 = hn_noise(n, -1, 1);
        float *h = copy_of(h0, n);
        k->gru_cell_f32(h, x, r, n);
        for (size_t i = 0; i < n; i++) {
            double z = s(x[i] + r[i]), fresh = tanh((double)x[2 * n + i] + s(x[n + i] + r[n + i]) * (double)r[2 * n + i]);
            CHECK(fabs((double)h[i] - ((1 - z) * fresh + z * (double)h0[i])) <= 3e-6);
        }
    }
}
