/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/embed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* As GGUF numbers them. */
enum pooling { POOL_NONE, POOL_MEAN, POOL_FIRST, POOL_LAST, POOL_RANK, POOLINGS };

struct hn_embedder {
    hn_ctx cx;
    const hn_lm *m;
    hn_pool *pool;
    enum pooling how;
    size_t count;                /* tokens the plan is for; 0: none yet */
    hn_plan *plan;
    hn_session *session;
    int32_t *ids, *positions;    /* [context] */
    int64_t *rows;               /* [context] */
};

static hn_err read_pooling(hn_ctx *cx, const hn_lm *m, enum pooling *out)
{
    static const uint32_t mean = POOL_MEAN;
    char key[128];
    uint32_t n = 0;
    hn_text arch;
    HN_TRY(hn_gguf_text(cx, m->file, "general.architecture", NULL, &arch));
    snprintf(key, sizeof key, "%.*s.pooling_type", arch.len < 64 ? (int)arch.len : 64, arch.ptr);
    HN_TRY(hn_gguf_u32(cx, m->file, key, &mean, &n));
    if (n == POOL_NONE || n >= POOLINGS)
        return hn_fail(cx, HN_EUNSUP,
                       "unsupported: %s is %u; known are mean 1, first token 2, last token 3, score 4", key, n);
    *out = (enum pooling)n;
    return HN_OK;
}

hn_err hn_embedder_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, hn_embedder **out)
{
    enum pooling how = POOL_MEAN;
    if (!m->shape.encoder)
        return hn_fail(cx, HN_EUNSUP,
                       "unsupported: vectors from a model that writes text; bert and nomic-bert make them");
    HN_TRY(read_pooling(cx, m, &how));
    hn_embedder *e = hn_calloc(cx, 1, sizeof *e);
    if (!e)
        return hn_nomem(cx, "an embedder");
    *e = (hn_embedder){ .cx.env = cx->env, .m = m, .pool = pool, .how = how };
    e->ids = hn_calloc(cx, m->o.context, sizeof *e->ids);
    e->positions = hn_calloc(cx, m->o.context, sizeof *e->positions);
    e->rows = hn_calloc(cx, m->o.context, sizeof *e->rows);
    if (!e->ids || !e->positions || !e->rows) {
        hn_embedder_free(e);
        return hn_nomem(cx, "an embedder");
    }
    *out = e;
    return HN_OK;
}

static void drop_plan(hn_ctx *cx, hn_embedder *e)
{
    hn_session_free(e->session);
    hn_plan_free(cx, e->plan);
    e->session = NULL;
    e->plan = NULL;
    e->count = 0;
}

void hn_embedder_free(hn_embedder *e)
{
    if (!e)
        return;
    hn_ctx cx = e->cx;
    drop_plan(&cx, e);
    hn_free(&cx, e->ids);
    hn_free(&cx, e->positions);
    hn_free(&cx, e->rows);
    hn_free(&cx, e);
}

size_t hn_embedder_width(const hn_embedder *e) { return e->m->shape.out_width; }
bool hn_embedder_scores(const hn_embedder *e) { return e->how == POOL_RANK; }

static hn_err prepare(hn_ctx *cx, hn_embedder *e, size_t count, size_t wanted)
{
    const hn_shape shape[3] = { { 1, { (int64_t)count } }, { 1, { (int64_t)count } }, { 1, { (int64_t)wanted } } };
    hn_plan_opts o = { .kernels = e->m->o.kernels, .threads = hn_pool_threads(e->pool), .in_shape = shape,
                       .eval_only = e->m->o.eval };
    if (e->count == count)
        return HN_OK;
    drop_plan(cx, e);
    HN_TRY(hn_plan_new(cx, e->m->graph, &o, &e->plan));
    HN_TRY(hn_session_new(cx, e->plan, e->pool, &e->session));
    hn_session_bind_input(e->session, 0, e->ids);
    hn_session_bind_input(e->session, 1, e->positions);
    hn_session_bind_input(e->session, 2, e->rows);
    e->count = count;
    return HN_OK;
}

hn_err hn_embed(hn_ctx *cx, hn_embedder *e, hn_ids ids, float *out)
{
    size_t width = hn_embedder_width(e), wanted = e->how == POOL_MEAN ? ids.count : 1;
    if (ids.count == 0)
        return hn_fail(cx, HN_EARG, "no tokens to make a vector of");
    if (ids.count > e->m->o.context)
        return hn_fail(cx, HN_ELIMIT, "the model reads %zu tokens at once, the text has %zu; cut it into parts",
                       e->m->o.context,
                       ids.count);
    for (size_t i = 0; i < ids.count; i++) {
        e->ids[i] = ids.id[i];
        e->positions[i] = (int32_t)i;
        e->rows[i] = e->how == POOL_LAST ? (int64_t)ids.count - 1 : (int64_t)i;
    }
    HN_TRY(prepare(cx, e, ids.count, wanted));
    HN_TRY(hn_session_run(cx, e->session));
    const float *x = hn_session_output(e->session, 0)->data;
    for (size_t i = 0; i < width; i++) {
        double sum = 0;
        for (size_t t = 0; t < wanted; t++)
            sum += (double)x[t * width + i];
        out[i] = (float)(sum / (double)wanted);
    }
    return HN_OK;
}

hn_err hn_embed_tokens(hn_ctx *cx, const hn_lm *m, hn_text first, const hn_text *second, hn_arena *a, hn_ids *ids)
{
    const hn_tok_opts special = { .add_special = true };
    hn_ids one, two;
    HN_TRY(hn_tok_encode(cx, m->tok, first, &special, a, &one));
    if (!second || one.count == 0) {
        *ids = one;
        return HN_OK;
    }
    HN_TRY(hn_tok_encode(cx, m->tok, *second, NULL, a, &two));
    int32_t *all = HN_NEW(a, int32_t, one.count + two.count + 1);
    if (!all)
        return hn_nomem(cx, "a pair of texts");
    memcpy(all, one.id, one.count * sizeof *all);
    memcpy(all + one.count, two.id, two.count * sizeof *all);
    all[one.count + two.count] = one.id[one.count - 1];          /* the separator ends both */
    *ids = (hn_ids){ all, one.count + two.count + 1 };
    return HN_OK;
}

void hn_embed_normalise(float *v, size_t width)
{
    double squares = 0;
    for (size_t i = 0; i < width; i++)
        squares += (double)v[i] * (double)v[i];
    for (size_t i = 0; i < width && squares > 0; i++)
        v[i] = (float)((double)v[i] / sqrt(squares));
}
