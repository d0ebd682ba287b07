/* SPDX-License-Identifier: Apache-2.0 */
/* Flexbuffers: the options of TFLite's custom operators, a map from names to numbers, read in place.
 *
 *     [ names ... | values ... | kinds ... | root: distance back to the values | kind | bytes of the root ]
 *
 * Any bytes are safe to read. */
#ifndef HN_FORMATS_FLEXBUFFER_H
#define HN_FORMATS_FLEXBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hn_flex {
    const uint8_t *data;
    size_t len;
    size_t at, count, width;         /* of the values */
    size_t names, name_width;
} hn_flex;

/* The map at the root of a buffer; false when there is none, or when it leads outside. */
bool hn_flex_map(const uint8_t *data, size_t len, hn_flex *out);

/* The number of that name: an integer, a float or a truth value; false when there is none. */
bool hn_flex_number(const hn_flex *m, const char *name, double *out);

#endif
