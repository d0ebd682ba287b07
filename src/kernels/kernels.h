/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels: inner loops on plain pointers, one table per instruction set.
 *
 * Kernels take pointers, counts and strides: no tensors, no allocation, no errors, no globals.
 * Callers validated already.  Images are channels-last (NHWC): channels are contiguous, so one
 * matrix product serves dense layers and convolutions alike and depthwise loops need no shuffles.
 *
 * hn_kernels_pick() gives the best table this CPU runs; HONE_ISA=scalar forces one, for bisecting. */
#ifndef HN_KERNELS_KERNELS_H
#define HN_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/act.h"
#include "kernels/fixed.h"
#include "kernels/qdot.h"
#include "kernels/qpack.h"

/* C[m,n] = act(A[m,k] * B[k,n] + bias + add).  B is packed by pack_b_f32.  C may not overlap A or B;
 * `add` may be C itself with the same row stride.  The bits of an element do not depend on how rows
 * and columns are split over calls.
 *
 * A need not be a matrix in memory.  Its rows may come in lines, and a row in runs: then the window of
 * a convolution is read where it lies in the image, no element copied.  Element p of row i is
 *     a[i / line * line_step + i % line * lda + run_at[p / run] + p % run] */
#define HN_GEMM_COLS 32                 /* columns are split at multiples of this */
typedef struct hn_gemm_f32 {
    size_t m, n, k;
    const float *a; size_t lda;         /* rows of A, in elements */
    size_t line, line_step;             /* line 0: rows are all of one line */
    size_t run; const size_t *run_at;   /* run 0: rows are one run; otherwise it divides k */
    const float *b;                     /* packed */
    float *c; size_t ldc;
    const float *bias;                  /* [n], or NULL */
    const float *add; size_t ld_add;    /* a second summand [m,n], or NULL */
    hn_act act;
} hn_gemm_f32;

/* What turns the exact sum of column j into a byte again: bias, rescaling by the rule (kernels/fixed.h), zero
 * point, range.  Arrays have room for a multiple of HN_REQUANT_COLS. */
#define HN_REQUANT_COLS 64
typedef struct hn_requant {
    hn_rounding rule;                   /* not SINGLE */
    const int32_t *bias;
    const int32_t *fraction, *left, *right;    /* AWAY, UP: 2^31 of the factor, bits to shift before and after */
    const double *real;                 /* EVEN: the factor */
    /* The same in floats, by hn_requant_quick: factor, what is added, what is added with the sum's sign; scale
     * NULL: not possible here */
    const float *scale, *start, *nudge;
    int32_t zero, low, high;            /* the result's; of 8 bits */
} hn_requant;

/* Fills scale, start and nudge, n entries each, from the other arrays and points q at them, when every factor allows:
 * floats then give the right byte or know that they may not (rescale.h).  Entries without a factor are 0. */
bool hn_requant_quick(hn_requant *q, size_t n, float *scale, float *start, float *nudge);

/* Two operands of bytes, element by element: what stands for (q - zero) * scale on each side.  AWAY and UP: sums
 * with `left` bits to spare, by the factors a, b and y; EVEN: in floats. */
typedef enum hn_qkind { HN_Q_ADD, HN_Q_SUB, HN_Q_MUL } hn_qkind;
typedef struct hn_qbinary {
    hn_qkind kind;
    hn_rounding rule;                   /* not SINGLE */
    int is_signed;
    int32_t a_zero, b_zero;
    int left;
    hn_factor a, b, y;
    float a_scale, b_scale, y_scale;
    int32_t zero, low, high;            /* the result's */
    /* All of it in floats, by hn_qbinary_quick: x a + z b + start of the bytes themselves; or (x - a_zero)(z - b_zero) a +
     * start, and `nudge` with the product's sign.  False: not possible here. */
    bool quick;
    float quick_a, quick_b, quick_start, quick_nudge;
} hn_qbinary;

/* Fills the last five from the others, where floats give the right byte or know that they may not (requant.c). */
void hn_qbinary_quick(hn_qbinary *q);

/* C[m,n] = requant(A[m,k] * B[k,n] + row[m]): bytes, unsigned in A, signed in B, which is packed by pack_q8.
 * Sums are exact modulo 2^32.  C may not overlap A.
 *
 * A row of A may come in runs, as the window of a convolution does: byte p of row i is
 *     a[i * lda + run_at[p / run] + p % run] */
