/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "graph/fixed16.h"
#include "kernels/fixed.h"
#include "tests/support/graph.h"

#define I8(shape, ...) ((hn_tensor){ HN_I8, shape, (int8_t[]){ __VA_ARGS__ } })
#define I32(shape, ...) ((hn_tensor){ HN_I32, shape, (int32_t[]){ __VA_ARGS__ } })
#define F64(shape, ...) ((hn_tensor){ HN_F64, shape, (double[]){ __VA_ARGS__ } })

TEST(a_factor_is_31_bits_and_a_shift)
{
    hn_factor f = hn_factor_of(0.75);
    CHECK(f.fraction == 3 << 29 && f.shift == 0);
    f = hn_factor_of(3);
    CHECK(f.fraction == 3 << 29 && f.shift == 2);
    f = hn_factor_of(1 - 1e-12);                     /* rounds up to a whole */
    CHECK(f.fraction == 1 << 30 && f.shift == 1);
    CHECK(hn_factor_of(0).fraction == 0 && hn_factor_of(1e-20).fraction == 0 && hn_factor_of(NAN).fraction == 0);
}

/* 1/8 of 4 is a half: each rule decides it its own way. */
TEST(rules_differ_on_halves)
{
    hn_factor f = hn_factor_of(0.125);
    CHECK_INT(hn_rescale(4, f, HN_ROUND_AWAY), 1);
    CHECK_INT(hn_rescale(-4, f, HN_ROUND_AWAY), -1);
    CHECK_INT(hn_rescale(4, f, HN_ROUND_UP), 1);
    CHECK_INT(hn_rescale(-4, f, HN_ROUND_UP), 0);
    CHECK_INT(hn_rescale(-4, f, HN_ROUND_SINGLE), 0);
    CHECK_INT(hn_rescale(4, f, HN_ROUND_EVEN), 0);
    CHECK_INT(hn_rescale(12, f, HN_ROUND_EVEN), 2);
    /* 7/16: first rounded to 4/8, that is a half again; rounded once, it is less. */
    CHECK_INT(hn_rescale(7, hn_factor_of(0.0625), HN_ROUND_SINGLE), 0);
    CHECK_INT(hn_rescale(7, hn_factor_of(0.0625), HN_ROUND_AWAY), 1);
}

TEST(extremes_saturate)
{
    CHECK_INT(hn_high_mul(INT32_MIN, INT32_MIN), INT32_MAX);
    CHECK_INT(hn_rescale(INT32_MAX, hn_factor_of(1e9), HN_ROUND_EVEN), INT32_MAX);
    CHECK_INT(hn_round_shift(INT32_MIN, 31), -1);
    CHECK_INT(hn_rescale_wide((int64_t)1 << 40, hn_factor_of(ldexp(1, -30)), HN_ROUND_AWAY), 1024);
}

/* Padding stands for x's zero point: 3 taps of 1 over 2 pixels of 10 - 4. */
TEST(qconv_pads_with_the_zero_point)
{
    hn_op_test t;
    hn_tensor in[] = { I8(SHAPE(1, 1, 2), 10, 10), I8(SHAPE(1, 1, 3), 1, 1, 1), F64(SHAPE(1), 0.5), I32(SHAPE(1), 2) };
    hn_attr a[] = { AINTS("pads", 1, 1), AINT("x_zero", 4), AINT("y_zero", -3), AINT("high", 3) };
    CHECK_INT(hn_test_op(&t, "hone", "QConv", in, 4, a, 4, 1), HN_OK);
    const int8_t *y = t.out[0].data;
    CHECK(y[0] == 3 && y[1] == 3);                   /* (12 + 2) / 2 - 3, clamped from 4 */
    hn_test_done(&t);
}

