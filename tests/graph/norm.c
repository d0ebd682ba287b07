/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(softmax_of_large_numbers_stays_finite)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(2), 10000, 10000);
    CHECK_INT(hn_test_op(&t, NULL, "Softmax", &x, 1, NULL, 0, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[0] == 0.5f);
    hn_test_done(&t);
}

TEST(softmax_of_integers_is_refused)
{
    hn_op_test t;
    hn_tensor x = I64(SHAPE(2), 1, 2);
    CHECK_INT(hn_test_op(&t, NULL, "Softmax", &x, 1, NULL, 0, 1), HN_EUNSUP);
    hn_test_done(&t);
}

TEST(layernorm_with_a_large_mean_keeps_its_digits)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 2), 1000001, 1000003), F32(SHAPE(2), 1, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "LayerNormalization", in, 2, NULL, 0, 3), HN_OK);
    CHECK_NEAR(((const float *)t.out[0].data)[0], -1, 1e-4);
    CHECK_NEAR(((const float *)t.out[1].data)[0], 1000002, 1e-6);
    CHECK(t.out[1].shape.rank == 2 && t.out[1].shape.dim[1] == 1);
    hn_test_done(&t);
}

TEST(groupnorm_refuses_groups_that_do_not_divide)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 3), 1, 2, 3), F32(SHAPE(3), 1, 1, 1), F32(SHAPE(3), 0, 0, 0) };
    hn_attr two[] = { AINT("num_groups", 2) }, none[] = { AINT("num_groups", 0) };
    CHECK_INT(hn_test_op(&t, NULL, "GroupNormalization", in, 3, two, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "GroupNormalization", in, 3, none, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(lpnorm_of_zeros_is_zero)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(2), 0, 0);
    CHECK_INT(hn_test_op(&t, NULL, "LpNormalization", &x, 1, NULL, 0, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[0] == 0);
    hn_test_done(&t);
}
