/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that dies together.
 *
 * An arena hands out bytes and takes nothing back until it is reset or freed.
 * Pick the arena whose life matches the object's:
 *
 *     model    from load to unload; read-only once the loader returns
 *     session  one stream of inference
 *     scratch  one operator call on one thread
 *
 * Not safe for two threads at once. */
#ifndef HN_BASE_ARENA_H
#define HN_BASE_ARENA_H

#include "base/ctx.h"

typedef struct hn_arena hn_arena;

/* limit: most bytes it may hand out, 0 for none. */
hn_err hn_arena_new(hn_ctx *cx, size_t limit, hn_arena **out);
void hn_arena_free(hn_arena *a);                              /* NULL is fine */
void hn_arena_reset(hn_arena *a);                             /* keeps its blocks for reuse */

/* Zeroed bytes, aligned to `align` (a power of two, at most 64).  NULL past the limit or out of memory. */
void *hn_arena_get(hn_arena *a, size_t bytes, size_t align);
void *hn_arena_get_n(hn_arena *a, size_t count, size_t size, size_t align);
char *hn_arena_text(hn_arena *a, const char *text, size_t len);   /* copy, zero-terminated */
char *hn_arena_printf(hn_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t hn_arena_used(const hn_arena *a);                      /* bytes handed out since the last reset */
bool hn_arena_over(const hn_arena *a);                        /* did it ever refuse because of its limit? */
size_t hn_arena_held(const hn_arena *a);                      /* bytes taken from the allocator for them */

#define HN_NEW(arena, type, count) \
    ((type *)hn_arena_get_n((arena), (count), sizeof(type), _Alignof(type)))

#endif
