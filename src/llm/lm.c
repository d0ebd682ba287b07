/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/lm.h"

#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "llm/tok_gguf.h"

/* Tokens read in one pass.  More would unpack weights less often; activations grow with it. */
#define CHUNK 128
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
    HN_TRY(hn_lm_build(cx, m->file, m->o.context, &m->graph, &m->shape));
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
        e = hn_shared_packs_new(cx, &m.packs);
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

/* A plan for one number of rows in and of logits out.  Weights stay in the file's pages, so a plan is
 * cheap: steps, and activations for its rows. */
typedef struct pass {
    size_t rows, wanted;
    hn_plan *plan;
    hn_session *session;
    uint64_t used;               /* when last: the oldest makes room */
} pass;

enum { PASSES = 3, ONE = 0 };    /* slot ONE is kept for single tokens */

struct hn_stream {
    hn_ctx cx;
    const hn_lm *m;
    hn_pool *pool;
    hn_kv *kv;
    pass pass[PASSES];
    uint64_t clock;
    int32_t *held;               /* every token read, in order: [context] */
    int32_t *ids, *positions;    /* [CHUNK] */
    int64_t *rows;               /* [CHUNK] */
};

hn_err hn_stream_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, hn_stream **out)
{
    hn_kv_opts kv = { .layers = m->shape.layers, .width = (size_t)m->shape.kv_heads * m->shape.head_size,
                      .head = m->shape.head_size, .type = m->o.kv, .tokens_max = m->o.context };
    hn_stream *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "a stream");
    s->cx.env = cx->env;
    s->m = m;
    s->pool = pool;
    s->held = hn_calloc(cx, m->o.context, sizeof *s->held);
    s->ids = hn_calloc(cx, CHUNK, sizeof *s->ids);
    s->positions = hn_calloc(cx, CHUNK, sizeof *s->positions);
    s->rows = hn_calloc(cx, CHUNK, sizeof *s->rows);
    hn_err e = s->held && s->ids && s->positions && s->rows ? hn_kv_new(cx, &kv, &s->kv) : hn_nomem(cx, "a stream");
    if (e) {
        hn_stream_free(s);
        return e;
    }
    *out = s;
    return HN_OK;
}

static void drop(hn_ctx *cx, pass *p)
{
    hn_session_free(p->session);
    hn_plan_free(cx, p->plan);
    *p = (pass){ 0 };
}

void hn_stream_free(hn_stream *s)
{
    if (!s)
        return;
    hn_ctx cx = s->cx;
    for (int i = 0; i < PASSES; i++)
        drop(&cx, &s->pass[i]);
    hn_kv_free(s->kv);
    hn_free(&cx, s->held);
    hn_free(&cx, s->ids);
    hn_free(&cx, s->positions);
    hn_free(&cx, s->rows);
    hn_free(&cx, s);
}

static hn_err make_pass(hn_ctx *cx, hn_stream *s, pass *p, size_t rows, size_t wanted)
{
    const hn_shape shape[3] = { { 1, { (int64_t)rows } }, { 1, { (int64_t)rows } }, { 1, { (int64_t)wanted } } };
    hn_plan_opts o = { .kernels = s->m->o.kernels, .threads = hn_pool_threads(s->pool), .in_shape = shape,
                       .eval_only = s->m->o.eval, .shared = s->m->packs, .pool = s->pool, .forget_sources = s->m->mapped };
    drop(cx, p);
    HN_TRY(hn_plan_new(cx, s->m->graph, &o, &p->plan));
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

static hn_err find_pass(hn_ctx *cx, hn_stream *s, size_t rows, size_t wanted, pass **out)
{
    pass *oldest = &s->pass[rows == 1 ? ONE : 1];
    for (int i = 0; i < PASSES; i++) {
        pass *p = &s->pass[i];
        if (p->rows == rows && p->wanted == wanted) {
            p->used = ++s->clock;
            *out = p;
            return HN_OK;
        }
        if (rows > 1 && i != ONE && p->used < oldest->used)
            oldest = p;
    }
    HN_TRY(make_pass(cx, s, oldest, rows, wanted));
    oldest->used = ++s->clock;
    *out = oldest;
    return HN_OK;
}

static hn_err read_chunk(hn_ctx *cx, hn_stream *s, const int32_t *ids, size_t count, bool all, float **logits)
{
    size_t wanted = all ? count : 1;
    pass *p;
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
    *logits = hn_session_output(p->session, 0)->data;
    return HN_OK;
}

hn_err hn_stream_read(hn_ctx *cx, hn_stream *s, const int32_t *ids, size_t count, bool all, float **logits)
{
    size_t before = s->kv->count;
    if (count == 0 || (all && count > CHUNK))
        return hn_fail(cx, HN_EARG, "expected 1 to %d tokens, given %zu", CHUNK, count);
    HN_TRY(hn_kv_reserve(cx, s->kv, count));
    for (size_t i = 0, n; i < count; i += n) {
        n = hn_min(count - i, CHUNK);
        hn_err e = read_chunk(cx, s, ids + i, n, all, logits);
        if (e) {
            hn_kv_trim(s->kv, before);
            return e;
        }
    }
    return HN_OK;
}

size_t hn_stream_chunk(const hn_stream *s)
{
    (void)s;
    return CHUNK;
}

size_t hn_stream_count(const hn_stream *s) { return s->kv->count; }
hn_ids hn_stream_ids(const hn_stream *s) { return (hn_ids){ s->held, s->kv->count }; }
size_t hn_stream_room(const hn_stream *s) { return s->kv->o.tokens_max - s->kv->count; }
void hn_stream_trim(hn_stream *s, size_t count) { hn_kv_trim(s->kv, count); }
size_t hn_stream_kv_bytes(const hn_stream *s) { return hn_kv_bytes(s->kv); }

size_t hn_stream_arena_bytes(const hn_stream *s)
{
    size_t n = 0;
    for (int i = 0; i < PASSES; i++)
        n += s->pass[i].plan ? s->pass[i].plan->stats.arena_bytes : 0;
    return n;
}
