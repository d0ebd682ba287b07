/* SPDX-License-Identifier: Apache-2.0 */
/* The media floor as one table.
 *
 * It lives in libhone-media.so, so that only commands which read pictures or sound load the libraries
 * that do.  Whoever opens that file (cli/media.c) looks up `hn_media_table` and checks `abi`. */
#ifndef HN_MEDIA_MEDIA_H
#define HN_MEDIA_MEDIA_H

#include "media/image.h"
#include "media/prepare.h"
#include "media/sound.h"

#define HN_MEDIA_ABI 2           /* counted up whenever this struct or what it takes changes */

typedef struct hn_media {
    unsigned abi;
    const hn_picture *const *pictures;
    hn_err (*open)(hn_ctx *cx, const char *path, size_t pixels_max, hn_image *out);
    hn_err (*open_memory)(hn_ctx *cx, const void *data, size_t len, size_t pixels_max, hn_image *out);
    hn_err (*save)(hn_ctx *cx, const hn_image *image, const char *path);
    void (*free)(hn_ctx *cx, hn_image *image);
    hn_err (*prepare)(hn_ctx *cx, const hn_image *image, const hn_prepare *how, hn_tensor *out,
                      hn_placement *where);
    hn_err (*sound_open)(hn_ctx *cx, const char *path, hn_sound *out);
    void (*sound_close)(hn_sound *s);
    void (*sound_read)(const hn_sound *s, size_t first, size_t count, float *out);
    hn_err (*sound_save)(hn_ctx *cx, const char *path, unsigned rate, const float *sample, size_t count);
} hn_media;

extern const hn_media hn_media_table;

#endif
