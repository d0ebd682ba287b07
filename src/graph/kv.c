/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/kv.h"

#include <stdatomic.h>
#include <string.h>

#include "base/num.h"

/* Tokens behind a window that stay all the same, so that a text can be taken back a little. */
#define BEHIND 256

_Static_assert(sizeof(atomic_uint) <= HN_KV_HEAD, "a page begins with its count of users");

/* ---- Pages ------------------------------------------------------------------------------------ */

static atomic_uint *users(char *page) { return (atomic_uint *)(void *)page; }

static char *new_page(hn_kv *kv, const hn_kv_group *g)
{
    char *page = hn_alloc_aligned(&kv->cx, g->page_size);
    if (page)
        atomic_init(users(page), 1);
    return page;
}

static void release(hn_kv *kv, char **page)
{
    if (*page && atomic_fetch_sub_explicit(users(*page), 1, memory_order_acq_rel) == 1)
        hn_free_aligned(&kv->cx, *page);
    *page = NULL;
}

static bool is_shared(char *page) { return page && atomic_load_explicit(users(page), memory_order_acquire) > 1; }

/* A page of our own with the same numbers in the place of a shared one. */
static bool make_own(hn_kv *kv, const hn_kv_group *g, char **page)
{
    char *copy = new_page(kv, g);
    if (!copy)
        return false;
    memcpy(copy + HN_KV_HEAD, *page + HN_KV_HEAD, g->page_size - HN_KV_HEAD);
    release(kv, page);
    *page = copy;
    return true;
}

/* ---- Life ------------------------------------------------------------------------------------- */

/* Which group each layer is in, and where. */
static void place_layers(hn_kv *kv, const uint32_t *window)
{
    for (size_t i = 0; i < kv->o.layers; i++) {
        bool slides = window && window[i] > 0;
        hn_kv_group *g = &kv->group[slides];
        kv->place[i] = (uint16_t)(2 * g->layers++ + slides);
        if (slides)
            g->keep = hn_max(g->keep, window[i]);
    }
}

hn_err hn_kv_new(hn_ctx *cx, const hn_kv_opts *o, hn_kv **out)
{
    size_t row = hn_q_bytes(o->type, o->width), pages = hn_ceil_div(o->tokens_max, HN_KV_PAGE) + 1;
    if (row == SIZE_MAX || o->head % hn_qtype_get(o->type)->block_count)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a %s cache for heads of %zu; use f16", hn_qtype_get(o->type)->name,
                       o->head ? o->head : o->width);
    if (o->layers > UINT16_MAX / 2)
        return hn_fail(cx, HN_ELIMIT, "a cache for %zu layers", o->layers);
    hn_kv *kv = hn_calloc(cx, 1, sizeof *kv);
    if (!kv)
        return hn_nomem(cx, "a key-value cache");
    kv->cx.env = cx->env;
    kv->o = *o;
    kv->o.window = NULL;
    kv->row_size = row;
    kv->state = hn_calloc(cx, o->state + 1, sizeof *kv->state);
    kv->place = hn_calloc(cx, o->layers + 1, sizeof *kv->place);
    bool ok = kv->state && kv->place;
    if (ok)
        place_layers(kv, o->window);
    for (int i = 0; i < HN_KV_GROUPS && ok; i++) {
        hn_kv_group *g = &kv->group[i];
        g->page_size = hn_add(HN_KV_HEAD, hn_mul(hn_mul(2 * HN_KV_PAGE, g->layers), row));
        g->page = hn_calloc(cx, pages, sizeof *g->page);
        ok = g->page && g->page_size != SIZE_MAX;
    }
    if (!ok) {
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
    hn_ctx cx = kv->cx;
    for (int i = 0; i < HN_KV_GROUPS; i++) {
        for (size_t p = 0; kv->group[i].page && p < kv->pages; p++)
            release(kv, &kv->group[i].page[p]);
        hn_free(&cx, kv->group[i].page);
    }
    hn_free(&cx, kv->state);
    hn_free(&cx, kv->place);
    hn_free(&cx, kv);
}

