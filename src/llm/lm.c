/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/lm_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "llm/tok_gguf.h"

#define CONTEXT_DEFAULT_MAX 4096

/* ---- Model ----------------------------------------------------------------------------------------- */

static hn_err understand(hn_ctx *cx, hn_lm *m)
{
    static const uint32_t none = 0;
    uint32_t context = 0;
    hn_text arch;
    char key[128];
    HN_TRY(hn_gguf_text(cx, m->file, "general.architecture", NULL, &arch));
    int n = snprintf(key, sizeof key, "%.*s.context_length", arch.len < 64 ? (int)arch.len : 64, arch.ptr);
    if (n > 0)
        HN_TRY(hn_gguf_u32(cx, m->file, key, &none, &context));
    if (!m->o.context)
        m->o.context = context && context < CONTEXT_DEFAULT_MAX ? context : CONTEXT_DEFAULT_MAX;
    if (m->o.kv == HN_QT_NONE)
        m->o.kv = HN_QT_F16;
    HN_TRY(hn_lm_build(cx, m->file, m->o.context, NULL, 0, &m->graph, &m->shape));
    if (!hn_gguf_value_find(m->file, "tokenizer.ggml.model"))
        return HN_OK;
    HN_TRY(hn_tok_from_gguf(cx, m->file, &m->tok));
    if (hn_tok_count(m->tok) > m->shape.vocab)
        return hn_fail(cx, HN_EFORMAT, "the tokenizer has %zu tokens, the model %u", hn_tok_count(m->tok), m->shape.vocab);
    return HN_OK;
}

static hn_err open_with(hn_ctx *cx, const char *path, const void *data, size_t len, const hn_lm_opts *o, hn_lm *out)
{
    hn_lm m = { .o = *o, .mapped = path != NULL };
    hn_err e = path ? hn_gguf_open(cx, path, &m.file) : hn_gguf_open_memory(cx, data, len, &m.file);
    if (!e)
        e = hn_shared_packs_new(cx, m.file, &m.packs);
    if (!e)
        e = understand(cx, &m);
    if (e) {
        hn_lm_close(&m);
        return e;
    }
    *out = m;
    return HN_OK;
}

hn_err hn_lm_open(hn_ctx *cx, const char *path, const hn_lm_opts *o, hn_lm *out)
{
    return open_with(cx, path, NULL, 0, o, out);
}

hn_err hn_lm_open_memory(hn_ctx *cx, const void *data, size_t len, const hn_lm_opts *o, hn_lm *out)
{
    return open_with(cx, NULL, data, len, o, out);
}

void hn_lm_close(hn_lm *m)
{
    hn_graph_free(m->graph);
    hn_shared_packs_free(m->packs);
    hn_tok_free(m->tok);
    hn_gguf_close(m->file);
    *m = (hn_lm){ 0 };
}

/* ---- Stream ---------------------------------------------------------------------------------------- */

/* Which window each layer looks through, as the graph says.  window: [layers], zeroed. */
static void find_windows(const hn_graph *g, uint32_t *window, size_t layers)
{
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        int64_t layer = n->op && strcmp(n->op->name, "PagedAttention") == 0 ? hn_attr_int(n, "layer", -1) : -1;
        if (layer >= 0 && (size_t)layer < layers)
            window[layer] = (uint32_t)hn_attr_int(n, "window", 0);
    }
}

hn_err hn_stream_new_kv(hn_ctx *cx, const hn_stream *s, hn_kv **out)
{
    const hn_lm_shape *m = &s->m->shape;
    uint32_t *window = hn_calloc(cx, (size_t)m->layers + 1, sizeof *window);
    if (!window)
        return hn_nomem(cx, "a key-value cache");
    if (!s->m->o.keep_all)
        find_windows(s->m->graph, window, m->layers);
    hn_kv_opts o = { .layers = m->layers, .width = (size_t)m->kv_heads * m->head_size, .head = m->head_size, .type = s->m->o.kv,
                     .tokens_max = s->m->o.context, .state = m->state, .window = window };
    hn_err e = hn_kv_new(cx, &o, out);
    hn_free(cx, window);
    return e;
}

