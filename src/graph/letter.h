/* SPDX-License-Identifier: Apache-2.0 */
/* Letters of text operators, without a library: the run-only build has none.  Case is told for the
 * alphabets that have it in regular ranges: Latin, Greek, Cyrillic and Armenian. */
#ifndef HN_GRAPH_LETTER_H
#define HN_GRAPH_LETTER_H

#include "tensor/tensor.h"

/* The code point at *at, which moves past it; a byte that begins none is its own code point. */
uint32_t hn_letter_next(hn_text t, size_t *at);

uint32_t hn_lower(uint32_t c);
uint32_t hn_upper(uint32_t c);

#endif
