/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(maxpool_tells_where_the_largest_was)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(1, 2, 4), 1, 4, 3, 2, 8, 7, 6, 9);
    hn_attr a[] = { AINTS("kernel_shape", 2), AINTS("strides", 2) };
    CHECK_INT(hn_test_op(&t, NULL, "MaxPool", &x, 1, a, 2, 2), HN_OK);
    const float *y = t.out[0].data;
    const int64_t *at = t.out[1].data;
    CHECK(y[0] == 4 && y[1] == 3 && y[2] == 8 && y[3] == 9);
    CHECK(at[0] == 1 && at[1] == 2 && at[2] == 4 && at[3] == 7);
    hn_test_done(&t);
}

TEST(maxpool_keeps_nan)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(1, 1, 3), 5, NAN, 7);
    hn_attr a[] = { AINTS("kernel_shape", 3) };
    CHECK_INT(hn_test_op(&t, NULL, "MaxPool", &x, 1, a, 1, 1), HN_OK);
    CHECK(isnan(((const float *)t.out[0].data)[0]));
    hn_test_done(&t);
}

TEST(averagepool_counts_padding_only_when_told)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(1, 1, 2), 4, 8);
    hn_attr a[] = { AINTS("kernel_shape", 2), AINTS("pads", 1, 1), AINT("count_include_pad", 1) };
    CHECK_INT(hn_test_op(&t, NULL, "AveragePool", &x, 1, a, 2, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[0] == 4);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "AveragePool", &x, 1, a, 3, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[0] == 2);
    hn_test_done(&t);
}

TEST(pools_refuse_a_missing_kernel_and_a_zero_stride)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(1, 1, 2), 4, 8);
    hn_attr a[] = { AINTS("kernel_shape", 2), AINTS("strides", 0) };
    CHECK_INT(hn_test_op(&t, NULL, "MaxPool", &x, 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "AveragePool", &x, 1, a, 2, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(maxunpool_refuses_an_index_outside)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 1), 4), I64(SHAPE(1, 1, 1), 2) };
    hn_attr a[] = { AINTS("kernel_shape", 2) };
    CHECK_INT(hn_test_op(&t, NULL, "MaxUnpool", in, 2, a, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(a_huge_kernel_costs_no_more_than_its_input)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(1, 1, 2), 4, 8);
    hn_attr a[] = { AINTS("kernel_shape", INT32_MAX), ATEXT("auto_pad", "SAME_UPPER") };
    CHECK_INT(hn_test_op(&t, NULL, "AveragePool", &x, 1, a, 2, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[0] == 6);
    hn_test_done(&t);
}
