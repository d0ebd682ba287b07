/* SPDX-License-Identifier: Apache-2.0 */
/* session.c: sessions over shared plans.
 *
 * A model keeps one plan per distinct set of input shapes for as long as a session uses it, so ten
 * sessions hold one packed copy of the weights. */
#include "api/api.h"

#include <string.h>

#include "base/num.h"

hn_err hn_api_shapes(hn_ctx *cx, const hn_graph *g, const hone_dim *dims, size_t dim_count, hn_shape *out)
{
    for (size_t i = 0; i < g->in_count; i++) {
        out[i] = g->in[i]->t.shape;
        if (out[i].rank < 0)
            return hn_fail(cx, HN_EARG, "input '%s' has no rank in the file: give it a shape first",
                           g->in[i]->name);
        for (int j = 0; j < out[i].rank; j++) {
            if (!hn_is_symbol(out[i].dim[j]))
                continue;
            const char *name = hn_graph_symbol_name(g, out[i].dim[j]);
            out[i].dim[j] = 1;
            for (size_t k = 0; k < dim_count; k++)
                if (strcmp(dims[k].name, name) == 0)
                    out[i].dim[j] = dims[k].value;
            if (out[i].dim[j] < 0)
                return hn_fail(cx, HN_EARG, "dimension '%s' of input '%s' cannot be %lld", name,
                               g->in[i]->name, (long long)out[i].dim[j]);
        }
    }
    return HN_OK;
}

static bool shapes_equal(const hn_shape *a, const hn_shape *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!hn_shape_equal(&a[i], &b[i]))
            return false;
    return true;
}

/* The model's lock is held. */
static hn_err find_or_make(hn_ctx *cx, hone_model *m, const hn_shape *shape, unsigned threads,
                           hn_shared_plan **out)
{
    const hn_graph *g = m->source.graph;
    for (hn_shared_plan *s = m->plans; s; s = s->next)
        if (s->threads == threads && shapes_equal(s->in_shape, shape, g->in_count)) {
            s->users++;
            *out = s;
            return HN_OK;
        }
    hn_shared_plan *s = hn_calloc(cx, 1, sizeof *s);
    hn_shape *key = hn_calloc(cx, g->in_count + 1, sizeof *key);
    hn_plan_opts o = { .threads = threads, .in_shape = shape, .in_known = m->fixed, .no_optimize = m->no_optimize,
                       .built = m->source.built, .built_count = m->source.built_count };
    hn_err e = s && key ? HN_OK : hn_nomem(cx, "a plan");
    if (!e)
        e = hn_plan_new(cx, g, &o, &s->plan);
    if (e) {
        hn_free(cx, s);
        hn_free(cx, key);
        return e;
    }
    memcpy(key, shape, g->in_count * sizeof *key);
    s->bytes = hn_add(s->plan->stats.packed_bytes, hn_arena_held(s->plan->graph->arena));
    s->in_shape = key;
    s->threads = threads;
    s->users = 1;
    s->next = m->plans;
    m->plans = s;
    *out = s;
    return HN_OK;
}

/* Takes an idle plan out of the list, the longest unused, while all idle ones hold more than they may; NULL when they
 * do not.  The model's lock is held. */
static hn_shared_plan *evict(hone_model *m)
{
    hn_shared_plan **oldest = NULL;
    size_t bytes = 0;
    for (hn_shared_plan **s = &m->plans; *s; s = &(*s)->next) {
        if ((*s)->users)
            continue;
        bytes = hn_add(bytes, (*s)->bytes);
        oldest = !oldest || (*s)->left < (*oldest)->left ? s : oldest;
    }
    if (!oldest || bytes <= m->idle_max)
        return NULL;
    hn_shared_plan *out = *oldest;
    *oldest = out->next;
    return out;
}

static void release(hn_ctx *cx, hone_model *m, hn_shared_plan *plan)
{
    hn_shared_plan *dead = NULL, *next;
    if (!plan)
        return;
    pthread_mutex_lock(&m->lock);
    plan->left = ++m->turns;
    plan->users--;
    while ((next = evict(m)) != NULL) {
        next->next = dead;
        dead = next;
    }
    pthread_mutex_unlock(&m->lock);
    for (; dead; dead = next) {
        next = dead->next;
        hn_plan_free(cx, dead->plan);
        hn_free(cx, dead->in_shape);
        hn_free(cx, dead);
    }
}

/* Makes the session's plan and memory fit its shapes; on failure it keeps what it had. */
static hn_err renew(hn_ctx *cx, hone_session *s)
{
    const hn_graph *g = s->model->source.graph;
    hn_shared_plan *plan;
    hn_session *run;

    pthread_mutex_lock(&s->model->lock);
    hn_err e = find_or_make(cx, s->model, s->in_shape, s->threads, &plan);
    pthread_mutex_unlock(&s->model->lock);
    HN_TRY(e);
    e = hn_session_new(cx, plan->plan, s->model->ctx->env.pool, &run);
    if (e) {
        release(cx, s->model, plan);
        return e;
    }
    hn_session_free(s->run);
    release(cx, s->model, s->shared);
    s->run = run;
    s->shared = plan;
    s->stale = false;
    for (size_t i = 0; i < g->in_count; i++)
        hn_session_bind_input(run, i, s->in[i]);
    for (size_t i = 0; i < g->out_count; i++)
        hn_session_bind_output(run, i, s->out[i]);
    return HN_OK;
}

