/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>
#include <stdlib.h>

/* One product on guarded memory.  Rows of A, C and add are `gap` further apart than they are long. */
typedef struct product {
    hn_gemm_f32 g;
    const float *b;              /* plain [k, n] */
    size_t c_floats;
} product;

static size_t floats_of(size_t rows, size_t cols, size_t stride) { return rows ? (rows - 1) * stride + cols : 0; }

static product product_of(const hn_kernels *k, size_t m, size_t n, size_t depth, size_t gap, int extras)
{
    product p = { .g = { .m = m, .n = n, .k = depth, .lda = depth + gap, .ldc = n + gap, .ld_add = n + gap } };
    p.g.a = hn_noise(floats_of(m, depth, p.g.lda), -1, 1);
    p.b = hn_noise(depth * n, -1, 1);
    float *packed = hn_guarded(k->pack_b_f32_size(depth, n) * sizeof(float));
    k->pack_b_f32(packed, p.b, n, depth, n, 0);
    p.g.b = packed;
    p.c_floats = floats_of(m, n, p.g.ldc);
    p.g.c = hn_guarded(p.c_floats * sizeof(float));
    if (extras & 1)
        p.g.bias = hn_noise(n, -1, 1);
    if (extras & 2)
        p.g.add = hn_noise(floats_of(m, n, p.g.ld_add), -1, 1);
    return p;
}

/* Against double: each of k steps rounds twice at most, at sums below k + 2. */
static void check_product(const product *p)
{
    const hn_gemm_f32 *g = &p->g;
    double tolerance = ((double)g->k + 4) * ((double)g->k + 2) * 0x1p-24 * 0.25 + 1e-5;
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double sum = (g->bias ? (double)g->bias[j] : 0) + (g->add ? (double)g->add[i * g->ld_add + j] : 0);
            for (size_t q = 0; q < g->k; q++)
                sum += (double)g->a[i * g->lda + q] * (double)p->b[q * g->n + j];
            double want = hn_act_apply(g->act, sum), got = (double)g->c[i * g->ldc + j];
            if (!(fabs(got - want) <= tolerance))
                print_message("gemm %zux%zux%zu [%zu,%zu]: %g, not %g\n", g->m, g->n, g->k, i, j, got, want);
            CHECK(fabs(got - want) <= tolerance);
        }
        for (size_t j = g->n; i + 1 < g->m && j < g->ldc; j++) {         /* between rows: as it was */
            uint32_t bits;
            memcpy(&bits, &g->c[i * g->ldc + j], sizeof bits);
            CHECK(bits == 0xAAAAAAAAu);
        }
    }
}

KERNEL_TEST(gemm_f32)
{
    static const size_t depths[] = { 0, 1, 3, 8, 27 };
    for (size_t m = 1; m <= 15; m++)
        for (size_t n = 1; n <= 70; n += n < 36 ? 1 : 5) {
            size_t depth = depths[(m + n) % 5];
            product p = product_of(k, m, n, depth, m % 3, (int)(n % 4));
            p.g.act = n % 2 ? (hn_act){ HN_ACT_CLIP, 0, 1 } : (hn_act){ HN_ACT_NONE, 0, 0 };
            k->gemm_f32(&p.g);
            check_product(&p);
        }
}

TEST(gemm_of_nothing_touches_nothing)
{
    for (size_t i = 0; hn_kernel_tables[i]; i++)
        if (hn_kernels_runs(hn_kernel_tables[i])) {
            hn_gemm_f32 rows = { .n = 5, .k = 3, .ldc = 5 }, cols = { .m = 5, .k = 3, .lda = 3 };
            hn_kernel_tables[i]->gemm_f32(&rows);
            hn_kernel_tables[i]->gemm_f32(&cols);
        }
}

static void check_blocks(const hn_kernels *k, const hn_kernels *plain)
{
    static const size_t shapes[][3] = { { 1, 33, 700 }, { 5, 40, 513 }, { 121, 17, 256 }, { 250, 9, 300 }, { 13, 100, 1030 } };
    (void)plain;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        product p = product_of(k, shapes[i][0], shapes[i][1], shapes[i][2], 1, 3);
        p.g.act = (hn_act){ HN_ACT_CLIP, -2, 2 };
        k->gemm_f32(&p.g);
        check_product(&p);
    }
}
TEST(gemm_past_one_block_of_rows_and_of_depth) { hn_test_each_isa(check_blocks); }

static void check_acts(const hn_kernels *k, const hn_kernels *plain)
{
    static const hn_act acts[] = {
        { HN_ACT_LEAKY, 0.1f, 0 }, { HN_ACT_SIGMOID, 0, 0 }, { HN_ACT_TANH, 0, 0 }, { HN_ACT_SILU, 0, 0 },
        { HN_ACT_HARDSIGMOID, 0.2f, 0.5f }, { HN_ACT_HARDSWISH, 0, 0 }, { HN_ACT_GELU, 0, 0 }, { HN_ACT_GELU_TANH, 0, 0 },
    };
    (void)plain;
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        product p = product_of(k, 7, 21, 300, 2, 3);
        p.g.act = acts[i];
        k->gemm_f32(&p.g);
        check_product(&p);
    }
}
TEST(gemm_applies_every_activation_after_the_last_block) { hn_test_each_isa(check_acts); }

