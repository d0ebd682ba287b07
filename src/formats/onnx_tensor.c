/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_tensor.c: TensorProto to hn_tensor.
 *
 * Bytes that lie in the file as the machine wants them (raw_data and external data, aligned for
 * their type) are used where they are.  Everything else is copied into the arena once. */
#include <string.h>

#include "base/num.h"
#include "formats/onnx.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX data is little-endian and used in place");

enum { LOCATION_EXTERNAL = 1 };

/* A TensorProto's fields, before they are put together. */
typedef struct proto {
    hn_pb msg;
    hn_text name, raw;
    int64_t type, location;
    bool has_raw, has_segment;
} proto;

/* For messages: a name cut to a readable length. */
static int shown(hn_text t) { return t.len > 80 ? 80 : (int)t.len; }
#define NAME(p) shown((p)->name), (p)->name.ptr ? (p)->name.ptr : ""

static hn_err read_proto(hn_onnx *r, hn_pb msg, proto *out)
{
    hn_pb_field f;
    hn_pb at = msg;
    *out = (proto){ .msg = msg };
    while (hn_pb_next(&at, &f))
        switch (f.key) {
        case HN_PB(2, VARINT):  out->type = (int64_t)f.num; break;
        case HN_PB(3, LEN):     out->has_segment = true; break;
        case HN_PB(8, LEN):     out->name = hn_pb_text(&f); break;
        case HN_PB(9, LEN):     out->raw = hn_pb_text(&f); out->has_raw = true; break;
        case HN_PB(14, VARINT): out->location = (int64_t)f.num; break;
        default: break;
        }
    return at.damaged ? hn_onnx_damaged(r, &msg, "a tensor") : HN_OK;
}

/* Dimensions (field `number` of msg) into a shape whose size fits this machine. */
static hn_err read_shape(hn_onnx *r, const proto *p, hn_pb msg, uint32_t number, hn_dtype type, hn_shape *out)
{
    hn_pb_numbers dims = hn_pb_numbers_in(msg, number, HN_PB_VARINT);
    uint64_t v;
    *out = (hn_shape){ 0 };
    while (hn_pb_number(&dims, &v)) {
        if (out->rank == HN_RANK_MAX)
            return hn_fail(r->cx, HN_EUNSUP, "tensor '%.*s' has more than %d dimensions", NAME(p), HN_RANK_MAX);
        if ((int64_t)v < 0)
            return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': dimension %d is %lld", NAME(p), out->rank,
                           (long long)v);
        if ((uint64_t)(size_t)v != v)           /* a 32-bit machine */
            return hn_fail(r->cx, HN_ELIMIT, "tensor '%.*s' does not fit this machine's memory", NAME(p));
        out->dim[out->rank++] = (int64_t)v;
    }
    if (dims.msg.damaged)
        return hn_onnx_damaged(r, &msg, "a tensor's dimensions");
    if (hn_dtype_bytes(type, hn_shape_count(out)) > SIZE_MAX / 2)
        return hn_fail(r->cx, HN_ELIMIT, "tensor '%.*s' does not fit this machine's memory", NAME(p));
    return HN_OK;
}

static hn_err allocate(hn_onnx *r, const proto *p, hn_tensor *t)
{
    const hn_env *env = r->cx ? r->cx->env : NULL;
    size_t bytes = hn_bytes(t);
    if (env && env->tensor_bytes_max && bytes > env->tensor_bytes_max)
        return hn_fail(r->cx, HN_ELIMIT, "tensor '%.*s': %zu bytes, over the limit of %zu for one tensor",
                       NAME(p), bytes, env->tensor_bytes_max);
    t->data = hn_arena_get(r->arena, hn_max(bytes, 1), 64);
    return t->data ? HN_OK : hn_nomem(r->cx, "a tensor");
}

/* Bytes of one number as stored: half a complex, a byte of packed small ones. */
static size_t unit_bytes(hn_dtype t)
{
    size_t bytes = hn_dtype_bits(t) / 8;
    return hn_dtype_class(t) == HN_CLASS_C ? bytes / 2 : hn_max(bytes, 1);
}

static hn_err use_bytes(hn_onnx *r, const proto *p, const uint8_t *data, size_t len, hn_tensor *t)
{
    size_t need = hn_bytes(t);
    if (len != need) {
        char shape[HN_SHAPE_TEXT];
        return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': %s of %s needs %zu bytes, the file has %zu", NAME(p),
                       hn_shape_text(&t->shape, shape), hn_dtype_name(t->dtype), need, len);
    }
    if (len && (uintptr_t)data % unit_bytes(t->dtype) == 0) {
        t->data = (void *)(uintptr_t)data;     /* constants are never written */
        r->mapped_bytes += len;
        return HN_OK;
    }
    HN_TRY(allocate(r, p, t));
    if (len)
        memcpy(t->data, data, len);
    return HN_OK;
}

