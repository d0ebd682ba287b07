/* SPDX-License-Identifier: Apache-2.0 */
/* bmp.c: Windows bitmaps, read without a library.
 *
 *     14 bytes   "BM", sizes, where the pixels begin
 *     header     12 bytes (OS/2) or 40 and more (Windows); masks may follow or be inside
 *     palette    for 8 bits a pixel and fewer
 *     pixels     rows padded to four bytes, the lowest row first unless the height is negative
 *
 * Masks, palettes and run lengths are the writer's to choose, so nothing here trusts them: every
 * read of the file is preceded by a comparison with what is left of it. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "media/image.h"

enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHABITFIELDS = 6 };

typedef struct channel { uint32_t mask; int shift; uint32_t max; } channel;

typedef struct bmp {
    hn_ctx *cx;
    const uint8_t *data;
    size_t len;
    size_t header;                   /* bytes of the second header */
    size_t pixels;                   /* offset of the pixels */
    uint64_t w, h;
    bool top_down;
    unsigned bits, compression;
    uint8_t palette[256][3];         /* RGB; colours the file leaves out are black */
    channel rgba[4];
} bmp;

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }

static hn_err cut_short(const bmp *b)
{
    return hn_fail(b->cx, HN_EFORMAT, "bmp: the file ends after %zu bytes, before the picture is complete; "
                   "copy it again", b->len);
}

/* ---- Headers ---------------------------------------------------------------------------------- */

static channel channel_of(uint32_t mask)
{
    channel c = { .mask = mask };
    if (mask) {
        c.shift = __builtin_ctz(mask);
        c.max = mask >> c.shift;
    }
    return c;
}

static uint8_t channel_get(const channel *c, uint32_t pixel)
{
    if (!c->max)
        return 0;
    return (uint8_t)(((uint64_t)((pixel & c->mask) >> c->shift) * 255 + c->max / 2) / c->max);
}

static hn_err read_masks(bmp *b)
{
    uint32_t mask[4] = { 0xFF0000, 0xFF00, 0xFF, 0 };
    bool given = b->compression == BITFIELDS || b->compression == ALPHABITFIELDS;
    if (b->bits == 16 && !given)
        memcpy(mask, (const uint32_t[4]){ 0x7C00, 0x3E0, 0x1F, 0 }, sizeof mask);
    if (given) {
        /* The masks stand at the same place whether they belong to the header or follow it. */
        size_t count = b->compression == ALPHABITFIELDS || b->header >= 56 ? 4 : 3;
        if (b->len < 14 + 40 + count * 4)
            return cut_short(b);
        for (size_t i = 0; i < count; i++)
            mask[i] = get32(b->data + 54 + i * 4);
    }
    for (int i = 0; i < 4; i++) {
        b->rgba[i] = channel_of(mask[i]);
        /* A hole in a mask would make the share of a channel meaningless. */
        if (b->rgba[i].max & (b->rgba[i].max + 1))
            return hn_fail(b->cx, HN_EFORMAT, "bmp: colour mask %08x has a hole; save the picture again",
                           (unsigned)mask[i]);
    }
    return HN_OK;
}

static hn_err read_palette(bmp *b, uint32_t used)
{
    size_t entry = b->header == 12 ? 3 : 4, at = 14 + b->header;
    size_t count = used && used < 1u << b->bits ? used : (size_t)1 << b->bits;
    if (b->header == 40 && (b->compression == BITFIELDS || b->compression == ALPHABITFIELDS))
        return HN_OK;
    if (b->pixels >= at)                       /* writers that give fewer colours than they claim */
        count = hn_min(count, (b->pixels - at) / entry);
    if (at > b->len || b->len - at < count * entry)
        return cut_short(b);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            b->palette[i][c] = b->data[at + i * entry + 2 - c];
    return HN_OK;
}

