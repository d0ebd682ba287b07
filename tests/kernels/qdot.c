/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

#include "tests/support/kernels.h"

enum { K = 1024, ROWS = 5, COLS = 9 };

/* A small generator, so that a failure is the same failure tomorrow. */
static uint32_t seed = 1;
static uint32_t draw(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
static float draw_float(void) { return ((float)(draw() & 0xFFFF) + (float)(draw() & 0xFFFF)) / 65536 - 1; }

/* A block of random bytes, drawn again until it decodes to ordinary numbers: every pattern of codes and
 * scales may come up, not only what an encoder writes. */
static void draw_block(hn_qtype t, uint8_t *block)
{
    const hn_qtype_info *q = hn_qtype_get(t);
    float x[HN_Q_BLOCK_MAX];
    for (bool ordinary = false; !ordinary;) {
        for (size_t i = 0; i < q->block_size; i++)
            block[i] = (uint8_t)draw();
        hn_q_decode(t, block, x, q->block_count);
        ordinary = true;
        for (size_t i = 0; i < q->block_count; i++)
            ordinary = ordinary && fabsf(x[i]) < 1e20f;
    }
}

/* Weights end exactly where their memory does, so that a sanitizer sees every step too far. */
typedef struct data {
    uint8_t *w;
    size_t row_size;
    float x[COLS * K], rounded[COLS * K];
    hn_q8 x8[COLS * K / HN_Q8_BLOCK];
} data;

static data *make(hn_qtype t, size_t k)
{
    data *d = malloc(sizeof *d);
    d->row_size = hn_q_bytes(t, k);
    d->w = malloc(ROWS * d->row_size);
    for (uint8_t *b = d->w; b < d->w + ROWS * d->row_size; b += hn_qtype_get(t)->block_size)
        draw_block(t, b);
    for (size_t i = 0; i < COLS * k; i++)
        d->x[i] = draw_float();
    if (k % HN_Q8_BLOCK == 0)
        hn_kernels_scalar()->q8_pack(d->x8, d->x, COLS * k, HN_Q8_BLOCK);
    for (size_t i = 0; i < COLS * k; i++)
        d->rounded[i] = d->x8[i / HN_Q8_BLOCK].scale * (float)d->x8[i / HN_Q8_BLOCK].q[i % HN_Q8_BLOCK];
    return d;
}

static void discard(data *d)
{
    free(d->w);
    free(d);
}

static void run(const hn_kernels *kernels, hn_qtype t, const data *d, size_t k, size_t r0, size_t rows, size_t c0,
                size_t cols, float *out)
{
    hn_qdot q = { .type = t, .w = d->w + r0 * d->row_size, .row_size = d->row_size, .rows = rows, .cols = cols, .k = k,
                  .x8 = d->x8 + c0 * k / HN_Q8_BLOCK, .ld_x8 = k / HN_Q8_BLOCK, .x = d->x + c0 * k, .ld_x = k,
                  .out = out + c0 * ROWS + r0, .ld_out = ROWS };
    kernels->qdot(&q);
}

/* Floats of a sum may differ by their order: 1e-5 of the sum of magnitudes is some hundred units in
 * the last place of a thousand terms. */
static void check_against_exact(const hn_kernels *kernels, hn_qtype t, size_t k)
{
    data *d = make(t, k);
    const float *x = hn_qdot_integer(t) ? d->rounded : d->x;
    float out[COLS * ROWS];
    run(kernels, t, d, k, 0, ROWS, 0, COLS, out);
    for (size_t r = 0; r < ROWS; r++) {
        const uint8_t *row = d->w + r * d->row_size;
        float *w = malloc(k * sizeof *w);
        hn_q_decode(t, row, w, k);
        for (size_t c = 0; c < COLS; c++) {
            double exact = hn_qdot_exact(t, row, x + c * k, k), size = 0;
            for (size_t i = 0; i < k; i++)
                size += fabs((double)w[i] * x[c * k + i]);
            if (!(fabs(out[c * ROWS + r] - exact) <= 1e-5 * size))
                fail_msg("%s %s k=%zu row %zu column %zu: expected %g, found %g (magnitudes %g)", kernels->isa,
                         hn_qtype_get(t)->name, k, r, c, exact, (double)out[c * ROWS + r], size);
        }
        free(w);
    }
    discard(d);
}

/* Every type, against its definition. */
KERNEL_TEST(qdot)
{
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++) {
        size_t block = hn_qtype_get((hn_qtype)t)->block_count;
        check_against_exact(k, (hn_qtype)t, K);
        check_against_exact(k, (hn_qtype)t, block == 1 ? 173 : block);
    }
}

TEST(a_column_does_not_see_its_neighbours)
{
    for (int i = 0; hn_kernel_tables[i]; i++)
        for (int t = HN_QT_NONE + 1; hn_kernels_runs(hn_kernel_tables[i]) && t < HN_QT_COUNT; t++) {
            data *d = make((hn_qtype)t, 512);
            float all[COLS * ROWS], one[COLS * ROWS];
            run(hn_kernel_tables[i], (hn_qtype)t, d, 512, 0, ROWS, 0, COLS, all);
            for (size_t c = 0; c < COLS; c++)
                for (size_t r = 0; r < ROWS; r++)
                    run(hn_kernel_tables[i], (hn_qtype)t, d, 512, r, 1, c, 1, one);
            assert_memory_equal(all, one, sizeof all);
            discard(d);
        }
}

/* Within half a step of what went in, and what rounding the scale to 11 bits moves 127 steps by; the same
 * bytes everywhere. */
KERNEL_TEST(q8_pack)
{
    float x[K];
    hn_q8 want[K / HN_Q8_BLOCK], got[K / HN_Q8_BLOCK];
    for (int i = 0; i < K; i++)
        x[i] = draw_float() * (i < 64 ? 1e-30f : 1);
    for (int i = 96; i < 128; i++)
        x[i] = i % 2 ? 0.0f : -0.0f;
    plain->q8_pack(want, x, K, HN_Q8_BLOCK);
    k->q8_pack(got, x, K, HN_Q8_BLOCK);
    for (int i = 0; i < K; i++)
        CHECK(fabsf(want[i / 32].scale * (float)want[i / 32].q[i % 32] - x[i]) <= (0.5001f + 127 * 0x1p-11f) * want[i / 32].scale);
    assert_memory_equal(want, got, sizeof want);
    plain->q8_pack(want, x, K, HN_Q_BLOCK_MAX);            /* one scale for 256 */
    k->q8_pack(got, x, K, HN_Q_BLOCK_MAX);
    CHECK(want[0].scale > 0 && want[0].scale == want[7].scale);
    assert_memory_equal(want, got, sizeof want);
}

TEST(a_bad_activation_spoils_its_sums)
{
    for (int i = 0; hn_kernel_tables[i]; i++) {
        float x[32] = { 1, 2, 3 };
        hn_q8 q;
        if (!hn_kernels_runs(hn_kernel_tables[i]))
            continue;
        for (int k = 0; k < 3; k++) {
            x[5] = k == 0 ? NAN : k == 1 ? INFINITY : -INFINITY;
            hn_kernel_tables[i]->q8_pack(&q, x, 32, 32);
            CHECK(isnan(q.scale) && isnan(q.sum));
        }
        memset(x, 0, sizeof x);
        x[0] = 1e-42f;                       /* too small for a scale with an inverse */
        hn_kernel_tables[i]->q8_pack(&q, x, 32, 32);
        CHECK(q.q[0] == 0 && !isnan(q.sum));
    }
}
