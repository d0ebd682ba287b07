/* SPDX-License-Identifier: Apache-2.0 */
/* What classical models do with their scores at the end (post_transform of ai.onnx.ml). */
#ifndef HN_GRAPH_POST_H
#define HN_GRAPH_POST_H

#include "graph/op.h"

typedef enum hn_post { HN_POST_NONE, HN_POST_SOFTMAX, HN_POST_LOGISTIC, HN_POST_SOFTMAX_ZERO, HN_POST_PROBIT } hn_post;

hn_err hn_post_read(const hn_call *c, hn_post *out);     /* from the attribute, a word or (TreeEnsemble) a number */
void hn_post_apply(hn_post p, double *v, size_t n);      /* one row */

/* A model of two classes that makes one score: both, from that of the second.  With `probability` the score
 * is one between 0 and 1.  Returns the winner. */
size_t hn_post_pair(hn_post p, bool probability, double score, double out[2]);

/* Labels of classes: classlabels_strings or _ints (classlabels_int64s), or just their numbers. */
typedef struct hn_classes { const hn_text *text; const int64_t *number; size_t count; } hn_classes;
hn_classes hn_classes_read(const hn_call *c);
void hn_classes_put(const hn_classes *k, hn_tensor *t, size_t i, size_t class);

#endif
