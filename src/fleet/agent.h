/* SPDX-License-Identifier: Apache-2.0 */
/* The agent: brings a device's models up to date, or leaves them as they are.
 *
 * One round for one model:
 *
 *     finish      a trial that a cut interrupted goes on first
 *     policy      may network, battery, heat, hours be spent now?
 *     refresh     TUF metadata; then the channel's file, then the manifest it names
 *     offer       not older than the floor, not bad before, made for this device, room for it
 *     fetch       each file the store lacks: by delta where that fits, whole where not; goes on after cuts
 *     stage       the build's folder, complete
 *     self-test   in a shut-in child (selftest.h)
 *     trial       tries counted durably, each a run of the child; then applications' reports, if asked for
 *     commit      or back to what was there, without a network
 *     collect
 *
 * Whatever fails, the current model stays in service; the reason is a code (reason.def). */
#ifndef HN_FLEET_AGENT_H
#define HN_FLEET_AGENT_H

#include "fleet/policy.h"
#include "fleet/release.h"
#include "fleet/selftest.h"
#include "fleet/store.h"

typedef enum hn_agent_state {
    HN_AGENT_IDLE, HN_AGENT_REFUSED, HN_AGENT_DEFERRED, HN_AGENT_STAGED, HN_AGENT_COMMITTED, HN_AGENT_ROLLED_BACK,
    HN_AGENT_STATES
} hn_agent_state;
const char *hn_agent_state_name(hn_agent_state s);     /* "rolled_back" */

typedef struct hn_agent_report {
    char name[HN_NAME_MAX + 1];       /* of the model */
    hn_agent_state state;
    hn_reason why;
    uint64_t before, after;           /* current build before and after; 0: none */
    uint64_t offered;                 /* build the channel offers; 0: not known */
    uint64_t fetched;                 /* bytes over the network */
    uint64_t by_delta;                /* bytes of files made by deltas */
    unsigned tries;                   /* starts of the trial */
    hn_selftest_result test;          /* the last */
    bool grace;                       /* expired metadata was accepted under policy */
    char words[HN_MSG_MAX];           /* what there is to say; "" when all is well */
} hn_agent_report;

typedef struct hn_agent_opts {
    const char *store, *name;
    const char *channel;              /* NULL: stable */
    const char *const *base; size_t base_count;     /* repositories: URLs or folders holding metadata/ and targets/ */
    hn_policy policy;
    hn_device device;                 /* runtime NULL: this one */
    unsigned tries;                   /* of a trial; 0: 3 */
    unsigned watch_s;                 /* of applications' reports after our own runs; 0: none */
    uint64_t delta_ram_max;           /* memory a delta may take; 0: 64 MiB */
    unsigned grace_days;              /* from folders alone: how long metadata may have been expired; 0: not at all */
    int64_t now;                      /* seconds since 1970; 0: the clock, not before what the store has seen */
    bool stage_only;                  /* stop before the trial */
    uint64_t rate_max;                /* bytes a second; 0: no limit */
    const char *ca_file;              /* PEM; NULL: the system's */
    const hn_fs *fs;                  /* NULL */
    void (*sabotage)(void *user);     /* for tests: called in each test child */
    void *user;
} hn_agent_opts;

/* One round.  HN_OK when the outcome is one of the report's states, whichever; a failure means that not even
 * the store could be worked on. */
hn_err hn_agent_once(hn_ctx *cx, const hn_agent_opts *o, hn_agent_report *out);

/* Rounds until *stop: every poll_s seconds give or take a fifth, after failures with growing random pauses of
 * up to an hour.  each: told every round's outcome; may be NULL. */
hn_err hn_agent_run(hn_ctx *cx, const hn_agent_opts *o, unsigned poll_s, const volatile int *stop,
                    void (*each)(void *user, hn_err e, const hn_agent_report *r), void *user);
/* How long to wait, in milliseconds, after `failures` rounds that failed in a row; u in [0, 1). */
uint64_t hn_agent_pause_ms(unsigned poll_s, unsigned failures, double u);

/* Gives the store its first trusted root.  One that has this or a later one keeps it; another is HN_EREFUSED. */
hn_err hn_agent_init(hn_ctx *cx, const char *store, const char *root_file);

/* Installs a package from a file or folder as a repository's would be, without metadata: for the first model
 * of a device and for tests.  Its signature, if any, is the caller's to check. */
hn_err hn_agent_install(hn_ctx *cx, const hn_agent_opts *o, const char *package, hn_agent_report *out);

#endif
