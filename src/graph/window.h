/* SPDX-License-Identifier: Apache-2.0 */
/* The geometry of sliding windows, shared by convolution and pooling.
 *
 *      pad_begin      input                 pad_end
 *     [. .][x x x x x x x x x x x x x x x][. .]
 *      k   k   k                                    kernel 3, dilation 2
 *          k   k   k                                stride 2
 *
 * A tap is one position of the kernel; the last spatial dimension is the innermost. */
#ifndef HN_GRAPH_WINDOW_H
#define HN_GRAPH_WINDOW_H

#include "graph/op.h"

#define HN_SPATIAL_MAX (HN_RANK_MAX - 2)

typedef struct hn_window {
    int rank;                                    /* spatial dimensions */
    int64_t in[HN_SPATIAL_MAX], out[HN_SPATIAL_MAX];
    int64_t kernel[HN_SPATIAL_MAX], stride[HN_SPATIAL_MAX], dilation[HN_SPATIAL_MAX];
    int64_t pad_begin[HN_SPATIAL_MAX], pad_end[HN_SPATIAL_MAX];
} hn_window;

/* The attributes kernel_shape, strides, dilations and pads, checked, and the spatial dimensions of
 * x = [N, C, spatial...].  `weight`: where the kernel's size comes from when kernel_shape is
 * missing, [M, C, spatial...]; NULL when the attribute is required.  Sizes may be symbols. */
hn_err hn_window_read(hn_call *c, const hn_shape *x, const hn_shape *weight, hn_window *w);

/* Finds out[] and, for auto_pad, the pads.  Sizes that cannot be told become fresh symbols. */
hn_err hn_window_out(hn_call *c, bool ceil_mode, hn_window *w);

static inline size_t hn_window_size(const int64_t *dim, int rank)     /* product of known sizes */
{
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= (size_t)dim[i];
    return n;
}

/* Counts `at` up within [from, to) like an odometer, the last place fastest; false past the end. */
static inline bool hn_step(int rank, int64_t *at, const int64_t *from, const int64_t *to)
{
    for (int i = rank - 1; i >= 0; i--) {
        if (++at[i] < to[i])
            return true;
        at[i] = from ? from[i] : 0;
    }
    return false;
}

#endif
