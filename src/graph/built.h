/* SPDX-License-Identifier: Apache-2.0 */
/* What compiling found out about a graph, kept so that the next time is quick: the graph after its passes, which
 * way each node is run, and the weights in their kernels' layout.  A plan file carries it; a plan is laid out from it
 * without passes, without choices and without packing. */
#ifndef HN_GRAPH_BUILT_H
#define HN_GRAPH_BUILT_H

#include <string.h>

#include "graph/graph.h"

/* Which way a node is run. */
typedef struct hn_choice {
    const char *impl;                /* the implementation's name; NULL: nobody chose, or no step of its own */
    uint32_t variant;                /* of its ways to cut the work; 0: its own idea */
    bool alone;                      /* on one thread, whatever the session has */
} hn_choice;

typedef struct hn_packed {
    const void *data;                /* aligned to 64 bytes */
    size_t bytes;
} hn_packed;

/* What an open dimension may be. */
typedef struct hn_range { const char *dim; int64_t min, max; } hn_range;

typedef struct hn_built {
    hn_graph *graph;                 /* after its passes; input shapes concrete */
    const char *isa;                 /* of the kernels the weights are packed for */
    const hn_choice *choice;         /* per node */
    const hn_packed *pack; size_t pack_count;    /* in the order in which a plan asks for them */
    const hn_range *range; size_t range_count;   /* the same for all of a file: outside of these nothing is planned */
} hn_built;

/* A plan file may have settled an input's value: is it given another one? */
static inline bool hn_input_moved(const hn_value *input, const void *given)
{
    return input->t.data && given && memcmp(input->t.data, given, hn_bytes(&input->t)) != 0;
}

#endif
