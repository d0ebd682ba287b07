/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/graph.h"

TEST(quantize_rounds_half_to_even_and_saturates)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(5), 1, 3, -1, 1000, -1000), F32(SCALAR, 2), U8(SCALAR, 10) };
    CHECK_INT(hn_test_op(&t, NULL, "QuantizeLinear", in, 3, NULL, 0, 1), HN_OK);
    const uint8_t *y = t.out[0].data;
    CHECK(y[0] == 10 && y[1] == 12 && y[2] == 10 && y[3] == 255 && y[4] == 0);
    hn_test_done(&t);
}

TEST(blocks_share_a_scale_and_the_last_may_be_short)
{
    hn_op_test t;
    hn_tensor in[] = { T_(I8, SHAPE(1, 3), (int8_t[]){ 1, 2, 3 }), F32(SHAPE(1, 2), 10, 100) };
    hn_attr a[] = { AINT("block_size", 2) };
    CHECK_INT(hn_test_op(&t, NULL, "DequantizeLinear", in, 2, a, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 10 && y[1] == 20 && y[2] == 300);
    hn_test_done(&t);
}

TEST(scales_that_do_not_fit_are_refused)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 3), 1, 2, 3), F32(SHAPE(2), 1, 1) };
    hn_attr a[] = { AINT("block_size", -1) };
    CHECK_INT(hn_test_op(&t, NULL, "QuantizeLinear", in, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "QuantizeLinear", in, 2, a, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(dynamic_quantisation_of_zeros_does_not_divide_by_zero)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(2), 0, 0);
    CHECK_INT(hn_test_op(&t, NULL, "DynamicQuantizeLinear", &x, 1, NULL, 0, 3), HN_OK);
    CHECK(((const uint8_t *)t.out[0].data)[0] == ((const uint8_t *)t.out[2].data)[0]);
    hn_test_done(&t);
}
