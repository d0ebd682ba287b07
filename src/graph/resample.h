/* SPDX-License-Identifier: Apache-2.0 */
/* Interpolation along one axis as a table: what Resize computes, for whoever computes it faster. */
#ifndef HN_GRAPH_RESAMPLE_H
#define HN_GRAPH_RESAMPLE_H

#include "graph/op.h"

/* Output coordinate i is the sum over j < taps of weight[i * taps + j] times input coordinate
 * at[i * taps + j], all inside the input. */
typedef struct hn_taps {
    size_t taps;
    int64_t *at;
    double *weight;
    bool *outside;            /* [out]: beyond the input, gets Resize's extrapolation value */
} hn_taps;

/* The table of one axis of a Resize whose shapes are known; from the call's scratch. */
hn_err hn_resize_taps(hn_call *c, int axis, hn_taps *out);

#endif
