/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution as every convolving operator sees it: geometry, and one plain loop (ops/conv.c). */
#ifndef HN_GRAPH_CONVOLVE_H
#define HN_GRAPH_CONVOLVE_H

#include "graph/window.h"

typedef struct hn_convolution {
    hn_window w;
    int64_t n, c, m, group;      /* images, channels in, channels out */
    hn_shape out;                /* rank -1: not known */
} hn_convolution;

/* From inputs x_at [N, C, spatial...] and w_at [M, C / group, kernel...] and Conv's attributes. */
hn_err hn_convolution_find(hn_call *c, int x_at, int w_at, hn_convolution *out);
/* Input i, when there, has one entry per output channel; scalar_too: or one for all. */
hn_err hn_convolution_channels(const hn_call *c, int i, int64_t m, bool scalar_too);
/* y [n, m, out...] += x * weight.  Exact on integers of up to 16 bits. */
void hn_convolve(const hn_convolution *g, const double *x, const double *weight, double *y);
/* Multiply-adds with the weights in input w_at. */
double hn_convolution_macs(const hn_call *c, int w_at);

/* Conv's attributes, for operators that add their own. */
#define HN_CONV_ATTRS                                                                \
    { "auto_pad", HN_ATTR_TEXT, "NOTSET, SAME_UPPER, SAME_LOWER or VALID" },         \
    { "dilations", HN_ATTR_INTS, "1s" }, { "group", HN_ATTR_INT, "1" },              \
    { "kernel_shape", HN_ATTR_INTS, "from the weights" },                            \
    { "pads", HN_ATTR_INTS, "0s: all begins, then all ends" }, { "strides", HN_ATTR_INTS, "1s" }

#endif
