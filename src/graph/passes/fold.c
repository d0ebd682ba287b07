/* SPDX-License-Identifier: Apache-2.0 */
/* fold: what depends on constants alone is computed once, now. */
#include <string.h>

#include "graph/eval.h"
#include "graph/pass.h"

/* Is a node with bodies free of chance inside and of what is not constant around it? */
static bool bodies_settled(const hn_node *n)
{
    for (int i = 0; i < n->attr_count; i++) {
        const hn_graph *body = n->attr[i].kind == HN_ATTR_GRAPH ? n->attr[i].graph : NULL;
        for (size_t k = 0; body && k < body->value_count; k++)
            if (body->value[k]->outer)
                return false;               /* inference makes constants the body's own */
        for (size_t k = 0; body && k < body->node_count; k++)
            if ((body->node[k]->op->flags & (HN_OP_RANDOM | HN_OP_STATE)) || !bodies_settled(body->node[k]))
                return false;
    }
    return true;
}

static bool foldable(const hn_node *n)
{
    if ((n->op->flags & (HN_OP_RANDOM | HN_OP_STATE)) || !bodies_settled(n))
        return false;
    for (int i = 0; i < n->in_count; i++)
        if (n->in[i] && !hn_is_const(n->in[i]))
            return false;
    return true;
}

/* The node goes; its outputs stay as constants. */
static hn_err fold_node(hn_ctx *cx, hn_graph *g, hn_node *n, hn_arena *scratch)
{
    size_t ins = (size_t)n->in_count, outs = (size_t)n->out_count;
    const hn_tensor **in = HN_NEW(g->arena, const hn_tensor *, ins);
    hn_tensor *out = HN_NEW(g->arena, hn_tensor, outs);
    if (!in || !out)
        return hn_nomem(cx, "constant folding");
    for (size_t i = 0; i < ins; i++)
        in[i] = n->in[i] ? &n->in[i]->t : NULL;
    HN_TRY(hn_eval_node(cx, n, in, g->arena, scratch, out));
    for (size_t i = 0; i < outs; i++)
        if (n->out[i]) {
            n->out[i]->t = out[i];
            n->out[i]->maker = NULL;
            n->out[i]->known_count = -1;
        }
    n->out_count = 0;
    n->in_count = 0;
    return HN_OK;
}

/* Shape arithmetic that inference already followed to plain numbers. */
static hn_err settle(hn_ctx *cx, hn_graph *g, hn_node *n, bool *done)
{
    hn_value *v = n->out_count == 1 ? n->out[0] : NULL;
    *done = false;
    if (!v || v->known_count < 0 || !hn_shape_known(&v->t.shape) ||
        hn_count(&v->t) != (size_t)v->known_count)
        return HN_OK;
    for (int i = 0; i < v->known_count; i++)
        if (hn_is_symbol(v->known[i]))
            return HN_OK;
    v->t.data = hn_arena_get(g->arena, hn_bytes(&v->t) + 1, 64);
    if (!v->t.data)
        return hn_nomem(cx, "constant folding");
    hn_put_i64(&v->t, 0, (size_t)v->known_count, v->known);
    v->maker = NULL;
    n->out_count = 0;
    n->in_count = 0;
    *done = true;
    return HN_OK;
}

static hn_err fold_all(hn_ctx *cx, hn_graph *g, hn_arena *scratch, size_t *changes)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        bool done = false;
        HN_TRY(settle(cx, g, n, &done));
        if (!done && foldable(n)) {
            HN_TRY(fold_node(cx, g, n, scratch));
            hn_arena_reset(scratch);
            done = true;
        }
        if (done)
            ++*changes;
        else
            g->node[kept++] = n;
    }
    g->node_count = kept;
    return HN_OK;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    hn_arena *scratch;
    HN_TRY(hn_arena_new(cx, 0, &scratch));
    hn_err e = fold_all(cx, g, scratch, changes);
    hn_arena_free(scratch);
    return e;
}

const hn_pass hn_pass_fold = { "fold", "compute what depends on constants alone", run };
