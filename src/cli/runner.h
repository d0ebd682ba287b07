/* SPDX-License-Identifier: Apache-2.0 */
/* A model that takes tensors and gives tensors: what `run`, `verify` and `bench` have in common.
 *
 * The plan follows the shapes of the inputs and is made anew when they change. */
#ifndef HN_CLI_RUNNER_H
#define HN_CLI_RUNNER_H

#include "formats/format.h"
#include "runtime/session.h"

typedef struct hn_runner_opts {
    bool eval;              /* the plain evaluator in place of a plan */
    bool no_optimize;       /* the graph as it is in the file */
    unsigned threads;       /* 0: as many as this process may use */
    hn_err (*choose)(void *user, const hn_prep *prep, hn_choice *choice);    /* as hn_plan_opts has it */
    void *choose_user;
} hn_runner_opts;

typedef struct hn_runner {
    hn_runner_opts o;
    hn_source src;
    hn_env env;             /* the caller's, with our pool */
    hn_ctx cx;
    hn_shape *in_shape;     /* of the plan */
    hn_tensor *in_known;    /* what the plan takes for granted: numbers that choose branches */
    hn_arena *known;        /* its values */
    int replans;            /* because such a number changed */
    hn_plan *plan;
    hn_session *session;
    hn_arena *memory;       /* eval's results, until the next run */
    hn_tensor *out;         /* one per graph output */
} hn_runner;

/* Fails with HN_EUNSUP when the model has operators this build lacks.  Close in either case. */
hn_err hn_runner_open(hn_ctx *cx, const char *path, const hn_runner_opts *o, hn_runner *out);
void hn_runner_close(hn_runner *r);

/* in: one tensor per graph input, checked against what the model says.  Results lie in r->out until
 * the next run. */
hn_err hn_runner_run(hn_ctx *cx, hn_runner *r, const hn_tensor *in);

/* Makes the plan and session for these inputs without running. */
hn_err hn_runner_prepare(hn_ctx *cx, hn_runner *r, const hn_tensor *in);

#endif
