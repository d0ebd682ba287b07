/* SPDX-License-Identifier: Apache-2.0 */
/* Attention's two products for one query head: scores over rows of keys, and a weighted sum of rows of
 * values.  Rows are f32 or f16, row_size bytes apart, no alignment beyond their type's.
 *
 * Each row's score is a chain of its own, and each element of the mix takes the rows in order: results do
 * not depend on how rows are cut into calls.  Against scalar: sums of products in another order. */
#include "kernels/isa.h"
#include "tensor/convert.h"

/* Elements a row holds beyond whole vectors, one by one. */
VEC float element(const void *row, size_t i, int half)
{
    return half ? hn_f16_to_f32(((const uint16_t *)row)[i]) : ((const float *)row)[i];
}

VEC vf vector(const void *row, size_t i, int half)
{
    return half ? vf_load_half((const uint16_t *)row + i) : vf_load((const float *)row + i);
}

VEC void scores(float *out, const float *q, const char *rows, size_t row_size, size_t n, size_t size, int half)
{
    size_t whole = size / VF_N * VF_N;
    for (size_t r = 0; r < n; r++, rows += row_size) {
        vf a = vf_set(0), b = a;         /* two sums, since a fused add waits on itself for four cycles */
        size_t i = 0;
        for (; i + 2 * VF_N <= whole; i += 2 * VF_N) {
            a = vf_fma(vf_load(q + i), vector(rows, i, half), a);
            b = vf_fma(vf_load(q + i + VF_N), vector(rows, i + VF_N, half), b);
        }
        for (; i < whole; i += VF_N)
            a = vf_fma(vf_load(q + i), vector(rows, i, half), a);
        float s = vf_sum(vf_add(a, b));
        for (; i < size; i++)
            s += q[i] * element(rows, i, half);
        out[r] = s;
    }
}

/* out[size] += sum of weight[r] rows[r] */
VEC void mix(float *out, const float *weight, const char *rows, size_t row_size, size_t n, size_t size, int half)
{
    size_t i = 0;
    for (; i + 4 * VF_N <= size; i += 4 * VF_N) {
        vf a = vf_load(out + i), b = vf_load(out + i + VF_N), c = vf_load(out + i + 2 * VF_N), d = vf_load(out + i + 3 * VF_N);
        const char *row = rows;
        for (size_t r = 0; r < n; r++, row += row_size) {
            vf w = vf_set(weight[r]);
            a = vf_fma(w, vector(row, i, half), a);
            b = vf_fma(w, vector(row, i + VF_N, half), b);
            c = vf_fma(w, vector(row, i + 2 * VF_N, half), c);
            d = vf_fma(w, vector(row, i + 3 * VF_N, half), d);
        }
        vf_store(out + i, a);
        vf_store(out + i + VF_N, b);
        vf_store(out + i + 2 * VF_N, c);
        vf_store(out + i + 3 * VF_N, d);
    }
    for (; i < size; i++) {
        float s = out[i];
        const char *row = rows;
        for (size_t r = 0; r < n; r++, row += row_size)
            s += weight[r] * element(row, i, half);
        out[i] = s;
    }
}

void K(score_rows)(float *out, const float *q, const void *rows, size_t row_size, size_t n, size_t size, int half)
{
    if (half)
        scores(out, q, rows, row_size, n, size, 1);
    else
        scores(out, q, rows, row_size, n, size, 0);
}

void K(mix_rows)(float *out, const float *weight, const void *rows, size_t row_size, size_t n, size_t size, int half)
{
    if (half)
        mix(out, weight, rows, row_size, n, size, 1);
    else
        mix(out, weight, rows, row_size, n, size, 0);
}

/* Round half to even; the same bits on every machine, but for the payload of NaN. */
void K(to_half)(uint16_t *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store_half(out + i, vf_load(in + i));
    for (; i < n; i++)
        out[i] = hn_f32_to_f16(in[i]);
}
