/* SPDX-License-Identifier: Apache-2.0 */
/* Flatbuffers, read in place.
 *
 *     table      [ distance back to its vtable | fields ... ]
 *     vtable     [ bytes of the vtable | bytes of the table | where field 0 lies in the table, 0: absent | ... ]
 *     reference  the distance forward from itself to a table, a vector or a text
 *     vector     [ count | elements ... ]
 *
 * Nothing is copied or allocated.  Any bytes are safe to read: an absent field gives its default, an
 * offset that leads outside gives the default too and marks the buffer, so code reads on without a
 * check and asks `damaged` once.  Nothing here follows more than one reference at a time, so a
 * buffer whose references form a circle costs no more than what its reader chooses to visit. */
#ifndef HN_FORMATS_FLATBUFFER_H
#define HN_FORMATS_FLATBUFFER_H

#include "tensor/tensor.h"

typedef struct hn_fb {
    const uint8_t *data;
    size_t len;
    bool damaged;                /* from the first reference that led outside on */
} hn_fb;

/* at 0: there is no such table; every field of it is absent. */
typedef struct hn_fb_table {
    hn_fb *b;
    size_t at, size;             /* size: bytes its fields may take */
    size_t vtable;
    unsigned fields;
} hn_fb_table;

typedef struct hn_fb_vector {
    hn_fb *b;
    size_t at, count;            /* at: the first element; the whole vector lies inside the buffer */
} hn_fb_vector;

hn_fb hn_fb_over(const void *data, size_t len);
hn_fb_table hn_fb_root(hn_fb *b);
bool hn_fb_has_id(const void *data, size_t len, const char id[4]);    /* the four letters after the root */

/* Fields of a table by their number in the schema. */
bool hn_fb_has(const hn_fb_table *t, unsigned field);
int64_t hn_fb_int(const hn_fb_table *t, unsigned field, unsigned bytes, int64_t missing);     /* signed */
uint64_t hn_fb_uint(const hn_fb_table *t, unsigned field, unsigned bytes, uint64_t missing);
float hn_fb_f32(const hn_fb_table *t, unsigned field, float missing);
hn_fb_table hn_fb_sub(const hn_fb_table *t, unsigned field);
hn_text hn_fb_text(const hn_fb_table *t, unsigned field);             /* "" when absent */
/* A vector of elements of `size` bytes; tables are references, 4 bytes each. */
hn_fb_vector hn_fb_list(const hn_fb_table *t, unsigned field, unsigned size);

/* Elements; the index is below count. */
hn_fb_table hn_fb_list_sub(const hn_fb_vector *v, size_t i);
int64_t hn_fb_list_int(const hn_fb_vector *v, size_t i, unsigned bytes);
float hn_fb_list_f32(const hn_fb_vector *v, size_t i);

#endif
