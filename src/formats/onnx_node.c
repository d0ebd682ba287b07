/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_node.c: a NodeProto into the graph: operands found, attributes read, functions written out,
 * what Hone does not have kept as a placeholder. */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "formats/onnx.h"

static int shown(hn_text t) { return t.len > 80 ? 80 : (int)t.len; }

/* ---- As the file has it ---------------------------------------------------------------- */

hn_err hn_onnx_raw_read(hn_onnx *r, hn_pb msg, size_t index, hn_onnx_raw *out)
{
    hn_onnx_raw n = { .msg = msg, .index = index, .name = { "", 0 }, .op = { "", 0 }, .domain = { "", 0 },
                      .overload = { "", 0 } };
    hn_pb at = msg;
    hn_pb_field f;
    while (hn_pb_next(&at, &f))
        switch (f.key) {
        case HN_PB(1, LEN): n.in_count++; break;
        case HN_PB(2, LEN): n.out_count++; break;
        case HN_PB(3, LEN): n.name = hn_pb_text(&f); break;
        case HN_PB(4, LEN): n.op = hn_pb_text(&f); break;
        case HN_PB(7, LEN): n.domain = hn_pb_text(&f); break;
        case HN_PB(8, LEN): n.overload = hn_pb_text(&f); break;
        default: break;
        }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a node");
    if (n.op.len == 0)
        return hn_fail(r->cx, HN_EFORMAT, "node %zu '%.*s' names no operator", index, shown(n.name), n.name.ptr);
    if (n.in_count > HN_ONNX_OPERANDS_MAX || n.out_count > HN_ONNX_OPERANDS_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "node %zu '%.*s' has more than %d operands", index, shown(n.name),
                       n.name.ptr, HN_ONNX_OPERANDS_MAX);
    n.in = HN_NEW(r->scratch, hn_text, n.in_count);
    n.out = HN_NEW(r->scratch, hn_text, n.out_count);
    if (!n.in || !n.out)
        return hn_nomem(r->cx, "a node");
    n.in_count = n.out_count = 0;
    for (at = msg; hn_pb_next(&at, &f);) {
        if (f.key == HN_PB(1, LEN)) n.in[n.in_count++] = hn_pb_text(&f);
        if (f.key == HN_PB(2, LEN)) n.out[n.out_count++] = hn_pb_text(&f);
    }
    *out = n;
    return HN_OK;
}

/* ---- Attributes ------------------------------------------------------------------------ */

/* AttributeProto.type; files before IR 2 leave it out, then the field that is there tells. */
enum { FLOAT = 1, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS, TENSORS, GRAPHS, SPARSE, SPARSES, TYPE };

typedef struct proto {
    hn_pb msg, nested;                /* nested: the tensor or graph */
    hn_text name, text, ref;
    int64_t type;
    int64_t i;
    float f;
} proto;

static hn_err read_proto(hn_onnx *r, hn_pb msg, proto *p)
{
    hn_pb at = msg;
    hn_pb_field f;
    int64_t guess = 0;
    *p = (proto){ .msg = msg, .name = { "", 0 }, .text = { "", 0 } };
    while (hn_pb_next(&at, &f))
        switch (f.key) {
        case HN_PB(1, LEN):     p->name = hn_pb_text(&f); break;
        case HN_PB(2, FIXED32): p->f = hn_pb_float(f.num); guess = FLOAT; break;
        case HN_PB(3, VARINT):  p->i = (int64_t)f.num; guess = INT; break;
        case HN_PB(4, LEN):     p->text = hn_pb_text(&f); guess = STRING; break;
        case HN_PB(5, LEN):     p->nested = hn_pb_inside(&f); guess = TENSOR; break;
        case HN_PB(6, LEN):     p->nested = hn_pb_inside(&f); guess = GRAPH; break;
        case HN_PB(7, FIXED32): case HN_PB(7, LEN): guess = FLOATS; break;
        case HN_PB(8, VARINT):  case HN_PB(8, LEN): guess = INTS; break;
        case HN_PB(9, LEN):     guess = STRINGS; break;
        case HN_PB(14, LEN):    p->nested = hn_pb_inside(&f); guess = TYPE; break;
        case HN_PB(20, VARINT): p->type = (int64_t)f.num; break;
        case HN_PB(21, LEN):    p->ref = hn_pb_text(&f); break;
        case HN_PB(22, LEN):    p->nested = hn_pb_inside(&f); guess = SPARSE; break;
        default: break;
        }
    if (!p->type)
        p->type = guess;
    return at.damaged ? hn_onnx_damaged(r, &msg, "an attribute") : HN_OK;
}

