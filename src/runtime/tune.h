/* SPDX-License-Identifier: Apache-2.0 */
/* Tuning: ways to run a node, timed against each other, and the winners remembered.
 *
 * For hn_plan_opts.choose.  What is timed is one node on its own, with numbers made up and its true weights, turn by
 * turn with what would have been chosen; only a clear winner takes its place.  Without measuring, what was remembered
 * decides, and the rest is as ever. */
#ifndef HN_RUNTIME_TUNE_H
#define HN_RUNTIME_TUNE_H

#include "base/process.h"
#include "runtime/plan.h"
#include "runtime/timings.h"

typedef struct hn_tuner {
    hn_timings *timings;
    hn_pool *pool;                   /* what the plan will run on; NULL: this thread */
    bool measure;                    /* what nothing is known of */
    char cpu[HN_CPU_NAME];           /* hn_cpu_name: part of every key */
    size_t known, measured, changed; /* nodes found there, timed now, and run another way than they would have been */
} hn_tuner;

/* user: an hn_tuner, used by one thread at a time. */
hn_err hn_tune_choose(void *user, const hn_prep *prep, hn_choice *choice);

/* Where timings lie when nobody says: below $XDG_CACHE_HOME or ~/.cache; false when neither is known.  Makes the
 * folder. */
bool hn_timings_usual_path(char *out, size_t size);

#endif
