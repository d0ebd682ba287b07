/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as one kind of picture: pixels to the last byte, or words. */
#ifndef HN_FUZZ_PICTURE_H
#define HN_FUZZ_PICTURE_H

#include "fuzz/fuzz.h"
#include "media/image.h"

#define FUZZ_PIXELS_MAX ((size_t)1 << 20)

static inline void fuzz_picture(const hn_picture *kind, const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_image image = { 0 };
    if (kind->read(&cx, data, len, FUZZ_PIXELS_MAX, &image) == HN_OK) {
        size_t bytes = (size_t)image.w * (size_t)image.h * (size_t)image.channels;
        volatile uint8_t sum = 0;
        if (image.w < 1 || image.h < 1 || (size_t)image.w * (size_t)image.h > FUZZ_PIXELS_MAX)
            abort();
        for (size_t i = 0; i < bytes; i++)
            sum ^= image.pixels[i];
        hn_image_free(&cx, &image);
    } else if (!*cx.msg) {
        abort();                         /* every error has words */
    }
    if (limit.used)
        abort();                         /* and gives everything back */
}

#endif
