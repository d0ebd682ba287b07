/* SPDX-License-Identifier: Apache-2.0 */
/* bmp.c: Windows bitmaps, read: 1, 4, 8, 16, 24 and 32 bits a pixel, palettes, bit fields, RLE8.
 *
 * Ours, because the format is a header and rows: every number of the header is checked against the
 * file's length before it is used. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "media/image.h"

enum { RGB, RLE8, RLE4, BITFIELDS };

typedef struct bmp {
    hn_ctx *cx;
    const uint8_t *data;
    size_t len;
    size_t pixels;                  /* where rows begin */
    int64_t w, h;
    bool top_down;
    unsigned bits, compression;
    const uint8_t *palette;         /* B, G, R, 0 */
    size_t colours, entry;          /* entry: bytes per palette colour */
    uint32_t mask[4];               /* red, green, blue, alpha */
} bmp;

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

static bool probe(const uint8_t *data, size_t len) { return len >= 2 && data[0] == 'B' && data[1] == 'M'; }

static hn_err bad(const bmp *b, const char *what)
{
    return hn_fail(b->cx, HN_EFORMAT, "bmp: %s; save the picture again or copy it anew", what);
}

/* Bit masks of 16- and 32-bit pixels: from the header, or the customary ones. */
static hn_err read_masks(bmp *b, uint32_t header)
{
    static const uint32_t wide[4] = { 0xFF0000, 0xFF00, 0xFF, 0 }, narrow[4] = { 0x7C00, 0x3E0, 0x1F, 0 };
    memcpy(b->mask, b->bits == 16 ? narrow : wide, sizeof b->mask);
    if (b->compression != BITFIELDS)
        return HN_OK;
    size_t count = header >= 56 ? 4 : 3;
    if (b->len < 54 + 4 * count)
        return bad(b, "the file ends inside its bit masks");
    for (size_t i = 0; i < count; i++)
        b->mask[i] = u32(b->data + 54 + 4 * i);
    return HN_OK;
}

static hn_err read_header(bmp *b)
{
    if (b->len < 26)
        return bad(b, "the file ends inside its header");
    uint32_t header = u32(b->data + 14);
    bool old = header == 12;                       /* OS/2's: 16-bit sizes, 3-byte palette */
    if (!old && (header < 40 || header > 124 || b->len < 54))
        return bad(b, "the header has an unknown size");
    b->pixels = u32(b->data + 10);
    b->w = old ? (int64_t)u16(b->data + 18) : (int64_t)(int32_t)u32(b->data + 18);
    b->h = old ? (int64_t)u16(b->data + 20) : (int64_t)(int32_t)u32(b->data + 22);
    b->bits = u16(b->data + (old ? 24 : 28));
    b->compression = old ? RGB : u32(b->data + 30);
    b->top_down = b->h < 0;
    if (b->top_down)
        b->h = -b->h;
    if (b->w < 0)
        return bad(b, "the width is negative");

    bool paletted = b->bits == 1 || b->bits == 4 || b->bits == 8, direct = b->bits == 16 || b->bits == 24 || b->bits == 32;
    bool packed = (b->compression == RLE8 && b->bits == 8) || (b->compression == BITFIELDS && (b->bits == 16 || b->bits == 32));
    if ((!paletted && !direct) || (b->compression != RGB && !packed))
        return hn_fail(b->cx, HN_EUNSUP, "unsupported: bmp with %u bits a pixel and compression %u; save it as PNG",
                       b->bits, b->compression);
    if (paletted) {
        size_t at = 14 + (size_t)header, most = (size_t)1 << b->bits;
        uint32_t used = old ? 0 : u32(b->data + 46);
        b->entry = old ? 3 : 4;
        b->colours = used && used < most ? used : most;
        if (at > b->len || b->colours * b->entry > b->len - at)
            return bad(b, "the file ends inside its palette");
        b->palette = b->data + at;
    }
    return read_masks(b, header);
}

static void put_colour(const bmp *b, unsigned index, uint8_t *out)
{
    if (index >= b->colours) {
        memset(out, 0, 3);                         /* as viewers do: black */
        return;
    }
    const uint8_t *p = b->palette + index * b->entry;
    out[0] = p[2];
    out[1] = p[1];
    out[2] = p[0];
}

