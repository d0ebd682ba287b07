/* SPDX-License-Identifier: Apache-2.0 */
/* Passes: rewrites that keep what a graph computes.
 *
 * Each is one file in passes/ and one line in passes.def, and must leave hn_graph_verify true.
 * A pass that only disconnects nodes may leave them: `dead` removes what nothing uses. */
#ifndef HN_GRAPH_PASS_H
#define HN_GRAPH_PASS_H

#include "graph/graph.h"

typedef struct hn_pass {
    const char *name;
    const char *why;                /* one line for people */
    hn_err (*run)(hn_ctx *cx, hn_graph *g, size_t *changes);
} hn_pass;

extern const hn_pass *const hn_passes[];          /* in order; ends with NULL */

/* Told of every pass that changed something, and what it left; NULL: nobody. */
typedef struct hn_pass_watch {
    void (*changed)(void *arg, const hn_pass *pass, const hn_graph *g);
    void *arg;
} hn_pass_watch;

/* Infers shapes, runs every pass in order until nothing changes, verifies. */
hn_err hn_graph_optimize(hn_ctx *cx, hn_graph *g);
hn_err hn_graph_optimize_watched(hn_ctx *cx, hn_graph *g, const hn_pass_watch *watch);

/* A private copy: own lists and nodes, attributes and constant data borrowed from `g`. */
hn_err hn_graph_clone(hn_ctx *cx, const hn_graph *g, hn_graph **out);

/* For passes: `v` is about to vanish in favour of `by`, of the same type and shape.  Keeps the
 * names of graph outputs: where v is one, `by`'s maker makes v instead.  Returns false, changing
 * nothing, when that cannot be (by is an input, a constant or an output itself). */
bool hn_graph_bypass(hn_graph *g, hn_value *v, hn_value *by);

#endif
