/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/alloc.h"

#include <stdlib.h>

#define HEAD 16          /* the size lies before the block, which keeps any type aligned */

static void *resize(test_alloc *t, void *old, size_t bytes)
{
    char *block = old ? (char *)old - HEAD : NULL;
    size_t had = block ? *(size_t *)(void *)block : 0;
    block = realloc(block, bytes + HEAD);
    if (!block)
        return NULL;
    *(size_t *)(void *)block = bytes;
    atomic_fetch_add(&t->bytes, bytes - had);
    atomic_fetch_add(&t->blocks, !old);
    return block + HEAD;
}

void *test_alloc_hook(void *user, void *old, size_t bytes)
{
    test_alloc *t = user;
    if (bytes == 0 && old) {
        atomic_fetch_sub(&t->bytes, *(size_t *)(void *)((char *)old - HEAD));
        atomic_fetch_sub(&t->blocks, 1);
        free((char *)old - HEAD);
        return NULL;
    }
    size_t call = atomic_fetch_add(&t->calls, 1), largest = atomic_load(&t->largest);
    if (call >= t->fail_from && call - t->fail_from < t->fail_count)
        return NULL;
    while (bytes > largest && !atomic_compare_exchange_weak(&t->largest, &largest, bytes))
        ;
    atomic_fetch_add(&t->watched, t->watch && bytes == t->watch);
    return resize(t, old, bytes);
}