hn_err hn_stream_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, hn_stream **out)
{
    if (m->shape.encoder)
        return hn_fail(cx, HN_EUNSUP, "unsupported: text from an encoder, which makes vectors; use hone embed");
    hn_stream *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "a stream");
    s->cx.env = cx->env;
    s->m = m;
    s->pool = pool;
    s->held = hn_calloc(cx, m->o.context, sizeof *s->held);
    s->ids = hn_calloc(cx, HN_CHUNK, sizeof *s->ids);
    s->positions = hn_calloc(cx, HN_CHUNK, sizeof *s->positions);
    s->rows = hn_calloc(cx, HN_CHUNK, sizeof *s->rows);
    hn_err e = s->held && s->ids && s->positions && s->rows ? hn_stream_new_kv(cx, s, &s->kv) : hn_nomem(cx, "a stream");
    if (e) {
        hn_stream_free(s);
        return e;
    }
    *out = s;
    return HN_OK;
}

static void drop(hn_ctx *cx, hn_pass *p)
{
    hn_session_free(p->session);
    hn_plan_free(cx, p->plan);
    *p = (hn_pass){ 0 };
}

void hn_stream_free(hn_stream *s)
{
    if (!s)
        return;
    hn_ctx cx = s->cx;
    for (int i = 0; i < HN_PASSES; i++)
        drop(&cx, &s->pass[i]);
    hn_kv_free(s->kv);
    hn_graph_free(s->own);
    hn_free(&cx, s->lora);
    hn_free(&cx, s->held);
    hn_free(&cx, s->ids);
    hn_free(&cx, s->positions);
    hn_free(&cx, s->rows);
    hn_free(&cx, s->logits);
    hn_free(&cx, s);
}