TEST(qlinear_refuses_what_does_not_fit)
{
    hn_op_test t;
    hn_tensor in[] = { I8(SHAPE(1, 2), 1, 2), I8(SHAPE(1, 3), 1, 1, 1), F64(SHAPE(1), 1) };
    CHECK_INT(hn_test_op(&t, "hone", "QLinear", in, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    in[1] = I8(SHAPE(1, 2), 1, 1);
    hn_attr a[] = { AINT("low", -200) }, r[] = { ATEXT("rounding", "sideways") };
    CHECK_INT(hn_test_op(&t, "hone", "QLinear", in, 3, a, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, "hone", "QLinear", in, 3, r, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

/* (7 - 1) * 0.5 + (5 - 0) * 0.25 = 4.25, in steps of 0.5 from -2: 8.5 away to 9, less 2. */
TEST(qadd_brings_scales_together)
{
    hn_op_test t;
    hn_tensor in[] = { I8(SHAPE(2), 7, -128), I8(SHAPE(1), 5) };
    hn_attr a[] = { AFLOAT("a_scale", 0.5f), AINT("a_zero", 1), AFLOAT("b_scale", 0.25f), AFLOAT("y_scale", 0.5f),
                    AINT("y_zero", -2) };
    CHECK_INT(hn_test_op(&t, "hone", "QAdd", in, 2, a, 5, 1), HN_OK);
    const int8_t *y = t.out[0].data;
    CHECK(y[0] == 7 && y[1] == -128);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, "hone", "QSub", in, 2, a, 5, 1), HN_OK);
    CHECK_INT(*(const int8_t *)t.out[0].data, 2);    /* 3 - 1.25 = 1.75: 3.5 to 4, less 2 */
    hn_test_done(&t);
}

TEST(lookup_takes_bytes_as_indices)
{
    hn_op_test t;
    float table[256];
    for (int i = 0; i < 256; i++)
        table[i] = (float)i;
    hn_tensor in[] = { I8(SHAPE(3), 0, -1, 127), { HN_F32, SHAPE(256), table } };
    CHECK_INT(hn_test_op(&t, "hone", "Lookup", in, 2, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 255 && y[2] == 127);
    hn_test_done(&t);
    in[1].shape = SHAPE(255);
    CHECK_INT(hn_test_op(&t, "hone", "Lookup", in, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(quantize_rounds_halves_away_and_takes_nan_to_the_bottom)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(5), 1, -1, 3, 1e9f, NAN);
    hn_attr a[] = { AFLOAT("y_scale", 2), AINT("y_zero", 1) };
    CHECK_INT(hn_test_op(&t, "hone", "Quantize", &x, 1, a, 2, 1), HN_OK);
    const int8_t *y = t.out[0].data;
    CHECK(y[0] == 2 && y[1] == 0 && y[2] == 3 && y[3] == 127 && y[4] == -128);
    hn_test_done(&t);
}

TEST(means_round_halves_away)
{
    hn_op_test t;
    hn_tensor x = I8(SHAPE(1, 1, 2, 2), -1, -2, 1, 0);
    hn_attr pool[] = { AINTS("kernel_shape", 1, 2) }, mean[] = { AINTS("axes", 3), AINT("keepdims", 0) };
    CHECK_INT(hn_test_op(&t, "hone", "QAveragePool", &x, 1, pool, 1, 1), HN_OK);
    const int8_t *y = t.out[0].data;
    CHECK(y[0] == -2 && y[1] == 1);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, "hone", "QMean", &x, 1, mean, 2, 1), HN_OK);
    y = t.out[0].data;
    CHECK(t.out[0].shape.rank == 3 && y[0] == -2 && y[1] == 1);
    hn_test_done(&t);
}

TEST(qsoftmax_of_equals_shares_evenly)
{
    hn_op_test t;
    hn_tensor x = I8(SHAPE(1, 4), -128, -128, -128, -128);
    hn_attr a[] = { AFLOAT("x_scale", 0.1f), AFLOAT("y_scale", 1.0f / 256), AINT("y_zero", -128) };
    CHECK_INT(hn_test_op(&t, "hone", "QSoftmax", &x, 1, a, 3, 1), HN_OK);
    for (int i = 0; i < 4; i++)
        CHECK_INT(((const int8_t *)t.out[0].data)[i], -64);
    hn_test_done(&t);
}

/* Between 0 and 10 at a half, in 10 bits and in float. */
TEST(qresize_interpolates)
{
    hn_op_test t;
    hn_tensor x = U8(SHAPE(1, 1, 1, 2), 0, 11);
    hn_attr a[] = { AINTS("size", 1, 4), ATEXT("weights", "fixed") };
    for (int i = 0; i < 2; i++) {
        CHECK_INT(hn_test_op(&t, "hone", "QResize", &x, 1, a, 2, 1), HN_OK);
        const uint8_t *y = t.out[0].data;
        CHECK(y[0] == 0 && y[1] == 6 && y[2] == 11 && y[3] == 11);
        hn_test_done(&t);
        a[1] = ATEXT("weights", "float");
    }
}

/* Rows are quantised each by its own range, so both come back as they were. */
TEST(dynamic_products_quantise_row_by_row)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2, 2), 127, -127, 1.27f, 0), I8(SHAPE(1, 2), 2, 1), F32(SHAPE(1), 0.5f), F32(SHAPE(1), 3) };
    CHECK_INT(hn_test_op(&t, "hone", "DynamicQLinear", in, 4, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK_NEAR(y[0], 66.5f, 1e-4);
    CHECK_NEAR(y[1], 4.27f, 1e-5);
    hn_test_done(&t);
}

TEST(fixed_point_functions_are_near_the_real_ones)
{
    for (int i = INT16_MIN; i <= INT16_MAX; i += 7) {
        double x = i / 4096.0;
        CHECK_NEAR(hn_sigmoid_16((int16_t)i) / 32768.0, 1 / (1 + exp(-x)), 2e-4);
        CHECK_NEAR(hn_tanh_16((int16_t)i) / 32768.0, tanh(x), 5e-4);
    }
    CHECK_INT(hn_sigmoid_16(0), 1 << 14);
    CHECK_INT(hn_tanh_16(0), 0);
}