/* ---- Growing and shrinking -------------------------------------------------------------------- */

hn_err hn_kv_fits(hn_ctx *cx, const hn_kv *kv, size_t more)
{
    size_t want = hn_add(kv->count, more);
    if (want > kv->o.tokens_max)
        return hn_fail(cx, HN_ELIMIT, "the context holds %zu tokens; %zu are in it and %zu more do not fit, %zu too many",
                       kv->o.tokens_max, kv->count, more, want - kv->o.tokens_max);
    return HN_OK;
}

/* The first token that a group still needs when `count` are in it. */
static size_t needed_from(const hn_kv_group *g, size_t count)
{
    return g->keep && count > g->keep ? count - g->keep : 0;
}

/* Gives back what windows have left behind. */
static void slide(hn_kv *kv)
{
    hn_kv_group *g = &kv->group[HN_KV_WINDOW];
    size_t from = needed_from(g, kv->count > BEHIND ? kv->count - BEHIND : 0) / HN_KV_PAGE;
    for (; g->layers && g->first < from; g->first++)
        release(kv, &g->page[g->first]);
}

static hn_err reserve_group(hn_ctx *cx, hn_kv *kv, hn_kv_group *g, size_t want)
{
    size_t half = kv->count / HN_KV_PAGE;                  /* where the next token goes */
    for (size_t p = hn_max(g->first, half); g->layers && p * HN_KV_PAGE < want; p++) {
        if (!g->page[p])
            g->page[p] = new_page(kv, g);
        if (!g->page[p] || (is_shared(g->page[p]) && !make_own(kv, g, &g->page[p])))
            return hn_nomem(cx, "the key-value cache");
        kv->pages = hn_max(kv->pages, p + 1);
    }
    return HN_OK;
}

hn_err hn_kv_reserve(hn_ctx *cx, hn_kv *kv, size_t more)
{
    HN_TRY(hn_kv_fits(cx, kv, more));
    slide(kv);
    for (int i = 0; i < HN_KV_GROUPS; i++)
        HN_TRY(reserve_group(cx, kv, &kv->group[i], kv->count + more));
    return HN_OK;
}

static bool can_hold(const hn_kv *kv, size_t count)
{
    const hn_kv_group *g = &kv->group[HN_KV_WINDOW];
    return count <= kv->count && (!kv->o.state || count == kv->count) && g->first * HN_KV_PAGE <= needed_from(g, count);
}

size_t hn_kv_trim(hn_kv *kv, size_t count)
{
    if (count >= kv->count)
        return kv->count;
    if (!can_hold(kv, count)) {
        count = 0;
        kv->group[HN_KV_WINDOW].first = 0;
    }
    return kv->count = count;
}

/* ---- Sharing ---------------------------------------------------------------------------------- */

static void drop_pages(hn_kv *kv)
{
    for (int i = 0; i < HN_KV_GROUPS; i++) {
        for (size_t p = 0; p < kv->pages; p++)
            release(kv, &kv->group[i].page[p]);
        kv->group[i].first = 0;
    }
    kv->pages = kv->count = 0;
}

hn_err hn_kv_share(hn_ctx *cx, hn_kv *to, const hn_kv *from, size_t count)
{
    size_t pages = hn_ceil_div(count, HN_KV_PAGE);
    drop_pages(to);
    if (to->row_size != from->row_size || to->o.layers != from->o.layers || to->o.type != from->o.type ||
        to->o.state != from->o.state || memcmp(to->place, from->place, from->o.layers * sizeof *to->place) != 0)
        return hn_fail(cx, HN_EARG, "only streams on the same model can share what they have read");
    if (count > to->o.tokens_max || !can_hold(from, count))
        return hn_fail(cx, HN_EARG, "the first %zu tokens are not there to be shared: %zu were read, and windows or states have moved on",
                       count, from->count);
    for (int i = 0; i < HN_KV_GROUPS; i++) {
        hn_kv_group *g = &to->group[i];
        for (size_t p = 0; p < pages; p++) {
            char *page = g->layers ? from->group[i].page[p] : NULL;
            if (page)
                atomic_fetch_add_explicit(users(page), 1, memory_order_relaxed);
            g->page[p] = page;
        }
        g->first = from->group[i].first;
    }
    if (to->o.state)
        memcpy(to->state, from->state, to->o.state * sizeof *to->state);
    to->pages = pages;
    to->count = count;
    return HN_OK;
}