static hn_err check_kind(const bmp *b, unsigned planes)
{
    static const uint16_t bits_of[] = {        /* bit n set: n bits a pixel, 32 as bit 0 */
        [PLAIN] = 1 << 1 | 1 << 4 | 1 << 8, [RLE8] = 1 << 8, [RLE4] = 1 << 4,
    };
    bool direct = b->bits == 16 || b->bits == 24 || b->bits == 32;
    bool ok = b->compression == PLAIN ? direct || (b->bits <= 8 && (bits_of[PLAIN] >> b->bits & 1))
            : b->compression == RLE8 || b->compression == RLE4
                ? b->bits <= 8 && (bits_of[b->compression] >> b->bits & 1)
            : (b->compression == BITFIELDS || b->compression == ALPHABITFIELDS) &&
                (b->bits == 16 || b->bits == 32);
    if (!ok)
        return hn_fail(b->cx, HN_EUNSUP, "bmp: %u bits a pixel with compression %u is not read; save the "
                       "picture as PNG", b->bits, b->compression);
    if (planes != 1)
        return hn_fail(b->cx, HN_EFORMAT, "bmp: expected 1 plane, found %u", planes);
    if (b->top_down && (b->compression == RLE8 || b->compression == RLE4))
        return hn_fail(b->cx, HN_EFORMAT, "bmp: run lengths in a top-down picture");
    return HN_OK;
}

static hn_err read_headers(bmp *b)
{
    const uint8_t *p = b->data + 14;
    uint32_t used = 0, planes;

    if (b->len < 14 + 12)
        return cut_short(b);
    b->pixels = get32(b->data + 10);
    b->header = get32(p);
    if (b->header != 12 && (b->header < 40 || b->header > 124))
        return hn_fail(b->cx, HN_EUNSUP, "bmp: a header of %zu bytes is not known; save the picture as PNG",
                       b->header);
    if (b->len - 14 < b->header)
        return cut_short(b);
    if (b->header == 12) {
        b->w = get16(p + 4);
        b->h = get16(p + 6);
        planes = get16(p + 8);
        b->bits = get16(p + 10);
    } else {
        int32_t w = (int32_t)get32(p + 4), h = (int32_t)get32(p + 8);
        if (w <= 0 || h == 0)
            return hn_fail(b->cx, HN_EFORMAT, "bmp: %d x %d pixels make no picture", (int)w, (int)h);
        b->top_down = h < 0;
        b->w = (uint64_t)w;
        b->h = (uint64_t)llabs((long long)h);
        planes = get16(p + 12);
        b->bits = get16(p + 14);
        b->compression = get32(p + 16);
        used = get32(p + 32);
    }
    HN_TRY(check_kind(b, planes));
    if (b->pixels > b->len)
        return cut_short(b);
    return b->bits <= 8 ? read_palette(b, used) : read_masks(b);
}

/* ---- Pixels ------------------------------------------------------------------------------------ */

static uint8_t *row_of(const bmp *b, const hn_image *im, size_t row)
{
    size_t y = b->top_down ? row : (size_t)im->h - 1 - row;
    return im->pixels + y * (size_t)im->w * (size_t)im->channels;
}

static void indexed_row(const bmp *b, const uint8_t *in, uint8_t *out)
{
    unsigned per_byte = 8 / b->bits, mask = (1u << b->bits) - 1;
    for (size_t x = 0; x < b->w; x++) {
        unsigned shift = 8 - b->bits * (unsigned)(x % per_byte + 1);
        memcpy(out + x * 3, b->palette[in[x / per_byte] >> shift & mask], 3);
    }
}

static void direct_row(const bmp *b, const uint8_t *in, int channels, uint8_t *out)
{
    size_t bytes = b->bits / 8;
    for (size_t x = 0; x < b->w; x++, in += bytes, out += channels) {
        uint32_t pixel = bytes == 2 ? get16(in) : bytes == 3 ? get16(in) | (uint32_t)in[2] << 16 : get32(in);
        for (int c = 0; c < channels; c++)
            out[c] = channel_get(&b->rgba[c], pixel);
    }
}

