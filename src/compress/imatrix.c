/* SPDX-License-Identifier: Apache-2.0 */
#include "compress/imatrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "formats/gguf.h"

enum { NAME_MAX_LEN = 512 };
#define ENTRIES_MAX ((size_t)1 << 20)

static hn_err add(hn_ctx *cx, hn_imatrix *m, const char *name, size_t name_len, size_t count, float **value)
{
    if (!hn_grow(cx, &m->entry, m->count, &m->cap, sizeof *m->entry))
        return hn_nomem(cx, "an importance matrix");
    const char *kept = hn_arena_text(m->arena, name, name_len);
    *value = HN_NEW(m->arena, float, count);
    if (!kept || !*value)
        return hn_nomem(cx, "an importance matrix");
    m->entry[m->count++] = (hn_importance){ kept, *value, count };
    return HN_OK;
}

/* ---- GGUF: sums and counts ------------------------------------------------------------------------ */

static hn_err take_tensor(hn_ctx *cx, hn_imatrix *m, const hn_gguf *g, const hn_gguf_tensor *sums)
{
    static const char suffix[] = ".in_sum2";
    char counts_name[NAME_MAX_LEN + 16];
    size_t len = strlen(sums->name), base = len > sizeof suffix - 1 ? len - (sizeof suffix - 1) : 0;
    if (!base || strcmp(sums->name + base, suffix) != 0 || len > NAME_MAX_LEN)
        return HN_OK;
    memcpy(counts_name, sums->name, base);
    memcpy(counts_name + base, ".counts", sizeof ".counts");
    const hn_gguf_tensor *counts = hn_gguf_tensor_find(g, counts_name);
    size_t columns = (size_t)sums->shape.dim[sums->shape.rank - 1], all = hn_shape_count(&sums->shape);
    size_t matrices = columns ? all / columns : 0;
    if (!counts || counts->type != HN_QT_F32 || sums->type != HN_QT_F32 || !matrices ||
        hn_shape_count(&counts->shape) != matrices)
        return hn_fail(cx, HN_EFORMAT, "'%.200s' needs a '%.200s' with one float for each matrix", sums->name,
                       counts_name);
    float *value;
    HN_TRY(add(cx, m, sums->name, base, all, &value));
    for (size_t i = 0; i < all; i++) {
        float count = ((const float *)counts->data)[i / columns];
        value[i] = count > 0 ? ((const float *)sums->data)[i] / count : 1;
    }
    return HN_OK;
}

static hn_err read_gguf(hn_ctx *cx, const void *data, size_t len, hn_imatrix *m)
{
    static const uint32_t none = 0;
    const hn_text *sets;
    size_t n = 0;
    hn_gguf *g;
    HN_TRY(hn_gguf_open_memory(cx, data, len, &g));
    hn_err e = hn_gguf_u32(cx, g, "imatrix.chunk_count", &none, &m->chunks);
    e = e ? e : hn_gguf_texts(cx, g, "imatrix.datasets", false, m->arena, &sets, &n);
    if (!e && n)
        m->dataset = (hn_text){ hn_arena_text(m->arena, sets[0].ptr, sets[0].len), sets[0].len };
    for (size_t i = 0; i < g->tensor_count && !e; i++)
        e = take_tensor(cx, m, g, &g->tensors[i]);
    hn_gguf_close(g);
    return e;
}

/* ---- The older form: count, then name, calls, values ------------------------------------------------ */

typedef struct reader { hn_ctx *cx; const uint8_t *p, *end; } reader;

static hn_err get(reader *r, size_t len, const uint8_t **out)
{
    if ((size_t)(r->end - r->p) < len)
        return hn_fail(r->cx, HN_EFORMAT, "cut short: %zu bytes expected, %zu left", len, (size_t)(r->end - r->p));
    *out = r->p;
    r->p += len;
    return HN_OK;
}

static hn_err get_count(reader *r, size_t max, const char *what, size_t *out)
{
    const uint8_t *p = NULL;
    HN_TRY(get(r, 4, &p));
    uint32_t v = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    if (v == 0 || v > max)
        return hn_fail(r->cx, HN_EFORMAT, "not an importance matrix: expected 1 to %zu %s, found %u", max, what, v);
    *out = v;
    return HN_OK;
}

