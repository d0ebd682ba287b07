/* SPDX-License-Identifier: Apache-2.0 */
/* planfile_write.c: what a compiler found out, as bytes. */
#include <string.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "base/file.h"
#include "base/num.h"
#include "formats/planfile.h"
#include "graph/op.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "plan files are little-endian and used in place");

typedef struct blob { const void *data; size_t bytes; uint64_t at, sum; } blob;

typedef struct writer {
    hn_ctx *cx;
    hn_buf tree;
    blob *blob; size_t count, cap;   /* in the order in which they lie in the file */
    uint64_t end;                    /* of the last one */
    const hn_op **op; size_t ops, op_cap;            /* operators in use, numbered as they come */
} writer;

static void put(writer *w, uint64_t v, size_t bytes) { hn_buf_add(&w->tree, &v, bytes); }
static void put_real(writer *w, float f) { hn_buf_add(&w->tree, &f, sizeof f); }

static void put_bytes(writer *w, const char *text, size_t len)
{
    put(w, len, 4);
    hn_buf_add(&w->tree, text, len);
    put(w, 0, 1);
}

static void put_text(writer *w, const char *text) { put_bytes(w, text ? text : "", text ? strlen(text) : 0); }

/* The same bytes are stored once: shapes differ, their weights hardly ever. */
static hn_err put_blob(writer *w, const void *data, size_t bytes)
{
    size_t i = 0;
    uint64_t sum = hn_checksum(data, bytes);
    while (i < w->count && (w->blob[i].sum != sum || w->blob[i].bytes != bytes ||
                            memcmp(w->blob[i].data, data, bytes) != 0))
        i++;
    if (i == w->count) {
        if (!hn_grow(w->cx, &w->blob, w->count, &w->cap, sizeof *w->blob))
            return hn_nomem(w->cx, "a plan file");
        uint64_t at = (w->end + HN_PLANFILE_ALIGN - 1) / HN_PLANFILE_ALIGN * HN_PLANFILE_ALIGN;
        w->blob[w->count++] = (blob){ data, bytes, at, sum };
        w->end = at + bytes;
    }
    put(w, w->blob[i].at, 8);
    put(w, bytes, 8);
    put(w, sum, 8);
    return HN_OK;
}

static void put_shape(writer *w, const hn_shape *s)
{
    put(w, (uint64_t)(int64_t)s->rank, 1);
    for (int i = 0; i < s->rank; i++)
        put(w, (uint64_t)s->dim[i], 8);
}

/* ---- Graphs ------------------------------------------------------------------------------------ */

static hn_err put_data(writer *w, const hn_tensor *t)
{
    const hn_text *text = t->data;
    if (hn_is_list(t->dtype))
        return hn_fail(w->cx, HN_EUNSUP, "unsupported: a constant that is %s, in a plan file", hn_dtype_name(t->dtype));
    if (hn_dtype_class(t->dtype) != HN_CLASS_S)
        return put_blob(w, t->data, hn_bytes(t));
    for (size_t i = 0; i < hn_count(t); i++)
        put_bytes(w, text[i].ptr, text[i].len);
    return HN_OK;
}

static hn_err put_tensor(writer *w, const hn_tensor *t)
{
    put(w, (uint64_t)t->dtype, 1);
    put_shape(w, &t->shape);
    return put_data(w, t);
}

static hn_err put_value(writer *w, const hn_value *v, const uint32_t *number, bool absent, bool of_root)
{
    bool constant = hn_is_const(v) && !v->outer;
    put_text(w, v->name);
    put(w, v->outer ? number[v->outer->index] : 0, 4);
    put(w, constant && absent ? HN_PLANFILE_ABSENT : constant ? HN_PLANFILE_CONST : HN_PLANFILE_MADE, 1);
    put(w, (uint64_t)v->t.dtype, 1);
    /* Names of dimensions mean something at the door; behind it they are found again. */
    hn_shape s = v->t.shape;
    if (!constant && !hn_shape_known(&s) && !(of_root && v->is_input))
        s.rank = -1;
    put_shape(w, &s);
    return constant && !absent ? put_data(w, &v->t) : HN_OK;
}

