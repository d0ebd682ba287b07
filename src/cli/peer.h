/* SPDX-License-Identifier: Apache-2.0 */
/* Peers: other engines, driven through the public C interface of a shared library the user names.
 *
 * A peer is one file and a line in peers.def.  Nothing of it is linked or shipped: the few
 * declarations a peer needs are its own. */
#ifndef HN_CLI_PEER_H
#define HN_CLI_PEER_H

#include "graph/graph.h"
#include "tensor/tensor.h"

typedef struct hn_peer_job {
    const char *lib, *model;            /* paths */
    const hn_graph *graph;              /* the model as Hone read it: names, order of inputs and outputs */
    const hn_tensor *in;                /* one per graph input; stays where it is while the peer is open */
    unsigned threads;
} hn_peer_job;

typedef struct hn_peer {
    const char *name, *what;            /* "ort", "ONNX Runtime" */
    /* *out is NULL or to be closed, also after an error. */
    hn_err (*open)(hn_ctx *cx, const hn_peer_job *job, void **out);
    hn_err (*run)(hn_ctx *cx, void *peer);
    /* Output i of the last run: its floats, NULL when it is of another type.  Valid until the next run. */
    hn_err (*result)(hn_ctx *cx, void *peer, size_t i, const float **values, size_t *count);
    const char *(*version)(const void *peer);
    void (*close)(hn_ctx *cx, void *peer);
} hn_peer;

extern const hn_peer *const hn_peers[];              /* ends with NULL */

/* A function of the library, or an error that says what was expected there. */
hn_err hn_peer_symbol(hn_ctx *cx, void *lib, const char *path, const char *name, void **out);
hn_err hn_peer_load(hn_ctx *cx, const char *path, void **lib);

#endif
