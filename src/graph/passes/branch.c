/* SPDX-License-Identifier: Apache-2.0 */
/* branch: an If whose condition is known gives way to the branch it takes. */
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

/* The branch taken for certain, or NULL. */
static hn_graph *taken(const hn_node *n)
{
    bool is_if = !n->op->domain && strcmp(n->op->name, "If") == 0;
    if (!is_if || !hn_is_const(n->in[0]) || hn_count(&n->in[0]->t) != 1)
        return NULL;
    bool yes = *(const uint8_t *)n->in[0]->t.data != 0;
    const hn_attr *a = hn_attr_find(n, yes ? "then_branch" : "else_branch");
    return a && a->kind == HN_ATTR_GRAPH ? a->graph : NULL;
}

/* The branch's values become the graph's own; those that stood for values around it are replaced. */
static hn_err adopt_values(hn_ctx *cx, hn_graph *g, hn_graph *branch)
{
    for (size_t i = 0; i < branch->value_count; i++) {
        hn_value *v = branch->value[i], *place;
        if (v->outer) {
            hn_graph_replace(branch, v, v->outer);
            continue;
        }
        HN_TRY(hn_graph_add_value(cx, g, NULL, &place));
        v->index = place->index;
        g->value[v->index] = v;
    }
    return HN_OK;
}

/* Nodes of the branch, then one Identity for each output of the If; these vanish in their own pass. */
static hn_err adopt_nodes(hn_ctx *cx, hn_graph *g, const hn_node *n, hn_graph *branch)
{
    for (size_t i = 0; i < branch->node_count; i++)
        g->node[g->node_count++] = branch->node[i];
    for (int i = 0; i < n->out_count; i++)
        if (n->out[i])
            HN_TRY(hn_graph_add_node(cx, g, hn_op_find(NULL, "Identity"), NULL, &branch->out[i], 1, &n->out[i], 1,
                                     NULL, 0, NULL));
    return HN_OK;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    hn_node **old = g->node;
    size_t count = g->node_count, room = count, found = 0;
    for (size_t i = 0; i < count; i++) {
        const hn_graph *branch = taken(old[i]);
        found += branch != NULL;
        room += branch ? branch->node_count + (size_t)old[i]->out_count : 0;
    }
    if (found == 0)
        return HN_OK;
    g->node = HN_NEW(g->arena, hn_node *, room);
    if (!g->node) {
        g->node = old;
        return hn_nomem(cx, "a branch");
    }
    g->node_cap = room;
    g->node_count = 0;
    for (size_t i = 0; i < count; i++) {
        hn_graph *branch = taken(old[i]);
        if (!branch) {
            g->node[g->node_count++] = old[i];
            continue;
        }
        HN_TRY(adopt_values(cx, g, branch));
        HN_TRY(adopt_nodes(cx, g, old[i], branch));
        ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_branch = { "branch", "replace an If by the branch it takes", run };
