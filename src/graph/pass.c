/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/pass.h"

#include <string.h>

#include "graph/op.h"

#define PASS(id) extern const hn_pass hn_pass_##id;
#include "graph/passes.def"
#undef PASS

const hn_pass *const hn_passes[] = {
#define PASS(id) &hn_pass_##id,
#include "graph/passes.def"
#undef PASS
    NULL
};

/* Every round removes or simplifies at least one node, so this bound is never met by a
 * well-behaved pass; it keeps a quarrel between two passes from hanging a user. */
#define ROUNDS_MAX 64

hn_err hn_graph_optimize(hn_ctx *cx, hn_graph *g) { return hn_graph_optimize_watched(cx, g, NULL); }

hn_err hn_graph_optimize_watched(hn_ctx *cx, hn_graph *g, const hn_pass_watch *watch)
{
    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t changes = 0;
        HN_TRY(hn_graph_infer(cx, g));
        for (const hn_pass *const *p = hn_passes; *p; p++) {
            size_t before = changes;
            HN_TRY((*p)->run(cx, g, &changes));
            if (watch && changes > before)
                watch->changed(watch->arg, *p, g);
        }
        if (changes == 0)
            break;
    }
    return hn_graph_verify(cx, g);
}

bool hn_graph_bypass(hn_graph *g, hn_value *v, hn_value *by)
{
    bool is_out = false, by_out = false;
    for (size_t i = 0; i < g->out_count; i++) {
        is_out = is_out || g->out[i] == v;
        by_out = by_out || g->out[i] == by;
    }
    if (!is_out) {
        hn_graph_replace(g, v, by);
        return true;
    }
    if (by_out || !by->maker || by->outer)
        return false;

    hn_node *maker = by->maker;
    v->maker->out[0] = NULL;               /* leaves the vanishing node without a use */
    for (int i = 0; i < maker->out_count; i++)
        if (maker->out[i] == by)
            maker->out[i] = v;
    v->maker = maker;
    v->known_count = by->known_count;
    v->known = by->known;
    hn_graph_replace(g, by, v);
    return true;
}

static hn_err clone_into(hn_ctx *cx, const hn_graph *g, hn_graph *copy);

/* Attributes are shared except bodies, which refer to the values around them. */
static hn_err clone_attrs(hn_ctx *cx, const hn_node *n, hn_graph *copy, const hn_attr **out)
{
    hn_attr *attr = NULL;
    *out = n->attr;
    for (int i = 0; i < n->attr_count; i++) {
        if (n->attr[i].kind != HN_ATTR_GRAPH)
            continue;
        if (!attr) {
            attr = HN_NEW(copy->arena, hn_attr, (size_t)n->attr_count);
            if (!attr)
                return hn_nomem(cx, "a copy of a graph");
            memcpy(attr, n->attr, (size_t)n->attr_count * sizeof *attr);
            *out = attr;
        }
        hn_graph *body;
        HN_TRY(hn_graph_new_body(cx, copy, &body));
        HN_TRY(clone_into(cx, n->attr[i].graph, body));
        attr[i].graph = body;
    }
    return HN_OK;
}

static hn_err clone_node(hn_ctx *cx, const hn_node *n, hn_graph *copy)
{
    size_t ins = (size_t)n->in_count, outs = (size_t)n->out_count;
    hn_value **v = HN_NEW(copy->arena, hn_value *, ins + outs);
    const hn_attr *attr;
    hn_node *made;

    if (!v)
        return hn_nomem(cx, "a copy of a graph");
    for (size_t j = 0; j < ins; j++)
        v[j] = n->in[j] ? copy->value[n->in[j]->index] : NULL;
    for (size_t j = 0; j < outs; j++)
        v[ins + j] = n->out[j] ? copy->value[n->out[j]->index] : NULL;
    HN_TRY(clone_attrs(cx, n, copy, &attr));
    HN_TRY(hn_graph_add_node(cx, copy, n->op, n->name, v, n->in_count, v + ins, n->out_count, attr,
                             n->attr_count, &made));
    made->act = n->act;
    return HN_OK;
}

static hn_err clone_into(hn_ctx *cx, const hn_graph *g, hn_graph *copy)
{
    copy->name = g->name;
    copy->hollow = g->hollow;
    for (size_t i = 0; i < g->value_count; i++) {
        const hn_value *from = g->value[i];
        hn_value *v;
        HN_TRY(hn_graph_add_value(cx, copy, NULL, &v));
        v->name = from->name;
        v->t = from->t;
        v->known_count = from->known_count;
        v->known = from->known;
        v->is_input = from->is_input;
        v->absent = from->absent;
        if (from->outer)
            v->outer = copy->parent->value[from->outer->index];
    }
    for (size_t i = 0; i < g->in_count; i++)
        HN_TRY(hn_graph_add_input(cx, copy, copy->value[g->in[i]->index]));
    for (size_t i = 0; i < g->out_count; i++)
        HN_TRY(hn_graph_add_output(cx, copy, copy->value[g->out[i]->index]));
    for (size_t i = 0; i < g->node_count; i++)
        HN_TRY(clone_node(cx, g->node[i], copy));
    return HN_OK;
}

hn_err hn_graph_clone(hn_ctx *cx, const hn_graph *g, hn_graph **out)
{
    hn_graph *copy;
    HN_TRY(hn_graph_new(cx, &copy));
    hn_err e = HN_OK;
    for (size_t i = 0; i < g->symbol_count && !e; i++)
        if (hn_graph_symbol(cx, copy, g->symbol[i]) == 0)
            e = HN_ENOMEM;
    if (!e)
        e = clone_into(cx, g, copy);
    if (e) {
        hn_graph_free(copy);
        return e;
    }
    *out = copy;
    return HN_OK;
}
