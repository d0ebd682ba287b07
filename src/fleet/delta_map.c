/* SPDX-License-Identifier: Apache-2.0 */
/* delta_map.c: where a model file keeps its tensors, and what numbers they are made of. */
#include <stdlib.h>
#include <string.h>

#include "fleet/delta_impl.h"
#include "formats/format.h"
#include "formats/gguf.h"

enum { SMALLEST = 1024 };         /* bytes; smaller ones cost less as text for zstd than a segment of their own */

typedef struct map {
    hn_ctx *cx;
    hn_arena *a;
    const hn_file *f;
    hn_tensor_at *t;
    size_t count, cap;
} map;

static bool add(map *m, const char *name, const void *data, size_t size, hn_tensor_at form)
{
    uintptr_t at = (uintptr_t)data, base = (uintptr_t)m->f->data;
    if (size < SMALLEST || at < base || size > m->f->len || at - base > m->f->len - size)
        return true;
    if (!hn_grow(m->cx, &m->t, m->count, &m->cap, sizeof *m->t))
        return false;
    form.name = hn_arena_text(m->a, name, strlen(name));
    form.at = at - base;
    form.size = size;
    m->t[m->count] = form;
    return m->t[m->count++].name != NULL;
}

/* Blocks begin with their scales, except where noted. */
static hn_tensor_at form_of_block(hn_qtype q)
{
    const hn_qtype_info *info = hn_qtype_get(q);
    hn_tensor_at t = { .form = HN_FORM_BLOCK_U4, .block = info->block_size };
    switch (q) {
    case HN_QT_F32: case HN_QT_I32: case HN_QT_I64: case HN_QT_F64: t.form = HN_FORM_U32; break;
    case HN_QT_F16: case HN_QT_BF16: case HN_QT_I16: t.form = HN_FORM_U16; break;
    case HN_QT_I8: t.form = HN_FORM_U8; break;
    case HN_QT_Q8_0: t.form = HN_FORM_BLOCK_U8, t.head = 2; break;
    case HN_QT_Q4_0: case HN_QT_IQ4_NL: case HN_QT_Q5_0: t.head = 2; break;
    case HN_QT_Q4_1: case HN_QT_Q5_1: case HN_QT_Q4_K: case HN_QT_Q5_K: t.head = 4; break;
    default: break;               /* scales at the end or of 8 bits: codes among codes */
    }
    if (t.form <= HN_FORM_U32)
        t.block = 0;
    return t;
}

static hn_err map_gguf(map *m)
{
    hn_gguf *g;
    HN_TRY(hn_gguf_open_memory(m->cx, m->f->data, m->f->len, &g));
    hn_err e = HN_OK;
    for (size_t i = 0; i < g->tensor_count && !e; i++) {
        const hn_gguf_tensor *t = &g->tensors[i];
        if (!add(m, t->name, t->data, t->size, form_of_block(t->type)))
            e = hn_nomem(m->cx, "the tensors of a model");
    }
    hn_gguf_close(g);
    return e;
}

static hn_err map_graph(map *m)
{
    hn_source s = { 0 };
    hn_err e = hn_source_open_memory(m->cx, m->f->data, m->f->len, &s);
    const hn_graph *g = e ? NULL : s.graph;
    for (size_t i = 0; g && i < g->value_count && !e; i++) {
        const hn_value *v = g->value[i];
        if (!hn_is_const(v) || hn_is_list(v->t.dtype))
            continue;
        unsigned bits = hn_dtype_bits(v->t.dtype);
        hn_tensor_at t = { .form = bits == 16 ? HN_FORM_U16 : bits >= 32 ? HN_FORM_U32 : HN_FORM_U8 };
        if (bits && !add(m, v->name, v->t.data, hn_bytes(&v->t), t))
            e = hn_nomem(m->cx, "the tensors of a model");
    }
    hn_source_close(m->cx, &s);
    return e;
}

static int by_place(const void *a, const void *b)
{
    const hn_tensor_at *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

hn_err hn_tensor_map(hn_ctx *cx, const hn_file *f, hn_arena *a, hn_tensor_at **out, size_t *count)
{
    map m = { .cx = cx, .a = a, .f = f };
    size_t kept = 0;
    uint64_t end = 0;
    hn_err e = f->len == 0 ? HN_ENO : hn_gguf_probe(f->data, f->len) ? map_gguf(&m) : map_graph(&m);
    if (e && e != HN_ENOMEM) {                 /* a file whose tensors are not known is bytes */
        m.count = 0;
        e = HN_OK;
    }
    if (m.count > 1)
        qsort(m.t, m.count, sizeof *m.t, by_place);
    hn_tensor_at *list = e ? NULL : HN_NEW(a, hn_tensor_at, m.count + 1);
    for (size_t i = 0; list && i < m.count; i++) {
        hn_tensor_at *t = &m.t[i];
        size_t unit = t->form <= HN_FORM_U32 ? (size_t)1 << t->form : t->block;
        if (t->at < end || t->size % unit)
            continue;
        end = t->at + t->size;
        list[kept++] = *t;
    }
    hn_free(cx, m.t);
    if (!e && !list)
        e = hn_nomem(cx, "the tensors of a model");
    if (!e) {
        *out = list;
        *count = kept;
    }
    return e;
}
