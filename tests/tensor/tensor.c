/* SPDX-License-Identifier: Apache-2.0 */
/* Types, shapes, conversions: every code of every small float. */
#include "tensor/tensor.h"

#include <math.h>
#include <stdlib.h>

#include "tensor/convert.h"
#include "tests/support/graph.h"
#include "tests/support/test.h"

TEST(shapes_have_text)
{
    char text[HN_SHAPE_TEXT];
    hn_shape unknown = { .rank = -1 }, most = { .rank = HN_RANK_MAX };
    CHECK_TEXT(hn_shape_text(&(hn_shape){ .rank = 0 }, text), "scalar");
    CHECK_TEXT(hn_shape_text(&unknown, text), "unknown");
    CHECK_TEXT(hn_shape_text(&(hn_shape){ 4, { 1, 3, 224, 224 } }, text), "1x3x224x224");
    CHECK_TEXT(hn_shape_text(&(hn_shape){ 2, { HN_SYMBOL, 0 } }, text), "?x0");
    for (int i = 0; i < HN_RANK_MAX; i++)
        most.dim[i] = INT64_MAX;
    CHECK_INT(strlen(hn_shape_text(&most, text)), HN_RANK_MAX * 20 - 1);
}

TEST(counts_and_bytes_saturate)
{
    hn_shape big = { 3, { INT64_MAX, INT64_MAX, 2 } }, none = { 3, { INT64_MAX, 0, INT64_MAX } };
    CHECK(hn_shape_count(&big) == SIZE_MAX);
    CHECK_INT(hn_shape_count(&none), 0);
    CHECK_INT(hn_shape_count(&(hn_shape){ .rank = 0 }), 1);
    CHECK(hn_dtype_bytes(HN_F32, SIZE_MAX) == SIZE_MAX);
    CHECK_INT(hn_dtype_bytes(HN_U4, 3), 2);
    CHECK_INT(hn_dtype_bytes(HN_I2, 5), 2);
    CHECK_INT(hn_dtype_bytes(HN_F6E2M3, 4), 3);
    CHECK_INT(hn_dtype_bytes(HN_BOOL, 0), 0);
}

TEST(types_have_names_and_codes)
{
    for (int t = 1; t < HN_DTYPE_COUNT; t++) {
        hn_dtype d = (hn_dtype)t;
        CHECK(hn_dtype_from_name(hn_dtype_name(d)) == d);
        CHECK(hn_dtype_from_onnx(hn_dtype_to_onnx(d)) == d);
        CHECK(hn_dtype_bits(d) > 0);
    }
    CHECK(hn_dtype_from_name("float32") == HN_NONE);
    CHECK(hn_dtype_from_onnx(0) == HN_NONE && hn_dtype_from_onnx(-1) == HN_NONE && hn_dtype_from_onnx(1000) == HN_NONE);
}

TEST(broadcast_operands_stand_still_where_they_have_one)
{
    size_t s[HN_RANK_MAX];
    hn_broadcast_strides(&(hn_shape){ 3, { 5, 1, 4 } }, 4, s);
    CHECK(s[0] == 0 && s[1] == 4 && s[2] == 0 && s[3] == 1);
    hn_broadcast_strides(&(hn_shape){ .rank = 0 }, 2, s);
    CHECK(s[0] == 0 && s[1] == 0);
    hn_broadcast_strides(&(hn_shape){ 2, { 2, 3 } }, 2, s);
    CHECK(s[0] == 3 && s[1] == 1);
}

/* ---- Small floats ------------------------------------------------------------------------------------ */

static const hn_dtype small[] = { HN_F16, HN_BF16, HN_F8E4M3FN, HN_F8E4M3FNUZ, HN_F8E5M2, HN_F8E5M2FNUZ,
                                  HN_F4E2M1, HN_F6E2M3, HN_F6E3M2, HN_F8E8M0 };
enum { SMALL = sizeof small / sizeof *small };

