/* SPDX-License-Identifier: Apache-2.0 */
/* How weights lie in files: plain numbers, and blocks that share a scale.
 *
 * A block type stores a fixed count of neighbouring elements of a row in a fixed count of bytes.
 * Decoding is exact: it gives the floats that the type's definition gives, bit for bit.  Encoding is
 * the reference rounding, byte for byte what other writers of such files write; what columns are worth
 * comes from compress/. */
#ifndef HN_TENSOR_QTYPES_H
#define HN_TENSOR_QTYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum hn_qtype {
    HN_QT_NONE,
#define QTYPE(id, name, number, elements, bytes, decode, encode) HN_QT_##id,
#include "tensor/qtypes.def"
#undef QTYPE
    HN_QT_COUNT
} hn_qtype;

typedef struct hn_qtype_info {
    const char *name;             /* "Q4_K" */
    uint32_t number;              /* in GGUF files */
    uint16_t block_count;         /* elements in a block; 1 for plain types */
    uint16_t block_size;          /* its bytes */
} hn_qtype_info;

enum { HN_Q_BLOCK_MAX = 256 };    /* elements of the largest block */

const hn_qtype_info *hn_qtype_get(hn_qtype t);            /* t is a type, not NONE */
hn_qtype hn_qtype_from_number(uint32_t number);           /* GGUF's; NONE when unknown */
hn_qtype hn_qtype_from_name(const char *name);            /* letters of either case; NONE when unknown */

/* Bytes of `count` elements; SIZE_MAX when that is not a whole number of blocks or does not fit. */
size_t hn_q_bytes(hn_qtype t, size_t count);

/* `count` elements, a whole number of blocks.  src and dst need no alignment beyond their type's. */
void hn_q_decode(hn_qtype t, const void *src, float *dst, size_t count);
void hn_q_encode(hn_qtype t, const float *src, void *dst, size_t count);   /* hn_q_has_encode */
bool hn_q_has_encode(hn_qtype t);

/* A whole row, its columns worth `importance` [count]: mean squares of what they are multiplied with.
 * NULL, or a type that does not heed it: as hn_q_encode. */
void hn_q_encode_row(hn_qtype t, const float *src, const float *importance, void *dst, size_t count);
bool hn_q_heeds_importance(hn_qtype t);

#endif
