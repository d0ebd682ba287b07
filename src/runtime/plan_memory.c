/* SPDX-License-Identifier: Apache-2.0 */
/* plan_memory.c: where each activation lies in the one block.
 *
 * Largest first, each at the lowest offset where it meets no placed slot alive at the same time:
 * the greedy-by-size order of Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
 * Inference" (2020), within a few percent of the lower bound on vision networks. */
#include "base/num.h"
#include "runtime/plan.h"

#define ALIGN 64u

static bool together(const hn_slot *a, const hn_slot *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static void sort_by_size(hn_slot **order, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2)        /* shell sort: short, no recursion */
        for (size_t i = gap; i < n; i++) {
            hn_slot *s = order[i];
            size_t j = i;
            for (; j >= gap && order[j - gap]->bytes < s->bytes; j -= gap)
                order[j] = order[j - gap];
            order[j] = s;
        }
}

/* `placed` holds n slots sorted by offset; finds the lowest gap that holds s. */
static size_t lowest_gap(hn_slot *const *placed, size_t n, const hn_slot *s)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!together(placed[i], s))
            continue;
        if (at + s->bytes <= placed[i]->offset)
            break;
        at = hn_max(at, hn_round_up(placed[i]->offset + placed[i]->bytes, ALIGN));
    }
    return at;
}

size_t hn_plan_place(hn_slot *slot, size_t count, hn_arena *scratch)
{
    hn_slot **order = HN_NEW(scratch, hn_slot *, count), **placed = HN_NEW(scratch, hn_slot *, count);
    size_t n = 0, end = 0;

    if (!order || !placed)
        return SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        if (slot[i].kind == HN_SLOT_ARENA && slot[i].alias < 0)
            order[n++] = &slot[i];
    sort_by_size(order, n);
    for (size_t i = 0; i < n; i++) {
        hn_slot *s = order[i];
        s->offset = lowest_gap(placed, i, s);
        end = hn_max(end, hn_add(s->offset, s->bytes));
        size_t j = i;
        for (; j > 0 && placed[j - 1]->offset > s->offset; j--)
            placed[j] = placed[j - 1];
        placed[j] = s;
    }
    return hn_round_up(end, ALIGN);
}
