/* SPDX-License-Identifier: Apache-2.0 */
/* stream_file.c: what a stream has read, shared with another, and in files.
 *
 *     header    magic, what the numbers are of, counts, a checksum of all that follows
 *     ids       i32 each
 *     state     f32 each, of layers that remember otherwise
 *     rows      page after page, group after group: for each layer keys, then values, of the page's tokens
 *
 * Little-endian, as the machines it is for are.  Pages a window has left behind are not there. */
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "llm/lm_impl.h"

typedef struct head {
    char magic[8];
    uint32_t version, type, layers, width, page, first[HN_KV_GROUPS];
    uint32_t reserved;
    uint64_t tokens, state, model, sum;
} head;

_Static_assert(sizeof(head) == 72, "the header has no holes");

static const char magic[8] = "HONE-KV";

enum { VERSION = 1 };

/* ---- Numbers that stand for much ------------------------------------------------------------------- */

/* Words at a time; for damage and mistaken files, not against forgers. */
static uint64_t add_sum(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;
    for (; len > 0;) {
        uint64_t word = 0;
        size_t n = hn_min(len, sizeof word);
        memcpy(&word, p, n);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
        p += n;
        len -= n;
    }
    return h;
}

#define SAMPLE 64                /* bytes at each end of a value or tensor */

static uint64_t add_ends(uint64_t h, const void *data, size_t len)
{
    size_t n = hn_min(len, SAMPLE);
    h = add_sum(h, &(uint64_t){ len }, sizeof(uint64_t));
    h = add_sum(h, data, n);
    return add_sum(h, (const char *)data + len - n, n);
}

static uint64_t add_file(uint64_t h, const hn_gguf *g)
{
    for (size_t i = 0; i < g->tensor_count; i++) {
        const hn_gguf_tensor *t = &g->tensors[i];
        h = add_ends(h, t->name, strlen(t->name));
        h = add_sum(h, &(uint64_t){ (uint64_t)t->type + (t->panels ? 256 : 0) }, sizeof(uint64_t));
        h = add_ends(h, t->data, t->size);
    }
    for (size_t i = 0; i < g->value_count; i++) {
        h = add_ends(h, g->values[i].key, strlen(g->values[i].key));
        if (g->values[i].kind != HN_GGUF_TEXT && g->values[i].kind != HN_GGUF_ARRAY)
            h = add_sum(h, g->values[i].data, 1);
    }
    return h;
}

/* Which weights: from samples of every tensor, so that opening a large file does not read all of it. */
static uint64_t model_sum(const hn_stream *s)
{
    uint64_t h = add_file(1, s->m->file);
    for (size_t i = 0; i < s->lora_count; i++) {
        h = add_file(h, s->lora[i].lora->file);
        h = add_sum(h, &s->lora[i].scale, sizeof s->lora[i].scale);
    }
    return h;
}

/* ---- Walking over the rows --------------------------------------------------------------------------- */

/* Rows of one page, which go through `rows`, [HN_KV_PAGE, row_size]. */
typedef struct walk {
    hn_kv *kv;
    size_t layer, page, n;
    int values;
    char *rows;
} walk;

typedef hn_err on_rows(void *user, const walk *w);

static hn_err each_rows(hn_ctx *cx, hn_kv *kv, size_t tokens, const uint32_t *first, on_rows *each, void *user)
{
    walk w = { .kv = kv, .rows = hn_alloc(cx, hn_mul(HN_KV_PAGE, kv->row_size)) };
    hn_err e = w.rows ? HN_OK : hn_nomem(cx, "a page of rows");
    for (; w.page * HN_KV_PAGE < tokens; w.page++) {
        w.n = hn_min(HN_KV_PAGE, tokens - w.page * HN_KV_PAGE);
        for (w.layer = 0; w.layer < kv->o.layers; w.layer++)
            for (w.values = 0; w.values < 2 && w.page >= first[kv->place[w.layer] & 1] && !e; w.values++)
                e = each(user, &w);
    }
    hn_free(cx, w.rows);
    return e;
}

static head head_of(const hn_stream *s)
{
    const hn_kv *kv = s->kv;
    head h = { .version = VERSION, .type = (uint32_t)kv->o.type, .layers = (uint32_t)kv->o.layers,
               .width = (uint32_t)kv->o.width,
               .page = HN_KV_PAGE, .tokens = kv->count, .state = kv->o.state, .model = model_sum(s) };
    memcpy(h.magic, magic, sizeof h.magic);
    for (int i = 0; i < HN_KV_GROUPS; i++)
        h.first[i] = (uint32_t)kv->group[i].first;
    return h;
}

