/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/rans.h"

#include <string.h>

enum { BITS = 12, TOTAL = 1 << BITS, STATES = 8, ROW = 3 };
enum { PLANE_SAME, PLANE_RAW, PLANE_RANS };
#define LOW ((uint32_t)1 << 16)                   /* a state lies in [LOW, LOW << 16) between symbols */

static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)v, p[1] = (uint8_t)(v >> 8); }
static void put32(uint8_t *p, uint32_t v) { put16(p, v), put16(p + 2, v >> 16); }
static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

/* ---- Packing --------------------------------------------------------------------------------------- */

/* Counts to frequencies that sum to TOTAL, none of a symbol that occurs below 1. */
static void scale(const uint32_t count[256], size_t n, uint16_t freq[256])
{
    uint32_t sum = 0;
    int most = 0;
    for (int s = 0; s < 256; s++) {
        uint64_t f = count[s] ? ((uint64_t)count[s] * TOTAL + n / 2) / n : 0;
        freq[s] = (uint16_t)(count[s] && f == 0 ? 1 : f);
        sum += freq[s];
        most = count[s] > count[most] ? s : most;
    }
    /* What rounding made too much comes from those with most to spare, one at a time. */
    while (sum > TOTAL) {
        int big = most;
        for (int s = 0; s < 256; s++)
            big = freq[s] > freq[big] ? s : big;
        freq[big]--;
        sum--;
    }
    freq[most] = (uint16_t)(freq[most] + TOTAL - sum);
}

/* Bytes of words, written from the end of `room` downwards; SIZE_MAX when they would not fit. */
static size_t encode(const uint8_t *data, size_t n, const uint16_t freq[256], uint8_t *room, size_t size,
                     uint32_t state[STATES])
{
    uint32_t start[256], sum = 0;
    uint8_t *at = room + size;
    for (int s = 0; s < 256; s++) {
        start[s] = sum;
        sum += freq[s];
    }
    for (int k = 0; k < STATES; k++)
        state[k] = LOW;
    for (size_t i = n; i-- > 0;) {
        uint32_t *x = &state[i % STATES], f = freq[data[i]];
        if (*x >= (uint64_t)f << (32 - BITS)) {
            if (at - room < 2)
                return SIZE_MAX;
            put16(at -= 2, *x);
            *x >>= 16;
        }
        *x = (*x / f << BITS) + *x % f + start[data[i]];
    }
    return (size_t)(room + size - at);
}

static bool pack_rans(hn_buf *out, const uint8_t *data, size_t n, const uint32_t count[256])
{
    uint8_t head[2 + 256 * ROW + STATES * 4];
    uint16_t freq[256];
    uint32_t state[STATES];
    size_t at = 2, rows = 0;
    uint8_t *room = hn_alloc(out->cx, n);
    if (!room) {
        out->failed = true;
        return true;
    }
    scale(count, n, freq);
    for (int s = 0; s < 256; s++)
        if (freq[s]) {
            head[at] = (uint8_t)s;
            put16(head + at + 1, freq[s]);
            at += ROW;
            rows++;
        }
    head[0] = PLANE_RANS;
    head[1] = (uint8_t)(rows - 1);
    size_t words = encode(data, n, freq, room, n, state);
    for (int k = 0; k < STATES; k++, at += 4)
        put32(head + at, state[k]);
    bool smaller = words != SIZE_MAX && at + words < n + 1;
    if (smaller) {
        hn_buf_add(out, head, at);
        hn_buf_add(out, room + n - words, words);
    }
    hn_free(out->cx, room);
    return smaller;
}

void hn_plane_pack(hn_buf *out, const uint8_t *data, size_t n)
{
    uint32_t count[256] = { 0 };
    const uint8_t same[2] = { PLANE_SAME, n ? data[0] : 0 }, raw = PLANE_RAW;
    for (size_t i = 0; i < n; i++)
        count[data[i]]++;
    if (n == 0 || count[data[0]] == n) {
        hn_buf_add(out, same, 2);
        return;
    }
    if (pack_rans(out, data, n, count))
        return;
    hn_buf_add(out, &raw, 1);
    hn_buf_add(out, data, n);
}

/* ---- Unpacking -------------------------------------------------------------------------------------- */

/* A place of the table in one word: symbol, position within the symbol's range, frequency less one. */
typedef uint32_t slot;

static bool read_table(const uint8_t *p, size_t rows, slot table[TOTAL])
{
    uint32_t at = 0;
    int last = -1;
    for (size_t r = 0; r < rows; r++, p += ROW) {
        uint32_t f = get16(p + 1);
        if ((int)p[0] <= last || f == 0 || f > TOTAL - at)
            return false;
        last = p[0];
        for (uint32_t k = 0; k < f; k++)
            table[at + k] = p[0] | k << 8 | (f - 1) << 20;
        at += f;
    }
    return at == TOTAL;
}

static inline uint32_t step(uint32_t x, const slot *table, uint8_t *out)
{
    slot s = table[x & (TOTAL - 1)];
    *out = (uint8_t)s;
    return ((s >> 20) + 1) * (x >> BITS) + (s >> 8 & (TOTAL - 1));
}

static size_t unpack_rans(const uint8_t *packed, size_t len, uint8_t *out, size_t n)
{
    slot table[TOTAL];
    uint32_t x[STATES];
    if (len < 2)
        return 0;
    size_t rows = (size_t)packed[1] + 1, head = 2 + rows * ROW + STATES * 4, i = 0;
    if (len < head || !read_table(packed + 2, rows, table))
        return 0;
    const uint8_t *at = packed + head, *end = packed + len;
    for (int k = 0; k < STATES; k++) {
        x[k] = get32(packed + head - STATES * 4 + k * 4);
        if (x[k] < LOW)
            return 0;
    }
    for (; i + STATES <= n && end - at >= 2 * STATES; i += STATES)
#pragma GCC unroll 8
        for (int k = 0; k < STATES; k++) {
            x[k] = step(x[k], table, out + i + k);
            uint32_t low = x[k] < LOW ? ~(uint32_t)0 : 0;           /* without a branch: it would not be foreseen */
            x[k] = (x[k] << (low & 16)) | (get16(at) & low);
            at += low & 2;
        }
    for (; i < n; i++) {
        uint32_t *s = &x[i % STATES];
        *s = step(*s, table, out + i);
        if (*s < LOW) {
            if (end - at < 2)
                return 0;
            *s = *s << 16 | get16(at);
            at += 2;
        }
    }
    for (int k = 0; k < STATES; k++)
        if (x[k] != LOW)                              /* where the packer began: nothing is left over */
            return 0;
    return (size_t)(at - packed);
}

size_t hn_plane_unpack(const uint8_t *packed, size_t len, uint8_t *out, size_t n)
{
    if (len >= 2 && packed[0] == PLANE_SAME) {
        memset(out, packed[1], n);
        return 2;
    }
    if (len >= 1 && packed[0] == PLANE_RAW && len - 1 >= n) {
        memcpy(out, packed + 1, n);
        return n + 1;
    }
    return len >= 2 && packed[0] == PLANE_RANS ? unpack_rans(packed, len, out, n) : 0;
}
