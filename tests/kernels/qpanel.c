/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/kernels.h"

enum { K = 512, ROWS = 21, PANELS = 2, COLS = 35 };

/* A block of random bytes, drawn again until it decodes to ordinary numbers. */
static void draw_block(hn_qtype t, uint8_t *block)
{
    const hn_qtype_info *q = hn_qtype_get(t);
    float x[HN_Q_BLOCK_MAX];
    for (bool ordinary = false; !ordinary;) {
        for (size_t i = 0; i < q->block_size; i++)
            block[i] = (uint8_t)hn_random();
        hn_q_decode(t, block, x, q->block_count);
        ordinary = true;
        for (size_t i = 0; i < q->block_count; i++)
            ordinary = ordinary && fabsf(x[i]) < 1e20f;
    }
}

typedef struct data {
    hn_qtype type;
    size_t row_size, panel_size, group;
    uint8_t *w, *panels;
    float x[COLS * K];
} data;

static data *make(hn_qtype t)
{
    data *d = malloc(sizeof *d);
    *d = (data){ .type = t, .row_size = hn_q_bytes(t, K), .panel_size = hn_panel_size(t, K), .group = hn_qdot_group(t) };
    d->w = malloc(ROWS * d->row_size);
    d->panels = hn_guarded(PANELS * d->panel_size);
    for (uint8_t *b = d->w; b < d->w + ROWS * d->row_size; b += hn_qtype_get(t)->block_size)
        draw_block(t, b);
    for (size_t p = 0; p < PANELS; p++)
        hn_panel_pack(t, d->w + p * 16 * d->row_size, d->row_size, p ? ROWS - 16 : 16, K, d->panels + p * d->panel_size);
    for (size_t i = 0; i < COLS * K; i++)
        d->x[i] = (float)(hn_random() % 2001) / 1000 - 1;
    return d;
}

static void discard(data *d)
{
    free(d->w);
    free(d);
}

/* Columns from `first`; `rounded`, or NULL, gets what they were rounded to. */
static void run(const hn_kernels *k, const data *d, size_t first, size_t cols, float *out, float *rounded)
{
    hn_qx x;
    void *memory = hn_guarded(hn_qx_bytes(cols, K) / 64 * 64), *room = hn_guarded(PANELS * hn_panel_room(K));
    hn_qx_place(&x, memory, cols, K);
    for (size_t c = 0; c < (cols <= 16 ? cols : (cols + 15) / 16 * 16); c++)
        k->qx_pack(&x, c, c < cols ? d->x + (first + c) * K : NULL, d->group);
    for (size_t c = 0; rounded && c < cols; c++)
        for (size_t i = 0; i < K; i++) {
            size_t at = c / x.width * x.blocks * x.width + i / 32 * x.width + c % x.width;
            rounded[c * K + i] = x.scale[at] * (float)x.q[at * 32 + i % 32];
        }
    hn_panels p = { .type = d->type, .w = d->panels, .panel_size = d->panel_size, .panels = PANELS, .rows = ROWS, .k = K, .x = &x,
                    .out = out, .ld_out = ROWS, .room = room };
    k->panels(&p);
}

/* Sums of 32-element groups are stored in half precision, as other engines have them: 2^-11 of what minima add. */
static void check_type(const hn_kernels *k, hn_qtype t)
{
    static float rounded[COLS * K];
    data *d = make(t);
    float *out = hn_floats(COLS * ROWS), w[K];
    run(k, d, 0, COLS, out, rounded);
    for (size_t r = 0; r < ROWS; r++) {
        hn_q_decode(t, d->w + r * d->row_size, w, K);
        for (size_t c = 0; c < COLS; c++) {
            double exact = 0, size = 0;
            for (size_t i = 0; i < K; i++) {
                exact += (double)w[i] * (double)rounded[c * K + i];
                size += fabs((double)w[i] * (double)rounded[c * K + i]);
            }
            double bound = (t == HN_QT_Q4_1 || t == HN_QT_Q5_1 ? 0x1p-10 : 1e-5) * size;
            if (!(fabs((double)out[c * ROWS + r] - exact) <= bound))
                fail_msg("%s %s row %zu column %zu: expected %g, found %g (magnitudes %g)", k->isa, hn_qtype_get(t)->name, r, c,
                         exact, (double)out[c * ROWS + r], size);
        }
    }
    discard(d);
}

