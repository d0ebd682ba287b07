/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the agent share: one round under way. */
#ifndef HN_FLEET_AGENT_IMPL_H
#define HN_FLEET_AGENT_IMPL_H

#include "fleet/agent.h"
#include "net/http.h"

typedef struct hn_round {
    hn_ctx *cx;
    const hn_agent_opts *o;
    hn_store s;
    hn_agent_report *r;
    hn_arena *a;
    hn_http *http;
    char **target;                    /* base URLs of targets/, with their slash */
    char **metadata;
    uint8_t *manifest; size_t manifest_len;
    hn_manifest m;
} hn_round;

/* agent_fetch.c: metadata, the channel, the manifest; then the files. */
hn_err hn_round_look(hn_round *d);
hn_err hn_round_fetch(hn_round *d);

/* agent_trial.c: self-test before, trial, judgement. */
hn_err hn_round_test(hn_round *d);                    /* before the build is put on trial */
hn_err hn_round_trial(hn_round *d);
hn_err hn_round_resume(hn_round *d, const hn_slots *slots);

#endif
