/* SPDX-License-Identifier: Apache-2.0 */
/* Session: one stream of inference on a plan.  One block of memory, allocated once. */
#ifndef HN_RUNTIME_SESSION_H
#define HN_RUNTIME_SESSION_H

#include "graph/kv.h"
#include "runtime/plan.h"

typedef struct hn_session hn_session;

/* Called after each step when set: for profiles and traces. */
typedef void hn_step_hook(void *user, size_t step, uint64_t begin_ns, uint64_t end_ns);

hn_err hn_session_new(hn_ctx *cx, const hn_plan *plan, hn_pool *pool, hn_session **out);
void hn_session_free(hn_session *s);            /* NULL is fine */

void hn_session_bind_input(hn_session *s, size_t i, const void *data);   /* borrowed */
void hn_session_bind_output(hn_session *s, size_t i, void *data);        /* NULL: in the session */
void hn_session_bind_kv(hn_session *s, hn_kv *kv);                       /* borrowed */
/* Rows that belong to different texts: a cache for each row until NULL is bound.  Only attention knows of them. */
void hn_session_bind_each(hn_session *s, hn_kv *const *each);
void hn_session_hook(hn_session *s, hn_step_hook *hook, void *user);

/* After the first run: allocates nothing, unless the plan has dynamic steps that grow. */
hn_err hn_session_run(hn_ctx *cx, hn_session *s);

/* Afterwards every page of its block is there, also of workers that found no piece to do yet: for those who measure. */
void hn_session_touch(hn_session *s);

/* Output i with its actual shape, plain layout; valid until the next run. */
const hn_tensor *hn_session_output(const hn_session *s, size_t i);
const hn_plan *hn_session_plan(const hn_session *s);

/* Any step's output o as it lies in memory, for comparing against eval: valid only right after that
 * step ran (inside a hook), since memory is reused. */
const hn_tensor *hn_session_step_output(const hn_session *s, size_t step, int o, hn_layout *layout);

#endif
