/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_graph.c: a GraphProto, the model's own or a body's, into an hn_graph. */
#include <string.h>

#include "formats/onnx.h"

/* GraphProto's fields. */
#define NODE        HN_PB(1, LEN)
#define NAME        HN_PB(2, LEN)
#define INITIALISER HN_PB(5, LEN)
#define INPUT       HN_PB(11, LEN)
#define OUTPUT      HN_PB(12, LEN)
#define SPARSE      HN_PB(15, LEN)

static int shown(hn_text t) { return t.len > 80 ? 80 : (int)t.len; }

/* ---- Names --------------------------------------------------------------------------- */

void hn_onnx_scope_init(hn_onnx *r, hn_onnx_scope *s, hn_graph *g, hn_onnx_scope *outer)
{
    *s = (hn_onnx_scope){ .g = g, .outer = outer, .prefix = "" };
    hn_names_init(&s->value, r->scratch);
    if (outer) {
        s->opsets = outer->opsets;
        s->depth = outer->depth + 1;
        s->prefix = outer->prefix;
        s->arg = outer->arg;
        s->arg_count = outer->arg_count;
    }
}

hn_err hn_onnx_bind(hn_onnx *r, hn_onnx_scope *scope, hn_text name, hn_value *v)
{
    if (hn_names_get(&scope->value, name))
        return hn_fail(r->cx, HN_EFORMAT, "the value '%.*s' is made twice", shown(name), name.ptr);
    return hn_names_put(&scope->value, name, v) ? HN_OK : hn_nomem(r->cx, "a value's name");
}

/* A value of the enclosing graph as one of this graph: constants are shared, others linked. */
static hn_err bring_in(hn_onnx *r, hn_onnx_scope *scope, hn_text name, hn_value *from, hn_value **out)
{
    if (hn_is_const(from))
        HN_TRY(hn_graph_add_const(r->cx, scope->g, from->name, &from->t, out));
    else {
        HN_TRY(hn_graph_add_value(r->cx, scope->g, from->name, out));
        (*out)->outer = from;
        (*out)->t.dtype = from->t.dtype;
        (*out)->t.shape = from->t.shape;
    }
    return hn_onnx_bind(r, scope, name, *out);
}

hn_err hn_onnx_find(hn_onnx *r, hn_onnx_scope *scope, hn_text name, hn_value **out)
{
    hn_onnx_scope *path[HN_ONNX_DEPTH_MAX + 2];
    int depth = 0;
    hn_value *v = NULL;

    for (hn_onnx_scope *s = scope; s && !v; s = s->outer) {
        path[depth++] = s;
        v = hn_names_get(&s->value, name);
    }
    *out = NULL;
    if (!v || v == &r->absent) {
        *out = v;
        return HN_OK;
    }
    for (depth -= 2; depth >= 0; depth--)       /* inwards, one graph at a time */
        HN_TRY(bring_in(r, path[depth], name, v, &v));
    *out = v;
    return HN_OK;
}

/* ---- Types --------------------------------------------------------------------------- */

static hn_err read_dim(hn_onnx *r, hn_graph *g, hn_pb msg, int64_t *out)
{
    hn_pb at = msg;
    hn_pb_field f;
    int64_t value = -1;
    const char *name = NULL;

    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, VARINT)) value = (int64_t)f.num;
        if (f.key == HN_PB(2, LEN) && f.len) HN_TRY(hn_onnx_text(r, r->scratch, hn_pb_text(&f), &name));
    }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a dimension");
    if (value >= 0) {                           /* some writers put -1 for "not fixed" */
        *out = value;
        return HN_OK;
    }
    *out = hn_graph_symbol(r->cx, g, name);
    return *out ? HN_OK : HN_ENOMEM;
}

static hn_err read_shape(hn_onnx *r, hn_graph *g, hn_pb msg, hn_text name, hn_shape *out)
{
    hn_pb at = msg;
    hn_pb_field f;
    out->rank = 0;
    while (hn_pb_next(&at, &f)) {
        if (f.key != HN_PB(1, LEN))
            continue;
        if (out->rank == HN_RANK_MAX)
            return hn_fail(r->cx, HN_EUNSUP, "input '%.*s' has more than %d dimensions", shown(name), name.ptr,
                           HN_RANK_MAX);
        HN_TRY(read_dim(r, g, hn_pb_inside(&f), &out->dim[out->rank]));
        out->rank++;
    }
    return at.damaged ? hn_onnx_damaged(r, &msg, "a shape") : HN_OK;
}

