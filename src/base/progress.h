/* SPDX-License-Identifier: Apache-2.0 */
/* A progress bar for people.
 *
 * It appears on stderr, only when that is a terminal, and only once the work has taken a second;
 * scripts and logs never see it.  A plain struct the worker steps: no callbacks, no threads. */
#ifndef HN_BASE_PROGRESS_H
#define HN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct hn_progress {
    const char *what;            /* "reading", borrowed */
    uint64_t total;              /* steps in all; 0: not known, a count is shown instead */
    uint64_t started_ns, shown_ns;
    bool on;                     /* stderr is a terminal and nobody asked for quiet */
    bool drawn;                  /* a bar is on the screen and must be wiped */
} hn_progress;

void hn_progress_start(hn_progress *p, const char *what, uint64_t total, bool quiet);
void hn_progress_step(hn_progress *p, uint64_t done);     /* cheap: call it as often as you like */
void hn_progress_end(hn_progress *p);                     /* wipes the bar; safe to call twice */

/* The line a bar shows, without control characters: for the bar itself and for its test. */
enum { HN_PROGRESS_TEXT = 128 };
const char *hn_progress_text(const hn_progress *p, uint64_t done, uint64_t now_ns,
                             char out[HN_PROGRESS_TEXT]);

#endif