static void put_ports(writer *w, hn_value *const *v, size_t count, const uint32_t *number)
{
    put(w, count, 4);
    for (size_t i = 0; i < count; i++)
        put(w, v[i] ? number[v[i]->index] : 0, 4);
}

static hn_err put_graph(writer *w, const hn_graph *g, const uint32_t *outer, const uint32_t *spared);

static hn_err put_attr(writer *w, const hn_attr *a, const uint32_t *number)
{
    put_text(w, a->name);
    put(w, a->kind, 1);
    switch (a->kind) {
    case HN_ATTR_INT:    put(w, (uint64_t)a->i, 8); break;
    case HN_ATTR_FLOAT:  put_real(w, a->f); break;
    case HN_ATTR_TEXT:   put_bytes(w, a->text.ptr, a->text.len); break;
    case HN_ATTR_TENSOR: return put_tensor(w, &a->tensor);
    case HN_ATTR_GRAPH:  return put_graph(w, a->graph, number, NULL);
    case HN_ATTR_INTS: case HN_ATTR_FLOATS: case HN_ATTR_TEXTS:
        put(w, a->list.count, 4);
        for (size_t i = 0; i < a->list.count; i++) {
            if (a->kind == HN_ATTR_INTS) put(w, (uint64_t)a->list.i[i], 8);
            if (a->kind == HN_ATTR_FLOATS) put_real(w, a->list.f[i]);
            if (a->kind == HN_ATTR_TEXTS) put_bytes(w, a->list.text[i].ptr, a->list.text[i].len);
        }
        break;
    }
    return HN_OK;
}

static hn_err put_node(writer *w, const hn_node *n, const uint32_t *number)
{
    size_t op = 0;
    while (op < w->ops && w->op[op] != n->op)
        op++;
    put_text(w, n->name);
    put(w, op, 2);
    if (op == w->ops) {              /* named where it is met first */
        if (!hn_grow(w->cx, &w->op, w->ops, &w->op_cap, sizeof *w->op))
            return hn_nomem(w->cx, "a plan file");
        w->op[w->ops++] = n->op;
        put_text(w, n->op->domain);
        put_text(w, n->op->name);
    }
    put_ports(w, n->in, (size_t)n->in_count, number);
    put_ports(w, n->out, (size_t)n->out_count, number);
    put(w, n->act.kind, 1);
    put_real(w, n->act.a);
    put_real(w, n->act.b);
    put(w, (uint64_t)n->attr_count, 4);
    for (int i = 0; i < n->attr_count; i++)
        HN_TRY(put_attr(w, &n->attr[i], number));
    return HN_OK;
}

/* Values that anything refers to, numbered from 1; what passes left behind gets 0 and is not stored. */
static uint32_t number_values(const hn_graph *g, uint32_t *number)
{
    uint32_t next = 0;
    for (size_t i = 0; i < g->in_count; i++)
        number[g->in[i]->index] = 1;
    for (size_t i = 0; i < g->out_count; i++)
        number[g->out[i]->index] = 1;
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        for (int j = 0; j < n->in_count + n->out_count; j++) {
            const hn_value *v = j < n->in_count ? n->in[j] : n->out[j - n->in_count];
            if (v)
                number[v->index] = 1;
        }
        for (int j = 0; j < n->attr_count; j++)
            for (size_t k = 0; n->attr[j].kind == HN_ATTR_GRAPH && k < n->attr[j].graph->value_count; k++)
                if (n->attr[j].graph->value[k]->outer)
                    number[n->attr[j].graph->value[k]->outer->index] = 1;
    }
    for (size_t i = 0; g->parent && i < g->value_count; i++)
        if (g->value[i]->outer)
            number[i] = 1;
    for (size_t i = 0; i < g->value_count; i++)
        number[i] = number[i] ? ++next : 0;
    return next;
}

