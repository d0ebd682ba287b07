/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

static hn_err cast(hn_op_test *t, hn_tensor x, hn_dtype to, hn_attr more)
{
    hn_attr attr[] = { AINT("to", hn_dtype_to_onnx(to)), more };
    return hn_test_op(t, NULL, "Cast", &x, 1, attr, more.name ? 2 : 1, 1);
}

TEST(casting_integers_drops_high_bits)
{
    hn_op_test t;
    CHECK_INT(cast(&t, I64(SHAPE(2), 200, -129), HN_I8, (hn_attr){ 0 }), HN_OK);
    const int8_t *y = t.out[0].data;
    CHECK(y[0] == -56 && y[1] == 127);
    hn_test_done(&t);
}

TEST(casting_a_long_integer_to_float_rounds_once)
{
    hn_op_test t;
    int64_t between = ((int64_t)1 << 60) + ((int64_t)1 << 36) + 1;     /* just above a tie of floats */
    CHECK_INT(cast(&t, I64(SHAPE(1), between), HN_F32, (hn_attr){ 0 }), HN_OK);
    CHECK(*(float *)t.out[0].data == 0x1.000002p60f);
    hn_test_done(&t);
}

TEST(saturation_decides_what_too_large_floats_become)
{
    hn_op_test t;
    CHECK_INT(cast(&t, F32(SHAPE(2), 1e6f, -INFINITY), HN_F8E4M3FN, (hn_attr){ 0 }), HN_OK);
    CHECK(((uint8_t *)t.out[0].data)[0] == 0x7E && ((uint8_t *)t.out[0].data)[1] == 0xFE);
    hn_test_done(&t);
    CHECK_INT(cast(&t, F32(SHAPE(2), 1e6f, -INFINITY), HN_F8E5M2, AINT("saturate", 0)), HN_OK);
    CHECK(((uint8_t *)t.out[0].data)[0] == 0x7C && ((uint8_t *)t.out[0].data)[1] == 0xFC);
    hn_test_done(&t);
}

TEST(exponents_round_as_asked)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(3), 1.25f, 1.5f, 0);
    CHECK_INT(cast(&t, x, HN_F8E8M0, (hn_attr){ 0 }), HN_OK);
    CHECK(memcmp(t.out[0].data, (uint8_t[]){ 128, 128, 0 }, 3) == 0);
    hn_test_done(&t);
    CHECK_INT(cast(&t, x, HN_F8E8M0, ATEXT("round_mode", "nearest")), HN_OK);
    CHECK(memcmp(t.out[0].data, (uint8_t[]){ 127, 128, 0 }, 3) == 0);
    hn_test_done(&t);
    CHECK_INT(cast(&t, x, HN_F8E8M0, ATEXT("round_mode", "sideways")), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(six_bit_floats_pack_four_into_three_bytes)
{
    hn_op_test t;
    CHECK_INT(cast(&t, F32(SHAPE(5), 1, -1, 7.5f, 0.125f, 100), HN_F6E2M3, (hn_attr){ 0 }), HN_OK);
    CHECK_INT(hn_bytes(&t.out[0]), 4);
    double v[5];
    hn_get_f64(&t.out[0], 0, 5, v);
    CHECK(v[0] == 1 && v[1] == -1 && v[2] == 7.5 && v[3] == 0.125 && v[4] == 7.5);
    hn_test_done(&t);
}

TEST(numbers_print_with_the_fewest_digits_that_read_back)
{
    static const char *const expected[] = { "0.1", "1.0", "-2.5e-07", "1e+20", "nan", "-inf", "123456.0" };
    hn_op_test t;
    CHECK_INT(cast(&t, F32(SHAPE(7), 0.1f, 1, -2.5e-7f, 1e20f, NAN, -INFINITY, 123456), HN_STR, (hn_attr){ 0 }), HN_OK);
    const hn_text *y = t.out[0].data;
    for (int i = 0; i < 7; i++)
        CHECK_TEXT(y[i].ptr, expected[i]);
    hn_test_done(&t);
}

TEST(text_reads_as_numbers_and_nothing_else)
{
    hn_op_test t;
    hn_tensor good = T_(STR, SHAPE(4), (hn_text[]){ { "9223372036854775807", 19 }, { "1e3", 3 }, { "-5", 2 }, { "100.5", 5 } });
    CHECK_INT(cast(&t, good, HN_I64, (hn_attr){ 0 }), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == INT64_MAX && y[1] == 1000 && y[2] == -5 && y[3] == 100);
    hn_test_done(&t);
    CHECK_INT(cast(&t, T_(STR, SHAPE(1), (hn_text[]){ { "+inf", 4 } }), HN_F32, (hn_attr){ 0 }), HN_OK);
    CHECK(isinf(*(float *)t.out[0].data));
    hn_test_done(&t);

    static const char *const bad[] = { "Hello World!", "", "0x10", "1.2.3", "7 7" };
    for (int i = 0; i < 5; i++) {
        hn_tensor x = T_(STR, SHAPE(1), (hn_text[]){ { bad[i], strlen(bad[i]) } });
        CHECK_INT(cast(&t, x, HN_F32, (hn_attr){ 0 }), HN_EFORMAT);
        hn_test_done(&t);
    }
}

TEST(casting_to_no_type_is_refused)
{
    hn_op_test t;
    hn_attr to[] = { AINT("to", 99) };
    CHECK_INT(hn_test_op(&t, NULL, "Cast", &F32(SHAPE(1), 1), 1, to, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(bitcast_keeps_bits_and_wants_equal_widths)
{
    hn_op_test t;
    hn_attr u32[] = { AINT("to", hn_dtype_to_onnx(HN_U32)) }, u16[] = { AINT("to", hn_dtype_to_onnx(HN_U16)) };
    CHECK_INT(hn_test_op(&t, NULL, "BitCast", &F32(SHAPE(1), 1), 1, u32, 1, 1), HN_OK);
    CHECK(*(uint32_t *)t.out[0].data == 0x3F800000u);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "BitCast", &F32(SHAPE(1), 1), 1, u16, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}