static hn_err read_strings(hn_onnx *r, const proto *p, hn_tensor *t)
{
    hn_pb at = p->msg;
    hn_pb_field f;
    size_t count = hn_count(t), found = 0;

    while (hn_pb_next(&at, &f))
        found += f.key == HN_PB(6, LEN);
    if (found != count)                  /* before the bytes for `count` of them are asked for */
        return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': expected %zu texts, found %zu", NAME(p), count, found);
    HN_TRY(allocate(r, p, t));
    hn_text *out = t->data;
    for (at = p->msg; hn_pb_next(&at, &f);)
        if (f.key == HN_PB(6, LEN))
            *out++ = hn_pb_text(&f);
    return HN_OK;
}

/* The typed list a type is stored in when there is no raw_data. */
static void list_of(hn_dtype t, uint32_t *number, uint32_t *wire)
{
    *wire = HN_PB_VARINT;
    switch (t) {
    case HN_F32: case HN_C64:  *number = 4;  *wire = HN_PB_FIXED32; break;
    case HN_F64: case HN_C128: *number = 10; *wire = HN_PB_FIXED64; break;
    case HN_I64:               *number = 7;  break;
    case HN_U32: case HN_U64:  *number = 11; break;
    default:                   *number = 5;  break;     /* small ones, each by its bits */
    }
}

static hn_err read_list(hn_onnx *r, const proto *p, hn_tensor *t)
{
    uint32_t number, wire;
    list_of(t->dtype, &number, &wire);
    size_t unit = unit_bytes(t->dtype), need = hn_bytes(t) / unit;
    size_t found = hn_pb_count(p->msg, number, wire);

    if (found == SIZE_MAX)
        return hn_onnx_damaged(r, &p->msg, "a tensor's values");
    if (found != need)
        return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': expected %zu numbers of %s, found %zu", NAME(p), need,
                       hn_dtype_name(t->dtype), found);
    HN_TRY(allocate(r, p, t));
    hn_pb_numbers list = hn_pb_numbers_in(p->msg, number, wire);
    uint64_t v;
    for (uint8_t *out = t->data; hn_pb_number(&list, &v); out += unit)
        memcpy(out, &v, unit);           /* little-endian: the low bytes */
    return HN_OK;
}

/* ---- External data ------------------------------------------------------------------- */

static bool parse_size(hn_text t, size_t *out)
{
    size_t v = 0;
    for (size_t i = 0; i < t.len; i++) {
        if (t.ptr[i] < '0' || t.ptr[i] > '9')
            return false;
        v = hn_add(hn_mul(v, 10), (size_t)(t.ptr[i] - '0'));
    }
    *out = v;
    return t.len > 0 && v != SIZE_MAX;
}

/* The mapping of an external file, made the first time it is named. */
static hn_err external_file(hn_onnx *r, const proto *p, hn_text location, const hn_file **out)
{
    hn_source *s = r->src;
    uintptr_t known = (uintptr_t)hn_names_get(&r->file, location);
    if (known) {
        *out = &s->extra[known - 1].file;
        return HN_OK;
    }
    if (!s || !r->dir)
        return hn_fail(r->cx, HN_EIO, "tensor '%.*s' lies in the file '%.*s', out of reach for a model opened "
                       "from memory; open it by its path", NAME(p), shown(location), location.ptr);
    if (s->extra_count == HN_ONNX_FILES_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "tensor '%.*s': more than %d files of external data", NAME(p),
                       HN_ONNX_FILES_MAX);
    if (!hn_grow(r->cx, &s->extra, s->extra_count, &s->extra_cap, sizeof *s->extra))
        return hn_nomem(r->cx, "external data");
    hn_extra *extra = &s->extra[s->extra_count];
    HN_TRY(hn_onnx_text(r, r->arena, location, &extra->name));
    hn_err e = hn_file_open_inside(r->cx, r->dir, location.ptr, location.len, &extra->file);
    if (e)
        return r->cx ? hn_fail(r->cx, e, "tensor '%.*s', external data: %s", NAME(p), r->cx->msg) : e;
    s->extra_count++;
    if (!hn_names_put(&r->file, location, (void *)(uintptr_t)s->extra_count))
        return hn_nomem(r->cx, "external data");
    *out = &extra->file;
    return HN_OK;
}

/* external_data is a list of key and value texts.  Its `checksum` (SHA-1 of the whole file, which
 * writers leave out) is not verified: reading every byte would undo the mapping, and what a fleet
 * ships is signed as a whole. */