/* The field under a mask, stretched to 8 bits. */
static uint8_t field(uint32_t v, uint32_t mask)
{
    if (!mask)
        return 0;
    unsigned shift = (unsigned)__builtin_ctz(mask);
    uint64_t top = mask >> shift;
    return (uint8_t)(((uint64_t)((v & mask) >> shift) * 255 + top / 2) / top);
}

static void read_row(const bmp *b, const uint8_t *row, uint8_t *out)
{
    for (size_t x = 0; x < (size_t)b->w; x++, out += 3) {
        switch (b->bits) {
        case 1: put_colour(b, row[x / 8] >> (7 - x % 8) & 1, out); break;
        case 4: put_colour(b, row[x / 2] >> (x % 2 ? 0 : 4) & 15, out); break;
        case 8: put_colour(b, row[x], out); break;
        case 24:
            out[0] = row[3 * x + 2];
            out[1] = row[3 * x + 1];
            out[2] = row[3 * x];
            break;
        default: {
            uint32_t v = b->bits == 16 ? u16(row + 2 * x) : u32(row + 4 * x);
            for (int i = 0; i < 3; i++)
                out[i] = field(v, b->mask[i]);
        }
        }
    }
}

static hn_err read_rows(const bmp *b, hn_image *image)
{
    size_t stride = ((size_t)b->w * b->bits + 31) / 32 * 4;
    if (b->pixels > b->len || hn_mul(stride, (size_t)b->h) > b->len - b->pixels)
        return bad(b, "the file ends before the picture is complete");
    for (size_t y = 0; y < (size_t)b->h; y++) {
        size_t from = b->top_down ? y : (size_t)b->h - 1 - y;
        read_row(b, b->data + b->pixels + from * stride, image->pixels + y * (size_t)b->w * 3);
    }
    return HN_OK;
}

/* Runs and escapes; a run that leaves the picture is damage. */
static hn_err read_rle8(const bmp *b, hn_image *image)
{
    size_t at = b->pixels, x = 0, y = 0, w = (size_t)b->w, h = (size_t)b->h;
    if (at > b->len)
        return bad(b, "the pixels lie behind the end of the file");
    for (size_t i = 0; i < w * h; i++)             /* what no run reaches is colour 0 */
        put_colour(b, 0, image->pixels + 3 * i);
    while (b->len - at >= 2) {
        unsigned count = b->data[at], value = b->data[at + 1];
        at += 2;
        if (count == 0 && value == 1)
            return HN_OK;
        if (count == 0 && value == 0) {
            x = 0;
            y++;
            continue;
        }
        if (count == 0 && value == 2) {
            if (b->len - at < 2)
                break;
            x += b->data[at];
            y += b->data[at + 1];
            at += 2;
            continue;
        }
        bool literal = count == 0;
        size_t n = literal ? value : count;
        if (y >= h || x > w || n > w - x || (literal && n > b->len - at))
            return bad(b, "a run of pixels leaves the picture");
        size_t row = b->top_down ? y : h - 1 - y;
        for (size_t i = 0; i < n; i++)
            put_colour(b, literal ? b->data[at + i] : value, image->pixels + (row * w + x + i) * 3);
        x += n;
        if (literal)
            at = hn_min(at + (n + 1) / 2 * 2, b->len);
    }
    return bad(b, "the file ends before the picture is complete");
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, size_t pixels_max, hn_image *out)
{
    bmp b = { .cx = cx, .data = data, .len = len };
    hn_image image;
    HN_TRY(read_header(&b));
    /* Rows cost at least a bit a pixel, so a small file cannot ask for much; RLE is bounded by the limit. */
    HN_TRY(hn_image_new(cx, "bmp", (uint64_t)b.w, (uint64_t)b.h, 3, pixels_max, &image));
    hn_err e = b.compression == RLE8 ? read_rle8(&b, &image) : read_rows(&b, &image);
    if (e) {
        hn_image_free(cx, &image);
        return e;
    }
    *out = image;
    return HN_OK;
}

const hn_picture hn_picture_bmp = { .name = "bmp", .extensions = "bmp dib", .probe = probe, .read = read };
