/* SPDX-License-Identifier: Apache-2.0 */
/* Many sessions of one plan at once, each on a thread of its own: how many answers a second a machine gives. */
#ifndef HN_CLI_CROWD_H
#define HN_CLI_CROWD_H

#include "runtime/session.h"

typedef struct hn_crowd {
    const hn_plan *plan;
    const hn_tensor *in;             /* per graph input, shared by all */
    unsigned streams;
    double seconds;
} hn_crowd;

/* Milliseconds of each run into ms[cap], in no order; *runs of them in *total_ms. */
hn_err hn_crowd_measure(hn_ctx *cx, const hn_crowd *c, double *ms, size_t cap, size_t *runs, double *total_ms);

#endif
