/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(reducing_nothing_still_squares)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(2), 3, -4);
    hn_attr a[] = { AINT("noop_with_empty_axes", 1) };
    CHECK_INT(hn_test_op(&t, NULL, "ReduceSumSquare", &x, 1, a, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(t.out[0].shape.dim[0] == 2 && y[0] == 9 && y[1] == 16);
    hn_test_done(&t);
}

TEST(reducing_an_empty_axis_gives_the_neutral_element)
{
    static const struct { const char *name; float want; } rows[] = {
        { "ReduceSum", 0 }, { "ReduceProd", 1 }, { "ReduceMax", -INFINITY }, { "ReduceMin", INFINITY },
        { "ReduceLogSum", -INFINITY }, { "ReduceLogSumExp", -INFINITY }, { "ReduceL2", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        hn_op_test t;
        hn_tensor in[] = { F32(SHAPE(2, 0), 0), I64(SHAPE(1), 1) };
        CHECK_INT(hn_test_op(&t, NULL, rows[i].name, in, 2, NULL, 0, 1), HN_OK);
        const float *y = t.out[0].data;
        CHECK(y[0] == rows[i].want && y[1] == rows[i].want);
        hn_test_done(&t);
    }
}

TEST(the_largest_unsigned_number_wins)
{
    hn_op_test t;
    hn_tensor x = T_(U64, SHAPE(3), (uint64_t[]){ 1, UINT64_MAX, 5 });
    CHECK_INT(hn_test_op(&t, NULL, "ReduceMax", &x, 1, NULL, 0, 1), HN_OK);
    CHECK(((const uint64_t *)t.out[0].data)[0] == UINT64_MAX);
    hn_test_done(&t);
}

TEST(reduce_refuses_axes_outside_and_twice)
{
    hn_op_test t;
    hn_tensor outside[] = { F32(SHAPE(2), 1, 2), I64(SHAPE(1), 1) };
    hn_tensor twice[] = { F32(SHAPE(2), 1, 2), I64(SHAPE(2), 0, -1) };
    CHECK_INT(hn_test_op(&t, NULL, "ReduceSum", outside, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "ReduceSum", twice, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(topk_keeps_the_order_of_equals)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(6), 1, 3, 2, 3, 3, 0), I64(SHAPE(1), 4) };
    CHECK_INT(hn_test_op(&t, NULL, "TopK", in, 2, NULL, 0, 2), HN_OK);
    const int64_t *at = t.out[1].data;
    CHECK(at[0] == 1 && at[1] == 3 && at[2] == 4 && at[3] == 2);
    hn_test_done(&t);
}

TEST(topk_refuses_more_than_there_is)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2), 1, 3), I64(SHAPE(1), 3) };
    CHECK_INT(hn_test_op(&t, NULL, "TopK", in, 2, NULL, 0, 2), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(argmin_may_take_the_last_of_equals)
{
    hn_op_test t;
    hn_tensor x = I64(SHAPE(4), 2, 1, 1, 2);
    hn_attr a[] = { AINT("select_last_index", 1), AINT("keepdims", 0) };
    CHECK_INT(hn_test_op(&t, NULL, "ArgMin", &x, 1, a, 2, 1), HN_OK);
    CHECK(t.out[0].shape.rank == 0 && ((const int64_t *)t.out[0].data)[0] == 2);
    hn_test_done(&t);
}

TEST(cumsum_can_run_backwards_without_itself)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(3), 1, 2, 3), I64(SCALAR, 0) };
    hn_attr a[] = { AINT("exclusive", 1), AINT("reverse", 1) };
    CHECK_INT(hn_test_op(&t, NULL, "CumSum", in, 2, a, 2, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == 5 && y[1] == 3 && y[2] == 0);
    hn_test_done(&t);
}
