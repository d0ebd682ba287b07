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
#include "kernels/qdot.h"
#include "kernels/qpack.h"

/* C[m,n] = act(A[m,k] * B[k,n] + bias + add).  B is packed by pack_b_f32.  C may not overlap A or B;
 * `add` may be C itself with the same row stride.  The bits of an element do not depend on how rows
 * and columns are split over calls. */
#define HN_GEMM_COLS 32                 /* columns are split at multiples of this */
typedef struct hn_gemm_f32 {
    size_t m, n, k;
    const float *a; size_t lda;         /* rows of A, in elements */
    const float *b;                     /* packed */
    float *c; size_t ldc;
    const float *bias;                  /* [n], or NULL */
    const float *add; size_t ld_add;    /* a second summand [m,n], or NULL */
    hn_act act;
} hn_gemm_f32;

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

/* Heads of one token over rows [from, to) of a page.  top, sum and out carry on from page to page: -inf, 0 and
 * zeros before the first; out / sum is the result. */
enum { HN_ATTEND_ROWS = 32 };
typedef struct hn_attend_page {
    const float *keys;                  /* [size, 32] by key_tile */
    const float *values; size_t ld_values;
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
