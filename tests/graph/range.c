/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(range_counts_down_and_stops_before_its_limit)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SCALAR, 10), I64(SCALAR, 4), I64(SCALAR, -2) };
    CHECK_INT(hn_test_op(&t, NULL, "Range", in, 3, NULL, 0, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 3);
    CHECK(((int64_t *)t.out[0].data)[2] == 6);
    hn_test_done(&t);
}

TEST(range_refuses_to_stand_still_or_never_to_end)
{
    hn_op_test t;
    hn_tensor still[] = { I64(SCALAR, 0), I64(SCALAR, 1), I64(SCALAR, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Range", still, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    hn_tensor endless[] = { F32(SCALAR, 0), F32(SCALAR, INFINITY), F32(SCALAR, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Range", endless, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    hn_tensor backwards[] = { F32(SCALAR, 0), F32(SCALAR, -5), F32(SCALAR, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Range", backwards, 3, NULL, 0, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 0);
    hn_test_done(&t);
}

TEST(constant_of_shape_is_a_float_zero_unless_told)
{
    hn_op_test t;
    hn_attr seven[] = { { .name = "value", .kind = HN_ATTR_TENSOR, .tensor = I64(SHAPE(1), 7) } };
    CHECK_INT(hn_test_op(&t, NULL, "ConstantOfShape", &I64(SHAPE(1), 2), 1, NULL, 0, 1), HN_OK);
    CHECK(t.out[0].dtype == HN_F32 && ((float *)t.out[0].data)[1] == 0);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "ConstantOfShape", &(hn_tensor){ HN_I64, SHAPE(0), (int64_t[1]){ 0 } }, 1, seven, 1, 1), HN_OK);
    CHECK(t.out[0].shape.rank == 0 && *(int64_t *)t.out[0].data == 7);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "ConstantOfShape", &I64(SHAPE(1), -2), 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(eye_like_with_a_diagonal_outside_is_all_zero)
{
    hn_op_test t;
    hn_attr far[] = { AINT("k", INT64_MIN) }, above[] = { AINT("k", 1) };
    hn_tensor x = I64(SHAPE(2, 2), 5, 5, 5, 5);
    CHECK_INT(hn_test_op(&t, NULL, "EyeLike", &x, 1, far, 1, 1), HN_OK);
    CHECK(((int64_t *)t.out[0].data)[1] == 0);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "EyeLike", &x, 1, above, 1, 1), HN_OK);
    CHECK(((int64_t *)t.out[0].data)[1] == 1 && ((int64_t *)t.out[0].data)[0] == 0);
    hn_test_done(&t);
}

TEST(one_hot_is_all_off_for_an_index_outside)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(3), -1, 2, 0), I64(SCALAR, 2), F32(SHAPE(2), 0.5f, 9) };
    CHECK_INT(hn_test_op(&t, NULL, "OneHot", in, 3, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 0.5f && y[1] == 9 && y[2] == 0.5f && y[3] == 0.5f && y[4] == 9);
    hn_test_done(&t);
}

TEST(trilu_takes_any_diagonal)
{
    hn_op_test t;
    hn_attr lower[] = { AINT("upper", 0) };
    hn_tensor in[] = { I64(SHAPE(2, 2), 1, 2, 3, 4), I64(SCALAR, INT64_MIN) };
    CHECK_INT(hn_test_op(&t, NULL, "Trilu", in, 2, NULL, 0, 1), HN_OK);
    CHECK(((int64_t *)t.out[0].data)[2] == 3);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Trilu", in, 2, lower, 1, 1), HN_OK);
    CHECK(((int64_t *)t.out[0].data)[2] == 0);
    hn_test_done(&t);
}

TEST(a_constant_may_be_a_list_of_words)
{
    hn_op_test t;
    hn_attr words[] = { { .name = "value_strings", .kind = HN_ATTR_TEXTS,
                          .list = { .text = (hn_text[]){ { "a", 1 }, { "bc", 2 } }, .count = 2 } } };
    CHECK_INT(hn_test_op(&t, NULL, "Constant", NULL, 0, words, 1, 1), HN_OK);
    CHECK(t.out[0].dtype == HN_STR && ((hn_text *)t.out[0].data)[1].len == 2);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Constant", NULL, 0, NULL, 0, 1), HN_EUNSUP);
    hn_test_done(&t);
}

TEST(dropout_does_nothing_outside_of_training)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Dropout", &F32(SHAPE(2), 1, 2), 1, NULL, 0, 2), HN_OK);
    CHECK(((float *)t.out[0].data)[1] == 2 && ((uint8_t *)t.out[1].data)[0] == 1);
    hn_test_done(&t);
    hn_tensor all[] = { F32(SHAPE(1), 1), F32(SCALAR, 1), T_(BOOL, SCALAR, (uint8_t[]){ 1 }) };
    CHECK_INT(hn_test_op(&t, NULL, "Dropout", all, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(dropout_with_a_seed_keeps_the_mean)
{
    enum { COUNT = 4096 };
    static float ones[COUNT];
    hn_op_test t;
    hn_attr seed[] = { AINT("seed", 7) };
    double sum = 0;
    for (int i = 0; i < COUNT; i++)
        ones[i] = 1;
    hn_tensor in[] = { T_(F32, SHAPE(COUNT), ones), F32(SCALAR, 0.25f), T_(BOOL, SCALAR, (uint8_t[]){ 1 }) };
    CHECK_INT(hn_test_op(&t, NULL, "Dropout", in, 3, seed, 1, 1), HN_OK);
    for (int i = 0; i < COUNT; i++)
        sum += (double)((float *)t.out[0].data)[i];
    CHECK_NEAR(sum / COUNT, 1, 0.05);          /* five deviations of the mean: sqrt(1/3 / 4096) is 0.009 */
    hn_test_done(&t);
}
