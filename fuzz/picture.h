/* SPDX-License-Identifier: Apache-2.0 */
/* What the targets of the picture readers share: whatever is read must be whole, and must survive
 * being made into a model's input. */
#ifndef HN_FUZZ_PICTURE_H
#define HN_FUZZ_PICTURE_H

#include "fuzz/fuzz.h"
#include "media/prepare.h"

#define FUZZ_PIXELS_MAX ((size_t)1 << 16)

static inline int fuzz_picture(const hn_picture *format, const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit };
    hn_ctx cx = { .env = &env };
    hn_image image = { 0 };
    float numbers[3 * 5 * 7];
    hn_tensor input = { HN_F32, hn_shape_of(4, (const int64_t[]){ 1, 3, 5, 7 }), numbers };
    hn_prepare how = { .w = 7, .h = 5, .fit = len % 3, .antialias = len & 4 };

    if (format->read(&cx, data, len, FUZZ_PIXELS_MAX, &image) == HN_OK) {
        hn_err e = hn_prepare_image(&cx, &image, &how, &input, NULL);
        if (e && e != HN_ENOMEM)
            abort();
        for (size_t i = 0; !e && i < sizeof numbers / sizeof numbers[0]; i++)
            if (!(numbers[i] >= 0 && numbers[i] <= 255.01f))
                abort();
    } else if (image.pixels || !cx.msg[0]) {
        abort();                   /* results are written only on success, and a failure says why */
    }
    hn_image_free(&cx, &image);
    if (limit.used)
        abort();
    return 0;
}

#endif
