/* SPDX-License-Identifier: Apache-2.0 */
/* gguf.c: opening a GGUF file, and being sure of it.
 *
 * The reader walks once from front to back.  Every length is compared with the bytes that are left
 * before it is used, and every count with the bytes its elements need at least, so that a small file
 * cannot ask for much memory.  Then names are sorted, to find repeats and to look things up, and
 * tensors are sorted by place, to find overlaps. */
#include "formats/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "kernels/qpack.h"

enum {
    KEY_MAX = 65535,              /* the format's own limit */
    NAME_MAX_BYTES = 255,         /* of a tensor; writers stop at 63 */
    DIM_MAX = 4,
    ALIGN_DEFAULT = 32, ALIGN_MIN = 8, ALIGN_MAX = 1 << 20,
    PARTS_MAX = 1024,
    VALUE_MIN = 8 + 1 + 4 + 1,    /* bytes of the smallest value: key length, key, kind, a byte */
    TENSOR_MIN = 8 + 1 + 4 + 8 + 4 + 8,
};

typedef struct hn_gguf_impl {
    hn_ctx *cx;                   /* for freeing only */
    hn_arena *arena;
    hn_file *files;               /* [file_count], empty when opened from memory */
    const hn_gguf_value **value_by_key;
    const hn_gguf_tensor **tensor_by_name;
} impl;

/* One file being read. */
typedef struct reader {
    hn_ctx *cx;
    hn_arena *arena;
    const char *path;             /* for messages */
    const uint8_t *data;
    size_t len, at;
    uint32_t version;
    size_t value_count, tensor_count;
    hn_gguf_value *values;
    hn_gguf_tensor *tensors;
} reader;

static const struct { const char *name; uint8_t size; } kinds[HN_GGUF_KIND_COUNT] = {
#define X(id, number, bytes, text) [number] = { text, bytes },
    HN_GGUF_KINDS(X)
#undef X
};

bool hn_gguf_holds(const hn_gguf *g, const void *data)
{
    for (size_t i = 0; i < g->tensor_count; i++)
        if ((uintptr_t)data - (uintptr_t)g->tensors[i].data < g->tensors[i].size)
            return true;
    return false;
}

const char *hn_gguf_kind_name(hn_gguf_kind k) { return kinds[k].name; }

bool hn_gguf_probe(const uint8_t *data, size_t len) { return len >= 4 && memcmp(data, "GGUF", 4) == 0; }

/* ---- Numbers and text ---------------------------------------------------------------------- */

