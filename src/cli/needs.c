/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/needs.h"

#include <stdio.h>

#include "cli/table.h"
#include "graph/op.h"
#include "graph/pass.h"
#include "runtime/plan.h"

/* A list's rows with the names they have there. */
typedef struct row { const char *id; const void *what; } row;

#define FORMAT(id) extern const hn_format hn_format_##id;
#include "formats/formats.def"
#undef FORMAT
#define OP(id) extern const hn_op hn_op_##id;
#include "graph/ops.def"
#undef OP
#define PASS(id) extern const hn_pass hn_pass_##id;
#include "graph/passes.def"
#undef PASS
#define IMPL(id) extern const hn_impl hn_impl_##id;
#include "runtime/impls.def"
#undef IMPL

static const row formats[] = {
#define FORMAT(id) { #id, &hn_format_##id },
#include "formats/formats.def"
#undef FORMAT
};
static const row ops[] = {
#define OP(id) { #id, &hn_op_##id },
#include "graph/ops.def"
#undef OP
};
static const row passes[] = {
#define PASS(id) { #id, &hn_pass_##id },
#include "graph/passes.def"
#undef PASS
};
static const row impls[] = {
#define IMPL(id) { #id, &hn_impl_##id },
#include "runtime/impls.def"
#undef IMPL
};

enum { FORMATS, OPS, PASSES, IMPLS, LISTS };

static const struct { const char *macro, *name; const row *rows; size_t count; } list[LISTS] = {
    { "FORMAT", "formats", formats, sizeof formats / sizeof *formats },
    { "OP", "operators", ops, sizeof ops / sizeof *ops },
    { "PASS", "passes", passes, sizeof passes / sizeof *passes },
    { "IMPL", "implementations", impls, sizeof impls / sizeof *impls },
};

typedef struct needs { bool *used[LISTS]; bool bodies; } needs;

static void use(needs *n, int which, const void *what)
{
    for (size_t i = 0; i < list[which].count; i++)
        if (list[which].rows[i].what == what)
            n->used[which][i] = true;
}

/* Bodies lie at most as deep as the importer lets them. */
static void use_graph(needs *n, const hn_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *node = g->node[i];
        use(n, OPS, node->op);
        for (int a = 0; a < node->attr_count; a++)
            if (node->attr[a].kind == HN_ATTR_GRAPH) {
                n->bodies = true;
                use_graph(n, node->attr[a].graph);
            }
    }
}

static void changed(void *arg, const hn_pass *pass, const hn_graph *g)
{
    use(arg, PASSES, pass);
    use_graph(arg, g);
}

static hn_err collect(hn_ctx *cx, const hn_source *src, const hn_shape *shape, needs *n)
{
    hn_pass_watch watch = { changed, n };
    hn_plan_opts o = { .threads = 1, .in_shape = shape, .measure = true, .watch = &watch };
    hn_plan *plan;
    use(n, FORMATS, src->format);
    use_graph(n, src->graph);
    HN_TRY(hn_source_runnable(cx, src));
    HN_TRY(hn_plan_new(cx, src->graph, &o, &plan));
    use_graph(n, plan->graph);
    for (size_t i = 0; i < plan->step_count; i++)
        use(n, IMPLS, plan->step[i].impl);
    hn_plan_free(cx, plan);
    for (size_t i = 0; n->bodies && i < list[PASSES].count; i++)
        n->used[PASSES][i] = true;
    return HN_OK;
}

static hn_err print_json(hn_ctx *cx, const needs *n)
{
    json_t *j = json_object();
    for (int l = 0; l < LISTS; l++) {
        json_t *names = json_array();
        for (size_t i = 0; i < list[l].count; i++)
            if (n->used[l][i])
                json_array_append_new(names, json_string(list[l].rows[i].id));
        json_object_set_new(j, list[l].name, names);
    }
    return hn_json_print(cx, j);
}

hn_err hn_needs_print(hn_cli *c, const hn_source *src, const hn_shape *shape)
{
    needs n = { 0 };
    hn_err e = HN_OK;
    for (int l = 0; l < LISTS && !e; l++)
        if (!(n.used[l] = hn_calloc(&c->cx, list[l].count, sizeof *n.used[l])))
            e = hn_nomem(&c->cx, "the lists");
    if (!e)
        e = collect(&c->cx, src, shape, &n);
    if (!e && c->json)
        e = print_json(&c->cx, &n);
    for (int l = 0; l < LISTS && !e && !c->json; l++)
        for (size_t i = 0; i < list[l].count; i++)
            if (n.used[l][i])
                printf("%s(%s)\n", list[l].macro, list[l].rows[i].id);
    for (int l = 0; l < LISTS; l++)
        hn_free(&c->cx, n.used[l]);
    return e;
}
