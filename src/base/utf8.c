/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

/* What the lead byte says: the character's length, and the range of its second byte, which alone
 * keeps out overlong forms, surrogates and what lies past U+10FFFF (Unicode, table 3-7). */
typedef struct lead { uint8_t len, low, high; } lead;

static lead lead_of(uint8_t b)
{
    if (b < 0x80)
        return (lead){ 1, 0, 0 };
    if (b < 0xC2 || b > 0xF4)
        return (lead){ 0, 0, 0 };
    if (b < 0xE0)
        return (lead){ 2, 0x80, 0xBF };
    if (b < 0xF0)
        return (lead){ 3, b == 0xE0 ? 0xA0 : 0x80, b == 0xED ? 0x9F : 0xBF };
    return (lead){ 4, b == 0xF0 ? 0x90 : 0x80, b == 0xF4 ? 0x8F : 0xBF };
}

static bool tail_fits(lead l, const uint8_t *u, size_t have)
{
    if (have > 1 && (u[1] < l.low || u[1] > l.high))
        return false;
    for (size_t i = 2; i < have; i++)
        if ((u[i] & 0xC0) != 0x80)
            return false;
    return true;
}

size_t hn_utf8_get(const char *s, size_t len, uint32_t *cp)
{
    const uint8_t *u = (const uint8_t *)s;
    if (len == 0)
        return 0;
    lead l = lead_of(u[0]);
    if (l.len == 0 || l.len > len || !tail_fits(l, u, l.len))
        return 0;
    if (cp) {
        uint32_t c = l.len == 1 ? u[0] : u[0] & (0x7Fu >> l.len);
        for (size_t i = 1; i < l.len; i++)
            c = c << 6 | (u[i] & 0x3Fu);
        *cp = c;
    }
    return l.len;
}

size_t hn_utf8_put(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
        return 0;
    size_t len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((0xF00u >> len & 0xF0) | cp);
    return len;
}

size_t hn_utf8_valid(const char *s, size_t len)
{
    size_t i = 0;
    while (i < len) {
        uint64_t eight;
        if (len - i >= 8 && (memcpy(&eight, s + i, 8), (eight & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        size_t n = hn_utf8_get(s + i, len - i, NULL);
        if (n == 0)
            break;
        i += n;
    }
    return i;
}

bool hn_utf8_partial(const char *s, size_t len)
{
    const uint8_t *u = (const uint8_t *)s;
    if (len == 0)
        return false;
    lead l = lead_of(u[0]);
    return l.len > len && tail_fits(l, u, len);
}

size_t hn_utf8_count(const char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((uint8_t)s[i] & 0xC0) != 0x80;
    return n;
}