static uint64_t get(const uint8_t *p, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Steps over `size` bytes and returns where they start; NULL, with a message, when they are not there. */
static const uint8_t *take(reader *r, uint64_t size, const char *what)
{
    const uint8_t *p = r->data + r->at;
    if (size > r->len - r->at) {
        hn_fail(r->cx, HN_EFORMAT, "%s: '%.80s' at byte %zu needs %" PRIu64 " bytes, the file has %zu more; is it cut short?",
                r->path, what, r->at, size, r->len - r->at);
        return NULL;
    }
    r->at += (size_t)size;
    return p;
}

static hn_err number(reader *r, size_t size, const char *what, uint64_t *out)
{
    const uint8_t *p = take(r, size, what);
    if (!p)
        return HN_EFORMAT;
    *out = get(p, size);
    return HN_OK;
}

/* A name, copied so that it ends in zero. */
static hn_err name(reader *r, size_t most, const char *what, const char **out)
{
    uint64_t len;
    HN_TRY(number(r, 8, what, &len));
    if (len == 0 || len > most)
        return hn_fail(r->cx, HN_EFORMAT, "%s: %s at byte %zu: expected 1 to %zu bytes, found %" PRIu64, r->path, what,
                       r->at - 8, most, len);
    const uint8_t *p = take(r, len, what);
    if (!p)
        return HN_EFORMAT;
    if (memchr(p, 0, (size_t)len))
        return hn_fail(r->cx, HN_EFORMAT, "%s: %s at byte %zu holds a zero byte", r->path, what, (size_t)(p - r->data));
    *out = hn_arena_text(r->arena, (const char *)p, (size_t)len);
    return *out ? HN_OK : hn_nomem(r->cx, what);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static hn_err read_kind(reader *r, const char *key, hn_gguf_kind *out)
{
    uint64_t kind;
    HN_TRY(number(r, 4, key, &kind));
    if (kind >= HN_GGUF_KIND_COUNT)
        return hn_fail(r->cx, HN_EFORMAT, "%s: '%.80s': expected a kind of value from 0 to %d, found %" PRIu64, r->path,
                       key, HN_GGUF_KIND_COUNT - 1, kind);
    *out = (hn_gguf_kind)kind;
    return HN_OK;
}

static hn_err check_bools(reader *r, const hn_gguf_value *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (v->data[i] > 1)
            return hn_fail(r->cx, HN_EFORMAT, "%s: '%.80s': expected a bool of 0 or 1, found %d", r->path, v->key,
                           v->data[i]);
    return HN_OK;
}

static hn_err read_array(reader *r, hn_gguf_value *v)
{
    uint64_t count, len;

    HN_TRY(read_kind(r, v->key, &v->item));
    if (v->item == HN_GGUF_ARRAY)
        return hn_fail(r->cx, HN_EUNSUP, "%s: '%.80s' is an array of arrays", r->path, v->key);
    HN_TRY(number(r, 8, v->key, &count));
    size_t least = v->item == HN_GGUF_TEXT ? 8 : kinds[v->item].size;
    if (count > (r->len - r->at) / least)
        return hn_fail(r->cx, HN_EFORMAT, "%s: '%.80s' says it has %" PRIu64 " elements, the file has room for %zu",
                       r->path, v->key, count, (r->len - r->at) / least);
    v->count = (size_t)count;
    v->data = r->data + r->at;
    if (v->item != HN_GGUF_TEXT) {
        r->at += v->count * least;
        return v->item == HN_GGUF_BOOL ? check_bools(r, v, v->count) : HN_OK;
    }
    for (size_t i = 0; i < v->count; i++) {
        HN_TRY(number(r, 8, v->key, &len));
        if (!take(r, len, v->key))
            return HN_EFORMAT;
    }
    return HN_OK;
}

static hn_err read_value(reader *r, hn_gguf_value *v)
{
    HN_TRY(name(r, KEY_MAX, "key", &v->key));
    HN_TRY(read_kind(r, v->key, &v->kind));
    v->item = v->kind;
    v->count = 1;
    if (v->kind == HN_GGUF_ARRAY)
        return read_array(r, v);
    uint64_t size = kinds[v->kind].size;
    if (v->kind == HN_GGUF_TEXT) {
        HN_TRY(number(r, 8, v->key, &size));
        v->count = (size_t)size;                /* kept only if as many bytes are there */
    }
    v->data = take(r, size, v->key);
    if (!v->data)
        return HN_EFORMAT;
    return v->kind == HN_GGUF_BOOL ? check_bools(r, v, 1) : HN_OK;
}

/* ---- Tensors --------------------------------------------------------------------------------- */

/* A type in panels becomes the type inside. */
static hn_err read_panels(const reader *r, hn_gguf_tensor *t, uint64_t *type)
{
    if (*type >> 16 != HN_GGUF_PANELS >> 16)
        return HN_OK;
    unsigned layout = *type >> 8 & 255;
    *type &= 255;
    hn_qtype inside = hn_qtype_from_number((uint32_t)*type);
    if (layout != HN_PANEL_LAYOUT)
        return hn_fail(r->cx, HN_EUNSUP, "%s: tensor '%s' is packed in layout %u, this program reads layout %d; pack the file "
                       "it was made from anew with hone quantize --pack", r->path, t->name, layout, HN_PANEL_LAYOUT);
    if (!inside || !hn_panel_has(inside) || t->shape.rank != 2)
        return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s': expected a matrix of a type that has panels, found type %" PRIu64
                       " with %d dimensions", r->path, t->name, *type, t->shape.rank);
    t->panels = true;
    return HN_OK;
}

/* Leaves the offset, as yet unchecked, in *offset. */
static hn_err read_tensor(reader *r, hn_gguf_tensor *t, uint64_t *offset)
{
    uint64_t rank, type, dim[DIM_MAX];

    HN_TRY(name(r, NAME_MAX_BYTES, "tensor name", &t->name));
    HN_TRY(number(r, 4, t->name, &rank));
    if (rank > DIM_MAX)
        return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s': expected at most %d dimensions, found %" PRIu64, r->path,
                       t->name, DIM_MAX, rank);
    t->shape.rank = (int)rank;
    for (int i = 0; i < (int)rank; i++) {
        HN_TRY(number(r, 8, t->name, &dim[i]));
        if (dim[i] == 0 || dim[i] > INT64_MAX)
            return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s': dimension %d is %" PRIu64, r->path, t->name, i, dim[i]);
        t->shape.dim[rank - 1 - (unsigned)i] = (int64_t)dim[i];     /* the file has the row first */
    }
    HN_TRY(number(r, 4, t->name, &type));
    HN_TRY(read_panels(r, t, &type));
    t->type = hn_qtype_from_number((uint32_t)type);
    if (t->type == HN_QT_NONE)
        return hn_fail(r->cx, HN_EUNSUP, "%s: tensor '%s' has type %" PRIu64 ", which is not known here", r->path,
                       t->name, type);
    return number(r, 8, t->name, offset);
}

