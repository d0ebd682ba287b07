/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "media/image.h"

static hn_ctx cx;

/* The seeds of the fuzzer are small files of every kind; all but the turned one show one picture. */
static hn_image seed(const char *path)
{
    char full[256];
    hn_image im = { 0 };
    snprintf(full, sizeof full, "fuzz/seeds/%s", path);
    if (hn_image_open(&cx, full, 0, &im))
        fail_msg("%s", cx.msg);
    return im;
}

static void check_near(const hn_image *a, const hn_image *b, int most)
{
    CHECK(a->w == b->w && a->h == b->h);
    for (int i = 0; i < a->w * a->h; i++)
        for (int c = 0; c < 3; c++)
            if (abs(a->pixels[i * a->channels + c] - b->pixels[i * b->channels + c]) > most)
                fail_msg("pixel %d, channel %d: %d and %d", i, c, a->pixels[i * a->channels + c],
                         b->pixels[i * b->channels + c]);
}

TEST(every_kind_of_file_shows_the_same_picture)
{
    static const struct { const char *path; int most; } kind[] = {
        { "png/rgba.png", 0 }, { "bmp/rgb24.bmp", 0 }, { "jpeg/baseline.jpg", 40 },
        { "jpeg/progressive.jpg", 60 }, { "jpeg/cmyk.jpg", 60 },      /* small pictures lose much */
    };
    hn_image want = seed("png/rgb.png");
    CHECK(want.w == 17 && want.h == 12 && want.channels == 3);
    CHECK(want.pixels[3] == 15 && want.pixels[4] == 0 && want.pixels[5] == 8);
    for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
        hn_image im = seed(kind[i].path);
        check_near(&im, &want, kind[i].most);
        hn_image_free(&cx, &im);
    }
    hn_image_free(&cx, &want);
}

TEST(every_colour_type_of_png_has_its_layout)
{
    static const struct { const char *path; int channels; } kind[] = {
        { "png/gray.png", 1 }, { "png/one.png", 1 }, { "png/gray16.png", 1 }, { "png/gray_alpha.png", 4 },
        { "png/palette.png", 4 }, { "jpeg/gray.jpg", 1 }, { "bmp/rgba.bmp", 4 }, { "bmp/four.bmp", 3 },
    };
    for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
        hn_image im = seed(kind[i].path);
        CHECK_INT(im.channels, kind[i].channels);
        hn_image_free(&cx, &im);
    }
}

TEST(exif_stands_a_picture_upright)
{
    hn_image im = seed("jpeg/turned.jpg"), flat = seed("jpeg/baseline.jpg");
    CHECK_INT(hn_image_orient(&cx, &flat, 6), HN_OK);
    CHECK(im.w == 12 && im.h == 17);
    check_near(&im, &flat, 40);
    hn_image_free(&cx, &im);
    hn_image_free(&cx, &flat);
}

/* What a viewer does with each number, on a b c / d e f. */
TEST(the_eight_orientations)
{
    static const char *const want[9] = { NULL, "abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc",
                                         "fcebda", "cfbead" };
    for (int o = 1; o <= 8; o++) {
        hn_image im;
        CHECK_INT(hn_image_new(&cx, "test", 3, 2, 1, 6, &im), HN_OK);
        memcpy(im.pixels, "abcdef", 6);
        CHECK_INT(hn_image_orient(&cx, &im, o), HN_OK);
        CHECK_INT(im.w, o > 4 ? 2 : 3);
        assert_memory_equal(im.pixels, want[o], 6);
        hn_image_free(&cx, &im);
    }
}

TEST(a_cut_file_is_an_error_and_never_half_a_picture)
{
    static const char *const path[] = { "jpeg/baseline.jpg", "jpeg/progressive.jpg", "png/rgb.png", "bmp/rgb24.bmp",
                                        "bmp/rle8.bmp", "bmp/rle4.bmp" };
    for (size_t i = 0; i < sizeof path / sizeof path[0]; i++) {
        char full[256];
        hn_file file;
        hn_image im;
        snprintf(full, sizeof full, "fuzz/seeds/%s", path[i]);
        CHECK_INT(hn_file_open(&cx, full, &file), HN_OK);
        for (size_t n = 0; n < file.len * 9 / 10; n++) {
            uint8_t *copy = test_malloc(n + 1);
            memcpy(copy, file.data, n);
            hn_err e = hn_image_open_memory(&cx, copy, n, 0, &im);
            if (e != HN_EFORMAT && !(e == HN_EUNSUP && n < 8))
                fail_msg("%s cut to %zu bytes: %s", full, n, hn_err_name(e));
            test_free(copy);
        }
        hn_file_close(&file);
    }
}

TEST(what_is_written_reads_back_the_same)
{
    char path[] = "/tmp/hone-test-XXXXXX.png";
    hn_image im = seed("png/rgba.png"), again;
    close(mkstemps(path, 4));
    CHECK_INT(hn_image_save(&cx, &im, path), HN_OK);
    CHECK_INT(hn_image_open(&cx, path, 0, &again), HN_OK);
    CHECK_INT(again.channels, 4);
    assert_memory_equal(im.pixels, again.pixels, (size_t)im.w * (size_t)im.h * 4);
    unlink(path);
    CHECK_INT(hn_image_save(&cx, &im, "/tmp/x.jpg"), HN_EUNSUP);
    hn_image_free(&cx, &im);
    hn_image_free(&cx, &again);
}

TEST(pictures_over_the_limit_are_refused_before_they_are_decoded)
{
    static const char *const path[] = { "jpeg/baseline.jpg", "png/rgb.png", "bmp/rgb24.bmp" };
    for (size_t i = 0; i < 3; i++) {
        char full[256];
        hn_image im;
        snprintf(full, sizeof full, "fuzz/seeds/%s", path[i]);
        CHECK_INT(hn_image_open(&cx, full, 17 * 12 - 1, &im), HN_ELIMIT);
        CHECK(strstr(cx.msg, "17 x 12") && strstr(cx.msg, full));
    }
}

TEST(what_is_no_picture_is_said_to_be_none)
{
    hn_image im;
    CHECK_INT(hn_image_open_memory(&cx, "hello", 5, 0, &im), HN_EUNSUP);
    CHECK_INT(hn_image_open_memory(&cx, "", 0, 0, &im), HN_EFORMAT);
    CHECK_INT(hn_image_open(&cx, "/nowhere/cat.jpg", 0, &im), HN_EIO);
}
