/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/flatbuffer.h"

#include <string.h>

#include "base/num.h"

hn_fb hn_fb_over(const void *data, size_t len) { return (hn_fb){ data, len, false }; }

static bool inside(const hn_fb *b, size_t at, size_t bytes) { return at <= b->len && bytes <= b->len - at; }

/* Little-endian, of 1, 2, 4 or 8 bytes that lie inside. */
static uint64_t number(const hn_fb *b, size_t at, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)b->data[at + i] << 8 * i;
    return v;
}

static int64_t extend(uint64_t v, unsigned bytes)
{
    unsigned spare = 64 - 8 * bytes;
    return (int64_t)(v << spare) >> spare;
}

static float as_float(uint64_t v)
{
    union { uint32_t i; float f; } u = { .i = (uint32_t)v };
    return u.f;
}

/* What the reference at `at` points to, or 0 with the buffer marked. */
static size_t follow(hn_fb *b, size_t at)
{
    size_t to = inside(b, at, 4) ? hn_add(at, (size_t)number(b, at, 4)) : at;
    if (to != at && inside(b, to, 4))
        return to;
    b->damaged = true;
    return 0;
}

static hn_fb_table table_at(hn_fb *b, size_t at)
{
    hn_fb_table none = { .b = b }, t = { .b = b, .at = at };
    if (at == 0)
        return none;
    int64_t vtable = inside(b, at, 4) ? (int64_t)at - extend(number(b, at, 4), 4) : -1;
    if (vtable >= 0 && inside(b, (size_t)vtable, 4)) {
        size_t bytes = (size_t)number(b, (size_t)vtable, 2);
        t.vtable = (size_t)vtable;
        t.size = (size_t)number(b, (size_t)vtable + 2, 2);
        t.fields = bytes >= 4 ? (unsigned)(bytes - 4) / 2 : 0;
        if (bytes >= 4 && inside(b, t.vtable, bytes) && inside(b, at, t.size))
            return t;
    }
    b->damaged = true;
    return none;
}

hn_fb_table hn_fb_root(hn_fb *b) { return table_at(b, follow(b, 0)); }

bool hn_fb_has_id(const void *data, size_t len, const char id[4])
{
    return len >= 8 && memcmp((const uint8_t *)data + 4, id, 4) == 0;
}

/* Where a field of so many bytes lies, 0 when it is absent. */
static size_t find(const hn_fb_table *t, unsigned field, unsigned bytes)
{
    if (t->at == 0 || field >= t->fields)
        return 0;
    size_t off = (size_t)number(t->b, t->vtable + 4 + 2 * (size_t)field, 2);
    if (off == 0)
        return 0;
    if (off >= 4 && off + bytes <= t->size)
        return t->at + off;
    t->b->damaged = true;
    return 0;
}

bool hn_fb_has(const hn_fb_table *t, unsigned field) { return find(t, field, 1) != 0; }

uint64_t hn_fb_uint(const hn_fb_table *t, unsigned field, unsigned bytes, uint64_t missing)
{
    size_t at = find(t, field, bytes);
    return at ? number(t->b, at, bytes) : missing;
}

int64_t hn_fb_int(const hn_fb_table *t, unsigned field, unsigned bytes, int64_t missing)
{
    size_t at = find(t, field, bytes);
    return at ? extend(number(t->b, at, bytes), bytes) : missing;
}

float hn_fb_f32(const hn_fb_table *t, unsigned field, float missing)
{
    size_t at = find(t, field, 4);
    return at ? as_float(number(t->b, at, 4)) : missing;
}

hn_fb_table hn_fb_sub(const hn_fb_table *t, unsigned field)
{
    size_t at = find(t, field, 4);
    return table_at(t->b, at ? follow(t->b, at) : 0);
}

hn_fb_vector hn_fb_list(const hn_fb_table *t, unsigned field, unsigned size)
{
    size_t at = find(t, field, 4), to = at ? follow(t->b, at) : 0;
    hn_fb_vector v = { .b = t->b };
    if (to == 0)
        return v;
    size_t count = (size_t)number(t->b, to, 4);
    if (inside(t->b, to + 4, hn_mul(count, size)))
        return (hn_fb_vector){ t->b, to + 4, count };
    t->b->damaged = true;
    return v;
}

hn_text hn_fb_text(const hn_fb_table *t, unsigned field)
{
    hn_fb_vector v = hn_fb_list(t, field, 1);
    return v.count ? (hn_text){ (const char *)t->b->data + v.at, v.count } : (hn_text){ "", 0 };
}

hn_fb_table hn_fb_list_sub(const hn_fb_vector *v, size_t i) { return table_at(v->b, follow(v->b, v->at + 4 * i)); }

int64_t hn_fb_list_int(const hn_fb_vector *v, size_t i, unsigned bytes)
{
    return extend(number(v->b, v->at + i * bytes, bytes), bytes);
}

float hn_fb_list_f32(const hn_fb_vector *v, size_t i) { return as_float(number(v->b, v->at + 4 * i, 4)); }
