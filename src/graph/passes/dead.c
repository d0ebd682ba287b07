/* SPDX-License-Identifier: Apache-2.0 */
/* dead: nodes that no output depends on go. */
#include "graph/pass.h"

static void mark(const hn_value *v, unsigned char *live)
{
    if (v)
        live[v->index] = 1;
}

/* A body's use of an outer value is a use by the node that owns the body. */
static void mark_bodies(const hn_node *n, const hn_graph *owner, unsigned char *live)
{
    for (int i = 0; i < n->attr_count; i++) {
        if (n->attr[i].kind != HN_ATTR_GRAPH)
            continue;
        const hn_graph *body = n->attr[i].graph;
        for (size_t j = 0; j < body->value_count; j++) {
            const hn_value *outer = body->value[j]->outer;
            if (outer && owner->value[outer->index] == outer)
                mark(outer, live);
        }
    }
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    unsigned char *live = hn_calloc(cx, g->value_count + 1, 1);
    if (!live)
        return hn_nomem(cx, "dead code removal");
    for (size_t i = 0; i < g->out_count; i++)
        mark(g->out[i], live);

    size_t first = g->node_count;              /* kept nodes gather at the end, in order */
    for (size_t i = g->node_count; i-- > 0;) {
        hn_node *n = g->node[i];
        bool used = false;
        for (int j = 0; j < n->out_count; j++)
            used = used || (n->out[j] && live[n->out[j]->index]);
        if (!used) {
            ++*changes;
            continue;
        }
        for (int j = 0; j < n->in_count; j++)
            mark(n->in[j], live);
        mark_bodies(n, g, live);
        g->node[--first] = n;
    }
    for (size_t i = first; i < g->node_count; i++)
        g->node[i - first] = g->node[i];
    g->node_count -= first;
    hn_free(cx, live);
    return HN_OK;
}

const hn_pass hn_pass_dead = { "dead", "remove what no output depends on", run };
