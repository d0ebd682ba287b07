/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(activations_keep_nan)
{
    static const char *const names[] = { "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "HardSigmoid",
                                         "Swish", "Gelu", "Shrink", "Clip" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        hn_op_test t;
        CHECK_INT(hn_test_op(&t, NULL, names[i], &F32(SHAPE(1), NAN), 1, NULL, 0, 1), HN_OK);
        CHECK(isnan(*(float *)t.out[0].data));
        hn_test_done(&t);
    }
}

TEST(elu_uses_its_alpha_below_zero_only)
{
    hn_op_test t;
    hn_attr two[] = { AFLOAT("alpha", 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Elu", &F32(SHAPE(2), -1, 3), 1, two, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK_NEAR(y[0], 2 * (exp(-1) - 1), 1e-6);
    CHECK(y[1] == 3);
    hn_test_done(&t);
}

TEST(clip_with_crossed_bounds_gives_the_upper_one)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(3), -9, 0, 9), F32(SCALAR, 2), F32(SCALAR, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Clip", in, 3, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 1 && y[1] == 1 && y[2] == 1);
    hn_test_done(&t);
}

TEST(clip_without_a_lower_bound_cuts_above)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(2), INT64_MIN, 7), { 0 }, I64(SHAPE(1), 5) };
    CHECK_INT(hn_test_op(&t, NULL, "Clip", in, 3, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == INT64_MIN && y[1] == 5);
    hn_test_done(&t);
}

TEST(prelu_refuses_a_slope_larger_than_its_input)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1), -1), F32(SHAPE(2), 1, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "PRelu", in, 2, NULL, 0, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "slope") != NULL);
    hn_test_done(&t);
}

TEST(gelu_refuses_an_approximation_it_does_not_know)
{
    hn_op_test t;
    hn_attr fast[] = { ATEXT("approximate", "fast") };
    CHECK_INT(hn_test_op(&t, NULL, "Gelu", &F32(SHAPE(1), 1), 1, fast, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}
