/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/names.h"

#include <string.h>

#include "base/clock.h"

typedef struct hn_names_slot {
    hn_text key;
    void *item;              /* NULL: free */
} slot;

void hn_names_init(hn_names *m, hn_arena *arena)
{
    *m = (hn_names){ .arena = arena, .seed = hn_now_ns() ^ (uint64_t)(uintptr_t)m };
}

/* Multiply and fold, eight bytes at a time; the seed enters every step. */
static uint64_t hash(uint64_t seed, hn_text key)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    uint64_t h = seed ^ key.len * odd;
    for (size_t i = 0; i < key.len; i += 8) {
        uint64_t v = 0;
        memcpy(&v, key.ptr + i, key.len - i < 8 ? key.len - i : 8);
        h = (h ^ v) * odd;
        h ^= h >> 32 ^ seed;
    }
    h *= odd;
    return h ^ h >> 29;
}

/* Where `key` is or would go; `cap` is a power of two with room. */
static slot *find(const hn_names *m, hn_text key)
{
    for (size_t i = hash(m->seed, key);; i++) {
        slot *s = &m->slot[i & (m->cap - 1)];
        if (!s->item || (s->key.len == key.len && (!key.len || memcmp(s->key.ptr, key.ptr, key.len) == 0)))
            return s;
    }
}

void *hn_names_get(const hn_names *m, hn_text key)
{
    return m->cap ? find(m, key)->item : NULL;
}

static bool grow(hn_names *m)
{
    hn_names bigger = *m;
    bigger.cap = m->cap ? m->cap * 2 : 16;
    bigger.slot = HN_NEW(m->arena, slot, bigger.cap);
    if (!bigger.slot)
        return false;
    for (size_t i = 0; i < m->cap; i++)
        if (m->slot[i].item)
            *find(&bigger, m->slot[i].key) = m->slot[i];
    *m = bigger;
    return true;
}

bool hn_names_put(hn_names *m, hn_text key, void *item)
{
    if (m->count * 2 >= m->cap && !grow(m))
        return false;
    slot *s = find(m, key);
    m->count += !s->item;
    *s = (slot){ key, item };
    return true;
}
