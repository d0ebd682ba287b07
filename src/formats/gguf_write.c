/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf_write.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/num.h"
#include "kernels/qpack.h"

enum { ALIGN = 32, ALIGN_MAX = 4096, VERSION = 3 };

typedef struct entry { const char *name; uint32_t type; hn_shape shape; uint64_t offset; size_t size; } entry;

struct hn_gguf_writer {
    hn_ctx cx;                   /* allocator */
    hn_arena *arena;             /* names, the path */
    hn_file_out out;
    hn_buf values;
    uint64_t value_count;
    entry *tensor; size_t count, cap;
    size_t at, done;             /* the tensor whose turn it is, and its bytes written */
    size_t align;
    bool begun;
};

hn_err hn_gguf_writer_new(hn_ctx *cx, const char *path, hn_gguf_writer **out)
{
    hn_gguf_writer *w = hn_calloc(cx, 1, sizeof *w);
    if (!w)
        return hn_nomem(cx, "a GGUF file");
    w->cx.env = cx->env;
    w->values.cx = &w->cx;
    w->align = ALIGN;
    hn_err e = hn_arena_new(cx, 0, &w->arena);
    const char *kept = e ? NULL : hn_arena_text(w->arena, path, strlen(path));
    if (!e)
        e = kept ? hn_file_out_open(cx, kept, &w->out) : hn_nomem(cx, "a GGUF file");
    if (e)
        hn_gguf_writer_free(w);
    else
        *out = w;
    return e;
}

void hn_gguf_writer_free(hn_gguf_writer *w)
{
    if (!w)
        return;
    hn_ctx cx = w->cx;
    hn_file_out_drop(&w->out);
    hn_buf_free(&w->values);
    hn_arena_free(w->arena);
    hn_free(&cx, w->tensor);
    hn_free(&cx, w);
}

/* ---- Values: little-endian whatever the machine -------------------------------------------------- */

static void add_number(hn_buf *b, uint64_t v, size_t bytes)
{
    uint8_t p[8];
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> 8 * i);
    hn_buf_add(b, p, bytes);
}

static void add_text(hn_buf *b, const char *s, size_t len)
{
    add_number(b, len, 8);
    hn_buf_add(b, s, len);
}