static hn_err read_list(hn_onnx *r, const proto *p, hn_attr *a)
{
    bool ints = p->type == INTS;
    uint32_t number = ints ? 8 : 7, wire = ints ? HN_PB_VARINT : HN_PB_FIXED32;
    size_t count = hn_pb_count(p->msg, number, wire);
    if (count == SIZE_MAX)
        return hn_onnx_damaged(r, &p->msg, "an attribute's list");
    int64_t *i = ints ? HN_NEW(r->arena, int64_t, count) : NULL;
    float *f = ints ? NULL : HN_NEW(r->arena, float, count);
    if (!i && !f)
        return hn_nomem(r->cx, "an attribute");
    hn_pb_numbers list = hn_pb_numbers_in(p->msg, number, wire);
    uint64_t v;
    for (size_t at = 0; hn_pb_number(&list, &v); at++) {
        if (ints) i[at] = (int64_t)v;
        else f[at] = hn_pb_float(v);
    }
    a->kind = ints ? HN_ATTR_INTS : HN_ATTR_FLOATS;
    a->list.i = i;
    a->list.f = f;
    a->list.count = count;
    return HN_OK;
}

static hn_err read_texts(hn_onnx *r, const proto *p, hn_attr *a)
{
    hn_pb at = p->msg;
    hn_pb_field f;
    size_t count = 0;
    while (hn_pb_next(&at, &f))
        count += f.key == HN_PB(9, LEN);
    hn_text *text = HN_NEW(r->arena, hn_text, count);
    if (!text)
        return hn_nomem(r->cx, "an attribute");
    a->kind = HN_ATTR_TEXTS;
    a->list.text = text;
    a->list.count = count;
    for (at = p->msg; hn_pb_next(&at, &f);)
        if (f.key == HN_PB(9, LEN))
            *text++ = hn_pb_text(&f);
    return HN_OK;
}

static hn_err read_body(hn_onnx *r, const proto *p, hn_onnx_scope *scope, hn_attr *a)
{
    hn_onnx_scope inner;
    a->kind = HN_ATTR_GRAPH;
    HN_TRY(hn_graph_new_body(r->cx, scope->g, &a->graph));
    hn_onnx_scope_init(r, &inner, a->graph, scope);
    return hn_onnx_graph_read(r, p->nested, &inner);
}

/* A type is kept as the number the graph has for it. */
static hn_err read_type(hn_onnx *r, const proto *p, hn_onnx_scope *scope, hn_attr *a)
{
    hn_tensor t = { .shape.rank = -1 };
    HN_TRY(hn_onnx_type(r, scope->g, p->nested, p->name, &t));
    a->kind = HN_ATTR_INT;
    a->i = t.dtype;
    return HN_OK;
}

/* *known is false for kinds the graph has no place for: they are left out and noted. */
static hn_err read_value(hn_onnx *r, const proto *p, hn_onnx_scope *scope, hn_attr *a, bool *known)
{
    *known = true;
    switch (p->type) {
    case FLOAT:  a->kind = HN_ATTR_FLOAT; a->f = p->f; return HN_OK;
    case INT:    a->kind = HN_ATTR_INT;   a->i = p->i; return HN_OK;
    case STRING: a->kind = HN_ATTR_TEXT;  a->text = p->text; return HN_OK;
    case TENSOR: a->kind = HN_ATTR_TENSOR; return hn_onnx_tensor(r, p->nested, &a->tensor, NULL);
    case SPARSE: a->kind = HN_ATTR_TENSOR; return hn_onnx_sparse(r, p->nested, &a->tensor, NULL);
    case GRAPH:  return read_body(r, p, scope, a);
    case TYPE:   return read_type(r, p, scope, a);
    case FLOATS: case INTS: return read_list(r, p, a);
    case STRINGS: return read_texts(r, p, a);
    default:     *known = false; return HN_OK;
    }
}

static const hn_attr *find_arg(const hn_attr *arg, int count, hn_text name)
{
    for (int i = 0; i < count; i++)
        if (hn_text_is(name, arg[i].name))
            return &arg[i];
    return NULL;
}

