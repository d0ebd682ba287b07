/* SPDX-License-Identifier: Apache-2.0 */
/* What a GGUF file says of itself, as the types that callers want. */
#include <inttypes.h>
#include <string.h>

#include "formats/gguf.h"

static const struct { uint8_t size; char class; } shapes[HN_GGUF_KIND_COUNT] = {
    [HN_GGUF_U8] = { 1, 'u' }, [HN_GGUF_U16] = { 2, 'u' }, [HN_GGUF_U32] = { 4, 'u' }, [HN_GGUF_U64] = { 8, 'u' },
    [HN_GGUF_I8] = { 1, 'i' }, [HN_GGUF_I16] = { 2, 'i' }, [HN_GGUF_I32] = { 4, 'i' }, [HN_GGUF_I64] = { 8, 'i' },
    [HN_GGUF_F32] = { 4, 'f' }, [HN_GGUF_F64] = { 8, 'f' }, [HN_GGUF_BOOL] = { 1, 'b' },
};

static uint64_t load(const uint8_t *p, size_t size)
{
    uint64_t v = 0;
    for (size_t i = 0; i < size; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Finds the key; *v is NULL where it is missing and need not be there. */
static hn_err find(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, const hn_gguf_value **v)
{
    *v = hn_gguf_value_find(g, key);
    if (!*v && required)
        return hn_fail(cx, HN_EFORMAT, "gguf: expected a value '%s', found none", key);
    return HN_OK;
}

static hn_err mismatch(hn_ctx *cx, const hn_gguf_value *v, const char *expected)
{
    bool array = v->kind == HN_GGUF_ARRAY;
    return hn_fail(cx, HN_EFORMAT, "gguf: '%.80s': expected %s, found %s%s", v->key, expected, array ? "an array of " : "",
                   hn_gguf_kind_name(v->item));
}

/* Element i of a value of integers; false where it is past what an int64 holds. */
static bool load_i64(const hn_gguf_value *v, size_t i, int64_t *out)
{
    size_t size = shapes[v->item].size;
    uint64_t bits = load(v->data + i * size, size);
    if (shapes[v->item].class == 'i') {
        unsigned shift = 64 - 8 * (unsigned)size;
        *out = (int64_t)(bits << shift) >> shift;
        return true;
    }
    *out = (int64_t)bits;
    return bits <= INT64_MAX;
}

static float load_f32(const hn_gguf_value *v, size_t i)
{
    size_t size = shapes[v->item].size;
    union { uint64_t u; double f; } wide = { .u = load(v->data + i * size, size) };
    union { uint32_t u; float f; } narrow = { .u = (uint32_t)wide.u };
    return size == 8 ? (float)wide.f : narrow.f;
}

static bool is_integer(hn_gguf_kind k) { return shapes[k].class == 'u' || shapes[k].class == 'i'; }

/* ---- One value -------------------------------------------------------------------------------- */

hn_err hn_gguf_i64(hn_ctx *cx, const hn_gguf *g, const char *key, const int64_t *otherwise, int64_t *out)
{
    const hn_gguf_value *v;
    int64_t n;
    HN_TRY(find(cx, g, key, !otherwise, &v));
    if (v && !is_integer(v->kind))
        return mismatch(cx, v, "an integer");
    if (v && !load_i64(v, 0, &n))
        return hn_fail(cx, HN_EFORMAT, "gguf: '%s' is over %" PRId64, key, INT64_MAX);
    *out = v ? n : *otherwise;
    return HN_OK;
}

hn_err hn_gguf_u32(hn_ctx *cx, const hn_gguf *g, const char *key, const uint32_t *otherwise, uint32_t *out)
{
    int64_t n, wide = otherwise ? *otherwise : 0;
    HN_TRY(hn_gguf_i64(cx, g, key, otherwise ? &wide : NULL, &n));
    if (n < 0 || n > UINT32_MAX)
        return hn_fail(cx, HN_EFORMAT, "gguf: '%s': expected 0 to %" PRIu32 ", found %" PRId64, key, UINT32_MAX, n);
    *out = (uint32_t)n;
    return HN_OK;
}

hn_err hn_gguf_f32(hn_ctx *cx, const hn_gguf *g, const char *key, const float *otherwise, float *out)
{
    const hn_gguf_value *v;
    HN_TRY(find(cx, g, key, !otherwise, &v));
    if (v && shapes[v->kind].class != 'f')
        return mismatch(cx, v, "a float");
    *out = v ? load_f32(v, 0) : *otherwise;
    return HN_OK;
}

hn_err hn_gguf_bool(hn_ctx *cx, const hn_gguf *g, const char *key, const bool *otherwise, bool *out)
{
    const hn_gguf_value *v;
    HN_TRY(find(cx, g, key, !otherwise, &v));
    if (v && v->kind != HN_GGUF_BOOL)
        return mismatch(cx, v, "a bool");
    *out = v ? v->data[0] != 0 : *otherwise;
    return HN_OK;
}

hn_err hn_gguf_text(hn_ctx *cx, const hn_gguf *g, const char *key, const hn_text *otherwise, hn_text *out)
{
    const hn_gguf_value *v;
    HN_TRY(find(cx, g, key, !otherwise, &v));
    if (v && v->kind != HN_GGUF_TEXT)
        return mismatch(cx, v, "a text");
    *out = v ? (hn_text){ (const char *)v->data, v->count } : *otherwise;
    return HN_OK;
}

/* ---- Arrays ------------------------------------------------------------------------------------ */

/* Finds an array and makes room for its elements; *v is NULL where there is nothing to convert. */
static hn_err begin(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a, size_t size,
                    const hn_gguf_value **v, void **room, size_t *count)
{
    *count = 0;
    *room = NULL;
    HN_TRY(find(cx, g, key, required, v));
    if (!*v)
        return HN_OK;
    if ((*v)->kind != HN_GGUF_ARRAY)
        return mismatch(cx, *v, "an array");
    *room = hn_arena_get_n(a, (*v)->count ? (*v)->count : 1, size, 8);
    if (!*room)
        return hn_nomem(cx, key);
    *count = (*v)->count;
    return HN_OK;
}

hn_err hn_gguf_texts(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a,
                     const hn_text **out, size_t *count)
{
    const hn_gguf_value *v;
    void *room;
    size_t n;
    HN_TRY(begin(cx, g, key, required, a, sizeof(hn_text), &v, &room, &n));
    if (v && v->item != HN_GGUF_TEXT)
        return mismatch(cx, v, "an array of text");
    hn_text *t = room;
    const uint8_t *p = v ? v->data : NULL;
    for (size_t i = 0; i < n; i++) {
        t[i] = (hn_text){ (const char *)p + 8, (size_t)load(p, 8) };    /* lengths were checked on opening */
        p += 8 + t[i].len;
    }
    *out = t;
    *count = n;
    return HN_OK;
}

hn_err hn_gguf_i64s(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a,
                    const int64_t **out, size_t *count)
{
    const hn_gguf_value *v;
    void *room;
    size_t n;
    HN_TRY(begin(cx, g, key, required, a, sizeof(int64_t), &v, &room, &n));
    if (v && !is_integer(v->item) && v->item != HN_GGUF_BOOL)
        return mismatch(cx, v, "an array of integers");
    int64_t *list = room;
    for (size_t i = 0; i < n; i++)
        if (!load_i64(v, i, &list[i]))
            return hn_fail(cx, HN_EFORMAT, "gguf: element %zu of '%s' is over %" PRId64, i, key, INT64_MAX);
    *out = list;
    *count = n;
    return HN_OK;
}

hn_err hn_gguf_f32s(hn_ctx *cx, const hn_gguf *g, const char *key, bool required, hn_arena *a,
                    const float **out, size_t *count)
{
    const hn_gguf_value *v;
    void *room;
    size_t n;
    HN_TRY(begin(cx, g, key, required, a, sizeof(float), &v, &room, &n));
    if (v && shapes[v->item].class != 'f')
        return mismatch(cx, v, "an array of floats");
    float *list = room;
    for (size_t i = 0; i < n; i++)
        list[i] = load_f32(v, i);
    *out = list;
    *count = n;
    return HN_OK;
}
