/* SPDX-License-Identifier: Apache-2.0 */
/* Moving elements without arithmetic.  Every instruction set gives the same bits. */
#include "kernels/isa.h"

/* Any 32-bit element, whatever its type. */
typedef uint32_t __attribute__((may_alias)) word;

/* The transpose of in[rows, cols] (row stride ldi) into out[cols, rows] (row stride ldo).  in and out
 * may not overlap; elements aligned to 4 bytes.
 *
 * Rows go in bands of 64: the lines a band touches stay in the first cache while the next columns,
 * which lie in the same lines, are read, and each output line is written whole. */
void K(transpose_32)(uint32_t *to, size_t ldo, const uint32_t *from, size_t ldi, size_t rows, size_t cols)
{
    const word *in = from;
    word *out = to;

    for (size_t i0 = 0; i0 < rows; i0 += 64) {
        size_t i1 = rows - i0 < 64 ? rows : i0 + 64;
        size_t whole = i0 + (i1 - i0) / VF_N * VF_N, j = 0;
        for (; j + VF_N <= cols; j += VF_N) {
            for (size_t i = i0; i < whole; i += VF_N) {
                vi r[VF_N];
                UNROLL
                for (size_t v = 0; v < VF_N; v++)
                    r[v] = vi_load(in + (i + v) * ldi + j);
                vi_transpose(r);
                UNROLL
                for (size_t v = 0; v < VF_N; v++)
                    vi_store(out + (j + v) * ldo + i, r[v]);
            }
            for (size_t i = whole; i < i1; i++)
                for (size_t v = 0; v < VF_N; v++)
                    out[(j + v) * ldo + i] = in[i * ldi + j + v];
        }
        for (; j < cols; j++)
            for (size_t i = i0; i < i1; i++)
                out[j * ldo + i] = in[i * ldi + j];
    }
}
