/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

static void check_transpose(const hn_kernels *k, size_t rows, size_t cols, size_t gap_in, size_t gap_out)
{
    size_t ldi = cols + gap_in, ldo = rows + gap_out;
    size_t n_in = rows && cols ? (rows - 1) * ldi + cols : 0, n_out = rows && cols ? (cols - 1) * ldo + rows : 0;
    uint32_t *in = hn_guarded(n_in * sizeof *in), *out = hn_guarded(n_out * sizeof *out);
    for (size_t i = 0; i < n_in; i++)
        in[i] = hn_random();                             /* signalling NaNs among them */
    k->transpose_32(out, ldo, in, ldi, rows, cols);
    for (size_t j = 0; j < cols; j++) {
        for (size_t i = 0; i < rows; i++)
            CHECK(out[j * ldo + i] == in[i * ldi + j]);
        for (size_t i = rows; j + 1 < cols && i < ldo; i++)
            CHECK(rows == 0 || out[j * ldo + i] == 0xAAAAAAAAu);
    }
}

KERNEL_TEST(transpose_32)
{
    for (size_t rows = 0; rows <= 21; rows++)
        for (size_t cols = 0; cols <= 21; cols++)
            check_transpose(k, rows, cols, cols % 3, rows % 2);
    check_transpose(k, 70, 33, 0, 0);
    check_transpose(k, 33, 131, 5, 7);
    check_transpose(k, 200, 64, 1, 0);
}
