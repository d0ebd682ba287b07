/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/runner.h"

#include <string.h>

#include "base/pool.h"
#include "graph/eval.h"

static hn_err start(hn_ctx *cx, hn_runner *r, const char *path)
{
    HN_TRY(hn_source_open(cx, path, &r->src));
    HN_TRY(hn_source_runnable(cx, &r->src));
    const hn_graph *g = r->src.graph;
    r->in_shape = hn_calloc(cx, g->in_count + 1, sizeof *r->in_shape);
    r->out = hn_calloc(cx, g->out_count + 1, sizeof *r->out);
    if (!r->in_shape || !r->out)
        return hn_nomem(cx, "a model");
    HN_TRY(hn_arena_new(cx, 0, &r->memory));
    unsigned threads = r->o.threads ? r->o.threads : hn_cpu_count();
    if (threads > 1 && !r->o.eval)
        HN_TRY(hn_pool_new(cx, threads, &r->env.pool));
    r->o.threads = threads;
    return HN_OK;
}

hn_err hn_runner_open(hn_ctx *cx, const char *path, const hn_runner_opts *o, hn_runner *r)
{
    *r = (hn_runner){ .o = *o, .env = *cx->env };
    return start(cx, r, path);
}

void hn_runner_close(hn_runner *r)
{
    hn_ctx cx = { .env = &r->env };
    hn_session_free(r->session);
    hn_plan_free(&cx, r->plan);
    hn_arena_free(r->memory);
    hn_pool_free(r->env.pool);
    hn_free(&cx, r->in_shape);
    hn_free(&cx, r->out);
    hn_source_close(&cx, &r->src);
    *r = (hn_runner){ 0 };
}

/* An empty container from a file does not say what it is empty of. */
static bool empty_of(hn_dtype want, hn_dtype given)
{
    return hn_is_list(given) && ((int)given & (HN_SEQ - 1)) == HN_NONE && ((int)want & ~(HN_SEQ - 1)) == (int)given;
}

static hn_err check_input(hn_ctx *cx, const hn_value *v, const hn_tensor *t)
{
    char want[HN_SHAPE_TEXT], found[HN_SHAPE_TEXT];
    const hn_shape *s = &v->t.shape;
    bool fits = s->rank < 0 || s->rank == t->shape.rank;
    for (int i = 0; i < s->rank && fits; i++)
        fits = hn_is_symbol(s->dim[i]) || s->dim[i] == t->shape.dim[i];
    if (fits && (v->t.dtype == t->dtype || empty_of(v->t.dtype, t->dtype)))
        return HN_OK;
    return hn_fail(cx, HN_EARG, "input '%s': the model takes %s %s, given %s %s", v->name,
                   hn_dtype_name(v->t.dtype), hn_shape_text(s, want), hn_dtype_name(t->dtype),
                   hn_shape_text(&t->shape, found));
}

static bool same_shapes(const hn_runner *r, const hn_tensor *in)
{
    for (size_t i = 0; i < r->src.graph->in_count; i++)
        if (!hn_shape_equal(&r->in_shape[i], &in[i].shape))
            return false;
    return r->session != NULL;
}

hn_err hn_runner_prepare(hn_ctx *cx, hn_runner *r, const hn_tensor *in)
{
    const hn_graph *g = r->src.graph;
    for (size_t i = 0; i < g->in_count; i++)
        HN_TRY(check_input(cx, g->in[i], &in[i]));
    if (r->o.eval || same_shapes(r, in))
        return HN_OK;
    hn_session_free(r->session);
    hn_plan_free(cx, r->plan);
    r->session = NULL;
    r->plan = NULL;
    for (size_t i = 0; i < g->in_count; i++)
        r->in_shape[i] = in[i].shape;
    hn_plan_opts o = { .threads = r->o.threads, .in_shape = r->in_shape, .no_optimize = r->o.no_optimize };
    HN_TRY(hn_plan_new(cx, g, &o, &r->plan));
    return hn_session_new(cx, r->plan, r->env.pool, &r->session);
}

hn_err hn_runner_run(hn_ctx *cx, hn_runner *r, const hn_tensor *in)
{
    const hn_graph *g = r->src.graph;
    HN_TRY(hn_runner_prepare(cx, r, in));
    if (r->o.eval) {
        hn_arena_reset(r->memory);
        return hn_eval(cx, g, in, r->memory, r->out);
    }
    for (size_t i = 0; i < g->in_count; i++)
        hn_session_bind_input(r->session, i, in[i].data);
    HN_TRY(hn_session_run(cx, r->session));
    for (size_t i = 0; i < g->out_count; i++)
        r->out[i] = *hn_session_output(r->session, i);
    return HN_OK;
}