/* Any split of rows, and of columns at HN_GEMM_COLS, gives the same bits. */
static void check_split(const hn_kernels *k, const hn_kernels *plain)
{
    enum { M = 131, N = 83, DEPTH = 401 };
    (void)plain;
    product p = product_of(k, M, N, DEPTH, 3, 3);
    p.g.act = (hn_act){ HN_ACT_SILU, 0, 0 };
    k->gemm_f32(&p.g);
    for (int round = 0; round < 6; round++) {
        float *c = hn_floats(p.c_floats);
        for (size_t i = 0, m; i < M; i += m) {
            m = 1 + hn_random() % (round < 3 ? 9 : 60);
            m = m < M - i ? m : M - i;
            for (size_t j = 0, n; j < N; j += n) {
                n = HN_GEMM_COLS * (1 + hn_random() % 4);
                n = n < N - j ? n : N - j;
                hn_gemm_f32 part = p.g;
                part.m = m, part.n = n;
                part.a += i * part.lda;
                part.b += k->pack_b_f32_size(DEPTH, j);
                part.c = c + i * part.ldc + j;
                part.bias += j;
                part.add += i * part.ld_add + j;
                k->gemm_f32(&part);
            }
        }
        for (size_t i = 0; i < M; i++)
            CHECK(hn_same_bits(c + i * p.g.ldc, p.g.c + i * p.g.ldc, N * sizeof(float)));
    }
}
TEST(gemm_gives_the_same_bits_however_it_is_split) { hn_test_each_isa(check_split); }

static void check_in_place(const hn_kernels *k, const hn_kernels *plain)
{
    (void)plain;
    product p = product_of(k, 19, 37, 600, 0, 3);
    float *both = hn_floats(p.c_floats);
    memcpy(both, p.g.add, p.c_floats * sizeof(float));
    k->gemm_f32(&p.g);
    hn_gemm_f32 g = p.g;
    g.c = both, g.add = both;
    k->gemm_f32(&g);
    CHECK(hn_same_bits(both, p.g.c, p.c_floats * sizeof(float)));
}
TEST(gemm_adds_to_its_own_output) { hn_test_each_isa(check_in_place); }

static void check_nan(const hn_kernels *k, const hn_kernels *plain)
{
    (void)plain;
    product p = product_of(k, 3, 18, 4, 0, 0);
    p.g.act = (hn_act){ HN_ACT_CLIP, 0, 6 };
    ((float *)p.g.a)[4] = NAN;
    k->gemm_f32(&p.g);
    for (size_t j = 0; j < 18; j++)
        CHECK(isfinite(p.g.c[j]) && isnan(p.g.c[18 + j]) && isfinite(p.g.c[36 + j]));
}
TEST(gemm_keeps_nan_in_its_row_and_through_relu) { hn_test_each_isa(check_nan); }

/* The layout is a table's own; what must hold is where column j's panel starts and that any use of
 * the transposed form gives the same panels. */
KERNEL_TEST(pack_b_f32)
{
    for (size_t n = 1; n <= 40; n++)
        for (size_t depth = 0; depth <= 20; depth++) {
            size_t size = k->pack_b_f32_size(depth, n) * sizeof(float), gap = n % 3;
            float *b = hn_noise(depth ? (depth - 1) * (n + gap) + n : 0, -1, 1);
            float *t = hn_floats((n - 1) * (depth + gap) + depth);
            for (size_t p = 0; p < depth; p++)
                for (size_t j = 0; j < n; j++)
                    t[j * (depth + gap) + p] = b[p * (n + gap) + j];
            float *one = hn_guarded(size), *two = hn_guarded(size);
            k->pack_b_f32(one, b, n + gap, depth, n, 0);
            k->pack_b_f32(two, t, depth + gap, depth, n, 1);
            CHECK(hn_same_bits(one, two, size));
        }
}

KERNEL_TEST(pack_b_f32_size)
{
    CHECK(k->pack_b_f32_size(7, 0) == 0);
    for (size_t n = 1; n <= 70; n++) {
        size_t size = k->pack_b_f32_size(7, n);
        CHECK(size >= 7 * n && size < 7 * (n + HN_GEMM_COLS) && size >= k->pack_b_f32_size(7, n - 1));
        CHECK(n % HN_GEMM_COLS || size == 7 * n);
    }
}

/* A in lines and runs is the matrix those rules spell out, bit for bit. */
static void check_lines_and_runs(const hn_kernels *k, const hn_kernels *plain)
{
    (void)plain;
    for (int round = 0; round < 60; round++) {
        size_t line = 1 + hn_random() % (round % 3 ? 20 : 150), lines = 1 + hn_random() % 5, m = line * lines;
        size_t runs = 1 + hn_random() % 6, run = 1 + hn_random() % (round % 4 ? 30 : 200), depth = runs * run;
        size_t n = 1 + hn_random() % 70, lda = 1 + hn_random() % 9, line_step = line * lda + hn_random() % 40, run_at[6];
        for (size_t i = 0; i < runs; i++)
            run_at[i] = i * (1 + hn_random() % 50);
        size_t floats = (lines - 1) * line_step + (line - 1) * lda + 6 * 50 + run;
        const float *image = hn_noise(floats, -1, 1);
        product p = product_of(k, m, n, depth, 0, 1);
        float *a = hn_floats(m * depth), *c = hn_floats(m * n);
        for (size_t i = 0; i < m; i++)
            for (size_t q = 0; q < depth; q++)
                a[i * depth + q] = image[i / line * line_step + i % line * lda + run_at[q / run] + q % run];
        p.g.a = a;
        k->gemm_f32(&p.g);
        check_product(&p);
        hn_gemm_f32 g = p.g;
        g.a = image;
        g.c = c;
        g.lda = lda;
        g.line = line;
        g.line_step = line_step;
        g.run = run;
        g.run_at = run_at;
        k->gemm_f32(&g);
        CHECK(hn_same_bits(c, p.g.c, m * n * sizeof *c));
    }
}
TEST(gemm_reads_lines_and_runs_where_they_lie) { hn_test_each_isa(check_lines_and_runs); }
