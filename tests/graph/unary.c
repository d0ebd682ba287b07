/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(relu_keeps_nan_and_cuts_below_zero)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Relu", &F32(SHAPE(4), -1, 0, 2.5f, NAN), 1, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 0 && y[2] == 2.5f && isnan(y[3]));
    hn_test_done(&t);
}

TEST(abs_of_the_lowest_integer_wraps)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Abs", &I64(SHAPE(2), INT64_MIN, -3), 1, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == INT64_MIN && y[1] == 3);
    hn_test_done(&t);
}

TEST(sqrt_refuses_integers_by_name)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Sqrt", &I64(SHAPE(1), 4), 1, NULL, 0, 1), HN_EUNSUP);
    CHECK(strstr(t.cx.msg, "Sqrt") != NULL);
    hn_test_done(&t);
}
