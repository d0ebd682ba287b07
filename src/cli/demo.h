/* SPDX-License-Identifier: Apache-2.0 */
/* hone demo's findings, and the page that shows them. */
#ifndef HN_CLI_DEMO_H
#define HN_CLI_DEMO_H

#include "base/buf.h"
#include "cli/embedded.h"

#define HN_DEMO_TOP 5

typedef struct hn_demo_shown {
    hn_embedded picture;
    const char *truth;                      /* what was drawn */
    const char *label[HN_DEMO_TOP];         /* best first */
    double score[HN_DEMO_TOP];
} hn_demo_shown;

typedef struct hn_demo_findings {
    hn_demo_shown *shown; size_t count, right;
    double *us; size_t runs;                /* latencies in microseconds, sorted */
    double golden_diff; size_t goldens;
    double gflops, peak_gflops;
    size_t arena_bytes, packed_bytes;
    unsigned threads;
    const char *isa;
} hn_demo_findings;

/* One HTML file, pictures inside, nothing loaded from elsewhere. */
void hn_demo_page(hn_buf *out, const hn_demo_findings *f);

#endif