KERNEL_TEST(panels)
{
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++)
        if (hn_panel_has((hn_qtype)t))
            check_type(k, (hn_qtype)t);
}

TEST(a_panel_gives_back_the_rows_it_was_made_of)
{
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++) {
        if (!hn_panel_has((hn_qtype)t))
            continue;
        float want[K], got[K];
        data *d = make((hn_qtype)t);
        uint8_t *row = malloc(d->row_size);
        size_t half = K / 2;
        for (size_t r = 0; r < ROWS; r++) {
            const uint8_t *panel = d->panels + r / 16 * d->panel_size;
            hn_panel_row(d->type, panel, r % 16, K, row);
            assert_memory_equal(row, d->w + r * d->row_size, d->row_size);
            hn_q_decode(d->type, row, want, K);
            hn_panel_decode(d->type, panel, r % 16, K, 0, half, got);
            hn_panel_decode(d->type, panel, r % 16, K, half, K - half, got + half);
            assert_memory_equal(want, got, sizeof want);
        }
        free(row);
        discard(d);
    }
}

/* One column alone, a few, or all: the same bits. */
TEST(a_panel_gives_a_column_the_same_bits_whatever_stands_beside_it)
{
    for (int i = 0; hn_kernel_tables[i]; i++)
        for (int t = HN_QT_NONE + 1; hn_kernels_runs(hn_kernel_tables[i]) && t < HN_QT_COUNT; t++) {
            float all[COLS * ROWS], some[COLS * ROWS];
            if (!hn_panel_has((hn_qtype)t))
                continue;
            data *d = make((hn_qtype)t);
            run(hn_kernel_tables[i], d, 0, COLS, all, NULL);
            for (size_t c = 0, n = 1; c < COLS; c += n, n = n % 11 + 1 < COLS - c - n ? n % 11 + 1 : 1)
                run(hn_kernel_tables[i], d, c, n < COLS - c ? n : COLS - c, some + c * ROWS, NULL);
            assert_memory_equal(all, some, sizeof all);
            discard(d);
        }
}

/* The same bytes on every instruction set, and q8_pack's rounding. */
KERNEL_TEST(qx_pack)
{
    float x[K];
    hn_q8 q[K / 32];
    hn_qx a, b;
    for (int i = 0; i < K; i++)
        x[i] = ((float)(hn_random() % 2001) / 1000 - 1) * (i < 64 ? 1e-30f : 1);
    for (size_t group = 32; group <= 256; group += 224) {
        size_t bytes = hn_qx_bytes(1, K) / 64 * 64;
        hn_qx_place(&a, hn_guarded(bytes), 1, K);
        hn_qx_place(&b, hn_guarded(bytes), 1, K);
        plain->qx_pack(&a, 0, x, group);
        k->qx_pack(&b, 0, x, group);
        k->q8_pack(q, x, K, group);
        assert_memory_equal(a.q, b.q, (size_t)((char *)(a.count_low + K / 32) - (char *)a.q));
        for (int i = 0; i < K / 32; i++) {
            assert_memory_equal(q[i].q, b.q + 32 * i, 32);
            CHECK(q[i].scale == b.scale[i]);
        }
    }
}

TEST(a_bad_activation_spoils_its_panels_sums)
{
    for (int i = 0; hn_kernel_tables[i]; i++) {
        float x[256] = { 1, 2, 3 };
        hn_qx q;
        if (!hn_kernels_runs(hn_kernel_tables[i]))
            continue;
        hn_qx_place(&q, hn_guarded(hn_qx_bytes(1, 256) / 64 * 64), 1, 256);
        x[5] = NAN;
        hn_kernel_tables[i]->qx_pack(&q, 0, x, 32);
        CHECK(isnan(q.scale[0]) && isnan(q.sum[0]) && !isnan(q.scale[1]));
        x[5] = -INFINITY;
        hn_kernel_tables[i]->qx_pack(&q, 0, x, 256);
        CHECK(isnan(q.scale[0]) && isnan(q.scale[7]));
    }
}
