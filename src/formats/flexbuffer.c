/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/flexbuffer.h"

#include <string.h>

#include "base/num.h"

/* Kinds, in the upper six bits of a byte; the lower two are the logarithm of a width. */
enum { INT = 1, UINT = 2, FLOAT = 3, FAR_INT = 6, FAR_UINT = 7, FAR_FLOAT = 8, MAP = 9, BOOL = 26 };

static bool inside(size_t len, size_t at, size_t bytes) { return at <= len && bytes <= len - at; }

static uint64_t number(const uint8_t *p, size_t width)
{
    uint64_t v = 0;
    for (size_t i = 0; i < width; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Where the distance at `at` leads back to. */
static bool back(const hn_flex *m, size_t at, size_t width, size_t *to)
{
    if (!inside(m->len, at, width))
        return false;
    uint64_t distance = number(m->data + at, width);
    *to = at - (size_t)distance;
    return distance <= at;
}

bool hn_flex_map(const uint8_t *data, size_t len, hn_flex *out)
{
    hn_flex m = { .data = data, .len = len };
    if (len < 3)
        return false;
    size_t root = data[len - 1], kind = data[len - 2];
    m.width = (size_t)1 << (kind & 3);
    if ((root != 1 && root != 2 && root != 4 && root != 8) || root > len - 2 || kind >> 2 != MAP ||
        !back(&m, len - 2 - root, root, &m.at) || m.at < 3 * m.width)
        return false;
    m.count = (size_t)number(data + m.at - m.width, m.width);
    m.name_width = (size_t)number(data + m.at - 2 * m.width, m.width);
    bool powers = m.name_width == 1 || m.name_width == 2 || m.name_width == 4 || m.name_width == 8;
    if (!powers || !back(&m, m.at - 3 * m.width, m.width, &m.names) ||
        !inside(len, m.at, hn_mul(m.count, m.width + 1)) || !inside(len, m.names, hn_mul(m.count, m.name_width)))
        return false;
    *out = m;
    return true;
}

static bool named(const hn_flex *m, size_t i, const char *name)
{
    size_t at, bytes = strlen(name) + 1;
    return back(m, m->names + i * m->name_width, m->name_width, &at) && inside(m->len, at, bytes) &&
           memcmp(m->data + at, name, bytes) == 0;
}

static bool read_float(const uint8_t *p, size_t width, double *out)
{
    union { uint64_t i; double f; } wide = { .i = number(p, width) };
    union { uint32_t i; float f; } narrow = { .i = (uint32_t)wide.i };
    *out = width == 8 ? wide.f : (double)narrow.f;
    return width >= 4;
}

bool hn_flex_number(const hn_flex *m, const char *name, double *out)
{
    size_t i = 0, width = m->width;
    while (i < m->count && !named(m, i, name))
        i++;
    if (i == m->count)
        return false;
    size_t at = m->at + i * width, kind = m->data[m->at + m->count * width + i];
    if (kind >> 2 == FAR_INT || kind >> 2 == FAR_UINT || kind >> 2 == FAR_FLOAT) {
        if (!back(m, at, width, &at))
            return false;
        width = (size_t)1 << (kind & 3);
        kind -= (FAR_INT - INT) << 2;
    }
    if (!inside(m->len, at, width))
        return false;
    unsigned spare = 64 - 8 * (unsigned)width;
    switch (kind >> 2) {
    case INT:              *out = (double)((int64_t)(number(m->data + at, width) << spare) >> spare); return true;
    case UINT: case BOOL:  *out = (double)number(m->data + at, width); return true;
    case FLOAT:            return read_float(m->data + at, width, out);
    default:               return false;
    }
}
