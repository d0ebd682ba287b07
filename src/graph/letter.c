/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/letter.h"

#include "base/utf8.h"

uint32_t hn_letter_next(hn_text t, size_t *at)
{
    uint32_t c;
    size_t len = hn_utf8_get(t.ptr + *at, t.len - *at, &c);
    *at += len ? len : 1;
    return len ? c : (unsigned char)t.ptr[*at - 1];
}

/* Capitals from..to; `by` from a capital to its small letter; 0: they take turns, capitals even (or odd
 * with -1). */
static const struct { uint32_t from, to; int by; } ranges[] = {
    { 'A', 'Z', 32 },           { 0xC0, 0xD6, 32 },      { 0xD8, 0xDE, 32 },      { 0x100, 0x12F, 0 },
    { 0x132, 0x137, 0 },        { 0x139, 0x148, -1 },    { 0x14A, 0x177, 0 },     { 0x178, 0x178, -121 },
    { 0x179, 0x17E, -1 },       { 0x386, 0x386, 38 },    { 0x388, 0x38A, 37 },    { 0x38C, 0x38C, 64 },
    { 0x38E, 0x38F, 63 },       { 0x391, 0x3A1, 32 },    { 0x3A3, 0x3AB, 32 },    { 0x400, 0x40F, 80 },
    { 0x410, 0x42F, 32 },       { 0x460, 0x481, 0 },     { 0x48A, 0x4BF, 0 },     { 0x4D0, 0x52F, 0 },
    { 0x531, 0x556, 48 },       { 0x1E00, 0x1E95, 0 },   { 0x1EA0, 0x1EFF, 0 },
};
enum { RANGES = sizeof ranges / sizeof ranges[0] };

static bool takes_turns(int by) { return by == 0 || by == -1; }

uint32_t hn_lower(uint32_t c)
{
    for (int i = 0; i < RANGES; i++)
        if (c >= ranges[i].from && c <= ranges[i].to) {
            bool capital = (c & 1) == (ranges[i].by == -1);
            return takes_turns(ranges[i].by) ? c + capital : c + (uint32_t)ranges[i].by;
        }
    return c;
}

uint32_t hn_upper(uint32_t c)
{
    for (int i = 0; i < RANGES; i++) {
        uint32_t shift = takes_turns(ranges[i].by) ? 0 : (uint32_t)ranges[i].by;
        uint32_t from = ranges[i].from + shift, to = ranges[i].to + shift;
        if (c < from || c > to)
            continue;
        bool capital = (c & 1) == (ranges[i].by == -1);
        return shift ? c - shift : c - !capital;
    }
    return c;
}
