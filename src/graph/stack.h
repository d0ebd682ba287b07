/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of tensors while an operator runs: gathered, then put together. */
#ifndef HN_GRAPH_STACK_H
#define HN_GRAPH_STACK_H

#include "graph/op.h"

/* Copies t to the end of the list, growing it in the call's scratch. */
hn_err hn_list_add(hn_call *c, hn_list *list, size_t *cap, const hn_tensor *t);

/* out = the items along a new axis (all of one shape) or along one they have; in c->text.  axis counts
 * in the result and may be negative. */
hn_err hn_list_stack(hn_call *c, const hn_list *list, int64_t axis, bool reversed, hn_tensor *out);
hn_err hn_list_concat(hn_call *c, const hn_list *list, int64_t axis, hn_tensor *out);

/* Allocates out->data in c->text for the type and shape set already. */
hn_err hn_make_tensor(hn_call *c, hn_tensor *out);

/* `size` places from `first` on along an axis of t; in c->text. */
hn_err hn_cut(hn_call *c, const hn_tensor *t, int axis, size_t first, size_t size, hn_tensor *out);

/* Part i of n along an axis of t, that axis taken away; in `memory`. */
hn_err hn_take(hn_call *c, const hn_tensor *t, int axis, size_t i, hn_arena *memory, hn_tensor *out);

#endif
