/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(integer_division_truncates_and_never_traps)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(3), -7, INT64_MIN, 5), I64(SHAPE(3), 2, -1, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Div", in, 2, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == -3 && y[1] == INT64_MIN && y[2] == 0);
    hn_test_done(&t);
}

TEST(mod_has_the_sign_of_the_divisor_and_fmod_that_of_the_dividend)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(4), -7, 7, INT64_MIN, 1), I64(SHAPE(4), 3, -3, -1, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Mod", in, 2, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == 2 && y[1] == -2 && y[2] == 0 && y[3] == 0);
    hn_test_done(&t);

    hn_attr fm[] = { AINT("fmod", 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Mod", in, 2, fm, 1, 1), HN_OK);
    y = t.out[0].data;
    CHECK(y[0] == -1 && y[1] == 1);
    hn_test_done(&t);
}

TEST(float_mod_follows_the_special_cases_of_the_standard)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(4), 5, -5, INFINITY, 0), F32(SHAPE(4), -INFINITY, -INFINITY, 2, -2) };
    CHECK_INT(hn_test_op(&t, NULL, "Mod", in, 2, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == -INFINITY && y[1] == -5 && isnan(y[2]) && y[3] == 0 && signbit(y[3]));
    hn_test_done(&t);
}

TEST(pow_keeps_the_type_of_its_base)
{
    hn_op_test t;
    hn_tensor whole[] = { I64(SHAPE(3), 3, -2, 2), F32(SHAPE(3), 2, 3, -1) };
    CHECK_INT(hn_test_op(&t, NULL, "Pow", whole, 2, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK_INT(t.out[0].dtype, HN_I64);
    CHECK(y[0] == 9 && y[1] == -8 && y[2] == 0);
    hn_test_done(&t);
}

TEST(pow_of_integers_is_exact_where_doubles_are_not)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(1), 3), I64(SHAPE(2), 39, -1) };
    CHECK_INT(hn_test_op(&t, NULL, "Pow", in, 2, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == 4052555153018976267 && y[1] == 0);
    hn_test_done(&t);
}

TEST(shifting_past_the_width_leaves_the_sign)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(3), -8, -8, 8), I64(SHAPE(3), 1, 64, -1) };
    hn_attr right[] = { ATEXT("direction", "RIGHT") };
    CHECK_INT(hn_test_op(&t, NULL, "BitShift", in, 2, right, 1, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == -4 && y[1] == -1 && y[2] == 0);
    hn_test_done(&t);
}

TEST(max_of_three_broadcasts_and_keeps_nan)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2, 1), 1, NAN), F32(SHAPE(2), 0, 3), F32(SCALAR, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Max", in, 3, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 2 && y[1] == 3 && isnan(y[2]) && isnan(y[3]));
    hn_test_done(&t);
}

TEST(mean_of_half_floats_does_not_overflow_on_the_way)
{
    hn_op_test t;
    hn_tensor in[] = { T_(F16, SHAPE(1), (uint16_t[]){ 0x7BFF }), T_(F16, SHAPE(1), (uint16_t[]){ 0x7BFF }) };
    CHECK_INT(hn_test_op(&t, NULL, "Mean", in, 2, NULL, 0, 1), HN_OK);
    CHECK_INT(*(uint16_t *)t.out[0].data, 0x7BFF);
    hn_test_done(&t);
}

TEST(operands_of_two_types_or_shapes_that_do_not_broadcast_are_refused)
{
    hn_op_test t;
    hn_tensor types[] = { F32(SHAPE(1), 1), I64(SHAPE(1), 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Add", types, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    hn_tensor shapes[] = { F32(SHAPE(2), 1, 2), F32(SHAPE(3), 1, 2, 3) };
    CHECK_INT(hn_test_op(&t, NULL, "Mul", shapes, 2, NULL, 0, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "broadcast") != NULL);
    hn_test_done(&t);
}

TEST(empty_operands_give_an_empty_result)
{
    hn_op_test t;
    hn_tensor in[] = { { HN_F32, SHAPE(0, 3), (float[1]){ 0 } }, F32(SCALAR, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Add", in, 2, NULL, 0, 1), HN_OK);
    CHECK_INT(hn_count(&t.out[0]), 0);
    hn_test_done(&t);
}
