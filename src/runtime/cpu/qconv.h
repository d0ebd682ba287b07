/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to run a QConv on channels-last bytes have in common. */
#ifndef HN_RUNTIME_CPU_QCONV_H
#define HN_RUNTIME_CPU_QCONV_H

#include "graph/integer.h"
#include "runtime/impl.h"

/* Where the rows of a product's left operand are. */
typedef enum hn_qrows {
    HN_QROWS_IN_PLACE,               /* in the input, pixel by pixel */
    HN_QROWS_PIXELS,                 /* the same in a copy whose top bits are turned */
    HN_QROWS_LINES,                  /* runs in a copy of some lines with their padding */
    HN_QROWS_GATHERED,               /* copied one by one */
} hn_qrows;

typedef struct hn_qconv {
    size_t batch, in_h, in_w, in_c, out_h, out_w, out_c, groups;
    size_t kh, kw, stride_h, stride_w, dil_h, dil_w;
    int64_t pad_top, pad_left;
    hn_qrows rows;
    size_t k, n, lda, tile;          /* of one group's product; tile: pixels, or lines, per piece of work */
    size_t run, *run_at;             /* lines: bytes of a window's row up to a multiple of 4, and where they are */
    size_t line;                     /* bytes of a line with its padding */
    bool flip;                       /* the input's top bits are turned */
    int x_zero;                      /* as the model has it: what padding is filled with */
    bool x_signed;
    int32_t row_factor, row_offset;  /* of a row's sum; factor 0: none */
    size_t packed_each, columns;     /* bytes of one group's weights, entries of one group's bias and factors */
    const int8_t *weight;
    hn_requant q;
} hn_qconv;

/* A QConv of one or two spatial dimensions, constant weights, a rule the kernels know, zero points in range, no
 * empty side; false for anything else. */
bool hn_qconv_read(const hn_prep *p, hn_qconv *c, hn_integers *q);

/* Packs bias, factors and range into c->q: `groups` runs of c->columns entries, then `round` more, which repeat
 * them from the first on.  correction: what each column's sum is short of, [groups n]. */
hn_err hn_qconv_rules(hn_prep *p, hn_qconv *c, const hn_integers *q, size_t round, const int64_t *correction);

#endif