static hone_session_opts read_opts(const hone_session_opts *from)
{
    hone_session_opts o = { 0 };
    if (from)
        memcpy(&o, from, from->size < sizeof o ? from->size : sizeof o);
    return o;
}

static unsigned thread_count(const hone_model *m, const hone_session_opts *o)
{
    if (o->threads == 0 && o->hint == HONE_HINT_THROUGHPUT)
        return 1;
    return o->threads && o->threads < m->ctx->threads ? o->threads : m->ctx->threads;
}

hone_status hone_memory_need(hone_model *m, const hone_session_opts *opts, hone_memory *out, hone_error *err)
{
    hn_ctx cx = { .env = &m->ctx->env };
    hone_session_opts o = read_opts(opts);
    const hn_graph *g = m->source.graph;
    hn_shape *shape = hn_calloc(&cx, g->in_count + 1, sizeof *shape);
    hn_plan *plan = NULL;
    hn_err e = shape ? hn_api_shapes(&cx, g, o.dims, o.dim_count, shape) : hn_nomem(&cx, "a plan");
    hn_plan_opts po = { .threads = thread_count(m, &o), .in_shape = shape, .in_known = m->fixed, .measure = true,
                        .no_optimize = m->no_optimize, .built = m->source.built, .built_count = m->source.built_count };
    if (!e)
        e = hn_plan_new(&cx, g, &po, &plan);
    hn_free(&cx, shape);
    if (e)
        return hn_api_fail(err, e, &cx);
    const hn_plan_stats *s = &plan->stats;
    *out = (hone_memory){ .arena = s->arena_bytes, .weights = s->packed_bytes + s->const_bytes,
                          .mapped = m->source.mapped_bytes, .exact = s->exact,
                          /* constants made by folding lie in the plan's own arena */
                          .total = s->arena_bytes + s->packed_bytes + hn_arena_held(plan->graph->arena) };
    hn_plan_free(&cx, plan);
    return HONE_OK;
}

static hn_err refuse_lists(hn_ctx *cx, const hn_graph *g)
{
    for (size_t i = 0; i < g->in_count + g->out_count; i++) {
        const hn_value *v = i < g->in_count ? g->in[i] : g->out[i - g->in_count];
        if (hn_is_list(v->t.dtype))
            return hn_fail(cx, HN_EUNSUP, "unsupported: '%s' is %s, which this interface has no type for", v->name,
                           hn_dtype_name(v->t.dtype));
    }
    return HN_OK;
}

hone_status hone_session_new(hone_model *m, const hone_session_opts *opts, hone_session **out, hone_error *err)
{
    hn_ctx cx = { .env = &m->ctx->env };
    hone_session_opts o = read_opts(opts);
    const hn_graph *g = m->source.graph;
    hone_session *s = hn_calloc(&cx, 1, sizeof *s);
    hn_err e = s ? refuse_lists(&cx, g) : hn_nomem(&cx, "a session");
    if (!e) {
        s->model = m;
        s->threads = thread_count(m, &o);
        s->in_shape = hn_calloc(&cx, g->in_count + 1, sizeof *s->in_shape);
        s->in = hn_calloc(&cx, g->in_count + 1, sizeof *s->in);
        s->in_bytes = hn_calloc(&cx, g->in_count + 1, sizeof *s->in_bytes);
        s->out = hn_calloc(&cx, g->out_count + 1, sizeof *s->out);
        s->out_bytes = hn_calloc(&cx, g->out_count + 1, sizeof *s->out_bytes);
        if (!s->in_shape || !s->in || !s->in_bytes || !s->out || !s->out_bytes)
            e = hn_nomem(&cx, "a session");
    }
    if (!e)
        e = hn_api_shapes(&cx, g, o.dims, o.dim_count, s->in_shape);
    for (size_t i = 0; !e && m->fixed && i < g->in_count; i++)
        s->in[i] = m->fixed[i].data;
    if (!e)
        e = renew(&cx, s);
    if (e) {
        hone_session_free(s);
        return hn_api_fail(err, e, &cx);
    }
    *out = s;
    return HONE_OK;
}

void hone_session_free(hone_session *s)
{
    if (!s)
        return;
    hn_ctx cx = { .env = &s->model->ctx->env };
    hn_session_free(s->run);
    release(&cx, s->model, s->shared);
    hn_free(&cx, s->in_shape);
    hn_free(&cx, s->in);
    hn_free(&cx, s->in_bytes);
    hn_free(&cx, s->out);
    hn_free(&cx, s->out_bytes);
    hn_free(&cx, s);
}

