/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf wire format, read in place.
 *
 * A message is bytes and a cursor over them.  Nothing is copied or allocated: text and nested
 * messages are slices of the file.  Any bytes are safe to read; damage makes the cursor stop and
 * remember, so a loop is written without a check and asks once at its end:
 *
 *     hn_pb_field f;
 *     while (hn_pb_next(&msg, &f))
 *         switch (f.key) {
 *         case HN_PB(1, LEN):    name = hn_pb_text(&f);  break;
 *         case HN_PB(2, VARINT): type = (int64_t)f.num;  break;
 *         }
 *     if (msg.damaged) ...
 *
 * Keys join a field's number with its wire type, so a known field of a foreign type falls through
 * as unknown: the protobuf rule. */
#ifndef HN_FORMATS_PROTOBUF_H
#define HN_FORMATS_PROTOBUF_H

#include "tensor/tensor.h"

enum {
    HN_PB_VARINT = 0, HN_PB_FIXED64 = 1, HN_PB_LEN = 2, HN_PB_GROUP = 3, HN_PB_GROUP_END = 4,
    HN_PB_FIXED32 = 5
};
#define HN_PB(number, wire) ((uint32_t)(number) << 3 | HN_PB_##wire)

typedef struct hn_pb {
    const uint8_t *at, *end;
    bool damaged;
} hn_pb;

typedef struct hn_pb_field {
    uint32_t key;                /* HN_PB(number, wire) */
    uint64_t num;                /* VARINT, FIXED32, FIXED64 */
    const uint8_t *ptr;          /* LEN: borrowed from the message */
    size_t len;
} hn_pb_field;

static inline hn_pb hn_pb_over(const void *data, size_t len)
{
    const uint8_t *p = data;
    return (hn_pb){ p, len ? p + len : p, false };
}

/* The next field; groups, which no format of ours uses, are stepped over.  False at the end of
 * the message and from the first damage on. */
bool hn_pb_next(hn_pb *p, hn_pb_field *f);

static inline hn_pb hn_pb_inside(const hn_pb_field *f) { return hn_pb_over(f->ptr, f->len); }
static inline hn_text hn_pb_text(const hn_pb_field *f) { return (hn_text){ (const char *)f->ptr, f->len }; }
float hn_pb_float(uint64_t fixed32);
double hn_pb_double(uint64_t fixed64);

/* Every number of one repeated field, whether packed or written one by one. */
typedef struct hn_pb_numbers {
    hn_pb msg, run;              /* run: what is left of a packed stretch */
    uint32_t number, wire;
} hn_pb_numbers;

hn_pb_numbers hn_pb_numbers_in(hn_pb msg, uint32_t number, uint32_t wire);
bool hn_pb_number(hn_pb_numbers *n, uint64_t *out);      /* false: no more, or n->msg.damaged */
size_t hn_pb_count(hn_pb msg, uint32_t number, uint32_t wire);    /* SIZE_MAX when damaged */

#endif
