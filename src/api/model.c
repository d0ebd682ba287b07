/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <string.h>

static hone_status open_model(hone_ctx *ctx, const char *path, const void *data, size_t size,
                              const hone_model_opts *opts, hone_model **out, hone_error *err)
{
    hn_ctx cx = { .env = &ctx->env };
    hone_model_opts o = { 0 };
    if (opts)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);

    hone_model *m = hn_calloc(&cx, 1, sizeof *m);
    if (!m)
        return hn_api_fail(err, hn_nomem(&cx, "a model"), &cx);
    m->ctx = ctx;
    m->no_optimize = o.no_optimize;
    m->idle_max = o.idle_plan_bytes;
    hn_err e = path ? hn_source_open(&cx, path, &m->source)
                    : hn_source_open_memory(&cx, data, size, &m->source);
    if (e) {
        hn_free(&cx, m);
        return hn_api_fail(err, e, &cx);
    }
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    return HONE_OK;
}

hone_status hone_model_open(hone_ctx *ctx, const char *path, const hone_model_opts *opts,
                            hone_model **out, hone_error *err)
{
    return open_model(ctx, path, NULL, 0, opts, out, err);
}

hone_status hone_model_open_memory(hone_ctx *ctx, const void *data, size_t size,
                                   const hone_model_opts *opts, hone_model **out, hone_error *err)
{
    return open_model(ctx, NULL, data, size, opts, out, err);
}

void hone_model_close(hone_model *m)
{
    if (!m)
        return;
    hn_ctx cx = { .env = &m->ctx->env };
    for (hn_shared_plan *s = m->plans, *next; s; s = next) {
        next = s->next;
        hn_plan_free(&cx, s->plan);
        hn_free(&cx, s->in_shape);
        hn_free(&cx, s);
    }
    for (size_t i = 0; m->fixed && i < m->source.graph->in_count; i++)
        hn_free(&cx, m->fixed[i].data);
    hn_free(&cx, m->fixed);
    hn_source_close(&cx, &m->source);
    pthread_mutex_destroy(&m->lock);
    hn_free(&cx, m);
}

static hn_err fix_input(hn_ctx *cx, hone_model *m, size_t i, const void *data, size_t bytes)
{
    const hn_graph *g = m->source.graph;
    if (i >= g->in_count)
        return hn_fail(cx, HN_EARG, "input %zu: the model has %zu", i, g->in_count);
    hn_tensor t = g->in[i]->t;
    if (m->plans)
        return hn_fail(cx, HN_EARG, "input '%s' cannot be fixed any more: there are sessions already", g->in[i]->name);
    if (!hn_shape_known(&t.shape) || hn_dtype_class(t.dtype) == HN_CLASS_S || hn_is_list(t.dtype))
        return hn_fail(cx, HN_EARG, "input '%s' cannot be fixed: its shape is open, or it holds no numbers", g->in[i]->name);
    if (bytes != hn_bytes(&t) || !data)
        return hn_fail(cx, HN_EARG, "input '%s': expected %zu bytes, given %zu", g->in[i]->name, hn_bytes(&t), bytes);
    if (!m->fixed)
        m->fixed = hn_calloc(cx, g->in_count, sizeof *m->fixed);
    t.data = m->fixed ? hn_alloc(cx, bytes ? bytes : 1) : NULL;
    if (!t.data)
        return hn_nomem(cx, "a fixed input");
    memcpy(t.data, data, bytes);
    hn_free(cx, m->fixed[i].data);
    m->fixed[i] = t;
    return HN_OK;
}

hone_status hone_model_fix_input(hone_model *m, size_t i, const void *data, size_t bytes, hone_error *err)
{
    hn_ctx cx = { .env = &m->ctx->env };
    pthread_mutex_lock(&m->lock);
    hn_err e = fix_input(&cx, m, i, data, bytes);
    pthread_mutex_unlock(&m->lock);
    return e ? hn_api_fail(err, e, &cx) : HONE_OK;
}

size_t hone_model_inputs(const hone_model *m) { return m->source.graph->in_count; }
size_t hone_model_outputs(const hone_model *m) { return m->source.graph->out_count; }

static void describe(const hn_graph *g, const hn_value *v, hone_io *out)
{
    *out = (hone_io){ .name = v->name, .dtype = (hone_dtype)hn_dtype_to_onnx(v->t.dtype),
                      .rank = v->t.shape.rank };
    for (int i = 0; i < v->t.shape.rank; i++) {
        int64_t d = v->t.shape.dim[i];
        out->dim[i] = hn_is_symbol(d) ? -1 : d;
        out->dim_name[i] = hn_is_symbol(d) ? hn_graph_symbol_name(g, d) : NULL;
    }
}

hone_status hone_model_input(const hone_model *m, size_t i, hone_io *out)
{
    const hn_graph *g = m->source.graph;
    if (i >= g->in_count)
        return HONE_ERROR_ARG;
    describe(g, g->in[i], out);
    return HONE_OK;
}

hone_status hone_model_output(const hone_model *m, size_t i, hone_io *out)
{
    const hn_graph *g = m->source.graph;
    if (i >= g->out_count)
        return HONE_ERROR_ARG;
    describe(g, g->out[i], out);
    return HONE_OK;
}

const char *hone_model_meta(const hone_model *m, const char *key)
{
    const hn_graph *g = m->source.graph;
    for (size_t i = 0; i < g->meta_count; i++)
        if (strcmp(g->meta[i].key, key) == 0)
            return g->meta[i].text;
    return NULL;
}
