/* SPDX-License-Identifier: Apache-2.0 */
/* delta_form.c: differences of numbers, in planes of bytes.
 *
 * 16- and 32-bit numbers are subtracted as integers, also when they are floats: neighbouring floats have
 * neighbouring bits.  The sign moves to the lowest bit, so that small differences of either sign have zero
 * high bytes. */
#include "fleet/delta_impl.h"

#include <string.h>

size_t hn_form_planes(hn_delta_form form)
{
    static const uint8_t planes[HN_FORM_COUNT] = { 1, 2, 4, 3, 3 };
    return planes[form];
}

size_t hn_form_unit(const hn_segment *s)
{
    static const uint8_t unit[] = { 1, 2, 4 };
    return s->form <= HN_FORM_U32 ? unit[s->form] : s->block;
}

void hn_form_sizes(const hn_segment *s, size_t n, size_t size[4])
{
    size_t planes = hn_form_planes(s->form), units = n / hn_form_unit(s);
    if (s->form <= HN_FORM_U32) {
        for (size_t i = 0; i < planes; i++)
            size[i] = units;
        return;
    }
    size[0] = size[1] = units * s->head / 2;
    size[2] = units * (size_t)(s->block - s->head);
}

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

static uint32_t fold16(uint32_t d) { return ((d << 1) ^ (0u - (d >> 15 & 1))) & 0xFFFF; }
static uint32_t unfold16(uint32_t z) { return ((z >> 1) ^ (0u - (z & 1))) & 0xFFFF; }
static uint32_t fold32(uint32_t d) { return (d << 1) ^ (0u - (d >> 31)); }
static uint32_t unfold32(uint32_t z) { return (z >> 1) ^ (0u - (z & 1)); }

/* Two codes of 4 bits at once: each modulo 16. */
static uint8_t sub4(uint8_t a, uint8_t b) { return (uint8_t)((((a & 0xF0) - (b & 0xF0)) & 0xF0) | ((a - b) & 0x0F)); }
static uint8_t add4(uint8_t a, uint8_t b) { return (uint8_t)((((a & 0xF0) + (b & 0xF0)) & 0xF0) | ((a + b) & 0x0F)); }

static void split16(const uint8_t *old, const uint8_t *fresh, size_t count, uint8_t *low, uint8_t *high)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t z = fold16((get16(fresh + 2 * i) - get16(old + 2 * i)) & 0xFFFF);
        low[i] = (uint8_t)z;
        high[i] = (uint8_t)(z >> 8);
    }
}

static void join16(const uint8_t *old, const uint8_t *low, const uint8_t *high, size_t count, uint8_t *fresh)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t v = get16(old + 2 * i) + unfold16(low[i] | (uint32_t)high[i] << 8);
        fresh[2 * i] = (uint8_t)v;
        fresh[2 * i + 1] = (uint8_t)(v >> 8);
    }
}

static void split_blocks(const hn_segment *s, const uint8_t *old, const uint8_t *fresh, size_t units, uint8_t *plane,
                         const size_t size[4])
{
    uint8_t *low = plane, *high = plane + size[0], *code = plane + size[0] + size[1];
    for (size_t u = 0; u < units; u++, old += s->block, fresh += s->block) {
        split16(old, fresh, s->head / 2u, low, high);
        low += s->head / 2u;
        high += s->head / 2u;
        for (size_t i = s->head; i < s->block; i++)
            *code++ = s->form == HN_FORM_BLOCK_U4 ? sub4(fresh[i], old[i]) : (uint8_t)(fresh[i] - old[i]);
    }
}

void hn_form_split(const hn_segment *s, const uint8_t *old, const uint8_t *fresh, size_t n, uint8_t *plane,
                   size_t size[4])
{
    size_t units = n / hn_form_unit(s);
    hn_form_sizes(s, n, size);
    switch (s->form) {
    case HN_FORM_U8:
        for (size_t i = 0; i < n; i++)
            plane[i] = (uint8_t)(fresh[i] - old[i]);
        break;
    case HN_FORM_U16:
        split16(old, fresh, units, plane, plane + units);
        break;
    case HN_FORM_U32:
        for (size_t i = 0; i < units; i++) {
            uint32_t z = fold32(get32(fresh + 4 * i) - get32(old + 4 * i));
            for (size_t p = 0; p < 4; p++)
                plane[p * units + i] = (uint8_t)(z >> 8 * p);
        }
        break;
    default:
        split_blocks(s, old, fresh, units, plane, size);
    }
}

