/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/packs.h"

#include <string.h>
#include <sys/mman.h>

#include "base/num.h"

void *hn_packs_get(hn_ctx *cx, hn_packs *p, size_t bytes)
{
    bytes = hn_round_up(bytes, 64);
    p->bytes = hn_add(p->bytes, bytes);
    if (p->measure || !hn_grow(cx, &p->block, p->count, &p->cap, sizeof *p->block))
        return NULL;
    void *b = hn_alloc_aligned(cx, bytes);
    if (b)
        p->block[p->count++] = memset(b, 0, bytes);
    return b;
}

/* What a plan file has is read where it lies; nobody writes there, whatever the pointer's type says. */
static void *from_file(hn_packs *p, size_t bytes)
{
    const hn_packed *have = p->kept_count < p->built->pack_count ? &p->built->pack[p->kept_count++] : NULL;
    p->strange = p->strange || !have || have->bytes != bytes;
    return p->strange ? NULL : (void *)(uintptr_t)have->data;
}

void *hn_packs_keep(hn_ctx *cx, hn_packs *p, size_t bytes, bool *made)
{
    *made = p->measure || p->built;
    bytes = hn_round_up(bytes, 64);
    if (p->built) {
        p->mapped = hn_add(p->mapped, bytes);
        return from_file(p, bytes);
    }
    void *b = hn_packs_get(cx, p, bytes);
    if (!b || !hn_grow(cx, &p->kept, p->kept_count, &p->kept_cap, sizeof *p->kept))
        return NULL;
    p->kept[p->kept_count++] = (hn_packed){ b, bytes };
    return b;
}

void hn_packs_fini(hn_ctx *cx, hn_packs *p)
{
    for (size_t i = 0; i < p->count; i++)
        hn_free_aligned(cx, p->block[i]);
    hn_free(cx, p->block);
    hn_free(cx, p->kept);
    *p = (hn_packs){ 0 };
}

hn_err hn_shared_packs_new(hn_ctx *cx, const hn_gguf *file, hn_shared_packs **out)
{
    hn_shared_packs *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "packed weights");
    s->cx.env = cx->env;
    s->file = file;
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return HN_OK;
}

void hn_shared_packs_free(hn_shared_packs *s)
{
    if (!s)
        return;
    hn_ctx cx = s->cx;
    for (size_t i = 0; i < s->chunks; i++)
        hn_free(&cx, s->chunk[i]);
    hn_free(&cx, s->chunk);
    hn_free(&cx, s->pack);
    pthread_mutex_destroy(&s->lock);
    hn_free(&cx, s);
}

bool hn_shared_packs_serve(const hn_shared_packs *s, const void *source) { return s && hn_gguf_holds(s->file, source); }

/* Weights are read from end to end for every token.  Large pages let the processor fetch ahead where small ones
 * end every 4 KiB. */
enum { LARGE_PAGE = 2 << 20, CHUNK = 64 << 20 };

static void *cut(hn_shared_packs *s, size_t bytes)
{
    bytes = hn_round_up(bytes, 64);
    if (bytes > s->left) {
        size_t size = hn_max(bytes, CHUNK);
        char *c = hn_grow(&s->cx, &s->chunk, s->chunks, &s->chunk_cap, sizeof *s->chunk) ? hn_alloc(&s->cx, hn_add(size, LARGE_PAGE)) : NULL;
        if (!c)
            return NULL;
        s->chunk[s->chunks++] = c;
        s->room = c + (LARGE_PAGE - (uintptr_t)c % LARGE_PAGE);
        s->left = size;
#ifdef MADV_HUGEPAGE
        madvise(s->room, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);       /* a wish: smaller pages are right, too */
#endif
    }
    void *b = s->room;
    s->room += bytes;
    s->left -= bytes;
    return b;
}

/* Plans meet weights in the same order each time, so the search begins where the last one ended. */
static void *find(hn_shared_packs *s, const void *source)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t at = (s->next + i) % s->count;
        if (s->pack[at].source == source) {
            s->next = at + 1;
            return s->pack[at].block;
        }
    }
    return NULL;
}

void *hn_shared_packs_get(hn_shared_packs *s, const void *source, size_t bytes,
                          void (*fill)(void *arg, void *to), void *arg)
{
    pthread_mutex_lock(&s->lock);
    void *b = find(s, source);
    if (!b && hn_grow(&s->cx, &s->pack, s->count, &s->cap, sizeof *s->pack) &&
        (b = cut(s, bytes)) != NULL) {
        fill(arg, b);
        s->pack[s->count++] = (struct hn_pack){ source, b };
        s->bytes += bytes;
    }
    pthread_mutex_unlock(&s->lock);
    return b;
}
