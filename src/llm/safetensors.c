/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "tensor/convert.h"

enum { HEAD = 8 };
#define HEAD_MAX ((uint64_t)100 << 20)          /* the format's own limit */

static const struct { const char *name; hn_dtype type; } types[] = {
    { "F64", HN_F64 }, { "F32", HN_F32 }, { "F16", HN_F16 }, { "BF16", HN_BF16 }, { "I64", HN_I64 }, { "I32", HN_I32 },
    { "I16", HN_I16 }, { "I8", HN_I8 }, { "U64", HN_U64 }, { "U32", HN_U32 }, { "U16", HN_U16 }, { "U8", HN_U8 },
    { "BOOL", HN_BOOL }, { "F8_E4M3", HN_F8E4M3FN }, { "F8_E5M2", HN_F8E5M2 },
};
enum { TYPES = sizeof types / sizeof *types };

static uint64_t head_length(const uint8_t *p)
{
    uint64_t n = 0;
    for (int i = 0; i < HEAD; i++)
        n |= (uint64_t)p[i] << 8 * i;
    return n;
}

bool hn_safetensors_probe(const uint8_t *data, size_t len)
{
    return len > HEAD && data[HEAD] == '{' && head_length(data) <= HEAD_MAX && head_length(data) <= len - HEAD;
}

/* ---- Reading ------------------------------------------------------------------------------------------ */

