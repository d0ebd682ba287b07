/* SPDX-License-Identifier: Apache-2.0 */
/* Self-test: a build's model repeats its recorded runs, in a process that can harm nothing.
 *
 * The child may read the build's folder and compute; it may not open anything else (Landlock), call what
 * computing does not need (seccomp), take more memory or time than its manifest allows (limits, and a clock
 * in the parent).  What the running kernel lacks of these is left out and said in `guards`. */
#ifndef HN_FLEET_SELFTEST_H
#define HN_FLEET_SELFTEST_H

#include "fleet/manifest.h"

typedef struct hn_selftest_opts {
    const char *dir;                  /* the build's folder */
    unsigned runs;                    /* at least once through every recording; more go on in turn */
    uint32_t deadline_ms;             /* for everything; 0: by the manifest's limits, at most a minute and a half */
    void (*sabotage)(void *user);     /* for tests: called in the child before the model is loaded */
    void *user;
} hn_selftest_opts;

typedef struct hn_selftest_result {
    hn_reason why;                    /* NONE: it passed */
    double load_ms, p95_ms;
    unsigned runs;
    unsigned guards;                  /* bits HN_GUARD_* of what held the child */
    char words[200];                  /* of a failure */
} hn_selftest_result;

enum { HN_GUARD_LIMITS = 1, HN_GUARD_SECCOMP = 2, HN_GUARD_LANDLOCK = 4 };

/* HN_OK when a verdict was reached, good or bad. */
hn_err hn_selftest(hn_ctx *cx, const hn_manifest *m, const hn_selftest_opts *o, hn_selftest_result *out);

/* Shuts this process in: what selftest's child does first.  Returns the guards that hold.  fd stays usable. */
unsigned hn_sandbox_enter(const char *dir, uint64_t ram_bytes_max, uint32_t cpu_seconds);

#endif