static hn_err read_tensor_type(hn_onnx *r, hn_graph *g, hn_pb msg, hn_text name, hn_tensor *t)
{
    hn_pb at = msg;
    hn_pb_field f;
    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, VARINT) && f.num) {
            t->dtype = hn_dtype_from_onnx((int64_t)f.num);
            if (t->dtype == HN_NONE)
                return hn_fail(r->cx, HN_EUNSUP, "input '%.*s': element type %llu is not known", shown(name),
                               name.ptr, (unsigned long long)f.num);
        }
        if (f.key == HN_PB(2, LEN))
            HN_TRY(read_shape(r, g, hn_pb_inside(&f), name, &t->shape));
    }
    return at.damaged ? hn_onnx_damaged(r, &msg, "a type") : HN_OK;
}

/* TypeProto: a tensor; an optional or a sequence, which hold another TypeProto; or one of the kinds Hone
 * has no values for. */
hn_err hn_onnx_type(hn_onnx *r, hn_graph *g, hn_pb msg, hn_text name, hn_tensor *t)
{
    static const char *const kinds[10] = { [5] = "map", [7] = "opaque value", [8] = "sparse tensor" };
    hn_pb_field f, inner;
    int outside = 0;                            /* containers around the tensor */

    for (int depth = 0; depth < 3; depth++) {
        hn_pb at = msg, next = { 0 };
        int bit = 0;
        while (hn_pb_next(&at, &f)) {
            uint32_t number = f.key >> 3;
            if (f.key == HN_PB(1, LEN))
                HN_TRY(read_tensor_type(r, g, hn_pb_inside(&f), name, t));
            else if (f.key == HN_PB(4, LEN) || f.key == HN_PB(9, LEN)) {
                bit = number == 4 ? HN_SEQ : HN_OPT;
                for (hn_pb elem = hn_pb_inside(&f); hn_pb_next(&elem, &inner);)
                    if (inner.key == HN_PB(1, LEN))
                        next = hn_pb_inside(&inner);
            } else if (number < 10 && kinds[number])
                return hn_fail(r->cx, HN_EUNSUP, "input '%.*s' is a %s; Hone runs models on tensors", shown(name),
                               name.ptr, kinds[number]);
        }
        if (at.damaged)
            return hn_onnx_damaged(r, &msg, "a type");
        if (!bit)
            break;
        if (outside & (bit | HN_SEQ))            /* of all nestings only an optional sequence has values */
            return hn_fail(r->cx, HN_EUNSUP, "input '%.*s' is a container of containers", shown(name), name.ptr);
        outside |= bit;
        msg = next;
    }
    if (outside) {
        t->dtype = (hn_dtype)((int)t->dtype | outside);
        t->shape = (hn_shape){ .rank = 0 };
    }
    return HN_OK;
}

/* ---- Inputs and constants ------------------------------------------------------------- */

/* An input that is also an initialiser (every one of them in IR 3) is a constant. */
static hn_err read_input(hn_onnx *r, hn_pb msg, hn_onnx_scope *scope)
{
    hn_pb at = msg, type = { 0 };
    hn_pb_field f;
    hn_text name = { "", 0 };
    const char *label;
    hn_value *v;

    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, LEN)) name = hn_pb_text(&f);
        if (f.key == HN_PB(2, LEN)) type = hn_pb_inside(&f);
    }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "an input");
    hn_value *known = hn_names_get(&scope->value, name);
    if (known && hn_is_const(known))
        return HN_OK;
    if (scope->g->in_count == HN_ONNX_INPUTS_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "more than %d inputs", HN_ONNX_INPUTS_MAX);
    HN_TRY(hn_onnx_text(r, r->scratch, name, &label));
    HN_TRY(hn_graph_add_value(r->cx, scope->g, label, &v));
    HN_TRY(hn_onnx_type(r, scope->g, type, name, &v->t));
    if (v->t.dtype == HN_NONE && !scope->outer)         /* a body's are told by the node around it */
        return hn_fail(r->cx, HN_EFORMAT, "input '%.80s' has no type", label);
    HN_TRY(hn_graph_add_input(r->cx, scope->g, v));
    return hn_onnx_bind(r, scope, name, v);
}