static hn_err read_rows(const bmp *b, const hn_image *im)
{
    size_t stride = hn_round_up(hn_ceil_div(hn_mul((size_t)b->w, b->bits), 8), 4);
    size_t left = b->len - b->pixels;
    for (size_t row = 0; row < b->h; row++) {
        const uint8_t *in = b->data + b->pixels + row * stride;
        size_t need = hn_ceil_div((size_t)b->w * b->bits, 8);     /* the last row's padding may be missing */
        if (left < need)
            return cut_short(b);
        if (b->bits <= 8)
            indexed_row(b, in, row_of(b, im, row));
        else
            direct_row(b, in, im->channels, row_of(b, im, row));
        left -= hn_min(left, stride);
    }
    return HN_OK;
}

/* A run: `count` pixels whose colours alternate between two; or that many as they stand. */
static void put_index(const bmp *b, const hn_image *im, size_t x, size_t row, unsigned index)
{
    memcpy(row_of(b, im, row) + x * 3, b->palette[index], 3);
}

static hn_err read_runs(const bmp *b, const hn_image *im)
{
    const uint8_t *p = b->data + b->pixels, *end = b->data + b->len;
    bool four = b->compression == RLE4;
    size_t x = 0, row = 0;

    for (size_t y = 0; y < b->h; y++)
        for (size_t i = 0; i < b->w; i++)
            put_index(b, im, i, y, 0);           /* what no run covers has colour 0 */
    while (end - p >= 2) {
        unsigned count = p[0], value = p[1];
        p += 2;
        if (count == 0 && value == 1)
            return HN_OK;                        /* end of the picture */
        if (count == 0 && value == 0) {          /* end of the row */
            x = 0;
            row++;
            continue;
        }
        if (count == 0 && value == 2) {          /* move right and up */
            if (end - p < 2)
                break;
            x += p[0];
            row += p[1];
            p += 2;
            if (x > b->w || row > b->h)
                return hn_fail(b->cx, HN_EFORMAT, "bmp: a jump leaves the picture; save the picture again");
            continue;
        }
        bool literal = count == 0;
        size_t n = literal ? value : count;
        size_t bytes = literal ? hn_round_up(four ? (n + 1) / 2 : n, 2) : 0;
        if (row >= b->h || n > b->w - x)
            return hn_fail(b->cx, HN_EFORMAT, "bmp: a run leaves the picture; save the picture again");
        if ((size_t)(end - p) < bytes)
            break;
        for (size_t i = 0; i < n; i++) {
            unsigned byte = !literal ? value : four ? p[i / 2] : p[i];
            put_index(b, im, x + i, row, !four ? byte : i % 2 ? byte & 15 : byte >> 4);
        }
        x += n;
        p += bytes;
    }
    return row >= b->h || (row + 1 == b->h && x == b->w) ? HN_OK : cut_short(b);
}

static bool probe(const uint8_t *data, size_t len)
{
    return len >= 2 && data[0] == 'B' && data[1] == 'M';
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, size_t pixels_max, hn_image *out)
{
    bmp b = { .cx = cx, .data = data, .len = len };
    hn_image im = { 0 };

    HN_TRY(read_headers(&b));
    bool runs = b.compression == RLE8 || b.compression == RLE4;
    int channels = b.bits > 8 && b.rgba[3].mask ? 4 : 3;
    /* Before memory is asked for: rows of plain pixels are as long as the header says. */
    if (!runs && hn_mul((size_t)b.w, (size_t)b.h) / 8 > len)
        return b.w * b.h > pixels_max ? hn_image_new(cx, "bmp", b.w, b.h, channels, pixels_max, &im)
                                      : cut_short(&b);
    HN_TRY(hn_image_new(cx, "bmp", b.w, b.h, channels, pixels_max, &im));
    hn_err e = runs ? read_runs(&b, &im) : read_rows(&b, &im);
    if (e)
        hn_image_free(cx, &im);
    else
        *out = im;
    return e;
}

const hn_picture hn_picture_bmp = {
    .name = "bmp", .extensions = "bmp dib", .probe = probe, .read = read,
};
