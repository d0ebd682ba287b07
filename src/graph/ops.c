/* SPDX-License-Identifier: Apache-2.0 */
/* ops.c: the table of operators and what their infer functions share. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "graph/op.h"

#define OP(id) extern const hn_op hn_op_##id;
#include "graph/ops.def"
#undef OP

const hn_op *const hn_ops[] = {
#define OP(id) &hn_op_##id,
#include "graph/ops.def"
#undef OP
    NULL
};

const hn_op *hn_op_find(const char *domain, const char *name)
{
    bool onnx = !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
    for (const hn_op *const *op = hn_ops; *op; op++) {
        const char *d = (*op)->domain;
        if (strcmp((*op)->name, name) == 0 && (onnx ? !d : d && strcmp(d, domain) == 0))
            return *op;
    }
    return NULL;
}

static hn_err fail_at(const hn_call *c, hn_err code, const char *format, va_list args)
{
    char text[HN_MSG_MAX];
    vsnprintf(text, sizeof text, format, args);
    return hn_fail(c->cx, code, "node '%.80s' (%s): %.300s", c->node->name, c->node->op->name, text);
}

hn_err hn_bad(const hn_call *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    hn_err e = fail_at(c, HN_EFORMAT, format, args);
    va_end(args);
    return e;
}

hn_err hn_unsupported(const hn_call *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    hn_err e = fail_at(c, HN_EUNSUP, format, args);
    va_end(args);
    return e;
}

void hn_out(hn_call *c, int i, hn_dtype type, const hn_shape *shape)
{
    if (!hn_has_out(c, i))
        return;
    c->out[i]->dtype = type;
    c->out[i]->shape = *shape;
}

int64_t hn_fresh_dim(hn_call *c)
{
    int64_t d = c->graph ? hn_graph_symbol(c->cx, c->graph, NULL) : 0;
    return d ? d : HN_SYMBOL + HN_SYMBOLS_MAX - 1;
}

hn_err hn_infer_same(hn_call *c)
{
    hn_out(c, 0, c->in[0]->dtype, &c->in[0]->shape);
    return HN_OK;
}

hn_err hn_broadcast(hn_call *c, const hn_shape *a, const hn_shape *b, hn_shape *out)
{
    if (a->rank < 0 || b->rank < 0) {
        *out = (hn_shape){ .rank = -1 };
        return HN_OK;
    }
    hn_shape s = { .rank = a->rank > b->rank ? a->rank : b->rank };
    for (int i = 1; i <= s.rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        int64_t *d = &s.dim[s.rank - i];
        if (x == y || y == 1)
            *d = x;
        else if (x == 1)
            *d = y;
        else if (hn_is_symbol(x) && hn_is_symbol(y))
            *d = hn_fresh_dim(c);
        else if (hn_is_symbol(x) || hn_is_symbol(y))
            *d = hn_is_symbol(x) ? y : x;        /* the other can only be 1 or the same */
        else {
            char at[HN_SHAPE_TEXT], bt[HN_SHAPE_TEXT];
            return hn_bad(c, "shapes %s and %s do not broadcast", hn_shape_text(a, at),
                          hn_shape_text(b, bt));
        }
    }
    *out = s;
    return HN_OK;
}

hn_err hn_infer_broadcast(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    for (int i = 1; i < c->in_count; i++) {
        if (!c->in[i])
            continue;
        if (c->in[i]->dtype != c->in[0]->dtype)
            return hn_bad(c, "inputs 0 and %d differ in type: %s and %s", i,
                          hn_dtype_name(c->in[0]->dtype), hn_dtype_name(c->in[i]->dtype));
        HN_TRY(hn_broadcast(c, &s, &c->in[i]->shape, &s));
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

int hn_known(const hn_call *c, int i, int64_t *out, int cap)
{
    if (!hn_has_in(c, i))
        return -1;
    const hn_tensor *t = c->in[i];
    if (!hn_is_integer(t->dtype))          /* a float's fraction would be lost on the way */
        return -1;
    if (t->data) {
        size_t n = hn_count(t);
        if (n > (size_t)cap)
            return -1;
        hn_get_i64(t, 0, n, out);
        for (size_t k = 0; k < n; k++)      /* a number that low means "as far as it goes" anyway */
            if (hn_is_symbol(out[k]))
                out[k] = HN_SYMBOL + HN_SYMBOLS_MAX;
        return (int)n;
    }
    if (!c->in_known || c->in_known_count[i] < 0 || c->in_known_count[i] > cap)
        return -1;
    memcpy(out, c->in_known[i], (size_t)c->in_known_count[i] * sizeof *out);
    return c->in_known_count[i];
}

void hn_set_known(hn_call *c, int i, const int64_t *v, int count)
{
    if (!c->out_known || !c->graph || !hn_has_out(c, i))
        return;
    int64_t *copy = HN_NEW(c->graph->arena, int64_t, (size_t)count);
    if (!copy)
        return;                     /* less is known; nothing is wrong */
    if (count)
        memcpy(copy, v, (size_t)count * sizeof *v);
    c->out_known[i] = copy;
    c->out_known_count[i] = count;
}

hn_err hn_axis(hn_call *c, int64_t axis, int rank, int *out)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return hn_bad(c, "axis %lld is outside of rank %d", (long long)axis, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return HN_OK;
}
