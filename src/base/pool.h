/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread pool of the process.
 *
 * Work is a count of pieces.  Each thread has a stretch of them as its share and
 * claims them one by one, then those that others have not begun: a thread that
 * the machine takes away delays one piece and not half the job.  The caller takes
 * part.  Who waits spins for a few microseconds, then sleeps: an idle pool costs
 * nothing. */
#ifndef HN_BASE_POOL_H
#define HN_BASE_POOL_H

#include "base/ctx.h"

/* threads: in all, the caller's own included; 0 for as many as this process may use
 * (affinity mask and cgroup quota respected). */
hn_err hn_pool_new(hn_ctx *cx, unsigned threads, hn_pool **out);
void hn_pool_free(hn_pool *p);                   /* NULL is fine */
unsigned hn_pool_threads(const hn_pool *p);      /* 1 for NULL */

/* Calls work(arg, piece, worker) for every piece in [0, pieces), in any order, and returns when all
 * are done.  At most `threads` threads take part (0: all); worker is below that number and below
 * hn_pool_threads(p), and names the thread's scratch.
 * p NULL, or a pool busy with another caller's work: all pieces on this thread, as worker 0.
 * Results must not depend on which worker ran a piece. */
void hn_pool_run(hn_pool *p, unsigned threads, size_t pieces,
                 void (*work)(void *arg, size_t piece, unsigned worker), void *arg);

/* Threads this process may use, at least 1. */
unsigned hn_cpu_count(void);

#endif