/* ---- Saving ------------------------------------------------------------------------------------------ */

typedef struct writer { hn_ctx *cx; hn_file_out file; uint64_t sum; } writer;

static hn_err sum_rows(void *user, const walk *at)
{
    writer *w = user;
    hn_kv_save(at->kv, at->layer, at->values, at->page, at->n, at->rows);
    w->sum = add_sum(w->sum, at->rows, at->n * at->kv->row_size);
    return HN_OK;
}

static hn_err write_rows(void *user, const walk *at)
{
    writer *w = user;
    hn_kv_save(at->kv, at->layer, at->values, at->page, at->n, at->rows);
    return hn_file_out_add(w->cx, &w->file, at->rows, at->n * at->kv->row_size);
}

static hn_err write_all(writer *w, const hn_stream *s, const head *h)
{
    HN_TRY(hn_file_out_add(w->cx, &w->file, h, sizeof *h));
    HN_TRY(hn_file_out_add(w->cx, &w->file, s->held, s->kv->count * sizeof *s->held));
    HN_TRY(hn_file_out_add(w->cx, &w->file, s->kv->state, s->kv->o.state * sizeof *s->kv->state));
    return each_rows(w->cx, s->kv, s->kv->count, h->first, write_rows, w);
}

hn_err hn_stream_save(hn_ctx *cx, const hn_stream *s, const char *path)
{
    writer w = { .cx = cx };
    head h = head_of(s);
    w.sum = add_sum(add_sum(1, s->held, s->kv->count * sizeof *s->held), s->kv->state,
                    s->kv->o.state * sizeof *s->kv->state);
    HN_TRY(each_rows(cx, s->kv, s->kv->count, h.first, sum_rows, &w));
    h.sum = w.sum;
    HN_TRY(hn_file_out_open(cx, path, &w.file));
    hn_err e = write_all(&w, s, &h);
    if (e) {
        hn_file_out_drop(&w.file);
        return e;
    }
    return hn_file_out_finish(cx, &w.file);
}

/* ---- Loading ----------------------------------------------------------------------------------------- */

static hn_err check_head(hn_ctx *cx, const hn_stream *s, const head *h)
{
    const hn_kv *kv = s->kv;
    const hn_kv_group *g = &kv->group[HN_KV_WINDOW];
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        return hn_fail(cx, HN_EFORMAT, "not a saved conversation: it does not start with '%s'", magic);
    if (h->version != VERSION)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a saved conversation of version %u, this program writes %d",
                       h->version, VERSION);
    if (h->model != model_sum(s) || h->layers != kv->o.layers || h->width != kv->o.width || h->state != kv->o.state)
        return hn_fail(cx, HN_EFORMAT, "the conversation was saved with another model or other adapters");
    if (h->type != (uint32_t)kv->o.type || h->page != HN_KV_PAGE)
        return hn_fail(cx, HN_EFORMAT, "the conversation was saved with another type of cache; this one is %s",
                       hn_qtype_get(kv->o.type)->name);
    if (h->tokens > kv->o.tokens_max)
        return hn_fail(cx, HN_ELIMIT, "the conversation has %llu tokens, the context holds %zu, %llu too many",
                       (unsigned long long)h->tokens, kv->o.tokens_max,
                       (unsigned long long)(h->tokens - kv->o.tokens_max));
    size_t tokens = (size_t)h->tokens, needed = g->keep && tokens > g->keep ? tokens - g->keep : 0;
    if (h->first[HN_KV_ALL] != 0 || h->first[HN_KV_WINDOW] > needed / HN_KV_PAGE)
        return hn_fail(cx, HN_EFORMAT, "the saved conversation lacks tokens its windows need");
    return HN_OK;
}

static size_t rows_bytes(const hn_kv *kv, const head *h)
{
    size_t sum = 0;
    for (size_t i = 0; i < HN_KV_GROUPS; i++) {
        size_t tokens = (size_t)h->tokens - hn_min((size_t)h->tokens, (size_t)h->first[i] * HN_KV_PAGE);
        sum = hn_add(sum, hn_mul(hn_mul(tokens, 2 * kv->group[i].layers), kv->row_size));
    }
    return sum;
}

typedef struct reader { const char *at; } reader;

