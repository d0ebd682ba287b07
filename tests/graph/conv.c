/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/graph.h"

TEST(conv_slides_a_padded_window)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9), F32(SHAPE(1, 1, 3, 3), 1, 1, 1, 1, 1, 1, 1, 1, 1),
                       F32(SHAPE(1), 100) };
    hn_attr a[] = { AINTS("pads", 1, 1, 1, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Conv", in, 3, a, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK_INT(t.out[0].shape.dim[2], 3);
    CHECK(y[0] == 112 && y[4] == 145 && y[8] == 128);
    hn_test_done(&t);
}

TEST(conv_same_lower_puts_the_odd_padding_first)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 3), 1, 2, 3), F32(SHAPE(1, 1, 2), 1, 10) };
    hn_attr lower[] = { ATEXT("auto_pad", "SAME_LOWER") }, upper[] = { ATEXT("auto_pad", "SAME_UPPER") };
    CHECK_INT(hn_test_op(&t, NULL, "Conv", in, 2, lower, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 10 && y[1] == 21 && y[2] == 32);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Conv", in, 2, upper, 1, 1), HN_OK);
    y = t.out[0].data;
    CHECK(y[0] == 21 && y[1] == 32 && y[2] == 3);
    hn_test_done(&t);
}

TEST(conv_of_no_images_gives_no_images)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(0, 1, 4), 0), F32(SHAPE(2, 1, 3), 1, 1, 1, 1, 1, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Conv", in, 2, NULL, 0, 1), HN_OK);
    CHECK(t.out[0].shape.dim[0] == 0 && t.out[0].shape.dim[1] == 2 && t.out[0].shape.dim[2] == 2);
    hn_test_done(&t);
}

TEST(conv_refuses_hostile_attributes)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 4), 1, 2, 3, 4), F32(SHAPE(1, 1, 2), 1, 1) };
    hn_attr bad[] = { AINTS("strides", 0), AINTS("dilations", -1), AINTS("pads", -1, 0), AINTS("strides", 1, 1),
                      AINT("group", 0), AINT("group", 3), AINTS("dilations", INT64_MAX), AINTS("pads", INT64_MAX, 1),
                      AINTS("kernel_shape", 3), ATEXT("auto_pad", "SOME") };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_INT(hn_test_op(&t, NULL, "Conv", in, 2, &bad[i], 1, 1), HN_EFORMAT);
        CHECK(strstr(t.cx.msg, "Conv") != NULL);
        hn_test_done(&t);
    }
}

TEST(conv_says_when_the_window_does_not_fit)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 2), 1, 2), F32(SHAPE(1, 1, 3), 1, 1, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Conv", in, 2, NULL, 0, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "does not fit") != NULL);
    hn_test_done(&t);
}

TEST(convtranspose_undoes_the_size_of_a_strided_conv)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 2), 1, 2), F32(SHAPE(1, 1, 3), 1, 10, 100) };
    hn_attr a[] = { AINTS("strides", 2), AINTS("output_padding", 1) };
    CHECK_INT(hn_test_op(&t, NULL, "ConvTranspose", in, 2, a, 2, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK_INT(t.out[0].shape.dim[2], 6);
    CHECK(y[0] == 1 && y[1] == 10 && y[2] == 102 && y[3] == 20 && y[4] == 200 && y[5] == 0);
    hn_test_done(&t);
}

TEST(convinteger_pads_with_the_zero_point)
{
    hn_op_test t;
    hn_tensor in[] = { U8(SHAPE(1, 1, 2), 12, 13), U8(SHAPE(1, 1, 3), 1, 1, 1), U8(SCALAR, 10) };
    hn_attr a[] = { AINTS("pads", 1, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "ConvInteger", in, 3, a, 1, 1), HN_OK);
    const int32_t *y = t.out[0].data;
    CHECK(t.out[0].dtype == HN_I32 && y[0] == 5 && y[1] == 5);
    hn_test_done(&t);
}
