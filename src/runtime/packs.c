/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/packs.h"

#include <string.h>

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

void hn_packs_fini(hn_ctx *cx, hn_packs *p)
{
    for (size_t i = 0; i < p->count; i++)
        hn_free_aligned(cx, p->block[i]);
    hn_free(cx, p->block);
    *p = (hn_packs){ 0 };
}
