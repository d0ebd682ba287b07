/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights: aligned blocks that live and die with a plan, or with a model whose plans share them. */
#ifndef HN_RUNTIME_PACKS_H
#define HN_RUNTIME_PACKS_H

#include <pthread.h>

#include "base/ctx.h"

typedef struct hn_packs {
    void **block;
    size_t count, cap;
    size_t bytes;
    bool measure;            /* count, allocate nothing */
} hn_packs;

/* What the plans of one model share: each weight is packed once, by the plan that meets it first.  Safe to
 * use from many threads. */
typedef struct hn_shared_packs {
    hn_ctx cx;               /* allocator */
    pthread_mutex_t lock;
    struct hn_pack { const void *source; void *block; } *pack; size_t count, cap;
    void **chunk; size_t chunks, chunk_cap;      /* what blocks are cut from: large, so that pages can be */
    char *room; size_t left;                     /* of the newest chunk */
    size_t next;             /* where the next search begins */
    size_t bytes;
} hn_shared_packs;

hn_err hn_shared_packs_new(hn_ctx *cx, hn_shared_packs **out);
void hn_shared_packs_free(hn_shared_packs *s);      /* NULL is fine */

/* The block made from `source`: `fill` writes it when nobody has yet, holding a lock.  Not zeroed before; NULL when
 * out of memory. */
void *hn_shared_packs_get(hn_shared_packs *s, const void *source, size_t bytes,
                          void (*fill)(void *arg, void *to), void *arg);

void *hn_packs_get(hn_ctx *cx, hn_packs *p, size_t bytes);     /* zeroed; NULL also while measuring */
void hn_packs_fini(hn_ctx *cx, hn_packs *p);

#endif