/* Appends the attribute in msg to n, or what the function's caller gave for it. */
static hn_err read_attr(hn_onnx *r, hn_pb msg, hn_onnx_scope *scope, hn_onnx_node *n)
{
    proto p;
    bool known = true;
    hn_attr *a = &n->attr[n->attr_count];
    const char *name;

    HN_TRY(read_proto(r, msg, &p));
    HN_TRY(hn_onnx_text(r, r->arena, p.name, &name));
    if (p.ref.len) {
        const hn_attr *arg = find_arg(scope->arg, scope->arg_count, p.ref);
        if (!arg)
            return HN_OK;                         /* left out by the caller: left out here */
        *a = *arg;
    } else {
        HN_TRY(read_value(r, &p, scope, a, &known));
    }
    a->name = name;
    if (known)
        n->attr_count++;
    else
        n->odd_attr = name;
    return HN_OK;
}

static hn_err read_attrs(hn_onnx *r, hn_pb msg, uint32_t key, hn_onnx_scope *scope, hn_onnx_node *n)
{
    hn_pb at = msg;
    hn_pb_field f;
    size_t count = 0;
    while (hn_pb_next(&at, &f))
        count += f.key == key;
    if (count > HN_ONNX_OPERANDS_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "node '%.80s' has more than %d attributes", n->name, HN_ONNX_OPERANDS_MAX);
    n->attr_cap = (int)count + HN_ONNX_SPARE;
    n->attr = HN_NEW(r->arena, hn_attr, (size_t)n->attr_cap);
    if (!n->attr)
        return hn_nomem(r->cx, "attributes");
    for (at = msg; hn_pb_next(&at, &f);)
        if (f.key == key)
            HN_TRY(read_attr(r, hn_pb_inside(&f), scope, n));
    return HN_OK;
}

/* ---- Functions written out --------------------------------------------------------------- */

/* The caller's attributes, then the function's defaults for those it left out. */
static hn_err bind_args(hn_onnx *r, hn_pb fn, const hn_onnx_node *call, hn_onnx_scope *outer, hn_onnx_scope *inner)
{
    hn_onnx_node defaults = { .name = call->name };
    HN_TRY(read_attrs(r, fn, HN_PB(11, LEN), outer, &defaults));
    hn_attr *arg = HN_NEW(r->scratch, hn_attr, (size_t)call->attr_count + (size_t)defaults.attr_count);
    if (!arg)
        return hn_nomem(r->cx, "a function's attributes");
    int count = 0;
    for (int i = 0; i < call->attr_count; i++)
        arg[count++] = call->attr[i];
    for (int i = 0; i < defaults.attr_count; i++)
        arg[count++] = defaults.attr[i];          /* found only when the caller gave none */
    inner->arg = arg;
    inner->arg_count = count;
    return HN_OK;
}

static hn_err bind_inputs(hn_onnx *r, hn_pb fn, const hn_onnx_node *call, hn_onnx_scope *inner)
{
    hn_pb_field f;
    int i = 0;
    while (hn_pb_next(&fn, &f))
        if (f.key == HN_PB(4, LEN)) {
            hn_value *v = i < call->in_count && call->in[i] ? call->in[i] : &r->absent;
            HN_TRY(hn_onnx_bind(r, inner, hn_pb_text(&f), v));
            i++;
        }
    if (i < call->in_count)
        return hn_fail(r->cx, HN_EFORMAT, "node '%.80s': the function %.80s takes %d inputs, the node has %d",
                       call->name, call->op, i, call->in_count);
    return HN_OK;
}

static hn_err bind_outputs(hn_onnx *r, hn_pb fn, const hn_onnx_raw *raw, hn_onnx_scope *inner, hn_onnx_scope *outer)
{
    hn_pb_field f;
    size_t i = 0;
    while (i < raw->out_count && hn_pb_next(&fn, &f)) {
        hn_value *v;
        if (f.key != HN_PB(5, LEN))
            continue;
        hn_text name = raw->out[i++];
        if (!name.len)
            continue;
        HN_TRY(hn_onnx_find(r, inner, hn_pb_text(&f), &v));
        if (!v || v == &r->absent)
            return hn_fail(r->cx, HN_EFORMAT, "function %.*s does not make its output '%.*s'", shown(raw->op),
                           raw->op.ptr, shown(hn_pb_text(&f)), (const char *)f.ptr);
        if (v->maker)                             /* not an input passed through */
            HN_TRY(hn_onnx_text(r, r->arena, name, &v->name));
        HN_TRY(hn_onnx_bind(r, outer, name, v));
    }
    return HN_OK;
}

