/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/compile.h"

#include <string.h>

#include "runtime/packs.h"

static bool open_shapes(const hn_graph *g)
{
    for (size_t i = 0; i < g->in_count; i++)
        if (!hn_shape_known(&g->in[i]->t.shape))
            return true;
    return false;
}

/* What the file says of itself, where a plan's graph speaks for the model. */
static hn_err copy_meta(hn_ctx *cx, const hn_graph *from, hn_graph *to)
{
    to->name = from->name;
    for (size_t i = 0; i < from->meta_count; i++) {
        hn_text key = { from->meta[i].key, strlen(from->meta[i].key) };
        hn_text text = { from->meta[i].text, strlen(from->meta[i].text) };
        HN_TRY(hn_graph_add_meta(cx, to, key, text));
    }
    return HN_OK;
}

static hn_err make_plans(hn_ctx *cx, const hn_source *src, const hn_compile_opts *o, hn_plan **plan, hn_compile_report *r)
{
    for (size_t i = 0; i < o->profile_count; i++) {
        HN_TRY(hn_plan_new(cx, src->graph, &o->profile[i], &plan[i]));
        r->steps += plan[i]->step_count;
    }
    r->plans = o->profile_count;
    return HN_OK;
}

static hn_err write(hn_ctx *cx, const char *path, const hn_source *src, const hn_compile_opts *o, hn_plan *const *plan,
                    const char *out, hn_compile_report *r)
{
    hn_planfile_build build[HN_PROFILES_MAX];
    hn_planfile_parts parts = { .source = path, .graph = src->graph, .build = build, .build_count = o->profile_count,
                                .keep = o->keep, .range = o->range, .range_count = o->range_count };
    for (size_t i = 0; i < o->profile_count; i++) {
        const hn_packs *packs = plan[i]->packs;
        build[i] = (hn_planfile_build){ .b = { .graph = plan[i]->graph, .isa = plan[i]->k->isa, .choice = plan[i]->choice,
                                               .pack = packs->kept, .pack_count = packs->kept_count },
                                        .spared = plan[i]->spared };
    }
    bool own = open_shapes(src->graph) && !o->fixed;      /* the model's own graph stays, for other shapes */
    r->kept = o->keep || own;
    if (!own) {
        HN_TRY(copy_meta(cx, src->graph, plan[0]->graph));
        parts.graph = plan[0]->graph;
    }
    return hn_planfile_write(cx, out, &parts, &r->file);
}

hn_err hn_compile(hn_ctx *cx, const char *path, const hn_source *src, const hn_compile_opts *o, const char *out,
                  hn_compile_report *report)
{
    hn_plan *plan[HN_PROFILES_MAX] = { NULL };
    hn_compile_report r = { 0 };
    HN_TRY(hn_source_runnable(cx, src));
    if (src->built_count > 0 || src->graph->hollow)
        return hn_fail(cx, HN_EARG, "%s: compiled already; compile the model it was made from", path);
    if (o->profile_count == 0 || o->profile_count > HN_PROFILES_MAX)
        return hn_fail(cx, HN_ELIMIT, "%zu sets of shapes, expected 1 to %d", o->profile_count, HN_PROFILES_MAX);
    if (o->fixed && o->profile_count != 1)
        return hn_fail(cx, HN_EARG, "%zu sets of shapes to fix, expected one", o->profile_count);
    hn_err e = make_plans(cx, src, o, plan, &r);
    if (!e)
        e = write(cx, path, src, o, plan, out, &r);
    for (size_t i = 0; i < o->profile_count; i++)
        hn_plan_free(cx, plan[i]);
    if (!e)
        *report = r;
    return e;
}
