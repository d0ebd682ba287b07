/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "media/prepare.h"

static hn_ctx cx;

#define IMAGE(w, h, c, ...) ((hn_image){ w, h, c, (uint8_t[]){ __VA_ARGS__ } })
#define OUT(type, data, c, h, w) ((hn_tensor){ HN_##type, hn_shape_of(4, (const int64_t[]){ 1, c, h, w }), data })

TEST(a_picture_of_the_right_size_is_only_reordered)
{
    hn_image im = IMAGE(2, 1, 3, 10, 20, 30, 40, 50, 60);
    float f[6];
    uint8_t u[6];
    hn_tensor planes = OUT(F32, f, 3, 1, 2), pixels = { HN_U8, hn_shape_of(4, (const int64_t[]){ 1, 1, 2, 3 }), u };

    CHECK_INT(hn_prepare_image(&cx, &im, &(hn_prepare){ .w = 2, .h = 1 }, &planes, NULL), HN_OK);
    CHECK(f[0] == 10 && f[1] == 40 && f[2] == 20 && f[3] == 50 && f[4] == 30 && f[5] == 60);
    hn_prepare bgr = { .w = 2, .h = 1, .order = HN_ORDER_BGR, .layout = HN_PIXELS_NHWC };
    CHECK_INT(hn_prepare_image(&cx, &im, &bgr, &pixels, NULL), HN_OK);
    assert_memory_equal(u, ((const uint8_t[]){ 30, 20, 10, 60, 50, 40 }), 6);
}

TEST(numbers_are_scaled_then_shifted_then_divided)
{
    hn_image im = IMAGE(1, 1, 3, 51, 102, 255);
    float f[3];
    int8_t s[3];
    hn_prepare how = { .w = 1, .h = 1, .scale = 1 / 255.0, .mean = { 0.1, 0, 0.5 }, .std = { 0.5, 0, 0.25 } };
    hn_tensor out = OUT(F32, f, 3, 1, 1), small = OUT(I8, s, 3, 1, 1);

    CHECK_INT(hn_prepare_image(&cx, &im, &how, &out, NULL), HN_OK);
    CHECK_NEAR(f[0], 0.2f, 1e-6f);
    CHECK_NEAR(f[1], 0.4f, 1e-6f);
    CHECK_NEAR(f[2], 2.0f, 1e-6f);
    how = (hn_prepare){ .w = 1, .h = 1, .mean = { 128, 300, 100 } };
    CHECK_INT(hn_prepare_image(&cx, &im, &how, &small, NULL), HN_OK);
    CHECK(s[0] == -77 && s[1] == -128 && s[2] == 127);       /* saturated, not wrapped */
}

TEST(enlarging_is_linear_between_centres_and_flat_beyond_them)
{
    hn_image im = IMAGE(2, 1, 1, 0, 100);
    float f[4];
    hn_tensor out = OUT(F32, f, 1, 1, 4);
    CHECK_INT(hn_prepare_image(&cx, &im, &(hn_prepare){ .w = 4, .h = 1, .order = HN_ORDER_GRAY }, &out, NULL), HN_OK);
    CHECK_NEAR(f[0], 0, 1e-5f);
    CHECK_NEAR(f[1], 25, 1e-4f);
    CHECK_NEAR(f[2], 75, 1e-4f);
    CHECK_NEAR(f[3], 100, 1e-4f);
}

TEST(only_antialias_sees_every_pixel_when_shrinking)
{
    hn_image im = IMAGE(8, 1, 1, 0, 0, 0, 80, 80, 0, 0, 0);
    float f[1];
    hn_tensor out = OUT(F32, f, 1, 1, 1);
    hn_prepare how = { .w = 1, .h = 1, .order = HN_ORDER_GRAY };
    CHECK_INT(hn_prepare_image(&cx, &im, &how, &out, NULL), HN_OK);
    CHECK_NEAR(f[0], 80, 1e-4f);
    how.antialias = true;
    CHECK_INT(hn_prepare_image(&cx, &im, &how, &out, NULL), HN_OK);
    CHECK_NEAR(f[0], 80 * 2 * 7.5f / 48, 1e-3f);             /* a triangle over 8 pixels: 1 3 5 7 5 3 1 ... / 16 */
}

TEST(a_box_keeps_proportions_and_says_where_the_picture_lies)
{
    hn_image im = IMAGE(4, 2, 1, 9, 9, 9, 9, 9, 9, 9, 9);
    float f[16];
    hn_tensor out = OUT(F32, f, 1, 4, 4);
    hn_placement at;
    hn_prepare how = { .w = 4, .h = 4, .fit = HN_FIT_BOX, .order = HN_ORDER_GRAY, .fill = 114 };
    CHECK_INT(hn_prepare_image(&cx, &im, &how, &out, &at), HN_OK);
    CHECK(f[0] == 114 && f[3] == 114 && f[4] == 9 && f[11] == 9 && f[12] == 114);
    CHECK(at.scale_x == 1 && at.scale_y == 1 && at.x0 == 0 && at.y0 == -1);
}

TEST(a_crop_takes_the_middle)
{
    hn_image im = IMAGE(4, 2, 1, 1, 2, 3, 4, 5, 6, 7, 8);
    float f[4];
    hn_tensor out = OUT(F32, f, 1, 2, 2);
    hn_placement at;
    hn_prepare how = { .w = 2, .h = 2, .fit = HN_FIT_CROP, .order = HN_ORDER_GRAY };
    CHECK_INT(hn_prepare_image(&cx, &im, &how, &out, &at), HN_OK);
    CHECK(f[0] == 2 && f[1] == 3 && f[2] == 6 && f[3] == 7);
    CHECK(at.x0 == 1 && at.y0 == 0);
}

TEST(gray_of_equal_channels_is_that_value)
{
    hn_image im = IMAGE(1, 1, 4, 77, 77, 77, 0);             /* transparent: alpha is left out */
    uint8_t u[1];
    hn_tensor out = OUT(U8, u, 1, 1, 1);
    CHECK_INT(hn_prepare_image(&cx, &im, &(hn_prepare){ .w = 1, .h = 1, .order = HN_ORDER_GRAY }, &out, NULL), HN_OK);
    CHECK_INT(u[0], 77);
}

TEST(a_tensor_of_another_shape_is_refused_with_both_shapes)
{
    hn_image im = IMAGE(1, 1, 1, 5);
    float f[3];
    hn_tensor out = OUT(F32, f, 3, 1, 1);
    CHECK_INT(hn_prepare_image(&cx, &im, &(hn_prepare){ .w = 2, .h = 1 }, &out, NULL), HN_EARG);
    CHECK(strstr(cx.msg, "1x3x1x2") && strstr(cx.msg, "1x3x1x1"));
}

TEST(bytes_may_keep_their_bits)
{
    hn_image im = IMAGE(2, 1, 1, 100, 200);
    int8_t i[2];
    hn_tensor out = OUT(I8, i, 1, 1, 2);
    hn_prepare how = { .w = 2, .h = 1, .order = HN_ORDER_GRAY, .wrap = true };
    CHECK_INT(hn_prepare_image(&cx, &im, &how, &out, NULL), HN_OK);
    CHECK(i[0] == 100 && i[1] == 200 - 256);
}
