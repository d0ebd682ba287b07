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

static hn_err refuse_lists(const hn_call *c)
{
    for (int i = 0; i < c->in_count && !(c->node->op->flags & HN_OP_LISTS); i++)
        if (c->in[i] && hn_is_list(c->in[i]->dtype))
            return hn_bad(c, "takes tensors, input %d is %s", i, hn_dtype_name(c->in[i]->dtype));
    return HN_OK;
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
                  .in = in, .out = outs, .outer = in + n->in_count };
    HN_TRY(refuse_lists(&c));
    if (!n->op->make) {
        HN_TRY(n->op->infer(&c));
        for (int i = 0; i < n->out_count; i++)
            if (outs[i])
                HN_TRY(allocate(cx, n, i, outs[i], memory));
    }
    c.scratch = scratch;
    c.text = memory;
    HN_TRY(n->op->make ? n->op->make(&c) : n->op->run(&c));
    if (n->act.kind != HN_ACT_NONE)
        apply_act(n->act, outs[0]);
    return HN_OK;
}

/* A node's operands: its inputs, then what its bodies use. */
static const hn_tensor **operands(const hn_node *n, const hn_tensor *value, hn_arena *memory)
{
    int outers = hn_node_outers(n, NULL);
    const hn_tensor **in = HN_NEW(memory, const hn_tensor *, (size_t)n->in_count + (size_t)outers);
    if (!in)
        return NULL;
    for (int i = 0; i < n->in_count; i++)
        in[i] = n->in[i] ? &value[n->in[i]->index] : NULL;
    if (outers == 0)
        return in;
    hn_value **outer = HN_NEW(memory, hn_value *, (size_t)outers);
    if (!outer)
        return NULL;
    hn_node_outers(n, outer);
    for (int i = 0; i < outers; i++)
        in[n->in_count + i] = &value[outer[i]->index];
    return in;
}

static hn_err eval_nodes(hn_ctx *cx, const hn_graph *g, hn_tensor *value, hn_arena *memory, hn_arena *scratch)
{
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        const hn_tensor **ins = operands(n, value, memory);
        hn_tensor *outs = HN_NEW(memory, hn_tensor, (size_t)n->out_count);
        if (!ins || !outs)
            return hn_nomem(cx, "an evaluation");
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
    if (g->hollow)
        return hn_fail(cx, HN_EUNSUP, "unsupported: evaluating a plan that holds packed weights alone; use the model it was "
                       "compiled from, or compile that with --keep");
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

/* ---- Bodies ------------------------------------------------------------------------------- */

hn_err hn_body_open(hn_call *c, const hn_attr *attr, hn_body *out)
{
    const hn_tensor *const *outer = c->outer;
    for (const hn_attr *a = c->node->attr; a != attr; a++)          /* earlier bodies' come first */
        for (size_t k = 0; a->kind == HN_ATTR_GRAPH && k < a->graph->value_count; k++)
            outer += a->graph->value[k]->outer != NULL;
    *out = (hn_body){ .cx = c->cx, .g = attr->graph, .outer = outer };
    out->value = HN_NEW(c->scratch, hn_tensor, out->g->value_count);
    if (!out->value)
        return hn_nomem(c->cx, "a body");
    HN_TRY(hn_arena_new(c->cx, 0, &out->memory));
    hn_err e = hn_arena_new(c->cx, 0, &out->scratch);
    if (e)
        hn_body_close(out);
    return e;
}

void hn_body_close(hn_body *b)
{
    hn_arena_free(b->memory);
    hn_arena_free(b->scratch);
}

hn_err hn_body_run(hn_body *b, const hn_tensor *in, hn_tensor *out)
{
    const hn_tensor *const *outer = b->outer;
    hn_arena_reset(b->memory);
    hn_arena_reset(b->scratch);
    for (size_t i = 0; i < b->g->value_count; i++) {
        const hn_value *v = b->g->value[i];
        b->value[i] = v->outer ? **outer++ : v->t;
    }
    for (size_t i = 0; i < b->g->in_count; i++)
        b->value[b->g->in[i]->index] = in[i];
    HN_TRY(eval_nodes(b->cx, b->g, b->value, b->memory, b->scratch));
    for (size_t i = 0; i < b->g->out_count; i++)
        out[i] = b->value[b->g->out[i]->index];
    return HN_OK;
}
