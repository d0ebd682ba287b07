/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: rows of bytes, top row first, nothing between rows.
 *
 * Every reader gives one of three layouts: gray, RGB or RGBA, eight bits a channel.  A file is
 * outside data: what it says of its size is checked against a limit before memory is asked for,
 * and a damaged or cut file is an error, never a picture with a gray half. */
#ifndef HN_MEDIA_IMAGE_H
#define HN_MEDIA_IMAGE_H

#include "base/ctx.h"

typedef struct hn_image {
    int w, h;
    int channels;                /* 1 gray, 3 RGB, 4 RGBA (not premultiplied) */
    uint8_t *pixels;             /* [h, w, channels], from hn_alloc */
} hn_image;

/* A small file can claim a huge picture.  100 million pixels are more than today's cameras take
 * and at most 400 MB. */
#define HN_PIXELS_MAX 100000000u

typedef struct hn_picture {
    const char *name;            /* "jpeg" */
    const char *extensions;      /* "jpg jpeg", for messages */
    bool (*probe)(const uint8_t *data, size_t len);
    /* pixels_max: refuses larger pictures with HN_ELIMIT.  NULL: cannot read. */
    hn_err (*read)(hn_ctx *cx, const uint8_t *data, size_t len, size_t pixels_max, hn_image *out);
    /* Writes a whole file.  NULL: cannot write. */
    hn_err (*write)(hn_ctx *cx, const hn_image *in, const char *path);
} hn_picture;

extern const hn_picture *const hn_pictures[];        /* ends with NULL */

/* Allocates pixels for w x h, or refuses; `format` names the reader in messages. */
hn_err hn_image_new(hn_ctx *cx, const char *format, uint64_t w, uint64_t h, int channels,
                    size_t pixels_max, hn_image *out);
void hn_image_free(hn_ctx *cx, hn_image *image);     /* safe on a zeroed image */

/* Reads a picture of any kind from a file or from memory; the content decides, not the name.
 * pixels_max 0: HN_PIXELS_MAX. */
hn_err hn_image_open(hn_ctx *cx, const char *path, size_t pixels_max, hn_image *out);
hn_err hn_image_open_memory(hn_ctx *cx, const void *data, size_t len, size_t pixels_max, hn_image *out);

/* Writes a picture; the name's extension picks the format. */
hn_err hn_image_save(hn_ctx *cx, const hn_image *image, const char *path);

/* Turns and mirrors a picture as EXIF's orientation 2..8 asks, so that it stands upright; other
 * numbers leave it as it is. */
hn_err hn_image_orient(hn_ctx *cx, hn_image *image, int orientation);

#endif
