/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c: what every importer and pass must leave true. */
#include <string.h>

#include "graph/op.h"

static hn_err check_attrs(hn_ctx *cx, const hn_node *n)
{
    const hn_attr_spec *spec = n->op->attr;
    for (int i = 0; i < n->attr_count; i++) {
        const hn_attr *a = &n->attr[i];
        for (const hn_attr_spec *s = spec; s && s->name; s++)
            if (strcmp(s->name, a->name) == 0 && s->kind != a->kind)
                return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): attribute '%s' has the wrong kind",
                               n->name, n->op->name, a->name);
    }
    return HN_OK;
}

static hn_err check_counts(hn_ctx *cx, const hn_node *n)
{
    const hn_op *op = n->op;
    if (n->in_count < op->min_in || (op->max_in >= 0 && n->in_count > op->max_in))
        return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): takes %d to %d inputs, has %d", n->name,
                       op->name, op->min_in, op->max_in, n->in_count);
    if (n->out_count < op->min_out || (op->max_out >= 0 && n->out_count > op->max_out))
        return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): gives %d to %d outputs, has %d", n->name,
                       op->name, op->min_out, op->max_out, n->out_count);
    for (int i = 0; i < op->min_in; i++)
        if (!n->in[i])
            return hn_fail(cx, HN_EFORMAT, "node '%s' (%s): input %d is required but left out",
                           n->name, op->name, i);
    return HN_OK;
}

hn_err hn_node_verify(hn_ctx *cx, const hn_node *n)
{
    HN_TRY(check_counts(cx, n));
    return check_attrs(cx, n);
}

hn_err hn_graph_verify(hn_ctx *cx, const hn_graph *g)
{
    /* One mark per value, set once it exists: by input, by constant, by a node already passed. */
    unsigned char *made = hn_calloc(cx, g->value_count + 1, 1);
    if (!made)
        return hn_nomem(cx, "the verifier");
    hn_err e = HN_OK;

    for (size_t i = 0; i < g->value_count; i++) {
        const hn_value *v = g->value[i];
        made[i] = v->is_input || v->outer || hn_is_const(v);
    }
    for (size_t i = 0; i < g->node_count && !e; i++) {
        const hn_node *n = g->node[i];
        e = hn_node_verify(cx, n);
        for (int j = 0; j < n->in_count && !e; j++)
            if (n->in[j] && !made[n->in[j]->index])
                e = hn_fail(cx, HN_EFORMAT, "node '%s' (%s): input '%s' is used before it is made",
                            n->name, n->op->name, n->in[j]->name);
        for (int j = 0; j < n->out_count && !e; j++) {
            const hn_value *v = n->out[j];
            if (!v)
                continue;
            if (made[v->index])
                e = hn_fail(cx, HN_EFORMAT, "node '%s' (%s): output '%s' is made twice", n->name,
                            n->op->name, v->name);
            made[v->index] = 1;
        }
        for (int j = 0; j < n->attr_count && !e; j++)
            if (n->attr[j].kind == HN_ATTR_GRAPH)
                e = hn_graph_verify(cx, n->attr[j].graph);
    }
    for (size_t i = 0; i < g->out_count && !e; i++)
        if (!made[g->out[i]->index])
            e = hn_fail(cx, HN_EFORMAT, "graph output '%s' is made by no node", g->out[i]->name);
    hn_free(cx, made);
    return e;
}
