/* SPDX-License-Identifier: Apache-2.0 */
/* Timings: which way of running a node won, by processor, threads and shapes; in memory and in a file.
 *
 * The file is text, one winner a line.  It is a cache: one that is missing, damaged or another engine's is as good as
 * empty, and a line says so. */
#ifndef HN_RUNTIME_TIMINGS_H
#define HN_RUNTIME_TIMINGS_H

#include "base/arena.h"
#include "graph/built.h"

typedef struct hn_timing {
    const char *key;                 /* hn_timing_key */
    hn_choice choice;
    double us, usual_us;             /* the winner's time, and that of what would have been chosen */
    uint64_t sum;                    /* of the key */
} hn_timing;

typedef struct hn_timings {
    hn_arena *memory;
    hn_timing *t; size_t count, cap;
    size_t added;                    /* since it was read or written */
} hn_timings;

hn_err hn_timings_new(hn_ctx *cx, hn_timings **out);
void hn_timings_free(hn_ctx *cx, hn_timings *t);        /* NULL is fine */

/* Adds what the file holds.  Fails only for want of memory. */
hn_err hn_timings_read(hn_ctx *cx, const char *path, hn_timings *t);
hn_err hn_timings_parse(hn_ctx *cx, const char *name, const void *data, size_t len, hn_timings *t);
/* Writes all, so that readers see the old file or the new one. */
hn_err hn_timings_write(hn_ctx *cx, const char *path, hn_timings *t);

const hn_timing *hn_timings_find(const hn_timings *t, const char *key);      /* NULL when there is none */
/* Copies key and name. */
hn_err hn_timings_add(hn_ctx *cx, hn_timings *t, const hn_timing *one);

#endif
