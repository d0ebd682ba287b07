/* SPDX-License-Identifier: Apache-2.0 */
/* A model's fast ways against its plain one. */
#ifndef HN_TEST_AGREE_H
#define HN_TEST_AGREE_H

#include "formats/format.h"
#include "runtime/session.h"

/* Runs the graph once through eval as the file says, and once through an optimised plan with these
 * kernels, on the same pseudo-random inputs (open dimensions: 1).  *worst is the largest difference
 * over all outputs, relative to the output's range; integers count steps instead. */
hn_err hn_test_agree(hn_ctx *cx, const char *path, const hn_kernels *k, double *worst);

/* The same for a graph, how->in_shape filled in.  Differences are relative to `least` where the output's
 * range is smaller.  What eval computes lies in `a`. */
hn_err hn_test_agree_graph(hn_ctx *cx, const hn_graph *g, const hn_plan_opts *how, hn_pool *pool, double least,
                           hn_arena *a, double *worst);

/* Pseudo-random tensors for every graph input, in `a`. */
hn_err hn_test_inputs(const hn_graph *g, hn_arena *a, uint32_t seed, hn_tensor **out);
/* INFINITY when type or shape differ. */
double hn_test_difference(const hn_tensor *a, const hn_tensor *b, double least);

/* Does eval meet finite numbers only, on hn_test_agree_graph's inputs?  0 times infinity and the largest
 * of NaNs depend on the order of work, so nothing is promised of what follows from them.  For graphs of
 * nodes with one output. */
bool hn_test_finite(hn_ctx *cx, const hn_graph *g, hn_arena *a);

#endif