/* Names of dimensions as far as inputs use them. */
static void put_symbols(writer *w, const hn_graph *g)
{
    size_t count = 0;
    for (size_t i = 0; i < g->in_count; i++)
        for (int j = 0; j < g->in[i]->t.shape.rank; j++)
            if (hn_is_symbol(g->in[i]->t.shape.dim[j]))
                count = hn_max(count, (size_t)(g->in[i]->t.shape.dim[j] - HN_SYMBOL) + 1);
    put(w, count, 4);
    for (size_t i = 0; i < count; i++)
        put_text(w, g->symbol[i]);
}

/* outer: numbers of the values around a body; spared: what may be left out, or NULL. */
static hn_err put_graph(writer *w, const hn_graph *g, const uint32_t *outer, const uint32_t *spared)
{
    uint32_t *number = hn_calloc(w->cx, 2 * g->value_count + 1, sizeof *number), *uses = number + g->value_count;
    if (!number)
        return hn_nomem(w->cx, "a plan file");
    hn_graph_count_uses(g, uses);
    put_text(w, g->name);
    put_symbols(w, g);
    put(w, g->meta_count, 4);
    for (size_t i = 0; i < g->meta_count; i++) {
        put_text(w, g->meta[i].key);
        put_text(w, g->meta[i].text);
    }
    put(w, number_values(g, number), 4);
    hn_err e = HN_OK;
    for (size_t i = 0; i < g->value_count && !e; i++) {
        const hn_value *v = g->value[i];
        bool absent = spared && hn_is_const(v) && spared[i] && spared[i] == uses[i];
        if (number[i])
            e = put_value(w, v, outer, absent, !g->parent);
    }
    put_ports(w, g->in, g->in_count, number);
    put_ports(w, g->out, g->out_count, number);
    put(w, g->node_count, 4);
    for (size_t i = 0; i < g->node_count && !e; i++)
        e = put_node(w, g->node[i], number);
    hn_free(w->cx, number);
    return e;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static hn_err put_build(writer *w, const hn_planfile_build *b, size_t graph)
{
    put(w, graph, 4);
    put(w, b->b.graph->node_count, 4);
    for (size_t i = 0; i < b->b.graph->node_count; i++) {
        put_text(w, b->b.choice[i].impl);
        put(w, b->b.choice[i].variant, 4);
        put(w, b->b.choice[i].alone, 1);
    }
    put(w, b->b.pack_count, 4);
    for (size_t i = 0; i < b->b.pack_count; i++)
        HN_TRY(put_blob(w, b->b.pack[i].data, b->b.pack[i].bytes));
    return HN_OK;
}

/* Graphs first: the model's own, unless a build's is the model's; then one for each build. */
static hn_err put_tree(writer *w, const hn_planfile_parts *p, hn_planfile_report *r)
{
    size_t own = p->graph != p->build[0].b.graph;
    put(w, own + p->build_count, 4);
    if (own)
        HN_TRY(put_graph(w, p->graph, NULL, NULL));
    for (size_t i = 0; i < p->build_count; i++)
        HN_TRY(put_graph(w, p->build[i].b.graph, NULL, p->keep ? NULL : p->build[i].spared));
    for (size_t i = 0; i < w->count; i++)
        r->constant_bytes += w->blob[i].bytes;
    put(w, p->build_count, 4);
    for (size_t i = 0; i < p->build_count; i++)
        HN_TRY(put_build(w, &p->build[i], own + i));
    put(w, p->range_count, 4);
    for (size_t i = 0; i < p->range_count; i++) {
        put_text(w, p->range[i].dim);
        put(w, (uint64_t)p->range[i].min, 8);
        put(w, (uint64_t)p->range[i].max, 8);
    }
    for (size_t i = 0; i < w->count; i++)
        r->packed_bytes += w->blob[i].bytes;
    r->packed_bytes -= r->constant_bytes;
    return hn_buf_ok(&w->tree, "a plan file");
}

static void set(char *header, size_t at, uint64_t v, size_t bytes) { memcpy(header + at, &v, bytes); }
static void set_text(char *header, size_t at, size_t room, const char *text)
{
    memcpy(header + at, text, hn_min(strlen(text), room - 1));
}

/* A name too long for its field is left out: the plan then cannot point at it. */
static hn_err make_header(hn_ctx *cx, const writer *w, const hn_planfile_parts *p, char *h)
{
    const char *name = p->source + hn_path_dir_len(p->source);
    hn_file f;
    HN_TRY(hn_file_open(cx, p->source, &f));
    set(h, HN_PLANFILE_AT_SOURCE_SUM, hn_checksum(f.data, f.len), 8);
    set(h, HN_PLANFILE_AT_SOURCE_LEN, f.len, 8);
    hn_file_close(&f);
    memcpy(h + HN_PLANFILE_AT_MAGIC, HN_PLANFILE_MAGIC, 8);
    set(h, HN_PLANFILE_AT_VERSION, HN_PLANFILE_VERSION, 4);
    set_text(h, HN_PLANFILE_AT_ENGINE, 32, hn_engine_id());
    set_text(h, HN_PLANFILE_AT_ISA, 16, p->build[0].b.isa);
    set_text(h, HN_PLANFILE_AT_MACHINE, 16, hn_machine_name());
    if (strlen(name) < HN_PLANFILE_AT_SOURCE_SUM - HN_PLANFILE_AT_SOURCE)
        set_text(h, HN_PLANFILE_AT_SOURCE, HN_PLANFILE_AT_SOURCE_SUM - HN_PLANFILE_AT_SOURCE, name);
    set(h, HN_PLANFILE_AT_LEN, w->end + w->tree.len, 8);
    set(h, HN_PLANFILE_AT_TREE, w->end, 8);
    set(h, HN_PLANFILE_AT_TREE_SUM, hn_checksum(w->tree.data, w->tree.len), 8);
    set(h, HN_PLANFILE_AT_SUM, hn_checksum(h, HN_PLANFILE_AT_SUM), 8);
    return HN_OK;
}

static hn_err save(writer *w, const char *path, const char *header)
{
    static const char zeros[HN_PLANFILE_ALIGN] = { 0 };
    hn_file_out f = { 0 };
    HN_TRY(hn_file_out_open(w->cx, path, &f));
    hn_err e = hn_file_out_add(w->cx, &f, header, HN_PLANFILE_HEADER);
    for (size_t i = 0; i < w->count && !e; i++) {
        e = hn_file_out_add(w->cx, &f, zeros, (size_t)(w->blob[i].at - f.len));
        if (!e)
            e = hn_file_out_add(w->cx, &f, w->blob[i].data, w->blob[i].bytes);
    }
    if (!e)
        e = hn_file_out_add(w->cx, &f, w->tree.data, w->tree.len);
    if (!e)
        return hn_file_out_finish(w->cx, &f);
    hn_file_out_drop(&f);
    return e;
}

hn_err hn_planfile_write(hn_ctx *cx, const char *path, const hn_planfile_parts *parts, hn_planfile_report *report)
{
    writer w = { .cx = cx, .tree = { .cx = cx }, .end = HN_PLANFILE_HEADER };
    char header[HN_PLANFILE_HEADER] = { 0 };
    hn_planfile_report r = { 0 };
    hn_err e = put_tree(&w, parts, &r);
    if (!e)
        e = make_header(cx, &w, parts, header);
    if (!e)
        e = save(&w, path, header);
    r.bytes = w.end + w.tree.len;
    if (!e)
        *report = r;
    hn_buf_free(&w.tree);
    hn_free(cx, w.blob);
    hn_free(cx, w.op);
    return e;
}
