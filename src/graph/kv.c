/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/kv.h"

#include <string.h>

#include "base/num.h"

hn_err hn_kv_new(hn_ctx *cx, const hn_kv_opts *o, hn_kv **out)
{
    size_t row = hn_q_bytes(o->type, o->width);
    if (row == SIZE_MAX || o->head % hn_qtype_get(o->type)->block_count)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a %s cache for heads of %zu; use f16", hn_qtype_get(o->type)->name,
                       o->head ? o->head : o->width);
    hn_kv *kv = hn_calloc(cx, 1, sizeof *kv);
    if (!kv)
        return hn_nomem(cx, "a key-value cache");
    kv->cx.env = cx->env;
    kv->o = *o;
    kv->row_size = row;
    kv->page_size = hn_mul(hn_mul(2 * HN_KV_PAGE, o->layers), row);
    kv->page = hn_calloc(cx, hn_ceil_div(o->tokens_max, HN_KV_PAGE) + 1, sizeof *kv->page);
    kv->state = hn_calloc(cx, o->state + 1, sizeof *kv->state);
    if (!kv->page || !kv->state || kv->page_size == SIZE_MAX) {
        hn_kv_free(kv);
        return hn_nomem(cx, "a key-value cache");
    }
    *out = kv;
    return HN_OK;
}

void hn_kv_free(hn_kv *kv)
{
    if (!kv)
        return;
    for (size_t i = 0; kv->page && i < kv->pages; i++)
        hn_free_aligned(&kv->cx, kv->page[i]);
    hn_ctx cx = kv->cx;
    hn_free(&cx, kv->page);
    hn_free(&cx, kv->state);
    hn_free(&cx, kv);
}

hn_err hn_kv_reserve(hn_ctx *cx, hn_kv *kv, size_t more)
{
    size_t want = hn_add(kv->count, more);
    if (want > kv->o.tokens_max)
        return hn_fail(cx, HN_ELIMIT, "the context holds %zu tokens; %zu are in it and %zu more do not fit, %zu too many",
                       kv->o.tokens_max, kv->count, more, want - kv->o.tokens_max);
    while (kv->pages * HN_KV_PAGE < want) {
        char *page = hn_alloc_aligned(&kv->cx, kv->page_size);
        if (!page)
            return hn_nomem(cx, "the key-value cache");
        kv->page[kv->pages++] = page;
    }
    return HN_OK;
}

void hn_kv_trim(hn_kv *kv, size_t count)
{
    if (count < kv->count)
        kv->count = count;
}

size_t hn_kv_bytes(const hn_kv *kv) { return kv->pages * kv->page_size + kv->o.state * sizeof *kv->state; }

void hn_kv_put(hn_kv *kv, size_t layer, int values, size_t token, const float *row)
{
    char *to = hn_kv_rows(kv, layer, values, token / HN_KV_PAGE) + token % HN_KV_PAGE * kv->row_size;
    hn_q_encode(kv->o.type, row, to, kv->o.width);
}