static hn_err write_out(hn_onnx *r, hn_pb fn, const hn_onnx_raw *raw, const hn_onnx_node *call, hn_onnx_scope *scope)
{
    hn_onnx_scope inner;
    hn_onnx_opsets opsets;

    if (scope->depth == HN_ONNX_DEPTH_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "function %.80s: calls nested more than %d deep", call->op, HN_ONNX_DEPTH_MAX);
    HN_TRY(hn_onnx_opsets_read(r, fn, HN_PB(9, LEN), &opsets));
    if (!opsets.onnx)
        opsets.onnx = scope->opsets->onnx;
    hn_onnx_scope_init(r, &inner, scope->g, NULL);
    inner.depth = scope->depth + 1;
    inner.opsets = &opsets;
    inner.prefix = hn_arena_printf(r->scratch, "%s%.80s/", scope->prefix, *call->name ? call->name : call->op);
    if (!inner.prefix)
        return hn_nomem(r->cx, "a function");
    HN_TRY(bind_args(r, fn, call, scope, &inner));
    HN_TRY(bind_inputs(r, fn, call, &inner));
    HN_TRY(hn_onnx_nodes(r, fn, HN_PB(7, LEN), &inner));
    return bind_outputs(r, fn, raw, &inner, scope);
}

/* ---- Into the graph ---------------------------------------------------------------------- */

static hn_err add_stand_in(hn_onnx *r, hn_graph *g, const hn_onnx_node *n, const char *why)
{
    return hn_placeholder_add(r->cx, &r->placeholders, g, &(hn_placeholder){
        .op = n->op, .domain = n->domain, .name = n->name, .why = why, .in = n->in, .in_count = n->in_count,
        .out = n->out, .out_count = n->out_count, .attr = n->attr, .attr_count = n->attr_count });
}

hn_err hn_onnx_emit(hn_onnx *r, hn_graph *g, const hn_onnx_node *node)
{
    hn_onnx_node n = *node;
    const hn_op *op = hn_op_find(n.domain, n.op);
    while (n.in_count > 0 && !n.in[n.in_count - 1])       /* left out at the end: not there */
        n.in_count--;
    while (n.out_count > 0 && !n.out[n.out_count - 1])
        n.out_count--;
    if (!op)
        return add_stand_in(r, g, &n, "no such operator");
    if (n.odd_attr) {
        char why[128];
        snprintf(why, sizeof why, "attribute '%.60s' is of a kind that is not supported", n.odd_attr);
        return add_stand_in(r, g, &n, why);
    }
    hn_node *made;
    HN_TRY(hn_graph_add_node(r->cx, g, op, n.name, n.in, n.in_count, n.out, n.out_count, n.attr, n.attr_count, &made));
    return hn_node_verify(r->cx, made);       /* now: an upgrade further on may infer what it gives */
}

/* A Constant node is a constant: seven ways to write one tensor. */
static hn_err add_constant(hn_onnx *r, hn_onnx_scope *scope, const hn_onnx_node *n, const hn_onnx_raw *raw)
{
    const hn_attr *a = n->attr;
    hn_tensor t = { 0 };
    const char *name;
    hn_value *v;

    if (n->attr_count != 1 || raw->out_count != 1)
        return hn_fail(r->cx, HN_EFORMAT, "node '%.80s' (Constant): expected one value and one output", n->name);
    bool list = a->kind == HN_ATTR_INTS || a->kind == HN_ATTR_FLOATS || a->kind == HN_ATTR_TEXTS;
    switch (a->kind) {
    case HN_ATTR_TENSOR: t = a->tensor; break;
    case HN_ATTR_INT:    t = (hn_tensor){ .dtype = HN_I64, .data = (void *)(uintptr_t)&a->i }; break;
    case HN_ATTR_FLOAT:  t = (hn_tensor){ .dtype = HN_F32, .data = (void *)(uintptr_t)&a->f }; break;
    case HN_ATTR_TEXT:   t = (hn_tensor){ .dtype = HN_STR, .data = (void *)(uintptr_t)&a->text }; break;
    case HN_ATTR_INTS:   t = (hn_tensor){ .dtype = HN_I64, .data = (void *)(uintptr_t)a->list.i }; break;
    case HN_ATTR_FLOATS: t = (hn_tensor){ .dtype = HN_F32, .data = (void *)(uintptr_t)a->list.f }; break;
    case HN_ATTR_TEXTS:  t = (hn_tensor){ .dtype = HN_STR, .data = (void *)(uintptr_t)a->list.text }; break;
    case HN_ATTR_GRAPH:
        return hn_fail(r->cx, HN_EFORMAT, "node '%.80s' (Constant): a graph is no constant", n->name);
    }
    if (list)
        t.shape = (hn_shape){ .rank = 1, .dim = { (int64_t)a->list.count } };
    HN_TRY(hn_onnx_text(r, r->scratch, raw->out[0], &name));
    HN_TRY(hn_graph_add_const(r->cx, scope->g, name, &t, &v));
    return hn_onnx_bind(r, scope, raw->out[0], v);
}