static hn_err place_tensor(reader *r, hn_gguf_tensor *t, uint64_t offset, size_t start, size_t align)
{
    const hn_qtype_info *q = hn_qtype_get(t->type);
    int64_t row = t->shape.rank ? t->shape.dim[t->shape.rank - 1] : 1;

    if (row % q->block_count)
        return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s': expected rows of whole %s blocks of %u, found %" PRId64,
                       r->path, t->name, q->name, (unsigned)q->block_count, row);
    size_t count = hn_shape_count(&t->shape);
    t->size = count == SIZE_MAX ? SIZE_MAX : t->panels ? hn_panels_size(t->type, count / (size_t)row, (size_t)row)
                                           : hn_q_bytes(t->type, count);
    if (t->size == SIZE_MAX)
        return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s' is larger than this machine can address", r->path, t->name);
    if (offset % align)
        return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s': expected an offset that is a multiple of %zu, found %" PRIu64,
                       r->path, t->name, align, offset);
    size_t room = start < r->len ? r->len - start : 0;
    if (offset > room || t->size > room - offset)
        return hn_fail(r->cx, HN_EFORMAT, "%s: tensor '%s' ends %" PRIu64 " bytes into the data, which has %zu; "
                       "is the file cut short?", r->path, t->name,
                       offset > UINT64_MAX - t->size ? UINT64_MAX : offset + t->size, room);
    t->data = r->data + start + offset;
    return HN_OK;
}

static int by_place(const void *a, const void *b)
{
    const hn_gguf_tensor *x = *(hn_gguf_tensor *const *)a, *y = *(hn_gguf_tensor *const *)b;
    uintptr_t i = (uintptr_t)x->data, j = (uintptr_t)y->data;
    return i < j ? -1 : i > j;
}

static hn_err check_overlap(reader *r)
{
    hn_gguf_tensor **t = HN_NEW(r->arena, hn_gguf_tensor *, r->tensor_count);
    if (!t)
        return hn_nomem(r->cx, "tensor table");
    for (size_t i = 0; i < r->tensor_count; i++)
        t[i] = &r->tensors[i];
    qsort(t, r->tensor_count, sizeof *t, by_place);
    for (size_t i = 1; i < r->tensor_count; i++)
        if ((uintptr_t)t[i]->data - (uintptr_t)t[i - 1]->data < t[i - 1]->size)
            return hn_fail(r->cx, HN_EFORMAT, "%s: tensors '%s' and '%s' overlap", r->path, t[i - 1]->name, t[i]->name);
    return HN_OK;
}

/* ---- One file ------------------------------------------------------------------------------------ */