TEST(every_code_of_every_small_float_comes_back)
{
    for (size_t i = 0; i < SMALL; i++)
        for (unsigned code = 0; code < 1u << hn_dtype_bits(small[i]); code++) {
            double v = hn_small_to_f64(small[i], code);
            unsigned back = hn_f64_to_small(small[i], v, false);
            if (isnan(v))
                CHECK(isnan(hn_small_to_f64(small[i], back)));
            else if (back != code)
                print_message("%s code %u is %g, came back as %u\n", hn_dtype_name(small[i]), code, v, back);
            CHECK(isnan(v) || back == code);
        }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between two neighbours the nearer one is taken; in the middle the even code. */
TEST(small_floats_round_to_the_nearest)
{
    static double value[65536];
    for (size_t i = 0; i < SMALL; i++) {
        size_t n = 0;
        if (small[i] == HN_F8E8M0)                   /* powers of two only: its own rule */
            continue;
        for (unsigned code = 0; code < 1u << hn_dtype_bits(small[i]); code++) {
            double v = hn_small_to_f64(small[i], code);
            if (isfinite(v) && !(v == 0 && signbit(v)))
                value[n++] = v;
        }
        qsort(value, n, sizeof *value, by_value);
        for (size_t k = 0; k + 1 < n; k++) {
            double low = value[k], high = value[k + 1], middle = low + (high - low) / 2;
            unsigned at_low = hn_f64_to_small(small[i], low, false), at_high = hn_f64_to_small(small[i], high, false);
            CHECK(hn_small_to_f64(small[i], hn_f64_to_small(small[i], nextafter(middle, low), false)) == low);
            CHECK(hn_small_to_f64(small[i], hn_f64_to_small(small[i], nextafter(middle, high), false)) == high);
            unsigned even = at_low & 1 ? at_high : at_low;
            CHECK(hn_small_to_f64(small[i], hn_f64_to_small(small[i], middle, false)) == hn_small_to_f64(small[i], even));
        }
        double most = value[n - 1];
        CHECK(hn_small_to_f64(small[i], hn_f64_to_small(small[i], most * 1e6, true)) == most);
        CHECK(hn_small_to_f64(small[i], hn_f64_to_small(small[i], -most * 1e6, true)) == -most);
    }
}

TEST(both_ways_to_half_agree_on_all_codes)
{
    for (unsigned code = 0; code < 65536; code++) {
        float h = hn_f16_to_f32((uint16_t)code), b = hn_bf16_to_f32((uint16_t)code);
        CHECK(isnan(h) || ((double)h == hn_small_to_f64(HN_F16, code) && hn_f32_to_f16(h) == code));
        CHECK(isnan(b) || ((double)b == hn_small_to_f64(HN_BF16, code) && hn_f32_to_bf16(b) == code));
        CHECK(!isnan(h) || isnan(hn_f16_to_f32(hn_f32_to_f16(h))));
        CHECK(!isnan(b) || isnan(hn_bf16_to_f32(hn_f32_to_bf16(b))));
    }
}

TEST(packed_elements_do_not_touch_their_neighbours)
{
    static const unsigned widths[] = { 1, 2, 4, 6 };
    for (size_t w = 0; w < 4; w++) {
        uint8_t room[16];
        unsigned bits = widths[w], mask = (1u << bits) - 1, count = 8 * 15 / bits;
        memset(room, 0xA5, sizeof room);
        for (unsigned i = 0; i < count; i++)
            hn_put_packed(room, i, bits, i * 7 & mask);
        hn_put_packed(room, 3, bits, mask);
        for (unsigned i = 0; i < count; i++)
            CHECK_INT(hn_get_packed(room, i, bits), i == 3 ? mask : (i * 7 & mask));
        CHECK_INT(room[15], 0xA5);
    }
}

TEST(integers_wrap_and_floats_truncate)
{
    uint8_t u8[3];
    int8_t i8[3];
    hn_tensor u = { HN_U8, SHAPE(3), u8 }, i = { HN_I8, SHAPE(3), i8 };
    hn_put_i64(&u, 0, 3, (int64_t[]){ 256, -1, 511 });
    CHECK(u8[0] == 0 && u8[1] == 255 && u8[2] == 255);
    hn_put_i64(&i, 1, 2, (int64_t[]){ 128, -129 });
    CHECK(i8[1] == -128 && i8[2] == 127);
    double f[2];
    hn_get_f64(&i, 1, 2, f);
    CHECK(f[0] == -128 && f[1] == 127);
    hn_put_f64(&i, 0, 2, (double[]){ 1.9, -1.9 });
    CHECK(i8[0] == 1 && i8[1] == -1);
}
