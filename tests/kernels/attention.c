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

KERNEL_TEST(key_tile)
{
    for (size_t size = 1; size <= 70; size++) {
        size_t n = 1 + size % 32;
        float *rows = hn_noise(n * size, -1, 1), *out = hn_floats(size * 32);
        k->key_tile(out, rows, n, size);
        for (size_t r = 0; r < 32; r++)
            for (size_t i = 0; i < size; i++)
                CHECK(out[i * 32 + r] == (r < n ? rows[r * size + i] : 0));
    }
}

KERNEL_TEST(float_tile)
{
    for (size_t size = 1; size <= 70; size++) {
        size_t n = 1 + size % 32, row_size;
        char *rows = rows_of(n, size, 1, &row_size);
        float *out = hn_floats(n * size);
        k->float_tile(out, HN_QT_F16, rows, row_size, n, size);
        for (size_t i = 0; i < n * size; i++)
            CHECK((double)out[i] == at(rows, row_size, i / size, i % size, 1));
    }
    const hn_qtype blocks[] = { HN_QT_Q8_0, HN_QT_Q4_0 };
    for (size_t size = 32; size <= 128; size += 32)
        for (int t = 0; t < 2; t++) {
            size_t row_size = hn_q_bytes(blocks[t], size) + 2;
            uint8_t *rows = hn_guarded(3 * row_size - 2);
            float *x = hn_noise(size, -3, 3), *out = hn_floats(3 * size), want[128];
            for (size_t r = 0; r < 3; r++)
                hn_q_encode(blocks[t], x, rows + r * row_size, size);
            k->float_tile(out, blocks[t], rows, row_size, 3, size);
            hn_q_decode(blocks[t], rows, want, size);
            for (size_t r = 0; r < 3; r++)
                CHECK(hn_same_bits(out + r * size, want, size * sizeof *want));
        }
}

enum { HEADS = 5, SIZE = 40, PAGES = 3 };

/* Three pages, of which rows 7 to 83 are seen, against the definition. */
static void check_attention(const hn_kernels *k, float cap, size_t heads, int half)
{
    size_t n = PAGES * 32, key_size, value_size, unit = half ? 2 : 4;
    char *keys = rows_of(n, SIZE, half, &key_size), *values = rows_of(n, SIZE, half, &value_size);
    float *q = hn_noise(heads * SIZE, -3, 3), *out = hn_floats(heads * SIZE), top[HEADS], sum[HEADS] = { 0 };
    char *tile = hn_guarded(SIZE * 32 * unit);
    for (size_t h = 0; h < heads; h++)
        top[h] = -INFINITY;
    for (size_t page = 0; page < PAGES; page++) {
        for (size_t i = 0; i < SIZE * 32; i++)
            memcpy(tile + i * unit, keys + (page * 32 + i % 32) * key_size + i / 32 * unit, unit);
        hn_attend_page a = { .keys = tile, .values = values + page * 32 * value_size,
                        .ld_values = value_size / unit, .half = half, .size = SIZE, .from = page == 0 ? 7 : 0, .to = page == 2 ? 20 : 32,
                        .heads = heads, .q = q, .out = out, .top = top, .sum = sum, .scale = 0.2f, .cap = cap };
        k->attend_page(&a);
    }
    for (size_t h = 0; h < heads; h++) {
        double weight[PAGES * 32], all = 0, mix[SIZE] = { 0 };
        for (size_t r = 7; r < 84; r++) {
            double s = 0;
            for (size_t i = 0; i < SIZE; i++)
                s += (double)q[h * SIZE + i] * at(keys, key_size, r, i, half);
            s *= (double)0.2f;
            all += weight[r] = exp(cap > 0 ? (double)cap * tanh(s / (double)cap) : s);
        }
        for (size_t r = 7; r < 84; r++)
            for (size_t i = 0; i < SIZE; i++)
                mix[i] += weight[r] * at(values, value_size, r, i, half);
        for (size_t i = 0; i < SIZE; i++)
            CHECK(fabs((double)(out[h * SIZE + i] / sum[h]) - mix[i] / all) <= 1e-5);
    }
}

KERNEL_TEST(attend_page)
{
    for (int half = 0; half < 2; half++) {
        check_attention(k, 0, HEADS, half);
        check_attention(k, 0, 1, half);
        check_attention(k, 2.5f, HEADS, half);
    }
}

/* A head alone, or beside others: the same bits. */
TEST(a_head_does_not_see_its_neighbours)
{
    for (int isa = 0; hn_kernel_tables[isa]; isa++) {
        const hn_kernels *k = hn_kernel_tables[isa];
        float *tile = hn_noise(SIZE * 32, -1, 1), *values = hn_noise(32 * SIZE, -1, 1), *q = hn_noise(HEADS * SIZE, -3, 3);
        float *all = hn_floats(HEADS * SIZE), *one = hn_floats(HEADS * SIZE), top[HEADS], sum[HEADS] = { 0 }, top_one[HEADS], sum_one[HEADS] = { 0 };
        if (!hn_kernels_runs(k))
            continue;
        for (size_t h = 0; h < HEADS; h++)
            top[h] = top_one[h] = -INFINITY;
        hn_attend_page a = { .keys = tile, .values = values, .ld_values = SIZE, .size = SIZE, .from = 3, .to = 30, .heads = HEADS, .q = q,
                        .out = all, .top = top, .sum = sum, .scale = 0.5f };
        k->attend_page(&a);
        for (size_t h = 0; h < HEADS; h++) {
            a.heads = 1;
            a.q = q + h * SIZE;
            a.out = one + h * SIZE;
            a.top = top_one + h;
            a.sum = sum_one + h;
            k->attend_page(&a);
        }
        CHECK(hn_same_bits(all, one, HEADS * SIZE * sizeof *all) && hn_same_bits(sum, sum_one, sizeof sum));
    }
}

/* Many at once, or one by one: the same bits. */
static void check_many(const hn_kernels *k, size_t heads, size_t size, float cap)
{
    enum { N = HN_ATTEND_MANY };
    float *keys = hn_noise(size * 32, -1, 1), *values = hn_noise(32 * size, -1, 1), *q = hn_noise(N * size, -3, 3);
    float *turned = hn_floats(N * size), *out = hn_floats(2 * heads * size), top[2][N], sum[2][N] = { { 0 } };
    for (size_t h = 0; h < N; h++) {
        top[0][h] = top[1][h] = h % 3 ? -INFINITY : 0.5f;
        for (size_t i = 0; i < size; i++)
            turned[i * N + h] = q[h * size + i];
    }
    for (int page = 0; page < 2; page++) {
        hn_attend_page a = { .keys = keys, .values = values, .ld_values = size, .size = size, .to = 32, .heads = heads, .q = turned,
                             .out = out, .top = top[0], .sum = sum[0], .scale = 0.5f, .cap = cap };
        k->attend_many(&a);
        a.q = q;
        a.out = out + heads * size;
        a.top = top[1];
        a.sum = sum[1];
        k->attend_page(&a);
        keys[page] += 1;
    }
    CHECK(hn_same_bits(out, out + heads * size, heads * size * sizeof *out) && hn_same_bits(top[0], top[1], heads * sizeof(float)) &&
          hn_same_bits(sum[0], sum[1], heads * sizeof(float)));
}

KERNEL_TEST(attend_many)
{
    for (size_t heads = 1; heads <= HN_ATTEND_MANY; heads += 3)
        check_many(k, heads, 40 + 8 * heads, heads == 7 ? 2.5f : 0);
    check_many(k, HN_ATTEND_MANY, 64, 0);
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
