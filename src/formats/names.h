/* SPDX-License-Identifier: Apache-2.0 */
/* Names to things, for as long as a file is being read.
 *
 * Keys are borrowed slices of the file.  The hash is seeded per reading, so no file can be
 * prepared whose names all collide. */
#ifndef HN_FORMATS_NAMES_H
#define HN_FORMATS_NAMES_H

#include "base/arena.h"
#include "tensor/tensor.h"

typedef struct hn_names {
    hn_arena *arena;
    uint64_t seed;
    struct hn_names_slot *slot;
    size_t count, cap;
} hn_names;

void hn_names_init(hn_names *m, hn_arena *arena);
void *hn_names_get(const hn_names *m, hn_text key);          /* NULL when there is none */
bool hn_names_put(hn_names *m, hn_text key, void *item);     /* replaces; false: out of memory */

static inline bool hn_text_is(hn_text t, const char *word)
{
    size_t i = 0;
    while (i < t.len && word[i] && t.ptr[i] == word[i])
        i++;
    return i == t.len && !word[i];
}

#endif
