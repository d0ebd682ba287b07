/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/placeholder.h"

#include <string.h>

#include "graph/op.h"

typedef struct stand_in {
    hn_op op;                        /* first: an hn_op is cast back to the stand-in */
    const char *why;
} stand_in;

static hn_err infer_stand_in(hn_call *c)
{
    return hn_unsupported(c, "%s", ((const stand_in *)c->node->op)->why);
}

hn_err hn_placeholder_add(hn_ctx *cx, hn_placeholders *p, hn_graph *g, const hn_placeholder *w)
{
    hn_arena *a = p->src->graph->arena;
    stand_in *s = HN_NEW(a, stand_in, 1);
    hn_unsup *u = HN_NEW(a, hn_unsup, 1);
    hn_node *made;
    if (!s || !u)
        return hn_nomem(cx, "a placeholder");
    s->why = hn_arena_text(a, w->why, strlen(w->why));
    s->op = (hn_op){ .name = hn_arena_text(a, w->op, strlen(w->op)),
                     .domain = *w->domain ? hn_arena_text(a, w->domain, strlen(w->domain)) : NULL,
                     .max_in = -1, .max_out = -1, .infer = infer_stand_in, .run = infer_stand_in };
    if (!s->why || !s->op.name || (*w->domain && !s->op.domain))
        return hn_nomem(cx, "a placeholder");
    HN_TRY(hn_graph_add_node(cx, g, &s->op, w->name, w->in, w->in_count, w->out, w->out_count, w->attr,
                             w->attr_count, &made));
    *u = (hn_unsup){ .op = s->op.name, .domain = s->op.domain ? s->op.domain : "", .node = made->name, .why = s->why };
    if (!p->end)
        p->end = &p->src->unsup;
    *p->end = u;
    p->end = &u->next;
    p->src->unsup_count++;
    return HN_OK;
}