static uint32_t bits_of(float v)
{
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

static void begin(hn_gguf_writer *w, const char *key, hn_gguf_kind kind)
{
    add_text(&w->values, key, strlen(key));
    add_number(&w->values, kind, 4);
    w->value_count++;
}

static void begin_array(hn_gguf_writer *w, const char *key, hn_gguf_kind item, size_t count)
{
    begin(w, key, HN_GGUF_ARRAY);
    add_number(&w->values, item, 4);
    add_number(&w->values, count, 8);
}

void hn_gguf_put_u32(hn_gguf_writer *w, const char *key, uint32_t v)
{
    begin(w, key, HN_GGUF_U32);
    add_number(&w->values, v, 4);
}

void hn_gguf_put_f32(hn_gguf_writer *w, const char *key, float v)
{
    begin(w, key, HN_GGUF_F32);
    add_number(&w->values, bits_of(v), 4);
}

void hn_gguf_put_bool(hn_gguf_writer *w, const char *key, bool v)
{
    begin(w, key, HN_GGUF_BOOL);
    add_number(&w->values, v, 1);
}

void hn_gguf_put_text(hn_gguf_writer *w, const char *key, hn_text v)
{
    begin(w, key, HN_GGUF_TEXT);
    add_text(&w->values, v.ptr, v.len);
}

void hn_gguf_put_texts(hn_gguf_writer *w, const char *key, const hn_text *v, size_t count)
{
    begin_array(w, key, HN_GGUF_TEXT, count);
    for (size_t i = 0; i < count; i++)
        add_text(&w->values, v[i].ptr, v[i].len);
}

void hn_gguf_put_i32s(hn_gguf_writer *w, const char *key, const int32_t *v, size_t count)
{
    begin_array(w, key, HN_GGUF_I32, count);
    for (size_t i = 0; i < count; i++)
        add_number(&w->values, (uint32_t)v[i], 4);
}

void hn_gguf_put_f32s(hn_gguf_writer *w, const char *key, const float *v, size_t count)
{
    begin_array(w, key, HN_GGUF_F32, count);
    for (size_t i = 0; i < count; i++)
        add_number(&w->values, bits_of(v[i]), 4);
}

static size_t size_of(hn_gguf_kind k)
{
    static const uint8_t sizes[HN_GGUF_KIND_COUNT] = {
#define X(id, number, size, name) [number] = size,
        HN_GGUF_KINDS(X)
#undef X
    };
    return sizes[k];
}

void hn_gguf_put_value(hn_gguf_writer *w, const hn_gguf_value *v)
{
    if (v->kind == HN_GGUF_TEXT) {
        hn_gguf_put_text(w, v->key, (hn_text){ (const char *)v->data, v->count });
        return;
    }
    if (v->kind != HN_GGUF_ARRAY) {
        begin(w, v->key, v->kind);
        hn_buf_add(&w->values, v->data, size_of(v->kind));
        return;
    }
    begin_array(w, v->key, v->item, v->count);
    const uint8_t *end = v->data;                       /* of text: each its length, then its bytes */
    for (size_t i = 0; i < v->count && v->item == HN_GGUF_TEXT; i++) {
        uint64_t len = 0;
        for (int k = 0; k < 8; k++)
            len |= (uint64_t)end[k] << 8 * k;
        end += 8 + len;
    }
    hn_buf_add(&w->values, v->data, v->item == HN_GGUF_TEXT ? (size_t)(end - v->data) : v->count * size_of(v->item));
}

/* ---- Tensors --------------------------------------------------------------------------------------- */

void hn_gguf_put_alignment(hn_gguf_writer *w, uint32_t align)
{
    assert(align && align <= ALIGN_MAX && !(align & (align - 1)) && !w->count);
    w->align = align;
    hn_gguf_put_u32(w, "general.alignment", align);
}

static hn_err put_tensor(hn_ctx *cx, hn_gguf_writer *w, const char *name, hn_qtype type, const hn_shape *shape, bool panels)
{
    size_t row = shape->rank > 0 ? (size_t)shape->dim[shape->rank - 1] : 1;
    size_t rows = shape->rank > 0 ? hn_shape_product(shape, 0, shape->rank - 1) : 1;
    size_t size = panels ? hn_panels_size(type, rows, row) : hn_mul(hn_q_bytes(type, row), rows);
    uint32_t number = hn_qtype_get(type)->number;
    if (w->begun)
        return hn_fail(cx, HN_EARG, "%s: tensors are named before the first bytes", name);
    if (size == SIZE_MAX || shape->rank < 1 || shape->rank > 4)
        return hn_fail(cx, HN_EARG, "tensor '%s': rows of %zu make no whole blocks of %s", name, row,
                       hn_qtype_get(type)->name);
    if (!hn_grow(&w->cx, &w->tensor, w->count, &w->cap, sizeof *w->tensor))
        return hn_nomem(cx, "a GGUF file");
    const char *kept = hn_arena_text(w->arena, name, strlen(name));
    if (!kept)
        return hn_nomem(cx, "a GGUF file");
    const entry *last = w->count ? &w->tensor[w->count - 1] : NULL;
    uint64_t offset = last ? (last->offset + last->size + w->align - 1) / w->align * w->align : 0;
    number = panels ? HN_GGUF_PANELS + 256 * HN_PANEL_LAYOUT + number : number;
    w->tensor[w->count++] = (entry){ kept, number, *shape, offset, size };
    return HN_OK;
}

hn_err hn_gguf_put_tensor(hn_ctx *cx, hn_gguf_writer *w, const char *name, hn_qtype type, const hn_shape *shape)
{
    return put_tensor(cx, w, name, type, shape, false);
}

hn_err hn_gguf_put_panels(hn_ctx *cx, hn_gguf_writer *w, const char *name, hn_qtype type, const hn_shape *shape)
{
    return put_tensor(cx, w, name, type, shape, true);
}

static hn_err pad(hn_ctx *cx, hn_gguf_writer *w)
{
    static const char zeros[ALIGN_MAX];
    size_t over = (size_t)(w->out.len % w->align);
    return over ? hn_file_out_add(cx, &w->out, zeros, w->align - over) : HN_OK;
}

static hn_err write_head(hn_ctx *cx, hn_gguf_writer *w)
{
    hn_buf head = { .cx = &w->cx }, list = { .cx = &w->cx };
    w->begun = true;
    hn_buf_add(&head, "GGUF", 4);
    add_number(&head, VERSION, 4);
    add_number(&head, w->count, 8);
    add_number(&head, w->value_count, 8);
    for (size_t i = 0; i < w->count; i++) {
        const entry *t = &w->tensor[i];
        add_text(&list, t->name, strlen(t->name));
        add_number(&list, (uint64_t)t->shape.rank, 4);
        for (int d = t->shape.rank - 1; d >= 0; d--)
            add_number(&list, (uint64_t)t->shape.dim[d], 8);
        add_number(&list, t->type, 4);
        add_number(&list, t->offset, 8);
    }
    hn_err e = hn_buf_ok(&head, "a GGUF file");
    e = e ? e : hn_buf_ok(&w->values, "a GGUF file");
    e = e ? e : hn_buf_ok(&list, "a GGUF file");
    e = e ? e : hn_file_out_add(cx, &w->out, head.data, head.len);
    e = e || !w->values.len ? e : hn_file_out_add(cx, &w->out, w->values.data, w->values.len);
    e = e || !list.len ? e : hn_file_out_add(cx, &w->out, list.data, list.len);
    hn_buf_free(&head);
    hn_buf_free(&list);
    return e ? e : pad(cx, w);
}

hn_err hn_gguf_write(hn_ctx *cx, hn_gguf_writer *w, const void *data, size_t len)
{
    if (!w->begun)
        HN_TRY(write_head(cx, w));
    if (w->at >= w->count || len > w->tensor[w->at].size - w->done)
        return hn_fail(cx, HN_EARG, "%zu bytes too many for the tensors that were named", len);
    HN_TRY(hn_file_out_add(cx, &w->out, data, len));
    w->done += len;
    if (w->done < w->tensor[w->at].size)
        return HN_OK;
    w->done = 0;
    w->at++;
    return pad(cx, w);
}

hn_err hn_gguf_finish(hn_ctx *cx, hn_gguf_writer *w)
{
    hn_gguf *back = NULL;
    if (!w->begun)
        HN_TRY(write_head(cx, w));
    if (w->at < w->count)
        return hn_fail(cx, HN_EARG, "tensor '%s': %zu of %zu bytes were written", w->tensor[w->at].name, w->done,
                       w->tensor[w->at].size);
    HN_TRY(hn_gguf_open(cx, w->out.temp, &back));
    hn_gguf_close(back);
    return hn_file_out_finish(cx, &w->out);
}

uint64_t hn_gguf_written(const hn_gguf_writer *w) { return w->out.len; }