static hn_err read_header(reader *r)
{
    uint64_t version, tensors, values;
    if (!hn_gguf_probe(r->data, r->len))
        return hn_fail(r->cx, HN_EFORMAT, "%s: not a GGUF file: it does not start with 'GGUF'", r->path);
    r->at = 4;
    HN_TRY(number(r, 4, "version", &version));
    if (version != 0 && (version & 0xFFFF) == 0)
        return hn_fail(r->cx, HN_EUNSUP, "%s: written for big-endian machines; expected a little-endian file", r->path);
    if (version < 2 || version > 3)
        return hn_fail(r->cx, HN_EUNSUP, "%s: GGUF version %" PRIu64 "; expected 2 or 3", r->path, version);
    HN_TRY(number(r, 8, "tensor count", &tensors));
    HN_TRY(number(r, 8, "value count", &values));
    size_t left = r->len - r->at;
    if (tensors > left / TENSOR_MIN || values > left / VALUE_MIN)
        return hn_fail(r->cx, HN_EFORMAT, "%s: says it has %" PRIu64 " values and %" PRIu64 " tensors; too many for %zu bytes",
                       r->path, values, tensors, r->len);
    r->version = (uint32_t)version;
    r->tensor_count = (size_t)tensors;
    r->value_count = (size_t)values;
    r->values = HN_NEW(r->arena, hn_gguf_value, hn_max(r->value_count, 1));
    r->tensors = HN_NEW(r->arena, hn_gguf_tensor, hn_max(r->tensor_count, 1));
    return r->values && r->tensors ? HN_OK : hn_nomem(r->cx, "tables of a GGUF file");
}

/* general.alignment, or the default. */
static hn_err find_alignment(reader *r, size_t *out)
{
    *out = ALIGN_DEFAULT;
    for (size_t i = 0; i < r->value_count; i++) {
        const hn_gguf_value *v = &r->values[i];
        if (strcmp(v->key, "general.alignment") != 0)
            continue;
        uint64_t align = v->kind == HN_GGUF_U32 ? get(v->data, 4) : 0;
        if (align < ALIGN_MIN || align > ALIGN_MAX || (align & (align - 1)))
            return hn_fail(r->cx, HN_EFORMAT, "%s: general.alignment: expected a power of two from %d to %d, found %s %" PRIu64,
                           r->path, ALIGN_MIN, ALIGN_MAX, kinds[v->kind].name, align);
        *out = (size_t)align;
    }
    return HN_OK;
}

static hn_err read_file(reader *r)
{
    size_t align;
    HN_TRY(read_header(r));
    for (size_t i = 0; i < r->value_count; i++)
        HN_TRY(read_value(r, &r->values[i]));
    HN_TRY(find_alignment(r, &align));

    uint64_t *offset = HN_NEW(r->arena, uint64_t, hn_max(r->tensor_count, 1));
    if (!offset)
        return hn_nomem(r->cx, "tensor table");
    for (size_t i = 0; i < r->tensor_count; i++)
        HN_TRY(read_tensor(r, &r->tensors[i], &offset[i]));
    size_t start = hn_round_up(r->at, align);
    for (size_t i = 0; i < r->tensor_count; i++)
        HN_TRY(place_tensor(r, &r->tensors[i], offset[i], start, align));
    return check_overlap(r);
}

