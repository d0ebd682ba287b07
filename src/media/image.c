/* SPDX-License-Identifier: Apache-2.0 */
#include "media/image.h"

#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/num.h"
#include "media/media.h"

#define PICTURE(id) extern const hn_picture hn_picture_##id;
#include "media/media.def"
#undef PICTURE

const hn_picture *const hn_pictures[] = {
#define PICTURE(id) &hn_picture_##id,
#include "media/media.def"
#undef PICTURE
    NULL
};

__attribute__((visibility("default")))
const hn_media hn_media_table = {
    .abi = HN_MEDIA_ABI, .pictures = hn_pictures,
    .open = hn_image_open, .open_memory = hn_image_open_memory, .save = hn_image_save,
    .free = hn_image_free, .prepare = hn_prepare_image,
    .sound_open = hn_sound_open, .sound_close = hn_sound_close, .sound_read = hn_sound_read, .sound_save = hn_sound_save,
};

hn_err hn_image_new(hn_ctx *cx, const char *format, uint64_t w, uint64_t h, int channels,
                    size_t pixels_max, hn_image *out)
{
    if (w == 0 || h == 0)
        return hn_fail(cx, HN_EFORMAT, "%s: a picture of %llu x %llu pixels shows nothing", format,
                       (unsigned long long)w, (unsigned long long)h);
    if (w > INT32_MAX || h > INT32_MAX || w * h > pixels_max)
        return hn_fail(cx, HN_ELIMIT, "%s: %llu x %llu pixels are more than the %zu allowed; "
                       "make the picture smaller first", format, (unsigned long long)w,
                       (unsigned long long)h, pixels_max);
    hn_image image = { (int)w, (int)h, channels, NULL };
    image.pixels = hn_calloc(cx, hn_mul((size_t)w, (size_t)h), (size_t)channels);
    if (!image.pixels)
        return hn_nomem(cx, "a picture's pixels");
    *out = image;
    return HN_OK;
}

void hn_image_free(hn_ctx *cx, hn_image *image)
{
    hn_free(cx, image->pixels);
    *image = (hn_image){ 0 };
}

hn_err hn_image_open_memory(hn_ctx *cx, const void *data, size_t len, size_t pixels_max, hn_image *out)
{
    if (len == 0)
        return hn_fail(cx, HN_EFORMAT, "the file is empty; expected a picture");
    for (const hn_picture *const *p = hn_pictures; *p; p++)
        if ((*p)->probe(data, len))
            return (*p)->read(cx, data, len, pixels_max ? pixels_max : HN_PIXELS_MAX, out);
    return hn_fail(cx, HN_EUNSUP, "expected a picture (JPEG, PNG or BMP), found something else; "
                   "convert it to one of these");
}

hn_err hn_image_open(hn_ctx *cx, const char *path, size_t pixels_max, hn_image *out)
{
    hn_file file;
    HN_TRY(hn_file_open(cx, path, &file));
    hn_err e = hn_image_open_memory(cx, file.data, file.len, pixels_max, out);
    if (e && cx) {
        char why[HN_MSG_MAX];
        memcpy(why, cx->msg, sizeof why);
        hn_fail(cx, e, "%.180s: %.320s", path, why);
    }
    hn_file_close(&file);
    return e;
}

hn_err hn_image_save(hn_ctx *cx, const hn_image *image, const char *path)
{
    const char *dot = strrchr(path, '.'), *extension = dot ? dot + 1 : "";
    for (const hn_picture *const *p = hn_pictures; *p; p++) {
        const char *at = (*p)->extensions;
        for (size_t len = strcspn(at, " "); len; at += len + (at[len] == ' '), len = strcspn(at, " "))
            if ((*p)->write && strlen(extension) == len && strncasecmp(at, extension, len) == 0)
                return (*p)->write(cx, image, path);
    }
    return hn_fail(cx, HN_EUNSUP, "%s: pictures are written as PNG; call the file NAME.png", path);
}

/* ---- Orientation ----------------------------------------------------------------------------- */

hn_err hn_image_orient(hn_ctx *cx, hn_image *image, int orientation)
{
    /* Bit by bit: swap rows with columns first, then mirror either way. */
    static const uint8_t moves[9] = { 0, 0, 2, 2 | 4, 4, 1, 1 | 2, 1 | 2 | 4, 1 | 4 };
    if (orientation < 2 || orientation > 8)
        return HN_OK;
    bool swap = moves[orientation] & 1, mirror_x = moves[orientation] & 2, mirror_y = moves[orientation] & 4;
    hn_image to = { swap ? image->h : image->w, swap ? image->w : image->h, image->channels, NULL };
    size_t c = (size_t)image->channels;

    HN_TRY(hn_image_new(cx, "exif", (uint64_t)to.w, (uint64_t)to.h, to.channels, SIZE_MAX, &to));
    for (int y = 0; y < to.h; y++)
        for (int x = 0; x < to.w; x++) {
            int a = mirror_x ? to.w - 1 - x : x, b = mirror_y ? to.h - 1 - y : y;
            int from_x = swap ? b : a, from_y = swap ? a : b;
            memcpy(to.pixels + ((size_t)y * (size_t)to.w + (size_t)x) * c,
                   image->pixels + ((size_t)from_y * (size_t)image->w + (size_t)from_x) * c, c);
        }
    hn_image_free(cx, image);
    *image = to;
    return HN_OK;
}
