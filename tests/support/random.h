/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to a small graph: convolutions, pooling, element by element, shapes.  The same bytes give the
 * same graph, so that tests draw them from a generator and a fuzzer from its corpus. */
#ifndef HN_TEST_RANDOM_H
#define HN_TEST_RANDOM_H

#include "graph/graph.h"

/* Nodes whose attributes or shapes do not fit are refused by inference and left out; so every graph
 * that comes back verifies, infers and has at least one node and one output. */
hn_err hn_test_random_graph(hn_ctx *cx, const uint8_t *bytes, size_t len, hn_graph **out);

/* The same of bytes that stand for real numbers: the "hone" domain's integer operators, and what
 * moves elements. */
hn_err hn_test_random_integers(hn_ctx *cx, const uint8_t *bytes, size_t len, hn_graph **out);

#endif
