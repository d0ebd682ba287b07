/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>

#include "tensor/convert.h"

/* n rows of `size` numbers, f32 or f16, with a gap between rows. */
static char *rows_of(size_t n, size_t size, int half, size_t *row_size)
{
    size_t each = half ? 2 : 4;
    *row_size = size * each + 8;
    char *rows = hn_guarded(n * *row_size - 8);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < size; i++) {
            float v = (float)(hn_random() % 2001) * 1e-3f - 1;
            uint16_t h = hn_f32_to_f16(v);
            memcpy(rows + r * *row_size + i * each, half ? (void *)&h : (void *)&v, each);
        }
    return rows;
}

static double at(const char *rows, size_t row_size, size_t r, size_t i, int half)
{
    uint16_t h;
    float v;
    memcpy(half ? (void *)&h : (void *)&v, rows + r * row_size + i * (half ? 2 : 4), half ? 2 : 4);
    return half ? (double)hn_f16_to_f32(h) : (double)v;
}

KERNEL_TEST(score_rows)
{
    for (int half = 0; half < 2; half++)
        for (size_t size = 1; size <= 70; size++) {
            size_t n = 1 + size % 9, row_size;
            char *rows = rows_of(n, size, half, &row_size);
            float *q = hn_noise(size, -1, 1), *out = hn_floats(n), *one = hn_floats(1);
            k->score_rows(out, q, rows, row_size, n, size, half);
            for (size_t r = 0; r < n; r++) {
                double want = 0;
                for (size_t i = 0; i < size; i++)
                    want += (double)q[i] * at(rows, row_size, r, i, half);
                CHECK(fabs((double)out[r] - want) <= 1e-5);
                k->score_rows(one, q, rows + r * row_size, row_size, 1, size, half);     /* alone: the same bits */
                CHECK(hn_same_bits(one, &out[r], sizeof *one));
            }
        }
}

KERNEL_TEST(mix_rows)
{
    for (int half = 0; half < 2; half++)
        for (size_t size = 1; size <= 70; size++) {
            size_t n = 1 + size % 9, row_size;
            char *rows = rows_of(n, size, half, &row_size);
            float *weight = hn_noise(n, 0, 1), *out = hn_floats(size), *twice = hn_floats(size);
            k->mix_rows(out, weight, rows, row_size, n, size, half);
            for (size_t i = 0; i < size; i++) {
                double want = 0;
                for (size_t r = 0; r < n; r++)
                    want += (double)weight[r] * at(rows, row_size, r, i, half);
                CHECK(fabs((double)out[i] - want) <= 1e-5);
            }
            k->mix_rows(twice, weight, rows, row_size, n / 2, size, half);               /* in two calls: the same bits */
            k->mix_rows(twice, weight + n / 2, rows + n / 2 * row_size, row_size, n - n / 2, size, half);
            CHECK(hn_same_bits(out, twice, size * sizeof *out));
        }
}

KERNEL_TEST(to_half)
{
    for (size_t n = 0; n <= 70; n++) {
        float *in = hn_noise(n, -70000, 70000);
        uint16_t *out = hn_guarded(n * sizeof *out);
        if (n > 3) {
            in[0] = 1e-7f;
            in[1] = 2049;                                  /* between two halves: to the even one */
            in[2] = -0.0f;
        }
        k->to_half(out, in, n);
        for (size_t i = 0; i < n; i++)
            CHECK_INT(out[i], hn_f32_to_f16(in[i]));
    }
}
