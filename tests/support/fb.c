/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fb.h"

#include <assert.h>
#include <string.h>

static size_t take(fb *f, size_t bytes)
{
    size_t at = f->len = (f->len + 7) / 8 * 8;
    assert(at + bytes <= FB_SIZE);
    f->len += bytes;
    return at;
}

static void put(fb *f, size_t at, uint64_t v, size_t bytes) { memcpy(f->data + at, &v, bytes); }

void fb_start(fb *f, const char *id)
{
    memset(f, 0, sizeof *f);
    take(f, 8);
    memcpy(f->data + 4, id, 4);
}

size_t fb_table(fb *f, unsigned fields)
{
    size_t vtable = take(f, 4 + 2 * (size_t)fields), table = take(f, 8 + 8 * (size_t)fields);
    put(f, vtable, 4 + 2 * (size_t)fields, 2);
    put(f, vtable + 2, 8 + 8 * (size_t)fields, 2);
    put(f, table, table - vtable, 4);
    uint32_t root;
    memcpy(&root, f->data, 4);
    if (root == 0)
        put(f, 0, table, 4);
    return table;
}

static size_t slot(fb *f, size_t table, unsigned field)
{
    int32_t back;
    memcpy(&back, f->data + table, 4);
    put(f, table - (size_t)back + 4 + 2 * (size_t)field, 8 + 8 * (size_t)field, 2);
    return table + 8 + 8 * (size_t)field;
}

void fb_int(fb *f, size_t table, unsigned field, int64_t v) { put(f, slot(f, table, field), (uint64_t)v, 8); }

void fb_ref(fb *f, size_t table, unsigned field, size_t to)
{
    size_t at = slot(f, table, field);
    put(f, at, to - at, 4);
}

size_t fb_bytes(fb *f, const void *data, size_t count, size_t size)
{
    size_t at = take(f, 8 + count * size) + 4;       /* elements begin at a multiple of 8 */
    put(f, at, count, 4);
    if (count)
        memcpy(f->data + at + 4, data, count * size);
    return at;
}

size_t fb_refs(fb *f, size_t count)
{
    size_t at = take(f, 4 + 4 * count);
    put(f, at, count, 4);
    return at;
}

void fb_set(fb *f, size_t vector, size_t i, size_t to)
{
    size_t at = vector + 4 + 4 * i;
    put(f, at, to - at, 4);
}

/* ---- Models ---------------------------------------------------------------------------------- */

void fb_model_start(fb_model *m, const int32_t *in, size_t ins, const int32_t *out, size_t outs)
{
    fb *f = &m->f;
    memset(m, 0, sizeof *m);
    fb_start(f, "TFL3");
    m->root = fb_table(f, 5);
    fb_int(f, m->root, 0, 3);
    fb_ref(f, m->root, 1, m->codes = fb_refs(f, FB_OPERATORS));
    size_t graphs = fb_refs(f, 1);
    fb_ref(f, m->root, 2, graphs);
    fb_ref(f, m->root, 4, m->buffers = fb_refs(f, FB_TENSORS + 1));
    m->graph = fb_table(f, 4);
    fb_set(f, graphs, 0, m->graph);
    fb_ref(f, m->graph, 0, m->tensors = fb_refs(f, FB_TENSORS));
    fb_ref(f, m->graph, 1, fb_bytes(f, in, ins, 4));
    fb_ref(f, m->graph, 2, fb_bytes(f, out, outs, 4));
    fb_ref(f, m->graph, 3, m->operators = fb_refs(f, FB_OPERATORS));
    fb_set(f, m->buffers, m->buffer_count++, fb_table(f, 0));
}

void fb_model_tensor(fb_model *m, int type, const int32_t *dim, size_t rank, const void *data, size_t bytes,
                     float scale, int64_t zero)
{
    fb *f = &m->f;
    size_t t = fb_table(f, 5);
    char name[2] = { (char)('a' + m->tensor_count), 0 };
    fb_set(f, m->tensors, m->tensor_count++, t);
    fb_ref(f, t, 0, fb_bytes(f, dim, rank, 4));
    fb_int(f, t, 1, type);
    fb_ref(f, t, 3, fb_bytes(f, name, 1, 1));
    if (scale != 0) {
        size_t q = fb_table(f, 4);
        fb_ref(f, t, 4, q);
        fb_ref(f, q, 2, fb_bytes(f, &scale, 1, 4));
        fb_ref(f, q, 3, fb_bytes(f, &zero, 1, 8));
    }
    if (data) {
        size_t b = fb_table(f, 1);
        fb_int(f, t, 2, m->buffer_count);
        fb_set(f, m->buffers, m->buffer_count++, b);
        fb_ref(f, b, 0, fb_bytes(f, data, bytes, 1));
    }
}

void fb_model_operator(fb_model *m, int old_code, int code, const int32_t *in, size_t ins, const int32_t *out,
                       size_t outs, unsigned options)
{
    fb *f = &m->f;
    size_t c = m->code = fb_table(f, 4), o = m->operator = fb_table(f, 6);
    fb_set(f, m->codes, m->operator_count, c);
    fb_int(f, c, 0, old_code);
    fb_int(f, c, 3, code);
    fb_set(f, m->operators, m->operator_count, o);
    fb_int(f, o, 0, m->operator_count++);
    fb_ref(f, o, 1, fb_bytes(f, in, ins, 4));
    fb_ref(f, o, 2, fb_bytes(f, out, outs, 4));
    if (options)
        fb_ref(f, o, 4, m->options = fb_table(f, options));
}

void fb_model_custom(fb_model *m, const char *name, const void *options, size_t bytes)
{
    fb_ref(&m->f, m->code, 1, fb_bytes(&m->f, name, strlen(name), 1));
    fb_ref(&m->f, m->operator, 5, fb_bytes(&m->f, options, bytes, 1));
}

void fb_model_end(fb_model *m)
{
    while (m->tensor_count < FB_TENSORS)
        fb_model_tensor(m, 0, NULL, 0, NULL, 0, 0, 0);
    while (m->buffer_count < FB_TENSORS + 1)
        fb_set(&m->f, m->buffers, m->buffer_count++, fb_table(&m->f, 0));
    uint32_t count = m->operator_count;              /* lists may be shorter than the room for them */
    memcpy(m->f.data + m->codes, &count, 4);
    memcpy(m->f.data + m->operators, &count, 4);
}
