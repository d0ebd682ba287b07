/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine can do, measured now: the yardstick beside every figure. */
#ifndef HN_COST_MACHINE_H
#define HN_COST_MACHINE_H

#include "base/pool.h"
#include "kernels/kernels.h"

typedef struct hn_peak {
    double gflops;            /* fused multiply-adds in registers, all threads together */
    double gbytes;            /* read bandwidth, all threads together; 0: not measured */
    unsigned threads;
} hn_peak;

/* Takes about 50 ms, or 150 ms with bandwidth: best of many short slices, since a shared machine
 * only ever makes a slice slower. */
hn_err hn_peak_measure(hn_ctx *cx, const hn_kernels *k, hn_pool *pool, bool bandwidth, hn_peak *out);

#endif
