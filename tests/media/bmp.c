/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "media/image.h"

/* A header of 40 bytes, what follows it, and where the pixels begin. */
#define BMP(w, h, bits, compression, colours, at, ...)                                    \
    { 'B', 'M', 0, 0, 0, 0, 0, 0, 0, 0, at, 0, 0, 0, 40, 0, 0, 0, w, 0, 0, 0, h, 0, 0, 0, \
      1, 0, bits, 0, compression, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,             \
      colours, 0, 0, 0, 0, 0, 0, 0, __VA_ARGS__ }

static hn_ctx cx;

static hn_image image_of(const uint8_t *file, size_t len)
{
    hn_image im = { 0 };
    if (hn_image_open_memory(&cx, file, len, 0, &im))
        print_message("%s\n", cx.msg);
    return im;
}

/* Cut anywhere, a file is an error; nothing behind its end is read. */
static void refuses_every_cut(const uint8_t *file, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        uint8_t *copy = test_malloc(n + 1);
        hn_image im;
        memcpy(copy, file, n);
        CHECK(hn_image_open_memory(&cx, copy, n, 0, &im) != HN_OK);
        test_free(copy);
    }
}

TEST(rows_go_from_the_lowest_up)
{
    static const uint8_t file[] = BMP(1, 2, 24, 0, 0, 54, 1, 2, 3, 0, 4, 5, 6);   /* last padding left out */
    hn_image im = image_of(file, sizeof file);
    CHECK_INT(im.channels, 3);
    assert_memory_equal(im.pixels, ((const uint8_t[]){ 6, 5, 4, 3, 2, 1 }), 6);
    hn_image_free(&cx, &im);
    refuses_every_cut(file, sizeof file);
}

TEST(a_negative_height_means_top_down)
{
    static const uint8_t file[] = BMP(1, 2, 24, 0, 0, 54, 1, 2, 3, 0, 4, 5, 6, 0);
    uint8_t copy[sizeof file];
    memcpy(copy, file, sizeof file);
    memcpy(copy + 22, "\xFE\xFF\xFF\xFF", 4);       /* -2 */
    hn_image im = image_of(copy, sizeof copy);
    assert_memory_equal(im.pixels, ((const uint8_t[]){ 3, 2, 1, 6, 5, 4 }), 6);
    hn_image_free(&cx, &im);
}

TEST(palette_indices_beyond_the_colours_are_black)
{
    static const uint8_t file[] = BMP(3, 1, 8, 0, 2, 62, 10, 20, 30, 0, 40, 50, 60, 0, 1, 0, 9, 0);
    hn_image im = image_of(file, sizeof file);
    assert_memory_equal(im.pixels, ((const uint8_t[]){ 60, 50, 40, 30, 20, 10, 0, 0, 0 }), 9);
    hn_image_free(&cx, &im);
}

TEST(runs_literals_and_jumps_of_rle8)
{
    /* three of colour 1; end of row; jump two right; literal 1 1 1 with padding; end */
    static const uint8_t file[] = BMP(5, 2, 8, 1, 2, 62, 0, 0, 0, 0, 7, 7, 7, 0,
                                      3, 1, 0, 0, 0, 2, 2, 0, 0, 3, 1, 1, 1, 0, 0, 1);
    hn_image im = image_of(file, sizeof file);
    const uint8_t want[] = { 0, 0, 7, 7, 7, 7, 7, 7, 0, 0 };
    for (int i = 0; i < 10; i++)
        CHECK_INT(im.pixels[i * 3], want[i]);
    hn_image_free(&cx, &im);
}

TEST(a_run_that_leaves_the_picture_is_damage)
{
    static const uint8_t wide[] = BMP(5, 2, 8, 1, 2, 62, 0, 0, 0, 0, 7, 7, 7, 0, 6, 1, 0, 1);
    static const uint8_t high[] = BMP(5, 1, 8, 1, 2, 62, 0, 0, 0, 0, 7, 7, 7, 0, 0, 0, 1, 1, 0, 1);
    hn_image im;
    CHECK_INT(hn_image_open_memory(&cx, wide, sizeof wide, 0, &im), HN_EFORMAT);
    CHECK_INT(hn_image_open_memory(&cx, high, sizeof high, 0, &im), HN_EFORMAT);
}

TEST(bit_fields_are_stretched_to_eight_bits)
{
    static const uint8_t file[] = BMP(2, 1, 16, 3, 0, 66, 0, 0xF8, 0, 0, 0xE0, 7, 0, 0, 0x1F, 0, 0, 0,
                                      0xFF, 0xFF, 0x10, 0x84);
    hn_image im = image_of(file, sizeof file);
    assert_memory_equal(im.pixels, ((const uint8_t[]){ 255, 255, 255, 132, 130, 132 }), 6);
    hn_image_free(&cx, &im);
    refuses_every_cut(file, sizeof file);
}

TEST(a_mask_with_a_hole_is_refused)
{
    static const uint8_t file[] = BMP(1, 1, 16, 3, 0, 66, 0, 0xA0, 0, 0, 0xE0, 7, 0, 0, 0x1F, 0, 0, 0, 1, 2, 0, 0);
    hn_image im;
    CHECK_INT(hn_image_open_memory(&cx, file, sizeof file, 0, &im), HN_EFORMAT);
}

TEST(a_huge_claim_in_a_small_file_costs_no_memory)
{
    uint8_t file[] = BMP(0, 0, 24, 0, 0, 54, 0, 0, 0, 0);
    hn_image im;
    file[20] = file[24] = 0x20;             /* 2 M x 2 M */
    CHECK_INT(hn_image_open_memory(&cx, file, sizeof file, 0, &im), HN_ELIMIT);
    file[20] = file[24] = 0;
    file[19] = file[23] = 0x20;             /* 8 k x 8 k: allowed, but not there */
    CHECK_INT(hn_image_open_memory(&cx, file, sizeof file, 0, &im), HN_EFORMAT);
    CHECK(strstr(cx.msg, "58 bytes") != NULL);
}
