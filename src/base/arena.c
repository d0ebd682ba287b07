/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"

/* Blocks double from 4 KiB to 1 MiB: small arenas stay small, big ones make few calls. */
#define BLOCK_MIN ((size_t)4096)
#define BLOCK_MAX ((size_t)1 << 20)

typedef struct block {
    struct block *next;
    size_t size, used;      /* of the bytes that follow */
} block;

struct hn_arena {
    hn_ctx cx;              /* a copy: the arena may outlive the call that made it */
    block *first, *now;     /* blocks after `now` are empty, left by a reset */
    size_t limit, used, next_size;
    bool over;              /* the limit was met */
};

hn_err hn_arena_new(hn_ctx *cx, size_t limit, hn_arena **out)
{
    hn_arena *a = hn_calloc(cx, 1, sizeof *a);
    if (!a)
        return hn_nomem(cx, "an arena");
    a->cx.env = cx ? cx->env : NULL;
    a->limit = limit ? limit : SIZE_MAX;
    a->next_size = BLOCK_MIN;
    *out = a;
    return HN_OK;
}

void hn_arena_free(hn_arena *a)
{
    if (!a)
        return;
    for (block *b = a->first, *next; b; b = next) {
        next = b->next;
        hn_free(&a->cx, b);
    }
    hn_ctx cx = a->cx;
    hn_free(&cx, a);
}

void hn_arena_reset(hn_arena *a)
{
    for (block *b = a->first; b; b = b->next)
        b->used = 0;
    a->now = a->first;
    a->used = 0;
}

static void *take(block *b, size_t bytes, size_t align)
{
    uintptr_t base = (uintptr_t)(b + 1);
    uintptr_t at = (base + b->used + align - 1) & ~(uintptr_t)(align - 1);
    if (at - base > b->size || b->size - (at - base) < bytes)
        return NULL;
    b->used = at - base + bytes;
    return memset((void *)at, 0, bytes);
}

void *hn_arena_get(hn_arena *a, size_t bytes, size_t align)
{
    if (bytes > a->limit - a->used) {
        a->over = true;
        return NULL;
    }
    for (block *b = a->now; b; b = b->next) {
        void *p = take(b, bytes, align);
        if (p) {
            a->now = b;
            a->used += bytes;
            return p;
        }
    }
    size_t size = hn_max(a->next_size, hn_add(bytes, align));
    block *b = size < SIZE_MAX - sizeof *b ? hn_alloc(&a->cx, sizeof *b + size) : NULL;
    if (!b)
        return NULL;
    a->next_size = hn_min(a->next_size * 2, BLOCK_MAX);
    *b = (block){ .size = size };
    if (a->now) {
        b->next = a->now->next;
        a->now->next = b;
    } else {
        a->first = b;
    }
    a->now = b;
    a->used += bytes;
    return take(b, bytes, align);
}

void *hn_arena_get_n(hn_arena *a, size_t count, size_t size, size_t align)
{
    return hn_arena_get(a, hn_mul(count, size), align);
}

char *hn_arena_text(hn_arena *a, const char *text, size_t len)
{
    char *p = hn_arena_get(a, hn_add(len, 1), 1);
    if (p && len)
        memcpy(p, text, len);
    return p;
}

char *hn_arena_printf(hn_arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *p = len < 0 ? NULL : hn_arena_get(a, (size_t)len + 1, 1);
    if (p)
        vsnprintf(p, (size_t)len + 1, format, again);
    va_end(again);
    va_end(args);
    return p;
}

size_t hn_arena_used(const hn_arena *a) { return a->used; }

bool hn_arena_over(const hn_arena *a) { return a->over; }

size_t hn_arena_held(const hn_arena *a)
{
    size_t sum = sizeof *a;
    for (const block *b = a->first; b; b = b->next)
        sum = hn_add(sum, sizeof *b + b->size);
    return sum;
}
