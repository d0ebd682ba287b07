/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(nothing_compares_with_nan)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SCALAR, NAN), F32(SHAPE(2), NAN, 1) };
    static const char *const names[] = { "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual" };
    for (int i = 0; i < 5; i++) {
        CHECK_INT(hn_test_op(&t, NULL, names[i], in, 2, NULL, 0, 1), HN_OK);
        CHECK_INT(t.out[0].dtype, HN_BOOL);
        CHECK(!((uint8_t *)t.out[0].data)[0] && !((uint8_t *)t.out[0].data)[1]);
        hn_test_done(&t);
    }
}

TEST(large_unsigned_numbers_compare_as_unsigned)
{
    hn_op_test t;
    hn_tensor in[] = { T_(U64, SHAPE(1), (uint64_t[]){ UINT64_MAX }), T_(U64, SHAPE(1), (uint64_t[]){ 1 }) };
    CHECK_INT(hn_test_op(&t, NULL, "Greater", in, 2, NULL, 0, 1), HN_OK);
    CHECK(*(uint8_t *)t.out[0].data);
    hn_test_done(&t);
}

TEST(equal_strings_have_equal_bytes_wherever_they_lie)
{
    hn_op_test t;
    char word[] = "edge";
    hn_tensor in[] = { T_(STR, SHAPE(3), (hn_text[]){ { word, 4 }, { word, 3 }, { NULL, 0 } }),
                       T_(STR, SHAPE(3), (hn_text[]){ { "edge", 4 }, { "edge", 4 }, { "", 0 } }) };
    CHECK_INT(hn_test_op(&t, NULL, "Equal", in, 2, NULL, 0, 1), HN_OK);
    const uint8_t *y = t.out[0].data;
    CHECK(y[0] && !y[1] && y[2]);
    hn_test_done(&t);
}

TEST(logic_wants_truth_values)
{
    hn_op_test t;
    hn_tensor in[] = { U8(SHAPE(1), 1), U8(SHAPE(1), 1) };
    CHECK_INT(hn_test_op(&t, NULL, "And", in, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "BitwiseAnd", in, 2, NULL, 0, 1), HN_OK);
    hn_test_done(&t);
}

TEST(where_chooses_strings_with_a_broadcast_condition)
{
    hn_op_test t;
    hn_tensor in[] = { T_(BOOL, SHAPE(2, 1), (uint8_t[]){ 1, 0 }), T_(STR, SHAPE(2), (hn_text[]){ { "a", 1 }, { "b", 1 } }),
                       T_(STR, SCALAR, (hn_text[]){ { "z", 1 } }) };
    CHECK_INT(hn_test_op(&t, NULL, "Where", in, 3, NULL, 0, 1), HN_OK);
    const hn_text *y = t.out[0].data;
    CHECK(*y[0].ptr == 'a' && *y[1].ptr == 'b' && *y[2].ptr == 'z' && *y[3].ptr == 'z');
    hn_test_done(&t);
}

TEST(where_refuses_choices_of_two_types)
{
    hn_op_test t;
    hn_tensor in[] = { T_(BOOL, SCALAR, (uint8_t[]){ 1 }), F32(SCALAR, 1), I64(SCALAR, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Where", in, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}
