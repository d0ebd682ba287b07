/* SPDX-License-Identifier: Apache-2.0 */
/* png.c: PNG through libpng, every colour type, read and written.
 *
 * As in jpeg.c: libpng fails by a jump, so each use of it lies behind one setjmp and what must
 * outlive the jump lies in a struct. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/num.h"
#include "media/image.h"

#define CHUNK_BYTES_MAX (8u << 20)        /* texts and profiles we skip anyway */
#define CHUNKS_MAX 1000u

typedef struct coder {
    hn_ctx *cx;
    hn_err error;
    png_structp png;
    png_infop info;
    const uint8_t *data;                  /* reading: the file */
    size_t len, at, pixels_max;
    hn_image image;
    png_bytep *rows;                      /* start of each row of the image */
    hn_buf out;                           /* writing: the file */
} coder;

static void fail(png_structp png, png_const_charp text)
{
    coder *c = png_get_error_ptr(png);
    if (!c->error)
        c->error = hn_fail(c->cx, HN_EFORMAT, "png: %s; save the picture again or copy it anew", text);
    png_longjmp(png, 1);
}

static void warn(png_structp png, png_const_charp text)
{
    coder *c = png_get_error_ptr(png);
    hn_log(c->cx, HN_LOG_DEBUG, "png: %s", text);
}

static void take(png_structp png, png_bytep out, size_t len)
{
    coder *c = png_get_io_ptr(png);
    if (len > c->len - c->at) {
        c->error = hn_fail(c->cx, HN_EFORMAT, "png: the file ends after %zu bytes, before the picture is "
                           "complete; copy it again", c->len);
        png_longjmp(png, 1);
    }
    memcpy(out, c->data + c->at, len);
    c->at += len;
}

static bool point_rows(coder *c)
{
    c->rows = hn_calloc(c->cx, (size_t)c->image.h, sizeof *c->rows);
    for (int y = 0; c->rows && y < c->image.h; y++)
        c->rows[y] = c->image.pixels + (size_t)y * (size_t)c->image.w * (size_t)c->image.channels;
    if (!c->rows)
        c->error = hn_nomem(c->cx, "a picture's rows");
    return c->rows != NULL;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Asks libpng for eight bits a channel and gray, RGB or RGBA, whatever the file holds. */
static int normalise(coder *c)
{
    int type = png_get_color_type(c->png, c->info);
    png_set_expand(c->png);               /* palettes, 1-2-4 bits, transparent colours */
    png_set_scale_16(c->png);
    bool alpha = (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(c->png, c->info, PNG_INFO_tRNS);
    if (alpha && !(type & PNG_COLOR_MASK_COLOR))
        png_set_gray_to_rgb(c->png);      /* gray with alpha has no layout of its own here */
    png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);
    return png_get_channels(c->png, c->info);
}

static void decode(coder *c)
{
    if (setjmp(png_jmpbuf(c->png)))
        return;
    png_set_read_fn(c->png, c, take);
    png_set_user_limits(c->png, INT32_MAX, INT32_MAX);       /* ours counts pixels, below */
    png_set_chunk_malloc_max(c->png, CHUNK_BYTES_MAX);
    png_set_chunk_cache_max(c->png, CHUNKS_MAX);
    png_read_info(c->png, c->info);
    uint64_t w = png_get_image_width(c->png, c->info), h = png_get_image_height(c->png, c->info);
    if (w * h > c->pixels_max) {          /* before libpng allocates its rows */
        c->error = hn_image_new(c->cx, "png", w, h, 1, c->pixels_max, &c->image);
        return;
    }
    int channels = normalise(c);
    c->error = hn_image_new(c->cx, "png", w, h, channels, c->pixels_max, &c->image);
    if (c->error || !point_rows(c))
        return;
    png_read_image(c->png, c->rows);
    png_read_end(c->png, NULL);           /* the checksum of the last rows stands behind them */
}

static bool probe(const uint8_t *data, size_t len)
{
    return len >= 8 && memcmp(data, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, size_t pixels_max, hn_image *out)
{
    coder c = { .cx = cx, .data = data, .len = len, .pixels_max = pixels_max };
    c.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &c, fail, warn);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    if (c.info)
        decode(&c);
    else
        c.error = hn_nomem(cx, "a PNG reader");
    png_destroy_read_struct(&c.png, &c.info, NULL);
    hn_free(cx, c.rows);
    if (c.error)
        hn_image_free(cx, &c.image);
    else
        *out = c.image;
    return c.error;
}

/* ---- Writing --------------------------------------------------------------------------------------- */

static void put(png_structp png, png_bytep data, size_t len)
{
    coder *c = png_get_io_ptr(png);
    hn_buf_add(&c->out, data, len);
}

static void flush(png_structp png) { (void)png; }

static void encode(coder *c)
{
    static const int type[] = { [1] = PNG_COLOR_TYPE_GRAY, [3] = PNG_COLOR_TYPE_RGB,
                                [4] = PNG_COLOR_TYPE_RGB_ALPHA };
    if (setjmp(png_jmpbuf(c->png)))
        return;
    png_set_write_fn(c->png, c, put, flush);
    png_set_IHDR(c->png, c->info, (png_uint_32)c->image.w, (png_uint_32)c->image.h, 8,
                 type[c->image.channels], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(c->png, c->info);
    png_write_image(c->png, c->rows);
    png_write_end(c->png, c->info);
}

static hn_err write(hn_ctx *cx, const hn_image *in, const char *path)
{
    coder c = { .cx = cx, .image = *in, .out = { .cx = cx } };
    c.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &c, fail, warn);
    c.info = c.png ? png_create_info_struct(c.png) : NULL;
    if (!c.info)
        c.error = hn_nomem(cx, "a PNG writer");
    else if (point_rows(&c))
        encode(&c);
    if (!c.error)
        c.error = hn_buf_ok(&c.out, "a PNG file");
    if (!c.error)
        c.error = hn_file_write(cx, path, c.out.data, c.out.len);
    png_destroy_write_struct(&c.png, &c.info);
    hn_free(cx, c.rows);
    hn_buf_free(&c.out);
    return c.error;
}

const hn_picture hn_picture_png = {
    .name = "png", .extensions = "png", .probe = probe, .read = read, .write = write,
};