/* ---- Looking up ---------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(const hn_gguf_value *const *)a)->key, (*(const hn_gguf_value *const *)b)->key);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const hn_gguf_tensor *const *)a)->name, (*(const hn_gguf_tensor *const *)b)->name);
}

static hn_err build_index(hn_ctx *cx, const char *path, hn_gguf *g, impl *m)
{
    m->value_by_key = HN_NEW(m->arena, const hn_gguf_value *, hn_max(g->value_count, 1));
    m->tensor_by_name = HN_NEW(m->arena, const hn_gguf_tensor *, hn_max(g->tensor_count, 1));
    if (!m->value_by_key || !m->tensor_by_name)
        return hn_nomem(cx, "index of a GGUF file");
    for (size_t i = 0; i < g->value_count; i++)
        m->value_by_key[i] = &g->values[i];
    for (size_t i = 0; i < g->tensor_count; i++)
        m->tensor_by_name[i] = &g->tensors[i];
    qsort(m->value_by_key, g->value_count, sizeof *m->value_by_key, by_key);
    qsort(m->tensor_by_name, g->tensor_count, sizeof *m->tensor_by_name, by_name);
    for (size_t i = 1; i < g->value_count; i++)
        if (by_key(&m->value_by_key[i - 1], &m->value_by_key[i]) == 0)
            return hn_fail(cx, HN_EFORMAT, "%s: key '%.80s' appears twice", path, m->value_by_key[i]->key);
    for (size_t i = 1; i < g->tensor_count; i++)
        if (by_name(&m->tensor_by_name[i - 1], &m->tensor_by_name[i]) == 0)
            return hn_fail(cx, HN_EFORMAT, "%s: tensor '%s' appears twice", path, m->tensor_by_name[i]->name);
    return HN_OK;
}

const hn_gguf_tensor *hn_gguf_tensor_find(const hn_gguf *g, const char *wanted)
{
    const hn_gguf_tensor key = { .name = wanted }, *at = &key;
    const hn_gguf_tensor **found = bsearch(&at, g->impl->tensor_by_name, g->tensor_count, sizeof *found, by_name);
    return found ? *found : NULL;
}

const hn_gguf_value *hn_gguf_value_find(const hn_gguf *g, const char *wanted)
{
    const hn_gguf_value key = { .key = wanted }, *at = &key;
    const hn_gguf_value **found = bsearch(&at, g->impl->value_by_key, g->value_count, sizeof *found, by_key);
    return found ? *found : NULL;
}

void hn_gguf_floats(const hn_gguf_tensor *t, size_t first, size_t count, float *out)
{
    const char *data = t->data;
    if (!t->panels) {
        hn_q_decode(t->type, data + hn_q_bytes(t->type, first), out, count);
        return;
    }
    size_t k = (size_t)t->shape.dim[1], size = hn_panel_size(t->type, k);
    for (size_t n; count; first += n, count -= n, out += n) {
        size_t row = first / k;
        n = hn_min(k - first % k, count);
        hn_panel_decode(t->type, data + row / HN_PANEL_ROWS * size, row % HN_PANEL_ROWS, k, first % k, n, out);
    }
}

/* ---- Opening ------------------------------------------------------------------------------------- */

void hn_gguf_close(hn_gguf *g)
{
    if (!g)
        return;
    impl m = *g->impl;
    for (size_t i = 0; m.files && i < g->file_count; i++)
        hn_file_close(&m.files[i]);
    hn_arena_free(m.arena);             /* g and its impl lie in it */
}

static hn_err new_gguf(hn_ctx *cx, hn_gguf **out, impl **m)
{
    hn_arena *arena;
    HN_TRY(hn_arena_new(cx, 0, &arena));
    *out = HN_NEW(arena, hn_gguf, 1);
    *m = HN_NEW(arena, impl, 1);
    if (!*out || !*m) {
        hn_arena_free(arena);
        return hn_nomem(cx, "GGUF file");
    }
    (*m)->arena = arena;
    (*out)->impl = *m;
    return HN_OK;
}

static void adopt(hn_gguf *g, const reader *r)
{
    g->version = r->version;
    g->values = r->values;
    g->value_count = r->value_count;
    g->tensors = r->tensors;
    g->tensor_count = r->tensor_count;
}

/* A value of a part, before there is an index. */
static uint64_t part_number(const reader *r, const char *key, uint64_t otherwise)
{
    for (size_t i = 0; i < r->value_count; i++) {
        const hn_gguf_value *v = &r->values[i];
        bool integer = v->kind != HN_GGUF_TEXT && v->kind != HN_GGUF_ARRAY && v->kind != HN_GGUF_F32 &&
                       v->kind != HN_GGUF_F64;
        if (integer && strcmp(v->key, key) == 0)
            return get(v->data, kinds[v->kind].size);
    }
    return otherwise;
}

hn_err hn_gguf_open_memory(hn_ctx *cx, const void *data, size_t len, hn_gguf **out)
{
    hn_gguf *g;
    impl *m;
    if ((uintptr_t)data % ALIGN_MIN)
        return hn_fail(cx, HN_EARG, "a GGUF file in memory must be aligned to %d bytes", ALIGN_MIN);
    HN_TRY(new_gguf(cx, &g, &m));
    reader r = { cx, m->arena, "gguf", data, len };
    hn_err e = read_file(&r);
    if (!e && part_number(&r, "split.count", 1) > 1)
        e = hn_fail(cx, HN_EUNSUP, "gguf: one part of several; split files are opened by path");
    if (!e) {
        adopt(g, &r);
        g->file_size = len;
        e = build_index(cx, "gguf", g, m);
    }
    if (e)
        hn_gguf_close(g);
    else
        *out = g;
    return e;
}

