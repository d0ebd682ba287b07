/* SPDX-License-Identifier: Apache-2.0 */
/* Block-quantised weights in panels of sixteen rows, and the activations they meet.
 *
 * A panel has the bytes of sixteen rows of the file, only in another order: words of codes with the same
 * place in their blocks stand side by side, and so do scales.  One load then brings four codes of each row,
 * one lane sums one output, and an activation is four bytes for all lanes:
 *
 *     file      row 0: d0 c0 c1 c2 c3 | d1 ...      panel     c0 of rows 0..15, c1 of rows 0..15, ...   of all blocks,
 *               row 1: d0 c0 c1 c2 c3 | d1 ...                d0 of rows 0..15, ...                      of all blocks
 *
 * The same panel serves one token and many.  The last one of a matrix is filled up with zeros.
 *
 * What a lane sums, in the order of the blocks, is one fused addition a block: of the integer sum times the
 * product of both scales.  The K types add their 16 or 32 element runs, each times its small scale, to
 * one number of a block first.  Minima are a chain of their own.  llama.cpp's interleaved kernels add in this
 * order, which is why recorded logits come out the same. */
#ifndef HN_KERNELS_QPACK_H
#define HN_KERNELS_QPACK_H

#include <stdbool.h>

#include "tensor/qtypes.h"

enum { HN_PANEL_ROWS = 16, HN_QX_COLS = 16, HN_QX_BLOCK = 32 };

/* Is there a panel for this type?  The others are multiplied row by row (qdot.h). */
bool hn_panel_has(hn_qtype t);
size_t hn_panel_size(hn_qtype t, size_t k);                 /* bytes, a multiple of 64; SIZE_MAX past all bounds */
size_t hn_panels_size(hn_qtype t, size_t rows, size_t k);   /* of a whole matrix */
size_t hn_panel_codes(hn_qtype t);                          /* bytes of codes and of scales in one block of a panel */
size_t hn_panel_heads(hn_qtype t);

/* Packs `rows` <= 16 rows of k elements, row_size bytes apart. */
void hn_panel_pack(hn_qtype t, const void *rows_in, size_t row_size, size_t rows, size_t k, void *out);

/* Row r < 16 of a panel: the bytes it was packed from, and what some of its elements, whole blocks, decode to. */
void hn_panel_row(hn_qtype t, const void *panel, size_t r, size_t k, void *out);
void hn_panel_decode(hn_qtype t, const void *panel, size_t r, size_t k, size_t first, size_t count, float *out);

/* Files keep panels, too: this counts up when the order of their bytes changes. */
enum { HN_PANEL_LAYOUT = 1 };

/* Activations in groups of up to sixteen columns (tokens): x ~ scale q, one scale for 32 elements, or 256
 * in a row for the types of such blocks.  Arrays are [groups, blocks, width]; q has 32 bytes for each.
 * Every group has `width` columns, the last one filled up with zeros. */
typedef struct hn_qx {
    size_t cols, width, blocks;
    int8_t *q;
    float *scale;
    float *sum, *sum_low;        /* of all q and of the first half; times the scale where that is of 32 */
    int32_t *count, *count_low;  /* of all q and of the first half */
} hn_qx;

size_t hn_qx_bytes(size_t cols, size_t k);                  /* SIZE_MAX past all bounds */
void hn_qx_place(hn_qx *x, void *memory, size_t cols, size_t k);      /* aligned to 64 */

/* Products with panels: out[c, r] = sum over k of w[r, k] x[c, k], for whole panels of rows. */
typedef struct hn_panels {
    hn_qtype type;
    const void *w; size_t panel_size, panels;
    size_t rows, k;                     /* rows: written, at most 16 times the panels */
    const hn_qx *x;
    float *out; size_t ld_out;          /* [cols, rows] */
    void *room;                         /* hn_panel_room(k) bytes, aligned to 64; for many columns */
} hn_panels;

size_t hn_panel_room(size_t k);

#endif