static hn_err add_initialiser(hn_onnx *r, hn_onnx_scope *scope, hn_text name, const hn_tensor *t)
{
    const char *label;
    hn_value *v;
    HN_TRY(hn_onnx_text(r, r->scratch, name, &label));
    HN_TRY(hn_graph_add_const(r->cx, scope->g, label, t, &v));
    return hn_onnx_bind(r, scope, name, v);
}

static hn_err read_constants(hn_onnx *r, hn_pb msg, hn_onnx_scope *scope)
{
    hn_pb_field f;
    hn_tensor t;
    hn_text name;
    while (hn_pb_next(&msg, &f)) {
        if (f.key == INITIALISER)
            HN_TRY(hn_onnx_tensor(r, hn_pb_inside(&f), &t, &name));
        else if (f.key == SPARSE)
            HN_TRY(hn_onnx_sparse(r, hn_pb_inside(&f), &t, &name));
        else
            continue;
        HN_TRY(add_initialiser(r, scope, name, &t));
    }
    return HN_OK;
}

/* ---- Nodes and outputs ----------------------------------------------------------------- */

hn_err hn_onnx_nodes(hn_onnx *r, hn_pb msg, uint32_t node_key, hn_onnx_scope *scope)
{
    hn_pb at = msg;
    hn_pb_field f;
    size_t count = 0, i = 0;
    while (hn_pb_next(&at, &f))
        count += f.key == node_key;
    if (count > HN_ONNX_NODES_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "%zu nodes, over the limit of %d", count, HN_ONNX_NODES_MAX);

    hn_onnx_raw *node = HN_NEW(r->scratch, hn_onnx_raw, count);
    hn_onnx_raw **order = HN_NEW(r->scratch, hn_onnx_raw *, count);
    if (!node || !order)
        return hn_nomem(r->cx, "the nodes");
    for (at = msg; hn_pb_next(&at, &f);)
        if (f.key == node_key) {
            HN_TRY(hn_onnx_raw_read(r, hn_pb_inside(&f), i, &node[i]));
            i++;
        }
    HN_TRY(hn_onnx_order(r, node, count, order));
    for (i = 0; i < count; i++)
        HN_TRY(hn_onnx_node_add(r, scope, order[i]));
    return HN_OK;
}

static hn_err read_output(hn_onnx *r, hn_pb msg, hn_onnx_scope *scope)
{
    hn_pb at = msg;
    hn_pb_field f;
    hn_text name = { "", 0 };
    hn_value *v;
    while (hn_pb_next(&at, &f))
        if (f.key == HN_PB(1, LEN))
            name = hn_pb_text(&f);
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "an output");
    HN_TRY(hn_onnx_find(r, scope, name, &v));
    if (!v || v == &r->absent)
        return hn_fail(r->cx, HN_EFORMAT, "graph output '%.*s' is made by no node", shown(name), name.ptr);
    return hn_graph_add_output(r->cx, scope->g, v);
}

hn_err hn_onnx_graph_read(hn_onnx *r, hn_pb msg, hn_onnx_scope *scope)
{
    hn_pb at = msg;
    hn_pb_field f;

    if (scope->depth > HN_ONNX_DEPTH_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "graphs nested more than %d deep", HN_ONNX_DEPTH_MAX);
    while (hn_pb_next(&at, &f))
        if (f.key == NAME)
            HN_TRY(hn_onnx_text(r, r->arena, hn_pb_text(&f), &scope->g->name));
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a graph");

    HN_TRY(read_constants(r, msg, scope));
    for (at = msg; hn_pb_next(&at, &f);)
        if (f.key == INPUT)
            HN_TRY(read_input(r, hn_pb_inside(&f), scope));
    HN_TRY(hn_onnx_nodes(r, msg, NODE, scope));
    for (at = msg; hn_pb_next(&at, &f);)
        if (f.key == OUTPUT)
            HN_TRY(read_output(r, hn_pb_inside(&f), scope));
    return HN_OK;
}