/* Adds a part's tensors behind those there are. */
static hn_err append(hn_gguf *g, impl *m, const reader *r)
{
    size_t count = g->tensor_count + r->tensor_count;
    hn_gguf_tensor *all = HN_NEW(m->arena, hn_gguf_tensor, hn_max(count, 1));
    if (!all)
        return hn_nomem(r->cx, "tensor table");
    memcpy(all, g->tensors, g->tensor_count * sizeof *all);
    memcpy(all + g->tensor_count, r->tensors, r->tensor_count * sizeof *all);
    g->tensors = all;
    g->tensor_count = count;
    return HN_OK;
}

static hn_err read_part(hn_ctx *cx, const char *path, hn_gguf *g, impl *m, reader *r)
{
    hn_file *f = &m->files[g->file_count];
    HN_TRY(hn_file_open(cx, path, f));
    g->file_count++;                    /* from here hn_gguf_close() closes it */
    g->file_size = hn_add(g->file_size, f->len);
    *r = (reader){ cx, m->arena, path, f->data, f->len };
    return read_file(r);
}

/* Parts 2 to `parts` of the file whose first part is `path`. */
static hn_err read_rest(hn_ctx *cx, const char *path, size_t parts, hn_gguf *g, impl *m)
{
    char ending[64];
    size_t len = strlen(path);
    int n = snprintf(ending, sizeof ending, "-00001-of-%05zu.gguf", parts);
    if (len <= (size_t)n || strcmp(path + len - (size_t)n, ending) != 0)
        return hn_fail(cx, HN_EFORMAT, "%s: the first of %zu parts; expected a name that ends in '%s'", path, parts, ending);

    for (size_t part = 2; part <= parts; part++) {
        reader r;
        char *next = hn_arena_printf(m->arena, "%.*s-%05zu-of-%05zu.gguf", (int)(len - (size_t)n), path, part, parts);
        if (!next)
            return hn_nomem(cx, "name of a part");
        HN_TRY(read_part(cx, next, g, m, &r));
        uint64_t no = part_number(&r, "split.no", 0), count = part_number(&r, "split.count", 0);
        if (no != part - 1 || count != parts)
            return hn_fail(cx, HN_EFORMAT, "%s: expected part %zu of %zu, found part %" PRIu64 " of %" PRIu64, next, part,
                           parts, no == UINT64_MAX ? no : no + 1, count);
        HN_TRY(append(g, m, &r));
    }
    return HN_OK;
}

static hn_err read_all(hn_ctx *cx, const char *path, hn_gguf *g, impl *m)
{
    reader r;
    m->files = HN_NEW(m->arena, hn_file, PARTS_MAX);
    if (!m->files)
        return hn_nomem(cx, "GGUF file");
    HN_TRY(read_part(cx, path, g, m, &r));
    adopt(g, &r);

    uint64_t parts = part_number(&r, "split.count", 1), no = part_number(&r, "split.no", 0);
    if (no != 0)
        return hn_fail(cx, HN_EARG, "%s: a later part of %" PRIu64 "; open the one whose name has 00001", path, parts);
    if (parts > PARTS_MAX)
        return hn_fail(cx, HN_ELIMIT, "%s: says it has %" PRIu64 " parts; at most %d are read", path, parts, PARTS_MAX);
    if (parts > 1) {
        HN_TRY(read_rest(cx, path, (size_t)parts, g, m));
        uint64_t said = part_number(&r, "split.tensors.count", g->tensor_count);
        if (said != g->tensor_count)
            return hn_fail(cx, HN_EFORMAT, "%s: expected %" PRIu64 " tensors in %" PRIu64 " parts, found %zu", path, said,
                           parts, g->tensor_count);
    }
    return build_index(cx, path, g, m);
}

hn_err hn_gguf_open(hn_ctx *cx, const char *path, hn_gguf **out)
{
    hn_gguf *g;
    impl *m;
    HN_TRY(new_gguf(cx, &g, &m));
    hn_err e = read_all(cx, path, g, m);
    if (e)
        hn_gguf_close(g);
    else
        *out = g;
    return e;
}
