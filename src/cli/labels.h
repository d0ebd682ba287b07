/* SPDX-License-Identifier: Apache-2.0 */
/* Names of classes: one per line of a file, or of the model's own metadata. */
#ifndef HN_CLI_LABELS_H
#define HN_CLI_LABELS_H

#include "base/arena.h"
#include "graph/graph.h"

typedef struct hn_labels {
    const char **name;
    size_t count;
    const char *source;      /* file name or "the model" */
} hn_labels;

/* path NULL: from the model's metadata "labels"; count 0 when there is none. */
hn_err hn_labels_read(hn_ctx *cx, const char *path, const hn_graph *g, hn_arena *a, hn_labels *out);

/* The k highest of n scores, best first, in index[k]; k is at most n. */
void hn_top(const double *score, size_t n, size_t k, size_t *index);

#endif