static hn_err read_shape(hn_ctx *cx, const char *name, const json_t *list, hn_shape *out)
{
    if (!json_is_array(list) || json_array_size(list) > HN_RANK_MAX)
        return hn_fail(cx, HN_EFORMAT, "tensor '%.200s': expected a shape of at most %d dimensions", name, HN_RANK_MAX);
    *out = (hn_shape){ .rank = (int)json_array_size(list) };
    for (int i = 0; i < out->rank; i++) {
        const json_t *d = json_array_get(list, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return hn_fail(cx, HN_EFORMAT, "tensor '%.200s': dimension %d is no size", name, i);
        out->dim[i] = json_integer_value(d);
    }
    return HN_OK;
}

static hn_err read_tensor(hn_ctx *cx, const char *name, const json_t *entry, const uint8_t *data, size_t len,
                          hn_st_tensor *t)
{
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    const json_t *at = json_object_get(entry, "data_offsets"), *from = json_array_get(at, 0),
        *to = json_array_get(at, 1);
    size_t k = 0;
    while (k < TYPES && !(type && strcmp(types[k].name, type) == 0))
        k++;
    if (k == TYPES)
        return hn_fail(cx, type ? HN_EUNSUP : HN_EFORMAT, type ? "unsupported: tensor '%.200s' of type %.40s"
                       : "tensor '%.200s' has no type%s",
                       name, type ? type : "");
    t->dtype = types[k].type;
    HN_TRY(read_shape(cx, name, json_object_get(entry, "shape"), &t->shape));
    if (!json_is_integer(from) || !json_is_integer(to) || json_array_size(at) != 2 || json_integer_value(from) < 0 ||
        json_integer_value(to) < json_integer_value(from) || (uint64_t)json_integer_value(to) > len)
        return hn_fail(cx, HN_EFORMAT, "tensor '%.200s': its data_offsets do not lie in the %zu bytes of data", name,
                       len);
    t->data = data + json_integer_value(from);
    t->size = (size_t)(json_integer_value(to) - json_integer_value(from));
    size_t need = hn_dtype_bytes(t->dtype, hn_shape_count(&t->shape));
    if (need != t->size)
        return hn_fail(cx, HN_EFORMAT, "tensor '%.200s': type and shape need %zu bytes, it has %zu", name, need,
                       t->size);
    return HN_OK;
}

static int by_name(const void *a, const void *b) { return strcmp(((const hn_st_tensor *)a)->name,
                                                                 ((const hn_st_tensor *)b)->name); }

static int by_data(const void *a, const void *b)
{
    const hn_st_tensor *x = a, *y = b;
    return x->data != y->data ? (x->data < y->data ? -1 : 1) : x->size < y->size ? -1 : x->size > y->size;
}

static hn_err read_meta(hn_ctx *cx, const json_t *all, hn_safetensors *s)
{
    const char *key;
    json_t *v;
    s->meta = hn_arena_get_n(s->arena, json_object_size(all) + 1, sizeof *s->meta, _Alignof(void *));
    if (!s->meta)
        return hn_nomem(cx, "a safetensors file");
    json_object_foreach((json_t *)(uintptr_t)all, key, v) {
        if (!json_is_string(v))
            return hn_fail(cx, HN_EFORMAT, "__metadata__ '%.100s' is no text", key);
        s->meta[s->meta_count].key = hn_arena_text(s->arena, key, strlen(key));
        s->meta[s->meta_count].text = hn_arena_text(s->arena, json_string_value(v), json_string_length(v));
        if (!s->meta[s->meta_count].key || !s->meta[s->meta_count].text)
            return hn_nomem(cx, "a safetensors file");
        s->meta_count++;
    }
    return HN_OK;
}

static hn_err read_entries(hn_ctx *cx, const json_t *root, const uint8_t *data, size_t len, hn_safetensors *s)
{
    const char *key;
    json_t *v;
    s->tensor = HN_NEW(s->arena, hn_st_tensor, json_object_size(root) + 1);
    if (!s->tensor)
        return hn_nomem(cx, "a safetensors file");
    json_object_foreach((json_t *)(uintptr_t)root, key, v) {
        if (strcmp(key, "__metadata__") == 0) {
            HN_TRY(read_meta(cx, v, s));
            continue;
        }
        hn_st_tensor *t = &s->tensor[s->count];
        HN_TRY(read_tensor(cx, key, v, data, len, t));
        t->name = hn_arena_text(s->arena, key, strlen(key));
        if (!t->name)
            return hn_nomem(cx, "a safetensors file");
        s->count++;
    }
    if (s->count)
        qsort(s->tensor, s->count, sizeof *s->tensor, by_data);
    for (size_t i = 1; i < s->count; i++)
        if (s->tensor[i - 1].data + s->tensor[i - 1].size > s->tensor[i].data)
            return hn_fail(cx, HN_EFORMAT, "tensors '%.150s' and '%.150s' overlap", s->tensor[i - 1].name,
                           s->tensor[i].name);
    if (s->count)
        qsort(s->tensor, s->count, sizeof *s->tensor, by_name);
    return HN_OK;
}

hn_err hn_safetensors_read(hn_ctx *cx, const void *bytes, size_t len, hn_safetensors *out)
{
    const uint8_t *data = bytes;
    hn_safetensors s = { 0 };
    json_error_t why;
    if (!hn_safetensors_probe(data, len))
        return hn_fail(cx, HN_EFORMAT, "not a safetensors file: expected a length and a JSON object of that length");
    size_t head = (size_t)head_length(data);
    json_t *root = json_loadb((const char *)data + HEAD, head, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        json_decref(root);
        return hn_fail(cx, HN_EFORMAT, "head, byte %d: %s", why.position, root ? "expected an object" : why.text);
    }
    hn_err e = hn_arena_new(cx, 0, &s.arena);
    if (!e)
        e = read_entries(cx, root, data + HEAD + head, len - HEAD - head, &s);
    json_decref(root);
    if (e)
        hn_safetensors_close(&s);
    else
        *out = s;
    return e;
}

hn_err hn_safetensors_open(hn_ctx *cx, const char *path, hn_safetensors *out)
{
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = hn_safetensors_read(cx, f.data, f.len, out);
    if (!e) {
        out->file = f;
        return HN_OK;
    }
    hn_file_close(&f);
    if (cx) {
        char text[HN_MSG_MAX];
        memcpy(text, cx->msg, sizeof text);
        hn_fail(cx, e, "%.200s: %.280s", path, text);
    }
    return e;
}

void hn_safetensors_close(hn_safetensors *s)
{
    hn_file_close(&s->file);
    hn_arena_free(s->arena);
    *s = (hn_safetensors){ 0 };
}

const hn_st_tensor *hn_safetensors_find(const hn_safetensors *s, const char *name)
{
    const hn_st_tensor key = { .name = name };
    return s->count ? bsearch(&key, s->tensor, s->count, sizeof key, by_name) : NULL;
}

hn_err hn_st_decode(hn_ctx *cx, const hn_st_tensor *t, size_t from, size_t count, float *out)
{
    size_t size = hn_dtype_bits(t->dtype) / 8;
    const uint8_t *p = t->data + from * size;
    for (size_t i = 0; i < count; i++, p += size) {
        uint8_t b[8] = { 0 };
        uint64_t u = 0;
        memcpy(b, p, size);
        for (size_t k = 0; k < size; k++)
            u |= (uint64_t)b[k] << 8 * k;
        union { uint32_t u; float f; } single = { .u = (uint32_t)u };
        union { uint64_t u; double f; } twice = { .u = u };
        switch (t->dtype) {
        case HN_F32:  out[i] = single.f; break;
        case HN_F16:  out[i] = hn_f16_to_f32((uint16_t)u); break;
        case HN_BF16: out[i] = hn_bf16_to_f32((uint16_t)u); break;
        case HN_F64:  out[i] = (float)twice.f; break;
        default:
            return hn_fail(cx, HN_EUNSUP, "unsupported: tensor '%.200s' of type %s as weights", t->name,
                           hn_dtype_name(t->dtype));
        }
    }
    return HN_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------------- */

static const char *type_name(hn_dtype t)
{
    for (size_t k = 0; k < TYPES; k++)
        if (types[k].type == t)
            return types[k].name;
    return NULL;
}

static json_t *entry_of(const hn_st_tensor *t, uint64_t from)
{
    json_t *shape = json_array();
    for (int d = 0; d < t->shape.rank; d++)
        json_array_append_new(shape, json_integer(t->shape.dim[d]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", type_name(t->dtype), "shape", shape, "data_offsets",
                     (json_int_t)from,
                     (json_int_t)(from + t->size));
}

hn_err hn_safetensors_head(hn_ctx *cx, hn_file_out *f, const hn_st_tensor *tensor, size_t count)
{
    json_t *root = json_object();
    uint64_t at = 0;
    hn_err e = HN_OK;
    for (size_t i = 0; i < count && !e; i++) {
        if (!type_name(tensor[i].dtype))
            e = hn_fail(cx, HN_EUNSUP, "unsupported: tensor '%.200s' of type %s in a safetensors file", tensor[i].name,
                        hn_dtype_name(tensor[i].dtype));
        else if (json_object_set_new(root, tensor[i].name, entry_of(&tensor[i], at)))
            e = hn_nomem(cx, "a safetensors file");
        at += tensor[i].size;
    }
    char *text = e ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!e && !text)
        e = hn_nomem(cx, "a safetensors file");
    if (e)
        return e;
    size_t len = strlen(text), padded = hn_round_up(len, HEAD);             /* data begins aligned */
    uint8_t head[HEAD];
    for (int i = 0; i < HEAD; i++)
        head[i] = (uint8_t)((uint64_t)padded >> 8 * i);
    e = hn_file_out_add(cx, f, head, HEAD);
    e = e ? e : hn_file_out_add(cx, f, text, len);
    e = e ? e : hn_file_out_add(cx, f, "        ", padded - len);
    free(text);
    return e;
}