size_t hn_kv_bytes(const hn_kv *kv)
{
    size_t sum = kv->o.state * sizeof *kv->state;
    for (int i = 0; i < HN_KV_GROUPS; i++)
        for (size_t p = 0; p < kv->pages; p++) {
            char *page = kv->group[i].page[p];
            sum += page ? kv->group[i].page_size / atomic_load_explicit(users(page), memory_order_acquire) : 0;
        }
    return sum;
}

/* ---- Rows ------------------------------------------------------------------------------------- */

/* Row r of a turned page, a stretch of elements at a time. */
enum { STRETCH = 64 };

static void copy_column(char *to, size_t to_step, const char *from, size_t from_step, size_t n, size_t unit)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * to_step, from + i * from_step, unit);
}

void hn_kv_put(hn_kv *kv, size_t layer, int values, size_t token, const float *row)
{
    char *page = hn_kv_page(kv, layer, values, token / HN_KV_PAGE);
    size_t r = token % HN_KV_PAGE, unit = kv->row_size / kv->o.width;
    if (!hn_kv_turned(kv, values)) {
        hn_q_encode(kv->o.type, row, page + r * kv->row_size, kv->o.width);
        return;
    }
    for (size_t i = 0; i < kv->o.width; i += STRETCH) {
        size_t n = hn_min(STRETCH, kv->o.width - i);
        float some[STRETCH];
        hn_q_encode(kv->o.type, row + i, some, n);
        copy_column(page + (i * HN_KV_PAGE + r) * unit, HN_KV_PAGE * unit, (const char *)some, unit, n, unit);
    }
}

void hn_kv_get(const hn_kv *kv, size_t layer, int values, size_t token, float *row)
{
    const char *page = hn_kv_page(kv, layer, values, token / HN_KV_PAGE);
    size_t r = token % HN_KV_PAGE, unit = kv->row_size / kv->o.width;
    if (!hn_kv_turned(kv, values)) {
        hn_q_decode(kv->o.type, page + r * kv->row_size, row, kv->o.width);
        return;
    }
    for (size_t i = 0; i < kv->o.width; i += STRETCH) {
        size_t n = hn_min(STRETCH, kv->o.width - i);
        float some[STRETCH];
        copy_column((char *)some, unit, page + (i * HN_KV_PAGE + r) * unit, HN_KV_PAGE * unit, n, unit);
        hn_q_decode(kv->o.type, some, row + i, n);
    }
}

void hn_kv_save(const hn_kv *kv, size_t layer, int values, size_t page, size_t n, char *rows)
{
    const char *from = hn_kv_page(kv, layer, values, page);
    size_t unit = kv->row_size / kv->o.width;
    if (!hn_kv_turned(kv, values))
        memcpy(rows, from, n * kv->row_size);
    for (size_t r = 0; r < n && hn_kv_turned(kv, values); r++)
        copy_column(rows + r * kv->row_size, unit, from + r * unit, HN_KV_PAGE * unit, kv->o.width, unit);
}

void hn_kv_load(hn_kv *kv, size_t layer, int values, size_t page, size_t n, const char *rows)
{
    char *to = hn_kv_page(kv, layer, values, page);
    size_t unit = kv->row_size / kv->o.width;
    if (!hn_kv_turned(kv, values))
        memcpy(to, rows, n * kv->row_size);
    for (size_t r = 0; r < n && hn_kv_turned(kv, values); r++)
        copy_column(to + r * unit, HN_KV_PAGE * unit, rows + r * kv->row_size, unit, kv->o.width, unit);
}
