/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/eval.h"

#include <string.h>

#include "base/num.h"

static void apply_act(hn_act act, hn_tensor *t)
{
    enum { CHUNK = 256 };
    double v[CHUNK];
    size_t count = hn_count(t);
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = hn_min(CHUNK, count - i);
        hn_get_f64(t, i, n, v);
        for (size_t j = 0; j < n; j++)
            v[j] = hn_act_apply(act, v[j]);
        hn_put_f64(t, i, n, v);
    }
}

static hn_err allocate(hn_ctx *cx, const hn_node *n, int i, hn_tensor *t, hn_arena *memory)
{
    if (t->dtype == HN_NONE || !hn_shape_known(&t->shape))
        return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): the shape of output %d cannot be told",
                       n->name, n->op->name, i);
    size_t bytes = hn_bytes(t);
    if (cx && cx->env && cx->env->tensor_bytes_max && bytes > cx->env->tensor_bytes_max)
        return hn_fail(cx, HN_ELIMIT, "node '%s' (%s): output %d needs %zu bytes, over the limit of %zu",
                       n->name, n->op->name, i, bytes, cx->env->tensor_bytes_max);
    t->data = hn_arena_get(memory, hn_max(bytes, 1), 64);
    return t->data ? HN_OK : hn_nomem(cx, "an operator's output");
}

hn_err hn_eval_node(hn_ctx *cx, const hn_node *n, const hn_tensor *const *in, hn_arena *memory,
                    hn_arena *scratch, hn_tensor *out)
{
    hn_tensor **outs = HN_NEW(scratch, hn_tensor *, (size_t)n->out_count);
    if (!outs)
        return hn_nomem(cx, "an operator call");
    for (int i = 0; i < n->out_count; i++) {
        out[i] = (hn_tensor){ .shape.rank = -1 };
        outs[i] = n->out[i] ? &out[i] : NULL;
    }
    hn_call c = { .cx = cx, .node = n, .in_count = n->in_count, .out_count = n->out_count,
                  .in = in, .out = outs };
    HN_TRY(n->op->infer(&c));
    for (int i = 0; i < n->out_count; i++)
        if (outs[i])
            HN_TRY(allocate(cx, n, i, outs[i], memory));
    c.scratch = scratch;
    c.text = memory;
    HN_TRY(n->op->run(&c));
    if (n->act.kind != HN_ACT_NONE)
        apply_act(n->act, outs[0]);
    return HN_OK;
}

static hn_err eval_nodes(hn_ctx *cx, const hn_graph *g, hn_tensor *value, hn_arena *memory, hn_arena *scratch)
{
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        const hn_tensor **ins = HN_NEW(memory, const hn_tensor *, (size_t)n->in_count);
        hn_tensor *outs = HN_NEW(memory, hn_tensor, (size_t)n->out_count);
        if (!ins || !outs)
            return hn_nomem(cx, "an evaluation");
        for (int j = 0; j < n->in_count; j++)
            ins[j] = n->in[j] ? &value[n->in[j]->index] : NULL;
        HN_TRY(hn_eval_node(cx, n, ins, memory, scratch, outs));
        hn_arena_reset(scratch);
        for (int j = 0; j < n->out_count; j++)
            if (n->out[j])
                value[n->out[j]->index] = outs[j];
    }
    return HN_OK;
}

hn_err hn_eval(hn_ctx *cx, const hn_graph *g, const hn_tensor *in, hn_arena *memory, hn_tensor *out)
{
    hn_tensor *value = HN_NEW(memory, hn_tensor, g->value_count);
    hn_arena *scratch;
    if (!value)
        return hn_nomem(cx, "an evaluation");
    for (size_t i = 0; i < g->value_count; i++)
        value[i] = g->value[i]->t;
    for (size_t i = 0; i < g->in_count; i++)
        value[g->in[i]->index] = in[i];

    HN_TRY(hn_arena_new(cx, 0, &scratch));
    hn_err e = eval_nodes(cx, g, value, memory, scratch);
    hn_arena_free(scratch);
    for (size_t i = 0; i < g->out_count && !e; i++)
        out[i] = value[g->out[i]->index];
    return e;
}
