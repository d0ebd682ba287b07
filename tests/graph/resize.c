/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/graph.h"

TEST(resize_linear_halves_the_steps)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2), 0, 4), { 0 }, F32(SHAPE(1), 2) };
    hn_attr a[] = { ATEXT("mode", "linear") };
    CHECK_INT(hn_test_op(&t, NULL, "Resize", in, 3, a, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 1 && y[2] == 3 && y[3] == 4);
    hn_test_done(&t);
}

TEST(resize_refuses_scales_that_are_no_sizes)
{
    static const float bad[] = { 0, -1, 1e30f };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hn_op_test t;
        hn_tensor in[] = { F32(SHAPE(2), 0, 4), { 0 }, F32(SHAPE(1), bad[i]) };
        CHECK_INT(hn_test_op(&t, NULL, "Resize", in, 3, NULL, 0, 1), HN_EFORMAT);
        hn_test_done(&t);
    }
}

TEST(resize_wants_scales_or_sizes_but_not_both)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2), 0, 4), { 0 }, F32(SHAPE(1), 2), I64(SHAPE(1), 4) };
    CHECK_INT(hn_test_op(&t, NULL, "Resize", in, 4, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Resize", in, 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(gridsample_reads_zero_outside)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 1, 2), 3, 5), F32(SHAPE(1, 1, 2, 2), 0, 0, 9, 9) };
    CHECK_INT(hn_test_op(&t, NULL, "GridSample", in, 2, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 4 && y[1] == 0);
    hn_test_done(&t);
}
