/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLS_MAX = 192 };

/* Factors from far below 1 to above it, and what they are in parts. */
typedef struct rules {
    hn_requant q;
    hn_factor factor[COLS_MAX];
    int32_t bias[COLS_MAX], fraction[COLS_MAX], left[COLS_MAX], right[COLS_MAX];
    double real[COLS_MAX];
    float scale[COLS_MAX], start[COLS_MAX], nudge[COLS_MAX];
} rules;

/* small: only factors that floats may take under every rule. */
static void make_rules(rules *r, hn_rounding rule, int zero, int low, int high, bool small)
{
    static const double some[] = { 0.0003, 0.00390625, 0.5, 0, 0.02, 0.7, 1e-9, 3.7, 1 };
    for (size_t j = 0; j < COLS_MAX; j++) {
        hn_factor f = r->factor[j] = hn_factor_of(some[hn_random() % (small ? 7 : 9)]);
        r->bias[j] = (int32_t)(hn_random() % 4001) - 2000;
        r->fraction[j] = f.fraction;
        r->left[j] = f.shift > 0 ? f.shift : 0;
        r->right[j] = f.shift < 0 ? -f.shift : 0;
        r->real[j] = f.real;
    }
    r->q = (hn_requant){ rule, r->bias, r->fraction, r->left, r->right, r->real, NULL, NULL, NULL, zero, low, high };
    hn_requant_quick(&r->q, COLS_MAX, r->scale, r->start, r->nudge);
}

static uint8_t wanted(const rules *r, int32_t sum, size_t j)
{
    int32_t v = (int32_t)((uint32_t)sum + (uint32_t)r->bias[j]);
    return (uint8_t)hn_clamp_i32((int64_t)hn_rescale(v, r->factor[j], r->q.rule) + r->q.zero, r->q.low, r->q.high);
}

static const hn_rounding all_rules[] = { HN_ROUND_AWAY, HN_ROUND_UP, HN_ROUND_EVEN };

/* One shape; `loud` weights have pairs whose products do not fit 16 bits. */
static void check_product(const hn_kernels *k, size_t m, size_t n, size_t depth, bool loud, rules *r)
{
    size_t lda = (depth + 3) / 4 * 4 + 4 * (m % 2), ldc = n + 3;
    uint8_t *a = hn_guarded(m ? (m - 1) * lda + (depth + 3) / 4 * 4 : 0), *c = hn_guarded(m ? (m - 1) * ldc + n : 0);
    int8_t *b = hn_guarded(n * depth), *packed = aligned_alloc(64, (k->pack_q8_size(depth, n) + 63) / 64 * 64);
    int32_t *row = hn_guarded(m * sizeof *row);
    for (size_t i = 0; m && i < (m - 1) * lda + (depth + 3) / 4 * 4; i++)
        a[i] = hn_random() % 4 ? (uint8_t)hn_random() : 255;
    for (size_t i = 0; i < n * depth; i++)
        b[i] = (int8_t)(loud ? hn_random() : hn_random() % 129 - 64);
    for (size_t i = 0; i < m; i++)
        row[i] = (int32_t)(hn_random() % 1001) - 500;
    k->pack_q8(packed, b, depth, n);
    hn_gemm_q8 g = { .m = m, .n = n, .k = depth, .a = a, .lda = lda, .b = packed, .c = c, .ldc = ldc,
                     .row = m % 3 ? row : NULL, .q = &r->q };
    k->gemm_q8(&g);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int32_t sum = m % 3 ? row[i] : 0;
            for (size_t p = 0; p < depth; p++)
                sum += a[i * lda + p] * b[j * depth + p];
            CHECK_INT(c[i * ldc + j], wanted(r, sum, j));
        }
    free(packed);
}

KERNEL_TEST(gemm_q8)
{
    static const size_t rows[] = { 0, 1, 2, 5, 12, 13, 25 }, cols[] = { 1, 7, 16, 33, 100 }, depth[] = { 1, 3, 4, 27, 64 };
    static rules r;
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < 5; j++)
            for (size_t p = 0; p < 5; p++) {
                make_rules(&r, all_rules[(i + j + p) % 3], j % 2 ? -3 : 120, j % 2 ? -128 : 0, j % 2 ? 127 : 255, p % 2);
                check_product(k, rows[i], cols[j], depth[p], (i + p) % 2, &r);
            }
}

