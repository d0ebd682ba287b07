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

TEST(abs_and_sign_of_large_unsigned_numbers_are_not_negative)
{
    hn_op_test t;
    hn_tensor x = T_(U64, SHAPE(2), (uint64_t[]){ UINT64_MAX, 0 });
    CHECK_INT(hn_test_op(&t, NULL, "Abs", &x, 1, NULL, 0, 1), HN_OK);
    CHECK(*(uint64_t *)t.out[0].data == UINT64_MAX);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Sign", &x, 1, NULL, 0, 1), HN_OK);
    CHECK(((uint64_t *)t.out[0].data)[0] == 1 && ((uint64_t *)t.out[0].data)[1] == 0);
    hn_test_done(&t);
}

TEST(round_takes_halves_to_even)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Round", &F32(SHAPE(4), 0.5f, 1.5f, -2.5f, 2.51f), 1, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 2 && y[2] == -2 && y[3] == 3);
    hn_test_done(&t);
}

TEST(is_inf_looks_only_at_the_signs_asked_for)
{
    hn_op_test t;
    hn_attr positive_only[] = { AINT("detect_negative", 0) };
    CHECK_INT(hn_test_op(&t, NULL, "IsInf", &F32(SHAPE(3), INFINITY, -INFINITY, NAN), 1, positive_only, 1, 1), HN_OK);
    const uint8_t *y = t.out[0].data;
    CHECK_INT(t.out[0].dtype, HN_BOOL);
    CHECK(y[0] && !y[1] && !y[2]);
    hn_test_done(&t);
}

TEST(softplus_of_a_large_number_does_not_overflow)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Softplus", &F32(SHAPE(2), 1e4f, -1e4f), 1, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 1e4f && y[1] == 0);
    hn_test_done(&t);
}

TEST(strings_and_truth_values_are_refused_where_numbers_are_meant)
{
    hn_op_test t;
    hn_tensor words = T_(STR, SHAPE(1), (hn_text[]){ { "one", 3 } });
    CHECK_INT(hn_test_op(&t, NULL, "Neg", &words, 1, NULL, 0, 1), HN_EUNSUP);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Not", &I64(SHAPE(1), 1), 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}
