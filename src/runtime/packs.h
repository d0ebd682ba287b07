/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights: aligned blocks that live and die with a plan, or with a model whose plans share them. */
#ifndef HN_RUNTIME_PACKS_H
#define HN_RUNTIME_PACKS_H

#include <pthread.h>

#include "formats/gguf.h"
#include "graph/built.h"

typedef struct hn_packs {
    void **block;
    size_t count, cap;
    size_t bytes;
    bool measure;            /* count, allocate nothing */

    hn_packed *kept; size_t kept_count, kept_cap;    /* those a plan file keeps, in the order in which they were made */
    const hn_built *built;   /* where they come from instead, or NULL */
    size_t mapped;           /* bytes that did */
    bool strange;            /* the plan file has others than were asked for */
} hn_packs;

/* What the plans of one model share: each weight is packed once, by the plan that meets it first.  Safe to
 * use from many threads. */
typedef struct hn_shared_packs {
    hn_ctx cx;               /* allocator */
    const hn_gguf *file;
    pthread_mutex_t lock;
    struct hn_pack { const void *source; void *block; } *pack; size_t count, cap;
    void **chunk; size_t chunks, chunk_cap;      /* what blocks are cut from: large, so that pages can be */
    char *room; size_t left;                     /* of the newest chunk */
    size_t next;             /* where the next search begins */
    size_t bytes;
} hn_shared_packs;

/* For weights of `file`, which outlives them.  An adapter's come and go, and the next one's may lie where they lay: its
 * plans pack those themselves. */
hn_err hn_shared_packs_new(hn_ctx *cx, const hn_gguf *file, hn_shared_packs **out);
void hn_shared_packs_free(hn_shared_packs *s);      /* NULL is fine */
bool hn_shared_packs_serve(const hn_shared_packs *s, const void *source);       /* s: may be NULL */

/* The block made from `source`: `fill` writes it when nobody has yet, holding a lock.  Not zeroed before; NULL when
 * out of memory. */
void *hn_shared_packs_get(hn_shared_packs *s, const void *source, size_t bytes,
                          void (*fill)(void *arg, void *to), void *arg);

void *hn_packs_get(hn_ctx *cx, hn_packs *p, size_t bytes);     /* zeroed; NULL also while measuring */
/* One that a plan file keeps.  *made: it came from one, or is only counted. */
void *hn_packs_keep(hn_ctx *cx, hn_packs *p, size_t bytes, bool *made);
void hn_packs_fini(hn_ctx *cx, hn_packs *p);

#endif