/* The same product with its rows in one piece and in runs of a few bytes. */
TEST(rows_in_runs_give_what_rows_in_one_piece_give)
{
    static rules r;
    enum { M = 15, N = 20, RUNS = 3, RUN = 12, STEP = 5, LINE = M * STEP + RUN };
    static const size_t run_at[RUNS] = { 0, LINE, 2 * LINE };
    uint8_t image[RUNS * LINE], rows[M * RUNS * RUN], c[2][M * N];
    int8_t b[N * RUNS * RUN];
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)hn_random();
    for (size_t i = 0; i < sizeof b; i++)
        b[i] = (int8_t)hn_random();
    for (size_t i = 0; i < sizeof rows; i++)
        rows[i] = image[i / (RUNS * RUN) * STEP + i / RUN % RUNS * LINE + i % RUN];
    make_rules(&r, HN_ROUND_UP, 0, 0, 255, true);
    for (const hn_kernels *const *k = hn_kernel_tables; *k; k++) {
        if (!hn_kernels_runs(*k))
            continue;
        int8_t *packed = aligned_alloc(64, ((*k)->pack_q8_size(RUNS * RUN, N) + 63) / 64 * 64);
        (*k)->pack_q8(packed, b, RUNS * RUN, N);
        hn_gemm_q8 g = { .m = M, .n = N, .k = RUNS * RUN, .a = rows, .lda = RUNS * RUN, .b = packed, .c = c[0], .ldc = N,
                         .q = &r.q };
        (*k)->gemm_q8(&g);
        g.a = image;
        g.lda = STEP;
        g.run = RUN;
        g.run_at = run_at;
        g.c = c[1];
        (*k)->gemm_q8(&g);
        CHECK(hn_same_bits(c[0], c[1], sizeof c[0]));
        free(packed);
    }
}

TEST(a_zero_point_far_outside_of_a_byte_is_not_for_floats)
{
    static rules r;
    make_rules(&r, HN_ROUND_EVEN, 256, 0, 255, true);
    CHECK(r.q.scale == NULL);
    hn_qbinary q = { .kind = HN_Q_MUL, .rule = HN_ROUND_EVEN, .a_scale = 1, .b_scale = 1, .y_scale = 1, .zero = -300, .high = 255 };
    hn_qbinary_quick(&q);
    CHECK(!q.quick);
}

KERNEL_TEST(turn_8)
{
    for (size_t n = 0; n < 200; n += 7) {
        uint8_t *in = hn_guarded(n), *out = hn_guarded(n);
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)hn_random();
        k->turn_8(out, in, n, 0x80);
        for (size_t i = 0; i < n; i++)
            CHECK_INT(out[i], in[i] ^ 0x80);
    }
}

/* Where rounding shows: a product of zeros, to whose rows anything is added.  All factors, and those alone that floats
 * can take. */
static void check_sums(const hn_kernels *k, const int32_t *rows, size_t m, size_t n, rules *r)
{
    static const uint8_t a[4];
    static const int8_t b[COLS_MAX * 4];
    uint8_t *c = hn_guarded(m * n), *as = hn_guarded(4 * m);
    int8_t *packed = aligned_alloc(64, (k->pack_q8_size(4, n) + 63) / 64 * 64);
    memset(as, a[0], 4 * m);
    k->pack_q8(packed, b, 4, n);
    hn_gemm_q8 g = { .m = m, .n = n, .k = 4, .a = as, .lda = 4, .b = packed, .c = c, .ldc = n, .row = rows, .q = &r->q };
    k->gemm_q8(&g);
    for (size_t i = 0; i < m * n; i++)
        CHECK_INT(c[i], wanted(r, rows[i / n], i % n));
    free(packed);
}

static void check_rules(const hn_kernels *k, const int32_t *rows, size_t m)
{
    static rules r;
    for (size_t i = 0; i < 12; i++) {
        make_rules(&r, all_rules[i % 3], -128 + 128 * (int)(i % 2), i % 2 ? 0 : -128, i % 2 ? 255 : 127, i >= 6);
        CHECK(i < 6 || r.q.scale);
        check_sums(k, rows, m, COLS_MAX - i, &r);
    }
}

TEST(sums_at_the_ends_of_32_bits_are_rescaled_as_defined)
{
    static const int32_t rows[] = { INT32_MAX, INT32_MIN, INT32_MAX - 2000, INT32_MIN + 2000, 1 << 30, -(1 << 30) };
    for (const hn_kernels *const *k = hn_kernel_tables; *k; k++)
        if (hn_kernels_runs(*k))
            check_rules(*k, rows, 6);
}

