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
    r->in_known = hn_calloc(cx, g->in_count + 1, sizeof *r->in_known);
    r->out = hn_calloc(cx, g->out_count + 1, sizeof *r->out);
    if (!r->in_shape || !r->in_known || !r->out)
        return hn_nomem(cx, "a model");
    HN_TRY(hn_arena_new(cx, 0, &r->known));
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
    hn_arena_free(r->known);
    hn_pool_free(r->env.pool);
    hn_free(&cx, r->in_shape);
    hn_free(&cx, r->in_known);
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
    if (fits && hn_input_moved(v, t->data))
        return hn_fail(cx, HN_EARG, "input '%s': the plan was compiled for another value of it; compile the model again with "
                       "--fix %s=N, or without", v->name, v->name);
    if (fits && (v->t.dtype == t->dtype || empty_of(v->t.dtype, t->dtype)))
        return HN_OK;
    return hn_fail(cx, HN_EARG, "input '%s': the model takes %s %s, given %s %s", v->name,
                   hn_dtype_name(v->t.dtype), hn_shape_text(s, want), hn_dtype_name(t->dtype),
                   hn_shape_text(&t->shape, found));
}

static bool same_inputs(const hn_runner *r, const hn_tensor *in)
{
    for (size_t i = 0; i < r->src.graph->in_count; i++) {
        const hn_tensor *known = &r->in_known[i];
        if (!hn_shape_equal(&r->in_shape[i], &in[i].shape) ||
            (known->data && memcmp(known->data, in[i].data, hn_bytes(known)) != 0))
            return false;
    }
    return r->session != NULL;
}

static bool has_bodies(const hn_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < g->node[i]->attr_count; j++)
            if (g->node[i]->attr[j].kind == HN_ATTR_GRAPH)
                return true;
    return false;
}

/* A model with branches may choose them by a number it is given (a sample rate) that stays the same from
 * run to run.  A plan for that number has no branch left.  When such numbers keep changing the plan has
 * to do without them. */
static hn_err note_known(hn_ctx *cx, hn_runner *r, const hn_tensor *in)
{
    enum { ELEMENTS_MAX = 8, REPLANS_MAX = 4 };
    const hn_graph *g = r->src.graph;
    bool useful = has_bodies(g) && !r->o.no_optimize && r->replans++ < REPLANS_MAX;
    hn_arena_reset(r->known);
    for (size_t i = 0; i < g->in_count; i++) {
        r->in_known[i] = (hn_tensor){ 0 };
        if (useful && in[i].data && hn_is_integer(in[i].dtype) && hn_count(&in[i]) <= ELEMENTS_MAX)
            HN_TRY(hn_tensor_copy(cx, &in[i], r->known, &r->in_known[i]));
    }
    return HN_OK;
}

hn_err hn_runner_prepare(hn_ctx *cx, hn_runner *r, const hn_tensor *in)
{
    const hn_graph *g = r->src.graph;
    for (size_t i = 0; i < g->in_count; i++)
        HN_TRY(check_input(cx, g->in[i], &in[i]));
    if (r->o.eval || same_inputs(r, in))
        return HN_OK;
    hn_session_free(r->session);
    hn_plan_free(cx, r->plan);
    r->session = NULL;
    r->plan = NULL;
    for (size_t i = 0; i < g->in_count; i++)
        r->in_shape[i] = in[i].shape;
    HN_TRY(note_known(cx, r, in));
    hn_plan_opts o = { .threads = r->o.threads, .in_shape = r->in_shape, .in_known = r->in_known,
                       .no_optimize = r->o.no_optimize, .choose = r->o.choose, .choose_user = r->o.choose_user,
                       .built = r->src.built, .built_count = r->src.built_count };
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
