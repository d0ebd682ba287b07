/* SPDX-License-Identifier: Apache-2.0 */
/* A heap of keys with their positions: selecting the best few without a sort and without memory
 * of its own.  Larger keys come first; of equal ones, the earlier position. */
#ifndef HN_GRAPH_HEAP_H
#define HN_GRAPH_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hn_entry { int64_t key; size_t index; } hn_entry;

static inline bool hn_entry_first(hn_entry a, hn_entry b)
{
    return a.key != b.key ? a.key > b.key : a.index < b.index;
}

/* Moves heap[at] down to where it belongs.  last: the entry that comes last is kept at the root. */
static inline void hn_heap_sift(hn_entry *heap, size_t n, size_t at, bool last)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= n)
            return;
        if (child + 1 < n && hn_entry_first(heap[child + 1], heap[child]) != last)
            child++;
        if (hn_entry_first(heap[child], heap[at]) == last)
            return;
        hn_entry t = heap[at];
        heap[at] = heap[child];
        heap[child] = t;
        at = child;
    }
}

/* Takes the root off a heap of n: it ends up at heap[n - 1]. */
static inline void hn_heap_pop(hn_entry *heap, size_t n, bool last)
{
    hn_entry t = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = t;
    hn_heap_sift(heap, n - 1, 0, last);
}

#endif
