/* SPDX-License-Identifier: Apache-2.0 */
/* XXH64 as its specification defines it: four lanes over stripes of 32 bytes, then what is left. */
#include "base/checksum.h"

#include <endian.h>
#include <string.h>

#define P1 0x9E3779B185EBCA87u
#define P2 0xC2B2AE3D27D4EB4Fu
#define P3 0x165667B19E3779F9u
#define P4 0x85EBCA77C2B2AE63u
#define P5 0x27D4EB2F165667C5u

static inline uint64_t turn(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

static inline uint64_t word(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static inline uint64_t half_word(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t mix(uint64_t lane, uint64_t w) { return turn(lane + w * P2, 31) * P1; }
static inline uint64_t merge(uint64_t h, uint64_t lane) { return (h ^ mix(0, lane)) * P1 + P4; }

static uint64_t stripes(const unsigned char *p, size_t count)
{
    uint64_t a = P1 + P2, b = P2, c = 0, d = 0 - P1;
    for (; count > 0; count--, p += 32) {
        a = mix(a, word(p));
        b = mix(b, word(p + 8));
        c = mix(c, word(p + 16));
        d = mix(d, word(p + 24));
    }
    uint64_t h = turn(a, 1) + turn(b, 7) + turn(c, 12) + turn(d, 18);
    return merge(merge(merge(merge(h, a), b), c), d);
}

uint64_t hn_checksum(const void *data, size_t len)
{
    const unsigned char *p = data, *end = p + len;
    uint64_t h = len >= 32 ? stripes(p, len / 32) : P5;
    p += len / 32 * 32;
    h += len;
    for (; end - p >= 8; p += 8)
        h = turn(h ^ mix(0, word(p)), 27) * P1 + P4;
    for (; end - p >= 4; p += 4)
        h = turn(h ^ half_word(p) * P1, 23) * P2 + P3;
    for (; p < end; p++)
        h = turn(h ^ *p * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}
