/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/qpack.h"

#include <string.h>

#include "base/num.h"

/* A run of a block's bytes: `count` units of `unit` bytes from `at`.  Units of 4 are codes and come first in a
 * panel; others are scales.  SPREAD marks a fifth bit per element: see spread_bits. */
typedef struct field { uint8_t at, count, unit; } field;
enum { FIELDS = 4, SPREAD = 5 };

typedef struct layout { hn_qtype type; field f[FIELDS]; } layout;

static const layout layouts[] = {
    { HN_QT_Q4_0,   { { 2, 4, 4 }, { 0, 1, 2 } } },
    { HN_QT_Q4_1,   { { 4, 4, 4 }, { 0, 2, 2 } } },
    { HN_QT_Q5_0,   { { 6, 4, 4 }, { 2, 1, SPREAD }, { 0, 1, 2 } } },
    { HN_QT_Q5_1,   { { 8, 4, 4 }, { 4, 1, SPREAD }, { 0, 2, 2 } } },
    { HN_QT_Q8_0,   { { 2, 8, 4 }, { 0, 1, 2 } } },
    { HN_QT_Q2_K,   { { 16, 16, 4 }, { 0, 16, 1 }, { 80, 2, 2 } } },
    { HN_QT_Q3_K,   { { 32, 16, 4 }, { 0, 8, 4 }, { 96, 12, 1 }, { 108, 1, 2 } } },
    { HN_QT_Q4_K,   { { 16, 32, 4 }, { 4, 12, 1 }, { 0, 2, 2 } } },
    { HN_QT_Q5_K,   { { 48, 32, 4 }, { 16, 8, 4 }, { 4, 12, 1 }, { 0, 2, 2 } } },
    { HN_QT_Q6_K,   { { 0, 32, 4 }, { 128, 16, 4 }, { 192, 16, 1 }, { 208, 1, 2 } } },
    { HN_QT_IQ4_NL, { { 2, 4, 4 }, { 0, 1, 2 } } },
    { HN_QT_IQ4_XS, { { 8, 32, 4 }, { 4, 4, 1 }, { 2, 1, 2 }, { 0, 1, 2 } } },
    { HN_QT_MXFP4,  { { 1, 4, 4 }, { 0, 1, 1 } } },
};

static const layout *layout_of(hn_qtype t)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == t)
            return &layouts[i];
    return NULL;
}

static bool is_code(const field *f) { return f->unit >= 4; }
static size_t unit_size(const field *f) { return f->unit == SPREAD ? 4 : f->unit; }

bool hn_panel_has(hn_qtype t) { return layout_of(t) != NULL; }

static size_t part(hn_qtype t, bool codes)
{
    size_t n = 0;
    for (const field *f = layout_of(t)->f; f < layout_of(t)->f + FIELDS; f++)
        if (f->count && is_code(f) == codes)
            n += f->count * unit_size(f);
    return n * HN_PANEL_ROWS;
}

size_t hn_panel_codes(hn_qtype t) { return part(t, true); }
size_t hn_panel_heads(hn_qtype t) { return part(t, false); }

size_t hn_panel_size(hn_qtype t, size_t k)
{
    size_t n = hn_mul(hn_q_bytes(t, k), HN_PANEL_ROWS);
    return n > SIZE_MAX - 63 ? SIZE_MAX : (n + 63) / 64 * 64;
}

size_t hn_panels_size(hn_qtype t, size_t rows, size_t k)
{
    return hn_mul(hn_panel_size(t, k), hn_ceil_div(rows, HN_PANEL_ROWS));
}

/* Bit 4 j + i of a word goes to bit j of byte i: words of codes have their elements so. */
static uint32_t spread_bits(uint32_t w)
{
    uint32_t out = 0;
    for (unsigned j = 0; j < 8; j++) {
        uint32_t four = w >> 4 * j & 15;
        out |= (four * 0x00204081u & 0x01010101u) << j;
    }
    return out;
}

static void put(const field *f, const uint8_t *in, uint8_t *out)
{
    size_t size = unit_size(f), apart = size * HN_PANEL_ROWS;
    for (unsigned i = 0; i < f->count; i++, in += size, out += apart) {
        uint32_t w;
        if (f->unit == 1) {
            *out = *in;
        } else if (f->unit == 2) {
            memcpy(out, in, 2);
        } else {
            memcpy(&w, in, 4);
            w = f->unit == SPREAD ? spread_bits(w) : w;
            memcpy(out, &w, 4);
        }
    }
}

/* Words of codes are nearly all of it: sixteen rows side by side for each word. */
static void put_words(const uint8_t *const row[HN_PANEL_ROWS], size_t at, unsigned count, uint8_t *out)
{
    for (unsigned i = 0; i < count; i++, at += 4)
        for (unsigned r = 0; r < HN_PANEL_ROWS; r++, out += 4)
            memcpy(out, row[r] + at, 4);
}

static const uint8_t nothing[256];                   /* the largest block here has 210 bytes */