static bool same_adapters(const hn_stream *s, const hn_lora_use *lora, size_t count)
{
    if (s->lora_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (s->lora[i].lora != lora[i].lora || s->lora[i].scale != lora[i].scale)
            return false;
    return true;
}

/* A graph is nodes and views of weights in their files: a few hundred kilobytes and a millisecond or two. */
hn_err hn_stream_adapt(hn_ctx *cx, hn_stream *s, const hn_lora_use *lora, size_t count)
{
    hn_graph *graph = NULL;
    hn_lm_shape shape;
    if (same_adapters(s, lora, count))
        return HN_OK;
    hn_lora_use *copy = hn_calloc(cx, count + 1, sizeof *copy);
    if (!copy)
        return hn_nomem(cx, "adapters");
    for (size_t i = 0; i < count; i++)
        copy[i] = lora[i];
    hn_err e = count ? hn_lm_build(cx, s->m->file, s->m->o.context, copy, count, &graph, &shape) : HN_OK;
    if (e) {
        hn_free(cx, copy);
        return e;
    }
    for (int i = 0; i < HN_PASSES; i++)
        drop(cx, &s->pass[i]);
    hn_graph_free(s->own);
    hn_free(cx, s->lora);
    s->own = graph;
    s->lora = copy;
    s->lora_count = count;
    hn_kv_trim(s->kv, 0);
    return HN_OK;
}

static hn_err make_pass(hn_ctx *cx, hn_stream *s, hn_pass *p, size_t rows, size_t wanted)
{
    const hn_shape shape[3] = { { 1, { (int64_t)rows } }, { 1, { (int64_t)rows } }, { 1, { (int64_t)wanted } } };
    hn_plan_opts o = { .kernels = s->m->o.kernels, .threads = hn_pool_threads(s->pool), .in_shape = shape,
                       .eval_only = s->m->o.eval, .shared = s->m->packs, .pool = s->pool, .forget_sources = s->m->mapped };
    drop(cx, p);
    HN_TRY(hn_plan_new(cx, s->own ? s->own : s->m->graph, &o, &p->plan));
    hn_err e = hn_session_new(cx, p->plan, s->pool, &p->session);
    if (e) {
        drop(cx, p);
        return e;
    }
    p->rows = rows;
    p->wanted = wanted;
    hn_session_bind_input(p->session, 0, s->ids);
    hn_session_bind_input(p->session, 1, s->positions);
    hn_session_bind_input(p->session, 2, s->rows);
    hn_session_bind_kv(p->session, s->kv);
    return HN_OK;
}

static hn_err find_pass(hn_ctx *cx, hn_stream *s, size_t rows, size_t wanted, hn_pass **out)
{
    int first = rows == 1 ? HN_PASS_ONE : rows <= HN_FEW ? HN_PASS_FEW : HN_PASS_MANY;
    int end = rows == 1 ? HN_PASS_MANY : rows <= HN_FEW ? HN_PASSES : HN_PASS_FEW;
    hn_pass *oldest = &s->pass[first];
    for (int i = first; i < end; i++) {
        hn_pass *p = &s->pass[i];
        if (p->rows == rows && p->wanted == wanted) {
            p->used = ++s->clock;
            *out = p;
            return HN_OK;
        }
        if (p->used < oldest->used)
            oldest = p;
    }
    HN_TRY(make_pass(cx, s, oldest, rows, wanted));
    oldest->used = ++s->clock;
    *out = oldest;
    return HN_OK;
}

/* A token's row brings in the pages around it, up to two megabytes where the page cache has them in one piece: after
 * some hundred tokens a second copy of the matrix would be mapped. */
enum { FORGET_TOKENS = 8 };

static void forget_embedding(const hn_lm *m)
{
    const hn_gguf_tensor *t = hn_gguf_tensor_find(m->file, "token_embd.weight");
    if (t && !t->panels)                         /* panels are the output's matrix, too */
        hn_file_release(t->data, t->size);
}

static hn_err read_chunk(hn_ctx *cx, hn_stream *s, const int32_t *ids, size_t count, bool all, float **logits)
{
    size_t wanted = all ? count : 1;
    hn_pass *p;
    HN_TRY(find_pass(cx, s, count, wanted, &p));
    for (size_t i = 0; i < count; i++) {
        s->ids[i] = ids[i];
        s->positions[i] = (int32_t)(s->kv->count + i);
    }
    for (size_t i = 0; i < wanted; i++)
        s->rows[i] = (int64_t)(count - wanted + i);
    HN_TRY(hn_session_run(cx, p->session));
    memcpy(s->held + s->kv->count, ids, count * sizeof *ids);
    s->kv->count += count;
    if (s->m->mapped && (count > 1 || s->kv->count % FORGET_TOKENS == 0))
        forget_embedding(s->m);
    *logits = hn_session_output(p->session, 0)->data;
    return HN_OK;
}

hn_err hn_stream_read(hn_ctx *cx, hn_stream *s, const int32_t *ids, size_t count, bool all, float **logits)
{
    size_t before = s->kv->count;
    if (count == 0 || (all && count > HN_CHUNK))
        return hn_fail(cx, HN_EARG, "expected 1 to %d tokens, given %zu", HN_CHUNK, count);
    HN_TRY(hn_kv_fits(cx, s->kv, count));
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= s->m->shape.vocab)
            return hn_fail(cx, HN_EARG, "token %d is outside of the vocabulary of %u", (int)ids[i], s->m->shape.vocab);
    for (size_t i = 0, n; i < count; i += n) {
        n = hn_min(count - i, HN_CHUNK);
        hn_err e = hn_kv_reserve(cx, s->kv, n);            /* bit by bit, so that windows can give back behind them */
        if (!e)
            e = read_chunk(cx, s, ids + i, n, all, logits);
        if (e) {
            hn_kv_trim(s->kv, before);
            return e;
        }
    }
    return HN_OK;
}

/* ---- Several streams ------------------------------------------------------------------------------- */

