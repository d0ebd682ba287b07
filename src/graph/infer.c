/* SPDX-License-Identifier: Apache-2.0 */
/* infer.c: types and shapes through a whole graph. */
#include <string.h>

#include "graph/op.h"

enum { FEW = 8 };     /* operands of nearly every node; more come from the scratch arena */

static hn_err infer_node(hn_ctx *cx, hn_graph *g, const hn_node *n, hn_arena *scratch)
{
    size_t ins = (size_t)n->in_count, outs = (size_t)n->out_count;
    const hn_tensor *in_few[FEW];
    hn_tensor out_store[FEW], *out_few[FEW];
    int kin_few[FEW], kout_few[FEW];
    const int64_t *kvin_few[FEW], *kvout_few[FEW];
    bool few = ins <= FEW && outs <= FEW;

    const hn_tensor **in = few ? in_few : HN_NEW(scratch, const hn_tensor *, ins);
    hn_tensor *store = few ? out_store : HN_NEW(scratch, hn_tensor, outs);
    hn_tensor **out = few ? out_few : HN_NEW(scratch, hn_tensor *, outs);
    int *kin = few ? kin_few : HN_NEW(scratch, int, ins);
    int *kout = few ? kout_few : HN_NEW(scratch, int, outs);
    const int64_t **kvin = few ? kvin_few : HN_NEW(scratch, const int64_t *, ins);
    const int64_t **kvout = few ? kvout_few : HN_NEW(scratch, const int64_t *, outs);
    if (!in || !store || !out || !kin || !kout || !kvin || !kvout)
        return hn_nomem(cx, "shape inference");

    for (size_t i = 0; i < ins; i++) {
        const hn_value *v = n->in[i];
        in[i] = v ? &v->t : NULL;
        kin[i] = v ? v->known_count : -1;
        kvin[i] = v ? v->known : NULL;
        if (v && v->t.dtype == HN_NONE)
            return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): the type of input '%s' is not known",
                           n->name, n->op->name, v->name);
        if (v && hn_is_list(v->t.dtype) && !(n->op->flags & HN_OP_LISTS))
            return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): takes tensors, input '%s' is %s", n->name, n->op->name,
                           v->name, hn_dtype_name(v->t.dtype));
    }
    for (size_t i = 0; i < outs; i++) {
        store[i] = (hn_tensor){ .shape.rank = -1 };
        out[i] = n->out[i] ? &store[i] : NULL;
        kout[i] = -1;
        kvout[i] = NULL;
    }

    hn_call c = { .cx = cx, .node = n, .in_count = n->in_count, .out_count = n->out_count, .in = in,
                  .out = out, .graph = g, .in_known_count = kin, .in_known = kvin,
                  .out_known_count = kout, .out_known = kvout };
    HN_TRY(n->op->infer(&c));

    for (size_t i = 0; i < outs; i++) {
        hn_value *v = n->out[i];
        if (!v)
            continue;
        if (store[i].dtype == HN_NONE)
            return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): the type of output %zu cannot be told",
                           n->name, n->op->name, i);
        v->t.dtype = store[i].dtype;
        v->t.shape = store[i].shape;
        v->known_count = hn_is_integer(v->t.dtype) ? kout[i] : -1;
        v->known = kvout[i];
    }
    return HN_OK;
}

hn_err hn_graph_infer_from(hn_ctx *cx, hn_graph *g, size_t *next)
{
    hn_arena *scratch;
    HN_TRY(hn_arena_new(cx, 0, &scratch));
    hn_err e = HN_OK;
    while (*next < g->node_count && !e) {
        e = infer_node(cx, g, g->node[*next], scratch);
        *next += !e;
        hn_arena_reset(scratch);
    }
    hn_arena_free(scratch);
    return e;
}

hn_err hn_infer_body(hn_call *c, hn_graph *body)
{
    for (size_t i = 0; i < body->value_count; i++) {
        hn_value *v = body->value[i];
        if (!v->outer)
            continue;
        v->t = v->outer->t;
        v->known_count = v->outer->known_count;
        v->known = v->outer->known;
        if (hn_is_const(v->outer))          /* known by now: the body's own constant */
            v->outer = NULL;
    }
    return hn_graph_infer(c->cx, body);
}

hn_err hn_graph_infer(hn_ctx *cx, hn_graph *g)
{
    size_t first = 0;
    return hn_graph_infer_from(cx, g, &first);
}