hone_status hone_session_set_input(hone_session *s, size_t i, const void *data, size_t bytes, hone_error *err)
{
    hn_ctx cx = { .env = &s->model->ctx->env };
    const hn_graph *g = s->model->source.graph;
    if (i >= g->in_count)
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "input %zu: the model has %zu", i, g->in_count), &cx);
    size_t want = hn_dtype_bytes(g->in[i]->t.dtype, hn_shape_count(&s->in_shape[i]));
    if (bytes != want)
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "input '%s': expected %zu bytes, given %zu",
                                        g->in[i]->name, want, bytes), &cx);
    if (s->model->fixed && s->model->fixed[i].data)
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "input '%s' was fixed: it is not bound", g->in[i]->name), &cx);
    s->in[i] = data;
    s->in_bytes[i] = bytes;
    if (!s->stale)
        hn_session_bind_input(s->run, i, data);
    return HONE_OK;
}

hone_status hone_session_set_input_shape(hone_session *s, size_t i, int rank, const int64_t *dim, hone_error *err)
{
    hn_ctx cx = { .env = &s->model->ctx->env };
    const hn_graph *g = s->model->source.graph;
    if (i >= g->in_count)
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "input %zu: the model has %zu", i, g->in_count), &cx);
    const hn_shape *model = &g->in[i]->t.shape;
    bool fits = rank >= 0 && rank <= HN_RANK_MAX && (model->rank < 0 || model->rank == rank);
    for (int j = 0; j < rank && fits; j++)
        fits = dim[j] >= 0 && (model->rank < 0 || hn_is_symbol(model->dim[j]) || model->dim[j] == dim[j]);
    if (!fits) {
        hn_shape given = hn_shape_of(rank >= 0 && rank <= HN_RANK_MAX ? rank : 0, dim);
        char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "input '%s': expected shape %s, given %s",
                                        g->in[i]->name, hn_shape_text(model, a), hn_shape_text(&given, b)), &cx);
    }
    hn_shape shape = hn_shape_of(rank, dim);
    if (!hn_shape_equal(&shape, &s->in_shape[i])) {
        s->in_shape[i] = shape;
        s->in[i] = NULL;
        s->stale = true;
    }
    return HONE_OK;
}

hone_status hone_session_set_output(hone_session *s, size_t i, void *data, size_t bytes, hone_error *err)
{
    hn_ctx cx = { .env = &s->model->ctx->env };
    const hn_graph *g = s->model->source.graph;
    if (i >= g->out_count)
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "output %zu: the model has %zu", i, g->out_count), &cx);
    s->out[i] = data;
    s->out_bytes[i] = bytes;
    if (!s->stale)
        hn_session_bind_output(s->run, i, data);
    return HONE_OK;
}

static hn_err check_buffers(hn_ctx *cx, const hone_session *s)
{
    const hn_graph *g = s->model->source.graph;
    const hn_plan *p = s->shared->plan;
    for (size_t i = 0; i < g->in_count; i++)
        if (!s->in[i] && hn_bytes(&p->slot[p->in_slot[i]].t))
            return hn_fail(cx, HN_EARG, "input '%s' has no data: bind a buffer first", g->in[i]->name);
    for (size_t i = 0; i < g->in_count; i++)
        if (hn_input_moved(g->in[i], s->in[i]))
            return hn_fail(cx, HN_EARG, "input '%s': the plan was compiled for another value of it", g->in[i]->name);
    for (size_t i = 0; i < g->out_count; i++) {
        const hn_slot *slot = &p->slot[p->out_slot[i]];
        if (!s->out[i])
            continue;
        if (slot->kind == HN_SLOT_DYNAMIC)
            return hn_fail(cx, HN_EUNSUP, "output '%s' has a size known only after the run: it cannot be bound",
                           g->out[i]->name);
        if (s->out_bytes[i] != hn_bytes(&slot->t))
            return hn_fail(cx, HN_EARG, "output '%s': expected a buffer of %zu bytes, given %zu",
                           g->out[i]->name, hn_bytes(&slot->t), s->out_bytes[i]);
    }
    return HN_OK;
}

hone_status hone_session_run(hone_session *s, hone_error *err)
{
    hn_ctx cx = { .env = &s->model->ctx->env };
    hn_err e = s->stale ? renew(&cx, s) : HN_OK;
    if (!e)
        e = check_buffers(&cx, s);
    if (!e)
        e = hn_session_run(&cx, s->run);
    return e ? hn_api_fail(err, e, &cx) : HONE_OK;
}

hone_status hone_session_output(const hone_session *s, size_t i, const void **data, hone_io *shape)
{
    const hn_graph *g = s->model->source.graph;
    const hn_tensor *t = i < g->out_count ? hn_session_output(s->run, i) : NULL;
    if (!t || t->dtype == HN_NONE)               /* no such output, or no run yet */
        return HONE_ERROR_ARG;
    *data = t->data;
    if (shape) {
        *shape = (hone_io){ .name = g->out[i]->name, .dtype = (hone_dtype)hn_dtype_to_onnx(t->dtype),
                            .rank = t->shape.rank };
        memcpy(shape->dim, t->shape.dim, sizeof shape->dim);
    }
    return HONE_OK;
}
