/* SPDX-License-Identifier: Apache-2.0 */
/* A picture becomes a model's input.
 *
 * Size first, then colour, then numbers: the picture is stretched, fitted or cropped to w x h,
 * its channels are put in order, and each value x becomes (x * scale - mean) / std. */
#ifndef HN_MEDIA_PREPARE_H
#define HN_MEDIA_PREPARE_H

#include "media/image.h"
#include "tensor/tensor.h"

enum hn_fit {
    HN_FIT_STRETCH,              /* the whole picture, proportions lost */
    HN_FIT_BOX,                  /* the whole picture, bars of `fill` where it does not reach */
    HN_FIT_CROP,                 /* the middle of the picture, edges lost */
};

enum hn_order { HN_ORDER_RGB, HN_ORDER_BGR, HN_ORDER_GRAY };
enum hn_pixels { HN_PIXELS_NCHW, HN_PIXELS_NHWC };

typedef struct hn_prepare {
    int w, h;
    enum hn_fit fit;
    enum hn_order order;
    enum hn_pixels layout;
    bool antialias;              /* when shrinking, average all pixels a result covers */
    double keep;                 /* CROP: share of the longest possible side that is kept, 0..1; 0 is 1 */
    uint8_t fill;                /* BOX: value of the bars, as a pixel */
    double scale;                /* 0 is 1 */
    double mean[3], std[3];      /* per channel of the result; std 0 is 1 */
    bool wrap;                   /* I8: the bits of the byte 0 to 255 that U8 would get */
} hn_prepare;

/* Where the picture landed: a point (x, y) of the result shows (x * scale_x + x0, y * scale_y + y0)
 * of the picture, in pixels with (0, 0) at the outer corner of the first. */
typedef struct hn_placement { double scale_x, scale_y, x0, y0; } hn_placement;

/* Fills out->data, which holds 1 x channels x h x w elements (or 1 x h x w x channels) of type
 * out->dtype: F32, or U8 and I8, which round half to even and saturate.  out->shape is checked
 * against what `how` makes.  where may be NULL.
 *
 * Alpha is left out, as the usual training pipelines do.  Gray is 0.299 R + 0.587 G + 0.114 B. */
hn_err hn_prepare_image(hn_ctx *cx, const hn_image *image, const hn_prepare *how, hn_tensor *out,
                        hn_placement *where);

#endif
