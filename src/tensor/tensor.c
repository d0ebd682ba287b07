/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/num.h"

_Static_assert((int)HN_DTYPE_COUNT <= (int)HN_SEQ, "containers are told by bits above every element type");
_Static_assert(sizeof(hn_list) <= sizeof(hn_text), "a container is as large as a text");

static const struct { const char *name; uint8_t code, class; uint16_t bits; } types[] = {
    [HN_NONE] = { "none", 0, HN_CLASS_NONE, 0 },
#define DTYPE(id, name, code, bits, class) [HN_##id] = { name, code, HN_CLASS_##class, bits },
#include "tensor/dtypes.def"
#undef DTYPE
};

static const char *const list_names[3][HN_DTYPE_COUNT] = {
#define DTYPE(id, name, code, bits, class) \
    [0][HN_##id] = "sequence of " name, [1][HN_##id] = "optional " name, [2][HN_##id] = "optional sequence of " name,
#include "tensor/dtypes.def"
#undef DTYPE
    [0][HN_NONE] = "empty sequence", [1][HN_NONE] = "empty optional", [2][HN_NONE] = "optional empty sequence",
};

const char *hn_dtype_name(hn_dtype t)
{
    return hn_is_list(t) ? list_names[((int)t >> 6) - 1][(int)t & (HN_SEQ - 1)] : types[t].name;
}

/* A container is one element that points elsewhere, like a text, and like one refused by arithmetic. */
unsigned hn_dtype_bits(hn_dtype t) { return hn_is_list(t) ? types[HN_STR].bits : types[t].bits; }
int hn_dtype_class(hn_dtype t) { return hn_is_list(t) ? HN_CLASS_S : types[t].class; }
int hn_dtype_to_onnx(hn_dtype t) { return hn_is_list(t) ? 0 : types[t].code; }

hn_dtype hn_dtype_from_onnx(int64_t code)
{
    for (int t = 1; t < HN_DTYPE_COUNT; t++)
        if (types[t].code == code)
            return (hn_dtype)t;
    return HN_NONE;
}

hn_dtype hn_dtype_from_name(const char *name)
{
    for (int t = 1; t < HN_DTYPE_COUNT; t++)
        if (strcmp(types[t].name, name) == 0)
            return (hn_dtype)t;
    return HN_NONE;
}

size_t hn_shape_product(const hn_shape *s, int from, int to)
{
    size_t n = 1;
    for (int i = from; i < to; i++) {
        if (s->dim[i] == 0)
            return 0;
        if (__builtin_mul_overflow(n, s->dim[i], &n))     /* not cast first: size_t may be the narrower */
            n = SIZE_MAX;
    }
    return n;
}

size_t hn_shape_count(const hn_shape *s)
{
    for (int i = 0; i < s->rank; i++)     /* a zero anywhere wins over an overflow elsewhere */
        if (s->dim[i] == 0)
            return 0;
    return hn_shape_product(s, 0, s->rank);
}

size_t hn_dtype_bytes(hn_dtype t, size_t count)
{
    unsigned bits = hn_dtype_bits(t);
    if (bits >= 8)
        return hn_mul(count, bits / 8);
    return hn_add(hn_mul(count / 8, bits), hn_ceil_div(count % 8 * bits, 8));
}

bool hn_shape_known(const hn_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0)
            return false;
    return s->rank >= 0;
}

bool hn_shape_equal(const hn_shape *a, const hn_shape *b)
{
    return a->rank == b->rank &&
           (a->rank <= 0 || memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0);
}

hn_shape hn_shape_of(int rank, const int64_t *dim)
{
    hn_shape s = { .rank = rank };
    if (rank > 0)
        memcpy(s.dim, dim, (size_t)rank * sizeof *dim);
    return s;
}

const char *hn_shape_text(const hn_shape *s, char out[HN_SHAPE_TEXT])
{
    size_t at = 0;
    if (s->rank <= 0)
        snprintf(out, HN_SHAPE_TEXT, s->rank == 0 ? "scalar" : "unknown");
    for (int i = 0; i < s->rank; i++) {
        int n = s->dim[i] < 0 ? snprintf(out + at, HN_SHAPE_TEXT - at, "%s?", i ? "x" : "")
                              : snprintf(out + at, HN_SHAPE_TEXT - at, "%s%lld", i ? "x" : "",
                                         (long long)s->dim[i]);
        at += (size_t)n;
    }
    return out;
}

void hn_broadcast_strides(const hn_shape *s, int rank, size_t stride[HN_RANK_MAX])
{
    size_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        int j = i - (rank - s->rank);
        int64_t d = j >= 0 ? s->dim[j] : 1;
        stride[i] = d == 1 ? 0 : step;
        step *= (size_t)d;
    }
}

static hn_err copy_text(hn_ctx *cx, hn_text *t, size_t count, hn_arena *a)
{
    for (size_t i = 0; i < count; i++) {
        t[i].ptr = hn_arena_text(a, t[i].ptr ? t[i].ptr : "", t[i].len);
        if (!t[i].ptr)
            return hn_nomem(cx, "a copy of a tensor");
    }
    return HN_OK;
}

static hn_err copy_bytes(hn_ctx *cx, const hn_tensor *from, hn_arena *a, hn_tensor *to)
{
    size_t bytes = hn_bytes(from);
    *to = *from;
    to->data = hn_arena_get(a, hn_max(bytes, 1), 64);
    if (!to->data)
        return hn_nomem(cx, "a copy of a tensor");
    if (bytes)
        memcpy(to->data, from->data, bytes);
    return to->dtype == HN_STR ? copy_text(cx, to->data, hn_count(to), a) : HN_OK;
}

/* Containers nest at most twice: an optional holds a sequence, a sequence holds tensors. */
static hn_err copy_list(hn_ctx *cx, const hn_tensor *from, hn_arena *a, hn_tensor *to)
{
    HN_TRY(copy_bytes(cx, from, a, to));
    hn_list *list = to->data;
    const hn_tensor *item = list->item;
    list->item = HN_NEW(a, hn_tensor, list->count);
    if (!list->item)
        return hn_nomem(cx, "a copy of a sequence");
    for (size_t i = 0; i < list->count; i++)
        HN_TRY(hn_tensor_copy(cx, &item[i], a, &list->item[i]));
    return HN_OK;
}

hn_err hn_tensor_copy(hn_ctx *cx, const hn_tensor *from, hn_arena *a, hn_tensor *out)
{
    return hn_is_list(from->dtype) ? copy_list(cx, from, a, out) : copy_bytes(cx, from, a, out);
}
