/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a contrib node and making the nodes it becomes, for the files that rewrite. */
#ifndef HN_FORMATS_ONNX_CONTRIB_H
#define HN_FORMATS_ONNX_CONTRIB_H

#include <string.h>

#include "formats/onnx.h"

typedef struct contrib {
    hn_onnx *r;
    hn_graph *g;
    const hn_onnx_node *n;
    const char *inner;               /* the row's third column */
} contrib;

enum { INS_MAX = 8, ATTRS_MAX = 16 };

/* ---- Reading the node ------------------------------------------------------------------------ */

static inline hn_value *in(const contrib *k, int i) { return i < k->n->in_count ? k->n->in[i] : NULL; }

static inline hn_value **out(const contrib *k, int i) { return i < k->n->out_count ? &k->n->out[i] : NULL; }

static inline bool wanted(const contrib *k, int i) { return i < k->n->out_count && k->n->out[i]; }

static inline const hn_attr *attr(const contrib *k, const char *name)
{
    for (int i = 0; i < k->n->attr_count; i++)
        if (strcmp(k->n->attr[i].name, name) == 0)
            return &k->n->attr[i];
    return NULL;
}

static inline int64_t int_of(const contrib *k, const char *name, int64_t missing)
{
    const hn_attr *a = attr(k, name);
    return a && a->kind == HN_ATTR_INT ? a->i : missing;
}

static inline hn_err refuse(const contrib *k, const char *why)
{
    return hn_fail(k->r->cx, HN_EUNSUP, "%s of com.microsoft: %s", k->n->op, why);
}

static inline hn_err want(const contrib *k, int from, int to)
{
    for (int i = from; i <= to; i++)
        if (!in(k, i))
            return hn_fail(k->r->cx, HN_EFORMAT, "node '%.80s' (%s): input %d is left out", k->n->name, k->n->op, i);
    return HN_OK;
}

static inline hn_err refuse_outputs(const contrib *k, int from)
{
    for (int i = from; i < k->n->out_count; i++)
        if (k->n->out[i])
            return hn_fail(k->r->cx, HN_EUNSUP, "%s of com.microsoft: output %d", k->n->op, i);
    return HN_OK;
}

/* ---- Making nodes ---------------------------------------------------------------------------- */

static inline hn_attr an_int(const char *name, int64_t v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_INT, .i = v };
}

static inline hn_attr a_float(const char *name, float v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_FLOAT, .f = v };
}

static inline hn_attr a_text(const char *name, const char *v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_TEXT, .text = { v, strlen(v) } };
}

/* y[0] = op(x...).  y[0] NULL: a new value.  Inputs may be NULL, for left out.  What makes the node's own
 * output gets its name. */
static inline hn_err make_n(contrib *k, const char *op, hn_value **x, int ins, const hn_attr *a, int attrs,
                            hn_value **y, int outs)
{
    hn_onnx_node n = { .name = y == k->n->out ? k->n->name : "", .op = op, .domain = "", .in = x, .in_count = ins,
                       .out = y, .out_count = outs, .attr_count = attrs };
    if (attrs) {
        n.attr = HN_NEW(k->r->arena, hn_attr, (size_t)attrs);
        if (!n.attr)
            return hn_nomem(k->r->cx, "an attribute");
        memcpy(n.attr, a, (size_t)attrs * sizeof *a);
    }
    if (outs == 1 && !*y)
        HN_TRY(hn_graph_add_value(k->r->cx, k->g, "", y));
    return hn_onnx_emit(k->r, k->g, &n);
}

static inline hn_err two(contrib *k, const char *op, hn_value *a, hn_value *b, hn_value **y)
{
    return make_n(k, op, (hn_value *[]){ a, b }, 2, NULL, 0, y, 1);
}

static inline hn_err ints(const contrib *k, const int64_t *v, size_t count, hn_value **y)
{
    return hn_graph_new_const_i64(k->r->cx, k->g, "", v, count, y);
}

static inline hn_err number(const contrib *k, float v, hn_value **y)
{
    hn_shape scalar = { .rank = 0 };
    HN_TRY(hn_graph_new_const(k->r->cx, k->g, "", HN_F32, &scalar, y));
    *(float *)(*y)->t.data = v;
    return HN_OK;
}

/* Copies the attributes named in the list, which ends with NULL. */
static inline int pass_on(const contrib *k, const char *const *name, hn_attr *a)
{
    int count = 0;
    for (; *name; name++)
        if (attr(k, *name))
            a[count++] = *attr(k, *name);
    return count;
}

/* -1 when it is not known. */
static inline hn_err rank_of(const contrib *k, const hn_value *v, int *rank)
{
    if (v->t.shape.rank < 0 && !k->g->parent) {
        hn_err e = hn_graph_infer_from(k->r->cx, k->g, &k->r->inferred);
        if (e == HN_ENOMEM)
            return e;
    }
    *rank = v->t.shape.rank;
    return HN_OK;
}

hn_err hn_contrib_group_query(contrib *k);

#endif