static hn_err check_each(hn_ctx *cx, hn_stream *const *s, const int32_t *ids, size_t count)
{
    if (count == 0 || count > HN_CHUNK)
        return hn_fail(cx, HN_EARG, "expected 1 to %d streams, given %zu", HN_CHUNK, count);
    for (size_t i = 0; i < count; i++) {
        bool other = s[i]->m == s[0]->m && same_adapters(s[i], s[0]->lora, s[0]->lora_count);
        for (size_t k = 0; k < i; k++)
            other = other && s[k] != s[i];
        if (!other)
            return hn_fail(cx, HN_EARG, "only different streams on the same model, with the same adapters, read in one pass");
        if (ids[i] < 0 || (uint32_t)ids[i] >= s[i]->m->shape.vocab)
            return hn_fail(cx, HN_EARG, "token %d is outside of the vocabulary of %u", (int)ids[i], s[i]->m->shape.vocab);
        HN_TRY(hn_kv_fits(cx, s[i]->kv, 1));
        if (!s[i]->logits)
            s[i]->logits = hn_calloc(cx, s[i]->m->shape.vocab, sizeof *s[i]->logits);
        if (!s[i]->logits)
            return hn_nomem(cx, "a stream's logits");
    }
    return HN_OK;
}

/* Plans are the first stream's; a row has a text's cache where it otherwise has a place in one text. */
static hn_err read_together(hn_ctx *cx, hn_stream *const *s, const int32_t *ids, size_t count)
{
    hn_stream *host = s[0];
    hn_kv *each[HN_CHUNK];
    hn_pass *p;
    for (size_t i = 0; i < count; i++)
        HN_TRY(hn_kv_reserve(cx, s[i]->kv, 1));
    HN_TRY(find_pass(cx, host, count, count, &p));
    for (size_t i = 0; i < count; i++) {
        each[i] = s[i]->kv;
        host->ids[i] = ids[i];
        host->positions[i] = (int32_t)s[i]->kv->count;
        host->rows[i] = (int64_t)i;
    }
    hn_session_bind_each(p->session, each);
    hn_err e = hn_session_run(cx, p->session);
    hn_session_bind_each(p->session, NULL);
    HN_TRY(e);
    const float *out = hn_session_output(p->session, 0)->data;
    for (size_t i = 0; i < count; i++) {
        s[i]->held[s[i]->kv->count++] = ids[i];
        memcpy(s[i]->logits, out + i * host->m->shape.vocab, host->m->shape.vocab * sizeof *out);
    }
    if (host->m->mapped)
        forget_embedding(host->m);
    return HN_OK;
}

/* Layers that remember otherwise go through their text token by token, and so does the oracle. */
static hn_err read_in_turns(hn_ctx *cx, hn_stream *const *s, const int32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float *found;
        HN_TRY(hn_stream_read(cx, s[i], ids + i, 1, false, &found));
        memcpy(s[i]->logits, found, s[i]->m->shape.vocab * sizeof *found);
    }
    return HN_OK;
}

hn_err hn_stream_read_each(hn_ctx *cx, hn_stream *const *s, const int32_t *ids, size_t count, float **logits)
{
    HN_TRY(check_each(cx, s, ids, count));
    bool alone = count == 1 || s[0]->m->o.eval || s[0]->m->shape.state;
    HN_TRY(alone ? read_in_turns(cx, s, ids, count) : read_together(cx, s, ids, count));
    for (size_t i = 0; i < count; i++)
        logits[i] = s[i]->logits;
    return HN_OK;
}

size_t hn_stream_chunk(const hn_stream *s)
{
    (void)s;
    return HN_CHUNK;
}

size_t hn_stream_count(const hn_stream *s) { return s->kv->count; }
hn_ids hn_stream_ids(const hn_stream *s) { return (hn_ids){ s->held, s->kv->count }; }
size_t hn_stream_room(const hn_stream *s) { return s->kv->o.tokens_max - s->kv->count; }
size_t hn_stream_trim(hn_stream *s, size_t count) { return hn_kv_trim(s->kv, count); }
size_t hn_stream_kv_bytes(const hn_stream *s) { return hn_kv_bytes(s->kv); }

size_t hn_stream_arena_bytes(const hn_stream *s)
{
    size_t n = 0;
    for (int i = 0; i < HN_PASSES; i++)
        n += s->pass[i].plan ? s->pass[i].plan->stats.arena_bytes : 0;
    return n;
}