static hn_err read_external(hn_onnx *r, const proto *p, hn_tensor *t)
{
    hn_text location = { 0 }, offset = { "0", 1 }, length = { 0 };
    hn_pb at = p->msg;
    hn_pb_field f;

    while (hn_pb_next(&at, &f)) {
        if (f.key != HN_PB(13, LEN))
            continue;
        hn_text key = { 0 }, value = { 0 };
        hn_pb entry = hn_pb_inside(&f);
        while (hn_pb_next(&entry, &f)) {
            if (f.key == HN_PB(1, LEN)) key = hn_pb_text(&f);
            if (f.key == HN_PB(2, LEN)) value = hn_pb_text(&f);
        }
        if (entry.damaged)
            return hn_onnx_damaged(r, &p->msg, "a tensor's external data");
        if (hn_text_is(key, "location")) location = value;
        else if (hn_text_is(key, "offset")) offset = value;
        else if (hn_text_is(key, "length")) length = value;
    }
    size_t from, len = 0;
    if (!location.len || !parse_size(offset, &from) || (length.len && !parse_size(length, &len)))
        return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': expected external data with a location and decimal "
                       "offset and length", NAME(p));
    const hn_file *file = NULL;
    HN_TRY(external_file(r, p, location, &file));
    if (from > file->len || len > file->len - from)
        return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': bytes %zu to %zu are past the end of '%.*s', which has %zu",
                       NAME(p), from, hn_add(from, len), shown(location), location.ptr, file->len);
    if (!length.len)                     /* up to the file's end; only as much as the shape needs */
        len = hn_min(file->len - from, hn_bytes(t));
    return use_bytes(r, p, file->data ? file->data + from : NULL, len, t);
}

/* ---- Whole tensors ------------------------------------------------------------------- */

hn_err hn_onnx_tensor(hn_onnx *r, hn_pb msg, hn_tensor *out, hn_text *name)
{
    proto p;
    hn_tensor t = { 0 };

    HN_TRY(read_proto(r, msg, &p));
    t.dtype = hn_dtype_from_onnx(p.type);
    if (p.has_segment)
        return hn_fail(r->cx, HN_EUNSUP, "tensor '%.*s' is stored in segments", NAME(&p));
    if (t.dtype == HN_NONE)
        return hn_fail(r->cx, HN_EUNSUP, "tensor '%.*s': element type %lld is not known", NAME(&p),
                       (long long)p.type);
    HN_TRY(read_shape(r, &p, msg, 1, t.dtype, &t.shape));

    if (p.location == LOCATION_EXTERNAL && t.dtype != HN_STR)
        HN_TRY(read_external(r, &p, &t));
    else if (t.dtype == HN_STR)
        HN_TRY(read_strings(r, &p, &t));
    else if (p.has_raw)
        HN_TRY(use_bytes(r, &p, (const uint8_t *)p.raw.ptr, p.raw.len, &t));
    else
        HN_TRY(read_list(r, &p, &t));
    *out = t;
    if (name)
        *name = p.name;
    return HN_OK;
}

/* One index of a sparse tensor, as a position in the dense one; SIZE_MAX when outside. */
static size_t dense_at(const hn_shape *shape, const int64_t *index, int columns)
{
    if (columns == 1 && shape->rank != 1)
        return *index < 0 || (uint64_t)*index >= hn_shape_count(shape) ? SIZE_MAX : (size_t)*index;
    size_t at = 0;
    for (int i = 0; i < columns; i++) {
        if (index[i] < 0 || index[i] >= shape->dim[i])
            return SIZE_MAX;
        at = at * (size_t)shape->dim[i] + (size_t)index[i];
    }
    return at;
}

hn_err hn_onnx_sparse(hn_onnx *r, hn_pb msg, hn_tensor *out, hn_text *name)
{
    hn_pb at = msg, values_msg = { 0 }, indices_msg = { 0 };
    hn_pb_field f;
    hn_tensor values, indices, t;
    proto p = { 0 };

    while (hn_pb_next(&at, &f)) {
        if (f.key == HN_PB(1, LEN)) values_msg = hn_pb_inside(&f);
        if (f.key == HN_PB(2, LEN)) indices_msg = hn_pb_inside(&f);
    }
    if (at.damaged)
        return hn_onnx_damaged(r, &msg, "a sparse tensor");
    HN_TRY(hn_onnx_tensor(r, values_msg, &values, &p.name));
    HN_TRY(hn_onnx_tensor(r, indices_msg, &indices, NULL));
    t.dtype = values.dtype;
    HN_TRY(read_shape(r, &p, msg, 3, t.dtype, &t.shape));

    size_t count = hn_count(&values), bytes = hn_dtype_bits(t.dtype) / 8;
    int columns = indices.shape.rank == 1 ? 1 : indices.shape.rank == 2 ? t.shape.rank : 0;
    if (values.shape.rank != 1 || indices.dtype != HN_I64 || columns == 0 ||
        hn_count(&indices) != hn_mul(count, (size_t)columns) || t.dtype == HN_STR || bytes == 0)
        return hn_fail(r->cx, HN_EFORMAT, "sparse tensor '%.*s': expected one list of values and one index (or a "
                       "row of %d) for each", NAME(&p), t.shape.rank);
    HN_TRY(allocate(r, &p, &t));
    for (size_t i = 0; i < count; i++) {
        size_t to = dense_at(&t.shape, (const int64_t *)indices.data + i * (size_t)columns, columns);
        if (to == SIZE_MAX)
            return hn_fail(r->cx, HN_EFORMAT, "sparse tensor '%.*s': index %zu is outside of the tensor", NAME(&p), i);
        memcpy((uint8_t *)t.data + to * bytes, (const uint8_t *)values.data + i * bytes, bytes);
    }
    *out = t;
    if (name)
        *name = p.name;
    return HN_OK;
}
