/* SPDX-License-Identifier: Apache-2.0 */
/* Searching the scale of a short run of numbers so that their codes lose least.
 *
 * Every search minimises sum w_i (s q_i - x_i)^2 or a close relative.  All arithmetic is in float and
 * in a fixed order: the files that others write come out byte for byte. */
#ifndef HN_TENSOR_Q_SEARCH_H
#define HN_TENSOR_Q_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

enum { HN_Q_RUN_MAX = 32 };       /* longest run */

/* How far to look around the plain scale of a run with a minimum. */
typedef struct hn_q_grid {
    int top;                      /* codes 0..top */
    float first, step;            /* candidates: (top + first + step k) / range, k = 0..steps */
    int steps;
    bool absolute;                /* error is w |.| instead of w (.)^2 */
} hn_q_grid;

/* The candidates where columns have an importance. */
static inline hn_q_grid hn_q_fine_grid(int top)
{
    return (hn_q_grid){ .top = top, .first = -0.9f, .step = 0.05f, .steps = 36 };
}

/* x ~ s q - m with q in 0..top, m >= 0: returns s, writes q and m. */
float hn_q_search_raised(const float *x, const float *w, int n, hn_q_grid grid, int *q, float *m);

/* x ~ s (q - top) with q in 0..2 top - 1: returns s, writes q. */
float hn_q_search_centred(const float *x, const float *w, int n, int top, int *q);

/* The same for very few levels (w = x^2): improves one code at a time instead of trying scales. */
float hn_q_search_sweep(const float *x, int n, int top, int *q);

/* x ~ s level[q], level ascending, level[0] < 0: tries scales that put the far end near level[0]. */
float hn_q_search_table(const float *x, const float *w, int n, const signed char level[16]);

/* x ~ s q with q in 0..top, x >= 0: scales of runs, which are worth what their runs are. */
float hn_q_search_positive(const float *x, const float *w, int n, int top, int *q);

/* What each element is worth when its column is worth `importance`: large elements more, small ones at
 * least as the mean square around them, `mean`. */
float hn_q_mean_square(const float *x, size_t n);
void hn_q_weigh(const float *x, const float *importance, float mean, int n, float *w);

/* Index of the nearest of 16 ascending levels; the upper one when x lies halfway. */
int hn_q_nearest_level(const signed char level[16], float x);

#endif
