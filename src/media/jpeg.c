/* SPDX-License-Identifier: Apache-2.0 */
/* jpeg.c: JPEG through libjpeg, upright as EXIF says.
 *
 * libjpeg reports failure by a call that must not return, so every use of it happens inside
 * decode(), behind one setjmp; what must outlive the jump lies in struct reader. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "media/image.h"

#define SCANS_MAX 200      /* a progressive file with thousands of empty scans takes hours */

typedef struct reader {
    struct jpeg_error_mgr errors;          /* first: libjpeg hands back a pointer to it */
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    hn_ctx *cx;
    hn_err error;
    size_t len, pixels_max;
    struct jpeg_decompress_struct j;
    hn_image image;
    uint8_t *row;                          /* one row of CMYK, before it becomes RGB */
    int orientation;
} reader;

static void fail(j_common_ptr j)
{
    reader *r = (reader *)(void *)j->err;
    char text[JMSG_LENGTH_MAX];
    j->err->format_message(j, text);
    r->error = j->err->msg_code == JERR_OUT_OF_MEMORY
        ? hn_nomem(r->cx, "decoding a JPEG")
        : hn_fail(r->cx, HN_EFORMAT, "jpeg: %s; save the picture again or copy it anew", text);
    longjmp(r->failed, 1);
}

/* Warnings tell that libjpeg invents pixels and goes on.  Those are errors here; bytes nobody
 * needs and odd headers are not. */
static void message(j_common_ptr j, int level)
{
    reader *r = (reader *)(void *)j->err;
    if (level >= 0)
        return;
    switch (j->err->msg_code) {
    case JWRN_JPEG_EOF: case JWRN_HIT_MARKER:
        r->error = hn_fail(r->cx, HN_EFORMAT, "jpeg: the file ends or breaks off before the picture is "
                           "complete (%zu bytes); copy it again", r->len);
        longjmp(r->failed, 1);
    case JWRN_HUFF_BAD_CODE: case JWRN_MUST_RESYNC: case JWRN_ARITH_BAD_CODE: case JWRN_BOGUS_PROGRESSION:
        fail(j);
        break;
    default:
        break;
    }
}

static void watch_scans(j_common_ptr j)
{
    reader *r = (reader *)(void *)j->err;
    if (r->j.input_scan_number > SCANS_MAX) {
        r->error = hn_fail(r->cx, HN_ELIMIT, "jpeg: more than %d scans; save the picture again", SCANS_MAX);
        longjmp(r->failed, 1);
    }
}

/* ---- EXIF: only the orientation, from a block that may hold anything ------------------------ */

static unsigned get16(const uint8_t *p, bool big) { return big ? p[0] * 256u + p[1] : p[1] * 256u + p[0]; }

static uint32_t get32(const uint8_t *p, bool big)
{
    uint32_t first = get16(p, big), second = get16(p + 2, big);
    return big ? first << 16 | second : second << 16 | first;
}

static int exif_orientation(const uint8_t *p, size_t len)
{
    if (len < 14 || memcmp(p, "Exif\0\0", 6) != 0)
        return 1;
    p += 6;
    len -= 6;
    bool big = p[0] == 'M';
    uint32_t at = get32(p + 4, big);
    if (get16(p + 2, big) != 42 || at > len - 2)
        return 1;
    unsigned count = get16(p + at, big);
    for (at += 2; count > 0 && at <= len && len - at >= 12; count--, at += 12)
        if (get16(p + at, big) == 0x0112)
            return (int)get16(p + at + 8, big);
    return 1;
}

/* ---- Decoding ------------------------------------------------------------------------------------ */

/* Adobe's CMYK is stored inverted, so a full ink is 0 and the product with black is the colour. */
static void cmyk_row(const reader *r, const uint8_t *in, uint8_t *out)
{
    for (int x = 0; x < r->image.w; x++)
        for (int c = 0; c < 3; c++) {
            unsigned ink = in[x * 4 + c], black = in[x * 4 + 3];
            if (!r->j.saw_Adobe_marker) {
                ink = 255 - ink;
                black = 255 - black;
            }
            out[x * 3 + c] = (uint8_t)((ink * black + 127) / 255);
        }
}

static void read_header(reader *r, const uint8_t *data)
{
    struct jpeg_decompress_struct *j = &r->j;
    jpeg_create_decompress(j);
    j->progress = &r->progress;
    jpeg_save_markers(j, JPEG_APP0 + 1, 0xFFFF);
    jpeg_mem_src(j, data, r->len);
    jpeg_read_header(j, TRUE);
    for (jpeg_saved_marker_ptr m = j->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && r->orientation <= 1)
            r->orientation = exif_orientation(m->data, m->data_length);
    if (j->num_components == 4)
        j->out_color_space = JCS_CMYK;
    else
        j->out_color_space = j->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
}

static void decode(reader *r, const uint8_t *data)
{
    struct jpeg_decompress_struct *j = &r->j;
    if (setjmp(r->failed))
        return;
    read_header(r, data);
    int channels = j->num_components == 1 ? 1 : 3;
    r->error = hn_image_new(r->cx, "jpeg", j->image_width, j->image_height, channels, r->pixels_max,
                            &r->image);
    if (r->error)
        return;
    if (j->num_components == 4 && !(r->row = hn_alloc(r->cx, (size_t)r->image.w * 4))) {
        r->error = hn_nomem(r->cx, "a row of pixels");
        return;
    }
    jpeg_start_decompress(j);
    while (j->output_scanline < j->output_height) {
        uint8_t *out = r->image.pixels + (size_t)j->output_scanline * (size_t)(r->image.w * channels);
        uint8_t *into = r->row ? r->row : out;
        jpeg_read_scanlines(j, &into, 1);
        if (r->row)
            cmyk_row(r, r->row, out);
    }
    /* The rows are all there: what follows them, a missing end marker included, is of no interest. */
}

static bool probe(const uint8_t *data, size_t len)
{
    return len >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF;
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, size_t pixels_max, hn_image *out)
{
    reader *r = hn_calloc(cx, 1, sizeof *r);
    if (!r)
        return hn_nomem(cx, "a JPEG reader");
    r->cx = cx;
    r->len = len;
    r->pixels_max = pixels_max;
    r->j.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = fail;
    r->errors.emit_message = message;
    r->progress.progress_monitor = watch_scans;

    decode(r, data);
    jpeg_destroy_decompress(&r->j);
    hn_err e = r->error ? r->error : hn_image_orient(cx, &r->image, r->orientation);
    if (e)
        hn_image_free(cx, &r->image);
    else
        *out = r->image;
    hn_free(cx, r->row);
    hn_free(cx, r);
    return e;
}

const hn_picture hn_picture_jpeg = {
    .name = "jpeg", .extensions = "jpg jpeg", .probe = probe, .read = read,
};