TEST(sums_around_every_half_are_rescaled_as_defined)
{
    enum { ROWS = 300 };
    int32_t rows[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = (int32_t)(hn_random() % (i % 2 ? 16385 : 1 << 20)) - (i % 2 ? 8192 : 1 << 19);
    for (const hn_kernels *const *k = hn_kernel_tables; *k; k++)
        if (hn_kernels_runs(*k))
            check_rules(*k, rows, ROWS);
}

KERNEL_TEST(pack_q8)
{
    for (size_t n = 1; n < 70; n += 17)
        for (size_t depth = 1; depth < 30; depth += 7) {
            size_t bytes = k->pack_q8_size(depth, n);
            int8_t *b = hn_guarded(n * depth), *out = hn_guarded(bytes);
            int64_t sum = 0, want = 0;
            for (size_t i = 0; i < n * depth; i++)
                want += b[i] = (int8_t)(100 + i % 20);
            k->pack_q8(out, b, depth, n);
            for (size_t i = 0; i < bytes; i++)
                sum += out[i];
            CHECK(sum == want || depth == 1);        /* loud panels have a flag of 0, and what is left over is 0 */
        }
}

KERNEL_TEST(pack_q8_size)
{
    CHECK(k->pack_q8_size(5, 3) >= 64 + 8 * 3);
    CHECK_INT(k->pack_q8_size(5, 3) % 4, 0);
}

KERNEL_TEST(row_sums_u8)
{
    for (size_t depth = 0; depth < 200; depth += 13) {
        uint8_t *a = hn_guarded(3 * depth);
        int32_t out[3], want[3] = { 0, 0, 0 };
        for (size_t i = 0; i < 3 * depth; i++)
            want[i / depth] += a[i] = (uint8_t)hn_random();
        k->row_sums_u8(out, a, depth, 3, depth, -7, 11);
        for (int i = 0; i < 3; i++)
            CHECK_INT(out[i], want[i] * -7 + 11);
    }
}

static uint8_t pair_of(const hn_qbinary *q, int a, int b)
{
    int32_t x = a - q->a_zero, z = b - q->b_zero;
    int64_t r;
    if (q->rule == HN_ROUND_EVEN) {
        volatile float u = (float)x * q->a_scale, v = (float)z * q->b_scale;
        volatile float s = q->kind == HN_Q_ADD ? u + v : q->kind == HN_Q_SUB ? u - v : u * v;
        volatile float t = s / q->y_scale;
        r = (int64_t)rintf(t);
    } else if (q->kind == HN_Q_MUL) {
        r = hn_rescale(x * z, q->y, q->rule);
    } else {
        int32_t u = hn_rescale((int32_t)((uint32_t)x << q->left), q->a, q->rule);
        int32_t v = hn_rescale((int32_t)((uint32_t)z << q->left), q->b, q->rule);
        r = hn_rescale(q->kind == HN_Q_ADD ? u + v : u - v, q->y, q->rule);
    }
    return (uint8_t)hn_clamp_i32(r + q->zero, q->low, q->high);
}

static void check_pairs(const hn_kernels *k, const hn_qbinary *q, const uint8_t *a, const uint8_t *b, size_t sb, size_t n)
{
    uint8_t *out = hn_guarded(n);
    size_t wrong = 0;
    k->qbinary_8(out, a, 1, b, sb, n, q);
    for (size_t j = 0; j < n; j++)
        wrong += out[j] != (q->is_signed ? pair_of(q, (int8_t)a[j], (int8_t)b[sb ? j : 0])
                                         : pair_of(q, a[j], b[sb ? j : 0]));
    CHECK_INT(wrong, 0);
}

/* Every pair of bytes there is, with each rule, on both sides of 0, in floats and without. */
KERNEL_TEST(qbinary_8)
{
    for (int i = 0; i < 36; i++) {
        int is_signed = i % 2, low = is_signed ? -128 : 0;
        double as = 0.02 + 0.001 * i, bs = 0.013, ys = 0.04, twice = 2 * as;
        hn_qbinary q = { .kind = (hn_qkind)(i / 2 % 3), .rule = all_rules[i / 6 % 3], .is_signed = is_signed, .a_zero = low + 3,
                         .b_zero = low + 200, .left = 20, .a_scale = (float)as, .b_scale = (float)bs, .y_scale = (float)ys,
                         .zero = low + 100, .low = low + i / 18 * 20, .high = low + 255 };
        q.a = hn_factor_of(as / twice);
        q.b = hn_factor_of(bs / twice);
        q.y = hn_factor_of(q.kind == HN_Q_MUL ? as * bs / ys : twice / ((1 << 20) * ys));
        if (i % 4 < 3)
            hn_qbinary_quick(&q);
        CHECK(q.quick || i % 4 == 3);
        for (size_t n = 1; n < 300; n += 37)
            for (size_t sb = 0; sb < 2; sb++) {
                uint8_t *a = hn_guarded(n), *b = hn_guarded(sb ? n : 1);
                for (size_t j = 0; j < n; j++) {
                    a[j] = (uint8_t)hn_random();
                    b[sb ? j : 0] = (uint8_t)hn_random();
                }
                check_pairs(k, &q, a, b, sb, n);
            }
        uint8_t *a = hn_guarded(65536), *b = hn_guarded(65536);
        for (size_t j = 0; j < 65536; j++) {
            a[j] = (uint8_t)j;
            b[j] = (uint8_t)(j >> 8);
        }
        check_pairs(k, &q, a, b, 1, 65536);
    }
}

KERNEL_TEST(lookup_8)
{
    uint8_t table[256], in[256], out[256];
    for (int i = 0; i < 256; i++) {
        table[i] = (uint8_t)(i * 7 + 1);
        in[i] = (uint8_t)(255 - i);
    }
    k->lookup_8(out, in, 256, table);
    for (int i = 0; i < 256; i++)
        CHECK_INT(out[i], table[255 - i]);
}
