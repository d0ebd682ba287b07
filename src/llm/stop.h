/* SPDX-License-Identifier: Apache-2.0 */
/* Stop strings in a stream: found across the borders of tokens, with no more text held back than what
 * may still become one. */
#ifndef HN_LLM_STOP_H
#define HN_LLM_STOP_H

#include "base/buf.h"
#include "tensor/tensor.h"

typedef struct hn_stop hn_stop;

/* Copies the strings; an empty one is refused. */
hn_err hn_stop_new(hn_ctx *cx, const hn_text *strings, size_t count, hn_stop **out);
void hn_stop_free(hn_stop *s);                     /* NULL is fine */

/* Appends to `out` what can be shown now.  *which: index of the stop string that is complete, -1 for
 * none; of several the one that begins first, then the longest.  It and what follows it are dropped, and
 * the stream has ended. */
hn_err hn_stop_add(hn_ctx *cx, hn_stop *s, hn_text text, hn_buf *out, int *which);

/* The text has ended without one: appends what was held, ready for the next stream. */
void hn_stop_end(hn_stop *s, hn_buf *out);

#endif
