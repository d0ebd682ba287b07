/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define FIRST_NS 1000000000u      /* shorter work needs no bar */
#define EVERY_NS 100000000u       /* ten times a second looks steady and costs nothing */
#define CELLS 24

void hn_progress_start(hn_progress *p, const char *what, uint64_t total, bool quiet)
{
    *p = (hn_progress){ .what = what, .total = total, .started_ns = hn_now_ns() };
    p->on = !quiet && isatty(STDERR_FILENO);
}

const char *hn_progress_text(const hn_progress *p, uint64_t done, uint64_t now_ns,
                             char out[HN_PROGRESS_TEXT])
{
    double seconds = (double)(now_ns - p->started_ns) * 1e-9;
    if (p->total == 0) {
        snprintf(out, HN_PROGRESS_TEXT, "%.40s  %llu  %.0f s", p->what, (unsigned long long)done,
                 seconds);
        return out;
    }
    double share = done >= p->total ? 1 : (double)done / (double)p->total;
    char bar[CELLS + 1];
    size_t full = (size_t)(share * CELLS);
    memset(bar, '#', full);
    memset(bar + full, '.', CELLS - full);
    bar[CELLS] = 0;
    int n = snprintf(out, HN_PROGRESS_TEXT, "%.40s [%s] %3.0f%%", p->what, bar, share * 100);
    if (done > 0 && share < 1)
        snprintf(out + n, HN_PROGRESS_TEXT - (size_t)n, "  %.0f s left",
                 seconds * (1 - share) / share);
    return out;
}

void hn_progress_step(hn_progress *p, uint64_t done)
{
    if (!p->on)
        return;
    uint64_t now = hn_now_ns();
    if (now - p->started_ns < FIRST_NS || now - p->shown_ns < EVERY_NS)
        return;
    char text[HN_PROGRESS_TEXT];
    fprintf(stderr, "\r%s\033[K", hn_progress_text(p, done, now, text));
    p->shown_ns = now;
    p->drawn = true;
}

void hn_progress_end(hn_progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = p->on = false;
}