static hn_err read_rows(void *user, const walk *at)
{
    reader *r = user;
    hn_kv_load(at->kv, at->layer, at->values, at->page, at->n, r->at);
    r->at += at->n * at->kv->row_size;
    return HN_OK;
}

/* The cache's insides change places, so that plans that know it go on. */
static void swap(hn_kv *a, hn_kv *b)
{
    hn_kv t = *a;
    *a = *b;
    *b = t;
}

static hn_err fill(hn_ctx *cx, hn_stream *s, const head *h, const char *body)
{
    hn_kv *kv;
    size_t ids = (size_t)h->tokens * sizeof *s->held, state = (size_t)h->state * sizeof *s->kv->state;
    reader r = { body + ids + state };
    HN_TRY(hn_stream_new_kv(cx, s, &kv));
    for (int i = 0; i < HN_KV_GROUPS; i++)
        kv->group[i].first = h->first[i];
    hn_err e = hn_kv_reserve(cx, kv, (size_t)h->tokens);
    if (!e)
        e = each_rows(cx, kv, (size_t)h->tokens, h->first, read_rows, &r);
    if (!e) {
        kv->count = (size_t)h->tokens;
        memcpy(s->held, body, ids);
        memcpy(kv->state, body + ids, state);
        swap(s->kv, kv);
    }
    hn_kv_free(kv);
    return e;
}

hn_err hn_stream_load_memory(hn_ctx *cx, hn_stream *s, const void *data, size_t len)
{
    head h;
    const char *body = (const char *)data + sizeof h;
    if (len < sizeof h)
        return hn_fail(cx, HN_EFORMAT, "not a saved conversation: its header has %zu bytes, found %zu", sizeof h, len);
    memcpy(&h, data, sizeof h);
    HN_TRY(check_head(cx, s, &h));
    size_t want = hn_add(hn_add(rows_bytes(s->kv, &h), (size_t)h.tokens * sizeof *s->held),
                         (size_t)h.state * sizeof *s->kv->state);
    if (len - sizeof h != want)
        return hn_fail(cx, HN_EFORMAT, "the saved conversation has %zu bytes behind its header, expected %zu",
                       len - sizeof h, want);
    for (size_t i = 0; i < h.tokens; i++) {
        int32_t id;
        memcpy(&id, body + i * sizeof id, sizeof id);
        if (id < 0 || (uint32_t)id >= s->m->shape.vocab)
            return hn_fail(cx, HN_EFORMAT, "the saved conversation names a token that is none");
    }
    /* In the pieces it was summed in: words do not cross their borders. */
    size_t ids = (size_t)h.tokens * sizeof *s->held, state = (size_t)h.state * sizeof *s->kv->state;
    uint64_t sum = add_sum(add_sum(1, body, ids), body + ids, state);
    size_t at = ids + state;
    for (size_t page = 0; page * HN_KV_PAGE < h.tokens; page++) {
        size_t bytes = hn_min(HN_KV_PAGE, (size_t)h.tokens - page * HN_KV_PAGE) * s->kv->row_size;
        for (size_t layer = 0; layer < s->kv->o.layers; layer++)
            for (int values = 0; values < 2 && page >= h.first[s->kv->place[layer] & 1]; values++, at += bytes)
                sum = add_sum(sum, body + at, bytes);
    }
    if (sum != h.sum)
        return hn_fail(cx, HN_EFORMAT, "the saved conversation is damaged: its checksum is another");
    return fill(cx, s, &h, body);
}

hn_err hn_stream_load(hn_ctx *cx, hn_stream *s, const char *path)
{
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = hn_stream_load_memory(cx, s, f.data, f.len);
    hn_file_close(&f);
    return e;
}

/* ---- Sharing ----------------------------------------------------------------------------------------- */

hn_err hn_stream_share(hn_ctx *cx, hn_stream *s, const hn_stream *from, size_t count)
{
    bool same = s->m == from->m && s->lora_count == from->lora_count && s != from;
    for (size_t i = 0; i < s->lora_count && same; i++)
        same = s->lora[i].lora == from->lora[i].lora && s->lora[i].scale == from->lora[i].scale;
    if (!same)
        return hn_fail(cx, HN_EARG, "only streams on the same model, with the same adapters, can share what they have read");
    HN_TRY(hn_kv_share(cx, s->kv, from->kv, count));
    memcpy(s->held, from->held, count * sizeof *s->held);
    return HN_OK;
}
