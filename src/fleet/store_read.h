/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a store: what an application needs of it, and all that the library proper contains.
 *
 * A build's folder never changes once it is there, and slots.json is replaced whole; so finding the
 * current model is: read slots.json, open what it names, and look again if it went meanwhile. */
#ifndef HN_FLEET_STORE_READ_H
#define HN_FLEET_STORE_READ_H

#include "fleet/slots.h"

enum { HN_NAME_MAX = 63, HN_PORT_MAX = 200 };     /* a model's name; an input's or output's in reports */

/* [a-z0-9][a-z0-9._-]{0,62}, so never a path of its own. */
bool hn_name_ok(const char *name);

typedef enum hn_pick {
    HN_PICK_CURRENT,       /* what has proved itself */
    HN_PICK_TRIAL,         /* the build on trial when there is one: this start is counted, durably, before
                            * the call returns; the current one when there is none or no try is left */
    HN_PICK_ARM,           /* the second build of an A/B test or a shadow; HN_ENO when there is none */
} hn_pick;

typedef struct hn_picked {
    uint64_t build;
    bool trial;
    hn_path model;         /* the file of role "model" in the build's folder */
} hn_picked;

/* HN_ENO when no such model, or no build that counts, is installed. */
hn_err hn_store_pick(hn_ctx *cx, const char *store, const char *name, hn_pick pick, hn_picked *out);

/* The path of the file with `role` in a build's manifest, relative to the build's folder; HN_ENO when no
 * file has it. */
hn_err hn_store_role(hn_ctx *cx, const char *build_dir, const char *role, hn_path *out);

/* What an application saw of a build; the agent reads it when it decides about a trial. */
typedef enum hn_event { HN_EVENT_GOOD, HN_EVENT_ERROR, HN_EVENT_NAN, HN_EVENT_COUNT } hn_event;
extern const char *const hn_event_names[HN_EVENT_COUNT];

/* One line in STATE/health/NAME.BUILD, whole or absent however many processes write.  The file stops
 * growing at HN_HEALTH_BYTES_MAX: later events are dropped, which the agent reads as "enough". */
#define HN_HEALTH_BYTES_MAX (256 << 10)
hn_err hn_store_report(hn_ctx *cx, const char *store, const char *name, uint64_t build, hn_event event, double ms);
/* The mean of an input or output over some runs, "mean VALUE PORT": for drift. */
hn_err hn_store_report_mean(hn_ctx *cx, const char *store, const char *name, uint64_t build, const char *port,
                            double mean);

#endif
