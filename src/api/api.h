/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind hone.h: private to the library and, for commands that look deeper, the program. */
#ifndef HN_API_API_H
#define HN_API_API_H

#include <pthread.h>

#include "formats/format.h"
#include "hone.h"
#include "llm/grammar.h"
#include "llm/lm.h"
#include "runtime/session.h"

struct hone_ctx {
    hn_env env;
    unsigned threads;
};

/* A plan some sessions share: the key is the shapes of all inputs. */
typedef struct hn_shared_plan {
    struct hn_shared_plan *next;
    hn_plan *plan;
    hn_shape *in_shape;
    unsigned threads;
    unsigned users;                     /* 0: idle, kept for when its shapes come again */
    size_t bytes;
    uint64_t left;                      /* when its last user went, in turns of the model */
} hn_shared_plan;

struct hone_model {
    hone_ctx *ctx;
    hn_source source;
    bool no_optimize;
    hn_tensor *fixed;                   /* NULL, or one per input: where it has data, that is its value */
    pthread_mutex_t lock;               /* guards plans, their counts, and fixed */
    hn_shared_plan *plans;
    size_t idle_max;                    /* bytes of idle plans */
    uint64_t turns;
};

struct hone_session {
    hone_model *model;
    hn_shared_plan *shared;
    hn_session *run;
    hn_shape *in_shape;                 /* what the caller wants; the plan follows at the next run */
    const void **in;                    /* bound buffers */
    size_t *in_bytes;
    void **out;
    size_t *out_bytes;
    unsigned threads;
    bool stale;                         /* shapes changed since the plan was made */
};

struct hone_lm {
    hone_ctx *ctx;
    hn_lm m;
    pthread_mutex_t lock;               /* guards vocab */
    hn_vocab *vocab;                    /* made with the first grammar, then read-only */
};

struct hone_adapter {
    hone_lm *lm;
    hn_lora l;
};

struct hone_grammar {
    hone_lm *lm;
    hn_grammar *g;
};

/* The status and message of an internal failure, in the caller's terms. */
hone_status hn_api_fail(hone_error *err, hn_err e, const hn_ctx *cx);

/* Concrete shapes for every graph input: sizes named in `dims`, 1 for other open dimensions. */
hn_err hn_api_shapes(hn_ctx *cx, const hn_graph *g, const hone_dim *dims, size_t dim_count, hn_shape *out);

#endif
