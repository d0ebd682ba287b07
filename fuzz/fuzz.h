/* SPDX-License-Identifier: Apache-2.0 */
/* What fuzz targets share: a context whose memory is limited, so that an input which asks for too
 * much meets an error and not the machine's end. */
#ifndef HN_FUZZ_H
#define HN_FUZZ_H

#include <stdlib.h>

#include "base/ctx.h"

#define FUZZ_BYTES_MAX ((size_t)64 << 20)

typedef struct fuzz_limit { size_t used; } fuzz_limit;

/* The size lies in 16 bytes before the block, which keeps any type aligned. */
static inline void *fuzz_alloc(void *user, void *old, size_t bytes)
{
    fuzz_limit *l = user;
    size_t *block = old ? (size_t *)((char *)old - 16) : NULL, had = block ? *block : 0;
    if (bytes == 0) {
        l->used -= had;
        free(block);
        return NULL;
    }
    if (bytes > FUZZ_BYTES_MAX || l->used - had + bytes > FUZZ_BYTES_MAX)
        return NULL;
    block = realloc(block, bytes + 16);
    if (!block)
        return NULL;
    l->used += bytes - had;
    *block = bytes;
    return (char *)block + 16;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#endif
