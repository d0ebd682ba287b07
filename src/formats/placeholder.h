/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in a graph for an operator that is not there: its infer fails and says why, so that the
 * rest of the model can still be looked at. */
#ifndef HN_FORMATS_PLACEHOLDER_H
#define HN_FORMATS_PLACEHOLDER_H

#include "formats/format.h"

typedef struct hn_placeholders {
    hn_source *src;
    hn_unsup **end;                  /* where the next one is noted; NULL before the first */
} hn_placeholders;

typedef struct hn_placeholder {
    const char *op, *domain;         /* domain "" for ONNX's own; every text is copied */
    const char *name, *why;
    hn_value *const *in; int in_count;
    hn_value *const *out; int out_count;
    const hn_attr *attr; int attr_count;
} hn_placeholder;

/* Adds the node to g and notes it in the source. */
hn_err hn_placeholder_add(hn_ctx *cx, hn_placeholders *p, hn_graph *g, const hn_placeholder *what);

#endif