static hn_err find_inputs(hn_onnx *r, hn_onnx_scope *scope, const hn_onnx_raw *raw, hn_onnx_node *n)
{
    n->in_cap = (int)raw->in_count + HN_ONNX_SPARE;
    n->in = HN_NEW(r->scratch, hn_value *, (size_t)n->in_cap);
    if (!n->in)
        return hn_nomem(r->cx, "a node's inputs");
    for (size_t i = 0; i < raw->in_count; i++) {
        hn_value *v = NULL;
        if (raw->in[i].len) {
            HN_TRY(hn_onnx_find(r, scope, raw->in[i], &v));
            if (!v)
                return hn_fail(r->cx, HN_EFORMAT, "node %zu '%.80s' (%.80s): input '%.*s' is made by nothing in the graph",
                               raw->index, n->name, n->op, shown(raw->in[i]), raw->in[i].ptr);
        }
        n->in[n->in_count++] = v == &r->absent ? NULL : v;
    }
    return HN_OK;
}

static hn_err make_outputs(hn_onnx *r, hn_onnx_scope *scope, const hn_onnx_raw *raw, hn_onnx_node *n)
{
    n->out = HN_NEW(r->scratch, hn_value *, raw->out_count);
    if (!n->out)
        return hn_nomem(r->cx, "a node's outputs");
    for (size_t i = 0; i < raw->out_count; i++) {
        hn_value **v = &n->out[n->out_count++];
        const char *name;
        if (!raw->out[i].len)
            continue;
        HN_TRY(hn_onnx_text(r, r->scratch, raw->out[i], &name));
        HN_TRY(hn_graph_add_value(r->cx, scope->g, name, v));
        HN_TRY(hn_onnx_bind(r, scope, raw->out[i], *v));
    }
    return HN_OK;
}

static hn_err name_node(hn_onnx *r, const hn_onnx_scope *scope, const hn_onnx_raw *raw, hn_onnx_node *n)
{
    HN_TRY(hn_onnx_text(r, r->scratch, raw->name, &n->name));
    HN_TRY(hn_onnx_text(r, r->scratch, raw->op, &n->op));
    n->domain = "";
    if (!hn_onnx_default_domain(raw->domain))
        HN_TRY(hn_onnx_text(r, r->scratch, raw->domain, &n->domain));
    n->opset = hn_onnx_opset(scope->opsets, raw->domain);
    if (!n->opset && !*n->domain)
        return hn_fail(r->cx, HN_EFORMAT, "node %zu '%.80s' (%.80s): the model does not say which opset it speaks",
                       raw->index, n->name, n->op);
    if (*scope->prefix && *n->name) {
        n->name = hn_arena_printf(r->scratch, "%s%s", scope->prefix, n->name);
        if (!n->name)
            return hn_nomem(r->cx, "a node's name");
    }
    return HN_OK;
}

hn_err hn_onnx_node_add(hn_onnx *r, hn_onnx_scope *scope, const hn_onnx_raw *raw)
{
    hn_onnx_node n = { 0 };
    const hn_pb *fn;
    bool done = false;

    if (r->node_count++ == HN_ONNX_NODES_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "more than %d nodes once functions are written out", HN_ONNX_NODES_MAX);
    HN_TRY(name_node(r, scope, raw, &n));
    HN_TRY(find_inputs(r, scope, raw, &n));
    HN_TRY(read_attrs(r, raw->msg, HN_PB(5, LEN), scope, &n));
    HN_TRY(hn_onnx_function(r, raw, &fn));
    if (fn)
        return write_out(r, *fn, raw, &n, scope);
    if (!*n.domain && strcmp(n.op, "Constant") == 0)
        return add_constant(r, scope, &n, raw);

    HN_TRY(make_outputs(r, scope, raw, &n));
    hn_err e = *n.domain ? hn_onnx_contrib(r, scope->g, &n, &done) : hn_onnx_upgrade(r, scope->g, &n, &done);
    if (e == HN_EUNSUP)
        return add_stand_in(r, scope->g, &n, r->cx && *r->cx->msg ? r->cx->msg : hn_err_text(e));
    return e || done ? e : hn_onnx_emit(r, scope->g, &n);
}
