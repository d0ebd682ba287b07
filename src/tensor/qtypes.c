/* SPDX-License-Identifier: Apache-2.0 */
/* The table of storage types, and the plain ones among them. */
#include "tensor/qtypes.h"

#include <assert.h>
#include <strings.h>

#include "tensor/q_impl.h"

typedef void decode_fn(const uint8_t *src, float *dst, size_t blocks);
typedef void encode_fn(const float *src, uint8_t *dst, size_t blocks);
typedef void weigh_fn(const float *src, const float *importance, uint8_t *dst, size_t blocks);

static const struct { decode_fn *decode; encode_fn *encode; } codecs[HN_QT_COUNT] = {
#define QTYPE(id, name, number, elements, bytes, dec, enc) \
    [HN_QT_##id] = { hn_q_decode_##dec, hn_q_encode_##enc },
#include "tensor/qtypes.def"
#undef QTYPE
};

static weigh_fn *const weighted[HN_QT_COUNT] = {
#define X(id, fn) [HN_QT_##id] = hn_q_weigh_##fn,
    HN_Q_WEIGHED(X)
#undef X
};

static const hn_qtype_info infos[HN_QT_COUNT] = {
#define QTYPE(id, name, number, elements, bytes, decode, encode) \
    [HN_QT_##id] = { name, number, elements, bytes },
#include "tensor/qtypes.def"
#undef QTYPE
};

const hn_qtype_info *hn_qtype_get(hn_qtype t)
{
    assert(t > HN_QT_NONE && t < HN_QT_COUNT);
    return &infos[t];
}

hn_qtype hn_qtype_from_number(uint32_t number)
{
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++)
        if (infos[t].number == number)
            return (hn_qtype)t;
    return HN_QT_NONE;
}

hn_qtype hn_qtype_from_name(const char *name)
{
    for (int t = HN_QT_NONE + 1; t < HN_QT_COUNT; t++)
        if (strcasecmp(infos[t].name, name) == 0)
            return (hn_qtype)t;
    return HN_QT_NONE;
}

size_t hn_q_bytes(hn_qtype t, size_t count)
{
    const hn_qtype_info *q = hn_qtype_get(t);
    size_t blocks = count / q->block_count;
    if (count % q->block_count || blocks > SIZE_MAX / q->block_size)
        return SIZE_MAX;
    return blocks * q->block_size;
}

bool hn_q_has_encode(hn_qtype t) { return codecs[t].encode != hn_q_encode_none; }

void hn_q_decode(hn_qtype t, const void *src, float *dst, size_t count)
{
    size_t block = hn_qtype_get(t)->block_count;
    assert(count % block == 0);
    codecs[t].decode(src, dst, count / block);
}

void hn_q_encode(hn_qtype t, const float *src, void *dst, size_t count)
{
    size_t block = hn_qtype_get(t)->block_count;
    assert(count % block == 0 && hn_q_has_encode(t));
    codecs[t].encode(src, dst, count / block);
}

void hn_q_encode_row(hn_qtype t, const float *src, const float *importance, void *dst, size_t count)
{
    size_t block = hn_qtype_get(t)->block_count;
    assert(count % block == 0);
    if (!importance || !weighted[t])
        hn_q_encode(t, src, dst, count);
    else
        weighted[t](src, importance, dst, count / block);
}

bool hn_q_heeds_importance(hn_qtype t) { return weighted[t] != NULL; }

/* ---- Plain types: blocks of one --------------------------------------------------------- */

void hn_q_decode_f32(const uint8_t *src, float *dst, size_t n) { memcpy(dst, src, n * sizeof *dst); }
void hn_q_encode_f32(const float *src, uint8_t *dst, size_t n) { memcpy(dst, src, n * sizeof *src); }

void hn_q_decode_f16(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = hn_q_half(src + 2 * i);
}

void hn_q_encode_f16(const float *src, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hn_q_put16(dst + 2 * i, hn_f32_to_f16(src[i]));
}

void hn_q_decode_bf16(const uint8_t *src, float *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = hn_bf16_to_f32((uint16_t)hn_q_get16(src + 2 * i));
}

void hn_q_encode_bf16(const float *src, uint8_t *dst, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hn_q_put16(dst + 2 * i, hn_f32_to_bf16(src[i]));
}

/* Rounded to the nearest float where one does not hold the value. */
#define PLAIN(name, type)                                                  \
    void hn_q_decode_##name(const uint8_t *src, float *dst, size_t n)      \
    {                                                                      \
        for (size_t i = 0; i < n; i++) {                                   \
            type v;                                                        \
            memcpy(&v, src + i * sizeof v, sizeof v);                      \
            dst[i] = (float)v;                                             \
        }                                                                  \
    }
PLAIN(i8, int8_t)
PLAIN(i16, int16_t)
PLAIN(i32, int32_t)
PLAIN(i64, int64_t)
PLAIN(f64, double)

void hn_q_encode_none(const float *src, uint8_t *dst, size_t blocks)
{
    (void)src, (void)dst, (void)blocks;
    assert(!"type without an encoder");
}