static void join_blocks(const hn_segment *s, const uint8_t *old, const uint8_t *plane, size_t units,
                        const size_t size[4],
                        uint8_t *fresh)
{
    const uint8_t *low = plane, *high = plane + size[0], *code = plane + size[0] + size[1];
    size_t codes = (size_t)(s->block - s->head);
    for (size_t u = 0; u < units; u++, old += s->block, fresh += s->block, code += codes) {
        join16(old, low, high, s->head / 2u, fresh);
        low += s->head / 2u;
        high += s->head / 2u;
        if (s->form == HN_FORM_BLOCK_U4)
            for (size_t i = 0; i < codes; i++)
                fresh[s->head + i] = add4(old[s->head + i], code[i]);
        else
            for (size_t i = 0; i < codes; i++)
                fresh[s->head + i] = (uint8_t)(old[s->head + i] + code[i]);
    }
}

void hn_form_join(const hn_segment *s, const uint8_t *old, const uint8_t *plane, size_t n, uint8_t *fresh)
{
    size_t units = n / hn_form_unit(s), size[4];
    hn_form_sizes(s, n, size);
    switch (s->form) {
    case HN_FORM_U8:
        for (size_t i = 0; i < n; i++)
            fresh[i] = (uint8_t)(old[i] + plane[i]);
        break;
    case HN_FORM_U16:
        join16(old, plane, plane + units, units, fresh);
        break;
    case HN_FORM_U32:
        for (size_t i = 0; i < units; i++) {
            uint32_t z = plane[i] | (uint32_t)plane[units + i] << 8 | (uint32_t)plane[2 * units + i] << 16 |
                         (uint32_t)plane[3 * units + i] << 24;
            uint32_t v = get32(old + 4 * i) + unfold32(z);
            for (size_t p = 0; p < 4; p++)
                fresh[4 * i + p] = (uint8_t)(v >> 8 * p);
        }
        break;
    default:
        join_blocks(s, old, plane, units, size, fresh);
    }
}

/* ---- Segments' heads ----------------------------------------------------------------------------------- */

void hn_segment_write(const hn_segment *s, uint8_t out[HN_DELTA_SEGMENT])
{
    memset(out, 0, HN_DELTA_SEGMENT);
    out[0] = (uint8_t)s->kind;
    out[1] = (uint8_t)s->form;
    out[2] = s->head;
    out[3] = s->window_log;
    out[4] = (uint8_t)s->block;
    out[5] = (uint8_t)(s->block >> 8);
    hn_le64_put(out + 8, s->old_at);
    hn_le64_put(out + 16, s->old_len);
    hn_le64_put(out + 24, s->new_len);
    hn_le64_put(out + 32, s->stored);
}

static bool form_ok(const hn_segment *s)
{
    if (s->form >= HN_FORM_COUNT)
        return false;
    if (s->form >= HN_FORM_BLOCK_U8 && (s->block == 0 || s->block > 512 || s->head > 16 || s->head % 2 ||
                                        s->head >= s->block))
        return false;
    return s->new_len % hn_form_unit(s) == 0;
}

/* What a kind does not use is zero, so that there is one way to say a thing. */
static bool head_ok(const hn_segment *s, const uint8_t *p)
{
    bool blocks = s->form >= HN_FORM_BLOCK_U8, plain = s->form == 0 && s->head == 0 && s->block == 0;
    if (p[6] || p[7] || (s->kind != HN_SEG_ZSTD && s->window_log))
        return false;
    switch (s->kind) {
    case HN_SEG_COPY: return plain && s->stored == 0 && s->old_len == s->new_len;
    case HN_SEG_ZSTD: return plain && s->stored > 0 && s->window_log <= HN_DELTA_WINDOW_LOG_MAX;
    case HN_SEG_TYPED: return s->stored > 0 && s->old_len == s->new_len && form_ok(s) &&
                              (blocks || (s->head == 0 && s->block == 0));
    default: return false;
    }
}

hn_err hn_segment_read(hn_ctx *cx, const uint8_t *p, uint64_t old_length, uint64_t new_left, uint64_t stored_left,
                       hn_segment *out)
{
    hn_segment s = { .kind = (hn_segment_kind)p[0], .form = (hn_delta_form)p[1], .head = p[2], .window_log = p[3],
                     .block = (uint16_t)(p[4] | p[5] << 8), .old_at = hn_le64(p + 8), .old_len = hn_le64(p + 16),
                     .new_len = hn_le64(p + 24), .stored = hn_le64(p + 32) };
    if (s.old_at > old_length || s.old_len > old_length - s.old_at)
        return hn_fail(cx, HN_EREFUSED, "delta: a segment reads outside the old file");
    if (s.new_len == 0 || s.new_len > new_left)
        return hn_fail(cx, HN_EREFUSED, "delta: its segments make more than it says");
    if (s.stored > stored_left)
        return hn_fail(cx, HN_EREFUSED, "delta: a segment ends behind the file's end");
    if (!head_ok(&s, p))
        return hn_fail(cx, HN_EREFUSED, "delta: a segment's head is damaged");
    *out = s;
    return HN_OK;
}