void hn_panel_pack(hn_qtype t, const void *rows_in, size_t row_size, size_t rows, size_t k, void *to)
{
    const layout *l = layout_of(t);
    const hn_qtype_info *q = hn_qtype_get(t);
    size_t blocks = k / q->block_count;
    uint8_t *codes = to, *heads = codes + blocks * hn_panel_codes(t);

    for (size_t b = 0; b < blocks; b++) {
        const uint8_t *row[HN_PANEL_ROWS];
        for (size_t r = 0; r < HN_PANEL_ROWS; r++)
            row[r] = r < rows ? (const uint8_t *)rows_in + r * row_size + b * q->block_size : nothing;
        for (const field *f = l->f; f < l->f + FIELDS && f->count; f++) {
            uint8_t **out = is_code(f) ? &codes : &heads;
            if (f->unit == 4)
                put_words(row, f->at, f->count, *out);
            else
                for (size_t r = 0; r < HN_PANEL_ROWS; r++)
                    put(f, row[r] + f->at, *out + r * unit_size(f));
            *out += f->count * unit_size(f) * HN_PANEL_ROWS;
        }
    }
    size_t used = hn_q_bytes(t, k) * HN_PANEL_ROWS;
    memset((char *)to + used, 0, hn_panel_size(t, k) - used);
}

/* The other way: bit j of byte i goes to bit 4 j + i. */
static uint32_t gather_bits(uint32_t w)
{
    uint32_t out = 0;
    for (unsigned bit = 0; bit < 32; bit++)
        out |= (w >> bit & 1) << (4 * (bit % 8) + bit / 8);
    return out;
}

/* One row's share of block b; out: the block's bytes as files have them. */
static void take_block(hn_qtype t, const uint8_t *panel, size_t r, size_t b, size_t blocks, uint8_t *out)
{
    const layout *l = layout_of(t);
    const uint8_t *codes = panel + b * hn_panel_codes(t), *heads = panel + blocks * hn_panel_codes(t) + b * hn_panel_heads(t);
    for (const field *f = l->f; f < l->f + FIELDS && f->count; f++) {
        const uint8_t **in = is_code(f) ? &codes : &heads;
        size_t size = unit_size(f);
        for (unsigned i = 0; i < f->count; i++, *in += size * HN_PANEL_ROWS) {
            uint8_t *to = out + f->at + i * size;
            memcpy(to, *in + r * size, size);
            if (f->unit == SPREAD) {
                uint32_t w;
                memcpy(&w, to, 4);
                w = gather_bits(w);
                memcpy(to, &w, 4);
            }
        }
    }
}

void hn_panel_row(hn_qtype t, const void *panel, size_t r, size_t k, void *out)
{
    const hn_qtype_info *q = hn_qtype_get(t);
    size_t blocks = k / q->block_count;
    for (size_t b = 0; b < blocks; b++)
        take_block(t, panel, r, b, blocks, (uint8_t *)out + b * q->block_size);
}

void hn_panel_decode(hn_qtype t, const void *panel, size_t r, size_t k, size_t first, size_t count, float *out)
{
    const hn_qtype_info *q = hn_qtype_get(t);
    uint8_t block[sizeof nothing];
    for (size_t b = first / q->block_count; b < (first + count) / q->block_count; b++, out += q->block_count) {
        take_block(t, panel, r, b, k / q->block_count, block);
        hn_q_decode(t, block, out, q->block_count);
    }
}

/* ---- Activations ------------------------------------------------------------------------------- */

static size_t width_of(size_t cols) { return cols < HN_QX_COLS ? cols : HN_QX_COLS; }

/* Columns with those the last group is filled up with. */
static size_t padded(size_t cols) { return cols <= HN_QX_COLS ? cols : hn_mul(hn_ceil_div(cols, HN_QX_COLS), HN_QX_COLS); }

size_t hn_qx_bytes(size_t cols, size_t k)
{
    return hn_add(hn_mul(hn_mul(padded(cols), k / HN_QX_BLOCK), HN_QX_BLOCK + 3 * sizeof(float) + 2 * sizeof(int32_t)), 64);
}

void hn_qx_place(hn_qx *x, void *memory, size_t cols, size_t k)
{
    size_t n = padded(cols) * (k / HN_QX_BLOCK);
    *x = (hn_qx){ .cols = cols, .width = width_of(cols), .blocks = k / HN_QX_BLOCK, .q = memory };
    x->scale = (float *)(void *)(x->q + n * HN_QX_BLOCK);
    x->sum = x->scale + n;
    x->sum_low = x->sum + n;
    x->count = (int32_t *)(void *)(x->sum_low + n);
    x->count_low = x->count + n;
}

/* Codes as bytes, and up to two scales and two minima of sixteen rows for each run of 32. */
size_t hn_panel_room(size_t k)
{
    return hn_mul(k / HN_QX_BLOCK, HN_PANEL_ROWS * (HN_QX_BLOCK + 6 * sizeof(float)));
}