typedef struct hn_gemm_q8 {
    size_t m, n, k;
    const uint8_t *a; size_t lda;       /* four bytes are read at a time: the last row has k rounded up to 4 */
    size_t run; const size_t *run_at;   /* run 0: rows are one run; otherwise a multiple of 4 that divides k */
    const int8_t *b;
    uint8_t *c; size_t ldc;
    const int32_t *row;                 /* added to every sum of a row, or NULL */
    const hn_requant *q;
} hn_gemm_q8;

/* A row of a convolution with one filter per channel.  Its input lies zipped: four rows of unsigned bytes, byte i of
 * row r at 4 i + r, so that a product of four bytes is a column of taps.  A row of pixels is one run of bytes: byte i
 * belongs to channel i % channels, and weights and rules go round, with HN_REQUANT_COLS entries more than channels. */
typedef struct hn_dwconv_q8 {
    size_t n, channels;                 /* bytes of the result, a multiple of channels */
    size_t skip;                        /* pixels passed over behind each; 0, or channels are a multiple of 16 */
    const uint8_t *zipped;              /* 4 HN_REQUANT_COLS bytes behind what is looked at may be read */
    size_t taps; const size_t *at;      /* columns of taps: where each begins in `zipped` for byte 0 */
    const int8_t *weight;               /* [taps, channels + HN_REQUANT_COLS, 4] */
    int calm;                           /* |w0| + |w1| and |w2| + |w3| of every four are at most 128 */
    uint8_t *out;
    const hn_requant *q;
} hn_dwconv_q8;
enum { HN_ZIP_SLACK = 256 };            /* bytes that zip_rows may write behind 4 n */

/* One output row of a window over channels-last images.  rows[i] is the start of input row i of the
 * window (column 0), or NULL where that row is padding. */
typedef struct hn_window_f32 {
    const float *const *rows; size_t kh, kw;
    size_t in_w, out_w, channels;
    size_t stride, dilation;            /* along the row */
    size_t pad;                         /* columns of padding on the left */
    const float *weight;                /* depthwise: [kh*kw, channels]; pools: NULL */
    const float *bias;                  /* [channels] or NULL */
    float *out;                         /* [out_w, channels] */
    hn_act act;
    int count_pad;                      /* average: padding counts as elements */
} hn_window_f32;

/* A tile of a convolution by F(4x4, 3x3), back to pixels. */
typedef struct hn_winograd_out {
    const float *in; size_t step;       /* 36 rows of channels, so far apart */
    float *out; size_t line;            /* pixels follow each other, lines are `line` floats apart */
    size_t rows, cols, channels;        /* rows and cols: 1 to 4 */
    const float *bias;                  /* [channels], or NULL */
    const float *add;                   /* laid out as out, or NULL */
    hn_act act;
} hn_winograd_out;

/* Heads of one token over rows [from, to) of a page.  top, sum and out carry on from page to page: -inf, 0 and
 * zeros before the first; out / sum is the result.
 *
 * Many take up to sixteen heads, of any tokens that see the whole page, and keys that are floats: q is then [size, 16],
 * and sixteen of top and sum are there, whatever is in those past the heads. */
enum { HN_ATTEND_ROWS = 32, HN_ATTEND_MANY = 16 };
typedef struct hn_attend_page {
    const void *keys;                   /* [size, 32] */
    const void *values; size_t ld_values;
    int half;                           /* both are in half precision; otherwise floats */
    size_t size, from, to;              /* from < to */
    size_t heads; const float *q; float *out;      /* [heads, size] */
    float *top, *sum;                   /* [heads] */
    float scale, cap;                   /* cap 0: none */
} hn_attend_page;

typedef struct hn_kernels {
    const char *isa;                    /* "scalar", "avx2", "avx512", "amx", "neon" */
#define KERNEL(type, name, args) type (*name) args;
#include "kernels/kernels.def"
#undef KERNEL
} hn_kernels;

/* Tables this program was built with, plainest first; ends with NULL. */
extern const hn_kernels *const hn_kernel_tables[];

/* True when this CPU can run the table. */
bool hn_kernels_runs(const hn_kernels *k);

/* The best table this CPU runs, or the one HONE_ISA names (NULL when it names none we have). */
const hn_kernels *hn_kernels_pick(void);
const hn_kernels *hn_kernels_scalar(void);

#endif