static hn_err read_record(reader *r, hn_imatrix *m)
{
    size_t name_len = 0, calls = 0, count = 0;
    const uint8_t *name = NULL, *values = NULL;
    float *out;
    HN_TRY(get_count(r, NAME_MAX_LEN, "letters of a name", &name_len));
    HN_TRY(get(r, name_len, &name));
    HN_TRY(get_count(r, INT32_MAX, "calls", &calls));
    HN_TRY(get_count(r, (size_t)(r->end - r->p) / 4, "values", &count));
    HN_TRY(get(r, 4 * count, &values));
    HN_TRY(add(r->cx, m, (const char *)name, name_len, count, &out));
    memcpy(out, values, 4 * count);
    for (size_t i = 0; i < count; i++)
        out[i] /= (float)calls;
    return HN_OK;
}

static hn_err read_records(hn_ctx *cx, const uint8_t *data, size_t len, hn_imatrix *m)
{
    reader r = { cx, data, data + len };
    size_t records = 0, chunks = 0, name_len = 0;
    const uint8_t *name = NULL;
    HN_TRY(get_count(&r, ENTRIES_MAX, "records", &records));
    for (size_t i = 0; i < records; i++)
        HN_TRY(read_record(&r, m));
    if (r.p == r.end)
        return HN_OK;
    HN_TRY(get_count(&r, INT32_MAX, "chunks", &chunks));
    HN_TRY(get_count(&r, 1 << 16, "letters of a data set's name", &name_len));
    HN_TRY(get(&r, name_len, &name));
    m->chunks = (uint32_t)chunks;
    m->dataset = (hn_text){ hn_arena_text(m->arena, (const char *)name, name_len), name_len };
    return HN_OK;
}

/* ---- Both ---------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const hn_importance *)a)->name, ((const hn_importance *)b)->name);
}

static hn_err check(hn_ctx *cx, const hn_imatrix *m)
{
    if (!m->count)
        return hn_fail(cx, HN_EFORMAT, "not an importance matrix: no tensor in it");
    for (size_t i = 0; i < m->count; i++) {
        const hn_importance *e = &m->entry[i];
        if (i && strcmp(e->name, m->entry[i - 1].name) == 0)
            return hn_fail(cx, HN_EFORMAT, "tensor '%.200s' is there twice", e->name);
        for (size_t k = 0; k < e->count; k++)
            if (!(e->value[k] >= 0) || isinf(e->value[k]))
                return hn_fail(cx, HN_EFORMAT, "tensor '%.200s', column %zu is worth %g", e->name, k,
                               (double)e->value[k]);
    }
    return HN_OK;
}

hn_err hn_imatrix_read(hn_ctx *cx, const void *data, size_t len, hn_imatrix *out)
{
    hn_imatrix m = { .dataset = { "", 0 } };
    HN_TRY(hn_arena_new(cx, 0, &m.arena));
    hn_err e = hn_gguf_probe(data, len) ? read_gguf(cx, data, len, &m) : read_records(cx, data, len, &m);
    if (!e && m.count)
        qsort(m.entry, m.count, sizeof *m.entry, by_name);
    if (!e && !m.dataset.ptr)
        e = hn_nomem(cx, "an importance matrix");
    if (!e)
        e = check(cx, &m);
    if (e)
        hn_imatrix_close(cx, &m);
    else
        *out = m;
    return e;
}

hn_err hn_imatrix_open(hn_ctx *cx, const char *path, hn_imatrix *out)
{
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = hn_imatrix_read(cx, f.data, f.len, out);
    hn_file_close(&f);
    if (e && cx) {
        char why[HN_MSG_MAX];
        memcpy(why, cx->msg, sizeof why);
        hn_fail(cx, e, "%.200s: %.280s", path, why);
    }
    return e;
}

void hn_imatrix_close(hn_ctx *cx, hn_imatrix *m)
{
    hn_free(cx, m->entry);
    hn_arena_free(m->arena);
    *m = (hn_imatrix){ 0 };
}

const hn_importance *hn_imatrix_find(const hn_imatrix *m, const char *name)
{
    const hn_importance key = { .name = name };
    return m->count ? bsearch(&key, m->entry, m->count, sizeof key, by_name) : NULL;
}
